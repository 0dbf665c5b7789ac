# SPDX-License-Identifier: MIT
"""Moving from xinetd, as docs/programs.md has it: the configuration that tcpd-import makes is served by the
installed units, with programs.conf and without the lines that name users."""

import socket

from harness import PATIENCE
from units import wait_active

DROP_IN = "/etc/systemd/system/tcpd.service.d"
EXAMPLES = "/usr/share/doc/tcpd-server/examples"
OURS = "/etc/tcpd/tcpd.conf.d/xinetd.conf"
MAIN = """\
defaults
{
    instances       = 20
    log_on_success  = HOST PID
}
includedir /etc/xinetd.d
"""
SHOUT = """\
service shout
{
    type            = UNLISTED
    port            = 7100
    socket_type     = stream
    protocol        = tcp
    wait            = no
    user            = nobody
    server          = /usr/bin/tr
    server_args     = a-z A-Z
    cps             = 50 10
    umask           = 027
}
"""
WORDS = """\
service words
{
    type            = UNLISTED
    port            = 7101
    socket_type     = dgram
    protocol        = udp
    wait            = yes
    user            = nobody
    server          = /usr/bin/perl
    server_args     = -e open($s,"+<&=",0);$f=recv($s,$m,99,0);send($s,uc($m),0,$f)
    disable         = no
}
"""


def test_moving_from_xinetd(tcpd_machine):
    machine = tcpd_machine
    wait_active(machine)
    machine.put("/etc/xinetd.conf", MAIN)
    machine.put("/etc/xinetd.d/shout", SHOUT)
    machine.put("/etc/xinetd.d/words", WORDS)
    imported = machine.run(f"mkdir -p /etc/tcpd/tcpd.conf.d && tcpd-import xinetd /etc/xinetd.conf >{OURS}")
    warning, note = imported.stderr.splitlines()
    assert warning.startswith("/etc/xinetd.d/shout:11: warning: cps: 50 10: ")
    assert note.startswith("/etc/xinetd.d/shout:1: note: user = nobody: ")

    machine.run(f"mkdir -p {DROP_IN} && cp {EXAMPLES}/programs.conf {DROP_IN}/")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "tcpd.service")
    refused = machine.run("tcpdctl", "check", check=False)
    assert refused.returncode == 78 and "tcpd does not run as root" in refused.stderr
    machine.run("sed", "-i", "/^    user = /d", OURS)
    assert "configuration is right" in machine.run("tcpdctl", "check").stdout

    machine.run("tcpdctl", "sockets", "apply")
    status = machine.run("tcpdctl", "status").stdout
    assert "shout" in status and "words" in status and "not served" not in status
    assert machine.exchange(7100, b"linux china") == b"LINUX CHINA"
    with machine.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", 7101))
        client.send(b"a datagram")
        assert client.recv(100) == b"A DATAGRAM"
    machine.wait_journal("closed: ", "TCPD_SERVICE=shout")  # log_on_success asks for it


def test_strict(tcpd_machine):
    """Exit statuses, as the installed program has them."""
    machine = tcpd_machine
    machine.put("/etc/inetd.conf", "echo stream tcp nowait.9 root internal\n")
    assert machine.run("tcpd-import", "--strict", "inetd", "/etc/inetd.conf", check=False).returncode == 1
    assert machine.run("tcpd-import", "inetd", "/etc/inetd.d", check=False).returncode == 78
