/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries of OpenLDAP, 389 Directory Server, FreeIPA, eDirectory and Active
 * Directory. What follows from them is up to storage/ldap.c.
 */
#include "storage/ldap_person.h"

#include <string.h>

#include "storage/ldap_keys.h"
#include "storage/ldap_text.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

/* userAccountControl, and what Active Directory computes of it and more. */
#define UAC_DISABLED 0x2
#define UAC_LOCKED 0x10
#define UAC_EXPIRED 0x800000

/* Intervals of 100 ns since 1601: Windows' time. */
#define FILETIME_NEVER INT64_MAX
#define FILETIME_1970 INT64_C(116444736000000000)

#define MICROSECONDS_A_DAY INT64_C(86400000000)

/* draft-behera-ldap-password-policy section 5.3.3: locked for good. A time
 * means: until the lock is over, which only the server knows. */
#define LOCKED_FOR_GOOD "000001010000Z"
#define LOCKED_TIME "pwdAccountLockedTime"

static const char *const rules[] = {
	LOCKED_TIME, "nsAccountLock", "loginDisabled",
	"userAccountControl", "msDS-User-Account-Control-Computed",
	"accountExpires", "shadowExpire",
};

#define RULES (sizeof(rules) / sizeof(*rules))

static const char *const keys[] = { "authPassword", "userPassword" };

#define KEYS (sizeof(keys) / sizeof(*keys))

/* What Active Directory computes of it includes wrong passwords that somebody
 * else has tried. */
static bool is_computed(const char *rule)
{
	return str_starts(rule, "msDS-");
}

const char **ldap_person_attributes(const struct ldap_options *options)
{
	size_t stamps = 0, count = 0;
	const char **list;

	while (options->password_stamps[stamps] != NULL)
		stamps++;
	list = mem_calloc(1 + RULES + stamps + KEYS + 1, sizeof(*list));
	list[count++] = ldap_options_user_attribute(options);
	for (size_t i = 0; i < RULES; i++)
		list[count++] = rules[i];
	if (options->scram == LDAP_SCRAM_OFF)
		return list;
	for (size_t i = 0; i < stamps; i++)
		list[count++] = options->password_stamps[i];
	for (size_t i = 0; i < KEYS; i++)
		list[count++] = keys[i];
	return list;
}

char *ldap_person_jid(const struct berval *value, const char *domain)
{
	size_t len = value->bv_len;
	const char *at = memrchr(value->bv_val, '@', len);
	char *local, *bare = NULL;
	struct jid *jid;

	if (len == 0 || memchr(value->bv_val, '\0', len) != NULL)
		return NULL;
	/* An address of the domain, as of userPrincipalName or mail. */
	if (at != NULL && at > value->bv_val &&
	    len - (size_t)(at + 1 - value->bv_val) == strlen(domain) &&
	    strncasecmp(at + 1, domain, strlen(domain)) == 0)
		len = (size_t)(at - value->bv_val);
	local = ldap_text_escape_local(value->bv_val, len);
	jid = jid_new(local, domain, NULL);
	if (jid != NULL)
		bare = mem_strdup(jid_full(jid));
	jid_free(&jid);
	mem_free(local);
	return bare;
}

static bool has_name(const struct directory_entry *entry,
		     const struct ldap_options *options, const char *user)
{
	const char *domain = strchr(user, '@') + 1;
	struct berval **values =
		entry_values(entry, ldap_options_user_attribute(options));
	bool found = false;

	for (size_t i = 0; values != NULL && values[i] != NULL && !found;
	     i++) {
		char *jid = ldap_person_jid(values[i], domain);

		found = str_equal(jid, user);
		mem_free(jid);
	}
	ldap_value_free_len(values);
	return found;
}

/* -- whether it may be used ------------------------------------------------ */

static const char *check_control(int64_t control)
{
	if ((control & UAC_DISABLED) != 0)
		return "the account is disabled";
	if ((control & UAC_LOCKED) != 0)
		return "the account is locked";
	if ((control & UAC_EXPIRED) != 0)
		return "the password has expired";
	return NULL;
}

static bool is_expired(const char *attribute, int64_t number, int64_t now)
{
	if (str_equal(attribute, "accountExpires"))
		return number > 0 && number != FILETIME_NEVER &&
		       (number - FILETIME_1970) / 10 < now;
	return str_equal(attribute, "shadowExpire") && number > 0 &&
	       number < now / MICROSECONDS_A_DAY;
}

const char *ldap_person_disabled(const char *attribute, const char *value,
				 int64_t now)
{
	int64_t number;

	if (str_equal(attribute, LOCKED_TIME))
		return str_equal(value, LOCKED_FOR_GOOD) ?
			       "the account is locked" : NULL;
	if (str_equal(attribute, "nsAccountLock") ||
	    str_equal(attribute, "loginDisabled"))
		return str_equal_nocase(value, "true") ?
			       "the account is disabled" : NULL;
	if (str_to_i64(value, INT64_MIN, INT64_MAX, &number) != 0)
		return NULL;
	if (str_equal(attribute, "userAccountControl") ||
	    str_starts(attribute, "msDS-"))
		return check_control(number);
	return is_expired(attribute, number, now) ?
		       "the account has expired" : NULL;
}

static void read_rules(struct ldap_person *person,
		       const struct directory_entry *entry, int64_t now)
{
	for (size_t i = 0; i < RULES; i++) {
		char *value = entry_text(entry, rules[i]);
		const char *disabled = NULL;

		if (value != NULL)
			disabled = ldap_person_disabled(rules[i], value, now);
		if (disabled != NULL)
			person->disabled = disabled;
		if (value != NULL && str_equal(rules[i], LOCKED_TIME))
			person->locked = true;
		mem_free(value);
	}
}

/* -- keys ------------------------------------------------------------------ */

static void read_stamp(struct ldap_person *person,
		       const struct directory_entry *entry,
		       const struct ldap_options *options)
{
	for (char **name = options->password_stamps;
	     *name != NULL && person->stamp == NULL; name++)
		person->stamp = entry_text(entry, *name);
	/* It becomes one line of a text. */
	if (person->stamp != NULL && strpbrk(person->stamp, "\r\n") != NULL) {
		mem_free(person->stamp);
		person->stamp = NULL;
	}
}

static void read_keys(struct ldap_person *person,
		      const struct directory_entry *entry)
{
	for (size_t i = 0; i < KEYS; i++) {
		struct berval **values = entry_values(entry, keys[i]);

		for (size_t j = 0; values != NULL && values[j] != NULL; j++) {
			ldap_keys_read(&person->account, values[j]->bv_val,
				       values[j]->bv_len);
			mem_wipe(values[j]->bv_val, values[j]->bv_len);
		}
		ldap_value_free_len(values);
	}
}

void ldap_person_read(struct ldap_person *person,
		      const struct directory_entry *entry,
		      const struct ldap_options *options, const char *user,
		      int64_t now)
{
	if (person->count++ > 0)
		return;
	person->dn = entry_dn(entry);
	person->named = has_name(entry, options, user);
	read_rules(person, entry, now);
	if (options->scram == LDAP_SCRAM_OFF)
		return;
	read_stamp(person, entry, options);
	read_keys(person, entry);
}

void ldap_person_clear(struct ldap_person *person)
{
	mem_free(person->dn);
	mem_free(person->stamp);
	mem_wipe(person, sizeof(*person));
}

/* -- for the feed ---------------------------------------------------------- */

const char **ldap_person_feed_attributes(const struct ldap_options *options)
{
	size_t stamps = 0, count = 0;
	const char **list;

	while (options->password_stamps[stamps] != NULL)
		stamps++;
	list = mem_calloc(1 + RULES + stamps + KEYS + 1, sizeof(*list));
	list[count++] = ldap_options_user_attribute(options);
	for (size_t i = 0; i < RULES; i++) {
		if (!is_computed(rules[i]))
			list[count++] = rules[i];
	}
	for (size_t i = 0; i < stamps; i++)
		list[count++] = options->password_stamps[i];
	/* Keys that stand there are a stamp, too. */
	for (size_t i = 0; i < KEYS && options->scram != LDAP_SCRAM_OFF; i++)
		list[count++] = keys[i];
	return list;
}

static uint64_t hash_values(const struct directory_entry *entry,
			    const char *attribute, const uint64_t key[2])
{
	struct berval **values = entry_values(entry, attribute);
	uint64_t sum = 0;

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		sum += crypto_siphash(key, values[i]->bv_val,
				      values[i]->bv_len);
		mem_wipe(values[i]->bv_val, values[i]->bv_len);
	}
	ldap_value_free_len(values);
	return sum;
}

static int64_t expiry_of(const char *attribute, const char *value)
{
	int64_t number;

	if (str_to_i64(value, 1, INT64_MAX, &number) != 0)
		return 0;
	if (str_equal(attribute, "accountExpires"))
		return number == FILETIME_NEVER || number <= FILETIME_1970 ?
			       0 : (number - FILETIME_1970) / 10;
	return str_equal(attribute, "shadowExpire") && number < 10000000 ?
		       (number + 1) * MICROSECONDS_A_DAY : 0;
}

struct ldap_person_state
ldap_person_feed_read(const struct directory_entry *entry,
		      const struct ldap_options *options,
		      const uint64_t key[2])
{
	struct ldap_person_state state = { .disabled = false };

	for (size_t i = 0; i < RULES; i++) {
		char *value = is_computed(rules[i]) ?
				      NULL : entry_text(entry, rules[i]);

		if (value == NULL)
			continue;
		/* What depends on the time: see `expires`. */
		if (ldap_person_disabled(rules[i], value, 0) != NULL)
			state.disabled = true;
		if (expiry_of(rules[i], value) != 0)
			state.expires = expiry_of(rules[i], value);
		mem_free(value);
	}
	for (char **name = options->password_stamps; *name != NULL; name++)
		state.stamp += hash_values(entry, *name, key);
	for (size_t i = 0; i < KEYS && options->scram != LDAP_SCRAM_OFF; i++)
		state.stamp += hash_values(entry, keys[i], key);
	return state;
}
