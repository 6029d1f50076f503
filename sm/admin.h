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

/* sm/admin_accounts.c */
void admin_user_list(struct command_call *call, void *ctx);
void admin_user_import(struct command_call *call, void *ctx);

/* The word for the result of a command. */
const char *admin_status(enum storage_status status);

/* The domain's driver that accounts can be created with; NULL after the
 * command was answered. */
struct auth *admin_writable_auth(struct command_call *call,
				 const struct sm_domain *domain);

#endif
