/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake router: names, members and forwarding by text search, since all
 * that speaks to it is our own link.
 */
#include "t/unit/fake_router.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/xmpp/frame.h"

#define BINDS_MAX 4

struct fake_link {
	struct fake_router *router;
	struct conn *conn;
	struct frame frame;
	char name[32], kind[32], epoch[20], version[8];
	char binds[BINDS_MAX][32]; /* its own name first; "": free */
	bool watching;
	struct fake_link *prev, *next;
};

static const struct frame_limits limits = {
	.bytes = 8 << 20, .depth = 64, .attributes = 64, .name = 256,
};

/* The value of ` name='...'` in the first tag. */
static bool attribute(const char *text, const char *name, char *to,
		      size_t size)
{
	char pattern[32];
	const char *start;
	size_t len;

	snprintf(pattern, sizeof(pattern), " %s='", name);
	start = strstr(text, pattern);
	if (!start)
		return false;
	start += strlen(pattern);
	len = strcspn(start, "'");
	assert(len < size);
	memcpy(to, start, len);
	to[len] = '\0';
	return true;
}

static struct fake_link *find(struct fake_router *router, const char *name)
{
	struct fake_link *link;

	DL_FOREACH(router->links, link) {
		if (str_equal(link->binds[0], name))
			return link;
	}
	return NULL;
}

static bool serves(const struct fake_link *link, const char *name)
{
	for (int i = 0; i < BINDS_MAX; i++) {
		if (str_equal(link->binds[i], name))
			return true;
	}
	return false;
}

static void write_members(struct fake_router *router, const char *name,
			  struct buf *to)
{
	struct fake_link *link;

	buf_addf(to, "<link:members name='%s'>", name);
	DL_FOREACH(router->links, link) {
		if (!serves(link, name))
			continue;
		buf_addf(to, "<link:member name='%s' kind='%s'", link->name,
			 link->kind);
		if (*link->epoch)
			buf_addf(to, " epoch='%s'", link->epoch);
		if (router->version > 1)
			buf_addf(to, " version='%s'", link->version);
		buf_add_str(to, "/>");
	}
	buf_add_str(to, "</link:members>");
}

static void announce(struct fake_router *router, const char *name)
{
	struct buf text = { .data = NULL };
	struct fake_link *link;

	write_members(router, name, &text);
	DL_FOREACH(router->links, link) {
		if (link->watching)
			conn_write(link->conn, buf_data(&text), text.len);
	}
	buf_free(&text);
}

static void bind(struct fake_link *link, const char *name)
{
	for (int i = 0; i < BINDS_MAX; i++) {
		if (!*link->binds[i]) {
			str_copy(link->binds[i], sizeof(link->binds[i]),
				 name);
			break;
		}
	}
	announce(link->router, name);
}

static void watch(struct fake_link *link)
{
	struct buf text = { .data = NULL };
	struct fake_link *other;

	DL_FOREACH(link->router->links, other) {
		for (int i = 0; i < BINDS_MAX; i++) {
			if (*other->binds[i])
				write_members(link->router, other->binds[i],
					      &text);
		}
	}
	buf_add_str(&text, "<link:watching/>");
	conn_write(link->conn, buf_data(&text), text.len);
	buf_free(&text);
	link->watching = true;
}

static void forward(struct fake_link *link, const char *text)
{
	struct fake_router *router = link->router;
	bool ack = str_starts(text, "<link:ack");
	char at[32], epoch[20];
	struct fake_link *target;

	assert(attribute(text, "at", at, sizeof(at)));
	target = find(router, at);
	if (ack && router->deaf)
		return;
	if (!ack && router->drop > 0) {
		if (router->drop_after > 0) {
			router->drop_after--;
		} else {
			router->drop--;
			return;
		}
	}
	if (target && (!attribute(text, "for", epoch, sizeof(epoch)) ||
		       str_equal(epoch, target->epoch))) {
		conn_write_str(target->conn, text);
		router->routed += !ack;
		router->acks += ack;
		return;
	}
	conn_write_str(link->conn, "<link:gone name='");
	conn_write_str(link->conn, at);
	conn_write_str(link->conn, "' epoch='");
	conn_write_str(link->conn, epoch);
	conn_write_str(link->conn, "'/>");
}

static void element(struct fake_link *link, const char *text)
{
	char name[32];

	if (str_starts(text, "<handshake>")) {
		conn_write_str(link->conn, "<handshake/>");
	} else if (str_starts(text, "<link:role ")) {
		assert(attribute(text, "epoch", link->epoch,
				 sizeof(link->epoch)));
		conn_write_str(link->conn, "<link:welcome router='");
		conn_write_str(link->conn, link->router->name);
		assert(attribute(text, "version", link->version,
				 sizeof(link->version)));
		if (link->router->version < 2)
			str_copy(link->version, sizeof(link->version), "1");
		conn_write_str(link->conn, "' version='");
		conn_write_str(link->conn, link->version);
		conn_write_str(link->conn, "'/>");
		bind(link, link->name);
	} else if (str_starts(text, "<link:bind ")) {
		assert(attribute(text, "name", name, sizeof(name)));
		bind(link, name);
	} else if (str_starts(text, "<link:unbind ")) {
		assert(attribute(text, "name", name, sizeof(name)));
		for (int i = 0; i < BINDS_MAX; i++) {
			if (str_equal(link->binds[i], name))
				link->binds[i][0] = '\0';
		}
		announce(link->router, name);
	} else if (str_starts(text, "<link:watch/>")) {
		watch(link);
	} else if (str_starts(text, "<link:route ") ||
		   str_starts(text, "<link:ack ")) {
		forward(link, text);
	} else if (str_starts(text, "<link:ping/>")) {
		if (!link->router->mute)
			conn_write_str(link->conn, "<link:pong/>");
	} else {
		assert(str_starts(text, "<link:pong "));
	}
}

static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct fake_link *link = ctx;
	char *text = mem_strndup(bytes, len);

	if (kind == FRAME_HEADER) {
		assert(attribute(text, "to", link->name, sizeof(link->name)));
		str_copy(link->kind, sizeof(link->kind), "component");
		if (strchr(link->name, '-')) {
			str_copy(link->kind, sizeof(link->kind), link->name);
			*strchr(link->kind, '-') = '\0';
		}
		conn_write_str(link->conn,
			       "<stream:stream"
			       " xmlns='jabber:component:accept'"
			       " xmlns:stream='http://etherx.jabber.org/streams'"
			       " xmlns:link='urn:chappe:link:0'"
			       " from='x' id='i1'>");
	} else if (kind == FRAME_ELEMENT) {
		element(link, text);
	}
	mem_free(text);
	return true;
}

static void on_data(struct conn *conn, const char *bytes, size_t len,
		    void *ctx)
{
	struct fake_link *link = ctx;

	(void)conn;
	assert(frame_push(&link->frame, bytes, len, on_frame, link) ==
	       FRAME_OK);
}

static void remove_link(struct fake_link *link)
{
	struct fake_router *router = link->router;

	DL_DELETE(router->links, link);
	for (int i = 0; i < BINDS_MAX; i++) {
		if (*link->binds[i])
			announce(router, link->binds[i]);
	}
	frame_free(&link->frame);
	mem_free(link);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	(void)conn;
	(void)reason;
	if (ctx)
		remove_link(ctx);
}

static const struct conn_handlers handlers = {
	.data = on_data, .closed = on_closed,
};

static void ignore_data(struct conn *conn, const char *bytes, size_t len,
			void *ctx)
{
	(void)conn;
	(void)bytes;
	(void)len;
	(void)ctx;
}

static const struct conn_handlers ignore = {
	.data = ignore_data, .closed = on_closed,
};

static void on_accept(struct listener *listener, struct conn *conn, void *ctx)
{
	struct fake_link *link = mem_new(struct fake_link);

	(void)listener;
	link->router = ctx;
	link->conn = conn;
	frame_init(&link->frame, &limits);
	DL_APPEND(link->router->links, link);
	conn_set_handlers(conn, &handlers, link);
}

void fake_open(struct fake_router *router, struct loop *loop,
	       const char *address, const char *name)
{
	struct error err = { .text = "" };

	*router = (struct fake_router){ .loop = loop, .name = name };
	router->listener =
		listener_open(loop, address, 0600, on_accept, router, &err);
	if (!router->listener)
		fprintf(stderr, "%s\n", err.text);
	assert(router->listener);
}

static void drop(struct fake_link *link)
{
	conn_set_handlers(link->conn, &ignore, NULL);
	conn_abort(link->conn, "cut");
}

void fake_cut(struct fake_router *router, const char *name)
{
	struct fake_link *link = find(router, name);

	drop(link);
	remove_link(link);
}

void fake_close(struct fake_router *router)
{
	while (router->links) {
		struct fake_link *link = router->links;

		drop(link);
		DL_DELETE(router->links, link);
		frame_free(&link->frame);
		mem_free(link);
	}
	listener_close(&router->listener);
}

void fake_write(struct fake_router *router, const char *name,
		const char *text)
{
	conn_write_str(find(router, name)->conn, text);
}
