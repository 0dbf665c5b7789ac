# SPDX-License-Identifier: MIT
"""Faults of what tcpd leans on under a real systemd: name servers that do not answer, sockets of
systemd's that somebody has shut down."""

import contextlib
import re
import socket
import threading

from harness import configuration, proc_fds, service, taken_fd, wait_for
from units import CONF, configure, echoes

BIND = "/usr/share/doc/tcpd-server/examples/bind.conf"
DROP_INS = "/etc/systemd/system/tcpd.service.d"
SILENT = ["127.0.0.53", "127.0.0.54", "127.0.0.55"]


@contextlib.contextmanager
def silent_name_servers(machine):
    """All that /etc/resolv.conf names take questions and answer none. Yields the sockets."""
    with contextlib.ExitStack() as stack, machine.network():
        socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                 for _ in SILENT]
        for sock, address in zip(socks, SILENT):
            sock.bind((address, 53))
        machine.put("/etc/resolv.conf", "".join(f"nameserver {a}\n" for a in SILENT))
        yield socks


def test_name_servers_that_are_silent(tcpd_machine):
    """Issue 12, 1: a reload that waits for them longer than the watchdog's time is refused at its
    own deadline; meanwhile the watchdog is fed, clients are served, dead workers are replaced."""
    own = tcpd_machine
    echo = service("echo", listen=["127.0.0.1:7007"], min_workers=2)
    own.systemctl("stop", "tcpd.socket", "tcpd.service")
    own.run(f"mkdir -p {DROP_INS} && cp {BIND} {DROP_INS}/")
    own.put(f"{DROP_INS}/test.conf", "[Service]\nWatchdogSec=2s\n")
    configure(own, echo, socket_units="no", reload_timeout="6s")
    pid = own.show("tcpd.service", "MainPID")
    own.put(CONF, configuration(service("echo", min_workers=2, listen=[
        "127.0.0.1:7007", "backend.example.org:7008"]), socket_units="no", reload_timeout="6s"))
    with silent_name_servers(own) as socks:
        result = []
        reload = threading.Thread(target=lambda: result.append(own.run("tcpdctl", "reload",
                                                                       check=False)))
        reload.start()
        socks[0].settimeout(30)
        assert b"backend" in socks[0].recv(512)
        workers = [p for p, title in own.processes().items() if "7007 worker" in title]
        own.run(f"kill -KILL {' '.join(map(str, workers))}")
        wait_for(lambda: not set(workers) & set(own.processes()), what="the workers' end")
        served = 0
        while reload.is_alive():
            assert echoes(own)
            served += 1
        reload.join()
    assert served > 20
    assert result[0].returncode == 1 and "backend.example.org" in result[0].stderr
    assert own.show("tcpd.service", "MainPID", "NRestarts") == {**pid, "NRestarts": "0"}
    assert not own.journal("-u", "tcpd", "--grep=watchdog")


def listeners_inode(machine, path):
    """The inode of the socket that listens at this path, from inside."""
    for line in machine.run("cat", "/proc/net/unix").stdout.splitlines():
        if re.search(rf" 00010000 .* {path}$", line):
            return line.split()[-2]
    return None


def test_a_unix_socket_of_systemds_that_is_shut_down(tcpd_machine):
    """Issue 12, 10: tcpd exits with 75, systemd opens the socket anew, and it is served again."""
    own, path = tcpd_machine, "/run/tcpd/echo"
    configure(own, service("echo", listen=[f"unix:{path}"], min_workers=2, socket_mode="0666"))
    assert echoes(own, port=path)
    link = f"socket:[{listeners_inode(own, path)}]"
    number = next(fd for fd, target in proc_fds(own.leader).items() if target == link)
    with socket.socket(fileno=taken_fd(own.leader, number)) as sock:
        sock.shutdown(socket.SHUT_RDWR)
    own.wait_journal("someone shut the listener down", "-u", "tcpd")

    def is_served():
        with contextlib.suppress(OSError):
            return echoes(own, port=path)
        return False

    wait_for(is_served, what="an answer at its path")
    restarts = own.show("tcpd.service", "NRestarts")["NRestarts"]
    assert int(restarts) <= 2
