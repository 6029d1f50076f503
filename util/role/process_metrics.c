/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of the process as such, under the names that Prometheus' own client
 * libraries use. Those of the role's work come from the role.
 */
#include "util/role/process_metrics.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <config.h>
#include "util/role/metrics.h"

#define PROBE_MS 500

static void probe_start(struct process_metrics *metrics);

static void on_probe(struct timer *timer)
{
	struct process_metrics *metrics =
		container_of(timer, struct process_metrics, timer);
	uint64_t now = loop_now_us(metrics->loop);

	if (now > metrics->expected_us + metrics->lag_us)
		metrics->lag_us = now - metrics->expected_us;
	probe_start(metrics);
}

static void probe_start(struct process_metrics *metrics)
{
	/* Counted from where the loop counts, so that a turn that is long
	 * before this point is not taken for lateness. */
	metrics->expected_us = (loop_now(metrics->loop) + PROBE_MS) * 1000;
	timer_start(&metrics->timer, metrics->loop, PROBE_MS, on_probe);
}

void process_metrics_init(struct process_metrics *metrics, struct loop *loop)
{
	*metrics = (struct process_metrics){ .loop = loop };
	metrics->started_us = loop_time_us(loop);
	probe_start(metrics);
}

void process_metrics_stop(struct process_metrics *metrics)
{
	timer_stop(&metrics->timer);
}

int64_t process_metrics_uptime(const struct process_metrics *metrics)
{
	return (loop_time_us(metrics->loop) - metrics->started_us) / 1000000;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Resident bytes: the second number of /proc/self/statm, in pages. */
static int64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void process_metrics_write(struct process_metrics *metrics, const char *role,
			   const char *instance, struct buf *to)
{
	struct buf labels = { .data = NULL };

	metrics_label(&labels, "version", PACKAGE_VERSION);
	metrics_label(&labels, "role", role);
	metrics_label(&labels, "instance_name", instance);
	metrics_family(to, "chappe_build_info", "gauge",
		       "Always 1; which program this is.");
	metrics_sample(to, "chappe_build_info", buf_data(&labels), 1);
	buf_free(&labels);
	metrics_family(to, "process_start_time_seconds", "gauge",
		       "Start of the process, seconds since 1970.");
	metrics_sample(to, "process_start_time_seconds", NULL,
		       (double)metrics->started_us / 1e6);
	metrics_gauge(to, "chappe_uptime_seconds",
		      "Seconds since the start of the process.",
		      process_metrics_uptime(metrics));
	metrics_family(to, "process_cpu_seconds_total", "counter",
		       "User and system CPU time spent.");
	metrics_sample(to, "process_cpu_seconds_total", NULL, cpu_seconds());
	metrics_gauge(to, "process_resident_memory_bytes",
		      "Resident memory.", resident_bytes());
	metrics_family(to, "chappe_loop_lag_seconds", "gauge",
		       "Latest a timer of the loop was since the last scrape.");
	metrics_sample(to, "chappe_loop_lag_seconds", NULL,
		       (double)metrics->lag_us / 1e6);
	metrics->lag_us = 0;
}
