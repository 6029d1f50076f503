/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents fetched by HTTPS, without waiting, on libcurl driven by our loop.
 * Certificates are checked against authorities and the host of the address;
 * where that host is, the caller says: nothing asks the system's resolver.
 * Redirections are told to the caller, and not followed.
 */
#ifndef UTIL_NET_FETCH_H
#define UTIL_NET_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/net/loop.h"

struct fetcher;
struct fetch;

#define FETCH_HOST_MAX 256

struct fetcher_options {
	const char *ca;	 /* file with authorities; NULL: the system's */
	size_t bytes;	 /* of a document, at most */
	uint64_t ms;	 /* time for all of it */
	size_t parallel; /* fetches at a time; more fail at once */
};

struct fetcher *fetcher_new(struct loop *loop,
			    const struct fetcher_options *options,
			    struct error *err);

/* No callback runs any more. NULL inside is allowed. */
void fetcher_free(struct fetcher **fetcher);

struct fetched { /* valid during the callback */
	long status;	      /* of HTTP; 0: there was no answer */
	const char *redirect; /* where to, whole; NULL: nowhere */
	const char *body;
	size_t len;
	const char *why; /* a sentence; NULL: there was an answer */
};

/* Never inside fetch_start(); the fetch is gone afterwards. */
typedef void fetch_cb(const struct fetched *fetched, void *ctx);

/* Gets "https://HOST[:PORT]/...", from one of the addresses, which are
 * separated by commas ("192.0.2.1,[2001:db8::1]"). */
struct fetch *fetch_start(struct fetcher *fetcher, const char *url,
			  const char *addresses, fetch_cb *cb, void *ctx);

/* No callback comes any more. NULL inside is allowed. */
void fetch_cancel(struct fetch **fetch);

/* The host in such an address, and its port; -1: it is no such address. */
int fetch_parse(const char *url, char host[FETCH_HOST_MAX], unsigned *port);

#endif
