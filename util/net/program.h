/* SPDX-License-Identifier: Apache-2.0
 *
 * Running another program to its end.
 */
#ifndef UTIL_NET_PROGRAM_H
#define UTIL_NET_PROGRAM_H

#include <stdint.h>

#include "util/base/error.h"

/* Blocks: for a worker's thread. 0: it has ended with status 0. -1 with err: it
 * could not be run, or ended otherwise, and then the first line of what it wrote
 * to its standard error, if any; or was killed since it was silent for `ms`
 * milliseconds. */
int program_run(char *const argv[], int ms, struct error *err);

#endif
