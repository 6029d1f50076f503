/* SPDX-License-Identifier: Apache-2.0
 *
 * The authentication driver "ldap": accounts are those of a directory, which
 * checks passwords itself. A user is searched (or the DN made by a template),
 * the entry and its groups must allow the log-in, then the password is tried
 * by a bind as that DN.
 */
#include <stdio.h>
#include <string.h>

#include "storage/ldap_connection.h"
#include "storage/ldap_groups.h"
#include "storage/ldap_person.h"
#include "storage/ldap_private.h"
#include "storage/ldap_text.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* One look-up or check. */
struct question {
	struct auth_ldap *auth;
	struct auth_request *request;
	char *name; /* in the directory */
	struct buf dn, filter;
	struct ldap_person person;
	struct directory_operation operation;
	struct ldap_membership membership;
};

void ldap_request_failed(struct auth_request *request,
			 const struct directory_answer *answer)
{
	bool said = *answer->text != '\0';

	if (answer->status == STORAGE_OK)
		snprintf(request->result.reason,
			 sizeof(request->result.reason),
			 "the directory: %s%s%s",
			 ldap_err2string(answer->code), said ? ", " : "",
			 answer->text);
	else
		snprintf(request->result.reason,
			 sizeof(request->result.reason), "the directory: %s",
			 answer->text);
	auth_request_done(request, answer->status == STORAGE_OK ?
					   STORAGE_UNAVAILABLE :
					   answer->status);
}

static void question_free(struct question *question)
{
	mem_free(question->name);
	buf_free(&question->dn);
	buf_free(&question->filter);
	ldap_person_clear(&question->person);
	mem_free(question);
}

static void question_failed(struct question *question,
			    const struct directory_answer *answer)
{
	ldap_request_failed(question->request, answer);
	question_free(question);
}

static void question_done(struct question *question,
			  enum storage_status status)
{
	auth_request_done(question->request, status);
	question_free(question);
}

/* -- checking the password ------------------------------------------------- */

static void refuse(struct question *question, const char *reason)
{
	log_info(question->auth->log, "ldap.refused",
		 LOG_S("jid", question->request->user),
		 LOG_S("dn", question->person.dn), LOG_S("reason", reason));
}

static void checked_groups(struct ldap_membership *membership,
			   const struct directory_answer *answer, bool member)
{
	struct question *question =
		container_of(membership, struct question, membership);
	const struct ldap_person *person = &question->person;
	struct auth_ldap *auth = question->auth;

	if (answer->status != STORAGE_OK || answer->code != LDAP_SUCCESS) {
		question_failed(question, answer);
		return;
	}
	if (!member) {
		refuse(question, "in none of allow-groups");
	} else if (person->disabled != NULL) {
		question->request->result.disabled = true;
		member = false;
	} else if (auth->cache != NULL && person->stamp != NULL &&
		   person->account.sha256.rounds == 0 &&
		   person->account.sha1.rounds == 0) {
		ldap_cache_keep(auth->cache, question->request->user,
				person->stamp, question->request->password);
	}
	question->request->result.matches = member;
	question_done(question, STORAGE_OK);
}

static void ask_groups(struct question *question,
		       void (*done)(struct ldap_membership *membership,
				    const struct directory_answer *answer,
				    bool member))
{
	question->membership = (struct ldap_membership){
		.directory = question->auth->directory,
		.options = question->auth->options,
		.dn = question->person.dn,
		.name = question->name,
		.done = done,
	};
	ldap_membership_ask(&question->membership);
}

/* What a server answers to a password that is wrong, or to somebody who may
 * not log in: 389 Directory Server has codes of its own for the latter. Active
 * Directory tells them apart in the text. */
static bool is_refusal(int code)
{
	return code == LDAP_INVALID_CREDENTIALS ||
	       code == LDAP_INAPPROPRIATE_AUTH ||
	       code == LDAP_NO_SUCH_OBJECT ||
	       code == LDAP_INVALID_DN_SYNTAX ||
	       code == LDAP_UNWILLING_TO_PERFORM ||
	       code == LDAP_CONSTRAINT_VIOLATION;
}

/* Active Directory says so, in numbers of Windows (ERROR_ACCOUNT_DISABLED,
 * ..._EXPIRED), to those who have given the right password only. */
static bool says_disabled(const char *text)
{
	return strstr(text, "data 533,") != NULL ||
	       strstr(text, "data 701,") != NULL;
}

static void bound(struct directory_operation *operation,
		  const struct directory_answer *answer)
{
	struct question *question =
		container_of(operation, struct question, operation);

	if (answer->status == STORAGE_OK && answer->code == LDAP_SUCCESS) {
		ask_groups(question, checked_groups);
	} else if (answer->status == STORAGE_OK && is_refusal(answer->code)) {
		if (*answer->text != '\0')
			refuse(question, answer->text);
		question->request->result.disabled =
			answer->code == LDAP_INVALID_CREDENTIALS &&
			says_disabled(answer->text);
		question_done(question, STORAGE_OK);
	} else {
		question_failed(question, answer);
	}
}

/* Nobody has this DN; that it is tried makes the answer take as long as that
 * to a wrong password. */
static void bound_as_nobody(struct directory_operation *operation,
			    const struct directory_answer *answer)
{
	struct question *question =
		container_of(operation, struct question, operation);

	if (answer->status == STORAGE_OK)
		question_done(question, STORAGE_OK);
	else
		question_failed(question, answer);
}

static void bind_as(struct question *question, const char *dn,
		    void (*done)(struct directory_operation *operation,
				 const struct directory_answer *answer))
{
	question->operation = (struct directory_operation){
		.kind = DIRECTORY_BIND,
		.dn = dn,
		.password = question->request->password,
		.done = done,
	};
	directory_submit(question->auth->directory, &question->operation);
}

static void bind_as_nobody(struct question *question)
{
	const struct ldap_options *options = question->auth->options;
	char digits[33];

	loop_random_hex(question->auth->loop, digits, 32);
	buf_clear(&question->dn, 1024);
	buf_addf(&question->dn, "cn=%s%s%s", digits,
		 options->base != NULL ? "," : "",
		 options->base != NULL ? options->base : "");
	bind_as(question, buf_data(&question->dn), bound_as_nobody);
}

/* -- looking keys up ------------------------------------------------------- */

static void cached(enum storage_status status, const struct account *account,
		   const char *reason, void *ctx)
{
	struct question *question = ctx;
	struct auth_result *result = &question->request->result;

	if (status == STORAGE_OK)
		result->account = *account;
	result->account.disabled = question->person.disabled != NULL;
	if (status == STORAGE_UNAVAILABLE)
		str_copy(result->reason, sizeof(result->reason), reason);
	/* A user without keys is a user. */
	question_done(question,
		      status == STORAGE_NOT_FOUND ? STORAGE_OK : status);
}

static void looked_up_groups(struct ldap_membership *membership,
			     const struct directory_answer *answer,
			     bool member)
{
	struct question *question =
		container_of(membership, struct question, membership);
	struct ldap_person *person = &question->person;
	struct auth_ldap *auth = question->auth;
	bool keys = person->account.sha1.rounds > 0 ||
		    person->account.sha256.rounds > 0;

	if (answer->status != STORAGE_OK || answer->code != LDAP_SUCCESS) {
		question_failed(question, answer);
		return;
	}
	if (!member) {
		refuse(question, "in none of allow-groups");
		question_done(question, STORAGE_NOT_FOUND);
	} else if (person->locked) {
		/* Only a bind shows whether the lock is over. */
		question->request->result.account.disabled =
			person->disabled != NULL;
		question_done(question, STORAGE_OK);
	} else if (!keys && auth->cache != NULL && person->stamp != NULL) {
		ldap_cache_get(auth->cache, question->request->user,
			       person->stamp, cached, question);
	} else {
		question->request->result.account = person->account;
		question->request->result.account.disabled =
			person->disabled != NULL;
		question_done(question, STORAGE_OK);
	}
}

/* -- finding the person ---------------------------------------------------- */

static void found_entry(struct directory_operation *operation,
			const struct directory_entry *entry)
{
	struct question *question =
		container_of(operation, struct question, operation);

	ldap_person_read(&question->person, entry, question->auth->options,
			 question->request->user,
			 loop_time_us(question->auth->loop));
}

/* Why it is nobody who could be told more; NULL: somebody is. */
static const char *judge(const struct question *question)
{
	const struct ldap_person *person = &question->person;

	/* A bind without a password succeeds for everybody (RFC 4513 section
	 * 5.1.2). No client gets so far with one. */
	if (person->count == 0 || (question->request->op == AUTH_OP_CHECK &&
				   *question->request->password == '\0'))
		return "";
	if (person->count > 1)
		return "more than one entry";
	if (!person->named)
		return "the entry has another name in user-attribute";
	return NULL;
}

static void go_on(struct question *question)
{
	const char *problem = judge(question);
	bool check = question->request->op == AUTH_OP_CHECK;

	if (problem != NULL && *problem != '\0')
		refuse(question, problem);
	/* Who has the right password may know. */
	if (problem == NULL && question->person.disabled != NULL)
		refuse(question, question->person.disabled);
	if (problem != NULL && check)
		bind_as_nobody(question);
	else if (problem != NULL)
		question_done(question, STORAGE_NOT_FOUND);
	else if (check)
		bind_as(question, question->person.dn, bound);
	else
		ask_groups(question, looked_up_groups);
}

static void found(struct directory_operation *operation,
		  const struct directory_answer *answer)
{
	struct question *question =
		container_of(operation, struct question, operation);
	bool template = question->auth->options->dn_template != NULL;
	int code = answer->code;

	/* More than the two that were asked for. */
	if (code == LDAP_SIZELIMIT_EXCEEDED) {
		question->person.count = 2;
		code = LDAP_SUCCESS;
	}
	/* A template makes DNs that nobody has. */
	if (template && (code == LDAP_NO_SUCH_OBJECT ||
			 code == LDAP_INVALID_DN_SYNTAX))
		code = LDAP_SUCCESS;
	if (answer->status != STORAGE_OK || code != LDAP_SUCCESS) {
		question_failed(question, answer);
		return;
	}
	go_on(question);
}

static void make_filter(struct question *question)
{
	const struct ldap_options *options = question->auth->options;
	bool allow = options->allow_filter != NULL;

	if (allow)
		buf_add_str(&question->filter, "(&");
	if (options->dn_template != NULL)
		buf_add_str(&question->filter, "(objectClass=*)");
	else
		ldap_text_expand(&question->filter,
				 ldap_options_filter(options),
				 ldap_text_add_filter, question->name,
				 question->auth->domain);
	if (allow)
		buf_addf(&question->filter, "%s)", options->allow_filter);
}

static void find(struct question *question)
{
	const struct ldap_options *options = question->auth->options;
	bool template = options->dn_template != NULL;

	make_filter(question);
	if (template)
		ldap_text_expand(&question->dn, options->dn_template,
				 ldap_text_add_dn, question->name,
				 question->auth->domain);
	question->operation = (struct directory_operation){
		.kind = DIRECTORY_SEARCH,
		.dn = template ? buf_data(&question->dn) : options->base,
		.scope = template ? LDAP_SCOPE_BASE : options->scope,
		.filter = buf_data(&question->filter),
		.attributes = question->auth->attributes,
		.limit = 2, /* shows that there is more than one */
		.entry = found_entry,
		.done = found,
	};
	directory_submit(question->auth->directory, &question->operation);
}

/* -- the driver ------------------------------------------------------------ */

static void ldap_ask(void *ctx, struct auth_request *request)
{
	struct auth_ldap *auth = ctx;
	struct question *question = mem_new(struct question);
	size_t len = strcspn(request->user, "@");

	question->auth = auth;
	question->request = request;
	question->name = ldap_text_unescape_local(request->user, len);
	find(question);
}

static unsigned ldap_abilities(void *ctx)
{
	const struct auth_ldap *auth = ctx;

	return auth->options->scram == LDAP_SCRAM_OFF ?
		       AUTH_CAN_CHECK : AUTH_CAN_CHECK | AUTH_CAN_SCRAM;
}

static void ldap_close(void *ctx)
{
	struct auth_ldap *auth = ctx;

	auth->closing = true;
	if (auth->directory != NULL)
		directory_close(&auth->directory);
	ldap_cache_close(&auth->cache);
	ldap_list_free(auth);
	mem_free(auth->attributes);
	mem_free(auth->domain);
	mem_free(auth);
}

static void warn_of_plain_text(const struct auth_ldap *auth)
{
	for (char **uri = auth->options->uri; *uri != NULL; uri++) {
		if (!auth->options->start_tls && str_starts(*uri, "ldap://"))
			log_warning(auth->log, "ldap.plain",
				    LOG_S("domain", auth->domain),
				    LOG_S("uri", *uri));
	}
}

static void *ldap_open(const struct auth_setup *setup, struct error *err)
{
	struct auth_ldap *auth;

	if (setup->section == NULL) {
		error_set(err, "it needs a section ldap");
		return NULL;
	}
	auth = mem_new(struct auth_ldap);
	auth->loop = setup->loop;
	auth->log = setup->log;
	auth->domain = mem_strdup(setup->domain);
	auth->options = setup->section;
	auth->directory = directory_open(setup->loop, setup->log, auth->domain,
					 auth->options, err);
	if (auth->directory == NULL)
		goto failed;
	if (auth->options->scram == LDAP_SCRAM_CACHE) {
		auth->cache = ldap_cache_open(setup->loop, setup->log,
					      setup->storage, err);
		if (auth->cache == NULL)
			goto failed;
	}
	auth->attributes = ldap_person_attributes(auth->options);
	warn_of_plain_text(auth);
	return auth;
failed:
	ldap_close(auth);
	return NULL;
}

extern const struct auth_driver chappe_auth_driver;
const struct auth_driver chappe_auth_driver = {
	.abi = AUTH_DRIVER_ABI,
	.name = "ldap",
	.open = ldap_open,
	.close = ldap_close,
	.lookup = ldap_ask,
	.check = ldap_ask,
	.list = ldap_list,
	.abilities = ldap_abilities,
};
