/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets come from DNS in the order of RFC 2782. Their addresses are looked
 * up one target after the other, and tried with a short head start each; who
 * answers first wins, and the others are given up.
 */
#include "s2s/connect.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define STAGGER_MS    250 /* RFC 8305 section 5 */
#define TARGETS_MAX   32
#define ADDRESSES_MAX 16
#define DEFAULT_PORT  5269
#define HOST_SIZE     RESOLVER_NAME_MAX
#define WHY_MAX	      200

struct target {
	char host[HOST_SIZE];
	uint16_t port, priority;
	uint32_t weight;
	bool direct;
	bool secure; /* DNSSEC proved that it is one */
	struct s2s_dane *dane;
};

/* One connection that is being made. Lives until its conn is closed. */
struct s2s_attempt {
	struct s2s *s2s;
	struct s2s_connect *connect; /* NULL: given up */
	struct conn *conn;
	bool direct;
	size_t target;
	struct s2s_attempt *prev, *next; /* s2s->attempts */
};

static const struct {
	const char *prefix;
	bool direct;
} services[] = { { "_xmpps-server._tcp.", true },
		 { "_xmpp-server._tcp.", false },
		 { "_jabber._tcp.", false } };

#define SERVICES 3

struct s2s_connect {
	struct s2s *s2s;
	char *domain;
	s2s_connect_cb *cb;
	void *ctx;
	struct resolver_query *srv[SERVICES];
	unsigned srv_waiting;
	bool insecure;	   /* one of these answers was not proved */
	bool none_offered; /* a "." target */
	bool bogus;
	struct target *targets; /* few have many */
	size_t target_count, target; /* the one being looked up or tried */
	struct resolver_query *a, *aaaa, *tlsa;
	char addresses[ADDRESSES_MAX][RESOLVER_ADDRESS_MAX + 10];
	size_t v6_count, v4_count; /* looked up, v6 from the front */
	char v4[ADDRESSES_MAX][RESOLVER_ADDRESS_MAX];
	char v6[ADDRESSES_MAX][RESOLVER_ADDRESS_MAX];
	size_t address_count, address;
	unsigned running; /* attempts */
	struct timer timer;
	struct deferred deferred;
	bool address_insecure; /* one of the answers about the target's */
	char canonical[RESOLVER_NAME_MAX]; /* its name after CNAMEs */
	bool unusable; /* the target, whatever its addresses */
	bool absent;
	char why[WHY_MAX];
};

static void advance(struct s2s_connect *c);

/* -- the end -------------------------------------------------------------- */

static void give_up_attempts(struct s2s_connect *c)
{
	struct s2s_attempt *attempt, *next;

	DL_FOREACH_SAFE(c->s2s->attempts, attempt, next) {
		if (attempt->connect != c)
			continue;
		attempt->connect = NULL;
		conn_abort(attempt->conn, "another one was faster");
	}
	c->running = 0;
}

static void tell_failed(struct s2s_connect *c, bool final)
{
	struct s2s_connected failed = { .why = c->why,
					.absent = c->absent,
					.final = final };

	c->cb(&failed, c->ctx);
}

void s2s_connect_free(struct s2s_connect **connect)
{
	struct s2s_connect *c = *connect;

	*connect = NULL;
	if (!c)
		return;
	for (int i = 0; i < SERVICES; i++)
		resolver_cancel(&c->srv[i]);
	resolver_cancel(&c->a);
	resolver_cancel(&c->aaaa);
	resolver_cancel(&c->tlsa);
	for (size_t i = 0; i < c->target_count; i++)
		s2s_dane_free(&c->targets[i].dane);
	mem_free(c->targets);
	give_up_attempts(c);
	timer_stop(&c->timer);
	loop_defer_cancel(c->s2s->loop, &c->deferred);
	mem_free(c->domain);
	mem_free(c);
}

/* -- attempts ------------------------------------------------------------- */

static void attempt_free(struct s2s_attempt *attempt)
{
	DL_DELETE(attempt->s2s->attempts, attempt);
	mem_free(attempt);
}

static void on_connected(struct conn *conn, void *ctx)
{
	struct s2s_attempt *attempt = ctx;
	struct s2s_connect *c = attempt->connect;
	struct s2s_connected connected = { .conn = conn,
					   .direct = attempt->direct };

	if (!c)
		return;
	connected.dane = c->targets[attempt->target].dane;
	c->targets[attempt->target].dane = NULL;
	attempt_free(attempt);
	timer_stop(&c->timer);
	give_up_attempts(c);
	c->cb(&connected, c->ctx);
}

static void on_data(struct conn *conn, const char *bytes, size_t len, void *ctx)
{
	(void)conn;
	(void)bytes;
	(void)len;
	(void)ctx;
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct s2s_attempt *attempt = ctx;
	struct s2s_connect *c = attempt->connect;

	(void)conn;
	attempt_free(attempt);
	if (!c)
		return;
	c->running--;
	str_copy(c->why, sizeof(c->why), reason ? reason : "it hung up");
	advance(c);
}

static const struct conn_handlers handlers = {
	.connected = on_connected,
	.data = on_data,
	.closed = on_closed,
};

void s2s_attempts_drop(struct s2s *s2s)
{
	struct s2s_attempt *attempt, *next;

	DL_FOREACH_SAFE(s2s->attempts, attempt, next)
		attempt_free(attempt);
}

static void on_timer(struct timer *timer)
{
	advance(container_of(timer, struct s2s_connect, timer));
}

static void try_address(struct s2s_connect *c, const char *address)
{
	struct s2s_attempt *attempt = mem_new(struct s2s_attempt);

	attempt->s2s = c->s2s;
	attempt->connect = c;
	attempt->direct = c->targets[c->target].direct;
	attempt->target = c->target;
	DL_APPEND(c->s2s->attempts, attempt);
	c->running++;
	log_debug(c->s2s->log, "remote.try", LOG_S("domain", c->domain),
		  LOG_S("address", address));
	attempt->conn =
		conn_connect(c->s2s->loop, address, &handlers, attempt);
	timer_start(&c->timer, c->s2s->loop, STAGGER_MS, on_timer);
}

/* -- addresses of a target ------------------------------------------------ */

/* RFC 8305 section 4: families take turns, IPv6 first. */
static void interleave(struct s2s_connect *c)
{
	unsigned port = c->targets[c->target].port;
	size_t i4 = 0, i6 = 0;

	c->address = c->address_count = 0;
	while (c->address_count < ADDRESSES_MAX &&
	       (i6 < c->v6_count || i4 < c->v4_count)) {
		bool v6 = i6 < c->v6_count &&
			  (i6 <= i4 || i4 >= c->v4_count);
		char host[RESOLVER_ADDRESS_MAX];

		str_copy(host, sizeof(host), v6 ? c->v6[i6++] : c->v4[i4++]);
		snprintf(c->addresses[c->address_count++],
			 sizeof(c->addresses[0]), v6 ? "[%s]:%u" : "%s:%u",
			 host, port);
	}
	c->v4_count = c->v6_count = 0;
}

static void addresses_known(struct s2s_connect *c);
static void ask_tlsa(struct s2s_connect *c, const char *host);

static void looked_up(struct s2s_connect *c,
		      const struct resolver_answer *answer, char (*to)[46],
		      size_t *count)
{
	c->address_insecure = c->address_insecure || !answer->secure;
	if (answer->status == RESOLVER_OK) {
		if (answer->name)
			str_copy(c->canonical, sizeof(c->canonical),
				 answer->name);
		for (size_t i = 0;
		     i < answer->count && *count < ADDRESSES_MAX; i++)
			str_copy(to[(*count)++], RESOLVER_ADDRESS_MAX,
				 answer->records[i].address);
	} else if (answer->status == RESOLVER_BOGUS) {
		str_copy(c->why, sizeof(c->why),
			 "DNSSEC finds its addresses forged");
	} else if (*count == 0 && !c->v4_count && !c->v6_count) {
		str_copy(c->why, sizeof(c->why), answer->why);
	}
	if (c->a || c->aaaa)
		return;
	/* RFC 7673 section 3.3: without secure addresses there is no use in
	 * asking; names that aliases lead to come first (RFC 7671 section
	 * 7). */
	if (c->targets[c->target].secure && !c->address_insecure &&
	    (c->v4_count > 0 || c->v6_count > 0))
		ask_tlsa(c, c->canonical[0] ? c->canonical
					    : c->targets[c->target].host);
	else
		addresses_known(c);
}

static void addresses_known(struct s2s_connect *c)
{
	if (c->a || c->aaaa || c->tlsa)
		return;
	if (c->unusable)
		c->v4_count = c->v6_count = 0;
	c->unusable = false;
	interleave(c);
	if (c->address_count == 0)
		c->target++;
	else
		c->absent = false;
	advance(c);
}

static void on_a(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->a = NULL;
	looked_up(c, answer, c->v4, &c->v4_count);
}

static void on_aaaa(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->aaaa = NULL;
	looked_up(c, answer, c->v6, &c->v6_count);
}

/* Whether the target's addresses stand under another name. */
static bool is_alias(const struct s2s_connect *c)
{
	size_t len = strlen(c->canonical);

	if (len > 0 && c->canonical[len - 1] == '.')
		len--;
	return len > 0 && (strlen(c->targets[c->target].host) != len ||
			   strncasecmp(c->canonical,
				       c->targets[c->target].host, len) != 0);
}

/* RFC 7673 section 3.4: when it cannot be known whether there are such
 * records, the server must not be used. */
static void on_tlsa(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->tlsa = NULL;
	if (answer->status == RESOLVER_BOGUS ||
	    answer->status == RESOLVER_FAILED) {
		c->unusable = true;
		str_copy(c->why, sizeof(c->why),
			 answer->status == RESOLVER_BOGUS
				 ? "DNSSEC finds its TLSA records forged"
				 : "its TLSA records cannot be had");
	}
	if (answer->status == RESOLVER_NOT_FOUND && is_alias(c)) {
		c->canonical[0] = '\0';
		ask_tlsa(c, c->targets[c->target].host);
		return;
	}
	c->targets[c->target].dane =
		s2s_dane_new(answer, c->targets[c->target].host);
	addresses_known(c);
}

static void ask_tlsa(struct s2s_connect *c, const char *host)
{
	char *name = mem_printf("_%u._tcp.%s", c->targets[c->target].port,
				host);

	c->tlsa = resolver_ask(c->s2s->resolver, name, RESOLVER_TLSA, on_tlsa,
			       c);
	mem_free(name);
}

static bool is_ipv4(const char *host)
{
	return host[strspn(host, "0123456789.")] == '\0';
}

static void look_up(struct s2s_connect *c)
{
	const char *host = c->targets[c->target].host;

	c->address_insecure = false;
	c->canonical[0] = '\0';
	if (strchr(host, ':')) {
		str_copy(c->v6[c->v6_count++], RESOLVER_ADDRESS_MAX, host);
	} else if (is_ipv4(host)) {
		str_copy(c->v4[c->v4_count++], RESOLVER_ADDRESS_MAX, host);
	} else {
		c->a = resolver_ask(c->s2s->resolver, host, RESOLVER_A, on_a,
				    c);
		c->aaaa = resolver_ask(c->s2s->resolver, host, RESOLVER_AAAA,
				       on_aaaa, c);
		return;
	}
	c->absent = false;
	interleave(c);
	advance(c);
}

/* The next thing to do: an address, a target, or to say that all failed. */
static void advance(struct s2s_connect *c)
{
	timer_stop(&c->timer);
	if (c->a || c->aaaa || c->tlsa || c->srv_waiting > 0)
		return;
	if (c->address < c->address_count) {
		try_address(c, c->addresses[c->address++]);
		if (c->address == c->address_count)
			c->target++;
		return;
	}
	if (c->target < c->target_count) {
		look_up(c);
		return;
	}
	if (c->running == 0)
		tell_failed(c, false);
}

/* -- targets -------------------------------------------------------------- */

static struct target *add_target(struct s2s_connect *c, const char *host,
				 uint16_t port, bool direct)
{
	struct target *target;

	/* Whoever has more than that does not need the last one. */
	if (c->target_count == TARGETS_MAX)
		c->target_count--;
	c->targets = mem_realloc(c->targets, c->target_count + 1,
				 sizeof(*c->targets));
	target = &c->targets[c->target_count++];
	memset(target, 0, sizeof(*target));
	str_copy(target->host, sizeof(target->host), host);
	target->port = port;
	target->direct = direct;
	return target;
}

static void swap(struct target *a, struct target *b)
{
	struct target held = *a;

	*a = *b;
	*b = held;
}

/* RFC 2782: by priority, and among equals drawn by weight. */
static void sort_targets(struct s2s_connect *c)
{
	for (size_t i = 0; i < c->target_count; i++) {
		uint64_t total = 0, drawn;
		size_t chosen = i;
		unsigned lowest = c->targets[i].priority;

		for (size_t j = i; j < c->target_count; j++) {
			if (c->targets[j].priority < lowest)
				lowest = c->targets[j].priority;
		}
		for (size_t j = i; j < c->target_count; j++) {
			if (c->targets[j].priority == lowest)
				total += c->targets[j].weight + 1;
		}
		loop_random(c->s2s->loop, &drawn, sizeof(drawn));
		drawn %= total;
		for (size_t j = i; j < c->target_count; j++) {
			if (c->targets[j].priority != lowest)
				continue;
			chosen = j;
			if (drawn <= c->targets[j].weight)
				break;
			drawn -= c->targets[j].weight + 1;
		}
		swap(&c->targets[i], &c->targets[chosen]);
	}
}

static void targets_known(struct s2s_connect *c)
{
	if (c->bogus) {
		c->target_count = 0;
		tell_failed(c, true);
		return;
	}
	if (c->target_count == 0 && c->none_offered) {
		c->absent = true;
		str_copy(c->why, sizeof(c->why),
			 "it says in DNS that it offers no XMPP");
		tell_failed(c, true);
		return;
	}
	if (c->target_count == 0) {
		c->absent = true;
		add_target(c, c->domain, DEFAULT_PORT, false)->secure =
			!c->insecure;
	}
	sort_targets(c);
	advance(c);
}

static void on_srv(struct s2s_connect *c, const struct resolver_answer *answer,
		   bool direct)
{
	c->srv_waiting--;
	c->insecure = c->insecure || !answer->secure;
	if (answer->status == RESOLVER_BOGUS) {
		c->bogus = true;
		snprintf(c->why, sizeof(c->why),
			 "DNSSEC finds its DNS records forged: %.100s",
			 answer->why);
	}
	for (size_t i = 0; answer->status == RESOLVER_OK && i < answer->count;
	     i++) {
		const struct resolver_record *record = &answer->records[i];
		struct target *target;

		if (!record->srv.target[0]) {
			c->none_offered = true;
			continue;
		}
		target = add_target(c, record->srv.target, record->srv.port,
				    direct);
		target->priority = record->srv.priority;
		target->weight = record->srv.weight;
		target->secure = answer->secure;
	}
	if (c->srv_waiting == 0)
		targets_known(c);
}

static void on_srv_tls(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->srv[0] = NULL;
	on_srv(c, answer, services[0].direct);
}

static void on_srv_plain(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->srv[1] = NULL;
	on_srv(c, answer, services[1].direct);
}

static void on_srv_jabber(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_connect *c = ctx;

	c->srv[2] = NULL;
	on_srv(c, answer, services[2].direct);
}

static void ask_srv(struct s2s_connect *c)
{
	static resolver_cb *const callbacks[SERVICES] = {
		on_srv_tls, on_srv_plain, on_srv_jabber
	};
	int count = c->s2s->config->dns_srv_jabber ? SERVICES : SERVICES - 1;

	for (int i = 0; i < count; i++) {
		char *name = mem_printf("%s%s", services[i].prefix, c->domain);

		c->srv[i] = resolver_ask(c->s2s->resolver, name, RESOLVER_SRV,
					 callbacks[i], c);
		c->srv_waiting++;
		mem_free(name);
	}
}

/* "HOST:PORT", "[IPv6]:PORT" */
static void use_route(struct s2s_connect *c, const char *route, bool tls)
{
	const char *colon = strrchr(route, ':');
	char host[HOST_SIZE];
	uint64_t port = DEFAULT_PORT;
	size_t len;

	if (colon)
		str_to_u64(colon + 1, 1, UINT16_MAX, &port);
	len = colon ? (size_t)(colon - route) : strlen(route);
	if (len > 1 && route[0] == '[') {
		route++;
		len -= 2;
	}
	if (len >= sizeof(host))
		len = sizeof(host) - 1;
	memcpy(host, route, len);
	host[len] = '\0';
	add_target(c, host, (uint16_t)port, tls);
}

static void on_deferred(struct deferred *deferred)
{
	advance(container_of(deferred, struct s2s_connect, deferred));
}

struct s2s_connect *s2s_connect_start(struct s2s *s2s, const char *domain,
				      const char *route, bool route_tls,
				      s2s_connect_cb *cb, void *ctx)
{
	struct s2s_connect *c = mem_new(struct s2s_connect);

	c->s2s = s2s;
	c->domain = mem_strdup(domain);
	c->cb = cb;
	c->ctx = ctx;
	if (route) {
		use_route(c, route, route_tls);
	} else if (strchr(domain, ':') || is_ipv4(domain)) {
		add_target(c, domain, DEFAULT_PORT, false);
	} else {
		ask_srv(c);
		return c;
	}
	loop_defer(s2s->loop, &c->deferred, on_deferred);
	return c;
}

void s2s_connect_next(struct s2s_connect *c)
{
	loop_defer(c->s2s->loop, &c->deferred, on_deferred);
}
