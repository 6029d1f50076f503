# SPDX-License-Identifier: Apache-2.0
#
# util/role: the skeleton of a role, its configuration and its link.
# Add, for each file:
#   util_role_librole_a_SOURCES += util/role/thing.c util/role/thing.h

noinst_LIBRARIES += util/role/librole.a
util_role_librole_a_SOURCES =
