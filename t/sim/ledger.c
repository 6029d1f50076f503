/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger: memory of what was said, and its judgement at the end.
 */
#include "t/sim/ledger.h"

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

struct message {
	unsigned session, to;
	char *from;
	uint64_t sent_at, received_at; /* at first */
	unsigned received; /* by how many sessions, counted with repeats */
	unsigned receiver; /* the last session that got it */
	unsigned bounced;
	bool accepted;
	bool calm; /* sent after the faults */
};

struct session {
	unsigned account;
	bool managed;
	bool connected;
	bool over;
	bool clean; /* its end */
	uint64_t began_at;
};

/* The last message from one session that another one saw, of those that came
 * at once or of those that had waited; and every message that it saw. */
struct last {
	unsigned key[3]; /* receiver, sender, delayed */
	unsigned number;
	UT_hash_handle hh;
};

struct seen {
	unsigned key[2]; /* session, number */
	UT_hash_handle hh;
};

struct ledger {
	struct verdict *verdict;
	struct ledger_account *accounts;
	unsigned account_count;
	struct message *messages; /* from 1 */
	unsigned message_count, message_room;
	struct session *sessions; /* from 1 */
	unsigned session_count, session_room;
	struct last *last;
	struct seen *seen;
	bool calm, strict;
	struct ledger_totals totals;
};

struct ledger *ledger_new(struct verdict *verdict, unsigned accounts,
			  bool strict)
{
	struct ledger *ledger = mem_new(struct ledger);

	ledger->verdict = verdict;
	ledger->account_count = accounts;
	ledger->strict = strict;
	ledger->accounts = mem_calloc(accounts, sizeof(*ledger->accounts));
	return ledger;
}

void ledger_free(struct ledger **ledger_ptr)
{
	struct ledger *ledger = *ledger_ptr;
	struct last *last, *last_next;
	struct seen *seen, *seen_next;

	*ledger_ptr = NULL;
	HASH_ITER(hh, ledger->last, last, last_next) {
		HASH_DEL(ledger->last, last);
		mem_free(last);
	}
	HASH_ITER(hh, ledger->seen, seen, seen_next) {
		HASH_DEL(ledger->seen, seen);
		mem_free(seen);
	}
	for (unsigned i = 1; i <= ledger->message_count; i++)
		mem_free(ledger->messages[i].from);
	mem_free(ledger->messages);
	mem_free(ledger->sessions);
	mem_free(ledger->accounts);
	mem_free(ledger);
}

void ledger_set_managed(struct ledger *ledger, unsigned account, bool managed)
{
	ledger->accounts[account].managed = managed;
}

unsigned ledger_session(struct ledger *ledger, unsigned account, bool managed)
{
	if (ledger->session_count + 2 > ledger->session_room) {
		ledger->session_room = 2 * ledger->session_room + 64;
		ledger->sessions = mem_realloc(ledger->sessions,
					       ledger->session_room,
					       sizeof(*ledger->sessions));
	}
	ledger->sessions[++ledger->session_count] = (struct session){
		.account = account,
		.managed = managed,
		.began_at = ledger->verdict->world->now,
	};
	return ledger->session_count;
}

void ledger_session_over(struct ledger *ledger, unsigned session, bool clean)
{
	if (!session)
		return;
	ledger->sessions[session].over = true;
	ledger->sessions[session].clean = clean;
	/* One that crashed has acknowledged less than it got. */
	ledger->sessions[session].connected = false;
}

void ledger_session_connected(struct ledger *ledger, unsigned session,
			      bool connected)
{
	if (session)
		ledger->sessions[session].connected = connected;
}

unsigned ledger_sent(struct ledger *ledger, unsigned session, const char *from,
		     unsigned to_account)
{
	if (ledger->message_count + 2 > ledger->message_room) {
		ledger->message_room = 2 * ledger->message_room + 256;
		ledger->messages = mem_realloc(ledger->messages,
					       ledger->message_room,
					       sizeof(*ledger->messages));
	}
	ledger->messages[++ledger->message_count] = (struct message){
		.session = session,
		.to = to_account,
		.from = mem_strdup(from),
		.sent_at = ledger->verdict->world->now,
		.calm = ledger->calm,
	};
	ledger->totals.sent++;
	return ledger->message_count;
}

void ledger_accepted(struct ledger *ledger, unsigned message)
{
	if (ledger->messages[message].accepted)
		return;
	ledger->messages[message].accepted = true;
	ledger->totals.accepted++;
}

/* Notes that the session has seen the message; false: not for the first
 * time. */
static bool see(struct ledger *ledger, unsigned session, unsigned number)
{
	unsigned key[2] = { session, number };
	struct seen *seen;

	HASH_FIND(hh, ledger->seen, key, sizeof(key), seen);
	if (seen)
		return false;
	seen = mem_new(struct seen);
	seen->key[0] = session;
	seen->key[1] = number;
	HASH_ADD(hh, ledger->seen, key, sizeof(seen->key), seen);
	return true;
}

/* What a client had for certain must not come to a later session. Certain is
 * what it acknowledged, as it does before it says good-bye: of what it did not
 * (it crashed, or was cut and forgot) XEP-0198 section 4 lets the server send
 * all to the next session. */
static void check_again(struct ledger *ledger, unsigned number,
			unsigned session)
{
	const struct message *message = &ledger->messages[number];
	const struct session *before = &ledger->sessions[message->receiver];

	if (ledger->strict &&
	    ledger->sessions[session].began_at > message->received_at &&
	    (before->clean || before->connected))
		verdict_fail(ledger->verdict, "no duplicates",
			     "session %u got message %u, which session %u had "
			     "before", session, number, message->receiver);
}

static void check_order(struct ledger *ledger, unsigned session,
			unsigned number, bool delayed)
{
	unsigned key[3] = { session, ledger->messages[number].session,
			    delayed };
	struct last *last;

	HASH_FIND(hh, ledger->last, key, sizeof(key), last);
	if (!last) {
		last = mem_new(struct last);
		last->key[0] = key[0];
		last->key[1] = key[1];
		last->key[2] = key[2];
		HASH_ADD(hh, ledger->last, key, sizeof(last->key), last);
	} else if (last->number > number) {
		verdict_fail(ledger->verdict, "order",
			     "session %u saw message %u after %u (both of "
			     "session %u%s)", session, number, last->number,
			     key[1], delayed ? ", delayed" : "");
	}
	last->number = number;
}

/* Whether there is such a message. */
static bool known(struct ledger *ledger, unsigned session, unsigned number)
{
	if (number > 0 && number <= ledger->message_count)
		return true;
	verdict_fail(ledger->verdict, "nothing forged",
		     "session %u got message %u that nobody sent", session,
		     number);
	return false;
}

void ledger_received(struct ledger *ledger, unsigned session,
		     unsigned number, const char *from, bool delayed)
{
	struct message *message;

	if (!known(ledger, session, number))
		return;
	message = &ledger->messages[number];
	if (!str_equal(message->from, from))
		verdict_fail(ledger->verdict, "nothing forged",
			     "message %u of %s came from %s", number,
			     message->from, from);
	if (message->to != ledger->sessions[session].account)
		verdict_fail(ledger->verdict, "nothing astray",
			     "message %u came to account %u instead of %u",
			     number, ledger->sessions[session].account,
			     message->to);
	ledger->totals.received++;
	if (!delayed && ledger->verdict->world->now - message->sent_at >
				ledger->totals.slowest)
		ledger->totals.slowest =
			ledger->verdict->world->now - message->sent_at;
	if (message->received++ == 0)
		message->received_at = ledger->verdict->world->now;
	else
		check_again(ledger, number, session);
	message->receiver = session;
	if (!see(ledger, session, number)) {
		ledger->totals.repeats++;
		verdict_fail(ledger->verdict, "no duplicates",
			     "session %u%s got message %u twice", session,
			     ledger->sessions[session].managed ? " (managed)"
							       : "",
			     number);
		return;
	}
	if (message->bounced)
		verdict_fail(ledger->verdict, "exactly one fate",
			     "message %u was bounced, then delivered",
			     number);
	check_order(ledger, session, number, delayed);
}

/* Whether what the session got stays with it, in the eyes of the server. */
static bool is_firm(const struct ledger *ledger, unsigned number)
{
	const struct session *session = &ledger->sessions[number];

	return session->managed && session->connected && !session->over;
}

void ledger_bounced(struct ledger *ledger, unsigned session, unsigned number)
{
	struct message *message;

	if (!known(ledger, session, number))
		return;
	message = &ledger->messages[number];
	ledger->totals.bounced++;
	if (message->session != session)
		verdict_fail(ledger->verdict, "nothing astray",
			     "the error for message %u came to session %u "
			     "instead of %u", number, session,
			     message->session);
	if (message->bounced++)
		verdict_fail(ledger->verdict, "exactly one fate",
			     "message %u was bounced twice", number);
	else if (message->received && is_firm(ledger, message->receiver))
		verdict_fail(ledger->verdict, "exactly one fate",
			     "message %u was delivered, then bounced", number);
}

void ledger_calm(struct ledger *ledger)
{
	ledger->calm = true;
}

void ledger_check(struct ledger *ledger)
{
	for (unsigned i = 1; i <= ledger->message_count; i++) {
		const struct message *message = &ledger->messages[i];

		if (message->received || message->bounced)
			continue;
		if (message->calm)
			verdict_fail(ledger->verdict, "everything flows",
				     "message %u, sent after the faults, is "
				     "lost", i);
		else if (message->accepted &&
			 ledger->accounts[message->to].managed)
			verdict_fail(ledger->verdict, "nothing lost",
				     "message %u of session %u to account %u "
				     "was accepted and is lost", i,
				     message->session, message->to);
		else
			ledger->totals.lost_unaccepted++;
	}
}

void ledger_totals(const struct ledger *ledger, struct ledger_totals *totals)
{
	*totals = ledger->totals;
}
