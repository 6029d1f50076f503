# SPDX-License-Identifier: Apache-2.0
"""Client state indication (XEP-0352): what waits, what does not, in which
order it comes, and that nothing is lost with a stream or an sm."""

import pytest

from chappe import Chappe, wait_for
from people import Person, befriend, presence_from
from test_stream_management import SM, Managed, managed
from wire import CLIENT, Wire

MESSAGE = CLIENT + "message"
PRESENCE = CLIENT + "presence"
COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def state(wire, name):
    wire.send(f"<{name} xmlns='urn:xmpp:csi:0'/>")


def show(wire, text):
    wire.send(f"<presence><status>{text}</status></presence>")


def typing(wire, to):
    wire.send(f"<message to='{to}' type='chat'>{COMPOSING}</message>")


def statuses(elements):
    return [e.findtext(CLIENT + "status") for e in elements
            if e.tag == PRESENCE]


@pytest.fixture
def friends(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    return alice, bob, a, b


def test_offered(people):
    alice = people("alice")
    with Managed(alice.chappe) as wire:
        features = wire.authenticate(alice.name)
        assert features.find("{urn:xmpp:csi:0}csi") is not None


def test_waits_and_comes_in_order(friends):
    alice, bob, a, b = friends
    state(a, "inactive")
    a.ping()
    show(b, "one")
    typing(b, a.jid)
    show(b, "two")
    b.settle()
    # An answer does not wait, nor does it bring what does.
    a.ping()
    a.nothing(0.3)
    state(a, "active")
    got = a.settle()
    assert [e.tag for e in got] == [MESSAGE, PRESENCE]
    assert statuses(got) == ["two"]
    show(b, "three")
    assert presence_from(a, b.jid).findtext(CLIENT + "status") == "three"


def test_before_what_cannot_wait(friends):
    alice, bob, a, b = friends
    state(a, "inactive")
    a.ping()
    show(b, "before")
    typing(b, a.jid)
    b.message(a.jid, "hello")
    b.settle()
    assert statuses([a.next()]) == ["before"]
    assert a.next().find("{http://jabber.org/protocol/chatstates}composing") \
        is not None
    a.expect_message("hello")
    # Still nobody looks.
    show(b, "after")
    b.settle()
    a.nothing(0.3)


@pytest.mark.parametrize("stanza", [
    "<message to='{0}' type='chat'><received xmlns='urn:xmpp:receipts' "
    "id='1'/></message>",
    "<message to='{0}'><encrypted xmlns='eu.siacs.conversations.axolotl'/>"
    "</message>",
    "<message to='{0}' type='error'><error type='cancel'/></message>",
    "<iq to='{0}' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<presence to='{1}' type='unsubscribe'/>",
])
def test_cannot_wait(friends, stanza):
    alice, bob, a, b = friends
    state(a, "inactive")
    a.ping()
    b.send(stanza.format(a.jid, alice.jid))
    a.find(lambda e: bob.jid in (e.get("from") or ""))


def test_the_newest_of_each(friends):
    alice, bob, a, b = friends
    other = bob.online("other")
    other.settle(), a.settle()
    state(a, "inactive")
    a.ping()
    for number in range(300):  # more than may wait: they replace each other
        show(b, str(number))
        show(other, str(-number))
    b.settle(), other.settle()
    a.ping()
    a.nothing(0.3)
    state(a, "active")
    assert sorted(statuses(a.settle())) == ["-299", "299"]


def test_too_much_does_not_wait(friends):
    alice, bob, a, b = friends
    others = [bob.online(f"b{number}") for number in range(3)]
    for wire in others:
        wire.settle()
    a.settle()
    state(a, "inactive")
    a.ping()
    for wire in others:  # 120 KB in all; the limit is 64 KiB
        show(wire, wire.jid[-2:] + "x" * 40000)
        wire.settle()
    got = [a.find(lambda e: e.tag == PRESENCE, 5) for _ in range(2)]
    assert [s[:2] for s in statuses(got)] == ["b0", "b1"]


def test_a_resumed_stream_is_active(people):
    alice, bob = people("alice", "bob")
    first = managed(alice.chappe, alice.name, "phone")
    first.roster()
    b = bob.online("b")
    befriend(first, b)
    state(first, "inactive")
    first.ping()
    show(b, "while away")
    b.settle()
    first.cut()
    with Managed(alice.chappe) as second:
        assert second.resume(first, alice.name).tag == SM + "resumed"
        seen = presence_from(second, b.jid)
        assert seen.findtext(CLIENT + "status") == "while away"
        show(b, "now")
        seen = presence_from(second, b.jid)
        assert seen.findtext(CLIENT + "status") == "now"


def test_outlives_the_sm(tmp_path):
    with Chappe(tmp_path) as chappe:
        chappe.start()
        chappe.add_user("alice")
        chappe.add_user("bob")
        alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
        a, b = alice.online("a"), bob.online("b")
        befriend(a, b)
        state(a, "inactive")
        a.ping()
        show(b, "lost with the sm")
        b.settle()
        chappe.kill("sm-1")
        chappe.restart_role("sm")
        wait_for(lambda: a.ping() or True)
        state(a, "active")
        a.find(lambda e: statuses([e]) == ["lost with the sm"])


def test_before_bind(shared):
    with Wire(shared) as wire:
        wire.secure()
        state(wire, "inactive")
        wire.expect_stream_error("not-authorized")
