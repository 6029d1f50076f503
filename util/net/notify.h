/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells the service manager how we are (sd_notify(3)'s protocol: one datagram
 * to $NOTIFY_SOCKET). All calls do nothing without a manager.
 */
#ifndef UTIL_NET_NOTIFY_H
#define UTIL_NET_NOTIFY_H

#include <stdint.h>

/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1", "STATUS=..." */
void notify_send(const char *state);

/* Milliseconds between two "WATCHDOG=1" messages (half of $WATCHDOG_USEC),
 * 0 when no watchdog is wanted of this process. */
uint64_t notify_watchdog_interval(void);

#endif
