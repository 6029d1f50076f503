/* SPDX-License-Identifier: Apache-2.0
 *
 * What roles would refuse at their start, said before it: by -t, by a reload,
 * and by `chappectl config check`, which may run on another machine. So it
 * does not look at what only the role's own machine and user can tell.
 */
#include "util/role/config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

#define HOST_MAX 255

static bool is_numeric(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t len = strlen(host);
	char inner[HOST_MAX + 1];

	if (str_equal(host, "*") || inet_pton(AF_INET, host, bytes) == 1)
		return true;
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(inner, host + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, bytes) == 1;
}

/* "HOST:PORT", "[IPv6]:PORT" or "unix:/PATH". */
static int check_address(const char *name, const char *text, bool numeric,
			 struct error *err)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_MAX + 1];
	uint64_t port;

	if (str_starts(text, "unix:"))
		return text[5] == '/' ? 0
				      : error_set(err, "%s: \"%s\" is not "
						  "unix:/PATH", name, text);
	if (!colon || str_to_u64(colon + 1, 0, UINT16_MAX, &port) < 0)
		return error_set(err, "%s: \"%s\" does not end with a port "
				 "(:0 to :65535)", name, text);
	if (colon == text || colon - text > HOST_MAX)
		return error_set(err, "%s: \"%s\" has no host", name, text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (numeric && !is_numeric(host))
		return error_set(err, "%s: \"%s\" is not a numeric address "
				 "(IPv4, [IPv6], or * for all)", name, text);
	if (host[0] != '[' && strchr(host, ':'))
		return error_set(err, "%s: \"%s\": an IPv6 address needs "
				 "brackets", name, text);
	return 0;
}

int config_check_listen(const char *name, char *const *addresses,
			struct error *err)
{
	for (; addresses && *addresses; addresses++) {
		if (check_address(name, *addresses, true, err) < 0)
			return -1;
	}
	return 0;
}

int config_check_file(const char *name, const char *path, struct error *err)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *dir;
	bool is_here;

	if (!path || access(path, F_OK) == 0 || errno != ENOENT)
		return 0;
	dir = slash ? mem_strndup(path, (size_t)(slash - path) + 1)
		    : mem_strdup(".");
	is_here = access(dir, F_OK) == 0;
	mem_free(dir);
	if (!is_here)
		return 0;
	return error_set(err, "%s: %s: %s", name, path, strerror(ENOENT));
}

int config_check_common(const struct common_options *common,
			struct error *err)
{
	enum log_level level;

	if (log_parse_level(common->log_level, &level) < 0)
		return error_set(err, "log-level: \"%s\" is no level (error, "
				 "warning, notice, info or debug)",
				 common->log_level);
	if (!str_equal(common->log_target, "stderr") &&
	    !str_equal(common->log_target, "syslog"))
		return error_set(err, "log-target: \"%s\" is neither stderr "
				 "nor syslog", common->log_target);
	if (common->metrics &&
	    check_address("metrics", common->metrics, true, err) < 0)
		return -1;
	for (char **at = common->routers; at && *at; at++) {
		if (check_address("routers", *at, false, err) < 0)
			return -1;
	}
	return 0;
}

int config_check_sections(const struct config *config, const char *section,
			  int (*check)(const void *options, struct error *err),
			  struct error *err)
{
	const char *title = NULL;

	for (size_t i = 0; i < config_count(config, section); i++) {
		const void *options = config_get(config, section, i, &title);

		if (config_check_common(options, err) < 0 ||
		    (check && check(options, err) < 0))
			return error_prefix(err, "%s: %s%s%s%s",
					    config_path(config), section,
					    title ? " \"" : "",
					    title ? title : "",
					    title ? "\"" : "");
	}
	return 0;
}

/* The earlier domain that has the same prepared name; NULL: none. */
static const char *same_domain(const struct config *config, size_t count,
			       const char *name)
{
	const char *title, *found = NULL;

	for (size_t i = 0; i < count && !found; i++) {
		char *other;

		config_get(config, "domain", i, &title);
		other = jid_prepare_domain(title);
		if (other && str_equal(other, name))
			found = title;
		mem_free(other);
	}
	return found;
}

static int check_name(const struct config *config, size_t i,
		      const char *title, struct error *err)
{
	char *name = jid_prepare_domain(title);
	const char *other;

	if (!name)
		return error_set(err, "this is no domain name");
	other = same_domain(config, i, name);
	mem_free(name);
	if (other)
		return error_set(err, "it is the same as domain \"%s\"",
				 other);
	return 0;
}

int config_check_domains(const struct config *config,
			 int (*check)(const struct config *config,
				      const struct domain_options *options,
				      struct error *err),
			 struct error *err)
{
	size_t count = config_count(config, "domain");
	const char *title;

	if (count == 0)
		return error_set(err, "%s: there is no section domain",
				 config_path(config));
	for (size_t i = 0; i < count; i++) {
		const struct domain_options *options =
			config_get(config, "domain", i, &title);

		if (check_name(config, i, title, err) < 0 ||
		    (check && check(config, options, err) < 0))
			return error_prefix(err, "%s: domain \"%s\"",
					    config_path(config), title);
	}
	return 0;
}
