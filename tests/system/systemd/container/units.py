# SPDX-License-Identifier: MIT
"""What the tests of tcpd's units share: configurations, clients, states of several units."""

import resource
import selectors
import socket

from harness import PATIENCE, configuration, read_all, reset, service

CONF = "/etc/tcpd/tcpd.conf"
CONTROL = "/run/tcpd/control"
ECHO = service("echo", listen=["127.0.0.1:7007"], min_workers=2, spare_workers=1)
GREETING = service("greeting", listen=["127.0.0.1:1234"], message="hi", min_workers=2,
                   spare_workers=1)


def wait_active(machine):
    machine.wait_unit("tcpd.service", ActiveState="active", SubState="running")


def install(machine, text, start="tcpd.service"):
    """Starts with this configuration and its sockets, from everything stopped."""
    machine.systemctl("stop", "tcpd.service", "tcpd.socket")
    machine.systemctl("reset-failed")
    machine.put(CONF, text)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", start)


def configure(machine, *services, start="tcpd.service", **options):
    """The same with these services and global options."""
    install(machine, configuration(*services, **options), start)


def edit(machine, old, new, path=CONF):
    """Replaces a text in a configuration."""
    text = machine.inside(path).read_text()
    assert old in text
    machine.put(path, text.replace(old, new))


def states(machine, *units):
    """ActiveState of each."""
    return [machine.show(unit, "ActiveState")["ActiveState"] for unit in units]


def is_refused(machine, port, host="127.0.0.1"):
    try:
        machine.connect(port, host).close()
        return False
    except ConnectionRefusedError:
        return True


def echoes(machine, text=b"hello", port=7007, host="127.0.0.1"):
    return machine.exchange(port, text, host) == text


def messages(machine, *args, since=None):
    """The journal's texts."""
    return [record["MESSAGE"] for record in machine.journal(*args, since=since)
            if isinstance(record.get("MESSAGE"), str)]


def burst(machine, n, port=7007):
    """n clients connect at once, send a line each, and want it back; how many got it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = {}
    with machine.network(), selectors.DefaultSelector() as selector:
        for i in range(n):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            clients[sock] = b"client %d\n" % i
            selector.register(sock, selectors.EVENT_WRITE)
        try:
            waiting = n
            while waiting:
                ready = selector.select(PATIENCE)
                assert ready, f"{waiting} clients got no connection"
                for key, _ in ready:
                    key.fileobj.sendall(clients[key.fileobj])  # raises what the connect met
                    key.fileobj.shutdown(socket.SHUT_WR)
                    selector.unregister(key.fileobj)
                    waiting -= 1
            for sock in clients:
                sock.settimeout(PATIENCE)
            return sum(read_all(sock) == line for sock, line in clients.items())
        finally:
            for sock in clients:
                sock.close()


def fail_session(machine, source, port=7007):
    """A session that ends with a reset, and so is logged, of a client with this address."""
    with machine.network():
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
    sock.sendall(b"x")
    sock.recv(1)
    reset(sock)
