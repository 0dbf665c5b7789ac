# SPDX-License-Identifier: MIT
"""The services that are served while calls fail, each with a client that knows what is right."""

import os
import shutil
import socket
from pathlib import Path
from typing import Callable, NamedTuple

from harness import BUILD, read_all, read_exactly
from programs import ACCEPTS, write_python
from ws_peer import Peer

# What `program_mode = wait` starts: it serves one client of the listener.
WAITS = """
import socket
c, _ = socket.socket(fileno=0).accept()
while data := c.recv(4096):
    c.sendall(data)
"""


SIZES = ("min_workers", "spare_workers", "max_workers")


class Wrong(Exception):
    """An answer that is not right."""


def expect(data, wanted):
    if data != wanted:
        raise Wrong(f"{data!r}, not {wanted!r}")


# --- Clients: each takes a connected socket -----------------------------------------------------

def echo(sock):
    sock.sendall(b"ping\n")
    expect(read_exactly(sock, 5), b"ping\n")
    sock.shutdown(socket.SHUT_WR)
    expect(read_all(sock), b"")


def hello(sock):
    expect(read_exactly(sock, 9), b"Welcome!\n")
    sock.sendall(b"ping\n")
    expect(read_exactly(sock, 13), b"Hello, ping!\n")
    sock.shutdown(socket.SHUT_WR)
    read_all(sock)


def greeting(sock):
    expect(read_all(sock), b"hi")


def number(sock):
    """The number of the process that serves."""
    if not read_all(sock).isdigit():
        raise Wrong("no number")


def websocket(sock):
    peer = Peer(sock).opened()
    peer.say("t'ping'")
    message = peer.data()
    expect(message and message.payload, b"ping")
    peer.say("x1000")
    expect(peer.code()[0], 1000)


def messages(sock):
    sock.send(b"ping")
    expect(sock.recv(100), b"ping")


# --- Services -----------------------------------------------------------------------------------

class Kind(NamedTuple):
    """A service: how it is asked, where it listens, its other settings."""
    ask: Callable
    listen: str = "127.0.0.1:{port}"
    options: dict = {"handler": "echo"}
    type: int = socket.SOCK_STREAM
    sizes: tuple = SIZES  # those of its pool that may be set


def program(path, **options):
    return {"handler": "program", "program": path, **options}


KINDS = {
    "echo": Kind(echo),
    "splice": Kind(echo, options={"handler": "echo", "transfer": "splice"}),
    "hello": Kind(hello, options={"handler": "hello", "framing": "line"}),
    "greeting": Kind(greeting, options={"handler": "greeting", "message": "hi"}),
    "program": Kind(echo, options=program(["/bin/cat"])),
    "prestart": Kind(echo, options=program(["/bin/cat"], program_mode="prestart")),
    "wait": Kind(echo, options=program(["{waits}"], program_mode="wait"), sizes=()),
    "listener": Kind(number, options=program(["{accepts}"], program_mode="listener"),
                     sizes=("min_workers",)),
    "module": Kind(echo, options={"handler": "module", "module": "{module}"}),
    "websocket": Kind(websocket, "ws:127.0.0.1:{port}"),
    "ws-program": Kind(websocket, "ws:127.0.0.1:{port}", program(["/bin/cat"], ws_messages="text")),
    "unix": Kind(echo, "unix:{path}"),
    "seqpacket": Kind(messages, "unix-seqpacket:{path}", type=socket.SOCK_SEQPACKET),
    "udp": Kind(messages, "udp:127.0.0.1:{port}", type=socket.SOCK_DGRAM),
    "datagram": Kind(messages, "unix-dgram:{path}", type=socket.SOCK_DGRAM),
}


def connect(kind, address, timeout):
    """A connection, or for datagrams a socket that has the address."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family, kind.type)
    try:
        sock.settimeout(timeout)
        if kind.type == socket.SOCK_DGRAM and family == socket.AF_UNIX:
            sock.bind("")  # a name of the kernel's choice, to be answered
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def install(directory):
    """What services need in files; where it is, by the words of the table above."""
    directory = Path(directory)
    os.chmod(directory, 0o755)
    write_python(directory / "accepts.py", ACCEPTS)
    write_python(directory / "waits.py", WAITS)
    shutil.copy(BUILD / "tests/modules/echo.so", directory)
    return {"accepts": directory / "accepts.py", "waits": directory / "waits.py",
            "module": directory / "echo.so"}
