/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of names. The shared list of members, by which everybody routes,
 * follows each change at once; telling the watchers waits for the end of the
 * turn, so that a link which comes with a hundred names costs each watcher
 * one write.
 */
#include "router/names.h"

#include <string.h>

#include "router/peer.h"
#include "util/base/mem.h"
#include "util/base/str.h"

struct name {
	char *text;
	struct router *router;
	struct peer **peers;
	size_t count;
	bool is_dirty;
	struct name *prev, *next; /* router->dirty */
	UT_hash_handle hh;
};

static struct name *find(const struct router *router, const char *text)
{
	struct name *name;

	HASH_FIND_STR(router->names, text, name);
	return name;
}

/* -- telling --------------------------------------------------------------- */

static void write_members(const char *name, const struct member *list,
			  size_t count, void *ctx)
{
	struct buf *to = ctx;

	buf_add_str(to, "<link:members");
	buf_add_attr(to, "name", name);
	if (count == 0) {
		buf_add_str(to, "/>");
		return;
	}
	buf_add_char(to, '>');
	for (size_t i = 0; i < count; i++) {
		buf_add_str(to, "<link:member");
		buf_add_attr(to, "name", list[i].name);
		buf_add_attr(to, "kind", list[i].kind);
		buf_add_attr(to, "epoch", list[i].epoch);
		if (list[i].version > 1)
			buf_addf(to, " version='%u'", list[i].version);
		buf_add_str(to, "/>");
	}
	buf_add_str(to, "</link:members>");
}

static void name_free(struct name *name)
{
	mem_free(name->peers);
	mem_free(name->text);
	mem_free(name);
}

/* Takes what is dirty off the list and writes it; a name that nobody serves
 * is forgotten with that. */
static void write_dirty(struct router *router, struct buf *to)
{
	const struct member *list;
	struct name *name;
	size_t count;

	while ((name = router->dirty)) {
		DL_DELETE(router->dirty, name);
		name->is_dirty = false;
		list = members_get(router->members, name->text, &count);
		write_members(name->text, list, count, to);
		if (name->count > 0)
			continue;
		HASH_DEL(router->names, name);
		name_free(name);
	}
}

static void announce(struct router *router)
{
	struct peer *peer, *next;
	struct buf text = { 0 };

	loop_defer_cancel(router->loop, &router->announce);
	write_dirty(router, &text);
	if (text.len > 0) {
		HASH_ITER(hh, router->links, peer, next) {
			if (peer->watching)
				peer_write(peer, buf_data(&text), text.len);
		}
	}
	buf_free(&text);
}

static void announce_later(struct deferred *deferred)
{
	announce(container_of(deferred, struct router, announce));
}

/* After each change of name->peers. */
static void changed(struct name *name)
{
	struct router *router = name->router;
	struct member *list = mem_calloc(name->count + 1, sizeof(*list));

	for (size_t i = 0; i < name->count; i++) {
		struct peer *peer = name->peers[i];

		list[i].name = peer->name;
		list[i].kind = (char *)link_kind_name(peer->kind);
		list[i].epoch = peer->epoch[0] ? peer->epoch : NULL;
		list[i].version = peer->version;
	}
	members_set(router->members, name->text, list, name->count);
	mem_free(list);
	if (!name->is_dirty) {
		DL_APPEND(router->dirty, name);
		name->is_dirty = true;
	}
	loop_defer(router->loop, &router->announce, announce_later);
}

void names_watch(struct peer *peer)
{
	struct router *router = peer->router;
	struct buf text = { 0 };

	/* What others are still to hear is in the list that this one gets. */
	announce(router);
	members_each(router->members, write_members, &text);
	buf_add_str(&text, "<link:watching/>");
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
	peer->watching = true;
}

/* -- changing -------------------------------------------------------------- */

static bool is_member(const struct name *name, const struct peer *peer)
{
	for (size_t i = 0; i < name->count; i++) {
		if (name->peers[i] == peer)
			return true;
	}
	return false;
}

void names_add(struct peer *peer, const char *text)
{
	struct router *router = peer->router;
	struct name *name = find(router, text);

	if (!name) {
		name = mem_new(struct name);
		name->text = mem_strdup(text);
		name->router = router;
		HASH_ADD_KEYPTR(hh, router->names, name->text,
				strlen(name->text), name);
	}
	if (is_member(name, peer))
		return;
	name->peers = mem_realloc(name->peers, name->count + 1,
				  sizeof(*name->peers));
	name->peers[name->count++] = peer;
	peer->names = mem_realloc(peer->names, peer->name_count + 1,
				  sizeof(*peer->names));
	peer->names[peer->name_count++] = name;
	changed(name);
}

static void leave(struct name *name, const struct peer *peer)
{
	for (size_t i = 0; i < name->count; i++) {
		if (name->peers[i] != peer)
			continue;
		name->count--;
		memmove(&name->peers[i], &name->peers[i + 1],
			(name->count - i) * sizeof(*name->peers));
		break;
	}
	changed(name);
}

void names_remove(struct peer *peer, const char *text)
{
	struct name *name;

	for (size_t i = 0; i < peer->name_count; i++) {
		name = peer->names[i];
		if (!str_equal(name->text, text))
			continue;
		peer->name_count--;
		memmove(&peer->names[i], &peer->names[i + 1],
			(peer->name_count - i) * sizeof(*peer->names));
		leave(name, peer);
		return;
	}
}

bool names_refuse(struct peer *peer, const char *text)
{
	for (size_t i = 0; i < peer->refused_count; i++) {
		if (str_equal(peer->refused[i], text))
			return false;
	}
	peer->refused = mem_realloc(peer->refused, peer->refused_count + 1,
				    sizeof(*peer->refused));
	peer->refused[peer->refused_count++] = mem_strdup(text);
	return true;
}

void names_forget_refused(struct peer *peer, const char *text)
{
	for (size_t i = 0; i < peer->refused_count; i++) {
		if (!str_equal(peer->refused[i], text))
			continue;
		mem_free(peer->refused[i]);
		peer->refused[i] = peer->refused[--peer->refused_count];
		return;
	}
}

void names_remove_all(struct peer *peer)
{
	for (size_t i = 0; i < peer->name_count; i++)
		leave(peer->names[i], peer);
	mem_free(peer->names);
	peer->names = NULL;
	peer->name_count = 0;
}

bool names_served(const struct router *router, const char *text)
{
	size_t count;

	return members_get(router->members, text, &count) != NULL;
}

size_t names_count(const struct router *router)
{
	return HASH_COUNT(router->names);
}

const char *names_get(const struct peer *peer, size_t i)
{
	return i < peer->name_count ? peer->names[i]->text : NULL;
}

void names_list(const struct peer *peer, struct buf *to)
{
	for (size_t i = 0; i < peer->name_count; i++) {
		if (i > 0)
			buf_add_char(to, ' ');
		buf_add_str(to, peer->names[i]->text);
	}
}

void names_free(struct router *router)
{
	struct name *name, *next;

	loop_defer_cancel(router->loop, &router->announce);
	HASH_ITER(hh, router->names, name, next) {
		HASH_DEL(router->names, name);
		name_free(name);
	}
	router->dirty = NULL;
}
