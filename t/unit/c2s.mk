# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of c2s; t/unit/local.mk shows how to add one.
