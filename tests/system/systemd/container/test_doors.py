# SPDX-License-Identifier: MIT
"""Every kind of door under systemd: tcpd-generator(8) makes a socket of its type for it, what comes
first starts tcpd, and the sandbox lets the answers out."""

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import PATIENCE, service, wait_for
from messages import converse
from network import forge
from units import configure, echoes, messages, states, wait_active
from ws_peer import BINARY, TEXT, Frame, Peer

pytestmark = pytest.mark.in_turn(first="bookworm")

PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NAMES = ["Michael", "Tracy", "Sarah"]
HELLOS = [f"Hello, {name}!" for name in NAMES]
DGRAM = "/run/tcpd/dgram"
LEFT = "the next connection starts tcpd"


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


@contextlib.contextmanager
def client(machine, address, source=None):
    """A socket for datagrams in the machine's network; for a path its own name is an abstract one."""
    family = socket.AF_UNIX if isinstance(address, str) else \
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with machine.network():
        sock = socket.socket(family, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(PATIENCE)
        if source or family == socket.AF_UNIX:
            sock.bind(source or "")
        sock.connect(str(machine.inside(address)) if family == socket.AF_UNIX else address)
        yield sock


def ask(machine, address, message, **options):
    with client(machine, address, **options) as sock:
        sock.send(message)
        return sock.recv(100)


def pools(machine):
    """Listener to what the status has of it."""
    told = json.loads(machine.run("tcpdctl", "--json", "status").stdout)
    return {pool["listener"]: pool for pool in told["pools"]}


def kinds(machine):
    """The type of each listener's socket, which all are systemd's."""
    found = pools(machine)
    assert {pool["origin"] for pool in found.values()} == {"handed over"}
    return {name: pool["type"] for name, pool in found.items()}


def unit_of(machine, name):
    """The lines of a socket unit that say where it listens."""
    unit = machine.run("cat", f"/run/systemd/generator/tcpd-{name}.socket").stdout
    return [line.removeprefix("Listen") for line in unit.splitlines() if line.startswith("Listen")]


def count(machine, text, cursor):
    """How many records since then have it."""
    return sum(text in message for message in messages(machine, since=cursor))


# --- Messages, WebSocket -----------------------------------------------------------------------

def test_messages_start_it(tcpd):
    """T6: unix-seqpacket: is a ListenSequentialPacket= in the service's one unit; the first message
    starts tcpd, which keeps messages apart."""
    path = "/run/tcpd/hello"
    configure(tcpd, service("hello", listen=["127.0.0.1:9999", f"unix-seqpacket:{path}"],
                            socket_mode="0660"), start="tcpd.socket")
    assert unit_of(tcpd, "hello") == ["Stream=127.0.0.1:9999", f"SequentialPacket={path}"]
    assert states(tcpd, "tcpd.service", "tcpd-hello.socket") == ["inactive", "active"]
    said = tcpd.run("tcpc", "-g", "-s", "Michael", "-s", "Tracy", f"unix-seqpacket:{path}").stdout
    assert said == "Welcome!\nHello, Michael!\nHello, Tracy!\n"
    wait_active(tcpd)
    assert f"unix-seqpacket:{path}" in tcpd.run("tcpdctl", "status").stdout
    assert kinds(tcpd) == {"127.0.0.1:9999": "stream", f"unix-seqpacket:{path}": "seqpacket"}
    tcpd.systemctl("reload", "tcpd")
    assert tcpd.run("tcpc", "-s", "x", "-s", "Sarah",
                    f"unix-seqpacket:{path}").stdout == "Welcome!\nHello, x!\nHello, Sarah!\n"


def test_websocket_starts_it(tcpd):
    """W17: ws: is a ListenStream= like any other; the first request starts tcpd, whose sandbox lets
    it load what speaks WebSocket, as the service's stream does not need it."""
    path = "/run/tcpd/ws"
    configure(tcpd, service("echo", listen=["127.0.0.1:7007", "ws:127.0.0.1:8007", f"ws:unix:{path}"],
                            ws_page="yes"), start="tcpd.socket")
    assert unit_of(tcpd, "echo") == ["Stream=127.0.0.1:7007", "Stream=127.0.0.1:8007",
                                     f"Stream={path}"]
    assert states(tcpd, "tcpd.service", "tcpd-echo.socket") == ["inactive", "active"]
    with tcpd.connect(8007) as sock:
        assert converse(sock, "hello", "\u263a") == ["hello", "\u263a"]
    wait_active(tcpd)
    assert echoes(tcpd) and b"<title>tcpd" in tcpd.exchange(8007, PAGE)
    assert kinds(tcpd) == dict.fromkeys(
        ("127.0.0.1:7007", "ws:127.0.0.1:8007", f"ws:unix:{path}"), "stream")
    tcpd.systemctl("reload", "tcpd")
    with tcpd.connect(8007) as sock:
        assert converse(sock, "again") == ["again"]


@pytest.mark.parametrize("door", ["127.0.0.1:8007", "unix:/run/tcpd/ws"])
def test_three_texts_start_it(tcpd, door):
    """W17, T6: three messages in one segment, behind the request that starts tcpd, have an answer
    each, and a session that is open keeps its messages apart."""
    configure(tcpd, service("hello", listen=f"ws:{door}"), start="tcpd.socket")
    cursor = tcpd.cursor()
    where = door.removeprefix("unix:") if "unix" in door else 8007
    with Peer(tcpd.connect(where)) as peer:
        peer.say(" ".join(f"t'{name}'" for name in NAMES) + " b-'Sa' c'rah'")
        peer.opened()
        assert [peer.message() for _ in range(5)] == [
            Frame(TEXT, b"Welcome!"), *(Frame(TEXT, hello.encode()) for hello in HELLOS),
            Frame(BINARY, b"Hello, Sarah!")]
        peer.say("x1000")
        assert peer.code() == (1000, "")
    assert count(tcpd, "Starting tcpd.service", cursor) == 1


# --- Datagrams ---------------------------------------------------------------------------------

def test_datagrams_start_it(tcpd):
    """W19, T6, DG8: udp: and unix-dgram: are ListenDatagram= beside the streams. Three datagrams, of
    which the first starts tcpd, have an answer each, from the address that was asked."""
    configure(tcpd, service("hello", listen=["127.0.0.1:9999", "udp:*:9999", f"unix-dgram:{DGRAM}"],
                            socket_mode="0666"), start="tcpd.socket")
    assert unit_of(tcpd, "hello") == ["Stream=127.0.0.1:9999", "Datagram=9999", f"Datagram={DGRAM}"]
    for address in [("127.0.0.1", 9999), ("127.0.0.2", 9999), ("::1", 9999), DGRAM]:
        tcpd.systemctl("stop", "tcpd.service")
        assert states(tcpd, "tcpd.service", "tcpd-hello.socket") == ["inactive", "active"]
        cursor = tcpd.cursor()
        with client(tcpd, address) as sock:
            for name in NAMES:
                sock.send(name.encode())
            assert {sock.recv(100).decode() for _ in NAMES} == set(HELLOS)
        wait_active(tcpd)
        assert count(tcpd, "Starting tcpd.service", cursor) == 1
    assert kinds(tcpd) == {"127.0.0.1:9999": "stream", "udp:*:9999": "datagram",
                           f"unix-dgram:{DGRAM}": "datagram"}
    tcpd.systemctl("reload", "tcpd")
    assert ask(tcpd, ("127.0.0.3", 9999), b"Ann") == b"Hello, Ann!"


@pytest.mark.parametrize("listen, address", [("udp:127.0.0.1:7007", ("127.0.0.1", 7007)),
                                             (f"unix-dgram:{DGRAM}", DGRAM)], ids=["udp", "unix"])
def test_datagrams_while_it_leaves(tcpd, listen, address):
    """DG8: 30 idle exits, as quickly as they go, and each next datagram is answered: no limit of
    systemd on how often a socket may start its service is met."""
    configure(tcpd, service("echo", listen=listen, min_workers=1, spare_workers=0,
                            socket_mode="0666"), start="tcpd.socket", exit_idle_time="50ms")
    assert tcpd.show("tcpd-echo.socket", "TriggerLimitIntervalUSec") == {
        "TriggerLimitIntervalUSec": "0"}
    cursor = tcpd.cursor()
    for number in range(30):
        message = b"%d" % number
        assert ask(tcpd, address, message) == message
        tcpd.wait_unit("tcpd.service", ActiveState="inactive", Result="success")
    assert count(tcpd, LEFT, cursor) == 30
    assert states(tcpd, "tcpd-echo.socket", "tcpd.socket") == ["active"] * 2
    assert tcpd.show("tcpd.service", "NRestarts") == {"NRestarts": "0"}


def test_datagram_that_is_not_answered_starts_it_once(tcpd):
    """DG5, DG8: it is taken out of the socket all the same, so that it does not start tcpd for ever;
    the next one, which is good, does."""
    configure(tcpd, service("echo", listen="udp:127.0.0.1:7007", min_workers=1, spare_workers=0),
              start="tcpd.socket", exit_idle_time="300ms")
    cursor = tcpd.cursor()
    with client(tcpd, ("127.0.0.1", 7007), source=("127.0.0.1", 53)) as sock:
        sock.send(b"x")
        wait_for(lambda: count(tcpd, LEFT, cursor) == 1, what="an idle exit")
        assert ask(tcpd, ("127.0.0.1", 7007), b"good") == b"good"
        assert count(tcpd, "Starting tcpd.service", cursor) == 2
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            sock.recv(10)


def test_damaged_datagrams_start_nothing(tcpd):
    """systemd#43650: a wrong checksum wakes systemd, or the workers, for nothing; both go on waiting."""
    configure(tcpd, service("echo", listen="udp:127.0.0.1:7007"), start="tcpd.socket")

    def damaged():
        with tcpd.network():
            for _ in range(30):
                forge(("127.0.0.1", 40000), ("127.0.0.1", 7007), damage=1)

    damaged()
    for _ in range(3):  # systemd has looked at its sockets before it has answered
        assert states(tcpd, "tcpd.service", "tcpd-echo.socket") == ["inactive", "active"]
    assert ask(tcpd, ("127.0.0.1", 7007), b"good") == b"good"
    damaged()
    assert ask(tcpd, ("127.0.0.1", 7007), b"good") == b"good"
    assert pools(tcpd)["udp:127.0.0.1:7007"]["sessions"] == 2


def test_datagrams_around_restarts(tcpd):
    """DG3: systemd's socket keeps what comes while there is no tcpd: each is answered."""
    configure(tcpd, service("echo", listen="udp:127.0.0.1:7007"))
    done, answered = threading.Event(), []

    def talk():
        with client(tcpd, ("127.0.0.1", 7007)) as sock:
            while not done.is_set():
                message = b"%d" % len(answered)
                sock.send(message)
                assert sock.recv(100) == message
                answered.append(message)

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(talk)
        try:
            for _ in range(10):
                before = len(answered)
                tcpd.systemctl("restart", "tcpd.service")
                wait_for(lambda: len(answered) > before, what="an answer after a restart")
        finally:
            done.set()
        talking.result(PATIENCE)
    assert pools(tcpd)["udp:127.0.0.1:7007"]["dropped"] == 0


def test_datagram_clients_of_the_sandbox(tcpd):
    """TRANSPORT.md, 5.2: a client with an abstract name is found from inside the sandbox, which has a
    network of its own, as the socket has not; one at a path is found where tcpd sees the path, and
    else is counted."""
    def say(path):
        """With nc, whose own socket everybody may write to."""
        return tcpd.run("sh", "-c", f"umask 0; printf Ann | nc -u -U -w 1 -W 1 -s {path} {DGRAM}",
                        check=False).stdout

    configure(tcpd, service("hello", listen=f"unix-dgram:{DGRAM}", socket_mode="0666"))
    assert ask(tcpd, DGRAM, b"Ann") == b"Hello, Ann!"
    assert ask(tcpd, DGRAM, b"Ann", source="\0of-the-test") == b"Hello, Ann!"
    assert say("/run/nc") == "Hello, Ann!"
    before = pools(tcpd)[f"unix-dgram:{DGRAM}"]["unanswered"]
    assert say("/tmp/nc") == ""
    after = pools(tcpd)[f"unix-dgram:{DGRAM}"]["unanswered"]
    assert after == {**before, "undelivered": before["undelivered"] + 1}
