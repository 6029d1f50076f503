/* SPDX-License-Identifier: Apache-2.0
 *
 * The world that the tests of the storage run in.
 */
#include "t/unit/storage_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>

#include "util/base/mem.h"

static void keep_line(enum log_level level, const char *line, void *ctx)
{
	struct world *world = ctx;

	(void)level;
	buf_add_str(&world->lines, line);
	buf_add_char(&world->lines, '\n');
}

void world_init(struct world *world)
{
	struct error err;
	const char *tmp = getenv("TMPDIR");
	char *dir = mem_printf("%.40s/chappe-XXXXXX", tmp ? tmp : "/tmp");

	memset(world, 0, sizeof(*world));
	assert_non_null(mkdtemp(dir));
	memcpy(world->dir, dir, strlen(dir));
	mem_free(dir);
	log_init(&world->log, "test");
	world->log.target = LOG_TO_CALLBACK;
	world->log.line = keep_line;
	world->log.line_ctx = world;
	world->loop = loop_new(&err);
	assert_non_null(world->loop);
}

void world_free(struct world *world)
{
	DIR *dir = opendir(world->dir);
	struct dirent *entry;

	timer_stop(&world->timer);
	loop_free(&world->loop);
	buf_free(&world->lines);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char *path = world_path(world, entry->d_name);

		if (unlink(path) < 0 && entry->d_name[0] != '.')
			rmdir(path);
		mem_free(path);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(world->dir);
}

char *world_path(const struct world *world, const char *name)
{
	return mem_printf("%s/%s", world->dir, name);
}

struct storage *world_open(struct world *world, const char *driver,
			   const char *connection)
{
	struct error err = { "" };
	struct storage *storage = storage_open(world->loop, &world->log,
					       driver, connection,
					       "storage/.libs", &err);

	assert_string_equal(err.text, "");
	assert_non_null(storage);
	return storage;
}

char *world_psql(const char *sql)
{
	char line[256] = "";
	FILE *pipe;

	setenv("CHAPPE_TEST_SQL", sql, 1);
	pipe = popen("printf %s \"$CHAPPE_TEST_SQL\" | psql -X -q -A -t"
		     " -v ON_ERROR_STOP=1 -d \"$" WORLD_POSTGRES "\"", "r");
	assert_non_null(pipe);
	if (fgets(line, sizeof(line), pipe) == NULL)
		line[0] = '\0';
	assert_int_equal(pclose(pipe), 0);
	line[strcspn(line, "\n")] = '\0';
	return mem_strdup(line);
}

void world_empty_postgres(void)
{
	mem_free(world_psql("SET client_min_messages = error;"
			    "DROP SCHEMA public CASCADE;"
			    "CREATE SCHEMA public"));
}

static void timer_cb(struct timer *timer)
{
	struct world *world = container_of(timer, struct world, timer);

	world->late = true;
	loop_stop(world->loop);
}

void world_run(struct world *world, uint64_t ms)
{
	world->late = false;
	timer_start(&world->timer, world->loop, ms, timer_cb);
	while (!world->late)
		loop_run(world->loop);
}

unsigned world_logged(const struct world *world, const char *text)
{
	const char *at = buf_data(&world->lines);
	unsigned count = 0;

	while ((at = strstr(at, text)) != NULL) {
		count++;
		at += strlen(text);
	}
	return count;
}

/* -- answers ------------------------------------------------------------- */

void answer_cb(const struct storage_result *result, void *ctx)
{
	struct answer *answer = ctx;

	answer->count++;
	storage_result_clear(&answer->result);
	storage_result_copy(&answer->result, result);
	if (answer->world != NULL)
		loop_stop(answer->world->loop);
}

void answer_wait(struct world *world, struct answer *answer)
{
	answer->world = world;
	world->late = false;
	timer_start(&world->timer, world->loop, 20000, timer_cb);
	while (answer->count == 0 && !world->late)
		loop_run(world->loop);
	timer_stop(&world->timer);
	if (answer->count != 1)
		print_message("%s", buf_data(&world->lines));
	assert_int_equal(answer->count, 1);
}

void answer_clear(struct answer *answer)
{
	storage_result_clear(&answer->result);
	memset(answer, 0, sizeof(*answer));
}

struct account account_made_of(unsigned char seed)
{
	struct account account = {
		.sha1 = { .rounds = 4096u + seed, .salt_len = 16 },
		.sha256 = { .rounds = 10000u + seed, .salt_len = 32 },
		.created = 1700000000000000 + seed,
	};

	memset(account.sha1.salt, seed, 16);
	memset(account.sha1.stored_key, seed + 1, 20);
	memset(account.sha1.server_key, seed + 2, 20);
	memset(account.sha256.salt, seed + 3, 32);
	memset(account.sha256.stored_key, seed + 4, 32);
	memset(account.sha256.server_key, seed + 5, 32);
	return account;
}
