/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator to an sm (docs/link.md section 7).
 */
#ifndef SM_ADMIN_H
#define SM_ADMIN_H

#include "sm/sm.h"
#include "util/role/command.h"

/* For link_handlers.command. */
void admin_command(struct link *link, const char *from,
		   const struct stanza *stanza, void *ctx);

/* sm/admin_user.c: ctx is the struct sm. */
void admin_user_add(struct command_call *call, void *ctx);
void admin_user_passwd(struct command_call *call, void *ctx);
void admin_user_del(struct command_call *call, void *ctx);
void admin_user_show(struct command_call *call, void *ctx);
void admin_user_unlock(struct command_call *call, void *ctx);

/* sm/admin_accounts.c */
void admin_user_list(struct command_call *call, void *ctx);
void admin_user_import(struct command_call *call, void *ctx);

/* For commands that are answered later: counts them from begin to finish, so
 * that a stop waits for them. */
void admin_begin(struct sm *sm);
void admin_finish(struct sm *sm, struct command_call *call, const char *status,
		  const char *text);

/* The word for the result of a command. */
const char *admin_status(enum storage_status status);

#endif
