/* SPDX-License-Identifier: Apache-2.0
 *
 * The command jabberd2: what its tables say, as a file of XEP-0227, user by
 * user; then that file is imported. What cannot be kept is counted here.
 */
#include "db/jabberd2.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

/* XML stands after this word in its columns. */
#define NAD "NAD"

struct conversion {
	struct db *db;
	sqlite3 *from;
	FILE *to;
	struct stanza_parser *parser;
	struct buf xml; /* children of the current <user/> */
	const char *owner;
};

/* -- queries ----------------------------------------------------------------- */

typedef void row_cb(struct conversion *conversion, sqlite3_stmt *row);

static const char *text_of(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text != NULL ? text : "";
}

/* Of one owner, or (owner NULL) of all. */
static void each(struct conversion *conversion, const char *sql,
		 const char *owner, row_cb *row)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(conversion->from, sql, -1, &statement, NULL) !=
	    SQLITE_OK)
		return;
	if (owner != NULL)
		sqlite3_bind_text(statement, 1, owner, -1, SQLITE_STATIC);
	while (sqlite3_step(statement) == SQLITE_ROW)
		row(conversion, statement);
	sqlite3_finalize(statement);
}

static void skipped(struct conversion *conversion, const char *kind,
		    const char *why)
{
	report_count(conversion->db->report, kind, "skipped", why);
}

/* -- parts of a user ----------------------------------------------------------- */

static bool is_true(const char *text)
{
	return *text == '1' || *text == 't' || *text == 'T';
}

static void add_group(struct conversion *conversion, sqlite3_stmt *row)
{
	const char *group = text_of(row, 0);

	buf_add_str(&conversion->xml, "<group>");
	buf_add_xml_text(&conversion->xml, group, strlen(group));
	buf_add_str(&conversion->xml, "</group>");
}

static void add_groups(struct conversion *conversion, const char *jid)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(conversion->from,
			       "SELECT \"group\" FROM \"roster-groups\""
			       " WHERE \"collection-owner\" = ?1 AND jid = ?2"
			       " ORDER BY rowid", -1, &statement, NULL) !=
	    SQLITE_OK)
		return;
	sqlite3_bind_text(statement, 1, conversion->owner, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, jid, -1, SQLITE_STATIC);
	while (sqlite3_step(statement) == SQLITE_ROW)
		add_group(conversion, statement);
	sqlite3_finalize(statement);
}

static void add_item(struct conversion *conversion, sqlite3_stmt *row)
{
	static const char *const subscriptions[] = { "none", "to", "from",
						     "both" };
	struct buf *to = &conversion->xml;
	int subscription = (is_true(text_of(row, 2)) ? 1 : 0) |
			   (is_true(text_of(row, 3)) ? 2 : 0);
	const char *name = text_of(row, 1);

	buf_add_str(to, "<item");
	buf_add_attr(to, "jid", text_of(row, 0));
	buf_add_attr(to, "name", *name != '\0' ? name : NULL);
	buf_add_attr(to, "subscription", subscriptions[subscription]);
	/* 1: to subscribe, 2: to unsubscribe, which no longer waits. */
	if (str_equal(text_of(row, 4), "1"))
		buf_add_attr(to, "ask", "subscribe");
	buf_add_str(to, ">");
	add_groups(conversion, text_of(row, 0));
	buf_add_str(to, "</item>");
}

static void add_vcard(struct conversion *conversion, sqlite3_stmt *row)
{
	size_t count = (size_t)sqlite3_column_count(row);
	const char **names = mem_calloc(count * 2, sizeof(*names));
	const char **values = names + count;

	for (size_t i = 0; i < count; i++) {
		names[i] = sqlite3_column_name(row, (int)i);
		values[i] = (const char *)sqlite3_column_text(row, (int)i);
	}
	jabberd2_vcard(&conversion->xml, count, names, values);
	mem_free(names);
}

/* A column of XML; NULL: it is none. */
static struct stanza *parse(struct conversion *conversion, const char *text)
{
	if (str_starts(text, NAD))
		text += strlen(NAD);
	return stanza_parse(conversion->parser, &stream_ns_client, text,
			    strlen(text), NULL);
}

/* The first element of the name at most two levels below: packets stand in
 * <route/>, queries in their <iq/>. */
static struct element *find_element(struct element *in, const char *name,
				    unsigned levels)
{
	struct element *child, *found;

	if (str_equal(in->name, name))
		return in;
	if (levels == 0)
		return NULL;
	for (child = element_first(in); child != NULL;
	     child = element_next(child)) {
		found = find_element(child, name, levels - 1);
		if (found != NULL)
			return found;
	}
	return NULL;
}

static void add_private(struct conversion *conversion, sqlite3_stmt *row)
{
	struct stanza *packet = parse(conversion, text_of(row, 0));
	struct element *query =
		packet != NULL ? find_element(packet->root, "query", 2) : NULL;
	struct element *child = query != NULL ? element_first(query) : NULL;

	if (child == NULL)
		skipped(conversion, "private elements", "it is no XML");
	for (; child != NULL; child = element_next(child))
		pie_add_element(&conversion->xml, child);
	stanza_free(&packet);
}

static void add_message(struct conversion *conversion, sqlite3_stmt *row)
{
	struct stanza *packet = parse(conversion, text_of(row, 0));
	struct element *message =
		packet != NULL ? find_element(packet->root, "message", 1)
			       : NULL;

	if (message != NULL)
		pie_add_element(&conversion->xml, message);
	else if (packet == NULL)
		skipped(conversion, "offline messages", "it is no XML");
	stanza_free(&packet);
}

/* Subscription stanzas waited in the same queue. */
static void add_request(struct conversion *conversion, sqlite3_stmt *row)
{
	struct stanza *packet = parse(conversion, text_of(row, 0));
	struct element *presence =
		packet != NULL ? find_element(packet->root, "presence", 1)
			       : NULL;

	if (presence != NULL &&
	    str_equal(element_attr(presence, "type"), "subscribe"))
		pie_add_element(&conversion->xml, presence);
	else if (presence != NULL)
		skipped(conversion, "subscription requests",
			"it is an answer, which the roster has already");
	stanza_free(&packet);
}

/* Seconds since 1970. */
static bool add_stamp(struct buf *to, const char *attribute, const char *text)
{
	char stamp[PIE_TIME_MAX];
	int64_t seconds;

	if (str_to_i64(text, 1, INT32_MAX, &seconds) != 0)
		return false;
	pie_time_write(stamp, seconds * 1000000);
	buf_add_attr(to, attribute, stamp);
	return true;
}

static void add_logout(struct conversion *conversion, sqlite3_stmt *row)
{
	struct buf text = { 0 };

	buf_addf(&text, "<query xmlns='%s'", NS_LAST);
	if (add_stamp(&text, "stamp", text_of(row, 0)))
		buf_addf(&conversion->xml, "%s/>", buf_data(&text));
	buf_free(&text);
}

static void add_active(struct conversion *conversion, sqlite3_stmt *row)
{
	struct buf text = { 0 };

	buf_addf(&text, "<account xmlns='%s'", NS_PIE_OURS);
	if (add_stamp(&text, "created", text_of(row, 0)))
		buf_addf(&conversion->xml, "%s/>", buf_data(&text));
	buf_free(&text);
}

/* A rule in a list of its own, after which one counts by default: who reads
 * it looks at the names only. */
static void add_rule(struct conversion *conversion, sqlite3_stmt *row)
{
	struct buf *to = &conversion->xml;
	const char *type = text_of(row, 1), *value = text_of(row, 2);

	if (is_true(text_of(row, 5))) {
		buf_add_str(to, "<default");
		buf_add_attr(to, "name", text_of(row, 0));
		buf_add_str(to, "/>");
	}
	buf_add_str(to, "<list");
	buf_add_attr(to, "name", text_of(row, 0));
	buf_add_str(to, "><item");
	buf_add_attr(to, "type",
		     *type == '\0' || str_equal(type, "none") ? NULL : type);
	buf_add_attr(to, "value", *value != '\0' ? value : NULL);
	buf_add_attr(to, "action",
		     is_true(text_of(row, 3)) ? "deny" : "allow");
	/* Which kinds of stanza: none named means all. */
	if (strtol(text_of(row, 4), NULL, 10) != 0)
		buf_add_str(to, "><message/></item></list>");
	else
		buf_add_str(to, "/></list>");
}

/* A part of a user within an element, which is there if the part is. */
static void add_within(struct conversion *conversion, const char *element,
		       const char *ns, const char *sql, row_cb *row)
{
	struct buf outer = conversion->xml;

	conversion->xml = (struct buf){ .len = 0 };
	each(conversion, sql, conversion->owner, row);
	if (conversion->xml.len > 0) {
		buf_addf(&outer, "<%s", element);
		buf_add_attr(&outer, "xmlns", ns);
		buf_add_str(&outer, ">");
		buf_add(&outer, buf_data(&conversion->xml),
			conversion->xml.len);
		buf_addf(&outer, "</%s>", element);
	}
	buf_free(&conversion->xml);
	conversion->xml = outer;
}

static void add_data(struct conversion *conversion)
{
	const char *owner = conversion->owner;

	each(conversion, "SELECT time FROM active"
	     " WHERE \"collection-owner\" = ?1 LIMIT 1", owner, add_active);
	add_within(conversion, "query", NS_ROSTER,
		   "SELECT jid, name, \"to\", \"from\", ask"
		   " FROM \"roster-items\" WHERE \"collection-owner\" = ?1"
		   " ORDER BY jid", add_item);
	each(conversion, "SELECT xml FROM queue WHERE \"collection-owner\""
	     " = ?1 ORDER BY CAST(\"object-sequence\" AS INTEGER)", owner,
	     add_request);
	each(conversion, "SELECT * FROM vcard WHERE \"collection-owner\" = ?1"
	     " LIMIT 1", owner, add_vcard);
	add_within(conversion, "query", NS_PRIVATE,
		   "SELECT xml FROM private WHERE \"collection-owner\" = ?1"
		   " ORDER BY ns", add_private);
	add_within(conversion, "query", "jabber:iq:privacy",
		   "SELECT list, type, value, deny, block, EXISTS (SELECT 1"
		   " FROM \"privacy-default\" AS d WHERE d.\"default\" = list"
		   " AND d.\"collection-owner\" = ?1)"
		   " FROM \"privacy-items\" WHERE \"collection-owner\" = ?1"
		   " ORDER BY list, CAST(\"order\" AS INTEGER)", add_rule);
	each(conversion, "SELECT time FROM logout"
	     " WHERE \"collection-owner\" = ?1 LIMIT 1", owner, add_logout);
	add_within(conversion, "offline-messages", NULL,
		   "SELECT xml FROM queue WHERE \"collection-owner\" = ?1"
		   " ORDER BY CAST(\"object-sequence\" AS INTEGER)",
		   add_message);
}

/* -- users ---------------------------------------------------------------------- */

static bool is_hex(const char *text, size_t len)
{
	return strlen(text) == len &&
	       strspn(text, "0123456789abcdef") == len;
}

/* jabberd2 does not note which of its ways a password is kept in: crypt and
 * bcrypt begin with a dollar, an A1 hash is 32 digits. */
static const char *plain_password(struct conversion *conversion,
				  const char *password)
{
	if (*password == '\0')
		return NULL;
	if ((password[0] == '$' && password[1] != '\0' &&
	     strchr(password + 2, '$') != NULL) || is_hex(password, 32)) {
		skipped(conversion, "passwords",
			"jabberd2 kept a hash that no mechanism can use");
		return NULL;
	}
	return password;
}

static void add_user(struct conversion *conversion, sqlite3_stmt *row)
{
	const char *name = text_of(row, 0);
	struct buf head = { 0 };

	conversion->owner = text_of(row, 2);
	buf_add_str(&head, "<user");
	buf_add_attr(&head, "name", name);
	buf_add_attr(&head, "password",
		     plain_password(conversion, text_of(row, 1)));
	buf_add_str(&head, ">");
	add_data(conversion);
	fputs(buf_data(&head), conversion->to);
	fputs(buf_data(&conversion->xml), conversion->to);
	fputs("</user>\n", conversion->to);
	buf_free_secret(&head);
	buf_clear(&conversion->xml, 1 << 20);
}

static void add_host(struct conversion *conversion, sqlite3_stmt *row)
{
	struct buf head = { 0 };

	buf_add_str(&head, "<host");
	buf_add_attr(&head, "jid", text_of(row, 0));
	buf_add_str(&head, ">\n");
	fputs(buf_data(&head), conversion->to);
	buf_free(&head);
	each(conversion, "SELECT name, password, owner FROM people"
	     " WHERE domain = ?1 ORDER BY name", text_of(row, 0), add_user);
	fputs("</host>\n", conversion->to);
}

static void count_unknown(struct conversion *conversion, sqlite3_stmt *row)
{
	(void)row;
	skipped(conversion, "accounts", "they have no realm: --domain gives "
		"them one");
}

/* Who has an account, and who has only data (accounts in a directory). */
static int collect_people(struct conversion *conversion)
{
	static const char sql[] =
		"CREATE TABLE people (owner PRIMARY KEY, domain, name,"
		" password);"
		"CREATE INDEX people_domain ON people (domain, name);"
		"INSERT OR IGNORE INTO people SELECT username || '@' || realm,"
		" realm, username, password FROM authreg"
		" WHERE realm <> '' AND username <> '';";
	struct buf all = { 0 };
	int code;

	if (conversion->db->domain != NULL) {
		char *set = sqlite3_mprintf(
			"UPDATE authreg SET realm = %Q WHERE realm = ''"
			" OR realm IS NULL;", conversion->db->domain);

		buf_add_str(&all, set);
		sqlite3_free(set);
	}
	buf_add_str(&all, sql);
	for (const struct jabberd2_table *t = jabberd2_tables + 1; t->name;
	     t++) {
		buf_addf(&all, "CREATE INDEX \"i-%s\" ON \"%s\""
			 " (\"collection-owner\");"
			 "INSERT OR IGNORE INTO people SELECT DISTINCT"
			 " \"collection-owner\", substr(\"collection-owner\","
			 " instr(\"collection-owner\", '@') + 1),"
			 " substr(\"collection-owner\", 1,"
			 " instr(\"collection-owner\", '@') - 1), NULL"
			 " FROM \"%s\""
			 " WHERE instr(\"collection-owner\", '@') > 1;",
			 t->name, t->name, t->name);
	}
	code = sqlite3_exec(conversion->from, buf_data(&all), NULL, NULL,
			    NULL);
	buf_free(&all);
	if (code != SQLITE_OK)
		db_complain("the tables cannot be read: %s",
			    sqlite3_errmsg(conversion->from));
	return code == SQLITE_OK ? 0 : -1;
}

static void count_row(struct conversion *conversion, sqlite3_stmt *row)
{
	skipped(conversion, text_of(row, 0), "there is nothing like it here");
}

static void convert(struct conversion *conversion)
{
	fputs("<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='"
	      NS_PIE "'>\n", conversion->to);
	each(conversion, "SELECT DISTINCT domain FROM people ORDER BY domain",
	     NULL, add_host);
	fputs("</server-data>\n", conversion->to);
	each(conversion, "SELECT 1 FROM authreg WHERE realm = ''"
	     " OR realm IS NULL", NULL, count_unknown);
	for (const struct jabberd2_table *t = jabberd2_tables; t->name; t++) {
		char *sql;

		/* Those of which we know no column but the owner. */
		if (t->columns[1] != NULL)
			continue;
		sql = mem_printf("SELECT '%s' FROM \"%s\"", t->name, t->name);
		each(conversion, sql, NULL, count_row);
		mem_free(sql);
	}
}

/* -- the command ------------------------------------------------------------------ */

static int import_file(struct db *db, FILE *file)
{
	struct db_file made = { .path = NULL, .stream = file };

	if (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0) {
		db_complain("there is no room for a temporary file");
		return DB_FAILED;
	}
	return pie_import(db, &made, 1);
}

int db_jabberd2(struct db *db)
{
	struct conversion conversion = { .db = db };
	int code = DB_FAILED;

	conversion.from = jabberd2_open(db, db->arguments[0]);
	if (conversion.from == NULL)
		return DB_UNAVAILABLE;
	conversion.to = db->output != NULL ? db->output : tmpfile();
	conversion.parser = stanza_parser_new();
	if (conversion.to == NULL) {
		db_complain("there is no room for a temporary file");
	} else if (collect_people(&conversion) == 0) {
		convert(&conversion);
		if (db->output == NULL) {
			code = import_file(db, conversion.to);
		} else {
			report_print(db->report, db->json, stdout);
			code = fflush(db->output) == 0 ? DB_OK : DB_FAILED;
		}
	}
	if (conversion.to != NULL && db->output == NULL)
		fclose(conversion.to);
	stanza_parser_free(&conversion.parser);
	buf_free_secret(&conversion.xml);
	sqlite3_close(conversion.from);
	return code;
}
