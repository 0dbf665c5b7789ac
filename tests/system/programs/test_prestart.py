# SPDX-License-Identifier: MIT
"""Programs that run before their client comes (program_mode = prestart): what they are given and
what comes back, programs that misbehave, and that no process of theirs is left, whoever dies.

Every process of a test's programs is found by a word in its environment, which it cannot lose.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import threading
import time
import uuid

import pytest

from clients import Clients, judge, rounds, strike
from harness import (EX_CONFIG, EX_OK, PATIENCE, Text, configuration, peer_name, proc_fds,
                     proc_state, proc_stat, process_tree, read_all, read_exactly, reset, run,
                     service, wait_for)

PYTHON = "/usr/bin/python3"
CAT = ["/bin/cat"]
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}

# What programs do. They wait for signals or their input, not for a time.
SOURCES = {
    "print": "print('hello')",
    "pid, then echo": "os.write(1, b'%d\\n' % os.getpid())\nechoes()",
    "slow start": "time.sleep(1)\nos.write(1, b'%d\\n' % os.getpid())\nechoes()",
    "counts at the end": "text = everything()\nos.write(1, b'%d bytes' % len(text))",
    "ends its output first": "import socket\nsocket.socket(fileno=os.dup(0)).shutdown(1)\n"
                             "keep(everything())",
    "never reads": "os.write(1, b'ready')\nwait()",
    "never writes": "keep(everything())",
    "closes its output": "os.close(1)\nkeep(everything())",
    "closes all": "os.close(0)\nos.close(1)\nos.close(2)\nwait()",
    "ignores TERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.write(1, b'ready')\nwait()",
    "is killed": "os.write(1, b'partial')\nos.kill(os.getpid(), signal.SIGKILL)",
    "leaves a daemon": "daemon()\nos.write(1, b'done')",
    "leaves a daemon that ignores TERM":
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ndaemon()\nos.write(1, b'done')",
    "daemon, then echo": "daemon()\nos.write(1, b'done')\nechoes()",
    "daemon in its group": "if os.fork() == 0: wait()\nos.write(1, b'done')",
    "daemon that writes": "daemon(lambda: flood(1 << 40))\nos.write(1, b'done')",
    "writes 100 MB": "flood(100_000_000)",
    "reads a little": "os.read(0, 10)\nos.write(1, b'enough')\nos.close(0)\nos.close(1)\nwait()",
    "fails": "keep(b'x')\nsys.exit(3)",
    "fails once": "keep(b'x')\nsys.exit(3) if len(kept()) == 1 else os.write(1, b'fine')",
    "pid kept, then echo": "keep(b'%d ' % os.getpid())\nechoes()",
    "speaks twice": "print('before', file=sys.stderr, flush=True)\nkeep(b'x')\nos.read(0, 1)\n"
                    "print('<4>during', file=sys.stderr, flush=True)\nos.write(1, b'x')",
}
PRELUDE = """
import os, signal, sys, time
FILE = sys.argv[1]
def wait():
    while True: signal.pause()
def echoes():
    while data := os.read(0, 65536): os.write(1, data)
def everything():
    text = b''
    while data := os.read(0, 65536): text += data
    return text
def flood(n):
    while n > 0: n -= os.write(1, b'x' * min(n, 65536))
def kept(): return open(FILE, 'rb').read()
def keep(text):
    with open(FILE, 'ab') as file: file.write(text)
def daemon(then=wait):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: then()
        os._exit(0)
    os.wait()
"""


def tagged(tag):
    """Pids of all live processes with that word in their environment."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as environ:
            if tag.encode() in environ.read() and proc_state(entry) not in (None, "Z", "X"):
                found.append(int(entry))
    return found


def nothing_left(tag):
    wait_for(lambda: not tagged(tag), what=f"end of all processes of the program: {tagged(tag)}")


class Program:
    """Text of a configuration with a program named p, and where the program keeps its notes."""

    def __init__(self, folder, program, **options):
        self.tag = f"TAG={uuid.uuid4()}"
        self.notes = folder / "notes"
        if isinstance(program, str):
            script = folder / f"{uuid.uuid4()}.py"
            script.write_text(PRELUDE + SOURCES[program] + "\n")
            program = [PYTHON, str(script), str(self.notes)]
        self.conf = configuration(
            service("p", "program", program=program, program_mode="prestart",
                    environment=[self.tag], **options), log_sessions="all")

    def text(self):
        return self.notes.read_bytes() if self.notes.exists() else b""


@contextlib.contextmanager
def serving(tcpd, program, **options):
    """A daemon that serves it. At the end it stops in order, and nothing is left."""
    try:
        with tcpd(program.conf, **options) as daemon:
            yield daemon
            if daemon.process.poll() is None:
                assert daemon.stop() == EX_OK
            nothing_left(program.tag)
    finally:
        for pid in tagged(program.tag):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def closed(daemon, sock_name, result):
    return daemon.wait_log(Text.closed("p", sock_name, result) + ".*")


def instances(program, n):
    """Pids of the program's processes, when there are so many."""
    return wait_for(lambda: (pids := tagged(program.tag)) and len(pids) == n and pids,
                    what=f"{n} processes of the program")


def send_behind(sock, data, shut=True):
    """A thread that sends; an error ends it."""
    def send():
        with contextlib.suppress(OSError):
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


# --- What goes through -------------------------------------------------------------------------

@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "unix:{folder}/s"])
def test_cat(tcpd, tmp_path, listen):
    """Issue 5, prestart: an unmodified program on standard input and output."""
    program = Program(tmp_path, CAT, listen=listen.format(folder=tmp_path))
    with serving(tcpd, program) as daemon:
        for size in (0, 1, 100, 65535, 65536):
            data = random.randbytes(size)
            with daemon.connect("p") as sock:
                send_behind(sock, data)
                assert read_all(sock) == data
        assert not daemon.log_matches("closed: (?!ok)")


@pytest.mark.parametrize("slow", [False, True])
def test_ten_megabytes(tcpd, tmp_path, slow):
    """Issue 5, prestart: both ways at once, byte for byte."""
    data = random.randbytes(10_000_000)
    with serving(tcpd, Program(tmp_path, CAT)) as daemon:
        with daemon.connect("p", rcvbuf=65536 if slow else None) as sock:
            send_behind(sock, data)
            back = bytearray()
            while chunk := sock.recv(20_000 if slow else 1 << 20):
                back += chunk
                time.sleep(0.0005 if slow else 0)  # the reader's pace
            name = peer_name(sock)
        assert back == data
        match = closed(daemon, name, "ok")
        assert int(match["bytes_in"]) == int(match["bytes_out"]) == len(data)


def test_shell_script(tcpd, tmp_path):
    """Issue 5: a dialogue with a script."""
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\nwhile read -r name; do echo \"hello $name\"; done\n")
    script.chmod(0o755)
    with serving(tcpd, Program(tmp_path, [str(script)])) as daemon, daemon.connect("p") as sock:
        for name in (b"Michael", b"Tracy"):
            sock.sendall(name + b"\n")
            assert read_exactly(sock, 7 + len(name)) == b"hello " + name + b"\n"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


def ended_child(worker):
    """True when the worker's program has ended and waits for it."""
    return any(stat and int(stat[1]) == worker and stat[0] == "Z"
               for stat in map(proc_stat, filter(str.isdigit, os.listdir("/proc"))))


def test_program_that_has_ended_before(tcpd, tmp_path):
    """Issue 5: its output waits in the socket pair for the client."""
    with serving(tcpd, Program(tmp_path, "print", **ONE)) as daemon:
        [worker] = daemon.wait_workers(1, name="p")
        for _ in range(5):
            wait_for(lambda: ended_child(worker), what="the instance has ended")
            with daemon.connect("p") as sock:
                assert read_all(sock) == b"hello\n"
                name = peer_name(sock)
            assert "exited with status 0" in closed(daemon, name, "ok").string


def test_each_client_has_its_own(tcpd, tmp_path):
    """Issue 5: instances start at the same time, one for each worker; none serves twice."""
    program = Program(tmp_path, "slow start", min_workers=2, max_workers=2, spare_workers=0)
    with serving(tcpd, program) as daemon, daemon.connect("p") as one, daemon.connect("p") as two:
        pids = {sock.makefile("rb").readline() for sock in (one, two)}
        assert len(pids) == 2
        wait_for(lambda: len(tagged(program.tag)) == 4, what="the next instances run meanwhile")
        for sock in (one, two):
            sock.close()
        with daemon.connect("p") as three:
            assert three.makefile("rb").readline() not in pids


def test_nothing_of_a_session_stays_in_the_worker(tcpd, tmp_path):
    """Descriptors before and after sessions; the instance's socket has another inode each time."""
    def numbers():
        return {fd: text.partition(":")[0] for fd, text in proc_fds(worker).items()}

    program = Program(tmp_path, CAT, **ONE)
    with serving(tcpd, program) as daemon:
        [worker] = daemon.wait_workers(1)
        instances(program, 1)
        before = sorted(numbers().values())
        for _ in range(20):
            assert daemon.exchange("p", b"x") == b"x"
        wait_for(lambda: sorted(numbers().values()) == before, what=f"{before}, not {numbers()}")


# --- Who ends first ----------------------------------------------------------------------------

def test_client_ends_first(tcpd, tmp_path):
    with serving(tcpd, Program(tmp_path, "counts at the end")) as daemon:
        assert daemon.exchange("p", b"x" * 12345) == b"12345 bytes"
        assert daemon.exchange("p") == b"0 bytes"


def test_program_ends_first(tcpd, tmp_path):
    program = Program(tmp_path, "ends its output first")
    with serving(tcpd, program) as daemon, daemon.connect("p") as sock:
        assert read_all(sock) == b""
        sock.sendall(b"still")
        sock.sendall(b" here")
        name = peer_name(sock)
        sock.shutdown(socket.SHUT_WR)
        closed(daemon, name, "ok")
        assert program.text() == b"still here"


# --- Programs that misbehave -------------------------------------------------------------------

def test_never_reads(tcpd, tmp_path):
    """The client's bytes go nowhere, as the program may be thinking: program_timeout ends it."""
    program = Program(tmp_path, "never reads", idle_timeout="200ms", program_timeout="1s",
                      kill_grace="5s", **ONE)
    with serving(tcpd, program) as daemon:
        [victim] = instances(program, 1)
        sock = daemon.connect("p")
        assert read_exactly(sock, 5) == b"ready"
        sender = send_behind(sock, b"x" * 50_000_000)
        closed(daemon, peer_name(sock), "program timeout")
        wait_for(lambda: proc_state(victim) is None, what="the program is gone")
        sock.close()
        sender.join(PATIENCE)


@pytest.mark.parametrize("name", ["never writes", "closes its output"])
def test_never_writes(tcpd, tmp_path, name):
    program = Program(tmp_path, name)
    with serving(tcpd, program) as daemon, daemon.connect("p") as sock:
        sock.sendall(b"words")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        closed(daemon, peer_name(sock), "ok")
        assert program.text() == b"words"


def test_closes_all_and_runs_on(tcpd, tmp_path):
    """Nothing can come of it any more: the client sees the end at once, program_timeout is its."""
    with serving(tcpd, Program(tmp_path, "closes all", program_timeout="1s")) as daemon:
        with daemon.connect("p") as sock:
            assert read_all(sock) == b""
            sock.sendall(b"x" * 100)
            assert "killed by signal 15" in closed(daemon, peer_name(sock),
                                                   "program timeout").string


def test_reads_a_little(tcpd, tmp_path):
    """A program that closes its socket while the client still sends gets its answer through."""
    with serving(tcpd, Program(tmp_path, "reads a little", program_timeout="5s")) as daemon:
        with daemon.connect("p") as sock:
            sender = send_behind(sock, b"x" * 3_000_000)
            assert read_all(sock) == b"enough"
            sender.join(PATIENCE)
            match = closed(daemon, peer_name(sock), "program timeout")
            assert int(match["bytes_in"]) == 3_000_000


@pytest.mark.parametrize("how", ["reset", "session timeout"])
def test_ignores_term(tcpd, tmp_path, how):
    """TERM, then KILL when kill_grace is over."""
    options = {"session_timeout": "1s"} if how == "session timeout" else {}
    with serving(tcpd, Program(tmp_path, "ignores TERM", kill_grace="300ms", **options)) as daemon:
        with daemon.connect("p") as sock:
            assert read_exactly(sock, 5) == b"ready"
            name = peer_name(sock)
            if how == "reset":
                reset(sock)
            match = closed(daemon, name, "reset by peer" if how == "reset" else how)
            assert "killed by signal 9" in match.string
            assert float(match["seconds"]) >= 0.3


def test_is_killed(tcpd, tmp_path):
    """What it has written before comes through."""
    with serving(tcpd, Program(tmp_path, "is killed")) as daemon, daemon.connect("p") as sock:
        assert read_all(sock) == b"partial"
        assert "killed by signal 9" in closed(daemon, peer_name(sock), "program failed").string


@pytest.mark.parametrize("name", ["leaves a daemon", "leaves a daemon that ignores TERM",
                                  "daemon in its group", "daemon that writes"])
def test_leaves_a_daemon(tcpd, tmp_path, name):
    """B51: the session is the program's; whoever holds its socket behind it is ended."""
    program = Program(tmp_path, name, kill_grace="300ms", **ONE)
    with serving(tcpd, program) as daemon:
        for _ in range(3):
            begin = time.monotonic()
            with daemon.connect("p") as sock:
                text = read_all(sock)
                name = peer_name(sock)
            assert b"done" in text
            closed(daemon, name, "ok")
            assert time.monotonic() - begin < PATIENCE / 2


def test_writes_to_a_client_that_does_not_read(tcpd, tmp_path):
    """100 MB: send_timeout, a reset, and no process."""
    program = Program(tmp_path, "writes 100 MB", send_timeout="1s", **ONE)
    with serving(tcpd, program) as daemon, daemon.connect("p", rcvbuf=4096) as sock:
        match = closed(daemon, peer_name(sock), "send timeout")
        assert int(match["bytes_out"]) < 100_000_000
        wait_for(lambda: len(tagged(program.tag)) <= 1, what="it has ended")
        with pytest.raises(ConnectionResetError):
            while sock.recv(1 << 20):
                pass


def test_fails_twice(tcpd, tmp_path):
    """It is started once more for its client, then its worker is replaced with patience."""
    program = Program(tmp_path, "fails", **ONE)
    with serving(tcpd, program) as daemon, daemon.connect("p") as sock:
        assert read_all(sock) == b""
        assert "exited with status 3" in closed(daemon, peer_name(sock), "program failed").string
        daemon.wait_log("starting it once more")
        daemon.wait_log("failed twice")
        daemon.wait_log("its program does not run")
        assert len(program.text()) >= 2


def test_fails_once(tcpd, tmp_path):
    """Its client does not notice."""
    program = Program(tmp_path, "fails once", **ONE)
    with serving(tcpd, program) as daemon:
        [worker] = daemon.wait_workers(1)
        wait_for(lambda: ended_child(worker), what="the first has failed")
        with daemon.connect("p") as sock:
            assert read_all(sock) == b"fine"
            closed(daemon, peer_name(sock), "ok")


def test_fails_while_its_client_is_silent(tcpd, tmp_path):
    """Nor then; the end of the first one is not passed on."""
    program = Program(tmp_path, "pid kept, then echo", **ONE)
    with serving(tcpd, program) as daemon:
        first = int(wait_for(program.text))
        with daemon.connect("p") as sock:
            wait_for(lambda: len(program.text().split()) == 2, what="the next one while it serves")
            os.kill(first, signal.SIGKILL)
            daemon.wait_log("starting it once more")
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"hello"
            closed(daemon, peer_name(sock), "ok")


def test_program_disappears(tcpd, tmp_path):
    """The client is served by the instance that runs; then the worker waits for a program."""
    path = tmp_path / "cat"
    shutil.copy("/bin/cat", path)
    with serving(tcpd, Program(tmp_path, [str(path)], **ONE)) as daemon:
        path.unlink()
        assert daemon.exchange("p", b"still") == b"still"
        daemon.wait_log("cannot be executed: No such file")
        daemon.wait_log("its program does not run")
        daemon.wait_log(Text.throttled)
        shutil.copy("/bin/cat", path)
        assert daemon.exchange("p", b"again") == b"again"


def test_standard_error(tcpd, tmp_path):
    """What it says comes to the log: with the client, once there is one."""
    program = Program(tmp_path, "speaks twice", **ONE)
    with serving(tcpd, program) as daemon:
        wait_for(program.text, what="it has spoken")
        with daemon.connect("p") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            closed(daemon, peer_name(sock), "ok")
            assert peer_name(sock) not in daemon.wait_log("before$").string
            assert peer_name(sock) in daemon.wait_log("during$").string


def test_peer_variables_are_refused():
    """Issue 5: the environment is fixed at exec; the reason is said."""
    conf = configuration(service("p", "program", program=CAT, program_mode="prestart",
                                 environment=["TCPREMOTEIP=x"]))
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG
    assert "before there is a client" in log


# --- Deadlines ---------------------------------------------------------------------------------

@pytest.mark.parametrize("setting,sent,result", [
    ("first_byte_timeout", b"", "first byte timeout"),
    ("idle_timeout", b"x", "idle timeout"),
    ("session_timeout", b"x", "session timeout"),
    ("program_timeout", b"x", "program timeout"),
])
def test_deadline(tcpd, tmp_path, setting, sent, result):
    with serving(tcpd, Program(tmp_path, CAT, **{setting: "700ms"})) as daemon:
        with daemon.connect("p") as sock:
            sock.sendall(sent)
            assert float(closed(daemon, peer_name(sock), result)["seconds"]) >= 0.7


# --- Whoever dies, nothing is left -------------------------------------------------------------

DEATHS = ["daemon, then echo", "ignores TERM"]


@contextlib.contextmanager
def held(tcpd, program):
    """A daemon with one session in hand and one worker in accept(), each with an instance."""
    with serving(tcpd, program) as daemon, daemon.connect("p") as sock:
        assert len(read_exactly(sock, 4)) == 4
        yield daemon, sock


@pytest.mark.parametrize("name", DEATHS)
@pytest.mark.parametrize("busy", [False, True])
def test_worker_is_killed(tcpd, tmp_path, name, busy):
    """kill -9 of a worker: what it ran is gone, its successor serves."""
    program = Program(tmp_path, name, min_workers=2, max_workers=2, spare_workers=0,
                      kill_grace="300ms")
    with held(tcpd, program) as (daemon, sock):
        serving_one = daemon.worker_serving(sock)
        victim = serving_one if busy else next(
            pid for pid in daemon.workers() if pid != serving_one)
        below = wait_for(lambda: process_tree(victim)[1:], what="its program")
        os.kill(victim, signal.SIGKILL)
        daemon.wait_log(Text.death(victim, Text.by_signal(9, "KILL")))
        wait_for(lambda: all(proc_state(pid) in (None, "Z") for pid in below), what="they end")
        if not busy:
            daemon.wait_workers(lambda pids: len(pids) == 2 and victim not in pids)
        with daemon.connect("p") as other:
            assert len(read_exactly(other, 4)) == 4


@pytest.mark.parametrize("name", DEATHS)
def test_master_is_killed(tcpd, tmp_path, name):
    """kill -9 of the master: workers finish what they have in hand and take all with them."""
    program = Program(tmp_path, name, kill_grace="300ms")
    with held(tcpd, program) as (daemon, sock):
        workers = daemon.workers()
        daemon.kill()
        daemon.wait_exit()
        sock.close()
        wait_for(lambda: all(proc_state(pid) in (None, "Z") for pid in workers), what="workers end")
        nothing_left(program.tag)


@pytest.mark.parametrize("name", DEATHS)
def test_stop_at_once(tcpd, tmp_path, name):
    """INT: sessions are cut off, and no process stays."""
    program = Program(tmp_path, name, kill_grace="300ms")
    with held(tcpd, program) as (daemon, _):
        daemon.signal(signal.SIGINT)
        daemon.wait_exit()
        nothing_left(program.tag)


def test_stop_with_a_session(tcpd, tmp_path):
    """W23: the session in hand is finished; instances that wait are ended."""
    program = Program(tmp_path, CAT, min_workers=3)
    with serving(tcpd, program) as daemon, daemon.connect("p") as sock:
        sock.sendall(b"one")
        assert read_exactly(sock, 3) == b"one"
        daemon.signal(signal.SIGTERM)
        instances(program, 1)
        sock.sendall(b"two")
        assert read_exactly(sock, 3) == b"two"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        assert daemon.wait_exit() == EX_OK
        assert not daemon.log_matches("killed")


def test_reload(tcpd, tmp_path):
    """New clients get the new program, the old one serves its session to the end."""
    old = Program(tmp_path, CAT)
    new = Program(tmp_path, "print", listen="127.0.0.1:0")
    with serving(tcpd, old) as daemon, daemon.connect("p") as sock:
        sock.sendall(b"one")
        assert read_exactly(sock, 3) == b"one"
        daemon.reload(new.conf)
        instances(old, 1)
        assert daemon.exchange("p") == b"hello\n"
        sock.sendall(b"two")
        assert read_exactly(sock, 3) == b"two"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        nothing_left(old.tag)
        assert daemon.stop() == EX_OK
        nothing_left(new.tag)


# --- Under load --------------------------------------------------------------------------------

def test_soak_prestart_stop_one_worker(tcpd, tmp_path, record_property):
    """B26 for programs: TERM to one worker after the other under load loses nothing."""
    program = Program(tmp_path, CAT, min_workers=6, spare_workers=4, max_workers=24)
    with serving(tcpd, program) as daemon, Clients(daemon.address("p"), 2) as clients:
        for stopped in rounds(clients, 500, 5, least=10):
            strike(daemon, signal.SIGTERM)
        total = clients.finish()
    judge(total, record_property, f"prestart: {stopped} workers stopped")


def test_soak_prestart_kill_workers(tcpd, tmp_path, record_property):
    """kill -9 of a worker under load costs the session in its hand, and no other."""
    program = Program(tmp_path, CAT, min_workers=6, spare_workers=4, max_workers=24)
    with serving(tcpd, program) as daemon, Clients(daemon.address("p"), 2) as clients:
        for killed in rounds(clients, 100, 5, least=5):
            strike(daemon, signal.SIGKILL, among=6)
        total = clients.finish()
    record_property("soak", f"prestart: {killed} workers killed, {total['lost']} of "
                            f"{total['done']} sessions lost")
    assert total["lost"] <= killed and total["hung"] == 0, total
