/* SPDX-License-Identifier: Apache-2.0
 *
 * What another server may do on a stream that it opened.
 */
#include "s2s/incoming.h"

#include <string.h>

#include "s2s/dialback.h"
#include "s2s/local.h"
#include "s2s/management.h"
#include "s2s/posh.h"
#include "s2s/relay.h"
#include "s2s/remote.h"
#include "s2s/trust.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

/* -- header and features -------------------------------------------------- */

/* Whether EXTERNAL would succeed for the domain that the header is from: it is
 * offered then and only then (XEP-0178 section 3, step 8). */
static bool is_identified(const struct s2s_stream *s)
{
	struct s2s_policy policy;
	char why[TRUST_WHY_MAX];

	if (!s->remote || !s->local || !conn_is_secure(s->conn))
		return false;
	policy = s2s_policy(s->s2s, s->local, s->remote);
	return !policy.refuse &&
	       s2s_is_identified(s->s2s, s->conn, &policy, s->remote, NULL, why);
}

static bool needs_tls(const struct s2s_stream *s)
{
	return s->local && s->remote &&
	       s2s_policy(s->s2s, s->local, s->remote).required >=
		       TRUST_ENCRYPTED;
}

static bool needs_trust(const struct s2s_stream *s)
{
	return s2s_policy(s->s2s, s->local, s->remote).required ==
	       TRUST_TRUSTED;
}

static void add_starttls(const struct s2s_stream *s, struct buf *out)
{
	buf_add_str(out, "<starttls xmlns='" NS_TLS "'>");
	if (needs_tls(s))
		buf_add_str(out, "<required/>");
	buf_add_str(out, "</starttls>");
}

static void send_features(struct s2s_stream *s)
{
	struct buf *out = &s->s2s->out;

	buf_add_str(out, "<stream:features>");
	if (!conn_is_secure(s->conn))
		add_starttls(s, out);
	if (!s->external && is_identified(s)) {
		buf_add_str(out, "<mechanisms xmlns='" NS_SASL "'>"
				 "<mechanism>EXTERNAL</mechanism>"
				 "</mechanisms>");
		if (s->s2s->config->bidi)
			buf_add_str(out, "<bidi xmlns='" NS_BIDI_FEATURE "'/>");
	}
	buf_add_str(out, "<dialback xmlns='" NS_DIALBACK_FEATURE "'>"
			 "<errors/></dialback>");
	if (conn_is_secure(s->conn) || !needs_tls(s))
		s2s_management_offer(s, out);
	buf_addf(out,
		 "<limits xmlns='" NS_STREAM_LIMITS "'>"
		 "<max-bytes>%zu</max-bytes></limits>",
		 s->frame.limits->bytes);
	buf_add_str(out, "</stream:features>");
	s2s_stream_flush(s);
}

/* Who the stream is from and to. Neither is proved. */
static void set_ends(struct s2s_stream *s, const char *from, const char *to)
{
	mem_free(s->remote);
	mem_free(s->local);
	s->remote = from ? jid_prepare_domain(from) : NULL;
	s->local = to ? jid_prepare_domain(to) : NULL;
}

static bool check_ends(struct s2s_stream *s, const char *from, const char *to)
{
	struct s2s_policy policy;

	if (s->s2s->stopping)
		s2s_stream_fail(s, STREAM_SYSTEM_SHUTDOWN, NULL);
	else if (to && (!s->local || !s2s_local_is(s->s2s, s->local)))
		s2s_stream_fail(s, STREAM_HOST_UNKNOWN, NULL);
	else if (from && !s->remote)
		s2s_stream_fail(s, STREAM_INVALID_FROM, NULL);
	else if (s->remote && s2s_local_is(s->s2s, s->remote))
		s2s_stream_fail(s, STREAM_INVALID_FROM,
				"this domain is served here");
	else if (s->external && (!s->remote || !s->local ||
				 !s2s_stream_granted(s, s->local, s->remote)))
		s2s_stream_fail(s, STREAM_INVALID_FROM,
				"another domain was authenticated");
	else {
		policy = s2s_policy(s->s2s, s->local ? s->local : "",
				    s->remote ? s->remote : "");
		if (!policy.refuse)
			return true;
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"this server does not talk to that domain");
	}
	return false;
}

/* Whether its domain may say of the certificate what that itself does not. */
static bool may_be_announced(const struct s2s_stream *s)
{
	return !s->legacy && !s->external && s->local && s->remote &&
	       conn_is_secure(s->conn) && needs_trust(s) &&
	       !is_identified(s) &&
	       s2s_posh_is_wanted(s->s2s, s->conn, s->remote);
}

void s2s_incoming_header(struct s2s_stream *s, const struct element *header)
{
	const char *from = element_attr(header, "from");
	const char *to = element_attr(header, "to");
	const char *version = element_attr(header, "version");

	set_ends(s, from, to);
	s2s_stream_header(s,
			  s->local && s2s_local_is(s->s2s, s->local) ? s->local
								     : NULL,
			  s->remote);
	if (!check_ends(s, from, to))
		return;
	s->legacy = version == NULL;
	if (may_be_announced(s)) {
		s2s_stream_set_state(s, S2S_JUDGE);
		s2s_posh_ask(s->s2s, s->remote, s->serial);
	} else {
		s2s_incoming_judged(s);
	}
}

void s2s_incoming_judged(struct s2s_stream *s)
{
	if (!s->legacy)
		send_features(s);
	s2s_stream_set_state(s, S2S_READY);
	if (s->external)
		s2s_remote_encouraged(s->s2s, s->local, s->remote, s);
}

/* -- STARTTLS ------------------------------------------------------------- */

static void take_starttls(struct s2s_stream *s, const struct element *element)
{
	(void)element;
	if (conn_is_secure(s->conn) || s->grants || s->dialbacks > 0) {
		buf_add_str(&s->s2s->out, "<failure xmlns='" NS_TLS "'/>");
		s2s_stream_flush(s);
		s2s_stream_close(s, "starttls when it was not offered");
		return;
	}
	buf_add_str(&s->s2s->out, "<proceed xmlns='" NS_TLS "'/>");
	s2s_stream_flush(s);
	s2s_stream_restart(s);
	s2s_stream_set_state(s, S2S_HANDSHAKE);
	conn_start_tls(s->conn, s->s2s->server, NULL);
}

/* -- SASL EXTERNAL -------------------------------------------------------- */

static void refuse_auth(struct s2s_stream *s, const char *condition)
{
	log_notice(s->s2s->log, "external.refused", LOG_N("stream", s->serial),
		   LOG_S("local", s->local), LOG_S("remote", s->remote),
		   LOG_S("condition", condition));
	buf_addf(&s->s2s->out, "<failure xmlns='" NS_SASL "'><%s/></failure>",
		 condition);
	s2s_stream_flush(s);
}

/* The identity that is asked for: empty, or the domain of the header. */
static bool is_authzid(const struct s2s_stream *s, const char *text)
{
	struct buf decoded = { 0 };
	char *name = NULL;
	bool ok = true;

	if (*text && !str_equal(text, "=")) {
		ok = base64_decode(&decoded, text, strlen(text)) == 0 &&
		     strlen(buf_data(&decoded)) == decoded.len;
		if (ok && decoded.len > 0)
			name = jid_prepare_domain(buf_data(&decoded));
		ok = ok && (decoded.len == 0 || str_equal(name, s->remote));
	}
	mem_free(name);
	buf_free(&decoded);
	return ok;
}

static void take_auth(struct s2s_stream *s, const struct element *auth)
{
	if (s->external) {
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"it is authenticated already");
		return;
	}
	if (!str_equal(element_attr(auth, "mechanism"), "EXTERNAL")) {
		refuse_auth(s, "invalid-mechanism");
		return;
	}
	if (!is_identified(s)) {
		refuse_auth(s, "not-authorized");
		return;
	}
	if (!is_authzid(s, element_text(auth))) {
		refuse_auth(s, "invalid-authzid");
		return;
	}
	buf_add_str(&s->s2s->out, "<success xmlns='" NS_SASL "'/>");
	s2s_stream_flush(s);
	s->external = true;
	s2s_stream_grant(s, s->local, s->remote, TRUST_TRUSTED, NULL);
	s2s_stream_restart(s);
	s2s_stream_set_state(s, S2S_HEADER);
}

/* XEP-0288: only for who shows by certificate who it is, so that what is sent
 * to it here goes to whom it is meant for. */
static void take_bidi(struct s2s_stream *s, const struct element *element)
{
	(void)element;
	if (s->s2s->config->bidi && !s->grants && is_identified(s))
		s->bidi = true;
}

static void take_error(struct s2s_stream *s, const struct element *error)
{
	const struct element *condition = element_first(error);

	s2s_stream_close(s, condition ? condition->name : "a stream error");
}

/* -- elements ------------------------------------------------------------- */

static const struct {
	const char *ns, *name;
	void (*take)(struct s2s_stream *s, const struct element *element);
} elements[] = {
	{ NS_TLS, "starttls", take_starttls },
	{ NS_SASL, "auth", take_auth },
	{ NS_BIDI, "bidi", take_bidi },
	{ NS_STREAM, "error", take_error },
};

void s2s_incoming_element(struct s2s_stream *s, struct stanza *stanza)
{
	const struct element *root = stanza->root;

	if (s->state != S2S_READY) {
		s2s_stream_fail(s, STREAM_NOT_AUTHORIZED, NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
		if (element_is(root, elements[i].name, elements[i].ns)) {
			elements[i].take(s, root);
			return;
		}
	}
	if (str_equal(root->ns, NS_DIALBACK))
		s2s_dialback_element(s, root);
	else if (str_equal(root->ns, NS_SM))
		s2s_management_element(s, root);
	else if (str_equal(root->ns, NS_CLIENT))
		s2s_relay_stanza(s, stanza);
	else
		s2s_stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}
