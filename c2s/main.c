/* SPDX-License-Identifier: Apache-2.0
 *
 * chappe-c2s: client streams.
 */
#include "c2s/c2s.h"

int main(int argc, char *argv[])
{
	return daemon_main(&c2s_role, argc, argv);
}
