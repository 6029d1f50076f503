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
 *   work     what keeps a received envelope unacknowledged (sm/work.h)
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
#include "util/role/drain.h"
#include "util/role/role.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stanza_error.h"
#include "util/xmpp/stream.h"

struct access;
struct people;
struct sm_module;
struct work;

struct sm_domain {
	char *name;
	struct jid *jid;
	const struct domain_options *options; /* swapped at a reload */
	struct storage *storage;	      /* shared between domains */
	struct sm_storage *section;	      /* that storage's (sm/domain.h) */
	struct people *people; /* of its directory; or NULL */
	struct sm *sm;
	struct recheck *rechecks; /* sm/people.c */
	unsigned recheck_count, recheck_failures; /* asked at once; in a row */
	struct timer recheck_timer;
	struct sharing *sharings; /* sm/roster_sharing.c */
	size_t sharing_count;
	struct timer sharing_timer;
	struct roster_wait *roster_waits;
	struct timer roster_wait_timer;
	struct auth **auth;		      /* in order */
	char **auth_names;		      /* of their drivers */
	char *auth_options;		      /* what they were opened with */
	void *auth_sections[2];		      /* sm/domain.c: of the same */
	size_t auth_count;
	struct kerberos_acceptor *kerberos; /* NULL: no keytab */
	struct asker *askers; /* c2s that asked for <link:mechanisms/> */
	bool stale;	      /* not in the new configuration */
	UT_hash_handle hh;
};

/* Counters for the metrics; each counts from the start of the process. */
struct sm_stats {
	uint64_t stanzas_in[3], stanzas_out[3]; /* message, presence, iq */
	uint64_t errors_sent;
	uint64_t auth_success, auth_failure, auth_unavailable, auth_throttled;
	uint64_t offline_stored, offline_delivered, offline_refused;
	uint64_t repeats;
	uint64_t reports_spam, reports_abuse;
	uint64_t csi_delayed, csi_spared;
	uint64_t logged_out; /* users */
	uint64_t pep_published, pep_notified;
	uint64_t sessions_opened, sessions_reopened, sessions_lost;
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
	struct opening *openings;	 /* sm/session_open.c: by session id */
	struct peer *peers;		 /* sm/peer.c: instances of c2s */
	struct task *tasks, *tasks_last; /* sm/task.c: run at end of turn */
	struct task *leftovers, *leftovers_last; /* the same, before them */
	size_t task_count;		 /* waiting for a user included */
	struct work *works;		 /* sm/work.c: not at their ends */
	struct unacked *in_flight;	 /* sm/management.c */
	struct deferred run_tasks;
	struct user_waiter *waiters, *waiters_last; /* sm/user.c: users ready */
	struct deferred run_waiters;
	struct timer rebalance;		 /* sm/user.c: users that moved away */
	uint64_t rebalance_until;	 /* their sessions may be asked for */
	struct settling *settlings;	 /* sm/handover.c: of domains */
	struct exchange *exchanges;	 /* sm/sasl.c: by session id */
	struct sasl_library *sasl;	 /* sm/sasl_scram.c */
	struct throttle *throttle;	 /* sm/throttle.c */
	struct kerberos_pool *kerberos;	 /* sm/kerberos.c; NULL: no keytab */
	struct access *access;		 /* sm/access.c: the rules */
	size_t commands;		 /* sm/admin.c: not yet answered */
	struct buf out;			 /* for the payload being sent */
	void **module_data;		 /* one for each of sm_modules */
	const struct sm_module *const *modules;
	size_t module_count, modules_started;
	char *ticket_secret;
	uint64_t started; /* loop_now() */
	bool ready;	  /* said so to the service manager */
	struct drain drain;
	bool stopping;
	uint64_t stop_began; /* loop_now() */
	struct timer stop_timer;
	struct sm_stats stats;
	uint64_t delivery; /* counts messages for users */
};

/* The domain of that name, NULL when we do not serve it. */
struct sm_domain *sm_domain(const struct sm *sm, const char *name);

/* Sends a control element (docs/link.md section 6) to an instance. */
enum link_sent sm_send_control(struct sm *sm, const char *at,
			       const char *session,
			       const struct stanza *control);

/* A new <link:NAME/>. */
struct stanza *sm_control_new(const char *name);

/* Appends what the role counts as Prometheus text. */
void sm_metrics(void *state, struct buf *to);

extern const struct role sm_role;

#endif
