# SPDX-License-Identifier: MIT
"""What TCP does under tcpd, segment by segment and state by state: opening, closing, full buffers.

Each test has a network namespace of its own, and where a state lasts for microseconds only, a
firewall rule or a stopped worker holds it. The ids in the docstrings are rows of CONFORMANCE.md and
HAZARDS.md.
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import termios

import pytest

from harness import (PATIENCE, Text, configuration, peer_name, proc_fds, proc_state, read_all,
                     read_exactly, service, start, wait_for)
from network import (ACK, FIN, PSH, SYN, Capture, Namespace, far_socket, needs_networks, ports_of,
                     read_table)

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}


pytestmark = needs_networks


@pytest.fixture
def net():
    with Namespace() as namespace:
        yield namespace


def serve(net, name, **options):
    """A daemon inside with one service; (daemon, port)."""
    daemon = net.call(start, configuration(service(name, **options), log_sessions="all"))
    return daemon, daemon.ports[name]


def stopped(pid):
    """Stops a process; it is stopped when this returns."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: proc_state(pid) == "T", what="stop")


def unsent(sock):
    """SIOCOUTQ: bytes that the peer has not confirmed."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


# --- Opening -----------------------------------------------------------------------------------

@pytest.mark.at_once
def test_three_way_handshake(net):
    """T1, T9: SYN j; SYN k, ACK j+1; ACK k+1. Then data: the confirmation is seq + bytes."""
    _, port = serve(net, "echo")
    with Capture(net) as capture, net.connect(port) as sock:
        near = sock.getsockname()[1]
        sock.sendall(b"Linux China\0")
        assert read_exactly(sock, 12) == b"Linux China\0"
        syn, syn_ack, ack = capture.wait(3)
        assert (syn.flags, syn_ack.flags, ack.flags) == (SYN, SYN | ACK, ACK)
        assert [s[:2] for s in (syn, syn_ack, ack)] == [(near, port), (port, near), (near, port)]
        j, k = syn.seq, syn_ack.seq
        assert (syn_ack.ack, ack.seq, ack.ack) == (j + 1 & 0xffffffff, j + 1 & 0xffffffff,
                                                   k + 1 & 0xffffffff)
        assert syn.data + syn_ack.data + ack.data == b""

        question, = capture.wait(1, lambda s: s.target == port and s.data)
        assert (question.flags, question.seq, question.data) == (PSH | ACK, ack.seq,
                                                                 b"Linux China\0")
        answer, = capture.wait(1, lambda s: s.source == port and s.data)
        assert (answer.seq, answer.data) == (ack.ack, question.data)
        assert answer.ack == question.seq + 12 & 0xffffffff


def test_states_of_opening(net):
    """T1, P18: SYN_SENT until the second segment, with which connect() returns; SYN_RECV until the
    third, before which accept() does not. Each is held by dropping the next segment."""
    daemon, port = serve(net, "echo", **ONE)
    to_port = f"tcp dport {port}"
    with Capture(net) as capture, net.call(socket.socket) as sock:
        net.filter(f"{to_port} tcp flags & (syn | ack) == syn drop")
        sock.setblocking(False)
        assert sock.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
        ports = sock.getsockname()[1], port
        net.wait_states(ports, "SYN_SENT", None)

        net.filter(f"{to_port} tcp flags & (syn | ack) == ack drop")  # the SYN is sent once more
        wait_for(lambda: sock.connect_ex(("127.0.0.1", port)) in (0, errno.EISCONN), what="connect")
        net.wait_states(ports, "ESTABLISHED", "SYN_RECV")
        capture.wait(1, lambda s: s.flags == ACK)
        assert [s.flags for s in capture.segments][:2] == [SYN, SYN]
        assert {s.flags for s in capture.segments} == {SYN, SYN | ACK, ACK}
        assert not daemon.log_matches("connection from")

        net.filter()
        sock.settimeout(PATIENCE)
        sock.sendall(b"x")  # its segment confirms too
        assert read_exactly(sock, 1) == b"x"
        net.wait_states(ports, "ESTABLISHED", "ESTABLISHED")


@pytest.mark.at_once
def test_handshake_without_accept(net):
    """P13, W15: with its only worker busy the kernel goes on shaking hands, confirms what clients
    send, and keeps them in their order."""
    _, port = serve(net, "hello", **ONE)
    with contextlib.ExitStack() as stack:
        def connect():
            return stack.enter_context(net.connect(port))

        first = connect()
        assert read_exactly(first, 8) == b"Welcome!"
        queue = [connect() for _ in range(3)]
        for number, sock in enumerate(queue):
            sock.sendall(b"client %d" % number)
        for sock in queue:
            wait_for(lambda: net.ends(ports_of(sock))[0].unacked == 0, what="confirmation")
            far = net.ends(ports_of(sock))[1]
            assert (far.state, far.inode, far.unread) == ("ESTABLISHED", 0, 8)
        served = first
        for number, sock in enumerate(queue):
            assert net.call(read_table)[port, 0].unread == len(queue) - number
            served.close()
            assert read_exactly(sock, 8 + 16) == b"Welcome!Hello, client %d!" % number
            served = sock


# --- Closing -----------------------------------------------------------------------------------

def test_four_way_close(net):
    """T2, T4, T5, B18: the client ends first. FIN m; ACK m+1; the server still sends all; FIN n;
    ACK n+1. The end is queued behind the data; meanwhile FIN_WAIT2 and CLOSE_WAIT."""
    daemon, port = serve(net, "echo", **ONE)
    worker, = daemon.workers()
    data = os.urandom(3000)
    with Capture(net) as capture, net.connect(port) as sock:
        ports = ports_of(sock)
        stopped(worker)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        net.wait_states(ports, "FIN_WAIT2", "CLOSE_WAIT")
        assert net.ends(ports)[1].unread in (3000, 3001)  # the end itself counts as one
        assert not [s for s in capture.read() if s.source == port and s.data]
        os.kill(worker, signal.SIGCONT)
        assert read_all(sock) == data
        net.wait_states(ports, "TIME_WAIT", None)

        fin, = capture.wait(1, lambda s: s.target == port and s.flags & FIN)
        end = fin.seq + len(fin.data) + 1 & 0xffffffff
        other, = capture.wait(1, lambda s: s.source == port and s.flags & FIN)
        other_end = other.seq + len(other.data) + 1 & 0xffffffff
        confirmed = [s for s in capture.segments if s.source == port and s.ack == end]
        assert capture.segments.index(confirmed[0]) < capture.segments.index(other)
        assert not confirmed[0].flags & FIN and not confirmed[0].data
        last, = capture.wait(1, lambda s: s.target == port and s.ack == other_end)
        assert last.flags == ACK
        assert capture.segments.index(last) > capture.segments.index(other)


def test_states_of_closing(net):
    """T2: FIN_WAIT1 until the FIN is confirmed; LAST_ACK until the other one is. Held by dropping
    the confirmations; the FINs are sent again, so both get over it."""
    daemon, port = serve(net, "echo", **ONE)
    worker, = daemon.workers()
    with net.connect(port) as sock:
        ports = ports_of(sock)
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        stopped(worker)
        net.filter(f"tcp sport {port} drop")
        sock.shutdown(socket.SHUT_WR)
        net.wait_states(ports, "FIN_WAIT1", "CLOSE_WAIT")
        net.filter()
        net.wait_states(ports, "FIN_WAIT2", "CLOSE_WAIT")
        net.filter(f"tcp dport {port} drop")
        os.kill(worker, signal.SIGCONT)
        net.wait_states(ports, "TIME_WAIT", "LAST_ACK")
        net.filter()
        net.wait_states(ports, "TIME_WAIT", None)


@pytest.mark.parametrize("name, options", [
    ("greeting", {"message": "bye"}), ("daytime", {}), ("time", {})])
def test_server_ends_first(net, name, options):
    """T3, T5, B24: the same the other way round, the client is in CLOSE_WAIT until it closes;
    TIME_WAIT is the server's, and holds no worker."""
    daemon, port = serve(net, name, **ONE, **options)
    with net.connect(port) as sock:
        ports = ports_of(sock)
        assert read_all(sock)
        net.wait_states(ports, "CLOSE_WAIT", "FIN_WAIT2")
    net.wait_states(ports, None, "TIME_WAIT")
    assert net.ends(ports)[1].inode == 0
    with net.connect(port) as sock:
        assert read_all(sock)
    assert len(daemon.workers()) == 1


@pytest.mark.parametrize("timestamps", [0, 1])
def test_time_wait(net, timestamps):
    """T3, B24: at the client, if it ended first; for at most 60 s. Meanwhile the same four numbers
    make no new connection; but with timestamps, Linux' default, a client that insists has one."""
    daemon, port = serve(net, "echo")
    net.run("sysctl", "-q", "-w", f"net.ipv4.tcp_timestamps={timestamps}")

    def connect(near):
        with net.call(socket.socket) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.settimeout(PATIENCE)
            sock.bind(("127.0.0.1", near))
            sock.connect(("127.0.0.1", port))
            return ports_of(sock)

    def connect_and_wait():
        """Whether it ends as it should: of too many closed sockets in the machine the kernel resets
        some at once."""
        nonlocal ports
        ports = connect(0)
        ends = [("TIME_WAIT", None), (None, None)]
        return wait_for(lambda: net.states(ports) in ends) and net.states(ports) == ends[0]

    ports = None
    wait_for(connect_and_wait, what="TIME_WAIT")
    end = net.ends(ports)[0]
    assert end.timer == "time_wait" and 0 < end.seconds <= 60 and end.inode == 0
    if timestamps:
        assert connect(ports[0]) == ports
    else:
        with pytest.raises(OSError) as failure:
            connect(ports[0])
        assert failure.value.errno == errno.EADDRNOTAVAIL
    assert net.call(daemon.is_serving)


@pytest.mark.plain("pieces end later")
@pytest.mark.parametrize("how", ["close", "kill"])
def test_close_drops_a_reference(net, how):
    """P25, P26: while another process refers to the connection, neither close() nor the death of
    the worker ends it; the last reference does."""
    daemon, port = serve(net, "echo", **ONE)
    worker, = daemon.workers()
    with net.connect(port) as sock:
        ports = ports_of(sock)
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        inode = net.ends(ports)[1].inode
        with far_socket(worker, inode) as reference:
            if how == "close":
                sock.shutdown(socket.SHUT_WR)
                wait_for(lambda: f"socket:[{inode}]" not in proc_fds(worker).values(), what="close")
                net.wait_states(ports, "FIN_WAIT2", "CLOSE_WAIT")
            else:
                os.kill(worker, signal.SIGKILL)
                wait_for(lambda: proc_state(worker) in (None, "Z"), what="death")
                net.wait_states(ports, "ESTABLISHED", "ESTABLISHED")
            reference.sendall(b"still open")
            assert read_exactly(sock, 10) == b"still open"
        assert read_all(sock) == b""


# --- Full buffers ------------------------------------------------------------------------------

def last_window(capture, port):
    """What the end with this port has said last that it has room for."""
    return [segment.window for segment in capture.read() if segment.source == port][-1]


def test_send_returns_when_buffered(net):
    """T8, B19: to a server that does not read, send() goes on until both buffers are full: the
    window is closed, SIOCOUTQ tells what waits. When it reads again, all of it arrives."""
    daemon, port = serve(net, "discard", **ONE)
    worker, = daemon.workers()
    with Capture(net, longest=100) as capture, net.connect(port) as sock:
        ports, peer, sent = ports_of(sock), peer_name(sock), 0
        stopped(worker)
        sock.setblocking(False)

        def fill():
            nonlocal sent
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += sock.send(bytes(1 << 16))
            return net.ends(ports)[0].timer == "zero_window" and last_window(capture, port) == 0

        wait_for(fill, what="zero window")
        far = net.ends(ports)[1]
        assert 0 < unsent(sock) == sent - far.unread
        os.kill(worker, signal.SIGCONT)
        wait_for(lambda: unsent(sock) == 0, what="confirmation of all")
        sock.settimeout(PATIENCE)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        assert int(daemon.wait_log(Text.closed("discard", peer, "ok"))["bytes_in"]) == sent


@pytest.mark.plain("it writes on in small pieces")
def test_server_fills_the_window(net):
    """T8, B19: the same at the server's end, chargen to a client that does not read; when it
    does, the stream goes on where it stopped."""
    daemon, port = serve(net, "chargen", **ONE)
    worker, = daemon.workers()
    with Capture(net, longest=100) as capture, net.connect(port) as sock:
        ports = ports_of(sock)
        wait_for(lambda: net.ends(ports)[1].timer == "zero_window" and
                 last_window(capture, ports[0]) == 0, what="zero window")
        near, far = net.ends(ports)
        with far_socket(worker, far.inode) as reference:
            assert unsent(reference) == far.unacked > 0
        waiting = near.unread + far.unacked
        data = read_exactly(sock, waiting + 1_000_000)
        ring = bytes(range(32, 127)) * 2
        assert all(data[i * 74:i * 74 + 74] == ring[i % 95:i % 95 + 72] + b"\r\n"
                   for i in range(len(data) // 74))
