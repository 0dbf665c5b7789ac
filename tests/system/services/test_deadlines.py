# SPDX-License-Identifier: MIT
"""No peer holds a worker for longer than the configuration says, and the log tells why it ended.

Lower bounds are exact, upper ones generous: the machine may be busy, tcpd may not be early.
"""

import contextlib
import os
import random
import select
import signal
import socket
import threading
import time

import pytest

import harness
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


def one_worker(name, **options):
    return configuration(service(name, min_workers=1, max_workers=1, spare_workers=0, **options))


def kept_sockets(daemon):
    """The connections that the only worker has open."""
    [worker] = daemon.workers()
    return sum(target.startswith("socket:") for target in harness.proc_fds(worker).values())


@pytest.mark.parametrize("name, options", [("greeting", {"message": "hello"}), ("daytime", {}),
                                           ("program", {"program": ["/bin/echo", "hello"]})])
def test_close_holds_no_worker(tcpd, name, options):
    """Issue 13: clients that have their answer and never close do not hold the only worker up; their
    connections are closed after 2 s of silence, with nobody else coming."""
    with tcpd(one_worker(name, **options)) as daemon, contextlib.ExitStack() as stack:
        n_before = kept_sockets(daemon)
        begin = time.monotonic()
        clients = [stack.enter_context(daemon.connect(name)) for _ in range(20)]
        for sock in clients:
            assert read_all(sock)
        assert time.monotonic() - begin < 2
        wait_for(lambda: kept_sockets(daemon) == n_before + 20)
        wait_for(lambda: kept_sockets(daemon) == n_before)
        assert 1.9 < time.monotonic() - begin < 4 + LATE


def test_close_waits_where_too_many_are_kept(tcpd):
    """Issue 13: at most 32 of a worker's; the next client is closed when one of them is over."""
    with tcpd(one_worker("greeting", message="hello")) as daemon, contextlib.ExitStack() as stack:
        n_before = kept_sockets(daemon)
        clients = [stack.enter_context(daemon.connect("greeting")) for _ in range(40)]
        begin = time.monotonic()
        for sock in clients:
            assert read_all(sock) == b"hello"
            assert kept_sockets(daemon) <= n_before + 34  # and one that is served, and accepted
        assert 1.5 < time.monotonic() - begin < 2 + LATE


def test_close_ends_for_a_peer_that_never_stops(tcpd):
    """B17: a client that sends a byte now and then is heard for 30 s in all, and holds nobody up."""
    with tcpd(one_worker("greeting", message="hello")) as daemon:
        n_before = kept_sockets(daemon)
        begin = time.monotonic()
        with daemon.connect("greeting") as first:
            while kept_sockets(daemon) > n_before or time.monotonic() - begin < 1:
                assert time.monotonic() - begin < 30 + LATE
                with contextlib.suppress(ConnectionError):
                    first.send(b"x")
                with daemon.connect("greeting") as other:
                    assert read_all(other) == b"hello"
                select.select([], [], [], 0.5)
        assert time.monotonic() - begin > 25


def test_close_hears_an_upload_that_nobody_reads(tcpd):
    """B17: a client that reads its answer only after it has sent 20 MB gets it whole, and soon."""
    with tcpd(one_worker("greeting", message="hello" * 500)) as daemon:
        begin = time.monotonic()
        with daemon.connect("greeting") as sock:
            sock.sendall(b"x" * 20_000_000)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"hello" * 500
        assert time.monotonic() - begin < LATE


@pytest.mark.parametrize("name, options", [("greeting", {"message": "hello"}), ("daytime", {}),
                                           ("echo", {})])
def test_close_within_session_timeout(tcpd, name, options):
    """Issue 12: session_timeout is for the whole session: a client that sends on after its end is not
    heard beyond it."""
    with tcpd(one_worker(name, session_timeout="1s", **options)) as daemon:
        n_before = kept_sockets(daemon)
        begin = time.monotonic()
        with daemon.connect(name) as sock:
            wait_for(lambda: kept_sockets(daemon) > n_before)
            while kept_sockets(daemon) > n_before and time.monotonic() - begin < LATE:
                with contextlib.suppress(ConnectionError):
                    sock.send(b"x")
                select.select([], [], [], 0.1)
            assert 0.9 <= time.monotonic() - begin < 1 + LATE / 2


@pytest.mark.parametrize("how", ["stop", "drain", "retire", "kill"])
def test_worker_ends_with_kept_connections(tcpd, how):
    """Issue 13: clients that have yet to read their answer get it, and its end, whatever becomes of the
    worker; a stop takes no longer than 2 s for them."""
    limit = {"max_sessions_per_worker": 5} if how == "retire" else {}
    message = "hello" * 800
    with tcpd(configuration(service("greeting", message=message, min_workers=1, max_workers=1,
                                    spare_workers=0, **limit), log_sessions="all")) as daemon, \
            contextlib.ExitStack() as stack:
        [worker] = daemon.workers()
        clients = [stack.enter_context(daemon.connect("greeting")) for _ in range(5)]
        for sock in clients:
            wait_for(lambda: select.select([sock], [], [], 0)[0])
            daemon.wait_log(f"{peer_name(sock)} closed: ok, 0 bytes in, {len(message)} bytes out")
        begin = time.monotonic()
        if how == "stop":
            daemon.signal(signal.SIGTERM)
        elif how in ("drain", "kill"):
            os.kill(worker, signal.SIGTERM if how == "drain" else signal.SIGKILL)
        if how != "kill":  # what they say now must not cost them their answer
            for sock in clients:
                sock.sendall(b"x")
        wait_for(lambda: harness.proc_state(worker) in (None, "Z"))
        assert time.monotonic() - begin < 2 + LATE
        for sock in clients:
            assert read_all(sock) == message.encode()


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


@pytest.mark.plain("its worker delivers all before it exits")
def test_an_answer_in_flight_outlives_its_worker(tcpd):
    """B17: a worker that drains hears a client which talks on and has yet to read most of its answer;
    a close with unread input would destroy what is still on its way."""
    size = 1_000_000
    with tcpd(one_worker("program", program=["/usr/bin/head", "-c", str(size), "/dev/zero"])) as daemon:
        [worker] = daemon.workers()
        with daemon.connect("program") as sock:
            wait_for(lambda: not harness.proc_children(worker)
                     and select.select([sock], [], [], 0)[0], what="the program's end")
            os.kill(worker, signal.SIGSTOP)  # so that the byte is there when it drains
            wait_for(lambda: harness.proc_state(worker) == "T")
            os.kill(worker, signal.SIGTERM)
            sock.sendall(b"x")
            os.kill(worker, signal.SIGCONT)
            wait_for(lambda: harness.proc_state(worker) in (None, "Z"))
            assert len(read_all(sock)) == size
