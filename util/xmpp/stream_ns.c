/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream header declares. Whether that is allowed on the stream is the
 * decision of its owner.
 */
#include "util/xmpp/stream_ns.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

static const struct stream_prefix stream_prefixes[] = {
	{ (char *)"stream", (char *)NS_STREAM },
	{ (char *)"link", (char *)NS_LINK },
};

const struct stream_ns stream_ns_client = {
	.content = NS_CLIENT,
	.count = 1,
	.prefixes = (struct stream_prefix *)stream_prefixes,
};

const struct stream_ns stream_ns_component = {
	.content = NS_COMPONENT,
	.count = 1,
	.prefixes = (struct stream_prefix *)stream_prefixes,
};

const struct stream_ns stream_ns_link = {
	.content = NS_COMPONENT,
	.count = 2,
	.prefixes = (struct stream_prefix *)stream_prefixes,
};

static struct stream_prefix *prefix_add(struct stream_ns *ns)
{
	ns->prefixes =
		mem_realloc(ns->prefixes, ns->count + 1, sizeof(*ns->prefixes));
	return &ns->prefixes[ns->count++];
}

/* A static string when it is one of the field's: then it needs no owner. */
static const char *known_content(const char *uri)
{
	static const char *const known[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT,
					     "" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], uri) == 0)
			return known[i];
	}
	return NULL;
}

void stream_ns_declare(struct stream_ns *ns, const char *prefix,
		       const char *uri)
{
	struct stream_prefix *added;

	if (uri == NULL)
		uri = "";
	if (prefix == NULL) {
		ns->content = known_content(uri);
		if (ns->content != NULL)
			return;
		ns->content = ns->owned_content = mem_strdup(uri);
		return;
	}
	added = prefix_add(ns);
	added->prefix = mem_strdup(prefix);
	added->uri = mem_strdup(uri);
}

void stream_ns_copy(struct stream_ns *to, const struct stream_ns *from)
{
	memset(to, 0, sizeof(*to));
	stream_ns_declare(to, NULL, from->content);
	for (size_t i = 0; i < from->count; i++)
		stream_ns_declare(to, from->prefixes[i].prefix,
				  from->prefixes[i].uri);
}

bool stream_ns_equal(const struct stream_ns *a, const struct stream_ns *b)
{
	if (strcmp(a->content, b->content) != 0 || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->prefixes[i].prefix, b->prefixes[i].prefix) != 0 ||
		    strcmp(a->prefixes[i].uri, b->prefixes[i].uri) != 0)
			return false;
	}
	return true;
}

void stream_ns_free(struct stream_ns *ns)
{
	for (size_t i = 0; i < ns->count; i++) {
		mem_free(ns->prefixes[i].prefix);
		mem_free(ns->prefixes[i].uri);
	}
	mem_free(ns->prefixes);
	mem_free(ns->owned_content);
	memset(ns, 0, sizeof(*ns));
}
