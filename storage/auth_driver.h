/* SPDX-License-Identifier: Apache-2.0
 *
 * What an authentication driver is given. A driver is a const struct
 * auth_driver (storage/auth.h): built in, or exported by a loadable object
 * DRIVERDIR/NAME.so under the name `chappe_auth_driver`. This header is
 * installed, so that drivers can be written outside of this project.
 */
#ifndef STORAGE_AUTH_DRIVER_H
#define STORAGE_AUTH_DRIVER_H

#include "storage/auth.h"

/* What an object that is loaded exports:
 *	const struct auth_driver chappe_auth_driver = { ... }; */
#define AUTH_DRIVER_SYMBOL "chappe_auth_driver"

enum auth_op {
	AUTH_OP_LOOKUP,
	AUTH_OP_CHECK,
	AUTH_OP_CREATE,
	AUTH_OP_SET,
	AUTH_OP_REMOVE,
	AUTH_OP_LIST
};

/* One call, with copies of its arguments; part of what the front end keeps of
 * it. The driver fills `result` (heap memory that the front end frees) and
 * calls auth_request_done() on the loop's thread, never inside of the call
 * that gave it the request. */
struct auth_request {
	enum auth_op op;
	char *user;	/* prepared bare JID; for list: the domain */
	char *password; /* check, create, set: prepared, never to be logged;
			 * else NULL */
	char *after;	/* list; or NULL */
	size_t limit;	/* list */
	struct account account; /* create, set: the new keys */
	struct auth_result result;
	void *driver_data;
};

/* Ends the driver's part in the request. `status` as of the calls in
 * storage/auth.h; result.reason is set with UNAVAILABLE. */
void auth_request_done(struct auth_request *request,
		       enum storage_status status);

#endif
