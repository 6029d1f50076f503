# SPDX-License-Identifier: Apache-2.0
#
# The fuzz target for the links of a router; t/fuzz/local.mk explains.

FUZZ_LINK_SOURCES = t/fuzz/fuzz_link.c t/fuzz/fuzz.h $(ROUTER_WORLD)
FUZZ_LINK_LIBS = $(ROUTER_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_link
t_fuzz_fuzz_link_SOURCES = $(FUZZ_LINK_SOURCES)
t_fuzz_fuzz_link_LDADD = $(FUZZ_LINK_LIBS)
t_fuzz_fuzz_link_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_link
TESTS += t/fuzz/replay_link
t_fuzz_replay_link_SOURCES = t/fuzz/replay.c $(FUZZ_LINK_SOURCES)
t_fuzz_replay_link_LDADD = $(FUZZ_LINK_LIBS)
endif
endif
