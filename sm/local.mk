# SPDX-License-Identifier: Apache-2.0
#
# sm: the role's library and the program chappe-sm.
# Add, for each file:
#   sm_libsm_a_SOURCES += sm/thing.c sm/thing.h

noinst_LIBRARIES += sm/libsm.a
sm_libsm_a_SOURCES =

# The program, once sm/main.c is there:
#   sbin_PROGRAMS += chappe-sm
#   chappe_sm_SOURCES = sm/main.c
#   chappe_sm_LDADD = sm/libsm.a $(STORAGE_LIBS) $(GSASL_LIBS)
#   chappe_sm_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
