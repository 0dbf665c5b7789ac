# SPDX-License-Identifier: MIT
"""Logging into the journal: the real libsystemd client against a socket of ours in journald's place,
mounted for the daemon alone. Shows W6, B36's rule of who logs, B50, B58."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import harness
import pytest
from certificates import Authority
from harness import configuration, service, start, wait_for
from programs import program
from proxy_peer import v2
from tls_peer import behind, context, dial

# Runs the daemon where /run/systemd/journal is the directory $0 and standard error is its stream.
UNDER_JOURNAL = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal &&
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && export JOURNAL_STREAM && exec "$@"
"""

pytestmark = pytest.mark.skipif(os.environ.get("TCPD_SANDBOX") == "none",
                                reason="no mount namespace of its own")


def parse_native(datagram):
    """The fields of each record of a datagram in the journal's native protocol."""
    records, fields, at = [], {}, 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        if end == at:  # an empty line is between records
            records.append(fields)
            fields, at = {}, end + 1
            continue
        name, equals, value = datagram[at:end].partition(b"=")
        if equals:
            at = end + 1
        else:  # NAME LF, 64-bit length, bytes, LF
            size = struct.unpack("<Q", datagram[end + 1:end + 9])[0]
            value = datagram[end + 9:end + 9 + size]
            at = end + 9 + size + 1
        fields[name.decode()] = value.decode(errors="backslashreplace")
    return [*records, fields]


class Journal:
    """journald's socket. Reads records until it is told to stall."""

    def __init__(self, directory):
        self.directory = directory
        self.records = harness.Listed()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(Path(directory) / "socket"))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while datagram := self.socket.recv(1 << 16):
                if datagram == b"stall":
                    return
                # Of several records in one datagram systemd 257 takes the first.
                self.records.append(parse_native(datagram)[0])

    def stall(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as writer:
            writer.sendto(b"stall", str(Path(self.directory) / "socket"))
        self.thread.join(harness.PATIENCE)

    def resume(self):
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def wait(self, deadline=harness.PATIENCE, **want):
        """The first record whose fields match all patterns."""
        def fits(record):
            return all(re.search(p, record.get(name, "")) for name, p in want.items())
        return self.records.find(fits, deadline, f"record {want}; have {self.records.items[-5:]}")

    def daemon(self, conf):
        return start(conf, prefix=("unshare", "--mount", "sh", "-c", UNDER_JOURNAL, self.directory))

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)
        self.socket.close()


class Unread(harness.Tcpd):
    """A daemon whose text nobody reads until read()."""

    room = 4 * 4096  # some pages, or poll() finds none that is free

    def __init__(self, conf):
        self.reading = threading.Event()
        super().__init__(conf)
        fcntl.fcntl(self.process.stderr, fcntl.F_SETPIPE_SZ, self.room)
        self.wait_ready()

    def _read_lines(self, stream, into):
        if stream is self.process.stderr:
            self.reading.wait()
        super()._read_lines(stream, into)

    def read(self):
        self.reading.set()

    def cleanup(self):
        self.read()
        super().cleanup()


@pytest.fixture
def journal(tmp_path):
    found = Journal(str(tmp_path))
    yield found
    found.close()


def test_life_has_message_ids(journal):
    """Each event of the daemon's life is one record with a MESSAGE_ID of its own."""
    daemon = journal.daemon(configuration(service("echo")))
    started = journal.wait(MESSAGE="^tcpd .* starts$")
    ready = journal.wait(MESSAGE="^ready: ")
    worker = daemon.workers()[0]
    os.kill(worker, signal.SIGKILL)
    died = journal.wait(MESSAGE="killed by signal 9")
    assert died["TCPD_SERVICE"] == "echo"
    assert died["TCPD_WORKER"] == str(worker)
    assert died["TCPD_LISTENER"].startswith("127.0.0.1:")
    daemon.reload()
    reloaded = journal.wait(MESSAGE="^reloaded$")
    assert daemon.stop() == 0
    stopped = journal.wait(MESSAGE="^stopped$")
    ids = [record["MESSAGE_ID"] for record in (started, ready, died, reloaded, stopped)]
    assert len(set(ids)) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
    assert all(r["SYSLOG_IDENTIFIER"] == "tcpd" for r in journal.records.items)
    assert not daemon.log.items, "under the journal nothing goes to standard error as text"


def test_troubles_of_a_pool_name_it(journal):
    """A full pool and a throttled one have the fields by which `journalctl` finds them; so has one
    that a start does not wait for."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0))
    daemon = journal.daemon(conf)
    port = daemon.ports["echo"]

    def kill():
        for worker in daemon.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return any("died early" in record["MESSAGE"] for record in journal.records.items)

    with daemon.connect("echo"), daemon.connect("echo"):
        full = journal.wait(MESSAGE="at its maximum")
    wait_for(kill, what="throttle")
    early = journal.wait(MESSAGE="died early")
    for record in (full, early):
        assert re.fullmatch("[0-9a-f]{32}", record["MESSAGE_ID"])
        assert record["TCPD_SERVICE"] == "echo"
        assert record["TCPD_LISTENER"] == f"127.0.0.1:{port}"
    assert daemon.stop() == 0
    journal.daemon(configuration(
        service("echo"), service("brief", "program", program=["/bin/false"], program_mode="listener",
                                 min_workers=40)))
    given_up = journal.wait(MESSAGE="workers die at once, [0-9]+ of 40 are ready")
    assert given_up["MESSAGE_ID"] == early["MESSAGE_ID"]
    assert given_up["TCPD_SERVICE"] == "brief"
    assert given_up["TCPD_LISTENER"].startswith("127.0.0.1:")


def test_session_records(journal):
    """W6, P23: two records per session, with the fields that the manual names; numbers, no names."""
    daemon = journal.daemon(configuration(service("echo"), log_sessions="all"))
    with daemon.connect("echo") as client:
        client.sendall(b"Linux China")
        assert harness.read_exactly(client, 11) == b"Linux China"
        host, port = client.getsockname()
    opened = journal.wait(MESSAGE=f"connection from {host}:{port}$")
    closed = journal.wait(MESSAGE=f"connection from {host}:{port} closed: ok")
    for record in (opened, closed):
        assert record["TCPD_SERVICE"] == "echo"
        assert record["TCPD_PEER_ADDR"] == host
        assert record["TCPD_PEER_PORT"] == str(port)
        assert record["TCPD_LOCAL_ADDR"] == f"127.0.0.1:{daemon.ports['echo']}"
    assert closed["TCPD_RESULT"] == "ok"
    assert closed["TCPD_BYTES_IN"] == closed["TCPD_BYTES_OUT"] == "11"
    assert int(closed["TCPD_DURATION_USEC"]) > 0
    assert int(closed["TCPD_RTT_USEC"]) > 0
    assert closed["TCPD_RETRANSMITS"] == "0"
    assert opened["MESSAGE_ID"] != closed["MESSAGE_ID"]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.mark.parametrize("addresses", ["full", "masked"])
def test_fields_of_tls(journal, authority, addresses):
    """What was agreed on, and how the client has ended. Its name is said where its address is, and as
    far as there is room."""
    long = "x" * 64
    www, alice = authority.leaf("www"), authority.leaf(
        "alice", (), usage="clientAuth", subject=f"/O={long}/OU={long}/CN=alice")
    daemon = journal.daemon(www.section() + configuration(
        behind("echo", tls_client="request", tls_client_ca=authority.path), log_sessions="all",
        log_addresses=addresses))
    its = context(authority, client=alice)
    with dial(daemon, "echo", its) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        session = sock.session
        sock.unwrap()
    record = journal.wait(MESSAGE="closed: ok")
    found = {name.removeprefix("TCPD_TLS_"): value for name, value in record.items()
             if name.startswith("TCPD_TLS_")}
    subject = found.pop("CLIENT_SUBJECT", None)
    assert found == {"PROTOCOL": "TLSv1.3", "CIPHER": "TLS_AES_256_GCM_SHA384", "SNI": "localhost",
                     "SESSION": "Initial"}
    assert subject == (f"CN=alice,OU={long},O={long}"[:124] + "..." if addresses == "full" else None)
    with daemon.connect("echo") as plain:
        sock = its.wrap_socket(plain, server_hostname="localhost", session=session)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        os.close(sock.detach())  # without close_notify
    record = journal.wait(MESSAGE="closed: ok", TCPD_TLS_SESSION="Resumed")
    assert record["TCPD_TLS_END"] == "truncated"


@pytest.mark.parametrize("addresses", ["full", "masked"])
def test_fields_of_a_proxy(journal, addresses):
    """Whom its header has announced, and through whom; what it calls the connection, escaped."""
    name = b"\x05\0\x06a\nb\x1b\xffc"
    header = v2(("192.0.2.77", 40000), ("198.51.100.2", 443), name)
    daemon = journal.daemon(configuration(
        service("echo", proxy_protocol="required", proxy_trusted=["127.0.0.1"]),
        log_sessions="all", log_addresses=addresses))
    with daemon.connect("echo") as client:
        client.sendall(header + b"x")
        assert client.recv(1) == b"x"
        port = client.getsockname()[1]
    record = journal.wait(MESSAGE="closed: ok")
    found = {name.removeprefix("TCPD_"): value for name, value in record.items()}
    assert (found["PROXY_KIND"], found["UNIQUE_ID"]) == ("v2", r"a\x0ab\x1b\xffc")
    assert found["LOCAL_ADDR"] == f"127.0.0.1:{daemon.ports['echo']}"
    wanted = {"PEER_ADDR": "192.0.2.77", "PEER_PORT": "40000", "PROXY_ADDR": "127.0.0.1",
              "PROXY_PORT": str(port), "DESTINATION_ADDR": "198.51.100.2:443"}
    if addresses == "masked":
        wanted = {"PEER_ADDR": "192.0.2.0", "PROXY_ADDR": "127.0.0.0"}
    assert {name: found[name] for name in found if name in (
        "PEER_ADDR", "PEER_PORT", "PROXY_ADDR", "PROXY_PORT", "DESTINATION_ADDR")} == wanted
    with daemon.connect("echo") as client:
        client.sendall(b"GET /")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    record = journal.wait(TCPD_REFUSED="header")
    assert record["TCPD_REASON"] == "not a PROXY header: 47 45 54 20 2f"


def test_addresses_masked_and_none(journal):
    """log_addresses: the port and the host part do not leave the worker."""
    daemon = journal.daemon(configuration(service("echo"), log_sessions="all", log_addresses="masked"))
    daemon.connect("echo").close()
    record = journal.wait(MESSAGE="closed: ok")
    assert record["TCPD_PEER_ADDR"] == "127.0.0.0"
    assert "TCPD_PEER_PORT" not in record
    daemon.reload(configuration(service("echo"), log_sessions="all", log_addresses="none"))
    journal.wait(MESSAGE="^reloaded$")
    since = len(journal.records.items)
    wait_for(lambda: "0 draining" in daemon.status(), what="old workers gone")
    daemon.connect("echo").close()
    wait_for(lambda: any("closed: ok" in r["MESSAGE"] for r in journal.records.items[since:]),
             what="second session's record")
    record = journal.wait(MESSAGE="from - closed: ok")
    assert record["TCPD_PEER_ADDR"] == "-"


@pytest.mark.parametrize("addresses, whom", [
    ("full", r"127\.0\.0\.1:{port}: "), ("masked", r"127\.0\.0\.0:0: "), ("none", "")])
def test_lines_of_programs_have_their_client(journal, addresses, whom):
    """USER.md 22: whose traceback it is, plain journalctl shows as well, and its backslashes; the
    fields are there besides."""
    code = r"""printf '%s\n' '  write("x\n")' >&2"""
    daemon = journal.daemon(configuration(program(["/bin/sh", "-c", code]), log_addresses=addresses))
    with daemon.connect("program") as sock:
        port = sock.getsockname()[1]
        record = journal.wait(SYSLOG_IDENTIFIER="^tcpd/program$")
    assert re.fullmatch(whom.format(port=port) + re.escape(r'  write("x\n")'), record["MESSAGE"])
    assert record["TCPD_SERVICE"] == "program" and "TCPD_PEER_ADDR" in record
    assert record.get("TCPD_PEER_PORT") == (str(port) if addresses == "full" else None)


def test_worker_keeps_the_journals_socket(journal):
    """A worker that logs never writes into a client's connection: the journal's socket stays open
    under its number, and a client that is served after records were written gets its bytes only."""
    daemon = journal.daemon(configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                                          log_sessions="all"))
    for _ in range(50):
        with daemon.connect("echo") as client:
            client.sendall(b"ping")
            client.shutdown(socket.SHUT_WR)
            assert harness.read_all(client) == b"ping"
    wait_for(lambda: sum("closed: ok" in r["MESSAGE"] for r in journal.records.items) == 50,
             what="50 records")


def ping(daemon):
    with daemon.connect("echo") as client:
        client.sendall(b"ping")
        client.shutdown(socket.SHUT_WR)
        assert harness.read_all(client) == b"ping"


def is_quick(daemon):
    """True when a session takes less than the 20 ms for which a worker may wait for the journal."""
    begin = time.monotonic()
    ping(daemon)
    return time.monotonic() - begin < 0.02


def session_records(journal):
    """How many sessions have a record of their start, of their end."""
    texts = [r["MESSAGE"] for r in journal.records.items if "connection from" in r["MESSAGE"]]
    ended = sum(" closed: " in text for text in texts)
    return len(texts) - ended, ended


def losses(journal, cause):
    """The sum of the counts that tell of records that are not there."""
    found = (re.search(rf"(\d+) session records? {cause}", r["MESSAGE"])
             for r in journal.records.items)
    return sum(int(match[1]) for match in found if match)


def test_stalled_journal_blocks_nobody(journal):
    """B58: with a journal that does not read, sessions go on, the master answers, and every record
    is there or counted."""
    control = Path(journal.directory) / "control"
    daemon = journal.daemon(configuration(service("echo"), log_sessions="all",
                                          control=f"unix:{control}"))
    journal.wait(MESSAGE="^ready: ")
    journal.stall()
    for _ in range(40):
        ping(daemon)
    daemon.reload()
    for _ in range(3):
        daemon.signal(signal.SIGUSR1)
    daemon.reload()
    journal.resume()
    wait_for(lambda: (daemon.signal(signal.SIGUSR1) or any(
        re.search(r"^\d+ log records? dropped$", r["MESSAGE"]) for r in journal.records.items)),
        what="count of dropped records")
    events = [harness.BUILD / "tcpdctl", "-s", control, "--no-wait", "events"]
    told = wait_for(lambda: re.search(
        r"records_lost +echo \S+: (\d+) session records? lost\n",
        subprocess.run(events, capture_output=True, text=True).stdout), what="the event")
    assert int(told[1]) == losses(journal, "lost: the journal does not read fast enough")
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    assert losses(journal, "lost: the journal does not read fast enough") > 0
    assert sum(session_records(journal)) + losses(journal, "lost") == 80


def test_what_has_waited_for_the_journal_is_there(journal):
    """While others wait for it a worker keeps its records; all are in the journal once that reads."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         log_sessions="all", log_sessions_rate=0)
    daemon = journal.daemon(conf)
    journal.wait(MESSAGE="^ready: ")
    journal.stall()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(daemon.connect("echo")) for _ in range(24)]
        for sock in clients[:20]:
            sock.shutdown(socket.SHUT_WR)
            assert harness.read_all(sock) == b""
        journal.resume()  # the next one holds the worker, with records kept
    journal.wait(MESSAGE="^echo: connection from .* closed: ")
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    assert losses(journal, "lost") == 0
    assert session_records(journal) == (24, 24)


def test_a_stalled_journal_costs_a_session_nothing(journal):
    """A worker that is alone never waits for the journal, which has no room after 200 sessions."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         log_sessions="all", log_sessions_rate=0)
    daemon = journal.daemon(conf)
    journal.wait(MESSAGE="^ready: ")
    journal.stall()
    for _ in range(200):
        ping(daemon)
    wait_for(lambda: is_quick(daemon), what="a session without a wait")
    journal.resume()
    assert daemon.stop() == 0


@pytest.mark.at_once
def test_rate_bounds_the_journal_not_the_sessions(journal):
    """log_sessions_rate: of many sessions at once some are in the journal, each with both records,
    and the others are counted; one that ends badly has room kept for it."""
    conf = configuration(service("echo"), log_sessions="all", log_sessions_rate=20)
    daemon = journal.daemon(conf)
    journal.wait(MESSAGE="^ready: ")
    begin = time.monotonic()
    for _ in range(100):
        ping(daemon)
    bad = daemon.connect("echo")
    bad.sendall(b"ping")
    assert bad.recv(4) == b"ping"
    harness.reset(bad)
    journal.wait(MESSAGE="closed: reset by peer")
    most = 20 + 20 * (time.monotonic() - begin)
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    opened, ended = session_records(journal)
    assert opened <= ended <= opened + 1, "but for the bad one a session has both records or none"
    assert 14 <= opened + ended <= most
    left_out = losses(journal, "left out: log_sessions_rate = 20 ")
    assert opened + ended + left_out == 202


def test_no_bound(journal):
    """log_sessions_rate = 0: every session is in the journal."""
    daemon = journal.daemon(configuration(service("echo"), log_sessions="all", log_sessions_rate=0))
    for _ in range(60):
        ping(daemon)
    wait_for(lambda: session_records(journal) == (60, 60), what="120 records")


def test_a_reader_of_text_that_stalls_costs_a_session_nothing():
    """Text on a pipe that nobody reads: sessions go on without waiting, and what was lost is counted
    once somebody reads again. Text that is read has no bound."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         log_sessions="all", log_sessions_rate=1)
    with Unread(conf) as daemon:
        for _ in range(daemon.room // 50):
            ping(daemon)
        daemon.read()
        assert daemon.stop() == 0
        lost = daemon.wait_log(r"(\d+) session records? lost: the reader of this log")
        told = len(daemon.log_matches("connection from"))
        assert told + int(lost[1]) == 2 * (daemon.room // 50)
        assert told > 20, "no bound but the pipe"


def journal_socket(pid):
    """A duplicate of the one that the process has; None: it has said nothing yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        usual = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    for number, target in harness.proc_fds(pid).items():
        if number > 2 and target.startswith("socket:"):
            try:
                sock = socket.socket(fileno=harness.taken_fd(pid, number))
            except OSError:  # one that was open for a moment
                continue
            if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_DGRAM) and \
                    sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > usual:
                return sock  # with its room; messages to systemd have another
            sock.close()
    return None


@pytest.mark.parametrize("harm", [
    lambda sock: sock.shutdown(socket.SHUT_RDWR),
    lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bytes(16)),
], ids=["shutdown", "patience"])
def test_a_worker_can_silence_itself_alone(journal, harm):
    """HOSTILE: each process has a socket of its own, which a worker opens with its first record, and
    a spoilt one is opened anew."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         service("hello", min_workers=1), log_sessions="all")
    daemon = journal.daemon(conf)
    [echo], [hello, *_] = daemon.workers("echo"), daemon.workers("hello")
    assert journal_socket(echo) is None
    for _ in range(2):
        daemon.connect("echo").close()
        port = journal.wait(TCPD_SERVICE="echo", MESSAGE="closed")["TCPD_PEER_PORT"]
        journal.records.items.clear()
        with wait_for(lambda: journal_socket(echo), what="its socket") as sock:
            harm(sock)
    daemon.connect("echo").close()
    assert journal.wait(TCPD_SERVICE="echo", MESSAGE="closed")["TCPD_PEER_PORT"] != port
    os.kill(hello, signal.SIGKILL)
    journal.wait(MESSAGE="killed by signal 9")
    assert daemon.workers("echo") == [echo]


def test_the_masters_socket_is_opened_anew(journal):
    daemon = journal.daemon(configuration(service("echo")))
    for _ in range(2):
        with journal_socket(daemon.pid) as sock:
            sock.shutdown(socket.SHUT_RDWR)
        journal.records.items.clear()
        daemon.reload()
        journal.wait(MESSAGE="^reloaded$")


def test_who_ends_waits_a_moment_for_the_journal(journal):
    """journald looks up the unit of a record as it reads it, in the /proc of who has sent it."""
    prefix = ("unshare", "--mount", "sh", "-c", UNDER_JOURNAL, journal.directory)
    journal.stall()
    began = time.monotonic()
    with harness.Tcpd("foo = 1\n", prefix=prefix) as daemon:
        assert daemon.wait_exit() == harness.EX_CONFIG
    assert time.monotonic() - began >= 0.1
    journal.resume()
    journal.wait(MESSAGE="there is no option foo")
