/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses between text and socket form. Names are only taken apart here;
 * looking them up is conn_connect.c's.
 */
#include "util/net/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <uv.h>

#include "util/base/buf.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static int address_parse_unix(struct address *address, const char *path,
			      struct error *err)
{
	struct sockaddr_un *un = &address->socket.un;

	if (path[0] != '/')
		return error_set(err, "unix:%s: not an absolute path", path);
	un->sun_family = AF_UNIX;
	if (!str_copy(un->sun_path, sizeof(un->sun_path), path))
		return error_set(err, "unix:%s: longer than %zu bytes", path,
				 sizeof(un->sun_path) - 1);
	address->family = AF_UNIX;
	return 0;
}

/* Splits into host and port; `text` is the whole for the messages. */
static int address_split(struct address *address, const char *text,
			 bool *brackets, struct error *err)
{
	const char *host = text;
	const char *colon = strrchr(text, ':');
	size_t len;
	uint64_t port;

	if (!colon)
		return error_set(err, "%s: no port", text);
	if (str_to_u64(colon + 1, 0, 65535, &port) < 0)
		return error_set(err, "%s: not a port number", text);
	address->port = (unsigned short)port;
	len = (size_t)(colon - text);
	*brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
	if (*brackets) {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return error_set(err, "%s: an IPv6 address needs brackets",
				 text);
	}
	if (len == 0 || len >= sizeof(address->host))
		return error_set(err, "%s: not a host", text);
	memcpy(address->host, host, len);
	address->host[len] = '\0';
	return 0;
}

int address_parse(struct address *address, const char *text, struct error *err)
{
	bool brackets = false;

	memset(address, 0, sizeof(*address));
	if (str_starts(text, "unix:"))
		return address_parse_unix(address, text + 5, err);
	if (address_split(address, text, &brackets, err) < 0)
		return -1;
	if (brackets || str_equal(address->host, "*")) {
		address->any = !brackets;
		address->family = AF_INET6;
		if (uv_ip6_addr(address->any ? "::" : address->host,
				address->port, &address->socket.in6) < 0)
			return error_set(err, "%s: not an IPv6 address", text);
	} else if (uv_ip4_addr(address->host, address->port,
			       &address->socket.in) == 0) {
		address->family = AF_INET;
	}
	return 0;
}

socklen_t address_length(const struct address *address)
{
	switch (address->family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return sizeof(struct sockaddr_un);
	}
}

void peer_set(struct peer *peer, const struct sockaddr *from)
{
	memset(peer, 0, sizeof(*peer));
	peer->family = (unsigned char)from->sa_family;
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		memcpy(peer->bytes, &in->sin_addr, 4);
		peer->port = ntohs(in->sin_port);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		peer->port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			peer->family = AF_INET;
			memcpy(peer->bytes, in6->sin6_addr.s6_addr + 12, 4);
		} else {
			memcpy(peer->bytes, &in6->sin6_addr, 16);
		}
	}
}

void peer_format(const struct peer *peer, bool network, char to[ADDRESS_MAX])
{
	unsigned char bytes[16];

	to[0] = '\0';
	switch (peer->family) {
	case AF_UNIX:
		str_copy(to, ADDRESS_MAX, "unix");
		break;
	case AF_INET:
		inet_ntop(AF_INET, peer->bytes, to, ADDRESS_MAX);
		break;
	case AF_INET6:
		memcpy(bytes, peer->bytes, sizeof(bytes));
		if (network)
			memset(bytes + 8, 0, 8);
		inet_ntop(AF_INET6, bytes, to, ADDRESS_MAX);
		break;
	default:
		break;
	}
}
