/* SPDX-License-Identifier: Apache-2.0
 *
 * The option tables of the router and of the links, and the checks that need
 * more than one option.
 */
#include "router/options.h"

#include <string.h>

#include "util/base/str.h"
#include "util/role/config_check.h"

static const char *const kinds[] = {
	[LINK_COMPONENT] = "component",
	[LINK_C2S] = "c2s",
	[LINK_SM] = "sm",
	[LINK_S2S] = "s2s",
	[LINK_ADMIN] = "admin",
	[LINK_KINDS] = NULL,
};

#define OWN(opt, kind, member, def, text)                                    \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct router_options, member),                 \
	  .fallback = def, .help = text }
#define OWN_RANGE(opt, kind, member, def, low, high, text)                   \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct router_options, member),                 \
	  .fallback = def, .min = low, .max = high, .help = text }
#define LINK(opt, kind, member, def, text)                                   \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct link_section, member),                   \
	  .fallback = def, .help = text }

static const struct option router_rows[] = {
	COMMON_OPTIONS(struct router_options),
	OWN("listen", OPTION_LIST, listen, "unix:/run/chappe/router.sock",
	    "addresses for links without TLS: unix:/PATH or loopback"),
	OWN("listen-tls", OPTION_LIST, listen_tls, NULL,
	    "addresses for links under TLS"),
	OWN("certificate", OPTION_STRING, certificate, NULL,
	    "certificate chain of the router, PEM"),
	OWN("key", OPTION_STRING, key, NULL, "key of the certificate, PEM"),
	OWN("ca", OPTION_STRING, ca, NULL,
	    "who may sign client certificates of links; without: none asked"),
	OWN("socket-mode", OPTION_STRING, socket_mode, "0660",
	    "mode of Unix sockets, octal"),
	OWN("insecure-tcp", OPTION_BOOL, insecure_tcp, "no",
	    "allow addresses beyond loopback without TLS"),
	OWN_RANGE("max-envelope", OPTION_SIZE, max_envelope, "4M", 65536,
		  67108864, "size of one element from a role"),
	OWN_RANGE("max-names", OPTION_NUMBER, max_names, "10000", 1, 1000000,
		  "names that one link may bind"),
	OWN_RANGE("max-handshakes", OPTION_NUMBER, max_handshakes, "64", 1,
		  10000, "connections that have not proved who they are"),
	OWN_RANGE("queue-mark", OPTION_SIZE, queue_mark, "4M", 4096,
		  1073741824, "queue of a link at which its senders wait"),
	OWN_RANGE("queue-limit", OPTION_SIZE, queue_limit, "16M", 4096,
		  1073741824,
		  "queue of a component at which stanzas are returned"),
	OWN_RANGE("handshake-timeout", OPTION_DURATION, handshake_timeout,
		  "10s", 10, 600000, "time for a new link's handshake"),
	OWN_RANGE("slow-timeout", OPTION_DURATION, slow_timeout, "30s", 10,
		  600000, "time over queue-mark before a link is closed"),
	OWN_RANGE("ping-interval", OPTION_DURATION, ping_interval, "30s", 10,
		  3600000, "silence of a role before it is asked"),
	OWN_RANGE("ping-timeout", OPTION_DURATION, ping_timeout, "3s", 10,
		  60000, "time for the holder of a wanted name to answer"),
	{ .name = NULL },
};

const struct section router_section = {
	.name = "router",
	.titled = true,
	.size = sizeof(struct router_options),
	.options = router_rows,
};

static const struct option link_rows[] = {
	{ .name = "kind", .type = OPTION_CHOICE,
	  .offset = offsetof(struct link_section, kind),
	  .fallback = "component", .choices = kinds,
	  .help = "component, c2s, sm, s2s or admin" },
	LINK("names", OPTION_LIST, names, NULL,
	     "names or patterns that it may bind; for s2s * is the default "
	     "route"),
	LINK("secret-file", OPTION_STRING, secret_file, NULL,
	     "file with the secret of the handshake"),
	LINK("certificate", OPTION_BOOL, certificate, "no",
	     "must show a client certificate with its name"),
	{ .name = "max-stanza", .type = OPTION_SIZE,
	  .offset = offsetof(struct link_section, max_stanza),
	  .fallback = "256K", .min = 10000, .max = 16777216,
	  .help = "size of one stanza of a component" },
	{ .name = "rate", .type = OPTION_SIZE,
	  .offset = offsetof(struct link_section, rate),
	  .fallback = "0", .min = 0, .max = 1073741824,
	  .help = "bytes a second that are read from it; 0: no limit" },
	{ .name = NULL },
};

const struct section link_section = {
	.name = "link",
	.titled = true,
	.size = sizeof(struct link_section),
	.options = link_rows,
};

const char *link_kind_name(enum link_kind kind)
{
	return kinds[kind];
}

int router_parse_mode(const char *text, unsigned *mode)
{
	unsigned value = 0;
	size_t len = strspn(text, "01234567");

	if (len == 0 || len > 4 || text[len] != '\0')
		return -1;
	for (; *text; text++)
		value = value * 8 + (unsigned)(*text - '0');
	if (value == 0 || value > 0777)
		return -1;
	*mode = value;
	return 0;
}

static bool is_list(char **list)
{
	return list && list[0];
}

/* Numeric addresses only, as the listener takes them. */
static bool stays_here(const char *address)
{
	return str_starts(address, "unix:") ||
	       str_starts(address, "127.") || str_starts(address, "[::1]:");
}

static int check_router(const struct router_options *options,
			struct error *err)
{
	unsigned mode;

	if (config_check_common(&options->common, err) < 0 ||
	    config_check_listen("listen", options->listen, err) < 0 ||
	    config_check_listen("listen-tls", options->listen_tls, err) < 0)
		return -1;
	for (char **at = options->listen; at && *at; at++) {
		if (!options->insecure_tcp && !stays_here(*at))
			return error_set(err, "listen = %s is open to a "
					 "network without TLS: use listen-tls "
					 "(or insecure-tcp = yes)", *at);
	}
	for (char **at = options->listen_tls; at && *at; at++) {
		if (str_starts(*at, "unix:"))
			return error_set(err, "listen-tls = %s: a Unix socket "
					 "needs no TLS, use listen", *at);
	}
	if (!is_list(options->listen) && !is_list(options->listen_tls))
		return error_set(err, "listen and listen-tls are both empty");
	if (is_list(options->listen_tls) &&
	    (!options->certificate || !options->key))
		return error_set(err, "listen-tls needs certificate and key");
	if (router_parse_mode(options->socket_mode, &mode) < 0)
		return error_set(err, "socket-mode = %s is no octal mode",
				 options->socket_mode);
	return 0;
}

static int check_link(const struct link_section *link, bool has_ca,
		      struct error *err)
{
	if (!link->secret_file && !link->certificate)
		return error_set(err, "needs secret-file (or certificate = "
				 "yes): there is no default secret");
	if (link->certificate && !has_ca)
		return error_set(err, "certificate = yes, but no router has a "
				 "ca to check it against");
	if (link->kind == LINK_COMPONENT && is_list(link->names))
		return error_set(err, "a component has its own name only: "
				 "names are for roles");
	return 0;
}

int router_config_check(const struct config *config, struct error *err)
{
	bool has_ca = false;
	const char *title;

	for (size_t i = 0; i < config_count(config, "router"); i++) {
		const struct router_options *options =
			config_get(config, "router", i, &title);

		if (check_router(options, err) < 0)
			return error_prefix(err, "%s: router \"%s\"",
					    config_path(config), title);
		if (options->ca && is_list(options->listen_tls))
			has_ca = true;
	}
	for (size_t i = 0; i < config_count(config, "link"); i++) {
		const struct link_section *link =
			config_get(config, "link", i, &title);

		if (check_link(link, has_ca, err) < 0)
			return error_prefix(err, "%s: link \"%s\"",
					    config_path(config), title);
	}
	return 0;
}
