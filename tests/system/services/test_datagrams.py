# SPDX-License-Identifier: MIT
"""Datagrams, of UDP and of unix sockets: each is a session, each answer is one datagram from the
address that was asked, and what looks forged is not answered. (Under load: load/test_drain_datagrams.py.)
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, PATIENCE, Text, activated, configuration, free_port,
                     proc_cpu_seconds, proc_fds, proc_state, run, service, taken_fd, wait_for)
from network import forge

MODULES = BUILD / "tests/modules"
UDP = "udp:127.0.0.1:0"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
NAMES = [b"Michael", b"Tracy", b"Sarah"]
SHORT = 0.3  # how long it is waited for an answer that must not come


@contextlib.contextmanager
def client(address, *, source=None, timeout=PATIENCE):
    """A socket that has the address for its own; unix ones have a name, to be answered."""
    family = socket.AF_UNIX if isinstance(address, str) else \
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        if source or family == socket.AF_UNIX:
            sock.bind(source or "")
        sock.connect(address)  # answers from elsewhere do not come in
        yield sock


def ask(address, message, **options):
    with client(address, **options) as sock:
        sock.send(message)
        return sock.recv(1 << 17)


def is_silent(address, message, **options):
    try:
        ask(address, message, timeout=SHORT, **options)
        return False
    except TimeoutError:
        return True


# --- Services ----------------------------------------------------------------------------------

SERVED = [
    ("echo", {}, b"one", b"one"),
    ("echo", {}, b"", b""),
    ("echo", {"transfer": "splice"}, b"one", b"one"),
    ("hello", {}, b"Michael", b"Hello, Michael!"),
    ("hello", {}, b"", b"Hello, !"),
    ("greeting", {"message": "hi there"}, b"", b"hi there"),
    ("daytime", {}, b"", re.compile(rb"[^\n]+ \d\d:\d\d:\d\d[^\n]*\r\n")),
    ("time", {}, b"", re.compile(rb"(?s)....")),
    ("chargen", {}, b"", re.compile(rb"[ -~\r\n]{0,512}")),
]


@pytest.mark.parametrize("door", ["udp", "unix-dgram"])
@pytest.mark.parametrize("name, options, sent, wanted", SERVED)
def test_service_by_datagrams(tcpd, tmp_path, name, options, sent, wanted, door):
    """TRANSPORT.md, 5.4; RFC 862 to 868: one datagram is answered by one, an empty one, too."""
    listen = UDP if door == "udp" else f"unix-dgram:{tmp_path}/s"
    with tcpd(configuration(service(name, listen=listen, **options))) as daemon:
        got = ask(daemon.address(name), sent)
        assert wanted.fullmatch(got) if isinstance(wanted, re.Pattern) else got == wanted
        assert daemon.stop() == EX_OK
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("listen", [UDP, "udp:[::1]:0", "unix-dgram:{tmp_path}/s"])
def test_three_datagrams(tcpd, tmp_path, listen):
    """W19, T6: three datagrams are three messages, whatever comes together; one worker, so that
    they wait for it."""
    conf = configuration(service("hello", listen=listen.format(tmp_path=tmp_path), **ONE))
    with tcpd(conf) as daemon, client(daemon.address("hello")) as sock:
        [worker] = daemon.workers()
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: proc_state(worker) == "T")
        for name in NAMES:
            sock.send(name)
        os.kill(worker, signal.SIGCONT)
        assert [sock.recv(100) for _ in NAMES] == [b"Hello, %s!" % name for name in NAMES]


def test_no_answer_is_one(tcpd):
    """RFC 863: discard says nothing; nor does hello to exit, which ends nothing here."""
    with tcpd(configuration(service("discard", listen=UDP), service("hello", listen=UDP))) as daemon:
        assert is_silent(daemon.address("discard"), b"a")
        with client(daemon.address("hello")) as sock:
            sock.send(b"exit")
            sock.send(b"Tracy")
            assert sock.recv(100) == b"Hello, Tracy!"


def test_chargen_has_any_length(tcpd):
    """RFC 864: 0 to 512 characters, by chance, of the lines that a stream begins with."""
    ring = bytes(range(32, 127)) * 2
    lines = b"".join(ring[n:n + 72] + b"\r\n" for n in range(7))
    with tcpd(configuration(service("chargen", listen=UDP))) as daemon:
        with client(daemon.address("chargen")) as sock:
            lengths = set()
            for _ in range(200):
                sock.send(b"")
                got = sock.recv(1000)
                assert got == lines[:len(got)] and len(got) <= 512
                lengths.add(len(got))
    assert len(lengths) > 40 and max(lengths) > 444  # in the last line


@pytest.mark.parametrize("size", [0, 1, 512, 1472, 1473, 65507])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_sizes(tcpd, host, size):
    """TRANSPORT.md, DG2: up to the largest of UDP."""
    message = os.urandom(size)
    with tcpd(configuration(service("echo", listen=f"udp:{host}:0"))) as daemon:
        assert ask(daemon.address("echo"), message) == message


def test_sizes_of_unix_sockets(tcpd, tmp_path):
    """64 KiB come back; what is longer cannot be had whole, and is refused."""
    conf = configuration(service("echo", listen=f"unix-dgram:{tmp_path}/s"))
    with tcpd(conf) as daemon:
        for size in [0, 1, 65535, 65536]:
            assert ask(f"{tmp_path}/s", b"x" * size) == b"x" * size
        assert is_silent(f"{tmp_path}/s", b"x" * 65537)
        daemon.wait_log(r"echo: datagram from unix:@\w+: protocol error \(longer than 64 KiB\), ")


def test_an_answer_that_is_too_long(tcpd):
    """hello's to the largest datagram would be larger: it fails, and no other does."""
    with tcpd(configuration(service("hello", listen=UDP))) as daemon:
        assert is_silent(daemon.address("hello"), b"x" * 65507)
        daemon.wait_log(r"hello: datagram from 127\.0\.0\.1:\d+: failed, 65507 bytes in, 0 bytes out")
        assert ask(daemon.address("hello"), b"x") == b"Hello, x!"


@pytest.mark.parametrize("listen", ["udp:*:0", "udp:0.0.0.0:0"])
def test_answers_come_from_the_address_that_was_asked(tcpd, listen):
    """TRANSPORT.md, DG4: a socket for all addresses answers from the one that the client knows."""
    with tcpd(configuration(service("echo", listen=listen))) as daemon:
        port = daemon.address("echo")[1]
        for host in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] + ["::1"] * (listen == "udp:*:0"):
            assert ask((host, port), host.encode()) == host.encode()


def test_unnamed_sender(tcpd, tmp_path):
    """A unix socket without a name cannot be answered; its datagram is served all the same."""
    conf = configuration(service("echo", listen=f"unix-dgram:{tmp_path}/s", **ONE),
                         log_sessions="all")
    with tcpd(conf) as daemon:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            for message in [b"", b"abc"]:
                sock.sendto(message, f"{tmp_path}/s")
        daemon.wait_log(r"echo: datagram from unix:: ok, 3 bytes in, 0 bytes out")
        assert ask(f"{tmp_path}/s", b"x") == b"x"
        assert daemon.workers() and not daemon.log_matches("exited|killed")


def test_descriptors_are_not_taken(tcpd, tmp_path):
    """unix(7): what a sender attaches would be the worker's to close."""
    with tcpd(configuration(service("echo", listen=f"unix-dgram:{tmp_path}/s", **ONE))) as daemon:
        [worker] = daemon.workers()
        before = sorted(os.listdir(f"/proc/{worker}/fd"))
        with client(f"{tmp_path}/s") as sock, open(os.devnull) as file:
            socket.send_fds(sock, [b"x"], [file.fileno()] * 3)
            assert sock.recv(10) == b"x"
        assert sorted(os.listdir(f"/proc/{worker}/fd")) == before


def test_peer_that_reads_nothing(tcpd, tmp_path):
    """A peer whose queue is full loses answers, and no worker waits for it."""
    conf = configuration(service("echo", listen=f"unix-dgram:{tmp_path}/s", **ONE))
    with tcpd(conf) as daemon, client(f"{tmp_path}/s") as lazy:
        for _ in range(100):
            lazy.send(b"x")
        assert ask(f"{tmp_path}/s", b"y") == b"y"


def test_log(tcpd):
    """log_sessions = all: one record for a datagram, with the peer."""
    conf = configuration(service("echo", listen=UDP), log_sessions="all")
    with tcpd(conf) as daemon, client(daemon.address("echo")) as sock:
        sock.send(b"four")
        assert sock.recv(10) == b"four"
        port = sock.getsockname()[1]
        daemon.wait_log(rf"echo: datagram from 127\.0\.0\.1:{port}: ok, 4 bytes in, 4 bytes out, 0\.")
        assert len(daemon.log_matches("from 127")) == 1


# --- Configuration -----------------------------------------------------------------------------

REFUSED = [
    (service("x", "program", UDP, program="/bin/cat"), 3, "would be a process per datagram"),
    (service("x", "program", UDP, program="/bin/cat", program_mode="prestart"), 3,
     "would be a process per datagram"),
    (service("x", "hello", UDP, framing="line"), 4, "framing = line of service \"x\" is for streams"),
    (service("x", "module", UDP, module=MODULES / "echo.so"), 4,
     "does not say that it can serve datagrams"),
    (service("x", "module", UDP, module=MODULES / "old_abi.so"), 4,
     "does not say that it can serve datagrams"),
    (service("x", "echo", UDP, receive_buffer="infinity"), 4, "between 0 and 1G"),
]


@pytest.mark.parametrize("section, line, words", REFUSED)
def test_refused(section, line, words):
    """TRANSPORT.md, 5.4: what cannot serve datagrams is refused with file and line."""
    status, _, log = run("-t", conf=section)
    assert status == EX_CONFIG and re.search(rf"tcpd\.conf:{line}: .*{words}", log), log


def test_amplification_that_is_off(tcpd):
    """... is worth a warning."""
    _, out, log = run("-t", conf=configuration(service("echo", listen=UDP, amplification=0)))
    assert "long answers sent there" in out + log


def test_receive_buffer(tcpd):
    """The kernel has twice what is asked for."""
    with tcpd(configuration(service("echo", listen=UDP, receive_buffer="8K"))) as daemon:
        daemon.wait_log("listening, receive buffer 16384$")


def test_port_of_both(tcpd):
    """One service at a port of TCP and of UDP."""
    port = free_port()
    listen = [f"127.0.0.1:{port}", f"udp:127.0.0.1:{port}"]
    with tcpd(configuration(service("echo", listen=listen))) as daemon:
        assert daemon.is_serving()
        assert ask(("127.0.0.1", port), b"x") == b"x"


def test_port_that_is_taken(tcpd):
    """Nobody can have the port as well, and take datagrams."""
    with tcpd(configuration(service("echo", listen=UDP))) as daemon:
        port = daemon.address("echo")[1]
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError):
                other.bind(("127.0.0.1", port))
        status, _, log = run(conf=configuration(service("echo", listen=f"udp:127.0.0.1:{port}")))
        assert status != EX_OK and "already in use" in log


def test_handed_over(tcpd):
    """Socket activation: the first datagram waits in the socket, and is answered from there."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
        with client(("127.0.0.2", port)) as early:
            early.send(b"early")
            conf = configuration(service("echo", listen=f"udp:0.0.0.0:{port}"))
            with activated(conf, [sock], ["echo"]) as daemon:
                assert early.recv(10) == b"early"
                early.send(b"late")
                assert early.recv(10) == b"late"
                assert daemon.stop() == EX_OK


def test_program_that_receives_by_itself(tcpd, tmp_path):
    """program_mode = listener: the socket is descriptor 3."""
    source = ("import socket; s = socket.socket(fileno=3)\n"
              "while True:\n"
              "    message, peer = s.recvfrom(100); s.sendto(message.upper(), peer)\n")
    (tmp_path / "server.py").write_text(source)
    conf = configuration(service("x", "program", UDP, program=["/usr/bin/python3", tmp_path / "server.py"],
                                 program_mode="listener", min_workers=1))
    with tcpd(conf) as daemon:
        assert ask(daemon.address("x"), b"shout") == b"SHOUT"


def test_module(tcpd):
    """TRANSPORT.md, 6.3: a module that says so serves datagrams, and knows its address; one that
    streams is stopped after 64 answers."""
    with told(service("x", "module", "udp:0.0.0.0:0", module=MODULES / "datagrams.so")) as (
            daemon, look):
        port = daemon.address("x")[1]
        assert ask(("127.0.0.2", port), b"abc") == b"4 127.0.0.2 abc"
        assert ask(("127.0.0.1", port), b"") == b"4 127.0.0.1 "
        with client(("127.0.0.1", port), timeout=SHORT) as sock:
            sock.send(b"many")
            assert [sock.recv(10) for _ in range(64)] == [b"again"] * 64
            with pytest.raises(TimeoutError):
                sock.recv(10)
        assert look("x")["unanswered"]["too_many"] > 0


def test_command_line(tcpd):
    """tcpd run -l takes the prefix, and prints it."""
    with tcpd(None, args=["run", "-l", UDP, "--handler", "hello"]) as daemon:
        line = f"listening on udp:127.0.0.1:{daemon.address('hello')[1]}"
        wait_for(lambda: list(daemon.out.items) == [line], what=line)
        assert ask(daemon.address("hello"), b"Tracy") == b"Hello, Tracy!"


# --- What is not answered ----------------------------------------------------------------------

@contextlib.contextmanager
def told(*services):
    """A daemon and a function that tells what its status says of a service's datagrams."""
    with socket.socket(socket.AF_UNIX) as control, activated_control(control, *services) as daemon:
        def look(name):
            done = subprocess.run([BUILD / "tcpdctl", "-s", daemon.control, "status", "--json"],
                                  capture_output=True, timeout=PATIENCE, check=True)
            return next(pool for pool in json.loads(done.stdout)["pools"] if pool["service"] == name)
        yield daemon, look


@contextlib.contextmanager
def activated_control(control, *services):
    path = f"/tmp/tcpd-control-{os.getpid()}-{time.monotonic_ns()}"
    control.bind(path)
    control.listen()
    try:
        with activated(configuration(*services), [control], ["@control"]) as daemon:
            daemon.control = path
            yield daemon
    finally:
        os.unlink(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="ports below 1024 are root's")
def test_source_ports(tcpd):
    """TA14-017A: what comes from another service's port is not answered."""
    with told(service("echo", listen=UDP)) as (daemon, look):
        address = daemon.address("echo")
        for port in [7, 19, 53, 123, 1023]:
            assert is_silent(address, b"x", source=("127.0.0.1", port))
        assert ask(address, b"x", source=("127.0.0.1", 1024)) == b"x"
        assert look("echo")["unanswered"]["source_port"] == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets are root's")
def test_services_do_not_answer_each_other(tcpd):
    """TRANSPORT.md, DG6, VU#417980; B52: a forged datagram from chargen to echo starts no loop, nor
    does one from port 0."""
    with told(service("echo", listen=UDP), service("chargen", listen="udp:127.0.0.2:0")) as (
            daemon, look):
        echo, chargen = daemon.address("echo"), daemon.address("chargen")
        forge(chargen, echo)
        forge(echo, chargen)
        forge(echo, echo)
        forge(("127.0.0.1", 0), echo)
        wait_for(lambda: look("echo")["unanswered"]["own_source"] == 2 and
                 look("chargen")["unanswered"]["own_source"] == 1 and
                 look("echo")["unanswered"]["source_port"] == 1, what=lambda: (look("echo"), look("chargen")))
        assert ask(echo, b"x") == b"x"
        assert look("echo")["sessions"] == 1 and look("chargen")["sessions"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="addresses of an interface are root's")
def test_amplification(tcpd):
    """RFC 9000, 8.1: an answer is at most three times as long as the question, with headers, but on
    loopback."""
    added = subprocess.run(["ip", "address", "add", "192.0.2.7/32", "dev", "lo"],
                           capture_output=True, check=False)
    if added.returncode != 0 and b"exists" not in added.stderr:
        pytest.skip(f"no address can be added: {added.stderr}")
    message = "x" * 57
    with told(service("greeting", listen="udp:*:0", message=message),
              service("more", "greeting", "udp:*:0", message=message, amplification=4)) as (
                  daemon, look):
        port, more = daemon.address("greeting")[1], daemon.address("more")[1]
        outside = ("192.0.2.7", port)
        assert is_silent(outside, b"")
        assert ask(outside, b"x") == message.encode()
        assert ask(("192.0.2.7", more), b"") == message.encode()
        assert ask(("127.0.0.1", port), b"") == message.encode()
        assert look("greeting")["unanswered"]["amplified"] == 1


@pytest.mark.parametrize("size, answered", [(65536, True), (65537, False), (100000, False)])
def test_longer_than_any_of_udp(tmp_path, size, answered):
    """What was cut is no question, and is counted; the next one is served by the same worker."""
    path = f"{tmp_path}/s"
    with told(service("echo", listen=f"unix-dgram:{path}", **ONE)) as (daemon, look), \
            client(path) as sock:
        [worker] = daemon.workers()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)
        message = bytes(size)
        sock.send(message)
        if answered:
            assert sock.recv(size + 1) == message
        sock.send(b"next")
        assert sock.recv(100) == b"next"
        assert look("echo")["unanswered"]["too_long"] == (not answered)
        assert daemon.workers() == [worker]


# --- Life --------------------------------------------------------------------------------------

def test_term_while_a_datagram_is_held():
    """TRANSPORT.md, 5.1: the answer of a worker that was told to leave still comes, though the
    listener's number is the dead socket's by then."""
    slow = service("hello", listen=UDP, delay="1s", **ONE)
    with told(slow) as (daemon, look), client(daemon.address("hello")) as sock:
        [worker] = daemon.workers()
        sock.send(b"Michael")
        wait_for(lambda: look("hello")["queue"] == 0, what="a worker has it")
        os.kill(worker, signal.SIGTERM)
        assert sock.recv(100) == b"Hello, Michael!"
        wait_for(lambda: proc_state(worker) is None, what="worker leaves")
        sock.send(b"Tracy")
        assert sock.recv(100) == b"Hello, Tracy!"


def test_slow_one_holds_up_no_other(tcpd):
    """TRANSPORT.md, DG7: workers serve side by side, and more are started when all are busy."""
    conf = configuration(service("hello", listen=UDP, delay="1s", min_workers=1, spare_workers=0,
                                 max_workers=20))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(client(daemon.address("hello"))) for _ in range(10)]
        began = time.monotonic()
        for i, sock in enumerate(socks):
            sock.send(b"%d" % i)
        for i, sock in enumerate(socks):
            assert sock.recv(100) == b"Hello, %d!" % i
        assert time.monotonic() - began < 5


def test_kill_costs_one():
    """TRANSPORT.md, DG10: a worker that is killed takes its datagram with it, and no other; the log
    has the peer."""
    slow = service("hello", listen=UDP, delay="2s", **ONE)
    with told(slow) as (daemon, look), client(daemon.address("hello")) as sock:
        [worker] = daemon.workers()
        sock.send(b"Michael")
        wait_for(lambda: look("hello")["queue"] == 0, what="a worker has it")
        for name in NAMES[1:]:
            sock.send(name)
        os.kill(worker, signal.SIGKILL)
        assert [sock.recv(100) for _ in NAMES[1:]] == [b"Hello, Tracy!", b"Hello, Sarah!"]
        daemon.wait_log(Text.death(worker, "killed by signal 9") + f".*{sock.getsockname()[1]}")


@pytest.mark.parametrize("how", ["stop", "removed"])
@pytest.mark.parametrize("door", ["udp", "unix-dgram"])
def test_queue_is_served_at_the_end(tcpd, tmp_path, how, door):
    """B8: datagrams that wait when the socket is to be closed are served first."""
    listen = UDP if door == "udp" else f"unix-dgram:{tmp_path}/s"
    staying = service("staying", "echo")
    conf = configuration(service("going", "hello", listen, **ONE), staying)
    with tcpd(conf) as daemon, client(daemon.address("going")) as sock:
        [worker] = daemon.workers("going")
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: proc_state(worker) == "T")
        for i in range(8):
            sock.send(b"%d" % i)
        if how == "stop":
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
        else:
            daemon.reload(configuration(staying))
        os.kill(worker, signal.SIGCONT)
        assert [sock.recv(100) for _ in range(8)] == [b"Hello, %d!" % i for i in range(8)]
        if how == "stop":
            assert daemon.wait_exit() == EX_OK
        else:
            wait_for(lambda: not daemon.workers("going"), what="pool is gone")
            assert daemon.stop() == EX_OK


@pytest.mark.parametrize("door", ["udp", "unix-dgram"])
def test_socket_shut_down_by_someone(tcpd, tmp_path, door):
    """B7: shutdown(2) acts for all who have the socket, and its reads do not block any more: another
    one takes its place, at the same address."""
    listen = UDP if door == "udp" else f"unix-dgram:{tmp_path}/s"
    with tcpd(configuration(service("echo", listen=listen))) as daemon:
        address = daemon.address("echo")
        sockets = [number for number, target in proc_fds(daemon.workers()[0]).items()
                   if target.startswith("socket:")]
        for number in sockets:
            with socket.socket(fileno=taken_fd(daemon.workers()[0], number)) as taken:
                if taken.type == socket.SOCK_DGRAM and taken.getsockname() in (address, f"{tmp_path}/s"):
                    with contextlib.suppress(OSError):  # not connected, it says, and does it
                        taken.shutdown(socket.SHUT_RDWR)
                    break
        daemon.wait_log("someone shut the listener down; listening again")
        assert ask(address, b"still there?") == b"still there?"
        assert proc_cpu_seconds(daemon.pid) < 2 and len(daemon.log.items) < 60
        assert daemon.stop() == EX_OK


def test_drops_are_told(tcpd):
    """What the kernel has no room for is counted and logged."""
    conf = service("echo", listen=UDP, receive_buffer="4K", **ONE)
    with told(conf) as (daemon, look):
        [worker] = daemon.workers()
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: proc_state(worker) == "T")
        with client(daemon.address("echo"), timeout=SHORT) as sock:
            for _ in range(50):
                sock.send(b"x")
            seen = look("echo")
            assert 0 < seen["dropped"] < 50 and 0 < seen["queue"] and seen["queue_limit"] == 8192
            told_of = daemon.wait_log(r"echo udp:.*: the kernel has dropped (\d+) datagrams?")[1]
            assert 0 < int(told_of) <= seen["dropped"]  # it may have been in the middle of them
            os.kill(worker, signal.SIGCONT)
            for _ in range(50 - seen["dropped"]):
                assert sock.recv(10) == b"x"
        wait_for(lambda: look("echo")["queue"] == 0)


def test_worker_gives_memory_back(tcpd):
    """A large datagram leaves no memory behind in an idle worker."""
    def rss(pid):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"Private_Dirty:\s+(\d+)", text)[1])

    with tcpd(configuration(service("echo", listen=UDP, **ONE))) as daemon:
        [worker] = daemon.workers()
        address = daemon.address("echo")
        assert ask(address, b"x") == b"x"
        before = rss(worker)
        assert len(ask(address, b"x" * 60000)) == 60000
        assert ask(address, b"x") == b"x"
        assert rss(worker) <= before + 24
