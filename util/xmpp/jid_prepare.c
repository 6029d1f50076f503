/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparation of the parts of a JID (RFC 6122 sections 2.2 to 2.4) and of
 * passwords (RFC 4013). libidn knows Unicode; ASCII, which is nearly all there
 * is, is done here with the same result.
 */
#include "util/xmpp/jid_prepare.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <idn-free.h>
#include <idna.h>
#include <stringprep.h>

#include "util/base/mem.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/utf8.h"

/* Room for what the mappings may add on the way. */
#define PREPARED_SIZE (4 * JID_PART_MAX + 1)

#define LABEL_MAX     63 /* bytes of a label in DNS (RFC 1035 section 2.3.4) */

enum ascii_class {
	NODE = 1,     /* may stand in a localpart, after lowercasing */
	DOMAIN = 2,   /* ... in a label of a domain */
	RESOURCE = 4, /* ... in a resourcepart or a password */
	ALL = NODE | DOMAIN | RESOURCE
};

/* Nodeprep prohibits " & ' / : < > @ and space (RFC 6122 appendix A.5). A
 * domain is made of letters, digits and hyphens (STD 3); the underscore is no
 * host name, but names of services have it. */
static const uint8_t ascii_classes[128] = {
	[' '] = RESOURCE,
	['!'] = NODE | RESOURCE,
	['"'] = RESOURCE,
	['#' ... '%'] = NODE | RESOURCE,
	['&' ... '\''] = RESOURCE,
	['(' ... ','] = NODE | RESOURCE,
	['-'] = ALL,
	['.'] = ALL,
	['/'] = RESOURCE,
	['0' ... '9'] = ALL,
	[':'] = RESOURCE,
	[';'] = NODE | RESOURCE,
	['<'] = RESOURCE,
	['='] = NODE | RESOURCE,
	['>'] = RESOURCE,
	['?'] = NODE | RESOURCE,
	['@'] = RESOURCE,
	['A' ... 'Z'] = ALL,
	['[' ... '^'] = NODE | RESOURCE,
	['_'] = ALL,
	['`'] = NODE | RESOURCE,
	['a' ... 'z'] = ALL,
	['{' ... '~'] = NODE | RESOURCE,
};

enum ascii_result {
	ASCII_OK,
	ASCII_BAD,
	ASCII_NOT /* has other characters: ask libidn */
};

static enum ascii_result ascii_check(const char *text, size_t len,
				     enum ascii_class class)
{
	enum ascii_result result = len > 0 ? ASCII_OK : ASCII_BAD;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80)
			return ASCII_NOT;
		if ((ascii_classes[c] & class) == 0)
			result = ASCII_BAD;
	}
	return result;
}

static void ascii_lower(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		out[i] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	out[len] = '\0';
}

/* -1 when a code point is unassigned in Unicode 3.2 or prohibited, or when
 * nothing or too much is left. */
static int prepare(const char *text, size_t len,
		   const Stringprep_profile *profile, char *out)
{
	char work[PREPARED_SIZE];

	if (!utf8_is_xml(text, len))
		return -1;
	memcpy(work, text, len);
	work[len] = '\0';
	if (stringprep(work, sizeof(work), STRINGPREP_NO_UNASSIGNED, profile) !=
	    STRINGPREP_OK)
		return -1;
	len = strlen(work);
	if (len == 0 || len > JID_PART_MAX)
		return -1;
	memcpy(out, work, len + 1);
	return 0;
}

static int prepare_local(const char *text, size_t len, char *out)
{
	switch (ascii_check(text, len, NODE)) {
	case ASCII_OK:
		ascii_lower(text, len, out);
		return 0;
	case ASCII_NOT:
		return prepare(text, len, stringprep_xmpp_nodeprep, out);
	default:
		return -1;
	}
}

static int prepare_resource(const char *text, size_t len, char *out)
{
	switch (ascii_check(text, len, RESOURCE)) {
	case ASCII_OK:
		memcpy(out, text, len);
		out[len] = '\0';
		return 0;
	case ASCII_NOT:
		return prepare(text, len, stringprep_xmpp_resourceprep, out);
	default:
		return -1;
	}
}

/* -- domains -------------------------------------------------------------- */

/* "[2001:db8::1]", in the one spelling that the C library gives it. */
static int prepare_ipv6(const char *text, size_t len, char *out)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary;

	if (len < 2 || len - 2 >= sizeof(address) || text[len - 1] != ']')
		return -1;
	memcpy(address, text + 1, len - 2);
	address[len - 2] = '\0';
	if (inet_pton(AF_INET6, address, &binary) != 1 ||
	    inet_ntop(AF_INET6, &binary, address, sizeof(address)) == NULL)
		return -1;
	snprintf(out, JID_PART_MAX + 1, "[%s]", address);
	return 0;
}

/* How STD 3 and DNS want labels of ASCII. */
static bool labels_are_valid(const char *text)
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ".");
		if (len == 0 || len > LABEL_MAX || *text == '-' ||
		    text[len - 1] == '-')
			return false;
		if (text[len] == '\0')
			return true;
	}
}

static bool has_a_label(const char *lower)
{
	return strncmp(lower, "xn--", 4) == 0 || strstr(lower, ".xn--") != NULL;
}

/* Bytes before the dot, in any of the four forms of RFC 3490 section 3.1, or
 * before the end. The length of the dot is 0 at the end. */
static size_t label_length(const char *text, size_t len, size_t *dot_len)
{
	static const char *const dots[] = { ".", "\u3002", "\uff0e", "\uff61" };

	for (size_t i = 0; i < len; i++) {
		for (size_t k = 0; k < sizeof(dots) / sizeof(dots[0]); k++) {
			*dot_len = strlen(dots[k]);
			if (len - i >= *dot_len &&
			    memcmp(text + i, dots[k], *dot_len) == 0)
				return i;
		}
	}
	*dot_len = 0;
	return len;
}

static bool has_dot(const char *text)
{
	size_t dot_len;

	label_length(text, strlen(text), &dot_len);
	return dot_len > 0;
}

/* Nameprep, then the U-label for an A-label, so that both spellings are the
 * same domain; and what comes must have an ASCII form. Returns the bytes
 * written to `out`, 0 when the label is not allowed. */
static size_t prepare_label(const char *text, size_t len, char *out,
			    size_t room)
{
	char prepared[JID_PART_MAX + 1];
	char *unicode = NULL;
	char *ascii = NULL;
	size_t written = 0;

	if (prepare(text, len, stringprep_nameprep, prepared) < 0 ||
	    has_dot(prepared))
		return 0;
	if (idna_to_unicode_8z8z(prepared, &unicode, 0) != IDNA_SUCCESS ||
	    has_dot(unicode))
		goto out;
	len = strlen(unicode);
	if (len <= room &&
	    idna_to_ascii_8z(unicode, &ascii, IDNA_USE_STD3_ASCII_RULES) ==
		    IDNA_SUCCESS) {
		memcpy(out, unicode, len);
		written = len;
	}
out:
	idn_free(unicode);
	idn_free(ascii);
	return written;
}

/* Label by label (RFC 6122 section 2.2): one may be written from right to
 * left, and its neighbour not. */
static int prepare_idn(const char *text, size_t len, char *out)
{
	size_t used = 0;
	size_t written;
	size_t label;
	size_t dot;

	for (;;) {
		label = label_length(text, len, &dot);
		written = prepare_label(text, label, out + used,
					JID_PART_MAX - used);
		if (written == 0)
			return -1;
		used += written;
		text += label + dot;
		len -= label + dot;
		if (len == 0)
			break; /* here a dot is the trailing one */
		if (used == JID_PART_MAX)
			return -1;
		out[used++] = '.';
	}
	out[used] = '\0';
	return 0;
}

static int prepare_domain(const char *text, size_t len, char *out)
{
	if (len > 0 && text[0] == '[')
		return prepare_ipv6(text, len, out);
	switch (ascii_check(text, len, DOMAIN)) {
	case ASCII_OK:
		if (len > 1 && text[len - 1] == '.')
			len--;
		ascii_lower(text, len, out);
		if (has_a_label(out))
			return prepare_idn(text, len, out);
		return labels_are_valid(out) ? 0 : -1;
	case ASCII_NOT:
		return prepare_idn(text, len, out);
	default:
		return -1;
	}
}

/* ------------------------------------------------------------------------- */

int jid_prepare(enum jid_part part, const char *text, size_t len, char *out)
{
	/* Text that preparation would make short enough is not worth it. */
	if (len > JID_PART_MAX)
		return -1;
	switch (part) {
	case JID_LOCAL:
		return prepare_local(text, len, out);
	case JID_DOMAIN:
		return prepare_domain(text, len, out);
	default:
		return prepare_resource(text, len, out);
	}
}

static char *prepare_string(enum jid_part part, const char *text)
{
	char out[JID_PART_MAX + 1];

	if (jid_prepare(part, text, strlen(text), out) < 0)
		return NULL;
	return mem_strdup(out);
}

char *jid_prepare_local(const char *text)
{
	return prepare_string(JID_LOCAL, text);
}

char *jid_prepare_domain(const char *text)
{
	return prepare_string(JID_DOMAIN, text);
}

char *jid_prepare_resource(const char *text)
{
	return prepare_string(JID_RESOURCE, text);
}

/* Unassigned code points pass: clients leave them as they are, too, and who
 * has one in a password (emoji are, in Unicode 3.2) must be able to log in. */
char *jid_prepare_password(const char *text)
{
	size_t len = strlen(text);
	char *prepared = NULL;
	char *out = NULL;

	switch (ascii_check(text, len, RESOURCE)) {
	case ASCII_OK:
		return mem_strdup(text);
	case ASCII_BAD:
		return NULL;
	default:
		break;
	}
	if (!utf8_is_xml(text, len) ||
	    stringprep_profile(text, &prepared, "SASLprep", 0) != STRINGPREP_OK)
		return NULL;
	len = strlen(prepared);
	if (len > 0)
		out = mem_dup(prepared, len + 1);
	mem_wipe(prepared, len);
	idn_free(prepared);
	return out;
}
