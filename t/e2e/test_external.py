# SPDX-License-Identifier: Apache-2.0
"""Log-in by client certificates (XEP-0178 section 2)."""

import asyncio
import ssl
import subprocess

import pytest
import slixmpp

from authority import Authority
from chappe import Chappe, wait_for
from wire import SASL, Wire, tls_context

OTHER = "other.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def make(folder, authority, **options):
    """localhost knows the authority, OTHER knows none."""
    chappe = Chappe(folder, domains=["localhost", OTHER])
    chappe.conf["domain localhost"] = {
        "client-ca": authority.certificate, "client-crl": authority.crl,
        **{name.replace("_", "-"): value for name, value in options.items()}}
    chappe.start()
    for name in ("alice", "bob"):
        chappe.add_user(name)
        chappe.add_user(name, domain=OTHER)
    return chappe


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    with make(tmp_path_factory.mktemp("external"), authority) as chappe:
        yield chappe


def with_certificate(pair, version=ssl.TLSVersion.TLSv1_3):
    context = tls_context()
    context.maximum_version = context.minimum_version = version
    if pair:
        context.load_cert_chain(*pair)
    return context


def connect(server, pair, direct=False, **options):
    """A stream under TLS, with its features."""
    version = options.pop("version", ssl.TLSVersion.TLSv1_3)
    context = with_certificate(pair, version)
    port = {"port": server.tls_port} if direct else {}
    wire = Wire(server, **port, **options)
    if direct:
        wire.wrap(context)
    wire.features = wire.secure(context)
    return wire


def offered(wire):
    return [m.text for m in wire.features.findall(
        f"{SASL}mechanisms/{SASL}mechanism")]


def external(wire, authzid=""):
    wire.auth("EXTERNAL", authzid)
    answer = wire.next()
    if answer.tag != SASL + "success":
        return answer[0].tag[len(SASL):]
    wire.bind("test")
    return wire.jid


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("direct", [False, True])
def test_certificate(server, authority, version, direct):
    pair = authority.issue("alice@localhost")
    with connect(server, pair, direct, version=version) as wire:
        assert offered(wire)[0] == "EXTERNAL"
        assert external(wire) == "alice@localhost/test"
    with connect(server, pair, direct, version=version) as wire:
        assert external(wire, "alice@localhost") == "alice@localhost/test"
    with connect(server, None, direct, version=version) as wire:
        assert "EXTERNAL" not in offered(wire)
        assert external(wire) == "invalid-mechanism"
        # The others still work.
        assert wire.plain("alice").tag == SASL + "success"


def test_without_initial_response(server, authority):
    with connect(server, authority.issue("alice@localhost")) as wire:
        wire.auth("EXTERNAL")
        assert wire.next().tag == SASL + "challenge"
        wire.response("")
        assert wire.next().tag == SASL + "success"


def test_resumed_tls(server, authority):
    """The certificate of the first connection counts for the second, which
    shows none."""
    context = with_certificate(authority.issue("alice@localhost"))
    with Wire(server, port=server.tls_port) as wire:
        wire.wrap(context)
        wire.open()
        assert external(wire) == "alice@localhost/test"
        session = wire.socket.session
    with Wire(server, port=server.tls_port) as wire:
        wire.socket = context.wrap_socket(
            wire.socket, server_hostname="localhost", session=session)
        wire.features = wire.open()
        assert wire.socket.session_reused
        assert external(wire) == "alice@localhost/test"


def test_several_addresses(server, authority):
    pair = authority.issue("alice@localhost", "bob@localhost",
                           f"alice@{OTHER}")
    for authzid, outcome in (
            ("alice@localhost", "alice@localhost/test"),
            ("bob@localhost", "bob@localhost/test"),
            ("", "invalid-authzid"), ("carol@localhost", "invalid-authzid"),
            ("alice@localhost/x", "invalid-authzid"),
            (f"alice@{OTHER}", "invalid-authzid"),
            ("a\0b", "malformed-request"), ("@", "invalid-authzid")):
        with connect(server, pair) as wire:
            assert external(wire, authzid) == outcome


def test_one_address_is_of_this_domain(server, authority):
    pair = authority.issue(f"alice@{OTHER}", "bob@localhost")
    with connect(server, pair) as wire:
        assert external(wire) == "bob@localhost/test"


def test_names_are_prepared(server, authority):
    pair = authority.issue("ALICE@LocalHost")
    with connect(server, pair) as wire:
        assert external(wire) == "alice@localhost/test"


def test_unknown_user(server, authority):
    with connect(server, authority.issue("nobody@localhost")) as wire:
        assert external(wire) == "not-authorized"


OLD = ("20200101000000Z", "20210101000000Z")
FUTURE = ("20900101000000Z", "20910101000000Z")


@pytest.mark.parametrize("options,outcome,words", [
    ({"dates": OLD}, "credentials-expired", "it has expired"),
    ({"dates": FUTURE}, "not-authorized", "not valid yet"),
    ({"purpose": "serverAuth"}, "not-authorized", "not for clients"),
    ({"addresses": ()}, "not-authorized", "names nobody"),
    ({"addresses": (f"alice@{OTHER}",)}, "not-authorized", "names nobody"),
    ({"addresses": ("localhost",)}, "not-authorized", "names nobody"),
    ({"addresses": ("alice@localhost/resource",)}, "not-authorized",
     "names nobody"),
    ({"addresses": (), "email": "alice@localhost"}, "not-authorized",
     "names nobody"),
])
def test_bad_certificate(server, authority, options, outcome, words):
    addresses = options.get("addresses", ("alice@localhost",))
    rest = {name: value for name, value in options.items()
            if name != "addresses"}
    with connect(server, authority.issue(*addresses, **rest)) as wire:
        assert "EXTERNAL" not in offered(wire)
        assert external(wire) == outcome
        assert wire.plain("alice").tag == SASL + "success"
    assert any("certificate.refused" in line and words in line
               for line in server.log("c2s-1").splitlines())


def test_wrong_authority(server, stranger):
    with connect(server, stranger.issue("alice@localhost")) as wire:
        assert "EXTERNAL" not in offered(wire)
        assert external(wire) == "not-authorized"
    assert "its issuer is not trusted" in server.log("c2s-1")


def test_other_domain_on_the_same_stream(server, authority):
    """TLS for one domain, the stream for another, which trusts nobody."""
    context = with_certificate(authority.issue(f"alice@{OTHER}"))
    with Wire(server) as wire:
        wire.starttls(context)
        wire.features = wire.open(to=OTHER)
        assert "EXTERNAL" not in offered(wire)
        assert external(wire) == "invalid-mechanism"


def asks_for_certificate(server, host, direct):
    """What openssl sees."""
    words = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % (
        server.tls_port if direct else server.port), "-tls1_2"]
    words += ["-servername", host] if host else ["-noservername"]
    if not direct:
        words += ["-starttls", "xmpp", "-xmpphost", host]
    done = subprocess.run(words, input="", capture_output=True, text=True,
                          timeout=20, check=False)
    assert "Cipher is (NONE)" not in done.stdout, done.stdout
    return "Client Certificate Types" in done.stdout


def test_who_is_asked(server):
    assert asks_for_certificate(server, "localhost", True)
    assert asks_for_certificate(server, "localhost", False)
    assert not asks_for_certificate(server, OTHER, True)
    assert not asks_for_certificate(server, OTHER, False)
    # Who names nobody gets the first domain.
    assert asks_for_certificate(server, None, True)


def test_nobody_is_asked_elsewhere(shared):
    assert not asks_for_certificate(shared, "localhost", True)
    assert not asks_for_certificate(shared, "localhost", False)


def test_revoked(tmp_path, authority):
    """Revoked while the server runs: from the reload on, also for those whose
    connection is there already."""
    pair, good = (authority.issue("alice@localhost") for _ in range(2))
    with make(tmp_path, authority) as chappe:
        with connect(chappe, pair) as wire, connect(chappe, pair) as late:
            assert external(wire) == "alice@localhost/test"
            authority.revoke(pair)
            chappe.reload("c2s-1")

            def is_refused():
                with connect(chappe, pair) as again:
                    return "EXTERNAL" not in offered(again)
            wait_for(is_refused)
            assert external(late) == "not-authorized"
            assert "it was revoked" in chappe.log("c2s-1")
            wire.ping()
        with connect(chappe, good) as wire:
            assert external(wire) == "alice@localhost/test"
        # A list that is not one is refused, and what there was stays.
        crl = authority.crl.read_text()
        try:
            authority.crl.write_text("rubbish")
            chappe.reload("c2s-1")
            wait_for(lambda: "crl.pem" in chappe.log("c2s-1"))
            with connect(chappe, good) as wire:
                assert external(wire) == "alice@localhost/test"
        finally:
            authority.crl.write_text(crl)


@pytest.mark.parametrize("name,issue,jid", [
    ("email", {"email": "alice@localhost"}, "alice@localhost/test"),
    ("uid", {"subject": "/UID=alice/CN=Alice Liddell"},
     "alice@localhost/test"),
    ("common-name", {"subject": "/CN=Bob"}, "bob@localhost/test"),
    ("common-name", {"subject": "/CN=Alice Liddell"}, None),
    ("uid", {"subject": "/CN=alice"}, None),
])
def test_attribute(tmp_path, authority, name, issue, jid):
    with make(tmp_path, authority, client_name=name) as chappe, \
            connect(chappe, authority.issue(**issue)) as wire:
        if jid is None:
            assert "EXTERNAL" not in offered(wire)
        else:
            assert external(wire) == jid


def test_excluded(tmp_path, authority):
    with make(tmp_path, authority, mechanisms=["SCRAM-SHA-256"]) as chappe, \
            connect(chappe, authority.issue("alice@localhost")) as wire:
        assert "EXTERNAL" not in offered(wire)
        assert external(wire) == "mechanism-too-weak"


def test_slixmpp(server, authority):
    """A real client."""
    certificate, key = authority.issue("alice@localhost")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    client = slixmpp.ClientXMPP("alice@localhost/slix", "",
                                sasl_mech="EXTERNAL")
    client.loop = loop
    context = tls_context(alpn=False)
    context.load_cert_chain(certificate, key)
    client.ssl_context = context
    client.get_ssl_context = lambda: context
    started = loop.create_future()
    client.add_event_handler("session_start",
                             lambda _: started.set_result(True))
    client.add_event_handler("failed_all_auth",
                             lambda _: started.set_result(False))
    client.connect(("127.0.0.1", server.port), disable_starttls=False)
    assert loop.run_until_complete(asyncio.wait_for(started, 20))
    loop.run_until_complete(asyncio.wait_for(client.disconnect(), 10))


@pytest.mark.parametrize("options,words", [
    ({"client-ca": "/tmp/there-is-no-such-file"}, "client-ca"),
    ({"client-crl": "/etc/passwd"}, "client-crl needs client-ca"),
    ({"client-name": "shoe-size"}, "shoe-size"),
])
def test_configuration(stopped, options, words):
    stopped.conf["domain"] = options
    stopped.write_conf()
    done = stopped.ctl("config", "check", check=False)
    assert done.returncode != 0 and words in done.stdout + done.stderr
