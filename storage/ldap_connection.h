/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to one server by libldap: opened in a thread, then driven
 * from the loop by its descriptor. Which connections there are, and what is
 * sent on which, is up to storage/ldap_directory.c.
 *
 *   CONNECTING --> OPEN --> freed
 *       |
 *       +--> ABANDONED (a thread still has it) --> freed
 */
#ifndef STORAGE_LDAP_CONNECTION_H
#define STORAGE_LDAP_CONNECTION_H

#include <ldap.h>

#include "storage/ldap_directory.h"
#include "util/net/watch.h"
#include "util/net/worker.h"

enum connection_use {
	CONNECTION_SEARCH, /* bound as bind-dn; many operations at once */
	CONNECTION_BIND,   /* one operation at a time */
	CONNECTION_FEED,   /* as SEARCH, for what goes on for ever */
	CONNECTION_PROBE   /* only shows whether the server is well */
};

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_OPEN,
	CONNECTION_ABANDONED
};

struct connection {
	struct directory *directory;
	struct loop *loop;
	const struct ldap_options *options;
	const char *uri;
	size_t server; /* number of it */
	enum connection_use use;
	enum connection_state state;
	bool retired; /* gets no further operations */
	LDAP *ldap;
	struct watch *watch;
	/* CONNECTING: the time that it may take. OPEN: looks again, since
	 * libldap does not say when it waits to write. */
	struct timer timer;
	struct timer again; /* more is to be read */
	uint64_t heard;	    /* when something came */
	struct directory_operation *operations;
	struct connection *prev, *next;
	/* The thread's while CONNECTING or ABANDONED. */
	struct worker_job job;
	char problem[160]; /* "": it is open */
};

struct directory_entry {
	LDAP *ldap;
	LDAPMessage *message;
};

/* The batch function of the threads. */
void connection_thread(struct worker_job *jobs, size_t count, void *ctx);

/* Begins to connect. Ends in directory_connected() or ..._not_connected(). */
void connection_start(struct connection *connection, struct worker *worker);

/* LDAP_SUCCESS, or why it was not sent. */
int connection_send(struct connection *connection,
		    struct directory_operation *operation);

/* No answer is wanted any more. */
void connection_drop(struct connection *connection,
		     struct directory_operation *operation);

/* Closes at once, and frees now or when the thread is done. There must be no
 * operations. */
void connection_free(struct connection *connection);

/* Of an entry: its DN, the first value of an attribute (NULL: none), on the
 * heap; and all values, to be released with ldap_value_free_len(). */
char *entry_dn(const struct directory_entry *entry);
char *entry_text(const struct directory_entry *entry, const char *attribute);
struct berval **entry_values(const struct directory_entry *entry,
			     const char *attribute);

#endif
