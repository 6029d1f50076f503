/* SPDX-License-Identifier: Apache-2.0
 *
 * The drivers that there are in the simulated world, in place of
 * storage/drivers.c: nothing is loaded.
 */
#include "storage/drivers.h"

#include "t/sim/store.h"
#include "util/base/str.h"

const struct storage_driver *storage_driver_find(const char *name,
						 const char *dir,
						 struct loaded_driver *loaded,
						 struct error *err)
{
	(void)dir;
	(void)loaded;
	if (str_equal(name, storage_driver_sim.name))
		return &storage_driver_sim;
	if (str_equal(name, storage_driver_memory.name))
		return &storage_driver_memory;
	error_set(err, "there is no driver \"%s\" in this world", name);
	return NULL;
}

const struct auth_driver *auth_driver_find(const char *name, const char *dir,
					   struct loaded_driver *loaded,
					   struct error *err)
{
	(void)dir;
	(void)loaded;
	if (str_equal(name, auth_driver_storage.name))
		return &auth_driver_storage;
	error_set(err, "there is no driver \"%s\" in this world", name);
	return NULL;
}

/* No driver here has anything to tell of people. */
const struct people_driver *people_driver_find(const char *name,
					       const char *dir,
					       struct loaded_driver *loaded,
					       struct error *err)
{
	(void)name;
	(void)dir;
	(void)loaded;
	err->text[0] = '\0';
	return NULL;
}

void driver_unload(struct loaded_driver *loaded)
{
	(void)loaded;
}
