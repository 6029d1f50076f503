# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL for tests: its own folder, free port, ordinary user."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from chappe import free_port, make_certificate, wait_for

PASSWORD = "elephants' memory"


def binaries():
    """The folder of the newest PostgreSQL that is installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                   key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                          capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


class AsOrdinaryUser:
    """A folder, and programs that run in it: PostgreSQL does not run as root,
    so for root it is the user that the package brings."""

    def __init__(self, prefix):
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
        self.user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("postgres")
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid,
                         "extra_groups": []}
        self.own(self.folder)

    def own(self, path):
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])

    def run(self, *command, **options):
        done = subprocess.run([str(word) for word in command],
                              capture_output=True, text=True, check=False,
                              cwd=self.folder, **self.user, **options)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def popen(self, *command):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen([str(word) for word in command],
                                    stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, cwd=self.folder,
                                    start_new_session=True, **self.user)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


class Postgres(AsOrdinaryUser):
    """A server with the database and the user "chappe". Started by `with` or
    start(); standby() makes another that follows this one."""

    def __init__(self, settings=None, primary=None):
        super().__init__("chappe-pg-")
        self.bin = binaries()
        self.data = self.folder / "data"
        self.port = free_port()
        self.primary = primary
        self.settings = settings or {}
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.close()

    # -- life -----------------------------------------------------------------

    def start(self):
        fresh = not self.data.exists()
        if fresh:
            self._make_standby() if self.primary else self._make()
        self.process = self.popen(self.bin / "postgres", "-D", self.data)
        wait_for(self.answers, 30, "PostgreSQL answers")
        if fresh and not self.primary:
            self.sql(f"""CREATE ROLE chappe LOGIN PASSWORD
                         '{PASSWORD.replace("'", "''")}'""")
            self.sql("CREATE DATABASE chappe OWNER chappe TEMPLATE template0")

    def answers(self):
        assert self.process.poll() is None, self.log()
        return subprocess.run(
            [self.bin / "pg_isready", "-q", "-h", self.folder, "-p",
             str(self.port)], check=False).returncode == 0

    def _make(self):
        self.run(self.bin / "initdb", "-D", self.data, "-U", "postgres",
                 "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        certificate, key = make_certificate(self.folder, "localhost")
        self.certificate = certificate
        self.own(key)
        certificate.chmod(0o644)
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\n"
            "local replication all trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n")
        self._configure(ssl="on", ssl_cert_file=certificate,
                        ssl_key_file=key, max_connections=60)

    def _make_standby(self):
        primary = self.primary
        self.certificate = primary.certificate
        self.run(self.bin / "pg_basebackup", "-D", self.data, "-R", "-X",
                 "stream", "-h", primary.folder, "-p", primary.port, "-U",
                 "postgres", "--no-sync", "-c", "fast")
        self._configure()

    def _configure(self, **more):
        settings = {"port": self.port, "listen_addresses": "127.0.0.1",
                    "unix_socket_directories": self.folder,
                    "shared_buffers": "16MB", **more, **self.settings}
        with open(self.data / "postgresql.conf", "a") as conf:
            for name, value in settings.items():
                conf.write(f"{name} = '{value}'\n")

    def stop(self, how=signal.SIGINT):
        """SIGINT ends the sessions; SIGTERM waits for them."""
        if self.process is None:
            return
        self.resume()
        self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def kill(self):
        """All processes at once, as when the machine dies (but its disk)."""
        pids = [self.process.pid, *children(self.process.pid)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)
        self.process = None
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists()
                                 for pid in pids), 10, "all are dead")

    def pause(self):
        """No process of it does anything any more."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in [*children(self.process.pid), self.process.pid]:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # a session that has just ended

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    # -- replication ----------------------------------------------------------

    def standby(self, synchronous=True):
        """A standby that has all that is committed, started."""
        return self.followed_by(Postgres(self.settings, primary=self),
                                synchronous)

    def followed_by(self, standby, synchronous=True):
        """Starts a new standby."""
        standby.start()
        wait_for(lambda: self.sql("SELECT count(*) FROM pg_stat_replication "
                                  "WHERE state = 'streaming'") == "1",
                 30, "the standby streams")
        if synchronous:
            self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.sql("SELECT pg_reload_conf()")
            wait_for(lambda: self.sql("SELECT sync_state FROM "
                                      "pg_stat_replication") == "sync",
                     30, "the standby is synchronous")
        return standby

    def promote(self):
        # What it may wait for is gone with the primary.
        self.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.sql("SELECT pg_reload_conf()")
        assert self.sql("SELECT pg_promote(true, 30)") == "t"

    # -- use ------------------------------------------------------------------

    def conninfo(self, *others, **more):
        """For the user "chappe" over TCP; `others` are further servers."""
        servers = [self, *others]
        words = {"host": ",".join("127.0.0.1" for _ in servers),
                 "port": ",".join(str(server.port) for server in servers),
                 "dbname": "chappe", "user": "chappe", "password": PASSWORD,
                 **more}
        quoted = {key: str(value).replace("\\", "\\\\").replace("'", "\\'")
                  for key, value in words.items()}
        return " ".join(f"{key}='{value}'" for key, value in quoted.items())

    def uri(self):
        """The same as a URI."""
        return (f"postgresql://chappe:{urllib.parse.quote(PASSWORD)}"
                f"@127.0.0.1:{self.port}/chappe")

    def psql(self, *words, user="postgres", database="postgres"):
        return [str(word) for word in (
            self.bin / "psql", "-X", "-q", "-A", "-t", "-v",
            "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port, "-U",
            user, "-d", database, *words)]

    def sql(self, text, **who):
        """What a statement of the administrator's prints."""
        done = subprocess.run(self.psql("-c", text, **who),
                              capture_output=True, text=True, check=False,
                              timeout=60)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout.strip()

    def ours(self, text):
        """The same in the database of the server."""
        return self.sql(text, user="chappe", database="chappe")

    def session(self, text):
        """A session that runs `text` and then stays as it is, until it is
        killed: for locks. Returns when the statements were run."""
        process = subprocess.Popen(
            self.psql(user="chappe", database="chappe"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write(text + ";\n\\echo done\n")
        process.stdin.flush()
        while process.stdout.readline() not in ("done\n", ""):
            pass
        return process


class Pgbouncer(AsOrdinaryUser):
    """A pooler in front of a server, one session per transaction; without
    `reset` it hands sessions on as they are."""

    def __init__(self, server, pool=2, reset=True):
        super().__init__("chappe-pgb-")
        self.server = server
        self.port = free_port()
        self.process = None
        secret = PASSWORD.replace('"', '""')
        users = self.folder / "users"
        users.write_text(f'"chappe" "{secret}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\nchappe = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {pool}\n"
            "server_reset_query = DISCARD ALL\n"
            f"server_reset_query_always = {int(reset)}\n")
        self.pool = pool

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.close()

    def start(self):
        self.process = self.popen("/usr/sbin/pgbouncer",
                                  self.folder / "pgbouncer.ini")
        wait_for(lambda: f":{self.port}" in self.log(), 10,
                 "pgbouncer listens")
        time.sleep(0.1)
        assert self.process.poll() is None, self.log()

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)

    def conninfo(self, **more):
        return self.server.conninfo(port=self.port, **more)

    def spoil(self, statement):
        """Runs it in every session, each held by a transaction until all
        have it."""
        command = [self.server.bin / "psql", "-X", "-q", "-v",
                   "ON_ERROR_STOP=1", "-d", self.conninfo()]
        strangers = []
        for _ in range(self.pool):
            stranger = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
            stranger.stdin.write(f"BEGIN;\n{statement};\n\\echo done\n")
            stranger.stdin.flush()
            assert stranger.stdout.readline() == "done\n"
            strangers.append(stranger)
        for stranger in strangers:
            stranger.communicate("COMMIT;\n", timeout=20)
            assert stranger.returncode == 0


def main():
    """Runs a command with CHAPPE_TEST_POSTGRES set to a fresh server."""
    import sys
    with Postgres() as server:
        env = {**os.environ, "CHAPPE_TEST_POSTGRES": server.conninfo(),
               "CHAPPE_TEST_PSQL": str(server.bin / "psql")}
        sys.exit(subprocess.run(sys.argv[1:], env=env, check=False).returncode)


if __name__ == "__main__":
    main()
