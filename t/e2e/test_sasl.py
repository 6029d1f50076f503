# SPDX-License-Identifier: Apache-2.0
"""Log-in (RFC 6120 section 6, RFC 5802, RFC 4616, RFC 9266): what works, what
is refused, and what nobody can learn from being refused."""

import base64
import itertools
import re
import select
import ssl
import statistics
import time

import pytest
from OpenSSL import SSL

from chappe import PASSWORD, Chappe, wait_for
from wire import SASL, Wire, b64, tls_context

CHANNEL_BINDING = "{urn:xmpp:sasl-cb:0}"
MECHANISMS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256",
              "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"]

# Nobody's failures are to slow others down.
real_users = (f"real{i}" for i in itertools.count())
addresses = (f"127.7.{i // 250}.{i % 250 + 1}" for i in itertools.count())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("sasl")) as made:
        made.start()
        made.add_users("alice@localhost", "bob@localhost",
                       *(f"real{i}@localhost" for i in range(40)))
        yield made


@pytest.fixture
def wire(server):
    """A stream under TLS, from an address without a past."""
    with Wire(server, source=next(addresses)) as made:
        made.secure()
        yield made


def fresh(server, context=None, **options):
    made = Wire(server, source=next(addresses), **options)
    made.features = made.secure(context)
    return made


def assert_failure(element, condition):
    assert element.tag == SASL + "failure", element.tag
    assert [child.tag for child in element][0] == SASL + condition
    return element


def attempt(wire, user, password, mechanism):
    if mechanism == "PLAIN":
        return wire.plain(user, password)
    return wire.scram(user, password, mechanism)


PASSWORD_MECHANISMS = pytest.mark.parametrize(
    "mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"])


# -- what works ---------------------------------------------------------------


def test_mechanisms_strongest_first(server):
    with fresh(server) as wire:
        offered = wire.features.findall(f"{SASL}mechanisms/{SASL}mechanism")
        assert [mechanism.text for mechanism in offered] == MECHANISMS


@PASSWORD_MECHANISMS
@pytest.mark.parametrize("direct_tls", [False, True],
                         ids=["starttls", "direct_tls"])
def test_log_in(server, mechanism, direct_tls):
    with fresh(server, direct_tls=direct_tls) as wire:
        assert attempt(wire, "alice", PASSWORD, mechanism).tag == \
            SASL + "success"
        wire.bind("here")
        assert wire.jid == "alice@localhost/here"


def test_log_in_is_in_the_logs(server, wire):
    assert wire.scram("alice").tag == SASL + "success"
    wire.bind("logged")
    wait_for(lambda: "alice@localhost/logged" in server.log("c2s-1"))
    for log in server.log("c2s-1"), server.log("sm-1"):
        assert PASSWORD not in log and b64(f"\0alice\0{PASSWORD}") not in log


@PASSWORD_MECHANISMS
def test_without_initial_response(wire, mechanism):
    """RFC 6120 section 6.4.2: the server asks for it by an empty challenge."""
    sent = {}
    real_auth = wire.auth

    def auth(name, initial=None):
        real_auth(name)
        challenge = wire.expect(SASL + "challenge")
        assert not challenge.text
        sent["late"] = True
        wire.response(initial)

    wire.auth = auth
    assert attempt(wire, "alice", PASSWORD, mechanism).tag == SASL + "success"
    assert sent


def test_names_are_prepared(wire):
    assert wire.scram("ALICE").tag == SASL + "success"
    wire.bind("case")
    assert wire.jid == "alice@localhost/case"


def test_names_and_passwords_beyond_ascii(server):
    """SASLprep maps U+2168 to "IX"; nodeprep folds case."""
    server.add_user("jürgen", "Ⅸ ungetüm")
    for mechanism in "SCRAM-SHA-256", "PLAIN":
        with fresh(server) as wire:
            assert attempt(wire, "jürgen", "IX ungetüm", mechanism).tag == \
                SASL + "success"
            wire.bind("x")
            assert wire.jid == "jürgen@localhost/x"
    with fresh(server) as wire:
        assert wire.plain("JÜRGEN", "Ⅸ ungetüm").tag == SASL + "success"


def test_name_with_comma_and_equals_sign(server):
    server.add_user("a,b=c")
    with fresh(server) as wire:
        assert wire.scram("a,b=c").tag == SASL + "success"


def test_authzid_of_oneself(server):
    with fresh(server) as wire:
        assert wire.plain("alice", authzid="alice@localhost").tag == \
            SASL + "success"
    with fresh(server) as wire:
        assert wire.scram("alice", header="n,a=alice@localhost,").tag == \
            SASL + "success"


# -- channel bindings ---------------------------------------------------------


class ExporterSocket:
    """TLS by pyOpenSSL, which has the exporter that Python's ssl lacks, with
    as much of a socket as Wire needs."""

    def __init__(self, plain, name):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"xmpp-client"])
        self.plain, self.seconds = plain, 10
        self.tls = SSL.Connection(context, plain)
        self.tls.set_tlsext_host_name(name.encode())
        self.tls.set_connect_state()
        self._retry(self.tls.do_handshake)

    def _retry(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except SSL.WantReadError:
                if not select.select([self.plain], [], [], self.seconds)[0]:
                    raise TimeoutError from None

    def settimeout(self, seconds):
        self.seconds = seconds

    def sendall(self, data):
        self._retry(self.tls.sendall, data)

    def recv(self, size):
        try:
            return self._retry(self.tls.recv, size)
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise OSError(str(error)) from None

    def close(self):
        self.plain.close()

    def exporter(self):
        """RFC 9266 section 2."""
        return self.tls.export_keying_material(b"EXPORTER-Channel-Binding",
                                               32, b"")


class ExporterContext:
    def wrap_socket(self, plain, server_hostname):
        return ExporterSocket(plain, server_hostname)


def tls_1_2():
    context = tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def binding_types(features):
    return {e.get("type") for e in features.findall(
        f"{CHANNEL_BINDING}sasl-channel-binding/"
        f"{CHANNEL_BINDING}channel-binding")}


def test_binding_types_of_tls_1_3(server):
    with fresh(server) as wire:
        assert wire.socket.version() == "TLSv1.3"
        assert binding_types(wire.features) == {"tls-exporter"}


def test_binding_types_of_tls_1_2(server):
    with fresh(server, tls_1_2()) as wire:
        assert "tls-unique" in binding_types(wire.features)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS",
                                       "SCRAM-SHA-1-PLUS"])
def test_plus_with_tls_exporter(server, mechanism):
    with fresh(server, ExporterContext()) as wire:
        answer = wire.scram("alice", mechanism=mechanism,
                            header="p=tls-exporter,,",
                            binding=wire.socket.exporter())
        assert answer.tag == SASL + "success"
        wire.bind("bound")
        assert wire.jid == "alice@localhost/bound"
        wire.ping()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS",
                                       "SCRAM-SHA-1-PLUS"])
def test_plus_with_tls_unique(server, mechanism):
    with fresh(server, tls_1_2()) as wire:
        answer = wire.scram("alice", mechanism=mechanism,
                            header="p=tls-unique,,",
                            binding=wire.socket.get_channel_binding())
        assert answer.tag == SASL + "success"


def test_plus_with_the_binding_of_another_stream(server):
    """What somebody in between would have."""
    with fresh(server, ExporterContext()) as one, \
            fresh(server, ExporterContext()) as other:
        answer = one.scram("alice", mechanism="SCRAM-SHA-256-PLUS",
                           header="p=tls-exporter,,",
                           binding=other.socket.exporter())
        assert_failure(answer, "not-authorized")


def test_plus_with_a_binding_type_that_does_not_fit(server):
    for name in "tls-unique", "tls-server-end-point", "nonsense":
        with fresh(server, ExporterContext()) as wire:
            answer = wire.scram("alice", mechanism="SCRAM-SHA-256-PLUS",
                                header=f"p={name},,", binding=b"\0" * 12)
            assert answer.tag == SASL + "failure"


def test_flag_y_is_a_downgrade(server, wire):
    """RFC 5802 section 6: the client could, and thinks that we could not. The
    log tells that from a wrong password, and whose client it was."""
    assert_failure(wire.scram("alice", header="y,,"), "not-authorized")
    line = [line for line in server.log("sm-1").splitlines()
            if "offers no channel binding" in line][-1]
    assert "auth.refused" in line and "jid=alice@" in line


def test_wrong_password_in_the_log(server):
    with fresh(server) as wire:
        assert_failure(wire.scram("alice", "wrong"), "not-authorized")
    line = [line for line in server.log("sm-1").splitlines()
            if "wrong password" in line][-1]
    assert "auth.failure" in line and "jid=alice@" in line


def test_plus_without_binding(server):
    for flag in "n", "y":
        with fresh(server) as wire:
            answer = wire.scram("alice", mechanism="SCRAM-SHA-256-PLUS",
                                header=f"{flag},,")
            assert answer.tag == SASL + "failure"


def test_binding_without_plus(server):
    with fresh(server, ExporterContext()) as wire:
        answer = wire.scram("alice", header="p=tls-exporter,,",
                            binding=wire.socket.exporter())
        assert_failure(answer, "malformed-request")


# -- what is refused ----------------------------------------------------------


@PASSWORD_MECHANISMS
def test_wrong_password(server, mechanism):
    with fresh(server) as wire:
        address = wire.socket.getsockname()[0]
        assert_failure(attempt(wire, "alice", "wrong", mechanism),
                       "not-authorized")
        # The stream goes on, and the right one is still right.
        assert attempt(wire, "alice", PASSWORD, mechanism).tag == \
            SASL + "success"
    for role in "c2s-1", "sm-1":
        assert re.search(rf"auth\.fail.*{re.escape(address)}.*not-authorized",
                         server.log(role))


@pytest.mark.parametrize("user, authzid", [
    ("alice", "bob@localhost"), ("alice", "alice@elsewhere.example"),
    ("alice", "alice@localhost/x"), ("alice", "@"),
    ("nobody", "alice@localhost")])
def test_authzid_of_somebody_else(server, user, authzid):
    with fresh(server) as wire:
        assert_failure(wire.plain(user, authzid=authzid), "invalid-authzid")
        answer = wire.scram("alice", header=f"n,a={authzid},") \
            if user == "alice" else None
        if answer is not None:
            assert_failure(answer, "invalid-authzid")
        assert wire.scram("alice").tag == SASL + "success"


def raw(wire, name, text="", mechanism=None):
    attribute = f" mechanism='{mechanism}'" if mechanism is not None else ""
    wire.send(f"<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'{attribute}>"
              f"{text}</{name}>")
    return wire.next()


@pytest.mark.parametrize("text", [
    "%%%", "abc", "====", "YWJj\0".replace("\0", "&#9;!"), "A", "=YQ=",
    "<x xmlns='urn:x'/>YWI="])
def test_bad_base64(wire, text):
    answer = raw(wire, "auth", text, "PLAIN")
    if text.startswith("<x"):
        assert answer.tag == SASL + "failure"
    else:
        assert_failure(answer, "incorrect-encoding")
    assert wire.scram("alice").tag == SASL + "success"


def test_bad_base64_in_a_response(wire):
    wire.auth("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")
    wire.expect(SASL + "challenge")
    assert_failure(raw(wire, "response", "!!"), "incorrect-encoding")
    assert wire.scram("alice").tag == SASL + "success"


@pytest.mark.parametrize("mechanism", ["DIGEST-MD5", "EXTERNAL", "ANONYMOUS",
                                       "SCRAM-SHA-512", "plain", "", None,
                                       "X" * 200])
def test_mechanism_that_was_not_offered(wire, mechanism):
    assert_failure(raw(wire, "auth", "=", mechanism), "invalid-mechanism")
    assert wire.scram("alice").tag == SASL + "success"


@pytest.mark.parametrize("message", [
    "", "alice", "\0alice", "\0\0x", "\0alice\0", "\0alice\0a\0b", "\0\0\0",
    "\0" + "a" * 2000 + "\0x"], ids=range(8))
def test_malformed_plain(wire, message):
    assert_failure(raw(wire, "auth", b64(message) or "=", "PLAIN"),
                   "malformed-request")
    assert wire.scram("alice").tag == SASL + "success"


@pytest.mark.parametrize("message", [
    b"n,,", b"n,,n=alice", b"n,,r=abc", b"x,,n=alice,r=abc", b"alice",
    b"n,,n=a=lice,r=abc", b"n,,n=al\0ice,r=abc", b"n,,n=alice,r=",
    b"n,,m=ext,n=alice,r=abc", b"\xff\xfe", b"n" * 4000], ids=range(11))
def test_malformed_scram(wire, message):
    answer = raw(wire, "auth", base64.b64encode(message).decode(),
                 "SCRAM-SHA-256")
    assert answer.tag == SASL + "failure"
    assert wire.scram("alice").tag == SASL + "success"


@pytest.mark.parametrize("change", [
    lambda final: "", lambda final: "x", lambda final: final[:-4],
    lambda final: final.replace("c=biws", "c=eSws"),
    lambda final: final.replace(",r=", ",r=x"),
    lambda final: final.split(",p=")[0],
    lambda final: final.split(",p=")[0] + ",p=" + b64(b"\0" * 32),
    lambda final: final + "\0"],
    ids=["empty", "x", "cut", "header", "nonce", "no-proof", "zero-proof",
         "nul"])
def test_wrong_second_scram_message(wire, change):
    real = wire.response
    wire.response = lambda data: real(change(data))
    assert wire.scram("alice").tag == SASL + "failure"
    wire.response = real
    assert wire.scram("alice").tag == SASL + "success"


# -- order --------------------------------------------------------------------


def test_response_without_auth(wire):
    assert_failure(raw(wire, "response", "="), "malformed-request")
    assert wire.scram("alice").tag == SASL + "success"


def test_abort(wire):
    wire.auth("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")
    wire.expect(SASL + "challenge")
    assert_failure(raw(wire, "abort"), "aborted")
    assert_failure(raw(wire, "response", "="), "malformed-request")
    assert wire.scram("alice").tag == SASL + "success"


def test_abort_of_nothing(wire):
    assert raw(wire, "abort").tag == SASL + "failure"
    assert wire.scram("alice").tag == SASL + "success"


def test_auth_during_an_exchange(wire):
    wire.auth("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")
    wire.expect(SASL + "challenge")
    wire.auth("PLAIN", f"\0alice\0{PASSWORD}")
    assert wire.next().tag == SASL + "failure"
    wire.nothing(0.2)
    assert wire.scram("alice").tag == SASL + "success"


def test_auth_after_success_without_restart(wire):
    assert wire.scram("alice").tag == SASL + "success"
    wire._reset()
    wire.auth("PLAIN", f"\0bob\0{PASSWORD}")
    wire.expect_stream_error("invalid-namespace")


def test_auth_on_an_authenticated_stream(wire):
    assert wire.scram("alice").tag == SASL + "success"
    features = wire.open()
    assert features.find(SASL + "mechanisms") is None
    wire.auth("PLAIN", f"\0bob\0{PASSWORD}")
    wire.expect_stream_error("unsupported-stanza-type")


def test_auth_on_a_session(wire):
    assert wire.scram("alice").tag == SASL + "success"
    wire.bind()
    wire.auth("PLAIN", f"\0bob\0{PASSWORD}")
    wire.expect_stream_error("unsupported-stanza-type")


def test_challenge_from_a_client(wire):
    wire.send("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    wire.expect_stream_error("unsupported-stanza-type")


def test_endless_failures_end_the_stream(server, wire):
    """RFC 6120 section 6.4.5: some retries, not any number."""
    user = next(real_users)
    for number in range(5):
        assert_failure(wire.plain(user, f"guess {number}"), "not-authorized")
    wire.expect_stream_error("policy-violation")
    assert "too many failed log-ins" in server.log("c2s-1")


def test_endless_rounds(wire):
    """A client that answers nothing but says something, for ever."""
    for _ in range(5):
        wire.auth("SCRAM-SHA-256")
        wire.expect(SASL + "challenge")
        wire.response("")
        answer = wire.next()
        assert answer.tag == SASL + "failure"
    wire.expect_stream_error("policy-violation")


def test_exchange_that_is_left_does_no_harm(server):
    for _ in range(10):
        with fresh(server) as wire:
            wire.auth("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh")
            wire.expect(SASL + "challenge")
    with fresh(server) as wire:
        assert wire.scram("alice").tag == SASL + "success"


# -- who does not exist -------------------------------------------------------


def shape(element):
    """An answer without its values."""
    return element.tag, sorted(element.attrib), [c.tag for c in element]


def failed_exchange(server, user, mechanism, password="wrong"):
    """(shapes of the answers, salt, iterations, seconds of each answer)"""
    with fresh(server) as wire:
        shapes, seconds = [], []
        real = wire.next

        def timed(*arguments):
            start = time.monotonic()
            element = real(*arguments)
            seconds.append(time.monotonic() - start)
            shapes.append(shape(element))
            return element

        wire.next = timed
        attempt(wire, user, password, mechanism)
        fields = getattr(wire, "last_scram", {"s": "", "i": "0"})
        return shapes, base64.b64decode(fields["s"]), fields["i"], seconds


@PASSWORD_MECHANISMS
@pytest.mark.parametrize("user", ["nobody", "ALICEE", "x" * 900, "ünknown"])
def test_unknown_user_looks_like_a_wrong_password(server, mechanism, user):
    real = failed_exchange(server, next(real_users), mechanism)
    unknown = failed_exchange(server, user, mechanism)
    assert unknown[0] == real[0]
    assert len(unknown[1]) == len(real[1])
    assert unknown[2] == real[2]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
@pytest.mark.parametrize("user", ["a@b", "a b", "x" * 1500, "a/b", "a\u00ad"])
def test_impossible_user_looks_like_a_wrong_password(server, mechanism, user):
    real = failed_exchange(server, next(real_users), mechanism)
    unknown = failed_exchange(server, user, mechanism)
    assert unknown[0] == real[0]
    assert len(unknown[1]) == len(real[1])
    assert unknown[2] == real[2]


def salt(server, user, mechanism="SCRAM-SHA-256"):
    """By an exchange that does not count as a failure."""
    with fresh(server) as wire:
        wire.auth(mechanism, f"n,,n={user},r=abcdefgh")
        first = base64.b64decode(wire.expect(SASL + "challenge").text)
        assert_failure(raw(wire, "abort"), "aborted")
        return re.search(rb",s=([^,]+)", first).group(1)


def test_salts_of_unknown_users_are_like_those_of_real_ones(server):
    for one, same, other in (("real3", "REAL3", "real4"),
                             ("ghost3", "GHOST3", "ghost4")):
        assert salt(server, one) == salt(server, one)
        assert salt(server, one) == salt(server, same)
        assert salt(server, one) != salt(server, other)
    # Nor does the relation between mechanisms give it away.
    real = salt(server, "real3") == salt(server, "real3", "SCRAM-SHA-1")
    unknown = salt(server, "ghost3") == salt(server, "ghost3", "SCRAM-SHA-1")
    assert real == unknown


def test_salt_of_an_unknown_user_survives_a_restart(server):
    before = salt(server, "ghost5")
    server.restart_role("sm")
    server.wait_ready()
    assert salt(server, "ghost5") == before


@PASSWORD_MECHANISMS
def test_unknown_user_takes_as_long_as_a_wrong_password(server, mechanism):
    """Medians, generously: this is about a key derivation more or less."""
    real, unknown = [], []
    # The first failure of each name, so that no delay has grown.
    names = [f"timed-{mechanism.lower()}-{number}" for number in range(7)]
    server.add_users(*(f"{name}@localhost" for name in names))
    for who in names:
        real.append(failed_exchange(server, who, mechanism)[3])
        unknown.append(failed_exchange(server, who + "-not", mechanism)[3])
    for step in range(len(real[0])):
        a = statistics.median(times[step] for times in real)
        b = statistics.median(times[step] for times in unknown)
        assert abs(a - b) < 0.02 + 0.5 * min(a, b), (step, a, b)


# -- accounts that come and go ------------------------------------------------


def test_deleted_account(server):
    server.add_user("leaver")
    with fresh(server) as wire, fresh(server) as early:
        assert early.scram("leaver").tag == SASL + "success"
        assert wire.scram("leaver").tag == SASL + "success"
        wire.bind("desk")
        server.ctl("user", "del", "leaver@localhost")
        wire.expect_stream_error("not-authorized")
        # Logged in, but without a session yet: there is none any more.
        answer = early.bind("late")
        assert answer.get("type") == "error"
    with fresh(server) as wire:
        assert_failure(wire.scram("leaver"), "not-authorized")
        assert_failure(wire.plain("leaver"), "not-authorized")


def test_changed_password(server):
    server.add_user("changer", "first")
    with fresh(server) as wire:
        assert wire.plain("changer", "first").tag == SASL + "success"
    server.ctl("user", "passwd", "changer@localhost", "--password-stdin",
               stdin="second\n")
    for mechanism in "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256":
        with fresh(server) as wire:
            assert_failure(attempt(wire, "changer", "first", mechanism),
                           "not-authorized")
            assert attempt(wire, "changer", "second", mechanism).tag == \
                SASL + "success"


# -- throttling ---------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with Chappe(tmp_path_factory.mktemp("strict")) as made:
        made.conf["sm"] = {"auth-failures": 3, "auth-window": "2s"}
        made.start()
        made.add_users("alice@localhost", "bob@localhost", "carol@localhost")
        yield made


def guess(server, user, source, times):
    for number in range(times):
        with Wire(server, source=source) as wire:
            wire.secure()
            assert_failure(wire.plain(user, f"guess {number}"),
                           "not-authorized")


def log_in(server, user, source, mechanism="PLAIN"):
    with Wire(server, source=source) as wire:
        wire.secure()
        return attempt(wire, user, PASSWORD, mechanism)


def recovers(server, user, source):
    start = time.monotonic()
    wait_for(lambda: log_in(server, user, source).tag == SASL + "success",
             8, "the account recovers")
    return time.monotonic() - start


def test_throttling_of_an_account(strict):
    stranger, another = next(addresses), next(addresses)
    guess(strict, "alice", stranger, 3)
    for mechanism in "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1":
        assert_failure(log_in(strict, "alice", another, mechanism),
                       "temporary-auth-failure")
    # Nobody else is concerned.
    assert log_in(strict, "bob", another).tag == SASL + "success"
    recovers(strict, "alice", another)


def test_throttling_does_not_lock_the_owner_out(strict):
    home, stranger = next(addresses), next(addresses)
    assert log_in(strict, "bob", home).tag == SASL + "success"
    guess(strict, "bob", stranger, 3)
    assert_failure(log_in(strict, "bob", stranger), "temporary-auth-failure")
    assert log_in(strict, "bob", home).tag == SASL + "success"


def test_throttling_of_an_unknown_account_is_the_same(strict):
    stranger = next(addresses)
    guess(strict, "nobody", stranger, 3)
    assert_failure(log_in(strict, "nobody", next(addresses)),
                   "temporary-auth-failure")


def test_throttling_of_an_address(strict):
    stranger, home = next(addresses), next(addresses)
    for number in range(15):
        guess(strict, f"victim{number}", stranger, 1)
    assert_failure(log_in(strict, "carol", stranger),
                   "temporary-auth-failure")
    assert log_in(strict, "carol", home).tag == SASL + "success"
    recovers(strict, "carol", stranger)


def test_answers_to_failures_take_longer(strict):
    source = next(addresses)
    times = []
    for number in range(3):
        start = time.monotonic()
        guess(strict, "slower", source, 1)
        times.append(time.monotonic() - start)
    assert times[2] > times[0] + 0.1
