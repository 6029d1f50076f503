# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of util/xmpp; t/unit/local.mk shows how to add one.
