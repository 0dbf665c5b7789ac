# SPDX-License-Identifier: MIT
"""Sandboxes: what a worker may call, what becomes of one that calls something else, and how that is
told. The calls are made by a module, calls.c, or by a program."""

import ctypes
import errno
import json
import os
import re
import subprocess
import sys

import pytest

from harness import BUILD, EX_CONFIG, EX_OK, configuration, injected, run, service, wait_for

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
FORBIDS = r"worker (\d+) killed by its sandbox \(forbidden call: %s\) after"
CALLS = BUILD / "tests/modules/calls.so"


def has_seccomp():
    """As tcpd asks: without a program the kernel goes as far as to look for one."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.prctl(22, 2, None, 0, 0) < 0 and ctypes.get_errno() == errno.EFAULT


pytestmark = pytest.mark.skipif(not has_seccomp(), reason="seccomp is not to be had here")


def calls(**options):
    return configuration(service("calls", "module", module=CALLS, **ONE, **options))


def say(daemon, line):
    return daemon.exchange("calls", line.encode() + b"\n").decode().strip()


def die(daemon, line):
    """Its worker does not live to answer."""
    try:
        assert say(daemon, line) == ""
    except ConnectionResetError:
        pass


DEADLY = ["ptrace 0 0", "process_vm_readv parent", "kill parent 0", "kill 0 0",
          "tgkill parent parent 0", "prlimit64 parent 7", "pidfd_open parent",
          "listen 99 1", "shutdown listener 2",
          "setsockopt listener 1 20", "fcntl listener 4 0x800",
          "ioctl listener 0x5421", "dup listener", "bpf", "userfaultfd", "keyctl", "mount",
          "unshare 0", "personality 8", "clone 17", "execve", "rt_sigaction 31"]


@pytest.mark.parametrize("line", DEADLY)
def test_module_dies(tcpd, line):
    """A call that modules have no use for ends the worker, and the log has its name."""
    with tcpd(calls()) as daemon:
        die(daemon, line)
        daemon.wait_log(FORBIDS % line.split()[0])
        assert say(daemon, "there?") == "there?"


@pytest.mark.parametrize("line, answer", [
    ("kill self 0", 0), ("prlimit64 0 7", 0), ("bind 99", errno.EPERM),
    ("mremap 0 1 2", errno.EPERM),
    ("clone3", errno.ENOSYS), ("io_uring_setup", errno.ENOSYS), ("connect 99", errno.EBADF),
    ("shutdown 99", errno.EBADF), ("setsockopt 99", errno.EBADF), ("dup 0", 0),
    ("personality 0xffffffff", 0)])
def test_module_lives(tcpd, line, answer):
    """What is of its own process, or refused without harm: libraries try and do without."""
    with tcpd(calls()) as daemon:
        [worker] = daemon.workers()
        assert say(daemon, line) == str(answer)
        assert daemon.workers() == [worker]


def test_descriptor_with_garbage_above(tcpd):
    """The kernel reads 32 bits of a descriptor, and so does the list."""
    with tcpd(calls()) as daemon:
        [worker] = daemon.workers()
        listener = next(int(fd) for fd in os.listdir(f"/proc/{worker}/fd")
                        if is_listening(worker, fd))
        die(daemon, f"shutdown {1 << 40 | listener} 2")
        daemon.wait_log(FORBIDS % "shutdown")


def is_listening(worker, fd):
    inode = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{worker}/fd/{fd}"))
    with open(f"/proc/{worker}/net/tcp", encoding="ascii") as file:
        return bool(inode) and any(line.split()[3] == "0A" and line.split()[9] == inode[1]
                                   for line in list(file)[1:])


@pytest.mark.parametrize("kind, line, answer", [
    ("off", "listen 99 1", errno.EBADF), ("programs", "listen 99 1", errno.EBADF),
    ("programs", "ptrace 0 0", errno.EPERM), ("off", "io_uring_setup 0", errno.EFAULT)])
def test_module_that_says_so(tcpd, kind, line, answer):
    """What a module needs more, its service gives it."""
    with tcpd(calls(sandbox=kind)) as daemon:
        assert say(daemon, line) in (str(answer), str(errno.EPERM) if kind == "off" else "")


def test_strict_module(tcpd):
    """One that does no more than a built-in handler may be held like one."""
    with tcpd(calls(sandbox="strict")) as daemon:
        assert say(daemon, "there?") == "there?"
        die(daemon, "socket 2 1")
        daemon.wait_log(FORBIDS % "socket")


def test_counted(tcpd, tmp_path):
    """In the pool's status, apart from other deaths."""
    with tcpd(calls(), args=["-C", tmp_path / "control"]) as daemon:
        for _ in range(2):
            die(daemon, "ptrace")
            wait_for(lambda: say(daemon, "there?") == "there?", what="the next worker")
        status = subprocess.run([BUILD / "tcpdctl", "-s", tmp_path / "control", "status", "--json"],
                                capture_output=True, text=True, check=True)
        [pool] = json.loads(status.stdout)["pools"]
        assert pool["forbidden_calls"] == 2


PROBE = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, call in (("unshare", lambda: libc.unshare(0x20000)),
                   ("ptrace", lambda: libc.ptrace(0, 0, 0, 0))):
    print(name, call(), ctypes.get_errno())
print(os.system("true"))
"""


def test_program(tcpd, tmp_path):
    """Its list survives exec: the kernel's doors are shut, all else works."""
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    conf = configuration(service("probe", "program", program=[sys.executable, str(script)], **ONE))
    with tcpd(conf) as daemon:
        assert daemon.exchange("probe", b"").decode().splitlines() == [
            f"unshare -1 {errno.EPERM}", f"ptrace -1 {errno.EPERM}", "0"]


def test_lists_are_told():
    """By -t -v, those that the services have."""
    status, out, _ = run("-t", "-v", conf=configuration(service("echo")))
    assert status == EX_OK
    assert re.search(r"^sandbox strict: all else is forbidden", out, re.M)
    assert re.search(r"^  allowed: accept accept4 ", out, re.M)
    assert "sandbox modules" not in out


@pytest.mark.parametrize("kind", ["strict", "modules"])
def test_not_for_programs(kind):
    """The stricter lists have no exec."""
    conf = configuration(service("cat", "program", program=["/bin/cat"], sandbox=kind))
    status, _, err = run("-t", conf=conf)
    assert status == EX_CONFIG and 'sandbox of service "cat" is not for programs' in err


@pytest.mark.parametrize("rules, lacks", [
    (["seccomp:error=EPERM"], "seccomp"), (["landlock_create_ruleset:error=ENOSYS"], "Landlock"),
    (["seccomp:error=ENOSYS", "landlock_create_ruleset:error=EOPNOTSUPP"], "seccomp and Landlock")])
def test_system_without(tcpd, rules, lacks):
    """As in a container that forbids them, and on an older kernel: said once, and served."""
    conf = configuration(service("echo"))
    with tcpd(conf, prefix=injected(*rules, follow=True)) as daemon:
        daemon.wait_log(rf"workers run without {lacks}, which this system has not, or forbids$")
        assert daemon.is_serving()
        assert daemon.log_text().count("workers run without") == 1


def test_held(tcpd):
    """Workers are, and the master is not; `off` is a choice of each service."""
    conf = configuration(service("echo"), service("hello", sandbox="off"))
    with tcpd(conf) as daemon:
        for pids, mode in ((daemon.workers("echo"), "2"), (daemon.workers("hello"), "0"),
                           ([daemon.pid], "0")):
            assert {seccomp_of(pid) for pid in pids} == {mode}


def seccomp_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return re.search(r"^Seccomp:\s+(\d)", file.read(), re.M)[1]
