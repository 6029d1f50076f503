/* SPDX-License-Identifier: Apache-2.0
 *
 * The log-in of a simulated client: PLAIN (RFC 4616), or SCRAM-SHA-256
 * without channel binding (RFC 5802, RFC 7677).
 */
#include <stdlib.h>
#include <string.h>

#include "t/sim/sim.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

struct scram_exchange {
	char nonce[25];
	char *first; /* client-first-message-bare */
};

static void say(struct client *client, const char *element,
		const char *attributes, const void *bytes, size_t len)
{
	struct buf out = { 0 };

	buf_addf(&out, "<%s xmlns='" NS_SASL "'%s>", element, attributes);
	base64_encode(&out, bytes, len);
	buf_addf(&out, "</%s>", element);
	client_write(client, buf_data(&out));
	buf_free(&out);
}

static void begin_plain(struct client *client)
{
	struct buf text = { 0 };

	buf_add_char(&text, '\0');
	buf_add_str(&text, client->user);
	buf_add_char(&text, '\0');
	buf_add_str(&text, SIM_PASSWORD);
	say(client, "auth", " mechanism='PLAIN'", buf_data(&text), text.len);
	buf_free(&text);
}

static void begin_scram(struct client *client)
{
	struct scram_exchange *exchange = mem_new(struct scram_exchange);
	char *message;

	client_auth_free(client);
	client->exchange = exchange;
	loop_random_hex(client->loop, exchange->nonce, 24);
	exchange->first = mem_printf("n=%s,r=%s", client->user,
				     exchange->nonce);
	message = mem_printf("n,,%s", exchange->first);
	say(client, "auth", " mechanism='SCRAM-SHA-256'", message,
	    strlen(message));
	mem_free(message);
}

void client_auth_begin(struct client *client)
{
	if (client->scram)
		begin_scram(client);
	else
		begin_plain(client);
}

/* The value of "x=..." in a list by commas, as a heap string; NULL: none. */
static char *value_of(const char *list, char name)
{
	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL) {
		if (list[0] == name && list[1] == '=')
			return mem_strndup(list + 2, strcspn(list + 2, ","));
	}
	return NULL;
}

/* ClientProof of RFC 5802 section 3. */
static void make_proof(const char *salt, size_t salt_len, unsigned rounds,
		       const char *auth, unsigned char proof[32])
{
	unsigned char salted[DIGEST_MAX], key[DIGEST_MAX], stored[DIGEST_MAX];
	unsigned char signature[DIGEST_MAX];

	crypto_pbkdf2(DIGEST_SHA256, SIM_PASSWORD, salt, salt_len, rounds,
		      salted);
	crypto_hmac(DIGEST_SHA256, salted, 32, "Client Key", 10, key);
	crypto_digest(DIGEST_SHA256, key, 32, stored);
	crypto_hmac(DIGEST_SHA256, stored, 32, auth, strlen(auth), signature);
	for (unsigned i = 0; i < 32; i++)
		proof[i] = key[i] ^ signature[i];
}

static void answer(struct client *client, const char *challenge)
{
	char *nonce = value_of(challenge, 'r');
	char *salt64 = value_of(challenge, 's');
	char *rounds = value_of(challenge, 'i');
	struct buf salt = { 0 }, final = { 0 };
	unsigned char proof[32];
	uint64_t count;
	char *auth;

	if (!nonce || !salt64 || !rounds ||
	    base64_decode(&salt, salt64, strlen(salt64)) < 0 ||
	    str_to_u64(rounds, 1, 100000, &count) < 0) {
		client_lose(client, "bad challenge");
		goto done;
	}
	buf_addf(&final, "c=biws,r=%s", nonce);
	auth = mem_printf("%s,%s,%s", client->exchange->first, challenge,
			  buf_data(&final));
	make_proof(buf_data(&salt), salt.len, (unsigned)count, auth, proof);
	mem_free(auth);
	buf_add_str(&final, ",p=");
	base64_encode(&final, proof, sizeof(proof));
	say(client, "response", "", buf_data(&final), final.len);
done:
	buf_free(&salt);
	buf_free(&final);
	mem_free(nonce);
	mem_free(salt64);
	mem_free(rounds);
}

void client_auth_element(struct client *client, const struct element *element)
{
	struct buf challenge = { 0 };
	const char *text = element_text(element);

	if (str_equal(element->name, "challenge") && client->exchange &&
	    base64_decode(&challenge, text, strlen(text)) == 0) {
		answer(client, buf_data(&challenge));
	} else {
		const struct element *why = element_first(element);

		if (why && !str_equal(why->name, "temporary-auth-failure"))
			verdict_fail(&client->sim->verdict, "log-in",
				     "%s was refused: %s", client->name,
				     why->name);
		client_lose(client, "log-in was refused");
	}
	buf_free(&challenge);
}

void client_auth_free(struct client *client)
{
	if (!client->exchange)
		return;
	mem_free(client->exchange->first);
	mem_free(client->exchange);
	client->exchange = NULL;
}
