/* SPDX-License-Identifier: Apache-2.0
 *
 * What the service manager hears.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/net/notify.h"

static void test_send(void **state)
{
	static const char *const starts[] = { "/tmp/", "@" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		char path[64], got[64] = { 0 };
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		int len = snprintf(path, sizeof(path), "%schappe-notify-%d",
				   starts[i], (int)getpid());

		memcpy(at.sun_path, path, (size_t)len);
		if (path[0] == '@')
			at.sun_path[0] = '\0';
		assert_int_equal(bind(fd, (struct sockaddr *)&at,
				      (socklen_t)(offsetof(struct sockaddr_un,
							   sun_path) +
						  (size_t)len)),
				 0);
		setenv("NOTIFY_SOCKET", path, 1);
		notify_send("READY=1\nSTATUS=fine");
		assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), 19);
		assert_string_equal(got, "READY=1\nSTATUS=fine");
		unsetenv("NOTIFY_SOCKET");
		notify_send("STOPPING=1");
		assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
		close(fd);
		unlink(path);
	}
}

static void test_nobody_listens(void **state)
{
	static const char *const paths[] = { "", "relative", "@",
					     "/nonexistent/socket" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		setenv("NOTIFY_SOCKET", paths[i], 1);
		notify_send("READY=1");
	}
	unsetenv("NOTIFY_SOCKET");
}

static void test_watchdog(void **state)
{
	static const struct {
		const char *usec, *pid; /* pid "." : ours */
		uint64_t ms;
	} rows[] = {
		{ NULL, NULL, 0 },	    { "30000000", NULL, 15000 },
		{ "30000000", ".", 15000 }, { "30000000", "1", 0 },
		{ "0", NULL, 0 },	    { "soon", NULL, 0 },
		{ "2000", NULL, 1 },	    { "30000000", "me", 0 },
	};
	char pid[16];
	size_t i;

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (rows[i].usec)
			setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (rows[i].pid)
			setenv("WATCHDOG_PID",
			       rows[i].pid[0] == '.' ? pid : rows[i].pid, 1);
		assert_int_equal(notify_watchdog_interval(), rows[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
