# SPDX-License-Identifier: Apache-2.0
"""Log-in by Kerberos: a real KDC of MIT, and clients with its tickets, good
and bad."""

import asyncio
import base64
import sys
import time

import gssapi
import gssapi.raw
import pytest
import slixmpp

from chappe import BUILD, Chappe, wait_for
from kdc import OTHER_REALM, Kdc
from slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, person
from wire import SASL, Wire, tls_context

DOMAIN = "example.org"


def make(folder, kdc, **options):
    chappe = Chappe(folder, domains=[DOMAIN])
    chappe.more_environment = kdc.server_environment()
    chappe.conf["domain"] = {
        "keytab": kdc.keytab, **{name.replace("_", "-"): value
                                 for name, value in options.items()}}
    return chappe


@pytest.fixture(scope="module")
def kdc():
    with Kdc(services=("xmpp/example.org", "xmpp/c2s.example.org",
                       "host/example.org")) as realm:
        for name in ("alice", "bob", "nobody", "alice/admin", "carol/admin",
                     "Upper"):
            realm.add_user(name)
        yield realm


@pytest.fixture(scope="module")
def server(tmp_path_factory, kdc):
    with make(tmp_path_factory.mktemp("kerberos"), kdc, kerberos_map=[
            f"*/admin@{kdc.realm} = *-admin", f"bad@{kdc.realm} ="]) as chappe:
        chappe.start()
        for name in ("alice", "alice-admin", "bob", "upper", "bad",
                     "disabled"):
            chappe.add_user(name)
        yield chappe


def secure(server):
    wire = Wire(server)
    wire.features = wire.secure()
    return wire


def offered(wire):
    return [m.text for m in wire.features.findall(
        f"{SASL}mechanisms/{SASL}mechanism")]


def outcome(answer):
    """"success", or the condition."""
    if answer.tag == SASL + "success":
        return "success"
    assert answer.tag == SASL + "failure"
    return answer[0].tag[len(SASL):]


def token_of(element):
    assert element.tag == SASL + "challenge", outcome(element)
    return base64.b64decode(element.text or "")


def run_gssapi(wire, context, authzid="", choice=b"\1\0\0\0", first=None):
    """RFC 4752, as a client; the last element. `first` is sent in place of
    the first token."""
    token = context.step() if first is None else first
    wire.auth("GSSAPI", token)
    answer = wire.next()
    while not context.complete:
        if answer.tag != SASL + "challenge":
            return answer
        wire.response(context.step(token_of(answer)) or b"")
        answer = wire.next()
    if answer.tag != SASL + "challenge":
        return answer
    offer = context.unwrap(token_of(answer)).message
    assert offer == b"\1\0\0\0"
    wire.response(context.wrap(choice + authzid.encode(), False).message)
    return wire.next()


def log_in(server, context, **options):
    with secure(server) as wire:
        result = outcome(run_gssapi(wire, context, **options))
        if result == "success":
            wire.bind("test")
            return wire.jid
        return result


def logged(server, *words):
    return wait_for(lambda: any(
        all(word in line for word in words)
        for line in server.log("sm-1").splitlines()), 5,
        lambda: server.log("sm-1")[-2000:])


# -- what works ---------------------------------------------------------------

def test_ticket(server, kdc):
    with secure(server) as wire:
        assert offered(wire)[:3] == ["GS2-KRB5-PLUS", "GS2-KRB5", "GSSAPI"]
    context = kdc.context(kdc.ticket("alice"))
    assert log_in(server, context) == "alice@example.org/test"
    assert logged(server, "auth.success", "mechanism=GSSAPI",
                  "principal=alice@EXAMPLE.ORG")


@pytest.mark.parametrize("authzid", ["alice@example.org", "alice"])
def test_own_authzid(server, kdc, authzid):
    context = kdc.context(kdc.ticket("alice"))
    assert log_in(server, context,
                  authzid=authzid) == "alice@example.org/test"


def test_host_of_service(server, kdc):
    context = kdc.context(kdc.ticket("alice"), "xmpp@c2s.example.org")
    assert log_in(server, context) == "alice@example.org/test"


def test_map(server, kdc):
    context = kdc.context(kdc.ticket("alice/admin"))
    assert log_in(server, context) == "alice-admin@example.org/test"


def test_name_is_prepared(server, kdc):
    context = kdc.context(kdc.ticket("Upper"))
    assert log_in(server, context) == "upper@example.org/test"


def test_without_initial_response(server, kdc):
    context = kdc.context(kdc.ticket("alice"))
    with secure(server) as wire:
        wire.auth("GSSAPI")
        assert token_of(wire.next()) == b""
        wire.response(context.step())
        answer = wire.next()
        while not context.complete:
            wire.response(context.step(token_of(answer)) or b"")
            answer = wire.next()
        assert context.unwrap(token_of(answer)).message == b"\1\0\0\0"
        wire.response(context.wrap(b"\1\0\0\0", False).message)
        assert outcome(wire.next()) == "success"


def test_slixmpp(server, kdc, monkeypatch):
    """A real client, on another library: it takes the ticket from the user's
    cache."""
    monkeypatch.setenv("KRB5CCNAME", kdc.ticket("alice"))
    monkeypatch.setenv("KRB5_CONFIG", str(kdc.conf))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    client = slixmpp.ClientXMPP("alice@example.org/slix", "",
                                sasl_mech="GSSAPI")
    client.loop = loop
    client.credentials["service-name"] = DOMAIN
    client.ssl_context = tls_context(alpn=False)
    client.get_ssl_context = lambda: client.ssl_context
    started = loop.create_future()
    client.add_event_handler("session_start",
                             lambda _: started.set_result(True))
    client.add_event_handler("failed_all_auth",
                             lambda _: started.set_result(False))
    client.connect(("127.0.0.1", server.port), disable_starttls=False)
    assert loop.run_until_complete(asyncio.wait_for(started, 20))
    loop.run_until_complete(asyncio.wait_for(client.disconnect(), 10))


# -- GS2-KRB5 -------------------------------------------------------------------

def gs2(wire, kdc, mechanism="GS2-KRB5", header=b"n,,", binding=b"",
        sent=None, cache=None, flags=None):
    """RFC 5801, as a client; `sent` is a header in place of the one that the
    token is bound to."""
    options = {"flags": flags} if flags else {}
    context = kdc.context(
        cache or kdc.ticket("alice"), channel_bindings=gssapi.raw.
        ChannelBindings(application_data=header + binding), **options)
    token = context.step()
    assert token[0] == 0x60
    length = 2 if token[1] < 0x80 else 2 + (token[1] & 0x7f)
    assert token[length] == 6
    inner = token[length + 2 + token[length + 1]:]
    wire.auth(mechanism, (header if sent is None else sent) + inner)
    answer = wire.next()
    if answer.tag == SASL + "success":
        context.step(base64.b64decode(answer.text))
        assert context.complete
    return outcome(answer)


def test_gs2(server, kdc):
    with secure(server) as wire:
        assert gs2(wire, kdc) == "success"
        wire.bind("gs2")
        assert wire.jid == "alice@example.org/gs2"
    with secure(server) as wire:
        assert gs2(wire, kdc, header=b"n,a=alice@example.org,") == "success"


def test_gs2_plus(server, kdc):
    import ssl
    context = tls_context(alpn=False)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    wire = Wire(server)
    with wire:
        wire.features = wire.secure(context)
        unique = wire.socket.get_channel_binding("tls-unique")
        assert gs2(wire, kdc, "GS2-KRB5-PLUS", b"p=tls-unique,,",
                   unique) == "success"
    with Wire(server) as wire:
        wire.secure(context)
        assert gs2(wire, kdc, "GS2-KRB5-PLUS", b"p=tls-unique,,",
                   b"of somebody else") == "not-authorized"


@pytest.mark.parametrize("header,sent,condition", [
    (b"n,,", b"n,a=alice@example.org,", "not-authorized"),
    (b"n,a=bob@example.org,", None, "invalid-authzid"),
    (b"y,,", None, "malformed-request"),
    (b"F,n,,", None, "malformed-request"),
    (b"p=tls-unique,,", None, "malformed-request"),
    (b"n,a=al=ice,", None, "malformed-request"),
    (b"n,b,", None, "malformed-request"),
    (b"", b"", "malformed-request"),
])
def test_gs2_refused(server, kdc, header, sent, condition):
    with secure(server) as wire:
        assert gs2(wire, kdc, header=header, sent=sent) == condition


def test_gs2_wants_mutual(server, kdc):
    with secure(server) as wire:
        assert gs2(wire, kdc, flags=gssapi.RequirementFlag.integrity) \
            == "not-authorized"


# -- what does not --------------------------------------------------------------

@pytest.mark.parametrize("authzid,condition", [
    ("bob@example.org", "invalid-authzid"),
    ("alice@elsewhere.net", "invalid-authzid"),
    ("alice@example.org/resource", "invalid-authzid"),
    ("a\0b", "malformed-request"),
])
def test_foreign_authzid(server, kdc, authzid, condition):
    context = kdc.context(kdc.ticket("alice"))
    assert log_in(server, context, authzid=authzid) == condition


def test_unknown_user(server, kdc):
    context = kdc.context(kdc.ticket("nobody"))
    assert log_in(server, context) == "not-authorized"
    assert logged(server, "auth.refused", "jid=nobody@example.org",
                  "there is no such account")


def test_user_of_a_program(tmp_path, kdc):
    """The ticket is good, and what the directory, or a program, says of the
    user counts: here it says so by his name."""
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfor line in sys.stdin:\n"
        "    number, command, user, domain = line.split()\n"
        "    print(number, {'alice': 'ok'}.get(user, user), flush=True)\n")
    program.chmod(0o755)
    for name in ("no", "disabled", "error"):
        kdc.add_user(name)
    with make(tmp_path, kdc, auth=["pipe"]) as chappe:
        chappe.extra_links = Chappe._write('pipe "main"',
                                           {"program": [program]})
        chappe.start()
        for name, result in (("alice", "alice@example.org/test"),
                             ("no", "not-authorized"),
                             ("disabled", "account-disabled"),
                             ("error", "temporary-auth-failure")):
            assert log_in(chappe, kdc.context(kdc.ticket(name))) == result
        assert not any("auth.failure" in line
                       for line in chappe.log("sm-1").splitlines())


def test_directory(tmp_path, kdc):
    """As in companies: the ticket says who it is, the directory who may."""
    secret = tmp_path / "ldap-password"
    secret.write_text(SERVICE_PASSWORD + "\n")
    secret.chmod(0o600)
    kdc.add_user("barred")
    seed = person("alice", "unknown to us") + person(
        "barred", "x", classes=["authPasswordObject"], nsAccountLock="TRUE")
    with Slapd(seed) as slapd, make(tmp_path, kdc, auth=["ldap"]) as chappe:
        chappe.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
        chappe.extra_links = Chappe._write('ldap "main"', {
            "uri": [slapd.name_uri], "bind-dn": SERVICE, "base": PEOPLE,
            "bind-password-file": secret, "ca": slapd.certificate,
            "connect-timeout": "1s", "timeout": "2s"})
        chappe.start()

        def result(name):
            return log_in(chappe, kdc.context(kdc.ticket(name)))
        assert result("alice") == "alice@example.org/test"
        assert result("bob") == "not-authorized"
        assert result("barred") == "account-disabled"
        slapd.kill()
        assert result("alice") == "temporary-auth-failure"
        slapd.start()
        wait_for(lambda: result("alice") == "alice@example.org/test", 20)


def test_principal_that_is_nobody(server, kdc):
    for name in ("carol/admin", "bad"):
        if name == "bad":
            kdc.add_user("bad")
        assert log_in(server, kdc.context(kdc.ticket(name))) \
            == "not-authorized"


@pytest.mark.parametrize("choice", [b"\2\0\4\0", b"\4\0\4\0", b"\7\0\4\0"])
def test_security_layer(server, kdc, choice):
    context = kdc.context(kdc.ticket("alice"))
    assert log_in(server, context, choice=choice) == "not-authorized"


def test_choice_is_too_short(server, kdc):
    context = kdc.context(kdc.ticket("alice"))
    assert log_in(server, context, choice=b"\1") == "malformed-request"


def test_choice_is_not_wrapped(server, kdc):
    context = kdc.context(kdc.ticket("alice"))
    with secure(server) as wire:
        wire.auth("GSSAPI", context.step())
        answer = wire.next()
        while not context.complete:
            wire.response(context.step(token_of(answer)) or b"")
            answer = wire.next()
        wire.response(b"\1\0\0\0alice")
        assert outcome(wire.next()) == "not-authorized"


def test_other_service(server, kdc):
    """Its key is in the keytab, but it is not ours."""
    context = kdc.context(kdc.ticket("alice"), "host@example.org")
    assert log_in(server, context) == "not-authorized"
    assert logged(server, "auth.refused", "another service")


def test_service_that_is_not_in_the_keytab(server, kdc):
    kdc.add_service("xmpp/secret.example.org", kdc.folder / "elsewhere")
    context = kdc.context(kdc.ticket("alice"), "xmpp@secret.example.org")
    assert log_in(server, context) == "not-authorized"


def test_expired_ticket(server, kdc):
    context = kdc.context(kdc.ticket("alice", life="2s"))
    token = context.step()
    time.sleep(4)
    with secure(server) as wire:
        assert outcome(run_gssapi(wire, context, first=token)) in (
            "credentials-expired",)


def test_clock_skew(server, kdc):
    """The server's clock is off by more than it allows."""
    context = kdc.context(kdc.ticket("alice"))
    token = context.step()
    time.sleep(3)
    with secure(server) as wire:
        assert outcome(run_gssapi(wire, context,
                                  first=token)) == "not-authorized"
    assert logged(server, "auth.refused", "skew")


def test_replay(server, kdc):
    context = kdc.context(kdc.ticket("alice"))
    token = context.step()
    with secure(server) as wire:
        wire.auth("GSSAPI", token)
        assert wire.next().tag == SASL + "challenge"
    with secure(server) as wire:
        wire.auth("GSSAPI", token)
        assert outcome(wire.next()) == "not-authorized"


@pytest.mark.parametrize("token", [
    b"", b"\0", b"x" * 100, b"\x60\x84\xff\xff\xff\xff", b"\x60" * 5000,
    b"\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02",
])
def test_rubbish(server, kdc, token):
    with secure(server) as wire:
        wire.auth("GSSAPI", token)
        assert outcome(wire.next()) in ("malformed-request", "not-authorized")


def test_end_in_the_middle(server, kdc):
    """The client goes while a thread has its token."""
    for _ in range(20):
        context = kdc.context(kdc.ticket("alice"))
        with secure(server) as wire:
            wire.auth("GSSAPI", context.step())
            wire.send("</stream:stream>")
    assert log_in(server, kdc.context(kdc.ticket("alice"))) \
        == "alice@example.org/test"


def test_failures_do_not_ban(server, kdc):
    """A ticket is no guess."""
    for _ in range(12):
        assert log_in(server, kdc.context(kdc.ticket("nobody"))) \
            == "not-authorized"
    assert log_in(server, kdc.context(kdc.ticket("alice"))) \
        == "alice@example.org/test"


# -- realms and keytabs -----------------------------------------------------------

def test_foreign_realm(tmp_path):
    with Kdc() as kdc, Kdc(OTHER_REALM, services=()) as other:
        kdc.trust(other)
        other.add_user("alice")
        with make(tmp_path, kdc) as chappe:
            chappe.start()
            chappe.add_user("alice")
            chappe.add_user("alice-elsewhere")
            cache = other.ticket("alice")
            context = kdc.context(cache, f"xmpp/{DOMAIN}@{kdc.realm}")
            assert log_in(chappe, context) == "not-authorized"
            assert logged(chappe, "auth.refused",
                          f"principal=alice@{OTHER_REALM}")
            chappe.conf["domain"]["kerberos-map"] = [
                f"*@{OTHER_REALM} = *-elsewhere"]
            chappe.write_conf()
            chappe.reload("sm-1")
            wait_for(lambda: log_in(chappe, kdc.context(
                cache, f"xmpp/{DOMAIN}@{kdc.realm}"))
                == "alice-elsewhere@example.org/test")


def test_keytab_comes_goes_and_changes(tmp_path):
    with Kdc() as kdc:
        away = kdc.folder / "away"
        kdc.keytab.rename(away)
        with make(tmp_path, kdc) as chappe:
            chappe.start()
            chappe.add_user("alice")
            kdc.add_user("alice")
            with secure(chappe) as wire:
                assert "GSSAPI" not in offered(wire)
                wire.auth("GSSAPI", b"x")
                assert outcome(wire.next()) == "invalid-mechanism"
            assert logged(chappe, "kerberos.unavailable", "keytab")
            away.rename(kdc.keytab)
            chappe.reload("sm-1")

            def is_offered():
                with secure(chappe) as wire:
                    return "GSSAPI" in offered(wire)
            wait_for(is_offered)
            jid = "alice@example.org/test"
            assert log_in(chappe, kdc.context(kdc.ticket("alice"))) == jid
            # New keys, without a reload.
            kdc.admin(f"ktadd -k {kdc.keytab} xmpp/{DOMAIN}")
            assert log_in(chappe, kdc.context(kdc.ticket("alice"))) == jid
            # It is gone, and that is nobody's ticket's fault.
            kdc.keytab.rename(away)
            assert log_in(chappe, kdc.context(kdc.ticket("alice"))) \
                == "temporary-auth-failure"
            assert logged(chappe, "auth.unavailable")
            away.rename(kdc.keytab)
            assert log_in(chappe, kdc.context(kdc.ticket("alice"))) == jid


def test_excluded_mechanisms(tmp_path):
    with Kdc() as kdc, make(tmp_path, kdc, mechanisms=[
            "GSSAPI", "SCRAM-SHA-256-PLUS"]) as chappe:
        chappe.start()
        chappe.add_user("alice")
        kdc.add_user("alice")
        with secure(chappe) as wire:
            assert offered(wire) == ["GSSAPI", "SCRAM-SHA-256-PLUS"]
            for name in ("PLAIN", "SCRAM-SHA-256", "GS2-KRB5"):
                wire.auth(name, b"x")
                assert outcome(wire.next()) == "mechanism-too-weak"
            wire.auth("DIGEST-MD5", b"x")
            assert outcome(wire.next()) == "invalid-mechanism"
        assert log_in(chappe, kdc.context(kdc.ticket("alice"))) \
            == "alice@example.org/test"


@pytest.mark.parametrize("option,value,words", [
    ("mechanisms", ["GSSAPI", "CRAM-MD5"], "CRAM-MD5"),
    ("kerberos-map", ["no equals sign"], "PRINCIPAL = USER"),
    ("kerberos-map", ["alice = alice"], "realm"),
    ("kerberos-map", ["a*b*@EXAMPLE.ORG = *"], "one *"),
])
def test_configuration(stopped, option, value, words):
    stopped.conf["domain"] = {option: value}
    stopped.write_conf()
    done = stopped.ctl("config", "check", check=False)
    assert done.returncode != 0 and words in done.stdout + done.stderr
