# SPDX-License-Identifier: MIT
"""The test bed itself: machines boot, tell what happened in them, do not meet, and leave nothing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import keeper
import machine as bed
from harness import Timeout, process_tree, proc_state, wait_for

# Listens on a port, says so, and stays.
LISTEN = """
import socket, sys
sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    sock.accept()[0].close()
"""


def traces(name):
    """What there is of a machine outside: cgroups, directories, mounts."""
    found = [f"{tree}/{name}" for tree in keeper.cgroup_trees(("pids", "memory"))
             if os.path.isdir(f"{tree}/{name}")]
    found += [str(path) for path in [Path(keeper.BASE) / name] if path.exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if name in line]
    for path in ("/run/systemd/nspawn", "/var/lib/machines"):
        found += [str(entry) for entry in Path(path).rglob("*") if name in entry.name]
    return found


def wait_gone(pids):
    wait_for(lambda: all(proc_state(pid) in (None, "Z", "X") for pid in pids), what="end of all")


def make_package(directory, name, files, scripts=()):
    """A .deb with these files and maintainer scripts."""
    tree = directory / name
    (tree / "DEBIAN").mkdir(parents=True)
    control = (f"Package: {name}\nVersion: 1\nArchitecture: all\n"
               "Maintainer: nobody <nobody@example.org>\nDescription: test\n")
    (tree / "DEBIAN/control").write_text(control)
    for path, text in dict(files).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    for path, text in dict(scripts).items():
        (tree / "DEBIAN" / path).write_text(text)
        (tree / "DEBIAN" / path).chmod(0o755)
    deb = directory / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, deb], check=True,
                   stdout=subprocess.DEVNULL)
    return deb


def test_runs_the_systemd_of_the_release(shared_machine, release):
    assert shared_machine.run("systemctl", "--version").stdout.startswith(
        f"systemd {bed.RELEASES[release]} ")
    assert shared_machine.run("cat", "/proc/1/comm").stdout == "systemd\n"
    assert shared_machine.run("systemctl", "is-system-running").stdout == "running\n"


@pytest.mark.parametrize("status", [0, 1, 7, 78, 255])
def test_exit_statuses_pass_through(shared_machine, status):
    assert shared_machine.run(f"exit {status}", check=False).returncode == status
    assert shared_machine.net(f"exit {status}", check=False).returncode == status


def test_output_and_input(shared_machine):
    result = shared_machine.run("cat; echo no >&2", input="a line\n")
    assert (result.stdout, result.stderr) == ("a line\n", "no\n")
    with pytest.raises(bed.Failed, match="exit status 3\n(.*\n)*why"):
        shared_machine.run("echo why; exit 3")
    with pytest.raises(Timeout):
        shared_machine.run("sleep", "60", timeout=0.2)


def test_files(shared_machine):
    shared_machine.put("/etc/new/dir/file", "text\n", mode=0o640)
    assert shared_machine.run("cat", "/etc/new/dir/file").stdout == "text\n"
    assert shared_machine.file("/etc/new/dir/file").read_text() == "text\n"
    assert shared_machine.inside("/etc/new/dir/file").stat().st_mode & 0o777 == 0o640
    assert not Path("/etc/new").exists()
    root = bed.ROOTFS / f"{shared_machine.release}-run"
    assert not (root / "etc/new").exists()


def test_journal_is_collected(shared_machine):
    cursor = shared_machine.cursor()
    shared_machine.run("systemd-run", "--unit=speaker", "--wait", "echo", "a word")
    record = shared_machine.wait_journal("^a word$", "--unit=speaker")
    assert record["SYSLOG_IDENTIFIER"] == "echo" and record["_SYSTEMD_UNIT"] == "speaker.service"
    assert len(shared_machine.journal("SYSLOG_IDENTIFIER=echo", since=cursor)) == 1
    assert shared_machine.journal("SYSLOG_IDENTIFIER=echo", since=shared_machine.cursor()) == []


def test_units(shared_machine):
    shared_machine.put("/etc/systemd/system/bad.service", "[Service]\nExecStart=/bin/false\n")
    shared_machine.systemctl("daemon-reload")
    shared_machine.systemctl("start", "bad.service", check=False)
    shared_machine.wait_unit("bad.service", ActiveState="failed", Result="exit-code")
    assert "bad.service" in shared_machine.describe()
    shared_machine.systemctl("reset-failed")
    assert shared_machine.show("bad.service", "ActiveState") == {"ActiveState": "inactive"}


def test_sockets_of_the_test_live_inside(shared_machine):
    with shared_machine.network():
        server = socket.create_server(("127.0.0.1", 7))
    with server:
        with shared_machine.connect(7) as client:
            server.accept()[0].sendall(b"hello")
            assert client.recv(10) == b"hello"
        assert ":0007 " in shared_machine.run("cat", "/proc/net/tcp").stdout
        assert ":0007 " in shared_machine.net("cat", "/proc/net/tcp").stdout
    before = os.stat("/proc/thread-self/ns/net").st_ino
    with shared_machine.network():
        assert os.stat("/proc/thread-self/ns/net").st_ino != before
    assert os.stat("/proc/thread-self/ns/net").st_ino == before


def test_socket_activation(shared_machine):
    """Also that IPv6 and unix sockets work."""
    shared_machine.put("/etc/systemd/system/cat.socket", "[Socket]\nListenStream=9\n"
                       "ListenStream=/run/cat\nAccept=yes\n")
    shared_machine.put("/etc/systemd/system/cat@.service", "[Service]\nExecStart=-/bin/cat\n"
                       "StandardInput=socket\nStandardOutput=socket\n")
    shared_machine.systemctl("daemon-reload")
    shared_machine.systemctl("start", "cat.socket")
    assert shared_machine.exchange(9, b"four") == b"four"
    assert shared_machine.exchange(9, b"six", host="::1") == b"six"
    assert shared_machine.exchange("/run/cat", b"unix") == b"unix"


def test_two_machines_do_not_meet(release):
    """Not their processes, nor their ports, cgroups, files."""
    with ThreadPoolExecutor(2) as pool, contextlib.ExitStack() as stack:
        one, two = pool.map(lambda _: stack.enter_context(bed.Machine(release)), range(2))
        servers = [its.start(sys.executable, "-c", LISTEN, "7777", where="network")
                   for its in (one, two)]
        assert [server.stdout.readline() for server in servers] == ["listening\n"] * 2
        servers[1].kill()
        servers[1].wait()
        one.connect(7777).close()
        with pytest.raises(ConnectionRefusedError):
            two.connect(7777)
        for its in (one, two):
            its.run("systemd-run", f"--unit=mark-{its.name}", "sleep", "1000")
        for its, other in ((one, two), (two, one)):
            wait_for(lambda: "sleep 1000" in " ".join(its.processes().values()), what="sleep")
            assert its.processes()[1].startswith("/")
            listed = its.run("systemctl list-units --all; systemd-cgls --no-pager").stdout
            assert f"mark-{its.name}" in listed and other.name not in listed
            seen = its.run("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; true").stdout
            assert seen.count("sleep\0001000") == 1
        assert not set(process_tree(one.leader)) & set(process_tree(two.leader))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 7777), 5)


def test_a_clean_end_leaves_nothing(release):
    lower = bed.ROOTFS / f"{release}-run"
    before = sorted(os.listdir(lower))
    with bed.Machine(release, limits=True) as machine:
        pids = process_tree(machine.process.pid)
        waiting = machine.start("sleep", "1000")
        assert len(pids) > 5 and len(traces(machine.name)) >= 2
    wait_gone(pids)
    assert waiting.returncode is not None
    assert traces(machine.name) == []
    assert sorted(os.listdir(lower)) == before and not os.listdir(lower / "var/log/journal")


def test_powering_off_stops_units_in_order(release):
    with bed.Machine(release) as machine:
        machine.put("/etc/systemd/system/last.service", "[Service]\nType=oneshot\n"
                    "RemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/echo the last word\n")
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "last.service")
        assert machine.power_off() == 0
        assert not machine.is_alive
        assert machine.wait_journal("^the last word$")
    assert traces(machine.name) == []


def test_a_machine_whose_init_is_killed_is_noticed(release):
    with bed.Machine(release) as machine:
        assert machine.is_alive
        machine.kill()
        assert not machine.is_alive
        with pytest.raises(bed.Failed):
            machine.run("true")
        assert machine.journal(), "the journal can still be read"
    assert traces(machine.name) == []


def test_a_stuck_init_can_be_read_and_ended(release):
    with bed.Machine(release) as machine:
        os.kill(machine.leader, signal.SIGSTOP)
        assert machine.journal()
        assert machine.run("echo", "alive").stdout == "alive\n"
        pids = process_tree(machine.process.pid)
    wait_gone(pids)
    assert traces(machine.name) == []


def test_a_machine_that_does_not_boot_is_an_error(release):
    machine = bed.Machine(release, nspawn=["--bind=/no/such/path"])
    with pytest.raises(AssertionError, match="did not boot: ended 1"):
        machine.__enter__()
    assert traces(machine.name) == []


def test_a_unit_that_fails_at_boot_is_an_error(release, tmp_path):
    unit = tmp_path / "bad.service"
    unit.write_text("[Service]\nType=oneshot\nExecStart=/bin/false\n")
    binds = [(unit, "/etc/systemd/system/systemd-user-sessions.service")]
    with pytest.raises(AssertionError, match="is degraded") as caught:
        bed.Machine(release, binds=binds).__enter__()
    assert "systemd-user-sessions.service" in "".join(caught.value.__notes__)
    with bed.Machine(release, binds=binds, degraded=True) as machine:
        assert machine.show("systemd-user-sessions", "Result") == {"Result": "exit-code"}


CRASH = """
import sys, time
sys.path.insert(0, {directory!r})
import machine
with machine.Machine({release!r}) as its:
    print(its.name, its.leader, its.process.pid, flush=True)
    time.sleep(1000)
"""


def start_victim(release):
    script = CRASH.format(directory=str(Path(bed.__file__).parent), release=release)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    name, leader, outer = child.stdout.readline().split()
    return child, name, process_tree(int(outer))


def test_a_killed_test_takes_its_machine_along(release):
    child, name, pids = start_victim(release)
    child.kill()
    child.communicate()
    wait_gone(pids)
    wait_for(lambda: not traces(name), what="removal of all")


def test_what_a_killed_keeper_left_is_removed_by_the_next(release):
    child, name, pids = start_victim(release)
    try:
        assert traces(name)
        os.kill(pids[1], signal.SIGKILL)
        wait_gone(pids)
        with bed.Machine(release) as machine:
            assert traces(name) == []
            assert traces(machine.name)
    finally:
        child.kill()
        child.communicate()


def test_units_can_be_limited(boot):
    machine = boot(limits=True)
    result = machine.run("systemd-run", "--wait", "--pipe", "-p", "TasksMax=1", "sh", "-c",
                         "/bin/true; echo forked", check=False)
    assert result.returncode != 0 and "forked" not in result.stdout

    def take(memory):  # a process by itself: the kernel has nobody else to pick
        limits = ("-p", "MemoryMax=16M", "-p", "MemorySwapMax=0")
        return machine.run("systemd-run", "--wait", "--pipe", *limits, "dd", "if=/dev/zero",
                           "of=/dev/null", f"bs={memory}", "count=1", check=False)

    assert take("1M").returncode == 0
    result = take("64M")
    assert result.returncode != 0 and re.search("code=killed.*KILL", result.stderr), result.stderr


def test_binds(boot, tmp_path):
    (tmp_path / "file").write_text("outside")
    machine = boot(binds=[(tmp_path, "/mnt")])
    assert machine.run("cat", "/mnt/file").stdout == "outside"
    machine.run("echo inside >/mnt/other")
    assert (tmp_path / "other").read_text() == "inside\n"


def test_a_layer_has_what_was_installed(release, tmp_path):
    units = "lib/systemd/system" if release == "bookworm" else "usr/lib/systemd/system"
    deb = make_package(
        tmp_path, "tcpd-test-layer",
        {f"{units}/sleeper.service": "[Service]\nExecStart=/bin/sleep 1000\n"
                                     "[Install]\nWantedBy=multi-user.target\n"},
        {"postinst": "#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable --now sleeper\n"
                     "systemctl is-active sleeper\n"
                     "rm -r /etc/dpkg/dpkg.cfg.d\nmkdir /etc/dpkg/dpkg.cfg.d\n"})
    path = bed.make_layer(release, "test", [deb])
    try:
        assert bed.make_layer(release, "test", [deb]) == path
        with bed.Machine(release, layer=path) as machine:
            assert "install ok installed" in machine.run("dpkg", "-s", "tcpd-test-layer").stdout
            assert machine.run("systemctl", "is-active", "sleeper").stdout == "active\n"
            assert machine.run("ls", "/etc/dpkg/dpkg.cfg.d").stdout == ""
    finally:
        path.unlink()


def test_boots_quickly(release):
    with bed.Machine(release) as machine:
        assert machine.boot_seconds < 10  # half a second when nothing else is running
        print(f"{release} booted in {machine.boot_seconds:.2f} s")


def test_machines_in_threads(release):
    """The thread that started a machine may end before it."""
    found = []
    thread = threading.Thread(target=lambda: found.append(bed.Machine(release).__enter__()))
    thread.start()
    thread.join()
    machine, = found
    try:
        assert machine.run("echo", "alive").stdout == "alive\n"
    finally:
        machine.close()
