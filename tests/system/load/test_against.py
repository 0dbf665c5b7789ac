# SPDX-License-Identifier: MIT
"""What `make bench-against` says: its verdicts on given values, and commits it cannot measure."""

import functools
import operator
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import BUILD, PATIENCE

TOP = Path(__file__).resolve().parents[3]
BENCH = TOP / "tests/bench"
sys.path.append(str(BENCH))

import judge  # noqa: E402
import revision  # noqa: E402
from crowd import CrowdTcpd  # noqa: E402
from servers import BenchError, Tcpd  # noqa: E402

SPEED = functools.partial(judge.Figure, "speed", "/s", limit=0.97)
CPU = functools.partial(judge.Figure, "CPU", "us", limit=1.01)
MEMORY = functools.partial(judge.Figure, "memory", "KiB", limit=1, compare=operator.sub)


def sets(today, other, spread=0.0, n=9):
    """Of one round each: the copy of today's build is up to `spread` away from it."""
    return [[(today, other, today + spread * (i - n // 2) / (n // 2))] for i in range(n)]


@pytest.mark.parametrize("figure, values, expected", [
    (SPEED, sets(100, 100), "ok"),
    (SPEED, sets(97.5, 100), "ok"),
    (SPEED, sets(150, 100), "ok"),
    (SPEED, sets(96, 100), "WORSE"),
    (SPEED, sets(96, 100, spread=1), "WORSE"),
    (SPEED, sets(96, 100, spread=20), "within noise"),
    (SPEED, sets(96, 100, n=judge.FEWEST - 1), "within noise"),
    (CPU, sets(100.5, 100), "ok"),
    (CPU, sets(50, 100), "ok"),
    (CPU, sets(102, 100), "WORSE"),
    (CPU, sets(102, 100, spread=20), "within noise"),
    (MEMORY, sets(301, 300), "ok"),
    (MEMORY, sets(200, 300), "ok"),
    (MEMORY, sets(302, 300), "WORSE"),
    (MEMORY, sets(302, 300, spread=20), "within noise"),
])
def test_verdict(figure, values, expected):
    assert figure(values).verdict() == expected


def test_one_set_far_off_does_not_decide():
    assert SPEED([*sets(100, 100), [(10, 100, 100)]]).verdict() == "ok"


def test_row_has_its_worst_verdict():
    bad, noisy = SPEED(sets(90, 100)), CPU(sets(102, 100, spread=20))
    assert judge.verdict([bad, noisy]) == "WORSE: speed"
    assert judge.verdict([SPEED(sets(100, 100)), noisy]) == "within noise: CPU"
    assert judge.verdict([SPEED(sets(100, 100))]) == "ok"


@pytest.fixture
def commit(tmp_path, monkeypatch):
    """Commits a Makefile to a repository that revision.py takes for its own."""
    monkeypatch.setattr(revision, "TOP", tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    git = "git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@localhost"
    subprocess.run([*git, "init", "--quiet"], check=True)

    def make(recipe):
        (tmp_path / "Makefile").write_text(f"all: ; {recipe}\n")
        subprocess.run([*git, "add", "Makefile"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", recipe], check=True)
        return revision.find("HEAD")
    return make


def test_commit_is_unpacked_once(commit, tmp_path):
    found = commit("mkdir -p build && touch build/tcpd")
    tree = tmp_path / "against" / found
    revision.build(found, tree.parent)
    (tree / "mark").touch()
    revision.build(found, tree.parent)
    assert (tree / "mark").exists() and (tree / "build/tcpd").exists()


def test_commit_as_it_was_is_built(commit, tmp_path):
    old = commit("mkdir build && echo old >build/tcpd")
    commit("mkdir build && echo new >build/tcpd")
    revision.build(old, tmp_path / "against")
    assert (tmp_path / "against" / old / "build/tcpd").read_text() == "old\n"


@pytest.mark.parametrize("recipe, expected", [
    ("@echo 'main.c:1:2: error: no such thing'; false", "main.c:1:2: error: no such thing"),
    ("@false", "***"),
    ("@true", "no build/tcpd"),
])
def test_commit_that_does_not_build(commit, tmp_path, recipe, expected):
    found = commit(recipe)
    with pytest.raises(BenchError, match=f"^{found} does not build: ") as caught:
        revision.build(found, tmp_path / "against")
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_warnings_are_no_errors(commit, tmp_path, monkeypatch):
    for name in ("WERROR", "CI"):
        monkeypatch.setenv(name, "1")
    found = commit("@mkdir build && echo '[$(WERROR)$(CI)]' >build/tcpd")
    revision.build(found, tmp_path / "against")
    assert (tmp_path / "against" / found / "build/tcpd").read_text() == "[]\n"


@pytest.mark.parametrize("name", ["no-such-commit", "", "--all", "HEAD~100000"])
def test_unknown_commit(commit, name):
    commit("@true")
    with pytest.raises(BenchError, match="there is no such commit here"):
        revision.find(name)


def test_unknown_commit_ends_with_status_2(tmp_path):
    done = subprocess.run([sys.executable, BENCH / "against.py", tmp_path, "no-such-commit"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("bench-against: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", [Tcpd, functools.partial(CrowdTcpd, least=2)])
def test_the_daemon_is_found(kind):
    """As each row of the bench starts it."""
    with kind(BUILD) as server, \
            socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
