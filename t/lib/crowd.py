# SPDX-License-Identifier: Apache-2.0
"""A crowd of clients that talk in pairs while the server is maltreated, and a
ledger of what each sent, was acknowledged, and received. They use stream
management (XEP-0198) where it is offered, come back at once when they are
disconnected, and resume.

What the ledger demands is in Ledger.problems().
"""

import asyncio
import base64
import collections
import hashlib
import hmac
import random
import re
import secrets
import ssl
import threading
import time
import xml.etree.ElementTree as ET

from chappe import PASSWORD
from net import enter

CLIENT = "{jabber:client}"
STREAM = "{http://etherx.jabber.org/streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SM_NS = "urn:xmpp:sm:3"
SM = "{" + SM_NS + "}"
STANZAS = (CLIENT + "message", CLIENT + "presence", CLIENT + "iq")
STEP_SECONDS = 8	# of a negotiation, after which another c2s is tried


class Talk:
    """What one of a pair writes to the other: numbers from 1."""

    def __init__(self):
        self.sent = 0
        self.acknowledged = set()
        self.uncertain = set()	# sent on a session that was then lost
        self.received = []
        self.bounced = []
        self.times = collections.deque(maxlen=4000)  # (sent, received)


class Ledger:
    """All talks, by (sender, receiver), and what befell the clients."""

    def __init__(self):
        self.talks = {}
        self.disconnects = []	# (time, client, why)
        self.resumed = 0
        self.not_resumed = []	# (time, client, why): the session was lost
        self.flaps = []		# (time, client): its partner seemed to go
        self.strange = []

    def acknowledged(self):
        return sum(len(t.acknowledged) for t in self.talks.values())

    def received(self):
        return sum(len(t.received) for t in self.talks.values())

    def problems(self, managed, cut_off=()):
        """What must not be, as sentences; [] when all is well.

        With stream management: what was acknowledged has been received or
        has come back as an error, one of the two and once; in order; also
        what was sent without being acknowledged, unless the session was lost.
        Without: the same for those who were never disconnected; the others,
        `cut_off`, have what TCP gives (order all the same)."""
        found = list(self.strange)
        for (sender, receiver), talk in self.talks.items():
            name = f"{sender} to {receiver}"
            tcp = not managed and {sender, receiver} & set(cut_off)
            got = set(talk.received)
            twice = [n for n, count in
                     collections.Counter(talk.received).items() if count > 1]
            first = list(dict.fromkeys(talk.received))
            if twice and not tcp and receiver not in cut_off:
                found.append(f"{name}: received twice: {twice[:20]}")
            if first != sorted(first):
                wrong = [(a, b) for a, b in zip(first, first[1:]) if b < a]
                found.append(f"{name}: out of order: {wrong[:10]}")
            both = got & set(talk.bounced)
            if both:
                found.append(f"{name}: received and returned: {sorted(both)}")
            lost = (set(range(1, talk.sent + 1)) - got - set(talk.bounced)
                    - (talk.uncertain - talk.acknowledged))
            if lost and not tcp:
                acked = len(lost & talk.acknowledged)
                found.append(f"{name}: lost {sorted(lost)[:20]} of "
                             f"{talk.sent}, {acked} of them acknowledged")
        return found


class Refused(Exception):
    """The server does not let us in now; another try may be worth it."""




class Client:
    """One account with one session, from its log-in to the end."""

    def __init__(self, crowd, name, partner, start):
        self.crowd = crowd
        self.ledger = crowd.ledger
        self.name, self.partner = name, partner
        self.jid = f"{name}@{crowd.domain}"
        self.partner_jid = f"{partner}@{crowd.domain}"
        self.out = crowd.ledger.talks.setdefault((name, partner), Talk())
        self.at = start		# index of the c2s that it is, or goes, to
        self.writer = None
        self.online = False
        self.managed = False
        self.resume_id = None
        self.unacknowledged = collections.deque()  # (text, number or None)
        self.h_in = 0
        self.asked = 0.0
        self.salted = {}
        self.ever = False	# was online once
        self.sees_partner = False  # its presence

    @property
    def address(self):
        return self.crowd.addresses[self.at % len(self.crowd.addresses)]

    # -- bytes -------------------------------------------------------------

    async def _connect(self):
        self.reader, self.writer = await asyncio.open_connection(
            self.address, self.crowd.port, ssl=self.crowd.tls,
            server_hostname=self.crowd.domain)
        self.writer.transport.set_write_buffer_limits(high=1 << 22)

    def _open(self):
        self.parser = ET.XMLPullParser(["start", "end"])
        self.depth, self.root, self.ready = 0, None, collections.deque()
        self._write("<?xml version='1.0'?><stream:stream xmlns='jabber:client'"
                    " xmlns:stream='http://etherx.jabber.org/streams' "
                    f"to='{self.crowd.domain}' version='1.0'>")

    def _write(self, text):
        self.writer.write(text.encode())

    async def _next(self):
        while not self.ready:
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionError("closed")
            self.parser.feed(data)
            for event, element in self.parser.read_events():
                if event == "start":
                    self.depth += 1
                    if self.depth == 1:
                        self.root = element
                    continue
                self.depth -= 1
                if self.depth == 1:
                    self.ready.append(element)
                    self.root.clear()
                elif self.depth == 0:
                    self.ready.append(element)
        element = self.ready.popleft()
        if element.tag == STREAM + "error":
            raise ConnectionError("stream error " + element[0].tag)
        if element.tag == STREAM + "stream":
            raise ConnectionError("</stream:stream>")
        return element

    # -- negotiation -------------------------------------------------------

    async def _scram(self):
        """SCRAM-SHA-256 without channel binding (RFC 7677)."""
        first = f"n={self.name},r={secrets.token_hex(9)}"
        self._write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                    "mechanism='SCRAM-SHA-256'>"
                    f"{base64.b64encode(b'n,,' + first.encode()).decode()}"
                    "</auth>")
        challenge = await self._next()
        if challenge.tag != SASL + "challenge":
            raise Refused(challenge[0].tag)
        server_first = base64.b64decode(challenge.text).decode()
        fields = dict(f.split("=", 1) for f in server_first.split(","))
        key = fields["s"], fields["i"]
        if key not in self.salted:
            self.salted = {key: hashlib.pbkdf2_hmac(
                "sha256", PASSWORD.encode(), base64.b64decode(fields["s"]),
                int(fields["i"]))}
        mac = hmac.digest(self.salted[key], b"Client Key", "sha256")
        final = f"c=biws,r={fields['r']}"
        proof = hmac.digest(hashlib.sha256(mac).digest(),
                            f"{first},{server_first},{final}".encode(),
                            "sha256")
        proof = bytes(a ^ b for a, b in zip(mac, proof))
        final += ",p=" + base64.b64encode(proof).decode()
        self._write("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                    f"{base64.b64encode(final.encode()).decode()}</response>")
        answer = await self._next()
        if answer.tag != SASL + "success":
            raise Refused(answer[0].tag)

    async def _negotiate(self):
        await self._connect()
        self._open()
        await self._next()
        await self._scram()
        self._open()
        features = await self._next()
        self.managed = (self.crowd.manage
                        and features.find(SM + "sm") is not None)
        if self.resume_id and await self._resume():
            return
        await self._bind()

    async def _resume(self):
        self._write(f"<resume xmlns='{SM_NS}' h='{self.h_in}' "
                    f"previd='{self.resume_id}'/>")
        answer = await self._next()
        if answer.tag == SM + "resumed":
            self._acknowledge(int(answer.get("h")))
            for text, _ in self.unacknowledged:
                self._write(text)
            self.ledger.resumed += 1
            return True
        if answer.get("h"):
            self._acknowledge(int(answer.get("h")))
        why = answer[0].tag.split("}")[1] if len(answer) else "?"
        if "unavailable" in why or why in ("internal-server-error",
                                           "resource-constraint", "wait"):
            raise Refused(why)	# temporary: the session may yet be there
        self._lose_session(why)
        return False

    def _lose_session(self, why):
        self.ledger.not_resumed.append((time.monotonic(), self.name, why))
        self.resume_id = None
        self._forget()

    def _forget(self):
        self.out.uncertain.update(n for _, n in self.unacknowledged
                                  if n is not None)
        self.unacknowledged.clear()

    async def _bind(self):
        self._forget()
        self._write("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:"
                    "ns:xmpp-bind'><resource>r</resource></bind></iq>")
        answer = await self._next()
        if answer.get("type") != "result":
            raise Refused("bind: " + ET.tostring(answer).decode()[-200:])
        self.h_in = self.acknowledged_out = 0
        if self.managed:
            self._write(f"<enable xmlns='{SM_NS}' resume='true'/>")
            answer = await self._next()
            while answer.tag != SM + "enabled":
                if answer.tag in STANZAS:
                    raise Refused("a stanza before <enabled/>")
                raise Refused("enable: " + ET.tostring(answer).decode())
            self.resume_id = answer.get("id")
        self._stanza("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/>"
                     "</iq>")
        self._stanza("<presence/>")
        if not self.ever:
            self._stanza(f"<presence to='{self.partner_jid}' "
                         "type='subscribe'/>")

    # -- stanzas -----------------------------------------------------------

    def _stanza(self, text, number=None):
        if self.managed:
            self.unacknowledged.append((text, number))
        self._write(text)

    def _acknowledge(self, h):
        count = (h - self.acknowledged_out) % (1 << 32)
        if count > len(self.unacknowledged):
            self.ledger.strange.append(
                f"{self.name}: {count} stanzas acknowledged, "
                f"{len(self.unacknowledged)} sent")
            count = len(self.unacknowledged)
        self.acknowledged_out = h
        for _ in range(count):
            _, number = self.unacknowledged.popleft()
            if number is not None:
                self.out.acknowledged.add(number)

    def say(self):
        """The next line to the partner."""
        self.out.sent += 1
        number = self.out.sent
        self._stanza(
            f"<message to='{self.partner_jid}' type='chat' id='{number}'>"
            f"<body>{number} {time.monotonic():.6f} some words</body>"
            "</message>", number)
        if self.managed and time.monotonic() - self.asked > 0.2:
            self.ask()

    def ask(self):
        if self.managed and self.online:
            self.asked = time.monotonic()
            self._write(f"<r xmlns='{SM_NS}'/>")

    def _take(self, element):
        if element.tag == SM + "r":
            self._write(f"<a xmlns='{SM_NS}' h='{self.h_in}'/>")
        elif element.tag == SM + "a":
            self._acknowledge(int(element.get("h")))
        elif element.tag in STANZAS:
            self.h_in += 1
            if element.tag == CLIENT + "message":
                self._take_message(element)
            elif element.tag == CLIENT + "presence":
                self._take_presence(element)
            elif element.get("type") in ("get", "set"):
                self._stanza(f"<iq type='result' id='{element.get('id')}'/>")

    def _take_message(self, element):
        sender = (element.get("from") or "").split("@")[0]
        body = element.findtext(CLIENT + "body") or ""
        found = re.match(r"(\d+) ([0-9.]+) ", body)
        if sender != self.partner or not found:
            self.ledger.strange.append(
                f"{self.name} got {ET.tostring(element)[:300]}")
            return
        if element.get("type") == "error":
            self.out.bounced.append(int(found[1]))
            return
        talk = self.ledger.talks[(self.partner, self.name)]
        talk.received.append(int(found[1]))
        talk.times.append((float(found[2]), time.monotonic()))

    def _take_presence(self, element):
        sender, kind = element.get("from") or "", element.get("type")
        if not sender.startswith(self.partner_jid):
            return
        if kind == "subscribe":
            self._stanza(f"<presence to='{self.partner_jid}' "
                         "type='subscribed'/>")
        elif kind is None:
            self.sees_partner = True
        elif kind == "unavailable":
            partner = self.crowd.clients[self.partner]
            # What a partner did itself is no flapping.
            if partner.ever and time.monotonic() > partner.settled_at:
                self.ledger.flaps.append((time.monotonic(), self.name))

    # -- the whole life ----------------------------------------------------

    settled_at = float("inf")

    async def run(self):
        while not self.crowd.ending:
            try:
                await asyncio.wait_for(self._negotiate(), STEP_SECONDS)
                self.online = self.ever = True
                self.settled_at = time.monotonic() + 1
                while True:
                    self._take(await self._next())
            except (OSError, Refused, ET.ParseError, ssl.SSLError,
                    asyncio.TimeoutError, asyncio.IncompleteReadError) as why:
                await self._ended(why)

    async def _ended(self, why):
        if self.online and not self.crowd.ending:
            self.ledger.disconnects.append(
                (time.monotonic(), self.name, str(why) or repr(why)))
        elif isinstance(why, Refused):
            self.crowd.refusals[str(why)] += 1
        if not self.managed and not self.resume_id:
            self._forget()
        self.online = False
        self.settled_at = float("inf")
        if self.writer:
            self.writer.transport.abort()
            self.writer = None
        self.at += 1
        await asyncio.sleep(random.uniform(0.1, 0.4))

    def cut(self):
        """As if the client's network went away."""
        if self.writer:
            self.writer.transport.abort()


class Crowd:
    """`count` clients (an even number), u0 with u1, u2 with u3 ..., spread
    over the addresses. `rate` is in messages a second of each client."""

    def __init__(self, addresses, port, domain, count, namespace=None,
                 rate=10, manage=True):
        self.addresses, self.port, self.domain = list(addresses), port, domain
        self.namespace = namespace
        self.rate = rate
        self.manage = manage
        self.ledger = Ledger()
        self.refusals = collections.Counter()
        self.ending = False
        self.talking = threading.Event()
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        self.tls.set_alpn_protocols(["xmpp-client"])
        self.clients = {}
        for i in range(count):
            name = f"u{i}"
            # Partners at different c2s processes.
            self.clients[name] = Client(self, name, f"u{i ^ 1}", i)
        self.thread = threading.Thread(target=self._body, daemon=True)

    def accounts(self):
        return [client.jid for client in self.clients.values()]

    @property
    def managed(self):
        return all(c.managed for c in self.clients.values())

    def _body(self):
        if self.namespace:
            enter(self.namespace)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._run())
        self.loop.close()

    async def _run(self):
        tasks = [asyncio.ensure_future(c.run())
                 for c in self.clients.values()]
        tasks.append(asyncio.ensure_future(self._talk()))
        while not self.ending:
            await asyncio.sleep(0.05)
            broken = [t for t in tasks if t.done() and t.exception()]
            for task in broken:
                self.ledger.strange.append(repr(task.exception()))
                tasks.remove(task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in self.clients.values():
            if client.writer:
                client.writer.transport.abort()

    async def _talk(self):
        """Each client that is online speaks at its rate."""
        turns = 20
        clients = list(self.clients.values())
        due = {c.name: random.random() for c in clients}
        while True:
            await asyncio.sleep(1 / turns)
            for client in clients:
                if not client.online:
                    continue
                if self.talking.is_set():
                    due[client.name] += self.rate / turns
                    while due[client.name] >= 1:
                        due[client.name] -= 1
                        client.say()
                elif client.unacknowledged and \
                        time.monotonic() - client.asked > 0.3:
                    client.ask()

    # -- for the one who maltreats the server --------------------------------

    def start(self, seconds=30):
        self.thread.start()
        wait_until(lambda: all(c.online and c.sees_partner
                               for c in self.clients.values()),
                   seconds, lambda: "not online: " + self.state())
        self.talking.set()

    def cut(self, names):
        for name in names:
            self.loop.call_soon_threadsafe(self.clients[name].cut)

    def settle(self, seconds=30):
        """Stops the talk and waits until all that was said is accounted for,
        or nothing more comes."""
        self.talking.clear()
        time.sleep(0.1)
        end = time.monotonic() + seconds
        last, since = -1, time.monotonic()
        while time.monotonic() < end:
            if all(c.online for c in self.clients.values()):
                open_ends = sum(len(c.unacknowledged)
                                for c in self.clients.values())
                missing = sum(t.sent - len(set(t.received)
                                           | set(t.bounced))
                              for t in self.ledger.talks.values())
                if not open_ends and not missing:
                    return
                count = self.ledger.received()
                if count != last or open_ends:
                    last, since = count, time.monotonic()
                elif time.monotonic() - since > 12:
                    return	# a sender repeats after 10 s: not coming
            time.sleep(0.05)
        raise AssertionError("not settled: " + self.state())

    def state(self):
        offline = [c.name for c in self.clients.values() if not c.online]
        waiting = sum(len(c.unacknowledged) for c in self.clients.values())
        return (f"offline {offline}, {waiting} not acknowledged, refusals "
                f"{dict(self.refusals)}, {self.ledger.strange[:5]}")

    def stop(self):
        self.ending = True
        if self.thread.is_alive():
            self.thread.join(10)

    def recovered_after(self, moment, names=None):
        """Seconds from `moment` until a message that was sent after it has
        been received, for each talk to one of `names`; None: not yet."""
        delays = []
        for (_, receiver), talk in list(self.ledger.talks.items()):
            if names is not None and receiver not in names:
                continue
            arrived = [got for sent, got in list(talk.times)
                       if sent > moment]
            delays.append(min(arrived) - moment if arrived else None)
        return delays


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what())
        time.sleep(0.05)
