# SPDX-License-Identifier: Apache-2.0
"""Log-in by an operator's program: small real programs of each protocol, and
programs that die, hang, are slow, or say what makes no sense."""

import base64
import hashlib
import hmac
import itertools
import os
import signal
import sys
import textwrap
import threading
import time

import pytest

from chappe import Chappe, wait_for
from wire import SASL, Wire

addresses = (f"127.9.{i // 250}.{i % 250 + 1}" for i in itertools.count())
PASSWORD = "s3cret: with spaces\u20ac%"

# What the programs share: users in a file, and a note of each question.
COMMON = """
import base64, json, os, struct, sys, time
from urllib.parse import unquote
folder = os.path.dirname(os.path.abspath(__file__))
def load():
    return json.load(open(folder + "/users"))
def store(users):
    with open(folder + "/users.new", "w") as f:
        json.dump(users, f)
    os.rename(folder + "/users.new", folder + "/users")
def note(*words):
    with open(folder + "/notes", "a") as f:
        print(os.getpid(), *words, file=f)
note("start")
"""

CHAPPE = COMMON + """
def answer(command, user, domain, password=None):
    users = load()
    if user in ("slow", "slow2"):
        time.sleep(1)
    if user == "disabled":
        return "disabled"
    if user == "expired" and command == "auth":
        return "expired"
    if user == "broken":
        return "error the database is away"
    if command == "exists":
        keys = users.get("keys:" + user, "")
        return ("ok " + keys).strip() if user in users else "no"
    if command == "auth":
        return "ok" if users.get(user) == password else "no"
    if command == "create" and user in users:
        return "no"
    if command in ("set", "remove") and user not in users:
        return "no"
    if command == "remove":
        del users[user]
    else:
        users[user] = password
    store(users)
    return "ok"
for line in sys.stdin:
    number, command, *words = line.rstrip("\\n").split(" ")
    note(command, *words)
    print(number, answer(command, *map(unquote, words)), flush=True)
"""

JABBERD2 = COMMON + """
print("OK USER-EXISTS {check} SET-PASSWORD CREATE-USER DELETE-USER FREE",
      flush=True)
for line in sys.stdin:
    command, *words = line.split()
    users = load()
    note(command)
    if command == "FREE":
        break
    user = words[0]
    if command == "USER-EXISTS":
        out = "OK" if user in users else "NO"
    elif command == "GET-PASSWORD":
        out = ("OK " + base64.encodebytes(users[user].encode()).decode()
               if user in users else "NO")
    elif command == "CHECK-PASSWORD":
        given = base64.b64decode(words[1]).decode()
        out = "OK" if users.get(user) == given else "NO"
    elif command == "SET-PASSWORD":
        out = "OK" if user in users else "NO"
        if user in users:
            users[user] = base64.b64decode(words[1]).decode()
    elif command == "CREATE-USER":
        out = "NO" if user in users else "OK"
        users.setdefault(user, "")
    else:
        out = "OK" if users.pop(user, None) is not None else "NO"
    store(users)
    print(out, flush=True)
note("end")
"""

EXTAUTH = COMMON + """
while True:
    head = sys.stdin.buffer.read(2)
    if len(head) < 2:
        break
    text = sys.stdin.buffer.read(struct.unpack(">H", head)[0]).decode()
    command, user, *more = text.split(":", 3)
    note(command)
    users = load()
    good = user in users
    if command == "auth":
        good = users.get(user) == more[1]
    elif command == "setpass" and good:
        users[user] = more[1]
    elif command == "tryregister":
        good = not good
        if good:
            users[user] = more[1]
    elif command == "removeuser":
        users.pop(user, None)
    store(users)
    sys.stdout.buffer.write(struct.pack(">HH", 2, good))
    sys.stdout.buffer.flush()
"""


class Programs:
    """A Chappe whose users are known to a program."""

    def __init__(self, folder, text, users=None, domain=None, **options):
        import json
        self.folder = folder
        self.program = folder / "program"
        self.program.write_text(f"#!{sys.executable}\n"
                                + textwrap.dedent(text))
        self.program.chmod(0o755)
        (folder / "users").write_text(json.dumps(
            {"alice": PASSWORD, "bob": PASSWORD, **(users or {})}))
        self.chappe = Chappe(folder)
        self.chappe.conf["domain"] = {"auth": ["pipe"], **(domain or {})}
        self.chappe.extra_links = Chappe._write('pipe "main"', {
            "program": [self.program], "timeout": "3s", **options})

    def __enter__(self):
        self.chappe.__enter__()
        self.chappe.start()
        return self

    def __exit__(self, *exception):
        self.chappe.__exit__(*exception)

    def notes(self):
        path = self.folder / "notes"
        return path.read_text() if path.exists() else ""

    def pids(self):
        return [int(line.split()[0]) for line in self.notes().splitlines()
                if line.endswith(" start")]

    def log_in(self, user, password=PASSWORD, mechanism="PLAIN", seconds=15,
               bind=True):
        """"success", or the condition of the failure."""
        with Wire(self.chappe, source=next(addresses),
                  seconds=seconds) as wire:
            wire.secure()
            answer = (wire.plain(user, password) if mechanism == "PLAIN"
                      else wire.scram(user, password, mechanism))
            if answer.tag != SASL + "success":
                return answer[0].tag[len(SASL):]
            if bind:
                wire.bind("test")
            return "success"

    def logged(self, *words):
        return any(all(word in line for word in words)
                   for line in self.chappe.log("sm-1").splitlines())


def is_alive(pid):
    """Whether it runs; one that nobody has reaped does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


KINDS = [("chappe", CHAPPE, {}),
         ("jabberd2", JABBERD2.replace("{check}", "CHECK-PASSWORD"), {}),
         ("jabberd2", JABBERD2.replace("{check}", "GET-PASSWORD"), {}),
         ("extauth", EXTAUTH, {})]
IDS = ["chappe", "jabberd2", "jabberd2-get", "extauth"]


@pytest.mark.parametrize("protocol,text,options", KINDS, ids=IDS)
def test_protocol(tmp_path, protocol, text, options):
    """Log in, change the password as the user, make and remove accounts as
    the operator."""
    with Programs(tmp_path, text, protocol=protocol, writable="yes",
                  processes=2, **options) as it:
        assert it.log_in("alice") == "success"
        assert it.log_in("alice", "wrong") == "not-authorized"
        assert it.log_in("nobody") == "not-authorized"
        with Wire(it.chappe, source=next(addresses)) as wire:
            wire.secure()
            assert wire.plain("alice", PASSWORD).tag == SASL + "success"
            wire.bind("test")
            answer = wire.iq("set", "<query xmlns='jabber:iq:register'>"
                             "<username>alice</username>"
                             "<password>new one</password></query>",
                             to=it.chappe.domain)
            assert answer.get("type") == "result"
        assert it.log_in("alice", "new one") == "success"
        assert it.log_in("alice") == "not-authorized"
        it.chappe.add_user("carol", "pass word")
        assert it.log_in("carol", "pass word") == "success"
        again = it.chappe.ctl("user", "add", "carol@localhost",
                              "--password-stdin", stdin="x\n", check=False)
        assert again.returncode != 0
        it.chappe.ctl("user", "del", "carol@localhost")
        assert it.log_in("carol", "pass word") == "not-authorized"
        pids = it.pids()
        assert len(pids) == 2
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_only_plain_is_offered(tmp_path):
    with Programs(tmp_path, CHAPPE) as it, Wire(it.chappe) as wire:
        features = wire.secure()
        assert [m.text for m in features.findall(
            f"{SASL}mechanisms/{SASL}mechanism")] == ["PLAIN"]


def test_read_only(tmp_path):
    with Programs(tmp_path, CHAPPE) as it:
        done = it.chappe.ctl("user", "add", "carol@localhost",
                             "--password-stdin", stdin="x\n", check=False)
        assert done.returncode != 0
        assert "create" not in it.notes()


def keys_of(password, name):
    digest = name[len("SCRAM-"):].replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), b"salt", 4096)
    client = hmac.new(salted, b"Client Key", digest).digest()
    values = (b"salt", hashlib.new(digest, client).digest(),
              hmac.new(salted, b"Server Key", digest).digest())
    return ":".join([name, "4096", *(base64.b64encode(v).decode()
                                     for v in values)])


def test_scram(tmp_path):
    names = ("SCRAM-SHA-256", "SCRAM-SHA-1")
    keys = " ".join(keys_of(PASSWORD, name) for name in names)
    with Programs(tmp_path, CHAPPE, {"keys:alice": keys},
                  scram="yes") as it:
        for name in names:
            assert it.log_in("alice", mechanism=name) == "success"
            assert it.log_in("alice", "wrong", name) == "not-authorized"
            # Without keys, clients may go on with PLAIN.
            assert it.log_in("bob", mechanism=name) == "invalid-mechanism"
            assert it.log_in("nobody", mechanism=name) == "invalid-mechanism"
        assert it.log_in("bob") == "success"


def test_nothing_is_injected(tmp_path):
    """Whatever a name or password holds, it stays one question."""
    bad = ["a b", "%0A9%20create", "%", "\\n", "'; drop", "x 9 create eve"]
    users = {f"user{i}": password for i, password in enumerate(bad)}
    with Programs(tmp_path, CHAPPE, users, writable="yes") as it:
        for name, password in users.items():
            assert it.log_in(name, password) == "success", password
        line = "\n9 create eve localhost pw"
        for name, password in ((f"a{line}", "x"), ("alice", "x" + line),
                               ("alice", "\r\n"), ("alice", "x\t")):
            with Wire(it.chappe, source=next(addresses)) as wire:
                wire.secure()
                assert wire.plain(name, password)[0].tag \
                    == SASL + "not-authorized"
        assert "create" not in [line.split()[1] for line
                                in it.notes().splitlines()]
        assert it.log_in("eve", "pw") == "not-authorized"


# -- programs that fail ---------------------------------------------------------

def test_program_says_why(tmp_path):
    with Programs(tmp_path, CHAPPE) as it:
        assert it.log_in("broken") == "temporary-auth-failure"
        assert it.logged("auth.unavailable", "the database is away")


def test_password_that_is_over(tmp_path):
    with Programs(tmp_path, CHAPPE) as it:
        assert it.log_in("expired") == "credentials-expired"
        assert it.log_in("disabled") == "account-disabled"
        assert not it.logged("auth.failure")


def test_it_dies(tmp_path):
    """Killed between questions and during one: nobody notices."""
    with Programs(tmp_path, CHAPPE, {"slow": PASSWORD}) as it:
        assert it.log_in("alice") == "success"
        os.kill(it.pids()[-1], signal.SIGKILL)
        assert it.log_in("alice") == "success"
        results = []
        thread = threading.Thread(
            target=lambda: results.append(it.log_in("slow")))
        thread.start()
        wait_for(lambda: "auth slow" in it.notes())
        os.kill(it.pids()[-1], signal.SIGKILL)
        thread.join()
        assert results == ["success"]
        assert it.logged("pipe.failed", "signal 9")


def test_it_always_dies(tmp_path):
    """Temporary failures, no ban, pauses that grow, and it heals."""
    with Programs(tmp_path, COMMON + "sys.exit(3)", timeout="500ms") as it:
        for _ in range(12):
            assert it.log_in("alice") == "temporary-auth-failure"
        assert it.logged("pipe.failed", "status 3")
        starts = len(it.pids())
        assert 3 <= starts < 12
        assert not it.logged("auth.failure")
        it.program.write_text(f"#!{sys.executable}\n" + CHAPPE)
        wait_for(lambda: it.log_in("alice") == "success", 30)


def test_it_is_not_there(tmp_path):
    with Programs(tmp_path, CHAPPE, timeout="300ms") as it:
        away = tmp_path / "away"
        wait_for(it.pids)
        it.program.rename(away)
        os.kill(it.pids()[-1], signal.SIGKILL)
        wait_for(lambda: it.logged("pipe.failed", "no such file"))
        assert it.log_in("alice") == "temporary-auth-failure"
        away.rename(it.program)
        wait_for(lambda: it.log_in("alice") == "success", 30)


HANGS = """
import os
for line in sys.stdin:
    number, command, user, *_ = line.split()
    note(command, user)
    if user == "hang":
        time.sleep(1000)
    print(number, "ok", flush=True)
"""


def test_it_hangs(tmp_path):
    """It is ended; others who waited are asked of the next process."""
    with Programs(tmp_path, COMMON + HANGS, timeout="1s") as it:
        assert it.log_in("alice") == "success"
        before = it.pids()
        assert it.log_in("hang") == "temporary-auth-failure"
        assert it.log_in("alice") == "success"
        wait_for(lambda: not is_alive(before[-1]))
        assert it.logged("pipe.failed", "did not answer in time")


def test_it_ignores_sigterm(tmp_path):
    text = COMMON + "import signal\nsignal.signal(signal.SIGTERM, " \
        "signal.SIG_IGN)\n" + HANGS
    with Programs(tmp_path, text, timeout="500ms") as it:
        assert it.log_in("hang") == "temporary-auth-failure"
        first = it.pids()[0]
        wait_for(lambda: not is_alive(first), 5)
        assert it.log_in("alice") == "success"


def test_the_loop_goes_on(tmp_path):
    """A program that takes a second holds up nobody else."""
    with Programs(tmp_path, CHAPPE, {"slow": PASSWORD}) as it:
        with Wire(it.chappe, source=next(addresses)) as wire:
            wire.secure()
            assert wire.plain("alice", PASSWORD).tag == SASL + "success"
            wire.bind("test")
            thread = threading.Thread(target=lambda: it.log_in("slow"))
            thread.start()
            wait_for(lambda: "auth slow" in it.notes())
            longest = 0
            end = time.monotonic() + 0.7
            while time.monotonic() < end:
                before = time.monotonic()
                wire.ping()
                longest = max(longest, time.monotonic() - before)
            thread.join()
            assert longest < 0.5


def test_several_processes(tmp_path):
    with Programs(tmp_path, CHAPPE, {"slow": PASSWORD, "slow2": PASSWORD},
                  processes=2) as it:
        before = time.monotonic()
        results = []
        threads = [threading.Thread(
            target=lambda u=user: results.append(it.log_in(u, bind=False)))
            for user in ("slow", "slow2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["success"] * 2
        assert time.monotonic() - before < 1.9
        assert len({line.split()[0] for line in it.notes().splitlines()
                    if " auth " in line}) == 2


OUT_OF_ORDER = COMMON + """
import select
held = []
for line in sys.stdin:
    number, command, user, *_ = line.split()
    note(command, user)
    result = "ok" if user == "alice" else "no"
    held.append(f"{number} {result}")
    if len(held) == 2:
        print(*reversed(held), sep="\\n", flush=True)
        held = []
"""


def test_answers_out_of_order(tmp_path):
    with Programs(tmp_path, OUT_OF_ORDER) as it:
        results = {}
        threads = [threading.Thread(
            target=lambda u=user: results.update({u: it.log_in(u)}))
            for user in ("alice", "eve")]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        assert results["eve"] == "not-authorized"
        # Its binding asks once more, for what this program holds back.
        assert it.logged("auth.success", "alice")


def says(text):
    """A program that answers each question by that."""
    return COMMON + ("for line in sys.stdin:\n    number = line.split()[0]\n"
                     f"    print({text}, flush=True)\n")


@pytest.mark.parametrize("text", [
    '"rubbish"', '"Traceback: of something"', '"999999 ok"', '"x" * 20000',
    'number, "perhaps"', '"\\0\\0\\0"', 'number, "ok", "more"'])
def test_rubbish(tmp_path, text):
    with Programs(tmp_path, says(text), timeout="500ms") as it:
        assert it.log_in("alice") == "temporary-auth-failure"
        assert it.logged("pipe.failed", "makes no sense")
        assert not it.logged("auth.failure")


def test_it_answers_twice(tmp_path):
    """The second time is ignored."""
    with Programs(tmp_path, says(
            'number + " ok\\n" + number + " no"')) as it:
        for _ in range(3):
            assert it.log_in("alice") == "success"
        assert it.logged("pipe.late")
        assert len(it.pids()) == 1


def test_it_floods(tmp_path):
    """Bytes without an end are not collected."""
    with Programs(tmp_path, COMMON + 'while True: print("x" * 65536, end="")',
                  timeout="500ms") as it:
        assert it.log_in("alice") == "temporary-auth-failure"
        assert it.logged("pipe.failed", "makes no sense")


@pytest.mark.parametrize("text", ["print('hello', flush=True)\n",
                                  "time.sleep(100)\n"])
def test_jabberd2_without_greeting(tmp_path, text):
    with Programs(tmp_path, COMMON + text, protocol="jabberd2",
                  timeout="500ms") as it:
        assert it.log_in("alice") == "temporary-auth-failure"


def test_list_of_drivers(tmp_path):
    """The accounts first, then the program; one that is down is no wrong
    password, but who was found before is not held up."""
    with Programs(tmp_path, CHAPPE, domain={"auth": ["storage", "pipe"]},
                  timeout="500ms") as it:
        it.chappe.add_user("carol", "of the storage")
        assert it.log_in("carol", "of the storage") == "success"
        assert it.log_in("alice") == "success"
        assert it.log_in("alice", "wrong") == "not-authorized"
        it.program.write_text("#!/bin/false\n")
        os.kill(it.pids()[-1], signal.SIGKILL)
        wait_for(lambda: it.logged("pipe.failed", "status 1"))
        assert it.log_in("alice") == "temporary-auth-failure"
        assert it.log_in("carol", "of the storage") == "success"
    folder = tmp_path / "reverse"
    folder.mkdir()
    with Programs(folder, "import sys; sys.exit(1)",
                  domain={"auth": ["pipe", "storage"]},
                  timeout="500ms") as it:
        # The first might have known carol, by another password.
        assert it.log_in("carol", "of the storage") \
            == "temporary-auth-failure"
        assert not it.logged("auth.failure")


def test_reload(tmp_path):
    """A changed section means new processes."""
    with Programs(tmp_path, CHAPPE) as it:
        assert it.log_in("alice") == "success"
        first = it.pids()[0]
        it.chappe.extra_links = it.chappe.extra_links.replace(
            "}", "\tprocesses = 2\n}") if "processes" not in \
            it.chappe.extra_links else it.chappe.extra_links
        text = Chappe._write('pipe "main"', {
            "program": [it.program], "timeout": "3s", "processes": 2})
        it.chappe.extra_links = text
        it.chappe.write_conf()
        it.chappe.reload("sm-1")
        wait_for(lambda: len(it.pids()) == 3)
        wait_for(lambda: not is_alive(first))
        assert it.log_in("alice") == "success"


@pytest.mark.parametrize("options,words", [
    ({}, "program"), ({"program": ["relative/path"]}, "absolute"),
    ({"program": ["/bin/true"], "protocol": "extauth", "scram": "yes"},
     "scram"),
    ({"program": ["/bin/no-such-program"]}, "No such file"),
    ({"program": ["/bin/true"], "protocol": "smoke"}, "smoke"),
])
def test_configuration(stopped, options, words):
    stopped.conf["domain"] = {"auth": ["pipe"]}
    stopped.extra_links = Chappe._write('pipe "main"', options)
    stopped.write_conf()
    done = stopped.ctl("config", "check", check=False)
    assert done.returncode != 0 and words in done.stdout + done.stderr
