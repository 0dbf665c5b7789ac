# SPDX-License-Identifier: MIT
"""`tcpd run`: a service from the command line alone, with real programs."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from harness import (BUILD, EX_CONFIG, EX_NOHOST, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, TCPD,
                     activated, can_become_others, free_port, has_tcp, peer_name,
                     proc_children, proc_state, proc_title, read_all, read_exactly, run, start,
                     wait_for)
from messages import converse

EX_IOERR = 74
TOP = Path(__file__).parents[3]
LISTENER = str(TOP / "examples" / "listener.py")


def serve(*args, **options):
    """`tcpd run ARGS`, ready."""
    return start(None, args=["run", *args], **options)


def announced(daemon, n=1):
    """The n addresses that it has printed, and no more."""
    wait_for(lambda: len(daemon.out.items) >= n, what=f"{n} lines on standard output")
    lines = list(daemon.out.items)
    assert all(line.startswith("listening on ") for line in lines) and len(lines) == n, lines
    return [line.removeprefix("listening on ") for line in lines]


def connect(address):
    """A connection to an address as it was printed."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(address[5:])
        return sock
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)


def ask(address, data=b""):
    """Sends data and the end; all that comes back."""
    with connect(address) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


# --- Where it listens --------------------------------------------------------------------------


def test_prints_where():
    """Without -l it is a free port of loopback; the line is there before anything is asked for."""
    daemon = serve("cat")
    (address,) = announced(daemon)
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d+", address)
    assert ask(address, b"abc\n") == b"abc\n"
    assert daemon.stop() == EX_OK


def test_addresses(tmp_path):
    """-l as often as wanted, and a port alone."""
    port = free_port()
    path = tmp_path / "socket"
    daemon = serve("-l", str(port), "-l", "[::1]:0", f"-lunix:{path}", "--listen", "127.0.0.1:0",
                   "--handler", "echo")
    first, second, third, fourth = announced(daemon, 4)
    assert (first, third) == (f"127.0.0.1:{port}", f"unix:{path}")
    assert second.startswith("[::1]:") and fourth.startswith("127.0.0.1:") and fourth != first
    for address in (first, second, third, fourth):
        assert ask(address, b"abc") == b"abc"
    assert daemon.stop() == EX_OK
    assert not path.exists()


def test_two_at_a_time():
    """Two services of one program have nothing to do with each other."""
    port = free_port()  # nobody else's as soon as it is closed
    first, second = serve("-l", str(port), "cat"), serve("cat")
    (one,), (other,) = announced(first), announced(second)
    assert one != other
    assert first.stop() == EX_OK
    assert not has_tcp(*one.split(":")) and ask(other, b"x") == b"x"


def test_handed_over():
    """A socket that systemd hands over is where it listens, and no other."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        daemon = activated(None, [sock], ["cat"], args=["run", "cat"])
        assert announced(daemon) == [peer_name(sock)]
        assert ask(peer_name(sock), b"x") == b"x"


@pytest.mark.parametrize("how", ["full", "nobody reads"])
def test_cannot_print(how, tmp_path):
    """Nobody would know where it listens, so it does not."""
    def replace():
        reading, writing = os.pipe()
        fd = os.open("/dev/full", os.O_WRONLY) if how == "full" else writing
        os.dup2(fd, 1)
        os.close(reading)

    path = tmp_path / "socket"
    status, out, said = run("run", f"-lunix:{path}", "cat", preexec=replace)
    assert (status, out) == (EX_IOERR, "") and not path.exists()
    assert said.startswith("tcpd run: ") and "standard output" in said


def test_closed_output():
    """Who closes standard output does not want to be told; the log says it all the same."""
    daemon = serve("cat", closed_fds=(1,))
    address = daemon.wait_log(r"cat (\S+): listening")[1]
    assert ask(address, b"x") == b"x"


GAME = ("import sys\nopen(sys.argv[0] + '.runs', 'a')\n"
        "for line in sys.stdin:\n    print('you said', line.strip(), flush=True)\n")


@pytest.mark.parametrize("args", [["--websocket"], ["-l", "ws:127.0.0.1:0"],
                                  ["--websocket", "-l", "0"]], ids=" ".join)
def test_websocket(args, tmp_path):
    """A line of the program is a message, and it is there before anybody comes."""
    (tmp_path / "game.py").write_text(GAME)
    daemon = serve(*args, "--prestart", "python3", str(tmp_path / "game.py"))
    (address,) = announced(daemon)
    assert re.fullmatch(r"ws:127\.0\.0\.1:[1-9]\d+", address)
    wait_for((tmp_path / "game.py.runs").exists, what="the program")
    with connect(address.removeprefix("ws:")) as sock:
        assert converse(sock, "one", "two", "\u263a") == [
            "you said one", "you said two", "you said \u263a"]
    assert daemon.stop() == EX_OK


def test_websocket_over_unix(tmp_path):
    daemon = serve("--websocket", "-l", f"unix:{tmp_path}/s", "--handler", "echo")
    assert announced(daemon) == [f"ws:unix:{tmp_path}/s"]
    with connect(f"unix:{tmp_path}/s") as sock:
        assert converse(sock, "hello") == ["hello"]
    assert daemon.stop() == EX_OK


def test_websocket_is_not_spoken_by_chance():
    """What systemd hands over is served by WebSocket if -l names it, else not at all."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        with activated(None, [sock], ["cat"],
                       args=["run", "--websocket", "-l", peer_name(sock), "cat"]) as daemon:
            assert announced(daemon) == [f"ws:{peer_name(sock)}"]
            with connect(peer_name(sock)) as client:
                assert converse(client, "x") == ["x"]
        status, _, said = run("run", "--websocket", "cat", sockets=[sock], names=["cat"])
        assert status == EX_CONFIG and "what it speaks is unknown" in said


# --- What is wrong -----------------------------------------------------------------------------

# name: arguments, exit status, words that must be said
WRONG = {
    "no program": ([], EX_USAGE, ["PROGRAM is missing"]),
    "no program 2": (["-l", "7000"], EX_USAGE, ["PROGRAM is missing"]),
    "option": (["--colour", "cat"], EX_USAGE, ["--colour"]),
    "no value": (["-l"], EX_USAGE, ["l"]),
    "no assignment": (["-o", "idle_timeout", "cat"], EX_USAGE, ["NAME=VALUE", "idle_timeout"]),
    "arguments of a built-in": (["--handler", "echo", "cat"], EX_USAGE, ["no arguments", "cat"]),
    "handler": (["--handler", "ecko"], EX_CONFIG, ["handler", "ecko", "echo"]),
    "address": (["-l", "7000x", "cat"], EX_CONFIG, ["listen", "7000x", "ADDRESS:PORT"]),
    "port": (["-l", "65536", "cat"], EX_CONFIG, ["listen", "65536", "65535"]),
    "one address twice": (["-l7000", "-l127.0.0.1:7000", "cat"], EX_CONFIG,
                          ["127.0.0.1:7000", "taken"]),
    "number": (["-n", "0", "cat"], EX_CONFIG, ["max_workers", '"0"', "1"]),
    "number 2": (["-n", "many", "cat"], EX_CONFIG, ["max_workers", "many"]),
    "number of copies": (["-n", "0", "--listener", "cat"], EX_CONFIG, ["min_workers", '"0"']),
    "unknown name": (["-o", "colour=red", "cat"], EX_CONFIG, ["colour", "tcpd.conf(5)"]),
    "value": (["-o", "session_timeout=soon", "cat"], EX_CONFIG, ["session_timeout", "soon", "30s"]),
    "value of the file's": (["-o", "log_sessions=some", "cat"], EX_CONFIG,
                            ["log_sessions", "some", "errors"]),
    "twice": (["-n1", "-o", "max_workers=2", "cat"], EX_CONFIG, ["max_workers", "twice"]),
    "frames to a program": (["--websocket", "--listener", "cat"], EX_CONFIG,
                            ["ws:127.0.0.1:0", "a program that accepts by itself"]),
    "frames to a program 2": (["--websocket", "--wait", "cat"], EX_CONFIG,
                              ["ws:127.0.0.1:0", "a program that accepts by itself"]),
    "datagrams of messages": (["--websocket", "-l", "udp:*:7", "cat"], EX_CONFIG,
                              ["ws:udp:*:7", "one prefix"]),
    "two modes": (["--prestart", "--listener", "cat"], EX_USAGE,
                  ["--prestart, --wait and --listener exclude each other"]),
    "two modes 2": (["--wait", "--listener", "cat"], EX_USAGE, ["exclude each other"]),
    "two modes, by an option": (["--prestart", "-o", "program_mode=listener", "cat"], EX_CONFIG,
                                ["program_mode", "twice"]),
    "more than one that waits": (["--wait", "-n2", "cat"], EX_CONFIG,
                                 ["max_workers", "one worker waits"]),
    "a process per datagram": (["-l", "udp:127.0.0.1:0", "cat"], EX_CONFIG,
                               ["udp:127.0.0.1:0", "program_mode = wait or listener"]),
    "of another handler": (["-o", "message=hi", "cat"], EX_CONFIG, ["message", "greeting"]),
    "too many": (["-n1", "-o", "min_workers=2", "cat"], EX_CONFIG, ["min_workers", "max_workers"]),
    "not honoured": (["-o", "idle_timeout=5s", "cat"], EX_CONFIG, ["idle_timeout", "connection"]),
    "not honoured 2": (["--listener", "-o", "kill_grace=5s", "cat"], EX_CONFIG, ["kill_grace"]),
    "not in PATH": (["no-such-program"], EX_CONFIG, ["program", "no-such-program", "PATH"]),
    "not there": (["/no/such/program"], EX_CONFIG, ["/no/such/program", "No such file"]),
    "a directory": (["/etc"], EX_CONFIG, ["/etc", "directory"]),
    "not executable": (["/etc/passwd"], EX_CONFIG, ["/etc/passwd", "cannot be executed"]),
    "an empty name": ([""], EX_CONFIG, ["program", "PATH"]),
    "a name and no program": (["@no-such-program", "cat"], EX_CONFIG,
                              ['"no-such-program"', "PATH"]),
    "a name and no file": (["@/no/such/program", "cat"], EX_CONFIG,
                           ['"/no/such/program"', "No such file"]),
    "a file and no name": (["@/bin/cat"], EX_CONFIG, ['"@/bin/cat"']),
    "no module": (["--handler", "module"], EX_CONFIG, ["needs module"]),
    "no module 2": (["--handler", "module", "-o", "module="], EX_CONFIG, ["needs module"]),
    "module not there": (["--handler", "module", "-o", "module=no-such.so"], EX_CONFIG,
                         [f'"{os.getcwd()}/no-such.so"', "No such file"]),
    "not this machine's": (["-l", "192.0.2.1:7000", "cat"], EX_NOHOST, ["192.0.2.1:7000"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    """One line that tells what, and nothing is started. Behind getopt's is where help is."""
    args, want, words = WRONG[name]
    status, out, said = run("run", *args)
    assert (status, out) == (want, "")
    assert said.startswith("tcpd run: "), said
    assert len(said.removesuffix("\nSee tcpd run --help.").splitlines()) == 1, said
    for word in words:
        assert word in said


def test_all_told():
    """Every wrong value is told in one go."""
    _, _, said = run("run", "-l", "x", "-n", "x", "-o", "backlog=x", "no-such-program", "argument")
    assert sorted(line.split()[2] for line in said.splitlines()) == [
        "backlog:", "listen:", "max_workers:", "program:"]


def test_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, said = run("run", "-l", str(port), "cat")
    assert (status, out) == (EX_UNAVAILABLE, "") and f"127.0.0.1:{port}" in said


def test_help():
    status, out, said = run("run", "--help")
    assert status == EX_OK and said == "" and out.startswith("usage: tcpd run")
    assert "tcpd run" in run("--help")[1]
    assert run("run", "--version")[1] == run("--version")[1]


# --- Programs ----------------------------------------------------------------------------------


def test_found(tmp_path):
    """As a shell finds it: the first in PATH that can be executed, or a path from here."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "tool").mkdir()
    (tmp_path / "b" / "tool").write_text("not executable")
    script(tmp_path / "c" / "tool", 'echo "$0 $*"\n')
    env = {"PATH": f"{tmp_path}/a:{tmp_path}/b:no/such:{tmp_path}/c:{os.environ['PATH']}"}
    for name, prefix in (("tool", ()), ("c/tool", ("env", "-C", str(tmp_path))),
                         ("./c/tool", ("env", "-C", str(tmp_path)))):
        daemon = serve("-n1", name, "-n", "a b", env=env, prefix=prefix)
        (said,) = ask(*announced(daemon)).decode().splitlines()
        path, _, rest = said.partition(" ")
        assert os.path.isabs(path) and os.path.samefile(path, tmp_path / "c" / "tool")
        assert rest == "-n a b" and "tool" in daemon.addresses
        assert daemon.stop() == EX_OK


ARGV0 = ("-c", 'echo "$0"')  # of a shell


@pytest.mark.parametrize("args, service", [
    (("@/bin/sh", "kitty", *ARGV0), "sh"),
    (("@sh", "kitty", *ARGV0), "sh"),
    (("@./tool", "kitty", *ARGV0), "tool"),
    ([f"-oprogram={arg}" for arg in ("@/bin/sh", "kitty", *ARGV0)], "sh")])
def test_another_name(args, service, tmp_path):
    """With @ the program has the name behind it, and the service that of the file."""
    (tmp_path / "tool").symlink_to("/bin/sh")
    daemon = serve(*args, prefix=("env", "-C", str(tmp_path)))
    assert ask(*announced(daemon)) == b"kitty\n"
    assert list(daemon.addresses) == [service]
    assert daemon.stop() == EX_OK


def test_settings():
    """-o is any option, of the service and of the file; lists grow."""
    daemon = serve("-o", "environment=A=one two", "-o", "environment=B=2", "-o", "umask=027", "-o",
                   "log_sessions=all", "-o", "log_addresses=none", "sh", "-c",
                   'echo "$A/$B/$(umask)/$TCPREMOTEPORT"')
    with connect(*announced(daemon)) as sock:
        port = sock.getsockname()[1]
        assert read_all(sock) == f"one two/2/0027/{port}\n".encode()
    daemon.wait_log(r"sh: connection from - closed: ok")


def test_verbose():
    """-v tells of every session."""
    daemon = serve("-v", "cat")
    with connect(*announced(daemon)) as sock:
        peer = peer_name(sock)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    daemon.wait_log(rf"cat: connection from {re.escape(peer)} closed: ok")


def test_serialises(tmp_path):
    """-n 1: the second client is served when the first has gone."""
    daemon = serve("-n", "1", "cat")
    (address,) = announced(daemon)
    with connect(address) as first, connect(address) as second:
        for sock, text in ((first, b"first"), (second, b"second")):
            sock.sendall(text)
        assert read_exactly(first, 5) == b"first"
        assert len(daemon.workers()) == 1
        second.settimeout(0.3)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.shutdown(socket.SHUT_WR)
        assert read_all(first) == b""
        second.settimeout(PATIENCE)
        assert read_exactly(second, 6) == b"second"


@pytest.mark.parametrize("handler", [("./life.so",), ("module", "-o", "module=life.so")])
def test_module(handler, tmp_path):
    """A handler with a slash is a module, from here; what is behind are its options."""
    notes = tmp_path / "notes"
    daemon = serve("--handler", *handler, f"file={notes}",
                   prefix=("env", "-C", str(BUILD / "tests" / "modules")))
    with connect(*announced(daemon)) as sock:
        sock.sendall(b"here I am\n")
        assert read_exactly(sock, 9)
    assert "serve" in notes.read_text() and "life.so" in daemon.addresses


@pytest.mark.parametrize("name, words", [
    ("./no/such.so", "No such file"), (str(BUILD / "tests/modules/wrong_abi.so"), "version 2"),
    ("/etc/passwd", "cannot be loaded")])
def test_module_that_cannot_serve(name, words):
    """It is tried first: one line, and nothing is started."""
    status, out, said = run("run", "--handler", name)
    assert (status, out) == (EX_CONFIG, "") and len(said.splitlines()) == 1
    assert said.startswith("tcpd run: module ") and words in said


@pytest.mark.skipif(not can_become_others(), reason="needs root")
def test_as_another_user():
    """Without any right: the program runs as that user."""
    daemon = serve("id", "-u", prefix=["setpriv", "--reuid=65534", "--regid=65534",
                                       "--clear-groups"])
    assert ask(*announced(daemon)) == b"65534\n"
    assert daemon.stop() == EX_OK


def test_symlink(tmp_path):
    """A program called tcpd-run is this, whatever its first argument is."""
    link = tmp_path / "tcpd-run"
    link.symlink_to(TCPD)
    daemon = start(None, binary=link, args=["--handler", "echo"])
    assert ask(*announced(daemon), b"abc") == b"abc"
    wait_for(lambda: all(" echo " in proc_title(pid) for pid in proc_children(daemon.pid)))
    assert daemon.stop() == EX_OK
    status, _, said = run("-l", "7000", "run", binary=link)
    assert status == EX_CONFIG and '"run" is not in PATH' in said
    status, _, said = run(binary=link)
    assert status == EX_USAGE and "PROGRAM" in said


# --- Signals -----------------------------------------------------------------------------------


def test_drains():
    """TERM: the session goes on, and nobody is taken after it."""
    daemon = serve("cat")
    (address,) = announced(daemon)
    with connect(address) as sock:
        sock.sendall(b"before")
        assert read_exactly(sock, 6) == b"before"
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping: draining")
        sock.sendall(b"after")
        assert read_exactly(sock, 5) == b"after"
        assert proc_state(daemon.pid)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert daemon.wait_exit() == EX_OK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_stops_at_once_after_the_line(number):
    """Whoever has read where it listens may stop it: it is never killed by the signal."""
    for _ in range(10):
        with subprocess.Popen([TCPD, "run", "--handler", "echo"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            try:
                assert process.stdout.readline().startswith(b"listening on ")
                process.send_signal(number)
                assert process.wait(PATIENCE) == EX_OK
            finally:
                process.kill()


def test_reload(tmp_path):
    """HUP: new workers at the same address, and the program as it is by then; a session goes on."""
    path = tmp_path / "tool"
    script(path, "echo one; cat\n")
    daemon = serve(str(path))
    (address,) = announced(daemon)
    with connect(address) as sock:
        assert read_exactly(sock, 4) == b"one\n"
        old = set(daemon.workers())
        script(tmp_path / "new", "echo two\n")
        (tmp_path / "new").rename(path)
        daemon.reload()
        assert ask(address) == b"two\n"
        sock.sendall(b"on")
        assert read_exactly(sock, 2) == b"on"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    daemon.wait_workers(lambda pids: pids and not old & set(pids))
    assert len(daemon.out.items) == 1
    assert daemon.stop() == EX_OK


def test_reload_without_the_program(tmp_path):
    """A program that has gone is a reload that is refused; when it is back, it is not."""
    path = tmp_path / "tool"
    script(path, "echo here\n")
    daemon = serve("tool", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    (address,) = announced(daemon)
    workers = daemon.workers()
    path.rename(tmp_path / "away")
    daemon.reload()
    daemon.wait_log('run: program: "tool" is not in PATH')
    daemon.wait_log("reload failed")
    assert daemon.workers() == workers
    (tmp_path / "away").rename(path)
    daemon.reload()
    assert ask(address) == b"here\n"


# --- The other modes ---------------------------------------------------------------------------


def test_prestart(tmp_path):
    """The program runs before its client comes."""
    marks = tmp_path / "marks"
    daemon = serve("--prestart", "-o", "min_workers=2", "-n", "2",
                   script(tmp_path / "tool", f"echo $$ >>{marks}; exec cat\n"))
    (address,) = announced(daemon)
    wait_for(lambda: marks.exists() and len(marks.read_text().split()) >= 2)
    assert ask(address, b"abc") == b"abc"
    assert daemon.stop() == EX_OK


def test_wait(tmp_path):
    """As inetd's `dgram udp wait`: the socket is descriptor 0, and the program is alone with it."""
    (tmp_path / "shout.py").write_text(
        "import socket\n"
        "s = socket.socket(fileno=0)\n"
        "message, peer = s.recvfrom(65536)\n"
        "s.sendto(message.upper(), peer)\n")
    daemon = serve("-l", "udp:127.0.0.1:0", "--wait", "python3", str(tmp_path / "shout.py"))
    (address,) = announced(daemon)
    host, port = address.removeprefix("udp:").split(":")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect((host, int(port)))
        for message in (b"one", b"two"):
            sock.send(message)
            assert sock.recv(100) == message.upper()
    assert len(daemon.workers()) == 1
    assert daemon.stop() == EX_OK


class Clients:
    """Threads that ask a listener.py without pause; every answer must be right."""

    def __init__(self, address, n):
        self.address, self.ending, self.served, self.wrong = address, False, 0, []
        self.threads = [threading.Thread(target=self._work) for _ in range(n)]

    def _work(self):
        while not self.ending:
            try:
                said = ask(self.address, b"abc\n")
            except OSError as error:
                said = error
            if said == b"ABC\n":
                self.served += 1
            else:
                self.wrong.append(said)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join(PATIENCE)


def test_listener():
    """examples/listener.py: so many copies, and none of their clients is lost when they are
    replaced."""
    daemon = serve("--listener", "-n", "3", LISTENER)
    (address,) = announced(daemon)
    assert len(daemon.workers()) == 3
    with Clients(address, 2) as clients:
        for _ in range(5):
            old, served = set(proc_children(daemon.pid)), clients.served
            daemon.reload()
            wait_for(lambda: not old & set(proc_children(daemon.pid)), what="new copies")
            wait_for(lambda: clients.served >= served + 20, what="clients served")
    assert clients.wrong == []
    assert daemon.stop() == EX_OK


# --- tcpd.conf -----------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for user")
def test_example_of_a_program(tmp_path):
    """What etc/tcpd.conf has as comments is right once they are taken off."""
    text = (TOP / "etc" / "tcpd.conf").read_text()
    (tmp_path / "variables").write_text("A=b\n")
    example = re.search(r'^#service "quiz".*?^#}$', text, re.M | re.S)[0]
    for told, real in (("/usr/local/bin/quiz", "/bin/cat"), ("/PATH", str(tmp_path)),
                       ("/FILE", f"{tmp_path}/variables"),
                       ('user = "NAME"', 'user = "0"'), ('group = "NAME"', 'group = "0"')):
        assert told in example
        example = example.replace(told, real)
    status, out, said = run("-t", conf=re.sub(r"^#(?! +#)", "", example, flags=re.M))
    assert (status, said) == (EX_OK, "") and 'service "quiz": handler program' in out
