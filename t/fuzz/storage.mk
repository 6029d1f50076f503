# SPDX-License-Identifier: Apache-2.0
#
# The fuzz target for what stands in directories; t/fuzz/local.mk explains.

if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_ldap
t_fuzz_fuzz_ldap_SOURCES = t/fuzz/fuzz_ldap.c t/fuzz/fuzz.h $(LDAP_PLAIN)
t_fuzz_fuzz_ldap_LDADD = $(BASE_LIBS)
t_fuzz_fuzz_ldap_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_ldap
TESTS += t/fuzz/replay_ldap
t_fuzz_replay_ldap_SOURCES = t/fuzz/fuzz_ldap.c t/fuzz/replay.c \
	t/fuzz/fuzz.h $(LDAP_PLAIN)
t_fuzz_replay_ldap_LDADD = $(BASE_LIBS)
endif
