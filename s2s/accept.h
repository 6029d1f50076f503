/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners, and limits on who may come in.
 */
#ifndef S2S_ACCEPT_H
#define S2S_ACCEPT_H

#include "s2s/s2s.h"

/* Opens what the configuration says and closes what it does not say any more.
 * On failure everything is as it was. */
int s2s_accept_listen(struct s2s *s2s, const struct s2s_config *config,
		      struct error *err);
void s2s_accept_close(struct s2s *s2s);

/* A connection from there has ended. */
void s2s_network_release(struct s2s *s2s, struct s2s_network *network);

#endif
