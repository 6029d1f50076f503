/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords to SCRAM keys, in threads beside the loop: checking them and
 * making new ones. A check is a person who waits; it goes before the new keys
 * of an import of thousands.
 */
#ifndef STORAGE_AUTH_DERIVE_H
#define STORAGE_AUTH_DERIVE_H

#include "storage/storage.h"
#include "util/net/worker.h"

struct deriver;

/* Embedded in the request it is for, which lives until `done`. */
struct derivation {
	const char *password;
	struct account *account; /* salts and rounds are there; to make: the
				    keys come out */
	bool check;		 /* else make */
	bool matches;		 /* check: out */
	void (*done)(struct derivation *derivation); /* on the loop */
	/* private: */
	struct deriver *deriver;
	struct worker_job job;
	bool queued;
	struct derivation *prev, *next;
};

/* NULL when the system gives no thread. */
struct deriver *deriver_new(struct loop *loop, struct error *err);

void deriver_submit(struct deriver *deriver, struct derivation *derivation);

/* Takes back one that no thread has yet, NULL when there is none left: its
 * `done` will not run. */
struct derivation *deriver_take_back(struct deriver *deriver);

/* Takes this one back; false when a thread has it or had it. */
bool deriver_cancel(struct derivation *derivation);

/* Blocks for those that a thread has, and calls their `done`. The others are
 * forgotten. */
void deriver_free(struct deriver **deriver);

#endif
