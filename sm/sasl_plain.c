/* SPDX-License-Identifier: Apache-2.0
 *
 * PLAIN (RFC 4616): the password is checked by the domain's drivers, which
 * take the same time for users who do not exist.
 */
#include <string.h>

#include "sm/exchange.h"
#include "util/base/mem.h"

/* Bytes of each part of the message. */
#define PART_MAX 1023

static void plain_check(struct exchange *exchange);

static void plain_checked(const struct auth_result *result, void *ctx)
{
	struct exchange *exchange = ctx;

	exchange->request = NULL;
	if (exchange->dead)
		exchange_bury(exchange);
	else if (result->status == STORAGE_OK && result->matches)
		exchange_succeed(exchange, NULL, 0);
	else if (result->status == STORAGE_OK && result->expired)
		exchange_fail(exchange, FAILURE_FREE, "credentials-expired",
			      NULL);
	else if (result->status == STORAGE_OK && result->disabled)
		exchange_disabled(exchange);
	else if (result->status == STORAGE_OK ||
		 result->status == STORAGE_NOT_FOUND)
		plain_check(exchange);
	else
		exchange_unavailable(exchange, result);
}

/* Asks the next driver; after the last it is nobody's password. */
static void plain_check(struct exchange *exchange)
{
	struct sm_domain *domain = exchange->domain;

	if (exchange->auth < domain->auth_count)
		exchange->request = auth_check(
			domain->auth[exchange->auth++], exchange->bare,
			exchange->password, plain_checked, exchange);
	else
		exchange_fail(exchange, FAILURE_COUNTED, "not-authorized",
			      "wrong password, or no such account");
}

/* message = [authzid] NUL authcid NUL passwd; `bytes` ends with a NUL that is
 * not counted. */
static int plain_split(const char *bytes, size_t len, const char *parts[3])
{
	for (size_t i = 0; i < 3; i++) {
		size_t part = strlen(bytes);

		if (part > PART_MAX || part > len)
			return -1;
		parts[i] = bytes;
		if (i == 2)
			return part == len ? 0 : -1;
		if (part == len)
			return -1;
		bytes += part + 1;
		len -= part + 1;
	}
	return -1;
}

void plain_first(struct exchange *exchange, const char *bytes, size_t len)
{
	const char *parts[3];

	if (plain_split(bytes, len, parts) != 0 || *parts[1] == '\0' ||
	    *parts[2] == '\0') {
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
		return;
	}
	if (exchange_identify(exchange, parts[1], parts[0]) != 0)
		return;
	exchange->password = jid_prepare_password(parts[2]);
	/* A name that nobody can have gives itself away; no need to be
	 * slow. A password that nobody can have is simply wrong. */
	if (exchange->bare == NULL || exchange->password == NULL)
		exchange_fail(exchange, FAILURE_COUNTED, "not-authorized",
			      "wrong password, or no such account");
	else
		plain_check(exchange);
}
