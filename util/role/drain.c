/* SPDX-License-Identifier: Apache-2.0
 *
 * The course of a drain. There is no end of it by itself: an operator who has
 * waited long enough restarts the role all the same.
 */
#include "util/role/drain.h"

#include "util/role/metrics.h"

/* Between two looks at what is left. */
#define STEP_MS 100

/* So long nothing may be left: what was sent before others knew of the drain
 * has come by then. */
#define QUIET_MS 400

void drain_init(struct drain *drain, const struct drain_ops *ops,
		struct loop *loop, struct log *log, void *role)
{
	*drain = (struct drain){
		.ops = ops, .loop = loop, .log = log, .role = role
	};
}

static void finish(struct drain *drain)
{
	drain->state = DRAIN_DONE;
	log_notice(drain->log, "role.drained",
		   LOG_N("milliseconds", loop_now(drain->loop) - drain->began));
}

static void on_step(struct timer *timer)
{
	struct drain *drain = container_of(timer, struct drain, timer);
	uint64_t now = loop_now(drain->loop);

	if (drain->ops->step)
		drain->ops->step(drain->role);
	if (drain->ops->left(drain->role) > 0)
		drain->quiet_since = 0;
	else if (drain->quiet_since == 0)
		drain->quiet_since = now;
	if (drain->quiet_since > 0 && now - drain->quiet_since >= QUIET_MS)
		finish(drain);
	else
		timer_start(timer, drain->loop, STEP_MS, on_step);
}

int drain_begin(struct drain *drain, bool force, struct error *err)
{
	if (drain_is_on(drain))
		return 0;
	if (!force && drain->ops->may(drain->role, err) < 0)
		return -1;
	drain->state = DRAIN_RUNNING;
	drain->began = loop_now(drain->loop);
	drain->quiet_since = 0;
	log_notice(drain->log, "role.draining",
		   LOG_N("left", drain->ops->left(drain->role)));
	drain->ops->begin(drain->role);
	timer_start(&drain->timer, drain->loop, STEP_MS, on_step);
	return 0;
}

void drain_end(struct drain *drain)
{
	if (!drain_is_on(drain))
		return;
	timer_stop(&drain->timer);
	drain->state = DRAIN_NONE;
	log_notice(drain->log, "role.undrained");
	drain->ops->end(drain->role);
}

void drain_stop(struct drain *drain)
{
	timer_stop(&drain->timer);
}

const char *drain_state_name(const struct drain *drain)
{
	static const char *const names[] = {
		[DRAIN_NONE] = "running",
		[DRAIN_RUNNING] = "draining",
		[DRAIN_DONE] = "drained",
	};

	return names[drain->state];
}

void drain_metrics(const struct drain *drain, struct buf *to)
{
	metrics_gauge(to, "chappe_draining",
		      "1 while the role gives its work to others, or has.",
		      drain_is_on(drain));
	metrics_gauge(to, "chappe_drain_left",
		      "What is still to be done of a drain.",
		      drain_is_on(drain) ?
			      (int64_t)drain->ops->left(drain->role) : 0);
}
