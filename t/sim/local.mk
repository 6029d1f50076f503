# SPDX-License-Identifier: Apache-2.0
#
# t/sim: the simulator. All roles in one program, over libsimnet.a in the place
# of libnet.a.

check_LIBRARIES += t/sim/libsimnet.a
t_sim_libsimnet_a_SOURCES = \
	t/sim/net/authorities.c \
	t/sim/net/conn.c t/sim/net/conn_sim.h \
	t/sim/net/listener.c \
	t/sim/net/loop.c t/sim/net/loop_sim.h \
	t/sim/net/process.c \
	t/sim/net/tcp.c t/sim/net/tcp.h \
	t/sim/net/timer.c \
	t/sim/net/tls.c \
	t/sim/net/worker.c \
	t/sim/net/world.c t/sim/net/world.h

check_PROGRAMS += t/sim/sim
t_sim_sim_SOURCES = \
	t/sim/client.c t/sim/client.h \
	t/sim/client_act.c \
	t/sim/client_auth.c \
	t/sim/client_sm.c \
	t/sim/client_stanza.c \
	t/sim/deploy.c t/sim/deploy.h \
	t/sim/drivers.c \
	t/sim/faults.c t/sim/faults.h \
	t/sim/judge.c t/sim/judge.h \
	t/sim/ledger.c t/sim/ledger.h \
	t/sim/main.c \
	t/sim/operator.c t/sim/operator.h \
	t/sim/scenarios.c \
	t/sim/sim.c t/sim/sim.h \
	t/sim/store.c t/sim/store.h \
	t/sim/stranger.c t/sim/stranger.h \
	t/sim/verdict.c t/sim/verdict.h
t_sim_sim_LDADD = router/librouter.a router/libroptions.a \
	c2s/libc2s.a c2s/libc2soptions.a sm/libsm.a sm/libsmoptions.a \
	storage/libstorage.a util/role/librole.a util/xmpp/libxmpp.a \
	t/sim/libsimnet.a util/base/libbase.a $(GNUTLS_LIBS) \
	$(XML_LIBS) $(IDN_LIBS) $(CONFUSE_LIBS) $(GSASL_LIBS) $(KERBEROS_LIBS)

TESTS += t/sim/sim

EXTRA_DIST += t/sim/README.md

# make sim SEEDS=500
SEEDS = 100
sim: t/sim/sim
	./t/sim/sim --seeds 1-$(SEEDS)

.PHONY: sim
