/* SPDX-License-Identifier: Apache-2.0
 *
 * Users' data as a portable file (XEP-0227): the kinds of data, one row each,
 * and what their functions call. A new kind of data is a row in
 * db/pie_kinds.c and the two functions of it.
 *
 * Glossary: an *owner* is being written to a file, a *user* is being read from
 * one; a *record* is what is put into the storage at a time.
 */
#ifndef DB_PIE_H
#define DB_PIE_H

#include "db/db.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"

#define NS_PIE	     "urn:xmpp:pie:0"
#define NS_PIE_SCRAM "urn:xmpp:pie:0#scram"
#define NS_PIE_OURS  "urn:chappe:pie:0" /* what the XEP has no place for */

/* -- writing --------------------------------------------------------------- */

struct pie_owner {
	struct db *db;
	struct storage *storage;
	struct stanza_parser *parser; /* for what the storage gives */
	char *jid;
	size_t row;	  /* of pie_kinds, that is being written */
	struct buf xml;	  /* children of <user/> */
	char **names;	  /* for the row: documents that are still to come */
	size_t name_count, name_next;
	uint64_t after;	  /* for the row: the last message */
	bool opened;	  /* for the row: its element is open */
	bool done;
	bool failed;
	struct pie_owner *prev, *next;
};

/* Everything of an owner, by the rows of the table; `done` when that is
 * written. Freed with pie_owner_free(). */
struct pie_owner *pie_owner_new(struct db *db, struct storage *storage,
				struct stanza_parser *parser,
				const char *jid);
void pie_owner_free(struct pie_owner **owner);

/* From a row's write(): it has nothing more to add. */
void pie_written(struct pie_owner *owner);

/* The storage did not answer: the export comes to nothing. */
void pie_unavailable(struct pie_owner *owner,
		     const struct storage_result *result);

/* Appends an element of any namespace, in a document whose default one is
 * NS_PIE or that of a parent given. */
void pie_add_element(struct buf *to, const struct element *element);

/* -- reading --------------------------------------------------------------- */

struct pie_user {
	struct db *db;
	struct storage *storage;
	char *jid;
	bool compare;  /* it is there already: records only make `sum` */
	uint64_t sum;  /* of the hashes of all records */
	/* The account, as far as it is known. */
	struct account account;
	bool has_keys;
	char *password;
	/* What comes in several pieces: rows of the roster. */
	struct roster_item *items;
	size_t item_count;
	struct report *report;
	/* Records on their way, and what became of them. */
	size_t pending;
	enum storage_status status; /* the first that was not OK */
	char reason[160];
	void (*settled)(struct pie_user *user); /* when none is pending */
	void *owner;				/* of `settled` */
};

struct pie_user *pie_user_new(struct db *db, struct storage *storage,
			      const char *jid);
void pie_user_free(struct pie_user **user);

/* Around a request: ended() takes over its result. */
void pie_begun(struct pie_user *user);
void pie_ended(struct pie_user *user, const struct storage_result *result);

/* Counts a thing of the kind as kept, or as skipped for a reason. */
void pie_kept(struct pie_user *user, const char *kind);
void pie_skipped(struct pie_user *user, const char *kind, const char *why);

/* Puts a record; copies what it is given. The item of a roster is collected
 * until the user is complete: pie_item() finds it or makes it. */
struct roster_item *pie_item(struct pie_user *user, const char *jid);
void pie_put_items(struct pie_user *user);
void pie_put_document(struct pie_user *user, const char *kind,
		      const char *key, const char *data, size_t len);
void pie_put_message(struct pie_user *user, int64_t stamp,
		     const char *stanza, size_t len);

/* -- the table ------------------------------------------------------------- */

struct pie_kind {
	const char *name; /* in reports: "offline messages" */
	/* Of the child of <user/> that holds it; `element` NULL: ends the
	 * table. */
	const char *ns, *element;
	/* The children of that element are read one by one, so that there may
	 * be any number. */
	bool each;
	/* Adds all of an owner's to owner->xml, then pie_written(), which may
	 * be later. NULL: another row has done it. */
	void (*write)(struct pie_owner *owner);
	/* Takes that element, or one child. */
	void (*read)(struct pie_user *user, const struct element *element);
};

extern const struct pie_kind pie_kinds[];

/* db/kind_*.c */
void kind_account_write(struct pie_owner *owner);
void kind_scram_read(struct pie_user *user, const struct element *element);
void kind_account_read(struct pie_user *user, const struct element *element);
void kind_roster_write(struct pie_owner *owner);
void kind_roster_read(struct pie_user *user, const struct element *element);
void kind_request_read(struct pie_user *user, const struct element *element);
void kind_offline_write(struct pie_owner *owner);
void kind_offline_read(struct pie_user *user, const struct element *element);
void kind_private_write(struct pie_owner *owner);
void kind_private_read(struct pie_user *user, const struct element *element);
void kind_vcard_write(struct pie_owner *owner);
void kind_vcard_read(struct pie_user *user, const struct element *element);
void kind_blocks_write(struct pie_owner *owner);
void kind_blocks_read(struct pie_user *user, const struct element *element);
void kind_privacy_read(struct pie_user *user, const struct element *element);
void kind_last_write(struct pie_owner *owner);
void kind_last_read(struct pie_user *user, const struct element *element);

/* -- db/pie_time.c: XEP-0082 ----------------------------------------------- */

#define PIE_TIME_MAX 40

/* Microseconds since 1970 as text, to the microsecond. */
void pie_time_write(char to[PIE_TIME_MAX], int64_t us);

/* Also the older form of XEP-0091. -1: it is no time. */
int pie_time_read(const char *text, int64_t *us);

/* -- db/pie_read.c: the file ----------------------------------------------- */

/* What comes out of a file, in its order. */
struct pie_events {
	void (*host)(const char *jid, void *ctx); /* jid "": there was none */
	/* false: the user is passed over. password NULL: there is none. */
	bool (*user)(const char *name, const char *password, void *ctx);
	void (*data)(const struct pie_kind *kind,
		     const struct element *element, void *ctx);
	/* Something that is not understood. */
	void (*unknown)(const char *what, void *ctx);
	void (*user_end)(void *ctx);
};

/* Reads all of it, blocking, event by event. `path`: its name, for the files
 * that it includes; NULL: it includes none. -1 with what is wrong with it. */
int pie_read(FILE *file, const char *path, const struct pie_events *events,
	     void *ctx, struct error *err);

/* The same for the children of one <user/>, given as text. */
int pie_read_user(const struct buf *xml, const struct pie_events *events,
		  void *ctx, struct error *err);

/* -- db/pie_import.c ------------------------------------------------------- */

/* Imports files, with a report. An exit code. */
int pie_import(struct db *db, const struct db_file *files, size_t count);

#endif
