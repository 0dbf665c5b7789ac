# SPDX-License-Identifier: MIT
"""One test stage between sessions and their sockets, whose bytes on the wire are others: whatever
misses the stage, in either direction, is seen. With two of them, which undo each other, all other
tests run in the same build (`make check-system STAGE=xor`); tests/stage/plain.c.
"""

import random
import signal
import threading

import pytest

from harness import (BUILD, EX_OK, STAGED, configuration, read_all, read_exactly, service, wait_for)

pytestmark = pytest.mark.skipif(not STAGED, reason="for a build with test stages, STAGE=xor")

MUCH = random.Random(7).randbytes(1_000_000)


def turned(data, position=0):
    """What the stage makes of the bytes at that position of a stream, and back."""
    return bytes(byte ^ (0x5a + (position + i) * 7 & 0xff) for i, byte in enumerate(data))


@pytest.fixture(autouse=True)
def one_stage(monkeypatch):
    monkeypatch.setenv("TCPD_TEST_STAGES", "one")


def exchange(daemon, name, data):
    """Sends all, ends, and returns what comes back, while it is sent."""
    with daemon.connect(name) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(turned(data)),
                                                  sock.shutdown(1)))
        sender.start()
        try:
            return turned(read_all(sock))
        finally:
            sender.join()


SERVICES = {
    "echo": ({}, MUCH, MUCH),
    "echo-splice": ({"handler": "echo", "transfer": "splice"}, MUCH, MUCH),
    "discard": ({}, MUCH, b""),
    "greeting": ({"message": "hello there"}, MUCH[:199], b"hello there"),
    "hello": ({"framing": "line"}, b"Michael\nTracy\nexit\n",
              b"Welcome!\nHello, Michael!\nHello, Tracy!\n"),
    "module": ({"handler": "module", "module": str(BUILD / "tests/modules/echo.so")}, MUCH, MUCH),
    "cat": ({"handler": "program", "program": ["/bin/cat"]}, MUCH, MUCH),
    "prestarted-cat": ({"handler": "program", "program": ["/bin/cat"],
                        "program_mode": "prestart"}, MUCH, MUCH),
    "speaks": ({"handler": "program", "program": ["/bin/echo", "done"]}, b"", b"done\n"),
}


@pytest.mark.parametrize("name", SERVICES)
def test_every_byte_goes_through_the_stage(tcpd, name):
    settings, data, want = SERVICES[name]
    with tcpd(configuration(service(name, **{"handler": name, **settings}))) as daemon:
        for _ in range(3):  # and nothing is left of the session before
            assert exchange(daemon, name, data) == want
        assert daemon.stop() == EX_OK


@pytest.mark.parametrize("name", ["chargen", "daytime", "time"])
def test_what_speaks_alone(tcpd, name):
    with tcpd(configuration(service(name))) as daemon, daemon.connect(name) as sock:
        got = turned(read_exactly(sock, 4 if name == "time" else 20))
    if name == "time":
        assert got[0] > 0xe0  # since 2019
    else:
        assert got.isascii() and got.decode().isprintable()


@pytest.mark.parametrize("name", ["echo", "cat"])
def test_sessions_outlive_their_generation(tcpd, name):
    """The position in the stream goes on through a reload; a stop waits for what is owed."""
    settings, _, _ = SERVICES[name]
    with tcpd(configuration(service(name, **{"handler": name, **settings}))) as daemon:
        with daemon.connect(name) as sock:
            sock.sendall(turned(b"one"))
            assert turned(read_exactly(sock, 3)) == b"one"
            daemon.reload()
            sock.sendall(turned(b"two", 3))
            assert turned(read_exactly(sock, 3), 3) == b"two"
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            sock.sendall(turned(MUCH[:50_000], 6))
            sock.shutdown(1)
            assert turned(read_all(sock), 6) == MUCH[:50_000]
        assert daemon.wait_exit() == EX_OK


def test_a_silent_client_ends(tcpd):
    """The deadlines are the session's, with a stage as without."""
    with tcpd(configuration(service("echo", first_byte_timeout="300ms"))) as daemon:
        with daemon.connect("echo") as sock:
            assert read_all(sock) == b""
        wait_for(lambda: daemon.log_matches("closed: first byte timeout"))
