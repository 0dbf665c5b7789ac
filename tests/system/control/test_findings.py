# SPDX-License-Identifier: MIT
"""`tcpdctl explain` without an address: what is not as it should be, and what to do about it."""

import contextlib
import json
import os
import re
import signal
import socket
import time

import pytest

from harness import EX_OK, EX_USAGE, configuration, read_exactly, service, wait_for
from json_form import checked
from programs import listener, write_python
from test_pause import ctl
from test_sessions import begun, control, tcpdctl  # noqa: F401 (a fixture)

TWO = {"min_workers": 2, "max_workers": 2, "spare_workers": 0}
FOUND = 3


def findings(control):
    code, out, err = tcpdctl(control, "--json", "explain")
    answer = checked("findings", out)
    assert err == ""
    assert code == (FOUND if answer["findings"] else EX_OK)
    return answer["findings"]


def codes(control):
    return [found["code"] for found in findings(control)]


def test_nothing(tcpd, control):
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon:
        wait_for(lambda: daemon.counts().get("idle") == 2)
        assert tcpdctl(control, "explain") == (EX_OK, "all is as it should be\n", "")
        assert findings(control) == []


def test_full(tcpd, control):
    """Who keeps the workers busy is said, too; it is over when they are not any more."""
    conf = configuration(service("echo", **TWO), service("chargen", **TWO),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        with begun(daemon), begun(daemon), daemon.connect("echo") as late:
            late.sendall(b"x")
            wait_for(lambda: codes(control) == ["at_maximum", "silent_clients"])
            wait_for(lambda: "somebody waits" in findings(control)[0]["text"])
            code, out, _ = tcpdctl(control, "explain")
            name = f"echo 127.0.0.1:{daemon.ports['echo']}: "
            assert (code, out) == (FOUND, (
                f"{name}all 2 workers are busy, and somebody waits\n"
                "  -> tcpdctl resize echo max=4, then max_workers in tcpd.conf\n"
                f"{name}2 of 2 sessions wait for their clients to speak\n"
                "  -> first_byte_timeout and idle_timeout in tcpd.conf bound that\n"))
            assert ctl(control, "resize", "echo", "max=4").endswith("until the next reload\n")
            assert read_exactly(late, 1) == b"x"
            wait_for(lambda: codes(control) == ["resized"])
        ctl(control, "resize", "echo", "reset")
        wait_for(lambda: codes(control) == [])
        with daemon.connect("chargen"), daemon.connect("chargen"):
            wait_for(lambda: codes(control) == ["at_maximum", "slow_readers"])


def test_full_unix(tcpd, control, tmp_path):
    """Of a unix socket's queue the kernel says only that somebody is in it."""
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/echo", **TWO),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        for _ in range(2):
            sock = stack.enter_context(daemon.connect("echo"))
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        for _ in range(3):
            stack.enter_context(daemon.connect("echo"))
        daemon.wait_log("the pool is at its maximum, .*; somebody waits$")
        wait_for(lambda: "at_maximum" in codes(control))
        assert findings(control)[0]["text"] == "all 2 workers are busy, and somebody waits"


@pytest.mark.parametrize("kind", ["TCP", "unix"])
def test_a_program_that_does_not_accept(tcpd, control, tmp_path, kind):
    """It has its clients wait: that is found after 5 seconds, even when they have left again, as the
    kernel keeps them in the queue until somebody accepts."""
    listen = {"listen": f"unix:{tmp_path}/program"} if kind == "unix" else {}
    path = tmp_path / "accepts.py"
    write_python(path, LATE)
    conf = configuration(listener([str(path), str(tmp_path / "go")], min_workers=1, **listen),
                         service("echo", **TWO), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        name = "unix:" if kind == "unix" else "127.0.0.1:"
        began = time.monotonic()
        with daemon.connect("program"):
            assert findings(control) == []
            found, = wait_for(lambda: findings(control), what="what is found")
            assert time.monotonic() - began > 4.5
        assert (found["code"], found["service"]) == ("not_accepted", "program")
        assert found["listener"].startswith(name)
        assert re.match(r"somebody waits, and the queue has not been empty for \d\.\ds: the "
                        "program ", found["text"])
        assert found["advice"].endswith("tcpdctl resize program min=2")
        pool, = [pool for pool in json.loads(ctl(control, "--json", "status"))["pools"]
                 if pool["service"] == "program"]
        assert pool["queue"] == 1 and pool["unaccepted_usec"] >= 5_000_000
        ctl(control, "pause", "program")
        assert codes(control) == ["paused"]
        ctl(control, "resume", "program")
        (tmp_path / "go").touch()
        wait_for(lambda: codes(control) == [], what="nothing")


# A program that accepts when a file is there.
LATE = """
import os, socket, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
sock = socket.socket(fileno=3)
while True:
    sock.accept()
"""


def test_orders(tcpd, control):
    conf = configuration(service("echo", **TWO), service("agent", **TWO),
                         control=f"unix:{control}")
    with tcpd(conf):
        ctl(control, "pause", "echo")
        found, = findings(control)
        assert (found["code"], found["service"]) == ("paused", "echo")
        assert found["advice"] == "tcpdctl resume echo"
        ctl(control, "resume", "echo")
        ctl(control, "drain", "echo")
        found, = findings(control)
        assert found["code"] == "drained" and "drained by" in found["text"]
        ctl(control, "--reason", "repairs", "maint", "echo")
        found, = findings(control)
        assert found["code"] == "maintenance" and "repairs" in found["text"]
        ctl(control, "ready")
        assert findings(control) == []


def test_reload(tcpd, control):
    conf = configuration(service("echo", **TWO), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        daemon.reload(conf + "nonsense")
        found, = findings(control)
        assert found["code"] == "reload_refused" and "nonsense" in found["text"]
        assert (found["service"], found["listener"]) == ("", "")
        daemon.reload(conf)
        assert findings(control) == []


def test_throttled(tcpd, control):
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon:
        def strike():
            for pid in daemon.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return "throttled" in codes(control)

        wait_for(strike)


def test_not_served(tcpd, control):
    """An address of somebody else's, and a service that was left out."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        conf = configuration(
            service("echo", listen=["127.0.0.1:0", f"127.0.0.1:{port}"], **TWO),
            service("wrong", "echo", min_workers=9, max_workers=8), control=f"unix:{control}")
        with tcpd(conf):
            found = {entry["code"]: entry for entry in findings(control)}
            assert set(found) == {"address_not_served", "left_out"}
            assert found["address_not_served"]["listener"] == f"127.0.0.1:{port}"
            assert "min_workers = 9" in found["left_out"]["text"]


def test_backlog(tcpd, control):
    """More than the kernel allows."""
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as limit:
        most = int(limit.read())
    if most >= 65535:
        pytest.skip("the kernel caps no backlog here")
    conf = configuration(service("echo", backlog=65535, **TWO), control=f"unix:{control}")
    with tcpd(conf):
        found, = findings(control)
        assert found["code"] == "backlog_capped"
        assert found["text"] == f"{most} clients can wait at most, and not backlog = 65535"


def test_usage(control):
    code, out, err = tcpdctl(control, "explain", "--through", "::1")
    assert (code, out) == (EX_USAGE, "") and "--through is for explain ADDRESS only" in err
