# SPDX-License-Identifier: MIT
"""Flags of a listening socket belong to all who have it: event-driven programs make it non-blocking,
and one that waits in accept() all the same serves nobody else meanwhile."""

import fcntl
import os
import re
import signal
import socket

import pytest

from harness import EX_OK, activated, configuration, read_exactly, service, wait_for
from programs import listener, write_python

UNDONE = "someone made the listener non-blocking; undone"

# Event-driven: what it has accepted stays open, and each line is answered with its number. What it
# waits for before it begins is a file, as imports take their time.
EVENTS = """\
    import asyncio, os, signal, socket, sys, time

    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)

    async def serve(reader, writer):
        while await reader.readline():
            writer.write(b"%d\\n" % os.getpid())
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, sock=socket.socket(fileno=3))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        os.write(2, b"%d is up\\n" % os.getpid())
        await stop.wait()
        server.close()

    asyncio.run(main())
"""


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "gate"
    path.touch()
    return path


@pytest.fixture
def events(tmp_path, mark, gate):
    """A section with copies of the event-driven program."""
    path = write_python(tmp_path / "events", EVENTS)
    return lambda **options: listener([path, gate], mark, "service", **options)


def is_nonblocking(pid):
    """Of a copy's descriptor 3."""
    with open(f"/proc/{pid}/fdinfo/3") as info:
        return int(re.search(r"flags:\s*(\d+)", info.read())[1], 8) & os.O_NONBLOCK != 0


def ask(sock):
    sock.sendall(b"?\n")
    answer = b""
    while not answer.endswith(b"\n"):
        answer += read_exactly(sock, 1)
    return int(answer)


def wait_up(daemon, number):
    wait_for(lambda: len(daemon.log_matches(r"^\d+ is up$")) == number, what=f"{number} are up")


def test_copies_beside_a_new_one(tcpd, events, gate):
    """One is killed; while the next one begins, the other accepts and serves those it has."""
    with tcpd(configuration(events(min_workers=2))) as daemon, daemon.connect("service") as kept:
        wait_up(daemon, 2)
        serving = ask(kept)
        [victim] = [pid for pid in daemon.workers() if pid != serving]
        gate.unlink()
        os.kill(victim, signal.SIGKILL)
        [fresh] = wait_for(lambda: [pid for pid in daemon.workers()
                                    if pid not in (serving, victim)])
        wait_for(lambda: os.readlink(f"/proc/{fresh}/exe") == os.readlink(f"/proc/{serving}/exe"),
                 what="the next copy runs")
        assert is_nonblocking(serving) and is_nonblocking(fresh)
        with daemon.connect("service") as another:
            assert ask(another) == serving
            assert ask(kept) == serving
        gate.touch()
        wait_up(daemon, 3)
        assert ask(kept) == serving


def test_old_copies_beside_built_in_workers(events):
    """A reload puts a built-in service in the place of copies, one of which takes long to end. The
    flag stays as long as that one does; workers serve all the same."""
    echo = configuration(service("service", "echo", listen=None, min_workers=2))
    with socket.create_server(("127.0.0.1", 0)) as sock, \
            activated(configuration(events(min_workers=2, listen=None)), [sock],
                      ["service"]) as daemon, daemon.connect("service") as kept:
        wait_up(daemon, 2)
        serving = ask(kept)
        [other] = set(daemon.workers()) - {serving}
        os.kill(serving, signal.SIGSTOP)
        daemon.reload(echo)
        wait_for(lambda: other not in daemon.workers())  # asyncio drops what it has just accepted
        for _ in range(4):
            assert daemon.exchange("service", b"x") == b"x"
        assert is_nonblocking(serving)
        os.kill(serving, signal.SIGCONT)
        wait_for(lambda: serving not in daemon.workers(), what="the last copy has left")
        wait_for(lambda: not fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK)
        assert daemon.exchange("service", b"x") == b"x"
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches(UNDONE)


def test_handed_over_so(mark, tmp_path):
    """Whoever started tcpd may have made it so: not for a program of ours, which expects sockets
    that block."""
    script = write_python(tmp_path / "blocks", """\
        import socket
        listener = socket.socket(fileno=3)
        while True:
            with listener.accept()[0] as client:
                client.sendall(client.recv(6))
    """)
    for section in (listener(script, mark, min_workers=2, listen=None),
                    service("program", "echo", listen=None)):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            sock.setblocking(False)
            with activated(configuration(section), [sock], ["program"]) as daemon:
                assert daemon.exchange("program", b"blocks") == b"blocks"
                wait_for(lambda: not fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK)


def test_made_so_while_workers_wait(tcpd):
    """By anybody who has it: workers serve on, and it is undone within a second or so."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        conf = configuration(service("program", "echo", listen=None, min_workers=2))
        with activated(conf, [sock], ["program"]) as daemon:
            sock.setblocking(False)
            for _ in range(4):
                assert daemon.exchange("program", b"x") == b"x"
            daemon.wait_log(UNDONE)
            assert not fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK
            assert daemon.exchange("program", b"x") == b"x"
