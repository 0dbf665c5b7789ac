# SPDX-License-Identifier: MIT
"""Modules: their life, what they are given, what is refused, and what their faults cost. The core's
own tests of draining, reloading and dying run again here, with a module that echoes."""

import contextlib
import errno
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import test_drain as drain
import test_faults as faults
from harness import (BUILD, EX_CONFIG, EX_OK, Tcpd, Text, configuration, injected,
                     peer_name, proc_fds, proc_state, read_all, read_exactly, run,
                     service, wait_for)
from module_files import NO_HANDLERS, module, place, said
from test_deadlines import clock

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
HANGS = r"tcpd/faulty: module .*/faulty\.so hangs: no sign of life for 2 s \(hang_timeout\)"


def answers(daemon):
    """True when a fresh connection to faulty is served."""
    return daemon.exchange("faulty", b"there?\n") == b"there?\n"


# --- Its life ----------------------------------------------------------------------------------

def test_open_serve_close(tcpd, tmp_path):
    """W20: the callbacks in their order, in one process, with the same descriptors before and
    after a session."""
    notes = tmp_path / "notes"
    conf = configuration(module(tmp_path, "life", module_options=[f"file={notes}"], **ONE))
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        before = proc_fds(worker)
        for _ in range(2):
            with daemon.connect("life") as sock:
                assert said(sock, "here I am").endswith("is heard, staying")
            wait_for(lambda: proc_fds(worker) == before, what="descriptors as before")
        assert daemon.stop() == EX_OK
    lines = [line.split() for line in notes.read_text().splitlines()]
    assert [line[1] for line in lines[:2]] == ["open", "close"], "the check of the configuration"
    lines = lines[2:]
    fds = int(lines[0][2])
    assert lines == [[str(worker), what, str(fds + in_session)] for what, in_session in
                     [("open", 0), ("serve", 1), ("end", 1), ("serve", 1), ("end", 1),
                      ("close", 0)]]


def test_what_it_is_told(tcpd, tmp_path):
    """Options, its peer, whether it is to stop; its log lines have the service's identifier and the
    peer, and what a client has sent is escaped in them."""
    options = [f"file={tmp_path}/notes", "greeting=a b=c"]
    with tcpd(configuration(module(tmp_path, "life", module_options=options, **ONE))) as daemon:
        daemon.wait_log(r"tcpd/life: option 1: greeting=a b=c$")
        with daemon.connect("life") as sock:
            peer = peer_name(sock)
            assert said(sock, "a\x1b[31m") == f"{peer} is heard, staying"
            line = daemon.wait_log(rf"tcpd/life: {re.escape(peer)}: said a").string
            assert "\x1b" not in line
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            wait_for(lambda: said(sock, "and now?") == f"{peer} is heard, stopping",
                     what="tcpd_stopping()")
        assert daemon.wait_exit() == EX_OK


def test_module_of_version_1(tcpd, tmp_path):
    """One that was built for the version before is loaded, and serves."""
    with tcpd(configuration(module(tmp_path, "old_abi"))) as daemon:
        assert daemon.exchange("old_abi", b"as ever") == b"as ever"


def test_example_upper(tcpd, tmp_path):
    with tcpd(configuration(module(tmp_path, "upper", **ONE))) as daemon:
        data = b"Linux\r\n\nc socket\n" + b"x" * 16383 + b"\nlast"
        assert daemon.exchange("upper", data) == b"LINUX\n\nC SOCKET\n" + b"X" * 16383 + b"\nLAST\n"
        assert daemon.exchange("upper", b"x" * 16384 + b"\n") == b""
        daemon.wait_log("protocol error")


TOP = Path(__file__).parents[3]


def page_example():
    """The module in tcpd-handler(3), as it is read there."""
    page = (TOP / "src/tcpd/tcpd-handler.3").read_text()
    blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", page, re.M | re.S)
    [example] = [block for block in blocks if block.startswith("#include")]
    return example.replace("\\e", "\\")


def test_example_of_the_page(tcpd, tmp_path):
    """What tcpd-handler(3) shows is a module, built as it says, without a warning."""
    source, built = tmp_path / "upper.c", tmp_path / "upper.so"
    source.write_text(page_example())
    subprocess.run([os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-I", TOP / "src", "-o", built, source], check=True)
    built.chmod(0o755)
    with tcpd(configuration(service("upper", "module", module=built, **ONE))) as daemon:
        assert daemon.exchange("upper", b"Linux China\n") == b"LINUX CHINA\n"


def ask(sock, *words):
    """One message of kv's and the answer to it."""
    message = b" ".join(words)
    sock.sendall(struct.pack("!I", len(message)) + message)
    [length] = struct.unpack("!I", read_exactly(sock, 4))
    return read_exactly(sock, length)


def test_example_kv(tcpd, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    big = bytes(range(256)) * 234  # 59,904
    options = [f"directory={store}"]
    with tcpd(configuration(module(tmp_path, "kv", module_options=options))) as daemon:
        with daemon.connect("kv") as sock, daemon.connect("kv") as other:
            assert ask(sock, b"GET", b"name") == b"NONE"
            assert ask(sock, b"SET", b"name", b"Michael Tracy") == b"OK"
            assert ask(other, b"GET", b"name") == b"OK Michael Tracy"
            assert ask(other, b"SET", b"name", big) == b"OK"
            assert ask(sock, b"GET", b"name") == b"OK " + big
            assert ask(sock, b"SET", b"empty", b"") == b"OK"
            assert ask(sock, b"GET", b"empty") == b"OK "
            assert ask(sock, b"DEL", b"name") == b"OK"
            assert ask(other, b"DEL", b"name") == b"NONE"
            for wrong in (b"", b"GET", b"GET ", b"GET ../store", b"GET a b", b"SET a", b"PUT a b",
                          b"GET " + b"k" * 65, b"GET a\0b", b"SET a " + b"x" * 60001):
                assert ask(sock, wrong).startswith(b"ERROR "), wrong
            sock.sendall(struct.pack("!I", 1 << 31))
            assert read_all(sock) == b""
        daemon.wait_log("protocol error")
    assert [path.name for path in store.iterdir()] == ["empty"]


def libraries(pid):
    """Names of what a process has mapped; none when it is gone."""
    try:
        return set(re.findall(r"/([\w-]+)\.so", Path(f"/proc/{pid}/maps").read_text()))
    except OSError:
        return set()


def test_reload_brings_the_first_module(tcpd, tmp_path):
    """Workers have the master's libraries, which the loader looks into, while there is a module,
    and no longer."""
    alone = configuration(service("echo", **ONE))
    with tcpd(alone) as daemon:
        [first] = daemon.workers()
        before = libraries(first)
        assert "libconfuse" not in before
        daemon.reload(alone + module(tmp_path, "upper", **ONE))
        assert daemon.exchange("upper", b"it is there\n") == b"IT IS THERE\n"
        assert "libconfuse" in libraries(daemon.workers("upper")[0])
        daemon.reload(alone)
        wait_for(lambda: not daemon.workers("upper"), what="the service is gone")
        daemon.reload(alone)  # now that no pool has a module any more
        wait_for(lambda: [libraries(pid) for pid in daemon.workers()] == [before],
                 what="one worker, with the libraries of the first")
        assert daemon.is_serving()
        assert not daemon.log_matches("killed")


def test_reload_of_a_changed_file(tcpd, tmp_path):
    """The file is replaced and a reload loads the new one; sessions end with the old one."""
    path = place(tmp_path, "upper", at="it")
    with tcpd(configuration(service("it", "module", module=path))) as daemon:
        with daemon.connect("it") as sock:
            assert said(sock, "abc") == "ABC"
            place(tmp_path, "echo", at="it")
            daemon.reload()
            assert daemon.exchange("it", b"abc\n") == b"abc\n"
            assert said(sock, "abc") == "ABC"
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed")


def test_relative_to_the_configuration():
    conf = configuration(service("upper", "module", module="upper.so"))
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG
    # The harness' folder is open to all.
    assert re.search(r'tcpd\.conf:4: module = "/.*/upper\.so" of service "upper": the directory /.* '
                     r"is writable by others \(mode 0777\)$", log, re.M)
    conf = configuration(service("upper", "module", module="../upper.so"))
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG
    assert re.search(r'tcpd\.conf:4: module = "/.*/\.\./upper\.so" of service .*: No such file', log)


# --- What is refused ---------------------------------------------------------------------------

FILES = [  # what is done to the file, and what is said then
    (lambda path: path.unlink(), "No such file or directory"),
    (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
    (lambda path: path.chmod(0o757), "has mode 0757; neither its group nor others may"),
    (lambda path: path.chmod(0o775), "has mode 0775; neither its group nor others may"),
    (lambda path: os.chown(path, 12345, 0), "belongs to user 12345; it must be root's or that of"),
]


@pytest.mark.parametrize("change, text", FILES)
@pytest.mark.parametrize("args", [("-t",), ()])
def test_file_is_refused(tmp_path, change, text, args):
    """B54: by the file alone, before anything is loaded; with file, line and setting."""
    conf = configuration(module(tmp_path, "upper"))
    try:
        change(tmp_path / "upper.so")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):  # EINVAL: no such user in this namespace
            raise
        pytest.skip(f"needs root and its users, to give a file away: {error.strerror}")
    status, _, log = run(*args, conf=conf)
    assert status == EX_CONFIG
    assert re.search(rf'tcpd\.conf:4: module = ".*/upper\.so" of service "upper": {text}', log), log


LOADS = [
    ("no_symbol", {}, "exports no tcpd_handler"),
    ("wrong_abi", {}, "was built for version 3 of the interface; this tcpd has version 2"),
    ("no_serve", {}, r"has no serve\(\)"),
    ("unresolved", {}, "cannot be loaded: .*undefined symbol: tcpd_test_function_of_nobody"),
    ("faulty", {"module_options": ["open=fail"]}, r"its open\(\) returned -1"),
]


@pytest.mark.parametrize("name, options, text", LOADS)
def test_load_is_refused(tmp_path, name, options, text):
    """At -t and at the start alike, tried in a child."""
    conf = configuration(module(tmp_path, name, **options))
    want = rf'tcpd\.conf:\d: module ".*/{name}\.so" of service "{name}": {text}'
    for args in (("-t",), ()):
        status, _, log = run(*args, conf=conf)
        assert status == EX_CONFIG
        assert re.search(want, log), log
        assert "of another interface" not in log
        if options:
            assert "tcpd/faulty: as the option says" in log


@pytest.mark.parametrize("fault, text", [
    ("open=null", r"was killed by signal 11 \(SEGV\) while it was opened"),
    ("open=abort", r"was killed by signal 6 \(ABRT\) while it was opened"),
    ("open=exit", r"exited with status 16 \(the module called exit\(\)\) while it was opened"),
    ("open=loop", r"its open\(\) or close\(\) took longer than 10 s"),
])
def test_check_survives_the_module(tmp_path, fault, text):
    conf = configuration(module(tmp_path, "faulty", module_options=[fault]))
    status, _, log = run("-t", conf=conf, env=NO_HANDLERS)
    assert status == EX_CONFIG
    assert re.search(rf'tcpd\.conf:4: module ".*" of service "faulty": {text}', log), log


def test_check_opens_and_closes(tmp_path):
    notes = tmp_path / "notes"
    conf = configuration(module(tmp_path, "life", module_options=[f"file={notes}"]))
    assert run("-t", conf=conf)[0] == EX_OK
    assert [line.split()[1] for line in notes.read_text().splitlines()] == ["open", "close"]


@pytest.mark.parametrize("options, text", [
    ({"module_options": ["a=b", "word"]}, r':5: module_options .*"word" is not NAME=VALUE'),
    ({"module_options": ["=b"]}, r':5: module_options .*"=b" is not NAME=VALUE'),
    ({"hang_timeout": "soon"}, r':5: .*"soon" is not a time'),
    ({"message": "x"}, r':5: message belongs to handler "greeting"'),
])
def test_settings_are_refused(tmp_path, options, text):
    status, _, log = run("-t", conf=configuration(module(tmp_path, "upper", **options)))
    assert status == EX_CONFIG
    assert re.search(r"tcpd\.conf" + text, log), log


def test_module_is_needed():
    status, _, log = run("-t", conf=configuration(service("it", "module")))
    assert status == EX_CONFIG
    assert 'service "it" needs module = "FILE"' in log


@pytest.mark.parametrize("exits", ["quickly", "slowly"])
def test_reload_with_a_module_that_does_not_open(tcpd, tmp_path, exits):
    """Though it did when it was tried: the workers there are serve on until a reload brings a module
    that opens. Those that are about to exit have not come to accept()."""
    good = configuration(module(tmp_path, "faulty", min_workers=2))
    bad = configuration(module(tmp_path, "faulty", min_workers=2,
                               module_options=["open=fail", f"spare={tmp_path}/spared"]))
    slow = injected("exit_group:delay_enter=300000", follow=True) if exits == "slowly" else []
    with tcpd(good, prefix=slow) as daemon:
        before = daemon.workers()
        daemon.reload(bad)  # READY=1 comes at its end, some 10 s later
        daemon.wait_log("as the new ones are not ready")
        daemon.wait_log("tcpd/faulty: as the option says")
        assert set(before) & set(daemon.workers())
        assert answers(daemon)
        daemon.reload(good)
        daemon.wait_workers(lambda pids: len(pids) >= 2 and not set(pids) & set(before))
        assert answers(daemon)
        assert daemon.stop() == EX_OK


# --- Faults ------------------------------------------------------------------------------------

def ended(sock):
    """Whatever way the connection ends."""
    try:
        return read_all(sock) == b""
    except ConnectionResetError:
        return True


FAULTS = [("null", Text.by_signal(11, "SEGV")), ("abort", Text.by_signal(6, "ABRT")),
          ("exit", r"exited with status 16 \(the module called exit\(\)\)"),
          ("_exit", r"exited with status 0 \(the module called _exit\(\)\)"),
          ("loop", Text.by_signal(6, "ABRT")), ("readforever", Text.by_signal(6, "ABRT"))]


@pytest.mark.parametrize("fault, how", FAULTS)
def test_fault_costs_one_session(tcpd, tmp_path, fault, how):
    """B54: the other sessions of that second are unharmed; the record names the module, how the
    worker ended and the peer; another worker takes its place; nothing is left behind."""
    conf = configuration(module(tmp_path, "faulty", hang_timeout="2s"))
    with tcpd(conf, env=NO_HANDLERS) as daemon:
        with daemon.connect("faulty") as sock, daemon.connect("faulty") as other:
            assert said(sock, "a") == said(other, "a") == "a"
            victim = daemon.worker_serving(sock)
            sock.sendall(fault.encode() + b"\n")
            if fault == "readforever":
                sock.shutdown(socket.SHUT_WR)
            assert said(other, "b") == "b"
            line = daemon.wait_log(Text.death(victim, how)).string
            assert f"serving {peer_name(sock)}, with module {tmp_path}/faulty.so" in line
            if fault in ("loop", "readforever"):
                daemon.wait_log(HANGS, deadline=1)
            assert ended(sock)
            assert said(other, "c") == "c"
        daemon.wait_workers(lambda pids: len(pids) >= 4 and victim not in pids)
        assert answers(daemon)
        assert daemon.stop() == EX_OK
        wait_for(lambda: all(proc_state(pid) is None for pid in daemon.known), what="none is left")


def test_faults_are_throttled(tcpd, tmp_path):
    conf = configuration(module(tmp_path, "faulty", **ONE))
    with tcpd(conf, env=NO_HANDLERS) as daemon:
        def fault():
            with daemon.connect("faulty") as sock:
                sock.sendall(b"exit\n")
                assert ended(sock)
            return daemon.log_matches(Text.throttled)

        wait_for(fault, what="throttle")
        wait_for(lambda: answers(daemon), what="service after the throttle")


def test_hang_in_open(tmp_path):
    """The worker ends itself; the master goes on trying, and stops when it is told."""
    conf = configuration(module(tmp_path, "faulty",
                                module_options=["open=loop", f"spare={tmp_path}/spared"],
                                hang_timeout="2s", **ONE))
    with Tcpd(conf) as daemon:
        daemon.wait_log(HANGS)
        daemon.wait_log(rf"{Text.by_signal(6, 'ABRT')}.*serving nobody, with module {tmp_path}/")
        daemon.signal(signal.SIGQUIT)
        daemon.wait_exit()


def test_hang_in_close(tcpd, tmp_path):
    """A worker that is to leave does, before stop_timeout."""
    conf = configuration(module(tmp_path, "faulty",
                                module_options=["close=loop", f"spare={tmp_path}/spared"],
                                hang_timeout="2s", **ONE), stop_timeout="60s")
    with tcpd(conf) as daemon:
        assert answers(daemon)
        assert daemon.stop() == EX_OK
        daemon.wait_log(HANGS)


def test_patience_is_no_hang(tcpd, tmp_path):
    """What waits in a tcpd_*() function, or calls one now and then, is alive."""
    conf = configuration(module(tmp_path, "faulty", hang_timeout="2s"))
    with tcpd(conf) as daemon, daemon.connect("faulty") as idle, daemon.connect("faulty") as busy:
        assert said(idle, "a") == "a"
        begin = time.monotonic()
        assert said(busy, "work") == "work"
        assert time.monotonic() - begin > 4.5  # more than twice hang_timeout
        assert said(idle, "b") == "b"
        assert not daemon.log_matches("hangs|killed|dumped")


@pytest.mark.parametrize("name, options, size, result", [
    ("upper", {"first_byte_timeout": "3s"}, 0, "first byte timeout"),
    ("echo", {"idle_timeout": "3s"}, 1, "idle timeout"),
    ("upper", {"idle_timeout": "3s"}, 1, "idle timeout"),
    ("upper", {"session_timeout": "3s"}, 1, "session timeout"),
    ("echo", {"send_timeout": "3s"}, 32_000_000, "send timeout"),
])
def test_deadlines_in_spite_of_the_watch(tcpd, tmp_path, name, options, size, result):
    """SIGALRM comes each second here, and interrupts what has a deadline, which stays where it
    was."""
    conf = configuration(module(tmp_path, name, hang_timeout="2s", **ONE, **options))
    with tcpd(conf) as daemon, clock() as begin, daemon.connect(name, rcvbuf=4096) as sock:
        sock.settimeout(60)
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"x" * size)
        match = daemon.wait_log(Text.closed(name, peer_name(sock), result))
        assert time.monotonic() - begin > 2.9 and float(match["seconds"]) > 2.9


@pytest.mark.parametrize("hang", ["60s", "2s", "0"])
@pytest.mark.parametrize("line", ["loop", "a"])
def test_master_is_killed(tcpd, tmp_path, hang, line):
    """Orphans have stop_timeout for their session, whatever the watch does with alarm(2)."""
    conf = configuration(module(tmp_path, "faulty", hang_timeout=hang, **ONE), stop_timeout="3s")
    with tcpd(conf) as daemon, daemon.connect("faulty") as sock:
        assert said(sock, "first") == "first"
        worker = daemon.worker_serving(sock)
        sock.sendall(line.encode() + b"\n")
        begin = time.monotonic()
        daemon.kill()
        if line == "a":
            assert read_exactly(sock, 2) == b"a\n"
        assert ended(sock)
        assert line == "loop" or time.monotonic() - begin > 2
        wait_for(lambda: proc_state(worker) in (None, "Z"), what="the orphan is gone")


# --- The core's tests, with a module -----------------------------------------------------------

@pytest.fixture
def echo_is_a_module(monkeypatch, tmp_path):
    """In these tests' configurations handler echo becomes the module that does the same."""
    path = place(tmp_path, "echo", at="module")

    def by_module(name, handler=None, **options):
        if (handler or name) != "echo":
            return service(name, handler, **options)
        options.pop("transfer", None)
        return service(name, "module", module=path, **options)

    for tests in (drain, faults):
        monkeypatch.setattr(tests, "service", by_module)


CORE = [
    (drain.test_term_meets_a_connection, {}),
    (drain.test_stop_while_clients_keep_coming, {}),
    (drain.test_reload_keeps_long_sessions, {"transfer": "copy"}),
    *((faults.test_idle_worker_dies, {"number": number}) for number in faults.SIGNALS),
    *((faults.test_serving_worker_dies, {"number": number, "unread": False})
      for number in faults.SIGNALS),
    (faults.test_all_workers_die_at_once, {}),
    (faults.test_stopped_worker_while_idle, {}),
    (faults.test_stopped_worker_that_goes_on, {}),
    (faults.test_worker_ignores_the_masters_signals, {"number": signal.SIGHUP}),
    (faults.test_worker_without_descriptors, {}),
    (faults.test_crash_loop_is_throttled, {}),
    *((faults.test_client_resets, {"name": "echo", "options": {}, "moment": moment})
      for moment in faults.MOMENTS),
]


@pytest.mark.parametrize("test, options", CORE, ids=lambda part: getattr(part, "__name__", None))
def test_core(tcpd, echo_is_a_module, test, options):
    test(tcpd, **options)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "unix:{directory}/s"])
@pytest.mark.parametrize("how", ["stop", "removed"])
def test_core_queue_is_served_at_the_end(tcpd, tmp_path, echo_is_a_module, host, how):
    drain.test_queue_is_served_at_the_end(tcpd, tmp_path, host, how)


@pytest.mark.parametrize("test", [drain.test_soak_stop_one_worker, drain.test_soak_reload,
                                  drain.test_soak_restart])
def test_core_soak(tcpd, record_property, echo_is_a_module, test):
    test(tcpd, record_property, "echo")
