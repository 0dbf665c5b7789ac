# SPDX-License-Identifier: MIT
"""Who may connect: allow and deny (R1 to R3), what refused clients get (R16), what the log and the
counters say of them (R12). Clients are addresses of loopback."""

import contextlib
import errno
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from certificates import Authority
from harness import (EX_CONFIG, EX_OK, PATIENCE, TCPD, can_trace, configuration, read_all, run,
                     service, wait_for)
from test_tcpdctl import Control
from tls_peer import behind, context, dial

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
REFUSED = r"echo: connection from {} refused: {}"
GOOD, BAD = "127.0.0.1", "127.9.9.9"


def meet(address, source, data=b"x"):
    """What a client at `source` gets: an answer, "reset", or "nothing". The reset may come as early
    as within connect()."""
    try:
        with socket.create_connection(address, PATIENCE, (source, 0)) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock) or "nothing"
    except OSError as error:
        if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
            raise
        return "reset"


def outcome(daemon, source, data=b"x"):
    return meet(daemon.address("echo"), source, data)


def test_longest_prefix_decides(tcpd):
    """R1, R3: in whatever order rules are written; without allow everybody else is served, with it
    nobody is."""
    rules = {"deny": ["127.9.0.0/16", "127.9.9.9"], "allow": ["127.9.9.0/24", "127.0.0.0/24"]}
    for order in (rules, dict(reversed(rules.items()))):
        with tcpd(configuration(service("echo", **order))) as daemon:
            assert outcome(daemon, "127.0.0.1") == b"x"
            assert outcome(daemon, "127.9.9.8") == b"x"
            assert outcome(daemon, "127.9.9.9") == "reset"
            assert outcome(daemon, "127.9.8.1") == "reset"
            assert outcome(daemon, "127.1.1.1") == "reset"  # in neither
    with tcpd(configuration(service("echo", deny=["127.9.0.0/16"]))) as daemon:
        assert outcome(daemon, "127.1.1.1") == b"x"
        assert outcome(daemon, "127.9.1.1") == "reset"


def test_mapped_addresses_meet_rules_of_ipv4(tcpd):
    """R2: a socket for both families shows IPv4 clients as ::ffff:127.0.0.1."""
    with tcpd(configuration(service("echo", listen="*:0", deny=["127.9.0.0/16", "::1"]))) as daemon:
        port = daemon.ports["echo"]
        assert meet(("127.0.0.1", port), GOOD) == b"x"
        assert meet(("127.0.0.1", port), BAD) == "reset"
        assert meet(("::1", port), "::1") == "reset"
        daemon.wait_log(REFUSED.format(r"127\.9\.9\.9:\d+", r"deny 127\.9\.0\.0/16 at \S+:\d+$"))


def test_live_after_a_reload(tcpd):
    """R1: the new rules count for the next client, a session in hand is not judged again, and a
    configuration with a mistake changes nothing."""
    with tcpd(configuration(service("echo"))) as daemon, \
            daemon.connect("echo", source=(BAD, 0)) as held:
        held.sendall(b"a")
        assert held.recv(1) == b"a"
        daemon.reload(configuration(service("echo", deny=[BAD])))
        wait_for(lambda: outcome(daemon, BAD) == "reset", what="the new rule")
        assert outcome(daemon, GOOD) == b"x"
        held.sendall(b"b")
        assert held.recv(1) == b"b"
        daemon.reload(configuration(service("echo", deny=["127.0.0.1/8"])))
        daemon.wait_log("reload failed|write 127.0.0.0/8")
        assert outcome(daemon, BAD) == "reset" and outcome(daemon, GOOD) == b"x"
        daemon.reload(configuration(service("echo")))
        wait_for(lambda: outcome(daemon, BAD) == b"x", what="no rule")


def test_list_in_a_file(tcpd, tmp_path):
    """R1: a file is read anew by each reload, and the log has its line."""
    listed = tmp_path / "list"
    listed.write_text("# who may not\n127.9.9.0/24  # all of these\n")
    with tcpd(configuration(service("echo", deny=[f"file:{listed}"]))) as daemon:
        assert outcome(daemon, BAD) == "reset"
        daemon.wait_log(REFUSED.format(r"127\.9\.9\.9:\d+", rf"deny 127\.9\.9\.0/24 at {listed}:2$"))
        listed.write_text("127.8.8.0/24\n")
        daemon.reload()
        wait_for(lambda: outcome(daemon, BAD) == b"x", what="the new list")


def test_mistakes_are_told_together(tmp_path):
    """R1: -t names file, line and setting of each, of files that the lists name, too."""
    listed = tmp_path / "list"
    listed.write_text("\n10.0.0.1/8\n")
    conf = ('service "echo" {\n handler = echo\n allow = {"10.0.0", "::/0"}\n'
            f' deny = {{"any",\n "file:{listed}"}}\n}}\n')
    status, out, log = run("-t", conf=conf)
    assert status == EX_CONFIG and not out
    for want in (r'tcpd\.conf:3: allow = "10\.0\.0" is not a whole IPv4 address',
                 rf'^tcpd: {listed}:2: "10\.0\.0\.1/8" has bits set .*; write 10\.0\.0\.0/8, or 10\.0\.0\.1'):
        assert re.search(want, log, re.M), log


def test_unix_sockets_have_no_rules(tcpd, tmp_path):
    """Whoever may open the socket may connect."""
    with tcpd(configuration(service("echo", listen=f"unix:{tmp_path}/s", deny=["any"]))) as daemon:
        assert daemon.is_serving()


def test_datagrams_are_dropped(tcpd):
    """No answer, no text, and the next one is served."""
    conf = configuration(service("echo", listen="udp:127.0.0.1:0", deny=[BAD], refusal_text="no\n"))
    with tcpd(conf) as daemon:
        address = daemon.address("echo")
        with contextlib.ExitStack() as stack:
            bad, good = (stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                         for _ in range(2))
            for sock, source in ((bad, BAD), (good, GOOD)):
                sock.bind((source, 0))
                sock.settimeout(PATIENCE)
                sock.sendto(b"x", address)
            assert good.recv(10) == b"x"
            daemon.wait_log(REFUSED.format(r"127\.9\.9\.9:\d+", "deny"))
            assert not select.select([bad], [], [], 0)[0]


def test_refusal_text_arrives(tcpd):
    """R16: the text and then the end, though the client has sent something that nobody reads."""
    conf = configuration(service("echo", deny=[BAD], refusal_text="550 not you\r\n", min_workers=4))
    with tcpd(conf) as daemon:
        for data in (b"x", b"x" * 30000):
            assert outcome(daemon, BAD, data=data) == b"550 not you\r\n"
        assert outcome(daemon, GOOD) == b"x"


def test_refusal_text_does_not_hold_workers(tcpd):
    """R16: clients that neither read nor end hold nobody: others are served at once, and the sockets
    are closed within a moment."""
    conf = configuration(service("echo", deny=[BAD], refusal_text="no\n", min_workers=2,
                                 max_workers=2, spare_workers=0))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = []
        for _ in range(100):
            with contextlib.suppress(ConnectionResetError):
                socks.append(stack.enter_context(daemon.connect("echo", source=(BAD, 0))))
        began = time.monotonic()
        assert outcome(daemon, GOOD) == b"x"
        assert time.monotonic() - began < 5
        ends = set()
        for sock in socks:
            try:
                ends.add(read_all(sock))
            except ConnectionResetError:
                ends.add("reset")
        assert ends == {b"no\n", "reset"} or ends == {b"no\n"}
        workers = daemon.workers("echo")
        wait_for(lambda: all(len(list(Path(f"/proc/{pid}/fd").iterdir())) < 12 for pid in workers),
                 what="no socket kept")


def test_tls_and_websocket_get_no_text(tcpd, tmp_path):
    """R16: their clients would not understand it; who may connect is served."""
    authority = Authority(tmp_path)
    rules = {"deny": [BAD], "refusal_text": "no\n", "min_workers": 4}
    conf = authority.leaf("www").section() + configuration(
        behind("echo", **rules), service("hello", listen="ws:127.0.0.1:0", **rules))
    with tcpd(conf) as daemon:
        for name in ("echo", "hello"):
            assert meet(daemon.address(name), BAD) == "reset"
            daemon.wait_log(rf"{name}: connection from 127\.9\.9\.9:\d+ refused: deny")
        with dial(daemon, "echo", context(authority), source=(GOOD, 0)) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        assert meet(daemon.address("hello"), GOOD, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 ")


def test_refused_clients_take_no_workers(tcpd):
    """R8: a flood of them starts no worker and fills no pool: others are served meanwhile."""
    with tcpd(configuration(service("echo", deny=[BAD], min_workers=2, spare_workers=1,
                                    max_workers=50))) as daemon:
        workers = daemon.workers("echo")
        for n in range(500):
            assert outcome(daemon, BAD) == "reset"
            if n % 50 == 0:
                assert outcome(daemon, GOOD) == b"x"
        assert daemon.workers("echo") == workers
        assert not daemon.log_matches("at its maximum")


def test_reset_when_nobody_else_is_idle(tcpd):
    """R16: the last idle worker sends no text: it is for the next client."""
    with tcpd(configuration(service("echo", deny=[BAD], refusal_text="no\n", **ONE))) as daemon:
        assert outcome(daemon, BAD) == "reset"
        assert outcome(daemon, GOOD) == b"x"


def test_counters():
    """R12: refused clients are counted for as long as the pool lives, in the table, in JSON, over
    the death of a worker; they are no sessions, nor busy."""
    with Control(configuration(service("echo", deny=[BAD], **ONE))) as control:
        for n in range(1, 4):
            assert outcome(control.daemon, BAD) == "reset"
            wait_for(lambda n=n: control.pool()["refused_rule"] == n, what=f"{n} refused")
        pool = control.pool()
        assert (pool["refused"], pool["sessions"], pool["busy"]) == (3, 0, 0)
        worker, = control.daemon.workers()
        os.kill(worker, signal.SIGKILL)
        control.daemon.wait_workers(lambda pids: pids and pids != [worker])
        assert outcome(control.daemon, BAD) == "reset"
        wait_for(lambda: control.pool()["refused_rule"] == 4, what="4 refused")
        assert re.search(r"^SERVICE .* SESSIONS +REFUSED$", control.run("status")[1], re.M)
        assert re.search(r"^echo .* 0 +4$", control.run("status")[1], re.M)


def test_log_of_refusals(tcpd):
    """R12: the first of each source is logged with its rule, the rest in one line; none and all."""
    def refuse(daemon, n):
        for _ in range(n):
            assert outcome(daemon, BAD) == "reset"

    first = REFUSED.format(r"127\.9\.9\.9:\d+", r"not in allow$")
    with tcpd(configuration(service("echo", allow=[GOOD]))) as daemon:
        refuse(daemon, 5)
        assert outcome(daemon, "127.9.9.8") == "reset"
        daemon.wait_log(REFUSED.format(r"127\.9\.9\.8:\d+", "not in allow"))
        assert len(daemon.log_matches(first)) == 1
        daemon.wait_log(r"echo 127\.0\.0\.1:\d+: 6 connections refused in 10 s \(rule 6\)$")
    with tcpd(configuration(service("echo", allow=[GOOD]), log_refusals="all")) as daemon:
        refuse(daemon, 5)
        wait_for(lambda: len(daemon.log_matches(first)) == 5, what="each refusal")
    with tcpd(configuration(service("echo", allow=[GOOD]), log_refusals="none")) as daemon:
        refuse(daemon, 5)
        daemon.stop()
        assert not daemon.log_matches("refused")
    with tcpd(configuration(service("echo", allow=[GOOD]), log_addresses="masked")) as daemon:
        refuse(daemon, 1)
        daemon.wait_log(REFUSED.format(r"127\.9\.9\.0:0", "not in allow"))


def test_a_flood_of_sources_is_no_flood_of_records(tcpd):
    """R12: 20 records of a pool in 10 s, however many addresses come."""
    with tcpd(configuration(service("echo", deny=["127.9.0.0/16"]))) as daemon:
        for n in range(60):
            assert outcome(daemon, f"127.9.{n}.1") == "reset"
        daemon.wait_log(r"60 connections refused in 10 s \(rule 60\)$")
        assert len(daemon.log_matches("connection from .* refused:")) == 20


def calls_of(tcpd, directory, source, **rules):
    """What a worker calls from accept4() on, of one client."""
    directory.mkdir()
    prefix = ["strace", "-D", "-ff", "-o", str(directory / "trace")]
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    conf = configuration(service("echo", **ONE, **rules), log_refusals="none")
    with tcpd(conf, prefix=prefix, env=env) as daemon:
        worker, = daemon.workers("echo")
        outcome(daemon, source)
        assert daemon.stop() == EX_OK
    path = directory / f"trace.{worker}"
    wait_for(lambda: "+++ exited" in path.read_text(), what="end of the trace")
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("accept4"))
    return [re.match(r"\w+", line)[0] for line in lines[start:] if re.match(r"\w+\(", line)]


@pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")
@pytest.mark.plain("its calls are others")
def test_calls_of_a_refusal_and_of_a_session(tcpd, tmp_path):
    """A refusal is a reset in two calls. With rules a session makes the same calls as without."""
    without = calls_of(tcpd, tmp_path / "a", GOOD)
    assert calls_of(tcpd, tmp_path / "b", GOOD, deny=[BAD]) == without
    refused = calls_of(tcpd, tmp_path / "c", BAD, deny=[BAD])
    assert refused[:4] == ["accept4", "setsockopt", "close", "accept4"]


def test_many_rules(tcpd, tmp_path):
    """65,536 rules are read, and a look-up costs next to nothing."""
    listed = tmp_path / "list"
    listed.write_text("".join(f"10.{i >> 8}.{i & 255}.0/24\n" for i in range(65535)) + "127.9.9.9\n")
    with tcpd(configuration(service("echo", deny=[f"file:{listed}"]))) as daemon:
        assert outcome(daemon, BAD) == "reset"
        assert outcome(daemon, GOOD) == b"x"
        daemon.wait_log(rf"deny 127\.9\.9\.9 at {listed}:65536$")


def test_tcpd_run(tmp_path):
    """--allow and --deny of `tcpd run`."""
    with subprocess.Popen([TCPD, "run", "--allow", "127.0.0.0/8", "--deny", BAD, "--handler", "echo"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline().rpartition(":")[2])
        assert meet(("127.0.0.1", port), GOOD) == b"x"
        assert meet(("127.0.0.1", port), BAD) == "reset"
        process.terminate()
        _, log = process.communicate(timeout=PATIENCE)
    assert re.search(r"connection from 127\.9\.9\.9:\d+ refused: deny 127\.9\.9\.9$", log, re.M)
    status, _, log = run("run", "--allow", "127.0.0.1/8", "--handler", "echo")
    assert status == EX_CONFIG
    assert log == ('tcpd run: allow: "127.0.0.1/8" has bits set behind its length; write '
                   "127.0.0.0/8, or 127.0.0.1 for that address alone")
