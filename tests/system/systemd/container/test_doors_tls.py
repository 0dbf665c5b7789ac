# SPDX-License-Identifier: MIT
"""TLS under systemd, with the OpenSSL of each release: the first client starts tcpd, whose sandbox
lets it read the key that belongs to its group; a renewal, and one that went wrong."""

import re
import ssl

import pytest

from certificates import Authority
from harness import service
from messages import converse
from units import configure, states, wait_active

pytestmark = pytest.mark.in_turn(first="trixie")

FOLDER = "/etc/tcpd/tls"
SECTION = f"""certificate "www" {{
    chain = {{"{FOLDER}/www.pem"}}
    key = {{"{FOLDER}/www.key"}}
}}
"""
SHOWS = {"certificates": ["www"]}
LIVE = "/etc/letsencrypt/live/www"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/tcpd"
DROP_IN = "/etc/systemd/system/tcpd.service.d"
EXAMPLES = "/usr/share/doc/tcpd-server/examples"


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def put(machine, certificate):
    """As tcpd-tls(7) says: keys are for the group."""
    machine.run("mkdir", "-p", FOLDER)
    machine.put(f"{FOLDER}/www.pem", certificate.chain.read_text())
    machine.put(f"{FOLDER}/www.key", certificate.key.read_text(), 0o640)
    machine.run("chgrp", "tcpd", f"{FOLDER}/www.key")


def dial(machine, port, authority):
    context = ssl.create_default_context(cafile=str(authority.path))
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context.wrap_socket(machine.connect(port), server_hostname="localhost")


def ask(sock):
    """What an echo service makes of a word; the serial of its certificate."""
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    return int(sock.getpeercert()["serialNumber"], 16)


def test_it_starts_and_renews(tcpd, authority):
    """The session from before goes on; each new one has the new certificate; a key that cannot be
    read changes nothing."""
    one, two = authority.leaf("one"), authority.leaf("two")
    put(tcpd, one)
    configure(tcpd, SECTION, service("echo", listen="tls:127.0.0.1:7443", **SHOWS),
              start="tcpd.socket")
    assert states(tcpd, "tcpd.service", "tcpd-echo.socket") == ["inactive", "active"]
    with dial(tcpd, 7443, authority) as sock:
        assert ask(sock) == one.serial
        wait_active(tcpd)
        put(tcpd, two)
        tcpd.systemctl("reload", "tcpd")
        assert ask(sock) == one.serial
        with dial(tcpd, 7443, authority) as other:
            assert ask(other) == two.serial
        tcpd.run("chmod", "600", f"{FOLDER}/www.key")
        cursor = tcpd.cursor()
        assert tcpd.systemctl("reload", "tcpd", check=False).returncode != 0
        tcpd.wait_journal(r'certificate "www": key .*www\.key.: Permission denied', since=cursor)
        with dial(tcpd, 7443, authority) as other:
            assert ask(other) == two.serial
        assert ask(sock) == one.serial
    said = tcpd.run("tcpdctl", "status").stdout
    assert "tls:127.0.0.1:7443" in said
    said = tcpd.run("systemd-analyze", "security", "--threshold=5", "tcpd.service").stdout
    assert "Overall exposure level for tcpd.service: 0.2 " in said


def test_websocket_over_it(tcpd, authority):
    """wss: starts it, too."""
    put(tcpd, authority.leaf("www"))
    configure(tcpd, SECTION, service("echo", listen="wss:127.0.0.1:8443", **SHOWS),
              start="tcpd.socket")
    with dial(tcpd, 8443, authority) as sock:
        assert converse(sock, "hello", "\u263a") == ["hello", "\u263a"]


def test_a_program_sees_it(tcpd, authority):
    """Its processes are in the sandbox, and get the plain bytes."""
    put(tcpd, authority.leaf("www"))
    tcpd.run(f"mkdir -p {DROP_IN} && cp {EXAMPLES}/programs.conf {DROP_IN}/")
    configure(tcpd, SECTION, service(
        "show", "program", "tls:127.0.0.1:7443", program=["/bin/sh", "-c", "echo $SSL_PROTOCOL; cat"],
        **SHOWS), start="tcpd.socket")
    with dial(tcpd, 7443, authority) as sock:
        assert sock.recv(100) == b"TLSv1.3\n"
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    tcpd.run("rm", "-r", DROP_IN)
    tcpd.systemctl("daemon-reload")


def test_plain_has_no_library(tcpd):
    """The package's own configuration loads no TLS."""
    configure(tcpd, service("echo", listen="127.0.0.1:7007"), start="tcpd.service")
    pid = tcpd.show("tcpd.service", "MainPID")["MainPID"]
    assert "libssl" not in tcpd.run("cat", f"/proc/{pid}/maps").stdout


def test_hook_of_certbot(tcpd, authority):
    """As tcpd-tls(7) has it installed. certbot's folders are root's alone."""
    one, two = authority.leaf("one"), authority.leaf("two")
    put(tcpd, one)
    configure(tcpd, SECTION, service("echo", listen="tls:127.0.0.1:7443", **SHOWS))
    tcpd.put(f"{LIVE}/fullchain.pem", two.chain.read_text())
    tcpd.put(f"{LIVE}/privkey.pem", two.key.read_text(), 0o600)
    tcpd.run("chmod", "700", LIVE.rpartition("/")[0])
    tcpd.run("mkdir", "-p", HOOK.rpartition("/")[0])
    tcpd.run("install", f"{EXAMPLES}/certbot-deploy-hook", HOOK)
    with dial(tcpd, 7443, authority) as sock:
        assert ask(sock) == one.serial
        tcpd.run(HOOK, env={"RENEWED_LINEAGE": LIVE})
        with dial(tcpd, 7443, authority) as other:
            assert ask(other) == two.serial
        assert ask(sock) == one.serial
    said = tcpd.run("stat", "-c", "%a %U:%G", f"{FOLDER}/www.key", f"{FOLDER}/www.pem").stdout
    assert said == "640 root:tcpd\n644 root:root\n"
    tcpd.run("chmod", "644", f"{FOLDER}/www.key")
    checked = tcpd.run("tcpdctl", "check", check=False)
    assert checked.returncode != 0 and "may be read by everybody" in checked.stdout + checked.stderr
    tcpd.run("chmod", "640", f"{FOLDER}/www.key")
    tcpd.systemctl("stop", "tcpd.service", "tcpd.socket")
    tcpd.run(HOOK, env={"RENEWED_LINEAGE": LIVE})  # nobody runs who would have to be told
    assert states(tcpd, "tcpd.service") == ["inactive"]


def test_credentials(tcpd, authority):
    """As examples/tls.conf has it: the key is root's alone, and systemd passes it on. A renewal
    takes a restart, for which the next client waits."""
    one, two = authority.leaf("one"), authority.leaf("two")

    def renew(certificate):
        tcpd.put(f"{LIVE}/fullchain.pem", certificate.chain.read_text())
        tcpd.put(f"{LIVE}/privkey.pem", certificate.key.read_text(), 0o600)
        tcpd.run("chmod", "700", LIVE.rpartition("/")[0])
    renew(one)
    tcpd.run(f"mkdir -p {DROP_IN} && "
             f"sed s/www.example.org/www/ {EXAMPLES}/tls.conf >{DROP_IN}/tls.conf")
    configure(tcpd, SECTION.replace(f"{FOLDER}/", "credential:"),
              service("echo", listen="tls:127.0.0.1:7443", **SHOWS), start="tcpd.socket")
    with dial(tcpd, 7443, authority) as sock:
        assert ask(sock) == one.serial
    status = tcpd.run("tcpdctl", "status").stdout
    assert re.search(r"^www +EC P-256  20\d\d-\d\d-\d\d \d\d:\d\d UTC  (29|30) days  localhost$",
                     status, re.M), status
    said = tcpd.run("systemd-analyze", "security", "--threshold=5", "tcpd.service").stdout
    assert "Overall exposure level for tcpd.service: 0.2 " in said
    renew(two)
    tcpd.systemctl("restart", "tcpd.service")
    with dial(tcpd, 7443, authority) as sock:
        assert ask(sock) == two.serial
    tcpd.run("rm", "-r", DROP_IN)
    tcpd.systemctl("daemon-reload")
