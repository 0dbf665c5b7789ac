# SPDX-License-Identifier: MIT
"""How programs end: what they leave behind (kill_mode), clients that leave before them, programs
that take their time, and those that go on without their client."""

import contextlib
import os
import signal
import socket

import pytest

from harness import (EX_OK, PATIENCE, Text, configuration, peer_name, proc_state, read_all,
                     read_exactly, reset, service, start, wait_for)
from programs import ONE, ended, program, wait_end, write_python, write_script

MODES = ["connection", "prestart"]
KILL_MODES = ["group", "program", "none"]
LIVE_ON = ["program", "none"]

# What is left behind: it writes its pid, waits to be told to go on, and notes that it has done so.
WORKS = """\
work() {
    echo $BASHPID >>"$FOLDER/pids"
    while [ ! -e "$FOLDER/go" ]; do sleep 0.02; done
    echo "${1:-worked}"
    echo said >&2
    echo done >>"$FOLDER/done"
}
began() { while [ ! -s "$FOLDER/pids" ]; do sleep 0.02; done; }
read -r hello || exit 0  # a prestarted one waits for its client, and may get none
"""
HELLO = b"hello\n"


class Work:
    """A script, and what it has left behind."""

    def __init__(self, folder, text):
        self.folder = folder
        self.script = write_script(folder / "work", WORKS + text, "/bin/bash")

    def section(self, mark, **options):
        return program(self.script, mark, environment=[f"FOLDER={self.folder}"],
                       **{**ONE, **options})

    def pids(self):
        return [int(line) for line in (self.folder / "pids").read_text().split()]

    def live(self):
        return [pid for pid in self.pids() if proc_state(pid) not in (None, "Z", "X")]

    def is_done(self):
        return (self.folder / "done").exists()

    def go(self, number=1):
        """Ends those that live, by themselves."""
        assert len(self.live()) == number and not self.is_done()
        (self.folder / "go").touch()
        wait_for(self.is_done, what="the work is done")


@contextlib.contextmanager
def serving(section):
    """A daemon, which stops in order at the end: a prestarted program would go on otherwise."""
    with start(configuration(section, log_sessions="all")) as daemon:
        yield daemon
        assert daemon.stop() == EX_OK


# --- What is left behind -----------------------------------------------------------------------

@pytest.mark.parametrize("kill_mode", KILL_MODES)
@pytest.mark.parametrize("mode", MODES)
def test_output_of_a_child_is_whole(mark, tmp_path, mode, kill_mode):
    """As in `exec > >(tee LOG)`: who has the connection when the program ends may finish."""
    script = write_script(tmp_path / "copies", """\
        read -r hello
        exec > >(sleep 0.2; exec tee -a "$0.log")
        seq 1 20000
    """, "/bin/bash")
    want = "".join(f"{i}\n" for i in range(1, 20001)).encode()
    with serving(program(script, mark, program_mode=mode, kill_mode=kill_mode)) as daemon:
        for _ in range(3):
            with daemon.connect("program") as sock:
                peer = peer_name(sock)
                sock.sendall(HELLO + b"never read by anyone")
                assert read_exactly(sock, len(want)) == want
                assert sock.recv(1) == b""
            assert float(daemon.wait_log(ended(peer, "exited with status 0", "ok"))["seconds"]) < 4


def test_failure_with_output_of_a_child(mark, tmp_path):
    """A prestarted program that fails is no silent one while its child has yet to speak."""
    script = write_script(tmp_path / "fails", "(sleep 0.2; echo sorry) & exit 3")
    with serving(program(script, mark, program_mode="prestart", **ONE)) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert read_all(sock) == b"sorry\n"
        daemon.wait_log(ended(peer, "exited with status 3", "program failed"))
        assert not daemon.log_matches("once more")


@pytest.mark.parametrize("mode", MODES)
def test_background_work_is_ended(mark, tmp_path, mode):
    """kill_mode = group, the default: at once, as it has nothing of the connection."""
    work = Work(tmp_path, "work </dev/null >/dev/null 2>&1 & began; echo answered")
    with serving(work.section(mark, program_mode=mode, kill_grace="20s")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(HELLO)
            assert read_all(sock) == b"answered\n"
        assert float(daemon.wait_log(ended(peer, "exited with status 0", "ok"))["seconds"]) < 10
        assert not work.live() and not work.is_done()


@pytest.mark.parametrize("how", ["</dev/null >/dev/null 2>&1", "</dev/null >/dev/null"])
@pytest.mark.parametrize("kill_mode", LIVE_ON)
@pytest.mark.parametrize("mode", MODES)
def test_background_work_lives_on(mark, tmp_path, mode, kill_mode, how):
    """Outside of the session, which does not wait for it; whatever becomes of the workers, of the
    daemon, and of the pipe of its standard error."""
    work = Work(tmp_path, f'[ -s "$FOLDER/pids" ] || {{ work {how} & began; }}; echo answered')
    section = work.section(mark, program_mode=mode, kill_mode=kill_mode, kill_grace="20s")
    with serving(section) as daemon:
        [worker] = daemon.wait_workers(1)
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(HELLO)
            assert read_all(sock) == b"answered\n"
        assert float(daemon.wait_log(ended(peer, "exited with status 0", "ok"))["seconds"]) < 10
        [worker] = daemon.wait_workers(lambda pids: len(pids) == 1 and pids != [worker])
        assert daemon.exchange("program", HELLO) == b"answered\n"
        os.kill(worker, signal.SIGKILL)
        daemon.wait_log(Text.death(worker, "killed by signal 9"))
        assert daemon.exchange("program", HELLO) == b"answered\n"
        assert not daemon.log_matches("left behind by a dead worker")
    work.go()


@pytest.mark.plain("the program has no TCP socket")
@pytest.mark.parametrize("kill_mode", KILL_MODES)
def test_who_keeps_the_connection(mark, tmp_path, kill_mode):
    """Behind kill_grace: it is ended, or the connection is its own, and the worker is free."""
    work = Work(tmp_path, '[ -s "$FOLDER/pids" ] || { work "still here" & began; }; echo answered')
    with serving(work.section(mark, kill_mode=kill_mode, kill_grace="300ms")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(HELLO)
            assert read_exactly(sock, 9) == b"answered\n"
            line = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
            assert 0.3 <= float(line["seconds"]) < 10
            assert daemon.exchange("program", HELLO) == b"answered\n"
            if kill_mode == "group":
                assert not work.live()
            else:
                work.go()
            assert read_all(sock) == (b"" if kill_mode == "group" else b"still here\n")


@pytest.mark.parametrize("kill_mode", KILL_MODES)
@pytest.mark.parametrize("mode", MODES)
def test_program_timeout(mark, tmp_path, mode, kill_mode):
    """All of its group end by it, the program alone, or nobody; for the client it is over."""
    work = Work(tmp_path, 'work </dev/null >/dev/null & echo answered; read x; work')
    options = {"kill_mode": kill_mode, "program_timeout": "1500ms", "program_mode": mode}
    with serving(work.section(mark, **options)) as daemon, daemon.connect("program") as sock:
        peer = peer_name(sock)
        sock.sendall(HELLO + b"x\n")
        assert wait_end(sock) == b"answered\n"
        line = daemon.wait_log(Text.closed("program", peer, "program timeout"))
        assert line["setting"] == "program_timeout = 1s 500ms"
        assert ("killed by signal 15" in line.string) == (kill_mode != "none")
        left = {"group": 0, "program": 1, "none": 2}[kill_mode]
        wait_for(lambda: len(work.pids()) == 2 and len(work.live()) == left)
        wait_for(lambda: len(daemon.workers()) == 1, what="a worker for the next one")
        if left > 0:
            work.go(left)
    mark.wait(0)


@pytest.mark.plain("the program has no TCP socket")
@pytest.mark.parametrize("kill_mode", LIVE_ON)
def test_worker_is_killed(mark, tmp_path, kill_mode):
    """The program ends with its worker; with none it goes on serving."""
    work = Work(tmp_path, "echo $$ >>$FOLDER/pids; echo begun; read x; echo $x")
    with serving(work.section(mark, kill_mode=kill_mode)) as daemon:
        with daemon.connect("program") as sock:
            sock.sendall(HELLO)
            assert read_exactly(sock, 6) == b"begun\n"
            [worker] = daemon.workers()
            os.kill(worker, signal.SIGKILL)
            daemon.wait_log(Text.death(worker, "killed by signal 9"))
            sock.sendall(b"more\n")
            assert wait_end(sock) == (b"more\n" if kill_mode == "none" else b"")


def test_a_reload_to_leaving_processes(mark, tmp_path):
    """The master gives up ending what dead workers leave behind."""
    work = Work(tmp_path, "work </dev/null >/dev/null 2>&1 & began; echo answered")
    with serving(work.section(mark)) as daemon:
        daemon.path.write_text(configuration(work.section(mark, kill_mode="none"),
                                             service("echo")))
        daemon.reload()
        [first] = daemon.workers("program")
        assert daemon.exchange("program", HELLO) == b"answered\n"
        [second] = daemon.wait_workers(lambda pids: len(pids) == 1 and pids != [first],
                                       name="program")
        os.kill(second, signal.SIGKILL)
        daemon.wait_log(Text.death(second, "killed by signal 9"))
        assert daemon.is_serving()
        work.go()


# --- Programs that go on without their client --------------------------------------------------

CLOSES = {
    "closes": "echo answered; exec 0<&- 1>&- 2>&-; work",
    "redirects": "echo answered; exec 2>/dev/null; began; exec </dev/null >/dev/null; work",
    "shares": "echo answered; (sleep 0.1) 2>/dev/null & exec 0<&- 1>&- 2>&-; work",
}


@pytest.mark.plain("the program has no TCP socket")
@pytest.mark.parametrize("how", CLOSES)
@pytest.mark.parametrize("kill_mode", KILL_MODES)
def test_closes_its_descriptors(mark, tmp_path, kill_mode, how):
    """That is the end for the client, but with kill_mode = group; the program works on."""
    text = CLOSES[how].replace("began", "echo 0 >>$FOLDER/pids" if how == "redirects" else "")
    work = Work(tmp_path, text)
    with serving(work.section(mark, kill_mode=kill_mode)) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(HELLO)
            assert read_exactly(sock, 9) == b"answered\n"
            wait_for(lambda: (tmp_path / "pids").exists() and work.live())
            if kill_mode == "group":
                sock.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    sock.recv(1)
            else:
                assert sock.recv(1) == b""
        work.go()
        daemon.wait_log(ended(peer, "exited with status 0", "ok"))


# --- Clients that leave ------------------------------------------------------------------------

READS = """\
import os, sys, time
os.write(1, b"banner")
n = 0
try:
    while chunk := os.read(0, 1000):
        n += len(chunk)
        time.sleep(0.01)
except ConnectionResetError:
    pass
time.sleep(0.2)
with open(sys.argv[1], "w") as file:
    file.write(str(n))
"""


@pytest.mark.parametrize("kill_mode", KILL_MODES)
@pytest.mark.parametrize("mode", MODES)
def test_client_sends_and_leaves(mark, tmp_path, mode, kill_mode):
    """With the banner unread, which is a reset: the program reads all that was sent, and ends by
    itself, though that takes longer than kill_grace."""
    script, notes = write_python(tmp_path / "reads", READS), tmp_path / "n"
    section = program([script, notes], mark, program_mode=mode, kill_mode=kill_mode,
                      kill_grace="500ms")
    with serving(section) as daemon:
        sock = daemon.connect("program")
        peer = peer_name(sock)
        wait_for(lambda: sock.recv(1, socket.MSG_PEEK))
        sock.sendall(b"x" * 100_000)
        sock.close()
        line = daemon.wait_log(ended(peer, "exited with status 0", "reset by peer"))
        assert line["bytes_in"] == "100000" and notes.read_text() == "100000"


@pytest.mark.parametrize("mode", MODES)
def test_client_leaves_a_program_that_does_not_end(mark, tmp_path, mode):
    """It has read all: kill_grace, then TERM."""
    script = write_script(tmp_path / "stays", "echo banner; cat >/dev/null 2>&1; exec sleep 1000")
    with serving(program(script, mark, program_mode=mode, kill_grace="300ms")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert sock.recv(1) == b"b"
            sock.sendall(b"words")
            reset(sock)
            line = daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", "reset by peer"))
            assert 0.3 <= float(line["seconds"]) < 10


@pytest.mark.plain("the program has no TCP socket")
def test_program_takes_the_error_of_its_client(mark, tmp_path):
    """Before its worker looks, which then finds a socket that is closed without any error."""
    script = write_script(tmp_path / "stays", f"""\
        echo banner; cat >/dev/null 2>&1; echo x >{tmp_path}/taken; exec sleep 1000
    """)
    with serving(program(script, mark, kill_grace="300ms", **ONE)) as daemon:
        [worker] = daemon.workers()
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert sock.recv(1) == b"b"
            os.kill(worker, signal.SIGSTOP)
            reset(sock)
            wait_for((tmp_path / "taken").exists)
            os.kill(worker, signal.SIGCONT)
            daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", "reset by peer"))


def test_both_have_ended(mark, tmp_path):
    """Which looks like that, but is none: the program takes its time, in every order of ends."""
    script = write_python(tmp_path / "ends", """\
        import os, socket, sys, time
        sock = socket.socket(fileno=os.dup(0))
        first = sock.recv(1)
        if first == b"m":
            sock.shutdown(socket.SHUT_WR)
        while sock.recv(100):
            pass
        if first != b"m":
            sock.shutdown(socket.SHUT_WR)
        time.sleep(0.5)
    """)
    with serving(program(script, mark, kill_grace="100ms", **ONE)) as daemon:
        for first in (b"m", b"y"):
            with daemon.connect("program") as sock:
                peer = peer_name(sock)
                sock.sendall(first)
                if first == b"m":
                    assert sock.recv(1) == b""
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
            daemon.wait_log(ended(peer, "exited with status 0", "ok"))


def test_client_leaves_a_program_that_does_not_read(mark, tmp_path):
    """idle_timeout, then TERM."""
    script = write_script(tmp_path / "stays", "echo banner; exec sleep 1000")
    section = program(script, mark, program_mode="prestart", idle_timeout="500ms",
                      kill_grace="100ms")
    with serving(section) as daemon, daemon.connect("program") as sock:
        peer = peer_name(sock)
        assert sock.recv(1) == b"b"
        sock.sendall(b"words")
        reset(sock)
        line = daemon.wait_log(ended(peer, r"killed by signal 15 \(TERM\)", "reset by peer"))
        assert 0.5 <= float(line["seconds"]) < 10


# --- Time --------------------------------------------------------------------------------------

@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_program_thinks(mark, tmp_path, mode, ends):
    """Longer than any deadline of the client's, who has sent its question, or is at its end."""
    limits = {"first_byte_timeout": "200ms", "idle_timeout": "200ms"} if mode == "prestart" else {}
    script = write_script(tmp_path / "thinks", 'read -r x; sleep 0.8; echo "$x, yes"; cat')
    with serving(program(script, mark, program_mode=mode, send_timeout="200ms",
                         **limits)) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(b"well\n")
            if ends:
                sock.shutdown(socket.SHUT_WR)
            assert read_exactly(sock, 10) == b"well, yes\n"
            if not ends and mode == "prestart":  # now it is the client's turn
                line = daemon.wait_log(Text.closed("program", peer, "idle timeout"))
                assert line["setting"] == "idle_timeout = 200ms"


def test_prestarted_program_closes_its_descriptors(mark, tmp_path):
    """Then no client's silence ends it, as nothing that the client does matters."""
    script = write_script(tmp_path / "closes", """\
        read -r x; echo answered; exec 0<&- 1>&-; sleep 0.6; echo worked >&2
    """)
    with serving(program(script, mark, program_mode="prestart", first_byte_timeout="200ms",
                         idle_timeout="200ms")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            sock.sendall(b"x\n")
            assert read_all(sock) == b"answered\n"
            daemon.wait_log(ended(peer, "exited with status 0", "ok"))


@pytest.mark.parametrize("mode", MODES)
def test_client_is_silent_then_ends(mark, tmp_path, mode):
    """A program that answers at the end of its input owes that answer all the time."""
    limits = {"idle_timeout": "200ms"} if mode == "prestart" else {}
    with serving(program("/usr/bin/sort", mark, program_mode=mode, **limits)) as daemon:
        with daemon.connect("program") as sock:
            sock.sendall(b"b\na\n")
            sock.settimeout(0.8)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            sock.settimeout(PATIENCE)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"a\nb\n"


@pytest.mark.plain("the program has no TCP socket")
def test_keepalive_is_not_cut_short(mark, tmp_path):
    """The socket has no TCP_USER_TIMEOUT, and one that is idle is not looked at as if it were slow;
    its client's turn may come at any time."""
    script = write_python(tmp_path / "asks", """\
        import os, socket
        sock = socket.socket(fileno=os.dup(0))
        print(sock.getsockopt(socket.IPPROTO_TCP, 18), flush=True)
        os.write(1, os.read(0, 100))
    """)
    with serving(program(script, mark, send_timeout="200ms")) as daemon:
        with daemon.connect("program") as sock:
            assert read_exactly(sock, 2) == b"0\n"
            sock.settimeout(0.6)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            sock.settimeout(PATIENCE)
            sock.sendall(b"again")
            assert read_all(sock) == b"again"
