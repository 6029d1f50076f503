/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session is restored from when this process has forgotten it: an XML
 * element that the c2s keeps, opaque to it. It is read as anything that comes
 * from outside.
 */
#include <inttypes.h>
#include <string.h>

#include "sm/management.h"
#include "sm/module.h"
#include "sm/roster.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define NS_SNAPSHOT "urn:chappe:snapshot:0"

/* Addresses with directed presence that are remembered in it. */
#define DIRECTED_MAX 1000

static void set_number(struct element *element, const char *name,
		       int64_t value)
{
	char *text = mem_printf("%" PRId64, value);

	element_set_attr(element, name, text);
	mem_free(text);
}

void snapshot_write(const struct session *session, struct buf *to)
{
	struct stanza *snapshot = stanza_new("snapshot", NS_SNAPSHOT);
	struct element *root = snapshot->root;
	struct directed *directed;
	struct stale *stale;
	size_t count = 0;

	element_set_attr(root, "resource", jid_resource(session->jid));
	element_set_attr(root, "lang", session->lang);
	set_number(root, "since", session->since);
	set_number(root, "origin", (int64_t)session->last_origin);
	set_number(root, "priority", session->priority);
	if (session->shared != 0)
		set_number(root, "shared", (int64_t)session->shared);
	if (session->interested)
		element_set_attr(root, "interested", "true");
	if (session->available)
		element_set_attr(root, "available", "true");
	if (session->presence != NULL)
		element_add_copy(root, session->presence->root);
	LL_FOREACH(session->directed, directed) {
		if (count++ == DIRECTED_MAX)
			break;
		element_set_attr(element_add(root, "directed", NS_SNAPSHOT),
				 "jid", directed->jid);
	}
	LL_FOREACH(session->stale, stale)
		element_set_attr(element_add(root, "stale", NS_SNAPSHOT), "jid",
				 stale->jid);
	if (session->interested)
		roster_add_stale(session->user, root);
	management_write(session, root);
	for (size_t i = 0; i < session->sm->module_count; i++) {
		const struct sm_module *module = session->sm->modules[i];

		if (module->session_save != NULL)
			module->session_save(session, root);
	}
	stanza_write(snapshot, to);
	stanza_free(&snapshot);
}

static int get_number(const struct element *element, const char *name,
		      int64_t min, int64_t max, int64_t *value)
{
	const char *text = element_attr(element, name);

	return text != NULL ? str_to_i64(text, min, max, value) : -1;
}

static struct stanza *snapshot_parse(struct sm *sm, const char *xml,
				     size_t len)
{
	struct stanza *snapshot =
		stanza_parse(sm->parser, &stream_ns_client, xml, len, NULL);

	if (snapshot != NULL &&
	    !element_is(snapshot->root, "snapshot", NS_SNAPSHOT))
		stanza_free(&snapshot);
	return snapshot;
}

int snapshot_peek(struct sm *sm, const char *xml, size_t len, char **resource,
		  int64_t *since)
{
	struct stanza *snapshot = snapshot_parse(sm, xml, len);
	const char *text;
	int result = -1;

	if (snapshot == NULL)
		return -1;
	text = element_attr(snapshot->root, "resource");
	if (text != NULL && get_number(snapshot->root, "since", 0, INT64_MAX,
				       since) == 0) {
		*resource = jid_prepare_resource(text);
		result = *resource != NULL ? 0 : -1;
	}
	stanza_free(&snapshot);
	return result;
}

static void read_directed(struct session *session, const struct element *root)
{
	const struct element *child =
		element_child(root, "directed", NS_SNAPSHOT);
	size_t count = 0;

	for (; child != NULL && count < DIRECTED_MAX;
	     child = element_next_same(child)) {
		const char *jid = element_attr(child, "jid");
		struct directed *directed;
		size_t len;

		if (jid == NULL || strlen(jid) > JID_MAX)
			continue;
		len = strlen(jid) + 1;
		directed = mem_alloc(sizeof(*directed) + len);
		memcpy(directed->jid, jid, len);
		LL_PREPEND(session->directed, directed);
		count++;
	}
}

static void read_stale(struct session *session, const struct element *root)
{
	const struct element *child = element_child(root, "stale", NS_SNAPSHOT);

	for (; child != NULL; child = element_next_same(child)) {
		const char *jid = element_attr(child, "jid");
		struct stale *stale;
		size_t len;

		if (jid == NULL || strlen(jid) > JID_MAX)
			continue;
		len = strlen(jid) + 1;
		stale = mem_alloc(sizeof(*stale) + len);
		memcpy(stale->jid, jid, len);
		LL_PREPEND(session->stale, stale);
	}
}

int snapshot_read(struct session *session, const char *xml, size_t len)
{
	struct stanza *snapshot = snapshot_parse(session->sm, xml, len);
	const struct element *presence;
	int64_t since, origin, priority, shared;
	struct element *root;

	if (snapshot == NULL)
		return -1;
	root = snapshot->root;
	if (get_number(root, "since", 0, INT64_MAX, &since) != 0 ||
	    get_number(root, "origin", 0, INT64_MAX, &origin) != 0 ||
	    get_number(root, "priority", -128, 127, &priority) != 0 ||
	    management_read(session, root) != 0) {
		stanza_free(&snapshot);
		return -1;
	}
	mem_free(session->lang);
	session->lang = mem_strdup(element_attr(root, "lang"));
	session->since = since;
	session->last_origin = (uint64_t)origin;
	session->priority = (int)priority;
	shared = 0;
	if (get_number(root, "shared", INT64_MIN, INT64_MAX, &shared) == 0)
		session->shared = (uint64_t)shared;
	session->interested = element_attr(root, "interested") != NULL;
	presence = element_child(root, "presence", NS_CLIENT);
	session->available =
		element_attr(root, "available") != NULL && presence != NULL;
	if (session->available) {
		session->presence = stanza_from_element(presence);
		/* Nobody else's presence is in a snapshot, whatever c2s
		 * says. */
		element_set_attr(session->presence->root, "from",
				 jid_full(session->jid));
	}
	read_directed(session, root);
	for (size_t i = 0; i < session->sm->module_count; i++) {
		const struct sm_module *module = session->sm->modules[i];

		if (module->session_restore != NULL)
			module->session_restore(session, root);
	}
	read_stale(session, root);
	stanza_free(&snapshot);
	return 0;
}

void snapshot_send(struct session *session)
{
	snapshot_send_with(session, NULL);
}

void snapshot_send_with(struct session *session, struct work *work)
{
	struct stanza *control = sm_control_new("snapshot");
	struct buf xml = { .len = 0 }, text = { .len = 0 };

	loop_defer_cancel(session->sm->loop, &session->snapshot_deferred);
	session->snapshot_due = false;
	snapshot_write(session, &xml);
	base64_encode(&text, buf_data(&xml), xml.len);
	element_add_text(control->root, buf_data(&text));
	buf_free(&xml);
	buf_free(&text);
	session_tell_with(session, control, work);
}

static void snapshot_deferred(struct deferred *deferred)
{
	snapshot_send(container_of(deferred, struct session,
				   snapshot_deferred));
}

void session_changed(struct session *session)
{
	if (session->snapshot_due || session->ending)
		return;
	session->snapshot_due = true;
	loop_defer(session->sm->loop, &session->snapshot_deferred,
		   snapshot_deferred);
}
