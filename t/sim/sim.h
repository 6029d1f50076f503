/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of the simulator: a world, a deployment, clients, faults, a verdict.
 */
#ifndef T_SIM_SIM_H
#define T_SIM_SIM_H

#include "t/sim/client.h"
#include "t/sim/deploy.h"

#define SIM_PASSWORD "pencil"
#define CLIENTS_MAX 64

struct operator;
struct strangers;

/* What is varied: how many of each, and which faults. */
struct scenario {
	const char *name;
	unsigned routers[2], c2s[2], sms[2]; /* at least, at most */
	unsigned domains[2], accounts[2];
	unsigned resources; /* of an account, at most */
	unsigned managed;   /* percent of accounts with XEP-0198 */
	unsigned faults;    /* enum fault bits */
	unsigned targets;   /* bits by enum sim_role; 0: all */
	bool polite; /* clients neither misbehave nor go away by themselves */
	bool steady; /* no stream may end before the run does */
	bool odd;    /* links under TLS, of mixed versions, clocks that are off */
	bool fixed;  /* in the set that CI runs */
	unsigned fault_seconds; /* between two faults, on average */
	unsigned think_ms;  /* of a client, on average */
	unsigned minutes;   /* before the faults end */
};

struct sim {
	struct world *world;
	struct verdict verdict;
	struct buf text; /* of the verdict */
	struct rng rng;
	const struct scenario *scenario;
	uint64_t length; /* us of chatting and faults */
	struct deployment *deployment;
	struct ledger *ledger;
	unsigned account_count, client_count;
	const char *domains[4];
	struct client *clients[CLIENTS_MAX];
	struct operator *operator;
	struct strangers *strangers;
	struct faults *faults;
	uint64_t fault_count;
	bool ending; /* clients are being taken offline */
};

struct sim_result {
	unsigned violations;
	uint64_t hash, events, faults, seconds;
	uint64_t lost_streams, resumed; /* of clients */
	struct ledger_totals totals;
	char *text; /* heap: the violations */
};

const struct scenario *scenario_find(const char *name);
const struct scenario *scenario_of_seed(uint64_t seed);
/* Of those that CI runs. */
const struct scenario *scenario_of_fixed_seed(uint64_t seed);

struct sim_options {
	uint64_t hours; /* 0: as long as the scenario says */
	bool verbose;	/* prints events */
	bool wire;	/* and what arrives on connections */
};

/* Runs one seed. */
void sim_run(uint64_t seed, const struct scenario *scenario,
	     const struct sim_options *options, struct sim_result *result);

/* The i-th account's bare JID is user "uI" at sim_domain(). */
const char *sim_domain(const struct sim *sim, unsigned account);
/* The address of some c2s, as DNS would give one; direct: its TLS port. */
void sim_pick_c2s(struct sim *sim, struct rng *rng, bool direct,
		  char to[ADDRESS_MAX]);
/* The account of a JID of ours; -1: none. */
int sim_account(const struct sim *sim, const char *jid);

#endif
