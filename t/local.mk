# SPDX-License-Identifier: Apache-2.0
#
# t: what is run by ./check and not compiled (e2e, lib, bench, chaos):
#   EXTRA_DIST += check quickstart t/e2e/test_chat.py

EXTRA_DIST += t/lint.sh

