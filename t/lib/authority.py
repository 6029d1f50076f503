# SPDX-License-Identifier: Apache-2.0
"""An authority that certifies clients, for tests: openssl, and a folder."""

import subprocess
from pathlib import Path

CONF = """
[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index
serial = {folder}/serial
crlnumber = {folder}/crlnumber
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
new_certs_dir = {folder}
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = optional
UID = optional
[req]
distinguished_name = name
[name]
"""


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        self.conf = self.folder / "conf"
        self.conf.write_text(CONF.format(folder=self.folder))
        (self.folder / "index").touch()
        (self.folder / "serial").write_text("01\n")
        (self.folder / "crlnumber").write_text("01\n")
        self.certificate = self.folder / "ca.pem"
        self.crl = self.folder / "crl.pem"
        self.count = 0
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self.folder / "ca.key", "-out", self.certificate)
        self.publish()

    def _openssl(self, command, *words):
        words = ["openssl", command, "-config", self.conf, *words]
        done = subprocess.run([str(word) for word in words], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, (words, done.stderr)

    def issue(self, *addresses, subject="/CN=somebody", email=None,
              purpose="clientAuth", dates=()):
        """A certificate and its key; `addresses` become xmppAddrs, `dates`
        are (from, to) as YYYYMMDDHHMMSSZ."""
        self.count += 1
        stem = self.folder / f"client{self.count}"
        names = [f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{address}"
                 for address in addresses]
        if email:
            names.append("email:" + email)
        words = ["-addext", "subjectAltName=" + ",".join(names)] if names \
            else []
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-utf8", "-subj", subject, "-addext",
            f"extendedKeyUsage={purpose}", *words, "-keyout", f"{stem}.key",
            "-out", f"{stem}.csr")
        times = ["-startdate", dates[0], "-enddate", dates[1]] if dates else []
        self._openssl("ca", "-batch", "-notext", *times, "-in", f"{stem}.csr",
                      "-out", f"{stem}.pem")
        return Path(f"{stem}.pem"), Path(f"{stem}.key")

    def revoke(self, pair):
        self._openssl("ca", "-revoke", pair[0])
        self.publish()

    def publish(self, *words):
        self._openssl("ca", "-gencrl", *words, "-out", self.crl)
