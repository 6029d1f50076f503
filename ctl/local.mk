# SPDX-License-Identifier: Apache-2.0
#
# ctl: chappectl. Once ctl/main.c is there:
#   bin_PROGRAMS += chappectl
#   chappectl_SOURCES = ctl/main.c ctl/thing.c ctl/thing.h
#   chappectl_LDADD = $(ROLE_LIBS)
# or with $(STORAGE_LIBS), which then also needs
#   chappectl_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
