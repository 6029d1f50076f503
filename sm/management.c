/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream management (XEP-0198): enabling, counters, the queue of what the
 * client has not acknowledged. How a session sleeps and wakes is in
 * management_sleep.c and management_resume.c.
 */
#include "sm/management.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sm/handover.h"
#include "sm/message_rules.h"
#include "sm/peer.h"
#include "sm/route.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ANSWER_LATE 1000 /* ms until an <r/> is answered with what there is */
#define NUMBER_MAX  40
#define ORIGIN_MAX  256

struct management *management_new(struct session *session)
{
	struct management *m = mem_new(struct management);

	m->session = session;
	session->management = m;
	loop_random_hex(session->sm->loop, m->id, MANAGEMENT_ID);
	return m;
}

static void unacked_drop(struct unacked *unacked)
{
	if (unacked->owner != NULL || unacked->links > 0)
		return;
	work_release(&unacked->work);
	mem_free(unacked);
}

void management_free(struct management **management)
{
	struct management *m = *management;
	struct unacked *unacked;

	*management = NULL;
	if (m == NULL)
		return;
	while ((unacked = m->queue) != NULL) {
		m->queue = unacked->next;
		unacked->owner = NULL;
		if (unacked->links == 0)
			unacked_leave(m->session->sm, unacked, NULL);
		unacked_drop(unacked);
	}
	timer_stop(&m->timer);
	waking_free(m);
	mem_free(m->seen);
	mem_free(m);
}

/* -- origins --------------------------------------------------------------- */

uint64_t management_hash(const char *origin)
{
	/* "chappe-origin-id"; c2s uses the same (c2s/tail.c). */
	static const uint64_t key[2] = { UINT64_C(0x6f2d657070616863),
					 UINT64_C(0x64692d6e69676972) };

	return crypto_siphash(key, origin, strlen(origin));
}

void management_saw(struct management *m, uint64_t hash)
{
	if (m->seen == NULL)
		m->seen = mem_calloc(SEEN_MAX, sizeof(*m->seen));
	m->seen[m->seen_at++ % SEEN_MAX] = hash;
}

static bool has_seen(const struct management *m, const char *origin)
{
	uint64_t hash;

	if (m->seen == NULL || origin == NULL)
		return false;
	hash = management_hash(origin);
	for (size_t i = 0; i < SEEN_MAX; i++) {
		if (m->seen[i] == hash)
			return true;
	}
	return false;
}

bool management_has(const struct management *m, const char *origin)
{
	const struct unacked *unacked;

	LL_FOREACH(m->queue, unacked) {
		if (unacked->origin != NULL &&
		    str_equal(unacked->origin, origin))
			return true;
	}
	return has_seen(m, origin);
}

void management_guard(struct management *m, uint64_t number,
		      struct work *work)
{
	struct unacked *unacked;

	LL_FOREACH(m->queue, unacked) {
		if (unacked->number != number)
			continue;
		if (!unacked->delivered && unacked->work == NULL)
			unacked->work = work_hold(work);
		return;
	}
}

/* -- what the client sends ------------------------------------------------- */

/* The number of the newest stanza before which all are handled. */
static uint64_t handled_number(const struct session *session)
{
	uint64_t first = work_first_number(session);

	return first != 0 ? first - 1 : session->last_origin;
}

uint32_t management_handled(const struct session *session)
{
	const struct management *m = session->management;
	uint64_t last = handled_number(session);

	return m->handled + (uint32_t)(last > m->base ? last - m->base : 0);
}

/* An element of XEP-0198 to the client. It is no stanza: nobody counts or
 * keeps it. */
static void say(struct session *session, const char *origin,
		const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct session *session, const char *origin,
		const char *format, ...)
{
	struct envelope envelope = { .at = session->c2s,
				     .session = session->id,
				     .origin = origin };
	struct sm *sm = session->sm;
	va_list args;

	if (session->c2s == NULL || sm->link == NULL)
		return;
	envelope.receiver_epoch = peer_epoch(session->peer);
	buf_clear(&sm->out, 65536);
	va_start(args, format);
	buf_vaddf(&sm->out, format, args);
	va_end(args);
	envelope.payload = buf_data(&sm->out);
	envelope.payload_len = sm->out.len;
	link_send(sm->link, &envelope);
}

/* The c2s hears which of its numbers that is: from here on they are nobody's
 * concern any more, whatever becomes of this process. */
static void answer(struct session *session)
{
	char origin[NUMBER_MAX];

	snprintf(origin, sizeof(origin), "!%" PRIu64, handled_number(session));
	say(session, origin, "<a xmlns='" NS_SM "' h='%" PRIu32 "'/>",
	    management_handled(session));
}

static bool is_answer_due(const struct session *session)
{
	uint64_t first = work_first_number(session);

	return first == 0 || first > session->management->asked_at;
}

static void works_done(struct deferred *deferred)
{
	struct session *session =
		container_of(deferred, struct session, progress);

	if (session->release_wanted)
		handover_released(session);
	else if (session->management != NULL &&
		 session->management->waking != NULL)
		waking_progress(session);
}

void management_progress(struct session *session)
{
	struct management *m = session->management;

	if (session->release_wanted || (m != NULL && m->waking != NULL)) {
		/* Not inside the call that ended the last work. */
		if (session->works == NULL)
			loop_defer(session->sm->loop, &session->progress,
				   works_done);
		return;
	}
	if (m == NULL)
		return;
	if (m->asked && !m->asleep && is_answer_due(session)) {
		m->asked = false;
		if (!m->overflow)
			timer_stop(&m->timer);
		answer(session);
	}
}

/* XEP-0198 section 4: an answer is not held back for long. When more is
 * handled later, another one follows. */
static void answer_late(struct timer *timer)
{
	struct management *m = container_of(timer, struct management, timer);

	answer(m->session);
}

static void take_r(struct session *session, uint64_t number)
{
	struct management *m = session->management;

	m->asked = true;
	if (number > m->asked_at)
		m->asked_at = number;
	management_progress(session);
	if (m->asked && !m->overflow && !timer_running(&m->timer))
		timer_start(&m->timer, session->sm->loop, ANSWER_LATE,
			    answer_late);
}

bool management_number(const struct management *m, uint32_t h,
		       uint64_t *number)
{
	uint32_t more = h - (uint32_t)m->acked;

	*number = m->acked + more;
	return *number <= m->sent;
}

void management_acked(struct management *m, uint64_t number)
{
	struct unacked *unacked;

	while ((unacked = m->queue) != NULL && unacked->number <= number) {
		m->queue = unacked->next;
		if (m->queue == NULL)
			m->queue_last = NULL;
		m->count--;
		m->bytes -= unacked->len;
		unacked->owner = NULL;
		unacked->left = true;
		if (unacked->origin != NULL)
			management_saw(m, management_hash(unacked->origin));
		/* The client has it: what the c2s says does not matter. */
		work_release(&unacked->work);
		unacked_drop(unacked);
	}
	if (number > m->acked)
		m->acked = number;
}

/* The c2s ends streams whose clients have counted wrong. */
static void take_a(struct session *session, const struct element *element)
{
	const char *text = element_attr(element, "h");
	uint64_t h, number;

	if (text != NULL && str_to_u64(text, 0, UINT32_MAX, &h) == 0 &&
	    management_number(session->management, (uint32_t)h, &number))
		management_acked(session->management, number);
}

static bool is_true(const char *text)
{
	return str_equal(text, "true") || str_equal(text, "1");
}

static void take_enable(struct session *session, const struct element *element,
			uint64_t number)
{
	const struct sm_options *options = session->sm->options;
	const char *text = element_attr(element, "max");
	struct stanza *control;
	struct management *m;
	char max[NUMBER_MAX];
	uint64_t seconds;

	if (session->management != NULL) {
		session_kick(session, STREAM_POLICY_VIOLATION,
			     "stream management is enabled already");
		return;
	}
	m = management_new(session);
	m->base = number;
	m->max = (uint64_t)options->resume_timeout;
	m->resumable = is_true(element_attr(element, "resume")) && m->max > 0;
	if (text != NULL &&
	    str_to_u64(text, 0, UINT32_MAX, &seconds) == 0 &&
	    seconds * 1000 < m->max)
		m->max = seconds * 1000;
	control = sm_control_new("managed");
	if (m->resumable) {
		snprintf(max, sizeof(max), "%" PRIu64, m->max / 1000);
		element_set_attr(control->root, "id", m->id);
		element_set_attr(control->root, "max", max);
	}
	snapshot_send(session);
	session_tell(session, control);
}

static void take(struct session *session, const struct element *element,
		 uint64_t number)
{
	if (str_equal(element->name, "enable"))
		take_enable(session, element, number);
	else if (session->management == NULL ||
		 str_equal(element->name, "resume"))
		say(session, NULL, "<failed xmlns='" NS_SM "'><unexpected-request "
				   "xmlns='" NS_STANZA_ERRORS "'/></failed>");
	else if (str_equal(element->name, "r"))
		take_r(session, number);
	else if (str_equal(element->name, "a"))
		take_a(session, element);
	else
		session_kick(session, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

void management_control(struct sm *sm, const struct envelope *envelope,
			const struct stanza *control)
{
	struct session *session = session_find(sm, envelope->session);
	uint64_t number;

	/* A session that is about to be opened again starts from what the c2s
	 * counts. */
	if (session == NULL || !str_equal(session->c2s, envelope->from))
		return;
	number = session_origin_number(session, envelope->origin);
	/* All before it has come, or is among what c2s answers itself. */
	if (number > session->last_origin)
		session->last_origin = number;
	take(session, control->root, number);
}

/* -- what is sent to it ---------------------------------------------------- */

static void transmit(struct session *session, struct unacked *unacked)
{
	struct sm *sm = session->sm;
	char origin[NUMBER_MAX + ORIGIN_MAX];
	struct envelope envelope = {
		.at = session->c2s,
		.receiver_epoch = peer_epoch(session->peer),
		.session = session->id,
		.origin = origin,
		.payload = unacked->xml,
		.payload_len = unacked->len,
		.token = unacked_token(unacked),
	};

	if (sm->link == NULL || session->c2s == NULL)
		return;
	snprintf(origin, sizeof(origin), "#%" PRIu32 ".%" PRIu64 "%s%s",
		 session->generation, unacked->number,
		 unacked->origin != NULL ? "/" : "",
		 unacked->origin != NULL ? unacked->origin : "");
	if (link_send(sm->link, &envelope) == LINK_SENT) {
		if (unacked->links++ == 0)
			DL_APPEND2(sm->in_flight, unacked, before, after);
		unacked->sm = sm;
		return;
	}
	session->management->behind = true;
	peer_missed(session->peer);
}

static struct unacked *unacked_new(struct session *session,
				   const struct stanza *stanza,
				   const char *origin)
{
	struct sm *sm = session->sm;
	size_t origin_len = origin != NULL ? strlen(origin) + 1 : 0;
	struct unacked *unacked;

	if (origin_len >= ORIGIN_MAX)
		origin_len = 0;
	buf_clear(&sm->out, 65536);
	stanza_write(stanza, &sm->out);
	unacked = mem_alloc(sizeof(*unacked) + sm->out.len + 1 + origin_len);
	unacked->len = sm->out.len;
	memcpy(unacked->xml, buf_data(&sm->out), sm->out.len);
	if (origin_len > 0) {
		unacked->origin = unacked->xml + unacked->len + 1;
		memcpy(unacked->xml + unacked->len + 1, origin, origin_len);
	}
	unacked->lasting = stanza_kind(stanza) == 0 &&
			   message_is_lasting(stanza->root) &&
			   !message_forbids_store(stanza) &&
			   !str_equal(element_attr(stanza->root, "type"),
				      "error");
	return unacked;
}

static void overflow(struct timer *timer)
{
	struct management *m = container_of(timer, struct management, timer);
	struct session *session = m->session;

	if (session->c2s != NULL)
		session_kick(session, STREAM_RESOURCE_CONSTRAINT,
			     "too much is not acknowledged");
	else
		session_end(session, "too much is not acknowledged");
}

static void append(struct management *m, struct unacked *unacked)
{
	const struct sm_options *options = m->session->sm->options;

	unacked->owner = m;
	unacked->next = NULL;
	if (m->queue_last != NULL)
		m->queue_last->next = unacked;
	else
		m->queue = unacked;
	m->queue_last = unacked;
	m->count++;
	m->bytes += unacked->len;
	if (m->overflow || (m->count <= (size_t)options->unacked_max &&
			    m->bytes <= (size_t)options->unacked_size))
		return;
	/* Not inside this call: whoever sends does not expect an end. */
	m->overflow = true;
	timer_start(&m->timer, m->session->sm->loop, 0, overflow);
}

struct unacked *management_add(struct session *session,
			       const struct stanza *stanza,
			       const char *origin)
{
	struct management *m = session->management;
	struct unacked *unacked = unacked_new(session, stanza, origin);

	unacked->stamp = loop_time_us(session->sm->loop);
	unacked->number = ++m->sent;
	append(m, unacked);
	return unacked;
}

void management_send(struct session *session, const struct stanza *stanza,
		     const char *origin, struct work *work)
{
	struct management *m = session->management;
	struct unacked *unacked;

	if (has_seen(m, origin)) {
		session->sm->stats.repeats++;
		return;
	}
	unacked = management_add(session, stanza, origin);
	if (m->asleep) {
		management_store(session, unacked, work);
		return;
	}
	unacked->work = work_hold(work);
	/* Behind what the c2s did not get it waits for its turn. */
	if (m->waking == NULL && !m->behind)
		transmit(session, unacked);
}

void management_keep(struct session *session, const struct stanza *stanza,
		     const char *origin)
{
	if (!has_seen(session->management, origin))
		management_add(session, stanza, origin);
}

/* -- what becomes of it ---------------------------------------------------- */

static void landed(struct unacked *unacked)
{
	if (--unacked->links == 0)
		DL_DELETE2(unacked->sm->in_flight, unacked, before, after);
}

void unacked_free_all(struct sm *sm)
{
	struct unacked *unacked, *next;

	DL_FOREACH_SAFE2(sm->in_flight, unacked, next, after)
		mem_free(unacked);
}

void unacked_delivered(struct unacked *unacked)
{
	unacked->delivered = true;
	/* While it is being stored, that has a hold of its own. */
	work_release(&unacked->work);
	landed(unacked);
	unacked_drop(unacked);
}

void unacked_returned(struct unacked *unacked)
{
	landed(unacked);
	/* In the queue it waits for a c2s, or to be stored. */
	if (unacked->owner != NULL)
		unacked->owner->behind = true;
	else if (unacked->links == 0)
		unacked_leave(unacked->sm, unacked, NULL);
	unacked_drop(unacked);
}

void management_flush(struct session *session, bool all)
{
	struct management *m = session->management;
	struct unacked *unacked;

	if (m->asleep || m->waking != NULL)
		return;
	m->behind = false;
	LL_FOREACH(m->queue, unacked) {
		if (!m->behind &&
		    (all || (!unacked->delivered && unacked->links == 0)))
			transmit(session, unacked);
	}
}
