/* SPDX-License-Identifier: Apache-2.0
 *
 * The storage driver "sim": one database that all sms of a world share and
 * that outlives them. Each request takes its time there and back; what has
 * not arrived when the sm is killed never happened; while the database is
 * out, requests are UNAVAILABLE.
 */
#ifndef T_SIM_STORE_H
#define T_SIM_STORE_H

#include "storage/driver.h"
#include "t/sim/net/world.h"

extern const struct storage_driver storage_driver_sim;

struct sim_db;

/* The database, on a host of its own, at world->db. */
void sim_db_start(struct world *world);
void sim_db_stop(struct world *world);

/* An account with few rounds of PBKDF2, so that log-ins are cheap. */
void sim_db_add_account(struct world *world, const char *jid,
			const char *password);

void sim_db_set_outage(struct world *world, bool out);
/* Of each way, us. */
void sim_db_set_latency(struct world *world, uint64_t low, uint64_t high);

#endif
