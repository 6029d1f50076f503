# SPDX-License-Identifier: Apache-2.0
"""Messages: where they go by type and resources (RFC 6121 section 8.5), what
is kept for later (XEP-0160), and that they arrive as they were sent."""

import datetime
import re
import signal
import time

import pytest

from people import Person
from wire import CLIENT, Wire, error_of

DELAY = "{urn:xmpp:delay}delay"


def bodies(elements):
    return [e.findtext(CLIENT + "body") for e in elements
            if e.tag == CLIENT + "message" and e.get("type") != "error"]


def send(wire, to, kind, body="text", inner="", ident="m1"):
    kind = f" type='{kind}'" if kind else ""
    body = f"<body>{body}</body>" if body is not None else ""
    wire.send(f"<message to='{to}'{kind} id='{ident}'>{body}{inner}"
              "</message>")


def bounce(wire, ident="m1"):
    """The error that came back for a message."""
    error = wire.until(lambda e: e.tag == CLIENT + "message"
                       and e.get("id") == ident)
    assert error.get("type") == "error"
    assert error.get("to") == wire.jid
    return error


TYPES = pytest.mark.parametrize("kind", [None, "normal", "chat"])


# -- to a bare JID with resources --------------------------------------------


@TYPES
def test_the_highest_priority_gets_it(people, kind):
    alice, bob = people("alice", "bob")
    a = alice.client()
    low = bob.online("low", "<priority>1</priority>")
    high = bob.online("high", "<priority>5</priority>")
    negative = bob.online("negative", "<priority>-1</priority>")
    silent = bob.client("silent")
    send(a, bob.jid, kind)
    got = high.expect_message("text")
    assert got.get("to") == bob.jid
    assert got.get("from") == a.jid
    assert got.get("type") == kind
    for wire in low, negative, silent:
        assert bodies(wire.settle()) == []
    # The next best takes over.
    high.send("<presence><priority>0</priority></presence>")
    high.settle()
    send(a, bob.jid, kind, "second")
    low.expect_message("second")
    assert bodies(high.settle()) == []


def test_equal_priorities_get_it_all(people):
    alice, bob = people("alice", "bob")
    a, one, two = alice.client(), bob.online("1"), bob.online("2")
    send(a, bob.jid, "chat")
    one.expect_message("text")
    two.expect_message("text")


def test_headlines_go_to_all_that_want_messages(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    low = bob.online("low", "<priority>0</priority>")
    high = bob.online("high", "<priority>5</priority>")
    negative = bob.online("negative", "<priority>-1</priority>")
    send(a, bob.jid, "headline")
    low.expect_message("text")
    high.expect_message("text")
    assert bodies(negative.settle()) == []
    assert a.settle() == []


def test_groupchat_to_a_person_is_refused(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    b.settle()
    send(a, bob.jid, "groupchat")
    assert error_of(bounce(a)) == ("service-unavailable", "cancel")
    assert b.settle() == []


def test_errors_to_a_bare_jid_are_ignored(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    b.settle()
    send(a, bob.jid, "error", None, "<error type='cancel'><gone xmlns='urn:"
         "ietf:params:xml:ns:xmpp-stanzas'/></error>")
    assert a.settle() == []
    assert b.settle() == []


def test_an_unknown_type_is_normal(people):
    """Section 5.2.2."""
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    send(a, bob.jid, "gossip")
    b.expect_message("text")


def test_to_oneself(people):
    alice = people("alice")
    one, two = alice.online("1"), alice.online("2", "<priority>7</priority>")
    one.settle()
    send(one, alice.jid, "chat")
    assert two.expect_message("text").get("from") == one.jid
    # Without `to` it is for the own account (RFC 6120 section 10.3.1).
    one.send("<message type='chat'><body>to me</body></message>")
    two.expect_message("to me")
    assert one.settle() == []


# -- to a full JID -----------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "normal", "chat", "groupchat",
                                  "headline", "error"])
@pytest.mark.parametrize("presence", ["<priority>-5</priority>", "", None],
                         ids=["negative", "zero", "no-presence"])
def test_to_a_resource_that_is_there(people, kind, presence):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.client("this", presence, True)
    other = bob.online("other", "<priority>9</priority>")
    send(a, b.jid, kind)
    got = b.expect_message("text")
    assert (got.get("to"), got.get("from"), got.get("type")) == \
        (b.jid, a.jid, kind)
    assert bodies(other.settle()) == []


def test_chat_to_a_resource_that_has_gone(people):
    """Section 8.5.3.2.1: as if it were for the bare JID."""
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    send(a, f"{bob.jid}/gone", "chat")
    assert b.expect_message("text").get("to") in (bob.jid, f"{bob.jid}/gone")
    assert a.settle() == []


@pytest.mark.parametrize("kind, answered", [
    ("groupchat", True), ("headline", False), ("error", False)])
def test_other_types_to_a_resource_that_has_gone(people, kind, answered):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online("b")
    b.settle()
    send(a, f"{bob.jid}/gone", kind)
    if answered:
        assert error_of(bounce(a))[0] == "service-unavailable"
    assert a.settle() == []
    assert b.settle() == []


# -- to nobody ---------------------------------------------------------------


@pytest.mark.parametrize("resource", ["", "/x"])
@pytest.mark.parametrize("kind, answered", [
    (None, True), ("chat", True), ("normal", True), ("groupchat", True),
    ("headline", False), ("error", False)])
def test_to_no_such_account(people, resource, kind, answered):
    a = people("alice").client()
    to = f"no.such@localhost{resource}"
    send(a, to, kind, "into the void", "<x xmlns='urn:example:x'/>")
    if answered:
        error = bounce(a)
        assert error_of(error) == ("service-unavailable", "cancel")
        assert error.get("from") == to
    assert a.settle() == []


def test_a_message_to_the_domain(people):
    """It is for the server, which has no use for it; nothing breaks."""
    a = people("alice").client()
    send(a, "localhost", "chat")
    came = a.settle()
    assert all(e.get("type") == "error" for e in came)
    send(a, "localhost/echo", "error", None)
    assert a.settle() == []


@pytest.mark.parametrize("to, condition", [
    ("bob@unreachable.example", "remote-server-not-found"),
    ("unreachable.example", "remote-server-not-found"),
    ("@localhost", "jid-malformed"), ("bob@", "jid-malformed"),
    ("a b@localhost", "jid-malformed"), ("bob@localhost/", "jid-malformed"),
    ("x" * 1024 + "@localhost", "jid-malformed"),
], ids=["far-user", "far-domain", "no-local", "no-domain", "space",
        "no-resource", "long"])
def test_addresses_that_cannot_be_reached(people, to, condition):
    a = people("alice").client()
    send(a, to, "chat")
    assert error_of(bounce(a))[0] == condition
    send(a, to, "error")
    assert a.settle() == []


# -- while the recipient is away (XEP-0160, XEP-0203) ------------------------


@pytest.mark.parametrize("away", ["no session", "no presence", "negative",
                                  "unavailable"])
@TYPES
def test_kept_for_later(people, away, kind):
    alice, bob = people("alice", "bob")
    a = alice.client()
    b = None
    if away != "no session":
        b = bob.client("b", None if away == "no presence" else
                       "<priority>-1</priority>" if away == "negative"
                       else "")
    if away == "unavailable":
        b.send("<presence type='unavailable'/>")
        b.settle()
    before = time.time()
    send(a, bob.jid, kind, "for later", "<thread>t1</thread>", "m7")
    assert a.settle() == []
    if b:
        assert bodies(b.settle()) == []
        b.presence()
    else:
        b = bob.online("b")
    got = b.find(lambda e: e.tag == CLIENT + "message")
    assert got.findtext(CLIENT + "body") == "for later"
    assert got.findtext(CLIENT + "thread") == "t1"
    assert (got.get("id"), got.get("type")) == ("m7", kind)
    assert (got.get("from"), got.get("to")) == (a.jid, bob.jid)
    delays = got.findall(DELAY)
    assert len(delays) == 1
    assert delays[0].get("from") == "localhost"
    stamp = delays[0].get("stamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", stamp)
    when = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    assert before - 2 <= when.timestamp() <= time.time() + 2
    # Once only.
    b.end()
    assert bodies(bob.online("c").settle()) == []


@pytest.mark.parametrize("kind, inner", [
    ("headline", "<body>news</body>"),
    ("error", "<body>oops</body>"),
    ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
])
def test_not_kept(people, kind, inner):
    alice, bob = people("alice", "bob")
    a = alice.client()
    send(a, bob.jid, kind, None, inner)
    assert a.settle() == []
    assert bodies(bob.online().settle()) == []


def test_no_store(people):
    """XEP-0334: not kept, and the sender hears that it was not."""
    alice, bob = people("alice", "bob")
    a = alice.client()
    send(a, bob.jid, "chat", "secret", "<no-store xmlns='urn:xmpp:hints'/>")
    assert error_of(bounce(a))[0] == "service-unavailable"
    b = bob.online()
    assert bodies(b.settle()) == []
    # To who is there it goes, with its hint.
    send(a, bob.jid, "chat", "live", "<no-store xmlns='urn:xmpp:hints'/>")
    got = b.expect_message("live")
    assert got.find("{urn:xmpp:hints}no-store") is not None


def test_groupchat_is_refused_while_away(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    send(a, bob.jid, "groupchat")
    assert error_of(bounce(a))[0] == "service-unavailable"


def test_a_forged_delay_stays_the_senders(people):
    alice, bob = people("alice", "bob")
    a = alice.client()
    send(a, bob.jid, "chat", "old", "<delay xmlns='urn:xmpp:delay' from="
         "'alice.example' stamp='2001-01-01T00:00:00Z'/>")
    a.settle()
    got = bob.online().find(lambda e: e.tag == CLIENT + "message")
    ours = [d for d in got.findall(DELAY) if d.get("from") == "localhost"]
    assert len(ours) == 1
    assert not ours[0].get("stamp").startswith("2001")


def test_the_limit_of_offline_messages(stopped):
    stopped.conf["sm"] = {"offline-max": 5}
    stopped.start()
    stopped.add_user("alice")
    stopped.add_user("bob")
    alice, bob = Person(stopped, "alice"), Person(stopped, "bob")
    a = alice.client()
    for number in range(7):
        send(a, bob.jid, "chat", f"n{number}", ident=f"i{number}")
    for number in 5, 6:
        error = bounce(a, f"i{number}")
        assert error_of(error)[0] in ("service-unavailable",
                                      "resource-constraint")
    assert a.settle() == []
    b = bob.online()
    b.ping()
    wanted = [f"n{number}" for number in range(5)]
    for body in wanted:
        b.expect_message(body)
    b.end()
    # There is room again.
    send(a, bob.jid, "chat", "again")
    assert a.settle() == []
    bob.online().expect_message("again")
    alice.close()
    bob.close()


def test_the_order_of_many(people):
    alice, bob = people("alice", "bob")
    a = alice.client(seconds=30)
    for number in range(200):
        send(a, bob.jid, "chat", f"offline {number}")
    a.settle()
    b = bob.client("b", seconds=30)
    b.send("<presence/>")
    # What comes while the old ones are sent does not overtake them.
    for number in range(200):
        send(a, bob.jid, "chat", f"online {number}")
    for number in range(200):
        b.expect_message(f"offline {number}")
    for number in range(200):
        b.expect_message(f"online {number}")
    assert bodies(b.settle()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL],
                         ids=["term", "kill"])
def test_offline_messages_survive_the_sm(chappe, how):
    alice, bob = Person(chappe, "alice"), Person(chappe, "bob")
    a = alice.client(seconds=30)
    for number in range(20):
        send(a, bob.jid, "chat", f"n{number}")
    # What is not stored yet the c2s sends again; what is, it may send again,
    # too, and nobody may read it twice.
    chappe.kill("sm-1", how)
    chappe.start_role("sm")
    chappe.wait_ready()
    a.ping()
    b = bob.client("b", seconds=30)
    b.send("<presence/>")
    for number in range(20):
        b.expect_message(f"n{number}")
    assert bodies(b.settle()) == []
    alice.close()
    bob.close()


# -- as they were sent -------------------------------------------------------


BODIES = {
    "white space": "  two  spaces\n\ttab\n\nlines  ",
    "only space": " ",
    "empty": "",
    "escapes": "<b>&amp;</b> \"quotes\" 'n' ]]> &#x26;",
    "four bytes": "𝄞 😀 👩‍👩‍👧 🇨🇭 \U0010fffd",
    "bidi and combining": "\u202eabc\u202c e\u0301 שלום",
    "long": "0123456789abcdef" * 4000,
    "noncharacter neighbours": "\ud7ff\ue000\ufffd",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("offline", [False, True],
                         ids=["online", "offline"])
def test_bodies_arrive_byte_for_byte(people, name, offline):
    alice, bob = people("alice", "bob")
    a = alice.client()
    b = None if offline else bob.online("b")
    a.message(bob.jid, BODIES[name])
    a.ping()
    b = b or bob.online("b")
    got = b.find(lambda e: e.tag == CLIENT + "message")
    assert (got.findtext(CLIENT + "body") or "") == BODIES[name]


def test_cdata_and_references_mean_the_same(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client(), bob.online()
    send(a, bob.jid, "chat", "<![CDATA[<a> & b]]>&#x1F600;&#10;&lt;")
    b.expect_message("<a> & b\U0001f600\n<")


@pytest.mark.parametrize("offline", [False, True],
                         ids=["online", "offline"])
def test_foreign_elements_are_untouched(people, offline):
    alice, bob = people("alice", "bob")
    a = alice.client()
    b = None if offline else bob.online("b")
    a.send(f"<message to='{bob.jid}' type='chat' id='f1' xml:lang='de-CH' "
           "x:mark='kept' xmlns:x='urn:example:x'>"
           "<subject xml:lang='en'>Hi</subject><subject>Hoi</subject>"
           "<body>Grüezi</body><body xml:lang='fr'>Salut</body>"
           "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns="
           "'http://www.w3.org/1999/xhtml'><p style='a:b'>one <em>two</em> "
           "three</p> four</body></html>"
           "<x:outer><inner xmlns='urn:example:y' x:at='1' at='2'>"
           "<x:deep/><none xmlns=''/></inner> tail</x:outer></message>")
    a.ping()
    b = b or bob.online("b")
    got = b.find(lambda e: e.tag == CLIENT + "message")
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    assert got.get(lang) == "de-CH"
    assert got.get("{urn:example:x}mark") == "kept"
    assert [(s.get(lang), s.text) for s in got.findall(CLIENT + "subject")] \
        == [("en", "Hi"), (None, "Hoi")]
    assert [(s.get(lang), s.text) for s in got.findall(CLIENT + "body")] \
        == [(None, "Grüezi"), ("fr", "Salut")]
    xhtml = "{http://www.w3.org/1999/xhtml}"
    p = got.find("{http://jabber.org/protocol/xhtml-im}html/"
                 f"{xhtml}body/{xhtml}p")
    assert p.text == "one " and p.tail == " four"
    assert p[0].tag == xhtml + "em" and p[0].tail == " three"
    outer = got.find("{urn:example:x}outer")
    inner = outer[0]
    assert inner.tag == "{urn:example:y}inner" and inner.tail == " tail"
    assert inner.attrib == {"{urn:example:x}at": "1", "at": "2"}
    assert [child.tag for child in inner] == ["{urn:example:x}deep", "none"]


@pytest.mark.parametrize("offline", [False, True],
                         ids=["online", "offline"])
def test_prefixes_of_the_stream_header(people, offline):
    """A prefix that only the sender's stream header declares reaches the
    recipient with its namespace (RFC 6120 section 4.8.5)."""
    alice, bob = people("alice", "bob")
    b = None if offline else bob.online("b")
    with Wire(people.chappe) as a:
        a.starttls()
        a.open()
        a.scram(alice.name)
        a.open(extra="xmlns:ex='urn:example:ex' xml:lang='pt'")
        a.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:"
               "xmpp-bind'/></iq>")
        a.answer("b")
        a.send(f"<message to='{bob.jid}' type='chat'><body>p</body>"
               "<ex:a ex:b='c'/></message>")
        a.ping()
        b = b or bob.online("b")
        got = b.find(lambda e: e.tag == CLIENT + "message")
        extra = got.find("{urn:example:ex}a")
        assert extra is not None and extra.get("{urn:example:ex}b") == "c"
        # Section 8.1.5: the language of the stream is the stanza's.
        assert got.get("{http://www.w3.org/XML/1998/namespace}lang") == "pt"


def test_a_client_prefix_instead_of_the_default(people):
    """The stream's content namespace under a prefix is legal too."""
    alice, bob = people("alice", "bob")
    b = bob.online("b")
    with Wire(people.chappe) as a:
        a.starttls()
        a.open()
        a.scram(alice.name)
        a.open(extra="xmlns:c='jabber:client'")
        a.send("<c:iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:"
               "xmpp-bind'/></c:iq>")
        a.answer("b")
        a.send(f"<c:message to='{bob.jid}' type='chat'><c:body>p</c:body>"
               "</c:message>")
        b.expect_message("p")


def test_the_server_stamps_from(people):
    alice, bob = people("alice", "bob")
    a, b = alice.client("a"), bob.online("b")
    for claimed in a.jid, alice.jid:
        a.send(f"<message from='{claimed}' to='{bob.jid}' type='chat'>"
               "<body>who</body></message>")
        assert b.expect_message("who").get("from") == a.jid
    a.send(f"<message from='mallory@localhost' to='{bob.jid}'>"
           "<body>forged</body></message>")
    a.expect_stream_error("invalid-from")
    assert bodies(b.settle()) == []
