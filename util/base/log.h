/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event, `event key=value key="value with spaces"`. Values are
 * quoted and escaped here, so that no peer can forge a line. Never a secret,
 * never a message body.
 */
#ifndef UTIL_BASE_LOG_H
#define UTIL_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_target {
	LOG_TO_STDERR, /* "<6>" priorities for a journal, else times */
	LOG_TO_SYSLOG,
	LOG_TO_CALLBACK
};

/* What a role logs to. Embedded in the role's state; set up by log_init(). */
struct log {
	char name[64]; /* of the instance: "c2s-1" */
	enum log_level level;
	enum log_target target;
	bool journal;
	/* Wall-clock microseconds since 1970; NULL: the system's. */
	int64_t (*now)(void *ctx);
	void *now_ctx;
	/* LOG_TO_CALLBACK: a finished line without the end of line. */
	void (*line)(enum log_level level, const char *line, void *ctx);
	void *line_ctx;
};

struct log_field {
	const char *key; /* NULL ends a row of fields */
	const char *text;
	int64_t number;
	bool is_number;
};

#define LOG_S(k, v) { .key = (k), .text = (v) }
#define LOG_N(k, v) { .key = (k), .number = (int64_t)(v), .is_number = true }

void log_init(struct log *log, const char *name);

/* Takes "error", "warning", "notice", "info", "debug". -1 for other words. */
int log_parse_level(const char *word, enum log_level *level);

/* Writes one line with the fields up to the one whose key is NULL. A field
 * whose text is NULL is left out. `event` is a fixed word with dots:
 * "session.open". */
void log_write(struct log *log, enum log_level level, const char *event,
	       const struct log_field *fields);

#define log_at(log, level, event, ...)                                       \
	log_write((log), (level), (event),                                   \
		  (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,)        \
					     { .key = NULL } })
#define log_error(log, event, ...)                                           \
	log_at(log, LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(log, event, ...)                                         \
	log_at(log, LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_notice(log, event, ...)                                          \
	log_at(log, LOG_LEVEL_NOTICE, event, __VA_ARGS__)
#define log_info(log, event, ...)                                            \
	log_at(log, LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(log, event, ...)                                           \
	do {                                                                 \
		if ((log)->level >= LOG_LEVEL_DEBUG)                         \
			log_at(log, LOG_LEVEL_DEBUG, event, __VA_ARGS__);    \
	} while (0)

#endif
