# SPDX-License-Identifier: MIT
"""Code in a worker that attacks: a module, a program, a program that accepts by itself; as an
ordinary user and as root, without systemd. Each in a process namespace of its own, as some kill
whatever they may."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import hostile
from harness import (BUILD, EX_OK, PATIENCE, SANITIZED, Tcpd, Text, Timeout, can_become_others,
                     configuration, proc_state, process_tree, service, wait_for)

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
OWN_PROCESSES = ["setsid", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                 '"$@"; exit $?', "sh"]


def number_inside(pid):
    """The number of a process in its own namespace."""
    return int(re.search(r"^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def comm(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


RELOADED_WITHIN = 12  # a reload is over when the new workers serve, or after 10 s

# The leak sanitizer starts a process at the end, which limits forbid that an attack has set.
NO_LEAKS = {"LSAN_OPTIONS": "detect_leaks=0"}


class World(Tcpd):
    """A daemon that has a process namespace and a session of its own."""

    def __init__(self, kind, user, stop_timeout="20s"):
        self.at = {}
        self.folder = Path(tempfile.mkdtemp(prefix="tcpd-hostile-"))
        self.folder.chmod(0o755)
        (self.folder / "in").mkdir()
        (self.folder / "in").chmod(0o777)
        control = self.folder / "in/control"
        conf = configuration(
            service("bystander", "echo", min_workers=2, spare_workers=1),
            service("hostile", "module" if kind == "module" else "program", min_workers=2,
                    **self.options(kind)),
            control=f"unix:{control}", stop_timeout=stop_timeout)
        super().__init__(conf, prefix=OWN_PROCESSES + (NOBODY if user == "user" else []),
                         env=NO_LEAKS)
        self.wait_ready()
        self.pid = process_tree(self.process.pid)[2]
        self.before = len(self.log.items)
        self.address("hostile")
        self.places = {"control": control, "notify": self.directory / "notify", "conf": self.path,
                       "folder": self.folder / "in", "new": self.folder / "in/new",
                       "port": self.address("bystander")[1]}

    def options(self, kind):
        built = BUILD / ("tests/modules/hostile.so" if kind == "module" else "tests/hostile/program")
        own = self.folder / built.name
        shutil.copyfile(built, own)
        own.chmod(0o755)
        if kind == "listener":
            return {"program": [str(own)], "program_mode": "listener"}
        served = {"module": own} if kind == "module" else \
            {"program": [str(own)], "kill_grace": "500ms"}
        return {**served, "spare_workers": 1}

    def address(self, name, family=None):
        if name not in self.at:  # a log that is flooded takes long to search
            self.at[name] = super().address(name, family)
        return self.at[name]

    @property
    def addresses(self):
        return {} if len(self.at) == 2 else super().addresses

    def numbers(self, held):
        return number_inside(self.pid), number_inside(self.worker_serving(held))

    def signal(self, number):
        os.kill(self.pid, number)

    def is_master_well(self):
        return proc_state(self.pid) in ("R", "S", "D") and \
            not any(line.startswith("tcpd: stopping") for line in self.log.items)

    def look(self, row):
        found = set()
        log = self.log.items[self.before:]
        if sum(map(len, log)) > hostile.FLOOD:
            found.add("log")
        if any(line.endswith("tcpd: a forged line") and len(line) < 24 for line in log):
            found.add("forged")
        if row.where == "control" and self.is_master_well():
            asked = ["timeout", "5", BUILD / "tcpdctl", "-s", self.places["control"], "status"]
            if subprocess.run(asked, capture_output=True, check=False).returncode != EX_OK:
                found.add("control")
        return found

    def reload(self):
        since, logged = len(self.notifications.items), len(self.log.items)
        self.signal(signal.SIGHUP)
        try:
            self.wait_notify(lambda m: m.get("RELOADING") == "1", RELOADED_WITHIN, since=since)
            self.wait_notify(lambda m: m.get("READY") == "1", RELOADED_WITHIN, since=since)
            end = self.log.find(re.compile(rf"reloaded|{Text.reload_failed}").search,
                                RELOADED_WITHIN, "its end", logged)
        except Timeout:
            return False
        return not re.search(Text.reload_failed, end)

    def orphans(self):
        return [pid for pid in process_tree(self.process.pid) if comm(pid) == "hostile-orphan"]

    def stop(self, deadline=PATIENCE):
        try:
            super().stop(deadline)
        except Timeout:
            return False
        return self.exit_status == EX_OK and not self.log_matches(Text.not_in_time)

    def cleanup(self):
        super().cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


ATTACKER = ("127.0.0.2", 0)
LISTENER = [row for row in hostile.ROWS if row.name in hostile.ON_LISTENER]
OTHERS = [row for row in hostile.ROWS if row not in LISTENER]
SETUPS = [*(("module", user, row) for user in ("user", "root") for row in hostile.ROWS),
          *(("program", "user", row) for row in OTHERS),
          *(("listener", "user", row) for row in LISTENER)]
if SANITIZED:  # what the master reads of such a worker: the walls are the kernel's
    SETUPS = [setup for setup in SETUPS if setup[:2] == ("module", "user")]


@pytest.mark.skipif(not can_become_others(), reason="for root: other users, process namespaces")
@pytest.mark.parametrize("kind, user, row", SETUPS,
                         ids=[f"{kind}-{user}-{hostile.name_of(row)}" for kind, user, row in SETUPS])
def test_attack(kind, user, row):
    """Neither the master nor another service is hurt, and its own goes on; or what tcpd.service(8)
    says."""
    expected = row.expected(kind, user)
    with World(kind, user, "3s" if "stop" in expected else "20s") as world:  # for its own to be killed
        found, answers = hostile.attack(world, row)
        assert found == expected, f"found: {sorted(found)}; steps: {answers}"


@pytest.mark.skipif(not can_become_others(), reason="for root: other users, process namespaces")
def test_crashes_at_will():
    """One client has worker after worker crash: others are served in between, though not before the
    next try to start one, which is within a second."""
    with World("module", "user") as world:
        for _ in range(6):
            for _ in range(5):
                with contextlib.suppress(OSError), \
                        world.connect("hostile", timeout=1, source=ATTACKER) as sock:
                    sock.sendall(b"crash\n")
                    sock.recv(1)
            assert any(hostile.is_served(world.connect, "hostile") for _ in range(3))
            assert hostile.is_served(world.connect, "bystander")
