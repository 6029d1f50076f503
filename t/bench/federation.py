#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of federation, on one machine: the round trip between two servers
and to Prosody, stanzas per CPU second of s2s, and what dead domains cost those
who live.

Environment: CHAPPE_SOURCE and CHAPPE_BUILD, a build without sanitizers.
Usage: t/bench/federation.py [trip] [load] [dead]
"""

import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCE = Path(os.environ["CHAPPE_SOURCE"])
sys.path[:0] = [str(SOURCE / "t/lib"), str(SOURCE / "t/e2e")]

from test_s2s import CERTIFICATES, World  # noqa: E402
from wire import CLIENT, Wire  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu(server, instance="s2s-1"):
    """Seconds that a process has used."""
    pid = server.processes[instance].pid
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(server, instance="s2s-1"):
    pid = server.processes[instance].pid
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def trips(alice, bob, count):
    """Milliseconds from alice to bob and back, sorted."""
    times = []
    for number in range(count):
        started = time.perf_counter()
        alice.message(bob.jid, f"t{number}")
        bob.until(lambda e: e.tag == CLIENT + "message", 10)
        bob.message(alice.jid, "back")
        alice.until(lambda e: e.tag == CLIENT + "message"
                    and e.get("from") == bob.jid, 10)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


def tell(what, times):
    print(f"{what}: median {statistics.median(times):.2f} ms, "
          f"p99 {times[int(len(times) * .99)]:.2f} ms ({len(times)} trips)",
          flush=True)


def pair(world, **conf):
    a = world.chappe("a.example", **{"log-level": "notice", **conf})
    b = world.chappe("b.example", **{"log-level": "notice"})
    a.start()
    b.start()
    alice, bob = Wire(a, 60).login("alice"), Wire(b, 60).login("bob")
    for wire in (alice, bob):
        wire.send("<presence/>")
    trips(alice, bob, 20)
    return a, b, alice, bob


def trip(world):
    *_, alice, bob = pair(world)
    tell("round trip between two Chappes", trips(alice, bob, 1000))


def trip_prosody(world):
    b = world.prosody(smacks=True, **CERTIFICATES)
    a = world.chappe("a.example", **{"log-level": "notice"})
    a.start()
    alice, bob = Wire(a, 60).login("alice"), b.client("bob")
    alice.send("<presence/>")
    bob.send("<presence/>")
    trips(alice, bob, 20)
    tell("round trip to Prosody and back", trips(alice, bob, 1000))


def load(world, count=100000):
    a, b, alice, bob = pair(world)
    before = cpu(a), cpu(b)
    text = "".join(f"<message to='{bob.jid}' type='chat'><body>{'x' * 60}"
                   "</body></message>" for _ in range(100))
    sent = threading.Thread(
        target=lambda: [alice.send(text) for _ in range(count // 100)])
    started = time.monotonic()
    sent.start()
    # As bytes: this program is not to be what is measured.
    seen, rest = 0, b""
    while seen < count:
        data = rest + bob.socket.recv(1 << 20)
        seen += data.count(b"</message>")
        rest = data[-9:] if not data.endswith(b"</message>") else b""
    took = time.monotonic() - started
    sent.join()
    used = cpu(a) - before[0], cpu(b) - before[1]
    print(f"load: {count / took:.0f} stanzas/s; per CPU second of s2s: "
          f"sending {count / used[0]:.0f}, receiving {count / used[1]:.0f}")


def dead(world, count=500):
    """Half of 1000 domains live: one of them is measured. The others are
    refused, never answer, or DNS does not know them."""
    hole = socket.create_server(("127.0.0.1", 0))
    a, b, alice, bob = pair(world, **{"queue-age": "5s",
                                      "connect-timeout": "5s"})
    for number in range(count):
        if number % 3:
            world.names.xmpp(f"d{number}.dead.example",
                             hole.getsockname()[1] if number % 3 == 1 else 1)
    tell("without dead domains", trips(alice, bob, 1000))
    before, used = resident(a), cpu(a)
    # The same stanzas to nobody here: what the traffic alone costs.
    with bothered(a, [f"x{n}@a.example" for n in range(count)]):
        tell("with as many errors of our own", trips(alice, bob, 1000))
    started = time.monotonic()
    with bothered(a, [f"x@d{n}.dead.example" for n in range(count)]):
        tell(f"with {count} dead domains", trips(alice, bob, 1000))
        print(f"memory of s2s: {before} KiB before, {resident(a)} KiB with "
              f"them; CPU {(cpu(a) - used) / (time.monotonic() - started):.2f}"
              " of a core")


class bothered:
    """Another process, so that this one only measures, sends about 500
    messages a second there."""

    def __init__(self, server, addresses):
        self.server, self.addresses = server, addresses

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._send()
            finally:
                os._exit(0)
        time.sleep(4)

    def _send(self):
        wire = Wire(self.server, 60).login("bob")
        wire.socket.settimeout(0.001)
        while True:
            for number, address in enumerate(self.addresses):
                wire.message(address, "?")
                if number % 50 == 0:
                    time.sleep(0.1)
                    try:
                        while wire.socket.recv(1 << 20):
                            pass
                    except OSError:
                        pass

    def __exit__(self, *_):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def main():
    chosen = sys.argv[1:] or ["trip", "load", "dead"]
    for name, steps in (("trip", (trip, trip_prosody)), ("load", (load,)),
                        ("dead", (dead,))):
        for step in steps if name in chosen else ():
            with tempfile.TemporaryDirectory(prefix="chappe-bench-") as path:
                made = World(Path(path))
                step(made)
                made.close()


if __name__ == "__main__":
    main()
