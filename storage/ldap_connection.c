/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection that is open: operations go out, and their results come back,
 * without waiting for either.
 */
#include "storage/ldap_connection.h"

#include <string.h>
#include <sys/time.h>

#include "storage/ldap_sync.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

/* Messages that are read in one turn of the loop. */
#define BATCH 200

/* ms between looks at a connection that something is under way on. */
#define LOOK 100

static void read_messages(struct connection *connection);

/* -- opening and closing --------------------------------------------------- */

static void connect_late(struct timer *timer)
{
	directory_not_connected(container_of(timer, struct connection, timer),
				"connect: it took too long");
}

static void on_watch(struct watch *watch, unsigned events, void *ctx)
{
	(void)watch;
	(void)events;
	read_messages(ctx);
}

static void connection_release(struct connection *connection)
{
	if (connection->ldap != NULL)
		ldap_unbind_ext(connection->ldap, NULL, NULL);
	mem_free(connection);
}

/* On the loop: the thread is done with it. */
static void connect_done(struct worker_job *job)
{
	struct connection *connection =
		container_of(job, struct connection, job);
	struct error err;
	int fd = -1;

	if (connection->state == CONNECTION_ABANDONED) {
		connection_release(connection);
		return;
	}
	timer_stop(&connection->timer);
	connection->state = CONNECTION_OPEN;
	if (connection->ldap == NULL) {
		directory_not_connected(connection, connection->problem);
		return;
	}
	ldap_get_option(connection->ldap, LDAP_OPT_DESC, &fd);
	connection->watch = watch_start(connection->loop, fd, WATCH_READ,
					on_watch, connection, &err);
	if (connection->watch == NULL)
		directory_not_connected(connection, err.text);
	else
		directory_connected(connection);
}

void connection_start(struct connection *connection, struct worker *worker)
{
	connection->state = CONNECTION_CONNECTING;
	connection->job.done = connect_done;
	timer_start(&connection->timer, connection->loop,
		    (uint64_t)connection->options->connect_timeout,
		    connect_late);
	worker_submit(worker, &connection->job);
}

void connection_free(struct connection *connection)
{
	timer_stop(&connection->timer);
	timer_stop(&connection->again);
	watch_stop(&connection->watch);
	if (connection->state == CONNECTION_CONNECTING)
		connection->state = CONNECTION_ABANDONED;
	else
		connection_release(connection);
}

/* -- sending --------------------------------------------------------------- */

static void look(struct timer *timer)
{
	struct connection *connection =
		container_of(timer, struct connection, timer);

	if (connection->operations == NULL)
		return;
	timer_start(&connection->timer, connection->loop, LOOK, look);
	read_messages(connection);
}

static int make_control(struct connection *connection,
			const struct directory_operation *operation,
			struct berval *cookie, LDAPControl **control)
{
	if (operation->sync)
		return ldap_sync_control(operation->sync_cookie,
					 operation->sync_len, control);
	if (operation->page_size > 0)
		return ldap_create_page_control(connection->ldap,
						operation->page_size, cookie,
						1, control);
	return LDAP_SUCCESS;
}

static int send_search(struct connection *connection,
		       struct directory_operation *operation,
		       struct berval *cookie)
{
	int64_t seconds = connection->options->timeout / 1000;
	struct timeval limit = { .tv_sec = seconds > 0 ? seconds : 1 };
	LDAPControl *controls[2] = { NULL, NULL };
	int result = make_control(connection, operation, cookie, &controls[0]);

	if (result != LDAP_SUCCESS)
		return result;
	result = ldap_search_ext(connection->ldap, operation->dn,
				 operation->scope, operation->filter,
				 (char **)operation->attributes, 0, controls,
				 NULL,
				 operation->kind == DIRECTORY_FEED ? NULL :
								     &limit,
				 operation->limit, &operation->id);
	if (controls[0] != NULL)
		ldap_control_free(controls[0]);
	return result;
}

static int send_bind(struct connection *connection,
		     struct directory_operation *operation)
{
	struct berval password = { .bv_val = (char *)operation->password,
				   .bv_len = strlen(operation->password) };

	return ldap_sasl_bind(connection->ldap, operation->dn,
			      LDAP_SASL_SIMPLE, &password, NULL, NULL,
			      &operation->id);
}

int connection_send(struct connection *connection,
		    struct directory_operation *operation)
{
	int result = operation->kind == DIRECTORY_BIND ?
			     send_bind(connection, operation) :
			     send_search(connection, operation, NULL);

	operation->tries++;
	if (result != LDAP_SUCCESS)
		return result;
	operation->connection = connection;
	operation->server = connection->server;
	operation->sent = loop_now(connection->loop);
	DL_APPEND(connection->operations, operation);
	if (!timer_running(&connection->timer))
		timer_start(&connection->timer, connection->loop, LOOK, look);
	return LDAP_SUCCESS;
}

void connection_drop(struct connection *connection,
		     struct directory_operation *operation)
{
	DL_DELETE(connection->operations, operation);
	operation->connection = NULL;
	ldap_abandon_ext(connection->ldap, operation->id, NULL, NULL);
}

/* -- receiving ------------------------------------------------------------- */

static struct directory_operation *
operation_of(const struct connection *connection, LDAPMessage *message)
{
	struct directory_operation *operation;
	int id = ldap_msgid(message);

	LL_SEARCH_SCALAR(connection->operations, operation, id, id);
	return operation;
}

/* The place to go on at, from a page's controls. */
static struct berval next_page(struct connection *connection,
			       LDAPControl **controls)
{
	struct berval cookie = { .bv_len = 0 };
	LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS,
					      controls, NULL);

	if (page != NULL)
		ldap_parse_pageresponse_control(connection->ldap, page, NULL,
						&cookie);
	return cookie;
}

static void take_result(struct connection *connection,
			struct directory_operation *operation,
			LDAPMessage *message)
{
	LDAPControl **controls = NULL;
	struct berval cookie = { .bv_len = 0 };
	char *text = NULL;
	int code = LDAP_OTHER;

	ldap_parse_result(connection->ldap, message, &code, NULL, &text, NULL,
			  &controls, 0);
	if (operation->page_size > 0 && code == LDAP_SUCCESS)
		cookie = next_page(connection, controls);
	if (cookie.bv_len == 0 ||
	    send_search(connection, operation, &cookie) != LDAP_SUCCESS) {
		if (cookie.bv_len > 0)
			code = LDAP_UNAVAILABLE;
		DL_DELETE(connection->operations, operation);
		operation->connection = NULL;
		directory_answered(connection, operation, code,
				   text != NULL ? text : "");
	}
	ldap_memfree(cookie.bv_val);
	ldap_memfree(text);
	ldap_controls_free(controls);
}

static void take_message(struct connection *connection, LDAPMessage *message)
{
	struct directory_operation *operation =
		operation_of(connection, message);
	struct directory_entry entry = { connection->ldap, message };

	if (operation == NULL)
		return;
	directory_progress(operation);
	switch (ldap_msgtype(message)) {
	case LDAP_RES_INTERMEDIATE:
		if (operation->info != NULL)
			operation->info(operation, &entry);
		break;
	case LDAP_RES_SEARCH_ENTRY:
		operation->entries++;
		operation->entry(operation, &entry);
		break;
	case LDAP_RES_SEARCH_RESULT:
	case LDAP_RES_BIND:
		take_result(connection, operation, message);
		break;
	default: /* references to other servers: see ldap_connect.c */
		break;
	}
}

static void read_again(struct timer *timer)
{
	read_messages(container_of(timer, struct connection, again));
}

static void read_messages(struct connection *connection)
{
	struct timeval now = { 0, 0 };
	LDAPMessage *message = NULL;
	unsigned count = 0;
	int type;

	while ((type = ldap_result(connection->ldap, LDAP_RES_ANY,
				   LDAP_MSG_ONE, &now, &message)) > 0) {
		connection->heard = loop_now(connection->loop);
		take_message(connection, message);
		ldap_msgfree(message);
		if (++count < BATCH)
			continue;
		/* What libldap has read already wakes nobody up. */
		timer_start(&connection->again, connection->loop, 0,
			    read_again);
		return;
	}
	if (type < 0)
		directory_lost(connection, "the connection was lost");
}

/* -- entries --------------------------------------------------------------- */

char *entry_dn(const struct directory_entry *entry)
{
	char *dn = ldap_get_dn(entry->ldap, entry->message);
	char *copy = mem_strdup(dn);

	ldap_memfree(dn);
	return copy;
}

struct berval **entry_values(const struct directory_entry *entry,
			     const char *attribute)
{
	return ldap_get_values_len(entry->ldap, entry->message, attribute);
}

char *entry_text(const struct directory_entry *entry, const char *attribute)
{
	struct berval **values = entry_values(entry, attribute);
	char *text = NULL;

	if (values != NULL && values[0] != NULL)
		text = mem_strndup(values[0]->bv_val, values[0]->bv_len);
	ldap_value_free_len(values);
	return text;
}
