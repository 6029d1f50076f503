# SPDX-License-Identifier: Apache-2.0
#
# c2s: the role's library and the program chappe-c2s. The option tables are a
# library of their own, which chappectl links too.

noinst_LIBRARIES += c2s/libc2soptions.a c2s/libc2s.a
c2s_libc2soptions_a_SOURCES = c2s/options.c c2s/options.h

c2s_libc2s_a_SOURCES = \
	c2s/c2s.c c2s/c2s.h \
	c2s/commands.c \
	c2s/drain.c c2s/drain.h \
	c2s/domain.c c2s/domain.h \
	c2s/flight.c c2s/flight.h \
	c2s/management.c c2s/management.h \
	c2s/metrics.c \
	c2s/move.c c2s/move.h \
	c2s/negotiate.c c2s/negotiate.h \
	c2s/relay.c c2s/relay.h \
	c2s/certificate.c c2s/certificate.h \
	c2s/sasl.c c2s/sasl.h \
	c2s/seen.c c2s/seen.h \
	c2s/session.c c2s/session.h \
	c2s/stream.c c2s/stream.h \
	c2s/tail.c c2s/tail.h

sbin_PROGRAMS += chappe-c2s
chappe_c2s_SOURCES = c2s/main.c
chappe_c2s_LDADD = c2s/libc2s.a c2s/libc2soptions.a $(ROLE_LIBS)
