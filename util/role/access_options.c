/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the section `access`.
 */
#include "util/role/access_options.h"

#include <stddef.h>

#define ROW(opt, kind, member, def, words, text)                             \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct access_options, member),                 \
	  .fallback = def, .choices = words, .help = text }

const char *const access_directions[] = { "both", "out", "in", NULL };
const char *const access_actions[] = { "allow", "deny", NULL };

static const char *const trust_choices[] = { "any", "permissive", "verified",
					     "encrypted", "trusted", NULL };

/* The conditions that can mean "you may not". */
static const char *const error_choices[] = {
	"not-allowed",		   "forbidden",
	"policy-violation",	   "service-unavailable",
	"not-acceptable",	   "not-authorized",
	"item-not-found",	   "recipient-unavailable",
	"registration-required",   "subscription-required",
	"remote-server-not-found", NULL
};

static const enum stanza_error errors[] = {
	STANZA_NOT_ALLOWED,	      STANZA_FORBIDDEN,
	STANZA_POLICY_VIOLATION,      STANZA_SERVICE_UNAVAILABLE,
	STANZA_NOT_ACCEPTABLE,	      STANZA_NOT_AUTHORIZED,
	STANZA_ITEM_NOT_FOUND,	      STANZA_RECIPIENT_UNAVAILABLE,
	STANZA_REGISTRATION_REQUIRED, STANZA_SUBSCRIPTION_REQUIRED,
	STANZA_REMOTE_SERVER_NOT_FOUND
};

enum stanza_error access_options_error(const struct access_options *options)
{
	return errors[options->error];
}

static const struct option access_rows[] = {
	ROW("who", OPTION_LIST, who, "*", NULL,
	    "addresses here: JIDs, domains, patterns, group:NAME"),
	ROW("whom", OPTION_LIST, whom, "*", NULL,
	    "the other side: JIDs, domains, patterns, outside, inside"),
	ROW("what", OPTION_LIST, what, "message, presence, iq", NULL,
	    "message, presence, subscription, iq"),
	ROW("namespace", OPTION_LIST, ns, NULL, NULL,
	    "namespaces of the payload, or patterns; empty: any"),
	ROW("direction", OPTION_CHOICE, direction, "both", access_directions,
	    "both; out: what `who` sends; in: what comes for `who`"),
	ROW("action", OPTION_CHOICE, action, "deny", access_actions,
	    "allow or deny"),
	ROW("trust", OPTION_CHOICE, trust, "any", trust_choices,
	    "what another server must reach for allow; less is denied"),
	ROW("error", OPTION_CHOICE, error, "not-allowed", error_choices,
	    "condition of the error that the sender gets"),
	ROW("text", OPTION_STRING, text, NULL, NULL,
	    "sentence in that error"),
	ROW("presence-error", OPTION_BOOL, presence_error, "no", NULL,
	    "presence that is denied is answered too, not dropped"),
	{ .name = NULL }
};

const struct section access_section = {
	.name = "access",
	.titled = true,
	.size = sizeof(struct access_options),
	.options = access_rows,
};
