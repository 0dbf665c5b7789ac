# SPDX-License-Identifier: MIT
"""Sockets that systemd opens, keeps and gives back: which belong to whom, leaving when idle, the
store of descriptors, and the units that tcpd-generator makes."""

import contextlib
import os
import re
import select
import socket
import subprocess
import threading
import time

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, SANITIZED, Text, activated, can_become_others,
                     configuration, free_port, has_tcp, proc_fds, proc_title, read_all, read_exactly,
                     run, service, start, wait_for)

GENERATOR = BUILD / "tcpd-generator"


@pytest.fixture
def listening():
    """make(): a listening socket on loopback."""
    with contextlib.ExitStack() as stack:
        def make(host="127.0.0.1", **options):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return stack.enter_context(
                socket.create_server((host, 0), family=family, **options))
        yield make


def address(sock):
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def echoes(where):
    with socket.create_connection(where, timeout=30) as sock:
        sock.sendall(b"x")
        return sock.recv(1) == b"x"


# --- Whose a socket is -------------------------------------------------------------------------

def test_by_address_where_the_name_is_another(listening):
    """DESIGN.md, listener.c: a service that was renamed keeps its socket."""
    shared = listening()
    conf = configuration(service("new", "echo", listen=address(shared)))
    with activated(conf, [shared], ["old"]) as daemon:
        assert daemon.addresses["new"] == [address(shared)]
        assert echoes(shared.getsockname())
        assert not daemon.log_matches("is closed")


def test_name_comes_before_address(listening):
    """Two services whose sockets have each other's address in `listen`: the name decides."""
    one, two = listening(), listening()
    conf = configuration(service("echo", listen=address(two)), service("hello", listen=address(one)))
    with activated(conf, [one, two], ["echo", "hello"]) as daemon:
        assert daemon.addresses == {"echo": [address(one)], "hello": [address(two)]}


@pytest.mark.parametrize("both", [True, False])
def test_wildcard_is_told_from_ipv6_alone(both):
    """A socket for both families is "*:PORT", in the log and in titles; "[::]:PORT" is one
    for IPv6 alone."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=both) as sock:
        where = ("*:%d" if both else "[::]:%d") % sock.getsockname()[1]
        with activated(configuration(service("echo", listen=where)), [sock], ["echo"]) as daemon:
            daemon.wait_log(f"echo {re.escape(where)}: listening, .*handed over")
            titles = {proc_title(pid) for pid in daemon.workers()}
            assert titles == {f"tcpd: echo {where} worker"}


def test_wildcard_is_served_by_a_socket_for_each_family():
    """P11: "*:PORT" is one socket or two, as systemd was told to make it."""
    port = free_port()
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=False) as six, \
            socket.create_server(("0.0.0.0", port)) as four:
        conf = configuration(service("echo", listen=f"*:{port}"))
        with activated(conf, [four, six], ["echo", "echo"]) as daemon:
            assert len(daemon.addresses["echo"]) == 2
            assert not daemon.log_matches("not among the sockets|listen does not have it")
            assert echoes(("127.0.0.1", port)) and echoes(("::1", port))


def test_address_without_a_socket_is_told(listening):
    """An address that systemd did not open: a warning with file and line, the others are served."""
    shared, port = listening(), free_port()
    listen = [address(shared), f"127.0.0.1:{port}"]
    with activated(configuration(service("echo", listen=listen)), [shared], ["echo"]) as daemon:
        daemon.wait_log(rf'tcpd.conf:3: service "echo": listen = "127.0.0.1:{port}" is not among')
        assert echoes(shared.getsockname()) and not has_tcp("127.0.0.1", port)


def test_reload_refuses_an_address_without_a_socket(listening):
    """A reload that succeeds has made everything live; this one could not."""
    shared, port = listening(), free_port()
    conf = configuration(service("echo", listen=address(shared)))
    more = configuration(service("echo", listen=[address(shared), f"127.0.0.1:{port}"]))
    with activated(conf, [shared], ["echo"]) as daemon:
        daemon.reload(more)
        daemon.wait_log(rf'tcpd.conf:3: listen = "127.0.0.1:{port}" is not among the sockets')
        daemon.wait_log(Text.reload_failed)
        daemon.reload(conf)
        daemon.wait_log(r"\breloaded$")
        assert echoes(shared.getsockname())


def test_reload_keeps_what_was_left_out_at_start(listening):
    """... but what was not there at start either is no reason to refuse all that follows."""
    shared, port = listening(), free_port()
    conf = configuration(service("echo", listen=[address(shared), f"127.0.0.1:{port}"]))
    with activated(conf, [shared], ["echo"]) as daemon:
        daemon.reload(conf + configuration(stop_timeout="7s"))
        assert not daemon.log_matches(Text.reload_failed)


HIDES_HOME = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /home && exec "$@"', "sh"]


@pytest.mark.skipif(not can_become_others(), reason="cannot mount")
@pytest.mark.parametrize("name", ["quiz", "another"])
def test_service_left_out_comes_back_by_a_reload(listening, name):
    """Issue 13, 7: its socket is kept, also through a reload that fails. Who has connected
    meanwhile is served then, as are all after that."""
    socks, port = [listening(), listening()], free_port()

    def conf(program, *more):
        return configuration(service("echo", listen=[address(socks[0]), *more]),
                             service("quiz", "program", program=[program], min_workers=1,
                                     listen=address(socks[1])))

    with activated(conf("/home/quiz"), socks, ["echo", name], prefix=HIDES_HOME,
                   env={"INVOCATION_ID": "1"}) as daemon:
        daemon.wait_log(r'"quiz": /home is hidden by ProtectHome= .*; the service is left out$')
        assert echoes(socks[0].getsockname()) and not daemon.log_matches("is closed")
        with socket.create_connection(socks[1].getsockname(), timeout=30) as early:
            daemon.reload(conf("/home/quiz"))
            daemon.reload(conf("/bin/cat", f"127.0.0.1:{port}"))
            daemon.wait_log(Text.reload_failed)
            daemon.reload(conf("/bin/cat"))
            early.sendall(b"x")
            assert early.recv(1) == b"x"
        daemon.reload(conf("/bin/cat"))
        assert echoes(socks[1].getsockname()) and echoes(socks[0].getsockname())
        assert len(daemon.log_matches(Text.reload_failed)) == 1


def test_control_socket_is_no_service(listening, tmp_path):
    """The socket named @control belongs to no service, not even to the only one."""
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(tmp_path / "control"))
        control.listen()
        shared = listening()
        conf = configuration(service("echo", listen=None))
        with activated(conf, [control, shared], ["@control", "tcpd-echo.socket"]) as daemon:
            assert daemon.addresses["echo"] == [address(shared)]
            inode = f"socket:[{os.fstat(control.fileno()).st_ino}]"
            for pid in daemon.workers():
                assert inode not in proc_fds(pid).values()


def test_nothing_to_listen_on():
    """Not one socket: exit 78, and the reason."""
    status, _, log = run(conf=configuration(service("echo", listen=None)))
    assert status == EX_CONFIG and "no socket of that name" in log


# --- The store ---------------------------------------------------------------------------------

def stored_name(sock):
    return "bound-" + address(sock).replace(":", ";")


def test_listener_is_stored(tcpd):
    """B8: with a store (FDSTORE) every socket that tcpd has bound goes there, by address."""
    with tcpd(configuration(service("echo")), env={"FDSTORE": "8"}) as daemon:
        name = "bound-127.0.0.1;0"
        daemon.wait_notify(lambda m: m.get("FDSTORE") == "1" and m.get("FDNAME") == name)


def test_listener_is_taken_back(listening):
    """B8: a stored socket is taken by its name instead of bound anew, with its queue."""
    shared = listening(backlog=64)
    with socket.create_connection(shared.getsockname(), timeout=30) as early:
        early.sendall(b"early")
        conf = configuration(service("echo", listen=address(shared)))
        env = {"FDSTORE": "8"}
        with activated(conf, [shared], [stored_name(shared)], env=env) as daemon:
            daemon.wait_log("taken back")
            assert read_exactly(early, 5) == b"early"
            early.close()
            assert daemon.stop() == EX_OK
        with activated(conf, [shared], [stored_name(shared)], env=env):
            assert echoes(shared.getsockname())  # what the stop has closed is open again


def test_stale_stored_socket_is_dropped(listening):
    """A stored socket that the configuration no longer has its address for: named, removed, closed."""
    shared = listening()
    name = stored_name(shared)
    with activated(configuration(service("echo")), [shared], [name]) as daemon:
        daemon.wait_log(f'"{name}".*no longer has its address')
        daemon.wait_notify(lambda m: m.get("FDSTOREREMOVE") == "1" and m.get("FDNAME") == name)
        inode = f"socket:[{os.fstat(shared.fileno()).st_ino}]"
        assert inode not in proc_fds(daemon.pid).values()


def test_removed_listener_leaves_the_store(tcpd):
    """A listener that a reload removes is not given to the next start."""
    port = free_port()
    both = configuration(service("echo", listen=["127.0.0.1:0", f"127.0.0.1:{port}"]))
    with tcpd(both, env={"FDSTORE": "8"}) as daemon:
        daemon.reload(configuration(service("echo")))
        daemon.wait_notify(lambda m: m.get("FDSTOREREMOVE") == "1" and
                           m.get("FDNAME") == f"bound-127.0.0.1;{port}")
        with daemon.connect("echo") as _:
            since = len(daemon.notifications.items)
            daemon.reload(both)
            daemon.wait_notify(lambda m: m.get("FDSTORE") == "1" and
                               m.get("FDNAME") == f"bound-127.0.0.1;{port}", since=since)


def test_stored_path_stays(tcpd, tmp_path):
    """A stored unix socket keeps its path, for the next start; one that is not stored does not."""
    for env, stays in (({"FDSTORE": "8"}, True), ({"FDSTORE": "0"}, False), ({}, False)):
        path = tmp_path / "s"
        conf = configuration(service("echo", listen=f"unix:{path}"))
        with tcpd(conf, env=env) as daemon:
            assert daemon.is_serving()
            assert daemon.stop() == EX_OK
            assert path.exists() == stays


@pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")
@pytest.mark.parametrize("env", [{}, {"FDSTORE": "8"}])
def test_stop_without_privilege_under_load(tcpd, env):
    """B8: a kernel may refuse the filter that ends new connections; the stop ends all the same, and
    nobody who was served is cut off."""
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tcpd(configuration(service("echo")), env=env, prefix=prefix) as daemon:
        where, stopping, served, wrong = daemon.address("echo"), threading.Event(), [], []

        def client():
            while not stopping.is_set():
                try:
                    sock = socket.create_connection(where, 2)
                except OSError:
                    continue  # refused, or tries again
                with sock:
                    try:
                        sock.sendall(b"x")
                        good = sock.recv(1) == b"x"
                        sock.shutdown(socket.SHUT_WR)
                        (served if good and not sock.recv(1) else wrong).append(1)
                    except OSError as error:
                        if not env:  # else it would wait in the store, which nobody has here
                            wrong.append(error)

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(served) > 100, what="a load")
        assert daemon.stop(15) == EX_OK
        stopping.set()
        for thread in threads:
            thread.join()
        assert not wrong and not daemon.log_matches(Text.not_in_time)
        assert not daemon.log_matches("refuses a filter")  # there is another way


# --- Leaving when idle -------------------------------------------------------------------------

def test_leaves_when_idle(listening):
    """exit_idle_time: exit 0 after so long without a session, and not before."""
    shared = listening()
    conf = configuration(service("echo", listen=None), exit_idle_time="700ms")
    with activated(conf, [shared], ["echo"]) as daemon:
        with socket.create_connection(shared.getsockname(), timeout=30) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            with pytest.raises(subprocess.TimeoutExpired):
                daemon.process.wait(1.5)  # a session in hand, however silent
            end = time.monotonic()
        assert daemon.wait_exit() == EX_OK
        assert time.monotonic() - end >= 0.65
        daemon.wait_log("idle for exit_idle_time = 700 ms")
        daemon.wait_notify(lambda m: m.get("STOPPING") == "1")


def test_short_sessions_keep_it_awake(listening):
    """Sessions that are over before anybody looks count as well."""
    shared = listening()
    conf = configuration(service("echo", listen=None), exit_idle_time="1s")
    with activated(conf, [shared], ["echo"]) as daemon:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert echoes(shared.getsockname())
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(0.3)
                pytest.fail("left though it was busy")
        assert daemon.wait_exit() == EX_OK


def test_idle_exits_lose_nothing(listening):
    """B8, B43: connections that come while it leaves are served by the next start."""
    shared = listening(backlog=64)
    conf = configuration(service("echo", listen=None), exit_idle_time="50ms")
    for _ in range(4 if SANITIZED else 8):
        with activated(conf, [shared], ["echo"]) as daemon:
            waiting, pause = None, 0.040
            while waiting is None:  # until one comes too late
                pause += 0.001
                waiting = socket.create_connection(shared.getsockname(), timeout=30)
                waiting.sendall(b"x")
                if wait_for(lambda: select.select([waiting], [], [], 0)[0] or
                            daemon.process.poll() is not None) is not True:
                    assert waiting.recv(1) == b"x"
                    waiting = waiting.close()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        daemon.process.wait(pause)
            assert daemon.wait_exit() == EX_OK
        with activated(conf, [shared], ["echo"]), waiting:
            assert waiting.recv(1) == b"x"


def test_idle_time_with_own_sockets_is_told(tcpd):
    """Nobody would listen after that: a warning, and it stays."""
    with tcpd(configuration(service("echo"), exit_idle_time="100ms")) as daemon:
        daemon.wait_log("exit_idle_time is not used: tcpd has opened 127.0.0.1:")
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.process.wait(1.5)


# --- The log -----------------------------------------------------------------------------------

def test_noisy_client_has_a_quota(tcpd):
    """B50: one client's sessions that end badly fill 100 records in ten seconds, then a count."""
    conf = configuration(service("hello", framing="length", first_byte_timeout="20ms"))
    with tcpd(conf) as daemon:
        for _ in range(150):
            with daemon.connect("hello", source=("127.0.0.9", 0)) as sock:
                sock.sendall(b"\xff\xff\xff\xff")
                read_all(sock)
        with daemon.connect("hello") as sock:
            other = sock.getsockname()[1]
            sock.sendall(b"\xff\xff\xff\xff")
            read_all(sock)
        daemon.wait_log(rf"connection from 127.0.0.1:{other} closed: protocol error")
        match = daemon.wait_log(r"(\d+) session records? left out")
        written = len(daemon.log_matches(r"connection from 127.0.0.9:\d+ closed"))
        assert written + int(match[1]) == 150
        assert 100 <= written <= 110  # workers that ask at the same time may go beyond it


# --- The generator -----------------------------------------------------------------------------

def generate(etc, out, *args):
    out.mkdir()
    result = subprocess.run([GENERATOR, "-c", etc, *args, out], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    files = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            files[name] = f"-> {path.readlink()}"
        elif path.is_file():
            files[name] = path.read_text()
    return files, result.stderr


def test_generator(tmp_path):
    """A unit, a link and a line in the drop-in for each service; instances by the file's name."""
    (tmp_path / "tcpd.conf").write_text(configuration(
        service("echo", listen=["127.0.0.1:7007", "[::1]:7007"]), service("time", listen="*:37")))
    (tmp_path / "web.conf").write_text(configuration(service("echo", listen="unix:/run/web")))
    files, said = generate(tmp_path, tmp_path / "out")
    assert said == ""
    assert sorted(files) == sorted([
        "tcpd-echo.socket", "tcpd-time.socket", "tcpd:web:echo.socket",
        "tcpd.socket.wants/tcpd-echo.socket", "tcpd.socket.wants/tcpd-time.socket",
        "tcpd@web.socket.wants/tcpd:web:echo.socket",
        "tcpd.service.d/50-sockets.conf", "tcpd@web.service.d/50-sockets.conf"])
    assert files["tcpd.socket.wants/tcpd-echo.socket"] == "-> ../tcpd-echo.socket"
    assert files["tcpd.service.d/50-sockets.conf"].endswith(
        "PartOf=tcpd-echo.socket\nPartOf=tcpd-time.socket\n")
    assert files["tcpd@web.service.d/50-sockets.conf"].endswith(
        "PartOf=tcpd:web:echo.socket\nWants=tcpd:web:echo.socket\n")
    assert "Service=tcpd@web.service" in files["tcpd:web:echo.socket"]


def test_generator_makes_what_is_right(tmp_path):
    """Mistakes are told with file and line; every other service keeps its sockets."""
    (tmp_path / "tcpd.conf").write_text(
        service("a", "echo", listen="127.0.0.1:1")
        + 'service "b" { handler = "echo" listen = {"127.0.0.1:2" \n'
        + service("c", "nosuch", listen=["127.0.0.1:3", "127.0.0.1:3x"])
        + service("d", "echo", listen="127.0.0.1:1")
        + service("e", "echo", listen="127.0.0.1:5", idle_timeout="soon"))
    files, said = generate(tmp_path, tmp_path / "out")
    assert [name for name in sorted(files) if "/" not in name] == \
        ["tcpd-a.socket", "tcpd-b.socket", "tcpd-c.socket", "tcpd-e.socket"]
    for line in ("tcpd.conf:5: a } is missing: the list of listen", "nosuch", "3x", "soon", "is taken by service"):
        assert line in said


PROXIES = ["10.0.0.5", "unix", "2001:db8::/64"]
FILTERS = {
    "allow": ({"allow": ["192.0.2.0/24", "2001:db8::7", "localhost"]},
              ["Deny=any", "Allow=localhost", "Allow=192.0.2.0/24", "Allow=2001:db8::7",
               "Allow=127.0.0.0/8", "Allow=::1"]),
    "deny": ({"deny": ["any"]}, ["Deny=0.0.0.0/0", "Deny=::/0"]),
    "required": ({"deny": ["10.0.0.0/8"], "allow": ["10.1.0.0/16"], "proxy_protocol": "required",
                  "proxy_trusted": PROXIES},
                 ["Deny=any", "Allow=localhost", "Allow=10.0.0.5", "Allow=2001:db8::/64"]),
    "both": ({"allow": ["10.0.0.7"], "deny": ["10.0.0.0/8"]}, []),
    "off": ({"deny": ["10.0.0.0/8"], "unit_filter": "no"}, []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_generator_filters(tmp_path, name):
    """R2, unit_filter: what a unit can say exactly, and nothing else; a mistake leaves it open, as
    tcpd judges anyway, and is told."""
    options, lines = FILTERS[name]
    options = {"unit_filter": "yes", **options}
    (tmp_path / "tcpd.conf").write_text(
        configuration(service("echo", listen="127.0.0.1:7007", **options)))
    files, said = generate(tmp_path, tmp_path / "out")
    assert [line for line in files["tcpd-echo.socket"].splitlines()
            if line.startswith("IPAddress")] == [f"IPAddress{line}" for line in lines]
    assert ("needs allow or deny alone" in said) == (name == "both")


def test_filter_of_a_list_that_has_changed(listening):
    """A reload changes the rules, and cannot change the unit: it says so, once a service."""
    shared, other = listening(), listening()
    listen, own = [address(shared), address(other)], free_port()

    def conf(*allow, listen=listen, **options):
        return configuration(service("echo", listen=listen, allow=["localhost", *allow],
                                     unit_filter="yes", **options))
    with activated(conf(), [shared, other], ["echo", "echo"]) as daemon:
        daemon.reload(conf(min_workers=3))
        assert not daemon.log_matches("filters clients as before")
        daemon.reload(conf("192.0.2.0/24"))
        assert len(daemon.log_matches('echo: its socket unit filters clients as before, until '
                                      '"tcpdctl sockets apply"')) == 1
        assert echoes(shared.getsockname())
    with start(conf(listen=f"127.0.0.1:{own}")) as daemon:  # no unit has opened it
        daemon.reload(conf("192.0.2.0/24", listen=f"127.0.0.1:{own}"))
        assert not daemon.log_matches("filters clients as before")


@pytest.mark.parametrize("etc", ["none", "empty"])
def test_generator_without_a_configuration(tmp_path, etc):
    """A package that was removed and not purged: no configuration, no unit, no complaint."""
    (tmp_path / "empty").mkdir()
    files, said = generate(tmp_path / etc, tmp_path / "out")
    assert files == {} and said == ""


def test_generator_is_told_not_to(tmp_path):
    """socket_units = no: tcpd opens its sockets by itself."""
    (tmp_path / "tcpd.conf").write_text(
        configuration(service("echo", listen="127.0.0.1:7007"), socket_units="no"))
    files, _ = generate(tmp_path, tmp_path / "out")
    assert not [name for name in files if name.endswith(".socket")]


def test_generator_names(tmp_path):
    """A file whose name cannot be part of a unit's is left out in words."""
    for name in ("a b", "x:y", "ok"):
        (tmp_path / f"{name}.conf").write_text(configuration(service("echo", listen="unix:/r")))
    files, said = generate(tmp_path, tmp_path / "out")
    assert [name for name in sorted(files) if "/" not in name] == ["tcpd:ok:echo.socket"]
    assert "a b.conf is left out" in said and "x:y.conf is left out" in said


def test_generator_takes_names_as_they_are(tmp_path):
    """A folder that reads like a pattern, and a file whose name would be a directive of its own."""
    folder = tmp_path / "[a]*"
    (folder / "tcpd.conf.d").mkdir(parents=True)
    (folder / "tcpd.conf").write_text("")
    (folder / "tcpd.conf.d/x\n[Socket]\nExecStartPre=evil %h\n.conf").write_text(
        configuration(service("echo", listen="127.0.0.1:7007")))
    files, _ = generate(folder, tmp_path / "out")
    lines = files.get("tcpd-echo.socket", "").splitlines()
    assert "tcpd.service.d/50-sockets.conf" in files
    assert not [line for line in lines if line.startswith(("Exec", "SourcePath=/"))
                and "evil" in line]
    assert lines.count("[Socket]") <= 1


def test_generator_usage(tmp_path):
    for args, status in ((["--help"], 0), (["--version"], 0), ([], 64), (["a", "b", "c", "d"], 64),
                         ([str(tmp_path / "nowhere")], 73)):
        result = subprocess.run([GENERATOR, *args], capture_output=True, text=True)
        assert result.returncode == status and (result.stdout or result.stderr)
