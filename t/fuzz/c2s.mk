# SPDX-License-Identifier: Apache-2.0
#
# The fuzz target for the streams of clients; t/fuzz/local.mk explains.

FUZZ_C2S_SOURCES = t/fuzz/fuzz_c2s.c t/fuzz/fuzz.h
FUZZ_C2S_LIBS = c2s/libc2s.a c2s/libc2soptions.a $(ROLE_LIBS)

if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_c2s
t_fuzz_fuzz_c2s_SOURCES = $(FUZZ_C2S_SOURCES)
t_fuzz_fuzz_c2s_LDADD = $(FUZZ_C2S_LIBS)
t_fuzz_fuzz_c2s_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_c2s
TESTS += t/fuzz/replay_c2s
t_fuzz_replay_c2s_SOURCES = t/fuzz/replay.c $(FUZZ_C2S_SOURCES)
t_fuzz_replay_c2s_LDADD = $(FUZZ_C2S_LIBS)
endif
