# SPDX-License-Identifier: Apache-2.0
"""What a server may do wrong, or wickedly, on a stream with ours."""

import hashlib
import hmac
import socket
import threading
import xml.etree.ElementTree as ET

import pytest

from federation import DIALBACK, SERVER, Peer
from test_s2s import World, bounced, rows
from wire import CLIENT, SASL, STANZAS, STREAM, TLS, Ended, Wire

MESSAGE = ("<message from='mallory@{0}' to='alice@a.example' type='chat'>"
           "<body>{1}</body></message>")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A Chappe that takes dialback from *.weak.example, and in the clear from
    *.clear.example."""
    made = World(tmp_path_factory.mktemp("bad"))
    a = made.a = made.chappe(**{"auth-timeout": "3s", "limit-dialbacks": "3",
                                "connect-timeout": "2s",
                                "queue-age": "1s", "retry-first": "200ms",
                                "limit-stanza": "20000",
                                "limit-stanza-before-auth": "4000"})
    a.remotes = {"*.weak.example": {"trust": "encrypted"},
                 "*.clear.example": {"trust": "verified"},
                 "pipelines.example": {"trust": "encrypted"},
                 "refused.example": {"refuse": "yes"}}
    a.start()
    made.certificate = made.authority.issue("b.example")
    yield made
    made.close()


@pytest.fixture
def alice(world):
    with Wire(world.a, 20).login("alice") as wire:
        wire.presence()
        yield wire


def error_of(answer):
    """Condition and text of a dialback error."""
    assert answer.get("type") == "error", ET.tostring(answer)
    error = answer.find(SERVER + "error")
    return (error[0].tag.split("}")[1],
            error.findtext(STANZAS + "text") or "")


# -- who may send as whom -----------------------------------------------------


def test_a_server_that_is_who_it_says(world, alice):
    with Peer(world.a, certificate=world.certificate).external() as peer:
        peer.send(MESSAGE.format("b.example", "true"))
        assert alice.expect_message("true").get("from") == \
            "mallory@b.example"


@pytest.mark.parametrize("domain", [
    "c.example", "a.example", "sub.b.example", "b.example.evil.example"])
def test_a_forged_sender(world, alice, domain):
    with Peer(world.a, certificate=world.certificate).external() as peer:
        peer.send(MESSAGE.format(domain, "forged"))
        peer.expect_stream_error("invalid-from")
    alice.nothing(0.3)


def test_a_stanza_for_another_domain(world):
    with Peer(world.a, certificate=world.certificate).external() as peer:
        peer.send("<message from='x@b.example' to='y@c.example'/>")
        peer.expect_stream_error("host-unknown")


@pytest.mark.parametrize("stanza", [
    "<message from='x@b.example'/>", "<message to='alice@a.example'/>",
    "<message/>"])
def test_a_stanza_without_addresses(world, stanza):
    with Peer(world.a, certificate=world.certificate).external() as peer:
        peer.send(stanza)
        peer.expect_stream_error("improper-addressing")


@pytest.mark.parametrize("secure", [False, True])
def test_a_stanza_before_authentication(world, alice, secure):
    with Peer(world.a) as peer:
        peer.secure() if secure else peer.open()
        peer.send(MESSAGE.format("b.example", "early"))
        peer.expect_stream_error("not-authorized")
    alice.nothing(0.3)


def test_a_name_that_is_ours(world):
    with Peer(world.a, "a.example",
              certificate=world.a.certificates["a.example"]) as peer:
        peer.open(read=False)
        peer.expect_stream_error("invalid-from")


def test_a_domain_that_is_refused(world):
    with Peer(world.a, "refused.example") as peer:
        peer.open(read=False)
        peer.expect_stream_error("policy-violation")
    with Peer(world.a, None) as peer:
        peer.secure()
        assert error_of(peer.result(of="refused.example"))[0] == "not-allowed"


@pytest.mark.parametrize("to", ["c.example", "x@a.example/y", "..", ""])
def test_a_stream_to_nobody(world, to):
    with Peer(world.a) as peer:
        peer.open(to=to, read=False)
        peer.expect_stream_error("host-unknown")


# -- certificates -------------------------------------------------------------


def offered(world, certificate, name="b.example"):
    with Peer(world.a, name, certificate) as peer:
        features = peer.secure()
        external = features.find(SASL + "mechanisms") is not None
        peer.auth("EXTERNAL", "")
        answer = peer.next()
        assert (answer.tag == SASL + "success") == external
        refused = peer.result() if not external else None
    assert external or error_of(refused)[0] == "policy-violation"
    return external


@pytest.mark.parametrize("names,good", [
    (["DNS:b.example"], True),
    (["DNS:B.EXAMPLE"], True),
    (["DNS:c.example", "DNS:b.example"], True),
    (["otherName:1.3.6.1.5.5.7.8.5;UTF8:b.example"], True),
    (["otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.b.example"], True),
    (["otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.b.example"], False),
    (["otherName:1.3.6.1.5.5.7.8.5;UTF8:x@b.example"], False),
    (["DNS:*.example"], False),
    (["DNS:*"], False),
    (["DNS:b.*"], False),
    (["DNS:*.b.example"], False),
    (["DNS:xb.example"], False),
    (["email:x@b.example", "URI:xmpp:b.example"], False),
], ids=lambda value: value[0] if isinstance(value, list) else str(value))
def test_names_in_certificates(world, names, good):
    assert offered(world, world.authority.issue("b.example", names)) == good


def test_a_wildcard_stands_for_one_label(world):
    certificate = world.authority.issue("w.example", ["DNS:*.w.example"])
    assert offered(world, certificate, "x.w.example")


def test_certificates_that_are_not_valid(world):
    expired = world.authority.issue("b.example", expired=True)
    assert not offered(world, expired)
    assert not offered(world, world.others.issue("b.example"))
    assert not offered(world, None)


def test_external_for_another_domain(world):
    with Peer(world.a, certificate=world.certificate) as peer:
        peer.secure()
        peer.auth("EXTERNAL", "c.example")
        failure = peer.expect(SASL + "failure")
        assert failure[0].tag == SASL + "invalid-authzid"
        peer.auth("PLAIN", "\0x\0y")
        assert peer.expect(SASL + "failure")[0].tag == \
            SASL + "invalid-mechanism"


def test_another_name_after_external(world):
    with Peer(world.a, certificate=world.certificate) as peer:
        peer.secure()
        peer.auth("EXTERNAL", "")
        peer.expect(SASL + "success")
        peer.name = "c.example"
        peer.open(read=False)
        peer.expect_stream_error("invalid-from")


# -- STARTTLS -----------------------------------------------------------------


def test_what_is_pipelined_past_starttls_is_forgotten(world, alice):
    with Peer(world.a, "pipelines.example") as peer:
        peer.open()
        peer.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                  + MESSAGE.format("pipelines.example", "smuggled")
                  + "<db:result from='pipelines.example' to='a.example'>0"
                  "</db:result>")
        peer.expect(TLS + "proceed")
        try:
            peer.wrap(peer._context())
            features = peer.open()
            assert features.find(TLS + "starttls") is None
            peer.nothing(0.3)
        except OSError:
            pass  # what came was taken for TLS, and is none
    alice.nothing(0.3)
    assert "pipelines.example" not in {
        row["remote"] for row in world.a.rows() if row["state"] == "open"}


class Impostor:
    """Accepts one connection and does what `talk(socket)` does."""

    def __init__(self, world, domain, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        world.names.xmpp(domain, self.listener.getsockname()[1])
        self.talk = talk
        self.got = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.settimeout(5)
            try:
                self.talk(self, conn)
            except OSError:
                pass
            conn.close()

    def read(self, conn, mark):
        """Up to this text."""
        while mark not in self.got:
            data = conn.recv(4096)
            if not data:
                raise OSError("ended")
            self.got += data

    def close(self):
        self.listener.close()


HEADER = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
          b"xmlns:stream='http://etherx.jabber.org/streams' "
          b"xmlns:db='jabber:server:dialback' id='1' version='1.0'>")
FEATURES = (b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:"
            b"xmpp-tls'/></stream:features>")
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def test_what_is_pipelined_past_proceed_is_forgotten(world, alice):
    """The same in the other direction: a man in the middle adds features and
    an answer of his own in the clear."""
    domain = "pipelined.weak.example"

    def talk(self, conn):
        self.read(conn, b"<stream:stream")
        conn.sendall(HEADER + FEATURES)
        self.read(conn, b"<starttls")
        conn.sendall(PROCEED + HEADER + b"<stream:features/><db:result "
                     b"from='" + domain.encode() + b"' to='a.example' "
                     b"type='valid'/>")
        while conn.recv(4096):
            pass
    impostor = Impostor(world, domain, talk)
    alice.message(f"bob@{domain}", "secret")
    alice.until(lambda e: e.get("type") == "error", 60)
    assert b"secret" not in impostor.got
    impostor.close()


CLOSERS = {
    "at once": lambda self, conn: None,
    "after the header": lambda self, conn: (
        self.read(conn, b"<stream:stream"), conn.sendall(HEADER)),
    "after features": lambda self, conn: (
        self.read(conn, b"<stream:stream"), conn.sendall(HEADER + FEATURES)),
    "after proceed": lambda self, conn: (
        self.read(conn, b"<stream:stream"), conn.sendall(HEADER + FEATURES),
        self.read(conn, b"<starttls"), conn.sendall(PROCEED)),
    "with garbage": lambda self, conn: conn.sendall(b"HTTP/1.1 400 Bad\r\n"),
    "with an error": lambda self, conn: (
        self.read(conn, b"<stream:stream"), conn.sendall(
            HEADER + b"<stream:error><host-unknown xmlns='urn:ietf:params:"
            b"xml:ns:xmpp-streams'/></stream:error></stream:stream>")),
    "without features": lambda self, conn: (
        self.read(conn, b"<stream:stream"), conn.sendall(
            HEADER + b"<stream:features/>")),
}


@pytest.mark.parametrize("point", CLOSERS)
def test_a_server_that_hangs_up(world, alice, point):
    domain = point.replace(" ", "") + ".hangup.example"
    impostor = Impostor(world, domain, CLOSERS[point])
    condition, text = bounced(alice, f"bob@{domain}", 60)
    assert condition in ("remote-server-timeout", "remote-server-not-found")
    assert text.startswith(domain), text
    impostor.close()


# -- dialback -----------------------------------------------------------------


class Authoritative(Impostor):
    """A server that answers verifications, in the clear."""

    def __init__(self, world, domain, answer):
        self.domain, self.answer = domain, answer
        super().__init__(world, domain, type(self)._talk)

    def _talk(self, conn):
        self.got = b""
        self.read(conn, b"<stream:stream")
        conn.sendall(HEADER + b"<stream:features><dialback xmlns="
                     b"'urn:xmpp:features:dialback'/></stream:features>")
        if not self.answer:
            while conn.recv(4096):
                pass
            return
        self.read(conn, b"</db:verify>")
        tree = ET.fromstring(
            b"<x xmlns:db='jabber:server:dialback'>"
            + self.got[self.got.index(b"<db:verify"):].split(
                b"</db:verify>")[0] + b"</db:verify></x>")
        number = tree[0].get("id")
        conn.sendall(f"<db:verify from='{self.domain}' to='a.example' "
                     f"id='{number}' type='{self.answer}'/>".encode())
        while conn.recv(4096):
            pass


def test_a_key_that_is_right(world, alice):
    domain = "right.clear.example"
    server = Authoritative(world, domain, "valid")
    with Peer(world.a, domain) as peer:
        peer.open()
        assert peer.result().get("type") == "valid"
        peer.send(MESSAGE.format(domain, "by dialback"))
        alice.expect_message("by dialback")
        row = rows(world.a, domain)["in"]
        assert row["trust"] == "verified" and not row.get("tls")
    server.close()


def test_a_key_that_is_wrong(world):
    domain = "wrong.clear.example"
    server = Authoritative(world, domain, "invalid")
    with Peer(world.a, domain) as peer:
        peer.open()
        assert peer.result().get("type") == "invalid"
        peer.expect_stream_error("not-authorized")
    server.close()


def test_a_verification_that_never_comes(world):
    domain = "mute.clear.example"
    server = Authoritative(world, domain, None)
    with Peer(world.a, domain) as peer:
        peer.open()
        condition, text = error_of(peer.result())
        assert condition == "remote-server-timeout"
    server.close()


def test_a_domain_that_dns_does_not_know(world):
    with Peer(world.a, "none.clear.example") as peer:
        peer.open()
        assert error_of(peer.result()) == (
            "remote-server-not-found",
            "none.clear.example cannot be reached: no such name")


def test_encryption_is_asked_for(world):
    with Peer(world.a, "x.weak.example") as peer:
        features = peer.open()
        assert features.find(f"{TLS}starttls/{TLS}required") is not None
        assert error_of(peer.result()) == ("policy-violation",
                                           "the stream must be encrypted")


def test_dialback_for_our_own_domain(world):
    with Peer(world.a, None) as peer:
        peer.secure()
        assert error_of(peer.result(of="a.example"))[0] == "not-allowed"
        assert error_of(peer.result(of="x.weak.example",
                                    to="c.example"))[0] == "item-not-found"


def test_a_flood_of_keys(world):
    for number in range(8):
        world.names.silent.add(f"_xmpp-server._tcp.f{number}.weak.example")
    with Peer(world.a, None) as peer:
        peer.secure()
        for number in range(8):
            peer.send(f"<db:result from='f{number}.weak.example' "
                      "to='a.example'>0</db:result>")
        conditions = [error_of(peer.expect(DIALBACK + "result"))[0]
                      for _ in range(5)]
        assert conditions == ["resource-constraint"] * 5


def key(secret, receiving, originating, number):
    """XEP-0185."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return hmac.new(digest.encode(),
                    f"{receiving} {originating} {number}".encode(),
                    "sha256").hexdigest()


def test_we_know_our_keys(world):
    secret = world.a._secret("dialback").read_text().strip()
    with Peer(world.a, "c.example") as peer:
        peer.open()
        good = key(secret, "c.example", "a.example", "17")
        assert peer.verify(good, "17").get("type") == "valid"
        for bad in (good[:-1], good + "0", "", good.upper(), "0" * 64,
                    key(secret, "d.example", "a.example", "17"),
                    key(secret, "c.example", "a.example", "18")):
            assert peer.verify(bad, "17").get("type") == "invalid"
        assert peer.verify(good, "17", to="d.example").get("type") == "error"


def test_the_secret_is_changed(world):
    a = world.a
    old = a._secret("dialback").read_text().strip()
    (a.folder / "secret-old").write_text(old + "\n")
    (a.folder / "secret-old").chmod(0o600)
    a._secret("dialback").write_text("quite another one\n")
    a.conf["s2s"]["dialback-secret-file-old"] = a.folder / "secret-old"
    a.write_conf()
    a.ctl("reload", "s2s-1")
    with Peer(a, "c.example") as peer:
        peer.open()
        for secret, answer in ((old, "valid"), ("quite another one", "valid"),
                               ("a third", "invalid")):
            got = peer.verify(key(secret, "c.example", "a.example", "1"), "1")
            assert got.get("type") == answer


# -- XML and limits -----------------------------------------------------------


@pytest.mark.parametrize("bytes_in,condition", [
    (b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx."
     b"jabber.org/streams' to='a.example' version='1.0'>",
     "invalid-namespace"),
    (b"<stream:stream xmlns='jabber:server' xmlns:stream='urn:x' "
     b"to='a.example' version='1.0'>", "invalid-namespace"),
    (b"<s:stream xmlns='jabber:server' xmlns:s='http://etherx."
     b"jabber.org/streams' to='a.example' version='1.0'>",
     "bad-namespace-prefix"),
    (HEADER.replace(b"id='1'", b"to='a.example'") + b"<a><!-- x --></a>",
     "restricted-xml"),
    (HEADER.replace(b"id='1'", b"to='a.example'") + b"<a></b>",
     "not-well-formed"),
    (HEADER.replace(b"id='1'", b"to='a.example'") + b"<a>\xff</a>",
     "unsupported-encoding"),
    (HEADER.replace(b"id='1'", b"to='a.example'") + b"<nonsense/>",
     "unsupported-stanza-type"),
    (HEADER.replace(b"id='1'", b"to='a.example'") + b"<iq id='"
     + b"x" * 5000 + b"'/>", "policy-violation"),
    (HEADER.replace(b"id='1'", b"to='a.example'")
     + b"<db:result to='a.example'>x</db:result>", "improper-addressing"),
    (HEADER.replace(b"id='1'", b"to='a.example'")
     + b"<db:nonsense to='a.example' from='b.example'/>",
     "unsupported-stanza-type"),
    (HEADER.replace(b"id='1'", b"to='a.example'")
     + b"<db:verify to='a.example' from='b.example'>x</db:verify>",
     "bad-format"),
])
def test_what_is_no_stream_of_a_server(world, bytes_in, condition):
    with Peer(world.a) as peer:
        peer.send(bytes_in)
        peer.expect_stream_error(condition)


def test_a_server_that_says_nothing(world):
    with Peer(world.a, seconds=15) as peer:
        peer.open()
        peer.expect_stream_error("connection-timeout")


def test_a_client_at_the_wrong_port(world):
    with Peer(world.a, direct=True) as peer:
        peer.open()
    with pytest.raises((OSError, Ended, AssertionError)):
        with Peer(world.a, direct=False) as peer:
            peer.wrap(peer._context(["xmpp-client"]))


def test_the_server_still_works(world, alice):
    """After all of the above."""
    with Peer(world.a, certificate=world.certificate).external() as peer:
        peer.send(MESSAGE.format("b.example", "still there"))
        assert alice.expect_message("still there") is not None
    assert CLIENT and STREAM
