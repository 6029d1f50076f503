# SPDX-License-Identifier: Apache-2.0
"""An XMPP client that does just what a test says, also what is wrong: bytes
in, elements out. Blocking, on the standard library alone."""

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from chappe import PASSWORD

CLIENT = "{jabber:client}"
STREAM = "{http://etherx.jabber.org/streams}"
STREAMS = "{urn:ietf:params:xml:ns:xmpp-streams}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"
ROSTER = "{jabber:iq:roster}"


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.b64encode(data).decode()


def tls_context(alpn=True):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(["xmpp-client"])
    return context


class Ended(Exception):
    """The peer ended the stream or the connection."""


class Wire:
    """One connection. `seconds` bounds every wait; `source` is the address
    that it comes from (127.0.0.0/8: limits count addresses); `address` and
    `port` where it goes to, if not to the server's own."""

    def __init__(self, chappe, seconds=10, direct_tls=False, domain=None,
                 source=None, address="127.0.0.1", port=None):
        self.domain = domain or chappe.domain
        self.chappe = chappe
        self.seconds = seconds
        port = port or (chappe.tls_port if direct_tls else chappe.port)
        self.socket = socket.create_connection(
            (address, port), seconds,
            source_address=(source, 0) if source else None)
        self.jid = None
        self.header = None
        self.closed = False
        self._reset()
        if direct_tls:
            self.wrap()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _reset(self):
        self._parser = ET.XMLPullParser(["start", "end"])
        self._depth = 0
        self._ready = []
        self.stream_ended = False

    def wrap(self, context=None):
        self.socket = (context or tls_context()).wrap_socket(
            self.socket, server_hostname=self.domain)

    # -- bytes ------------------------------------------------------------

    def send(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.socket.sendall(text)

    def _read(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise AssertionError("nothing came in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise AssertionError("nothing came in time") from None
        except OSError as error:
            self.closed = True
            raise Ended(str(error)) from None
        if not data:
            self.closed = True
            raise Ended("the connection was closed")
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            if event == "start":
                self._depth += 1
                if self._depth == 1:
                    self.header = element
            else:
                self._depth -= 1
                if self._depth == 1:
                    self._ready.append(element)
                elif self._depth == 0:
                    self.stream_ended = True

    def next(self, seconds=None):
        """The next top-level element."""
        end = time.monotonic() + (seconds or self.seconds)
        while not self._ready:
            if self.stream_ended:
                raise Ended("</stream:stream>")
            self._read(end)
        return self._ready.pop(0)

    def expect(self, tag, seconds=None, **attributes):
        """The next element, which must be this one."""
        element = self.next(seconds)
        assert element.tag == tag, ET.tostring(element)
        for name, value in attributes.items():
            assert element.get(name) == value, ET.tostring(element)
        return element

    def until(self, predicate, seconds=None):
        """Skips elements up to the one for which the predicate holds."""
        end = time.monotonic() + (seconds or self.seconds)
        while True:
            element = self.next(max(0.01, end - time.monotonic()))
            if predicate(element):
                return element

    def find(self, predicate, seconds=None):
        """The element for which the predicate holds; other stanzas that come
        before it stay for later."""
        kept = []
        end = time.monotonic() + (seconds or self.seconds)
        try:
            while True:
                element = self.next(max(0.01, end - time.monotonic()))
                if predicate(element):
                    return element
                kept.append(element)
        except AssertionError as error:
            raise AssertionError(f"{error}, but: " + b" ".join(
                ET.tostring(e) for e in kept).decode()) from None
        finally:
            self._ready = kept + self._ready

    def nothing(self, seconds=0.5):
        """Asserts that no element comes."""
        try:
            element = self.next(seconds)
        except AssertionError:
            return
        raise AssertionError("came: " + ET.tostring(element).decode())

    def expect_stream_error(self, condition, seconds=None):
        """A stream error of that condition, then the end; returns it."""
        while True:
            element = self.next(seconds)
            if element.tag == STREAM + "error":
                break
        assert self.header is not None
        names = [child.tag for child in element]
        assert STREAMS + condition in names, ET.tostring(element)
        self.expect_end(seconds)
        assert self.stream_ended and not self._ready
        return element

    def expect_end(self, seconds=None):
        end = time.monotonic() + (seconds or self.seconds)
        try:
            while True:
                self._read(end)
        except (Ended, ET.ParseError):
            return

    # -- negotiation --------------------------------------------------------

    def open(self, to=None, extra="", version="1.0", read=True):
        """Sends a stream header; returns the features that come."""
        self._reset()
        to = self.domain if to is None else to
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams' "
                  f"to={quoteattr(to)} version='{version}' {extra}>")
        return self.expect(STREAM + "features") if read else None

    def starttls(self, context=None):
        features = self.open()
        assert features.find(TLS + "starttls") is not None
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.expect(TLS + "proceed")
        self.wrap(context)
        return self

    def secure(self, context=None):
        """Up to the features under TLS, which it returns."""
        if not isinstance(self.socket, ssl.SSLSocket):
            self.starttls(context)
        return self.open()

    def auth(self, mechanism, initial=None):
        text = "" if initial is None else (b64(initial) or "=")
        self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                  f"mechanism='{mechanism}'>{text}</auth>")

    def response(self, data):
        self.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                  f"{b64(data)}</response>")

    def plain(self, user, password=PASSWORD, authzid=""):
        self.auth("PLAIN", f"{authzid}\0{user}\0{password}")
        return self.next()

    def scram(self, user, password=PASSWORD, mechanism="SCRAM-SHA-256",
              header="n,,", binding=b""):
        """One SCRAM exchange; returns success or failure. A server signature
        that is wrong is an error of the test."""
        digest = "sha1" if "SHA-1" in mechanism else "sha256"
        nonce = secrets.token_hex(12)
        name = user.replace("=", "=3D").replace(",", "=2C")
        first = f"n={name},r={nonce}"
        self.auth(mechanism, header + first)
        answer = self.next()
        if answer.tag != SASL + "challenge":
            return answer
        server_first = base64.b64decode(answer.text).decode()
        fields = dict(f.split("=", 1) for f in server_first.split(","))
        assert fields["r"].startswith(nonce)
        self.last_scram = fields
        salted = hashlib.pbkdf2_hmac(digest, password.encode(),
                                     base64.b64decode(fields["s"]),
                                     int(fields["i"]))

        def mac(key, text):
            return hmac.new(key, text, digest).digest()

        client_key = mac(salted, b"Client Key")
        final = f"c={b64(header.encode() + binding)},r={fields['r']}"
        message = f"{first},{server_first},{final}".encode()
        signature = mac(hashlib.new(digest, client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.response(f"{final},p={b64(proof)}")
        answer = self.next()
        if answer.tag == SASL + "success":
            verifier = base64.b64decode(answer.text).decode()
            wanted = mac(mac(salted, b"Server Key"), message)
            assert verifier == "v=" + b64(wanted)
        return answer

    def bind(self, resource=None):
        """Binds after log-in; returns the answer."""
        features = self.open()
        assert features.find(BIND + "bind") is not None, \
            ET.tostring(features)
        wish = f"<resource>{escape(resource)}</resource>" if resource else ""
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:"
                  f"ns:xmpp-bind'>{wish}</bind></iq>")
        answer = self.expect(CLIENT + "iq", id="bind")
        jid = answer.find(f"{BIND}bind/{BIND}jid")
        if jid is not None:
            self.jid = jid.text
        return answer

    def login(self, user, resource=None, password=PASSWORD):
        """All of it, over whatever transport this is; returns self."""
        if not isinstance(self.socket, ssl.SSLSocket):
            self.starttls()
        self.open()
        assert self.scram(user, password).tag == SASL + "success"
        assert self.bind(resource).get("type") == "result"
        return self

    # -- stanzas --------------------------------------------------------------

    def presence(self, inner=""):
        """Initial presence, and its echo, so that the server has seen it."""
        self.send(f"<presence>{inner}</presence>")
        self.find(lambda e: e.tag == CLIENT + "presence"
                  and e.get("from") == self.jid)

    def roster(self):
        answer = self.iq("get", "<query xmlns='jabber:iq:roster'/>")
        return answer.find(ROSTER + "query")

    def iq(self, kind, inner, to=None, seconds=None):
        """Sends a request and returns its answer; other stanzas that come
        before it stay for later."""
        number = secrets.token_hex(4)
        address = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{number}'{address}>{inner}</iq>")
        return self.answer(number, seconds)

    def answer(self, number, seconds=None):
        """The iq with that id; see find()."""
        return self.find(lambda e: e.tag == CLIENT + "iq"
                         and e.get("id") == number, seconds)

    def ping(self):
        """A round trip: all that was sent before has been handled."""
        answer = self.iq("get", "<ping xmlns='urn:xmpp:ping'/>",
                         to=self.domain)
        assert answer.get("type") == "result", ET.tostring(answer)

    def settle(self):
        """Whatever has come by now, after a round trip; none is left."""
        self.ping()
        came, self._ready = self._ready, []
        return came

    def message(self, to, body, kind="chat"):
        self.send(f"<message to={quoteattr(to)} type='{kind}'>"
                  f"<body>{escape(body)}</body></message>")

    def expect_message(self, body=None, seconds=None):
        element = self.until(lambda e: e.tag == CLIENT + "message", seconds)
        if body is not None:
            assert element.findtext(CLIENT + "body") == body, \
                ET.tostring(element)
        return element

    def end(self):
        self.send("</stream:stream>")
        self.expect_end()


def error_of(stanza):
    """(condition, type) of an error stanza."""
    error = stanza.find(CLIENT + "error")
    assert error is not None, ET.tostring(stanza)
    for child in error:
        if child.tag.startswith(STANZAS) and child.tag != STANZAS + "text":
            return child.tag[len(STANZAS):], error.get("type")
    raise AssertionError(ET.tostring(stanza))
