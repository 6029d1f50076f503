/* SPDX-License-Identifier: Apache-2.0
 *
 * An example of a driver of people: two of them, in one group, told at the end
 * of the turn; everybody's vCard is the same, and searching finds nobody.
 */
#include <string.h>

#include "storage/people_driver.h"
#include "util/base/mem.h"
#include "util/net/timer.h"

struct example_people {
	struct loop *loop;
	struct people *people;
	char *domain;
	struct deferred deferred;
};

static void tell(struct deferred *deferred)
{
	struct example_people *example =
		container_of(deferred, struct example_people, deferred);
	char *romeo = mem_printf("romeo@%s", example->domain);
	char *juliet = mem_printf("juliet@%s", example->domain);
	struct people_person *both[2] = {
		people_put(example->people, romeo, "Romeo", false, 1),
		people_put(example->people, juliet, NULL, false, 1),
	};

	people_group_set(people_group_add(example->people, "Lovers", true),
			 both, 2);
	people_set_ready(example->people);
	mem_free(romeo);
	mem_free(juliet);
}

static void *example_open(const struct people_setup *setup,
			  struct people *people, struct error *err)
{
	struct example_people *example;

	if (strchr(setup->domain, '.') == NULL) {
		error_set(err, "the domain has to have a dot");
		return NULL;
	}
	example = mem_new(struct example_people);
	example->loop = setup->loop;
	example->people = people;
	example->domain = mem_strdup(setup->domain);
	loop_defer(setup->loop, &example->deferred, tell);
	return example;
}

static void example_close(void *state)
{
	struct example_people *example = state;

	loop_defer_cancel(example->loop, &example->deferred);
	mem_free(example->domain);
	mem_free(example);
}

static bool example_has_cards(void *state)
{
	(void)state;
	return true;
}

/* people_request_done() may be called at once: it is the front end that waits
 * for the end of the turn. */
static void example_ask(void *state, struct people_request *request)
{
	(void)state;
	if (request->op == PEOPLE_OP_CARD) {
		request->result.rows = mem_new(struct people_row);
		request->result.count = 1;
		people_row_add(request->result.rows, "FN", "Somebody", 8);
	}
	people_request_done(request, STORAGE_OK);
}

extern const struct people_driver chappe_people_driver;
const struct people_driver chappe_people_driver = {
	.abi = PEOPLE_DRIVER_ABI,
	.name = "people",
	.open = example_open,
	.close = example_close,
	.has_cards = example_has_cards,
	.ask = example_ask,
};
