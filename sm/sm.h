/* SPDX-License-Identifier: Apache-2.0
 *
 * The session manager: one struct that all its state hangs from, and the
 * pieces that its files share. Storage and the link call back from the loop;
 * everything runs on one thread.
 *
 * Glossary
 *   domain   a host that this server serves, with its drivers (sm/domain.c)
 *   user     an account in memory, with roster and sessions (sm/user.h)
 *   session  a bound resource of a client at some c2s (sm/session.h)
 *   work     what keeps a received envelope unacknowledged (below)
 *   task     a stanza on its way to a local user or to the server (sm/route.h)
 */
#ifndef SM_SM_H
#define SM_SM_H

#include "sm/options.h"
#include "storage/auth.h"
#include "storage/storage.h"
#include "util/base/table.h"
#include "util/net/timer.h"
#include "util/role/domain_options.h"
#include "util/role/role.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stanza_error.h"
#include "util/xmpp/stream.h"

struct sm_module;

struct sm_domain {
	char *name;
	struct jid *jid;
	const struct domain_options *options; /* swapped at a reload */
	struct storage *storage;	      /* shared between domains */
	struct auth **auth;		      /* in order */
	size_t auth_count;
	UT_hash_handle hh;
};

/* Counters for the metrics; each counts from the start of the process. */
struct sm_stats {
	uint64_t stanzas_in[3], stanzas_out[3]; /* message, presence, iq */
	uint64_t errors_sent;
	uint64_t auth_success, auth_failure, auth_unavailable, auth_throttled;
	uint64_t offline_stored, offline_delivered, offline_refused;
	uint64_t repeats;
};

struct sm {
	struct role_env *env;
	struct loop *loop;
	struct log *log;
	const struct sm_options *options;
	struct link *link;
	struct stanza_parser *parser;
	struct sm_domain *domains;	 /* by name */
	struct sm_storage *storages;	 /* by section title (sm/domain.c) */
	struct user *users;		 /* by bare JID */
	size_t user_count;
	struct session *sessions;	 /* by session id */
	size_t session_count;
	struct task *tasks, *tasks_last; /* sm/route.c: run at end of turn */
	struct deferred run_tasks;
	struct exchange *exchanges;	 /* sm/sasl.c: by session id */
	struct throttle *throttle;	 /* sm/throttle.c */
	void **module_data;		 /* one for each of sm_modules */
	const struct sm_module *const *modules;
	size_t module_count;
	char *ticket_secret;
	uint64_t started; /* loop_now() */
	bool stopping;
	struct sm_stats stats;
};

/* Keeps a received envelope from being acknowledged until all that came of it
 * is done: stored, or handed on. Counted; the last release acknowledges. */
struct work;

struct work *work_new(struct sm *sm, struct link_receipt receipt);
struct work *work_hold(struct work *work); /* NULL is allowed, and stays NULL */
void work_release(struct work **work);

/* The domain of that name, NULL when we do not serve it. */
struct sm_domain *sm_domain(const struct sm *sm, const char *name);

extern const struct role sm_role;

#endif
