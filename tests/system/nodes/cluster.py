# SPDX-License-Identifier: MIT
"""Three nodes behind Debian's HAProxy, with the configurations of docs/cluster.md as they stand
there, each in a network namespace of its own, all at one bridge: 10.77.0.1 is HAProxy's, nodes are
10.77.0.11 to .13, clients 10.77.1.1 to .64."""

import contextlib
import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import documents
from harness import PATIENCE, read_all, wait_for
from network import Namespace
from node import Node

FULL = os.environ.get("TCPD_NODES") == "full"
BALANCER = "10.77.0.1"
PORT, AGENT_PORT = 8080, 9101
CLIENTS = 64
HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def shown(file):
    """A file of docs/cluster.md."""
    return next(block.text for block in documents.read("docs/cluster.md") if block.file == file)


def address_of(number):
    return f"10.77.0.{10 + number}"


def node_conf(number, **settings):
    """tcpd.conf of a node, as the document has it for the first one, with other settings: of the
    service `web`, of the service `agent` those that begin so, and with _ in front of the file."""
    text = shown("/etc/tcpd/tcpd.conf").replace(address_of(1), address_of(number))
    head, web, agent = re.split(r'^(?=service )', text, flags=re.M)
    for name, value in settings.items():
        if name.startswith("_"):
            head = re.sub(rf"^{name[1:]} = .*\n", "", head, flags=re.M) + f"{name[1:]} = {value}\n"
        elif name.startswith("agent_"):
            agent = agent.replace("{\n", f"{{\n    {name} = {value}\n", 1)
        else:
            web = re.sub(rf"^    {name} = .*\n", "", web, flags=re.M)
            web = web.replace("{\n", f"{{\n    {name} = {value}\n", 1)
    return head + web + agent


class Haproxy:
    """HAProxy, its statistics and commands."""

    def __init__(self, namespace, text):
        self.namespace = namespace
        self.directory = Path(tempfile.mkdtemp(prefix="haproxy-"))
        self.socket = self.directory / "admin.sock"
        path = self.directory / "haproxy.cfg"
        assert "/run/haproxy/admin.sock" in text
        path.write_text(text.replace("/run/haproxy/admin.sock", str(self.socket)))
        self.log = open(self.directory / "log", "w+")
        self.process = namespace.call(subprocess.Popen, [HAPROXY, "-f", str(path), "-db"],
                                      stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=subprocess.STDOUT)
        wait_for(self.socket.exists, what=self.said)

    def said(self):
        self.log.seek(0)
        return f"HAProxy's socket; it says: {self.log.read()}"

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(self.socket))
            sock.sendall(f"{text}\n".encode())
            return read_all(sock).decode()

    def stat(self):
        """Server to its row of `show stat`."""
        lines = self.command("show stat").removeprefix("# ").splitlines()
        return {row["svname"]: row for row in csv.DictReader(line for line in lines if line)
                if row["pxname"] == "nodes" and row["svname"] not in ("BACKEND", "FRONTEND")}

    def status(self, number):
        """UP, DRAIN, DOWN (agent), MAINT ...; what is up with a weight of 0 drains."""
        row = self.stat()[f"n{number}"]
        return "DRAIN" if row["status"].startswith("UP") and row["weight"] == "0" else row["status"]

    def wait_status(self, number, want, deadline=PATIENCE):
        """Waits until a server's status begins so; how long it took."""
        begin = time.monotonic()
        wait_for(lambda: self.status(number).startswith(want), deadline,
                 what=lambda: f"{want} of n{number}: {self.stat()[f'n{number}']}")
        return time.monotonic() - begin

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Load:
    """64 clients in two processes, which go on until the block ends."""

    def __init__(self, cluster, n=CLIENTS, hold=0):
        half = max(1, n // 2)
        self.processes = [cluster.clients.call(
            subprocess.Popen, [sys.executable, str(Path(__file__).with_name("lines.py")), BALANCER,
                               str(PORT), "10.77.1.", str(first), str(half), str(hold)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for first in ((1, half + 1) if n > 1 else (1,))]
        self.reports = [{} for _ in self.processes]
        self.threads = [threading.Thread(target=self._read, args=(i,), daemon=True)
                        for i in range(len(self.processes))]
        for thread in self.threads:
            thread.start()

    def _read(self, i):
        for line in self.processes[i].stdout:
            self.reports[i] = json.loads(line)

    def sum(self, name):
        return sum(report.get(name, 0) for report in self.reports)

    def wait_done(self, n, deadline=PATIENCE):
        """Waits until n more requests are done."""
        since = self.sum("done")
        wait_for(lambda: self.sum("done") >= since + n, deadline,
                 what=lambda: f"{n} requests; reports {self.reports}")

    @property
    def reasons(self):
        return [reason for report in self.reports for reason in report.get("reasons", ())]

    def end(self):
        """Ends all clients; the reports are final then."""
        for process in self.processes:
            process.stdin.close()
        for thread in self.threads:
            thread.join(PATIENCE + 30)
        for process in self.processes:
            process.wait(PATIENCE)
        assert all(report.get("ended") for report in self.reports), self.reports
        assert self.sum("hung") == 0, self.reports

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end()
            return
        for process in self.processes:
            process.kill()
            process.wait()


class Cluster:
    """The networks, the nodes, HAProxy. held: as under systemd, sockets are opened before tcpd, and
    what it stores is kept. settings: of each node, by its number, or for all."""

    def __init__(self, held=False, settings=None, haproxy=None, **for_all):
        self.stack = contextlib.ExitStack()
        self.names = []
        self.nodes = []
        try:
            self.balancer = self._space("balancer")
            self.balancer.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
            self.balancer.run("ip", "address", "add", f"{BALANCER}/16", "dev", "br0")
            self.balancer.run("ip", "link", "set", "br0", "up")
            # From one address to three: ports of connections that are over are used again.
            self.balancer.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse; "
                              "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range")
            self.clients = self._attach("c", [f"10.77.1.{i + 1}" for i in range(CLIENTS)])
            for number in (1, 2, 3):
                space = self._attach(f"n{number}", [address_of(number)])
                self.nodes.append(self._node(number, space, held,
                                             {**for_all, **(settings or {}).get(number, {})}))
            for node in self.nodes:
                node.start()
            self.haproxy = Haproxy(self.balancer, haproxy or shown("/etc/haproxy/haproxy.cfg"))
            self.stack.callback(self.haproxy.close)
            for number in (1, 2, 3):
                self.haproxy.wait_status(number, "UP")
        except BaseException:
            self.stack.close()
            raise

    def _space(self, name):
        self.names.append(name)
        return self.stack.enter_context(Namespace())

    def _attach(self, name, addresses):
        space = self._space(name)
        self.balancer.run("ip", "link", "add", name, "type", "veth", "peer", "name", "wire",
                          "netns", space.path)
        self.balancer.run("ip", "link", "set", name, "master", "br0", "up")
        space.run("ip", "link", "set", "wire", "up")
        batch = "".join(f"address add {address}/16 dev wire\n" for address in addresses)
        space.run("ip", "-batch", "-", input=batch)
        wait_for(lambda: " state UP " in space.run("ip", "link", "show", "wire"), what="carrier")
        return space

    def _node(self, number, space, held, settings):
        sockets = []
        if held:
            for name, port in (("web", PORT), ("agent", AGENT_PORT)):
                sock = space.call(socket.create_server, (address_of(number), port), backlog=4096)
                self.stack.callback(sock.close)
                sockets.append((name, sock))
        return Node(node_conf(number, **settings), space, sockets, keeps=held,
                    agent=(address_of(number), AGENT_PORT))

    def node(self, number):
        return self.nodes[number - 1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            if node.daemon and node.daemon.process.poll() is None:
                node.daemon.cleanup()  # of frozen ones, too
        self.stack.close()


def why_not():
    """Why there can be no cluster here; '' when there can."""
    if not HAPROXY:
        return "haproxy is not installed"
    try:
        with Namespace() as space:
            space.run("ip", "link", "add", "br0", "type", "bridge")
    except (OSError, subprocess.SubprocessError) as error:
        return f"no network namespace or bridge of one's own: {error}"
    return ""


needs_cluster = pytest.mark.skipif(bool(reason := why_not()), reason=reason)
