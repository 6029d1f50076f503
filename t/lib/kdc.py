# SPDX-License-Identifier: Apache-2.0
"""A private Kerberos realm for tests: MIT's KDC in its own folder, on a free
port, as the user who runs the test; and clients with tickets of it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import gssapi

from chappe import free_port, wait_for

REALM = "EXAMPLE.ORG"
OTHER_REALM = "ELSEWHERE.NET"
PASSWORD = "ticket please"

KRB5_CONF = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    clockskew = {skew}
[realms]
{realms}
"""

KDC_CONF = """
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        max_life = 1h
        supported_enctypes = aes256-cts:normal aes128-cts:normal
    }}
"""


class Kdc:
    """Started by `with`. `services`: principals whose keys get into the
    keytab. Clients take their times as they are; the server's `skew` is a
    second, so that tests need not wait for long."""

    def __init__(self, realm=REALM, services=("xmpp/example.org",)):
        self.folder = Path(tempfile.mkdtemp(prefix="chappe-kdc-", dir="/tmp"))
        self.realm, self.services = realm, services
        self.port = free_port()
        self.process = None
        self.friends = []
        self.keytab = self.folder / "keytab"
        self.conf = self.folder / "krb5.conf"
        self.server_conf = self.folder / "server-krb5.conf"
        self._write_conf()
        (self.folder / "kdc.conf").write_text(KDC_CONF.format(
            port=self.port, realm=realm, folder=self.folder))

    def _write_conf(self):
        realms = "".join(
            f"    {kdc.realm} = {{\n        kdc = 127.0.0.1:{kdc.port}\n"
            "    }\n" for kdc in [self, *self.friends])
        for path, skew in ((self.conf, 300), (self.server_conf, 1)):
            path.write_text(KRB5_CONF.format(realm=self.realm, skew=skew,
                                             realms=realms))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def environment(self, **more):
        return {**os.environ, "KRB5_CONFIG": str(self.conf),
                "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"), **more}

    def server_environment(self):
        """For the processes of Chappe."""
        return {"KRB5_CONFIG": str(self.server_conf),
                "KRB5RCACHENAME": f"file2:{self.folder}/replays"}

    def _run(self, *command, text=None, **environment):
        done = subprocess.run(
            [str(word) for word in command], input=text, text=True,
            capture_output=True, check=False, cwd=self.folder, timeout=30,
            env=self.environment(**environment))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def admin(self, command):
        return self._run("/usr/sbin/kadmin.local", "-r", self.realm, "-q",
                         command)

    def start(self):
        self._run("/usr/sbin/kdb5_util", "create", "-s", "-r", self.realm,
                  "-P", "master of keys")
        for service in self.services:
            self.add_service(service)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/krb5kdc", "-n", "-r", self.realm, "-P",
                 self.folder / "pid"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder, env=self.environment(
                    KRB5_TRACE="/dev/null"))
        self.add_user("probe")
        wait_for(lambda: self._answers(), 20, "the KDC answers")

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.ticket("probe")
        except AssertionError:
            return False
        return True

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
        self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- principals -------------------------------------------------------

    def add_user(self, name, password=PASSWORD):
        self.admin(f"addprinc -pw \"{password}\" {name}")

    def add_service(self, name, keytab=None):
        self.admin(f"addprinc -randkey {name}")
        self.admin(f"ktadd -k {keytab or self.keytab} {name}")

    def trust(self, other):
        """Principals of the other realm get tickets here."""
        krbtgt = f"krbtgt/{self.realm}@{other.realm}"
        for kdc in (self, other):
            kdc.admin(f"addprinc -pw shared-{self.realm} {krbtgt}")
        self.friends.append(other)
        other.friends.append(self)
        self._write_conf()
        other._write_conf()

    # -- clients ----------------------------------------------------------

    def ticket(self, name, life="10m"):
        """Logs in at the KDC; the cache with the ticket."""
        cache = f"FILE:{self.folder}/cache-{name.replace('/', '-')}"
        self._run("kinit", "-c", cache, "-l", life, f"{name}@{self.realm}",
                  text=PASSWORD + "\n")
        return cache

    def context(self, cache, service="xmpp@example.org", **options):
        """An initiator of the GSSAPI, in this process."""
        os.environ["KRB5_CONFIG"] = str(self.conf)
        krb5 = gssapi.MechType.kerberos
        credentials = gssapi.Credentials(
            usage="initiate", mechs=[krb5], store={"ccache": cache})
        if "/" not in service:
            name = gssapi.Name(service, gssapi.NameType.hostbased_service)
        else:
            name = gssapi.Name(service, gssapi.NameType.kerberos_principal)
        flags = options.pop("flags", (
            gssapi.RequirementFlag.mutual_authentication
            | gssapi.RequirementFlag.integrity))
        return gssapi.SecurityContext(name=name, creds=credentials, mech=krb5,
                                      flags=flags, usage="initiate",
                                      **options)
