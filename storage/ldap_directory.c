/* SPDX-License-Identifier: Apache-2.0
 *
 * Which connections there are, and what is asked on which. What the answers
 * mean is for those who ask.
 */
#include "storage/ldap_directory.h"

#include <stdio.h>
#include <string.h>

#include "storage/ldap_connection.h"
#include "storage/ldap_servers.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

/* One that hangs must not hold up the others. */
#define THREADS 4

/* How often one operation is sent, when connections are lost under it. */
#define TRIES_MAX 2

#define OUTSTANDING_MAX 20000

struct directory {
	struct loop *loop;
	struct log *log;
	const char *name;
	struct ldap_options *options; /* a copy: threads may need it when all
					 else is gone */
	struct worker *worker;
	struct ldap_servers servers;
	struct connection *connections;
	struct directory_operation *waiting[DIRECTORY_KINDS];
	size_t outstanding;
	struct deferred dispatch;
	struct timer probe;
	char problem[160]; /* the latest */
	bool reported;	   /* that no server can be asked */
	bool closing;
};

static void run_dispatch(struct deferred *deferred);

static void dispatch_later(struct directory *directory)
{
	if (!directory->closing)
		loop_defer(directory->loop, &directory->dispatch,
			   run_dispatch);
}

/* -- the end of operations ------------------------------------------------- */

static void finish(struct directory_operation *operation,
		   enum storage_status status, int code, const char *text)
{
	struct directory_answer answer = { status, code, text };

	timer_stop(&operation->deadline);
	operation->directory->outstanding--;
	operation->done(operation, &answer);
}

static void finish_waiting(struct directory_operation *operation,
			   enum storage_status status, const char *text)
{
	DL_DELETE(operation->directory->waiting[operation->kind], operation);
	finish(operation, status, 0, text);
}

/* -- servers --------------------------------------------------------------- */

static const char *uri_of(const struct directory *directory, size_t server)
{
	return directory->servers.list[server].uri;
}

static void say_switched(struct directory *directory)
{
	log_notice(directory->log, "ldap.server",
		   LOG_S("directory", directory->name),
		   LOG_S("uri", uri_of(directory,
				       directory->servers.current)));
	dispatch_later(directory);
}

static void probe_later(struct directory *directory);

static void server_failed(struct directory *directory, size_t server,
			  const char *reason)
{
	const struct ldap_server *failed = &directory->servers.list[server];
	unsigned jitter;

	loop_random(directory->loop, &jitter, sizeof(jitter));
	/* Once is news, again and again is none. */
	log_at(directory->log,
	       failed->failures == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
	       "ldap.failed", LOG_S("directory", directory->name),
	       LOG_S("uri", failed->uri), LOG_S("reason", reason));
	str_copy(directory->problem, sizeof(directory->problem), reason);
	if (ldap_servers_failed(&directory->servers, server,
				loop_now(directory->loop), jitter % 500))
		say_switched(directory);
	probe_later(directory);
}

static struct connection *connect_to(struct directory *directory,
				     size_t server, enum connection_use use)
{
	struct connection *connection = mem_new(struct connection);

	connection->directory = directory;
	connection->loop = directory->loop;
	connection->options = directory->options;
	connection->server = server;
	connection->uri = uri_of(directory, server);
	connection->use = use;
	DL_APPEND(directory->connections, connection);
	connection_start(connection, directory->worker);
	return connection;
}

/* A server that has failed is looked at now and then while another one, or
 * none, is in use. */
static void on_probe(struct timer *timer)
{
	struct directory *directory =
		container_of(timer, struct directory, probe);
	size_t server = ldap_servers_probe(&directory->servers,
					   loop_now(directory->loop));
	struct connection *other;

	LL_SEARCH_SCALAR(directory->connections, other, use, CONNECTION_PROBE);
	if (server != LDAP_SERVER_NONE && other == NULL)
		connect_to(directory, server, CONNECTION_PROBE);
	probe_later(directory);
}

static void probe_later(struct directory *directory)
{
	uint64_t pause = (uint64_t)directory->options->return_after / 8;

	if (directory->closing || directory->servers.current == 0)
		timer_stop(&directory->probe);
	else
		timer_start(&directory->probe, directory->loop,
			    pause < 50 ? 50 : pause > 1000 ? 1000 : pause,
			    on_probe);
}

/* -- connections ----------------------------------------------------------- */

/* Takes back what is under way on it: it is asked again, unless it was often
 * enough, or part of the answer has been seen. */
static bool may_be_repeated(const struct directory_operation *operation)
{
	return operation->tries < TRIES_MAX && operation->entries == 0 &&
	       !operation->sync;
}

static void take_back(struct connection *connection, const char *reason)
{
	struct directory *directory = connection->directory;
	struct directory_operation *operation;

	while ((operation = connection->operations) != NULL) {
		DL_DELETE(connection->operations, operation);
		operation->connection = NULL;
		DL_PREPEND(directory->waiting[operation->kind], operation);
		if (!may_be_repeated(operation))
			finish_waiting(operation, STORAGE_UNAVAILABLE, reason);
	}
}

static void remove_connection(struct connection *connection)
{
	DL_DELETE(connection->directory->connections, connection);
	connection_free(connection);
}

void directory_connected(struct connection *connection)
{
	struct directory *directory = connection->directory;

	log_debug(directory->log, "ldap.connected",
		  LOG_S("directory", directory->name),
		  LOG_S("uri", connection->uri));
	directory->reported = false;
	if (ldap_servers_reached(&directory->servers, connection->server,
				 loop_now(directory->loop)))
		say_switched(directory);
	probe_later(directory);
	if (connection->use == CONNECTION_PROBE)
		remove_connection(connection);
	dispatch_later(directory);
}

void directory_not_connected(struct connection *connection, const char *reason)
{
	struct directory *directory = connection->directory;

	server_failed(directory, connection->server, reason);
	remove_connection(connection);
	dispatch_later(directory);
}

static bool is_awaited(const struct connection *connection)
{
	const struct directory_operation *operation;

	DL_FOREACH(connection->operations, operation) {
		if (timer_running(&operation->deadline))
			return true;
	}
	return false;
}

void directory_lost(struct connection *connection, const char *reason)
{
	struct directory *directory = connection->directory;

	/* Servers close connections on which nothing happens. */
	if (is_awaited(connection))
		server_failed(directory, connection->server, reason);
	take_back(connection, reason);
	remove_connection(connection);
	dispatch_later(directory);
}

/* The server says that it cannot do anything for anybody now. */
static bool is_server_trouble(int code)
{
	return code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
}

void directory_answered(struct connection *connection,
			struct directory_operation *operation, int code,
			const char *text)
{
	struct directory *directory = connection->directory;

	dispatch_later(directory);
	if (!is_server_trouble(code)) {
		finish(operation, STORAGE_OK, code, text);
		return;
	}
	if (!connection->retired)
		server_failed(directory, connection->server,
			      ldap_err2string(code));
	connection->retired = true;
	DL_PREPEND(directory->waiting[operation->kind], operation);
	if (!may_be_repeated(operation))
		finish_waiting(operation, STORAGE_UNAVAILABLE,
			       ldap_err2string(code));
}

/* It has taken too long, with an answer under way or not. */
static void on_deadline(struct timer *timer)
{
	struct directory_operation *operation =
		container_of(timer, struct directory_operation, deadline);
	struct directory *directory = operation->directory;
	struct connection *connection = operation->connection;
	bool silent;

	if (connection == NULL) {
		finish_waiting(operation, STORAGE_UNAVAILABLE,
			       *directory->problem != '\0' ?
				       directory->problem :
				       "no connection in time");
		return;
	}
	silent = connection->heard <= operation->sent;
	connection_drop(connection, operation);
	finish(operation, STORAGE_UNAVAILABLE, 0, "no answer in time");
	/* One slow answer among others is not the server's end. */
	if (silent)
		server_failed(directory, connection->server,
			      "no answer in time");
	if (silent || connection->use == CONNECTION_BIND) {
		take_back(connection, "no answer in time");
		remove_connection(connection);
	}
	dispatch_later(directory);
}

/* -- which goes where ------------------------------------------------------ */

/* What would never end by itself, on a connection that is to. */
static void end_endless(struct connection *connection)
{
	struct directory_operation *operation, *next;

	DL_FOREACH_SAFE(connection->operations, operation, next) {
		if (!operation->sync)
			continue;
		connection_drop(connection, operation);
		finish(operation, STORAGE_UNAVAILABLE, 0,
		       "another server is used now");
	}
}

/* Connections to servers that are not in use any more go when they are
 * done. */
static void sweep(struct directory *directory)
{
	struct connection *connection, *next;

	DL_FOREACH_SAFE(directory->connections, connection, next) {
		if (connection->use != CONNECTION_PROBE &&
		    connection->server != directory->servers.current)
			connection->retired = true;
		if (connection->retired)
			end_endless(connection);
		if (connection->retired && connection->operations == NULL &&
		    connection->state == CONNECTION_OPEN)
			remove_connection(connection);
	}
}

struct census {
	struct connection *free;
	unsigned coming; /* CONNECTING */
	unsigned all;
};

static struct census census_of(const struct directory *directory,
			       enum connection_use use)
{
	struct census census = { .free = NULL };
	struct connection *connection;

	DL_FOREACH(directory->connections, connection) {
		if (connection->use != use || connection->retired)
			continue;
		census.all++;
		if (connection->state == CONNECTION_CONNECTING)
			census.coming++;
		else if (use != CONNECTION_BIND ||
			 connection->operations == NULL)
			census.free = connection;
	}
	return census;
}

static unsigned connections_max(const struct directory *directory,
				enum connection_use use)
{
	return use == CONNECTION_BIND ?
		       (unsigned)directory->options->connections : 1;
}

static void report(struct directory *directory)
{
	if (!directory->reported)
		log_warning(directory->log, "ldap.unavailable",
			    LOG_S("directory", directory->name),
			    LOG_S("reason", directory->problem));
	directory->reported = true;
}

/* It could not be sent: by what it is, or because the connection is gone. */
static void not_sent(struct connection *connection,
		     struct directory_operation *operation, int result)
{
	const char *reason = ldap_err2string(result);

	if (operation->tries >= TRIES_MAX || result == LDAP_FILTER_ERROR ||
	    result == LDAP_PARAM_ERROR || result == LDAP_ENCODING_ERROR)
		finish_waiting(operation, STORAGE_UNAVAILABLE, reason);
	if (result != LDAP_FILTER_ERROR && result != LDAP_PARAM_ERROR &&
	    result != LDAP_ENCODING_ERROR)
		directory_lost(connection, reason);
}

static enum connection_use use_of(enum directory_kind kind)
{
	if (kind == DIRECTORY_FEED)
		return CONNECTION_FEED;
	return kind == DIRECTORY_BIND ? CONNECTION_BIND : CONNECTION_SEARCH;
}

/* Finds a connection for it, or sees to it that one comes. False: there is
 * nothing to do for those behind it. */
static bool place(struct directory *directory,
		  struct directory_operation *operation, unsigned *behind)
{
	struct directory_operation **waiting =
		&directory->waiting[operation->kind];
	enum connection_use use = use_of(operation->kind);
	struct census census = census_of(directory, use);
	size_t server;
	int result;

	if (census.free != NULL) {
		DL_DELETE(*waiting, operation);
		result = connection_send(census.free, operation);
		if (result != LDAP_SUCCESS) {
			DL_PREPEND(*waiting, operation);
			not_sent(census.free, operation, result);
		}
		return true;
	}
	/* Each connection that comes is for one that waits. */
	(*behind)++;
	if (census.coming >= *behind)
		return true;
	if (census.all >= connections_max(directory, use))
		return false;
	server = ldap_servers_pick(&directory->servers,
				   loop_now(directory->loop));
	if (server != LDAP_SERVER_NONE) {
		connect_to(directory, server, use);
	} else if (census.all == 0) {
		report(directory);
		finish_waiting(operation, STORAGE_UNAVAILABLE,
			       directory->problem);
	}
	return true;
}

static void run_dispatch(struct deferred *deferred)
{
	struct directory *directory =
		container_of(deferred, struct directory, dispatch);
	struct directory_operation *operation, *next;

	sweep(directory);
	for (int kind = 0; kind < DIRECTORY_KINDS; kind++) {
		unsigned behind = 0;

		DL_FOREACH_SAFE(directory->waiting[kind], operation, next) {
			if (!place(directory, operation, &behind))
				break;
		}
	}
}

void directory_submit(struct directory *directory,
		      struct directory_operation *operation)
{
	uint64_t time = (uint64_t)directory->options->timeout;

	operation->directory = directory;
	operation->connection = NULL;
	operation->tries = 0;
	operation->entries = 0;
	operation->deadline = (struct timer){ .loop = NULL };
	/* Too many: that ends as a deadline that has come already. */
	if (directory->outstanding++ >= OUTSTANDING_MAX)
		time = 0;
	timer_start(&operation->deadline, directory->loop, time, on_deadline);
	DL_APPEND(directory->waiting[operation->kind], operation);
	dispatch_later(directory);
}

void directory_progress(struct directory_operation *operation)
{
	if (operation->kind == DIRECTORY_FEED &&
	    timer_running(&operation->deadline))
		timer_start(&operation->deadline, operation->directory->loop,
			    (uint64_t)operation->directory->options->timeout,
			    on_deadline);
}

void directory_rest(struct directory_operation *operation)
{
	timer_stop(&operation->deadline);
}

void directory_withdraw(struct directory_operation *operation)
{
	struct directory *directory = operation->directory;

	timer_stop(&operation->deadline);
	directory->outstanding--;
	if (operation->connection != NULL)
		connection_drop(operation->connection, operation);
	else
		DL_DELETE(directory->waiting[operation->kind], operation);
}

/* -- opening and closing --------------------------------------------------- */

struct directory *directory_open(struct loop *loop, struct log *log,
				 const char *name,
				 const struct ldap_options *options,
				 struct error *err)
{
	struct directory *directory;

	if (ldap_options_check(options, err) != 0)
		return NULL;
	directory = mem_new(struct directory);
	directory->loop = loop;
	directory->log = log;
	directory->name = name;
	directory->options = section_copy(&ldap_section, options);
	directory->worker = worker_new(loop, "ldap", THREADS, 1,
				       connection_thread, directory, err);
	if (directory->worker == NULL) {
		section_free(&ldap_section, directory->options);
		mem_free(directory);
		return NULL;
	}
	ldap_servers_init(&directory->servers, directory->options->uri,
			  (uint64_t)options->return_after);
	return directory;
}

static void directory_gone(void *ctx)
{
	struct directory *directory = ctx;

	ldap_servers_free(&directory->servers);
	section_free(&ldap_section, directory->options);
	mem_free(directory);
}

void directory_close(struct directory **directory)
{
	struct directory *d = *directory;
	struct directory_operation *operation;
	struct connection *connection, *next;

	if (d == NULL)
		return;
	d->closing = true;
	loop_defer_cancel(d->loop, &d->dispatch);
	timer_stop(&d->probe);
	DL_FOREACH_SAFE(d->connections, connection, next) {
		while ((operation = connection->operations) != NULL) {
			connection_drop(connection, operation);
			finish(operation, STORAGE_CANCELLED, 0, "closing");
		}
		remove_connection(connection);
	}
	for (int kind = 0; kind < DIRECTORY_KINDS; kind++) {
		while ((operation = d->waiting[kind]) != NULL)
			finish_waiting(operation, STORAGE_CANCELLED,
				       "closing");
	}
	*directory = NULL;
	if (worker_pending(d->worker) > 0) {
		worker_retire(&d->worker, directory_gone, d);
	} else {
		worker_free(&d->worker);
		directory_gone(d);
	}
}
