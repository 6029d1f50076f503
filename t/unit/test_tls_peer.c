/* SPDX-License-Identifier: Apache-2.0
 *
 * Our TLS server against a plain GnuTLS client in a thread of its own: old
 * versions, channel bindings of TLS 1.2, tickets, renegotiation, and ways to
 * end that our own client does not have.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <uv.h>

#include "t/unit/net_world.h"
#include "util/base/str.h"

static const char *const names[] = { "example.org", NULL };

struct peer_thread;
typedef void peer_fn(struct peer_thread *peer);

/* Runs in the thread; only looked at after it was joined. */
struct peer_thread {
	/* Options. */
	const char *priorities;
	peer_fn *then;	       /* after the handshake; NULL: an orderly end */
	size_t push_max;       /* bytes in one packet; 0: no limit */
	gnutls_datum_t ticket; /* in: to resume with; out: if keep_ticket */
	bool keep_ticket;
	unsigned port;
	/* What happened. */
	uv_thread_t thread;
	gnutls_session_t session;
	int fd;
	int code;  /* of the handshake */
	int after; /* of `then` */
	bool resumed;
	unsigned char unique[64];
	int unique_len;
};

static int peer_socket(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval limit = { .tv_sec = 5 };

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		abort();
	return fd;
}

/* In crumbs, so that records come apart. */
static ssize_t peer_push(gnutls_transport_ptr_t ptr, const void *bytes,
			 size_t len)
{
	struct peer_thread *peer = ptr;

	if (peer->push_max && len > peer->push_max)
		len = peer->push_max;
	if (peer->push_max)
		usleep(100);
	return send(peer->fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t peer_pull(gnutls_transport_ptr_t ptr, void *bytes, size_t len)
{
	struct peer_thread *peer = ptr;

	return recv(peer->fd, bytes, len, 0);
}

static void peer_note(struct peer_thread *peer)
{
	gnutls_datum_t data;

	peer->resumed = gnutls_session_is_resumed(peer->session);
	peer->unique_len = -1;
	if (gnutls_session_channel_binding(peer->session, GNUTLS_CB_TLS_UNIQUE,
					   &data) == 0) {
		peer->unique_len = (int)data.size;
		memcpy(peer->unique, data.data, data.size);
		gnutls_free(data.data);
	}
}

static void peer_run(void *arg)
{
	struct peer_thread *peer = arg;
	gnutls_certificate_credentials_t credentials;

	peer->fd = peer_socket(peer->port);
	gnutls_certificate_allocate_credentials(&credentials);
	gnutls_init(&peer->session, GNUTLS_CLIENT);
	gnutls_priority_set_direct(peer->session, peer->priorities, NULL);
	gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE,
			       credentials);
	gnutls_server_name_set(peer->session, GNUTLS_NAME_DNS, "example.org",
			       11);
	gnutls_transport_set_ptr(peer->session, peer);
	gnutls_transport_set_push_function(peer->session, peer_push);
	gnutls_transport_set_pull_function(peer->session, peer_pull);
	if (peer->ticket.data && !peer->keep_ticket)
		gnutls_session_set_data(peer->session, peer->ticket.data,
					peer->ticket.size);
	do {
		peer->code = gnutls_handshake(peer->session);
	} while (peer->code < 0 && !gnutls_error_is_fatal(peer->code));
	if (peer->code == 0) {
		peer_note(peer);
		if (peer->then)
			peer->then(peer);
		else
			gnutls_bye(peer->session, GNUTLS_SHUT_RDWR);
	}
	gnutls_deinit(peer->session);
	gnutls_certificate_free_credentials(credentials);
	close(peer->fd);
}

struct world {
	struct certificates certificates;
	struct loop *loop;
	struct server server;
	struct end ends[2];
	struct peer_thread peer;
};

static void world_start(struct world *world, const char *priorities,
			peer_fn *then)
{
	memset(world, 0, sizeof(*world));
	certificates_make(&world->certificates, names);
	world->loop = loop_new(NULL);
	world->server.tls = world_server_tls(&world->certificates, names);
	server_open(&world->server, world->loop, "127.0.0.1:0", world->ends, 2);
	world->peer.priorities = priorities;
	world->peer.then = then;
	world->peer.port = listener_port(world->server.listener);
}

/* Lets the peer do its part, until the n-th connection is closed. */
static void world_peer(struct world *world, size_t n)
{
	world->ends[n].stop_closed = true;
	uv_thread_create(&world->peer.thread, peer_run, &world->peer);
	world_run(world->loop);
	uv_thread_join(&world->peer.thread);
}

static void world_stop(struct world *world)
{
	listener_close(&world->server.listener);
	tls_context_unref(&world->server.tls);
	loop_free(&world->loop);
	end_free(&world->ends[0]);
	end_free(&world->ends[1]);
	gnutls_free(world->peer.ticket.data);
	certificates_free(&world->certificates);
}

/* ---- versions and bindings ---- */

static void test_versions(void **state)
{
	static const struct {
		const char *priorities;
		bool accepted;
	} rows[] = {
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.3", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_BROKEN", false },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_BROKEN", false },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_start(&w, rows[i].priorities, NULL);
		world_peer(&w, 0);
		assert_int_equal(w.peer.code == 0, rows[i].accepted);
		assert_int_equal(w.ends[0].secured, rows[i].accepted);
		assert_int_equal(w.ends[0].orderly, rows[i].accepted);
		world_stop(&w);
	}
}

struct noted {
	char version[16];
	unsigned char unique[64], exporter[64];
	int unique_len, exporter_len;
};

static void note_bindings(struct end *end)
{
	struct noted *noted = end->owner;

	str_copy(noted->version, sizeof(noted->version),
		 conn_tls_version(end->conn));
	noted->unique_len = conn_channel_binding(end->conn, BINDING_TLS_UNIQUE,
						 noted->unique, 64);
	noted->exporter_len = conn_channel_binding(
		end->conn, BINDING_TLS_EXPORTER, noted->exporter, 64);
}

static void test_unique(void **state)
{
	static const struct {
		const char *priorities, *version;
		int unique_len, exporter_len;
	} rows[] = {
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.2", 12, 32 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH", "TLSv1.2",
		  -1, -1 },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.3", "TLSv1.3", -1, 32 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct noted noted = { .unique_len = 0 };
		struct world w;

		world_start(&w, rows[i].priorities, NULL);
		w.ends[0].on_secured = note_bindings;
		w.ends[0].owner = &noted;
		world_peer(&w, 0);
		assert_int_equal(w.peer.code, 0);
		assert_string_equal(noted.version, rows[i].version);
		assert_int_equal(noted.unique_len, rows[i].unique_len);
		assert_int_equal(noted.exporter_len, rows[i].exporter_len);
		if (noted.unique_len > 0) {
			assert_int_equal(w.peer.unique_len, noted.unique_len);
			assert_memory_equal(w.peer.unique, noted.unique, 12);
		}
		world_stop(&w);
	}
}

/* ---- tickets ---- */

static void talk_and_end(struct peer_thread *peer)
{
	char answer[5];

	gnutls_record_send(peer->session, "hello", 5);
	do { /* a ticket may come first */
		peer->after = (int)gnutls_record_recv(peer->session, answer, 5);
	} while (peer->after == GNUTLS_E_AGAIN);
	if (peer->keep_ticket)
		gnutls_session_get_data2(peer->session, &peer->ticket);
	gnutls_bye(peer->session, GNUTLS_SHUT_WR);
}

static void test_tickets(void **state)
{
	static const char *const priorities[] = {
		"NORMAL:-VERS-ALL:+VERS-TLS1.3",
		"NORMAL:-VERS-ALL:+VERS-TLS1.2",
	};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct world w;

		world_start(&w, priorities[i], talk_and_end);
		w.ends[0].echo = w.ends[1].echo = true;
		w.peer.keep_ticket = true;
		world_peer(&w, 0);
		assert_int_equal(w.peer.after, 5);
		assert_false(w.peer.resumed);
		assert_non_null(w.peer.ticket.data);
		w.peer.keep_ticket = false;
		world_peer(&w, 1);
		assert_int_equal(w.peer.after, 5);
		assert_true(w.peer.resumed);
		assert_true(w.ends[1].orderly);
		world_stop(&w);
	}
}

/* ---- ends and misbehaviour ---- */

static void wait_for_end(struct peer_thread *peer)
{
	char rest[64];

	while (recv(peer->fd, rest, sizeof(rest), 0) > 0)
		continue;
}

/* A TCP end without the TLS one counts as an end: many clients do that. */
static void end_without_bye(struct peer_thread *peer)
{
	gnutls_record_send(peer->session, "hello", 5);
	shutdown(peer->fd, SHUT_WR);
	wait_for_end(peer);
}

static void test_end_without_bye(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "NORMAL", end_without_bye);
	world_peer(&w, 0);
	assert_true(w.ends[0].orderly);
	assert_string_equal(buf_data(&w.ends[0].got), "hello");
	world_stop(&w);
}

static void renegotiate(struct peer_thread *peer)
{
	do {
		peer->after = gnutls_handshake(peer->session);
	} while (peer->after < 0 && !gnutls_error_is_fatal(peer->after));
}

static void test_renegotiation(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "NORMAL:-VERS-ALL:+VERS-TLS1.2", renegotiate);
	world_peer(&w, 0);
	assert_int_equal(w.peer.code, 0);
	assert_true(w.peer.after < 0);
	assert_false(w.ends[0].orderly);
	assert_int_equal(w.ends[0].secured, 1);
	world_stop(&w);
}

static void spoil(struct peer_thread *peer)
{
	static const char record[] = "\x17\x03\x03\x00\x20"
				     "0123456789abcdef0123456789abcdef";

	send(peer->fd, record, sizeof(record) - 1, MSG_NOSIGNAL);
	wait_for_end(peer);
}

static void test_spoilt_record(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "NORMAL", spoil);
	world_peer(&w, 0);
	assert_non_null(strstr(w.ends[0].reason, "TLS: "));
	assert_int_equal(w.ends[0].got.len, 0);
	world_stop(&w);
}

static void update_keys(struct peer_thread *peer)
{
	char answer[10];

	gnutls_record_send(peer->session, "hello", 5);
	gnutls_session_key_update(peer->session, GNUTLS_KU_PEER);
	gnutls_record_send(peer->session, "again", 5);
	peer->after = 0;
	while (peer->after < 10) {
		ssize_t n =
			gnutls_record_recv(peer->session, answer + peer->after,
					   10 - (size_t)peer->after);

		if (n <= 0 && n != GNUTLS_E_AGAIN)
			return;
		if (n > 0)
			peer->after += (int)n;
	}
	gnutls_bye(peer->session, GNUTLS_SHUT_WR);
}

static void test_key_update(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "NORMAL:-VERS-ALL:+VERS-TLS1.3", update_keys);
	w.ends[0].echo = true;
	world_peer(&w, 0);
	assert_int_equal(w.peer.after, 10);
	assert_true(w.ends[0].orderly);
	assert_string_equal(buf_data(&w.ends[0].got), "helloagain");
	world_stop(&w);
}

static void test_crumbs(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "NORMAL", talk_and_end);
	w.peer.push_max = 1;
	w.ends[0].echo = true;
	world_peer(&w, 0);
	assert_int_equal(w.peer.code, 0);
	assert_int_equal(w.peer.after, 5);
	assert_true(w.ends[0].orderly);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_end_without_bye),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_spoilt_record),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_crumbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
