# SPDX-License-Identifier: Apache-2.0
"""Accounts with names of their own on a server that tests share, and what
their clients do again and again."""

import itertools

from wire import CLIENT, ROSTER, Wire

_numbers = itertools.count(1)


class Person:
    """An account, and the clients that a test opens for it."""

    def __init__(self, chappe, name, domain=None):
        self.chappe = chappe
        self.name = name
        self.domain = domain or chappe.domain
        self.jid = f"{name}@{self.domain}"
        self.wires = []

    def client(self, resource=None, presence=None, roster=False,
               seconds=10):
        """Logs in. `roster`: asks for it, so pushes come; `presence`: what
        stands in the initial presence, None for none."""
        wire = Wire(self.chappe, seconds, domain=self.domain)
        self.wires.append(wire)
        wire.login(self.name, resource)
        if roster:
            wire.roster()
        if presence is not None:
            wire.presence(presence)
        return wire

    def online(self, resource=None, presence="", seconds=10):
        """A client as people use them: roster, then presence."""
        return self.client(resource, presence, True, seconds)

    def close(self):
        for wire in self.wires:
            wire.socket.close()


class People:
    """Makes persons whose names nobody else has; closes their clients."""

    def __init__(self, chappe):
        self.chappe = chappe
        self.persons = []

    def __call__(self, *names, domain=None):
        number = next(_numbers)
        made = [Person(self.chappe, f"{name}{number}", domain)
                for name in names]
        self.chappe.add_users(*(person.jid for person in made))
        self.persons += made
        return made[0] if len(made) == 1 else made

    def close(self):
        for person in self.persons:
            person.close()


# -- rosters and subscriptions -------------------------------------------------


def is_push(element, jid=None):
    if element.tag != CLIENT + "iq" or element.get("type") != "set":
        return False
    item = element.find(f"{ROSTER}query/{ROSTER}item")
    return item is not None and jid in (None, item.get("jid"))


def pushed(wire, jid, seconds=None):
    """Waits for a roster push about `jid`, answers it, returns its item."""
    push = wire.find(lambda e: is_push(e, jid), seconds)
    assert push.get("from") in (None, wire.jid.split("/")[0]), push.attrib
    wire.send(f"<iq type='result' id='{push.get('id')}'/>")
    return push.find(f"{ROSTER}query/{ROSTER}item")


def item_of(wire, jid):
    """The contact in the roster as it is now, or None."""
    return next((item for item in wire.roster() if item.get("jid") == jid),
                None)


def groups_of(item):
    return sorted(group.text for group in item.findall(ROSTER + "group"))


def state_of(item):
    """What appendix A of RFC 6121 tells apart; None: not in the roster."""
    if item is None:
        return None
    return item.get("subscription") + (" ask" if item.get("ask") else "")


def presence_from(wire, jid, kind=None, seconds=None):
    """Waits for presence of that type from a full or bare JID."""
    return wire.find(lambda e: e.tag == CLIENT + "presence"
                     and e.get("type") == kind
                     and jid in (e.get("from"),
                                 e.get("from", "").split("/")[0]), seconds)


def subscribe(one, other):
    """`one` may see the presence of `other` afterwards. Both are online, with
    their rosters."""
    one_jid, other_jid = one.jid.split("/")[0], other.jid.split("/")[0]
    one.send(f"<presence type='subscribe' to='{other_jid}'/>")
    presence_from(other, one_jid, "subscribe")
    other.send(f"<presence type='subscribed' to='{one_jid}'/>")
    presence_from(one, other_jid, "subscribed")
    presence_from(one, other.jid)


def befriend(one, other):
    """Each sees the other's presence; nothing is left to read."""
    subscribe(one, other)
    subscribe(other, one)
    for wire, contact in ((one, other), (other, one)):
        jid = contact.jid.split("/")[0]
        while state_of(pushed(wire, jid)) != "both":
            pass
    one.settle()
    other.settle()
