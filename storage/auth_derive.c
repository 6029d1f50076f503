/* SPDX-License-Identifier: Apache-2.0
 *
 * Key derivation in a worker with two queues in front. What the keys are for,
 * and whose they are, is the business of auth.c.
 */
#include "storage/auth_derive.h"

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"

#define DERIVER_THREADS 2
/* Enough that no thread waits for the loop; few, so that a check need not
 * wait for what was submitted before it. */
#define IN_WORKER_MAX (DERIVER_THREADS + 1)

struct deriver {
	struct worker *worker;
	struct derivation *checks, *makings;
	unsigned in_worker;
	bool closing;
};

static void derive(enum digest digest, const char *password,
		   const struct scram_keys *keys, struct scram_keys *out)
{
	unsigned char salted[DIGEST_MAX];

	crypto_pbkdf2(digest, password, keys->salt, keys->salt_len,
		      keys->rounds, salted);
	crypto_scram_keys(digest, salted, out->stored_key, out->server_key);
	mem_wipe(salted, sizeof(salted));
}

static bool check(const char *password, const struct account *account)
{
	bool strong = account->sha256.rounds > 0;
	const struct scram_keys *keys = strong ? &account->sha256
					       : &account->sha1;
	enum digest digest = strong ? DIGEST_SHA256 : DIGEST_SHA1;
	struct scram_keys found;
	bool matches;

	derive(digest, password, keys, &found);
	matches = mem_equal_secret(found.stored_key, keys->stored_key,
				   digest_size(digest));
	mem_wipe(&found, sizeof(found));
	return matches;
}

/* In a thread. */
static void run_batch(struct worker_job *jobs, size_t count, void *ctx)
{
	(void)ctx;
	for (; count > 0; count--, jobs = jobs->next) {
		struct derivation *derivation =
			container_of(jobs, struct derivation, job);
		struct account *account = derivation->account;

		if (derivation->check) {
			derivation->matches = check(derivation->password,
						    account);
			continue;
		}
		derive(DIGEST_SHA1, derivation->password, &account->sha1,
		       &account->sha1);
		derive(DIGEST_SHA256, derivation->password, &account->sha256,
		       &account->sha256);
	}
}

static void dequeue(struct deriver *deriver, struct derivation *derivation)
{
	derivation->queued = false;
	if (derivation->check)
		DL_DELETE(deriver->checks, derivation);
	else
		DL_DELETE(deriver->makings, derivation);
}

struct derivation *deriver_take_back(struct deriver *deriver)
{
	struct derivation *derivation = deriver->checks != NULL
						? deriver->checks
						: deriver->makings;

	if (derivation != NULL)
		dequeue(deriver, derivation);
	return derivation;
}

bool deriver_cancel(struct derivation *derivation)
{
	if (!derivation->queued)
		return false;
	dequeue(derivation->deriver, derivation);
	return true;
}

static void job_done(struct worker_job *job);

static void feed_worker(struct deriver *deriver)
{
	struct derivation *derivation;

	while (!deriver->closing && deriver->in_worker < IN_WORKER_MAX &&
	       (derivation = deriver_take_back(deriver)) != NULL) {
		deriver->in_worker++;
		derivation->job.done = job_done;
		worker_submit(deriver->worker, &derivation->job);
	}
}

static void job_done(struct worker_job *job)
{
	struct derivation *derivation =
		container_of(job, struct derivation, job);
	struct deriver *deriver = derivation->deriver;

	deriver->in_worker--;
	feed_worker(deriver);
	derivation->done(derivation);
}

struct deriver *deriver_new(struct loop *loop, struct error *err)
{
	struct deriver *deriver = mem_new(struct deriver);

	deriver->worker = worker_new(loop, "keys", DERIVER_THREADS, 1,
				     run_batch, deriver, err);
	if (deriver->worker == NULL) {
		mem_free(deriver);
		return NULL;
	}
	return deriver;
}

void deriver_submit(struct deriver *deriver, struct derivation *derivation)
{
	derivation->deriver = deriver;
	derivation->queued = true;
	if (derivation->check)
		DL_APPEND(deriver->checks, derivation);
	else
		DL_APPEND(deriver->makings, derivation);
	feed_worker(deriver);
}

void deriver_free(struct deriver **deriver)
{
	if (*deriver == NULL)
		return;
	(*deriver)->closing = true;
	worker_free(&(*deriver)->worker);
	mem_free(*deriver);
	*deriver = NULL;
}
