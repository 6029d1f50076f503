/* SPDX-License-Identifier: Apache-2.0
 *
 * The option tables of s2s and of the remote domains, the single truth about
 * their configuration.
 */
#include "s2s/options.h"

#include <string.h>

#include "util/base/str.h"
#include "util/role/access.h"
#include "util/role/config_check.h"

#define ROW(opt, kind, member, def, low, high, text)                           \
	{                                                                      \
		.name = opt, .type = kind,                                     \
		.offset = offsetof(struct s2s_config, member),                 \
		.fallback = def, .min = low, .max = high, .help = text         \
	}
#define REMOTE(opt, kind, member, def, text)                                   \
	{                                                                      \
		.name = opt, .type = kind,                                     \
		.offset = offsetof(struct remote_section, member),             \
		.fallback = def, .help = text                                  \
	}

#define SECOND	   INT64_C(1000)
#define KILO	   INT64_C(1024)
#define PIN_DIGITS 64

static const char *const remote_trust[] = { "default",	 "permissive",
					    "verified",	 "encrypted",
					    "trusted",	 NULL };

static const char *const trial_levels[] = { "none", "verified", "encrypted",
					    "trusted", NULL };

static const struct option s2s_rows[] = {
	COMMON_OPTIONS(struct s2s_config),
	ACCEPTOR_OPTIONS(struct s2s_config, "*:5269", NULL, "100", "1000"),
	ROW("dialback-secret-file", OPTION_STRING, secret_file, NULL, 0, 0,
	    "secret of the dialback keys, the same for all instances"),
	ROW("dialback-secret-file-old", OPTION_STRING, secret_file_old, NULL,
	    0, 0, "the secret before; its keys are still accepted"),
	ROW("ca", OPTION_STRING, ca, NULL, 0, 0,
	    "certificates that servers are checked against; none: system's"),
	{ .name = "trust", .type = OPTION_CHOICE,
	  .offset = offsetof(struct s2s_config, trust), .fallback = "trusted",
	  .choices = trust_names,
	  .help = "what servers must reach: permissive, verified, encrypted, "
		  "trusted" },
	{ .name = "trust-trial", .type = OPTION_CHOICE,
	  .offset = offsetof(struct s2s_config, trial), .fallback = "none",
	  .choices = trial_levels,
	  .help = "a stricter level: what it would refuse is logged and "
		  "counted" },
	ROW("allow-permissive", OPTION_BOOL, allow_permissive, "no", 0, 0,
	    "whether trust = permissive is meant anywhere"),
	ROW("bidi", OPTION_BOOL, bidi, "yes", 0, 0,
	    "one stream for both directions (XEP-0288)"),
	ROW("stream-management", OPTION_BOOL, management, "yes", 0, 0,
	    "have stanzas acknowledged by other servers (XEP-0198)"),
	ROW("ack-timeout", OPTION_DURATION, ack_timeout, "60s", 1 * SECOND, 0,
	    "time that a server may take to acknowledge"),
	ROW("resume-timeout", OPTION_DURATION, resume_timeout, "2m", 0,
	    86400 * SECOND,
	    "time that a broken stream can be resumed; 0: never"),
	ROW("posh", OPTION_BOOL, posh, "yes", 0, 0,
	    "ask by HTTPS which certificates a domain has (RFC 7711)"),
	ROW("posh-port", OPTION_NUMBER, posh_port, "443", 1, UINT16_MAX,
	    "port of the web servers that are asked"),
	ROW("dns-server", OPTION_STRING, dns_server, NULL, 0, 0,
	    "address of a resolver, with @PORT; none: /etc/resolv.conf"),
	ROW("dns-trust-anchor", OPTION_STRING, dns_anchor, NULL, 0, 0,
	    "file with the DNSSEC trust anchor; none: nothing is validated"),
	ROW("dns-hosts", OPTION_STRING, dns_hosts, "/etc/hosts", 0, 0,
	    "file with names and addresses that come before DNS"),
	ROW("dns-jabber-srv", OPTION_BOOL, dns_srv_jabber, "no", 0, 0,
	    "ask for _jabber._tcp records too, as servers of 2004 need it"),
	ROW("limit-stanza-before-auth", OPTION_SIZE, stanza_before, "16K",
	    1 * KILO, 1024 * KILO,
	    "bytes of one element before authentication"),
	ROW("limit-stanza", OPTION_SIZE, stanza_after, "512K", 10000,
	    65536 * KILO, "bytes of one stanza"),
	ROW("limit-depth", OPTION_NUMBER, depth, "64", 8, 1000,
	    "depth of elements within a stanza"),
	ROW("limit-attributes", OPTION_NUMBER, attributes, "64", 8, 10000,
	    "attributes of one element"),
	ROW("limit-name", OPTION_SIZE, name, "256", 64, 64 * KILO,
	    "bytes of the name of an element or attribute"),
	ROW("limit-rate", OPTION_SIZE, rate, "4M", 0, 0,
	    "bytes that a server may send per second; 0: any number"),
	ROW("limit-burst", OPTION_SIZE, burst, "16M", 64 * KILO, 0,
	    "bytes that it may send at once"),
	ROW("limit-dialbacks", OPTION_NUMBER, dialbacks, "20", 1, 10000,
	    "dialback requests of one stream that are waited for"),
	ROW("limit-remotes", OPTION_NUMBER, remotes, "20000", 1, 0,
	    "remote domains that are sent to at a time"),
	ROW("limit-write-queue", OPTION_SIZE, write_queue, "1M", 64 * KILO, 0,
	    "bytes in a connection at which further stanzas are queued"),
	ROW("auth-timeout", OPTION_DURATION, auth_timeout, "30s", 1 * SECOND,
	    0, "time to authenticate an incoming stream"),
	ROW("connect-timeout", OPTION_DURATION, connect_timeout, "30s",
	    1 * SECOND, 0, "time to find, connect and authenticate to a server"),
	ROW("idle-timeout", OPTION_DURATION, idle_timeout, "15m", 10 * SECOND,
	    0, "time without a stanza before a stream is closed"),
	ROW("write-timeout", OPTION_DURATION, write_timeout, "60s", 0, 0,
	    "time that a server takes nothing of what waits for it"),
	ROW("queue-stanzas", OPTION_NUMBER, queue_stanzas, "1000", 1, 0,
	    "stanzas that wait for one remote domain"),
	ROW("queue-bytes", OPTION_SIZE, queue_bytes, "4M", 64 * KILO, 0,
	    "bytes of them"),
	ROW("queue-age", OPTION_DURATION, queue_age, "30s", 1 * SECOND, 0,
	    "time that a stanza waits before it is returned"),
	ROW("retry-first", OPTION_DURATION, retry_first, "2s", 10, 0,
	    "pause after the first failed attempt; it doubles"),
	ROW("retry-max", OPTION_DURATION, retry_max, "5m", 10, 0,
	    "the longest pause"),
	{ .name = NULL }
};

const struct section s2s_section = {
	.name = "s2s",
	.titled = true,
	.size = sizeof(struct s2s_config),
	.options = s2s_rows,
};

static const struct option remote_rows[] = {
	{ .name = "trust", .type = OPTION_CHOICE,
	  .offset = offsetof(struct remote_section, trust),
	  .fallback = "default", .choices = remote_trust,
	  .help = "what it must reach; default: as the section s2s says" },
	REMOTE("local", OPTION_LIST, local, NULL,
	       "our domains that this section is for, or patterns; empty: all"),
	REMOTE("route", OPTION_STRING, route, NULL,
	       "HOST:PORT to connect to instead of asking DNS"),
	REMOTE("route-tls", OPTION_BOOL, route_tls, "no",
	       "direct TLS on that route"),
	REMOTE("route-name", OPTION_STRING, route_name, NULL,
	       "name that the certificate there must have, for a smart host"),
	REMOTE("pins", OPTION_LIST, pins, NULL,
	       "SHA-256 of public keys that are as good as a valid certificate"),
	REMOTE("refuse", OPTION_BOOL, refuse, "no",
	       "no streams with it at all"),
	{ .name = NULL }
};

const struct section remote_section = {
	.name = "remote",
	.titled = true,
	.size = sizeof(struct remote_section),
	.options = remote_rows,
};

const struct section *const s2s_sections[] = { &s2s_section, &remote_section,
					       &domain_section,
					       &access_section, NULL };

/* -- checks --------------------------------------------------------------- */

static bool is_pin(const char *text)
{
	return strlen(text) == PIN_DIGITS &&
	       strspn(text, "0123456789abcdef") == PIN_DIGITS;
}

static int check_remote(const struct remote_section *remote, struct error *err)
{
	for (char **pin = remote->pins; pin && *pin; pin++) {
		if (!is_pin(*pin))
			return error_set(err, "pins: \"%s\" is not 64 "
					 "lower-case hexadecimal digits", *pin);
	}
	if (remote->route && !strrchr(remote->route, ':'))
		return error_set(err, "route: \"%s\" is not HOST:PORT",
				 remote->route);
	if (!remote->route && (remote->route_tls || remote->route_name))
		return error_set(err, "route-tls and route-name need a route");
	return 0;
}

/* Permissive has to be asked for twice. */
static int check_permissive(const struct config *config, struct error *err)
{
	bool allowed = true, wanted = false;
	const struct remote_section *remote;
	const struct s2s_config *s2s;

	for (size_t i = 0; i < config_count(config, "s2s"); i++) {
		s2s = config_get(config, "s2s", i, NULL);
		allowed = allowed && s2s->allow_permissive;
		if (s2s->trust == TRUST_PERMISSIVE && !s2s->allow_permissive)
			wanted = true;
	}
	for (size_t i = 0; i < config_count(config, "remote"); i++) {
		remote = config_get(config, "remote", i, NULL);
		if (remote->trust == TRUST_PERMISSIVE + 1 && !allowed)
			wanted = true;
	}
	if (!wanted)
		return 0;
	return error_set(err, "%s: trust = permissive lets anybody send as "
			 "anybody; if that is meant, say allow-permissive = "
			 "yes in the section s2s", config_path(config));
}

static int check_section(const void *values, struct error *err)
{
	const struct s2s_config *options = values;

	return acceptor_check(&options->acceptor, err);
}

int s2s_config_check(const struct config *config, struct error *err)
{
	const char *title;

	if (config_check_sections(config, "s2s", check_section, err) < 0)
		return -1;
	for (size_t i = 0; i < config_count(config, "remote"); i++) {
		const struct remote_section *remote =
			config_get(config, "remote", i, &title);

		if (check_remote(remote, err) < 0)
			return error_prefix(err, "%s: remote \"%s\"",
					    config_path(config), title);
	}
	if (access_check(config, err) < 0)
		return -1;
	return check_permissive(config, err);
}
