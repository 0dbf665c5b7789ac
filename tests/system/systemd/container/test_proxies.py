# SPDX-License-Identifier: MIT
"""Debian's nginx and HAProxy in front of tcpd, with the configurations of tcpd-websocket(7) as they
stand there."""

import re
import ssl
import subprocess

import pytest

import machine as bed
from units import install
from ws_peer import TEXT, Frame, Peer, request_of

HOST = "www.example.org"
PAGE = bed.TOP / "src/transport/tcpd-websocket.7"
PROGRAM = """\
    handler = "program"
    program = {"/usr/bin/python3", "/srv/game.py"}
    program_mode = "prestart"
"""


def shown(proxy):
    """What the page shows: tcpd.conf for this proxy, and the proxy's own."""
    text = PAGE.read_text().split(".Sh BEHIND A PROXY")[1].split(".Sh ")[0]
    conf, nginx, lines, haproxy = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.M)
    assert PROGRAM in conf, "the machines have no Python"
    conf = conf.replace(PROGRAM, '    handler = "hello"\n')
    if proxy == "nginx":
        return conf, nginx
    for line in lines.splitlines():
        conf, n = re.subn(rf"^    {line.split(' = ')[0]} = .*", f"    {line}", conf, flags=re.M)
        assert n == 1, line
    return conf, haproxy


@pytest.fixture
def certificate():
    """Of this host, with its key."""
    command = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout - "
               f"-subj /CN={HOST} -addext subjectAltName=DNS:{HOST}")
    return subprocess.run(command.split(), capture_output=True, check=True, text=True).stdout


def begin_nginx(machine, text, _):
    machine.put("/etc/nginx/sites-enabled/default",
                f"server {{\nlisten 127.0.0.1:80;\nserver_name {HOST};\n{text}\n}}\n")
    machine.systemctl("restart", "nginx.service")
    return lambda: machine.connect(80)


def begin_haproxy(machine, text, certificate):
    machine.put(f"/etc/haproxy/{HOST}.pem", certificate)
    before = machine.inside("/etc/haproxy/haproxy.cfg").read_text()
    machine.put("/etc/haproxy/haproxy.cfg",
                f"{before}{text}\nbackend pages\n    mode http\n    timeout server 1s\n")
    machine.systemctl("restart", "haproxy.service")
    context = ssl.create_default_context(cadata=certificate)
    return lambda: context.wrap_socket(machine.connect(443), server_hostname=HOST)


@pytest.mark.parametrize("proxy, package, begin", [("nginx", "nginx-light", begin_nginx),
                                                   ("haproxy", "haproxy", begin_haproxy)])
def test_websocket_behind(shared_tcpd_machine, certificate, proxy, package, begin):
    """The path is passed on, with the browser's Host, to a socket that only the proxy may use; pages
    of another host are refused, and the proxy's other paths are its own."""
    machine = shared_tcpd_machine
    conf, text = shown(proxy)
    machine.install_aside(package)
    install(machine, conf)
    connect = begin(machine, text, certificate)

    def ask(origin, path="/game"):
        return Peer(connect(), request_of(path, Host=HOST, Origin=origin))
    with ask(f"https://{HOST}") as peer:
        assert peer.opened().message() == Frame(TEXT, b"Welcome!")
        peer.say("t'Michael' t'Tracy'")
        assert [peer.message().payload for _ in range(2)] == [b"Hello, Michael!", b"Hello, Tracy!"]
        peer.say("x1000")
        assert peer.code() == (1000, "")
    with ask("https://elsewhere.example") as peer:
        assert peer.answer().startswith("HTTP/1.1 403 ")
    with ask(f"https://{HOST}", "/page") as peer:
        assert not peer.answer().startswith("HTTP/1.1 101 ")
