/* SPDX-License-Identifier: Apache-2.0
 *
 * The picture of people and groups, and the front end of the driver that keeps
 * it. What follows from a change is up to the listener.
 */
#include "storage/people.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/drivers.h"
#include "storage/people_driver.h"
#include "util/base/crypto.h"
#include "util/base/index.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"

/* Requests that wait for the directory. */
#define OUTSTANDING_MAX 5000

struct people {
	struct loop *loop;
	struct loaded_driver loaded;
	const struct people_driver *driver;
	void *state;
	const struct people_listener *listener;
	void *ctx;
	uint64_t key[2];      /* of `persons` */
	struct index persons; /* by the hash of their JIDs */
	struct people_group *groups;
	uint64_t opened;
	bool ready, closing;
	struct people_request *answers; /* to be answered at the end of the
					   turn */
	struct deferred deferred;
	size_t outstanding;
};

/* Digests are compared between processes, so this key is a constant:
 * "chappe-people-ks" as two little-endian numbers. */
static const uint64_t digest_key[2] = { UINT64_C(0x702d657070616863),
					UINT64_C(0x736b2d656c706f65) };

/* -- persons --------------------------------------------------------------- */

static uint64_t hash_of(const struct people *people, const char *jid)
{
	return crypto_siphash(people->key, jid, strlen(jid));
}

struct people_person *people_find(const struct people *people,
				  const char *jid)
{
	struct people_person *person =
		index_get(&people->persons, hash_of(people, jid));

	return person != NULL && str_equal(person->jid, jid) ? person : NULL;
}

size_t people_count(const struct people *people)
{
	return people->persons.count;
}

struct people_person *people_person_hold(struct people_person *person)
{
	person->refs++;
	return person;
}

void people_person_release(struct people_person **person)
{
	struct people_person *p = *person;

	*person = NULL;
	if (p == NULL || --p->refs > 0)
		return;
	mem_free(p->groups);
	mem_free(p->name);
	mem_free(p);
}

static uint64_t person_digest(const struct people_person *person)
{
	uint64_t jid = crypto_siphash(digest_key, person->jid,
				      strlen(person->jid));
	uint64_t name = person->name == NULL ? 0 :
			crypto_siphash(digest_key, person->name,
				       strlen(person->name));
	const uint64_t both[2] = { jid, name };

	return crypto_siphash(digest_key, both, sizeof(both));
}

static struct people_person *person_new(struct people *people,
					const char *jid)
{
	size_t len = strlen(jid);
	struct people_person *person = mem_alloc(sizeof(*person) + len + 1);

	memcpy(person->jid, jid, len);
	person->refs = 1;
	index_put(&people->persons, hash_of(people, jid), person);
	return person;
}

static void tell_person(struct people *people, struct people_person *person,
			unsigned changes)
{
	if (changes != 0 && people->ready && people->listener->person != NULL)
		people->listener->person(people->ctx, person, changes);
}

static unsigned set_name(struct people_person *person, const char *name)
{
	uint64_t old = person->digest;

	if (str_equal(person->name, name) && old != 0)
		return 0;
	mem_free(person->name);
	person->name = mem_strdup(name);
	person->digest = person_digest(person);
	for (uint32_t i = 0; i < person->group_count; i++)
		person->groups[i]->digest += person->digest - old;
	return PEOPLE_RENAMED;
}

struct people_person *people_put(struct people *people, const char *jid,
				 const char *name, bool disabled,
				 uint64_t stamp)
{
	struct people_person *person = people_find(people, jid);
	unsigned changes = 0;

	if (person == NULL) {
		person = person_new(people, jid);
		set_name(person, name);
		changes = PEOPLE_ADDED;
	} else {
		changes |= set_name(person, name);
		if (person->disabled != disabled)
			changes |= disabled ? PEOPLE_DISABLED : PEOPLE_ENABLED;
		if (person->stamp != stamp && stamp != 0)
			changes |= PEOPLE_PASSWORD;
	}
	person->disabled = disabled;
	if (stamp != 0)
		person->stamp = stamp;
	tell_person(people, person, changes);
	return person;
}

/* -- groups ---------------------------------------------------------------- */

struct people_group *people_groups(const struct people *people)
{
	return people->groups;
}

struct people_members *people_members_hold(struct people_members *members)
{
	members->refs++;
	return members;
}

void people_members_release(struct people_members **members)
{
	struct people_members *m = *members;

	*members = NULL;
	if (m == NULL || --m->refs > 0)
		return;
	for (size_t i = 0; i < m->count; i++)
		people_person_release(&m->list[i]);
	mem_free(m);
}

static int compare_pointers(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)*(void *const *)a;
	uintptr_t y = (uintptr_t)*(void *const *)b;

	return x < y ? -1 : x > y;
}

bool people_members_have(const struct people_members *members,
			 const struct people_person *person)
{
	return bsearch(&person, members->list, members->count,
		       sizeof(members->list[0]), compare_pointers) != NULL;
}

static struct people_members *members_new(struct people_person **list,
					  size_t count)
{
	struct people_members *members =
		mem_alloc(sizeof(*members) + count * sizeof(*list));

	members->refs = 1;
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_pointers);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || list[i] != list[i - 1])
			members->list[members->count++] =
				people_person_hold(list[i]);
	}
	return members;
}

static void join(struct people_group *group, struct people_person *person)
{
	person->groups = mem_realloc(person->groups,
				     (size_t)person->group_count + 1,
				     sizeof(struct people_group *));
	person->groups[person->group_count++] = group;
	group->digest += person->digest;
}

static void leave(struct people_group *group, struct people_person *person)
{
	uint32_t i = 0;

	while (person->groups[i] != group)
		i++;
	person->groups[i] = person->groups[--person->group_count];
	group->digest -= person->digest;
}

/* Both lists are sorted; those that are in both stay. True: there was a
 * change. */
static bool move_members(struct people_group *group,
			 const struct people_members *before,
			 const struct people_members *after)
{
	size_t i = 0, j = 0;
	bool changed = false;

	while (i < before->count || j < after->count) {
		struct people_person *old =
			i < before->count ? before->list[i] : NULL;
		struct people_person *new =
			j < after->count ? after->list[j] : NULL;

		if (old == new) {
			i++;
			j++;
			continue;
		}
		changed = true;
		if (new == NULL ||
		    (old != NULL && (uintptr_t)old < (uintptr_t)new)) {
			leave(group, old);
			i++;
		} else {
			join(group, new);
			j++;
		}
	}
	return changed;
}

/* Takes `after`. */
static void change_members(struct people_group *group,
			   struct people_members *after)
{
	struct people *people = group->people;
	struct people_members *before = group->members;
	bool changed = move_members(group, before, after);

	group->members = after;
	if (changed && people->ready && people->listener->members != NULL)
		people->listener->members(people->ctx, group, before, after);
	people_members_release(&before);
}

void people_group_set(struct people_group *group, struct people_person **list,
		      size_t count)
{
	change_members(group, members_new(list, count));
}

struct people_group *people_group_add(struct people *people, const char *name,
				      bool shared)
{
	struct people_group *group = mem_new(struct people_group);

	group->people = people;
	group->name = mem_strdup(name);
	group->shared = shared;
	group->members = members_new(NULL, 0);
	group->digest = crypto_siphash(digest_key, name, strlen(name));
	DL_APPEND(people->groups, group);
	return group;
}

static void group_free(struct people_group *group)
{
	DL_DELETE(group->people->groups, group);
	people_members_release(&group->members);
	mem_free(group->name);
	mem_free(group);
}

void people_group_remove(struct people_group **group)
{
	people_group_set(*group, NULL, 0);
	group_free(*group);
	*group = NULL;
}

void people_remove(struct people *people, struct people_person *person)
{
	people_person_hold(person);
	while (person->group_count > 0) {
		struct people_group *group = person->groups[0];
		const struct people_members *old = group->members;
		struct people_person **list =
			mem_calloc(old->count, sizeof(*list));
		size_t count = 0;

		for (size_t i = 0; i < old->count; i++) {
			if (old->list[i] != person)
				list[count++] = old->list[i];
		}
		people_group_set(group, list, count);
		mem_free(list);
	}
	index_remove(&people->persons, hash_of(people, person->jid));
	person->refs--; /* the index's */
	person->gone = true;
	tell_person(people, person, PEOPLE_GONE);
	people_person_release(&person);
}

uint64_t people_shared_digest(const struct people_person *person)
{
	uint64_t sum = 0;

	/* A sum, so that the order is of no importance; of hashes, so that it
	 * matters which person is in which group. */
	for (uint32_t i = 0; i < person->group_count; i++) {
		const struct people_group *group = person->groups[i];

		if (group->shared)
			sum += crypto_siphash(digest_key, &group->digest,
					      sizeof(group->digest));
	}
	return sum;
}

void people_set_ready(struct people *people)
{
	if (people->ready)
		return;
	people->ready = true;
	if (people->listener->ready != NULL)
		people->listener->ready(people->ctx);
}

uint64_t people_opened(const struct people *people)
{
	return people->opened;
}

bool people_tells(const struct people *people)
{
	return people->driver->tells == NULL ||
	       people->driver->tells(people->state);
}

bool people_shares(const struct people *people)
{
	return people->driver->shares != NULL &&
	       people->driver->shares(people->state);
}

bool people_ready(const struct people *people)
{
	return people->ready;
}

/* -- requests -------------------------------------------------------------- */

void people_row_add(struct people_row *row, const char *field,
		    const void *data, size_t len)
{
	struct people_value *value;
	char *bytes = mem_alloc(len + 1);

	if (len > 0)
		memcpy(bytes, data, len);
	row->values = mem_realloc(row->values, row->count + 1,
				  sizeof(*row->values));
	value = &row->values[row->count++];
	*value = (struct people_value){ mem_strdup(field), bytes, len };
}

static void result_clear(struct people_result *result)
{
	for (size_t i = 0; i < result->count; i++) {
		struct people_row *row = &result->rows[i];

		for (size_t j = 0; j < row->count; j++) {
			mem_free(row->values[j].field);
			mem_free(row->values[j].data);
		}
		mem_free(row->values);
		mem_free(row->jid);
	}
	mem_free(result->rows);
	result->rows = NULL;
	result->count = 0;
}

static void request_free(struct people_request *request)
{
	request->people->outstanding--;
	for (size_t i = 0; i < request->term_count; i++) {
		mem_free(request->terms[i].field);
		mem_free(request->terms[i].text);
	}
	mem_free(request->terms);
	mem_free(request->jid);
	result_clear(&request->result);
	mem_free(request);
}

static void answer_all(struct people *people)
{
	struct people_request *request;

	while ((request = people->answers) != NULL) {
		DL_DELETE(people->answers, request);
		request->done(&request->result, request->ctx);
		request_free(request);
	}
}

static void run_deferred(struct deferred *deferred)
{
	answer_all(container_of(deferred, struct people, deferred));
}

void people_request_done(struct people_request *request,
			 enum storage_status status)
{
	struct people *people = request->people;

	if (status != STORAGE_OK)
		result_clear(&request->result);
	request->result.status = status;
	DL_APPEND(people->answers, request);
	loop_defer(people->loop, &people->deferred, run_deferred);
}

static struct people_request *request_new(struct people *people,
					  enum people_op op,
					  people_done_cb *done, void *ctx)
{
	struct people_request *request = mem_new(struct people_request);

	request->people = people;
	request->op = op;
	request->done = done;
	request->ctx = ctx;
	people->outstanding++;
	return request;
}

static void submit(struct people_request *request)
{
	struct people *people = request->people;

	if (people->closing) {
		people_request_done(request, STORAGE_CANCELLED);
	} else if (people->outstanding > OUTSTANDING_MAX) {
		str_copy(request->result.reason,
			 sizeof(request->result.reason),
			 "too many requests wait");
		people_request_done(request, STORAGE_UNAVAILABLE);
	} else {
		people->driver->ask(people->state, request);
	}
}

void people_card(struct people *people, const char *jid, people_done_cb *done,
		 void *ctx)
{
	struct people_request *request =
		request_new(people, PEOPLE_OP_CARD, done, ctx);

	request->jid = mem_strdup(jid);
	submit(request);
}

void people_search(struct people *people, const struct people_term *terms,
		   size_t count, size_t limit, people_done_cb *done, void *ctx)
{
	struct people_request *request =
		request_new(people, PEOPLE_OP_SEARCH, done, ctx);

	request->terms = mem_calloc(count, sizeof(*request->terms));
	request->term_count = count;
	request->limit = limit;
	for (size_t i = 0; i < count; i++) {
		request->terms[i].field = mem_strdup(terms[i].field);
		request->terms[i].text = mem_strdup(terms[i].text);
	}
	submit(request);
}

bool people_has_cards(const struct people *people)
{
	return people->driver->has_cards != NULL &&
	       people->driver->has_cards(people->state);
}

const char *const *people_search_fields(const struct people *people)
{
	return people->driver->search_fields != NULL ?
		       people->driver->search_fields(people->state) : NULL;
}

/* -- opening and closing --------------------------------------------------- */

struct people *people_open(const struct people_setup *setup,
			   const char *driver, const char *driver_dir,
			   const struct people_listener *listener, void *ctx,
			   struct error *err)
{
	struct people *people = mem_new(struct people);

	people->loop = setup->loop;
	people->listener = listener;
	people->ctx = ctx;
	people->opened = loop_now(setup->loop);
	loop_random(setup->loop, people->key, sizeof(people->key));
	people->driver = people_driver_find(driver, driver_dir,
					    &people->loaded, err);
	if (people->driver == NULL) {
		mem_free(people);
		return NULL;
	}
	err->text[0] = '\0';
	people->state = people->driver->open(setup, people, err);
	if (people->state != NULL)
		return people;
	driver_unload(&people->loaded);
	mem_free(people);
	return NULL;
}

void people_close(struct people **people)
{
	struct people *p = *people;
	struct people_person *person;
	size_t at = 0;

	if (p == NULL)
		return;
	p->closing = true;
	p->ready = false; /* nobody hears of what follows */
	p->driver->close(p->state);
	answer_all(p);
	assert(p->outstanding == 0);
	loop_defer_cancel(p->loop, &p->deferred);
	while (p->groups != NULL) {
		people_group_set(p->groups, NULL, 0);
		group_free(p->groups);
	}
	while ((person = index_next(&p->persons, &at)) != NULL) {
		person->gone = true;
		people_person_release(&person);
	}
	index_free(&p->persons);
	driver_unload(&p->loaded);
	mem_free(p);
	*people = NULL;
}
