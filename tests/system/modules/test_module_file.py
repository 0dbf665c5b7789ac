# SPDX-License-Identifier: MIT
"""The way to a module's file: who may own what is on it, and that the file that was judged is the
one that is loaded, whatever its name leads to by then."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from harness import (EX_CONFIG, EX_OK, SANITIZED, TCPD, Timeout, can_become_others, configuration,
                     run, service, wait_for)
from test_modules import ONE, module, place

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def folder(parent, name, mode=0o755):
    path = parent / name
    path.mkdir()
    path.chmod(mode)
    return path


def is_refused(conf, text, args=("-t",), **options):
    status, _, log = run(*args, conf=conf, **options)
    assert status == EX_CONFIG
    assert re.search(rf'tcpd\.conf:4: module = "[^"]*" of service "\w+": {text}', log), log


# --- Who may own the way -----------------------------------------------------------------------

@pytest.mark.parametrize("args", [("-t",), ()])
@pytest.mark.parametrize("mode, who", [(0o777, "others"), (0o757, "others"), (0o775, "its group")])
def test_directory_is_writable(tmp_path, args, mode, who):
    """The one that the file is in, and one further up."""
    conf = configuration(module(folder(folder(tmp_path, "outer"), "inner"), "upper"))
    for part in ("outer", "outer/inner"):
        (tmp_path / part).chmod(mode)
        is_refused(conf, rf"the directory {tmp_path}/{part} is writable by {who} \(mode {mode:04o}\)",
                   args)
        (tmp_path / part).chmod(0o755)
    assert run("-t", conf=conf)[0] == EX_OK


def test_directory_of_another_user(tmp_path):
    outer = folder(tmp_path, "outer")
    conf = configuration(module(folder(outer, "inner"), "upper"))
    try:
        os.chown(outer, 65534, -1)
    except OSError as error:
        pytest.skip(f"needs root and its users, to give a directory away: {error.strerror}")
    is_refused(conf, rf"the directory {outer} belongs to user 65534 \(nobody\); it must be root's or")


def test_sticky_directory(tcpd, tmp_path):
    """As /tmp is: what is ours in there nobody else can replace."""
    outer = folder(tmp_path, "outer", 0o1777)
    with tcpd(configuration(module(folder(outer, "inner", 0o1777), "upper", **ONE))) as daemon:
        assert daemon.exchange("upper", b"it works\n") == b"IT WORKS\n"


def test_links(tcpd, tmp_path):
    """To a directory, and to the file; the module has the path of the configuration for whoever asks
    the loader, and its true one for whoever asks the kernel."""
    place(folder(tmp_path, "real"), "where", at="where.1")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/where.so").symlink_to(tmp_path / "real/where.1.so")
    path = tmp_path / "link/where.so"
    with tcpd(configuration(service("where", "module", module=path, **ONE))) as daemon:
        assert daemon.exchange("where") == str(path).encode()
        [worker] = daemon.workers()
        assert f"{tmp_path}/real/where.1.so\n" in Path(f"/proc/{worker}/maps").read_text()
        os.kill(worker, signal.SIGSEGV)
        daemon.wait_log(rf"worker {worker} .*with module {path}$")
        daemon.wait_workers(lambda pids: worker not in pids and len(pids) >= 1)
        assert daemon.exchange("where") == str(path).encode()


def test_link_of_another_user(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder(tmp_path, "real"))
    place(tmp_path / "real", "upper")
    conf = configuration(service("upper", "module", module=link / "upper.so"))
    assert run("-t", conf=conf)[0] == EX_OK
    try:
        os.chown(link, 65534, -1, follow_symlinks=False)
    except OSError as error:
        pytest.skip(f"needs root and its users, to give a link away: {error.strerror}")
    is_refused(conf, rf"the symbolic link {link} belongs to user 65534 \(nobody\); it must be root's")


def test_reload_finds_an_open_directory(tcpd, tmp_path):
    """A reload is refused, the workers serve on."""
    inner = folder(tmp_path, "inner")
    conf = configuration(module(inner, "upper", **ONE))
    with tcpd(conf) as daemon:
        before = daemon.workers()
        inner.chmod(0o777)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(rf"tcpd\.conf:4: .*: the directory {inner} is writable by others")
        daemon.wait_log("reload failed")
        assert daemon.exchange("upper", b"as before\n") == b"AS BEFORE\n"
        assert daemon.workers() == before


def test_namespace_without_root():
    """Where the number of root is not to be seen, / and what belongs to the same number is root's; a
    file is not."""
    prefix = [*NOBODY, "unshare", "--user", "--map-root-user"]
    if not can_become_others() or subprocess.run([*prefix, "true"], capture_output=True,
                                                 check=False).returncode != 0:
        pytest.skip("needs root, to become somebody else, and a user namespace of theirs")
    with tempfile.TemporaryDirectory(prefix="module-") as directory:
        Path(directory).chmod(0o755)
        path = place(directory, "upper")
        conf = configuration(service("upper", "module", module=path))
        is_refused(conf, r"belongs to user 65534( \(nobody\))?; it must be root's", prefix=prefix)
        os.chown(path, 65534, 65534)
        assert run("-t", conf=conf, prefix=prefix)[0] == EX_OK
        Path(directory).chmod(0o757)
        is_refused(conf, f"the directory {directory} is writable by others", prefix=prefix)


# --- How it is loaded --------------------------------------------------------------------------

@pytest.mark.skipif(SANITIZED, reason="the sanitizers need /proc, too")
def test_no_proc(tmp_path):
    prefix = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace of its own")
    status, _, log = run("-t", conf=configuration(module(tmp_path, "upper")), prefix=prefix)
    assert status == EX_CONFIG
    assert re.search(r'tcpd\.conf:4: module ".*/upper\.so" of service "upper": cannot be loaded: that '
                     "needs /proc, which is not mounted", log), log


SWAPS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
one, other = map(os.fsencode, sys.argv[1:])
while os.getppid() != 1 and libc.renameat2(-100, one, -100, other, 2) == 0:  # RENAME_EXCHANGE
    pass
sys.exit(os.strerror(ctypes.get_errno()))
"""


class Swapped:
    """A good module whose name is now and then that of one that others may write to. If that one is
    ever loaded, it writes a line into its file of notes."""

    def __init__(self, directory):
        self.notes = directory / "notes"
        self.good = place(directory, "upper", at="it")
        self.bad = place(directory, "life", at="bad", mode=0o757)
        self.conf = configuration(service("it", "module", module=self.good, min_workers=4,
                                          module_options=[f"file={self.notes}"]))

    @contextlib.contextmanager
    def swapping(self):
        with subprocess.Popen([sys.executable, "-c", SWAPS, self.good, self.bad]) as process:
            try:
                yield
                assert process.poll() is None
            finally:
                process.kill()
        if self.good.stat().st_mode & 0o002:
            self.bad.rename(self.good)

    def check(self):
        assert not self.notes.exists(), "what nobody judged was loaded"


def test_swapped_while_it_is_tried(tmp_path):
    swapped = Swapped(tmp_path)
    config = tmp_path / "tcpd.conf"
    config.write_text(swapped.conf)
    seen = {EX_OK: 0, EX_CONFIG: 0}

    def one_more():
        seen[subprocess.run([TCPD, "-t", "-c", config], capture_output=True,
                            check=False).returncode] += 1
        swapped.check()
        return min(seen.values()) >= 10 and sum(seen.values()) >= 60

    with swapped.swapping():
        wait_for(one_more, what="60 checks with both outcomes")


def test_swapped_while_workers_start(tcpd, tmp_path):
    """Workers that find the bad one do not serve."""
    swapped = Swapped(tmp_path)
    with tcpd(swapped.conf) as daemon:
        end = time.monotonic() + 3
        with swapped.swapping():
            while time.monotonic() < end:
                for worker in daemon.workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGTERM)
                with contextlib.suppress(Timeout):
                    daemon.wait_workers(lambda pids: pids, deadline=0.1)
        daemon.wait_log("has mode 0757; neither its group nor others")
        swapped.check()
        daemon.reload()
        assert daemon.exchange("it", b"the good one\n") == b"THE GOOD ONE\n"
        swapped.check()
