/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop over libuv: turns, deferred work, the clock, randomness and
 * signals. Timers are in timer.c, connections in conn.c.
 */
#include "util/net/loop.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <time.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/loop_uv.h"
#include "util/net/worker.h"

struct loop_signal {
	uv_signal_t handle;
	void (*cb)(int signum, void *ctx);
	void *ctx;
	struct loop_signal *next;
};

static void list_init(struct deferred_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_add(struct deferred_list *list, struct deferred *deferred,
		     void (*run)(struct deferred *deferred))
{
	deferred->run = run;
	if (deferred->at)
		return;
	deferred->next = NULL;
	deferred->at = list->end;
	*list->end = deferred;
	list->end = &deferred->next;
}

static void list_remove(struct deferred_list *list, struct deferred *deferred)
{
	if (!deferred->at)
		return;
	*deferred->at = deferred->next;
	if (deferred->next)
		deferred->next->at = deferred->at;
	else
		list->end = deferred->at;
	deferred->next = NULL;
	deferred->at = NULL;
}

/* Runs the list until it is empty, with what is added meanwhile. */
static void list_run(struct deferred_list *list)
{
	struct deferred *deferred;

	while ((deferred = list->first)) {
		list_remove(list, deferred);
		deferred->run(deferred);
	}
}

static void loop_end_turn(struct loop *loop)
{
	while (loop->deferred.first || loop->flushes.first) {
		list_run(&loop->deferred);
		list_run(&loop->flushes);
	}
}

/* Only what was left by earlier turns: a mark is put behind it, so that a
 * callback that asks for the next turn again gets the next one, and sockets
 * are served in between. */
static void loop_run_next_turn(struct loop *loop)
{
	struct deferred_list *list = &loop->next_turn;
	struct deferred *mark = &loop->next_turn_mark;
	struct deferred *deferred;

	list_add(list, mark, NULL);
	while ((deferred = list->first)) {
		list_remove(list, deferred);
		if (deferred == mark)
			break;
		deferred->run(deferred);
	}
}

static void loop_on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	loop_run_next_turn(loop);
	loop_end_turn(loop);
	if (!loop->next_turn.first)
		uv_idle_stop(&loop->idle);
}

static void loop_on_check(uv_check_t *handle)
{
	loop_end_turn(handle->data);
}

static void loop_on_idle(uv_idle_t *handle)
{
	(void)handle; /* its being active is what keeps poll from sleeping */
}

struct loop *loop_new(struct error *err)
{
	struct loop *loop = mem_new(struct loop);
	int status = uv_loop_init(&loop->uv);

	if (status < 0) {
		error_set(err, "event loop: %s", uv_strerror(status));
		mem_free(loop);
		return NULL;
	}
	/* A peer that has gone, and a file that may not grow, are errors of
	 * the calls that find them, and no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	list_init(&loop->deferred);
	list_init(&loop->flushes);
	list_init(&loop->next_turn);
	loop->block = mem_alloc(LOOP_BLOCK_SIZE);
	loop->plain = mem_alloc(LOOP_PLAIN_SIZE);
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_check_init(&loop->uv, &loop->check);
	uv_idle_init(&loop->uv, &loop->idle);
	loop->prepare.data = loop;
	loop->check.data = loop;
	uv_prepare_start(&loop->prepare, loop_on_prepare);
	uv_check_start(&loop->check, loop_on_check);
	loop_timers_init(loop);
	return loop;
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

static void loop_signal_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static void loop_close_stray(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_free(struct loop **loop_ptr)
{
	struct loop *loop = *loop_ptr;
	struct loop_signal *sig, *sig_next;
	struct worker *worker;
	struct conn *conn;

	*loop_ptr = NULL;
	if (!loop)
		return;
	while ((conn = loop->conns))
		conn_drop(conn);
	while (loop->processes)
		process_drop(loop->processes);
	while ((worker = loop->retired))
		worker_free(&worker);
	loop_run_next_turn(loop); /* frees those that had no handle */
	LL_FOREACH_SAFE (loop->signals, sig, sig_next)
		uv_close((uv_handle_t *)&sig->handle, loop_signal_closed);
	uv_walk(&loop->uv, loop_close_stray, NULL);
	do {
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	} while (uv_loop_close(&loop->uv) == UV_EBUSY);
	loop_timers_free(loop);
	buf_free_secret(&loop->wire);
	mem_wipe(loop->plain, LOOP_PLAIN_SIZE);
	mem_wipe(loop->block, LOOP_BLOCK_SIZE);
	mem_free(loop->plain);
	mem_free(loop->block);
	mem_free(loop);
}

uint64_t loop_now(struct loop *loop)
{
	return uv_now(&loop->uv);
}

uint64_t loop_now_us(struct loop *loop)
{
	(void)loop;
	return uv_hrtime() / 1000;
}

int64_t loop_time_us(struct loop *loop)
{
	struct timespec now;

	(void)loop;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void loop_random(struct loop *loop, void *bytes, size_t len)
{
	int status = gnutls_rnd(GNUTLS_RND_RANDOM, bytes, len);

	(void)loop;
	assert(status == 0); /* without randomness there is no security */
}

void loop_random_hex(struct loop *loop, char *to, size_t digits)
{
	unsigned char bytes[32];
	char text[2 * sizeof(bytes) + 1];
	size_t i;

	assert(digits <= 2 * sizeof(bytes));
	loop_random(loop, bytes, (digits + 1) / 2);
	hex_encode(text, bytes, (digits + 1) / 2);
	for (i = 0; i < digits; i++)
		to[i] = text[i];
	to[digits] = '\0';
	mem_wipe(bytes, sizeof(bytes));
	mem_wipe(text, sizeof(text));
}

uint64_t loop_jitter(struct loop *loop, uint64_t ms)
{
	uint32_t random;

	(void)loop;
	/* Need not be unguessable, and retries shall not drain the pool. */
	if (gnutls_rnd(GNUTLS_RND_NONCE, &random, sizeof(random)) != 0)
		return ms;
	return ms / 2 + (uint64_t)((double)ms * random / UINT32_MAX);
}

void loop_defer(struct loop *loop, struct deferred *deferred,
		void (*run)(struct deferred *deferred))
{
	list_add(&loop->deferred, deferred, run);
}

void loop_defer_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->deferred, deferred);
}

void loop_flush_later(struct loop *loop, struct deferred *deferred,
		      void (*run)(struct deferred *deferred))
{
	list_add(&loop->flushes, deferred, run);
}

void loop_flush_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->flushes, deferred);
}

void loop_next_turn(struct loop *loop, struct deferred *deferred,
		    void (*run)(struct deferred *deferred))
{
	list_add(&loop->next_turn, deferred, run);
	if (!uv_is_active((uv_handle_t *)&loop->idle))
		uv_idle_start(&loop->idle, loop_on_idle);
}

void loop_next_turn_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->next_turn, deferred);
}

static void loop_signal_came(uv_signal_t *handle, int signum)
{
	struct loop_signal *sig = handle->data;

	sig->cb(signum, sig->ctx);
}

void loop_on_signal(struct loop *loop, int signum,
		    void (*cb)(int signum, void *ctx), void *ctx)
{
	struct loop_signal *sig;

	LL_FOREACH (loop->signals, sig) {
		if (sig->handle.signum == signum)
			break;
	}
	if (!sig) {
		sig = mem_new(struct loop_signal);
		sig->handle.data = sig;
		uv_signal_init(&loop->uv, &sig->handle);
		uv_signal_start(&sig->handle, loop_signal_came, signum);
		LL_PREPEND(loop->signals, sig);
	}
	sig->cb = cb;
	sig->ctx = ctx;
}
