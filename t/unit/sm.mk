# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of sm; t/unit/local.mk shows how to add one.

SM_WORLD_MODULES = sm/modules/contact.c sm/modules/disco.c \
	sm/modules/disco_caps.c sm/modules/last.c sm/modules/offline.c \
	sm/modules/ping.c sm/modules/private.c sm/modules/register.c \
	sm/modules/register_new.c sm/modules/search.c sm/modules/session.c \
	sm/modules/time.c sm/modules/vcard.c sm/modules/vcard_people.c \
	sm/modules/version.c

# The features by themselves, over a core that only takes notes.
SM_WORLD = t/unit/sm_world.c t/unit/sm_world.h $(STORAGE_WORLD) \
	sm/copies.c sm/iq.c sm/message.c sm/message_rules.c \
	sm/blocklist.c sm/module.c sm/presence.c \
	sm/presence_directed.c sm/presence_in.c sm/roster.c sm/roster_iq.c \
	sm/roster_shared.c sm/roster_sharing.c sm/roster_sync.c \
	sm/stamp.c sm/subscribe.c sm/subscription.c $(SM_WORLD_MODULES)

UNIT_TESTS += t/unit/test_subscription
t_unit_test_subscription_SOURCES = t/unit/test_subscription.c \
	sm/subscription.c
t_unit_test_subscription_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_message_rules
t_unit_test_message_rules_SOURCES = t/unit/test_message_rules.c \
	sm/message_rules.c
t_unit_test_message_rules_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_roster
t_unit_test_roster_SOURCES = t/unit/test_roster.c $(SM_WORLD)
t_unit_test_roster_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_presence
t_unit_test_presence_SOURCES = t/unit/test_presence.c $(SM_WORLD)
t_unit_test_presence_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_offline
t_unit_test_offline_SOURCES = t/unit/test_offline.c $(SM_WORLD)
t_unit_test_offline_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_modules
t_unit_test_modules_SOURCES = t/unit/test_modules.c $(SM_WORLD)
t_unit_test_modules_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

# The core by itself.
UNIT_TESTS += t/unit/test_ticket
t_unit_test_ticket_SOURCES = t/unit/test_ticket.c
t_unit_test_ticket_LDADD = sm/libsm.a $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_throttle
t_unit_test_throttle_SOURCES = t/unit/test_throttle.c
t_unit_test_throttle_LDADD = sm/libsm.a $(BASE_LIBS) $(CMOCKA_LIBS)

# A whole sm, with a link that only takes notes.
CORE_WORLD = t/unit/core_world.c t/unit/core_world.h $(STORAGE_WORLD)

UNIT_TESTS += t/unit/test_sasl
t_unit_test_sasl_SOURCES = t/unit/test_sasl.c $(CORE_WORLD)
t_unit_test_sasl_LDADD = $(SM_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_session
t_unit_test_session_SOURCES = t/unit/test_session.c $(CORE_WORLD)
t_unit_test_session_LDADD = $(SM_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_route
t_unit_test_route_SOURCES = t/unit/test_route.c $(CORE_WORLD)
t_unit_test_route_LDADD = $(SM_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_kerberos_map
t_unit_test_kerberos_map_SOURCES = t/unit/test_kerberos_map.c
t_unit_test_kerberos_map_LDADD = sm/libsmoptions.a $(ROLE_LIBS) $(CMOCKA_LIBS)

# It loads a driver, which uses what the test exports.
UNIT_TESTS += t/unit/test_sm_access
t_unit_test_sm_access_SOURCES = t/unit/test_sm_access.c $(CORE_WORLD)
t_unit_test_sm_access_LDADD = $(SM_LIBS) $(CMOCKA_LIBS)
t_unit_test_sm_access_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
EXTRA_t_unit_test_sm_access_DEPENDENCIES = t/drivers/people.la
