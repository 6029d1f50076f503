/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the modules. Which ones there are is in modules.c.
 */
#include "sm/module.h"

#include <assert.h>

static size_t module_index(const struct sm *sm, const struct sm_module *module)
{
	size_t i = 0;

	while (i < sm->module_count && sm->modules[i] != module)
		i++;
	assert(i < sm->module_count);
	return i;
}

void *module_data(const struct sm *sm, const struct sm_module *module)
{
	return sm->module_data[module_index(sm, module)];
}

void *module_user_data(const struct user *user,
		       const struct sm_module *module)
{
	return user->module_data[module_index(user->sm, module)];
}

void *module_session_data(const struct session *session,
			  const struct sm_module *module)
{
	return session->module_data[module_index(session->sm, module)];
}
