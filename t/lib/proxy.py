# SPDX-License-Identifier: Apache-2.0
"""A TCP connection with a bad day: what the server says is late, or stops, even
in the middle of a message; or all connections are cut."""

import socket
import threading
import time


class Proxy:
    """Listens on `port`, connects to `target`. `delay`: seconds that each
    answer takes longer. `stop_after`: bytes that each server still says, None
    for all."""

    def __init__(self, target, host="127.0.0.1"):
        self.target = (host, target)
        self.delay = 0
        self.stop_after = None
        self.refuse = False
        self.accepted = 0
        self._pairs = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                self.accepted += 1
                if self.refuse:
                    client.close()
                    continue
                server = socket.create_connection(self.target, 5)
            except OSError:
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append((client, server))
            for source, to, answers in ((client, server, False),
                                        (server, client, True)):
                threading.Thread(target=self._pump, daemon=True,
                                 args=(source, to, answers)).start()

    def _pump(self, source, to, answers):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if answers:
                    if self.delay:
                        time.sleep(self.delay)
                    if self.stop_after is not None:
                        data = data[:self.stop_after]
                        self.stop_after -= len(data)
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends all connections that there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def close(self):
        self._closed = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.cut()
