#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every kind of test and counts them: the second half of ./check.

Environment: CHAPPE_SOURCE and CHAPPE_BUILD, the two trees.
Usage: t/run.py [WORD...]   only tests whose names contain one of the words
"""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(os.environ["CHAPPE_SOURCE"])
sys.path.insert(0, str(SOURCE / "t/lib"))
BUILD = Path(os.environ["CHAPPE_BUILD"])
PYTHON = "/usr/bin/python3"
UNIT_SECONDS = 300
E2E_SECONDS = 3000


class Results:
    """What was run: names by outcome."""

    def __init__(self, words):
        self.words = words
        self.passed, self.failed, self.skipped = [], [], []

    def wanted(self, name):
        return not self.words or any(word in name for word in self.words)

    def add(self, name, ok, detail=""):
        if not self.wanted(name):
            return
        (self.passed if ok else self.failed).append(name)
        if not ok:
            print(f"FAIL {name}")
            if detail:
                print("    " + detail.strip().replace("\n", "\n    "))
            sys.stdout.flush()


def sanitizer_environment():
    env = dict(os.environ)
    # Leaks count; a finding ends the program with a code of its own.
    env["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:abort_on_error=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:exitcode=99"
    env["LSAN_OPTIONS"] = ("print_suppressions=0:suppressions="
                           f"{SOURCE}/t/lib/lsan.supp")
    env["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    env["srcdir"] = str(SOURCE)
    return env


def run(command, seconds, cwd=None, **variables):
    """Output and exit code; a code of -1 for a time-out."""
    try:
        done = subprocess.run(command, cwd=cwd,
                              env={**sanitizer_environment(), **variables},
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds)
        return done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace") + "\ntime-out", -1


def add_tap(results, program, output, code):
    """Lines "ok 1 - name"; a program that ends badly is one failure more."""
    seen = open_defects = 0
    for line in output.splitlines():
        found = re.match(r"\s*(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$",
                         line)
        if not found:
            continue
        seen += 1
        name = f"{program}.{found[2].strip()}"
        if found[3] and "TODO" in found[3] and found[1]:
            # A known defect, not mended yet: said, not counted.
            if results.wanted(name):
                print(f"OPEN {name}{found[3]}")
            open_defects += 1
        elif found[3] and "SKIP" in found[3]:
            if results.wanted(name):
                results.skipped.append(name)
        else:
            results.add(name, not found[1], output[-4000:])
    failures = output.count("not ok ") - open_defects
    if code != 0 and not failures or not seen:
        results.add(program, False, f"exit code {code}\n" + output[-6000:])


def run_unit(results):
    listing, _ = run(["make", "-s", "-C", str(BUILD), "print-tests"], 60)
    programs = [word for word in listing.split() if word.startswith("t/")]
    if not programs:
        results.add("unit", False, "no test programs: " + listing)
    # With words, a program runs if one may be about a test in it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (output, code) in zip(programs, pool.map(
                lambda p: run([str(BUILD / p)], UNIT_SECONDS, BUILD),
                programs)):
            add_tap(results, program[2:], output, code)


def run_postgres(results):
    """The tests of the storage again, with a server of PostgreSQL."""
    programs = ["t/unit/test_storage", "t/unit/test_postgres"]
    if results.words and not any(
            "postgres" in word or any(word in program for program in programs)
            for word in results.words):
        return
    from postgres import Postgres
    with Postgres() as server:
        for program in programs:
            output, code = run([str(BUILD / program)], UNIT_SECONDS, BUILD,
                               CHAPPE_TEST_POSTGRES=server.conninfo())
            add_tap(results, program.replace("t/unit", "postgres"), output,
                    code)


def run_lines(results, name, command):
    """Scripts that print "PASS what" and "FAIL what: why"."""
    output, code = run(command, UNIT_SECONDS, SOURCE)
    seen = 0
    for line in output.splitlines():
        found = re.match(r"(PASS|FAIL) ([^:]+)", line)
        if found:
            seen += 1
            results.add(f"{name}.{found[2]}", found[1] == "PASS", line)
    if not seen or (code != 0 and "FAIL" not in output):
        results.add(name, False, f"exit code {code}\n{output[-4000:]}")


def run_e2e(results):
    report = BUILD / "e2e.xml"
    report.unlink(missing_ok=True)
    # A file is run by one process: its tests may share a server.
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "-n", str(os.cpu_count()), "--dist", "loadfile",
               f"--junitxml={report}", "-o", "junit_family=xunit1",
               "--rootdir", str(SOURCE / "t/e2e"), str(SOURCE / "t/e2e")]
    command += [f"--words={word}" for word in results.words]
    output, code = run(command, E2E_SECONDS, BUILD)
    if not report.exists():
        results.add("e2e", False, f"exit code {code}\n{output[-6000:]}")
        return
    for case in ET.parse(report).iter("testcase"):
        name = f"e2e/{case.get('classname').split('.')[-1]}.{case.get('name')}"
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        if case.find("skipped") is not None:
            results.skipped.append(name)
            continue
        detail = "" if problem is None else (problem.text or "")[-6000:]
        results.add(name, problem is None, detail)
    if code not in (0, 1, 5):
        results.add("e2e", False, f"exit code {code}\n{output[-6000:]}")


def main():
    results = Results(sys.argv[1:])
    started = time.monotonic()
    steps = (
        ("lint", lambda: run_lines(results, "lint",
                                   ["/bin/sh", "t/lint.sh"])),
        ("unit", lambda: run_unit(results)),
        ("postgres", lambda: run_postgres(results)),
        ("link-doc", lambda: run_lines(results, "link-doc",
                                       [PYTHON, "t/link_doc.py"])),
        ("man", lambda: run_lines(results, "man", [PYTHON, "t/man.py"])),
        ("e2e", lambda: run_e2e(results)),
    )
    for name, step in steps:
        before = len(results.passed) + len(results.failed)
        begun = time.monotonic()
        step()
        count = len(results.passed) + len(results.failed) - before
        print(f"{name}: {count} tests in {time.monotonic() - begun:.0f} s")
        sys.stdout.flush()
    if results.words and not (results.passed or results.failed):
        print(f"no test's name contains {' or '.join(results.words)}")
        results.failed.append("nothing")
    for name in results.skipped:
        print(f"SKIP {name}")
    print(f"{time.monotonic() - started:.0f} seconds in all")
    # A skip in CI is a missing installation step: it counts as a failure.
    if os.environ.get("CI") and results.skipped:
        print("skips are failures in CI")
    print(f"{len(results.passed)} passed, {len(results.failed)} failed, "
          f"{len(results.skipped)} skipped")
    bad = results.failed or (os.environ.get("CI") and results.skipped)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
