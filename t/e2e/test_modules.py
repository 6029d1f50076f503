# SPDX-License-Identifier: Apache-2.0
"""Extensions: XEP-0012, 0030, 0049, 0054 (0153), 0077, 0092, 0115, 0157, 0199
and 0202, with raw stanzas, with slixmpp and with aioxmpp."""

import asyncio
import base64
import datetime
import hashlib
import re
import socket
import time
import xml.etree.ElementTree as ET

import aioxmpp
import pytest

from chappe import PASSWORD, Chappe, wait_for
from people import Person, befriend, presence_from
from test_clients import SlixClient, aio_client
from wire import CLIENT, SASL, STREAM, Wire, error_of

INFO = "{http://jabber.org/protocol/disco#info}"
ITEMS = "{http://jabber.org/protocol/disco#items}"
CAPS = "{http://jabber.org/protocol/caps}c"
DATA = "{jabber:x:data}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

CONTACTS = {"contact-admin": ["mailto:admin@example.org",
                              "xmpp:admin@example.org"],
            "contact-abuse": ["mailto:abuse@example.org"]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("shared"),
                domains=("localhost", "two.example")) as server:
        server.conf["domain localhost"] = CONTACTS
        server.components = {"echo.localhost": "echo-secret",
                             "other.example": "other-secret"}
        server.start()
        yield server


def disco_info(wire, to, node=None):
    node = f" node='{node}'" if node else ""
    return wire.iq("get", "<query xmlns='http://jabber.org/protocol/"
                   f"disco#info'{node}/>", to=to)


def features_of(answer):
    return {f.get("var") for f in answer.iter(INFO + "feature")}


def identities_of(answer):
    return {(i.get("category"), i.get("type"))
            for i in answer.iter(INFO + "identity")}


def caps_hash(query):
    """XEP-0115 section 5.1, from a disco#info query."""
    lines = sorted("/".join([i.get("category"), i.get("type"),
                             i.get(LANG, ""), i.get("name", "")])
                   for i in query.findall(INFO + "identity"))
    lines += sorted(f.get("var") for f in query.findall(INFO + "feature"))
    forms = []
    for form in query.findall(DATA + "x"):
        fields = {f.get("var"): sorted(v.text or "" for v in
                                       f.findall(DATA + "value"))
                  for f in form.findall(DATA + "field")}
        kind = fields.pop("FORM_TYPE")
        forms.append((kind[0], [part for var in sorted(fields)
                                for part in [var] + fields[var]]))
    for kind, rest in sorted(forms):
        lines += [kind] + rest
    text = "".join(line + "<" for line in lines)
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


# -- XEP-0030 ----------------------------------------------------------------


@pytest.mark.parametrize("domain", ["localhost", "two.example"])
def test_what_the_server_can_do(people, domain):
    a = people("alice", domain=domain).client()
    answer = disco_info(a, domain)
    assert answer.get("from") == domain
    assert ("server", "im") in identities_of(answer)
    assert {"http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/caps", "urn:xmpp:ping",
            "jabber:iq:version", "urn:xmpp:time", "jabber:iq:last",
            "jabber:iq:private", "vcard-temp", "msgoffline",
            "jabber:iq:register"} <= features_of(answer)
    every = [f.get("var") for f in answer.iter(INFO + "feature")]
    assert len(every) == len(set(every))


def test_what_is_announced_is_there(people):
    """Each request namespace in disco#info is answered by a module."""
    a = people("alice").client()
    requests = {
        "urn:xmpp:ping": "<ping xmlns='urn:xmpp:ping'/>",
        "jabber:iq:version": "<query xmlns='jabber:iq:version'/>",
        "urn:xmpp:time": "<time xmlns='urn:xmpp:time'/>",
        "jabber:iq:last": "<query xmlns='jabber:iq:last'/>",
    }
    features = features_of(disco_info(a, "localhost"))
    for feature, inner in requests.items():
        assert feature in features
        assert a.iq("get", inner, to="localhost").get("type") == "result"


def component(server, name, secret):
    """A component's connection after its handshake (XEP-0114)."""
    connection = socket.create_connection(
        ("127.0.0.1", server.component_port), 10)
    connection.sendall(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream="
        f"'http://etherx.jabber.org/streams' to='{name}'>".encode())
    text = b""
    while b">" not in text.partition(b"<stream:stream")[2]:
        text += connection.recv(4096)
    ident = re.search(rb" id=['\"]([^'\"]*)", text).group(1)
    digest = hashlib.sha1(ident + secret.encode()).hexdigest()
    connection.sendall(f"<handshake>{digest}</handshake>".encode())
    assert b"<handshake" in connection.recv(4096)
    return connection


def test_items_are_the_components_below_the_domain(people):
    a = people("alice").client()
    query = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
    before = a.iq("get", query, to="localhost")
    assert [i.get("jid") for i in before.iter(ITEMS + "item")] == []

    def items():
        answer = a.iq("get", query, to="localhost")
        return [i.get("jid") for i in answer.iter(ITEMS + "item")]

    with component(people.chappe, "other.example", "other-secret"), \
            component(people.chappe, "echo.localhost", "echo-secret"):
        wait_for(items, 5, "the component is an item")
        assert items() == ["echo.localhost"]


def test_unknown_nodes(people):
    a = people("alice").client()
    assert error_of(disco_info(a, "localhost", "no such"))[0] == \
        "item-not-found"
    answer = a.iq("get", "<query xmlns='http://jabber.org/protocol/"
                  "disco#items' node='x'/>", to="localhost")
    assert error_of(answer)[0] == "item-not-found"


def test_accounts(people):
    """XEP-0030 section 8: strangers learn nothing, not even who exists."""
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    own = disco_info(a, alice.jid)
    assert identities_of(own) == {("account", "registered"),
                                  ("pubsub", "pep")}
    assert disco_info(a, None).get("type") == "result"
    stranger = disco_info(a, bob.jid)
    nobody = disco_info(a, "no.such@localhost")
    assert error_of(stranger) == error_of(nobody) == \
        ("service-unavailable", "cancel")
    befriend(a, b)
    assert ("account", "registered") in identities_of(disco_info(a, bob.jid))
    items = a.iq("get", "<query xmlns='http://jabber.org/protocol/"
                 "disco#items'/>", to=bob.jid)
    assert [i.get("jid") for i in items.iter(ITEMS + "item")] == [b.jid]


def run(coroutine):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 60))
    finally:
        # slixmpp leaves some behind.
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(
            asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


class Slix(SlixClient):
    """slixmpp with plug-ins; a name of its own."""

    def __init__(self, person, *plugins):
        super().__init__(person.chappe, person.name, False)
        for plugin in plugins:
            self.register_plugin(plugin)

    async def __aenter__(self):
        await asyncio.wait_for(self.online.wait(), 20)
        return self

    async def __aexit__(self, *_):
        await self.disconnect()


def test_slixmpp_plugins(people):
    """What a client that others wrote makes of it."""
    alice = people("alice")

    async def talk():
        async with Slix(alice, "xep_0030", "xep_0199", "xep_0092",
                        "xep_0012", "xep_0202", "xep_0049",
                        "xep_0054") as client:
            info = await client["xep_0030"].get_info(jid="localhost")
            assert ("server", "im", None, "Chappe") in \
                info["disco_info"]["identities"]
            assert "urn:xmpp:ping" in info["disco_info"]["features"]
            await client["xep_0030"].get_items(jid="localhost")
            assert await client["xep_0199"].ping("localhost", timeout=10) >= 0
            version = await client["xep_0092"].get_version("localhost")
            assert version["software_version"]["name"] == "Chappe"
            last = await client["xep_0012"].get_last_activity("localhost")
            assert 0 <= int(last["last_activity"]["seconds"]) < 3600
            when = await client["xep_0202"].get_entity_time("localhost")
            # Its accessor of utc adds a second Z to the one that is there.
            assert when["entity_time"].xml.findtext("{urn:xmpp:time}utc")
            card = client["xep_0054"].make_vcard()
            card["FN"] = "Alice Example"
            await client["xep_0054"].publish_vcard(card)
            got = await client["xep_0054"].get_vcard(alice.jid)
            assert got["vcard_temp"]["FN"] == "Alice Example"

    run(talk())


def test_aioxmpp_disco(people):
    alice = people("alice")

    async def talk():
        client = aio_client(people.chappe, alice.name, False)
        disco = client.summon(aioxmpp.DiscoClient)
        async with client.connected():
            info = await disco.query_info(aioxmpp.JID.fromstr("localhost"))
            assert "urn:xmpp:ping" in info.features
            assert any(i.category == "server" and i.type_ == "im"
                       for i in info.identities)
            assert await aioxmpp.ping.ping(
                client, aioxmpp.JID.fromstr("localhost")) is None

    asyncio.run(asyncio.wait_for(talk(), 60))


# -- XEP-0115 ----------------------------------------------------------------


@pytest.mark.parametrize("domain", ["localhost", "two.example"])
def test_capabilities_of_the_server(people, domain):
    """The hash in the stream features is that of the disco#info."""
    person = people("alice", domain=domain)
    with Wire(people.chappe, domain=domain) as wire:
        wire.starttls()
        wire.open()
        wire.scram(person.name)
        features = wire.open()
        caps = features.find(CAPS)
        assert caps is not None, ET.tostring(features)
        assert caps.get("hash") == "sha-1"
        wire.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:"
                  "xmpp-bind'/></iq>")
        wire.answer("b")
        node = f"{caps.get('node')}#{caps.get('ver')}"
        answer = disco_info(wire, domain, node)
        query = answer.find(INFO + "query")
        assert query.get("node") == node
        assert caps_hash(query) == caps.get("ver")
        plain = disco_info(wire, domain).find(INFO + "query")
        assert caps_hash(plain) == caps.get("ver")
        assert (plain.find(DATA + "x") is not None) == \
            (domain == "localhost")


def test_capabilities_by_slixmpp(people):
    """slixmpp's own computation of the hash agrees."""
    alice = people("alice")

    async def talk():
        async with Slix(alice, "xep_0030", "xep_0004", "xep_0115") as client:
            info = await client["xep_0030"].get_info(jid="localhost")
            return client["xep_0115"].generate_verstring(
                info["disco_info"], "sha-1")

    expected = run(talk())
    with Wire(people.chappe) as wire:
        wire.starttls()
        wire.open()
        wire.scram(alice.name)
        caps = wire.open().find(CAPS)
        assert caps.get("ver") == expected


# -- XEP-0157 ----------------------------------------------------------------


def test_contact_addresses(people):
    a = people("alice").client()
    form = disco_info(a, "localhost").find(f"{INFO}query/{DATA}x")
    assert form.get("type") == "result"
    fields = {f.get("var"): [v.text for v in f.findall(DATA + "value")]
              for f in form}
    assert fields == {
        "FORM_TYPE": ["http://jabber.org/network/serverinfo"],
        "admin-addresses": CONTACTS["contact-admin"],
        "abuse-addresses": CONTACTS["contact-abuse"]}


# -- XEP-0199, 0092, 0202, 0012 ----------------------------------------------


@pytest.mark.parametrize("to", ["localhost", "two.example", None, "own"])
def test_ping(people, to):
    alice = people("alice")
    a = alice.client()
    answer = a.iq("get", "<ping xmlns='urn:xmpp:ping'/>",
                  to=alice.jid if to == "own" else to)
    assert answer.get("type") == "result" and len(answer) == 0


def test_ping_is_a_get(people):
    a = people("alice").client()
    answer = a.iq("set", "<ping xmlns='urn:xmpp:ping'/>", to="localhost")
    assert answer.get("type") == "error"
    answer = a.iq("get", "<pong xmlns='urn:xmpp:ping'/>", to="localhost")
    assert error_of(answer)[0] == "service-unavailable"


def test_version(people):
    a = people("alice").client()
    query = a.iq("get", "<query xmlns='jabber:iq:version'/>", to="localhost")
    ns = "{jabber:iq:version}"
    assert query.findtext(f"{ns}query/{ns}name") == "Chappe"
    assert re.match(r"\d+\.\d+", query.findtext(f"{ns}query/{ns}version"))


def test_time(people):
    a = people("alice").client()
    ns = "{urn:xmpp:time}"
    answer = a.iq("get", "<time xmlns='urn:xmpp:time'/>", to="localhost")
    utc = answer.findtext(f"{ns}time/{ns}utc")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", utc)
    when = datetime.datetime.fromisoformat(utc.replace("Z", "+00:00"))
    assert abs(when.timestamp() - time.time()) < 5
    assert re.fullmatch(r"Z|[+-]\d\d:\d\d",
                        answer.findtext(f"{ns}time/{ns}tzo"))


LAST = "<query xmlns='jabber:iq:last'/>"


def last(wire, to):
    return wire.iq("get", LAST, to=to).find("{jabber:iq:last}query")


def test_uptime(people):
    a = people("alice").client()
    assert 0 <= int(last(a, "localhost").get("seconds")) < 3600


def test_last_activity(people):
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    # Of strangers nothing, whether they exist or not.
    for to in bob.jid, b.jid, "no.such@localhost", "no.such@localhost/x":
        assert error_of(a.iq("get", LAST, to=to)) == (
            "service-unavailable", "cancel")
    befriend(a, b)
    # Who is online was here now.
    assert last(a, bob.jid).get("seconds") == "0"
    # The idle time of a resource is for its client to tell.
    a.send(f"<iq type='get' id='idle' to='{b.jid}'>{LAST}</iq>")
    b.until(lambda e: e.get("id") == "idle")
    b.send("<presence type='unavailable'><status>Gone &amp; away</status>"
           "</presence>")
    presence_from(a, b.jid, "unavailable")
    b.end()
    time.sleep(1.1)
    query = last(a, bob.jid)
    assert 1 <= int(query.get("seconds")) <= 30
    assert query.text == "Gone & away"


# -- XEP-0049 ----------------------------------------------------------------


PRIVATE = "{jabber:iq:private}query"


def private(wire, kind, inner, to=None):
    return wire.iq(kind, f"<query xmlns='jabber:iq:private'>{inner}</query>",
                   to=to)


def test_private_storage(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    empty = private(a, "get", "<storage xmlns='storage:bookmarks'/>")
    assert empty.get("type") == "result"
    stored = empty.find(f"{PRIVATE}/{{storage:bookmarks}}storage")
    assert stored is not None and len(stored) == 0
    done = private(a, "set", "<storage xmlns='storage:bookmarks'><conference "
                   "name='Council &amp; &quot;Co&quot;' jid='c@x'><nick>"
                   "Puck 𝄞</nick></conference></storage>")
    assert done.get("type") == "result" and len(done) == 0
    private(a, "set", "<prefs xmlns='urn:example:prefs'>  x  </prefs>")
    for wire in a, alice.client():
        got = private(wire, "get", "<storage xmlns='storage:bookmarks'/>")
        conference = got.find(f"{PRIVATE}/{{storage:bookmarks}}storage")[0]
        assert conference.get("name") == 'Council & "Co"'
        assert conference[0].text == "Puck 𝄞"
        got = private(wire, "get", "<prefs xmlns='urn:example:prefs'/>")
        assert got.find(f"{PRIVATE}/{{urn:example:prefs}}prefs").text == \
            "  x  "
    # It is replaced as a whole, and is nobody else's.
    private(a, "set", "<storage xmlns='storage:bookmarks'/>")
    got = private(a, "get", "<storage xmlns='storage:bookmarks'/>")
    assert len(got.find(f"{PRIVATE}/{{storage:bookmarks}}storage")) == 0
    b = bob.client()
    got = private(b, "get", "<prefs xmlns='urn:example:prefs'/>")
    assert not got.find(f"{PRIVATE}/{{urn:example:prefs}}prefs").text
    for kind in "get", "set":
        answer = private(b, kind, "<prefs xmlns='urn:example:prefs'/>",
                         to=alice.jid)
        assert error_of(answer)[0] in ("forbidden", "service-unavailable")


@pytest.mark.parametrize("kind, inner", [
    ("get", ""), ("set", ""), ("get", "<a xmlns=''/>"),
    ("set", "<a xmlns='jabber:iq:private'/>"),
    ("get", "<a xmlns='urn:a'/><b xmlns='urn:b'/>")])
def test_bad_private_storage(people, kind, inner):
    answer = private(people("alice").client(), kind, inner)
    assert error_of(answer)[0] in ("bad-request", "not-acceptable")


def test_private_storage_has_a_limit(people):
    a = people("alice").client()
    answer = private(a, "set", "<a xmlns='urn:a'>" + "x" * 100000 + "</a>")
    assert error_of(answer)[0] in ("not-acceptable", "resource-constraint")
    assert not private(a, "get", "<a xmlns='urn:a'/>").find(
        f"{PRIVATE}/{{urn:a}}a").text


# -- XEP-0054, XEP-0153 ------------------------------------------------------


VCARD = "{vcard-temp}vCard"
EMPTY = "<vCard xmlns='vcard-temp'/>"
PHOTO = base64.b64encode(bytes(range(256)) * 40).decode()


def test_vcards(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.client()
    none = a.iq("get", EMPTY)
    assert none.get("type") == "result" and \
        len(none.find(VCARD)) == 0 or error_of(none)[0] == "item-not-found"
    card = ("<vCard xmlns='vcard-temp'><FN>Älice &lt;A&gt;</FN><PHOTO><TYPE>"
            f"image/png</TYPE><BINVAL>{PHOTO}</BINVAL></PHOTO></vCard>")
    assert a.iq("set", card).get("type") == "result"
    # Strangers may read it: it is a visiting card.
    for wire, to in ((a, None), (a, alice.jid), (b, alice.jid)):
        got = wire.iq("get", EMPTY, to=to).find(VCARD)
        assert got.findtext("{vcard-temp}FN") == "Älice <A>"
        assert got.findtext("{vcard-temp}PHOTO/{vcard-temp}BINVAL") == PHOTO
    assert b.iq("set", card, to=alice.jid).get("type") == "error"
    assert a.iq("set", "<vCard xmlns='vcard-temp'><FN>New</FN></vCard>"
                ).get("type") == "result"
    got = b.iq("get", EMPTY, to=alice.jid).find(VCARD)
    assert [child.tag for child in got] == ["{vcard-temp}FN"]


def test_no_vcard_and_no_account_look_alike(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    without = a.iq("get", EMPTY, to=bob.jid)
    nobody = a.iq("get", EMPTY, to="no.such@localhost")
    assert without.get("type") == nobody.get("type")
    assert error_of(without) == error_of(nobody)


def test_a_vcard_has_a_limit(people):
    a = people("alice").client()
    answer = a.iq("set", "<vCard xmlns='vcard-temp'><NOTE>" + "x" * 100000
                  + "</NOTE></vCard>")
    assert error_of(answer)[0] in ("not-acceptable", "resource-constraint")


def test_avatars(people):
    """XEP-0153: the hash travels in presence; the photo has that hash."""
    alice, bob = people("alice", "bob")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    a.iq("set", "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE>"
         f"<BINVAL>{PHOTO}</BINVAL></PHOTO></vCard>")
    digest = hashlib.sha1(base64.b64decode(PHOTO)).hexdigest()
    a.send("<presence><x xmlns='vcard-temp:x:update'><photo>"
           f"{digest}</photo></x></presence>")
    seen = presence_from(b, a.jid)
    update = "{vcard-temp:x:update}"
    assert seen.findtext(f"{update}x/{update}photo") == digest
    got = b.iq("get", EMPTY, to=alice.jid).find(VCARD)
    photo = got.findtext("{vcard-temp}PHOTO/{vcard-temp}BINVAL")
    assert hashlib.sha1(base64.b64decode(photo)).hexdigest() == digest


# -- XEP-0077 ----------------------------------------------------------------


REGISTER = "<query xmlns='jabber:iq:register'>{}</query>"
NAMED = "<username>{}</username><password>{}</password>"


def ask(wire, kind, inner, ident="r1"):
    """A registration request before log-in."""
    wire.send(f"<iq type='{kind}' id='{ident}'>{REGISTER.format(inner)}</iq>")
    return wire.answer(ident)


def test_registration_is_off_by_default(people):
    with Wire(people.chappe) as wire:
        wire.starttls()
        features = wire.open()
        assert features.find(
            "{http://jabber.org/features/iq-register}register") is None
        wire.send(f"<iq type='set' id='r1'>"
                  f"{REGISTER.format(NAMED.format('eve', 'pw'))}</iq>")
        came = wire.next()
        # An error of the stream or of the stanza, but no account.
        if came.tag == CLIENT + "iq":
            assert came.get("type") == "error"
        else:
            assert came.tag == STREAM + "error"
    with Wire(people.chappe) as wire:
        wire.starttls()
        wire.open()
        assert wire.scram("eve", "pw").tag == SASL + "failure"


def test_changing_the_password(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    form = a.iq("get", REGISTER.format(""), to="localhost")
    ns = "{jabber:iq:register}"
    assert form.find(f"{ns}query/{ns}registered") is not None
    assert form.findtext(f"{ns}query/{ns}username") == alice.name
    # Not somebody else's, not without a password.
    for inner in (NAMED.format(bob.name, "stolen"),
                  f"<username>{alice.name}</username>",
                  NAMED.format(alice.name, ""),
                  f"<password>x</password><username/>"):
        answer = a.iq("set", REGISTER.format(inner), to="localhost")
        assert answer.get("type") == "error"
        assert b"stolen" not in ET.tostring(answer)
    answer = a.iq("set", REGISTER.format(NAMED.format(alice.name, "n€w &lt;")),
                  to="localhost")
    assert answer.get("type") == "result"
    with Wire(people.chappe) as wire:
        wire.login(alice.name, password="n€w <")
    with Wire(people.chappe) as wire:
        wire.starttls()
        wire.open()
        assert wire.scram(alice.name).tag == SASL + "failure"
    bob.client().ping()


def test_removing_ones_account(chappe):
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a, b = alice.online("a"), bob.online("b")
    other = alice.client("other")
    befriend(a, b)
    chappe.ctl("user", "show", "alice@localhost")
    a.send(f"<iq type='set' id='r'>{REGISTER.format('<remove/>')}</iq>")
    # The answer, then the end of all streams of the account.
    assert a.answer("r").get("type") == "result"
    a.expect_stream_error("not-authorized")
    other.expect_stream_error("not-authorized")
    presence_from(b, a.jid, "unavailable")
    presence_from(b, alice.jid, "unsubscribed")
    with Wire(chappe) as wire:
        wire.starttls()
        wire.open()
        assert wire.scram("alice").tag == SASL + "failure"
    assert chappe.ctl("user", "show", "alice@localhost",
                      check=False).returncode == 3
    # Whoever takes the name next inherits nothing.
    b.message("alice@localhost", "for the old one")
    error = b.until(lambda e: e.get("type") == "error"
                    and e.tag == CLIENT + "message")
    assert error_of(error)[0] == "service-unavailable"
    chappe.add_user("alice")
    fresh = alice.online("fresh")
    assert len(fresh.roster()) == 0
    assert [e for e in fresh.settle() if e.tag == CLIENT + "message"] == []
    alice.close()
    bob.close()


@pytest.fixture
def open_server(tmp_path):
    with Chappe(tmp_path) as server:
        server.conf["domain"] = {"registration": "yes"}
        server.start()
        yield server


def test_registration(open_server):
    server = open_server
    with Wire(server) as wire:
        features = wire.open()
        register = "{http://jabber.org/features/iq-register}register"
        assert features.find(register) is None  # not before TLS
        wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        wire.next()
        wire.wrap()
        assert wire.open().find(register) is not None
        form = ask(wire, "get", "")
        ns = "{jabber:iq:register}"
        assert form.find(f"{ns}query/{ns}username") is not None
        assert form.find(f"{ns}query/{ns}password") is not None
        assert form.find(f"{ns}query/{ns}registered") is None
        for inner, condition in ((NAMED.format("", ""), "not-acceptable"),
                                 (NAMED.format("a b", "x"), "jid-malformed"),
                                 ("<username>x</username>",
                                  "not-acceptable")):
            assert error_of(ask(wire, "set", inner))[0] == condition
        done = ask(wire, "set", NAMED.format("newcomer", "välkommen"), "r2")
        assert done.get("type") == "result"
        taken = ask(wire, "set", NAMED.format("NewComer", "other"), "r3")
        assert error_of(taken) == ("conflict", "cancel")
        assert b"other" not in ET.tostring(taken)
        # And log in on the same stream.
        assert wire.scram("newcomer", "välkommen").tag == SASL + "success"
        wire.bind()
        wire.ping()
    shown = server.ctl("user", "list", "localhost").stdout
    assert "newcomer@localhost" in shown


def test_aioxmpp_registers(open_server):
    """aioxmpp's in-band registration, the whole way through."""
    from aioxmpp import ibr

    async def register():
        made = aioxmpp.security_layer.default_ssl_context()
        made.load_verify_locations(open_server.certificate)
        _, stream, _ = await aioxmpp.node.connect_xmlstream(
            aioxmpp.JID.fromstr("carol@localhost"),
            aioxmpp.make_security_layer(None, no_verify=True)._replace(
                sasl_providers=()),
            override_peer=[("127.0.0.1", open_server.port,
                            aioxmpp.connector.STARTTLSConnector())])
        await ibr.get_registration_fields(stream)
        await ibr.register(stream, ibr.Query("carol", "sesame"))
        stream.close()

    asyncio.run(asyncio.wait_for(register(), 60))
    with Wire(open_server) as wire:
        wire.login("carol", password="sesame")


def test_registration_is_throttled(open_server):
    with Wire(open_server) as wire:
        wire.starttls()
        wire.open()
        answers = []
        for number in range(20):
            answer = ask(wire, "set", NAMED.format(f"n{number}", "pw"),
                         f"t{number}")
            answers.append(answer.get("type"))
            if answers[-1] == "error":
                assert error_of(answer)[0] == "resource-constraint"
                break
        assert answers[0] == "result" and answers[-1] == "error"


# -- the session of RFC 3921 -------------------------------------------------


def test_the_old_session(people):
    alice = people("alice")
    with Wire(people.chappe) as wire:
        wire.starttls()
        wire.open()
        wire.scram(alice.name)
        features = wire.open()
        session = features.find(
            "{urn:ietf:params:xml:ns:xmpp-session}session")
        assert session is not None
        assert session.find(
            "{urn:ietf:params:xml:ns:xmpp-session}optional") is not None
        wire.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:"
                  "xmpp-bind'/></iq>")
        wire.answer("b")
        answer = wire.iq("set", "<session xmlns='urn:ietf:params:xml:ns:"
                         "xmpp-session'/>")
        assert answer.get("type") == "result"


# -- two domains of one server -----------------------------------------------


def test_modules_across_domains(people):
    alice = people("alice", domain="localhost")
    bob = people("bob", domain="two.example")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    a.iq("set", "<vCard xmlns='vcard-temp'><FN>A</FN></vCard>")
    got = b.iq("get", EMPTY, to=alice.jid).find(VCARD)
    assert got.findtext("{vcard-temp}FN") == "A"
    assert last(b, alice.jid).get("seconds") == "0"
    assert ("account", "registered") in identities_of(
        disco_info(b, alice.jid))
    assert PASSWORD not in people.chappe.log("sm-1")
