/* SPDX-License-Identifier: Apache-2.0
 *
 * chappe-sm: the session manager as a process.
 */
#include "sm/sm.h"

int main(int argc, char *argv[])
{
	return daemon_main(&sm_role, argc, argv);
}
