# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of router; t/unit/local.mk shows how to add one.

ROUTER_WORLD = t/unit/router_world.c t/unit/router_world.h

UNIT_TESTS += t/unit/test_router_stream
t_unit_test_router_stream_SOURCES = t/unit/test_router_stream.c \
	$(ROUTER_WORLD) $(NET_WORLD)
t_unit_test_router_stream_LDADD = $(ROUTER_LIBS) $(CMOCKA_LIBS)
