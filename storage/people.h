/* SPDX-License-Identifier: Apache-2.0
 *
 * The people and groups of a domain, as a directory has them: a picture in
 * memory that a driver keeps up to date (storage/people_driver.h), whoever the
 * directory is. Whoever has opened it hears of the changes. What is not in
 * memory (vCards, searching) is asked of the driver, by the rules of
 * storage/storage.h: `done` exactly once, from the loop, never inside the call.
 *
 * The picture is READY when the driver has told all that there is; it stays
 * what it was while the directory cannot be asked.
 */
#ifndef STORAGE_PEOPLE_H
#define STORAGE_PEOPLE_H

#include "storage/storage.h"

struct people;
struct people_group;
struct people_request;

/* Somebody who has, or had, a name in the domain. Pointers stay good while
 * they are held: people_person_hold(). */
struct people_person {
	char *name; /* to be shown; NULL: none */
	struct people_group **groups; /* in no order */
	uint32_t group_count;
	uint32_t refs;
	uint64_t digest; /* of JID and name, the same in every process */
	uint64_t stamp;	 /* changes with the password; 0: not known */
	bool disabled;
	bool gone; /* not in the picture any more */
	char jid[]; /* bare, prepared */
};

/* Who is in a group at some time; never changes, and stays good while it is
 * held. In the order of the pointers. */
struct people_members {
	unsigned refs;
	size_t count;
	struct people_person *list[];
};

struct people_group {
	char *name;
	bool shared; /* members have each other in their rosters */
	struct people_members *members; /* never NULL */
	uint64_t digest; /* of the name and the members, as above */
	struct people *people;
	struct people_group *prev, *next;
};

enum people_change {
	PEOPLE_ADDED = 1,
	PEOPLE_GONE = 2,
	PEOPLE_RENAMED = 4,  /* the name to be shown */
	PEOPLE_DISABLED = 8, /* may log in no more */
	PEOPLE_ENABLED = 16,
	PEOPLE_PASSWORD = 32 /* there is another one */
};

/* Called when the picture has changed, once it is READY; from the loop. All
 * may be NULL. */
struct people_listener {
	/* `changes` of enum people_change. */
	void (*person)(void *ctx, struct people_person *person,
		       unsigned changes);
	/* A group that is gone has no members. */
	void (*members)(void *ctx, struct people_group *group,
			struct people_members *before,
			struct people_members *after);
	/* READY, the first time. */
	void (*ready)(void *ctx);
};

/* What a driver is opened with, for one domain; the texts are valid during the
 * call, all else outlives the driver. */
struct people_setup {
	struct loop *loop;
	struct log *log;
	struct storage *storage;
	const char *domain;
	const void *section; /* as in struct auth_setup */
};

/* NULL with err: there is no such driver, or its options make no sense; or,
 * with an empty text, there is a driver that has nothing to tell of people. */
struct people *people_open(const struct people_setup *setup,
			   const char *driver, const char *driver_dir,
			   const struct people_listener *listener, void *ctx,
			   struct error *err);

/* Answers what is outstanding, CANCELLED at the latest, and frees; the listener
 * hears nothing. Not from a callback of its own. NULL inside is allowed. */
void people_close(struct people **people);

bool people_ready(const struct people *people);

/* Whether there is a picture at all, or will be. */
bool people_tells(const struct people *people);

/* loop_now() of the opening; whether there are, or will be, groups that are
 * shared. */
uint64_t people_opened(const struct people *people);
bool people_shares(const struct people *people);

/* By bare JID; NULL: not in the picture. */
struct people_person *people_find(const struct people *people,
				  const char *jid);

size_t people_count(const struct people *people);

/* The first group, the rest by `next`; NULL: none. */
struct people_group *people_groups(const struct people *people);

/* Whether the person is one of them. */
bool people_members_have(const struct people_members *members,
			 const struct people_person *person);

struct people_person *people_person_hold(struct people_person *person);
void people_person_release(struct people_person **person);
struct people_members *people_members_hold(struct people_members *members);
void people_members_release(struct people_members **members);

/* A number that changes whenever what the groups that are shared say to this
 * person does; the same in every process. 0: there is nothing to say. */
uint64_t people_shared_digest(const struct people_person *person);

/* -- what the driver is asked ---------------------------------------------- */

struct people_value {
	char *field; /* of a vCard ("FN", "N/FAMILY"), or of a search */
	char *data;  /* bytes and a NUL */
	size_t len;
};

struct people_row {
	char *jid; /* NULL for a vCard */
	struct people_value *values;
	size_t count;
};

struct people_result {
	enum storage_status status;
	char reason[160]; /* for the log, with UNAVAILABLE */
	struct people_row *rows; /* card: one; search: `count` */
	size_t count;
	bool more; /* search: than the limit */
};

typedef void people_done_cb(const struct people_result *result, void *ctx);

/* Whether vCards come from there, and the fields that can be searched, a
 * NULL-terminated array (NULL: there is no searching). */
bool people_has_cards(const struct people *people);
const char *const *people_search_fields(const struct people *people);

/* The vCard of a bare JID; NOT_FOUND: nobody of that name. */
void people_card(struct people *people, const char *jid,
		 people_done_cb *done, void *ctx);

/* People for whom all of the terms hold: a field and what its value contains,
 * or begins or ends with when there is a "*" at the other end. */
struct people_term {
	char *field, *text;
};

void people_search(struct people *people, const struct people_term *terms,
		   size_t count, size_t limit, people_done_cb *done,
		   void *ctx);

#endif
