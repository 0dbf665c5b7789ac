# SPDX-License-Identifier: MIT
"""The load generator, against servers that lie: it must notice each lie and call it by its name."""

import socket
import subprocess
import threading

import pytest

from liars import PROGRAMS, Cut, Reset, Server, Silence, discard, run_load

GREETING = b"http://c.biancheng.net/socket/"
RING = bytes(range(32, 127))
LINES = b"".join((RING + RING)[n:n + 72] + b"\r\n" for n in range(95))
MEGABYTE = 1_000_000
LIMIT = "0.4"  # seconds; for the lies that are noticed by waiting


# --- Servers that send what they are told, and then end in some way ---

def say(*parts, end=None):
    """Sends the parts, each in a segment of its own; `end` is raised after the last."""
    def serve(connection, _n):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        if end:
            raise end
    return serve


def pour(lines, end=None):
    """Sends `lines` over and over until the peer has enough, or once and then `end` is raised."""
    def serve(connection, _n):
        while True:
            connection.sendall(lines)
            if end:
                raise end
    return serve


def say_and_hear_out(text):
    def serve(connection, n):
        connection.sendall(text)
        discard(connection, n)
    return serve


# --- Echo servers, honest but for `change`: (position, data, n) -> what is sent instead ---

def echo(change=lambda _position, data, _n: data, at_end=b"", end=None):
    def serve(connection, n):
        position = 0
        while data := connection.recv(65536):
            connection.sendall(change(position, data, n))
            position += len(data)
        connection.sendall(at_end)
        if end:
            raise end
    return serve


def edit(at, action, only=None):
    """Applies action(data, i) to the block with the byte at position `at`; of connection `only`."""
    def change(position, data, n):
        if position <= at < position + len(data) and only in (None, n):
            return action(data, at - position)
        return data
    return change


def flip(data, i):
    return data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]


def double(data, i):
    return data[:i + 1] + data[i:]


def drop(data, i):
    return data[:i] + data[i + 1:]


def swap(data, i):
    return data[:i - 1] + data[i:i + 1] + data[i - 1:i] + data[i + 1:]


def append(data, _i):
    return data + b"x"


def stop_with(end):
    """An echo server that breaks off before byte `at`, in the way of `end`."""
    def make(at):
        def serve(connection, _n):
            position = 0
            while data := connection.recv(65536):
                if position + len(data) > at:
                    connection.sendall(data[:at - position])
                    raise end
                connection.sendall(data)
                position += len(data)
        return serve
    return make


def echo_of_another():
    """Answers each connection but the first with the first one's bytes."""
    kept = {}
    kept_first = threading.Event()

    def change(position, data, n):
        if n == 0:
            kept.setdefault(position, data)
            kept_first.set()
            return data
        kept_first.wait(5)
        return kept.get(position, data)
    return echo(change)


def close_unread(connection, _n):
    connection.recv(1)
    raise Reset


def answer_then_discard(connection, n):
    connection.sendall(b"x")
    discard(connection, n)


def discard_for_ever(connection, n):
    discard(connection, n)
    raise Silence


# --- The cases ---

CONNECT = ("--mode", "connect", "--size", "64", "--count", "3")
HALF_CLOSE = (*CONNECT, "--half-close")
MESSAGE = ("--mode", "message", "--size", "100", "--count", "20")
BULK = ("--mode", "bulk", "--size", str(MEGABYTE))
GREET = ("--mode", "greeting", "--expect", GREETING.decode(), "--count", "3")
DISCARD = ("--mode", "discard", "--size", str(MEGABYTE))
CHARGEN = ("--mode", "chargen", "--size", str(MEGABYTE))
IMPATIENT = ("--limit", LIMIT)

HONEST = {
    "connect": (CONNECT, echo(), 3, 192),
    "connect, half-closing": (HALF_CLOSE, echo(), 3, 192),
    "connect, 8 in flight": (("--mode", "connect", "--size", "70000", "--count", "40",
                              "--in-flight", "8"), echo(), 40, 2_800_000),
    "message": (MESSAGE, echo(), 20, 2000),
    "message, 4 in flight": ((*MESSAGE, "--in-flight", "4"), echo(), 20, 2000),
    "message of 1 MiB": (("--mode", "message", "--size", "1048576", "--count", "4"), echo(), 4,
                         4 << 20),
    "message of 5 MiB": (("--mode", "message", "--size", str(5 << 20), "--count", "2"), echo(), 2,
                         10 << 20),
    "bulk": (BULK, echo(), 1, MEGABYTE),
    "bulk, 3 in flight": ((*BULK, "--in-flight", "3"), echo(), 3, 3 * MEGABYTE),
    "bulk for a time": (("--mode", "bulk", "--seconds", "0.1"), echo(), 1, None),
    "greeting": (GREET, say(GREETING), 3, 90),
    "greeting in pieces": (GREET, say(GREETING[:7], GREETING[7:8], GREETING[8:]), 3, 90),
    "greeting of any text": (("--mode", "greeting", "--size", "30", "--count", "3"),
                             say(bytes(range(30))), 3, 90),
    "greeting, half-closing": ((*GREET, "--half-close"), say_and_hear_out(GREETING), 3, 90),
    "discard": (DISCARD, discard, 1, MEGABYTE),
    "discard for a time": (("--mode", "discard", "--seconds", "0.1"), discard, 1, None),
    "chargen": (CHARGEN, pour(LINES), 1, MEGABYTE),
    "chargen in odd pieces": (CHARGEN, pour(LINES * 3), 1, MEGABYTE),
    "chargen for a time": (("--mode", "chargen", "--seconds", "0.1"), pour(LINES), 1, None),
}

LIES = {
    "connect: a byte flipped": (CONNECT, echo(edit(40, flip)), "wrong_bytes"),
    "connect: the last byte flipped": (CONNECT, echo(edit(63, flip)), "wrong_bytes"),
    "connect: another one's bytes": (CONNECT, echo_of_another(), "wrong_bytes"),
    "connect: a byte too many": (CONNECT, echo(edit(63, append)), "excess"),
    "connect: a byte too many, late": (HALF_CLOSE, echo(at_end=b"x"), "excess"),
    "connect: cut short": (CONNECT, stop_with(Cut)(63), "short"),
    "connect: nothing but FIN": (CONNECT, stop_with(Cut)(0), "short"),
    "connect: reset": (CONNECT, stop_with(Reset)(0), "reset"),
    "connect: no answer": ((*CONNECT, *IMPATIENT), stop_with(Silence)(0), "timeout"),
    "connect: half an answer": ((*CONNECT, *IMPATIENT), stop_with(Silence)(32), "timeout"),
    "connect: no FIN": ((*HALF_CLOSE, *IMPATIENT), echo(end=Silence), "timeout"),
    "message: a byte flipped": (MESSAGE, echo(edit(1050, flip)), "wrong_bytes"),
    "message: another one's bytes": ((*MESSAGE, "--in-flight", "2"), echo_of_another(),
                                     "wrong_bytes"),
    "message: a byte too many": (MESSAGE, echo(edit(1050, append)), "excess"),
    "message: a byte too many at the end": (MESSAGE, echo(at_end=b"x"), "excess"),
    "message: cut short": (MESSAGE, stop_with(Cut)(1050), "short"),
    "message: cut between two": (MESSAGE, stop_with(Cut)(1100), "short"),
    "message: reset": (MESSAGE, stop_with(Reset)(1050), "reset"),
    "message: silence": ((*MESSAGE, *IMPATIENT), stop_with(Silence)(1050), "timeout"),
    "message: no FIN": ((*MESSAGE, *IMPATIENT), echo(end=Silence), "timeout"),
    "bulk: a byte flipped": (BULK, echo(edit(700_000, flip)), "wrong_bytes"),
    "bulk: a byte doubled": (BULK, echo(edit(700_000, double)), "wrong_bytes"),
    "bulk: a byte dropped": (BULK, echo(edit(700_000, drop)), "wrong_bytes"),
    "bulk: two bytes swapped": (BULK, echo(edit(700_000, swap)), "wrong_bytes"),
    "bulk: a byte too many": (BULK, echo(at_end=b"x"), "excess"),
    "bulk: cut short": (BULK, stop_with(Cut)(700_000), "short"),
    "bulk: reset": (BULK, stop_with(Reset)(700_000), "reset"),
    "bulk: silence": ((*BULK, *IMPATIENT), stop_with(Silence)(700_000), "timeout"),
    "greeting: a wrong byte": (GREET, say(flip(GREETING, 20)), "wrong_bytes"),
    "greeting: a byte too many": (GREET, say(GREETING + b"\n"), "excess"),
    "greeting: a NUL too many, late": (GREET, say(GREETING, b"\0"), "excess"),
    "greeting: cut short": (GREET, say(GREETING[:-1]), "short"),
    "greeting: nothing": (GREET, say(), "short"),
    "greeting: reset": (GREET, say(end=Reset), "reset"),
    "greeting of any text: a byte too many": (("--mode", "greeting", "--size", "30"),
                                              say(GREETING + b"x"), "excess"),
    "greeting of any text: cut short": (("--mode", "greeting", "--size", "31"), say(GREETING),
                                        "short"),
    "greeting: no FIN": ((*GREET, *IMPATIENT), say(GREETING, end=Silence), "timeout"),
    "discard: an answer": (DISCARD, answer_then_discard, "excess"),
    "discard: a FIN too early": (("--mode", "discard", "--seconds", "5"), say(end=Cut), "short"),
    "discard: reset": (DISCARD, close_unread, "reset"),
    "discard: nothing read": (("--mode", "discard", "--seconds", "0.1", *IMPATIENT),
                              say(end=Silence), "timeout"),
    "discard: no FIN": ((*DISCARD, *IMPATIENT), discard_for_ever, "timeout"),
    "chargen: a ring of 94": (CHARGEN, pour(LINES.replace(b"~", b"!")), "wrong_bytes"),
    "chargen: lines that do not move": (CHARGEN, pour(LINES[:74]), "wrong_bytes"),
    "chargen: begins at !": (CHARGEN, pour(LINES[74:] + LINES[:74]), "wrong_bytes"),
    "chargen: lines of LF": (CHARGEN, pour(LINES.replace(b"\r", b"")), "wrong_bytes"),
    "chargen: a line left out": (CHARGEN, pour(LINES * 9 + LINES[74:]), "wrong_bytes"),
    "chargen: cut short": (CHARGEN, pour(LINES, end=Cut), "short"),
    "chargen: reset": (CHARGEN, pour(b"", end=Reset), "reset"),
    "chargen: silence": ((*CHARGEN, *IMPATIENT), pour(LINES, end=Silence), "timeout"),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_server(name):
    options, serve, operations, n_bytes = HONEST[name]
    with Server(serve) as server:
        status, report, errors = run_load(server.port, *options)
    assert (status, errors, report["operations"]) == (0, {}, operations)
    assert report["bytes"] == n_bytes if n_bytes else report["bytes"] > 100_000
    assert report["latency_usec"]["p50"] <= report["latency_usec"]["max"]
    assert report["rate"] > 0 and report["cpu_seconds"] > 0


@pytest.mark.parametrize("name", LIES)
def test_lie_is_named(name):
    options, serve, kind = LIES[name]
    with Server(serve) as server:
        status, _, errors = run_load(server.port, *options)
    assert status == 1
    assert list(errors) == [kind]


def test_one_lie_in_a_hundred():
    with Server(echo(edit(10, flip, only=57))) as server:
        status, report, errors = run_load(server.port, "--mode", "connect", "--count", "100",
                                          "--in-flight", "8")
    assert (status, errors, report["operations"]) == (1, {"wrong_bytes": 1}, 99)


def test_nobody_listens():
    with Server(echo()) as server:
        pass
    status, report, errors = run_load(server.port, *CONNECT)
    assert (status, errors, report["operations"]) == (1, {"refused": 3}, 0)


def test_nobody_accepts():
    """A full queue drops the SYN: the attempt to connect has a time limit as well."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        status, report, errors = run_load(port, "--mode", "connect", "--count", "8", "--in-flight",
                                          "8", *IMPATIENT)
    assert (status, errors, report["operations"]) == (1, {"timeout": 8}, 0)
    assert report["seconds"] < 20  # the kernel gives up after two minutes


def test_errors_end_a_run_for_a_time():
    with Server(echo()) as server:
        pass
    status, report, errors = run_load(server.port, "--mode", "connect", "--seconds", "60")
    assert (status, errors) == (1, {"refused": 1000})
    assert report["seconds"] < 30


@pytest.mark.parametrize("options", [
    (), ("--address", "127.0.0.1"), ("--address", "127.0.0.1:0"), ("--address", "127.0.0.1:70000"),
    ("--address", "localhost:7"), ("--mode", "typo", "--address", "127.0.0.1:7"),
    ("--mode", "greeting", "--address", "127.0.0.1:7"), ("--address", "127.0.0.1:7", "more"),
    ("--address", "127.0.0.1:7", "--count", "0"), ("--address", "127.0.0.1:7", "--size", "1x"),
])
def test_wrong_command_line(options):
    done = subprocess.run([PROGRAMS / "load", *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 64
    assert done.stderr.startswith("load: ")


@pytest.mark.parametrize("mode, options", [
    ("echo", ("--mode", "connect", "--in-flight", "16")),
    ("echo", ("--mode", "message", "--in-flight", "4", "--size", "100000")),
    ("echo", ("--mode", "bulk", "--in-flight", "2")),
    ("discard", ("--mode", "discard")),
    ("chargen", ("--mode", "chargen")),
], ids=["connect", "message", "bulk", "discard", "chargen"])
def test_reference_is_honest(mode, options):
    judge_reference((mode, "16"), *options)


@pytest.mark.parametrize("close", ["plain", "wait", "aside", "closer"])
@pytest.mark.parametrize("mode, options", [
    ("greeting", ("--expect", GREETING.decode())),
    ("hello", ("--expect", GREETING.decode(), "--half-close")),
    ("time", ("--size", "4")),
], ids=["greeting", "hello", "time"])
def test_reference_closes(mode, options, close):
    judge_reference(("--close", close, mode, "16", GREETING.decode()),
                    "--mode", "greeting", "--in-flight", "8", *options)


def judge_reference(words, *options):
    command = [PROGRAMS / "ref", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reference:
        try:
            port = int(reference.stdout.readline())
            status, report, errors = run_load(port, *options, "--seconds", "0.3")
        finally:
            reference.kill()
    assert (status, errors) == (0, {})
    assert report["operations"] > 0
