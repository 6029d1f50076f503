/* SPDX-License-Identifier: Apache-2.0
 *
 * How sure we are of who another server is. s2s finds it out, access rules
 * ask for it, and on the link it travels with each stanza.
 */
#ifndef UTIL_ROLE_TRUST_LEVEL_H
#define UTIL_ROLE_TRUST_LEVEL_H

/* Each includes those before it. */
enum trust {
	TRUST_PERMISSIVE, /* it says so */
	TRUST_VERIFIED,	  /* dialback: its DNS says so */
	TRUST_ENCRYPTED,  /* the same, under TLS with any certificate */
	TRUST_TRUSTED,	  /* a valid certificate, or a pinned key */
	TRUST_COUNT
};

/* By level, ended by NULL. */
extern const char *const trust_names[];

/* The level of that name; `otherwise` for NULL and other words. */
enum trust trust_parse(const char *name, enum trust otherwise);

#endif
