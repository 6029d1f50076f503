/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of capabilities. An entry is unknown until somebody who presents
 * its hash has given an answer that has this hash; a wrong answer, or none,
 * costs only the one who gave it: the next is asked.
 */
#include "sm/caps.h"

#include <string.h>

#include "sm/modules.h"
#include "sm/modules/disco.h"
#include "sm/modules/pep.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ENTRIES_MAX 4096 /* hashes remembered */
#define WANTS_MAX   500	 /* nodes that one of them wants */
#define ANSWER_TIME 30000

#define NOTIFY "+notify"
#define ID "caps-"

struct caps {
	struct sm *sm;
	enum digest digest;
	char *ver, *node;
	bool known;
	char **wants; /* names of nodes */
	size_t want_count;
	char id[24];   /* of the request; "" while nobody is asked */
	char *asked;   /* full JID */
	struct timer timer;
	struct caps_holder *holders;
	struct caps *prev, *next; /* least recently used first */
	UT_hash_handle hh;
	char key[];
};

struct cache {
	struct caps *table, *order;
};

static struct cache *cache_of(const struct sm *sm)
{
	return module_data(sm, &sm_module_caps);
}

static void caps_free(struct caps *caps)
{
	struct cache *cache = cache_of(caps->sm);

	timer_stop(&caps->timer);
	HASH_DEL(cache->table, caps);
	DL_DELETE(cache->order, caps);
	for (size_t i = 0; i < caps->want_count; i++)
		mem_free(caps->wants[i]);
	mem_free(caps->wants);
	mem_free(caps->ver);
	mem_free(caps->node);
	mem_free(caps->asked);
	mem_free(caps);
}

void caps_stop(struct sm *sm)
{
	struct cache *cache = cache_of(sm);

	while (cache->order != NULL)
		caps_free(cache->order);
}

/* -- hashes ---------------------------------------------------------------- */

/* The hash in a presence as "DIGEST VER"; NULL: none that we can verify. */
static char *presence_key(const struct stanza *presence,
			  enum digest *digest, const struct element **c)
{
	static const char *const names[] = { [DIGEST_SHA1] = "sha-1",
					     [DIGEST_SHA256] = "sha-256",
					     [DIGEST_SHA512] = "sha-512" };
	const char *hash, *ver;

	*c = element_child(presence->root, "c", NS_CAPS);
	if (*c == NULL)
		return NULL;
	hash = element_attr(*c, "hash");
	ver = element_attr(*c, "ver");
	if (hash == NULL || ver == NULL || element_attr(*c, "node") == NULL ||
	    strlen(ver) > 2 * DIGEST_MAX)
		return NULL;
	for (*digest = DIGEST_SHA1; *digest <= DIGEST_SHA512; (*digest)++) {
		if (str_equal(names[*digest], hash))
			return mem_printf("%s %s", hash, ver);
	}
	return NULL;
}

/* False: all that are there are in use. */
static bool make_room(struct cache *cache)
{
	struct caps *caps;

	if (HASH_COUNT(cache->table) < ENTRIES_MAX)
		return true;
	DL_FOREACH(cache->order, caps) {
		if (caps->holders == NULL) {
			caps_free(caps);
			return true;
		}
	}
	return false;
}

static struct caps *caps_new(struct sm *sm, const char *key,
			     enum digest digest, const struct element *c)
{
	struct cache *cache = cache_of(sm);
	size_t len = strlen(key);
	struct caps *caps = mem_alloc(sizeof(*caps) + len + 1);

	memcpy(caps->key, key, len);
	caps->sm = sm;
	caps->digest = digest;
	caps->ver = mem_strdup(element_attr(c, "ver"));
	caps->node = mem_strdup(element_attr(c, "node"));
	HASH_ADD_KEYPTR(hh, cache->table, caps->key, len, caps);
	DL_APPEND(cache->order, caps);
	return caps;
}

bool caps_join(struct caps_holder *holder, const struct stanza *presence)
{
	struct sm *sm = holder->user->sm;
	struct cache *cache = cache_of(sm);
	const struct element *c;
	enum digest digest;
	char *key = presence_key(presence, &digest, &c);
	struct caps *caps = NULL;

	if (key != NULL)
		HASH_FIND_STR(cache->table, key, caps);
	if (caps != NULL) {
		DL_DELETE(cache->order, caps);
		DL_APPEND(cache->order, caps);
	} else if (key != NULL && make_room(cache)) {
		caps = caps_new(sm, key, digest, c);
	}
	mem_free(key);
	if (caps == NULL)
		return false;
	holder->caps = caps;
	holder->asked = false;
	DL_APPEND(caps->holders, holder);
	return true;
}

void caps_leave(struct caps_holder *holder)
{
	if (holder->caps != NULL)
		DL_DELETE(holder->caps->holders, holder);
	holder->caps = NULL;
}

bool caps_is_same(const struct caps_holder *holder,
		  const struct stanza *presence)
{
	const struct element *c;
	enum digest digest;
	char *key = presence_key(presence, &digest, &c);
	bool same = str_equal(key, holder->caps->key);

	mem_free(key);
	return same;
}

bool caps_wants(const struct caps_holder *holder, const char *node)
{
	const struct caps *caps = holder->caps;

	for (size_t i = 0; i < caps->want_count; i++) {
		if (str_equal(caps->wants[i], node))
			return true;
	}
	return false;
}

/* -- asking ---------------------------------------------------------------- */

static void ask_next(struct caps *caps);

static void forget_question(struct caps *caps)
{
	timer_stop(&caps->timer);
	caps->id[0] = '\0';
	mem_free(caps->asked);
	caps->asked = NULL;
}

static void no_answer(struct timer *timer)
{
	struct caps *caps = container_of(timer, struct caps, timer);

	forget_question(caps);
	ask_next(caps);
}

static void ask(struct caps *caps, struct caps_holder *holder)
{
	struct stanza *iq = stanza_new("iq", NS_CLIENT);
	struct element *query = element_add(iq->root, "query", NS_DISCO_INFO);
	char *node = mem_printf("%s#%s", caps->node, caps->ver);

	holder->asked = true;
	memcpy(caps->id, ID, sizeof(ID));
	loop_random_hex(caps->sm->loop, caps->id + strlen(ID), 16);
	caps->asked = mem_strdup(holder->jid);
	element_set_attr(query, "node", node);
	element_set_attr(iq->root, "type", "get");
	element_set_attr(iq->root, "id", caps->id);
	element_set_attr(iq->root, "from", jid_bare(holder->user->jid));
	element_set_attr(iq->root, "to", holder->jid);
	mem_free(node);
	timer_start(&caps->timer, caps->sm->loop, ANSWER_TIME, no_answer);
	route_stanza(caps->sm, iq, NULL, NULL);
}

static void ask_next(struct caps *caps)
{
	struct caps_holder *holder;

	if (caps->known || *caps->id != '\0')
		return;
	DL_FOREACH(caps->holders, holder) {
		if (holder->asked)
			continue;
		ask(caps, holder);
		return;
	}
}

bool caps_need(struct caps_holder *holder)
{
	ask_next(holder->caps);
	return holder->caps->known;
}

/* -- answers --------------------------------------------------------------- */

static void learn(struct caps *caps, const struct element *query)
{
	const struct element *feature = element_child(query, "feature", NULL);

	for (; feature != NULL; feature = element_next_same(feature)) {
		const char *var = element_attr(feature, "var");

		if (var == NULL || !str_ends(var, NOTIFY) ||
		    caps->want_count >= WANTS_MAX)
			continue;
		caps->wants = mem_realloc(caps->wants, caps->want_count + 1,
					  sizeof(*caps->wants));
		caps->wants[caps->want_count++] =
			mem_strndup(var, strlen(var) - strlen(NOTIFY));
	}
	caps->known = true;
}

static bool is_true(const struct caps *caps, const struct element *query)
{
	char *ver = query != NULL ? disco_caps_hash(query, caps->digest) : NULL;
	bool same = str_equal(ver, caps->ver);

	mem_free(ver);
	return same;
}

static struct caps *find_question(const struct sm *sm, const char *id)
{
	struct caps *caps;

	DL_FOREACH(cache_of(sm)->order, caps) {
		if (str_equal(caps->id, id))
			return caps;
	}
	return NULL;
}

bool caps_answered(struct task *task)
{
	const char *id = element_attr(task->stanza->root, "id");
	struct caps_holder *holder;
	struct caps *caps;

	if (id == NULL || !str_starts(id, ID))
		return false;
	caps = find_question(task->sm, id);
	/* Nobody answers for somebody else. */
	if (caps == NULL || !str_equal(caps->asked, jid_full(task->from)))
		return false;
	forget_question(caps);
	if (!str_equal(element_attr(task->stanza->root, "type"), "result") ||
	    !is_true(caps, element_child(task->stanza->root, "query",
					 NS_DISCO_INFO))) {
		log_debug(task->sm->log, "caps.refused",
			  LOG_S("from", jid_full(task->from)),
			  LOG_S("ver", caps->ver));
		ask_next(caps);
		return true;
	}
	learn(caps, element_child(task->stanza->root, "query", NS_DISCO_INFO));
	DL_FOREACH(caps->holders, holder) {
		if (!holder->owed)
			continue;
		holder->owed = false;
		pep_send_last(holder);
	}
	return true;
}

/* Its data is the cache. */
const struct sm_module sm_module_caps = {
	.name = "caps",
	.data_size = sizeof(struct cache),
	.stop = caps_stop,
};
