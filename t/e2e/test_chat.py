# SPDX-License-Identifier: Apache-2.0
"""Two people chat: the first thing that must work."""

import pytest

from wire import CLIENT, Wire


@pytest.mark.parametrize("direct_tls", [False, True],
                         ids=["starttls", "direct_tls"])
def test_two_people_chat(shared, direct_tls):
    with Wire(shared, direct_tls=direct_tls) as alice, \
            Wire(shared, direct_tls=direct_tls) as bob:
        alice.login("alice", "desk")
        bob.login("bob", "phone")
        alice.presence()
        bob.presence()
        alice.message("bob@localhost", "hello <&> 'bob'")
        got = bob.expect_message("hello <&> 'bob'")
        assert got.get("from") == "alice@localhost/desk"
        assert got.get("to") == "bob@localhost"
        bob.message(got.get("from"), "hello alice")
        back = alice.expect_message("hello alice")
        assert back.get("to") == "alice@localhost/desk"
        alice.end()
        bob.end()


def test_offline_message_arrives_at_log_in(chappe):
    with Wire(chappe) as alice:
        alice.login("alice")
        alice.presence()
        for number in range(3):
            alice.message("bob@localhost", f"number {number}")
        alice.ping()
    with Wire(chappe) as bob:
        bob.login("bob")
        bob.send("<presence/>")
        for number in range(3):
            got = bob.expect_message(f"number {number}")
            assert got.find("{urn:xmpp:delay}delay") is not None
        bob.end()
    with Wire(chappe) as bob:
        bob.login("bob")
        bob.presence()
        bob.ping()
        assert not [e for e in bob._ready if e.tag == CLIENT + "message"]
