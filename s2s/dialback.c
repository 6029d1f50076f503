/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may say what in dialback, and what is answered.
 */
#include "s2s/dialback.h"

#include <string.h>

#include "s2s/dialback_key.h"
#include "s2s/local.h"
#include "s2s/outgoing.h"
#include "s2s/remote.h"
#include "s2s/trust.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/certificate.h"
#include "util/xmpp/jid.h"

#define KEY_MAX 1024 /* bytes of a peer's key */

/* The two domains of an element, prepared. */
struct ends {
	char *from, *to;
};

static bool read_ends(struct ends *ends, const struct element *element)
{
	const char *from = element_attr(element, "from");
	const char *to = element_attr(element, "to");

	ends->from = from ? jid_prepare_domain(from) : NULL;
	ends->to = to ? jid_prepare_domain(to) : NULL;
	return ends->from && ends->to;
}

static void ends_free(struct ends *ends)
{
	mem_free(ends->from);
	mem_free(ends->to);
}

/* -- writing -------------------------------------------------------------- */

static void add_start(struct buf *out, const char *name, const char *from,
		      const char *to, const char *id)
{
	buf_addf(out, "<db:%s", name);
	buf_add_attr(out, "from", from);
	buf_add_attr(out, "to", to);
	buf_add_attr(out, "id", id);
}

static void send_answer(struct s2s_stream *s, const char *name,
			const char *from, const char *to, const char *id,
			bool valid)
{
	struct buf *out = &s->s2s->out;

	add_start(out, name, from, to, id);
	buf_addf(out, " type='%s'/>", valid ? "valid" : "invalid");
	s2s_stream_flush(s);
}

/* Section 2.5: errors leave the stream as it is. */
static void send_error(struct s2s_stream *s, const char *name,
		       const char *from, const char *to, const char *id,
		       const char *condition, const char *text)
{
	struct buf *out = &s->s2s->out;

	add_start(out, name, from, to, id);
	buf_addf(out,
		 " type='error'><error type='cancel'>"
		 "<%s xmlns='" NS_STANZA_ERRORS "'/>",
		 condition);
	if (text) {
		buf_add_str(out, "<text xmlns='" NS_STANZA_ERRORS "'>");
		buf_add_xml_text(out, text, strlen(text));
		buf_add_str(out, "</text>");
	}
	buf_add_str(out, "</error>");
	buf_addf(out, "</db:%s>", name);
	s2s_stream_flush(s);
}

/* -- initiating ----------------------------------------------------------- */

void s2s_dialback_send_key(struct s2s_stream *s)
{
	struct buf *out = &s->s2s->out;
	char key[DIALBACK_KEY_SIZE];

	dialback_key(key, s->s2s->secret, s->remote, s->local, s->peer_id);
	add_start(out, "result", s->local, s->remote, NULL);
	buf_addf(out, ">%s</db:result>", key);
	s2s_stream_flush(s);
}

/* What an answer of type error, or another one, says. */
static const char *refusal(const struct element *element)
{
	const struct element *error = element_child(element, "error", NULL);
	const struct element *condition;
	const char *text;

	if (!error)
		error = element_child(element, "error", NS_CLIENT);
	if (!error)
		return "it finds the dialback key invalid";
	text = element_child_text(error, "text", NS_STANZA_ERRORS);
	condition = element_first(error);
	if (text && *text)
		return text;
	return condition ? condition->name : "an error";
}

static void result_answered(struct s2s_stream *s,
			    const struct element *element,
			    const struct ends *ends, const char *type)
{
	if (s->incoming || !str_equal(ends->from, s->remote) ||
	    !str_equal(ends->to, s->local))
		return;
	s2s_outgoing_judged(s, str_equal(type, "valid") ? NULL
							: refusal(element));
}

/* -- receiving ------------------------------------------------------------ */

/* What keeps a key from being looked at; NULL: nothing. */
static const char *objection(struct s2s_stream *s, const struct ends *ends,
			     const struct s2s_policy *policy,
			     enum stanza_error *condition)
{
	*condition = STANZA_ITEM_NOT_FOUND;
	if (!s2s_local_is(s->s2s, ends->to))
		return "this domain is not served here";
	*condition = STANZA_NOT_ALLOWED;
	if (s2s_local_is(s->s2s, ends->from))
		return "this domain is served here";
	if (policy->refuse)
		return "this server does not talk to that domain";
	*condition = STANZA_POLICY_VIOLATION;
	if (policy->required >= TRUST_ENCRYPTED && !conn_is_secure(s->conn))
		return "the stream must be encrypted";
	*condition = STANZA_RESOURCE_CONSTRAINT;
	if (s->dialbacks >= (unsigned)s->s2s->config->dialbacks)
		return "too many dialbacks at a time";
	return NULL;
}

static void object(struct s2s_stream *s, const struct ends *ends,
		   enum stanza_error condition, const char *text)
{
	s->s2s->stats.dialbacks_failed++;
	log_notice(s->s2s->log, "dialback.refused", LOG_N("stream", s->serial),
		   LOG_S("local", ends->to), LOG_S("remote", ends->from),
		   LOG_S("reason", text));
	send_error(s, "result", ends->to, ends->from, NULL,
		   stanza_error_condition(condition), text);
}

static void untrusted(struct s2s_stream *s, const struct ends *ends,
		      enum trust reached, const char *why)
{
	char text[TRUST_WHY_MAX + 64];

	s->s2s->stats.untrusted++;
	str_copy(text, sizeof(text), "a valid certificate is required, but ");
	str_copy(text + strlen(text), sizeof(text) - strlen(text), why);
	log_notice(s->s2s->log, "trust.missing", LOG_N("stream", s->serial),
		   LOG_S("direction", "in"), LOG_S("local", ends->to),
		   LOG_S("remote", ends->from),
		   LOG_S("required", trust_names[TRUST_TRUSTED]),
		   LOG_S("reached", trust_names[reached]),
		   LOG_S("reason", why));
	send_error(s, "result", ends->to, ends->from, NULL,
		   stanza_error_condition(STANZA_POLICY_VIOLATION), text);
}

static void accept_key(struct s2s_stream *s, const struct ends *ends,
		       enum trust level, const char *why)
{
	s->s2s->stats.dialbacks_valid++;
	send_answer(s, "result", ends->to, ends->from, NULL, true);
	s2s_stream_grant(s, ends->to, ends->from, level, why);
}

/* Whether DNSSEC may say what the certificate does not: only its answer to the
 * verification tells. */
static bool may_be_announced(const struct s2s_stream *s)
{
	size_t len;

	return s->s2s->config->dns_anchor && conn_is_secure(s->conn) &&
	       conn_peer_certificate(s->conn, &len) != NULL;
}

/* Section 2.1.1, step 1. A certificate that is valid for the domain says more
 * than DNS could: then nobody is asked (XEP-0178 section 3 note). */
static void result_received(struct s2s_stream *s,
			    const struct element *element,
			    const struct ends *ends)
{
	struct s2s_policy policy = s2s_policy(s->s2s, ends->to, ends->from);
	bool secure = conn_is_secure(s->conn);
	char why[TRUST_WHY_MAX];
	enum stanza_error condition;
	const char *text = objection(s, ends, &policy, &condition);

	if (text)
		object(s, ends, condition, text);
	else if (secure && s2s_is_identified(s->s2s, s->conn, &policy, ends->from, NULL, why))
		accept_key(s, ends, TRUST_TRUSTED, NULL);
	else if (policy.required >= TRUST_TRUSTED && !may_be_announced(s))
		untrusted(s, ends, secure ? TRUST_ENCRYPTED : TRUST_VERIFIED,
			  why);
	else if (policy.required == TRUST_PERMISSIVE)
		accept_key(s, ends, TRUST_PERMISSIVE, NULL);
	else {
		s->dialbacks++;
		s2s_remote_verify(s, ends->to, ends->from,
				  element_text(element));
	}
}

void s2s_dialback_send_verifies(struct s2s_remote *remote)
{
	struct s2s_stream *s = remote->stream;
	struct s2s_verify *verify;

	LL_FOREACH(remote->verifies, verify) {
		struct buf *out = &s->s2s->out;

		if (verify->sent)
			continue;
		verify->sent = true;
		add_start(out, "verify", s->local, s->remote, verify->id);
		buf_add_char(out, '>');
		buf_add_xml_text(out, verify->key, strlen(verify->key));
		buf_add_str(out, "</db:verify>");
		s2s_stream_flush(s);
	}
}

static void verify_answered(struct s2s_stream *s,
			    const struct element *element,
			    const struct ends *ends, const char *type)
{
	const char *id = element_attr(element, "id");
	struct s2s_verify *verify;

	if (s->incoming || !s->owner || !str_equal(ends->from, s->remote) ||
	    !str_equal(ends->to, s->local))
		return;
	LL_FOREACH(s->owner->verifies, verify) {
		if (verify->sent && str_equal(verify->id, id))
			break;
	}
	if (verify)
		s2s_remote_verified(
			s->owner, verify, str_equal(type, "valid"),
			str_equal(type, "error")
				? stanza_error_condition(
					  STANZA_REMOTE_SERVER_NOT_FOUND)
				: NULL,
			str_equal(type, "error") ? refusal(element) : NULL);
}

/* Who controls the domain's DNS has confirmed it. Where DNSSEC proved to us
 * who that is, and the incoming stream shows the same key, no more is needed
 * (RFC 7712). */
static enum trust reached(const struct s2s_stream *s,
			  const struct s2s_stream *by)
{
	char pin[CERTIFICATE_PIN_SIZE], other[CERTIFICATE_PIN_SIZE];
	const void *der;
	size_t len;

	if (!conn_is_secure(s->conn))
		return TRUST_VERIFIED;
	der = conn_peer_certificate(s->conn, &len);
	if (!by || by->incoming || by->level < TRUST_TRUSTED || !der ||
	    certificate_pin(der, len, pin) < 0)
		return TRUST_ENCRYPTED;
	der = conn_peer_certificate(by->conn, &len);
	if (!der || certificate_pin(der, len, other) < 0 ||
	    !str_equal(pin, other))
		return TRUST_ENCRYPTED;
	return TRUST_TRUSTED;
}

static void valid_key(struct s2s_stream *s, const struct s2s_remote *remote)
{
	struct ends ends = { .from = remote->remote, .to = remote->local };
	struct s2s_policy policy =
		s2s_policy(s->s2s, remote->local, remote->remote);
	enum trust level = reached(s, remote->stream);
	char why[TRUST_WHY_MAX] = "";

	if (level == TRUST_ENCRYPTED)
		s2s_is_identified(s->s2s, s->conn, &policy, remote->remote, NULL, why);
	if (level >= policy.required)
		accept_key(s, &ends, level, why);
	else
		untrusted(s, &ends, level,
			  "it shows another one than DNS announces");
}

void s2s_dialback_unverified(struct s2s_stream *s, const char *local,
			     const char *remote, enum stanza_error condition,
			     const char *text)
{
	s->dialbacks--;
	s->s2s->stats.dialbacks_failed++;
	send_error(s, "result", local, remote, NULL,
		   stanza_error_condition(condition), text);
}

void s2s_dialback_verified(struct s2s_remote *remote, uint64_t serial,
			   const char *id, bool valid, const char *condition,
			   const char *text)
{
	struct s2s *s2s = remote->s2s;
	struct s2s_stream *s = s2s_stream_find(s2s, serial);
	const char *answer = condition ? condition : "invalid";

	log_info(s2s->log, "dialback.verified", LOG_N("stream", serial),
		 LOG_S("local", remote->local),
		 LOG_S("remote", remote->remote),
		 LOG_S("answer", valid ? "valid" : answer),
		 LOG_S("reason", text));
	if (!s || !str_equal(s->id, id))
		return;
	s->dialbacks--;
	if (valid) {
		valid_key(s, remote);
	} else if (condition) {
		s2s->stats.dialbacks_failed++;
		send_error(s, "result", remote->local, remote->remote, NULL,
			   condition, text);
	} else {
		/* Section 2.4.2: a forger, or somebody in between. */
		s2s->stats.dialbacks_invalid++;
		send_answer(s, "result", remote->local, remote->remote, NULL,
			    false);
		s2s_stream_fail(s, STREAM_NOT_AUTHORIZED,
				"the dialback key is not valid");
	}
}

/* -- authoritative -------------------------------------------------------- */

static void verify_received(struct s2s_stream *s,
			    const struct element *element,
			    const struct ends *ends)
{
	struct s2s *s2s = s->s2s;
	const char *id = element_attr(element, "id");
	const char *key = element_text(element);
	bool valid;

	if (!id) {
		s2s_stream_fail(s, STREAM_BAD_FORMAT,
				"a dialback key needs the id of its stream");
		return;
	}
	if (!s2s_local_is(s2s, ends->to)) {
		send_error(s, "verify", ends->to, ends->from, id,
			   stanza_error_condition(STANZA_ITEM_NOT_FOUND),
			   "this domain is not served here");
		return;
	}
	valid = dialback_key_is(key, s2s->secret, ends->from, ends->to, id) ||
		(s2s->secret_old && dialback_key_is(key, s2s->secret_old,
						    ends->from, ends->to, id));
	log_info(s2s->log, "dialback.asked", LOG_N("stream", s->serial),
		 LOG_S("local", ends->to), LOG_S("remote", ends->from),
		 LOG_S("answer", valid ? "valid" : "invalid"));
	send_answer(s, "verify", ends->to, ends->from, id, valid);
}

/* -- all ------------------------------------------------------------------ */

void s2s_dialback_element(struct s2s_stream *s, const struct element *element)
{
	const char *type = element_attr(element, "type");
	bool result = str_equal(element->name, "result");
	struct ends ends;

	if (!result && !str_equal(element->name, "verify")) {
		s2s_stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	if (!read_ends(&ends, element))
		s2s_stream_fail(s, STREAM_IMPROPER_ADDRESSING,
				"dialback is from a domain to a domain");
	else if (type && result)
		result_answered(s, element, &ends, type);
	else if (type)
		verify_answered(s, element, &ends, type);
	else if (!s->incoming || s->state != S2S_READY ||
		 strlen(element_text(element)) > KEY_MAX)
		s2s_stream_fail(s, STREAM_NOT_AUTHORIZED,
				"no dialback key is taken here");
	else if (result)
		result_received(s, element, &ends);
	else
		verify_received(s, element, &ends);
	ends_free(&ends);
}
