/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fuzz target defines: libFuzzer calls it, and so does replay.c.
 */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; a broken property aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
