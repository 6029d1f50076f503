/* SPDX-License-Identifier: Apache-2.0
 *
 * What breaks in a run, when, and for how long.
 */
#include "t/sim/faults.h"

#include <string.h>

#include "t/sim/operator.h"
#include "t/sim/store.h"
#include "t/sim/stranger.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"

struct repair {
	struct faults *faults;
	struct sim_event event;
	void (*run)(struct repair *repair);
	struct process *process;
	struct sim_host *a, *b;
	struct sim_path path; /* as it was */
	unsigned count;	      /* of times to come */
	struct repair *prev, *next;
};

struct faults {
	struct sim *sim;
	struct rng rng;
	struct sim_event event;
	struct sim_event trap;
	struct process *victim; /* of the trap */
	struct repair *repairs;
};

/* -- repairs ---------------------------------------------------------------- */

static void repair_now(struct repair *repair)
{
	struct faults *faults = repair->faults;

	DL_DELETE(faults->repairs, repair);
	world_cancel(faults->sim->world, &repair->event);
	repair->run(repair);
	mem_free(repair);
}

static void on_repair(struct sim_event *event)
{
	repair_now(container_of(event, struct repair, event));
}

/* To be run between `low` and `high` seconds from now. */
static struct repair *repair_new(struct faults *faults,
				 void (*run)(struct repair *repair),
				 uint64_t low, uint64_t high)
{
	struct repair *repair = mem_new(struct repair);
	struct world *world = faults->sim->world;

	repair->faults = faults;
	repair->run = run;
	DL_APPEND(faults->repairs, repair);
	world_at(world, &repair->event,
		 world->now + rng_range(&faults->rng, low * SECOND_US,
					high * SECOND_US), on_repair);
	return repair;
}

static void start(struct repair *repair)
{
	process_start(repair->process);
}

static void resume(struct repair *repair)
{
	process_pause(repair->process, false);
}

/* It comes and goes every second. */
static void flap(struct repair *repair)
{
	struct repair *next;

	if (process_runs(repair->process))
		process_kill(repair->process, false);
	else
		process_start(repair->process);
	if (repair->count == 0)
		return;
	next = repair_new(repair->faults, flap, 1, 1);
	next->process = repair->process;
	next->count = repair->count - 1;
}

static void heal(struct repair *repair)
{
	path_heal(repair->faults->sim->world, repair->a, repair->b);
}

static void speed_up(struct repair *repair)
{
	struct sim_path *path = path_between(repair->faults->sim->world,
					     repair->a, repair->b);
	bool cut = path->cut;

	*path = repair->path;
	path->cut = cut;
}

/* Taken back, or restarted, which ends it as well. */
static void undrain(struct repair *repair)
{
	struct sim *sim = repair->faults->sim;

	repair->process->drained = false;
	operator_command(sim->operator, repair->process->name,
			 rng_chance(&repair->faults->rng, 50) ? "undrain"
							      : "restart",
			 NULL, NULL);
}

static void database_back(struct repair *repair)
{
	sim_db_set_outage(repair->faults->sim->world, false);
	sim_db_set_latency(repair->faults->sim->world, 200, 5000);
}

/* -- targets ---------------------------------------------------------------- */

static struct process *pick_process(struct faults *faults)
{
	struct deployment *deployment = faults->sim->deployment;
	unsigned targets = faults->sim->scenario->targets;
	unsigned kind, i;

	do {
		kind = (unsigned)rng_range(&faults->rng, 0, SIM_ROLES - 1);
	} while (targets && !(targets & 1U << kind));
	i = (unsigned)rng_range(&faults->rng, 0, deployment->count[kind] - 1);
	return &deployment->processes[kind][i];
}

static struct client *pick_client(struct faults *faults)
{
	return faults->sim->clients[rng_range(&faults->rng, 0,
					      faults->sim->client_count - 1)];
}

/* A process that has a connection to this one: any of another role. */
static struct process *pick_other(struct faults *faults,
				  const struct process *process)
{
	struct process *other;

	do {
		other = pick_process(faults);
	} while (other->kind == process->kind);
	return other;
}

/* -- faults ----------------------------------------------------------------- */

static void kill_now(struct faults *faults, struct process *process)
{
	if (!process_runs(process))
		return;
	process_kill(process, false);
	repair_new(faults, start, 0,
		   rng_chance(&faults->rng, 70) ? 3 : 120)->process = process;
}

static void on_trap(struct sim_event *event)
{
	struct faults *faults = container_of(event, struct faults, trap);

	kill_now(faults, faults->victim);
}

/* At any moment, or when something has just come. */
static void fault_kill(struct faults *faults)
{
	struct process *process = pick_process(faults);
	struct world *world = faults->sim->world;

	if (rng_chance(&faults->rng, 30) || world->trap_host) {
		kill_now(faults, process);
		return;
	}
	faults->victim = process;
	world->trap_host = process->host;
	world->trap_count = (unsigned)rng_range(&faults->rng, 1, 30);
	world->trap_event = &faults->trap;
	world->trap_run = on_trap;
}

static void fault_flap(struct faults *faults)
{
	struct repair *repair;

	DL_FOREACH (faults->repairs, repair) {
		if (repair->run == flap)
			return;
	}
	repair = repair_new(faults, flap, 0, 1);
	repair->process = pick_process(faults);
	repair->count = 2 * (unsigned)rng_range(&faults->rng, 2, 6) - 1;
}

static void fault_host(struct faults *faults)
{
	struct process *process = pick_process(faults);

	if (!process_runs(process))
		return;
	process_kill(process, true);
	repair_new(faults, start, 5, 200)->process = process;
}

static void fault_restart(struct faults *faults)
{
	process_stop(pick_process(faults), true);
}

static void fault_pause(struct faults *faults)
{
	struct process *process = pick_process(faults);

	if (!process_runs(process))
		return;
	process_pause(process, true);
	repair_new(faults, resume, 0,
		   rng_chance(&faults->rng, 70) ? 5 : 90)->process = process;
}

static void cut(struct faults *faults, struct sim_host *a, struct sim_host *b)
{
	struct repair *repair = repair_new(faults, heal, 1,
					   rng_chance(&faults->rng, 60) ? 20
									: 150);

	repair->a = a;
	repair->b = b;
	path_cut(faults->sim->world, a, b);
}

static void fault_cut(struct faults *faults)
{
	struct process *process = pick_process(faults);

	cut(faults, process->host, pick_other(faults, process)->host);
}

static void fault_slow(struct faults *faults)
{
	struct process *process = pick_process(faults);
	struct sim_host *other = rng_chance(&faults->rng, 50)
					 ? pick_other(faults, process)->host
					 : pick_client(faults)->host;
	struct sim_path *path = path_between(faults->sim->world,
					     process->host, other);
	struct repair *repair;

	DL_FOREACH (faults->repairs, repair) {
		if (repair->run == speed_up && repair->a == process->host &&
		    repair->b == other)
			return;
	}
	repair = repair_new(faults, speed_up, 5, 120);
	repair->a = process->host;
	repair->b = other;
	repair->path = *path;
	path->latency = rng_range(&faults->rng, 10000, 2000000);
	path->jitter = path->latency / 2;
	path->bandwidth = rng_range(&faults->rng, 2000, 100000);
	world_say(faults->sim->world, "fault", "slow %s %s",
		  process->host->name, other->name);
}

static void fault_client(struct faults *faults)
{
	struct client *client = pick_client(faults);
	struct process *process;

	switch (rng_range(&faults->rng, 0, 2)) {
	case 0:
		client_cut(client, false);
		break;
	case 1:
		client_cut(client, true);
		break;
	default:
		do {
			process = pick_process(faults);
		} while (process->kind != SIM_C2S);
		cut(faults, process->host, client->host);
	}
}

static void fault_storage(struct faults *faults)
{
	struct repair *repair;

	DL_FOREACH (faults->repairs, repair) {
		if (repair->run == database_back)
			return;
	}
	if (rng_chance(&faults->rng, 50))
		sim_db_set_outage(faults->sim->world, true);
	else
		sim_db_set_latency(faults->sim->world, 50000, 3000000);
	repair_new(faults, database_back, 1, 60);
}

static void fault_reload(struct faults *faults)
{
	process_reload(pick_process(faults));
}

static void fault_stranger(struct faults *faults)
{
	unsigned count = rng_chance(&faults->rng, 10)
				 ? 50
				 : (unsigned)rng_range(&faults->rng, 1, 3);

	while (count-- > 0)
		strangers_come(faults->sim->strangers);
}

static void drain(struct faults *faults, struct process *process)
{
	world_say(faults->sim->world, "fault", "%s is drained", process->name);
	process->drained = true;
	operator_command(faults->sim->operator, process->name, "drain", NULL,
			 NULL);
	repair_new(faults, undrain, 2, 60)->process = process;
}

/* Another one of the kind must be there. */
static void fault_scale(struct faults *faults)
{
	struct process *process = pick_process(faults);
	struct deployment *deployment = faults->sim->deployment;
	unsigned others = 0;

	if (process->out) {
		process->out = false;
		process_start(process);
		return;
	}
	for (unsigned i = 0; i < deployment->count[process->kind]; i++) {
		struct process *other =
			&deployment->processes[process->kind][i];

		others += other != process && !other->out && !other->drained;
	}
	if (others == 0 || process->drained)
		return;
	if (rng_chance(&faults->rng, 50)) {
		drain(faults, process);
		return;
	}
	process->out = true;
	world_say(faults->sim->world, "fault", "%s goes", process->name);
	if (rng_chance(&faults->rng, 50))
		process_stop(process, false);
	else
		process_kill(process, false);
}

static const struct {
	enum fault fault;
	unsigned weight;
	void (*run)(struct faults *faults);
} kinds[] = {
	{ FAULT_KILL, 10, fault_kill },	      { FAULT_HOST, 4, fault_host },
	{ FAULT_RESTART, 6, fault_restart },  { FAULT_PAUSE, 5, fault_pause },
	{ FAULT_CUT, 8, fault_cut },	      { FAULT_SLOW, 8, fault_slow },
	{ FAULT_CLIENT, 15, fault_client },   { FAULT_STORAGE, 4,
						fault_storage },
	{ FAULT_RELOAD, 1, fault_reload },    { FAULT_SCALE, 4, fault_scale },
	{ FAULT_STRANGER, 10, fault_stranger }, { FAULT_FLAP, 6, fault_flap },
};

static void on_fault(struct sim_event *event);

static void schedule(struct faults *faults)
{
	struct world *world = faults->sim->world;
	uint64_t mean = faults->sim->scenario->fault_seconds * SECOND_US;

	if (faults->sim->scenario->faults)
		world_at(world, &faults->event,
			 world->now + rng_range(&faults->rng, mean / 20,
						mean * 2), on_fault);
}

static void on_fault(struct sim_event *event)
{
	struct faults *faults = container_of(event, struct faults, event);
	unsigned enabled = faults->sim->scenario->faults;
	unsigned total = 0, choice;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		total += kinds[i].fault & enabled ? kinds[i].weight : 0;
	choice = (unsigned)rng_range(&faults->rng, 0, total - 1);
	for (i = 0;; i++) {
		unsigned weight = kinds[i].fault & enabled ? kinds[i].weight
							   : 0;

		if (choice < weight)
			break;
		choice -= weight;
	}
	faults->sim->fault_count++;
	kinds[i].run(faults);
	schedule(faults);
}

struct faults *faults_start(struct sim *sim)
{
	struct faults *faults = mem_new(struct faults);

	faults->sim = sim;
	faults->rng = rng_fork(&sim->rng);
	schedule(faults);
	return faults;
}

void faults_end(struct sim *sim)
{
	struct deployment *deployment = sim->deployment;

	world_cancel(sim->world, &sim->faults->event);
	world_cancel(sim->world, &sim->faults->trap);
	sim->world->trap_host = NULL;
	while (sim->faults->repairs)
		repair_now(sim->faults->repairs);
	for (unsigned kind = 0; kind < SIM_ROLES; kind++) {
		for (unsigned i = 0; i < deployment->count[kind]; i++)
			process_start(&deployment->processes[kind][i]);
	}
	mem_free(sim->faults);
	sim->faults = NULL;
}
