# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/role; t/unit/local.mk shows how to add one.

UNIT_TESTS += t/unit/test_config t/unit/test_metrics
t_unit_test_config_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
t_unit_test_metrics_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
