# SPDX-License-Identifier: Apache-2.0
"""Blocking (XEP-0191) and reports (XEP-0377): what goes through to whom, what
the blocked one sees, that it lasts; with raw stanzas and with slixmpp."""

import asyncio

import pytest

from chappe import Chappe, wait_for
from people import Person, befriend, presence_from
from test_clients import SlixClient
from wire import CLIENT, error_of

NS = "{urn:xmpp:blocking}"


def change(wire, what, *jids, inner=""):
    items = "".join(f"<item jid='{jid}'>{inner}</item>" for jid in jids)
    return wire.iq("set", f"<{what} xmlns='urn:xmpp:blocking'>{items}</{what}>")


def block(wire, *jids):
    answer = change(wire, "block", *jids)
    assert answer.get("type") == "result", error_of(answer)


def unblock(wire, *jids):
    answer = change(wire, "unblock", *jids)
    assert answer.get("type") == "result", error_of(answer)


def blocklist(wire):
    answer = wire.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert answer.get("type") == "result"
    return sorted(item.get("jid") for item in answer.iter(NS + "item"))


def pushed(wire, what):
    """The addresses of the next push of that kind."""
    push = wire.find(lambda e: e.tag == CLIENT + "iq"
                     and e.get("type") == "set"
                     and e.find(NS + what) is not None)
    assert push.get("to") == wire.jid
    wire.send(f"<iq type='result' id='{push.get('id')}'/>")
    return [item.get("jid") for item in push.iter(NS + "item")]


def messages(elements):
    return [e for e in elements if e.tag == CLIENT + "message"]


@pytest.fixture
def friends(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    return alice, bob, a, b


def test_list(friends):
    alice, bob, a, b = friends
    assert blocklist(a) == []
    block(a, bob.jid, "Spam.Example", "room@muc.example/Nick")
    assert pushed(a, "block") == [bob.jid, "Spam.Example",
                                  "room@muc.example/Nick"]
    both = sorted([bob.jid, "room@muc.example/Nick", "spam.example"])
    assert blocklist(a) == both
    block(a, bob.jid)
    assert blocklist(a) == both
    unblock(a, "spam.example")
    assert blocklist(a) == sorted([bob.jid, "room@muc.example/Nick"])
    unblock(a)
    assert blocklist(a) == []
    assert blocklist(b) == []


def test_pushes_to_those_who_asked(friends):
    alice, bob, a, b = friends
    other, third = alice.online("a2"), alice.online("a3")
    a.settle()
    blocklist(other)
    block(a, bob.jid)
    assert pushed(other, "block") == [bob.jid]
    unblock(a)
    assert pushed(other, "unblock") == []
    assert not [e for e in a.settle() + third.settle()
                if e.find(NS + "block") is not None]


def test_incoming(friends):
    alice, bob, a, b = friends
    block(a, bob.jid)
    presence_from(b, a.jid, "unavailable")
    b.settle()
    b.message(alice.jid, "hello?")
    assert error_of(b.find(lambda e: e.tag == CLIENT + "message")) == (
        "service-unavailable", "cancel")
    answer = b.iq("get", "<query xmlns='jabber:iq:version'/>", to=a.jid)
    assert error_of(answer) == ("service-unavailable", "cancel")
    b.send("<presence><status>look</status></presence>")
    b.send(f"<presence type='probe' to='{alice.jid}'/>")
    b.send(f"<presence to='{a.jid}'><status>at you</status></presence>")
    b.send(f"<presence type='unsubscribe' to='{alice.jid}'/>")
    seen = [e for e in b.settle() if alice.jid in e.get("from", "")
            and e.tag == CLIENT + "presence"]
    assert seen == []
    assert [e for e in a.settle() if bob.jid in e.get("from", "")] == []


def test_outgoing(friends):
    alice, bob, a, b = friends
    block(a, bob.jid)
    presence_from(b, a.jid, "unavailable")
    a.message(bob.jid, "are you there?")
    error = a.find(lambda e: e.tag == CLIENT + "message")
    assert error_of(error) == ("not-acceptable", "cancel")
    assert error.find(CLIENT + "error/{urn:xmpp:blocking:errors}blocked") \
        is not None
    assert error.get("from") == bob.jid
    a.send("<presence><status>changed</status></presence>")
    a.send(f"<presence to='{b.jid}'/>")
    a.settle()
    assert [e for e in b.settle() if alice.jid in e.get("from", "")] == []
    unblock(a, bob.jid)
    assert presence_from(b, a.jid).findtext(CLIENT + "status") == "changed"
    presence_from(a, b.jid)
    a.message(bob.jid, "again")
    b.expect_message("again")


def test_by_domain_and_resource(people, shared):
    alice, bob = people("alice", "bob")
    a, b, b2 = alice.online(), bob.online("one"), bob.online("two")
    block(a, b.jid)
    b.message(alice.jid, "from one")
    b2.message(alice.jid, "from two")
    a.expect_message("from two")
    assert messages(a.settle()) == []
    # One's own server and account cannot be blocked away.
    block(a, alice.jid.split("@")[1], alice.jid)
    assert a.ping() is not False
    other = alice.online("other")
    other.message(alice.jid, "to myself")
    a.expect_message("to myself")
    b2.message(alice.jid, "from two")
    assert messages(a.settle()) == []


def test_stored_before_and_after(friends):
    alice, bob, a, b = friends
    a.end()
    presence_from(b, a.jid, "unavailable")
    b.message(alice.jid, "before")
    b.settle()
    a = alice.client("a")  # without presence: nothing is delivered yet
    block(a, bob.jid)
    a.presence()
    b.message(alice.jid, "after")
    assert messages(a.settle()) == []
    a.end()
    a = alice.online("a")
    assert blocklist(a) == [bob.jid]
    assert messages(a.settle()) == []


def test_lasts_beyond_a_restart(tmp_path):
    with Chappe(tmp_path) as chappe:
        chappe.start()
        chappe.add_user("alice")
        chappe.add_user("bob")
        alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
        a = alice.online("a")
        block(a, bob.jid, "b.example")
        blocklist(a)
        chappe.kill("sm-1")
        chappe.restart_role("sm")
        wait_for(lambda: blocklist(a) == sorted([bob.jid, "b.example"]))
        b = bob.online("b")
        b.message(alice.jid, "psst")
        assert error_of(b.find(lambda e: e.tag == CLIENT + "message"))
        # The session asked for the list before the sm died.
        unblock(alice.online("a2"), "b.example")
        assert pushed(a, "unblock") == ["b.example"]


@pytest.mark.parametrize("inner, condition", [
    ("<block xmlns='urn:xmpp:blocking'/>", "bad-request"),
    ("<block xmlns='urn:xmpp:blocking'><item/></block>", "jid-malformed"),
    ("<block xmlns='urn:xmpp:blocking'><item jid='@x'/></block>",
     "jid-malformed"),
    ("<unblock xmlns='urn:xmpp:blocking'><item jid='a b@x'/></unblock>",
     "jid-malformed"),
])
def test_bad_requests(people, inner, condition):
    wire = people("alice").online()
    assert error_of(wire.iq("set", inner))[0] == condition
    assert blocklist(wire) == []


def test_many_changes_at_once(people):
    wire = people("alice").online()
    for number in range(30):
        wire.send(f"<iq type='set' id='m{number}'><block xmlns="
                  f"'urn:xmpp:blocking'><item jid='u{number}@x.example'/>"
                  "</block></iq>")
    for number in range(30):
        wire.find(lambda e: e.get("id") == f"m{number}"
                  and e.get("type") == "result")
    assert len(blocklist(wire)) == 30


def test_too_long_a_list(people):
    wire = people("alice").online()
    jids = [f"{'u' * 900}{number}@x.example" for number in range(50)]
    for _ in range(40):
        answer = change(wire, "block", *jids)
        if answer.get("type") == "error":
            break
        jids = ["x" + jid for jid in jids]
    assert error_of(answer) == ("resource-constraint", "wait")
    wire.ping()


def test_others_do_not_see_it(people):
    alice, bob = people("alice", "bob")
    b = bob.online()
    answer = b.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>",
                  to=alice.jid)
    assert error_of(answer) == ("service-unavailable", "cancel")


def test_reports(people, shared):
    alice = people("alice")
    wire = alice.online()
    report = ("<report xmlns='urn:xmpp:reporting:1' "
              "reason='urn:xmpp:reporting:spam'><text>buy!</text></report>")
    answer = change(wire, "block", "spammer@x.example", inner=report)
    assert answer.get("type") == "result"
    assert blocklist(wire) == ["spammer@x.example"]
    line = next(line for line in shared.log("sm-1").splitlines()
                if "blocking.report" in line and alice.jid in line)
    assert "spammer@x.example" in line and "buy!" not in line


def test_slixmpp(people, shared):
    alice, bob = people("alice", "bob")

    async def run():
        client = SlixClient(shared, alice.name, False)
        client.register_plugin("xep_0191")
        await client.online.wait()
        plugin = client["xep_0191"]
        await plugin.block(bob.jid)
        answer = await plugin.get_blocked()
        jids = {str(jid) for jid in answer["blocklist"]["items"]}
        assert jids == {bob.jid}
        await plugin.unblock(bob.jid)
        answer = await plugin.get_blocked()
        assert not answer["blocklist"]["items"]
        await client.disconnect()

    asyncio.run(asyncio.wait_for(run(), 20))
