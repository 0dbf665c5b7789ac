# SPDX-License-Identifier: MIT
"""Nothing is lost while tcpd restarts, reloads, is upgraded, or is killed: clients that look at
every byte run meanwhile, and count.

A connection is new until the kernel has completed it, queued until a worker has accepted it, and in
hand from then on. Where the master is not killed, sessions in hand end as they should, too.
"""

import contextlib

import pytest

import machine as bed
from harness import SOAK
from load import Load

RESTARTS = 20
SELF_BOUND, RELOADS, UPGRADES, KILLS = (20, 50, 3, 10) if SOAK else (8, 25, 2, 4)
SLACK = 0.05  # seconds by which a client may be late to notice that it is connected
CONFIG = "/etc/tcpd/tcpd.conf"


@pytest.fixture
def tcpd(tcpd_machine):
    tcpd_machine.wait_unit("tcpd.service", ActiveState="active")
    return tcpd_machine


@pytest.fixture
def figures(record_property, release):
    """figures(what, load): keeps them for the end of the report."""
    return lambda what, load: record_property("figures", f"{release}: {what}: {load.describe()}")


def main_pid(machine):
    return int(machine.show("tcpd.service", "MainPID")["MainPID"])


def test_the_load_notices_what_is_lost(tcpd):
    """Sockets that are closed, and sessions that are cut."""
    tcpd.run("sed", "-i", "1i stop_timeout = 10ms", CONFIG)
    tcpd.systemctl("reload", "tcpd.service")
    with Load(tcpd, length=1) as load:
        tcpd.systemctl("stop", "tcpd.socket", "tcpd.service")
        with pytest.raises(ConnectionRefusedError):
            tcpd.connect(7007)
        tcpd.systemctl("start", "tcpd.service")
    assert load.result["refused"] > 0 and load.result["cut"] > 0 and load.resets > 0
    with pytest.raises(AssertionError, match="refused"):
        load.assert_lossless()


def restart(machine, times):
    pids = {main_pid(machine)}
    for _ in range(times):
        machine.systemctl("restart", "tcpd.service")
        pids.add(main_pid(machine))
    assert len(pids) == times + 1


def test_restarts_with_socket_units(tcpd, figures):
    """The sockets stay with systemd, with their queues."""
    with Load(tcpd) as load:
        restart(tcpd, RESTARTS)
    figures(f"{RESTARTS} restarts", load)
    load.assert_lossless()


def test_restarts_through_the_fd_store(tcpd, figures):
    """tcpd has bound by itself, by the example that is shipped, and finds its sockets again."""
    tcpd.systemctl("stop", "tcpd.socket", "tcpd.service")
    tcpd.run("mkdir -p /etc/systemd/system/tcpd.service.d && "
             "cp /usr/share/doc/tcpd-server/examples/bind.conf /etc/systemd/system/tcpd.service.d/")
    tcpd.run("sed", "-i", "1i socket_units = no", CONFIG)
    tcpd.systemctl("daemon-reload")
    tcpd.systemctl("start", "tcpd.service")
    units = tcpd.systemctl("list-units", "--all", "--plain", "--no-legend", "tcpd*.socket").stdout
    assert [line.split()[0] for line in units.splitlines()] == ["tcpd.socket"]
    with Load(tcpd) as load:
        restart(tcpd, SELF_BOUND)
    figures(f"{SELF_BOUND} restarts, self-bound", load)
    load.assert_lossless()
    assert tcpd.show("tcpd.service", "NFileDescriptorStore")["NFileDescriptorStore"] == "11"


def test_reloads(tcpd, figures):
    """Each one with another configuration, which serves when systemctl returns."""
    pid = main_pid(tcpd)
    with Load(tcpd) as load:
        for number in range(RELOADS):
            tcpd.run("sed", "-i", f's|^    message = .*|    message = "number {number}"|', CONFIG)
            tcpd.systemctl("reload", "tcpd.service")
            assert tcpd.exchange(1234) == b"number %d" % number
    figures(f"{RELOADS} reloads", load)
    load.assert_lossless()
    assert main_pid(tcpd) == pid


def test_upgrades_of_the_package(tcpd, figures, release, tmp_path):
    """dpkg restarts the service, and leaves the sockets alone."""
    packages = [bed.repack(bed.tcpd_debs(release)[0], f"9.{number}-1", tmp_path)
                for number in range(UPGRADES)]
    pids = [main_pid(tcpd)]
    with Load(tcpd) as load:
        for package in packages:
            tcpd.install(package)
            pids.append(main_pid(tcpd))
    figures(f"{UPGRADES} upgrades", load)
    load.assert_lossless()
    assert len(set(pids)) == UPGRADES + 1
    assert tcpd.show("tcpd.socket", "ActiveState") == {"ActiveState": "active"}
    assert f"Version: 9.{UPGRADES - 1}-1" in tcpd.run("dpkg", "-s", "tcpd-server").stdout


NARROW = """
service "narrow" {
    handler = "echo"
    listen = {"127.0.0.1:7100"}
    min_workers = 2
    spare_workers = 0
    max_workers = 2
}
"""


def hold(machine, n):
    """n connections that have sent a byte."""
    held = [machine.connect(7100) for _ in range(n)]
    for sock in held:
        sock.sendall(b"x")
    return held


def break_and_serve(machine, kill):
    """Two sessions take all workers of a pool, eight wait in its queue: the two break, no other."""
    in_hand = hold(machine, 2)
    assert [sock.recv(1) for sock in in_hand] == [b"x"] * 2
    queued = hold(machine, 8)
    kill()
    for sock in in_hand:
        with sock, contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    for sock in queued:
        with sock:
            assert sock.recv(1) == b"x"


def ends(machine):
    """When no worker was left after each kill, by systemd's own log."""
    return sorted(int(record["__MONOTONIC_TIMESTAMP"]) / 1e6
                  for record in machine.journal("_PID=1", "UNIT=tcpd.service")
                  if "Failed with result 'signal'" in record["MESSAGE"])


def test_kills_of_the_master(tcpd, figures, record_property, release):
    """systemd kills the workers along with it, some milliseconds later, and whoever connects until
    then may come into their hands. So of short sessions those may break that were connected before
    the last worker was gone. None that was surely queued or came later; none is refused. B41, B42."""
    tcpd.run("cat >>" + CONFIG, input=NARROW)
    tcpd.systemctl("daemon-reload")
    tcpd.systemctl("restart", "tcpd.socket")
    tcpd.wait_unit("tcpd.service", ActiveState="active")
    with Load(tcpd) as load:
        for number in range(1, KILLS + 1):
            pid = main_pid(tcpd)
            break_and_serve(tcpd, lambda: tcpd.run(f"kill -KILL {pid}"))
            tcpd.wait_unit("tcpd.service", NRestarts=number, ActiveState="active")
            assert main_pid(tcpd) not in (0, pid)
    gone = ends(tcpd)
    assert len(gone) == KILLS
    broken = load.result["broken"]
    late = [its for its in broken if not any(
        its["connected"] - SLACK < when < its["at"] + 1 for when in gone)]
    answered = sum(its["answered"] > 0 for its in broken)
    figures(f"{KILLS} kills of the master", load)
    record_property("figures", f"{release}: of {len(broken)} broken sessions {answered} had an "
                    f"answer, {len(late)} began after the last worker was gone; {8 * KILLS} in a "
                    "queue for sure were all served")
    assert late == [], gone
    counts = load.result
    assert counts["refused"] == counts["unanswered"] == counts["wrong"] == counts["other"] == 0
    assert counts["sessions"] + len(broken) == counts["connections"]
