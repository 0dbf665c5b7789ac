# SPDX-License-Identifier: MIT
"""What is drained stays drained: over a reload, a restart, a crash and an upgrade of the package, by
systemd's store; `systemctl stop` forgets it."""

import re

import machine as bed
from harness import PATIENCE, configuration, service, wait_for
from units import ECHO, install, wait_active

AGENT = service("agent", listen=["127.0.0.1:9101"], min_workers=1, max_workers=4)
SLEEPY = "drain_delay = 2s\n"


def says(machine):
    return machine.exchange(9101).decode()


def test_drained(tcpd_machine, deb, tmp_path):
    """N9, in the sandbox of the unit."""
    machine = tcpd_machine
    install(machine, configuration(ECHO, AGENT))
    wait_active(machine)
    assert says(machine) == "up 100%\n"
    machine.run("tcpdctl", "drain")
    assert says(machine) == "up 0%\n"
    wait_for(lambda: re.search(r"echo drained by root since \d\d:\d\d$",
                               machine.show("tcpd.service", "StatusText")["StatusText"]))
    wait_for(lambda: machine.show("tcpd.service", "NFileDescriptorStore") ==
             {"NFileDescriptorStore": "1"})

    machine.systemctl("reload", "tcpd.service")
    assert says(machine) == "up 0%\n"
    machine.systemctl("restart", "tcpd.service")
    assert says(machine) == "up 0%\n"
    machine.run("tcpdctl", "maint", "--reason", "a new disk")
    before = machine.show("tcpd.service", "MainPID")["MainPID"]
    machine.systemctl("kill", "--kill-who=main", "--signal=KILL", "tcpd.service")
    wait_for(lambda: machine.show("tcpd.service", "MainPID")["MainPID"] not in (before, "0"))
    wait_active(machine)
    assert says(machine) == "stopped 0% #maintenance by root: a new disk\n"
    new = bed.repack(deb, "0.1.0-2", tmp_path)
    machine.inside("/root").joinpath(new.name).write_bytes(new.read_bytes())
    machine.run("dpkg", "--force-confold", "-i", f"/root/{new.name}", timeout=2 * PATIENCE)
    wait_active(machine)
    assert says(machine) == "stopped 0% #maintenance by root: a new disk\n"
    assert "a new disk" in machine.run("tcpdctl", "status").stdout

    machine.systemctl("stop", "tcpd.service")
    machine.systemctl("start", "tcpd.service")
    assert says(machine) == "up 100%\n"
    wait_for(lambda: machine.show("tcpd.service", "NFileDescriptorStore") ==
             {"NFileDescriptorStore": "0"})


def test_drain_delay(tcpd_machine):
    """A restart by systemd serves on for drain_delay, however short TimeoutStopSec= is."""
    machine = tcpd_machine
    install(machine, SLEEPY + configuration(ECHO, AGENT))
    wait_active(machine)
    machine.put("/etc/systemd/system/tcpd.service.d/short.conf", "[Service]\nTimeoutStopSec=1s\n")
    machine.systemctl("daemon-reload")
    cursor = machine.cursor()
    machine.systemctl("restart", "tcpd.service")
    machine.wait_journal("drain_delay is over", "-t", "tcpd", since=cursor)
    machine.wait_journal("^stopped$", "-t", "tcpd", since=cursor)
    assert machine.show("tcpd.service", "Result") == {"Result": "success"}
    assert says(machine) == "up 100%\n"
