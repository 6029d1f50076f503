/* SPDX-License-Identifier: Apache-2.0
 *
 * How many operations a storage driver does in a second: a number of them is
 * always outstanding, for many owners.
 *
 * Usage: t/bench/storage DRIVER CONNECTION [OUTSTANDING [SECONDS]]
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "storage/storage.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/timer.h"

#define OWNERS 1000

static const char stanza[] =
	"<message xmlns='jabber:client' to='somebody@example.org' type='chat'>"
	"<body>How do you do? It has been a while since we met.</body>"
	"</message>";

struct bench {
	struct loop *loop;
	struct storage *storage;
	struct timer timer;
	bool loading; /* else adding */
	bool stopping;
	uint64_t outstanding, next;
	uint64_t done, failed;
	uint64_t latency_us;
};

struct operation {
	struct bench *bench;
	uint64_t started_us;
};

static void start(struct operation *operation);

static void finished(const struct storage_result *result, void *ctx)
{
	struct operation *operation = ctx;
	struct bench *bench = operation->bench;

	if (result->status != STORAGE_OK)
		bench->failed++;
	else
		bench->done++;
	bench->latency_us += loop_now_us(bench->loop) -
			     operation->started_us;
	if (!bench->stopping) {
		start(operation);
		return;
	}
	mem_free(operation);
	if (--bench->outstanding == 0)
		loop_stop(bench->loop);
}

static void start(struct operation *operation)
{
	struct bench *bench = operation->bench;
	char owner[40];

	snprintf(owner, sizeof(owner), "user%u@example.org",
		 (unsigned)(bench->next++ % OWNERS));
	operation->started_us = loop_now_us(bench->loop);
	if (bench->loading)
		storage_load(bench->storage, owner, finished, operation);
	else
		storage_offline_add(bench->storage, owner, 1, 0, stanza,
				    sizeof(stanza) - 1, finished, operation);
}

static void time_over(struct timer *timer)
{
	container_of(timer, struct bench, timer)->stopping = true;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(struct bench *bench, const char *name, uint64_t outstanding,
		uint64_t seconds)
{
	uint64_t started = loop_now_us(bench->loop);
	double cpu = cpu_seconds(), took;

	bench->stopping = false;
	bench->done = bench->failed = bench->latency_us = 0;
	bench->outstanding = outstanding;
	for (uint64_t i = 0; i < outstanding; i++) {
		struct operation *operation = mem_new(struct operation);

		operation->bench = bench;
		start(operation);
	}
	timer_start(&bench->timer, bench->loop, seconds * 1000, time_over);
	loop_run(bench->loop);
	took = (double)(loop_now_us(bench->loop) - started) / 1e6;
	cpu = cpu_seconds() - cpu;
	printf("%-12s outstanding=%-5llu per_second=%-8.0f mean_ms=%-7.2f "
	       "cpu_us=%-6.1f failed=%llu\n", name,
	       (unsigned long long)outstanding, (double)bench->done / took,
	       (double)bench->latency_us / (double)(bench->done + 1) / 1000,
	       cpu * 1e6 / (double)(bench->done + 1),
	       (unsigned long long)bench->failed);
	fflush(stdout);
}

int main(int argc, char *argv[])
{
	struct bench bench = { 0 };
	struct error err;
	struct log log;
	uint64_t outstanding = 100, seconds = 5;

	if (argc < 3 ||
	    (argc > 3 && str_to_u64(argv[3], 1, 40000, &outstanding) < 0) ||
	    (argc > 4 && str_to_u64(argv[4], 1, 3600, &seconds) < 0)) {
		fprintf(stderr, "usage: storage DRIVER CONNECTION "
				"[OUTSTANDING [SECONDS]]\n");
		return 2;
	}
	log_init(&log, "bench");
	bench.loop = loop_new(&err);
	bench.storage = storage_open(bench.loop, &log, argv[1], argv[2],
				     "storage/.libs", &err);
	if (bench.storage == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	run(&bench, "offline_add", outstanding, seconds);
	bench.loading = true;
	run(&bench, "load", outstanding, seconds);
	storage_close(&bench.storage);
	loop_free(&bench.loop);
	return 0;
}
