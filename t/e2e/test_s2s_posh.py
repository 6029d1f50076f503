# SPDX-License-Identifier: Apache-2.0
"""Certificates that a domain announces by HTTPS (RFC 7711)."""

import base64
import hashlib
import http.server
import json
import ssl
import subprocess
import threading

import pytest

from federation import A
from test_s2s import bounced, chat, rows, world  # noqa: F401
from wire import Wire

PATH = "/.well-known/posh/xmpp-server.json"


class Web:
    """Web servers of domains; `pages` is {(host, path): answer}, an answer
    being (status, headers, body)."""

    def __init__(self, world, certificate):
        self.pages, self.asked = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].split(":")[0]
                web.asked.append((host, self.path))
                status, headers, body = web.pages.get(
                    (host, self.path), (404, {}, b"no"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, certificate))
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def fingerprint(certificate):
    der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform",
                          "DER"], check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def document(certificate, expires=3600):
    return json.dumps({"fingerprints": [{"sha-256": fingerprint(certificate)}],
                       "expires": expires}).encode()


class Hosted:
    """b.example is hosted by somebody whose certificate is for another name;
    a.example wants to trust it."""

    def __init__(self, world, certificate=None, both=False):
        names = ["DNS:a.example", "DNS:b.example", "DNS:far.example"]
        self.web = Web(world, certificate or
                       world.authority.issue("b.example", names))
        for name in ("a.example", "b.example", "far.example"):
            world.names.records[name, A] = ["127.0.0.1"]
        self.a = world.chappe("a.example", **{"posh-port": self.web.port,
                                              "queue-age": "2s"})
        self.b = world.chappe("b.example", **{"posh-port": self.web.port})
        self.b.certificates["b.example"] = \
            world.others.issue("hosting.example")
        if both:
            self.a.certificates["a.example"] = \
                world.others.issue("hosting.example")
        self.shown = self.b.certificates["b.example"][0]

    def publish(self, body, host="b.example", path=PATH, status=200, **more):
        self.web.pages[host, path] = (
            status, {k.capitalize(): v for k, v in more.items()}, body)

    def start(self):
        self.a.start()
        self.b.start()
        return self.a, self.b


def test_a_domain_announces_its_certificate(world):
    """In both directions, EXTERNAL included, and it is asked once."""
    hosted = Hosted(world, both=True)
    hosted.publish(document(hosted.shown))
    hosted.publish(document(hosted.a.certificates["a.example"][0]),
                   "a.example")
    a, b = hosted.start()
    chat(a, b)
    for server, other in ((a, "b.example"), (b, "a.example")):
        assert {row["trust"] for row in server.rows(other)} == {"trusted"}
    assert "dialback" not in a.log("s2s-1")
    assert hosted.web.asked.count(("b.example", PATH)) == 1
    assert "posh.asked domain=b.example certificates=1" in a.log("s2s-1")
    hosted.web.close()


@pytest.mark.parametrize("how", ["redirect", "reference"])
def test_the_document_is_elsewhere(world, how):
    hosted = Hosted(world)
    url = f"https://far.example:{hosted.web.port}/posh.json"
    if how == "redirect":
        hosted.publish(b"", status=302, location=url)
    else:
        hosted.publish(json.dumps({"url": url, "expires": 60}).encode())
    hosted.publish(document(hosted.shown), "far.example", "/posh.json")
    a, b = hosted.start()
    with Wire(a, 20).login("alice") as alice, \
            Wire(b, 20).login("bob") as bob:
        bob.send("<presence/>")
        alice.message(bob.jid, "hello")
        bob.expect_message("hello")
    assert (rows(a).get("out") or rows(a)["both"])["trust"] == "trusted"
    hosted.web.close()


BAD = {
    "nothing": None,
    "another certificate": lambda h: h.publish(
        document(h.a.certificate)),
    "not JSON": lambda h: h.publish(b"<html>"),
    "no time": lambda h: h.publish(document(h.shown, 0)),
    "wrong types": lambda h: h.publish(json.dumps(
        {"fingerprints": [1, {"sha-256": 2}, {"sha-256": "x"}, {}],
         "expires": "soon"}).encode()),
    "too big": lambda h: h.publish(document(h.shown) + b" " * 100000),
    "a loop": lambda h: h.publish(
        b"", status=302, location=f"https://b.example:{h.web.port}{PATH}"),
    "to no HTTPS": lambda h: h.publish(
        b"", status=302, location="http://b.example/posh.json"),
    "an error": lambda h: h.publish(document(h.shown), status=500),
}


@pytest.mark.parametrize("what", BAD)
def test_what_announces_nothing(world, what):
    hosted = Hosted(world)
    if BAD[what]:
        BAD[what](hosted)
    a, _ = hosted.start()
    with Wire(a, 20).login("alice") as alice:
        assert "cannot be trusted" in bounced(alice, "bob@b.example")[1]
    assert "posh.asked" in a.log("s2s-1")
    assert len(hosted.web.asked) < 10
    hosted.web.close()


@pytest.mark.parametrize("fault", ["issuer", "name"])
def test_the_web_server_is_not_the_domains(world, fault):
    hosted = Hosted(world, world.others.issue("b.example")
                    if fault == "issuer" else
                    world.authority.issue("c.example"))
    hosted.publish(document(hosted.shown))
    a, _ = hosted.start()
    with Wire(a, 20).login("alice") as alice:
        assert "cannot be trusted" in bounced(alice, "bob@b.example")[1]
    assert hosted.web.asked == []
    hosted.web.close()
