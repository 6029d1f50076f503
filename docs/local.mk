# SPDX-License-Identifier: Apache-2.0
#
# docs: what is read rather than built, the texts at the top too.

dist_doc_DATA = README.md NEWS.md docs/admin.md docs/cluster.md \
	docs/first-steps.md docs/ldap.md docs/link.md docs/storage.md
EXTRA_DIST += ARCHITECTURE.md HACKING.md

# Replays the examples of docs/link.md.
EXTRA_DIST += t/link_doc.py
