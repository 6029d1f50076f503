# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of router; t/unit/local.mk shows how to add one.
