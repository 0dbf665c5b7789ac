# SPDX-License-Identifier: MIT
"""What the machine allows and counts: limits, memory, sockets, the network's counters.

The measurements run in a network of their own where that is allowed, so that nobody else's
connections are counted or fill a queue.
"""

import ctypes
import fcntl
import os
import re
import resource
import socket
import struct
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
TCP_LISTEN = "0A"
KIB_PER_SESSION = 170  # a process, and both ends of its connection


def enter_own_network():
    """Moves this process to a new network with a loopback of its own. None, or why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) < 0:
        return os.strerror(ctypes.get_errno())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    return None


def netstat(name):
    """A counter of /proc/net/netstat, such as TCPSynRetrans."""
    lines = Path("/proc/self/net/netstat").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        table = dict(zip(names.split(), values.split()))
        if name in table:
            return int(table[name])
    raise KeyError(name)


def available_kib():
    return int(re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)[1])


def listens(port):
    """True while a socket listens on the TCP port, of either family."""
    wanted = f":{port:04X}"
    lines = [line.split() for family in ("tcp", "tcp6")
             for line in Path(f"/proc/self/net/{family}").read_text().splitlines()[1:]]
    return any(line[1].endswith(wanted) and line[3] == TCP_LISTEN for line in lines)


def children(pid):
    """The children of a process. Asks it alone: with 10,000 processes /proc is slow to walk."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _number(path):
    return int(Path(path).read_text())


def _pids_left():
    """What the control group of this process may still start; None where nothing bounds it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        group = Path("/sys/fs/cgroup", kinds, path.lstrip("/"))
        try:
            most = (group / "pids.max").read_text().strip()
            if most != "max":
                return int(most) - _number(group / "pids.current")
        except FileNotFoundError:
            continue
    return None


def obstacles(n_processes, n_sessions):
    """Why so many processes, and sessions of a process each, do not fit here: a list of texts."""
    found = []
    n_present = sum(entry.isdigit() for entry in os.listdir("/proc"))
    for path in ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"):
        if _number(path) - n_present < n_processes + 300:
            found.append(f"{path} is {_number(path)}: {n_processes} more processes do not fit")
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.getuid() != 0 and soft != resource.RLIM_INFINITY and soft < n_processes + n_present:
        found.append(f"ulimit -u is {soft}: {n_processes} processes do not fit")
    left = _pids_left()
    if left is not None and left < n_processes:
        found.append(f"pids.max of the control group leaves {left} of {n_processes} processes")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.getuid() != 0 and hard != resource.RLIM_INFINITY and hard < n_sessions + 16:
        found.append(f"ulimit -Hn is {hard}: {n_sessions} connections do not fit")
    if available_kib() < n_processes * KIB_PER_SESSION:
        found.append(f"{available_kib() // 1024} MiB are available;"
                     f" {n_processes} processes take {n_processes * KIB_PER_SESSION // 1024}")
    return found
