/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates of clients: nobody has one in the simulated world.
 */
#include "util/net/authorities.h"

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/certificate.h"

struct authorities {
	char nothing;
};

struct authorities *authorities_new(const char *ca_file, const char *crl_file,
				    struct error *err)
{
	(void)ca_file;
	(void)crl_file;
	(void)err;
	return mem_new(struct authorities);
}

void authorities_free(struct authorities **authorities)
{
	mem_free(*authorities);
	*authorities = NULL;
}

enum certificate_state authorities_judge(const struct authorities *authorities,
					 const struct conn *conn, char *why,
					 size_t size)
{
	(void)authorities;
	(void)conn;
	str_copy(why, size, "there is none");
	return CERTIFICATE_MISSING;
}

void certificate_person(const void *der, size_t len,
			enum certificate_name kind,
			void (*name)(const char *text, void *ctx), void *ctx)
{
	(void)der;
	(void)len;
	(void)kind;
	(void)name;
	(void)ctx;
}

const void *conn_peer_certificate(const struct conn *conn, size_t *len)
{
	(void)conn;
	*len = 0;
	return NULL;
}
