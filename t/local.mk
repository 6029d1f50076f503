# SPDX-License-Identifier: Apache-2.0
#
# t: what is run by ./check and not compiled (e2e, lib, bench, chaos):
#   EXTRA_DIST += check quickstart t/e2e/test_chat.py

EXTRA_DIST += t/lint.sh


EXTRA_DIST += quickstart check t/run.py t/lib/install.sh t/lib/lsan.supp

# For t/run.py, which runs them itself.
print-tests:
	@echo $(TESTS)

.PHONY: print-tests

# A load generator; t/bench/run.py starts it. Not built by default.
EXTRA_PROGRAMS = t/bench/load
t_bench_load_SOURCES = t/bench/load.c
t_bench_load_LDADD = $(XMPP_LIBS) $(GSASL_LIBS)
EXTRA_DIST += t/bench/run.py t/lib/chappe.py t/lib/wire.py \
	t/e2e/conftest.py t/e2e/test_chat.py t/e2e/test_clients.py
CLEANFILES += t/bench/load
EXTRA_DIST += t/e2e/test_streams.py t/e2e/test_sasl.py \
	t/e2e/test_bind.py

bench: all t/bench/load
	CHAPPE_SOURCE=$(abs_top_srcdir) CHAPPE_BUILD=$(abs_top_builddir) \
		$(PYTHON3) $(srcdir)/t/bench/run.py $(BENCH_OPTIONS)

.PHONY: bench

EXTRA_DIST += t/lib/people.py t/e2e/test_roster.py t/e2e/test_subscription.py
EXTRA_DIST += t/e2e/test_presence.py t/e2e/test_messages.py
EXTRA_DIST += t/e2e/test_iq.py t/e2e/test_modules.py
