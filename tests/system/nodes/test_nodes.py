# SPDX-License-Identifier: MIT
"""Nodes behind HAProxy: no request fails while nodes are stopped, drained and reloaded; what a
crash costs is what was in its hands. In a short form, and in full by `make check-nodes`."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import documents
from cluster import (AGENT_PORT, BALANCER, FULL, PORT, Cluster, Load, address_of, needs_cluster, shown)
from harness import PATIENCE, SANITIZED, proc_state, process_tree, read_exactly, wait_for
from network import read_table
from node import TCPDCTL

pytestmark = [needs_cluster, pytest.mark.plain("HAProxy speaks to agents in the clear"),
              pytest.mark.skipif(SANITIZED, reason="times are measured")]


def of(full, short):
    return full if FULL else short


def check(load, record, most=0):
    """Ends the load; of all its requests at most so many have failed."""
    load.end()
    done, failed = load.sum("done"), load.sum("failed")
    record("soak", f"{done} requests, {failed} failed, at most {most} may; slowest "
           f"{max(report['slowest'] for report in load.reports)} s")
    assert failed <= most, load.reasons
    return done


@contextlib.contextmanager
def loaded(cluster, record, most=lambda: 0, **options):
    """A load that is checked at the end."""
    with Load(cluster, **options) as load:
        load.wait_done(of(2000, 300))
        yield load
        load.wait_done(of(2000, 300))
        check(load, record, most())


def test_n1_quiet(record_property):
    """Nothing happens: nothing fails, and nodes share the work."""
    with Cluster() as cluster, Load(cluster) as load:
        load.wait_done(of(100_000, 6000), deadline=of(600, 90))
        check(load, record_property)
        counts = [int(row["stot"]) for row in cluster.haproxy.stat().values()]
        assert sum(counts) >= load.sum("done")
        assert all(abs(n - sum(counts) / 3) <= sum(counts) / 3 * 0.2 for n in counts), counts


# Echoes a line to whoever it says it is from, and nothing to anybody else.
KNOWN = 'read -r number from address && [ "$address" = "$TCPREMOTEIP" ] && echo "$number $from $address"'


def test_n1_announced(record_property):
    """The same behind send-proxy-v2: each session has its client's address; HAProxy's own checks, which
    it resets, have its own."""
    text = shown("/etc/haproxy/haproxy.cfg")
    text = text.replace("default-server check", "default-server send-proxy-v2 check")
    settings = {"handler": '"program"', "program": f'{{"/bin/sh", "-c", {json.dumps(KNOWN)}}}',
                "proxy_protocol": "required", "proxy_trusted": f'{{"{BALANCER}"}}'}
    with Cluster(haproxy=text, **settings) as cluster, Load(cluster) as load:
        load.wait_done(of(20_000, 1000), deadline=of(600, 90))
        check(load, record_property)
        counts = [int(row["stot"]) for row in cluster.haproxy.stat().values()]
        assert all(abs(n - sum(counts) / 3) <= sum(counts) / 3 * 0.2 for n in counts), counts
        assert all(row["status"] == "UP" for row in cluster.haproxy.stat().values())
        for node in cluster.nodes:
            bad = node.daemon.log_matches(rf".*from (?!{re.escape(BALANCER)}:).*(reset|failed).*|.*refused.*")
            assert not [found[0] for found in bad][:5]


def test_n2_rolling_term(record_property):
    """TERM, and anew, of each node in turn: drain_delay leaves HAProxy the time to learn of it."""
    with Cluster() as cluster, loaded(cluster, record_property) as load:
        for _ in range(of(20, 1)):
            for number in (1, 2, 3):
                cluster.node(number).restart()
                cluster.haproxy.wait_status(number, "UP")
                load.wait_done(100)
        if FULL:
            load.wait_done(max(1, 200_000 - load.sum("done")), deadline=900)


def test_n3_drain_restart_ready(record_property):
    """By hand: drained, empty, restarted, ready again. A session that lasts is finished."""
    lasts = of(10, 3)
    with Cluster(held=True) as cluster, loaded(cluster, record_property):
        for number in range(1, of(3, 1) + 1):
            node, where = cluster.node(number), (address_of(number), PORT)
            with cluster.clients.call(socket.create_connection, where, PATIENCE) as client:
                client.sendall(b"first ")
                assert read_exactly(client, 6) == b"first "
                begin = time.monotonic()
                waiting = subprocess.Popen([TCPDCTL, "-s", node.path, "drain", "--wait"])
                cluster.haproxy.wait_status(number, "DRAIN")
                with pytest.raises(subprocess.TimeoutExpired):
                    waiting.wait(begin + lasts - time.monotonic())
                client.sendall(b"last")
                assert read_exactly(client, 4) == b"last"
            assert waiting.wait(PATIENCE) == 0
            node.restart()
            assert node.ask() == "up 0%\n"
            node.must("ready")
            cluster.haproxy.wait_status(number, "UP")


def test_n3_reload(record_property):
    """Reloads are no news for HAProxy."""
    with Cluster() as cluster, loaded(cluster, record_property) as load:
        for _ in range(of(20, 2)):
            for node in cluster.nodes:
                node.daemon.reload()
                load.wait_done(50)
        assert all(row["status"] == "UP" for row in cluster.haproxy.stat().values())


def test_n4_drain(record_property):
    """HAProxy knows of a drain within two agent-inter, and sends nobody from then on."""
    with Cluster() as cluster, loaded(cluster, record_property) as load:
        cluster.node(2).must("drain")
        took = cluster.haproxy.wait_status(2, "DRAIN")
        assert took <= 2 + 0.5, took
        before = int(cluster.haproxy.stat()["n2"]["stot"])
        load.wait_done(of(20_000, 1000), deadline=PATIENCE * 4)
        row = cluster.haproxy.stat()["n2"]
        assert (int(row["stot"]), row["scur"]) == (before, "0")
        cluster.node(2).must("ready")
        cluster.haproxy.wait_status(2, "UP")
        wait_for(lambda: int(cluster.haproxy.stat()["n2"]["stot"]) > before)


def look(node):
    """(connections in hand, those in the queue)"""
    ends = [end for (local, _), end in node.namespace.call(read_table).items()
            if local == PORT and end.state in ("ESTABLISHED", "CLOSE_WAIT", "SYN_RECV")]
    return sum(end.inode != 0 for end in ends), sum(end.inode == 0 for end in ends)


def freeze(node):
    """Stops all of its processes, the master first; (connections in hand, those in the queue)."""
    def is_frozen():
        tree = process_tree(node.daemon.pid)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return all(proc_state(pid) in ("T", "Z", None) for pid in tree)
    wait_for(is_frozen, what="rest of the master")
    wait_for(is_frozen, what="rest of those that it was forking meanwhile")

    seen = [look(node)]

    def is_still():  # whoever goes elsewhere as it is the busiest has gone there
        seen.append(look(node))
        return len(seen) > 20 and len(set(seen[-8:])) == 1
    wait_for(is_still, what=lambda: f"rest: {seen[-8:]}")
    return seen[-1]


@pytest.mark.parametrize("held", [False, True], ids=["bare", "held"])
def test_n5_kill(record_property, held):
    """The whole node is killed: what it had in hand fails, and what was in its queue, unless a socket
    unit holds that; nothing else."""
    most = []
    with Cluster(held=held) as cluster, \
            loaded(cluster, record_property, lambda: sum(most)) as load:
        for i in range(of(20, 2)):
            number = i % 3 + 1
            node = cluster.node(number)
            in_hand, queued = freeze(node)
            sent = int(cluster.haproxy.stat()[f"n{number}"]["stot"])
            in_hand, queued = max((in_hand, queued), look(node))
            for pid in process_tree(node.daemon.pid)[::-1]:
                os.kill(pid, signal.SIGKILL)
            sent = int(cluster.haproxy.stat()[f"n{number}"]["stot"]) - sent  # meanwhile
            most.append(in_hand + (0 if held else queued + sent))
            node.daemon.wait_exit()
            node.daemon.cleanup()
            node.start()
            cluster.haproxy.wait_status(number, "UP")
            load.wait_done(200)


def test_n6_link(record_property):
    """A cable is pulled: only sessions in hand may fail. Plugged in, the node is back within 5 s."""
    most = []
    with Cluster() as cluster, loaded(cluster, record_property, lambda: sum(most)) as load:
        for i in range(of(5, 1)):
            number = i % 3 + 1
            cluster.balancer.run("ip", "link", "set", f"n{number}", "down")
            cluster.haproxy.wait_status(number, "DOWN")
            most.append(int(cluster.haproxy.stat()[f"n{number}"]["scur"]))
            load.wait_done(200)
            cluster.balancer.run("ip", "link", "set", f"n{number}", "up")
            assert cluster.haproxy.wait_status(number, "UP") <= 5
            load.wait_done(200)


def test_n7_operator():
    """What an operator has set at HAProxy stays, whatever the agent says."""
    with Cluster() as cluster:
        cluster.haproxy.command("set server nodes/n1 state maint")
        cluster.haproxy.wait_status(1, "MAINT")
        end = time.monotonic() + of(30, 4)
        while time.monotonic() < end:
            assert cluster.node(1).ask() == "up 100%\n"
            assert cluster.haproxy.stat()["n1"]["status"] == "MAINT"
            time.sleep(0.2)
        cluster.haproxy.command("set server nodes/n1 state ready")
        cluster.haproxy.wait_status(1, "UP")


SIZES = {1: 8, 2: 32, 3: 64}


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_n8_load(record_property, weighted):
    """agent_weight = load, nodes of 8, 32 and 64 workers, sessions of 100 ms: with weights in
    HAProxy that fit their sizes they have their parts within a quarter, or half in the short form,
    which is but five changes of a weight; if HAProxy takes them for alike, the small one has much
    less than a third all the same."""
    text = shown("/etc/haproxy/haproxy.cfg")
    for number, size in SIZES.items() if weighted else ():
        line = f"server n{number} {address_of(number)}:{PORT}"
        assert line in text
        text = text.replace(line, f"{line} weight {size * 2}")
    settings = {number: {"max_workers": size} for number, size in SIZES.items()}
    with Cluster(settings=settings, haproxy=text, agent_weight="load") as cluster, \
            Load(cluster, hold=0.1) as load:
        load.wait_done(of(10_000, 3000), deadline=PATIENCE * 4)  # until it has settled
        before = {number: int(cluster.haproxy.stat()[f"n{number}"]["stot"]) for number in SIZES}
        load.wait_done(of(30_000, 5000), deadline=PATIENCE * 6)
        after = {number: int(cluster.haproxy.stat()[f"n{number}"]["stot"]) for number in SIZES}
        check(load, record_property)
    counts = {number: after[number] - before[number] for number in SIZES}
    shares = {number: n / sum(counts.values()) for number, n in counts.items()}
    record_property("soak", f"shares of 8, 32, 64 workers: {shares}")
    assert min(shares.values()) > 0.02, shares
    if weighted:
        for number, share in shares.items():
            fair = SIZES[number] / sum(SIZES.values())
            assert abs(share - fair) <= fair / of(4, 2), shares
    else:
        assert shares[1] < 0.2 and shares[1] < shares[2] < shares[3], shares


def test_n9_maintenance():
    """Maintenance outlives a restart; HAProxy shows it, with its reason."""
    with Cluster(held=True) as cluster:
        node = cluster.node(1)
        node.must("maint", "--reason", "a new disk")
        cluster.haproxy.wait_status(1, "DOWN")
        row = cluster.haproxy.stat()["n1"]
        assert "a new disk" in row["last_agt"] + row["agent_desc"], row
        node.restart()
        for _ in range(10):
            assert node.ask() == "stopped 0% #maintenance by root: a new disk\n"
            assert cluster.haproxy.stat()["n1"]["status"].startswith("DOWN")
            time.sleep(0.2)
        node.must("ready")
        cluster.haproxy.wait_status(1, "UP")


def test_n10_hammered():
    """A thousand connections to the agent that never read, and others that send it a megabyte:
    HAProxy's own are answered within 100 ms all the same."""
    with Cluster() as cluster, contextlib.ExitStack() as stack:
        where, stop = (address_of(1), AGENT_PORT), threading.Event()

        def flood():
            while not stop.is_set():
                with contextlib.suppress(OSError), socket.create_connection(where, 5) as sock:
                    sock.sendall(b"x" * (1 << 20))

        for _ in range(1000):
            stack.enter_context(cluster.clients.call(socket.create_connection, where, PATIENCE))
        threads = [cluster.clients.call(threading.Thread, target=flood) for _ in range(4)]
        for thread in threads:
            cluster.clients.call(thread.start)
        try:
            wait_for(lambda: cluster.haproxy.stat()["n1"]["agent_status"].removeprefix("* ") == "L7OK",
                     what="the agent's answer")
            end, took = time.monotonic() + of(30, 5), []
            while time.monotonic() < end:
                row = cluster.haproxy.stat()["n1"]
                seen = row["status"], row["agent_status"].removeprefix("* ")  # one is under way
                assert seen == ("UP", "L7OK"), row
                took.append(int(row["agent_duration"]))
                time.sleep(0.2)
            share = of(0.9, 0.5)  # few checks are looked at in the short form
            assert sorted(took)[int(len(took) * share)] < 100, took
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_document():
    """The sessions of docs/cluster.md, at the first node."""
    steps = [step for block in documents.read("docs/cluster.md") if block.language == "console"
             for step in documents.steps(block) if not step.reason]
    with Cluster(held=True) as cluster:
        node = cluster.node(1)
        for step in steps:
            if step.command == "sudo systemctl restart tcpd":
                node.restart()
                continue
            command = step.command.replace("sudo tcpdctl", f"{TCPDCTL} -s {node.path}")
            command = command.replace("sudo ", "").replace("/run/haproxy/admin.sock",
                                                           str(cluster.haproxy.socket))
            if "admin.sock" in command:  # what was said a moment ago has to be heard
                wait_for(lambda: documents.fits(step.told, output(cluster, command)),
                         what=lambda: documents.difference(step, output(cluster, command)))
            else:
                printed = output(cluster, command)
                assert documents.fits(step.told, printed), documents.difference(step, printed)


def output(cluster, command):
    return cluster.balancer.run("sh", "-c", command)
