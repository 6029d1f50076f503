# SPDX-License-Identifier: Apache-2.0
"""Stream management (XEP-0198): acknowledgements both ways, resumption over
any c2s, and what becomes of messages whose client does not come back."""

import asyncio
import socket
import time

import pytest

from chappe import PASSWORD, free_port, wait_for
from wire import CLIENT, STANZAS, STREAM, Wire, error_of

SM = "{urn:xmpp:sm:3}"
DELAY = "{urn:xmpp:delay}delay"


class Managed(Wire):
    """A client that counts."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.counting = False
        self.handled = 0  # stanzas of the server
        self.id = None
        self.answers = True

    def next(self, seconds=None):
        """The next element; counts stanzas, answers <r/>."""
        end = time.monotonic() + (seconds or self.seconds)
        while True:
            element = super().next(max(0.01, end - time.monotonic()))
            if element.tag.startswith(CLIENT) and self.counting and \
                    not getattr(element, "counted", None):
                if id(element) not in self._seen:
                    self._seen[id(element)] = element
                    self.handled += 1
            if element.tag == SM + "r" and self.answers:
                self.acknowledge()
                continue
            return element

    def acknowledge(self):
        self.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.handled}'/>")

    def enable(self, resume=True, extra=""):
        flag = " resume='true'" if resume else ""
        self._seen = {}
        self.send(f"<enable xmlns='urn:xmpp:sm:3'{flag}{extra}/>")
        answer = self.find(lambda e: e.tag in (SM + "enabled", SM + "failed"))
        assert answer.tag == SM + "enabled"
        self.counting = True
        self.id = answer.get("id")
        return answer

    def handled_by_server(self, seconds=None):
        """What the server answers to <r/>."""
        self.send("<r xmlns='urn:xmpp:sm:3'/>")
        return int(self.find(lambda e: e.tag == SM + "a", seconds).get("h"))

    def authenticate(self, user, password=PASSWORD):
        self.starttls()
        self.open()
        assert self.scram(user, password) is not None
        return self.open()

    def resume(self, former, user):
        """A new connection for the session of `former`; the answer."""
        self.authenticate(user)
        self.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{former.id}' "
                  f"h='{former.handled}'/>")
        answer = self.expect_any(SM + "resumed", SM + "failed",
                                 STREAM + "error")
        if answer.tag == SM + "resumed":
            self.counting = True
            self._seen = {}
            self.handled = former.handled
            self.id, self.jid = former.id, former.jid
        return answer

    def expect_any(self, *tags):
        element = self.next()
        assert element.tag in tags, element.tag
        return element

    def cut(self):
        """The network goes: no end of the stream."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def managed(server, user, resource=None, presence=True, **named):
    wire = Managed(server, **named)
    wire.login(user, resource)
    wire.enable()
    if presence:
        wire.presence()
    return wire


def bodies(wire, count, seconds=10):
    """The bodies of the next messages."""
    return [wire.expect_message(seconds=seconds).findtext(CLIENT + "body")
            for _ in range(count)]


# -- enabling ------------------------------------------------------------------


def test_feature_is_offered_after_log_in(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        features = wire.authenticate(alice.name)
        assert features.find(SM + "sm") is not None


def test_enable(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        answer = wire.enable()
        assert answer.get("resume") == "true"
        assert len(answer.get("id")) >= 16
        assert answer.get("max") == "300"
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        answer = wire.enable(extra=" max='7'")
        assert answer.get("max") == "7"
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        answer = wire.enable(resume=False)
        assert answer.get("resume") is None and answer.get("id") is None


def test_enable_before_bind(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        wire.authenticate(alice.name)
        wire.send("<enable xmlns='urn:xmpp:sm:3'/>")
        failed = wire.expect(SM + "failed")
        assert failed.find(STANZAS + "unexpected-request") is not None
        assert wire.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:"
                         "xml:ns:xmpp-bind'/></iq>") is None
        assert wire.expect(CLIENT + "iq").get("type") == "result"


def test_enable_twice(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        wire.enable()
        wire.send("<enable xmlns='urn:xmpp:sm:3'/>")
        wire.expect_stream_error("policy-violation")


@pytest.mark.parametrize("element", ["<r xmlns='urn:xmpp:sm:3'/>",
                                     "<a xmlns='urn:xmpp:sm:3' h='0'/>",
                                     "<resume xmlns='urn:xmpp:sm:3' "
                                     "previd='x' h='0'/>"])
def test_not_enabled(people, element):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        wire.send(element)
        failed = wire.expect(SM + "failed")
        assert failed.find(STANZAS + "unexpected-request") is not None
        wire.ping()


def test_unknown_element(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        wire.login(alice.name)
        wire.enable()
        wire.send("<b xmlns='urn:xmpp:sm:3'/>")
        wire.expect_stream_error("unsupported-stanza-type")


# -- acknowledgements ----------------------------------------------------------


def test_server_acknowledges(people):
    alice, bob = people("alice", "bob")
    with managed(alice.chappe, alice.name, presence=False) as wire:
        assert wire.handled_by_server() == 0
        wire.presence()
        assert wire.handled_by_server() == 1
        for number in range(20):
            wire.message(bob.jid, f"number {number}")  # is stored
        assert wire.handled_by_server() == 21
        # Stanzas that c2s answers by itself count as well.
        wire.send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:"
                  "ns:xmpp-session'/></iq>")
        assert wire.handled_by_server() == 22
        # Stanzas that are answered with an error are handled.
        wire.send("<message to='@@'/>")
        assert wire.handled_by_server() == 23


def test_server_asks(people):
    """Soon after a stanza, and once for many."""
    alice, bob = people("alice", "bob")
    with managed(alice.chappe, alice.name) as wire, \
            Wire(alice.chappe) as other:
        wire.answers = False
        other.login(bob.name)
        wire.until(lambda e: e.tag == SM + "r", 3)
        wire.acknowledge()
        for number in range(100):
            other.message(alice.jid, f"number {number}")
        asked = 0
        for _ in range(100):
            if wire.until(lambda e: e.tag in (SM + "r", CLIENT + "message")
                          ).tag == SM + "r":
                asked += 1
        assert 1 <= asked <= 15, asked


def test_client_acknowledges_too_much(people):
    alice = people("alice")
    with managed(alice.chappe, alice.name) as wire:
        sent = wire.handled
        wire.send(f"<a xmlns='urn:xmpp:sm:3' h='{sent + 5}'/>")
        error = wire.expect_stream_error("undefined-condition")
        count = error.find(SM + "handled-count-too-high")
        assert count.get("h") == str(sent + 5)
        assert count.get("send-count") == str(sent)


@pytest.mark.parametrize("element", ["<a xmlns='urn:xmpp:sm:3'/>",
                                     "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
                                     "<a xmlns='urn:xmpp:sm:3' h='x'/>",
                                     "<a xmlns='urn:xmpp:sm:3' "
                                     "h='4294967296'/>"])
def test_client_acknowledges_nonsense(people, element):
    alice = people("alice")
    with managed(alice.chappe, alice.name) as wire:
        wire.send(element)
        wire.expect_stream_error("policy-violation")


# -- resumption ----------------------------------------------------------------


def test_resume(people):
    alice, bob = people("alice", "bob")
    server = alice.chappe
    first = managed(server, alice.name, "phone")
    other = bob.online()
    other.message(first.jid, "one")
    assert bodies(first, 1) == ["one"]
    first.message(bob.jid, "hello")
    handled = first.handled
    first.answers = False
    other.message(first.jid, "two")
    assert bodies(first, 1) == ["two"]
    first.handled = handled  # it was not received, really
    first.cut()
    other.message(first.jid, "three")
    other.message(alice.jid, "four")
    other.ping()
    with Managed(server) as second:
        resumed = second.resume(first, alice.name)
        assert resumed.tag == SM + "resumed"
        assert resumed.get("previd") == first.id
        assert int(resumed.get("h")) == 2  # presence, message
        got = []
        for _ in range(3):
            message = second.expect_message()
            got.append(message.findtext(CLIENT + "body"))
        assert got == ["two", "three", "four"]
        assert second.handled_by_server() == 2
        second.message(bob.jid, "I am back")
        assert bodies(other, 2) == ["hello", "I am back"]
        assert second.handled_by_server() == 3
        second.settle()
        second.acknowledge()
        # Nothing comes again.
        second.presence("<status>again</status>")
        assert not [e for e in second.settle() if e.tag == CLIENT + "message"]


def test_nobody_sees_a_resumption(people):
    from people import befriend
    alice, bob = people("alice", "bob")
    server = alice.chappe
    first = Managed(server)
    first.login(alice.name, "phone")
    first.roster()
    first.enable()
    first.presence()
    other = bob.online()
    befriend(first, other)
    first.cut()
    with Managed(server) as second:
        time.sleep(0.3)
        assert second.resume(first, alice.name).tag == SM + "resumed"
        second.ping()
        assert not [e for e in other.settle() if e.tag == CLIENT + "presence"]
        second.end()
        gone = other.until(lambda e: e.tag == CLIENT + "presence")
        assert gone.get("type") == "unavailable"


def test_resume_while_the_old_connection_is_there(people):
    """TCP hangs: the server does not know of it yet."""
    alice, bob = people("alice", "bob")
    server = alice.chappe
    first = managed(server, alice.name, "phone")
    other = bob.online()
    with Managed(server) as second:
        assert second.resume(first, alice.name).tag == SM + "resumed"
        first.expect_stream_error("conflict")
        other.message(first.jid, "hello")
        assert bodies(second, 1) == ["hello"]


def test_resume_again_and_again(people):
    alice, bob = people("alice", "bob")
    server = alice.chappe
    wire = managed(server, alice.name, "phone")
    other = bob.online()
    for number in range(10):
        other.message(wire.jid, f"number {number}")
        wire.message(bob.jid, f"number {number}")
        if number % 2:
            assert bodies(wire, 1) == [f"number {number}"]
        else:
            other.ping()
        # What a connection that is cut had not delivered would be the
        # client's to send again.
        assert bodies(other, 1) == [f"number {number}"]
        former = wire
        former.cut()
        wire = Managed(server)
        assert wire.resume(former, alice.name).tag == SM + "resumed"
        if number % 2 == 0:
            assert bodies(wire, 1) == [f"number {number}"]
    assert wire.handled_by_server() == 11
    wire.end()


def test_resume_what_is_not_there(people):
    alice, bob = people("alice", "bob")
    server = alice.chappe
    first = managed(server, alice.name)
    with Managed(server) as thief:
        # The session of somebody else.
        failed = thief.resume(first, bob.name)
        assert failed.find(STANZAS + "item-not-found") is not None
        # It may bind nevertheless.
        thief.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:"
                   "ns:xmpp-bind'/></iq>")
        assert thief.expect(CLIENT + "iq").get("type") == "result"
        thief.ping()
    first.message(bob.jid, "x")
    first.end()  # closed by its client: there is nothing to resume
    with Managed(server) as late:
        failed = late.resume(first, alice.name)
        assert failed.tag == SM + "failed"
        assert failed.get("h") == "2"
        assert failed.find(STANZAS + "item-not-found") is not None


def test_resume_too_much(people):
    alice = people("alice")
    server = alice.chappe
    first = managed(server, alice.name)
    first.cut()
    first.handled += 3
    with Managed(server) as second:
        assert second.resume(first, alice.name).find(
            SM + "handled-count-too-high") is not None


def test_not_resumable(people):
    alice, bob = people("alice", "bob")
    server = alice.chappe
    first = Managed(server)
    first.login(alice.name, "phone")
    first.enable(resume=False)
    first.presence()
    other = bob.online()
    first.answers = False
    other.message(first.jid, "one")
    other.ping()
    first.cut()
    with Wire(server) as second:
        second.login(alice.name)
        second.send("<presence/>")
        message = second.expect_message("one")
        assert message.find(DELAY) is not None


# -- those who do not come back ------------------------------------------------


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that does not wait for long."""
    from chappe import Chappe
    with Chappe(tmp_path_factory.mktemp("hasty")) as server:
        server.conf["sm"] = {"resume-timeout": "1s", "unacked-max": "50"}
        server.start()
        server.add_users(*(f"{name}{n}@localhost" for n in range(6)
                           for name in ("alice", "bob")))
        yield server


def test_unacknowledged_messages_are_stored(hasty):
    first = managed(hasty, "alice0", "phone")
    first.answers = False
    with Wire(hasty) as other:
        other.login("bob0")
        for number in range(3):
            other.message("alice0@localhost", f"number {number}")
        other.ping()
        first.cut()
        for number in range(3, 6):
            other.message("alice0@localhost/phone", f"number {number}")
        other.ping()
        time.sleep(1.5)
        for number in range(6, 8):
            other.message("alice0@localhost", f"number {number}")
        other.ping()
    with Wire(hasty) as second:
        second.login("alice0", "desk")
        second.send("<presence/>")
        for number in range(8):
            message = second.expect_message(f"number {number}")
            assert message.find(DELAY) is not None
            assert message.get("from").startswith("bob0@localhost/")
        assert not [e for e in second.settle() if e.tag == CLIENT + "message"]


def test_unacknowledged_messages_go_to_another_resource(hasty):
    phone = managed(hasty, "alice1", "phone")
    phone.answers = False
    with Wire(hasty) as desk, Wire(hasty) as other:
        desk.login("alice1", "desk")
        desk.presence()
        other.login("bob1")
        other.message("alice1@localhost/phone", "for the phone")
        other.ping()
        phone.cut()
        message = desk.expect_message("for the phone", 5)
        assert message.find(DELAY) is not None
        other.message("alice1@localhost/phone", "for the phone again")
        desk.expect_message("for the phone again")


def test_what_cannot_be_stored_comes_back(hasty):
    phone = managed(hasty, "alice2", "phone")
    phone.answers = False
    with Wire(hasty) as other:
        other.login("bob2", "x")
        other.send(f"<iq type='get' id='q1' to='{phone.jid}'>"
                   "<query xmlns='urn:x'/></iq>")
        phone.until(lambda e: e.tag == CLIENT + "iq")
        phone.cut()
        error = other.answer("q1", 5)
        assert error_of(error) == ("service-unavailable", "cancel")


def test_presence_ends_with_the_session(hasty):
    from people import befriend
    alice, bob = Managed(hasty), Wire(hasty)
    alice.login("alice3")
    alice.roster()
    alice.enable()
    alice.presence()
    bob.login("bob3")
    bob.roster()
    bob.presence()
    befriend(alice, bob)
    alice.cut()
    gone = bob.until(lambda e: e.tag == CLIENT + "presence", 5)
    assert gone.get("type") == "unavailable"
    with Managed(hasty) as late:
        failed = late.resume(alice, "alice3")
        assert failed.find(STANZAS + "item-not-found") is not None
        assert failed.get("h") is not None
    bob.end()


def test_client_that_never_acknowledges(hasty):
    alice = managed(hasty, "alice4", "phone")
    alice.answers = False
    with Wire(hasty) as other:
        other.login("bob4")
        for number in range(60):
            other.message("alice4@localhost", f"number {number}")
        other.ping()
    alice.expect_stream_error("resource-constraint")
    with Wire(hasty) as second:
        second.login("alice4")
        second.send("<presence/>")
        for number in range(60):
            second.expect_message(f"number {number}")


# -- other processes -----------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    """A server with a second c2s, on a port of its own: (server, port)."""
    from chappe import Chappe
    with Chappe(tmp_path) as server:
        port, tls_port = free_port(), free_port()
        server.second = {"listen": f"127.0.0.1:{port}",
                         "listen-tls": f"127.0.0.1:{tls_port}"}
        server.start()
        text = server.conf_path.read_text()
        section = text[text.index('c2s "c2s-*"'):]
        section = section[:section.index("\n}\n") + 3]
        other = section.replace("c2s-*", "c2s-2").replace(
            f"127.0.0.1:{server.port}\"", f"127.0.0.1:{port}\"").replace(
            f"127.0.0.1:{server.tls_port}\"", f"127.0.0.1:{tls_port}\"")
        server.conf_path.write_text(text.replace(section, section.replace(
            "c2s-*", "c2s-1") + other))
        server.start_role("c2s", "c2s-2")
        server.add_user("alice")
        server.add_user("bob")
        wait_for(lambda: "link.ready" in server.log("c2s-2"), 10,
                 "the second c2s")
        yield server, port


class Elsewhere:
    """The same server as seen through another c2s."""

    def __init__(self, server, port):
        self.domain, self.port, self.tls_port = server.domain, port, None


def test_resume_over_another_c2s(two):
    server, port = two
    first = managed(server, "alice", "phone")
    first.answers = False
    with Wire(server) as bob:
        bob.login("bob")
        bob.message("alice@localhost", "one")
        bob.ping()
        first.cut()
        bob.message("alice@localhost", "two")
        bob.ping()
        with Managed(Elsewhere(server, port)) as second:
            assert second.resume(first, "alice").tag == SM + "resumed"
            assert bodies(second, 2) == ["one", "two"]
            second.message("bob@localhost/none", "x")
            assert second.handled_by_server() == 2


def test_resume_after_a_c2s_was_killed(two):
    server, port = two
    first = managed(server, "alice", "phone")
    first.answers = False
    with Wire(Elsewhere(server, port)) as bob:
        bob.login("bob")
        for number in range(5):
            bob.message("alice@localhost", f"number {number}")
        bob.ping()
        server.kill("c2s-1")
        bob.message("alice@localhost", "number 5")
        bob.ping()
        with Managed(Elsewhere(server, port)) as second:
            assert second.resume(first, "alice").tag == SM + "resumed"
            assert bodies(second, 6) == [f"number {n}" for n in range(6)]
            second.settle()


def test_acknowledged_messages_survive_the_kill_of_the_sm(chappe):
    """Those for a client that is away are stored before they are
    acknowledged."""
    phone = managed(chappe, "bob", "phone")
    phone.answers = False
    alice = managed(chappe, "alice")
    for number in range(10):
        alice.message("bob@localhost", f"number {number}")
    handled = alice.handled_by_server()
    assert handled == 11
    phone.cut()
    wait_for(lambda: "session.asleep" in chappe.log("sm-1"), 5, "sleep")
    for number in range(10, 20):
        alice.message("bob@localhost", f"number {number}")
    assert alice.handled_by_server() == 21
    chappe.kill("sm-1")
    chappe.start_role("sm")
    chappe.wait_ready()
    with Managed(chappe) as late:
        late.authenticate("bob")
        late.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{phone.id}' "
                  f"h='{phone.handled}'/>")
        answer = late.next()
        if answer.tag == SM + "failed":
            late.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:"
                      "xml:ns:xmpp-bind'/></iq>")
            late.expect(CLIENT + "iq")
            late.send("<presence/>")
        assert bodies(late, 20) == [f"number {n}" for n in range(20)]


async def wait_until(condition, what):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(what)


# -- real clients --------------------------------------------------------------


def test_slixmpp(chappe):
    """slixmpp's xep_0198 resumes by itself after the connection was cut."""
    import slixmpp

    class Client(slixmpp.ClientXMPP):
        def __init__(self):
            super().__init__("alice@localhost", PASSWORD)
            self.register_plugin("xep_0198")
            self.ssl_context.check_hostname = False
            self.ca_certs = str(chappe.certificate)
            self.got, self.resumed, self.enabled = [], 0, 0
            self.add_event_handler("session_start", self.start)
            self.add_event_handler("session_resumed", self.on_resumed)
            self.add_event_handler("sm_enabled", self.on_enabled)
            self.add_event_handler("message", self.on_message)

        async def start(self, _):
            self.send_presence()

        def on_enabled(self, _):
            self.enabled += 1

        def on_resumed(self, _):
            self.resumed += 1

        def on_message(self, message):
            self.got.append(message["body"])

    async def run():
        client = Client()
        client.connect(("127.0.0.1", chappe.port))
        await wait_until(lambda: client.enabled, "enabled")
        with Wire(chappe) as bob:
            bob.login("bob")
            bob.message("alice@localhost", "one")
            await wait_until(lambda: client.got == ["one"], "one")
            client.abort()
            bob.message("alice@localhost", "two")
            client.connect(("127.0.0.1", chappe.port))
            await wait_until(lambda: client.resumed, "resumed")
            await wait_until(lambda: client.got == ["one", "two"], "two")
        await client.disconnect()

    asyncio.new_event_loop().run_until_complete(
        asyncio.wait_for(run(), 30))


def test_aioxmpp(chappe):
    """aioxmpp uses stream management whenever it is offered."""
    import aioxmpp

    async def run():
        got = []
        client = aioxmpp.PresenceManagedClient(
            aioxmpp.JID.fromstr("alice@localhost"),
            aioxmpp.make_security_layer(PASSWORD, no_verify=True),
            override_peer=[("127.0.0.1", chappe.port,
                            aioxmpp.connector.STARTTLSConnector())])
        dispatcher = client.summon(
            aioxmpp.dispatcher.SimpleMessageDispatcher)
        dispatcher.register_callback(
            None, None, lambda m: got.append(m.body.any()))
        resumed = []
        client.on_stream_resumed.connect(lambda: resumed.append(1) and None)
        async with client.connected():
            assert client.stream.sm_enabled
            with Wire(chappe) as bob:
                bob.login("bob")
                bob.message("alice@localhost", "one")
                await wait_until(lambda: got == ["one"], "one")
            chappe.kill("c2s-1")
            chappe.start_role("c2s")
            chappe.wait_ready()
            with Wire(chappe) as bob:
                bob.login("bob")
                bob.message("alice@localhost", "two")
                await wait_until(lambda: got == ["one", "two"], "two")
                assert resumed

    asyncio.new_event_loop().run_until_complete(
        asyncio.wait_for(run(), 30))
