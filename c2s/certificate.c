/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates of clients. Judged when the stream says for which domain it
 * is, and again at the log-in: it may have been revoked meanwhile.
 */
#include "c2s/certificate.h"

#include <string.h>

#include "c2s/stream.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn.h"
#include "util/xmpp/jid.h"

#define NAMES_MAX 32

struct names {
	const struct domain *domain;
	char *jids[NAMES_MAX];
	size_t count;
};

/* An address, or the name of a user of this domain. */
static struct jid *name_jid(const struct domain *domain, const char *text)
{
	bool is_address = domain->client_name == CERTIFICATE_XMPP_ADDR ||
			  domain->client_name == CERTIFICATE_EMAIL;
	struct jid *jid = is_address ? jid_parse(text)
				     : jid_new(text, domain->name, NULL);

	if (jid && jid_is_bare(jid) && jid_local(jid) &&
	    str_equal(jid_domain(jid), domain->name))
		return jid;
	jid_free(&jid);
	return NULL;
}

static void add_name(const char *text, void *ctx)
{
	struct names *names = ctx;
	struct jid *jid = name_jid(names->domain, text);

	for (size_t i = 0; jid && i < names->count; i++) {
		if (str_equal(names->jids[i], jid_full(jid)))
			jid_free(&jid);
	}
	if (jid && names->count < NAMES_MAX)
		names->jids[names->count++] = mem_strdup(jid_full(jid));
	jid_free(&jid);
}

static void names_free(struct names *names)
{
	while (names->count > 0)
		mem_free(names->jids[--names->count]);
}

static struct names names_of(const struct stream *s)
{
	struct names names = { .domain = s->domain };
	size_t len;
	const void *der = conn_peer_certificate(s->conn, &len);

	if (der)
		certificate_person(der, len, s->domain->client_name, add_name,
				   &names);
	return names;
}

enum certificate_state c2s_certificate_judge(const struct stream *s, char *why,
					     size_t size)
{
	enum certificate_state state = CERTIFICATE_MISSING;
	struct names names;

	str_copy(why, size, "there is none");
	if (s->domain->authorities)
		state = authorities_judge(s->domain->authorities, s->conn, why,
					  size);
	if (state != CERTIFICATE_GOOD)
		return state;
	names = names_of(s);
	if (names.count == 0) {
		state = CERTIFICATE_BAD;
		str_copy(why, size, "it names nobody of this domain");
	}
	names_free(&names);
	return state;
}

bool c2s_certificate_offered(const struct stream *s)
{
	char why[160], address[ADDRESS_MAX];
	enum certificate_state state =
		c2s_certificate_judge(s, why, sizeof(why));

	if (state == CERTIFICATE_GOOD)
		return true;
	if (state == CERTIFICATE_MISSING)
		return false;
	conn_peer_address(s->conn, address);
	log_info(s->c2s->log, "certificate.refused", LOG_S("session", s->id),
		 LOG_S("address", address),
		 LOG_N("port", conn_peer_port(s->conn)), LOG_S("domain", s->domain->name),
		 LOG_S("reason", why));
	return false;
}

void c2s_certificate_write(const struct stream *s, struct buf *to)
{
	struct names names = names_of(s);

	for (size_t i = 0; i < names.count; i++) {
		buf_add_str(to, "<link:name>");
		buf_add_xml_text(to, names.jids[i], strlen(names.jids[i]));
		buf_add_str(to, "</link:name>");
	}
	names_free(&names);
}
