/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the options of a domain that are about log-ins. Apart from the
 * mechanisms, so that whoever checks a configuration does not need them.
 */
#include "sm/sasl_options.h"

#include "sm/kerberos_map.h"
#include "util/base/str.h"

/* All of sm/sasl_mechanisms.c; a unit test compares. */
const char *const sasl_mechanism_names[] = {
	"EXTERNAL", "GS2-KRB5-PLUS", "GS2-KRB5", "GSSAPI", "SCRAM-SHA-256-PLUS",
	"SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", NULL
};

static int check_mechanism(const char *name, struct error *err)
{
	const char *const *known = sasl_mechanism_names;

	for (; *known != NULL; known++) {
		if (str_equal(name, *known))
			return 0;
	}
	return error_set(err, "mechanisms: \"%s\" is no mechanism of this "
			 "server", name);
}

int sasl_options_check(const struct domain_options *options,
		       struct error *err)
{
	char *const *at;

	for (at = options->mechanisms; at != NULL && *at != NULL; at++) {
		if (check_mechanism(*at, err) != 0)
			return -1;
	}
	for (at = options->kerberos_map; at != NULL && *at != NULL; at++) {
		if (kerberos_map_check(*at, err) != 0)
			return error_prefix(err, "kerberos-map");
	}
	return 0;
}
