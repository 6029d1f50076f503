# SPDX-License-Identifier: Apache-2.0
"""Roles that should not be let in, that come at the wrong time, or again and
again: real processes. What single elements on a link do wrong is in
test_bad_input.py."""

import hashlib
import json
import re
import secrets
import signal
import socket
import subprocess
import time

import pytest

from chappe import SOURCE, free_port, wait_for
from cluster import Authority
from wire import Wire

SPEAK = ("<stream:stream xmlns='jabber:component:accept' xmlns:stream="
         "'http://etherx.jabber.org/streams' xmlns:link='urn:chappe:link:0' "
         "to='{}'>")


def section(title, **options):
    """A section of the configuration, as text."""
    lines = "".join(f"\t{name.replace('_', '-')} = {value}\n"
                    for name, value in options.items())
    return f"{title} {{\n{lines}}}\n"


def with_sections(server, text):
    """Ahead of the patterns: the first section that fits an instance is its
    own."""
    server.conf_path.write_text(text + server.conf_path.read_text())


def talk(alice, bob, count=5):
    """A few lines, all of which arrive in order."""
    lines = [f"{secrets.token_hex(4)} {number}" for number in range(count)]
    for line in lines:
        alice.message("bob@localhost", line)
    for line in lines:
        bob.expect_message(line)


def until_there(server, name):
    """Until its last start has led to a link."""
    wait_for(lambda: "link.ready" in server.log(name).split(
        "role.started")[-1], 15, name + " has a link")


@pytest.fixture
def pair(chappe):
    with Wire(chappe, 30) as alice, Wire(chappe, 30) as bob:
        alice.login("alice")
        bob.login("bob")
        alice.presence()
        bob.presence()
        yield alice, bob


# -- who is let in ----------------------------------------------------------


def test_wrong_secret(chappe, pair):
    """Is refused, says so, tries again ever more rarely, harms nobody; and
    is let in when the secret is right."""
    wrong = chappe.folder / "secret-wrong"
    wrong.write_text("not the right one\n")
    wrong.chmod(0o600)
    with_sections(chappe, section(
        'c2s "c2s-9"', routers=f'{{ "unix:{chappe.sockets}/router.sock" }}',
        secret_file=f'"{wrong}"', listen=f'{{ "127.0.0.1:{free_port()}" }}',
        listen_tls="{}"))
    chappe.start_role("c2s", "c2s-9")
    wait_for(lambda: "not-authorized" in chappe.log("c2s-9"), 10, "refused")
    talk(*pair)
    time.sleep(4)
    assert chappe.processes["c2s-9"].poll() is None
    refused = chappe.log("router").count("link.unproved")
    assert 2 <= refused <= 15
    assert "not the right one" not in chappe.log("router")
    wrong.write_text(chappe._secret("c2s").read_text())
    chappe.restart_role("c2s", "c2s-9")
    wait_for(lambda: "link.ready" in chappe.log("c2s-9"), 10, "let in")


def test_a_name_that_is_taken(chappe, pair):
    """The second process waits; clients stay with the first one. When that
    dies, the second takes its place."""
    first = chappe.processes["c2s-1"]
    chappe.start_role("c2s", "c2s-1")
    second = chappe.processes["c2s-1"]
    wait_for(lambda: "conflict" in chappe.log("c2s-1"), 15, "refused")
    talk(*pair)
    assert first.poll() is None and second.poll() is None
    rows = json.loads(chappe.ctl("--json", "status").stdout)
    assert sum(row["name"] == "c2s-1" for row in rows) == 1
    first.terminate()
    first.wait(15)
    chappe.wait_ready()
    with Wire(chappe) as alice:
        alice.login("alice")
        alice.ping()


def test_an_sm_whose_name_is_taken(chappe, pair):
    """It claims no users either; when the first one dies it serves them."""
    first = chappe.processes["sm-1"]
    chappe.start_role("sm", "sm-1")
    wait_for(lambda: "conflict" in chappe.log("sm-1"), 15, "refused")
    talk(*pair)
    # Acknowledgements between the processes take a moment.
    time.sleep(0.5)
    first.kill()
    chappe.expect_crash.add(first.pid)
    first.wait(15)
    talk(*pair)


@pytest.mark.parametrize("version, agreed", [("1", "1"), ("2", "2"),
                                             ("17", "2")])
def test_newer_version_speaks_the_older(chappe, version, agreed):
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(f"{chappe.sockets}/router.sock")
        link.sendall(SPEAK.format("c2s-9").encode())
        got = link.recv(4096).decode()
        number = re.search(r"id='([^']+)'", got)[1]
        secret = chappe._secret("c2s").read_text().strip()
        digest = hashlib.sha1((number + secret).encode()).hexdigest()
        link.sendall(f"<handshake>{digest}</handshake>".encode())
        assert b"<handshake/>" in link.recv(4096)
        link.sendall(f"<link:role epoch='00000000000000aa' "
                     f"version='{version}' software='chappe 99'/>".encode())
        assert f"version='{agreed}'" in link.recv(4096).decode()


# -- several on one port ----------------------------------------------------


def test_several_c2s_share_a_port(chappe):
    """The kernel spreads connections over them; people on both talk. One of
    them may end while the other serves on."""
    chappe.start_role("c2s", "c2s-2")
    until_there(chappe, "c2s-2")
    chappe.add_users(*(f"user{i}@localhost" for i in range(20)))
    wires = [Wire(chappe, 15).login(f"user{i}") for i in range(20)]
    rows = json.loads(chappe.ctl("--json", "session", "list").stdout)
    serving = {row["jid"]: row["c2s"] for row in rows}
    assert set(serving.values()) == {"c2s-1", "c2s-2"}
    here = [w for w in wires if serving[w.jid] == "c2s-1"]
    there = [w for w in wires if serving[w.jid] == "c2s-2"]
    here[0].message(there[0].jid, "across")
    there[0].expect_message("across")
    chappe.kill("c2s-2", signal.SIGTERM)
    for wire in here:
        wire.ping()
    with Wire(chappe) as again:
        again.login(there[0].jid.split("@")[0])
        again.ping()
    for wire in wires:
        wire.socket.close()


# -- coming and going -----------------------------------------------------


@pytest.mark.parametrize("role, how", [
    ("c2s", signal.SIGKILL), ("c2s", signal.SIGTERM),
    ("sm", signal.SIGKILL), ("sm", signal.SIGTERM)])
def test_one_that_comes_and_goes_every_second(chappe, pair, role, how):
    """The others' clients lose nothing; a second sm takes users over and gives
    them back each time."""
    alice, bob = pair
    name = f"{role}-2"
    sent = 0
    for _ in range(5):
        chappe.start_role(role, name)
        until_there(chappe, name)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            alice.message("bob@localhost", f"line {sent}")
            sent += 1
            time.sleep(0.02)
        chappe.kill(name, how)
    for number in range(sent):
        bob.expect_message(f"line {number}", 30)
    rows = json.loads(chappe.ctl("--json", "status").stdout)
    assert sorted(row["name"] for row in rows
                  if row["kind"] != "admin") == ["c2s-1", "sm-1"]
    rows = json.loads(chappe.ctl("--json", "session", "list").stdout)
    assert {row["jid"] for row in rows} == {alice.jid, bob.jid}


# -- a clock that is off ----------------------------------------------------


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    shim = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim,
                    SOURCE / "t/chaos/clock.c", "-ldl"], check=True)
    return shim


@pytest.mark.parametrize("seconds", [-1800, 1800])
def test_clock_of_an_sm_is_off(chappe, clock, seconds, monkeypatch):
    """People log in whichever of two sms checks their password; when the one
    with the odd clock dies, the other takes its sessions."""
    monkeypatch.setenv("LD_PRELOAD", str(clock))
    monkeypatch.setenv("CHAPPE_CLOCK_OFF", str(seconds))
    monkeypatch.setattr(chappe, "environment", lambda original=chappe
                        .environment: {**original(), "ASAN_OPTIONS":
                                       original()["ASAN_OPTIONS"]
                                       + ":verify_asan_link_order=0"})
    chappe.start_role("sm", "sm-2")
    monkeypatch.undo()
    until_there(chappe, "sm-2")
    stamp = re.match(r"\S+", chappe.log("sm-2"))[0]
    assert stamp[:16] != time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    names = [f"user{i}" for i in range(8)]
    chappe.add_users(*(name + "@localhost" for name in names))
    wires = {}
    for name in names:
        # Which sm checks the password is another one each time.
        for _ in range(3):
            with Wire(chappe, 15) as wire:
                wire.login(name)
        wires[name] = Wire(chappe, 30).login(name)
        wires[name].presence()
    served = chappe.ctl("show", "sm-2").stdout
    assert served
    chappe.kill("sm-2")
    for i, name in enumerate(names):
        other = names[i - 1]
        wires[name].message(f"{other}@localhost", f"from {name}")
        wires[other].expect_message(f"from {name}")
    for wire in wires.values():
        wire.socket.close()


# -- links under TLS --------------------------------------------------------


@pytest.fixture
def secured(stopped):
    """A router that is reached under TLS; c2s-1 and sm-1 link to it as the
    test says, by `link` (options of their sections)."""
    server = stopped
    server.authority = Authority(server.folder)
    server.link_port = free_port()
    certificate, key = server.authority.issue("router.test", "127.0.0.1")
    server.conf["router"] = {
        "listen-tls": [f"127.0.0.1:{server.link_port}"],
        "certificate": certificate, "key": key,
        "ca": server.authority.certificate}
    return server


def link_by(server, role, **more):
    server.conf[role] = {"routers": [f"127.0.0.1:{server.link_port}"],
                         "link-tls": "yes",
                         "link-ca": server.authority.certificate, **more}


def require_certificates(server, *names):
    """They, and only they, have no secret at the router."""
    server.extra_links = "".join(section(f'link "{name}"', **{
        "kind": name.split("-")[0], "certificate": "yes",
        **({"names": '{ "localhost" }'} if name.startswith("sm") else {})})
        for name in names)


def by_certificate(server, name, authority=None):
    certificate, key = (authority or server.authority).issue(name)
    return {"link-certificate": certificate, "link-key": key,
            "secret-file": None}


def test_tls_with_secrets(secured):
    link_by(secured, "c2s")
    link_by(secured, "sm")
    secured.start()
    secured.add_user("alice")
    with Wire(secured) as alice:
        alice.login("alice")


def test_tls_with_client_certificates(secured):
    """No secret at all: the certificate names the link."""
    require_certificates(secured, "c2s-1", "sm-1")
    link_by(secured, "c2s", **by_certificate(secured, "c2s-1"))
    link_by(secured, "sm", **by_certificate(secured, "sm-1"))
    secured.start()
    secured.add_user("alice")
    with Wire(secured) as alice:
        alice.login("alice")


def refused(server, role="c2s"):
    """Starts it, and waits until it has said why it has no link."""
    server.write_conf()
    server.start_role("router")
    server.start_role(role)
    log = wait_for(lambda: re.search(r"link\.waiting.*", server.log(
        f"{role}-1").split("refused\"")[-1]), 10, "it says so")[0]
    assert "link.ready" not in server.log(f"{role}-1")
    return log


def test_certificate_of_another_name_is_refused(secured):
    require_certificates(secured, "c2s-1")
    link_by(secured, "c2s", **by_certificate(secured, "c2s-2"))
    assert "not-authorized" in refused(secured)


def test_certificate_of_another_authority_is_refused(secured):
    other = secured.folder / "other"
    other.mkdir()
    require_certificates(secured, "c2s-1")
    link_by(secured, "c2s", **by_certificate(secured, "c2s-1",
                                             Authority(other)))
    assert refused(secured)


def test_secret_instead_of_the_certificate_is_refused(secured):
    require_certificates(secured, "c2s-1")
    link_by(secured, "c2s")
    assert "not-authorized" in refused(secured)


def test_router_of_another_authority_is_refused(secured):
    """The role does not show its secret to whoever it cannot check."""
    other = secured.folder / "other"
    other.mkdir()
    link_by(secured, "c2s")
    secured.conf["c2s"]["link-ca"] = Authority(other).certificate
    assert "certificate" in refused(secured)
    assert "link.unproved" not in secured.log("router")
