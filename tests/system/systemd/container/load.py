# SPDX-License-Identifier: MIT
"""Clients of the echo service that look at every byte and count what goes wrong.

`with Load(machine) as load:` runs them in the machine's network as one process of the host, and
load.result tells after the end what they saw. Some clients make short sessions, some send late,
some hold a session for a while and talk all the time. Their pauses leave most of a core to others.
"""

import asyncio
import json
import os
import random
import socket
import sys
import time

DEADLINE = 20.0  # seconds for a connection, and for an answer
TEXT = random.Random(7).randbytes(1 << 20)


class Gone(Exception):
    """What ended a session before its time; its text is a key of the counts."""


class Clients:
    """Runs in the machine's network."""

    def __init__(self, options):
        self.options = options
        self.counts = dict.fromkeys(
            ("connections", "sessions", "refused", "reset", "cut", "wrong", "unanswered", "other"),
            0)
        self.worst = {"connect": 0.0, "answer": 0.0}
        self.broken = []  # one dictionary each
        self.begun = set()  # clients that have had a session

    async def run(self):
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), stopping.set)  # its end, too
        tasks = [asyncio.create_task(self.client(number, stopping))
                 for number in range(self.options["clients"])]
        await stopping.wait()
        await asyncio.gather(*tasks)
        return {**self.counts, "worst": self.worst, "broken": self.broken}

    async def client(self, number, stopping):
        chance = random.Random(number)
        while not stopping.is_set():
            await self.connection(number, chance)
            if number not in self.begun:
                self.begun.add(number)
                if len(self.begun) == self.options["clients"]:
                    print("all have been served", flush=True)
            await asyncio.sleep(chance.uniform(0, 2 * self.options["pause"]))

    async def connection(self, number, chance):
        host = self.options["hosts"][number % len(self.options["hosts"])]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        seen = {"kind": ("long", "short", "late", "short")[number // 2 % 4], "answered": 0}
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            try:
                await self.connect(sock, (host, self.options["port"]), seen)
                await self.session(sock, chance, seen)
                self.counts["sessions"] += 1
            except Gone as gone:
                self.counts[str(gone)] += 1
                self.broken.append({**seen, "how": str(gone), "at": time.monotonic()})

    async def connect(self, sock, address, seen):
        loop = asyncio.get_running_loop()
        self.counts["connections"] += 1
        begin = time.monotonic()
        await self.guarded(loop.sock_connect(sock, address))
        seen["connected"] = time.monotonic()
        seen["peer"] = sock.getsockname()[1]
        self.worst["connect"] = max(self.worst["connect"], seen["connected"] - begin)

    async def session(self, sock, chance, seen):
        loop = asyncio.get_running_loop()
        if seen["kind"] == "late":
            await asyncio.sleep(chance.uniform(0, 0.05))
        rounds, length = (10, self.options["length"]) if seen["kind"] == "long" else (1, 0)
        for _ in range(rounds):
            size = int(2 ** chance.uniform(0, 17))
            start = chance.randrange(len(TEXT) - size)
            await self.exchange(sock, TEXT[start:start + size], seen)
            await asyncio.sleep(length / rounds)
        sock.shutdown(socket.SHUT_WR)
        if await self.guarded(loop.sock_recv(sock, 1)):
            raise Gone("wrong")

    async def exchange(self, sock, data, seen):
        loop = asyncio.get_running_loop()
        begin = time.monotonic()
        sending = asyncio.create_task(self.guarded(loop.sock_sendall(sock, data)))
        try:
            got = 0
            while got < len(data):
                part = await self.guarded(loop.sock_recv(sock, 1 << 16))
                if not part:
                    raise Gone("cut")
                if part != data[got:got + len(part)]:
                    raise Gone("wrong")
                got += len(part)
                seen["answered"] += len(part)
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        self.worst["answer"] = max(self.worst["answer"], time.monotonic() - begin)

    async def guarded(self, what):
        try:
            return await asyncio.wait_for(what, DEADLINE)
        except TimeoutError:  # ETIMEDOUT as well
            raise Gone("unanswered") from None
        except ConnectionRefusedError:
            raise Gone("refused") from None
        except (ConnectionResetError, BrokenPipeError):
            raise Gone("reset") from None
        except OSError as error:
            print(error, file=sys.stderr)
            raise Gone("other") from None


class Load:
    """A load on a machine; a context manager. It is on when all clients have been served once.

    clients: how many at once. pause: seconds between a client's sessions, on average. length:
    seconds that long sessions take. result: the counts connections, sessions (as they should be),
    refused, reset, cut (ended early), wrong (bytes), unanswered, other; worst times of connect and
    answer; the broken sessions: peer (their port), kind, answered (bytes), how, and when."""

    def __init__(self, machine, *, clients=12, pause=0.01, length=0.15, port=7007,
                 hosts=("127.0.0.1", "::1")):
        self.machine = machine
        self.options = {"clients": clients, "pause": pause, "length": length, "port": port,
                        "hosts": hosts}
        self.result = self.resets = None

    def __enter__(self):
        self.resets = self.count_resets()
        self.process = self.machine.start(sys.executable, "-I", os.path.abspath(__file__),
                                          json.dumps(self.options), where="network")
        line = self.process.stdout.readline()
        assert line == "all have been served\n", line + self.process.stdout.read()
        return self

    def __exit__(self, kind, value, traceback):
        output, _ = self.process.communicate("\n", timeout=3 * DEADLINE)
        assert self.process.returncode == 0, output
        self.result = json.loads(output.splitlines()[-1])
        self.resets = self.count_resets() - self.resets

    def count_resets(self):
        """Resets that left any socket of the machine's network, as its kernel counts them."""
        output = self.machine.net("cat", "/proc/net/snmp").stdout
        lines = [line.split() for line in output.splitlines() if line.startswith("Tcp:")]
        return int(lines[1][lines[0].index("OutRsts")])

    def describe(self):
        """One line for the report."""
        worst = ", ".join(f"worst {name} {seconds * 1000:.0f} ms"
                          for name, seconds in self.result["worst"].items())
        counts = ", ".join(f"{count} {name}" for name, count in self.result.items()
                           if isinstance(count, int))
        return f"{counts}; {self.resets} resets in the kernel's count; {worst}"

    def assert_lossless(self):
        """Every connection was made, served and ended as it should be. The kernel's count may have a
        reset that meant no client: for a late segment of a connection that had ended on both sides."""
        assert self.result["broken"] == [], \
            f"{self.describe()}\n{self.result['broken'][:20]}"
        assert self.result["sessions"] == self.result["connections"] > 0


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Clients(json.loads(sys.argv[1])).run())), flush=True)
