# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of c2s; t/unit/local.mk shows how to add one. They play the sm
# themselves, behind functions of the link that they define.

C2S_WORLD = t/unit/c2s_world.c t/unit/c2s_world.h $(NET_WORLD)
C2S_LIBS = c2s/libc2s.a c2s/libc2soptions.a $(ROLE_LIBS)

UNIT_TESTS += t/unit/test_c2s_session
t_unit_test_c2s_session_SOURCES = t/unit/test_c2s_session.c $(C2S_WORLD)
t_unit_test_c2s_session_LDADD = $(C2S_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_c2s_stream
t_unit_test_c2s_stream_SOURCES = t/unit/test_c2s_stream.c $(C2S_WORLD)
t_unit_test_c2s_stream_LDADD = $(C2S_LIBS) $(CMOCKA_LIBS)
