# SPDX-License-Identifier: Apache-2.0
"""A database that cannot be opened, read or written: clients hear that it is
for now, never that they have no account or an empty roster, others go on, and
all heals without a restart."""

import resource
import shutil
import sqlite3

import pytest

from chappe import Chappe, wait_for
from wire import CLIENT, ROSTER, SASL, Wire, error_of

WAIT = ("internal-server-error", "wait")


class Watched:
    """Two sessions that are open before the fault, and chat through it."""

    def __init__(self, server):
        self.server = server
        self.carol, self.dave = Wire(server), Wire(server)
        for wire, name in (self.carol, "carol"), (self.dave, "dave"):
            wire.login(name)
            wire.presence()
        self.processes = dict(server.processes)

    def chat(self):
        self.carol.message(self.dave.jid, "through it")
        self.dave.expect_message("through it")
        assert all(process.poll() is None
                   for process in self.processes.values())
        assert self.server.processes == self.processes


@pytest.fixture
def server(tmp_path):
    with Chappe(tmp_path) as made:
        made.conf["sm"] = {"user-idle": "1s", "document-max": "1M"}
        made.start()
        made.add_users(*(f"{name}@localhost" for name in
                         ("alice", "bob", "carol", "dave")))
        yield made


@pytest.fixture
def watched(server):
    made = Watched(server)
    yield made
    made.carol.socket.close()
    made.dave.socket.close()


def log_in(server, mechanism="SCRAM-SHA-256"):
    with Wire(server) as wire:
        wire.secure()
        if mechanism == "PLAIN":
            return wire.plain("alice")
        return wire.scram("alice", mechanism=mechanism)


def can_log_in(server):
    return log_in(server).tag == SASL + "success"


def assert_temporary(failure):
    assert failure.tag == SASL + "failure"
    assert failure.find(SASL + "temporary-auth-failure") is not None


def heals(condition, what):
    wait_for(condition, 15, what)


def set_roster(wire, jid):
    return wire.iq("set", "<query xmlns='jabber:iq:roster'>"
                   f"<item jid='{jid}'/></query>")


def can_write(wire):
    return set_roster(wire, "friend@localhost").get("type") == "result"


def logged(server, *words):
    lines = server.log("sm-1").splitlines()
    return any(all(word in line for word in words) for line in lines)


def damage(path):
    """Its pages beyond the first ones, in place."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    shutil.copy(path, f"{path}.good")
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(0)
        file.write(b"\xa5" * size)


# -- not there, or not a database ---------------------------------------------


def test_database_that_cannot_be_opened(tmp_path):
    with Chappe(tmp_path) as server:
        folder = tmp_path / "later"
        server.conf["storage"] = {"connection": folder / "chappe.db"}
        server.start()
        for mechanism in "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN":
            assert_temporary(log_in(server, mechanism))
        refused = server.ctl("user", "add", "alice@localhost",
                             "--password-stdin", stdin="x\n", check=False)
        assert refused.returncode != 0
        assert logged(server, "storage.unavailable")
        folder.mkdir()
        heals(lambda: server.ctl(
            "user", "add", "alice@localhost", "--password-stdin",
            stdin="pencil-and-paper\n", check=False).returncode == 0,
            "an account can be made")
        assert can_log_in(server)
        assert logged(server, "storage.available")


def test_file_that_is_no_database(tmp_path):
    with Chappe(tmp_path) as server:
        path = tmp_path / "chappe.db"
        path.write_text("This is no database at all.\n" * 1000)
        server.start()
        assert_temporary(log_in(server))
        assert logged(server, "storage.unavailable", "not an SQLite database")
        path.unlink()

        def add():
            return server.ctl("user", "add", "alice@localhost",
                              "--password-stdin", check=False,
                              stdin="pencil-and-paper\n").returncode == 0

        heals(add, "an account can be made")
        assert can_log_in(server)


def test_database_that_is_damaged(server, watched):
    """Whoever is in memory goes on; whoever is not has to wait."""
    path = server.folder / "chappe.db"
    damage(path)
    wait_for(lambda: not can_log_in(server), 10, "the damage is seen")
    assert_temporary(log_in(server))
    assert_temporary(log_in(server, "PLAIN"))
    assert error_of(set_roster(watched.carol, "x@localhost")) == WAIT
    watched.chat()
    assert logged(server, "storage.unavailable")
    shutil.copy(f"{path}.good", path)
    heals(lambda: can_log_in(server), "log-in works again")
    heals(lambda: can_write(watched.carol), "writing works again")
    watched.chat()


def test_database_that_has_gone(server, watched):
    """No empty one takes its place, in which nobody has an account."""
    away = server.folder / "away"
    away.mkdir()
    for path in server.folder.glob("chappe.db*"):
        path.rename(away / path.name)
    wait_for(lambda: not can_log_in(server), 10, "it is missed")
    assert_temporary(log_in(server))
    watched.chat()
    assert not (server.folder / "chappe.db").exists()
    for path in away.glob("*"):
        path.rename(server.folder / path.name)
    heals(lambda: can_log_in(server), "log-in works again")
    watched.chat()


# -- cannot be written --------------------------------------------------------


def check_read_only(server, watched):
    """Reading goes on: log-in, rosters. Writing is refused, for now."""
    assert error_of(set_roster(watched.carol, "x@localhost")) == WAIT
    assert watched.carol.roster() is not None
    # bob is offline: what cannot be stored comes back.
    watched.carol.send("<message to='bob@localhost' type='chat' id='m'>"
                       "<body>lost?</body></message>")
    answer = watched.carol.until(lambda e: e.get("id") == "m", 15)
    assert error_of(answer) == WAIT
    answer = watched.carol.iq(
        "set", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>",
        seconds=15)
    assert error_of(answer) == WAIT
    watched.chat()
    assert can_log_in(server)
    assert logged(server, "storage.unavailable")
    refused = server.ctl("user", "add", "new@localhost", "--password-stdin",
                         stdin="x\n", check=False)
    assert refused.returncode != 0


def check_healed(server, watched):
    heals(lambda: can_write(watched.carol), "writing works again")
    # What was refused is nowhere: neither in the roster nor delivered late.
    items = {item.get("jid") for item in watched.carol.roster()}
    assert items == {"friend@localhost"}
    watched.carol.message("bob@localhost", "kept")
    watched.carol.ping()
    with Wire(server) as bob:
        bob.login("bob")
        bob.send("<presence/>")
        bob.expect_message("kept")
        bob.ping()
        assert not [e for e in bob._ready if e.tag == CLIENT + "message"]
    wait_for(lambda: logged(server, "storage.available"))
    watched.chat()


def test_database_that_is_locked(server, watched):
    other = sqlite3.connect(server.folder / "chappe.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    check_read_only(server, watched)
    other.execute("COMMIT")
    other.close()
    check_healed(server, watched)


def test_full_disk(server, watched):
    """By a limit on the size of files: there is room for what is small (the
    log, SQLite's shared memory), and none for this."""
    pid = server.processes["sm-1"].pid
    room = server.log_path("sm-1").stat().st_size + 70000
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, old[1]))
    try:
        vcard = ("<vCard xmlns='vcard-temp'><DESC>" + "x" * 200000 +
                 "</DESC></vCard>")
        answer = watched.dave.iq("set", vcard, seconds=15)
        assert error_of(answer) == WAIT
        watched.chat()
        assert logged(server, "storage.unavailable")
        # SQLite does not know this limit as a full disk, and the database is
        # opened anew: then reading works, while there is still no room.
        heals(lambda: can_log_in(server), "log-in works on a full disk")
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, old)
    heals(lambda: watched.dave.iq("set", vcard).get("type") == "result",
          "the card can be stored")
    stored = watched.dave.iq("get", "<vCard xmlns='vcard-temp'/>")
    assert len(stored.findtext("{vcard-temp}vCard/{vcard-temp}DESC")) == 200000
    check_healed(server, watched)


def test_no_byte_more(server, watched):
    """Not even the log: nobody crashes over that."""
    pid = server.processes["sm-1"].pid
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, old[1]))
    try:
        answer = set_roster(watched.carol, "x@localhost")
        assert error_of(answer) == WAIT
        watched.chat()
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, old)
    check_healed(server, watched)


# -- somebody logs in at the wrong moment -------------------------------------


def test_session_of_a_user_who_cannot_be_loaded(server, watched):
    """Logged in, and then the database is gone: the bind has to wait."""
    with Wire(server) as alice:
        alice.secure()
        assert alice.scram("alice").tag == SASL + "success"
        alice.open()
        away = server.folder / "away"
        away.mkdir()
        for path in server.folder.glob("chappe.db*"):
            path.rename(away / path.name)
        wait_for(lambda: not can_log_in(server), 10, "it is missed")

        def bind():
            alice.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:"
                       "xml:ns:xmpp-bind'/></iq>")
            return alice.expect(CLIENT + "iq", id="b", seconds=15)

        answer = bind()
        assert error_of(answer) == WAIT
        watched.chat()
        for path in away.glob("*"):
            path.rename(server.folder / path.name)
        heals(lambda: bind().get("type") == "result", "alice can bind")
        assert alice.roster().tag == ROSTER + "query"
