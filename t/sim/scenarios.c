/* SPDX-License-Identifier: Apache-2.0
 *
 * The scenarios, from quiet to chaos. A seed without a name takes one of
 * those that have a share.
 */
#include "t/sim/faults.h"
#include "util/base/str.h"

static const struct scenario scenarios[] = {
	{
		.name = "quiet", .fixed = true,
		.routers = { 1, 1 }, .c2s = { 1, 1 }, .sms = { 1, 1 },
		.domains = { 1, 1 }, .accounts = { 2, 2 },
		.resources = 1, .managed = 50,
		.think_ms = 5000, .minutes = 10,
	},
	{
		.name = "busy", .fixed = true,
		.routers = { 1, 3 }, .c2s = { 1, 3 }, .sms = { 1, 3 },
		.domains = { 1, 2 }, .accounts = { 4, 8 },
		.resources = 2, .managed = 50,
		.think_ms = 4000, .minutes = 10,
	},
	{
		.name = "clients", .fixed = true,
		.routers = { 1, 2 }, .c2s = { 1, 3 }, .sms = { 1, 2 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_CLIENT | FAULT_SLOW | FAULT_STRANGER,
		.fault_seconds = 15,
		.think_ms = 5000, .minutes = 15,
	},
	{
		.name = "kills",
		.routers = { 1, 2 }, .c2s = { 1, 3 }, .sms = { 1, 3 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_KILL | FAULT_RESTART, .fault_seconds = 40,
		.think_ms = 5000, .minutes = 20,
	},
	{
		/* What clients see when only what is behind c2s dies. */
		.name = "failover", .fixed = true,
		.routers = { 2, 3 }, .c2s = { 1, 2 }, .sms = { 2, 3 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_KILL | FAULT_RESTART, .fault_seconds = 12,
		.targets = 1 << SIM_ROUTER | 1 << SIM_SM,
		.polite = true, .steady = true,
		.think_ms = 800, .minutes = 6,
	},
	{
		.name = "network",
		.routers = { 1, 3 }, .c2s = { 1, 3 }, .sms = { 1, 3 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_CUT | FAULT_SLOW | FAULT_PAUSE,
		.fault_seconds = 40,
		.think_ms = 5000, .minutes = 20,
	},
	{
		.name = "storage",
		.routers = { 1, 1 }, .c2s = { 1, 2 }, .sms = { 1, 3 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_STORAGE | FAULT_CLIENT | FAULT_KILL,
		.fault_seconds = 30,
		.think_ms = 5000, .minutes = 20,
	},
	{
		.name = "scale",
		.routers = { 2, 3 }, .c2s = { 2, 4 }, .sms = { 2, 4 },
		.domains = { 1, 2 }, .accounts = { 4, 8 },
		.resources = 2, .managed = 70,
		.faults = FAULT_SCALE | FAULT_RESTART, .fault_seconds = 60,
		.think_ms = 5000, .minutes = 20,
	},
	{
		.name = "chaos",
		.routers = { 1, 3 }, .c2s = { 1, 4 }, .sms = { 1, 4 },
		.domains = { 1, 3 }, .accounts = { 3, 8 },
		.resources = 2, .managed = 70,
		.faults = FAULT_ALL, .fault_seconds = 30,
		.think_ms = 5000, .minutes = 20,
	},
	{
		/* Links as they should not be: without a share, by name. */
		.name = "links", .odd = true,
		.routers = { 2, 3 }, .c2s = { 1, 3 }, .sms = { 1, 3 },
		.domains = { 1, 2 }, .accounts = { 3, 6 },
		.resources = 2, .managed = 70,
		.faults = FAULT_CUT | FAULT_SLOW | FAULT_FLAP | FAULT_STRANGER,
		.fault_seconds = 30,
		.think_ms = 5000, .minutes = 10,
	},
};

#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))
#define SHARED 9 /* the first of these have a share of the seeds */

const struct scenario *scenario_find(const char *name)
{
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (str_equal(scenarios[i].name, name))
			return &scenarios[i];
	}
	return NULL;
}

const struct scenario *scenario_of_seed(uint64_t seed)
{
	return &scenarios[seed % SHARED];
}

const struct scenario *scenario_of_fixed_seed(uint64_t seed)
{
	while (!scenarios[seed % SHARED].fixed)
		seed = seed * 7 + 1;
	return &scenarios[seed % SHARED];
}
