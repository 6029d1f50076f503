# SPDX-License-Identifier: Apache-2.0
"""What a packager does: an archive of the sources, built outside of its tree,
installed into a folder of its own."""

import os
import re
import subprocess

import pytest

from chappe import BUILD


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                          timeout=900, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`make dist`, unpacked read-only, configured elsewhere, installed."""
    folder = tmp_path_factory.mktemp("install")
    run("make", "-s", "-C", str(BUILD), "dist", "distdir=chappe-dist",
        cwd=folder)
    archive = BUILD / "chappe-dist.tar.xz"
    run("tar", "xf", archive, cwd=folder)
    archive.unlink()
    run("chmod", "-R", "a-w", "chappe-dist", cwd=folder)
    build = folder / "build"
    build.mkdir()
    run("../chappe-dist/configure", "--quiet", "--prefix=/usr",
        "--sysconfdir=/etc", "--localstatedir=/var", cwd=build)
    run("make", "-s", f"-j{os.cpu_count()}", cwd=build)
    run("make", "-s", "install", f"DESTDIR={folder}/root", cwd=build)
    yield folder / "root"
    run("chmod", "-R", "u+w", "chappe-dist", cwd=folder)


@pytest.mark.parametrize("path", [
    "usr/sbin/chappe-router", "usr/sbin/chappe-c2s", "usr/sbin/chappe-sm",
    "usr/sbin/chappe-db", "usr/share/man/man8/chappe-db.8",
    "usr/bin/chappectl", "usr/share/man/man8/chappectl.8",
    "usr/share/man/man5/chappe.conf.5",
    "usr/lib/systemd/system/chappe-c2s@.service",
    "usr/lib/systemd/system/chappe-router.service",
    "usr/share/doc/chappe/examples/chappe.conf",
    "usr/include/chappe/storage/driver.h",
])
def test_it_is_installed(installed, path):
    assert (installed / path).stat().st_size > 0


def test_the_init_script_can_be_run(installed):
    script = installed / "usr/share/doc/chappe/examples/chappe"
    assert script.stat().st_mode & 0o777 == 0o755


def test_texts_find_each_other(installed):
    folder = installed / "usr/share/doc/chappe"
    for text in [*folder.glob("*.md"), *folder.glob("docs/*.md")]:
        for name in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text.read_text()):
            assert (text.parent / name).exists(), (text.name, name)


def test_the_example_configuration_is_correct(installed):
    conf = installed / "usr/share/doc/chappe/examples/chappe.conf"
    text = conf.read_text()
    assert "@" not in "".join(line for line in text.splitlines()
                              if not line.lstrip().startswith("#")
                              and "mailto:" not in line)
    done = run(str(installed / "usr/bin/chappectl"), "-c", str(conf),
               "config", "check", str(conf), cwd="/")
    assert "correct" in done


def test_programs_are_hardened(installed):
    for name in ("chappe-router", "chappe-c2s", "chappe-sm"):
        text = run("readelf", "-hdlW", installed / "usr/sbin" / name, cwd="/")
        assert "DYN (Position-Independent Executable" in text
        assert "GNU_RELRO" in text and "NOW" in text
