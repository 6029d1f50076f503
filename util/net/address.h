/* SPDX-License-Identifier: Apache-2.0
 *
 * Textual addresses of listeners and peers; for the files of util/net only.
 */
#ifndef UTIL_NET_ADDRESS_H
#define UTIL_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/base/error.h"
#include "util/net/conn.h"

struct address {
	sa_family_t family; /* AF_UNSPEC: `host` is a name to look up */
	bool any;	    /* "*": every address of both families */
	unsigned short port;
	char host[256];
	union {
		struct sockaddr generic;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} socket; /* filled unless AF_UNSPEC; "*" is the IPv6 wildcard */
};

/* Parses "HOST:PORT", "[IPv6]:PORT", "*:PORT" or "unix:/PATH". */
int address_parse(struct address *address, const char *text, struct error *err);

/* The length to pass to bind() and connect(). */
socklen_t address_length(const struct address *address);

/* A peer in 20 bytes. IPv4 addresses mapped into IPv6 are kept as IPv4. */
struct peer {
	unsigned char family; /* AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 */
	unsigned char bytes[16];
	uint16_t port;
};

void peer_set(struct peer *peer, const struct sockaddr *from);

/* As text; `network` cuts IPv6 to its /64. */
void peer_format(const struct peer *peer, bool network, char to[ADDRESS_MAX]);

#endif
