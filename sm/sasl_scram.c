/* SPDX-License-Identifier: Apache-2.0
 *
 * SCRAM (RFC 5802, RFC 7677, RFC 9266) by libgsasl. Its callbacks are
 * synchronous and our drivers are not, so the client's first message goes
 * through a probe that yields the user name; the keys are fetched; then a
 * fresh session is stepped that knows all it needs.
 *
 * A user who does not exist goes through the same steps, with a salt that is
 * always the same for the name and keys that nobody knows.
 */
#include <stdio.h>
#include <string.h>

#include "sm/exchange.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Of salts that our drivers make: a made-up one must not differ. */
#define SALT_LEN 16

struct sasl_library {
	Gsasl *gsasl;
};

struct sasl_library *scram_library_new(struct error *err)
{
	struct sasl_library *library = mem_new(struct sasl_library);
	int result = gsasl_init(&library->gsasl);

	if (result == GSASL_OK)
		return library;
	error_set(err, "libgsasl: %s", gsasl_strerror(result));
	mem_free(library);
	return NULL;
}

void scram_library_free(struct sasl_library **library)
{
	if (*library == NULL)
		return;
	gsasl_done((*library)->gsasl);
	mem_free(*library);
	*library = NULL;
}

/* -- sessions of libgsasl -------------------------------------------------- */

static Gsasl_session *unbound_session(const struct exchange *exchange)
{
	Gsasl_session *gsasl = NULL;
	int result = gsasl_server_start(exchange->sm->sasl->gsasl,
					exchange->mechanism->name, &gsasl);

	return result == GSASL_OK ? gsasl : NULL;
}

static Gsasl_session *scram_session(const struct exchange *exchange)
{
	Gsasl_session *gsasl = unbound_session(exchange);

	if (gsasl == NULL ||
	    !sasl_plus_offered(exchange->domain, exchange->mechanism->family))
		return gsasl;
	/* Also without -PLUS: then a client that says it could have, but
	 * was not offered it (flag "y"), has been lied to by somebody in
	 * between, and is refused (RFC 5802 section 6). */
	if (exchange->binding_exporter != NULL)
		gsasl_property_set(gsasl, GSASL_CB_TLS_EXPORTER,
				   exchange->binding_exporter);
	if (exchange->binding_unique != NULL)
		gsasl_property_set(gsasl, GSASL_CB_TLS_UNIQUE,
				   exchange->binding_unique);
	return gsasl;
}

static const char *condition_of(int result)
{
	switch (result) {
	case GSASL_MECHANISM_PARSE_ERROR:
	case GSASL_BASE64_ERROR:
		return "malformed-request";
	case GSASL_MALLOC_ERROR:
	case GSASL_CRYPTO_ERROR:
		return "temporary-auth-failure";
	default:
		return "not-authorized";
	}
}

static void scram_fail(struct exchange *exchange, int result)
{
	const char *condition = condition_of(result);

	if (!str_equal(condition, "not-authorized"))
		exchange_fail(exchange, FAILURE_FREE, condition,
			      gsasl_strerror(result));
	else
		exchange_fail(exchange, FAILURE_COUNTED, condition,
			      result == GSASL_AUTHENTICATION_ERROR ?
				      "wrong password, or no such account" :
				      gsasl_strerror(result));
}

static void set_base64(Gsasl_session *gsasl, Gsasl_property property,
		       const unsigned char *bytes, size_t len)
{
	struct buf text = { .len = 0 };

	base64_encode(&text, bytes, len);
	gsasl_property_set(gsasl, property, buf_data(&text));
	buf_free_secret(&text);
}

static void set_keys(const struct exchange *exchange,
		     const struct scram_keys *keys)
{
	size_t size = digest_size(exchange->mechanism->digest);
	char rounds[16];

	snprintf(rounds, sizeof(rounds), "%u", keys->rounds);
	gsasl_property_set(exchange->gsasl, GSASL_SCRAM_ITER, rounds);
	set_base64(exchange->gsasl, GSASL_SCRAM_SALT, keys->salt,
		   keys->salt_len);
	set_base64(exchange->gsasl, GSASL_SCRAM_STOREDKEY, keys->stored_key,
		   size);
	set_base64(exchange->gsasl, GSASL_SCRAM_SERVERKEY, keys->server_key,
		   size);
}

/* -- the first message ----------------------------------------------------- */

/* Keys of somebody who does not exist. The salt comes from the name and a
 * secret, so that asking twice, here or at another sm, shows nothing. */
static void make_up_keys(const struct exchange *exchange,
			 struct scram_keys *keys)
{
	const struct sm *sm = exchange->sm;
	const char *name = exchange->bare != NULL ? exchange->bare :
						    exchange->name;
	unsigned char mac[DIGEST_MAX];
	char *text = mem_printf("chappe salt %s %s %s",
				exchange->mechanism->family,
				exchange->domain->name, name);

	crypto_hmac(DIGEST_SHA256, sm->ticket_secret,
		    strlen(sm->ticket_secret), text, strlen(text), mac);
	mem_free(text);
	keys->rounds = AUTH_SCRAM_ROUNDS;
	keys->salt_len = SALT_LEN;
	memcpy(keys->salt, mac, SALT_LEN);
	loop_random(sm->loop, keys->stored_key, sizeof(keys->stored_key));
	loop_random(sm->loop, keys->server_key, sizeof(keys->server_key));
}

/* Where not everybody has keys, somebody who does not exist is answered as
 * somebody who has none: clients may go on with PLAIN. No guess was made. */
static void scram_no_keys(struct exchange *exchange)
{
	exchange_fail(exchange, FAILURE_FREE, "invalid-mechanism",
		      "no SCRAM keys for this account");
}

/* The first message again, this time with the keys. `account` NULL: there is
 * none. */
static void scram_begin(struct exchange *exchange,
			const struct account *account)
{
	struct scram_keys keys = { .rounds = 0 };
	char *output = NULL;
	size_t len = 0;
	int result;

	if (account != NULL)
		keys = exchange->mechanism->digest == DIGEST_SHA1 ?
			       account->sha1 : account->sha256;
	if (keys.rounds == 0 &&
	    (sasl_abilities(exchange->domain) & AUTH_CAN_SCRAM_ALL) == 0) {
		scram_no_keys(exchange);
		return;
	}
	if (keys.rounds == 0)
		make_up_keys(exchange, &keys);
	exchange->gsasl = scram_session(exchange);
	if (exchange->gsasl == NULL) {
		mem_wipe(&keys, sizeof(keys));
		scram_fail(exchange, GSASL_MALLOC_ERROR);
		return;
	}
	set_keys(exchange, &keys);
	mem_wipe(&keys, sizeof(keys));
	result = gsasl_step(exchange->gsasl, buf_data(&exchange->first),
			    exchange->first.len, &output, &len);
	if (result == GSASL_NEEDS_MORE)
		exchange_challenge(exchange, output, len);
	else
		scram_fail(exchange, result);
	gsasl_free(output);
}

/* Only who has the right password is told. */
static void scram_begin_disabled(struct exchange *exchange,
				 const struct account *account)
{
	exchange->disabled = true;
	scram_begin(exchange, account);
}

static void scram_lookup(struct exchange *exchange);

static void scram_looked_up(const struct auth_result *result, void *ctx)
{
	struct exchange *exchange = ctx;

	exchange->request = NULL;
	if (exchange->dead)
		exchange_bury(exchange);
	else if (result->status == STORAGE_OK)
		scram_begin(exchange, &result->account);
	else if (result->status == STORAGE_NOT_FOUND && result->disabled)
		scram_begin_disabled(exchange, &result->account);
	else if (result->status == STORAGE_NOT_FOUND)
		scram_lookup(exchange);
	else
		exchange_unavailable(exchange, result);
}

/* Asks the next driver for the keys. */
static void scram_lookup(struct exchange *exchange)
{
	struct sm_domain *domain = exchange->domain;

	if (exchange->bare != NULL && exchange->auth < domain->auth_count)
		exchange->request = auth_lookup(
			domain->auth[exchange->auth++], exchange->bare,
			scram_looked_up, exchange);
	else
		scram_begin(exchange, NULL);
}

/* Nothing was guessed yet, so nothing counts. What libgsasl does not take with
 * -PLUS is a kind of binding that this connection has not: clients may go on
 * with another mechanism. */
static void probe_fail(struct exchange *exchange, int result)
{
	const char *condition = condition_of(result);

	if (exchange->mechanism->plus &&
	    str_equal(condition, "not-authorized"))
		exchange_fail(exchange, FAILURE_FREE, "invalid-mechanism",
			      "this channel binding is not there");
	else
		exchange_fail(exchange, FAILURE_FREE, condition,
			      gsasl_strerror(result));
}

/* The client could bind to the channel, and has not seen that we offer it:
 * often a fault of the client, which the log has to name with its user. A
 * session that knows of no binding reads the name. */
static void scram_downgraded(struct exchange *exchange, const char *bytes,
			     size_t len)
{
	Gsasl_session *probe = unbound_session(exchange);
	char *output = NULL;
	size_t output_len = 0;
	int result = GSASL_MALLOC_ERROR;

	if (probe != NULL)
		result = gsasl_step(probe, bytes, len, &output, &output_len);
	gsasl_free(output);
	if (result != GSASL_NEEDS_MORE)
		probe_fail(exchange, result);
	else if (exchange_identify(exchange,
				   gsasl_property_fast(probe, GSASL_AUTHID),
				   gsasl_property_fast(probe,
						       GSASL_AUTHZID)) == 0)
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "the client says that the server offers no "
			      "channel binding, which it does");
	if (probe != NULL)
		gsasl_finish(probe);
}

/* Who it is, by a probe; -1: the exchange has failed. */
static int scram_probe(struct exchange *exchange, const char *bytes,
		       size_t len)
{
	Gsasl_session *probe = scram_session(exchange);
	const char *name, *authzid;
	char *output = NULL;
	size_t output_len = 0;
	int result = GSASL_MALLOC_ERROR;

	if (probe != NULL)
		result = gsasl_step(probe, bytes, len, &output, &output_len);
	gsasl_free(output);
	if (result == GSASL_NEEDS_MORE) {
		name = gsasl_property_fast(probe, GSASL_AUTHID);
		authzid = gsasl_property_fast(probe, GSASL_AUTHZID);
		result = exchange_identify(exchange, name, authzid);
	} else {
		if (*bytes == 'y' && result == GSASL_AUTHENTICATION_ERROR)
			scram_downgraded(exchange, bytes, len);
		else
			probe_fail(exchange, result);
		result = -1;
	}
	if (probe != NULL)
		gsasl_finish(probe);
	return result;
}

/* RFC 5802 section 5.1: a "=" in a name that is not escaped must fail, which
 * libgsasl does not care about. The fields are: flag, authzid, name. */
static bool names_are_escaped(const char *message)
{
	const char *field = message;

	for (int i = 0; i < 3 && *field != '\0'; i++) {
		const char *end = field + strcspn(field, ",");
		const char *sign = field;

		if (i > 0 && (str_starts(field, "a=") ||
			      str_starts(field, "n=")))
			sign += 2;
		while (i > 0 && (sign = memchr(sign, '=', end - sign))) {
			if (!str_starts(sign, "=2C") &&
			    !str_starts(sign, "=3D"))
				return false;
			sign++;
		}
		field = *end != '\0' ? end + 1 : end;
	}
	return true;
}

void scram_first(struct exchange *exchange, const char *bytes, size_t len)
{
	/* "p" without -PLUS cannot be what the client means; libgsasl would
	 * take it for a binding of no bytes. */
	if (len == 0 || memchr(bytes, '\0', len) != NULL ||
	    (*bytes == 'p') != exchange->mechanism->plus ||
	    !names_are_escaped(bytes)) {
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
		return;
	}
	if (scram_probe(exchange, bytes, len) != 0)
		return;
	buf_add(&exchange->first, bytes, len);
	scram_lookup(exchange);
}

/* -- the second message ---------------------------------------------------- */

void scram_next(struct exchange *exchange, const char *bytes, size_t len)
{
	char *output = NULL;
	size_t output_len = 0;
	int result;

	if (len == 0 || memchr(bytes, '\0', len) != NULL) {
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
		return;
	}
	result = gsasl_step(exchange->gsasl, bytes, len, &output,
			    &output_len);
	if (result == GSASL_OK && exchange->disabled)
		exchange_disabled(exchange);
	else if (result == GSASL_OK)
		exchange_succeed(exchange, output, output_len);
	else
		scram_fail(exchange, result);
	gsasl_free(output);
}
