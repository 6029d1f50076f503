/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0077 for who is logged in: change the password, remove the account. That
 * is there whenever the driver of the domain can write.
 */
#include "sm/modules/register.h"

#include "sm/domain.h"
#include "util/base/mem.h"
#include "util/base/str.h"

struct stanza *register_error(const struct stanza *iq, enum stanza_error error,
			      const char *text)
{
	struct stanza *bare = stanza_copy(iq);
	struct element *child;
	struct stanza *reply;

	while ((child = element_first(bare->root)) != NULL)
		element_remove(child);
	reply = stanza_error_new(bare, error, text);
	stanza_free(&bare);
	return reply;
}

const char *register_field(const struct element *query, const char *name)
{
	const char *text = element_child_text(query, name, NULL);

	return text != NULL && *text != '\0' ? text : NULL;
}

static void refuse(struct iq_call *call, enum stanza_error error,
		   const char *text)
{
	call->sm->stats.errors_sent++;
	iq_reply(call, register_error(call->stanza, error, text));
}

/* What the sender's account is, when it is one of ours that is logged in. */
static struct user *sender_of(const struct iq_call *call)
{
	return call->session != NULL &&
			       call->session->user->domain == call->domain
		       ? call->session->user
		       : NULL;
}

static void register_get(struct iq_call *call)
{
	struct user *user = sender_of(call);
	struct stanza *reply;
	struct element *query;

	if (user == NULL || domain_writable_auth(call->domain) == NULL) {
		refuse(call, STANZA_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_REGISTER);
	element_add(query, "registered", NULL);
	element_add_text_child(query, "username", NULL, jid_local(user->jid));
	element_add(query, "password", NULL);
	iq_reply(call, reply);
}

/* -- password ------------------------------------------------------------ */

static void password_set(const struct auth_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	const char *jid = jid_bare(call->from);

	if (result->status == STORAGE_OK) {
		log_info(call->sm->log, "register.password", LOG_S("jid", jid));
		iq_result(call);
	} else if (result->status == STORAGE_NOT_FOUND) {
		refuse(call, STANZA_REGISTRATION_REQUIRED, NULL);
	} else {
		log_warning(call->sm->log, "register.unavailable",
			    LOG_S("jid", jid), LOG_S("reason", result->reason));
		refuse(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
	}
}

static void change_password(struct iq_call *call, struct auth *auth,
			    const struct user *user)
{
	const char *username = register_field(call->query, "username");
	const char *text = register_field(call->query, "password");
	char *name = username != NULL ? jid_prepare_local(username) : NULL;
	char *password = NULL;

	if (name == NULL || text == NULL)
		refuse(call, STANZA_BAD_REQUEST,
		       "A user name and a password are needed");
	else if (!str_equal(name, jid_local(user->jid)))
		refuse(call, STANZA_NOT_ALLOWED,
		       "You can only change your own password");
	else if ((password = jid_prepare_password(text)) == NULL)
		refuse(call, STANZA_NOT_ACCEPTABLE,
		       "The password has characters that it may not have");
	else
		auth_set_password(auth, jid_bare(user->jid), password,
				  password_set, iq_keep(call));
	mem_free_secret(password);
	mem_free(name);
}

/* -- removal ------------------------------------------------------------- */

static void removal_failed(struct iq_call *call, const char *reason)
{
	log_warning(call->sm->log, "register.unavailable",
		    LOG_S("jid", jid_bare(call->from)),
		    LOG_S("reason", reason));
	refuse(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void data_removed(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	struct sm *sm = call->sm;
	struct user *user;

	if (result->status != STORAGE_OK &&
	    result->status != STORAGE_NOT_FOUND) {
		removal_failed(call, result->reason);
		return;
	}
	log_info(sm->log, "register.removed",
		 LOG_S("jid", jid_bare(call->from)));
	user = user_find(sm, jid_bare(call->from));
	if (user != NULL)
		user_pin(user);
	iq_result(call);
	if (user != NULL) {
		user_removed(user);
		user_unpin(user);
	}
}

/* Another driver than the storage's leaves what is stored: that goes too. */
static void account_removed(const struct auth_result *result, void *ctx)
{
	struct iq_call *call = ctx;

	if (result->status == STORAGE_OK || result->status == STORAGE_NOT_FOUND)
		storage_account_remove(call->domain->storage,
				       jid_bare(call->from), data_removed,
				       call);
	else
		removal_failed(call, result->reason);
}

static void remove_account(struct iq_call *call, struct auth *auth,
			   const struct user *user)
{
	if (element_next(element_first(call->query)) != NULL)
		refuse(call, STANZA_BAD_REQUEST, "Removal is asked for alone");
	else
		auth_remove(auth, jid_bare(user->jid), account_removed,
			    iq_keep(call));
}

static void register_set(struct iq_call *call)
{
	struct user *user = sender_of(call);
	struct auth *auth = domain_writable_auth(call->domain);

	if (user == NULL || auth == NULL)
		refuse(call, STANZA_SERVICE_UNAVAILABLE, NULL);
	else if (element_child(call->query, "remove", NULL) != NULL)
		remove_account(call, auth, user);
	else
		change_password(call, auth, user);
}

/* Truthful for each domain: some have drivers that cannot write. */
static void register_info(struct sm *sm, struct sm_domain *domain,
			  struct element *query)
{
	(void)sm;
	if (domain_writable_auth(domain) != NULL)
		element_set_attr(element_add(query, "feature", NULL), "var",
				 NS_REGISTER);
}

static const struct iq_handler register_iq[] = {
	{ IQ_GET, TO_SERVER | TO_OWN_ACCOUNT, NS_REGISTER, "query",
	  register_get },
	{ IQ_SET, TO_SERVER | TO_OWN_ACCOUNT, NS_REGISTER, "query",
	  register_set },
	{ 0 },
};

const struct sm_module sm_module_register = {
	.name = "register",
	.iq = register_iq,
	.data_size = sizeof(struct register_data),
	.disco_info = register_info,
	.stop = register_new_stop,
	.registration = register_new,
};
