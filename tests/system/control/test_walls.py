# SPDX-License-Identifier: MIT
"""Walls between tcpd's processes, all of which run as one user: what a program or a module reaches
of its worker, of the master and of other services, it reaches through its own session alone."""

import contextlib
import errno
import json
import os
import re
import resource
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, SANITIZED, can_become_others, configuration,
                     proc_children, proc_fds, proc_state, read_all, run, service, taken_fd,
                     tcp_sockets, wait_for)
from programs import ONE

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

# Says what it reaches of the worker and of the master: {"worker": {"mem": "yes", ...}, ...}.
REACHES = """
import ctypes, json, os, re

libc = ctypes.CDLL(None, use_errno=True)

def descriptor(pid):
    if libc.syscall(438, os.pidfd_open(pid), 2, 0) < 0: # pidfd_getfd(2)
        raise OSError(ctypes.get_errno(), "pidfd_getfd")

def read(pid):
    class Area(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    to = ctypes.create_string_buffer(8)
    area = Area(ctypes.addressof(to), 8)
    if libc.process_vm_readv(pid, ctypes.byref(area), 1, ctypes.byref(area), 1, 0) < 0:
        if ctypes.get_errno() != 14: # EFAULT: allowed, but there is nothing
            raise OSError(ctypes.get_errno(), "process_vm_readv")

def trace(pid):
    if libc.ptrace(0x4206, pid, 0, 0) < 0: # PTRACE_SEIZE
        raise OSError(ctypes.get_errno(), "ptrace")

ways = {
    "mem": lambda pid: os.open(f"/proc/{pid}/mem", os.O_RDWR),
    "maps": lambda pid: open(f"/proc/{pid}/maps").read(),
    "environ": lambda pid: open(f"/proc/{pid}/environ").read(),
    "descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "memory": lambda pid: os.listdir(f"/proc/{pid}/map_files"),
    "descriptor": descriptor,
    "read": read,
    "trace": trace,
}

def reached(pid):
    its = {}
    for name, way in ways.items():
        try:
            way(pid)
            its[name] = "yes"
        except OSError as error:
            its[name] = os.strerror(error.errno)
    return its

worker = os.getppid()
status = open(f"/proc/{worker}/status").read()
master = int(re.search(r"PPid:\\s+(\\d+)", status)[1])
print(json.dumps({"worker": reached(worker), "master": reached(master)}))
"""
WAYS = re.findall(r'^    "(\w+)":', REACHES, re.M)


@pytest.fixture
def nobody():
    """The prefix of a daemon that runs as an ordinary user, whoever runs the tests."""
    return NOBODY if can_become_others() else []


def show(path):
    """To the ordinary user."""
    for folder in (path, *path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "probe.py"
    path.write_text(REACHES)
    path.chmod(0o644)
    show(tmp_path)
    return [sys.executable, str(path)]


def ask(daemon, name):
    with daemon.connect(name) as client:
        return json.loads(read_all(client))


def test_a_program_reaches_neither_worker_nor_master(tcpd, nobody, probe):
    conf = configuration(service("probe", "program", program=probe, **ONE))
    with tcpd(conf, prefix=nobody) as daemon:
        reached = ask(daemon, "probe")
        if os.geteuid() != 0 or nobody:
            assert {(who, way): said for who in reached for way, said in reached[who].items()
                    if said not in ("Permission denied", "Operation not permitted")} == {}
        assert sorted(reached["master"]) == sorted(WAYS)


def test_core_dumps_open_a_worker_and_not_the_master(tcpd, nobody, probe):
    conf = configuration(service("probe", "program", program=probe, core_dumps="yes", **ONE),
                         service("echo", **ONE))
    with tcpd(conf, prefix=nobody) as daemon:
        daemon.wait_log(r'core_dumps = yes: .* the memory of service "probe"')
        assert not daemon.log_matches(r'the memory of service "echo"')
        reached = ask(daemon, "probe")
        assert reached["worker"]["mem"] == reached["worker"]["maps"] == "yes"
        if os.geteuid() != 0 or nobody:
            assert "yes" not in reached["master"].values()


def test_an_ordinary_users_children_are_killed_first(tcpd, nobody):
    """A process that hides cannot change its own score: the master does, around the fork."""
    def score(pid):
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    conf = configuration(service("echo", min_workers=3),
                         service("sleep", "program", program=["/bin/sleep", "1000"], **ONE))
    with tcpd(conf, prefix=nobody) as daemon, daemon.connect("sleep"):
        own = score(os.getpid())
        [worker] = daemon.workers("sleep")
        [program] = wait_for(lambda: proc_children(worker), what="the program")
        wait_for(lambda: score(daemon.pid) == own, what="its own, raised to fork only")
        assert {score(pid) for pid in [*daemon.workers(), program]} == {min(own + 100, 1000)}


def test_the_dead_socket_does_not_listen(tcpd):
    """What stopped workers meet in the place of their listener is every worker's: if one could have
    it listen, the others would wait in accept() for ever."""
    with tcpd(configuration(service("echo"), service("hello"))) as daemon:
        worker, *_ = daemon.workers("echo")
        known = {f"socket:[{entry['inode']}]" for entry in tcp_sockets()}
        [number] = [n for n, to in proc_fds(worker).items()
                    if n > 2 and to.startswith("socket:") and to not in known]
        with socket.socket(fileno=taken_fd(worker, number)) as dead:
            with contextlib.suppress(OSError):
                dead.bind("\0tcpd-test-walls")
            with contextlib.suppress(OSError):
                dead.shutdown(socket.SHUT_RDWR)
            for harm in (dead.listen, dead.accept):
                with pytest.raises(OSError) as refused:
                    harm()
                assert refused.value.errno == errno.EINVAL
            for old in daemon.workers():
                os.kill(old, signal.SIGTERM)
                wait_for(lambda pid=old: proc_state(pid) is None, what="its end")
            assert daemon.is_serving()
            assert daemon.stop() == EX_OK


PRIVILEGES = ["/bin/grep", "-E", "^(NoNewPrivs|CapInh|CapAmb):", "/proc/self/status"]
GIVEN = 1 << 6 | 1 << 10  # CAP_SETGID, CAP_NET_BIND_SERVICE


@pytest.mark.parametrize("new", ["no", "yes"])
def test_what_a_program_may_gain_and_inherits(tcpd, new):
    if not can_become_others():
        pytest.skip("only root has capabilities to give")
    prefix = [*NOBODY, "--inh-caps=-all,+setgid,+net_bind_service",
              "--ambient-caps=-all,+setgid,+net_bind_service"]
    conf = configuration(service("has", "program", program=PRIVILEGES, new_privileges=new, **ONE))
    with tcpd(conf, prefix=prefix) as daemon:
        its = dict(line.split(":\t") for line in daemon.exchange("has").decode().splitlines())
        passed_on = GIVEN if new == "yes" else 1 << 6
        assert {name: int(value, 16) for name, value in its.items()} == {
            "NoNewPrivs": new == "no", "CapInh": passed_on, "CapAmb": passed_on}
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        assert "NoNewPrivs:\t0" in status  # of the master, what a reload allows may be more


def test_set_user_id_files(tcpd, nobody, tmp_path):
    """A copy of id(1) that is another user's, and says so."""
    if not can_become_others():
        pytest.skip("needs root")
    path = shutil.copy("/usr/bin/id", tmp_path / "id")
    os.chown(path, 54321, 54321)
    path.chmod(0o4755)
    show(tmp_path)
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("set-user-ID files have no effect there")
    conf = configuration(
        service("kept", "program", program=[str(path), "-u"], **ONE),
        service("gained", "program", program=[str(path), "-u"], new_privileges="yes", **ONE))
    with tcpd(conf, prefix=nobody) as daemon:
        assert daemon.exchange("gained") == b"54321\n"
        assert daemon.exchange("kept") == b"65534\n"
        assert not daemon.log_matches("new_privileges")
    with tcpd(conf, prefix=[*nobody, "--no-new-privs"]) as daemon:
        daemon.wait_log(r'new_privileges = yes of service "gained": set-user-ID .* no effect')
        assert daemon.exchange("gained") == b"65534\n"


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes all of the address space")
def test_memory_of_a_module(tcpd, tmp_path):
    """limit_as: what a module cannot have costs its session; tcpd and the others serve on."""
    module = shutil.copy(BUILD / "tests" / "modules" / "faulty.so", tmp_path / "faulty.so")
    with tcpd(configuration(service("faulty", "module", module=module, limit_as="64M", **ONE),
                            service("echo", **ONE))) as daemon:
        [worker] = daemon.workers("faulty")
        assert resource.prlimit(worker, resource.RLIMIT_AS) == (64 << 20, 64 << 20)
        [worker] = daemon.workers("echo")
        assert resource.prlimit(worker, resource.RLIMIT_AS) == \
            resource.prlimit(daemon.pid, resource.RLIMIT_AS)
        assert daemon.is_serving()
    status, _, said = run("-t", conf=configuration(
        service("faulty", "module", module=module, limit_as="4K", **ONE)))
    assert status == EX_CONFIG
    assert re.search(r'module ".*faulty.so" of service "faulty": .*', said)


def test_a_worker_cannot_have_the_master_wait_for_the_log(tcpd):
    """Each has a description of standard error of its own, and O_NONBLOCK is a description's."""
    def is_patient(pid, number):
        flags = re.search(r"flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text())[1]
        return int(flags, 8) & os.O_NONBLOCK == 0

    def pipes(pid):
        return [n for n, to in proc_fds(pid).items() if n > 2 and to.startswith("pipe:")]

    with tcpd(configuration(service("echo", **ONE))) as daemon:
        [worker], [own] = daemon.workers(), pipes(daemon.pid)
        for number in pipes(worker):
            with open(taken_fd(worker, number), "wb", buffering=0) as its:
                assert not is_patient(worker, number)
                os.set_blocking(its.fileno(), True)
                assert is_patient(worker, number)
        assert not is_patient(daemon.pid, own)
