/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying and freeing what goes through the storage interface: roster items
 * and results. Shared by the front end and by drivers.
 */
#include "storage/driver.h"

#include <string.h>

#include "util/base/mem.h"

static char **groups_copy(char *const *groups)
{
	size_t count = 0;
	char **copy;

	if (groups == NULL || groups[0] == NULL)
		return NULL;
	while (groups[count] != NULL)
		count++;
	copy = mem_calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(groups[i]);
	return copy;
}

void roster_item_copy(struct roster_item *to, const struct roster_item *from)
{
	*to = *from;
	to->jid = mem_strdup(from->jid);
	to->name = mem_strdup(from->name);
	to->groups = groups_copy(from->groups);
	to->request = mem_strdup(from->request);
}

void roster_item_clear(struct roster_item *item)
{
	for (char **group = item->groups; group && *group; group++)
		mem_free(*group);
	mem_free(item->groups);
	mem_free(item->jid);
	mem_free(item->name);
	mem_free(item->request);
	memset(item, 0, sizeof(*item));
}

void storage_result_clear(struct storage_result *result)
{
	/* `count` counts whichever of the three arrays there is. */
	for (size_t i = 0; i < result->count; i++) {
		if (result->roster != NULL)
			roster_item_clear(&result->roster[i]);
		if (result->messages != NULL)
			mem_free(result->messages[i].stanza);
		if (result->names != NULL)
			mem_free(result->names[i]);
	}
	mem_free(result->roster);
	mem_free(result->messages);
	mem_free(result->names);
	mem_free(result->data);
	mem_wipe(result, sizeof(*result));
}
