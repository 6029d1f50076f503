# SPDX-License-Identifier: Apache-2.0
#
# etc: the example configuration, systemd units, init scripts. For example
#   exampledir = $(docdir)/examples
#   dist_example_DATA = etc/chappe.conf
#   unitdir = $(prefix)/lib/systemd/system
#   dist_unit_DATA = etc/systemd/chappe-c2s@.service
#   EXTRA_DIST += etc/init.d/chappe
# Files that need the installation's paths are made from a .in by a rule here,
# with sed, and listed in EXTRA_DIST (the .in) and CLEANFILES (the result).
