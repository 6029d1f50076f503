# SPDX-License-Identifier: Apache-2.0
"""Rosters (RFC 6121 section 2): get, set, remove, pushes, versions, limits."""

import signal

import pytest

from chappe import Chappe
from people import (Person, befriend, groups_of, is_push, item_of, pushed,
                    state_of)
from wire import CLIENT, ROSTER, Wire, error_of


def put(wire, jid, inner="", **attributes):
    """One roster set; the answer."""
    more = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return wire.iq("set", f"<query xmlns='jabber:iq:roster'><item jid='{jid}'"
                   f"{more}>{inner}</item></query>")


def test_a_new_roster_is_empty(people):
    alice = people("alice").client()
    answer = alice.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert answer.get("type") == "result"
    assert len(answer.find(ROSTER + "query")) == 0


def test_set_change_and_remove(people):
    alice = people("alice").client(roster=True)
    assert put(alice, "bob@example.org", "<group>Work</group><group>Chess"
               "</group>", name="Bob &lt;&amp;&gt; &#39;B&#39;"
               ).get("type") == "result"
    item = pushed(alice, "bob@example.org")
    assert item.get("name") == "Bob <&> 'B'"
    item = item_of(alice, "bob@example.org")
    assert state_of(item) == "none"
    assert item.get("name") == "Bob <&> 'B'"
    assert groups_of(item) == ["Chess", "Work"]

    assert put(alice, "bob@example.org", "<group>Old friends</group>",
               name="Bobby").get("type") == "result"
    assert groups_of(pushed(alice, "bob@example.org")) == ["Old friends"]
    item = item_of(alice, "bob@example.org")
    assert (item.get("name"), groups_of(item)) == ("Bobby", ["Old friends"])

    assert put(alice, "bob@example.org").get("type") == "result"
    item = item_of(alice, "bob@example.org")
    assert (item.get("name"), groups_of(item)) == (None, [])
    pushed(alice, "bob@example.org")

    assert put(alice, "bob@example.org", subscription="remove"
               ).get("type") == "result"
    assert pushed(alice, "bob@example.org").get("subscription") == "remove"
    assert item_of(alice, "bob@example.org") is None


def test_the_answer_carries_the_id_and_no_query(people):
    alice = people("alice").client()
    answer = put(alice, "bob@example.org")
    assert answer.get("type") == "result" and len(answer) == 0


def test_removing_who_is_not_there(people):
    alice = people("alice").client(roster=True)
    answer = put(alice, "bob@example.org", subscription="remove")
    assert error_of(answer) == ("item-not-found", "cancel")


ITEM = "<item jid='bob@example.org'{}>{}</item>"


@pytest.mark.parametrize("inner, condition", [
    ("", "bad-request"),
    ("<item/>", "bad-request"),
    ("<item name='Bob'/>", "bad-request"),
    ("<other/>", "bad-request"),
    (ITEM.format("", "") + "<item jid='carol@example.org'/>", "bad-request"),
    (ITEM.format("", "<group>A</group><group>A</group>"), "bad-request"),
    (ITEM.format("", "<group/>"), "not-acceptable"),
    (ITEM.format("", f"<group>{'g' * 2000}</group>"), "not-acceptable"),
    (ITEM.format(f" name='{'n' * 2000}'", ""), "not-acceptable"),
    ("<item jid='bob@'/>", "jid-malformed"),
    ("<item jid='@example.org'/>", "jid-malformed"),
    (f"<item jid='{'x' * 1024}@example.org'/>", "jid-malformed"),
], ids=["empty", "bare-item", "no-jid", "other-element", "two-items",
        "group-twice", "empty-group", "long-group", "long-name",
        "no-domain", "no-local-part", "long-jid"])
def test_bad_sets(people, inner, condition):
    """Section 2.3.3; the roster stays as it was and nothing is pushed."""
    alice = people("alice").client(roster=True)
    answer = alice.iq("set", f"<query xmlns='jabber:iq:roster'>{inner}"
                      "</query>")
    assert error_of(answer)[0] == condition
    assert len(alice.roster()) == 0
    assert alice.settle() == []


def test_only_the_server_says_what_the_subscription_is(people):
    alice = people("alice").client(roster=True)
    put(alice, "bob@example.org", subscription="both", ask="subscribe",
        approved="true")
    for item in pushed(alice, "bob@example.org"), \
            item_of(alice, "bob@example.org"):
        assert state_of(item) == "none"
        assert item.get("approved") in (None, "false")


def test_addresses_are_prepared(people):
    alice = people("alice").client(roster=True)
    assert put(alice, "BOB@Example.ORG/Phone").get("type") == "result"
    pushed(alice, "bob@example.org")
    put(alice, "bob@example.org", name="Bob")
    assert [item.get("jid") for item in alice.roster()] == ["bob@example.org"]


def test_a_domain_and_an_unusual_name_as_contacts(people):
    alice = people("alice").client()
    put(alice, "irc.example.org", name="  IRC  ")
    put(alice, "jürgen@bücher.example", "<group>Bücher 📚</group>",
        name="Jürgen 𝔘")
    items = {item.get("jid"): item for item in alice.roster()}
    assert items["irc.example.org"].get("name") == "  IRC  "
    item = items["jürgen@bücher.example"]
    assert item.get("name") == "Jürgen 𝔘"
    assert groups_of(item) == ["Bücher 📚"]


def test_nobody_is_their_own_contact(people):
    alice = people("alice").client()
    answer = put(alice, alice.jid.split("/")[0])
    assert error_of(answer)[0] == "not-allowed"
    assert len(alice.roster()) == 0


def test_pushes_go_to_interested_resources_only(people):
    person = people("alice")
    setter = person.client("setter", roster=True)
    reader = person.client("reader", roster=True)
    online = person.client("online", presence="")  # never asked for it
    put(setter, "bob@example.org", name="Bob")
    for wire in setter, reader:
        push = wire.until(is_push)
        assert push.get("to") == wire.jid
        assert push.get("id")
        assert push.find(f"{ROSTER}query/{ROSTER}item").get("name") == "Bob"
    assert not [e for e in online.settle() if is_push(e)]
    # Errors and results for pushes go nowhere.
    setter.send(f"<iq type='result' id='{push.get('id')}'/>")
    reader.send(f"<iq type='error' id='{push.get('id')}'><error type='cancel'>"
                "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-"
                "stanzas'/></error></iq>")
    assert setter.settle() == []
    assert reader.settle() == []


def test_other_peoples_rosters(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client(roster=True), bob.client(roster=True)
    get = a.iq("get", "<query xmlns='jabber:iq:roster'/>", to=bob.jid)
    assert get.get("type") == "error"
    change = a.iq("set", "<query xmlns='jabber:iq:roster'><item jid='"
                  "mallory@example.org'/></query>", to=bob.jid)
    assert error_of(change)[0] in ("forbidden", "service-unavailable")
    nobody = a.iq("set", "<query xmlns='jabber:iq:roster'><item jid='"
                  "mallory@example.org'/></query>", to="no.such@localhost")
    assert error_of(nobody) == error_of(change)
    assert len(b.roster()) == 0
    assert b.settle() == []


def test_forged_pushes_show_who_sent_them(people):
    """Section 2.1.6: clients ignore pushes that do not come from their own
    account, so the server must never let one look as if it did."""
    alice, bob = people("alice", "bob")
    a, b = alice.client("a"), bob.online("b")
    a.send(f"<iq type='set' id='forged' to='{b.jid}'><query xmlns='jabber:iq:"
           "roster'><item jid='mallory@example.org' subscription='both'/>"
           "</query></iq>")
    got = b.until(is_push)
    assert got.get("from") == a.jid
    with Wire(people.chappe) as other:
        other.login(alice.name)
        other.send(f"<iq type='set' id='forged' to='{b.jid}' from='{bob.jid}'>"
                   "<query xmlns='jabber:iq:roster'><item jid='mallory@"
                   "example.org' subscription='both'/></query></iq>")
        other.expect_stream_error("invalid-from")
    assert not [e for e in b.settle() if is_push(e)]
    assert len(b.roster()) == 0


# -- versions (section 2.6) --------------------------------------------------


def test_versions(people):
    person = people("alice")
    alice = person.client(roster=True)
    query = alice.iq("get", "<query xmlns='jabber:iq:roster' ver=''/>"
                     ).find(ROSTER + "query")
    first = query.get("ver")
    assert first
    put(alice, "bob@example.org")
    push = alice.until(is_push)
    second = push.find(ROSTER + "query").get("ver")
    assert second and second != first

    same = alice.iq("get", f"<query xmlns='jabber:iq:roster' ver='{second}'/>")
    assert same.get("type") == "result" and len(same) == 0

    # An old one: all of it, or the pushes that are missing.
    alice.send(f"<iq type='get' id='old'><query xmlns='jabber:iq:roster' "
               f"ver='{first}'/></iq>")
    query = alice.answer("old").find(ROSTER + "query")
    if query is None:
        pushed(alice, "bob@example.org")
    else:
        assert query.get("ver") == second
        assert [item.get("jid") for item in query] == ["bob@example.org"]
    for unknown in "never-seen", "999999999999999999999999", "-1":
        query = alice.iq("get", "<query xmlns='jabber:iq:roster' "
                         f"ver='{unknown}'/>").find(ROSTER + "query")
        assert [item.get("jid") for item in query] == ["bob@example.org"]


def test_a_known_version_makes_a_resource_interested(people):
    person = people("alice")
    alice = person.client(roster=True)
    put(alice, "bob@example.org")
    version = alice.roster().get("ver")
    other = person.client("other")
    other.iq("get", f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
    put(alice, "carol@example.org")
    pushed(other, "carol@example.org")


def test_versioning_and_preapproval_are_announced(people):
    person = people("alice")
    with Wire(people.chappe) as wire:
        wire.starttls()
        wire.open()
        wire.scram(person.name)
        features = wire.open()
        assert features.find("{urn:xmpp:features:rosterver}ver") is not None
        assert features.find(
            "{urn:xmpp:features:pre-approval}sub") is not None


# -- limits and durability ---------------------------------------------------


def test_many_contacts(people):
    person = people("alice")
    alice = person.client(seconds=30)
    for number in range(300):
        alice.send(f"<iq type='set' id='n{number}'><query xmlns='jabber:iq:"
                   f"roster'><item jid='contact{number}@example.org' "
                   f"name='Number {number}'><group>All</group></item></query>"
                   "</iq>")
    for number in range(300):
        assert alice.answer(f"n{number}").get("type") == "result"
    assert {item.get("jid") for item in alice.roster()} == \
        {f"contact{number}@example.org" for number in range(300)}


def test_a_full_roster(stopped):
    stopped.conf["sm"] = {"roster-max": 5}
    stopped.start()
    stopped.add_user("alice")
    with Wire(stopped) as alice:
        alice.login("alice")
        alice.roster()
        for number in range(5):
            assert put(alice, f"c{number}@example.org"
                       ).get("type") == "result"
        full = put(alice, "one.more@example.org")
        assert error_of(full) == ("resource-constraint", "wait")
        alice.send("<presence type='subscribe' to='one.more@example.org' "
                   "id='s'/>")
        refused = alice.until(lambda e: e.tag == CLIENT + "presence")
        assert refused.get("type") == "error"
        assert len(alice.roster()) == 5
        # What is there can change and go; then there is room.
        assert put(alice, "c0@example.org", name="Zero"
                   ).get("type") == "result"
        assert put(alice, "c1@example.org", subscription="remove"
                   ).get("type") == "result"
        assert put(alice, "one.more@example.org").get("type") == "result"
        alice.end()


def everything(wire):
    query = wire.roster()
    return {item.get("jid"): (item.get("name"), state_of(item),
                              item.get("approved"), groups_of(item))
            for item in query}, query.get("ver")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL],
                         ids=["term", "kill"])
def test_rosters_survive_the_sm(chappe, how):
    """What was answered with a result is durable."""
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a, b = alice.online(seconds=30), bob.online(seconds=30)
    befriend(a, b)
    put(a, "bob@localhost", "<group>Ünï &amp; co</group>", name="Bob&#39;s")
    put(a, "carol@example.org", name="Carol")
    a.send("<presence type='subscribed' to='dave@example.org'/>")
    assert pushed(a, "dave@example.org").get("approved") == "true"
    before = everything(a)
    assert before[0]["bob@localhost"] == ("Bob's", "both", None,
                                          ["Ünï & co"])
    chappe.kill("sm-1", how)
    chappe.start_role("sm")
    chappe.wait_ready()
    # The streams outlive the sm, and a new one sees the same.
    assert everything(a) == before
    fresh = alice.client("fresh", seconds=30)
    assert everything(fresh) == before
    put(fresh, "eve@example.org")
    pushed(a, "eve@example.org")
    alice.close()
    bob.close()


def test_accounts_of_two_domains_have_rosters_of_their_own(tmp_path):
    with Chappe(tmp_path, domains=("one.example", "two.example")) as server:
        server.start()
        server.add_user("alice", domain="one.example")
        server.add_user("alice", domain="two.example")
        with Wire(server, domain="one.example") as one, \
                Wire(server, domain="two.example") as two:
            one.login("alice")
            two.login("alice")
            put(one, "bob@example.org")
            put(one, "alice@two.example")
            assert len(two.roster()) == 0
            assert len(one.roster()) == 2
