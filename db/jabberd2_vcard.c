/* SPDX-License-Identifier: Apache-2.0
 *
 * jabberd2 keeps a vCard as columns: which of them is which element of
 * XEP-0054.
 */
#include "db/jabberd2.h"

#include <string.h>

#include "util/base/str.h"

/* In the order of the DTD of XEP-0054; those of one parent together. */
static const struct {
	const char *column, *parent, *element;
} fields[] = {
	{ "fn", NULL, "FN" },
	{ "n-family", "N", "FAMILY" },
	{ "n-given", "N", "GIVEN" },
	{ "n-middle", "N", "MIDDLE" },
	{ "n-prefix", "N", "PREFIX" },
	{ "n-suffix", "N", "SUFFIX" },
	{ "nickname", NULL, "NICKNAME" },
	{ "photo-type", "PHOTO", "TYPE" },
	{ "photo-binval", "PHOTO", "BINVAL" },
	{ "photo-extval", "PHOTO", "EXTVAL" },
	{ "bday", NULL, "BDAY" },
	{ "adr-pobox", "ADR", "POBOX" },
	{ "adr-extadd", "ADR", "EXTADD" },
	{ "adr-street", "ADR", "STREET" },
	{ "adr-locality", "ADR", "LOCALITY" },
	{ "adr-region", "ADR", "REGION" },
	{ "adr-pcode", "ADR", "PCODE" },
	{ "adr-country", "ADR", "CTRY" },
	{ "tel", "TEL", "NUMBER" },
	{ "email", "EMAIL", "USERID" },
	{ "jabberid", NULL, "JABBERID" },
	{ "mailer", NULL, "MAILER" },
	{ "tz", NULL, "TZ" },
	{ "geo-lat", "GEO", "LAT" },
	{ "geo-lon", "GEO", "LON" },
	{ "title", NULL, "TITLE" },
	{ "role", NULL, "ROLE" },
	{ "logo-type", "LOGO", "TYPE" },
	{ "logo-binval", "LOGO", "BINVAL" },
	{ "logo-extval", "LOGO", "EXTVAL" },
	{ "agent-extval", "AGENT", "EXTVAL" },
	{ "org-orgname", "ORG", "ORGNAME" },
	{ "org-orgunit", "ORG", "ORGUNIT" },
	{ "note", NULL, "NOTE" },
	{ "rev", NULL, "REV" },
	{ "sort-string", NULL, "SORT-STRING" },
	{ "sound-phonetic", "SOUND", "PHONETIC" },
	{ "sound-binval", "SOUND", "BINVAL" },
	{ "sound-extval", "SOUND", "EXTVAL" },
	{ "uid", NULL, "UID" },
	{ "url", NULL, "URL" },
	{ "desc", NULL, "DESC" },
	{ "key-type", "KEY", "TYPE" },
	{ "key-cred", "KEY", "CRED" },
};

static const char *value_of(const char *column, size_t count,
			    const char *const *names,
			    const char *const *values)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(names[i], column))
			return values[i];
	}
	return NULL;
}

void jabberd2_vcard(struct buf *to, size_t count, const char *const *names,
		    const char *const *values)
{
	const char *open = NULL;

	buf_addf(to, "<vCard xmlns='%s'>", NS_VCARD);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value =
			value_of(fields[i].column, count, names, values);

		if (value == NULL || *value == '\0')
			continue;
		if (open != NULL && !str_equal(open, fields[i].parent)) {
			buf_addf(to, "</%s>", open);
			open = NULL;
		}
		if (fields[i].parent != NULL && open == NULL) {
			open = fields[i].parent;
			buf_addf(to, "<%s>", open);
		}
		buf_addf(to, "<%s>", fields[i].element);
		buf_add_xml_text(to, value, strlen(value));
		buf_addf(to, "</%s>", fields[i].element);
	}
	if (open != NULL)
		buf_addf(to, "</%s>", open);
	buf_add_str(to, "</vCard>");
}
