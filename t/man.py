#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what is written with what is built: the manual pages with option
tables, usage texts and exit codes; docs/admin.md with the events and metrics
in the sources; the files of etc/ with the programs that they are for.

Prints "PASS name" or "FAIL name: why". Environment: CHAPPE_SOURCE,
CHAPPE_BUILD, the two trees.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ.get("CHAPPE_SOURCE",
                             Path(__file__).resolve().parents[1]))
BUILD = Path(os.environ.get("CHAPPE_BUILD", SOURCE / "build/check"))
ROLES = ("router", "c2s", "s2s", "sm")
PAGES = [f"chappe-{role}.8" for role in ROLES] + [
    "chappe-db.8", "chappectl.8", "chappe.conf.5"]
# The tables, and whether their section has the common options.
TABLES = {
    "router": ("router/options.c", "router_rows", True),
    "link": ("router/options.c", "link_rows", False),
    "c2s": ("c2s/options.c", "c2s_rows", True),
    "s2s": ("s2s/options.c", "s2s_rows", True),
    "remote": ("s2s/options.c", "remote_rows", False),
    "sm": ("sm/options.c", "sm_rows", True),
    "storage": ("sm/options.c", "storage_rows", False),
    "ldap": ("storage/ldap_options.c", "ldap_rows", False),
    "pipe": ("storage/pipe_options.c", "pipe_rows", False),
    "access": ("util/role/access_options.c", "access_rows", False),
    "domain": ("util/role/domain_options.c", "domain_rows", False),
    "chappectl": ("ctl/options.c", "options", True),
}
COMMON = "options of every role"
TYPES = {"STRING": "text", "CHOICE": "text", "LIST": "list",
         "BOOL": "yes or no", "NUMBER": "number", "SIZE": "size",
         "DURATION": "duration"}
UNITS = {
    "size": [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)],
    "duration": [("d", 86400000), ("h", 3600000), ("m", 60000),
                 ("s", 1000), ("ms", 1)],
    "number": [("", 1)],
}
failures = 0


def report(name, problems):
    global failures
    if problems:
        failures += 1
        print(f"FAIL {name}: {'; '.join(map(str, problems))}")
    else:
        print(f"PASS {name}")


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, **options)


def differences(what, written, true):
    """Sentences about two dicts."""
    found = [f"{what} {name} is not documented"
             for name in true if name not in written]
    found += [f"{what} {name} is documented, but does not exist"
              for name in written if name not in true]
    found += [f"{what} {name} is '{true[name]}', documented as "
              f"'{written[name]}'" for name in true
              if name in written and written[name] != true[name]]
    return found


# -- options ------------------------------------------------------------------


def in_units(kind, value):
    for name, factor in UNITS[kind]:
        if value % factor == 0 and value >= factor:
            # As people write it: 10000, not a fraction of K.
            return f"{value // factor}{name}"
    return "0"


def integer(expression):
    plain = re.sub(r"(?<=[0-9])[UL]+\b", "", expression)
    if not re.fullmatch(r"[0-9()*+ <-]+", plain):
        raise ValueError(f"no number: {expression}")
    return eval(plain)  # pylint: disable=eval-used


def described(field):
    """The text that the page has in parentheses for an option."""
    kind = TYPES[field["type"][len("OPTION_"):]]
    default = field.get("fallback", "NULL")
    default = "" if default in ("NULL", "((void *)0)") else \
        "".join(re.findall(r'"([^"]*)"', default))
    if not default:
        default = "empty" if kind == "list" else "none"
    text = f"{kind}; default {default}"
    low, high = (integer(field.get(end, "0")) for end in ("min", "max"))
    if kind not in UNITS:
        return text
    if high:
        return f"{text}; {in_units(kind, low)} to {in_units(kind, high)}"
    return f"{text}; at least {in_units(kind, low)}"


def table_of(path, array):
    """Rows of a table as the compiler sees it: {option: description}."""
    done = run("cc", "-E", "-P", "-std=gnu11", "-I", SOURCE, "-I", BUILD,
               '-DLOCALSTATEDIR="/var"', SOURCE / path)
    if done.returncode:
        raise RuntimeError(done.stderr)
    body = re.search(r"struct option " + array + r"\[\] = \{(.*?)\n?\s*\};",
                     done.stdout, re.S)
    rows = {}
    for row in re.findall(r"\{((?:[^{}\"]|\"[^\"]*\")*)\}", body[1]):
        fields = dict(re.findall(
            r"\.(\w+) = ((?:\"[^\"]*\"\s*)+|(?:[^,()]|\([^()]*"
            r"(?:\([^()]*\)[^()]*)*\))+)", row))
        fields = {key: " ".join(value.split())
                  for key, value in fields.items()}
        if fields["name"].startswith('"'):
            rows[fields["name"].strip('"')] = described(fields)
    return rows


def documented_options():
    """{section: {option: description}} of chappe.conf(5)."""
    sections, current, waiting = {}, None, []
    for line in (SOURCE / "man/chappe.conf.5").read_text().splitlines():
        heading = re.match(r"\.Sh (.*)", line)
        item = re.match(r"\.It Cm (\S+) Pq (.*)", line)
        if heading:
            current = heading[1].lower()
        elif item:
            sections.setdefault(current, {})[item[1]] = item[2]
    return sections


def check_options():
    written = documented_options()
    common = written.pop(COMMON, {})
    for section, (path, array, has_common) in TABLES.items():
        true = table_of(path, array)
        if not true:
            report(f"options-of-{section}", [f"{path} has no rows"])
            continue
        here = written.pop(section, {})
        problems = []
        if has_common:
            twice = set(here) & set(common)
            problems += [f"option {name} is documented twice"
                         for name in sorted(twice)]
            here = {**common, **here}
        report(f"options-of-{section}",
               problems + differences("option", here, true))
    report("no-other-sections", sorted(written))


# -- pages --------------------------------------------------------------------


def page(name):
    return (SOURCE / "man" / name).read_text()


def check_lint():
    for name in PAGES:
        done = run("mandoc", "-T", "lint", "-W", "warning",
                   SOURCE / "man" / name)
        report(f"mandoc-{name}", done.stdout.splitlines() or
               ([done.stderr] if done.returncode else []))


def exit_codes(name):
    found = re.search(r"\.Sh EXIT STATUS\n(.*?)\n\.Sh ", page(name), re.S)
    return {int(code) for code in re.findall(r"\.It (\d+)", found[1])}


def check_exit_codes():
    for role in ROLES:
        codes = exit_codes(f"chappe-{role}.8")
        report(f"exit-codes-{role}", [] if codes == {0, 1, 2} else
               [f"documented are {sorted(codes)}"])
    for program, header, prefix in (("chappectl", "ctl/ctl.h", "CTL"),
                                    ("chappe-db", "db/db.h", "DB")):
        text = (SOURCE / header).read_text()
        true = {int(code)
                for code in re.findall(prefix + r"_[A-Z_]+ = (\d+)", text)}
        written = exit_codes(f"{program}.8")
        report(f"exit-codes-{program}", [] if true and written == true else
               [f"documented are {sorted(written)}, true are {sorted(true)}"])


def flags_of_page(name):
    """-c and --json, as the page writes them in its list of options."""
    text = re.search(r"\.Sh DESCRIPTION\n(.*)", page(name), re.S)[1]
    flags = set()
    for item in re.findall(r"\.It (Fl .*)", text):
        flags |= {"-" + word
                  for word in re.findall(r"Fl (-?[A-Za-z][a-z-]*)", item)}
    return flags


def check_flags():
    for role in ROLES + ("ctl", "db"):
        name = "chappectl" if role == "ctl" else f"chappe-{role}"
        done = run(BUILD / name, "-h")
        true = set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*",
                              re.sub(r".*?\n", "", done.stdout, count=1)))
        written = flags_of_page(f"{name}.8")
        problems = [f"{flag} is not documented"
                    for flag in sorted(true - written)]
        problems += [f"{flag} is documented, but refused"
                     for flag in sorted(written - true)
                     if re.search("(invalid|unknown|no) option",
                                  run(BUILD / name, flag).stderr)]
        if done.returncode or not true:
            problems.append(f"-h: code {done.returncode}, {done.stderr}")
        report(f"flags-{name}", problems)


def arguments_of(words):
    """mdoc's "Op Ar domain" as the usage text has it: "[DOMAIN]"."""
    out, optional, after = [], False, False
    for word in words:
        if word == "Op":
            optional = True
        elif word == "Ar":
            after = True
        elif word == "...":
            out[-1] = out[-1].replace("]", "") + "..." + \
                ("]" if out[-1].endswith("]") else "")
        elif after:
            out.append(f"[{word.upper()}]" if optional else word.upper())
    return " ".join(out)


def check_commands():
    written = {}
    for item in re.findall(r"\.It Cm (.*)", page("chappectl.8")):
        words = item.split()
        split = next((i for i, word in enumerate(words)
                      if word in ("Ar", "Op")), len(words))
        written[" ".join(words[:split])] = arguments_of(words[split:])
    true = {}
    for line in run(BUILD / "chappectl", "-h").stdout.splitlines():
        found = re.match(r"  ([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*)"
                         r"((?: \[?[A-Z@.\]]+)*)\s{2,}\S", line)
        if found:
            true[found[1]] = found[2].strip()
    report("commands-chappectl", differences("command", written, true)
           if true else ["chappectl -h lists no commands"])


# -- docs/admin.md ------------------------------------------------------------


def sources():
    for folder in ROLES + ("util", "storage"):
        for path in sorted((SOURCE / folder).rglob("*.c")):
            yield path.read_text()


def table_column(text, heading):
    """What stands in backquotes in the first column of tables below."""
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    names = set()
    for row in re.findall(r"^\| (.*?) \|", part[1] if part else "", re.M):
        names.update(re.findall(r"`([^`]+)`", row))
    return names


def check_docs():
    code = "\n".join(sources())
    text = (SOURCE / "docs/admin.md").read_text()
    events = set(re.findall(r"log_(?:error|warning|notice|info|debug)\("
                            r"[^,\"]+,\s*\"([a-z0-9.-]+)\"", code))
    written = table_column(text, "Logs")
    # Some events reach the log through a function with a name argument.
    report("docs-events",
           [f"{name} is not documented" for name in sorted(events - written)]
           + [f"{name} is documented, but not logged"
              for name in sorted(written) if f'"{name}"' not in code])
    metrics = set(re.findall(
        r'"(chappe_[a-z0-9_]*[a-z0-9]|process_[a-z0-9_]+)"', code))
    written = table_column(text, "Metrics")
    report("docs-metrics",
           [f"{name} is not documented" for name in sorted(metrics - written)]
           + [f"{name} is documented, but not written"
              for name in sorted(written - metrics)])


def check_links():
    """Files and functions that the texts name exist."""
    problems = []
    code = "\n".join(path.read_text() for pattern in ("*.c", "*.h")
                     for path in SOURCE.rglob(pattern))
    for path in [*SOURCE.glob("*.md"), *SOURCE.glob("docs/*.md")]:
        text = path.read_text()
        named = set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text))
        problems += [f"{path.name}: {name}" for name in sorted(named)
                     if not (path.parent / name).exists()]
        named = set(re.findall(
            r"`((?:util|router|c2s|s2s|sm|storage|ctl|db|etc|man|docs|t)/"
            r"[A-Za-z0-9_/.@-]*[A-Za-z0-9/])`", text))
        problems += [f"{path.name}: {name}" for name in sorted(named)
                     if not (SOURCE / name).exists()
                     and not (SOURCE / (name + ".in")).exists()]
        # HACKING has names that only show how names are made.
        named = set(re.findall(r"`([a-z][a-z0-9_]*)\(\)`", text)) \
            if path.name != "HACKING.md" else set()
        problems += [f"{path.name}: {name}()" for name in sorted(named)
                     if not re.search(rf"\b{name}\(", code)]
    report("docs-files", problems)


# -- etc ----------------------------------------------------------------------


def check_conf():
    conf = BUILD / "etc/chappe.conf"
    done = run(BUILD / "chappectl", "-c", conf, "config", "check")
    report("etc.conf-check", [done.stderr] if done.returncode else [])
    for role, instance in (("router", "router"), ("c2s", "c2s-1"), ("s2s", "s2s-1"),
                           ("sm", "sm-1")):
        program = BUILD / f"chappe-{role}"
        done = run(program, "-c", conf, "-n", instance, "-t")
        report(f"etc.conf-{role}", [done.stderr] if done.returncode else [])
        done = run(program, "-c", conf, "-n", instance, "--dump")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as dumped:
            dumped.write(done.stdout)
            dumped.flush()
            again = run(program, "-c", dumped.name, "-n", instance, "--dump")
        report(f"etc.dump-{role}", [] if done.stdout and
               again.stdout == done.stdout else
               [again.stderr or "--dump reads back as something else"])


def check_examples():
    """Those of chappe.conf(5)."""
    problems = []
    domain = 'domain "x.example" { certificate = "/c/c"  key = "/c/k" }\n'
    storage = 'storage "main" { driver = memory }\n'
    for text in re.findall(r"\.Bd -literal.*?\n(.*?)\.Ed",
                           page("chappe.conf.5"), re.S):
        # Some show a section alone, that needs others.
        if not re.search("^domain ", text, re.M):
            text += domain
        if not re.search("^storage ", text, re.M):
            text += storage
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as example:
            example.write(text.replace("\\e", "\\"))
            example.flush()
            done = run(BUILD / "chappectl", "-c", example.name, "config",
                       "check")
        problems += [done.stderr] if done.returncode else []
    report("examples-chappe.conf.5", problems)


def check_rules():
    """Those of docs/federation.md, each alone and all together."""
    text = (SOURCE / "docs/federation.md").read_text()
    examples = re.findall(r"```conf\n(.*?)```", text, re.S)
    problems = [] if examples else ["there are none"]
    for number, example in enumerate(examples + ["".join(examples)]):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write((BUILD / "etc/chappe.conf").read_text() + example)
            conf.flush()
            done = run(BUILD / "chappectl", "-c", conf.name, "config",
                       "check")
        problems += ([f"{number}: {done.stderr}"] if done.returncode else [])
    report("examples-federation", problems)


def check_units():
    users = dict.fromkeys(re.findall(
        r"^u (\S+)", (SOURCE / "etc/systemd/sysusers.conf").read_text(), re.M))
    for unit in sorted((BUILD / "etc/systemd").glob("*.service")):
        lines = unit.read_text().splitlines()
        keys = dict(line.split("=", 1) for line in lines if "=" in line)
        command = keys.get("ExecStart", "").split()
        role = unit.name.split("-")[1].split("@")[0].split(".")[0]
        problems = []
        if not command or not command[0].endswith(f"/chappe-{role}"):
            problems.append("ExecStart is not of this role")
        if keys.get("User") not in users:
            problems.append("its User is not in sysusers.conf")
        if keys.get("Type") != "notify":
            problems.append("its Type is not notify")
        text = "\n".join(lines)
        if re.search(r"@[a-z]+dir@", text):
            problems.append("a path was not filled in")
        for page_name in re.findall(r"man:(\S+?)\(", text):
            if not list((SOURCE / "man").glob(page_name + ".[58]")):
                problems.append(f"there is no page {page_name}")
        report(f"etc.unit-{role}", problems)


def check_init():
    script = BUILD / "etc/init.d/chappe"
    problems = []
    for command in (("dash", "-n", script), ("sh", script, "nonsense")):
        done = run(*command)
        if done.returncode != (2 if "nonsense" in command else 0):
            problems.append(f"{command[0]}: {done.stderr}")
    report("etc.init-script", problems)


def main():
    checks = (check_options, check_lint, check_exit_codes, check_flags,
              check_commands, check_docs, check_links, check_examples,
              check_rules,
              check_conf, check_units, check_init)
    for check in checks:
        try:
            check()
        except (OSError, RuntimeError, ValueError, TypeError, KeyError,
                IndexError, subprocess.SubprocessError) as problem:
            report(check.__name__.replace("_", "-"),
                   [f"{type(problem).__name__}: {problem}"])
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
