# SPDX-License-Identifier: Apache-2.0
#
# s2s: the role's library and the program chappe-s2s. The option tables are a
# library of their own, which chappectl links too.

noinst_LIBRARIES += s2s/libs2soptions.a s2s/libs2s.a
s2s_libs2soptions_a_SOURCES = s2s/options.c s2s/options.h

s2s_libs2s_a_SOURCES = \
	s2s/access.c s2s/access.h \
	s2s/commands.c \
	s2s/drain.c s2s/drain.h \
	s2s/connect.c s2s/connect.h \
	s2s/dane.c s2s/dane.h \
	s2s/dialback.c s2s/dialback.h \
	s2s/dialback_key.c s2s/dialback_key.h \
	s2s/explain.c s2s/explain.h \
	s2s/incoming.c s2s/incoming.h \
	s2s/local.c s2s/local.h \
	s2s/management.c s2s/management.h \
	s2s/metrics.c \
	s2s/outgoing.c s2s/outgoing.h \
	s2s/posh.c s2s/posh.h \
	s2s/queue.c s2s/queue.h \
	s2s/relay.c s2s/relay.h \
	s2s/remote.c s2s/remote.h \
	s2s/s2s.c s2s/s2s.h \
	s2s/stream.c s2s/stream.h \
	s2s/trust.c s2s/trust.h \
	s2s/zone.c s2s/zone.h

sbin_PROGRAMS += chappe-s2s
chappe_s2s_SOURCES = s2s/main.c
chappe_s2s_LDADD = s2s/libs2s.a s2s/libs2soptions.a $(RESOLVER_LIBS) \
	$(ROLE_LIBS)
