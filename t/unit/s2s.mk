# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of s2s; t/unit/local.mk shows how to add one.

S2S_LIBS = s2s/libs2s.a s2s/libs2soptions.a $(RESOLVER_LIBS) $(ROLE_LIBS)

UNIT_TESTS += t/unit/test_s2s_dialback_key
t_unit_test_s2s_dialback_key_LDADD = $(S2S_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_s2s_queue
t_unit_test_s2s_queue_LDADD = $(S2S_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_certificate
t_unit_test_certificate_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
