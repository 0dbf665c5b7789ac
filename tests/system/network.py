# SPDX-License-Identifier: MIT
"""Networks of a test's own: namespaces, firewalls, captures, the kernel's table of connections.

A namespace is entered by one thread, in which everything that shall live there is made: sockets,
and processes, which inherit it. It goes with its last user, so nothing needs to be cleaned up.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from harness import PATIENCE, proc_fds, taken_fd, wait_for

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

STATES = ("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
          "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV")
TIMERS = ("", "retransmit", "keepalive", "time_wait", "zero_window")


def check(result):
    """The result of a call of the C library; OSError for -1."""
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def far_socket(worker, inode):
    """A reference of our own to a worker's connection, as if it had been handed over by fork()."""
    fd, = (fd for fd, target in proc_fds(worker).items() if target == f"socket:[{inode}]")
    return socket.socket(fileno=taken_fd(worker, fd))


class End(NamedTuple):
    """One end of a connection, or a listener, as /proc/net/tcp shows it."""
    state: str
    unacked: int  # bytes sent or to be sent that the peer has not confirmed
    unread: int   # bytes received that nobody has read; of a listener: connections not accepted
    timer: str
    seconds: float  # until the timer fires
    inode: int    # 0: no descriptor refers to it


def read_table():
    """(local port, remote port) to End, of the calling thread's namespace."""
    table = {}
    for name in ("tcp", "tcp6"):
        with open(f"/proc/thread-self/net/{name}") as lines:
            for line in lines.readlines()[1:]:
                fields = line.split()
                ports = tuple(int(address.rpartition(":")[2], 16) for address in fields[1:3])
                queues = [int(size, 16) for size in fields[4].split(":")]
                timer, when = (int(part, 16) for part in fields[5].split(":"))
                table[ports] = End(STATES[int(fields[3], 16)], *queues, TIMERS[timer],
                                   when / os.sysconf("SC_CLK_TCK"), int(fields[9]))
    return table


def ports_of(sock):
    """How the table names the near end of a connection."""
    return sock.getsockname()[1], sock.getpeername()[1]


class Namespace:
    """A network namespace with loopback up and nothing else."""

    def __init__(self):
        self.thread = ThreadPoolExecutor(1)
        try:
            self.path = self.call(self._enter)
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.thread.shutdown()
            raise

    @staticmethod
    def _enter():
        check(LIBC.unshare(CLONE_NEWNET))
        return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"

    def call(self, function, *args, **options):
        """Calls a function inside; it must not block for long."""
        return self.thread.submit(function, *args, **options).result()

    def run(self, *command, **options):
        """Runs a command inside to its end; its standard output. A failure is an error."""
        result = self.call(subprocess.run, command, stdout=subprocess.PIPE, timeout=PATIENCE,
                           check=True, text=True, **options)
        return result.stdout

    def connect(self, port, host="127.0.0.1"):
        return self.call(socket.create_connection, (host, port), PATIENCE)

    def filter(self, *rules):
        """These rules of nftables decide on what comes in, instead of the former ones."""
        lines = ["flush ruleset", "table inet test {", "chain input {",
                 "type filter hook input priority 0;", *rules, "}", "}", ""]
        self.run("nft", "-f", "-", input="\n".join(lines))

    def ends(self, ports):
        """Both Ends of a connection within the namespace, None for one that is gone."""
        table = self.call(read_table)
        return table.get(ports), table.get(ports[::-1])

    def states(self, ports):
        return tuple(end.state if end else None for end in self.ends(ports))

    def wait_states(self, ports, near, far):
        """Waits until the two ends of a connection are in these states."""
        try:
            wait_for(lambda: self.states(ports) == (near, far), what=f"states {near}, {far}")
        except AssertionError as late:
            raise AssertionError(f"{late}, but {self.states(ports)}") from None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.thread.shutdown()


def tcp_counters():
    """What the kernel counted in the calling thread's namespace: {'TCPTimeouts': 3, ...}."""
    counters = {}
    for name in ("snmp", "netstat"):
        with open(f"/proc/thread-self/net/{name}") as file:
            lines = [line.split() for line in file]
        for names, values in zip(lines[::2], lines[1::2]):
            if names[0] in ("Tcp:", "TcpExt:"):
                counters.update(zip(names[1:], map(int, values[1:])))
    return counters


# --- Cables ------------------------------------------------------------------------------------

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17


def write_checksums():
    """Has real checksums written on the calling thread's wire, which else does without any."""
    command = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    with socket.socket() as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP", b"wire", ctypes.addressof(command)))


def join(near, far, *options):
    """A cable from one namespace, where its end is 192.0.2.1, to the other: 192.0.2.2. Packets on
    it are as large as those of a real one, and have checksums."""
    near.run("ip", "link", "add", "wire", "gso_max_segs", "1", *options, "type", "veth", "peer",
             "name", "wire", "gso_max_segs", "1", *options, "netns", far.path)
    for namespace, address in ((near, "192.0.2.1/24"), (far, "192.0.2.2/24")):
        namespace.call(write_checksums)
        namespace.run("ip", "address", "add", address, "dev", "wire")
        namespace.run("ip", "link", "set", "wire", "up")
    for namespace in (near, far):  # until then packets are lost
        wait_for(lambda: " state UP " in namespace.run("ip", "link", "show", "wire"),
                 what="carrier")


# --- Forgery -----------------------------------------------------------------------------------

def inet_checksum(data):
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    return -sum(words) % 0xffff or 0xffff


def forge(source, address, message=b"x", damage=0):
    """Sends a datagram of UDP by IP itself, from where nobody has to be. damage: what its checksum
    has too much."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, host) for host, _ in (source, address))
    n = 8 + len(message)
    udp = [struct.pack("!HHH", source[1], address[1], n), b"\0\0", message]
    counted = ends + struct.pack("!II", n, socket.IPPROTO_UDP) + b"".join(udp)
    udp[1] = struct.pack("!H", (inet_checksum(counted) + damage) % 0x10000)
    head = struct.pack("!IHBB", 6 << 28, n, socket.IPPROTO_UDP, 64) if family == socket.AF_INET6 else \
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + n, 0, 0, 64, socket.IPPROTO_UDP, 0)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(head + ends + b"".join(udp), (address[0], 0))


# --- Captures ----------------------------------------------------------------------------------

FIN, SYN, RST, PSH, ACK, URG = (1 << bit for bit in range(6))
ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33


class Segment(NamedTuple):
    source: int
    target: int
    flags: int
    seq: int
    ack: int
    window: int
    data: bytes


def parse_segment(packet):
    """A TCP segment from an IPv4 packet."""
    ip_size = (packet[0] & 15) * 4
    total = int.from_bytes(packet[2:4], "big")
    source, target, seq, ack, flags, window = struct.unpack_from("!HHIIHH", packet, ip_size)
    return Segment(source, target, flags & 63, seq, ack, window,
                   bytes(packet[ip_size + (flags >> 12) * 4:total]))


class Capture:
    """The TCP segments that come in on loopback, which are all, each once, in their order. They are
    seen before the firewall drops them. Packets longer than `longest` are left out."""

    def __init__(self, namespace, longest=65535):
        self.segments = []
        self.socket = namespace.call(socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        with contextlib.suppress(PermissionError):  # in a user namespace the usual room must do
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self._attach_filter(longest)
        self.socket.setblocking(False)
        self.socket.bind(("lo", ETH_P_IP))

    def _attach_filter(self, longest):
        """TCP, total length at most `longest`."""
        code = struct.pack("HBBI" * 6,
                           0x30, 0, 0, 9,                # load the byte at 9: the protocol
                           0x15, 0, 3, socket.IPPROTO_TCP,  # another one: reject
                           0x28, 0, 0, 2,                # load the half word at 2: the length
                           0x25, 1, 0, longest,          # more than that: reject
                           0x06, 0, 0, 0xffff,           # accept
                           0x06, 0, 0, 0)                # reject
        text = ctypes.create_string_buffer(code)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                               struct.pack("HP", 6, ctypes.addressof(text)))

    def read(self):
        """All segments so far."""
        while True:
            try:
                self.segments.append(parse_segment(self.socket.recv(1 << 16)))
            except BlockingIOError:
                return self.segments

    def wait(self, count, predicate=lambda segment: True):
        """The first `count` segments that predicate takes, when they have come."""
        def find():
            found = [segment for segment in self.read() if predicate(segment)]
            return found[:count] if len(found) >= count else None

        try:
            return wait_for(find, what=f"{count} segments")
        except AssertionError as late:
            raise AssertionError(f"{late}; captured: {self.segments}") from None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()


def why_not():
    """Why there can be no networks here; '' when there can."""
    try:
        with Namespace() as near, Namespace() as far:
            Capture(near).socket.close()
            near.filter("tcp dport 7 numgen random mod 100 < 20 drop")
            join(near, far)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no network namespace, capture, cable or firewall of one's own: {error}"
    return ""


needs_networks = pytest.mark.skipif(bool(reason := why_not()), reason=reason)
