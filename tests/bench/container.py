# SPDX-License-Identifier: MIT
"""What needs a systemd of its own: Accept=yes, and the journal. Measured in a container of the test
bed. The load generator, tcpd and the reference run as programs of the host in its network, so that
a pair is fair; what systemd starts runs inside.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

from peers import BACKLOG, Peer
from servers import CONFIGURATION, LOGGED, WORKERS, BenchError, process_tree

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/system/systemd/container"))
BENCH = "/srv/bench"

ACCEPT_SOCKET = """\
[Socket]
ListenStream=127.0.0.1:{port}
Accept=yes
Backlog={backlog}
MaxConnections=4096
TriggerLimitIntervalSec=0
"""
ACCEPT_SERVICE = """\
[Service]
ExecStart=-{program}
StandardInput=socket
StandardError=null
"""
TCPD_SERVICE = """\
[Service]
Type=notify
ExecStart={bench}/tcpd -c /etc/{unit}.conf
StandardError=journal
LogRateLimitIntervalSec=0
TasksMax=infinity
"""


def release():
    """The Debian release whose libraries fit the programs that were built here."""
    import machine as bed
    words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines()
                 if "=" in line)
    name = words.get("VERSION_CODENAME", "")
    return name if name in bed.RELEASES else next(iter(bed.RELEASES))


@contextlib.contextmanager
def booted(build):
    """A machine in whose network the calling thread is; BenchError where there can be none."""
    try:
        import machine as bed
        subprocess.run([TOP / "tools/rootfs", release(), "run"], check=True, capture_output=True,
                       text=True, timeout=180)
    except subprocess.CalledProcessError as error:
        raise BenchError((error.stderr.strip().splitlines() or ["no root file system"])[-1])
    reason = bed.obstacle((release(),))
    if reason:
        raise BenchError(reason)
    try:
        with bed.Machine(release(), binds=[(build, BENCH)]) as machine, machine.network():
            machine.systemctl("log-level", "notice")  # no record for each connection
            yield machine
    except (AssertionError, bed.Timeout) as error:
        raise BenchError(f"the container: {error}")


class Inside(Peer):
    """A server that the machine's systemd runs. Its processor time is that of all the machine:
    systemd's and the journal's work is part of it."""

    def __init__(self, machine, port, n_workers=0):
        super(Peer, self).__init__("echo", n_workers)
        self.machine = machine
        self.port = port

    def __enter__(self):
        self.start()
        self.wait_until_it_answers()
        return self

    def start(self):
        raise NotImplementedError

    def root(self):
        return self.machine.leader

    def workers(self):
        return []

    def wait_until_it_answers(self):
        if not self.answers():  # its unit is active already
            raise BenchError(f"{self.name} does not answer")


class AcceptYes(Inside):
    name = "systemd Accept=yes + cat"
    unit = "bench-cat"
    program = "/bin/cat"

    def start(self):
        self.machine.put(f"/run/systemd/system/{self.unit}.socket",
                         ACCEPT_SOCKET.format(port=self.port, backlog=BACKLOG))
        self.machine.put(f"/run/systemd/system/{self.unit}@.service",
                         ACCEPT_SERVICE.format(program=self.program))
        self.machine.systemctl("daemon-reload")
        self.machine.systemctl("start", f"{self.unit}.socket")

    def __exit__(self, *_):
        self.machine.systemctl("stop", f"{self.unit}.socket")


class AcceptYesSeven(AcceptYes):
    name = "systemd Accept=yes + seven"
    unit = "bench-seven"
    program = f"{BENCH}/tests/bench/seven"

    def answers(self):
        return self.greets()


class JournalTcpd(Inside):
    """tcpd as a unit, its standard error the machine's journal."""

    name = "tcpd"

    def __init__(self, machine, port, log_sessions):
        super().__init__(machine, port, WORKERS)
        self.log_sessions = log_sessions
        self.unit = f"bench-{log_sessions}"

    def start(self):
        text = CONFIGURATION.format(mode="echo", workers=WORKERS, more="",
                                    log_sessions=LOGGED.get(self.log_sessions, self.log_sessions))
        self.machine.put(f"/etc/{self.unit}.conf",
                         text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}"))
        self.machine.put(f"/run/systemd/system/{self.unit}.service",
                         TCPD_SERVICE.format(bench=BENCH, unit=self.unit))
        self.machine.systemctl("daemon-reload")
        self.machine.systemctl("start", f"{self.unit}.service")

    def main_pid(self):
        """tcpd's master, by its number here."""
        wanted = self.machine.show(f"{self.unit}.service", "MainPID")["MainPID"]
        for pid in process_tree(self.machine.leader):
            with contextlib.suppress(OSError):
                numbers = Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2]
                if numbers.splitlines()[0].split()[-1] == wanted:
                    return pid
        raise BenchError(f"{self.unit} is not running")

    def n_records(self):
        """How many records of sessions the journal has of this unit."""
        count = self.machine.run(f"journalctl --sync; journalctl -u {self.unit} --output=cat"
                                 " --no-pager | grep -c connection || :")
        return int(count.stdout)

    def __exit__(self, *_):
        self.machine.systemctl("stop", f"{self.unit}.service")


