/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-ins at a whole sm, with libgsasl as the client: each mechanism, what
 * goes wrong in each way, and that nobody learns who exists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "sm/exchange.h"
#include "sm/sasl_options.h"
#include "t/unit/core_world.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define SID "c2s-1.00aa"

/* Base64 of what both ends take for the channel binding. */
#define BINDING "AAECAwQFBgcICQ=="

struct attempt {
	const char *name;
	const char *mechanism;
	const char *user, *password, *authzid;
	const char *offered;   /* binding that c2s tells the sm of */
	const char *wanted;    /* binding that the client uses */
	const char *client_data; /* its data; NULL: the right one */
	bool clear;	       /* without TLS */
	const char *condition; /* NULL: success */
};

#define SHA256 "SCRAM-SHA-256"
#define SHA1 "SCRAM-SHA-1"
#define EXPORTER "tls-exporter"
#define UNIQUE "tls-unique"

static const struct attempt attempts[] = {
	{ .name = "sha-256", .mechanism = SHA256 },
	{ .name = "sha-1", .mechanism = SHA1 },
	{ .name = "plain", .mechanism = "PLAIN" },
	{ .name = "sha-256 in the clear", .mechanism = SHA256, .clear = true },
	{ .name = "sha-256-plus exporter", .mechanism = SHA256 "-PLUS",
	  .offered = EXPORTER, .wanted = EXPORTER },
	{ .name = "sha-256-plus unique", .mechanism = SHA256 "-PLUS",
	  .offered = UNIQUE, .wanted = UNIQUE },
	{ .name = "sha-1-plus exporter", .mechanism = SHA1 "-PLUS",
	  .offered = EXPORTER, .wanted = EXPORTER },
	{ .name = "sha-1-plus unique", .mechanism = SHA1 "-PLUS",
	  .offered = UNIQUE, .wanted = UNIQUE },
	{ .name = "a prepared name", .mechanism = SHA256, .user = "ALICE" },
	{ .name = "own authzid", .mechanism = SHA256,
	  .authzid = "alice@example.org" },
	{ .name = "own authzid, plain", .mechanism = "PLAIN",
	  .authzid = "Alice@Example.org" },
	{ .name = "wrong password, sha-256", .mechanism = SHA256,
	  .password = "x", .condition = "not-authorized" },
	{ .name = "wrong password, sha-1", .mechanism = SHA1,
	  .password = "x", .condition = "not-authorized" },
	{ .name = "wrong password, plain", .mechanism = "PLAIN",
	  .password = "x", .condition = "not-authorized" },
	{ .name = "nobody, sha-256", .mechanism = SHA256, .user = "nobody",
	  .condition = "not-authorized" },
	{ .name = "nobody, plain", .mechanism = "PLAIN", .user = "nobody",
	  .condition = "not-authorized" },
	{ .name = "no name at all", .mechanism = SHA256, .user = "a@b",
	  .condition = "not-authorized" },
	{ .name = "another's authzid", .mechanism = SHA256,
	  .authzid = "bob@example.org", .condition = "invalid-authzid" },
	{ .name = "another's authzid, plain", .mechanism = "PLAIN",
	  .authzid = "bob@example.org", .condition = "invalid-authzid" },
	{ .name = "a full authzid", .mechanism = SHA256,
	  .authzid = "alice@example.org/x", .condition = "invalid-authzid" },
	{ .name = "an unheard-of mechanism", .mechanism = "DIGEST-MD5",
	  .condition = "invalid-mechanism" },
	{ .name = "plus without a binding", .mechanism = SHA256 "-PLUS",
	  .wanted = UNIQUE, .condition = "invalid-mechanism" },
	{ .name = "plus with another binding", .mechanism = SHA256 "-PLUS",
	  .offered = EXPORTER, .wanted = UNIQUE,
	  .condition = "invalid-mechanism" },
	{ .name = "plus through somebody in between",
	  .mechanism = SHA256 "-PLUS", .offered = EXPORTER,
	  .wanted = EXPORTER, .client_data = "b3RoZXI=",
	  .condition = "not-authorized" },
	{ .name = "plain in the clear", .mechanism = "PLAIN", .clear = true,
	  .condition = "encryption-required" },
};

/* -- a client -------------------------------------------------------------- */

static void set_binding(Gsasl_session *client, const struct attempt *attempt)
{
	const char *data = attempt->client_data != NULL ?
				   attempt->client_data : BINDING;

	if (str_equal(attempt->wanted, EXPORTER))
		gsasl_property_set(client, GSASL_CB_TLS_EXPORTER, data);
	if (str_equal(attempt->wanted, UNIQUE))
		gsasl_property_set(client, GSASL_CB_TLS_UNIQUE, data);
}

static Gsasl_session *client_new(Gsasl *gsasl, const struct attempt *attempt)
{
	Gsasl_session *client = NULL;

	if (gsasl_client_start(gsasl, attempt->mechanism, &client) != GSASL_OK)
		return NULL;
	gsasl_property_set(client, GSASL_AUTHID,
			   attempt->user != NULL ? attempt->user : "alice");
	gsasl_property_set(client, GSASL_PASSWORD,
			   attempt->password != NULL ? attempt->password :
						       "secret");
	if (attempt->authzid != NULL)
		gsasl_property_set(client, GSASL_AUTHZID, attempt->authzid);
	set_binding(client, attempt);
	return client;
}

static char *auth_element(const struct attempt *attempt, const char *message)
{
	struct buf xml = { .len = 0 };

	buf_addf(&xml, "<link:auth domain='example.org' mechanism='%s' "
		       "address='192.0.2.1'", attempt->mechanism);
	if (!attempt->clear)
		buf_add_str(&xml, " tls='TLSv1.3'");
	buf_addf(&xml, ">%s", message);
	if (attempt->offered != NULL)
		buf_addf(&xml, "<link:binding type='%s'>" BINDING
			       "</link:binding>", attempt->offered);
	buf_add_str(&xml, "</link:auth>");
	return buf_take(&xml);
}

/* What the sm says next: "challenge", "success" or "failure". */
static const struct sent *answer(struct core_world *core)
{
	const struct sent *sent = core_expect(core, "<link:");

	assert_true(sent->control);
	assert_string_equal(sent->at, "c2s-1");
	assert_string_equal(sent->session, SID);
	return sent;
}

/* Plays the attempt to its end; the last answer. */
static const struct sent *play(struct core_world *core, Gsasl *gsasl,
			       const struct attempt *attempt)
{
	Gsasl_session *client = client_new(gsasl, attempt);
	char *message = NULL, *xml, *challenge = NULL;
	const struct sent *sent;

	if (client != NULL)
		gsasl_step64(client, NULL, &message);
	xml = auth_element(attempt, message != NULL ? message : "eA==");
	core_control(core, SID, xml);
	mem_free(xml);
	sent = answer(core);
	while (strstr(sent->xml, "<link:challenge") != NULL) {
		struct buf text = { .len = 0 };
		int result;

		gsasl_free(message);
		challenge = core_text(core, sent->xml);
		base64_encode(&text, challenge, strlen(challenge));
		mem_free(challenge);
		result = gsasl_step64(client, buf_data(&text), &message);
		buf_free(&text);
		assert_int_equal(result, GSASL_NEEDS_MORE);
		xml = mem_printf("<link:response>%s</link:response>", message);
		core_control(core, SID, xml);
		mem_free(xml);
		sent = answer(core);
	}
	gsasl_free(message);
	gsasl_finish(client);
	return sent;
}

/* -- tests ----------------------------------------------------------------- */

static void test_attempts(void **state)
{
	struct core_world core;
	Gsasl *gsasl = NULL;

	(void)state;
	gsasl_init(&gsasl);
	core_init(&core, "auth-failures = 1000");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		const struct attempt *attempt = &attempts[i];
		const struct sent *sent = play(&core, gsasl, attempt);
		char *condition = core_attr(&core, sent->xml, "condition");
		char *jid = core_attr(&core, sent->xml, "jid");

		if (!str_equal(condition, attempt->condition))
			fail_msg("%s: %s", attempt->name, sent->xml);
		if (condition == NULL)
			assert_string_equal(jid, "alice@example.org");
		mem_free(condition);
		mem_free(jid);
		assert_int_equal(sasl_exchange_count(core.sm), 0);
	}
	core_free(&core);
	gsasl_done(gsasl);
}

/* The salt and the rounds of a name, as the first challenge shows them. */
static char *challenge_of(struct core_world *core, const char *mechanism,
			  const char *name)
{
	char *message = mem_printf("n,,n=%s,r=nonce", name);
	struct buf text = { .len = 0 };
	struct attempt attempt = { .mechanism = mechanism };
	char *xml, *challenge, *salt;

	base64_encode(&text, message, strlen(message));
	xml = auth_element(&attempt, buf_data(&text));
	core_control(core, SID, xml);
	mem_free(xml);
	mem_free(message);
	buf_free(&text);
	challenge = core_text(core, answer(core)->xml);
	salt = mem_strdup(strstr(challenge, ",s="));
	mem_free(challenge);
	core_control(core, SID, "<link:abort/>");
	assert_int_equal(sasl_exchange_count(core->sm), 0);
	return salt;
}

static void test_nobody_is_like_somebody(void **state)
{
	static const char *const mechanisms[] = { SHA256, SHA1 };
	struct core_world core;

	(void)state;
	core_init(&core, "");
	for (size_t i = 0; i < 2; i++) {
		char *alice = challenge_of(&core, mechanisms[i], "alice");
		char *first = challenge_of(&core, mechanisms[i], "nobody");
		char *again = challenge_of(&core, mechanisms[i], "NOBODY");
		char *other = challenge_of(&core, mechanisms[i], "nobody2");

		assert_int_equal(strlen(alice), strlen(first));
		assert_string_equal(strstr(alice, ",i="),
				    strstr(first, ",i="));
		assert_string_equal(first, again);
		assert_string_not_equal(first, other);
		mem_free(alice);
		mem_free(first);
		mem_free(again);
		mem_free(other);
	}
	core_free(&core);
}

struct message {
	const char *name, *mechanism, *text, *condition;
};

/* The sm, which offered -PLUS here, must not believe the flag "y". */
static const struct message messages[] = {
	{ "no base64", SHA256, "%%%", "incorrect-encoding" },
	{ "empty", SHA256, "=", "malformed-request" },
	{ "garbage", SHA256, "Z2FyYmFnZQ==", "malformed-request" },
	{ "with a NUL", SHA256, "biwsbj1hAGI=", "malformed-request" },
	{ "flag p without plus", SHA256, "cD10bHMtZXhwb3J0ZXIsLG49YWxpY2Uscj1u",
	  "malformed-request" },
	{ "flag n with plus", SHA256 "-PLUS", "biwsbj1hbGljZSxyPW4=",
	  "malformed-request" },
	{ "flag y", SHA256, "eSwsbj1hbGljZSxyPW4=", "not-authorized" },
	{ "plain without parts", "PLAIN", "YWxpY2U=", "malformed-request" },
	{ "plain without a password", "PLAIN", "AGFsaWNlAA==",
	  "malformed-request" },
	{ "plain with four parts", "PLAIN", "AGFsaWNlAGEAYg==",
	  "malformed-request" },
};

static void test_messages(void **state)
{
	struct core_world core;

	(void)state;
	core_init(&core, "");
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		struct attempt attempt = { .mechanism = messages[i].mechanism,
					   .offered = EXPORTER };
		char *xml = auth_element(&attempt, messages[i].text);
		char *condition;

		core_control(&core, SID, xml);
		condition = core_attr(&core, answer(&core)->xml, "condition");
		if (!str_equal(condition, messages[i].condition))
			fail_msg("%s: %s", messages[i].name, condition);
		mem_free(condition);
		mem_free(xml);
	}
	core_free(&core);
}

static void test_order(void **state)
{
	struct core_world core;
	struct attempt attempt = { .mechanism = SHA256 };
	char *xml = auth_element(&attempt, "");

	(void)state;
	core_init(&core, "");
	core_control(&core, SID, "<link:response>biws</link:response>");
	core_expect(&core, "malformed-request");
	/* No initial response: an empty challenge asks for it. */
	core_control(&core, SID, xml);
	assert_non_null(strstr(answer(&core)->xml, "<link:challenge"));
	core_control(&core, SID, "<link:response>Z2FyYg==</link:response>");
	core_expect(&core, "malformed-request");
	/* An exchange that is overtaken or aborted says nothing more. */
	core_control(&core, SID, xml);
	core_control(&core, SID, xml);
	core_control(&core, SID, "<link:abort/>");
	core_expect_no(&core, "failure");
	assert_int_equal(sasl_exchange_count(core.sm), 0);
	mem_free(xml);
	core_free(&core);
}

static void test_throttled(void **state)
{
	static const struct attempt wrong = { .mechanism = "PLAIN",
					      .password = "wrong" };
	static const struct attempt right = { .mechanism = "PLAIN" };
	struct core_world core;
	Gsasl *gsasl = NULL;

	(void)state;
	gsasl_init(&gsasl);
	core_init(&core, "auth-failures = 2");
	assert_non_null(strstr(play(&core, gsasl, &wrong)->xml,
			       "not-authorized"));
	assert_non_null(strstr(play(&core, gsasl, &right)->xml, "<link:success"));
	assert_non_null(strstr(play(&core, gsasl, &wrong)->xml,
			       "not-authorized"));
	assert_non_null(strstr(play(&core, gsasl, &wrong)->xml,
			       "not-authorized"));
	assert_non_null(strstr(play(&core, gsasl, &right)->xml,
			       "temporary-auth-failure"));
	assert_int_equal(core.sm->stats.auth_throttled, 1);
	core_free(&core);
	gsasl_done(gsasl);
}

static void test_mechanisms(void **state)
{
	struct core_world core;
	const struct sent *sent;

	(void)state;
	core_init(&core, "");
	core_control(&core, NULL, "<link:mechanisms domain='example.org'/>");
	sent = core_expect(&core, "<link:mechanisms");
	assert_non_null(strstr(sent->xml, "name='SCRAM-SHA-256' plus='true'"));
	assert_non_null(strstr(sent->xml, "name='PLAIN' tls='true'"));
	assert_non_null(strstr(sent->xml, "registration='true'"));
	assert_non_null(strstr(sent->xml, "caps-ver="));
	sasl_push_mechanisms(core.sm);
	core_expect(&core, "<link:mechanisms");
	core.unreachable = "c2s-1";
	sasl_push_mechanisms(core.sm);
	core.unreachable = NULL;
	sasl_push_mechanisms(core.sm);
	core_expect_no(&core, "<link:mechanisms");
	core_free(&core);
}

/* What the configuration may name is what there is. */
static void test_names(void **state)
{
	size_t count = 0;

	(void)state;
	while (sasl_mechanism_names[count] != NULL)
		assert_non_null(
			sasl_mechanism_find(sasl_mechanism_names[count++]));
	assert_int_equal(count, sasl_mechanism_count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_nobody_is_like_somebody),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_throttled),
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
