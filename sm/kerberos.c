/* SPDX-License-Identifier: Apache-2.0
 *
 * The GSSAPI library, and the threads in which it accepts tokens. libgsasl
 * has these mechanisms too, but takes one keytab for the whole process, blocks
 * the loop, and keeps to itself why a ticket is not good.
 */
#include "sm/kerberos.h"

#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/timer.h"
#include "util/net/worker.h"

#define THREADS	  2
#define BATCH_MAX 8

struct kerberos_pool {
	struct worker *worker;
};

struct kerberos_acceptor {
	struct kerberos_pool *pool;
	char *keytab;
	gss_cred_id_t credentials;
	unsigned refs;
};

struct kerberos_context {
	struct worker_job job;
	struct kerberos_acceptor *acceptor;
	kerberos_done_cb *done;
	void *ctx;
	gss_ctx_id_t gss;
	char *token;
	size_t token_len;
	char *binding; /* NULL: none */
	size_t binding_len;
	struct kerberos_result result;
	bool running;  /* a thread has it */
	bool orphaned; /* to be freed when that has ended */
};

/* -- errors ---------------------------------------------------------------- */

/* What the library says of a status; the Kerberos part says more, if it has
 * something to say. */
static void describe(OM_uint32 major, OM_uint32 minor, char *to, size_t size)
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 ignored, more = 0;
	bool mechanism = minor != 0;

	*to = '\0';
	if (gss_display_status(&ignored, mechanism ? minor : major,
			       mechanism ? GSS_C_MECH_CODE : GSS_C_GSS_CODE,
			       GSS_C_NO_OID, &more, &text) == GSS_S_COMPLETE)
		snprintf(to, size, "%.*s", (int)text.length,
			 (const char *)text.value);
	gss_release_buffer(&ignored, &text);
}

/* Our own trouble is not the client's failure. That the keytab is not there
 * looks like a key that is not in it, and is found out otherwise. */
static bool is_ours(OM_uint32 minor)
{
	switch ((krb5_error_code)minor) {
	case EACCES:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
	case KRB5_KT_BADNAME:
	case KRB5_KT_IOERR:
	case KRB5_KT_UNKNOWN_TYPE:
	case KRB5_KEYTAB_BADVNO:
	case KRB5_RC_IO:
	case KRB5_RC_IO_IO:
	case KRB5_RC_IO_MALLOC:
	case KRB5_RC_IO_PERM:
	case KRB5_RC_IO_SPACE:
	case KRB5_RC_IO_UNKNOWN:
	case KRB5_CONFIG_BADFORMAT:
	case KRB5_CONFIG_CANTOPEN:
		return true;
	default:
		return false;
	}
}

static const char *condition_of(OM_uint32 major, OM_uint32 minor)
{
	if (minor == (OM_uint32)KRB5KRB_AP_ERR_TKT_EXPIRED ||
	    GSS_ROUTINE_ERROR(major) == GSS_S_CREDENTIALS_EXPIRED ||
	    GSS_ROUTINE_ERROR(major) == GSS_S_CONTEXT_EXPIRED)
		return "credentials-expired";
	if (is_ours(minor))
		return "temporary-auth-failure";
	if (GSS_ROUTINE_ERROR(major) == GSS_S_DEFECTIVE_TOKEN)
		return "malformed-request";
	return "not-authorized";
}

static void fail(struct kerberos_context *context, OM_uint32 major,
		 OM_uint32 minor)
{
	struct kerberos_result *result = &context->result;
	const char *keytab = context->acceptor->keytab;

	result->state = KERBEROS_FAILED;
	if (access(keytab, R_OK) != 0) {
		result->condition = "temporary-auth-failure";
		snprintf(result->reason, sizeof(result->reason), "%s: %s",
			 keytab, strerror(errno));
		return;
	}
	result->condition = condition_of(major, minor);
	describe(major, minor, result->reason, sizeof(result->reason));
}

/* -- in a thread ----------------------------------------------------------- */

static char *name_text(gss_name_t name)
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	char *copy = NULL;

	if (gss_display_name(&minor, name, &text, NULL) == GSS_S_COMPLETE &&
	    memchr(text.value, '\0', text.length) == NULL)
		copy = mem_strndup(text.value, text.length);
	gss_release_buffer(&minor, &text);
	return copy;
}

/* Who the two are, and what they agreed upon. */
static void inquire(struct kerberos_context *context)
{
	struct kerberos_result *result = &context->result;
	gss_name_t client = GSS_C_NO_NAME, service = GSS_C_NO_NAME;
	OM_uint32 flags = 0, minor, ignored;
	OM_uint32 major = gss_inquire_context(&minor, context->gss, &client,
					      &service, NULL, NULL, &flags,
					      NULL, NULL);

	if (major != GSS_S_COMPLETE) {
		fail(context, major, minor);
		return;
	}
	result->client = name_text(client);
	result->service = name_text(service);
	result->bound = (flags & GSS_C_CHANNEL_BOUND_FLAG) != 0;
	result->mutual = (flags & GSS_C_MUTUAL_FLAG) != 0;
	gss_release_name(&ignored, &client);
	gss_release_name(&ignored, &service);
	if (result->client != NULL && result->service != NULL) {
		result->state = KERBEROS_DONE;
		return;
	}
	result->state = KERBEROS_FAILED;
	result->condition = "not-authorized";
	str_copy(result->reason, sizeof(result->reason),
		 "a principal has no name");
}

static void accept_token(struct kerberos_context *context)
{
	struct kerberos_result *result = &context->result;
	gss_buffer_desc input = { .length = context->token_len,
				  .value = context->token };
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	struct gss_channel_bindings_struct bindings = {
		.application_data = { .length = context->binding_len,
				      .value = context->binding },
	};
	OM_uint32 minor, ignored;
	OM_uint32 major = gss_accept_sec_context(
		&minor, &context->gss, context->acceptor->credentials, &input,
		context->binding != NULL ? &bindings
					 : GSS_C_NO_CHANNEL_BINDINGS,
		NULL, NULL, &output, NULL, NULL, NULL);

	if (GSS_ERROR(major)) {
		fail(context, major, minor);
	} else {
		buf_add(&result->output, output.value, output.length);
		if (major & GSS_S_CONTINUE_NEEDED)
			result->state = KERBEROS_MORE;
		else
			inquire(context);
	}
	gss_release_buffer(&ignored, &output);
}

static void thread(struct worker_job *jobs, size_t count, void *ctx)
{
	(void)ctx;
	for (; count > 0; count--, jobs = jobs->next)
		accept_token(container_of(jobs, struct kerberos_context, job));
}

/* -- contexts -------------------------------------------------------------- */

static void result_clear(struct kerberos_result *result)
{
	buf_free(&result->output);
	mem_free(result->client);
	mem_free(result->service);
	memset(result, 0, sizeof(*result));
}

static void token_clear(struct kerberos_context *context)
{
	mem_free(context->token);
	mem_free(context->binding);
	context->token = NULL;
	context->binding = NULL;
}

static void context_delete(struct kerberos_context *context)
{
	OM_uint32 minor;

	gss_delete_sec_context(&minor, &context->gss, GSS_C_NO_BUFFER);
	kerberos_acceptor_unref(&context->acceptor);
	token_clear(context);
	result_clear(&context->result);
	mem_free(context);
}

static void accepted(struct worker_job *job)
{
	struct kerberos_context *context =
		container_of(job, struct kerberos_context, job);

	context->running = false;
	if (context->orphaned) {
		context_delete(context);
		return;
	}
	token_clear(context);
	context->done(&context->result, context->ctx);
}

struct kerberos_context *
kerberos_context_new(struct kerberos_acceptor *acceptor,
		     kerberos_done_cb *done, void *ctx)
{
	struct kerberos_context *context = mem_new(struct kerberos_context);

	acceptor->refs++;
	context->acceptor = acceptor;
	context->done = done;
	context->ctx = ctx;
	context->gss = GSS_C_NO_CONTEXT;
	return context;
}

void kerberos_accept(struct kerberos_context *context, const void *token,
		     size_t len, const struct buf *binding)
{
	result_clear(&context->result);
	context->token = mem_dup(token, len);
	context->token_len = len;
	if (binding != NULL) {
		context->binding = mem_dup(buf_data(binding), binding->len);
		context->binding_len = binding->len;
	}
	context->running = true;
	context->job = (struct worker_job){ .done = accepted };
	worker_submit(context->acceptor->pool->worker, &context->job);
}

int kerberos_wrap(struct kerberos_context *context, const void *bytes,
		  size_t len, struct buf *to)
{
	gss_buffer_desc input = { .length = len, .value = (void *)bytes };
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	int encrypted = 0;
	OM_uint32 major = gss_wrap(&minor, context->gss, 0, GSS_C_QOP_DEFAULT,
				   &input, &encrypted, &output);

	if (major == GSS_S_COMPLETE)
		buf_add(to, output.value, output.length);
	gss_release_buffer(&minor, &output);
	return major == GSS_S_COMPLETE ? 0 : -1;
}

int kerberos_unwrap(struct kerberos_context *context, const void *bytes,
		    size_t len, struct buf *to)
{
	gss_buffer_desc input = { .length = len, .value = (void *)bytes };
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	OM_uint32 major = gss_unwrap(&minor, context->gss, &input, &output,
				     NULL, NULL);

	if (major == GSS_S_COMPLETE)
		buf_add(to, output.value, output.length);
	gss_release_buffer(&minor, &output);
	return major == GSS_S_COMPLETE ? 0 : -1;
}

void kerberos_context_free(struct kerberos_context **context)
{
	struct kerberos_context *c = *context;

	*context = NULL;
	if (c == NULL)
		return;
	c->orphaned = true;
	if (!c->running)
		context_delete(c);
}

/* -- keytabs and threads --------------------------------------------------- */

struct kerberos_pool *kerberos_pool_new(struct loop *loop, struct error *err)
{
	struct kerberos_pool *pool = mem_new(struct kerberos_pool);

	pool->worker = worker_new(loop, "kerberos", THREADS, BATCH_MAX, thread,
				  NULL, err);
	if (pool->worker == NULL) {
		mem_free(pool);
		return NULL;
	}
	return pool;
}

void kerberos_pool_free(struct kerberos_pool **pool)
{
	struct kerberos_pool *p = *pool;

	*pool = NULL;
	if (p == NULL)
		return;
	worker_free(&p->worker);
	mem_free(p);
}

/* Any key of the file will do: which service a ticket was for is looked at
 * when it has been read. */
struct kerberos_acceptor *kerberos_acceptor_new(struct kerberos_pool *pool,
						const char *keytab,
						struct error *err)
{
	struct kerberos_acceptor *acceptor = mem_new(struct kerberos_acceptor);
	char *name = mem_printf("FILE:%s", keytab);
	gss_key_value_element_desc element = { .key = "keytab",
					       .value = name };
	gss_key_value_set_desc store = { .count = 1, .elements = &element };
	gss_OID_set_desc mechanisms = { .count = 1,
					.elements = (void *)gss_mech_krb5 };
	OM_uint32 minor, major;
	char reason[200];

	major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE,
				      &mechanisms, GSS_C_ACCEPT, &store,
				      &acceptor->credentials, NULL, NULL);
	mem_free(name);
	if (major == GSS_S_COMPLETE) {
		acceptor->pool = pool;
		acceptor->refs = 1;
		acceptor->keytab = mem_strdup(keytab);
		return acceptor;
	}
	describe(major, minor, reason, sizeof(reason));
	error_set(err, "%s: %s", keytab, reason);
	mem_free(acceptor);
	return NULL;
}

void kerberos_acceptor_unref(struct kerberos_acceptor **acceptor)
{
	struct kerberos_acceptor *a = *acceptor;
	OM_uint32 minor;

	*acceptor = NULL;
	if (a == NULL || --a->refs > 0)
		return;
	gss_release_cred(&minor, &a->credentials);
	mem_free(a->keytab);
	mem_free(a);
}
