# SPDX-License-Identifier: Apache-2.0
"""A real Chappe for end-to-end tests: its own folder, free ports, processes
that end with the test. Sanitizer findings in any process fail the test."""

import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

SOURCE = Path(os.environ.get("CHAPPE_SOURCE",
                             Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("CHAPPE_BUILD", SOURCE / "build/check"))
PASSWORD = "pencil-and-paper"


def free_port():
    """A port that nobody has now: below those that the kernel gives to
    outgoing connections, and apart for each process of a parallel run (roles
    share ports with SO_REUSEPORT, so a collision would not be noticed)."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    for _ in range(1000):
        port = 12000 + 5000 * worker + secrets.randbelow(5000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def wait_for(condition, seconds=10, what="condition"):
    """Polls until `condition()` is true, and returns its value. `what` is
    text for the error, or makes it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: "
                                 + (what() if callable(what) else what))
        time.sleep(0.02)


def make_certificate(folder, *names):
    """A self-signed certificate for the names; paths of it and of its key."""
    folder = Path(folder)
    certificate = folder / f"certificate-{names[0]}.pem"
    key = folder / f"key-{names[0]}.pem"
    alternatives = ",".join("DNS:" + name for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", f"/CN={names[0]}",
         "-addext", f"subjectAltName={alternatives}",
         "-addext", "basicConstraints=critical,CA:TRUE",
         "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate, key


class Chappe:
    """An instance. Options for the sections of chappe.conf go into `conf`
    (a dict by section name of dicts) before start(); None leaves one out."""

    def __init__(self, folder, domains=("localhost",)):
        self.folder = Path(folder)
        # Unix socket paths are short.
        self.sockets = Path("/tmp") / ("chappe-" + secrets.token_hex(4))
        self.sockets.mkdir(mode=0o700)
        self.domains = list(domains)
        self.domain = self.domains[0]
        self.port, self.tls_port = free_port(), free_port()
        self.component_port = free_port()
        self.components = {}
        self.extra_links = ""
        self.conf = {}
        self.metrics_ports = {}
        self.processes = {}
        self.certificates = {}
        self.build = BUILD
        self.expect_crash = set()
        self.more_environment = {}
        self.asan_options = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        problems = self.close()
        if exception == (None, None, None):
            assert not problems, "\n".join(problems)

    # -- configuration ----------------------------------------------------

    def section(self, name, **defaults):
        return {**defaults, **self.conf.get(name, {})}

    @staticmethod
    def _write(title, options):
        lines = [f"{title} {{"]
        for name, value in options.items():
            if value is None:
                continue
            if isinstance(value, (list, tuple)):
                value = "{ " + ", ".join(f'"{v}"' for v in value) + " }"
            else:
                value = f'"{value}"'
            lines.append(f"\t{name} = {value}")
        return "\n".join(lines + ["}"]) + "\n"

    def _secret(self, name):
        path = self.folder / f"secret-{name}"
        if not path.exists():
            path.write_text(secrets.token_hex(16) + "\n")
            path.chmod(0o600)
        return path

    @property
    def conf_path(self):
        return self.folder / "chappe.conf"

    def write_conf(self):
        router = f"unix:{self.sockets}/router.sock"
        listen = [router]
        if self.components:
            listen.append(f"127.0.0.1:{self.component_port}")
        text = self._write('router "router*"',
                           self.section("router", listen=listen))
        for kind in ("c2s", "sm", "admin"):
            options = {"kind": kind, "secret-file": self._secret(kind)}
            if kind == "sm":
                options["names"] = self.domains
            text += self._write(f'link "{kind}-*"', options)
        for name, secret in self.components.items():
            path = self._secret("component-" + name)
            path.write_text(secret + "\n")
            text += self._write(f'link "{name}"', {
                "kind": "component", "secret-file": path})
        text += self.extra_links
        text += self._write('c2s "c2s-*"', self.section(
            "c2s", routers=[router], **{
                "secret-file": self._secret("c2s"),
                "listen": [f"127.0.0.1:{self.port}"],
                "listen-tls": [f"127.0.0.1:{self.tls_port}"]}))
        text += self._write('sm "sm-*"', self.section(
            "sm", routers=[router], **{
                "secret-file": self._secret("sm"),
                "ticket-secret-file": self._secret("ticket")}))
        text += self._write('storage "main"', self.section(
            "storage", driver="sqlite",
            connection=self.folder / "chappe.db"))
        text += self._domains()
        text += self._write("chappectl", {
            "routers": [router], "secret-file": self._secret("admin")})
        self.conf_path.write_text(text)

    def _domains(self):
        text = ""
        for domain in self.domains:
            if domain not in self.certificates:
                self.certificates[domain] = make_certificate(self.folder,
                                                             domain)
            certificate, key = self.certificates[domain]
            text += self._write(f'domain "{domain}"', self.section(
                f"domain {domain}", certificate=certificate, key=key,
                **self.conf.get("domain", {})))
        return text

    @property
    def certificate(self):
        return self.certificates[self.domain][0]

    # -- processes ----------------------------------------------------------

    def environment(self):
        env = {**os.environ, **self.more_environment}
        env["CHAPPE_CONF"] = str(self.conf_path)
        env["ASAN_OPTIONS"] = (self.asan_options
                               or "detect_leaks=1:exitcode=99")
        env["UBSAN_OPTIONS"] = ("print_stacktrace=1:halt_on_error=1:"
                                "exitcode=99")
        env["LSAN_OPTIONS"] = ("print_suppressions=0:"
                               f"suppressions={SOURCE}/t/lib/lsan.supp")
        return env

    def log_path(self, instance):
        return self.folder / f"{instance}.log"

    def log(self, instance):
        path = self.log_path(instance)
        return path.read_text(errors="replace") if path.exists() else ""

    def start_role(self, role, instance=None, wait=False):
        instance = instance or f"{role}-1"
        if role == "router" and instance == "router-1":
            instance = "router"
        with open(self.log_path(instance), "ab") as log:
            self.processes[instance] = subprocess.Popen(
                [self.build / f"chappe-{role}", "-c", self.conf_path,
                 "-n", instance], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=self.environment(), cwd=self.folder)
        if wait:
            self.wait_ready()
        return self.processes[instance]

    def start(self, roles=("router", "sm", "c2s")):
        self.write_conf()
        for role in roles:
            self.start_role(role)
        if {"router", "sm", "c2s"} <= set(roles):
            self.wait_ready()

    def wait_ready(self, seconds=15):
        """Until a client is offered SASL mechanisms: the whole chain works."""
        wait_for(self.offers_login, seconds, lambda: "log-in is offered\n" +
                 "\n".join(self.log(i)[-2000:] for i in self.processes))

    def offers_login(self, address="127.0.0.1"):
        import ssl
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["xmpp-client"])
        try:
            with socket.create_connection((address, self.tls_port),
                                          2) as plain:
                with context.wrap_socket(plain,
                                         server_hostname=self.domain) as tls:
                    tls.sendall(
                        b"<stream:stream xmlns='jabber:client' xmlns:stream="
                        b"'http://etherx.jabber.org/streams' version='1.0' "
                        b"to='" + self.domain.encode() + b"'>")
                    tls.settimeout(2)
                    text = b""
                    while b"</stream:features>" not in text:
                        got = tls.recv(4096)
                        if not got:
                            break
                        text += got
                    return b"<mechanism>" in text
        except OSError:
            return False

    def kill(self, instance, how=signal.SIGKILL, wait=True):
        process = self.processes[instance]
        process.send_signal(how)
        if how == signal.SIGKILL:
            self.expect_crash.add(process.pid)
        if wait:
            process.wait(15)
            del self.processes[instance]

    def restart_role(self, role, instance=None):
        instance = instance or ("router" if role == "router"
                                else f"{role}-1")
        if instance in self.processes:
            self.kill(instance, signal.SIGTERM)
        self.start_role(role, instance)

    def reload(self, instance):
        self.processes[instance].send_signal(signal.SIGHUP)

    def stop(self):
        """Ends all processes in the order of a shutdown; their problems."""
        problems = []
        order = sorted(self.processes, key=lambda name: (
            name.startswith("router"), name.startswith("sm")))
        for instance in order:
            process = self.processes.pop(instance)
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            try:
                code = process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                problems.append(f"{instance} did not end on SIGTERM:\n"
                                + self.log(instance)[-3000:])
                continue
            if code != 0 and process.pid not in self.expect_crash:
                problems.append(f"{instance} ended with {code}:\n"
                                + self.log(instance)[-6000:])
        return problems

    def close(self):
        problems = self.stop()
        for path in self.sockets.glob("*"):
            path.unlink()
        self.sockets.rmdir()
        for path in self.folder.glob("*.log"):
            text = path.read_text(errors="replace")
            for sign in ("AddressSanitizer", "LeakSanitizer",
                         "runtime error:", "Assertion"):
                if sign in text:
                    at = text.index(sign)
                    problems.append(f"{path.name}: "
                                    + text[max(0, at - 500):at + 5000])
                    break
        return problems

    # -- the operator ---------------------------------------------------------

    def ctl(self, *words, stdin="", check=True, seconds=60):
        done = subprocess.run(
            [self.build / "chappectl", "-c", self.conf_path, *words],
            input=stdin, capture_output=True, text=True, timeout=seconds,
            env=self.environment())
        if check:
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def jid(self, name, domain=None):
        return f"{name}@{domain or self.domain}"

    def add_user(self, name, password=PASSWORD, domain=None):
        self.ctl("user", "add", self.jid(name, domain), "--password-stdin",
                 stdin=password + "\n")

    def add_users(self, *jids, password=PASSWORD):
        """Several at once, given as JIDs."""
        self.ctl("user", "import",
                 stdin="".join(f"{jid} {password}\n" for jid in jids))

    def metrics(self, port):
        """The samples of a role's /metrics as a dict."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in lines if line and not line.startswith("#")}
