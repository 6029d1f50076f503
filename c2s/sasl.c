/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL steps between the client and an sm of the domain (RFC 6120 section 6).
 * Nothing here knows a mechanism: the sm does. While it thinks, nothing is
 * read from the client.
 */
#include "c2s/sasl.h"

#include <string.h>

#include "c2s/certificate.h"
#include "c2s/domain.h"
#include "c2s/negotiate.h"
#include "c2s/relay.h"
#include "c2s/session.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"

#define FAILURES_MAX 5	/* section 6.4.5: between two and five */
#define ROUNDS_MAX   12 /* of one exchange */

/* Section 6.5. */
static const char *const conditions[] = {
	"aborted",
	"account-disabled",
	"credentials-expired",
	"encryption-required",
	"incorrect-encoding",
	"invalid-authzid",
	"invalid-mechanism",
	"malformed-request",
	"mechanism-too-weak",
	"not-authorized",
	"temporary-auth-failure",
};

static const char *known_condition(const char *condition)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		if (str_equal(condition, conditions[i]))
			return conditions[i];
	}
	return "not-authorized";
}

/* -- failure -------------------------------------------------------------- */

static enum auth_outcome outcome(const char *condition)
{
	if (str_equal(condition, "temporary-auth-failure"))
		return AUTH_UNAVAILABLE;
	if (str_equal(condition, "aborted"))
		return AUTH_ABORTED;
	return AUTH_FAILURE;
}

static void log_failure(struct stream *s, const char *condition)
{
	char address[ADDRESS_MAX];

	conn_peer_address(s->conn, address);
	log_info(s->c2s->log, "auth.failed", LOG_S("session", s->id),
		 LOG_S("address", address),
		 LOG_N("port", conn_peer_port(s->conn)),
		 LOG_S("domain", s->domain ? s->domain->name : NULL),
		 LOG_S("mechanism", s->negotiation->mechanism),
		 LOG_S("condition", condition));
}

/* Ends the exchange. What is our own fault is not counted against the
 * client. */
static void fail(struct stream *s, const char *condition, const char *text)
{
	struct negotiation *n = s->negotiation;
	struct buf *out = &s->c2s->out;
	enum auth_outcome result = outcome(condition);

	s->c2s->stats.auth[result]++;
	log_failure(s, condition);
	buf_addf(out, "<failure xmlns='" NS_SASL "'><%s/>", condition);
	if (text) {
		buf_add_str(out, "<text xml:lang='en'>");
		buf_add_xml_text(out, text, strlen(text));
		buf_add_str(out, "</text>");
	}
	buf_add_str(out, "</failure>");
	stream_flush_out(s);
	mem_free(n->mechanism);
	n->mechanism = NULL;
	n->rounds = 0;
	if (s->state == STATE_SASL || s->state == STATE_SASL_WAIT)
		stream_set_state(s, STATE_SECURE);
	if (result == AUTH_FAILURE && ++n->failures >= FAILURES_MAX)
		stream_fail(s, STREAM_POLICY_VIOLATION,
			    "too many failed log-ins");
}

/* Our side gives the exchange up: the sm may forget it, too. */
static void give_up(struct stream *s, const char *condition, const char *text)
{
	if (s->state == STATE_SASL && s->negotiation->sm) {
		buf_add_str(&s->c2s->out, "<link:abort/>");
		relay_control(s->c2s, s->negotiation->sm, s->domain->name,
			      s->id);
	}
	fail(s, condition, text);
}

void c2s_sasl_sm_gone(struct stream *s)
{
	fail(s, "temporary-auth-failure", NULL);
}

/* -- from the client ------------------------------------------------------ */

/* The text of an element is base64, "=" for no bytes, or empty. */
static bool is_encoded(const char *text)
{
	struct buf bytes = { 0 };
	bool ok;

	if (str_equal(text, "="))
		return true;
	ok = base64_decode(&bytes, text, strlen(text)) == 0;
	buf_free_secret(&bytes);
	return ok;
}

/* True when the client may speak SASL now, else it was told. */
static bool check_state(struct stream *s)
{
	switch ((enum stream_state)s->state) {
	case STATE_SECURE:
	case STATE_SASL:
		return true;
	case STATE_CLEAR:
		fail(s, "encryption-required", NULL);
		return false;
	default:
		stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, "SASL is over");
		return false;
	}
}

static void add_bindings(struct stream *s, struct buf *out)
{
	unsigned char data[BINDING_MAX];

	for (size_t i = 0; i < 2; i++) {
		int len = conn_channel_binding(
			s->conn, binding_types[i].binding, data, sizeof(data));

		if (len <= 0)
			continue;
		buf_addf(out, "<link:binding type='%s'>",
			 binding_types[i].name);
		base64_encode(out, data, (size_t)len);
		buf_add_str(out, "</link:binding>");
	}
	mem_wipe(data, sizeof(data));
}

/* Sends c2s->out to the sm of this exchange. */
static void ask(struct stream *s)
{
	stream_set_state(s, STATE_SASL_WAIT);
	if (relay_control(s->c2s, s->negotiation->sm, s->domain->name, s->id) ==
	    LINK_NO_ROUTE)
		c2s_sasl_sm_gone(s);
}

static void start(struct stream *s, const char *mechanism, const char *text)
{
	struct buf *out = &s->c2s->out;
	char address[ADDRESS_MAX], cipher[128];

	conn_peer_address(s->conn, address);
	conn_tls_cipher(s->conn, cipher, sizeof(cipher));
	buf_add_str(out, "<link:auth");
	buf_add_attr(out, "domain", s->domain->name);
	buf_add_attr(out, "mechanism", mechanism);
	buf_add_attr(out, "address", address);
	buf_add_attr(out, "tls", conn_tls_version(s->conn));
	buf_add_attr(out, "cipher", cipher);
	buf_add_char(out, '>');
	buf_add_xml_text(out, text, strlen(text));
	if (c2s_domain_offers_plus(s->domain))
		add_bindings(s, out);
	if (c2s_domain_wants_certificate(s->domain, mechanism))
		c2s_certificate_write(s, out);
	buf_add_str(out, "</link:auth>");
	ask(s);
}

/* True unless the mechanism is for clients with a certificate, and this one
 * has none that is good; then it was told. */
static bool check_certificate(struct stream *s, const char *mechanism)
{
	char why[160];

	if (!c2s_domain_wants_certificate(s->domain, mechanism))
		return true;
	switch (c2s_certificate_judge(s, why, sizeof(why))) {
	case CERTIFICATE_GOOD:
		return true;
	case CERTIFICATE_MISSING:
		fail(s, "invalid-mechanism", NULL);
		return false;
	case CERTIFICATE_EXPIRED:
		fail(s, "credentials-expired", why);
		return false;
	case CERTIFICATE_BAD:
		fail(s, "not-authorized", why);
		return false;
	}
	return false;
}

void c2s_sasl_auth(struct stream *s, const struct element *element)
{
	struct negotiation *n = s->negotiation;
	const char *mechanism = element_attr(element, "mechanism");
	const char *text = element_text(element);
	const struct member *sm;

	if (!check_state(s))
		return;
	if (s->state == STATE_SASL) {
		give_up(s, "malformed-request", "a log-in is under way");
		return;
	}
	if (!mechanism || !c2s_domain_offers(s->domain, mechanism,
					     negotiate_has_binding(s))) {
		/* Section 6.5.8, if it is there but not allowed. */
		fail(s, mechanism && c2s_domain_excludes(s->domain, mechanism)
				? "mechanism-too-weak" : "invalid-mechanism",
		     NULL);
		return;
	}
	if (!check_certificate(s, mechanism))
		return;
	n->mechanism = mem_strdup(mechanism);
	if (!is_encoded(text)) {
		fail(s, "incorrect-encoding", NULL);
		return;
	}
	sm = members_pick(link_members(s->c2s->link), s->domain->name, s->id);
	mem_free(n->sm);
	n->sm = sm ? mem_strdup(sm->name) : NULL;
	if (!sm) {
		c2s_sasl_sm_gone(s);
		return;
	}
	start(s, mechanism, text);
}

void c2s_sasl_response(struct stream *s, const struct element *element)
{
	struct buf *out = &s->c2s->out;
	const char *text = element_text(element);

	if (!check_state(s))
		return;
	if (s->state != STATE_SASL) {
		fail(s, "malformed-request", "no log-in is under way");
		return;
	}
	if (!is_encoded(text)) {
		give_up(s, "incorrect-encoding", NULL);
		return;
	}
	if (++s->negotiation->rounds > ROUNDS_MAX) {
		give_up(s, "malformed-request", "too many rounds");
		return;
	}
	buf_add_str(out, "<link:response>");
	buf_add_xml_text(out, text, strlen(text));
	buf_add_str(out, "</link:response>");
	ask(s);
}

void c2s_sasl_abort(struct stream *s, const struct element *element)
{
	(void)element;
	if (!check_state(s))
		return;
	if (s->state == STATE_SASL)
		give_up(s, "aborted", NULL);
	else
		fail(s, "malformed-request", "no log-in is under way");
}

/* -- from the sm ---------------------------------------------------------- */

/* Only the sm that was asked may answer. */
static bool is_answer(const struct stream *s, const struct envelope *envelope)
{
	return s->state == STATE_SASL_WAIT &&
	       str_equal(envelope->from, s->negotiation->sm);
}

static void add_step(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, "<%s xmlns='" NS_SASL "'>", name);
	buf_add_xml_text(out, text, strlen(text));
	buf_addf(out, "</%s>", name);
}

void c2s_sasl_challenge(struct stream *s, const struct envelope *envelope,
			const struct element *element)
{
	if (!is_answer(s, envelope))
		return;
	add_step(&s->c2s->out, "challenge", element_text(element));
	stream_flush_out(s);
	stream_set_state(s, STATE_SASL);
}

void c2s_sasl_failure(struct stream *s, const struct envelope *envelope,
		      const struct element *element)
{
	if (is_answer(s, envelope))
		fail(s, known_condition(element_attr(element, "condition")),
		     element_attr(element, "text"));
}

/* An sm answers for this domain only. */
static bool is_of_domain(const struct stream *s, const char *text,
			 struct jid **jid)
{
	*jid = text ? jid_parse(text) : NULL;
	if (*jid && jid_is_bare(*jid) &&
	    str_equal(jid_domain(*jid), s->domain->name))
		return true;
	jid_free(jid);
	return false;
}

void c2s_sasl_success(struct stream *s, const struct envelope *envelope,
		      const struct element *element)
{
	const char *ticket = element_attr(element, "ticket");
	struct jid *jid;

	if (!is_answer(s, envelope))
		return;
	if (!ticket || !is_of_domain(s, element_attr(element, "jid"), &jid)) {
		log_error(s->c2s->log, "auth.bad-answer",
			  LOG_S("session", s->id), LOG_S("sm", envelope->from));
		fail(s, "temporary-auth-failure", NULL);
		return;
	}
	s->c2s->stats.auth[AUTH_SUCCESS]++;
	c2s_session_new(s, jid_bare(jid), ticket);
	jid_free(&jid);
	add_step(&s->c2s->out, "success", element_text(element));
	stream_flush_out(s);
	/* Section 6.4.6: a new stream, and from here on wider limits. */
	s->frame.limits = &s->c2s->after;
	stream_restart(s);
	stream_set_state(s, STATE_AUTH_HEADER);
}
