/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may log in, asked of a driver: "storage" (accounts in the storage, the
 * default); directories and programs have drivers of their own. The same rules
 * as in storage.h: asynchronous, `done` exactly once from the loop, order per
 * user; UNAVAILABLE is never a wrong password.
 */
#ifndef STORAGE_AUTH_H
#define STORAGE_AUTH_H

#include "storage/storage.h"

struct auth;
struct auth_request;

struct auth_result {
	enum storage_status status;
	char reason[160];	/* for the log, with UNAVAILABLE */
	struct account account; /* auth_lookup */
	bool matches;		/* auth_check */
	/* There is such an account, and it may not be used. auth_lookup:
	 * beside NOT_FOUND, with its keys in `account`, by which the client
	 * has to prove who it is before it is told. auth_check: beside
	 * `matches` false, for the right password. */
	bool disabled;
	char **names;		/* auth_list: `count` */
	size_t count;
	/* auth_check, beside `matches` false: it was right once, and its time
	 * is over. */
	bool expired;
};

typedef void auth_done_cb(const struct auth_result *result, void *ctx);

#define AUTH_DRIVER_ABI 3

/* What a driver is opened with, for one domain. All of it outlives the
 * driver, save the texts, which are valid during the call. */
struct auth_setup {
	struct loop *loop;
	struct log *log;
	struct storage *storage;
	const char *domain;
	const char *options; /* the domain's auth-options; or NULL */
	/* The section of the configuration that is the driver's own (for
	 * "ldap" a struct ldap_options); NULL: there is none. */
	const void *section;
};

/* What log-ins a driver can serve. */
enum auth_ability {
	AUTH_CAN_CHECK = 1, /* passwords */
	AUTH_CAN_SCRAM = 2, /* by SCRAM: lookup gives keys */
	/* Every user has keys of each kind, so that users who have none can
	 * be made up. */
	AUTH_CAN_SCRAM_ALL = 4,
	/* It has the functions, and may not use them here: accounts cannot
	 * be created, changed and removed. */
	AUTH_READ_ONLY = 8
};

/* Each returns at once and later calls auth_request_done() of
 * storage/auth_driver.h. A NULL member is something that the driver cannot
 * do: its requests end UNAVAILABLE, save that `check` is then made of
 * `lookup` by the front end. */
struct auth_driver {
	unsigned abi;
	const char *name;
	/* NULL and err only when `options` (may be NULL) make no sense. */
	void *(*open)(const struct auth_setup *setup, struct error *err);
	/* Answers all requests that it has (CANCELLED will do), then frees. */
	void (*close)(void *auth);
	void (*lookup)(void *auth, struct auth_request *request);
	void (*check)(void *auth, struct auth_request *request);
	void (*create)(void *auth, struct auth_request *request);
	void (*set)(void *auth, struct auth_request *request);
	void (*remove)(void *auth, struct auth_request *request);
	void (*list)(void *auth, struct auth_request *request);
	/* Of enum auth_ability; NULL: all of them. */
	unsigned (*abilities)(void *auth);
};

/* Opens the driver of that name. `driver_dir` as in storage_open(). */
struct auth *auth_open(const struct auth_setup *setup, const char *driver,
		       const char *driver_dir, struct error *err);

/* Of enum auth_ability. */
unsigned auth_abilities(const struct auth *auth);

/* Answers what is outstanding, CANCELLED at the latest, and frees. Not from a
 * callback of its own. NULL inside is allowed. */
void auth_close(struct auth **auth);

/* As storage_cancel(). */
void auth_cancel(struct auth_request *request);

/* The SCRAM keys of a user (bare JID), those that there are. NOT_FOUND when
 * there is no such user or the account is disabled. */
struct auth_request *auth_lookup(struct auth *auth, const char *user,
				 auth_done_cb *done, void *ctx);

/* Whether the password (prepared by SASLprep) is the user's. Key derivation
 * happens in a worker; for users who do not exist the same work is done, so
 * that the answer (OK with matches false) takes the same time. */
struct auth_request *auth_check(struct auth *auth, const char *user,
				const char *password, auth_done_cb *done,
				void *ctx);

/* Creates an account, or gives it a new password, with keys derived in a
 * worker under fresh salts: CONFLICT / NOT_FOUND. */
struct auth_request *auth_create(struct auth *auth, const char *user,
				 const char *password, auth_done_cb *done,
				 void *ctx);
struct auth_request *auth_set_password(struct auth *auth, const char *user,
				       const char *password,
				       auth_done_cb *done, void *ctx);
struct auth_request *auth_remove(struct auth *auth, const char *user,
				 auth_done_cb *done, void *ctx);
struct auth_request *auth_list(struct auth *auth, const char *domain,
			       const char *after, size_t limit,
			       auth_done_cb *done, void *ctx);

/* True when the driver can create and change accounts (in-band registration
 * and password change depend on it). */
bool auth_is_writable(const struct auth *auth);

/* Rounds of PBKDF2 for new passwords. */
#define AUTH_SCRAM_ROUNDS 10000

#endif
