/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a DN once, from left to right, and hashes its parts as it goes.
 */
#include "storage/ldap_name.h"

#include <stdbool.h>
#include <string.h>

#include "util/base/buf.h"
#include "util/base/crypto.h"

struct reader {
	const char *at, *end;
	struct buf part; /* "type=value" of one part of an RDN */
	bool space;	 /* seen, and only of interest if more follows */
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int digit(char c)
{
	c = lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Several spaces count as one, those at the ends as none
 * (caseIgnoreMatch, RFC 4518 section 2.6.1). */
static void add(struct reader *reader, char c)
{
	const char *part = buf_data(&reader->part);
	bool first = reader->part.len == 0 ||
		     part[reader->part.len - 1] == '=';

	if (c == ' ') {
		reader->space = !first;
		return;
	}
	if (reader->space)
		buf_add_char(&reader->part, ' ');
	reader->space = false;
	buf_add_char(&reader->part, lower(c));
}

static void add_escaped(struct reader *reader)
{
	if (reader->end - reader->at >= 2 && digit(reader->at[0]) >= 0 &&
	    digit(reader->at[1]) >= 0) {
		add(reader, (char)(digit(reader->at[0]) * 16 +
				   digit(reader->at[1])));
		reader->at += 2;
	} else if (reader->at < reader->end) {
		add(reader, *reader->at++);
	}
}

/* One part of an RDN, up to what is behind it; '\0' at the end. */
static char read_part(struct reader *reader)
{
	bool type = true;

	buf_clear(&reader->part, 1024);
	reader->space = false;
	while (reader->at < reader->end) {
		char c = *reader->at++;

		if (c == ',' || c == ';' || c == '+')
			return c;
		if (c == '\\') {
			add_escaped(reader);
		} else if (c == '=' && type) {
			/* A space before it is none. */
			reader->space = false;
			buf_add_char(&reader->part, '=');
			type = false;
		} else {
			add(reader, c);
		}
	}
	return '\0';
}

uint64_t ldap_name_hash(const uint64_t key[2], const char *dn, size_t len)
{
	struct reader reader = { .at = dn, .end = dn + len };
	uint64_t state[2] = { 0, 0 }; /* what was, and the RDN's sum */
	char behind;

	do {
		behind = read_part(&reader);
		state[1] += crypto_siphash(key, buf_data(&reader.part),
					   reader.part.len);
		if (behind == '+')
			continue;
		state[0] = crypto_siphash(key, state, sizeof(state));
		state[1] = 0;
	} while (behind != '\0');
	buf_free(&reader.part);
	return state[0];
}
