/* SPDX-License-Identifier: Apache-2.0
 *
 * What both sides say before there is a session: stream headers and features
 * (RFC 6120 section 4), STARTTLS (section 5), and in-band registration
 * (XEP-0077), whose requests an sm answers.
 */
#include "c2s/negotiate.h"

#include <string.h>

#include "c2s/certificate.h"
#include "c2s/domain.h"
#include "c2s/relay.h"
#include "c2s/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"

#define OUR_LANG "en"

/* Namespaces that a header may declare beside those that it must: they
 * travel with each stanza. */
#define NAMESPACES_MAX	 16
#define NAME_MAX_SHOWN	 255 /* bytes of a domain that is not here */
#define NAMESPACES_BYTES 2048

const struct binding_type binding_types[2] = {
	{ "tls-exporter", BINDING_TLS_EXPORTER },
	{ "tls-unique", BINDING_TLS_UNIQUE },
};

bool negotiate_has_binding(const struct stream *s)
{
	unsigned char data[BINDING_MAX];

	for (size_t i = 0; i < 2; i++) {
		if (conn_channel_binding(s->conn, binding_types[i].binding,
					 data, sizeof(data)) > 0)
			return true;
	}
	return false;
}

/* -- our header ----------------------------------------------------------- */

void negotiate_answer_header(struct stream *s, const char *to)
{
	struct c2s *c2s = s->c2s;
	const struct domain *from = s->domain ? s->domain : c2s->domains;
	char id[33];
	struct stream_header header = {
		.content_ns = NS_CLIENT,
		.from = from ? from->name : NULL,
		.to = to,
		.id = id,
		.version = "1.0",
		.lang = OUR_LANG,
	};

	if (s->header_sent)
		return;
	loop_random_hex(c2s->loop, id, 32);
	if (s->negotiation)
		str_copy(s->negotiation->id, sizeof(s->negotiation->id), id);
	stream_write_header(&c2s->out, &header);
	s->header_sent = true;
	stream_flush_out(s);
}

/* -- features ------------------------------------------------------------- */

static void add_limits(const struct stream *s, struct buf *to)
{
	const struct c2s *c2s = s->c2s;

	buf_addf(to,
		 "<limits xmlns='" NS_STREAM_LIMITS "'>"
		 "<max-bytes>%zu</max-bytes>",
		 s->frame.limits->bytes);
	if (c2s->config->idle_timeout >= 1000)
		buf_addf(to, "<idle-seconds>%lld</idle-seconds>",
			 (long long)(c2s->config->idle_timeout / 1000));
	buf_add_str(to, "</limits>");
}

static void add_mechanism(struct buf *to, const char *name, const char *suffix)
{
	buf_add_str(to, "<mechanism>");
	buf_add_xml_text(to, name, strlen(name));
	buf_add_str(to, suffix);
	buf_add_str(to, "</mechanism>");
}

static void add_offered(const struct stream *s, struct buf *to,
			const struct mechanism *mechanism, bool binding)
{
	if (mechanism->certificate && !c2s_certificate_offered(s))
		return;
	if (mechanism->plus && binding)
		add_mechanism(to, mechanism->name, "-PLUS");
	if (mechanism->base)
		add_mechanism(to, mechanism->name, "");
}

static void add_bindings(const struct stream *s, struct buf *to)
{
	unsigned char data[BINDING_MAX];

	buf_add_str(to,
		    "<sasl-channel-binding xmlns='" NS_CHANNEL_BINDING "'>");
	for (size_t i = 0; i < 2; i++) {
		if (conn_channel_binding(s->conn, binding_types[i].binding,
					 data, sizeof(data)) > 0)
			buf_addf(to, "<channel-binding type='%s'/>",
				 binding_types[i].name);
	}
	buf_add_str(to, "</sasl-channel-binding>");
}

static void add_mechanisms(const struct stream *s, struct buf *to)
{
	const struct domain *domain = s->domain;
	bool binding = negotiate_has_binding(s);

	if (domain->mechanism_count > 0) {
		buf_add_str(to, "<mechanisms xmlns='" NS_SASL "'>");
		for (size_t i = 0; i < domain->mechanism_count; i++)
			add_offered(s, to, &domain->mechanisms[i], binding);
		buf_add_str(to, "</mechanisms>");
	}
	if (binding && c2s_domain_offers_plus(domain))
		add_bindings(s, to);
	if (domain->registration)
		buf_add_str(to, "<register xmlns='" NS_REGISTER_FEATURE "'/>");
}

static void add_session_features(const struct stream *s, struct buf *to)
{
	const struct domain *domain = s->domain;

	buf_add_str(to, "<bind xmlns='" NS_BIND "'/>"
			"<session xmlns='" NS_SESSION "'><optional/></session>"
			"<ver xmlns='" NS_ROSTER_VERSION "'/>"
			"<sub xmlns='" NS_PRE_APPROVAL "'/>");
	buf_add_str(to, "<csi xmlns='" NS_CSI "'/>");
	if (domain->management)
		buf_add_str(to, "<sm xmlns='" NS_SM "'/>");
	if (domain->caps_node && domain->caps_ver) {
		buf_add_str(to, "<c xmlns='" NS_CAPS "' hash='sha-1'");
		buf_add_attr(to, "node", domain->caps_node);
		buf_add_attr(to, "ver", domain->caps_ver);
		buf_add_str(to, "/>");
	}
}

void negotiate_features(struct stream *s)
{
	struct buf *out = &s->c2s->out;

	if (s->state == STATE_SECURE_HEADER || s->state == STATE_WAITING) {
		if (!s->domain->known) {
			stream_set_state(s, STATE_WAITING);
			return;
		}
	}
	buf_add_str(out, "<stream:features>");
	switch ((enum stream_state)s->state) {
	case STATE_CLEAR_HEADER:
		buf_add_str(out, "<starttls xmlns='" NS_TLS "'><required/>"
				 "</starttls>");
		stream_set_state(s, STATE_CLEAR);
		break;
	case STATE_AUTH_HEADER:
		add_session_features(s, out);
		stream_set_state(s, STATE_AUTHENTICATED);
		break;
	default:
		add_mechanisms(s, out);
		stream_set_state(s, STATE_SECURE);
		break;
	}
	add_limits(s, out);
	buf_add_str(out, "</stream:features>");
	stream_flush_out(s);
}

/* -- the client's header -------------------------------------------------- */

/* Section 4.8: the names and namespaces of the header itself. */
static bool check_names(struct stream *s, const struct element *header,
			const struct stream_ns *ns, const char *bytes,
			size_t len)
{
	static const char start[] = "<stream:";

	if (!str_equal(header->ns, NS_STREAM))
		stream_fail(s, STREAM_INVALID_NAMESPACE,
			    "the header is in an unknown namespace");
	else if (len < sizeof(start) || memcmp(bytes, start, 8) != 0)
		stream_fail(s, STREAM_BAD_NAMESPACE_PREFIX,
			    "the prefix of the header must be stream");
	else if (!str_equal(header->name, "stream"))
		stream_fail(s, STREAM_BAD_FORMAT, "this is no stream header");
	else if (!str_equal(ns->content, NS_CLIENT))
		stream_fail(s, STREAM_INVALID_NAMESPACE,
			    "the content namespace must be jabber:client");
	else
		return true;
	return false;
}

/* Section 4.7.5: "1.0", or what says that it can do that. */
static bool check_version(struct stream *s, const char *version)
{
	char *major;
	uint64_t number;
	bool ok;

	if (version) {
		major = mem_strndup(version, strcspn(version, "."));
		ok = str_to_u64(major, 1, UINT32_MAX, &number) == 0;
		mem_free(major);
		if (ok)
			return true;
	}
	stream_fail(s, STREAM_UNSUPPORTED_VERSION, "XMPP 1.0 is needed");
	return false;
}

/* Whom the stream is to and from. The name that was asked for in TLS does not
 * bind: `to` decides. */
static bool check_addresses(struct stream *s, const char *to,
			    const struct jid *from)
{
	struct buf text = { 0 };

	if (s->c2s->stopping)
		stream_fail(s, STREAM_SYSTEM_SHUTDOWN, NULL);
	else if (!to)
		stream_fail(s, STREAM_IMPROPER_ADDRESSING,
			    "the header needs a `to`");
	else if (!s->domain && strlen(to) <= NAME_MAX_SHOWN) {
		buf_addf(&text, "%s is not served here", to);
		stream_fail(s, STREAM_HOST_UNKNOWN, buf_data(&text));
		buf_free(&text);
	} else if (!s->domain)
		stream_fail(s, STREAM_HOST_UNKNOWN, NULL);
	else if (s->session &&
		 !str_equal(strchr(s->session->bare, '@')
				    ? strchr(s->session->bare, '@') + 1
				    : s->session->bare,
			    s->domain->name))
		stream_fail(s, STREAM_NOT_AUTHORIZED,
			    "the log-in was for another domain");
	else if (s->session && from &&
		 !str_equal(jid_bare(from), s->session->bare))
		stream_fail(s, STREAM_INVALID_FROM,
			    "the log-in was for another user");
	else
		return true;
	return false;
}

/* Keeps what the header declares, if anything, for the stanzas under it. */
static bool take_namespaces(struct stream *s, struct stream_ns *ns)
{
	struct buf text = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < ns->count; i++) {
		const char *prefix = ns->prefixes[i].prefix;

		if (str_equal(prefix, "stream") || str_equal(prefix, "xml"))
			continue;
		if (str_equal(prefix, "link")) {
			/* It has a meaning of its own between our roles. */
			buf_free(&text);
			stream_fail(s, STREAM_BAD_NAMESPACE_PREFIX,
				    "the prefix link cannot be declared here");
			return false;
		}
		count++;
		buf_addf(&text, " xmlns:%s='", prefix);
		buf_add_xml_attr(&text, ns->prefixes[i].uri);
		buf_add_char(&text, '\'');
	}
	if (count > NAMESPACES_MAX || text.len > NAMESPACES_BYTES) {
		buf_free(&text);
		stream_fail(s, STREAM_POLICY_VIOLATION,
			    "too many namespaces in the header");
		return false;
	}
	if (count > 0) {
		s->namespaces = buf_take(&text);
		s->ns = mem_dup(ns, sizeof(*ns));
		memset(ns, 0, sizeof(*ns));
	}
	return true;
}

static void take_header(struct stream *s, const struct element *header,
			struct stream_ns *ns, const char *bytes, size_t len)
{
	const char *to = element_attr(header, "to");
	const char *from_text = element_attr(header, "from");
	struct jid *from = from_text ? jid_parse(from_text) : NULL;

	c2s_domain_set(s, to ? c2s_domain_find(s->c2s, to) : NULL);
	negotiate_answer_header(s, from ? from_text : NULL);
	if (check_names(s, header, ns, bytes, len) &&
	    check_version(s, element_attr(header, "version")) &&
	    check_addresses(s, to, from) && take_namespaces(s, ns)) {
		mem_free(s->negotiation->lang);
		s->negotiation->lang =
			mem_strdup(element_attr_ns(header, NS_XML, "lang"));
		negotiate_features(s);
	}
	jid_free(&from);
}

void negotiate_header(struct stream *s, const char *bytes, size_t len)
{
	struct stream_ns ns = { 0 };
	struct error err;
	struct stanza *header =
		stanza_parse_header(s->c2s->parser, bytes, len, &ns, &err);

	if (!header) {
		stream_fail(s, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	take_header(s, header->root, &ns, bytes, len);
	stream_ns_free(&ns);
	stanza_free(&header);
}

/* -- STARTTLS ------------------------------------------------------------- */

void negotiate_starttls(struct stream *s)
{
	struct buf *out = &s->c2s->out;

	if (s->state != STATE_CLEAR) {
		buf_add_str(out, "<failure xmlns='" NS_TLS "'/>");
		stream_flush_out(s);
		stream_close(s, "starttls when it was not offered");
		return;
	}
	buf_add_str(out, "<proceed xmlns='" NS_TLS "'/>");
	stream_flush_out(s);
	stream_restart(s);
	stream_set_state(s, STATE_HANDSHAKE);
	conn_start_tls(s->conn, s->domain->tls, NULL);
}

/* -- registration --------------------------------------------------------- */

void negotiate_register(struct stream *s, const struct element *iq)
{
	struct c2s *c2s = s->c2s;
	struct buf *out = &c2s->out;
	char address[ADDRESS_MAX];
	const struct member *sm;

	if (!s->domain->registration ||
	    !element_child(iq, "query", NS_REGISTER)) {
		stream_fail(s, STREAM_NOT_AUTHORIZED, "stanzas need a log-in");
		return;
	}
	mem_free(s->negotiation->iq_id);
	s->negotiation->iq_id = mem_strdup(element_attr(iq, "id"));
	sm = members_pick(link_members(c2s->link), s->domain->name, s->id);
	if (!sm) {
		negotiate_register_failed(s);
		return;
	}
	mem_free(s->negotiation->sm);
	s->negotiation->sm = mem_strdup(sm->name);
	conn_peer_address(s->conn, address);
	buf_add_str(out, "<link:register");
	buf_add_attr(out, "domain", s->domain->name);
	buf_add_attr(out, "address", address);
	buf_add_char(out, '>');
	element_write(iq, out);
	buf_add_str(out, "</link:register>");
	stream_set_state(s, STATE_REGISTERING);
	if (relay_control(c2s, sm->name, s->domain->name, s->id) ==
	    LINK_NO_ROUTE)
		negotiate_register_failed(s);
}

void negotiate_register_failed(struct stream *s)
{
	c2s_session_iq_error(s, s->negotiation->iq_id, "wait",
			     "internal-server-error",
			     "registration is not possible at the moment");
	stream_set_state(s, STATE_SECURE);
}

void negotiate_registered(struct stream *s, const struct envelope *envelope,
			  const struct element *element)
{
	const struct element *iq = element_child(element, "iq", NS_CLIENT);

	if (s->state != STATE_REGISTERING ||
	    !str_equal(envelope->from, s->negotiation->sm))
		return;
	if (!iq) {
		negotiate_register_failed(s);
		return;
	}
	element_write(iq, &s->c2s->out);
	stream_flush_out(s);
	stream_set_state(s, STATE_SECURE);
}
