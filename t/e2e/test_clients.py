# SPDX-License-Identifier: Apache-2.0
"""Clients that other people wrote: slixmpp, aioxmpp, go-sendxmpp, profanity,
over STARTTLS and over direct TLS; and components, slixmpp's and biboumi."""

import asyncio
import os
import subprocess
import time

import aioxmpp
import pytest
import slixmpp
from slixmpp.componentxmpp import ComponentXMPP

from chappe import PASSWORD, Chappe, wait_for
from wire import CLIENT, Wire

TRANSPORTS = pytest.mark.parametrize("direct_tls", [False, True],
                                     ids=["starttls", "direct_tls"])


class SlixClient(slixmpp.ClientXMPP):
    """Logs in, says so by `online`, collects bodies of messages."""

    def __init__(self, chappe, name, direct_tls):
        super().__init__(chappe.jid(name), PASSWORD)
        self.ca_certs = str(chappe.certificate)
        self.online = asyncio.Event()
        self.bodies = asyncio.Queue()
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", lambda message:
                               self.bodies.put_nowait(message["body"]))
        if direct_tls:
            self.connect(("127.0.0.1", chappe.tls_port), use_ssl=True)
        else:
            self.connect(("127.0.0.1", chappe.port))

    async def on_start(self, _):
        self.send_presence()
        await self.get_roster()
        self.online.set()


async def slix_chat(chappe, direct_tls):
    alice = SlixClient(chappe, "alice", direct_tls)
    bob = SlixClient(chappe, "bob", direct_tls)
    await asyncio.wait_for(alice.online.wait(), 15)
    await asyncio.wait_for(bob.online.wait(), 15)
    alice.send_message(mto=chappe.jid("bob"), mbody="from slixmpp")
    assert await asyncio.wait_for(bob.bodies.get(), 10) == "from slixmpp"
    bob.send_message(mto=alice.boundjid, mbody="and back")
    assert await asyncio.wait_for(alice.bodies.get(), 10) == "and back"
    await alice.disconnect()
    await bob.disconnect()


@TRANSPORTS
def test_slixmpp(shared, direct_tls):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(
            asyncio.wait_for(slix_chat(shared, direct_tls), 60))
    finally:
        loop.close()


AVAILABLE = aioxmpp.PresenceState(True)


def aio_client(chappe, name, direct_tls):
    layer = aioxmpp.make_security_layer(PASSWORD, no_verify=True)
    connector = (aioxmpp.connector.XMPPOverTLSConnector() if direct_tls
                 else aioxmpp.connector.STARTTLSConnector())
    port = chappe.tls_port if direct_tls else chappe.port
    return aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(chappe.jid(name)), layer,
        override_peer=[("127.0.0.1", port, connector)])


async def aio_chat(chappe, direct_tls):
    alice = aio_client(chappe, "alice", direct_tls)
    bob = aio_client(chappe, "bob", direct_tls)
    got = asyncio.get_running_loop().create_future()

    def received(message):
        if message.body and not got.done():
            got.set_result(message.body.any())

    async with alice.connected(presence=AVAILABLE), \
            bob.connected(presence=AVAILABLE):
        bob.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)\
            .register_callback(aioxmpp.MessageType.CHAT, None, received)
        message = aioxmpp.Message(to=bob.local_jid,
                                  type_=aioxmpp.MessageType.CHAT)
        message.body[None] = "from aioxmpp"
        await alice.send(message)
        assert await asyncio.wait_for(got, 10) == "from aioxmpp"


@TRANSPORTS
def test_aioxmpp(shared, direct_tls):
    asyncio.run(asyncio.wait_for(aio_chat(shared, direct_tls), 60))


@TRANSPORTS
def test_go_sendxmpp(shared, direct_tls, tmp_path):
    port = shared.tls_port if direct_tls else shared.port
    env = dict(os.environ, HOME=str(tmp_path),
               SSL_CERT_FILE=str(shared.certificate))
    with Wire(shared) as bob:
        bob.login("bob")
        bob.presence()
        done = subprocess.run(
            ["go-sendxmpp", "-u", shared.jid("alice"), "-p", PASSWORD,
             "-j", f"localhost:{port}", *(["-t"] if direct_tls else []),
             shared.jid("bob")],
            input="from go-sendxmpp", text=True, capture_output=True,
            env=env, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        got = bob.until(lambda e: e.tag == CLIENT + "message")
        assert got.findtext(CLIENT + "body").strip() == "from go-sendxmpp"


class Profanity:
    """profanity in a terminal of its own (tmux), driven as a person would."""

    def __init__(self, chappe, name, folder, direct_tls=False):
        self.chappe, self.name = chappe, name
        self.home = folder / f"home-{name}"
        self.home.mkdir(parents=True)
        self.socket = str(chappe.sockets / f"tmux-{name}")
        self.tls = "legacy" if direct_tls else "force"
        self.port = chappe.tls_port if direct_tls else chappe.port

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words],
                              check=True, capture_output=True, text=True,
                              timeout=20).stdout

    def __enter__(self):
        env = {**os.environ, "HOME": str(self.home), "TERM": "screen",
               "LANG": "C.UTF-8",
               "XDG_CONFIG_HOME": str(self.home / ".config"),
               "XDG_DATA_HOME": str(self.home / ".local")}
        subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null",
                        "new-session", "-d", "-x", "120", "-y", "40",
                        "profanity"], check=True, env=env, timeout=20)
        self.shows("Profanity")
        return self

    def __exit__(self, *_):
        try:
            self.say("/quit")
            time.sleep(0.5)
        finally:
            subprocess.run(["tmux", "-S", self.socket, "kill-server"],
                           capture_output=True, timeout=20)
            if os.path.exists(self.socket):
                os.unlink(self.socket)

    def say(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, text, seconds=20):
        wait_for(lambda: text in self.screen(), seconds,
                 f"{self.name}'s screen shows {text!r}\n" + self.screen())

    def login(self):
        self.say(f"/connect {self.chappe.jid(self.name)} server 127.0.0.1 "
                 f"port {self.port} tls {self.tls}")
        wait_for(lambda: "password" in self.screen().lower(), 20,
                 "profanity asks for the password\n" + self.screen())
        self.say(PASSWORD)
        wait_for(lambda: any(text in self.screen() for text in
                             ("logged in successfully", "/tls always")), 20,
                 "profanity is logged in\n" + self.screen())
        if "/tls always" in self.screen():
            self.say("/tls always")
        self.shows("logged in successfully")


@TRANSPORTS
def test_profanity(shared, direct_tls, tmp_path):
    with Wire(shared) as bob, \
            Profanity(shared, "alice", tmp_path, direct_tls) as alice:
        bob.login("bob")
        bob.presence()
        alice.login()
        alice.say(f"/msg {shared.jid('bob')} from profanity")
        bob.expect_message("from profanity")
        bob.message(shared.jid("alice"), "to profanity")
        alice.shows("to profanity")


# -- components ----------------------------------------------------------------


class Echo(ComponentXMPP):
    """Answers every message with its body."""

    def __init__(self, name, secret, port):
        super().__init__(name, secret, "127.0.0.1", port)
        self.online = asyncio.Event()
        self.add_event_handler("session_start",
                               lambda _: self.online.set())
        self.add_event_handler("message", self.on_message)

    def on_message(self, message):
        if message["type"] != "error":
            message.reply("echo " + message["body"]).send()


@pytest.fixture
def with_components(tmp_path):
    with Chappe(tmp_path) as server:
        server.components = {"echo.localhost": "echo-secret",
                             "irc.localhost": "irc-secret"}
        server.start()
        server.add_user("alice")
        yield server


def test_slixmpp_component(with_components):
    server = with_components

    async def talk():
        echo = Echo("echo.localhost", "echo-secret", server.component_port)
        echo.connect()
        await asyncio.wait_for(echo.online.wait(), 15)
        alice = SlixClient(server, "alice", False)
        await asyncio.wait_for(alice.online.wait(), 15)
        alice.send_message(mto="anybody@echo.localhost", mbody="hello")
        assert await asyncio.wait_for(alice.bodies.get(), 10) == "echo hello"
        await alice.disconnect()
        await echo.disconnect()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(talk(), 60))
    finally:
        loop.close()


def test_component_with_a_wrong_secret_is_refused(with_components):
    server = with_components

    async def fail():
        echo = Echo("echo.localhost", "guess", server.component_port)
        echo.connect()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(echo.online.wait(), 3)
        echo.abort()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(fail(), 30))
    finally:
        loop.close()
    assert "echo.localhost" in server.log("router")


def test_biboumi(with_components, tmp_path):
    server = with_components
    config = tmp_path / "biboumi.cfg"
    config.write_text("hostname=irc.localhost\npassword=irc-secret\n"
                      "xmpp_server_ip=127.0.0.1\n"
                      f"port={server.component_port}\n"
                      f"db_name={tmp_path}/biboumi.sqlite\n"
                      "log_level=0\n")
    with open(tmp_path / "biboumi.log", "wb") as log:
        biboumi = subprocess.Popen(["biboumi", config], stdout=log,
                                   stderr=log, cwd=tmp_path)
    try:
        with Wire(server) as alice:
            alice.login("alice")
            alice.presence()

            def answers():
                answer = alice.iq("get", "<query xmlns='http://jabber.org/"
                                  "protocol/disco#info'/>",
                                  to="irc.localhost")
                return answer.get("type") == "result" and answer

            info = wait_for(answers, 20, "biboumi answers disco#info\n"
                            + (tmp_path / "biboumi.log").read_text())
            names = [e.get("name", "") for e in info.iter()]
            assert any("Biboumi" in name for name in names), names
    finally:
        biboumi.terminate()
        biboumi.wait(10)
