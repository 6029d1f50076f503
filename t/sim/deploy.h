/* SPDX-License-Identifier: Apache-2.0
 *
 * A deployment in the simulated world: processes, each a role on a host of
 * its own, under one configuration file.
 */
#ifndef T_SIM_DEPLOY_H
#define T_SIM_DEPLOY_H

#include "t/sim/net/world.h"
#include "t/sim/verdict.h"
#include "util/base/buf.h"
#include "util/role/role.h"

#define ROUTER_PORT   5347
#define STARTTLS_PORT 5222
#define TLS_PORT      5223
#define DEPLOY_MAX    16 /* processes of each role */
#define DEPLOY_QUEUE  (8 << 20) /* no connection may hold more bytes */

enum sim_role { SIM_ROUTER, SIM_C2S, SIM_SM, SIM_ROLES };

struct deployment;

struct process {
	struct deployment *deployment;
	enum sim_role kind;
	char name[32];
	struct sim_host *host;
	struct loop *loop; /* NULL: it does not run */
	struct log log;
	struct config *config;
	struct role_env env;
	void *state;
	struct sim_event event; /* the end of a stop, or the next start */
	struct deferred stop_later;
	bool stopping;
	bool again; /* starts again when it has ended */
	bool out;   /* taken out for good: nothing starts it again */
	bool drained; /* by the operator */
	unsigned starts;
};

struct deployment {
	bool tls;     /* on links */
	unsigned old; /* bits by enum sim_role: the first one is of the first
			 version of the link protocol */
	struct world *world;
	struct verdict *verdict;
	char dir[64];
	char *path; /* of the configuration */
	const char *const *domains; /* NULL-terminated */
	unsigned count[SIM_ROLES];
	struct process processes[SIM_ROLES][DEPLOY_MAX];
	unsigned log_lines;
};

/* Writes the configuration for so many of each; nothing is started. */
struct deployment *deployment_new(struct world *world, struct verdict *verdict,
				  const unsigned count[SIM_ROLES],
				  const char *const *domains, bool tls,
				  unsigned old);
void deployment_free(struct deployment **deployment);

/* All these are harmless in a state where they make no sense. */
void process_start(struct process *process);
void process_start_after(struct process *process, uint64_t us);
void process_stop(struct process *process, bool again); /* SIGTERM */
void process_kill(struct process *process, bool silent); /* SIGKILL */
void process_pause(struct process *process, bool pause);
void process_reload(struct process *process); /* SIGHUP */
bool process_runs(const struct process *process);

#endif
