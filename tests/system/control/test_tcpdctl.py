# SPDX-License-Identifier: MIT
"""The control plane and tcpdctl: what they tell and do, and that no peer can harm the master."""

import concurrent.futures
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from certificates import Authority
from harness import (BUILD, EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, SANITIZED, Text,
                     activated, can_become_others, configuration, proc_cpu_seconds, proc_fds,
                     read_all, read_exactly, service, wait_for)
from json_form import checked
from tls_peer import behind

TCPDCTL = BUILD / "tcpdctl"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
OTHERS = pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
BUSCTL = pytest.mark.skipif(not shutil.which("busctl"), reason="no busctl")
BROKEN = "nonsense = 1\nother = 2\n"


class Control:
    """A control socket as systemd makes it, and the daemon that it was handed to."""

    def __init__(self, conf, services=(), backlog=64, early=(), owner=0, **options):
        """early: what callers have sent before the daemon starts. owner: as whom systemd opens it."""
        self.directory = Path(tempfile.mkdtemp(prefix="tcpdctl-"))
        self.directory.chmod(0o755)
        self.path = self.directory / "control"
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(str(self.path))
        if owner:
            os.seteuid(owner)
        self.listening.listen(backlog)
        if owner:
            os.seteuid(0)
        self.path.chmod(0o666)
        self.conf = conf
        self.early = [self.connect() for _ in early]
        for sock, data in zip(self.early, early):
            sock.sendall(data)
        names = [*(name for name, _ in services), "@control"]
        self.daemon = activated(conf, [*(sock for _, sock in services), self.listening], names,
                                **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.cleanup()
        self.listening.close()
        shutil.rmtree(self.directory)

    def run(self, *args, prefix=(), timeout=PATIENCE):
        """tcpdctl: (exit status, standard output, standard error)."""
        done = subprocess.run([*prefix, TCPDCTL, "-s", self.path, *args], capture_output=True,
                              text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def start(self, *args):
        return subprocess.Popen([TCPDCTL, "-s", self.path, *args], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def status(self):
        code, out, err = self.run("--json", "status")
        assert (code, err) == (EX_OK, "")
        return checked("status", out)

    def pool(self, name="echo"):
        return next(pool for pool in self.status()["pools"] if pool["service"] == name)

    def busctl(self, *args):
        done = subprocess.run(["busctl", f"--address=unix:path={self.path}", *args],
                              capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def connect(self, timeout=PATIENCE):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(self.path))  # waits for a place in the queue
        sock.settimeout(timeout)
        return sock

    def greet(self, timeout=PATIENCE):
        """A connection that has passed the authentication."""
        sock = self.connect(timeout)
        sock.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
        read_greeting(sock)
        sock.sendall(b"BEGIN\r\n")
        return sock

    def is_well(self):
        return self.daemon.is_serving() and self.run("status")[0] == EX_OK


def message(member, serial=1, path="/tcpd", interface="tcpd.Manager", body_size=0, kind=1):
    """A D-Bus message as bytes, without a body."""
    fields = b""
    for code, type_, text in ((1, b"o", path), (2, b"s", interface), (3, b"s", member)):
        fields += b"\0" * (-len(fields) % 8) + bytes([code, 1]) + type_ + b"\0"
        fields += struct.pack("<I", len(text)) + text.encode() + b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, body_size, serial, len(fields)) + fields
    return head + b"\0" * (-len(head) % 8)


def read_reply(sock):
    """(type, whole message) of the next message: 2 is a return, 3 an error."""
    head = read_exactly(sock, 16)
    if len(head) < 16:
        return None, head
    _, kind, _, _, body, _, fields = struct.unpack("<cBBBIII", head)
    return kind, head + read_exactly(sock, fields + -fields % 8 + body)


def read_greeting(sock):
    """What the server says until it takes messages."""
    answer = b""
    while answer.count(b"\r\n") < 2:
        byte = sock.recv(1)
        assert byte, answer
        answer += byte
    assert b"OK " in answer


def is_closed(sock):
    try:
        read_all(sock)
    except ConnectionResetError:
        pass
    return True


def n_control_sockets(control):
    """Connections that the master holds: its sockets that are bound to the control path."""
    paths = Path("/proc/net/unix").read_text()
    inodes = {line.split()[6] for line in paths.splitlines()[1:] if line.endswith(str(control.path))}
    held = {re.match(r"socket:\[(\d+)\]", target) for target in proc_fds(control.daemon.pid).values()}
    return len(inodes & {match[1] for match in held if match}) - 1  # the listening one


def memory_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


# --- Status ------------------------------------------------------------------------------------

def test_json_status():
    """Every member, with what the daemon really is and does; sessions of live workers count."""
    before = time.time()
    with Control(configuration(service("echo", min_workers=2, spare_workers=1, max_workers=7,
                                       backlog=33), service("hello", **ONE))) as control:
        for _ in range(5):
            assert control.daemon.exchange("echo", b"x") == b"x"
        with control.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            wait_for(lambda: control.pool()["sessions"] == 5, what="sessions")
            wait_for(lambda: control.pool()["busy"] == 1, what="a busy worker")
            status = control.status()
        daemon, pools = status["daemon"], status["pools"]
        assert set(status) == {"schema", "daemon", "pools", "not_served", "certificates"} and len(pools) == 2
        assert status["not_served"] == status["certificates"] == []
        assert daemon["version"] and daemon["state"] == "running" and daemon["generation"] == 1
        assert daemon["pid"] == control.daemon.pid and daemon["reload_problem"] == ""
        assert Text.counts.search(daemon["status"])
        assert before - 1 <= daemon["started"] / 1e6 <= time.time()
        assert 0 < daemon["uptime_usec"] < (time.time() - before + 1) * 1e6
        assert daemon["workers"] == sum(pool["workers"] for pool in pools)
        assert daemon["busy"] == 1 and daemon["idle"] == daemon["workers"] - 1
        assert daemon["draining"] == 0
        echo = pools[0]
        assert echo["listener"] == "127.0.0.1:%d" % control.daemon.ports["echo"]
        del echo["listener"], echo["workers"], echo["idle"]
        assert echo == {"service": "echo", "speaks": "plain", "type": "stream",
                        "origin": "bound", "min": 2, "spare": 1, "max": 7,
                        "busy": 1, "draining": 0, "queue": 0, "queue_limit": 33, "sessions": 5,
                        "backlog": 33, "unaccepted_usec": 0, "full": False, "paused": False,
                        "paused_usec": 0, "resized": False,
                        "old": 0, "resting": 0, "throttled_ms": 0,
                        "forbidden_calls": 0, "node": "ready", "refused": 0,
                        "proxy_local": 0} | {
                            f"refused_{why}": 0 for why in (
                                "rule", "sender", "header", "penalty", "connections", "rate", "overflow", "dry_run",
                                "uncounted")}


def test_sessions_of_workers_that_left():
    """The count goes on when workers retire."""
    with Control(configuration(service("echo", max_sessions_per_worker=2, **ONE))) as control:
        for n in range(1, 8):
            assert control.daemon.exchange("echo", b"x") == b"x"
            wait_for(lambda: control.pool()["sessions"] == n, what=f"{n} sessions")


def test_queue_and_throttle():
    """What waits for a worker, and how long new workers are held back."""
    conf = configuration(service("echo", backlog=9, **ONE))
    with Control(conf) as control, contextlib.ExitStack() as stack:
        busy = stack.enter_context(control.daemon.connect("echo"))
        busy.sendall(b"x")
        assert read_exactly(busy, 1) == b"x"
        for _ in range(3):
            stack.enter_context(control.daemon.connect("echo"))
        wait_for(lambda: re.search(r"^echo .* 3/9 ", control.run("status")[1], re.M), what="3/9")
        pool = control.pool()
        assert (pool["queue"], pool["queue_limit"], pool["throttled_ms"]) == (3, 9, 0)

        def killed_again(look):
            for pid in control.daemon.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return look()

        # By the next answer the throttle may be over: the one that shows it is the one that counts.
        shown = r"^echo .* throttled for [1-9]\d* ms$"
        pool = wait_for(lambda: killed_again(lambda: (
            pool if (pool := control.pool())["throttled_ms"] else None)), what="in JSON")
        assert pool["last_death"] == "killed by signal 9 (KILL)"
        wait_for(lambda: killed_again(lambda: re.search(shown, control.run("status")[1], re.M)),
                 what="in the table")


RESTS = ["/usr/bin/python3", "-c", "import select; select.select([3], [], [], 0.2)"]
STAYS = ["/usr/bin/python3", "-c", "import signal; signal.pause()"]


def copies(program):
    """A service whose copies accept by themselves, or do not."""
    return configuration(service("copies", "program", program=program, program_mode="listener",
                                 min_workers=2, ready_time="1min"))


def test_copies():
    """Issue 13: those that rest, and those of the configuration before that stay as the new ones
    have yet to show that they run."""
    with Control(copies(RESTS)) as control:
        wait_for(lambda: control.pool("copies")["resting"] == 2, what="two that rest")
        assert re.search(r"^copies .* 0  2 resting$", control.run("status")[1], re.M)
        control.daemon.reload(copies(STAYS))
        wait_for(lambda: control.status()["daemon"]["generation"] == 2, what="a reload")
        wait_for(lambda: control.pool("copies")["workers"] == 2, what="two that stay")
        assert (control.pool("copies")["old"], control.pool("copies")["resting"]) == (0, 0)
        control.daemon.path.write_text(copies([*STAYS, "again"]))
        control.daemon.signal(signal.SIGHUP)
        wait_for(lambda: control.pool("copies")["old"] == 2, what="two of before")
        assert re.search(r"^copies .* 0  2 old$", control.run("status")[1], re.M)


def test_table():
    """A line for each listener in columns that line up; a total; the words of --help."""
    listen = ["127.0.0.1:0", "[::1]:0"]
    with Control(configuration(service("echo", listen=listen), service("hello"))) as control:
        code, out, err = control.run("status")
        assert (code, err) == (EX_OK, "")
        lines = out.splitlines()
        assert re.match(r"tcpd [\d.]+: running, process %d, up for .*, generation 1$" %
                        control.daemon.pid, lines[0])
        assert Text.counts.match(lines[1])
        head, *rows, total = lines[3:]
        assert head.split() == ("SERVICE LISTENER ORIGIN MIN SPARE MAX IDLE BUSY DRAINING QUEUE "
                                "SESSIONS REFUSED").split()
        assert [row.split()[0] for row in rows] == ["echo", "echo", "hello"]
        for row, pool in zip(rows, control.status()["pools"]):
            assert row.split() == [str(pool[name]) for name in (
                "service", "listener", "origin", "min", "spare", "max", "idle", "busy",
                "draining")] + ["%(queue)d/%(queue_limit)d" % pool, str(pool["sessions"]),
                              str(pool["refused"])]
            for name in ("MIN", "MAX", "SESSIONS", "QUEUE", "REFUSED"):  # right-aligned
                end = head.index(name) + len(name)
                assert row[end - 1] != " " and row[end:end + 1] in ("", " ")
        assert total.split() == ["total", "12", "768", "12", "0", "0", "0", "0", "0"]


def test_origin_of_a_socket_handed_over():
    """The control socket is left out where services are matched with sockets."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        conf = configuration(service("echo", listen=None))
        # The only one beside the control socket: its name may be that of the unit.
        with Control(conf, [("tcpd-echo.socket", sock)]) as control:
            pool = control.pool()
            assert pool["origin"] == "handed over"
            assert pool["listener"] == "127.0.0.1:%d" % sock.getsockname()[1]
            assert control.is_well()
            assert not control.daemon.log_matches(Text.unclaimed)
            assert control.run("reload")[0] == EX_OK
            assert control.is_well()


def test_control_socket_that_is_none():
    """A TCP socket named @control is refused; a second one too; the daemon serves."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        with Control(configuration(service("echo")), [("@control", sock)]) as control:
            assert control.daemon.log_matches("@control.*not a unix stream socket")
            assert control.is_well()


def test_without_control_socket(tcpd):
    with tcpd(configuration(service("echo"))) as daemon:
        assert daemon.is_serving()
        daemon.reload()
        assert daemon.is_serving()


# --- Reload ------------------------------------------------------------------------------------

def test_reload():
    """It returns when the new configuration is live."""
    with Control(configuration(service("echo", **ONE))) as control:
        for n in range(2, 6):
            control.daemon.path.write_text(configuration(service("echo", min_workers=n,
                                                                 spare_workers=0)))
            assert control.run("reload") == (EX_OK, "", "")
            assert control.pool()["min"] == n
            assert control.status()["daemon"]["generation"] == n
            assert control.status()["daemon"]["state"] == "running"
            assert len(control.daemon.workers()) >= n
        assert not control.daemon.log_matches(Text.reload_failed)


def test_reload_refused():
    """All lines of what is wrong, status 1, the configuration before in force; then it is mended."""
    with Control(configuration(service("echo"))) as control:
        control.daemon.path.write_text(control.conf + BROKEN)
        code, out, err = control.run("reload")
        assert (code, out) == (1, "")
        lines = err.splitlines()
        where = str(control.daemon.path)
        n = control.conf.count("\n")
        assert lines[0].startswith(f"{where}:{n + 1}: ") and "nonsense" in lines[0]
        assert lines[1].startswith(f"{where}:{n + 2}: ") and "other" in lines[1]
        assert lines[2].startswith("tcpdctl: ") and len(lines) == 3
        assert control.is_well()
        problem = control.status()["daemon"]["reload_problem"]
        assert problem == lines[0]
        assert problem in control.run("status")[1]
        control.daemon.path.write_text(control.conf)
        assert control.run("reload")[0] == EX_OK
        assert control.status()["daemon"]["reload_problem"] == ""


def test_reload_refused_whatever_the_file_holds():
    """Bytes that no D-Bus string may hold do not keep the answer back."""
    with Control(configuration(service("echo"))) as control:
        control.daemon.path.write_bytes(b'service "\xff\x01\x1b[31m" { handler = "\xe4\\\\" }\n')
        code, _, err = control.run("reload")
        assert code == 1 and re.search(r"tcpd.conf:1: .*\\xff", err)
        assert "\x1b" not in err
        control.status()
        control.daemon.path.write_text("".join(f'bad{i} = "{"x" * 90}"\n' for i in range(3000)))
        code, _, err = control.run("reload")
        assert code == 1 and "bad0" in err
        assert control.is_well()


def test_many_reloads_at_once():
    """All are answered; those that came during a reload by the next one, together."""
    with Control(configuration(service("echo"))) as control:
        with concurrent.futures.ThreadPoolExecutor(12) as threads:
            results = list(threads.map(lambda _: control.run("reload"), range(36)))
        assert results == [(EX_OK, "", "")] * 36
        generation = control.status()["daemon"]["generation"]
        assert 2 <= generation <= 37
        assert control.is_well()
        # One batch: what arrives while the master cannot run is answered by one reload.
        control.daemon.signal(signal.SIGSTOP)
        running = [control.start("reload") for _ in range(8)]
        wait_for(lambda: n_waiting(control) >= 8, what="eight connections")
        control.daemon.signal(signal.SIGCONT)
        assert [process.wait(PATIENCE) for process in running] == [EX_OK] * 8
        for process in running:
            process.communicate()
        assert control.status()["daemon"]["generation"] <= generation + 8


def n_waiting(control):
    """Connections of the control socket, accepted or not."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return sum(line.endswith(str(control.path)) for line in lines) - 1


def hold_reload(control):
    """Starts a reload that has read its files and is not done, as the new workers wait in their
    module's open(), until release(). Returns the caller's process."""
    directory = control.daemon.directory
    module = BUILD / "tests" / "modules" / "faulty.so"
    options = [f"spare={directory}/spared", f"until={directory}/released"]
    control.daemon.path.write_text(configuration(service(
        "echo", "module", module=module, module_options=options, hang_timeout=0, **ONE)))
    process = control.start("reload")
    wait_for((directory / "spared").exists, what="the trial of the module")
    assert control.status()["daemon"]["state"] == "reloading"
    return process


def release(control):
    (control.daemon.directory / "released").touch()


# These run the daemon as nobody, and tcpdctl as root.
AS_NOBODY = {"prefix": NOBODY}


@OTHERS
def test_reload_during_a_reload():
    """It is queued, reads the files after the first one has, and is answered for itself."""
    with Control(configuration(service("echo", **ONE)), **AS_NOBODY) as control:
        first = hold_reload(control)
        control.daemon.path.write_text(control.conf + BROKEN)
        second, third = control.start("reload"), control.start("reload")
        wait_for(lambda: len(control.daemon.log_matches("requests a reload")) == 3, what="queued")
        assert all(process.poll() is None for process in (first, second, third))
        release(control)
        assert first.wait(PATIENCE) == EX_OK
        assert second.wait(PATIENCE) == 1 and third.wait(PATIENCE) == 1
        assert "nonsense" in second.communicate()[1] and "nonsense" in third.communicate()[1]
        first.communicate()
        assert len(control.daemon.log_matches(Text.reload_failed)) == 1  # answered together
        assert control.is_well()


@OTHERS
def test_reload_that_is_not_ready():
    """Workers that cannot be started: an error after PATIENCE, the old ones serve on."""
    with Control(configuration(service("echo", **ONE)), **AS_NOBODY) as control:
        process = hold_reload(control)
        assert process.wait(PATIENCE) == 1
        assert "not ready" in process.communicate()[1]
        assert control.is_well()
        release(control)
        status, _, said = control.run("reload")
        assert status == EX_OK, (said, control.daemon.log_text())


@OTHERS
def test_disconnect_during_a_reload():
    """Callers that leave are forgotten; the reload goes on, the others are answered."""
    with Control(configuration(service("echo", **ONE)), **AS_NOBODY) as control:
        process = hold_reload(control)
        leaving = control.start("reload")
        wait_for(lambda: len(control.daemon.log_matches("requests a reload")) == 2, what="queued")
        with control.greet() as raw:
            for serial in range(1, 40):  # more than may wait in one connection
                raw.sendall(message("Reload", serial))
            kind, text = read_reply(raw)
            assert kind == 3 and b"LimitsExceeded" in text
        leaving.kill()
        leaving.communicate()
        wait_for(lambda: n_control_sockets(control) == 1, what="the end of the others")
        release(control)
        assert process.wait(PATIENCE) == EX_OK
        process.communicate()
        assert control.is_well()


@OTHERS
def test_stop_during_a_reload():
    """Who waits for the reload gets an error."""
    with Control(configuration(service("echo", **ONE)), **AS_NOBODY) as control:
        with control.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            first, second = hold_reload(control), control.start("reload")
            wait_for(lambda: len(control.daemon.log_matches("requests a reload")) == 2,
                     what="queued")
            assert control.run("stop", "--no-wait")[0] == EX_OK
            for process in (first, second):
                assert process.wait(PATIENCE) == 1
                assert "stopping" in process.communicate()[1]
            release(control)  # a sanitizer forks at the end
        assert control.daemon.wait_exit() == EX_OK


def test_reload_during_the_start():
    """It is answered when the daemon has started and has read the file once more."""
    call = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("Reload")
    with Control(configuration(service("echo", min_workers=40)), early=[call] * 2) as control:
        for sock in control.early:
            read_greeting(sock)
            assert read_reply(sock)[0] == 2
            sock.close()
        generation = control.status()["daemon"]["generation"]
        assert generation >= 2

        def n_ready():
            return sum(m.get("READY") == "1" for m in control.daemon.notifications.items)

        wait_for(lambda: n_ready() == generation, what="READY=1 for each")


# --- Stop --------------------------------------------------------------------------------------

def test_stop():
    with Control(configuration(service("echo"))) as control:
        assert control.run("stop") == (EX_OK, "", "")
        assert control.daemon.wait_exit() == EX_OK
        control.daemon.wait_log(Text.stopped)


def test_stop_waits_for_the_drain():
    """The session in hand goes on; status tells so; reload is refused; a second stop ends it."""
    with Control(configuration(service("echo"))) as control:
        with control.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            assert control.run("stop", "--no-wait") == (EX_OK, "", "")
            assert control.status()["daemon"]["state"] == "stopping"
            code, _, err = control.run("reload")
            assert code == 1 and "stopping" in err
            sock.sendall(b"y")
            assert read_exactly(sock, 1) == b"y"
            code, _, err = control.run("--timeout", "10ms", "status")
            assert code in (EX_OK, EX_UNAVAILABLE)
            assert control.run("stop") == (EX_OK, "", "")  # at once
            assert control.daemon.wait_exit() == EX_OK


def test_stop_gives_up_waiting():
    with Control(configuration(service("echo"))) as control:
        with control.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            code, _, err = control.run("stop", "--timeout=300ms")
            assert code == EX_UNAVAILABLE and "draining" in err
            waiting = control.start("--timeout=0", "status")
            assert waiting.wait(PATIENCE) == EX_OK
            waiting.communicate()
        assert control.daemon.wait_exit() == EX_OK


# --- tcpdctl alone -----------------------------------------------------------------------------

@pytest.mark.parametrize("args", [
    [], ["start"], ["status", "stop"], ["--json", "reload"], ["--no-wait", "status"], ["-x"],
    ["--timeout", "soon", "status"], ["--timeout=-1", "stop"], ["--socket"]])
def test_usage(args):
    done = subprocess.run([TCPDCTL, *args], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == EX_USAGE
    assert done.stdout == "" and done.stderr.startswith("tcpdctl: ")
    assert "ee tcpdctl --help" in done.stderr


LOG_ONLY = "--since, --result, --longer, --follow and --directory are for log only"


@pytest.mark.parametrize("args, words", [
    ([], "name a command: status, top, explain, sources, pardon, metrics, sessions, kick, log, reload, "
         "stop, check, config, sockets apply, pause, resume, resize, drain, ready, maint or events"),
    (["--peer=::1", "status"], "--peer is for sessions, kick and log only"),
    (["--older=1h", "log"], "--older and --doing are for sessions and kick only"),
    (["--follow", "metrics"], LOG_ONLY), (["--directory=/x", "status"], LOG_ONLY),
    (["--since=1h", "sessions"], LOG_ONLY), (["--result=ok", "sessions"], LOG_ONLY),
    (["--batch", "sessions"], "--delay, --count and --batch are for top only"),
    (["--timeout=1s", "log"], "--timeout is not for log, which waits for nobody"),
    (["log", "a", "b"], "write: tcpdctl log [SERVICE]"),
    (["log", "--since=soon"],
     '--since takes a time such as 1h, today or "2026-11-25 14:03", not soon'),
    (["log", "--longer=-1"], "--longer takes a time such as 10s, not -1"),
    (["log", "--peer=192.0.2.7/24"], '--peer "192.0.2.7/24" has bits set behind its length; write '
                                     "192.0.2.0/24, or 192.0.2.7 for that address alone"),
    (["status", "echo"], "status takes no argument"),
    (["start", "echo"], "there is no command start"),
    (["explain", "::1", "echo", "x"], "write: tcpdctl explain [ADDRESS [SERVICE]]"),
    (["resize", "echo"], "write: tcpdctl resize SERVICE min=N spare=N max=N | reset"),
    (["pause", "echo", "time"], "write: tcpdctl pause [SERVICE]"),
    (["events", "echo"], "events takes no argument"),
    (["sockets"], "write: tcpdctl sockets apply"),
    (["sockets", "apply", "echo"], "write: tcpdctl sockets apply"),
    (["--dry-run", "status"], "--dry-run is for sockets apply only"),
    (["--timeout=1s", "sockets", "apply"],
     "--timeout is not for sockets apply, which waits for systemd")])
def test_usage_in_words(args, words):
    """USER.md 28."""
    done = subprocess.run([TCPDCTL, *args], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == f"tcpdctl: {words}; see tcpdctl --help\n"


def test_help_and_version():
    for option, want in (("--help", "usage: tcpdctl"), ("-h", "usage: tcpdctl"),
                         ("--version", "tcpdctl 0")):
        done = subprocess.run([TCPDCTL, option], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == EX_OK and done.stdout.startswith(want) and done.stderr == ""


@pytest.mark.parametrize("where, words", [
    ("nowhere", "cannot open the journal in {}: No such file or directory"),
    ("empty", "there is no journal that may be read here; members of the groups systemd-journal and adm "
              "may read the system's")])
def test_log_without_a_journal(tmp_path, where, words):
    (tmp_path / "empty").mkdir()
    done = subprocess.run([TCPDCTL, "log", "--directory", tmp_path / where], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == os.EX_NOINPUT and done.stdout == ""
    assert done.stderr == f"tcpdctl: {words.format(tmp_path / where)}\n"


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd runs here")
def test_sockets_without_systemd():
    done = subprocess.run([TCPDCTL, "sockets", "apply"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == EX_UNAVAILABLE and done.stderr == \
        "tcpdctl: systemd does not run here, so it opens no sockets\n"


def test_full_output():
    with Control(configuration(service("echo"))) as control, open("/dev/full", "w") as full:
        for args in (["status"], ["--json", "status"]):
            done = subprocess.run([TCPDCTL, "-s", control.path, *args], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            assert done.returncode == os.EX_IOERR and "No space" in done.stderr


@pytest.mark.parametrize("path, hint", [
    ("/run/tcpd/control", "systemctl start tcpd.socket"),
    ("/run/tcpd/web.control", "systemctl start tcpd@web.socket"),
    ("/nonexistent/x", None), ("/run/tcpd/other", None), ("/" + "x" * 200, None)])
def test_no_daemon(path, hint):
    """One line of why, and one of what to do, when the path is one of ours."""
    if os.path.exists(path):
        pytest.skip("a daemon runs on this machine")
    done = subprocess.run([TCPDCTL, "-s", path, "status"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == EX_UNAVAILABLE
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"tcpdctl: cannot connect to {path}: ")
    if hint and not os.path.isdir("/run/systemd/system"):
        hint = "start tcpd with --control PATH, and try: tcpdctl -s PATH"
    assert lines[1:] == [] if hint is None else lines[1].endswith(hint)


def test_daemon_that_does_not_answer():
    """Stopped in a debugger: after --timeout an error, for each step; with a full queue, too."""
    with Control(configuration(service("echo")), backlog=2) as control:
        control.daemon.signal(signal.SIGSTOP)
        try:
            for args in (["status"], ["reload"], ["stop"]):
                start = time.monotonic()
                code, _, err = control.run("--timeout=200ms", *args)
                assert code == EX_UNAVAILABLE and err.startswith("tcpdctl: ")
                assert time.monotonic() - start < PATIENCE / 2
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                    sock.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        sock.connect(str(control.path))
                code, _, err = control.run("--timeout=200ms", "status")
                assert code == EX_UNAVAILABLE and "no connection" in err
        finally:
            control.daemon.signal(signal.SIGCONT)
        assert wait_for(control.is_well)


def test_stranger_at_the_other_end():
    """Not a tcpd: garbage, nothing at all, or an end."""
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 5000, b"", None):
        with tempfile.TemporaryDirectory() as directory, \
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            path = f"{directory}/control"
            sock.bind(path)
            sock.listen(1)
            process = subprocess.Popen([TCPDCTL, "-s", path, "--timeout=300ms", "status"],
                                       stderr=subprocess.PIPE, text=True)
            peer, _ = sock.accept()
            with peer:
                if answer is not None:
                    with contextlib.suppress(OSError):
                        peer.sendall(answer)
                        peer.shutdown(socket.SHUT_WR)
                assert process.wait(PATIENCE) == EX_UNAVAILABLE
            assert process.communicate()[1].startswith("tcpdctl: ")


def test_links_few_libraries():
    """Of ncurses, which top needs, the daemon and the others have nothing."""
    out = subprocess.run(["ldd", TCPDCTL], capture_output=True, text=True, check=True).stdout
    needed = subprocess.run(["readelf", "-d", TCPDCTL], capture_output=True, text=True)
    if needed.returncode == 0 and not SANITIZED:
        names = set(re.findall(r"NEEDED.*\[(.*?)\.so", needed.stdout))
        assert names <= {"libsystemd", "libncursesw", "libtinfo", "libc"}
    assert "libsystemd" in out and "libncursesw" in out and "libconfuse" not in out
    for name in ("tcpd", "tcpc", "tcpd-generator", "tcpd-import"):
        out = subprocess.run(["ldd", BUILD / name], capture_output=True, text=True, check=True).stdout
        assert "libc." in out and "ncurses" not in out and "libtinfo" not in out


# --- Who may -----------------------------------------------------------------------------------

@OTHERS
def test_others_may_only_look():
    """Reload() and Stop() are for root and the daemon's user; status is for whoever connects."""
    with Control(configuration(service("echo"))) as control:
        assert control.run("status", prefix=NOBODY)[0] == EX_OK
        for word in ("reload", "stop"):
            code, _, err = control.run(word, prefix=NOBODY)
            assert code == EX_NOPERM and "root" in err
        assert control.is_well()
        control.path.chmod(0o660)
        os.chown(control.path, 0, 4)  # adm
        code, _, err = control.run("status", prefix=NOBODY)
        assert code == EX_NOPERM and "group adm" in err
        control.path.chmod(0o600)
        code, _, err = control.run("status", prefix=NOBODY)
        assert code == EX_NOPERM and str(control.path) in err


@OTHERS
def test_own_user_may_where_the_manager_is_its():
    """As under systemd --user: it has opened the socket, and the user is the administrator."""
    with Control(configuration(service("echo")), owner=65534, **AS_NOBODY) as control:
        assert control.run("reload", prefix=NOBODY)[0] == EX_OK
        assert control.run("stop", prefix=NOBODY)[0] == EX_OK


@OTHERS
def test_own_user_may_not_under_roots_manager():
    """That user is what the workers are."""
    with Control(configuration(service("echo")), **AS_NOBODY) as control:
        for word in ("reload", "check", "stop"):
            assert control.run(word, prefix=NOBODY)[0] == EX_NOPERM
        assert control.run("status", prefix=NOBODY)[0] == EX_OK
        assert not control.daemon.log_matches("requests a")
        assert control.run("reload")[0] == EX_OK


@OTHERS
def test_sender_is_not_believed():
    """A message that claims to come from someone gets nobody's rights."""
    calls = [message(member, n + 1) for n, member in enumerate(("Reload", "Stop", "GetStatus"))]
    script = ("import socket,sys\n"
              "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(20)\n"
              "s.sendall(b'\\0AUTH EXTERNAL 30\\r\\nBEGIN\\r\\n')\n"
              f"for call in {calls}: s.sendall(call)\n"
              "a=b''\n"
              "while a.count(b'tcpd.Manager') < 3 and (b:=s.recv(9999)): a+=b\n"
              "print(a)\n")
    with Control(configuration(service("echo"))) as control:
        done = subprocess.run([*NOBODY, "/usr/bin/python3", "-c", script, control.path],
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.stdout.count("AccessDenied") == 2, done
        assert control.is_well()
        assert not control.daemon.log_matches("requests a")


# --- What is not served ------------------------------------------------------------------------

def test_certificates(tmp_path):
    """Which there are, when they end; STATUS= has what must not wait."""
    authority = Authority(tmp_path)
    names = ("DNS:a.example", "DNS:*.b.example", "IP:127.0.0.1")
    sections = "".join(each.section(name) for name, each in (
        ("www", authority.leaf("www", names, since=-1, days=89.5)), ("soon", authority.leaf("soon", since=-30, days=1.5)),
        ("old", authority.leaf("old", days=-1)), ("rsa", authority.leaf("rsa", kind="rsa", since=-1, days=59.5)),
        ("unused", authority.leaf("unused"))))
    conf = sections + configuration(behind("echo", certificates=["www", "soon", "rsa"]),
                                    behind("hello", certificates=["www", "old"]))
    with Control(conf) as control:
        found = {each.pop("certificate"): each for each in control.status()["certificates"]}
        assert list(found) == ["www", "soon", "old", "rsa"]
        assert found["www"]["names"] == "a.example *.b.example"
        assert [each["keys"] for each in found.values()] == ["EC P-256"] * 3 + ["RSA 2048"]
        assert [each["is_near"] for each in found.values()] == [False, True, True, False]
        for name, days in (("www", 89.5), ("soon", 1.5), ("old", -1), ("rsa", 59.5)):
            assert abs(found[name]["until"] / 1e6 - time.time() - days * 86400) < 600
            assert found[name]["since"] <= time.time() * 1e6
        code, out, err = control.run("status")
        assert (code, err) == (EX_OK, "")
        table = out[out.index("CERTIFICATE"):].splitlines()
        assert re.fullmatch(r"CERTIFICATE +KEY +NOT AFTER +LEFT +NAMES", table[0])
        assert re.fullmatch(r"www +EC P-256  20[\d -]+:\d\d UTC  89 days  a.example \*.b.example", table[1])
        assert [re.search(r"UTC +([\w ]+?)  ", line).group(1) for line in table[1:]] == \
            ["89 days", "1 day", "expired", "59 days"]
        assert [line.rindex("  ") for line in table] == [table[0].rindex("  ")] * 5
        assert '; 2 certificates expire or have expired, first "old"' in control.status()["daemon"]["status"]
        control.daemon.reload(sections + configuration(behind("echo", certificates=["soon"])))
        assert re.search(r'; certificate "soon" expires on 20.* UTC, in 1 day$',
                         control.status()["daemon"]["status"])
        control.daemon.reload(sections + configuration(behind("echo", certificates=["www"])))
        assert "certificate" not in control.status()["daemon"]["status"]
        assert [each["certificate"] for each in control.status()["certificates"]] == ["www"]


def test_not_served(tmp_path):
    """A row and a member of JSON for what is left out; a reload brings it, at the socket that systemd
    has handed over for it, in whose queue clients have waited."""
    with socket.create_server(("127.0.0.1", 0)) as kept, socket.create_server(("127.0.0.1", 0)) as own:
        where = {"echo": own, "wrong": kept}
        listen = {name: "%s:%d" % sock.getsockname() for name, sock in where.items()}
        wrong = service("wrong", "echo", listen=listen["wrong"], max_workers="none")
        conf = configuration(service("echo", listen=[listen["echo"], "unix:/nonexistent/s"]), wrong)
        with Control(conf, where.items()) as control, \
                socket.create_connection(kept.getsockname(), PATIENCE) as early:
            early.sendall(b"early")
            code, out, _ = control.run("status")
            path = re.escape(str(control.daemon.path))
            assert code == EX_OK
            assert re.search(rf"^wrong +{listen['wrong']} +not served: {path}:\d+: max_workers = ",
                             out, re.M), out
            assert re.search(r"^echo +unix:/nonexistent/s +not served: systemd has handed over no "
                             r"socket for it$", out, re.M), out
            status = control.status()
            rows = {row["service"]: row for row in status["not_served"]}
            assert rows["wrong"]["left_out"] and rows["wrong"]["listener"] == listen["wrong"]
            assert not rows["echo"]["left_out"] and rows["echo"]["listener"] == "unix:/nonexistent/s"
            names = "services", "services_left_out", "addresses_not_served"
            assert [status["daemon"][name] for name in names] == [1, 1, 1]
            assert status["daemon"]["status"].endswith("; 1 address not served; 1 service left out")
            code, _, err = control.run("reload")
            assert code == 1 and "max_workers" in err
            control.daemon.path.write_text(conf.replace('max_workers = "none"', "max_workers = 9"))
            assert control.run("reload")[0] == EX_OK
            assert read_exactly(early, 5) == b"early"
            status = control.status()
            assert [row["service"] for row in status["not_served"]] == ["echo"]
            assert {pool["service"]: pool["origin"] for pool in status["pools"]} == {
                "echo": "handed over", "wrong": "handed over"}


# --- busctl ------------------------------------------------------------------------------------

@BUSCTL
def test_busctl():
    """Its verbs work, as Hello is answered; the service's name may be any with a dot."""
    with Control(configuration(service("echo"))) as control:
        code, out, err = control.busctl("introspect", "tcpd.Manager", "/tcpd")
        assert (code, err) == (EX_OK, "")
        for method, reply in (("GetStatus", r"a\{sv\}(aa\{sv\}){3}"), ("Reload", "-"), ("Stop", "-")):
            assert re.search(rf"^\.{method}\s+method\s+-\s+{reply}\s", out, re.M)
        code, out, _ = control.busctl("tree", "tcpd.Manager")
        assert code == EX_OK and "/tcpd" in out
        call = ("call", "tcpd.Manager", "/tcpd", "tcpd.Manager")
        code, out, err = control.busctl("--json=short", *call, "GetStatus")
        assert (code, err) == (EX_OK, "")
        theirs = [[{k: v["data"] for k, v in item.items()} for item in
                   (part if isinstance(part, list) else [part])] for part in json.loads(out)["data"]]
        ours = control.status()
        for daemon in (theirs[0][0], ours["daemon"]):
            assert daemon.pop("uptime_usec") > 0
        assert theirs == [[ours["daemon"]], ours["pools"], ours["not_served"], ours["certificates"]]
        assert control.busctl(*call, "Reload")[0] == EX_OK
        control.daemon.path.write_text(control.conf + BROKEN)
        code, _, err = control.busctl(*call, "Reload")
        assert code != EX_OK and "nonsense" in err and "other" in err
        code, _, err = control.busctl(*call, "Nonsense")
        assert code != EX_OK and "Nonsense" in err
        assert control.busctl(*call, "Stop")[0] == EX_OK
        assert control.daemon.wait_exit() == EX_OK


# --- Peers that mean harm ----------------------------------------------------------------------

def test_workers_do_not_hold_it():
    """Neither the socket nor a connection: a worker that starts during one has none of it."""
    with Control(configuration(service("echo", **ONE))) as control, control.greet():
        wait_for(lambda: n_control_sockets(control) == 1, what="the connection")
        held = set(proc_fds(control.daemon.pid).values())
        control.daemon.signal(signal.SIGTTIN)
        [worker] = control.daemon.workers()
        os.kill(worker, signal.SIGKILL)
        [worker] = control.daemon.wait_workers(lambda pids: pids and pids != [worker])
        inodes = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]
                  if line.endswith(str(control.path))}
        sockets = {f"socket:[{inode}]" for inode in inodes}
        assert len(sockets & held) == 2
        # While it starts it still has what it gives up.
        wait_for(lambda: not sockets & set(proc_fds(worker).values()), what="a worker without them")


GARBAGE = [
    b"", b"\0", b"\n" * 100, b"GET / HTTP/1.0\r\n\r\n", b"\0" * 70000, b"\xff" * 70000,
    b"\0AUTH\r\n" * 1000, b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + b"\xff" * 100,
    b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" + message("Ping") * 3,
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus", kind=9),
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus", serial=0),
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus", path="//"),
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus", body_size=0xffffffff),
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus", body_size=100) + b"x" * 100,
    b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("Disconnected", path="/org/freedesktop/DBus/"
        "Local", interface="org.freedesktop.DBus.Local", kind=4),
]


@pytest.mark.parametrize("how", ["close", "shut", "reset"])
def test_garbage(how):
    """Whatever is sent, however it ends: the connection is the only loss."""
    with Control(configuration(service("echo"))) as control:
        for data in GARBAGE:
            sock = control.connect()
            with contextlib.suppress(OSError):
                sock.sendall(data)
                if how == "shut":
                    sock.shutdown(socket.SHUT_WR)
                    assert is_closed(sock)
                if how == "reset":
                    sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        assert control.is_well()
        wait_for(lambda: n_control_sockets(control) == 0, what="all connections closed")


def test_message_cut_short():
    """Each prefix of a good conversation, then the end."""
    whole = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus")
    with Control(configuration(service("echo", **ONE))) as control:
        for n in range(0, len(whole), 3):
            with control.connect() as sock:
                sock.sendall(whole[:n])
        assert control.is_well()
        wait_for(lambda: n_control_sockets(control) == 0, what="all connections closed")


@pytest.mark.parametrize("member, interface", [("GetStatus", "tcpd.Manager"),
                                               ("Introspect", "org.freedesktop.DBus.Introspectable"),
                                               ("Nonsense", "tcpd.Manager")])
def test_peer_that_never_reads(member, interface):
    """It is not read any more either, and loses its connection; the master serves meanwhile."""
    with Control(configuration(service("echo", **ONE))) as control:
        before = most = memory_kib(control.daemon.pid)
        data = b"".join(message(member, n + 1, interface=interface) for n in range(2000))
        peers = [control.greet() for _ in range(4)]
        for peer in peers:
            peer.setblocking(False)
        sent, end = dict.fromkeys(peers, 0), time.monotonic() + 2 * PATIENCE
        while sent and time.monotonic() < end:
            for peer in select.select([], list(sent), [], 1)[1]:
                try:
                    sent[peer] += peer.send(data[sent[peer] % len(data):])
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    del sent[peer]
            most = max(most, memory_kib(control.daemon.pid))
        assert not sent
        assert control.is_well()
        if not SANITIZED:  # whose allocator keeps what was freed for a while
            assert most - before < 1024, f"{before} KiB, then {most}"


def test_never_reading_peer_does_not_delay_the_end():
    """A stop writes no replies that nobody reads."""
    with Control(configuration(service("echo"))) as control, contextlib.ExitStack() as stack:
        for _ in range(5):
            sock = stack.enter_context(control.greet())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for n in range(250):
                    sock.send(message("GetStatus", n + 1))
        assert control.is_well()
        start = time.monotonic()
        control.daemon.signal(signal.SIGTERM)
        assert control.daemon.wait_exit() == EX_OK
        assert time.monotonic() - start < PATIENCE / 3


def test_more_connections_than_served():
    """The 33rd waits until one of the others ends; nobody is refused; no cost meanwhile."""
    with Control(configuration(service("echo"))) as control:
        held = [control.greet() for _ in range(32)]
        for sock in held:  # or they would be closed after 2 s
            sock.sendall(message("GetStatus"))
            assert read_reply(sock)[0] == 2
        with control.connect() as waiting:
            waiting.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
            assert n_control_sockets(control) == 32
            assert control.run("--timeout=200ms", "status")[0] == EX_UNAVAILABLE
            assert control.daemon.is_serving()
            used = proc_cpu_seconds(control.daemon.pid)
            assert select.select([waiting], [], [], 0.5)[0] == []
            assert proc_cpu_seconds(control.daemon.pid) - used < 0.25
            held.pop().close()
            read_greeting(waiting)
            for sock in held:
                sock.sendall(message("GetStatus"))
                assert read_reply(sock)[0] == 2
                sock.close()
        assert wait_for(control.is_well)
        wait_for(lambda: n_control_sockets(control) == 0, what="all connections closed")


def test_flood_of_connections():
    """Thousands that come and go: none stays, and the services are served."""
    with Control(configuration(service("echo", **ONE))) as control:
        def come_and_go(_):
            for n in range(200):
                with control.connect() as sock:
                    if n % 2:
                        sock.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus"))

        fds = len(proc_fds(control.daemon.pid))
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            done = threads.map(come_and_go, range(8))
            for _ in range(20):
                assert control.daemon.is_serving()
            list(done)
        assert wait_for(control.is_well)
        wait_for(lambda: len(proc_fds(control.daemon.pid)) == fds, what="all connections closed")


def test_out_of_files():
    """No descriptor for a connection: it waits, the master does not spin, later it is served."""
    with Control(configuration(service("echo", **ONE))) as control:
        pid = control.daemon.pid
        n = len(proc_fds(pid))
        subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={n}:4096"], check=True)
        with control.connect() as sock:
            sock.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
            control.daemon.wait_log("cannot take a connection")
            used = proc_cpu_seconds(pid)
            assert select.select([sock], [], [], 0.5)[0] == []
            assert proc_cpu_seconds(pid) - used < 0.25
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=1024:4096"], check=True)
            read_greeting(sock)
        assert control.is_well()


def test_silent_peers_are_closed():
    """After 2 s without a whole call, the authentication included; after 30 s from call to call."""
    cut = message("GetStatus", body_size=1000)
    with Control(configuration(service("echo", **ONE))) as control:
        start = time.monotonic()
        mute = [control.connect(60), control.connect(60), control.greet(60), control.greet(60)]
        mute[1].sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
        mute[3].sendall(cut)
        once, calling = control.greet(60), control.greet(60)
        ended = {}
        once.sendall(message("GetStatus"))
        assert read_reply(once)[0] == 2
        once.sendall(cut)
        while len(ended) < 5 and time.monotonic() - start < 50:
            calling.sendall(message("GetStatus"))
            assert read_reply(calling)[0] == 2
            waiting = [s for s in (*mute, once) if s not in ended]
            for sock in select.select(waiting, [], [], 0.5)[0]:
                try:
                    gone = sock.recv(4096) == b""
                except ConnectionResetError:
                    gone = True
                if gone:
                    ended[sock] = time.monotonic() - start
        assert 25 < ended.pop(once) < 45
        assert len(ended) == 4 and all(1.9 < seconds < 15 for seconds in ended.values()), ended
        calling.sendall(message("GetStatus"))
        assert read_reply(calling)[0] == 2
        for sock in (*mute, once, calling):
            sock.close()
        assert control.is_well()


GREETING = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"


@pytest.mark.parametrize("begin, after_a_call", [
    (GREETING + message("GetStatus", body_size=127 << 20), False),
    (GREETING + struct.pack(">cBBBIII", b"B", 1, 0, 1, 127 << 20, 1, 0), False),
    (GREETING + struct.pack("<cBBBIII", b"l", 1, 0, 1, 0, 1, 63 << 20), False),
    (GREETING + struct.pack("<cBBBIII", b"l", 1, 0, 1, 0xffffffff, 1, 0xffffffff), False),
    (b"\0AUTH EXTERNAL ", False), (b"\0" + b"AUTH\r\n" * 100, False), (b"", False),
    (message("GetStatus", body_size=127 << 20), True)])
def test_memory_of_the_master(begin, after_a_call):
    """Issue 12: peers that send without end, whatever they begin with: some hundred KiB in all."""
    with Control(configuration(service("echo", **ONE))) as control:
        before = most = memory_kib(control.daemon.pid)
        peers = [control.greet() if after_a_call else control.connect() for _ in range(8)]
        for peer in peers:
            if after_a_call:
                peer.sendall(message("GetStatus"))
                assert read_reply(peer)[0] == 2
            peer.sendall(begin)
            peer.setblocking(False)
        end, data = time.monotonic() + PATIENCE, bytes(1 << 16)
        while peers and time.monotonic() < end:
            for peer in select.select([], peers, [], 0.1)[1]:
                try:
                    peer.send(data)
                except BlockingIOError:
                    pass
                except OSError:
                    peers.remove(peer)
            most = max(most, memory_kib(control.daemon.pid))
        assert not peers
        assert control.is_well()
        if not SANITIZED:
            assert most - before < 1024, f"{before} KiB, then {most}"


def test_message_in_pieces_and_in_a_row():
    """Calls byte by byte, and all at once behind the authentication, are answered in order."""
    calls = [message("GetStatus", n + 1) for n in range(20)]
    with Control(configuration(service("echo", **ONE))) as control:
        with control.connect() as sock:
            for byte in GREETING + calls[0]:
                sock.sendall(bytes([byte]))
            read_greeting(sock)
            assert read_reply(sock)[0] == 2
        with control.connect() as sock:
            sock.sendall(GREETING + b"".join(calls))
            read_greeting(sock)
            for n in range(20):
                kind, reply = read_reply(sock)
                assert kind == 2 and struct.pack("<I", n + 1) in reply[16:]


def test_signals_come_first():
    """A peer that calls without end does not keep a TERM or a worker's death waiting."""
    with Control(configuration(service("echo", **ONE))) as control, contextlib.ExitStack() as stack:
        stop = []

        def call_without_end():
            with contextlib.suppress(OSError), control.greet() as sock:
                serial = 0
                while not stop:
                    serial += 50
                    sock.sendall(b"".join(message("GetStatus", serial + n) for n in range(30)))
                    for _ in range(30):
                        if read_reply(sock)[0] is None:
                            return

        threads = stack.enter_context(concurrent.futures.ThreadPoolExecutor(4))
        stack.callback(stop.append, True)
        for _ in range(4):
            threads.submit(call_without_end)
        for _ in range(5):
            [worker] = control.daemon.wait_workers(1)
            os.kill(worker, signal.SIGKILL)
            control.daemon.wait_workers(lambda pids: len(pids) == 1 and pids != [worker])
            assert control.daemon.is_serving()
        control.daemon.signal(signal.SIGTERM)
        assert control.daemon.wait_exit() == EX_OK
