# SPDX-License-Identifier: MIT
"""Steering the unit, from outside of its sandbox: its group sees, and root alone orders; a pause ends
with the daemon."""

import json

import pytest

from harness import EX_NOPERM, EX_OK, service, wait_for
from programs import ONE
from units import configure

AS_TCPD = ["setpriv", "--reuid=tcpd", "--regid=tcpd", "--clear-groups"]


@pytest.fixture
def machine(shared_tcpd_machine):
    configure(shared_tcpd_machine, service("echo", listen=["127.0.0.1:7007"], **ONE))
    return shared_tcpd_machine


def pool(machine):
    out = machine.run("tcpdctl", "--json", "status").stdout
    return next(pool for pool in json.loads(out)["pools"] if pool["service"] == "echo")


def test_pause(machine):
    """`systemctl status` says it; a reload keeps it, a restart does not; who waits is served then."""
    cursor = machine.cursor()
    assert machine.run("tcpdctl", "--wait", "pause", "echo").stdout.startswith(
        "echo 127.0.0.1:7007: paused, no session is left\n")
    assert machine.show("tcpd.service", "StatusText")["StatusText"].endswith("; echo paused")
    found = machine.wait_journal("paused by process", "TCPD_SERVICE=echo", since=cursor)
    assert "of user 0" in found["MESSAGE"]
    machine.systemctl("reload", "tcpd.service")
    assert pool(machine)["paused"] is True
    with machine.connect(7007) as sock:
        sock.sendall(b"later")
        wait_for(lambda: pool(machine)["queue"] == 1)
        machine.systemctl("restart", "tcpd.service")
        assert sock.recv(5) == b"later"
    assert pool(machine)["paused"] is False


def test_permission(machine):
    """A worker is of the user tcpd, too: it may look, and order nothing."""
    pid = next(pid for pid, title in machine.processes().items() if title.startswith("tcpd: echo "))
    for words in (["pause"], ["resume"], ["resize", "echo", "max=5"],
                  ["drain", "--worker", str(pid)]):
        refused = machine.run(*AS_TCPD, "tcpdctl", *words, check=False)
        assert refused.returncode == EX_NOPERM and "only root" in refused.stderr
    seen = machine.run(*AS_TCPD, "tcpdctl", "--json", "--no-wait", "events").stdout
    assert "ready" in [json.loads(line)["kind"] for line in seen.splitlines()]
    assert machine.run(*AS_TCPD, "tcpdctl", "explain", check=False).returncode in (EX_OK, 3)
    assert not pool(machine)["paused"] and not pool(machine)["resized"]
