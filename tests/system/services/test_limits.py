# SPDX-License-Identifier: MIT
"""Limits of the system: told by name and number, before anything is started, at a reload and by -t;
what is possible is started."""

import contextlib
import re
import secrets
import signal
from pathlib import Path

import harness
import pytest
from harness import EX_OK, EX_OSERR, Text, configuration, run, service, start, wait_for

pytestmark = pytest.mark.skipif(not harness.can_become_others(),
                                reason="needs root, to become somebody else")

NPROC = r"RLIMIT_NPROC \(ulimit -u\) is {}"


def as_user(uid, *limits):
    """A user of its own for each test: RLIMIT_NPROC counts by user, whatever the namespace."""
    return ["prlimit", *limits, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def uid():
    return 200_000 + secrets.randbelow(1_000_000)


def echo(**options):
    return configuration(service("echo", **options))


def test_min_workers_that_cannot_be(uid):
    """Exit status 71 before anything is started, and the limit with its number."""
    status, out, log = run(conf=echo(min_workers=30), prefix=as_user(uid, "--nproc=10:10"))
    assert status == EX_OSERR
    assert re.search(NPROC.format(10), log)
    assert "min_workers of all pools together needs 30 processes" in log
    assert "to at least 513" in log, "max_workers = 256 twice, and the master"
    assert "listening" not in log


def test_max_workers_that_cannot_be(uid):
    """A warning; what is possible is served."""
    with start(echo(max_workers=100), prefix=as_user(uid, "--nproc=50:50")) as daemon:
        daemon.wait_log("max_workers of all pools together needs 100 .*" + NPROC.format(50))
        assert daemon.is_serving()
        assert len(daemon.log_matches("RLIMIT_NPROC")) == 1
        daemon.reload()
        wait_for(lambda: len(daemon.log_matches("RLIMIT_NPROC")) == 2, what="warning at a reload")
        daemon.reload(echo(max_workers=20))
        assert daemon.is_serving()
        assert len(daemon.log_matches("RLIMIT_NPROC")) == 2
        assert daemon.stop() == EX_OK


def test_reload_that_cannot_be(uid):
    """More min_workers than the system allows: told at once, and the service goes on."""
    with start(echo(max_workers=20), prefix=as_user(uid, "--nproc=50:50")) as daemon:
        daemon.path.write_text(echo(min_workers=60))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("min_workers of all pools together needs 60 .*" + NPROC.format(50))
        daemon.wait_log(Text.fork_failed + ": .*" + NPROC.format(50) + " and exhausted")
        assert daemon.is_serving()
        assert daemon.stop() == EX_OK


def test_others_of_the_user_count(uid):
    """Processes of the same user that are not tcpd's take of the limit."""
    with start(echo(max_workers=20), prefix=as_user(uid, "--nproc=50:50")):
        status, _, log = run(conf=echo(min_workers=46, max_workers=46),
                             prefix=as_user(uid, "--nproc=50:50"))
        assert status == EX_OSERR
        assert "is 50, of which 5 are in use" in log


def test_check_warns(uid):
    """-t says the same, and nothing is wrong with the configuration."""
    status, out, log = run("-t", conf=echo(min_workers=30), prefix=as_user(uid, "--nproc=10:10"))
    assert status == EX_OK
    assert "RLIMIT_NPROC (ulimit -u) is 10" in log
    assert "30 to 256 workers" in out


def test_root_is_not_limited():
    """RLIMIT_NPROC does not hold for root."""
    with start(echo(), prefix=["prlimit", "--nproc=3:3"]) as daemon:
        assert daemon.is_serving()
        assert not daemon.log_matches("RLIMIT_NPROC")


def test_few_descriptors(uid):
    """The master's descriptors do not grow with its workers: few are enough for many."""
    conf = echo(min_workers=100)
    with start(conf, prefix=as_user(uid, "--nofile=24:24")) as daemon:
        assert daemon.is_serving()
        daemon.wait_workers(100)
        daemon.wait_log(r"RLIMIT_NOFILE \(ulimit -n\) is 24: set .* to at least 161")
    with start(conf, prefix=as_user(uid, "--nofile=161:161")) as daemon:
        assert daemon.is_serving()
        assert not daemon.log_matches("RLIMIT_NOFILE")


def test_size_of_files():
    """RLIMIT_FSIZE holds for shared memory, too: said with the number that is needed, by -t as well."""
    least = (65536 + 1024) * 4096
    status, _, log = run(conf=echo(), prefix=["prlimit", f"--fsize={least - 1}"])
    assert status == EX_OSERR
    assert f"RLIMIT_FSIZE (ulimit -f) is {least - 1} bytes" in log
    assert f"LimitFSIZE= of the unit, or ulimit -f, to at least {least} bytes" in log
    status, _, log = run("-t", conf=echo(), prefix=["prlimit", f"--fsize={least - 1}"])
    assert status == EX_OK and "RLIMIT_FSIZE" in log
    with start(echo(), prefix=["prlimit", f"--fsize={least}"]) as daemon:
        assert daemon.is_serving()


def test_backlog_above_somaxconn():
    limit = int(Path("/proc/sys/net/core/somaxconn").read_text())
    if limit >= 65535:
        pytest.skip("net.core.somaxconn is above every backlog")
    with start(echo(backlog=limit + 1)) as daemon:
        daemon.wait_log(rf"backlog = {limit + 1} .*net.core.somaxconn, which is {limit}:")
    with start(echo(backlog=limit)) as daemon:
        assert not daemon.log_matches("somaxconn")


# --- Control groups ---

@contextlib.contextmanager
def control_group(limit):
    """A control group for so many processes, and the command that runs another in it."""
    base = next((path for path in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
                 if (path / "cgroup.procs").exists()), None)
    group = base / f"tcpd-test-{secrets.token_hex(4)}" if base else None
    try:
        if not group:
            raise OSError("no tree of control groups")
        group.mkdir()
    except OSError as error:
        pytest.skip(f"cannot make a control group: {error}")
    try:
        if not (group / "pids.max").exists():
            pytest.skip("no pids controller here")
        (group / "pids.max").write_text(str(limit))
        inner = f'echo $$ >{group}/cgroup.procs && exec "$@"'
        yield group.name, ["sh", "-c", inner, "sh"]
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), what="an empty control group")
        group.rmdir()


def test_min_workers_above_pids_max():
    with control_group(20) as (name, prefix):
        status, _, log = run(conf=echo(min_workers=30), prefix=prefix)
        assert status == EX_OSERR
        assert f"/{name} is 20" in log and "TasksMax=" in log


def test_fork_fails_at_pids_max():
    """A pool that grows to the limit says which one it is, and serves on."""
    with control_group(8) as (name, prefix), start(echo(spare_workers=1), prefix=prefix) as daemon:
        daemon.wait_log(rf"max_workers of all .*pids.max of \S*/{name} is 8: set TasksMax=")
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(daemon.connect("echo")) for _ in range(9)]
            daemon.wait_log(rf"{Text.fork_failed}: .*pids.max of \S*/{name} is 8 and exhausted")
            socks[0].sendall(b"x")
            assert harness.read_exactly(socks[0], 1) == b"x"
        assert daemon.is_serving()
        assert daemon.stop() == EX_OK
