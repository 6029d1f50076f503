/* SPDX-License-Identifier: Apache-2.0
 *
 * Moves of sessions; see the header. The client's stream stays, what it sends
 * waits, and the session is opened again at the new owner: from the snapshot
 * that the old one has left here, and from the tail.
 */
#include "c2s/move.h"

#include <string.h>

#include "c2s/domain.h"
#include "c2s/flight.h"
#include "c2s/management.h"
#include "c2s/relay.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define RETRY	    1000  /* ms between looks for an owner */
#define REOPEN_WAIT 10000 /* ms that an sm has to answer */

/* -- the owner ------------------------------------------------------------- */

const struct member *c2s_owner_now(const struct stream *s)
{
	return members_route(link_members(s->c2s->link), s->session->bare);
}

bool c2s_owner_is(const struct session *session, const struct member *member)
{
	return member && str_equal(member->name, session->owner) &&
	       str_equal(member->epoch ? member->epoch : "", session->epoch);
}

void c2s_owner_set(struct session *session, const struct member *member)
{
	char *copy = mem_strdup(member->name);

	mem_free(session->owner);
	session->owner = copy;
	str_copy(session->epoch, sizeof(session->epoch),
		 member->epoch ? member->epoch : "");
}

bool c2s_owner_lives(const struct stream *s)
{
	const struct session *session = s->session;
	size_t count;
	const struct member *list = members_get(link_members(s->c2s->link),
						session->owner, &count);

	for (size_t i = 0; i < count; i++) {
		if (str_equal(list[i].name, session->owner))
			return c2s_owner_is(session, &list[i]);
	}
	return false;
}

bool c2s_from_owner(const struct stream *s, const struct envelope *envelope)
{
	return s->session && str_equal(envelope->from, s->session->owner) &&
	       (!envelope->epoch || s->session->epoch[0] == '\0' ||
		str_equal(envelope->epoch, s->session->epoch));
}

/* The domain counts those that have not got to their new owners. */
static void set_moving(struct stream *s, bool moving)
{
	if (s->session->moving == moving)
		return;
	s->session->moving = moving;
	c2s_domain_moving(s->c2s, s->domain, moving);
}

void c2s_move_end(struct stream *s)
{
	set_moving(s, false);
}

/* -- the client's stanzas -------------------------------------------------- */

void c2s_move_hold(struct session *session, uint64_t number,
		   const char *bytes, size_t len)
{
	struct held **at = &session->held;
	struct held *held;

	while (*at && (*at)->number < number)
		at = &(*at)->next;
	if (*at && (*at)->number == number)
		return;
	held = mem_alloc(sizeof(*held) + len);
	held->number = number;
	held->len = len;
	memcpy(held->bytes, bytes, len);
	held->next = *at;
	*at = held;
}

void c2s_move_forget(struct session *session)
{
	struct held *held, *next;

	LL_FOREACH_SAFE(session->held, held, next)
		mem_free(held);
	session->held = NULL;
}

/* Those that are held or under way are the newest. */
uint64_t c2s_move_done(struct session *session)
{
	uint64_t open = session->move == MOVE_RELEASED ? 0
						       : flight_count(session);
	struct held *held;

	LL_FOREACH(session->held, held)
		open++;
	if (session->number > open && session->number - open > session->done)
		session->done = session->number - open;
	return session->done;
}

bool c2s_move_told(struct session *session, uint64_t number)
{
	if (number < session->done)
		return false;
	if (number <= session->number)
		session->done = number;
	return true;
}

void c2s_move_returned(struct stream *s, uint64_t number, const char *bytes,
		       size_t len)
{
	if (number <= s->session->done)
		return;
	c2s_move_hold(s->session, number, bytes, len);
	c2s_move_begin(s);
}

/* Sends what was held, in order; false: not all of it could go. */
static bool send_held(struct stream *s)
{
	struct session *session = s->session;
	struct held *held;

	while ((held = session->held) != NULL) {
		if (held->number > session->done &&
		    relay_send(s, held->number, held->bytes, held->len) ==
			    LINK_NO_ROUTE)
			return false;
		session->held = held->next;
		mem_free(held);
	}
	return true;
}

/* -- the steps ------------------------------------------------------------- */

static void finish(struct stream *s)
{
	struct session *session = s->session;

	session->move = MOVE_NONE;
	session->lost = false;
	set_moving(s, false);
	if (!send_held(s))
		return; /* the timer runs */
	c2s_management_again(s);
	stream_set_state(s, STATE_OPEN);
	if (link_congested(s->c2s->link, session->owner))
		stream_block(s);
}

static void send_reopen(struct stream *s)
{
	struct session *session = s->session;
	struct buf *out = &s->c2s->out;

	log_info(s->c2s->log, "session.reopen", LOG_S("session", s->id),
		 LOG_S("sm", session->owner));
	buf_add_str(out, "<link:reopen");
	c2s_session_add_all(s, out);
	buf_add_str(out, "</link:reopen>");
	session->asked_at = loop_now(s->c2s->loop);
	if (relay_to_owner(s) == LINK_NO_ROUTE)
		return;
	session->move = MOVE_OPENING;
	set_moving(s, false);
}

static void reopen(struct stream *s, const struct member *owner)
{
	struct session *session = s->session;

	c2s_move_done(session);
	session->generation++;
	c2s_owner_set(session, owner);
	session->lost = true; /* to this one, until it says otherwise */
	session->move = MOVE_NONE;
	send_reopen(s);
}

/* The owner lives, but another one serves the user now. It finishes what it
 * has begun, and what it has written is durable, before the new one reads. */
static void release(struct stream *s)
{
	struct session *session = s->session;

	buf_add_str(&s->c2s->out, "<link:release");
	buf_add_attr(&s->c2s->out, "jid", session->bare);
	buf_addf(&s->c2s->out, " generation='%u'/>", session->generation);
	if (relay_to_owner(s) != LINK_NO_ROUTE)
		session->move = MOVE_RELEASING;
}

/* One attempt; the timer of STATE_RECOVERING brings the next. */
static void step(struct stream *s)
{
	struct session *session = s->session;
	const struct member *owner = c2s_owner_now(s);
	bool same = c2s_owner_is(session, owner);
	bool lives = c2s_owner_lives(s);

	if (!lives && session->move != MOVE_RELEASED) {
		/* Should it come back, it may have let go. */
		session->lost |= session->move == MOVE_RELEASING;
		session->move = MOVE_NONE;
	}
	if (!owner || session->move == MOVE_RELEASING)
		return;
	if (session->move == MOVE_OPENING && same) {
		if (loop_now(s->c2s->loop) - session->asked_at >= REOPEN_WAIT)
			send_reopen(s); /* which does no harm */
	} else if (session->move == MOVE_RELEASED) {
		reopen(s, owner);
	} else if (!same && lives) {
		release(s);
	} else if (flight_count(session) > 0) {
		return;
	} else if (session->lost || !same) {
		reopen(s, owner);
	} else {
		finish(s);
	}
}

void c2s_move_begin(struct stream *s)
{
	if (s->state == STATE_RECOVERING)
		return;
	s->session->recovering = loop_now(s->c2s->loop);
	set_moving(s, true);
	stream_set_state(s, STATE_RECOVERING);
	log_debug(s->c2s->log, "session.waits", LOG_S("session", s->id),
		  LOG_S("sm", s->session->owner));
}

void c2s_move_retry(struct stream *s)
{
	struct c2s *c2s = s->c2s;
	uint64_t waited = loop_now(c2s->loop) - s->session->recovering;

	if (waited >= (uint64_t)c2s->config->recover_timeout) {
		stream_fail(s, STREAM_INTERNAL_SERVER_ERROR,
			    "the session could not be recovered");
		return;
	}
	step(s);
	if (s->state == STATE_RECOVERING)
		stream_retry_later(s, RETRY);
}

void c2s_move_landed(struct stream *s)
{
	if (s->state == STATE_RECOVERING)
		stream_retry_later(s, 0);
}

void c2s_move_undelivered(struct stream *s)
{
	struct session *session = s->session;

	if (session->move == MOVE_RELEASED || session->move == MOVE_NONE)
		return;
	/* It may have got it: what it knows counts no longer. */
	session->lost = true;
	session->move = MOVE_NONE;
	stream_retry_later(s, RETRY);
}

void c2s_move_members(struct stream *s)
{
	bool same = c2s_owner_is(s->session, c2s_owner_now(s));

	if (s->state == STATE_OPEN && !same)
		c2s_move_begin(s);
	if (s->state != STATE_RECOVERING)
		return;
	if (!same)
		set_moving(s, true);
	/* Not at once: what is undelivered comes back meanwhile. */
	if (!same || s->session->move != MOVE_OPENING)
		stream_retry_later(s, 0);
}

/* -- controls from the sm -------------------------------------------------- */

static uint32_t read_generation(const struct element *element)
{
	const char *text = element_attr(element, "generation");
	uint64_t value = 0;

	if (text && str_to_u64(text, 0, UINT32_MAX, &value) < 0)
		return 0;
	return (uint32_t)value;
}

void c2s_move_opened(struct stream *s, const struct element *element)
{
	struct session *session = s->session;

	if (session->move != MOVE_OPENING ||
	    read_generation(element) != session->generation)
		return;
	s->c2s->stats.recovered++;
	session->lost = false;
	session->move = MOVE_NONE;
	/* It may have become another's meanwhile. */
	if (c2s_owner_is(session, c2s_owner_now(s)))
		finish(s);
	else
		stream_retry_later(s, 0);
}

void c2s_move_released(struct stream *s, const struct envelope *envelope,
		       const struct element *element)
{
	struct session *session = s->session;

	if (!c2s_from_owner(s, envelope) || s->state != STATE_RECOVERING ||
	    session->move != MOVE_RELEASING ||
	    read_generation(element) != session->generation)
		return;
	/* From here on nothing that it was sent comes back to us. */
	session->move = MOVE_RELEASED;
	c2s_move_done(session);
	stream_retry_later(s, 0);
}

/* The stanza that the sm could not take came back with its number. */
static void take_back(struct stream *s, const struct element *element)
{
	const char *origin = element_attr(element, "origin");
	const char *slash = origin ? strrchr(origin, '/') : NULL;
	const struct element *stanza = element_first(element);
	struct buf bytes = { 0 };
	uint64_t number;

	if (!stanza || !slash ||
	    str_to_u64(slash + 1, 1, s->session->number, &number) < 0)
		return;
	element_write(stanza, &bytes);
	c2s_move_returned(s, number, buf_data(&bytes), bytes.len);
	buf_free(&bytes);
}

void c2s_move_lost(struct stream *s, const struct envelope *envelope,
		   const struct element *element)
{
	struct session *session = s->session;

	if (!session || !session->open)
		return;
	take_back(s, element);
	if (!c2s_from_owner(s, envelope))
		return;
	if (s->state == STATE_OPEN)
		c2s_move_begin(s);
	/* While it opens the session, this is about what was before. */
	if (session->move == MOVE_NONE)
		session->lost = true;
}
