/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets. The socket is polled and accepted from here and not by
 * libuv, because libuv answers a lack of descriptors by dropping the peers
 * that wait; here they go on waiting in the kernel's queue.
 */
#include "util/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/net/conn_uv.h"

#define LISTENER_BACKLOG  1024
#define LISTENER_BATCH	  64 /* accepted in one turn, others want theirs */
#define LISTENER_RETRY_MS 100

struct listener {
	struct loop *loop;
	uv_poll_t poll;
	int fd;
	struct timer retry; /* running: out of descriptors */
	listener_accept_cb *accept;
	void *ctx;
	struct address address;
	dev_t device; /* of our Unix socket: another may have replaced it */
	ino_t inode;
	bool closed;
	bool shared; /* with other processes: SO_REUSEPORT */
};

static void listener_on_poll(uv_poll_t *poll, int status, int events);

static void listener_retry(struct timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, retry);

	uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll);
}

static bool out_of_resources(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS ||
	       code == ENOMEM;
}

/* Accepts one. False: none is waiting, or it has to wait. */
static bool listener_accept_one(struct listener *listener)
{
	struct sockaddr_storage from = { .ss_family = AF_UNIX };
	socklen_t len = sizeof(from);
	struct conn *conn;
	int fd;

	fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (out_of_resources(errno)) {
			uv_poll_stop(&listener->poll);
			timer_start(&listener->retry, listener->loop,
				    LISTENER_RETRY_MS, listener_retry);
			return false;
		}
		/* Others are errors of that peer: it is gone again. */
		return errno != EAGAIN && errno != EWOULDBLOCK;
	}
	conn = conn_accepted(listener->loop, fd,
			     (const struct sockaddr *)&from);
	listener->accept(listener, conn, listener->ctx);
	if (!conn->handlers && conn->state == CONN_OPEN)
		conn_abort(conn, NULL);
	return true;
}

static void listener_on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	int i;

	(void)status;
	(void)events;
	for (i = 0; i < LISTENER_BATCH && !listener->closed; i++) {
		if (!listener_accept_one(listener))
			return;
	}
}

/* Whether the path is a socket that nobody listens on any more. */
static bool listener_is_stale(const struct address *address)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(address->socket.un.sun_path, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, &address->socket.generic, address_length(address)) <
			0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int listener_bind_unix(struct listener *listener, unsigned mode)
{
	const struct address *address = &listener->address;
	const char *path = address->socket.un.sun_path;
	struct stat st;

	if (listener_is_stale(address))
		unlink(path);
	/* On Linux the file gets the socket's mode less the umask, so that
	 * it is never more open than it shall be, not even for a moment. */
	if (fchmod(listener->fd, 0600) < 0 ||
	    bind(listener->fd, &address->socket.generic,
		 address_length(address)) < 0)
		return -1;
	if (stat(path, &st) < 0)
		return -1;
	listener->device = st.st_dev;
	listener->inode = st.st_ino;
	return chmod(path, mode ? mode : 0600);
}

static int listener_bind_tcp(struct listener *listener)
{
	const struct address *address = &listener->address;
	int on = 1, off = 0;

	if (setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on,
		       sizeof(on)) < 0)
		return -1;
	if (listener->shared &&
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &on,
		       sizeof(on)) < 0)
		return -1;
	if (address->family == AF_INET6 &&
	    setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY,
		       address->any ? &off : &on, sizeof(on)) < 0)
		return -1;
	return bind(listener->fd, &address->socket.generic,
		    address_length(address));
}

static int listener_socket(struct listener *listener)
{
	struct address *address = &listener->address;
	int flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

	listener->fd = socket(address->family, flags, 0);
	if (listener->fd < 0 && errno == EAFNOSUPPORT && address->any) {
		/* A machine without IPv6. */
		address->family = AF_INET;
		memset(&address->socket, 0, sizeof(address->socket));
		address->socket.in.sin_family = AF_INET;
		address->socket.in.sin_port = htons(address->port);
		listener->fd = socket(AF_INET, flags, 0);
	}
	return listener->fd < 0 ? -1 : 0;
}

static int listener_start(struct listener *listener, unsigned mode)
{
	struct address *address = &listener->address;
	socklen_t len = sizeof(address->socket);

	if (listener_socket(listener) < 0)
		return -1;
	if ((address->family == AF_UNIX ? listener_bind_unix(listener, mode)
					: listener_bind_tcp(listener)) < 0 ||
	    listen(listener->fd, LISTENER_BACKLOG) < 0)
		return -1;
	if (address->family == AF_UNIX)
		return 0;
	if (getsockname(listener->fd, &address->socket.generic, &len) < 0)
		return -1;
	/* The same place in both families. */
	address->port = ntohs(address->socket.in.sin_port);
	return 0;
}

static void listener_on_close(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static struct listener *listener_new(struct loop *loop, const char *address,
				     unsigned mode, bool shared,
				     listener_accept_cb *on_accept, void *ctx,
				     struct error *err)
{
	struct listener *listener = mem_new(struct listener);

	listener->loop = loop;
	listener->accept = on_accept;
	listener->ctx = ctx;
	listener->fd = -1;
	listener->shared = shared;
	if (address_parse(&listener->address, address, err) < 0)
		goto fail;
	if (listener->address.family == AF_UNSPEC) {
		error_set(err, "%s: not a numeric address", address);
		goto fail;
	}
	if (listener_start(listener, mode) < 0 ||
	    uv_poll_init(&loop->uv, &listener->poll, listener->fd) < 0) {
		error_set(err, "listen on %s: %s", address, strerror(errno));
		goto fail;
	}
	listener->poll.data = listener;
	uv_poll_start(&listener->poll, UV_READABLE, listener_on_poll);
	return listener;
fail:
	if (listener->fd >= 0)
		close(listener->fd);
	mem_free(listener);
	return NULL;
}

struct listener *listener_open(struct loop *loop, const char *address,
			       unsigned mode, listener_accept_cb *on_accept,
			       void *ctx, struct error *err)
{
	return listener_new(loop, address, mode, false, on_accept, ctx, err);
}

struct listener *listener_open_shared(struct loop *loop, const char *address,
				      unsigned mode,
				      listener_accept_cb *on_accept, void *ctx,
				      struct error *err)
{
	return listener_new(loop, address, mode, true, on_accept, ctx, err);
}

unsigned listener_port(const struct listener *listener)
{
	return listener->address.port;
}

void listener_close(struct listener **listener_ptr)
{
	struct listener *listener = *listener_ptr;
	struct stat st;

	*listener_ptr = NULL;
	if (!listener)
		return;
	listener->closed = true;
	timer_stop(&listener->retry);
	/* A successor may have put its own socket there. */
	if (listener->address.family == AF_UNIX &&
	    lstat(listener->address.socket.un.sun_path, &st) == 0 &&
	    st.st_dev == listener->device && st.st_ino == listener->inode)
		unlink(listener->address.socket.un.sun_path);
	uv_close((uv_handle_t *)&listener->poll, listener_on_close);
	close(listener->fd);
}
