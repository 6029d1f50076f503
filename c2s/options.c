/* SPDX-License-Identifier: Apache-2.0
 *
 * The option table of c2s, the single truth about its configuration.
 */
#include "c2s/options.h"

#include "util/role/config_check.h"

#define ROW(opt, kind, member, def, low, high, text)                           \
	{                                                                      \
		.name = opt, .type = kind,                                     \
		.offset = offsetof(struct c2s_config, member),                 \
		.fallback = def, .min = low, .max = high, .help = text         \
	}

#define SECOND INT64_C(1000)
#define KILO   INT64_C(1024)

static const struct option c2s_rows[] = {
	COMMON_OPTIONS(struct c2s_config),
	ACCEPTOR_OPTIONS(struct c2s_config, "*:5222", "*:5223", "1000",
			 "5000"),
	ROW("limit-stanza-before-auth", OPTION_SIZE, stanza_before, "8K",
	    1 * KILO, 1024 * KILO,
	    "bytes of one element before authentication"),
	ROW("limit-stanza", OPTION_SIZE, stanza_after, "256K", 10000,
	    65536 * KILO, "bytes of one stanza"),
	ROW("limit-depth", OPTION_NUMBER, depth, "64", 8, 1000,
	    "depth of elements within a stanza"),
	ROW("limit-attributes", OPTION_NUMBER, attributes, "64", 8, 10000,
	    "attributes of one element"),
	ROW("limit-name", OPTION_SIZE, name, "256", 64, 64 * KILO,
	    "bytes of the name of an element or attribute"),
	ROW("limit-rate", OPTION_SIZE, rate, "1M", 0, 0,
	    "bytes that a client may send per second; 0: any number"),
	ROW("limit-burst", OPTION_SIZE, burst, "4M", 64 * KILO, 0,
	    "bytes that it may send at once"),
	ROW("limit-write-queue", OPTION_SIZE, write_queue, "4M", 64 * KILO, 0,
	    "bytes that wait for a client before it is cut off"),
	ROW("auth-timeout", OPTION_DURATION, auth_timeout, "30s", 1 * SECOND, 0,
	    "time to log in"),
	ROW("idle-timeout", OPTION_DURATION, idle_timeout, "24h", 0, 0,
	    "time without a byte from a client; 0: for ever"),
	ROW("write-timeout", OPTION_DURATION, write_timeout, "60s", 0, 0,
	    "time that a client takes nothing of what waits for it"),
	ROW("ack-timeout", OPTION_DURATION, ack_timeout, "90s", 0, 0,
	    "time without a sign of life when an acknowledgement is due "
	    "(XEP-0198); 0: for ever"),
	ROW("resume-location", OPTION_STRING, resume_location, NULL, 0, 0,
	    "HOST:PORT that clients should come back to (XEP-0198)"),
	ROW("see-other-host", OPTION_STRING, see_other_host, NULL, 0, 0,
	    "HOST:PORT that clients are sent to when this c2s is drained"),
	ROW("drain-grace", OPTION_DURATION, drain_grace, "10s", 0, 86400000,
	    "time over which they are sent away"),
	ROW("recover-timeout", OPTION_DURATION, recover_timeout, "5m",
	    1 * SECOND, 0, "time that a session waits for a lost sm"),
	{ .name = NULL }
};

const struct section c2s_section = {
	.name = "c2s",
	.titled = true,
	.size = sizeof(struct c2s_config),
	.options = c2s_rows,
};

const struct section *const c2s_sections[] = { &c2s_section, &domain_section,
					       NULL };

static int check_section(const void *values, struct error *err)
{
	const struct c2s_config *options = values;

	return acceptor_check(&options->acceptor, err);
}

static int check_domain(const struct config *config,
			const struct domain_options *options,
			struct error *err)
{
	(void)config;
	if (!options->certificate)
		return error_set(err, "certificate is missing");
	if (!options->key)
		return error_set(err, "key is missing");
	if (config_check_file("certificate", options->certificate, err) < 0)
		return -1;
	if (options->client_crl && !options->client_ca)
		return error_set(err, "client-crl needs client-ca");
	if (config_check_file("client-ca", options->client_ca, err) < 0 ||
	    config_check_file("client-crl", options->client_crl, err) < 0)
		return -1;
	return config_check_file("key", options->key, err);
}

int c2s_config_check(const struct config *config, struct error *err)
{
	if (config_count(config, "c2s") == 0)
		return 0;
	if (config_check_sections(config, "c2s", check_section, err) < 0)
		return -1;
	return config_check_domains(config, check_domain, err);
}
