/* SPDX-License-Identifier: Apache-2.0
 *
 * The role sm: its start, reload and end, and what comes from the link, handed
 * to whoever it is for.
 */
#include "sm/sm.h"

#include "sm/access.h"
#include "sm/admin.h"
#include "sm/domain.h"
#include "sm/drain.h"
#include "sm/handover.h"
#include "sm/management.h"
#include "sm/modules/csi.h"
#include "sm/module.h"
#include "sm/peer.h"
#include "sm/roster.h"
#include "sm/registration.h"
#include "sm/sasl.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* How long a stop waits for what is being stored, and looks at it. */
#define STOP_MAX 5000
#define STOP_STEP 10

/* After the link's good-bye, for its last bytes. */
#define STOP_LINGER 50

/* -- to the link ----------------------------------------------------------- */

struct stanza *sm_control_new(const char *name)
{
	return stanza_new(name, NS_LINK);
}

enum link_sent sm_send_control(struct sm *sm, const char *at,
			       const char *session,
			       const struct stanza *control)
{
	struct envelope envelope = {
		.at = at,
		.session = session,
		.control = true,
	};

	if (sm->link == NULL)
		return LINK_NO_ROUTE;
	buf_clear(&sm->out, 65536);
	stanza_write(control, &sm->out);
	envelope.payload = buf_data(&sm->out);
	envelope.payload_len = sm->out.len;
	return link_send(sm->link, &envelope);
}

/* -- from the link --------------------------------------------------------- */

static void control_received(struct sm *sm, const struct envelope *envelope,
			     struct work *work)
{
	struct error err;
	struct stanza *control = envelope_parse(envelope, sm->parser, &err);
	const char *name = control != NULL ? control->root->name : NULL;

	if (control != NULL && str_equal(control->root->ns, NS_SM))
		management_control(sm, envelope, control);
	else if (control != NULL && str_equal(control->root->ns, NS_CSI))
		csi_control(sm, envelope, control);
	else if (control == NULL || !str_equal(control->root->ns, NS_LINK))
		log_warning(sm->log, "control.malformed",
			    LOG_S("from", envelope->from),
			    LOG_S("reason", control == NULL ?
						    err.text : "namespace"));
	else if (sasl_is_control(name))
		sasl_control(sm, envelope, control);
	else if (str_equal(name, "open") || str_equal(name, "reopen") ||
		 str_equal(name, "closed") || str_equal(name, "resume") ||
		 str_equal(name, "returned") || str_equal(name, "release") ||
		 str_equal(name, "adopt"))
		session_control(sm, envelope, control, work);
	else if (str_equal(name, "settled"))
		handover_settled(sm, envelope, control);
	else if (str_equal(name, "register"))
		registration_control(sm, envelope, control, work);
	else
		log_warning(sm->log, "control.unknown",
			    LOG_S("from", envelope->from),
			    LOG_S("name", name));
	stanza_free(&control);
}

static void on_received(struct link *link, const struct envelope *envelope,
			struct link_receipt receipt, void *ctx)
{
	struct sm *sm = ctx;
	struct work *work;

	(void)link;
	/* What is not acknowledged is sent to somebody else when we are
	 * gone. */
	if (sm->stopping)
		return;
	work = work_new(sm, receipt);
	if (envelope->control)
		control_received(sm, envelope, work);
	else if (envelope->session != NULL)
		session_envelope(sm, envelope, work);
	else
		route_received(sm, envelope, work);
	work_release(&work);
}

static void on_delivered(struct link *link, uint64_t token, void *ctx)
{
	(void)link;
	(void)ctx;
	token_delivered(token);
}

static void on_drained(struct link *link, const char *at, void *ctx)
{
	struct sm *sm = ctx;
	struct session *session, *next;

	(void)link;
	HASH_ITER(hh, sm->sessions, session, next) {
		if (str_equal(session->c2s, at))
			session_flush_held(session);
	}
}

static void on_undelivered(struct link *link, const struct envelope *envelope,
			   const char *reason, void *ctx)
{
	(void)link;
	route_undelivered(ctx, envelope, reason);
}

static void check_ready(struct sm *sm)
{
	if (sm->ready || !domains_bound(sm))
		return;
	sm->ready = true;
	log_notice(sm->log, "sm.ready",
		   LOG_N("domains", HASH_COUNT(sm->domains)));
	sm->env->ready(sm->env);
}

static void on_members(struct link *link, const char *name, void *ctx)
{
	struct sm *sm = ctx;

	(void)link;
	if (sm_domain(sm, name) != NULL) {
		handover_members(sm, name);
		users_rebalance(sm);
		check_ready(sm);
	} else {
		peers_update(sm, name);
		handover_check(sm);
	}
}

static void on_state(struct link *link, bool connected, void *ctx)
{
	struct sm *sm = ctx;

	(void)link;
	if (!connected) {
		log_notice(sm->log, "sm.waiting", LOG_S("for", "a router"));
		return;
	}
	log_info(sm->log, "sm.connected");
	peers_update(sm, NULL);
	check_ready(sm);
}

static const struct link_handlers handlers = {
	.received = on_received,
	.delivered = on_delivered,
	.undelivered = on_undelivered,
	.drained = on_drained,
	.members = on_members,
	.state = on_state,
	.command = admin_command,
};

/* -- start ----------------------------------------------------------------- */

static int modules_start(struct sm *sm, struct error *err)
{
	for (size_t i = 0; i < sm->module_count; i++) {
		const struct sm_module *module = sm->modules[i];

		if (module->start != NULL && module->start(sm, err) != 0)
			return error_prefix(err, "module %s", module->name);
		sm->modules_started = i + 1;
	}
	return 0;
}

static void modules_allocate(struct sm *sm)
{
	sm->modules = sm_modules;
	while (sm->modules[sm->module_count] != NULL)
		sm->module_count++;
	sm->module_data =
		mem_calloc(sm->module_count, sizeof(*sm->module_data));
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->data_size > 0)
			sm->module_data[i] =
				mem_alloc(sm->modules[i]->data_size);
	}
}

static const struct sm_options *find_options(const struct role_env *env,
					     struct error *err)
{
	const struct sm_options *options =
		config_find(env->config, "sm", env->instance);

	if (options == NULL)
		error_set(err, "there is no section sm \"%s\"", env->instance);
	else if (options->ticket_secret_file == NULL)
		error_set(err, "sm \"%s\": ticket-secret-file is missing",
			  env->instance);
	else
		return options;
	return NULL;
}

static int link_start(struct sm *sm, struct error *err)
{
	const char **names = domains_names(sm);

	sm->link = role_link_new(sm->env, &sm->options->common, names,
				 &handlers, sm, err);
	mem_free(names);
	return sm->link != NULL ? 0 : -1;
}

static void sm_free(void *state);

static void *sm_start(struct role_env *env, struct error *err)
{
	const struct sm_options *options = find_options(env, err);
	struct sm *sm;

	if (options == NULL)
		return NULL;
	sm = mem_new(struct sm);
	sm->env = env;
	sm->loop = env->loop;
	sm->log = env->log;
	sm->options = options;
	sm->started = loop_now(sm->loop);
	sm->parser = stanza_parser_new();
	drain_init(&sm->drain, &sm_drain_ops, sm->loop, sm->log, sm);
	modules_allocate(sm);
	sm->ticket_secret =
		config_read_secret(options->ticket_secret_file, err);
	sm->access = access_new(env->config, NULL, err);
	if (sm->access == NULL || sm->ticket_secret == NULL ||
	    sasl_start(sm, err) != 0 ||
	    domains_load(sm, env->config, err) != 0 ||
	    modules_start(sm, err) != 0 || link_start(sm, err) != 0) {
		sm_free(sm);
		return NULL;
	}
	sm_access_loaded(sm);
	log_info(sm->log, "sm.start",
		 LOG_N("domains", HASH_COUNT(sm->domains)));
	return sm;
}

static int sm_reload(void *state, struct error *err)
{
	struct sm *sm = state;
	const struct sm_options *options = find_options(sm->env, err);
	struct access *access;

	if (options == NULL)
		return -1;
	access = access_new(sm->env->config, sm->access, err);
	if (access == NULL)
		return -1;
	if (domains_load(sm, sm->env->config, err) != 0) {
		access_free(&access);
		return -1;
	}
	access_free(&sm->access);
	sm->access = access;
	sm->options = options;
	sm_access_loaded(sm);
	sasl_push_mechanisms(sm);
	return 0;
}

/* -- end ------------------------------------------------------------------- */

static void stop_done(struct timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, stop_timer);

	sm->env->stopped(sm->env);
}

static void stop_step(struct timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, stop_timer);
	uint64_t waited = loop_now(sm->loop) - sm->stop_began;

	if (waited < STOP_MAX &&
	    (domains_pending(sm) > 0 || sm->task_count > 0 ||
	     sm->commands > 0 || sm->works != NULL)) {
		timer_start(&sm->stop_timer, sm->loop, STOP_STEP, stop_step);
		return;
	}
	link_close(&sm->link);
	timer_start(&sm->stop_timer, sm->loop, STOP_LINGER, stop_done);
}

/* Clients are not told: their c2s keep the streams and open the sessions at
 * another sm, or here when we are back. */
static void sm_stop(void *state)
{
	struct sm *sm = state;

	if (sm->stopping)
		return;
	sm->stopping = true;
	sm->stop_began = loop_now(sm->loop);
	log_info(sm->log, "sm.stop", LOG_N("sessions", sm->session_count));
	drain_stop(&sm->drain);
	sasl_stop(sm);
	timer_start(&sm->stop_timer, sm->loop, 0, stop_step);
}

static void modules_free(struct sm *sm)
{
	for (size_t i = 0; i < sm->modules_started; i++) {
		if (sm->modules[i]->stop != NULL)
			sm->modules[i]->stop(sm);
	}
	for (size_t i = 0; i < sm->module_count; i++)
		mem_free(sm->module_data[i]);
	mem_free(sm->module_data);
}

static void sm_free(void *state)
{
	struct sm *sm = state;

	if (sm == NULL)
		return;
	sm->stopping = true;
	drain_stop(&sm->drain);
	timer_stop(&sm->stop_timer);
	if (sm->link != NULL)
		link_close(&sm->link);
	rosters_unload(sm);
	/* The drivers first: their last callbacks find everything here. */
	sasl_stop(sm);
	domains_close(sm);
	tasks_free(sm);
	users_free(sm);
	handover_free(sm);
	unacked_free_all(sm);
	works_free(sm);
	modules_free(sm);
	sasl_free(sm);
	domains_free(sm);
	stanza_parser_free(&sm->parser);
	buf_free(&sm->out);
	access_free(&sm->access);
	mem_free_secret(sm->ticket_secret);
	mem_free(sm);
}

static const struct section *const sections[] = {
	&sm_section, &domain_section, &storage_section, &ldap_section,
	&pipe_section, &access_section, NULL
};

const struct role sm_role = {
	.name = "sm",
	.sections = sections,
	.check = sm_config_check,
	.start = sm_start,
	.reload = sm_reload,
	.stop = sm_stop,
	.free = sm_free,
	.metrics = sm_metrics,
};
