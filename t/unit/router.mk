# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of router; t/unit/local.mk shows how to add one.

ROUTER_WORLD = t/unit/router_world.c t/unit/router_world.h

UNIT_TESTS += t/unit/test_router_stream
t_unit_test_router_stream_SOURCES = t/unit/test_router_stream.c \
	$(ROUTER_WORLD) $(NET_WORLD)
t_unit_test_router_stream_LDADD = $(ROUTER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_router_forward
t_unit_test_router_forward_SOURCES = t/unit/test_router_forward.c \
	$(ROUTER_WORLD)
t_unit_test_router_forward_LDADD = $(ROUTER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_router_component t/unit/test_router_admin
t_unit_test_router_component_SOURCES = t/unit/test_router_component.c \
	$(ROUTER_WORLD)
t_unit_test_router_component_LDADD = $(ROUTER_LIBS) $(CMOCKA_LIBS)
t_unit_test_router_admin_SOURCES = t/unit/test_router_admin.c $(ROUTER_WORLD)
t_unit_test_router_admin_LDADD = $(ROUTER_LIBS) $(CMOCKA_LIBS)
