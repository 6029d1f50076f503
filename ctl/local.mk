# SPDX-License-Identifier: Apache-2.0
#
# ctl: chappectl.

bin_PROGRAMS += chappectl
chappectl_SOURCES = ctl/main.c ctl/ctl.h ctl/cli.c ctl/commands.c ctl/call.c \
	ctl/cluster.c ctl/db.c ctl/dns.c ctl/drain.c ctl/explain.c ctl/restart.c \
	ctl/table.c ctl/password.c ctl/options.c
chappectl_LDADD = router/libroptions.a c2s/libc2soptions.a \
	s2s/libs2soptions.a sm/libsmoptions.a \
	$(ROLE_LIBS)
