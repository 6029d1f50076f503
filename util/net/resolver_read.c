/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of DNS records, which come from anybody.
 */
#include <arpa/inet.h>

#include "util/net/resolver.h"

static unsigned u16(const unsigned char *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

/* A name that is not compressed (RFC 2782), as text without the last dot. */
static int read_name(char to[RESOLVER_NAME_MAX], const unsigned char *bytes,
		     size_t len)
{
	size_t used = 0, out = 0;

	while (used < len && bytes[used] > 0) {
		size_t label = bytes[used++];

		if (label > 63 || label > len - used ||
		    out + label + 2 > RESOLVER_NAME_MAX)
			return -1;
		if (out > 0)
			to[out++] = '.';
		for (size_t i = 0; i < label; i++, used++) {
			/* What could be taken for something else is no
			 * host's name. */
			if (bytes[used] <= 0x20 || bytes[used] >= 0x7f ||
			    bytes[used] == '.' || bytes[used] == ':' ||
			    bytes[used] == '/')
				return -1;
			to[out++] = (char)bytes[used];
		}
	}
	to[out] = '\0';
	return used + 1 == len ? 0 : -1;
}

static int read_srv(struct resolver_record *record, const unsigned char *bytes,
		    size_t len)
{
	if (len < 7)
		return -1;
	record->srv.priority = (uint16_t)u16(bytes);
	record->srv.weight = (uint16_t)u16(bytes + 2);
	record->srv.port = (uint16_t)u16(bytes + 4);
	return read_name(record->srv.target, bytes + 6, len - 6);
}

static int read_tlsa(struct resolver_record *record,
		     const unsigned char *bytes, size_t len)
{
	if (len < 4)
		return -1;
	record->tlsa.usage = bytes[0];
	record->tlsa.selector = bytes[1];
	record->tlsa.matching = bytes[2];
	record->tlsa.data = bytes + 3;
	record->tlsa.len = len - 3;
	return 0;
}

static int read_address(struct resolver_record *record, int family, size_t want,
			const unsigned char *bytes, size_t len)
{
	if (len != want)
		return -1;
	return inet_ntop(family, bytes, record->address,
			 sizeof(record->address))
		       ? 0
		       : -1;
}

int resolver_read(struct resolver_record *record, enum resolver_type type,
		  const void *bytes, size_t len)
{
	switch (type) {
	case RESOLVER_A:
		return read_address(record, AF_INET, 4, bytes, len);
	case RESOLVER_AAAA:
		return read_address(record, AF_INET6, 16, bytes, len);
	case RESOLVER_SRV:
		return read_srv(record, bytes, len);
	default:
		return read_tlsa(record, bytes, len);
	}
}
