# SPDX-License-Identifier: MIT
"""Headers of the PROXY protocol, made and read by hand: what a proxy sends, what a service gets."""

import ipaddress
import re
import socket
import struct
from pathlib import Path

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
VECTORS = Path(__file__).parents[1] / "unit" / "proxy_vectors.h"
NAMES = {"crlf": "0d0a", "cr": "0d", "lf": "0a", "S": SIGNATURE.hex(),
         "A4": "c0000201c63364029c4001bb",
         "A6": "20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02" + "9c4001bb"}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def v1(source, destination):
    """The line for two pairs of address and port."""
    kind = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {kind} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


def v2(source=None, destination=None, tlvs=b"", command=1):
    """The bytes; without addresses: of LOCAL, or of a family that nobody says."""
    body, family = b"", 0
    if source:
        family = 0x21 if ":" in source[0] else 0x11
        body = b"".join(ipaddress.ip_address(end[0]).packed for end in (source, destination))
        body += struct.pack("!HH", source[1], destination[1])
    body += tlvs
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


def read_one(sock):
    """Exactly one header of a connection: (kind, source, destination, tlvs). Of version 2 the
    checksum must be right, if there is one."""
    data = b""
    while not data.endswith(b"\r\n") or SIGNATURE.startswith(data):
        data += sock.recv(1)
        if data == SIGNATURE:
            return read_binary(sock)
    words = data.decode().removesuffix("\r\n").split(" ")
    if words[1] == "UNKNOWN":
        return "unknown", None, None, []
    return "v1 " + words[1], (words[2], int(words[4])), (words[3], int(words[5])), []


def read_binary(sock):
    head = sock.recv(4, socket.MSG_WAITALL)
    command, family, size = struct.unpack("!BBH", head)
    body = sock.recv(size, socket.MSG_WAITALL) if size else b""
    width = {0x11: 4, 0x21: 16, 0x31: 108}.get(family, 0)
    ends = [body[:width], body[width:2 * width]]
    at, ports = 2 * width, (0, 0)
    if family in (0x11, 0x21):
        ports = struct.unpack_from("!HH", body, at)
        at += 4
        ends = [str(ipaddress.ip_address(end)) for end in ends]
    else:
        ends = [end.rstrip(b"\0").decode() for end in ends]
    tlvs, whole = [], SIGNATURE + head + body
    while at < size:
        kind, length = struct.unpack_from("!BH", body, at)
        value = body[at + 3:at + 3 + length]
        if kind == 3:
            there = 16 + at + 3
            assert crc32c(whole[:there] + bytes(4) + whole[there + 4:]) == struct.unpack("!I", value)[0]
        tlvs.append((kind, value))
        at += 3 + length
    assert at == size
    if command == 0x20:
        return "local", None, None, tlvs
    return f"v2 {family:#x}", (ends[0], ports[0]), (ends[1], ports[1]), tlvs


def vector_bytes(text):
    """The input of a vector: see tests/unit/proxy_vectors.h."""
    data = b""
    for quoted, word, times in re.findall(r"(?:'([^']*)'|([^\s*]+))(?:\*(\d+))?", text):
        piece = quoted.encode() if quoted else bytes.fromhex(NAMES.get(word, word))
        data += piece + piece[-1:] * (int(times or 1) - 1)
    if text == "S 2111 0fac A4":
        data += b"".join(struct.pack("!BH5x", 0x20, left * 8 - 3) for left in range(500, 0, -1))
    return data


def vectors():
    """The table of tests/unit/proxy_vectors.h: (name, bytes, what is wanted, length)."""
    text = VECTORS.read_text(encoding="utf-8")
    macros = dict(re.findall(r'^#define (\w+) +"([^"]*)"', text, re.M))
    table = text.partition("proxy_vectors[] = {\n")[2].partition("\n};")[0]
    for macro, value in macros.items():
        table = re.sub(rf'(?<![\w"]){macro}(?![\w"])', f'"{value}"', table)
    table = re.sub(r'"\s*"', "", table)
    found = re.findall(r'\{"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*(\d+)\}', table)
    assert len(found) == table.count("{") > 100
    return [(name, vector_bytes(given), want, int(length)) for name, given, want, length in found]
