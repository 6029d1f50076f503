/* SPDX-License-Identifier: Apache-2.0
 *
 * What was written to a client and may not have arrived. Asks managed clients
 * for acknowledgements: after some stanzas, or when there was a pause.
 */
#include "c2s/tail.h"

#include <inttypes.h>
#include <string.h>

#include "c2s/move.h"
#include "c2s/relay.h"
#include "c2s/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

#define TAIL_SEEN     256  /* origins; an sm is told of them */
#define SESSION_SEEN  512
#define REQUEST_AFTER 10  /* stanzas until the next <r/> */
#define LOOK	      500 /* ms between looks at those that wait */

#define R "<r xmlns='" NS_SM "'/>"

static struct tail *tail_get(struct stream *s)
{
	struct tail *tail = s->tail;

	if (tail)
		return tail;
	tail = s->tail = mem_new(struct tail);
	tail->stream = s;
	tail->bare = mem_strdup(s->session->bare);
	return tail;
}

static void drop_first(struct tail *tail)
{
	struct tail_item *item = tail->first;

	tail->first = item->next;
	if (!tail->first)
		tail->last = NULL;
	mem_free(item);
}

void tail_free(struct stream *s)
{
	struct tail *tail = s->tail;

	if (!tail)
		return;
	while (tail->first)
		drop_first(tail);
	if (tail->waits)
		DL_DELETE(s->c2s->tails, tail);
	seen_clear(&tail->seen);
	mem_free(tail->bare);
	mem_free(tail);
	s->tail = NULL;
}

/* -- looking after them ---------------------------------------------------- */

/* Not managed: what the kernel has taken is no longer ours. */
static void forget_written(struct tail *tail)
{
	uint64_t queued = conn_queued(tail->stream->conn);

	while (tail->first &&
	       (queued == 0 || tail->first->end + queued <= tail->written))
		drop_first(tail);
}

static void request(struct tail *tail)
{
	struct stream *s = tail->stream;

	if (tail->requested <= tail->acked)
		tail->requested_at = loop_now(s->c2s->loop);
	tail->requested = tail->sent;
	stream_write(s, R, sizeof(R) - 1);
}

/* A client that is alive but does not acknowledge is the sm's matter; one that
 * says nothing at all is gone, though TCP may not know that yet. */
static void check_silence(struct tail *tail)
{
	struct stream *s = tail->stream;
	uint64_t limit = (uint64_t)s->c2s->config->ack_timeout;
	uint64_t now = loop_now(s->c2s->loop);

	if (limit > 0 && tail->requested > tail->acked &&
	    s->heard < tail->requested_at && !s->paused &&
	    now - tail->requested_at >= limit)
		stream_cut(s, "the client does not acknowledge");
}

/* True: nothing is to be waited for. */
static bool look_after(struct tail *tail)
{
	struct stream *s = tail->stream;

	if (s->ended || s->state == STATE_CLOSING)
		return true;
	if (!tail->managed) {
		forget_written(tail);
		if (tail->first)
			return false;
		tail_free(s);
		return false; /* it is out of the list already */
	}
	if (tail->acked == tail->sent)
		return true;
	if (tail->requested < tail->sent)
		request(tail);
	else
		check_silence(tail);
	return false;
}

static void on_timer(struct timer *timer)
{
	struct c2s *c2s = container_of(timer, struct c2s, tails_timer);
	struct tail *tail, *next;

	DL_FOREACH_SAFE(c2s->tails, tail, next) {
		if (look_after(tail)) {
			tail->waits = false;
			DL_DELETE(c2s->tails, tail);
		}
	}
	if (c2s->tails)
		timer_start(timer, c2s->loop, LOOK, on_timer);
}

static void wait_for(struct tail *tail)
{
	struct c2s *c2s = tail->stream->c2s;

	if (tail->waits)
		return;
	tail->waits = true;
	DL_APPEND(c2s->tails, tail);
	if (!timer_running(&c2s->tails_timer))
		timer_start(&c2s->tails_timer, c2s->loop, LOOK, on_timer);
}

void tails_stop(struct c2s *c2s)
{
	timer_stop(&c2s->tails_timer);
}

/* -- stanzas to the client ------------------------------------------------- */

static struct tail_item *add(struct tail *tail, const char *bytes, size_t len,
			     const char *origin)
{
	size_t origin_len = origin ? strlen(origin) + 1 : 0;
	struct tail_item *item =
		mem_alloc(sizeof(*item) + len + 1 + origin_len);

	memcpy(item->bytes, bytes, len);
	item->len = len;
	if (origin) {
		item->origin = item->bytes + len + 1;
		memcpy(item->bytes + len + 1, origin, origin_len);
	}
	if (tail->last)
		tail->last->next = item;
	else
		tail->first = item;
	tail->last = item;
	return item;
}

/* What nobody wants to read twice. */
static bool is_message(const char *bytes, size_t len)
{
	static const char start[] = "<message";

	return len > sizeof(start) &&
	       memcmp(bytes, start, sizeof(start) - 1) == 0;
}

bool tail_is_numbered(const struct envelope *envelope)
{
	return envelope->origin && envelope->origin[0] == '#';
}

/* "#GENERATION.NUMBER" or "#GENERATION.NUMBER/ORIGIN", of a managed session's
 * stanza. */
static bool read_number(const char *text, uint64_t *generation,
			uint64_t *number, const char **origin)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char digits[48], *dot;

	if (*text++ != '#' || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	dot = strchr(digits, '.');
	if (!dot)
		return false;
	*dot = '\0';
	*origin = slash ? slash + 1 : NULL;
	return str_to_u64(digits, 0, UINT32_MAX, generation) == 0 &&
	       str_to_u64(dot + 1, 1, UINT64_MAX, number) == 0;
}

const char *tail_origin(const struct envelope *envelope)
{
	const char *slash;

	if (!tail_is_numbered(envelope))
		return envelope->origin;
	slash = strchr(envelope->origin, '/');
	return slash ? slash + 1 : NULL;
}

/* The client has it, or will be sent it again until it has. */
static bool has_origin(const struct tail *tail, const char *origin)
{
	const struct tail_item *item;

	if (!origin)
		return false;
	LL_FOREACH(tail->first, item) {
		if (str_equal(item->origin, origin))
			return true;
	}
	return seen_has(&tail->seen, origin);
}

static bool write_managed(struct tail *tail, const struct envelope *envelope)
{
	struct stream *s = tail->stream;
	const char *origin;
	struct tail_item *item;
	uint64_t generation, number;

	if (!read_number(envelope->origin, &generation, &number, &origin)) {
		log_error(s->c2s->log, "tail.bad-number",
			  LOG_S("session", s->id));
		return true;
	}
	if (generation != s->session->generation)
		return has_origin(tail, origin);
	/* After the way to the sm was cut it sends what it is not sure of. */
	if (number <= tail->sent)
		return true;
	tail->sent = number;
	item = add(tail, envelope->payload, envelope->payload_len, origin);
	item->number = number;
	stream_write(s, item->bytes, item->len);
	if (tail->sent - tail->requested >= REQUEST_AFTER)
		request(tail);
	wait_for(tail);
	return true;
}

static void write_plain(struct stream *s, const struct envelope *envelope)
{
	struct tail *tail = tail_get(s);
	struct tail_item *item;

	/* A client that does not count would read a repeat twice. */
	if (seen_has(&s->session->seen, envelope->origin))
		return;
	if (is_message(envelope->payload, envelope->payload_len))
		seen_add(&s->session->seen, envelope->origin, SESSION_SEEN);
	if (tail->first)
		forget_written(tail);
	if (!tail->first)
		tail->written = conn_queued(s->conn);
	item = add(tail, envelope->payload, envelope->payload_len,
		   envelope->origin);
	stream_write(s, item->bytes, item->len);
	/* The connection may have been cut by that, but not freed. */
	item->end = tail->written;
	wait_for(tail);
}

/* "!NUMBER" beside the client's <a/>: which of its stanzas that is. False: an
 * sm that the session has left says less than is known by now, and counts do
 * not go back. */
static bool note_told(struct stream *s, const char *origin)
{
	uint64_t number;

	if (!origin || *origin != '!' ||
	    str_to_u64(origin + 1, 0, UINT64_MAX, &number) < 0)
		return true;
	return c2s_move_told(s->session, number);
}

bool tail_write(struct stream *s, const struct envelope *envelope)
{
	if (s->tail && s->tail->managed && tail_is_numbered(envelope))
		return write_managed(s->tail, envelope);
	if (s->tail && s->tail->managed) {
		/* An element of XEP-0198, which nobody counts. */
		if (note_told(s, envelope->origin))
			stream_write(s, envelope->payload,
				     envelope->payload_len);
	} else {
		write_plain(s, envelope);
	}
	return true;
}

/* -- acknowledgements ------------------------------------------------------ */

void tail_manage(struct stream *s, uint64_t sent)
{
	struct tail *tail = tail_get(s);

	while (tail->first)
		drop_first(tail);
	tail->managed = true;
	tail->sent = tail->acked = tail->requested = sent;
}

void tail_fail_count(struct stream *s, uint32_t h, uint32_t sent)
{
	struct buf extra = { 0 };

	buf_addf(&extra,
		 "<handled-count-too-high xmlns='" NS_SM "' h='%" PRIu32
		 "' send-count='%" PRIu32 "'/>",
		 h, sent);
	stream_fail_extra(s, STREAM_UNDEFINED_CONDITION,
			  "more was acknowledged than was sent",
			  buf_data(&extra));
	buf_free(&extra);
}

bool tail_acked(struct stream *s, uint32_t h)
{
	struct tail *tail = s->tail;
	uint64_t number = tail->acked + (uint32_t)(h - (uint32_t)tail->acked);

	if (number > tail->sent) {
		tail_fail_count(s, h, (uint32_t)tail->sent);
		return false;
	}
	while (tail->first && tail->first->number <= number) {
		if (is_message(tail->first->bytes, tail->first->len))
			seen_add(&tail->seen, tail->first->origin, TAIL_SEEN);
		drop_first(tail);
	}
	tail->acked = number;
	tail->requested_at = loop_now(s->c2s->loop);
	return true;
}

void tail_describe(const struct stream *s, struct buf *to)
{
	const struct tail *tail = s->tail;
	const struct tail_item *item;

	if (!tail || !tail->managed)
		return;
	LL_FOREACH(tail->first, item) {
		buf_add_str(to, "<link:unacked");
		if (item->origin)
			buf_add_attr(to, "origin", item->origin);
		buf_add_char(to, '>');
		buf_add(to, item->bytes, item->len);
		buf_add_str(to, "</link:unacked>");
	}
	if (!tail->seen.list)
		return;
	buf_add_str(to, "<link:seen>");
	for (unsigned i = 0; i < tail->seen.room && tail->seen.list[i]; i++)
		buf_addf(to, "%016" PRIx64, tail->seen.list[i]);
	buf_add_str(to, "</link:seen>");
}

/* -- the end --------------------------------------------------------------- */

void tail_return(struct stream *s)
{
	struct tail *tail = s->tail;
	struct buf *out = &s->c2s->out;
	struct tail_item *item;

	/* The sm has a list of what managed clients have not got. */
	if (!tail || tail->managed)
		return;
	forget_written(tail);
	LL_FOREACH(tail->first, item) {
		buf_add_str(out, "<link:returned");
		if (item->origin)
			buf_add_attr(out, "origin", item->origin);
		buf_add_char(out, '>');
		buf_add(out, item->bytes, item->len);
		buf_add_str(out, "</link:returned>");
		relay_control(s->c2s, NULL, tail->bare, s->id);
	}
}
