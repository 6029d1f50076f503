#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Test hosts: network namespaces with an address each on one switch. Links
can be slowed, made lossy and cut. Needs root; nothing of the machine's own
network is touched, and close() leaves nothing behind.

Delay and loss are netem's where the kernel has it; elsewhere a process of our
own carries the frames of a host (this file, run as a program) and is slow.
"""

import atexit
import ctypes
import fcntl
import heapq
import os
import random
import secrets
import select
import struct
import subprocess
import sys
import threading
import time

SUBNET = "10.77.0"
# A neighbour with this address does not exist: frames for it go nowhere.
NOWHERE = "02:00:00:00:00:01"
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def run(*words, check=True):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout.strip()}")
    return done


def enter(namespace):
    """Moves the calling thread, and what it starts, into a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + namespace)
    finally:
        os.close(fd)


class Host:
    """A namespace with the interface eth0. Made by Net.host()."""

    def __init__(self, net, name, number, slow):
        self.net = net
        self.name = name
        self.address = f"{SUBNET}.{number}"
        self.namespace = f"{net.prefix}-{name}"
        self.port = f"p{number}"
        self.carrier = None
        run("ip", "netns", "add", self.namespace)
        net.namespaces.append(self.namespace)
        if slow and not net.has_netem():
            self._carry()
        else:
            run("ip", "link", "add", "eth0", "netns", self.namespace, "type",
                "veth", "peer", "name", self.port, "netns", net.hub)
        for what in (("addr", "add", self.address + "/24", "dev", "eth0"),
                     ("link", "set", "lo", "up"),
                     ("link", "set", "eth0", "up")):
            run("ip", "-n", self.namespace, *what)
        run("ip", "-n", net.hub, "link", "set", self.port, "up")
        self.connect()

    def _carry(self):
        self.carrier = subprocess.Popen(
            ["/usr/bin/python3", __file__, self.namespace, self.net.hub,
             self.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        if self.carrier.stdout.readline() != "ready\n":
            raise RuntimeError("no TAP device: is there /dev/net/tun?")

    # -- what can be done to its cable ------------------------------------

    def connect(self):
        run("ip", "-n", self.net.hub, "link", "set", self.port, "master",
            "switch")

    def disconnect(self):
        """Pulls the cable out at the switch: silence, no error."""
        run("ip", "-n", self.net.hub, "link", "set", self.port, "nomaster")

    def slow_down(self, delay_ms=0, loss_percent=0.0):
        """Each frame to and from the host takes so long, or is lost. Zeros
        end it. The host must have been made with slow=True."""
        if self.carrier:
            self.carrier.stdin.write(f"{delay_ms} {loss_percent}\n")
            self.carrier.stdin.flush()
            return
        for namespace, device in ((self.namespace, "eth0"),
                                  (self.net.hub, self.port)):
            run("tc", "-n", namespace, "qdisc", "replace", "dev", device,
                "root", "netem", "delay", f"{delay_ms}ms", "loss",
                f"{loss_percent}%")

    # -- programs on it ---------------------------------------------------

    def command(self, *words):
        """The command line that runs `words` there; the process id is that
        of the program itself."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *words]

    def call(self, function, *arguments):
        """Calls a function in a thread of this host, where sockets that it
        makes are the host's; its result."""
        box = {}

        def body():
            try:
                enter(self.namespace)
                box["result"] = function(*arguments)
            except BaseException as error:  # handed on below
                box["error"] = error

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["result"]


class Net:
    """The switch and the hosts on it."""

    def __init__(self):
        self.prefix = "chappe-" + secrets.token_hex(3)
        self.hub = self.prefix + "-hub"
        self.hosts = {}
        self.namespaces = []
        self._netem = None
        atexit.register(self.close)
        run("ip", "netns", "add", self.hub)
        self.namespaces.append(self.hub)
        run("ip", "-n", self.hub, "link", "add", "switch", "type", "bridge",
            "forward_delay", "0")
        run("ip", "-n", self.hub, "link", "set", "switch", "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getitem__(self, name):
        return self.hosts[name]

    def has_netem(self):
        if self._netem is None:
            done = run("tc", "-n", self.hub, "qdisc", "add", "dev", "switch",
                       "root", "netem", "delay", "1ms", check=False)
            self._netem = done.returncode == 0
            if self._netem:
                run("tc", "-n", self.hub, "qdisc", "del", "dev", "switch",
                    "root")
        return self._netem

    def host(self, name, slow=False):
        """A new host. `slow`: its link can be slowed down later."""
        host = Host(self, name, len(self.hosts) + 1, slow)
        self.hosts[name] = host
        return host

    def part(self, some, others):
        """Nothing passes between the hosts `some` and `others` any more;
        each side hears silence."""
        self._neighbours(some, others, "replace", "lladdr", NOWHERE, "nud",
                         "permanent")

    def heal(self, some, others):
        self._neighbours(some, others, "del")

    def _neighbours(self, some, others, verb, *rest):
        for one in some:
            for other in others:
                for a, b in ((self[one], self[other]),
                             (self[other], self[one])):
                    run("ip", "-n", a.namespace, "neigh", verb, b.address,
                        *rest, "dev", "eth0")

    def close(self):
        for host in self.hosts.values():
            if host.carrier:
                host.carrier.stdin.close()
                host.carrier.wait()
                host.carrier.stdout.close()
                host.carrier = None
        for namespace in reversed(self.namespaces):
            run("ip", "netns", "del", namespace, check=False)
        self.namespaces.clear()
        atexit.unregister(self.close)


# -- the slow cable: this file as a program ------------------------------------


def tap(namespace, name):
    """A TAP device in the namespace: whoever has the descriptor is its
    other end."""
    enter(namespace)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF,
                struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def carry(ends):
    """Copies frames between the two ends until standard input ends, whose
    lines are: delay in ms, loss in percent."""
    delay, loss, number = 0.0, 0.0, 0
    waiting = []
    while True:
        wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([sys.stdin, *ends], [], [], wait)
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, fd, frame = heapq.heappop(waiting)
            write(fd, frame)
        for fd in readable:
            if fd is sys.stdin:
                line = os.read(0, 4096).decode()
                if not line:
                    return
                words = line.splitlines()[-1].split()
                delay, loss = float(words[0]) / 1e3, float(words[1]) / 100
                continue
            for frame in frames(fd):
                if loss and random.random() < loss:
                    continue
                number += 1
                other = ends[1 - ends.index(fd)]
                if delay or waiting:
                    heapq.heappush(waiting, (now + delay, number, other,
                                             frame))
                else:
                    write(other, frame)


def frames(fd):
    for _ in range(64):
        try:
            yield os.read(fd, 65536)
        except OSError:
            return


def write(fd, frame):
    try:
        os.write(fd, frame)
    except OSError:
        pass  # the other end is down, or full: a cable loses it


if __name__ == "__main__":
    inner, outer = tap(sys.argv[1], "eth0"), tap(sys.argv[2], sys.argv[3])
    print("ready", flush=True)
    carry([inner, outer])
