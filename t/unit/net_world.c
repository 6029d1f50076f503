/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the tests of util/net; see the header.
 */
#include "t/unit/net_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "util/base/mem.h"
#include "util/base/str.h"

struct deadline {
	struct timer timer;
	struct loop *loop;
	bool over;
};

static void deadline_over(struct timer *timer)
{
	struct deadline *deadline = container_of(timer, struct deadline, timer);

	deadline->over = true;
	loop_stop(deadline->loop);
}

static bool world_run_until(struct loop *loop, uint64_t ms)
{
	struct deadline deadline = { .loop = loop };

	timer_start(&deadline.timer, loop, ms, deadline_over);
	loop_run(loop);
	timer_stop(&deadline.timer);
	return deadline.over;
}

void world_run(struct loop *loop)
{
	if (world_run_until(loop, 10000))
		fail_msg("the loop was not stopped in time");
}

void world_run_for(struct loop *loop, uint64_t ms)
{
	world_run_until(loop, ms);
}

static void end_connected(struct conn *conn, void *ctx)
{
	struct end *end = ctx;

	end->connected++;
	if (end->close_on_connect)
		conn_close(conn);
	else if (end->tls)
		conn_start_tls(conn, end->tls, end->host);
}

static void end_secured(struct conn *conn, void *ctx)
{
	struct end *end = ctx;

	end->secured++;
	if (end->close_on_secure)
		conn_close(conn);
	if (end->on_secured)
		end->on_secured(end);
}

static void end_data(struct conn *conn, const char *bytes, size_t len,
		     void *ctx)
{
	struct end *end = ctx;

	assert_true(len > 0);
	assert_int_equal(end->closed, 0);
	buf_add(&end->got, bytes, len);
	if (end->echo)
		conn_write(conn, bytes, len);
	if (end->on_data)
		end->on_data(end);
	if (end->close_on_data)
		conn_close(conn);
	if (end->stop_at && end->got.len >= end->stop_at)
		loop_stop(end->loop);
}

static void end_drained(struct conn *conn, void *ctx)
{
	struct end *end = ctx;

	assert_false(conn_above_high_water(conn));
	end->drained++;
	if (end->close_on_drain)
		conn_close(conn);
}

static void end_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct end *end = ctx;

	assert_ptr_equal(conn, end->conn);
	end->closed++;
	end->orderly = !reason;
	str_copy(end->reason, sizeof(end->reason), reason ? reason : "");
	end->conn = NULL;
	if (end->stop_closed)
		loop_stop(end->loop);
}

const struct conn_handlers end_handlers = {
	.connected = end_connected,
	.secured = end_secured,
	.data = end_data,
	.drained = end_drained,
	.closed = end_closed,
};

static void server_accept(struct listener *listener, struct conn *conn,
			  void *ctx)
{
	struct server *server = ctx;
	struct end *end;

	assert_ptr_equal(listener, server->listener);
	if (server->accepted == server->count) {
		conn_abort(conn, "too many");
		return;
	}
	end = &server->ends[server->accepted++];
	end->loop = server->loop;
	end->conn = conn;
	conn_set_handlers(conn, &end_handlers, end);
	if (server->tls)
		conn_start_tls(conn, server->tls, NULL);
}

void server_open(struct server *server, struct loop *loop, const char *address,
		 struct end *ends, size_t count)
{
	struct error err = { { 0 } };

	server->loop = loop;
	server->ends = ends;
	server->count = count;
	server->listener =
		listener_open(loop, address, 0, server_accept, server, &err);
	if (!server->listener)
		fail_msg("%s", err.text);
	if (str_starts(address, "unix:"))
		str_copy(server->address, sizeof(server->address), address);
	else
		snprintf(server->address, sizeof(server->address), "%.*s:%u",
			 (int)(strrchr(address, ':') - address), address,
			 listener_port(server->listener));
}

void end_connect(struct end *end, struct loop *loop, const char *address)
{
	end->loop = loop;
	end->conn = conn_connect(loop, address, &end_handlers, end);
}

void end_free(struct end *end)
{
	buf_free(&end->got);
}

/* ---- certificates ---- */

struct signer {
	gnutls_x509_crt_t certificate;
	gnutls_x509_privkey_t key;
};

const char *certificates_path(const struct certificates *certificates,
			      const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	if (str_starts(name, "*."))
		snprintf(path, sizeof(paths[0]), "%s/any.%s", certificates->dir,
			 name + 2);
	else
		snprintf(path, sizeof(paths[0]), "%s/%s", certificates->dir,
			 name);
	return path;
}

static void write_file(const struct certificates *certificates,
		       const char *name, const char *ending,
		       const gnutls_datum_t *pem)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s",
		 certificates_path(certificates, name), ending);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(pem->data, 1, pem->size, file), pem->size);
	assert_int_equal(fclose(file), 0);
}

/* A certificate for `name`, signed by `ca`, or a CA by itself. */
static struct signer make_certificate(const struct certificates *certificates,
				      const char *name, const struct signer *ca,
				      unsigned char serial)
{
	struct signer made;
	gnutls_datum_t pem;
	time_t now = time(NULL);

	gnutls_x509_privkey_init(&made.key);
	assert_int_equal(
		gnutls_x509_privkey_generate(
			made.key, GNUTLS_PK_ECDSA,
			GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	gnutls_x509_crt_init(&made.certificate);
	gnutls_x509_crt_set_version(made.certificate, 3);
	gnutls_x509_crt_set_serial(made.certificate, &serial, 1);
	gnutls_x509_crt_set_activation_time(made.certificate, now - 3600);
	gnutls_x509_crt_set_expiration_time(made.certificate,
					    now + 3600 + serial);
	gnutls_x509_crt_set_dn_by_oid(made.certificate,
				      GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned)strlen(name));
	gnutls_x509_crt_set_key(made.certificate, made.key);
	gnutls_x509_crt_set_basic_constraints(made.certificate, !ca, -1);
	if (ca)
		gnutls_x509_crt_set_subject_alt_name(
			made.certificate, GNUTLS_SAN_DNSNAME, name,
			(unsigned)strlen(name), GNUTLS_FSAN_SET);
	assert_int_equal(gnutls_x509_crt_sign2(
				 made.certificate,
				 ca ? ca->certificate : made.certificate,
				 ca ? ca->key : made.key, GNUTLS_DIG_SHA256, 0),
			 0);
	gnutls_x509_crt_export2(made.certificate, GNUTLS_X509_FMT_PEM, &pem);
	write_file(certificates, name, ".crt", &pem);
	gnutls_free(pem.data);
	gnutls_x509_privkey_export2(made.key, GNUTLS_X509_FMT_PEM, &pem);
	write_file(certificates, name, ".key", &pem);
	gnutls_free(pem.data);
	return made;
}

static void signer_free(struct signer *signer)
{
	gnutls_x509_crt_deinit(signer->certificate);
	gnutls_x509_privkey_deinit(signer->key);
}

void certificates_make(struct certificates *certificates,
		       const char *const *names)
{
	struct signer ca, made;
	unsigned char serial = 1;

	str_copy(certificates->dir, sizeof(certificates->dir),
		 "/tmp/chappe-net-XXXXXX");
	assert_non_null(mkdtemp(certificates->dir));
	ca = make_certificate(certificates, "ca", NULL, serial);
	for (; *names; names++) {
		made = make_certificate(certificates, *names, &ca, ++serial);
		signer_free(&made);
	}
	signer_free(&ca);
}

void certificates_free(struct certificates *certificates)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", certificates->dir);
	assert_int_equal(system(command), 0);
}

static void add_certificate(const struct certificates *certificates,
			    struct tls_context *context, const char *name)
{
	char crt[128], key[128];
	struct error err = { { 0 } };

	snprintf(crt, sizeof(crt), "%s.crt", name);
	snprintf(key, sizeof(key), "%s.key", name);
	if (tls_context_add_certificate(
		    context, NULL, certificates_path(certificates, crt),
		    certificates_path(certificates, key), &err) < 0)
		fail_msg("%s", err.text);
}

struct tls_context *world_server_tls(const struct certificates *certificates,
				     const char *const *names)
{
	struct tls_context *context = tls_context_new(TLS_SERVER, NULL);

	assert_non_null(context);
	for (; *names; names++)
		add_certificate(certificates, context, *names);
	return context;
}

struct tls_context *world_client_tls(const struct certificates *certificates)
{
	struct tls_context *context = tls_context_new(TLS_CLIENT, NULL);

	assert_non_null(context);
	assert_int_equal(
		tls_context_add_ca(context,
				   certificates_path(certificates, "ca.crt"),
				   NULL),
		0);
	return context;
}
