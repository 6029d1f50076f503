# SPDX-License-Identifier: Apache-2.0
#
# The fuzz targets for envelopes and the configuration file; t/fuzz/local.mk
# explains.

if FUZZERS
noinst_PROGRAMS += t/fuzz/fuzz_envelope t/fuzz/fuzz_config
t_fuzz_fuzz_envelope_SOURCES = t/fuzz/fuzz_envelope.c t/fuzz/fuzz.h
t_fuzz_fuzz_envelope_LDADD = $(ROLE_LIBS)
t_fuzz_fuzz_envelope_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_config_SOURCES = t/fuzz/fuzz_config.c t/fuzz/fuzz.h
t_fuzz_fuzz_config_LDADD = $(ROLE_LIBS)
t_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += t/fuzz/replay_envelope t/fuzz/replay_config
TESTS += t/fuzz/replay_envelope t/fuzz/replay_config
t_fuzz_replay_envelope_SOURCES = t/fuzz/fuzz_envelope.c t/fuzz/replay.c \
	t/fuzz/fuzz.h
t_fuzz_replay_envelope_LDADD = $(ROLE_LIBS)
t_fuzz_replay_config_SOURCES = t/fuzz/fuzz_config.c t/fuzz/replay.c \
	t/fuzz/fuzz.h
t_fuzz_replay_config_LDADD = $(ROLE_LIBS)
endif
