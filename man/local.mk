# SPDX-License-Identifier: Apache-2.0
#
# man: a page per executable and for the configuration file.

dist_man_MANS += man/chappe-router.8 man/chappe-c2s.8 man/chappe-sm.8 \
	man/chappectl.8 man/chappe.conf.5
