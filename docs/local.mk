# SPDX-License-Identifier: Apache-2.0
#
# docs: what is read rather than built; the texts at the top too:
#   EXTRA_DIST += ARCHITECTURE HACKING docs/link.md
# (README and NEWS are distributed by automake itself.)
