# SPDX-License-Identifier: Apache-2.0
"""People and groups of a directory: a real slapd tells of changes, and people
are logged out, rosters change, presence flows."""

import base64
import time
from xml.sax.saxutils import escape

import pytest

from chappe import wait_for
from fake_ldap import FakeLdap
from slapd import GROUPS, PEOPLE, Slapd, group, ldif, person
from test_ldap import ODD_NAMES, SECRET, escape_dn, fresh, log_in, logged, make
from wire import CLIENT, ROSTER, SASL


def dn(uid):
    return f"cn={uid},{PEOPLE}"


def seed():
    text = "".join(
        person(uid, SECRET, displayName=uid.capitalize(), givenName=uid,
               mail=f"{uid}@example.org", classes=["authPasswordObject"])
        for uid in ("alice", "bob", "carol", "dave", "erin"))
    text += group("staff", dn("alice"), dn("bob"))
    text += group("secret", dn("alice"), dn("carol"))
    text += ldif(f"cn=unix,{GROUPS}", objectClass="posixGroup", cn="unix",
                 gidNumber="1000", memberUid=["dave", "erin"])
    return text


@pytest.fixture
def slapd():
    with Slapd(seed()) as made:
        yield made


@pytest.fixture(params=["auto", "poll"])
def server(request, slapd, tmp_path):
    with make(tmp_path, slapd, base="dc=example,dc=org", feed=request.param,
              **{"poll_interval": "1s", "poll_complete": "1s",
                 "roster_groups": ["staff", "unix", "te*"],
                 "nested_groups": True}) as made:
        made.how = "sync" if request.param == "auto" else "poll"
        made.start()
        told(made)
        yield made


def told(server, instance="sm-1"):
    wait_for(lambda: server.log(instance).count("ldap.feed ") >= 2, 10,
             "the feeds have told all")
    time.sleep(0.1)


def join(server, user, resource="r", available=True):
    """A session that has its roster, as a dict, and is available."""
    wire = fresh(server)
    assert wire.plain(user, SECRET).tag == SASL + "success"
    wire.bind(resource)
    wire.items = items(wire.roster())
    if available:
        wire.presence()
    return wire


def items(query):
    return {item.get("jid"): (
        item.get("name"), item.get("subscription"),
        sorted(g.text for g in item.findall(ROSTER + "group")))
        for item in query.findall(ROSTER + "item")}


def push(wire, seconds=10):
    """The next roster push."""
    iq = wire.find(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set"
                   and e.find(ROSTER + "query") is not None, seconds)
    wire._ready.remove(iq) if iq in wire._ready else None
    wire.send(f"<iq type='result' id='{iq.get('id')}'/>")
    return items(iq.find(ROSTER + "query"))


def presence(wire, user, kind=None, seconds=10):
    return wire.find(lambda e: e.tag == CLIENT + "presence"
                     and (e.get("from") or "").split("/")[0] ==
                     f"{user}@localhost" and e.get("type") == kind, seconds)


BOB = {"bob@localhost": ("Bob", "both", ["staff"])}
ALICE = {"alice@localhost": ("Alice", "both", ["staff"])}


# -- logging out -------------------------------------------------------------------


def logged_out(wire, *words):
    error = wire.expect_stream_error("not-authorized", 10)
    text = " ".join(child.text or "" for child in error)
    assert all(word in text for word in words), text


def test_disabled_and_enabled(server, slapd):
    alice, bob = join(server, "alice"), join(server, "bob")
    slapd.modify(dn("alice"), "add: nsAccountLock\nnsAccountLock: TRUE\n-")
    logged_out(alice, "disabled")
    assert log_in(server, "alice") == "account-disabled"
    assert log_in(server, "alice", "wrong") == "not-authorized"
    bob.ping()
    slapd.modify(dn("alice"), "delete: nsAccountLock\n-")
    wait_for(lambda: log_in(server, "alice") == "success", 10, "log-in")


def test_feed_that_is_off(slapd, tmp_path):
    """Who is logged in stays so, as the option says."""
    with make(tmp_path, slapd, feed="off") as server:
        server.start()
        alice = join(server, "alice")
        assert alice.items == {}
        slapd.delete(dn("alice"))
        time.sleep(1)
        alice.ping()
        assert log_in(server, "alice") == "not-authorized"
        assert not logged(server, "ldap.feed")


def test_removed(server, slapd):
    carol, bob = join(server, "carol"), join(server, "bob")
    slapd.delete(dn("carol"))
    logged_out(carol, "removed")
    assert log_in(server, "carol") == "not-authorized"
    bob.ping()


def test_password_changed(server, slapd):
    alice, bob = join(server, "alice"), join(server, "bob")
    time.sleep(1.1)  # pwdChangedTime has seconds
    slapd.replace(dn("alice"), "userPassword", "something new")
    logged_out(alice, "password")
    assert log_in(server, "alice") == "not-authorized"
    assert log_in(server, "alice", "something new") == "success"
    bob.ping()


def test_directory_that_is_away_logs_nobody_out(server, slapd):
    alice = join(server, "alice")
    slapd.stop()
    wait_for(lambda: logged(server, "ldap.feed-lost"), 20, "the loss")
    alice.ping()
    slapd.start()
    slapd.modify(dn("alice"), "add: nsAccountLock\nnsAccountLock: TRUE\n-")
    error = alice.expect_stream_error("not-authorized", 40)
    assert error is not None


def test_keys_that_were_kept_go(tmp_path):
    """What was made at a log-in is not good for a disabled account."""
    with Slapd(seed()) as slapd, make(tmp_path, slapd, scram="cache",
                                      base="dc=example,dc=org") as server:
        server.start()
        told(server)
        alice = join(server, "alice")
        wait_for(lambda: logged(server, "ldap.keys", "alice"), 10, "keys")
        assert log_in(server, "alice", mechanism="SCRAM-SHA-256") == "success"
        slapd.modify(dn("alice"), "add: nsAccountLock\nnsAccountLock: TRUE\n-")
        logged_out(alice, "disabled")
        slapd.modify(dn("alice"), "delete: nsAccountLock\n-")
        wait_for(lambda: log_in(server, "alice", mechanism="SCRAM-SHA-256")
                 == "invalid-mechanism", 10, "the keys are gone")


# -- rosters -----------------------------------------------------------------------


def test_roster_of_a_group(server):
    alice, bob = join(server, "alice"), join(server, "bob")
    assert alice.items == BOB and bob.items == ALICE
    presence(alice, "bob")
    presence(bob, "alice")
    dave = join(server, "dave")
    assert dave.items == {"erin@localhost": ("Erin", "both", ["unix"])}
    bob.send("</stream:stream>")
    presence(alice, "bob", "unavailable")


def test_group_changes(server, slapd):
    alice, bob, carol = (join(server, name)
                         for name in ("alice", "bob", "carol"))
    presence(alice, "bob")
    presence(bob, "alice")
    assert carol.items == {}
    slapd.modify(f"cn=staff,{GROUPS}",
                 f"add: member\nmember: {dn('carol')}\n-")
    assert push(alice) == {"carol@localhost": ("Carol", "both", ["staff"])}
    assert push(bob) == {"carol@localhost": ("Carol", "both", ["staff"])}
    both = {**push(carol), **push(carol)}
    assert both == {**ALICE, **BOB}
    for wire, others in ((alice, ["carol"]), (bob, ["carol"]),
                         (carol, ["alice", "bob"])):
        for other in others:
            presence(wire, other)
    slapd.modify(f"cn=staff,{GROUPS}",
                 f"delete: member\nmember: {dn('bob')}\n-")
    assert push(alice) == {"bob@localhost": (None, "remove", [])}
    presence(alice, "bob", "unavailable")
    presence(bob, "alice", "unavailable")
    assert items(alice.roster()) == {
        "carol@localhost": ("Carol", "both", ["staff"])}
    assert items(bob.roster()) == {}


def test_name_changes(server, slapd):
    alice = join(server, "alice")
    slapd.replace(dn("bob"), "displayName", "Robert")
    assert push(alice) == {"bob@localhost": ("Robert", "both", ["staff"])}


def test_new_group_and_nested(server, slapd):
    carol, dave = join(server, "carol"), join(server, "dave")
    slapd.add(group("team", dn("carol"), f"cn=inner,{GROUPS}"))
    slapd.add(group("inner", dn("dave"), f"cn=team,{GROUPS}"))
    assert push(carol) == {"dave@localhost": ("Dave", "both", ["team"])}
    assert push(dave) == {"carol@localhost": ("Carol", "both", ["team"])}
    slapd.delete(f"cn=inner,{GROUPS}")
    assert push(carol) == {"dave@localhost": (None, "remove", [])}


def error_of(answer):
    return [child.tag.split("}")[1] for child in answer.find(
        CLIENT + "error")][0] if answer.get("type") == "error" else None


def roster_set(wire, inner):
    return wire.iq("set", f"<query xmlns='jabber:iq:roster'>{inner}</query>")


def test_cannot_be_broken(server):
    alice, bob = join(server, "alice"), join(server, "bob")
    presence(alice, "bob")
    presence(bob, "alice")
    answer = roster_set(
        alice, "<item jid='bob@localhost' subscription='remove'/>")
    assert error_of(answer) == "not-allowed"
    for kind in ("unsubscribe", "unsubscribed"):
        alice.send(f"<presence to='bob@localhost' type='{kind}'/>")
        presence(alice, "bob", "error")
    alice.send("<presence to='bob@localhost' type='subscribe'/>")
    alice.settle()
    bob.settle()
    assert items(alice.roster()) == BOB and items(bob.roster()) == ALICE


def test_own_name_and_groups(server):
    alice = join(server, "alice")
    answer = roster_set(alice, "<item jid='bob@localhost' name='Bobby'>"
                        "<group>staff</group><group>Friends</group></item>")
    assert answer.get("type") == "result"
    wanted = {"bob@localhost": ("Bobby", "both", ["Friends", "staff"])}
    assert push(alice) == wanted
    assert items(alice.roster()) == wanted
    assert items(join(server, "alice", "other").roster()) == wanted


def test_versioning(server, slapd):
    alice = join(server, "alice")
    version = alice.roster().get("ver")
    get = f"<query xmlns='jabber:iq:roster' ver='{version}'/>"
    assert alice.iq("get", get).find(ROSTER + "query") is None
    slapd.modify(f"cn=staff,{GROUPS}",
                 f"add: member\nmember: {dn('carol')}\n-")
    push(alice)
    assert items(alice.iq("get", get).find(ROSTER + "query")).keys() == {
        "bob@localhost", "carol@localhost"}


def test_sm_restart_is_silent(server):
    """Nothing has changed, so nobody hears of anything."""
    alice, bob = join(server, "alice"), join(server, "bob")
    presence(alice, "bob")
    presence(bob, "alice")
    alice.settle()
    bob.settle()
    server.restart_role("sm")
    wait_for(lambda: server.log("sm-1").count("ldap.feed ") >= 4, 20, "feeds")
    time.sleep(0.5)
    assert not [e for e in alice.settle() if e.tag == CLIENT + "iq"]
    assert items(alice.roster()) == BOB
    alice.message("bob@localhost", "still here")
    bob.expect_message("still here")


def test_two_sms(server, slapd):
    server.start_role("sm", "sm-2")
    told(server, "sm-2")
    time.sleep(0.5)
    wires = {name: join(server, name)
             for name in ("alice", "bob", "carol", "dave", "erin")}
    presence(wires["alice"], "bob")
    presence(wires["bob"], "alice")
    presence(wires["dave"], "erin")
    everybody = "".join(f"member: {dn(name)}\n"
                        for name in ("carol", "dave", "erin"))
    slapd.modify(f"cn=staff,{GROUPS}", f"add: member\n{everybody}-")
    for name, wire in wires.items():
        for other in wires.keys() - {name}:
            if {name, other} not in ({"alice", "bob"}, {"dave", "erin"}):
                presence(wire, other)
        assert items(wire.roster()).keys() == {
            f"{other}@localhost" for other in wires.keys() - {name}}
    slapd.modify(dn("erin"), "add: nsAccountLock\nnsAccountLock: TRUE\n-")
    logged_out(wires["erin"], "disabled")
    presence(wires["alice"], "erin", "unavailable")


# -- vCards and searching ----------------------------------------------------------


VCARD = "{vcard-temp}"
SEARCH = "{jabber:iq:search}"
FORM = "{jabber:x:data}"
PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    text = person("alice", SECRET, givenName="Alice", displayName="Alice A.",
                  mail="alice@example.org", telephoneNumber="+1 23",
                  jpegPhoto=PNG, title="<Boss> & more")
    text += person("bob", SECRET, displayName="star * (bob)\\")
    text += "".join(person(f"many{i}", cn=f"many{i}", givenName="Many")
                    for i in range(60))
    text += person("plain", SECRET)
    with Slapd(text) as slapd:
        with make(tmp_path_factory.mktemp("cards"), slapd, vcard=True,
                  search=True) as made:
            made.slapd = slapd
            made.start()
            yield made


def vcard(wire, to=None):
    return wire.iq("get", "<vCard xmlns='vcard-temp'/>", to)


def test_vcard(cards):
    bob = join(cards, "bob")
    card = vcard(bob, "alice@localhost").find(VCARD + "vCard")
    texts = {path: card.findtext("/".join(VCARD + p for p in path.split("/")))
             for path in ("FN", "N/FAMILY", "N/GIVEN", "EMAIL/USERID",
                          "TEL/NUMBER", "TITLE", "PHOTO/TYPE")}
    assert texts == {"FN": "Alice A.", "N/FAMILY": "alice",
                     "N/GIVEN": "Alice", "EMAIL/USERID": "alice@example.org",
                     "TEL/NUMBER": "+1 23", "TITLE": "<Boss> & more",
                     "PHOTO/TYPE": "image/png"}
    photo = card.findtext(f"{VCARD}PHOTO/{VCARD}BINVAL")
    assert base64.b64decode(photo) == PNG
    assert vcard(bob).find(f"{VCARD}vCard/{VCARD}FN").text == \
        "star * (bob)\\"
    assert error_of(vcard(bob, "nobody@localhost")) == "service-unavailable"
    assert error_of(bob.iq("set", "<vCard xmlns='vcard-temp'><FN>Me</FN>"
                           "</vCard>")) == "not-allowed"


def find(wire, fields, form=False):
    inner = "".join(f"<{n}>{escape(v)}</{n}>" for n, v in fields.items())
    if form:
        inner = "<x xmlns='jabber:x:data' type='submit'>" + "".join(
            f"<field var='{n}'><value>{escape(v)}</value></field>"
            for n, v in fields.items()) + "</x>"
    return wire.iq("set", f"<query xmlns='jabber:iq:search'>{inner}</query>",
                   "localhost")


def found(answer):
    return sorted(item.get("jid").split("@")[0] for item in
                  answer.find(SEARCH + "query").findall(SEARCH + "item"))


def test_search(cards):
    bob = join(cards, "bob")
    info = bob.iq("get", "<query xmlns='http://jabber.org/protocol/disco#"
                  "info'/>", "localhost")
    assert any(f.get("var") == "jabber:iq:search" for f in info[0])
    asked = bob.iq("get", "<query xmlns='jabber:iq:search'/>", "localhost")
    assert {c.tag for c in asked.find(SEARCH + "query")} == {
        SEARCH + n for n in ("instructions", "first", "last", "nick",
                             "email")} | {FORM + "x"}
    assert found(find(bob, {"first": "lic"})) == ["alice"]
    assert found(find(bob, {"first": "Al*"})) == ["alice"]
    assert found(find(bob, {"first": "*ce"})) == ["alice"]
    assert found(find(bob, {"first": "lic*"})) == []
    assert found(find(bob, {"first": "lic", "last": "bob"})) == []
    # What is special in a filter stands for itself.
    assert found(find(bob, {"nick": "r * (bob)\\"})) == ["bob"]
    assert found(find(bob, {"nick": ")(uid=*"})) == []
    assert found(find(bob, {"nick": "A*A"})) == []
    assert len(found(find(bob, {"first": "Many"}))) == 50
    assert error_of(find(bob, {})) == "not-acceptable"
    assert error_of(find(bob, {"first": "x" * 201})) == "not-acceptable"
    assert error_of(find(bob, {"password": "x"})) == "not-acceptable"


def test_search_by_form(cards):
    bob = join(cards, "bob")
    form = find(bob, {"email": "alice@"}, form=True).find(
        f"{SEARCH}query/{FORM}x")
    assert form.get("type") == "result"
    item, = form.findall(FORM + "item")
    assert {f.get("var"): f.findtext(FORM + "value") for f in item} == {
        "jid": "alice@localhost", "first": "Alice", "last": "alice",
        "nick": "Alice A.", "email": "alice@example.org"}
    more = find(bob, {"first": "Many"}, form=True).find(
        f"{SEARCH}query/{FORM}x")
    assert len(more.findall(FORM + "item")) == 50
    assert "more" in more.findtext(FORM + "instructions")


def test_no_search_where_there_is_none(server):
    alice = join(server, "alice")
    info = alice.iq("get", "<query xmlns='http://jabber.org/protocol/disco#"
                    "info'/>", "localhost")
    assert not any(f.get("var") == "jabber:iq:search" for f in info[0])
    assert error_of(find(alice, {"first": "a"})) == "service-unavailable"


def test_vcard_while_the_directory_is_away(cards):
    bob = join(cards, "bob")
    cards.slapd.stop()
    try:
        answer = vcard(bob, "alice@localhost")
        assert error_of(answer) == "internal-server-error"
        assert error_of(find(bob, {"first": "a"})) == "internal-server-error"
    finally:
        cards.slapd.start()

    def healed():
        return vcard(bob, "alice@localhost").get("type") == "result"
    wait_for(healed, 20, "the directory is asked again")


# -- what directories can have -----------------------------------------------------


def test_odd_names(tmp_path):
    """Special characters in DNs and names (RFC 4514, XEP-0106), two entries of
    one name, entries without a name, members that do not exist."""
    text = person("alice", SECRET)
    text += "".join(person(uid, dn=f"cn={escape_dn(uid)},{PEOPLE}")
                    for uid in ODD_NAMES.values())
    text += person("twin") + person("twin", cn="twin2",
                                    dn=f"cn=twin2,{PEOPLE}")
    text += ldif(f"cn=nameless,{PEOPLE}", objectClass="person", sn="x",
                 cn="nameless")
    text += group("odd", dn("alice"), dn("twin"), dn("twin2"), dn("nobody"),
                  dn("nameless"),
                  *(f"CN={escape_dn(uid)},  {PEOPLE.upper()}"
                    for uid in ODD_NAMES.values()))
    with Slapd(text) as slapd, make(tmp_path, slapd, roster_groups=["*"],
                                    base="dc=example,dc=org") as server:
        server.start()
        told(server)
        alice = join(server, "alice")
        assert alice.items.keys() == {
            f"{local}@localhost" for local in [*ODD_NAMES, "twin"]}
        assert logged(server, "ldap.double", "twin@localhost")
        # The other one takes its place.
        slapd.delete(dn("twin"))
        push(alice)
        wait_for(lambda: "twin@localhost" in items(alice.roster()), 10,
                 "the second entry")


def test_directory_that_hangs(server, slapd):
    alice = join(server, "alice")
    slapd.pause()
    time.sleep(6)
    alice.ping()
    slapd.resume()
    slapd.modify(f"cn=staff,{GROUPS}",
                 f"add: member\nmember: {dn('carol')}\n-")
    assert push(alice, 30) == {"carol@localhost": ("Carol", "both",
                                                   ["staff"])}


# -- Active Directory --------------------------------------------------------------


def test_members_in_ranges(tmp_path):
    """Groups of more than 1500 members come in pieces, as from Windows."""
    size, asked = 3700, []
    people = [f"CN=User {i},{PEOPLE}" for i in range(size)]

    def members(first, last):
        end = min(last, first + 1499, size - 1)
        name = "*" if end == size - 1 else end
        return {f"member;range={first}-{name}": people[first:end + 1]}

    def search(base, scope, attributes):
        asked.append(attributes)
        if base == "":
            return [("", {"supportedControl": ["1.2.840.113556.1.4.319"]})]
        if scope == 0:
            first = int(attributes[0].split("=")[1].split("-")[0])
            return [(base, members(first, size))]
        if "sAMAccountName" in attributes:
            return [(dn_, {"sAMAccountName": [f"user{i}"],
                           "displayName": [f"User {i}"],
                           "userAccountControl": ["512"],
                           "objectGUID": [b"\0\1" + i.to_bytes(14, "big")],
                           "whenChanged": ["20260101000000.0Z"]})
                    for i, dn_ in enumerate(people)]
        return [(f"CN=Everybody,{GROUPS}", {
            "cn": ["Everybody"], "objectGUID": [b"\2" * 16],
            "whenChanged": ["20260101000000.0Z"], **members(0, size)})]

    with FakeLdap(search) as fake, make(
            tmp_path, f"ldap://127.0.0.1:{fake.port}", start_tls=False,
            domain={"auth": ["ldap", "storage"]}, schema="active-directory",
            base="dc=example,dc=org", roster_groups=["Every*"]) as server:
        server.start()
        server.add_user("user7", SECRET)
        told(server)
        with fresh(server, seconds=30) as wire:
            assert wire.plain("user7", SECRET).tag == SASL + "success"
            wire.bind("r")
            roster = items(wire.roster())
        assert len(roster) == size - 1
        assert roster["user3699@localhost"] == ("User 3699", "both",
                                                ["Everybody"])
        assert ["member;range=1500-*"] in asked
        assert ["member;range=3000-*"] in asked


# -- reload ------------------------------------------------------------------------


def test_reload(server, slapd):
    """The feed begins anew; clients see what is new, and nothing else."""
    alice, bob = join(server, "alice"), join(server, "bob")
    presence(alice, "bob")
    alice.settle()
    text = server.conf_path.read_text()
    server.conf_path.write_text(text.replace("return-after = \"2s\"",
                                             "return-after = \"3s\""))
    assert server.conf_path.read_text() != text
    server.reload("sm-1")
    wait_for(lambda: server.log("sm-1").count("ldap.feed ") >= 4, 10, "feeds")
    time.sleep(0.3)
    assert alice.settle() == []
    assert items(alice.roster()) == BOB
    text = server.conf_path.read_text()
    server.conf_path.write_text(text.replace('"staff"', '"staff", "secret"'))
    server.reload("sm-1")
    assert push(alice) == {"bob@localhost": ("Bob", "both", ["staff"])}
    assert push(alice) == {"carol@localhost": ("Carol", "both", ["secret"])}
    slapd.modify(dn("bob"), "add: nsAccountLock\nnsAccountLock: TRUE\n-")
    logged_out(bob, "disabled")
