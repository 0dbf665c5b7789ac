# SPDX-License-Identifier: MIT
"""The same code that attacks as in tests/system/control/test_hostile_code.py, a module under the unit
as it is shipped: what the sandbox adds, and that neither the master nor another service is hurt."""

import contextlib
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "control"))
import hostile  # noqa: E402 (after the path)
from harness import (BUILD, PATIENCE, Text, configuration, proc_fds, process_tree, service,  # noqa: E402
                     tcp_far_end, wait_for)
from units import CONF, CONTROL  # noqa: E402

MODULE = "/usr/lib/tcpd/hostile.so"
PORTS = {"bystander": 7007, "hostile": 7008}
SERVICES = configuration(
    service("bystander", "echo", listen=["127.0.0.1:7007"], min_workers=2, spare_workers=1),
    service("hostile", "module", listen=["127.0.0.1:7008"], module=MODULE, min_workers=2,
            spare_workers=1), stop_timeout="3s")
# All of it anew, sockets included: an attack may have left its mark on them.
ANEW = "systemctl stop tcpd.service tcpd.socket; systemctl reset-failed; systemctl start tcpd.service"


def status(pid, name):
    text = Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{name}:\s+(.*)$", text, re.M)[1].split()


class World:
    """The unit, freshly started."""

    def __init__(self, machine):
        self.machine = machine
        machine.run(ANEW)
        self.cursor = machine.cursor()
        self.before = self.state()
        self.pid = int(self.before["MainPID"])
        self.outside = next(pid for pid in process_tree(machine.leader)
                            if status(pid, "NSpid")[-1] == str(self.pid))
        self.places = {"control": CONTROL, "notify": "/run/systemd/notify", "conf": CONF,
                       "folder": "/tmp", "new": "/run/tcpd-starts/tcpd.service/new",
                       "port": PORTS["bystander"]}

    def state(self):
        return self.machine.show("tcpd.service", "MainPID", "ActiveState", "NRestarts",
                                 "NFileDescriptorStore")

    def connect(self, name, timeout):
        return self.machine.connect(PORTS[name], timeout=timeout)

    def worker_serving(self, sock):
        with self.machine.network():
            inode, _ = wait_for(lambda: (end := tcp_far_end(sock)) and end[0] and end)
        return next(pid for pid in process_tree(self.machine.leader)
                    if f"socket:[{inode}]" in proc_fds(pid).values())

    def numbers(self, held):
        return self.pid, int(status(self.worker_serving(held), "NSpid")[-1])

    def is_master_well(self):
        with contextlib.suppress(OSError):
            return self.state() == self.before and status(self.outside, "State")[0] in "RSD"
        return False

    def messages(self):
        return [record for record in self.machine.journal("-u", "tcpd.service", since=self.cursor)
                if isinstance(record.get("MESSAGE"), str)]

    def look(self, row):
        found = set()
        records = self.messages()
        if sum(len(record["MESSAGE"]) for record in records) > hostile.FLOOD:
            found.add("log")
        said = self.machine.show("tcpd.service", "StatusText")["StatusText"]
        if any(r["MESSAGE"] == "tcpd: a forged line" for r in records) or "forged" in said:
            found.add("forged")
        if row.where == "control" and self.is_master_well():
            if self.machine.run("timeout 5 tcpdctl status", check=False).returncode != 0:
                found.add("control")
        return found

    def reload(self):
        """True when it has succeeded, and the journal says so."""
        since = self.machine.cursor()
        done = self.machine.run("timeout 15 systemctl reload tcpd.service", check=False)
        return done.returncode == 0 and hostile.happens(lambda: any(
            re.search("reload", r["MESSAGE"]) and r.get("SYSLOG_IDENTIFIER") == "tcpd"
            for r in self.machine.journal("-u", "tcpd.service", since=since)
            if isinstance(r.get("MESSAGE"), str)))

    def orphans(self):
        found = []
        for pid in process_tree(self.machine.leader):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "hostile-orphan":
                    found.append(pid)
        return found

    def stop(self):
        self.machine.systemctl("stop", "tcpd.service", timeout=15)
        return self.machine.show("tcpd.service", "Result")["Result"] == "success" and \
            not any(re.search(Text.not_in_time, record["MESSAGE"]) for record in self.messages())


@pytest.fixture(scope="module")
def machine(shared_tcpd_machine):
    its = shared_tcpd_machine
    shutil.copy(BUILD / "tests/modules/hostile.so", its.inside(MODULE))
    its.run(f"chown root:root {MODULE} && chmod 644 {MODULE}")
    its.put(CONF, SERVICES)
    its.systemctl("daemon-reload")
    return its


@pytest.mark.in_turn("row", first="bookworm")
@pytest.mark.parametrize("row", hostile.ROWS, ids=hostile.name_of)
def test_attack(machine, row):
    """Neither the master nor another service is hurt, and its own goes on; or what tcpd.service(8)
    says."""
    found, answers = hostile.attack(World(machine), row)
    assert found == row.expected("module", "unit"), f"found: {sorted(found)}; steps: {answers}"
