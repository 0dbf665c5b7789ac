# SPDX-License-Identifier: MIT
"""What tcpd and tcpc ask of the kernel, and what a worker holds: system calls, symbols, /proc.

The ids in the docstrings are rows of CONFORMANCE.md and HAZARDS.md.
"""

import contextlib
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from certificates import Authority
from harness import (BUILD, EX_CONFIG, EX_OK, EX_OSERR, PATIENCE, SANITIZED, TCPD, can_trace,
                     configuration, proc_fds, proc_signals, read_all, read_exactly, run, service,
                     tcp_sockets, wait_for)
from tls_peer import behind, context, dial

TCPC = BUILD / "tcpc"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
STRACE = ["strace", "-e", "trace=network,close", "-s", "64"]
# Deadlines; and how long the client has waited, which is not asked where another worker is idle.
OPTIONS = "setsockopt", "getsockopt"
UNTRACEABLE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")


# --- The order of system calls (W21) -----------------------------------------------------------

def parse_calls(path):
    """The system calls of one process in their order: (name, arguments, result)."""
    return [(name, arguments, int(result)) for name, arguments, result in
            re.findall(r"^(\w+)\((.*)\) += (-?\d+)", path.read_text(), re.M)]


def calls_on(calls, fd, maker):
    """The calls on the last descriptor with this number that `maker` made, which is the first."""
    start = max(i for i, (name, _, result) in enumerate(calls) if (name, result) == (maker, fd))
    return [calls[start], *(call for call in calls[start + 1:]
                            if re.match(rf"{fd}\b", call[1]))]


def names(calls):
    """The names, each once where it stands several times in a row."""
    found = [name for name, _, _ in calls]
    return [name for i, name in enumerate(found) if found[i - 1:i] != [name]]


@pytest.fixture
def traced(tcpd, tmp_path):
    """traced(configuration, use): calls use(daemon) on a daemon that is traced; returns the system
    calls of the master and, by service, of the first worker."""
    def trace(conf, services, use):
        prefix = [*STRACE, "-D", "-ff", "-o", str(tmp_path / "trace")]  # -D: tcpd keeps its pid
        with tcpd(conf, prefix=prefix, env=UNTRACEABLE) as daemon:
            pids = [daemon.pid, *(daemon.workers(name)[0] for name in services)]
            use(daemon)
            assert daemon.stop() == EX_OK
        paths = [tmp_path / f"trace.{pid}" for pid in pids]
        for path in paths:
            wait_for(lambda: "+++ exited" in path.read_text(), what=f"end of {path}")
        return [parse_calls(path) for path in paths]

    return trace


@pytest.mark.plain("its calls are others")
@needs_strace
def test_order_of_the_servers_calls(traced):
    """W21: the master: socket, setsockopt, bind, listen; a worker: accept, send and receive, close,
    accept again. P15: the room for the address is told anew each time, between v4 and v6."""
    def use(daemon):
        for host in ("127.0.0.1", "::1", "127.0.0.1"):
            with socket.create_connection((host, daemon.ports["echo"]), PATIENCE) as sock:
                sock.sendall(b"x")
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock) == b"x"

    master, worker = traced(configuration(service("echo", listen="*:0", **ONE)), ["echo"], use)
    listener, = {int(arguments.partition(",")[0]) for name, arguments, _ in master
                 if name == "listen"}
    opening = calls_on(master, listener, "socket")
    assert opening[0][1].startswith("AF_INET6, SOCK_STREAM")
    assert names(opening)[:4] == ["socket", "setsockopt", "bind", "listen"]
    assert "accept4" not in names(master)

    assert not {"socket", "bind", "listen", "connect"} & set(names(worker))
    accepted = [call for call in worker if call[0] == "accept4" and call[2] >= 0]
    assert len(accepted) == 3
    for _, arguments, _ in accepted:
        assert arguments.startswith(f"{listener}, ") and "[128 => 28], SOCK_CLOEXEC" in arguments
    served = [call for call in worker[worker.index(accepted[0]):] if call[0] not in OPTIONS]
    # The last accept4() is the one that the drain makes fail.
    assert names(served) == [*["accept4", "recvfrom", "sendto", "recvfrom", "close"] * 3, "accept4"]
    assert served[-1][2] == -1
    assert {re.match(r"\d+", arguments)[0] for name, arguments, _ in served
            if name != "accept4"} == {str(accepted[0][2])}


@pytest.mark.plain("its calls are others")
@needs_strace
def test_order_of_calls_when_the_server_ends(traced):
    """W21, T5: a server that ends first ends its half, receives the client's end, then closes."""
    def use(daemon):
        with daemon.connect("greeting") as sock:
            assert read_all(sock) == b"Hi"

    conf = configuration(service("greeting", message="Hi", **ONE))
    _, worker = traced(conf, ["greeting"], use)
    served = [name for name in names(worker) if name not in OPTIONS]
    served = served[served.index("accept4"):]
    assert served[:5] == ["accept4", "sendto", "shutdown", "recvfrom", "close"]


@needs_strace
def test_a_message_needs_no_new_times(traced, tmp_path):
    """What is left for a read or a write behind TLS differs by microseconds from one to the next; the
    socket is not told that."""
    authority, n = Authority(tmp_path), 100

    def use(daemon):
        with dial(daemon, "echo", context(authority)) as sock:
            for _ in range(n):
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"

    conf = authority.leaf("www").section() + configuration(behind("echo", **ONE))
    _, worker = traced(conf, ["echo"], use)
    assert names(worker).count("sendto") >= n
    times = [call for call in worker if call[0] == "setsockopt" and "TIMEO" in call[1]]
    assert 0 < len(times) < n / 4


@pytest.mark.at_once
@needs_strace
def test_order_of_the_clients_calls(tcpd, tmp_path):
    """W21, P4: socket, connect, send and receive, close; no bind."""
    with tcpd(configuration(service("hello"))) as daemon:
        result = subprocess.run(
            [*STRACE, "-o", tmp_path / "trace", TCPC, "-g", "-s", "Michael", "127.0.0.1",
             str(daemon.ports["hello"])], stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
            env={**os.environ, **UNTRACEABLE})
    assert result.stdout == b"Welcome!\nHello, Michael!\n"
    calls = parse_calls(tmp_path / "trace")
    fd = [result for name, arguments, result in calls if name == "socket" and
          arguments.startswith("AF_INET, SOCK_STREAM")][-1]
    inner = {"getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown"}
    used = [name for name in names(calls_on(calls, fd, "socket")) if name not in inner]
    assert used[:2] == ["socket", "connect"] and used[-1] == "close"
    assert set(used[2:-1]) == {"sendto", "recvfrom"} and "sendto" in used


# --- What is linked ----------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("nm"), reason="nm is missing")
@pytest.mark.parametrize("binary", [TCPD, TCPC], ids=["tcpd", "tcpc"])
def test_no_functions_that_are_not_reentrant(binary):
    """P20: names are looked up by getaddrinfo() alone."""
    listing = subprocess.run(["nm", "-D", "--undefined-only", binary], stdout=subprocess.PIPE,
                             timeout=PATIENCE, check=True, text=True).stdout
    symbols = {line.split()[-1].partition("@")[0] for line in listing.splitlines()}
    assert "accept4" in symbols or "connect" in symbols
    assert "getaddrinfo" in symbols
    assert not [name for name in symbols
                if re.fullmatch(r"get(host|serv|net|proto)(by|ent).*|inet_(ntoa|addr|aton)", name)]


# --- What is refused ---------------------------------------------------------------------------

@pytest.mark.parametrize("kind, protocol", [
    (socket.SOCK_STREAM, socket.IPPROTO_UDP), (socket.SOCK_DGRAM, socket.IPPROTO_TCP)])
def test_kind_and_protocol_must_agree(kind, protocol):
    """P1: SOCK_STREAM with UDP is no socket."""
    with pytest.raises(OSError) as failure:
        socket.socket(socket.AF_INET, kind, protocol)
    assert failure.value.errno == errno.EPROTONOSUPPORT


SCHEMES = ["tcp:127.0.0.1:7", "raw:127.0.0.1:7", "packet:127.0.0.1:7",
           "rdm:127.0.0.1:7", "udp://127.0.0.1:7", "unixgram:/run/x", "seqpacket:/run/x"]


@pytest.mark.parametrize("listen", SCHEMES)
def test_other_kinds_of_sockets(listen):
    """P1, P30: nothing but TCP, UDP and unix sockets is served; the entry is named with its line."""
    status, _, log = run(conf=configuration(service("echo", listen=listen)))
    assert status == EX_CONFIG
    assert re.search(rf'tcpd\.conf:3: listen = "{listen}": ', log)


@pytest.mark.parametrize("listen", SCHEMES)
def test_other_kinds_of_sockets_in_words(listen):
    """P30: and why: not that a bracket is missing."""
    _, _, log = run(conf=configuration(service("echo", listen=listen)))
    told = log.partition(f'"{listen}": ')[2]
    assert "brackets" not in told and "a port is" not in told
    assert any(word in told for word in (listen.partition(":")[0], "unix:", "datagrams"))


# --- What a worker holds -----------------------------------------------------------------------

def sockets_of(pid):
    return {target for target in proc_fds(pid).values() if target.startswith("socket:")}


def test_one_listener_for_all_connections(tcpd):
    """P10, P14: accept() returns a new socket. All workers share the one listener, which stays the
    same through 2,000 connections; a worker holds one connection while it serves, else none."""
    with tcpd(configuration(service("echo", min_workers=8, max_workers=8))) as daemon:
        def table(state):
            return {f"socket:[{entry['inode']}]" for entry in tcp_sockets()
                    if entry["local"] == daemon.ports["echo"] and entry["state"] == state}

        listener, = table("LISTEN") & sockets_of(daemon.pid)
        workers = daemon.workers()
        idle = {pid: sockets_of(pid) for pid in workers}
        assert all(listener in sockets for sockets in idle.values())

        def hammer():
            for _ in range(500):
                assert daemon.exchange("echo", b"abc") == b"abc"

        with ThreadPoolExecutor(4) as threads:
            work = [threads.submit(hammer) for _ in range(4)]
            while not all(each.done() for each in work):
                for pid in workers:
                    held = sockets_of(pid)
                    assert idle[pid] <= held and len(held - idle[pid]) <= 1
            for each in work:
                each.result()

        with contextlib.ExitStack() as stack:
            for _ in range(6):
                sock = stack.enter_context(daemon.connect("echo"))
                sock.sendall(b"x")
                assert read_exactly(sock, 1) == b"x"
                worker = daemon.worker_serving(sock)
                connection, = sockets_of(worker) - idle[worker]
                assert connection in table("ESTABLISHED")
        for pid in workers:
            wait_for(lambda: sockets_of(pid) == idle[pid], what="connections closed")
        assert daemon.workers() == workers
        assert listener in table("LISTEN") & sockets_of(daemon.pid)


def mask(*signals):
    return sum(1 << number - 1 for number in signals)


IGNORED = mask(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE,
               signal.SIGTTIN, signal.SIGTTOU, signal.SIGXFSZ)
CRASHES = mask(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


def own_masks(pid):
    """Without signals 32 and 33, which are libc's own: nobody can set what the parent left there."""
    return {name: value & ~(3 << 31) for name, value in proc_signals(pid).items()}


def test_signals_of_a_worker(tcpd):
    """B27, B28, DESIGN.md "Life of a worker" 3: nothing blocked, TERM, what ends a session, and the
    sandbox's SYS caught, the master's
    signals ignored; the master blocks what it reads from its signalfd."""
    with tcpd(configuration(service("echo"))) as daemon:
        assert proc_signals(daemon.pid)["SigBlk"] & mask(signal.SIGTERM, signal.SIGCHLD)
        for pid in daemon.workers():
            masks = own_masks(pid)
            if SANITIZED:
                masks["SigCgt"] &= ~CRASHES
            assert (masks["SigBlk"], masks["SigCgt"], masks["SigIgn"]) == (
                0, mask(signal.SIGTERM, signal.SIGSYS, signal.SIGRTMIN), IGNORED)


def test_signals_that_were_ignored_or_blocked_at_the_start(tcpd):
    """B28, B33, B34: what a careless parent left (SIGCHLD ignored: no child is ever reaped) is put
    right: masks as above, a worker that dies is noticed and replaced."""
    strange = (signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR2)

    def prepare():
        for number in strange:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM, signal.SIGUSR2))

    with tcpd(configuration(service("echo", **ONE)), preexec=prepare) as daemon:
        worker, = daemon.workers()
        masks = own_masks(worker)
        assert (masks["SigBlk"], masks["SigIgn"]) == (0, IGNORED)
        os.kill(worker, signal.SIGKILL)
        daemon.wait_workers(lambda pids: pids and worker not in pids, deadline=10)
        assert daemon.stop() == EX_OK


def test_descriptors_of_a_worker(tcpd):
    """B28, B44: the listener, the dead socket, the eventfd, the log, and nothing else: no other
    listener, no event loop, no signalfd, timerfd or memfd, no notify socket. The master has these."""
    services = [service("echo", listen=["127.0.0.1:0", "[::1]:0"]), service("hello")]
    with tcpd(configuration(*services), watchdog_usec=60_000_000) as daemon:
        masters = " ".join(proc_fds(daemon.pid).values())
        for kind in ("eventpoll", "signalfd", "timerfd", "memfd:scoreboard", "eventfd"):
            assert kind in masters
        tcp = {f"socket:[{entry['inode']}]": entry for entry in tcp_sockets()}
        for address in daemon.addresses["echo"] + daemon.addresses["hello"]:
            workers = daemon.workers(address)
            assert len(workers) == 4
            for pid in workers:
                fds = proc_fds(pid)
                assert fds.pop(0) == "/dev/null"
                log = fds.pop(2)
                assert {fds.pop(1)[:5], log[:5]} == {"pipe:"}
                own, = (target for target in fds.values() if target in tcp)
                assert tcp[own]["local"] == int(address.rpartition(":")[2])
                assert tcp[own]["state"] == "LISTEN"
                dead, = (target for target in fds.values()
                         if target.startswith("socket:") and target != own)
                assert sorted(fds.values()) == sorted(["anon_inode:[eventfd]", log, own, dead])


def test_shared_memory_of_a_worker(tcpd):
    """B45, DESIGN.md "Scoreboard": its own page and its pool's hint, writable; no other worker's
    page, not the master's view of all."""
    with tcpd(configuration(service("echo", min_workers=3, max_workers=3))) as daemon:
        pages = []
        for pid in daemon.workers():
            with open(f"/proc/{pid}/maps") as maps:
                shared = [line.split(maxsplit=5) for line in maps if line.split()[1][3] == "s"]
            assert [(fields[1], fields[5].strip()) for fields in shared] == [
                ("rw-s", "/memfd:scoreboard (deleted)")] * 2
            for fields in shared:
                begin, end = (int(bound, 16) for bound in fields[0].split("-"))
                assert end - begin == 4096
            pages.append({int(fields[2], 16) for fields in shared})
        hint, = set.intersection(*pages)  # that page is of the pool
        own = [page - {hint} for page in pages]
        assert len(set.union(*own)) == 3 and all(len(page) == 1 for page in own)


@needs_strace
def test_without_dev_null():
    """A start that fails says why, this one as well: a standard descriptor cannot be opened."""
    prefix = ["strace", "-qq", "-o", "/dev/null", "-P", "/dev/null", "-e", "inject=openat:error=EMFILE"]
    status, _, log = run(conf=configuration(service("echo")), prefix=prefix, env=UNTRACEABLE)
    assert status == EX_OSERR
    assert "tcpd: cannot open /dev/null: Too many open files" in log
