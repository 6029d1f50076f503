/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks of an SQLite file.
 */
#ifndef STORAGE_SQLITE_ADMIN_H
#define STORAGE_SQLITE_ADMIN_H

#include "storage/storage_admin.h"

extern const struct storage_admin sqlite_admin;

#endif
