/* SPDX-License-Identifier: Apache-2.0
 *
 * What a feature of the sm looks like: a const struct, bound to what it
 * handles; the core filters, so that a handler sees only its own. Registered
 * by one line in sm/modules.c; the order of that array is the order in which
 * hooks run. All members but `name` are optional.
 */
#ifndef SM_MODULE_H
#define SM_MODULE_H

#include "sm/route.h"

enum iq_kind { IQ_GET = 1, IQ_SET = 2, IQ_GET_SET = 3 };

/* Whom the request is addressed to. */
enum iq_target {
	TO_SERVER = 1,	    /* the domain, by anybody */
	TO_OWN_ACCOUNT = 2, /* the sender's own bare JID, or no `to`, by one
			       of our sessions */
	TO_ACCOUNT = 4	    /* a local bare JID, by somebody else */
};

/* A request that is being answered, by iq_result(), iq_error() or
 * iq_reply(), exactly once: inside the handler, or later, after iq_keep(). */
struct iq_call {
	struct sm *sm;
	struct sm_domain *domain;
	struct user *user;	 /* the account addressed; NULL: TO_SERVER */
	struct session *session; /* the sender if it is a session here, and it is
				    still open; else NULL */
	const struct stanza *stanza;
	const struct element *query; /* its one child */
	const struct jid *from, *to;
	bool is_set;
};

struct iq_handler {
	enum iq_kind kind;
	unsigned targets;
	const char *ns;
	const char *name; /* of the child; NULL: any in the namespace */
	void (*handle)(struct iq_call *call);
};

/* An empty result; or one with the child that the caller adds to the stanza
 * that iq_result_new() gives; iq_reply() takes it. */
void iq_result(struct iq_call *call);
struct stanza *iq_result_new(const struct iq_call *call);
void iq_reply(struct iq_call *call, struct stanza *reply);
void iq_error(struct iq_call *call, enum stanza_error error, const char *text);

/* For an answer that comes later: a copy on the heap that lives until it is
 * answered. Its user is pinned; its session becomes NULL when it ends. */
struct iq_call *iq_keep(struct iq_call *call);

enum verdict { PASS, DONE };

/* A request of a client that is not logged in; only for domains that allow
 * registration. Lives until it is answered. */
struct registration {
	struct sm *sm;
	struct sm_domain *domain;
	char *address; /* of the client */
	struct stanza *iq; /* get or set, with one child */
	struct work *work; /* may be NULL */
	char *c2s, *session; /* whom the answer goes to */
};

/* Answers it, with a result or an error; takes both. sm/registration.c. */
void registration_answer(struct registration *registration,
			 struct stanza *reply);

struct sm_module {
	const char *name;
	/* Disco features, NULL-terminated: of the server, of accounts. */
	const char *const *features;
	const char *const *account_features;
	const struct iq_handler *iq; /* ends with kind 0 */
	size_t data_size;	     /* per sm, zeroed */
	size_t user_size, session_size;
	/* A small document of each user that is read with him, by this key
	 * under STORAGE_KIND_ACTIVE; empty text when there is none. It comes
	 * before user_loaded, and again when the user is loaded anew. */
	const char *document;
	void (*document_loaded)(struct user *user, const char *data,
				size_t len);
	int (*start)(struct sm *sm, struct error *err);
	void (*stop)(struct sm *sm);
	void (*user_loaded)(struct user *user);
	void (*user_unloaded)(struct user *user);
	void (*session_opened)(struct session *session);
	/* Still in the user's list; its presence is as it was. */
	void (*session_closed)(struct session *session);
	/* The session leaves memory, ended or not: only the module's own
	 * memory of it is to be freed. */
	void (*session_freed)(struct session *session);
	/* The session's first available presence with a priority of 0 or more,
	 * and each change from a negative one. */
	void (*session_ready)(struct session *session);
	/* What must survive the sm that holds the session: added to the
	 * element that c2s keeps as children in a namespace of the module's
	 * own, and read from there. It is read as anything from outside. */
	void (*session_save)(const struct session *session,
			     struct element *snapshot);
	void (*session_restore)(struct session *session,
				const struct element *snapshot);
	/* A stanza for a user, whoever sent it, before anything else is done
	 * with it; DONE: the module took care of it (and of its answer). */
	enum verdict (*incoming)(struct task *task);
	/* A stanza for a client; DONE: the module has a copy and sends it
	 * later. */
	enum verdict (*deliver)(struct session *session,
				const struct stanza *stanza);
	/* A message was given to the sessions whose `delivery` is the sm's,
	 * stored, or both; how many others the module gave it to. Not when it
	 * comes a second time because a client did not get it. */
	unsigned (*message_delivered)(struct user *user,
				      const struct stanza *message,
				      const char *origin, struct work *work);
	/* A stanza of a client on its way out; DONE: the module took care of
	 * it (and of its answer), the core frees it. */
	enum verdict (*outgoing)(struct session *session,
				 struct stanza *stanza, struct work *work);
	/* A message for a user that no resource can take, with
	 * RFC 6121's answer being "store": DONE when it is kept. */
	enum verdict (*message_offline)(struct user *user,
					struct stanza *stanza,
					const char *origin,
					struct work *work);
	/* Elements for disco#info of the server beyond features (XEP-0128
	 * forms, identities). */
	void (*disco_info)(struct sm *sm, struct sm_domain *domain,
			   struct element *query);
	/* The same for disco#info of an account, and for its disco#items. */
	void (*account_info)(struct user *user, struct element *query);
	void (*account_items)(struct user *user, const struct jid *asker,
			      struct element *query);
	/* disco#info of a node of an account: true when it was answered. */
	bool (*account_node)(struct iq_call *call, const char *node);
	/* A request before log-in (XEP-0077), to be answered now or later by
	 * registration_answer(). The first module that has this gets it. */
	void (*registration)(struct registration *registration);
};

/* sm/modules.c: all of them, NULL-terminated. */
extern const struct sm_module *const sm_modules[];

/* This module's data; NULL when its size is 0. */
void *module_data(const struct sm *sm, const struct sm_module *module);
void *module_user_data(const struct user *user,
		       const struct sm_module *module);
void *module_session_data(const struct session *session,
			  const struct sm_module *module);

/* sm/modules/disco.c: the XEP-0115 hash of the domain's disco#info, base64
 * SHA-1; lives until the next reload. */
const char *disco_caps_ver(struct sm *sm, struct sm_domain *domain);

#endif
