/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0352: while nobody looks at a client, what can wait does: presence,
 * notifications of PEP, chat states. It goes out, in order, before
 * the first stanza that cannot wait, or when too much waits, or when somebody
 * looks again. Of one address only the newest presence and the newest chat
 * state are kept.
 *
 * What waits is in memory only: presence is asked for anew by the next owner of
 * the session, and of the rest nothing is worth being stored.
 */
#include "sm/modules/csi.h"

#include "sm/message_rules.h"
#include "sm/modules.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define SNAPSHOT_NS "urn:chappe:snapshot:csi"

#define WAITING_MAX 200	  /* stanzas */
#define BYTES_MAX   65536 /* of them in memory */

struct waiting {
	struct stanza *stanza;
	size_t size;
	struct waiting *prev, *next;
};

struct csi {
	bool inactive;
	bool flushing;
	struct waiting *first;
	size_t count, bytes;
};

static struct csi *csi_of(const struct session *session)
{
	return module_session_data(session, &sm_module_csi);
}

/* -- what can wait --------------------------------------------------------- */

/* A copy (XEP-0280) is as urgent as what is in it. */
static const struct element *unwrapped(const struct element *message)
{
	const struct element *inner =
		element_child(message, "received", NS_CARBONS);

	if (inner == NULL)
		inner = element_child(message, "sent", NS_CARBONS);
	if (inner != NULL)
		inner = element_child(inner, "forwarded", NS_FORWARD);
	if (inner != NULL)
		inner = element_child(inner, "message", NS_CLIENT);
	return inner != NULL ? inner : message;
}

/* Says no more than that somebody is typing, or has stopped. All else that one
 * person tells another is on its way at once: it was promised to arrive. */
static bool is_chat_state(const struct stanza *stanza)
{
	return stanza_kind(stanza) == 0 &&
	       !message_is_lasting(unwrapped(stanza->root));
}

static bool can_wait(const struct stanza *stanza)
{
	const char *type = element_attr(stanza->root, "type");
	int kind = stanza_kind(stanza);

	if (kind == 1)
		return type == NULL || str_equal(type, "unavailable");
	if (kind != 0 || str_equal(type, "error"))
		return false;
	return is_chat_state(stanza) ||
	       (str_equal(type, "headline") &&
		element_child(stanza->root, "event", NS_PUBSUB_EVENT) != NULL);
}

/* The newer one says all that the older did. */
static bool replaces(const struct stanza *newer, const struct stanza *older)
{
	return str_equal(element_attr(newer->root, "from"),
			 element_attr(older->root, "from")) &&
	       ((stanza_kind(newer) == 1 && stanza_kind(older) == 1) ||
		(is_chat_state(newer) && is_chat_state(older)));
}

/* -- waiting --------------------------------------------------------------- */

static void drop(struct csi *csi, struct waiting *waiting)
{
	DL_DELETE(csi->first, waiting);
	csi->count--;
	csi->bytes -= waiting->size;
	stanza_free(&waiting->stanza);
	mem_free(waiting);
}

static void flush(struct session *session)
{
	struct csi *csi = csi_of(session);
	struct waiting *waiting;

	csi->flushing = true;
	while ((waiting = csi->first) != NULL) {
		session_send(session, waiting->stanza);
		drop(csi, waiting);
	}
	csi->flushing = false;
}

static void keep(struct session *session, const struct stanza *stanza)
{
	struct csi *csi = csi_of(session);
	struct waiting *waiting, *next;

	DL_FOREACH_SAFE(csi->first, waiting, next) {
		if (!replaces(stanza, waiting->stanza))
			continue;
		drop(csi, waiting);
		session->sm->stats.csi_spared++;
	}
	waiting = mem_new(struct waiting);
	waiting->stanza = stanza_copy(stanza);
	waiting->size = stanza_size(stanza);
	DL_APPEND(csi->first, waiting);
	csi->count++;
	csi->bytes += waiting->size;
	session->sm->stats.csi_delayed++;
}

/* What the client asked of its own server has no order with what others
 * sent. */
static bool is_answer(const struct session *session,
		      const struct stanza *stanza)
{
	const char *from = element_attr(stanza->root, "from");

	return stanza_kind(stanza) == 2 &&
	       (from == NULL || str_equal(from, jid_bare(session->jid)) ||
		str_equal(from, jid_domain(session->jid)));
}

static enum verdict deliver(struct session *session,
			    const struct stanza *stanza)
{
	struct csi *csi = csi_of(session);

	if (!csi->inactive || csi->flushing)
		return PASS;
	if (can_wait(stanza) && csi->count < WAITING_MAX &&
	    csi->bytes < BYTES_MAX) {
		keep(session, stanza);
		return DONE;
	}
	if (!is_answer(session, stanza))
		flush(session);
	return PASS;
}

/* -- the client's state ---------------------------------------------------- */

static void set(struct session *session, bool inactive)
{
	struct csi *csi = csi_of(session);

	if (csi->inactive == inactive)
		return;
	csi->inactive = inactive;
	session_changed(session);
	if (!inactive)
		flush(session);
}

void csi_control(struct sm *sm, const struct envelope *envelope,
		 const struct stanza *control)
{
	struct session *session = session_find(sm, envelope->session);

	if (session != NULL && str_equal(session->c2s, envelope->from))
		set(session, str_equal(control->root->name, "inactive"));
}

void csi_asleep(struct session *session)
{
	csi_of(session)->inactive = false;
	flush(session);
}

static void session_save(const struct session *session,
			 struct element *snapshot)
{
	if (csi_of(session)->inactive)
		element_add(snapshot, "csi", SNAPSHOT_NS);
}

static void session_restore(struct session *session,
			    const struct element *snapshot)
{
	csi_of(session)->inactive =
		element_child(snapshot, "csi", SNAPSHOT_NS) != NULL;
}

static void session_freed(struct session *session)
{
	struct csi *csi = csi_of(session);

	while (csi->first != NULL)
		drop(csi, csi->first);
}

const struct sm_module sm_module_csi = {
	.name = "csi",
	.session_size = sizeof(struct csi),
	.session_save = session_save,
	.session_restore = session_restore,
	.session_freed = session_freed,
	.deliver = deliver,
};
