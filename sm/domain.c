/* SPDX-License-Identifier: Apache-2.0
 *
 * Domains, storages and authentication drivers from the configuration. A load
 * first opens all that is new into a plan, which may fail, and then swaps it
 * in, which may not.
 */
#include "sm/domain.h"

#include <string.h>

#include "sm/people.h"
#include "sm/roster_shared.h"
#include "sm/sasl.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Drivers that have a section of their own, of their name. */
static const struct section *const driver_sections[] = {
	&ldap_section, &pipe_section,
};

#define DRIVER_SECTIONS (sizeof(driver_sections) / sizeof(driver_sections[0]))

/* What a stale domain is left with, as its section is gone. */
static const struct domain_options no_options;

/* The driver that tells of people, too, with the same section. */
#define LDAP_DRIVER "ldap"

struct auth_set {
	struct auth **auth;
	char **names;
	char *options;
	void *sections[DRIVER_SECTIONS]; /* copies; NULL: not needed */
	struct people *people;
	size_t count;
};

struct plan {
	struct sm_domain *domain; /* in sm->domains only if !added */
	bool added;
	bool new_auth;
	const struct domain_options *options;
	const void *sections[DRIVER_SECTIONS]; /* NULL: not needed */
	struct sm_storage *section;
	struct auth_set set;
	struct plan *next;
};

struct sm_domain *sm_domain(const struct sm *sm, const char *name)
{
	struct sm_domain *domain;

	if (name == NULL)
		return NULL;
	HASH_FIND_STR(sm->domains, name, domain);
	return domain != NULL && !domain->stale ? domain : NULL;
}

bool domain_has_directory(const struct sm_domain *domain)
{
	for (size_t i = 0; i < domain->auth_count; i++) {
		if (!str_equal(domain->auth_names[i], "storage"))
			return true;
	}
	return false;
}

struct auth *domain_writable_auth(const struct sm_domain *domain)
{
	for (size_t i = 0; i < domain->auth_count; i++) {
		if (auth_is_writable(domain->auth[i]))
			return domain->auth[i];
	}
	return NULL;
}

/* -- opening --------------------------------------------------------------- */

static void auth_set_free(struct auth_set *set)
{
	people_close(&set->people);
	for (size_t i = 0; i < set->count; i++) {
		auth_close(&set->auth[i]);
		mem_free(set->names[i]);
	}
	mem_free(set->auth);
	mem_free(set->names);
	mem_free(set->options);
	for (size_t i = 0; i < DRIVER_SECTIONS; i++)
		section_free(driver_sections[i], set->sections[i]);
	*set = (struct auth_set){ .count = 0 };
}

/* Of driver_sections[]; DRIVER_SECTIONS: it has none. */
static size_t section_of(const char *driver)
{
	size_t i = 0;

	while (i < DRIVER_SECTIONS &&
	       !str_equal(driver_sections[i]->name, driver))
		i++;
	return i;
}

/* The directory tells of people, too, unless that is not wanted. */
static int people_set_open(struct sm *sm, struct auth_set *set,
			   const struct plan *plan, const char *dir,
			   struct error *err)
{
	size_t section = section_of(LDAP_DRIVER);
	const struct people_setup setup = { .loop = sm->loop, .log = sm->log,
					    .storage = plan->section->storage,
					    .domain = plan->domain->name,
					    .section = set->sections[section] };

	if (setup.section == NULL)
		return 0;
	set->people = people_open(&setup, LDAP_DRIVER, dir,
				  &sm_people_listener, plan->domain, err);
	return set->people != NULL || err->text[0] == '\0' ? 0 : -1;
}

static int auth_set_open(struct sm *sm, struct auth_set *set,
			 const struct plan *plan, const char *dir,
			 struct error *err)
{
	char **names = plan->options->auth;
	struct auth_setup setup = { .loop = sm->loop, .log = sm->log,
				    .storage = plan->section->storage,
				    .domain = plan->domain->name };
	size_t count = 0;

	while (names != NULL && names[count] != NULL)
		count++;
	if (count == 0)
		return error_set(err, "no auth driver");
	set->auth = mem_calloc(count, sizeof(*set->auth));
	set->names = mem_calloc(count, sizeof(*set->names));
	set->options = mem_strdup(plan->options->auth_options);
	setup.options = set->options;
	for (size_t i = 0; i < DRIVER_SECTIONS; i++) {
		if (plan->sections[i] != NULL)
			set->sections[i] = section_copy(driver_sections[i],
							plan->sections[i]);
	}
	for (size_t i = 0; i < count; i++) {
		size_t section = section_of(names[i]);
		struct auth *auth;

		setup.section = section < DRIVER_SECTIONS ?
				set->sections[section] : NULL;
		auth = auth_open(&setup, names[i], dir, err);
		if (auth == NULL) {
			auth_set_free(set);
			return -1;
		}
		set->auth[i] = auth;
		set->names[i] = mem_strdup(names[i]);
		set->count = i + 1;
	}
	if (people_set_open(sm, set, plan, dir, err) != 0) {
		auth_set_free(set);
		return -1;
	}
	return 0;
}

/* The sections of the domain's drivers; -1 with err when one is missing. */
static int find_sections(const struct config *config, struct plan *plan,
			 struct error *err)
{
	const char *titles[DRIVER_SECTIONS] = { plan->options->ldap,
						plan->options->pipe };
	static const char *const usual[DRIVER_SECTIONS] = { LDAP_DEFAULT,
							    PIPE_DEFAULT };
	char **names = plan->options->auth;

	for (; names != NULL && *names != NULL; names++) {
		size_t i = section_of(*names);
		const char *title;

		if (i == DRIVER_SECTIONS)
			continue;
		title = titles[i] != NULL ? titles[i] : usual[i];
		plan->sections[i] = config_find(config, *names, title);
		if (plan->sections[i] == NULL)
			return error_set(err, "there is no section %s \"%s\"",
					 *names, title);
	}
	return 0;
}

static bool auth_is_changed(const struct sm_domain *domain,
			    const struct plan *plan)
{
	const struct domain_options *options = plan->options;
	size_t i = 0;

	if (!str_equal(domain->auth_options, options->auth_options))
		return true;
	for (; i < DRIVER_SECTIONS; i++) {
		if (!section_equal(driver_sections[i],
				   domain->auth_sections[i],
				   plan->sections[i]))
			return true;
	}
	i = 0;
	while (i < domain->auth_count && options->auth[i] != NULL) {
		if (!str_equal(domain->auth_names[i], options->auth[i]))
			return true;
		i++;
	}
	return i < domain->auth_count || options->auth[i] != NULL;
}

/* The storage of that title, opened if it is not. A store cannot be exchanged
 * under users that were loaded from it. */
static struct sm_storage *storage_section_open(struct sm *sm,
					       const struct config *config,
					       const char *title,
					       const char *dir,
					       struct error *err)
{
	const struct storage_options *options =
		config_find(config, "storage", title);
	struct sm_storage *section;

	if (options == NULL) {
		error_set(err, "there is no section storage \"%s\"", title);
		return NULL;
	}
	HASH_FIND_STR(sm->storages, title, section);
	if (section != NULL) {
		if (str_equal(section->driver, options->driver) &&
		    str_equal(section->connection, options->connection))
			return section;
		error_set(err,
			  "storage \"%s\" can only be changed by a restart",
			  title);
		return NULL;
	}
	section = mem_new(struct sm_storage);
	section->storage = storage_open(sm->loop, sm->log, options->driver,
					options->connection, dir, err);
	if (section->storage == NULL)
		goto failed;
	/* Who gets users and cannot load them is worse than none; and once it
	 * runs it may not wait for a database. */
	if (sm->link == NULL &&
	    storage_check_schema(section->storage, options->connection,
				 err) < 0) {
		storage_close(&section->storage);
		goto failed;
	}
	section->title = mem_strdup(title);
	section->driver = mem_strdup(options->driver);
	section->connection = mem_strdup(options->connection);
	HASH_ADD_KEYPTR(hh, sm->storages, section->title,
			strlen(section->title), section);
	return section;
failed:
	mem_free(section);
	error_prefix(err, "storage \"%s\"", title);
	return NULL;
}

/* Closes the stores that no domain uses. */
static void storages_sweep(struct sm *sm)
{
	struct sm_storage *section, *next;

	HASH_ITER(hh, sm->storages, section, next) {
		if (section->domains > 0)
			continue;
		HASH_DEL(sm->storages, section);
		storage_close(&section->storage);
		mem_free(section->title);
		mem_free(section->driver);
		mem_free_secret(section->connection);
		mem_free(section);
	}
}

static struct auth_set auth_set_of(const struct sm_domain *domain)
{
	struct auth_set set = { .auth = domain->auth,
				.names = domain->auth_names,
				.options = domain->auth_options,
				.people = domain->people,
				.count = domain->auth_count };

	for (size_t i = 0; i < DRIVER_SECTIONS; i++)
		set.sections[i] = domain->auth_sections[i];
	return set;
}

static void domain_take_auth(struct sm_domain *domain,
			     const struct auth_set *set)
{
	domain->auth = set->auth;
	domain->auth_names = set->names;
	domain->auth_options = set->options;
	domain->auth_count = set->count;
	domain->people = set->people;
	for (size_t i = 0; i < DRIVER_SECTIONS; i++)
		domain->auth_sections[i] = set->sections[i];
}

/* -- planning -------------------------------------------------------------- */

static void domain_close(struct sm_domain *domain)
{
	struct auth_set set = auth_set_of(domain);

	domain_take_auth(domain, &(struct auth_set){ .count = 0 });
	sm_people_stop(domain);
	roster_shared_stop(domain);
	auth_set_free(&set);
	sasl_domain_close(domain);
}

static void domain_free(struct sm_domain *domain)
{
	domain_close(domain);
	sasl_askers_free(domain);
	mem_free(domain->name);
	jid_free(&domain->jid);
	mem_free(domain);
}

static int plan_domain(struct sm *sm, const struct config *config,
		       struct plan *plan, const char *title,
		       struct error *err)
{
	const struct sm_options *sm_options =
		config_find(config, "sm", sm->env->instance);
	const char *storage = plan->options->storage;
	struct jid *jid = jid_new(NULL, title, NULL);
	struct sm_domain *domain;

	if (jid == NULL)
		return error_set(err, "this is no domain name");
	HASH_FIND_STR(sm->domains, jid_domain(jid), domain);
	plan->added = domain == NULL;
	if (plan->added) {
		domain = mem_new(struct sm_domain);
		domain->sm = sm;
		domain->name = mem_strdup(jid_domain(jid));
		domain->jid = jid;
	} else {
		jid_free(&jid);
	}
	plan->domain = domain;
	plan->section = storage_section_open(
		sm, config, storage != NULL ? storage : STORAGE_DEFAULT,
		sm_options->driver_dir, err);
	if (plan->section == NULL)
		return -1;
	if (!plan->added && domain->section != plan->section)
		return error_set(err, "the storage of a domain can only be "
				      "changed by a restart");
	if (find_sections(config, plan, err) != 0)
		return -1;
	plan->new_auth = plan->added || auth_is_changed(domain, plan);
	if (!plan->new_auth)
		return 0;
	return auth_set_open(sm, &plan->set, plan, sm_options->driver_dir,
			     err);
}

static void plans_free(struct plan *plans)
{
	while (plans != NULL) {
		struct plan *next = plans->next;

		auth_set_free(&plans->set);
		if (plans->added && plans->domain != NULL)
			domain_free(plans->domain);
		mem_free(plans);
		plans = next;
	}
}

static bool plans_have(const struct plan *plans, const struct plan *last)
{
	for (; plans != last; plans = plans->next) {
		if (str_equal(plans->domain->name, last->domain->name))
			return true;
	}
	return false;
}

/* Opens what all domains of the configuration need; NULL with err. */
static struct plan *plans_make(struct sm *sm, const struct config *config,
			       struct error *err)
{
	size_t count = config_count(config, "domain");
	struct plan *plans = NULL;
	const char *title = NULL;

	if (count == 0) {
		error_set(err, "the configuration has no domain section");
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		struct plan *plan = mem_new(struct plan);
		int result;

		LL_APPEND(plans, plan);
		plan->options = config_get(config, "domain", i, &title);
		result = plan_domain(sm, config, plan, title, err);
		if (result == 0 && plans_have(plans, plan))
			result = error_set(err, "it stands there twice");
		if (result == 0)
			continue;
		error_prefix(err, "domain \"%s\"", title);
		plans_free(plans);
		return NULL;
	}
	return plans;
}

/* -- swapping in ----------------------------------------------------------- */

static void plan_apply(struct sm *sm, struct plan *plan)
{
	struct sm_domain *domain = plan->domain;
	bool was_stale = domain->stale;

	domain->options = plan->options;
	domain->stale = false;
	if (plan->added) {
		domain->section = plan->section;
		domain->storage = plan->section->storage;
		plan->section->domains++;
		HASH_ADD_KEYPTR(hh, sm->domains, domain->name,
				strlen(domain->name), domain);
	}
	if (plan->new_auth) {
		struct auth_set old = auth_set_of(domain);

		sasl_domain_changed(sm, domain);
		sm_people_stop(domain);
		roster_shared_stop(domain);
		auth_set_free(&old);
		domain_take_auth(domain, &plan->set);
		plan->set = (struct auth_set){ .count = 0 };
	}
	sasl_domain_load(sm, domain);
	if (sm->link != NULL && (plan->added || was_stale) &&
	    !drain_is_on(&sm->drain))
		link_bind(sm->link, domain->name);
	plan->domain = NULL;
}

static void domain_gone(struct sm *sm, struct sm_domain *domain)
{
	struct session *session, *next;

	log_notice(sm->log, "domain.gone", LOG_S("domain", domain->name));
	if (sm->link != NULL)
		link_unbind(sm->link, domain->name);
	sasl_domain_changed(sm, domain);
	sasl_askers_free(domain);
	HASH_ITER(hh, sm->sessions, session, next) {
		if (session->user->domain == domain)
			session_kick(session, STREAM_HOST_GONE, NULL);
	}
	domain->options = &no_options;
	domain->stale = true;
}

int domains_load(struct sm *sm, const struct config *config,
		 struct error *err)
{
	struct plan *plans = plans_make(sm, config, err);
	struct sm_domain *domain, *next;
	struct plan *plan;

	if (plans == NULL) {
		storages_sweep(sm);
		return -1;
	}
	HASH_ITER(hh, sm->domains, domain, next) {
		LL_SEARCH_SCALAR(plans, plan, domain, domain);
		if (plan == NULL && !domain->stale)
			domain_gone(sm, domain);
	}
	LL_FOREACH(plans, plan)
		plan_apply(sm, plan);
	plans_free(plans);
	return 0;
}

void domains_close(struct sm *sm)
{
	struct sm_domain *domain, *next;

	HASH_ITER(hh, sm->domains, domain, next) {
		domain_close(domain);
		if (domain->section != NULL)
			domain->section->domains--;
		domain->section = NULL;
	}
	storages_sweep(sm);
}

void domains_free(struct sm *sm)
{
	struct sm_domain *domain, *next;

	HASH_ITER(hh, sm->domains, domain, next) {
		HASH_DEL(sm->domains, domain);
		domain_free(domain);
	}
}

const char **domains_names(const struct sm *sm)
{
	const char **names =
		mem_calloc(HASH_COUNT(sm->domains) + 1, sizeof(*names));
	struct sm_domain *domain, *next;
	size_t count = 0;

	HASH_ITER(hh, sm->domains, domain, next) {
		if (!domain->stale)
			names[count++] = domain->name;
	}
	return names;
}

bool domains_bound(const struct sm *sm)
{
	struct sm_domain *domain, *next;

	if (sm->link == NULL || !link_connected(sm->link))
		return false;
	HASH_ITER(hh, sm->domains, domain, next) {
		const struct member *members;
		bool ours = false;
		size_t count = 0;

		if (domain->stale)
			continue;
		members = members_get(link_members(sm->link), domain->name,
				      &count);
		for (size_t i = 0; i < count; i++)
			ours |= str_equal(members[i].name,
					  link_name(sm->link));
		if (!ours)
			return false;
	}
	return true;
}

size_t domains_pending(const struct sm *sm)
{
	struct sm_storage *section, *next;
	size_t pending = 0;

	HASH_ITER(hh, sm->storages, section, next) {
		struct storage_stats stats;

		storage_get_stats(section->storage, &stats);
		pending += stats.pending;
	}
	return pending;
}
