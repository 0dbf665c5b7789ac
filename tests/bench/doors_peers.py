# SPDX-License-Identifier: MIT
"""Servers of others behind WebSocket, and for datagrams."""

import base64
import contextlib
import os
import shutil
import socket

from packages import Missing
from peers import BACKLOG, HERE, Inetd, Launcher, Peer, Xinetd
from servers import BenchError

HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16)) +
             b"\r\nSec-WebSocket-Version: 13\r\n\r\n")
QUESTION = b"\x81\x81\0\0\0\0?"  # a text, masked with nothing
ANSWER = b"\x81\x01?"


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise BenchError(f"the server has ended after {data}")
        data += part
    return data


def shake_hands(sock):
    """Sends the request and reads the head of its answer, no byte more."""
    sock.sendall(HANDSHAKE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(sock, 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise BenchError(f"no WebSocket: {head[:40]}")


def echoes_messages(port):
    with contextlib.suppress(OSError, BenchError):
        with socket.create_connection(("127.0.0.1", port), 2) as sock:
            shake_hands(sock)
            sock.sendall(QUESTION)
            return read_exactly(sock, len(ANSWER)) == ANSWER
    return False


def echoes_datagrams(port):
    with contextlib.suppress(OSError):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.connect(("127.0.0.1", port))
            sock.send(b"?")
            return sock.recv(2) == b"?"
    return False


def says_hello(port):
    with contextlib.suppress(OSError, BenchError):
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            shake_hands(sock)
            return read_exactly(sock, 2)[0] == 0x81
    return False


class Websocketd(Launcher):
    name = "websocketd + cat"
    package = "websocketd"
    load_options = ("--websocket", "text")

    def command(self, home):
        return [*self.packages.command("usr/bin/websocketd"), "--loglevel=fatal",
                "--address=127.0.0.1", f"--port={self.port}", *self.program]

    def answers(self):
        ask = echoes_messages if self.program == [self.cat] else says_hello
        return ask(self.port)


class NodeWs(Peer):
    """The machine's node, if it has one, and Debian's ws."""

    name = "ws on node"
    package = "node-ws"
    load_options = ("--websocket", "text")

    def command(self, home):
        node = shutil.which("node")
        command = [node] if node else self.packages.command("usr/bin/node")
        return [*command, HERE / "ws_echo.js", self.port, BACKLOG]

    def environment(self):
        module = self.packages.find("usr/share/nodejs/ws/package.json")
        return {"NODE_PATH": str(module.parent.parent)}

    def answers(self):
        return echoes_messages(self.port)


def free_datagram_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DatagramInetd(Inetd):
    name = "openbsd-inetd, its own echo by UDP"
    load_options = ("--socket", "datagram")

    def command(self, home):
        command = super().command(home)
        (home / "services").write_text(f"echo {self.port}/udp\n")
        (home / "conf").write_text("127.0.0.1:echo dgram udp wait root internal\n")
        return command

    def answers(self):
        return echoes_datagrams(self.port)


class DatagramXinetd(Xinetd):
    name = "xinetd, its own echo by UDP"
    load_options = ("--socket", "datagram")

    def command(self, home):
        command = super().command(home)
        conf = home / "conf"
        text = conf.read_text()
        for old, new in (("stream", "dgram"), ("= tcp", "= udp"), ("wait = no", "wait = yes")):
            text = text.replace(old, new)
        conf.write_text(text)
        return command

    def answers(self):
        return echoes_datagrams(self.port)
