/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS on a connection: GnuTLS with its transport over our own buffers. It
 * pulls straight from the block that was just read, and pushes into what the
 * end of the turn writes. The facts of a session are in conn_facts.c.
 */
#include <errno.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn_tls.h"

#define SEAL_BYTES 131072 /* encrypted for one system call */

static size_t tls_available(const struct conn_tls *tls)
{
	return tls->waiting.len + tls->block_len;
}

static ssize_t tls_pull(gnutls_transport_ptr_t ptr, void *to, size_t len)
{
	struct conn *conn = ptr;
	struct conn_tls *tls = conn->tls;

	if (tls_available(tls) == 0) {
		gnutls_transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	if (tls->waiting.len > 0) {
		if (len > tls->waiting.len)
			len = tls->waiting.len;
		memcpy(to, buf_data(&tls->waiting), len);
		buf_consume(&tls->waiting, len);
		if (tls->waiting.len == 0)
			buf_clear(&tls->waiting, 0);
	} else {
		if (len > tls->block_len)
			len = tls->block_len;
		memcpy(to, tls->block, len);
		tls->block += len;
		tls->block_len -= len;
	}
	return (ssize_t)len;
}

static int tls_pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct conn *conn = ptr;

	(void)ms;
	return tls_available(conn->tls) > 0;
}

static ssize_t tls_push(gnutls_transport_ptr_t ptr, const void *bytes,
			size_t len)
{
	struct conn *conn = ptr;

	if (conn->tls->sealing) {
		buf_add(&conn->loop->wire, bytes, len);
	} else {
		buf_add(&conn->wire, bytes, len);
		conn_flush_soon(conn);
	}
	return (ssize_t)len;
}

bool conn_tls_ready(const struct conn *conn)
{
	return conn->tls && conn->tls->state == TLS_READY;
}

bool conn_tls_waiting(const struct conn *conn)
{
	return conn->tls && conn->tls->waiting.len > 0;
}

void conn_tls_free(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;

	if (!tls)
		return;
	conn->tls = NULL;
	if (tls->session)
		gnutls_deinit(tls->session);
	tls_context_unref(&tls->context);
	buf_free(&tls->waiting);
	mem_free(tls->host);
	mem_free(tls);
}

/* Why the verification of a server's certificate failed. */
static void tls_add_verification(struct buf *text, gnutls_session_t session)
{
	unsigned status = gnutls_session_get_verify_cert_status(session);
	gnutls_datum_t why = { 0 };

	if (gnutls_certificate_verification_status_print(
		    status, gnutls_certificate_type_get(session), &why, 0) < 0)
		return;
	buf_addf(text, ": %s", str_trim((char *)why.data));
	gnutls_free(why.data);
}

/* The session is of no use any more: tells the peer why, and closes. */
static void tls_broke(struct conn *conn, int code)
{
	struct conn_tls *tls = conn->tls;
	struct buf text = { 0 };

	buf_addf(&text, "TLS%s: %s",
		 tls->state == TLS_READY ? "" : " handshake",
		 gnutls_strerror(code));
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		buf_addf(&text, " (%s)",
			 gnutls_alert_get_name(gnutls_alert_get(tls->session)));
	else
		gnutls_alert_send_appropriate(tls->session, code);
	if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		tls_add_verification(&text, tls->session);
	tls->state = TLS_BROKEN;
	conn_end(conn, buf_data(&text));
	buf_free(&text);
}

static void tls_shaken(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;

	tls_session_send_ticket(tls->context, tls->session);
	tls->state = TLS_READY;
	conn_tls_note_facts(conn);
	conn_watch_write(conn); /* in place of the handshake's time-out */
	conn_flush_soon(conn);
	if (conn->handlers && conn->handlers->secured)
		conn->handlers->secured(conn, conn->ctx);
}

static void tls_shake(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;
	int code;

	do {
		code = gnutls_handshake(tls->session);
	} while (code < 0 && !gnutls_error_is_fatal(code) &&
		 tls_available(tls) > 0);
	if (code == 0)
		tls_shaken(conn);
	else if (gnutls_error_is_fatal(code))
		tls_broke(conn, code);
}

/* Decrypts while there are records and somebody to take them. */
static void tls_receive(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;
	size_t before;
	ssize_t n;

	while (conn_wants_data(conn)) {
		before = tls_available(tls);
		n = gnutls_record_recv(tls->session, conn->loop->plain,
				       LOOP_PLAIN_SIZE);
		if (n > 0) {
			conn_deliver(conn, conn->loop->plain, (size_t)n);
		} else if (n == 0) {
			conn_peer_ended(conn, NULL);
		} else if (n == GNUTLS_E_REHANDSHAKE ||
			   gnutls_error_is_fatal((int)n)) {
			/* Renegotiation is refused: a new handshake could
			 * change who the peer is in mid-stream. */
			tls_broke(conn, (int)n);
		} else if (tls_available(tls) == 0 ||
			   tls_available(tls) == before) {
			return;
		}
	}
}

void conn_tls_read(struct conn *conn, const char *bytes, size_t len)
{
	struct conn_tls *tls = conn->tls;

	tls->block = bytes;
	tls->block_len = len;
	if (tls->state == TLS_FRESH)
		conn_tls_begin(conn);
	if (tls->state == TLS_SHAKING)
		tls_shake(conn);
	if (tls->state == TLS_READY)
		tls_receive(conn);
	if (conn->state == CONN_OPEN && tls->block_len > 0)
		buf_add(&tls->waiting, tls->block, tls->block_len);
	tls->block = NULL;
	tls->block_len = 0;
	conn_update_reading(conn);
}

void conn_tls_begin(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;
	int code;

	if (tls->state != TLS_FRESH)
		return;
	code = tls_session_new(tls->context, tls->host, &tls->session);
	if (code < 0) {
		tls->state = TLS_BROKEN;
		conn_finish(conn, "TLS: %s", gnutls_strerror(code));
		return;
	}
	gnutls_transport_set_ptr(tls->session, conn);
	gnutls_transport_set_pull_function(tls->session, tls_pull);
	gnutls_transport_set_pull_timeout_function(tls->session,
						   tls_pull_timeout);
	gnutls_transport_set_push_function(tls->session, tls_push);
	tls->state = TLS_SHAKING;
	timer_start(&conn->timer, conn->loop, CONN_HANDSHAKE_MS,
		    conn_timer_run);
	tls_shake(conn);
}

void conn_start_tls(struct conn *conn, struct tls_context *context,
		    const char *host)
{
	if (conn->state > CONN_OPEN || conn->tls)
		return;
	conn->tls = mem_new(struct conn_tls);
	conn->tls->context = tls_context_ref(context);
	conn->tls->host = mem_strdup(host);
	/* What was written before goes out before, in the clear. */
	if (conn->wire.len == 0) {
		buf_free(&conn->wire);
		conn->wire = conn->out;
		conn->out = (struct buf){ 0 };
	} else {
		buf_add(&conn->wire, buf_data(&conn->out), conn->out.len);
		buf_clear(&conn->out, 0);
	}
	conn_flush_soon(conn);
}

int conn_tls_seal(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;
	size_t len, sealed = 0;
	ssize_t n = 0;

	tls->sealing = true;
	while (conn->out.len > 0 && sealed < SEAL_BYTES) {
		len = conn->out.len;
		if (len > LOOP_PLAIN_SIZE)
			len = LOOP_PLAIN_SIZE;
		n = gnutls_record_send(tls->session, buf_data(&conn->out), len);
		if (n <= 0)
			break;
		buf_consume(&conn->out, (size_t)n);
		sealed += (size_t)n;
	}
	tls->sealing = false;
	if (conn->out.len == 0)
		buf_clear(&conn->out, 0);
	if (n > 0)
		return 0;
	buf_clear(&conn->loop->wire, 0);
	conn_finish(conn, "TLS: %s", gnutls_strerror((int)n));
	return -1;
}

bool conn_tls_bye(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;

	if (!tls || tls->state != TLS_READY || tls->bye)
		return false;
	tls->bye = true;
	gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	return conn->wire.len > 0;
}
