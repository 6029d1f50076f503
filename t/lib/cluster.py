# SPDX-License-Identifier: Apache-2.0
"""A Chappe of several machines, which are network namespaces (net.py): which
roles run where, TLS between them under a certificate authority of its own."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

from chappe import BUILD, Chappe, wait_for
from postgres import Postgres

LINK_PORT = 5348
CLIENT_PORT, CLIENT_TLS_PORT = 5222, 5223
METRICS = {"router": 9280, "c2s": 9281, "sm": 9282}


class Authority:
    """Signs certificates for links."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.certificate = self.folder / "link-ca.pem"
        self.key = self.folder / "link-ca.key"
        self._openssl("req", "-x509", *self._new_key(self.key), "-days", "30",
                      "-subj", "/CN=links", "-addext",
                      "basicConstraints=critical,CA:TRUE", "-out",
                      self.certificate)

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", path)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *words], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def issue(self, name, *addresses):
        """Paths of a certificate for the name and addresses, and its key."""
        certificate = self.folder / f"link-{name}.pem"
        key = self.folder / f"link-{name}.key"
        request = self.folder / f"link-{name}.csr"
        extensions = self.folder / f"link-{name}.ext"
        extensions.write_text("subjectAltName=" + ",".join(
            [f"DNS:{name}"] + [f"IP:{address}" for address in addresses]))
        self._openssl("req", "-new", *self._new_key(key), "-subj",
                      f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate,
                      "-CAkey", self.key, "-CAcreateserial", "-days", "30",
                      "-extfile", extensions, "-out", certificate)
        return certificate, key


class HostedPostgres(Postgres):
    """A PostgreSQL on a machine of its own, which knows itself by name."""

    def __init__(self, host, primary=None):
        self.host = host
        super().__init__({"listen_addresses": "*", "port": 5432}, primary)
        self.port = 5432
        # Lines for its configuration files, by name of the file.
        self.more = {"pg_hba.conf": "hostssl all chappe samenet "
                     "scram-sha-256\n"}

    def popen(self, *command):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                self.host.command("setpriv", "--reuid=postgres",
                                  "--regid=postgres", "--clear-groups",
                                  *map(str, command)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True)

    def _make(self):
        super()._make()
        for name, lines in self.more.items():
            with open(self.data / name, "a") as file:
                file.write(lines)

    def conninfo(self, *others, **more):
        servers = [self, *others]
        return super().conninfo(
            *others, host=",".join("localhost" for _ in servers),
            hostaddr=",".join(server.host.address for server in servers),
            sslmode="verify-full", sslrootcert=self.certificate,
            connect_timeout=2, **more)

    def follow(self, primary):
        """Begins anew, as the standby of another one."""
        shutil.rmtree(self.data)
        self.primary = primary
        primary.followed_by(self)


class Cluster(Chappe):
    """`layout`: {machine: [instance, ...]}; the machines are made in `net`,
    those in `slow` with a cable that can be slowed down. Where an instance
    stands decides nothing else: all machines share one chappe.conf."""

    def __init__(self, folder, net, layout, slow=(), domain="example.org"):
        super().__init__(folder, (domain,))
        self.net = net
        self.layout = {}
        self.port, self.tls_port = CLIENT_PORT, CLIENT_TLS_PORT
        for machine, instances in layout.items():
            net.host(machine, machine in slow)
            for instance in instances:
                self.layout[instance] = machine
        # Where the clients are, and the operator.
        self.outside = net.host("clients")
        self.authority = Authority(self.folder)
        self.conf.setdefault("c2s", {
            "limit-connections-network": "0",
            "limit-rate": "0"})

    # -- who is where -------------------------------------------------------

    @staticmethod
    def role_of(instance):
        return instance.split("-")[0]

    def instances(self, role=None):
        return [i for i in self.layout if role in (None, self.role_of(i))]

    def host(self, instance):
        return self.net[self.layout[instance]]

    def client_addresses(self):
        """Where clients may connect to."""
        return sorted({self.host(i).address for i in self.instances("c2s")})

    def router_addresses(self):
        return [f"{self.host(i).address}:{LINK_PORT}"
                for i in self.instances("router")]

    # -- configuration ------------------------------------------------------

    def conf_of(self, instance):
        """The file that it reads."""
        return self.conf_path

    def link_options(self, kind):
        return {"routers": self.router_addresses(), "link-tls": "yes",
                "link-ca": self.authority.certificate,
                "secret-file": self._secret(kind)}

    def use_postgres(self, machine, standby=None):
        """A PostgreSQL on a new machine, and on another one its standby, if it
        shall have one; the caller closes all that is returned."""
        servers = [HostedPostgres(self.net.host(machine))]
        servers[0].start()
        if standby:
            servers.append(HostedPostgres(self.net.host(standby), servers[0]))
            servers[0].followed_by(servers[1])
        connection = servers[0].conninfo(*servers[1:])
        # conf escapes backslashes.
        self.conf["storage"] = {
            "driver": "postgres",
            "connection": connection.replace("\\", "\\\\")}
        self.conf.setdefault("sm", {})["driver-dir"] = BUILD / "storage/.libs"
        return servers

    def write_conf(self):
        addresses = [self.host(i).address for i in self.instances("router")]
        certificate, key = self.authority.issue("routers", *addresses)
        text = self._write('router "router-*"', self.section(
            "router", listen=[], **{
                "listen-tls": [f"*:{LINK_PORT}"], "certificate": certificate,
                "key": key, "ca": self.authority.certificate,
                "metrics": f"127.0.0.1:{METRICS['router']}"}))
        for kind in ("c2s", "sm", "admin"):
            options = {"kind": kind, "secret-file": self._secret(kind)}
            if kind == "sm":
                options["names"] = self.domains
            text += self._write(f'link "{kind}-*"', options)
        text += self.extra_links
        text += self._write('c2s "c2s-*"', self.section(
            "c2s", **self.link_options("c2s"), **{
                "listen": [f"*:{CLIENT_PORT}"],
                "listen-tls": [f"*:{CLIENT_TLS_PORT}"],
                "metrics": f"127.0.0.1:{METRICS['c2s']}"}))
        text += self._write('sm "sm-*"', self.section(
            "sm", **self.link_options("sm"), **{
                "ticket-secret-file": self._secret("ticket"),
                "metrics": f"127.0.0.1:{METRICS['sm']}"}))
        text += self._write('storage "main"', self.section(
            "storage", driver="sqlite",
            connection=self.folder / "chappe.db"))
        text += self._domains()
        text += self._write("chappectl", self.link_options("admin"))
        self.conf_path.write_text(text)

    # -- processes ----------------------------------------------------------

    def start_role(self, role, instance=None, wait=False):
        instance = instance or f"{role}-1"
        environment = self.environment()
        with open(self.log_path(instance), "ab") as log:
            self.processes[instance] = subprocess.Popen(
                self.host(instance).command(
                    str(self.build / f"chappe-{role}"), "-c",
                    str(self.conf_of(instance)), "-n", instance),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd=self.folder)
        if wait:
            self.wait_ready()
        return self.processes[instance]

    def start(self, roles=("router", "sm", "c2s")):
        self.write_conf()
        for role in roles:
            for instance in self.instances(role):
                self.start_role(role, instance)
        self.wait_ready()

    def start_instance(self, instance):
        return self.start_role(self.role_of(instance), instance)

    def restart(self, instance, seconds=15):
        """An orderly stop, then a start: what a service manager does."""
        process = self.processes[instance]
        process.terminate()
        assert process.wait(seconds) == 0, self.log(instance)[-4000:]
        self.start_instance(instance)

    def add_instance(self, instance, machine):
        self.layout[instance] = machine
        return self.start_instance(instance)

    def offers_login(self, address=None):
        addresses = [address] if address else self.client_addresses()
        return all(self.outside.call(super(Cluster, self).offers_login, at)
                   for at in addresses)

    def wait_linked(self, seconds=20):
        """Until each router has a link of each role that runs."""
        wanted = {i for i in self.processes if self.role_of(i) != "router"}

        def all_there():
            done = self.ctl("--json", "status", check=False)
            if done.returncode:
                return False
            rows = json.loads(done.stdout)
            routers = sum(1 for i in self.processes
                          if self.role_of(i) == "router")
            return all(sum(1 for row in rows if row.get("name") == name)
                       >= routers for name in wanted)

        wait_for(all_there, seconds, "all roles linked to all routers")

    # -- the operator -------------------------------------------------------

    def ctl(self, *words, stdin="", check=True, seconds=60):
        done = subprocess.run(
            self.outside.command(str(self.build / "chappectl"), "-c",
                                 str(self.conf_path), *map(str, words)),
            input=stdin, capture_output=True, text=True, timeout=seconds,
            env=self.environment())
        if check:
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def metrics_of(self, instance):
        """The samples of an instance (one of its role on its machine)."""
        return self.host(instance).call(
            self.metrics, METRICS[self.role_of(instance)])

    def pause(self, instance):
        self.processes[instance].send_signal(signal.SIGSTOP)

    def resume(self, instance):
        self.processes[instance].send_signal(signal.SIGCONT)
