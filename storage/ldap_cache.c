/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys beside the directory, a document for each user. The password itself is
 * held while the keys are made of it, and wiped then.
 */
#include "storage/ldap_cache.h"

#include "storage/auth.h"
#include "storage/auth_derive.h"
#include "storage/ldap_keys.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"

#define KIND "ldap-scram"
#define KEY "keys"
#define SALT_LEN 16

/* Log-ins at the same time whose keys are being made; others must wait for
 * their next one. */
#define MAKING_MAX 1000

struct ldap_cache {
	struct loop *loop;
	struct log *log;
	struct storage *storage;
	struct deriver *deriver;
	struct task *tasks;
	unsigned making;
};

/* One look-up, and for a log-in what comes after it. Outlives the cache when
 * the storage answers late. */
struct task {
	struct ldap_cache *cache; /* NULL: it was closed */
	char *user, *stamp;
	char *password; /* NULL: only a look-up */
	ldap_cache_cb *done;
	void *ctx;
	struct account account;
	struct derivation derivation;
	struct task *prev, *next;
};

static struct task *task_new(struct ldap_cache *cache, const char *user,
			     const char *stamp)
{
	struct task *task = mem_new(struct task);

	task->cache = cache;
	task->user = mem_strdup(user);
	task->stamp = mem_strdup(stamp);
	DL_APPEND(cache->tasks, task);
	return task;
}

static void task_free(struct task *task)
{
	if (task->cache != NULL) {
		DL_DELETE(task->cache->tasks, task);
		if (task->password != NULL)
			task->cache->making--;
	}
	mem_free(task->user);
	mem_free(task->stamp);
	mem_free_secret(task->password);
	mem_wipe(&task->account, sizeof(task->account));
	mem_free(task);
}

/* -- looking up ------------------------------------------------------------ */

static enum storage_status parse(struct task *task,
				 const struct storage_result *result)
{
	if (result->status != STORAGE_OK)
		return result->status;
	return ldap_keys_parse(&task->account, task->stamp, result->data,
			       result->data_len) ?
		       STORAGE_OK : STORAGE_NOT_FOUND;
}

static void got(const struct storage_result *result, void *ctx)
{
	struct task *task = ctx;

	if (task->cache != NULL)
		task->done(parse(task, result), &task->account,
			   result->reason, task->ctx);
	task_free(task);
}

void ldap_cache_get(struct ldap_cache *cache, const char *user,
		    const char *stamp, ldap_cache_cb *done, void *ctx)
{
	struct task *task = task_new(cache, user, stamp);

	task->done = done;
	task->ctx = ctx;
	storage_document_get(cache->storage, user, KIND, KEY, got, task);
}

/* -- keeping --------------------------------------------------------------- */

static void kept(const struct storage_result *result, void *ctx)
{
	struct task *task = ctx;

	if (task->cache != NULL && result->status == STORAGE_OK)
		log_info(task->cache->log, "ldap.keys",
			 LOG_S("jid", task->user));
	task_free(task);
}

static void derived(struct derivation *derivation)
{
	struct task *task = container_of(derivation, struct task, derivation);
	struct buf text = { .len = 0 };

	ldap_keys_write(&text, &task->account, task->stamp);
	storage_document_put(task->cache->storage, task->user, KIND, KEY,
			     buf_data(&text), text.len, kept, task);
	buf_free_secret(&text);
}

static void make_keys(struct task *task)
{
	struct ldap_cache *cache = task->cache;
	struct account *account = &task->account;

	mem_wipe(account, sizeof(*account));
	account->sha1.rounds = account->sha256.rounds = AUTH_SCRAM_ROUNDS;
	account->sha1.salt_len = account->sha256.salt_len = SALT_LEN;
	loop_random(cache->loop, account->sha1.salt, SALT_LEN);
	loop_random(cache->loop, account->sha256.salt, SALT_LEN);
	task->derivation = (struct derivation){
		.password = task->password,
		.account = account,
		.done = derived,
	};
	deriver_submit(cache->deriver, &task->derivation);
}

static void looked(const struct storage_result *result, void *ctx)
{
	struct task *task = ctx;

	/* Keys of this stamp are there, or there is nowhere to keep any. */
	if (task->cache == NULL || parse(task, result) != STORAGE_NOT_FOUND)
		task_free(task);
	else
		make_keys(task);
}

void ldap_cache_keep(struct ldap_cache *cache, const char *user,
		     const char *stamp, const char *password)
{
	struct task *task;

	if (cache->making >= MAKING_MAX)
		return;
	cache->making++;
	task = task_new(cache, user, stamp);
	task->password = mem_strdup(password);
	storage_document_get(cache->storage, user, KIND, KEY, looked, task);
}

static void dropped(const struct storage_result *result, void *ctx)
{
	(void)result;
	(void)ctx;
}

void ldap_cache_drop(struct storage *storage, const char *user)
{
	storage_document_put(storage, user, KIND, KEY, NULL, 0, dropped, NULL);
}

/* -- opening and closing --------------------------------------------------- */

struct ldap_cache *ldap_cache_open(struct loop *loop, struct log *log,
				   struct storage *storage, struct error *err)
{
	struct ldap_cache *cache = mem_new(struct ldap_cache);

	cache->loop = loop;
	cache->log = log;
	cache->storage = storage;
	cache->deriver = deriver_new(loop, err);
	if (cache->deriver != NULL)
		return cache;
	mem_free(cache);
	return NULL;
}

void ldap_cache_close(struct ldap_cache **cache)
{
	struct ldap_cache *c = *cache;
	struct derivation *derivation;
	struct task *task, *next;

	if (c == NULL)
		return;
	while ((derivation = deriver_take_back(c->deriver)) != NULL)
		task_free(container_of(derivation, struct task, derivation));
	deriver_free(&c->deriver);
	DL_FOREACH_SAFE(c->tasks, task, next) {
		task->cache = NULL;
		if (task->done != NULL)
			task->done(STORAGE_CANCELLED, NULL, "closing",
				   task->ctx);
	}
	mem_free(c);
	*cache = NULL;
}
