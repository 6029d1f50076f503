# SPDX-License-Identifier: Apache-2.0
"""chappectl as scripts and operators use it: accounts, sessions, roles,
configuration, exit codes, JSON, and where passwords can be seen."""

import concurrent.futures
import json
import os
import pty
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from chappe import PASSWORD, Chappe, wait_for
from people import Person, befriend, presence_from
from wire import SASL, STREAM, Wire

OK, FAILED, USAGE, NOT_FOUND, CONFLICT, UNAVAILABLE = range(6)


def ctl(server, *words, stdin="", code=OK, seconds=60):
    """Runs it; its exit code must be this one. What fails says why in one
    line, and nothing on the standard output."""
    done = server.ctl(*words, stdin=stdin, check=False, seconds=seconds)
    assert done.returncode == code or code is None and done.returncode, (
        words, done.stdout, done.stderr)
    if code != OK:
        assert done.stderr.startswith("chappectl: "), done.stderr
        assert "Sanitizer" not in done.stderr
    else:
        assert done.stderr == ""
    return done


def rows(server, *words, code=OK, **more):
    """The same with --json."""
    return json.loads(ctl(server, "--json", *words, code=code, **more).stdout)


def can_log_in(server, name, password, domain=None):
    with Wire(server, domain=domain) as wire:
        wire.starttls()
        wire.open()
        return wire.scram(name, password).tag == SASL + "success"


# -- accounts ----------------------------------------------------------------


def test_the_life_of_an_account(shared):
    stdin = "first secret\n"
    done = ctl(shared, "user", "add", "life@localhost", "--password-stdin",
               stdin=stdin)
    assert "life@localhost" in done.stdout
    assert can_log_in(shared, "life", "first secret")
    done = ctl(shared, "user", "add", "life@localhost", "--password-stdin",
               stdin="other\n", code=CONFLICT)
    assert "exists" in done.stderr
    assert can_log_in(shared, "life", "first secret")

    ctl(shared, "user", "passwd", "life@localhost", "--password-stdin",
        stdin="second secret\n")
    assert can_log_in(shared, "life", "second secret")
    assert not can_log_in(shared, "life", "first secret")

    assert "life@localhost" in ctl(shared, "user", "list",
                                   "localhost").stdout
    assert "life@localhost" in ctl(shared, "user", "show",
                                   "life@localhost").stdout
    ctl(shared, "user", "del", "life@localhost")
    assert not can_log_in(shared, "life", "second secret")
    assert "life@localhost" not in ctl(shared, "user", "list",
                                       "localhost").stdout
    for words in ("show",), ("del",), ("passwd", "--password-stdin"):
        ctl(shared, "user", words[0], "life@localhost", *words[1:],
            stdin="x\n", code=NOT_FOUND)


def test_names_are_prepared(shared):
    ctl(shared, "user", "add", "MiXed@LocalHost", "-p", stdin="pw\n")
    assert can_log_in(shared, "mixed", "pw")
    ctl(shared, "user", "add", "mixed@localhost", "-p", stdin="pw\n",
        code=CONFLICT)
    ctl(shared, "user", "del", "mixed@localhost")


@pytest.mark.parametrize("password", [
    "with spaces  in it ", "\"quo'tes\" <&> \\ $HOME `id`", "pässwörd€",
    "0", "x" * 500])
def test_unusual_passwords(shared, password):
    ctl(shared, "user", "add", "odd@localhost", "-p", stdin=password + "\n")
    try:
        assert can_log_in(shared, "odd", password)
    finally:
        ctl(shared, "user", "del", "odd@localhost")


@pytest.mark.parametrize("words, stdin, code", [
    (("user", "add", "nodomain", "-p"), "x\n", USAGE),
    (("user", "add", "a@localhost/resource", "-p"), "x\n", USAGE),
    (("user", "add", "@localhost", "-p"), "x\n", USAGE),
    (("user", "add", "a b@localhost", "-p"), "x\n", USAGE),
    (("user", "add", "no.password@localhost", "-p"), "\n", USAGE),
    (("user", "add", "no.input@localhost", "-p"), "", USAGE),
    (("user", "add", "control@localhost", "-p"), "a\x07b\n", USAGE),
    (("user", "add", "zero@localhost", "-p"), "a\0b\n", USAGE),
    (("user", "add", "a@elsewhere.example", "-p"), "x\n", UNAVAILABLE),
    (("user", "list", "elsewhere.example"), "", UNAVAILABLE),
    (("user", "list", "not a domain"), "", USAGE),
    (("user", "list"), "", USAGE),
    (("user", "add"), "", USAGE),
    (("user", "add", "a@localhost", "password"), "", USAGE),
    (("user",), "", USAGE),
    (("user", "frobnicate"), "", USAGE),
    (("user", "unlock", "nodomain"), "", USAGE),
    (("user", "unlock", "a@elsewhere.example"), "", UNAVAILABLE),
    (("session", "list", "elsewhere.example"), "", UNAVAILABLE),
    (("session", "list", "not a domain"), "", USAGE),
    (("log-level", "router", "loud"), "", USAGE),
    (("session", "kick", "localhost"), "", USAGE),
    (("session", "kick", "nobody@localhost"), "", NOT_FOUND),
    (("session", "kick", "alice@localhost/gone"), "", NOT_FOUND),
    (("show", "sm-77"), "", UNAVAILABLE),
    (("log-level", "sm-1", "loud"), "", USAGE),
    (("log-level", "sm-1"), "", USAGE),
    (("--frobnicate", "status"), "", USAGE),
], ids=lambda value: "-".join(value) if isinstance(value, tuple) else None)
def test_exit_codes(shared, words, stdin, code):
    ctl(shared, *words, stdin=stdin, code=code)


@pytest.mark.parametrize("words, said", [
    (("user", "frobnicate"), "'user' is followed by one of: add, passwd, del,"),
    (("session",), "'session' is followed by one of: list, kick"),
    (("frobnicate",), "there is no command 'frobnicate'"),
    (("use",), "there is no command 'use'"),
    (("log-level", "router", "loud"), "level: error, warning"),
    (("session", "list", "elsewhere.example"), "serves elsewhere.example"),
], ids=lambda value: "-".join(value) if isinstance(value, tuple) else None)
def test_complaints(shared, words, said):
    assert said in ctl(shared, *words, code=None).stderr


def test_unlock(chappe):
    """After ten wrong passwords not even the right one is taken."""
    for _ in range(10):
        assert not can_log_in(chappe, "alice", "wrong")
    assert not can_log_in(chappe, "alice", PASSWORD)
    forgotten = rows(chappe, "user", "unlock", "Alice@localhost")
    assert [row["jid"] for row in forgotten] == ["alice@localhost"]
    assert int(forgotten[0]["forgotten"]) >= 10
    assert "account.unlocked" in chappe.log("sm-1")
    assert can_log_in(chappe, "alice", PASSWORD)


def test_usage_and_version(shared):
    program = shared.build / "chappectl"
    for words in ["-h"], ["--help"]:
        done = subprocess.run([program, *words], capture_output=True,
                              text=True)
        assert done.returncode == 0
        for command in ("user add", "user import", "session kick", "status",
                        "config check", "reload", "stop", "log-level"):
            assert command in done.stdout
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == USAGE and "Usage" in done.stderr
    done = subprocess.run([program, "-V"], capture_output=True, text=True)
    assert re.match(r"chappectl \d+\.\d+", done.stdout)


def test_list_and_show_as_json(shared):
    ctl(shared, "user", "add", "jason@localhost", "-p", stdin="pw\n")
    listed = rows(shared, "user", "list", "localhost")
    assert {"alice@localhost", "bob@localhost", "jason@localhost"} <= \
        {row["jid"] for row in listed}
    shown = rows(shared, "user", "show", "jason@localhost")
    assert len(shown) == 1
    assert shown[0]["jid"] == "jason@localhost"
    assert shown[0]["sessions"] == shown[0]["offline"] == "0"
    assert re.match(r"\d{4}-\d\d-\d\dT", shown[0]["created"])
    with Wire(shared) as alice:
        alice.login("alice")
        for _ in range(3):
            alice.message("jason@localhost", "hi")
        alice.ping()
    shown = rows(shared, "user", "show", "jason@localhost")
    assert shown[0]["offline"] == "3"
    done = rows(shared, "user", "del", "jason@localhost")
    assert done == [{"jid": "jason@localhost", "result": "deleted"}]


def test_a_deleted_account_is_gone(chappe):
    """Its sessions end, contacts are told, and what waited for it is
    nobody's."""
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a, b = alice.online("a"), bob.online("b")
    befriend(a, b)
    chappe.ctl("user", "del", "alice@localhost")
    while True:
        element = a.next()
        if element.tag == STREAM + "error":
            break
    a.expect_end()
    presence_from(b, a.jid, "unavailable")
    presence_from(b, alice.jid, "unsubscribed")
    b.message("alice@localhost", "too late")
    b.until(lambda e: e.get("type") == "error")
    assert rows(chappe, "session", "list", "localhost")[0]["jid"] == b.jid
    chappe.add_user("alice")
    fresh = alice.online()
    assert len(fresh.roster()) == 0
    alice.close()
    bob.close()


def test_a_new_password_ends_sessions(chappe):
    """Who is logged in may be why it was changed."""
    with Wire(chappe) as alice:
        alice.login("alice")
        ctl(chappe, "user", "passwd", "alice@localhost", "-p",
            stdin="new one\n")
        alice.expect_stream_error("reset")
    assert can_log_in(chappe, "alice", "new one")


# -- import ------------------------------------------------------------------


def test_import(chappe):
    lines = "".join(f"user{n}@localhost pass word {n}\n"
                    for n in range(1000))
    begin = time.monotonic()
    ctl(chappe, "user", "import", stdin=lines, seconds=120)
    assert time.monotonic() - begin < 60
    listed = rows(chappe, "user", "list", "localhost")
    assert len(listed) == 1002
    assert len({row["jid"] for row in listed}) == 1002
    for number in 0, 499, 500, 999:
        assert can_log_in(chappe, f"user{number}", f"pass word {number}")
    assert "pass word" not in chappe.log("sm-1")


def test_import_with_mistakes(shared):
    """The good lines are taken, each other one is named."""
    done = shared.ctl("--json", "user", "import", check=False, stdin=(
        "imp1@localhost one\n"
        "\n"
        "alice@localhost taken\n"
        "no-password@localhost\n"
        "nonsense\n"
        "imp2@localhost two words\r\n"
        "@localhost x\n"
        "imp5@localhost bell\x07\n"
        "imp3@elsewhere.example three\n"
        "imp4@localhost four"))
    assert done.returncode in (FAILED, UNAVAILABLE)
    failed = {row["jid"]: row["result"] for row in json.loads(done.stdout)}
    assert failed["alice@localhost"] == "conflict"
    for number in 4, 5, 7, 8:
        assert f"line {number} " in done.stderr
    assert "elsewhere.example" in done.stderr
    for word in "taken", "words", "three":
        assert word not in done.stdout + done.stderr
    assert can_log_in(shared, "imp1", "one")
    assert can_log_in(shared, "imp2", "two words")
    assert can_log_in(shared, "imp4", "four")
    assert can_log_in(shared, "alice", PASSWORD)


def test_import_into_several_domains(tmp_path):
    with Chappe(tmp_path, domains=("one.example", "two.example")) as server:
        server.start()
        ctl(server, "user", "import", stdin="".join(
            f"u{n}@{('one', 'two')[n % 2]}.example pw{n}\n"
            for n in range(20)))
        for domain in "one.example", "two.example":
            assert len(rows(server, "user", "list", domain)) == 10
        assert can_log_in(server, "u3", "pw3", "two.example")


# -- sessions ----------------------------------------------------------------


def test_session_list_and_kick(shared):
    with Wire(shared) as one, Wire(shared, direct_tls=True) as two:
        one.login("alice", "desk")
        two.login("alice", "phone")
        one.presence("<priority>7</priority>")
        listed = {row["jid"]: row for row in rows(shared, "session", "list")}
        desk = listed["alice@localhost/desk"]
        assert desk["c2s"] == "c2s-1"
        assert desk["address"].startswith("127.0.0.1")
        assert desk["tls"].startswith("TLS")
        assert desk["presence"] == "available" and desk["priority"] == "7"
        assert listed["alice@localhost/phone"]["presence"] == "unavailable"
        # The same id as in the logs.
        assert desk["session"] in shared.log("c2s-1")
        assert desk["session"] in shared.log("sm-1")
        assert len(rows(shared, "session", "list", "LocalHost")) == 2

        ctl(shared, "session", "kick", "alice@localhost/desk",
            "Please <update>")
        while True:
            element = one.next()
            if element.tag == STREAM + "error":
                break
        assert "Please <update>" in "".join(element.itertext())
        one.expect_end()
        two.ping()
        listed = [row["jid"] for row in rows(shared, "session", "list")]
        assert listed == ["alice@localhost/phone"]
        ctl(shared, "session", "kick", "alice@localhost")
        while two.next().tag != STREAM + "error":
            pass
        two.expect_end()
        assert rows(shared, "session", "list") == []


# -- roles -------------------------------------------------------------------


def test_status(shared):
    links = {row["name"]: row for row in rows(shared, "status")}
    assert {"sm-1", "c2s-1"} <= set(links)
    assert links["sm-1"]["kind"] == "sm"
    assert "localhost" in links["sm-1"]["names"].split()
    assert all(int(links["sm-1"][field]) >= 0
               for field in ("queue", "uptime", "in", "out"))
    assert "chappe" in links["c2s-1"]["software"]
    text = ctl(shared, "status").stdout
    heading = text.splitlines()[0].split()
    assert {"name", "kind", "queue", "uptime"} <= set(heading)
    assert len(text.splitlines()) == 1 + len(rows(shared, "status"))
    # Not the link over which it is asked.
    assert "admin" not in {row["kind"] for row in links.values()}


def test_show(shared):
    with Wire(shared) as alice:
        alice.login("alice")
        shown = {row["instance"]: row
                 for row in rows(shared, "show", "sm-1", "c2s-1")}
        assert shown["c2s-1"]["role"] == "c2s"
        assert shown["sm-1"]["role"] == "sm"
        assert int(shown["c2s-1"]["sessions"]) == 1
        assert int(shown["sm-1"]["sessions"]) == 1


def test_log_level(shared):
    assert "level=debug" not in shared.log("sm-1")
    ctl(shared, "log-level", "sm-1", "debug")
    before = len(shared.log("sm-1"))
    with Wire(shared) as alice:
        alice.login("alice")
        alice.send("<message to='nobody@localhost' type='headline'><body>x"
                   "</body></message>")
        alice.ping()
    debug = shared.log("sm-1")[before:]
    assert "message.dropped" in debug
    ctl(shared, "log-level", "sm-1", "info")
    before = len(shared.log("sm-1"))
    with Wire(shared) as alice:
        alice.login("alice")
        alice.send("<message to='nobody@localhost' type='headline'><body>x"
                   "</body></message>")
        alice.ping()
    assert "message.dropped" not in shared.log("sm-1")[before:]


def test_reload(chappe):
    with Wire(chappe) as alice:
        alice.login("alice")
        ctl(chappe, "reload")
        for role in "router", "c2s-1", "sm-1":
            wait_for(lambda: "role.reloaded" in chappe.log(role), 5,
                     f"{role} has reloaded")
        alice.ping()
        chappe.conf["sm"] = {"offline-max": 1}
        chappe.write_conf()
        ctl(chappe, "reload", "sm-1")
        for number in range(2):
            alice.message("bob@localhost", f"n{number}")
        error = alice.until(lambda e: e.get("type") == "error")
        assert error is not None
        # A file with a mistake is refused, and all goes on.
        text = chappe.conf_path.read_text()
        chappe.conf_path.write_text(text + "\nsm \"sm-9\" { nonsense = 1 }\n")
        broken = chappe.ctl("reload", "sm-1", check=False)
        assert broken.returncode != 0
        chappe.conf_path.write_text(text)
        alice.ping()


def test_stop_one(chappe):
    ctl(chappe, "stop", "c2s-1")
    assert chappe.processes.pop("c2s-1").wait(15) == 0
    assert "c2s-1" not in {row["name"] for row in rows(chappe, "status")}
    ctl(chappe, "user", "list", "localhost")


def test_stop_all(chappe):
    """In good order: clients are told, and what they sent is kept."""
    with Wire(chappe) as alice:
        alice.login("alice")
        alice.message("bob@localhost", "before the end")
        ctl(chappe, "stop")
        alice.expect_stream_error("system-shutdown")
    for instance in list(chappe.processes):
        assert chappe.processes.pop(instance).wait(15) == 0, instance
    done = ctl(chappe, "status", code=UNAVAILABLE)
    assert "no router answers" in done.stderr
    chappe.start()
    with Wire(chappe) as bob:
        bob.login("bob")
        bob.presence()
        bob.expect_message("before the end")


# -- when something is not there ---------------------------------------------


def test_no_server(stopped):
    stopped.write_conf()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = [pool.submit(ctl, stopped, *words, stdin="a@localhost x\n",
                               code=UNAVAILABLE)
                   for words in (("status",), ("user", "import"),
                                 ("user", "add", "a@localhost", "-p"),
                                 ("session", "list"), ("stop",))]
        for done in running:
            assert "router.sock" in done.result().stderr


def test_no_sm(stopped):
    stopped.write_conf()
    stopped.start_role("router")
    wait_for(lambda: (stopped.sockets / "router.sock").exists(), 10)
    assert rows(stopped, "status") is not None
    for words in (("user", "list", "localhost"), ("session", "list"),
                  ("user", "add", "a@localhost", "-p")):
        ctl(stopped, *words, stdin="x\n", code=UNAVAILABLE)


def test_a_wrong_secret(stopped):
    stopped.start()
    wrong = stopped.folder / "wrong.conf"
    secret = stopped.folder / "secret-wrong"
    secret.write_text("not the secret\n")
    secret.chmod(0o600)
    text = stopped.conf_path.read_text()
    head, tail = text.split("chappectl {")
    wrong.write_text(head + "chappectl {" + tail.replace("secret-admin",
                                                         "secret-wrong"))
    done = subprocess.run([stopped.build / "chappectl", "-c", wrong,
                           "status"], capture_output=True, text=True,
                          env=stopped.environment(), timeout=30)
    assert done.returncode == UNAVAILABLE
    assert done.stdout == "" and "not-authorized" in done.stderr


# -- config check ------------------------------------------------------------


def test_config_check(shared):
    assert "correct" in ctl(shared, "config", "check").stdout
    assert rows(shared, "config", "check")[0]["result"]


@pytest.mark.parametrize("text, said", [
    ("c2s \"c2s-1\" {\n\tlisten = { \"127.0.0.1:1\" }\n\tfrobnicate = 1\n}\n",
     ["frobnicate", ":3"]),
    ("sm \"sm-1\" {\n\toffline-max = many\n}\n", ["offline-max", ":2"]),
    ("sm \"sm-1\" {\n\troster-max = 0\n}\n", ["roster-max", ":2"]),
    ("sm \"sm-1\" {\n", [":1", "not closed"]),
    ("nonsense \"x\" {\n}\n", ["nonsense", ":1"]),
    ("link \"x\" {\n\tkind = king\n}\n", ["kind", ":2"]),
], ids=["unknown-option", "no-number", "out-of-range", "unclosed",
        "unknown-section", "no-choice"])
def test_config_check_of_mistakes(shared, tmp_path, text, said):
    bad = tmp_path / "bad.conf"
    bad.write_text(text)
    done = ctl(shared, "config", "check", str(bad), code=FAILED)
    assert str(bad) in done.stderr
    for part in said:
        assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_config_check_of_no_file(shared, tmp_path):
    done = ctl(shared, "config", "check", str(tmp_path / "none.conf"),
               code=FAILED)
    assert "none.conf" in done.stderr


# -- passwords on the terminal -----------------------------------------------


class Terminal:
    """chappectl on a pseudo terminal of its own."""

    def __init__(self, server, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execve(server.build / "chappectl",
                      ["chappectl", "-c", str(server.conf_path), *words],
                      server.environment())
        self.text = b""

    def shows(self, text):
        end = time.monotonic() + 10
        while text not in self.text and time.monotonic() < end:
            try:
                self.text += os.read(self.fd, 4096)
            except OSError:
                break
        assert text in self.text, self.text

    def type(self, text):
        # Not before the echo is off.
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        while True:
            try:
                got = os.read(self.fd, 4096)
            except OSError:
                break
            if not got:
                break
            self.text += got
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_password_by_prompt(shared):
    terminal = Terminal(shared, "user", "add", "typed@localhost")
    terminal.shows(b"Password for typed@localhost: ")
    terminal.type("typed secret")
    terminal.shows(b"again: ")
    terminal.type("typed secret")
    assert terminal.end() == OK
    assert b"typed secret" not in terminal.text
    assert can_log_in(shared, "typed", "typed secret")
    ctl(shared, "user", "del", "typed@localhost")


def test_two_passwords_that_differ(shared):
    terminal = Terminal(shared, "user", "passwd", "alice@localhost")
    terminal.shows(b"Password for alice@localhost: ")
    terminal.type("one thing")
    terminal.shows(b"again: ")
    terminal.type("another")
    assert terminal.end() == USAGE
    assert b"differ" in terminal.text
    assert can_log_in(shared, "alice", PASSWORD)


def test_no_terminal_and_no_stdin_option(shared):
    """In a script without --password-stdin: a sentence, no waiting."""
    done = subprocess.run(
        [shared.build / "chappectl", "-c", shared.conf_path, "user", "add",
         "script@localhost"], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, env=shared.environment(), timeout=20,
        start_new_session=True)
    assert done.returncode == USAGE
    assert "--password-stdin" in done.stderr


def test_a_password_is_never_on_a_command_line(shared):
    """Nor in an environment that others could read."""
    secret = "only-between-us"
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if secret.encode() in path.read_bytes():
                        seen.append(path.read_bytes())
                except OSError:
                    pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ctl(shared, "user", "add", "quiet@localhost", "-p",
            stdin=secret + "\n")
        ctl(shared, "user", "passwd", "quiet@localhost", "-p",
            stdin=secret + "2\n")
        ctl(shared, "user", "import", stdin=f"quiet2@localhost {secret}\n")
    finally:
        stop.set()
        watcher.join()
    assert seen == []
    for role in "router", "sm-1", "c2s-1":
        assert secret not in shared.log(role)
    for name in "quiet", "quiet2":
        ctl(shared, "user", "del", f"{name}@localhost")


def test_an_operator_with_a_narrow_pipe(shared):
    """Output to a reader that has gone is no crash."""
    done = subprocess.run(
        f"'{shared.build}/chappectl' -c '{shared.conf_path}' user list "
        "localhost | true", shell=True, capture_output=True, text=True,
        env=shared.environment(), timeout=20)
    assert "Sanitizer" not in done.stderr
