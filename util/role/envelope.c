/* SPDX-License-Identifier: Apache-2.0
 *
 * One start tag, scanned by hand: the router does this for each stanza, so
 * there is no parser and no memory but `space`. It takes less than XML allows
 * (only what envelope_write() and its like write) and nothing that XML does
 * not allow: what two readers could understand differently is refused.
 */
#include "util/role/envelope.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/utf8.h"

#define ROUTE_START "<link:route"
#define ROUTE_END "</link:route>"
#define ACK_START "<link:ack"
#define EPOCH_DIGITS 16

/* Of one envelope: our dozen and the prefixes that a stream declared. */
#define ATTRIBUTES_MAX 64

struct raw_attribute {
	const char *start, *name, *value; /* start: the white space before */
	size_t name_len, value_len;
};

struct raw_tag {
	struct raw_attribute list[ATTRIBUTES_MAX];
	size_t count;
};

/* -- scanning ------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Of the names that may stand here: prefixes as clients choose them, too. */
static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       c == ':' || (unsigned char)c >= 0x80;
}

/* ` name='value'` at `*at`; -1 when it is not one. */
static int scan_attribute(const char **at, const char *end,
			  struct raw_attribute *attribute)
{
	const char *p = *at;
	char quote;

	attribute->start = p;
	while (p < end && is_space(*p))
		p++;
	attribute->name = p;
	while (p < end && is_name_byte(*p))
		p++;
	attribute->name_len = (size_t)(p - attribute->name);
	if (attribute->name_len == 0 || attribute->name == attribute->start ||
	    end - p < 3 || *p++ != '=')
		return -1;
	quote = *p++;
	if (quote != '\'' && quote != '"')
		return -1;
	attribute->value = p;
	/* Raw control characters would be normalised by an XML reader. */
	while (p < end && *p != quote && *p != '<' && (unsigned char)*p >= 0x20)
		p++;
	if (p == end || *p != quote)
		return -1;
	attribute->value_len = (size_t)(p - attribute->value);
	*at = p + 1;
	return 0;
}

/* The attributes up to the ">" or "/>" at which `*at` is left. */
static int scan_tag(const char **at, const char *end, struct raw_tag *tag)
{
	const char *p = *at;

	tag->count = 0;
	for (;;) {
		const char *next = p;

		while (next < end && is_space(*next))
			next++;
		if (next == end)
			return -1;
		if (*next == '>' || *next == '/') {
			*at = next;
			return 0;
		}
		if (tag->count == ATTRIBUTES_MAX ||
		    scan_attribute(&p, end, &tag->list[tag->count]) < 0)
			return -1;
		tag->count++;
	}
}

static bool has_duplicate(const struct raw_tag *tag)
{
	for (size_t i = 1; i < tag->count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (tag->list[i].name_len == tag->list[j].name_len &&
			    memcmp(tag->list[i].name, tag->list[j].name,
				   tag->list[i].name_len) == 0)
				return true;
		}
	}
	return false;
}

/* -- values --------------------------------------------------------------- */

/* Appends the character as UTF-8; NULL when XML 1.0 has no such character. */
static char *put_character(char *to, uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe ||
	    c == 0xffff || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
		return NULL;
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

static int digit_value(char c, unsigned base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	return value < (int)base ? value : -1;
}

/* "#65" or "#x41", what stands between "&" and ";". */
static int read_character(const char *text, size_t len, uint32_t *c)
{
	unsigned base = len > 1 && text[1] == 'x' ? 16 : 10;
	size_t i = base == 16 ? 2 : 1;
	uint32_t value = 0;

	if (i == len || len > 9)
		return -1;
	for (; i < len; i++) {
		int digit = digit_value(text[i], base);

		if (digit < 0)
			return -1;
		value = value * base + (uint32_t)digit;
	}
	*c = value;
	return 0;
}

static char *put_reference(char *to, const char *text, size_t len)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
			 { "apos", '\'' }, { "quot", '"' } };
	uint32_t c;

	if (len > 0 && text[0] == '#')
		return read_character(text, len, &c) < 0
			       ? NULL
			       : put_character(to, c);
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		if (strlen(entities[i].name) == len &&
		    memcmp(entities[i].name, text, len) == 0) {
			*to++ = entities[i].c;
			return to;
		}
	}
	return NULL;
}

/* Unescapes to `*to`, which has room for len + 1 bytes, ends it with a NUL
 * and moves `*to` behind; returns the start, NULL when it is malformed. */
static const char *put_value(char **to, const char *text, size_t len)
{
	const char *end = text + len, *semicolon;
	char *start = *to, *p = start;

	if (!utf8_is_xml(text, len))
		return NULL;
	while (text < end) {
		if (*text != '&') {
			*p++ = *text++;
			continue;
		}
		semicolon = memchr(text, ';', (size_t)(end - text));
		if (!semicolon)
			return NULL;
		p = put_reference(p, text + 1, (size_t)(semicolon - text - 1));
		if (!p)
			return NULL;
		text = semicolon + 1;
	}
	*p++ = '\0';
	*to = p;
	return start;
}

/* -- meaning -------------------------------------------------------------- */

static bool name_is(const struct raw_attribute *raw, const char *name)
{
	return strlen(name) == raw->name_len &&
	       memcmp(raw->name, name, raw->name_len) == 0;
}

static bool is_epoch(const char *text)
{
	return strspn(text, "0123456789abcdef") == EPOCH_DIGITS &&
	       text[EPOCH_DIGITS] == '\0';
}

/* Whether "xmlns:PREFIX='...'" may stand on an envelope. */
static bool is_declaration(const struct raw_attribute *raw,
			   const struct envelope *envelope)
{
	const char *prefix = raw->name + 6;
	size_t len = raw->name_len - 6;

	if (len == 0 || raw->value_len == 0 || memchr(prefix, ':', len) ||
	    (*prefix >= '0' && *prefix <= '9') || *prefix == '-' ||
	    *prefix == '.')
		return false;
	if (name_is(raw, "xmlns:xml") || name_is(raw, "xmlns:xmlns"))
		return false;
	/* Control payloads are ours and use our prefix. */
	return !(envelope->control && name_is(raw, "xmlns:link"));
}

static int set_other(struct envelope *envelope, const struct raw_attribute *raw,
		     const char *value)
{
	if (name_is(raw, "n")) {
		/* One spelling of a number only. */
		if (value[0] == '0' && value[1])
			return -1;
		return str_to_u64(value, 0, UINT64_MAX, &envelope->n);
	}
	if (name_is(raw, "kind")) {
		envelope->control = true;
		return str_equal(value, "control") ? 0 : -1;
	}
	if (name_is(raw, "xmlns"))
		return str_equal(value, NS_CLIENT) ? 0 : -1;
	if (name_is(raw, "gap")) {
		envelope->gap = true;
		return str_equal(value, "true") ? 0 : -1;
	}
	if (!name_is(raw, "got") || (value[0] == '0' && value[1]))
		return -1;
	envelope->selective = true;
	return str_to_u64(value, 0, UINT64_MAX, &envelope->got);
}

/* Where a value belongs; NULL for those that set_other() takes. */
static const char **slot(struct envelope *envelope,
			 const struct raw_attribute *raw)
{
	switch (raw->name_len) {
	case 2:
		return name_is(raw, "at") ? &envelope->at
		       : name_is(raw, "to") ? &envelope->to
					    : NULL;
	case 3:
		return name_is(raw, "for") ? &envelope->receiver_epoch : NULL;
	case 4:
		return name_is(raw, "from") ? &envelope->from
		       : name_is(raw, "done") ? &envelope->done
					      : NULL;
	case 5:
		return name_is(raw, "epoch") ? &envelope->epoch
		       : name_is(raw, "trust") ? &envelope->trust
					       : NULL;
	case 6:
		return name_is(raw, "origin") ? &envelope->origin : NULL;
	case 7:
		return name_is(raw, "session") ? &envelope->session : NULL;
	default:
		return NULL;
	}
}

static bool is_prefix_declaration(const struct raw_attribute *raw)
{
	return raw->name_len >= 6 && memcmp(raw->name, "xmlns:", 6) == 0;
}

/* Fills in all attributes but the declarations; values go to `*to`. */
static int set_attributes(struct envelope *envelope, const struct raw_tag *tag,
			  char **to)
{
	const char **where, *value;

	for (size_t i = 0; i < tag->count; i++) {
		if (is_prefix_declaration(&tag->list[i]))
			continue;
		value = put_value(to, tag->list[i].value,
				  tag->list[i].value_len);
		if (!value)
			return -1;
		where = slot(envelope, &tag->list[i]);
		if (where)
			*where = value;
		else if (set_other(envelope, &tag->list[i], value) < 0)
			return -1;
	}
	return 0;
}

/* Collects the declarations, as they came, behind the values. */
static int set_declarations(struct envelope *envelope,
			    const struct raw_tag *tag, char *to)
{
	char *p = to, *scratch;

	for (size_t i = 0; i < tag->count; i++) {
		const struct raw_attribute *raw = &tag->list[i];
		size_t len = raw->name_len + raw->value_len + 3;

		if (!is_prefix_declaration(raw))
			continue;
		scratch = p;
		if (!is_declaration(raw, envelope) ||
		    !put_value(&scratch, raw->value, raw->value_len))
			return -1;
		*p++ = ' ';
		memcpy(p, raw->name, len);
		p += len;
	}
	if (p == to)
		return 0;
	*p = '\0';
	envelope->namespaces = to;
	return 0;
}

static bool has_xmlns(const struct raw_tag *tag)
{
	for (size_t i = 0; i < tag->count; i++) {
		if (name_is(&tag->list[i], "xmlns"))
			return true;
	}
	return false;
}

/* What must be there, and have its form. */
static bool is_complete(const struct envelope *envelope, bool ack)
{
	if (!envelope->at || !*envelope->at || !envelope->from ||
	    !*envelope->from)
		return false;
	if ((envelope->epoch && !is_epoch(envelope->epoch)) ||
	    (envelope->receiver_epoch && !is_epoch(envelope->receiver_epoch)))
		return false;
	if (ack)
		return envelope->epoch && envelope->receiver_epoch &&
		       (envelope->selective ||
			(!envelope->gap && !envelope->done));
	if (envelope->selective || envelope->gap || envelope->done)
		return false;
	return envelope->n == 0 || envelope->epoch;
}

static bool starts(const char *frame, size_t len, const char *text)
{
	size_t text_len = strlen(text);

	return len > text_len && memcmp(frame, text, text_len) == 0 &&
	       is_space(frame[text_len]);
}

/* What follows the attributes at `p`: the end of an empty element, or payload
 * and end tag, and nothing after it. */
static int set_payload(struct envelope *envelope, const char *p,
		       const char *end, bool ack)
{
	size_t tag_len = strlen(ROUTE_END);

	if (ack)
		return end - p == 2 && p[0] == '/' && p[1] == '>' ? 0 : -1;
	if (*p++ != '>' || (size_t)(end - p) <= tag_len ||
	    memcmp(end - tag_len, ROUTE_END, tag_len) != 0)
		return -1;
	envelope->payload = p;
	envelope->payload_len = (size_t)(end - p) - tag_len;
	if (*p != '<' || p[envelope->payload_len - 1] != '>')
		return -1;
	return 0;
}

int envelope_read(struct envelope *envelope, const char *frame, size_t len,
		  struct buf *space)
{
	bool ack = starts(frame, len, ACK_START);
	const char *p = frame + strlen(ack ? ACK_START : ROUTE_START);
	const char *end = frame + len;
	const char *attributes = p;
	struct raw_tag tag;
	size_t room;
	char *to;

	*envelope = (struct envelope){ .n = 0 };
	if (!ack && !starts(frame, len, ROUTE_START))
		return -1;
	if (scan_tag(&p, end, &tag) < 0 || has_duplicate(&tag) ||
	    set_payload(envelope, p, end, ack) < 0)
		return -1;
	/* Each value with its NUL is shorter than its attribute was. */
	room = (size_t)(p - attributes) + 1;
	buf_clear(space, 4096);
	to = buf_reserve(space, room);
	if (set_attributes(envelope, &tag, &to) < 0 ||
	    set_declarations(envelope, &tag, to) < 0)
		return -1;
	if (has_xmlns(&tag) == ack || (ack && envelope->control))
		return -1;
	return is_complete(envelope, ack) ? 0 : -1;
}

/* -- writing -------------------------------------------------------------- */

static void write_number(struct buf *to, uint64_t n)
{
	if (n > 0)
		buf_addf(to, " n='%llu'", (unsigned long long)n);
}

static void write_ack(struct buf *to, const struct envelope *envelope)
{
	buf_add_str(to, ACK_START);
	buf_add_attr(to, "at", envelope->at);
	buf_add_attr(to, "from", envelope->from);
	buf_add_attr(to, "for", envelope->receiver_epoch);
	buf_add_attr(to, "epoch", envelope->epoch);
	buf_addf(to, " n='%llu'", (unsigned long long)envelope->n);
	if (envelope->selective) {
		buf_addf(to, " got='%llu'", (unsigned long long)envelope->got);
		buf_add_attr(to, "done", envelope->done);
	}
	if (envelope->gap)
		buf_add_str(to, " gap='true'");
	buf_add_str(to, "/>");
}

void envelope_write(struct buf *to, const struct envelope *envelope)
{
	if (!envelope->payload) {
		write_ack(to, envelope);
		return;
	}
	buf_add_str(to, ROUTE_START " xmlns='" NS_CLIENT "'");
	buf_add_attr(to, "at", envelope->at);
	buf_add_attr(to, "from", envelope->from);
	buf_add_attr(to, "epoch", envelope->epoch);
	write_number(to, envelope->n);
	buf_add_attr(to, "for", envelope->receiver_epoch);
	buf_add_attr(to, "to", envelope->to);
	buf_add_attr(to, "session", envelope->session);
	buf_add_attr(to, "origin", envelope->origin);
	buf_add_attr(to, "trust", envelope->trust);
	if (envelope->control)
		buf_add_str(to, " kind='control'");
	if (envelope->namespaces)
		buf_add_str(to, envelope->namespaces);
	buf_add_char(to, '>');
	buf_add(to, envelope->payload, envelope->payload_len);
	buf_add_str(to, ROUTE_END);
}

/* -- what is done ---------------------------------------------------------- */

/* A number as write_number() has them, without sign or leading zero. */
static int read_number(const char **text, uint64_t *n)
{
	size_t len = strspn(*text, "0123456789");
	char digits[24];

	if (len == 0 || len >= sizeof(digits) || **text == '0')
		return -1;
	memcpy(digits, *text, len);
	digits[len] = '\0';
	*text += len;
	return str_to_u64(digits, 1, UINT64_MAX, n);
}

int envelope_next_range(const char **text, uint64_t after, uint64_t *first,
			uint64_t *last)
{
	if (!*text || **text == '\0')
		return 0;
	if (read_number(text, first) < 0 || *first <= after)
		return -1;
	*last = *first;
	if (**text == '-') {
		++*text;
		if (read_number(text, last) < 0 || *last <= *first)
			return -1;
	}
	if (**text == '\0')
		return 1;
	/* One space between two, and none at the end. */
	return *(*text)++ == ' ' && **text != '\0' ? 1 : -1;
}

/* -- parsing the payload -------------------------------------------------- */

/* stream_ns has no const inside; nothing is written there. */
static const struct stream_prefix control_prefixes[] = {
	{ .prefix = (char *)"stream", .uri = (char *)NS_STREAM },
	{ .prefix = (char *)"link", .uri = (char *)NS_LINK },
};

static const struct stream_ns control_ns = {
	.content = NS_CLIENT,
	.count = sizeof(control_prefixes) / sizeof(control_prefixes[0]),
	.prefixes = (struct stream_prefix *)control_prefixes,
};

/* Declares over what is there already. */
static void declare(struct stream_ns *ns, char *prefix, char *uri)
{
	for (size_t i = 0; i < ns->count; i++) {
		if (str_equal(ns->prefixes[i].prefix, prefix)) {
			mem_free(ns->prefixes[i].prefix);
			mem_free(ns->prefixes[i].uri);
			ns->prefixes[i].prefix = prefix;
			ns->prefixes[i].uri = uri;
			return;
		}
	}
	ns->prefixes = mem_realloc(ns->prefixes, ns->count + 1,
				   sizeof(*ns->prefixes));
	ns->prefixes[ns->count].prefix = prefix;
	ns->prefixes[ns->count].uri = uri;
	ns->count++;
}

/* Reads " xmlns:x='..' xmlns:y='..'" over the prefixes in `ns`. */
static int declare_all(struct stream_ns *ns, const char *text)
{
	const char *end = text + strlen(text);
	struct raw_attribute raw;
	char *uri, *to;

	while (text < end) {
		if (scan_attribute(&text, end, &raw) < 0 ||
		    !is_prefix_declaration(&raw))
			return -1;
		uri = to = mem_alloc(raw.value_len + 1);
		if (!put_value(&to, raw.value, raw.value_len)) {
			mem_free(uri);
			return -1;
		}
		declare(ns, mem_strndup(raw.name + 6, raw.name_len - 6), uri);
	}
	return 0;
}

static struct stanza *parse_declared(const struct envelope *envelope,
				     const struct stream_ns *base,
				     struct stanza_parser *parser,
				     struct error *err)
{
	struct stream_ns ns = { .content = NS_CLIENT };
	struct stanza *stanza = NULL;

	for (size_t i = 0; i < base->count; i++)
		declare(&ns, mem_strdup(base->prefixes[i].prefix),
			mem_strdup(base->prefixes[i].uri));
	if (declare_all(&ns, envelope->namespaces) < 0)
		error_set(err, "malformed namespace declarations");
	else
		stanza = stanza_parse(parser, &ns, envelope->payload,
				      envelope->payload_len, err);
	for (size_t i = 0; i < ns.count; i++) {
		mem_free(ns.prefixes[i].prefix);
		mem_free(ns.prefixes[i].uri);
	}
	mem_free(ns.prefixes);
	return stanza;
}

struct stanza *envelope_parse(const struct envelope *envelope,
			      struct stanza_parser *parser, struct error *err)
{
	const struct stream_ns *base =
		envelope->control ? &control_ns : &stream_ns_client;

	if (!envelope->payload) {
		error_set(err, "an acknowledgement has no payload");
		return NULL;
	}
	/* Nearly all clients declare nothing: then nothing is built. */
	if (envelope->namespaces)
		return parse_declared(envelope, base, parser, err);
	return stanza_parse(parser, base, envelope->payload,
			    envelope->payload_len, err);
}
