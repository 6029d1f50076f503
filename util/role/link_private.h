/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the link share. All state hangs from struct link.
 *
 * Glossary: a *view* is what one router says about members; a *receiver* is
 * an instance (name and epoch) that we number envelopes for, a *sender* one
 * that numbers for us; a receiver is *lost* while no router knows it.
 */
#ifndef UTIL_ROLE_LINK_PRIVATE_H
#define UTIL_ROLE_LINK_PRIVATE_H

#include "util/base/table.h"
#include "util/net/conn.h"
#include "util/net/timer.h"
#include "util/role/link.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/stanza.h"

#define EPOCH_DIGITS 16
#define LINK_KEY_MAX (EPOCH_DIGITS + 1024)

struct link_receiver;
struct link_sender;

/* An envelope that we hold: one block with all that it points to. */
struct link_item {
	struct link_item *next;
	uint64_t n;	    /* in its receiver's sequence */
	size_t size;	    /* bytes counted for it */
	bool pinned;	    /* meant for this instance alone */
	bool done;	    /* but not released: see link_sequence.c */
	unsigned stream;    /* a number for its session, or for `to` */
	uint64_t expires;   /* loop_now(); while its receiver is lost */
	const char *reason; /* a fixed sentence; when undelivered */
	struct envelope envelope;
	char data[];
};

struct link_queue {
	struct link_item *first, *last;
	size_t count, bytes;
};

/*
 *   WAITING -> CONNECTING -> HEADER -> HANDSHAKE -> ROLE -> WATCHING -> READY
 *      ^            |           |          |          |         |        |
 *      +------------+-----------+----------+----------+---------+--------+
 */
enum router_state {
	ROUTER_WAITING,	   /* for the next attempt */
	ROUTER_CONNECTING, /* also TLS */
	ROUTER_HEADER,	   /* ours was sent */
	ROUTER_HANDSHAKE,
	ROUTER_ROLE,	   /* welcome is awaited */
	ROUTER_WATCHING,   /* the view is being told */
	ROUTER_READY
};

/* An envelope as it came, while the members were being told. */
struct link_early {
	struct link_early *next;
	size_t len;
	char bytes[];
};

struct link_router {
	struct link *link;
	char *address;
	char *host; /* the name that its certificate must have */
	struct conn *conn; /* NULL in WAITING */
	enum router_state state;
	char *name; /* from its welcome; NULL before the first */
	struct frame frame;
	struct members *view; /* empty unless WATCHING or READY */
	struct timer timer; /* next attempt; time-out; keep-alive */
	unsigned attempts;
	unsigned version;	     /* that both speak */
	uint64_t heard_at, ready_at; /* loop_now() */
	bool silent; /* READY, but nothing comes: another one is preferred */
	char *reason; /* why the last attempt failed */
	struct link_early *early; /* until we are READY */
	size_t early_bytes;
};

struct link_receiver {
	struct link *link;
	char *key;  /* epoch and name in one */
	char *name; /* in key */
	char epoch[EPOCH_DIGITS + 1];
	bool lost;
	uint64_t lost_at;
	struct link_router *router; /* the way; NULL: none now */
	uint64_t last;		    /* number given out */
	uint64_t written;	    /* highest number that went out once */
	uint64_t acked;
	uint64_t got;	  /* it has all up to here, as far as it has said */
	bool selective;	  /* it says what it has got */
	bool marked;	  /* something in the queue is done */
	/* got + 1 .. last, and what of acked + 1 .. got is not processed, in
	 * order. */
	struct link_queue queue;
	uint64_t heard_at;	 /* progress, or sent after none was due */
	unsigned tries;		 /* sent again since progress */
	const struct link_router *avoid; /* was no way; NULL: none */
	uint64_t avoid_until;
	uint64_t resent_at;	 /* 0: not since progress */
	uint64_t gone_at;	 /* first `gone` without progress; 0: none */
	bool congested;		 /* until it has drained */
	bool drained;		 /* the role is to be told */
	struct timer timer;
	UT_hash_handle hh; /* link->receivers, by epoch and name */
};

struct link_range {
	uint64_t first, last;
};

struct link_sender {
	uint64_t id; /* in receipts */
	char *key;   /* epoch and name in one */
	char *name;  /* in key */
	char epoch[EPOCH_DIGITS + 1];
	uint64_t accepted;  /* all up to here have come */
	uint64_t processed; /* all up to here are done with */
	uint64_t acked;	    /* last number that was acknowledged */
	bool gap;	    /* something was missing since then */
	uint64_t told;	    /* value of accepted that was told */
	/* What was processed out of its turn since then, unordered; `all`: more
	 * than that is to be told, it is in the ring. */
	struct link_range *fresh;
	size_t fresh_count;
	bool all;
	unsigned char *done; /* ring over processed + 1 .. accepted */
	size_t room;	     /* of the ring, a power of two */
	bool present;
	uint64_t gone_at; /* when not present */
	bool ack_due;
	struct link_sender *next_due;
	UT_hash_handle hh;    /* link->senders, by epoch and name */
	UT_hash_handle hh_id; /* link->senders_by_id */
};

struct link_bind {
	char *name;
	bool refused; /* by some router; that was logged */
	struct link_bind *prev, *next;
};

#define DEAD_EPOCHS 64

struct link {
	struct loop *loop;
	struct log *log;
	char *name;
	char epoch[EPOCH_DIGITS + 1];
	char *secret;
	struct tls_context *tls;
	bool plain_role;
	size_t queue_bytes;
	struct link_handlers handlers;
	void *ctx;

	struct link_router *routers;
	size_t router_count, ready_count;
	struct members *members; /* all views together */
	char dead[DEAD_EPOCHS][EPOCH_DIGITS + 1]; /* ring of epochs */
	unsigned dead_at;
	bool risen; /* one of these lives after all */
	struct timer grace; /* runs after the first router came back */
	struct link_bind *binds;

	struct link_receiver *receivers;
	size_t lost_items; /* in queues of lost receivers */
	bool moved;	   /* members changed since these were looked at */
	struct timer hold;
	struct link_sender *senders, *senders_by_id;
	struct link_sender *due; /* those with ack_due */
	struct timer tell; /* what has come and is still at work */
	unsigned version;  /* spoken at most */
	uint64_t last_sender_id;
	struct timer sweep;

	struct link_queue loopback, undelivered;
	struct link_queue written; /* with tokens, to be told of */
	struct deferred turn;
	struct stanza_parser *parser;
	struct buf out, space;
	struct link_stats stats;
	unsigned busy; /* callbacks that we are in */
	bool closed;
};

/* -- link.c --------------------------------------------------------------- */

/* Around all work that may call the role back, from which link_close() may
 * come: it then frees at the end. */
void link_enter(struct link *link);
void link_leave(struct link *link);

struct link_item *link_item_new(const struct envelope *envelope);
void link_queue_add(struct link_queue *queue, struct link_item *item);
struct link_item *link_queue_take(struct link_queue *queue);
void link_queue_free(struct link_queue *queue);

/* Asks for link_turn() at the end of this turn of the loop. */
void link_defer(struct link *link);

/* Tells the role, if it wants to know. The item stays the caller's. */
void link_delivered(struct link *link, const struct link_item *item);

/* Hands the item over to be given back to the role. */
void link_undeliver(struct link *link, struct link_item *item,
		    const char *reason);

/* Sends what a lost receiver holds to whoever serves it now; false: nobody
 * else does. */
bool link_rehome(struct link *link, const struct link_receiver *receiver,
		 struct link_item *item);

/* An envelope for us; receipt.peer 0: not numbered. */
void link_receive(struct link *link, const struct envelope *envelope,
		  struct link_receipt receipt);

/* What receivers and senders are found by: epoch and name in one. Returns its
 * length; a name longer than any link's is cut. */
size_t link_key(char key[LINK_KEY_MAX], const char *epoch, const char *name);

/* -- link_members.c ------------------------------------------------------- */

/* A router says who serves a name. */
void link_view_set(struct link_router *router, const char *name,
		   const struct member *list, size_t count);

/* A router has told all it knows; or is lost, with its view empty. */
void link_view_complete(struct link_router *router);
void link_view_lost(struct link_router *router);

/* Whether the instance is there, as far as anybody knows. */
bool link_is_present(const struct link *link, const char *name,
		     const char *epoch);

/* Whether this router has the link of that name (and epoch, unless NULL). */
bool link_view_has(const struct link_router *router, const char *name,
		   const char *epoch);

/* The version that we and that link speak by way of this router. */
unsigned link_view_version(const struct link_router *router, const char *name,
			   const char *epoch);

/* -- link_router.c -------------------------------------------------------- */

void link_router_start(struct link_router *router);
void link_router_stop(struct link_router *router); /* says good-bye */
void link_router_free(struct link_router *router);
void link_router_write(struct link_router *router,
		       const struct envelope *envelope);
void link_router_bind(struct link_router *router, const char *element,
		      const char *name);

/* The best living router for the link `at`, NULL: none has it. One that is
 * silent, or that is to be avoided, only when there is no other. */
struct link_router *link_router_pick(const struct link *link, const char *at,
				     const char *epoch,
				     const struct link_router *avoid);

/* -- link_sequence.c ------------------------------------------------------ */

struct link_receiver *link_receiver_find(const struct link *link,
					 const char *name, const char *epoch);
struct link_receiver *link_receiver_get(struct link *link, const char *name,
					const char *epoch);

/* Numbers the item and sends it; takes it over. */
void link_receiver_send(struct link_receiver *receiver,
			struct link_item *item);
void link_receiver_free(struct link_receiver *receiver);

/* After the members of the link name changed. */
void link_receivers_update(struct link *link, const char *name);

/* After a router was lost; after views changed: those without a way look for
 * one, those that are lost for other owners of what they hold. */
void link_receivers_leave(struct link *link, const struct link_router *router);

/* The router is silent: what goes by it takes another one, if there is one. */
void link_receivers_avoid(struct link *link, const struct link_router *router);
void link_receivers_kick(struct link *link);

/* An acknowledgement or `gone` from a router. */
void link_receiver_ack(struct link *link, const struct envelope *ack);
void link_receiver_gone(struct link *link, const char *name,
			const char *epoch);

/* -- link_sender.c -------------------------------------------------------- */

/* A numbered envelope came: true when it is to be delivered. */
bool link_sender_accept(struct link *link, const struct envelope *envelope,
			struct link_receipt *receipt);
void link_senders_update(struct link *link, const char *name);
void link_sender_processed(struct link *link, struct link_receipt receipt);
void link_senders_ack(struct link *link);
void link_senders_free(struct link *link);

#endif
