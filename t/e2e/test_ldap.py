# SPDX-License-Identifier: Apache-2.0
"""Log-in by a directory: a real slapd, several of them, and slapds that are
slow, hang, go away, or show a wrong certificate."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import shutil
import subprocess
import threading
import time

import pytest
import slixmpp

from chappe import BUILD, Chappe, make_certificate, wait_for
from proxy import Proxy
from slapd import (GROUPS, PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, group,
                   ldif, own_names, person)
from wire import SASL, Wire, tls_context

SECRET = "s3cret of the directory"
addresses = (f"127.8.{i // 250}.{i % 250 + 1}" for i in itertools.count())


def scram_value(password, name="SCRAM-SHA-256", salt=b"0123456789abcdef",
                rounds=4096, form="{}${}:{}${}:{}"):
    """RFC 5803 section 2."""
    digest = name[len("SCRAM-"):].replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
    client = hmac.new(salted, b"Client Key", digest).digest()
    stored = hashlib.new(digest, client).digest()
    server = hmac.new(salted, b"Server Key", digest).digest()
    b64 = [base64.b64encode(v).decode() for v in (salt, stored, server)]
    return form.format(name, rounds, *b64)


def pbkdf2_value(password):
    """As OpenLDAP's pw-pbkdf2 writes it."""
    def ab64(data):
        return base64.b64encode(data).decode().rstrip("=").replace("+", ".")
    salt = bytes(range(16))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 5000)
    return f"{{PBKDF2-SHA256}}5000${ab64(salt)}${ab64(salted)}"


def make(folder, *servers, domain=None, **options):
    """A Chappe on directories: Slapds, or URIs."""
    chappe = Chappe(folder)
    secret = folder / "ldap-password"
    secret.write_text(SERVICE_PASSWORD + "\n")
    secret.chmod(0o600)
    section = {
        "uri": [getattr(server, "name_uri", server) for server in servers],
        "bind-dn": SERVICE, "bind-password-file": secret, "base": PEOPLE,
        "connect-timeout": "2s", "timeout": "4s", "return-after": "2s",
    }
    slapd = next((s for s in servers if isinstance(s, Slapd)), None)
    if slapd is not None:
        section["ca"] = slapd.certificate
    section.update({name.replace("_", "-"): value
                    for name, value in options.items()})
    section = {k: v for k, v in section.items() if v is not None}
    chappe.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
    chappe.conf["domain"] = {"auth": ["ldap"], **(domain or {})}
    chappe.extra_links = Chappe._write('ldap "main"', section)
    return chappe


def fresh(server, **options):
    """A stream under TLS from an address without a past."""
    wire = Wire(server, source=next(addresses), **options)
    wire.features = wire.secure()
    return wire


def offered(server):
    with fresh(server) as wire:
        return [m.text for m in wire.features.findall(
            f"{SASL}mechanisms/{SASL}mechanism")]


def log_in(server, user, password=SECRET, mechanism="PLAIN", seconds=15):
    """"success", or the condition of the failure."""
    with fresh(server, seconds=seconds) as wire:
        if mechanism == "PLAIN":
            answer = wire.plain(user, password)
        else:
            answer = wire.scram(user, password, mechanism)
        if answer.tag == SASL + "success":
            wire.bind("test")
            assert wire.jid.endswith("@localhost/test")
            return "success"
        return answer[0].tag[len(SASL):]


def logged(server, *words):
    return any(all(word in line for word in words)
               for line in server.log("sm-1").splitlines())


# Names with what is special in filters, DNs and JIDs, as clients write them.
ODD_NAMES = {
    "com,ma": "com,ma", "pl+us": "pl+us", "semi;colon": "semi;colon",
    "#hash": "#hash", "eq=ual": "eq=ual", "st*r": "st*r",
    "par(en)": "par(en)", "back\\slash": "back\\slash",
    "sp\\20ace": "sp ace", "quo\\22te": 'quo"te', "o\\27neil": "o'neil",
    "lt\\3cgt\\3e": "lt<gt>", "at\\40sign": "at@sign", "sl\\2fash": "sl/ash",
    "a\\26b": "a&b", "col\\3aon": "col:on", "müller": "müller",
    "ti~lde!": "ti~lde!", "per%cent": "per%cent", "日本": "日本",
}


def escape_dn(value):
    return "".join(c if c.isalnum() else "".join(
        f"\\{b:02x}" for b in c.encode()) for c in value)


def seed():
    text = person("alice", SECRET) + person("bob", SECRET)
    text += person("carol", SECRET) + person("dave", SECRET)
    text += "".join(
        person(uid, SECRET, dn=f"cn={escape_dn(uid)},{PEOPLE}")
        for uid in ODD_NAMES.values())
    # Two entries of one name.
    text += person("twin", SECRET) + person("twin", SECRET, cn="twin2",
                                            dn=f"cn=twin2,{PEOPLE}")
    text += person("hashed", "{SSHA256}" + base64.b64encode(
        hashlib.sha256(SECRET.encode() + b"salt").digest()
        + b"salt").decode())
    text += person("mailer", SECRET, mail="post@localhost")
    text += person("barred", SECRET, classes=["authPasswordObject"],
                   nsAccountLock="TRUE")
    text += group("staff", f"cn=alice,{PEOPLE}", f"cn=bob,{PEOPLE}")
    text += group("interns", f"cn=carol,{PEOPLE}")
    text += group("company", f"cn=staff,{GROUPS}", f"cn=interns,{GROUPS}",
                  f"cn=company,{GROUPS}")
    text += ldif(f"cn=unix,{GROUPS}", objectClass="posixGroup", cn="unix",
                 gidNumber="1000", memberUid="dave")
    return text


@pytest.fixture(scope="module")
def slapd():
    with Slapd(seed()) as made:
        yield made


@pytest.fixture(scope="module")
def server(slapd, tmp_path_factory):
    with make(tmp_path_factory.mktemp("ldap"), slapd) as made:
        made.start()
        yield made


# -- search and bind -------------------------------------------------------------


def test_only_plain_is_offered(server):
    assert offered(server) == ["PLAIN"]
    assert log_in(server, "alice", mechanism="SCRAM-SHA-256") == \
        "invalid-mechanism"


def test_log_in(server):
    assert log_in(server, "alice") == "success"
    assert log_in(server, "ALICE") == "success"
    assert log_in(server, "hashed") == "success"


def test_wrong_password_and_unknown_user(server):
    assert log_in(server, "alice", "wrong") == "not-authorized"
    assert log_in(server, "nobody") == "not-authorized"
    assert log_in(server, "*") == "not-authorized"
    assert log_in(server, "a*") == "not-authorized"
    assert log_in(server, "alice)(uid=*") == "not-authorized"


def test_wrong_password_is_no_trouble_of_the_server(server):
    """What the directory says about a password does not close connections."""
    for _ in range(12):
        assert log_in(server, "bob", "wrong") in ("not-authorized",
                                                  "temporary-auth-failure")
    assert not logged(server, "ldap.failed")
    assert log_in(server, "carol") == "success"


@pytest.mark.parametrize("local", ODD_NAMES)
def test_special_characters(server, local):
    assert log_in(server, local) == "success"
    assert log_in(server, local, "wrong") == "not-authorized"


def test_two_entries(server):
    assert log_in(server, "twin") == "not-authorized"
    assert logged(server, "ldap.refused", "twin@localhost",
                  "more than one entry")


def test_disabled_accounts(server, slapd):
    assert log_in(server, "barred") == "account-disabled"
    assert logged(server, "ldap.refused", "barred", "disabled")
    slapd.add(person("locked", SECRET))
    assert log_in(server, "locked") == "success"
    slapd.modify(f"cn=locked,{PEOPLE}", "add: pwdAccountLockedTime\n"
                 "pwdAccountLockedTime: 000001010000Z\n-", relax=True)
    assert log_in(server, "locked") == "not-authorized"
    slapd.modify(f"cn=locked,{PEOPLE}", "delete: pwdAccountLockedTime\n-")
    assert log_in(server, "locked") == "success"
    slapd.delete(f"cn=locked,{PEOPLE}")
    assert log_in(server, "locked") == "not-authorized"


def test_messages_between_people_of_the_directory(server):
    with fresh(server) as alice, fresh(server) as carol:
        for wire, name in (alice, "alice"), (carol, "carol"):
            assert wire.plain(name, SECRET).tag == SASL + "success"
            wire.bind("desk")
            wire.presence()
        alice.message("carol@localhost", "hello")
        carol.expect_message("hello")
        # Offline, and nobody.
        alice.message("dave@localhost", "for later")
        alice.message("nobody@localhost", "is there anybody")
        error = alice.expect_message()
        assert error.get("type") == "error"
        assert error.get("from") == "nobody@localhost"
        alice.settle()
    with fresh(server) as dave:
        assert dave.plain("dave", SECRET).tag == SASL + "success"
        dave.bind("late")
        dave.presence()
        dave.expect_message("for later")


def test_slixmpp(server):
    class Client(slixmpp.ClientXMPP):
        def __init__(self):
            super().__init__("alice@localhost", SECRET)
            self.ca_certs = str(server.certificate)
            self.online = asyncio.Event()
            self.add_event_handler("session_start",
                                   lambda _: self.online.set())
            self.connect(("127.0.0.1", server.port))

    async def run():
        client = Client()
        await asyncio.wait_for(client.online.wait(), 15)
        await client.disconnect()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def test_list(server, slapd):
    slapd.add("".join(person(f"many{number:04}") for number in range(1200)))
    listed = server.ctl("user", "list", "localhost").stdout
    assert listed.count("@localhost") == 1200 + 8 + len(ODD_NAMES)
    assert "o\\27neil@localhost" in listed
    assert "many1199@localhost" in listed


def test_password_is_in_no_log(server):
    for name in "sm-1", "c2s-1":
        assert SECRET not in server.log(name)
        assert SERVICE_PASSWORD not in server.log(name)


# -- other ways to find people ---------------------------------------------------


def test_dn_template(slapd, tmp_path):
    with make(tmp_path, slapd, base=None, dn_template=f"cn=%u,{PEOPLE}") as made:
        made.start()
        for local in ["alice", *ODD_NAMES]:
            assert log_in(made, local) == "success", local
        assert log_in(made, "alice", "wrong") == "not-authorized"
        assert log_in(made, "nobody") == "not-authorized"
        assert log_in(made, f"x,{PEOPLE}") == "not-authorized"


def test_filter_and_user_attribute(slapd, tmp_path):
    with make(tmp_path, slapd, filter="(mail=%j)",
              user_attribute="mail") as made:
        made.start()
        assert log_in(made, "post") == "success"
        assert log_in(made, "mailer") == "not-authorized"


def test_name_that_is_not_in_the_attribute(slapd, tmp_path):
    """Else one person would have several addresses."""
    with make(tmp_path, slapd, filter="(|(uid=%u)(mail=%j))") as made:
        made.start()
        assert log_in(made, "mailer") == "success"
        assert log_in(made, "post") == "not-authorized"
        assert logged(made, "ldap.refused", "post@localhost",
                      "user-attribute")


@pytest.mark.parametrize("allowed, options", [
    ({"alice", "bob"}, {"allow_groups": [f"cn=staff,{GROUPS}"]}),
    ({"carol", "dave"}, {"allow_groups": [f"cn=interns,{GROUPS}",
                                          f"cn=unix,{GROUPS}"]}),
    (set(), {"allow_groups": [f"cn=company,{GROUPS}"]}),
    (set(), {"allow_groups": [f"cn=missing,{GROUPS}"]}),
    ({"alice", "bob", "carol"}, {
        "allow_groups": [f"CN=Company, {GROUPS}"], "nested_groups": "yes",
        "group_base": GROUPS}),
    ({"alice", "bob"}, {
        "allow_filter": f"(memberOf=cn=staff,{GROUPS})"}),
], ids=["group", "groups", "not_nested", "no_group", "nested", "filter"])
def test_who_may_log_in(slapd, tmp_path, allowed, options):
    with make(tmp_path, slapd, **options) as made:
        made.start()
        for name in "alice", "bob", "carol", "dave":
            assert log_in(made, name) == (
                "success" if name in allowed else "not-authorized"), name


def test_directory_and_storage(slapd, tmp_path):
    with make(tmp_path, slapd, domain={"auth": ["ldap", "storage"]}) as made:
        made.start()
        made.ctl("user", "add", "local@localhost", "--password-stdin",
                 stdin="here only\n")
        assert "SCRAM-SHA-256" in offered(made)
        assert log_in(made, "alice") == "success"
        for mechanism in "PLAIN", "SCRAM-SHA-256":
            assert log_in(made, "local", "here only", mechanism) == "success"
            assert log_in(made, "local", "wrong", mechanism) == \
                "not-authorized"
        # Whoever has no keys here is sent to another mechanism.
        for name in "alice", "nobody":
            assert log_in(made, name, mechanism="SCRAM-SHA-256") == \
                "invalid-mechanism"


def test_active_directory(tmp_path):
    def user(name, **attributes):
        return person(f"id of {name}", SECRET, classes=["microsoftUser"],
                      dn=f"cn={name},{PEOPLE}", cn=name, sAMAccountName=name,
                      userPrincipalName=f"{name}.long@localhost",
                      **attributes)

    people = user("anna", userAccountControl="512")
    people += user("off", userAccountControl="514")
    people += user("past", userAccountControl="512",
                   accountExpires="130000000000000000")
    people += user("ever", accountExpires="9223372036854775807")
    with Slapd(people, microsoft=True) as slapd:
        with make(tmp_path, slapd, schema="active-directory",
                  filter="(&(objectClass=person)(sAMAccountName=%u))") as made:
            made.start()
            assert log_in(made, "Anna") == "success"
            assert log_in(made, "ever") == "success"
            assert log_in(made, "anna", "wrong") == "not-authorized"
            assert log_in(made, "off") == "account-disabled"
            assert log_in(made, "off", "wrong") == "not-authorized"
            assert log_in(made, "past") == "account-disabled"
            assert logged(made, "off@localhost", "disabled")
            assert logged(made, "past@localhost", "expired")
            made.stop()
        (tmp_path / "upn").mkdir()
        with make(tmp_path / "upn", slapd,
                  filter="(userPrincipalName=%u@%d)",
                  user_attribute="userPrincipalName") as made:
            made.start()
            assert log_in(made, "anna.long") == "success"
            assert "anna.long@localhost" in \
                made.ctl("user", "list", "localhost").stdout


# -- SCRAM -----------------------------------------------------------------------


SCRAM_PEOPLE = {
    "rfc256": {"authPassword": scram_value(SECRET)},
    "rfc1": {"authPassword": scram_value(SECRET, "SCRAM-SHA-1")},
    "both": {"authPassword": [scram_value(SECRET, "SCRAM-SHA-1"),
                              scram_value(SECRET)]},
    "dovecot": {"userPassword": scram_value(
        SECRET, form="{{{}}}{},{},{},{}")},
    "pbkdf2": {"userPassword": pbkdf2_value(SECRET)},
    "broken": {"authPassword": "SCRAM-SHA-256$4096:AAAA$BBBB:CCCC"},
}


@pytest.fixture(scope="module")
def readable():
    text = "".join(person(name, classes=["authPasswordObject"], **values)
                   for name, values in SCRAM_PEOPLE.items())
    text += person("plain", SECRET) + person("changer", SECRET)
    with Slapd(text, keys="read") as made:
        yield made


@pytest.fixture(scope="module")
def native(readable, tmp_path_factory):
    with make(tmp_path_factory.mktemp("native"), readable,
              scram="directory") as made:
        made.start()
        yield made


@pytest.mark.parametrize("name, mechanism", [
    ("rfc256", "SCRAM-SHA-256"), ("rfc1", "SCRAM-SHA-1"),
    ("both", "SCRAM-SHA-256"), ("both", "SCRAM-SHA-1"),
    ("dovecot", "SCRAM-SHA-256"), ("pbkdf2", "SCRAM-SHA-256")])
def test_keys_in_the_directory(native, name, mechanism):
    assert log_in(native, name, mechanism=mechanism) == "success"
    assert log_in(native, name, "wrong", mechanism) == "not-authorized"


def test_channel_binding_with_keys_of_the_directory(native):
    import ssl
    context = tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Wire(native, source=next(addresses)) as wire:
        wire.starttls(context)
        wire.open()
        answer = wire.scram("rfc256", SECRET, "SCRAM-SHA-256-PLUS",
                            header="p=tls-unique,,",
                            binding=wire.socket.get_channel_binding())
        assert answer.tag == SASL + "success"


@pytest.mark.parametrize("name, mechanism", [
    ("rfc1", "SCRAM-SHA-256"), ("rfc256", "SCRAM-SHA-1"),
    ("broken", "SCRAM-SHA-256"), ("plain", "SCRAM-SHA-256"),
    ("nobody", "SCRAM-SHA-256")])
def test_no_keys_in_the_directory(native, name, mechanism):
    assert log_in(native, name, mechanism=mechanism) == "invalid-mechanism"


def test_keys_made_at_a_log_in(readable, tmp_path):
    with make(tmp_path, readable, scram="cache") as made:
        made.start()
        for mechanism in "SCRAM-SHA-256", "SCRAM-SHA-1":
            assert log_in(made, "changer", mechanism=mechanism) == \
                "invalid-mechanism"
        assert log_in(made, "changer", "wrong") == "not-authorized"
        assert log_in(made, "changer", mechanism="SCRAM-SHA-256") == \
            "invalid-mechanism"
        assert log_in(made, "changer") == "success"
        wait_for(lambda: logged(made, "ldap.keys", "changer@localhost"))
        for mechanism in "SCRAM-SHA-256", "SCRAM-SHA-1":
            assert log_in(made, "changer", mechanism=mechanism) == "success"
            assert log_in(made, "changer", "wrong", mechanism) == \
                "not-authorized"
        # The keys of the old password end with it.
        time.sleep(1.1)  # stamps are seconds
        readable.replace(f"cn=changer,{PEOPLE}", "userPassword", "another")
        assert log_in(made, "changer", mechanism="SCRAM-SHA-256") == \
            "invalid-mechanism"
        assert log_in(made, "changer") == "not-authorized"
        assert log_in(made, "changer", "another") == "success"
        wait_for(lambda: log_in(made, "changer", "another", "SCRAM-SHA-256")
                 == "success")
        # And with a lock.
        readable.modify(f"cn=changer,{PEOPLE}", "add: pwdAccountLockedTime\n"
                        "pwdAccountLockedTime: 000001010000Z\n-", relax=True)
        assert log_in(made, "changer", "another", "SCRAM-SHA-256") == \
            "invalid-mechanism"


# -- TLS -------------------------------------------------------------------------


def test_ldaps(slapd, tmp_path):
    with make(tmp_path, slapd.tls_uri, ca=slapd.certificate) as made:
        made.start()
        assert log_in(made, "alice") == "success"


def test_without_tls_only_by_request(slapd, tmp_path):
    with make(tmp_path, slapd.uri, start_tls="no") as made:
        made.start()
        assert log_in(made, "alice") == "success"
        assert logged(made, "ldap.plain", slapd.uri)


def unavailable(made, *words):
    """The client is to try later; the log says why; nobody is locked out."""
    for _ in range(3):
        assert log_in(made, "alice") == "temporary-auth-failure"
    assert logged(made, "ldap.failed", *words), made.log("sm-1")


def test_unknown_authority(slapd, tmp_path):
    other, _ = make_certificate(tmp_path, "localhost", *own_names())
    with make(tmp_path, slapd, ca=other) as made:
        made.start()
        unavailable(made, "StartTLS")


def test_certificate_of_another_host(slapd, tmp_path):
    with make(tmp_path, slapd.uri, ca=slapd.certificate) as made:
        made.start()
        unavailable(made, "StartTLS")


def test_server_that_refuses_tls(tmp_path):
    with Slapd(person("alice", SECRET), tls=False) as slapd:
        with make(tmp_path, slapd) as made:
            made.start()
            unavailable(made, "StartTLS")


def issue_expired(folder):
    """An authority's certificate; one that it signed, of 2020, and its key."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder,
                       capture_output=True)

    ca, ca_key = make_certificate(folder, "authority")
    names = ",".join("DNS:" + name for name in ["localhost", *own_names()])
    (folder / "names").write_text(f"subjectAltName={names}\n")
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=c\n[c]\npolicy=p\ndatabase=index\n"
        "rand_serial=yes\ndefault_md=sha256\nnew_certs_dir=.\n"
        "[p]\ncommonName=supplied\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=localhost", "-keyout", "old.key", "-out",
            "old.csr")
    openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-in",
            "old.csr", "-cert", ca, "-keyfile", ca_key, "-extfile", "names",
            "-startdate", "200101000000Z", "-enddate", "200201000000Z",
            "-out", "old.pem")
    return ca, folder / "old.pem", folder / "old.key"


def test_expired_certificate(tmp_path):
    (tmp_path / "ca").mkdir()
    ca, certificate, key = issue_expired(tmp_path / "ca")
    with Slapd(person("alice", SECRET)) as slapd:
        slapd.stop()
        # The folder of the test is root's.
        shutil.copyfile(certificate, slapd.certificate)
        shutil.copyfile(key, slapd.key)
        slapd.conf.write_text(slapd.conf.read_text().replace(
            f"TLSCACertificateFile {slapd.certificate}\n", ""))
        slapd.start()
        with make(tmp_path, slapd, ca=ca) as made:
            made.start()
            unavailable(made, "StartTLS")


def test_wrong_password_of_the_service(slapd, tmp_path):
    with make(tmp_path, slapd) as made:
        secret = made.folder / "ldap-password"
        secret.write_text("changed\n")
        made.start()
        unavailable(made, "bind-dn")
        # It is read again: no restart, no reload.
        secret.write_text(SERVICE_PASSWORD + "\n")
        wait_for(lambda: log_in(made, "alice") == "success", 15)


# -- bad days --------------------------------------------------------------------


class Bystander(threading.Thread):
    """Somebody who is online already, and pings all the time."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.wire = fresh(server)
        assert self.wire.plain(name, SECRET).tag == SASL + "success"
        self.wire.bind("watching")
        self.wire.presence()
        self.times = []
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            start = time.monotonic()
            self.wire.ping()
            self.times.append(time.monotonic() - start)
            time.sleep(0.01)

    def worst(self):
        self.ended.set()
        self.join(10)
        self.wire.socket.close()
        assert len(self.times) > 20
        return max(self.times)


@pytest.fixture
def bad(tmp_path):
    """A slapd behind a proxy, and a Chappe that knows the proxy only."""
    with Slapd(person("alice", SECRET) + person("bob", SECRET)) as slapd, \
            Proxy(slapd.port) as proxy, \
            make(tmp_path, f"ldap://localhost:{proxy.port}",
                 ca=slapd.certificate) as made:
        made.slapd, made.proxy = slapd, proxy
        made.start()
        assert log_in(made, "alice") == "success"
        yield made


def heals(server, name="alice", seconds=20):
    wait_for(lambda: log_in(server, name) == "success", seconds,
             "log-in works again")


def test_directory_down(bad):
    bystander = Bystander(bad, "bob")
    bad.slapd.kill()
    bad.proxy.cut()
    for _ in range(15):
        assert log_in(bad, "alice") == "temporary-auth-failure"
    assert bystander.worst() < 0.5
    bad.slapd.start()
    heals(bad)
    assert log_in(bad, "alice", "wrong") == "not-authorized"


def test_directory_is_restarted(bad):
    """Between two log-ins; nobody notices."""
    bad.slapd.stop()
    bad.slapd.start()
    time.sleep(0.5)
    assert log_in(bad, "alice") == "success"
    assert not logged(bad, "ldap.failed")


def test_slow_directory(bad):
    """A second more for each answer; and those who are online notice
    nothing."""
    bystander = Bystander(bad, "bob")
    bad.proxy.delay = 1
    start = time.monotonic()
    with fresh(bad) as one, fresh(bad) as other:
        for wire in one, other:
            wire.auth("PLAIN", f"\0alice\0{SECRET}")
        for wire in one, other:
            assert wire.next().tag == SASL + "success"
    assert time.monotonic() - start > 1.9
    assert bystander.worst() < 0.5


def test_directory_that_takes_too_long(bad):
    bystander = Bystander(bad, "bob")
    bad.proxy.delay = 5
    assert log_in(bad, "alice") == "temporary-auth-failure"
    assert bystander.worst() < 0.5
    bad.proxy.delay = 0
    heals(bad)


def test_directory_hangs(bad):
    bystander = Bystander(bad, "bob")
    bad.slapd.pause()
    start = time.monotonic()
    assert log_in(bad, "alice") == "temporary-auth-failure"
    assert 3 < time.monotonic() - start < 9
    # New connections hang in StartTLS.
    assert log_in(bad, "alice") == "temporary-auth-failure"
    assert bystander.worst() < 0.5
    bad.slapd.resume()
    heals(bad)


@pytest.mark.parametrize("length", [1, 9, 30, 100])
def test_directory_hangs_in_the_middle_of_an_answer(bad, length):
    bystander = Bystander(bad, "bob")
    bad.proxy.stop_after = length
    assert log_in(bad, "alice") == "temporary-auth-failure"
    # Of a connection, too.
    assert log_in(bad, "alice") == "temporary-auth-failure"
    assert bystander.worst() < 0.5
    bad.proxy.stop_after = None
    bad.proxy.cut()
    heals(bad)


def test_connections_that_are_cut(bad):
    """In the middle of log-ins; each ends in one way or another."""
    bad.proxy.delay = 0.05
    for _ in range(10):
        with fresh(bad) as wire:
            wire.auth("PLAIN", f"\0alice\0{SECRET}")
            time.sleep(0.08)
            bad.proxy.cut()
            answer = wire.next()
            assert answer.tag == SASL + "success" or \
                answer[0].tag == SASL + "temporary-auth-failure"
    bad.proxy.delay = 0
    heals(bad)


def test_nobody_is_locked_out(bad):
    """UNAVAILABLE does not count as a failed log-in."""
    bad.proxy.refuse = True
    bad.proxy.cut()
    source = next(addresses)
    for _ in range(25):
        with Wire(bad, source=source) as wire:
            wire.secure()
            assert wire.plain("alice", SECRET)[0].tag == \
                SASL + "temporary-auth-failure"
    bad.proxy.refuse = False
    heals(bad)
    with Wire(bad, source=source) as wire:
        wire.secure()
        assert wire.plain("alice", SECRET).tag == SASL + "success"


def test_ends_while_the_directory_hangs(bad):
    bad.slapd.pause()
    with fresh(bad) as wire:
        wire.auth("PLAIN", f"\0alice\0{SECRET}")
        time.sleep(0.3)
        start = time.monotonic()
        bad.restart_role("sm")
        assert time.monotonic() - start < 9
    bad.slapd.resume()
    bad.wait_ready()
    heals(bad)


def test_ends_while_a_connection_hangs(bad):
    """In the middle of the answer to StartTLS: no thread waits for ever."""
    bad.proxy.stop_after = 9
    bad.proxy.cut()
    assert log_in(bad, "alice") == "temporary-auth-failure"
    start = time.monotonic()
    bad.restart_role("sm")
    assert time.monotonic() - start < 7
    bad.proxy.stop_after = None
    bad.wait_ready()
    heals(bad)


def test_entries_beyond_the_size_limit(tmp_path):
    with Slapd("".join(person(f"p{n:03}") for n in range(300))
               + person("alice", SECRET), sizelimit="100") as slapd:
        with make(tmp_path, slapd, page_size=50) as made:
            made.start()
            assert log_in(made, "alice") == "success"
            done = made.ctl("user", "list", "localhost", check=False)
            assert done.returncode != 0
            assert log_in(made, "alice") == "success"


# -- several servers -------------------------------------------------------------


@pytest.fixture
def pair(tmp_path):
    """Two directories of the same people, behind proxies that count."""
    people = person("alice", SECRET) + person("bob", SECRET)
    with Slapd(people) as one, Slapd(people, certificate=None) as other:
        both = tmp_path / "both.pem"
        both.write_text(one.certificate.read_text()
                        + other.certificate.read_text())
        with Proxy(one.port) as first, Proxy(other.port) as second, \
                make(tmp_path, f"ldap://localhost:{first.port}",
                     f"ldap://localhost:{second.port}", ca=both,
                     feed="off") as made:
            made.slapds, made.proxies = (one, other), (first, second)
            made.start()
            assert log_in(made, "alice") == "success"
            assert second.accepted == 0
            yield made


def down(server, number):
    server.proxies[number].refuse = True
    server.proxies[number].cut()


def test_fail_over_and_return(pair):
    first, second = pair.proxies
    down(pair, 0)
    assert log_in(pair, "alice") == "success"
    assert second.accepted > 0
    first.refuse = False
    # It has to be well for return-after, 2 s, first.
    time.sleep(0.8)
    before = second.accepted, len(pair.log("sm-1"))
    assert log_in(pair, "alice") == "success"
    assert "ldap.server" not in pair.log("sm-1")[before[1]:]
    wait_for(lambda: f"localhost:{first.port}" in
             pair.log("sm-1").rsplit("ldap.server", 1)[1], 15, "the return")
    assert log_in(pair, "alice") == "success"
    assert second.accepted == before[0]


def test_no_flapping(pair):
    """One that comes and goes is left alone."""
    down(pair, 0)
    assert log_in(pair, "alice") == "success"
    for _ in range(6):
        pair.proxies[0].refuse = False
        time.sleep(0.7)
        down(pair, 0)
        time.sleep(0.7)
        assert log_in(pair, "bob") == "success"
    assert pair.log("sm-1").count("ldap.server") == 1


def test_fail_over_from_one_that_hangs(pair):
    pair.slapds[0].pause()
    # This one waits in vain, the next one does not.
    assert log_in(pair, "alice") in ("temporary-auth-failure", "success")
    start = time.monotonic()
    assert log_in(pair, "alice") == "success"
    assert time.monotonic() - start < 3
    pair.slapds[0].resume()


def test_both_down_and_up_again(pair):
    down(pair, 0)
    down(pair, 1)
    for _ in range(5):
        assert log_in(pair, "alice") == "temporary-auth-failure"
    pair.proxies[1].refuse = False
    heals(pair)


def test_reload(pair):
    """Another directory, without a restart."""
    text = pair.conf_path.read_text()
    down(pair, 0)
    down(pair, 1)
    assert log_in(pair, "alice") == "temporary-auth-failure"
    pair.conf_path.write_text(text.replace(
        f":{pair.proxies[0].port}\"", f":{pair.slapds[0].port}\""))
    pair.reload("sm-1")
    heals(pair)


def test_reload_while_a_connection_hangs(slapd, tmp_path):
    """Nobody waits for the thread that connects."""
    with Proxy(slapd.port) as proxy, \
            make(tmp_path, f"ldap://localhost:{proxy.port}",
                 ca=slapd.certificate, timeout="2s",
                 connect_timeout="6s") as made:
        made.start()
        bystander = Bystander(made, "alice")
        proxy.stop_after = 9
        proxy.cut()
        assert log_in(made, "bob") == "temporary-auth-failure"
        text = made.conf_path.read_text()
        made.conf_path.write_text(text.replace(str(proxy.port),
                                               str(slapd.port)))
        made.reload("sm-1")
        heals(made)
        assert bystander.worst() < 1.0


# -- configuration ---------------------------------------------------------------


@pytest.mark.parametrize("options, word", [
    ({"uri": ["http://localhost"]}, "no URI"), ({"uri": []}, "uri"),
    ({"base": None}, "base"), ({"filter": "(uid=%x)"}, "filter"),
    ({"filter": "uid=%u"}, "parentheses"),
    ({"bind_password_file": None}, "bind-password-file"),
    ({"schema": "x500"}, "x500"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_configuration_that_is_refused(tmp_path, options, word):
    with make(tmp_path, "ldap://localhost", **options) as made:
        made.write_conf()
        done = subprocess.run(
            [BUILD / "chappe-sm", "-c", made.conf_path, "-n", "sm-1", "-t"],
            capture_output=True, text=True, timeout=20, check=False,
            env=made.environment())
        assert done.returncode == 1
        assert word in done.stderr


def test_no_section(tmp_path):
    with make(tmp_path, "ldap://localhost",
              domain={"ldap": "elsewhere"}) as made:
        made.write_conf()
        process = made.start_role("sm")
        assert process.wait(15) == 1
        assert 'ldap "elsewhere"' in made.log("sm-1")
        made.processes.clear()
