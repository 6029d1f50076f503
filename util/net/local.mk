# SPDX-License-Identifier: Apache-2.0
#
# util/net: loop, timers, connections, TLS.
# Add, for each file:
#   util_net_libnet_a_SOURCES += util/net/thing.c util/net/thing.h

noinst_LIBRARIES += util/net/libnet.a
util_net_libnet_a_SOURCES = \
	util/net/address.c util/net/address.h \
	util/net/authorities.c util/net/authorities.h \
	util/net/certificate.c util/net/certificate.h \
	util/net/conn.c util/net/conn.h util/net/conn_uv.h \
	util/net/conn_connect.c \
	util/net/conn_facts.c \
	util/net/conn_io.c \
	util/net/conn_tls.c util/net/conn_tls.h \
	util/net/http.c util/net/http.h \
	util/net/listener.c util/net/listener.h \
	util/net/loop.c util/net/loop.h util/net/loop_uv.h \
	util/net/notify.c util/net/notify.h \
	util/net/process.c util/net/process.h \
	util/net/program.c util/net/program.h \
	util/net/timer.c util/net/timer.h \
	util/net/tls.c util/net/tls.h util/net/tls_session.h \
	util/net/tlsa.c util/net/tlsa.h \
	util/net/watch.c util/net/watch.h \
	util/net/worker.c util/net/worker.h

# Apart from the rest: only s2s needs libunbound.
noinst_LIBRARIES += util/net/libresolver.a
util_net_libresolver_a_SOURCES = util/net/resolver.c util/net/resolver.h \
	util/net/resolver_read.c

# Nor needs anybody else libcurl.
noinst_LIBRARIES += util/net/libfetch.a
util_net_libfetch_a_SOURCES = util/net/fetch.c util/net/fetch.h
