# SPDX-License-Identifier: MIT
"""TB: peers that speak TLS 1.3 well enough to come in, and then say what they must not. Each is told
by an alert and is one record in the log; the worker lives, and has no descriptor more than before."""

import contextlib
import re
import socket
import subprocess

import pytest

from harness import Text, configuration, peer_name, proc_fds, reset, service, wait_for
from programs import ONE
from tls_peer import behind, context, exchange
from tls_records import (ALERT, CCS, CERTIFICATE, CLIENT_HELLO, CLOSE_NOTIFY, DATA, END_OF_EARLY_DATA,
                         FINISHED, HANDSHAKE, HEARTBEAT, KEY_UPDATE, TICKET, Client,
                         message, record)

# Alerts, RFC 8446, 6. Where OpenSSL and the RFC differ, or its versions, any of several.
UNEXPECTED, BAD_MAC, OVERFLOW, ILLEGAL, DECODE, DECRYPT = ({n} for n in (10, 20, 22, 47, 50, 51))
ANY = set(range(1, 256))


@pytest.fixture
def daemon(tcpd, www):
    with tcpd(www.section() +
              configuration(behind("echo", handshake_timeout="10s", **ONE))) as made:
        yield made


@contextlib.contextmanager
def unharmed(daemon, authority, records=1):
    """The worker serves afterwards as it did before, and has what it had."""
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"
    [worker] = daemon.workers()
    wait_for(lambda: daemon.counts().get("idle") == 1)
    before = len(proc_fds(worker))
    yield
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"
    assert daemon.workers() == [worker]
    wait_for(lambda: len(proc_fds(worker)) <= before)
    assert len(daemon.log_matches("closed: ")) <= records


def send_many(client, call, n=1000):
    """As often as the server takes it."""
    with contextlib.suppress(ConnectionError):
        for _ in range(n):
            call(client)


# --- In the handshake ----------------------------------------------------------------------------

def with_wrong_finished(client):
    text = bytearray(client.finished())
    text[-1] ^= 1
    client.send(HANDSHAKE, bytes(text))


# After the server's flight: what is sent, the alert that comes back.
UNFINISHED = {
    "wrong Finished": (with_wrong_finished, DECRYPT),
    "Finished too short": (lambda c: c.send(HANDSHAKE, message(FINISHED, b"x" * 31)), DECODE),
    "Finished too long": (lambda c: c.send(HANDSHAKE, message(FINISHED, b"x" * 33)), DECODE),
    "Finished that says 16 MiB": (
        lambda c: c.send(HANDSHAKE, message(FINISHED, b"x" * 32, length=(1 << 24) - 1)), ILLEGAL),
    "Finished in the clear": (lambda c: c.raw(record(HANDSHAKE, c.finished())), UNEXPECTED),
    "Finished and more": (
        lambda c: c.send(HANDSHAKE, c.finished() + message(KEY_UPDATE, b"\0")), UNEXPECTED),
    "data": (lambda c: c.say(b"hello"), UNEXPECTED),
    "data in the clear": (lambda c: c.raw(record(DATA, b"hello")), ANY),
    "an update of keys": (lambda c: c.send(HANDSHAKE, message(KEY_UPDATE, b"\0")), UNEXPECTED),
    "end of early data": (lambda c: c.send(HANDSHAKE, message(END_OF_EARLY_DATA)), UNEXPECTED),
    "a certificate": (lambda c: c.send(HANDSHAKE, message(CERTIFICATE, b"\0\0\0\0")), UNEXPECTED),
    "another hello": (lambda c: c.hello(), UNEXPECTED),
    "unknown message": (lambda c: c.send(HANDSHAKE, message(99, b"x")), UNEXPECTED),
    "heartbeat": (lambda c: c.send(HEARTBEAT, b"\x01\xff\xff"), UNEXPECTED),
    "empty handshake record": (lambda c: c.send(HANDSHAKE, b""), UNEXPECTED),
    "padding alone": (lambda c: c.send(None, b"", padding=16), UNEXPECTED),
    "cipher changed wrongly": (lambda c: c.raw(record(CCS, b"\x02")), UNEXPECTED | ILLEGAL),
    "cipher changed at length": (lambda c: c.raw(record(CCS, b"\x01\x01")), UNEXPECTED | ILLEGAL),
    "a record changed": (lambda c: c.raw(record(DATA, b"\0" * 60)), BAD_MAC),
    "a record too short": (lambda c: c.raw(record(DATA, b"\0" * 8)), ANY),
}


@pytest.mark.parametrize("case", UNFINISHED)
def test_instead_of_finished(daemon, authority, case):
    send, alert = UNFINISHED[case]
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        client.flight()
        send(client)
        assert client.alert() in alert
        assert daemon.wait_log(Text.closed_why("tls failed"))["why"]


@pytest.mark.parametrize("end", ["end", "reset", "close_notify", "alert"])
def test_gone_before_finished(daemon, authority, end):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        client.flight()
        if end == "close_notify":
            client.send(ALERT, CLOSE_NOTIFY)
        elif end == "alert":
            client.send(ALERT, b"\x02\x30")  # unknown_ca
        if end == "reset":
            reset(sock)
        else:
            sock.shutdown(socket.SHUT_WR)
            client.rest()
        why = {"reset": "closed: reset", "alert": r"closed: tls failed \(.*unknown ca\)"}
        daemon.wait_log(why.get(end, r"closed: tls failed \(.*ended"))


def test_finished_in_bytes(daemon, authority):
    """That is slow, and right."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        client.flight()
        whole = client.send
        client.send = lambda kind, data: [whole(kind, bytes([byte])) for byte in data]
        client.finish()
        client.send = whole
        client.say(b"hello")
        assert client.hear() == b"hello"
    assert not daemon.log_matches("closed: tls failed")


def test_silent_before_finished(tcpd, www):
    """What was agreed on so far does not matter."""
    with tcpd(www.section() +
              configuration(behind("echo", handshake_timeout="300ms", **ONE))) as made, \
            made.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        client.flight()
        made.wait_log("closed: handshake timeout .handshake_timeout = 300ms.")
        client.rest()


def test_asked_for_a_key(daemon, authority):
    """A hello without a key is asked for one, once."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello(share=False)
        client.retry()
        client.hello()
        client.flight()
        client.finish()
        client.say(b"hello")
        assert client.hear() == b"hello"


@pytest.mark.parametrize("second", ["without a key", "other name", "data"])
def test_asked_for_a_key_in_vain(daemon, authority, second):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello(share=False)
        client.retry()
        if second == "without a key":
            client.hello(share=False)
        elif second == "other name":
            client.raw(record(HANDSHAKE, message(CLIENT_HELLO, b"\x03\x03" + b"r" * 32)))
        else:
            client.raw(record(DATA, b"x" * 32))
        assert client.alert()
        daemon.wait_log(Text.closed_why("tls failed"))


# --- After it ------------------------------------------------------------------------------------

# What is sent, the alert that comes back.
OPEN = {
    "a hello": (lambda c: c.send(HANDSHAKE, message(CLIENT_HELLO, b"x" * 60)), UNEXPECTED),
    "a hello in the clear": (lambda c: c.hello(), UNEXPECTED),
    "Finished": (lambda c: c.send(HANDSHAKE, message(FINISHED, b"x" * 32)), UNEXPECTED),
    "a ticket": (lambda c: c.send(HANDSHAKE, message(TICKET, b"x" * 40)), UNEXPECTED),
    "a certificate": (lambda c: c.send(HANDSHAKE, message(CERTIFICATE, b"\0\0\0\0")), UNEXPECTED),
    "update of 2": (lambda c: c.update(2), ILLEGAL),
    "update of no byte": (lambda c: c.send(HANDSHAKE, message(KEY_UPDATE)), DECODE),
    "update of two bytes": (lambda c: c.send(HANDSHAKE, message(KEY_UPDATE, b"\0\0")), DECODE | ILLEGAL),
    "update and more": (
        lambda c: c.send(HANDSHAKE, message(KEY_UPDATE, b"\0") * 2), UNEXPECTED),
    "update that says 16 MiB": (
        lambda c: c.send(HANDSHAKE, message(KEY_UPDATE, b"\0", length=(1 << 24) - 1)), ILLEGAL),
    "half an update, then data": (
        lambda c: (c.send(HANDSHAKE, message(KEY_UPDATE)[:2]), c.say(b"x")), UNEXPECTED),
    "heartbeat": (lambda c: c.send(HEARTBEAT, b"\x01\xff\xff"), UNEXPECTED),
    "unknown kind": (lambda c: c.send(99, b"x"), UNEXPECTED),
    "padding alone": (lambda c: c.send(None, b"", padding=100), UNEXPECTED),
    "empty handshake record": (lambda c: c.send(HANDSHAKE, b""), UNEXPECTED),
    "cipher changed": (lambda c: c.raw(record(CCS, b"\x01")), UNEXPECTED),
    "cipher changed, sealed": (lambda c: c.send(CCS, b"\x01"), UNEXPECTED),
    "data in the clear": (lambda c: c.raw(record(DATA, b"hello, this is in the clear")), BAD_MAC),
    "of another kind outside": (lambda c: c.send(DATA, b"x", outer=HANDSHAKE), UNEXPECTED),
    "record of 0 bytes": (lambda c: c.raw(record(DATA, b"")), ANY),
    "record of 16,641 bytes": (lambda c: c.raw(record(DATA, b"x" * 16641)), OVERFLOW),
    "data of 16,385 bytes": (lambda c: c.say(b"x" * 16385), OVERFLOW),
    "HTTP": (lambda c: c.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ANY),
    "an alert of one byte": (lambda c: c.send(ALERT, b"\x01"), DECODE | UNEXPECTED),
    "an alert of three": (lambda c: c.send(ALERT, b"\x01\x00\x00"), DECODE | UNEXPECTED),
    "an alert in the clear": (lambda c: c.raw(record(ALERT, b"\x01\x5a")), UNEXPECTED),
}


@pytest.mark.parametrize("case", OPEN)
def test_after_the_handshake(daemon, authority, case):
    send, alert = OPEN[case]
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock).begin()
        client.say(b"hello")
        assert client.hear() == b"hello"
        with contextlib.suppress(ConnectionError):
            send(client)
        assert client.alert() in alert
        assert daemon.wait_log(Text.closed_why("protocol error"))["why"]


# Each of them is allowed; so many without a byte of data are not.
FLOODS = {
    "updates": lambda c: c.update(),
    "updates that want one": lambda c: c.update(1),
    "empty records": lambda c: c.say(b""),
    "padded empty records": lambda c: c.send(DATA, b"", padding=100),
    "alerts": lambda c: c.send(ALERT, b"\x01\x5a"),  # user_canceled
}


@pytest.mark.parametrize("case", FLOODS)
def test_floods(daemon, authority, case):
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock).begin()
        client.say(b"hello")
        assert client.hear() == b"hello"
        send_many(client, FLOODS[case])
        client.rest()
        daemon.wait_log(Text.closed_why("protocol error"))


def test_updates_between_data(daemon, authority):
    """Any number, as long as data comes; both ways."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock).begin()
        for i in range(100):
            client.update(i % 2)
            client.say(b"hello")
            assert client.hear() == b"hello"
        client.send(ALERT, CLOSE_NOTIFY)
        sock.shutdown(socket.SHUT_WR)
        assert client.rest() == [(ALERT, CLOSE_NOTIFY)]


def test_data_in_many_shapes(daemon, authority):
    """Records of one byte, the longest, padded ones and an empty one are data all the same."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock).begin()
        want = b""
        for size, padding in ((1, 0), (1, 0), (1, 1000), (0, 0), (16384, 0), (5, 16378), (0, 9)):
            client.send(DATA, b"x" * size, padding=padding)
            want += b"x" * size
        got = b""
        while len(got) < len(want):
            got += client.hear()
        assert got == want


@pytest.mark.parametrize("after", ["twice", "data", "rubbish", "update", "fatal alert"])
def test_after_close_notify(tcpd, www, after):
    """What comes behind a client's end is nobody's: the answer comes, then ours."""
    conf = www.section() + configuration(
        behind("count", "program", program=["/usr/bin/wc", "-c"], **ONE), log_sessions="all")
    with tcpd(conf) as daemon, daemon.connect("count") as sock:
        client = Client(sock).begin()
        client.say(b"hello")
        client.send(ALERT, CLOSE_NOTIFY)
        if after == "twice":
            client.send(ALERT, CLOSE_NOTIFY)
        elif after == "data":
            client.say(b"more")
        elif after == "rubbish":
            client.raw(bytes(range(256)))
        elif after == "update":
            client.update()
        else:
            client.send(ALERT, b"\x02\x28")
        sock.shutdown(socket.SHUT_WR)
        assert client.hear() == b"5\n"
        assert client.rest() == [(ALERT, CLOSE_NOTIFY)]
        found = daemon.wait_log(Text.closed("count", peer_name(sock)))
        assert (found["result"], found["bytes_in"], found["bytes_out"]) == ("ok", "5", "2")


@pytest.mark.parametrize("alert, words", [(b"\x02\x28", "handshake failure"),
                                          (b"\x02\x14", "bad record mac"), (b"\x07\x63", "alert 99")])
def test_a_fatal_alert(daemon, authority, alert, words):
    """The client breaks off: no end of its data."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock).begin()
        client.say(b"hello")
        assert client.hear() == b"hello"
        client.send(ALERT, alert)
        client.rest()
        assert re.search(words, daemon.wait_log(Text.closed_why("protocol error"))["why"])


def test_cut_records(daemon, authority):
    """At each byte of a record: the end, or a reset; neither is data."""
    with unharmed(daemon, authority, records=6):
        for n in range(1, 27, 5):
            for is_reset in (False, True):
                with daemon.connect("echo") as sock:
                    client = Client(sock).begin()
                    client.say(b"hello")
                    assert client.hear() == b"hello"
                    client.raw(client.sends.seal(DATA, b"hello")[:n])
                    if is_reset:
                        reset(sock)
                    else:
                        sock.shutdown(socket.SHUT_WR)
                        assert DATA not in dict(client.rest())


# --- Tickets -------------------------------------------------------------------------------------

@pytest.fixture
def ticket(daemon):
    with daemon.connect("echo") as sock:
        client = Client(sock).begin()
        client.say(b"hello")
        assert client.hear() == b"hello"
        return client.ticket


def resumed(daemon, ticket, **options):
    """Whether a whole session with it was a resumed one."""
    with daemon.connect("echo") as sock:
        client = Client(sock).begin(ticket=ticket, **options)
        client.say(b"hello")
        assert client.hear() == b"hello"
        return client.is_resumed


def test_ticket_is_good(daemon, ticket):
    """Without which the next ones show nothing."""
    assert resumed(daemon, ticket)
    assert not resumed(daemon, ticket, modes=b"\x00"), "without a new key it would be no secret"


def test_tickets_with_flipped_bits(daemon, ticket):
    """At each byte: a whole handshake, as without one."""
    whole = ticket.data
    for i in [*range(0, 40), *range(40, len(whole), 9), len(whole) - 1]:
        data = bytearray(whole)
        data[i] ^= 1 << i % 8
        ticket.data = bytes(data)
        assert not resumed(daemon, ticket), i


@pytest.mark.parametrize("size", [1, 15, 16, 48, 79, 4000, 16000, 60000])
def test_tickets_of_rubbish(daemon, ticket, size):
    ticket.data = b"t" * size
    assert not resumed(daemon, ticket)
    ticket.data = (b"\0" * size)
    assert not resumed(daemon, ticket)


def test_ticket_of_somebody_else(daemon, authority, ticket):
    """Who has the ticket and not the secret comes to nothing."""
    with unharmed(daemon, authority), daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello(ticket=ticket, binder=b"b" * 32)
        assert client.alert() in DECRYPT | ILLEGAL
        daemon.wait_log(Text.closed_why("tls failed"))


# --- TLS 1.2 -------------------------------------------------------------------------------------

def test_no_renegotiation(daemon, authority):
    """Asked again and again: no, and then no more."""
    port = daemon.address("echo")[1]
    with unharmed(daemon, authority), subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.stdout.read()
        assert b"RENEGOTIATING" in said and b"no renegotiation" in said, said


def test_plain_services_see_bytes(tcpd):
    """What is TLS for a client is data for who does not speak it."""
    with tcpd(configuration(service("echo"))) as daemon, daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        kind, data = client.record()
        assert kind == HANDSHAKE and data[0] == CLIENT_HELLO
