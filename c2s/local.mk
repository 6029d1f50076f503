# SPDX-License-Identifier: Apache-2.0
#
# c2s: the role's library and the program chappe-c2s.
# Add, for each file:
#   c2s_libc2s_a_SOURCES += c2s/thing.c c2s/thing.h

noinst_LIBRARIES += c2s/libc2s.a
c2s_libc2s_a_SOURCES =

# The program, once c2s/main.c is there:
#   sbin_PROGRAMS += chappe-c2s
#   chappe_c2s_SOURCES = c2s/main.c
#   chappe_c2s_LDADD = c2s/libc2s.a $(ROLE_LIBS)
