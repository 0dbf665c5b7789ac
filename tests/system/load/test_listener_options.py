# SPDX-License-Identifier: MIT
"""A listening socket is everybody's who has a copy of it: what a worker does to its options, the
master puts right at its next look."""

import ctypes
import os
import socket
import struct
import threading

import pytest

from harness import configuration, service, steal_listener, wait_for

SO_DETACH_FILTER, SO_ATTACH_FILTER, SO_LOCK_FILTER, SO_BINDTOIFINDEX = 27, 26, 44, 62
ONE = {"min_workers": 1, "max_workers": 2, "spare_workers": 0}
SOCKET, TCP, IP = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IP
TIME, LINGER, NUMBER = struct.pack("ll", 0, 1000), struct.pack("ii", 1, 0), struct.pack("i", 1)
OPTIONS = [(SOCKET, "SO_RCVTIMEO", TIME), (SOCKET, "SO_SNDTIMEO", TIME),
           (SOCKET, "SO_LINGER", LINGER), (SOCKET, "SO_RCVLOWAT", struct.pack("i", 1000)),
           (SOCKET, "SO_RCVBUF", NUMBER), (SOCKET, "SO_SNDBUF", NUMBER),
           (SOCKET, "SO_DONTROUTE", NUMBER), (SOCKET, "SO_REUSEPORT", NUMBER),
           (TCP, "TCP_DEFER_ACCEPT", struct.pack("i", 60)), (TCP, "TCP_CORK", NUMBER),
           (TCP, "TCP_USER_TIMEOUT", NUMBER), (IP, "IP_TTL", NUMBER),
           (IP, "IP_MINTTL", struct.pack("i", 255))]


def attach_drop_all(sock):
    """A filter that lets nothing through."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    sock.setsockopt(SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HL", 1, ctypes.addressof(program)))


@pytest.fixture
def stolen(tcpd):
    with tcpd(configuration(service("echo", **ONE))) as daemon, steal_listener(daemon) as sock:
        yield daemon, sock


@pytest.mark.parametrize("level, name, value", OPTIONS, ids=lambda row: row if isinstance(row, str)
                         else "")
def test_option(stolen, level, name, value):
    daemon, sock = stolen
    number = getattr(socket, name, {"IP_MINTTL": 21}.get(name))
    before = sock.getsockopt(level, number, 16)
    sock.setsockopt(level, number, value)
    assert sock.getsockopt(level, number, 16) != before
    daemon.wait_log(rf"echo 127.*: someone changed the listener's {name}; undone", deadline=5)
    assert sock.getsockopt(level, number, 16) == before
    assert daemon.is_serving()


def test_backlog(stolen):
    daemon, sock = stolen
    before = sock.getsockopt(TCP, socket.TCP_INFO, 104)
    sock.listen(0)
    assert sock.getsockopt(TCP, socket.TCP_INFO, 104)[28:32] != before[28:32]
    daemon.wait_log("someone changed the listener's backlog; undone", deadline=5)
    assert sock.getsockopt(TCP, socket.TCP_INFO, 104)[28:32] == before[28:32]
    assert daemon.is_serving()


def test_filter(stolen):
    daemon, sock = stolen
    attach_drop_all(sock)
    daemon.wait_log("someone changed the listener's SO_ATTACH_FILTER; undone", deadline=5)
    assert daemon.is_serving()


def test_interface(stolen):
    """Only who is privileged can undo it."""
    daemon, sock = stolen
    sock.setsockopt(SOCKET, SO_BINDTOIFINDEX, struct.pack("i", 1 << 30))
    daemon.wait_log("someone changed the listener's SO_BINDTOIFINDEX; undone", deadline=5)
    assert daemon.is_serving()


def test_locked_filter(stolen):
    """It cannot be taken off, and an alert says so once."""
    daemon, sock = stolen
    attach_drop_all(sock)
    sock.setsockopt(SOCKET, SO_LOCK_FILTER, 1)
    daemon.wait_log("someone changed the listener's SO_LOCK_FILTER, which cannot be undone: ",
                    deadline=5)
    wait_for(lambda: daemon.process.poll() is None)


def test_quiet_where_nothing_changed(tcpd, tmp_path):
    """Whatever kind of socket it is, and after a reload that gives it another backlog."""
    path = tmp_path / "echo"
    listen = ["127.0.0.1:0", "[::1]:0", f"unix:{path}"]

    def conf(backlog):
        return configuration(service("echo", listen=listen, backlog=backlog, **ONE))

    with tcpd(conf(100)) as daemon:
        daemon.reload(conf(50))
        since = len(daemon.notifications.items)
        daemon.wait_notify(lambda m: "WATCHDOG" in m or "STATUS" in m, since=max(0, since - 1))
        for _ in range(3):
            assert daemon.is_serving()
        assert not daemon.log_matches("someone changed")


def test_lies_about_who_waits(tcpd):
    """The hint page says that enough workers wait in accept(), and that none is in reserve: the
    master wakes some by what it has counted itself."""
    conf = configuration(service("echo", min_workers=100, max_workers=150, spare_workers=1))
    with tcpd(conf) as daemon:
        page = next(f"/proc/{daemon.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{daemon.pid}/fd")
                    if "memfd:scoreboard" in os.readlink(f"/proc/{daemon.pid}/fd/{fd}"))
        lie = struct.pack("iiI", 1 << 20, 0, 0)
        memory = os.open(page, os.O_RDWR)
        over = threading.Event()

        def tell():
            while not over.is_set():
                os.pwrite(memory, lie, 0)

        liar = threading.Thread(target=tell)
        liar.start()
        try:
            for n in range(150):  # each of them parks a worker, as the others do in between
                with daemon.connect("echo", timeout=2.5) as sock:
                    sock.sendall(b"x")
                    assert sock.recv(1) == b"x", n
        finally:
            over.set()
            liar.join()
            os.close(memory)
