# SPDX-License-Identifier: MIT
"""Programs that misbehave, clients that leave them, and programs that cannot be started. After each
no process is left, the worker has the descriptors it had, and the next client is served."""

import contextlib
import os
import threading
import time

import pytest

from harness import (Text, can_become_others, configuration, peer_name, read_all, read_exactly,
                     reset, service, start, wait_for)
from programs import ONE, Cleanliness, ended, program, said, wait_end, write_python, write_script

root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")

# One program; the client's first line says what it shall do.
FAULTY = r"""
import fcntl, os, signal, socket, sys, time

sock = socket.socket(fileno=0)

def read_line():
    line = b""
    while not line.endswith(b"\n") and (byte := sock.recv(1)):
        line += byte
    return line.decode().strip()

def for_ever():
    sock.send(b"!")
    while True:
        signal.pause()

def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def become_daemon(prepare=lambda: None):
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    prepare()
    os.write(write_end, b"!")
    while True:
        signal.pause()

def close_socket():
    os.close(0), os.close(1)

def zero_copy():
    # poll(2) shows the notices on the error queue as it does a reset.
    sock.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
    sock.send(bytes(20000), 0x4000000)  # MSG_ZEROCOPY
    time.sleep(0.3)
    sock.sendall(b"the rest")

def well():
    while chunk := sock.recv(65536):
        sock.sendall(chunk)

def closes_early():
    close_socket()
    time.sleep(0.2)

def stubborn():
    ignore_term()
    for_ever()

def stubborn_children():
    ignore_term()
    for i in range(5):
        if os.fork() == 0:
            break
    for_ever()

def stopped():
    sock.send(b"!")
    os.kill(os.getpid(), signal.SIGSTOP)

def crowd():
    for i in range(150):
        become_daemon()

def tree():
    for i in range(6):  # each one a session of its own, below the one before
        if os.fork():
            break
        os.setsid()
    os.write(write_end, b"!")
    for_ever() if i else time.sleep(0.2)

def pours():
    sock.send(b"!")
    data = bytes(1 << 20)
    for i in range(100):
        sock.sendall(data)

def nonblocking():
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_NONBLOCK)
    sock.send(b"!")

def shuts_down():
    sock.shutdown(socket.SHUT_RDWR)
    time.sleep(0.2)

read_end, write_end = os.pipe()
faults = {
    "zero_copy": zero_copy, "well": well, "for_ever": for_ever, "closes_early": closes_early, "stubborn": stubborn,
    "stubborn_children": stubborn_children, "stopped": stopped, "pours": pours, "tree": tree,
    "nonblocking": nonblocking, "shuts_down": shuts_down, "crowd": crowd,
    "daemon": lambda: become_daemon(close_socket),
    "daemon_with_socket": become_daemon,
    "daemon_stubborn": lambda: become_daemon(ignore_term),
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
}
name = read_line()
faults[name]()
if name.startswith("daemon"):
    os.read(read_end, 1)
"""


@contextlib.contextmanager
def faulty(mark, tmp_path, **options):
    """A daemon of one worker that serves that program; checks what must be true afterwards."""
    script = write_python(tmp_path / "faulty", FAULTY)
    section = program(script, mark, **{"kill_grace": "20s", **ONE, **options})
    with start(configuration(section, log_sessions="all")) as daemon:
        [worker] = daemon.workers()
        clean = Cleanliness(worker)
        yield daemon
        assert daemon.exchange("program", b"well\nserved") == b"served"
        clean.wait()
        mark.wait(0)
        assert daemon.workers() == [worker]


def begin(daemon, fault, waits=True, **options):
    """A session in which that fault happens; once it does, if the program tells."""
    sock = daemon.connect("program", **options)
    sock.sendall(fault.encode() + b"\n")
    if waits:
        assert read_exactly(sock, 1) == b"!"
    return sock


# --- Programs that do not end ------------------------------------------------------------------

@pytest.mark.parametrize("limit, result", [({"program_timeout": "2s"}, "program timeout"),
                                           ({"session_timeout": "2s"}, "session timeout")])
def test_never_reads_nor_writes(mark, tmp_path, limit, result):
    """It is ended by the clock, and the client sees the end."""
    with faulty(mark, tmp_path, **limit) as daemon, begin(daemon, "for_ever") as sock:
        peer = peer_name(sock)
        sock.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            sock.sendall(bytes(50_000_000))  # nobody reads
        assert wait_end(sock) == b""
        daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", result))


@pytest.mark.parametrize("fault", ["stubborn", "stubborn_children", "stopped"])
def test_ignores_term(mark, tmp_path, fault):
    """kill_grace, then KILL, to all of its group; never before."""
    with faulty(mark, tmp_path, program_timeout="2s", kill_grace="700ms") as daemon:
        begin_time = time.monotonic()
        with begin(daemon, fault) as sock:
            peer = peer_name(sock)
            assert wait_end(sock).strip(b"!") == b""
        assert time.monotonic() - begin_time >= 2.65
        daemon.wait_log(ended(peer, r"killed by signal 9 \(KILL\)", "program timeout"))


@pytest.mark.plain("last words after TERM are not passed on")
def test_kill_grace_is_used(mark, tmp_path):
    """A program that tidies up at TERM has the time for it, and its answer still arrives."""
    script = write_script(tmp_path / "tidy", """\
        trap 'sleep 0.3; echo tidied up; exit 4' TERM
        echo begun
        while :; do sleep 0.05; done
    """)
    conf = configuration(program(script, mark, program_timeout="2s", **ONE), log_sessions="all")
    with start(conf) as daemon, daemon.connect("program") as sock:
        peer = peer_name(sock)
        assert read_all(sock) == b"begun\ntidied up\n"
        daemon.wait_log(ended(peer, "exited with status 4", "program timeout"))
        mark.wait(0)


def test_client_resets_while_the_program_sleeps(mark, tmp_path):
    """The program is told after kill_grace, and does not sleep on for nobody."""
    with faulty(mark, tmp_path, kill_grace="200ms") as daemon:
        for _ in range(5):
            sock = begin(daemon, "for_ever")
            peer = peer_name(sock)
            reset(sock)
            daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", "reset by peer"))


@pytest.mark.plain("the program has no TCP socket")
def test_error_queue_is_no_reset(mark, tmp_path):
    """A program that sends with MSG_ZEROCOPY goes on."""
    with faulty(mark, tmp_path) as daemon:
        assert daemon.exchange("program", b"zero_copy\n") == bytes(20000) + b"the rest"


def test_client_leaves_quietly(mark, tmp_path):
    """A close without reset is an end of input, which the program may take its time with."""
    with faulty(mark, tmp_path, program_timeout="2s") as daemon:
        with begin(daemon, "for_ever") as sock:
            peer = peer_name(sock)
        daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", "program timeout"))


def test_pours_into_a_client_that_does_not_read(mark, tmp_path):
    """send_timeout ends it: 100 MB for a client that takes none of them. The log names it, and
    the client sees a reset."""
    with faulty(mark, tmp_path, send_timeout="1s") as daemon:
        with begin(daemon, "pours", rcvbuf=4096) as sock:
            peer = peer_name(sock)
            line = daemon.wait_log(Text.closed("program", peer, "send timeout"))
            assert line["setting"] == "send_timeout = 1s" and 0.9 <= float(line["seconds"]) < 20
            assert int(line["bytes_out"]) < 50_000_000
            with pytest.raises(ConnectionResetError):
                while sock.recv(1 << 20):
                    pass


def test_pours_into_a_slow_client(mark, tmp_path):
    """One that reads, if slowly, is served in full."""
    with faulty(mark, tmp_path, send_timeout="2s") as daemon:
        with begin(daemon, "pours") as sock:
            n = 0
            while chunk := sock.recv(1 << 20):
                n += len(chunk)
        assert n == 100 << 20


# --- Programs that end, and leave something behind ---------------------------------------------

@pytest.mark.parametrize("fault, how", [
    ("segv", r"killed by signal 11 \(SEGV\)"), ("kill", r"killed by signal 9 \(KILL\)"),
    ("exit", "exited with status 3")])
def test_dies(mark, tmp_path, fault, how):
    """The client sees the end, the record how; the worker lives on."""
    with faulty(mark, tmp_path) as daemon:
        for _ in range(3):
            with begin(daemon, fault, waits=False) as sock:
                peer = peer_name(sock)
                assert wait_end(sock) == b""
                daemon.wait_log(ended(peer, how, "program failed"))


def test_exits_at_once(tcpd, mark):
    """Nothing read, nothing written, one client after the other."""
    conf = configuration(program("/bin/true", mark, **ONE), log_sessions="all")
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        clean = Cleanliness(worker)
        for _ in range(50):
            with daemon.connect("program") as sock:
                assert wait_end(sock) == b""
        assert daemon.workers() == [worker]
        clean.wait()
        wait_for(lambda: len(daemon.log_matches("closed: ok.*exited with status 0")) == 50)


@pytest.mark.parametrize("fault", ["closes_early", "shuts_down"])
def test_gives_the_socket_up_early(mark, tmp_path, fault):
    """The session lasts as long as the program, whoever holds the socket."""
    with faulty(mark, tmp_path) as daemon:
        with begin(daemon, fault, waits=False) as sock:
            peer = peer_name(sock)
            assert wait_end(sock) == b""
        line = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
        assert float(line["seconds"]) >= 0.2


@pytest.mark.parametrize("fault", ["daemon", "daemon_with_socket", "daemon_stubborn", "tree",
                                   "crowd"])
def test_leaves_processes_behind(mark, tmp_path, fault):
    """A daemon, a whole tree of sessions, more than are dealt with at once: all of them are ended,
    those that have the client's socket when kill_grace is over, and with it the connection."""
    grace = "20s" if fault == "daemon" else "1s"
    with faulty(mark, tmp_path, kill_grace=grace) as daemon:
        with begin(daemon, fault, waits=fault == "tree") as sock:
            peer, began = peer_name(sock), time.monotonic()
            wait_end(sock)
            waited = time.monotonic() - began
            assert waited < 1 if fault == "daemon" else waited >= 0.9
        line = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
        if fault == "daemon_stubborn":
            assert float(line["seconds"]) >= 1.9
        elif fault != "crowd":
            assert float(line["seconds"]) < 1.9  # TERM was enough
        mark.wait(0)


def test_nonblocking_socket(mark, tmp_path):
    """It sets O_NONBLOCK on the socket: the end of the session is as patient as ever."""
    with faulty(mark, tmp_path) as daemon:
        with begin(daemon, "nonblocking") as sock:
            daemon.wait_log(ended(peer_name(sock), "exited with status 0", "ok"))
            for _ in range(10):  # unread there: a close without patience would reset
                sock.sendall(b"x" * 1000)
            assert sock.recv(1) == b""


# --- Programs that cannot be started -----------------------------------------------------------

def fails(daemon):
    """A client gets nothing but the end."""
    with daemon.connect("program") as sock:
        assert wait_end(sock) == b""


def test_program_is_removed(tcpd, mark, tmp_path):
    """Said clearly, throttled, and served again once it is back; other services go on."""
    path = write_script(tmp_path / "thing", "cat")
    conf = configuration(program(path, mark, min_workers=2, spare_workers=1), service("echo"))
    with tcpd(conf) as daemon:
        assert daemon.exchange("program", b"x") == b"x"
        os.unlink(path)
        stop = threading.Event()

        def knock():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    daemon.exchange("program", timeout=0.2)

        client = threading.Thread(target=knock)
        client.start()
        try:
            daemon.wait_log(f'program: program "{path}" cannot be executed: No such file')
            daemon.wait_log(Text.throttled)
            assert daemon.is_serving()
        finally:
            stop.set()
            client.join()
        assert len(daemon.log_matches("cannot be executed")) < 40
        assert len(daemon.log_matches("died|exited")) < 40
        write_script(path, "cat")
        wait_for(lambda: daemon.exchange("program", b"back") == b"back", what="service")
        assert daemon.is_serving()


@pytest.mark.parametrize("how, words", [
    ("interpreter", "No such file or directory"), ("mode", "Permission denied"),
    ("format", "Exec format error"), ("directory", "Permission denied")])
def test_program_is_spoilt(tcpd, mark, tmp_path, how, words):
    """A script whose interpreter is missing, a file that is none: what the kernel says of it."""
    path = write_script(tmp_path / "thing", "cat")
    with tcpd(configuration(program(path, mark, **ONE), log_sessions="all")) as daemon:
        assert daemon.exchange("program", b"x") == b"x"
        os.unlink(path)
        if how == "directory":
            os.mkdir(path)
        elif how == "interpreter":
            write_script(path, "cat", "/no/such/interpreter")
        elif how == "format":
            with open(path, "wb") as file:
                file.write(b"\x7fELF, but not really\n")
            os.chmod(path, 0o755)
        else:
            write_script(path, "cat")
            os.chmod(path, 0o644)
        fails(daemon)
        daemon.wait_log(f'program: program "{path}" cannot be executed: {words}')
        daemon.wait_log(r"closed: failed, 0 bytes in, 0 bytes out, [\d.]+ s$")
        daemon.wait_log(r"worker \d+ exited with status \d+ \(its program does not run\)")
        os.rmdir(path) if how == "directory" else os.unlink(path)
        write_script(path, "cat")
        wait_for(lambda: daemon.exchange("program", b"back") == b"back", what="service")


def test_what_it_needs_is_gone(tcpd, mark, tmp_path):
    """The step that fails is named."""
    gone = tmp_path / "gone"
    gone.mkdir()
    conf = configuration(program("/bin/cat", mark, working_directory=gone, **ONE))
    with tcpd(conf) as daemon:
        assert daemon.exchange("program", b"x") == b"x"
        gone.rmdir()
        fails(daemon)
        daemon.wait_log('program "/bin/cat" cannot be given its working_directory: No such file')
        gone.mkdir()
        wait_for(lambda: daemon.exchange("program", b"back") == b"back", what="service")


@root
def test_limit_of_processes(tcpd, mark):
    """limit_nproc counts for the program: it cannot fork, and says so; we can."""
    code = "/bin/true; echo $?"
    conf = configuration(program(["/bin/sh", "-c", code], mark, user="games", limit_nproc=1))
    with tcpd(conf) as daemon:
        daemon.exchange("program")
        daemon.wait_log(said(".*[Cc]annot fork.*"))


def test_programs_of_killed_clients_under_load(mark, tmp_path):
    """Many clients that reset at any moment: nothing is left of any of them."""
    script = write_python(tmp_path / "faulty", FAULTY)
    section = program(script, mark, min_workers=4, max_workers=8, kill_grace="300ms")
    faults = ["for_ever", "daemon_with_socket", "tree", "crowd", "pours", "kill", "well"]
    with start(configuration(section, log_sessions="all")) as daemon:
        for i in range(28):
            sock = begin(daemon, faults[i % len(faults)], waits=False)
            over = Text.closed("program", peer_name(sock))
            if i % 2:  # some programs are quick: nobody may see them
                wait_for(lambda: mark.pids() or daemon.log_matches(over), what="a program")
            reset(sock)
        mark.wait(0)
        wait_for(lambda: daemon.exchange("program", b"well\nok") == b"ok")
        assert not daemon.log_matches(r"worker \d+ (killed|exited|dumped)")
