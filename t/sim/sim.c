/* SPDX-License-Identifier: Apache-2.0
 *
 * The course of a run: build the world, let it live and break, let it calm
 * down, judge it, and take it apart.
 */
#include "t/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include "t/sim/faults.h"
#include "t/sim/judge.h"
#include "t/sim/operator.h"
#include "t/sim/store.h"
#include "t/sim/stranger.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Longer than any time-out of a role: links, sessions that wait. */
#define SETTLE_US (420 * SECOND_US)
#define RETURN_US (300 * SECOND_US)
#define FLOW_US	  (60 * SECOND_US)
#define SKEW_US	  (1500 * SECOND_US) /* of a clock, at most */

static void pass(struct sim *sim, uint64_t us)
{
	world_run_until(sim->world, sim->world->now + us);
}

const char *sim_domain(const struct sim *sim, unsigned account)
{
	unsigned count = 0;

	while (sim->domains[count])
		count++;
	return sim->domains[account % count];
}

int sim_account(const struct sim *sim, const char *jid)
{
	uint64_t number;
	char *digits;
	int account = -1;

	if (jid[0] != 'u')
		return -1;
	digits = mem_strndup(jid + 1, strcspn(jid + 1, "@"));
	if (str_to_u64(digits, 0, sim->account_count - 1, &number) == 0)
		account = (int)number;
	mem_free(digits);
	return account;
}

void sim_pick_c2s(struct sim *sim, struct rng *rng, bool direct,
		  char to[ADDRESS_MAX])
{
	struct deployment *deployment = sim->deployment;
	struct process *process;

	do {
		unsigned i = (unsigned)rng_range(
			rng, 0, deployment->count[SIM_C2S] - 1);

		process = &deployment->processes[SIM_C2S][i];
	} while (process->out);
	snprintf(to, ADDRESS_MAX, "%s:%u", process->host->address,
		 direct ? TLS_PORT : STARTTLS_PORT);
}

/* -- making ----------------------------------------------------------------- */

static unsigned draw(struct sim *sim, const unsigned range[2])
{
	return (unsigned)rng_range(&sim->rng, range[0], range[1]);
}

static void make_deployment(struct sim *sim)
{
	static const char *const names[] = { "one.example", "two.example",
					     "three.example" };
	const struct scenario *scenario = sim->scenario;
	unsigned count[SIM_ROLES] = {
		[SIM_ROUTER] = draw(sim, scenario->routers),
		[SIM_C2S] = draw(sim, scenario->c2s),
		[SIM_SM] = draw(sim, scenario->sms),
	};
	unsigned domains = draw(sim, scenario->domains);
	unsigned old = 0;
	bool tls = false;

	if (scenario->odd) {
		tls = rng_chance(&sim->rng, 50);
		old = (unsigned)rng_range(&sim->rng, 0,
					  (1U << SIM_ROLES) - 1);
	}
	for (unsigned i = 0; i < domains; i++)
		sim->domains[i] = names[i];
	sim_db_start(sim->world);
	sim->deployment = deployment_new(sim->world, &sim->verdict, count,
					 sim->domains, tls, old);
	/* Every order of starting; some come later, with FAULT_SCALE. */
	for (unsigned kind = 0; kind < SIM_ROLES; kind++) {
		for (unsigned i = 0; i < count[kind]; i++) {
			struct process *process =
				&sim->deployment->processes[kind][i];

			if (scenario->odd)
				process->host->clock_skew =
					(int64_t)rng_range(&sim->rng, 0,
							   2 * SKEW_US) -
					(int64_t)SKEW_US;
			if (i > 0 && scenario->faults & FAULT_SCALE &&
			    rng_chance(&sim->rng, 30))
				process->out = true;
			process_start_after(process,
					    rng_range(&sim->rng, 0,
						      20 * SECOND_US));
		}
	}
}

static void make_clients(struct sim *sim)
{
	const struct scenario *scenario = sim->scenario;

	sim->account_count = draw(sim, scenario->accounts);
	sim->ledger = ledger_new(&sim->verdict, sim->account_count,
				 !(scenario->faults &
				   ~(unsigned)(FAULT_CLIENT | FAULT_SLOW |
						 FAULT_STRANGER)));
	for (unsigned i = 0; i < sim->account_count; i++) {
		const char *domain = sim_domain(sim, i);
		bool managed = rng_chance(&sim->rng, scenario->managed);
		char *jid = mem_printf("u%u@%s", i, domain);
		unsigned resources = (unsigned)rng_range(&sim->rng, 1,
							 scenario->resources);

		sim_db_add_account(sim->world, jid, SIM_PASSWORD);
		mem_free(jid);
		ledger_set_managed(sim->ledger, i, managed);
		while (resources-- > 0 && sim->client_count < CLIENTS_MAX) {
			struct client *client = client_new(sim, i, domain,
							   resources);

			client->managed = managed;
			client->direct = rng_chance(&sim->rng, 50);
			client->scram = rng_chance(&sim->rng, 50);
			sim->clients[sim->client_count++] = client;
			sim_loop_enter(client->loop);
			client_come_back(client,
					 rng_range(&sim->rng, 0, 60000));
			sim_loop_leave(client->loop);
		}
	}
}

/* -- the end ---------------------------------------------------------------- */

static void calm_down(struct sim *sim)
{
	world_say(sim->world, "sim", "faults end");
	for (unsigned i = 0; i < sim->client_count; i++) {
		sim->clients[i]->idle = true;
		if (!sim->scenario->steady && rng_chance(&sim->rng, 25))
			client_leave(sim->clients[i],
				     rng_chance(&sim->rng, 50));
	}
	faults_end(sim);
	pass(sim, SETTLE_US);
}

/* Those that had left for good come back, to see what waits for them. */
static void call_all(struct sim *sim)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = sim->clients[i];

		sim_loop_enter(client->loop);
		client_go_online(client);
		sim_loop_leave(client->loop);
	}
}

static bool all_online(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		if (sim->clients[i]->wanted &&
		    (!client_is_online(sim->clients[i]) ||
		     !sim->clients[i]->rostered))
			return false;
	}
	return true;
}

static void wait_for_clients(struct sim *sim)
{
	for (uint64_t i = 0; i < RETURN_US && !all_online(sim); i += SECOND_US)
		pass(sim, SECOND_US);
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = sim->clients[i];

		if (!client->wanted)
			continue;
		if (!client_is_online(client))
			verdict_fail(&sim->verdict, "clients come back",
				     "%s is not online again", client->name);
		else if (!client->rostered)
			verdict_fail(&sim->verdict, "clients come back",
				     "%s has no roster", client->name);
	}
	pass(sim, 10 * SECOND_US);
}

static void take_apart(struct sim *sim)
{
	struct deployment *deployment = sim->deployment;

	sim->ending = true;
	for (unsigned i = 0; i < sim->client_count; i++) {
		sim_loop_enter(sim->clients[i]->loop);
		client_go_offline(sim->clients[i]);
		sim_loop_leave(sim->clients[i]->loop);
	}
	pass(sim, 20 * SECOND_US);
	operator_free(&sim->operator);
	strangers_free(&sim->strangers);
	for (unsigned kind = SIM_ROLES; kind-- > 0;) {
		for (unsigned i = 0; i < deployment->count[kind]; i++)
			process_stop(&deployment->processes[kind][i], false);
		pass(sim, 20 * SECOND_US);
	}
	for (unsigned i = 0; i < sim->client_count; i++)
		client_free(&sim->clients[i]);
	sim_db_stop(sim->world);
	judge_remains(sim);
	deployment_free(&sim->deployment);
	ledger_free(&sim->ledger);
}

void sim_run(uint64_t seed, const struct scenario *scenario,
	     const struct sim_options *options, struct sim_result *result)
{
	struct sim sim = { .scenario = scenario };

	memset(result, 0, sizeof(*result));
	sim.world = world_new(seed);
	sim.world->verbose = options->verbose;
	sim.world->wire = options->wire;
	sim.verdict.world = sim.world;
	sim.verdict.text = &sim.text;
	sim.rng = rng_fork(&sim.world->rng);
	sim.length = options->hours ? options->hours * 3600 * SECOND_US
				    : scenario->minutes * 60 * SECOND_US;
	make_deployment(&sim);
	make_clients(&sim);
	sim.operator = operator_new(&sim);
	sim.strangers = strangers_new(&sim);
	pass(&sim, 60 * SECOND_US);
	sim.faults = faults_start(&sim);
	pass(&sim, sim.length);
	calm_down(&sim);
	wait_for_clients(&sim);
	judge_views(&sim, FLOW_US);
	call_all(&sim);
	wait_for_clients(&sim);
	judge_flow(&sim, FLOW_US);
	ledger_totals(sim.ledger, &result->totals);
	for (unsigned i = 0; i < sim.client_count; i++) {
		result->lost_streams += sim.clients[i]->lost_connections;
		result->resumed += sim.clients[i]->resumes;
	}
	take_apart(&sim);
	result->violations = sim.verdict.violations;
	result->hash = sim.world->hash;
	result->events = sim.world->events_run;
	result->seconds = sim.world->now / SECOND_US;
	result->faults = sim.fault_count;
	result->text = buf_take(&sim.text);
	world_free(&sim.world);
}
