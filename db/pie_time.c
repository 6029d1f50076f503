/* SPDX-License-Identifier: Apache-2.0
 *
 * Times in files: XEP-0082, and XEP-0091 which servers wrote before.
 */
#include "db/pie.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void pie_time_write(char to[PIE_TIME_MAX], int64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	char date[24];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(to, PIE_TIME_MAX, "%s.%06dZ", date, (int)(us % 1000000));
}

/* Digits after the point as microseconds; what is finer is dropped. */
static const char *read_fraction(const char *at, int64_t *us)
{
	int64_t unit = 100000;

	if (*at != '.')
		return at;
	for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
		*us += (*at - '0') * unit;
	return at;
}

/* "Z", "+01:00" or, in the older form, nothing. */
static const char *read_zone(const char *at, int64_t *us)
{
	int sign = *at == '-' ? -1 : 1;
	int hours, minutes, len = 0;

	if (*at == 'Z')
		return at + 1;
	if (*at != '+' && *at != '-')
		return at;
	if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &len) != 2)
		return at;
	*us -= sign * (hours * 60 + minutes) * INT64_C(60000000);
	return at + 1 + len;
}

int pie_time_read(const char *text, int64_t *us)
{
	struct tm utc = { .tm_isdst = 0 };
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);

	if (at == NULL) {
		memset(&utc, 0, sizeof(utc));
		at = strptime(text, "%Y%m%dT%H:%M:%S", &utc);
	}
	if (at == NULL)
		return -1;
	*us = (int64_t)timegm(&utc) * 1000000;
	at = read_zone(read_fraction(at, us), us);
	return *at == '\0' ? 0 : -1;
}
