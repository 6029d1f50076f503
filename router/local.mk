# SPDX-License-Identifier: Apache-2.0
#
# router: the role's library and the program chappe-router.
# Add, for each file:
#   router_librouter_a_SOURCES += router/thing.c router/thing.h

noinst_LIBRARIES += router/librouter.a
router_librouter_a_SOURCES =

# The program, once router/main.c is there:
#   sbin_PROGRAMS += chappe-router
#   chappe_router_SOURCES = router/main.c
#   chappe_router_LDADD = router/librouter.a $(ROLE_LIBS)
