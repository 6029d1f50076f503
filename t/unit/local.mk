# SPDX-License-Identifier: Apache-2.0
#
# t/unit: one program per thing, from t/unit/test_THING.c. The .mk of a folder
# says which there are and what each links with:
#   UNIT_TESTS += t/unit/test_THING
#   t_unit_test_THING_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
# with BASE_LIBS, NET_LIBS, XMPP_LIBS, ROLE_LIBS or STORAGE_LIBS, after the
# library of a role when it tests one (sm/libsm.a $(STORAGE_LIBS)).

UNIT_TESTS =

include $(top_srcdir)/t/unit/base.mk
include $(top_srcdir)/t/unit/net.mk
include $(top_srcdir)/t/unit/xmpp.mk
include $(top_srcdir)/t/unit/role.mk
include $(top_srcdir)/t/unit/storage.mk
include $(top_srcdir)/t/unit/router.mk
include $(top_srcdir)/t/unit/c2s.mk
include $(top_srcdir)/t/unit/s2s.mk
include $(top_srcdir)/t/unit/sm.mk

if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
else
check-local:
	@echo 'The tests need cmocka (Debian: libcmocka-dev).' >&2; exit 1
endif
