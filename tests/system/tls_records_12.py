# SPDX-License-Identifier: MIT
"""The same for TLS 1.2 (RFC 5246): ECDHE-ECDSA-CHACHA20-POLY1305 (RFC 7905) with X25519 and the
extended master secret (RFC 7627)."""

import hmac
import os

from harness import read_exactly
from tls_records import (ALERT, CCS, CLOSE_NOTIFY, DATA, FINISHED, HANDSHAKE, Client, chacha20, digest,
                         extension, mac, message, name, tag, vector, x25519)

SUITE_12 = b"\xcc\xa9"
KEY_EXCHANGE, HELLO_DONE, CLIENT_KEY_EXCHANGE = 12, 14, 16


def prf(secret, label, seed, size):
    """RFC 5246, 5."""
    seed = label + seed
    a, out = seed, b""
    while len(out) < size:
        a = mac(secret, a)
        out += mac(secret, a + seed)
    return out[:size]


class Keys12:
    """Of one direction."""

    def __init__(self, key, iv):
        self.key, self.iv, self.n = key, iv, 0

    def nonce(self):
        self.n += 1
        return (int.from_bytes(self.iv, "big") ^ self.n - 1).to_bytes(12, "big")

    def more(self, kind, size):
        """What is sealed beside the data."""
        return (self.n - 1).to_bytes(8, "big") + bytes([kind, 3, 3]) + size.to_bytes(2, "big")

    def seal(self, kind, data):
        nonce = self.nonce()
        sealed = chacha20(self.key, nonce, data)
        return bytes([kind, 3, 3]) + vector(
            sealed + tag(self.key, nonce, self.more(kind, len(data)), sealed))

    def open(self, kind, data):
        nonce, sealed = self.nonce(), data[:-16]
        assert hmac.compare_digest(
            tag(self.key, nonce, self.more(kind, len(sealed)), sealed), data[-16:])
        return chacha20(self.key, nonce, sealed)


class Client12(Client):
    """hello(), flight(), exchange(), finish(); or begin()."""

    def send(self, kind, data):
        if self.sends:
            self.raw(self.sends.seal(kind, data))
        else:
            self.raw(bytes([kind, 3, 3]) + vector(data))

    def tell(self, kind, body=b""):
        """A message of the handshake."""
        text = message(kind, body)
        self.transcript += text
        self.send(HANDSHAKE, text)

    def hello(self):
        """P-256 among the groups is for the certificate's key."""
        self.random = os.urandom(32)
        self.tell(1, b"\x03\x03" + self.random + vector(b"", 1) + vector(SUITE_12) + b"\x01\x00"
                  + vector(name(self.host) + extension(10, vector(b"\x00\x1d\x00\x17"))
                           + extension(11, b"\x01\x00") + extension(13, vector(b"\x04\x03"))
                           + extension(23, b"") + extension(0xff01, b"\x00")))

    def record(self):
        head = read_exactly(self.sock, 5)
        if len(head) < 5:
            assert head == b""
            return None
        data = read_exactly(self.sock, int.from_bytes(head[3:], "big"))
        return head[0], self.receives.open(head[0], data) if self.receives else data

    def messages(self, last):
        """Messages of the handshake up to that one."""
        text, found = b"", {}
        while last not in found:
            kind, data = self.record()
            assert kind == HANDSHAKE, (kind, data)
            text += data
            while len(text) >= 4 and len(text) >= (n := 4 + int.from_bytes(text[1:4], "big")):
                found[text[0]] = text[4:n]
                if text[0] != FINISHED:
                    self.transcript += text[:n]
                text = text[n:]
        return found

    def flight(self):
        found = self.messages(HELLO_DONE)
        self.server_random = found[2][2:34]
        self.server_key = found[KEY_EXCHANGE][4:36]
        return found

    def exchange(self):
        """Our key; there are secrets then."""
        self.tell(CLIENT_KEY_EXCHANGE, vector(x25519(self.private), 1))
        self.master = prf(x25519(self.private, self.server_key), b"extended master secret",
                          digest(self.transcript), 48)
        block = prf(self.master, b"key expansion", self.server_random + self.random, 88)
        self.ours, self.theirs = (Keys12(block[:32], block[64:76]),
                                  Keys12(block[32:64], block[76:]))

    def change(self):
        """From now on all is sealed."""
        self.send(CCS, b"\x01")
        self.sends = self.ours

    def finished(self):
        return prf(self.master, b"client finished", digest(self.transcript), 12)

    def finish(self):
        self.change()
        self.tell(FINISHED, self.finished())
        want = prf(self.master, b"server finished", digest(self.transcript), 12)
        kind, data = self.record()
        assert (kind, data) == (CCS, b"\x01"), (kind, data)
        self.receives = self.theirs
        assert self.messages(FINISHED)[FINISHED] == want, "server's Finished"

    def begin(self):
        self.hello()
        self.flight()
        self.exchange()
        self.finish()
        return self

    def hear(self):
        """The next data; b"": the server's end. Warnings that it gives are left out."""
        while one := self.record():
            if one == (ALERT, CLOSE_NOTIFY):
                return b""
            if one[0] != ALERT or one[1][0] != 1:
                assert one[0] == DATA, one
                return one[1]
        raise AssertionError("an end without close_notify")
