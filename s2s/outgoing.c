/* SPDX-License-Identifier: Apache-2.0
 *
 * What we do on a stream that we opened, up to its being open for stanzas.
 */
#include "s2s/outgoing.h"

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

/* Ends a stream that is of no use, and says to its remote why. */
#define give_up(s, condition, final, ...)                                      \
	do {                                                                   \
		if ((s)->owner)                                                \
			s2s_remote_blame((s)->owner, condition, final,         \
					 __VA_ARGS__);                         \
		s2s_stream_close(s, "it is of no use");                        \
	} while (0)

static void start_tls(struct s2s_stream *s, const char *host)
{
	s2s_stream_set_state(s, S2S_HANDSHAKE);
	conn_start_tls(s->conn, s2s_local_client(s->s2s, s->local, s->direct),
		       host);
}

void s2s_outgoing_start(struct s2s_stream *s, const char *host)
{
	if (s->direct)
		start_tls(s, host);
	else
		s2s_stream_header(s, s->local, s->remote);
}

/* -- authentication ------------------------------------------------------- */

static void opened(struct s2s_stream *s)
{
	struct s2s *s2s = s->s2s;
	char address[ADDRESS_MAX];

	s2s->stats.reached[S2S_OUT][s->level]++;
	conn_peer_address(s->conn, address);
	log_info(s2s->log, "stream.authenticated", LOG_N("stream", s->serial),
		 LOG_S("direction", "out"), LOG_S("local", s->local),
		 LOG_S("remote", s->remote),
		 LOG_S("trust", trust_names[s->level]),
		 LOG_S("tls", conn_tls_version(s->conn)),
		 LOG_S("address", address));
	s2s_trust_trial(s2s, S2S_OUT, s->local, s->remote, s->level,
			s->lacks);
	if (s2s_management_begin(s))
		return;
	s2s_stream_set_state(s, S2S_READY);
	if (s->owner)
		s2s_remote_opened(s->owner);
}

static void send_external(struct s2s_stream *s)
{
	struct buf *out = &s->s2s->out;

	buf_add_str(out, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>");
	base64_encode(out, s->local, strlen(s->local));
	buf_add_str(out, "</auth>");
	s2s_stream_flush(s);
	s2s_stream_set_state(s, S2S_AUTH);
}

static void send_key(struct s2s_stream *s)
{
	s2s_dialback_send_key(s);
	s2s_stream_set_state(s, S2S_AUTH);
}

void s2s_outgoing_judged(struct s2s_stream *s, const char *refusal)
{
	if (s->state != S2S_AUTH)
		return;
	if (!refusal) {
		opened(s);
		return;
	}
	give_up(s, STANZA_REMOTE_SERVER_TIMEOUT, false,
		"%s does not accept that this server is %s: %s", s->remote,
		s->local, refusal);
}

static bool offers_external(const struct element *features)
{
	const struct element *mechanisms =
		element_child(features, "mechanisms", NS_SASL);
	const struct element *mechanism =
		mechanisms ? element_child(mechanisms, "mechanism", NS_SASL)
			   : NULL;

	for (; mechanism; mechanism = element_next_same(mechanism)) {
		if (str_equal(element_text(mechanism), "EXTERNAL"))
			return true;
	}
	return false;
}

/* One stream for both directions, where the peer has shown who it is. */
static void ask_bidi(struct s2s_stream *s)
{
	if (!s->s2s->config->bidi || s->level < TRUST_TRUSTED ||
	    !s->offers_bidi)
		return;
	s->bidi = true;
	buf_add_str(&s->s2s->out, "<bidi xmlns='" NS_BIDI "'/>");
	s2s_stream_flush(s);
}

/* -- the judgement of the peer -------------------------------------------- */

/* The level that it reaches. False: it is not enough, and all is over. */
static bool judge_peer(struct s2s_stream *s)
{
	struct s2s *s2s = s->s2s;
	struct s2s_policy policy = s2s_policy(s2s, s->local, s->remote);
	char why[TRUST_WHY_MAX] = "it offers no encryption";
	const char *name = s->remote;

	if (policy.section && policy.section->route_name)
		name = policy.section->route_name;
	s->level = TRUST_VERIFIED;
	if (conn_is_secure(s->conn)) {
		s->level = s2s_is_identified(s->s2s, s->conn, &policy, name, s->dane,
					     why)
				   ? TRUST_TRUSTED
				   : TRUST_ENCRYPTED;
	}
	mem_free(s->lacks);
	s->lacks = s->level == TRUST_TRUSTED ? NULL : mem_strdup(why);
	if (s->level >= policy.required)
		return true;
	s2s->stats.untrusted++;
	log_notice(s2s->log, "trust.missing", LOG_N("stream", s->serial),
		   LOG_S("direction", "out"), LOG_S("local", s->local),
		   LOG_S("remote", s->remote),
		   LOG_S("required", trust_names[policy.required]),
		   LOG_S("reached", trust_names[s->level]),
		   LOG_S("reason", why));
	if (!conn_is_secure(s->conn))
		give_up(s, STANZA_REMOTE_SERVER_NOT_FOUND, true,
			"%s offers no encryption", s->remote);
	else
		give_up(s, STANZA_REMOTE_SERVER_NOT_FOUND, true,
			"%s cannot be trusted: %s", s->remote, why);
	return false;
}

/* Whether its domain may say of the certificate what that itself does not. */
static bool may_be_announced(const struct s2s_stream *s)
{
	struct s2s_policy policy = s2s_policy(s->s2s, s->local, s->remote);
	char why[TRUST_WHY_MAX];

	return conn_is_secure(s->conn) && !s->dane &&
	       policy.required == TRUST_TRUSTED &&
	       !(policy.section && policy.section->route_name) &&
	       !s2s_is_identified(s->s2s, s->conn, &policy, s->remote, NULL,
				  why) &&
	       s2s_posh_is_wanted(s->s2s, s->conn, s->remote);
}

static void identify(struct s2s_stream *s)
{
	if (!judge_peer(s))
		return;
	s->verifying = true;
	ask_bidi(s);
	if (s->owner)
		s2s_dialback_send_verifies(s->owner);
	if (conn_is_secure(s->conn) && s->offers_external)
		send_external(s);
	else
		send_key(s);
}

static void authenticate(struct s2s_stream *s)
{
	if (s->external) {
		opened(s);
	} else if (may_be_announced(s)) {
		s2s_stream_set_state(s, S2S_JUDGE);
		s2s_posh_ask(s->s2s, s->remote, s->serial);
	} else {
		identify(s);
	}
}

void s2s_outgoing_known(struct s2s_stream *s)
{
	identify(s);
}

/* -- what the peer says --------------------------------------------------- */

void s2s_outgoing_header(struct s2s_stream *s, const struct element *header)
{
	const char *id = element_attr(header, "id");

	mem_free(s->peer_id);
	s->peer_id = mem_strdup(id ? id : "");
	s->legacy = element_attr(header, "version") == NULL;
	if (s->legacy)
		authenticate(s);
	else
		s2s_stream_set_state(s, S2S_FEATURES);
}

static void take_features(struct s2s_stream *s, const struct element *features)
{
	if (s->state != S2S_FEATURES)
		return;
	s->offers_sm = element_child(features, "sm", NS_SM) != NULL;
	s->offers_external = offers_external(features);
	s->offers_bidi =
		element_child(features, "bidi", NS_BIDI_FEATURE) != NULL;
	if (conn_is_secure(s->conn) ||
	    !element_child(features, "starttls", NS_TLS)) {
		authenticate(s);
		return;
	}
	buf_add_str(&s->s2s->out, "<starttls xmlns='" NS_TLS "'/>");
	s2s_stream_flush(s);
	s2s_stream_set_state(s, S2S_PROCEED);
}

static void take_proceed(struct s2s_stream *s)
{
	char *host;

	if (s->state != S2S_PROCEED)
		return;
	host = resolver_ascii(s->remote);
	s2s_stream_restart(s);
	start_tls(s, host);
	mem_free(host);
}

static void take_tls_failure(struct s2s_stream *s)
{
	if (s->state == S2S_PROCEED)
		give_up(s, STANZA_REMOTE_SERVER_TIMEOUT, false,
			"%s fails to encrypt", s->remote);
}

static void take_success(struct s2s_stream *s)
{
	if (s->state != S2S_AUTH || s->external)
		return;
	s->external = true;
	s2s_stream_restart(s);
	s2s_stream_set_state(s, S2S_HEADER);
	s2s_stream_header(s, s->local, s->remote);
}

/* It may still believe what our DNS says. */
static void take_sasl_failure(struct s2s_stream *s)
{
	if (s->state == S2S_AUTH)
		send_key(s);
}

static void take_error(struct s2s_stream *s, const struct element *error)
{
	const struct element *condition = element_first(error);
	const char *text = element_child_text(error, "text", NS_STREAM_ERRORS);

	if (s->owner && s->state != S2S_READY)
		s2s_remote_blame(s->owner, STANZA_REMOTE_SERVER_TIMEOUT, false,
				 "%s ended the stream: %s%s%.200s", s->remote,
				 condition ? condition->name : "no reason",
				 text ? ": " : "", text ? text : "");
	s2s_stream_close(s, condition ? condition->name : "a stream error");
}

static const struct {
	const char *ns, *name;
	void (*take)(struct s2s_stream *s);
} plain[] = {
	{ NS_TLS, "proceed", take_proceed },
	{ NS_TLS, "failure", take_tls_failure },
	{ NS_SASL, "success", take_success },
	{ NS_SASL, "failure", take_sasl_failure },
};

void s2s_outgoing_element(struct s2s_stream *s, struct stanza *stanza)
{
	const struct element *root = stanza->root;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (element_is(root, plain[i].name, plain[i].ns)) {
			plain[i].take(s);
			return;
		}
	}
	if (element_is(root, "features", NS_STREAM))
		take_features(s, root);
	else if (element_is(root, "error", NS_STREAM))
		take_error(s, root);
	else if (str_equal(root->ns, NS_SM))
		s2s_management_element(s, root);
	else if (str_equal(root->ns, NS_DIALBACK))
		s2s_dialback_element(s, root);
	else if (str_equal(root->ns, NS_CLIENT) && s->state == S2S_READY)
		s2s_relay_stanza(s, stanza);
	else
		s2s_stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}
