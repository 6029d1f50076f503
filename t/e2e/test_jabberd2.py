# SPDX-License-Identifier: Apache-2.0
"""Leaving jabberd2: its tables in SQLite, in PostgreSQL and in a dump of
MySQL, as its own programs fill them."""

import sqlite3
import xml.etree.ElementTree as ET

import pytest

from chappe import BUILD
from postgres import Postgres
from wire import CLIENT, ROSTER, SASL, Wire

PIE = "{urn:xmpp:pie:0}"

OWNED = {
    "active": ["time"], "logout": ["time"],
    "roster-items": ["jid", "name", "to", "from", "ask"],
    "roster-groups": ["jid", "group"],
    "vcard": ["fn", "nickname", "n-given", "n-family", "email", "photo-type",
              "photo-binval", "desc"],
    "queue": ["xml"], "private": ["ns", "xml"],
    "privacy-default": ["default"],
    "privacy-items": ["list", "type", "value", "deny", "order", "block"],
    "motd-message": ["xml"], "motd-times": ["time"],
    "vacation-settings": ["start", "end", "message"],
}
TABLES = {"authreg": ["username", "realm", "password"],
          **{name: ["collection-owner", "object-sequence", *columns]
             for name, columns in OWNED.items()}}
ROUTE = ("NAD<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0'"
         " to='localhost' from='c2s'>%s</route>")
STAMPS = ("<x xmlns='jabber:x:delay' from='localhost' stamp="
          "'20100102T03:04:05'/><delay xmlns='urn:xmpp:delay' from="
          "'localhost' stamp='2010-01-02T03:04:05Z'/>")


def message(number):
    return ROUTE % (
        "<message xmlns='jabber:client' from='bob@localhost/x' "
        f"to='alice@localhost' type='chat'><body>it's \\ \"{number}\"\n</body>"
        f"{STAMPS}</message>")


ROWS = [
    ("authreg", "alice", "localhost", "it's \\ secret"),
    ("authreg", "bob", "localhost", "$2y$10$abcdefghijklmnopqrstuv"),
    ("authreg", "carol", "localhost", "0123456789abcdef0123456789abcdef"),
    ("authreg", "dora", "", "x"),
    ("active", "alice@localhost", "1262401445"),
    ("active", "eve@localhost", "1262401445"),
    ("logout", "alice@localhost", "1262401500"),
    ("roster-items", "alice@localhost", "bob@localhost", "B'ob", "1", "1",
     "0"),
    ("roster-items", "alice@localhost", "new@localhost", None, "0", "0", "1"),
    ("roster-groups", "alice@localhost", "bob@localhost", "Friends; (all)"),
    ("vcard", "alice@localhost", "Alice", None, "Al", "Ice", "a@x.example",
     "image/png", "aGVsbG8=", "a\nb"),
    ("queue", "alice@localhost", message(1)),
    ("queue", "alice@localhost", message(2)),
    ("queue", "alice@localhost", ROUTE % (
        "<presence xmlns='jabber:client' type='subscribe' "
        "from='mallory@x.example' to='alice@localhost'/>")),
    ("queue", "alice@localhost", ROUTE % (
        "<presence xmlns='jabber:client' type='unsubscribed' "
        "from='gone@x.example' to='alice@localhost'/>")),
    ("queue", "alice@localhost", "NAD<broken"),
    ("private", "alice@localhost", "urn:example:p", ROUTE % (
        "<iq xmlns='jabber:client' type='set'><query xmlns="
        "'jabber:iq:private'><p xmlns='urn:example:p'>kept</p></query></iq>")),
    ("privacy-default", "alice@localhost", "mine"),
    ("privacy-items", "alice@localhost", "mine", "jid", "spam.example", "1",
     "1", "0"),
    ("privacy-items", "alice@localhost", "mine", "jid", "half.example", "1",
     "2", "1"),
    ("privacy-items", "alice@localhost", "other", "jid", "x.example", "1",
     "1", "0"),
    ("motd-message", "localhost", "NAD<message/>"),
    ("motd-times", "alice@localhost", "1"),
]


def rows():
    """With the numbers that the tables have."""
    for number, (table, *values) in enumerate(ROWS, 1):
        if table != "authreg":
            values.insert(1, str(number))
        yield table, values


def fill_sqlite(path):
    database = sqlite3.connect(path)
    for table, columns in TABLES.items():
        names = ", ".join(f'"{name}" TEXT' for name in columns)
        database.execute(f'CREATE TABLE "{table}" ({names})')
    for table, values in rows():
        marks = ", ".join("?" * len(values))
        database.execute(f'INSERT INTO "{table}" VALUES ({marks})', values)
    database.commit()
    database.close()


def fill_postgres(server):
    server.ours('SET client_min_messages = error; '
                'DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    kinds = {"to": "boolean", "from": "boolean", "deny": "boolean",
             "time": "integer", "object-sequence": "bigint"}
    text = ""
    for table, columns in TABLES.items():
        names = ", ".join(f'"{name}" {kinds.get(name, "text")}'
                          for name in columns)
        text += f'CREATE TABLE "{table}" ({names});\n'
    for table, values in rows():
        quoted = ", ".join("NULL" if value is None else
                           "'" + value.replace("'", "''") + "'"
                           for value in values)
        text += f'INSERT INTO "{table}" VALUES ({quoted});\n'
    server.ours(text)


def dump(names_columns):
    """As mysqldump writes it."""
    def quote(value):
        if value is None:
            return "NULL"
        if value.isdigit():
            return value
        for raw, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"),
                             ('"', '\\"')):
            value = value.replace(raw, escaped)
        return f"'{value}'"
    text = ("-- MySQL dump 10.19  Distrib 10.11.6; it's a dump\n"
            "/*!40101 SET NAMES utf8mb4 */;\n# a comment\n")
    for table, columns in TABLES.items():
        names = ",\n".join(f"  `{name}` varchar(255) DEFAULT 'x,)'"
                           for name in columns)
        text += (f"DROP TABLE IF EXISTS `{table}`;\nCREATE TABLE `{table}` (\n"
                 f"{names},\n  PRIMARY KEY (`{columns[0]}`(255)),\n"
                 f"  KEY `k` (`{columns[0]}`)\n) ENGINE=InnoDB;\n"
                 f"LOCK TABLES `{table}` WRITE;\n")
        values = [values for name, values in rows() if name == table]
        if values:
            listed = " (" + ", ".join(f"`{c}`" for c in columns) + ")"
            text += (f"INSERT INTO `{table}`{listed if names_columns else ''}"
                     " VALUES " + ",".join(
                         "(" + ",".join(map(quote, row)) + ")"
                         for row in values) + ";\n")
        text += "UNLOCK TABLES;\n"
    return text + ("CREATE TABLE `other` (`a` int);\n"
                   "INSERT INTO `other` VALUES (1),(2);\n")


@pytest.fixture(scope="module")
def server():
    with Postgres() as postgres:
        yield postgres


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "dump",
                                  "dump with columns"])
def test_take_over(stopped, tmp_path, kind, request):
    stopped.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    if kind == "sqlite":
        fill_sqlite(tmp_path / "old.db")
        source = f"sqlite:{tmp_path}/old.db"
    elif kind == "postgres":
        postgres = request.getfixturevalue("server")
        fill_postgres(postgres)
        source = postgres.uri()
    else:
        (tmp_path / "old.sql").write_text(dump("columns" in kind))
        source = f"mysql-dump:{tmp_path}/old.sql"
    stopped.start()
    done = stopped.ctl("import", "jabberd2", source)
    for line in ("accounts: 1 kept\n",
                 "accounts: 3 kept: without a password",
                 "accounts: 1 skipped: they have no realm",
                 "passwords: 2 skipped: jabberd2 kept a hash",
                 "roster items: 2 kept", "offline messages: 2 kept",
                 "offline messages: 1 skipped: it is no XML",
                 "subscription requests: 1 kept",
                 "subscription requests: 1 skipped: it is an answer",
                 "vCards: 1 kept", "private elements: 1 kept",
                 "times of last activity: 1 kept",
                 "blocked addresses: 1 kept",
                 "rules of privacy lists: 2 skipped",
                 "motd-message: 1 skipped", "motd-times: 1 skipped"):
        assert line in done.stdout, (line, done.stdout)
    with Wire(stopped) as alice:
        alice.login("alice", password="it's \\ secret")
        items = alice.iq("get", "<query xmlns='jabber:iq:roster'/>").findall(
            f"{ROSTER}query/{ROSTER}item")
        assert [(i.get("jid"), i.get("name"), i.get("subscription"),
                 i.get("ask"), [g.text for g in i]) for i in items] == [
            ("bob@localhost", "B'ob", "both", None, ["Friends; (all)"]),
            ("new@localhost", None, "none", "subscribe", [])]
        card = alice.iq("get", "<vCard xmlns='vcard-temp'/>")[0]
        v = "{vcard-temp}"
        assert [card.findtext(v + f"/{v}".join(path.split("/"))) for path in
                ("FN", "N/GIVEN", "N/FAMILY", "EMAIL/USERID", "PHOTO/TYPE",
                 "PHOTO/BINVAL", "DESC")] == \
            ["Alice", "Al", "Ice", "a@x.example", "image/png", "aGVsbG8=",
             "a\nb"]
        answer = alice.iq("get", "<query xmlns='jabber:iq:private'>"
                          "<p xmlns='urn:example:p'/></query>")
        assert answer.findtext(".//{urn:example:p}p") == "kept"
        blocked = alice.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        assert [item.get("jid") for item in blocked[0]] == ["spam.example"]
        alice.send("<presence/>")
        got, asked = [], None
        while len(got) < 2 or asked is None:
            element = alice.next()
            if element.tag == CLIENT + "message":
                got.append(element)
            elif element.get("type") == "subscribe":
                asked = element.get("from")
        assert asked == "mallory@x.example"
        assert [m.findtext(CLIENT + "body") for m in got] == \
            ["it's \\ \"1\"\n", "it's \\ \"2\"\n"]
        for m in got:
            delays = m.findall("{urn:xmpp:delay}delay")
            assert [d.get("stamp")[:19] for d in delays] == \
                ["2010-01-02T03:04:05"]
    shown = stopped.ctl("user", "show", "alice@localhost").stdout
    assert "2010-01-02" in shown
    stopped.ctl("user", "passwd", "bob@localhost", "--password-stdin",
                stdin="new\n")
    with Wire(stopped) as bob:
        bob.secure()
        assert bob.scram("bob", "new").tag == SASL + "success"
    # Once more: alice's messages are gone, everybody else is as before.
    again = stopped.ctl("import", "jabberd2", source, check=False)
    assert again.returncode == 4
    assert "conflict alice@localhost" in again.stderr
    assert "accounts: 3 unchanged" in again.stdout


def test_to_a_file(stopped, tmp_path):
    fill_sqlite(tmp_path / "old.db")
    stopped.write_conf()
    path = tmp_path / "made.xml"
    done = stopped.ctl("import", "jabberd2", f"sqlite:{tmp_path}/old.db",
                       "--output", path, "--domain", "localhost")
    assert "passwords: 2 skipped" in done.stdout
    assert path.stat().st_mode & 0o777 == 0o600
    users = ET.fromstring(path.read_text()).findall(f".//{PIE}user")
    assert [(user.get("name"), user.get("password")) for user in users] == [
        ("alice", "it's \\ secret"), ("bob", None), ("carol", None),
        ("dora", "x"), ("eve", None)]
    assert "accounts: 2 kept\n" in stopped.ctl("db", "import", path).stdout


@pytest.mark.parametrize("source,sentence", [
    ("oracle:x", "neither sqlite:FILE"),
    ("sqlite:/no/such", "No such file"),
    ("sqlite:EMPTY", "no such table"),
    ("postgresql://127.0.0.1:1/x", "refused"),
    ("mysql-dump:/no/such", "No such file"),
    ("mysql-dump:EMPTY", "no table of jabberd2"),
    ("mysql-dump:CUT", "has no end"),
    ("mysql-dump:ROWS", "does not fit"),
    ("mysql-dump:ZERO", "zero byte"),
])
def test_sources_that_are_none(stopped, tmp_path, source, sentence):
    stopped.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    stopped.write_conf()
    (tmp_path / "empty").write_text("")
    whole = dump(False)
    (tmp_path / "cut").write_text(whole[:whole.index("secret")])
    (tmp_path / "rows").write_text(
        "CREATE TABLE `authreg` (`username` text);\n"
        "INSERT INTO `authreg` VALUES ('a','b');\n")
    (tmp_path / "zero").write_text(
        "INSERT INTO `authreg` (`username`) VALUES ('a\\0b');\n")
    for name in ("empty", "cut", "rows", "zero"):
        source = source.replace(name.upper(), str(tmp_path / name))
    done = stopped.ctl("import", "jabberd2", source, check=False)
    assert done.returncode in (1, 5)
    assert sentence in done.stderr
