# SPDX-License-Identifier: MIT
"""Nothing is lost: workers stopped, pools reloaded, the daemon restarted, all under a load that
verifies every byte. The soak tests take about 20 seconds in all; with TCPD_SOAK=full (`make soak`)
it is 5,000 stops of a worker and 300 reloads.
"""

import os
import signal
import socket

import pytest

from clients import HANG, Clients, judge, rounds, strike
from harness import (EX_OK, PATIENCE, configuration, free_port, proc_state, read_all,
                     read_exactly, service, wait_for)

GREETING = "Good day. " * 400  # as long as a greeting may be

# Handler of a soak: (its settings, what it says by itself).
SOAKED = {"echo": ({}, ""), "greeting": ({"message": GREETING}, GREETING)}
with_each_handler = pytest.mark.parametrize("handler", SOAKED)


def soaked(handler, **settings):
    return configuration(service(handler, min_workers=8, **SOAKED[handler][0], **settings))


def clients_of(daemon, handler, **options):
    return Clients(daemon.address(handler), greeting=SOAKED[handler][1], **options)


@with_each_handler
def test_soak_stop_one_worker(tcpd, record_property, handler):
    """DESIGN.md, drain protocol; B26: TERM to one worker after the other under load. What speaks
    last keeps connections aside then, and none is reset before its client has all."""
    conf = soaked(handler, spare_workers=4, max_workers=64)
    with tcpd(conf) as daemon, clients_of(daemon, handler) as clients:
        for stopped in rounds(clients, 5000, 7, least=50):
            strike(daemon, signal.SIGTERM)
        total = clients.finish()
        assert not daemon.log_matches("killed by signal|closed: ")
        assert daemon.stop() == EX_OK
    judge(total, record_property, f"{handler}: {stopped} workers stopped")


@with_each_handler
def test_soak_reload(tcpd, record_property, handler):
    """DESIGN.md, HUP; B55: whole pools exchanged under load; nobody is refused either."""
    conf = soaked(handler, spare_workers=4, max_workers=64)
    with tcpd(conf) as daemon, clients_of(daemon, handler) as clients:
        for reloads in rounds(clients, 300, 7, least=5):
            before = daemon.workers()
            daemon.reload()
            wait_for(lambda: not set(before) & set(daemon.workers()), HANG, "the old have left")
        total = clients.finish()
        assert not daemon.log_matches("killed by signal|closed: ")
        assert daemon.stop() == EX_OK
    judge(total, record_property, f"{handler}: {reloads} reloads")


@with_each_handler
def test_soak_restart(tcpd, record_property, handler):
    """B8: a self-bound tcpd is stopped and started under load: connects are refused meanwhile, but
    what was established is served, never reset."""
    conf = soaked(handler, listen=f"127.0.0.1:{free_port()}")
    first = tcpd(conf)
    # Many: a client whose SYN met the end of a tcpd tries again a second later.
    clients = clients_of(first, handler, threads=16)
    daemon = first
    with clients:
        for starts in rounds(clients, 100, 7, least=3):
            with daemon:
                let_in(clients, 1000)
                assert daemon.stop() == EX_OK
                assert not daemon.log_matches("killed|closed: ")
            daemon = tcpd(conf)
        total = clients.finish()
        with daemon:
            assert daemon.stop() == EX_OK
    judge(total, record_property, f"{handler}: {starts} restarts", refused_allowed=True)


def let_in(clients, n):
    served = clients.n_served()
    wait_for(lambda: clients.n_served() >= served + n, HANG, f"service to {n} clients")


# --- The same, one race at a time --------------------------------------------------------------

def freeze(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: proc_state(pid) in ("T", None), what=f"{pid} stopped")


def thaw(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_term_meets_a_connection(tcpd):
    """B26: TERM and a connection reach a worker blocked in accept() together: served by it or by
    its successor."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon:
        for i in range(100):
            [worker] = daemon.wait_workers(1)
            freeze([worker])
            if i % 2:
                os.kill(worker, signal.SIGTERM)
            with daemon.connect("echo") as sock:
                if not i % 2:
                    os.kill(worker, signal.SIGTERM)
                sock.sendall(b"whoever")
                thaw([worker])
                assert read_exactly(sock, 7) == b"whoever"
            wait_for(lambda: proc_state(worker) is None, what="worker leaves")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "[::1]:{port}", "unix:{directory}/s"])
@pytest.mark.parametrize("how", ["stop", "removed"])
def test_queue_is_served_at_the_end(tcpd, tmp_path, host, how):
    """B8: connections that wait in the queue when the listener is to be closed are served, though
    more of them than workers; at a stop and when a reload removes the service."""
    listen = host.format(port=free_port(), directory=tmp_path)
    going = service("going", "echo", listen=listen, min_workers=2, max_workers=2, spare_workers=0)
    staying = service("staying", "echo")
    with tcpd(configuration(going, staying)) as daemon:
        workers = daemon.workers("going")
        freeze(workers)
        waiting = [daemon.connect("going") for _ in range(20)]
        for i, sock in enumerate(waiting):
            sock.sendall(b"%02d" % i)
        if how == "stop":
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
        else:
            daemon.reload(configuration(staying))
        thaw(workers)
        for i, sock in enumerate(waiting):
            assert read_exactly(sock, 2) == b"%02d" % i
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
            sock.close()
        if how == "stop":
            assert daemon.wait_exit() == EX_OK
        else:
            wait_for(lambda: not daemon.workers("going"), what="pool is gone")
            assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed")


def test_stop_while_clients_keep_coming(tcpd):
    """B8: the drain ends under load: new connections are kept out of the queue."""
    with tcpd(configuration(service("echo"), stop_timeout="60s")) as daemon:
        with Clients(daemon.address("echo")) as clients:
            for _ in range(50):
                assert daemon.is_serving()
            assert daemon.stop() == EX_OK
            total = clients.finish()
    assert total["lost"] == total["hung"] == 0, total


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_reload_keeps_long_sessions(tcpd, transfer):
    """B55: sessions of three generations at once, each to its own end."""
    with tcpd(configuration(service("echo", transfer=transfer))) as daemon:
        socks = []
        for i in range(3):
            socks.append(daemon.connect("echo"))
            socks[-1].sendall(b"x")
            assert read_exactly(socks[-1], 1) == b"x"
            daemon.reload()
        for sock in socks:
            sock.sendall(b"still here")
            assert read_exactly(sock, 10) == b"still here"
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
            sock.close()
        daemon.wait_workers(4, PATIENCE)
