# SPDX-License-Identifier: Apache-2.0
"""Stream management between servers (XEP-0198): what a broken connection, or
a process that is killed, had on its way arrives all the same."""

import os
import re
import signal
import time

import pytest

from chappe import wait_for
from federation import Peer
from proxy import Proxy
from test_s2s import CERTIFICATES, World, chat, rows, world  # noqa: F401
from wire import CLIENT, Wire

SM = "{urn:xmpp:sm:3}"


def bodies(wire, count, seconds=60):
    """The bodies of so many messages."""
    return [wire.until(lambda e: e.tag == CLIENT + "message"
                       and e.find(CLIENT + "body") is not None,
                       seconds).findtext(CLIENT + "body")
            for _ in range(count)]


def acknowledged(server, domain="b.example"):
    wait_for(lambda: all(row.get("unacked", "0") == "0"
                         for row in server.rows(domain)), 10,
             "all is acknowledged")


class Bridge:
    """Two Chappes, a's way to b through a proxy."""

    def __init__(self, world, bidi="yes", **conf):
        self.a = world.chappe("a.example", bidi=bidi, **conf,
                              **{"retry-first": "100ms"})
        self.b = world.chappe("b.example", bidi=bidi)
        self.proxy = Proxy(self.b.s2s_port)
        self.a.remotes = {
            "b.example": {"route": f"127.0.0.1:{self.proxy.port}"}}
        self.a.start()
        self.b.start()


@pytest.mark.parametrize("bidi", ["yes", "no"])
def test_a_connection_is_cut_again_and_again(world, bidi):
    """All arrives, once, in order."""
    bridge = Bridge(world, bidi)
    with Wire(bridge.a, 30).login("alice") as alice, \
            Wire(bridge.b, 30).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        alice.message(bob.jid, "0")
        bob.expect_message("0")
        # A stream that is cut before it can be resumed repeats it.
        acknowledged(bridge.a)
        got = []
        for number in range(1, 200):
            if number % 50 == 1:  # what arrives is not acknowledged in time
                bridge.proxy.delay = 0.5
            alice.message(bob.jid, str(number))
            if number % 50 == 25:
                got += bodies(bob, number - len(got))
                bridge.proxy.cut()
                bridge.proxy.delay = 0
                time.sleep(0.2)
        got += bodies(bob, 199 - len(got))
        assert got == [str(n) for n in range(1, 200)]
        bob.message(alice.jid, "and back")
        alice.expect_message("and back")
        bob.nothing(1)
    assert "stream.resumed" in bridge.a.log("s2s-1")
    assert "stream.resumed" in bridge.b.log("s2s-1")
    bridge.proxy.close()


def test_the_way_back_is_cut(world):
    """On a stream for both directions, what the other side had sent."""
    bridge = Bridge(world)
    with Wire(bridge.a, 30).login("alice") as alice, \
            Wire(bridge.b, 30).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        alice.message(bob.jid, "hello")
        bob.expect_message("hello")
        for number in range(100):
            bob.message(alice.jid, str(number))
            if number % 40 == 20:
                bridge.proxy.cut()
                time.sleep(0.2)
        assert bodies(alice, 100) == [str(n) for n in range(100)]
        alice.nothing(1)
    bridge.proxy.close()


def test_answers_are_lost(world):
    """The stanzas arrived, the acknowledgements did not: no repeats."""
    bridge = Bridge(world, **{"ack-timeout": "2s"})
    with Wire(bridge.a, 30).login("alice") as alice, \
            Wire(bridge.b, 30).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        alice.message(bob.jid, "0")
        bob.expect_message("0")
        acknowledged(bridge.a)
        bridge.proxy.stop_after = 0
        for number in range(1, 20):
            alice.message(bob.jid, str(number))
        assert bodies(bob, 19) == [str(n) for n in range(1, 20)]
        assert rows(bridge.a)["both"]["unacked"] == "19"
        bridge.proxy.stop_after = None
        wait_for(lambda: "no acknowledgement came in time"
                 in bridge.a.log("s2s-1"), 15, "it is noticed")
        alice.message(bob.jid, "20")
        bob.expect_message("20")
        bob.nothing(1)
    assert "stream.resumed" in bridge.a.log("s2s-1")
    bridge.proxy.close()


def s2s_pid(server, name="s2s-1"):
    return server.processes[name].pid


def test_the_other_s2s_is_killed_with_stanzas_unread(world):
    """It cannot resume what it does not know: they are sent again."""
    bridge = Bridge(world, "no")
    with Wire(bridge.a, 30).login("alice") as alice, \
            Wire(bridge.b, 30).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        alice.message(bob.jid, "0")
        bob.expect_message("0")
        acknowledged(bridge.a)
        os.kill(s2s_pid(bridge.b), signal.SIGSTOP)
        for number in range(1, 30):
            alice.message(bob.jid, str(number))
        wait_for(lambda: rows(bridge.a)["out"]["unacked"] == "29", 10,
                 "they are written")
        bridge.b.kill("s2s-1")
        bridge.b.start_role("s2s")
        assert bodies(bob, 29) == [str(n) for n in range(1, 30)]
    bridge.proxy.close()


def test_our_s2s_is_killed_with_stanzas_unacknowledged(world):
    """The roles send them again, by another s2s."""
    bridge = Bridge(world, "no")
    a, b = bridge.a, bridge.b
    with Wire(a, 30).login("alice") as alice, \
            Wire(b, 30).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        alice.message(bob.jid, "0")
        bob.expect_message("0")
        a.start_role("s2s", "s2s-2")
        wait_for(lambda: "s2s-2" in a.ctl("status").stdout, 10, "two")
        alice.message(bob.jid, "1")
        bob.expect_message("1")
        sender = "s2s-2" if "direction=out" in a.log("s2s-2") else "s2s-1"
        acknowledged(a)
        os.kill(s2s_pid(b), signal.SIGSTOP)
        for number in range(2, 30):
            alice.message(bob.jid, str(number))
        wait_for(lambda: any(row.get("unacked") == "28"
                             for row in a.rows("b.example")), 10,
                 "they are written")
        a.kill(sender)
        b.kill("s2s-1")
        b.start_role("s2s")
        assert bodies(bob, 28) == [str(n) for n in range(2, 30)]
    bridge.proxy.close()


# -- with Prosody -------------------------------------------------------------


def test_prosody_acknowledges(world):
    b = world.prosody(smacks=True, **CERTIFICATES)
    a = world.chappe()
    a.start()
    chat(a, b)
    acknowledged(a)
    wait_for(lambda: re.search(r"Received \S* ?ack|Received ack|handled",
                               b.log()), 5, "and there")
    assert "enabled" in b.log() or "Enabling stream management" in b.log()


def test_a_connection_with_prosody_is_cut(world):
    """It does not resume; what it had not acknowledged comes again."""
    b = world.prosody(smacks=True, **CERTIFICATES)
    proxy = Proxy(b.s2s_port)
    a = world.chappe(**{"retry-first": "100ms"})
    a.remotes = {"b.example": {"route": f"127.0.0.1:{proxy.port}"}}
    a.start()
    with Wire(a, 30).login("alice") as alice, b.client("bob") as bob:
        bob.send("<presence/>")
        alice.message(bob.jid, "0")
        bob.expect_message("0")
        acknowledged(a)
        for number in range(1, 100):
            alice.message(bob.jid, str(number))
            if number == 50:
                proxy.cut()
        got = []
        while not got or got[-1] != "99":
            got += bodies(bob, 1)
        assert sorted(set(map(int, got))) == list(range(1, 100))
        firsts = [got.index(str(n)) for n in range(1, 100)]
        assert firsts == sorted(firsts)
    proxy.close()


# -- on the wire --------------------------------------------------------------

MESSAGE = ("<message from='bob@b.example' to='alice@a.example'>"
           "<body>{}</body></message>")


@pytest.fixture(scope="module")
def wired(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("wired"))
    made.a = made.chappe("a.example", **{"resume-timeout": "3s"})
    made.a.start()
    made.certificate = made.authority.issue("b.example")
    made.c = made.authority.issue("c.example")
    yield made
    made.close()


def peer(made, name="b.example", certificate=None):
    return Peer(made.a, name, certificate or made.certificate).external()


def enable(wire, resume=True):
    wire.send("<enable xmlns='urn:xmpp:sm:3'"
              + (" resume='true'/>" if resume else "/>"))
    return wire.expect(SM + "enabled")


def ask(wire):
    wire.send("<r xmlns='urn:xmpp:sm:3'/>")
    return int(wire.expect(SM + "a").get("h"))


def test_counting(wired):
    with peer(wired) as wire, Wire(wired.a, 20).login("alice") as alice:
        alice.send("<presence/>")
        alice.ping()
        assert enable(wire, False).get("id") is None
        assert ask(wire) == 0
        wire.send(MESSAGE.format("one") + MESSAGE.format("two"))
        assert ask(wire) == 2
        assert bodies(alice, 2) == ["one", "two"]
        # A stanza that is answered with an error counts as well.
        wire.send("<iq type='get' id='1' from='bob@b.example' "
                  "to='nobody@a.example'><x xmlns='urn:none'/></iq>")
        assert ask(wire) == 3
        wire.send("<enable xmlns='urn:xmpp:sm:3'/>")
        wire.expect_stream_error("policy-violation")


def test_resuming(wired):
    with Wire(wired.a, 20).login("alice") as alice:
        alice.send("<presence/>")
        alice.ping()
        wire = peer(wired)
        number = enable(wire).get("id")
        wire.send(MESSAGE.format("three"))
        assert ask(wire) == 1
        wire.send(MESSAGE.format("four"))
        assert bodies(alice, 2) == ["three", "four"]
        # It has not been noticed that the first one is broken.
        with peer(wired) as again:
            again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{number}' "
                       "h='0'/>")
            assert again.expect(SM + "resumed").get("h") == "2"
            wire.expect_stream_error("conflict")
            again.send(MESSAGE.format("five"))
            alice.expect_message("five")
            assert ask(again) == 3
            again.socket.shutdown(2)
        wire.socket.close()
        time.sleep(0.3)
        with peer(wired) as again:
            again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{number}' "
                       "h='0'/>")
            assert again.expect(SM + "resumed").get("h") == "3"


def condition(wire):
    return wire.expect(SM + "failed")[0].tag.split("}")[1]


def test_what_cannot_be_resumed(wired):
    wire = peer(wired)
    number = enable(wire).get("id")
    wire.socket.close()
    with peer(wired, "c.example", wired.c) as other:
        for previd, h, why in ((number, "0", "item-not-found"),
                               ("0" * 32, "0", "item-not-found"),
                               ("", "0", "item-not-found"),
                               (number, "x", "bad-request"),
                               (number, "-1", "bad-request")):
            other.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previd}' "
                       f"h='{h}'/>")
            assert condition(other) == why
        other.send("<resume xmlns='urn:xmpp:sm:3'/>")
        assert condition(other) == "bad-request"
        enable(other)
        other.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{number}' h='0'/>")
        assert condition(other) == "unexpected-request"
    with peer(wired) as wire:
        wire.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{number}' h='7'/>")
        wire.expect_stream_error("undefined-condition")
    time.sleep(4)
    with peer(wired) as wire:
        wire.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{number}' h='0'/>")
        assert condition(wire) == "item-not-found"


@pytest.mark.parametrize("what,error", [
    ("<a xmlns='urn:xmpp:sm:3' h='1'/>", "undefined-condition"),
    ("<a xmlns='urn:xmpp:sm:3'/>", "policy-violation"),
    ("<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", "policy-violation"),
    ("<nonsense xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
])
def test_wrong_acknowledgements(wired, what, error):
    with peer(wired) as wire:
        enable(wire)
        wire.send(what)
        wire.expect_stream_error(error)


def test_before_it_may_be(wired):
    with Peer(wired.a, "b.example", wired.certificate) as wire:
        wire.secure()
        wire.send("<enable xmlns='urn:xmpp:sm:3'/>")
        assert condition(wire) == "unexpected-request"
        wire.send("<r xmlns='urn:xmpp:sm:3'/>")
        wire.expect_stream_error("policy-violation")


def test_a_burst_is_slowed_down_and_not_bounced(world):
    """More than a queue takes, to a peer that is there: all of it arrives."""
    bridge = Bridge(world, "no", **{"queue-stanzas": "100"})
    with Wire(bridge.a, 60).login("alice") as alice, \
            Wire(bridge.b, 60).login("bob") as bob:
        bob.send("<presence/>")
        alice.message(bob.jid, "first")
        bob.expect_message("first")
        for number in range(3000):
            alice.message(bob.jid, str(number))
        assert bodies(bob, 3000) == [str(n) for n in range(3000)]
        alice.nothing(0.5)
    bridge.proxy.close()
