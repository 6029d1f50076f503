/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of SASL mechanisms, the strongest first, and who is told what a
 * domain offers.
 */
#include <string.h>

#include "sm/exchange.h"
#include "sm/module.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* XEP-0115: what our entity is, in a hash. */
#define CAPS_NODE "urn:chappe"

/* An instance that wants to know what a domain offers. */
struct asker {
	char *c2s;
	struct asker *next;
};

/* Tickets of Windows domains hold the groups of their owner. */
#define TICKET_MAX 65536

static bool has_keytab(const struct sm_domain *domain)
{
	return domain->kerberos != NULL;
}

static const struct sasl_mechanism mechanisms[] = {
	{ .name = "EXTERNAL", .family = "EXTERNAL", .certificate = true,
	  .needs_tls = true, .usable = external_usable,
	  .start = external_start, .first = external_first,
	  .release = external_release },
	{ .name = "GS2-KRB5-PLUS", .family = "GS2-KRB5", .plus = true,
	  .binds = true, .needs_tls = true, .usable = has_keytab,
	  .message_max = TICKET_MAX, .first = gs2_first, .next = gs2_next,
	  .release = gssapi_release },
	{ .name = "GS2-KRB5", .family = "GS2-KRB5", .binds = true,
	  .needs_tls = true, .usable = has_keytab,
	  .message_max = TICKET_MAX, .first = gs2_first, .next = gs2_next,
	  .release = gssapi_release },
	{ .name = "GSSAPI", .family = "GSSAPI", .needs_tls = true,
	  .usable = has_keytab, .message_max = TICKET_MAX,
	  .first = gssapi_first, .next = gssapi_next,
	  .release = gssapi_release },
	{ .name = "SCRAM-SHA-256-PLUS", .family = "SCRAM-SHA-256",
	  .digest = DIGEST_SHA256, .plus = true, .needs_tls = true,
	  .ability = AUTH_CAN_SCRAM,
	  .first = scram_first, .next = scram_next },
	{ .name = "SCRAM-SHA-256", .family = "SCRAM-SHA-256",
	  .digest = DIGEST_SHA256, .ability = AUTH_CAN_SCRAM,
	  .first = scram_first, .next = scram_next },
	{ .name = "SCRAM-SHA-1-PLUS", .family = "SCRAM-SHA-1",
	  .digest = DIGEST_SHA1, .plus = true, .needs_tls = true,
	  .ability = AUTH_CAN_SCRAM,
	  .first = scram_first, .next = scram_next },
	{ .name = "SCRAM-SHA-1", .family = "SCRAM-SHA-1",
	  .digest = DIGEST_SHA1, .ability = AUTH_CAN_SCRAM,
	  .first = scram_first, .next = scram_next },
	{ .name = "PLAIN", .family = "PLAIN", .needs_tls = true,
	  .ability = AUTH_CAN_CHECK, .first = plain_first },
};

#define MECHANISMS (sizeof(mechanisms) / sizeof(*mechanisms))

size_t sasl_mechanism_count(void)
{
	return MECHANISMS;
}

const struct sasl_mechanism *sasl_mechanism_find(const char *name)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (str_equal(mechanisms[i].name, name))
			return &mechanisms[i];
	}
	return NULL;
}

unsigned sasl_abilities(const struct sm_domain *domain)
{
	unsigned any = 0, all = AUTH_CAN_SCRAM_ALL;

	for (size_t i = 0; i < domain->auth_count; i++) {
		unsigned abilities = auth_abilities(domain->auth[i]);

		any |= abilities & (AUTH_CAN_CHECK | AUTH_CAN_SCRAM);
		all &= abilities;
	}
	return any != 0 ? any | all : 0;
}

bool sasl_mechanism_offered(const struct sm_domain *domain,
			    const struct sasl_mechanism *mechanism)
{
	if (sasl_mechanism_excluded(domain, mechanism))
		return false;
	if (mechanism->usable != NULL)
		return mechanism->usable(domain);
	return (sasl_abilities(domain) & mechanism->ability) != 0;
}

bool sasl_mechanism_excluded(const struct sm_domain *domain,
			     const struct sasl_mechanism *mechanism)
{
	char *const *allowed = domain->options->mechanisms;

	if (allowed == NULL || *allowed == NULL)
		return false;
	for (; *allowed != NULL; allowed++) {
		if (str_equal(*allowed, mechanism->name))
			return false;
	}
	return true;
}

bool sasl_plus_offered(const struct sm_domain *domain, const char *family)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (mechanisms[i].plus &&
		    str_equal(mechanisms[i].family, family))
			return sasl_mechanism_offered(domain, &mechanisms[i]);
	}
	return false;
}

/* Both forms of a mechanism are one element. */
static void write_offered(const struct sm_domain *domain,
			  const struct sasl_mechanism *mechanism,
			  struct element *element)
{
	bool offered = sasl_mechanism_offered(domain, mechanism);
	bool plus = sasl_plus_offered(domain, mechanism->family);
	struct element *child;

	if (!offered && !plus)
		return;
	child = element_add(element, "mechanism", NS_LINK);
	element_set_attr(child, "name", mechanism->name);
	if (plus)
		element_set_attr(child, "plus", offered ? "true" : "only");
	if (mechanism->needs_tls)
		element_set_attr(child, "tls", "true");
	if (mechanism->certificate)
		element_set_attr(child, "certificate", "true");
}

void sasl_mechanisms_write(const struct sm_domain *domain,
			   struct element *element)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		const struct sasl_mechanism *mechanism = &mechanisms[i];

		if (!mechanism->plus)
			write_offered(domain, mechanism, element);
		if (sasl_mechanism_excluded(domain, mechanism))
			element_set_attr(element_add(element, "excluded",
						     NS_LINK),
					 "name", mechanism->name);
	}
}

/* -- telling --------------------------------------------------------------- */

static enum link_sent tell(struct sm *sm, struct sm_domain *domain,
			   const char *c2s)
{
	struct stanza *control = sm_control_new("mechanisms");
	const char *ver = disco_caps_ver(sm, domain);
	enum link_sent sent;

	element_set_attr(control->root, "domain", domain->name);
	if (ver != NULL) {
		element_set_attr(control->root, "caps-node", CAPS_NODE);
		element_set_attr(control->root, "caps-ver", ver);
	}
	if (domain->options->registration)
		element_set_attr(control->root, "registration", "true");
	element_set_attr(control->root, "management", "true");
	sasl_mechanisms_write(domain, control->root);
	sent = sm_send_control(sm, c2s, NULL, control);
	stanza_free(&control);
	return sent;
}

void sasl_mechanisms_asked(struct sm *sm, struct sm_domain *domain,
			   const char *c2s)
{
	struct asker *asker;

	LL_FOREACH(domain->askers, asker) {
		if (str_equal(asker->c2s, c2s))
			break;
	}
	if (asker == NULL) {
		asker = mem_new(struct asker);
		asker->c2s = mem_strdup(c2s);
		LL_PREPEND(domain->askers, asker);
	}
	tell(sm, domain, c2s);
}

static void asker_free(struct asker *asker)
{
	mem_free(asker->c2s);
	mem_free(asker);
}

void sasl_push_mechanisms(struct sm *sm)
{
	struct sm_domain *domain, *next_domain;
	struct asker *asker, *next;

	HASH_ITER(hh, sm->domains, domain, next_domain) {
		if (domain->stale)
			continue;
		LL_FOREACH_SAFE(domain->askers, asker, next) {
			if (tell(sm, domain, asker->c2s) == LINK_SENT)
				continue;
			/* It is gone; when it is back it asks again. */
			LL_DELETE(domain->askers, asker);
			asker_free(asker);
		}
	}
}

void sasl_askers_free(struct sm_domain *domain)
{
	struct asker *asker;

	while ((asker = domain->askers) != NULL) {
		domain->askers = asker->next;
		asker_free(asker);
	}
}
