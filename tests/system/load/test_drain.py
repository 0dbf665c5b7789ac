# SPDX-License-Identifier: MIT
"""Nothing is lost: workers stopped, pools reloaded, the daemon restarted, all under a load that
verifies every byte. The soak tests take about 20 seconds in all; with TCPD_SOAK=full (`make soak`)
it is 5,000 stops of a worker and 300 reloads. Run as a program this file is the load itself.
"""

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import (EX_OK, PATIENCE, SOAK, configuration, free_port, proc_state, read_all,
                     read_exactly, service, wait_for)

HANG = 20.0  # seconds after which an answer is counted as hung


# --- The load ----------------------------------------------------------------------------------

def nothing():
    return {"done": 0, "refused": 0, "hung": 0, "lost": 0, "slowest": 0.0, "reasons": []}


class Load:
    """Connects, sends 64 bytes, wants the same 64 back, closes; over and over, in threads. A
    connection that was refused found nobody listening, which is for the caller to judge; one that
    was established and not answered in full is lost. Each one served is told by a byte to `told`."""

    def __init__(self, host, port, threads, told):
        self.address = (host, int(port))
        self.told = int(told)
        self.stopping = threading.Event()
        self.results = nothing()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(int(threads))]

    def run(self, index):
        rng = random.Random(os.getpid() * 100 + index)
        counts = dict.fromkeys(("done", "refused", "hung", "lost"), 0)
        slowest = 0.0
        while not self.stopping.is_set():
            begin = time.monotonic()
            result, reason = self.one(rng)
            counts[result] += 1
            slowest = max(slowest, time.monotonic() - begin)
            if reason:
                with self.lock:
                    self.results["reasons"].append(reason)
            if result == "done":
                os.write(self.told, b".")
            if result == "refused":
                self.stopping.wait(0.002)
        with self.lock:
            for name, count in counts.items():
                self.results[name] += count
            self.results["slowest"] = max(self.results["slowest"], slowest)

    def one(self, rng):
        data = rng.randbytes(64)
        at = "connect"
        with socket.socket() as sock:
            sock.settimeout(HANG)
            try:
                sock.connect(self.address)
                at = "send"
                sock.sendall(data)
                at = "receive"
                if rng.random() < 0.5:
                    sock.shutdown(socket.SHUT_WR)
                back = b""
                while len(back) < 64 and (chunk := sock.recv(64 - len(back))):
                    back += chunk
            except ConnectionRefusedError:
                return ("refused", None) if at == "connect" else ("lost", f"refused in {at}")
            except TimeoutError:
                # To connect: every SYN fell into a time when nobody listened.
                return "refused" if at == "connect" else "hung", f"no answer to {at} in {HANG} s"
            except OSError as error:
                return "lost", f"{at}: {error}"
        return ("done", None) if back == data else ("lost", f"{len(back)} of 64 bytes, or wrong")


def main(*args):
    load = Load(*args)
    for thread in load.threads:
        thread.start()
    sys.stdin.read()  # until the tests close it
    load.stopping.set()
    for thread in load.threads:
        thread.join()
    print(json.dumps(load.results))


class Clients:
    """Several processes of load, and the sum of what they saw."""

    def __init__(self, address, processes=3, threads=4):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.told = os.memfd_create("told")
        fcntl.fcntl(self.told, fcntl.F_SETFL, os.O_APPEND)
        args = map(str, (*address, threads, self.told))
        command = [sys.executable, __file__, *args]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=environment, pass_fds=(self.told,))
            for _ in range(processes)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.communicate()
        os.close(self.told)

    def n_served(self):
        """So far."""
        return os.fstat(self.told).st_size

    def finish(self):
        total = nothing()
        answers = [process.communicate(timeout=2 * HANG)[0] for process in self.processes]
        for result in map(json.loads, answers):
            for name in total:
                total[name] = max(total[name], result[name]) if name == "slowest" \
                    else total[name] + result[name]
        return total


def judge(total, record_property, what, refused_allowed=False):
    """0 lost, 0 hung; the figures go to the summary."""
    record_property("soak", f"{what}: {total['done']} connections, {total['lost']} lost, "
                            f"{total['hung']} hung, {total['refused']} refused, "
                            f"slowest {total['slowest']:.2f} s")
    assert total["lost"] == total["hung"] == 0, total
    assert total["refused"] == 0 or refused_allowed, total


def rounds(clients, full, seconds, least):
    """Numbers of rounds, from 1: so many in full, else for so many seconds and `least` at least. After
    each the clients are served: how many there are in a second is the machine's affair."""
    end = time.monotonic() + seconds
    n = 0
    while n < full if SOAK else n < least or time.monotonic() < end:
        n += 1
        yield n
        served = clients.n_served()
        wait_for(lambda: clients.n_served() > served, HANG, f"service after round {n}")


def strike(daemon, number, among=1):
    """Sends the signal to one worker of at least so many, and waits until it is gone."""
    while True:
        victim = random.choice(daemon.wait_workers(lambda pids: len(pids) >= among))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
            break
    wait_for(lambda: proc_state(victim) in (None, "Z"), HANG, f"worker {victim} leaves")


def test_soak_stop_one_worker(tcpd, record_property):
    """DESIGN.md, drain protocol; B26: TERM to one worker after the other under load."""
    conf = configuration(service("echo", min_workers=8, spare_workers=4, max_workers=64))
    with tcpd(conf) as daemon, Clients(daemon.address("echo")) as clients:
        for stopped in rounds(clients, 5000, 7, least=50):
            strike(daemon, signal.SIGTERM)
        total = clients.finish()
        assert not daemon.log_matches("killed by signal|closed: ")
        assert daemon.stop() == EX_OK
    judge(total, record_property, f"{stopped} workers stopped")


def test_soak_reload(tcpd, record_property):
    """DESIGN.md, HUP; B55: whole pools exchanged under load; nobody is refused either."""
    conf = configuration(service("echo", min_workers=8, spare_workers=4, max_workers=64))
    with tcpd(conf) as daemon, Clients(daemon.address("echo")) as clients:
        for reloads in rounds(clients, 300, 7, least=5):
            before = daemon.workers()
            daemon.reload()
            wait_for(lambda: not set(before) & set(daemon.workers()), HANG, "the old have left")
        total = clients.finish()
        assert not daemon.log_matches("killed by signal|closed: ")
        assert daemon.stop() == EX_OK
    judge(total, record_property, f"{reloads} reloads")


def test_soak_restart(tcpd, record_property):
    """B8: a self-bound tcpd is stopped and started under load: connects are refused meanwhile, but
    what was established is served, never reset."""
    conf = configuration(service("echo", listen=f"127.0.0.1:{free_port()}", min_workers=8))
    first = tcpd(conf)
    # Many: a client whose SYN met the end of a tcpd tries again a second later.
    clients = Clients(first.address("echo"), threads=16)
    daemon = first
    with clients:
        for starts in rounds(clients, 100, 7, least=3):
            with daemon:
                time_of_service(daemon)
                assert daemon.stop() == EX_OK
                assert not daemon.log_matches("killed|closed: ")
            daemon = tcpd(conf)
        total = clients.finish()
        with daemon:
            assert daemon.stop() == EX_OK
    judge(total, record_property, f"{starts} restarts", refused_allowed=True)


def time_of_service(daemon):
    """Lets the load in for a while."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        assert daemon.is_serving()


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


if __name__ == "__main__":
    main(*sys.argv[1:])
