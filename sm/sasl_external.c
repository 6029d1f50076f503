/* SPDX-License-Identifier: Apache-2.0
 *
 * EXTERNAL (RFC 4422 appendix A, XEP-0178 section 2): c2s has checked the
 * client's certificate and says whose it is. What is left is to choose, and to
 * look up that there is such a user.
 */
#include <string.h>

#include "sm/exchange.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define NAMES_MAX 32

struct certificate_login {
	char *names[NAMES_MAX]; /* bare JIDs */
	size_t count;
};

void external_start(struct exchange *exchange, const struct element *element)
{
	struct certificate_login *login = mem_new(struct certificate_login);
	const struct element *name = element_child(element, "name", NS_LINK);

	for (; name != NULL && login->count < NAMES_MAX;
	     name = element_next_same(name))
		login->names[login->count++] = mem_strdup(element_text(name));
	exchange->data = login;
}

void external_release(struct exchange *exchange)
{
	struct certificate_login *login = exchange->data;

	if (login == NULL)
		return;
	while (login->count > 0)
		mem_free(login->names[--login->count]);
	mem_free(login);
	exchange->data = NULL;
}

bool external_usable(const struct sm_domain *domain)
{
	return domain->options->client_ca != NULL;
}

/* The one that the client means: with an authorisation identity that name,
 * without one the only one. NULL: there is no such name. */
static struct jid *choose(const struct certificate_login *login,
			  const char *authzid)
{
	struct jid *wanted;

	if (*authzid == '\0')
		return login->count == 1 ? jid_parse(login->names[0]) : NULL;
	wanted = jid_parse(authzid);
	for (size_t i = 0; wanted != NULL && i < login->count; i++) {
		if (str_equal(jid_full(wanted), login->names[i]))
			return wanted;
	}
	jid_free(&wanted);
	return NULL;
}

void external_first(struct exchange *exchange, const char *bytes, size_t len)
{
	const struct certificate_login *login = exchange->data;
	struct jid *jid;

	if (memchr(bytes, '\0', len) != NULL) {
		exchange_fail(exchange, FAILURE_FREE, "malformed-request",
			      NULL);
		return;
	}
	if (login->count == 0) {
		exchange_fail(exchange, FAILURE_FREE, "not-authorized",
			      "there is no certificate that is good here");
		return;
	}
	jid = choose(login, bytes);
	if (jid == NULL ||
	    !str_equal(jid_domain(jid), exchange->domain->name))
		exchange_fail(exchange, FAILURE_FREE, "invalid-authzid",
			      *bytes != '\0' ?
				      "the certificate is not for that address" :
				      "the certificate is for several addresses");
	else if (exchange_identify(exchange, jid_local(jid), NULL) == 0)
		exchange_succeed_known(exchange, NULL);
	jid_free(&jid);
}
