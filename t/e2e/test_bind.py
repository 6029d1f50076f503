# SPDX-License-Identifier: Apache-2.0
"""Binding a resource (RFC 6120 section 7), sessions beside each other, and
what the features say after log-in."""

import pytest

from chappe import Chappe
from wire import BIND, CLIENT, ROSTER, SASL, STREAM, Wire, error_of

LIMITS = "{urn:xmpp:stream-limits:0}"
XMLNS_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
XMLNS_SESSION = "urn:ietf:params:xml:ns:xmpp-session"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("bind")) as made:
        made.conf["c2s"] = {"limit-stanza-before-auth": "5K",
                            "limit-stanza": "20000", "idle-timeout": "600s"}
        made.conf["sm"] = {"resources-max": 3}
        made.start()
        made.add_users("alice@localhost", "bob@localhost", "carol@localhost")
        yield made


@pytest.fixture
def wire(server):
    """Logged in, features not read yet."""
    with Wire(server, direct_tls=True) as made:
        made.open()
        assert made.scram("alice").tag == SASL + "success"
        yield made


def bind_iq(wire, inner="", kind="set", number="b"):
    wire.send(f"<iq type='{kind}' id='{number}'>"
              f"<bind xmlns='{XMLNS_BIND}'>{inner}</bind></iq>")


# -- resources ----------------------------------------------------------------


def test_resource_of_the_client(wire):
    wire.bind("balcony")
    assert wire.jid == "alice@localhost/balcony"


@pytest.mark.parametrize("inner", ["", "<resource/>", "<resource></resource>"])
def test_resource_of_the_server(server, inner):
    """Unlike each other, and not to be guessed (section 7.6)."""
    resources = set()
    for _ in range(2):
        with Wire(server, direct_tls=True) as wire:
            wire.open()
            assert wire.scram("alice").tag == SASL + "success"
            wire.open()
            bind_iq(wire, inner)
            jid = wire.expect(CLIENT + "iq", type="result") \
                .findtext(f"{BIND}bind/{BIND}jid")
            user, resource = jid.split("/")
            assert user == "alice@localhost" and len(resource) >= 16
            resources.add(resource)
    assert len(resources) == 2


@pytest.mark.parametrize("wish, got", [
    ("Küche", "Küche"), ("a b/c@d", "a b/c@d"), ("x" * 1023, "x" * 1023),
    ("<&>'\"", "<&>'\""), ("Ⅸ", "IX"), ("x\u00ady", "xy"),
    ("\u00a0" * 342, " " * 342)], ids=range(7))
def test_resourceprep(wire, wish, got):
    answer = wire.bind(wish)
    assert answer.get("type") == "result"
    assert wire.jid == "alice@localhost/" + got


@pytest.mark.parametrize("wish", ["x" * 1024, "é" * 512, "bad\ue000", "\u0627a"],
                         ids=["long", "long-in-bytes", "private-use", "bidi"])
def test_resource_that_cannot_be(wire, wish):
    """Refused, and the client may try another (section 7.7.2.1)."""
    answer = wire.bind(wish)
    assert answer.get("type") == "error"
    assert error_of(answer) == ("bad-request", "modify")
    bind_iq(wire, "<resource>good</resource>")
    assert wire.expect(CLIENT + "iq", type="result") \
        .findtext(f"{BIND}bind/{BIND}jid") == "alice@localhost/good"


def test_conflict_ends_the_older_session(server):
    with Wire(server) as old, Wire(server) as new:
        old.login("bob", "same")
        old.presence()
        new.login("bob", "same")
        old.expect_stream_error("conflict")
        assert new.jid == "bob@localhost/same"
        new.presence()
        new.ping()
    assert "condition=conflict" in server.log("c2s-1")


def test_conflict_is_by_the_prepared_resource(server):
    with Wire(server) as old, Wire(server) as new:
        old.login("bob", "IX")
        new.login("bob", "Ⅸ")
        old.expect_stream_error("conflict")


def test_resources_are_case_sensitive(server):
    with Wire(server) as one, Wire(server) as two:
        one.login("bob", "desk")
        two.login("bob", "Desk")
        one.ping()
        two.ping()


def test_messages_reach_the_session_that_took_the_resource(server):
    with Wire(server) as alice, Wire(server) as old, Wire(server) as new:
        alice.login("alice")
        old.login("bob", "taken")
        old.presence()
        new.login("bob", "taken")
        old.expect_stream_error("conflict")
        new.presence()
        alice.message("bob@localhost/taken", "to whom")
        new.expect_message("to whom")


def test_several_sessions_up_to_the_limit(server):
    wires = []
    try:
        for number in range(3):
            wires.append(Wire(server).login("carol", f"r{number}"))
        with Wire(server) as fourth:
            fourth.secure()
            assert fourth.scram("carol").tag == SASL + "success"
            answer = fourth.bind("r3")
            assert error_of(answer) == ("resource-constraint", "wait")
            # The name of one that is there takes its place: no more of them.
            bind_iq(fourth, "<resource>r0</resource>")
            fourth.expect(CLIENT + "iq", type="result")
            wires[0].expect_stream_error("conflict")
            for wire in wires[1:]:
                wire.ping()
    finally:
        for wire in wires:
            wire.socket.close()


# -- order --------------------------------------------------------------------


def test_bind_twice(wire):
    """One resource a stream (section 7.1)."""
    wire.bind("one")
    bind_iq(wire, "<resource>two</resource>", number="again")
    answer = wire.expect(CLIENT + "iq", type="error", id="again")
    assert error_of(answer) == ("not-allowed", "cancel")
    wire.ping()


def test_two_binds_at_once(wire):
    wire.open()
    bind_iq(wire, "<resource>one</resource>", number="1")
    bind_iq(wire, "<resource>two</resource>", number="2")
    wire.expect(CLIENT + "iq", type="result", id="1")
    answer = wire.expect(CLIENT + "iq", type="error", id="2")
    assert error_of(answer) == ("not-allowed", "cancel")


def test_stanzas_right_behind_the_bind(wire):
    """Nobody has to wait for the answer."""
    wire.open()
    bind_iq(wire)
    wire.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
              "<presence/>")
    wire.expect(CLIENT + "iq", id="b", type="result")
    answer = wire.answer("r")
    assert answer.find(ROSTER + "query") is not None
    wire.until(lambda e: e.tag == CLIENT + "presence")


@pytest.mark.parametrize("stanza", [
    "<message to='bob@localhost'><body>early</body></message>",
    "<presence/>",
    "<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>",
    f"<iq type='set' id='x'><session xmlns='{XMLNS_SESSION}'/></iq>",
    f"<iq type='get' id='x'><bind xmlns='{XMLNS_BIND}'/></iq>",
    "<iq type='set' id='x'><bind xmlns='urn:x'/></iq>",
    "<iq type='set' id='x'/>"])
def test_stanzas_before_bind(server, wire, stanza):
    """Section 7.1: not-authorized."""
    wire.open()
    wire.send(stanza)
    wire.expect_stream_error("not-authorized")
    assert "condition=not-authorized" in server.log("c2s-1")


def test_old_session_request_is_a_no_op(wire):
    features = wire.open()
    session = features.find(f"{{{XMLNS_SESSION}}}session")
    assert session.find(f"{{{XMLNS_SESSION}}}optional") is not None
    bind_iq(wire)
    wire.expect(CLIENT + "iq", type="result")
    answer = wire.iq("set", f"<session xmlns='{XMLNS_SESSION}'/>")
    assert answer.get("type") == "result"
    answer = wire.iq("set", f"<session xmlns='{XMLNS_SESSION}'/>",
                     to="localhost")
    assert answer.get("type") == "result"


# -- features -----------------------------------------------------------------


def max_bytes(features):
    return int(features.findtext(f"{LIMITS}limits/{LIMITS}max-bytes"))


def test_limits_are_told(server):
    """XEP-0478: those that hold now, in each of the features."""
    with Wire(server) as wire:
        assert max_bytes(wire.starttls().open()) == 5 * 1024
        assert wire.scram("alice").tag == SASL + "success"
        features = wire.open()
        assert max_bytes(features) == 20000
        assert features.findtext(f"{LIMITS}limits/{LIMITS}idle-seconds") == \
            "600"


def stanza_of(size, to="bob@localhost"):
    start = f"<message to='{to}' type='chat'><body>"
    end = "</body></message>"
    return start + "x" * (size - len(start) - len(end)) + end


def test_limit_of_a_stanza_is_exact(server):
    with Wire(server) as alice, Wire(server) as bob:
        bob.login("bob")
        bob.presence()
        alice.login("alice")
        alice.send(stanza_of(20000))
        bob.expect_message()
        alice.send(stanza_of(20001))
        alice.expect_stream_error("policy-violation")
        bob.ping()
        assert not bob._ready


def test_limit_before_log_in(server):
    with Wire(server) as wire:
        wire.secure()
        wire.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                  "mechanism='PLAIN'>" + "A" * 6000)
        wire.expect_stream_error("policy-violation")


def test_session_features(wire):
    features = wire.open()
    assert features.tag == STREAM + "features"
    assert features.find(BIND + "bind") is not None
    assert features.find("{urn:xmpp:features:rosterver}ver") is not None
    assert features.find("{urn:xmpp:features:pre-approval}sub") is not None
    caps = features.find("{http://jabber.org/protocol/caps}c")
    assert caps is not None and caps.get("ver") and caps.get("node")
    bind_iq(wire)
    wire.expect(CLIENT + "iq", type="result")
    # What it names can be asked for (XEP-0115 section 6.3).
    answer = wire.iq("get", "<query xmlns='http://jabber.org/protocol/"
                     f"disco#info' node='{caps.get('node')}#"
                     f"{caps.get('ver')}'/>", to="localhost")
    assert answer.get("type") == "result"


# -- beside each other --------------------------------------------------------


def test_presence_tells_the_other_resources(server):
    with Wire(server) as one, Wire(server) as two:
        one.login("bob", "one")
        one.presence()
        two.login("bob", "two")
        two.send("<presence/>")
        one.until(lambda e: e.get("from") == "bob@localhost/two")
        two.until(lambda e: e.get("from") == "bob@localhost/one")


def test_full_jid_of_nobody(server, wire):
    """RFC 6121 section 8.5.3.2: an iq to a resource that is not there."""
    wire.bind()
    answer = wire.iq("get", "<ping xmlns='urn:xmpp:ping'/>",
                     to="bob@localhost/not-there")
    assert error_of(answer) == ("service-unavailable", "cancel")
