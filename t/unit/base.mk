# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/base; t/unit/local.mk shows how to add one.
