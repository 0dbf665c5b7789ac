# SPDX-License-Identifier: MIT
"""An address that cannot be had: who has it is named, at a start, a reload and with -t."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import (EX_OK, EX_UNAVAILABLE, PATIENCE, TCPD, can_become_others, can_trace,
                     configuration, free_port, run, service)

HOLDER = """
import socket, sys
kind, where = sys.argv[1:]
if kind == "path":
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(where)
else:
    sock = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", int(where)))
if kind != "udp":
    sock.listen()
print("bound", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """hold(kind, where) → a process of another program that has it."""
    children = []

    def start(kind, where):
        child = subprocess.Popen([sys.executable, "-c", HOLDER, kind, str(where)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout.readline() == "bound\n"
        return child

    yield start
    for child in children:
        child.communicate(timeout=PATIENCE)


def comm(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def conf_at(*listen):
    return configuration(service("echo", listen=list(listen)))


@pytest.mark.parametrize("kind", ["tcp", "wildcard", "udp", "path"])
def test_a_program_is_named(hold, tmp_path, kind):
    port, path = free_port(), tmp_path / "s"
    if kind == "udp":
        port = free_udp_port()
    holder = hold("tcp" if kind == "wildcard" else kind, path if kind == "path" else port)
    listen = {"tcp": f"127.0.0.1:{port}", "wildcard": f"*:{port}", "udp": f"udp:127.0.0.1:{port}",
              "path": f"unix:{path}"}[kind]
    status, _, log = run(conf=conf_at(listen))
    words = f"{comm(holder.pid)}, process {holder.pid}, listens there"
    assert status == EX_UNAVAILABLE
    assert f'listen = "{listen}": address already in use: {words}' in log
    status, _, log = run("-t", conf=conf_at(listen))
    assert status == EX_OK and f'listen = "{listen}" is in use: {words}' in log


def free_udp_port():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_another_tcpd_is_named(tcpd):
    """-t says nothing of it: most often it is the one whose configuration is being changed."""
    with tcpd(conf_at("127.0.0.1:0")) as daemon:
        listen = f"127.0.0.1:{daemon.address('echo')[1]}"
        status, _, log = run(conf=conf_at(listen))
        assert status == EX_UNAVAILABLE
        assert f"in use: another tcpd, process {daemon.pid}, listens there" in log
        status, _, log = run("-t", conf=conf_at(listen))
        assert status == EX_OK and "in use" not in log


def test_by_tcpd_run(hold):
    port = free_port()
    holder = hold("tcp", port)
    result = subprocess.run([TCPD, "run", "-l", str(port), "cat"], capture_output=True,
                            text=True, timeout=PATIENCE)
    assert result.returncode == EX_UNAVAILABLE
    assert result.stderr == (
        f'tcpd run: listen = "127.0.0.1:{port}": address already in use: {comm(holder.pid)}, '
        f'process {holder.pid}, listens there\n')


@pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")
def test_a_listener_is_found_first(hold, tmp_path):
    """On a busy machine the table of sockets has a hundred thousand connections, behind the listeners:
    they are not read where a listener is in the way."""
    port, trace = free_port(), tmp_path / "trace"
    holder = hold("tcp", port)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=400))
        for _ in range(400):  # 800 lines of 150 bytes
            stack.enter_context(socket.create_connection(server.getsockname(), PATIENCE))
        _, _, log = run(conf=conf_at(f"127.0.0.1:{port}"), env={"LSAN_OPTIONS": "detect_leaks=0"},
                        prefix=["strace", "-ff", "-qq", "-y", "-e", "trace=read", "-o", trace])
        size = len(Path("/proc/net/tcp").read_bytes())
    assert f"{comm(holder.pid)}, process {holder.pid}, listens there" in log
    read = [int(n) for path in tmp_path.glob("trace.*") for n in re.findall(
        r"^read\(\d+<[^>]*/net/tcp>, .*= (\d+)$", path.read_text(), re.M)]
    assert 0 < sum(read) < size / 2, (read, size)


def test_a_reload_names_it(tcpd, hold):
    """The child that rehearses the reload has looked, not the master."""
    with tcpd(conf_at("127.0.0.1:0")) as daemon:
        port = free_port()
        holder = hold("tcp", port)
        daemon.reload(conf_at("127.0.0.1:0", f"127.0.0.1:{port}"))
        daemon.wait_log(rf'listen = "127\.0\.0\.1:{port}": address already in use: '
                        rf"{re.escape(comm(holder.pid))}, process {holder.pid}, listens there")
        daemon.wait_log("the old configuration stays in force")
        assert daemon.is_serving()


def test_the_end_of_a_connection():
    """Nobody listens there: an outgoing connection has the port, and then its TIME_WAIT. An address
    of its own, as other connections may have the same port."""
    host = f"127.{os.getpid() >> 16 & 127 | 64}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), PATIENCE, (host, 0))
        accepted, _ = server.accept()
        port, peer = client.getsockname()[1], "127.0.0.1:%d" % server.getsockname()[1]
        status, _, log = run(conf=conf_at(f"{host}:{port}"))
        assert status == EX_UNAVAILABLE
        assert (f"nobody listens there, but {comm(os.getpid())}, process {os.getpid()}, has a "
                f"connection with {peer} from there") in log
        assert f"sysctl net.ipv4.ip_local_reserved_ports={port}" in log
        client.close()
        accepted.close()
    status, _, log = run(conf=conf_at(f"{host}:{port}"))
    assert status == EX_UNAVAILABLE
    assert (f"nobody listens there, but a connection with {peer} from there has just ended; it is "
            "free within a minute") in log


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_one_that_cannot_be_seen(hold):
    port = free_port()
    hold("tcp", port)
    status, _, log = run(conf=conf_at(f"127.0.0.1:{port}"),
                         prefix=("setpriv", "--reuid=65534", "--clear-groups"))
    assert status == EX_UNAVAILABLE
    assert f"another program listens there, and root sees which: ss -tlnp 'sport = :{port}'" in log


def test_its_own(tcpd):
    port = free_port()
    with tcpd(conf_at(f"127.0.0.1:{port}", f"0.0.0.0:{port}")) as daemon:
        daemon.wait_log("tcpd itself listens at one that this one includes; the rest is served")
