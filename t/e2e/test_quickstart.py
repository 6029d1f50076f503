# SPDX-License-Identifier: Apache-2.0
"""The README's first command as a newcomer runs it: in a copy of the sources
without anything built, by an ordinary user, with the packages installed."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from chappe import SOURCE, free_port
from postgres import Postgres
from slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, person
from wire import SASL, Wire

USER = "nobody"


@pytest.fixture(scope="module")
def tree():
    """A checkout of what git knows, owned by an ordinary user. Not below
    pytest's folder, which is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="chappe-quickstart-"))
    folder.chmod(0o755)
    files = subprocess.run(
        ["git", "-C", SOURCE, "ls-files", "-z", "--cached"],
        check=True, capture_output=True).stdout.split(b"\0")
    copy = folder / "chappe"
    for name in filter(None, files):
        path = os.fsdecode(name)
        if not os.path.exists(SOURCE / path):
            continue
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SOURCE / path, copy / path)
    if os.getuid() == 0:
        user = pwd.getpwnam(USER)
        for path, folders, names in os.walk(copy):
            for name in [path] + [os.path.join(path, n) for n in names]:
                os.chown(name, user.pw_uid, user.pw_gid)
    yield copy
    quickstart(copy, "stop")
    shutil.rmtree(folder)


def quickstart(tree, *words, check=None, seconds=300):
    command = ["./quickstart", *words]
    if os.getuid() == 0:
        command = ["runuser", "-u", USER, "--", *command]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tree),
           "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True,
                          text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL)
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done


class Instance:
    """What a script reads from DIR/env and DIR/accounts."""

    def __init__(self, folder):
        text = (folder / "env").read_text()
        self.env = dict(re.findall(r"^(CHAPPE_\w+)='(.*)'$", text, re.M))
        self.domain = self.env["CHAPPE_DOMAIN"]
        self.port = int(self.env["CHAPPE_PORT"])
        self.tls_port = int(self.env["CHAPPE_TLS_PORT"])
        self.accounts = dict(line.split(" ", 1) for line in
                             (folder / "accounts").read_text().splitlines())


@pytest.fixture(scope="module")
def running(tree):
    """The instance, and what quickstart said."""
    done = quickstart(tree, "--no-install", "--port", str(free_port()),
                      "--tls-port", str(free_port()), "--s2s-port",
                      str(free_port()), check=0)
    return Instance(tree / "run"), done.stdout


def test_it_starts_and_says_how_to_log_in(tree, running):
    instance, said = running
    for jid, password in instance.accounts.items():
        assert jid in said and password in said
    assert f"port {instance.port}" in said
    assert "quickstart stop" in said
    assert os.stat(tree / "run/accounts").st_mode & 0o777 == 0o600
    assert os.stat(tree / "run/secrets").st_mode & 0o077 == 0
    # Clients are to trust it.
    certificate = Path(instance.env["CHAPPE_CERTIFICATE"])
    assert os.stat(certificate).st_mode & 0o777 == 0o644
    conf = (tree / "run/chappe.conf").read_text()
    assert re.search(r'^sm "sm-\*" \{\n\trouters = ', conf, re.M)


def test_both_accounts_chat(running):
    instance, _ = running
    passwords = instance.accounts
    with Wire(instance) as alice, Wire(instance, direct_tls=True) as bob:
        alice.login("alice", password=passwords["alice@localhost"])
        bob.login("bob", password=passwords["bob@localhost"])
        bob.presence()
        alice.message("bob@localhost", "first light")
        bob.expect_message("first light")


def test_again_is_harmless(tree, running):
    before = (tree / "run/accounts").read_text(), (tree / "run/env").read_text()
    pids = {p.name: p.read_text() for p in (tree / "run/pid").iterdir()}
    done = quickstart(tree, "--no-install", check=0)
    assert "already" in done.stdout
    assert before == ((tree / "run/accounts").read_text(),
                      (tree / "run/env").read_text())
    assert pids == {p.name: p.read_text()
                    for p in (tree / "run/pid").iterdir()}


def test_the_environment_is_for_scripts(tree, running):
    instance, _ = running
    script = (". run/env && printf 'open sesame\\n' | chappectl user add "
              "carol@$CHAPPE_DOMAIN --password-stdin && "
              "chappectl user list $CHAPPE_DOMAIN")
    command = ["sh", "-c", script]
    if os.getuid() == 0:
        command = ["runuser", "-u", USER, "--", *command]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert "carol@localhost" in done.stdout
    with Wire(instance) as carol:
        carol.login("carol", password="open sesame")


def test_a_killed_role_is_started_again(tree, running):
    instance, _ = running
    os.kill(int((tree / "run/pid/sm").read_text()), signal.SIGKILL)
    assert quickstart(tree, "status").returncode == 1
    quickstart(tree, "--no-install", check=0)
    assert quickstart(tree, "status").returncode == 0
    with Wire(instance) as alice:
        alice.login("alice", password=instance.accounts["alice@localhost"])


def test_a_component_is_allowed(tree, running):
    port = free_port()
    quickstart(tree, "--no-install", "--component-port", str(port),
               "--component", "echo.localhost=a secret of ours", check=0)
    instance = Instance(tree / "run")
    assert instance.env["CHAPPE_COMPONENT_PORT"] == str(port)
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(b"<stream:stream xmlns='jabber:component:accept' "
                     b"xmlns:stream='http://etherx.jabber.org/streams' "
                     b"to='echo.localhost'>")
        link.settimeout(5)
        assert b"id=" in link.recv(4096)
    # What was chosen before has stayed.
    assert instance.port == running[0].port


def test_another_domain_in_another_folder(tree, running):
    ports = [str(free_port()), str(free_port())]
    done = quickstart(tree, "--no-install", "--run-dir", "other", "--domain",
                      "chat.example", "--port", ports[0], "--tls-port",
                      ports[1], "--s2s-port", "15269", check=0)
    try:
        instance = Instance(tree / "other")
        assert "alice@chat.example" in done.stdout
        assert "127.0.0.1" in done.stdout
        assert instance.env["CHAPPE_S2S_PORT"] == "15269"
        with Wire(instance) as alice:
            alice.starttls()
            alice.open()
            password = instance.accounts["alice@chat.example"]
            assert alice.scram("alice", password).tag == SASL + "success"
    finally:
        quickstart(tree, "--run-dir", "other", "stop", check=0)


@pytest.mark.parametrize("words,sentence", [
    (["--port", "many"], "port number"),
    (["--port", "70000"], "port number"),
    (["--domain", "not a domain"], "no domain name"),
    (["--domain", "a..b"], "no domain name"),
    (["--component", "a..b=secret"], "NAME=SECRET"),
    (["--no-install", "--port", "5400", "--component-port", "05400"],
     "port 5400 is wanted twice"),
    (["--component", "noequals"], "NAME=SECRET"),
    (["--colour", "blue"], "what is '--colour'"),
    (["--run-dir", "/proc/nowhere", "--no-install"], "cannot make"),
    (["--run-dir", "absent", "stop"], "no instance"),
])
def test_it_fails_with_a_sentence(tree, words, sentence):
    done = quickstart(tree, *words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


# -- on servers that exist ----------------------------------------------------


def ports():
    return ("--port", str(free_port()), "--tls-port", str(free_port()),
            "--s2s-port", str(free_port()))


def stop(tree, folder):
    quickstart(tree, "--run-dir", folder, "stop", check=0)


def test_on_a_postgresql(tree):
    with Postgres() as server:
        where = ("--no-install", "--run-dir", "pg")
        done = quickstart(tree, *where, *ports(), "--postgres", server.uri(),
                          check=0)
        try:
            assert "alice@localhost" in done.stdout
            assert server.ours("SELECT count(*) FROM account") == "2"
            assert not (tree / "pg/chappe.db").exists()
            assert os.stat(tree / "pg/chappe.conf").st_mode & 0o077 == 0
            assert os.stat(tree / "pg/env").st_mode & 0o077 == 0
            # What was chosen stays.
            before = state(tree, "pg")
            assert "already" in quickstart(tree, *where, check=0).stdout
            assert state(tree, "pg") == before
            instance = Instance(tree / "pg")
            with Wire(instance) as alice:
                alice.login("alice",
                            password=instance.accounts["alice@localhost"])
            # A wrong one leaves what runs.
            wrong = server.uri().replace("elephants", "mice")
            done = quickstart(tree, *where, "--postgres", wrong)
            assert done.returncode == 1
            assert "database cannot be used" in done.stderr
            assert "password authentication failed" in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
            assert state(tree, "pg") == before
        finally:
            stop(tree, "pg")


@pytest.fixture(scope="module")
def directory(tree):
    """And its certificate and password, where an ordinary user reads them."""
    with Slapd(person("alice", "of the directory"), host="localhost") as slapd:
        ca, secret = tree / "ldap-ca.pem", tree / "ldap-password"
        ca.write_bytes(Path(slapd.certificate).read_bytes())
        secret.write_text(SERVICE_PASSWORD + "\n")
        for path in (ca, secret):
            path.chmod(0o644)
        yield slapd


BIND = ("--ldap-bind", SERVICE, "--ldap-password-file", "ldap-password",
        "--ldap-ca", "ldap-ca.pem")


@pytest.mark.parametrize("more", [(), ("--ldap-base", PEOPLE)])
def test_on_a_directory(tree, directory, more):
    """Which says itself where people are."""
    folder = "ldap" + str(len(more))
    where = ("--no-install", "--run-dir", folder)
    done = quickstart(tree, *where, *ports(), "--ldap", directory.name_uri,
                      *BIND, *more, check=0)
    try:
        assert "password of the directory" in done.stdout
        assert os.stat(tree / folder / "secrets/ldap").st_mode & 0o77 == 0
        instance = Instance(tree / folder)
        with Wire(instance) as alice:
            alice.secure()
            assert alice.plain("alice", "of the directory").tag == \
                SASL + "success"
        assert "already" in quickstart(tree, *where, check=0).stdout
    finally:
        stop(tree, folder)


@pytest.mark.parametrize("words,sentence", [
    (["--postgres", "sqlite:x"], "--postgres wants postgresql://"),
    (["--postgres", "postgresql://x/'"], "must not have a quote"),
    (["--postgres", "postgresql://127.0.0.1:1/x"], "Connection refused"),
    (["--ldap", "http://x"], "--ldap wants ldap://"),
    (["--ldap-base", "dc=x"], "go with --ldap"),
    (["--ldap", "ldap://127.0.0.1:1"], "Can't contact LDAP server"),
    (["--ldap", "URI", "--ldap-ca", "no/such"], "cannot read the file"),
    (["--ldap", "URI", "--ldap-bind", "cn=x"], "needs --ldap-password-file"),
    # Its certificate is not known.
    (["--ldap", "URI"], "cannot be asked"),
    (["--ldap", "URI", "--ldap-bind", "cn=nobody", "--ldap-password-file",
      "ldap-password", "--ldap-ca", "ldap-ca.pem"], "Invalid credentials"),
    (["--ldap", "URI", *BIND, "--ldap-base", "dc=nowhere"],
     "shows nothing at dc=nowhere"),
])
def test_servers_that_cannot_be_used(tree, directory, words, sentence):
    words = [word.replace("URI", directory.name_uri) for word in words]
    done = quickstart(tree, "--no-install", "--run-dir", "wrong", *ports(),
                      *words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tree / "wrong/chappe.conf").exists()


def test_a_taken_port_is_said(tree, running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = quickstart(tree, "--no-install", "--run-dir", "third",
                          "--port", port)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr


def state(tree, folder="run"):
    return {path.name: path.read_text() for path in
            [*(tree / folder / "pid").iterdir(), tree / folder / "env",
             tree / folder / "chappe.conf"]}


@pytest.mark.parametrize("words", [
    ["--domain", "a..b"],
    ["--tls-port", "PORT"],
    ["--port", "TAKEN"],
    # What only the roles themselves refuse.
    ["--component", "empty.localhost=\n"],
])
def test_a_wrong_option_leaves_what_runs(tree, running, words):
    instance, _ = running
    before = state(tree)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"PORT": str(instance.port),
                 "TAKEN": str(taken.getsockname()[1])}
        done = quickstart(tree, "--no-install",
                          *[ports.get(word, word) for word in words])
    if done.returncode == 0:
        pytest.fail(done.stdout)
    assert state(tree) == before
    assert quickstart(tree, "status").returncode == 0
    quickstart(tree, "--no-install", check=0)
    with Wire(instance) as alice:
        alice.login("alice", password=instance.accounts["alice@localhost"])


def test_a_role_that_has_ended_is_no_noise(tree, running):
    os.kill(int((tree / "run/pid/c2s").read_text()), signal.SIGKILL)
    done = quickstart(tree, "--no-install", check=0)
    assert done.stderr == ""


def processes(text):
    """The roles whose command line has it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if "chappe-" in words[0] and any(text in word for word in words):
            found.append(int(path.parent.name))
    return found


def test_a_folder_with_odd_characters(tree):
    folder = "odd[1]+(a|b)*.^"
    words = ("--run-dir", folder)
    quickstart(tree, "--no-install", *words, "--port", str(free_port()),
               "--tls-port", str(free_port()), "--s2s-port",
               str(free_port()), check=0)
    assert quickstart(tree, *words, "status").returncode == 0
    assert len(processes(folder)) == 4
    assert "already" in quickstart(tree, "--no-install", *words,
                                   check=0).stdout
    # The same folder, written in another way.
    quickstart(tree, "--run-dir", f"./{folder}/", "stop", check=0)
    assert processes(folder) == []


def test_what_has_no_pid_file_does_not_run(tree):
    """As on a disk that is full."""
    (tree / "full/pid/sm").mkdir(parents=True)
    if os.getuid() == 0:
        user = pwd.getpwnam(USER)
        for path in ("full", "full/pid", "full/pid/sm"):
            os.chown(tree / path, user.pw_uid, user.pw_gid)
    done = quickstart(tree, "--no-install", "--run-dir", "full", "--port",
                      str(free_port()), "--tls-port", str(free_port()),
                      "--s2s-port", str(free_port()))
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    end = time.monotonic() + 10
    while processes(f"{tree}/full/") and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(f"{tree}/full/") == []


def test_it_stops(tree, running):
    instance, _ = running
    quickstart(tree, "stop", check=0)
    assert quickstart(tree, "status").returncode == 1
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", instance.port), 2)
    assert "not running" in quickstart(tree, "stop", check=0).stdout
