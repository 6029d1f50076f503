/* SPDX-License-Identifier: Apache-2.0
 *
 * One SASL exchange, between sasl.c, which keeps the order of steps, and the
 * mechanisms. For the files of SASL only.
 *
 *   FIRST --(client's first message)--> BUSY --> ANSWER --(response)--> BUSY
 *                                        |                       |
 *                                        +--> FAILING <----------+--> gone
 */
#ifndef SM_EXCHANGE_H
#define SM_EXCHANGE_H

#include <gsasl.h>

#include "sm/sasl.h"
#include "util/base/crypto.h"

enum exchange_state {
	EXCHANGE_FIRST,	 /* the client's first message is to come */
	EXCHANGE_BUSY,	 /* it is our turn */
	EXCHANGE_ANSWER, /* a challenge was sent */
	EXCHANGE_FAILING /* it failed; the answer waits a while */
};

struct exchange {
	struct sm *sm;
	struct sm_domain *domain;
	const struct sasl_mechanism *mechanism;
	enum exchange_state state;
	char *id;  /* session id */
	char *c2s; /* instance */
	char *address, *tls;
	char *binding_exporter, *binding_unique; /* base64; NULL: none */
	char *name; /* as the client wrote it */
	char *bare; /* prepared bare JID; NULL: there can be no such user */
	struct buf first;	     /* SCRAM: client-first-message */
	char *password;		     /* PLAIN; prepared */
	Gsasl_session *gsasl;	     /* SCRAM */
	void *data;		     /* of other mechanisms */
	struct buf output; /* goes with the success */
	char *principal; /* Kerberos: who the ticket says it is; or NULL */
	struct auth_request *request; /* under way */
	size_t auth;		     /* index of the next driver to ask */
	unsigned rounds;
	bool disabled; /* the account; told at the end */
	bool dead; /* goes when its request has ended */
	const char *condition; /* FAILING */
	struct timer timer; /* of its life; of the delay */
	UT_hash_handle hh;  /* by session id */
};

/* A mechanism sees whole, decoded messages. Each of its functions leads, now
 * or later, to one of the three exchange_...() below. */
struct sasl_mechanism {
	const char *name;
	const char *family; /* the name without -PLUS */
	enum digest digest; /* SCRAM */
	bool plus;	    /* needs channel binding */
	bool binds; /* GS2: tokens are bound to their header */
	bool needs_tls;
	unsigned ability; /* of a driver (enum auth_ability) */
	/* Whether it can be used in the domain; NULL: the ability decides. */
	bool (*usable)(const struct sm_domain *domain);
	size_t message_max; /* bytes; 0: the usual */
	bool certificate; /* only for clients with one that is good */
	/* Reads more facts from <link:auth/>; or NULL. */
	void (*start)(struct exchange *exchange,
		      const struct element *element);
	void (*first)(struct exchange *exchange, const char *bytes,
		      size_t len);
	void (*next)(struct exchange *exchange, const char *bytes,
		     size_t len); /* NULL: there is no second message */
	/* Frees exchange->data, if that is there; or NULL. */
	void (*release)(struct exchange *exchange);
};

size_t sasl_mechanism_count(void);

/* NULL: no such mechanism. */
const struct sasl_mechanism *sasl_mechanism_find(const char *name);

/* Whether the domain's drivers can serve it. */
bool sasl_mechanism_offered(const struct sm_domain *domain,
			    const struct sasl_mechanism *mechanism);

/* Whether the configuration forbids it there. */
bool sasl_mechanism_excluded(const struct sm_domain *domain,
			     const struct sasl_mechanism *mechanism);

/* Whether FAMILY-PLUS is offered. */
bool sasl_plus_offered(const struct sm_domain *domain, const char *family);

/* Of enum auth_ability: what any of the domain's drivers can, and _ALL only
 * if each of them. */
unsigned sasl_abilities(const struct sm_domain *domain);

/* Adds what the domain offers to <link:mechanisms/>. */
void sasl_mechanisms_write(const struct sm_domain *domain,
			   struct element *mechanisms);

/* Notes who the client says it is; prepares the name, checks the authzid
 * (NULL or "": none) and the throttle. -1: the exchange has failed. */
int exchange_identify(struct exchange *exchange, const char *name,
		      const char *authzid);

void exchange_challenge(struct exchange *exchange, const char *bytes,
			size_t len);

/* `bytes` is additional data with the success, len 0: none. */
void exchange_succeed(struct exchange *exchange, const char *bytes,
		      size_t len);

/* For mechanisms that know who it is without a password: succeeds if the
 * domain's drivers know the user (exchange->bare). `output` as above, or
 * NULL. */
void exchange_succeed_known(struct exchange *exchange,
			    const struct buf *output);

/* The client has shown who it is, and that account may not be used. */
void exchange_disabled(struct exchange *exchange);

enum failure_kind {
	FAILURE_FREE, /* not the client's guess: answered at once */
	FAILURE_COUNTED /* counts in the throttle, which delays the answer; the
			 * client is not told the text */
};

/* `condition` of RFC 6120 section 6.5, a constant. */
void exchange_fail(struct exchange *exchange, enum failure_kind kind,
		   const char *condition, const char *text);

/* A driver could not answer: nobody's fault at the other end. */
void exchange_unavailable(struct exchange *exchange,
			  const struct auth_result *result);

/* In the callback of the request of an exchange that is dead. */
void exchange_bury(struct exchange *exchange);

/* sm/sasl_mechanisms.c: answers a c2s now and at each change. */
void sasl_mechanisms_asked(struct sm *sm, struct sm_domain *domain,
			   const char *c2s);

/* sm/sasl_scram.c and sm/sasl_plain.c */
struct sasl_library *scram_library_new(struct error *err);
void scram_library_free(struct sasl_library **library);
void scram_first(struct exchange *exchange, const char *bytes, size_t len);
void scram_next(struct exchange *exchange, const char *bytes, size_t len);
void plain_first(struct exchange *exchange, const char *bytes, size_t len);

/* sm/sasl_external.c */
bool external_usable(const struct sm_domain *domain);
void external_start(struct exchange *exchange, const struct element *element);
void external_first(struct exchange *exchange, const char *bytes, size_t len);
void external_release(struct exchange *exchange);

/* sm/sasl_gssapi.c */
void gssapi_first(struct exchange *exchange, const char *bytes, size_t len);
void gssapi_next(struct exchange *exchange, const char *bytes, size_t len);
void gs2_first(struct exchange *exchange, const char *bytes, size_t len);
void gs2_next(struct exchange *exchange, const char *bytes, size_t len);
void gssapi_release(struct exchange *exchange);

#endif
