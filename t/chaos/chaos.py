# SPDX-License-Identifier: Apache-2.0
"""Maltreats a cluster of real processes under the load of a crowd of clients,
and judges what came of it. t/e2e/test_chaos.py runs a fixed set of this,
t/chaos/run.py as much as one likes.
"""

import collections
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from cluster import CLIENT_TLS_PORT, Cluster  # noqa: E402
from crowd import Crowd  # noqa: E402

# Three machines, each role on more than one of them. The sms are where there
# is no router, so that a machine that is cut off takes one kind of each.
LAYOUT = {
    "one": ["router-1", "c2s-1"],
    "two": ["router-2", "c2s-2", "sm-1"],
    "three": ["sm-2", "c2s-3"],
}


class Figures:
    """What a run has shown, for people."""

    def __init__(self):
        self.faults = collections.Counter()
        self.recovery = collections.defaultdict(list)
        self.disconnects = collections.Counter()
        self.moved = []

    def lines(self, ledger):
        yield (f"messages: {sum(t.sent for t in ledger.talks.values())} sent, "
               f"{ledger.acknowledged()} acknowledged, {ledger.received()} "
               "received")
        yield "faults: " + ", ".join(
            f"{count} {what}" for what, count in sorted(self.faults.items()))
        for what, seconds in sorted(self.recovery.items()):
            yield (f"{what}: first message delivered again after "
                   f"{statistics.median(seconds):.2f} s (median), "
                   f"{max(seconds):.2f} s (worst talk)")
        for what, count in sorted(self.disconnects.items()):
            yield f"{what}: {count} clients disconnected"
        for members, share in self.moved:
            yield (f"sm {members} of {members} joined: {share:.0%} of the "
                   f"users moved (expected {1 / members:.0%})")
        yield (f"sessions: {ledger.resumed} resumed, "
               f"{len(ledger.not_resumed)} not; {len(ledger.flaps)} times a "
               "contact seemed to go")


class Chaos:
    """A cluster with its crowd. Every fault is a method that returns when the
    cause is mended, not when all has recovered; check() waits for that."""

    def __init__(self, folder, net, layout=None, clients=24, rate=10, slow=(),
                 manage=True, postgres=False, conf=None):
        self.cluster = Cluster(folder, net, layout or LAYOUT, slow)
        # The one that is the primary first, then its standby.
        self.databases = (self.cluster.use_postgres(
            "database", "standby" if postgres == "standby" else None)
            if postgres else [])
        for section, options in (conf or {}).items():
            self.cluster.conf.setdefault(section, {}).update(options)
        # A process that hangs is taken for dead soon, so that runs are short.
        self.cluster.conf["router"] = {"ping-interval": "2s"}
        self.cluster.conf["c2s"] = {**self.cluster.conf["c2s"],
                                    "drain-grace": "2s"}
        self.net = net
        self.clients, self.rate, self.manage = clients, rate, manage
        self.crowd = None
        self.clock = None
        self.figures = Figures()
        self.say = lambda text: None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.crowd:
            self.crowd.stop()
        try:
            self.cluster.__exit__(*exception)
        finally:
            for database in self.databases:
                database.close()

    def start(self):
        self.cluster.start()
        self.crowd = Crowd(self.cluster.client_addresses(), CLIENT_TLS_PORT,
                           self.cluster.domain, self.clients,
                           self.cluster.outside.namespace, self.rate,
                           self.manage)
        self.cluster.add_users(*self.crowd.accounts())
        self.cluster.wait_linked()
        self.crowd.start()
        return self

    @property
    def ledger(self):
        return self.crowd.ledger

    # -- judging ----------------------------------------------------------

    def _fault(self, what, instance):
        self.figures.faults[what] += 1
        self.say(f"{what} {instance or ''}")

    def recovered(self, what, began, wait=8):
        """Notes how long each talk stood still."""
        end = time.monotonic() + wait
        while time.monotonic() < end:
            delays = self.crowd.recovered_after(began)
            if None not in delays:
                self.figures.recovery[what] += delays
                return
            time.sleep(0.05)

    def _count_disconnects(self, what, since):
        count = sum(1 for at, _, _ in self.ledger.disconnects if at >= since)
        self.figures.disconnects[what] += count
        return count

    def check(self, disconnects=False, not_resumed=False, flaps=False,
              seconds=40):
        """Waits until all is quiet, and asserts that nothing was lost,
        doubled or reordered, and that no client was disconnected, no session
        lost, no contact seen to go, save what is allowed. Then the talk goes
        on."""
        ledger = self.ledger
        self.crowd.settle(seconds)
        gone = {name for _, name, _ in ledger.disconnects}
        managed = self.crowd.managed
        lost = {name for _, name, _ in ledger.not_resumed}
        # A client whose session could not be kept may read twice what it
        # had not acknowledged.
        found = ledger.problems(managed, lost if managed else gone)
        for allowed, what, events in (
                (disconnects, "disconnected", ledger.disconnects),
                (not_resumed, "session lost", ledger.not_resumed),
                (flaps, "contact seemed to go", ledger.flaps)):
            if events and not allowed:
                ago = time.monotonic() - events[0][0]
                found.append(f"{what}: {len(events)} times, such as "
                             f"{events[0][1:]} {ago:.1f} s ago")
        assert not found, "\n".join(found[:20] + [self.logs()])
        self.crowd.talking.set()

    def forgive(self):
        """Disconnects and the like up to now are accounted for. What has been
        lost or doubled is not forgotten."""
        for events in (self.ledger.disconnects, self.ledger.flaps):
            events.clear()

    def logs(self, size=1500):
        return "\n".join(f"--- {i}\n{self.cluster.log(i)[-size:]}"
                         for i in self.cluster.layout)

    # -- faults of processes ------------------------------------------------

    def kill(self, instance, down=0.3):
        """SIGKILL, and a new start after `down` seconds."""
        role = self.cluster.role_of(instance)
        began = time.monotonic()
        self._fault(f"SIGKILL of {role}", instance)
        self.cluster.kill(instance)
        time.sleep(down)
        self.cluster.start_instance(instance)
        self.recovered(f"SIGKILL of {role}", began)
        self.cluster.wait_linked()
        return self._count_disconnects(f"SIGKILL of {role}", began)

    def freeze(self, instance, seconds=1.5):
        """SIGSTOP, SIGCONT."""
        role = self.cluster.role_of(instance)
        began = time.monotonic()
        self._fault(f"SIGSTOP of {role}", instance)
        self.cluster.pause(instance)
        time.sleep(seconds)
        self.cluster.resume(instance)
        self.recovered(f"SIGSTOP of {role}", began)
        return self._count_disconnects(f"SIGSTOP of {role}", began)

    def restart(self, instance):
        """In order, as a service manager does."""
        role = self.cluster.role_of(instance)
        began = time.monotonic()
        self._fault(f"restart of {role}", instance)
        self.cluster.restart(instance)
        self.recovered(f"restart of {role}", began)
        return self._count_disconnects(f"restart of {role}", began)

    def stop(self, instance):
        """In order, and for good."""
        began = time.monotonic()
        self._fault("stop", instance)
        process = self.cluster.processes.pop(instance)
        process.terminate()
        assert process.wait(15) == 0, self.cluster.log(instance)[-4000:]
        del self.cluster.layout[instance]
        self.recovered("stop", began)
        return self._count_disconnects("stop", began)

    def rolling_restart(self, *words):
        """As an operator upgrades: `chappectl restart`, of instances or
        --all."""
        began = time.monotonic()
        self._fault("rolling restart", None)
        self.cluster.ctl("restart", *words, seconds=300)
        self.recovered("rolling restart", began)
        return self._count_disconnects("rolling restart", began)

    def clock_off(self, instance, seconds):
        """From a new start on, for as long as that process lives, another time
        of day; timers go on as they should."""
        role = self.cluster.role_of(instance)
        began = time.monotonic()
        self._fault(f"clock of {role} {seconds:+} s off", instance)
        if self.clock is None:
            self.clock = self.cluster.folder / "clock.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-o", self.clock,
                            Path(__file__).resolve().parent / "clock.c",
                            "-ldl"], check=True)
        options = self.cluster.environment()["ASAN_OPTIONS"]
        self.cluster.more_environment = {
            "LD_PRELOAD": str(self.clock), "CHAPPE_CLOCK_OFF": str(seconds)}
        self.cluster.asan_options = options + ":verify_asan_link_order=0"
        self.cluster.restart(instance)
        self.cluster.more_environment = {}
        self.cluster.asan_options = None
        self.cluster.wait_linked()
        self.recovered("clock off", began)
        return self._count_disconnects("clock off", began)

    def outage(self, role, down=2):
        """All of a role at once."""
        began = time.monotonic()
        self._fault(f"SIGKILL of every {role}", None)
        for instance in self.cluster.instances(role):
            self.cluster.kill(instance)
        time.sleep(down)
        for instance in self.cluster.instances(role):
            self.cluster.start_instance(instance)
        self.recovered(f"SIGKILL of every {role}", began)
        self.cluster.wait_linked()
        return self._count_disconnects(f"SIGKILL of every {role}", began)

    def kill_postgres(self, down=1):
        began = time.monotonic()
        self._fault("SIGKILL of PostgreSQL", None)
        self.databases[0].kill()
        time.sleep(down)
        self.databases[0].start()
        self.recovered("SIGKILL of PostgreSQL", began)
        return self._count_disconnects("SIGKILL of PostgreSQL", began)

    def fail_over(self):
        """The machine of the primary dies, the standby takes its place, and is
        given a new one."""
        began = time.monotonic()
        self._fault("fail-over of PostgreSQL", None)
        primary, standby = self.databases
        primary.kill()
        standby.promote()
        self.recovered("fail-over of PostgreSQL", began, 20)
        self.databases = [standby, primary]
        primary.follow(standby)
        return self._count_disconnects("fail-over of PostgreSQL", began)

    def drain(self, instance, how="undrain"):
        """By the operator, who then takes it back or restarts it."""
        role = self.cluster.role_of(instance)
        began = time.monotonic()
        self._fault(f"drain and {how} of {role}", instance)
        self.cluster.ctl("drain", instance, seconds=120)
        if role == "sm":
            assert self.users_of_sms()[instance] == 0
        self.cluster.ctl(how, instance, seconds=120)
        self.recovered(f"drain and {how} of {role}", began)
        return self._count_disconnects(f"drain and {how} of {role}", began)

    # -- faults of the network ------------------------------------------------

    def slow(self, machine, seconds, delay_ms=20, loss_percent=1):
        self._fault("slow and lossy link", machine)
        self.net[machine].slow_down(delay_ms, loss_percent)
        time.sleep(seconds)
        self.net[machine].slow_down()

    def cut_off_machine(self, machine, seconds):
        """A machine's cable is out; it knows nothing of it."""
        self._fault("machine cut off", machine)
        self.net[machine].disconnect()
        time.sleep(seconds)
        self.net[machine].connect()

    def part(self, some, others, seconds):
        """Some machines do not hear others; clients hear all."""
        self._fault("partition", f"{some} {others}")
        self.net.part(some, others)
        time.sleep(seconds)
        self.net.heal(some, others)

    def cut_clients(self, every=3):
        """The connection of every third client goes away."""
        began = time.monotonic()
        self._fault("clients cut off", None)
        self.crowd.cut(list(self.crowd.clients)[::every])
        time.sleep(0.5)
        self.recovered("clients cut off", began)

    # -- members --------------------------------------------------------------

    def users_of_sms(self):
        """{instance: sessions}."""
        return {i: int(self.cluster.metrics_of(i)["chappe_sm_sessions"])
                for i in list(self.cluster.processes)
                if self.cluster.role_of(i) == "sm"}

    def join(self, instance, machine):
        """Another sm; the share of users that it got, from each."""
        before = self.users_of_sms()
        began = time.monotonic()
        self._fault("sm joined", instance)
        self.cluster.add_instance(instance, machine)
        self.cluster.wait_linked()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            after = self.users_of_sms()
            if after[instance] and sum(after.values()) == self.clients:
                break
            time.sleep(0.1)
        self.recovered("sm joined", began)
        self._count_disconnects("sm joined", began)
        self.figures.moved.append((len(after), after[instance]
                                   / self.clients))
        return before, after
