# SPDX-License-Identifier: Apache-2.0
#
# The fuzz target for records of DNS; t/fuzz/local.mk explains.

if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_dns
t_fuzz_fuzz_dns_SOURCES = t/fuzz/fuzz_dns.c t/fuzz/fuzz.h
t_fuzz_fuzz_dns_LDADD = $(RESOLVER_LIBS) $(NET_LIBS)
t_fuzz_fuzz_dns_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_dns
TESTS += t/fuzz/replay_dns
t_fuzz_replay_dns_SOURCES = t/fuzz/fuzz_dns.c t/fuzz/replay.c t/fuzz/fuzz.h
t_fuzz_replay_dns_LDADD = $(RESOLVER_LIBS) $(NET_LIBS)
endif
