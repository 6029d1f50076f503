/* SPDX-License-Identifier: Apache-2.0
 *
 * XMPP addresses (RFC 6122): localpart@domainpart/resourcepart, prepared with
 * nodeprep, nameprep and resourceprep of libidn, with a fast path for ASCII.
 *
 * Glossary: a *bare* JID has no resourcepart, a *full* JID has one; a
 * *domain* JID has neither localpart nor resourcepart.
 */
#ifndef UTIL_XMPP_JID_H
#define UTIL_XMPP_JID_H

#include <stdbool.h>
#include <stddef.h>

#define JID_PART_MAX 1023 /* bytes of each part (RFC 6122 section 2.1) */
#define JID_MAX (3 * JID_PART_MAX + 2)

/* One immutable block: the prepared full text with the places of its parts.
 * Owned by whoever made it, released with jid_free(). */
struct jid;

/* Parses and prepares. NULL when the text is no valid JID (empty part, part
 * too long, not UTF-8, prohibited code points, unassigned ones). A trailing
 * dot of the domain is removed; a domain may be an IPv6 literal in brackets. */
struct jid *jid_parse(const char *text);

/* From parts that need preparation; local and resource may be NULL. */
struct jid *jid_new(const char *local, const char *domain,
		    const char *resource);
struct jid *jid_copy(const struct jid *jid);

/* The same account, with another resource (NULL: bare). The resource is
 * prepared; NULL when it is not valid. */
struct jid *jid_with_resource(const struct jid *jid, const char *resource);
void jid_free(struct jid **jid);

/* "" never occurs; a missing part is NULL. Valid as long as the jid. */
const char *jid_full(const struct jid *jid); /* whole text, as it is */
const char *jid_local(const struct jid *jid);
const char *jid_domain(const struct jid *jid);
const char *jid_resource(const struct jid *jid);

/* The bare text; also valid as long as the jid (kept beside the full one). */
const char *jid_bare(const struct jid *jid);

bool jid_is_bare(const struct jid *jid);   /* local and no resource */
bool jid_is_full(const struct jid *jid);   /* has a resource (and a domain) */
bool jid_is_domain(const struct jid *jid); /* domain alone */
bool jid_equal(const struct jid *a, const struct jid *b);
bool jid_same_bare(const struct jid *a, const struct jid *b);

/* Single parts, prepared, as heap strings; NULL when not valid. */
char *jid_prepare_local(const char *text);
char *jid_prepare_domain(const char *text);
char *jid_prepare_resource(const char *text);

/* RFC 4013 for passwords; NULL when not allowed. Wipe what comes. */
char *jid_prepare_password(const char *text);

#endif
