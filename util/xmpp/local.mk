# SPDX-License-Identifier: Apache-2.0
#
# util/xmpp: framing, stanzas, JIDs.

noinst_LIBRARIES += util/xmpp/libxmpp.a
util_xmpp_libxmpp_a_SOURCES = \
	util/xmpp/frame.c util/xmpp/frame.h \
	util/xmpp/frame_declaration.c \
	util/xmpp/frame_scan.c util/xmpp/frame_scan.h \
	util/xmpp/jid.c util/xmpp/jid.h \
	util/xmpp/jid_prepare.c util/xmpp/jid_prepare.h \
	util/xmpp/ns.h \
	util/xmpp/stanza.c util/xmpp/stanza.h \
	util/xmpp/stanza_error.c util/xmpp/stanza_error.h \
	util/xmpp/stanza_memory.c util/xmpp/stanza_memory.h \
	util/xmpp/stanza_parse.c \
	util/xmpp/stanza_read.c \
	util/xmpp/stanza_write.c \
	util/xmpp/stream.c util/xmpp/stream.h \
	util/xmpp/stream_ns.c util/xmpp/stream_ns.h \
	util/xmpp/utf8.c util/xmpp/utf8.h

# A driver that is written elsewhere is compiled against these.
nobase_pkginclude_HEADERS += util/xmpp/jid.h util/xmpp/ns.h \
	util/xmpp/stanza.h
