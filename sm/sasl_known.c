/* SPDX-License-Identifier: Apache-2.0
 *
 * The last step of mechanisms that need no password: is there such a user?
 * The domain's drivers are asked in order.
 */
#include "sm/exchange.h"

static void look_up(struct exchange *exchange);

static void looked_up(const struct auth_result *result, void *ctx)
{
	struct exchange *exchange = ctx;

	exchange->request = NULL;
	if (exchange->dead)
		exchange_bury(exchange);
	else if (result->status == STORAGE_OK)
		exchange_succeed(exchange, buf_data(&exchange->output),
				 exchange->output.len);
	else if (result->status == STORAGE_NOT_FOUND && result->disabled)
		exchange_disabled(exchange);
	else if (result->status == STORAGE_NOT_FOUND)
		look_up(exchange);
	else
		exchange_unavailable(exchange, result);
}

/* Asks the next driver; after the last there is no such user. */
static void look_up(struct exchange *exchange)
{
	struct sm_domain *domain = exchange->domain;

	if (exchange->bare != NULL && exchange->auth < domain->auth_count)
		exchange->request = auth_lookup(
			domain->auth[exchange->auth++], exchange->bare,
			looked_up, exchange);
	else
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "there is no such account");
}

/* RFC 6120 section 6.5.1. It was no guess. */
void exchange_disabled(struct exchange *exchange)
{
	exchange_fail(exchange, FAILURE_FREE, "account-disabled",
		      "this account is disabled");
}

void exchange_succeed_known(struct exchange *exchange,
			    const struct buf *output)
{
	if (output != NULL)
		buf_add(&exchange->output, buf_data(output), output->len);
	look_up(exchange);
}
