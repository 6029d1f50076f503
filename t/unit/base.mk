# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/base; t/unit/local.mk shows how to add one.

UNIT_TESTS += t/unit/test_buf
t_unit_test_buf_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_crypto
t_unit_test_crypto_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_error
t_unit_test_error_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_log
t_unit_test_log_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_mem
t_unit_test_mem_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_str
t_unit_test_str_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_table
t_unit_test_table_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_index
t_unit_test_index_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
