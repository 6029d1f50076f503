/* SPDX-License-Identifier: Apache-2.0
 *
 * The subscription state machine: nine states, four stanzas, two directions,
 * and pre-approval. Each row below is one row of a table in RFC 6121 appendix
 * A; who sends and stores what comes of it is not this file's job.
 */
#include "sm/subscription.h"

#include "util/base/mem.h"
#include "util/base/str.h"

#define PASS_TO(state) { ACTION_PASS, STATE_##state, true }
/* Only a pending request comes or goes: nothing that a client sees. */
#define PASS_QUIETLY_TO(state) { ACTION_PASS, STATE_##state, false }
#define PASS_KEEPING(state) { ACTION_PASS, STATE_##state, false }
#define KEEP(state) { ACTION_IGNORE, STATE_##state, false }
#define APPROVE(state) { ACTION_APPROVE, STATE_##state, true }
#define UNAPPROVE(state) { ACTION_UNAPPROVE, STATE_##state, true }
#define REPLY_KEEPING(state) { ACTION_REPLY, STATE_##state, false }
#define REPLY_TO(state) { ACTION_REPLY, STATE_##state, true }

static const struct subscription_step outbound[EVENT_COUNT][STATE_COUNT] = {
	[EVENT_SUBSCRIBE] = { /* A.2.1 */
		[STATE_NONE] = PASS_TO(NONE_OUT),
		[STATE_NONE_OUT] = PASS_KEEPING(NONE_OUT),
		[STATE_NONE_IN] = PASS_TO(NONE_OUT_IN),
		[STATE_NONE_OUT_IN] = PASS_KEEPING(NONE_OUT_IN),
		[STATE_TO] = PASS_KEEPING(TO),
		[STATE_TO_IN] = PASS_KEEPING(TO_IN),
		[STATE_FROM] = PASS_TO(FROM_OUT),
		[STATE_FROM_OUT] = PASS_KEEPING(FROM_OUT),
		[STATE_BOTH] = PASS_KEEPING(BOTH),
	},
	[EVENT_UNSUBSCRIBE] = { /* A.2.2 */
		[STATE_NONE] = PASS_KEEPING(NONE),
		[STATE_NONE_OUT] = PASS_TO(NONE),
		[STATE_NONE_IN] = PASS_KEEPING(NONE_IN),
		[STATE_NONE_OUT_IN] = PASS_TO(NONE_IN),
		[STATE_TO] = PASS_TO(NONE),
		[STATE_TO_IN] = PASS_TO(NONE_IN),
		[STATE_FROM] = PASS_KEEPING(FROM),
		[STATE_FROM_OUT] = PASS_TO(FROM),
		[STATE_BOTH] = PASS_TO(FROM),
	},
	[EVENT_SUBSCRIBED] = { /* A.2.3; pre-approval: 3.4.2 */
		[STATE_NONE] = APPROVE(NONE),
		[STATE_NONE_OUT] = APPROVE(NONE_OUT),
		[STATE_NONE_IN] = PASS_TO(FROM),
		[STATE_NONE_OUT_IN] = PASS_TO(FROM_OUT),
		[STATE_TO] = APPROVE(TO),
		[STATE_TO_IN] = PASS_TO(BOTH),
		[STATE_FROM] = KEEP(FROM),
		[STATE_FROM_OUT] = KEEP(FROM_OUT),
		[STATE_BOTH] = KEEP(BOTH),
	},
	[EVENT_UNSUBSCRIBED] = { /* A.2.4; pre-approval: 3.4.2 */
		[STATE_NONE] = UNAPPROVE(NONE),
		[STATE_NONE_OUT] = UNAPPROVE(NONE_OUT),
		[STATE_NONE_IN] = PASS_QUIETLY_TO(NONE),
		[STATE_NONE_OUT_IN] = PASS_QUIETLY_TO(NONE_OUT),
		[STATE_TO] = UNAPPROVE(TO),
		[STATE_TO_IN] = PASS_QUIETLY_TO(TO),
		[STATE_FROM] = PASS_TO(NONE),
		[STATE_FROM_OUT] = PASS_TO(NONE_OUT),
		[STATE_BOTH] = PASS_TO(TO),
	},
};

static const struct subscription_step inbound[EVENT_COUNT][STATE_COUNT] = {
	[EVENT_SUBSCRIBE] = { /* A.3.1; the reply: 3.1.3 */
		[STATE_NONE] = PASS_QUIETLY_TO(NONE_IN),
		[STATE_NONE_OUT] = PASS_QUIETLY_TO(NONE_OUT_IN),
		[STATE_NONE_IN] = KEEP(NONE_IN),
		[STATE_NONE_OUT_IN] = KEEP(NONE_OUT_IN),
		[STATE_TO] = PASS_QUIETLY_TO(TO_IN),
		[STATE_TO_IN] = KEEP(TO_IN),
		[STATE_FROM] = REPLY_KEEPING(FROM),
		[STATE_FROM_OUT] = REPLY_KEEPING(FROM_OUT),
		[STATE_BOTH] = REPLY_KEEPING(BOTH),
	},
	[EVENT_UNSUBSCRIBE] = { /* A.3.2 */
		[STATE_NONE] = KEEP(NONE),
		[STATE_NONE_OUT] = KEEP(NONE_OUT),
		[STATE_NONE_IN] = PASS_QUIETLY_TO(NONE),
		[STATE_NONE_OUT_IN] = PASS_QUIETLY_TO(NONE_OUT),
		[STATE_TO] = KEEP(TO),
		[STATE_TO_IN] = PASS_QUIETLY_TO(TO),
		[STATE_FROM] = PASS_TO(NONE),
		[STATE_FROM_OUT] = PASS_TO(NONE_OUT),
		[STATE_BOTH] = PASS_TO(TO),
	},
	[EVENT_SUBSCRIBED] = { /* A.3.3 */
		[STATE_NONE] = KEEP(NONE),
		[STATE_NONE_OUT] = PASS_TO(TO),
		[STATE_NONE_IN] = KEEP(NONE_IN),
		[STATE_NONE_OUT_IN] = PASS_TO(TO_IN),
		[STATE_TO] = KEEP(TO),
		[STATE_TO_IN] = KEEP(TO_IN),
		[STATE_FROM] = KEEP(FROM),
		[STATE_FROM_OUT] = PASS_TO(BOTH),
		[STATE_BOTH] = KEEP(BOTH),
	},
	[EVENT_UNSUBSCRIBED] = { /* A.3.4 */
		[STATE_NONE] = KEEP(NONE),
		[STATE_NONE_OUT] = PASS_TO(NONE),
		[STATE_NONE_IN] = KEEP(NONE_IN),
		[STATE_NONE_OUT_IN] = PASS_TO(NONE_IN),
		[STATE_TO] = PASS_TO(NONE),
		[STATE_TO_IN] = PASS_TO(NONE_IN),
		[STATE_FROM] = KEEP(FROM),
		[STATE_FROM_OUT] = PASS_TO(FROM),
		[STATE_BOTH] = PASS_TO(FROM),
	},
};

/* 3.4: a subscribe that was approved in advance. */
static const struct subscription_step approved_subscribe[STATE_COUNT] = {
	[STATE_NONE] = REPLY_TO(FROM),
	[STATE_NONE_OUT] = REPLY_TO(FROM_OUT),
	[STATE_NONE_IN] = REPLY_TO(FROM),
	[STATE_NONE_OUT_IN] = REPLY_TO(FROM_OUT),
	[STATE_TO] = REPLY_TO(BOTH),
	[STATE_TO_IN] = REPLY_TO(BOTH),
	[STATE_FROM] = REPLY_KEEPING(FROM),
	[STATE_FROM_OUT] = REPLY_KEEPING(FROM_OUT),
	[STATE_BOTH] = REPLY_KEEPING(BOTH),
};

/* What each state is made of. */
static const struct {
	enum subscription subscription;
	bool out, in;
} parts[STATE_COUNT] = {
	[STATE_NONE] = { SUBSCRIPTION_NONE, false, false },
	[STATE_NONE_OUT] = { SUBSCRIPTION_NONE, true, false },
	[STATE_NONE_IN] = { SUBSCRIPTION_NONE, false, true },
	[STATE_NONE_OUT_IN] = { SUBSCRIPTION_NONE, true, true },
	[STATE_TO] = { SUBSCRIPTION_TO, false, false },
	[STATE_TO_IN] = { SUBSCRIPTION_TO, false, true },
	[STATE_FROM] = { SUBSCRIPTION_FROM, false, false },
	[STATE_FROM_OUT] = { SUBSCRIPTION_FROM, true, false },
	[STATE_BOTH] = { SUBSCRIPTION_BOTH, false, false },
};

static const char *const event_types[EVENT_COUNT] = {
	[EVENT_SUBSCRIBE] = "subscribe",
	[EVENT_UNSUBSCRIBE] = "unsubscribe",
	[EVENT_SUBSCRIBED] = "subscribed",
	[EVENT_UNSUBSCRIBED] = "unsubscribed",
};

const struct subscription_step *
subscription_outbound(enum subscription_state state,
		      enum subscription_event event)
{
	return &outbound[event][state];
}

const struct subscription_step *
subscription_inbound(enum subscription_state state,
		     enum subscription_event event, bool approved)
{
	if (event == EVENT_SUBSCRIBE && approved)
		return &approved_subscribe[state];
	return &inbound[event][state];
}

int subscription_event_parse(const char *type, enum subscription_event *event)
{
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		if (str_equal(type, event_types[i])) {
			*event = (enum subscription_event)i;
			return 0;
		}
	}
	return -1;
}

const char *subscription_event_type(enum subscription_event event)
{
	return event_types[event];
}

enum subscription_state subscription_state_of(const struct roster_item *item)
{
	bool in = item->request != NULL;

	switch (item->subscription) {
	case SUBSCRIPTION_BOTH:
		return STATE_BOTH;
	case SUBSCRIPTION_FROM:
		return item->ask ? STATE_FROM_OUT : STATE_FROM;
	case SUBSCRIPTION_TO:
		return in ? STATE_TO_IN : STATE_TO;
	case SUBSCRIPTION_NONE:
		break;
	}
	if (item->ask)
		return in ? STATE_NONE_OUT_IN : STATE_NONE_OUT;
	return in ? STATE_NONE_IN : STATE_NONE;
}

void subscription_state_apply(struct roster_item *item,
			      enum subscription_state state)
{
	item->subscription = parts[state].subscription;
	item->ask = parts[state].out;
	if (!parts[state].in) {
		mem_free(item->request);
		item->request = NULL;
	}
}

bool subscription_has_from(enum subscription_state state)
{
	return (parts[state].subscription & SUBSCRIPTION_FROM) != 0;
}

bool subscription_has_to(enum subscription_state state)
{
	return (parts[state].subscription & SUBSCRIPTION_TO) != 0;
}

const char *subscription_text(enum subscription subscription)
{
	static const char *const texts[] = {
		[SUBSCRIPTION_NONE] = "none",
		[SUBSCRIPTION_TO] = "to",
		[SUBSCRIPTION_FROM] = "from",
		[SUBSCRIPTION_BOTH] = "both",
	};

	return texts[subscription];
}
