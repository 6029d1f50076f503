/* SPDX-License-Identifier: Apache-2.0
 *
 * The program chappe-db.
 */
#include "db/db.h"

int main(int argc, char *argv[])
{
	return db_main(argc, argv);
}
