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
	for (size_t i = 0; i < result->document_count; i++) {
		mem_free(result->documents[i].key);
		mem_free(result->documents[i].data);
	}
	mem_free(result->documents);
	mem_free(result->roster);
	mem_free(result->messages);
	mem_free(result->names);
	mem_free(result->data);
	mem_wipe(result, sizeof(*result));
}

static void copy_rows(struct storage_result *to,
		      const struct storage_result *from)
{
	size_t count = from->count;

	if (from->roster != NULL)
		to->roster = mem_calloc(count + 1, sizeof(*to->roster));
	if (from->messages != NULL)
		to->messages = mem_calloc(count + 1, sizeof(*to->messages));
	if (from->names != NULL)
		to->names = mem_calloc(count + 1, sizeof(*to->names));
	for (size_t i = 0; i < count; i++) {
		if (from->roster != NULL)
			roster_item_copy(&to->roster[i], &from->roster[i]);
		if (from->names != NULL)
			to->names[i] = mem_strdup(from->names[i]);
		if (from->messages == NULL)
			continue;
		to->messages[i] = from->messages[i];
		to->messages[i].stanza = mem_dup(from->messages[i].stanza,
						 from->messages[i].len + 1);
	}
}

void storage_result_copy(struct storage_result *to,
			 const struct storage_result *from)
{
	*to = *from;
	if (from->data != NULL)
		to->data = mem_dup(from->data, from->data_len + 1);
	if (from->documents != NULL)
		to->documents = mem_calloc(from->document_count + 1,
					   sizeof(*to->documents));
	for (size_t i = 0; i < from->document_count; i++) {
		const struct storage_document *document = &from->documents[i];

		to->documents[i] = (struct storage_document){
			.key = mem_strdup(document->key),
			.data = mem_dup(document->data, document->len + 1),
			.len = document->len,
		};
	}
	copy_rows(to, from);
}
