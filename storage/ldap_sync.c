/* SPDX-License-Identifier: Apache-2.0
 *
 * BER of the synchronisation controls, by liblber.
 */
#include "storage/ldap_sync.h"

#include <string.h>

#include "util/base/str.h"

static void set_cookie(struct buf *cookie, const struct berval *value)
{
	buf_clear(cookie, 1024);
	buf_add(cookie, value->bv_val, value->bv_len);
}

/* syncRequestValue ::= SEQUENCE { mode ENUMERATED, cookie OPTIONAL,
 * reloadHint BOOLEAN DEFAULT FALSE } */
int ldap_sync_control(const void *cookie, size_t len, LDAPControl **control)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	struct berval value = { .bv_len = 0 };
	int result = LDAP_ENCODING_ERROR;

	if (ber == NULL)
		return LDAP_NO_MEMORY;
	if (ber_printf(ber, "{e", LDAP_SYNC_REFRESH_AND_PERSIST) != -1 &&
	    (len == 0 || ber_printf(ber, "o", cookie, (ber_len_t)len) != -1) &&
	    ber_printf(ber, "N}") != -1 &&
	    ber_flatten2(ber, &value, 0) == 0)
		result = ldap_control_create(LDAP_CONTROL_SYNC, 1, &value, 1,
					     control);
	ber_free(ber, 1);
	return result;
}

/* syncStateValue ::= SEQUENCE { state, entryUUID, cookie OPTIONAL } */
static int parse_state(const struct berval *value, enum sync_state *state,
		       unsigned char uuid[SYNC_UUID], struct buf *cookie)
{
	BerElement *ber = ber_init((struct berval *)value);
	struct berval id = { .bv_len = 0 }, text = { .bv_len = 0 };
	ber_len_t len;
	ber_int_t number = -1;
	int result = -1;

	if (ber == NULL)
		return -1;
	if (ber_scanf(ber, "{em", &number, &id) != LBER_ERROR &&
	    number >= SYNC_PRESENT && number <= SYNC_DELETE &&
	    id.bv_len == SYNC_UUID) {
		*state = (enum sync_state)number;
		memcpy(uuid, id.bv_val, SYNC_UUID);
		if (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE &&
		    ber_scanf(ber, "m", &text) != LBER_ERROR)
			set_cookie(cookie, &text);
		result = 0;
	}
	ber_free(ber, 1);
	return result;
}

int ldap_sync_entry(const struct directory_entry *entry,
		    enum sync_state *state, unsigned char uuid[SYNC_UUID],
		    struct buf *cookie)
{
	LDAPControl **controls = NULL, *control;
	int result = -1;

	if (ldap_get_entry_controls(entry->ldap, entry->message, &controls) !=
	    LDAP_SUCCESS)
		return -1;
	control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (control != NULL)
		result = parse_state(&control->ldctl_value, state, uuid,
				     cookie);
	ldap_controls_free(controls);
	return result;
}

/* The cookie and the boolean that all but newcookie may have. */
static void parse_options(BerElement *ber, ber_tag_t boolean_tag,
			  bool *boolean, struct buf *cookie)
{
	struct berval text;
	ber_int_t value;
	ber_len_t len;

	if (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE &&
	    ber_scanf(ber, "m", &text) != LBER_ERROR)
		set_cookie(cookie, &text);
	if (ber_peek_tag(ber, &len) == boolean_tag &&
	    ber_scanf(ber, "b", &value) != LBER_ERROR)
		*boolean = value != 0;
}

static int parse_info(BerElement *ber, struct ldap_sync_info *info,
		      struct buf *cookie)
{
	ber_len_t len;
	ber_tag_t tag = ber_peek_tag(ber, &len);
	struct berval text;

	switch (tag) {
	case LDAP_TAG_SYNC_NEW_COOKIE:
		info->kind = SYNC_COOKIE;
		if (ber_scanf(ber, "tm", &tag, &text) == LBER_ERROR)
			return -1;
		set_cookie(cookie, &text);
		return 0;
	case LDAP_TAG_SYNC_REFRESH_DELETE:
	case LDAP_TAG_SYNC_REFRESH_PRESENT:
		info->kind = tag == LDAP_TAG_SYNC_REFRESH_DELETE ?
				     SYNC_REFRESH_DELETE :
				     SYNC_REFRESH_PRESENT;
		info->done = true;
		if (ber_scanf(ber, "t{", &tag) == LBER_ERROR)
			return -1;
		parse_options(ber, LDAP_TAG_REFRESHDONE, &info->done, cookie);
		return 0;
	case LDAP_TAG_SYNC_ID_SET:
		info->kind = SYNC_ID_SET;
		if (ber_scanf(ber, "t{", &tag) == LBER_ERROR)
			return -1;
		parse_options(ber, LDAP_TAG_REFRESHDELETES, &info->deletes,
			      cookie);
		return ber_scanf(ber, "[W]", &info->uuids) != LBER_ERROR ?
			       0 : -1;
	default:
		return -1;
	}
}

int ldap_sync_info(const struct directory_entry *response,
		   struct ldap_sync_info *info, struct buf *cookie)
{
	struct berval *value = NULL;
	BerElement *ber = NULL;
	char *oid = NULL;
	int result = -1;

	*info = (struct ldap_sync_info){ .kind = SYNC_COOKIE };
	if (ldap_parse_intermediate(response->ldap, response->message, &oid,
				    &value, NULL, 0) == LDAP_SUCCESS &&
	    str_equal(oid, LDAP_SYNC_INFO) && value != NULL)
		ber = ber_init(value);
	if (ber != NULL) {
		result = parse_info(ber, info, cookie);
		ber_free(ber, 1);
	}
	ldap_memfree(oid);
	if (value != NULL)
		ber_bvfree(value);
	return result;
}
