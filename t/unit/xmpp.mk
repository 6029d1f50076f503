# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/xmpp; t/unit/local.mk shows how to add one.

UNIT_TESTS += t/unit/test_frame t/unit/test_jid t/unit/test_stanza \
	t/unit/test_stanza_build t/unit/test_stanza_error t/unit/test_stream \
	t/unit/test_utf8

t_unit_test_frame_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_jid_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_stanza_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_stanza_build_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_stanza_error_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_stream_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
t_unit_test_utf8_LDADD = $(XMPP_LIBS) $(CMOCKA_LIBS)
