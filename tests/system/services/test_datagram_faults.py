# SPDX-License-Identifier: MIT
"""Datagrams as they should not be: of no length and the largest, more than anybody can serve, damaged,
from nobody, from clients that have gone or read nothing. Each loss is counted, the next is served."""

import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from harness import EX_OK, configuration, proc_cpu_seconds, proc_state, service, wait_for
from network import Namespace, forge, needs_networks
from test_datagrams import MODULES, ONE, SHORT, UDP, ask, client, is_silent, told

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets are root's")


@contextlib.contextmanager
def stopped(pid):
    """A worker that takes nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: proc_state(pid) == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# --- Sizes and numbers -------------------------------------------------------------------------

ANY = re.compile(rb"(?s).+")
LARGEST = b"x" * 65507

# Answers to an empty one and to the largest; None: there is none.
ANSWERED = [
    ("echo", {}, b"", LARGEST),
    ("discard", {}, None, None),
    ("daytime", {}, ANY, ANY),
    ("time", {}, ANY, ANY),
    ("greeting", {"message": "hi"}, b"hi", b"hi"),
    ("chargen", {}, re.compile(rb"[ -~\r\n]{0,512}"), re.compile(rb"[ -~\r\n]{0,512}")),
    ("hello", {}, b"Hello, !", None),  # would be longer than may be
    ("module", {"module": MODULES / "datagrams.so"}, b"4 127.0.0.1 ", None),  # reads 100 bytes
]


@pytest.mark.parametrize("name, options, empty, largest", ANSWERED, ids=[row[0] for row in ANSWERED])
def test_shortest_and_longest(tcpd, name, options, empty, largest):
    """Of no length, and 65,507 bytes, which is all that UDP can have."""
    with tcpd(configuration(service(name, listen=UDP, **options, **ONE))) as daemon:
        [worker] = daemon.workers()
        for message, wanted in [(b"", empty), (LARGEST, largest), (b"", empty)]:
            if wanted is None:
                assert is_silent(daemon.address(name), message)
                continue
            got = ask(daemon.address(name), message)
            assert wanted.fullmatch(got) if isinstance(wanted, re.Pattern) else got == wanted
        assert daemon.workers() == [worker]


def test_longest_of_ipv6(tcpd):
    """Without the header of IP in its length: 65,527 bytes."""
    with tcpd(configuration(service("echo", listen="udp:[::1]:0"))) as daemon:
        message = os.urandom(65527)
        assert ask(daemon.address("echo"), message) == message


def memory(pid):
    """Its own KiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"Private_\w+:\s+(\d+)", rollup)))


def test_flood():
    """200,000 as quickly as they go, which is more than workers serve: each is served or was dropped
    by the kernel, which is told; neither a worker nor the log grows."""
    n = 200_000
    conf = service("echo", listen=UDP, receive_buffer="16K", min_workers=4, max_workers=4)
    with told(conf) as (daemon, look):
        def flood(n):
            with client(daemon.address("echo")) as sock:
                for _ in range(n):
                    sock.send(b"x" * 64)

        def served_and_dropped():
            seen = look("echo")
            return seen["sessions"] + seen["dropped"]

        flood(5000)  # until each has the memory that it needs
        wait_for(lambda: served_and_dropped() == 5000, what=lambda: look("echo"))
        workers, before = daemon.workers(), [memory(pid) for pid in daemon.workers()]
        flood(n)
        wait_for(lambda: served_and_dropped() == 5000 + n, what=lambda: look("echo"))
        assert look("echo")["dropped"] > 0 and look("echo")["queue"] == 0
        assert daemon.workers() == workers
        grown = [memory(pid) - kib for pid, kib in zip(workers, before)]
        assert max(grown) <= 24, grown
        daemon.wait_log(r"the kernel has dropped \d+ datagrams")
        assert len(daemon.log.items) < 30
        assert ask(daemon.address("echo"), b"still there?") == b"still there?"


@needs_root
def test_damaged():
    """systemd#43650: a wrong checksum wakes somebody for nothing; the kernel drops it, and nobody
    spins."""
    with told(service("echo", listen=UDP, **ONE)) as (daemon, look):
        address = daemon.address("echo")
        [worker] = daemon.workers()
        for _ in range(100):
            forge(("127.0.0.1", 40000), address, damage=1)
        assert ask(address, b"x") == b"x"
        forge(("127.0.0.1", 40000), address)
        wait_for(lambda: look("echo")["sessions"] == 2, what=lambda: look("echo"))
        assert proc_cpu_seconds(worker) + proc_cpu_seconds(daemon.pid) < 1


# --- Clients of unix sockets -------------------------------------------------------------------

@contextlib.contextmanager
def served(tmp_path):
    """A path, a way to hold its one worker up, and a way to see what has not been answered."""
    path = f"{tmp_path}/s"
    with told(service("echo", listen=f"unix-dgram:{path}", **ONE)) as (daemon, look):
        [worker] = daemon.workers()

        def unanswered():
            assert ask(path, b"x") == b"x"  # so what came before has been served
            assert daemon.workers() == [worker]
            return {cause: n for cause, n in look("echo")["unanswered"].items() if n}

        yield path, lambda: stopped(worker), unanswered


@pytest.mark.parametrize("how", ["removed", "closed", "abstract"])
def test_client_that_has_gone(tmp_path, how):
    """Its path has vanished, or nobody has the socket any more."""
    name = "\0" + f"{tmp_path}" if how == "abstract" else f"{tmp_path}/client"
    with served(tmp_path) as (path, holding, unanswered):
        with holding(), client(path, source=name) as sock:
            sock.send(b"x")
            if how == "removed":
                os.unlink(name)
            else:
                sock.close()
        assert unanswered() == {"undelivered": 1}


def test_client_without_a_name(tmp_path):
    """It cannot be answered."""
    with served(tmp_path) as (path, _, unanswered):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            for message in (b"", b"x"):
                sock.sendto(message, path)
        assert unanswered() == {"no_sender": 2}


def test_client_whose_queue_is_full(tmp_path):
    """net.unix.max_dgram_qlen: what has no room is dropped, and counted; the rest is there."""
    with served(tmp_path) as (path, _, unanswered):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind("")
            for number in range(100):
                sock.sendto(b"%d" % number, path)
            n_lost = unanswered()["full"]
            sock.settimeout(SHORT)
            assert [sock.recv(10) for _ in range(100 - n_lost)] == [
                b"%d" % number for number in range(100 - n_lost)]
            with pytest.raises(TimeoutError):
                sock.recv(10)
        assert n_lost > 0


def test_client_that_leaves_answers_unread(tmp_path):
    """unix(7): to a client that is connected the kernel sends as long as the service's socket has room
    for what was sent and not read. So one that reads nothing costs others their answers, as
    tcpd-datagram(7) tells; when it has gone they have them again."""
    with served(tmp_path) as (path, _, unanswered):
        with client(path) as lazy:
            for _ in range(1000):
                lazy.send(b"x")
            assert is_silent(path, b"y")
        assert unanswered()["full"] > 0


# --- Addresses ---------------------------------------------------------------------------------

@needs_root
def test_sender_that_nobody_is():
    """From where nobody is. (Most such addresses the kernel itself takes from nobody.)"""
    with told(service("echo", listen=UDP)) as (daemon, look):
        forge(("240.0.0.1", 40000), daemon.address("echo"))
        wait_for(lambda: look("echo")["unanswered"]["source_address"] == 1,
                 what=lambda: look("echo"))
        assert look("echo")["sessions"] == 0


@needs_networks
def test_link_local_peers(tcpd):
    """ipv6(7): the interface is a part of the address: two peers that have the same one, each at its
    own cable, are answered where they are, from the address that they have asked."""
    with Namespace() as near, Namespace() as far, Namespace() as farther:
        for end, interface in ((far, "left"), (farther, "right")):
            near.run("ip", "link", "add", interface, "type", "veth", "peer", "name", "wire", "netns",
                     end.path)
            for machine, name, host in ((near, interface, "fe80::1"), (end, "wire", "fe80::2")):
                machine.run("ip", "link", "set", name, "up")
                machine.run("ip", "address", "add", f"{host}/64", "dev", name, "nodad")
        daemon = near.call(tcpd, configuration(service("echo", listen="udp:*:0"), log_sessions="all"))
        with daemon:
            for end in (far, farther):
                wait_for(lambda: " state UP " in end.run("ip", "link", "show", "wire"))
                scope = end.call(socket.if_nametoindex, "wire")
                address = ("fe80::1", daemon.address("echo")[1], 0, scope)
                source = ("fe80::2", 40000, 0, scope)
                assert end.call(ask, address, b"x", source=source) == b"x"
            assert daemon.stop() == EX_OK
            for interface in ("left", "right"):
                scope = near.call(socket.if_nametoindex, interface)
                daemon.wait_log(rf"datagram from \[fe80::2%{scope}\]:40000: ok")
