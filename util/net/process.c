/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs over uv_spawn(). A struct lives until its process was seen to end
 * and its handles are closed, however long after its owner has let go of it.
 */
#include "util/net/process.h"

#include <signal.h>
#include <stdio.h>

#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/loop_uv.h"

#define KILL_AFTER  2000 /* ms after it was asked to end */
#define STATUS_WAIT 200	 /* ms for the status of one that says no more */

struct process {
	struct loop *loop;
	uv_process_t handle;
	uv_pipe_t input, output; /* as the program sees them */
	uv_timer_t killer;
	unsigned open; /* handles that are not closed */
	const struct process_handlers *handlers; /* NULL: nobody listens */
	void *ctx;
	bool running;
	bool pipes_closed;
	struct process *prev, *next; /* in loop->processes */
};

struct process_write {
	uv_write_t request;
	size_t len;
	char bytes[];
};

/* -- the end --------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct process *process = handle->data;

	if (--process->open == 0)
		mem_free(process);
}

static void close_pipes(struct process *process)
{
	if (process->pipes_closed)
		return;
	process->pipes_closed = true;
	uv_close((uv_handle_t *)&process->input, on_closed);
	uv_close((uv_handle_t *)&process->output, on_closed);
}

/* After this, on_closed() frees it. */
static void close_all(struct process *process)
{
	DL_DELETE(process->loop->processes, process);
	close_pipes(process);
	uv_close((uv_handle_t *)&process->killer, on_closed);
	uv_close((uv_handle_t *)&process->handle, on_closed);
}

static void on_kill(uv_timer_t *timer)
{
	struct process *process = timer->data;

	if (process->running)
		uv_process_kill(&process->handle, SIGKILL);
}

/* Nobody listens any more: it shall end. */
static void let_go(struct process *process)
{
	process->handlers = NULL;
	close_pipes(process);
	if (!process->running) {
		close_all(process);
		return;
	}
	uv_process_kill(&process->handle, SIGTERM);
	uv_timer_start(&process->killer, on_kill, KILL_AFTER, 0);
}

static void report(struct process *process, const char *reason)
{
	const struct process_handlers *handlers = process->handlers;

	if (handlers == NULL)
		return;
	process->handlers = NULL;
	handlers->ended(process, reason, process->ctx);
	let_go(process);
}

/* Its output is closed. Its status would say more, but did not come. */
static void on_silent(uv_timer_t *timer)
{
	report(timer->data, "it closed its output");
}

static void on_exit_seen(uv_process_t *handle, int64_t status, int signum)
{
	struct process *process = handle->data;
	char reason[64];

	process->running = false;
	if (process->handlers == NULL) {
		close_all(process);
		return;
	}
	if (signum != 0)
		snprintf(reason, sizeof(reason), "it was ended by signal %d",
			 signum);
	else
		snprintf(reason, sizeof(reason), "it ended with status %lld",
			 (long long)status);
	report(process, reason);
}

void process_free(struct process **process)
{
	struct process *p = *process;

	*process = NULL;
	if (p != NULL)
		let_go(p);
}

void process_drop(struct process *process)
{
	process->handlers = NULL;
	if (process->running)
		uv_process_kill(&process->handle, SIGKILL);
	close_all(process);
}

/* -- input and output ------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct process *process = handle->data;

	(void)size;
	*buf = uv_buf_init(process->loop->block, LOOP_BLOCK_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct process *process = stream->data;

	if (process->handlers == NULL || len == 0)
		return;
	if (len > 0) {
		process->handlers->data(process, buf->base, (size_t)len,
					process->ctx);
		return;
	}
	uv_read_stop(stream);
	uv_timer_start(&process->killer, on_silent, STATUS_WAIT, 0);
}

static void on_written(uv_write_t *request, int status)
{
	struct process_write *write =
		(struct process_write *)request->data;

	(void)status; /* it has ended then, which is seen elsewhere */
	mem_wipe(write->bytes, write->len);
	mem_free(write);
}

void process_write(struct process *process, const void *bytes, size_t len)
{
	struct process_write *write = mem_alloc(sizeof(*write) + len);
	uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)len);

	write->len = len;
	write->request.data = write;
	memcpy(write->bytes, bytes, len);
	if (uv_write(&write->request, (uv_stream_t *)&process->input, &buf, 1,
		     on_written) < 0)
		on_written(&write->request, 0);
}

/* -- the start ------------------------------------------------------------- */

static void init_handles(struct process *process)
{
	uv_loop_t *uv = &process->loop->uv;

	uv_pipe_init(uv, &process->input, 0);
	uv_pipe_init(uv, &process->output, 0);
	uv_timer_init(uv, &process->killer);
	process->input.data = process;
	process->output.data = process;
	process->killer.data = process;
	process->handle.data = process;
	process->open = 4;
	DL_APPEND(process->loop->processes, process);
}

struct process *process_start(struct loop *loop, char *const argv[],
			      const struct process_handlers *handlers,
			      void *ctx, struct error *err)
{
	struct process *process = mem_new(struct process);
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
		  .data.stream = (uv_stream_t *)&process->input },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&process->output },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_seen,
		.file = argv[0],
		.args = (char **)argv,
		.stdio = stdio,
		.stdio_count = 3,
	};
	int status;

	process->loop = loop;
	init_handles(process);
	status = uv_spawn(&loop->uv, &process->handle, &options);
	if (status < 0) {
		error_set(err, "%s: %s", argv[0], uv_strerror(status));
		close_all(process);
		return NULL;
	}
	process->running = true;
	process->handlers = handlers;
	process->ctx = ctx;
	uv_read_start((uv_stream_t *)&process->output, on_alloc, on_read);
	return process;
}
