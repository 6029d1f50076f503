# SPDX-License-Identifier: Apache-2.0
"""Federation with real servers of other people, and between two of ours."""

import signal
import socket
import xml.etree.ElementTree as ET

import pytest

from chappe import wait_for
from federation import (Authority, Ejabberd, FederatedChappe, Names,
                        Prosody, SignedNames, key_pin)
from wire import CLIENT, STANZAS, Wire

CERTIFICATES = {"secure_auth": True, "dialback": False}
ENCRYPTED = {"b.example": {"trust": "encrypted"}}


class World:
    """What all of them share: an authority, a name server."""

    def __init__(self, folder):
        self.folder = folder
        # Servers of other people run as other users.
        for path in (folder, *folder.parents):
            if str(path).startswith("/tmp/"):
                path.chmod(path.stat().st_mode | 0o011)
        self.authority = Authority(folder / "ca")
        self.others = Authority(folder / "unknown-ca")
        self.names = Names()
        self.open = []

    def chappe(self, domain="a.example", **conf):
        server = FederatedChappe(self.folder / domain, domain,
                                 self.authority, self.names)
        server.conf["s2s"] = {"log-level": "debug", **conf}
        self.open.append(server)
        return server

    def ejabberd(self, a, **options):
        # It finds hosts by libc, which knows localhost alone.
        self.names.records["_xmpp-server._tcp.a.example", 33] = [
            (5, 1, a.s2s_port, "localhost")]
        return self.prosody(kind=Ejabberd, **options)

    def prosody(self, domain="b.example", kind=Prosody, **options):
        server = kind(self.folder / domain, domain, self.authority,
                      self.names, **options)
        server.start()
        self.open.append(server)
        return server

    def close(self):
        problems = []
        for server in self.open:
            if isinstance(server, FederatedChappe):
                problems += server.close()
            else:
                server.stop()
        self.names.close()
        assert not problems, "\n".join(problems)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A Chappe and a Prosody for tests that do no harm to them."""
    made = World(tmp_path_factory.mktemp("pair"))
    made.a, made.b = made.chappe(), made.prosody(**CERTIFICATES)
    made.a.start()
    yield made
    made.close()


def talk(alice, bob, seconds=20):
    """A message there, a message back."""
    there = f"there {id(alice)}"
    alice.message(bob.jid.split("/")[0], there)
    got = bob.expect_message(there, seconds)
    assert got.get("from") == alice.jid
    bob.message(got.get("from"), "and <back> & 'again'")
    back = alice.expect_message("and <back> & 'again'", seconds)
    assert back.get("from").split("/")[0] == bob.jid.split("/")[0]


def chat(a, b):
    """Alice at the one, Bob at the other."""
    with a.client("alice") if not isinstance(a, FederatedChappe) else \
            Wire(a, 20).login("alice") as alice, \
            b.client("bob") if not isinstance(b, FederatedChappe) else \
            Wire(b, 20).login("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        talk(alice, bob)


def rows(server, domain="b.example"):
    return {row["direction"]: row for row in server.rows(domain)}


def is_settled(server):
    """Its peers have acknowledged all that it wrote."""
    return all(str(row.get("unacked") or 0) == "0" for row in server.rows())


def bounced(wire, to, seconds=20):
    """The error that a message to there brings: condition and text."""
    wire.message(to, "are you there?")
    answer = wire.until(lambda e: e.tag == CLIENT + "message"
                        and e.get("type") == "error", seconds)
    error = answer.find(CLIENT + "error")
    assert answer.get("from") == to
    return (error[0].tag.split("}")[1],
            error.findtext(STANZAS + "text") or "")


# -- other people's servers ---------------------------------------------------


@pytest.mark.parametrize("direct", [False, True],
                         ids=["starttls", "direct_tls"])
def test_prosody_with_certificates(world, direct):
    b = world.prosody(direct=direct, **CERTIFICATES)
    a = world.chappe()
    a.start()
    chat(a, b)
    for row in rows(a).values():
        assert row["trust"] == "trusted" and row["tls"] == "TLSv1.3"
        assert row["state"] == "open"
    # EXTERNAL, since there is nothing else.
    assert "dialback.asked" not in a.log("s2s-1")
    if direct:
        assert f"127.0.0.1:{b.s2s_tls_port}" in a.log("s2s-1")


def test_prosody_with_dialback_only(world):
    b = world.prosody(external=False,
                      certificate=world.others.issue("b.example"))
    a = world.chappe()
    a.remotes = ENCRYPTED
    a.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"encrypted"}
    log = a.log("s2s-1")
    assert "dialback.asked" in log and "answer=valid" in log
    assert "dialback.verified" in log


def test_prosody_that_knows_no_encryption(world):
    b = world.prosody(encryption=False, external=False)
    a = world.chappe()
    a.remotes = {"b.*": {"trust": "verified"}}
    a.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"verified"}


def test_a_pinned_key_is_as_good_as_a_certificate(world):
    certificate, key = world.others.issue("b.example")
    pin = key_pin(certificate)
    b = world.prosody(certificate=(certificate, key))
    a = world.chappe()
    a.remotes = {"b.example": {"pins": ["0" * 64, pin]}}
    a.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"trusted"}


def test_ejabberd_with_certificates(world):
    a = world.chappe()
    b = world.ejabberd(a)
    a.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"trusted"}
    assert "dialback" not in a.log("s2s-1")


def test_ejabberd_with_dialback_only(world):
    a = world.chappe()
    b = world.ejabberd(a, external=False,
                       certificate=world.others.issue("b.example"))
    a.remotes = ENCRYPTED
    a.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"encrypted"}
    assert "dialback.verified" in a.log("s2s-1")


def test_subscriptions_and_presence_across(pair):
    with Wire(pair.a, 20).login("alice", "desk") as alice, \
            pair.b.client("bob") as bob:
        for wire in (alice, bob):
            wire.roster()
            wire.send("<presence/>")
        alice.send("<presence to='bob@b.example' type='subscribe'/>")
        bob.find(lambda e: e.get("type") == "subscribe"
                 and e.get("from") == "alice@a.example")
        bob.send("<presence to='alice@a.example' type='subscribed'/>")
        bob.send("<presence to='alice@a.example' type='subscribe'/>")
        alice.find(lambda e: e.tag == CLIENT + "presence"
                   and e.get("type") == "subscribed")
        alice.find(lambda e: e.tag == CLIENT + "presence"
                   and e.get("from") == bob.jid and not e.get("type"))
        alice.find(lambda e: e.get("type") == "subscribe")
        alice.send("<presence to='bob@b.example' type='subscribed'/>")
        bob.find(lambda e: e.tag == CLIENT + "presence"
                 and e.get("from") == alice.jid and not e.get("type"))
        bob.send("<presence type='unavailable'/>")
        alice.find(lambda e: e.get("type") == "unavailable"
                   and e.get("from") == bob.jid)


def test_queries_across(pair):
    with Wire(pair.a, 20).login("alice", "desk") as alice, \
            pair.b.client("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        bob.iq("set", "<vCard xmlns='vcard-temp'><FN>Bob</FN></vCard>")
        alice.iq("set", "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>")
        card = alice.iq("get", "<vCard xmlns='vcard-temp'/>",
                        to="bob@b.example")
        assert card.findtext("{vcard-temp}vCard/{vcard-temp}FN") == "Bob"
        card = bob.iq("get", "<vCard xmlns='vcard-temp'/>",
                      to="alice@a.example")
        assert card.findtext("{vcard-temp}vCard/{vcard-temp}FN") == "Alice"
        disco = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        assert alice.iq("get", disco, to="b.example").get("type") == "result"
        assert bob.iq("get", disco, to="a.example").get("type") == "result"
        nobody = alice.iq("get", disco, to="nobody@b.example/none")
        assert nobody.get("type") == "error"


def test_what_clients_declare_arrives(pair):
    """Namespaces and prefixes of one stream mean the same on the others."""
    with Wire(pair.a, 20).login("alice", "desk") as alice, \
            pair.b.client("bob") as bob:
        bob.send("<presence/>")
        bob.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="b.example")
        alice.send("<message to='bob@b.example' type='chat' "
                   "xmlns='jabber:client' xmlns:x='urn:x'><body>1</body>"
                   "<x:y x:z='1'><forwarded xmlns='urn:f'>"
                   "<message xmlns='jabber:client'><body>inner</body>"
                   "</message></forwarded></x:y></message>")
        got = bob.expect_message("1")
        inner = got.find("{urn:x}y/{urn:f}forwarded/" + CLIENT + "message")
        assert inner.findtext(CLIENT + "body") == "inner", ET.tostring(got)
        assert got.find("{urn:x}y").get("{urn:x}z") == "1"


def test_the_other_server_is_restarted(world):
    b = world.prosody(**CERTIFICATES)
    a = world.chappe(**{"retry-first": "200ms"})
    a.start()
    chat(a, b)
    with Wire(a, 20).login("alice", "desk") as alice:
        alice.send("<presence/>")
        b.stop()
        wait_for(lambda: "out" not in rows(a)
                 or rows(a)["out"]["state"] != "open", 10, "it is noticed")
        alice.message("bob@b.example", "while it was away")
        alice.ping()
        b.start()
        with b.client("bob") as bob:
            bob.send("<presence/>")
            bob.expect_message("while it was away")
            talk(alice, bob)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL],
                         ids=["stopped", "killed"])
def test_s2s_is_restarted_with_stanzas_waiting(world, how):
    a = world.chappe(**{"retry-first": "200ms"})
    b = world.prosody(**CERTIFICATES)
    b.stop()
    a.start()
    with Wire(a, 30).login("alice", "desk") as alice:
        alice.send("<presence/>")
        for number in range(5):
            alice.message("bob@b.example", f"number {number}")
        wait_for(lambda: rows(a).get("out", {}).get("queue") == "5", 10,
                 "they wait")
        a.kill("s2s-1", how)
        b.start()
        a.start_role("s2s")
        with b.client("bob") as bob:
            bob.send("<presence/>")
            for number in range(5):
                bob.expect_message(f"number {number}", 30)
            talk(alice, bob)


# -- two of ours --------------------------------------------------------------


@pytest.mark.parametrize("bidi", ["yes", "no"])
def test_two_chappes(world, bidi):
    a = world.chappe("a.example", bidi=bidi)
    b = world.chappe("b.example", bidi=bidi)
    a.start()
    b.start()
    chat(a, b)
    directions = set(rows(a))
    assert directions == ({"both"} if bidi == "yes" else {"in", "out"})
    assert all(row["trust"] == "trusted" for row in a.rows())


def test_two_chappes_with_dialback(world):
    a, b = world.chappe("a.example"), world.chappe("b.example")
    for server, other in ((a, "b.example"), (b, "a.example")):
        server.remotes = {other: {"trust": "encrypted"}}
        server.certificates[server.domain] = \
            world.others.issue(server.domain)
    a.start()
    b.start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"encrypted"}
    assert "dialback.asked" in a.log("s2s-1") + b.log("s2s-1")


def test_a_static_route_needs_no_dns(world):
    a, b = world.chappe("a.example"), world.chappe("b.example")
    world.names.records.clear()
    for server, other in ((a, b), (b, a)):
        server.remotes = {
            "*": {"route": f"localhost:{other.s2s_tls_port}",
                  "route-tls": "yes"}}
    a.start()
    b.start()
    chat(a, b)


# -- several instances --------------------------------------------------------


def test_two_instances(world):
    """Both serve; when one is killed the other goes on. Dialback works
    whichever of them is asked."""
    a = world.chappe("a.example", bidi="no")
    a.remotes = {"*": {"trust": "encrypted"}}
    others = []
    for number in range(6):
        b = world.chappe(f"b{number}.example", bidi="no")
        b.remotes = {"*": {"trust": "encrypted"}}
        b.certificates[b.domain] = world.others.issue(b.domain)
        others.append(b)
    a.certificates[a.domain] = world.others.issue(a.domain)
    a.start()
    a.start_role("s2s", "s2s-2")
    wait_for(lambda: "s2s-2" in a.ctl("status").stdout, 10, "two of them")
    for b in others[:3]:
        b.start()
        chat(a, b)
    carried = {instance: a.log(instance).count("direction=out")
               for instance in ("s2s-1", "s2s-2")}
    # What the killed one had not acknowledged would come once more: between
    # servers nothing tells a repeat on a new stream.
    wait_for(lambda: all(is_settled(server) for server in [a, *others[:3]]),
             10, "acknowledgements")
    a.kill("s2s-1")
    for b in others[3:]:
        b.start()
    for b in others:
        chat(a, b)
    assert carried["s2s-1"] + carried["s2s-2"] >= 3
    assert a.log("s2s-2").count("direction=out") >= 6


# -- DNSSEC -------------------------------------------------------------------


class Signed:
    """Two Chappes in a signed zone, with certificates that only DNSSEC vouches
    for; `announce` says what is announced, by domain."""

    def __init__(self, world, announce=None):
        self.names = SignedNames(world.folder / "dns")
        self.servers = []
        for domain in ("a.example", "b.example"):
            server = FederatedChappe(world.folder / domain, domain,
                                     world.authority, self.names)
            world.open.append(server)
            server.certificates[domain] = world.others.issue(domain)
            server.conf["s2s"] = {"log-level": "debug", "queue-age": "2s",
                                  "dns-trust-anchor": self.names.anchor}
            said = (announce or {}).get(domain,
                                        server.certificates[domain][0])
            if said:
                self.names.tlsa(domain, (server.s2s_port,
                                         server.s2s_tls_port), said)
            self.servers.append(server)
        world.open.append(self.names)
        self.names.start()

    def start(self):
        for server in self.servers:
            server.start()
        return self.servers


def test_dnssec_announces_certificates(world):
    a, b = Signed(world).start()
    chat(a, b)
    assert {row["trust"] for row in a.rows("b.example")} == {"trusted"}
    assert {row["trust"] for row in b.rows("a.example")} == {"trusted"}


def test_another_certificate_than_dnssec_announces(world):
    """It is what counts, though the certificate would be valid."""
    signed = Signed(world, {"b.example": world.others.issue("c.example")[0]})
    a, b = signed.servers
    b.certificates[b.domain] = world.authority.issue(b.domain)
    signed.start()
    with Wire(a, 20).login("alice") as alice:
        assert bounced(alice, "bob@b.example") == (
            "remote-server-not-found", "b.example cannot be trusted: its "
            "certificate is not the one that its DNS announces")


def announced(world, usage, issuer, name=None, with_chain=True, valid=False):
    """Two Chappes; b shows a certificate with its issuer, and DNSSEC announces
    that issuer (usages 0, 2) or the certificate (1)."""
    signed = Signed(world, {"b.example": None})
    a, b = signed.servers
    authority = world.authority if valid else world.others
    chain, key = authority.issue(name or "b.example")
    whole = world.folder / "whole.pem"
    whole.write_text(chain.read_text() + (
        issuer.certificate.read_text() if with_chain else ""))
    b.certificates[b.domain] = whole, key
    signed.names.stop()
    signed.names.tlsa(b.domain, (b.s2s_port, b.s2s_tls_port),
                      chain if usage == 1 else issuer.certificate,
                      usage=usage)
    for path in signed.names.folder.iterdir():
        if path.is_file() and path.name != "anchor":
            path.unlink()
    signed.names.start()
    signed.start()
    return a, b


@pytest.mark.parametrize("usage", [0, 1, 2])
def test_dnssec_announces_who_issues(world, usage):
    issuer = world.others if usage == 2 else world.authority
    a, b = announced(world, usage, issuer, valid=usage != 2)
    with Wire(a, 20).login("alice") as alice, \
            Wire(b, 20).login("bob") as bob:
        bob.send("<presence/>")
        alice.message(bob.jid, "by DNSSEC")
        bob.expect_message("by DNSSEC")
    row = rows(a).get("both") or rows(a)["out"]
    assert row["trust"] == "trusted"


@pytest.mark.parametrize("usage,name", [(0, None), (1, None),
                                        (2, "c.example")])
def test_dnssec_announces_and_more_is_needed(world, usage, name):
    """Usages 0 and 1 want a valid certificate as well, 2 the right name."""
    a, _ = announced(world, usage, world.others, name)
    with Wire(a, 20).login("alice") as alice:
        assert bounced(alice, "bob@b.example")[1] == (
            "b.example cannot be trusted: its certificate is not the one "
            "that its DNS announces")


def test_nothing_is_announced(world):
    a, b = Signed(world, {"b.example": None}).start()
    with Wire(a, 20).login("alice") as alice:
        assert "unknown issuer" in bounced(alice, "bob@b.example")[1]
    with Wire(b, 20).login("bob") as bob:
        assert "unknown issuer" in bounced(bob, "alice@a.example")[1]


@pytest.mark.parametrize("old,new", [
    (" host.b.example.", " host.a.example."),
    ("host.b.example.     	60	A	127.0.0.1",
     "host.b.example.     	60	A	127.0.0.2"),
    ("\tTLSA\t3 1 1 ", "\tTLSA\t3 1 1 00"),
], ids=["srv", "address", "tlsa"])
def test_forged_records(world, old, new):
    signed = Signed(world)
    signed.names.forge(old, new)
    a, _ = signed.servers
    a.start()
    with Wire(a, 20).login("alice") as alice:
        text = bounced(alice, "bob@b.example")[1]
        assert "DNSSEC finds its" in text and "forged" in text


# -- what senders are told ----------------------------------------------------


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """A Chappe that reaches nobody."""
    made = World(tmp_path_factory.mktemp("lonely"))
    made.a = made.chappe(**{"queue-age": "1s", "retry-first": "300ms"})
    made.a.remotes = {"refused.example": {"refuse": "yes"}}
    made.a.start()
    yield made
    made.close()


def test_no_such_domain(lonely):
    with Wire(lonely.a, 20).login("alice") as alice:
        condition, text = bounced(alice, "bob@nowhere.example")
        assert condition == "remote-server-not-found"
        assert text == "nowhere.example cannot be reached: no such name"
        # Known now: told at once.
        assert bounced(alice, "bob@nowhere.example", 2)[1] == text


def test_a_domain_that_offers_no_xmpp(lonely):
    lonely.names.records["_xmpp-server._tcp.web.example", 33] = [
        (0, 0, 0, ".")]
    lonely.names.records["web.example", 1] = ["127.0.0.1"]
    with Wire(lonely.a, 20).login("alice") as alice:
        assert bounced(alice, "bob@web.example") == (
            "remote-server-not-found", "web.example cannot be reached: "
            "it says in DNS that it offers no XMPP")


def test_nobody_listens(lonely):
    lonely.names.xmpp("closed.example", 1)
    with Wire(lonely.a, 20).login("alice") as alice:
        condition, text = bounced(alice, "bob@closed.example")
        assert condition == "remote-server-timeout"
        assert "connection refused" in text
        row = rows(lonely.a, "closed.example")["out"]
        assert row["state"] in ("paused", "idle") and "refused" in \
            row["reason"]


def test_a_domain_that_is_refused(lonely):
    with Wire(lonely.a, 20).login("alice") as alice:
        assert bounced(alice, "bob@refused.example") == (
            "not-allowed", "this server does not talk to refused.example")


def test_an_error_is_not_answered(lonely):
    with Wire(lonely.a, 20).login("alice") as alice:
        alice.send("<message to='bob@nowhere.example' type='error'/>"
                   "<iq to='bob@nowhere.example' type='result' id='1'/>")
        alice.ping()
        alice.nothing(1)


@pytest.mark.parametrize("fault,why", [
    ("unencrypted", "b.example offers no encryption"),
    ("expired", "b.example cannot be trusted: its certificate has expired"),
    ("other name", "b.example cannot be trusted: its certificate is for "
     "another name"),
    ("unknown issuer", "b.example cannot be trusted: its certificate is "
     "from an unknown issuer"),
    ("common name", "b.example cannot be trusted: its certificate is for "
     "another name"),
])
def test_a_server_that_is_not_trusted(world, fault, why):
    certificate = {
        "expired": lambda: world.authority.issue("b.example", expired=True),
        "other name": lambda: world.authority.issue("c.example"),
        "unknown issuer": lambda: world.others.issue("b.example"),
        "common name": lambda: world.authority.issue(
            "b.example", ["DNS:*.b.example", "DNS:xb.example"]),
    }.get(fault, lambda: None)()
    b = world.prosody(encryption=fault != "unencrypted",
                      external=False, certificate=certificate)
    a = world.chappe()
    a.start()
    with Wire(a, 20).login("alice") as alice:
        condition, text = bounced(alice, "bob@b.example")
        assert (condition, text) == ("remote-server-not-found", why)
    # Nor may it come in.
    with b.client("bob") as bob:
        bob.message("alice@a.example", "let me in")
        answer = bob.until(lambda e: e.get("type") == "error", 20)
        assert answer.tag == CLIENT + "message"
    assert "stream.authenticated" not in a.log("s2s-1")


def test_a_server_that_never_answers_costs_others_nothing(world):
    """A queue for the one is no queue for the others."""
    hole = socket.create_server(("127.0.0.1", 0))
    for number in range(20):
        world.names.xmpp(f"hole{number}.example", hole.getsockname()[1])
    b = world.prosody(**CERTIFICATES)
    a = world.chappe(**{"queue-age": "3s", "connect-timeout": "2s"})
    a.start()
    with Wire(a, 20).login("alice") as alice, b.client("bob") as bob:
        alice.send("<presence/>")
        bob.send("<presence/>")
        talk(alice, bob)
        for number in range(20):
            alice.message(f"x@hole{number}.example", "hello?")
        talk(alice, bob, 1.5)
        answers = [alice.until(lambda e: e.get("type") == "error", 20)
                   for _ in range(20)]
        texts = {e.findtext(f"{CLIENT}error/{STANZAS}text")
                 for e in answers}
        assert len(texts) == 20
        assert all("in time" in text for text in texts), texts
    hole.close()
