# SPDX-License-Identifier: Apache-2.0
"""Who may talk to whom: access rules between two of our servers, for their
users and for components."""

import hashlib
import json
import re
import socket
import time

import pytest

from chappe import free_port, wait_for
from test_s2s import World, bounced, talk
from wire import CLIENT, ROSTER, STANZAS, Wire

PARTNERS_ONLY = {
    "partners": {"whom": ["b.example"], "action": "allow"},
    "rest": {"whom": ["outside"], "action": "deny",
             "text": "only partners"},
}


class Component:
    """A connection of XEP-0114 after its handshake."""

    def __init__(self, server, name, secret):
        self.got = ""
        self.socket = socket.create_connection(
            ("127.0.0.1", server.component_port), 10)
        self.send("<stream:stream xmlns='jabber:component:accept' "
                  "xmlns:stream='http://etherx.jabber.org/streams' "
                  f"to='{name}'>")
        number = self.until(r"id=['\"]([^'\"]+)['\"][^>]*>")[1]
        digest = hashlib.sha1((number + secret).encode()).hexdigest()
        self.send(f"<handshake>{digest}</handshake>")
        self.until("<handshake ?/>")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, pattern, seconds=20):
        """What came up to there, taken away."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.got)
            if found:
                self.got = self.got[found.end():]
                return found
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError(f"no {pattern} in {self.got}") from None
            assert data, self.got
            self.got += data.decode()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.a, made.b = made.chappe("a.example"), made.chappe("b.example")
    yield made
    made.close()


@pytest.fixture
def running(world):
    world.a.start()
    world.b.start()
    return world


def change(server, rules):
    """Other rules, without a restart."""
    server.access = rules
    server.write_conf()
    server.ctl("config", "check")
    server.ctl("reload", "sm-1", "s2s-1")


def condition_of(stanza):
    error = stanza.find(CLIENT + "error")
    return (error[0].tag.split("}")[1],
            error.findtext(STANZAS + "text") or "")


def rules_of(server, instance="sm-1"):
    rows = json.loads(server.ctl("--json", "access", "list").stdout)
    return {row["rule"]: row for row in rows if row["instance"] == instance}


def client(server, name):
    wire = Wire(server, 20).login(name)
    wire.send("<presence/>")
    return wire


# -- messages and iqs ---------------------------------------------------------


def test_partners_only(running):
    a, b = running.a, running.b
    change(a, PARTNERS_ONLY)
    with client(a, "alice") as alice, client(b, "bob") as bob:
        talk(alice, bob)
        assert bounced(alice, "eve@evil.example") == ("not-allowed",
                                                      "only partners")
        change(a, {"rest": PARTNERS_ONLY["rest"]})
        assert bounced(alice, bob.jid) == ("not-allowed", "only partners")
        # And what comes in.
        assert bounced(bob, "alice@a.example") == ("not-allowed",
                                                   "only partners")
        # Among ourselves nothing has changed.
        alice.message("bob@a.example", "kept for bob")
        alice.settle()
    rules = rules_of(a)
    assert rules["rest"]["denied"] == "3"
    assert rules["rest"]["place"].startswith(f"{a.conf_path}:")
    assert "access.denied rule=rest" in a.log("sm-1")


def test_iq_by_namespace(running):
    a, b = running.a, running.b
    change(a, {
        "ping": {"what": ["iq"], "namespace": ["urn:xmpp:ping"],
                 "whom": ["outside"], "action": "allow"},
        "no iqs": {"what": ["iq"], "whom": ["outside"],
                   "error": "service-unavailable"}})
    with client(a, "alice") as alice, client(b, "bob") as bob:
        ping = "<ping xmlns='urn:xmpp:ping'/>"
        version = "<query xmlns='jabber:iq:version'/>"
        assert bob.iq("get", ping, "a.example").get("type") == "result"
        assert alice.iq("get", ping, "b.example").get("type") == "result"
        for who, whom in ((bob, "a.example"), (alice, "b.example")):
            answer = who.iq("get", version, whom)
            assert condition_of(answer)[0] == "service-unavailable"
        # The own server is not outside, and not one of the others.
        assert alice.iq("get", version, "a.example").get("type") == "result"
        talk(alice, bob)


def test_one_direction(running):
    a, b = running.a, running.b
    change(a, {"no mail": {"whom": ["outside"], "direction": "in",
                           "what": ["message"]}})
    with client(a, "alice") as alice, client(b, "bob") as bob:
        alice.message(bob.jid, "out")
        bob.expect_message("out")
        assert bounced(bob, "alice@a.example")[0] == "not-allowed"
        # The error to what went out is heard.
        alice.message("nobody@b.example", "hello")
        answer = alice.until(lambda e: e.get("type") == "error")
        assert condition_of(answer)[0] == "service-unavailable"


def test_between_users_of_one_server(running):
    a = running.a
    change(a, {"boss": {"who": ["bob@a.example"], "direction": "in",
                        "what": ["message"], "error": "forbidden",
                        "text": "write to the office"}})
    with client(a, "alice") as alice, client(a, "bob") as bob:
        assert bounced(alice, "bob@a.example") == ("forbidden",
                                                   "write to the office")
        bob.message("alice@a.example", "from the boss")
        alice.expect_message("from the boss")
        # His other clients are himself.
        bob.message("bob@a.example", "note to myself")
        bob.expect_message("note to myself")


# -- presence -----------------------------------------------------------------


def test_subscription_in(running):
    a, b = running.a, running.b
    change(a, {"no requests": {"what": ["subscription"], "direction": "in",
                               "whom": ["outside"]}})
    with client(a, "alice") as alice, client(b, "bob") as bob:
        bob.roster()
        bob.send("<presence to='alice@a.example' type='subscribe'/>")
        bob.until(lambda e: e.get("type") == "unsubscribed"
                  and e.get("from") == "alice@a.example")
        # The other way it is as ever, with the answer.
        alice.roster()
        alice.send("<presence to='bob@b.example' type='subscribe'/>")
        bob.until(lambda e: e.get("type") == "subscribe")
        bob.send("<presence to='alice@a.example' type='subscribed'/>")
        alice.until(lambda e: e.get("type") == "subscribed")
        alice.until(lambda e: e.tag == CLIENT + "presence"
                    and e.get("from") == bob.jid)


def test_subscription_out_leaves_the_roster_alone(running):
    a = running.a
    change(a, {"no one": {"whom": ["b.example"], "what": ["presence"]}})
    with client(a, "alice") as alice:
        assert len(alice.roster()) == 0
        alice.send("<presence to='bob@b.example' type='subscribe' id='s'/>")
        answer = alice.until(lambda e: e.get("type") == "error")
        assert condition_of(answer)[0] == "not-allowed"
        assert answer.get("from") == "bob@b.example"
        assert alice.roster().findall(ROSTER + "item") == []


def test_presence_is_dropped_in_silence_or_not(running):
    a = running.a
    rule = {"whom": ["b.example"], "what": ["presence"]}
    change(a, {"r": rule})
    with client(a, "alice") as alice:
        alice.settle()
        alice.send("<presence to='bob@b.example'/>")
        alice.settle()
        alice.nothing()
        change(a, {"r": {**rule, "presence-error": "yes"}})
        alice.send("<presence to='bob@b.example'/>")
        answer = alice.until(lambda e: e.get("type") == "error")
        assert condition_of(answer)[0] == "not-allowed"


# -- trust --------------------------------------------------------------------


def test_only_trusted(world):
    a, b = world.a, world.b
    b.certificates["b.example"] = world.others.issue("b.example")
    a.remotes = {"b.example": {"trust": "encrypted"}}
    a.access = {"sure": {"whom": ["outside"], "action": "allow",
                         "trust": "trusted", "what": ["message"]}}
    a.start()
    b.start()
    with client(a, "alice") as alice, client(b, "bob") as bob:
        # The stream that is yet to be opened, and the one that is open.
        for _ in range(2):
            assert bounced(alice, "bob@b.example") == (
                "not-allowed",
                "b.example is encrypted, and for this has to be trusted")
        assert bounced(bob, "alice@a.example") == (
            "not-allowed", "your server is not trusted here, and must be")
        # What the rule is not about goes through.
        answer = bob.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "a.example")
        assert answer.get("type") == "result"
        change(a, {"sure": {"whom": ["outside"], "action": "allow",
                            "trust": "encrypted"}})
        talk(alice, bob)


# -- components ---------------------------------------------------------------


def test_component_and_the_outside(world):
    a, b = world.a, world.b
    name = "echo.a.example"
    a.components = {name: "secret"}
    a.certificates["a.example"] = world.authority.issue(
        "a.example", ["DNS:a.example", f"DNS:{name}"])
    world.names.xmpp(name, a.s2s_port)
    a.access = {"inner": {"who": [name], "whom": ["outside"],
                          "text": "for us alone"}}
    a.start()
    b.start()
    message = "<message from='x@{}' to='{}' id='{}'><body>{}</body></message>"
    with Component(a, name, "secret") as echo, client(b, "bob") as bob, \
            client(a, "alice") as alice:
        wait_for(lambda: name in a.ctl("status").stdout, 10, "the component")
        echo.send(message.format(name, bob.jid, "1", "hello"))
        echo.until("type='error'.*for us alone")
        assert bounced(bob, f"x@{name}") == ("not-allowed", "for us alone")
        assert rules_of(a, "s2s-1")["inner"]["denied"] == "2"
        # With our own users it may talk.
        echo.send(message.format(name, alice.jid, "2", "to alice"))
        alice.expect_message("to alice")
        alice.message(f"x@{name}", "to echo")
        echo.until("to echo")
        bob.roster()
        bob.send(f"<presence to='{name}' type='subscribe'/>")
        bob.until(lambda e: e.get("type") == "unsubscribed")
        change(a, {})
        echo.send(message.format(name, bob.jid, "3", "now"))
        bob.expect_message("now")
        bob.message(f"x@{name}", "welcome")
        echo.until("welcome")


def test_component_and_users(world):
    """A rule about a component holds towards our users, too."""
    a = world.a
    a.components = {"echo.a.example": "secret"}
    a.access = {"quiet": {"who": ["echo.a.example"], "whom": ["inside"],
                          "direction": "out"}}
    a.start()
    with Component(a, "echo.a.example", "secret") as echo, \
            client(a, "alice") as alice:
        wait_for(lambda: "echo.a.example" in a.ctl("status").stdout, 10,
                 "the component")
        alice.message("x@echo.a.example", "to echo")
        echo.until("to echo")
        echo.send("<message from='x@echo.a.example' to='alice@a.example'>"
                  "<body>hello</body></message>")
        echo.until("type='error'.*not-allowed")


# -- operation ----------------------------------------------------------------


def test_reload_loses_nothing(running):
    a, b = running.a, running.b
    with client(a, "alice") as alice, client(b, "bob") as bob:
        talk(alice, bob)
        for i in range(200):
            if i % 20 == 0:
                a.access = {f"rule {i}": {"whom": [f"d{i}.example"]}}
                a.write_conf()
                a.reload("sm-1")
                a.reload("s2s-1")
            alice.message(bob.jid, f"number {i}")
            bob.message(alice.jid, f"back {i}")
        for i in range(200):
            bob.expect_message(f"number {i}")
            alice.expect_message(f"back {i}")
    assert set(rules_of(a)) == {"rule 180", "(none)"}


def test_counters_survive_a_reload(running):
    a = running.a
    rule = {"whom": ["evil.example"]}
    change(a, {"evil": rule})
    with client(a, "alice") as alice:
        bounced(alice, "eve@evil.example")
        change(a, {"first": {"whom": ["other.example"]}, "evil": rule})
        assert rules_of(a)["evil"]["denied"] == "1"
        bounced(alice, "eve@evil.example")
        assert rules_of(a)["evil"]["matched"] == "2"


def test_bad_rules_are_refused(running):
    a = running.a
    change(a, PARTNERS_ONLY)
    a.access = {"bad": {"whom": ["a@@b"]}}
    a.write_conf()
    line = 1 + a.conf_path.read_text().splitlines().index('access "bad" {')
    done = a.ctl("config", "check", check=False)
    assert done.returncode == 1
    assert f'{a.conf_path}:{line}: access "bad": whom: "a@@b" is no ' \
        "address" in done.stderr
    for instance in ("sm-1", "s2s-1"):
        done = a.ctl("reload", instance, check=False)
        assert done.returncode != 0 and f":{line}: " in done.stderr
    # The old ones are in force.
    assert set(rules_of(a)) == {"partners", "rest", "(none)"}


def test_metrics(world):
    a, port = world.a, free_port()
    a.conf["sm"] = {"metrics": f"127.0.0.1:{port}"}
    a.access = {"no evil": {"whom": ["evil.example"]}}
    a.start()
    with client(a, "alice") as alice:
        bounced(alice, "eve@evil.example")
    samples = a.metrics(port)
    assert samples['chappe_access_denied_total{rule="no evil"}'] == 1
    assert samples['chappe_access_matched_total{rule="no evil"}'] == 1


# -- explain ------------------------------------------------------------------


def explain(server, *words):
    """By what they are about: the texts, and the whole rows."""
    rows = json.loads(server.ctl("--json", "explain", *words).stdout)
    texts = {}
    for row in rows:
        texts.setdefault(row["about"], []).append(row["text"])
    return texts, rows


def test_explain(running):
    a, b = running.a, running.b
    change(a, {
        "boss": {"who": ["bob@a.example"], "direction": "in",
                 "what": ["message"], "text": "write to the office"},
        "sure": {"whom": ["b.example"], "action": "allow",
                 "trust": "trusted"},
        "rest": {"whom": ["outside"], "what": ["iq"],
                 "namespace": ["jabber:iq:*"]}})
    path = a.conf_path
    line = 1 + path.read_text().splitlines().index('access "boss" {')
    texts, rows = explain(a, "alice@a.example", "bob@a.example", "message")
    assert texts["rule"] == [f'denied by rule "boss" ({path}:{line}): '
                             "not-allowed, write to the office"]
    assert texts["from"] == ["alice@a.example is of this server, on sm-1"]
    assert "bob@a.example has an account here" in texts["account"]
    rule = next(row for row in rows if row["about"] == "rule")
    assert (rule["action"], rule["rule"], rule["condition"]) == (
        "deny", "boss", "not-allowed")
    # Another server, before anything was sent there.
    texts, rows = explain(a, "alice@a.example", "bob@b.example")
    assert texts["to"] == [
        "bob@b.example is of another server, reached from s2s-1"]
    assert texts["rule"][0].startswith('allowed by rule "sure"')
    assert texts["rule"][0].endswith("if the other server is trusted")
    assert texts["trust"] == ["b.example must be trusted (section s2s)"]
    assert texts["route"] == ["not connected; the first stanza goes by the "
                              "SRV records of b.example"]
    with client(a, "alice") as alice, client(b, "bob") as bob:
        talk(alice, bob)
        texts, rows = explain(a, "alice@a.example", "bob@b.example")
        assert any(text.startswith("the stream out has reached trusted")
                   for text in texts["trust"])
        assert texts["route"] == [
            "open by the SRV records of b.example; 0 wait"]
        assert any(alice.jid in text and "c2s-1" in text
                   for text in texts["client"])
        # What comes in.
        texts, rows = explain(a, "bob@b.example", "alice@a.example")
        assert texts["rule"][0].startswith('allowed by rule "sure"')
        assert alice.jid in texts["client"][0]
    # A person reads the same.
    text = a.ctl("explain", "alice@a.example", "bob@b.example").stdout
    assert re.search(r'^rule +allowed by rule "sure".* \[sm-1\]$', text, re.M)


def test_explain_what_is_not_there(running):
    a = running.a
    change(a, {"rest": {"whom": ["outside"], "what": ["iq"],
                        "namespace": ["jabber:iq:*"]}})
    texts, _ = explain(a, "nobody@a.example", "eve@dead.example", "iq",
                       "jabber:iq:version")
    assert texts["rule"][0].startswith('denied by rule "rest"')
    assert texts["account"] == ["nobody@a.example has no account"]
    texts, _ = explain(a, "nobody@a.example", "eve@dead.example", "iq",
                       "urn:xmpp:ping")
    assert texts["rule"] == ["allowed: no rule is about this"]
    texts, _ = explain(a, "x@dead.example", "y@other.example")
    assert texts["rule"] == ["denied: neither address is of this server"]
    texts, _ = explain(a, "alice@a.example", "a.example", "iq")
    assert "own account and server" in texts["rule"][0]
    # Why it cannot be reached.
    with client(a, "alice") as alice:
        bounced(alice, "eve@dead.example")
    texts, rows = explain(a, "alice@a.example", "eve@dead.example")
    assert "paused by the SRV records of dead.example" in texts["route"][0]
    assert "dead.example cannot be reached" in texts["route"][0]
    route = next(row for row in rows if row["about"] == "route")
    assert int(route["failures"]) >= 1 and int(route["retry-ms"]) > 0
    for words, code in ((("a@@b", "x@y"), 2),
                        (("x@y", "x@y", "telegram"), 2)):
        assert a.ctl("explain", *words, check=False).returncode == code


def test_explain_a_component(world):
    a = world.a
    name = "echo.a.example"
    a.components = {name: "secret"}
    a.remotes = {"b.example": {"route": "127.0.0.1:1", "trust": "encrypted"}}
    a.access = {"inner": {"who": [name], "whom": ["outside"]}}
    a.start()
    with Component(a, name, "secret"):
        wait_for(lambda: name in a.ctl("status").stdout, 10, "the component")
        texts, rows = explain(a, f"x@{name}", "bob@b.example")
        assert texts["from"] == [f"x@{name} is of the component {name}"]
        assert texts["rule"][0].startswith('denied by rule "inner"')
        assert 'section remote "b.example"' in texts["trust"][0]
        assert "must be encrypted" in texts["trust"][0]
        assert "the static route 127.0.0.1:1" in texts["route"][0]
        rule = next(row for row in rows if row["about"] == "rule")
        assert rule["instance"] == "s2s-1"
        texts, _ = explain(a, "alice@a.example", f"x@{name}")
        assert texts["rule"] == ["allowed: no rule is about this"]
        assert texts["to"] == [f"x@{name} is of the component {name}"]


def test_a_group_that_nobody_tells_of_is_warned_about(running):
    a = running.a
    change(a, {"interns": {"who": ["group:interns"], "whom": ["outside"]}})
    wait_for(lambda: "access.no-groups rule=interns" in a.log("sm-1"), 5,
             "the warning")
