# SPDX-License-Identifier: Apache-2.0
"""`chappectl dns`: what our domains have to publish, and whether they do."""

import json

from federation import SRV, FederatedChappe, SignedNames, key_pin
from test_s2s import World, world  # noqa: F401
from test_s2s_posh import fingerprint


def check(server, *words):
    """The lines by name and type, and the exit code."""
    done = server.ctl("--json", "dns", "check", *words, check=False)
    return {(row["name"], row["type"]): row
            for row in json.loads(done.stdout)}, done.returncode


def test_a_zone(world):
    a = world.chappe("a.example")
    a.start()
    zone = a.ctl("dns", "a.example", "host.a.example").stdout
    pin = key_pin(a.certificate)
    for line in (
            f"_xmpp-client._tcp.a.example.             IN SRV  1 5 {a.port} "
            "host.a.example.",
            f"_xmpp-server._tcp.a.example.             IN SRV  1 5 "
            f"{a.s2s_port} host.a.example.",
            f"_xmpps-server._tcp.a.example.            IN SRV  0 5 "
            f"{a.s2s_tls_port} host.a.example.",
            f"TLSA 3 1 1 {pin}",
            "; https://a.example/.well-known/posh/xmpp-server.json",
            fingerprint(a.certificate)):
        assert line in zone, zone
    rows = json.loads(a.ctl("--json", "dns").stdout)
    assert len({(r["name"], r["type"], r["value"]) for r in rows}) == len(rows)
    assert a.ctl("dns", "other.example", check=False).returncode == 3


def test_what_is_missing_and_different(world):
    a = world.chappe("a.example")
    a.start()
    world.names.records["_xmpp-server._tcp.a.example", SRV] = [
        (0, 0, 1, "old.a.example")]
    rows, code = check(a, "a.example", "host.a.example")
    assert code == 1
    assert rows["_xmpps-server._tcp.a.example.", "SRV"]["state"] == "ok"
    row = rows["_xmpp-server._tcp.a.example.", "SRV"]
    assert row["state"] == "different"
    assert row["found"] == "0 0 1 old.a.example."
    assert rows["_xmpp-client._tcp.a.example.", "SRV"]["state"] == "missing"
    assert rows[f"_{a.s2s_port}._tcp.host.a.example.", "TLSA"]["state"] == \
        "missing"
    text = a.ctl("dns", "check", "a.example", check=False).stdout
    assert ", found 0 0 1 old.a.example." in text


def test_a_zone_that_is_as_it_should_be(world):
    names = SignedNames(world.folder / "dns")
    a = FederatedChappe(world.folder / "a", "a.example", world.authority,
                        names)
    world.open.append(a)
    a.conf["s2s"] = {"dns-trust-anchor": names.anchor}
    names.tlsa("a.example", (a.s2s_port, a.s2s_tls_port), a.certificate)
    names.records += [f"_xmpp-client._tcp.a SRV 0 0 {a.port} host.a",
                      f"_xmpps-client._tcp.a SRV 0 0 {a.tls_port} host.a"]
    world.open.append(names)
    names.start()
    a.start()
    rows, code = check(a, "a.example", "host.a.example")
    states = {row["state"] for (_, kind), row in rows.items()
              if kind != "POSH"}
    assert states == {"ok"} and code == 0, rows
    assert all("note" not in row or "DNSSEC" not in row["note"]
               for row in rows.values())
    a.certificates["a.example"] = world.others.issue("a.example")
    a.write_conf()
    a.ctl("reload", "s2s-1")
    rows, code = check(a, "a.example", "host.a.example")
    assert code == 1
    assert rows[f"_{a.s2s_port}._tcp.host.a.example.", "TLSA"]["state"] == \
        "different"
