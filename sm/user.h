/* SPDX-License-Identifier: Apache-2.0
 *
 * Users in memory: loaded once when somebody needs them, dropped some time
 * after the last use. A user whose data is being loaded holds its own queue
 * of tasks and nobody else's (design.md 5 and 7).
 */
#ifndef SM_USER_H
#define SM_USER_H

#include "sm/sm.h"

enum user_state {
	USER_LOADING, /* tasks wait */
	USER_READY,
	USER_FAILED /* storage unavailable: waiting tasks were refused with
		       internal-server-error; the next use loads again */
};

/* One roster row in memory. */
struct contact {
	struct roster_item item;
	UT_hash_handle hh; /* by item.jid */
};

struct user {
	struct sm *sm;
	struct sm_domain *domain;
	struct jid *jid; /* bare */
	enum user_state state;
	bool has_account;	   /* false: nobody of that name; still loaded so that
				      the answer is remembered for a moment */
	struct contact *roster;
	uint64_t roster_version;
	size_t offline_count;
	struct session *sessions; /* utlist DL by prev/next, oldest first */
	size_t session_count;
	struct task *waiting, *waiting_last; /* while USER_LOADING */
	struct task *left, *left_last; /* the same, and go before them */
	size_t waiting_count;
	struct user_waiter *waiters;	     /* user_need() while loading */
	bool barred;   /* the account went: that is not remembered */
	bool leaving;  /* another sm serves it now: not kept in memory */
	bool held;     /* new to this sm: tasks wait (sm/handover.h) */
	bool unfetched; /* and what is stored is not read yet */
	uint64_t *seen; /* ring of origins that were here; NULL: none */
	size_t seen_room, seen_at;
	unsigned pins; /* storage requests and the like that need it here */
	struct timer idle;
	struct ended *ended; /* sm/management_resume.c; NULL: none */
	struct copies *copies; /* sm/copies.c; NULL: none */
	struct blocked *blocklist; /* sm/blocklist.c; NULL: empty */
	void **module_data; /* zeroed blocks of sm_module.user_size */
	UT_hash_handle hh; /* by bare JID text */
};

/* The user in memory, loading or not; NULL when not in memory. */
struct user *user_find(struct sm *sm, const char *bare);

/* Finds or starts to load; `domain` is the one of the JID. */
struct user *user_get(struct sm *sm, struct sm_domain *domain,
		      const struct jid *jid);

/* Reads what is stored, if that was put off. */
void user_fetch(struct user *user);

/* Reads it again, of somebody who had no account. */
void user_reload(struct user *user);

/* It is known who is here: tasks go on. */
void user_settle(struct user *user);

/* Whether this stanza was here before: a repeat, after a crash on its way. It is
 * from now on. */
bool user_saw(struct user *user, const char *origin);

/* Calls back from the loop, never inside the call, when the user is READY or
 * FAILED. */
typedef void user_ready_cb(struct user *user, void *ctx);
void user_need(struct user *user, user_ready_cb *ready, void *ctx);

/* Takes back all user_need() with this ctx whose callback has not run. */
void user_need_cancel(struct user *user, void *ctx);

/* Calls back those whose users are ready now: a session that is opened comes
 * before stanzas that were waiting for its user. */
void users_run_waiters(struct sm *sm);

/* Whether this sm is the one that serves the address: always while there is
 * nobody to ask. */
bool user_is_ours(const struct sm *sm, const struct jid *jid);

/* Something of the user's ended: when nothing is left that needs it here, it
 * may leave memory after a while. */
void user_rest(struct user *user);

/* The members of a domain have changed: soon, users that other sms serve now
 * are released with their sessions. */
void users_rebalance(struct sm *sm);

/* At the end of the process: everything goes, nobody is told. */
void users_free(struct sm *sm);

/* A pinned user stays in memory. */
void user_pin(struct user *user);
void user_unpin(struct user *user);

/* The account was removed: closes its sessions, cancels subscriptions
 * (presence_account_removed()), forgets. */
void user_removed(struct user *user);

/* The account was created: whoever remembers that there is none is wrong. */
void user_created(struct sm *sm, const char *bare);

struct contact *user_contact(const struct user *user, const char *bare);

#endif
