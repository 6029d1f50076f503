# SPDX-License-Identifier: Apache-2.0
#
# t/fuzz: a target per parser. With --enable-fuzzers (clang) it is a fuzzer:
#   if FUZZERS
#   noinst_PROGRAMS += t/fuzz/fuzz_frame
#   t_fuzz_fuzz_frame_LDADD = $(XMPP_LIBS)
#   t_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
#   endif
# Without, the same source with a main() that replays the corpus is a test
# (TAP, finds its files under $srcdir):
#   check_PROGRAMS += t/fuzz/replay_frame
#   TESTS += t/fuzz/replay_frame
#   t_fuzz_replay_frame_SOURCES = t/fuzz/fuzz_frame.c t/fuzz/replay.c
#   t_fuzz_replay_frame_LDADD = $(XMPP_LIBS)
