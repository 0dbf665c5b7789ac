# SPDX-License-Identifier: MIT
"""A client of WebSocket as a well-behaved program is one: it asks, sends short texts, reads short
messages, and closes."""

import struct

from harness import read_exactly

TEXT, CLOSE = 1, 8
REQUEST = ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ANSWER = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # to this key, RFC 6455, 1.3


def read_head(sock):
    """The answer to a request, up to its blank line."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(sock, 1)
    return head.decode()


def send(sock, opcode, payload):
    assert len(payload) < 126
    sock.sendall(struct.pack("!BB4x", 0x80 | opcode, 0x80 | len(payload)) + payload)  # masked by 0


def receive(sock):
    """(opcode, payload) of the next frame."""
    first, length = read_exactly(sock, 2)
    assert first & 0xf0 == 0x80 and length < 126, "whole, short, and without a mask"
    return first & 0xf, read_exactly(sock, length)


def upgrade(sock):
    sock.sendall(REQUEST.encode())
    head = read_head(sock)
    assert head.startswith("HTTP/1.1 101 ") and f"Sec-WebSocket-Accept: {ANSWER}\r\n" in head, head


def converse(sock, *texts):
    """Sends each text, and returns what each is answered with."""
    upgrade(sock)
    answers = []
    for text in texts:
        send(sock, TEXT, text.encode())
        opcode, payload = receive(sock)
        assert opcode == TEXT
        answers.append(payload.decode())
    send(sock, CLOSE, struct.pack("!H", 1000))
    assert receive(sock) == (CLOSE, struct.pack("!H", 1000))
    return answers
