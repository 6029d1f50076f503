/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving up what the process does not need. What is opened before is up to
 * daemon.c.
 */
#include "util/role/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS_MAX (1 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_TRACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_TRACED 1
#endif
#endif

void privileges_limit(void)
{
	struct rlimit limit;

	umask(077);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max > DESCRIPTORS_MAX)
		limit.rlim_cur = DESCRIPTORS_MAX;
	else
		limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int privileges_drop(const char *user, struct error *err)
{
	const struct passwd *entry;

	if (!user || geteuid() != 0)
		return 0;
	errno = 0;
	entry = getpwnam(user);
	if (!entry)
		return error_set(err, "no such user: %s%s%s", user,
				 errno ? ": " : "", errno ? strerror(errno) : "");
	if (entry->pw_uid == 0)
		return 0;
	if (initgroups(user, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 ||
	    setuid(entry->pw_uid) < 0)
		return error_set(err, "cannot become %s: %s", user,
				 strerror(errno));
	if (setuid(0) == 0 || seteuid(0) == 0 || getuid() != entry->pw_uid ||
	    geteuid() != entry->pw_uid)
		return error_set(err, "could become root again from %s", user);
	return 0;
}

void privileges_hide(void)
{
#ifndef LEAKS_ARE_TRACED
	/* LeakSanitizer traces the process it checks. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
