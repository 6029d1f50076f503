# SPDX-License-Identifier: Apache-2.0
"""Three machines with two routers, two sms and three c2s under the load of a
crowd, and what may befall them (t/chaos): processes are killed and frozen,
cables pulled, links slow and lossy, sms come and go. What the ledger must say
afterwards is in t/lib/crowd.py."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

from chaos import LAYOUT, Chaos  # noqa: E402
from net import Net  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="network namespaces need root")
INSTANCES = [i for instances in LAYOUT.values() for i in instances]


@pytest.fixture
def chaos(tmp_path):
    with Net() as net, Chaos(tmp_path, net, slow=["three"]) as running:
        running.start()
        yield running


def of(role):
    return [i for i in INSTANCES if i.startswith(role)]


def test_routers_and_sms_killed(chaos):
    """No client is disconnected, nothing is lost. The second sm is killed
    while the first one, just back, takes its users over: a contact may seem to
    go then, and is seen again."""
    for instance in of("router"):
        assert chaos.kill(instance) == 0
    chaos.check()
    for instance in of("sm") + of("sm"):
        assert chaos.kill(instance) == 0
    chaos.check(flaps=True)


def test_c2s_killed(chaos):
    """Its clients, and no others, come back over another one."""
    for instance in of("c2s"):
        there = sum(1 for c in list(chaos.crowd.clients.values())
                    if c.address == chaos.cluster.host(instance).address)
        assert chaos.kill(instance) == there
    chaos.check(disconnects=True)


def test_sm_killed_for_good(chaos):
    """Its users are served by the other one at once."""
    chaos.cluster.kill("sm-1")
    began = time.monotonic()
    chaos.recovered("death of one of two sms", began)
    assert chaos.figures.recovery["death of one of two sms"]
    chaos.check()
    assert chaos.users_of_sms() == {"sm-2": chaos.clients}


def test_frozen(chaos):
    for instance in INSTANCES:
        assert chaos.freeze(instance, 1) == 0
    chaos.check()


def test_slow_and_lossy_link(chaos):
    chaos.slow("three", 4)
    chaos.check()


def test_partition_between_machines(chaos):
    """One and two do not hear each other; three, and clients, hear both."""
    chaos.part(["one"], ["two"], 5)
    chaos.check(flaps=True)


def test_clients_cut_off(chaos):
    """Networks of clients come and go; another c2s is as good."""
    for _ in range(3):
        chaos.cut_clients()
    chaos.check(disconnects=True)


def test_rolling_restart(chaos):
    """Of everything, by the operator; only the clients of a c2s notice, and
    with XEP-0198 they lose nothing. Two who write to each other while both move
    may wait for 2 s, and then one does not see the other for a moment."""
    assert chaos.rolling_restart(*of("router"), *of("sm")) == 0
    chaos.check(flaps=True)
    chaos.forgive()
    chaos.rolling_restart("--all")
    chaos.check(disconnects=True, flaps=True)


def test_sms_and_routers_are_drained(chaos):
    """Taken back, and restarted. Nobody is disconnected (for contacts see
    above)."""
    for instance in of("sm") + of("router"):
        assert chaos.drain(instance) == 0
    assert chaos.drain("sm-1", "restart") == 0
    chaos.check(flaps=True)


def test_clock_is_off(chaos):
    """Of an sm, which then has users of the others and gives them away."""
    assert chaos.clock_off("sm-1", 1800) == 0
    assert chaos.drain("sm-2") == 0
    assert chaos.clock_off("sm-1", -1800) == 0
    chaos.check(flaps=True)


def test_sm_joins_and_leaves(chaos):
    """Only those move whose sm it becomes; nobody moves between the
    others."""
    before, after = chaos.join("sm-3", "one")
    assert sum(after.values()) == chaos.clients
    assert 0 < after["sm-3"] < chaos.clients * 3 // 4
    assert all(after[name] <= before[name] for name in before)
    chaos.check()
    chaos.stop("sm-3")
    assert chaos.users_of_sms() == before
    chaos.check()


def test_no_sm_for_a_while(chaos):
    """The streams stay up; what clients say meanwhile is held back. Users who
    are opened again one after the other may not see each other in between."""
    assert chaos.outage("sm") == 0
    chaos.check(flaps=True)


def test_no_router_for_a_while(chaos):
    assert chaos.outage("router") == 0
    chaos.check()


def test_postgres_killed(tmp_path):
    """Users who are in memory do not notice; messages go on."""
    with Net() as net, Chaos(tmp_path, net, postgres=True) as chaos:
        chaos.start()
        for _ in range(2):
            assert chaos.kill_postgres() == 0
        # One who has to load its users, while it is away.
        chaos.databases[0].kill()
        chaos.cluster.kill("sm-1")
        chaos.cluster.start_instance("sm-1")
        time.sleep(1)
        chaos.databases[0].start()
        chaos.check()


@pytest.fixture
def on_postgres(tmp_path):
    with Net() as net, Chaos(tmp_path, net, slow=["three"],
                             postgres="standby") as running:
        running.start()
        yield running


def test_standby_of_postgres_promoted(on_postgres):
    assert on_postgres.fail_over() == 0
    on_postgres.check()


def test_processes_maltreated_on_postgres(on_postgres):
    """The faults of above with the users' data on a machine of its own."""
    chaos = on_postgres
    assert chaos.kill("sm-1") == 0
    assert chaos.kill("router-1") == 0
    assert chaos.freeze("sm-2", 1) == 0
    chaos.check(flaps=True)
    assert chaos.drain("sm-1", "restart") == 0
    chaos.slow("three", 3)
    chaos.check(flaps=True)
