# SPDX-License-Identifier: Apache-2.0
"""Each role is killed and started again under traffic: the streams of the
clients stay up where the design promises it, and nothing is lost that was
stored or still stands in a queue."""

import itertools
import threading
import time

import pytest

from wire import CLIENT, Ended, Wire


class Talk(threading.Thread):
    """alice writes numbered lines to bob until told to stop."""

    def __init__(self, alice):
        super().__init__(daemon=True)
        self.alice = alice
        self.sent = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            self.alice.message("bob@localhost", f"line {self.sent}")
            self.sent += 1
            time.sleep(0.005)

    def stop(self):
        self.stopping.set()
        self.join()
        return self.sent


def numbers(bob, count, seconds=30):
    """Reads lines until number count - 1; all numbers in order of arrival."""
    seen = []
    while not seen or seen[-1] < count - 1:
        got = bob.expect_message(seconds=seconds)
        if got.get("type") != "error":
            seen.append(int(got.findtext(CLIENT + "body").split()[1]))
    return seen


@pytest.mark.parametrize("role,instance", [("router", "router"),
                                           ("sm", "sm-1")])
def test_killed_under_traffic_and_started_again(chappe, role, instance):
    """Neither client is disconnected; each line arrives, once, in order."""
    with Wire(chappe, seconds=30) as alice, Wire(chappe, seconds=30) as bob:
        alice.login("alice")
        bob.login("bob")
        alice.presence()
        bob.presence()
        talk = Talk(alice)
        talk.start()
        for _ in range(3):
            time.sleep(0.3)
            chappe.kill(instance)
            time.sleep(0.2)
            chappe.start_role(role, instance)
            time.sleep(0.7)
        count = talk.stop()
        assert numbers(bob, count) == list(range(count))
        alice.ping()
        bob.ping()


def test_c2s_killed_under_traffic(chappe):
    """Its own clients are cut off, as TCP must; they come back, and what was
    sent to them meanwhile waits for them."""
    second = 'c2s "c2s-2"'
    with Wire(chappe, seconds=30) as alice:
        alice.login("alice")
        alice.presence()
        chappe.kill("c2s-1")
        with pytest.raises((Ended, OSError)):
            while True:
                alice.next(5)
        chappe.start_role("c2s")
        chappe.wait_ready()
    assert second not in chappe.conf_path.read_text()
    with Wire(chappe, seconds=30) as alice, Wire(chappe, seconds=30) as bob:
        alice.login("alice")
        for number in range(20):
            alice.message("bob@localhost", f"line {number}")
        alice.ping()
        bob.login("bob")
        bob.send("<presence/>")
        assert numbers(bob, 20) == list(range(20))


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["router", "sm", "c2s"])),
    ids="-".join)
def test_started_in_any_order(stopped, order):
    stopped.write_conf()
    for role in order:
        stopped.start_role(role)
        time.sleep(0.2)
    stopped.wait_ready()
    stopped.add_user("alice")
    with Wire(stopped) as alice:
        alice.login("alice")
        alice.ping()


def test_no_sm_means_a_temporary_failure(chappe):
    chappe.kill("sm-1")
    with Wire(chappe) as alice:
        alice.starttls()
        alice.open()
        answer = alice.plain("alice")
        assert answer.tag.endswith("failure")
        assert answer[0].tag.endswith("temporary-auth-failure")
    chappe.start_role("sm")
    chappe.wait_ready()
    with Wire(chappe) as alice:
        alice.login("alice")


def test_roster_and_presence_outlive_an_sm(chappe):
    """The session goes on with all that it was: presence, roster interest."""
    with Wire(chappe, seconds=30) as alice, Wire(chappe, seconds=30) as bob:
        alice.login("alice", "desk")
        bob.login("bob", "phone")
        for one, other in ((alice, "bob"), (bob, "alice")):
            one.roster()
            one.presence()
        for one, other in ((alice, "bob"), (bob, "alice")):
            one.send(f"<presence to='{other}@localhost' type='subscribe'/>")
            one.ping()
        for one, other in ((alice, "bob"), (bob, "alice")):
            one.send(f"<presence to='{other}@localhost' type='subscribed'/>")
            one.ping()
        time.sleep(0.3)
        alice.ping(), bob.ping()
        alice._ready.clear()
        bob._ready.clear()
        chappe.kill("sm-1")
        chappe.start_role("sm")
        alice.ping()
        bob.ping()
        came = [e for e in alice._ready + bob._ready
                if e.get("type") == "unavailable"]
        assert not came, "a contact saw the session go"
        alice.send("<presence><status>back</status></presence>")
        got = bob.until(lambda e: e.tag == CLIENT + "presence"
                        and e.findtext(CLIENT + "status") == "back")
        assert got.get("from") == "alice@localhost/desk"
        alice.iq("set", "<query xmlns='jabber:iq:roster'><item "
                 "jid='carol@localhost' name='Carol'/></query>")
        push = alice.until(lambda e: e.tag == CLIENT + "iq"
                           and e.get("type") == "set")
        assert push[0][0].get("jid") == "carol@localhost"
