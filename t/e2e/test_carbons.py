# SPDX-License-Identifier: Apache-2.0
"""Message carbons (XEP-0280): which messages, to whom, across lost clients and
a killed sm; with raw stanzas and with slixmpp."""

import asyncio
import xml.etree.ElementTree as ET

import pytest

from chappe import Chappe, wait_for
from people import Person
from test_clients import SlixClient
from wire import CLIENT, error_of

CARBONS = "{urn:xmpp:carbons:2}"
FORWARD = "{urn:xmpp:forward:0}"
MESSAGE = CLIENT + "message"


def enable(wire, what="enable"):
    answer = wire.iq("set", f"<{what} xmlns='urn:xmpp:carbons:2'/>")
    assert answer.get("type") == "result", error_of(answer)


def with_carbons(person, *resources):
    wires = [person.online(resource) for resource in resources]
    for wire in wires:
        enable(wire)
    for wire in wires:
        wire.settle()
    return wires[0] if len(wires) == 1 else wires


def messages(wire):
    return [e for e in wire.settle() if e.tag == MESSAGE]


def copy_in(message, direction):
    """The forwarded message of a copy; None: it is none."""
    inner = message.find(f"{CARBONS}{direction}/{FORWARD}forwarded/{MESSAGE}")
    return inner


def expect_copy(wire, direction, body=None):
    message = wire.find(lambda e: e.tag == MESSAGE
                        and copy_in(e, direction) is not None)
    bare = wire.jid.split("/")[0]
    assert message.get("from") == bare and message.get("to") == wire.jid
    inner = copy_in(message, direction)
    assert message.get("type") == inner.get("type")
    if body is not None:
        assert inner.findtext(CLIENT + "body") == body
    return inner


def test_received(people):
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    plain = alice.online("plain")
    plain.settle()
    b = bob.online("b")
    b.message(a1.jid, "to one")
    a1.expect_message("to one")
    inner = expect_copy(a2, "received", "to one")
    assert inner.get("from") == b.jid and inner.get("to") == a1.jid
    assert messages(plain) == [] and messages(a1) == []
    assert messages(b) == []


def test_to_the_account(people):
    alice, bob = people("alice", "bob")
    low = alice.online("low", "<priority>0</priority>")
    enable(low)
    high = alice.online("high", "<priority>5</priority>")
    enable(high)
    b = bob.online("b")
    low.settle(), high.settle()
    b.message(alice.jid, "to all")
    high.expect_message("to all")
    expect_copy(low, "received", "to all")
    assert messages(high) == [] and messages(low) == []


def test_sent(people):
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    enable(a1, "disable")  # it does not matter for what it sends itself
    b = bob.online("b")
    b.settle()
    a1.message(bob.jid, "from one")
    b.expect_message("from one")
    inner = expect_copy(a2, "sent", "from one")
    assert inner.get("from") == a1.jid and inner.get("to") == bob.jid
    assert messages(a1) == []
    a2.message(bob.jid, "from two")
    b.expect_message("from two")
    assert messages(a1) == []


def test_to_oneself(people):
    alice = people("alice")
    a1, a2, a3 = with_carbons(alice, "a1", "a2", "a3")
    a1.message(a2.jid, "note")
    a2.expect_message("note")
    expect_copy(a3, "received", "note")
    assert messages(a1) == [] and messages(a2) == []


@pytest.mark.parametrize("inner, kind, copied", [
    ("<body>x</body>", "chat", True),
    ("", "chat", True),
    ("<body>x</body>", "normal", True),
    ("<subject>x</subject>", "normal", False),
    ("<body>x</body>", "headline", False),
    ("<body>x</body>", "groupchat", False),
    ("<received xmlns='urn:xmpp:receipts' id='1'/>", "normal", True),
    ("<active xmlns='http://jabber.org/protocol/chatstates'/>", "normal",
     True),
    ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "normal", True),
    ("<x xmlns='jabber:x:conference' jid='room@muc.example'/>", "normal",
     True),
    ("<x xmlns='http://jabber.org/protocol/muc#user'><invite from='c@x'/></x>",
     "normal", True),
    ("<body>x</body><x xmlns='http://jabber.org/protocol/muc#user'/>", "chat",
     False),
    ("<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", "chat", False),
    ("<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", "chat", False),
    ("<other xmlns='urn:example'/>", "normal", False),
])
def test_eligible(people, inner, kind, copied):
    """XEP-0280 section 6.1, on the receiving side."""
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    b = bob.online("b")
    b.send(f"<message to='{a1.jid}' type='{kind}'>{inner}</message>")
    b.settle()
    a1.find(lambda e: e.tag == MESSAGE)
    assert [copy_in(m, "received") is not None for m in messages(a2)] == (
        [True] if copied else [])


def test_private_message_to_an_occupant(people):
    """Those we send are copied, those we get are not."""
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    b = bob.online("nick")
    a1.send(f"<message to='{b.jid}' type='chat'><body>psst</body><x xmlns="
            "'http://jabber.org/protocol/muc#user'/></message>")
    expect_copy(a2, "sent", "psst")


def test_errors(people):
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    b = bob.online("b")
    a1.send(f"<message to='{b.jid}' id='m1' type='chat'><body>x</body>"
            "</message>")
    expect_copy(a2, "sent")
    error = ("<message to='{}' id='{}' type='error'><error type='cancel'>"
             "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
             "</message>")
    b.send(error.format(a1.jid, "m1"))
    b.send(error.format(a1.jid, "m2"))  # in answer to nothing that we copied
    assert expect_copy(a2, "received").get("id") == "m1"
    assert messages(a2) == []


def test_not_after_the_end(people):
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    b = bob.online("b")
    enable(a2, "disable")
    enable(a2, "disable")
    b.message(a1.jid, "x")
    a1.expect_message("x")
    assert messages(a2) == []
    enable(a2)
    enable(a2)
    a2.send("<presence type='unavailable'/>")
    a2.settle()
    b.message(a1.jid, "y")
    expect_copy(a2, "received", "y")


def test_without_presence_nothing_is_lost(people):
    """Stored for later, and copied to who is there with a negative
    priority."""
    alice, bob = people("alice", "bob")
    low = alice.online("low", "<priority>-1</priority>")
    enable(low)
    b = bob.online("b")
    b.message(alice.jid, "later")
    expect_copy(low, "received", "later")
    alice.online("a").expect_message("later")
    assert messages(low) == []


def test_a_lost_client_does_not_lose_it(people):
    """The one that was meant goes without having acknowledged it; the copy
    that the other has is enough, and it does not come again."""
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    a1.send("<enable xmlns='urn:xmpp:sm:3'/>")
    a1.find(lambda e: e.tag == "{urn:xmpp:sm:3}enabled")
    b = bob.online("b")
    b.message(a1.jid, "once")
    expect_copy(a2, "received", "once")
    a1.socket.close()
    a2.settle()
    a2.nothing(1)


def test_a_copy_that_was_lost(people):
    """A copy comes to nobody else; the message did arrive."""
    alice, bob = people("alice", "bob")
    a1, a2 = with_carbons(alice, "a1", "a2")
    a2.send("<enable xmlns='urn:xmpp:sm:3'/>")
    a2.find(lambda e: e.tag == "{urn:xmpp:sm:3}enabled")
    b = bob.online("b")
    b.message(a1.jid, "in")
    a1.expect_message("in")
    a1.message(b.jid, "out")
    b.expect_message("out")
    expect_copy(a2, "sent", "out")
    a2.end()
    assert messages(a1) == [] and messages(b) == []
    a1.end()
    again = alice.online("a3")
    assert messages(again) == []


def test_outlives_the_sm(tmp_path):
    with Chappe(tmp_path) as chappe:
        chappe.start()
        chappe.add_user("alice")
        chappe.add_user("bob")
        alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
        a1, a2 = with_carbons(alice, "a1", "a2")
        b = bob.online("b")
        chappe.kill("sm-1")
        chappe.restart_role("sm")
        wait_for(lambda: a2.ping() or True)
        b.message(a1.jid, "after")
        a1.expect_message("after")
        expect_copy(a2, "received", "after")


def test_disco(people):
    wire = people("alice").online()
    for to in ("localhost", None):
        answer = wire.iq("get", "<query xmlns='http://jabber.org/protocol/"
                         "disco#info'/>", to=to)
        text = ET.tostring(answer, "unicode")
        assert "urn:xmpp:carbons:2" in text
        assert "urn:xmpp:carbons:rules:0" in text


def test_somebody_elses(people):
    alice, bob = people("alice", "bob")
    wire = alice.online()
    answer = wire.iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>",
                     to=bob.jid)
    assert error_of(answer) is not None


def test_slixmpp(people, shared):
    alice, bob = people("alice", "bob")
    b = bob.online("b")

    async def run():
        got = asyncio.Queue()
        client = SlixClient(shared, alice.name, False)
        client.register_plugin("xep_0280")
        client.add_event_handler("carbon_received", got.put_nowait)
        await client.online.wait()
        await client["xep_0280"].enable()
        wire = await asyncio.to_thread(alice.online, "other")
        await asyncio.to_thread(b.message, wire.jid, "for both")
        message = await got.get()
        assert message["carbon_received"]["body"] == "for both"
        await client.disconnect()

    asyncio.run(asyncio.wait_for(run(), 20))
