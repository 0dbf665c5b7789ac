# SPDX-License-Identifier: MIT
"""Crashes and faults around tcpd under a real systemd: each costs what it must, and heals."""

import contextlib
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import machine as bed
import units
from harness import (BUILD, PATIENCE, Text, proc_fds, proc_state, process_tree, service,
                     tcp_far_end, wait_for)
from load import Load

pytestmark = pytest.mark.in_turn(first="trixie")

CONFIG = "/etc/tcpd/tcpd.conf"
PROGRAM = "/usr/libexec/tcpd/tcpd"
DROP_INS = "/etc/systemd/system/tcpd.service.d"


@pytest.fixture
def tcpd(tcpd_machine):
    tcpd_machine.wait_unit("tcpd.service", ActiveState="active")
    return tcpd_machine


def main_pid(machine):
    return int(machine.show("tcpd.service", "MainPID")["MainPID"])


def configure(machine, line):
    """Puts an option for all of tcpd into its configuration, and has it read."""
    machine.run("sed", "-i", f"1i {line}", CONFIG)
    machine.systemctl("reload", "tcpd.service")


def adjust_unit(machine, lines):
    machine.put(f"{DROP_INS}/test.conf", f"[Service]\n{lines}\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "tcpd.service")


def say(sock, data=b"hello"):
    """Whether an echo session lives."""
    sock.sendall(data)
    got = b""
    while len(got) < len(data):
        part = sock.recv(len(data) - len(got))
        assert part, "the session has ended"
        got += part
    return got == data


def assert_broken(sock):
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""


def worker_of(machine, sock):
    """The process at the far end of a connection, by its number outside."""
    with machine.network():
        inode, _ = tcp_far_end(sock)
    return next(pid for pid in process_tree(machine.leader)
                if f"socket:[{inode}]" in proc_fds(pid).values())


def outside(machine, pid):
    """A process of the machine by its number outside."""
    for found in process_tree(machine.leader):
        numbers = re.search(r"^NSpid:\s+(.*)$", Path(f"/proc/{found}/status").read_text(), re.M)
        if int(numbers[1].split()[-1]) == pid:
            return found
    raise AssertionError(f"no process {pid}")


def oom_score_adj(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def inside(pid):
    return int(re.search(r"^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def assert_sockets_listen(machine):
    """All socket units are up, none has met a limit."""
    units = machine.systemctl("list-units", "--all", "--plain", "--no-legend", "tcpd*.socket")
    lines = [line.split() for line in units.stdout.splitlines()]
    assert len(lines) == 9 and all(line[2] == "active" for line in lines), lines


def test_a_master_that_hangs(tcpd):
    """The watchdog has it restarted; until then its workers serve."""
    adjust_unit(tcpd, "WatchdogSec=2s")
    pid = main_pid(tcpd)
    os.kill(outside(tcpd, pid), signal.SIGSTOP)
    assert tcpd.exchange(7007, b"by a worker") == b"by a worker"
    tcpd.wait_unit("tcpd.service", NRestarts=1, ActiveState="active")
    assert main_pid(tcpd) != pid
    assert tcpd.wait_journal("Failed with result 'watchdog'")
    assert tcpd.exchange(7007, b"again") == b"again"
    assert_sockets_listen(tcpd)


def test_a_worker_killed_for_want_of_memory(boot, tcpd_layer):
    """OOMPolicy=continue (B42): it costs its session, the service goes on. The kernel would kill
    each worker before the master."""
    machine = boot(layer=tcpd_layer, limits=True)
    module = "/usr/lib/tcpd/faulty.so"
    shutil.copy(BUILD / "tests/modules/faulty.so", machine.inside(module))
    machine.run("chown", "root:root", module)
    machine.wait_unit("tcpd.service", ActiveState="active")
    adjust_unit(machine, "MemoryMax=64M\nMemorySwapMax=0")
    units.configure(machine, service("leaks", "module", listen=["127.0.0.1:7005"], module=module),
                    units.ECHO)
    names = "MainPID", "NRestarts", "OOMPolicy", "OOMScoreAdjust"
    before = machine.show("tcpd.service", *names)
    assert (before["OOMPolicy"], before["OOMScoreAdjust"]) == ("continue", "-100")
    victim, other = machine.connect(7005), machine.connect(7007)
    with victim, other:
        assert say(victim, b"hello\n") and say(other)
        master = outside(machine, main_pid(machine))
        worker = worker_of(machine, victim)
        number = inside(worker)
        assert oom_score_adj(worker) == oom_score_adj(master) + 100
        victim.sendall(b"leak\n")
        assert_broken(victim)
        assert machine.wait_journal(Text.death(number, Text.by_signal(9, "KILL")))
        assert say(other)
        assert machine.exchange(7005, b"new\n") == b"new\n"
    assert machine.show("tcpd.service", *names) == before
    assert machine.show("tcpd.service", "ActiveState") == {"ActiveState": "active"}


def wait_record(machine):
    """A session of now comes into the journal."""
    with machine.connect(7007) as sock:
        port = sock.getsockname()[1]
        assert say(sock)
    machine.wait_journal(Text.opened("echo", f"127.0.0.1:{port}"), "_COMM=tcpd")


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_journal_that_goes_away(tcpd, how):
    """Sessions that log go on, and their records come again."""
    configure(tcpd, "log_sessions = all")
    unit = "systemd-journald.service"
    pid = tcpd.show(unit, "MainPID")["MainPID"]
    with Load(tcpd, pause=0.05, length=1) as load:
        wait_record(tcpd)
        if how == "killed":
            tcpd.run(f"kill -KILL {pid}")
        else:
            tcpd.systemctl("restart", unit)
        wait_for(lambda: tcpd.show(unit, "MainPID", "SubState")["MainPID"] not in ("0", pid))
        wait_record(tcpd)
    load.assert_lossless()
    assert load.result["worst"]["answer"] < 2


# A small disk for both places where the journal may be.
SMALL_DISK = "mkdir /disk && mount -t tmpfs -o size=24M small /disk && " \
    "mkdir /disk/run /disk/var && " \
    "mount --bind /disk/run /run/log/journal && mount --bind /disk/var /var/log/journal && " \
    "systemctl restart systemd-journald && journalctl --flush"

# Takes what is left of it again and again, so that removing old journals does not help.
FILL = "touch /disk/filling; while [ -e /disk/filling ]; do " \
    "cat /dev/zero >>/disk/full 2>/dev/null; sleep 0.02; done"
CHATTER = "head -c 1M /dev/urandom | base64 -w 5000 | systemd-cat"


def test_a_full_disk_below_the_journal(tcpd):
    """Sessions go on without their records, which come again when there is room."""
    configure(tcpd, "log_sessions = all")
    limits = [f"{place}MaxUse=1G\n{place}KeepFree=1\n{place}MaxFileSize=512K\n"
              for place in ("System", "Runtime")]
    tcpd.put("/etc/systemd/journald.conf.d/test.conf", "[Journal]\n" + "".join(limits))
    tcpd.run(SMALL_DISK)

    def is_recorded():
        with tcpd.connect(7007) as sock:
            port = sock.getsockname()[1]
            assert say(sock)
        tcpd.run("journalctl --sync", check=False)
        return tcpd.run(f"journalctl -q _COMM=tcpd TCPD_PEER_PORT={port}", check=False).stdout != ""

    assert is_recorded()
    filling = tcpd.start(FILL)
    wait_for(lambda: tcpd.run(CHATTER, check=False) and not is_recorded(), what="a lost record")
    with Load(tcpd, pause=0.05) as load:
        tcpd.systemctl("reload", "tcpd.service")
        assert not is_recorded()
    load.assert_lossless()
    assert load.result["worst"]["answer"] < 2
    tcpd.run("rm /disk/filling")
    filling.wait(PATIENCE)
    tcpd.run("rm /disk/full")
    wait_for(is_recorded)
    assert tcpd.show("tcpd.service", "ActiveState", "NRestarts") == {
        "ActiveState": "active", "NRestarts": "0"}


def break_program(machine):
    machine.run(f"mv {PROGRAM} {PROGRAM}.away && cp /bin/false {PROGRAM}")


def mend_program(machine):
    machine.run(f"mv {PROGRAM}.away {PROGRAM}")


def break_configuration(machine):
    machine.put(f"{CONFIG}.d/bad.conf", "no_such_option = 1\n")


def mend_configuration(machine):
    machine.run(f"rm {CONFIG}.d/bad.conf")


@pytest.mark.parametrize("bad, mend, times", [
    (break_program, mend_program, 12),
    (break_configuration, mend_configuration, 4)])  # it tries less and less often
def test_a_crash_loop_and_its_repair(tcpd, bad, mend, times):
    """No limit ends it: clients wait in the sockets, and are served after the repair."""
    adjust_unit(tcpd, "RestartSec=100ms")
    bad(tcpd)
    tcpd.run(f"kill -KILL {main_pid(tcpd)}")
    wait_for(lambda: int(tcpd.show("tcpd.service", "NRestarts")["NRestarts"]) >= 2)
    clients = [tcpd.connect(7007, host=host) for host in ("127.0.0.1", "::1") * 8]
    for client in clients:
        client.sendall(b"hello")
    wait_for(lambda: int(tcpd.show("tcpd.service", "NRestarts")["NRestarts"]) >= times)
    assert_sockets_listen(tcpd)
    mend(tcpd)
    begin = time.monotonic()
    for client in clients:
        with client:
            assert client.recv(5) == b"hello"
    assert time.monotonic() - begin < 5  # 0.3 s when nothing else is running
    tcpd.wait_unit("tcpd.service", ActiveState="active", Result="success")
    assert "start-limit" not in json.dumps(tcpd.journal("_PID=1"))


def test_a_crash_loop_of_workers(tcpd):
    """It is throttled, the master lives, and it heals by itself."""
    pid = main_pid(tcpd)
    master = outside(tcpd, pid)
    stop = threading.Event()
    killed = set()

    def kill_children():
        while not stop.is_set():
            for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
                    killed.add(int(child))
            stop.wait(0.005)

    killer = threading.Thread(target=kill_children)
    killer.start()
    try:
        tcpd.wait_journal(r"the next one starts in [48]00 ms|throttled for [48]00 ms", "_COMM=tcpd")
    finally:
        stop.set()
        killer.join()
    # One that dies in accept() may still take a connection along.
    wait_for(lambda: all(proc_state(child) in (None, "Z", "X") for child in killed))
    assert tcpd.exchange(7007, b"healed") == b"healed"
    assert tcpd.show("tcpd.service", "MainPID", "NRestarts", "ActiveState") == {
        "MainPID": str(pid), "NRestarts": "0", "ActiveState": "active"}
    tcpd.systemctl("reload", "tcpd.service")
    for port in (7007, 9999, 1234, 1313, 3737, 9009):
        tcpd.exchange(port)


def test_a_killed_worker_costs_its_session_only(tcpd):
    pid = main_pid(tcpd)
    victim, other = tcpd.connect(7007), tcpd.connect(7007)
    with victim, other, Load(tcpd) as load:
        assert say(victim) and say(other)
        worker = worker_of(tcpd, victim)
        number = inside(worker)
        os.kill(worker, signal.SIGKILL)
        assert_broken(victim)
        record = tcpd.wait_journal(Text.death(number, Text.by_signal(9, "KILL")))
        assert record["TCPD_PEER"].endswith(f":{victim.getsockname()[1]}")
        assert say(other)
    load.assert_lossless()
    assert main_pid(tcpd) == pid


def test_an_upgrade_that_rejects_the_configuration(tcpd, release, tmp_path, record_property):
    """The sockets stay, clients wait, and are served after the repair. dpkg ends all the same."""
    tcpd.run("sed", "-i", "1i an_option_of_old = yes", CONFIG)
    package = bed.repack(bed.tcpd_debs(release)[0], "9-1", tmp_path)
    tcpd.inside("/root/new.deb").write_bytes(package.read_bytes())
    result = tcpd.run("dpkg", "-i", "/root/new.deb", check=False, timeout=4 * PATIENCE)
    assert result.returncode == 0, result.stdout + result.stderr
    client = tcpd.connect(7007)
    with client:
        client.sendall(b"hello")
        assert tcpd.wait_journal(r"tcpd\.conf:1: .*an_option_of_old", "_COMM=tcpd")
        wait_for(lambda: int(tcpd.show("tcpd.service", "NRestarts")["NRestarts"]) >= 2)
        assert_sockets_listen(tcpd)
        tcpd.run("sed", "-i", "1d", CONFIG)
        assert client.recv(5) == b"hello"
    tcpd.wait_unit("tcpd.service", ActiveState="active")
    assert "ok installed" in tcpd.run("dpkg", "-s", "tcpd-server").stdout
    record_property("figures", f"{release}: upgrade that rejects the configuration: dpkg's exit "
                    f"status {result.returncode}, and: {result.stderr.strip() or 'nothing'}")


def test_powering_off_with_sessions_in_hand(tcpd):
    """A session that ends in time is served to its end, another is cut at stop_timeout."""
    configure(tcpd, "stop_timeout = 2s")
    ends, stays = tcpd.connect(7007), tcpd.connect(7007)
    with ends, stays:
        assert say(ends) and say(stays)
        begin = time.monotonic()
        os.kill(tcpd.leader, signal.SIGRTMIN + 4)
        tcpd.wait_journal("stopping: draining", "_COMM=tcpd")
        assert say(ends) and say(stays)
        ends.shutdown(1)
        assert ends.recv(1) == b""
        assert say(stays)
        assert tcpd.wait_end() == 0
        seconds = time.monotonic() - begin
        assert_broken(stays)
    assert seconds < 10  # 2.5 s when nothing else is running
    assert tcpd.wait_journal(Text.not_in_time)
    assert tcpd.wait_journal(Text.stopped, "_COMM=tcpd")
