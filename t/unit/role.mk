# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/role; t/unit/local.mk shows how to add one.

FAKE_ROUTER = t/unit/fake_router.c t/unit/fake_router.h

UNIT_TESTS += t/unit/test_config t/unit/test_envelope t/unit/test_members \
	t/unit/test_metrics
t_unit_test_config_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
t_unit_test_envelope_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
t_unit_test_members_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
t_unit_test_metrics_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_config_check
t_unit_test_config_check_LDADD = router/libroptions.a c2s/libc2soptions.a \
	s2s/libs2soptions.a sm/libsmoptions.a $(ROLE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_command t/unit/test_link
t_unit_test_command_SOURCES = t/unit/test_command.c $(FAKE_ROUTER)
t_unit_test_command_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
t_unit_test_link_SOURCES = t/unit/test_link.c $(FAKE_ROUTER)
t_unit_test_link_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_acceptor
t_unit_test_acceptor_SOURCES = t/unit/test_acceptor.c $(NET_WORLD)
t_unit_test_acceptor_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_access
t_unit_test_access_LDADD = $(ROLE_LIBS) $(CMOCKA_LIBS)
