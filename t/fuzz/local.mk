# SPDX-License-Identifier: Apache-2.0
#
# t/fuzz: a target per parser, t/fuzz/fuzz_NAME.c, with a corpus of its own in
# t/fuzz/corpus/NAME. With --enable-fuzzers (clang) it is a fuzzer:
#   t/fuzz/fuzz_NAME my-finds t/fuzz/corpus/NAME
# Without, `make check` replays its corpus through replay.c (TAP).

FUZZ_XMPP_SOURCES = t/fuzz/fuzz.h t/fuzz/roundtrip.c t/fuzz/roundtrip.h

t_fuzz_replay_frame_SOURCES = t/fuzz/fuzz_frame.c t/fuzz/replay.c \
	$(FUZZ_XMPP_SOURCES)
t_fuzz_replay_frame_LDADD = $(XMPP_LIBS)
t_fuzz_replay_stanza_SOURCES = t/fuzz/fuzz_stanza.c t/fuzz/replay.c \
	$(FUZZ_XMPP_SOURCES)
t_fuzz_replay_stanza_LDADD = $(XMPP_LIBS)
t_fuzz_replay_jid_SOURCES = t/fuzz/fuzz_jid.c t/fuzz/replay.c t/fuzz/fuzz.h
t_fuzz_replay_jid_LDADD = $(XMPP_LIBS)

FUZZ_REPLAYS = t/fuzz/replay_frame t/fuzz/replay_stanza t/fuzz/replay_jid

if FUZZERS
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += t/fuzz/fuzz_frame t/fuzz/fuzz_stanza t/fuzz/fuzz_jid
t_fuzz_fuzz_frame_SOURCES = t/fuzz/fuzz_frame.c $(FUZZ_XMPP_SOURCES)
t_fuzz_fuzz_frame_LDADD = $(XMPP_LIBS)
t_fuzz_fuzz_frame_LDFLAGS = $(FUZZ_LINK)
t_fuzz_fuzz_stanza_SOURCES = t/fuzz/fuzz_stanza.c $(FUZZ_XMPP_SOURCES)
t_fuzz_fuzz_stanza_LDADD = $(XMPP_LIBS)
t_fuzz_fuzz_stanza_LDFLAGS = $(FUZZ_LINK)
t_fuzz_fuzz_jid_SOURCES = t/fuzz/fuzz_jid.c t/fuzz/fuzz.h
t_fuzz_fuzz_jid_LDADD = $(XMPP_LIBS)
t_fuzz_fuzz_jid_LDFLAGS = $(FUZZ_LINK)
else
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += $(FUZZ_REPLAYS)
endif

EXTRA_DIST += t/fuzz/corpus

include $(top_srcdir)/t/fuzz/router.mk
include $(top_srcdir)/t/fuzz/c2s.mk
include $(top_srcdir)/t/fuzz/s2s.mk
include $(top_srcdir)/t/fuzz/role.mk
include $(top_srcdir)/t/fuzz/storage.mk
