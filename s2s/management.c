/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting in both directions, and what becomes of what was not counted.
 * Numbers are kept in 64 bits; on the wire they have 32 (section 4).
 */
#include "s2s/management.h"

#include <inttypes.h>
#include <string.h>

#include "s2s/relay.h"
#include "s2s/remote.h"
#include "s2s/stream.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ID_DIGITS    32
#define ANSWER_MS    1000 /* that an answer to <r/> waits for roles */
#define GRACE_MS     5000 /* that stanzas wait for a peer to resume */
#define SUSPENDED_MAX 5000

/* A stanza that came in, until a role has it. */
struct taken {
	uint64_t token;
	struct s2s_management *management;
	struct taken *next;
	UT_hash_handle hh; /* in s2s->taken */
	bool done;
};

struct s2s_management {
	struct s2s *s2s;
	struct s2s_stream *stream; /* NULL: suspended */
	char *id;		   /* NULL: cannot be resumed */
	bool incoming;
	bool enabled;	/* outgoing: the peer has agreed */
	char *local, *remote;
	struct s2s_grant *grants; /* suspended */
	enum trust level;	  /* that a stream must have to resume it */
	bool bidi;
	uint64_t max; /* ms that it can be resumed */
	/* What is received. */
	uint64_t received, pending; /* pending: of these, no role has yet */
	uint64_t repeats;	    /* that the peer will send again */
	struct taken *first, *last;
	bool asked;
	uint64_t asked_at; /* value of received */
	struct timer answer;
	/* What is sent. */
	uint64_t acked; /* by the peer */
	struct s2s_queue unacked;
	bool awaiting; /* an answer to <r/> */
	struct deferred request;
	struct timer timer; /* for that answer; for being resumed */
	struct s2s_remote *owner, *users; /* while suspended */
	struct s2s_management *prev, *next; /* s2s->managements */
};

/* -- writing -------------------------------------------------------------- */

static uint32_t handled(const struct s2s_management *m)
{
	return (uint32_t)(m->received - m->pending);
}

static void write_a(struct s2s_management *m)
{
	buf_addf(&m->s2s->out, "<a xmlns='" NS_SM "' h='%" PRIu32 "'/>",
		 handled(m));
	s2s_stream_flush(m->stream);
}

static void write_failed(struct s2s_stream *s, const char *condition)
{
	buf_addf(&s->s2s->out,
		 "<failed xmlns='" NS_SM "'><%s xmlns='" NS_STANZA_ERRORS
		 "'/></failed>",
		 condition);
	s2s_stream_flush(s);
}

static void on_ack_late(struct timer *timer)
{
	struct s2s_management *m =
		container_of(timer, struct s2s_management, timer);

	s2s_stream_abort(m->stream, "no acknowledgement came in time");
}

static void on_request(struct deferred *deferred)
{
	struct s2s_management *m =
		container_of(deferred, struct s2s_management, request);

	if (!m->stream || m->awaiting || !m->enabled || !m->unacked.first)
		return;
	m->awaiting = true;
	buf_add_str(&m->s2s->out, "<r xmlns='" NS_SM "'/>");
	s2s_stream_flush(m->stream);
	timer_start(&m->timer, m->s2s->loop,
		    (uint64_t)m->s2s->config->ack_timeout, on_ack_late);
}

/* One question for all that is written in this turn of the loop, and no
 * second one before the answer. */
static void ask(struct s2s_management *m)
{
	if (m->enabled && !m->awaiting && m->unacked.first)
		loop_defer(m->s2s->loop, &m->request, on_request);
}

/* -- what is sent --------------------------------------------------------- */

bool s2s_management_full(const struct s2s_stream *s)
{
	const struct s2s_management *m = s->management;
	const struct s2s_config *config = s->s2s->config;

	return m && (m->unacked.count >= (size_t)config->queue_stanzas ||
		     m->unacked.bytes >= (size_t)config->queue_bytes);
}

size_t s2s_management_unacked(const struct s2s_stream *s)
{
	return s->management ? s->management->unacked.count : 0;
}

void s2s_management_take_sent(struct s2s_stream *s, struct s2s_remote *remote,
			      struct s2s_queued *queued)
{
	struct s2s_management *m = s->management;

	queued->remote = remote;
	s2s_queue_take_over(&m->unacked, queued);
	ask(m);
}

/* What the peer has, nobody needs to keep. */
static void forget(struct s2s_management *m, uint64_t count)
{
	struct s2s_queued *queued;

	while (count-- > 0 && (queued = s2s_queue_take(&m->unacked))) {
		m->acked++;
		s2s_relay_done(m->s2s, queued->receipt);
		mem_free(queued);
	}
}

/* False, with a stream error, when the peer has more than there was. */
static bool acknowledge(struct s2s_management *m, struct s2s_stream *s,
			uint32_t h)
{
	uint32_t count = h - (uint32_t)m->acked;

	if (count > m->unacked.count) {
		s2s_stream_fail(s, STREAM_UNDEFINED_CONDITION,
				"more was acknowledged than was sent");
		return false;
	}
	forget(m, count);
	return true;
}

static void send_again(struct s2s_management *m)
{
	struct s2s_queued *queued;

	for (queued = m->unacked.first; queued; queued = queued->next) {
		m->s2s->stats.resent++;
		s2s_stream_write(m->stream, queued->bytes, queued->len);
	}
	m->awaiting = false;
	ask(m);
}

/* Back to where it waited before, in the order that it had. */
static void give_back(struct s2s_management *m)
{
	struct s2s_queued *queued, *last = NULL;

	/* The last one first, since each goes to the front. */
	while ((queued = s2s_queue_take(&m->unacked))) {
		queued->next = last;
		last = queued;
	}
	while ((queued = last)) {
		last = queued->next;
		m->s2s->stats.resent++;
		s2s_remote_take_back(queued->remote, queued);
	}
}

/* -- what is received ----------------------------------------------------- */

static void on_answer_due(struct timer *timer)
{
	struct s2s_management *m =
		container_of(timer, struct s2s_management, answer);

	/* Section 4: not to be withheld for longer. What is missing follows. */
	if (m->stream)
		write_a(m);
}

static void answer(struct s2s_management *m)
{
	if (!m->asked || !m->stream ||
	    m->received - m->pending < m->asked_at)
		return;
	m->asked = false;
	timer_stop(&m->answer);
	write_a(m);
}

static void take_r(struct s2s_management *m)
{
	m->asked = true;
	m->asked_at = m->received;
	if (m->pending > 0)
		timer_start(&m->answer, m->s2s->loop, ANSWER_MS,
			    on_answer_due);
	answer(m);
}

bool s2s_management_received(struct s2s_stream *s)
{
	struct s2s_management *m = s->management;

	if (m && m->repeats > 0) {
		m->repeats--;
		return false;
	}
	/* As the initiating side it counts from <enabled/> on. */
	if (m && m->enabled)
		m->received++;
	return true;
}

uint64_t s2s_management_token(struct s2s_stream *s)
{
	struct s2s_management *m = s->management;
	struct s2s *s2s = s->s2s;
	struct taken *taken;

	if (!m || !m->enabled)
		return 0;
	taken = mem_new(struct taken);
	taken->token = ++s2s->last_token;
	taken->management = m;
	if (m->last)
		m->last->next = taken;
	else
		m->first = taken;
	m->last = taken;
	m->pending++;
	HASH_ADD(hh, s2s->taken, token, sizeof(taken->token), taken);
	return taken->token;
}

static void taken_free(struct s2s_management *m)
{
	struct taken *taken = m->first;

	m->first = taken->next;
	if (!m->first)
		m->last = NULL;
	m->pending--;
	HASH_DEL(m->s2s->taken, taken);
	mem_free(taken);
}

void s2s_management_handled(struct s2s *s2s, uint64_t token)
{
	struct taken *taken;
	struct s2s_management *m;

	HASH_FIND(hh, s2s->taken, &token, sizeof(token), taken);
	if (!taken)
		return;
	m = taken->management;
	taken->done = true;
	while (m->first && m->first->done)
		taken_free(m);
	answer(m);
}

void s2s_management_part(struct s2s_stream *s)
{
	if (s->management && s->management->enabled)
		write_a(s->management);
}

/* -- life ----------------------------------------------------------------- */

static struct s2s_management *management_new(struct s2s_stream *s)
{
	struct s2s_management *m = mem_new(struct s2s_management);

	m->s2s = s->s2s;
	m->stream = s;
	m->incoming = s->incoming;
	m->local = mem_strdup(s->local);
	m->remote = mem_strdup(s->remote);
	m->bidi = s->bidi;
	DL_APPEND(s->s2s->managements, m);
	s->management = m;
	return m;
}

static void management_free(struct s2s_management *m)
{
	struct s2s_queued *queued;

	DL_DELETE(m->s2s->managements, m);
	if (!m->stream)
		m->s2s->suspended--;
	while (m->first)
		taken_free(m);
	while ((queued = s2s_queue_take(&m->unacked)))
		mem_free(queued);
	s2s_grants_free(&m->grants);
	timer_stop(&m->answer);
	timer_stop(&m->timer);
	loop_defer_cancel(m->s2s->loop, &m->request);
	mem_free(m->id);
	mem_free(m->local);
	mem_free(m->remote);
	mem_free(m);
}

void s2s_managements_free(struct s2s *s2s)
{
	struct s2s_management *m, *next;

	DL_FOREACH_SAFE(s2s->managements, m, next) {
		if (m->stream)
			m->stream->management = NULL;
		management_free(m);
	}
}

void s2s_management_drop(struct s2s_management **management)
{
	struct s2s_management *m = *management;
	struct s2s_remote *owner, *users;

	*management = NULL;
	if (!m)
		return;
	owner = m->owner;
	users = m->users;
	give_back(m);
	management_free(m);
	if (owner)
		s2s_remote_released(owner);
	s2s_remotes_released(users);
}

static void on_not_resumed(struct timer *timer)
{
	struct s2s_management *m =
		container_of(timer, struct s2s_management, timer);

	s2s_management_drop(&m);
}

void s2s_management_wait(struct s2s_management *m, struct s2s_remote *remote)
{
	remote->suspended = m;
	if (!m->incoming && str_equal(remote->local, m->local))
		m->owner = remote;
	else
		DL_APPEND2(m->users, remote, prev_user, next_user);
	/* It may be that the peer does not come back. */
	if (m->incoming && m->max > GRACE_MS)
		timer_start(&m->timer, m->s2s->loop, GRACE_MS, on_not_resumed);
}

bool s2s_management_end(struct s2s_stream *s, bool broken)
{
	struct s2s_management *m = s->management;
	struct s2s *s2s = s->s2s;

	if (!m)
		return false;
	s->management = NULL;
	s->managed = true;
	/* Whoever opened the stream has no reason to resume it when nothing
	 * is missing; who was called does not know. */
	if (!broken || !m->id || !m->enabled || s2s->stopping ||
	    s2s->suspended >= SUSPENDED_MAX ||
	    (!m->incoming && !m->bidi && !m->unacked.first)) {
		give_back(m);
		management_free(m);
		return false;
	}
	log_info(s2s->log, "stream.suspended", LOG_N("stream", s->serial),
		 LOG_S("local", s->local), LOG_S("remote", s->remote),
		 LOG_N("unacknowledged", m->unacked.count));
	m->stream = NULL;
	m->awaiting = false;
	m->asked = false;
	s2s->suspended++;
	timer_stop(&m->answer);
	if (m->incoming) {
		m->grants = s->grants;
		s->grants = NULL;
	}
	timer_start(&m->timer, s2s->loop, m->max, on_not_resumed);
	return true;
}

/* -- enabling ------------------------------------------------------------- */

void s2s_management_offer(const struct s2s_stream *s, struct buf *to)
{
	if (s->s2s->config->management)
		buf_add_str(to, "<sm xmlns='" NS_SM "'/>");
}

static void ask_enable(struct s2s_stream *s)
{
	struct buf *out = &s->s2s->out;

	management_new(s);
	buf_add_str(out, "<enable xmlns='" NS_SM "'");
	if (s->s2s->config->resume_timeout > 0)
		buf_add_str(out, " resume='true'");
	buf_add_str(out, "/>");
	s2s_stream_flush(s);
}

bool s2s_management_begin(struct s2s_stream *s)
{
	struct s2s_remote *owner = s->owner;
	struct s2s_management *m = owner ? owner->suspended : NULL;

	if (m && s->offers_sm && s->level >= m->level) {
		buf_add_str(&s->s2s->out, "<resume xmlns='" NS_SM "'");
		buf_add_attr(&s->s2s->out, "previd", m->id);
		buf_addf(&s->s2s->out, " h='%" PRIu32 "'/>", handled(m));
		s2s_stream_flush(s);
		m->repeats = m->pending;
		s2s_stream_set_state(s, S2S_RESUME);
		return true;
	}
	if (m)
		s2s_management_drop(&m);
	if (s->offers_sm && s->s2s->config->management)
		ask_enable(s);
	return false;
}

static bool is_true(const char *text)
{
	return str_equal(text, "true") || str_equal(text, "1");
}

/* The pair waits for a former stream, which the peer has given up. */
static void take_over(struct s2s_stream *s)
{
	struct s2s_remote *remote =
		s2s_remote_find(s->s2s, s->local, s->remote);
	struct s2s_management *m = remote ? remote->suspended : NULL;

	if (!m || !m->incoming || !s->bidi)
		return;
	DL_DELETE2(m->users, remote, prev_user, next_user);
	remote->suspended = NULL;
	s2s_remote_join(remote, s);
	s2s_management_drop(&m);
	s2s_remote_opened(remote);
}

static void take_enable(struct s2s_stream *s, const struct element *element)
{
	const struct s2s_config *config = s->s2s->config;
	struct buf *out = &s->s2s->out;
	struct s2s_management *m;

	if (s->management) {
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"stream management is enabled already");
		return;
	}
	if (!s->grants || !s->local || !s->remote) {
		write_failed(s, "unexpected-request");
		return;
	}
	if (!config->management) {
		write_failed(s, "service-unavailable");
		return;
	}
	m = management_new(s);
	m->enabled = true;
	m->level = s2s_stream_level(s);
	buf_add_str(out, "<enabled xmlns='" NS_SM "'");
	if (is_true(element_attr(element, "resume")) &&
	    config->resume_timeout > 0) {
		m->max = (uint64_t)config->resume_timeout;
		m->id = mem_alloc(ID_DIGITS + 1);
		loop_random_hex(s->s2s->loop, m->id, ID_DIGITS);
		buf_add_attr(out, "id", m->id);
		buf_addf(out, " resume='true' max='%" PRIu64 "'",
			 m->max / 1000);
	}
	buf_add_str(out, "/>");
	s2s_stream_flush(s);
	take_over(s);
}

/* A peer may say that it can be resumed, and give no id: then it cannot. */
static void take_enabled(struct s2s_stream *s, const struct element *element)
{
	struct s2s_management *m = s->management;
	const char *id = element_attr(element, "id");
	const char *max = element_attr(element, "max");
	uint64_t seconds;

	if (!m || s->incoming || m->enabled)
		return;
	m->enabled = true;
	m->level = s->level;
	if (id && is_true(element_attr(element, "resume")) &&
	    s->s2s->config->resume_timeout > 0) {
		m->id = mem_strdup(id);
		m->max = (uint64_t)s->s2s->config->resume_timeout;
		if (max && str_to_u64(max, 1, UINT32_MAX, &seconds) == 0 &&
		    seconds * 1000 < m->max)
			m->max = seconds * 1000;
	}
	ask(m);
}

/* -- resuming ------------------------------------------------------------- */

static struct s2s_management *find(struct s2s *s2s, const char *id)
{
	struct s2s_management *m;

	if (strlen(id) != ID_DIGITS)
		return NULL;
	DL_FOREACH(s2s->managements, m) {
		if (m->incoming && m->id &&
		    mem_equal_secret(m->id, id, ID_DIGITS + 1))
			return m;
	}
	return NULL;
}

static bool may_resume(const struct s2s_stream *s,
		       const struct s2s_management *m)
{
	return m && m->stream != s && str_equal(m->local, s->local) &&
	       str_equal(m->remote, s->remote) && m->bidi == s->bidi &&
	       s2s_stream_level(s) >= m->level;
}

/* The stream is the management's from now on. */
static void attach(struct s2s_management *m, struct s2s_stream *s)
{
	struct s2s_remote *remote;

	m->s2s->stats.resumed++;
	m->s2s->suspended--;
	m->stream = s;
	s->management = m;
	timer_stop(&m->timer);
	s2s_grants_move(&s->grants, &m->grants);
	log_info(m->s2s->log, "stream.resumed", LOG_N("stream", s->serial),
		 LOG_S("local", s->local), LOG_S("remote", s->remote),
		 LOG_N("again", m->unacked.count));
	send_again(m);
	if (m->owner)
		m->owner->suspended = NULL;
	m->owner = NULL;
	while ((remote = m->users)) {
		DL_DELETE2(m->users, remote, prev_user, next_user);
		remote->suspended = NULL;
		s2s_remote_join(remote, s);
		s2s_remote_opened(remote);
	}
}

static void take_resume(struct s2s_stream *s, const struct element *element)
{
	const char *previd = element_attr(element, "previd");
	const char *h_text = element_attr(element, "h");
	struct s2s_management *m;
	uint64_t h;

	if (!s->incoming || s->management || !s->grants) {
		write_failed(s, "unexpected-request");
		return;
	}
	if (!previd || !h_text || str_to_u64(h_text, 0, UINT32_MAX, &h) < 0) {
		write_failed(s, "bad-request");
		return;
	}
	m = find(s->s2s, previd);
	if (!may_resume(s, m)) {
		write_failed(s, "item-not-found");
		return;
	}
	/* We have not noticed yet that its connection is broken. */
	if (m->stream) {
		s2s_stream_replace(m->stream);
		m = find(s->s2s, previd);
	}
	if (!m) {
		write_failed(s, "item-not-found");
		return;
	}
	if (!acknowledge(m, s, (uint32_t)h))
		return;
	buf_add_str(&s->s2s->out, "<resumed xmlns='" NS_SM "'");
	buf_add_attr(&s->s2s->out, "previd", m->id);
	buf_addf(&s->s2s->out, " h='%" PRIu32 "'/>", handled(m));
	s2s_stream_flush(s);
	m->repeats = m->pending;
	attach(m, s);
}

static void take_resumed(struct s2s_stream *s, const struct element *element)
{
	struct s2s_remote *owner = s->owner;
	struct s2s_management *m = owner ? owner->suspended : NULL;
	const char *h_text = element_attr(element, "h");
	uint64_t h;

	if (s->state != S2S_RESUME || !m)
		return;
	if (!h_text || str_to_u64(h_text, 0, UINT32_MAX, &h) < 0) {
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"an acknowledgement needs a number");
		return;
	}
	if (!acknowledge(m, s, (uint32_t)h))
		return;
	s2s_stream_set_state(s, S2S_READY);
	attach(m, s);
	s2s_remote_opened(owner);
}

/* It cannot be resumed, or there is to be no management. In the first case it
 * may say what it had. */
static void take_failed(struct s2s_stream *s, const struct element *element)
{
	struct s2s_remote *owner = s->owner;
	struct s2s_management *m = s->management;
	const char *h_text = element_attr(element, "h");
	uint64_t h;

	if (s->state == S2S_RESUME && owner) {
		m = owner->suspended;
		if (m && h_text &&
		    str_to_u64(h_text, 0, UINT32_MAX, &h) == 0 &&
		    !acknowledge(m, s, (uint32_t)h))
			return;
		s2s_management_drop(&m);
		s2s_stream_set_state(s, S2S_READY);
		ask_enable(s);
		s2s_remote_opened(owner);
	} else if (m && !s->incoming && !m->enabled) {
		forget(m, m->unacked.count);
		s->management = NULL;
		management_free(m);
	}
}

/* -- elements ------------------------------------------------------------- */

static void take_a(struct s2s_stream *s, const struct element *element)
{
	struct s2s_management *m = s->management;
	const char *h_text = element_attr(element, "h");
	uint64_t h;

	if (!h_text || str_to_u64(h_text, 0, UINT32_MAX, &h) < 0) {
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"an acknowledgement needs a number");
		return;
	}
	if (!acknowledge(m, s, (uint32_t)h))
		return;
	m->awaiting = false;
	timer_stop(&m->timer);
	ask(m);
	s2s_remotes_flush(s);
	s2s_check_acknowledged(s->s2s);
}

void s2s_management_element(struct s2s_stream *s,
			    const struct element *element)
{
	if (element_is(element, "enable", NS_SM) && s->incoming)
		take_enable(s, element);
	else if (element_is(element, "resume", NS_SM))
		take_resume(s, element);
	else if (element_is(element, "enabled", NS_SM))
		take_enabled(s, element);
	else if (element_is(element, "resumed", NS_SM))
		take_resumed(s, element);
	else if (element_is(element, "failed", NS_SM))
		take_failed(s, element);
	else if (!s->management)
		s2s_stream_fail(s, STREAM_POLICY_VIOLATION,
				"stream management is not enabled");
	else if (element_is(element, "r", NS_SM))
		take_r(s->management);
	else if (element_is(element, "a", NS_SM))
		take_a(s, element);
	else
		s2s_stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}
