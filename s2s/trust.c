/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels of trust: which one is required, and whether a certificate gives the
 * highest.
 */
#include "s2s/trust.h"

#include <stdio.h>

#include "s2s/posh.h"
#include "util/base/str.h"
#include "util/net/certificate.h"

/* -- what is required ----------------------------------------------------- */

static bool is_for_local(const struct remote_section *section,
			 const char *local)
{
	if (!section->local || !section->local[0])
		return true;
	for (char **at = section->local; *at; at++) {
		if (str_matches(local, *at))
			return true;
	}
	return false;
}

static const struct remote_section *find_section(const struct s2s *s2s,
						 const char *local,
						 const char *remote)
{
	const struct config *config = s2s->env->config;
	const struct remote_section *section, *by_pattern = NULL;
	const char *title;

	for (size_t i = 0; i < config_count(config, "remote"); i++) {
		section = config_get(config, "remote", i, &title);
		if (!is_for_local(section, local))
			continue;
		if (str_equal_nocase(title, remote))
			return section;
		if (!by_pattern && str_matches(remote, title))
			by_pattern = section;
	}
	return by_pattern;
}

struct s2s_policy s2s_policy(const struct s2s *s2s, const char *local,
			     const char *remote)
{
	struct s2s_policy policy = {
		.required = (enum trust)s2s->config->trust,
		.section = find_section(s2s, local, remote),
	};

	if (policy.section) {
		if (policy.section->trust > 0)
			policy.required =
				(enum trust)(policy.section->trust - 1);
		policy.refuse = policy.section->refuse;
	}
	return policy;
}

/* -- what was shown ------------------------------------------------------- */

static bool is_pinned(const struct s2s_policy *policy, const void *der,
		      size_t len)
{
	char pin[CERTIFICATE_PIN_SIZE];

	if (!policy->section || !policy->section->pins ||
	    certificate_pin(der, len, pin) < 0)
		return false;
	for (char **at = policy->section->pins; *at; at++) {
		if (str_equal(*at, pin))
			return true;
	}
	return false;
}

bool s2s_is_identified(const struct s2s *s2s, const struct conn *conn,
		       const struct s2s_policy *policy, const char *remote,
		       const struct s2s_dane *dane, char why[TRUST_WHY_MAX])
{
	size_t len;
	const void *der = conn_peer_certificate(conn, &len);

	if (!der) {
		str_copy(why, TRUST_WHY_MAX, "it showed no certificate");
		return false;
	}
	if (is_pinned(policy, der, len))
		return true;
	if (dane && s2s_dane_matches(dane, conn, remote))
		return true;
	if (dane) {
		str_copy(why, TRUST_WHY_MAX,
			 "its certificate is not the one that its DNS "
			 "announces");
		return false;
	}
	if (s2s_posh_vouches(s2s, remote, der, len))
		return true;
	if (!conn_peer_genuine(conn, why, TRUST_WHY_MAX))
		return false;
	if (certificate_is_for(der, len, remote))
		return true;
	str_copy(why, TRUST_WHY_MAX, "its certificate is for another name");
	return false;
}

/* -- what is missing ------------------------------------------------------ */

const char *s2s_trust_lack(enum trust reached, const char *why,
			   char text[TRUST_LACK_MAX])
{
	static const char *const plain[] = {
		[TRUST_PERMISSIVE] = "nobody confirmed who it is",
		[TRUST_VERIFIED] = "it is not encrypted",
		[TRUST_ENCRYPTED] = "it shows no valid certificate",
	};

	if (reached == TRUST_TRUSTED)
		return NULL;
	if (reached != TRUST_ENCRYPTED || !why || !*why)
		why = plain[reached];
	snprintf(text, TRUST_LACK_MAX, "%s: %s", trust_names[reached + 1],
		 why);
	return text;
}

void s2s_trust_trial(struct s2s *s2s, enum s2s_direction direction,
		     const char *local, const char *remote, enum trust reached,
		     const char *why)
{
	int trial = s2s->config->trial;
	char text[TRUST_LACK_MAX];

	if ((int)reached >= trial)
		return;
	s2s->stats.trial_failed[direction]++;
	log_notice(s2s->log, "trust.trial",
		   LOG_S("direction", direction == S2S_IN ? "in" : "out"),
		   LOG_S("local", local), LOG_S("remote", remote),
		   LOG_S("reached", trust_names[reached]),
		   LOG_S("tried", trust_names[trial]),
		   LOG_S("lacks", s2s_trust_lack(reached, why, text)));
}
