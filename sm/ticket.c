/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets: HMAC over c2s, session, JID and time. Nothing is kept: whoever has
 * the secret can check what any other sm has given out.
 */
#include "sm/ticket.h"

#include <string.h>

#include "util/base/buf.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define MICROSECONDS INT64_C(1000000)
/* What the clocks of two machines may differ by. Generous: a ticket is good
 * for one session of one c2s only, so an old one is of use to nobody else. */
#define CLOCK_TOLERANCE (3600 * MICROSECONDS)

static void add_part(struct buf *buf, const char *text)
{
	/* With its NUL: no two rows of parts give the same bytes. */
	buf_add(buf, text, strlen(text) + 1);
}

static char *ticket_make(const char *secret, const struct ticket_facts *facts,
			 int64_t seconds)
{
	unsigned char mac[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];
	struct buf text = { .len = 0 };

	add_part(&text, "chappe ticket");
	add_part(&text, facts->c2s);
	add_part(&text, facts->session);
	add_part(&text, facts->jid);
	buf_addf(&text, "%lld", (long long)seconds);
	crypto_hmac(DIGEST_SHA256, secret, strlen(secret), buf_data(&text),
		    text.len, mac);
	buf_free(&text);
	hex_encode(hex, mac, digest_size(DIGEST_SHA256));
	return mem_printf("%lld-%s", (long long)seconds, hex);
}

char *ticket_new(const char *secret, const struct ticket_facts *facts,
		 int64_t now)
{
	return ticket_make(secret, facts, now / MICROSECONDS);
}

static bool ticket_time(const char *ticket, int64_t *seconds)
{
	char digits[24];
	size_t len = strcspn(ticket, "-");

	if (ticket[len] != '-' || len >= sizeof(digits))
		return false;
	memcpy(digits, ticket, len);
	digits[len] = '\0';
	return str_to_i64(digits, 0, INT64_MAX / MICROSECONDS, seconds) == 0;
}

bool ticket_check(const char *secret, const struct ticket_facts *facts,
		  const char *ticket, int64_t now, int64_t life)
{
	int64_t seconds = 0, age;
	char *ours;
	bool same;

	if (!ticket_time(ticket, &seconds))
		return false;
	ours = ticket_make(secret, facts, seconds);
	same = strlen(ours) == strlen(ticket) &&
	       mem_equal_secret(ours, ticket, strlen(ours));
	mem_free_secret(ours);
	age = now - seconds * MICROSECONDS;
	return same && (life == 0 || (age >= -CLOCK_TOLERANCE &&
				      age <= life + CLOCK_TOLERANCE));
}
