/* SPDX-License-Identifier: Apache-2.0
 *
 * The domains that are served here. Certificates come from the configuration;
 * mechanisms, registration and capabilities from an sm of the domain, which is
 * asked as soon as there is one and tells of changes by itself.
 */
#include "c2s/domain.h"

#include <string.h>

#include "c2s/move.h"
#include "c2s/negotiate.h"
#include "c2s/relay.h"
#include "c2s/sasl.h"
#include "c2s/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"

#define ALPN "xmpp-client" /* XEP-0368 */

/* -- configuration -------------------------------------------------------- */

static void forget_mechanisms(struct domain *domain)
{
	for (size_t i = 0; i < domain->mechanism_count; i++)
		mem_free(domain->mechanisms[i].name);
	mem_free(domain->mechanisms);
	domain->mechanisms = NULL;
	domain->mechanism_count = 0;
	for (size_t i = 0; i < domain->excluded_count; i++)
		mem_free(domain->excluded[i]);
	mem_free(domain->excluded);
	domain->excluded = NULL;
	domain->excluded_count = 0;
	mem_free(domain->caps_node);
	mem_free(domain->caps_ver);
	domain->caps_node = NULL;
	domain->caps_ver = NULL;
}

static void domain_free(struct domain *domain)
{
	forget_mechanisms(domain);
	tls_context_unref(&domain->tls);
	authorities_free(&domain->authorities);
	mem_free(domain->asked);
	mem_free(domain->asked_epoch);
	mem_free(domain->name);
	mem_free(domain);
}

static void free_all(struct domain **domains)
{
	struct domain *domain, *next;

	HASH_ITER(hh, *domains, domain, next) {
		HASH_DEL(*domains, domain);
		domain_free(domain);
	}
}

/* Clients are asked for certificates only where the domain believes some: on
 * a stream for it, or, with direct TLS, if they ask for it. `first`: it is what
 * they get who ask for nothing. */
static int load_authorities(struct domain *domain,
			    const struct domain_options *options,
			    struct tls_context *direct, bool first,
			    struct error *err)
{
	domain->client_name = (enum certificate_name)options->client_name;
	if (!options->client_ca)
		return 0;
	domain->authorities = authorities_new(options->client_ca,
					      options->client_crl, err);
	if (!domain->authorities)
		return -1;
	tls_context_request_certificate(domain->tls);
	tls_context_request_certificate_for(direct, domain->name);
	if (first)
		tls_context_request_certificate_for(direct, NULL);
	return 0;
}

/* One section, into a context of its own (for STARTTLS, where the domain is
 * known) and into the one for all (for direct TLS, where it may not be). */
static struct domain *load(const char *title,
			   const struct domain_options *options,
			   struct tls_context *direct, bool first,
			   struct error *err)
{
	struct domain *domain = mem_new(struct domain);

	domain->name = jid_prepare_domain(title);
	if (!domain->name) {
		error_set(err, "domain \"%s\": this is no domain", title);
		goto failed;
	}
	if (!options->certificate || !options->key) {
		error_set(err, "domain \"%s\": certificate and key are needed",
			  title);
		goto failed;
	}
	domain->tls = tls_context_new(TLS_SERVER, err);
	if (!domain->tls)
		goto failed;
	if (tls_context_add_certificate(domain->tls, domain->name,
					options->certificate, options->key,
					err) < 0 ||
	    tls_context_add_certificate(direct, domain->name,
					options->certificate, options->key,
					err) < 0) {
		error_prefix(err, "domain \"%s\"", title);
		goto failed;
	}
	if (load_authorities(domain, options, direct, first, err) < 0) {
		error_prefix(err, "domain \"%s\"", title);
		goto failed;
	}
	return domain;
failed:
	domain_free(domain);
	return NULL;
}

static int load_all(struct c2s *c2s, struct domain **domains,
		    struct tls_context *direct, struct error *err)
{
	const struct config *config = c2s->env->config;
	size_t count = config_count(config, "domain");
	struct domain *domain, *old;
	const char *title;

	for (size_t i = 0; i < count; i++) {
		const struct domain_options *options =
			config_get(config, "domain", i, &title);

		domain = load(title, options, direct, i == 0, err);
		if (!domain)
			return -1;
		HASH_FIND_STR(*domains, domain->name, old);
		if (old) {
			domain_free(domain);
			return error_set(err, "domain \"%s\" stands twice",
					 title);
		}
		HASH_ADD_KEYPTR(hh, *domains, domain->name,
				strlen(domain->name), domain);
	}
	if (count == 0)
		return error_set(err, "there is no section domain");
	return 0;
}

/* Streams point to a domain: one that stays keeps its place in memory, and
 * what the sm told of it. */
static void adopt(struct domain *fresh, struct domain *old)
{
	struct tls_context *tls = old->tls;
	struct authorities *authorities = old->authorities;

	old->tls = fresh->tls;
	fresh->tls = tls;
	old->authorities = fresh->authorities;
	fresh->authorities = authorities;
	old->client_name = fresh->client_name;
}

static void remove_domain(struct c2s *c2s, struct domain *domain)
{
	struct stream *s, *next;

	domain->removed = true;
	HASH_ITER(hh, c2s->streams, s, next) {
		if (s->domain == domain)
			stream_fail(s, STREAM_HOST_GONE, NULL);
	}
	if (domain->streams == 0)
		domain_free(domain);
}

/* In the order of the new configuration: the first one is the default. */
static void replace_all(struct c2s *c2s, struct domain *fresh)
{
	struct domain *old_domains = c2s->domains;
	struct domain *domain, *old, *next;

	c2s->domains = NULL;
	HASH_ITER(hh, fresh, domain, next) {
		HASH_DEL(fresh, domain);
		HASH_FIND_STR(old_domains, domain->name, old);
		if (old) {
			adopt(domain, old);
			domain_free(domain);
			HASH_DEL(old_domains, old);
			domain = old;
		}
		HASH_ADD_KEYPTR(hh, c2s->domains, domain->name,
				strlen(domain->name), domain);
	}
	HASH_ITER(hh, old_domains, domain, next) {
		HASH_DEL(old_domains, domain);
		remove_domain(c2s, domain);
	}
}

int c2s_domains_load(struct c2s *c2s, struct error *err)
{
	struct tls_context *direct = tls_context_new(TLS_SERVER, err);
	struct domain *fresh = NULL, *domain, *next;

	if (!direct)
		return -1;
	tls_context_set_alpn(direct, ALPN);
	if (load_all(c2s, &fresh, direct, err) < 0) {
		free_all(&fresh);
		tls_context_unref(&direct);
		return -1;
	}
	tls_context_unref(&c2s->direct);
	c2s->direct = direct;
	replace_all(c2s, fresh);
	if (c2s->link) {
		HASH_ITER(hh, c2s->domains, domain, next)
			c2s_domain_members(c2s, domain->name);
	}
	return 0;
}

void c2s_domains_free(struct c2s *c2s)
{
	free_all(&c2s->domains);
	tls_context_unref(&c2s->direct);
}

/* -- looking up ----------------------------------------------------------- */

static struct domain *find_prepared(struct c2s *c2s, const char *name)
{
	struct domain *domain;

	HASH_FIND_STR(c2s->domains, name, domain);
	return domain;
}

struct domain *c2s_domain_find(struct c2s *c2s, const char *name)
{
	struct domain *domain = find_prepared(c2s, name);
	char *prepared;

	if (domain)
		return domain;
	prepared = jid_prepare_domain(name);
	if (!prepared)
		return NULL;
	domain = find_prepared(c2s, prepared);
	mem_free(prepared);
	return domain;
}

void c2s_domain_set(struct stream *s, struct domain *domain)
{
	struct domain *old = s->domain;

	if (domain)
		domain->streams++;
	s->domain = domain;
	if (old && --old->streams == 0 && old->removed)
		domain_free(old);
}

bool c2s_domain_offers(const struct domain *domain, const char *mechanism,
		       bool binding)
{
	for (size_t i = 0; i < domain->mechanism_count; i++) {
		const struct mechanism *m = &domain->mechanisms[i];
		size_t len = strlen(m->name);

		if (m->base && str_equal(m->name, mechanism))
			return true;
		if (m->plus && binding && str_starts(mechanism, m->name) &&
		    str_equal(mechanism + len, "-PLUS"))
			return true;
	}
	return false;
}

bool c2s_domain_wants_certificate(const struct domain *domain,
				  const char *mechanism)
{
	for (size_t i = 0; i < domain->mechanism_count; i++) {
		if (str_equal(domain->mechanisms[i].name, mechanism))
			return domain->mechanisms[i].certificate;
	}
	return false;
}

bool c2s_domain_excludes(const struct domain *domain, const char *mechanism)
{
	for (size_t i = 0; i < domain->excluded_count; i++) {
		if (str_equal(domain->excluded[i], mechanism))
			return true;
	}
	return false;
}

bool c2s_domain_offers_plus(const struct domain *domain)
{
	for (size_t i = 0; i < domain->mechanism_count; i++) {
		if (domain->mechanisms[i].plus)
			return true;
	}
	return false;
}

/* -- the sm --------------------------------------------------------------- */

/* Whether the instance that was asked still lives and serves the domain. */
static bool still_there(const struct c2s *c2s, const char *domain,
			const char *name, const char *epoch)
{
	size_t count;
	const struct member *list =
		members_get(link_members(c2s->link), domain, &count);

	for (size_t i = 0; list && i < count; i++) {
		if (str_equal(list[i].name, name))
			return !epoch || str_equal(list[i].epoch, epoch);
	}
	return false;
}

static void ask(struct c2s *c2s, struct domain *domain)
{
	const struct member *sm = members_pick(
		link_members(c2s->link), domain->name, link_name(c2s->link));

	mem_free(domain->asked);
	mem_free(domain->asked_epoch);
	domain->asked = NULL;
	domain->asked_epoch = NULL;
	if (!sm)
		return;
	buf_add_str(&c2s->out, "<link:mechanisms");
	buf_add_attr(&c2s->out, "domain", domain->name);
	buf_add_str(&c2s->out, "/>");
	if (relay_control(c2s, sm->name, domain->name, NULL) == LINK_SENT) {
		domain->asked = mem_strdup(sm->name);
		domain->asked_epoch = mem_strdup(sm->epoch);
	}
}

/* The sms of a domain hold back what is for users that are new to them until
 * each c2s has said that all sessions have got there. `members` tells which
 * change of the members this is about. */
static void say_settled(struct c2s *c2s, struct domain *domain)
{
	size_t count;
	const struct member *list =
		members_get(link_members(c2s->link), domain->name, &count);

	domain->unsettled = false;
	for (size_t i = 0; list && i < count; i++) {
		buf_add_str(&c2s->out, "<link:settled");
		buf_add_attr(&c2s->out, "domain", domain->name);
		buf_addf(&c2s->out, " members='%016llx'/>",
			 members_print(list, count));
		relay_control(c2s, list[i].name, NULL, NULL);
	}
}

void c2s_domain_moving(struct c2s *c2s, struct domain *domain, bool moving)
{
	if (!domain)
		return;
	domain->moving += moving ? 1 : -1;
	if (domain->moving == 0 && domain->unsettled)
		say_settled(c2s, domain);
}

/* What waits for an sm that is gone will get no answer. */
static void stream_members(struct stream *s)
{
	struct c2s *c2s = s->c2s;
	bool registers = s->state == STATE_REGISTERING;

	if (s->session) {
		if (s->state == STATE_OPENING && !c2s_owner_lives(s))
			c2s_session_open_failed(s);
		else
			c2s_move_members(s);
		return;
	}
	if ((s->state != STATE_SASL_WAIT && !registers) ||
	    still_there(c2s, s->domain->name, s->negotiation->sm, NULL))
		return;
	if (registers)
		negotiate_register_failed(s);
	else
		c2s_sasl_sm_gone(s);
}

static void domain_members(struct c2s *c2s, struct domain *domain)
{
	struct stream *s, *next;

	if (!domain->asked ||
	    !still_there(c2s, domain->name, domain->asked, domain->asked_epoch))
		ask(c2s, domain);
	domain->unsettled = false;
	HASH_ITER(hh, c2s->streams, s, next) {
		if (s->domain == domain)
			stream_members(s);
	}
	domain->unsettled = true;
	if (domain->moving == 0)
		say_settled(c2s, domain);
}

void c2s_domain_members(struct c2s *c2s, const char *name)
{
	struct domain *domain = find_prepared(c2s, name), *next;

	if (domain) {
		domain_members(c2s, domain);
		return;
	}
	/* An sm can be heard of as a member before it can be reached, which is
	 * when it is a name itself. */
	HASH_ITER(hh, c2s->domains, domain, next) {
		if (still_there(c2s, domain->name, name, NULL))
			domain_members(c2s, domain);
	}
}

static void add_mechanism(struct domain *domain, const struct element *element)
{
	const char *name = element_attr(element, "name");
	struct mechanism *added;

	if (!name)
		return;
	domain->mechanisms =
		mem_realloc(domain->mechanisms, domain->mechanism_count + 1,
			    sizeof(*domain->mechanisms));
	added = &domain->mechanisms[domain->mechanism_count++];
	added->name = mem_strdup(name);
	added->certificate =
		str_equal(element_attr(element, "certificate"), "true");
	added->base = !str_equal(element_attr(element, "plus"), "only");
	added->plus = !added->base ||
		      str_equal(element_attr(element, "plus"), "true");
}

static void add_excluded(struct domain *domain, const struct element *element)
{
	domain->excluded = mem_realloc(domain->excluded,
				       domain->excluded_count + 1,
				       sizeof(*domain->excluded));
	domain->excluded[domain->excluded_count++] =
		mem_strdup(element_attr(element, "name"));
}

void c2s_domain_mechanisms(struct c2s *c2s, const struct envelope *envelope,
			   const struct element *element)
{
	const char *name = element_attr(element, "domain");
	struct domain *domain = name ? find_prepared(c2s, name) : NULL;
	const struct element *child;
	struct stream *s, *next;

	/* Not from an sm that does not serve it. */
	if (!domain || !still_there(c2s, name, envelope->from, NULL))
		return;
	forget_mechanisms(domain);
	for (child = element_child(element, "mechanism", NS_LINK); child;
	     child = element_next_same(child))
		add_mechanism(domain, child);
	for (child = element_child(element, "excluded", NS_LINK); child;
	     child = element_next_same(child))
		add_excluded(domain, child);
	domain->caps_node = mem_strdup(element_attr(element, "caps-node"));
	domain->caps_ver = mem_strdup(element_attr(element, "caps-ver"));
	domain->management =
		str_equal(element_attr(element, "management"), "true");
	domain->registration =
		str_equal(element_attr(element, "registration"), "true");
	domain->known = true;
	HASH_ITER(hh, c2s->streams, s, next) {
		if (s->domain == domain && s->state == STATE_WAITING)
			negotiate_features(s);
	}
}
