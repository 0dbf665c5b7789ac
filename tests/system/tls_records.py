# SPDX-License-Identifier: MIT
"""A client of TLS 1.3 (RFC 8446) whose every record and message can be another than it should be:
TLS_CHACHA20_POLY1305_SHA256 (RFC 8439) with X25519 (RFC 7748), by Python alone. It believes every
certificate, as peers of libraries do the looking; the server's Finished it verifies."""

import hashlib
import hmac
import os
import struct

from harness import read_exactly

CCS, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
CLIENT_HELLO, TICKET, END_OF_EARLY_DATA, CERTIFICATE, FINISHED, KEY_UPDATE = 1, 4, 5, 11, 20, 24
CLOSE_NOTIFY = b"\x01\x00"
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()  # the random of one
SUITE = 0x1303


# --- Ciphers -------------------------------------------------------------------------------------

def x25519(scalar, point=b"\x09" + b"\0" * 31):
    """RFC 7748, 5."""
    p, a24 = 2**255 - 19, 121665
    k = int.from_bytes(scalar, "little") & ~(7 | 1 << 255) | 1 << 254
    x1 = int.from_bytes(point, "little") & ~(1 << 255)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % p, b * b % p, d * a % p, c * b % p
        e = aa - bb
        x3, z3 = (da + cb)**2 % p, x1 * (da - cb)**2 % p
        x2, z2 = aa * bb % p, e * (aa + a24 * e) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


ROUNDS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
          (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)) * 10


def chacha20_block(key, counter, nonce):
    """RFC 8439, 2.3."""
    start = (*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce))
    s = list(start)
    mask = 0xffffffff
    for a, b, c, d in ROUNDS:
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & mask
            word = s[z] ^ s[x]
            s[z] = (word << n | word >> 32 - n) & mask
    return struct.pack("<16I", *(one + other & mask for one, other in zip(s, start)))


def chacha20(key, nonce, data):
    n = len(data)
    stream = b"".join(chacha20_block(key, 1 + i, nonce) for i in range((n + 63) // 64))[:n]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(n, "big")


def tag(key, nonce, more, sealed):
    """RFC 8439, 2.8: Poly1305 of both."""
    def padded(data):
        return data + b"\0" * (-len(data) % 16)
    one_time = chacha20_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    text = padded(more) + padded(sealed) + struct.pack("<QQ", len(more), len(sealed))
    sum_ = 0
    for i in range(0, len(text), 16):
        sum_ = (sum_ + int.from_bytes(text[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (sum_ + int.from_bytes(one_time[16:32], "little") & 2**128 - 1).to_bytes(16, "little")


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def expand(secret, label, context=b"", size=32):
    """HKDF-Expand-Label of RFC 8446, 7.1; at most a digest of it."""
    label = b"tls13 " + label
    return mac(secret, struct.pack("!HB", size, len(label)) + label + bytes([len(context)])
               + context + b"\x01")[:size]


def digest(data):
    return hashlib.sha256(data).digest()


class Keys:
    """Of one direction."""

    def __init__(self, secret):
        self.secret, self.n = secret, 0
        self.key, self.iv = expand(secret, b"key"), expand(secret, b"iv", size=12)

    def nonce(self):
        self.n += 1
        return (int.from_bytes(self.iv, "big") ^ self.n - 1).to_bytes(12, "big")

    def seal(self, kind, data, padding=0, outer=DATA):
        """A record of it."""
        inner = data + (b"" if kind is None else bytes([kind])) + b"\0" * padding
        head, nonce = struct.pack("!BHH", outer, 0x303, len(inner) + 16), self.nonce()
        sealed = chacha20(self.key, nonce, inner)
        return head + sealed + tag(self.key, nonce, head, sealed)

    def open(self, head, data):
        nonce, sealed = self.nonce(), data[:-16]
        assert hmac.compare_digest(tag(self.key, nonce, head, sealed), data[-16:])
        inner = chacha20(self.key, nonce, sealed).rstrip(b"\0")
        return inner[-1], inner[:-1]

    def next(self):
        """After an update."""
        return Keys(expand(self.secret, b"traffic upd"))


# --- Messages ------------------------------------------------------------------------------------

def record(kind, data, version=0x0303, length=None):
    """A record in the clear. length: what its header says."""
    return struct.pack("!BHH", kind, version, len(data) if length is None else length) + data


def message(kind, body=b"", length=None):
    return bytes([kind]) + (len(body) if length is None else length).to_bytes(3, "big") + body


def vector(data, size=2):
    return len(data).to_bytes(size, "big") + data


def extension(kind, data, length=None):
    return struct.pack("!HH", kind, len(data) if length is None else length) + data


def name(host, kind=0, inner=None):
    """The extension server_name."""
    entry = bytes([kind]) + struct.pack("!H", len(host) if inner is None else inner) + host
    return extension(0, vector(entry))


def hello(extensions=b"", session=b"", suites=b"\x13\x01\x13\x02\xc0\x2b\xc0\x2f"):
    """A ClientHello in its record; with no more than that it is one of TLS 1.2."""
    return record(HANDSHAKE, message(CLIENT_HELLO, (
        b"\x03\x03" + b"r" * 32 + vector(session, 1) + vector(suites) + b"\x01\x00"
        + vector(extensions))))


class Ticket:
    """What a server has given for the next time."""

    def __init__(self, body, secret):
        self.age_add = struct.unpack_from("!I", body, 4)[0]
        at = 9 + body[8]
        self.data = body[at + 2:at + 2 + int.from_bytes(body[at:at + 2], "big")]
        self.psk = expand(secret, b"resumption", body[9:at])


class Client:
    """One connection. The usual way is hello(), flight(), finish(), then say() and hear(); send()
    sends anything in a record, sealed once there are keys."""

    def __init__(self, sock, host=b"localhost"):
        self.sock, self.host = sock, host
        self.private = os.urandom(32)
        self.transcript = b""
        self.sends = self.receives = None  # in the clear
        self.is_resumed = False

    # Sending

    def raw(self, data):
        self.sock.sendall(data)

    def send(self, kind, data, padding=0, outer=DATA):
        self.raw(self.sends.seal(kind, data, padding, outer) if self.sends else record(kind, data))

    def say(self, data):
        self.send(DATA, data)

    def update(self, value=0):
        """Of our keys. value 1: the server updates its own, too."""
        self.send(HANDSHAKE, message(KEY_UPDATE, bytes([value])))
        self.sends = self.sends.next()

    def hello(self, ticket=None, binder=None, share=True, more=b"", modes=b"\x01"):
        """ticket: with it, and this binder in place of the right one. share: with our key for the
        exchange; without it the server asks for it."""
        key = struct.pack("!H", 0x1d) + vector(x25519(self.private))
        extensions = (
            (name(self.host) if self.host else b"") + extension(43, b"\x02\x03\x04")
            + extension(10, vector(b"\x00\x1d")) + extension(13, vector(b"\x04\x03\x08\x04\x08\x07"))
            + extension(51, vector(key if share else b"")) + extension(45, vector(modes, 1)) + more)
        if ticket:
            identity = vector(ticket.data) + struct.pack("!I", ticket.age_add)
            extensions += extension(41, vector(identity) + vector(vector(b"\0" * 32, 1)))
        body = (b"\x03\x03" + os.urandom(32) + vector(b"s" * 32, 1) + vector(struct.pack("!H", SUITE))
                + b"\x01\x00" + vector(extensions))
        text = message(CLIENT_HELLO, body)
        if ticket:  # the binder stands last, and is of all before it
            self.early = mac(b"\0" * 32, ticket.psk)
            key = expand(expand(self.early, b"res binder", digest(b"")), b"finished")
            text = text[:-32] + (binder or mac(key, digest(self.transcript + text[:-35])))
        self.transcript += text
        for i in range(0, len(text), 16384):
            self.raw(record(HANDSHAKE, text[i:i + 16384]))

    # Receiving

    def record(self):
        """(kind, data) of the next one; None: the end."""
        head = read_exactly(self.sock, 5)
        if len(head) < 5:
            assert head == b""
            return None
        data = read_exactly(self.sock, int.from_bytes(head[3:], "big"))
        kind = head[0]
        if not self.receives or kind != DATA:
            return kind, data
        kind, data = self.receives.open(head, data)
        if kind == HANDSHAKE and data[0] == KEY_UPDATE:
            self.receives = self.receives.next()
        return kind, data

    def rest(self):
        """All records to the end; a reset is one."""
        found = []
        try:
            while one := self.record():
                found.append(one)
        except ConnectionError:
            pass
        return found

    def alert(self):
        """The number of the fatal alert that comes, which is the last; None: there was none."""
        alerts = [data for kind, data in self.rest() if kind == ALERT]
        return alerts[-1][1] if alerts and alerts[-1][0] == 2 else None

    def retry(self):
        """Reads the server's wish for another hello; then hello() again."""
        kind, data = self.record()
        assert kind == HANDSHAKE and data[6:38] == RETRY, data
        self.transcript = message(254, digest(self.transcript)) + data

    def flight(self):
        """Reads the server's hello and all up to its Finished, behind which it uses its last keys."""
        kind, data = self.record()
        if kind == CCS:  # behind the wish for another hello
            kind, data = self.record()
        assert kind == HANDSHAKE and data[0] == 2 and data[6:38] != RETRY, (kind, data)
        self.transcript += data
        self._derive_handshake(data)
        text, messages = b"", {}
        while FINISHED not in messages:
            kind, data = self.record()
            if kind == CCS:
                continue
            assert kind == HANDSHAKE, (kind, data)
            text += data
            while len(text) >= 4 and len(text) >= (n := 4 + int.from_bytes(text[1:4], "big")):
                if text[0] == FINISHED:
                    key = expand(self.receives.secret, b"finished")
                    assert text[4:n] == mac(key, digest(self.transcript)), "server's Finished"
                messages[text[0]] = text[4:n]
                self.transcript += text[:n]
                text = text[n:]
        self.so_far = digest(self.transcript)
        self.receives = Keys(expand(self.master, b"s ap traffic", self.so_far))
        return messages

    def _derive_handshake(self, answer):
        at = 38 + 1 + answer[38] + 3
        found, rest = {}, answer[at + 2:]
        while rest:
            kind, n = struct.unpack_from("!HH", rest)
            found[kind], rest = rest[4:4 + n], rest[4 + n:]
        self.is_resumed = 41 in found
        early = self.early if self.is_resumed else mac(b"\0" * 32, b"\0" * 32)
        handshake = mac(expand(early, b"derived", digest(b"")), x25519(self.private, found[51][4:]))
        so_far = digest(self.transcript)
        self.sends = Keys(expand(handshake, b"c hs traffic", so_far))
        self.receives = Keys(expand(handshake, b"s hs traffic", so_far))
        self.master = mac(expand(handshake, b"derived", digest(b"")), b"\0" * 32)

    def finished(self):
        """Our last message of the handshake."""
        return message(FINISHED, mac(expand(self.sends.secret, b"finished"), self.so_far))

    def finish(self):
        """Sends it; from then on there is data."""
        text = self.finished()
        self.send(HANDSHAKE, text)
        self.sends = Keys(expand(self.master, b"c ap traffic", self.so_far))
        self.resumption = expand(self.master, b"res master", digest(self.transcript + text))

    def begin(self, **options):
        """The whole handshake, as it should be."""
        self.hello(**options)
        self.flight()
        self.finish()
        return self

    def hear(self):
        """The next data; a ticket before it is in .ticket. b"": the server's end."""
        while one := self.record():
            kind, data = one
            if kind == HANDSHAKE and data[0] == TICKET:
                self.ticket = Ticket(data[4:], self.resumption)
            elif one == (ALERT, CLOSE_NOTIFY):
                return b""
            elif kind != HANDSHAKE or data[0] != KEY_UPDATE:
                assert kind == DATA, (kind, data)
                return data
        raise AssertionError("an end without close_notify")
