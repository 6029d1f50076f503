# SPDX-License-Identifier: Apache-2.0
#
# docs: what is read rather than built, the texts at the top too.

# In their folder, as the texts refer to each other.
nobase_dist_doc_DATA = README.md NEWS.md ARCHITECTURE.md HACKING.md LICENSE \
	docs/admin.md docs/cluster.md docs/federation.md docs/first-steps.md docs/kerberos.md \
	docs/ldap.md docs/link.md docs/migrating.md docs/pipe.md docs/storage.md

# Replays the examples of docs/link.md.
EXTRA_DIST += t/link_doc.py
