# SPDX-License-Identifier: MIT
"""A load that verifies every byte, its verdict, and rounds of what happens under it. Run as a
program this file is the load itself.
"""

import contextlib
import fcntl
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

from harness import SOAK, proc_state, wait_for

HANG = 20.0  # seconds after which an answer is counted as hung


# --- The load ----------------------------------------------------------------------------------

def nothing():
    return {"done": 0, "refused": 0, "hung": 0, "lost": 0, "slowest": 0.0, "reasons": []}


class Load:
    """Connects, sends 64 bytes, wants the same 64 back, closes; over and over, in threads. Of a
    server that speaks by itself it wants the `greeting` and the end, and every other client sends
    the 64 bytes, which nobody reads. A connection that was refused found nobody listening, which is
    for the caller to judge; one that was established and not answered in full is lost. Each one
    served is told by a byte to `told`."""

    def __init__(self, host, port, threads, told, greeting=""):
        self.address = (host, int(port))
        self.greeting = greeting.encode()
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
        wanted = self.greeting or data
        at = "connect"
        with socket.socket() as sock:
            sock.settimeout(HANG)
            try:
                sock.connect(self.address)
                at = "send"
                if wanted is data or rng.random() < 0.5:
                    sock.sendall(data)
                at = "receive"
                if rng.random() < 0.5:
                    sock.shutdown(socket.SHUT_WR)
                back = b""
                while ((wanted is not data or len(back) < len(wanted))
                       and (chunk := sock.recv(65536))):
                    back += chunk
            except ConnectionRefusedError:
                return ("refused", None) if at == "connect" else ("lost", f"refused in {at}")
            except TimeoutError:
                # To connect: every SYN fell into a time when nobody listened.
                return "refused" if at == "connect" else "hung", f"no answer to {at} in {HANG} s"
            except OSError as error:
                return "lost", f"{at}: {error}"
        if back == wanted:
            return "done", None
        return "lost", f"{len(back)} of {len(wanted)} bytes, or wrong"


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

    def __init__(self, address, processes=3, threads=4, greeting=""):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.told = os.memfd_create("told")
        fcntl.fcntl(self.told, fcntl.F_SETFL, os.O_APPEND)
        args = map(str, (*address, threads, self.told, greeting))
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


if __name__ == "__main__":
    main(*sys.argv[1:])
