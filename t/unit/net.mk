# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/net; t/unit/local.mk shows how to add one.

NET_WORLD = t/unit/net_world.c t/unit/net_world.h

UNIT_TESTS += t/unit/test_tls
t_unit_test_tls_SOURCES = t/unit/test_tls.c $(NET_WORLD)
t_unit_test_tls_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
