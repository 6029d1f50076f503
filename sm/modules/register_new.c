/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0077 for who is not logged in: new accounts, if the domain allows them,
 * a few from each address.
 */
#include "sm/register.h"

#include <string.h>

#include "sm/domain.h"
#include "sm/modules/register.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A request that waits for the driver. */
struct registration {
	struct sm *sm;
	char *c2s, *session;
	struct stanza *iq;
	char *jid, *address;
	struct work *work;
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
static struct register_address *address_find(struct sm *sm,
					     const char *address)
{
	struct register_data *data = data_of(sm);
	struct register_address *entry = NULL;

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

/* -- answers ------------------------------------------------------------- */

/* Takes the reply. */
static void answer(struct sm *sm, const char *c2s, const char *session,
		   struct stanza *reply)
{
	struct stanza *control = sm_control_new("registered");

	element_add_copy(control->root, reply->root);
	if (sm->link != NULL)
		sm_send_control(sm, c2s, session, control);
	stanza_free(&control);
	stanza_free(&reply);
}

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

static void registration_free(struct registration *registration)
{
	work_release(&registration->work);
	stanza_free(&registration->iq);
	mem_free(registration->c2s);
	mem_free(registration->session);
	mem_free(registration->jid);
	mem_free(registration->address);
	mem_free(registration);
}

static void created(const struct auth_result *result, void *ctx)
{
	struct registration *registration = ctx;
	struct sm *sm = registration->sm;
	struct stanza *iq = registration->iq, *reply;
	struct user *user = user_find(sm, registration->jid);

	if (result->status == STORAGE_OK) {
		log_info(sm->log, "register.created",
			 LOG_S("jid", registration->jid),
			 LOG_S("address", registration->address));
		/* It was perhaps remembered that there is no such account. */
		if (user != NULL)
			user->has_account = true;
		reply = stanza_result_new(iq);
	} else if (result->status == STORAGE_CONFLICT) {
		reply = register_error(iq, STANZA_CONFLICT,
				       "This name is taken");
	} else {
		log_warning(sm->log, "register.unavailable",
			    LOG_S("jid", registration->jid),
			    LOG_S("reason", result->reason));
		reply = register_error(iq, STANZA_INTERNAL_SERVER_ERROR, NULL);
	}
	answer(sm, registration->c2s, registration->session, reply);
	registration_free(registration);
}

/* -- requests ------------------------------------------------------------ */

struct request {
	struct sm *sm;
	struct sm_domain *domain;
	const char *c2s, *session, *address;
	struct stanza *iq;
	struct work *work;
};

static void create(const struct request *request, const char *local,
		   const char *password)
{
	struct registration *registration = mem_new(struct registration);

	registration->sm = request->sm;
	registration->c2s = mem_strdup(request->c2s);
	registration->session = mem_strdup(request->session);
	registration->iq = stanza_copy(request->iq);
	registration->jid = mem_printf("%s@%s", local, request->domain->name);
	registration->address = mem_strdup(request->address);
	registration->work = work_hold(request->work);
	/* Whatever comes of it, so that nobody tries names in a row. */
	address_count(request->sm, request->address);
	auth_create(domain_writable_auth(request->domain), registration->jid,
		    password, created, registration);
}

/* NULL: the answer comes later. */
static struct stanza *set(const struct request *request,
			  const struct element *query)
{
	const char *username = register_field(query, "username");
	const char *text = register_field(query, "password");
	char *local, *password;
	struct stanza *reply = NULL;

	if (username == NULL || text == NULL)
		return register_error(request->iq, STANZA_NOT_ACCEPTABLE,
				      "A user name and a password are needed");
	if (address_refused(request->sm, request->address)) {
		log_notice(request->sm->log, "register.throttled",
			   LOG_S("address", request->address));
		return register_error(request->iq, STANZA_RESOURCE_CONSTRAINT,
				      "Too many accounts; try again later");
	}
	local = jid_prepare_local(username);
	password = jid_prepare_password(text);
	if (local == NULL)
		reply = register_error(request->iq, STANZA_JID_MALFORMED,
				       "This is not a user name");
	else if (password == NULL)
		reply = register_error(
			request->iq, STANZA_NOT_ACCEPTABLE,
			"The password has characters that it may not have");
	else
		create(request, local, password);
	mem_free_secret(password);
	mem_free(local);
	return reply;
}

static struct stanza *handle(const struct request *request)
{
	const char *type = element_attr(request->iq->root, "type");
	const struct element *query =
		element_child(request->iq->root, "query", NS_REGISTER);
	struct sm_domain *domain = request->domain;

	if (query == NULL || domain == NULL || domain->stale ||
	    !domain->options->registration ||
	    domain_writable_auth(domain) == NULL)
		return register_error(request->iq, STANZA_SERVICE_UNAVAILABLE,
				      NULL);
	if (str_equal(type, "get"))
		return form(request->iq);
	if (str_equal(type, "set") &&
	    element_child(query, "remove", NULL) == NULL)
		return set(request, query);
	return register_error(request->iq, STANZA_UNEXPECTED_REQUEST, NULL);
}

void register_control(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control, struct work *work)
{
	const struct element *iq =
		element_child(control->root, "iq", NS_CLIENT);
	const char *domain = element_attr(control->root, "domain");
	const char *address = element_attr(control->root, "address");
	struct request request = {
		.sm = sm,
		.domain = domain != NULL ? sm_domain(sm, domain) : NULL,
		.c2s = envelope->from,
		.session = envelope->session,
		.address = address != NULL ? address : "",
		.work = work,
	};
	struct stanza *reply;

	if (iq == NULL || envelope->session == NULL ||
	    !(str_equal(element_attr(iq, "type"), "get") ||
	      str_equal(element_attr(iq, "type"), "set"))) {
		log_warning(sm->log, "register.malformed",
			    LOG_S("link", envelope->from),
			    LOG_S("sid", envelope->session));
		return;
	}
	request.iq = stanza_from_element(iq);
	reply = handle(&request);
	if (reply != NULL)
		answer(sm, envelope->from, envelope->session, reply);
	stanza_free(&request.iq);
}
