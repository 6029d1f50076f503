# SPDX-License-Identifier: Apache-2.0
"""chappectl db: schemas, checks, and moving everybody's data as XEP-0227."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import xml.etree.ElementTree as ET

import pytest

from chappe import BUILD, PASSWORD, SOURCE, Chappe
from postgres import Postgres
from wire import CLIENT, ROSTER, SASL, Wire

PIE = "{urn:xmpp:pie:0}"
ODD = "pass <word> &amp; 'quotes'"


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


def use_postgres(chappe, postgres):
    chappe.conf["storage"] = {
        "driver": "postgres",
        "connection": postgres.conninfo().replace("\\", "\\\\")}
    chappe.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}


def fill(chappe):
    """Everything that a server keeps, for alice; bob has asked carol."""
    chappe.add_users("alice@localhost", "bob@localhost", "carol@localhost")
    chappe.add_user("odd", ODD)
    with Wire(chappe) as alice, Wire(chappe) as bob:
        alice.login("alice", "desk")
        bob.login("bob", "phone")
        alice.iq("set", "<query xmlns='jabber:iq:roster'><item "
                 "jid='bob@localhost' name='B&amp;&apos;b'><group>x</group>"
                 "<group>&lt;y&gt;</group></item></query>")
        alice.iq("set", "<query xmlns='jabber:iq:roster'><item "
                 "jid='away.example'/></query>")
        bob.send("<presence type='subscribe' to='carol@localhost'>"
                 "<status>let me in</status></presence>")
        bob.send("<presence type='subscribed' to='dave@localhost'/>")
        alice.iq("set", "<vCard xmlns='vcard-temp'><FN>Alice &amp; co</FN>"
                 "<PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>")
        for name in ("one", "two"):
            alice.iq("set", "<query xmlns='jabber:iq:private'>"
                     f"<prefs xmlns='urn:example:{name}'><message xmlns="
                     "'jabber:client'>as it is</message><p:q xmlns:p='urn:p' "
                     "p:a='1' xml:lang='de'/></prefs></query>")
        alice.iq("set", "<block xmlns='urn:xmpp:blocking'><item "
                 "jid='spam.example'/><item jid='troll@x.example'/></block>")
        alice.presence()
        for number in range(120):
            alice.message("carol@localhost", f"for later {number}")
        alice.settle()
        bob.settle()
        alice.end()


def export(chappe, *words):
    text = chappe.ctl("db", "export", *words).stdout
    # Seconds before now.
    return re.sub(r" seconds='\d+'", "", text)


def user_of(text, name):
    return ET.fromstring(text).find(f"{PIE}host/{PIE}user[@name='{name}']")


def can_log_in(chappe, name, password=PASSWORD, mechanism="SCRAM-SHA-256"):
    with Wire(chappe, 15) as wire:
        wire.secure()
        return wire.scram(name, password, mechanism).tag == SASL + "success"


def check_carol(chappe):
    """What was kept for carol comes to her client, with its times."""
    with Wire(chappe, 20) as carol:
        carol.login("carol", "phone")
        carol.roster()
        carol.send("<presence/>")
        got = []
        asked = None
        while len(got) < 120 or asked is None:
            element = carol.next()
            if element.tag == CLIENT + "message":
                got.append(element)
            elif element.get("type") == "subscribe":
                asked = element
        assert asked.get("from") == "bob@localhost"
        assert asked.findtext(CLIENT + "status") == "let me in"
        assert [m.findtext(CLIENT + "body") for m in got] == \
            [f"for later {number}" for number in range(120)]
        assert all(len(m.findall("{urn:xmpp:delay}delay")) == 1 for m in got)


# -- moving -------------------------------------------------------------------


def test_from_sqlite_to_postgres(tmp_path, database):
    with Chappe(tmp_path) as old:
        old.start()
        fill(old)
        first = export(old)
        # As well without any role.
        assert not old.stop()
        assert export(old) == first
    alice = user_of(first, "alice")
    items = alice.findall(f"{ROSTER}query/{ROSTER}item")
    assert [item.get("jid") for item in items] == ["away.example",
                                                   "bob@localhost"]
    assert len(user_of(first, "carol").findall(
        f"{PIE}offline-messages/{CLIENT}message")) == 120
    assert "urn:chappe:held" not in first
    folder = tmp_path / "new"
    folder.mkdir()
    with Chappe(folder) as new:
        use_postgres(new, database)
        new.write_conf()
        done = new.ctl("db", "import", stdin=first)
        assert "accounts: 4 kept" in done.stdout
        assert "offline messages: 120 kept" in done.stdout
        assert "subscription requests: 1 kept" in done.stdout
        assert "private elements: 2 kept" in done.stdout
        assert "blocked addresses: 2 kept" in done.stdout
        assert export(new) == first
        assert "in order" in new.ctl("db", "check").stdout
        # Once more is no harm.
        again = new.ctl("db", "import", stdin=first)
        assert "accounts: 4 unchanged" in again.stdout
        assert export(new) == first
        new.start()
        assert can_log_in(new, "odd", ODD)
        assert can_log_in(new, "odd", ODD, "SCRAM-SHA-1")
        assert not can_log_in(new, "odd", "another")
        with Wire(new) as alice:
            alice.login("alice", "desk")
            answer = alice.iq("get", "<query xmlns='jabber:iq:private'>"
                              "<prefs xmlns='urn:example:two'/></query>")
            assert answer.find(".//" + CLIENT + "message").text == "as it is"
            assert answer.find(".//{urn:p}q").get("{urn:p}a") == "1"
        check_carol(new)
        # And what has changed since is a conflict, that changes nothing.
        before = export(new)
        refused = new.ctl("db", "import", stdin=first, check=False)
        assert refused.returncode == 4
        assert "conflict carol@localhost: the account is there, with other " \
            "data" in refused.stderr
        assert export(new) == before


def test_between_sections(stopped, database):
    """Both storages in one configuration, through a pipe."""
    stopped.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    stopped.write_conf()
    with stopped.conf_path.open("a") as conf:
        connection = database.conninfo().replace("\\", "\\\\")
        conf.write('storage "new" { driver = postgres  '
                   f'connection = "{connection}" }}\n')
    for role in ("router", "sm", "c2s"):
        stopped.start_role(role)
    stopped.wait_ready()
    fill(stopped)
    text = stopped.ctl("db", "export").stdout
    stopped.ctl("--storage", "new", "db", "import", stdin=text)
    new = stopped.ctl("db", "export", "--storage", "new").stdout
    strip = re.compile(r" seconds='\d+'")
    assert strip.sub("", new) == strip.sub("", text)
    wrong = stopped.ctl("db", "export", "--storage", "old", check=False)
    assert wrong.returncode == 1
    assert 'no section storage "old"' in wrong.stderr


def test_filters(tmp_path):
    with Chappe(tmp_path, domains=["localhost", "other.example"]) as chappe:
        chappe.start()
        chappe.add_users("alice@localhost", "bob@localhost",
                         "alice@other.example")
        all_of_them = ET.fromstring(chappe.ctl("db", "export").stdout)
        assert [(host.get("jid"), [user.get("name") for user in host])
                for host in all_of_them] == [
                    ("localhost", ["alice", "bob"]),
                    ("other.example", ["alice"])]
        other = ET.fromstring(chappe.ctl("db", "export", "--domain",
                                         "Other.example").stdout)
        assert [host.get("jid") for host in other] == ["other.example"]
        one = ET.fromstring(chappe.ctl("db", "export", "--user",
                                       "BOB@localhost").stdout)
        assert [user.get("name") for user in one.iter(f"{PIE}user")] == ["bob"]
        missing = chappe.ctl("db", "export", "--domain", "nowhere.example",
                             check=False)
        assert missing.returncode == 3
        text = chappe.ctl("db", "export").stdout
        for name in ("alice", "bob"):
            chappe.ctl("user", "del", f"{name}@localhost")
        done = chappe.ctl("db", "import", "--user", "bob@localhost",
                          stdin=text)
        assert "accounts: 1 kept" in done.stdout
        assert "alice" not in chappe.ctl("user", "list", "localhost").stdout
        # Online: who was just added can log in.
        assert can_log_in(chappe, "bob")


def test_a_file_is_private_and_whole(chappe, tmp_path):
    path = tmp_path / "all.xml"
    path.write_text("something that was there before")
    path.chmod(0o644)
    chappe.ctl("db", "export", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(ET.fromstring(path.read_text()).findall(f".//{PIE}user")) == 2
    done = chappe.ctl("db", "export", "/dev/full", check=False)
    assert done.returncode != 0
    assert "No space left" in done.stderr
    refused = chappe.ctl("db", "export", tmp_path / "no/such", check=False)
    assert refused.returncode == 1 and "No such file" in refused.stderr


# -- files of others ----------------------------------------------------------


def pie(users, host="localhost"):
    return (f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'>"
            f"{users}</host></server-data>")


def test_plain_passwords(chappe):
    """Become keys, and are found again."""
    text = pie("".join(f"<user name='u{i}' password='secret {i}'/>"
                       for i in range(20)))
    assert "20 kept" in chappe.ctl("db", "import", stdin=text).stdout
    assert can_log_in(chappe, "u7", "secret 7")
    assert "secret" not in chappe.ctl("db", "export").stdout
    assert "20 unchanged" in chappe.ctl("db", "import", stdin=text).stdout
    other = text.replace("secret 7'", "secret 8'")
    done = chappe.ctl("db", "import", stdin=other, check=False)
    assert done.returncode == 4
    assert "u7@localhost: the account is there, with another password" in \
        done.stderr
    assert "19 unchanged" in done.stdout


def test_what_cannot_be_kept_is_said(chappe):
    keys = ("<iter-count>4096</iter-count><salt>c2FsdA==</salt>"
            "<server-key>0pXWGK0GZJ6TR73AIUN3ITYtA1g=</server-key>"
            "<stored-key>Q6qT/SbybblGCZz8e8eSfCJOQic=</stored-key>")
    text = pie(f"""
      <!-- a comment -->
      <user name='Eve&#x301;' password='x'>
        <query xmlns='jabber:iq:roster'>
          <item jid='ok@example.org' subscription='both'/>
          <item jid='@' subscription='both'/>
          <item jid='x@example.org' subscription='friends'/>
        </query>
        <query xmlns='jabber:iq:privacy'><default name='l'/><list name='l'>
          <item type='jid' value='Bad@example.org' action='deny' order='1'/>
          <item type='group' value='x' action='deny' order='2'/>
          <item action='allow' order='3'/></list></query>
        <what xmlns='urn:ever'/>
        <offline-messages><message xmlns='jabber:client' from='a@b'><body>
          <![CDATA[<kept>]]></body><x xmlns='jabber:x:delay' from='localhost'
          stamp='20020910T23:08:25'/></message><iq xmlns='jabber:client'/>
        </offline-messages>
      </user>
      <user name='old'>
        <scram-credentials xmlns='urn:xmpp:pie:0#scram'
          mechanism='SCRAM-SHA-1'>{keys}</scram-credentials>
        <scram-credentials xmlns='urn:xmpp:pie:0#scram'
          mechanism='SCRAM-SHA-512'>{keys}</scram-credentials>
        <scram-credentials xmlns='urn:xmpp:pie:0#scram'
          mechanism='SCRAM-SHA-256'>{keys}</scram-credentials>
      </user>
      <user name='nobody'/>
      <user name='a b'/><group xmlns='urn:other'/>""")
    done = chappe.ctl("db", "import", stdin=text)
    for line in ("roster items: 1 kept",
                 "roster items: 1 skipped: the address is none",
                 "roster items: 1 skipped: the subscription is none",
                 "blocked addresses: 1 kept",
                 "rules of privacy lists: 1 skipped: only blocks of the "
                 "default list are kept",
                 "{urn:ever}what: 1 skipped: it is not understood",
                 "offline messages: 1 kept",
                 "offline messages: 1 skipped: it is no message",
                 "SCRAM keys: 1 skipped: their hash is not kept",
                 "SCRAM keys: 1 skipped: they cannot be read",
                 "accounts: 1 skipped: the name is none",
                 "accounts: 1 kept: without a password",
                 "{urn:other}group: 1 skipped: it is not understood"):
        assert line in done.stdout, done.stdout
    with Wire(chappe) as eve:
        eve.login("ev\u00e9", password="x")
        eve.send("<presence/>")
        blocked = eve.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        assert [item.get("jid") for item in blocked[0]] == ["bad@example.org"]
        message = eve.find(lambda e: e.tag == CLIENT + "message")
        assert "<kept>" in message.findtext(CLIENT + "body")
        assert message.find("{urn:xmpp:delay}delay").get("stamp").startswith(
            "2002-09-10T23:08:25")
    as_json = json.loads(chappe.ctl("--json", "db", "import",
                                    stdin=pie("<user name='j'/>")).stdout)
    assert as_json[0]["kind"] == "accounts" and as_json[0]["count"] == "1"


@pytest.mark.parametrize("text,sentence", [
    ("", "no XML"),
    ("<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>",
     "no XML"),
    ("<html/>", "no <server-data/>"),
    ("<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>"
     "<server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>",
     "document type"),
    ("<server-data xmlns='urn:xmpp:pie:0'><include xmlns="
     "'http://www.w3.org/2001/XInclude' href='x.xml'/></server-data>",
     "beside a file that has a name"),
])
def test_files_that_are_none(chappe, text, sentence):
    before = export(chappe)
    done = chappe.ctl("db", "import", stdin=text, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr and "line" in done.stderr
    assert export(chappe) == before


def test_a_cut_file_adds_only_who_is_whole(chappe):
    text = pie("<user name='whole' password='x'/><user name='half' "
               "password='x'><vCard xmlns='vcard-temp'><FN>h</FN></vCard>")
    cut = text[:text.index("</vCard>") + 8]
    done = chappe.ctl("db", "import", stdin=cut, check=False)
    assert done.returncode == 1
    names = chappe.ctl("user", "list", "localhost").stdout
    assert "whole@" in names and "half@" not in names
    # What it left is not in the way.
    whole = pie("<user name='whole' password='x'/>"
                "<user name='half' password='x'/>")
    done = chappe.ctl("db", "import", stdin=whole)
    assert "1 unchanged" in done.stdout and "1 kept" in done.stdout
    with Wire(chappe) as half:
        half.login("half", password="x")
        card = half.iq("get", "<vCard xmlns='vcard-temp'/>")
        assert len(card[0]) == 0


def test_included_files(chappe, tmp_path):
    (tmp_path / "localhost").mkdir()
    include = "<xi:include href='%s'/>"
    head = "xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'"
    (tmp_path / "main.xml").write_text(
        f"<server-data {head}>{include % 'localhost.xml'}</server-data>")
    (tmp_path / "localhost.xml").write_text(
        f"<host {head} jid='localhost'>{include % 'localhost/a%20b.xml'}"
        f"{include % 'localhost/eve.xml'}</host>")
    (tmp_path / "localhost/a b.xml").write_text(
        f"<user {head} name='dora' password='x'/>")
    (tmp_path / "localhost/eve.xml").write_text(
        f"<user {head} name='eve' password='x'>"
        "<query xmlns='jabber:iq:private'><xi:include "
        "href='/etc/passwd'/></query></user>")
    done = chappe.ctl("db", "import", tmp_path / "main.xml")
    assert "accounts: 2 kept" in done.stdout
    assert can_log_in(chappe, "dora", "x")
    # What a user stores is no instruction.
    assert "root:" not in chappe.ctl("db", "export").stdout
    (tmp_path / "loop2.xml").write_text(
        f"<xi:include {head} href='loop2.xml'/>")
    for name, target in (("loop", "loop2.xml"), ("out", "/etc/passwd"),
                         ("net", "http://localhost/x.xml"),
                         ("absent", "absent2.xml")):
        (tmp_path / f"{name}.xml").write_text(
            f"<server-data {head}>{include % target}</server-data>")
        done = chappe.ctl("db", "import", tmp_path / f"{name}.xml",
                          check=False)
        assert done.returncode == 1, name


def test_another_domain_is_said(chappe):
    done = chappe.ctl("db", "import", stdin=pie("<user name='x'/>",
                                                "elsewhere.example"))
    assert "domain elsewhere.example: it has no section" in done.stderr
    assert "accounts: 1 skipped: the domain is not meant" in done.stdout


def test_a_dry_run_changes_nothing(chappe):
    before = export(chappe)
    text = pie("<user name='new' password='x'><vCard xmlns='vcard-temp'>"
               "<FN>n</FN></vCard></user>")
    done = chappe.ctl("db", "import", "--dry-run", stdin=text)
    assert "accounts: 1 kept" in done.stdout
    assert "vCards: 1 kept" in done.stdout
    assert export(chappe) == before


def test_a_directory_has_the_accounts(stopped):
    """Their data moves without them."""
    stopped.start()
    fill(stopped)
    text = export(stopped)
    assert not stopped.stop()
    (stopped.folder / "chappe.db").unlink()
    stopped.conf["domain"] = {"auth": ["ldap"]}
    stopped.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    stopped.write_conf()
    with stopped.conf_path.open("a") as conf:
        conf.write('ldap "main" { uri = { "ldap://127.0.0.1:1" }  '
                   'base = "dc=example" }\n')
    stopped.ctl("config", "check")
    done = stopped.ctl("db", "import", stdin=text)
    assert "data alone: the domain's accounts are elsewhere" in done.stdout
    new = ET.fromstring(export(stopped))
    assert sum(1 for _ in new.iter(f"{CLIENT}message")) >= 120
    assert not list(new.iter("{urn:xmpp:pie:0#scram}scram-credentials"))
    assert "in order" in stopped.ctl("db", "check").stdout


# -- migrate and check --------------------------------------------------------


def sqlite(chappe, *statements):
    with sqlite3.connect(chappe.folder / "chappe.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_migrate(stopped, kind, request):
    if kind == "postgres":
        use_postgres(stopped, request.getfixturevalue("database"))
    stopped.write_conf()
    for words, answer in ((["--dry-run"], "is missing"),
                          ([], "was applied"), ([], "is up to date"),
                          (["--dry-run"], "is up to date")):
        done = stopped.ctl("db", "migrate", *words)
        assert answer in done.stdout
        assert "0001-first-light.sql" in done.stdout or "up to date" in answer
        if words and "missing" in answer:
            checked = stopped.ctl("db", "check", check=False)
            assert checked.returncode == 1
            assert "db migrate" in checked.stderr
    assert "is in order" in stopped.ctl("db", "check").stdout
    stopped.start()
    stopped.add_user("alice")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_sm_leaves_old_tables_alone(stopped, kind, request):
    """Others may use them: it does not start, and says what to do."""
    if kind == "postgres":
        postgres = request.getfixturevalue("database")
        use_postgres(stopped, postgres)
    stopped.start()
    stopped.add_user("alice")
    stopped.stop()
    version = len(list((SOURCE / "storage/schema").glob("0*.sql")))

    def set_version(number):
        statement = f"UPDATE chappe_schema SET version = {number}"
        if kind == "postgres":
            postgres.ours(statement)
        else:
            sqlite(stopped, statement)

    set_version(0)
    started = subprocess.run(
        [BUILD / "chappe-sm", "-c", stopped.conf_path],
        capture_output=True, text=True, timeout=30, check=False,
        env=stopped.environment())
    assert started.returncode == 1
    assert "has schema 0" in started.stderr
    assert "chappectl db migrate" in started.stderr
    set_version(version)
    stopped.start()
    with Wire(stopped, 10) as wire:
        wire.login("alice")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_newer_schema(stopped, kind, request):
    if kind == "postgres":
        postgres = request.getfixturevalue("database")
        use_postgres(stopped, postgres)
        stopped.write_conf()
        stopped.ctl("db", "migrate")
        postgres.ours("UPDATE chappe_schema SET version = 9999")
    else:
        stopped.write_conf()
        stopped.ctl("db", "migrate")
        sqlite(stopped, "UPDATE chappe_schema SET version = 9999")
    for command in ("migrate", "check"):
        done = stopped.ctl("db", command, check=False)
        assert done.returncode == 1
        assert "has schema 9999" in done.stderr
        assert "a newer chappe is needed" in done.stderr
    done = stopped.ctl("db", "export", check=False)
    assert done.returncode == 5
    assert "a newer chappe is needed" in done.stderr


DAMAGE = [
    ("account-domain", "UPDATE account SET domain = 'other.example' "
     "WHERE owner = 'alice@localhost'"),
    ("account-flags", "UPDATE account SET disabled = 7"),
    ("roster-values", "UPDATE roster SET subscription = 9"),
    ("roster-version", "DELETE FROM roster_version"),
    ("offline-values", "UPDATE offline SET stamp = 0"),
    ("no-account", "DELETE FROM account WHERE owner = 'alice@localhost'"),
    ("schema", "ALTER TABLE roster DROP COLUMN approved"),
]


def test_check_finds(stopped, database):
    use_postgres(stopped, database)
    stopped.start()
    fill(stopped)
    assert not stopped.stop()
    database.ours("CREATE SCHEMA kept; " + "; ".join(
        f"CREATE TABLE kept.{name} AS TABLE {name}" for name in
        ("account", "roster", "roster_version", "offline", "document")))
    for check, statement in DAMAGE:
        database.ours(statement)
        done = stopped.ctl("db", "check", check=False)
        assert done.returncode == 1, check
        assert re.search(f"^{check}\\b", done.stderr, re.M), done.stderr
        if check != "schema":
            for table in ("account", "roster", "roster_version", "offline",
                          "document"):
                database.ours(f"DELETE FROM {table}; INSERT INTO {table} "
                              f"SELECT * FROM kept.{table}")
            assert stopped.ctl("db", "check")


def test_check_finds_in_sqlite(stopped):
    stopped.start()
    fill(stopped)
    assert not stopped.stop()
    path = stopped.folder / "chappe.db"
    shutil.copy(path, stopped.folder / "good.db")
    for check, statement in DAMAGE:
        sqlite(stopped, statement)
        done = stopped.ctl("db", "check", check=False)
        assert done.returncode == 1, check
        assert re.search(f"^{check}\\b", done.stderr, re.M), done.stderr
        shutil.copy(stopped.folder / "good.db", path)
        assert stopped.ctl("db", "check")
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 8192)
    done = stopped.ctl("db", "check", check=False)
    assert done.returncode != 0
    assert re.search("integrity|malformed", done.stderr)


def test_a_database_that_is_down(stopped, tmp_path):
    stopped.conf["storage"] = {"driver": "postgres", "connection":
                               "host=127.0.0.1 port=1 dbname=x"}
    stopped.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    stopped.write_conf()
    for command in ("migrate", "check", "export", "import"):
        done = stopped.ctl("db", command, check=False, stdin=pie(
            "<user name='x'/>"))
        assert done.returncode == 5, (command, done.stderr)
        assert "refused" in done.stderr


@pytest.mark.parametrize("words,sentence", [
    (["db"], "followed by one of"),
    (["db", "grow"], "followed by one of"),
    (["db", "export", "a", "b"], "usage"),
    (["db", "export", "--user", "nobody"], "NAME@DOMAIN"),
    (["db", "export", "--user"], "wants a value"),
    (["db", "import", "/no/such/file"], "No such file"),
])
def test_wrong_words(stopped, words, sentence):
    stopped.write_conf()
    done = stopped.ctl(*words, check=False)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr


def test_it_runs_as_the_user_of_the_sm(tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with Chappe(tmp_path) as chappe:
        chappe.conf["sm"] = {"user": "nobody"}
        chappe.conf["storage"] = {"connection": "/tmp/chappe-nobody.db"}
        chappe.write_conf()
        try:
            chappe.ctl("db", "migrate")
            assert os.stat("/tmp/chappe-nobody.db").st_uid != 0
            chappe.ctl("db", "export", "/tmp/chappe-nobody.xml")
            assert os.stat("/tmp/chappe-nobody.xml").st_uid == 0
        finally:
            subprocess.run("rm -f /tmp/chappe-nobody.*", shell=True,
                           check=True)
