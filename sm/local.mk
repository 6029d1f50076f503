# SPDX-License-Identifier: Apache-2.0
#
# sm: the role's library and the program chappe-sm.
# Add, for each file:
#   sm_libsm_a_SOURCES += sm/thing.c sm/thing.h

noinst_LIBRARIES += sm/libsm.a sm/libsmoptions.a
sm_libsm_a_SOURCES =

# The option tables, also for whoever checks a configuration.
sm_libsmoptions_a_SOURCES = sm/options.c sm/options.h \
	sm/sasl_options.c sm/sasl_options.h \
	sm/kerberos_map.c sm/kerberos_map.h \
	storage/ldap_options.c storage/ldap_options.h \
	storage/pipe_options.c storage/pipe_options.h

# What a program that has the role links with.
SM_LIBS = sm/libsm.a sm/libsmoptions.a $(STORAGE_LIBS) $(GSASL_LIBS) $(KERBEROS_LIBS)

sbin_PROGRAMS += chappe-sm
chappe_sm_SOURCES = sm/main.c
chappe_sm_LDADD = $(SM_LIBS)
chappe_sm_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)

# The core: domains, users, sessions, log-ins, the way of a stanza.
sm_libsm_a_SOURCES += sm/sm.c sm/sm.h
sm_libsm_a_SOURCES += sm/work.c sm/work.h
sm_libsm_a_SOURCES += sm/handover.c sm/handover.h
sm_libsm_a_SOURCES += sm/drain.c sm/drain.h
sm_libsm_a_SOURCES += sm/management.c sm/management.h
sm_libsm_a_SOURCES += sm/management_sleep.c
sm_libsm_a_SOURCES += sm/management_resume.c
sm_libsm_a_SOURCES += sm/metrics.c
sm_libsm_a_SOURCES += sm/domain.c sm/domain.h
sm_libsm_a_SOURCES += sm/groups.c sm/groups.h
sm_libsm_a_SOURCES += sm/people.c sm/people.h
sm_libsm_a_SOURCES += sm/roster_shared.c sm/roster_shared.h
sm_libsm_a_SOURCES += sm/roster_sharing.c
sm_libsm_a_SOURCES += sm/user.c sm/user.h
sm_libsm_a_SOURCES += sm/blocklist.c sm/blocklist.h
sm_libsm_a_SOURCES += sm/peer.c sm/peer.h
sm_libsm_a_SOURCES += sm/session.c sm/session.h
sm_libsm_a_SOURCES += sm/session_open.c
sm_libsm_a_SOURCES += sm/session_end.c
sm_libsm_a_SOURCES += sm/snapshot.c
sm_libsm_a_SOURCES += sm/ticket.c sm/ticket.h
sm_libsm_a_SOURCES += sm/route.c sm/route.h
sm_libsm_a_SOURCES += sm/route_undelivered.c
sm_libsm_a_SOURCES += sm/access.c sm/access.h
sm_libsm_a_SOURCES += sm/explain.c sm/explain.h
sm_libsm_a_SOURCES += sm/task.c
sm_libsm_a_SOURCES += sm/copies.c sm/copies.h
sm_libsm_a_SOURCES += sm/module.c sm/module.h
sm_libsm_a_SOURCES += sm/registration.c sm/registration.h
sm_libsm_a_SOURCES += sm/sasl.c sm/sasl.h sm/exchange.h
sm_libsm_a_SOURCES += sm/sasl_mechanisms.c
sm_libsm_a_SOURCES += sm/sasl_scram.c
sm_libsm_a_SOURCES += sm/sasl_plain.c
sm_libsm_a_SOURCES += sm/sasl_external.c
sm_libsm_a_SOURCES += sm/sasl_gssapi.c
sm_libsm_a_SOURCES += sm/sasl_known.c
if KERBEROS
sm_libsm_a_SOURCES += sm/kerberos.c sm/kerberos.h
else
sm_libsm_a_SOURCES += sm/kerberos_none.c sm/kerberos.h
endif
sm_libsm_a_SOURCES += sm/throttle.c sm/throttle.h
sm_libsm_a_SOURCES += sm/admin.c sm/admin.h
sm_libsm_a_SOURCES += sm/admin_user.c
sm_libsm_a_SOURCES += sm/admin_accounts.c

# Features: roster, presence, messages, iqs and the modules.
sm_libsm_a_SOURCES += sm/roster.c sm/roster.h
sm_libsm_a_SOURCES += sm/roster_iq.c sm/roster_private.h sm/roster_sync.c
sm_libsm_a_SOURCES += sm/subscription.c sm/subscription.h
sm_libsm_a_SOURCES += sm/subscribe.c sm/subscribe.h
sm_libsm_a_SOURCES += sm/presence.c sm/presence.h
sm_libsm_a_SOURCES += sm/presence_in.c
sm_libsm_a_SOURCES += sm/presence_directed.c
sm_libsm_a_SOURCES += sm/message.c
sm_libsm_a_SOURCES += sm/message_rules.c sm/message_rules.h
sm_libsm_a_SOURCES += sm/iq.c sm/iq.h
sm_libsm_a_SOURCES += sm/modules.c sm/modules.h
sm_libsm_a_SOURCES += sm/stamp.c sm/stamp.h
sm_libsm_a_SOURCES += sm/offline.h
sm_libsm_a_SOURCES += sm/modules/disco.c sm/modules/disco.h
sm_libsm_a_SOURCES += sm/modules/disco_caps.c
sm_libsm_a_SOURCES += sm/modules/ping.c
sm_libsm_a_SOURCES += sm/modules/version.c
sm_libsm_a_SOURCES += sm/modules/time.c
sm_libsm_a_SOURCES += sm/modules/last.c
sm_libsm_a_SOURCES += sm/modules/private.c
sm_libsm_a_SOURCES += sm/modules/vcard.c sm/modules/vcard.h
sm_libsm_a_SOURCES += sm/modules/vcard_people.c
sm_libsm_a_SOURCES += sm/modules/search.c
sm_libsm_a_SOURCES += sm/modules/offline.c
sm_libsm_a_SOURCES += sm/modules/register.c sm/modules/register.h
sm_libsm_a_SOURCES += sm/modules/register_new.c
sm_libsm_a_SOURCES += sm/modules/contact.c
sm_libsm_a_SOURCES += sm/modules/session.c
sm_libsm_a_SOURCES += sm/modules/blocking.c
sm_libsm_a_SOURCES += sm/modules/carbons.c sm/modules/carbons.h
sm_libsm_a_SOURCES += sm/modules/csi.c sm/modules/csi.h
sm_libsm_a_SOURCES += sm/pubsub.c sm/pubsub.h
sm_libsm_a_SOURCES += sm/pubsub_config.c
sm_libsm_a_SOURCES += sm/pubsub_access.c
sm_libsm_a_SOURCES += sm/caps.c sm/caps.h
sm_libsm_a_SOURCES += sm/modules/pep.c sm/modules/pep.h
sm_libsm_a_SOURCES += sm/modules/pep_change.c
sm_libsm_a_SOURCES += sm/modules/pep_publish.c
sm_libsm_a_SOURCES += sm/modules/pep_items.c
sm_libsm_a_SOURCES += sm/modules/pep_owner.c
sm_libsm_a_SOURCES += sm/modules/pep_subscribe.c
sm_libsm_a_SOURCES += sm/modules/pep_notify.c
