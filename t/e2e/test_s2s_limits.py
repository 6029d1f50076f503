# SPDX-License-Identifier: Apache-2.0
"""What other servers, and DNS, may cost us: limits at the door, loops, many
domains; and a stricter trust that is only tried out."""

import os
import re
import socket
import time
import urllib.request

import pytest

from chappe import free_port, wait_for
from federation import A, AAAA, CNAME, DIALBACK, SRV, Peer
from test_s2s import World, bounced, chat, rows, world  # noqa: F401
from test_s2s_bad_input import MESSAGE, error_of
from wire import CLIENT, STANZAS, Ended, Wire


def condition_of(stanza):
    error = stanza.find("{*}error")
    return (error[0].tag.split("}")[1],
            error.findtext(STANZAS + "text") or "")


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("strict"))
    made.metrics = free_port()
    made.a = made.chappe(**{
        "auth-timeout": "2s", "limit-connections-network": "5",
        "connect-timeout": "3s", "queue-age": "2s", "retry-first": "300ms",
        "metrics": f"127.0.0.1:{made.metrics}"})
    made.a.remotes = {"*.weak.example": {"trust": "verified"}}
    made.a.start()
    made.certificate = made.authority.issue("b.example")
    yield made
    made.close()


def metric(made, name):
    text = urllib.request.urlopen(
        f"http://127.0.0.1:{made.metrics}/metrics", timeout=5).read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


# -- at the door --------------------------------------------------------------


def test_connections_of_one_network(strict):
    """The sixth is closed at once; a place that is left is free again."""
    wait_for(lambda: metric(strict, "chappe_s2s_connections") == 0, 10)
    wires = [Peer(strict.a) for _ in range(5)]
    for wire in wires:
        wire.open()
    with pytest.raises((OSError, Ended, AssertionError)):
        with Peer(strict.a, seconds=3) as wire:
            wire.open()
    assert "limit=connections-network" in strict.a.log("s2s-1")
    wires.pop().socket.close()
    wait_for(lambda: metric(strict, "chappe_s2s_connections") == 4, 5)
    with Peer(strict.a) as wire:
        wire.open()
    for wire in wires:
        wire.socket.close()
    wait_for(lambda: metric(strict, "chappe_s2s_connections") == 0, 10)


@pytest.mark.parametrize("busy", [False, True])
def test_time_without_authentication(strict, busy):
    """Not longer because the peer goes on saying something."""
    with Peer(strict.a, "slow.weak.example", seconds=10) as wire:
        wire.open()
        started = time.monotonic()
        if busy:
            for _ in range(15):
                try:
                    wire.send(" ")
                except OSError:
                    break
                time.sleep(0.1)
        wire.expect_stream_error("connection-timeout")
        assert 1 < time.monotonic() - started < 4


# -- what users mistype -------------------------------------------------------


@pytest.mark.parametrize("to", ["a b@a.example", "@a.example",
                                "alice@a.example/" + "x" * 1100])
def test_an_address_that_is_none(strict, to):
    with Peer(strict.a, certificate=strict.certificate) as back:
        listener = socket.create_server(("127.0.0.1", 0))
        strict.names.xmpp("b.example", listener.getsockname()[1])
        back.external()
        back.send("<bidi xmlns='urn:xmpp:bidi'/>")
        back.send(f"<message id='m1' from='bob@b.example' to='{to}'>"
                  "<body>hello</body></message>")
        back.send(MESSAGE.format("b.example", "still open"))
        row = wait_for(lambda: rows(strict.a, "b.example").get("out")
                       or rows(strict.a, "b.example").get("both"), 5)
        assert row, "an error is on its way"
        listener.close()
    assert "stanza.malformed" in strict.a.log("s2s-1")


def test_the_error_says_what_is_wrong(world):
    a, b = world.chappe("a.example"), world.chappe("b.example")
    a.start()
    b.start()
    with Peer(b, "a.example", certificate=a.certificates["a.example"]) as wire:
        wire.secure()
        wire.send("<bidi xmlns='urn:xmpp:bidi'/>")
        wire.auth("EXTERNAL", "")
        wire.next()
        wire.open()
        wire.send("<message id='m1' from='alice@a.example' "
                  "to='b ob@b.example'><body>x</body></message>")
        answer = wire.until(lambda e: e.tag.endswith("message"), 10)
        assert answer.get("from") == "b.example"
        assert answer.get("to") == "alice@a.example"
        assert condition_of(answer) == (
            "jid-malformed", '"b ob@b.example" is no address')


# -- DNS that leads astray ----------------------------------------------------


@pytest.fixture(scope="module")
def astray(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("astray"))
    made.a = made.chappe(**{"queue-age": "1s", "retry-first": "200ms",
                            "connect-timeout": "3s"})
    made.a.remotes = {"*.weak.example": {"trust": "verified"}}
    # What is freed is to count as free, for the test of memory.
    environment = made.a.environment()
    environment["ASAN_OPTIONS"] += ":quarantine_size_mb=8"
    made.a.environment = lambda: environment
    made.a.start()
    yield made
    made.close()


def test_a_domain_that_points_at_ourselves(astray):
    astray.names.xmpp("loop.example", astray.a.s2s_port,
                      astray.a.s2s_tls_port)
    with Wire(astray.a, 20).login("alice") as alice:
        text = bounced(alice, "bob@loop.example")[1]
        assert text.startswith("loop.example ")
    # Nothing goes round and round.
    tried = astray.a.log("s2s-1").count("domain=loop.example")
    time.sleep(1)
    assert astray.a.log("s2s-1").count("domain=loop.example") == tried


def test_a_dialback_loop(astray):
    """Whose authoritative server, says DNS, are we ourselves."""
    astray.names.xmpp("loop.weak.example", astray.a.s2s_port)
    with Peer(astray.a, "loop.weak.example") as wire:
        wire.open()
        condition, text = error_of(wire.result())
        assert condition.startswith("remote-server"), condition
        assert "loop.weak.example" in text
    accepted = astray.a.log("s2s-1").count("stream.accepted")
    time.sleep(1)
    assert astray.a.log("s2s-1").count("stream.accepted") == accepted


def test_a_server_on_the_loopback_where_nobody_is(astray):
    astray.names.records["_xmpp-server._tcp.lo.example", SRV] = [
        (0, 0, 1, "localhost"), (0, 0, 22, "host.lo.example"),
        (1, 0, 0, "host.lo.example")]
    astray.names.records["host.lo.example", A] = ["127.0.0.1"]
    with Wire(astray.a, 20).login("alice") as alice:
        assert "cannot be reached" in bounced(alice, "bob@lo.example")[1]


def test_chains_of_aliases(astray):
    """One is followed; one that bites its tail, or never ends, is an error."""
    names = astray.names
    for number in range(60):
        names.records[f"c{number}.far.example", CNAME] = [
            f"c{number + 1}.far.example"]
    names.records["c60.far.example", A] = ["127.0.0.1"]
    names.records["x.round.example", CNAME] = ["y.round.example"]
    names.records["y.round.example", CNAME] = ["x.round.example"]
    for domain, target in (("far.example", "c0.far.example"),
                           ("round.example", "x.round.example"),
                           ("self.example", "self.example")):
        names.records[f"_xmpp-server._tcp.{domain}", SRV] = [
            (0, 0, 5269, target)]
    names.records["self.example", CNAME] = ["self.example"]
    with Wire(astray.a, 30).login("alice") as alice:
        for domain in ("far.example", "round.example", "self.example"):
            assert bounced(alice, f"bob@{domain}", 20)[1].startswith(
                f"{domain} ")


def test_an_alias_is_followed(world):
    b = world.chappe("b.example")
    a = world.chappe("a.example")
    b.start()
    world.names.records["_xmpps-server._tcp.b.example", SRV] = [
        (0, 0, b.s2s_tls_port, "alias.b.example")]
    world.names.records["alias.b.example", CNAME] = ["host.b.example"]
    a.start()
    chat(a, b)


def test_ten_thousand_domains(astray):
    """In a burst: bounded in memory, and those who live are served."""
    pid = astray.a.processes["s2s-1"].pid

    def resident():
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    before = resident()
    with Wire(astray.a, 60).login("alice") as alice:
        started = time.monotonic()
        answers = 0
        for number in range(10000):
            alice.send(f"<message to='x@d{number}.many.example' id='{number}'>"
                       "<body>?</body></message>")
            if number % 500 == 499:
                alice.ping()
        while answers < 10000:
            answer = alice.until(
                lambda e: e.tag == CLIENT + "message", 60)
            assert answer.get("type") == "error"
            answers += 1
        took = time.monotonic() - started
    assert took < 60, took
    grown = resident() - before
    print(f"{took:.1f} s, {grown >> 20} MiB")
    # A pair that is known to be dead is some hundred bytes; the resolver and
    # the sanitizers take the rest.
    assert grown < 150 << 20, grown


# -- trust that is tried out --------------------------------------------------


def test_a_stricter_level_is_tried_out(world):
    a = world.chappe("a.example", **{"trust-trial": "trusted", "bidi": "no"})
    b = world.chappe("b.example", bidi="no")
    for server, other in ((a, "b.example"), (b, "a.example")):
        server.remotes = {other: {"trust": "encrypted"}}
    b.certificates["b.example"] = world.others.issue("b.example")
    a.start()
    b.start()
    chat(a, b)
    log = a.log("s2s-1")
    for direction in ("in", "out"):
        row = rows(a)[direction]
        assert row["trust"] == "encrypted"
        assert row["lacks"] == ("trusted: its certificate is from an unknown "
                                "issuer")
        assert re.search(f"trust.trial direction={direction} .*reached="
                         "encrypted tried=trusted lacks=", log), log
    assert "trust.trial" not in b.log("s2s-1")
    assert rows(b, "a.example")["out"].get("lacks") is None


# -- addresses ----------------------------------------------------------------


def two_families(world, answers):
    """b.example has an IPv6 and an IPv4 address; what is at the port of the
    first is up to `answers`."""
    a, b = world.chappe("a.example", bidi="no"), world.chappe("b.example")
    world.names.records["host.b.example", AAAA] = ["::1"]
    del world.names.records["_xmpps-server._tcp.b.example", SRV]
    if answers == "itself":
        b.conf["s2s"]["listen"] = [f"[::1]:{b.s2s_port}",
                                   f"127.0.0.1:{b.s2s_port}"]
    a.start()
    b.start()
    return a, b


def arrives(a, b, seconds):
    with Wire(a, 20).login("alice") as alice, \
            Wire(b, 20).login("bob") as bob:
        bob.send("<presence/>")
        bob.message(bob.jid, "ready")
        bob.expect_message("ready")
        started = time.monotonic()
        alice.message(bob.jid, "hello")
        bob.expect_message("hello", seconds)
        return time.monotonic() - started


def test_ipv6_comes_first(world):
    a, b = two_families(world, "itself")
    arrives(a, b, 10)
    assert rows(a)["out"]["address"] == "::1"


def test_ipv6_refuses(world):
    a, b = two_families(world, "nobody")
    assert arrives(a, b, 10) < 2
    assert rows(a)["out"]["address"] == "127.0.0.1"


def test_ipv6_is_a_black_hole(world):
    """Its queue is full, so that nothing is answered: IPv4 is tried after a
    quarter of a second (XEP-0495, RFC 8305), not after minutes."""
    a, b = two_families(world, "nothing")
    hole = socket.create_server(("::1", b.s2s_port), backlog=0,
                                family=socket.AF_INET6)
    fillers = []
    for _ in range(4):
        filler = socket.socket(socket.AF_INET6)
        filler.setblocking(False)
        filler.connect_ex(("::1", b.s2s_port))
        fillers.append(filler)
    time.sleep(0.2)
    took = arrives(a, b, 10)
    assert 0.2 < took < 2.5, took
    assert rows(a)["out"]["address"] == "127.0.0.1"
    for filler in fillers:
        filler.close()
    hole.close()


# -- peers that hang up -------------------------------------------------------


def steps(wire):
    """What a peer does on its way to stanzas, and beyond."""
    yield
    wire.open(read=False)
    yield
    wire.next()
    yield
    wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    yield
    wire.next()
    yield
    wire.wrap(wire._context())
    yield
    wire.open()
    yield
    wire.auth("EXTERNAL", "")
    yield
    wire.next()
    yield
    wire.open()
    yield
    wire.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    yield
    wire.next()
    yield
    wire.send(MESSAGE.format("b.example", "whole"))
    yield
    wire.send("<message from='bob@b.example' to='alice@a.exa")
    yield


@pytest.mark.parametrize("reset", [False, True])
def test_a_peer_that_hangs_up_anywhere(strict, reset):
    """Nothing is left of it but what can be resumed."""
    count = sum(1 for _ in steps(Nothing()))
    for last in range(count):
        wire = Peer(strict.a, certificate=strict.certificate)
        walk = steps(wire)
        for _ in range(last + 1):
            next(walk)
        if reset:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
        wire.socket.close()
    wait_for(lambda: metric(strict, "chappe_s2s_connections") == 0, 10,
             "all are gone")
    assert metric(strict, "chappe_s2s_connections_unauthenticated") == 0


class Nothing:
    """Does nothing, for counting."""

    def __getattr__(self, _):
        return lambda *words, **more: None
