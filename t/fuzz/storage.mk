# SPDX-License-Identifier: Apache-2.0
#
# Fuzz targets for what stands in directories and comes from programs; t/fuzz/local.mk explains.

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

# What is said to operators' programs, and what they answer.
if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_pipe
t_fuzz_fuzz_pipe_SOURCES = t/fuzz/fuzz_pipe.c t/fuzz/fuzz.h
t_fuzz_fuzz_pipe_LDADD = $(STORAGE_LIBS)
t_fuzz_fuzz_pipe_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_pipe
TESTS += t/fuzz/replay_pipe
t_fuzz_replay_pipe_SOURCES = t/fuzz/fuzz_pipe.c t/fuzz/replay.c t/fuzz/fuzz.h
t_fuzz_replay_pipe_LDADD = $(STORAGE_LIBS)
endif
