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
    """Of everything; only the clients of a c2s notice."""
    chaos.rolling_restart(("router", "sm"))
    chaos.check()
    chaos.rolling_restart(("c2s",))
    chaos.check(disconnects=True, flaps=not chaos.crowd.managed)


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
        chaos.postgres.kill()
        chaos.cluster.kill("sm-1")
        chaos.cluster.start_instance("sm-1")
        time.sleep(1)
        chaos.postgres.start()
        chaos.check()
