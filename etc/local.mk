# SPDX-License-Identifier: Apache-2.0
#
# etc: the example configuration, systemd units, an init script. What needs
# the installation's paths is made from a .in.

exampledir = $(docdir)/examples
unitdir = $(prefix)/lib/systemd/system

INIT_MADE = etc/init.d/chappe
ETC_MADE = etc/chappe.conf $(INIT_MADE)
UNITS_MADE = etc/systemd/chappe-router.service \
	etc/systemd/chappe-c2s@.service \
	etc/systemd/chappe-s2s@.service etc/systemd/chappe-sm@.service

nodist_example_DATA = etc/chappe.conf
nodist_example_SCRIPTS = $(INIT_MADE)
dist_example_DATA = etc/systemd/sysusers.conf
nodist_unit_DATA = $(UNITS_MADE)
dist_unit_DATA = etc/systemd/chappe.target

# The brackets keep config.status from filling in the names here.
$(ETC_MADE) $(UNITS_MADE): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		$(SED) -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|[@]sbindir[@]|$(sbindir)|g' \
		-e 's|[@]localstatedir[@]|$(localstatedir)|g' $< >$@.tmp && \
		mv $@.tmp $@

EXTRA_DIST += $(ETC_MADE:=.in) $(UNITS_MADE:=.in)
CLEANFILES += $(ETC_MADE) $(UNITS_MADE)

# A deployment on three machines, which docs/cluster.md explains.
nobase_dist_example_DATA = \
	etc/deployment/chappe.conf etc/deployment/example.org.zone \
	etc/deployment/one/80-chappe.preset \
	etc/deployment/one/chappe-router.service.d/name.conf \
	etc/deployment/two/80-chappe.preset \
	etc/deployment/two/chappe-router.service.d/name.conf \
	etc/deployment/three/80-chappe.preset \
	etc/deployment/three/postgresql/chappe.conf \
	etc/deployment/three/postgresql/pg_hba.conf
