/* SPDX-License-Identifier: Apache-2.0
 *
 * chappe-s2s: streams to and from other servers.
 */
#include "s2s/s2s.h"

int main(int argc, char *argv[])
{
	return daemon_main(&s2s_role, argc, argv);
}
