/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated client: it logs in, chats, changes its presence, edits its
 * roster, resumes its stream, misbehaves; and it keeps account of what it saw.
 */
#ifndef T_SIM_CLIENT_H
#define T_SIM_CLIENT_H

#include "t/sim/ledger.h"
#include "t/sim/net/world.h"
#include "t/sim/verdict.h"
#include "util/base/table.h"
#include "util/net/conn.h"
#include "util/net/timer.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/stanza.h"

/*
 *   OFF -> WAITING -> CONNECTING -> CLEAR -> SECURE -> AUTH -> FEATURES
 *                                   -> (RESUMING) -> BINDING -> ONLINE
 *
 * From everywhere to WAITING when the connection is lost.
 */
enum client_state {
	CLIENT_OFF,	  /* of its own will */
	CLIENT_WAITING,	  /* for the next attempt */
	CLIENT_CONNECTING,
	CLIENT_CLEAR,	  /* before TLS */
	CLIENT_SECURE,	  /* before the log-in */
	CLIENT_AUTH,
	CLIENT_FEATURES,  /* of the stream after the log-in */
	CLIENT_RESUMING,
	CLIENT_BINDING,
	CLIENT_ENABLING,
	CLIENT_ONLINE
};

/* A contact as the client knows it. */
struct contact {
	char *jid;	    /* bare */
	char *subscription; /* "none", "to", "from", "both" */
	char *name;	    /* may be NULL */
	UT_hash_handle hh;
};

/* The presence of a full JID as it was last heard. */
struct sight {
	char *jid;
	char *status;
	UT_hash_handle hh;
};

/* A stanza that was sent and not acknowledged (XEP-0198). */
struct unacked {
	unsigned message; /* of the ledger; 0: another stanza */
	char *xml;
	struct unacked *prev, *next;
};

struct sim;

struct client {
	struct sim *sim;
	unsigned account;
	char name[32]; /* "u3/r1" */
	char user[32], resource[32];
	const char *domain;
	char *bare;
	char *full; /* as bound */
	struct sim_host *host;
	struct loop *loop;
	struct rng rng;
	struct tls_context *tls, *tls_direct;

	bool managed; /* wants XEP-0198 */
	bool direct;  /* TLS without STARTTLS */
	bool scram;

	enum client_state state;
	struct conn *conn;
	struct frame frame;
	struct stanza_parser *parser;
	struct stream_ns ns;
	bool dropped; /* in frame_push(): the stream is over */
	struct timer timer; /* of the state */
	struct timer act;   /* the next deed */
	struct timer alive; /* pings the server */
	uint64_t heard_at;
	unsigned attempts;
	bool wanted; /* to be online */
	bool idle;   /* does nothing by itself */
	bool deaf;   /* reads no more: misbehaviour */
	struct scram_exchange *exchange;

	unsigned session; /* of the ledger; 0: none */
	bool sm_offered, sm_on;
	char *resume_id; /* NULL: cannot resume */
	uint32_t handled; /* stanzas that we have handled */
	uint32_t acked;	  /* of ours, by the server */
	struct unacked *unacked;

	bool rostered;	 /* the roster came */
	bool check_roster; /* compare the next one with what we have */
	struct contact *contacts;
	struct sight *sights;
	char status[80]; /* what our presence says */
	bool available;
	unsigned presence_count, iq_count;
	uint64_t logins, resumes, failed_resumes, lost_connections;
};

struct client *client_new(struct sim *sim, unsigned account,
			  const char *domain, unsigned resource);
void client_free(struct client **client);

/* Wants to be online from now on, or not: with a good-bye. */
void client_go_online(struct client *client);
void client_go_offline(struct client *client);
/* After some milliseconds, when it is off. */
void client_come_back(struct client *client, uint64_t ms);

/* Its connection breaks; it will come back. `forget`: and does not know of its
 * session any more. */
void client_cut(struct client *client, bool forget);
/* Goes, and stays away until client_go_online(): with a good-bye or by dying. */
void client_leave(struct client *client, bool clean);

bool client_is_online(const struct client *client);

/* Writes a stanza, counted by XEP-0198. `message`: its number in the ledger,
 * or 0. */
void client_send(struct client *client, unsigned message, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));
/* Anything that is not counted. */
void client_write(struct client *client, const char *text);

/* A chat message, to a bare or full JID of the account. */
void client_chat(struct client *client, const char *to, unsigned account,
		 size_t size);
void client_set_status(struct client *client);
void client_ask_roster(struct client *client, bool check);
void client_lose(struct client *client, const char *why);

/* -- client_auth.c ---------------------------------------------------------- */

void client_auth_begin(struct client *client);
/* An element in the SASL namespace; false: it failed. */
void client_auth_element(struct client *client, const struct element *element);
void client_auth_free(struct client *client);

/* -- client_sm.c: XEP-0198 -------------------------------------------------- */

/* An element in its namespace. */
void client_sm_element(struct client *client, const struct element *element);
/* After the log-in: true when it tries to resume. */
bool client_sm_resume(struct client *client);
void client_sm_enable(struct client *client);
void client_sm_request(struct client *client);
void client_sm_ack(struct client *client);
/* What the session had is given up; `clean`: after a good-bye. */
void client_sm_forget(struct client *client, bool clean);
void client_bind(struct client *client);
void client_started(struct client *client, bool resumed);

/* -- client_stanza.c: what comes when it is online -------------------------- */

void client_stanza(struct client *client, const struct element *stanza);
void client_forget_sights(struct client *client);
void client_stanza_free(struct client *client);

/* -- client_act.c: what it does by itself ----------------------------------- */

void client_act_start(struct client *client);

#endif
