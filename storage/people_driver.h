/* SPDX-License-Identifier: Apache-2.0
 *
 * What a driver of people is given. A driver is a const struct people_driver
 * in a loadable object DRIVERDIR/NAME.so, which may be that of an
 * authentication driver of the same name. This header is installed, so that
 * drivers can be written outside of this project.
 */
#ifndef STORAGE_PEOPLE_DRIVER_H
#define STORAGE_PEOPLE_DRIVER_H

#include "storage/people.h"

#define PEOPLE_DRIVER_ABI 1

/* What an object exports:
 *	const struct people_driver chappe_people_driver = { ... }; */
#define PEOPLE_DRIVER_SYMBOL "chappe_people_driver"

enum people_op { PEOPLE_OP_CARD, PEOPLE_OP_SEARCH };

/* One call, with copies of its arguments. The driver fills `result` (heap
 * memory that the front end frees) and calls people_request_done() on the
 * loop's thread, at once or later. */
struct people_request {
	enum people_op op;
	char *jid;		   /* card */
	struct people_term *terms; /* search */
	size_t term_count, limit;
	struct people_result result;
	void *driver_data;
	/* private: */
	struct people *people;
	people_done_cb *done;
	void *ctx;
	struct people_request *prev, *next;
};

struct people_driver {
	unsigned abi;
	const char *name;
	/* Starts to tell of people and groups, from the loop, not inside the
	 * call. NULL with err when the options make no sense, NULL with an
	 * empty err when they ask for nothing. */
	void *(*open)(const struct people_setup *setup, struct people *people,
		      struct error *err);
	/* Answers all requests that it has (CANCELLED will do), then frees. */
	void (*close)(void *state);
	/* Whether it tells of anybody; NULL: yes. */
	bool (*tells)(void *state);
	/* Whether groups may be shared; NULL: no. */
	bool (*shares)(void *state);
	/* NULL, or none: cannot be done. */
	bool (*has_cards)(void *state);
	const char *const *(*search_fields)(void *state);
	void (*ask)(void *state, struct people_request *request);
};

/* `status` as of the calls in storage/people.h; result.reason is set with
 * UNAVAILABLE. */
void people_request_done(struct people_request *request,
			 enum storage_status status);

/* One more value of a row. */
void people_row_add(struct people_row *row, const char *field,
		    const void *data, size_t len);

/* -- telling of people and groups ------------------------------------------ */

/* The person of that JID, made if there is none, is like this now. */
struct people_person *people_put(struct people *people, const char *jid,
				 const char *name, bool disabled,
				 uint64_t stamp);

/* Takes the person out of the picture, and out of all groups. */
void people_remove(struct people *people, struct people_person *person);

struct people_group *people_group_add(struct people *people, const char *name,
				      bool shared);
void people_group_remove(struct people_group **group);

/* These are the members now. Sorts the list, which stays the caller's, and
 * drops repeats. */
void people_group_set(struct people_group *group, struct people_person **list,
		      size_t count);

/* All that there is has been told. */
void people_set_ready(struct people *people);

#endif
