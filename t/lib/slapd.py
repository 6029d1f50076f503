# SPDX-License-Identifier: Apache-2.0
"""A private slapd for tests: its own folder, free ports, an ordinary user. It
knows the schemas of people and of Active Directory's users, keeps memberOf and
password policies, and offers synchronisation."""

import base64
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from chappe import free_port, make_certificate, wait_for

SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
ADMIN = f"cn=admin,{SUFFIX}"
SERVICE = f"cn=chappe,{SUFFIX}"
PASSWORD = "admin's secret"
SERVICE_PASSWORD = "only for reading"

# authPassword (RFC 3112), and attributes of other servers.
SCHEMA = """
attributetype ( 1.3.6.1.4.1.4203.1.3.4 NAME 'authPassword'
    EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock'
    EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.1.4.7 NAME 'authPasswordObject' AUXILIARY
    MAY ( authPassword $ nsAccountLock ) )
"""

TEXT = ("EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch "
        "SYNTAX 1.3.6.1.4.1.1466.115.121.1.15")
NUMBER = "EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27"

# The schema that the package has gives these no matching rules, and its class
# wants what only a real domain has.
MICROSOFT = "".join(f"""
attributetype ( 1.2.840.113556.1.4.{oid} NAME '{name}' {rules} SINGLE-VALUE )
""" for oid, name, rules in (
    ("221", "sAMAccountName", TEXT), ("656", "userPrincipalName", TEXT),
    ("8", "userAccountControl", NUMBER), ("159", "accountExpires", NUMBER),
)) + """
objectclass ( 1.3.6.1.4.1.4203.1.4.8 NAME 'microsoftUser' AUXILIARY
    MAY ( sAMAccountName $ userPrincipalName $ userAccountControl $
    accountExpires ) )
"""

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include {folder}/more.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
moduleload syncprov
moduleload pw-sha2
pidfile {folder}/slapd.pid
sizelimit {sizelimit}
{tls}
database mdb
suffix {suffix}
rootdn "{admin}"
rootpw "{password}"
directory {folder}/db
maxsize 1073741824
dbnosync
index objectClass,entryCSN,entryUUID eq
index uid,cn,mail,member,memberUid eq
access to attrs=userPassword,authPassword
    by dn.exact="{service}" {keys}
    by anonymous auth
access to * by dn.exact="{service}" read by self read by * none
overlay memberof
memberof-group-oc groupOfNames
overlay ppolicy
ppolicy_default "cn=policy,{suffix}"
overlay syncprov
"""


def own_names():
    """libldap takes "localhost" for this machine's name."""
    return sorted({socket.gethostname(), socket.getfqdn()})


def ldif(dn, **attributes):
    """One entry as LDIF; values are texts, bytes, or lists of them."""
    def line(name, value):
        data = value if isinstance(value, bytes) else str(value).encode()
        return f"{name}:: {base64.b64encode(data).decode()}\n"
    text = line("dn", dn)
    for name, values in attributes.items():
        for value in values if isinstance(values, list) else [values]:
            text += line(name.replace("_", "-"), value)
    return text + "\n"


def person(uid, password=None, dn=None, classes=(), **attributes):
    """An inetOrgPerson of ou=people."""
    if password is not None:
        attributes["userPassword"] = password
    return ldif(dn or f"cn={uid},{PEOPLE}",
                objectClass=["inetOrgPerson", *classes], uid=uid, sn=uid,
                cn=attributes.pop("cn", uid), **attributes)


def group(name, *members):
    """A groupOfNames of ou=groups; members are DNs."""
    return ldif(f"cn={name},{GROUPS}", objectClass="groupOfNames", cn=name,
                member=list(members))


def base_ldif():
    return (ldif(SUFFIX, objectClass=["dcObject", "organization"],
                 dc="example", o="Example")
            + ldif(PEOPLE, objectClass="organizationalUnit", ou="people")
            + ldif(GROUPS, objectClass="organizationalUnit", ou="groups")
            + ldif(SERVICE, objectClass=["organizationalRole",
                                         "simpleSecurityObject"],
                   cn="chappe", userPassword=SERVICE_PASSWORD)
            # Stamps of passwords are kept where they may get old.
            + ldif(f"cn=policy,{SUFFIX}",
                   objectClass=["organizationalRole", "pwdPolicy"],
                   cn="policy", pwdAttribute="userPassword",
                   pwdMaxAge="100000000", pwdLockout="TRUE"))


class Slapd:
    """Started by `with` or start(). `seed` is LDIF that is added to the base.
    `keys`: what the service may do with keys, "read" or "auth"."""

    def __init__(self, seed="", keys="auth", host="localhost", tls=True,
                 certificate=None, sizelimit="unlimited", microsoft=False):
        self.folder = Path(tempfile.mkdtemp(prefix="chappe-slapd-",
                                            dir="/tmp"))
        self.user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("openldap")
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid,
                         "extra_groups": []}
        self._own(self.folder)
        self.port, self.tls_port = free_port(), free_port()
        self.seed, self.host, self.process = seed, host, None
        (self.folder / "db").mkdir(mode=0o700)
        self._own(self.folder / "db")
        self.certificate, self.key = certificate or make_certificate(
            self.folder, host, *own_names())
        self._own(self.key)
        if tls:
            text = (f"TLSCertificateFile {self.certificate}\n"
                    f"TLSCertificateKeyFile {self.key}\n"
                    f"TLSCACertificateFile {self.certificate}\n")
        self.tls = tls
        (self.folder / "more.schema").write_text(
            SCHEMA + (MICROSOFT if microsoft else ""))
        self.conf = self.folder / "slapd.conf"
        self.conf.write_text(CONF.format(
            folder=self.folder, suffix=SUFFIX, admin=ADMIN, service=SERVICE,
            password=PASSWORD, keys=keys, tls=text if tls else "",
            sizelimit=sizelimit))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _own(self, path):
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])

    def _run(self, *command, text=""):
        done = subprocess.run([str(word) for word in command], input=text,
                              capture_output=True, text=True, check=False,
                              cwd=self.folder, **self.user)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    # -- life ---------------------------------------------------------------

    def start(self):
        if not (self.folder / "db/data.mdb").exists():
            self._run("/usr/sbin/slapadd", "-q", "-f", self.conf,
                      text=base_ldif())
        fresh = self.seed
        uris = f"ldap://127.0.0.1:{self.port}/"
        if self.tls:
            uris += f" ldaps://127.0.0.1:{self.tls_port}/"
        with open(self.folder / "log", "ab") as log:
            # "-d 0" stays in the foreground.
            self.process = subprocess.Popen(
                ["/usr/sbin/slapd", "-f", self.conf, "-h", uris, "-d", "0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True, **self.user)
        wait_for(self.answers, 20, "slapd answers")
        if fresh:
            self.seed = ""
            self.add(fresh)

    def answers(self):
        assert self.process.poll() is None, self.log()
        return subprocess.run(
            ["ldapwhoami", "-x", "-H", self.uri], check=False, timeout=10,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode == 0

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def pause(self):
        """It accepts connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(20)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what is in it ------------------------------------------------------

    @property
    def uri(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def name_uri(self):
        """By the name that is in the certificate."""
        return f"ldap://{self.host}:{self.port}"

    @property
    def tls_uri(self):
        return f"ldaps://{self.host}:{self.tls_port}"

    def _as_admin(self, tool, *words, text=""):
        return self._run(tool, "-x", "-H", self.uri, "-D", ADMIN, "-w",
                         PASSWORD, *words, text=text)

    def add(self, text):
        self._as_admin("ldapadd", text=text)

    def modify(self, dn, text, relax=False):
        """`text`: the lines of the change, as of ldapmodify."""
        words = ["-e", "relax"] if relax else []
        self._as_admin("ldapmodify", *words,
                       text=f"dn: {dn}\nchangetype: modify\n{text}\n")

    def replace(self, dn, attribute, value, relax=False):
        self.modify(dn, f"replace: {attribute}\n{attribute}: {value}\n-",
                    relax)

    def delete(self, dn):
        self._as_admin("ldapdelete", dn)

    def search(self, filter_, *attributes):
        return self._as_admin("ldapsearch", "-LLL", "-o", "ldif-wrap=no",
                              "-b", SUFFIX, filter_, *attributes)
