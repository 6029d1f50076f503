# SPDX-License-Identifier: Apache-2.0
"""Several of everything: sms come, go and are killed under traffic. No client
is disconnected, no acknowledged message is lost, none comes twice to a client
that counts, and nobody is seen to go."""

import signal
import threading
import time

import pytest

from chappe import Chappe, free_port, wait_for
from test_stream_management import SM, Managed, managed
from wire import CLIENT, Wire

BODY = CLIENT + "body"


class Deployment(Chappe):
    """Two routers, c2s and sms on one machine and one SQLite file."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ports = {"c2s-1": self.port, "c2s-2": free_port()}
        self.tls_ports = {"c2s-1": self.tls_port, "c2s-2": free_port()}

    def write_conf(self):
        super().write_conf()
        text = self.conf_path.read_text()
        first = f"unix:{self.sockets}/router.sock"
        second = f"unix:{self.sockets}/router-2.sock"
        text = text.replace(f'routers = {{ "{first}" }}',
                            f'routers = {{ "{first}", "{second}" }}')
        router = self._section(text, 'router "router*"')
        text = text.replace(router, router.replace("router*", "router")
                            + router.replace("router*", "router-2")
                            .replace(first, second))
        c2s = self._section(text, 'c2s "c2s-*"')
        text = text.replace(c2s, "".join(
            c2s.replace("c2s-*", name)
            .replace(f":{self.port}\"", f":{self.ports[name]}\"")
            .replace(f":{self.tls_port}\"", f":{self.tls_ports[name]}\"")
            for name in self.ports))
        self.conf_path.write_text(text)

    @staticmethod
    def _section(text, title):
        start = text.index(title)
        return text[start:text.index("\n}\n", start) + 3]

    def start(self, roles=("router", "router-2", "sm-1", "sm-2", "c2s-1",
                           "c2s-2")):
        self.write_conf()
        for instance in roles:
            self.begin(instance)
        self.wait_ready()
        wait_for(lambda: "link.ready" in self.log("c2s-2"), 10, "c2s-2")

    def begin(self, instance):
        self.start_role(instance.split("-")[0], instance)

    def at(self, c2s):
        """The server as seen through that c2s."""
        seen = Seen()
        seen.domain, seen.port = self.domain, self.ports[c2s]
        seen.tls_port = self.tls_ports[c2s]
        return seen


class Seen:
    pass


@pytest.fixture
def many(tmp_path):
    with Deployment(tmp_path) as server:
        yield server


class Talk:
    """One client sends numbered messages to another, at a pace; both count. A
    thread for each of the two clients."""

    def __init__(self, sender, receiver, gap=0.01):
        self.sender, self.receiver, self.gap = sender, receiver, gap
        self.sent, self.got, self.others = 0, [], []
        self.before = sender.handled_by_server()
        self.acknowledged = 0
        self.running, self.done, self.error = True, False, None
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self.send, self.receive)]

    def send(self):
        asked = time.monotonic()
        while not self.done and not self.error:
            try:
                if self.running:
                    self.sent += 1
                    self.sender.message(self.receiver.jid, f"m{self.sent}")
                if time.monotonic() > asked + 0.1:
                    asked = time.monotonic()
                    self.sender.send("<r xmlns='urn:xmpp:sm:3'/>")
                element = self.sender.next(self.gap)
            except AssertionError:
                continue
            except Exception as error:
                self.error = error
                return
            if element.tag == SM + "a":
                self.acknowledged = int(element.get("h")) - self.before
            else:
                self.others.append(element)

    def receive(self):
        while not self.done and not self.error:
            try:
                element = self.receiver.next(0.1)
            except AssertionError:
                continue
            except Exception as error:
                self.error = error
                return
            body = element.findtext(BODY)
            if element.tag == CLIENT + "message" and body:
                self.got.append(body)
            else:
                self.others.append(element)

    def begin(self):
        for thread in self.threads:
            thread.start()

    def finish(self, seconds):
        """Waits for the last message, and judges."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.error and \
                (len(self.got) < self.sent or
                 self.acknowledged < self.sent):
            time.sleep(0.05)
        time.sleep(0.3)
        self.done = True
        for thread in self.threads:
            thread.join()
        assert self.error is None, repr(self.error)
        assert self.got == [f"m{n + 1}" for n in range(self.sent)], \
            (self.sent, difference(self.got, self.sent))
        assert self.acknowledged == self.sent
        assert not self.others, self.others


def difference(got, sent):
    wanted = [f"m{n + 1}" for n in range(sent)]
    return {"missing": [m for m in wanted if m not in got][:10],
            "twice": [m for m in set(got) if got.count(m) > 1][:10],
            "order": [(a, b) for a, b in zip(got, got[1:])
                      if int(a[1:]) > int(b[1:])][:10]}


def pairs(server, count):
    """Clients that talk to each other, over both c2s."""
    names = [f"{who}{n}" for n in range(count) for who in ("a", "b")]
    server.add_users(*(f"{name}@localhost" for name in names))
    talks = []
    for n in range(count):
        sender = managed(server.at(f"c2s-{n % 2 + 1}"), f"a{n}", "x")
        receiver = managed(server.at(f"c2s-{(n // 2) % 2 + 1}"), f"b{n}", "y")
        sender.settle()
        receiver.settle()
        talks.append(Talk(sender, receiver))
    return talks


def begin(talks):
    for talk in talks:
        talk.begin()
    time.sleep(0.5)


def finish(talks, seconds=25):
    for talk in talks:
        talk.running = False
    for talk in talks:
        talk.finish(seconds)


def test_an_sm_is_killed(many):
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    many.kill("sm-1")
    time.sleep(1)
    finish(talks)


def test_an_sm_is_killed_and_comes_back(many):
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    many.kill("sm-2")
    time.sleep(0.3)
    many.begin("sm-2")
    time.sleep(2)
    finish(talks)


def test_an_sm_joins(many):
    many.start(("router", "router-2", "sm-1", "c2s-1", "c2s-2"))
    talks = pairs(many, 6)
    begin(talks)
    many.begin("sm-2")
    wait_for(lambda: "sm.ready" in many.log("sm-2"), 10, "sm-2")
    time.sleep(1.5)
    finish(talks)
    assert "session.reopen" in many.log("sm-2")


def test_an_sm_stops(many):
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    many.kill("sm-1", signal.SIGTERM)
    time.sleep(1)
    finish(talks)


def test_the_only_sm_is_killed(many):
    """c2s keeps its streams, and goes on when one is back."""
    many.start(("router", "sm-1", "c2s-1", "c2s-2"))
    talks = pairs(many, 4)
    begin(talks)
    many.kill("sm-1")
    time.sleep(1)
    many.begin("sm-1")
    time.sleep(1.5)
    finish(talks)


@pytest.mark.parametrize("router", ["router", "router-2"])
def test_a_router_is_killed(many, router):
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    many.kill(router)
    time.sleep(1)
    many.begin(router)
    time.sleep(1)
    finish(talks)


def test_nobody_is_seen_to_go(many):
    from people import befriend
    many.start()
    many.add_users(*(f"p{n}@localhost" for n in range(6)))
    clients = []
    for n in range(6):
        client = Managed(many.at(f"c2s-{n % 2 + 1}"))
        client.login(f"p{n}", "x")
        client.roster()
        client.presence()
        clients.append(client)
    for one, other in zip(clients[::2], clients[1::2]):
        befriend(one, other)
    many.kill("sm-1")
    time.sleep(1.5)
    many.begin("sm-1")
    time.sleep(1.5)
    many.kill("sm-2")
    time.sleep(1.5)
    for client in clients:
        came = client.settle()
        assert not [e for e in came if e.get("type") == "unavailable"]
    # They are all there still.
    for one, other in zip(clients[::2], clients[1::2]):
        one.message(other.jid, "still there")
        other.expect_message("still there")
        one.end()
        gone = other.until(lambda e: e.get("type") == "unavailable")
        assert gone.get("from") == one.jid


def test_a_c2s_is_killed(many):
    """Its clients come back over the other one and miss nothing."""
    many.start()
    many.add_users("alice@localhost", "bob@localhost")
    alice = managed(many.at("c2s-1"), "alice", "phone")
    bob = managed(many.at("c2s-2"), "bob", "desk")
    alice.answers = False
    for number in range(20):
        bob.message(alice.jid, f"number {number}")
    handled = bob.handled_by_server()
    assert handled == 21
    many.kill("c2s-1")
    for number in range(20, 40):
        bob.message(alice.jid, f"number {number}")
    wait_for(lambda: bob.handled_by_server() == 41, 15, "acknowledgement")
    got = []
    with Managed(many.at("c2s-2")) as back:
        assert back.resume(alice, "alice").tag == SM + "resumed"
        while len(got) < 40:
            got.append(back.expect_message().findtext(BODY))
    assert got == [f"number {n}" for n in range(40)]


def test_sessions_that_are_asleep_move_too(many):
    many.start(("router", "sm-1", "c2s-1", "c2s-2"))
    names = [f"s{n}" for n in range(8)]
    many.add_users(*(f"{name}@localhost" for name in names), "bob@localhost")
    phones = [managed(many.at("c2s-1"), name, "phone") for name in names]
    bob = Wire(many.at("c2s-2")).login("bob")
    for phone in phones:
        phone.answers = False
        bob.message(phone.jid, "one")
    bob.ping()
    for phone in phones:
        phone.cut()
    wait_for(lambda: many.log("sm-1").count("session.asleep") == 8, 5, "sleep")
    many.begin("sm-2")
    wait_for(lambda: "sm.ready" in many.log("sm-2"), 10, "sm-2")
    time.sleep(1)
    for phone in phones:
        bob.message(phone.jid, "two")
    bob.ping()
    for phone, name in zip(phones, names):
        with Managed(many.at("c2s-2")) as back:
            assert back.resume(phone, name).tag == SM + "resumed", name
            got = [back.expect_message().findtext(BODY) for _ in range(2)]
            assert got == ["one", "two"]
    assert "session.resumed" in many.log("sm-2")
