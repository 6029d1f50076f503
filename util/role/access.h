/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may talk to whom: the rules of the sections `access`, in the order of
 * the file; the first that matches a stanza decides, and what none matches is
 * allowed. sm asks for its users, s2s for components (ARCHITECTURE.md); what
 * becomes of a denied stanza is theirs.
 *
 * A rule is about `who`, an address of ours, and `whom`, the other side. Of a
 * stanza between two addresses of ours, either may be who.
 *
 * Answers are judged like what they answer: results and errors of all kinds,
 * `subscribed` and `unsubscribed`, and also probes, since presence flows the
 * other way. So a rule about one direction never cuts off the replies of the
 * other, and nobody gets around a rule by calling a message an error.
 */
#ifndef UTIL_ROLE_ACCESS_H
#define UTIL_ROLE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/log.h"
#include "util/role/access_options.h"
#include "util/role/access_party.h"
#include "util/role/config.h"
#include "util/role/trust_level.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/stanza.h"

enum access_what {
	ACCESS_MESSAGE = 1,
	ACCESS_PRESENCE = 2,
	ACCESS_SUBSCRIPTION = 4, /* presence that asks for it or ends it */
	ACCESS_IQ = 8
};

struct access; /* all rules, compiled */

struct access_rule {
	char *name;
	unsigned line; /* of the configuration file */
	struct access_options *options;
	uint64_t matched, denied; /* stanzas; kept over a reload, by name */
	/* private: */
	struct access_party who, whom;
	unsigned what; /* enum access_what */
};

struct access_query {
	const struct jid *from, *to;
	bool from_here, to_here; /* served by this deployment */
	enum access_what what;
	bool reverse; /* judged as if it went the other way */
	bool empty;   /* an answer without payload: says nothing */
	const struct element *root; /* for the namespaces; NULL: `ns` */
	const char *ns;		    /* NULL: none */
	enum trust trust; /* of the stream it came in on; from ours: trusted */
	access_group_cb *in_group; /* NULL: there are no groups */
	void *group_ctx;
};

struct access_verdict {
	bool allowed;
	struct access_rule *rule; /* that decided; NULL: the default */
	/* What the stream to the other server must have reached: -1: that is
	 * all the same, else an enum trust. */
	int need;
	bool untrusted; /* denied, because the trust was too little */
	bool unknown;	/* denied for now: who is in a group is not known */
};

/* Compiles the rules; an old set (or NULL) gives its counters to rules of the
 * same names. NULL with err, "FILE:LINE: access "NAME": why". */
struct access *access_new(const struct config *config,
			  const struct access *old, struct error *err);
void access_free(struct access **access);

/* The same, only to see whether it can be done. */
int access_check(const struct config *config, struct error *err);

/* No rules: nothing needs to be asked. NULL is allowed. */
bool access_is_empty(const struct access *access);

/* Fills what, reverse, empty and root from a message, presence or iq. */
void access_query_read(struct access_query *query,
		       const struct element *stanza);

/* Decides; does not count. Neither from nor to here: allowed. */
struct access_verdict access_find(const struct access *access,
				  const struct access_query *query);

/* Decides and counts. */
struct access_verdict access_judge(struct access *access,
				   const struct access_query *query);

/* One line `access.denied` a second at most, with the number of those that
 * had none (`now` in ms). */
void access_log_denied(struct access *access, struct log *log, uint64_t now,
		       const struct access_query *query,
		       const struct access_verdict *verdict);

/* The condition of an error, and a sentence for it: NUL-terminated, at most
 * `size` bytes. */
enum stanza_error access_error(const struct access_verdict *verdict);
void access_text(const struct access_verdict *verdict, char *to, size_t size);

/* The i-th rule in the order of the file; NULL: no more. */
const struct access_rule *access_get(const struct access *access, size_t i);

/* The first rule that names a group; NULL: none does. */
const struct access_rule *access_with_group(const struct access *access);

/* Stanzas that no rule matched. */
uint64_t access_unmatched(const struct access *access);

/* "FILE:LINE" of a rule. */
void access_place(const struct access *access, const struct access_rule *rule,
		  char *to, size_t size);

/* Two counters for each rule. */
void access_metrics(const struct access *access, struct buf *to);

#endif
