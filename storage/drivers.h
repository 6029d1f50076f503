/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding a driver by its name: first among those built in, then as a
 * loadable object DIRECTORY/NAME.so.
 */
#ifndef STORAGE_DRIVERS_H
#define STORAGE_DRIVERS_H

#include "storage/auth.h"
#include "storage/driver.h"
#include "storage/people_driver.h"

/* The object that a driver came from; zeroed for one built in. */
struct loaded_driver {
	void *handle;
};

/* NULL with a sentence when there is none of that name or it was built for
 * another version of the interface. `dir` NULL: DRIVERDIR. The driver is
 * valid until driver_unload(). */
const struct storage_driver *storage_driver_find(const char *name,
						 const char *dir,
						 struct loaded_driver *loaded,
						 struct error *err);
const struct auth_driver *auth_driver_find(const char *name, const char *dir,
					   struct loaded_driver *loaded,
					   struct error *err);
const struct people_driver *people_driver_find(const char *name,
					       const char *dir,
					       struct loaded_driver *loaded,
					       struct error *err);

void driver_unload(struct loaded_driver *loaded);

extern const struct storage_driver storage_driver_memory;
extern const struct storage_driver storage_driver_sqlite;
extern const struct auth_driver auth_driver_storage;
extern const struct auth_driver auth_driver_pipe;

#endif
