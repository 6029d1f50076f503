# SPDX-License-Identifier: Apache-2.0
#
# util/role: the skeleton of a role, its configuration and its link.

noinst_LIBRARIES += util/role/librole.a
util_role_librole_a_SOURCES = \
	util/role/access.c util/role/access.h \
	util/role/access_command.c util/role/access_command.h \
	util/role/access_options.c util/role/access_options.h \
	util/role/access_party.c util/role/access_party.h \
	util/role/acceptor.c util/role/acceptor.h \
	util/role/command.c util/role/command.h \
	util/role/config.c util/role/config.h \
	util/role/config_check.c util/role/config_check.h \
	util/role/config_section.c \
	util/role/config_scan.c util/role/config_scan.h \
	util/role/config_value.c util/role/config_value.h \
	util/role/daemon.c util/role/role.h \
	util/role/domain_options.c util/role/domain_options.h \
	util/role/drain.c util/role/drain.h \
	util/role/envelope.c util/role/envelope.h \
	util/role/link.c util/role/link.h util/role/link_private.h \
	util/role/link_members.c \
	util/role/link_router.c \
	util/role/link_sender.c \
	util/role/link_sequence.c \
	util/role/members.c util/role/members.h \
	util/role/metrics.c util/role/metrics.h \
	util/role/privileges.c util/role/privileges.h \
	util/role/process_metrics.c util/role/process_metrics.h \
	util/role/restart.c util/role/restart.h \
	util/role/role_commands.c \
	util/role/role_link.c \
	util/role/status.c util/role/status.h \
	util/role/trust_level.c util/role/trust_level.h
