# SPDX-License-Identifier: MIT
"""Where tcpd listens, what it says when it cannot, and sockets that systemd hands over."""

import contextlib
import fcntl
import os
import re
import socket
import stat
import time
from pathlib import Path

import pytest

from harness import (EX_CONFIG, EX_NOHOST, EX_NOPERM, EX_OK, EX_OSERR, EX_UNAVAILABLE, SANITIZED,
                     Tcpd, Text, activated, can_become_others, configuration, free_port, has_tcp,
                     proc_cpu_seconds, proc_fds, read_all, read_exactly, run, service,
                     steal_listener, taken_fd, tcp_sockets, wait_for)

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
          "--inh-caps=-all"]
root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")


def listening_ports():
    return {entry["local"] for entry in tcp_sockets() if entry["state"] == "LISTEN"}


@pytest.fixture
def listening():
    """make(): a listening socket on loopback."""
    with contextlib.ExitStack() as stack:
        def make(host="127.0.0.1", **options):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return stack.enter_context(
                socket.create_server((host, 0), family=family, **options))
        yield make


# --- Addresses ---------------------------------------------------------------------------------

@pytest.mark.parametrize("port", [0, None])
@pytest.mark.parametrize("listen, hosts", [
    ("127.0.0.1", ["127.0.0.1"]), ("[::1]", ["::1"]), ("*", ["127.0.0.1", "::1"]),
    ("0.0.0.0", ["127.0.0.1"]), ("[::]", ["::1"])])
def test_families(tcpd, listen, hosts, port):
    """P1, P3, P4, P11, W9, X15: each family; * is both, [::] is IPv6 alone; port 0 stands in STATUS=."""
    ours = port is None  # the kernel may give one of its ports to somebody else in the other family
    port = free_port() if ours else port
    with tcpd(configuration(service("echo", listen=f"{listen}:{port}"))) as daemon:
        port = daemon.ports["echo"]
        for host in hosts:
            with socket.create_connection((host, port), timeout=30) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        if ours:
            assert {host for host in ("127.0.0.1", "::1") if has_tcp(host, port)} == set(hosts)


def test_every_address_of_a_name(tcpd):
    """P22: a name is listened on at each address it has, in whatever order they are found."""
    want = {entry[4][0] for entry in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    with tcpd(configuration(service("echo", listen="localhost:0"))) as daemon:
        found = [text.rpartition(":") for text in daemon.addresses["echo"]]
        assert {host.strip("[]") for host, _, _ in found} == want
        for host, _, port in found:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=30) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"


def test_chosen_port_is_logged(tcpd):
    """P3, P19: the port that the kernel chose stands in the log too."""
    with tcpd(configuration(service("echo"))) as daemon:
        daemon.wait_log(rf"echo 127\.0\.0\.1:{daemon.ports['echo']}\b")


def test_several_addresses(tcpd):
    """W9: one service on both families; a pool for each listener."""
    conf = configuration(service("hello", listen=["127.0.0.1:0", "[::1]:0"], min_workers=2))
    with tcpd(conf) as daemon:
        for family in (socket.AF_INET, socket.AF_INET6):
            with daemon.connect("hello", family=family) as sock:
                assert read_exactly(sock, 8) == b"Welcome!"
        assert len(daemon.workers()) >= 4


def test_same_port_for_both_families(tcpd):
    """P11: IPV6_V6ONLY is explicit, so the two do not collide."""
    port = free_port()
    conf = configuration(service("echo", listen=[f"0.0.0.0:{port}", f"[::]:{port}"]))
    with tcpd(conf) as daemon:
        assert daemon.is_serving()


@root
def test_service_names(tcpd):
    """P21: a port by its name, looked up for tcp. The only user of port 13."""
    with tcpd(configuration(service("daytime", listen="*:daytime"))):
        with socket.create_connection(("127.0.0.1", 13), timeout=30) as sock:
            assert read_all(sock).endswith(b"\r\n")


def test_no_listener_besides_the_configured(tcpd):
    """X3, P6: the ports in use are exactly those asked for."""
    port = free_port()
    before = listening_ports()
    with tcpd(configuration(service("echo", listen=f"127.0.0.1:{port}"))):
        mine = listening_ports() - before
        assert port in mine


# --- Unix sockets ------------------------------------------------------------------------------

@pytest.mark.plain("small pieces fill a unix socket's buffers sooner")
def test_unix_path(tcpd, tmp_path):
    """P1, P2: works like TCP, has the mode asked for, and goes with the daemon."""
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/echo", socket_mode="0600"),
                         service("discard", listen=f"unix:{tmp_path}/discard"),
                         service("hello", listen=f"unix:{tmp_path}/hello"), log_sessions="all")
    path = tmp_path / "echo"
    with tcpd(conf) as daemon:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert daemon.address("echo") == str(path)
        assert daemon.exchange("echo", b"x" * 300_000) == b"x" * 300_000
        assert daemon.exchange("discard", bytes(300_000)) == b""
        assert daemon.exchange("hello", b"Michael") == b"Welcome!Hello, Michael!"
        daemon.wait_log("discard: .* closed: ok, 300000 bytes in, 0 bytes out")
        assert daemon.stop() == EX_OK
    assert not path.exists()


@root
def test_unix_owner(tcpd, tmp_path):
    """P2: socket_user and socket_group."""
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/s", socket_user="nobody",
                                 socket_group="nogroup"))
    with tcpd(conf):
        owner = (tmp_path / "s").stat()
        assert (owner.st_uid, owner.st_gid) == (65534, 65534)


def test_unix_stale_path_is_replaced(tcpd, tmp_path):
    """P2: left over by a server that is gone."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    assert path.is_socket()
    with tcpd(configuration(service("echo", listen=f"unix:{path}"))) as daemon:
        assert daemon.is_serving()


def test_unix_live_path_is_refused(tmp_path):
    """P2, P10: a server that listens there keeps its path."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        status, _, log = run(conf=configuration(service("echo", listen=f"unix:{path}")))
        assert status == EX_UNAVAILABLE and str(path) in log
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_unix_path_that_is_no_socket_is_kept(tmp_path):
    """P2: never deletes a file."""
    path = tmp_path / "precious"
    path.write_text("data")
    status, _, log = run(conf=configuration(service("echo", listen=f"unix:{path}")))
    assert status == EX_UNAVAILABLE and str(path) in log
    assert path.read_text() == "data"


def test_unix_second_daemon_does_not_take_the_path_at_its_end(tcpd, tmp_path):
    """P2: a daemon removes its own path only."""
    path = tmp_path / "s"
    conf = configuration(service("echo", listen=f"unix:{path}"))
    with tcpd(conf) as first:
        path.rename(tmp_path / "old")
        with tcpd(conf) as second:
            assert first.stop() == EX_OK
            assert path.is_socket()
            assert second.is_serving()


# --- What cannot be ----------------------------------------------------------------------------

def test_address_in_use(tcpd):
    """P9, P10, X3: exit 69, the address named; the first is unharmed."""
    port = free_port()
    conf = configuration(service("echo", listen=f"127.0.0.1:{port}"))
    with tcpd(conf) as first:
        status, _, log = run(conf=conf)
        assert status == EX_UNAVAILABLE
        assert f"127.0.0.1:{port}" in log and "in use" in log and "tcpd.conf:" in log
        assert first.is_serving()


@root
def test_port_below_1024_without_privilege():
    """P8, P9: exit 77 and in words; not the random port of X3."""
    conf = configuration(service("echo", listen="127.0.0.1:7"))
    status, _, log = run(conf=conf, prefix=NOBODY)
    assert status == EX_NOPERM
    assert "127.0.0.1:7" in log and "permission" in log.lower()


@root
def test_unprivileged_daemon_serves(tcpd):
    """P8: ports from 1024 on need no privilege at all."""
    with tcpd(configuration(service("echo")), prefix=NOBODY) as daemon:
        assert Path(f"/proc/{daemon.pid}").stat().st_uid == 65534
        assert daemon.is_serving()


@pytest.mark.parametrize("address", ["203.0.113.1:0", "[2001:db8::1]:0"])
def test_address_not_available(address):
    """P9: exit 68, the address named."""
    status, _, log = run(conf=configuration(service("echo", listen=address)))
    assert status == EX_NOHOST
    assert address.rpartition(":")[0] in log and "not available" in log


def test_unknown_host():
    """P22: the resolver's words."""
    status, _, log = run(conf=configuration(service("echo", listen="no-such.invalid:7")))
    assert status == EX_NOHOST
    assert "no-such.invalid" in log and "tcpd.conf:" in log


def test_unknown_service_name():
    """P21, P22."""
    status, _, log = run(conf=configuration(service("echo", listen="127.0.0.1:no-such-service")))
    assert status in (EX_NOHOST, EX_CONFIG)
    assert "no-such-service" in log


def test_one_bad_listener_opens_none():
    """X3: of tcpd run, and of a reload, a failure is fatal; nothing is left listening."""
    port = free_port()
    bad = [f"127.0.0.1:{port}", "203.0.113.1:0"]
    assert run("run", "--handler", "echo", "-l", bad[0], "-l", bad[1])[0] == EX_NOHOST
    assert not has_tcp("127.0.0.1", port)
    with Tcpd(configuration(service("echo"))) as daemon:
        daemon.wait_ready()
        daemon.reload(configuration(service("echo"), service("b", "echo", listen=bad)))
        daemon.wait_log("reload failed")
        assert not has_tcp("127.0.0.1", port)


def test_failure_is_told_to_systemd():
    """PLATFORM.md 1.2: ERRNO= and STATUS= before a failing exit, and never READY=1."""
    with Tcpd(configuration(service("echo", listen="203.0.113.1:0"))) as daemon:
        assert daemon.wait_exit() == EX_NOHOST
        daemon.wait_notify(lambda m: int(m.get("ERRNO", 0)) > 0)
        assert not any("READY" in message for message in daemon.notifications.items)


def test_restart_while_time_wait(tcpd):
    """P9, X4, B24: SO_REUSEADDR: the server ended first, so TIME_WAIT is on its side."""
    port = free_port()
    conf = configuration(service("greeting", listen=f"127.0.0.1:{port}", message="x"))
    for _ in range(3):
        with tcpd(conf) as daemon:
            assert daemon.exchange("greeting") == b"x"
            with daemon.connect("greeting") as sock:
                assert read_all(sock) == b"x"
            assert daemon.stop() == EX_OK
        assert any(entry["local"] == port and entry["state"] == "TIME_WAIT"
                   for entry in tcp_sockets())


# --- Queue -------------------------------------------------------------------------------------

@pytest.mark.parametrize("backlog", [5, 65535])
def test_effective_backlog_is_logged(tcpd, backlog):
    """P12, B10: min(backlog, net.core.somaxconn)."""
    limit = int(Path("/proc/sys/net/core/somaxconn").read_text())
    with tcpd(configuration(service("echo", backlog=backlog))) as daemon:
        daemon.wait_log(rf"backlog {min(backlog, limit)}\b")


@pytest.mark.at_once
def test_connect_returns_while_all_workers_are_busy(tcpd):
    """P13: the kernel shakes hands; served later, in order."""
    conf = configuration(service("hello", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(daemon.connect("hello")) for _ in range(5)]
        for i, sock in enumerate(socks):
            assert read_exactly(sock, 8) == b"Welcome!"
            for later in socks[i + 1:]:
                later.setblocking(False)
                with pytest.raises(BlockingIOError):
                    later.recv(1)
                later.settimeout(30)
            sock.sendall(b"exit")
            assert read_all(sock) == b""
            sock.close()


def test_nonblocking_listener_does_not_spin(tcpd):
    """B1: O_NONBLOCK is a flag of the description that all share; set from outside, workers go on
    serving and do not burn the processor."""
    with socket.create_server(("127.0.0.1", 0)) as shared:
        with activated(configuration(service("echo", listen=None)), [shared], ["echo"]) as daemon:
            assert daemon.is_serving()
            workers = daemon.workers()
            flags = fcntl.fcntl(shared, fcntl.F_GETFL)
            before = {pid: proc_cpu_seconds(pid) for pid in workers}
            fcntl.fcntl(shared, fcntl.F_SETFL, flags | os.O_NONBLOCK)
            for _ in range(100):
                assert daemon.is_serving()
            spent = {pid: proc_cpu_seconds(pid) - before[pid] for pid in workers}
            assert max(spent.values()) < (2 if SANITIZED else 0.5), spent
            assert set(workers) <= set(daemon.workers())


def test_nonblocking_from_the_start(tcpd):
    """B1: a socket unit with NonBlocking=yes."""
    with socket.create_server(("127.0.0.1", 0)) as shared:
        shared.setblocking(False)
        with activated(configuration(service("echo", listen=None)), [shared], ["echo"]) as daemon:
            for _ in range(20):
                assert daemon.is_serving()
            busy = sum(proc_cpu_seconds(pid) for pid in daemon.workers())
            assert busy < 2


@pytest.mark.parametrize("port", ["configured", "chosen"])
def test_own_listener_shut_down_by_someone(tcpd, port):
    """B7, X3: shutdown(2) on the socket hits all holders; tcpd listens again, on the address that
    STATUS= tells: with port 0 the kernel gives the port back, and listen() would take another."""
    number = free_port() if port == "configured" else 0
    daemon = tcpd(configuration(service("echo", listen=f"127.0.0.1:{number}")))
    with daemon, steal_listener(daemon) as holder:
        holder.shutdown(socket.SHUT_RDWR)
        daemon.wait_log("shut the listener down|listener lost")
        wait_for(lambda: has_tcp(*daemon.address("echo")), what="listening again")
        assert daemon.is_serving()
        assert proc_cpu_seconds(daemon.pid) < 2
        assert len(daemon.log.items) < 60


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_listener_shut_down_again_and_again(tcpd, tmp_path, kind):
    """It costs neither a storm of forks nor a flood of lines, and is served once that is over."""
    listen = f"unix:{tmp_path}/s" if kind == "unix" else "127.0.0.1:0"
    with tcpd(configuration(service("echo", listen=listen, min_workers=2))) as daemon:
        address = daemon.address("echo")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            with contextlib.suppress(OSError, LookupError), steal_listener(daemon) as holder:
                holder.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: can_connect(address), what="listening again")
        assert daemon.is_serving()
        assert len(daemon.log_matches("listening again")) <= 2
        assert len(daemon.log.items) < 80


def can_connect(address):
    with contextlib.suppress(OSError), socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.connect(address)
        return True
    return False


def test_a_foreign_server_at_the_path(tcpd, tmp_path):
    """A socket of ours that somebody has shut down, whose path is another's by now: it is asked for
    less and less often whether it is there still."""
    path = str(tmp_path / "s")
    with tcpd(configuration(service("echo", listen=f"unix:{path}"))) as daemon:
        with steal_listener(daemon) as holder, socket.socket(socket.AF_UNIX) as foreign:
            os.rename(path, f"{path}.old")
            foreign.bind(path)
            foreign.listen(64)
            holder.shutdown(socket.SHUT_RDWR)
            daemon.wait_log("it cannot listen again")
            asked = 0
            foreign.settimeout(4.5)  # after one, three and seven seconds
            begun = time.monotonic()
            with contextlib.suppress(TimeoutError):
                while time.monotonic() - begun < 4.5:
                    foreign.accept()[0].close()
                    asked += 1
            assert 1 <= asked <= 4
            foreign.close()
            os.unlink(path)
            daemon.wait_log("listening again")
            assert daemon.is_serving()


def test_handed_over_listener_shut_down_by_someone(listening):
    """B7: systemd's TCP socket listens again as well, at its own address; nobody has to ask for a
    worker first."""
    shared = listening()
    conf = configuration(service("echo", listen=None, min_workers=1, max_workers=1,
                                 spare_workers=0))
    with activated(conf, [shared], ["echo"]) as daemon, daemon.connect("echo") as busy:
        busy.sendall(b"x")
        assert busy.recv(1) == b"x"
        shared.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            shared.shutdown(socket.SHUT_RDWR)  # which would be passed on to accepted connections
        daemon.wait_log("shut the listener down; listening again")
        with daemon.connect("echo") as waiting:
            busy.close()
            waiting.sendall(b"y")
            assert waiting.recv(1) == b"y"
        assert proc_cpu_seconds(daemon.pid) < 2
        assert len(daemon.log.items) < 60


# --- What -t says is what a start says -----------------------------------------------------------

def both(conf, **options):
    """The status and the log of -t and of a start that fails."""
    return [(status, log) for args in (["-t"], [])
            for status, _, log in [run(*args, conf=conf, **options)]]


def many(number):
    return configuration(*(service(f"s{i}", "echo", listen=f"127.0.{i // 250 + 1}.{i % 250 + 1}:7000",
                                   min_workers=1, max_workers=1) for i in range(number)))


@pytest.mark.parametrize("listen, words, want", [
    (["[fe80::1]:7007"], r"write its name as well: \[fe80::1%eth0\]:7007", EX_CONFIG),
    (["[fe80::1%nosuch0]:7007"], 'no interface "nosuch0"', EX_NOHOST),
    (["*:7007", "127.0.0.1:7007"], "is taken by service", EX_CONFIG),
    (["[::]:7007", "[::1]:7007"], "already in use", EX_UNAVAILABLE),
    (["127.0.0.1:7007", "0.0.0.0:7007"], "already in use", EX_UNAVAILABLE),
    (["*:daytime", "127.0.0.1:13"], "already in use", EX_UNAVAILABLE),
    (["nosuch.invalid:7007"], "nosuch.invalid", EX_NOHOST),
    (["unix:/tmp/.tcpd-twice", "unix:/tmp/../tmp/.tcpd-twice"], "in use", EX_UNAVAILABLE),
    (["unix:/tmp/"], "not of a directory", EX_CONFIG),
])
def test_check_refuses_what_a_start_refuses(listen, words, want):
    """A start refuses it, too, or, if it is the second of two addresses, serves the first."""
    conf = configuration(service("echo", listen=listen))
    status, _, log = run("-t", conf=conf)
    assert status == want and re.search(words, log), (status, log)
    if want == EX_UNAVAILABLE and len(listen) == 2:
        with Tcpd(conf) as daemon:
            daemon.wait_log(f"{words}.*; the rest is served")
            daemon.wait_ready()
            return
    status, _, log = run(conf=conf)
    assert status == want and re.search(words, log), (status, log)


def test_check_of_an_address_that_may_come():
    """systemd's sockets can be opened there, so it is no mistake; tcpd's own cannot."""
    conf = configuration(service("echo", listen=["192.0.2.1:7", "127.0.0.1:0"]))
    checked, _, warning = run("-t", conf=conf)
    with Tcpd(conf) as daemon:
        daemon.wait_log(": ready: ")
        error = daemon.log_text()
    assert checked == EX_OK and "the rest is served" in error
    for log in (warning, error):
        assert re.search(r'tcpd.conf:\d+: .*listen = "192.0.2.1:7".*no interface', log), log


def test_check_looks_at_paths(tmp_path):
    """A file where the socket shall be stops both; a directory may still be made, by systemd."""
    (tmp_path / "file").touch()
    for status, log in both(configuration(service("echo", listen=f"unix:{tmp_path}/file"))):
        assert status == EX_UNAVAILABLE and "the path exists and is not a socket" in log
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/none/s"))
    (checked, warning), (started, error) = both(conf)
    assert checked == EX_OK and "is in a directory that does not exist" in warning
    assert started == EX_OSERR and "does not exist" in error


def test_check_counts_listeners():
    for status, log in both(many(513)):
        assert status == EX_CONFIG and "513 listeners are too many; at most 512" in log


@pytest.mark.parametrize("name", ["socket_user", "socket_group"])
def test_check_looks_owners_up(tmp_path, name):
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/s", **{name: "nosuch-one"}))
    for status, log in both(conf):
        assert status == EX_CONFIG
        assert re.search(rf'tcpd.conf:\d+: {name} = "nosuch-one".*no such name', log), log


def test_one_address_through_two_names(tcpd):
    """Within a service it is one listener, between two it is a mistake; a mapped address is IPv4."""
    port = free_port()
    listen = [f"127.0.0.1:{port}", f"[::ffff:127.0.0.1]:{port}", f"127.1:{port}"]
    one = configuration(service("echo", listen=listen))
    assert run("-t", conf=one)[0] == EX_OK
    with tcpd(one) as daemon:
        assert daemon.addresses["echo"] == [f"127.0.0.1:{port}"] and daemon.is_serving()
    two = configuration(service("echo", listen=listen[0]), service("b", "echo", listen=listen[1]))
    status, _, log = run("-t", conf=two)
    assert status == EX_CONFIG and 'is taken by service "echo"' in log
    with tcpd(two) as daemon:
        daemon.wait_log('is taken by service "echo"; the rest is served')
        assert daemon.is_serving() and set(daemon.addresses) == {"echo"}


def without_ipv6(*command):
    hosts = "127.0.0.1 localhost\\n::1 localhost\\n"
    return ["unshare", "-n", "-m", "sh", "-c",
            "ip link set lo up; sysctl -qw net.ipv6.conf.lo.disable_ipv6=1; "
            f"printf '{hosts}' >/tmp/.hosts.$$; mount --bind /tmp/.hosts.$$ /etc/hosts; "
            'rm /tmp/.hosts.$$; exec "$@"', "sh", *command]


@root
def test_name_with_an_address_that_is_not_there(tcpd):
    """localhost where IPv6 is off: what there is is served, and the rest is told, by -t as well."""
    conf = configuration(service("echo", listen="localhost:7007"))
    words = r"served without \[::1\]:7007: address not available"
    status, _, log = run("-t", conf=conf, prefix=without_ipv6())
    assert status == EX_OK and re.search(words, log), log
    with tcpd(conf, prefix=without_ipv6()) as daemon:
        daemon.wait_log(words)
        assert daemon.addresses["echo"] == ["127.0.0.1:7007"]
        daemon.reload(conf)
        daemon.wait_log("reloaded")
    only = configuration(service("echo", listen="[::1]:7007"))
    with Tcpd(only, prefix=without_ipv6()) as daemon:
        assert daemon.wait_exit() == EX_NOHOST


# --- Activation --------------------------------------------------------------------------------

def test_activation_by_name(listening):
    """P19, PLATFORM.md 1.1: by name, not by order; a service may have several."""
    sockets = [listening(), listening(), listening("::1")]
    conf = configuration(service("echo", listen=None), service("hello", listen=None))
    with activated(conf, sockets, ["hello", "echo", "echo"]) as daemon:
        with socket.create_connection(sockets[0].getsockname(), timeout=30) as sock:
            assert read_exactly(sock, 8) == b"Welcome!"
        for shared in sockets[1:]:
            with socket.create_connection(shared.getsockname()[:2], timeout=30) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        assert len(daemon.addresses["echo"]) == 2


def test_activation_comes_before_listen(listening):
    """DESIGN.md, listener.c: activated sockets by name first; `listen` is then not bound."""
    port = free_port()
    shared = listening()
    conf = configuration(service("echo", listen=f"127.0.0.1:{port}"))
    with activated(conf, [shared], ["echo"]) as daemon:
        assert daemon.ports["echo"] == shared.getsockname()[1]
        assert not has_tcp("127.0.0.1", port)


@pytest.mark.parametrize("names", [None, ["unknown"], ["tcpd.socket"]])
def test_activation_without_a_name(listening, names):
    """Issue 2, 3: one unnamed socket goes to the only service."""
    shared = listening()
    with activated(configuration(service("hello", listen=None)), [shared], names) as daemon:
        with daemon.connect("hello") as sock:
            assert sock.getpeername() == shared.getsockname()
            assert read_exactly(sock, 8) == b"Welcome!"


def test_activation_with_unknown_name(listening):
    """A socket that no service has a name for is closed and logged."""
    shared, other = listening(), listening()
    conf = configuration(service("echo"))
    with activated(conf, [shared, other], ["nobody", "echo"]) as daemon:
        daemon.wait_log(f'"nobody".*{Text.unclaimed}')
        assert daemon.ports["echo"] == other.getsockname()[1]
        inode = f"socket:[{os.fstat(shared.fileno()).st_ino}]"
        assert inode not in proc_fds(daemon.pid).values()


def refuse_handed_over(words, **options):
    status, _, log = run(conf=configuration(service("echo")), **options)
    assert status == EX_CONFIG and re.search(words, log), log
    status, _, log = run("-t", conf=configuration(service("echo")), **options)
    assert status == EX_CONFIG and re.search(words, log), log


@pytest.mark.parametrize("kind", ["datagram, never bound", "connected", "never bound", "file"])
def test_activation_with_what_is_no_listener(tmp_path, kind):
    """What is handed over and cannot be listened on is refused: half a service is none."""
    with contextlib.ExitStack() as stack:
        if kind == "datagram, never bound":
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        elif kind == "connected":
            sock, other = socket.socketpair()
            stack.enter_context(sock)
            stack.enter_context(other)
        elif kind == "never bound":
            sock = stack.enter_context(socket.socket())
        else:
            sock = stack.enter_context((tmp_path / "f").open("w"))
        refuse_handed_over(Text.not_listening, sockets=[sock], names=["echo"])


@pytest.mark.parametrize("env, words", [
    ({"LISTEN_FDS": "2"}, "2 sockets are announced.*not so many"),
    ({"LISTEN_FDS": "two"}, "two sockets are announced"),
    ({"LISTEN_FDNAMES": "echo:more"}, "LISTEN_FDNAMES"),
])
def test_activation_that_announces_what_is_not_there(listening, env, words):
    """sd_listen_fds(3): more than there are, or no number at all."""
    shared = listening()
    prefix = ["sh", "-c", 'export %s; exec "$0" "$@"' % " ".join(f"{k}={v}" for k, v in env.items())]
    refuse_handed_over(words, sockets=[shared], names=["echo"], prefix=prefix)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_control_socket_of_a_wrong_kind(tmp_path, kind):
    """A unix socket of another type is no control socket, either."""
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(str(tmp_path / "s"))
        with activated(configuration(service("echo")), [sock], ["@control"]) as daemon:
            daemon.wait_log(r'"@control".* is closed: it is not a unix stream socket')
            assert daemon.is_serving()


def test_bound_socket_that_never_listened(tcpd):
    """It has an address, so it can be honoured."""
    with socket.socket() as shared:
        shared.bind(("127.0.0.1", 0))
        with activated(configuration(service("echo", listen=None)), [shared], ["echo"]) as daemon:
            assert daemon.ports["echo"] == shared.getsockname()[1] and daemon.is_serving()


def test_no_listen_and_nothing_handed_over():
    """A service without `listen` needs a socket of its name: exit 78, with the line."""
    status, _, log = run(conf=configuration(service("echo", listen=None)))
    assert status == EX_CONFIG
    assert "tcpd.conf:" in log and "echo" in log and "listen" in log


def test_foreign_listen_pid_is_ignored(tcpd):
    """sd_listen_fds(3): LISTEN_PID of somebody else says that nothing is ours."""
    env = {"LISTEN_FDS": "1", "LISTEN_PID": "1"}
    with tcpd(configuration(service("echo")), env=env) as daemon:
        assert daemon.is_serving()


def test_handed_over_listener_outlives_the_daemon(listening):
    """B8: what queues while no tcpd runs is served by the next; nothing is reset."""
    shared = listening(backlog=64)
    conf = configuration(service("echo", listen=None))
    with activated(conf, [shared], ["echo"]) as daemon:
        assert daemon.is_serving()
        assert daemon.stop() == EX_OK
    waiting = [socket.create_connection(shared.getsockname(), timeout=30) for _ in range(10)]
    for sock in waiting:
        sock.sendall(b"early")
    with activated(conf, [shared], ["echo"]):
        for sock in waiting:
            assert read_exactly(sock, 5) == b"early"
            sock.close()


def test_environment_of_activation_is_not_inherited(listening):
    """PLATFORM.md 1.1: LISTEN_* are unset, and no worker holds a listener that is not its own."""
    sockets = [listening(), listening()]
    conf = configuration(service("echo", listen=None), service("hello", listen=None))
    inodes = [f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in sockets]
    with activated(conf, sockets, ["echo", "hello"]) as daemon:
        for name, mine, others in (("echo", *inodes), ("hello", *reversed(inodes))):
            for pid in daemon.workers(name):
                held = proc_fds(pid).values()
                assert mine in held and others not in held
