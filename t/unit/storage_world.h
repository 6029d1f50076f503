/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the storage share: a loop, a folder of their own, a log
 * that can be read, and waiting for an answer.
 */
#ifndef T_UNIT_STORAGE_WORLD_H
#define T_UNIT_STORAGE_WORLD_H

#include "storage/driver.h"
#include "storage/storage.h"
#include "util/base/buf.h"
#include "util/net/timer.h"

struct world {
	struct loop *loop;
	struct log log;
	struct buf lines; /* what was logged */
	char dir[64];
	struct timer timer;
	bool late;
};

void world_init(struct world *world);
void world_free(struct world *world);

/* A heap string DIR/NAME. */
char *world_path(const struct world *world, const char *name);

/* Opens a store, with a driver of this build; fails the test when that is
 * refused. */
struct storage *world_open(struct world *world, const char *driver,
			   const char *connection);

/* The variable with the conninfo of a database for tests of the driver
 * "postgres", and making it as it was before any of them. */
#define WORLD_POSTGRES "CHAPPE_TEST_POSTGRES"
void world_empty_postgres(void);

/* Runs SQL in that database, beside the driver; the first line of what it
 * prints, to be freed. Fails the test when it fails. */
char *world_psql(const char *sql);

/* Runs the loop for some milliseconds. */
void world_run(struct world *world, uint64_t ms);

/* How often a text stands in the log. */
unsigned world_logged(const struct world *world, const char *text);

/* One answer, with a copy of the result. A zeroed one is ready for use. */
struct answer {
	struct world *world;
	unsigned count; /* times that the callback ran */
	struct storage_result result;
};

/* The storage_done_cb; ctx is the answer. */
void answer_cb(const struct storage_result *result, void *ctx);

/* Runs the loop until the callback ran; fails the test after 20 s. */
void answer_wait(struct world *world, struct answer *answer);
void answer_clear(struct answer *answer);

/* Makes the request with `&answer` as its last two arguments, waits, and
 * compares the status: EXPECT(world, answer, STORAGE_OK, storage_load,
 * storage, "a@b"). The answer is to be cleared after. */
#define EXPECT(where, to, wanted, call, ...)                                 \
	do {                                                                 \
		answer_clear(to);                                            \
		(to)->world = (where);                                       \
		call(__VA_ARGS__, answer_cb, (to));                          \
		assert_int_equal((to)->count, 0);                            \
		answer_wait(where, to);                                      \
		if ((to)->result.status != (wanted))                         \
			print_message("%s\n", (to)->result.reason);          \
		assert_string_equal(storage_status_text((to)->result.status), \
				    storage_status_text(wanted));            \
	} while (0)

/* An account whose keys are made of `seed`. */
struct account account_made_of(unsigned char seed);

#endif
