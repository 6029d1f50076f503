# SPDX-License-Identifier: Apache-2.0
"""The rules for iq stanzas (RFC 6120 section 8.2.3, RFC 6121 section 8.5)."""

import pytest

from people import befriend
from wire import CLIENT, error_of

UNKNOWN = "<query xmlns='urn:example:unknown'/>"


def iqs(elements):
    return [e for e in elements if e.tag == CLIENT + "iq"]


# -- to the server and to accounts -------------------------------------------


@pytest.mark.parametrize("kind", ["get", "set"])
@pytest.mark.parametrize("to", [None, "localhost", "localhost/resource",
                                "own bare", "other", "other/gone", "nobody",
                                "nobody/gone"])
def test_what_nobody_understands(people, kind, to):
    """And no answer tells who exists."""
    alice, bob = people("alice", "bob")
    a = alice.client()
    bob.online()
    address = {"own bare": alice.jid, "other": bob.jid,
               "other/gone": f"{bob.jid}/gone", "nobody": "no.such@localhost",
               "nobody/gone": "no.such@localhost/gone"}.get(to, to)
    answer = a.iq(kind, UNKNOWN, to=address)
    assert answer.get("type") == "error"
    assert error_of(answer) == ("service-unavailable", "cancel")
    assert answer.get("to") == a.jid
    if address is None:
        assert answer.get("from") in (None, alice.jid)
    else:
        assert answer.get("from") == address


@pytest.mark.parametrize("to", ["", " to='localhost'", " to='{bob}'",
                                " to='{bob}/b'", " to='no.such@localhost'"],
                         ids=["account", "server", "bare", "full", "nobody"])
@pytest.mark.parametrize("iq", [
    "<iq id='x'{to}>" + UNKNOWN + "</iq>",
    "<iq type='ask' id='x'{to}>" + UNKNOWN + "</iq>",
    "<iq type='get' id='x'{to}/>",
    "<iq type='set' id='x'{to}/>",
    "<iq type='get' id='x'{to}>" + UNKNOWN * 2 + "</iq>",
    "<iq type='set' id='x'{to}>text</iq>",
], ids=["no-type", "unknown-type", "empty-get", "empty-set", "two-children",
        "text-only"])
def test_iqs_that_are_not_well_made(people, iq, to):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    b.settle()
    a.send(iq.format(to=to.format(bob=bob.jid)))
    answer = a.until(lambda e: e.get("id") == "x")
    assert answer.get("type") == "error"
    assert error_of(answer) == ("bad-request", "modify")
    assert iqs(b.settle()) == []


def test_a_request_without_an_id(people):
    a = people("alice").client()
    a.send(f"<iq type='get'>{UNKNOWN}</iq>")
    answer = a.until(lambda e: e.tag == CLIENT + "iq")
    assert answer.get("type") == "error"
    assert error_of(answer)[0] == "bad-request"


@pytest.mark.parametrize("kind", ["result", "error"])
@pytest.mark.parametrize("to", [None, "localhost", "other", "other/gone",
                                "nobody", "nobody/gone",
                                "a@unreachable.example"])
def test_answers_are_never_answered(people, kind, to):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    b.settle()
    address = {"other": bob.jid, "other/gone": f"{bob.jid}/gone",
               "nobody": "no.such@localhost",
               "nobody/gone": "no.such@localhost/gone"}.get(to, to)
    address = f" to='{address}'" if address else ""
    error = ("<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-"
             "stanzas'/></error>" if kind == "error" else "")
    a.send(f"<iq type='{kind}' id='answer'{address}>{error}</iq>")
    assert a.settle() == []
    assert b.settle() == []


def test_errors_carry_the_request(people):
    """Section 8.3.1: may include the original; the id always."""
    a = people("alice").client()
    a.send("<iq type='get' id='&lt;i&apos;d&gt;' to='localhost'>"
           f"{UNKNOWN}</iq>")
    answer = a.until(lambda e: e.tag == CLIENT + "iq")
    assert answer.get("id") == "<i'd>"


# -- between clients ---------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["strangers", "friends"])
def test_requests_and_answers_between_resources(people, known):
    """Section 8.5.3.1: a full JID that is there gets it."""
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    if known:
        befriend(a, b)
    a.settle(), b.settle()
    a.send(f"<iq type='get' id='q1' to='{b.jid}'><query xmlns='urn:example:q'"
           "><deep a='1'>x</deep></query></iq>")
    asked = b.until(lambda e: e.tag == CLIENT + "iq")
    assert (asked.get("from"), asked.get("to"), asked.get("id")) == \
        (a.jid, b.jid, "q1")
    assert asked.findtext("{urn:example:q}query/{urn:example:q}deep") == "x"
    b.send(f"<iq type='result' id='q1' to='{asked.get('from')}'><query "
           "xmlns='urn:example:q'>42</query></iq>")
    answer = a.answer("q1")
    assert answer.get("from") == b.jid
    assert answer.findtext("{urn:example:q}query") == "42"


def test_to_a_resource_without_presence(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client("a"), bob.client("b", seconds=5)
    a.send(f"<iq type='set' id='q2' to='{b.jid}'>{UNKNOWN}</iq>")
    b.until(lambda e: e.get("id") == "q2")
    b.send(f"<iq type='error' id='q2' to='{a.jid}'><error type='cancel'>"
           "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-"
           "stanzas'/></error></iq>")
    assert error_of(a.answer("q2"))[0] == "feature-not-implemented"


def test_a_resource_that_leaves_before_it_answers(people):
    """Somebody answers: the asker does not wait for ever."""
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    b.end()
    answer = a.iq("get", UNKNOWN, to=b.jid)
    assert error_of(answer) == ("service-unavailable", "cancel")


def test_between_own_resources(people):
    alice = people("alice")
    one, two = alice.online("1"), alice.online("2")
    one.send(f"<iq type='get' id='own' to='{two.jid}'>{UNKNOWN}</iq>")
    asked = two.until(lambda e: e.get("id") == "own")
    assert asked.get("from") == one.jid


def test_unreachable_servers(people):
    a = people("alice").client()
    answer = a.iq("get", UNKNOWN, to="unreachable.example")
    assert error_of(answer) == ("remote-server-not-found", "cancel")
    answer = a.iq("get", UNKNOWN, to="a b@unreachable.example")
    assert error_of(answer) == ("jid-malformed", "modify")


def test_many_requests_are_answered_in_order(people):
    a = people("alice").client()
    for number in range(100):
        to = ("localhost", "localhost", "no.such@localhost")[number % 3]
        inner = ("<ping xmlns='urn:xmpp:ping'/>" if number % 3 == 0
                 else UNKNOWN)
        a.send(f"<iq type='get' id='n{number}' to='{to}'>{inner}</iq>")
    got = [a.until(lambda e: e.tag == CLIENT + "iq") for _ in range(100)]
    assert sorted(e.get("id") for e in got) == \
        sorted(f"n{number}" for number in range(100))
    # Of one target in order.
    servers = [e.get("id") for e in got if e.get("from") == "localhost"]
    assert servers == [f"n{n}" for n in range(100) if n % 3 != 2]


def test_a_stanza_of_another_kind_ends_the_stream(people):
    a = people("alice").client()
    a.send("<gossip to='localhost'/>")
    a.expect_stream_error("unsupported-stanza-type")


def test_binding_again_is_refused(people):
    """RFC 6120 section 7.1: one resource for each stream."""
    a = people("alice").client("one")
    answer = a.iq("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  "<resource>two</resource></bind>")
    assert answer.get("type") == "error"
    a.ping()
