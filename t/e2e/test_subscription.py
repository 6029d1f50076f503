# SPDX-License-Identifier: Apache-2.0
"""Presence subscriptions between two people (RFC 6121 section 3), of one
domain and of two domains of one server."""

import signal

import pytest

from chappe import Chappe, wait_for
from people import (People, Person, befriend, is_push, item_of,
                    presence_from, pushed, state_of, subscribe)
from wire import CLIENT, Wire, error_of


@pytest.fixture(scope="module", params=["one-sm", "two-sms"])
def shared(tmp_path_factory, request):
    """With two sms the users are shared between them, so that what is tested
    here crosses from the one to the other half of the time."""
    with Chappe(tmp_path_factory.mktemp("shared"),
                domains=("one.example", "two.example")) as server:
        server.start(("router", "sm"))
        if request.param == "two-sms":
            server.start_role("sm", "sm-2")
            wait_for(lambda: "sm.ready" in server.log("sm-2"), 10)
        server.start_role("c2s", wait=True)
        yield server


@pytest.fixture(params=["same-domain", "two-domains"])
def pair(shared, request):
    """Two persons who do not know each other."""
    people = People(shared)
    alice = people("alice", domain="one.example")
    bob = people("bob", domain="one.example"
                 if request.param == "same-domain" else "two.example")
    yield alice, bob
    people.close()


def send(wire, kind, to, inner="", ident=None):
    ident = f" id='{ident}'" if ident else ""
    wire.send(f"<presence type='{kind}' to='{to}'{ident}>{inner}</presence>")


def presences(elements):
    return [(e.get("type"), e.get("from")) for e in elements
            if e.tag == CLIENT + "presence"]


# -- the dance, both online --------------------------------------------------


def test_request_and_approval(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b", "<show>away</show>")
    send(a, "subscribe", bob.jid, "<status>It is me</status>", "s1")
    assert state_of(pushed(a, bob.jid)) == "none ask"
    request = presence_from(b, alice.jid, "subscribe")
    assert request.get("from") == alice.jid
    assert request.get("to") == bob.jid
    assert request.findtext(CLIENT + "status") == "It is me"
    assert request.get("id") == "s1"
    # A request alone is nothing in bob's roster.
    assert item_of(b, alice.jid) is None

    send(b, "subscribed", alice.jid)
    assert state_of(pushed(b, alice.jid)) == "from"
    approval = presence_from(a, bob.jid, "subscribed")
    assert approval.get("from") == bob.jid
    assert state_of(pushed(a, bob.jid)) == "to"
    seen = presence_from(a, b.jid)
    assert seen.findtext(CLIENT + "show") == "away"
    assert state_of(item_of(a, bob.jid)) == "to"
    assert state_of(item_of(b, alice.jid)) == "from"
    # One way only.
    a.send("<presence><status>cannot be seen</status></presence>")
    a.settle()
    assert presences(b.settle()) == []
    b.send("<presence><status>can be seen</status></presence>")
    assert presence_from(a, b.jid).findtext(CLIENT + "status") == \
        "can be seen"


def test_both_ways(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    assert state_of(item_of(a, bob.jid)) == "both"
    assert state_of(item_of(b, alice.jid)) == "both"
    a.send("<presence><show>dnd</show></presence>")
    assert presence_from(b, a.jid).findtext(CLIENT + "show") == "dnd"
    b.send("<presence><show>xa</show></presence>")
    assert presence_from(a, b.jid).findtext(CLIENT + "show") == "xa"


def test_refusal(pair):
    alice, bob = pair
    a, b = alice.online(), bob.online()
    send(a, "subscribe", bob.jid)
    pushed(a, bob.jid)
    presence_from(b, alice.jid, "subscribe")
    send(b, "unsubscribed", alice.jid)
    presence_from(a, bob.jid, "unsubscribed")
    assert state_of(pushed(a, bob.jid)) == "none"
    assert state_of(item_of(a, bob.jid)) == "none"
    assert item_of(b, alice.jid) is None
    # It is gone: a new client is not asked.
    assert not [p for p in presences(bob.online().settle())
                if p[0] == "subscribe"]


def test_withdrawing_a_request(pair):
    alice, bob = pair
    a, b = alice.online(), bob.online()
    send(a, "subscribe", bob.jid)
    pushed(a, bob.jid)
    presence_from(b, alice.jid, "subscribe")
    send(a, "unsubscribe", bob.jid)
    assert state_of(pushed(a, bob.jid)) == "none"
    presence_from(b, alice.jid, "unsubscribe")
    assert not [p for p in presences(bob.online().settle())
                if p[0] == "subscribe"]
    # Too late to say yes: that is an approval in advance now.
    send(b, "subscribed", alice.jid)
    assert pushed(b, alice.jid).get("approved") == "true"
    assert state_of(item_of(a, bob.jid)) == "none"


def test_cancelling_what_was_given(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    send(b, "unsubscribed", alice.jid)
    assert state_of(pushed(b, alice.jid)) == "to"
    assert state_of(pushed(a, bob.jid)) == "from"
    a.settle()
    b.settle()
    assert state_of(item_of(a, bob.jid)) == "from"
    b.send("<presence><status>unseen</status></presence>")
    b.settle()
    assert presences(a.settle()) == []
    a.send("<presence><status>still seen</status></presence>")
    presence_from(b, a.jid)


def test_cancellation_ends_presence(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    send(b, "unsubscribed", alice.jid)
    seen = []
    while len(seen) < 2:
        element = a.until(lambda e: e.tag == CLIENT + "presence")
        seen.append((element.get("type"), element.get("from")))
    assert sorted(seen) == [("unavailable", b.jid),
                            ("unsubscribed", bob.jid)]


def test_unsubscribing(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    send(a, "unsubscribe", bob.jid)
    seen = b.until(lambda e: e.get("type") == "unsubscribe")
    assert (seen.get("from"), seen.get("to")) == (alice.jid, bob.jid)
    assert state_of(pushed(b, alice.jid)) == "to"
    presence_from(a, b.jid, "unavailable")
    assert state_of(item_of(a, bob.jid)) == "from"
    b.send("<presence><status>unseen</status></presence>")
    b.settle()
    assert presences(a.settle()) == []


def test_removing_a_contact_ends_both(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    answer = a.iq("set", "<query xmlns='jabber:iq:roster'><item "
                  f"jid='{bob.jid}' subscription='remove'/></query>")
    assert answer.get("type") == "result"
    wanted = {("unsubscribe", alice.jid), ("unsubscribed", alice.jid),
              ("unavailable", a.jid)}
    while wanted:
        element = b.until(lambda e: e.tag == CLIENT + "presence")
        wanted.discard((element.get("type"), element.get("from")))
    b.settle()
    assert state_of(item_of(b, alice.jid)) == "none"
    assert item_of(a, bob.jid) is None


# -- one of them is away -----------------------------------------------------


def test_a_request_waits_for_who_is_offline(pair):
    """Section 3.1.3: it comes at each log-in until it is answered, as it was
    sent."""
    alice, bob = pair
    a = alice.online()
    send(a, "subscribe", bob.jid, "<status>Hello &lt;Bob&gt;</status>"
         "<x xmlns='urn:example:extra'>kept</x>")
    pushed(a, bob.jid)
    a.settle()
    for _ in range(2):
        with Wire(bob.chappe, domain=bob.domain) as b:
            b.login(bob.name)
            assert presences(b.settle()) == []  # not before presence
            b.send("<presence/>")
            request = presence_from(b, alice.jid, "subscribe")
            assert request.findtext(CLIENT + "status") == "Hello <Bob>"
            assert request.findtext("{urn:example:extra}x") == "kept"
            b.end()
    b = bob.online()
    presence_from(b, alice.jid, "subscribe")
    send(b, "subscribed", alice.jid)
    presence_from(a, bob.jid, "subscribed")
    b.settle()
    assert ("subscribe", alice.jid) not in presences(bob.online().settle())


def test_asking_again_is_one_request(pair):
    alice, bob = pair
    a = alice.online()
    for _ in range(3):
        send(a, "subscribe", bob.jid)
    a.settle()
    b = bob.online()
    requests = [p for p in presences(b.settle()) if p[0] == "subscribe"]
    assert requests == [("subscribe", alice.jid)]


def test_an_answer_waits_in_the_roster(pair):
    """Who asked is offline when the answer comes: the roster has it."""
    alice, bob = pair
    a = alice.online("a")
    send(a, "subscribe", bob.jid)
    pushed(a, bob.jid)
    a.end()
    b = bob.online("b")
    presence_from(b, alice.jid, "subscribe")
    send(b, "subscribed", alice.jid)
    assert state_of(pushed(b, alice.jid)) == "from"
    b.settle()
    a = alice.online("a")
    presence_from(a, b.jid)
    assert state_of(item_of(a, bob.jid)) == "to"


def test_cancelling_while_the_other_is_away(pair):
    alice, bob = pair
    a, b = alice.online(), bob.online()
    befriend(a, b)
    b.end()
    presence_from(a, bob.jid, "unavailable")
    send(a, "unsubscribed", bob.jid)
    send(a, "unsubscribe", bob.jid)
    a.settle()
    b = bob.online()
    assert state_of(item_of(b, alice.jid)) == "none"
    assert [p for p in presences(b.settle())
            if p[1].startswith(alice.jid)] == []


# -- who hears of it ---------------------------------------------------------


def test_requests_go_to_available_resources(pair):
    alice, bob = pair
    a = alice.online()
    first, second = bob.online("1"), bob.online("2")
    silent = bob.client("3", roster=True)
    send(a, "subscribe", bob.jid)
    for wire in first, second:
        presence_from(wire, alice.jid, "subscribe")
    assert presences(silent.settle()) == []
    # The answer of one is pushed to all that are interested.
    send(first, "subscribed", alice.jid)
    for wire in first, second, silent:
        assert state_of(pushed(wire, alice.jid)) == "from"


def test_addresses_become_bare(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    send(a, "subscribe", b.jid)
    request = presence_from(b, alice.jid, "subscribe")
    assert (request.get("from"), request.get("to")) == (alice.jid, bob.jid)
    assert item_of(a, bob.jid) is not None
    assert item_of(a, b.jid) is None


def test_asking_who_has_agreed_already(pair):
    """Section 3.1.3: the server answers, the user is not asked again."""
    alice, bob = pair
    a, b = alice.online(), bob.online()
    befriend(a, b)
    send(a, "subscribe", bob.jid)
    a.settle()
    assert ("subscribe", alice.jid) not in presences(b.settle())
    assert state_of(item_of(a, bob.jid)) == "both"


def test_answers_nobody_asked_for_change_nothing(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    for kind in "subscribed", "unsubscribed", "unsubscribe":
        send(b, kind, alice.jid)
    b.settle()
    # Bob's "subscribed" was an approval in advance; nothing came of it here.
    assert item_of(a, bob.jid) is None
    assert presences(a.settle()) == []


# -- approval in advance (section 3.4) ---------------------------------------


def test_approval_in_advance(pair):
    alice, bob = pair
    a, b = alice.online("a"), bob.online("b")
    send(b, "subscribed", alice.jid)
    item = pushed(b, alice.jid)
    assert (state_of(item), item.get("approved")) == ("none", "true")
    b.settle()
    assert presences(a.settle()) == []  # not passed on
    send(a, "subscribe", bob.jid)
    presence_from(a, bob.jid, "subscribed")
    presence_from(a, b.jid)
    item = pushed(b, alice.jid)
    assert state_of(item) == "from"
    assert ("subscribe", alice.jid) not in presences(b.settle())
    assert state_of(item_of(a, bob.jid)) == "to"


def test_approval_in_advance_for_who_is_offline(pair):
    alice, bob = pair
    b = bob.online("b")
    send(b, "subscribed", alice.jid)
    pushed(b, alice.jid)
    b.end()
    a = alice.online("a")
    send(a, "subscribe", bob.jid)
    presence_from(a, bob.jid, "subscribed")
    assert state_of(item_of(a, bob.jid)) == "to"


def test_taking_an_approval_back(pair):
    alice, bob = pair
    a, b = alice.online(), bob.online()
    send(b, "subscribed", alice.jid)
    assert pushed(b, alice.jid).get("approved") == "true"
    send(b, "unsubscribed", alice.jid)
    assert pushed(b, alice.jid).get("approved") in (None, "false")
    send(a, "subscribe", bob.jid)
    presence_from(b, alice.jid, "subscribe")
    assert state_of(item_of(a, bob.jid)) == "none ask"


# -- to nobody, to oneself, to nonsense --------------------------------------


def test_asking_an_account_that_does_not_exist(pair):
    """The same as one that never answers: nothing comes back."""
    alice, bob = pair
    a = alice.online()
    send(a, "subscribe", f"no.such@{bob.domain}")
    assert state_of(pushed(a, f"no.such@{bob.domain}")) == "none ask"
    assert [p for p in presences(a.settle())
            if p[0] not in ("unsubscribed",)] == []
    # Whoever gets that name later finds the request or not, but is no friend.
    assert state_of(item_of(a, f"no.such@{bob.domain}")) in ("none ask",
                                                             "none")


def test_asking_a_server_that_cannot_be_reached(pair):
    alice, _ = pair
    a = alice.online()
    send(a, "subscribe", "bob@unreachable.example", ident="far")
    error = a.until(lambda e: e.tag == CLIENT + "presence"
                    and e.get("type") == "error")
    assert error_of(error)[0] == "remote-server-not-found"
    assert error.get("from") == "bob@unreachable.example"


@pytest.mark.parametrize("kind", ["subscribe", "subscribed", "unsubscribe",
                                  "unsubscribed"])
def test_oneself_as_a_contact(pair, kind):
    alice, _ = pair
    a = alice.online()
    send(a, kind, alice.jid)
    a.settle()
    assert len(a.roster()) == 0


@pytest.mark.parametrize("to, condition", [
    ("", "bad-request"), (" to='@'", "jid-malformed")],
    ids=["nobody", "malformed"])
def test_bad_addresses(pair, to, condition):
    alice, _ = pair
    a = alice.online()
    a.send(f"<presence type='subscribe'{to} id='bad'/>")
    error = a.until(lambda e: e.get("id") == "bad")
    assert error.get("type") == "error"
    assert error_of(error)[0] == condition
    assert len(a.roster()) == 0


# -- durability --------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL],
                         ids=["term", "kill"])
def test_requests_survive_the_sm(chappe, how):
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a = alice.online(seconds=30)
    send(a, "subscribe", bob.jid, "<status>hi</status>")
    assert state_of(pushed(a, bob.jid)) == "none ask"
    put_after = bob.client(roster=True)
    put_after.iq("set", "<query xmlns='jabber:iq:roster'><item jid='"
                 "barrier@example.org'/></query>")
    chappe.kill("sm-1", how)
    chappe.start_role("sm")
    chappe.wait_ready()
    b = bob.online(seconds=30)
    assert presence_from(b, alice.jid, "subscribe").findtext(
        CLIENT + "status") == "hi"
    send(b, "subscribed", alice.jid)
    presence_from(a, bob.jid, "subscribed")
    presence_from(a, b.jid)
    alice.close()
    bob.close()


def test_subscription_stanzas_do_not_go_offline(shared):
    """A push tells the change; nothing old comes at the next log-in."""
    people = People(shared)
    alice, bob = people("alice"), people("bob")
    a, b = alice.online(), bob.online()
    subscribe(a, b)
    a.end()
    send(b, "unsubscribed", alice.jid)
    b.settle()
    a = alice.online()
    assert [p for p in presences(a.settle()) if p[0] != "subscribe"
            and p[1].startswith(bob.jid)] == []
    assert not is_push(a.iq("get", "<query xmlns='jabber:iq:roster'/>"))
    assert state_of(item_of(a, bob.jid)) == "none"
    people.close()
