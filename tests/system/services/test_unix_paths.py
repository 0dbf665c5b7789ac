# SPDX-License-Identifier: MIT
"""Paths of unix sockets: whoever may write to the folder may put anything in their place, at any
moment; and any bytes may stand in them."""

import contextlib
import os
import socket
import stat
import subprocess

import pytest

from harness import (EX_OK, EX_UNAVAILABLE, Tcpd, activated, can_become_others, configuration,
                     proc_fds, read_exactly, run, service, taken_fd, wait_for)

root = pytest.mark.skipif(not can_become_others(), reason="needs root, to have a file of root's")
LOST = "has gone or is another's"


def echo_at(path, **options):
    return configuration(service("echo", listen=f"unix:{path}", **options))


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(path))
    return sock


def echoes(sock):
    sock.sendall(b"x")
    return sock.recv(1) == b"x"


# --- What is in its place ----------------------------------------------------------------------

@root
def test_link_in_its_place_is_not_followed(tcpd, tmp_path):
    """A reload sets mode and owner of the socket that was bound, never of what its name leads to."""
    secret, path = tmp_path / "secret", tmp_path / "s"
    secret.write_text("secret")
    secret.chmod(0o600)
    conf = echo_at(path, socket_user="nobody", socket_group="nogroup")
    with tcpd(conf) as daemon, connect(path) as session:
        assert echoes(session)
        path.rename(tmp_path / "old")
        path.symlink_to(secret)
        daemon.reload(conf)
        daemon.wait_log(f"{LOST}.*not a socket")
        status = secret.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o600, 0, 0)
        assert echoes(session)
        path.unlink()  # as soon as it can be, it is bound anew
        daemon.reload(conf)
        with connect(path) as sock:
            assert echoes(sock)
        assert path.stat().st_uid == 65534


@root
def test_sockets_that_were_swapped_keep_mode_and_owner(tcpd, tmp_path):
    """Another socket in its place is no better than a link: here that of another service."""
    open_path, closed_path = tmp_path / "open", tmp_path / "closed"
    conf = configuration(
        service("open", "echo", listen=f"unix:{open_path}", socket_mode="0666",
                socket_user="nobody"),
        service("closed", "echo", listen=f"unix:{closed_path}", socket_mode="0600"))
    with tcpd(conf) as daemon:
        closed_path.rename(tmp_path / "middle")
        open_path.rename(closed_path)
        (tmp_path / "middle").rename(open_path)
        daemon.reload(conf)
        daemon.wait_log(LOST)
        status = open_path.stat()  # the object of "closed"
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, 0)


def test_path_that_has_gone_is_bound_anew(tcpd, tmp_path):
    """A reload brings the path back; who is connected is served to the end."""
    path = tmp_path / "s"
    with tcpd(echo_at(path)) as daemon, connect(path) as session:
        assert echoes(session)
        path.unlink()
        daemon.reload(echo_at(path))
        with connect(path) as sock:
            assert echoes(sock)
        assert echoes(session)
        session.shutdown(socket.SHUT_WR)
        assert session.recv(1) == b""
        assert daemon.stop() == EX_OK
    assert not path.exists()


def test_refused_reload_binds_nothing_anew(tcpd, tmp_path):
    """All or nothing: what a refused reload has bound goes with it."""
    path = tmp_path / "s"
    with tcpd(echo_at(path)) as daemon:
        path.unlink()
        daemon.reload(configuration(service("echo", listen=f"unix:{path}"),
                                    service("b", "echo", listen="unix:/nosuch/folder/s")))
        daemon.wait_log("reload failed")
        assert not path.exists()


def test_folder_that_was_swapped(tcpd, tmp_path):
    """What a reload and the end remove is the socket, not the same name in another folder."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "s").write_text("precious")
    with tcpd(echo_at(folder / "s")) as daemon:
        folder.rename(tmp_path / "old")
        folder.symlink_to(other)
        daemon.reload(echo_at(folder / "s"))
        daemon.wait_log(LOST)
        assert daemon.stop() == EX_OK
    assert (other / "s").read_text() == "precious"


# --- Who has it --------------------------------------------------------------------------------

@pytest.mark.parametrize("stale", [True, False])
def test_of_many_starts_one_wins(tmp_path, stale):
    """Exactly one of several that start at once has the path; the others say that it is in use."""
    for number in range(12):
        path = tmp_path / f"s{number}"
        if stale:
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(str(path))
        with contextlib.ExitStack() as stack:
            daemons = [stack.enter_context(
                Tcpd(echo_at(path, min_workers=1, spare_workers=0))) for _ in range(6)]

            def settled(daemon):
                return daemon.process.poll() is not None or daemon.log_matches("ready: ")
            wait_for(lambda: all(settled(daemon) for daemon in daemons), what="all to have begun")
            serving = [daemon for daemon in daemons if daemon.process.poll() is None]
            assert len(serving) == 1
            for daemon in daemons:
                if daemon not in serving:
                    assert daemon.wait_exit() == EX_UNAVAILABLE
                    daemon.wait_log("in use")
            with connect(path) as sock:
                assert echoes(sock)
        assert not list(tmp_path.glob(".*lock"))


@pytest.mark.parametrize("stale", [True, False])
def test_who_binds_first_has_it(tmp_path, stale):
    """The moment between bind(2) and listen(2), in which the socket looks like one that nobody
    listens on, is stretched: the second start is refused all the same."""
    path = tmp_path / "s"
    if stale:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    before = path.lstat().st_ctime_ns if stale else 0  # the number of an inode may come again
    delay = ["strace", "-o", "/dev/null", "-e", "inject=listen:delay_enter=2s"]
    if subprocess.run([*delay, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace is missing or may not trace")

    def is_bound():
        with contextlib.suppress(FileNotFoundError):
            return path.lstat().st_ctime_ns != before
    with Tcpd(echo_at(path), prefix=delay) as first:
        wait_for(is_bound, what="the path")
        status, _, log = run(conf=echo_at(path))
        assert status == EX_UNAVAILABLE and "in use" in log
        first.wait_ready()
        with connect(path) as sock:
            assert echoes(sock)


# --- Any bytes ---------------------------------------------------------------------------------

NAMES = ["[a]", "*", "a?", "50%", "a:b", "a;b", "a b", "\u00e4", "\u00f6", "#a", "x" * 20]


def quoted(path):
    return f"'unix:{path}'"


def test_any_name_is_a_name(tcpd, tmp_path):
    """What is a pattern or a specifier elsewhere is a byte here; each has its own name in systemd's
    store, which takes ASCII without colons, 255 bytes of it."""
    conf = "\n".join(f'service "s{i}" {{ handler = echo min_workers = 1 spare_workers = 0\n'
                     f" listen = {{{quoted(tmp_path / name)}}} }}" for i, name in enumerate(NAMES))
    with tcpd(conf, env={"FDSTORE": "99"}) as daemon:
        stored = [m["FDNAME"] for m in daemon.notifications.items if m.get("FDSTORE") == "1"]
        assert len(set(stored)) == len(NAMES)
        for name in stored:
            assert name.isascii() and name.isprintable() and ":" not in name and len(name) <= 255
        for name in NAMES:
            with connect(tmp_path / name) as sock:
                assert echoes(sock)


@pytest.fixture
def bound(tmp_path):
    """make(name): a listening unix socket, as an earlier tcpd would have left it."""
    with contextlib.ExitStack() as stack:
        def make(name):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.bind(str(tmp_path / name))
            sock.listen(64)
            return sock
        yield make


def test_stored_by_an_older_tcpd(bound, tmp_path):
    """Names as they were: "a:b" and "a;b" had the same one, and each is taken by its own service."""
    names = ["a:b", "a;b", "plain"]
    socks = [bound(name) for name in names]
    stored = [f"bound-unix;{tmp_path}/{name}".replace(":", ";") for name in names]
    conf = configuration(*(service(f"s{i}", "echo", listen=f"unix:{tmp_path}/{name}")
                           for i, name in enumerate(names)))
    early = [connect(tmp_path / name) for name in names]
    with activated(conf, socks, stored, env={"FDSTORE": "9"}) as daemon:
        for i, sock in enumerate(early):
            assert echoes(sock)  # it was in the queue
            sock.close()
            daemon.wait_log(f"s{i} .*taken back")


def test_taken_back_though_its_path_has_gone(bound, tmp_path):
    """Who is in its queue is served, and within a second the path leads to tcpd again."""
    path, sock = tmp_path / "s", bound("s")
    status = path.lstat()
    name = f"bound-unix;{path};{status.st_dev:x};{status.st_ino:x}"
    with connect(path) as early:
        path.unlink()
        with activated(echo_at(path), [sock], [name], env={"FDSTORE": "9"}) as daemon:
            assert echoes(early)
            wait_for(path.exists, what="the path")
            daemon.wait_log("its path has gone.*listening again")
            with connect(path) as late:
                assert echoes(late)
            daemon.wait_notify(lambda m: m.get("FDSTOREREMOVE") == "1" and m["FDNAME"] == name)


def test_taken_back_and_what_is_in_its_place_is_left_alone(bound, tmp_path):
    """A file that came into the path's place while tcpd was away is never changed."""
    path, sock = tmp_path / "s", bound("s")
    status = path.lstat()
    path.unlink()
    path.write_text("precious")
    path.chmod(0o600)
    name = f"bound-unix;{path};{status.st_dev:x};{status.st_ino:x}"
    with activated(echo_at(path), [sock], [name], env={"FDSTORE": "9"}) as daemon:
        daemon.wait_log("cannot listen again")
        daemon.reload(echo_at(path))
        daemon.wait_log("reloaded")
        assert path.read_text() == "precious" and stat.S_IMODE(path.stat().st_mode) == 0o600


# --- Who has shut it down ----------------------------------------------------------------------

def steal(daemon, path):
    """A copy of the daemon's listener at the path, as a worker has one."""
    with open("/proc/net/unix", encoding="utf-8") as table:
        inode = next(line.split()[6] for line in table
                     if line.rstrip().endswith(f" {path}") and line.split()[3] == "00010000")
    for number, target in proc_fds(daemon.pid).items():
        if target == f"socket:[{inode}]":
            return socket.socket(fileno=taken_fd(daemon.pid, number))
    raise AssertionError("no listener in the master")


def test_shut_down_by_a_copy(tcpd, tmp_path):
    """Another socket has its path at once; who was in the queue is served, though all workers are
    busy at that moment."""
    path = tmp_path / "s"
    conf = echo_at(path, min_workers=1, max_workers=1, spare_workers=0)
    with tcpd(conf) as daemon, connect(path) as busy:
        assert echoes(busy)
        with connect(path) as queued, steal(daemon, path) as copy:
            queued.sendall(b"queued")
            copy.shutdown(socket.SHUT_RDWR)
            daemon.wait_log("shut the listener down; listening again")
            with connect(path) as fresh:
                assert echoes(fresh)
            assert echoes(busy)
            busy.close()
            assert read_exactly(queued, 6) == b"queued"
        assert daemon.stop() == EX_OK
    assert not path.exists()


def test_handed_over_and_shut_down(bound, tmp_path):
    """Only systemd can open it anew, and does so for the next tcpd: this one drains and exits."""
    sock = bound("s")
    with activated(echo_at(tmp_path / "s"), [sock], ["echo"]) as daemon, \
            connect(tmp_path / "s") as session:
        assert echoes(session)
        sock.shutdown(socket.SHUT_RDWR)
        daemon.wait_log("systemd's to open anew")
        assert echoes(session)
        session.close()
        assert daemon.wait_exit() == os.EX_TEMPFAIL
