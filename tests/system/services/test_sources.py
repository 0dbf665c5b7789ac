# SPDX-License-Identifier: MIT
"""Limits of a source (R4 to R13): connections at once, rate, penalties; that counts come back however
a worker ends; what the log, explain and tcpdctl say. Clients are addresses of loopback."""

import contextlib
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, PATIENCE, SOAK, can_trace, configuration, run, service,
                     wait_for)
from json_form import checked
from test_access import calls_of, meet
from test_tcpdctl import Control

EX_REFUSED = 3
HERE, THERE = "127.0.0.1", "127.9.9.9"
REFUSED = r"echo: connection from {} refused: {}"


@contextlib.contextmanager
def held(daemon, source=HERE, name="echo"):
    """A session that is served, and goes on."""
    with daemon.connect(name, source=(source, 0)) as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        yield sock


def outcome(daemon, source=HERE, name="echo"):
    return meet(daemon.address(name), source)


def explained(control, source=HERE, name="echo"):
    code, out, err = control.run("--json", "explain", source, name)
    assert code in (EX_OK, EX_REFUSED), err
    return json.loads(out)[0]


def wait_served(daemon, source=HERE):
    wait_for(lambda: outcome(daemon, source) == b"x", what=f"{source} is served")


def test_connections(tcpd):
    """R4: one too many is reset at once, others are served, and who leaves makes room."""
    with tcpd(configuration(service("echo", source_connections=2))) as daemon:
        with held(daemon), held(daemon) as second:
            assert outcome(daemon) == "reset"
            assert outcome(daemon, THERE) == b"x"
            daemon.wait_log(REFUSED.format(r"127\.0\.0\.1:\d+",
                                           r"127\.0\.0\.1 has 2 of 2 connections$"))
            second.close()
            wait_served(daemon)
        wait_served(daemon)


@pytest.mark.parametrize("setting, near, far", [
    ({"source_prefix4": 24}, "127.0.0.77", "127.0.1.1"), ({}, HERE, "127.0.0.2")], ids=str)
def test_prefix(tcpd, setting, near, far):
    """R5: neighbours are one source, as far as the prefix goes."""
    with tcpd(configuration(service("echo", source_connections=1, **setting))) as daemon, held(daemon):
        assert outcome(daemon, near) == "reset"
        assert outcome(daemon, far) == b"x"


def test_mapped_addresses_are_the_same_source(tcpd):
    """R2: of a socket for both families, IPv4 clients are counted as IPv4; IPv6 ones beside them."""
    with tcpd(configuration(service("echo", listen="*:0", source_connections=1))) as daemon:
        port = daemon.ports["echo"]
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(b"a")
            assert sock.recv(1) == b"a"
            assert meet(("127.0.0.1", port), HERE) == "reset"
            assert meet(("::1", port), "::1") == b"x"
            daemon.wait_log(r"refused: 127\.0\.0\.1 has 1 of 1 connections$")


def test_behind_a_proxy_clients_are_counted(tcpd):
    """Whom the proxy announces has the limit, not the proxy; its own checks have none."""
    def ask(client):
        """What a client of that address gets through the proxy, and its connection."""
        sock = daemon.connect("echo")
        try:
            sock.sendall(b"PROXY TCP4 %s 198.51.100.2 40000 443\r\na" % client)
            return sock.recv(1), sock
        except (BrokenPipeError, ConnectionResetError):
            return b"reset", sock
    conf = configuration(service("echo", source_connections=1, proxy_protocol="required",
                                 proxy_trusted=["127.0.0.1"]))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        for client, want in ((b"192.0.2.1", b"a"), (b"192.0.2.2", b"a"), (b"192.0.2.1", b"reset")):
            said, sock = ask(client)
            stack.enter_context(sock)
            assert said == want
        daemon.wait_log(r"192\.0\.2\.1:40000 through 127\.0\.0\.1:\d+ refused: "
                        r"192\.0\.2\.1 has 1 of 1 connections$")
        for _ in range(3):
            check = stack.enter_context(daemon.connect("echo"))
            check.sendall(b"PROXY UNKNOWN\r\nb")
            assert check.recv(1) == b"b"


def test_unix_clients_are_counted_by_user(tcpd, tmp_path):
    with tcpd(configuration(service("echo", listen=f"unix:{tmp_path}/s",
                                    source_connections=1))) as daemon:
        with daemon.connect("echo") as first:
            first.sendall(b"a")
            assert first.recv(1) == b"a"
            with pytest.raises((ConnectionResetError, BrokenPipeError)), daemon.connect("echo") as second:
                second.sendall(b"a")
                if not second.recv(1):
                    raise ConnectionResetError
            daemon.wait_log(rf"refused: user {os.getuid()} has 1 of 1 connections$")
        wait_for(lambda: is_serving(daemon), what="room again")


def test_exempt(tcpd):
    """R15: who is exempt is never counted."""
    with tcpd(configuration(service("echo", source_connections=1, source_rate="1/h",
                                    source_exempt=["127.9.0.0/16"]))) as daemon:
        with held(daemon, THERE), held(daemon, THERE), held(daemon, THERE):
            assert outcome(daemon, THERE) == b"x"
        assert [outcome(daemon) for _ in range(2)] == [b"x", "reset"]


def test_rate(tcpd):
    """R9: as many as the burst at once, and then no more; other sources are served."""
    with tcpd(configuration(service("echo", source_rate="10/h", source_burst=3))) as daemon:
        assert [outcome(daemon) for _ in range(5)] == [b"x"] * 3 + ["reset"] * 2
        assert outcome(daemon, THERE) == b"x"
        daemon.wait_log(REFUSED.format(r"127\.0\.0\.1:\d+",
                                       r"127\.0\.0\.1 comes more often than 10/h$"))
    with tcpd(configuration(service("echo", source_rate="2/s"))) as daemon:
        assert [outcome(daemon) for _ in range(2)] == [b"x"] * 2
        wait_served(daemon)


def end_by_signal(number):
    return lambda daemon, sock: os.kill(daemon.worker_serving(sock), number)


@pytest.mark.parametrize("end", [
    end_by_signal(signal.SIGKILL), end_by_signal(signal.SIGSEGV), end_by_signal(signal.SIGTERM),
    lambda daemon, sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
    lambda daemon, sock: daemon.reload(), lambda daemon, sock: None],
    ids=["kill", "crash", "drain", "reset", "reload", "retire"])
def test_counts_come_back(end, request):
    """R6: however a session or its worker ends, its source has it no longer; exactly so many get in."""
    each = {"max_sessions_per_worker": 1} if "retire" in request.node.name else {}
    with Control(configuration(service("echo", source_connections=3, min_workers=8, **each))) as control:
        daemon = control.daemon
        for _ in range(5):
            with held(daemon) as sock, held(daemon, THERE):
                assert explained(control)["connections"] == "1 of 3 connections"
                end(daemon, sock)
                sock.close()
                wait_for(lambda: explained(control)["connections"] == "0 of 3 connections",
                         what="nothing is counted")
                assert explained(control, THERE)["connections"] == "1 of 3 connections"
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                wait_for(lambda: enter(stack, held(daemon)), what="a fresh one gets in")
            assert outcome(daemon) == "reset"


def is_serving(daemon):
    with contextlib.suppress(OSError):
        return daemon.is_serving()
    return False


def enter(stack, context):
    with contextlib.suppress(OSError, AssertionError):
        stack.enter_context(context)
        return True
    return False


def kill_all(daemon):
    """Each worker, wherever it is in its session; some crash. How many were killed."""
    pids = daemon.wait_workers(lambda pids: len(pids) >= 64, deadline=60, name="echo")
    for pid in random.sample(pids, len(pids)):
        os.kill(pid, signal.SIGSEGV if random.random() < 0.1 else signal.SIGKILL)
        time.sleep(random.random() / 500)
    return len(pids)


def test_soak_kills_under_load(record_property):
    """T-K: workers are killed at random while clients of one source come and go; then nothing is
    counted within 2 s, exactly so many get in, and another source was never refused. With
    TCPD_SOAK=full 2,600 of them."""
    limit, stop, refused = 10, threading.Event(), []

    def client(daemon, source):
        while not stop.is_set():
            with contextlib.suppress(OSError):
                result = meet(daemon.address("echo"), source)
                if source != HERE:
                    refused.append(result)

    with Control(configuration(service("echo", source_connections=limit, min_workers=64,
                                       max_workers=128), log_sessions="none")) as control:
        daemon = control.daemon
        threads = [threading.Thread(target=client, args=(daemon, source))
                   for source in [HERE] * 8 + [THERE]]
        for thread in threads:
            thread.start()
        n_killed = 0
        while n_killed < (2600 if SOAK else 200):  # 200: of more in a row new workers have to wait
            n_killed += kill_all(daemon)
        stop.set()
        for thread in threads:
            thread.join()
        last = time.monotonic()
        wait_for(lambda: explained(control)["connections"] == f"0 of {limit} connections",
                 what="nothing is counted")
        record_property("soak", f"sources: {n_killed} kills, nothing is counted after "
                                   f"{time.monotonic() - last:.2f} s")
        with contextlib.ExitStack() as stack:
            for _ in range(limit):
                wait_for(lambda: enter(stack, held(daemon)), what="a fresh one gets in")
            assert outcome(daemon) == "reset"
        assert not daemon.log_matches(r"refused: 127\.9\.9\.9")
        assert b"x" in refused


def test_hostile_worker():
    """A worker that writes anything over the table of its pool: counts of another pool stay exact,
    the master goes on, and its own pool's are right again within 20 s."""
    limit, module = 3, BUILD / "tests/modules/hostile.so"
    conf = configuration(
        service("echo", source_connections=2, min_workers=4),
        service("hostile", "module", module=module, source_connections=limit, min_workers=8))

    def is_other_exact():
        return explained(control)["connections"] == "1 of 2 connections"

    with Control(conf) as control, held(control.daemon):
        daemon = control.daemon
        with daemon.connect("hostile", source=(THERE, 0)) as sock:
            sock.sendall(b"scribble-sources 1 1 -\n")
            said, rounds = b"", 0
            while not said.endswith(b"done ok\n"):
                if select.select([sock], [], [], 0)[0]:
                    assert (data := sock.recv(100))
                    said += data
                assert is_other_exact()
                assert control.run("--json", "sources")[0] == EX_OK
                explained(control, name="hostile")
                rounds += 1
            assert said == b"table ok\ndone ok\n" and rounds > 1
            assert outcome(daemon, THERE) == b"x"
        wait_for(lambda: explained(control, name="hostile")["connections"] ==
                 f"0 of {limit} connections", 20, "its counts are right again")
        assert is_other_exact()


def test_penalty_for_silence():
    """R10: small offences add up; then the source is refused, as explain says, until it is pardoned."""
    conf = configuration(service("echo", first_byte_timeout="100ms", penalty_timeout="20s",
                                 penalty_min="30s"))
    with Control(conf) as control:
        daemon = control.daemon
        for n in (1, 2):
            assert explained(control)["served"]
            with daemon.connect("echo") as sock:
                assert sock.recv(1) == b""
            wait_for(lambda n=n: explained(control)["penalty"] != "" and
                     explained(control)["served"] == (n == 1), what=f"penalty {n}")
        assert outcome(daemon) == "reset"
        assert outcome(daemon, THERE) == b"x"
        daemon.wait_log(r"the source of 127\.0\.0\.1:\d+ has a penalty from now on, as its session "
                        "ended with: first byte timeout$")
        daemon.wait_log(REFUSED.format(r"127\.0\.0\.1:\d+", r"127\.0\.0\.1 has a penalty$"))
        answer = explained(control)
        assert (answer["reason"], answer["source"]) == ("penalty", HERE)
        assert re.fullmatch(r"3\d(\.\d+)?s.*, in force from 30s", answer["penalty"])
        assert control.run("pardon", THERE)[:2] == (EX_OK, "0 sources pardoned\n")
        assert outcome(daemon) == "reset"
        assert control.run("pardon", HERE, "echo")[:2] == (EX_OK, "1 source pardoned\n")
        assert outcome(daemon) == b"x"


def test_penalty_for_a_crash():
    """R10: whoever was served when a worker crashed; not who was served when one was killed."""
    with Control(configuration(service("echo", penalty_crash="90s", min_workers=6))) as control:
        daemon = control.daemon
        with held(daemon) as sock:
            os.kill(daemon.worker_serving(sock), signal.SIGKILL)
        with held(daemon, THERE) as sock:
            os.kill(daemon.worker_serving(sock), signal.SIGSEGV)
            daemon.wait_log(r"the source of 127\.9\.9\.9:\d+ has a penalty from now on, as its worker "
                            "crashed$")
        assert outcome(daemon, THERE) == "reset"
        assert outcome(daemon) == b"x"


def test_rehearsal():
    """R13: nobody is refused, and what would have been is logged and counted."""
    with Control(configuration(service("echo", source_connections=1, source_dry_run="yes",
                                       min_workers=6))) as control:
        with held(control.daemon):
            assert outcome(control.daemon) == b"x"
            control.daemon.wait_log(r"would be refused but for source_dry_run: 127\.0\.0\.1 has 1 of 1")
        wait_for(lambda: control.pool()["refused_dry_run"] == 1, what="it is counted")
        assert control.pool()["refused"] == 0


def test_counters_and_list():
    """R12: refused_connections, refused_rate; tcpdctl sources has who has most."""
    with Control(configuration(service("echo", source_connections=2, min_workers=8))) as control:
        daemon = control.daemon
        with held(daemon), held(daemon), held(daemon, THERE):
            for n in range(1, 4):
                assert outcome(daemon) == "reset"
                wait_for(lambda n=n: control.pool()["refused_connections"] == n, what="counted")
            assert control.pool()["refused"] == 3
            answer = explained(control)
            assert (answer["served"], answer["reason"]) == (False, "connections")
            code, out, err = control.run("--json", "sources")
            assert (code, err) == (EX_OK, "")
            assert [(one["source"], one["connections"], one["refused"]) for one in checked("sources", out)] == [
                (HERE, 2, True), (THERE, 1, False)]
            assert re.search(r"^echo 127\.0\.0\.1:\d+ +127\.0\.0\.1 +2  - +refused$",
                             control.run("sources", "echo")[1], re.M)
        wait_for(lambda: checked("sources", control.run("--json", "sources")[1]) == [],
                 what="nobody is left")
        assert control.run("sources", "time")[0] == 1
        assert control.run("pardon", "localhost")[0] == 64


def test_reload(tcpd):
    """Limits that a reload brings count from then on; a session in hand goes on."""
    with tcpd(configuration(service("echo"))) as daemon, held(daemon) as sock:
        daemon.reload(configuration(service("echo", source_connections=1)))
        wait_for(lambda: over(daemon), what="the limit")
        sock.sendall(b"b")
        assert sock.recv(1) == b"b"
        daemon.reload(configuration(service("echo")))
        with held(daemon):
            wait_served(daemon)


def over(daemon):
    """One is served, and meanwhile another is not."""
    with contextlib.suppress(OSError, AssertionError), held(daemon):
        return outcome(daemon) == "reset"
    return False


@pytest.mark.parametrize("setting, want", [
    ("source_rate = 10", r'source_rate = "10" is not a rate; write 10/s, 100/min'),
    ("source_rate = 10/d", 'source_rate = "10/d" is not a rate'),
    ("source_rate = 0.5/s", "is not a rate"), ("source_rate = -1/s", "is not a rate"),
    ("source_rate = 1000001/s", "1000000 at most"),
    ("source_prefix6 = 8", "a whole number from 16 to 128"),
    ("source_prefix4 = 33", "a whole number from 8 to 32"),
    ("source_table = 1000", "source_table of service \"echo\" is less than 1024"),
    ("source_connections = 30001", "a whole number from 0 to 30000"),
    ("source_burst = 65536", "a whole number from 0 to 65535"),
    ('source_exempt = {"10.0.0.1/8"}', "write 10.0.0.0/8"),
    ("source_overflow = drop", "one of: allow, refuse"),
    ("penalty_min = 20min", "penalty_min is longer than penalty_max"),
    ("penalty_max = 10s", "penalty_min is longer than penalty_max"),
    ("penalty_max = 8d", "longer than a week"),
    ("penalty_crash = often", "is not a time"),
    ('handler = program program = {"/bin/cat"} program_mode = listener source_rate = 1/s',
     "source_rate"),
    ('handler = program program = {"/bin/cat"} program_mode = wait penalty_crash = 1s',
     "penalty_crash")], ids=lambda text: text[:30])
def test_mistakes(setting, want):
    """One line, with file, line and what is allowed."""
    handler = "" if "handler" in setting else "handler = echo "
    status, out, log = run("-t", conf=f'service "echo" {{\n {handler}listen = {{"127.0.0.1:0"}}\n {setting}\n}}\n')
    assert status == EX_CONFIG and not out
    assert re.search(rf"tcpd\.conf:3: .*{re.escape(want) if '|' not in want else want}", log), log


@pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")
@pytest.mark.plain("its calls are others")
def test_calls_of_a_session(tcpd, tmp_path):
    """With limits a session of TCP makes the same calls as without."""
    without = calls_of(tcpd, tmp_path / "a", HERE)
    assert calls_of(tcpd, tmp_path / "b", HERE, source_connections=9, source_rate="9/s",
                    penalty_crash="9s") == without


def test_other_pools_do_not_get_the_memory(tcpd):
    """R11: a worker has the table of its own pool, and no other; where no limit is asked for, none."""
    with tcpd(configuration(service("echo", source_connections=9), service("time", source_connections=9),
                            service("hello"))) as daemon:
        counts = {}
        for name in ("echo", "time", "hello"):
            maps = subprocess.run(["cat", f"/proc/{daemon.workers(name)[0]}/maps"],
                                  capture_output=True, text=True, check=True).stdout
            counts[name] = len(re.findall(r"rw-s .*/dev/zero \(deleted\)", maps))
        assert counts == {"echo": 1, "time": 1, "hello": 0}
