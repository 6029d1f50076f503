/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver "ldap" of people and groups: two feeds, one for people and one for
 * groups, tell of them; vCards and searches are asked of the directory when
 * somebody wants them.
 */
#include "storage/ldap_people.h"

#include "storage/ldap_feed.h"
#include "storage/ldap_private.h"
#include "util/base/mem.h"

static void ldap_people_close(void *state)
{
	struct ldap_people *people = state;

	if (people->directory != NULL)
		directory_close(&people->directory);
	ldap_feed_free(&people->feeds[LDAP_PEOPLE]);
	ldap_feed_free(&people->feeds[LDAP_GROUPS]);
	ldap_tree_free(&people->tree);
	ldap_cards_close(people);
	mem_free(people->domain);
	mem_free(people);
}

static void open_feeds(struct ldap_people *people,
		       const struct people_setup *given,
		       struct people *picture)
{
	const struct ldap_options *options = people->options;
	struct buf filter = { .len = 0 };
	struct ldap_feed_setup setup = {
		.loop = people->loop,
		.log = people->log,
		.domain = people->domain,
		.options = options,
		.directory = people->directory,
		.kind = LDAP_PEOPLE,
		.base = options->base,
		.scope = options->scope,
	};

	people->tree = ldap_tree_new(given, picture, people->domain);
	setup.tree = people->tree;
	ldap_filter_everybody(&filter, options, people->domain);
	setup.filter = buf_data(&filter);
	people->feeds[LDAP_PEOPLE] = ldap_feed_new(&setup);
	buf_free(&filter);
	setup.kind = LDAP_GROUPS;
	if (options->group_base != NULL)
		setup.base = options->group_base;
	setup.scope = LDAP_SCOPE_SUBTREE;
	setup.filter = ldap_options_group_filter(options);
	people->feeds[LDAP_GROUPS] = ldap_feed_new(&setup);
}

static void *ldap_people_open(const struct people_setup *setup,
			      struct people *picture, struct error *err)
{
	const struct ldap_options *options = setup->section;
	struct ldap_people *people;
	bool feed;

	if (options == NULL) {
		error_set(err, "it needs a section ldap");
		return NULL;
	}
	feed = options->feed != LDAP_FEED_OFF && options->base != NULL;
	if (!feed && !options->vcard && !options->search)
		return NULL;
	people = mem_new(struct ldap_people);
	people->loop = setup->loop;
	people->log = setup->log;
	people->domain = mem_strdup(setup->domain);
	people->options = options;
	people->directory = directory_open(setup->loop, setup->log,
					   people->domain, options, err);
	if (people->directory == NULL) {
		ldap_people_close(people);
		return NULL;
	}
	ldap_cards_open(people);
	if (feed)
		open_feeds(people, setup, picture);
	return people;
}

static bool tells(void *state)
{
	const struct ldap_people *people = state;

	return people->tree != NULL;
}

static bool shares(void *state)
{
	const struct ldap_people *people = state;

	return people->tree != NULL &&
	       people->options->roster_groups[0] != NULL;
}

static bool has_cards(void *state)
{
	const struct ldap_people *people = state;

	return people->options->vcard;
}

static const char *const *search_fields(void *state)
{
	const struct ldap_people *people = state;

	return people->options->search ? people->search_names : NULL;
}

extern const struct people_driver chappe_people_driver;
const struct people_driver chappe_people_driver = {
	.abi = PEOPLE_DRIVER_ABI,
	.name = "ldap",
	.open = ldap_people_open,
	.close = ldap_people_close,
	.tells = tells,
	.shares = shares,
	.has_cards = has_cards,
	.search_fields = search_fields,
	.ask = ldap_cards_ask,
};
