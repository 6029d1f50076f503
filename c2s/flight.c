/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts stanzas under way by the tokens that the link gives back.
 */
#include "c2s/flight.h"

#include "c2s/move.h"
#include "util/base/mem.h"

/* Lives as long as its session, and as something is under way. */
struct flight {
	struct stream *stream; /* NULL: the session has ended */
	unsigned count;
	struct flight *prev, *next; /* in c2s->flights, without a session */
};

uint64_t flight_begin(struct stream *s)
{
	struct flight *flight = s->session->flight;

	if (!flight) {
		flight = s->session->flight = mem_new(struct flight);
		flight->stream = s;
	}
	flight->count++;
	return (uint64_t)(uintptr_t)flight;
}

static struct flight *of_token(uint64_t token)
{
	return (struct flight *)(uintptr_t)token;
}

void flight_undo(uint64_t token)
{
	of_token(token)->count--;
}

void flight_end(struct c2s *c2s, uint64_t token)
{
	struct flight *flight = of_token(token);

	if (!flight || --flight->count > 0)
		return;
	if (flight->stream) {
		c2s_move_landed(flight->stream);
		return;
	}
	DL_DELETE(c2s->flights, flight);
	mem_free(flight);
}

unsigned flight_count(const struct session *session)
{
	return session->flight ? session->flight->count : 0;
}

void flight_leave(struct session *session)
{
	struct flight *flight = session->flight;
	struct c2s *c2s;

	session->flight = NULL;
	if (!flight)
		return;
	c2s = flight->stream->c2s;
	flight->stream = NULL;
	if (flight->count > 0)
		DL_APPEND(c2s->flights, flight);
	else
		mem_free(flight);
}

void flights_free(struct c2s *c2s)
{
	struct flight *flight, *next;

	DL_FOREACH_SAFE(c2s->flights, flight, next)
		mem_free(flight);
	c2s->flights = NULL;
}
