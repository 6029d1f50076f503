# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/role; t/unit/local.mk shows how to add one.
