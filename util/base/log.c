/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts one event on one line and hands the line to its target. What is worth
 * a line, and at which level, is decided by the callers.
 */
#include "util/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "util/base/buf.h"
#include "util/base/str.h"

/* Longer values are cut: a peer chooses many of them. */
#define LOG_VALUE_MAX 1024

static const struct log_level_row {
	const char *word;
	int priority; /* of syslog(3), and of "<N>" for the journal */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_NOTICE] = { "notice", LOG_NOTICE },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

#define LOG_LEVELS (sizeof(log_levels) / sizeof(log_levels[0]))

void log_init(struct log *log, const char *name)
{
	*log = (struct log){ .level = LOG_LEVEL_INFO };
	str_copy(log->name, sizeof(log->name), name);
	/* systemd.exec(5): set when stderr goes to the journal. */
	log->journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_parse_level(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < LOG_LEVELS; i++) {
		if (str_equal(word, log_levels[i].word)) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/* Characters that stand for themselves outside of quotes. */
static bool is_plain(unsigned char c)
{
	return c > ' ' && c != '"' && c != '\\' && c != '=' && c != 0x7f;
}

/* The length of the valid UTF-8 sequence at `p`, 0 when there is none. The
 * second byte's range excludes overlong forms, surrogates and what is beyond
 * U+10FFFF (RFC 3629 section 4). */
static size_t utf8_length(const unsigned char *p)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* Whether the character at `p` would end a line, move a cursor or turn the
 * direction of what is displayed: C0, DEL, C1 (U+0080-9F), U+2028-202E and
 * U+2066-2069. */
static bool is_control(const unsigned char *p, size_t len)
{
	if (len == 1)
		return *p < ' ' || *p == 0x7f;
	if (len == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (len != 3 || p[0] != 0xe2)
		return false;
	return (p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

static void add_escaped_byte(struct buf *line, unsigned char c)
{
	switch (c) {
	case '\n':
		buf_add_str(line, "\\n");
		break;
	case '\r':
		buf_add_str(line, "\\r");
		break;
	case '\t':
		buf_add_str(line, "\\t");
		break;
	default:
		buf_addf(line, "\\x%02x", c);
	}
}

static void add_quoted(struct buf *line, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned char *limit = p + LOG_VALUE_MAX;

	buf_add_char(line, '"');
	while (*p != '\0' && p < limit) {
		size_t len = utf8_length(p);

		if (len == 0 || is_control(p, len)) {
			size_t bytes = len > 0 ? len : 1;

			while (bytes-- > 0)
				add_escaped_byte(line, *p++);
			continue;
		}
		if (*p == '"' || *p == '\\')
			buf_add_char(line, '\\');
		buf_add(line, p, len);
		p += len;
	}
	buf_add_str(line, *p != '\0' ? "...\"" : "\"");
}

static void add_value(struct buf *line, const char *text)
{
	size_t len = 0;
	bool ascii = true;

	while (len <= LOG_VALUE_MAX && is_plain((unsigned char)text[len])) {
		ascii = ascii && (unsigned char)text[len] < 0x80;
		len++;
	}
	if (len > 0 && len <= LOG_VALUE_MAX && ascii && text[len] == '\0')
		buf_add(line, text, len);
	else
		add_quoted(line, text);
}

static void add_event(struct buf *line, const char *event,
		      const struct log_field *fields)
{
	buf_add_str(line, event);
	for (; fields->key != NULL; fields++) {
		if (!fields->is_number && fields->text == NULL)
			continue;
		buf_addf(line, " %s=", fields->key);
		if (fields->is_number)
			buf_addf(line, "%lld", (long long)fields->number);
		else
			add_value(line, fields->text);
	}
}

/* RFC 3339 in UTC, to the microsecond. */
static void add_stamp(struct buf *line, const struct log *log)
{
	int64_t micros;
	time_t seconds;
	struct tm tm;
	char text[32];

	if (log->now != NULL) {
		micros = log->now(log->now_ctx);
	} else {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		micros = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	}
	seconds = (time_t)(micros / 1000000);
	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	buf_addf(line, "%s.%06dZ ", text, (int)(micros % 1000000));
}

/* One write per line: lines of several processes do not mix. */
static void write_stderr(struct buf *line)
{
	const char *data = buf_data(line);
	size_t len = line->len;

	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		/* There is nowhere to complain about a log that is gone. */
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

void log_write(struct log *log, enum log_level level, const char *event,
	       const struct log_field *fields)
{
	const struct log_level_row *row = &log_levels[level];
	struct buf line = { 0 };

	if (level > log->level)
		return;
	switch (log->target) {
	case LOG_TO_STDERR:
		if (log->journal) {
			buf_addf(&line, "<%d>", row->priority);
		} else {
			add_stamp(&line, log);
			buf_addf(&line, "%s %s: ", log->name, row->word);
		}
		add_event(&line, event, fields);
		buf_add_char(&line, '\n');
		write_stderr(&line);
		break;
	case LOG_TO_SYSLOG:
		add_event(&line, event, fields);
		syslog(LOG_DAEMON | row->priority, "%s: %s", log->name,
		       buf_data(&line));
		break;
	case LOG_TO_CALLBACK:
		add_event(&line, event, fields);
		log->line(level, buf_data(&line), log->line_ctx);
		break;
	}
	buf_free(&line);
}
