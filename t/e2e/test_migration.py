# SPDX-License-Identifier: Apache-2.0
"""Leaving other servers, and leaving for them: with the real ones, their own
tools, and clients before and after."""

import os
import subprocess
from pathlib import Path

import pytest

from chappe import PASSWORD, wait_for
from federation import Authority, Ejabberd, Names, Prosody
from wire import CLIENT, ROSTER, SASL, Wire

FRIEND = "friend@elsewhere.example"


@pytest.fixture
def world(tmp_path):
    # Those servers do not run as root.
    for folder in [tmp_path, *tmp_path.parents]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    names = Names()
    yield Authority(tmp_path), names
    names.close()


def fill(wire):
    """What alice keeps at any server."""
    wire.roster()
    wire.iq("set", f"<query xmlns='jabber:iq:roster'><item jid='{FRIEND}' "
            "name='A &amp; friend'><group>Friends</group></item></query>")
    wire.iq("set", "<vCard xmlns='vcard-temp'><FN>Alice &lt;A&gt;</FN>"
            "</vCard>")
    wire.iq("set", "<query xmlns='jabber:iq:private'><prefs xmlns="
            "'urn:example:prefs'><nick>al</nick></prefs></query>")
    wire.send("<presence/>")


def log_in(server, name, mechanism):
    wire = Wire(server, 20)
    wire.secure()
    answer = (wire.plain(name) if mechanism == "PLAIN"
              else wire.scram(name, PASSWORD, mechanism))
    assert answer.tag == SASL + "success"
    wire.bind()
    return wire


def check(server, messages=2, mechanism="SCRAM-SHA-256"):
    """And finds at the next one."""
    with log_in(server, "alice", mechanism) as alice:
        items = alice.iq("get", "<query xmlns='jabber:iq:roster'/>").findall(
            f"{ROSTER}query/{ROSTER}item")
        assert [(i.get("jid"), i.get("name"), i[0].text) for i in items] == \
            [(FRIEND, "A & friend", "Friends")]
        card = alice.iq("get", "<vCard xmlns='vcard-temp'/>")
        assert card.findtext(".//{vcard-temp}FN") == "Alice <A>"
        prefs = alice.iq("get", "<query xmlns='jabber:iq:private'><prefs "
                         "xmlns='urn:example:prefs'/></query>")
        assert prefs.findtext(".//{urn:example:prefs}nick") == "al"
    with log_in(server, "bob", mechanism) as bob:
        bob.send("<presence/>")
        got = []
        while len(got) < messages:
            element = bob.next()
            if element.tag == CLIENT + "message":
                got.append(element)
        assert [m.findtext(CLIENT + "body") for m in got] == \
            [f"for later {number}" for number in range(messages)]
        assert all(m.find("{urn:xmpp:delay}delay") is not None for m in got)


def use(server, messages=2):
    with server.client("alice") as alice:
        fill(alice)
        for number in range(messages):
            alice.message(f"bob@{server.domain}", f"for later {number}")
        alice.ping()
        alice.end()


# -- Prosody ------------------------------------------------------------------


class FullProsody(Prosody):
    def _conf(self):
        return super()._conf().replace(
            '"version"', '"version"; "private"; "offline"'
        ).replace("internal_plain", self.options["authentication"])

    def client(self, name):
        wire = Wire(self, 20)
        wire.starttls()
        wire.open()
        assert wire.scram(name, PASSWORD, "SCRAM-SHA-1").tag == \
            SASL + "success"
        wire.bind()
        return wire

    def export(self):
        """With the tool of the package, which knows one folder only."""
        out = self.folder / "out"
        out.mkdir()
        tool = self.folder / "migrator"
        tool.write_text(Path("/usr/bin/prosody-migrator").read_text().replace(
            "CFG_DATADIR='/var/lib/prosody'", f"CFG_DATADIR='{out}'"))
        tool.chmod(0o755)
        conf = self.folder / "migrator.cfg.lua"
        conf.write_text(f"""
local stores = {{ "accounts"; "roster"; "vcard"; "private" }};
input {{ hosts = {{ ["{self.domain}"] = stores }}; type = "internal";
  path = "{self.folder}/data" }}
output {{ hosts = {{ ["{self.domain}"] = stores }}; type = "xep0227" }}
""")
        user = "prosody" if os.getuid() == 0 else None
        if user:
            subprocess.run(["chown", "-R", user, self.folder], check=True)
        done = subprocess.run(
            [tool, f"--config={conf}"], capture_output=True, text=True,
            timeout=60, user=user, group=user, cwd=self.folder,
            extra_groups=[] if user else None)
        files = sorted(out.glob("*.xml"))
        assert len(files) == 2, done.stdout + done.stderr
        return files


@pytest.mark.parametrize("authentication", ["internal_plain",
                                            "internal_hashed"])
def test_from_prosody(world, tmp_path, stopped, authentication):
    with FullProsody(tmp_path / "prosody", "b.example", *world,
                     authentication=authentication) as prosody:
        # Its keys are made of passwords when somebody logs in.
        prosody.client("bob").end()
        use(prosody, 0)
    files = prosody.export()
    stopped.domains, stopped.domain = ["b.example"], "b.example"
    stopped.start()
    done = stopped.ctl("db", "import", *files)
    assert "accounts: 2 kept" in done.stdout, done.stdout
    assert "skipped" not in done.stdout
    mechanism = ("SCRAM-SHA-1" if authentication == "internal_hashed"
                 else "SCRAM-SHA-256")
    check(stopped, 0, mechanism)
    assert "2 unchanged" in stopped.ctl("db", "import", *files).stdout


# -- ejabberd -----------------------------------------------------------------

# Runs what a file says, as its shell would: there is no port mapper here.
SHELL = """
 spawn(fun Loop() ->
   case file:read_file("do") of
     {ok, Text} when Text =/= <<>> ->
       {ok, Tokens, _} = erl_scan:string(binary_to_list(Text)),
       {ok, Forms} = erl_parse:parse_exprs(Tokens),
       Value = (catch erl_eval:exprs(Forms, [])),
       file:delete("do"),
       file:write_file("done", io_lib:format("~p", [Value]));
     _ -> ok
   end,
   timer:sleep(100), Loop() end)
"""


class FullEjabberd(Ejabberd):
    def _conf(self):
        text = super()._conf().replace(
            "plain\nauth_method", f"{self.options['format']}\nauth_method")
        return text + "  mod_private: {}\n  mod_last: {}\n  mod_privacy: {}\n"

    def _accounts(self):
        return super()._accounts() + ", " + SHELL

    @property
    def mechanism(self):
        return ("SCRAM-SHA-1" if self.options["format"] == "scram"
                else "SCRAM-SHA-256")

    def client(self, name):
        return log_in(self, name, self.mechanism)

    def run(self, text):
        (self.folder / "done").unlink(missing_ok=True)
        (self.folder / "do.new").write_text(text)
        (self.folder / "do.new").rename(self.folder / "do")
        wait_for((self.folder / "done").exists, 60, "ejabberd did it")
        return (self.folder / "done").read_text()


@pytest.mark.parametrize("kind", ["plain", "scram"])
def test_from_ejabberd(world, tmp_path, stopped, kind):
    with FullEjabberd(tmp_path / "ejabberd", "b.example", *world,
                      format=kind) as ejabberd:
        use(ejabberd)
        out = tmp_path / "ejabberd/out"
        out.mkdir()
        if os.getuid() == 0:
            subprocess.run(["chown", "ejabberd", out], check=True)
        said = ejabberd.run(f'ejabberd_piefxis:export_server("{out}").')
    files = [path for path in out.glob("*.xml")
             if "server-data" in path.read_text()]
    assert len(files) == 1, said
    stopped.domains, stopped.domain = ["b.example"], "b.example"
    stopped.start()
    done = stopped.ctl("db", "import", files[0])
    print(done.stdout, done.stderr)
    assert "accounts: 2 kept\n" in done.stdout, done.stdout
    check(stopped, mechanism=ejabberd.mechanism)


# ejabberd 23.01 takes keys, but cannot use them, not even its own.
def test_to_ejabberd(world, tmp_path, stopped):
    stopped.domains, stopped.domain = ["b.example"], "b.example"
    stopped.start()
    stopped.add_users("alice@b.example", "bob@b.example")
    with Wire(stopped, domain="b.example") as alice:
        alice.login("alice")
        fill(alice)
        for number in range(2):
            alice.message("bob@b.example", f"for later {number}")
        alice.settle()
    path = tmp_path / "all.xml"
    stopped.ctl("db", "export", path)
    folder = tmp_path / "ejabberd"
    with FullEjabberd(folder, "b.example", *world, format="scram",
                      accounts=[]) as ejabberd:
        (folder / "all.xml").write_text(path.read_text())
        if os.getuid() == 0:
            subprocess.run(["chown", "ejabberd", folder / "all.xml"],
                           check=True)
        said = ejabberd.run(f'ejabberd_piefxis:import_file('
                            f'<<"{folder}/all.xml">>).')
        assert "ok" in said
        for name in ("alice", "bob"):
            ejabberd.run(f'ejabberd_auth:set_password(<<"{name}">>, '
                         f'<<"b.example">>, <<"{PASSWORD}">>).')
        check(ejabberd, mechanism=ejabberd.mechanism)
