# SPDX-License-Identifier: Apache-2.0
#
# util/xmpp: framing, stanzas, JIDs.
# Add, for each file:
#   util_xmpp_libxmpp_a_SOURCES += util/xmpp/thing.c util/xmpp/thing.h

noinst_LIBRARIES += util/xmpp/libxmpp.a
util_xmpp_libxmpp_a_SOURCES =
