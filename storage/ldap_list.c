/* SPDX-License-Identifier: Apache-2.0
 *
 * All people of a directory. Directories do not sort by the bytes of JIDs, so
 * the whole list is read once, page by page, and kept for a while: those who
 * ask want the rest of it, too.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/ldap_connection.h"
#include "storage/ldap_person.h"
#include "storage/ldap_private.h"
#include "storage/ldap_text.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define KEEP 30000 /* ms after the last use */

/* What a list may take of our memory. */
#define NAMES_MAX 2000000

struct ldap_listing {
	struct auth_ldap *auth;
	struct buf filter;
	const char *attributes[2];
	struct directory_operation operation;
	struct auth_request *requests; /* by driver_data */
	char **names;
	size_t count, room;
	bool complete;
	struct timer keep;
	struct deferred deferred;
};

static void listing_free(struct ldap_listing *listing)
{
	timer_stop(&listing->keep);
	loop_defer_cancel(listing->auth->loop, &listing->deferred);
	listing->auth->listing = NULL;
	for (size_t i = 0; i < listing->count; i++)
		mem_free(listing->names[i]);
	mem_free(listing->names);
	buf_free(&listing->filter);
	mem_free(listing);
}

static struct auth_request *next_request(struct ldap_listing *listing)
{
	struct auth_request *request = listing->requests;

	if (request != NULL)
		listing->requests = request->driver_data;
	return request;
}

/* -- answering ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts, and removes repeats. */
static void arrange(struct ldap_listing *listing)
{
	size_t kept = 0;

	if (listing->count == 0)
		return;
	qsort(listing->names, listing->count, sizeof(*listing->names),
	      compare);
	for (size_t i = 1; i < listing->count; i++) {
		if (str_equal(listing->names[kept], listing->names[i]))
			mem_free(listing->names[i]);
		else
			listing->names[++kept] = listing->names[i];
	}
	listing->count = kept + 1;
}

/* The first name behind `after`. */
static size_t place_after(const struct ldap_listing *listing,
			  const char *after)
{
	size_t low = 0, high = listing->count;

	while (after != NULL && low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(listing->names[middle], after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void answer(const struct ldap_listing *listing,
		   struct auth_request *request)
{
	size_t start = place_after(listing, request->after);
	size_t count = listing->count - start;

	if (count > request->limit)
		count = request->limit;
	request->result.names = mem_calloc(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		request->result.names[i] =
			mem_strdup(listing->names[start + i]);
	request->result.count = count;
	auth_request_done(request, STORAGE_OK);
}

static void keep_over(struct timer *timer)
{
	listing_free(container_of(timer, struct ldap_listing, keep));
}

static void answer_all(struct deferred *deferred)
{
	struct ldap_listing *listing =
		container_of(deferred, struct ldap_listing, deferred);
	struct auth_request *request;

	timer_start(&listing->keep, listing->auth->loop, KEEP, keep_over);
	while ((request = next_request(listing)) != NULL)
		answer(listing, request);
}

/* -- reading --------------------------------------------------------------- */

static void add_name(struct ldap_listing *listing, char *name)
{
	if (listing->count == NAMES_MAX) {
		mem_free(name);
		return;
	}
	if (listing->count == listing->room) {
		listing->room = listing->room > 0 ? 2 * listing->room : 64;
		listing->names = mem_realloc(listing->names, listing->room,
					     sizeof(*listing->names));
	}
	listing->names[listing->count++] = name;
}

static void take_entry(struct directory_operation *operation,
		       const struct directory_entry *entry)
{
	struct ldap_listing *listing =
		container_of(operation, struct ldap_listing, operation);
	struct berval **values = entry_values(entry, listing->attributes[0]);

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		char *name = ldap_person_jid(values[i],
					     listing->auth->domain);

		if (name != NULL)
			add_name(listing, name);
	}
	ldap_value_free_len(values);
}

static void take_end(struct directory_operation *operation,
		     const struct directory_answer *answered)
{
	struct ldap_listing *listing =
		container_of(operation, struct ldap_listing, operation);
	struct auth_request *request;

	if (answered->status == STORAGE_OK && answered->code == LDAP_SUCCESS) {
		listing->complete = true;
		arrange(listing);
		answer_all(&listing->deferred);
		return;
	}
	while ((request = next_request(listing)) != NULL)
		ldap_request_failed(request, answered);
	listing_free(listing);
}

/* In the place of a name, which nobody's is: any. */
#define ANY "*"

static void add_any(struct buf *to, const char *value, size_t len)
{
	if (str_equal(value, ANY))
		buf_add_str(to, ANY);
	else
		ldap_text_add_filter(to, value, len);
}

void ldap_filter_everybody(struct buf *filter,
			   const struct ldap_options *options,
			   const char *domain)
{
	buf_addf(filter, "(&(%s=*)", ldap_options_user_attribute(options));
	if (options->dn_template == NULL)
		ldap_text_expand(filter, ldap_options_filter(options), add_any,
				 ANY, domain);
	if (options->allow_filter != NULL)
		buf_add_str(filter, options->allow_filter);
	buf_add_char(filter, ')');
}

static void start(struct auth_ldap *auth)
{
	const struct ldap_options *options = auth->options;
	struct ldap_listing *listing = mem_new(struct ldap_listing);

	auth->listing = listing;
	listing->auth = auth;
	listing->attributes[0] = ldap_options_user_attribute(options);
	ldap_filter_everybody(&listing->filter, options, auth->domain);
	listing->operation = (struct directory_operation){
		.kind = DIRECTORY_SEARCH,
		.dn = options->base != NULL ? options->base : "",
		.scope = options->scope,
		.filter = buf_data(&listing->filter),
		.attributes = listing->attributes,
		.page_size = (int)options->page_size,
		.entry = take_entry,
		.done = take_end,
	};
	directory_submit(auth->directory, &listing->operation);
}

void ldap_list(void *ctx, struct auth_request *request)
{
	struct auth_ldap *auth = ctx;

	/* Who starts from the front wants it as it is now. */
	if (auth->listing != NULL && auth->listing->complete &&
	    auth->listing->requests == NULL && request->after == NULL)
		listing_free(auth->listing);
	if (auth->listing == NULL)
		start(auth);
	request->driver_data = auth->listing->requests;
	auth->listing->requests = request;
	if (auth->listing->complete)
		loop_defer(auth->loop, &auth->listing->deferred, answer_all);
}

void ldap_list_free(struct auth_ldap *auth)
{
	struct auth_request *request;

	if (auth->listing == NULL)
		return;
	while ((request = next_request(auth->listing)) != NULL)
		auth_request_done(request, STORAGE_CANCELLED);
	listing_free(auth->listing);
}
