/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs files through a fuzz target without a fuzzer: those that are named, or
 * all of the target's corpus ($srcdir/t/fuzz/corpus/NAME for replay_NAME).
 * Says what it did as TAP.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/fuzz.h"
#include "util/base/buf.h"
#include "util/base/mem.h"

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct buf input = { 0 };
	char chunk[4096];
	size_t n;
	int rc;

	if (file == NULL)
		return -1;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&input, chunk, n);
	rc = ferror(file) ? -1 : 0;
	fclose(file);
	if (rc == 0)
		LLVMFuzzerTestOneInput((const uint8_t *)buf_data(&input),
				       input.len);
	buf_free(&input);
	return rc;
}

static int replay_all(char **paths, size_t count)
{
	int failures = count == 0;

	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		int rc = replay(paths[i]);

		printf("%s %zu - %s\n", rc == 0 ? "ok" : "not ok", i + 1,
		       paths[i]);
		fflush(stdout);
		failures += rc != 0;
	}
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	const char *srcdir = getenv("srcdir");
	const char *name = strstr(argv[0], "replay_");
	glob_t found;
	char *pattern;
	int rc;

	if (argc > 1)
		return replay_all(argv + 1, argc - 1);
	if (name == NULL)
		return EXIT_FAILURE;
	pattern = mem_printf("%s/t/fuzz/corpus/%s/*",
			     srcdir != NULL ? srcdir : ".",
			     name + strlen("replay_"));
	memset(&found, 0, sizeof(found));
	rc = glob(pattern, 0, NULL, &found);
	rc = replay_all(rc == 0 ? found.gl_pathv : NULL,
			rc == 0 ? found.gl_pathc : 0);
	globfree(&found);
	mem_free(pattern);
	return rc;
}
