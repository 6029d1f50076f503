/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of all tables, under a key that peers cannot know. The key is the
 * one piece of state that belongs to the process: it is drawn once and never
 * changes, and nothing that can be observed depends on it.
 */
#include "util/base/table.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "util/base/crypto.h"

static uint64_t table_key[2];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

/* Not loop_random(): tables exist before there is a loop, and a simulated run
 * is the same under every key. */
static void table_draw_key(void)
{
	if (getrandom(table_key, sizeof(table_key), 0) !=
	    (ssize_t)sizeof(table_key)) {
		fprintf(stderr, "no random key for hash tables\n");
		abort();
	}
}

unsigned table_hash(const void *key, size_t len)
{
	/* Workers may have tables of their own. */
	pthread_once(&table_once, table_draw_key);
	return (unsigned)crypto_siphash(table_key, key, len);
}
