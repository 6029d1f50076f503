/* SPDX-License-Identifier: Apache-2.0
 *
 * What an XMPP server keeps for its users, whatever keeps it. Every call is
 * asynchronous: it returns a request, and the callback given runs exactly
 * once, from the loop, never inside the call.
 *
 * Glossary: an *owner* is a prepared bare JID; a *driver* is an
 * implementation (storage/driver.h); a *store* is one opened driver; a
 * *document* is bytes under (owner, kind, key), such as a vCard.
 *
 * Order: requests for one owner take effect in the order they were made.
 * Durability: STORAGE_OK for a write means that it survives the death of
 * this process (and, where the driver can promise that, of the machine).
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/base/log.h"
#include "util/net/loop.h"

enum storage_status {
	STORAGE_OK,
	STORAGE_NOT_FOUND,
	STORAGE_CONFLICT,    /* creating what exists already */
	STORAGE_UNAVAILABLE, /* the store cannot be asked now; it may heal */
	STORAGE_CANCELLED
};

const char *storage_status_text(enum storage_status status);

enum subscription {
	SUBSCRIPTION_NONE = 0,
	SUBSCRIPTION_TO = 1,   /* the owner sees the contact */
	SUBSCRIPTION_FROM = 2, /* the contact sees the owner */
	SUBSCRIPTION_BOTH = 3
};

/* One row of a roster, visible or not (RFC 6121 section 2.1.2, appendix A). */
struct roster_item {
	char *jid;  /* prepared bare JID of the contact */
	char *name; /* NULL: none */
	char **groups; /* NULL-terminated; NULL: none */
	enum subscription subscription;
	bool ask;      /* "pending out": subscribe sent, not answered */
	bool approved; /* pre-approved (section 3.4) */
	bool listed;   /* false: only a pending-in request, no roster item */
	char *request; /* "pending in": the subscribe stanza as XML; or NULL */
};

/* Frees what the item holds and zeroes it. Copying overwrites `to` without
 * freeing what was there. */
void roster_item_clear(struct roster_item *item);
void roster_item_copy(struct roster_item *to, const struct roster_item *from);

/* SCRAM keys of one hash (RFC 5802 section 3); rounds 0: not there. */
struct scram_keys {
	unsigned rounds;
	unsigned salt_len;
	unsigned char salt[64];
	unsigned char stored_key[64];
	unsigned char server_key[64];
};

/* Who may log in. Never a password. */
struct account {
	struct scram_keys sha1, sha256;
	bool disabled;
	int64_t created; /* microseconds since 1970 */
};

struct offline_message {
	uint64_t id;	 /* grows with each message of an owner */
	int64_t stamp;	 /* when it came, microseconds since 1970 */
	int64_t expires; /* microseconds since 1970; 0: never */
	char *stanza;	 /* XML as stanza_write() makes it */
	size_t len;
};

/* A document that comes with a user's active data. */
struct storage_document {
	char *key;
	char *data; /* bytes and a NUL */
	size_t len;
};

/* What the callback sees; owned by the storage, valid during the callback.
 * Only the members that the operation names are filled, and only with
 * STORAGE_OK. */
struct storage_result {
	enum storage_status status;
	char reason[160]; /* for the log, with UNAVAILABLE */

	bool has_account;	    /* load */
	struct account account;	    /* account_get */
	struct roster_item *roster; /* load: `count` items */
	uint64_t roster_version;    /* load; 0: never changed */
	size_t offline_count;	    /* load */
	struct storage_document *documents; /* load: `document_count` */
	size_t document_count;
	struct offline_message *messages; /* offline_list: `count` */
	char *data;		    /* document_get: bytes and a NUL */
	size_t data_len;
	char **names;		    /* of the _list calls: `count` */
	size_t count;
	uint64_t id;		    /* offline_add */
};

struct storage;
struct storage_request;
typedef void storage_done_cb(const struct storage_result *result, void *ctx);

/* Opens the driver of that name, built in ("memory", "sqlite") or from
 * DRIVERDIR/NAME.so. `connection` is the driver's own text (a file, a
 * conninfo). A store that cannot be reached is opened all the same: its
 * requests say UNAVAILABLE until it heals. NULL when there is no such driver
 * or the text makes no sense. `driver_dir` NULL: that of the
 * installation. */
struct storage *storage_open(struct loop *loop, struct log *log,
			     const char *driver, const char *connection,
			     const char *driver_dir, struct error *err);

/* For the start of a process: -1 with a sentence when the database has tables
 * of an older version, which only `chappectl db migrate` changes, as other
 * processes may be using them. Blocks, for as long as connecting and two short
 * queries take. 0 also when the database cannot be asked now. */
int storage_check_schema(const struct storage *storage,
			 const char *connection, struct error *err);

/* Finishes the writes that were requested (blocking), answers what is
 * outstanding, frees. What a callback requests meanwhile ends CANCELLED. Not
 * from a callback of the same storage. NULL inside is allowed. */
void storage_close(struct storage **storage);

/* The request ends with STORAGE_CANCELLED at the next turn of the loop; a
 * write may have happened all the same. NULL is allowed. Only before its
 * callback ran. */
void storage_cancel(struct storage_request *request);

/* Counters for the metrics of the role that holds the storage. */
struct storage_stats {
	uint64_t requests, unavailable;
	uint64_t pending;
	uint64_t latency_buckets[12]; /* upper bounds 1,2,4,... 2048 ms, not
					 cumulative; what is slower counts in
					 the last */
	uint64_t latency_sum_us;
};
void storage_get_stats(const struct storage *storage,
		       struct storage_stats *stats);

/* -- accounts ------------------------------------------------------------ */

struct storage_request *storage_account_get(struct storage *storage,
					    const char *owner,
					    storage_done_cb *done, void *ctx);
/* CONFLICT when it exists. */
struct storage_request *storage_account_create(struct storage *storage,
					       const char *owner,
					       const struct account *account,
					       storage_done_cb *done,
					       void *ctx);
/* NOT_FOUND when it does not exist. `created` stays as it was. */
struct storage_request *storage_account_set(struct storage *storage,
					    const char *owner,
					    const struct account *account,
					    storage_done_cb *done, void *ctx);
/* Removes the account and everything that is kept for its owner. NOT_FOUND
 * when there was no account (the rest is removed all the same). */
struct storage_request *storage_account_remove(struct storage *storage,
					       const char *owner,
					       storage_done_cb *done,
					       void *ctx);
/* Owners at `domain` in order of their bytes, the first `limit` after the
 * bare JID `after` (NULL: from the start). */
struct storage_request *storage_account_list(struct storage *storage,
					     const char *domain,
					     const char *after, size_t limit,
					     storage_done_cb *done, void *ctx);

/* Everybody of any domain for whom something is kept, with an account or
 * without (people of a directory), in order of their bytes: the first `limit`
 * after the bare JID `after` (NULL: from the start). */
struct storage_request *storage_owner_list(struct storage *storage,
					   const char *after, size_t limit,
					   storage_done_cb *done, void *ctx);

/* -- a user's active data ------------------------------------------------ */

/* Small documents of this kind come with storage_load(). */
#define STORAGE_KIND_ACTIVE "active"

/* All that an sm needs when a user becomes active, in one round trip: whether
 * there is an account, the roster (in order of the contacts' bytes) with its
 * version, the number of offline messages, the documents of the kind
 * STORAGE_KIND_ACTIVE (in order of their keys' bytes). OK with an empty roster
 * for somebody unknown. */
struct storage_request *storage_load(struct storage *storage,
				     const char *owner, storage_done_cb *done,
				     void *ctx);

/* Inserts or replaces an item and sets the roster's version, in one step. */
struct storage_request *storage_roster_put(struct storage *storage,
					   const char *owner,
					   const struct roster_item *item,
					   uint64_t version,
					   storage_done_cb *done, void *ctx);
/* OK too when there is no such item. */
struct storage_request *storage_roster_remove(struct storage *storage,
					      const char *owner,
					      const char *contact,
					      uint64_t version,
					      storage_done_cb *done,
					      void *ctx);

/* -- offline messages (XEP-0160) ----------------------------------------- */

/* Appends; durable with OK. */
struct storage_request *storage_offline_add(struct storage *storage,
					    const char *owner, int64_t stamp,
					    int64_t expires,
					    const char *stanza, size_t len,
					    storage_done_cb *done, void *ctx);
/* The oldest `limit` messages with an id above `after`, in order. */
struct storage_request *storage_offline_list(struct storage *storage,
					     const char *owner, uint64_t after,
					     size_t limit,
					     storage_done_cb *done, void *ctx);
/* Removes all with an id up to and including `upto`. */
struct storage_request *storage_offline_remove(struct storage *storage,
					       const char *owner,
					       uint64_t upto,
					       storage_done_cb *done,
					       void *ctx);

/* -- documents: private XML, vCards, ... --------------------------------- */

struct storage_request *storage_document_get(struct storage *storage,
					     const char *owner,
					     const char *kind, const char *key,
					     storage_done_cb *done, void *ctx);
/* Inserts or replaces; len 0 with data NULL removes (OK too when absent). */
struct storage_request *storage_document_put(struct storage *storage,
					     const char *owner,
					     const char *kind, const char *key,
					     const char *data, size_t len,
					     storage_done_cb *done, void *ctx);
/* Keys of a kind, in order of their bytes. */
struct storage_request *storage_document_list(struct storage *storage,
					      const char *owner,
					      const char *kind,
					      storage_done_cb *done,
					      void *ctx);

#endif
