# SPDX-License-Identifier: MIT
"""`tcpdctl top`: on a terminal of any size, without one, with a daemon that leaves, hangs and comes
back."""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (BUILD, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, configuration,
                     proc_cpu_seconds, proc_state, read_exactly, service, wait_for)
from terminal import Terminal

TCPDCTL = BUILD / "tcpdctl"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}


@pytest.fixture
def control(tmp_path):
    """The path of a control socket."""
    return tmp_path / "control"


def two(control):
    return configuration(service("echo", **ONE), service("quiz", "hello", min_workers=2,
                                                         max_workers=8, spare_workers=1),
                         control=f"unix:{control}")


def command(control, *words):
    return [TCPDCTL, "-s", control, *words, "top"]


def lines_of(control, *words, **options):
    """(exit status, standard output, standard error) without a terminal."""
    options = {"stdout": subprocess.PIPE} | options
    done = subprocess.run(command(control, *words), stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE, **options)
    return done.returncode, done.stdout, done.stderr


def look(control, *words, **options):
    code, out, err = lines_of(control, *words, **options)
    assert (code, err) == (EX_OK, "")
    return out


def cells(text, of="echo"):
    """A row of the last table as a dictionary, by the names of its columns."""
    table = text[text.rindex("SERVICE"):].splitlines()
    names = re.split(r" {2,}", table[0])
    [row] = [line.split() for line in table[1:] if line.split()[:1] == [of]]
    return dict(zip(names, row))


@contextlib.contextmanager
def busy(daemon, name="echo"):
    """A session that goes on."""
    with daemon.connect(name) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        yield sock


# --- Lines -------------------------------------------------------------------------------------

def test_once(tcpd, control):
    """Without a terminal: once, since the start."""
    with tcpd(two(control)) as daemon, busy(daemon), daemon.connect("echo"):
        wait_for(lambda: cells(look(control))["QUEUE"].startswith("1/"), what="one waits")
        out = look(control)
        lines = out.splitlines()
        assert re.match(r"tcpd [\d.]+: running, up [\d.]+s, generation 1 \| [\d.<]+ sessions/s \| "
                        r"1 of 3 workers busy \| 1 waiting \| \d\d:\d\d:\d\d$", lines[0]), lines[0]
        assert lines[1] == "" and lines[2].startswith("SERVICE  LISTENER")
        assert [line.split()[0] for line in lines[3:]] == ["echo", "quiz", "total"]
        echo = cells(out)
        assert echo["LISTENER"] == "127.0.0.1:%d" % daemon.ports["echo"]
        assert (echo["BUSY"], echo["MAX"], echo["BUSY%"]) == ("1", "1", "100%")
        assert cells(out, "quiz")["MAX"] == "8" and cells(out, "quiz")["50%"] == "-"
        out = subprocess.run([*command(control), "quiz"], capture_output=True, text=True,
                             timeout=PATIENCE, check=True).stdout
        assert len(out.splitlines()) == 4 and "echo" not in out


def test_rates(tcpd, control):
    """Between two looks, and not before: sessions, bytes, how long they took."""
    with tcpd(two(control)) as daemon:
        for _ in range(100):
            daemon.exchange("echo", b"x")
        process = subprocess.Popen(command(control, "-b", "-n", "2", "-d", "1s"), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   env={**os.environ, "LC_ALL": "C"})
        first = "".join(iter(process.stdout.readline, "\n")) + "".join(
            itertools.islice(process.stdout, 4))
        start = time.monotonic()
        for _ in range(20):
            assert daemon.exchange("echo", b"0123456789") == b"0123456789"
        in_time = time.monotonic() - start < 0.9
        second = process.stdout.read()
        assert process.wait(PATIENCE) == EX_OK
    assert float(cells(first)["RATE"].replace("K", "")) > 0
    echo = cells(second)
    if in_time:  # else some of them were too late
        seconds = 20 / float(echo["RATE"])
        assert 0.9 < seconds < PATIENCE
        assert abs(float(echo["IN/s"]) - 200 / seconds) < 20
        assert echo["IN/s"] == echo["OUT/s"]
    assert re.fullmatch(r"<=[\d.]+m?s", echo["50%"]) and echo["FAILED/s"] == "0"
    assert cells(second, "quiz")["RATE"] == "0" and cells(second, "quiz")["99%"] == "-"


def test_looks_without_end(tcpd, control):
    """In batch mode it goes on until it is ended, and ends when nobody reads."""
    with tcpd(two(control)):
        process = subprocess.Popen(command(control, "-b", "-d", "100ms"), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with process.stdout:
            for _ in range(5):
                assert any(line.startswith("total") for line in process.stdout)
        assert process.wait(PATIENCE) == -signal.SIGPIPE


@pytest.mark.parametrize("words", [(), ("-b", "-n", "1"), ("-b",)])
def test_full_disk(tcpd, control, words):
    with tcpd(two(control)), open("/dev/full", "w") as full:
        code, _, err = lines_of(control, *words, stdout=full)
        assert (code, err) == (os.EX_IOERR,
                               "tcpdctl: cannot write to standard output: No space left on device\n")


def test_character_sets(tcpd, control, tmp_path):
    """A terminal of UTF-8, and one that is none; a path that has other letters is the daemon's text."""
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/café"), control=f"unix:{control}")
    with tcpd(conf):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{tmp_path}/café")
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        for locale, sign in (("C.UTF-8", "≤"), ("C", "<=")):
            env = {**os.environ, "LC_ALL": locale}
            wait_for(lambda: sign in look(control, env=env), what="a percentile")
            out = look(control, env=env)
            name = "café" if locale == "C.UTF-8" else "caf?"
            assert f"{tmp_path}/{name} " in out and out.isascii() == (locale == "C")
            with Terminal(command(control), LC_ALL=locale, columns=200) as screen:
                screen.wait(re.escape(f"/{name} ") + ".*" + sign)
                screen.press("q")
                assert screen.end() == EX_OK
                assert ("≤".encode() in screen.raw) == (locale != "C")


def test_no_daemon(control):
    for words in ((), ("-b",)):
        code, out, err = lines_of(control, *words)
        assert (code, out) == (EX_UNAVAILABLE, "") and "cannot connect" in err
    with Terminal(command(control)) as screen:
        assert screen.process.wait(PATIENCE) == EX_UNAVAILABLE
        assert b"cannot connect" in screen.process.stderr.read()
        screen.thread.join(PATIENCE)
        assert screen.raw == b""


@pytest.mark.parametrize("words, wrong", [
    (("-d", "99ms", "top"), "--delay takes a time from 100ms to 1h, not 99ms"),
    (("-d", "61min", "top"), "--delay"), (("-d", "x", "top"), "--delay"),
    (("-d", "-1", "top"), "--delay"),
    (("-n", "0", "top"), "--count takes a number from 1 to 999999999, not 0"),
    (("-n", "-1", "top"), "--count"), (("-n", "1234567890", "top"), "--count"),
    (("-n", "1x", "top"), "--count"), (("-n", "", "top"), "--count"),
    (("-b", "status"), "are for top only"), (("--delay=1s", "metrics"), "are for top only"),
    (("top", "echo", "quiz"), "write: tcpdctl top [SERVICE]"),
    (("--json", "top"), "--json is for")])
def test_usage(words, wrong):
    done = subprocess.run([TCPDCTL, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (EX_USAGE, "") and wrong in done.stderr


def test_no_such_service(tcpd, control):
    with tcpd(two(control)):
        done = subprocess.run([*command(control), "ech"], capture_output=True, text=True,
                              timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'tcpdctl: there is no service "ech"\n'


# --- The screen ----------------------------------------------------------------------------------

@contextlib.contextmanager
def shown(control, *words, **options):
    with Terminal(command(control, "-d", "100ms", *words), **options) as screen:
        screen.wait(r"^SERVICE ")
        yield screen
        if screen.process.poll() is None:
            screen.press("q")
        assert screen.end() == EX_OK and screen.is_as_before()


def test_screen(tcpd, control):
    """What happens is on the screen soon; a session, its end, one that waits."""
    with tcpd(two(control)) as daemon, shown(control) as screen:
        screen.wait(r"^echo +127\.0\.0\.1:%d +0 +1 +0%% " % daemon.ports["echo"])
        with busy(daemon):
            screen.wait(r"^echo .* 1 +1 +100% ")
            with daemon.connect("echo"):
                screen.wait(r"^echo .* 1/\d+ ")
                screen.wait(r"1 of 3 workers busy \| 1 waiting")
        screen.wait(r"^echo .* 0 +1 +0% ")
        screen.wait(r"^every 100ms$")
        screen.wait(r"\nq quit  space pause.*\Z")


def test_keys(tcpd, control):
    with tcpd(two(control)) as daemon, shown(control) as screen:
        screen.press("ss")
        screen.wait(r"^every 100ms, by rate$")
        screen.press("/QUI")
        screen.wait(r"^Only what has: QUI_$")
        wait_for(lambda: not re.search("^echo ", screen.text(), re.M), what="no echo")
        screen.wait(r"^quiz ")
        screen.press("\r")
        screen.wait(r'^every 100ms, by rate, only "QUI"$')
        screen.press("\x1b")
        screen.wait(r"^echo ")
        screen.press("w")
        screen.wait(r"^SERVICE .* STARTING +DRAINING ")
        screen.wait(r"^quiz .* 2 +1 +8 +0% ")
        screen.press("wt")
        screen.wait(r"^every 100ms, since the start, by rate$")
        screen.press("h")
        screen.wait(r"^Press any key\.$")
        assert "SERVICE" not in screen.text()
        screen.press("x")
        screen.wait(r"^SERVICE .* RATE ")
        screen.press(" ")
        screen.wait(r"^paused, since the start, by rate$")
        with busy(daemon):
            assert cells(look(control))["BUSY"] == "1"
            screen.press("r")
            screen.wait(r"^paused, since the start, by rate, reversed$")
            assert re.search(r"0 of 3 workers busy", screen.text())
            screen.press(" ")
            screen.wait(r"1 of 3 workers busy")


def test_sorting(tcpd, control):
    """The one with most is on top."""
    with tcpd(two(control)) as daemon, shown(control) as screen, busy(daemon):
        def order():
            return re.findall(r"^(echo|quiz) ", screen.text(), re.M)
        screen.press("s")
        wait_for(lambda: order() == ["echo", "quiz"], what="by busy")
        screen.press("r")
        wait_for(lambda: order() == ["quiz", "echo"], what="reversed")


def test_many_pools(tcpd, control):
    """More than the screen has lines: the names of the columns stay, the rest moves."""
    names = [f"s{number:02}" for number in range(30)]
    conf = configuration(*(service(name, "echo", **ONE) for name in names),
                         control=f"unix:{control}")
    with tcpd(conf), shown(control, rows=15) as screen:
        def on_screen():
            return re.findall(r"^(s\d\d|total) ", screen.text(), re.M)
        screen.press("l")  # services alone
        wait_for(lambda: len(on_screen()) == 11, what=screen.text)
        assert on_screen() == names[:11]
        screen.press("\x1bB")
        wait_for(lambda: on_screen() == names[1:12], what=screen.text)
        screen.press("\x1bA\x1bA")
        wait_for(lambda: on_screen() == names[:11], what=screen.text)
        screen.press("\x1bB" * 100)
        wait_for(lambda: on_screen() == [*names[20:], "total"], what=screen.text)
        assert re.search("^SERVICE ", screen.text(), re.M)
        screen.resize(40, 120)
        wait_for(lambda: on_screen() == [*names, "total"], what=screen.text)


@pytest.mark.parametrize("rows, columns", [(1, 1), (0, 0), (2, 5), (5, 2), (3, 200), (200, 3),
                                           (200, 220)])
def test_sizes(tcpd, control, rows, columns):
    """It starts in any size, and may be given any."""
    with tcpd(two(control)):
        with Terminal(command(control, "-d", "100ms"), rows=rows, columns=columns) as screen:
            wait_for(lambda: screen.raw, what="a character")
            screen.resize(24, 80)
            screen.wait(r"^SERVICE .* QUEUE ")
            assert max(map(len, screen.text().splitlines())) <= 80
            screen.resize(rows, columns)
            screen.press("h")
            screen.press("x")
            screen.resize(24, 120)
            screen.wait(r"^SERVICE .* FAILED/s")
            screen.press("q")
            assert screen.end() == EX_OK and screen.is_as_before()


def test_storm_of_sizes(tcpd, control):
    """A window that is dragged around, and somebody who signals as fast as possible."""
    with tcpd(two(control)), shown(control) as screen:
        over = threading.Event()

        def signal_without_end():
            while not over.is_set():
                screen.process.send_signal(signal.SIGWINCH)

        thread = threading.Thread(target=signal_without_end)
        thread.start()
        for number in range(300):
            screen.resize(1 + number * 7 % 50, 1 + number * 13 % 150)
        screen.press("s")
        screen.resize(24, 120)
        screen.wait(r"^every 100ms, by busy$")
        over.set()
        thread.join(PATIENCE)
        screen.resize(24, 119)
        screen.wait(r"^SERVICE .* FAILED/s")
        screen.wait(r"\nq quit  space pause.*\Z")


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal", "", None])
def test_terminals_that_cannot(tcpd, control, term):
    """What cannot move its cursor gets the lines, once."""
    with tcpd(two(control)), Terminal(command(control), TERM=term) as screen:
        assert screen.end() == EX_OK and screen.is_as_before()
        screen.wait(r"^total ")
        assert b"\x1b" not in screen.raw


@pytest.mark.parametrize("term", ["xterm-256color", "linux", "vt220", "screen"])
def test_terminals(tcpd, control, term, monkeypatch):
    """Others get what they understand; the one with most abilities has its screen back."""
    monkeypatch.setattr(Terminal, "_feed", lambda *_: None)  # that is no VT52
    with tcpd(two(control)), Terminal(command(control), TERM=term) as screen:
        wait_for(lambda: b"SERVICE" in screen.raw, what="a table")
        screen.press("q")
        assert screen.end() == EX_OK and screen.is_as_before()
        if term == "xterm-256color":
            assert screen.raw.index(b"\x1b[?1049h") < screen.raw.index(b"\x1b[?1049l")


def test_count_on_the_screen(tcpd, control):
    with tcpd(two(control)), Terminal(command(control, "-d", "100ms", "-n", "3")) as screen:
        assert screen.end() == EX_OK and screen.is_as_before()


@pytest.mark.parametrize("keys, number, status", [
    ("\x03", None, EX_OK), ("Q", None, EX_OK), ("", signal.SIGINT, EX_OK),
    ("", signal.SIGTERM, -signal.SIGTERM), ("", signal.SIGHUP, -signal.SIGHUP)])
def test_ends(tcpd, control, keys, number, status):
    """However it ends, the terminal is as it was."""
    with tcpd(two(control)), Terminal(command(control)) as screen:
        screen.wait(r"^SERVICE ")
        if number:
            screen.process.send_signal(number)
        screen.press(keys)
        assert screen.end() == status and screen.is_as_before()


def test_terminal_that_goes_away(tcpd, control):
    with tcpd(two(control)), Terminal(command(control)) as screen:
        screen.wait(r"^SERVICE ")
        screen.close()
        assert screen.process.wait(PATIENCE) != EX_OK


# --- The daemon ------------------------------------------------------------------------------------

def test_daemon_that_comes_back(tcpd, control):
    """What was known stays, with a line that says since when; then the new one's figures are there,
    and not compared with the old one's."""
    with tcpd(two(control)) as daemon:
        for _ in range(50):
            daemon.exchange("echo", b"x")
        with shown(control) as screen:
            daemon.stop()
            screen.wait(r"^No answer since \d\d:\d\d:\d\d: (Connection refused|No such file)")
            assert re.search("^echo ", screen.text(), re.M)
            screen.press("s")
            screen.wait("^every 100ms, by busy$")
            with tcpd(configuration(service("other", "echo", **ONE),
                                    control=f"unix:{control}")) as other:
                screen.wait("^other ")
                wait_for(lambda: "No answer" not in screen.text(), what="an answer")
                with busy(other, "other"):
                    screen.wait(r"^other .* 100% ")
                other.stop()
                screen.wait("^No answer since ")


def test_daemon_that_hangs(tcpd, control):
    """Keys are obeyed meanwhile; the deadline is that of the command line; when the daemon goes on,
    so does top. Nothing is used up while it waits."""
    with tcpd(two(control)) as daemon, shown(control, "--timeout=2s") as screen:
        daemon.signal(signal.SIGSTOP)
        wait_for(lambda: proc_state(daemon.pid) == "T", what="a daemon that hangs")
        try:
            screen.wait(r"^No answer since \d\d:\d\d:\d\d: it has yet to answer$")
            screen.press("h")
            screen.wait(r"^Press any key\.$")
            screen.press("x")
            screen.wait(r"^No answer since \d\d:\d\d:\d\d: it does not answer in time$")
            used = proc_cpu_seconds(screen.process.pid)
            start = time.monotonic()
            screen.press("s")
            screen.wait("by busy")
            wait_for(lambda: time.monotonic() - start > 1, what="a second")
            assert proc_cpu_seconds(screen.process.pid) - used < 0.5
        finally:
            daemon.signal(signal.SIGCONT)
        wait_for(lambda: "No answer" not in screen.text(), what="an answer")


def test_daemon_that_leaves_in_batch_mode(tcpd, control):
    with tcpd(two(control)) as daemon:
        process = subprocess.Popen(command(control, "-b", "-d", "100ms"), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        assert any(line.startswith("total") for line in process.stdout)
        daemon.stop()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == EX_UNAVAILABLE and err.startswith("tcpdctl: ")


def test_reload(tcpd, control):
    """Pools that come and go, and a reload that fails."""
    with tcpd(two(control)) as daemon, shown(control) as screen:
        daemon.reload(configuration(service("quiz", "hello"), service("new", "echo"),
                                    control=f"unix:{control}"))
        screen.wait("^new ")
        assert not re.search("^echo ", screen.text(), re.M)
        screen.wait("generation 2 ")
        daemon.path.write_text("nonsense = 1\n")
        daemon.signal(signal.SIGHUP)
        screen.wait("^The last reload failed: see tcpdctl status$")


# --- Sessions --------------------------------------------------------------------------------------

SESSIONS = pytest.mark.skipif(b"ListSessions" not in (BUILD / "tcpd").read_bytes(),
                              reason="this daemon tells no sessions")


@SESSIONS
def test_sessions(tcpd, control):
    """Who is served, since when, what comes and goes; one that has ended is gone."""
    with tcpd(two(control)) as daemon, shown(control) as screen:
        screen.wait(r"^0 sessions, by age$")
        with busy(daemon) as sock:
            worker = daemon.worker_serving(sock)
            peer = "127.0.0.1:%d" % sock.getsockname()[1]
            row = screen.wait(rf"^{worker}\.1 +echo +127\.0\.0\.1:\d+ +{re.escape(peer)} +"
                              r"[\d.]+s +reading +1 +1 +[\d.<]+ +[\d.<]+$")
            assert re.search("^1 session, by age$", screen.text(), re.M), row
            over = threading.Event()

            def talk():
                while not over.is_set():
                    sock.sendall(b"0123456789")
                    assert read_exactly(sock, 10) == b"0123456789"
                    over.wait(0.01)

            thread = threading.Thread(target=talk)
            thread.start()
            screen.wait(rf"^{worker}\.1 .* [\d.]+K? +[\d.]+K? +[1-9]\d*\.?\d*K? +[1-9]\d*\.?\d*K?$")
            over.set()
            thread.join(PATIENCE)
            screen.press("/no such client\r")
            screen.wait("^0 sessions, by age$")
            screen.press("\x1bo")
            screen.wait("^1 session, by in$")
            screen.press("l")
            wait_for(lambda: not re.search("^ID ", screen.text(), re.M), what="services alone")
            screen.press("l")
            screen.wait("^ID ")
            wait_for(lambda: not re.search("^SERVICE ", screen.text(), re.M), what="sessions alone")
            screen.press("l")
            screen.wait("^SERVICE ")
        screen.wait("^0 sessions, by in$")


@SESSIONS
def test_many_sessions(tcpd, control):
    """More than an answer has, and more than the screen has lines."""
    conf = configuration(service("echo", min_workers=300, max_workers=300), control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack, shown(control) as screen:
        for _ in range(290):
            stack.enter_context(busy(daemon))
        screen.wait("^290 sessions, by age$")
        assert len(re.findall(r"^\d+\.1 ", screen.text(), re.M)) > 10
        first = screen.wait(r"^ID .*\n(\d+)\.1 ")[1]
        screen.press("\x1bB")
        wait_for(lambda: screen.wait(r"^ID .*\n(\d+)\.1 ")[1] != first, what="the second one")
        screen.press("l")
        screen.wait("^echo .* 290 +300 ")


@SESSIONS
def test_kick(tcpd, control):
    """After a question, and only the one that is meant."""
    with tcpd(two(control)) as daemon, shown(control) as screen, busy(daemon) as sock:
        name = screen.wait(r"^(\d+\.1) +echo ")[1]
        screen.press(f"k{name}\r")
        screen.wait(rf"^End the session {name}\? y, or any other key$")
        screen.press("n")
        screen.wait("^nothing was ended$")
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        screen.press(f"k{name}7\ry")
        screen.wait(rf"^{name}7: .*over")
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        screen.press(f"k{name}\ry")
        screen.wait(rf"^{name}: ended: echo, 127\.0\.0\.1:\d+$")
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
        screen.wait("^0 sessions, by age$")
