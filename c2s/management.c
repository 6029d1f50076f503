/* SPDX-License-Identifier: Apache-2.0
 *
 * The elements of stream management (XEP-0198) between client and sm.
 */
#include "c2s/management.h"

#include <inttypes.h>
#include <string.h>

#include "c2s/move.h"
#include "c2s/relay.h"
#include "c2s/session.h"
#include "c2s/tail.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

static void write_failed(struct stream *s, const char *condition,
			 const char *h)
{
	struct buf *out = &s->c2s->out;

	buf_add_str(out, "<failed xmlns='" NS_SM "'");
	if (h)
		buf_add_attr(out, "h", h);
	buf_addf(out, "><%s xmlns='" NS_STANZA_ERRORS "'/></failed>",
		 condition);
	stream_flush_out(s);
}

/* -- from the client ------------------------------------------------------- */

void c2s_management_refuse(struct stream *s, const struct element *element)
{
	(void)element;
	write_failed(s, "unexpected-request", NULL);
}

/* Which of the four it is: the prefix, if any, does not matter. */
static bool is_element(const char *bytes, size_t len, const char *name)
{
	size_t end = 1, start = 1;

	while (end < len && !strchr(" \t\r\n/>", bytes[end])) {
		if (bytes[end++] == ':')
			start = end;
	}
	return end - start == strlen(name) &&
	       memcmp(bytes + start, name, end - start) == 0;
}

void c2s_management_input(struct stream *s, const char *bytes, size_t len)
{
	struct session *session = s->session;

	if (is_element(bytes, len, "r"))
		session->asked = true;
	if (is_element(bytes, len, "enable") && !session->enable) {
		session->enable = mem_strndup(bytes, len);
		session->enable_at = session->number;
	}
	if (relay_element(s, session->number, bytes, len) == LINK_NO_ROUTE)
		c2s_move_begin(s);
}

void c2s_management_state(struct stream *s, const char *bytes, size_t len)
{
	struct session *session = s->session;

	session->inactive = is_element(bytes, len, "inactive");
	session->stated = true;
	if (relay_element(s, session->number, bytes, len) == LINK_NO_ROUTE)
		c2s_move_begin(s);
}

/* The last state is the one that counts, whoever was told. */
static void state_again(struct stream *s)
{
	static const char active[] = "<active xmlns='" NS_CSI "'/>";
	static const char inactive[] = "<inactive xmlns='" NS_CSI "'/>";
	const char *state = s->session->inactive ? inactive : active;

	if (s->session->stated)
		relay_element(s, s->session->number, state, strlen(state));
}

void c2s_management_again(struct stream *s)
{
	static const char r[] = "<r xmlns='" NS_SM "'/>";
	struct session *session = s->session;

	if (session->enable)
		relay_element(s, session->enable_at, session->enable,
			      strlen(session->enable));
	if (session->asked && s->tail && s->tail->managed)
		relay_element(s, session->number, r, sizeof(r) - 1);
	state_again(s);
}

static bool read_h(const struct element *element, uint32_t *h)
{
	const char *text = element_attr(element, "h");
	uint64_t value;

	if (!text || str_to_u64(text, 0, UINT32_MAX, &value) < 0)
		return false;
	*h = (uint32_t)value;
	return true;
}

void c2s_management_acked(struct stream *s, const struct element *element)
{
	uint32_t h;

	if (!s->tail || !s->tail->managed)
		return;
	if (read_h(element, &h))
		tail_acked(s, h);
	else
		stream_fail(s, STREAM_POLICY_VIOLATION,
			    "an acknowledgement needs a number");
}

void c2s_management_resume(struct stream *s, const struct element *element)
{
	struct session *session = s->session;
	struct buf *out = &s->c2s->out;
	const char *previd = element_attr(element, "previd");

	if (!previd || !read_h(element, &session->h)) {
		write_failed(s, "bad-request", NULL);
		return;
	}
	mem_free(session->resume);
	session->resume = mem_strdup(previd);
	if (!c2s_session_ask(s, "<link:resume")) {
		c2s_management_refused(s, NULL);
		return;
	}
	buf_add_attr(out, "previd", previd);
	buf_addf(out, " h='%" PRIu32 "'/>", session->h);
	c2s_session_opening(s);
}

/* -- from the sm ----------------------------------------------------------- */

void c2s_management_enabled(struct stream *s, const struct envelope *envelope,
			    const struct element *element)
{
	const char *id = element_attr(element, "id");
	const char *location = s->c2s->config->resume_location;
	struct buf *out = &s->c2s->out;
	struct session *session = s->session;

	if (!session || !session->open ||
	    !str_equal(envelope->from, session->owner))
		return;
	mem_free(session->enable);
	session->enable = NULL;
	tail_manage(s, 0);
	buf_add_str(out, "<enabled xmlns='" NS_SM "'");
	if (id) {
		buf_add_attr(out, "id", id);
		buf_add_attr(out, "max", element_attr(element, "max"));
		buf_add_str(out, " resume='true'");
		if (location)
			buf_add_attr(out, "location", location);
	}
	buf_add_str(out, "/>");
	stream_flush_out(s);
}

void c2s_management_resumed(struct stream *s, const struct element *element)
{
	const char *acked = element_attr(element, "acked");
	struct buf *out = &s->c2s->out;
	uint64_t number = 0;

	if (!acked || str_to_u64(acked, 0, UINT64_MAX, &number) < 0)
		number = s->session->h;
	tail_manage(s, number);
	buf_add_str(out, "<resumed xmlns='" NS_SM "'");
	buf_add_attr(out, "previd", s->session->resume);
	buf_add_attr(out, "h", element_attr(element, "h"));
	buf_add_str(out, "/>");
	stream_flush_out(s);
}

void c2s_management_refused(struct stream *s, const struct element *element)
{
	const char *condition = "internal-server-error";
	const char *sent = NULL, *h = NULL;
	uint64_t count;

	mem_free(s->session->resume);
	s->session->resume = NULL;
	if (element) {
		condition = element_attr(element, "condition");
		sent = element_attr(element, "sent");
		h = element_attr(element, "h");
	}
	if (sent && str_to_u64(sent, 0, UINT32_MAX, &count) == 0) {
		tail_fail_count(s, s->session->h, (uint32_t)count);
		return;
	}
	write_failed(s, c2s_stanza_condition(condition), h);
	stream_set_state(s, STATE_AUTHENTICATED);
}
