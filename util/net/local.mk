# SPDX-License-Identifier: Apache-2.0
#
# util/net: loop, timers, connections, TLS.
# Add, for each file:
#   util_net_libnet_a_SOURCES += util/net/thing.c util/net/thing.h

noinst_LIBRARIES += util/net/libnet.a
util_net_libnet_a_SOURCES =
