# SPDX-License-Identifier: MIT
"""What make prints, and what `make run` does: tools/run, which serves until it is told to stop."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import termios

import pytest

from documents import TOP
from harness import BUILD, EX_OK, PATIENCE, Tcpd, configuration, free_port, process_tree
from harness import service, wait_for

EX_UNAVAILABLE = 69
KEPT = {name: value for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "LISTEN_")) and name != "V"}


# --- What it prints ----------------------------------------------------------------------------

@pytest.fixture
def make(tmp_path):
    """make(WORD...) in a copy of the sources with nothing built; what it prints."""
    for name in ("Makefile", "src", "systemd"):
        path = TOP / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / name)

    def call(*words):
        return subprocess.run(["make", "CC=gcc", "SANITIZE=", "STAGE=", *words], cwd=tmp_path, env=KEPT,
                              check=True, stdout=subprocess.PIPE, text=True).stdout
    return call


def test_make_is_quiet(make):
    """A short line for each thing that is made; nothing where nothing is to do; with -s none."""
    said = make("build/src/base/timespan.o", "build/src/base/escape.o")
    assert sorted(said.splitlines()) == ["  CC   src/base/escape.o", "  CC   src/base/timespan.o"]
    assert "CC" not in make("build/src/base/timespan.o")
    assert make("units").splitlines()[:1] == ["  GEN  build/systemd/tcpd.socket"]
    assert make("-s", "build/src/base/spelling.o") == ""


def test_make_prints_all(make):
    said = make("V=1", "build/src/base/timespan.o")
    assert re.fullmatch(r"gcc -std=gnu17 .* -c -o build/src/base/timespan\.o src/base/timespan\.c\n",
                        said)
    assert make("V=0", "build/src/base/escape.o") == "  CC   src/base/escape.o\n"


def test_what_has_paths_is_made_anew(make):
    """Another CONFDIR or PREFIX is compiled into what names such paths, and into nothing else."""
    def compiled(*words):
        said = make("build/src/ctl/instance.o", "build/src/base/timespan.o", *words)
        return [line.split()[1] for line in said.splitlines() if line.startswith("  CC ")]

    user = ["HOME=/home/you", "PREFIX=/home/you/.local"]
    assert len(compiled()) == 2 and compiled() == []
    assert compiled("CONFDIR=/srv/tcpd") == ["src/ctl/instance.o"]
    assert compiled("CONFDIR=/srv/tcpd") == []
    assert compiled(*user) == ["src/ctl/instance.o"] and compiled(*user) == []
    assert compiled() == ["src/ctl/instance.o"]


# --- make run ----------------------------------------------------------------------------------

class Run:
    """`make run`, its last line, with a terminal of its own where that is wanted."""

    def __init__(self, directory, *services, terminal=False):
        self.far = None
        conf = directory / "run.conf"
        conf.write_text(configuration(*services))
        self.log = directory / "said"
        options = {"stdin": subprocess.DEVNULL, "start_new_session": True}
        if terminal:
            self.far, near = pty.openpty()
            options = {"stdin": near, "preexec_fn": lambda: (
                os.setsid(), fcntl.ioctl(near, termios.TIOCSCTTY, 0))}
        with open(self.log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen([TOP / "tools/run", BUILD / "tcpd", conf, directory / "control"],
                                            env=KEPT, stdout=file, stderr=file, **options)
        if terminal:
            os.close(near)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tree = process_tree(self.process.pid)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        if self.far is not None:
            os.close(self.far)

    def said(self):
        return self.log.read_text()

    def wait_banner(self):
        wait_for(lambda: "Ctrl-C stops it.\n" in self.said(), what="the banner")
        return self

    def wait_end(self):
        self.process.wait(PATIENCE)
        return self.process.returncode, self.said()


def test_run_says_what_to_try_when_it_is_ready(tmp_path):
    """The banner comes once, behind "ready"; HUP reloads, TERM stops, and no line is lost."""
    with Run(tmp_path, service("echo")) as run:
        said = run.wait_banner().said()
        assert said.index("ready: ") < said.index("Try, from another terminal:")
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: re.search("tcpd: .*generation 2|tcpd: reloaded", run.said()), what="a reload")
        run.process.terminate()
        status, said = run.wait_end()
        assert status == EX_OK and said.endswith("tcpd: stopped\n"), said
        assert said.count("Ctrl-C stops it.") == 1


def test_run_names_the_other_tcpd(tmp_path):
    """Who has its ports already; and there is no banner."""
    port = free_port()
    taken = configuration(service("echo", listen=[f"127.0.0.1:{port}"]))
    with Tcpd(taken).wait_ready() as other:
        for _ in range(5):  # who it is is looked for as long as two seconds
            with Run(tmp_path, service("echo", listen=[f"127.0.0.1:{port}"])) as run:
                status, said = run.wait_end()
            assert status == EX_UNAVAILABLE and "Try, from" not in said
            if "another program listens there" not in said:
                break
        assert f"another tcpd, process {other.pid}, listens there" in said, said
        assert other.is_serving()


def test_run_ends_with_its_terminal(tmp_path):
    """Ctrl-C stops it."""
    with Run(tmp_path, service("echo"), terminal=True) as run:
        run.wait_banner()
        os.write(run.far, b"\3")
        status, said = run.wait_end()
        assert status == EX_OK and said.endswith("tcpd: stopped\n"), said


def test_run_drains_when_its_terminal_is_closed(tmp_path):
    with Run(tmp_path, service("echo"), terminal=True) as run:
        run.wait_banner()
        os.close(run.far)
        run.far = None
        status, said = run.wait_end()
        assert status == EX_OK and said.endswith("tcpd: stopping: draining\ntcpd: stopped\n"), said
