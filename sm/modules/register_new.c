/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0077 for who is not logged in: new accounts, if the domain allows them,
 * a few from each address.
 */
#include "sm/modules/register.h"

#include <string.h>

#include "sm/domain.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A request that waits for the driver. */
struct creation {
	struct registration *registration;
	char *jid;
};

/* -- addresses ----------------------------------------------------------- */

static struct register_data *data_of(const struct sm *sm)
{
	return module_data(sm, &sm_module_register);
}

static void address_free(struct register_data *data,
			 struct register_address *entry)
{
	HASH_DEL(data->addresses, entry);
	mem_free(entry->address);
	mem_free(entry);
}

/* The entry of an address, unless it is too old to count. */
static struct register_address *address_find(struct sm *sm, const char *address)
{
	struct register_data *data = data_of(sm);
	struct register_address *entry = NULL;

	if (address != NULL)
		HASH_FIND_STR(data->addresses, address, entry);
	if (entry == NULL ||
	    loop_now(sm->loop) - entry->first < REGISTER_WINDOW)
		return entry;
	address_free(data, entry);
	return NULL;
}

static bool address_refused(struct sm *sm, const char *address)
{
	struct register_address *entry = address_find(sm, address);

	return entry != NULL && entry->count >= REGISTER_MAX;
}

static void address_count(struct sm *sm, const char *address)
{
	struct register_data *data = data_of(sm);
	struct register_address *entry = address_find(sm, address);

	if (address == NULL)
		return;
	if (entry == NULL) {
		/* The first of the table is the oldest. */
		if (HASH_COUNT(data->addresses) >= REGISTER_ADDRESSES)
			address_free(data, data->addresses);
		entry = mem_new(struct register_address);
		entry->address = mem_strdup(address);
		entry->first = loop_now(sm->loop);
		HASH_ADD_KEYPTR(hh, data->addresses, entry->address,
				strlen(entry->address), entry);
	}
	entry->count++;
}

void register_new_stop(struct sm *sm)
{
	struct register_data *data = data_of(sm);

	while (data->addresses != NULL)
		address_free(data, data->addresses);
}

/* -- requests ------------------------------------------------------------ */

static struct stanza *form(const struct stanza *iq)
{
	struct stanza *reply = stanza_result_new(iq);
	struct element *query = element_add(reply->root, "query", NS_REGISTER);

	element_add_text_child(query, "instructions", NULL,
			       "Choose a user name and a password.");
	element_add(query, "username", NULL);
	element_add(query, "password", NULL);
	return reply;
}

static void created(const struct auth_result *result, void *ctx)
{
	struct creation *creation = ctx;
	struct registration *registration = creation->registration;
	struct sm *sm = registration->sm;
	struct stanza *iq = registration->iq, *reply;
	struct user *user = user_find(sm, creation->jid);

	if (result->status == STORAGE_OK) {
		log_info(sm->log, "register.created",
			 LOG_S("jid", creation->jid),
			 LOG_S("address", registration->address));
		/* It was perhaps remembered that there is no such account. */
		if (user != NULL && user->state == USER_READY)
			user->has_account = true;
		reply = stanza_result_new(iq);
	} else if (result->status == STORAGE_CONFLICT) {
		reply = register_error(iq, STANZA_CONFLICT,
				       "This name is taken");
	} else {
		log_warning(sm->log, "register.unavailable",
			    LOG_S("jid", creation->jid),
			    LOG_S("reason", result->reason));
		reply = register_error(iq, STANZA_INTERNAL_SERVER_ERROR, NULL);
	}
	registration_answer(registration, reply);
	mem_free(creation->jid);
	mem_free(creation);
}

static void create(struct registration *registration, const char *local,
		   const char *password)
{
	struct sm_domain *domain = registration->domain;
	struct creation *creation = mem_new(struct creation);

	creation->registration = registration;
	creation->jid = mem_printf("%s@%s", local, domain->name);
	/* Whatever comes of it, so that nobody tries names in a row. */
	address_count(registration->sm, registration->address);
	auth_create(domain_writable_auth(domain), creation->jid, password,
		    created, creation);
}

/* NULL: the answer comes later. */
static struct stanza *set(struct registration *registration,
			  const struct element *query)
{
	const struct stanza *iq = registration->iq;
	const char *username = register_field(query, "username");
	const char *text = register_field(query, "password");
	char *local, *password;
	struct stanza *reply = NULL;

	if (username == NULL || text == NULL)
		return register_error(iq, STANZA_NOT_ACCEPTABLE,
				      "A user name and a password are needed");
	if (address_refused(registration->sm, registration->address)) {
		log_notice(registration->sm->log, "register.throttled",
			   LOG_S("address", registration->address));
		return register_error(iq, STANZA_RESOURCE_CONSTRAINT,
				      "Too many accounts; try again later");
	}
	local = jid_prepare_local(username);
	password = jid_prepare_password(text);
	if (local == NULL)
		reply = register_error(iq, STANZA_JID_MALFORMED,
				       "This is not a user name");
	else if (password == NULL)
		reply = register_error(
			iq, STANZA_NOT_ACCEPTABLE,
			"The password has characters that it may not have");
	else
		create(registration, local, password);
	mem_free_secret(password);
	mem_free(local);
	return reply;
}

static struct stanza *handle(struct registration *registration)
{
	const struct stanza *iq = registration->iq;
	const struct element *query =
		element_child(iq->root, "query", NS_REGISTER);

	if (query == NULL || domain_writable_auth(registration->domain) == NULL)
		return register_error(iq, STANZA_SERVICE_UNAVAILABLE, NULL);
	if (str_equal(element_attr(iq->root, "type"), "get"))
		return form(iq);
	if (element_child(query, "remove", NULL) == NULL)
		return set(registration, query);
	return register_error(iq, STANZA_UNEXPECTED_REQUEST, NULL);
}

void register_new(struct registration *registration)
{
	struct stanza *reply = handle(registration);

	if (reply != NULL)
		registration_answer(registration, reply);
}
