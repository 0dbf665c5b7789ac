# SPDX-License-Identifier: MIT
"""program_mode = wait, as of inetd: the program is started when something waits at the listener,
which is its descriptors 0 and 1, and takes it by itself. One at a time, whatever comes."""

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import (EX_OK, Text, activated, configuration, injected, proc_children, proc_fds,
                     proc_signals, proc_state, read_all, service, wait_for)
from programs import Cleanliness, program, write_python, write_script
from test_datagrams import UDP, ask, client, is_silent

# Ten lines. One datagram, then it is done.
ONE = """\
    import os, socket
    s = socket.socket(fileno=0)
    message, peer = s.recvfrom(65536)
    s.sendto(os.environ["PROTO"].encode() + b" " + message, peer)
"""

# The same for connections.
ONE_CLIENT = """\
    import os, socket
    client = socket.socket(fileno=0).accept()[0]
    client.sendall(os.environ["PROTO"].encode() + b" " + client.recv(100))
    client.shutdown(socket.SHUT_WR)
    client.recv(1)
"""

# Stays until it is told to leave, or nobody has come for a while; does what datagrams say.
STAYS = """\
    import fcntl, os, select, signal, socket, sys

    def say(what):
        os.write(2, b"%d %s\\n" % (os.getpid(), what))

    def leave(number, frame):
        say(b"was told")
        if os.path.exists(sys.argv[0] + ".slow"):
            signal.sigtimedwait([], 2.5)
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    say(b"is up")
    s = socket.socket(fileno=0)
    while select.select([s], [], [], float(sys.argv[1]))[0]:
        message, peer = s.recvfrom(65536)
        if message == b"nonblocking":
            os.set_blocking(0, False)
        if message.startswith(b"SHUT_"):
            try:
                s.shutdown(getattr(socket, message.decode()))
            except OSError: # it is not connected, and is shut down all the same
                sys.exit(0)
        if message == b"leave":
            os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "1000")
            sys.exit(0)
        blocks = b"blocks" if os.get_blocking(0) else b"does not block"
        s.sendto(b"%d %s" % (os.getpid(), blocks), peer)
"""


def wait(argv, mark=None, name="program", listen=UDP, **options):
    return program(argv, mark, name, program_mode="wait", listen=listen, **options)


@pytest.fixture
def one(tmp_path):
    return write_python(tmp_path / "one", ONE)


@pytest.fixture
def stays(tmp_path):
    return [write_python(tmp_path / "stays", STAYS), "60"]


def pid_of(daemon, message=b"who"):
    """Of the program that serves."""
    return int(ask(daemon.address("program"), message).split()[0])


def comm(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return None


def run_of(how, result="ok"):
    """The record of a run; groups: how long it was, and what it took."""
    return (rf"program: run of its program: {result}, (?P<seconds>[\d.]+) s, program {how}, "
            r"(?P<cpu>[\d.]+) s of processor time, (?P<memory>\d+) KiB of memory$")


# --- Serving -----------------------------------------------------------------------------------

@pytest.mark.parametrize("listen, protocol", [(UDP, b"UDP"), ("udp:[::1]:0", b"UDP"),
                                              ("unix-dgram:{tmp}/s", b"UNIX")])
def test_datagrams(tcpd, mark, one, tmp_path, listen, protocol):
    """DG9: inetd's `dgram udp wait`. Each is taken by the program, an empty one, too."""
    conf = configuration(wait(one, mark, listen=listen.format(tmp=tmp_path)), log_sessions="all")
    with tcpd(conf) as daemon:
        clean = Cleanliness(daemon.workers()[0])
        for message in (b"one", b"", b"x" * 60000):
            assert ask(daemon.address("program"), message) == protocol + b" " + message
        clean.wait()
        wait_for(lambda: len(daemon.log_matches(run_of("exited with status 0"))) == 3)
        assert daemon.stop() == EX_OK


@pytest.mark.parametrize("listen, protocol", [
    ("127.0.0.1:0", b"TCP"), ("unix:{tmp}/s", b"UNIX"), ("unix-seqpacket:{tmp}/s", b"UNIX")])
def test_connections(tcpd, mark, tmp_path, listen, protocol):
    """inetd's `stream tcp wait`: the listening socket is descriptor 0."""
    script = write_python(tmp_path / "one", ONE_CLIENT)
    with tcpd(configuration(wait(script, mark, listen=listen.format(tmp=tmp_path)))) as daemon:
        for _ in range(7):
            with daemon.connect("program") as sock:
                sock.sendall(b"x")
                assert read_all(sock) == protocol + b" x"
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches(rf"worker \d|{Text.at_maximum}")


def test_descriptors_and_words(tcpd, mark, tmp_path):
    """0 and 1 are the listener, 2 is the log, and that is all; of the variables of a client there
    is what they speak."""
    script = write_python(tmp_path / "tells", """\
        import os, socket
        fds = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
        others = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 3]
        names = [name for name in os.environ if name[:4] in ("PROT", "TCPR", "TCPL", "REMO", "LIST", "SO_C")]
        os.write(2, b"as it is\\n<4>in two parts")
        message, peer = socket.socket(fileno=0).recvfrom(100)
        socket.socket(fileno=1).sendto(repr((fds, others, names)).encode(), peer)
    """)
    with tcpd(configuration(wait(script, mark))) as daemon:
        [worker] = daemon.workers()
        listener = next(link for link in proc_fds(worker).values() if link.startswith("socket:")
                        and link in proc_fds(daemon.pid).values())
        fds, others, names = eval(ask(daemon.address("program"), b""))
        assert fds[0] == fds[1] and fds[2].startswith("pipe:") and not others
        assert fds[0] in proc_fds(worker).values() and names == ["PROTO"], (listener, names)
        daemon.wait_log("^tcpd/program: as it is$")
        daemon.wait_log("^tcpd/program: in two parts$")


def test_one_program_serves_many(tcpd, mark, stays):
    """While it runs nothing else is started; before and after there is no process. The status says
    which."""
    with tcpd(configuration(wait(stays, mark))) as daemon:
        assert daemon.counts() == {"workers": 1, "idle": 1, "busy": 0, "draining": 0}
        mark.wait(0)
        for _ in range(2):
            first = pid_of(daemon)
            assert {pid_of(daemon) for _ in range(30)} == {first}
            wait_for(lambda: daemon.counts().get("busy") == 1, what="a busy worker")
            assert "maximum" not in daemon.status()
            assert mark.pids() == [first]
            os.kill(first, signal.SIGTERM)
            mark.wait(0)
            wait_for(lambda: daemon.counts().get("idle") == 1, what="an idle worker")
        assert len(daemon.log_matches("is up$")) == 2
        assert not daemon.log_matches(Text.at_maximum)


@pytest.mark.parametrize("code", [0, 1])
def test_burst(tcpd, mark, tmp_path, code):
    """Each run takes one of many, and ends at once: it need not wait, even where it fails."""
    script = write_python(tmp_path / "one", ONE + f"    os._exit({code})\n")
    with tcpd(configuration(wait(script, mark))) as daemon, \
            client(daemon.address("program")) as sock:
        for number in range(40):
            sock.send(b"%d" % number)
        assert [sock.recv(100) for _ in range(40)] == [b"UDP %d" % n for n in range(40)]
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}|at once")


def test_crowd(tcpd, mark, tmp_path):
    """The same of connections: the queue of TCP is one shorter after each run."""
    script = write_python(tmp_path / "one", ONE_CLIENT + "    os._exit(1)\n")
    with tcpd(configuration(wait(script, mark, listen="127.0.0.1:0"))) as daemon, \
            contextlib.ExitStack() as stack:
        [worker] = daemon.workers()
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: proc_state(worker) == "T")
        crowd = [stack.enter_context(daemon.connect("program")) for _ in range(12)]
        os.kill(worker, signal.SIGCONT)
        for sock in crowd:
            sock.sendall(b"x")
            assert read_all(sock) == b"TCP x"
            sock.close()
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}|at once")


def test_burst_of_the_same(tcpd, mark, one):
    """They cannot be told from one that nobody takes, and are all served."""
    with tcpd(configuration(wait(one, mark))) as daemon, \
            client(daemon.address("program")) as sock:
        for _ in range(30):
            sock.send(b"same")
        assert [sock.recv(100) for _ in range(30)] == [b"UDP same"] * 30
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}")


def test_socket_handed_over(mark, one):
    """The first datagram starts tcpd, and is the program's. The socket is as it was."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        with client(sock.getsockname()) as early:
            early.send(b"early")
            conf = configuration(wait(one, mark, listen=f"udp:127.0.0.1:{sock.getsockname()[1]}"))
            with activated(conf, [sock], ["program"]) as daemon:
                assert early.recv(100) == b"UDP early"
                assert daemon.stop() == EX_OK
            early.send(b"late")
            assert sock.recv(100) == b"late"


def test_blocks_again(tcpd, mark, stays):
    """What a program has made of the socket stays so for it, and the next one does not find it."""
    with tcpd(configuration(wait(stays, mark))) as daemon:
        began = time.monotonic()
        assert ask(daemon.address("program"), b"nonblocking").endswith(b" does not block")
        wait_for(lambda: time.monotonic() - began > 2.5, what="two looks of the master")
        assert ask(daemon.address("program"), b"").endswith(b" does not block")
        os.kill(pid_of(daemon), signal.SIGKILL)
        assert ask(daemon.address("program"), b"").endswith(b" blocks")


def test_workers_are_exchanged(tcpd, mark, one):
    """max_sessions_per_worker counts runs."""
    with tcpd(configuration(wait(one, mark, max_sessions_per_worker=2))) as daemon:
        [before] = daemon.workers()
        for _ in range(4):
            assert ask(daemon.address("program"), b"x") == b"UDP x"
        wait_for(lambda: daemon.workers() and before not in daemon.workers())
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}")


def test_idle_exit(mark, stays):
    """exit_idle_time: a run is what keeps tcpd from it."""
    stays[1] = "1.5"
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        conf = configuration(wait(stays, mark, listen=f"udp:127.0.0.1:{sock.getsockname()[1]}"),
                             exit_idle_time="500ms")
        with activated(conf, [sock], ["program"]) as daemon:
            began = time.monotonic()
            assert ask(sock.getsockname(), b"")
            assert daemon.wait_exit() == EX_OK
            assert time.monotonic() - began >= 2 - 0.1
            mark.wait(0)


# --- How runs end ------------------------------------------------------------------------------

def test_failures_are_logged(tcpd, mark, tmp_path):
    """A record as of a session that did not end well; success_status names what is none."""
    script = write_python(tmp_path / "fails", """\
        import os, socket, sys
        message = socket.socket(fileno=0).recv(100)
        os.kill(os.getpid(), 9) if message == b"9" else sys.exit(int(message))
    """)
    with tcpd(configuration(wait(script, mark, success_status=["4"]))) as daemon, \
            client(daemon.address("program")) as sock:
        for message in (b"0", b"4", b"3", b"9"):
            sock.send(message)
        daemon.wait_log(run_of(r"killed by signal 9 \(KILL\)", "program failed"))
        assert daemon.log_matches(run_of("exited with status 3", "program failed"))
        assert len(daemon.log_matches("run of")) == 2


@pytest.mark.parametrize("kill_mode, lives", [("group", False), ("program", True), ("none", True)])
def test_what_a_program_leaves(tcpd, mark, stays, kill_mode, lives):
    """As kill_mode says, in all modes."""
    with tcpd(configuration(wait(stays, mark, kill_mode=kill_mode))) as daemon:
        with client(daemon.address("program")) as sock:
            sock.send(b"leave")
        daemon.wait_log("is up$")
        if lives:
            wait_for(lambda: [comm(pid) for pid in mark.pids()] == ["sleep"])
            [left] = mark.pids()
            # As proc_pid_task(5) says, a list of children may lack one while another comes or goes.
            wait_for(lambda: [worker for worker in daemon.workers()
                              if left not in proc_children(worker)])
        else:
            mark.wait(0)
        assert pid_of(daemon)
        assert daemon.stop() == EX_OK
        if lives:
            os.kill(left, signal.SIGKILL)


def test_program_never_reads(tcpd, mark, one, tmp_path):
    """Nothing else is started; program_timeout ends it, and the next one has what waits."""
    script = write_script(tmp_path / "deaf", """\
        [ -e "$0.cured" ] && exec %s
        : >"$0.cured"
        echo up >&2
        exec sleep 1000
    """ % one)
    conf = configuration(wait(script, mark, program_timeout="1500ms", kill_grace="1s"))
    with tcpd(conf) as daemon, client(daemon.address("program")) as sock:
        sock.send(b"1")
        daemon.wait_log("up$")
        sock.send(b"2")
        mark.wait(1)
        daemon.wait_log(r"run of its program: program timeout \(program_timeout = 1s 500ms\), "
                        r".*killed by signal 15 \(TERM\)")
        assert [sock.recv(100) for _ in range(2)] == [b"UDP 1", b"UDP 2"]
        assert not daemon.log_matches(Text.at_maximum)


def test_program_is_killed(tcpd, mark, stays):
    """By somebody: the worker starts the next one."""
    with tcpd(configuration(wait(stays, mark))) as daemon:
        workers = daemon.workers()
        first = pid_of(daemon)
        os.kill(first, signal.SIGKILL)
        assert pid_of(daemon) != first
        daemon.wait_log(run_of(r"killed by signal 9 \(KILL\)", "program failed"))
        assert daemon.workers() == workers


@pytest.mark.parametrize("kill_mode, lives", [("group", False), ("program", False), ("none", True)])
def test_worker_is_killed(tcpd, mark, stays, kill_mode, lives):
    """Its program does not outlive it, but with none; another one serves."""
    with tcpd(configuration(wait(stays, mark, kill_mode=kill_mode))) as daemon:
        [worker] = daemon.workers()
        first = pid_of(daemon)
        os.kill(worker, signal.SIGKILL)
        daemon.wait_log(Text.death(worker, Text.by_signal(9, "KILL")))
        if lives:
            assert mark.pids() == [first]
            os.kill(first, signal.SIGKILL)
        wait_for(lambda: first not in mark.pids())
        assert pid_of(daemon) != first
        assert worker not in daemon.workers()
        assert daemon.stop() == EX_OK


@pytest.mark.parametrize("how", [b"SHUT_RD", b"SHUT_RDWR"])
def test_listener_is_shut_down(tcpd, mark, stays, how):
    """Somebody's shutdown(2) acts on all copies of the socket: it is opened anew."""
    with tcpd(configuration(wait(stays, mark))) as daemon:
        with client(daemon.address("program")) as sock:
            sock.send(how)
        daemon.wait_log("shut")

        def serves():
            return not is_silent(daemon.address("program"), b"")

        wait_for(serves)


# --- Programs that do not serve ----------------------------------------------------------------

LISTENERS = [UDP, "unix-dgram:{tmp}/s", "127.0.0.1:0", "unix:{tmp}/s"]


@contextlib.contextmanager
def one_waits(daemon):
    """Something waits at the listener for ever."""
    address = daemon.address("program")
    is_stream = re.match(r"unix:|127", daemon.addresses["program"][0])
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET,
                       socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        if not is_stream:
            sock.send(b"x")
        yield


@pytest.mark.parametrize("listen", LISTENERS)
@pytest.mark.parametrize("code", ["exit 1", "kill -SEGV $$"])
def test_fails_at_once(tcpd, mark, tmp_path, listen, code):
    """inetd turns it off for ten minutes: here the worker leaves after five in a row, and the pool
    waits for longer and longer. Others serve."""
    script = write_script(tmp_path / "brief", f"echo started >&2\n{code}\n")
    conf = configuration(wait(script, mark, listen=listen.format(tmp=tmp_path)), service("echo"))
    with tcpd(conf) as daemon, one_waits(daemon):
        daemon.wait_log("tcpd/program: the program has failed at once 5 times, and left what waits$")
        daemon.wait_log(Text.throttled)
        wait_for(lambda: len(daemon.log_matches("died early")) >= 3)
        assert len(daemon.log_matches("started$")) <= 60
        assert daemon.is_serving()


@pytest.mark.parametrize("listen", LISTENERS)
def test_takes_nothing(tcpd, mark, tmp_path, listen):
    """Nor does it fail: nobody can tell it from one that takes one of many."""
    script = write_script(tmp_path / "brief", "echo started >&2")
    conf = configuration(wait(script, mark, listen=listen.format(tmp=tmp_path)), service("echo"))
    with tcpd(conf) as daemon, one_waits(daemon):
        daemon.wait_log("tcpd/program: the program ends at once with success, .* at most 10 runs")
        began, before = time.monotonic(), len(daemon.log_matches("started$"))
        wait_for(lambda: len(daemon.log_matches("started$")) >= before + 10)
        assert time.monotonic() - began > 0.8
        assert daemon.is_serving() and not daemon.log_matches(rf"worker \d|{Text.throttled}")


@pytest.mark.parametrize("code", ["exit 0", "exit 1"])
def test_stop_of_what_takes_nothing(tcpd, mark, tmp_path, code):
    """It has half of stop_timeout, and not a processor."""
    script = write_script(tmp_path / "brief", f"echo started >&2\n{code}\n")
    with tcpd(configuration(wait(script, mark), stop_timeout="4s")) as daemon, one_waits(daemon):
        daemon.wait_log("started$")
        began = time.monotonic()
        assert daemon.stop() == EX_OK
        assert 1.9 < time.monotonic() - began < 4
        assert len(daemon.log_matches("started$")) < 70


def test_mended(tcpd, mark, one, tmp_path):
    """Throttled, it serves what has waited as soon as it can."""
    script = write_script(tmp_path / "x", f'[ -e "$0.mended" ] && exec {one}\nexit 1\n')
    with tcpd(configuration(wait(script, mark))) as daemon, \
            client(daemon.address("program")) as sock:
        sock.send(b"patience")
        daemon.wait_log(Text.throttled)
        Path(f"{script}.mended").touch()
        assert sock.recv(100) == b"UDP patience"


def test_program_is_not_there_any_more(tcpd, mark, one):
    """Said with the reason; what waits is not lost."""
    with tcpd(configuration(wait(one, mark))) as daemon, \
            client(daemon.address("program")) as sock:
        os.rename(one, f"{one}.away")
        sock.send(b"patience")
        daemon.wait_log(f'program "{re.escape(one)}" cannot be executed: No such file')
        daemon.wait_log(Text.throttled)
        os.rename(f"{one}.away", one)
        assert sock.recv(100) == b"UDP patience"


# --- Stop and reload ---------------------------------------------------------------------------

def test_stop_tells_once_and_waits(tcpd, mark, stays):
    """TERM goes on to the program, once; what it has in hand it may finish. However it ends then, it
    has not failed."""
    Path(f"{stays[0]}.slow").touch()  # longer than the second after which workers are told again
    with tcpd(configuration(wait(stays, mark), stop_timeout="60s")) as daemon:
        serving = pid_of(daemon)
        began = time.monotonic()
        assert daemon.stop() == EX_OK
        assert time.monotonic() - began >= 2.4
        assert len(daemon.log_matches(f"{serving} was told$")) == 1
        assert not daemon.log_matches("killed|exited|run of")
        mark.wait(0)


def test_stop_of_a_program_without_a_handler(tcpd, mark):
    """It ends by the signal, which is no failure."""
    conf = configuration(wait(["/bin/sleep", "1000"], mark), log_sessions="all", stop_timeout="4s")
    with tcpd(conf) as daemon, client(daemon.address("program")) as sock:
        sock.send(b"x")
        mark.wait(1)
        began = time.monotonic()
        # The datagram stays where it is, and nobody takes it.
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == EX_OK
        assert 1.9 < time.monotonic() - began < 4  # half of stop_timeout
        daemon.wait_log(run_of(r"killed by signal 15 \(TERM\)"))


def test_stop_timeout_is_over(tcpd, mark, tmp_path):
    """A program that ignores TERM is killed with what it has started."""
    script = write_script(tmp_path / "stubborn", """\
        trap '' TERM
        setsid sleep 1000 &
        head -c 1 >/dev/null
        echo up >&2
        while :; do sleep 0.1; done
    """)
    with tcpd(configuration(wait(script, mark), stop_timeout="1s")) as daemon, \
            client(daemon.address("program")) as sock:
        sock.send(b"x")
        daemon.wait_log("up$")
        assert daemon.stop() == EX_OK
        daemon.wait_log(Text.not_in_time)
        mark.wait(0)


def test_reload(tcpd, mark, stays, one):
    """The program gets TERM and finishes; the new one serves what comes meanwhile."""
    Path(f"{stays[0]}.slow").touch()
    with tcpd(configuration(wait(stays, mark))) as daemon:
        old = pid_of(daemon)
        daemon.reload(configuration(wait(one, mark)))
        daemon.wait_log(f"{old} was told$")
        assert ask(daemon.address("program"), b"new") == b"UDP new"
        assert old in mark.pids()
        wait_for(lambda: old not in mark.pids())
        assert len(daemon.log_matches("was told$")) == 1
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed|exited")


def test_reloads_without_a_pause(tcpd, mark, one):
    """No datagram is lost, whatever the worker is about when it is told."""
    with tcpd(configuration(wait(one, mark))) as daemon, \
            client(daemon.address("program")) as sock:
        for number in range(30):
            sock.send(b"%d" % number)
            daemon.signal(signal.SIGHUP)
            assert sock.recv(100) == b"UDP %d" % number
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}|{Text.reload_failed}")


def test_told_as_something_comes(tcpd, mark, one):
    """TERM and a datagram reach a stopped worker together: it leaves the datagram to the next one."""
    with tcpd(configuration(wait(one, mark), log_sessions="all")) as daemon, \
            client(daemon.address("program")) as sock:
        for number in range(20):
            [worker] = daemon.wait_workers(1)
            os.kill(worker, signal.SIGSTOP)
            wait_for(lambda: proc_state(worker) == "T")
            for step in (0, 1) if number % 2 else (1, 0):
                sock.send(b"%d" % number) if step else os.kill(worker, signal.SIGTERM)
            os.kill(worker, signal.SIGCONT)
            assert sock.recv(100) == b"UDP %d" % number
            wait_for(lambda: len(daemon.log_matches(run_of("exited with status 0"))) == number + 1)
            wait_for(lambda: worker not in daemon.workers())
        assert len(daemon.log_matches("run of")) == 20


def test_told_after_something_came(tcpd, mark, one):
    """TERM comes when the worker has seen the datagram, and has not started its program: it does not
    start it any more, and no run is logged that was none."""
    with tcpd(configuration(wait(one, mark), log_sessions="all"),
              prefix=injected("poll:delay_exit=400000", follow=True)) as daemon, \
            client(daemon.address("program")) as sock:
        [worker] = daemon.workers()
        wait_for(lambda: proc_state(worker) == "S")
        sock.send(b"x")
        wait_for(lambda: proc_state(worker) == "t")  # poll(2) has returned, for strace
        os.kill(worker, signal.SIGTERM)
        assert sock.recv(100) == b"UDP x"
        daemon.wait_log(run_of("exited with status 0"))
        assert len(daemon.log_matches("run of")) == 1 and worker not in daemon.workers()


def test_master_is_killed(tcpd, mark, stays):
    """The worker is told, and tells its program."""
    daemon = tcpd(configuration(wait(stays, mark)))
    [worker] = daemon.workers()
    serving = pid_of(daemon)
    daemon.kill()
    daemon.wait_exit()
    daemon.wait_log(f"{serving} was told$")
    mark.wait(0)
    wait_for(lambda: proc_state(worker) in (None, "Z"))


def test_signals_are_default(tcpd, mark):
    """The worker blocks TERM while its program runs; that does not."""
    with tcpd(configuration(wait(["/bin/sleep", "1000"], mark))) as daemon, \
            client(daemon.address("program")) as sock:
        sock.send(b"x")
        [serving] = mark.wait(1)
        masks = proc_signals(serving)
        assert masks["SigBlk"] == masks["SigIgn"] == masks["SigCgt"] == 0
        os.kill(serving, signal.SIGTERM)
        daemon.wait_log(run_of(r"killed by signal 15 \(TERM\)", "program failed"))
        daemon.stop_again()
