# SPDX-License-Identifier: MIT
"""A control socket that tcpd makes itself: `control =`, --control, of tcpd and of tcpd-run."""

import os
import signal
import socket
import stat
import subprocess

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, TCPD, activated,
                     can_become_others, configuration, proc_fds, run, service)

TCPDCTL = BUILD / "tcpdctl"


def ctl(path, *arguments, prefix=(), **options):
    return subprocess.run([*prefix, TCPDCTL, "-s", path, *arguments], capture_output=True,
                          text=True, timeout=PATIENCE, **options)


def conf_with(path, **options):
    return configuration(service("echo"), control=f"unix:{path}", **options)


@pytest.fixture
def path(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path / "control"


@pytest.mark.parametrize("how", ["configured", "option", "prefixed", "relative", "both"])
def test_status_and_stop(tcpd, path, how):
    """It is its owner's, answers, and is gone at the end."""
    args = {"option": ["--control", path], "prefixed": ["-C", f"unix:{path}"],
            "relative": ["-C", os.path.relpath(path)], "both": ["-C", path]}.get(how, [])
    conf = (conf_with(path) if how == "configured" else
            conf_with(f"{path}2") if how == "both" else configuration(service("echo")))
    with tcpd(conf, args=[str(each) for each in args]) as daemon:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        assert not (path.parent / "control2").exists()
        status = ctl(path, "status")
        assert status.returncode == EX_OK and f"process {daemon.pid}," in status.stdout
        assert ctl(path, "reload").returncode == EX_OK
        assert ctl(path, "stop").returncode == EX_OK
        assert daemon.wait_exit() == EX_OK
    assert not path.exists() and not list(path.parent.glob(".*"))


def test_of_tcpd_run(path):
    with subprocess.Popen([TCPD, "run", "--control", "control", "-l", "0", "--handler", "echo"],
                          cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as daemon:
        assert daemon.stdout.readline().startswith("listening on 127.0.0.1:")
        status = ctl(path, "status")
        assert status.returncode == EX_OK and "\necho " in status.stdout
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=PATIENCE)
        assert daemon.returncode == EX_OK
    assert not path.exists()


def test_a_stale_one_is_replaced_a_live_one_is_not(tcpd, path):
    with tcpd(conf_with(path)) as daemon:
        status, _, log = run(conf=conf_with(path))
        assert status == EX_UNAVAILABLE
        assert (f'control = "unix:{path}": address already in use: another tcpd, process '
                f"{daemon.pid}, listens there") in log
        assert ctl(path, "status").returncode == EX_OK, "it is still the first one's"
        daemon.kill()
        daemon.wait_exit()
        assert path.exists()
    with tcpd(conf_with(path)) as daemon:
        assert f"process {daemon.pid}," in ctl(path, "status").stdout
    (path.parent / "file").touch()
    status, _, log = run(conf=conf_with(path.parent / "file"))
    assert status == EX_UNAVAILABLE and "the path exists and is not a socket" in log
    assert (path.parent / "file").exists()


def test_what_another_has_put_there_stays(tcpd, path):
    with tcpd(conf_with(path)) as daemon, socket.socket(socket.AF_UNIX) as other:
        path.unlink()
        other.bind(str(path))
        daemon.stop()
        assert path.exists()


def test_a_start_that_fails_leaves_none(path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = "127.0.0.1:%d" % taken.getsockname()[1]
        conf = configuration(service("echo", listen=listen), control=f"unix:{path}")
        assert run(conf=conf)[0] == EX_UNAVAILABLE
    assert not path.exists()


def test_that_of_systemd_wins(path):
    with socket.socket(socket.AF_UNIX) as handed, socket.create_server(("127.0.0.1", 0)) as server:
        handed.bind(f"{path}.systemd")
        handed.listen()
        with activated(conf_with(path), [handed, server], ["@control", "echo"]) as daemon:
            daemon.wait_log(f'control = "unix:{path}" is not opened: systemd has handed over')
            assert not path.exists()
            assert ctl(f"{path}.systemd", "status").returncode == EX_OK
            daemon.stop()
    assert os.path.exists(f"{path}.systemd")


def test_a_reload_leaves_it(tcpd, path):
    with tcpd(conf_with(path)) as daemon:
        daemon.reload(conf_with(f"{path}2"))
        daemon.wait_log(rf'tcpd.conf:\d+: control = "unix:{path}2" needs a restart of tcpd')
        daemon.reload(configuration(service("echo")))
        daemon.wait_log("is no longer configured, and stays until tcpd is restarted")
        assert ctl(path, "status").returncode == EX_OK
        assert not os.path.exists(f"{path}2")


def test_workers_have_no_access(tcpd, path):
    with tcpd(conf_with(path)) as daemon:
        with open("/proc/net/unix") as table:
            inode = next(line.split()[6] for line in table if line.endswith(f" {path}\n"))
        assert f"socket:[{inode}]" in proc_fds(daemon.pid).values()
        for worker in daemon.workers():
            assert f"socket:[{inode}]" not in proc_fds(worker).values()


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_others_may_not(tcpd, path):
    with tcpd(conf_with(path)):
        result = ctl(path, "status", prefix=("setpriv", "--reuid=65534", "--clear-groups"))
        assert result.returncode == 77 and "only its owner may connect" in result.stderr


@pytest.mark.parametrize("value, words", [
    ("udp:127.0.0.1:7", "has to be a path: unix:/PATH"),
    ("unix-seqpacket:/run/x", "has to be a path: unix:/PATH"),
    ("/run/x", "/run/x"),
    ("unix:/tmp/tcpd-same", 'is taken by service "echo"'),
])
def test_mistakes(value, words):
    conf = configuration(service("echo", listen="unix:/tmp/tcpd-same"), control=value)
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG and "tcpd.conf:1: control = " in log and words in log


def test_usage():
    assert run("-C")[0] == EX_USAGE
    status, _, log = run("-C", "/nonexistent/control", conf=configuration(service("echo")))
    assert status != EX_OK
    assert '--control: control = "unix:/nonexistent/control": its directory does not exist' in log
