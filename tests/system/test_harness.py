# SPDX-License-Identifier: MIT
"""The harness itself, against a daemon that is a few lines of Python and does as it is told."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import harness
from harness import Tcpd, Timeout, wait_for

TOOLS = Path(__file__).parents[2] / "tools"

FAKE = r"""#!%s
import os, signal, socket, sys, time

def tell(text):
    notify.send(text.encode())

def reload(*_):
    tell("RELOADING=1\nMONOTONIC_USEC=1")
    print("tcpd: echo 127.0.0.1:%%d: listening, backlog 1" %% listener.getsockname()[1],
          file=sys.stderr, flush=True)
    tell("READY=1\nSTATUS=1 service, 1 worker: 1 idle, 0 busy, 0 draining")
    print("tcpd: reloaded", file=sys.stderr, flush=True)

def term(*_):
    print("tcpd: stopped", file=sys.stderr, flush=True)
    os.kill(child, signal.SIGKILL)
    os._exit(0)

conf = open(sys.argv[2]).read()
print("tcpd: " + conf.strip(), file=sys.stderr, flush=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"])
if "exits" in conf:
    sys.exit(78)
if "silent" in conf:
    time.sleep(600)
if os.environ.get("LISTEN_PID") == str(os.getpid()):
    listener = socket.socket(fileno=3)
    print("tcpd: handed over", os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"],
          *(os.readlink("/proc/self/fd/%%d" %% fd) for fd in (3, 4)), file=sys.stderr, flush=True)
else:
    listener = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child == 0:
    while True:
        peer = listener.accept()[0]
        while data := peer.recv(65536):
            peer.sendall(data)
        peer.close()
signal.signal(signal.SIGHUP, reload)
signal.signal(signal.SIGTERM, term)
reload()
while True:
    signal.pause()
""" % sys.executable


@pytest.fixture
def fake(tmp_path):
    path = tmp_path / "tcpd"
    path.write_text(FAKE)
    path.chmod(0o755)
    return path


def test_wait_for_is_late_with_words():
    begin = time.monotonic()
    with pytest.raises(Timeout, match="the moon did not happen within 0.1 s"):
        wait_for(lambda: False, 0.1, "the moon")
    assert time.monotonic() - begin >= 0.1
    assert wait_for(lambda: 7) == 7


def test_process_helpers():
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        assert wait_for(lambda: harness.proc_state(sleeper.pid) == "S")
        assert sleeper.pid in harness.proc_children(os.getpid())
        assert sleeper.pid in harness.process_tree(os.getpid())
        wait_for(lambda: harness.proc_title(sleeper.pid) == "sleep 600")
        sleeper.send_signal(signal.SIGSTOP)
        assert wait_for(lambda: harness.proc_state(sleeper.pid) == "T")
        assert set(harness.proc_fds(sleeper.pid)) >= {0, 1, 2}
        sleeper.kill()
        wait_for(lambda: harness.proc_state(sleeper.pid) == "Z")
        assert sleeper.pid not in harness.proc_children(os.getpid())
    assert harness.proc_state(sleeper.pid) is None
    assert harness.proc_title(sleeper.pid) == ""
    assert harness.proc_fds(sleeper.pid) == {}


def test_configuration_text():
    text = harness.configuration(
        harness.service("echo", min_workers=2),
        harness.service("moin", "greeting", listen=["[::1]:0", "unix:/x"], message='a "b" \\'),
        harness.service("given", "echo", listen=None),
        stop_timeout="5s")
    assert text == ('stop_timeout = "5s"\n'
                    'service "echo" {\n    handler = "echo"\n    listen = {"127.0.0.1:0"}\n'
                    '    min_workers = "2"\n}\n'
                    'service "moin" {\n    handler = "greeting"\n'
                    '    listen = {"[::1]:0", "unix:/x"}\n    message = "a \\"b\\" \\\\"\n}\n'
                    'service "given" {\n    handler = "echo"\n}\n')


LOGS = [
    (["tcpd: echo 127.0.0.1:40123: listening, backlog 4096"], {"echo": ["127.0.0.1:40123"]}),
    (["tcpd: echo 127.0.0.1:7: listening, backlog 4096, handed over", "tcpd: ready: 2 services",
      "<6>echo [::1]:40125: listening, backlog 1", "tcpd: a-b.c unix:/run/x: listening, backlog 1"],
     {"echo": ["127.0.0.1:7", "[::1]:40125"], "a-b.c": ["unix:/run/x"]}),
    ([f"tcpd: echo {address}: listening, backlog 1" for address in
      ("*:7", "ws:*:8007", "udp:[::1]:7", "ws:unix:/run/w", "unix-seqpacket:/run/x")],
     {"echo": ["*:7", "ws:*:8007", "udp:[::1]:7", "ws:unix:/run/w", "unix-seqpacket:/run/x"]}),
    (["tcpd: a *:7: listening, backlog 1", "tcpd: b *:8: listening, backlog 1",
      "tcpd: a *:7: no longer listening; its socket unit still listens until it is stopped"],
     {"b": ["*:8"]}),
    (["tcpd: /tmp/tcpd.conf:3: no such option", "tcpd: echo 127.0.0.1:7: pool is full"], {}),
    ([], {}),
]


@pytest.mark.parametrize("lines, want", LOGS)
def test_addresses_are_understood(lines, want):
    daemon = Tcpd.__new__(Tcpd)
    daemon.pid = os.getpid()  # which has no workers
    daemon.log = harness.Listed()
    for line in lines:
        daemon.log.append(line)
    assert daemon.addresses == want


def test_a_life(fake):
    with harness.start("first", binary=fake) as daemon:
        daemon.wait_log("reloaded")
        assert [daemon.log.items[0], daemon.log.items[2]] == ["tcpd: first", "tcpd: reloaded"]
        assert daemon.address("echo") == ("127.0.0.1", daemon.ports["echo"])
        assert daemon.counts() == {"workers": 1, "idle": 1, "busy": 0, "draining": 0}
        assert daemon.is_serving()
        [worker] = daemon.wait_workers(1)
        with daemon.connect("echo") as sock:
            assert daemon.worker_serving(sock) == worker
        messages = daemon.reload("second")
        assert messages[0] == {"RELOADING": "1", "MONOTONIC_USEC": "1"}
        assert daemon.path.read_text() == "second"
        assert daemon.wait_log("re(load)ed", since=2)[1] == "load"
        assert daemon.stop() == 0
        daemon.wait_log("stopped")
        with pytest.raises(Timeout):
            daemon.wait_log("never", deadline=0.05)
    assert not daemon.directory.exists()


def test_exit_before_ready_is_told(fake):
    with pytest.raises(AssertionError, match="exit status 78 before READY=1"):
        harness.start("exits", binary=fake)
    assert not Tcpd.alive


def test_never_ready_is_a_timeout_and_leaves_nothing(fake):
    daemon = Tcpd("silent", binary=fake)
    daemon.wait_log("silent")
    with pytest.raises(Timeout, match="READY=1.*(?s:.*)tcpd: silent"):
        daemon.wait_ready(0.5)
    daemon.cleanup()
    assert harness.proc_state(daemon.pid) is None
    assert not daemon.directory.exists()


def test_cleanup_ends_orphans_and_stopped_processes(fake):
    daemon = harness.start("orphans", binary=fake)
    [worker] = daemon.wait_workers(1)
    os.kill(worker, signal.SIGSTOP)
    daemon.kill()
    daemon.wait_exit()
    daemon.cleanup()
    assert harness.proc_state(worker) in (None, "Z")


def test_activation_hands_over_descriptors_and_names(fake):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    with harness.activated("given", sockets, ["echo", "other"], binary=fake) as daemon:
        handed = daemon.wait_log("handed over (.*)")[1].split()
        inodes = [f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in sockets]
        assert handed == ["2", "echo:other", *inodes]
        assert daemon.ports["echo"] == sockets[0].getsockname()[1]
        assert daemon.is_serving()
    for sock in sockets:
        sock.close()


def test_free_ports_differ():
    ports = [harness.free_port() for _ in range(20)]
    assert len(set(ports)) == 20


# --- The tools around the tests ----------------------------------------------------------------


def test_sandbox_has_loopback_of_both_families_and_nothing_else():
    script = ("import os, socket; socket.create_server(('::1', 0), family=socket.AF_INET6); "
              "socket.create_server(('127.0.0.1', 0)); "
              "print([name for _, name in socket.if_nameindex()], "
              "len([p for p in os.listdir('/proc') if p.isdigit()]))")
    if os.environ.get("TCPD_SANDBOX") == "none":
        pytest.skip("no namespaces here")
    done = subprocess.run([TOOLS / "sandbox", sys.executable, "-c", script], capture_output=True,
                          text=True, check=True)
    assert done.stdout == "['lo'] 2\n"  # processes: the shell and python
    if "TCPD_SANDBOX" in os.environ:
        assert [name for _, name in socket.if_nameindex()] == ["lo"]


def test_sandbox_passes_the_exit_status_and_ends_what_it_started(tmp_path):
    if os.environ.get("TCPD_SANDBOX") == "none":
        pytest.skip("no namespaces here")
    left = subprocess.run(
        [TOOLS / "sandbox", "sh", "-c", "sleep 4711 & readlink /proc/self/ns/pid; exit 7"],
        capture_output=True, text=True)
    assert left.returncode == 7
    assert not [p for p in os.listdir("/proc") if p.isdigit()
                and harness.proc_title(int(p)) == "sleep 4711"]


CMOCKA = {
    "good": "echo '[==========] Running 2 test(s).'; echo '[  PASSED  ] 2 test(s).'",
    "mixed": "echo '[==========] Running 3 test(s).'; echo '[  PASSED  ] 1 test(s).';"
             "echo '[  SKIPPED ] 1 test(s), listed below:';"
             "echo '[  FAILED  ] 1 test(s), listed below:'; exit 1",
    "dies": "echo '[==========] Running 2 test(s).'; kill -SEGV $$",
    "empty": "true",
}


@pytest.mark.parametrize("names, want", [
    (["good"], (0, "2 0 0")),
    (["good", "mixed"], (1, "3 1 1")),
    (["dies", "good"], (1, "2 1 0")),
    (["empty"], (1, "0 1 0")),
])
def test_check_unit_counts(tmp_path, names, want):
    for name in names:
        (tmp_path / name).write_text(f"#!/bin/sh\n{CMOCKA[name]}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    totals = tmp_path / "totals"
    done = subprocess.run([TOOLS / "check-unit", *(tmp_path / name for name in names)],
                          capture_output=True, text=True,
                          env={**os.environ, "TCPD_TOTALS": str(totals)})
    assert (done.returncode, totals.read_text().strip()) == want
    assert len([line for line in done.stdout.splitlines() if line[:1].isalpha()]) == len(names) + 1
