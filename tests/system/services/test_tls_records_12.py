# SPDX-License-Identifier: MIT
"""TB: the same as test_tls_records.py by TLS 1.2, which has other ways to be wrong."""

import contextlib
import socket

import pytest

from harness import Text, configuration, peer_name, reset
from programs import ONE
from test_tls_records import unharmed
from tls_peer import behind
from tls_records import (ALERT, CCS, CERTIFICATE, CLIENT_HELLO, CLOSE_NOTIFY, DATA, FINISHED, HANDSHAKE,
                         HEARTBEAT, message, record)
from tls_records_12 import CLIENT_KEY_EXCHANGE, Client12

NO_RENEGOTIATION = (ALERT, b"\x01\x64")


@pytest.fixture
def daemon(tcpd, www):
    with tcpd(www.section() + configuration(behind("echo", **ONE))) as made:
        yield made


def in_the_clear(client):
    """CVE-2014-0224 and its like: a change of ciphers before there are keys."""
    client.send(CCS, b"\x01")
    client.tell(FINISHED, b"x" * 12)


def wrong_finished(client):
    client.exchange()
    client.change()
    client.tell(FINISHED, b"x" * 12)


def data_first(client):
    client.exchange()
    client.change()
    client.send(DATA, b"hello")


def twice_changed(client):
    client.exchange()
    client.send(CCS, b"\x01")
    client.send(CCS, b"\x01")


def no_change(client):
    client.exchange()
    client.tell(FINISHED, client.finished())


# After the server's hello and all that belongs to it.
UNFINISHED = {
    "ciphers changed too early": in_the_clear,
    "wrong Finished": wrong_finished,
    "data before Finished": data_first,
    "ciphers changed twice": twice_changed,
    "Finished without a change": no_change,
    "data": lambda c: c.send(DATA, b"hello"),
    "another hello": lambda c: c.hello(),
    "a certificate": lambda c: c.tell(CERTIFICATE, b"\0\0\0"),
    "a key of no byte": lambda c: c.tell(CLIENT_KEY_EXCHANGE, b""),
    "a key too short": lambda c: c.tell(CLIENT_KEY_EXCHANGE, b"\x1f" + b"k" * 31),
    "a key that lies": lambda c: c.tell(CLIENT_KEY_EXCHANGE, b"\xff" + b"k" * 32),
    "a key of zeros": lambda c: c.tell(CLIENT_KEY_EXCHANGE, b"\x20" + b"\0" * 32),
    "heartbeat": lambda c: c.send(HEARTBEAT, b"\x01\xff\xff"),
    "unknown message": lambda c: c.tell(99),
    "empty records": lambda c: [c.send(HANDSHAKE, b"") for _ in range(100)],
    "warnings": lambda c: [c.send(ALERT, b"\x01\x5a") for _ in range(100)],
}


@pytest.mark.parametrize("case", UNFINISHED)
def test_instead_of_finished(daemon, authority, case):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client12(sock)
        client.hello()
        client.flight()
        with contextlib.suppress(ConnectionError):
            UNFINISHED[case](client)
            sock.shutdown(socket.SHUT_WR)
        client.rest()
        why = daemon.wait_log(Text.closed_why("tls failed"))["why"]
        assert why != "the peer has ended in the middle of it", why


# What is sent once all is agreed on; a fatal alert is the answer.
OPEN = {
    "Finished": lambda c: c.tell(FINISHED, b"x" * 12),
    "a key": lambda c: c.tell(CLIENT_KEY_EXCHANGE, b"\x20" + b"k" * 32),
    "ciphers changed": lambda c: c.send(CCS, b"\x01"),
    "heartbeat": lambda c: c.send(HEARTBEAT, b"\x01\xff\xff"),
    "unknown kind": lambda c: c.send(99, b"x"),
    "data in the clear": lambda c: c.raw(record(DATA, b"hello, this is in the clear")),
    "record of 0 bytes": lambda c: c.raw(record(DATA, b"")),
    "data of 16,385 bytes": lambda c: c.send(DATA, b"x" * 16385),
    "an alert of one byte": lambda c: c.send(ALERT, b"\x01"),
    "HTTP": lambda c: c.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
}


@pytest.mark.parametrize("case", OPEN)
def test_after_the_handshake(daemon, authority, case):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client12(sock).begin()
        client.send(DATA, b"hello")
        assert client.hear() == b"hello"
        with contextlib.suppress(ConnectionError):
            OPEN[case](client)
        assert client.alert()
        assert daemon.wait_log(Text.closed_why("protocol error"))["why"]


FLOODS = {
    "empty records": lambda c: c.send(DATA, b""),
    "warnings": lambda c: c.send(ALERT, b"\x01\x5a"),
    "renegotiation": lambda c: c.hello(),
}


@pytest.mark.parametrize("case", FLOODS)
def test_floods(daemon, authority, case):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client12(sock).begin()
        client.send(DATA, b"hello")
        assert client.hear() == b"hello"
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                FLOODS[case](client)
        client.rest()
        daemon.wait_log(Text.closed_why("protocol error"))


def test_renegotiation_is_declined(daemon, authority):
    """Politely, and all goes on as it was."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client12(sock).begin()
        for _ in range(3):
            client.hello()
            assert client.record() == NO_RENEGOTIATION
            client.send(DATA, b"hello")
            assert client.hear() == b"hello"


@pytest.mark.parametrize("after", ["nothing", "twice", "data", "rubbish", "a hello"])
def test_after_close_notify(tcpd, www, after):
    """The answer comes, then ours: in this version, too, the client ends its own way alone."""
    conf = www.section() + configuration(
        behind("count", "program", program=["/usr/bin/wc", "-c"], **ONE), log_sessions="all")
    with tcpd(conf) as daemon, daemon.connect("count") as sock:
        client = Client12(sock).begin()
        client.send(DATA, b"hello")
        client.send(ALERT, CLOSE_NOTIFY)
        if after == "twice":
            client.send(ALERT, CLOSE_NOTIFY)
        elif after == "data":
            client.send(DATA, b"more")
        elif after == "rubbish":
            client.raw(bytes(range(256)))
        elif after == "a hello":
            client.send(HANDSHAKE, message(CLIENT_HELLO, b"x" * 40))
        sock.shutdown(socket.SHUT_WR)
        assert client.hear() == b"5\n"
        assert client.rest() == [(ALERT, CLOSE_NOTIFY)]
        found = daemon.wait_log(Text.closed("count", peer_name(sock)))
        assert (found["result"], found["bytes_in"], found["bytes_out"]) == ("ok", "5", "2")


def test_cut_records(daemon, authority):
    """At each byte of a record: the end, or a reset; neither is data."""
    with unharmed(daemon, authority, records=6):
        for n in range(1, 26, 5):
            for is_reset in (False, True):
                with daemon.connect("echo") as sock:
                    client = Client12(sock).begin()
                    client.raw(client.sends.seal(DATA, b"hello")[:n])
                    if is_reset:
                        reset(sock)
                    else:
                        sock.shutdown(socket.SHUT_WR)
                        assert DATA not in dict(client.rest())
