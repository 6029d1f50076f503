/* SPDX-License-Identifier: Apache-2.0
 *
 * GSSAPI (RFC 4752) and GS2-KRB5 (RFC 5801): log-in by a Kerberos ticket. The
 * ticket says who it is; that there is such a user here is looked up.
 *
 * GSSAPI:   tokens to and fro -- our offer: no security layer -- the client's
 *           choice of it, with the authorisation identity.
 * GS2-KRB5: a header with that identity in front of the first token, to which
 *           the tokens are bound.
 */
#include <string.h>

#include "sm/exchange.h"
#include "sm/kerberos.h"
#include "sm/kerberos_map.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define SERVICE "xmpp/"

/* The first octet of an offer or a choice (RFC 4752 section 3.3). */
#define NO_LAYER 1

enum step {
	STEP_TOKEN,	 /* the client's next token is to come */
	STEP_LAST_TOKEN, /* ours was the last, and is to be acknowledged */
	STEP_LAYER	 /* the client's choice is to come */
};

struct ticket_login {
	struct kerberos_context *context;
	enum step step;
	struct buf binding; /* GS2 */
	char *authzid;	    /* GS2; NULL: none */
};

void gssapi_release(struct exchange *exchange)
{
	struct ticket_login *login = exchange->data;

	if (login == NULL)
		return;
	kerberos_context_free(&login->context);
	buf_free(&login->binding);
	mem_free(login->authzid);
	mem_free(login);
	exchange->data = NULL;
}

/* -- who it is ------------------------------------------------------------- */

/* The realm of a domain that names none. */
static char *usual_realm(const char *domain)
{
	char *realm = mem_strdup(domain);

	for (char *c = realm; *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	}
	return realm;
}

/* RFC 6120 section 6.3.8 wants a bare JID. Clients on Cyrus SASL send the
 * name alone. */
static int identify(struct exchange *exchange, const char *authzid)
{
	const struct domain_options *options = exchange->domain->options;
	char *realm = usual_realm(exchange->domain->name);
	char *const usual_realms[] = { realm, NULL };
	bool named = options->kerberos_realm != NULL &&
		     options->kerberos_realm[0] != NULL;
	char *user = kerberos_map_user(exchange->principal,
				       options->kerberos_map,
				       named ? options->kerberos_realm :
					       usual_realms);
	int result = -1;

	if (user == NULL)
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "this principal is no user here");
	else if (authzid != NULL && str_equal(authzid, user))
		result = exchange_identify(exchange, user, NULL);
	else
		result = exchange_identify(exchange, user, authzid);
	mem_free(user);
	mem_free(realm);
	return result;
}

static void finish(struct exchange *exchange, const char *authzid,
		   const struct buf *output)
{
	if (identify(exchange, authzid) == 0)
		exchange_succeed_known(exchange, output);
}

/* -- the domain ------------------------------------------------------------ */

void sasl_domain_close(struct sm_domain *domain)
{
	kerberos_acceptor_unref(&domain->kerberos);
}

void sasl_domain_load(struct sm *sm, struct sm_domain *domain)
{
	const char *keytab = domain->options->keytab;
	struct error err;

	sasl_domain_close(domain);
	if (keytab == NULL)
		return;
	if (sm->kerberos == NULL)
		sm->kerberos = kerberos_pool_new(sm->loop, &err);
	if (sm->kerberos != NULL)
		domain->kerberos = kerberos_acceptor_new(sm->kerberos, keytab,
							 &err);
	if (domain->kerberos == NULL)
		log_warning(sm->log, "kerberos.unavailable",
			    LOG_S("domain", domain->name),
			    LOG_S("reason", err.text));
}

/* -- tokens ---------------------------------------------------------------- */

static void offer_layer(struct exchange *exchange)
{
	static const char offer[4] = { NO_LAYER, 0, 0, 0 };
	struct ticket_login *login = exchange->data;
	struct buf message = { .len = 0 };

	login->step = STEP_LAYER;
	if (kerberos_wrap(login->context, offer, sizeof(offer), &message) == 0)
		exchange_challenge(exchange, buf_data(&message), message.len);
	else
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "the context protects no messages");
	buf_free(&message);
}

static void established(struct exchange *exchange,
			const struct kerberos_result *result)
{
	struct ticket_login *login = exchange->data;

	exchange->principal = mem_strdup(result->client);
	if (!str_starts(result->service, SERVICE)) {
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "the ticket is for another service");
	} else if (exchange->mechanism->binds) {
		if (result->bound && result->mutual)
			finish(exchange, login->authzid, &result->output);
		else
			exchange_fail(exchange, FAILURE_FREE, "not-authorized",
				      result->bound ?
				      "the client did not ask who we are" :
				      "the client's token is not bound to its "
				      "header");
	} else if (result->output.len > 0) {
		login->step = STEP_LAST_TOKEN;
		exchange_challenge(exchange, buf_data(&result->output),
				   result->output.len);
	} else {
		offer_layer(exchange);
	}
}

static void accepted(const struct kerberos_result *result, void *ctx)
{
	struct exchange *exchange = ctx;
	struct auth_result trouble = { .status = STORAGE_UNAVAILABLE };

	if (result->state == KERBEROS_DONE) {
		established(exchange, result);
	} else if (result->state == KERBEROS_MORE) {
		exchange_challenge(exchange, buf_data(&result->output),
				   result->output.len);
	} else if (str_equal(result->condition, "temporary-auth-failure")) {
		str_copy(trouble.reason, sizeof(trouble.reason),
			 result->reason);
		exchange_unavailable(exchange, &trouble);
	} else {
		exchange_fail(exchange, FAILURE_FREE, result->condition,
			      result->reason);
	}
}

static struct ticket_login *login_new(struct exchange *exchange)
{
	struct ticket_login *login = mem_new(struct ticket_login);

	login->context = kerberos_context_new(exchange->domain->kerberos,
					      accepted, exchange);
	exchange->data = login;
	return login;
}

void gssapi_first(struct exchange *exchange, const char *bytes, size_t len)
{
	struct ticket_login *login = login_new(exchange);

	kerberos_accept(login->context, bytes, len, NULL);
}

/* The client's choice: an octet, three for the size of messages, which there
 * will be none of, and the authorisation identity. */
static void choice(struct exchange *exchange, const char *bytes, size_t len)
{
	struct ticket_login *login = exchange->data;
	struct buf plain = { .len = 0 };
	const char *text;

	if (kerberos_unwrap(login->context, bytes, len, &plain) != 0)
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "the client's choice of a layer is not genuine");
	else if (plain.len < 4 ||
		 memchr(buf_data(&plain) + 4, '\0', plain.len - 4) != NULL)
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
	else if ((text = buf_data(&plain))[0] != NO_LAYER)
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "there is no security layer but TLS");
	else
		finish(exchange, text + 4, NULL);
	buf_free(&plain);
}

void gssapi_next(struct exchange *exchange, const char *bytes, size_t len)
{
	struct ticket_login *login = exchange->data;

	switch (login->step) {
	case STEP_TOKEN:
		kerberos_accept(login->context, bytes, len, NULL);
		return;
	case STEP_LAST_TOKEN:
		if (len == 0)
			offer_layer(exchange);
		else
			exchange_fail(exchange, FAILURE_FREE,
				      "malformed-request", NULL);
		return;
	case STEP_LAYER:
		choice(exchange, bytes, len);
		return;
	}
}

/* -- GS2-KRB5 -------------------------------------------------------------- */

/* RFC 5801 section 4: a saslname; NULL: not one. Heap. */
static char *saslname(const char *text, size_t len)
{
	struct buf name = { .len = 0 };

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '=') {
			buf_add_char(&name, text[i]);
		} else if (len - i > 2 && memcmp(text + i, "=2C", 3) == 0) {
			buf_add_char(&name, ',');
			i += 2;
		} else if (len - i > 2 && memcmp(text + i, "=3D", 3) == 0) {
			buf_add_char(&name, '=');
			i += 2;
		} else {
			buf_free(&name);
			return NULL;
		}
	}
	return buf_take(&name);
}

/* The flag of a header; *data is the binding that it names (base64), NULL for
 * none. -1: it makes no sense with this mechanism, or on this connection. */
static int check_flag(struct exchange *exchange, const char *flag, size_t len,
		      const char **data)
{
	bool plus = exchange->mechanism->plus;

	*data = NULL;
	if (len == 1 && *flag == 'n' && !plus)
		return 0;
	/* It could bind, and has not seen that we can: if we can, somebody
	 * in between has hidden it. */
	if (len == 1 && *flag == 'y' && !plus)
		return (exchange->binding_exporter == NULL &&
			exchange->binding_unique == NULL) ||
		       !sasl_plus_offered(exchange->domain,
					  exchange->mechanism->family) ?
			       0 : -1;
	if (!plus)
		return -1;
	if (len == 14 && memcmp(flag, "p=tls-exporter", len) == 0)
		*data = exchange->binding_exporter;
	else if (len == 12 && memcmp(flag, "p=tls-unique", len) == 0)
		*data = exchange->binding_unique;
	return *data != NULL ? 0 : -1;
}

/* Reads "FLAG,[a=NAME],"; its length, 0: no header. The flag "F" is for mechanisms
 * whose tokens have no header of their own, which Kerberos is not. */
static size_t read_header(struct exchange *exchange, const char *bytes,
			  size_t len)
{
	struct ticket_login *login = exchange->data;
	const char *end = bytes + len;
	const char *comma = memchr(bytes, ',', len), *data;
	const char *name = comma != NULL ? comma + 1 : NULL;
	const char *last = name != NULL ?
		memchr(name, ',', (size_t)(end - name)) : NULL;

	if (last == NULL ||
	    check_flag(exchange, bytes, (size_t)(comma - bytes), &data) != 0)
		return 0;
	if (last > name) {
		if (last - name < 3 || memcmp(name, "a=", 2) != 0 ||
		    memchr(name, '\0', (size_t)(last - name)) != NULL)
			return 0;
		login->authzid = saslname(name + 2, (size_t)(last - name - 2));
		if (login->authzid == NULL)
			return 0;
	}
	buf_add(&login->binding, bytes, (size_t)(last + 1 - bytes));
	if (data != NULL &&
	    base64_decode(&login->binding, data, strlen(data)) != 0)
		return 0;
	return (size_t)(last + 1 - bytes);
}

/* RFC 2743 section 3.1: the header that GS2 leaves away. */
static void add_token_header(struct buf *to, size_t len)
{
	/* 1.2.840.113554.1.2.2, with tag and length */
	static const unsigned char oid[] = { 0x06, 0x09, 0x2a, 0x86, 0x48,
					     0x86, 0xf7, 0x12, 0x01, 0x02,
					     0x02 };
	size_t inner = sizeof(oid) + len;

	buf_add_char(to, 0x60);
	if (inner < 0x80) {
		buf_add_char(to, (char)inner);
	} else if (inner < 0x100) {
		buf_add_char(to, (char)0x81);
		buf_add_char(to, (char)inner);
	} else if (inner < 0x10000) {
		buf_add_char(to, (char)0x82);
		buf_add_char(to, (char)(inner >> 8));
		buf_add_char(to, (char)inner);
	} else {
		buf_add_char(to, (char)0x83);
		buf_add_char(to, (char)(inner >> 16));
		buf_add_char(to, (char)(inner >> 8));
		buf_add_char(to, (char)inner);
	}
	buf_add(to, oid, sizeof(oid));
}

void gs2_first(struct exchange *exchange, const char *bytes, size_t len)
{
	struct ticket_login *login = login_new(exchange);
	size_t header = read_header(exchange, bytes, len);
	struct buf token = { .len = 0 };

	if (header == 0) {
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      "the GS2 header is not right here");
		return;
	}
	add_token_header(&token, len - header);
	buf_add(&token, bytes + header, len - header);
	kerberos_accept(login->context, buf_data(&token), token.len,
			&login->binding);
	buf_free(&token);
}

void gs2_next(struct exchange *exchange, const char *bytes, size_t len)
{
	struct ticket_login *login = exchange->data;

	kerberos_accept(login->context, bytes, len, &login->binding);
}
