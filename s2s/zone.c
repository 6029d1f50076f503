/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of our side, from what runs: the ports that are listened on, the
 * certificates that are loaded.
 */
#include "s2s/zone.h"

#include <stdio.h>
#include <string.h>

#include "s2s/local.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define VALUE_MAX 700
#define POSH_SECONDS 86400

/* -- what is needed ------------------------------------------------------- */

struct zone {
	struct s2s *s2s;
	struct command_call *call;
	char *domain, *host; /* as DNS has them */
	const char *pin;
};

static void record(const struct zone *zone, const char *name, const char *type,
		   const char *value)
{
	command_row(zone->call, "name", name, "type", type, "value", value,
		    NULL);
}

static void add_port(const char *address, bool direct, unsigned port,
		     void *ctx)
{
	const struct zone *zone = ctx;
	char *name = mem_printf("_%s._tcp.%s.",
				direct ? "xmpps-server" : "xmpp-server",
				zone->domain);
	char *value = mem_printf("%u 5 %u %s.", direct ? 0 : 1, port,
				 zone->host);
	char *tlsa = mem_printf("_%u._tcp.%s.", port, zone->host);
	char *announced = mem_printf("3 1 1 %s", zone->pin);

	(void)address;
	record(zone, name, "SRV", value);
	record(zone, tlsa, "TLSA", announced);
	mem_free(name);
	mem_free(value);
	mem_free(tlsa);
	mem_free(announced);
}

static void add_posh(const struct zone *zone, const char *fingerprint)
{
	char *name = mem_printf("https://%s/.well-known/posh/xmpp-server.json",
				zone->domain);
	char *value = mem_printf("{\"fingerprints\":[{\"sha-256\":\"%s\"}],"
				 "\"expires\":%d}", fingerprint, POSH_SECONDS);

	record(zone, name, "POSH", value);
	mem_free(name);
	mem_free(value);
}

struct asked {
	struct s2s *s2s;
	struct command_call *call;
	const char *domain, *host; /* NULL: all; the domain */
	unsigned found;
};

static void add_domain(const char *domain, const char *pin,
		       const char *fingerprint, void *ctx)
{
	struct asked *asked = ctx;
	struct zone zone = { .s2s = asked->s2s, .call = asked->call,
			     .pin = pin };

	if (asked->domain && !str_equal_nocase(asked->domain, domain))
		return;
	zone.domain = resolver_ascii(domain);
	if (!zone.domain)
		return;
	zone.host = mem_strdup(asked->host ? asked->host : zone.domain);
	asked->found++;
	acceptor_each(asked->s2s->acceptor, add_port, &zone);
	add_posh(&zone, fingerprint);
	mem_free(zone.domain);
	mem_free(zone.host);
}

void s2s_zone(struct command_call *call, void *ctx)
{
	struct asked asked = { .s2s = ctx,
			       .call = call,
			       .domain = command_argument(call, "domain"),
			       .host = command_argument(call, "host") };

	s2s_locals_each(asked.s2s, add_domain, &asked);
	if (asked.found > 0)
		command_finish(call, "ok", NULL);
	else
		command_finish(call, "not-found",
			       "it has no certificate for this domain");
}

/* -- what is there -------------------------------------------------------- */

struct s2s_zone_check {
	struct s2s *s2s;
	struct command_call *call;
	struct resolver_query *query;
	enum resolver_type type;
	struct s2s_zone_check *prev, *next;
};

static void write_record(const struct resolver_record *record,
			 enum resolver_type type, char to[VALUE_MAX])
{
	char hex[2 * DIGEST_MAX + 1];
	size_t len = record->tlsa.len;

	if (type == RESOLVER_SRV) {
		snprintf(to, VALUE_MAX, "%u %u %u %s.", record->srv.priority,
			 record->srv.weight, record->srv.port,
			 record->srv.target);
		return;
	}
	if (len > DIGEST_MAX)
		len = DIGEST_MAX;
	hex_encode(hex, record->tlsa.data, len);
	snprintf(to, VALUE_MAX, "%u %u %u %s", record->tlsa.usage,
		 record->tlsa.selector, record->tlsa.matching, hex);
}

/* Of SRV records the port counts: priorities, weights and hosts are the
 * administrator's. */
static bool is_same(enum resolver_type type, const char *wanted,
		    const char *found)
{
	unsigned want = 0, have = 0;

	if (type != RESOLVER_SRV)
		return str_equal_nocase(wanted, found);
	return sscanf(wanted, "%*u %*u %u", &want) == 1 &&
	       sscanf(found, "%*u %*u %u", &have) == 1 && want == have;
}

static void answer(struct s2s_zone_check *check, const char *state,
		   const char *found, const char *note)
{
	struct command_call *call = check->call;

	command_row(call, "name", command_argument(call, "name"), "type",
		    command_argument(call, "type"), "value",
		    command_argument(call, "value"), "state", state, "found",
		    found, "note", note, NULL);
	command_finish(call, "ok", NULL);
	DL_DELETE(check->s2s->zone_checks, check);
	mem_free(check);
}

static void on_answer(const struct resolver_answer *result, void *ctx)
{
	struct s2s_zone_check *check = ctx;
	const char *wanted = command_argument(check->call, "value");
	const char *note = result->secure ? NULL : "not proved by DNSSEC";
	char found[VALUE_MAX] = "";

	check->query = NULL;
	if (result->status == RESOLVER_NOT_FOUND) {
		answer(check, "missing", NULL, result->why);
		return;
	}
	if (result->status != RESOLVER_OK) {
		answer(check, "failed", NULL, result->why);
		return;
	}
	for (size_t i = 0; i < result->count; i++) {
		write_record(&result->records[i], check->type, found);
		if (is_same(check->type, wanted, found)) {
			answer(check, "ok", found, note);
			return;
		}
	}
	answer(check, "different", found, note);
}

void s2s_zone_check(struct command_call *call, void *ctx)
{
	struct s2s *s2s = ctx;
	const char *name = command_argument(call, "name");
	const char *type = command_argument(call, "type");
	struct s2s_zone_check *check;

	if (!name || !type || !command_argument(call, "value")) {
		command_finish(call, "invalid",
			       "name, type and value are needed");
		return;
	}
	check = mem_new(struct s2s_zone_check);
	check->s2s = s2s;
	check->call = call;
	check->type = str_equal(type, "SRV") ? RESOLVER_SRV : RESOLVER_TLSA;
	DL_APPEND(s2s->zone_checks, check);
	if (str_equal(type, "SRV") || str_equal(type, "TLSA"))
		check->query = resolver_ask(s2s->resolver, name, check->type,
					    on_answer, check);
	else
		answer(check, "unchecked", NULL, "it is not in DNS");
}

void s2s_zone_stop(struct s2s *s2s)
{
	while (s2s->zone_checks) {
		struct s2s_zone_check *check = s2s->zone_checks;

		resolver_cancel(&check->query);
		answer(check, "failed", NULL, "the s2s ends");
	}
}
