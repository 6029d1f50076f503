/* SPDX-License-Identifier: Apache-2.0
 *
 * What simulated clients do when they are left alone: chat, mostly.
 */
#include <stdio.h>
#include <string.h>

#include "t/sim/sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

/* Another account; not always one in the roster. */
static unsigned pick_account(struct client *client)
{
	unsigned count = client->sim->account_count;

	return (client->account +
		(unsigned)rng_range(&client->rng, 1, count - 1)) % count;
}

static void bare_of(const struct sim *sim, unsigned account, char *to,
		    size_t size)
{
	snprintf(to, size, "u%u@%s", account, sim_domain(sim, account));
}

/* To the bare JID, or to a resource that it sees. */
static void act_chat(struct client *client)
{
	unsigned account = pick_account(client);
	struct sight *sight;
	char to[128];
	size_t size = rng_chance(&client->rng, 5)
			      ? rng_range(&client->rng, 1000, 20000)
			      : rng_range(&client->rng, 0, 100);
	unsigned burst = rng_chance(&client->rng, 10)
				 ? (unsigned)rng_range(&client->rng, 2, 10)
				 : 1;

	bare_of(client->sim, account, to, sizeof(to));
	if (rng_chance(&client->rng, 40)) {
		for (sight = client->sights; sight; sight = sight->hh.next) {
			if (str_starts(sight->jid, to) &&
			    sight->jid[strlen(to)] == '/') {
				str_copy(to, sizeof(to), sight->jid);
				break;
			}
		}
	}
	while (burst-- > 0)
		client_chat(client, to, account, size);
}

static void act_ping(struct client *client)
{
	char to[128];

	if (rng_chance(&client->rng, 50))
		str_copy(to, sizeof(to), client->domain);
	else
		bare_of(client->sim, pick_account(client), to, sizeof(to));
	client_send(client, 0, "<iq type='get' id='i%u' to='%s'><ping xmlns='"
		    NS_PING "'/></iq>", ++client->iq_count, to);
}

static void act_subscribe(struct client *client)
{
	char to[128];

	bare_of(client->sim, pick_account(client), to, sizeof(to));
	client_send(client, 0, "<presence to='%s' type='subscribe'/>", to);
}

static void act_unsubscribe(struct client *client)
{
	static const char *const ways[] = { "unsubscribe", "unsubscribed" };
	char to[128];

	bare_of(client->sim, pick_account(client), to, sizeof(to));
	client_send(client, 0, "<presence to='%s' type='%s'/>", to,
		    ways[rng_next(&client->rng) % 2]);
}

static void act_roster(struct client *client)
{
	char to[128];

	bare_of(client->sim, pick_account(client), to, sizeof(to));
	if (rng_chance(&client->rng, 10))
		client_send(client, 0, "<iq type='set' id='i%u'><query xmlns='"
			    NS_ROSTER "'><item jid='%s' "
			    "subscription='remove'/></query></iq>",
			    ++client->iq_count, to);
	else
		client_send(client, 0, "<iq type='set' id='i%u'><query xmlns='"
			    NS_ROSTER "'><item jid='%s' name='n%u'/></query>"
			    "</iq>", client->iq_count + 1, to,
			    client->iq_count);
	client->iq_count++;
}

static void act_away(struct client *client)
{
	client_go_offline(client);
	client_come_back(client, rng_range(&client->rng, 1000, 120000));
}

/* What no client should do; its connection is worth nothing afterwards. */
static void act_misbehave(struct client *client)
{
	static const char *const garbage[] = {
		"<message><<<", "<!-- no -->", "</message>", "\xff\xfe",
		"<message to='x'><body>unclosed</message>",
		"</stream:stream>",
	};

	switch (rng_next(&client->rng) % 3) {
	case 0:
		client_write(client,
			     garbage[rng_next(&client->rng) %
				     (sizeof(garbage) / sizeof(*garbage))]);
		break;
	case 1:
		conn_pause(client->conn); /* never reads again */
		client->deaf = true;
		break;
	default:
		client_lose(client, "half a connection");
	}
}

typedef void act_fn(struct client *client);

static const struct {
	unsigned weight;
	act_fn *act;
	bool rude; /* ends the stream */
} deeds[] = {
	{ 600, act_chat, false },	{ 60, act_ping, false },
	{ 80, client_set_status, false }, { 30, act_roster, false },
	{ 30, act_subscribe, false },	{ 15, act_unsubscribe, false },
	{ 10, act_away, true },		{ 6, act_misbehave, true },
};

static void on_act(struct timer *timer);

static void schedule(struct client *client)
{
	uint64_t mean = client->sim->scenario->think_ms;

	timer_start(&client->act, client->loop,
		    rng_range(&client->rng, mean / 10, mean * 2), on_act);
}

static void on_act(struct timer *timer)
{
	struct client *client = container_of(timer, struct client, act);
	unsigned total = 0, choice;
	size_t i;

	if (!client_is_online(client) || client->idle)
		return;
	for (i = 0; i < sizeof(deeds) / sizeof(*deeds); i++)
		total += deeds[i].weight;
	choice = (unsigned)rng_range(&client->rng, 0, total - 1);
	for (i = 0; choice >= deeds[i].weight; i++)
		choice -= deeds[i].weight;
	schedule(client);
	if (!deeds[i].rude || !client->sim->scenario->polite)
		deeds[i].act(client);
}

/* At the first log-in everybody asks for a few contacts. */
static void make_friends(struct client *client)
{
	char to[128];

	for (unsigned i = 1; i <= 3 && i < client->sim->account_count; i++) {
		bare_of(client->sim,
			(client->account + i) % client->sim->account_count, to,
			sizeof(to));
		client_send(client, 0, "<presence to='%s' type='subscribe'/>",
			    to);
	}
}

void client_act_start(struct client *client)
{
	if (client->idle)
		return;
	if (client->logins == 1)
		make_friends(client);
	schedule(client);
}
