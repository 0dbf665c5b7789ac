# SPDX-License-Identifier: MIT
"""`tcpdctl metrics`: what is counted is exact, survives workers, and never falls; the formats are
those that Prometheus reads."""

import collections
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import (BUILD, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, SANITIZED, configuration,
                     proc_children, proc_state, read_all, read_exactly, service, wait_for)
from programs import ACCEPTS, listener, write_python

TCPDCTL = BUILD / "tcpdctl"
EX_CANTCREAT = 73
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (prometheus)")
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? ([0-9.]+)')
HISTOGRAMS = "session_duration", "accept_wait", "first_reply"


@pytest.fixture
def control(tmp_path):
    """The path of a control socket."""
    return tmp_path / "control"


def ask(control, *options):
    done = subprocess.run([TCPDCTL, "-s", control, *options, "metrics"], capture_output=True,
                          text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def waited_usec(control, sock):
    """How long that client has waited to be accepted."""
    done = subprocess.run([TCPDCTL, "-s", control, "--json", "--waiting", "sessions"],
                          capture_output=True, text=True, timeout=PATIENCE, check=True)
    name = "%s:%u" % sock.getsockname()
    return max([row.get("waiting_usec", 0) for row in json.loads(done.stdout)["waiting"]
                if row["peer"] == name], default=0)


class Metrics(dict):
    """{(name, service, other label's value or None): number}"""

    def __init__(self, control):
        super().__init__()
        code, self.text, err = ask(control)
        assert (code, err) == (EX_OK, "")
        for line in self.text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, number = SAMPLE.fullmatch(line).groups()
            found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
            found.pop("listener", None)
            key = name, found.pop("service", None), next(iter(found.values()), None)
            assert key not in self and len(found) <= 1
            self[key] = float(number)

    def of(self, name, of="echo", label=None):
        return self[f"tcpd_{name}", of, label]

    def results(self, of="echo"):
        return {label: int(n) for (name, each, label), n in self.items()
                if name == "tcpd_sessions_total" and each == of and n}

    def count(self, histogram, of="echo"):
        """All that were counted there; the last bucket has as many."""
        n = self.of(f"{histogram}_seconds_count", of)
        assert n == self.of(f"{histogram}_seconds_bucket", of, "+Inf")
        return n


def settled(control, n, of="echo"):
    """The metrics when n sessions of it have ended."""
    wait_for(lambda: sum(Metrics(control).results(of).values()) >= n, what=f"{n} sessions")
    return Metrics(control)


def converse(daemon, data=b"hello", name="echo"):
    with daemon.connect(name) as sock:
        sock.sendall(data)
        assert read_exactly(sock, len(data)) == data


def test_figures(tcpd, control):
    """What comes, what leaves, how it ends, how long it took."""
    conf = configuration(service("echo", first_byte_timeout="200ms", **ONE),
                         service("hello", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        for _ in range(5):
            converse(daemon)
        with daemon.connect("echo") as sock:
            assert sock.recv(1) == b""
        found = settled(control, 6)
        assert found.results() == {"ok": 5, "first_byte_timeout": 1}
        assert found.of("sessions_begun_total") == 6
        assert found.of("received_bytes_total") == found.of("sent_bytes_total") == 25
        assert [found.count(each) for each in HISTOGRAMS[::2]] == [6, 5]
        assert found.of("session_duration_seconds_bucket", label="0.1") == 5
        assert 0.2 < found.of("session_duration_seconds_sum") < 2
        assert found.of("workers_maximum") == found.of("workers", label="idle") == 1
        assert found.results("hello") == {}
        assert found["tcpd_state", None, "running"] == 1 and found["tcpd_generation", None, None] == 1
        daemon.reload()
        found = Metrics(control)
        assert found["tcpd_reloads_total", None, "done"] == 1
        assert found["tcpd_generation", None, None] == 2
        assert found.results() == {"ok": 5, "first_byte_timeout": 1}


def test_live_bytes(tcpd, control):
    """Those of a session that goes on are counted already; it has begun, and not ended."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        with daemon.connect("echo") as sock:
            sock.sendall(b"x" * 1000)
            assert read_exactly(sock, 1000) == b"x" * 1000
            found = Metrics(control)
            assert found.of("received_bytes_total") == found.of("sent_bytes_total") == 1000
            assert found.of("sessions_begun_total") == 1 and found.results() == {}
            assert found.of("workers", label="busy") == 1


def test_waiting(tcpd, control):
    """All workers are busy, and clients wait: how many, how long that lasts, and for how long the
    next one has waited."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        with daemon.connect("echo") as first:
            first.sendall(b"x")
            assert read_exactly(first, 1) == b"x"
            waiting = [daemon.connect("echo") for _ in range(16)]
            wait_for(lambda: Metrics(control).of("queue_connections") == 16, what="16 wait")
            wait_for(lambda: Metrics(control).of("pool_at_maximum_seconds_total") > 0.5,
                     what="half a second at the maximum")
        for number, sock in enumerate(waiting, 2):  # whose end must not come before its turn
            wait_for(lambda: Metrics(control).of("sessions_begun_total") == number, what="its turn")
            sock.close()
        found = settled(control, 17)
        assert found.of("queue_connections") == 0
        assert found.of("accept_wait_seconds_sum") > 16 * 0.3
        assert found.count("accept_wait") == 17
        assert found.of("accept_wait_seconds_bucket", label="0.2") == 1  # the first one
        before = found.of("pool_at_maximum_seconds_total")
        converse(daemon)
        assert Metrics(control).of("pool_at_maximum_seconds_total") < before + 0.5


def test_workers_that_become_free_at_once(tcpd, control):
    """Four sessions end at the same moment, and six clients have waited: none of them for nothing."""
    four = {"min_workers": 4, "max_workers": 4, "spare_workers": 0}
    conf = configuration(service("echo", **four), control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        held = [stack.enter_context(daemon.connect("echo")) for _ in range(4)]
        for sock in held:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        waiting = [stack.enter_context(daemon.connect("echo")) for _ in range(6)]
        wait_for(lambda: Metrics(control).of("pool_at_maximum_seconds_total") > 0.5, what="half a second")
        for sock in waiting:
            sock.sendall(b"y")
            sock.shutdown(socket.SHUT_WR)
        for sock in held:
            sock.close()
        for sock in waiting:
            assert read_all(sock) == b"y"
        found = settled(control, 10)
        assert found.count("accept_wait") == 10
        assert found.of("accept_wait_seconds_bucket", label="0.2") == 4


@pytest.mark.parametrize("before", ["a refused client", "its start"])
def test_workers_that_have_idle_ones_beside_them(tcpd, control, before):
    """A client has waited, though the worker that meets it is one of two idle ones: that has
    refused somebody just now, or this is its first session."""
    refuses = before == "a refused client"
    pair = {"min_workers": 2, "max_workers": 2, "spare_workers": 0, "deny": "127.0.0.2"}
    with tcpd(configuration(service("echo", **pair), control=f"unix:{control}")) as daemon:
        workers = daemon.wait_workers(2)
        if refuses:
            with daemon.connect("echo") as one, daemon.connect("echo") as other:
                for sock in one, other:  # each of the workers has one
                    sock.sendall(b"x")
                    assert read_exactly(sock, 1) == b"x"
            settled(control, 2)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
            wait_for(lambda: proc_state(worker) == "T", what="a frozen worker")
        with contextlib.ExitStack() as stack:
            if refuses:
                stack.enter_context(daemon.connect("echo", source=("127.0.0.2", 0)))
            sock = stack.enter_context(daemon.connect("echo"))
            wait_for(lambda: waited_usec(control, sock) > 500000, what="half a second")
            os.kill(workers[0], signal.SIGCONT)
            sock.sendall(b"y")
            assert read_exactly(sock, 1) == b"y"
        os.kill(workers[1], signal.SIGCONT)
        found = settled(control, 2 * refuses + 1)
        assert found.of("accept_wait_seconds_sum") > 0.5


class Watcher:
    """Reads again and again, and sees that no total falls."""

    TOTALS = re.compile(r"_(total|bucket|count|sum)$")

    def __init__(self, control):
        self.control, self.over, self.n, self.fallen = control, threading.Event(), 0, []
        self.last = collections.defaultdict(float)
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def look(self):
        found = Metrics(self.control)
        self.n += 1
        for key, number in found.items():
            if self.TOTALS.search(key[0]):
                if number < self.last[key]:
                    self.fallen.append((key, self.last[key], number))
                self.last[key] = number

    def watch(self):
        try:
            while not self.over.is_set():
                self.look()
        except Exception as error:  # for the tests to see
            self.fallen.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(PATIENCE)


def test_exact_while_workers_come_and_go(tcpd, control):
    """A3, A4: each session is counted once, whatever becomes of its worker; nothing ever falls."""
    settings = {"min_workers": 4, "spare_workers": 2, "max_workers": 16,
                "max_sessions_per_worker": 3}
    conf = configuration(service("echo", **settings), control=f"unix:{control}")
    n, threads = [0] * 4, []
    over = threading.Event()

    def load(number):
        while not over.is_set():
            converse(daemon, b"0123456789")
            n[number] += 1
    with tcpd(conf) as daemon, Watcher(control) as watcher, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        for number in range(len(n)):
            threads.append(threading.Thread(target=load, args=(number,)))
            threads[-1].start()
        for _ in range(10):
            daemon.reload()
        wait_for(lambda: sum(n) > (50 if SANITIZED else 500) and watcher.n > 5 or watcher.fallen,
                 deadline=90, what=lambda: f"{sum(n)} sessions, {watcher.n} looks: enough of them")
        assert watcher.fallen == []
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
        found = settled(control, sum(n))
        assert found.results() == {"ok": sum(n)}
        assert found.of("sessions_begun_total") == sum(n)
        assert found.of("received_bytes_total") == found.of("sent_bytes_total") == 10 * sum(n)
        assert [found.count(each) for each in HISTOGRAMS[::2]] == [sum(n)] * 2
        assert found.of("worker_exits_total", label="retired") > sum(n) / 4
    assert watcher.n > 5 and watcher.fallen == []


def test_killed_workers(tcpd, control):
    """Sessions of killed workers have begun and not ended; what they have counted before stays."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        for i in range(1, 6):
            converse(daemon)
            settled(control, i)
            [worker] = daemon.workers()
            with daemon.connect("echo") as sock:
                sock.sendall(b"cut")
                assert read_exactly(sock, 3) == b"cut"
                os.kill(worker, signal.SIGKILL)
                with contextlib.suppress(ConnectionError):
                    assert sock.recv(1) == b""
            wait_for(lambda: Metrics(control).of("worker_exits_total", label="killed") == i,
                     what="death")
        found = Metrics(control)
        assert found.results() == {"ok": 5}
        assert found.of("sessions_begun_total") == 10
        assert found.of("received_bytes_total") == 5 * 5 + 5 * 3
        assert found.of("worker_starts_total") >= 6


def test_names_that_need_escapes(tcpd, control, tmp_path):
    """A listener's path is the only free text."""
    path = tmp_path / 'a"b{c}<d>&'
    with tcpd(configuration(service("echo", listen=f"unix:{path}"),
                            control=f"unix:{control}")):
        text = Metrics(control).text
    assert f'listener="unix:{tmp_path}/a\\"b{{c}}<d>&"' in text


def test_strict_readers(tcpd, control):
    """A9: the parser of OpenMetrics that Prometheus' own client has."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser",
                                 reason="no python3-prometheus-client")
    with tcpd(configuration(service("echo"), service("hello"), control=f"unix:{control}")) as daemon:
        converse(daemon)
        code, text, err = ask(control, "--openmetrics")
        assert (code, err) == (EX_OK, "")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert families["tcpd_sessions"].type == "counter"
    assert families["tcpd_state"].type == "stateset" and families["tcpd_build"].type == "info"
    assert families["tcpd_session_duration_seconds"].unit == "seconds"
    assert len(families) == text.count("# TYPE ") == text.count("# HELP ")


@PROMTOOL
def test_promtool(tcpd, control):
    """A9: it reads the text format, and has nothing to say."""
    with tcpd(configuration(service("echo"), control=f"unix:{control}")):
        text = Metrics(control).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_file(tcpd, control, tmp_path):
    """Replaced at once, for everybody to read; without a daemon it says so."""
    output = tmp_path / "tcpd.prom"
    with tcpd(configuration(service("echo"), control=f"unix:{control}")):
        assert ask(control, "--output", str(output)) == (EX_OK, "", "")
        assert "tcpd_up 1\n" in output.read_text() and output.stat().st_mode & 0o777 == 0o644
    code, out, err = ask(control, "--output", str(output))
    assert (code, out) == (EX_OK, "") and "cannot connect" in err
    assert output.read_text().endswith("\ntcpd_up 0\n")
    assert ask(control)[0] == EX_UNAVAILABLE
    code, _, err = ask(control, "--output", str(tmp_path / "none" / "file"))
    assert code != EX_OK and f"cannot write {tmp_path}/none/file: No such file" in err
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(output)
    for other in tmp_path, tmp_path / "fifo", tmp_path / "link":  # or /dev/null would be one no more
        code, _, err = ask(control, "--output", str(other))
        assert code == EX_CANTCREAT and err.endswith("it is no regular file, and would be replaced\n")
    assert (tmp_path / "fifo").is_fifo() and (tmp_path / "link").is_symlink()
    for name in "fifo", "link":
        (tmp_path / name).unlink()
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "control") == ["tcpd.prom"]


def test_a_program_that_accepts(tcpd, control, tmp_path):
    """Nobody knows how busy its copies are: it is at no maximum. Those that are told to end are
    drained, not killed; one that somebody kills is."""
    script = write_python(tmp_path / "accepts", ACCEPTS)
    with tcpd(configuration(listener(script, min_workers=2), control=f"unix:{control}")) as daemon:
        def exits():
            return {reason: int(n) for (name, _, reason), n in Metrics(control).items()
                    if name == "tcpd_worker_exits_total" and n}

        for words in ["pause"], ["resume"], ["resize", "program", "min=1"]:
            assert subprocess.run([TCPDCTL, "-s", control, *words], stdout=subprocess.DEVNULL,
                                  timeout=PATIENCE).returncode == EX_OK
            n = {"pause": 0, "resume": 2, "resize": 1}[words[0]]
            wait_for(lambda n=n: len(proc_children(daemon.pid)) == n, what=f"{n} copies")
        wait_for(lambda: exits() == {"drained": 3}, what=lambda: f"three drained: {exits()}")
        worker, = proc_children(daemon.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: exits() == {"drained": 3, "killed": 1}, what=lambda: f"one killed: {exits()}")
        assert Metrics(control).of("pool_at_maximum_seconds_total", "program") == 0
        table = subprocess.run([TCPDCTL, "-s", control, "top"], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
        names, row = (line.split() for line in table.splitlines()[2:4])
        assert row[names.index("BUSY%")] == "-" and "%" not in " ".join(row)


@pytest.mark.parametrize("words", [("status", "--openmetrics"), ("status", "--output", "x"),
                                   ("metrics", "--output", ""), ("metrics", "--json"),
                                   ("metrics", "echo")])
def test_usage(words):
    done = subprocess.run([TCPDCTL, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == EX_USAGE and done.stderr.startswith("tcpdctl: ")
