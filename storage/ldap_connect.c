/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a connection, in a thread: names, TCP, TLS and the first bind, each
 * of which may block for as long as connect-timeout. Touches nothing of the
 * loop's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "storage/ldap_connection.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* All that libldap says of a certificate that it does not take. */
#define TLS_UNKNOWN "(unknown error code)"

static int problem(struct connection *connection, const char *what, int result)
{
	char *text = NULL;
	const char *more = "";

	if (connection->ldap != NULL)
		ldap_get_option(connection->ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE,
				&text);
	if (text != NULL)
		more = str_equal(text, TLS_UNKNOWN) ?
			       "is its certificate in order?" : text;
	snprintf(connection->problem, sizeof(connection->problem),
		 "%s: %s%s%s", what, ldap_err2string(result),
		 *more != '\0' ? ", " : "", more);
	ldap_memfree(text);
	return -1;
}

static void set_number(LDAP *ldap, int option, int value)
{
	ldap_set_option(ldap, option, &value);
}

static void set_timeouts(LDAP *ldap, const struct ldap_options *options)
{
	struct timeval time = {
		.tv_sec = options->connect_timeout / 1000,
		.tv_usec = options->connect_timeout % 1000 * 1000,
	};
	unsigned lost = (unsigned)options->timeout;

	ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &time);
	ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &time);
	ldap_set_option(ldap, LDAP_OPT_TCP_USER_TIMEOUT, &lost);
	/* Firewalls forget connections on which nothing happens. */
	set_number(ldap, LDAP_OPT_X_KEEPALIVE_IDLE, 60);
	set_number(ldap, LDAP_OPT_X_KEEPALIVE_PROBES, 3);
	set_number(ldap, LDAP_OPT_X_KEEPALIVE_INTERVAL, 10);
}

static int set_tls(struct connection *connection)
{
	const struct ldap_options *options = connection->options;
	LDAP *ldap = connection->ldap;
	int result;

	set_number(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);
	set_number(ldap, LDAP_OPT_X_TLS_PROTOCOL_MIN,
		   LDAP_OPT_X_TLS_PROTOCOL_TLS1_2);
	if (options->ca != NULL)
		ldap_set_option(ldap, LDAP_OPT_X_TLS_CACERTFILE, options->ca);
	if (options->certificate != NULL) {
		ldap_set_option(ldap, LDAP_OPT_X_TLS_CERTFILE,
				options->certificate);
		ldap_set_option(ldap, LDAP_OPT_X_TLS_KEYFILE, options->key);
	}
	/* Makes the above take effect, and reads the files. */
	result = 0;
	result = ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &result);
	if (result == LDAP_OPT_SUCCESS)
		return 0;
	str_copy(connection->problem, sizeof(connection->problem),
		 "the files of ca, certificate or key cannot be used");
	return -1;
}

/* A peer that stops in the middle of a message must hold up nobody; libldap
 * sets the socket back when it has connected or begun TLS. */
static void set_nonblocking(LDAP *ldap)
{
	Sockbuf *sockbuf = NULL;

	ldap_get_option(ldap, LDAP_OPT_SOCKBUF, &sockbuf);
	if (sockbuf != NULL)
		ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_NONBLOCK, sockbuf);
}

static int bind_as_service(struct connection *connection)
{
	const struct ldap_options *options = connection->options;
	struct error err = { "" };
	struct berval password;
	int result;

	password.bv_val = config_read_secret(options->bind_password_file,
					     &err);
	if (password.bv_val == NULL) {
		str_copy(connection->problem, sizeof(connection->problem),
			 err.text);
		return -1;
	}
	password.bv_len = strlen(password.bv_val);
	result = ldap_sasl_bind_s(connection->ldap, options->bind_dn,
				  LDAP_SASL_SIMPLE, &password, NULL, NULL,
				  NULL);
	mem_free_secret(password.bv_val);
	if (result != LDAP_SUCCESS)
		return problem(connection, "bind as bind-dn", result);
	return 0;
}

static int connect_server(struct connection *connection)
{
	const struct ldap_options *options = connection->options;
	int result = ldap_initialize(&connection->ldap, connection->uri);
	LDAP *ldap = connection->ldap;

	if (result != LDAP_SUCCESS)
		return problem(connection, "URI", result);
	set_number(ldap, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3);
	set_number(ldap, LDAP_OPT_DEREF, LDAP_DEREF_NEVER);
	/* Following them would connect, and block. */
	ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ldap, LDAP_OPT_RESTART, LDAP_OPT_ON);
	set_timeouts(ldap, options);
	if (set_tls(connection) != 0)
		return -1;
	result = ldap_connect(ldap);
	if (result != LDAP_SUCCESS)
		return problem(connection, "connect", result);
	set_nonblocking(ldap);
	if (options->start_tls && str_starts(connection->uri, "ldap://")) {
		result = ldap_start_tls_s(ldap, NULL, NULL);
		if (result != LDAP_SUCCESS)
			return problem(connection, "StartTLS", result);
		set_nonblocking(ldap);
	}
	if (options->bind_dn != NULL && connection->use != CONNECTION_BIND)
		return bind_as_service(connection);
	return 0;
}

void connection_thread(struct worker_job *jobs, size_t count, void *ctx)
{
	(void)ctx;
	for (; count > 0; count--, jobs = jobs->next) {
		struct connection *connection =
			container_of(jobs, struct connection, job);

		if (connect_server(connection) == 0)
			continue;
		if (connection->ldap != NULL)
			ldap_unbind_ext(connection->ldap, NULL, NULL);
		connection->ldap = NULL;
	}
}
