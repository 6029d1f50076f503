#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a large directory costs an sm: memory, time to know everybody, the
roster of somebody in a large group, and the time until a change of that group
is in a roster. Needs slapd, and an optimised build without sanitizers:

    CHAPPE_BUILD=.../build-bench t/bench/people.py [--people N] [--size N]

Everybody is in one of the groups of --size, and once more in another one.
Nothing is asserted."""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import slapd as directory  # noqa: E402
from chappe import wait_for  # noqa: E402
from slapd import GROUPS, PEOPLE, Slapd, group  # noqa: E402
from test_ldap import SECRET, fresh, make  # noqa: E402
from test_people import items, push  # noqa: E402
from wire import SASL  # noqa: E402


def dn(number):
    return f"cn=user{number},{PEOPLE}"


def people(count):
    for i in range(count):
        password = f"userPassword: {SECRET}\n" if i < 40 else ""
        yield (f"dn: {dn(i)}\nobjectClass: inetOrgPerson\nuid: user{i}\n"
               f"cn: user{i}\nsn: Family{i}\ndisplayName: Given{i} Family{i}\n"
               f"mail: user{i}@example.org\n{password}\n")


def groups(count, size):
    for first in range(0, count, size):
        members = [dn(i) for i in range(first, min(first + size, count))]
        yield group(f"block{first // size}", *members)
        # Every so-and-so-many-th, over all blocks.
        step = count // size
        members = [dn(i) for i in range(first // size, count, step)]
        yield group(f"comb{first // size}", *members)


def memory(server):
    """Of the sm, in MiB: resident, without what is shared with files."""
    pid = server.processes["sm-1"].pid
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Private_Dirty:")[1].split()[0]) / 1024


def cpu(server):
    pid = server.processes["sm-1"].pid
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def log_in(server, user):
    wire = fresh(server, seconds=60)
    assert wire.plain(user, SECRET).tag == SASL + "success"
    wire.bind("bench")
    return wire


def start(folder, slapd, **options):
    folder.mkdir()
    server = make(folder, slapd, base=directory.SUFFIX, ca=None,
                  start_tls=False, timeout="50s", **options)
    server.start()
    return server


def told(server, times=1):
    """Waits until all is told; seconds from the start of the sm to that."""
    def lines():
        return [line for line in server.log("sm-1").splitlines()
                if " sm.start " in line or " ldap.feed " in line]
    wait_for(lambda: len(lines()) == 3 * times, 300, "all is told")
    first, *_, last = (datetime.fromisoformat(line.split()[0].rstrip("Z"))
                       for line in lines()[-3:])
    return (last - first).total_seconds()


def stalls(server, seconds):
    """The slowest answer to a ping while something else goes on."""
    wire = log_in(server, "user1")
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        wire.ping()
        times.append(time.monotonic() - start)
    times.sort()
    return times[int(len(times) * 0.999)] * 1000, times[-1] * 1000


def change(slapd, wire, size):
    times = []
    for i in range(10):
        start = time.monotonic()
        slapd.modify(f"cn=block0,{GROUPS}", ("add" if i % 2 else "delete")
                     + f": member\nmember: {dn(7)}\n-")
        modified = time.monotonic()
        push(wire, 60)
        times.append((time.monotonic() - start, modified - start))
    return (statistics.median(t[0] for t in times) * 1000,
            statistics.median(t[1] for t in times) * 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50000)
    parser.add_argument("--size", type=int, default=5000)
    args = parser.parse_args()
    print(f"# {args.people} people, groups of {args.size}")
    directory.base_ldif = (lambda base=directory.base_ldif: base() + "".join(
        people(args.people)) + "".join(groups(args.people, args.size)))
    with Slapd(tls=False) as slapd, \
            tempfile.TemporaryDirectory(prefix="chappe-bench-") as folder:
        with start(Path(folder) / "off", slapd, feed="off") as off:
            print(f"sm without a feed:    {memory(off):8.1f} MiB")
        with start(Path(folder) / "feed", slapd,
                   roster_groups=["*"]) as feed:
            ready = told(feed)
            time.sleep(1)
            print(f"sm with the feed:     {memory(feed):8.1f} MiB")
            print(f"all told within:      {ready:8.2f} s")
            print(f"sm CPU up to now:     {cpu(feed):8.2f} s")
            most, worst = stalls(feed, 3)
            print(f"ping, nothing else:   {worst:8.1f} ms at most, "
                  f"{most:.1f} in 99.9%")
            feed.restart_role("sm")
            most, worst = stalls(feed, 3)
            told(feed, 2)
            print(f"ping while being told: {worst:7.1f} ms at most, "
                  f"{most:.1f} in 99.9%")
            wire = log_in(feed, "user0")
            begin, before = time.monotonic(), cpu(feed)
            count = len(items(wire.roster()))
            took = time.monotonic() - begin
            print(f"roster of {count} items: {took * 1000:8.1f} ms, "
                  f"sm CPU {(cpu(feed) - before) * 1000:.1f} ms")
            begin, before = time.monotonic(), cpu(feed)
            wire.presence()
            print(f"first presence:       "
                  f"{(time.monotonic() - begin) * 1000:8.1f} ms, "
                  f"sm CPU {(cpu(feed) - before) * 1000:.1f} ms")
            before = cpu(feed)
            all_of_it, modify = change(slapd, wire, args.size)
            print(f"change to push:       {all_of_it:8.1f} ms, of which "
                  f"ldapmodify {modify:.1f}; "
                  f"sm CPU {(cpu(feed) - before) * 100:.1f} ms each")
            wires = [log_in(feed, f"user{i}") for i in range(8, 38)]
            for other in wires:
                other.roster()
            print(f"with {len(wires) + 1} such rosters: {memory(feed):8.1f} "
                  "MiB")


if __name__ == "__main__":
    main()
