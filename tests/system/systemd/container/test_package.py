# SPDX-License-Identifier: MIT
"""The Debian package in machines of its releases: install, serve, neighbours, conffile, removal, and
the package's own tests (DEP-8)."""

import re
import shutil
import subprocess

import pytest

import machine as bed
from harness import PATIENCE, configuration, service, wait_for
from messages import converse

DEP8 = bed.TOP / "packaging/debian/tests"
PORTS = {"echo": 7007, "hello": 9999, "greeting": 1234, "daytime": 1313, "time": 3737,
         "discard": 9009, "chargen": 1919, "status": 7979}
UNITS = ("tcpd.socket", "tcpd.service", *(f"tcpd-{name}.socket" for name in PORTS))
# What installing anything leaves: logs, caches, backups, the user that packages keep by policy.
TRACES = re.compile(r"/var/(log|cache|tmp|lib/(dpkg|apt|systemd|private)|lib/deb-systemd[^/]*$)"
                    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$|/tmp|/root")


def all_serve(machine):
    """Each of the shipped services answers as it should, echo and hello with IPv6, too."""
    for host in ("127.0.0.1", "::1"):
        assert machine.exchange(7007, b"Linux China", host) == b"Linux China"
        assert machine.exchange(9999, b"Michael", host) == b"Welcome!Hello, Michael!"
    assert machine.exchange(1234) == b"Greetings from tcpd!"
    assert re.search(rb" 20\d\d ", machine.exchange(1313))
    assert len(machine.exchange(3737)) == 4
    assert machine.exchange(9009, b"x" * 10000) == b""
    with machine.connect(8007) as client:
        assert converse(client, "Linux China") == ["Linux China"]
    health = machine.exchange(7979, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert health.startswith(b"HTTP/1.1 200 OK\r\n") and health.endswith(b"\r\n\r\nok\n")
    assert b"\ntcpd_up 1\n" in machine.exchange(7979, b"GET /metrics HTTP/1.0\r\n\r\n")
    with machine.connect(1919) as client:
        assert client.recv(4) == b' !"#'
    return True


def state(machine):
    """Files, units and users of a machine, but for what any package leaves."""
    files = machine.run("find / -xdev ! -path '/proc/*' -printf '%p %m %u %y %l\\n'").stdout
    units = machine.run("systemctl list-unit-files --no-legend --full; ls /run /run/systemd/generator")
    etc = machine.run("sh", "-c", "cat /etc/shells /etc/systemd/system/*.wants/* | sort").stdout
    kept = [line for line in files.splitlines() if not TRACES.match(line.split()[0])]
    return sorted(kept), units.stdout.splitlines(), etc


def active(machine, *units):
    return [unit for unit in units if machine.show(unit, "ActiveState")["ActiveState"] == "active"]


def rebuilt(deb, directory, version, edit):
    """The package with another version, changed by edit(directory of its files)."""
    tree = directory / f"tree-{version}"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.M))
    edit(tree)
    new = directory / f"tcpd-server_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, new], check=True,
                   stdout=subprocess.DEVNULL)
    return new


def test_install_reinstall_remove_purge(machine, deb):
    """Enabled, started and serving at once; after the removal nothing listens and runs, after the
    purge nothing is left but the user."""
    before = state(machine)
    machine.install(deb)
    for unit in ("tcpd.socket", "tcpd.service"):
        assert machine.systemctl("is-enabled", unit).stdout == "enabled\n"
    assert active(machine, *UNITS) == list(UNITS)
    assert all_serve(machine)
    assert machine.run("dpkg --verify tcpd-server; dpkg --audit").stdout == ""

    master = machine.show("tcpd.service", "MainPID")["MainPID"]
    machine.install(deb)
    assert machine.show("tcpd.service", "MainPID")["MainPID"] != master, "runs the old program"
    assert active(machine, *UNITS) == list(UNITS)
    assert all_serve(machine)

    machine.put("/etc/tcpd/other.conf", 'service "echo" { handler = "echo" listen = {"*:7008"} }\n')
    machine.systemctl("daemon-reload")
    machine.systemctl("enable", "--now", "tcpd@other.socket", "tcpd@other.service")
    assert machine.exchange(7008, b"other") == b"other"
    machine.run("dpkg", "--remove", "tcpd-server", timeout=2 * PATIENCE)
    assert active(machine, *UNITS, "tcpd@other.service", "tcpd@other.socket") == []
    for port in (*PORTS.values(), 8007, 7008):
        with pytest.raises(ConnectionRefusedError):
            machine.connect(port)
    assert "tcpd" not in " ".join(machine.processes().values())
    assert machine.run("ls /etc/tcpd").stdout.split() == ["other.conf", "tcpd.conf"]

    machine.install(deb)
    assert all_serve(machine), "after a removal it comes back with its configuration"
    machine.run("rm", "/etc/tcpd/other.conf")
    machine.run("dpkg", "--purge", "tcpd-server", timeout=2 * PATIENCE)
    after = state(machine)
    assert set(after[0]) ^ set(before[0]) == set()
    assert after[1:] == before[1:]
    assert machine.systemctl("--failed", "--no-legend").stdout == ""
    machine.systemctl("daemon-reload")
    assert machine.systemctl("list-units", "--all", "--no-legend", "tcpd*").stdout == ""
    assert "nologin" in machine.run("getent", "passwd", "tcpd").stdout


def test_beside_tcp_wrappers_and_inetd(machine, deb):
    """Debian's package tcpd and an inetd that uses it: no file, unit or port in common."""
    inetd = "127.0.0.1:17 stream tcp nowait root /usr/sbin/tcpd /bin/cat /etc/hostname\n"
    machine.install_aside("openbsd-inetd")
    machine.install(deb)
    machine.put("/etc/inetd.conf", inetd)
    machine.systemctl("restart", "inetd.service")
    wait_for(lambda: ":0011 " in machine.run("cat", "/proc/net/tcp").stdout, what="inetd")
    hostname = machine.run("cat", "/etc/hostname").stdout.encode()
    assert machine.exchange(17) == hostname, "TCP wrappers run from inetd"
    assert all_serve(machine)
    machine.install_aside("tcpd")
    assert machine.run("dpkg --verify tcpd tcpd-server openbsd-inetd | grep -v /etc/inetd.conf; true"
                       ).stdout == ""
    assert machine.run("dpkg -S /usr/sbin/tcpd /usr/libexec/tcpd/tcpd").stdout.splitlines() == [
        "tcpd: /usr/sbin/tcpd", "tcpd-server: /usr/libexec/tcpd/tcpd"]
    machine.run("dpkg --purge tcpd-server", timeout=2 * PATIENCE)
    assert machine.exchange(17) == hostname, "the neighbours stay when it goes"


def test_conffile(tcpd_machine, deb, tmp_path):
    """An upgrade brings the new configuration to who has not changed it, and keeps the changed one;
    a removal keeps it, too."""
    machine, path = tcpd_machine, "/etc/tcpd/tcpd.conf"
    upgrade = ("dpkg", "--force-confdef", "--force-confold", "-i")

    def shipped(words):
        def edit(tree):
            conf = tree / "etc/tcpd/tcpd.conf"
            conf.write_text(re.sub('^( *message = ).*$', rf'\1"{words}"', conf.read_text(), flags=re.M))
        return edit

    for number, words in ((2, "second"), (3, "third")):
        new = rebuilt(deb, tmp_path, f"0.1.0-{number}", shipped(words))
        machine.inside("/root").joinpath(new.name).write_bytes(new.read_bytes())
    machine.run(*upgrade, "/root/tcpd-server_0.1.0-2.deb", timeout=2 * PATIENCE)
    assert machine.exchange(1234) == b"second"
    assert active(machine, *UNITS) == list(UNITS)
    mine = machine.run("cat", path).stdout.replace("second", "mine")
    machine.put(path, mine)
    machine.run(*upgrade, "/root/tcpd-server_0.1.0-3.deb", timeout=2 * PATIENCE)
    assert machine.exchange(1234) == b"mine"
    assert "third" in machine.run("cat", f"{path}.dpkg-dist").stdout
    machine.run("dpkg", "--remove", "tcpd-server", timeout=2 * PATIENCE)
    assert machine.run("cat", path).stdout == mine
    machine.run("dpkg", "--purge", "tcpd-server")
    assert not machine.file("/etc/tcpd").exists()


def test_serves_after_a_boot(tcpd_machine):
    """The layer's second boot: everything comes up by itself."""
    tcpd_machine.wait_unit("tcpd.service", ActiveState="active")
    assert active(tcpd_machine, *UNITS) == list(UNITS)
    assert all_serve(tcpd_machine)
    assert tcpd_machine.run("systemctl", "is-system-running").stdout == "running\n"


def test_upgrade_to_a_daemon_that_rejects_the_configuration(tcpd_machine, deb, tmp_path):
    """The upgrade ends, the sockets stay, and whoever connected is served once it is mended."""
    machine = tcpd_machine
    machine.wait_unit("tcpd.service", ActiveState="active")
    new = rebuilt(deb, tmp_path, "0.1.0-2", lambda tree: None)
    machine.run("sed", "-i", "1i no_such_option = 1", "/etc/tcpd/tcpd.conf")
    machine.inside("/root").joinpath(new.name).write_bytes(new.read_bytes())
    machine.run("dpkg", "--force-confold", "-i", f"/root/{new.name}", check=False,
                timeout=2 * PATIENCE)
    assert "no_such_option" in machine.wait_journal("no_such_option", "-t", "tcpd")["MESSAGE"]
    assert "tcpd-echo.socket" in active(machine, *UNITS)
    with machine.connect(7007) as waiting:
        waiting.sendall(b"Linux China")
        machine.run("sed", "-i", "1d", "/etc/tcpd/tcpd.conf")
        assert waiting.recv(100) == b"Linux China"
    machine.wait_unit("tcpd.service", ActiveState="active")
    machine.run("dpkg", "--configure", "-a", timeout=2 * PATIENCE)
    assert "install ok installed" in machine.run("dpkg", "-s", "tcpd-server").stdout


@pytest.mark.parametrize("name", re.search(r"^Tests: (.*)$", (DEP8 / "control").read_text(),
                                           re.M)[1].split(", "))
def test_dep8(shared_tcpd_machine, name):
    """The package's own tests, as autopkgtest runs them."""
    shared_tcpd_machine.wait_unit("tcpd.service", ActiveState="active")
    for path in (DEP8 / "lib", DEP8 / name):
        shared_tcpd_machine.put(f"/usr/local/tests/{path.name}", path.read_text(), mode=0o755)
    shared_tcpd_machine.run(f"/usr/local/tests/{name}", timeout=2 * PATIENCE)


def test_units_verify_and_are_tight(shared_tcpd_machine):
    """systemd-analyze says nothing of the loaded units, and 0.2 of the running services, whichever
    doors they have."""
    machine = shared_tcpd_machine
    doors = ["*:7009", "udp:*:7009", "ws:*:7010", "unix-dgram:/run/tcpd/tight"]
    machine.put("/etc/tcpd/tight.conf", configuration(service("echo", listen=doors)))
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "tcpd@tight.service")
    # Of instances it knows those of templates only.
    result = machine.run("systemd-analyze", "verify", "--man=no", "--generators=yes", *UNITS,
                         "tcpd@tight.service", "tcpd@tight.socket")
    assert result.stdout + result.stderr == ""
    for unit in ("tcpd.service", "tcpd@tight.service"):
        said = machine.run("systemd-analyze", "security", "--threshold=5", unit).stdout
        assert f"Overall exposure level for {unit}: 0.2 " in said
    machine.systemctl("stop", "tcpd@tight.socket")
    machine.run("rm", "/etc/tcpd/tight.conf")
    machine.systemctl("daemon-reload")


def test_completion(shared_tcpd_machine):
    """bash completes commands, options and paths of each program."""
    shared_tcpd_machine.install_aside("bash-completion")
    script = r"""
        . /usr/share/bash-completion/bash_completion
        try() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            local name=${1##*/}
            complete -p "$name" >/dev/null 2>&1 || . "/usr/share/bash-completion/completions/$name"
            local function=$(complete -p "$name" | sed 's/.*-F \([^ ]*\).*/\1/')
            COMPREPLY=()
            "$function" "$name" "${!#}" "${@: -2:1}"
            echo "${COMPREPLY[*]}"
        }
        try tcpdctl ''; try tcpdctl st; try tcpdctl --j; try tcpdctl -s '' | cut -d " " -f 1; try tcpdctl status ''
        try tcpdctl log --result k; try tcpdctl sessions --doing w; try tcpdctl --rec
        try tcpdctl events --kinds rec; try tcpdctl drain --worker ''
        try tcpc --framing l; try tcpc --pre; try tcpd --ch; cd /etc/tcpd; try tcpd -c ''
        try tcpd ru; try tcpd run --pres; try tcpd-run --handler dis; try tcpd-run -o idle
        try tcpd-run -n 1 tcpdc; try tcpd-import --s; try tcpd-import x; try tcpd-import inetd tcpd.conf
    """
    result = shared_tcpd_machine.run("bash", "-c", script)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "check config drain events explain kick log maint metrics pardon pause ready reload resize "
        "resume sessions sockets sources status stop top",
        "status stop", "--json", "/run/tcpd/control", "", "kicked", "writing working", "--recent",
        "records_lost", "",
        "line length", "--prefix", "--check", "tcpd.conf",
        "run", "--prestart", "discard", "idle_timeout=", "tcpdctl",
        "--strict", "xinetd", "tcpd.conf"]


def test_pages(deb, tmp_path):
    """The pages in the package can be read, and refer to each other by names that exist."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path], check=True)
    pages = sorted((tmp_path / "usr/share/man").rglob("*.gz"))
    names = {page.name.removesuffix(".gz") for page in pages}
    assert names == {"tcpc.1", "tcpdctl.1", "tcpd-run.1", "tcpd-import.1", "tcpd.conf.5", "tcpd-datagram.7",
                     "tcpd-metrics.7",
                     "tcpd-tls.7", "tcpd-websocket.7", "tcpd.journal.7", "tcpd.service.8",
                     "tcpd-generator.8"}
    elsewhere = {"tcpd.8", "tcpd-handler.3"}  # of TCP wrappers, of tcpd-server-dev
    for page in pages:
        result = subprocess.run(["mandoc", "-Tutf8", "-Werror", page], capture_output=True, text=True)
        plain = re.sub(".\b", "", result.stdout)
        assert (result.returncode, result.stderr) == (0, "") and "NAME" in plain
        for name, section in re.findall(r"\b(tcp[a-z.-]+)\((\d)\)", plain):
            assert f"{name}.{section}" in names | elsewhere, f"{page.name} refers to it"
