/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of clients that are not logged in (XEP-0077), on their way between
 * a c2s and the module that answers them.
 */
#include "sm/module.h"

#include "sm/registration.h"
#include "util/base/mem.h"
#include "util/base/str.h"

void registration_answer(struct registration *registration,
			 struct stanza *reply)
{
	struct stanza *control = sm_control_new("registered");

	/* There is no address before a log-in. */
	element_set_attr(reply->root, "to", NULL);
	element_add_copy(control->root, reply->root);
	stanza_free(&reply);
	session_answer(registration->sm, registration->c2s,
		       registration->session, control);
	stanza_free(&registration->iq);
	work_release(&registration->work);
	mem_free(registration->address);
	mem_free(registration->c2s);
	mem_free(registration->session);
	mem_free(registration);
}

static bool is_request(const struct stanza *iq)
{
	const char *type = element_attr(iq->root, "type");
	const struct element *child = element_first(iq->root);

	return (str_equal(type, "get") || str_equal(type, "set")) &&
	       child != NULL && element_next(child) == NULL;
}

static const struct sm_module *registration_module(const struct sm *sm)
{
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->registration != NULL)
			return sm->modules[i];
	}
	return NULL;
}

void registration_control(struct sm *sm, const struct envelope *envelope,
			  const struct stanza *control, struct work *work)
{
	const struct sm_module *module = registration_module(sm);
	const struct element *iq =
		element_child(control->root, "iq", NS_CLIENT);
	struct registration *registration;

	if (iq == NULL || envelope->session == NULL)
		return;
	registration = mem_new(struct registration);
	registration->sm = sm;
	registration->domain =
		sm_domain(sm, element_attr(control->root, "domain"));
	registration->address =
		mem_strdup(element_attr(control->root, "address"));
	registration->iq = stanza_from_element(iq);
	registration->work = work_hold(work);
	registration->c2s = mem_strdup(envelope->from);
	registration->session = mem_strdup(envelope->session);
	if (!is_request(registration->iq))
		registration_answer(
			registration,
			stanza_error_new(registration->iq, STANZA_BAD_REQUEST,
					 NULL));
	else if (module == NULL || registration->domain == NULL ||
		 !registration->domain->options->registration)
		registration_answer(
			registration,
			stanza_error_new(registration->iq,
					 STANZA_SERVICE_UNAVAILABLE, NULL));
	else
		module->registration(registration);
}
