# SPDX-License-Identifier: Apache-2.0
"""Stream negotiation (RFC 6120 sections 4 and 5, XEP-0368): headers, features,
TLS, certificates, and how streams end."""

import re
import signal
import socket
import ssl
import time

import pytest

from chappe import PASSWORD, Chappe, make_certificate, wait_for
from wire import (BIND, CLIENT, SASL, STREAM, TLS, Ended, Wire, b64,
                  tls_context)

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
XMLNS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


def header(xmlns="jabber:client", prefix="stream", name="stream",
           ns="http://etherx.jabber.org/streams", to="localhost",
           version="1.0", extra=""):
    """A stream header of which anything may be wrong."""
    to = f" to='{to}'" if to is not None else ""
    version = f" version='{version}'" if version is not None else ""
    return (f"<{prefix}:{name} xmlns='{xmlns}' xmlns:{prefix}='{ns}'"
            f"{to}{version} {extra}>")


def offers_starttls(features):
    return features.find(TLS + "starttls") is not None


# -- headers ------------------------------------------------------------------


def test_features_before_tls_are_starttls_alone(shared):
    with Wire(shared) as wire:
        features = wire.open()
        starttls = features.find(TLS + "starttls")
        assert starttls.find(TLS + "required") is not None
        assert features.find(SASL + "mechanisms") is None
        assert features.find(BIND + "bind") is None


def test_features_after_tls_are_without_starttls(shared):
    with Wire(shared) as wire:
        features = wire.secure()
        assert features.find(TLS + "starttls") is None
        assert features.find(BIND + "bind") is None
        assert features.find(SASL + "mechanisms") is not None


def test_features_after_log_in_are_bind(shared):
    with Wire(shared, direct_tls=True) as wire:
        assert not offers_starttls(wire.open())
        assert wire.scram("alice").tag == SASL + "success"
        features = wire.open()
        assert features.find(BIND + "bind") is not None
        assert features.find(SASL + "mechanisms") is None
        assert features.find(TLS + "starttls") is None


def test_answer_header(shared):
    with Wire(shared) as wire:
        wire.open(extra="from='alice@localhost'")
        assert wire.header.tag == STREAM + "stream"
        assert wire.header.get("from") == "localhost"
        assert wire.header.get("to") == "alice@localhost"
        assert wire.header.get("version") == "1.0"
        assert wire.header.get(XML_LANG)
        assert len(wire.header.get("id")) >= 16


def test_answer_header_without_from_has_no_to(shared):
    with Wire(shared) as wire:
        wire.open(extra="xml:lang='de'")
        assert wire.header.get("to") is None


def test_stream_ids_are_unique(shared):
    ids = []
    for _ in range(3):
        with Wire(shared) as wire:
            wire.starttls()
            ids.append(wire.header.get("id"))
            wire.open()
            ids.append(wire.header.get("id"))
            assert wire.scram("alice").tag == SASL + "success"
            wire.open()
            ids.append(wire.header.get("id"))
    assert len(set(ids)) == len(ids)


def test_log_of_what_does_not_become_a_stream(shared):
    """A domain that is not here, and TLS that does not come about."""
    with Wire(shared) as wire:
        wire._reset()
        wire.send(header(to="nowhere.example"))
        wait_for(lambda: "nowhere.example is not served here" in
                 shared.log("c2s-1"), 10)
    with Wire(shared) as wire:
        wire.open()
        wire.send(f"<starttls xmlns='{TLS[1:-1]}'/>")
        wire.next()
        wire.send("this is no TLS")
        wait_for(lambda: "tls.failed" in shared.log("c2s-1"), 10)


@pytest.mark.parametrize("text, condition", [
    (header(to="nowhere.example"), "host-unknown"),
    (header(to="not a host"), "host-unknown"),
    (header(to=""), "host-unknown"),
    (header(to=None), "improper-addressing"),
    (header(version=None), "unsupported-version"),
    (header(version="0.9"), "unsupported-version"),
    (header(version="none"), "unsupported-version"),
    (header(xmlns="jabber:server"), "invalid-namespace"),
    (header(xmlns="urn:x"), "invalid-namespace"),
    (header(ns="urn:x"), "invalid-namespace"),
    (header(prefix="s"), "bad-namespace-prefix"),
    (header(name="streams"), "bad-format"),
    ("<?xml version='1.0' encoding='ISO-8859-1'?>" + header(),
     "unsupported-encoding"),
    ("<!DOCTYPE x>" + header(), "restricted-xml"),
    ("<!-- hello -->" + header(), "restricted-xml"),
    ("<?xml version='1.0'?><?pi?>" + header(), "restricted-xml"),
    ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ("hello", "not-well-formed"),
    ("</stream:stream>", "not-well-formed"),
    (header() + "</stream:stream", None),
    (header(extra="a='1' a='2'"), "not-well-formed"),
    (header(extra="x:a='1'"), "not-well-formed"),
    (header(extra="a=1"), "not-well-formed"),
], ids=lambda value: re.sub(r"\W+", " ", str(value))[-40:])
def test_header_that_is_wrong(shared, text, condition):
    with Wire(shared) as wire:
        wire._reset()
        wire.send(text)
        if condition is None:
            wire.expect(STREAM + "features")
            return
        wire.expect_stream_error(condition)
        assert wire.header.get("from") == "localhost"
        assert wire.header.get("id")
    assert f"condition={condition}" in shared.log("c2s-1")


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0", "1"])
def test_versions_that_are_spoken(shared, version):
    with Wire(shared) as wire:
        assert offers_starttls(wire.open(version=version))
        assert wire.header.get("version") == "1.0"


def test_host_is_compared_prepared(shared):
    with Wire(shared) as wire:
        assert offers_starttls(wire.open(to="LocalHost"))
        assert wire.header.get("from") == "localhost"


def test_header_byte_by_byte(shared):
    with Wire(shared) as wire:
        wire._reset()
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for character in "<?xml version='1.0'?>\n" + header():
            wire.send(character)
        assert offers_starttls(wire.next())


def test_pipelined_negotiation(shared):
    """Nobody has to wait for features."""
    with Wire(shared) as wire:
        wire._reset()
        wire.send(header() + f"<starttls xmlns='{XMLNS_TLS}'/>")
        wire.expect(STREAM + "features")
        wire.expect(TLS + "proceed")
        wire.wrap()
        wire._reset()
        wire.send(header() +
                  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                  "mechanism='PLAIN'>" +
                  b64(f"\0alice\0{PASSWORD}") + "</auth>")
        wire.expect(STREAM + "features")
        wire.expect(SASL + "success")
        assert wire.bind("piped").get("type") == "result"


def test_second_header_on_a_stream_is_but_an_element(shared):
    with Wire(shared) as wire:
        wire.open()
        wire.send(header() + "</stream:stream>")
        wire.expect_stream_error("unsupported-stanza-type")


def test_prefix_of_ours_cannot_be_declared(shared):
    """Streams' declarations travel between processes."""
    with Wire(shared) as wire:
        wire._reset()
        wire.send(header(extra="xmlns:link='urn:x'"))
        wire.expect_stream_error("bad-namespace-prefix")


def test_prefixes_of_the_header_hold_for_stanzas(shared):
    """What is declared on one stream is understood on another."""
    with Wire(shared) as alice, Wire(shared) as bob:
        bob.login("bob")
        bob.presence()
        alice.secure()
        assert alice.scram("alice").tag == SASL + "success"
        alice.open(extra="xmlns:x='urn:example:x'")
        alice.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:"
                   "ns:xmpp-bind'/></iq>")
        alice.expect(CLIENT + "iq", type="result")
        alice.send("<message to='bob@localhost' type='chat'><body>x</body>"
                   "<x:thing x:a='1'/></message>")
        got = bob.expect_message("x")
        thing = got.find("{urn:example:x}thing")
        assert thing is not None
        assert thing.get("{urn:example:x}a") == "1"


def test_stanza_may_have_a_prefix_of_its_own(shared):
    with Wire(shared) as alice, Wire(shared) as bob:
        alice.login("alice")
        bob.login("bob")
        bob.presence()
        alice.send("<c:message xmlns:c='jabber:client' to='bob@localhost' "
                   "type='chat'><c:body>prefixed</c:body></c:message>")
        bob.expect_message("prefixed")


# -- the end of a stream ------------------------------------------------------


@pytest.mark.parametrize("step", ["clear", "secure", "authenticated", "bound"])
def test_closing_handshake(shared, step):
    with Wire(shared) as wire:
        if step == "clear":
            wire.open()
        else:
            wire.secure()
        if step in ("authenticated", "bound"):
            assert wire.scram("alice").tag == SASL + "success"
            if step == "bound":
                wire.bind()
            else:
                wire.open()
        wire.send("</stream:stream>")
        wire.expect_end()
        assert wire.stream_ended and wire.closed


def test_what_was_sent_before_the_end_tag_is_delivered(shared):
    with Wire(shared) as alice, Wire(shared) as bob:
        alice.login("alice")
        bob.login("bob")
        bob.presence()
        alice.send("".join(
            "<message to='bob@localhost' type='chat'>"
            f"<body>last {number}</body></message>" for number in range(20))
            + "</stream:stream>")
        for number in range(20):
            bob.expect_message(f"last {number}")
        alice.expect_end()
        assert alice.stream_ended


def test_stanzas_after_the_end_tag_are_ignored(shared):
    with Wire(shared) as alice, Wire(shared) as bob:
        alice.login("alice")
        bob.login("bob")
        bob.presence()
        alice.send("</stream:stream><message to='bob@localhost' type='chat'>"
                   "<body>ghost</body></message>")
        alice.expect_end()
        bob.nothing(0.3)


def test_cut_connection_ends_the_session(shared):
    with Wire(shared) as bob:
        bob.login("bob")
        bob.presence()
        with Wire(shared) as other:
            other.login("bob", "short")
            other.presence()
            bob.until(lambda e: e.get("from") == "bob@localhost/short")
        gone = bob.until(lambda e: e.get("from") == "bob@localhost/short")
        assert gone.tag == CLIENT + "presence"
        assert gone.get("type") == "unavailable"


# -- TLS ----------------------------------------------------------------------


def test_no_sasl_before_tls(shared):
    with Wire(shared) as wire:
        wire.open()
        failure = wire.plain("alice")
        assert failure.tag == SASL + "failure"
        assert failure.find(SASL + "encryption-required") is not None
        # And it is not the end: TLS is still on offer.
        wire.send(f"<starttls xmlns='{XMLNS_TLS}'/>")
        wire.expect(TLS + "proceed")


def test_starttls_under_tls_is_refused(shared):
    with Wire(shared) as wire:
        wire.secure()
        wire.send(f"<starttls xmlns='{XMLNS_TLS}'/>")
        wire.expect(TLS + "failure")
        wire.send("</stream:stream>")
        wire.expect_end()
        assert wire.stream_ended


def test_starttls_on_direct_tls_is_refused(shared):
    with Wire(shared, direct_tls=True) as wire:
        wire.open()
        wire.send(f"<starttls xmlns='{XMLNS_TLS}'/>")
        wire.expect(TLS + "failure")
        wire.send("</stream:stream>")
        wire.expect_end()
        assert wire.stream_ended


def test_direct_tls_agrees_on_xmpp_client(shared):
    with Wire(shared, direct_tls=True) as wire:
        assert wire.socket.selected_alpn_protocol() == "xmpp-client"


def test_direct_tls_without_alpn_is_taken(shared):
    with socket.create_connection(("127.0.0.1", shared.tls_port), 5) as plain:
        with tls_context(alpn=False).wrap_socket(
                plain, server_hostname="localhost") as tls:
            tls.sendall(header().encode())
            assert tls.recv(10)


@pytest.mark.parametrize("protocols", [["xmpp-server"], ["http/1.1", "h2"]])
def test_wrong_alpn_is_refused(shared, protocols):
    context = tls_context()
    context.set_alpn_protocols(protocols)
    with socket.create_connection(("127.0.0.1", shared.tls_port), 5) as plain:
        with pytest.raises(ssl.SSLError) as failure:
            context.wrap_socket(plain, server_hostname="localhost")
    assert "NO_APPLICATION_PROTOCOL" in str(failure.value).upper() \
        .replace(" ", "_")


def test_xmpp_client_among_others_is_chosen(shared):
    context = tls_context()
    context.set_alpn_protocols(["h2", "xmpp-client"])
    with socket.create_connection(("127.0.0.1", shared.tls_port), 5) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            assert tls.selected_alpn_protocol() == "xmpp-client"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("direct_tls", [False, True])
def test_old_tls_versions_are_refused(shared, direct_tls):
    context = tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        if direct_tls:
            with socket.create_connection(("127.0.0.1", shared.tls_port),
                                          5) as plain:
                context.wrap_socket(plain, server_hostname="localhost")
        else:
            with Wire(shared) as wire:
                wire.starttls(context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_tls_versions(shared, version):
    context = tls_context()
    context.minimum_version = context.maximum_version = version
    with Wire(shared) as wire:
        wire.secure(context)
        assert wire.scram("alice").tag == SASL + "success"
        wire.bind()
        wire.ping()


def test_garbage_instead_of_tls(shared):
    """Nothing can be said where TLS was expected: it just ends."""
    with socket.create_connection(("127.0.0.1", shared.tls_port), 5) as plain:
        plain.sendall(header().encode())
        plain.settimeout(10)
        got = b""
        try:
            while piece := plain.recv(100):
                got += piece
        except ConnectionResetError:
            pass
        assert b"<stream" not in got


def test_pipelined_bytes_after_starttls_are_discarded(shared):
    """CVE-2011-0411 and its family."""
    with Wire(shared) as wire:
        wire.open()
        wire.send(f"<starttls xmlns='{XMLNS_TLS}'/>" + header() +
                  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                  "mechanism='PLAIN'>" +
                  b64(f"\0alice\0{PASSWORD}") + "</auth>")
        wire.expect(TLS + "proceed")
        try:
            wire.wrap()
        except OSError:
            return  # taken for a broken TLS record: as good
        features = wire.open()
        assert features.find(SASL + "mechanisms") is not None
        wire.nothing(0.5)


# -- certificates -------------------------------------------------------------


@pytest.fixture(scope="module")
def two_domains(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("domains"),
                domains=("one.example", "two.example")) as server:
        server.start()
        server.add_user("alice")
        server.add_user("alice", password="another", domain="two.example")
        server.add_user("bob", domain="two.example")
        yield server


def der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def served_certificate(server, name):
    with socket.create_connection(("127.0.0.1", server.tls_port), 5) as plain:
        with tls_context().wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert(binary_form=True)


@pytest.mark.parametrize("name, domain", [
    ("one.example", "one.example"), ("two.example", "two.example"),
    ("TWO.example", "two.example"),
    ("three.example", "one.example"), (None, "one.example")])
def test_certificate_by_name(two_domains, name, domain):
    assert served_certificate(two_domains, name) == \
        der(two_domains.certificates[domain][0])


@pytest.mark.parametrize("domain", ["one.example", "two.example"])
def test_certificate_after_starttls_is_that_of_the_stream(two_domains, domain):
    with Wire(two_domains, domain=domain) as wire:
        wire.starttls()
        assert wire.socket.getpeercert(binary_form=True) == \
            der(two_domains.certificates[domain][0])


def test_domains_have_accounts_of_their_own(two_domains):
    with Wire(two_domains, domain="two.example") as wire:
        wire.secure()
        assert wire.scram("alice").tag == SASL + "failure"
        assert wire.scram("alice", "another").tag == SASL + "success"
        wire.bind("x")
        assert wire.jid == "alice@two.example/x"


def test_chat_between_domains_of_one_server(two_domains):
    with Wire(two_domains) as alice, \
            Wire(two_domains, domain="two.example") as bob:
        alice.login("alice")
        bob.login("bob")
        bob.presence()
        alice.message("bob@two.example", "over there")
        got = bob.expect_message("over there")
        assert got.get("from") == alice.jid


def test_log_in_is_for_one_domain(two_domains):
    """The stream after log-in cannot be to another one."""
    with Wire(two_domains) as wire:
        wire.secure()
        assert wire.scram("alice").tag == SASL + "success"
        wire.open(to="two.example", read=False)
        wire.expect_stream_error("not-authorized")


def test_log_in_is_for_one_user(two_domains):
    with Wire(two_domains) as wire:
        wire.secure()
        assert wire.scram("alice").tag == SASL + "success"
        wire.open(extra="from='mallory@one.example'", read=False)
        wire.expect_stream_error("invalid-from")


def test_certificate_reload_drops_nobody(two_domains):
    server = two_domains
    with Wire(server, direct_tls=True) as alice:
        alice.login("alice")
        process = server.processes["c2s-1"]
        old = der(server.certificates["one.example"][0])
        # In place, as certbot and its kind do.
        make_certificate(server.folder, "one.example")
        new = der(server.certificates["one.example"][0])
        assert new != old
        assert served_certificate(server, "one.example") == old
        server.reload("c2s-1")
        wait_for(lambda: served_certificate(server, "one.example") == new,
                 what="the new certificate is served")
        with Wire(server) as wire:
            wire.starttls()
            assert wire.socket.getpeercert(binary_form=True) == new
        alice.ping()
        assert process.poll() is None


def test_certificate_that_is_broken_does_not_replace(two_domains):
    server = two_domains
    certificate = server.certificates["two.example"][0]
    good = certificate.read_text()
    certificate.write_text("this is no certificate\n")
    try:
        size = len(server.log("c2s-1"))
        server.reload("c2s-1")
        wait_for(lambda: "two.example" in server.log("c2s-1")[size:],
                 what="the log says what is wrong")
        with Wire(server, domain="two.example") as wire:
            wire.secure()
            assert wire.scram("bob").tag == SASL + "success"
    finally:
        certificate.write_text(good)


# -- the process ends ---------------------------------------------------------


def test_c2s_says_good_bye(chappe):
    with Wire(chappe) as alice, Wire(chappe) as early:
        alice.login("alice")
        early.open()
        chappe.kill("c2s-1", signal.SIGTERM, wait=False)
        alice.expect_stream_error("system-shutdown")
        early.expect_stream_error("system-shutdown")
    started = time.monotonic()
    assert chappe.processes.pop("c2s-1").wait(10) == 0
    assert time.monotonic() - started < 9
    with pytest.raises((OSError, Ended)):
        Wire(chappe, seconds=2)


def test_c2s_waits_for_an_sm(stopped):
    """Start order does not matter: who comes early waits for features."""
    stopped.write_conf()
    stopped.start_role("c2s")

    def connects():
        try:
            return Wire(stopped, direct_tls=True)
        except OSError:
            return None

    with wait_for(connects) as wire:
        wire.open(read=False)
        wire.nothing(0.5)
        stopped.start_role("sm")
        stopped.start_role("router")
        features = wire.next()
        assert features.find(SASL + "mechanisms") is not None
