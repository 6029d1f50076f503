/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about many accounts: their list, page by page, and creating a
 * batch of them.
 */
#include "sm/admin.h"

#include <stdio.h>
#include <string.h>

#include "sm/domain.h"
#include "sm/user.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define PAGE 500

/* -- list ------------------------------------------------------------------ */

struct listing {
	struct sm *sm;
	struct sm_domain *domain;
	struct command_call *call;
	size_t auth; /* the driver that is being asked */
};

static void listing_next(struct listing *listing, const char *after);

static void listing_finish(struct listing *listing, const char *status,
			   const char *text)
{
	struct command_call *call = listing->call;
	struct sm *sm = listing->sm;

	mem_free(listing);
	admin_finish(sm, call, status, text);
}

static void listing_page(const struct auth_result *result, void *ctx)
{
	struct listing *listing = ctx;

	if (result->status != STORAGE_OK || listing->sm->link == NULL) {
		listing_finish(listing, admin_status(result->status),
			       result->status == STORAGE_UNAVAILABLE ?
				       "the accounts cannot be listed" : NULL);
		return;
	}
	for (size_t i = 0; i < result->count; i++)
		command_row(listing->call, "jid", result->names[i], NULL);
	if (result->count < PAGE) {
		listing->auth++;
		listing_next(listing, NULL);
	} else {
		listing_next(listing, result->names[result->count - 1]);
	}
}

static void listing_next(struct listing *listing, const char *after)
{
	struct sm_domain *domain = listing->domain;

	if (listing->auth < domain->auth_count)
		auth_list(domain->auth[listing->auth], domain->name, after,
			  PAGE, listing_page, listing);
	else
		listing_finish(listing, "ok", NULL);
}

void admin_user_list(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	const char *name = command_argument(call, "domain");
	char *prepared = name != NULL ? jid_prepare_domain(name) : NULL;
	struct sm_domain *domain = sm_domain(sm, prepared);
	struct listing *listing;

	mem_free(prepared);
	if (domain == NULL) {
		command_finish(call, "not-found",
			       "this domain is not served here");
		return;
	}
	admin_begin(sm);
	listing = mem_new(struct listing);
	listing->sm = sm;
	listing->domain = domain;
	listing->call = call;
	listing_next(listing, NULL);
}

/* -- import ---------------------------------------------------------------- */

/* A batch; finished when the last of its accounts is. */
struct import {
	struct sm *sm;
	struct command_call *call;
	size_t pending;
	size_t created, failed;
};

struct import_line {
	struct import *import;
	char *jid;
};

static void import_release(struct import *import)
{
	struct command_call *call = import->call;
	struct sm *sm = import->sm;
	char text[80];
	bool ok = import->failed == 0;

	if (--import->pending > 0)
		return;
	snprintf(text, sizeof(text), "%zu created, %zu not",
		 import->created, import->failed);
	log_notice(sm->log, "account.import",
		   LOG_N("created", import->created),
		   LOG_N("failed", import->failed));
	mem_free(import);
	admin_finish(sm, call, ok ? "ok" : "failed", text);
}

/* Only what went wrong is answered in rows. */
static void import_failed(struct import *import, const char *jid,
			  const char *result)
{
	import->failed++;
	if (import->sm->link != NULL)
		command_row(import->call, "jid", jid, "result", result, NULL);
}

static void import_created(const struct auth_result *result, void *ctx)
{
	struct import_line *line = ctx;
	struct import *import = line->import;

	if (result->status == STORAGE_OK) {
		import->created++;
		user_created(import->sm, line->jid);
	} else {
		import_failed(import, line->jid,
			      admin_status(result->status));
	}
	mem_free(line->jid);
	mem_free(line);
	import_release(import);
}

static void import_account(struct import *import, const char *text,
			   const char *password)
{
	struct jid *jid = jid_parse(text);
	struct sm_domain *domain =
		jid != NULL ? sm_domain(import->sm, jid_domain(jid)) : NULL;
	struct auth *auth =
		domain != NULL ? domain_writable_auth(domain) : NULL;
	char *prepared = jid_prepare_password(password);
	struct import_line *line;

	if (auth == NULL || !jid_is_bare(jid) || prepared == NULL ||
	    *prepared == '\0') {
		import_failed(import, text, "invalid");
	} else {
		line = mem_new(struct import_line);
		line->import = import;
		line->jid = mem_strdup(jid_full(jid));
		import->pending++;
		auth_create(auth, line->jid, prepared, import_created, line);
	}
	mem_free_secret(prepared);
	jid_free(&jid);
}

void admin_user_import(struct command_call *call, void *ctx)
{
	const char *accounts = command_argument(call, "accounts");
	char *text, *line, *next;
	struct import *import;

	if (accounts == NULL) {
		command_finish(call, "invalid", "accounts are needed");
		return;
	}
	import = mem_new(struct import);
	admin_begin(ctx);
	import->sm = ctx;
	import->call = call;
	import->pending = 1;
	text = mem_strdup(accounts);
	for (line = text; line != NULL; line = next) {
		char *space;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		space = strchr(line, ' ');
		if (space != NULL) {
			*space = '\0';
			import_account(import, line, space + 1);
		} else if (*line != '\0') {
			import_failed(import, line, "invalid");
		}
	}
	/* The pieces between the NULs are passwords. */
	mem_wipe(text, strlen(accounts));
	mem_free(text);
	import_release(import);
}
