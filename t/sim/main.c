/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulator's command line: one seed with all its events, or many with a
 * line each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "t/sim/sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define FIXED_SEEDS 80 /* without arguments: about two minutes */

struct options {
	uint64_t first, last; /* seeds */
	const struct scenario *scenario; /* NULL: by the seed */
	struct sim_options run;
	bool tap;
	bool fixed; /* the set of CI */
	bool twice; /* runs each seed twice and compares */
	uint64_t number; /* of the test, in TAP */
};

/* What the fixed set has besides its seeds: runs of scenarios that are too long
 * for all of them. */
static const struct {
	const char *scenario;
	uint64_t seed;
} fixed_more[] = {
	{ "network", 1 }, { "network", 4 }, { "network", 7 },
	{ "storage", 7 }, { "storage", 10 },
	{ "scale", 5 },	  { "scale", 22 },
	{ "links", 1 },	  { "links", 5 },   { "links", 11 },
};

#define FIXED_MORE (sizeof(fixed_more) / sizeof(*fixed_more))

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: sim  (the fixed set of seeds, as TAP)\n"
		"       sim [--seed N | --seeds A-B] [--scenario NAME]\n"
		"           [--hours H] [--verbose] [--tap] [--twice]\n"
		"  --seed N         the run to make (default 1)\n"
		"  --seeds A-B      all from A to B\n"
		"  --scenario NAME  instead of the one that the seed takes\n"
		"  --hours H        length, instead of the scenario's\n"
		"  --verbose        print every event\n"
		"  --wire           print what arrives on connections\n"
		"  --tap            results in the Test Anything Protocol\n"
		"  --twice          make each run twice: both must be equal\n");
}

static int parse_seeds(const char *text, struct options *options)
{
	const char *dash = strchr(text, '-');
	char *first = dash ? mem_strndup(text, (size_t)(dash - text))
			   : mem_strdup(text);
	int rc = str_to_u64(first, 0, UINT64_MAX, &options->first);

	if (rc == 0)
		rc = str_to_u64(dash ? dash + 1 : first, options->first,
				UINT64_MAX - 1, &options->last);
	mem_free(first);
	return rc;
}

static bool *flag_of(struct options *options, const char *word)
{
	if (str_equal(word, "--verbose"))
		return &options->run.verbose;
	if (str_equal(word, "--wire"))
		return &options->run.wire;
	if (str_equal(word, "--tap"))
		return &options->tap;
	if (str_equal(word, "--twice"))
		return &options->twice;
	return NULL;
}

static int parse_value(struct options *options, const char *word,
		       const char *value)
{
	if (str_equal(word, "--seed") || str_equal(word, "--seeds"))
		return parse_seeds(value, options);
	if (str_equal(word, "--hours"))
		return str_to_u64(value, 1, 100000, &options->run.hours);
	if (!str_equal(word, "--scenario"))
		return -1;
	options->scenario = scenario_find(value);
	return options->scenario ? 0 : -1;
}

static int parse(int argc, char *argv[], struct options *options)
{
	for (int i = 1; i < argc; i++) {
		bool *flag = flag_of(options, argv[i]);

		if (flag)
			*flag = true;
		else if (i + 1 == argc ||
			 parse_value(options, argv[i], argv[i + 1]) < 0)
			return -1;
		else
			i++;
	}
	return 0;
}

/* Seeds of the fixed set that show defects which are not mended yet: they run,
 * and say what is wrong, but do not fail the set. Whoever mends one takes its
 * line out. */
static const struct {
	const char *scenario; /* NULL: the one that the seed takes */
	uint64_t seed;
	const char *defect;
} open_seeds[] = {
	{ "storage", 10,
	  "a message that could not be stored in time overtakes older ones" },
};

static const char *open_defect(const struct options *options, uint64_t seed)
{
	const char *scenario =
		options->scenario ? options->scenario->name : NULL;

	for (size_t i = 0; i < sizeof(open_seeds) / sizeof(*open_seeds); i++) {
		if (options->fixed && open_seeds[i].seed == seed &&
		    str_equal(open_seeds[i].scenario, scenario))
			return open_seeds[i].defect;
	}
	return NULL;
}

static void print_result(const struct options *options, uint64_t seed,
			 const struct scenario *scenario,
			 const struct sim_result *result)
{
	const struct ledger_totals *totals = &result->totals;
	const char *defect = open_defect(options, seed);

	if (options->tap)
		printf("%sok %" PRIu64 " - sim seed %" PRIu64
		       " scenario %s%s%s\n",
		       result->violations ? "not " : "", options->number,
		       seed, scenario->name,
		       defect ? " # TODO " : "", defect ? defect : "");
	printf("%sseed %" PRIu64 " %s: %" PRIu64 " s, %" PRIu64
	       " events, %" PRIu64 " faults; messages: %" PRIu64 " sent, %"
	       PRIu64 " accepted, %" PRIu64 " received, %" PRIu64
	       " bounced, %" PRIu64 " lost before that, slowest %.3f s; "
	       "streams: %" PRIu64 " lost, %" PRIu64 " resumed; hash %016"
	       PRIx64 "\n", options->tap ? "# " : "", seed, scenario->name,
	       result->seconds, result->events, result->faults, totals->sent,
	       totals->accepted, totals->received, totals->bounced,
	       totals->lost_unaccepted, (double)totals->slowest / 1e6,
	       result->lost_streams, result->resumed, result->hash);
	if (result->violations)
		printf("%u violations:\n%sreplay: t/sim/sim --seed %" PRIu64
		       " --scenario %s --verbose\n", result->violations,
		       result->text, seed, scenario->name);
	fflush(stdout);
}

static const struct scenario *pick_scenario(const struct options *options,
					    uint64_t seed)
{
	if (options->scenario)
		return options->scenario;
	return options->fixed ? scenario_of_fixed_seed(seed)
			      : scenario_of_seed(seed);
}

static bool run_seed(const struct options *options, uint64_t seed)
{
	const struct scenario *scenario = pick_scenario(options, seed);
	struct sim_result result, again;
	bool ok;

	sim_run(seed, scenario, &options->run, &result);
	if (options->twice) {
		sim_run(seed, scenario,
			&(struct sim_options){ .hours = options->run.hours },
			&again);
		if (again.hash != result.hash) {
			printf("seed %" PRIu64 " gave another run the second "
			       "time\n", seed);
			result.violations++;
		}
		mem_free(again.text);
	}
	print_result(options, seed, scenario, &result);
	ok = result.violations == 0 || open_defect(options, seed);
	mem_free(result.text);
	return ok;
}

int main(int argc, char *argv[])
{
	struct options options = { .first = 1, .last = 1 };
	unsigned failed = 0;

	if (parse(argc, argv, &options) < 0) {
		usage(stderr);
		return 2;
	}
	if (argc == 1) {
		options.last = FIXED_SEEDS;
		options.fixed = options.tap = options.twice = true;
	}
	if (options.tap)
		printf("1..%" PRIu64 "\n", options.last - options.first + 1 +
				(options.fixed ? FIXED_MORE : 0));
	for (uint64_t seed = options.first; seed <= options.last; seed++) {
		options.number++;
		failed += !run_seed(&options, seed);
	}
	for (size_t i = 0; options.fixed && i < FIXED_MORE; i++) {
		options.number++;
		options.scenario = scenario_find(fixed_more[i].scenario);
		failed += !run_seed(&options, fixed_more[i].seed);
	}
	return failed ? 1 : 0;
}
