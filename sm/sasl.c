/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL exchanges (RFC 6120 section 6): their order, their limits, how they
 * end. What the messages mean is up to the mechanisms.
 */
#include "sm/sasl.h"

#include <string.h>

#include "sm/exchange.h"
#include "sm/kerberos.h"
#include "sm/throttle.h"
#include "sm/ticket.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define EXCHANGES_MAX 10000
#define EXCHANGE_LIFE 60000 /* ms */
#define MESSAGE_MAX 8192    /* bytes of one message of a client */
#define THROTTLE_ENTRIES 20000

int sasl_start(struct sm *sm, struct error *err)
{
	sm->sasl = scram_library_new(err);
	if (sm->sasl == NULL)
		return -1;
	sm->throttle = throttle_new(THROTTLE_ENTRIES);
	return 0;
}

size_t sasl_exchange_count(const struct sm *sm)
{
	return HASH_COUNT(sm->exchanges);
}

static struct throttle_limits limits_of(const struct sm *sm)
{
	return (struct throttle_limits){
		.failures = (uint64_t)sm->options->auth_failures,
		.window = (uint64_t)sm->options->auth_window,
	};
}

/* -- the end of an exchange ------------------------------------------------ */

void exchange_bury(struct exchange *exchange)
{
	if (exchange->gsasl != NULL)
		gsasl_finish(exchange->gsasl);
	if (exchange->mechanism->release != NULL)
		exchange->mechanism->release(exchange);
	mem_free(exchange->principal);
	buf_free(&exchange->output);
	mem_free(exchange->id);
	mem_free(exchange->c2s);
	mem_free(exchange->address);
	mem_free(exchange->tls);
	mem_free(exchange->binding_exporter);
	mem_free(exchange->binding_unique);
	mem_free(exchange->name);
	mem_free(exchange->bare);
	mem_free_secret(exchange->password);
	buf_free_secret(&exchange->first);
	mem_free(exchange);
}

/* Forgets it; the memory goes when nobody calls back any more. */
static void exchange_end(struct exchange *exchange)
{
	HASH_DEL(exchange->sm->exchanges, exchange);
	timer_stop(&exchange->timer);
	exchange->dead = true;
	if (exchange->request != NULL)
		auth_cancel(exchange->request);
	else
		exchange_bury(exchange);
}

static void send_control(struct exchange *exchange, struct stanza *control)
{
	sm_send_control(exchange->sm, exchange->c2s, exchange->id, control);
	stanza_free(&control);
}

static void send_failure(struct sm *sm, const char *c2s, const char *id,
			 const char *condition, const char *text)
{
	struct stanza *control = sm_control_new("failure");

	element_set_attr(control->root, "condition", condition);
	element_set_attr(control->root, "text", text);
	sm_send_control(sm, c2s, id, control);
	stanza_free(&control);
}

/* Guesses have an event of their own, which tools can count. */
static void log_failure(const struct exchange *exchange,
			enum failure_kind kind, const char *condition,
			const char *reason)
{
	const char *event = kind == FAILURE_COUNTED ? "auth.failure"
						    : "auth.refused";

	log_info(exchange->sm->log, event,
		 LOG_S("session", exchange->id), LOG_S("jid", exchange->bare),
		 LOG_S("domain", exchange->domain->name),
		 LOG_S("principal", exchange->principal),
		 LOG_S("address", exchange->address),
		 LOG_S("mechanism", exchange->mechanism->name),
		 LOG_S("condition", condition), LOG_S("reason", reason));
}

static void delay_over(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 timer);

	send_failure(exchange->sm, exchange->c2s, exchange->id,
		     exchange->condition, NULL);
	exchange_end(exchange);
}

void exchange_fail(struct exchange *exchange, enum failure_kind kind,
		   const char *condition, const char *text)
{
	struct sm *sm = exchange->sm;
	struct throttle_limits limits = limits_of(sm);
	uint64_t delay;

	log_failure(exchange, kind, condition, text);
	if (str_equal(condition, "temporary-auth-failure"))
		sm->stats.auth_unavailable++;
	else
		sm->stats.auth_failure++;
	if (kind == FAILURE_FREE) {
		send_failure(sm, exchange->c2s, exchange->id, condition, text);
		exchange_end(exchange);
		return;
	}
	delay = throttle_failed(sm->throttle, &limits, exchange->bare,
				exchange->address, loop_now(sm->loop));
	exchange->state = EXCHANGE_FAILING;
	exchange->condition = condition;
	timer_start(&exchange->timer, sm->loop, delay, delay_over);
}

void exchange_unavailable(struct exchange *exchange,
			  const struct auth_result *result)
{
	log_warning(exchange->sm->log, "auth.unavailable",
		    LOG_S("session", exchange->id),
		    LOG_S("domain", exchange->domain->name),
		    LOG_S("status", storage_status_text(result->status)),
		    LOG_S("reason",
			  *result->reason != '\0' ? result->reason : NULL));
	exchange_fail(exchange, FAILURE_FREE, "temporary-auth-failure", NULL);
}

void exchange_succeed(struct exchange *exchange, const char *bytes, size_t len)
{
	struct sm *sm = exchange->sm;
	struct stanza *control = sm_control_new("success");
	struct ticket_facts facts = { .c2s = exchange->c2s,
				      .session = exchange->id,
				      .jid = exchange->bare };
	char *ticket = ticket_new(sm->ticket_secret, &facts,
				  loop_time_us(sm->loop));
	struct buf text = { .len = 0 };

	sm->stats.auth_success++;
	log_info(sm->log, "auth.success", LOG_S("session", exchange->id),
		 LOG_S("jid", exchange->bare),
		 LOG_S("principal", exchange->principal),
		 LOG_S("address", exchange->address),
		 LOG_S("mechanism", exchange->mechanism->name));
	throttle_succeeded(sm->throttle, exchange->bare, exchange->address,
			   loop_now(sm->loop));
	element_set_attr(control->root, "jid", exchange->bare);
	element_set_attr(control->root, "ticket", ticket);
	mem_free_secret(ticket);
	if (len > 0) {
		base64_encode(&text, bytes, len);
		element_add_text(control->root, buf_data(&text));
		buf_free(&text);
	}
	send_control(exchange, control);
	exchange_end(exchange);
}

void exchange_challenge(struct exchange *exchange, const char *bytes,
			size_t len)
{
	struct stanza *control = sm_control_new("challenge");
	struct buf text = { .len = 0 };

	if (len > 0) {
		base64_encode(&text, bytes, len);
		element_add_text(control->root, buf_data(&text));
		buf_free(&text);
	}
	exchange->state = EXCHANGE_ANSWER;
	send_control(exchange, control);
}

/* -- who it is ------------------------------------------------------------- */

/* RFC 6120 section 6.3.8: we let nobody act for somebody else. */
static bool authzid_is_own(const struct exchange *exchange,
			   const char *authzid)
{
	struct jid *jid;
	bool own;

	if (authzid == NULL || *authzid == '\0')
		return true;
	jid = jid_parse(authzid);
	own = jid != NULL && jid_is_bare(jid) &&
	      str_equal(jid_full(jid), exchange->bare);
	jid_free(&jid);
	return own;
}

int exchange_identify(struct exchange *exchange, const char *name,
		      const char *authzid)
{
	struct sm *sm = exchange->sm;
	struct throttle_limits limits = limits_of(sm);
	struct jid *jid = jid_new(name, exchange->domain->name, NULL);

	exchange->name = mem_strdup(name);
	exchange->bare = jid != NULL ? mem_strdup(jid_full(jid)) : NULL;
	jid_free(&jid);
	if (!authzid_is_own(exchange, authzid)) {
		exchange_fail(exchange, FAILURE_FREE, "invalid-authzid", NULL);
		return -1;
	}
	if (throttle_refuses(sm->throttle, &limits, exchange->bare,
			     exchange->address, loop_now(sm->loop))) {
		sm->stats.auth_throttled++;
		exchange_fail(exchange, FAILURE_FREE, "temporary-auth-failure",
			      "too many failed log-ins, try again later");
		return -1;
	}
	return 0;
}

/* -- messages of the client ------------------------------------------------ */

/* Decodes the text of an element; -1: it is not base64. The bytes are followed
 * by a NUL. */
static int decode(struct buf *to, const char *text, size_t max)
{
	if (str_equal(text, "="))
		return 0;
	if (strlen(text) > 2 * max)
		return -1;
	return base64_decode(to, text, strlen(text));
}

static void exchange_message(struct exchange *exchange, const char *text)
{
	const struct sasl_mechanism *mechanism = exchange->mechanism;
	bool first = exchange->state == EXCHANGE_FIRST;
	size_t max = mechanism->message_max > 0 ? mechanism->message_max
						: MESSAGE_MAX;
	struct buf bytes = { .len = 0 };

	exchange->state = EXCHANGE_BUSY;
	exchange->rounds++;
	if (exchange->rounds > (unsigned)exchange->sm->options->auth_rounds)
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "too many rounds");
	else if (decode(&bytes, text, max) != 0)
		exchange_fail(exchange, FAILURE_FREE, "incorrect-encoding",
			      NULL);
	else if (bytes.len > max)
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
	else if (first)
		mechanism->first(exchange, buf_data(&bytes), bytes.len);
	else if (mechanism->next != NULL)
		mechanism->next(exchange, buf_data(&bytes), bytes.len);
	else
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
	buf_free_secret(&bytes);
}

static void life_over(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 timer);

	exchange_fail(exchange, FAILURE_FREE, "temporary-auth-failure",
		      "the log-in took too long");
}

static void read_bindings(struct exchange *exchange,
			  const struct element *element)
{
	const struct element *binding =
		element_child(element, "binding", NS_LINK);

	for (; binding != NULL; binding = element_next_same(binding)) {
		const char *type = element_attr(binding, "type");
		char **to = NULL;

		if (str_equal(type, "tls-exporter"))
			to = &exchange->binding_exporter;
		else if (str_equal(type, "tls-unique"))
			to = &exchange->binding_unique;
		if (to == NULL || *to != NULL)
			continue;
		*to = mem_strdup(element_text(binding));
	}
}

/* Why this mechanism cannot be used here; NULL: it can. */
static const char *mechanism_problem(const struct exchange *exchange)
{
	const struct sasl_mechanism *mechanism = exchange->mechanism;

	if (sasl_mechanism_excluded(exchange->domain, mechanism))
		return "mechanism-too-weak";
	if (!sasl_mechanism_offered(exchange->domain, mechanism))
		return "invalid-mechanism";
	if (mechanism->needs_tls && exchange->tls == NULL)
		return "encryption-required";
	if (mechanism->plus && exchange->binding_exporter == NULL &&
	    exchange->binding_unique == NULL)
		return "invalid-mechanism";
	return NULL;
}

static void sasl_auth(struct sm *sm, const struct envelope *envelope,
		      const struct element *element)
{
	const struct sasl_mechanism *mechanism =
		sasl_mechanism_find(element_attr(element, "mechanism"));
	struct sm_domain *domain =
		sm_domain(sm, element_attr(element, "domain"));
	const char *text = element_text(element), *problem;
	struct exchange *exchange;

	if (domain == NULL || mechanism == NULL ||
	    HASH_COUNT(sm->exchanges) >= EXCHANGES_MAX) {
		send_failure(sm, envelope->from, envelope->session,
			     domain != NULL && mechanism == NULL ?
				     "invalid-mechanism" :
				     "temporary-auth-failure", NULL);
		return;
	}
	exchange = mem_new(struct exchange);
	exchange->sm = sm;
	exchange->domain = domain;
	exchange->mechanism = mechanism;
	exchange->id = mem_strdup(envelope->session);
	exchange->c2s = mem_strdup(envelope->from);
	exchange->address = mem_strdup(element_attr(element, "address"));
	exchange->tls = mem_strdup(element_attr(element, "tls"));
	read_bindings(exchange, element);
	if (mechanism->start != NULL)
		mechanism->start(exchange, element);
	HASH_ADD_KEYPTR(hh, sm->exchanges, exchange->id, strlen(exchange->id),
			exchange);
	timer_start(&exchange->timer, sm->loop, EXCHANGE_LIFE, life_over);
	problem = mechanism_problem(exchange);
	if (problem != NULL) {
		exchange_fail(exchange, FAILURE_FREE, problem, NULL);
	} else if (*text == '\0') {
		/* All our mechanisms are client-first: an empty challenge
		 * asks for what did not come with <auth/>. */
		exchange_challenge(exchange, NULL, 0);
		exchange->state = EXCHANGE_FIRST;
	} else {
		exchange_message(exchange, text);
	}
}

bool sasl_is_control(const char *name)
{
	return str_equal(name, "auth") || str_equal(name, "response") ||
	       str_equal(name, "abort") || str_equal(name, "mechanisms");
}

void sasl_control(struct sm *sm, const struct envelope *envelope,
		  const struct stanza *control)
{
	const struct element *element = control->root;
	struct exchange *exchange = NULL;
	struct sm_domain *domain;

	if (str_equal(element->name, "mechanisms")) {
		domain = sm_domain(sm, element_attr(element, "domain"));
		if (domain != NULL)
			sasl_mechanisms_asked(sm, domain, envelope->from);
		return;
	}
	if (envelope->session == NULL)
		return;
	HASH_FIND_STR(sm->exchanges, envelope->session, exchange);
	if (exchange != NULL && !str_equal(exchange->c2s, envelope->from)) {
		log_warning(sm->log, "auth.foreign", LOG_S("session", exchange->id),
			    LOG_S("from", envelope->from));
		return;
	}
	/* An abort is not answered: the client's next attempt may be on its
	 * way already, and the answer would be taken for that one's. */
	if (str_equal(element->name, "abort") ||
	    str_equal(element->name, "auth")) {
		if (exchange != NULL)
			exchange_end(exchange);
		if (str_equal(element->name, "auth"))
			sasl_auth(sm, envelope, element);
	} else if (exchange == NULL) {
		send_failure(sm, envelope->from, envelope->session,
			     "malformed-request", NULL);
	} else if (exchange->state == EXCHANGE_FIRST ||
		   exchange->state == EXCHANGE_ANSWER) {
		exchange_message(exchange, element_text(element));
	}
}

/* -- from outside ---------------------------------------------------------- */

void sasl_domain_changed(struct sm *sm, const struct sm_domain *domain)
{
	struct exchange *exchange, *next;

	HASH_ITER(hh, sm->exchanges, exchange, next) {
		if (exchange->domain == domain)
			exchange_fail(exchange, FAILURE_FREE,
				      "temporary-auth-failure", NULL);
	}
}

void sasl_stop(struct sm *sm)
{
	struct exchange *exchange, *next;

	HASH_ITER(hh, sm->exchanges, exchange, next)
		exchange_end(exchange);
}

void sasl_free(struct sm *sm)
{
	scram_library_free(&sm->sasl);
	throttle_free(&sm->throttle);
	kerberos_pool_free(&sm->kerberos);
}
