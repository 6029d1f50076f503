# SPDX-License-Identifier: Apache-2.0
"""The three machines of etc/deployment, brought up from the files there: only
addresses and paths are replaced, and the Unix users left out."""

import json
import os
import re
import socket

import pytest

from chappe import BUILD, PASSWORD, SOURCE, wait_for
from cluster import Cluster, HostedPostgres
from net import Net
from postgres import PASSWORD as DB_PASSWORD
from wire import SASL, Ended, Wire

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="network namespaces need root")
FILES = SOURCE / "etc/deployment"
MACHINES = ("one", "two", "three")


def zone():
    """Addresses by name, and SRV records as (service, port, target)."""
    addresses, services = {}, []
    for line in (FILES / "example.org.zone").read_text().splitlines():
        words = line.split(";")[0].split()
        if words[1:2] == ["A"]:
            addresses[words[0]] = words[2]
        elif words[1:2] == ["SRV"]:
            services.append((words[0], int(words[4]), words[5]))
    return addresses, services


def instances(machine):
    """What systemd would start there: the presets, the drop-ins and the
    units."""
    found = []
    for line in (FILES / machine / "80-chappe.preset").read_text().split("\n"):
        words = line.split()
        if words[:1] != ["enable"] or words[1] == "chappe.target":
            continue
        unit = BUILD / "etc/systemd" / words[1]
        files = [unit, *sorted((FILES / machine / (words[1] + ".d"))
                               .glob("*.conf"))]
        starts = [line.split("=", 1)[1] for path in files
                  for line in path.read_text().splitlines()
                  if line.startswith("ExecStart=")]
        for parameter in words[2:] or [""]:
            name = starts[-1].split()[-1].replace("%i", parameter)
            program = starts[-1].split()[0].rsplit("/", 1)[1]
            assert program == "chappe-" + Cluster.role_of(name)
            found.append(name)
    return found


class Deployment(Cluster):
    def __init__(self, folder, net):
        super().__init__(folder, net, {m: instances(m) for m in MACHINES})
        self.names, self.services = zone()
        self.postgres = self._postgres()

    def real(self, text):
        """With the addresses that the machines have here, in place of names
        and of those in the zone."""
        for machine in MACHINES:
            example = self.names[machine]
            here = self.net[machine].address
            for name, address in self.names.items():
                if address == example:
                    text = text.replace(name + ".example.org", here)
            text = text.replace(example, here)
        return text

    def _postgres(self):
        postgres = HostedPostgres(self.net["three"])
        folder = postgres.folder
        for path in self.authority.issue("database.example.org",
                                         self.net["three"].address):
            target = folder / path.name.replace("link-database.example.org",
                                                "database")
            target.write_bytes(path.read_bytes())
            target.chmod(0o600)
            postgres.own(target)

        def ours(name):
            text = self.real((FILES / "three/postgresql" / name).read_text())
            return text.replace("/etc/chappe", str(folder))

        postgres.more = {"pg_hba.conf": ours("pg_hba.conf"),
                         "postgresql.conf": ours("chappe.conf")}
        postgres.start()
        return postgres

    # -- the files of a machine -------------------------------------------

    def folder_of(self, machine):
        return self.folder / machine

    def write_conf(self):
        self._domains()  # its certificate
        certificate, key = self.certificates["example.org"]
        text = self.real((FILES / "chappe.conf").read_text())
        text = re.sub(r"\tuser = .*\n", "", text)
        text = text.replace("\tticket-", "\tdriver-dir = "
                            f"\"{BUILD / 'storage/.libs'}\"\n\tticket-")
        for machine in (*MACHINES, "clients"):
            here = self.folder_of(machine)
            here.mkdir()
            (here / "chappe.conf").write_text(
                text.replace("/etc/chappe", str(here)))
            copies = {"link-ca.pem": self.authority.certificate,
                      "example.org.pem": certificate, "example.org.key": key}
            for kind in ("c2s", "sm", "admin", "ticket"):
                copies["secret-" + kind] = self._secret(kind)
            if any(self.role_of(i) == "router" and self.layout[i] == machine
                   for i in self.layout):
                address = self.net[machine].address
                pair = self.authority.issue(machine, address)
                copies["router.pem"], copies["router.key"] = pair
            for name, path in copies.items():
                (here / name).write_bytes(path.read_bytes())
                (here / name).chmod(0o600)
            (here / "pgpass").write_text(f"*:*:chappe:chappe:{DB_PASSWORD}\n")
            (here / "pgpass").chmod(0o600)

    def conf_of(self, instance):
        return self.folder_of(self.layout[instance]) / "chappe.conf"

    @property
    def conf_path(self):
        return self.folder_of("clients") / "chappe.conf"

    def client(self, machine):
        return self.outside.call(lambda: Wire(self, 15, address=self.net[
            machine].address))

    def close(self):
        problems = super().close()
        self.postgres.close()
        return problems


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    with Net() as net:
        with Deployment(tmp_path_factory.mktemp("deployment"),
                        net) as running:
            running.start()
            running.wait_linked()
            for name in ("alice", "bob", "carol"):
                running.add_user(name)
            yield running


def test_what_runs_where(deployment):
    """Two routers, three c2s, two sms; no name twice; each router has all."""
    roles = [deployment.role_of(i) for i in deployment.layout]
    assert sorted(roles) == ["c2s"] * 3 + ["router"] * 2 + ["sm"] * 2
    rows = json.loads(deployment.ctl("--json", "status").stdout)
    links = {(row["instance"], row["name"]) for row in rows}
    for router in ("router-1", "router-2"):
        for name in ("c2s-1", "c2s-2", "c2s-3", "sm-1", "sm-2"):
            assert (router, name) in links


def test_configuration_is_one_file(deployment):
    """Each role accepts it, and the operator's check does."""
    for machine in MACHINES:
        deployment.ctl("config", "check",
                       deployment.folder_of(machine) / "chappe.conf")


def test_srv_records_lead_to_logins(deployment):
    """Each target listens on its port, by STARTTLS or direct TLS."""
    assert len(deployment.services) == 6
    for service, port, target in deployment.services:
        address = deployment.real(deployment.names[target])
        wire = deployment.outside.call(
            lambda: Wire(deployment, 15, direct_tls="xmpps" in service,
                         address=address, port=port))
        with wire:
            wire.login("alice")


def test_users_of_all_machines_talk(deployment):
    with deployment.client("one") as alice, \
            deployment.client("two") as bob, \
            deployment.client("three") as carol:
        people = {"alice": alice, "bob": bob, "carol": carol}
        for name, wire in people.items():
            wire.login(name)
            wire.presence()
        for name, wire in people.items():
            for other in people:
                if other != name:
                    wire.message(f"{other}@example.org", f"from {name}")
        for name, wire in people.items():
            got = sorted(wire.expect_message().findtext("{jabber:client}body")
                         for _ in range(2))
            assert got == [f"from {other}" for other in sorted(people)
                           if other != name]


def test_links_are_encrypted(deployment):
    """Whoever speaks to a router without TLS is not answered in XML."""
    def greet():
        with socket.create_connection((deployment.net["one"].address, 5348),
                                      5) as plain:
            plain.settimeout(5)
            plain.sendall(b"<stream:stream xmlns='jabber:component:accept' "
                          b"xmlns:stream='http://etherx.jabber.org/streams' "
                          b"to='c2s-9'>")
            try:
                return plain.recv(4096)
            except ConnectionError:
                return b""
    assert b"<" not in deployment.outside.call(greet)


def test_a_machine_is_lost(deployment):
    """Router, c2s of machine one are gone; the others go on, and their
    clients stay."""
    with deployment.client("two") as bob, deployment.client("three") as carol:
        for name, wire in (("bob", bob), ("carol", carol)):
            wire.login(name)
            wire.presence()
        gone = [i for i, m in deployment.layout.items() if m == "one"]
        for instance in gone:
            deployment.kill(instance)
        bob.message("carol@example.org", "still there?")
        carol.expect_message("still there?")
        with pytest.raises((Ended, OSError)):
            deployment.client("one")
        for instance in gone:
            deployment.start_instance(instance)
        wait_for(deployment.offers_login, 20, "machine one is back")
        with deployment.client("one") as alice:
            alice.secure()
            assert alice.scram("alice", PASSWORD).tag == SASL + "success"
