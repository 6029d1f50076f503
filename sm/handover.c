/* SPDX-License-Identifier: Apache-2.0
 *
 * Users between two sms; see the header. What a session is made of on the way
 * is in snapshot.c and management_sleep.c; opening it again in session_open.c.
 */
#include "sm/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm/management.h"
#include "sm/roster.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Milliseconds for which a new owner waits for the sessions of a user: more than
 * that, and it is a c2s that is ill. */
#define PATIENCE 2000

#define NUMBER_MAX 24

/* -- the new owner --------------------------------------------------------- */

/* What a c2s has said last: for which members its sessions have moved. */
struct said {
	struct said *next;
	unsigned long long print;
	unsigned change; /* the last one that we knew of then */
	char c2s[];
};

struct settling {
	struct sm *sm;
	struct settling *next;
	unsigned long long print; /* of the members now */
	unsigned change; /* how often they have changed */
	bool open;		  /* not all c2s have said so */
	struct said *said;
	struct timer timer;
	char domain[];
};

static struct settling *settling_find(const struct sm *sm, const char *domain)
{
	struct settling *settling;

	LL_FOREACH(sm->settlings, settling) {
		if (str_equal(settling->domain, domain))
			return settling;
	}
	return NULL;
}

static struct settling *settling_get(struct sm *sm, const char *domain)
{
	struct settling *settling = settling_find(sm, domain);
	size_t size = strlen(domain) + 1;

	if (settling != NULL)
		return settling;
	settling = mem_alloc(sizeof(*settling) + size);
	settling->sm = sm;
	memcpy(settling->domain, domain, size);
	LL_PREPEND(sm->settlings, settling);
	return settling;
}

bool handover_is_open(const struct sm *sm, const struct sm_domain *domain)
{
	const struct settling *settling = settling_find(sm, domain->name);

	return settling != NULL && settling->open;
}

bool handover_is_any_open(const struct sm *sm)
{
	const struct settling *settling;

	LL_FOREACH(sm->settlings, settling) {
		if (settling->open)
			return true;
	}
	return false;
}

static void settling_end(struct settling *settling)
{
	struct sm *sm = settling->sm;
	struct user *user, *next;

	settling->open = false;
	timer_stop(&settling->timer);
	HASH_ITER(hh, sm->users, user, next) {
		if (str_equal(user->domain->name, settling->domain))
			user_settle(user);
	}
}

static void settling_late(struct timer *timer)
{
	struct settling *settling =
		container_of(timer, struct settling, timer);

	log_notice(settling->sm->log, "handover.late",
		   LOG_S("domain", settling->domain));
	settling_end(settling);
}

static bool has_said(const struct settling *settling, const char *c2s)
{
	const struct said *said;

	LL_FOREACH(settling->said, said) {
		if (str_equal(said->c2s, c2s))
			/* It may know of a change before us. But what it said
			 * before the last but one was about an earlier time at
			 * which the same members were there. */
			return said->print == settling->print &&
			       settling->change - said->change <= 1;
	}
	return false;
}

struct question {
	const struct settling *settling;
	bool complete;
};

static void ask_each(const char *name, const struct member *list, size_t count,
		     void *ctx)
{
	struct question *question = ctx;

	if (count == 1 && str_equal(list[0].name, name) &&
	    str_equal(list[0].kind, "c2s") &&
	    !has_said(question->settling, name))
		question->complete = false;
}

static void settling_check(struct settling *settling)
{
	struct question question = { settling, true };

	if (!settling->open)
		return;
	members_each(link_members(settling->sm->link), ask_each, &question);
	if (question.complete)
		settling_end(settling);
}

void handover_check(struct sm *sm)
{
	struct settling *settling;

	LL_FOREACH(sm->settlings, settling)
		settling_check(settling);
}

void handover_members(struct sm *sm, const char *domain)
{
	struct settling *settling = settling_get(sm, domain);
	size_t count = 0;
	const struct member *list =
		members_get(link_members(sm->link), domain, &count);
	unsigned long long print = members_print(list, count);

	if (print == settling->print)
		return;
	settling->print = print;
	settling->change++;
	/* Nobody new comes to an sm that is drained. */
	if (drain_is_on(&sm->drain)) {
		settling_end(settling);
		return;
	}
	settling->open = true;
	timer_start(&settling->timer, sm->loop, PATIENCE, settling_late);
	settling_check(settling);
}

void handover_settled(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control)
{
	const char *domain = element_attr(control->root, "domain");
	const char *members = element_attr(control->root, "members");
	size_t size = strlen(envelope->from) + 1;
	struct settling *settling;
	struct said *said;

	if (domain == NULL || members == NULL || sm_domain(sm, domain) == NULL)
		return;
	settling = settling_get(sm, domain);
	LL_FOREACH(settling->said, said) {
		if (str_equal(said->c2s, envelope->from))
			break;
	}
	if (said == NULL) {
		said = mem_alloc(sizeof(*said) + size);
		memcpy(said->c2s, envelope->from, size);
		LL_PREPEND(settling->said, said);
	}
	said->print = strtoull(members, NULL, 16);
	said->change = settling->change;
	settling_check(settling);
}

bool handover_is_sm(const struct sm *sm, const char *name)
{
	size_t count = 0;
	const struct member *list =
		members_get(link_members(sm->link), name, &count);

	return count == 1 && str_equal(list[0].kind, "sm");
}

void handover_free(struct sm *sm)
{
	struct settling *settling;
	struct said *said;

	while ((settling = sm->settlings) != NULL) {
		sm->settlings = settling->next;
		while ((said = settling->said) != NULL) {
			settling->said = said->next;
			mem_free(said);
		}
		timer_stop(&settling->timer);
		mem_free(settling);
	}
}

/* -- the old owner --------------------------------------------------------- */

/* Waits for all that was written before: requests of one owner are done in the
 * order in which they were made. */
struct barrier {
	struct user *user; /* pinned */
	char *c2s, *session; /* to be told; NULL: nobody */
	uint32_t generation;
};

uint32_t generation_read(const struct element *element)
{
	const char *text = element_attr(element, "generation");
	uint64_t value;

	if (text == NULL || str_to_u64(text, 0, UINT32_MAX, &value) != 0)
		return 0;
	return (uint32_t)value;
}

void generation_write(struct element *element, uint32_t generation)
{
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%" PRIu32, generation);
	if (generation != 0)
		element_set_attr(element, "generation", text);
}

/* It is the c2s' turn: what there was to do here is done. */
static void answer_released(struct sm *sm, const char *c2s, const char *id,
			    uint32_t generation)
{
	struct stanza *control = sm_control_new("released");

	generation_write(control->root, generation);
	session_answer(sm, c2s, id, control);
}

static void adopt(struct session *session)
{
	struct sm *sm = session->sm;
	struct stanza *control = sm_control_new("adopt");
	struct element *root = control->root;
	struct buf xml = { .len = 0 }, text = { .len = 0 };
	struct envelope envelope = { .to = jid_bare(session->jid),
				     .session = session->id,
				     .control = true };

	snapshot_write(session, &xml);
	base64_encode(&text, buf_data(&xml), xml.len);
	element_set_attr(root, "jid", jid_bare(session->jid));
	element_set_attr(root, "resource", jid_resource(session->jid));
	element_set_attr(root, "address", session->address);
	element_set_attr(root, "tls", session->tls);
	element_add_text(root, buf_data(&text));
	management_describe(session, root);
	buf_free(&xml);
	buf_free(&text);
	buf_clear(&sm->out, 65536);
	stanza_write(control, &sm->out);
	stanza_free(&control);
	envelope.payload = buf_data(&sm->out);
	envelope.payload_len = sm->out.len;
	if (link_send(sm->link, &envelope) == LINK_SENT)
		session_release(session);
}

static void adopt_all(struct user *user)
{
	struct session *session, *next;

	DL_FOREACH(user->sessions, session) {
		if (session_is_awake(session))
			return;
	}
	DL_FOREACH_SAFE(user->sessions, session, next)
		adopt(session);
}

static void barrier_done(const struct storage_result *result, void *ctx)
{
	struct barrier *barrier = ctx;
	struct user *user = barrier->user;
	struct sm *sm = user->sm;

	(void)result;
	if (sm->link != NULL) {
		if (user->leaving)
			adopt_all(user);
		if (barrier->c2s != NULL)
			answer_released(sm, barrier->c2s, barrier->session,
					barrier->generation);
	}
	mem_free(barrier->c2s);
	mem_free(barrier->session);
	mem_free(barrier);
	user_unpin(user);
}

static void barrier_start(struct user *user, const char *c2s,
			  const char *session, uint32_t generation)
{
	struct barrier *barrier = mem_new(struct barrier);

	barrier->user = user;
	barrier->c2s = mem_strdup(c2s);
	barrier->session = mem_strdup(session);
	barrier->generation = generation;
	user_pin(user);
	roster_flush(user);
	storage_load(user->domain->storage, jid_bare(user->jid), barrier_done,
		     barrier);
}

void handover_released(struct session *session)
{
	struct user *user = session->user;

	user_pin(user);
	user->leaving = true;
	barrier_start(user, session->c2s, session->id,
		      session->release_generation);
	session_release(session);
	user_unpin(user);
}

void handover_release(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control)
{
	struct session *session = session_find(sm, envelope->session);
	const char *bare = element_attr(control->root, "jid");
	uint32_t generation = generation_read(control->root);
	struct user *user;

	openings_cancel(sm, envelope->session, NULL);
	if (session != NULL && str_equal(session->c2s, envelope->from)) {
		session->release_wanted = true;
		session->release_generation = generation;
		if (session->works == NULL)
			handover_released(session);
		return;
	}
	user = bare != NULL ? user_find(sm, bare) : NULL;
	if (user != NULL)
		barrier_start(user, envelope->from, envelope->session,
			      generation);
	else
		answer_released(sm, envelope->from, envelope->session,
				generation);
}

void handover_leave(struct user *user)
{
	if (user->sessions != NULL)
		barrier_start(user, NULL, NULL, 0);
}
