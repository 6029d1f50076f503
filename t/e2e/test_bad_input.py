# SPDX-License-Identifier: Apache-2.0
"""Clients and links that send what is wrong. Each gets the error that the
RFC names, each leaves a line in a log, and nobody else notices: after every
test two bystanders chat, over the processes that were there before.

What goes wrong with the database is in test_storage_faults.py."""

import hashlib
import itertools
import re
import secrets
import socket
import time

import pytest

from chappe import PASSWORD, Chappe, wait_for
from wire import CLIENT, SASL, TLS, Ended, Wire, b64, error_of

DEPTH = ATTRIBUTES = 16
NAME = 128
STANZA = 20000
CONNECTIONS = 40
RATE, BURST = 200 * 1024, 64 * 1024

sources = (f"127.8.{i // 250}.{i % 250 + 1}" for i in itertools.count())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("bad")) as made:
        made.conf["c2s"] = {
            "limit-stanza": STANZA, "limit-stanza-before-auth": "4K",
            "limit-depth": DEPTH, "limit-attributes": ATTRIBUTES,
            "limit-name": NAME, "limit-connections-network": CONNECTIONS,
            "limit-rate": RATE, "limit-burst": BURST, "auth-timeout": "3s"}
        made.components = {"comp.localhost": "comp-secret"}
        made.extra_links = (
            'link "rogue" {\n\tkind = "sm"\n\tnames = { "rogue.example" }\n'
            f'\tsecret-file = "{made._secret("rogue")}"\n}}\n'
            'link "c2s-rogue" {\n\tkind = "c2s"\n'
            f'\tsecret-file = "{made._secret("rogue")}"\n}}\n')
        made.start()
        made.add_users(*(f"{name}@localhost" for name in
                         ("alice", "bob", "carol", "dave")))
        yield made


@pytest.fixture(scope="module")
def bystanders(server):
    with Wire(server, source="127.0.0.3") as carol, \
            Wire(server, source="127.0.0.4", direct_tls=True) as dave:
        for wire, name in (carol, "carol"), (dave, "dave"):
            wire.login(name)
            wire.presence()
        yield carol, dave


@pytest.fixture(autouse=True)
def nobody_else_notices(server, bystanders):
    processes = dict(server.processes)
    yield
    carol, dave = bystanders
    words = f"still here {time.monotonic()}"
    carol.message(dave.jid, words)
    dave.expect_message(words)
    dave.message(carol.jid, words)
    carol.expect_message(words)
    assert server.processes == processes
    assert all(process.poll() is None for process in processes.values())


class Log:
    """What was logged since."""

    def __init__(self, server, instance="c2s-1"):
        self.server, self.instance = server, instance
        self.mark = len(server.log(instance))

    def has(self, *words):
        def found():
            lines = self.server.log(self.instance)[self.mark:].splitlines()
            return any(all(word in line for word in words) for line in lines)

        wait_for(found, 5, f"{words} in the log of {self.instance}:\n" +
                 self.server.log(self.instance)[self.mark:])


STAGES = ["clear", "secure", "authenticated", "bound"]


def stream_at(server, stage, user="alice"):
    wire = Wire(server, source=next(sources))
    if stage == "clear":
        wire.open()
        return wire
    wire.secure()
    if stage == "secure":
        return wire
    assert wire.scram(user).tag == SASL + "success"
    if stage == "bound":
        wire.bind()
    else:
        wire.open()
    return wire


@pytest.fixture
def alice(server):
    with stream_at(server, "bound") as wire:
        yield wire


@pytest.fixture
def bob(server):
    with stream_at(server, "bound", "bob") as wire:
        wire.presence()
        yield wire


def ids(value):
    if isinstance(value, (str, bytes)) and len(value) > 30:
        return repr(value[:30])
    return repr(value)


# -- XML ----------------------------------------------------------------------

NOT_WELL_FORMED = [
    "<message><body></message>", "<message a='1' a='2'/>", "<message a=1/>",
    "<message a/>", "<message>]]></message>", "<message>a<</message>",
    "<message a='<'/>", "<message>&</message>", "<message>&amp</message>",
    "<message>&#0;</message>", "<message>&#x1f;</message>",
    "<message>&#xd800;</message>", "<message>&#x110000;</message>",
    "<message>\x01</message>", "<message>\0</message>", "<message\0/>",
    "<1message/>", "<mess age='x'y='z'/>", "</message>", "< message/>",
    "hello", "&amp;", "<![CDATA[x]]>", "<x:message/>", "<message x:a='1'/>",
    "<message xmlns:a='urn:x' xmlns:b='urn:x' a:c='1' b:c='2'/>",
    "<message xmlns:x=''/>", "<message xmlns:xml='urn:x'/>",
    "<message xmlns:x='http://www.w3.org/XML/1998/namespace'/>",
    "<message xmlns:xmlns='urn:x'/>", "<message xmlns:a:b='urn:x'/>",
    "<:message/>", "<a:b:c xmlns:a='urn:x'/>", "<message><a><b></b></c>",
    b"<message>\xef\xbf\xbe</message>"]

BAD_UTF8 = [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"]

RESTRICTED = [
    "<!-- x -->", "<message><!-- x --></message>", "<?pi x?>",
    "<message><?pi?></message>", "<?xml version='1.0'?>",
    "<!DOCTYPE x>", "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>",
    "<message>&lol9;</message>", "<message a='&lol9;'/>",
    "<!ENTITY a SYSTEM 'file:///etc/passwd'>"]


@pytest.mark.parametrize("stage", ["clear", "bound"])
@pytest.mark.parametrize("text", NOT_WELL_FORMED, ids=ids)
def test_not_well_formed(server, stage, text):
    log = Log(server)
    with stream_at(server, stage) as wire:
        wire.send(text)
        wire.expect_stream_error("not-well-formed")
    log.has("stream.error", "condition=not-well-formed")


@pytest.mark.parametrize("stage", ["clear", "bound"])
@pytest.mark.parametrize("sequence", BAD_UTF8, ids=ids)
def test_invalid_utf8(server, stage, sequence):
    """RFC 6120 section 4.9.3.22: improperly encoded."""
    log = Log(server)
    with stream_at(server, stage) as wire:
        wire.send(b"<message><body>" + sequence + b"</body></message>")
        wire.expect_stream_error("unsupported-encoding")
    log.has("stream.error", "condition=unsupported-encoding")


def test_utf8_in_pieces_is_fine(alice, bob):
    alice.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in ("<message to='bob@localhost' type='chat'><body>ä€\U0001f600"
                 "</body></message>").encode():
        alice.send(bytes([byte]))
    bob.expect_message("ä€\U0001f600")


@pytest.mark.parametrize("stage", ["clear", "bound"])
@pytest.mark.parametrize("text", RESTRICTED, ids=ids)
def test_restricted_xml(server, stage, text):
    log = Log(server)
    with stream_at(server, stage) as wire:
        wire.send(text)
        wire.expect_stream_error("restricted-xml")
    log.has("stream.error", "condition=restricted-xml")


def test_entity_bomb_instead_of_a_header(server):
    """Refused at its first bytes, before anything could grow."""
    bomb = "<?xml version='1.0'?><!DOCTYPE stream [<!ENTITY a0 'ha'>" + \
        "".join(f"<!ENTITY a{i + 1} '&a{i};&a{i};'>" for i in range(30)) + "]>"
    log = Log(server)
    with Wire(server, source=next(sources)) as wire:
        wire.send(bomb)
        wire.expect_stream_error("restricted-xml")
    log.has("stream.error", "condition=restricted-xml")


# -- limits -------------------------------------------------------------------


def nested(depth):
    """A message of that depth in all."""
    return ("<message to='bob@localhost' type='chat'>" +
            "<a xmlns='urn:x'>" * (depth - 1) + "</a>" * (depth - 1) +
            "</message>")


def with_attributes(number):
    names = " ".join(f"a{i}=''" for i in range(number))
    return ("<message to='bob@localhost' type='chat'>"
            f"<x xmlns='urn:x' {names}/></message>")


def with_name(length):
    return ("<message to='bob@localhost' type='chat'>"
            f"<{'n' * length} xmlns='urn:x'/></message>")


@pytest.mark.parametrize("text", [
    nested(DEPTH + 1), "<a>" * 5000, with_attributes(ATTRIBUTES),
    with_name(NAME + 1), f"<message {'a' * (NAME + 1)}='1'/>",
    "<message>" + "x" * STANZA, "<message to='" + "x" * STANZA], ids=ids)
def test_over_the_limits(server, text):
    log = Log(server)
    with stream_at(server, "bound") as wire:
        wire.send(text)
        wire.expect_stream_error("policy-violation")
    log.has("stream.error", "condition=policy-violation")


@pytest.mark.parametrize("text", [
    nested(DEPTH), with_attributes(ATTRIBUTES - 1), with_name(NAME)], ids=ids)
def test_up_to_the_limits(alice, bob, text):
    alice.send(text)
    bob.expect_message()
    alice.ping()


@pytest.mark.parametrize("stage", ["clear", "secure"])
def test_smaller_limit_before_log_in(server, stage):
    log = Log(server)
    with stream_at(server, stage) as wire:
        wire.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" +
                  "A" * 4096)
        wire.expect_stream_error("policy-violation")
    log.has("stream.error", "condition=policy-violation")


def test_header_that_never_ends(server):
    with Wire(server, source=next(sources)) as wire:
        wire.send("<stream:stream " + "a" * 100 + "='" + "x" * 5000)
        wire.expect_stream_error("policy-violation")


# -- namespaces ---------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "<message xmlns='jabber:server'/>", "<message xmlns=''/>",
    "<message xmlns='urn:x'/>", "<stream:message/>", "<hello/>",
    "<x:message xmlns:x='jabber:component:accept'/>", "<Message/>",
    "<route xmlns='urn:chappe:link:0' at='sm-1'/>",
    "<handshake/>", "<iq xmlns='urn:chappe:link:0'/>",
    "<features xmlns='http://etherx.jabber.org/streams'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"], ids=ids)
def test_elements_that_are_none_of_a_clients(server, text):
    log = Log(server)
    with stream_at(server, "bound") as wire:
        wire.send(text)
        wire.expect_stream_error("unsupported-stanza-type")
    log.has("stream.error", "condition=unsupported-stanza-type")


@pytest.mark.parametrize("inner, tag", [
    ("<stream:x xmlns:stream='urn:x'/>", "{urn:x}x"),
    ("<link:bind xmlns:link='urn:chappe:link:0' name='x'/>",
     "{urn:chappe:link:0}bind"),
    ("<link:x xmlns:link='urn:x'/>", "{urn:x}x"),
    ("<x xmlns=''/>", "x"), ("<x xmlns='jabber:server'/>",
                             "{jabber:server}x"),
    ("<a:x xmlns:a='urn:a'><a:x xmlns:a='urn:b'/></a:x>", "{urn:a}x"),
    ("<x xmlns='urn:a'><message xmlns='jabber:client'/></x>", "{urn:a}x"),
], ids=ids)
def test_redefined_prefixes_arrive_as_they_were_meant(alice, bob, inner, tag):
    alice.send("<message to='bob@localhost' type='chat'>"
               f"<body>b</body>{inner}</message>")
    assert bob.expect_message("b").find(tag) is not None
    # And in a stanza that the server has to look into.
    answer = alice.iq("get", inner, to="localhost")
    assert error_of(answer)[0] == "service-unavailable"
    alice.ping()


@pytest.mark.parametrize("text", [
    "<message to='bob@localhost'><link:lost jid='bob@localhost'/></message>",
    "<message to='bob@localhost'><db:result/></message>",
    "<link:route at='sm-1'><message/></link:route>"], ids=ids)
def test_prefixes_of_the_links_are_not_those_of_clients(alice, text):
    alice.send(text)
    alice.expect_stream_error("not-well-formed")


@pytest.mark.parametrize("text", [
    "</link:route><link:bind name='x'/>",
    "<message></message></link:route>", "</stream:stream x>"], ids=ids)
def test_end_tags_that_would_leave_an_envelope(alice, text):
    alice.send("<message to='bob@localhost'>" + text)
    alice.expect_stream_error("not-well-formed")


def test_attributes_that_would_leave_an_envelope(alice, bob):
    body = "' at='x' session=\"y\"><z/>&<>\"'"
    alice.message("bob@localhost", body)
    bob.expect_message(body)
    answer = alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>",
                      to="a'b@localhost\"")
    assert answer.get("type") == "error"
    alice.ping()


# -- too early ----------------------------------------------------------------


@pytest.mark.parametrize("stage", ["clear", "secure", "authenticated"])
@pytest.mark.parametrize("stanza", [
    "<message to='bob@localhost'><body>early</body></message>", "<presence/>",
    "<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>",
    "<iq type='set' id='x'><query xmlns='jabber:iq:register'/></iq>"], ids=ids)
def test_stanzas_before_their_time(server, bob, stage, stanza):
    log = Log(server)
    with stream_at(server, stage) as wire:
        wire.send(stanza)
        wire.expect_stream_error("not-authorized")
    log.has("stream.error", "condition=not-authorized")
    bob.nothing(0.05)


@pytest.mark.parametrize("stage", ["clear", "secure"])
def test_bind_before_log_in(server, stage):
    with stream_at(server, stage) as wire:
        wire.send("<iq type='set' id='x'><bind xmlns='urn:ietf:params:xml:"
                  "ns:xmpp-bind'/></iq>")
        wire.expect_stream_error("not-authorized")


def test_pipelined_bytes_after_starttls_are_discarded(server, bob):
    with Wire(server, source=next(sources)) as wire:
        wire.open()
        wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                  "<stream:stream xmlns='jabber:client' xmlns:stream="
                  "'http://etherx.jabber.org/streams' to='localhost' "
                  "version='1.0'><auth xmlns='urn:ietf:params:xml:ns:xmpp-"
                  "sasl' mechanism='PLAIN'>" + b64(f"\0alice\0{PASSWORD}") +
                  "</auth><message to='bob@localhost'/>")
        wire.expect(TLS + "proceed")
        try:
            wire.wrap()
        except OSError:
            pass
        else:
            assert wire.open().find(SASL + "mechanisms") is not None
            wire.nothing(0.3)
    bob.nothing(0.05)


# -- addresses ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
@pytest.mark.parametrize("forged", [
    "bob@localhost", "bob@localhost/x", "localhost", "alice@localhost/other",
    "alice@elsewhere.example", "not a jid@", ""])
def test_forged_from(server, alice, bob, kind, forged):
    """RFC 6120 section 8.1.2.1."""
    log, sm_log = Log(server), Log(server, "sm-1")
    alice.send(f"<{kind} from='{forged}' to='bob@localhost' type='" +
               {"message": "chat", "presence": "subscribe",
                "iq": "get"}[kind] + "' id='f'><x xmlns='urn:x'/>"
               f"</{kind}>")
    alice.expect_stream_error("invalid-from")
    log.has("stream.error", "condition=invalid-from")
    sm_log.has("invalid-from", "alice@localhost")
    bob.nothing(0.05)


def test_from_of_oneself_is_fine(alice, bob):
    for number, own in enumerate((alice.jid, "alice@localhost",
                                  "ALICE@localhost")):
        alice.send(f"<message from='{own}' to='bob@localhost' type='chat'>"
                   f"<body>{number}</body></message>")
        assert bob.expect_message(str(number)).get("from") == alice.jid


@pytest.mark.parametrize("to", [
    "", "@localhost", "bob@", "bob@localhost/", "bob@/x", "/x",
    "b" * 1024 + "@localhost", "bob@" + "d" * 1024,
    "bob@localhost/" + "r" * 1024, "\ue000@localhost", "b b@localhost",
    "b&amp;b@localhost", "bob@local host", "bob@localhost/\ue000",
    "\u0627a@localhost", "bob@x..y", "a" * 4000], ids=ids)
def test_addresses_that_cannot_be(server, alice, to):
    log = Log(server, "sm-1")
    alice.send(f"<message to='{to}' id='m'><body>x</body></message>")
    answer = alice.expect(CLIENT + "message", id="m", type="error")
    assert error_of(answer) == ("jid-malformed", "modify")
    alice.send(f"<iq type='get' to='{to}' id='i'>"
               "<ping xmlns='urn:xmpp:ping'/></iq>")
    answer = alice.expect(CLIENT + "iq", id="i", type="error")
    assert error_of(answer) == ("jid-malformed", "modify")
    # An error is never answered by another.
    alice.send(f"<message to='{to}' type='error'/>"
               f"<iq to='{to}' type='result' id='r'/>")
    alice.ping()
    assert not alice._ready
    log.has("jid-malformed", alice.jid)


@pytest.mark.parametrize("stanza", [
    "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq id='1' type='nonsense'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq id='1' type='get'/>", "<iq id='1' type='set'/>",
    "<iq id='1' type='get'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>"],
    ids=ids)
def test_iqs_against_the_rules(server, alice, stanza):
    """RFC 6120 section 8.2.3."""
    log = Log(server, "sm-1")
    alice.send(stanza)
    answer = alice.expect(CLIENT + "iq", type="error")
    assert error_of(answer) == ("bad-request", "modify")
    alice.ping()
    log.has("bad-request", alice.jid)


# -- time and numbers ---------------------------------------------------------


def silent(server, stage):
    if stage == "tcp":
        return Wire(server, source=next(sources))
    if stage == "handshake":
        wire = Wire(server, source=next(sources))
        wire.open()
        wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        wire.expect(TLS + "proceed")
        return wire
    if stage == "tls":
        return Wire(server, source=next(sources), direct_tls=True)
    if stage == "half a header":
        wire = Wire(server, source=next(sources))
        wire.send("<stream:stream ")
        return wire
    if stage == "half a log-in":
        wire = stream_at(server, "secure")
        wire.auth("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")
        wire.expect(SASL + "challenge")
        return wire
    return stream_at(server, stage)


def test_clients_that_say_nothing(server):
    """Each is told, where anything can be told, and cut off in time."""
    stages = ["tcp", "half a header", "clear", "handshake", "tls", "secure",
              "half a log-in", "authenticated"]
    log = Log(server)
    start = time.monotonic()
    wires = {stage: silent(server, stage) for stage in stages}
    for stage, wire in wires.items():
        with wire:
            if stage == "handshake":
                wire.expect_end(6)
                assert wire.closed
            else:
                wire.expect_stream_error("connection-timeout", 6)
    assert 2.5 < time.monotonic() - start < 6
    log.has("stream.error", "condition=connection-timeout")


def test_client_that_trickles_is_cut_off_too(server):
    """Bytes do not buy time before log-in."""
    with stream_at(server, "secure") as wire:
        start = time.monotonic()
        with pytest.raises((OSError, Ended)):
            while time.monotonic() - start < 6:
                wire.send(" ")
                time.sleep(0.1)
                wire.socket.settimeout(0.01)
                try:
                    wire._read(time.monotonic() + 0.01)
                except AssertionError:
                    pass
        assert time.monotonic() - start < 5


def test_hundreds_of_connections_from_one_address(server):
    log = Log(server)
    crowd = []
    try:
        for _ in range(400):
            crowd.append(socket.create_connection(
                ("127.0.0.1", server.port), 5,
                source_address=("127.9.9.9", 0)))

        def living():
            count = 0
            for one in crowd:
                one.settimeout(0)
                try:
                    count += one.recv(1, socket.MSG_PEEK) != b""
                except BlockingIOError:
                    count += 1
                except OSError:
                    pass
            return count

        wait_for(lambda: living() <= CONNECTIONS, 5, "the rest is closed")
        assert living() == CONNECTIONS
        log.has("connection.refused", "127.9.9.9")
        # Few lines, however many there were.
        assert server.log("c2s-1")[log.mark:].count("connection.refused") < 10
        with stream_at(server, "bound") as wire:
            wire.ping()
    finally:
        for one in crowd:
            one.close()

    def again():
        try:
            with Wire(server, source="127.9.9.9") as wire:
                wire.open()
                return True
        except (OSError, Ended):
            return False

    wait_for(again, 5, "the address may come back")


def test_rate_limit_slows_down(server, alice, bob):
    """Nothing is lost and nobody is cut off: it just takes its time."""
    size, number = 10000, 40
    start = time.monotonic()
    alice.socket.settimeout(20)
    sent = 0
    for n in range(number):
        alice.message("bob@localhost", f"{n} " + "x" * size)
        sent += size
    for n in range(number):
        assert bob.expect_message(seconds=20).findtext(CLIENT + "body") \
            .startswith(f"{n} ")
    took = time.monotonic() - start
    assert took > 0.8 * (sent - BURST) / RATE
    alice.ping()


# -- clients that do not read -------------------------------------------------


class DeafSocket(Wire):
    """Its window is as small as can be."""

    def __init__(self, server):
        self.domain, self.chappe, self.seconds = server.domain, server, 10
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", server.port))
        self.jid = self.header = None
        self.closed = False
        self._reset()


@pytest.mark.parametrize("options, reason", [
    ({"limit-write-queue": "64K", "write-timeout": "60s"}, "does not read"),
    ({"limit-write-queue": "64M", "write-timeout": "1s"}, "")],
    ids=["queue", "timeout"])
def test_client_that_never_reads(tmp_path, options, reason):
    with Chappe(tmp_path) as own:
        own.conf["c2s"] = {**options, "limit-rate": 0}
        own.start()
        own.add_users("alice@localhost", "bob@localhost", "carol@localhost")
        with DeafSocket(own) as bob, Wire(own) as alice, Wire(own) as carol:
            bob.login("bob")
            bob.presence()
            alice.login("alice")
            carol.login("carol")
            carol.presence()
            body = "x" * 200000
            end = time.monotonic() + 30
            while "session.closed" not in own.log("c2s-1"):
                assert time.monotonic() < end, "bob is cut off"
                for _ in range(4):
                    alice.message(bob.jid, body)
                alice.message(carol.jid, "meanwhile")
                carol.expect_message("meanwhile")
                alice.ping()
            assert re.search(r"session\.closed.*bob@localhost.*" + reason,
                             own.log("c2s-1"))
            # What came too late for it was kept or came back: alice is well.
            alice.ping()
            with Wire(own) as again:
                # Not what waits offline: it is more than the queue takes.
                again.login("bob")
                again.presence("<priority>-1</priority>")
                alice.message(again.jid, "hello again")
                again.expect_message("hello again")


def test_idle_client_is_asked_and_then_cut_off(tmp_path):
    with Chappe(tmp_path) as own:
        own.conf["c2s"] = {"idle-timeout": "2s"}
        own.start()
        own.add_users("alice@localhost", "bob@localhost")
        with Wire(own) as alice, Wire(own) as bob:
            alice.login("alice")
            bob.login("bob")
            start = time.monotonic()
            bob.socket.settimeout(5)
            assert bob.socket.recv(10) == b" "
            assert 0.5 < time.monotonic() - start < 1.9
            while time.monotonic() - start < 3:
                alice.send(" ")
                time.sleep(0.2)
            alice.ping()
            bob.expect_stream_error("connection-timeout")
        assert "no sign of life" in own.log("c2s-1")


# -- links --------------------------------------------------------------------


class RawLink:
    """A link to the router that says what a test wants."""

    def __init__(self, server, name, secret=None, tcp=False):
        if tcp:
            self.socket = socket.create_connection(
                ("127.0.0.1", server.component_port), 5)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(5)
            self.socket.connect(f"{server.sockets}/router.sock")
        self.text = ""
        self.name = name
        if secret is None:
            return
        self.header()
        number = self.until(r"id='([^']+)'").group(1)
        self.send("<handshake>" + hashlib.sha1(
            (number + secret).encode()).hexdigest() + "</handshake>")
        self.until(r"<handshake/>")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def header(self):
        self.send("<stream:stream xmlns='jabber:component:accept' "
                  "xmlns:stream='http://etherx.jabber.org/streams' "
                  f"xmlns:link='urn:chappe:link:0' to='{self.name}'>")

    def become_role(self):
        """As a new process: what has another epoch is not a repeat."""
        self.epoch = secrets.token_hex(8)
        self.send(f"<link:role epoch='{self.epoch}' version='1'/>")
        self.until(r"<link:welcome[^>]*/>")
        return self

    def envelope(self, payload="<message/>", number=1, sender=None,
                 at="sm-1", epoch=None, more="to='carol@localhost'"):
        self.send(f"<link:route xmlns='jabber:client' at='{at}' "
                  f"from='{sender or self.name}' n='{number}' "
                  f"epoch='{epoch or self.epoch}' {more}>{payload}"
                  "</link:route>")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes)
                            else data.encode())

    def until(self, pattern):
        """Reads up to what matches; `text` keeps what follows."""
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            data = self.socket.recv(65536)
            assert data, f"no {pattern}: {self.text}"
            self.text += data.decode(errors="replace")

    def expect_error(self, condition):
        self.until(f"<stream:error><{condition} ")
        self.until("</stream:stream>")
        while True:
            try:
                if not self.socket.recv(65536):
                    return
            except ConnectionResetError:
                return


def rogue(server, name="rogue"):
    return RawLink(server, name,
                   server._secret("rogue").read_text().strip()).become_role()


@pytest.mark.parametrize("garbage, condition", [
    (b"\0\1\2\3" * 100, "not-well-formed"), (b"GET / HTTP/1.0\r\n\r\n",
                                             "not-well-formed"),
    (b"\x16\x03\x01\x02\x00\x01\x00", "not-well-formed"),
    (b"<!DOCTYPE x>", "restricted-xml"), (b"<" + b"a" * 10000,
                                          "policy-violation")], ids=ids)
def test_garbage_before_the_handshake(server, garbage, condition):
    log = Log(server, "router")
    for tcp in False, True:
        with RawLink(server, "x", tcp=tcp) as link:
            link.send(garbage)
            link.expect_error(condition)
    log.has(condition)


@pytest.mark.parametrize("garbage, condition", [
    ("hello", "not-well-formed"), ("<a></b>", "not-well-formed"),
    ("<!-- x -->", "restricted-xml"), ("<link:nonsense/>", None),
    ("<message/>", None), ("<link:route/>", "bad-format"),
    ("<link:route at='sm-1'", "")], ids=ids)
def test_garbage_from_a_role(server, garbage, condition):
    log = Log(server, "router")
    with rogue(server) as link:
        link.send(garbage)
        if condition:
            link.expect_error(condition)
        elif condition is None:
            link.until("<stream:error><")
            link.until("</stream:stream>")
    log.has("rogue")


@pytest.mark.parametrize("wrong, condition", [
    ({"sender": "c2s-1"}, "invalid-from"),
    ({"epoch": "00000000000000bb"}, "invalid-from"),
    ({"epoch": "bb"}, "bad-format"), ({"number": "x"}, "bad-format"),
    ({"more": "to='x'y='z'"}, "not-well-formed"),
    ({"payload": ""}, "bad-format"),
    ({"payload": "<message>&#1;</message>"}, "not-well-formed"),
    ({"more": "at='c2s-1'"}, "bad-format"),
    ({"payload": "</message>"}, "not-well-formed"),
    ({"payload": "<message>"}, "not-well-formed"),
    ({"payload": "\x01\ufffe"}, None)], ids=ids)
def test_wrong_envelopes(server, wrong, condition):
    log = Log(server, "router")
    with rogue(server) as link:
        link.envelope(**wrong)
        if condition:
            link.expect_error(condition)
    log.has("rogue")


@pytest.mark.parametrize("payload", [
    "<message/><message/>", "<x:y/>", "<a><b x='1' x='2'/></a>",
    "<message to='x@'/>", "<iq type='get'/>", "<message>\ufffe</message>",
    "<link:open/>", "<hello xmlns='urn:x'/>"], ids=ids)
@pytest.mark.parametrize("more", ["", "session='s.1'",
                                  "session='s.1' kind='control'"])
def test_payload_that_is_wrong(server, bystanders, more, payload):
    """The router does not look into envelopes: whoever gets them has to."""
    log = Log(server, "sm-1")
    carol, dave = bystanders
    with rogue(server) as link:
        link.send("<link:bind name='rogue.example'/>")
        link.until("<link:bound name='rogue.example'/>")
        link.envelope(payload, more="to='carol@localhost' " + more)
        link.envelope("<message from='x@rogue.example' to='carol@localhost' "
                      "type='chat'><body>after it</body></message>", number=2)
        carol.expect_message("after it")
        dave.nothing(0.05)
    log.has("s.1" if more == "session='s.1'" else "rogue")


def test_role_that_binds_what_it_may_not(server):
    log = Log(server, "router")
    for name in "localhost", "sm-1", "*", "comp.localhost":
        with rogue(server) as link:
            link.send("<link:bind name='rogue.example'/>")
            link.until("<link:bound name='rogue.example'/>")
            link.send(f"<link:bind name='{name}'/>")
            link.until(f"<link:refused name='{re.escape(name)}'/>")
            # Only the name is refused: the link goes on.
            link.send("<link:ping id='7'/>")
            link.until("<link:pong id='7'/>")
        log.has("name.refused", "rogue")


def test_name_of_a_living_link(server):
    """The bystanders' own c2s keeps its name."""
    secret = server._secret("c2s").read_text().strip()
    log = Log(server, "router")
    with RawLink(server, "c2s-1") as link:
        link.header()
        number = link.until(r"id='([^']+)'").group(1)
        link.send("<handshake>" + hashlib.sha1(
            (number + secret).encode()).hexdigest() + "</handshake>")
        link.expect_error("conflict")
    log.has("conflict", "c2s-1")


@pytest.mark.parametrize("name", ["rogue", "nobody.example", "comp.localhost"])
def test_wrong_handshake(server, name):
    log = Log(server, "router")
    with RawLink(server, name) as link:
        link.header()
        link.until(r"id='([^']+)'")
        link.send("<handshake>" + "0" * 40 + "</handshake>")
        link.until("<stream:error>")
        link.until("</stream:stream>")
    log.has(name)


def test_c2s_cannot_open_a_session_without_a_ticket(server):
    """A c2s that is taken over knows no user's ticket."""
    log = Log(server, "sm-1")
    with rogue(server, "c2s-rogue") as link:
        link.envelope("<link:open jid='carol@localhost' ticket='AAAA' "
                      "stream='s' address='127.0.0.1'/>",
                      more="to='carol@localhost' session='c2s-rogue.1' "
                      "kind='control'")
        link.until("<link:refused condition='not-authorized'")
        # Nor can it speak in a session that it does not have.
        link.envelope("<message to='dave@localhost' type='chat'>"
                      "<body>forged</body></message>", number=2,
                      more="to='carol@localhost' session='c2s-1.00' "
                      "origin='c2s-1.00/1'")
        link.until("<link:lost ")
    log.has("c2s-rogue")


def test_c2s_cannot_send_in_the_name_of_somebody(server, bystanders):
    log = Log(server, "sm-1")
    with rogue(server, "c2s-rogue") as link:
        for number, sender in enumerate(("carol@localhost", "localhost",
                                         "not@@valid"), 1):
            link.envelope(f"<message from='{sender}' to='dave@localhost' "
                          "type='chat'><body>forged</body></message>",
                          number=number, more="to='dave@localhost'")
        bystanders[1].nothing(0.3)
    log.has("route.forged", "c2s-rogue", "carol@localhost")


def test_c2s_cannot_send_to_a_c2s(server):
    log = Log(server, "router")
    with rogue(server, "c2s-rogue") as link:
        link.envelope(at="c2s-1")
        link.until("<link:gone name='c2s-1'")
    log.has("c2s-rogue", "c2s-1")


def test_c2s_cannot_speak_in_the_session_of_another(server, bystanders):
    """The names of sessions are no secret between the roles."""
    carol, dave = bystanders
    session = re.findall(r"session\.open\S* .*?session=(\S+) jid=carol",
                         server.log("c2s-1"))[-1]
    log = Log(server, "sm-1")
    with rogue(server, "c2s-rogue") as link:
        link.envelope("<message to='dave@localhost' type='chat'>"
                      "<body>forged</body></message>",
                      more=f"to='carol@localhost' session='{session}' "
                      f"origin='{session}/1000'")
        link.envelope("<link:closed reason='forged'/>", number=2,
                      more=f"to='carol@localhost' session='{session}' "
                      "kind='control'")
        dave.nothing(0.3)
    log.has("c2s-rogue")


def component(server):
    return RawLink(server, "comp.localhost", "comp-secret", tcp=True)


@pytest.mark.parametrize("stanza, condition", [
    ("<message from='carol@localhost' to='dave@localhost'/>", "invalid-from"),
    ("<message from='localhost' to='dave@localhost'/>", "invalid-from"),
    ("<message from='x@sub.comp.localhost' to='dave@localhost'/>",
     "invalid-from"),
    ("<message to='dave@localhost'/>", None),
    ("<link:bind name='localhost'/>", "not-authorized"),
    ("<link:role epoch='00000000000000aa' version='1'/>", "not-authorized"),
    ("<link:route at='sm-1'><message/></link:route>", "not-authorized"),
    ("<message><body></message>", "not-well-formed"),
    ("<message from='comp.localhost' to='dave@localhost'><x:y/></message>",
     "not-well-formed"),
    ("<message>\x01</message>", "not-well-formed"),
    ("<!-- x -->", "restricted-xml"),
    ("<message>" + "x" * 300000, "policy-violation"),
    ("<hello/>", "unsupported-stanza-type")], ids=ids)
def test_component_that_misbehaves(server, stanza, condition):
    log = Log(server, "router")
    with component(server) as link:
        try:
            link.send(stanza)
        except OSError:
            pass
        if condition:
            link.expect_error(condition)
        else:
            link.until("<stream:error><")
    log.has("comp.localhost")
