/* SPDX-License-Identifier: Apache-2.0
 *
 * JIDs as one small block each. What may stand in a part is decided by
 * jid_prepare.c.
 */
#include "util/xmpp/jid.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid_prepare.h"

/* The texts, each with a NUL: the bare JID, whose end is the domain; the full
 * one, whose end is the resource, if it has one; the localpart, if it has one.
 * Places within `text` take less than pointers: a busy sm has many of these. */
struct jid {
	uint16_t size; /* of text */
	uint16_t domain;
	uint16_t full;	   /* 0, as the bare JID, without a resource */
	uint16_t resource; /* 0: none */
	uint16_t local;	   /* 0: none */
	char text[];
};

/* Prepared parts; "" for a missing one. */
struct parts {
	char local[JID_PART_MAX + 1];
	char domain[JID_PART_MAX + 1];
	char resource[JID_PART_MAX + 1];
};

/* Adds at `*used`, without a NUL. */
static void put(struct jid *jid, size_t *used, const char *text, size_t len)
{
	memcpy(jid->text + *used, text, len);
	*used += len;
}

static struct jid *jid_build(const struct parts *parts)
{
	size_t local = strlen(parts->local);
	size_t domain = strlen(parts->domain);
	size_t resource = strlen(parts->resource);
	size_t bare = (local > 0 ? local + 1 : 0) + domain;
	size_t size = bare + 1 + (resource > 0 ? bare + 1 + resource + 1 : 0) +
		      (local > 0 ? local + 1 : 0);
	struct jid *jid = mem_alloc(sizeof(struct jid) + size);
	size_t used = 0;

	/* 6 KiB at most, so 16 bits are enough. */
	jid->size = (uint16_t)size;
	if (local > 0) {
		put(jid, &used, parts->local, local);
		put(jid, &used, "@", 1);
	}
	jid->domain = (uint16_t)used;
	put(jid, &used, parts->domain, domain + 1);
	if (resource > 0) {
		jid->full = (uint16_t)used;
		put(jid, &used, jid->text, bare);
		put(jid, &used, "/", 1);
		jid->resource = (uint16_t)used;
		put(jid, &used, parts->resource, resource + 1);
	}
	if (local > 0) {
		jid->local = (uint16_t)used;
		put(jid, &used, parts->local, local + 1);
	}
	assert(used == size);
	return jid;
}

/* RFC 7622 section 3.2: the first slash ends the domain, the first at sign
 * before it ends the localpart. A separator without its part is an error. */
struct jid *jid_parse(const char *text)
{
	const char *slash = strchrnul(text, '/');
	const char *at = memchr(text, '@', slash - text);
	const char *domain = at != NULL ? at + 1 : text;
	struct parts parts;

	parts.local[0] = '\0';
	parts.resource[0] = '\0';
	if (at != NULL &&
	    jid_prepare(JID_LOCAL, text, at - text, parts.local) < 0)
		return NULL;
	if (jid_prepare(JID_DOMAIN, domain, slash - domain, parts.domain) < 0)
		return NULL;
	if (*slash != '\0' &&
	    jid_prepare(JID_RESOURCE, slash + 1, strlen(slash + 1),
			parts.resource) < 0)
		return NULL;
	return jid_build(&parts);
}

static int prepare_optional(enum jid_part part, const char *text, char *out)
{
	out[0] = '\0';
	return text != NULL ? jid_prepare(part, text, strlen(text), out) : 0;
}

struct jid *jid_new(const char *local, const char *domain, const char *resource)
{
	struct parts parts;

	if (prepare_optional(JID_LOCAL, local, parts.local) < 0 ||
	    jid_prepare(JID_DOMAIN, domain, strlen(domain), parts.domain) < 0 ||
	    prepare_optional(JID_RESOURCE, resource, parts.resource) < 0)
		return NULL;
	return jid_build(&parts);
}

struct jid *jid_copy(const struct jid *jid)
{
	return mem_dup(jid, sizeof(struct jid) + jid->size);
}

struct jid *jid_with_resource(const struct jid *jid, const char *resource)
{
	struct parts parts;

	if (prepare_optional(JID_RESOURCE, resource, parts.resource) < 0)
		return NULL;
	parts.local[0] = '\0';
	if (jid->local != 0)
		str_copy(parts.local, sizeof(parts.local), jid_local(jid));
	str_copy(parts.domain, sizeof(parts.domain), jid_domain(jid));
	return jid_build(&parts);
}

void jid_free(struct jid **jid)
{
	mem_free(*jid);
	*jid = NULL;
}

const char *jid_full(const struct jid *jid)
{
	return jid->text + jid->full;
}

const char *jid_bare(const struct jid *jid)
{
	return jid->text;
}

const char *jid_local(const struct jid *jid)
{
	return jid->local != 0 ? jid->text + jid->local : NULL;
}

const char *jid_domain(const struct jid *jid)
{
	return jid->text + jid->domain;
}

const char *jid_resource(const struct jid *jid)
{
	return jid->resource != 0 ? jid->text + jid->resource : NULL;
}

bool jid_is_bare(const struct jid *jid)
{
	return jid->local != 0 && jid->resource == 0;
}

bool jid_is_full(const struct jid *jid)
{
	return jid->resource != 0;
}

bool jid_is_domain(const struct jid *jid)
{
	return jid->local == 0 && jid->resource == 0;
}

bool jid_equal(const struct jid *a, const struct jid *b)
{
	return strcmp(jid_full(a), jid_full(b)) == 0;
}

bool jid_same_bare(const struct jid *a, const struct jid *b)
{
	return strcmp(a->text, b->text) == 0;
}
