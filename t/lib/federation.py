# SPDX-License-Identifier: Apache-2.0
"""What federation needs beside our server: a certificate authority, a name
server, and other people's XMPP servers, all on the loopback and on free
ports."""

import hashlib
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

from chappe import PASSWORD, Chappe, free_port, wait_for
from wire import SASL, STREAM, Ended, Wire

A, CNAME, AAAA, SRV = 1, 5, 28, 33


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        self.count = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=Test authority",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, names=None, expired=False):
        """A certificate with these subjectAltNames ("DNS:name" by default);
        its path and that of its key."""
        self.count += 1
        base = f"{name}-{self.count}"
        key, request, chain, extra, database, conf = (
            self.folder / f"{base}.{end}"
            for end in ("key", "csr", "pem", "ext", "db", "cnf"))
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        extra.write_text("subjectAltName=" +
                         ",".join(names or [f"DNS:{name}"]) + "\n"
                         "basicConstraints=critical,CA:FALSE\n")
        if expired:
            database.write_text("")
            conf.write_text(
                "[ca]\ndefault_ca=c\n[c]\npolicy=p\n"
                f"database={database}\nrand_serial=yes\ndefault_md=sha256\n"
                f"new_certs_dir={self.folder}\nemail_in_dn=no\n"
                "[p]\ncommonName=supplied\n")
            openssl("ca", "-batch", "-notext", "-config", conf, "-in",
                    request, "-cert", self.certificate, "-keyfile", self.key,
                    "-extfile", extra, "-startdate", "200101000000Z",
                    "-enddate", "200201000000Z", "-out", chain)
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.certificate,
                    "-CAkey", self.key, "-CAcreateserial", "-days", "30",
                    "-extfile", extra, "-out", chain)
        os.chmod(key, 0o600)
        return chain, key


def _name(text):
    labels = [label for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in labels) + b"\0"


class Names:
    """A name server for what the test says, without DNSSEC. `records` is
    {(name, type): [value]}: addresses, (priority, weight, port, target), or
    the target of a CNAME. Names in `silent` get no answer."""

    def __init__(self):
        self.records = {}
        self.silent = set()
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def xmpp(self, domain, port, direct_port=None, address="127.0.0.1"):
        """What a domain with an XMPP server on the loopback publishes."""
        host = f"host.{domain}"
        self.records[domain, A] = [address]
        self.records[host, A] = [address]
        self.records[f"_xmpp-server._tcp.{domain}", SRV] = [
            (5, 10, port, host)]
        if direct_port:
            self.records[f"_xmpps-server._tcp.{domain}", SRV] = [
                (1, 10, direct_port, host)]

    @staticmethod
    def _data(kind, value):
        if kind == A:
            return socket.inet_pton(socket.AF_INET, value)
        if kind == AAAA:
            return socket.inet_pton(socket.AF_INET6, value)
        if kind == SRV:
            return struct.pack("!HHH", *value[:3]) + _name(value[3])
        return _name(value)

    def _answer(self, query):
        number, _, questions = struct.unpack("!HHH", query[:6])
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name = ".".join(labels).lower()
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        found = [(kind, value)
                 for value in self.records.get((name, kind), [])]
        found += [(CNAME, value)
                  for value in self.records.get((name, CNAME), [])
                  if kind != CNAME]
        known = any(name == other or other.endswith("." + name)
                    for other, _ in self.records)
        answer = struct.pack("!HHHHHH", number,
                             0x8580 | (0 if known else 3),
                             questions, len(found), 0, 0)
        answer += query[12:at + 5]
        for one, value in found:
            data = self._data(one, value)
            answer += (b"\xc0\x0c" + struct.pack("!HHIH", one, 1, 1,
                                                 len(data)) + data)
        return answer

    def _serve(self):
        while True:
            try:
                query, sender = self.udp.recvfrom(4096)
                answer = self._answer(query)
                if answer:
                    self.udp.sendto(answer, sender)
            except OSError:
                return

    def close(self):
        self.udp.close()


class FederatedChappe(Chappe):
    """A Chappe with an s2s role. Options of the section s2s go into
    conf["s2s"], the sections remote into `remotes`, by pattern, and rules into
    `access`, by name and in order."""

    def __init__(self, folder, domain, authority, names, direct=True):
        Path(folder).mkdir(exist_ok=True)
        super().__init__(folder, (domain,))
        self.s2s_port, self.s2s_tls_port = free_port(), free_port()
        self.authority = authority
        self.names = names
        self.remotes = {}
        self.access = {}
        self.certificates[domain] = authority.issue(domain)
        names.xmpp(domain, self.s2s_port,
                   self.s2s_tls_port if direct else None)

    def write_conf(self):
        router = f"unix:{self.sockets}/router.sock"
        text = self._write('link "s2s-*"', {
            "kind": "s2s", "names": ["*"], "secret-file": self._secret("s2s")})
        text += self._write('s2s "s2s-*"', self.section(
            "s2s", routers=[router], **{
                "secret-file": self._secret("s2s"),
                "listen": [f"127.0.0.1:{self.s2s_port}"],
                "listen-tls": [f"127.0.0.1:{self.s2s_tls_port}"],
                "ca": self.authority.certificate,
                "dns-server": f"127.0.0.1@{self.names.port}",
                "dialback-secret-file": self._secret("dialback")}))
        for pattern, options in self.remotes.items():
            text += self._write(f'remote "{pattern}"', options)
        for name, options in self.access.items():
            text += self._write(f'access "{name}"', options)
        self.extra_links = text
        super().write_conf()

    def start(self, roles=("router", "sm", "c2s", "s2s")):
        super().start(roles)
        wait_for(self.is_federated, 10, "s2s has its default route\n"
                 + self.log("s2s-1")[-3000:])
        for name in ("alice", "bob"):
            self.add_user(name)

    def is_federated(self):
        try:
            socket.create_connection(("127.0.0.1", self.s2s_port), 1).close()
        except OSError:
            return False
        return "s2s-1" in self.ctl("status").stdout

    def rows(self, *words):
        """The rows of `chappectl s2s list` as dicts."""
        import json
        return json.loads(self.ctl("--json", "s2s", "list", *words).stdout)


class Server:
    """Somebody else's XMPP server."""

    domain = None

    def __init__(self, folder, domain, authority, names, **options):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.domain = domain
        self.port, self.tls_port = free_port(), free_port()
        self.s2s_port, self.s2s_tls_port = free_port(), free_port()
        self.authority, self.names = authority, names
        self.certificate, self.key = (options.pop("certificate", None)
                                      or authority.issue(domain))
        self.options = options
        self.process = None
        names.xmpp(domain, self.s2s_port,
                   self.s2s_tls_port if options.get("direct") else None)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def log_path(self):
        return self.folder / "log"

    def log(self):
        return (self.log_path.read_text(errors="replace")
                if self.log_path.exists() else "")

    def is_up(self):
        for port in (self.port, self.s2s_port):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
        return True

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process = None

    def client(self, name):
        wire = Wire(self, 20)
        if self.options.get("encryption", True):
            return wire.login(name)
        wire.open()
        assert wire.scram(name).tag == SASL + "success"
        assert wire.bind().get("type") == "result"
        return wire


class Prosody(Server):
    """Prosody of the distribution. Options: secure_auth (certificates only),
    encryption=False (none at all), dialback=False, external=False, direct,
    smacks (stream management)."""

    def _conf(self):
        options = self.options
        modules = ["roster", "saslauth", "tls", "disco", "ping", "vcard",
                   "presence", "message", "iq", "c2s", "s2s", "version"]
        off = []
        if options.get("dialback", True):
            modules.append("dialback")
        else:
            off.append("dialback")
        if not options.get("external", True):
            off.append("s2s_auth_certs")
        if options.get("smacks"):
            modules.append("smacks")
        encryption = options.get("encryption", True)
        if not encryption:
            off.append("tls")
            modules.remove("tls")
        ca = self.folder / "ca"
        ca.mkdir(exist_ok=True)
        bundle = ca / "ca.pem"
        shutil.copy(self.authority.certificate, bundle)
        quoted = "; ".join(f'"{name}"' for name in modules)
        disabled = "; ".join(f'"{name}"' for name in off)
        direct = (f's2s_direct_tls_ports = {{ {self.s2s_tls_port} }}'
                  if options.get("direct") else "")
        return f"""
pidfile = "{self.folder}/pid"
data_path = "{self.folder}/data"
certificates = "{self.folder}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
s2s_ports = {{ {self.s2s_port} }}
{direct}
modules_enabled = {{ {quoted} }}
modules_disabled = {{ {disabled} }}
unbound = {{ resolvconf = false; hoststxt = false;
  forward = {{ "127.0.0.1@{self.names.port}" }};
  options = {{ ["do-not-query-localhost:"] = "no" }} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = {str(encryption).lower()}
s2s_secure_auth = {str(options.get("secure_auth", False)).lower()}
authentication = "internal_plain"
storage = "internal"
log = {{ debug = "{self.log_path}" }}
admins = {{}}
limits = {{}}
ssl = {{ key = "{self.key}"; certificate = "{self.certificate}";
  cafile = "{bundle}" }}
VirtualHost "{self.domain}"
"""

    def start(self):
        data = self.folder / "data"
        for name in ("alice", "bob"):
            accounts = data / self.domain.replace(".", "%2e") / "accounts"
            accounts.mkdir(parents=True, exist_ok=True)
            (accounts / f"{name}.dat").write_text(
                f'return {{ ["password"] = "{PASSWORD}"; }};\n')
        conf = self.folder / "prosody.cfg.lua"
        conf.write_text(self._conf())
        user = "prosody" if os.getuid() == 0 else None
        if user:
            # It does not run as root; what it reads becomes its own.
            for path in (self.folder, Path(self.key)):
                subprocess.run(["chown", "-R", user, path], check=True)
            for path in (self.folder, Path(self.key)):
                for parent in path.parents:
                    if str(parent).startswith("/tmp/"):
                        parent.chmod(parent.stat().st_mode | 0o011)
            Path(self.certificate).chmod(0o644)
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                ["prosody", "-F", "--config", str(conf)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, user=user, group=user,
                extra_groups=[] if user else None)
        wait_for(self.is_up, 20, "Prosody is up: "
                 + (self.folder / "output").read_text() + self.log()[-2000:])


class Ejabberd(Server):
    """ejabberd of the distribution, without Erlang's distribution, so that no
    port mapper is left behind. Options: external=False, encryption=False,
    dialback=False, accounts (names)."""

    def _conf(self):
        options = self.options
        modules = ["disco", "ping", "roster", "vcard", "offline"]
        if options.get("dialback", True):
            modules.append("s2s_dialback")
        pem = self.folder / "all.pem"
        pem.write_text(Path(self.certificate).read_text()
                       + Path(self.key).read_text())
        ca = self.folder / "ca.pem"
        shutil.copy(self.authority.certificate, ca)
        encryption = "false" if not options.get("encryption", True) else (
            "required" if options.get("external", True) else "optional")
        return f"""
hosts:
  - {self.domain}
loglevel: debug
certfiles:
  - {pem}
ca_file: {ca}
c2s_cafile: {ca}
s2s_cafile: {ca}
s2s_use_starttls: {encryption}
auth_password_format: plain
auth_method: internal
listen:
  -
    port: {self.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls: {str(options.get("encryption", True)).lower()}
    access: all
  -
    port: {self.s2s_port}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
acl:
  local:
    user_regexp: ""
shaper: {{}}
shaper_rules: {{}}
modules:
""" + "".join(f"  mod_{name}: {{}}\n" for name in modules)

    def _accounts(self):
        """What it is to do first, in Erlang."""
        return ", ".join(
            ["ok"] + [f'ejabberd_auth:try_register(<<"{name}">>, '
                      f'<<"{self.domain}">>, <<"{PASSWORD}">>)'
                      for name in self.options.get("accounts",
                                                   ("alice", "bob"))])

    def start(self):
        (self.folder / "ejabberd.yml").write_text(self._conf())
        (self.folder / "inetrc").write_text(
            '{lookup, [dns]}.\n{resolv_conf, ""}.\n{hosts_file, ""}.\n'
            f"{{nameserver, {{127,0,0,1}}, {self.names.port}}}.\n")
        user = "ejabberd" if os.getuid() == 0 else None
        if user:
            subprocess.run(["chown", "-R", user, self.folder], check=True)
        env = dict(os.environ, HOME=str(self.folder),
                   ERL_CRASH_DUMP_SECONDS="0",
                   ERL_INETRC=str(self.folder / "inetrc"),
                   EJABBERD_CONFIG_PATH=str(self.folder / "ejabberd.yml"),
                   EJABBERD_LOG_PATH=str(self.log_path),
                   ERL_LIBS="/usr/lib/x86_64-linux-gnu")
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                ["erl", "-noinput", "-mnesia", "dir",
                 f'"{self.folder}/mnesia"', "-s", "ejabberd",
                 "-eval", self._accounts() + "."],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, user=user, group=user, env=env,
                cwd=self.folder, extra_groups=[] if user else None)
        wait_for(self.is_up, 40, "ejabberd is up: "
                 + (self.folder / "output").read_text() + self.log()[-2000:])
        if self.options.get("accounts") != []:
            wait_for(self._has_accounts, 20, "it has accounts")

    def _has_accounts(self):
        try:
            self.client("bob").socket.close()
        except (AssertionError, Ended, OSError):
            return False
        return True


DIALBACK = "{jabber:server:dialback}"
SERVER = "{jabber:server}"


class Peer(Wire):
    """Another server on the wire, which does just what a test says. It says
    to be `name`; with a certificate (and its key) it shows that under TLS."""

    def __init__(self, server, name="b.example", certificate=None,
                 seconds=10, direct=False):
        class Port:
            domain = server.domain
            port = server.s2s_tls_port if direct else server.s2s_port
        self.name = name
        self.certificate = certificate
        super().__init__(Port, seconds)
        if direct:
            self.wrap(self._context(["xmpp-server"]))

    def _context(self, alpn=None):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(alpn)
        if self.certificate:
            context.load_cert_chain(*map(str, self.certificate))
        return context

    def open(self, to=None, extra="", version="1.0", read=True):
        self._reset()
        to = self.domain if to is None else to
        of = f" from='{self.name}'" if self.name else ""
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
                  "xmlns:stream='http://etherx.jabber.org/streams' "
                  f"xmlns:db='jabber:server:dialback'{of} to='{to}' "
                  f"version='{version}' {extra}>")
        return self.expect(STREAM + "features") if read else None

    def starttls(self, context=None):
        return super().starttls(context or self._context())

    def external(self):
        """Up to a stream that is authenticated by certificate."""
        self.secure()
        self.auth("EXTERNAL", "")
        self.expect(SASL + "success")
        self.open()
        return self

    def result(self, key="0" * 64, of=None, to=None):
        """A dialback key; the answer."""
        self.send(f"<db:result from='{of or self.name}' "
                  f"to='{to or self.domain}'>{key}</db:result>")
        return self.until(lambda e: e.tag == DIALBACK + "result", 20)

    def verify(self, key, number, of=None, to=None):
        """Asks whether a key is the other one's; the answer."""
        self.send(f"<db:verify from='{of or self.name}' id='{number}' "
                  f"to='{to or self.domain}'>{key}</db:verify>")
        return self.expect(DIALBACK + "verify")


class SignedNames:
    """Knot DNS with a zone "example." that it signs. `records` are lines of
    a zone file, names relative to "example."; start() makes it, and
    `anchor`, a file that a resolver can trust. forge() alters a record
    without signing it."""

    def __init__(self, folder, records=()):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.records = list(records)
        self.port = free_port()
        self.anchor = self.folder / "anchor"
        self.process = None

    def xmpp(self, domain, port, direct_port=None, address="127.0.0.1"):
        name = domain.removesuffix(".example")
        self.records += [f"{name} A {address}", f"host.{name} A {address}",
                         f"_xmpp-server._tcp.{name} SRV 5 0 {port} "
                         f"host.{name}"]
        if direct_port:
            self.records.append(f"_xmpps-server._tcp.{name} SRV 1 0 "
                                f"{direct_port} host.{name}")

    def tlsa(self, domain, ports, certificate, selector=1, usage=3):
        """Announces the key of a certificate (or with selector 0 itself)."""
        pem = subprocess.run(["openssl", "x509", "-in", certificate,
                              "-outform", "DER"], check=True,
                             capture_output=True).stdout
        digest = key_pin(certificate) if selector \
            else hashlib.sha256(pem).hexdigest()
        for port in ports:
            self.records.append(
                f"_{port}._tcp.host.{domain.removesuffix('.example')} "
                f"TLSA {usage} {selector} 1 {digest}")

    def _run(self, *words):
        return subprocess.run([*map(str, words)], check=True,
                              capture_output=True, text=True).stdout

    def start(self):
        zone = self.folder / "example.zone"
        zone.write_text("$ORIGIN example.\n$TTL 60\n"
                        "@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\n"
                        "ns A 127.0.0.1\n" + "\n".join(self.records) + "\n")
        self.conf = self.folder / "knot.conf"
        self.conf.write_text(f"""
server:
  rundir: "{self.folder}"
  listen: 127.0.0.1@{self.port}
database:
  storage: "{self.folder}"
policy:
  - id: p
    single-type-signing: on
    algorithm: ecdsap256sha256
zone:
  - domain: example.
    storage: "{self.folder}"
    file: example.zone
    zonefile-sync: 0
    dnssec-signing: on
    dnssec-policy: p
    zonefile-load: whole
log:
  - target: {self.folder}/log
    any: info
""")
        self._serve()
        wait_for(self._signed, 10, "Knot has signed the zone")
        return self

    def _serve(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/knotd", "-c", str(self.conf)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def _signed(self):
        if "RRSIG" not in (self.folder / "example.zone").read_text():
            return False
        keys = [line for line in
                (self.folder / "example.zone").read_text().splitlines()
                if "\tDNSKEY\t" in line]
        if not keys:
            return False
        self.anchor.write_text("\n".join(keys) + "\n")
        return True

    def forge(self, old, new):
        """Serves the signed zone with something replaced in it."""
        self.stop()
        zone = self.folder / "example.zone"
        text = zone.read_text()
        assert old in text, text
        zone.write_text(text.replace(old, new))
        self.conf.write_text(self.conf.read_text().replace(
            "dnssec-signing: on", "dnssec-signing: off"))
        shutil.rmtree(self.folder / "journal", ignore_errors=True)
        self._serve()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    close = stop


def key_pin(certificate):
    """SHA-256 of the public key of a certificate, in hexadecimal digits."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey",
                          "-noout"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"],
                         input=key, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()
