# SPDX-License-Identifier: Apache-2.0
#
# t: what is run by ./check and not compiled (e2e, lib, bench, chaos):
# All of t/e2e and t/lib goes into an archive.

EXTRA_DIST += t/lint.sh

EXTRA_DIST += quickstart t/run.py t/e2e t/lib

# For t/run.py, which runs them itself.
print-tests:
	@echo $(TESTS)

.PHONY: print-tests

# A load generator; t/bench/run.py starts it. Not built by default.
EXTRA_PROGRAMS = t/bench/load
t_bench_load_SOURCES = t/bench/load.c
t_bench_load_LDADD = $(XMPP_LIBS) $(GSASL_LIBS)
EXTRA_DIST += t/bench/run.py t/bench/logins.py t/bench/federation.py
CLEANFILES += t/bench/load

bench: all t/bench/load
	CHAPPE_SOURCE=$(abs_top_srcdir) CHAPPE_BUILD=$(abs_top_builddir) \
		$(PYTHON3) $(srcdir)/t/bench/run.py $(BENCH_OPTIONS)

.PHONY: bench

# Real processes on test hosts, maltreated; needs root.
EXTRA_DIST += t/chaos

chaos: all
	CHAPPE_SOURCE=$(abs_top_srcdir) CHAPPE_BUILD=$(abs_top_builddir) \
		$(PYTHON3) $(srcdir)/t/chaos/run.py $(CHAOS_OPTIONS)

.PHONY: chaos


# "check" is a target of make, too: as a file of EXTRA_DIST it would be run.
dist-hook:
	cp -p $(srcdir)/check $(distdir)/check
	find $(distdir)/t -name __pycache__ -prune -exec rm -rf {} +
EXTRA_DIST += t/e2e/test_chappectl.py t/e2e/test_operation.py

# PostgreSQL.
EXTRA_DIST += t/lib/postgres.py t/e2e/test_postgres.py

# Operations per second of a storage driver.
EXTRA_PROGRAMS += t/bench/storage
t_bench_storage_SOURCES = t/bench/storage.c
t_bench_storage_LDADD = $(STORAGE_LIBS)
t_bench_storage_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
CLEANFILES += t/bench/storage
