# SPDX-License-Identifier: MIT
"""What stands before an address of `listen`: which prefixes are taken and which are refused, sockets
with messages (unix-seqpacket:), and sockets that are handed over, of each type."""

import json
import re
import socket
import subprocess
import sys

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, EX_UNAVAILABLE, PATIENCE, Text, activated,
                     configuration, proc_title, read_all, run, service, wait_for)
from programs import listener, program, write_python

TCPC = BUILD / "tcpc"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
NAMES = ["Michael", "Tracy", "Sarah"]


def at(path):
    return f"unix-seqpacket:{path}"


def connect(path, kind=socket.SOCK_SEQPACKET):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(PATIENCE)
    sock.connect(str(path))
    return sock


def messages(sock):
    """All that come, to the end."""
    return list(iter(lambda: sock.recv(1 << 20), b""))


# --- Prefixes ----------------------------------------------------------------------------------

REFUSED = [
    ("tls:127.0.0.1:7443", '= "tls:127.0.0.1:7443": service "echo" has no certificates'),
    ("wss:*:7443", '= "wss:*:7443": service "echo" has no certificates'),
    ("udp:7007", '"udp:7007": needs an address behind it, such as udp:127.0.0.1:7007'),
    ("tls:unix:/run/x", "TLS is for internet addresses: write unix:/PATH"),
    ("wss:unix:/run/x", "TLS is for internet addresses: write ws:unix:/PATH"),
    ("tcp:127.0.0.1:7", "there is no such prefix"),
]


@pytest.mark.parametrize("check", [["-t"], []])
@pytest.mark.parametrize("entry, words", REFUSED, ids=[entry for entry, _ in REFUSED])
def test_prefix_that_is_refused(entry, words, check):
    """TRANSPORT.md, 2.4: what cannot be served is told with file and line, by -t and at a start."""
    status, _, log = run(*check, conf=configuration(service("echo", listen=entry)))
    assert status == EX_CONFIG and re.search(r"tcpd\.conf:3: listen", log) and words in log, log


@pytest.mark.parametrize("entry, words", REFUSED, ids=[entry for entry, _ in REFUSED])
def test_prefix_on_the_command_line(entry, words):
    """... and by tcpd run -l, which looks up 7007 alone as 127.0.0.1:7007."""
    done = subprocess.run([BUILD / "tcpd", "run", "-l", entry, "--handler", "echo"],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == EX_CONFIG and words in done.stderr, done.stderr


def test_one_port_for_two_types():
    """TRANSPORT.md, 2.4: TCP and UDP have ports of their own; two that speak on one have not."""
    _, _, log = run("-t", conf=configuration(service("echo", listen=["*:7007", "udp:*:7007"])))
    assert "is taken by" not in log
    _, _, log = run("-t", conf=configuration(service("echo", listen=["*:7007", "ws:*:7007"])))
    assert 'listen = "ws:*:7007" is taken by service "echo"' in log


# --- Sockets with messages ---------------------------------------------------------------------

SERVED = [
    ("echo", {}, [b"one", b"two\n", b"x" * 16384], [b"one", b"two\n", b"x" * 16384]),
    ("hello", {}, [b"Michael", b"Tracy", b"Sarah"],
     [b"Welcome!", b"Hello, Michael!", b"Hello, Tracy!", b"Hello, Sarah!"]),
    ("greeting", {"message": "hi there"}, [], [b"hi there"]),
    ("daytime", {}, [], [re.compile(rb"[^\n]+ \d\d:\d\d:\d\d[^\n]*\r\n")]),
    ("time", {}, [], [re.compile(rb"(?s)....")]),
    ("discard", {}, [b"one", b"two"], []),
]


@pytest.mark.parametrize("name, options, sent, wanted", SERVED, ids=[row[0] for row in SERVED])
def test_service_by_messages(tcpd, tmp_path, name, options, sent, wanted):
    """TRANSPORT.md, 5.4: messages that are sent at once come as messages, and are answered as such;
    the client's end is the end."""
    path = tmp_path / "s"
    with tcpd(configuration(service(name, listen=at(path), **options))) as daemon:
        with connect(path) as sock:
            for message in sent:
                sock.send(message)
            sock.shutdown(socket.SHUT_WR)
            got = messages(sock)
        assert len(got) == len(wanted)
        for message, want in zip(got, wanted):
            assert want.fullmatch(message) if isinstance(want, re.Pattern) else message == want
        assert daemon.stop() == EX_OK
    assert not path.exists()


def test_where_it_is_shown(tcpd, tmp_path):
    """TRANSPORT.md, 2.4: the log, STATUS= and titles have the entry as it is written."""
    with tcpd(configuration(service("echo", listen=[at(tmp_path / "s"), "*:0"]))) as daemon:
        assert daemon.addresses["echo"][0] == at(tmp_path / "s")
        assert re.fullmatch(r"\*:\d+", daemon.addresses["echo"][1])
        daemon.wait_log(f"echo {at(tmp_path / 's')}: listening, backlog")
        assert f"tcpd: echo {at(tmp_path / 's')} worker" in [
            proc_title(pid) for pid in daemon.workers()]


def test_status_tells_what_is_spoken(tmp_path):
    """tcpdctl: the table has the entry as written, --json what is spoken and the socket's type."""
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(tmp_path / "control"))
    control.listen()
    tcpdctl = [BUILD / "tcpdctl", "-s", tmp_path / "control", "status"]
    conf = configuration(service("echo", listen=["127.0.0.1:0", at(tmp_path / "s")]))
    with control, activated(conf, [control], ["@control"]):
        table = subprocess.run(tcpdctl, capture_output=True, text=True, timeout=PATIENCE).stdout
        assert f"echo     {at(tmp_path / 's')}  bound" in table
        told = subprocess.run([*tcpdctl, "--json"], capture_output=True, timeout=PATIENCE).stdout
        assert [(pool["speaks"], pool["type"]) for pool in json.loads(told)["pools"]] == [
            ("plain", "stream"), ("plain", "seqpacket")]


def test_tcpd_run_by_messages(tcpd, tmp_path):
    """tcpd run -l takes the prefix, and prints it; tcpc has the answers one by one."""
    path = tmp_path / "s"
    with tcpd(None, args=["run", "-l", at(path), "--handler", "hello"]) as daemon:
        wait_for(lambda: list(daemon.out.items) == [f"listening on {at(path)}"], what="its address")
        texts = [part for name in NAMES for part in ("-s", name)]
        done = subprocess.run([TCPC, "-g", *texts, at(path)], capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.stdout.splitlines() == ["Welcome!", *(f"Hello, {name}!" for name in NAMES)]


ECHO = """\
    import socket, sys
    sock = socket.socket(fileno=0)
    print(sock.type.name, file=sys.stderr, flush=True)
    while message := sock.recv(1 << 20):
        sock.send(b"%d:" % len(message) + message)
"""


@pytest.mark.parametrize("mode", ["connection", "prestart"])
def test_program_by_messages(tcpd, mark, tmp_path, mode):
    """TRANSPORT.md, 5.4: a program has the socket, or a pair of the same type: messages stay whole,
    both ways."""
    script = write_python(tmp_path / "echo", ECHO)
    conf = configuration(program([script], mark, listen=at(tmp_path / "s"), program_mode=mode))
    with tcpd(conf) as daemon, connect(tmp_path / "s") as sock:
        for message in (b"one", b"two", b"x" * 50000):
            sock.send(message)
        sock.shutdown(socket.SHUT_WR)
        assert messages(sock) == [b"3:one", b"3:two", b"50000:" + b"x" * 50000]
        daemon.wait_log("SOCK_SEQPACKET$")


def test_message_that_is_too_long_to_be_passed_on(tcpd, mark, tmp_path):
    """program_mode = prestart: half a message is none; the session ends, and says why."""
    script = write_python(tmp_path / "echo", ECHO)
    conf = configuration(program([script], mark, listen=at(tmp_path / "s"),
                                 program_mode="prestart", **ONE))
    with tcpd(conf) as daemon:
        with connect(tmp_path / "s") as sock:
            sock.send(b"x" * 65537)
            assert messages(sock) == []
            daemon.wait_log("protocol error")
        with connect(tmp_path / "s") as sock:
            sock.send(b"y" * 65530)
            assert sock.recv(1 << 20) == b"65530:" + b"y" * 65530


def test_program_that_accepts_messages(tcpd, mark, tmp_path):
    """program_mode = listener: descriptor 3 is the socket, whose type it has."""
    script = write_python(tmp_path / "accepts", """\
        import socket
        listener = socket.socket(fileno=3)
        while True:
            client, _ = listener.accept()
            with client:
                for message in iter(lambda: client.recv(1 << 20), b""):
                    client.send(message.upper())
    """)
    conf = configuration(listener([sys.executable, script], mark, min_workers=2,
                                  listen=at(tmp_path / "s")))
    with tcpd(conf), connect(tmp_path / "s") as sock:
        sock.send(b"one")
        sock.send(b"two")
        sock.shutdown(socket.SHUT_WR)
        assert messages(sock) == [b"ONE", b"TWO"]


def test_drain_by_messages(tcpd, tmp_path):
    """A stop and a reload leave a session alone, and one that waits in the queue is served."""
    path = tmp_path / "s"
    with tcpd(configuration(service("echo", listen=at(path), **ONE))) as daemon:
        with connect(path) as first, connect(path) as queued:
            first.send(b"one")
            assert first.recv(100) == b"one"
            queued.send(b"two")
            daemon.reload()
            daemon.wait_log(r"\breloaded$")
            daemon.signal(15)
            daemon.wait_log("draining")
            first.send(b"three")
            assert first.recv(100) == b"three"
            first.close()
            assert queued.recv(100) == b"two"
        assert daemon.wait_exit() == EX_OK
    assert not path.exists()


@pytest.mark.parametrize("other", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_path_of_another(tmp_path, other):
    """A path on which somebody listens is not taken from them, of whichever type; a stale one is."""
    path = tmp_path / "s"
    conf = configuration(service("echo", listen=at(path)))
    with socket.socket(socket.AF_UNIX, other) as sock:
        sock.bind(str(path))
        sock.listen()
        status, _, log = run(conf=conf)
        assert status == EX_UNAVAILABLE and "already in use" in log
    with activated(conf, []), connect(path) as sock:
        sock.send(b"x")
        assert sock.recv(1) == b"x"


def test_listener_of_messages_is_taken_back(tmp_path):
    """With a store a socket with messages outlives a restart, as others do; not as one of bytes."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as shared:
        shared.bind(str(path))
        shared.listen()
        name = f"bound-unix;{path}"
        conf = configuration(service("echo", listen=at(path)))
        with connect(path) as early:
            early.send(b"early")
            with activated(conf, [shared], [name], env={"FDSTORE": "8"}) as daemon:
                daemon.wait_log("taken back")
                assert early.recv(100) == b"early"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as shared:
        shared.bind(str(path))
        shared.listen()
        conf = configuration(service("echo", listen=f"unix:{path}"))
        status, _, log = run(conf=conf, sockets=[shared], names=[name], env={"FDSTORE": "8"})
        assert status == EX_UNAVAILABLE and "already in use" in log


# --- Handed over -------------------------------------------------------------------------------

TYPES = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET,
         "datagram": socket.SOCK_DGRAM}
PREFIXES = {"stream": "unix:", "seqpacket": "unix-seqpacket:", "datagram": "unix-dgram:"}


@pytest.fixture(params=TYPES)
def handed(request, tmp_path):
    """The name of a type, and a socket of that type that can be handed over."""
    with socket.socket(socket.AF_UNIX, TYPES[request.param]) as sock:
        sock.bind(str(tmp_path / "handed"))
        if request.param != "datagram":
            sock.listen()
        yield request.param, sock


def entries(kind, listed, sock, tmp_path):
    if listed == "no listen":
        return None
    other = f"unix:{tmp_path}/other"
    return [other, PREFIXES[kind] + sock.getsockname()] if listed == "listed" else [other]


@pytest.mark.parametrize("listed", ["listed", "not listed", "no listen"])
def test_handed_over(handed, listed, tmp_path):
    """TRANSPORT.md, 2.4, {type} x {listed, not}: a stream and a seqpacket socket are served as what
    they are, also where no entry has them, for all entries are plain; a datagram socket only where
    one has it, and never as a stream."""
    kind, sock = handed
    conf = configuration(service("echo", listen=entries(kind, listed, sock, tmp_path)))
    where = PREFIXES[kind] + sock.getsockname()
    if kind == "datagram" and listed != "listed":
        words = (f"socket {where} of echo is in no listen entry, so what it speaks is unknown; "
                 "it is not served")
        for check in ([], ["-t"]):
            status, _, log = run(*check, conf=conf, sockets=[sock], names=["echo"])
            assert status == EX_CONFIG and words in log, log
        return
    with activated(conf, [sock], ["echo"]) as daemon:
        assert where in daemon.addresses["echo"]
        daemon.wait_log(f"echo {where}: listening, .*handed over")
        with connect(sock.getsockname(), TYPES[kind]) as client:
            if kind == "datagram":
                client.bind("")  # a name for answers
            client.send(b"x")
            assert client.recv(1) == b"x"
        unlisted = daemon.log_matches(f"{where} is served, as systemd handed it over, though")
        assert bool(unlisted) == (listed == "not listed")


@pytest.mark.parametrize("name", ["echo", "another"])
def test_handed_over_by_type_and_address(tmp_path, name):
    """A path is served as what the socket is, not as what an entry with the path takes it for."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(path))
        sock.listen()
        conf = configuration(service("echo", listen=["127.0.0.1:0", f"unix:{path}"]))
        if name == "another":  # nobody's, so the entry is to be bound, and the path is taken
            with activated(conf, [sock], [name]) as daemon:
                daemon.wait_log("already in use.*; the rest is served")
            return
        with activated(conf, [sock], [name]) as daemon:
            daemon.wait_log(f'listen = "unix:{path}" is not among the sockets')
            assert daemon.addresses["echo"] == [at(path)]


def test_datagrams_beside_a_stream(tmp_path):
    """A datagram socket that a unit has beside streams is not served. Nothing takes it for a stream."""
    with socket.create_server(("127.0.0.1", 0)) as stream, \
            socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(stream.getsockname())
        conf = configuration(service("echo", listen="127.0.0.1:%d" % stream.getsockname()[1]))
        with activated(conf, [stream, datagrams], ["echo", "echo"]) as daemon:
            daemon.wait_log(r"socket udp:127.0.0.1:\d+ of echo is in no listen entry")
            assert daemon.is_serving() and daemon.status().endswith("; 1 address not served")
            assert len(daemon.addresses["echo"]) == 1


def test_datagrams_of_nobody(tmp_path):
    """One whose name no service has is closed, and named with its type."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        with activated(configuration(service("echo")), [sock], ["stranger"]) as daemon:
            daemon.wait_log(r'"stranger" \(udp:127.0.0.1:\d+\) is closed: no service has')
            assert daemon.is_serving()
