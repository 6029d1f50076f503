/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens sessions: checks the ticket, waits for the user to be loaded, binds
 * the resource (RFC 6120 section 7), or restores what a snapshot says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sm/handover.h"
#include "sm/management.h"
#include "sm/module.h"
#include "sm/peer.h"
#include "sm/roster.h"
#include "sm/route.h"
#include "sm/session.h"
#include "sm/ticket.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define LANG_MAX   35 /* bytes of a language tag */
#define NUMBER_MAX 24

/* A session that somebody asked for, while its user is being loaded. */
struct opening {
	struct sm *sm;
	struct user *user; /* pinned */
	struct peer *peer; /* NULL: asleep */
	char *id;
	char *resource;	 /* as the client wants it; NULL: any */
	char *address, *tls, *lang, *old_session;
	struct buf snapshot; /* XML, of a reopen */
	bool again;	     /* it is a reopen */
	bool reloaded;	     /* the user, who had no account */
	char *resume;	     /* SM-ID of a resume */
	uint32_t h;	     /* that the client has got */
	struct stanza *state; /* what else a reopen says; NULL: nothing */
	bool asleep;	     /* of one without a connection */
	uint32_t generation;
	struct work *work;   /* of such a one; may be NULL */
	UT_hash_handle hh;   /* by id */
};

/* -- answers --------------------------------------------------------------- */

static void refuse(struct sm *sm, const char *c2s, const char *id,
		   enum stanza_error error, const char *type)
{
	struct stanza *control = sm_control_new("refused");
	const char *condition = stanza_error_condition(error);

	log_info(sm->log, "session.refused", LOG_S("sid", id),
		 LOG_S("c2s", c2s), LOG_S("condition", condition));
	element_set_attr(control->root, "condition", condition);
	element_set_attr(control->root, "type",
			 type != NULL ? type : stanza_error_type(error));
	session_answer(sm, c2s, id, control);
}

/* A session that was open ends with a stream error. */
static void refuse_again(struct sm *sm, const char *c2s, const char *id,
			 enum stream_error error)
{
	struct stanza *control = sm_control_new("closed");
	const char *condition = stream_error_condition(error);

	/* Of a session that was asleep there is nobody to tell. */
	log_info(sm->log, "session.refused", LOG_S("sid", id),
		 LOG_S("c2s", c2s), LOG_S("condition", condition));
	element_set_attr(control->root, "condition", condition);
	session_answer(sm, c2s, id, control);
}

static void answer_opened(struct session *session)
{
	struct stanza *control = sm_control_new("opened");

	element_set_attr(control->root, "jid", jid_full(session->jid));
	generation_write(control->root, session->generation);
	session_tell(session, control);
}

static const char *c2s_of(const struct opening *opening)
{
	return opening->peer != NULL ? opening->peer->name : NULL;
}

/* -- openings -------------------------------------------------------------- */

static void opening_free(struct opening *opening)
{
	struct user *user = opening->user;

	HASH_DEL(opening->sm->openings, opening);
	peer_release(&opening->peer);
	mem_free(opening->id);
	mem_free(opening->resource);
	mem_free(opening->address);
	mem_free(opening->tls);
	mem_free(opening->lang);
	mem_free(opening->old_session);
	mem_free(opening->resume);
	stanza_free(&opening->state);
	work_release(&opening->work);
	buf_free(&opening->snapshot);
	mem_free(opening);
	user_unpin(user);
}

void openings_cancel(struct sm *sm, const char *id, const struct peer *peer)
{
	struct opening *opening, *next;

	HASH_ITER(hh, sm->openings, opening, next) {
		if ((id != NULL && !str_equal(opening->id, id)) ||
		    (peer != NULL && opening->peer != peer))
			continue;
		user_need_cancel(opening->user, opening);
		opening_free(opening);
	}
}

/* -- binding --------------------------------------------------------------- */

/* The full JID for this opening; NULL after a refusal. */
static struct jid *choose_jid(struct opening *opening)
{
	struct sm *sm = opening->sm;
	char random[33];
	const char *resource = opening->resource;
	struct jid *jid;

	if (resource == NULL) {
		/* RFC 6120 section 7.6: not to be guessed, since knowing a
		 * full JID is knowing that its owner is online. */
		loop_random_hex(sm->loop, random, 32);
		resource = random;
	}
	jid = jid_with_resource(opening->user->jid, resource);
	if (jid == NULL && opening->again)
		refuse_again(sm, c2s_of(opening), opening->id,
			     STREAM_UNDEFINED_CONDITION);
	else if (jid == NULL)
		refuse(sm, c2s_of(opening), opening->id,
		       STANZA_BAD_REQUEST, "modify");
	return jid;
}

/* RFC 6120 section 7.7.2.2, the second way: the newcomer gets the resource.
 * False: the session that is there is newer, and stays. */
static bool settle_conflicts(struct opening *opening, const struct jid *jid,
			     int64_t since)
{
	struct user *user = opening->user;
	struct session *other =
		session_by_resource(user, jid_resource(jid));

	if (other != NULL && opening->again && other->since > since)
		return false;
	if (other != NULL)
		session_kick(other, STREAM_CONFLICT,
			     "another client took this resource");
	other = session_find(opening->sm, opening->old_session);
	if (other != NULL && other->user == user)
		session_kick(other, STREAM_CONFLICT, NULL);
	return true;
}

static struct session *session_new(struct opening *opening, struct jid *jid)
{
	struct sm *sm = opening->sm;
	struct session *session = mem_new(struct session);

	session->sm = sm;
	session->user = opening->user;
	session->id = mem_strdup(opening->id);
	session->peer = opening->peer;
	session->c2s = c2s_of(opening);
	opening->peer = NULL;
	session->jid = jid;
	session->address = opening->address;
	session->tls = opening->tls;
	session->lang = opening->lang;
	opening->address = opening->tls = opening->lang = NULL;
	session->since = loop_time_us(sm->loop);
	session->generation = opening->generation;
	session->module_data =
		mem_calloc(sm->module_count, sizeof(*session->module_data));
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->session_size > 0)
			session->module_data[i] =
				mem_alloc(sm->modules[i]->session_size);
	}
	HASH_ADD_KEYPTR(hh, sm->sessions, session->id, strlen(session->id),
			session);
	sm->session_count++;
	DL_APPEND(opening->user->sessions, session);
	opening->user->session_count++;
	return session;
}

static void session_start(struct session *session, const char *event)
{
	struct sm *sm = session->sm;
	bool was_available = session->available;

	log_info(sm->log, event, LOG_S("sid", session->id),
		 LOG_S("jid", jid_full(session->jid)),
		 LOG_S("c2s", session->c2s),
		 LOG_S("address", session->address),
		 LOG_S("tls", session->tls));
	snapshot_send(session);
	answer_opened(session);
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->session_opened != NULL)
			sm->modules[i]->session_opened(session);
	}
	if (was_available)
		presence_session_restored(session);
	roster_push_missed(session);
}

static void open_new(struct opening *opening)
{
	struct sm *sm = opening->sm;
	struct jid *jid = choose_jid(opening);
	size_t max = (size_t)sm->options->resources_max;

	if (jid == NULL)
		return;
	settle_conflicts(opening, jid, 0);
	if (opening->user->session_count >= max) {
		refuse(sm, c2s_of(opening), opening->id,
		       STANZA_RESOURCE_CONSTRAINT, "wait");
		jid_free(&jid);
		return;
	}
	sm->stats.sessions_opened++;
	session_start(session_new(opening, jid), "session.open");
}

/* A session of this management is here, or was: what is told of it is old. */
static bool is_outdated(const struct session *session)
{
	const struct management *m = session->management;
	const struct session *other;
	uint32_t h;

	DL_FOREACH(session->user->sessions, other) {
		if (other != session && other->management != NULL &&
		    str_equal(other->management->id, m->id))
			return true;
	}
	return management_ended(session->user, m->id, &h);
}

/* Nobody saw it go, and its client may come. */
static void start_asleep(struct session *session, const struct opening *opening)
{
	struct sm *sm = session->sm;

	if (session->management == NULL || is_outdated(session)) {
		session_forget(session);
		return;
	}
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->session_opened != NULL)
			sm->modules[i]->session_opened(session);
	}
	roster_push_missed(session);
	session_cut(session, "taken over", opening->work);
}

/* Its messages, when there is no place for it. */
static void leave_asleep(const struct opening *opening)
{
	const struct element *child =
		element_child(opening->state->root, "unacked", NULL);

	for (; child != NULL; child = element_next_same(child)) {
		const struct element *stanza = element_first(child);

		if (stanza != NULL && element_attr(child, "stored") == NULL &&
		    str_equal(stanza->name, "message"))
			route_leftover(opening->sm,
				       stanza_from_element(stanza),
				       element_attr(child, "origin"),
				       opening->work);
	}
}

static void open_again(struct opening *opening)
{
	struct sm *sm = opening->sm;
	struct buf *snapshot = &opening->snapshot;
	struct session *session;
	int64_t since = 0;
	char *resource = NULL;
	struct jid *jid;

	/* Without a snapshot it had just been opened. */
	if (snapshot->len > 0 &&
	    snapshot_peek(sm, buf_data(snapshot), snapshot->len, &resource,
			  &since) != 0) {
		refuse_again(sm, c2s_of(opening), opening->id,
			     STREAM_UNDEFINED_CONDITION);
		return;
	}
	if (resource != NULL) {
		mem_free(opening->resource);
		opening->resource = resource;
	}
	jid = choose_jid(opening);
	if (jid == NULL)
		return;
	if (!settle_conflicts(opening, jid, since)) {
		if (opening->asleep)
			leave_asleep(opening);
		refuse_again(sm, c2s_of(opening), opening->id,
			     STREAM_CONFLICT);
		jid_free(&jid);
		return;
	}
	sm->stats.sessions_reopened++;
	session = session_new(opening, jid);
	if (snapshot->len > 0)
		snapshot_read(session, buf_data(snapshot), snapshot->len);
	if (opening->state != NULL)
		management_restore(session, opening->state->root);
	if (opening->asleep)
		start_asleep(session, opening);
	else
		session_start(session, "session.reopen");
}

/* XEP-0198 section 5. `h` NULL: nothing is known of that session. */
static void refuse_resume(struct sm *sm, const char *c2s, const char *id,
			  enum stanza_error error, const uint32_t *h)
{
	struct stanza *control = sm_control_new("refused");
	const char *condition = stanza_error_condition(error);
	char text[NUMBER_MAX];

	log_info(sm->log, "session.not-resumed", LOG_S("sid", id),
		 LOG_S("c2s", c2s), LOG_S("condition", condition));
	element_set_attr(control->root, "condition", condition);
	if (h != NULL) {
		snprintf(text, sizeof(text), "%" PRIu32, *h);
		element_set_attr(control->root, "h", text);
	}
	session_answer(sm, c2s, id, control);
}

/* It has got more than it was sent: a stream error (section 6). */
static void refuse_count(struct sm *sm, const struct opening *opening,
			 const struct management *m)
{
	struct stanza *control = sm_control_new("refused");
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%" PRIu32, (uint32_t)m->sent);
	element_set_attr(control->root, "condition", "undefined-condition");
	element_set_attr(control->root, "sent", text);
	session_answer(sm, c2s_of(opening), opening->id, control);
}

static void resume(struct opening *opening)
{
	struct session *session =
		management_find(opening->user, opening->resume);
	struct comeback back = { .id = opening->id, .h = opening->h };
	uint64_t number;
	uint32_t h;

	if (session == NULL) {
		refuse_resume(opening->sm, c2s_of(opening), opening->id,
			      STANZA_ITEM_NOT_FOUND,
			      management_ended(opening->user, opening->resume,
					       &h) ? &h : NULL);
		return;
	}
	if (!management_number(session->management, opening->h, &number)) {
		refuse_count(opening->sm, opening, session->management);
		return;
	}
	back.peer = opening->peer;
	back.address = opening->address;
	back.tls = opening->tls;
	back.lang = opening->lang;
	opening->peer = NULL;
	opening->address = opening->tls = opening->lang = NULL;
	management_resume(session, &back);
}

static void opening_ready(struct user *user, void *ctx)
{
	struct opening *opening = ctx;
	struct sm *sm = opening->sm;
	const char *c2s = c2s_of(opening);

	if (user->state != USER_READY) {
		/* While the storage is away c2s keeps the session, and asks
		 * again when there was no answer. */
		if (opening->asleep)
			leave_asleep(opening);
		else if (opening->again)
			log_info(sm->log, "session.deferred",
				 LOG_S("sid", opening->id),
				 LOG_S("c2s", c2s));
		else if (opening->resume != NULL)
			refuse_resume(sm, c2s, opening->id,
				      STANZA_INTERNAL_SERVER_ERROR, NULL);
		else
			refuse(sm, c2s, opening->id,
			       STANZA_INTERNAL_SERVER_ERROR, "wait");
	} else if (!user->has_account && !opening->reloaded) {
		/* Another sm has let the client log in: it has been made since
		 * we looked. */
		opening->reloaded = true;
		user_reload(user);
		user_need(user, opening_ready, opening);
		return;
	} else if (!user->has_account || user->domain->stale) {
		if (opening->again)
			refuse_again(sm, c2s, opening->id,
				     STREAM_NOT_AUTHORIZED);
		else
			refuse(sm, c2s, opening->id,
			       STANZA_NOT_ALLOWED, NULL);
	} else if (opening->resume != NULL) {
		resume(opening);
	} else if (opening->again) {
		open_again(opening);
	} else {
		open_new(opening);
	}
	opening_free(opening);
}

/* -- asked by a c2s -------------------------------------------------------- */

static bool ticket_is_good(struct sm *sm, const struct envelope *envelope,
			   const struct jid *jid, const char *ticket,
			   bool again)
{
	struct ticket_facts facts = { .c2s = envelope->from,
				      .session = envelope->session,
				      .jid = jid_full(jid) };

	return ticket != NULL &&
	       ticket_check(sm->ticket_secret, &facts, ticket,
			    loop_time_us(sm->loop), again ? 0 : TICKET_LIFE);
}

/* It is here already: the c2s lost sight of us for a moment. */
static bool answer_known(struct sm *sm, const struct envelope *envelope,
			 const struct element *element, const struct jid *jid)
{
	struct session *session = session_find(sm, envelope->session);
	struct peer *peer;

	if (session == NULL || !jid_equal(session->user->jid, jid))
		return false;
	/* It was with another sm since then; what is here is out of date. */
	if (generation_read(element) != session->generation) {
		session_release(session);
		return false;
	}
	peer = peer_use(sm, envelope->from, envelope->epoch);
	peer_release(&session->peer);
	session->peer = peer;
	session->c2s = peer->name;
	answer_opened(session);
	session_changed(session);
	session_flush_held(session);
	return true;
}

/* The language of the stream, of which RFC 5646 section 4.4.1 says how long it
 * may be expected to be; nonsense is not put on every stanza. */
static char *language(const struct element *element)
{
	const char *lang = element_attr(element, "lang");

	if (lang == NULL || *lang == '\0' || strlen(lang) > LANG_MAX)
		return NULL;
	return mem_strdup(lang);
}

static void read_resume(struct opening *opening, const struct element *element)
{
	const char *h = element_attr(element, "h");
	uint64_t value = 0;

	if (!str_equal(element->name, "resume"))
		return;
	opening->resume = mem_strdup(element_attr(element, "previd"));
	if (opening->resume == NULL)
		opening->resume = mem_strdup("");
	if (h != NULL && str_to_u64(h, 0, UINT32_MAX, &value) == 0)
		opening->h = (uint32_t)value;
}

static void opening_start(struct sm *sm, const struct envelope *envelope,
			  const struct element *element, bool again,
			  struct sm_domain *domain, const struct jid *jid,
			  struct work *work)
{
	struct opening *opening = mem_new(struct opening);
	const char *text = element_text(element);

	/* The newest request for a session is the one that counts. */
	openings_cancel(sm, envelope->session, NULL);
	opening->sm = sm;
	opening->id = mem_strdup(envelope->session);
	opening->asleep = str_equal(element->name, "closed") ||
			  str_equal(element->name, "adopt");
	if (opening->asleep)
		opening->work = work_hold(work);
	else
		opening->peer = peer_use(sm, envelope->from, envelope->epoch);
	opening->resource = mem_strdup(element_attr(element, "resource"));
	opening->address = mem_strdup(element_attr(element, "address"));
	opening->tls = mem_strdup(element_attr(element, "tls"));
	opening->lang = language(element);
	opening->old_session =
		mem_strdup(element_attr(element, "old-session"));
	opening->again = again;
	opening->generation = generation_read(element);
	read_resume(opening, element);
	/* What is not base64 leaves it empty, as does no snapshot. */
	if (again) {
		base64_decode(&opening->snapshot, text, strlen(text));
		opening->state = stanza_from_element(element);
	}
	HASH_ADD_KEYPTR(hh, sm->openings, opening->id, strlen(opening->id),
			opening);
	opening->user = user_get(sm, domain, jid);
	user_pin(opening->user);
	/* Whoever had the user before has written what there was to write. */
	if (again) {
		user_fetch(opening->user);
		roster_refresh(opening->user);
	}
	user_need(opening->user, opening_ready, opening);
}

void session_open(struct sm *sm, const struct envelope *envelope,
		  const struct stanza *control, struct work *work)
{
	const struct element *element = control->root;
	bool adopt = str_equal(element->name, "adopt");
	bool again = adopt || str_equal(element->name, "reopen") ||
		     str_equal(element->name, "closed");
	const char *text = element_attr(element, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	struct sm_domain *domain =
		jid != NULL ? sm_domain(sm, jid_domain(jid)) : NULL;

	if (domain == NULL || !jid_is_bare(jid) ||
	    (adopt ? !handover_is_sm(sm, envelope->from) :
		     !ticket_is_good(sm, envelope, jid,
				     element_attr(element, "ticket"),
				     again))) {
		if (again)
			refuse_again(sm, envelope->from, envelope->session,
				     STREAM_NOT_AUTHORIZED);
		else
			refuse(sm, envelope->from, envelope->session,
			       STANZA_NOT_AUTHORIZED, NULL);
	} else if (!adopt && answer_known(sm, envelope, element, jid)) {
		log_debug(sm->log, "session.known",
			  LOG_S("sid", envelope->session));
	} else if (session_find(sm, envelope->session) != NULL) {
		refuse(sm, envelope->from, envelope->session,
		       STANZA_CONFLICT, NULL);
	} else {
		/* The c2s may know more than we do; if not, we let go of it
		 * as soon as both know the same. */
		if (!user_is_ours(sm, jid))
			users_rebalance(sm);
		opening_start(sm, envelope, element, again, domain, jid, work);
	}
	jid_free(&jid);
}
