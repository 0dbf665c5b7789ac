# SPDX-License-Identifier: MIT
"""Life and death of WebSocket sessions: stop, reload, drain, a worker's death, timeouts, pings."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from harness import (EX_OK, PATIENCE, Text, configuration, free_port, peer_name, read_all, service,
                     wait_for)
from programs import ONE, program, write_python
from ws_peer import PING, PONG, TEXT, Frame, Peer, encode, request_of

STOPPED = (1001, "the service stops")
LATE = (1001, "timeout")


def conf(name="echo", *, stop_idle_timeout="1s", **options):
    return configuration(service(name, listen="ws:127.0.0.1:0", **options),
                         stop_idle_timeout=stop_idle_timeout)


def conf_of(kind, **options):
    """echo, or a program that is one, by lines."""
    return conf(**options) if kind == "echo" else \
        configuration(program(["/bin/cat"], listen="ws:127.0.0.1:0", **options))


def opened(daemon, name="echo"):
    return Peer(daemon.connect(name)).opened()


def begin_stop(daemon):
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("stopping: draining")
    return time.monotonic()


@contextlib.contextmanager
def in_background(act):
    """Calls act(ended) in a thread, to end when `ended` is set or by an error of the socket."""
    ended = threading.Event()

    def run():
        with contextlib.suppress(OSError):
            act(ended)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# --- Stop, reload ------------------------------------------------------------------------------

def test_stop(tcpd):
    """A client that is owed nothing is told 1001, and not before stop_idle_timeout."""
    with tcpd(conf(min_workers=2)) as daemon, opened(daemon) as silent, opened(daemon) as spoken:
        spoken.say("t'x'")
        assert spoken.message() == Frame(TEXT, b"x")
        begin = begin_stop(daemon)
        assert silent.code() == spoken.code() == STOPPED
        assert silent.message() is spoken.message() is None
        assert 0.9 < time.monotonic() - begin < PATIENCE / 3
        assert daemon.wait_exit() == EX_OK
        daemon.wait_log(f"{peer_name(silent.sock)} closed: stopped")


def test_stop_before_the_request(tcpd):
    """One that has not said what it wants has stop_idle_timeout, too; the request may come yet."""
    with tcpd(conf(min_workers=3, stop_idle_timeout="2s")) as daemon:
        with Peer(daemon.connect("echo"), b"") as silent, \
                Peer(daemon.connect("echo"), request_of()[:50]) as half, \
                Peer(daemon.connect("echo"), request_of()[:50]) as late:
            for peer in (silent, half, late):
                daemon.worker_serving(peer.sock)
            begin = begin_stop(daemon)
            late.send(request_of()[50:])
            late.opened().say("t'in time'")
            assert late.message() == Frame(TEXT, b"in time")
            assert read_all(silent.sock) == read_all(half.sock) == b""
            assert 1.9 < time.monotonic() - begin < PATIENCE / 3
            assert late.code() == STOPPED
        assert daemon.wait_exit() == EX_OK


def test_stop_finishes_what_is_owed(tcpd):
    """An answer that takes its time is given before the 1001."""
    with tcpd(conf("hello", delay="2s")) as daemon, opened(daemon, "hello") as peer:
        assert peer.message() == Frame(TEXT, b"Welcome!")
        peer.say("t'Ann'")
        wait_for(lambda: daemon.counts().get("busy") == 1)
        begin_stop(daemon)
        assert peer.message() == Frame(TEXT, b"Hello, Ann!")
        assert peer.code() == STOPPED
        assert daemon.wait_exit() == EX_OK


def test_stop_while_the_client_pings(tcpd):
    """Pings and pongs are no reason to go on."""
    def ping(ended):
        while not ended.wait(0.1):
            peer.say("p")

    with tcpd(conf(ws_ping="100ms")) as daemon, opened(daemon) as peer:
        with in_background(ping):
            begin = begin_stop(daemon)
            assert [frame for frame in peer.rest() if frame.opcode < PING] == \
                [Frame(8, b"\x03\xe9the service stops")]
        assert time.monotonic() - begin < PATIENCE / 3
        assert daemon.wait_exit() == EX_OK


def test_reload(tcpd):
    """Sessions of the old configuration go on, with what it said; new ones have the new one."""
    with tcpd(conf(ws_message_max=10)) as daemon, opened(daemon) as old:
        daemon.reload(conf(ws_message_max=20))
        old.say("t*10")
        assert old.message() == Frame(TEXT, b"a" * 10)
        with opened(daemon) as new:
            new.say("t*20")
            assert new.message() == Frame(TEXT, b"a" * 20)
        old.say("t*11")
        assert old.code() == (1009, "")


def test_reload_that_changes_what_is_spoken(tcpd):
    """The same socket, plain from now on: the session that is open goes on as what it is."""
    with tcpd(conf()) as daemon, opened(daemon) as old:
        address = daemon.address("echo")
        daemon.reload(configuration(service("echo")))
        assert daemon.address("echo") == address and daemon.is_serving()
        old.say("t'still'")
        assert old.message() == Frame(TEXT, b"still")
        old.say("x1000")
        assert old.code() == (1000, "")
        daemon.reload(conf())
        with opened(daemon) as new:
            new.say("t'again'")
            assert new.message() == Frame(TEXT, b"again")


def test_reload_that_takes_the_door_away(tcpd):
    """The session that came through it ends when its client wants; no new one comes."""
    port = free_port()
    both = ["127.0.0.1:0", f"ws:127.0.0.1:{port}"]
    with tcpd(configuration(service("echo", listen=both))) as daemon, \
            Peer(socket.create_connection(("127.0.0.1", port), PATIENCE)).opened() as old:
        daemon.reload(configuration(service("echo", listen=both[:1])))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        old.say("t'still'")
        assert old.message() == Frame(TEXT, b"still")
        old.say("x1000")
        assert old.code() == (1000, "")


def test_killed_worker(tcpd):
    """Its session alone is cut, without a Close; the others do not notice."""
    with tcpd(conf(min_workers=2)) as daemon, opened(daemon) as one, opened(daemon) as other:
        os.kill(daemon.worker_serving(one.sock), signal.SIGKILL)
        assert one.rest() == []
        other.say("t'here'")
        assert other.message() == Frame(TEXT, b"here")
        with opened(daemon) as third:
            third.say("b#00")
            assert third.message() == Frame(2, b"\0")


def test_all_workers_busy(tcpd):
    """Who comes then waits in the queue, with the request, and is served when one leaves."""
    with tcpd(conf(**ONE)) as daemon, opened(daemon) as first:
        with Peer(daemon.connect("echo"), request_of() + encode(1, b"early")) as second:
            daemon.wait_log(Text.at_maximum)
            first.say("x1000")
            assert first.code() == (1000, "")
            assert second.opened().message() == Frame(TEXT, b"early")


# --- Timeouts ----------------------------------------------------------------------------------

TIMEOUTS = [("idle_timeout", "x"), ("session_timeout", "x"), ("first_byte_timeout", "")]


@pytest.mark.parametrize("kind", ["echo", "program"])
@pytest.mark.parametrize("option, first", TIMEOUTS, ids=[row[0] for row in TIMEOUTS])
def test_timeout(tcpd, kind, option, first):
    """1001 with the reason, though the client pings and answers pings: that is no data."""
    def ping(ended):
        while not ended.wait(0.1):
            peer.say("p q")

    with tcpd(conf_of(kind, ws_ping="100ms", **{option: "1s"})) as daemon, \
            opened(daemon, kind) as peer:
        began = time.monotonic()
        if first:
            peer.say(f"t'{first}'")
            assert peer.data() == Frame(TEXT, first.encode())
        with in_background(ping):
            *_, end = peer.rest()
        assert end == Frame(8, b"\x03\xe9timeout")
        assert 0.9 < time.monotonic() - began < PATIENCE / 3
        daemon.wait_log(rf"{peer_name(peer.sock)} closed: \w+ ?\w* timeout \({option} = 1s\)")


@pytest.mark.parametrize("begun", [b"", request_of()[:50]], ids=["silent", "half"])
def test_handshake_timeout(tcpd, begun):
    """408, and a record that names the setting."""
    with tcpd(conf(handshake_timeout="1s")) as daemon, \
            Peer(daemon.connect("echo"), begun) as peer:
        status, body = peer.refused()
        assert (status, body) == (408, "the request did not come in time\n")
        daemon.wait_log(rf"{peer_name(peer.sock)} closed: handshake timeout "
                        r"\(handshake_timeout = 1s\)")


def test_client_that_leaves(tcpd):
    """Before the request is whole, and without a Close: neither is the daemon's affair."""
    with tcpd(conf(**ONE)) as daemon:
        worker, = daemon.workers()
        with Peer(daemon.connect("echo"), request_of()[:50]):
            pass
        daemon.wait_log(r"closed: protocol error \(the request is not whole\)")
        with opened(daemon) as peer:
            peer.say("t-'half a message'")
        daemon.wait_log("closed: reset by peer")
        with opened(daemon) as peer:
            peer.say("t'x'")
            assert peer.message() == Frame(TEXT, b"x")
        assert daemon.workers() == [worker]


# --- Pings -------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["echo", "program"])
def test_ping(tcpd, kind):
    """After ws_ping of silence a ping comes; who answers stays, who does not is lost."""
    with tcpd(conf_of(kind, ws_ping="300ms", min_workers=2)) as daemon, \
            opened(daemon, kind) as alive, opened(daemon, kind) as dead:
        for _ in range(3):
            assert alive.frame() == Frame(PING)
            alive.say("q")
        assert dead.rest() == [Frame(PING)]
        daemon.wait_log(f"{peer_name(dead.sock)} closed: peer lost")
        alive.say("t'x'")
        assert alive.data() == Frame(TEXT, b"x")


def test_no_ping(tcpd):
    """ws_ping = 0; and a client that talks needs none."""
    with tcpd(conf(ws_ping=0)) as daemon, opened(daemon) as peer:
        peer.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            peer.frame()
    with tcpd(conf(ws_ping="500ms")) as daemon, opened(daemon) as peer:
        for _ in range(20):
            peer.say("t'x'")
            assert peer.message() == Frame(TEXT, b"x")
            time.sleep(0.05)  # the pace itself is meant


def test_ping_while_a_handler_is_busy(tcpd):
    """A built-in service that computes answers behind it; a program does not keep the worker from
    answering at once. Neither is taken for a lost peer."""
    with tcpd(conf("hello", delay="1s", ws_ping="200ms")) as daemon, \
            opened(daemon, "hello") as peer:
        assert peer.message() == Frame(TEXT, b"Welcome!")
        peer.say("t'Ann' p'1' p'2'")
        seen = [peer.message() for _ in range(3)]
        assert sorted(seen) == sorted([Frame(TEXT, b"Hello, Ann!"), Frame(PONG, b"1"),
                                       Frame(PONG, b"2")])


def test_ping_while_a_program_is_busy(tcpd, mark, tmp_path):
    script = write_python(tmp_path / "busy", """\
        import sys, time
        for line in sys.stdin:
            time.sleep(2)
            print(line, end="", flush=True)
    """)
    text = configuration(program([script], mark, listen="ws:127.0.0.1:0", ws_ping="300ms"))
    with tcpd(text) as daemon, opened(daemon, "program") as peer:
        peer.say("t'work' p'1'")
        assert peer.message() == Frame(PONG, b"1")
        assert peer.data() == Frame(TEXT, b"work")


@pytest.mark.parametrize("name, opcode", [
    ("echo", PING), ("hello", PING), ("discard", PING), ("echo", TEXT)])
def test_flood(tcpd, name, opcode):
    """WB: who sends pings, or what is echoed, and reads nothing is let go after send_timeout."""
    def flood(ended):
        while not ended.is_set():
            peer.send(encode(opcode, b"x" * 125) * 1000)

    text = conf(name, send_timeout="1s", **ONE)
    with tcpd(text) as daemon:
        sock = daemon.connect(name, rcvbuf=4096)
        with Peer(sock) as peer:
            peer.opened()
            peer.sock.settimeout(PATIENCE)
            with in_background(flood):
                daemon.wait_log(f"{peer_name(sock)} closed: send timeout")
        with opened(daemon, name) as peer:
            peer.say("p'x'")
            assert name != "hello" or peer.message() == Frame(TEXT, b"Welcome!")
            assert peer.message() == Frame(PONG, b"x")
