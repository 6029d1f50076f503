/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations of the storage interface as SQL. One function per operation,
 * bound in the table at the end; transactions around them are the business of
 * sqlite.c.
 */
#include "storage/sqlite_ops.h"

#include <string.h>

#include "util/base/buf.h"
#include "util/base/mem.h"

/* -- parameters and columns ---------------------------------------------- */

/* NULL binds NULL. The text lives until the statement is used again. */
static void bind_text(sqlite3_stmt *statement, int number, const char *text)
{
	sqlite3_bind_text(statement, number, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *statement, int number, const void *bytes,
		      size_t len)
{
	sqlite3_bind_blob64(statement, number, bytes, len, SQLITE_STATIC);
}

/* What does not fit into SQLite's signed numbers means "no limit". */
static void bind_limit(sqlite3_stmt *statement, int number, uint64_t limit)
{
	sqlite3_bind_int64(statement, number,
			   limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
}

static char *column_text(sqlite3_stmt *statement, int number, size_t *len)
{
	const void *text = sqlite3_column_blob(statement, number);
	size_t size = (size_t)sqlite3_column_bytes(statement, number);
	char *copy = NULL;

	if (sqlite3_column_type(statement, number) != SQLITE_NULL) {
		copy = mem_alloc(size + 1);
		if (size > 0)
			memcpy(copy, text, size);
	}
	if (len != NULL)
		*len = size;
	return copy;
}

static unsigned column_bytes(sqlite3_stmt *statement, int number, void *to,
			     size_t size)
{
	const void *bytes = sqlite3_column_blob(statement, number);
	size_t len = (size_t)sqlite3_column_bytes(statement, number);

	if (len > size)
		len = size;
	if (len > 0)
		memcpy(to, bytes, len);
	return (unsigned)len;
}

/* The statement for an owner, which is every statement's first parameter. */
static sqlite3_stmt *statement_of(struct sqlite_db *db,
				  enum sql_statement number,
				  const struct storage_request *request)
{
	sqlite3_stmt *statement = sqlite_db_statement(db, number);

	bind_text(statement, 1, request->owner);
	return statement;
}

/* Runs a statement that has no parameter but the owner, and no rows. */
static int run_for(struct sqlite_db *db, enum sql_statement number,
		   const struct storage_request *request)
{
	return sqlite_db_step(db, statement_of(db, number, request));
}

/* -- accounts ------------------------------------------------------------ */

static void bind_keys(sqlite3_stmt *statement, int number,
		      const struct scram_keys *keys, size_t key_size)
{
	sqlite3_bind_int64(statement, number, keys->rounds);
	bind_blob(statement, number + 1, keys->salt, keys->salt_len);
	bind_blob(statement, number + 2, keys->stored_key, key_size);
	bind_blob(statement, number + 3, keys->server_key, key_size);
}

static void column_keys(sqlite3_stmt *statement, int number,
			struct scram_keys *keys)
{
	keys->rounds = (unsigned)sqlite3_column_int64(statement, number);
	keys->salt_len = column_bytes(statement, number + 1, keys->salt,
				      sizeof(keys->salt));
	column_bytes(statement, number + 2, keys->stored_key,
		     sizeof(keys->stored_key));
	column_bytes(statement, number + 3, keys->server_key,
		     sizeof(keys->server_key));
}

/* Parameters 2 to 10 of SQL_ACCOUNT_CREATE and SQL_ACCOUNT_SET. */
static void bind_account(sqlite3_stmt *statement,
			 const struct account *account)
{
	bind_keys(statement, 2, &account->sha1, 20);
	bind_keys(statement, 6, &account->sha256, 32);
	sqlite3_bind_int(statement, 10, account->disabled);
}

static int account_get(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ACCOUNT_GET, request);
	struct account *account = &request->result.account;
	int row = sqlite_db_step(db, statement);

	if (row == 0)
		request->result.status = STORAGE_NOT_FOUND;
	if (row <= 0)
		return row;
	column_keys(statement, 0, &account->sha1);
	column_keys(statement, 4, &account->sha256);
	account->disabled = sqlite3_column_int(statement, 8) != 0;
	account->created = sqlite3_column_int64(statement, 9);
	return 0;
}

static int account_create(struct sqlite_db *db,
			  struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ACCOUNT_CREATE,
					       request);
	const char *at = strchr(request->owner, '@');

	bind_account(statement, &request->account);
	bind_text(statement, 11, at != NULL ? at + 1 : request->owner);
	sqlite3_bind_int64(statement, 12, request->account.created);
	if (sqlite_db_step(db, statement) < 0)
		return -1;
	if (sqlite3_changes(db->db) == 0)
		request->result.status = STORAGE_CONFLICT;
	return 0;
}

static int account_set(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ACCOUNT_SET, request);

	bind_account(statement, &request->account);
	if (sqlite_db_step(db, statement) < 0)
		return -1;
	if (sqlite3_changes(db->db) == 0)
		request->result.status = STORAGE_NOT_FOUND;
	return 0;
}

static int account_remove(struct sqlite_db *db,
			  struct storage_request *request)
{
	if (run_for(db, SQL_ROSTER_CLEAR, request) < 0 ||
	    run_for(db, SQL_ROSTER_VERSION_CLEAR, request) < 0 ||
	    run_for(db, SQL_OFFLINE_CLEAR, request) < 0 ||
	    run_for(db, SQL_DOCUMENT_CLEAR, request) < 0 ||
	    run_for(db, SQL_ACCOUNT_REMOVE, request) < 0)
		return -1;
	if (sqlite3_changes(db->db) == 0)
		request->result.status = STORAGE_NOT_FOUND;
	return 0;
}

/* Collects the first column of all rows. */
static int collect_names(struct sqlite_db *db, sqlite3_stmt *statement,
			 struct storage_result *result)
{
	int row;

	while ((row = sqlite_db_step(db, statement)) > 0) {
		result->names = mem_realloc(result->names, result->count + 1,
					    sizeof(*result->names));
		result->names[result->count++] = column_text(statement, 0,
							     NULL);
	}
	return row;
}

static int account_list(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ACCOUNT_LIST, request);

	bind_text(statement, 2, request->key != NULL ? request->key : "");
	bind_limit(statement, 3, request->limit);
	return collect_names(db, statement, &request->result);
}

static int owner_list(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_OWNER_LIST, request);

	bind_limit(statement, 2, request->limit);
	return collect_names(db, statement, &request->result);
}

/* -- rosters ------------------------------------------------------------- */

static void bind_groups(sqlite3_stmt *statement, int number,
			char *const *groups)
{
	struct buf names = { 0 };

	for (; groups != NULL && *groups != NULL; groups++)
		buf_add(&names, *groups, strlen(*groups) + 1);
	if (names.len > 0)
		sqlite3_bind_blob64(statement, number, buf_data(&names),
				    names.len, SQLITE_TRANSIENT);
	buf_free(&names);
}

static char **column_groups(sqlite3_stmt *statement, int number)
{
	const char *names = sqlite3_column_blob(statement, number);
	size_t len = (size_t)sqlite3_column_bytes(statement, number);
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

static void column_item(sqlite3_stmt *statement, struct roster_item *item)
{
	*item = (struct roster_item){
		.jid = column_text(statement, 0, NULL),
		.name = column_text(statement, 1, NULL),
		.groups = column_groups(statement, 2),
		.subscription = (enum subscription)(
			sqlite3_column_int(statement, 3) & SUBSCRIPTION_BOTH),
		.ask = sqlite3_column_int(statement, 4) != 0,
		.approved = sqlite3_column_int(statement, 5) != 0,
		.listed = sqlite3_column_int(statement, 6) != 0,
		.request = column_text(statement, 7, NULL),
	};
}

static int load_roster(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ROSTER_LIST, request);
	struct storage_result *result = &request->result;
	size_t room = 0;
	int row;

	while ((row = sqlite_db_step(db, statement)) > 0) {
		if (result->count == room) {
			room = room ? room * 2 : 16;
			result->roster = mem_realloc(result->roster, room,
						     sizeof(*result->roster));
		}
		column_item(statement, &result->roster[result->count++]);
	}
	return row;
}

static int load_active(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ACTIVE_LIST, request);
	struct storage_result *result = &request->result;
	struct storage_document *document;
	int row;

	while ((row = sqlite_db_step(db, statement)) > 0) {
		result->documents = mem_realloc(result->documents,
						result->document_count + 1,
						sizeof(*result->documents));
		document = &result->documents[result->document_count++];
		document->key = column_text(statement, 0, NULL);
		document->data = column_text(statement, 1, &document->len);
	}
	return row;
}

static int load(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_LOAD, request);
	struct storage_result *result = &request->result;

	if (sqlite_db_step(db, statement) < 0)
		return -1;
	result->has_account = sqlite3_column_int(statement, 0) != 0;
	result->roster_version = (uint64_t)sqlite3_column_int64(statement, 1);
	result->offline_count = (size_t)sqlite3_column_int64(statement, 2);
	if (load_active(db, request) < 0)
		return -1;
	return load_roster(db, request);
}

static int set_version(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ROSTER_VERSION_SET,
					       request);

	sqlite3_bind_int64(statement, 2, (int64_t)request->number);
	return sqlite_db_step(db, statement);
}

static int roster_put(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ROSTER_PUT, request);
	const struct roster_item *item = &request->item;

	bind_text(statement, 2, item->jid);
	bind_text(statement, 3, item->name);
	bind_groups(statement, 4, item->groups);
	sqlite3_bind_int(statement, 5, (int)item->subscription);
	sqlite3_bind_int(statement, 6, item->ask);
	sqlite3_bind_int(statement, 7, item->approved);
	sqlite3_bind_int(statement, 8, item->listed);
	bind_text(statement, 9, item->request);
	if (sqlite_db_step(db, statement) < 0)
		return -1;
	return set_version(db, request);
}

static int roster_remove(struct sqlite_db *db,
			 struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_ROSTER_REMOVE, request);

	bind_text(statement, 2, request->key);
	if (sqlite_db_step(db, statement) < 0)
		return -1;
	return set_version(db, request);
}

/* -- offline messages ---------------------------------------------------- */

static int offline_add(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_OFFLINE_ADD, request);

	sqlite3_bind_int64(statement, 2, request->stamp);
	sqlite3_bind_int64(statement, 3, request->expires);
	sqlite3_bind_text64(statement, 4, request->data, request->data_len,
			    SQLITE_STATIC, SQLITE_UTF8);
	if (sqlite_db_step(db, statement) < 0)
		return -1;
	request->result.id = (uint64_t)sqlite3_last_insert_rowid(db->db);
	return 0;
}

static int offline_list(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_OFFLINE_LIST, request);
	struct storage_result *result = &request->result;
	int row;

	bind_limit(statement, 2, request->number);
	bind_limit(statement, 3, request->limit);
	while ((row = sqlite_db_step(db, statement)) > 0) {
		struct offline_message *message;

		result->messages = mem_realloc(result->messages,
					       result->count + 1,
					       sizeof(*result->messages));
		message = &result->messages[result->count++];
		message->id = (uint64_t)sqlite3_column_int64(statement, 0);
		message->stamp = sqlite3_column_int64(statement, 1);
		message->expires = sqlite3_column_int64(statement, 2);
		message->stanza = column_text(statement, 3, &message->len);
	}
	return row;
}

static int offline_remove(struct sqlite_db *db,
			  struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_OFFLINE_REMOVE,
					       request);

	bind_limit(statement, 2, request->number);
	return sqlite_db_step(db, statement);
}

/* -- documents ----------------------------------------------------------- */

static int document_get(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_DOCUMENT_GET, request);
	int row;

	bind_text(statement, 2, request->kind);
	bind_text(statement, 3, request->key);
	row = sqlite_db_step(db, statement);
	if (row == 0)
		request->result.status = STORAGE_NOT_FOUND;
	if (row > 0)
		request->result.data = column_text(statement, 0,
						   &request->result.data_len);
	return row < 0 ? -1 : 0;
}

static int document_put(struct sqlite_db *db, struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db,
					       request->data != NULL
						       ? SQL_DOCUMENT_PUT
						       : SQL_DOCUMENT_REMOVE,
					       request);

	bind_text(statement, 2, request->kind);
	bind_text(statement, 3, request->key);
	if (request->data != NULL)
		bind_blob(statement, 4, request->data, request->data_len);
	return sqlite_db_step(db, statement);
}

static int document_list(struct sqlite_db *db,
			 struct storage_request *request)
{
	sqlite3_stmt *statement = statement_of(db, SQL_DOCUMENT_LIST, request);

	bind_text(statement, 2, request->kind);
	return collect_names(db, statement, &request->result);
}

/* -- the table ----------------------------------------------------------- */

struct sqlite_op {
	int (*run)(struct sqlite_db *db, struct storage_request *request);
	bool several; /* writing statements: all of them or none */
};

static const struct sqlite_op sqlite_ops[STORAGE_OP_COUNT] = {
	[STORAGE_OP_ACCOUNT_GET] = { account_get, false },
	[STORAGE_OP_ACCOUNT_CREATE] = { account_create, false },
	[STORAGE_OP_ACCOUNT_SET] = { account_set, false },
	[STORAGE_OP_ACCOUNT_REMOVE] = { account_remove, true },
	[STORAGE_OP_ACCOUNT_LIST] = { account_list, false },
	[STORAGE_OP_OWNER_LIST] = { owner_list, false },
	[STORAGE_OP_LOAD] = { load, false },
	[STORAGE_OP_ROSTER_PUT] = { roster_put, true },
	[STORAGE_OP_ROSTER_REMOVE] = { roster_remove, true },
	[STORAGE_OP_OFFLINE_ADD] = { offline_add, false },
	[STORAGE_OP_OFFLINE_LIST] = { offline_list, false },
	[STORAGE_OP_OFFLINE_REMOVE] = { offline_remove, false },
	[STORAGE_OP_DOCUMENT_GET] = { document_get, false },
	[STORAGE_OP_DOCUMENT_PUT] = { document_put, false },
	[STORAGE_OP_DOCUMENT_LIST] = { document_list, false },
};

static void reset_statements(struct sqlite_db *db)
{
	for (int i = 0; i < SQL_STATEMENT_COUNT; i++)
		sqlite3_reset(db->statements[i]);
}

static int run_savepoint(struct sqlite_db *db, const struct sqlite_op *op,
			 struct storage_request *request)
{
	if (sqlite_db_run(db, SQL_SAVEPOINT) < 0)
		return -1;
	if (op->run(db, request) == 0)
		return sqlite_db_run(db, SQL_SAVEPOINT_RELEASE);
	if (!sqlite3_get_autocommit(db->db)) {
		sqlite3_step(sqlite_db_statement(db, SQL_SAVEPOINT_ROLLBACK));
		sqlite3_step(sqlite_db_statement(db, SQL_SAVEPOINT_RELEASE));
	}
	return -1;
}

int sqlite_op_run(struct sqlite_db *db, struct storage_request *request)
{
	const struct sqlite_op *op = &sqlite_ops[request->op];
	int result;

	storage_result_clear(&request->result);
	result = op->several ? run_savepoint(db, op, request)
			     : op->run(db, request);
	/* A reading statement that is left in the middle of its rows would
	 * keep the transaction from ending. */
	reset_statements(db);
	return result;
}
