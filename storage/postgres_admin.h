/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks of a PostgreSQL database.
 */
#ifndef STORAGE_POSTGRES_ADMIN_H
#define STORAGE_POSTGRES_ADMIN_H

#include "storage/storage_admin.h"

extern const struct storage_admin postgres_admin;

#endif
