/* SPDX-License-Identifier: Apache-2.0
 *
 * The invariants that are checked at the end of a run. What can be seen at
 * once is judged where it happens (ledger.c, client*.c, deploy.c).
 */
#include "t/sim/judge.h"

#include <stdio.h>
#include <string.h>

#include "t/sim/operator.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static struct verdict *verdict(struct sim *sim)
{
	return &sim->verdict;
}

/* -- messages --------------------------------------------------------------- */

static void send_probes(struct sim *sim)
{
	char to[128];

	ledger_calm(sim->ledger);
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = sim->clients[i];

		if (!client_is_online(client))
			continue;
		sim_loop_enter(client->loop);
		for (unsigned a = 0; a < sim->account_count; a++) {
			snprintf(to, sizeof(to), "u%u@%s", a,
				 sim_domain(sim, a));
			client_chat(client, to, a, 10);
		}
		if (client->sm_on)
			client_sm_request(client);
		sim_loop_leave(client->loop);
	}
}

static void ask_rosters(struct sim *sim)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = sim->clients[i];

		if (!client_is_online(client))
			continue;
		sim_loop_enter(client->loop);
		client_ask_roster(client, true);
		sim_loop_leave(client->loop);
	}
}

/* -- sessions --------------------------------------------------------------- */

static void judge_sessions(struct sim *sim, enum sim_role kind,
			   const char *role)
{
	unsigned online = 0;

	operator_ask_sessions(sim->operator, kind);
	world_run_until(sim->world, sim->world->now + 20 * SECOND_US);
	if (operator_waiting(sim->operator) > 0)
		verdict_fail(verdict(sim), "sessions",
			     "%u of %s do not answer the operator",
			     operator_waiting(sim->operator), role);
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = sim->clients[i];
		unsigned count;

		if (!client_is_online(client))
			continue;
		online++;
		count = operator_sessions_of(sim->operator, client->full);
		if (count != 1)
			verdict_fail(verdict(sim), count ? "no ghost sessions"
							 : "no lost sessions",
				     "%s is online and %u times in the lists "
				     "of %s", client->full, count, role);
	}
	if (operator_rows(sim->operator) > online)
		verdict_fail(verdict(sim), "no ghost sessions",
			     "%u sessions in the lists of %s, %u clients",
			     operator_rows(sim->operator), role, online);
}

/* -- presence and rosters --------------------------------------------------- */

static const struct contact *contact_of(const struct client *client,
					const char *jid)
{
	const struct contact *contact;

	HASH_FIND_STR(client->contacts, jid, contact);
	return contact;
}

static bool has(const struct client *client, const char *jid,
		const char *way)
{
	const struct contact *contact = contact_of(client, jid);

	return contact && (str_equal(contact->subscription, way) ||
			   str_equal(contact->subscription, "both"));
}

static void judge_pair(struct sim *sim, const struct client *watcher,
		       const struct client *watched)
{
	bool sees = has(watcher, watched->bare, "to");
	const struct sight *sight;

	if (sees != has(watched, watcher->bare, "from"))
		verdict_fail(verdict(sim), "rosters converge",
			     "%s %s to see %s, who thinks otherwise",
			     watcher->name, sees ? "is" : "is not",
			     watched->name);
	if (!sees)
		return;
	HASH_FIND_STR(watcher->sights, watched->full, sight);
	if (!sight)
		verdict_fail(verdict(sim), "presence converges",
			     "%s does not see %s", watcher->name,
			     watched->name);
	else if (!str_equal(sight->status, watched->status))
		verdict_fail(verdict(sim), "presence converges",
			     "%s sees %s as %s instead of %s", watcher->name,
			     watched->name, sight->status, watched->status);
}

static bool is_there(const struct sim *sim, const char *full)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		if (client_is_online(sim->clients[i]) &&
		    str_equal(sim->clients[i]->full, full))
			return true;
	}
	return false;
}

static void judge_sights(struct sim *sim)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		const struct client *client = sim->clients[i];
		const struct sight *sight;

		if (!client_is_online(client))
			continue;
		for (unsigned j = 0; j < sim->client_count; j++) {
			const struct client *other = sim->clients[j];

			if (client_is_online(other) &&
			    other->account != client->account)
				judge_pair(sim, client, other);
		}
		for (sight = client->sights; sight; sight = sight->hh.next) {
			if (!is_there(sim, sight->jid))
				verdict_fail(verdict(sim),
					     "presence converges",
					     "%s sees %s, who is not there",
					     client->name, sight->jid);
		}
	}
}

void judge_views(struct sim *sim, uint64_t wait)
{
	world_say(sim->world, "sim", "views");
	ask_rosters(sim);
	world_run_until(sim->world, sim->world->now + wait);
	judge_sessions(sim, SIM_SM, "the sms");
	judge_sessions(sim, SIM_C2S, "the c2s");
	judge_sights(sim);
}

void judge_flow(struct sim *sim, uint64_t wait)
{
	world_say(sim->world, "sim", "probes");
	send_probes(sim);
	world_run_until(sim->world, sim->world->now + wait);
	ledger_check(sim->ledger);
}

void judge_remains(struct sim *sim)
{
	const struct world *world = sim->world;

	for (unsigned kind = 0; kind < SIM_ROLES; kind++) {
		for (unsigned i = 0; i < sim->deployment->count[kind]; i++) {
			const struct process *process =
				&sim->deployment->processes[kind][i];

			if (process->loop)
				verdict_fail(verdict(sim), "nothing left",
					     "%s did not stop",
					     process->name);
		}
	}
	if (world->loops || world->conns || world->workers)
		verdict_fail(verdict(sim), "nothing left",
			     "%u processes, %u connections, %u workers",
			     world->loops, world->conns, world->workers);
}
