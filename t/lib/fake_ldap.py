# SPDX-License-Identifier: Apache-2.0
"""A directory that only searches, for what slapd does not do: Active
Directory's ranges of values. Everything is answered by a function of base,
scope and attributes that gives entries: (DN, {attribute: [values]})."""

import socketserver
import threading


def ber(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def text(value, tag=0x04):
    return ber(tag, value if isinstance(value, bytes) else value.encode())


def number(value, tag=0x02):
    return ber(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def read(data):
    """The elements in these bytes: (tag, content)."""
    while data:
        tag, size, at = data[0], data[1], 2
        if size & 0x80:
            at += size & 0x7f
            size = int.from_bytes(data[2:at], "big")
        yield tag, data[at:at + size]
        data = data[at + size:]


RESULT = number(0, 0x0a) + text("") + text("")


class Handler(socketserver.StreamRequestHandler):
    def message(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(self.rfile.read(size & 0x7f), "big")
        return list(read(self.rfile.read(size)))

    def reply(self, number_of_request, tag, content):
        self.wfile.write(ber(0x30, ber(0x02, number_of_request)
                             + ber(tag, content)))

    def handle(self):
        while message := self.message():
            (_, request), (tag, content) = message[:2]
            if tag == 0x60:
                self.reply(request, 0x61, RESULT)
            elif tag == 0x63:
                fields = list(read(content))
                attributes = [a.decode() for _, a in read(fields[7][1])]
                for dn, values in self.server.search(
                        fields[0][1].decode(), fields[1][1][0], attributes):
                    self.reply(request, 0x64, text(dn) + ber(0x30, b"".join(
                        ber(0x30, text(name) + ber(0x31, b"".join(
                            text(v) for v in those)))
                        for name, those in values.items())))
                self.reply(request, 0x65, RESULT)


class FakeLdap(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, search):
        super().__init__(("127.0.0.1", 0), Handler)
        self.search = search
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
