# SPDX-License-Identifier: MIT
"""The load generator through WebSocket and with datagrams, against servers that lie, and honest
ones that cut what they say in unusual ways."""

import base64
import hashlib
import socket
import subprocess
import threading

import pytest

from liars import PROGRAMS, Cut, Server, Silence, run_load
from ws_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, encode, masked

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
IMPATIENT = ("--limit", "0.4")
CONNECT = ("--mode", "connect", "--count", "3", "--websocket", "text")
MESSAGES = ("--mode", "message", "--count", "6", "--in-flight", "2", "--websocket", "binary")
DATAGRAMS = ("--mode", "message", "--count", "6", "--in-flight", "2", "--socket", "datagram")


# --- WebSocket ---


def read_exactly(connection, n):
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        if not part:
            raise Cut
        data += part
    return data


def read_request(connection):
    """The head of a request; its key."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(connection, 1)
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    return dict(line.split(b": ") for line in head.split(b"\r\n")[1:-2])[b"Sec-WebSocket-Key"]


def read_frame(connection):
    """(opcode, payload) of a client's frame, whole and masked as it must be."""
    first, second = read_exactly(connection, 2)
    assert first & 0xf0 == 0x80 and second & 0x80
    n = second & 0x7f
    n = int.from_bytes(read_exactly(connection, {126: 2, 127: 8}[n]), "big") if n > 125 else n
    mask = read_exactly(connection, 4)
    return first & 15, masked(read_exactly(connection, n), mask)


def plain(opcode, payload, last=True):
    return encode(opcode, payload, last, mask=None)


def whole(opcode, payload):
    return [plain(opcode, payload)]


def close(payload):
    return [plain(CLOSE, payload)]


def messages(answer=whole, end=close, accept=lambda key: key, status=b"101 Switching Protocols"):
    """Answers each message with the frames of answer(), the Close with those of end()."""
    def serve(connection, _n):
        digest = hashlib.sha1(accept(read_request(connection)) + GUID).digest()
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nUpgrade: websocket\r\n"
                           b"Connection: Upgrade\r\nSec-WebSocket-Accept: " +
                           base64.b64encode(digest) + b"\r\n\r\n")
        opcode = TEXT
        while opcode != CLOSE:
            opcode, payload = read_frame(connection)
            for part in (end(payload) if opcode == CLOSE else answer(opcode, payload)):
                connection.sendall(part)
        raise Cut
    return serve


def in_fragments(opcode, payload):
    return [plain(opcode, payload[:10], False), plain(PING, b"?"), plain(CONTINUATION, b"", False),
            plain(PONG, b""), plain(CONTINUATION, payload[10:])]


def bytewise(opcode, payload):
    frame = plain(opcode, payload)
    return [frame[i:i + 1] for i in range(len(frame))]


def silent(_opcode, _payload):
    raise Silence


HONEST = {
    "connections": (CONNECT, messages(), 3),
    "messages": (MESSAGES, messages(), 6),
    "messages of 200 bytes": ((*MESSAGES, "--size", "200"), messages(), 6),
    "messages of 300,000 bytes": ((*MESSAGES, "--size", "300000"), messages(), 6),
    "fragments": (MESSAGES, messages(in_fragments), 6),
    "bytes": (MESSAGES, messages(bytewise), 6),
}

LIES = {
    "no handshake": (CONNECT, messages(status=b"200 OK"), "wrong_bytes"),
    "another key": (CONNECT, messages(accept=lambda key: key[::-1]), "wrong_bytes"),
    "another byte": (MESSAGES, messages(lambda opcode, data: whole(opcode, b"!" + data[1:])),
                     "wrong_bytes"),
    "two messages for one": (MESSAGES, messages(
        lambda opcode, data: whole(opcode, data[:9]) + whole(opcode, data[9:])), "wrong_bytes"),
    "a mask": (MESSAGES, messages(lambda opcode, data: [encode(opcode, data)]), "wrong_bytes"),
    "a byte more": (MESSAGES, messages(
        lambda opcode, data: [plain(opcode, data, False), plain(CONTINUATION, b"!")]),
        "wrong_bytes"),
    "a message more": (MESSAGES, messages(
        lambda opcode, data: [2 * plain(opcode, data)]), "excess"),
    "a frame behind the Close": (CONNECT, messages(
        end=lambda data: close(data) + whole(BINARY, b"")), "wrong_bytes"),
    "no Close": (CONNECT, messages(end=lambda _data: []), "short"),
    "nothing": ((*CONNECT, *IMPATIENT), messages(silent), "timeout"),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_server(name):
    options, serve, operations = HONEST[name]
    with Server(serve) as server:
        status, report, errors = run_load(server.port, *options)
    assert (status, errors, report["operations"]) == (0, {}, operations)


@pytest.mark.parametrize("name", LIES)
def test_lie_is_named(name):
    options, serve, kind = LIES[name]
    with Server(serve) as server:
        status, _, errors = run_load(server.port, *options)
    assert (status, list(errors)) == (1, [kind])


# --- Datagrams ---


class DatagramServer:
    """Answers each datagram with those that answer() makes of it."""

    def __init__(self, answer):
        self.answer = answer
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def serve(self):
        while True:
            data, peer = self.sock.recvfrom(65536)
            if peer[1] == self.port:
                return
            for datagram in self.answer(data):
                self.sock.sendto(datagram, peer)

    def __exit__(self, *_):
        self.sock.sendto(b"", ("127.0.0.1", self.port))  # from itself: the end
        self.thread.join()
        self.sock.close()


DATAGRAM_LIES = {
    "another byte": (lambda data: [b"!" + data[1:]], "wrong_bytes"),
    "cut": (lambda data: [data[:-1]], "wrong_bytes"),
    "in two": (lambda data: [data[:9], data[9:]], "wrong_bytes"),
    "nothing": (lambda data: [], "timeout"),
}


def test_honest_datagrams():
    with DatagramServer(lambda data: [data]) as server:
        status, report, errors = run_load(server.port, *DATAGRAMS)
    assert (status, errors, report["operations"]) == (0, {}, 6)


@pytest.mark.parametrize("name", DATAGRAM_LIES)
def test_datagram_lie_is_named(name):
    answer, kind = DATAGRAM_LIES[name]
    with DatagramServer(answer) as server:
        status, _, errors = run_load(server.port, *DATAGRAMS, *IMPATIENT)
    assert (status, list(errors)) == (1, [kind])


@pytest.mark.parametrize("options", [
    ("--socket", "typo"), ("--websocket", "typo"), ("--socket", "datagram"),
    ("--mode", "bulk", "--websocket", "text"), ("--mode", "greeting", "--websocket", "text"),
])
def test_wrong_command_line(options):
    done = subprocess.run([PROGRAMS / "load", "--address", "127.0.0.1:7", *options],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 64 and done.stderr.startswith("load: ")


def test_reference_echoes_datagrams():
    with subprocess.Popen([PROGRAMS / "ref", "--udp", "0", "echo", "8"], stdout=subprocess.PIPE,
                          text=True) as reference:
        try:
            port = int(reference.stdout.readline())
            status, report, errors = run_load(port, "--mode", "message", "--in-flight", "16",
                                              "--socket", "datagram", "--seconds", "0.3")
        finally:
            reference.terminate()
    assert (status, errors) == (0, {}) and report["operations"] > 0
