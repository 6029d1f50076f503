#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures a deployment of router, c2s and sm on this machine: CPU of all its
processes per log-in and per message, memory per idle session. Measures only;
asserts nothing. `make bench` runs it on an optimised build.

Usage: t/bench/run.py [--sessions N] [--messages N]
Environment: CHAPPE_SOURCE, CHAPPE_BUILD
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(os.environ.get("CHAPPE_SOURCE",
                             Path(__file__).resolve().parents[2]))
os.environ.setdefault("CHAPPE_SOURCE", str(SOURCE))
sys.path.insert(0, str(SOURCE / "t/lib"))

from chappe import BUILD, Chappe  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far (nanosecond counter if the
    kernel shows one)."""
    try:
        total = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9
    except (OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
        words = fields.split()
        return (int(words[11]) + int(words[12])) / TICK


def memory(pid):
    """Bytes that are this process's own: Pss."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class Meter:
    """CPU and memory of each role, as differences."""

    def __init__(self, server):
        self.pids = {name: p.pid for name, p in server.processes.items()}

    def cpu(self):
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def memory(self):
        return {name: memory(pid) for name, pid in self.pids.items()}

    @staticmethod
    def row(what, before, after, count, unit, scale):
        parts = {name: (after[name] - before[name]) * scale / count
                 for name in before}
        print(f"{what:34} {sum(parts.values()):9.2f} {unit:12}  " +
              "  ".join(f"{name} {value:.2f}"
                        for name, value in sorted(parts.items())))
        sys.stdout.flush()


class Load:
    def __init__(self, server, accounts):
        self.process = subprocess.Popen(
            [BUILD / "t/bench/load", f"127.0.0.1:{server.port}",
             server.domain, accounts],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit("the load generator ended")
        return answer

    def quit(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        self.process.wait(10)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=100000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Chappe(folder)
        server.conf["c2s"] = {"limit-connections-network": "0",
                              "limit-connections-before-auth": "100000",
                              "limit-rate": "0"}
        begun = time.monotonic()
        server.start()
        print(f"start to log-in offered: {time.monotonic() - begun:.2f} s "
              "(with the polling of this script)")
        names = [f"user{i}@localhost" for i in range(options.sessions)]
        lines = "".join(f"{name} secret-{name}\n" for name in names)
        accounts = Path(folder) / "accounts"
        accounts.write_text(lines)
        begun = time.monotonic()
        server.ctl("user", "import", stdin=lines, seconds=600)
        print(f"import of {options.sessions} accounts: "
              f"{time.monotonic() - begun:.1f} s")
        meter = Meter(server)
        load = Load(server, accounts)
        load.do("login", min(20, options.sessions))  # warm
        time.sleep(1)
        cpu, used = meter.cpu(), meter.memory()
        rest = options.sessions - min(20, options.sessions)
        load.do("login", rest)
        time.sleep(2)
        meter.row("log-in (STARTTLS, SCRAM-SHA-256)", cpu, meter.cpu(), rest,
                  "ms CPU", 1e3)
        meter.row("idle session, TLS", used, meter.memory(), rest,
                  "KiB", 1 / 1024)
        load.do("chat", options.messages // 5, 4)
        for what, words in (
                ("message, full load", ("chat", options.messages, 4)),
                ("message, 2000 a second",
                 ("pace", options.messages // 5, 2000))):
            cpu = meter.cpu()
            begun = time.monotonic()
            _, count, p50, p99 = load.do(*words)
            seconds = time.monotonic() - begun
            meter.row(what, cpu, meter.cpu(), int(count), "us CPU", 1e6)
            print(f"    {int(count) / seconds:.0f} a second, delay "
                  f"p50 {int(p50) / 1e3:.2f} ms, p99 {int(p99) / 1e3:.2f} ms")
        load.quit()
        server.close()


if __name__ == "__main__":
    main()
