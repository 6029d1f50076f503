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

static const struct sasl_mechanism mechanisms[] = {
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

const struct sasl_mechanism *sasl_mechanism_find(const char *name)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (str_equal(mechanisms[i].name, name))
			return &mechanisms[i];
	}
	return NULL;
}

static bool has_plus(const char *family)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (mechanisms[i].plus &&
		    str_equal(mechanisms[i].family, family))
			return true;
	}
	return false;
}

unsigned sasl_abilities(const struct sm_domain *domain)
{
	unsigned any = 0, all = AUTH_CAN_SCRAM_ALL;

	for (size_t i = 0; i < domain->auth_count; i++) {
		unsigned abilities = auth_abilities(domain->auth[i]);

		any |= abilities & ~(unsigned)AUTH_CAN_SCRAM_ALL;
		all &= abilities;
	}
	return any != 0 ? any | all : 0;
}

bool sasl_mechanism_offered(const struct sm_domain *domain,
			    const struct sasl_mechanism *mechanism)
{
	return (sasl_abilities(domain) & mechanism->ability) != 0;
}

void sasl_mechanisms_write(const struct sm_domain *domain,
			   struct element *element)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		const struct sasl_mechanism *mechanism = &mechanisms[i];
		struct element *child;

		if (mechanism->plus ||
		    !sasl_mechanism_offered(domain, mechanism))
			continue;
		child = element_add(element, "mechanism", NS_LINK);
		element_set_attr(child, "name", mechanism->name);
		if (has_plus(mechanism->family))
			element_set_attr(child, "plus", "true");
		if (mechanism->needs_tls)
			element_set_attr(child, "tls", "true");
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
