# SPDX-License-Identifier: MIT
"""No peer holds a worker for longer than the configuration says, and the log tells why it ended.

Lower bounds are exact, upper ones generous: the machine may be busy, tcpd may not be early.
"""

import contextlib
import random
import select
import socket
import threading
import time

import pytest

from harness import (Text, configuration, peer_name, read_all, read_exactly, service, wait_for)

LATE = 20.0  # seconds after a deadline that a machine under load may take


def clock():
    """The time, for a `with` that connects next: the session cannot begin earlier."""
    return contextlib.nullcontext(time.monotonic())


def run_out(daemon, name, sock, result, since, at_least):
    """Waits for the session's record; checks result and duration."""
    closed = daemon.wait_log(Text.closed(name, peer_name(sock), result))
    took = time.monotonic() - since
    assert at_least - 0.02 <= took < at_least + LATE
    assert float(closed["seconds"]) >= at_least - 0.02
    return closed


@pytest.mark.parametrize("name, options", [
    ("echo", {}), ("echo", {"transfer": "splice"}), ("discard", {}), ("hello", {})])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_first_byte_timeout(tcpd, name, options, host):
    """B20: a client that says nothing."""
    conf = configuration(service(name, listen=f"{host}:0", first_byte_timeout="600ms",
                                 **options))
    with tcpd(conf) as daemon:
        begin = time.monotonic()
        with daemon.connect(name) as sock:
            read_all(sock)  # an end, not a reset
            run_out(daemon, name, sock, "first byte timeout", begin, 0.6)


@pytest.mark.parametrize("name, options, data", [
    ("echo", {}, b"x"), ("echo", {"transfer": "splice"}, b"x"), ("discard", {}, b"x"), ("hello", {}, b"x"),
    ("hello", {"framing": "line"}, b"a line\nand the beginning of"),
    ("hello", {"framing": "length"}, b"\0\0\0\1x\0\0")])
def test_idle_timeout(tcpd, name, options, data):
    """B20: a client that falls silent after its first bytes."""
    conf = configuration(service(name, idle_timeout="600ms", **options))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect(name) as sock:
        sock.sendall(data)
        read_all(sock)
        run_out(daemon, name, sock, "idle timeout", begin, 0.6)


def test_idle_timeout_begins_anew_with_each_byte_of_echo(tcpd):
    """A client that sends now and then, and within idle_timeout, is served on."""
    with tcpd(configuration(service("echo", idle_timeout="3s"))) as daemon:
        with daemon.connect("echo") as sock:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                sock.sendall(b"x")
                assert read_exactly(sock, 1) == b"x"
                select.select([sock], [], [], 0.3)  # nothing comes: a pause
            assert not daemon.log_matches("timeout")


@pytest.mark.parametrize("name, options, many", [
    ("chargen", {}, 0), ("echo", {}, 32_000_000), ("echo", {"transfer": "splice"}, 32_000_000)])
def test_send_timeout(tcpd, name, options, many):
    """B19: a peer that never reads: its window closes, and send_timeout ends the session."""
    conf = configuration(service(name, send_timeout="700ms", **options))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect(name, rcvbuf=4096) as sock:
        peer = peer_name(sock)
        if many:
            sock.settimeout(60)
            with contextlib.suppress(ConnectionError):
                sock.sendall(bytes(many))
        closed = daemon.wait_log(Text.closed(name, peer, "send timeout"))
        assert time.monotonic() - begin >= 0.69
        assert int(closed["bytes_out"]) > 0


def test_send_timeout_of_a_peer_that_takes_a_little(tcpd):
    """B19: a few bytes now and then do not keep the worker: chargen to a reader of 1 byte, that is
    far below what send_timeout allows for a block."""
    conf = configuration(service("chargen", send_timeout="1s"))
    with tcpd(conf) as daemon, daemon.connect("chargen", rcvbuf=2048) as sock:
        peer = peer_name(sock)
        stop = threading.Event()

        def sip():
            while not stop.wait(0.1):
                with contextlib.suppress(OSError):
                    sock.recv(1)

        reader = threading.Thread(target=sip)
        reader.start()
        try:
            daemon.wait_log(Text.closed("chargen", peer, "send timeout"))
        finally:
            stop.set()
            reader.join()


def test_send_timeout_is_the_same_for_every_write(tcpd, tmp_path):
    """B19: a write that the peer took slowly leaves no shorter time to later ones. On a unix socket,
    where one write is many sends, each of which waits."""
    listen = f"unix:{tmp_path}/s"
    conf = configuration(service("chargen", listen=listen, send_timeout="3s"))
    with tcpd(conf) as daemon, daemon.connect("chargen") as sock:
        for _ in range(20):
            assert len(read_exactly(sock, 16384)) == 16384
            select.select([], [], [], 0.22)
        rng = random.Random(19)
        for _ in range(9):
            size = rng.randint(100_000, 200_000)
            assert len(read_exactly(sock, size)) == size, daemon.log_text()
            select.select([], [], [], 1)


@pytest.mark.parametrize("left", [0.3, 0.8])
def test_session_timeout_of_a_peer_that_never_reads(tcpd, left):
    """B19, B20: a session that ends while it is blocked in writing ran out of its own time, not of
    send_timeout's."""
    conf = configuration(service("chargen", session_timeout=f"{int(left * 1000)}ms"))
    with tcpd(conf) as daemon:
        for _ in range(8):
            with clock() as begin, daemon.connect("chargen", rcvbuf=4096) as sock:
                run_out(daemon, "chargen", sock, "session timeout", begin, left)


@pytest.mark.parametrize("name, options", [
    ("echo", {}), ("echo", {"transfer": "splice"}), ("discard", {}), ("hello", {}), ("chargen", {})])
def test_session_timeout_while_active(tcpd, name, options):
    """B20: a session that is never idle still ends."""
    conf = configuration(service(name, session_timeout="800ms", **options))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect(name) as sock:
        sock.settimeout(0.02)
        with contextlib.suppress(ConnectionError):
            while True:
                if name != "chargen":
                    sock.send(b"x")
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(65536):
                        break
        run_out(daemon, name, sock, "session timeout", begin, 0.8)


@pytest.mark.parametrize("name, options", [
    ("echo", {}), ("discard", {}), ("hello", {"framing": "line"}), ("hello", {"framing": "chunk"})])
def test_dribble(tcpd, name, options):
    """B20: one byte a second, below every idle_timeout, is ended by session_timeout."""
    conf = configuration(service(name, session_timeout="3s", idle_timeout="10s", **options))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect(name) as sock:
        with contextlib.suppress(ConnectionError):
            while True:
                sock.send(b"x")
                readable, _, _ = select.select([sock], [], [], 1)
                while readable and sock.recv(4096):
                    readable, _, _ = select.select([sock], [], [], 0)
                if readable:
                    break  # the end
        run_out(daemon, name, sock, "session timeout", begin, 3)


def test_dribbled_message_is_ended_by_idle_timeout(tcpd):
    """B20, slow loris: in line framing idle_timeout bounds a whole message, not each byte."""
    conf = configuration(service("hello", framing="line", idle_timeout="1s"))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect("hello") as sock:
        assert read_exactly(sock, 9) == b"Welcome!\n"
        with contextlib.suppress(ConnectionError):
            while not select.select([sock], [], [], 0.2)[0]:
                sock.send(b"x")
        run_out(daemon, "hello", sock, "idle timeout", begin, 1)


def test_lingering_close_is_bounded(tcpd):
    """B17: after the message a client that neither reads nor ends holds the worker for 2 s."""
    conf = configuration(
        service("greeting", message="hello", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon:
        begin = time.monotonic()
        first = daemon.connect("greeting")
        wait_for(lambda: select.select([first], [], [], 0)[0])
        with daemon.connect("greeting") as second:
            assert read_all(second) == b"hello"
        assert 1.9 <= time.monotonic() - begin < 2 + LATE
        first.close()


def test_lingering_close_ends_for_a_peer_that_never_stops(tcpd):
    """B17: nor does one that sends a byte now and then: 30 s in all."""
    conf = configuration(
        service("greeting", message="hello", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon:
        begin = time.monotonic()
        first = daemon.connect("greeting")
        second = daemon.connect("greeting", timeout=60)
        while not select.select([second], [], [], 0.5)[0] and time.monotonic() - begin < 50:
            with contextlib.suppress(ConnectionError):
                first.send(b"x")
        with second:
            assert read_all(second) == b"hello"
        assert 25 <= time.monotonic() - begin < 30 + LATE
        first.close()


@pytest.mark.parametrize("name, options", [("greeting", {"message": "hello"}), ("daytime", {}),
                                           ("echo", {})])
def test_lingering_close_within_session_timeout(tcpd, name, options):
    """Issue 12: session_timeout is for the whole session: a client that sends on after its end does
    not hold the worker beyond it."""
    conf = configuration(service(name, session_timeout="1s", min_workers=1, max_workers=1,
                                 spare_workers=0, **options))
    with tcpd(conf) as daemon:
        begin = time.monotonic()
        first = daemon.connect(name)
        second = daemon.connect(name)
        second.sendall(b"x")
        while not select.select([second], [], [], 0.2)[0] and time.monotonic() - begin < LATE:
            with contextlib.suppress(ConnectionError):
                first.send(b"x")
        assert 0.9 <= time.monotonic() - begin < 1 + LATE / 2
        first.close()
        second.close()


def test_deadlines_that_are_off(tcpd):
    """0 is off: nothing ends a silent session."""
    off = dict.fromkeys(("first_byte_timeout", "idle_timeout", "send_timeout"), 0)
    with tcpd(configuration(service("echo", **off))) as daemon:
        with daemon.connect("echo") as sock:
            assert not select.select([sock], [], [], 1.5)[0]
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            assert not select.select([sock], [], [], 1.5)[0]
            sock.sendall(b"y")
            sock.shutdown(socket.SHUT_WR)
            assert read_exactly(sock, 2) == b"y"


def test_timed_out_workers_serve_on(tcpd):
    """A deadline ends the session, never the worker."""
    conf = configuration(
        service("echo", first_byte_timeout="200ms", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        for _ in range(3):
            with daemon.connect("echo") as sock:
                assert read_all(sock) == b""
        assert daemon.is_serving()
        assert daemon.workers() == [worker]


def test_delay_is_bounded_by_session_timeout(tcpd):
    """X12: hello's delay is not a sleep without a bound."""
    conf = configuration(service("hello", delay="1h", session_timeout="700ms"))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect("hello") as sock:
        sock.sendall(b"Michael")
        assert read_all(sock) == b"Welcome!"
        run_out(daemon, "hello", sock, "session timeout", begin, 0.7)
