/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0198 in a simulated client: it counts what it handles, keeps what was
 * not acknowledged, and resumes.
 */
#include <stdio.h>

#include "t/sim/sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

static void take_ack(struct client *client, const char *text)
{
	uint64_t h;
	uint32_t count;

	if (!text || str_to_u64(text, 0, UINT32_MAX, &h) < 0) {
		verdict_fail(&client->sim->verdict, "stream management",
			     "%s got an acknowledgement without h",
			     client->name);
		return;
	}
	count = (uint32_t)h - client->acked;
	while (count > 0 && client->unacked) {
		struct unacked *item = client->unacked;

		if (item->message) {
			world_say(client->sim->world, client->name,
				  "message %u accepted", item->message);
			ledger_accepted(client->sim->ledger, item->message);
		}
		DL_DELETE(client->unacked, item);
		mem_free(item->xml);
		mem_free(item);
		count--;
	}
	if (count > 0)
		verdict_fail(&client->sim->verdict, "stream management",
			     "%s: %u more stanzas acknowledged than sent",
			     client->name, count);
	client->acked = (uint32_t)h;
}

void client_sm_forget(struct client *client, bool clean)
{
	struct unacked *item, *next;

	DL_FOREACH_SAFE (client->unacked, item, next) {
		DL_DELETE(client->unacked, item);
		mem_free(item->xml);
		mem_free(item);
	}
	mem_free(client->resume_id);
	client->resume_id = NULL;
	client->sm_on = false;
	client->handled = 0;
	client->acked = 0;
	ledger_session_over(client->sim->ledger, client->session, clean);
	client->session = 0;
}

void client_sm_enable(struct client *client)
{
	client->sm_on = true;
	client->handled = 0;
	client->acked = 0;
	client_write(client, "<enable xmlns='" NS_SM "' resume='true'/>");
}

bool client_sm_resume(struct client *client)
{
	char text[512];

	if (!client->resume_id || !client->sm_offered)
		return false;
	snprintf(text, sizeof(text),
		 "<resume xmlns='" NS_SM "' h='%u' previd='%s'/>",
		 client->handled, client->resume_id);
	client_write(client, text);
	return true;
}

void client_sm_request(struct client *client)
{
	client_write(client, "<r xmlns='" NS_SM "'/>");
}

void client_sm_ack(struct client *client)
{
	char text[96];

	if (!client->sm_on)
		return;
	snprintf(text, sizeof(text), "<a xmlns='" NS_SM "' h='%u'/>",
		 client->handled);
	client_write(client, text);
}

static void on_enabled(struct client *client, const struct element *enabled)
{
	const char *resume = element_attr(enabled, "resume");
	const char *id = element_attr(enabled, "id");

	mem_free(client->resume_id);
	client->resume_id = NULL;
	client->handled = 0;
	if (id && (str_equal(resume, "true") || str_equal(resume, "1")))
		client->resume_id = mem_strdup(id);
	client_started(client, false);
}

static void on_resumed(struct client *client, const struct element *resumed)
{
	struct unacked *item;

	client->resumes++;
	if (!str_equal(element_attr(resumed, "previd"), client->resume_id))
		verdict_fail(&client->sim->verdict, "stream management",
			     "%s resumed another stream", client->name);
	take_ack(client, element_attr(resumed, "h"));
	DL_FOREACH (client->unacked, item)
		client_write(client, item->xml);
	client_started(client, true);
	client_sm_request(client);
}

static void on_failed(struct client *client, const struct element *failed)
{
	const char *h = element_attr(failed, "h");

	if (client->state == CLIENT_RESUMING) {
		client->failed_resumes++;
		world_say(client->sim->world, client->name,
			  "cannot resume: %s", element_first(failed)
						      ? element_first(failed)
								->name
						      : "?");
		if (h)
			take_ack(client, h);
		client_sm_forget(client, false);
		client_bind(client);
	} else if (client->state == CLIENT_ENABLING) {
		client->sm_on = false;
		client_started(client, false);
	}
}

void client_sm_element(struct client *client, const struct element *element)
{
	if (str_equal(element->name, "r")) {
		if (!rng_chance(&client->rng, 3)) /* forgetful */
			client_sm_ack(client);
	} else if (str_equal(element->name, "a")) {
		take_ack(client, element_attr(element, "h"));
	} else if (str_equal(element->name, "enabled") &&
		   client->state == CLIENT_ENABLING) {
		on_enabled(client, element);
	} else if (str_equal(element->name, "resumed") &&
		   client->state == CLIENT_RESUMING) {
		on_resumed(client, element);
	} else if (str_equal(element->name, "failed")) {
		on_failed(client, element);
	}
}
