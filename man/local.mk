# SPDX-License-Identifier: Apache-2.0
#
# man: a page per executable and for the configuration file.

dist_man_MANS += man/chappe-router.8 man/chappe-c2s.8 man/chappe-s2s.8 \
	man/chappe-sm.8 man/chappe-db.8 man/chappectl.8 man/chappe.conf.5

# The test of the pages, of docs/admin.md and of etc/.
EXTRA_DIST += t/man.py
