/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors of other libraries in the loop: one uv_poll_t each. What is read
 * and written there is none of our business.
 */
#include "util/net/watch.h"

#include <poll.h>

#include "util/base/mem.h"
#include "util/net/loop_uv.h"

struct watch {
	uv_poll_t poll;
	int fd;
	unsigned events; /* that are waited for */
	watch_cb *cb;
	void *ctx;
};

static void watch_on_poll(uv_poll_t *handle, int status, int events)
{
	struct watch *watch = handle->data;
	unsigned came = 0;

	if (events & UV_READABLE)
		came |= WATCH_READ;
	if (events & UV_WRITABLE)
		came |= WATCH_WRITE;
	watch->cb(watch, status < 0 ? watch->events : came, watch->ctx);
}

struct watch *watch_start(struct loop *loop, int fd, unsigned events,
			  watch_cb *cb, void *ctx, struct error *err)
{
	struct watch *watch = mem_new(struct watch);
	int status = uv_poll_init(&loop->uv, &watch->poll, fd);

	if (status < 0) {
		error_set(err, "watch a descriptor: %s", uv_strerror(status));
		mem_free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->fd = fd;
	watch->cb = cb;
	watch->ctx = ctx;
	watch_set(watch, events);
	return watch;
}

void watch_set(struct watch *watch, unsigned events)
{
	int wanted = 0;

	if (events == watch->events)
		return;
	watch->events = events;
	if (events & WATCH_READ)
		wanted |= UV_READABLE;
	if (events & WATCH_WRITE)
		wanted |= UV_WRITABLE;
	if (wanted)
		uv_poll_start(&watch->poll, wanted, watch_on_poll);
	else
		uv_poll_stop(&watch->poll);
}

unsigned watch_wait(struct watch *watch, unsigned events, unsigned ms)
{
	struct pollfd wanted = { .fd = watch->fd };
	unsigned came = 0;

	if (events & WATCH_READ)
		wanted.events |= POLLIN;
	if (events & WATCH_WRITE)
		wanted.events |= POLLOUT;
	if (poll(&wanted, 1, (int)ms) <= 0)
		return 0;
	if (wanted.revents & (POLLERR | POLLHUP | POLLNVAL))
		return events;
	if (wanted.revents & POLLIN)
		came |= WATCH_READ;
	if (wanted.revents & POLLOUT)
		came |= WATCH_WRITE;
	return came;
}

static void watch_on_close(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void watch_stop(struct watch **watch)
{
	struct watch *w = *watch;

	*watch = NULL;
	if (w)
		uv_close((uv_handle_t *)&w->poll, watch_on_close);
}
