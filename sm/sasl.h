/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-ins (RFC 6120 section 6): SASL exchanges that a c2s relays to us
 * (docs/link.md section 6).
 */
#ifndef SM_SASL_H
#define SM_SASL_H

#include "sm/sm.h"

int sasl_start(struct sm *sm, struct error *err);

/* At the end of the process: ends all exchanges, before the drivers are closed;
 * frees the rest, after that. */
void sasl_stop(struct sm *sm);
void sasl_free(struct sm *sm);

/* The elements `auth`, `response`, `abort`, `mechanisms`. */
void sasl_control(struct sm *sm, const struct envelope *envelope,
		  const struct stanza *control);

/* Whether the element is one of these. */
bool sasl_is_control(const char *name);

/* The domain's drivers change: exchanges that use them end with
 * temporary-auth-failure. */
void sasl_domain_changed(struct sm *sm, const struct sm_domain *domain);

/* Takes over what the domain's options say, at each load; what is not to be had
 * is logged, and not offered. */
void sasl_domain_load(struct sm *sm, struct sm_domain *domain);
void sasl_domain_close(struct sm_domain *domain);

/* Tells all c2s that asked what each domain offers now. */
void sasl_push_mechanisms(struct sm *sm);
void sasl_askers_free(struct sm_domain *domain);

size_t sasl_exchange_count(const struct sm *sm);

#endif
