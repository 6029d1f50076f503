# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/net; t/unit/local.mk shows how to add one.

NET_WORLD = t/unit/net_world.c t/unit/net_world.h

UNIT_TESTS += t/unit/test_conn
t_unit_test_conn_SOURCES = t/unit/test_conn.c $(NET_WORLD)
t_unit_test_conn_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_http
t_unit_test_http_SOURCES = t/unit/test_http.c $(NET_WORLD)
t_unit_test_http_LDADD = $(NET_LIBS) $(MICROHTTPD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_loop
t_unit_test_loop_SOURCES = t/unit/test_loop.c $(NET_WORLD)
t_unit_test_loop_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_notify
t_unit_test_notify_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_tls
t_unit_test_tls_SOURCES = t/unit/test_tls.c $(NET_WORLD)
t_unit_test_tls_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_tls_peer
t_unit_test_tls_peer_SOURCES = t/unit/test_tls_peer.c $(NET_WORLD)
t_unit_test_tls_peer_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_watch
t_unit_test_watch_SOURCES = t/unit/test_watch.c $(NET_WORLD)
t_unit_test_watch_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_worker
t_unit_test_worker_SOURCES = t/unit/test_worker.c $(NET_WORLD)
t_unit_test_worker_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_program
t_unit_test_program_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_process
t_unit_test_process_SOURCES = t/unit/test_process.c $(NET_WORLD)
t_unit_test_process_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
