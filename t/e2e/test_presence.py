# SPDX-License-Identifier: Apache-2.0
"""Presence (RFC 6121 section 4): initial, changes, the end, probes, directed
presence, several resources."""

import pytest

from people import befriend, presence_from, subscribe
from wire import CLIENT, Wire, error_of


def presences(elements):
    return [(e.get("type"), e.get("from")) for e in elements
            if e.tag == CLIENT + "presence"]


@pytest.fixture
def friends(people):
    """Two persons, each with the other in the roster, logged off again."""
    alice, bob = people("alice", "bob")
    a, b = alice.online(), bob.online()
    befriend(a, b)
    a.end()
    presence_from(b, alice.jid, "unavailable")
    b.end()
    return alice, bob


# -- coming ------------------------------------------------------------------


def test_initial_presence_both_ways(friends):
    alice, bob = friends
    b = bob.online("b", "<show>chat</show><status xml:lang='de'>da</status>"
                   "<priority>3</priority>")
    a = alice.client("a")
    assert presences(a.settle()) == []  # nothing before presence
    a.send("<presence><status>here</status></presence>")
    seen = presence_from(a, b.jid)
    assert seen.get("to") == a.jid
    assert seen.findtext(CLIENT + "show") == "chat"
    status = seen.find(CLIENT + "status")
    assert status.text == "da"
    assert status.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    assert seen.findtext(CLIENT + "priority") == "3"
    echo = presence_from(a, a.jid)
    assert echo.findtext(CLIENT + "status") == "here"
    at_bob = presence_from(b, a.jid)
    assert at_bob.get("to") in (bob.jid, b.jid)
    assert at_bob.findtext(CLIENT + "status") == "here"


def test_contacts_who_are_offline(friends):
    alice, bob = friends
    a = alice.online("a")
    others = [p for p in presences(a.settle()) if p[1] != a.jid]
    # Section 4.3.2: nothing, or that they are not there.
    assert all(kind == "unavailable" and jid.startswith(bob.jid)
               for kind, jid in others)


def test_changes_are_broadcast_as_they_are(friends):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    a.settle(), b.settle()
    a.send("<presence id='p2'><show>away</show><status>Lunch &amp; tea"
           "</status><x:extra xmlns:x='urn:example:x' y='1'>deep<x:er/>"
           "</x:extra></presence>")
    seen = presence_from(b, a.jid)
    assert seen.get("id") == "p2"
    assert seen.findtext(CLIENT + "status") == "Lunch & tea"
    extra = seen.find("{urn:example:x}extra")
    assert extra.get("y") == "1" and extra.text == "deep"
    assert extra.find("{urn:example:x}er") is not None
    # A new contact's probe gets the newest one.
    b2 = bob.online("b2")
    assert presence_from(b2, a.jid).findtext(CLIENT + "show") == "away"


def test_strangers_see_nothing(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online(), bob.online()
    a.send("<presence><show>dnd</show></presence>")
    a.settle()
    assert presences(b.settle()) == []


def test_one_way_subscriptions(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    subscribe(a, b)
    a.settle(), b.settle()
    a.send("<presence><show>dnd</show></presence>")
    a.settle()
    assert presences(b.settle()) == []
    b.send("<presence><show>xa</show></presence>")
    assert presence_from(a, b.jid).findtext(CLIENT + "show") == "xa"


# -- going -------------------------------------------------------------------


def test_unavailable_presence(friends):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    presence_from(b, a.jid)
    a.send("<presence type='unavailable'><status>bye</status></presence>")
    seen = presence_from(b, a.jid, "unavailable")
    assert seen.findtext(CLIENT + "status") == "bye"
    a.settle()
    # It is gone once, also when the stream ends afterwards.
    a.end()
    assert presences(bob.online("b2").settle())
    assert ("unavailable", a.jid) not in presences(b.settle())
    # And can come back on the same stream.
    a = alice.online("a")
    a.send("<presence type='unavailable'/>")
    a.send("<presence><show>xa</show></presence>")
    presence_from(b, a.jid)
    presence_from(b, a.jid, "unavailable")
    assert presence_from(b, a.jid).findtext(CLIENT + "show") == "xa"


@pytest.mark.parametrize("polite", [True, False],
                         ids=["stream-end", "connection-lost"])
def test_the_end_of_a_stream_is_the_end_of_presence(friends, polite):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    presence_from(b, a.jid)
    if polite:
        a.end()
    else:
        a.socket.close()
    presence_from(b, a.jid, "unavailable")


def test_no_presence_no_unavailable(friends):
    alice, bob = friends
    b = bob.online("b")
    a = alice.client("a")
    b.settle()
    a.send("<presence type='unavailable'/>")
    a.end()
    assert presences(b.settle()) == []


# -- several resources -------------------------------------------------------


def test_several_resources(friends):
    alice, bob = friends
    b = bob.online("b")
    first = alice.online("1", "<show>away</show>")
    second = alice.online("2", "<show>dnd</show>")
    # The own resources see each other.
    assert presence_from(second, first.jid).findtext(CLIENT + "show") == \
        "away"
    assert presence_from(first, second.jid).findtext(CLIENT + "show") == \
        "dnd"
    assert presence_from(b, first.jid) is not None
    assert presence_from(b, second.jid) is not None
    # Who comes later sees both.
    b2 = bob.online("b2")
    presence_from(b2, first.jid)
    presence_from(b2, second.jid)
    b2.end()
    first.end()
    presence_from(b, first.jid, "unavailable")
    presence_from(second, first.jid, "unavailable")
    b.settle()
    second.send("<presence><show>xa</show></presence>")
    presence_from(b, second.jid)
    second.end()
    presence_from(b, second.jid, "unavailable")


def test_resources_without_presence_hear_nothing(friends):
    alice, bob = friends
    silent = alice.client("silent")
    alice.online("1")
    bob.online("b")
    assert presences(silent.settle()) == []


# -- priority ----------------------------------------------------------------


@pytest.mark.parametrize("priority", ["-128", "-1", "0", "127", "+5",
                                      " 5 "])
def test_priorities(people, priority):
    alice = people("alice").client("a")
    alice.presence(f"<priority>{priority}</priority>")
    assert not [e for e in alice.settle() if e.get("type") == "error"]


@pytest.mark.parametrize("priority", ["128", "-129", "high", "1.5", "",
                                      "99999999999999999999"])
def test_bad_priorities(friends, priority):
    """Section 4.7.2.3. Nobody gets to see such presence."""
    alice, bob = friends
    b = bob.online("b")
    a = alice.client("a")
    b.settle()
    a.send(f"<presence id='bad'><priority>{priority}</priority></presence>")
    error = a.until(lambda e: e.get("id") == "bad")
    assert error.get("type") == "error"
    assert error_of(error) == ("bad-request", "modify")
    assert presences(b.settle()) == []
    a.presence()


# -- wrong types -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["available", "invisible", "UNAVAILABLE",
                                  ""])
@pytest.mark.parametrize("directed", [False, True])
def test_unknown_types(friends, kind, directed):
    """Section 4.7.1."""
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    a.settle(), b.settle()
    to = f" to='{bob.jid}'" if directed else ""
    a.send(f"<presence type='{kind}'{to} id='bad'/>")
    error = a.until(lambda e: e.get("id") == "bad")
    assert error.get("type") == "error"
    assert error_of(error) == ("bad-request", "modify")
    assert presences(b.settle()) == []


def test_errors_are_not_answered(friends):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    a.settle(), b.settle()
    error = ("<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-"
             "stanzas'/></error>")
    a.send(f"<presence type='error' to='{b.jid}' id='e1'>{error}</presence>")
    seen = presence_from(b, a.jid, "error")
    assert error_of(seen) == ("gone", "cancel")
    a.send(f"<presence type='error' to='no.such@localhost' id='e2'>{error}"
           "</presence>")
    a.send(f"<presence type='error' to='{bob.jid}/gone'>{error}</presence>")
    a.send("<presence type='error' to='x@unreachable.example'>"
           f"{error}</presence>")
    assert presences(a.settle()) == []


# -- directed presence (section 4.6) -----------------------------------------


def test_directed_presence_and_its_end(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    a.settle(), b.settle()
    a.send(f"<presence to='{b.jid}'><show>chat</show></presence>")
    seen = presence_from(b, a.jid)
    assert seen.get("to") == b.jid
    assert seen.findtext(CLIENT + "show") == "chat"
    # Changes are not for strangers, the end is.
    a.send("<presence><show>away</show></presence>")
    a.settle()
    assert presences(b.settle()) == []
    a.send("<presence type='unavailable'><status>off</status></presence>")
    assert presence_from(b, a.jid, "unavailable").findtext(
        CLIENT + "status") == "off"
    a.end()
    assert presences(b.settle()) == []


def test_directed_presence_ends_with_the_connection(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    a.send(f"<presence to='{bob.jid}'/>")
    presence_from(b, a.jid)
    a.socket.close()
    presence_from(b, a.jid, "unavailable")


def test_directed_unavailable_is_the_end_of_it(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    a.send(f"<presence to='{b.jid}'/>")
    presence_from(b, a.jid)
    a.send(f"<presence to='{b.jid}' type='unavailable'/>")
    presence_from(b, a.jid, "unavailable")
    a.end()
    assert presences(b.settle()) == []


def test_directed_presence_without_initial_presence(people):
    """A client may be seen by those only whom it chose."""
    alice, bob = people("alice", "bob")
    a, b = alice.client("a"), bob.online("b")
    a.send(f"<presence to='{b.jid}'/>")
    presence_from(b, a.jid)
    # It can answer by its full JID.
    b.send(f"<presence to='{a.jid}'/>")
    presence_from(a, b.jid)
    a.end()
    presence_from(b, a.jid, "unavailable")


def test_a_contact_gets_one_unavailable(friends):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b")
    presence_from(b, a.jid)
    a.send(f"<presence to='{bob.jid}'/>")
    presence_from(b, a.jid)
    a.end()
    presence_from(b, a.jid, "unavailable")
    assert ("unavailable", a.jid) not in presences(b.settle())


def test_directed_presence_to_who_is_not_there(people):
    alice, bob = people("alice", "bob")
    a = alice.online("a")
    a.settle()
    for to in bob.jid, f"{bob.jid}/x", "no.such@localhost":
        a.send(f"<presence to='{to}'/>")
    assert presences(a.settle()) == []
    a.send("<presence to='bob@unreachable.example' id='far'/>")
    error = a.until(lambda e: e.get("id") == "far")
    assert error_of(error)[0] == "remote-server-not-found"


# -- probes (section 4.3) ----------------------------------------------------


def test_probes_of_strangers_tell_nothing(people):
    alice, bob = people("alice", "bob")
    a = alice.online("a")
    b = bob.online("b")
    a.settle()
    answers = []
    for to in bob.jid, b.jid, "no.such@localhost", f"{bob.jid}/none":
        a.send(f"<presence type='probe' to='{to}'/>")
        answers.append([kind for kind, _ in presences(a.settle())])
    # Whoever exists or is online looks like who is not.
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert None not in answers[0]
    assert presences(b.settle()) == []


def test_probes_of_contacts(friends):
    alice, bob = friends
    a, b = alice.online("a"), bob.online("b", "<show>xa</show>")
    presence_from(a, b.jid)
    a.settle()
    for to in bob.jid, b.jid:
        a.send(f"<presence type='probe' to='{to}'/>")
        assert presence_from(a, b.jid).findtext(CLIENT + "show") == "xa"
    b.end()
    presence_from(a, b.jid, "unavailable")
    a.send(f"<presence type='probe' to='{bob.jid}'/>")
    assert all(kind == "unavailable" for kind, jid in presences(a.settle())
               if jid.startswith(bob.jid))


# -- forgeries ---------------------------------------------------------------


def test_forged_senders(people):
    alice, bob = people("alice", "bob")
    bob.online("b")
    with Wire(people.chappe) as a:
        a.login(alice.name, "a")
        a.send(f"<presence from='{bob.jid}/b' to='{alice.jid}'/>")
        a.expect_stream_error("invalid-from")


def test_a_replaced_resource(friends):
    """The same resource again, by RFC 6120 section 7.7.2.2: contacts are not
    left with presence of what is gone."""
    alice, bob = friends
    b = bob.online("b")
    first = alice.online("same", "<show>away</show>")
    presence_from(b, first.jid)
    second = alice.online("same", "<show>dnd</show>")
    if second.jid == first.jid:
        first.expect_stream_error("conflict")
        presence_from(b, first.jid, "unavailable")
    assert presence_from(b, second.jid).findtext(CLIENT + "show") == "dnd"
    assert ("unavailable", second.jid) not in presences(b.settle())
