/* SPDX-License-Identifier: Apache-2.0
 *
 * What a simulated client makes of the stanzas that come: messages go into
 * the ledger, presence and rosters into its own view of the world.
 */
#include <string.h>

#include "t/sim/sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

/* -- views ------------------------------------------------------------------ */

static void contact_free(struct client *client, struct contact *contact)
{
	HASH_DEL(client->contacts, contact);
	mem_free(contact->jid);
	mem_free(contact->subscription);
	mem_free(contact->name);
	mem_free(contact);
}

static void forget_contacts(struct client *client)
{
	struct contact *contact, *next;

	HASH_ITER(hh, client->contacts, contact, next)
		contact_free(client, contact);
}

void client_forget_sights(struct client *client)
{
	struct sight *sight, *next;

	HASH_ITER(hh, client->sights, sight, next) {
		HASH_DEL(client->sights, sight);
		mem_free(sight->jid);
		mem_free(sight->status);
		mem_free(sight);
	}
}

void client_stanza_free(struct client *client)
{
	forget_contacts(client);
	client_forget_sights(client);
}

/* -- rosters ---------------------------------------------------------------- */

static struct contact *contact_find(const struct client *client,
				    const char *jid)
{
	struct contact *contact;

	HASH_FIND_STR(client->contacts, jid, contact);
	return contact;
}

static void take_item(struct client *client, const struct element *item)
{
	const char *jid = element_attr(item, "jid");
	const char *subscription = element_attr(item, "subscription");
	struct contact *contact = contact_find(client, jid);

	if (contact)
		contact_free(client, contact);
	if (str_equal(subscription, "remove"))
		return;
	contact = mem_new(struct contact);
	contact->jid = mem_strdup(jid);
	contact->subscription = mem_strdup(subscription ? subscription
							: "none");
	contact->name = mem_strdup(element_attr(item, "name"));
	HASH_ADD_KEYPTR(hh, client->contacts, contact->jid,
			strlen(contact->jid), contact);
}

/* The roster as asked for must be what the pushes have made of it. */
static void compare_roster(struct client *client, const struct element *query)
{
	const struct element *item = element_child(query, "item", NS_ROSTER);
	unsigned count = 0;

	for (; item; item = element_next_same(item), count++) {
		const char *jid = element_attr(item, "jid");
		const struct contact *contact = contact_find(client, jid);

		if (!contact ||
		    !str_equal(contact->subscription,
			       element_attr(item, "subscription")) ||
		    !str_equal(contact->name, element_attr(item, "name")))
			verdict_fail(&client->sim->verdict,
				     "rosters converge",
				     "%s has %s as %s, the server as %s",
				     client->name, jid,
				     contact ? contact->subscription
					     : "nothing",
				     element_attr(item, "subscription"));
	}
	if (count != HASH_COUNT(client->contacts))
		verdict_fail(&client->sim->verdict, "rosters converge",
			     "%s has %u contacts, the server %u", client->name,
			     HASH_COUNT(client->contacts), count);
}

static void take_roster(struct client *client, const struct element *query)
{
	const struct element *item;

	if (client->check_roster)
		compare_roster(client, query);
	client->check_roster = false;
	forget_contacts(client);
	for (item = element_child(query, "item", NS_ROSTER); item;
	     item = element_next_same(item))
		take_item(client, item);
	client->rostered = true;
}

static void on_iq(struct client *client, const struct element *iq)
{
	const char *type = element_attr(iq, "type");
	const char *id = element_attr(iq, "id");
	const char *from = element_attr(iq, "from");
	const struct element *query = element_child(iq, "query", NS_ROSTER);

	if (str_equal(type, "set") && query) {
		if (from && !str_equal(from, client->bare))
			verdict_fail(&client->sim->verdict, "nothing forged",
				     "%s got a roster push from %s",
				     client->name, from);
		else if (element_child(query, "item", NS_ROSTER))
			take_item(client, element_child(query, "item",
							NS_ROSTER));
		client_send(client, 0, "<iq type='result' id='%s'/>",
			    id ? id : "");
	} else if (str_equal(type, "get")) {
		client_send(client, 0, "<iq type='result' id='%s'%s%s%s/>",
			    id ? id : "", from ? " to='" : "",
			    from ? from : "", from ? "'" : "");
	} else if (str_equal(type, "result") && query && id &&
		   str_starts(id, "roster-")) {
		take_roster(client, query);
	} else if (str_equal(type, "error") && id &&
		   str_starts(id, "roster-") && !client->rostered) {
		client_ask_roster(client, false);
	}
}

/* -- presence --------------------------------------------------------------- */

static void take_presence(struct client *client, const char *from,
			  const char *status)
{
	struct sight *sight;

	HASH_FIND_STR(client->sights, from, sight);
	if (sight) {
		HASH_DEL(client->sights, sight);
		mem_free(sight->jid);
		mem_free(sight->status);
		mem_free(sight);
	}
	if (!status)
		return;
	sight = mem_new(struct sight);
	sight->jid = mem_strdup(from);
	sight->status = mem_strdup(status);
	HASH_ADD_KEYPTR(hh, client->sights, sight->jid, strlen(sight->jid),
			sight);
}

static void on_presence(struct client *client, const struct element *presence)
{
	const char *type = element_attr(presence, "type");
	const char *from = element_attr(presence, "from");
	const char *status = element_child_text(presence, "status", NS_CLIENT);

	if (!from)
		return;
	if (!type)
		take_presence(client, from, status ? status : "");
	else if (str_equal(type, "unavailable"))
		take_presence(client, from, NULL);
	else if (str_equal(type, "subscribe"))
		client_send(client, 0, "<presence to='%s' type='subscribed'/>",
			    from);
}

/* -- messages --------------------------------------------------------------- */

static unsigned number_of(const struct element *message)
{
	const char *id = element_attr(message, "id");
	uint64_t number;

	if (!id || id[0] != 'm' ||
	    str_to_u64(id + 1, 1, UINT32_MAX, &number) < 0)
		return 0;
	return (unsigned)number;
}

static void on_message(struct client *client, const struct element *message)
{
	const char *type = element_attr(message, "type");
	const char *from = element_attr(message, "from");
	const char *body = element_child_text(message, "body", NS_CLIENT);
	unsigned number = number_of(message);
	char *end;
	uint64_t said = 0;

	if (str_equal(type, "error")) {
		world_say(client->sim->world, client->name,
			  "message %u bounced", number);
		ledger_bounced(client->sim->ledger, client->session, number);
		return;
	}
	world_say(client->sim->world, client->name, "message %u came", number);
	end = body ? mem_strndup(body, strcspn(body, " ")) : NULL;
	if (!end || str_to_u64(end, 1, UINT32_MAX, &said) < 0 ||
	    said != number)
		verdict_fail(&client->sim->verdict, "nothing forged",
			     "%s: the body of message %u is another's",
			     client->name, number);
	mem_free(end);
	ledger_received(client->sim->ledger, client->session, number,
			from ? from : "",
			element_child(message, "delay", NS_DELAY) != NULL);
}

void client_stanza(struct client *client, const struct element *stanza)
{
	client->handled++;
	if (str_equal(stanza->name, "message"))
		on_message(client, stanza);
	else if (str_equal(stanza->name, "presence"))
		on_presence(client, stanza);
	else if (str_equal(stanza->name, "iq"))
		on_iq(client, stanza);
}
