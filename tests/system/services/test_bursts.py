# SPDX-License-Identifier: MIT
"""Three names sent at once, through each kind of door: how many answers come. W17, W19, T6."""

import socket
from pathlib import Path

import pytest

import messages
from harness import configuration, free_port, read_all, service

NAMES = b"Michael", b"Tracy", b"Sarah"
DOCUMENT = Path(__file__).resolve().parents[3] / "docs/operations.md"


def by_stream(daemon, name, data):
    return daemon.exchange(name, data).count(b"Hello, ")


def by_message(sock):
    """Sends each as a message, and counts what comes back until a second is silent."""
    with sock:
        for name in NAMES:
            sock.send(name)
        sock.settimeout(1)
        n = 0
        try:
            while answer := sock.recv(65536):
                n += answer.startswith(b"Hello, ")
        except TimeoutError:
            pass
        return n


def by_udp(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    return by_message(sock)


def by_websocket(daemon, name):
    with daemon.connect(name) as sock:
        messages.upgrade(sock)
        for text in NAMES:
            messages.send(sock, messages.TEXT, text)
        messages.send(sock, messages.CLOSE, b"\x03\xe8")
        n = 0
        while (frame := messages.receive(sock))[0] == messages.TEXT:
            n += frame[1].startswith(b"Hello, ")
        assert read_all(sock) == b""
        return n


@pytest.mark.at_once
def test_how_many_answers(tcpd, tmp_path):
    """As the table of docs/operations.md has it."""
    port = free_port()
    conf = configuration(
        service("chunk", "hello"), service("line", "hello", framing="line"),
        service("packet", "hello", listen=f"unix-seqpacket:{tmp_path}/hello"),
        service("udp", "hello", listen=f"udp:127.0.0.1:{port}"),
        service("ws", "hello", listen="ws:127.0.0.1:0"))
    with tcpd(conf) as daemon:
        answers = {
            "TCP, `framing = chunk`": by_stream(daemon, "chunk", b"".join(NAMES)),
            "TCP, `framing = line`": by_stream(daemon, "line", b"\n".join(NAMES)),
            "`unix-seqpacket:`": by_message(daemon.connect("packet")),
            "`udp:`": by_udp(port),
            "`ws:`": by_websocket(daemon, "ws"),
        }
    table = [f"  | {door} | {n} |" for door, n in answers.items()]
    print(*table, sep="\n")
    assert list(answers.values()) == [1, 3, 3, 3, 3]
    assert "\n".join(table) in DOCUMENT.read_text(encoding="utf-8")
