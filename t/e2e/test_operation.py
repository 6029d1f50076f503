# SPDX-License-Identifier: Apache-2.0
"""What an operator relies on: checking and reloading the configuration,
metrics, logs without secrets, readiness, privileges, start in any order."""

import itertools
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time

import pytest

from chappe import PASSWORD, Chappe, free_port, wait_for
from people import Person, befriend
from wire import CLIENT, SASL, Wire, error_of

ROLES = ("router", "c2s", "sm")
INSTANCES = {"router": "router", "c2s": "c2s-1", "sm": "sm-1"}
each_role = pytest.mark.parametrize("role", ROLES)


def program(server, role, *words, **more):
    return subprocess.run(
        [server.build / f"chappe-{role}", *map(str, words)],
        capture_output=True, text=True, timeout=30,
        env=server.environment(), **more)


# -- the command line --------------------------------------------------------


@each_role
def test_checking_the_configuration(stopped, role):
    stopped.write_conf()
    done = program(stopped, role, "-c", stopped.conf_path, "-n",
                   INSTANCES[role], "-t")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok" in done.stdout


@each_role
def test_dump_is_the_configuration(stopped, role, tmp_path):
    """It has all options, and read again gives the same."""
    stopped.conf["sm"] = {"offline-max": 77, "user-idle": "90s"}
    stopped.conf["c2s"] = {"limit-stanza": "300K", "idle-timeout": "12h",
                           "limit-rate": "2M"}
    stopped.conf["router"] = {"max-names": 1234}
    stopped.conf["domain"] = {"contact-admin": ["mailto:a@example.org",
                                                "xmpp:\\\"b\\\"@example.org"]}
    stopped.write_conf()
    words = ["-n", INSTANCES[role], "--dump"]
    first = program(stopped, role, "-c", stopped.conf_path, *words)
    assert (first.returncode, first.stderr) == (0, "")
    for option in {"sm": ["offline-max = 77", "roster-max = 1000",
                          "auth-window"],
                   "c2s": ["limit-depth = 64", "auth-timeout", "listen-tls"],
                   "router": ["max-names = 1234", "ping-interval"]}[role]:
        assert option in first.stdout
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    second = program(stopped, role, "-c", again, *words)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == first.stdout


@each_role
@pytest.mark.parametrize("line, said", [
    ("frobnicate = 1", "frobnicate"), ("log-level = loud", "log-level"),
    ("metrics = nowhere", "metrics")])
def test_mistakes_have_a_place(stopped, role, line, said):
    stopped.write_conf()
    text = stopped.conf_path.read_text().splitlines()
    at = next(n for n, t in enumerate(text) if t.startswith(role + " "))
    text.insert(at + 1, "\t" + line)
    stopped.conf_path.write_text("\n".join(text) + "\n")
    for words in (["-t"], []):
        done = program(stopped, role, "-c", stopped.conf_path, "-n",
                       INSTANCES[role], *words)
        if not words or done.returncode:
            assert done.returncode == 1
            assert said in done.stderr
            assert str(stopped.conf_path) in done.stderr
            if said == "frobnicate":
                assert f"{stopped.conf_path}:{at + 2}" in done.stderr
    assert done.returncode == 1


@each_role
def test_usage(stopped, role):
    done = program(stopped, role, "--frobnicate")
    assert done.returncode == 2
    assert "frobnicate" in done.stderr and "Usage" in done.stderr
    done = program(stopped, role, "-h")
    assert done.returncode == 0 and "--dump" in done.stdout
    done = program(stopped, role, "-V")
    assert re.match(rf"chappe-{role} \d+\.\d+", done.stdout)


@each_role
def test_no_configuration(stopped, role):
    done = program(stopped, role, "-c", stopped.folder / "none.conf")
    assert done.returncode == 1
    assert "none.conf" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_section_for_another_instance(stopped):
    stopped.write_conf()
    done = program(stopped, "c2s", "-c", stopped.conf_path, "-n", "other-7")
    assert done.returncode == 1
    assert "other-7" in done.stderr


# -- reloading ---------------------------------------------------------------


def reloads(server, instance, how):
    log = server.log(instance).count(how)
    server.reload(instance)
    wait_for(lambda: server.log(instance).count(how) > log, 5,
             f"{instance} says {how}")


@each_role
def test_a_bad_file_is_refused(chappe, role):
    instance = INSTANCES[role]
    with Wire(chappe) as alice:
        alice.login("alice")
        good = chappe.conf_path.read_text()
        for bad in good + "\nunclosed {", good.replace(
                f'{role} "', f'{role} "x', 1), good + (
                f'{role} "y" {{ frobnicate = 1 }}'), "":
            chappe.conf_path.write_text(bad)
            reloads(chappe, instance, "role.reload-refused")
            alice.ping()
        chappe.conf_path.write_text(good)
        reloads(chappe, instance, "role.reloaded")
        alice.ping()
        alice.end()


def test_reloading_changes_limits(chappe):
    with Wire(chappe) as old, Wire(chappe) as bob:
        old.login("alice")
        bob.login("bob")
        chappe.conf["sm"] = {"roster-max": 1}
        chappe.conf["c2s"] = {"limit-stanza": 10000}
        chappe.write_conf()
        reloads(chappe, "sm-1", "role.reloaded")
        reloads(chappe, "c2s-1", "role.reloaded")
        put = ("<query xmlns='jabber:iq:roster'><item jid='{}@example.org'/>"
               "</query>")
        assert old.iq("set", put.format("a")).get("type") == "result"
        assert error_of(old.iq("set", put.format("b")))[0] == \
            "resource-constraint"
        with Wire(chappe) as new:
            new.login("alice")
            new.message("bob@localhost", "x" * 20000)
            new.expect_stream_error("policy-violation")
        old.end()


def test_reloading_adds_a_domain(chappe):
    chappe.domains.append("two.example")
    chappe.write_conf()
    for instance in "router", "sm-1", "c2s-1":
        reloads(chappe, instance, "role.reloaded")
    chappe.add_user("carol", domain="two.example")
    with Wire(chappe, domain="two.example") as carol, Wire(chappe) as alice:
        carol.login("carol")
        carol.presence()
        alice.login("alice")
        alice.message("carol@two.example", "welcome")
        carol.expect_message("welcome")


# -- start and end -----------------------------------------------------------


@pytest.mark.parametrize("order", itertools.permutations(ROLES),
                         ids="-".join)
def test_roles_start_in_any_order(tmp_path, order):
    with Chappe(tmp_path) as server:
        server.write_conf()
        for role in order:
            server.start_role(role)
            # Long enough to find that the others are not there.
            time.sleep(0.15)
        server.wait_ready()
        server.add_user("alice")
        with Wire(server) as alice:
            alice.login("alice")
            alice.ping()
            alice.end()


def test_waiting_is_said(stopped):
    stopped.write_conf()
    stopped.start_role("c2s")
    stopped.start_role("sm")
    for instance in "c2s-1", "sm-1":
        wait_for(lambda: "link" in stopped.log(instance), 5,
                 f"{instance} says that it waits")
    assert "role.ready" not in stopped.log("sm-1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT],
                         ids=["term", "int"])
def test_an_orderly_end(chappe, number):
    with Wire(chappe) as alice:
        alice.login("alice")
        alice.presence()
        chappe.kill("c2s-1", number, wait=False)
        alice.expect_stream_error("system-shutdown")
    assert chappe.processes.pop("c2s-1").wait(15) == 0
    assert "role.stopped" in chappe.log("c2s-1")
    for instance in "sm-1", "router":
        process = chappe.processes.pop(instance)
        process.send_signal(number)
        assert process.wait(15) == 0


class Notify:
    """What systemd would hear on $NOTIFY_SOCKET."""

    def __init__(self, path, watchdog_us=None):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path)}
        if watchdog_us:
            self.env["WATCHDOG_USEC"] = str(watchdog_us)
        self.heard = []

    def expect(self, word, seconds=10):
        end = time.monotonic() + seconds
        while not any(word in text for text in self.heard):
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                self.heard.append(self.socket.recv(4096).decode())
            except socket.timeout:
                raise AssertionError(f"no {word} in {self.heard}") from None


def test_readiness_and_watchdog(stopped):
    """Type=notify: READY only when the role can do its work."""
    stopped.write_conf()
    plain = stopped.environment
    notify = {}
    for role in "sm", "c2s", "router":
        notify[role] = Notify(stopped.sockets / f"n-{role}", 400000)
        stopped.environment = lambda: {**plain(), **notify[role].env}
        stopped.start_role(role)
        if role == "c2s":
            time.sleep(0.3)
            for waiting in "sm", "c2s":
                notify[waiting].expect("WATCHDOG=1")
            # It cannot serve anybody without its names at a router.
            for _ in range(2):
                notify["sm"].heard.clear()
                notify["sm"].expect("WATCHDOG=1")
                assert "READY=1" not in notify["sm"].heard
    stopped.environment = plain
    for role in ROLES:
        notify[role].expect("READY=1")
        notify[role].heard.clear()
        # More than one: it goes on.
        for _ in range(3):
            notify[role].expect("WATCHDOG=1")
            notify[role].heard.clear()
    stopped.reload("sm-1")
    notify["sm"].expect("RELOADING=1")
    notify["sm"].expect("READY=1")
    stopped.kill("sm-1", signal.SIGTERM)
    notify["sm"].expect("STOPPING=1")


# -- metrics -----------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("measured")) as server:
        for role in ROLES:
            port = free_port()
            server.metrics_ports[role] = port
            server.conf[role] = {"metrics": f"127.0.0.1:{port}"}
        server.start()
        server.add_user("alice")
        server.add_user("bob")
        yield server


def sample(server, role):
    return server.metrics(server.metrics_ports[role])


@each_role
def test_metrics_of_each_role(measured, role):
    metrics = sample(measured, role)
    names = {name.partition("{")[0] for name in metrics}
    assert any(name.startswith(f"chappe_{role}_") for name in names)
    wanted = {"router": ["links", "queue_bytes", "envelopes_total",
                         "bytes_total", "failed_total"],
              "c2s": ["connections", "sessions", "stanzas", "bytes"],
              "sm": ["sessions", "stanzas", "errors"]}[role]
    for part in wanted:
        assert any(part in name for name in names), (part, sorted(names))


@each_role
def test_metrics_are_what_prometheus_reads(measured, role):
    with socket.create_connection(
            ("127.0.0.1", measured.metrics_ports[role]), 5) as http:
        http.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b""
        while got := http.recv(65536):
            text += got
    head, _, body = text.decode().partition("\r\n\r\n")
    assert " 200 " in head.splitlines()[0] + " "
    assert "text/plain; version=0.0.4" in head
    types, seen = {}, set()
    for line in body.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} twice"
            types[name] = kind
            assert kind in ("counter", "gauge", "histogram", "untyped")
        elif line and not line.startswith("#"):
            match = re.fullmatch(
                r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^{}]*\})? "
                r"([-+0-9.e]+|\+Inf|NaN)", line)
            assert match, line
            name = match.group(1)
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in types or base in types, line
            assert line.rsplit(" ", 1)[0] not in seen, f"{line} twice"
            seen.add(line.rsplit(" ", 1)[0])
    with socket.create_connection(
            ("127.0.0.1", measured.metrics_ports[role]), 5) as http:
        http.sendall(b"GET /other HTTP/1.0\r\n\r\n")
        assert b" 404 " in http.recv(4096)


def total(metrics, *parts):
    """The sum of all samples whose name has all parts."""
    return sum(value for name, value in metrics.items()
               if all(part in name for part in parts)
               and "_bucket" not in name)


def test_counters_move(measured):
    before = {role: sample(measured, role) for role in ROLES}
    with Wire(measured) as alice, Wire(measured) as bob:
        alice.login("alice")
        bob.login("bob")
        bob.presence()
        during = {role: sample(measured, role) for role in ROLES}
        assert total(during["sm"], "chappe_sm_sessions") >= \
            total(before["sm"], "chappe_sm_sessions") + 2
        for _ in range(25):
            alice.message("bob@localhost", "count me")
        for _ in range(25):
            bob.expect_message("count me")
        alice.message("nobody@localhost", "count the error")
        alice.until(lambda e: e.get("type") == "error")
        alice.end()
        bob.end()
    after = {role: sample(measured, role) for role in ROLES}

    def grown(role, *parts):
        return total(after[role], *parts) - total(before[role], *parts)

    assert grown("sm", "chappe_sm_stanzas", "message") >= 50
    assert grown("sm", "chappe_sm", "error") >= 1
    assert grown("c2s", "chappe_c2s_stanzas") >= 50
    assert grown("c2s", "chappe_c2s", "bytes") > 5000
    assert grown("router", "chappe_router_envelopes_total") >= 50
    assert grown("router", "chappe_router_bytes_total") > 5000


def test_the_latency_of_the_storage(measured):
    """A histogram, whose counts fit together."""
    name = "chappe_sm_storage"
    with Wire(measured) as alice:
        alice.login("alice")
        alice.iq("set", "<query xmlns='jabber:iq:roster'><item jid='"
                 "m@example.org'/></query>")
    metrics = sample(measured, "sm")
    buckets = {}
    for key, value in metrics.items():
        if key.startswith(name) and "_bucket{" in key:
            rest = re.sub(r',?le="[^"]*"', "", key)
            buckets.setdefault(rest, []).append(value)
    assert buckets, sorted(metrics)
    for values in buckets.values():
        assert values == sorted(values)
    assert any(values[-1] > 0 for values in buckets.values())


# -- logs --------------------------------------------------------------------


def line_fields(line):
    """key=value pairs of a log line."""
    return dict(re.findall(r'([a-z][a-z0-9-]*)=("(?:[^"\\]|\\.)*"|\S*)',
                           line))


def test_no_secret_and_no_body_in_any_log(tmp_path):
    """At the level at which most is said."""
    words = {"password": "pa55word-of-alice", "body": "body-of-a-message",
             "subject": "subject-of-one", "status": "status-of-presence",
             "private": "private-storage", "nick": "name-in-roster",
             "wrong": "wrong-pa55word", "new": "new-pa55word",
             "offline": "body-kept-for-later", "bad": "body-of-malformed"}
    with Chappe(tmp_path) as server:
        for role in ROLES:
            server.conf[role] = {"log-level": "debug"}
        server.start()
        server.add_user("alice", words["password"])
        server.add_user("bob")
        with Wire(server) as alice, Wire(server) as bob:
            bob.login("bob")
            bob.presence()
            alice.starttls()
            alice.open()
            assert alice.scram("alice", words["wrong"]).tag == \
                SASL + "failure"
            assert alice.plain("alice", words["wrong"]).tag == \
                SASL + "failure"
            assert alice.plain("alice", words["password"]).tag == \
                SASL + "success"
            alice.bind()
            alice.presence(f"<status>{words['status']}</status>")
            alice.send("<message to='bob@localhost' type='chat'><subject>"
                       f"{words['subject']}</subject><body>{words['body']}"
                       "</body></message>")
            bob.expect_message(words["body"])
            alice.message("nobody@localhost", words["body"])
            alice.message("x@unreachable.example", words["body"])
            alice.iq("set", "<query xmlns='jabber:iq:private'><a xmlns='urn:"
                     f"a'>{words['private']}</a></query>")
            alice.iq("set", "<query xmlns='jabber:iq:roster'><item jid='c@d' "
                     f"name='{words['nick']}'/></query>")
            alice.iq("set", "<query xmlns='jabber:iq:register'><username>"
                     f"alice</username><password>{words['new']}</password>"
                     "</query>", to="localhost")
            bob.send("<presence type='unavailable'/>")
            bob.settle()
            alice.message("bob@localhost", words["offline"])
            alice.ping()
            alice.send(f"<message to='bob@localhost'><body>{words['bad']}"
                       "</wrong></message>")
            alice.expect_stream_error("not-well-formed")
        server.ctl("user", "passwd", "bob@localhost", "-p",
                   stdin=words["new"] + "\n")
        logs = {name: server.log(name) for name in INSTANCES.values()}
        secrets = {name: (server.folder / name).read_text().strip()
                   for name in ("secret-c2s", "secret-sm", "secret-admin",
                                "secret-ticket")}
    assert "alice@localhost" in logs["sm-1"]
    for instance, text in logs.items():
        for what, word in {**words, **secrets}.items():
            assert word not in text, f"{what} in the log of {instance}"


def test_a_session_can_be_followed(chappe):
    """The same id in c2s and sm, from the log-in to the end."""
    with Wire(chappe) as alice:
        alice.login("alice", "follow")
        alice.ping()
        sid = json.loads(chappe.ctl("--json", "session", "list").stdout
                         )[0]["session"]
        alice.end()
    wait_for(lambda: sid in chappe.log("sm-1").rsplit("session.", 1)[-1]
             or chappe.log("sm-1").count(sid) >= 2, 5,
             "the end is in the log of the sm")
    for instance in "c2s-1", "sm-1":
        lines = [line for line in chappe.log(instance).splitlines()
                 if sid in line]
        assert len(lines) >= 2, (instance, lines)
        assert any("alice@localhost" in line for line in lines)
        for line in lines:
            assert sid in line_fields(line).values() or \
                f'"{sid}"' in line_fields(line).values(), line


def test_log_lines_are_one_line_each(chappe):
    """Whatever people send: no line breaks, no escapes in the log."""
    with Wire(chappe) as alice:
        alice.starttls()
        alice.open()
        alice.scram("ali\nrole.stopped x=\x1b[31m", "x")
    with Wire(chappe) as wire:
        wire.login("alice", "a \"quoted\" = \\n")
        wire.end()
    time.sleep(0.1)
    for instance in INSTANCES.values():
        text = chappe.log(instance)
        assert "\x1b" not in text
        for line in text.splitlines():
            assert not line.startswith("role.stopped x"), line


# -- components --------------------------------------------------------------


def test_errors_for_what_is_not_there_come_once(stopped):
    stopped.components = {"echo.localhost": "s"}
    stopped.start()
    stopped.add_user("alice")
    with Wire(stopped) as alice:
        alice.login("alice")
        alice.message("a@echo.localhost", "hello?")
        error = alice.until(lambda e: e.get("type") == "error")
        assert error_of(error)[0] in ("remote-server-not-found",
                                      "service-unavailable",
                                      "remote-server-timeout")
        answer = alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>",
                          to="echo.localhost")
        assert answer.get("type") == "error"
        assert [e for e in alice.settle()
                if e.tag != CLIENT + "presence"] == []
        # Errors and results for nobody are dropped.
        alice.send("<message to='a@echo.localhost' type='error'/>")
        alice.send("<iq to='a@echo.localhost' type='result' id='r'/>")
        assert alice.settle() == []


# -- privileges --------------------------------------------------------------


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_privileges_are_dropped(tmp_path):
    users = {"router": "daemon", "c2s": "nobody", "sm": "games"}
    with Chappe(tmp_path) as server:
        # Everybody may come as far as the folder, nobody in sees more.
        for folder in [server.folder, *server.folder.parents][:-1]:
            if folder.stat().st_uid == os.getuid():
                folder.chmod(folder.stat().st_mode | 0o011)
        server.sockets.chmod(0o755)
        for role, user in users.items():
            server.conf[role] = {"user": user}
        server.conf["router"]["socket-mode"] = "0666"
        data = server.folder / "data"
        data.mkdir()
        os.chown(data, pwd.getpwnam("games").pw_uid, -1)
        server.conf["storage"] = {"connection": data / "chappe.db"}
        server.write_conf()
        server.conf_path.chmod(0o644)
        # As chappe.conf.in says: each secret for its role and the router.
        ids = {role: pwd.getpwnam(user) for role, user in users.items()}
        os.chown(server.sockets, ids["router"].pw_uid, -1)
        for name, uid, gid in (
                ("secret-c2s", ids["c2s"].pw_uid, ids["router"].pw_gid),
                ("secret-sm", ids["sm"].pw_uid, ids["router"].pw_gid),
                ("secret-admin", 0, ids["router"].pw_gid),
                ("secret-ticket", ids["sm"].pw_uid, 0),
                ("key-localhost.pem", ids["c2s"].pw_uid, 0)):
            os.chown(server.folder / name, uid, gid)
            (server.folder / name).chmod(0o440)
        for role in ROLES:
            server.start_role(role)
        server.wait_ready()
        server.add_user("alice")
        with Wire(server) as alice:
            alice.login("alice")
            alice.ping()
            for role, user in users.items():
                entry = pwd.getpwnam(user)
                status = status_of(server.processes[INSTANCES[role]].pid)
                assert status["Uid"].split() == [str(entry.pw_uid)] * 4
                assert status["Gid"].split() == [str(entry.pw_gid)] * 4
                assert "0" not in status["Groups"].split() or \
                    entry.pw_gid == 0
                assert status["NoNewPrivs"] == "1"
                assert int(status["CapEff"], 16) == 0
                assert int(status["CapPrm"], 16) == 0
        # What a compromised c2s could open: neither the secrets of the sm
        # nor the accounts.
        entry = pwd.getpwnam(users["c2s"])
        for path in (server.folder / "secret-sm",
                     server.folder / "secret-ticket",
                     server.folder / "secret-admin", data / "chappe.db"):
            done = subprocess.run(["cat", path], capture_output=True,
                                  user=entry.pw_uid, group=entry.pw_gid,
                                  extra_groups=[])
            assert done.returncode != 0, path
            assert done.stdout == b""
        # And nobody keeps them open for it.
        pid = server.processes["c2s-1"].pid
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}")
                  for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [path for path in opened
                    if "secret" in path or "chappe.db" in path]
        for path in data.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_a_user_who_does_not_exist(stopped):
    stopped.conf["c2s"] = {"user": "no-such-user"}
    stopped.write_conf()
    done = program(stopped, "c2s", "-c", stopped.conf_path, "-n", "c2s-1")
    assert done.returncode == 1
    assert "no-such-user" in done.stderr


def test_secrets_that_others_can_read(stopped):
    """Said in the log or refused, never passed over."""
    stopped.write_conf()
    (stopped.folder / "secret-sm").chmod(0o644)
    done = subprocess.Popen(
        [stopped.build / "chappe-sm", "-c", stopped.conf_path, "-n", "sm-1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=stopped.environment())
    try:
        time.sleep(1)
    finally:
        done.terminate()
        _, text = done.communicate(timeout=15)
    assert "secret-sm" in text


# -- two people, once more, over a reload ------------------------------------


def test_friends_do_not_notice_a_reload(chappe):
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    for instance in INSTANCES.values():
        reloads(chappe, instance, "role.reloaded")
    assert a.settle() == [] and b.settle() == []
    a.message(bob.jid, "still here")
    b.expect_message("still here")
    alice.close()
    bob.close()
    assert PASSWORD not in chappe.log("c2s-1")


def test_the_port_of_a_client(chappe):
    """Behind one address there can be many people."""
    with Wire(chappe) as wire:
        port = wire.socket.getsockname()[1]
        wire.secure()
        assert wire.plain("alice", "wrong").tag == SASL + "failure"
        assert wire.plain("alice").tag == SASL + "success"
        wire.bind("test")
        wire.send("<no-stanza xmlns='urn:x'/>")
        wire.expect_stream_error("unsupported-stanza-type")

    def lines(event):
        return [line for line in chappe.log("c2s-1").splitlines()
                if f" {event} " in line]
    for event in ("auth.failed", "session.open", "stream.error"):
        wait_for(lambda e=event: lines(e))
        assert all(f" port={port}" in line for line in lines(event)), event
