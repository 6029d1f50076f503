/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations of the storage interface as statements for PostgreSQL, bound
 * in the table at the end. Connections, batches and transactions around them
 * are the business of postgres_conn.c.
 *
 * Every write may be run a second time, when nobody knows whether the first
 * time was committed, and comes to the same.
 */
#include "storage/postgres_ops.h"

#include <stdio.h>
#include <string.h>

#include "storage/statements.h"
#include "util/base/buf.h"
#include "util/base/mem.h"

#define PARAMS_MAX 12

enum pg_statement {
	/* Those of enum sql_statement, then: */
	PG_ACCOUNT_CREATE_AGAIN = SQL_STATEMENT_COUNT,
	PG_OFFLINE_ADD,
	PG_OWNER_LIST,
	PG_STATEMENT_COUNT
};

struct pg_statements {
	char *text[PG_STATEMENT_COUNT];
};

static const char *const own_statements[PG_STATEMENT_COUNT] = {
	/* Ours already, if it has our keys: each has random salts. */
	[PG_ACCOUNT_CREATE_AGAIN] =
		" ON CONFLICT (owner) DO UPDATE SET created = EXCLUDED.created"
		" WHERE account.sha1_stored_key = EXCLUDED.sha1_stored_key"
		" AND account.sha256_stored_key = EXCLUDED.sha256_stored_key"
		" AND account.created = EXCLUDED.created",
	/* An update, since DO NOTHING would not return the id. */
	[PG_OFFLINE_ADD] =
		"INSERT INTO offline (owner, stamp, expires, stanza, token)"
		" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner, token)"
		" DO UPDATE SET token = EXCLUDED.token RETURNING id",
	/* It sorts a union whole, so each part ends with the page. */
	[PG_OWNER_LIST] =
		"(SELECT owner FROM account"
		" WHERE owner > $1 ORDER BY owner LIMIT $2)"
		" UNION (SELECT DISTINCT owner FROM roster"
		" WHERE owner > $1 ORDER BY owner LIMIT $2)"
		" UNION (SELECT DISTINCT owner FROM offline"
		" WHERE owner > $1 ORDER BY owner LIMIT $2)"
		" UNION (SELECT DISTINCT owner FROM document"
		" WHERE owner > $1 ORDER BY owner LIMIT $2)"
		" ORDER BY owner LIMIT $2",
};

/* -- parameters ---------------------------------------------------------- */

struct pg_params {
	int count;
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX];
	int formats[PARAMS_MAX];
	char numbers[PARAMS_MAX][24];
	struct buf groups;
};

/* NULL is NULL. */
static void add_text(struct pg_params *params, const char *text)
{
	params->values[params->count++] = text;
}

static void add_bytes(struct pg_params *params, const void *bytes, size_t len)
{
	params->values[params->count] = bytes;
	params->lengths[params->count] = (int)len;
	params->formats[params->count++] = 1;
}

static void add_number(struct pg_params *params, int64_t number)
{
	char *text = params->numbers[params->count];

	snprintf(text, sizeof(params->numbers[0]), "%lld", (long long)number);
	add_text(params, text);
}

/* What does not fit into a signed number means "no limit". */
static void add_limit(struct pg_params *params, uint64_t limit)
{
	add_number(params, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
}

/* -- columns ------------------------------------------------------------- */

static int64_t get_number(const PGresult *rows, int row, int column)
{
	const unsigned char *bytes = (const unsigned char *)PQgetvalue(
		rows, row, column);
	int len = PQgetlength(rows, row, column);
	uint64_t number = 0;

	/* Binary: big-endian, of 4 bytes or of 8. */
	for (int i = 0; i < len && i < 8; i++)
		number = number << 8 | bytes[i];
	return len == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
}

static char *get_text(const PGresult *rows, int row, int column, size_t *len)
{
	size_t size = (size_t)PQgetlength(rows, row, column);
	char *copy = NULL;

	if (!PQgetisnull(rows, row, column)) {
		copy = mem_alloc(size + 1);
		memcpy(copy, PQgetvalue(rows, row, column), size);
	}
	if (len != NULL)
		*len = size;
	return copy;
}

static unsigned get_bytes(const PGresult *rows, int column, void *to,
			  size_t size)
{
	size_t len = (size_t)PQgetlength(rows, 0, column);

	if (len > size)
		len = size;
	memcpy(to, PQgetvalue(rows, 0, column), len);
	return (unsigned)len;
}

static bool changed_nothing(const PGresult *rows)
{
	return strcmp(PQcmdTuples((PGresult *)rows), "0") == 0;
}

/* -- accounts ------------------------------------------------------------ */

static void add_keys(struct pg_params *params, const struct scram_keys *keys,
		     size_t key_size)
{
	add_number(params, keys->rounds);
	add_bytes(params, keys->salt, keys->salt_len);
	add_bytes(params, keys->stored_key, key_size);
	add_bytes(params, keys->server_key, key_size);
}

static void add_account(struct pg_params *params,
			const struct pg_job *job)
{
	const struct account *account = &job->request->account;

	add_keys(params, &account->sha1, 20);
	add_keys(params, &account->sha256, 32);
	add_number(params, account->disabled);
}

static void add_new_account(struct pg_params *params,
			    const struct pg_job *job)
{
	const char *owner = job->request->owner;
	const char *at = strchr(owner, '@');

	add_account(params, job);
	add_text(params, at != NULL ? at + 1 : owner);
	add_number(params, job->request->account.created);
}

static void get_keys(const PGresult *rows, int column, struct scram_keys *keys)
{
	keys->rounds = (unsigned)get_number(rows, 0, column);
	keys->salt_len = get_bytes(rows, column + 1, keys->salt,
				   sizeof(keys->salt));
	get_bytes(rows, column + 2, keys->stored_key,
		  sizeof(keys->stored_key));
	get_bytes(rows, column + 3, keys->server_key,
		  sizeof(keys->server_key));
}

static void got_account(struct pg_job *job, const PGresult *rows)
{
	struct account *account = &job->request->result.account;

	if (PQntuples(rows) == 0) {
		job->request->result.status = STORAGE_NOT_FOUND;
		return;
	}
	get_keys(rows, 0, &account->sha1);
	get_keys(rows, 4, &account->sha256);
	account->disabled = get_number(rows, 0, 8) != 0;
	account->created = get_number(rows, 0, 9);
}

static void account_created(struct pg_job *job, const PGresult *rows)
{
	if (changed_nothing(rows))
		job->request->result.status = STORAGE_CONFLICT;
}

static void account_changed(struct pg_job *job, const PGresult *rows)
{
	if (changed_nothing(rows))
		job->request->result.status = STORAGE_NOT_FOUND;
}

static void account_removed(struct pg_job *job, const PGresult *rows)
{
	if (changed_nothing(rows) && !job->again)
		job->request->result.status = STORAGE_NOT_FOUND;
}

static void add_page(struct pg_params *params, const struct pg_job *job)
{
	const struct storage_request *request = job->request;

	add_text(params, request->key != NULL ? request->key : "");
	add_limit(params, request->limit);
}

static void add_count(struct pg_params *params, const struct pg_job *job)
{
	add_limit(params, job->request->limit);
}

static void got_names(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	result->count = (size_t)PQntuples(rows);
	result->names = mem_calloc(result->count, sizeof(*result->names));
	for (size_t i = 0; i < result->count; i++)
		result->names[i] = get_text(rows, (int)i, 0, NULL);
}

/* -- rosters ------------------------------------------------------------- */

static void got_load(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	/* NULL has no bytes, and is 0. */
	result->has_account = get_number(rows, 0, 0) != 0;
	result->roster_version = (uint64_t)get_number(rows, 0, 1);
	result->offline_count = (size_t)get_number(rows, 0, 2);
}

static void got_active(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	result->document_count = (size_t)PQntuples(rows);
	result->documents = mem_calloc(result->document_count,
				       sizeof(*result->documents));
	for (size_t i = 0; i < result->document_count; i++) {
		struct storage_document *document = &result->documents[i];

		document->key = get_text(rows, (int)i, 0, NULL);
		document->data = get_text(rows, (int)i, 1, &document->len);
	}
}

static char **get_groups(const PGresult *rows, int row, int column)
{
	const char *names = PQgetvalue(rows, row, column);
	size_t len = (size_t)PQgetlength(rows, row, column);
	const char *end = names + len;
	size_t count = 0;
	char **groups;

	if (len == 0)
		return NULL;
	for (size_t i = 0; i < len; i++)
		count += names[i] == '\0';
	groups = mem_calloc(count + 1, sizeof(*groups));
	for (size_t i = 0; i < count; i++) {
		groups[i] = mem_strndup(names, (size_t)(end - names));
		names += strlen(groups[i]) + 1;
	}
	return groups;
}

static void got_roster(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	result->count = (size_t)PQntuples(rows);
	result->roster = mem_calloc(result->count, sizeof(*result->roster));
	for (size_t i = 0; i < result->count; i++) {
		int row = (int)i;

		result->roster[i] = (struct roster_item){
			.jid = get_text(rows, row, 0, NULL),
			.name = get_text(rows, row, 1, NULL),
			.groups = get_groups(rows, row, 2),
			.subscription = (enum subscription)(
				get_number(rows, row, 3) & SUBSCRIPTION_BOTH),
			.ask = get_number(rows, row, 4) != 0,
			.approved = get_number(rows, row, 5) != 0,
			.listed = get_number(rows, row, 6) != 0,
			.request = get_text(rows, row, 7, NULL),
		};
	}
}

static void add_item(struct pg_params *params, const struct pg_job *job)
{
	const struct roster_item *item = &job->request->item;
	char *const *groups = item->groups;

	for (; groups != NULL && *groups != NULL; groups++)
		buf_add(&params->groups, *groups, strlen(*groups) + 1);
	add_text(params, item->jid);
	add_text(params, item->name);
	if (params->groups.len > 0)
		add_bytes(params, buf_data(&params->groups),
			  params->groups.len);
	else
		add_text(params, NULL);
	add_number(params, item->subscription);
	add_number(params, item->ask);
	add_number(params, item->approved);
	add_number(params, item->listed);
	add_text(params, item->request);
}

static void add_version(struct pg_params *params, const struct pg_job *job)
{
	add_number(params, (int64_t)job->request->number);
}

static void add_key(struct pg_params *params, const struct pg_job *job)
{
	add_text(params, job->request->key);
}

/* -- offline messages ---------------------------------------------------- */

static void add_message(struct pg_params *params, const struct pg_job *job)
{
	const struct storage_request *request = job->request;

	add_number(params, request->stamp);
	add_number(params, request->expires);
	add_bytes(params, request->data, request->data_len);
	add_bytes(params, job->token, sizeof(job->token));
}

static void message_added(struct pg_job *job, const PGresult *rows)
{
	job->request->result.id = (uint64_t)get_number(rows, 0, 0);
}

static void add_range(struct pg_params *params, const struct pg_job *job)
{
	add_limit(params, job->request->number);
	add_limit(params, job->request->limit);
}

static void add_upto(struct pg_params *params, const struct pg_job *job)
{
	add_limit(params, job->request->number);
}

static void got_messages(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	result->count = (size_t)PQntuples(rows);
	result->messages = mem_calloc(result->count,
				      sizeof(*result->messages));
	for (size_t i = 0; i < result->count; i++) {
		struct offline_message *message = &result->messages[i];
		int row = (int)i;

		message->id = (uint64_t)get_number(rows, row, 0);
		message->stamp = get_number(rows, row, 1);
		message->expires = get_number(rows, row, 2);
		message->stanza = get_text(rows, row, 3, &message->len);
	}
}

/* -- documents ----------------------------------------------------------- */

static void add_kind(struct pg_params *params, const struct pg_job *job)
{
	add_text(params, job->request->kind);
}

static void add_name(struct pg_params *params, const struct pg_job *job)
{
	add_text(params, job->request->kind);
	add_text(params, job->request->key);
}

static void add_document(struct pg_params *params, const struct pg_job *job)
{
	add_name(params, job);
	add_bytes(params, job->request->data, job->request->data_len);
}

static void got_document(struct pg_job *job, const PGresult *rows)
{
	struct storage_result *result = &job->request->result;

	if (PQntuples(rows) == 0)
		result->status = STORAGE_NOT_FOUND;
	else
		result->data = get_text(rows, 0, 0, &result->data_len);
}

/* -- the table ----------------------------------------------------------- */

#define STEPS_MAX 5

struct pg_step {
	unsigned statement;
	/* The parameters after the owner; NULL: none. */
	void (*add)(struct pg_params *params, const struct pg_job *job);
	/* NULL: what it gives does not matter. */
	void (*got)(struct pg_job *job, const PGresult *rows);
};

struct pg_op {
	unsigned count;
	struct pg_step steps[STEPS_MAX];
};

static const struct pg_op pg_ops[STORAGE_OP_COUNT] = {
	[STORAGE_OP_ACCOUNT_GET] =
		{ 1, { { SQL_ACCOUNT_GET, NULL, got_account } } },
	[STORAGE_OP_ACCOUNT_CREATE] =
		{ 1, { { SQL_ACCOUNT_CREATE, add_new_account,
			 account_created } } },
	[STORAGE_OP_ACCOUNT_SET] =
		{ 1, { { SQL_ACCOUNT_SET, add_account, account_changed } } },
	[STORAGE_OP_ACCOUNT_REMOVE] =
		{ 5, { { SQL_ROSTER_CLEAR, NULL, NULL },
		       { SQL_ROSTER_VERSION_CLEAR, NULL, NULL },
		       { SQL_OFFLINE_CLEAR, NULL, NULL },
		       { SQL_DOCUMENT_CLEAR, NULL, NULL },
		       { SQL_ACCOUNT_REMOVE, NULL, account_removed } } },
	[STORAGE_OP_ACCOUNT_LIST] =
		{ 1, { { SQL_ACCOUNT_LIST, add_page, got_names } } },
	[STORAGE_OP_OWNER_LIST] =
		{ 1, { { PG_OWNER_LIST, add_count, got_names } } },
	[STORAGE_OP_LOAD] =
		{ 3, { { SQL_LOAD, NULL, got_load },
		       { SQL_ACTIVE_LIST, NULL, got_active },
		       { SQL_ROSTER_LIST, NULL, got_roster } } },
	[STORAGE_OP_ROSTER_PUT] =
		{ 2, { { SQL_ROSTER_PUT, add_item, NULL },
		       { SQL_ROSTER_VERSION_SET, add_version, NULL } } },
	[STORAGE_OP_ROSTER_REMOVE] =
		{ 2, { { SQL_ROSTER_REMOVE, add_key, NULL },
		       { SQL_ROSTER_VERSION_SET, add_version, NULL } } },
	[STORAGE_OP_OFFLINE_ADD] =
		{ 1, { { PG_OFFLINE_ADD, add_message, message_added } } },
	[STORAGE_OP_OFFLINE_LIST] =
		{ 1, { { SQL_OFFLINE_LIST, add_range, got_messages } } },
	[STORAGE_OP_OFFLINE_REMOVE] =
		{ 1, { { SQL_OFFLINE_REMOVE, add_upto, NULL } } },
	[STORAGE_OP_DOCUMENT_GET] =
		{ 1, { { SQL_DOCUMENT_GET, add_name, got_document } } },
	[STORAGE_OP_DOCUMENT_PUT] =
		{ 1, { { SQL_DOCUMENT_PUT, add_document, NULL } } },
	[STORAGE_OP_DOCUMENT_LIST] =
		{ 1, { { SQL_DOCUMENT_LIST, add_kind, got_names } } },
};

static const struct pg_op create_again = {
	1, { { PG_ACCOUNT_CREATE_AGAIN, add_new_account, account_created } }
};

static const struct pg_op document_remove = {
	1, { { SQL_DOCUMENT_REMOVE, add_name, NULL } }
};

static const struct pg_op *op_of(const struct pg_job *job)
{
	const struct storage_request *request = job->request;

	if (request->op == STORAGE_OP_ACCOUNT_CREATE && job->again)
		return &create_again;
	if (request->op == STORAGE_OP_DOCUMENT_PUT && request->data == NULL)
		return &document_remove;
	return &pg_ops[request->op];
}

unsigned pg_op_count(const struct pg_job *job)
{
	return op_of(job)->count;
}

int pg_op_send(const struct pg_statements *statements, PGconn *pg,
	       const struct pg_job *job)
{
	const struct pg_op *op = op_of(job);
	int sent = 1;

	for (unsigned i = 0; i < op->count && sent; i++) {
		const struct pg_step *step = &op->steps[i];
		struct pg_params params = { 0 };

		add_text(&params, job->request->owner);
		if (step->add != NULL)
			step->add(&params, job);
		sent = PQsendQueryParams(pg,
					 statements->text[step->statement],
					 params.count, NULL, params.values,
					 params.lengths, params.formats, 1);
		buf_free(&params.groups);
	}
	return sent ? 0 : -1;
}

void pg_op_result(struct pg_job *job, unsigned number, const PGresult *rows)
{
	const struct pg_step *step = &op_of(job)->steps[number];

	if (step->got != NULL)
		step->got(job, rows);
}

/* -- statements ---------------------------------------------------------- */

/* No statement has a question mark that is no parameter. */
static char *dialect(const char *statement, size_t len)
{
	char *text = mem_strndup(statement, len);

	for (char *at = text; (at = strchr(at, '?')) != NULL; at++)
		*at = '$';
	return text;
}

struct pg_statements *pg_statements_new(void)
{
	struct pg_statements *statements = mem_new(struct pg_statements);
	const char *create = sql_statements[SQL_ACCOUNT_CREATE];
	char *insert = dialect(create, (size_t)(strstr(create, " ON CONFLICT") -
						create));

	for (int i = 0; i < SQL_STATEMENT_COUNT; i++)
		statements->text[i] = dialect(sql_statements[i],
					      strlen(sql_statements[i]));
	statements->text[PG_ACCOUNT_CREATE_AGAIN] = mem_printf(
		"%s%s", insert, own_statements[PG_ACCOUNT_CREATE_AGAIN]);
	statements->text[PG_OFFLINE_ADD] =
		mem_strdup(own_statements[PG_OFFLINE_ADD]);
	statements->text[PG_OWNER_LIST] =
		mem_strdup(own_statements[PG_OWNER_LIST]);
	mem_free(insert);
	return statements;
}

const char *pg_statements_get(const struct pg_statements *statements,
			      unsigned number)
{
	unsigned first = SQL_PROBE + 1; /* before: sqlite's transactions */

	return first + number < PG_STATEMENT_COUNT
		       ? statements->text[first + number]
		       : NULL;
}

void pg_statements_free(struct pg_statements **statements)
{
	for (int i = 0; i < PG_STATEMENT_COUNT; i++)
		mem_free((*statements)->text[i]);
	mem_free(*statements);
	*statements = NULL;
}
