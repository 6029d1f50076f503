# SPDX-License-Identifier: Apache-2.0
"""An operator drains roles, takes that back, restarts them one by one, and looks
at the whole, while clients talk."""

import json
import os
import signal
import socket
import time

import pytest

from chappe import wait_for
from test_handover import Managed, begin, finish, many, pairs  # noqa: F401
from test_stream_management import SM, managed
from wire import CLIENT, Wire

BODY = CLIENT + "body"
OK, FAILED, USAGE, UNAVAILABLE = 0, 1, 2, 5
ALL = ("router", "router-2", "sm-1", "sm-2", "c2s-1", "c2s-2")


def status(server, instance):
    return json.loads(server.ctl("--json", "show", instance).stdout)[0]


def cluster(server, code=OK):
    done = server.ctl("--json", "cluster", check=False)
    assert done.returncode == code or code is None, done
    return json.loads(done.stdout)


def members(server, name):
    for row in cluster(server, None)["names"]:
        if row["name"] == name:
            return sorted(row["members"].split())
    return []


def drained(server, instance, *words):
    done = server.ctl("drain", *words, instance)
    assert done.stdout.endswith(f"{instance} is drained\n"), done.stdout
    return done.stdout


# -- drain ----------------------------------------------------------------------


def test_an_sm_is_drained_and_taken_back(many):  # noqa: F811
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    before = int(status(many, "sm-1")["users"])
    assert before > 0
    assert "users left" in drained(many, "sm-1")
    row = status(many, "sm-1")
    assert (row["state"], row["left"], row["users"], row["sessions"],
            row["queue"]) == ("drained", "0", "0", "0", "0")
    assert members(many, "localhost") == ["sm-2"]
    assert int(status(many, "sm-2")["sessions"]) == 12
    time.sleep(1)
    # It is as good as not there.
    assert status(many, "sm-1")["users"] == "0"
    assert many.ctl("undrain", "sm-1").stdout == "sm-1 is running\n"
    wait_for(lambda: members(many, "localhost") == ["sm-1", "sm-2"], 5,
             "sm-1 serves again")
    wait_for(lambda: int(status(many, "sm-1")["sessions"]) > 0, 5, "users")
    finish(talks)


def test_both_sms_are_drained_in_turn(many):  # noqa: F811
    """As for an upgrade; drained ones are stopped, and come back."""
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    for instance in ("sm-1", "sm-2"):
        drained(many, instance)
        many.kill(instance, signal.SIGTERM)
        many.begin(instance)
        wait_for(lambda: len(members(many, "localhost")) == 2, 10, "both")
    finish(talks)


def test_nobody_is_seen_to_go(many):  # noqa: F811
    from people import befriend
    many.start()
    many.add_users(*(f"p{n}@localhost" for n in range(8)))
    clients = []
    for n in range(8):
        client = Managed(many.at(f"c2s-{n % 2 + 1}"))
        client.login(f"p{n}", "x")
        client.roster()
        client.presence()
        clients.append(client)
    for one, other in zip(clients[::2], clients[1::2]):
        befriend(one, other)
    for instance in ("sm-1", "sm-2"):
        drained(many, instance)
        many.ctl("undrain", instance)
        wait_for(lambda: len(members(many, "localhost")) == 2, 10, "both")
    for client in clients:
        assert not [e for e in client.settle()
                    if e.get("type") == "unavailable"]


def test_sessions_that_sleep_leave_too(many):  # noqa: F811
    many.start()
    names = [f"s{n}" for n in range(6)]
    many.add_users(*(f"{name}@localhost" for name in names), "bob@localhost")
    phones = [managed(many.at("c2s-1"), name, "phone") for name in names]
    bob = Wire(many.at("c2s-2")).login("bob")
    for phone in phones:
        phone.answers = False
        bob.message(phone.jid, "one")
    bob.ping()
    for phone in phones:
        phone.cut()
    time.sleep(0.5)
    drained(many, "sm-1")
    for phone, name in zip(phones, names):
        with Managed(many.at("c2s-2")) as back:
            assert back.resume(phone, name).tag == SM + "resumed", name
            assert back.expect_message().findtext(BODY) == "one"


def test_the_only_one_is_not_drained(many):  # noqa: F811
    many.start(("router", "sm-1", "c2s-1", "c2s-2"))
    many.kill("c2s-2", signal.SIGTERM)
    for instance, why in (
            ("sm-1", "it is the only sm of localhost"),
            ("c2s-1", "it is the only c2s"),
            ("router", " has a link to no other router")):
        done = many.ctl("drain", instance, check=False)
        assert done.returncode == FAILED and why in done.stderr, done
        assert "--force" in done.stderr
        row = status(many, instance) if instance != "router" else \
            next(r for r in cluster(many, None)["roles"]
                 if r["instance"] == "router")
        assert row["state"] == "running"
    done = many.ctl("drain", "sm-9", check=False)
    assert done.returncode == UNAVAILABLE and "sm-9" in done.stderr


def test_the_only_sm_is_drained_by_force(many):  # noqa: F811
    """Streams stay; they go on when it is taken back."""
    many.start(("router", "router-2", "sm-1", "c2s-1", "c2s-2"))
    talks = pairs(many, 2)
    begin(talks)
    drained(many, "sm-1", "--force")
    assert members(many, "localhost") == []
    many.ctl("undrain", "sm-1")
    time.sleep(1)
    finish(talks)


def test_a_c2s_is_drained(many):  # noqa: F811
    """Its clients are told, over the time that was set, and resume at the other
    one; new ones are not let in."""
    many.conf["c2s"] = {"drain-grace": "1s"}
    many.start()
    many.add_users(*(f"u{n}@localhost" for n in range(6)))
    clients = [managed(many.at("c2s-1"), f"u{n}", "phone") for n in range(6)]
    watcher = managed(many.at("c2s-2"), "u0", "desk")
    watcher.presence()
    watcher.settle()
    begun = time.monotonic()
    drained(many, "c2s-1")
    assert time.monotonic() - begun >= 0.8
    for n, client in enumerate(clients):
        error = client.until(lambda e: e.tag.endswith("}error"))
        assert error[0].tag.endswith("}system-shutdown")
        with Managed(many.at("c2s-2")) as back:
            assert back.resume(client, f"u{n}").tag == SM + "resumed"
            back.end()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", many.ports["c2s-1"]), 2)
    assert status(many, "c2s-1")["connections"] == "0"
    many.reload("c2s-1")
    wait_for(lambda: "role.reloaded" in many.log("c2s-1"), 5, "reload")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", many.ports["c2s-1"]), 2)
    many.ctl("undrain", "c2s-1")
    Wire(many.at("c2s-1")).login("u1").end()


def test_clients_are_sent_to_another_host(many):  # noqa: F811
    many.conf["c2s"] = {"drain-grace": "0",
                        "see-other-host": "two.example.org:5222"}
    many.start()
    many.add_users("alice@localhost")
    alice = managed(many.at("c2s-1"), "alice", "phone")
    drained(many, "c2s-1")
    error = alice.until(lambda e: e.tag.endswith("}error"))
    assert error[0].tag.endswith("}see-other-host")
    assert error[0].text == "two.example.org:5222"
    with Managed(many.at("c2s-2")) as back:
        assert back.resume(alice, "alice").tag == SM + "resumed"


@pytest.mark.parametrize("router", ["router", "router-2"])
def test_a_router_is_drained(many, router):  # noqa: F811
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    drained(many, router)
    time.sleep(1)
    for row in cluster(many)["roles"]:
        if row["kind"] == "router":
            assert row["links"] == ("0" if row["instance"] == router else "4")
        else:
            assert router not in row["routers"].split()
    # The other one is needed now.
    other = "router" if router == "router-2" else "router-2"
    done = many.ctl("drain", other, check=False)
    assert done.returncode == FAILED
    many.ctl("undrain", router)
    wait_for(lambda: all(len(row["routers"].split()) == 2
                         for row in cluster(many)["roles"]
                         if row["kind"] != "router"), 10, "links are back")
    finish(talks)


# -- restart --------------------------------------------------------------------


def processes(server):
    return {name: process.pid for name, process in server.processes.items()}


def test_everything_is_restarted_under_load(many):  # noqa: F811
    """One after the other. Processes keep their ids, and say to the log that
    they began anew; clients with XEP-0198 lose nothing."""
    many.conf["c2s"] = {"drain-grace": "200ms"}
    many.start()
    talks = pairs(many, 6)
    begin(talks)
    before = processes(many)
    done = many.ctl("restart", "router", "router-2", "sm-1", "sm-2",
                    seconds=120)
    assert [line for line in done.stdout.splitlines()
            if line.endswith(" is restarted")] == [
                f"{name} is restarted" for name in ALL[:4]]
    finish(talks)
    assert processes(many) == before
    for instance in ALL[:4]:
        assert many.log(instance).count("role.started") == 2, instance
        assert many.processes[instance].poll() is None


def test_a_whole_deployment_is_restarted(many):  # noqa: F811
    many.conf["c2s"] = {"drain-grace": "200ms"}
    many.start()
    many.add_users("alice@localhost", "bob@localhost")
    alice = managed(many.at("c2s-1"), "alice", "phone")
    bob = managed(many.at("c2s-2"), "bob", "desk")
    for n in range(10):
        bob.message(alice.jid, f"number {n}")
    assert bob.handled_by_server() == 11
    rows = json.loads(many.ctl("--json", "restart", "--all",
                               seconds=120).stdout)
    assert [(row["instance"], row["result"]) for row in rows] == [
        (name, "restarted") for name in ALL]
    # Each c2s sent its client away; the sessions waited.
    with Managed(many.at("c2s-2")) as back:
        assert back.resume(alice, "alice").tag == SM + "resumed"
        got = []
        while len(got) < 10:
            element = back.next()
            if element.findtext(BODY):
                got.append(element.findtext(BODY))
        assert set(got) <= {f"number {n}" for n in range(10)}


def test_the_only_one_is_restarted_all_the_same(many):  # noqa: F811
    many.start(("router", "sm-1", "c2s-1", "c2s-2"))
    talks = pairs(many, 4)
    begin(talks)
    done = many.ctl("restart", "sm-1", "router")
    assert "sm-1 is not drained first: it is the only sm of localhost" in \
        done.stdout
    time.sleep(1)
    finish(talks)


def test_a_wrong_configuration_ends_nothing(many):  # noqa: F811
    many.start()
    conf = many.conf_path.read_text()
    many.conf_path.write_text(conf.replace(
        'sm "sm-*" {', 'sm "sm-*" {\n\tuser-idle = soon'))
    done = many.ctl("restart", "sm-1", "sm-2", check=False)
    assert done.returncode == FAILED
    assert "sm-1 does not restart: " in done.stderr
    assert "user-idle" in done.stderr
    assert "role.restart-refused" in many.log("sm-1")
    assert "role.draining" not in many.log("sm-2")
    assert status(many, "sm-1")["state"] == "running"
    many.conf_path.write_text(conf)
    wait_for(lambda: len(members(many, "localhost")) == 2, 5, "both serve")
    many.ctl("restart", "sm-1")
    many.ctl("restart", "nobody-1", check=False)


def test_words_of_restart(many):  # noqa: F811
    many.start(("router", "sm-1", "c2s-1", "c2s-2"))
    for words in (("restart",), ("restart", "--all", "sm-1")):
        done = many.ctl(*words, check=False)
        assert done.returncode == USAGE and "restart --all" in done.stderr
    done = many.ctl("restart", "sm-7", check=False)
    assert done.returncode == UNAVAILABLE and "sm-7 is not there" in \
        done.stderr


def test_the_service_manager_is_told(many):  # noqa: F811
    """Type=notify of systemd: who restarts does not say that it stops, and says
    READY again under the same process id."""
    path = many.sockets / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(10)
        many.start(("router", "sm-1", "c2s-1", "c2s-2"))
        many.more_environment["NOTIFY_SOCKET"] = str(path)
        many.kill("sm-1", signal.SIGTERM)
        many.begin("sm-1")
        assert told.recv(200) == b"READY=1"
        many.ctl("restart", "sm-1")
        assert told.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert told.recv(200) == b"READY=1"
        many.kill("sm-1", signal.SIGTERM)
        assert told.recv(200) == b"STOPPING=1"
        del many.more_environment["NOTIFY_SOCKET"]


# -- cluster --------------------------------------------------------------------


def test_the_cluster_is_shown(many):  # noqa: F811
    many.start()
    many.add_users("alice@localhost")
    with Wire(many.at("c2s-2")).login("alice"):
        seen = cluster(many)
        roles = {row["instance"]: row for row in seen["roles"]}
        assert sorted(roles) == sorted(ALL)
        assert sum(int(roles[i]["sessions"]) for i in ("c2s-1",
                                                       "c2s-2")) == 1
        assert sum(int(roles[i]["users"]) for i in ("sm-1", "sm-2")) == 1
    for name, row in roles.items():
        assert row["state"] == "running" and int(row["protocol"]) >= 1
        assert row["version"] and int(row["uptime"]) >= 0
        if row["kind"] == "router":
            assert row["links"] == "4"
        else:
            assert row["routers"].split() == ["router", "router-2"]
            assert int(row["queue"]) >= 0 and int(row["bytes"]) >= 0
    assert seen["names"] == [{"name": "localhost", "members": "sm-1 sm-2"}]
    text = many.ctl("cluster").stdout.splitlines()
    assert text[0].split()[:3] == ["instance", "kind", "state"]
    assert text[-1].split() == ["localhost", "sm-1", "sm-2"]


def test_who_does_not_answer_is_shown_as_such(many):  # noqa: F811
    many.start()
    os.kill(many.processes["sm-2"].pid, signal.SIGSTOP)
    begun = time.monotonic()
    done = many.ctl("--json", "cluster", check=False)
    took = time.monotonic() - begun
    os.kill(many.processes["sm-2"].pid, signal.SIGCONT)
    assert done.returncode == UNAVAILABLE
    assert "sm-2 does not answer" in done.stderr
    roles = {row["instance"]: row for row in json.loads(done.stdout)["roles"]}
    assert roles["sm-2"]["state"] == "no answer"
    assert all(row["state"] == "running" for name, row in roles.items()
               if name != "sm-2")
    assert took < 3  # with the start of chappectl
    many.kill("router-2")
    seen = cluster(many, UNAVAILABLE)
    assert [row["state"] for row in seen["roles"]
            if row["kind"] == "router"] == ["running", "no answer"]


# -- the log --------------------------------------------------------------------


def test_commands_are_logged(many):  # noqa: F811
    """By the role that runs them, with who gave them; never a password. Those
    that only read are not."""
    many.start()
    many.add_user("alice")
    many.ctl("user", "passwd", "alice@localhost", "--password-stdin",
             stdin="another-secret\n")
    many.ctl("user", "list", "localhost")
    many.ctl("session", "list")
    many.ctl("log-level", "c2s-1", "notice")
    many.ctl("drain", "sm-1")
    many.ctl("reload", "router-2")
    logs = {name: [line for line in many.log(name).splitlines()
                   if " command.run " in line] for name in ALL}
    sms = "\n".join(logs["sm-1"] + logs["sm-2"])
    for what in ("name=user.add", "name=user.passwd", "name=drain"):
        assert what in sms, sms
    assert "jid=alice@localhost" in sms and "by=" in sms
    assert "list" not in sms and "name=status" not in sms
    everything = "\n".join(many.log(name) for name in ALL)
    assert "another-secret" not in everything
    assert "pencil-and-paper" not in everything
    assert any("name=log-level" in line and "level=notice" in line
               for line in logs["c2s-1"])
    assert any("name=reload" in line and "by=" in line
               for line in logs["router-2"])
