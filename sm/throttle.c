/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of failed log-ins in a table that forgets the entry that was used
 * the longest ago, so that memory is bounded however many names are tried.
 */
#include "sm/throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

/* The first failure of an entry is answered after this, each further one
 * after twice as long, up to the longest. */
#define DELAY_FIRST 50
#define DELAY_LONGEST 3200

#define ADDRESS_FACTOR 5

struct entry {
	UT_hash_handle hh; /* in order of last use */
	uint64_t failures;
	uint64_t last; /* loop_now() of the last failure */
	char key[];
};

struct throttle {
	struct entry *entries;
	size_t max;
};

struct throttle *throttle_new(size_t entries)
{
	struct throttle *throttle = mem_new(struct throttle);

	throttle->max = entries;
	return throttle;
}

static void entry_remove(struct throttle *throttle, struct entry *entry)
{
	HASH_DEL(throttle->entries, entry);
	mem_free(entry);
}

void throttle_free(struct throttle **throttle)
{
	struct entry *entry, *next;

	if (*throttle == NULL)
		return;
	HASH_ITER(hh, (*throttle)->entries, entry, next)
		entry_remove(*throttle, entry);
	mem_free(*throttle);
	*throttle = NULL;
}

/* -- keys ------------------------------------------------------------------ */

/* One customer has at least a whole /64 of IPv6 addresses. */
static void address_network(char *to, size_t size, const char *address)
{
	struct in6_addr ip;

	if (inet_pton(AF_INET6, address, &ip) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&ip)) {
		str_copy(to, size, address);
		return;
	}
	memset(&ip.s6_addr[8], 0, 8);
	if (inet_ntop(AF_INET6, &ip, to, (socklen_t)size) == NULL)
		str_copy(to, size, address);
}

static char *address_key(const char *address)
{
	char network[64];

	if (address == NULL)
		return NULL;
	address_network(network, sizeof(network), address);
	return mem_printf("address %s", network);
}

static char *pair_key(const char *account, const char *address)
{
	char network[64];

	if (account == NULL || address == NULL)
		return NULL;
	address_network(network, sizeof(network), address);
	return mem_printf("pair %s %s", network, account);
}

static char *account_key(const char *account)
{
	return account != NULL ? mem_printf("account %s", account) : NULL;
}

static struct entry *entry_find(struct throttle *throttle, const char *key)
{
	struct entry *entry = NULL;

	if (key != NULL)
		HASH_FIND_STR(throttle->entries, key, entry);
	return entry;
}

/* The key that an account's failures from this address are counted under:
 * that of the pair if its owner was there before. Heap. */
static char *count_key(struct throttle *throttle, const char *account,
		       const char *address)
{
	char *key = pair_key(account, address);

	if (entry_find(throttle, key) != NULL)
		return key;
	mem_free(key);
	return account_key(account);
}

/* -- counting -------------------------------------------------------------- */

static struct entry *entry_use(struct throttle *throttle, const char *key)
{
	struct entry *entry = entry_find(throttle, key);

	if (entry != NULL) {
		HASH_DEL(throttle->entries, entry);
	} else {
		size_t len = strlen(key);

		if (HASH_COUNT(throttle->entries) >= throttle->max)
			entry_remove(throttle, throttle->entries);
		entry = mem_alloc(sizeof(*entry) + len + 1);
		memcpy(entry->key, key, len + 1);
	}
	HASH_ADD_STR(throttle->entries, key, entry);
	return entry;
}

static uint64_t failures_now(const struct throttle_limits *limits,
			     const struct entry *entry, uint64_t now)
{
	if (entry == NULL || now - entry->last > limits->window)
		return 0;
	return entry->failures;
}

bool throttle_refuses(struct throttle *throttle,
		      const struct throttle_limits *limits,
		      const char *account, const char *address, uint64_t now)
{
	char *key = count_key(throttle, account, address);
	char *network = address_key(address);
	uint64_t of_account = failures_now(limits, entry_find(throttle, key),
					   now);
	uint64_t of_address = failures_now(
		limits, entry_find(throttle, network), now);

	mem_free(key);
	mem_free(network);
	return of_account >= limits->failures ||
	       of_address >= limits->failures * ADDRESS_FACTOR;
}

static uint64_t count_failure(struct throttle *throttle,
			      const struct throttle_limits *limits,
			      const char *key, uint64_t now)
{
	struct entry *entry;

	if (key == NULL)
		return 0;
	entry = entry_use(throttle, key);
	entry->failures = failures_now(limits, entry, now) + 1;
	entry->last = now;
	return entry->failures;
}

static uint64_t delay_of(uint64_t failures)
{
	uint64_t delay = DELAY_FIRST;

	while (failures > 1 && delay < DELAY_LONGEST) {
		delay *= 2;
		failures--;
	}
	return delay;
}

uint64_t throttle_failed(struct throttle *throttle,
			 const struct throttle_limits *limits,
			 const char *account, const char *address,
			 uint64_t now)
{
	char *key = count_key(throttle, account, address);
	char *network = address_key(address);
	uint64_t of_account = count_failure(throttle, limits, key, now);
	uint64_t of_address = count_failure(throttle, limits, network, now);

	mem_free(key);
	mem_free(network);
	of_address /= ADDRESS_FACTOR;
	return delay_of(of_account > of_address ? of_account : of_address);
}

void throttle_succeeded(struct throttle *throttle, const char *account,
			const char *address, uint64_t now)
{
	char *key = account_key(account);
	char *pair = pair_key(account, address);
	struct entry *entry = entry_find(throttle, key);

	/* From where the owner never was before, the count of all strangers
	 * is taken back; elsewhere it was not the one that mattered. */
	if (entry != NULL)
		entry_remove(throttle, entry);
	if (pair != NULL) {
		entry = entry_use(throttle, pair);
		entry->failures = 0;
		entry->last = now;
	}
	mem_free(key);
	mem_free(pair);
}

uint64_t throttle_forgive(struct throttle *throttle, const char *account)
{
	char *key = account_key(account);
	struct entry *entry, *next;
	uint64_t forgiven = 0;

	HASH_ITER(hh, throttle->entries, entry, next) {
		const char *of = strrchr(entry->key, ' ');

		if (str_equal(entry->key, key)) {
			forgiven += entry->failures;
			entry_remove(throttle, entry);
		} else if (strncmp(entry->key, "pair ", 5) == 0 &&
			   str_equal(of + 1, account)) {
			/* The owner was there: this stays known. */
			forgiven += entry->failures;
			entry->failures = 0;
		}
	}
	mem_free(key);
	return forgiven;
}
