/* SPDX-License-Identifier: Apache-2.0
 *
 * JIDs: what is accepted and as what, what is refused, and that the fast path
 * for ASCII agrees with libidn on each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <stringprep.h>

#include "util/base/buf.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

static const struct {
	const char *text;
	const char *local, *domain, *resource;
} accepted[] = {
	/* RFC 7622 section 3.5, as far as RFC 6122 agrees */
	{ "juliet@example.com", "juliet", "example.com", NULL },
	{ "juliet@example.com/foo", "juliet", "example.com", "foo" },
	{ "juliet@example.com/foo bar", "juliet", "example.com", "foo bar" },
	{ "juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar" },
	{ "foo\\20bar@example.com", "foo\\20bar", "example.com", NULL },
	{ "fussball@example.com", "fussball", "example.com", NULL },
	{ "example.com", NULL, "example.com", NULL },
	{ "example.com/foobar", NULL, "example.com", "foobar" },
	{ "a.example.com/b@example.net", NULL, "a.example.com",
	  "b@example.net" },
	{ "example.com/a/b/", NULL, "example.com", "a/b/" },

	/* case and other mappings */
	{ "Juliet@Example.COM/Balcony", "juliet", "example.com", "Balcony" },
	{ "fu\xc3\x9f"
	  "ball@example.com",
	  "fussball", "example.com", NULL },
	{ "\xce\xa3@example.com", "\xcf\x83", "example.com", NULL },
	{ "\xcf\x80@example.com/\xe2\x99\xa5", "\xcf\x80", "example.com",
	  "\xe2\x99\xa5" },
	{ "a\xcc\x88@x/a\xcc\x88", "\xc3\xa4", "x", "\xc3\xa4" }, /* NFKC */
	{ "\xef\xbc\xa1@x", "a", "x", NULL }, /* full width A */
	{ "a\xc2\xad"
	  "b@x",
	  "ab", "x", NULL },		   /* soft hyphen */
	{ "a@x/\xc2\xa0", "a", "x", " " }, /* a wide space */

	/* domains */
	{ "example.com.", NULL, "example.com", NULL },
	{ "a@x./y", "a", "x", "y" },
	{ "my_host", NULL, "my_host", NULL },
	{ "192.0.2.1", NULL, "192.0.2.1", NULL },
	{ "a@[2001:DB8:0::1]/x", "a", "[2001:db8::1]", "x" },
	{ "[::1]", NULL, "[::1]", NULL },
	{ "B\xc3\x9c"
	  "cher.example",
	  NULL,
	  "b\xc3\xbc"
	  "cher.example",
	  NULL },
	{ "xn--bcher-kva.example", NULL,
	  "b\xc3\xbc"
	  "cher.example",
	  NULL },
	{ "XN--BCHER-KVA.EXAMPLE.", NULL,
	  "b\xc3\xbc"
	  "cher.example",
	  NULL },
	{ "www.b\xc3\xbc"
	  "cher\xe3\x80\x82"
	  "example",
	  NULL,
	  "www.b\xc3\xbc"
	  "cher.example",
	  NULL },
	{ "\xd7\x90\xd7\x91.example", NULL, "\xd7\x90\xd7\x91.example", NULL },
	{ "a@fa\xc3\x9f.example", "a", "fass.example", NULL },
};

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct jid *jid = jid_parse(accepted[i].text);
		struct jid *again;

		if (jid == NULL)
			fail_msg("refused: %s", accepted[i].text);
		assert_true(str_equal(jid_local(jid), accepted[i].local));
		assert_string_equal(jid_domain(jid), accepted[i].domain);
		assert_true(str_equal(jid_resource(jid), accepted[i].resource));
		again = jid_parse(jid_full(jid));
		assert_true(jid_equal(jid, again));
		jid_free(&again);
		jid_free(&jid);
	}
}

static const char *const refused[] = {
	/* empty parts, and what RFC 7622 section 3.5 refuses */
	"",
	"@",
	"/",
	"a@",
	"@x",
	"x/",
	"a@x/",
	"@/x",
	"a@/x",
	"/x",
	".",
	"a@.",
	"\"juliet\"@example.com",
	"foo bar@example.com",
	"juliet@ example.com",
	"@example.com/",
	"henri\xe2\x85\xa3@/",
	/* prohibited in a localpart, directly or after mapping */
	"a&b@x",
	"a'b@x",
	"a:b@x",
	"a<b@x",
	"a>b@x",
	"a@b@x",
	"a\x7f@x",
	"\xef\xbc\xa0@x",
	"a\xc2\xa0@x",
	"\xe2\x80\xa8@x",
	"\xc2\xad@x",
	/* prohibited in a resourcepart */
	"a@x/\x01",
	"a@x/\n",
	"a@x/\x7f",
	"a@x/\xe2\x80\x8e",
	/* unassigned in Unicode 3.2 */
	"\xf0\x9f\x98\x80@x",
	"a@x/\xf0\x9f\x98\x80",
	"\xc8\xa1@x",
	/* bidirectional rules (RFC 3454 section 6) */
	"\xd7\x90"
	"a@x",
	"a@x/\xd7\x90"
	"1",
	/* domains */
	"a..b",
	".a",
	"a b",
	"a,b",
	"-a",
	"a-",
	"a.-b.c",
	"x@a\tb",
	"a:5222",
	"[::1",
	"[]",
	"[x]",
	"[192.0.2.1]",
	"[::1]a",
	"[1::2::3]",
	"b\xc3\xbc"
	"cher..example",
	"\xe3\x80\x82",
	"b\xc3\xbc_a",
	"a\xe2\x80\xa6"
	"b",
	"\xef\xbc\x8f.x",
	/* not UTF-8 */
	"a\xc3@x",
	"\xc0\xaf@x",
	"a@x/\xed\xa0\x80",
	"a@\xff",
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct jid *jid = jid_parse(refused[i]);

		if (jid != NULL)
			fail_msg("accepted: %s", refused[i]);
	}
}

/* Each part of `n` bytes, the domain in labels. */
static char *jid_of(size_t local, size_t label, size_t labels, size_t resource)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < local; i++)
		buf_add_char(&text, 'l');
	buf_add_char(&text, '@');
	for (size_t i = 0; i < labels; i++) {
		if (i > 0)
			buf_add_char(&text, '.');
		for (size_t k = 0; k < label; k++)
			buf_add_char(&text, 'd');
	}
	buf_add_char(&text, '/');
	for (size_t i = 0; i < resource; i++)
		buf_add_char(&text, 'r');
	return buf_take(&text);
}

static void test_lengths(void **state)
{
	static const struct {
		size_t local, label, labels, resource;
		bool valid;
	} rows[] = {
		{ 1023, 1, 1, 1, true },      { 1024, 1, 1, 1, false },
		{ 1, 1, 1, 1023, true },      { 1, 1, 1, 1024, false },
		{ 1, 63, 1, 1, true },	      { 1, 64, 1, 1, false },
		{ 1, 1, 512, 1, true },	      { 1, 1, 513, 1, false },
		{ 1023, 1, 512, 1023, true }, { 5000, 1, 1, 1, false },
		{ 1, 1, 1, 50000, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = jid_of(rows[i].local, rows[i].label,
				    rows[i].labels, rows[i].resource);
		struct jid *jid = jid_parse(text);
		struct jid *copy;

		assert_int_equal(jid != NULL, rows[i].valid);
		if (jid != NULL) {
			copy = jid_copy(jid);
			assert_string_equal(jid_full(copy), text);
			jid_free(&copy);
		}
		jid_free(&jid);
		mem_free(text);
	}
}

/* Mapping makes it longer: 512 characters of two bytes become 1536. */
static void test_length_after_mapping(void **state)
{
	struct buf text = { 0 };

	(void)state;
	for (int i = 0; i < 511; i++)
		buf_add_str(&text, "\xc2\xbd"); /* one half: "1", U+2044, "2" */
	buf_add_str(&text, "@x");
	assert_null(jid_parse(buf_data(&text)));
	buf_free(&text);
}

static void test_parts(void **state)
{
	struct jid *full = jid_parse("a@b/c");
	struct jid *bare = jid_with_resource(full, NULL);
	struct jid *other = jid_with_resource(bare, "D");
	struct jid *domain = jid_parse("b");
	struct jid *gateway = jid_parse("b/c");

	(void)state;
	assert_string_equal(jid_full(full), "a@b/c");
	assert_string_equal(jid_bare(full), "a@b");
	assert_string_equal(jid_full(bare), "a@b");
	assert_string_equal(jid_bare(bare), "a@b");
	assert_null(jid_resource(bare));
	assert_string_equal(jid_full(other), "a@b/D");
	assert_string_equal(jid_bare(gateway), "b");
	assert_null(jid_with_resource(bare, ""));
	assert_null(jid_with_resource(bare, "\n"));

	assert_true(jid_is_full(full));
	assert_false(jid_is_bare(full));
	assert_true(jid_is_bare(bare));
	assert_false(jid_is_full(bare));
	assert_true(jid_is_domain(domain));
	assert_false(jid_is_bare(domain));
	assert_false(jid_is_domain(gateway));
	assert_true(jid_is_full(gateway));

	assert_true(jid_same_bare(full, other));
	assert_false(jid_equal(full, other));
	assert_false(jid_same_bare(full, domain));
	assert_true(jid_same_bare(domain, gateway));
	jid_free(&full);
	jid_free(&bare);
	jid_free(&other);
	jid_free(&domain);
	jid_free(&gateway);
	assert_null(gateway);
	jid_free(&gateway);
}

static void test_new(void **state)
{
	struct jid *jid = jid_new("A", "B.", "C");

	(void)state;
	assert_string_equal(jid_full(jid), "a@b/C");
	jid_free(&jid);
	jid = jid_new(NULL, "b", NULL);
	assert_string_equal(jid_full(jid), "b");
	jid_free(&jid);
	assert_null(jid_new("", "b", NULL));
	assert_null(jid_new("a", "", NULL));
	assert_null(jid_new("a", "b", ""));
	/* A part is a part, not a way to bring in another. */
	assert_null(jid_new("a@c", "b", NULL));
	assert_null(jid_new("a", "b/c", NULL));
	assert_null(jid_new("a", "c@b", NULL));
}

/* What the fast path says of each ASCII byte is what libidn says. */
static void test_fast_path(void **state)
{
	static const struct {
		char *(*prepare)(const char *text);
		const Stringprep_profile *profile;
	} parts[] = {
		{ jid_prepare_local, stringprep_xmpp_nodeprep },
		{ jid_prepare_resource, stringprep_xmpp_resourceprep },
		{ jid_prepare_password, stringprep_saslprep },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (int c = 1; c < 128; c++) {
			char text[16] = { 'x', (char)c, 'y', '\0' };
			char *fast = parts[i].prepare(text);
			bool allowed =
				stringprep(text, sizeof(text),
					   STRINGPREP_NO_UNASSIGNED,
					   parts[i].profile) == STRINGPREP_OK;

			assert_int_equal(fast != NULL, allowed);
			if (allowed)
				assert_string_equal(fast, text);
			mem_free(fast);
		}
	}
}

static void test_single_parts(void **state)
{
	static const struct {
		char *(*prepare)(const char *text);
		const char *text, *expected;
	} rows[] = {
		{ jid_prepare_local, "ROMEO", "romeo" },
		{ jid_prepare_local, "", NULL },
		{ jid_prepare_local, "a/b", NULL },
		{ jid_prepare_domain, "Example.Com.", "example.com" },
		{ jid_prepare_domain, "", NULL },
		{ jid_prepare_resource, "A b", "A b" },
		{ jid_prepare_resource, "", NULL },
		/* RFC 4013 section 3 */
		{ jid_prepare_password, "I\xc2\xadX", "IX" },
		{ jid_prepare_password, "USER", "USER" },
		{ jid_prepare_password, "\xc2\xaa", "a" },
		{ jid_prepare_password, "\xe2\x85\xa8", "IX" },
		{ jid_prepare_password, "\x07", NULL },
		{ jid_prepare_password,
		  "\xd8\xa7"
		  "1",
		  NULL },
		{ jid_prepare_password, "", NULL },
		{ jid_prepare_password, "\xc2\xad", NULL },
		{ jid_prepare_password,
		  "a\xc2\xa0"
		  "b",
		  "a b" },
		{ jid_prepare_password, "\xff", NULL },
		{ jid_prepare_password, "\xf0\x9f\x98\x80",
		  "\xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = rows[i].prepare(rows[i].text);

		assert_true(str_equal(got, rows[i].expected));
		mem_free_secret(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_length_after_mapping),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_fast_path),
		cmocka_unit_test(test_single_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
