/* SPDX-License-Identifier: Apache-2.0
 *
 * chappe-router: see router.c for what it does.
 */
#include "router/router.h"

int main(int argc, char *argv[])
{
	return daemon_main(&router_role, argc, argv);
}
