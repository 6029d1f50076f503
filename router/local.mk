# SPDX-License-Identifier: Apache-2.0
#
# router: the role's library and the program chappe-router. The options are a
# library of their own, for those who only check a configuration.

noinst_LIBRARIES += router/libroptions.a router/librouter.a

router_libroptions_a_SOURCES = router/options.c router/options.h

router_librouter_a_SOURCES = \
	router/admin.c router/admin.h \
	router/component.c router/component.h \
	router/control.c router/control.h \
	router/drain.c router/drain.h \
	router/forward.c router/forward.h \
	router/handshake.c router/handshake.h \
	router/metrics.c router/metrics.h \
	router/names.c router/names.h \
	router/peer.c router/peer.h \
	router/policy.c router/policy.h \
	router/router.c router/router.h \
	router/state.h

ROUTER_LIBS = router/librouter.a router/libroptions.a $(ROLE_LIBS)

sbin_PROGRAMS += chappe-router
chappe_router_SOURCES = router/main.c
chappe_router_LDADD = $(ROUTER_LIBS)
