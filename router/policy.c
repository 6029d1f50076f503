/* SPDX-License-Identifier: Apache-2.0
 *
 * Rights of links, as the configuration states them. What a link then does
 * with its rights is not decided here.
 */
#include "router/policy.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define SHA1_SIZE 20

void policies_free(struct policy **policies, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		mem_free_secret((*policies)[i].secret);
	mem_free(*policies);
	*policies = NULL;
	*count = 0;
}

int policies_load(const struct config *config, struct policy **policies,
		  size_t *count, struct error *err)
{
	size_t total = config_count(config, "link");

	*count = 0;
	*policies = mem_calloc(total > 0 ? total : 1, sizeof(**policies));
	for (size_t i = 0; i < total; i++) {
		struct policy *policy = &(*policies)[i];

		policy->section = config_get(config, "link", i, &policy->title);
		(*count)++;
		if (!policy->section->secret_file)
			continue;
		policy->secret =
			config_read_secret(policy->section->secret_file, err);
		if (policy->secret && policy->secret[0] != '\0')
			continue;
		if (policy->secret)
			error_set(err, "%s is empty",
				  policy->section->secret_file);
		error_prefix(err, "link \"%s\"", policy->title);
		policies_free(policies, count);
		return -1;
	}
	return 0;
}

const struct policy *policy_find(const struct router *router, const char *name)
{
	const struct policy *by_pattern = NULL;

	for (size_t i = 0; i < router->policy_count; i++) {
		const struct policy *policy = &router->policies[i];

		if (str_equal(policy->title, name))
			return policy;
		if (!by_pattern && str_matches(name, policy->title))
			by_pattern = policy;
	}
	return by_pattern;
}

bool policy_may_bind(const struct policy *policy, const char *name)
{
	bool is_default = str_equal(name, "*");
	bool is_s2s = policy->section->kind == LINK_S2S;

	if (is_default && !is_s2s)
		return false;
	for (char **at = policy->section->names; at && *at; at++) {
		/* For s2s a "*" is the default route, not a pattern: it must
		 * not be able to take the domains of the server. */
		if (is_s2s && str_equal(*at, "*")) {
			if (is_default)
				return true;
			continue;
		}
		if (!is_default && str_matches(name, *at))
			return true;
	}
	return false;
}

bool policy_may_send(enum link_kind from, enum link_kind to)
{
	switch (from) {
	case LINK_C2S:
		return to == LINK_SM || to == LINK_ADMIN;
	case LINK_S2S:
		return to == LINK_SM || to == LINK_COMPONENT ||
		       to == LINK_ADMIN;
	default:
		return true;
	}
}

bool policy_may_vouch(enum link_kind from, enum link_kind to)
{
	return from == LINK_S2S || (from == LINK_SM && to == LINK_S2S);
}

bool policy_check_digest(const struct policy *policy, const char *stream_id,
			 const char *digest)
{
	unsigned char sum[DIGEST_MAX];
	char expected[2 * SHA1_SIZE + 1];
	struct buf text = { 0 };

	if (!policy->secret || strlen(digest) != 2 * SHA1_SIZE)
		return false;
	buf_add_str(&text, stream_id);
	buf_add_str(&text, policy->secret);
	crypto_digest(DIGEST_SHA1, buf_data(&text), text.len, sum);
	buf_free_secret(&text);
	hex_encode(expected, sum, SHA1_SIZE);
	return mem_equal_secret(expected, digest, 2 * SHA1_SIZE);
}
