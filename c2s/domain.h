/* SPDX-License-Identifier: Apache-2.0
 *
 * The domains that are served here: certificate, and what their sms offer for
 * logging in.
 */
#ifndef C2S_DOMAIN_H
#define C2S_DOMAIN_H

#include "c2s/c2s.h"
#include "util/net/authorities.h"
#include "util/net/certificate.h"

struct mechanism {
	char *name;
	bool plus; /* with channel binding, as NAME-PLUS */
	bool base; /* without */
	bool certificate; /* only for who has shown one that is good */
};

struct domain {
	char *name; /* prepared */
	struct tls_context *tls;
	struct authorities *authorities; /* of clients; NULL: none */
	enum certificate_name client_name;
	/* From the sm. */
	bool known;
	bool registration;
	bool management; /* an sm of it knows XEP-0198 */
	struct mechanism *mechanisms;
	size_t mechanism_count;
	char **excluded; /* by the configuration; `excluded_count` */
	size_t excluded_count;
	char *caps_node, *caps_ver; /* XEP-0115; NULL: not known */
	/* The sm that was asked and tells of changes; NULL: none yet. */
	char *asked, *asked_epoch;
	uint64_t streams; /* that point here */
	uint64_t moving;  /* of these: between two sms */
	bool unsettled;	  /* the sms are to hear when there are none */
	bool removed;	  /* from the configuration */
	UT_hash_handle hh;
};

/* Takes over the sections `domain` of env->config. On failure everything is
 * as it was. Streams of domains that have gone get host-gone. */
int c2s_domains_load(struct c2s *c2s, struct error *err);
void c2s_domains_free(struct c2s *c2s);

/* The domain that a client named, NULL: none of ours. */
struct domain *c2s_domain_find(struct c2s *c2s, const char *name);

/* One more, or one less, of its sessions is on the way to another sm. */
void c2s_domain_moving(struct c2s *c2s, struct domain *domain, bool moving);

/* Points a stream to a domain, or to none (NULL). */
void c2s_domain_set(struct stream *s, struct domain *domain);

/* Whether it is for clients with a certificate only. */
bool c2s_domain_wants_certificate(const struct domain *domain,
				  const char *mechanism);

/* Whether the configuration forbids a mechanism that the sm has. */
bool c2s_domain_excludes(const struct domain *domain, const char *mechanism);

/* Whether an sm offers this mechanism; `binding`: the stream has one. */
bool c2s_domain_offers(const struct domain *domain, const char *mechanism,
		       bool binding);

/* Whether any mechanism is offered with channel binding. */
bool c2s_domain_offers_plus(const struct domain *domain);

/* The members of a name changed; it may be one of our domains, or an sm. */
void c2s_domain_members(struct c2s *c2s, const char *name);

/* <link:mechanisms/> came. */
void c2s_domain_mechanisms(struct c2s *c2s, const struct envelope *envelope,
			   const struct element *element);

#endif
