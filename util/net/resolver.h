/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in DNS, asked without waiting, with DNSSEC where there is a trust
 * anchor. A *bogus* answer was tampered with, or its zone is broken: it is an
 * error of its own, never the same as that there is no such name. CNAMEs are
 * followed.
 */
#ifndef UTIL_NET_RESOLVER_H
#define UTIL_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/net/loop.h"

struct resolver;
struct resolver_query;

struct resolver_options {
	const char *server; /* "ADDRESS" or "ADDRESS@PORT"; NULL: as
			     * /etc/resolv.conf says */
	const char *anchor; /* file with the trust anchor; NULL: none */
	const char *hosts;  /* file with names and addresses; NULL: none */
};

/* NULL with err: a file cannot be read. */
struct resolver *resolver_new(struct loop *loop,
			      const struct resolver_options *options,
			      struct error *err);

/* No callback runs any more. NULL inside is allowed. */
void resolver_free(struct resolver **resolver);

enum resolver_type { RESOLVER_A, RESOLVER_AAAA, RESOLVER_SRV, RESOLVER_TLSA };

enum resolver_status {
	RESOLVER_OK,	    /* there are records */
	RESOLVER_NOT_FOUND, /* there are none, or no such name */
	RESOLVER_FAILED,    /* nobody who knows could be asked */
	RESOLVER_BOGUS	    /* DNSSEC says that the answer is forged */
};

#define RESOLVER_NAME_MAX    256
#define RESOLVER_ADDRESS_MAX 46

struct resolver_record {
	union {
		char address[RESOLVER_ADDRESS_MAX]; /* A, AAAA: as text */
		struct {			    /* RFC 2782 */
			uint16_t priority, weight, port;
			char target[RESOLVER_NAME_MAX]; /* "." is "" */
		} srv;
		struct { /* RFC 6698 section 2.1 */
			uint8_t usage, selector, matching;
			const unsigned char *data;
			size_t len;
		} tlsa;
	};
};

struct resolver_answer { /* valid during the callback */
	enum resolver_status status;
	bool secure;	  /* DNSSEC proved it, also that there are none */
	const char *name; /* where the records stand, after CNAMEs; may be
			   * NULL */
	const char *why;  /* a sentence, unless OK */
	uint32_t ttl;	  /* seconds */
	size_t count;
	const struct resolver_record *records;
};

/* Never inside resolver_ask(); the query is gone afterwards. */
typedef void resolver_cb(const struct resolver_answer *answer, void *ctx);

/* Asks for records of a name: ASCII, see resolver_ascii(). */
struct resolver_query *resolver_ask(struct resolver *resolver,
				    const char *name, enum resolver_type type,
				    resolver_cb *cb, void *ctx);

/* No callback comes any more. NULL inside is allowed. */
void resolver_cancel(struct resolver_query **query);

/* What is in the data of a record; -1: it is malformed, or names what is no
 * host. What is in it points into the bytes. */
int resolver_read(struct resolver_record *record, enum resolver_type type,
		  const void *bytes, size_t len);

/* The name as DNS has it (RFC 5891), for mem_free(); NULL: it has none. */
char *resolver_ascii(const char *domain);

#endif
