#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Maltreats a deployment for as long as one likes, at random, and prints what
it has withstood. Ends with 1 at the first thing that must not be. Needs root.

Usage: t/chaos/run.py [--minutes N] [--seed N] [--clients N] [--rate N]
                      [--postgres] [--keep FOLDER]
Environment: CHAPPE_SOURCE and CHAPPE_BUILD, the two trees.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from chaos import LAYOUT, Chaos  # noqa: E402
from net import Net  # noqa: E402

INSTANCES = [i for instances in LAYOUT.values() for i in instances]


def one_fault(chaos, choice):
    """A fault at random; what check() then has to forgive."""
    kind = choice.choice(["kill", "kill", "kill", "freeze", "restart",
                          "drain", "rolling", "slow", "part", "clock",
                          "clients", "join", "all sms", "all routers"])
    instance = choice.choice(INSTANCES)
    c2s = instance.startswith("c2s")
    if kind == "kill":
        chaos.kill(instance, choice.uniform(0, 2))
        return {"disconnects": c2s}
    if kind == "freeze":
        chaos.freeze(instance, choice.uniform(0.2, 3))
    elif kind == "restart":
        chaos.restart(instance)
        return {"disconnects": c2s, "flaps": c2s and not chaos.crowd.managed}
    elif kind == "drain":
        chaos.drain(instance, choice.choice(["undrain", "restart"]))
        return {"disconnects": c2s, "flaps": True}
    elif kind == "rolling":
        chaos.rolling_restart("--all")
        return {"disconnects": True, "flaps": True}
    elif kind == "clock":
        chaos.clock_off(choice.choice(["sm-1", "sm-2"]),
                        choice.choice([-1800, 0, 1800]))
        return {"flaps": True}
    elif kind == "slow":
        chaos.slow("three", choice.uniform(2, 8), choice.randint(1, 60),
                   choice.uniform(0, 3))
    elif kind == "part":
        chaos.part(["one"], ["two"], choice.uniform(1, 10))
        return {"flaps": not chaos.crowd.managed}
    elif kind == "clients":
        chaos.cut_clients(choice.randint(2, 5))
        return {"disconnects": True, "flaps": not chaos.crowd.managed}
    elif kind == "join":
        chaos.join("sm-3", "one")
        time.sleep(choice.uniform(0, 2))
        chaos.stop("sm-3")
    elif kind == "all sms":
        chaos.outage("sm", choice.uniform(0, 4))
    else:
        chaos.outage("router", choice.uniform(0, 4))
    return {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--postgres", action="store_true",
                        help="users' data in a PostgreSQL with a standby, "
                        "which are killed too")
    parser.add_argument("--keep", help="folder for logs")
    options = parser.parse_args()
    choice = random.Random(options.seed)
    end = time.monotonic() + options.minutes * 60
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, Net() as net:
        folder = Path(options.keep or temporary)
        folder.mkdir(exist_ok=True)
        with Chaos(folder, net, clients=options.clients, rate=options.rate,
                   slow=["three"],
                   postgres=options.postgres and "standby") as chaos:
            chaos.start()
            print("with XEP-0198" if chaos.crowd.managed else
                  "without XEP-0198", flush=True)
            begun = time.monotonic()
            chaos.say = lambda text: print(
                f"{time.monotonic() - begun:7.1f} {text}", flush=True)
            while time.monotonic() < end:
                if options.postgres and choice.random() < 0.15:
                    if choice.random() < 0.5:
                        chaos.kill_postgres(choice.uniform(0.2, 3))
                    else:
                        chaos.fail_over()
                    allowed = {}
                else:
                    allowed = one_fault(chaos, choice)
                if choice.random() < 0.3 or allowed:
                    chaos.check(**allowed)
                    chaos.forgive()
            chaos.check()
            for line in chaos.figures.lines(chaos.ledger):
                print(line)


if __name__ == "__main__":
    main()
