#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Replays every example of docs/link.md against a real chappe-router.

The blocks "```link NAME" are one run, from the first to the last: lines with
"C:" are sent on the connection of NAME, those with "S:" are awaited there, as
the next top-level element. What is compared is canonical XML.

Environment: CHAPPE_BUILD, the build tree with the program.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
import xml.parsers.expat
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
SECONDS = 10
EPOCH = "0123456789abcdef"
SECRET = "link-doc-secret"
HEADER = ("<stream:stream xmlns='jabber:component:accept' "
          "xmlns:stream='http://etherx.jabber.org/streams' "
          "xmlns:link='urn:chappe:link:0'>")
ROLES = "sm-", "c2s-", "admin-"
CONFIG = """
router "router" {{ listen = {{ "unix:{dir}/sock" }} }}
link "sm-*" {{
    kind = sm
    names = {{ "example.org" }}
    secret-file = "{dir}/secret"
}}
link "c2s-*" {{ kind = c2s  secret-file = "{dir}/secret" }}
link "admin-*" {{ kind = admin  secret-file = "{dir}/secret" }}
link "irc.example.org" {{ kind = component  secret-file = "{dir}/secret" }}
"""


class Failure(Exception):
    pass


def canonical(text):
    """The same for all spellings of one element under our stream header."""
    try:
        return ET.canonicalize(HEADER + text + "</stream:stream>")
    except ET.ParseError as error:
        raise Failure(f"not well-formed ({error}): {text}")


class Link:
    """A connection to the router, cut into top-level elements."""

    def __init__(self, path, name):
        self.name = name
        self.id = None
        self.digest = None
        self.raw = b""
        self.depth = 0
        self.start = 0
        self.pieces = []  # header, then elements
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(path)
        self.parser = xml.parsers.expat.ParserCreate()
        self.parser.StartElementHandler = self.on_start
        self.parser.EndElementHandler = self.on_end

    def on_start(self, name, attributes):
        if self.depth == 0:
            self.start = self.parser.CurrentByteIndex
            self.id = attributes.get("id")
            digest = hashlib.sha1((str(self.id) + SECRET).encode())
            self.digest = digest.hexdigest()
            self.pieces.append(None)
        elif self.depth == 1:
            self.start = self.parser.CurrentByteIndex
        self.depth += 1

    def on_end(self, name):
        self.depth -= 1
        if self.depth != 1:
            return
        # Of "</a>" expat tells the start, of "<a/>" the end.
        end = self.parser.CurrentByteIndex
        if self.raw.startswith(b"</", end):
            end = self.raw.index(b">", end) + 1
        self.pieces.append(self.raw[self.start:end].decode())

    def fill_in(self, text):
        for word, value in (("DIGEST", self.digest), ("EPOCH", EPOCH),
                            ("ID", self.id)):
            text = re.sub(rf"(?<=['>]){word}(?=['<])", str(value), text)
        return text

    def send(self, text):
        self.socket.sendall(self.fill_in(text).encode())

    def next_piece(self):
        while not self.pieces:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise Failure(f"nothing came in {SECONDS} s")
            if not data:
                raise Failure("the router closed the connection")
            self.raw += data
            self.parser.Parse(data)
        piece = self.pieces.pop(0)
        if piece is None:
            end = self.raw.index(b">", self.start) + 1
            return self.raw[self.start:end].decode()
        return piece

    def expect(self, text):
        piece = self.next_piece()
        wanted = self.fill_in(text)
        if text.startswith("<stream:stream"):
            same = (ET.canonicalize(piece + "</stream:stream>") ==
                    ET.canonicalize(wanted + "</stream:stream>"))
        else:
            same = canonical(piece) == canonical(wanted)
        if not same:
            raise Failure(f"expected {wanted} got {piece}")


def read_examples(text):
    """(name, line number, lines) of each block."""
    examples = []
    name = None
    for number, line in enumerate(text.splitlines(), 1):
        if name is None and line.startswith("```link "):
            name = line.split()[1]
            examples.append((name, number, []))
        elif line.startswith("```"):
            name = None
        elif name is not None:
            side, _, rest = line.partition(": ")
            if side not in ("C", "S"):
                raise SystemExit(f"docs/link.md:{number}: no C: or S:")
            examples[-1][2].append((side, rest))
    return examples


def say_hello(link):
    """Handshake and role of a link that the page does not show in full."""
    link.send(HEADER[:-1] + f" to='{link.name}'>")
    link.next_piece()
    link.send("<handshake>DIGEST</handshake>")
    link.expect("<handshake/>")
    if link.name.startswith(ROLES):
        link.send("<link:role epoch='EPOCH' version='1'/>")
        link.expect("<link:welcome router='router' version='1'/>")


def replay(examples, path):
    links = {}
    failed = 0
    for name, number, lines in examples:
        title = f"line {number} ({name})"
        try:
            if name not in links:
                links[name] = Link(path, name)
                if not lines[0][1].startswith("<stream:stream"):
                    say_hello(links[name])
            for side, text in lines:
                if side == "C":
                    links[name].send(text)
                else:
                    links[name].expect(text)
            print(f"PASS {title}")
        except (Failure, OSError, xml.parsers.expat.ExpatError) as error:
            failed += 1
            print(f"FAIL {title}: {error}")
    return failed


def start_router(program, directory):
    (directory / "secret").write_text(SECRET + "\n")
    (directory / "secret").chmod(0o600)
    (directory / "conf").write_text(CONFIG.format(dir=directory))
    log = open(directory / "log", "wb")
    router = subprocess.Popen([program, "-n", "router", "-c",
                               directory / "conf"], stdin=subprocess.DEVNULL,
                              stdout=log, stderr=log)
    deadline = time.monotonic() + SECONDS
    while not (directory / "sock").exists():
        if router.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return router


def main():
    program = Path(os.environ["CHAPPE_BUILD"]) / "chappe-router"
    examples = read_examples((SOURCE / "docs/link.md").read_text())
    if not examples:
        sys.exit("FAIL docs/link.md: no examples")
    with tempfile.TemporaryDirectory(prefix="chappe-link-doc-") as name:
        directory = Path(name)
        router = start_router(program, directory)
        failed = replay(examples, str(directory / "sock"))
        router.terminate()
        try:
            code = router.wait(SECONDS)
        except subprocess.TimeoutExpired:
            router.kill()
            code = "that of a kill"
        if code == 0:
            print("PASS the router stops")
        else:
            failed += 1
            print(f"FAIL the router stops: exit code {code}")
        if failed:
            sys.stderr.write((directory / "log").read_text())
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
