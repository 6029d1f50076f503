# SPDX-License-Identifier: Apache-2.0
"""Users' data in PostgreSQL: real servers, that are restarted, killed, hung,
replaced by their standby and reached through a pooler."""

import signal
import socket
import threading
import time

import pytest

from chappe import BUILD, wait_for
from postgres import PASSWORD as DB_PASSWORD
from postgres import Pgbouncer, Postgres
from wire import CLIENT, SASL, STANZAS, Wire


@pytest.fixture(scope="module")
def server():
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def database(server):
    """The server, with an empty database."""
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE usename = 'chappe'")
    server.ours("SET client_min_messages = error; "
                "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server


def configure(chappe, conninfo, **sm):
    chappe.conf["storage"] = {"driver": "postgres",
                              "connection": conninfo.replace("\\", "\\\\")}
    chappe.conf["sm"] = {"driver-dir": BUILD / "storage/.libs", **sm}


def begin(chappe, conninfo, **sm):
    configure(chappe, conninfo, **sm)
    chappe.start()
    chappe.add_users("alice@localhost", "bob@localhost")
    return chappe


def log_in(chappe, user="alice", seconds=15):
    """Success, or the condition of the failure."""
    with Wire(chappe, seconds) as wire:
        wire.secure()
        answer = wire.scram(user)
        return ("success" if answer.tag == SASL + "success"
                else answer[0].tag.removeprefix(SASL))


def bodies(wire, count, seconds=30):
    return [wire.expect_message(seconds=seconds).findtext(CLIENT + "body")
            for _ in range(count)]


class Sender(threading.Thread):
    """Sends numbered messages to somebody offline until it is stopped, and
    takes note of those that come back."""

    def __init__(self, wire, to, pause=0.002):
        super().__init__()
        self.wire, self.to, self.pause = wire, to, pause
        self.sent, self.bounced = 0, {}
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                self.wire.message(self.to, f"m{self.sent}")
                self.sent += 1
                time.sleep(self.pause)
        except OSError as error:
            self.error = error

    def stop(self):
        self.stopping = True
        self.join()
        assert self.error is None, self.error

    def collect(self):
        """Reads what came back, after a round trip."""
        for element in self.wire.settle():
            if element.tag != CLIENT + "message":
                continue
            assert element.get("type") == "error"
            error = element.find(CLIENT + "error")
            assert error.get("type") == "wait", error.attrib
            body = element.findtext(CLIENT + "body")
            self.bounced[body] = error[0].tag.removeprefix(STANZAS)


def check_delivery(chappe, sender, server):
    """Each message came back or was kept, once and in order."""
    sender.stop()
    # The last ones, which the server keeps for sure once it is well.
    sender.wire.message(sender.to, "last")
    wait_for(lambda: server.ours("SELECT count(*) FROM offline WHERE stanza "
                                 "LIKE '%<body>last</body>%'") == "1", 30,
             "the last message is stored")
    sender.collect()
    with Wire(chappe, 30) as bob:
        bob.login("bob", "phone")
        bob.send("<presence/>")
        got = []
        while not got or got[-1] != "last":
            got += bodies(bob, 1)
    numbers = [int(body[1:]) for body in got[:-1]]
    assert numbers == sorted(set(numbers))
    lost = ({f"m{number}" for number in range(sender.sent)}
            - set(got) - set(sender.bounced))
    assert not lost, sorted(lost)[:20]
    return len(numbers), len(sender.bounced)


def test_chat(stopped, database):
    chappe = begin(stopped, database.conninfo())
    with Wire(chappe) as alice, Wire(chappe) as bob:
        alice.login("alice", "desk")
        bob.login("bob", "phone")
        alice.presence()
        bob.presence()
        alice.message("bob@localhost", "hello")
        bob.expect_message("hello")
        alice.iq("set", "<query xmlns='jabber:iq:roster'><item "
                        "jid='bob@localhost' name='Bob'><group>a</group>"
                        "</item></query>")
        alice.iq("set", "<query xmlns='jabber:iq:private'>"
                        "<x xmlns='urn:test'>é\N{ELEPHANT}</x></query>")
        bob.end()
        alice.message("bob@localhost", "later é\N{ELEPHANT}")
        alice.ping()
    chappe.restart_role("sm")
    chappe.wait_ready()
    with Wire(chappe) as alice, Wire(chappe) as bob:
        alice.login("alice")
        item = alice.roster()[0]
        assert (item.get("jid"), item.get("name")) == ("bob@localhost", "Bob")
        kept = alice.iq("get", "<query xmlns='jabber:iq:private'>"
                               "<x xmlns='urn:test'/></query>")
        assert kept[0][0].text == "é\N{ELEPHANT}"
        bob.login("bob")
        bob.send("<presence/>")
        assert bodies(bob, 1) == ["later é\N{ELEPHANT}"]
    chappe.ctl("user", "del", "bob@localhost")
    assert database.ours("SELECT owner FROM account") == "alice@localhost"
    assert log_in(chappe, "bob") == "not-authorized"
    assert DB_PASSWORD not in chappe.log("sm-1")


def test_restart_under_load(stopped, database):
    """A short restart is not noticed: requests wait for it."""
    chappe = begin(stopped, database.conninfo(), **{"offline-max": 100000})
    with Wire(chappe, 30) as alice:
        alice.login("alice")
        sender = Sender(alice, "bob@localhost")
        sender.start()
        for _ in range(3):
            time.sleep(0.5)
            database.stop()
            database.start()
        time.sleep(0.5)
        kept, bounced = check_delivery(chappe, sender, database)
    assert kept > 100 and bounced == 0, sender.bounced


def test_kill_under_load(stopped, database):
    """Killed for longer than anybody waits: clients are told, and it heals."""
    chappe = begin(stopped, database.conninfo(), **{"offline-max": 100000})
    with Wire(chappe, 30) as alice:
        alice.login("alice")
        sender = Sender(alice, "bob@localhost")
        sender.start()
        time.sleep(1)
        database.kill()
        wait_for(lambda: log_in(chappe) == "temporary-auth-failure", 15,
                 "log-ins fail for a while")
        started = time.monotonic()
        assert log_in(chappe) == "temporary-auth-failure"
        assert time.monotonic() - started < 3
        time.sleep(1)
        database.start()
        wait_for(lambda: log_in(chappe) == "success", 15, "log-ins work")
        kept, bounced = check_delivery(chappe, sender, database)
    assert kept > 100 and bounced > 10
    log = chappe.log("sm-1")
    assert log.count("storage.unavailable") == 1, log
    assert log.count("storage.available") == 1, log


def test_fail_over(stopped):
    """The primary dies under load; the standby is promoted and takes over,
    with all that was acknowledged."""
    with Postgres() as primary:
        standby = primary.standby()
        try:
            chappe = begin(stopped, primary.conninfo(standby),
                           **{"offline-max": 100000})
            with Wire(chappe, 30) as alice:
                alice.login("alice")
                sender = Sender(alice, "bob@localhost")
                sender.start()
                time.sleep(1)
                primary.kill()
                standby.promote()
                wait_for(lambda: log_in(chappe) == "success", 20,
                         "log-ins work")
                time.sleep(0.5)
                kept, _ = check_delivery(chappe, sender, standby)
            assert kept > 100
            chappe.stop()
        finally:
            standby.close()


def test_hung_server(stopped, database):
    """Every process of the server stops, in the middle of an answer. The sm
    goes on with what needs no database."""
    chappe = begin(stopped, database.conninfo(timeout=1))
    with Wire(chappe, 30) as alice, Wire(chappe, 30) as bob:
        alice.login("alice", "desk")
        bob.login("bob", "phone")
        alice.presence()
        bob.presence()
        database.pause()
        try:
            for number in range(5):
                alice.message("bob@localhost", f"m{number}")
                bob.expect_message(f"m{number}", seconds=1)
            assert log_in(chappe) == "temporary-auth-failure"
            alice.ping()
        finally:
            database.resume()
        wait_for(lambda: log_in(chappe) == "success", 30, "log-ins work")


def test_wrong_password(stopped, database):
    """Nobody's fault but the configuration's; heals without a restart."""
    chappe = begin(stopped, database.conninfo())
    chappe.kill("sm-1", signal.SIGTERM)
    configure(chappe, database.conninfo(password="another"))
    chappe.write_conf()
    chappe.start_role("sm")
    # Before that it is c2s that finds no sm, for which log-ins fail as well.
    wait_for(lambda: "password authentication failed" in chappe.log("sm-1"),
             15, "the sm says why")
    chappe.wait_ready()
    assert log_in(chappe) == "temporary-auth-failure"
    database.sql("ALTER ROLE chappe PASSWORD 'another'")
    try:
        wait_for(lambda: log_in(chappe) == "success", 20, "log-ins work")
    finally:
        database.sql("ALTER ROLE chappe PASSWORD "
                     f"'{DB_PASSWORD.replace(chr(39), chr(39) * 2)}'")


def test_another_version(stopped, database):
    chappe = begin(stopped, database.conninfo())
    database.ours("UPDATE chappe_schema SET version = 77")
    chappe.restart_role("sm")
    chappe.wait_ready()
    assert log_in(chappe) == "temporary-auth-failure"
    assert "the database has schema 77" in chappe.log("sm-1")
    assert database.ours("SELECT count(*) FROM account") == "2"


def test_locked(stopped, database):
    """Another session holds what a log-in needs: a failure after the
    time-out, and others are served meanwhile."""
    chappe = begin(stopped, database.conninfo(timeout=1))
    with Wire(chappe, 30) as alice:
        alice.login("alice")
        locker = database.session("BEGIN; LOCK TABLE document")
        answer = alice.iq("set", "<query xmlns='jabber:iq:private'>"
                                 "<x xmlns='urn:test'>1</x></query>")
        assert answer.get("type") == "error"
        assert answer.find(CLIENT + "error").get("type") == "wait"
        assert log_in(chappe, "bob") == "success"
        locker.kill()
        locker.communicate()
        answer = alice.iq("set", "<query xmlns='jabber:iq:private'>"
                                 "<x xmlns='urn:test'>2</x></query>")
        assert answer.get("type") == "result"


def test_tls(stopped, database):
    """With the certificate checked, and with one that is another's."""
    chappe = begin(stopped, database.conninfo(
        host="localhost", sslmode="verify-full",
        sslrootcert=database.certificate))
    assert log_in(chappe) == "success"
    assert database.sql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity "
        "USING (pid) WHERE application_name = 'chappe'") == "t"
    chappe.kill("sm-1", signal.SIGTERM)
    configure(chappe, database.conninfo(
        host="localhost", sslmode="verify-full",
        sslrootcert=chappe.certificate))
    chappe.write_conf()
    chappe.start_role("sm")
    chappe.wait_ready()
    assert log_in(chappe) == "temporary-auth-failure"
    assert "certificate verify failed" in chappe.log("sm-1")


def test_pgbouncer(stopped, database):
    """More connections than sessions, each transaction in another one; the
    pooler is killed and started again."""
    with Pgbouncer(database) as pooler:
        chappe = begin(stopped, pooler.conninfo(connections=6),
                       **{"offline-max": 100000})
        with Wire(chappe, 30) as alice:
            alice.login("alice")
            sender = Sender(alice, "bob@localhost")
            sender.start()
            time.sleep(1)
            pooler.kill()
            pooler.start()
            time.sleep(1)
            kept, bounced = check_delivery(chappe, sender, database)
        assert kept > 100 and bounced == 0
        # The time-out is the transaction's, not the session's.
        assert database.sql("SELECT count(*) FROM pg_stat_activity WHERE "
                            "usename = 'chappe'") <= "2"
        chappe.stop()


def test_spoilt_sessions_of_a_pooler(stopped, database):
    """Somebody else leaves the sessions that a pooler hands out in a state
    that breaks every statement, or leads it to other tables."""
    database.ours("CREATE SCHEMA evil")
    with Pgbouncer(database, pool=2, reset=False) as pooler:
        chappe = begin(stopped, pooler.conninfo(connections=2, timeout=2))
        database.ours("; ".join(
            f"CREATE TABLE evil.{table} (LIKE public.{table} INCLUDING ALL)"
            for table in database.ours(
                "SELECT string_agg(tablename, ' ') FROM pg_tables "
                "WHERE schemaname = 'public'").split()))
        database.sql("CREATE ROLE nobody_here; GRANT nobody_here TO chappe")
        try:
            for number, spoil in enumerate((
                    "SET search_path = evil", "SET search_path = nowhere",
                    "SET default_transaction_read_only = on",
                    "SET ROLE nobody_here", "SET statement_timeout = 1")):
                pooler.spoil(spoil)
                wait_for(lambda: log_in(chappe) == "success", 20,
                         f"a log-in after {spoil}")
                pooler.spoil(spoil)
                name = f"user{number}"
                wait_for(lambda: chappe.ctl(
                    "user", "add", f"{name}@localhost", "--password-stdin",
                    stdin="secret\n", check=False).returncode == 0, 20,
                    f"an account after {spoil}")
                # A new sm looks for the tables through such a session.
                pooler.spoil(spoil)
                chappe.restart_role("sm")
                chappe.wait_ready()
                wait_for(lambda: log_in(chappe) == "success", 20,
                         f"a log-in at a start after {spoil}")
        finally:
            chappe.stop()
            database.sql("DROP OWNED BY nobody_here; DROP ROLE nobody_here")
        assert database.ours("SELECT count(*) FROM evil.account") == "0"
        assert database.ours("SELECT count(*) FROM public.account") == "7"
    database.ours("DROP SCHEMA evil CASCADE")


class Cutter:
    """Passes bytes between clients and a server; once armed, cuts the
    connection that brings the confirmation of a commit, after it happened and
    before the client sees it."""

    def __init__(self, port):
        self.port = port
        self.armed = False
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listen_port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for here, there, back in ((client, server, False),
                                      (server, client, True)):
                threading.Thread(target=self.copy, daemon=True,
                                 args=(here, there, back)).start()

    def copy(self, here, there, back):
        try:
            while data := here.recv(65536):
                if back and self.armed and b"COMMIT\0" in data:
                    self.armed = False
                    self.cuts += 1
                    break
                there.sendall(data)
        except OSError:
            pass
        for end in (here, there):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def test_commit_not_confirmed(stopped, database):
    """Done, but nobody said so: made again, it comes to the same."""
    cutter = Cutter(database.port)
    chappe = begin(stopped, database.conninfo(
        port=cutter.listen_port, sslmode="disable", connections=1))
    with Wire(chappe, 30) as alice:
        alice.login("alice")
        for number in range(6):
            # The first one only makes the sm load what it knows of bob.
            cutter.armed = number > 0
            alice.message("bob@localhost", f"m{number}")
            wait_for(lambda: cutter.cuts == number and database.ours(
                "SELECT count(*) FROM offline") == str(number + 1), 10,
                "the message is stored, and the connection cut")
            wait_for(lambda: chappe.log("sm-1").count("storage.available")
                     == number, 10, "the sm is connected again")
        alice.ping()
        assert not alice.settle()
    with Wire(chappe, 30) as bob:
        bob.login("bob")
        bob.send("<presence/>")
        assert bodies(bob, 6) == [f"m{number}" for number in range(6)]
        bob.ping()
        assert not [e for e in bob.settle() if e.tag == CLIENT + "message"]
    cuts = cutter.cuts
    cutter.armed = True
    chappe.add_user("carol")
    assert cutter.cuts == cuts + 1
    assert log_in(chappe, "carol") == "success"
    cutter.armed = True
    chappe.ctl("user", "del", "carol@localhost")
    assert cutter.cuts == cuts + 2
    assert log_in(chappe, "carol") == "not-authorized"
    cutter.close()


def test_poisoned_session(stopped, database):
    """A session that somebody made read-only is left for another."""
    chappe = begin(stopped, database.conninfo())
    database.sql("ALTER ROLE chappe SET default_transaction_read_only = on")
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                 "WHERE usename = 'chappe'")
    try:
        wait_for(lambda: log_in(chappe) == "temporary-auth-failure", 15,
                 "log-ins fail")
    finally:
        database.sql("ALTER ROLE chappe RESET default_transaction_read_only")
    wait_for(lambda: log_in(chappe) == "success", 20, "log-ins work")


def test_too_many_connections(stopped, database):
    """The server has room for a few only: these do the work."""
    database.sql("ALTER ROLE chappe CONNECTION LIMIT 2")
    try:
        chappe = begin(stopped, database.conninfo(connections=8))
        with Wire(chappe, 30) as alice:
            alice.login("alice")
            for number in range(50):
                alice.message("bob@localhost", f"m{number}")
            alice.ping()
        with Wire(chappe, 30) as bob:
            bob.login("bob")
            bob.send("<presence/>")
            assert bodies(bob, 50) == [f"m{n}" for n in range(50)]
    finally:
        database.sql("ALTER ROLE chappe CONNECTION LIMIT -1")
