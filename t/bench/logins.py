#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a log-in costs by mechanism: CPU time of router, c2s and sm, with one
client after the other, so that nothing is batched. Needs an optimised build
without sanitizers:

    CHAPPE_BUILD=.../build-bench t/bench/logins.py [--count N]

A log-in is: STARTTLS, SASL, bind. "tls" is a stream up to its features, which
is in all the others. What a database or a directory itself uses is not counted.
Last: how long a client that is logged in waits for an answer while others log in
by a directory that takes 5 s to answer. Nothing is asserted."""

import argparse
import base64
import os
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from authority import Authority  # noqa: E402
from chappe import BUILD, Chappe  # noqa: E402
from kdc import Kdc  # noqa: E402
from postgres import Postgres  # noqa: E402
from proxy import Proxy  # noqa: E402
from slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, person  # noqa: E402
from wire import SASL, Wire, tls_context  # noqa: E402

DOMAIN = "example.org"
PASSWORD = "pencil-and-paper"

PROGRAM = f"""
    import sys
    for line in sys.stdin:
        number, command, user, domain, *more = line.split()
        good = command == "exists" or more == ["{PASSWORD}"]
        print(number, "ok" if good else "no", flush=True)
"""


def cpu(process):
    """Seconds of all threads of a process."""
    total = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def gssapi(wire, kdc, cache):
    context = kdc.context(cache)
    wire.auth("GSSAPI", context.step())
    answer = wire.next()
    while not context.complete:
        wire.response(context.step(base64.b64decode(answer.text)) or b"")
        answer = wire.next()
    context.unwrap(base64.b64decode(answer.text))
    wire.response(context.wrap(b"\1\0\0\0", False).message)
    return wire.next()


def external(wire):
    wire.auth("EXTERNAL", "")
    return wire.next()


def measure(server, name, count, log_in, context=None):
    def once():
        with Wire(server) as wire:
            wire.secure(context)
            if log_in is None:
                return
            assert log_in(wire).tag == SASL + "success", name
            wire.bind("bench")
    for _ in range(20):
        once()
    roles = [server.processes[i] for i in ("router", "c2s-1", "sm-1")]
    before = [cpu(role) for role in roles]
    for _ in range(count):
        once()
    used = [(cpu(role) - b) * 1000 / count
            for role, b in zip(roles, before)]
    print(f"{name:14} {sum(used):6.2f} ms (router {used[0]:.2f}, c2s "
          f"{used[1]:.2f}, sm {used[2]:.2f})", flush=True)


def start(folder, kdc, **domain):
    server = Chappe(folder, domains=[DOMAIN])
    server.more_environment = kdc.server_environment()
    server.conf["domain"] = domain
    server.conf["sm"] = {"auth-failures": 1000}
    return server


def with_directory(folder, slapd, uri):
    """A server whose accounts are in the directory at `uri`, and in its own
    storage behind that."""
    folder.mkdir()
    server = Chappe(folder, domains=[DOMAIN])
    secret = folder / "ldap-password"
    secret.write_text(SERVICE_PASSWORD + "\n")
    secret.chmod(0o600)
    server.conf["sm"] = {"driver-dir": BUILD / "storage/.libs",
                         "auth-failures": 1000}
    server.conf["domain"] = {"auth": ["ldap"]}
    server.extra_links = Chappe._write('ldap "main"', {
        "uri": [uri], "bind-dn": SERVICE, "bind-password-file": secret,
        "base": PEOPLE, "timeout": "20s", "connect-timeout": "10s",
        "ca": slapd.certificate})
    return server


def back_ends(folder, count):
    with Postgres() as postgres:
        (folder / "c").mkdir()
        with Chappe(folder / "c", domains=[DOMAIN]) as server:
            server.conf["storage"] = {
                "driver": "postgres",
                "connection": postgres.conninfo().replace("\\", "\\\\")}
            server.conf["sm"] = {"driver-dir": BUILD / "storage/.libs"}
            server.start()
            server.add_user("alice")
            measure(server, "SCRAM, pgsql", count,
                    lambda wire: wire.scram("alice", PASSWORD))
    with Slapd(person("alice", PASSWORD)) as slapd:
        with with_directory(folder / "d", slapd, slapd.name_uri) as server:
            server.start()
            measure(server, "PLAIN, ldap", count,
                    lambda wire: wire.plain("alice", PASSWORD))


def stall(folder, seconds=20):
    """Round trips of a client while 20 others wait for a slow directory."""
    with Slapd(person("alice", PASSWORD)) as slapd, \
            Proxy(slapd.port) as slow:
        uri = f"ldap://localhost:{slow.port}"
        with with_directory(folder / "e", slapd, uri) as server:
            server.start()
            with Wire(server) as wire:
                wire.secure()
                assert wire.plain("alice", PASSWORD).tag == SASL + "success"
                wire.bind("bench")
                slow.delay = 5
                ends = time.monotonic() + seconds

                def others():
                    while time.monotonic() < ends:
                        with Wire(server, 30) as other:
                            other.secure()
                            other.plain("alice", PASSWORD)
                threads = [threading.Thread(target=others) for _ in range(20)]
                for label, run in (("idle", []), ("slow", threads)):
                    for thread in run:
                        thread.start()
                    times = []
                    until = time.monotonic() + 5 if not run else ends
                    while time.monotonic() < until:
                        start = time.perf_counter()
                        wire.ping()
                        times.append((time.perf_counter() - start) * 1000)
                    times.sort()
                    print(f"ping, {label:8} {times[len(times) // 2]:6.2f} ms"
                          f" median, {times[int(len(times) * 0.999)]:.2f} ms"
                          f" at 99.9 %, {len(times)} pings", flush=True)
                for thread in threads:
                    thread.join()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as name, Kdc() as kdc:
        folder = Path(name)
        kdc.add_user("alice")
        cache = kdc.ticket("alice")
        authority = Authority(folder)
        certified = tls_context()
        certified.load_cert_chain(*authority.issue(f"alice@{DOMAIN}"))
        (folder / "a").mkdir()
        with start(folder / "a", kdc, keytab=kdc.keytab, **{
                "client-ca": authority.certificate}) as server:
            server.start()
            server.add_user("alice")
            measure(server, "tls", count, None)
            measure(server, "SCRAM-SHA-256", count,
                    lambda wire: wire.scram("alice", PASSWORD))
            measure(server, "PLAIN", count,
                    lambda wire: wire.plain("alice", PASSWORD))
            measure(server, "GSSAPI", count,
                    lambda wire: gssapi(wire, kdc, cache))
            measure(server, "tls with cert.", count, None, certified)
            measure(server, "EXTERNAL", count, external, certified)
        (folder / "b").mkdir()
        program = folder / "b/program"
        program.write_text(f"#!{sys.executable}\n" + textwrap.dedent(PROGRAM))
        program.chmod(0o755)
        with start(folder / "b", kdc, auth=["pipe"]) as server:
            server.extra_links = Chappe._write('pipe "main"',
                                               {"program": [program]})
            server.start()
            measure(server, "PLAIN, pipe", count,
                    lambda wire: wire.plain("alice", PASSWORD))
        back_ends(folder, count)
        stall(folder)


if __name__ == "__main__":
    os.chdir("/")
    main()
