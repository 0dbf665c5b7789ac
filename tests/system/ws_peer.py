# SPDX-License-Identifier: MIT
"""A small client of WebSocket (RFC 6455) over plain sockets, which sends what it is told, also what
is wrong, and frames as words: t'text' b#00ff p q x1000 c, with - (not the last), u (without a
mask), r1 to r7 (reserved bits) behind the letter, *N for so many 'a', o3 for other opcodes. The
same words are in tests/unit/transport/ws_words.h."""

import base64
import re
import socket
import struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LETTERS = {"c": CONTINUATION, "t": TEXT, "b": BINARY, "x": CLOSE, "p": PING, "q": PONG}
MASK = b"\x12\x34\xab\xcd"
KEY = base64.b64encode(b"a key of 16 byte").decode()

WORD = re.compile(
    r"\s*(?:o(?P<opcode>[0-9a-f])|(?P<letter>[tbcpqx]))(?P<more>-?)(?P<unmasked>u?)"
    r"(?:r(?P<reserved>[1-7]))?(?P<code>\d+)?"
    r"(?:'(?P<text>[^']*)'|#(?P<hex>[0-9a-f]*)|\*(?P<n>\d+))?(?=\s|$)")


class Frame(NamedTuple):
    opcode: int
    payload: bytes = b""
    last: bool = True


def masked(payload, mask):
    n = len(payload)
    whole = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(n, "big")


def encode(opcode, payload=b"", last=True, reserved=0, mask=MASK, length=None):
    """A frame as it is sent. mask: None for none; length: what the header says."""
    n = len(payload) if length is None else length
    bit = 0 if mask is None else 0x80
    head = bytes([last << 7 | reserved << 4 | opcode])
    if n < 126:
        head += bytes([bit | n])
    elif n < 1 << 16:
        head += struct.pack("!BH", bit | 126, n)
    else:
        head += struct.pack("!BQ", bit | 127, n)
    return head + payload if mask is None else head + mask + masked(payload, mask)


def read_words(words):
    """The parts of each word: opcode, payload, whether it is the last, reserved bits, mask."""
    at, found = 0, []
    while words[at:].strip():
        word = WORD.match(words, at)
        assert word, words[at:]
        at = word.end()
        opcode = int(word["opcode"], 16) if word["opcode"] else LETTERS[word["letter"]]
        payload = struct.pack("!H", int(word["code"])) if word["code"] else b""
        payload += (word["text"] or "").encode() + bytes.fromhex(word["hex"] or "")
        payload += b"a" * int(word["n"] or 0)
        found.append((opcode, payload, not word["more"], int(word["reserved"] or 0),
                      None if word["unmasked"] else MASK))
    return found


def frames_of(words):
    """What is sent for these words, a frame each."""
    return [encode(*parts) for parts in read_words(words)]


def messages_of(words):
    return [Frame(opcode, payload) for opcode, payload, *_ in read_words(words)]


def joined(frames):
    """Messages as a whole, control frames where they came."""
    result, pieces, opcode = [], [], None
    for frame in frames:
        if frame.opcode >= CLOSE:
            result.append(frame)
            continue
        opcode = frame.opcode or opcode
        pieces.append(frame.payload)
        if frame.last:
            result.append(Frame(opcode, b"".join(pieces)))
            pieces = []
    return result


def request_of(path="/", method="GET", version="HTTP/1.1", extra=(), **fields):
    """A request; fields with _ for -, None to leave one out, a list for several of one name."""
    all_ = {"Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13",
            **{name.replace("_", "-"): value for name, value in fields.items()}}
    lines = [f"{method} {path} {version}"]
    for name, value in all_.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        lines += [f"{name}: {one}" for one in values]
    return ("\r\n".join([*lines, *extra]) + "\r\n\r\n").encode()


class Peer:
    """One end of a connection on which messages are exchanged."""

    def __init__(self, sock, request=None):
        """Sends the request; None: a good one."""
        self.sock = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen = bytearray()
        self.send(request_of() if request is None else request)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def say(self, words):
        """Sends frames, together."""
        self.send(b"".join(frames_of(words)))

    def _fill(self, size):
        """Whether so many bytes are there, before the end."""
        while len(self.seen) < size:
            data = self.sock.recv(1 << 18)
            if not data:
                return False
            self.seen += data
        return True

    def _take(self, size):
        data = bytes(self.seen[:size])
        del self.seen[:size]
        return data

    def answer(self):
        """The head of the answer to the request, '' at the end."""
        while b"\r\n\r\n" not in self.seen:
            if not self._fill(len(self.seen) + 1):
                return ""
        return self._take(self.seen.index(b"\r\n\r\n") + 4).decode()

    def opened(self):
        """Waits until messages may be sent."""
        answer = self.answer()
        assert answer.startswith("HTTP/1.1 101 "), answer
        return self

    def frame(self):
        """The next frame; None: the end."""
        if not self._fill(2):
            assert not self.seen
            return None
        first, second = self.seen[:2]
        size = {126: 2, 127: 8}.get(second, 0)
        assert not second & 0x80 and not first & 0x70, "masked or reserved"
        assert self._fill(2 + size)
        self._take(2)
        n = int.from_bytes(self._take(size), "big") if size else second
        assert self._fill(n), "half a frame"
        return Frame(first & 0x0f, self._take(n), bool(first & 0x80))

    def message(self):
        """The next message, or control frame; None: the end."""
        frames = []
        while frame := self.frame():
            frames.append(frame)
            if frame.opcode >= CLOSE:
                return frame
            if frame.last:
                return joined(frames)[0]
        assert not frames, "half a message"
        return None

    def data(self):
        """The next message that is neither a ping, which it answers, nor a pong."""
        while (frame := self.message()) and frame.opcode in (PING, PONG):
            if frame.opcode == PING:
                self.say("q")
        return frame

    def rest(self):
        """All that comes, messages as a whole, to the end."""
        return joined(iter(self.frame, None))

    def code(self):
        """The code of the Close that comes, and its reason; 0: one without."""
        frame = self.message()
        assert frame and frame.opcode == CLOSE, frame
        return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()

    def refused(self):
        """The status of the answer, which is the last, and its text."""
        answer, body = self.answer(), b""
        while self._fill(len(self.seen) + 1):
            pass
        body = self._take(len(self.seen))
        found = re.match(r"HTTP/1\.1 (\d{3}) ", answer)
        assert found, answer
        length = re.search(r"\r\nContent-Length: (\d+)\r\n", answer)
        assert int(length[1]) == len(body) and "\r\nConnection: close\r\n" in answer, answer
        return int(found[1]), body.decode()
