# SPDX-License-Identifier: MIT
"""What was imported, served by the real daemon: programs get the arguments, the variables and the
limits that inetd and xinetd gave them, and the addresses are theirs."""

import socket
import stat

import pytest

from harness import PATIENCE, free_port, read_all
from importing import ROOT, SOMEBODY, USER, run
from programs import write_python

as_root = pytest.mark.skipif(not ROOT, reason="ports below 1024 and other users are root's")


@pytest.fixture
def serve(place, tcpd):
    """serve(format, text) → a daemon that serves what comes of it."""
    def call(format_, text):
        imported = run(format_, place.write("text", text))
        assert imported.lines("warning") == []
        return tcpd(imported.text)
    return call


def ask(port, message=b"", host="127.0.0.1"):
    with socket.create_connection((host, port), PATIENCE) as client:
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def xinetd(name, port, *lines):
    return f"service {name}\n{{\n" + "".join(f"    {line}\n" for line in [
        "socket_type = stream", "protocol = tcp", "wait = no", "user = %USER%", f"port = {port}",
        *lines]) + "}\n"


def test_inetd_program(serve):
    """argv[0] is the first argument; the rest come as they are, and no variable is replaced."""
    port = free_port()
    serve("inetd", f"127.0.0.1:{port} stream tcp nowait %USER% /bin/sh mysh -c "
                   "printf${IFS}'%s|'${IFS}\"$0\"${IFS}\"$@\" zero it's ${HOME} a\\b \\\\ '\n")
    assert ask(port) == rb"zero|it's|${HOME}|a\b|\\|'|"


def test_inetd_name_of_program(serve):
    port = free_port()
    serve("inetd", f"127.0.0.1:{port} stream tcp nowait %USER% /bin/sh mysh -c echo${{IFS}}$0\n")
    assert ask(port) == b"mysh\n"


@as_root
def test_inetd_internal(serve, request):
    """By their names, at the ports of /etc/services; over TCP and UDP."""
    host = f"127.{1 + hash(request.node.name) % 250}.{free_port() % 250}.1"
    serve("inetd", f"{host}:\necho stream tcp nowait root internal\n"
                   "echo dgram udp wait root internal\ntime stream tcp nowait root internal\n")
    assert ask(7, b"Linux China", host) == b"Linux China"
    assert len(ask(37, host=host)) == 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((host, 7))
        client.send(b"a datagram")
        assert client.recv(100) == b"a datagram"


def test_xinetd_internal(serve):
    port = free_port()
    serve("xinetd", f"service echo\n{{\ntype = INTERNAL UNLISTED\nport = {port}\nwait = no\n"
                    "socket_type = stream\nbind = 127.0.0.1\n}\n")
    assert ask(port, b"Linux China") == b"Linux China"


def test_xinetd_program(serve):
    """Its name is that of the file; variables, mask and limits are what was asked for."""
    port = free_port()
    serve("xinetd", xinetd("state", port, "type = UNLISTED", "server = /bin/sh", "umask = 037",
                           "server_args = -c echo${IFS}$0${IFS}$A-$B${IFS}$(umask)${IFS}$(ulimit${IFS}-n)",
                           "env = A=one B=it's", "env += B=two", "rlimit_files = 64",
                           "nice = 3", "instances = 5", "bind = 127.0.0.1"))
    assert ask(port) == b"sh one-two 0037 64\n"


def test_xinetd_name_in_arguments(serve):
    port = free_port()
    serve("xinetd", xinetd("named", port, "type = UNLISTED", "server = /bin/sh",
                           "flags = REUSE NAMEINARGS", "server_args = mysh -c echo${IFS}$0"))
    assert ask(port) == b"mysh\n"


@as_root
def test_user(serve):
    port = free_port()
    serve("inetd", f"{port} stream tcp nowait {USER} /usr/bin/id id -u\n")
    assert ask(port) == b"%d\n" % SOMEBODY.pw_uid


def test_families(serve):
    """IPv4 alone by a flag; tcp gives way to tcp6; else both."""
    four, both, split = free_port(), free_port(), free_port()
    serve("xinetd", xinetd("four", four, "type = UNLISTED", "server = /bin/echo",
                           "server_args = four", "flags = IPv4") +
          xinetd("both", both, "type = UNLISTED", "server = /bin/echo", "server_args = both"))
    serve("inetd", f"{split} stream tcp nowait %USER% /bin/echo echo old\n"
                   f"{split} stream tcp6 nowait %USER% /bin/echo echo new\n")
    assert ask(four) == b"four\n"
    with pytest.raises(ConnectionRefusedError):
        ask(four, host="::1")
    assert (ask(both), ask(both, host="::1")) == (b"both\n", b"both\n")
    assert (ask(split), ask(split, host="::1")) == (b"old\n", b"new\n")


def test_wait_of_streams(serve, place):
    """The program has the listening socket, and takes its clients by itself."""
    port = free_port()
    program = write_python(place.path / "waiter", """\
        import socket
        client = socket.socket(fileno=0).accept()[0]
        client.sendall(client.recv(100).upper())
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
    """)
    serve("inetd", f"127.0.0.1:{port} stream tcp wait %USER% {program} waiter\n")
    assert [ask(port, b"one"), ask(port, b"two")] == [b"ONE", b"TWO"]


def test_wait_of_datagrams(serve, place):
    port = free_port()
    program = write_python(place.path / "waiter", """\
        import socket
        here = socket.socket(fileno=0)
        message, client = here.recvfrom(100)
        here.sendto(message.upper(), client)
    """)
    serve("xinetd", f"service shout\n{{\ntype = UNLISTED\nport = {port}\nsocket_type = dgram\n"
                    f"protocol = udp\nwait = yes\nuser = %USER%\nserver = {program}\nflags = IPv4\n}}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", port))
        for message in (b"one", b"two"):
            client.send(message)
            assert client.recv(100) == message.upper()


def test_unix_socket(serve, place):
    place.path.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    serve("inetd", "%RUN%/echo.sock stream unix nowait %USER% /bin/cat cat\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(place.path / "echo.sock"))
        client.sendall(b"by its path")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"by its path"


def test_wrapped_program(serve):
    """TCP wrappers stay before the program, which they find in argv[0]."""
    port = free_port()
    serve("inetd", f"127.0.0.1:{port} stream tcp nowait %USER% /bin/sh /usr/sbin/in.fingerd -c "
                   "echo${IFS}$0\n")
    assert ask(port) == b"/usr/sbin/in.fingerd\n"
