/* SPDX-License-Identifier: Apache-2.0
 *
 * The drivers that are built in, and the loader for all others. What a driver
 * does with its requests is no business of this file.
 */
#include "storage/drivers.h"

#include <dlfcn.h>
#include <string.h>

#include "storage/auth_driver.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static const struct storage_driver *const storage_drivers[] = {
	&storage_driver_memory,
	&storage_driver_sqlite,
};

static const struct auth_driver *const auth_drivers[] = {
	&auth_driver_storage,
	&auth_driver_pipe,
};

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The name becomes part of a path, so it is one plain word. */
static bool name_is_word(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	return name[0] != '\0' && strspn(name, allowed) == strlen(name);
}

static const void *load(const char *name, const char *dir, const char *symbol,
			struct loaded_driver *loaded, struct error *err)
{
	char *path;
	const void *driver = NULL;

	if (!name_is_word(name)) {
		error_set(err, "\"%s\" is not the name of a driver", name);
		return NULL;
	}
	path = mem_printf("%s/%s.so", dir != NULL ? dir : DRIVERDIR, name);
	loaded->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (loaded->handle == NULL)
		error_set(err, "there is no driver \"%s\": %s", name,
			  dlerror());
	else if ((driver = dlsym(loaded->handle, symbol)) == NULL)
		error_set(err, "%s has no %s", path, symbol);
	mem_free(path);
	return driver;
}

static int check_abi(const char *name, unsigned found, unsigned wanted,
		     struct error *err)
{
	if (found == wanted)
		return 0;
	return error_set(err, "driver \"%s\" was built for version %u of the "
			 "driver interface, this program has version %u",
			 name, found, wanted);
}

const struct storage_driver *storage_driver_find(const char *name,
						 const char *dir,
						 struct loaded_driver *loaded,
						 struct error *err)
{
	const struct storage_driver *driver;

	for (size_t i = 0; i < ARRAY_LENGTH(storage_drivers); i++) {
		if (str_equal(storage_drivers[i]->name, name))
			return storage_drivers[i];
	}
	driver = load(name, dir, STORAGE_DRIVER_SYMBOL, loaded, err);
	if (driver != NULL &&
	    check_abi(name, driver->abi, STORAGE_DRIVER_ABI, err) == 0)
		return driver;
	driver_unload(loaded);
	return NULL;
}

const struct auth_driver *auth_driver_find(const char *name, const char *dir,
					   struct loaded_driver *loaded,
					   struct error *err)
{
	const struct auth_driver *driver;

	for (size_t i = 0; i < ARRAY_LENGTH(auth_drivers); i++) {
		if (str_equal(auth_drivers[i]->name, name))
			return auth_drivers[i];
	}
	driver = load(name, dir, AUTH_DRIVER_SYMBOL, loaded, err);
	if (driver != NULL &&
	    check_abi(name, driver->abi, AUTH_DRIVER_ABI, err) == 0)
		return driver;
	driver_unload(loaded);
	return NULL;
}

const struct people_driver *people_driver_find(const char *name,
					       const char *dir,
					       struct loaded_driver *loaded,
					       struct error *err)
{
	const struct people_driver *driver =
		load(name, dir, PEOPLE_DRIVER_SYMBOL, loaded, err);

	if (driver != NULL &&
	    check_abi(name, driver->abi, PEOPLE_DRIVER_ABI, err) == 0)
		return driver;
	driver_unload(loaded);
	return NULL;
}

void driver_unload(struct loaded_driver *loaded)
{
	if (loaded->handle != NULL)
		dlclose(loaded->handle);
	loaded->handle = NULL;
}
