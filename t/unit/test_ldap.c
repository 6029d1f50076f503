/* SPDX-License-Identifier: Apache-2.0
 *
 * What the LDAP driver does without a directory: escaping, keys as text, the
 * health of servers, options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "storage/ldap_keys.h"
#include "storage/ldap_name.h"
#include "storage/ldap_options.h"
#include "storage/ldap_servers.h"
#include "storage/ldap_text.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"

/* -- escaping -------------------------------------------------------------- */

struct escape_case {
	const char *value;
	size_t len;
	const char *filter, *dn;
};

#define TEXT(t) t, sizeof(t) - 1

static const struct escape_case escape_cases[] = {
	{ TEXT("alice"), "alice", "alice" },
	{ TEXT("a*b"), "a\\2ab", "a*b" },
	{ TEXT("(a)"), "\\28a\\29", "(a)" },
	{ TEXT("a\\b"), "a\\5cb", "a\\5cb" },
	{ TEXT("a\0b"), "a\\00b", "a\\00b" },
	{ TEXT("a&b|c!d"), "a\\26b\\7cc\\21d", "a&b|c!d" },
	{ TEXT("a=b<c>d~e"), "a\\3db\\3cc\\3ed\\7ee", "a\\3db\\3cc\\3ed~e" },
	{ TEXT("a,b+c;d"), "a,b+c;d", "a\\2cb\\2bc\\3bd" },
	{ TEXT("\"#x# "), "\"#x# ", "\\22\\23x\\23\\20" },
	{ TEXT(" x"), " x", "\\20x" },
	{ TEXT("a/b"), "a/b", "a\\2fb" },
	{ TEXT("a\nb\x7f"), "a\\0ab\\7f", "a\\0ab\\7f" },
	{ TEXT("m\xc3\xbcller"), "m\xc3\xbcller", "m\xc3\xbcller" },
	{ TEXT(""), "", "" },
};

static void test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escape_cases) / sizeof(*escape_cases);
	     i++) {
		const struct escape_case *c = &escape_cases[i];
		struct buf text = { .len = 0 };

		ldap_text_add_filter(&text, c->value, c->len);
		assert_string_equal(buf_data(&text), c->filter);
		buf_clear(&text, 0);
		ldap_text_add_dn(&text, c->value, c->len);
		assert_string_equal(buf_data(&text), c->dn);
		buf_free(&text);
	}
}

static void test_expand(void **state)
{
	static const struct {
		const char *template;
		ldap_text_add *add;
		const char *text;
	} cases[] = {
		{ "(uid=%u)", ldap_text_add_filter, "(uid=a,\\2a%u)" },
		{ "cn=%u,ou=%d", ldap_text_add_dn, "cn=a\\2c*%u,ou=x.org" },
		{ "(mail=%j)", ldap_text_add_filter,
		  "(mail=a,\\2a%u@x.org)" },
		{ "100%%%u%%", ldap_text_add_filter, "100%a,\\2a%u%" },
		{ "", ldap_text_add_filter, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf text = { .len = 0 };

		/* What is put in is not expanded again. */
		ldap_text_expand(&text, cases[i].template, cases[i].add,
				 "a,*%u", "x.org");
		assert_string_equal(buf_data(&text), cases[i].text);
		buf_free(&text);
	}
}

static void test_jid_escapes(void **state)
{
	/* XEP-0106 section 5 and around it. */
	static const struct {
		const char *name, *local;
	} cases[] = {
		{ "alice", "alice" },
		{ "space cadet", "space\\20cadet" },
		{ "call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22" },
		{ "at&t guy", "at\\26t\\20guy" },
		{ "d'artagnan", "d\\27artagnan" },
		{ "/.fanboy", "\\2f.fanboy" },
		{ "::foo::", "\\3a\\3afoo\\3a\\3a" },
		{ "<foo>", "\\3cfoo\\3e" },
		{ "user@host", "user\\40host" },
		{ "c:\\net", "c\\3a\\net" },
		{ "c:\\5commas", "c\\3a\\5c5commas" },
		{ "back\\20", "back\\5c20" },
		{ "trailing\\", "trailing\\" },
		{ "trailing\\2", "trailing\\2" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name = cases[i].name, *local = cases[i].local;
		char *text = ldap_text_escape_local(name, strlen(name));

		assert_string_equal(text, local);
		mem_free(text);
		text = ldap_text_unescape_local(local, strlen(local));
		assert_string_equal(text, name);
		mem_free(text);
	}
}

/* -- keys ------------------------------------------------------------------ */

/* RFC 7677 section 3: user "user", password "pencil". */
#define SALT256 "W22ZaJ0SNY7soEsUEjb6gQ=="
#define STORED256 "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER256 "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
/* RFC 5802 section 5. */
#define SALT1 "QSXCR+Q6sek8bf92"
#define STORED1 "6dlGYMOdZcOPutkcNY8U2g7vK9Y="
#define SERVER1 "D+CSWLOshSulAsxiupA+qs2/fTE="

static void check_keys(const struct scram_keys *keys, enum digest digest,
		       const char *salt, const char *stored,
		       const char *server)
{
	struct buf text = { .len = 0 };

	assert_int_equal(keys->rounds, 4096);
	base64_encode(&text, keys->salt, keys->salt_len);
	assert_string_equal(buf_data(&text), salt);
	buf_clear(&text, 0);
	base64_encode(&text, keys->stored_key, digest_size(digest));
	assert_string_equal(buf_data(&text), stored);
	buf_clear(&text, 0);
	base64_encode(&text, keys->server_key, digest_size(digest));
	assert_string_equal(buf_data(&text), server);
	buf_free(&text);
}

static void test_keys(void **state)
{
	static const char *const sha256[] = {
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256 $ 4096:" SALT256 " $ " STORED256 ":" SERVER256,
		"scram-sha-256$4096:" SALT256 "$" STORED256 ":" SERVER256,
		"{SCRAM-SHA-256}4096," SALT256 "," STORED256 "," SERVER256,
		"{SCRAM-SHA-256}4096:" SALT256 "$" STORED256 ":" SERVER256,
	};
	static const char sha1[] =
		"SCRAM-SHA-1$4096:" SALT1 "$" STORED1 ":" SERVER1;

	(void)state;
	for (size_t i = 0; i < sizeof(sha256) / sizeof(*sha256); i++) {
		struct account account = { .disabled = false };

		assert_true(ldap_keys_read(&account, sha256[i],
					   strlen(sha256[i])));
		assert_int_equal(account.sha1.rounds, 0);
		check_keys(&account.sha256, DIGEST_SHA256, SALT256, STORED256,
			   SERVER256);
		assert_true(ldap_keys_read(&account, sha1, strlen(sha1)));
		check_keys(&account.sha1, DIGEST_SHA1, SALT1, STORED1,
			   SERVER1);
		assert_int_equal(account.sha256.rounds, 4096);
	}
}

/* SaltedPassword instead of the keys. */
static void test_keys_of_pbkdf2(void **state)
{
	struct account account = { .disabled = false };
	unsigned char salt[16], salted[DIGEST_MAX];
	struct buf value = { .len = 0 }, bytes = { .len = 0 };

	(void)state;
	assert_int_equal(base64_decode(&bytes, SALT256, strlen(SALT256)), 0);
	memcpy(salt, buf_data(&bytes), sizeof(salt));
	crypto_pbkdf2(DIGEST_SHA256, "pencil", salt, sizeof(salt), 4096,
		      salted);
	/* The adapted alphabet: no padding, "." for "+". */
	buf_add_str(&value, "{PBKDF2-SHA256}4096$W22ZaJ0SNY7soEsUEjb6gQ$");
	buf_clear(&bytes, 0);
	base64_encode(&bytes, salted, 32);
	for (const char *c = buf_data(&bytes); *c != '\0' && *c != '='; c++)
		buf_add_char(&value, *c == '+' ? '.' : *c);
	assert_true(ldap_keys_read(&account, buf_data(&value), value.len));
	check_keys(&account.sha256, DIGEST_SHA256, SALT256, STORED256,
		   SERVER256);
	buf_free(&value);
	buf_free(&bytes);
}

static void test_keys_refused(void **state)
{
	static const char *const values[] = {
		"", "secret", "$", "{", "{SSHA}" STORED1, "{SCRAM-SHA-256}",
		"{SCRAM-SHA-256", "SCRAM-SHA-256", "SCRAM-SHA-256$4096",
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED256,
		"SCRAM-SHA-256$0:" SALT256 "$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256$-1:" SALT256 "$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256$99999999:" SALT256 "$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256$4096:$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED1 ":" SERVER1,
		"SCRAM-SHA-1$4096:" SALT1 "$" STORED256 ":" SERVER256,
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED256 ":!" SERVER256,
		"SCRAM-SHA-256$4096:" STORED256 STORED256 "$" STORED256
		":" SERVER256,
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED256 ":" SERVER256
		":more",
		"SCRAM-SHA-512$4096:" SALT256 "$" STORED256 ":" SERVER256,
		"{PBKDF2-SHA256}4096$" SALT256 "$" STORED1,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct account account = { .disabled = false };

		assert_false(ldap_keys_read(&account, values[i],
					    strlen(values[i])));
		assert_int_equal(account.sha256.rounds, 0);
		assert_int_equal(account.sha1.rounds, 0);
	}
}

static void test_keys_kept(void **state)
{
	static const char sha256[] =
		"SCRAM-SHA-256$4096:" SALT256 "$" STORED256 ":" SERVER256;
	static const char sha1[] =
		"SCRAM-SHA-1$4096:" SALT1 "$" STORED1 ":" SERVER1;
	struct account account = { .disabled = false }, back = account;
	struct buf text = { .len = 0 };
	char wide[4096];

	(void)state;
	ldap_keys_read(&account, sha256, strlen(sha256));
	ldap_keys_read(&account, sha1, strlen(sha1));
	ldap_keys_write(&text, &account, "20261122000000Z");
	assert_true(ldap_keys_parse(&back, "20261122000000Z",
				    buf_data(&text), text.len));
	assert_memory_equal(&back.sha1, &account.sha1, sizeof(back.sha1));
	assert_memory_equal(&back.sha256, &account.sha256,
			    sizeof(back.sha256));
	assert_false(ldap_keys_parse(&back, "20261122000001Z",
				     buf_data(&text), text.len));
	assert_false(ldap_keys_parse(&back, "", buf_data(&text), text.len));
	/* With a NUL in it. */
	memset(wide, 'x', sizeof(wide));
	wide[1] = '\0';
	assert_false(ldap_keys_parse(&back, "20261122000000Z", wide,
				     sizeof(wide)));
	for (size_t len = 0; len < text.len; len++)
		assert_false(ldap_keys_parse(&back, "20261122000000Z",
					     buf_data(&text), len));
	buf_free(&text);
}

/* -- servers --------------------------------------------------------------- */

static char *three[] = { (char *)"a", (char *)"b", (char *)"c", NULL };

static void test_servers_in_order(void **state)
{
	struct ldap_servers s;

	(void)state;
	ldap_servers_init(&s, three, 1000);
	assert_int_equal(ldap_servers_pick(&s, 0), 0);
	assert_false(ldap_servers_reached(&s, 0, 0));
	assert_true(ldap_servers_failed(&s, 0, 10, 0));
	assert_int_equal(ldap_servers_pick(&s, 10), 1);
	assert_true(ldap_servers_failed(&s, 1, 10, 0));
	assert_int_equal(ldap_servers_pick(&s, 10), 2);
	assert_false(ldap_servers_failed(&s, 2, 10, 0));
	/* All of them pause. */
	assert_int_equal(ldap_servers_pick(&s, 509), LDAP_SERVER_NONE);
	assert_int_not_equal(ldap_servers_pick(&s, 510), LDAP_SERVER_NONE);
	ldap_servers_free(&s);
}

static void test_servers_pauses_grow(void **state)
{
	static const uint64_t pauses[] = { 500,	  1000,	 2000,	4000, 8000,
					   16000, 30000, 30000 };
	char *one[] = { (char *)"a", NULL };
	struct ldap_servers s;
	uint64_t now = 7;

	(void)state;
	ldap_servers_init(&s, one, 1000);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		ldap_servers_failed(&s, 0, now, 0);
		now += pauses[i];
		assert_int_equal(ldap_servers_pick(&s, now - 1),
				 LDAP_SERVER_NONE);
		assert_int_equal(ldap_servers_pick(&s, now), 0);
	}
	/* Once it was well, they begin anew; jitter makes them longer. */
	ldap_servers_reached(&s, 0, now);
	ldap_servers_failed(&s, 0, now, 200);
	assert_int_equal(ldap_servers_pick(&s, now + 599), LDAP_SERVER_NONE);
	assert_int_equal(ldap_servers_pick(&s, now + 600), 0);
	ldap_servers_free(&s);
}

static void test_servers_return(void **state)
{
	struct ldap_servers s;

	(void)state;
	ldap_servers_init(&s, three, 1000);
	ldap_servers_failed(&s, 0, 0, 0);
	ldap_servers_reached(&s, 1, 1);
	assert_int_equal(ldap_servers_probe(&s, 499), LDAP_SERVER_NONE);
	assert_int_equal(ldap_servers_probe(&s, 500), 0);
	/* It is well; but not for long enough. */
	assert_false(ldap_servers_reached(&s, 0, 500));
	assert_int_equal(ldap_servers_pick(&s, 600), 1);
	assert_int_equal(ldap_servers_probe(&s, 749), LDAP_SERVER_NONE);
	assert_int_equal(ldap_servers_probe(&s, 750), 0);
	assert_false(ldap_servers_reached(&s, 0, 750));
	/* It fails again: from the start. */
	assert_false(ldap_servers_failed(&s, 0, 1000, 0));
	assert_int_equal(ldap_servers_pick(&s, 1600), 1);
	assert_int_equal(ldap_servers_probe(&s, 1999), LDAP_SERVER_NONE);
	assert_false(ldap_servers_reached(&s, 0, 2000));
	assert_false(ldap_servers_reached(&s, 0, 2999));
	assert_true(ldap_servers_reached(&s, 0, 3000));
	assert_int_equal(ldap_servers_pick(&s, 3000), 0);
	assert_int_equal(ldap_servers_probe(&s, 9999), LDAP_SERVER_NONE);
	ldap_servers_free(&s);
}

/* The second fails while the first is not trusted yet: it is better than
 * none, but one that never failed is better still. */
static void test_servers_without_choice(void **state)
{
	char *two[] = { (char *)"a", (char *)"b", NULL };
	struct ldap_servers s;

	(void)state;
	ldap_servers_init(&s, two, 1000);
	ldap_servers_failed(&s, 0, 0, 0);
	ldap_servers_reached(&s, 0, 500);
	assert_true(ldap_servers_failed(&s, 1, 600, 0));
	assert_int_equal(ldap_servers_pick(&s, 600), 0);
	ldap_servers_free(&s);
	ldap_servers_init(&s, three, 1000);
	ldap_servers_failed(&s, 0, 0, 0);
	ldap_servers_reached(&s, 0, 500);
	assert_true(ldap_servers_failed(&s, 1, 600, 0));
	assert_int_equal(ldap_servers_pick(&s, 600), 2);
	ldap_servers_free(&s);
}

/* -- options --------------------------------------------------------------- */

static void test_options(void **state)
{
	char *uris[] = { (char *)"ldap://a", (char *)"ldaps://b",
			 (char *)"ldapi://%2Frun%2Fldapi", NULL };
	char *wrong[] = { (char *)"ldap://a", (char *)"http://b", NULL };
	char *none[] = { NULL };
	const struct ldap_options good = { .uri = uris, .base = (char *)"x" };
	struct ldap_options o = good;
	struct error err = { "" };

	(void)state;
	assert_int_equal(ldap_options_check(&o, &err), 0);
	assert_string_equal(ldap_options_filter(&o), "(uid=%u)");
	assert_string_equal(ldap_options_user_attribute(&o), "uid");
	o.schema = LDAP_SCHEMA_ACTIVE_DIRECTORY;
	assert_string_equal(ldap_options_user_attribute(&o),
			    "sAMAccountName");

#define REFUSED(member, value, word)                                          \
	do {                                                                 \
		o = good;                                                    \
		o.member = (value);                                          \
		assert_int_equal(ldap_options_check(&o, &err), -1);          \
		assert_non_null(strstr(err.text, word));                     \
	} while (0)

	REFUSED(uri, none, "uri");
	REFUSED(uri, wrong, "http://b");
	REFUSED(base, NULL, "base");
	REFUSED(filter, (char *)"uid=%u", "filter");
	REFUSED(filter, (char *)"(uid=%n)", "filter");
	REFUSED(filter, (char *)"(uid=%", "filter");
	REFUSED(dn_template, (char *)"uid=%s", "dn-template");
	REFUSED(allow_filter, (char *)"a=b", "allow-filter");
	REFUSED(bind_dn, (char *)"cn=x", "bind-password-file");
	REFUSED(key, (char *)"x.pem", "certificate");
}

/* Copies of sections, as the driver gets one. */
static void test_section(void **state)
{
	char *uris[] = { (char *)"ldap://a", NULL };
	char *others[] = { (char *)"ldap://a", (char *)"ldap://b", NULL };
	char *none[] = { NULL };
	struct ldap_options o = { .uri = uris, .base = (char *)"x",
				  .allow_groups = none,
				  .password_stamps = none,
				  .name_attributes = none,
				  .roster_groups = none, .vcard_fields = none,
				  .search_fields = none, .timeout = 5 };
	struct ldap_options *copy = section_copy(&ldap_section, &o);

	(void)state;
	assert_true(section_equal(&ldap_section, &o, copy));
	assert_true(section_equal(&ldap_section, NULL, NULL));
	assert_false(section_equal(&ldap_section, copy, NULL));
	assert_string_equal(copy->uri[0], "ldap://a");
	assert_ptr_not_equal(copy->uri[0], uris[0]);

#define DIFFERS(member, value)                                                \
	do {                                                                 \
		struct ldap_options other = o;                               \
		other.member = (value);                                      \
		assert_false(section_equal(&ldap_section, &other, copy));    \
	} while (0)

	DIFFERS(uri, others);
	DIFFERS(uri, none);
	DIFFERS(base, NULL);
	DIFFERS(base, (char *)"y");
	DIFFERS(start_tls, true);
	DIFFERS(timeout, 6);
	DIFFERS(scram, LDAP_SCRAM_CACHE);
	section_free(&ldap_section, copy);
	section_free(&ldap_section, NULL);
}

/* -- DNs as numbers -------------------------------------------------------- */

static uint64_t hash(const char *dn)
{
	static const uint64_t key[2] = { 1, 2 };

	return ldap_name_hash(key, dn, strlen(dn));
}

static void test_names(void **state)
{
	static const char *const same[][2] = {
		{ "cn=a,dc=b", "CN=A,DC=B" },
		{ "cn=a,dc=b", "cn = a , dc= b" },
		{ "cn=a  b,dc=b", "cn=a b,dc=b" },
		{ "cn=a\\, b,dc=b", "cn=a\\2c b,dc=b" },
		{ "cn=a\\,b,dc=b", "cn=a\\2Cb,dc=b" },
		{ "cn=\\c3\\a4,dc=b", "cn=\xc3\xa4,dc=b" },
		{ "cn=a+uid=b,dc=b", "uid=b+cn=a,dc=b" },
		{ "cn=a\\=b,dc=b", "cn=a=b,dc=b" },
	};
	static const char *const other[][2] = {
		{ "cn=a,dc=b", "cn=b,dc=a" },
		{ "cn=a,dc=b", "cn=a,dc=b,dc=b" },
		{ "cn=a\\,dc=b", "cn=a,dc=b" },
		{ "cn=a,dc=b", "uid=a,dc=b" },
		{ "cn=a+uid=b,dc=b", "cn=a,uid=b,dc=b" },
		{ "cn=ab", "cn=a b" },
		{ "", "cn=a" },
		{ "cn=a\\", "cn=a\\5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_int_equal(hash(same[i][0]), hash(same[i][1]));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_int_not_equal(hash(other[i][0]), hash(other[i][1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_jid_escapes),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keys_of_pbkdf2),
		cmocka_unit_test(test_keys_refused),
		cmocka_unit_test(test_keys_kept),
		cmocka_unit_test(test_servers_in_order),
		cmocka_unit_test(test_servers_pauses_grow),
		cmocka_unit_test(test_servers_return),
		cmocka_unit_test(test_servers_without_choice),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_section),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
