# SPDX-License-Identifier: MIT
"""The units that give tcpd's figures to the textfile collector, as they are shipped."""

from harness import service, wait_for
from programs import ONE
from units import configure

SHIPPED = "/usr/share/doc/tcpd-server/examples/prometheus"
FOLDER = "/var/lib/prometheus/node-exporter"
UNITS = ("tcpd-metrics.service", "tcpd-metrics.timer")


def test_textfile(shared_tcpd_machine):
    """The timer has the file written, by a user of its own, again and again; without a daemon, too."""
    machine = shared_tcpd_machine
    configure(machine, service("echo", listen=["127.0.0.1:7007"], **ONE))
    machine.run("useradd", "--system", "prometheus")
    machine.run("install", "-d", "-o", "prometheus", FOLDER)
    machine.run("cp", *(f"{SHIPPED}/{unit}" for unit in UNITS), "/etc/systemd/system")
    try:
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "tcpd-metrics.timer")
        file = machine.file(f"{FOLDER}/tcpd.prom")
        wait_for(file.exists, what="the first figures")
        assert "\ntcpd_up 1\n" in file.read_text()
        assert 'tcpd_workers{service="echo"' in file.read_text()
        assert machine.run("stat", "-c", "%U %a", f"{FOLDER}/tcpd.prom").stdout == "prometheus 644\n"
        machine.exchange(7007, b"x")
        begun = 'tcpd_sessions_begun_total{service="echo",listener="127.0.0.1:7007"} 1\n'
        wait_for(lambda: begun in file.read_text(), 40, "the figures 15 seconds later")
        machine.systemctl("stop", "tcpd.socket", "tcpd.service")
        machine.systemctl("start", "tcpd-metrics.service")
        assert file.read_text().endswith("\ntcpd_up 0\n")
        assert machine.show("tcpd-metrics.service", "Result")["Result"] == "success"
    finally:
        machine.systemctl("stop", *reversed(UNITS))
        machine.run("rm", *(f"/etc/systemd/system/{unit}" for unit in UNITS))
        machine.run("rm", "-r", FOLDER)
        machine.run("userdel", "prometheus")
        machine.systemctl("daemon-reload")
