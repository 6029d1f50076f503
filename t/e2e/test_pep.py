# SPDX-License-Identifier: Apache-2.0
"""PEP (XEP-0163) over XEP-0060: nodes, items, access, notifications by the
capabilities of clients (XEP-0115); with raw stanzas, slixmpp and aioxmpp."""

import asyncio
import base64
import hashlib

import aioxmpp
import aioxmpp.pep
import aioxmpp.pubsub
import aioxmpp.xso
import pytest

from people import Person, befriend, presence_from
from test_clients import SlixClient, aio_client
from wire import CLIENT, error_of

PUBSUB = "{http://jabber.org/protocol/pubsub}"
OWNER = "{http://jabber.org/protocol/pubsub#owner}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
ERRORS = "{http://jabber.org/protocol/pubsub#errors}"
DISCO = "{http://jabber.org/protocol/disco#info}"
DATA = "{jabber:x:data}"
TUNE = "http://jabber.org/protocol/tune"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
OMEMO = "urn:xmpp:omemo:2:devices"


# -- requests ------------------------------------------------------------------


def pubsub(wire, kind, inner, to=None, owner=False):
    ns = "http://jabber.org/protocol/pubsub" + ("#owner" if owner else "")
    return wire.iq(kind, f"<pubsub xmlns='{ns}'>{inner}</pubsub>", to)


def form(kind, **fields):
    fields = "".join(
        f"<field var='pubsub#{name}'>" + "".join(
            f"<value>{value}</value>" for value in
            (values if isinstance(values, list) else [values])) + "</field>"
        for name, values in fields.items())
    return ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' "
            f"type='hidden'><value>http://jabber.org/protocol/pubsub#{kind}"
            f"</value></field>{fields}</x>")


def publish(wire, node, id, text="x", to=None, **options):
    name = f" id='{id}'" if id else ""
    extra = ""
    if options:
        extra = ("<publish-options>" + form("publish-options", **options)
                 + "</publish-options>")
    return pubsub(wire, "set", f"<publish node='{node}'><item{name}>"
                  f"<tune xmlns='{TUNE}'>{text}</tune></item></publish>"
                  + extra, to)


def done(answer):
    assert answer.get("type") == "result", error_of(answer)
    return answer


def refused(answer, condition, detail=None):
    assert answer.get("type") == "error"
    assert error_of(answer)[0] == condition
    if detail:
        assert answer.find(f"{CLIENT}error/{ERRORS}{detail}") is not None


def items(wire, node, to=None, inner="", **attributes):
    extra = "".join(f" {name}='{value}'" for name, value in attributes.items())
    answer = done(pubsub(wire, "get",
                         f"<items node='{node}'{extra}>{inner}</items>", to))
    return [(item.get("id"), item[0].text)
            for item in answer.iter(PUBSUB + "item")]


def configure(wire, node, **fields):
    return pubsub(wire, "set", f"<configure node='{node}'>"
                  + form("node_config", **fields) + "</configure>", owner=True)


def configuration(wire, node):
    answer = done(pubsub(wire, "get", f"<configure node='{node}'/>",
                         owner=True))
    return {field.get("var"): [value.text for value in
                               field.findall(DATA + "value")]
            for field in answer.iter(DATA + "field")}


# -- clients with capabilities -------------------------------------------------


class Caps:
    def __init__(self, *nodes, name="test"):
        self.features = sorted([f"{node}+notify" for node in nodes]
                               + ["http://jabber.org/protocol/disco#info"])
        text = f"client/pc//{name}<" + "".join(
            feature + "<" for feature in self.features)
        self.name = name
        self.ver = base64.b64encode(
            hashlib.sha1(text.encode()).digest()).decode()
        self.presence = ("<c xmlns='http://jabber.org/protocol/caps' "
                         "hash='sha-1' node='https://client.example' "
                         f"ver='{self.ver}'/>")

    def answer(self, wire, asker=None):
        """Waits for the question what the hash means, and answers."""
        asked = wire.find(lambda e: e.tag == CLIENT + "iq"
                          and e.get("type") == "get"
                          and e.find(DISCO + "query") is not None)
        assert asked.get("from") == (asker or wire.jid.split("/")[0])
        assert asked.find(DISCO + "query").get("node") == \
            f"https://client.example#{self.ver}"
        self.reply(wire, asked)

    def reply(self, wire, asked, features=None):
        wire.send(
            f"<iq type='result' id='{asked.get('id')}' "
            f"to='{asked.get('from')}'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'>"
            f"<identity category='client' type='pc' name='{self.name}'/>"
            + "".join(f"<feature var='{feature}'/>"
                      for feature in features or self.features)
            + "</query></iq>")


def is_event(element):
    return (element.tag == CLIENT + "message"
            and element.find(EVENT + "event") is not None)


def event(wire, sender=None):
    """The next notification: its sender, node and what it says."""
    message = wire.find(is_event)
    assert message.get("to") in (wire.jid, wire.jid.split("/")[0])
    assert sender in (None, message.get("from"))
    return message.find(EVENT + "event")[0]


def got_item(wire, sender, node, id, text=None):
    what = event(wire, sender)
    assert what.tag == EVENT + "items" and what.get("node") == node
    assert [item.get("id") for item in what] == [id]
    if text:
        assert what[0][0].text == text


def no_event(wire):
    assert not [e for e in wire.settle() if is_event(e)]


@pytest.fixture
def friends(people):
    """Two contacts; the clients of both want tunes."""
    alice, bob = people("alice", "bob")
    caps = Caps(TUNE, DEVICES, OMEMO, name=alice.name)
    a, b = alice.online("a", caps.presence), bob.online("b", caps.presence)
    caps.answer(a)
    befriend(a, b)
    a.settle(), b.settle()
    return alice, bob, a, b, caps


# -- items ---------------------------------------------------------------------


def test_publish_and_read(friends):
    alice, bob, a, b, caps = friends
    answer = done(publish(a, TUNE, "one", "first"))
    assert answer.find(f"{PUBSUB}pubsub/{PUBSUB}publish/{PUBSUB}item").get(
        "id") == "one"
    assert items(a, TUNE) == [("one", "first")]
    assert items(b, TUNE, alice.jid) == [("one", "first")]
    done(publish(a, TUNE, "two", "second"))
    assert items(a, TUNE) == [("two", "second")]
    made = done(publish(a, TUNE, None)).find(
        f"{PUBSUB}pubsub/{PUBSUB}publish/{PUBSUB}item").get("id")
    assert items(a, TUNE) == [(made, "x")]


def test_who_hears(friends):
    alice, bob, a, b, caps = friends
    deaf = alice.online("deaf")
    done(publish(a, TUNE, "one", "first"))
    got_item(a, alice.jid, TUNE, "one", "first")
    got_item(b, alice.jid, TUNE, "one", "first")
    done(publish(a, "something-else", "one"))
    no_event(a), no_event(b), no_event(deaf)


def test_last_item_on_presence(friends):
    alice, bob, a, b, caps = friends
    done(publish(a, TUNE, "one", "first"))
    late = bob.online("late", caps.presence)
    got_item(late, alice.jid, TUNE, "one", "first")
    own = alice.online("own", caps.presence)
    got_item(own, alice.jid, TUNE, "one", "first")
    # A change of presence is no reason to send it again.
    late.presence("<show>away</show>" + caps.presence)
    own.presence("<show>away</show>" + caps.presence)
    no_event(late), no_event(own)


def test_last_item_of_somebody_who_is_away(friends):
    alice, bob, a, b, caps = friends
    done(publish(a, TUNE, "one", "first"))
    a.end()
    presence_from(b, a.jid, "unavailable")
    late = bob.online("late", caps.presence)
    got_item(late, alice.jid, TUNE, "one", "first")


def test_multi_items(friends):
    alice, bob, a, b, caps = friends
    for i in range(5):
        done(publish(a, TUNE, f"i{i}", i, max_items="max"))
    assert items(a, TUNE) == [(f"i{i}", str(i)) for i in range(5)]
    assert items(a, TUNE, max_items=2) == [("i3", "3"), ("i4", "4")]
    assert items(a, TUNE, inner="<item id='i1'/><item id='none'/>") == [
        ("i1", "1")]
    refused(pubsub(a, "get", f"<items node='{TUNE}'><item id='no'/></items>"),
            "item-not-found")
    done(publish(a, TUNE, "i1", "again"))
    assert items(a, TUNE, max_items=1) == [("i1", "again")]
    done(configure(a, TUNE, max_items=2))
    assert items(a, TUNE) == [("i4", "4"), ("i1", "again")]


def test_pages(friends):
    alice, bob, a, b, caps = friends
    for i in range(5):
        done(publish(a, TUNE, f"i{i}", i, max_items="max"))

    def page(inner):
        answer = done(pubsub(
            a, "get", f"<items node='{TUNE}'/><set xmlns="
            f"'http://jabber.org/protocol/rsm'>{inner}</set>"))
        return [item.get("id") for item in answer.iter(PUBSUB + "item")]

    assert page("<max>2</max>") == ["i0", "i1"]
    assert page("<max>2</max><after>i1</after>") == ["i2", "i3"]
    assert page("<max>2</max><after>i3</after>") == ["i4"]
    assert page("<max>2</max><before/>") == ["i3", "i4"]
    assert page("<max>2</max><before>i3</before>") == ["i1", "i2"]


def test_retract_purge_delete(friends):
    alice, bob, a, b, caps = friends
    for i in range(3):
        done(publish(a, TUNE, f"i{i}", i, max_items="max"))
    a.settle(), b.settle()
    done(pubsub(a, "set", f"<retract node='{TUNE}'><item id='i1'/></retract>"))
    what = event(b, alice.jid)
    assert [(e.tag, e.get("id")) for e in what] == [(EVENT + "retract", "i1")]
    assert [id for id, _ in items(a, TUNE)] == ["i0", "i2"]
    refused(pubsub(a, "set",
                   f"<retract node='{TUNE}'><item id='i1'/></retract>"),
            "item-not-found")
    done(pubsub(a, "set", f"<purge node='{TUNE}'/>", owner=True))
    assert event(b, alice.jid).tag == EVENT + "purge"
    assert items(a, TUNE) == []
    done(pubsub(a, "set", f"<delete node='{TUNE}'/>", owner=True))
    assert event(b, alice.jid).tag == EVENT + "delete"
    refused(pubsub(a, "get", f"<items node='{TUNE}'/>"), "item-not-found")


# -- nodes ---------------------------------------------------------------------


def test_publish_options(friends):
    alice, bob, a, b, caps = friends
    done(publish(a, TUNE, "one", access_model="open", max_items=3))
    assert configuration(a, TUNE)["pubsub#access_model"] == ["open"]
    done(publish(a, TUNE, "two", access_model="open", persist_items="true"))
    refused(publish(a, TUNE, "three", access_model="whitelist"), "conflict",
            "precondition-not-met")
    refused(publish(a, TUNE, "three", no_such_option="1"), "conflict",
            "precondition-not-met")
    refused(publish(a, "new", "one", access_model="nonsense"), "conflict",
            "precondition-not-met")
    refused(pubsub(a, "get", "<items node='new'/>"), "item-not-found")
    assert [id for id, _ in items(a, TUNE)] == ["one", "two"]


def test_create_and_configure(friends):
    alice, bob, a, b, caps = friends
    done(pubsub(a, "set", "<create node='n'/><configure>"
                + form("node_config", access_model="open", title="Title")
                + "</configure>"))
    refused(pubsub(a, "set", "<create node='n'/>"), "conflict")
    now = configuration(a, "n")
    assert now["pubsub#access_model"] == ["open"]
    assert now["pubsub#title"] == ["Title"]
    refused(configure(a, "n", max_items="many"), "not-acceptable")
    refused(configure(a, "n", access_model="closed"), "not-acceptable")
    done(configure(a, "n", max_items=7, unknown="thing"))
    now = configuration(a, "n")
    assert now["pubsub#max_items"] == ["7"]
    assert now["pubsub#title"] == ["Title"]
    refused(configure(a, "none", max_items=7), "item-not-found")
    done(pubsub(a, "get", "<default/>", owner=True))
    instant = done(pubsub(a, "set", "<create/>")).find(
        f"{PUBSUB}pubsub/{PUBSUB}create").get("node")
    assert items(a, instant) == []


def test_disco(friends):
    alice, bob, a, b, caps = friends
    done(publish(a, TUNE, "one", access_model="open", title="Music"))
    answer = a.iq("get", "<query xmlns='http://jabber.org/protocol/"
                  "disco#info'/>", alice.jid)
    assert ("pubsub", "pep") in [
        (e.get("category"), e.get("type"))
        for e in answer.iter(DISCO + "identity")]
    features = [e.get("var") for e in answer.iter(DISCO + "feature")]
    for name in ("publish-options", "persistent-items", "multi-items",
                 "config-node-max"):
        assert f"http://jabber.org/protocol/pubsub#{name}" in features
    answer = b.iq("get", "<query xmlns='http://jabber.org/protocol/"
                  "disco#items'/>", alice.jid)
    assert (TUNE, "Music") in [(e.get("node"), e.get("name"))
                               for e in answer.find("*")]
    answer = b.iq("get", "<query xmlns='http://jabber.org/protocol/"
                  f"disco#info' node='{TUNE}'/>", alice.jid)
    assert answer.find(f"{DISCO}query/{DISCO}identity").get("type") == "leaf"


# -- access --------------------------------------------------------------------


def test_access_models(people, friends):
    alice, bob, a, b, caps = friends
    carol = people("carol")
    c = carol.online("c")

    def reads(wire):
        answer = pubsub(wire, "get", f"<items node='{TUNE}'/>", alice.jid)
        return answer.get("type") == "result" or error_of(answer)[0]

    refused(pubsub(c, "get", f"<items node='{TUNE}'/>", alice.jid),
            "service-unavailable")
    done(publish(a, TUNE, "one"))
    assert reads(b) is True and reads(c) == "not-authorized"
    done(configure(a, TUNE, access_model="open"))
    assert reads(b) is True and reads(c) is True
    done(configure(a, TUNE, access_model="whitelist"))
    assert reads(b) == "not-allowed" and reads(a) is True
    a.settle(), b.settle()
    done(publish(a, TUNE, "two"))
    got_item(a, alice.jid, TUNE, "two")
    no_event(b)
    done(pubsub(a, "set", f"<affiliations node='{TUNE}'><affiliation "
                f"jid='{carol.jid}' affiliation='member'/></affiliations>",
                owner=True))
    assert reads(c) is True and reads(b) == "not-allowed"
    done(configure(a, TUNE, access_model="roster",
                   roster_groups_allowed=["Friends", "Band"]))
    assert reads(b) == "not-authorized"
    done(a.iq("set", "<query xmlns='jabber:iq:roster'><item "
              f"jid='{bob.jid}'><group>Band</group></item></query>"))
    assert reads(b) is True
    done(pubsub(a, "set", f"<affiliations node='{TUNE}'><affiliation "
                f"jid='{bob.jid}' affiliation='outcast'/></affiliations>",
                owner=True))
    assert reads(b) == "forbidden"


def test_subscriptions(people, friends):
    alice, bob, a, b, caps = friends
    carol = people("carol")
    c = carol.online("c")
    done(publish(a, TUNE, "one", "first", access_model="authorize"))

    def subscribe(wire, what="subscribe", jid=None):
        return pubsub(wire, "set", f"<{what} node='{TUNE}' "
                      f"jid='{jid or wire.jid.split('/')[0]}'/>", alice.jid)

    answer = done(subscribe(c))
    assert answer.find(f"{PUBSUB}pubsub/{PUBSUB}subscription").get(
        "subscription") == "pending"
    refused(pubsub(c, "get", f"<items node='{TUNE}'/>", alice.jid),
            "not-authorized", "not-subscribed")
    refused(subscribe(c, jid=bob.jid), "bad-request", "invalid-jid")
    listed = done(pubsub(a, "get", f"<subscriptions node='{TUNE}'/>",
                         owner=True))
    assert [(e.get("jid"), e.get("subscription"))
            for e in listed.iter(OWNER + "subscription")] == [
                (carol.jid, "pending")]
    done(pubsub(a, "set", f"<subscriptions node='{TUNE}'><subscription "
                f"jid='{carol.jid}' subscription='subscribed'/>"
                "</subscriptions>", owner=True))
    assert event(c, alice.jid).get("subscription") == "subscribed"
    assert items(c, TUNE, alice.jid) == [("one", "first")]
    done(publish(a, TUNE, "two", "second"))
    got_item(c, alice.jid, TUNE, "two", "second")
    done(subscribe(c, "unsubscribe"))
    refused(subscribe(c, "unsubscribe"), "unexpected-request",
            "not-subscribed")
    done(publish(a, TUNE, "three"))
    no_event(c)


def test_only_the_owner_writes(friends):
    alice, bob, a, b, caps = friends
    for node in (DEVICES, OMEMO,
                 "eu.siacs.conversations.axolotl.bundles:1",
                 "urn:xmpp:omemo:2:bundles"):
        done(publish(a, node, "current", "mine", access_model="open"))
        done(configure(a, node, publish_model="open"))
        done(pubsub(a, "set", f"<affiliations node='{node}'><affiliation "
                    f"jid='{bob.jid}' affiliation='publisher'/>"
                    "</affiliations>", owner=True))
        refused(publish(b, node, "current", "forged", alice.jid), "forbidden")
        refused(pubsub(b, "set", f"<retract node='{node}'>"
                       "<item id='current'/></retract>", alice.jid),
                "forbidden")
        refused(pubsub(b, "set", f"<delete node='{node}'/>", alice.jid, True),
                "forbidden")
        assert items(a, node) == [("current", "mine")]
    done(publish(a, TUNE, "one", access_model="open"))
    refused(publish(b, TUNE, "two", to=alice.jid), "forbidden")
    done(pubsub(a, "set", f"<affiliations node='{TUNE}'><affiliation "
                f"jid='{bob.jid}' affiliation='publisher'/></affiliations>",
                owner=True))
    done(publish(b, TUNE, "two", to=alice.jid))
    refused(pubsub(b, "set", "<create node='mine'/>", alice.jid), "forbidden")


# -- bad input -----------------------------------------------------------------


def test_bad_requests(friends):
    alice, bob, a, b, caps = friends
    refused(publish(a, TUNE, "big", "x" * 70000), "not-acceptable",
            "payload-too-big")
    refused(pubsub(a, "set", "<publish><item/></publish>"), "bad-request",
            "nodeid-required")
    refused(pubsub(a, "set", f"<publish node='{TUNE}'/>"), "bad-request",
            "item-required")
    refused(pubsub(a, "set", f"<publish node='{TUNE}'><item/></publish>"),
            "bad-request", "payload-required")
    refused(pubsub(a, "set", f"<publish node='{TUNE}'><item><a xmlns='a'/>"
                   "<b xmlns='a'/></item></publish>"), "bad-request",
            "invalid-payload")
    refused(publish(a, "n" * 600, "one"), "bad-request")
    refused(publish(a, TUNE, "two&#10;lines"), "not-acceptable")
    refused(pubsub(a, "set", "<dance node='x'/>"), "feature-not-implemented",
            "unsupported")
    refused(pubsub(a, "get", ""), "bad-request")
    refused(pubsub(a, "get", f"<items node='{TUNE}'/>"), "item-not-found")
    refused(publish(b, "nothing", "one", to=alice.jid), "item-not-found")


def test_a_lie_about_capabilities(people):
    """A hash is believed only when the answer has it; and one who lies does
    not keep others from being heard."""
    alice, mallory = people("alice", "mallory")
    caps = Caps(TUNE, name=alice.name + "lie")
    m = mallory.online("m", caps.presence)
    asked = m.find(lambda e: e.find(DISCO + "query") is not None)
    caps.reply(m, asked, ["http://jabber.org/protocol/disco#info"])
    done(publish(m, TUNE, "one"))
    no_event(m)
    a = alice.online("a", caps.presence)
    caps.answer(a)
    done(publish(a, TUNE, "one"))
    got_item(a, alice.jid, TUNE, "one")


# -- what lasts ----------------------------------------------------------------


def test_lasts(stopped):
    stopped.start()
    stopped.add_users("alice@" + stopped.domain)
    alice = Person(stopped, "alice")
    a = alice.online("a")
    for i in range(3):
        done(publish(a, TUNE, f"i{i}", i, max_items="max",
                     access_model="open"))
    a.end()
    stopped.stop()
    stopped.start()
    caps = Caps(TUNE)
    a = alice.online("a", caps.presence)
    caps.answer(a)
    got_item(a, alice.jid, TUNE, "i2", "2")
    assert [id for id, _ in items(a, TUNE)] == ["i0", "i1", "i2"]
    assert configuration(a, TUNE)["pubsub#access_model"] == ["open"]
    alice.close()


# -- real clients --------------------------------------------------------------


def run(coroutine):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(coroutine, 60))
    finally:
        loop.close()


async def slix(chappe, names):
    clients = []
    for name in names:
        client = SlixClient(chappe, name, False)
        for plugin in ("xep_0030", "xep_0115", "xep_0060", "xep_0163",
                       "xep_0118"):
            client.register_plugin(plugin)
        client.heard = asyncio.Queue()
        client.add_event_handler("user_tune_publish",
                                 client.heard.put_nowait)
        clients.append(client)
    for client in clients:
        await asyncio.wait_for(client.online.wait(), 15)
    one, two = clients
    await one["xep_0118"].publish_tune(artist="Yes", title="Heart")
    for client in clients:
        message = await asyncio.wait_for(client.heard.get(), 10)
        tune = message["pubsub_event"]["items"]["item"]["tune"]
        assert tune["artist"] == "Yes" and tune["title"] == "Heart"
    answer = await two["xep_0060"].get_items(one.boundjid.bare, TUNE)
    assert [e.text for e in answer.xml.iter(f"{{{TUNE}}}title")] == ["Heart"]
    for client in clients:
        await client.disconnect()


def test_slixmpp(shared, friends):
    alice, bob, a, b, caps = friends
    a.end(), b.end()
    run(slix(shared, (alice.name, bob.name)))


class Mood(aioxmpp.xso.XSO):
    TAG = ("urn:example:mood", "mood")
    text = aioxmpp.xso.Text(default=None)


aioxmpp.pubsub.xso.as_payload_class(Mood)


async def aio(chappe, names):
    one, two = (aio_client(chappe, name, False) for name in names)
    heard = asyncio.get_running_loop().create_future()
    claim = two.summon(aioxmpp.PEPClient).claim_pep_node(
        "urn:example:mood", notify=True)

    def on_item(jid, node, item, *, message=None):
        if not heard.done():
            heard.set_result((str(jid), node, item.registered_payload.text))

    claim.on_item_publish.connect(on_item)
    pep = one.summon(aioxmpp.PEPClient)
    pubsub = two.summon(aioxmpp.PubSubClient)
    available = aioxmpp.PresenceState(True)
    async with one.connected(presence=available), \
            two.connected(presence=available):
        await pep.available()
        mood = Mood()
        mood.text = "glad"
        await pep.publish("urn:example:mood", mood, id_="current")
        bare = one.local_jid.bare()
        assert await asyncio.wait_for(heard, 15) == (
            str(bare), "urn:example:mood", "glad")
        answer = await pubsub.get_items(bare, "urn:example:mood")
        assert [item.registered_payload.text
                for item in answer.payload.items] == ["glad"]


def test_aioxmpp(shared, friends):
    alice, bob, a, b, caps = friends
    a.end(), b.end()
    asyncio.run(asyncio.wait_for(aio(shared, (alice.name, bob.name)), 60))
