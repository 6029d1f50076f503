# SPDX-License-Identifier: Apache-2.0
#
# sm: the role's library and the program chappe-sm.
# Add, for each file:
#   sm_libsm_a_SOURCES += sm/thing.c sm/thing.h

noinst_LIBRARIES += sm/libsm.a
sm_libsm_a_SOURCES =

# The program, once sm/main.c is there:
#   sbin_PROGRAMS += chappe-sm
#   chappe_sm_SOURCES = sm/main.c
#   chappe_sm_LDADD = sm/libsm.a $(STORAGE_LIBS) $(GSASL_LIBS)
#   chappe_sm_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)

# Features: roster, presence, messages, iqs and the modules.
sm_libsm_a_SOURCES += sm/roster.c sm/roster.h
sm_libsm_a_SOURCES += sm/roster_iq.c
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
sm_libsm_a_SOURCES += sm/offline.h sm/register.h
sm_libsm_a_SOURCES += sm/modules/disco.c sm/modules/disco.h
sm_libsm_a_SOURCES += sm/modules/disco_caps.c
sm_libsm_a_SOURCES += sm/modules/ping.c
sm_libsm_a_SOURCES += sm/modules/version.c
sm_libsm_a_SOURCES += sm/modules/time.c
sm_libsm_a_SOURCES += sm/modules/last.c
sm_libsm_a_SOURCES += sm/modules/private.c
sm_libsm_a_SOURCES += sm/modules/vcard.c
sm_libsm_a_SOURCES += sm/modules/offline.c
sm_libsm_a_SOURCES += sm/modules/register.c sm/modules/register.h
sm_libsm_a_SOURCES += sm/modules/register_new.c
sm_libsm_a_SOURCES += sm/modules/contact.c
sm_libsm_a_SOURCES += sm/modules/session.c
