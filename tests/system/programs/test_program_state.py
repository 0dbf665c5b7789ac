# SPDX-License-Identifier: MIT
"""What a program is given, exactly (B44, B51): signals, descriptors, session, limits, identity, and
an environment in which little is tcpd's own. A C program tells; see program_state.c."""

import os
import pwd
import re
import signal
import socket
import struct

import pytest

from harness import (PATIENCE, STAGED, activated, can_become_others, configuration, free_port,
                     proc_children, proc_stat, read_all)
from programs import ONE, listener, login, program, unix_socket

root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")
SO_COOKIE = 57
O_ACCMODE, O_NONBLOCK = os.O_ACCMODE, os.O_NONBLOCK

# What tcpd has itself, and no program may see but for the first three.
SECRETS = {"PATH": "/usr/sbin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "Asia/Shanghai",
           "SECRET": "x", "WATCHDOG_PID": "1", "JOURNAL_STREAM": "8:1234", "TCPREMOTEHOST": "liar",
           "TCPREMOTEINFO": "liar", "TCPREMOTEIP": "192.0.2.1", "PROTO": "UDP", "IFS": "x",
           "LD_LIBRARY_PATH": "/nowhere", "INVOCATION_ID": "0" * 32, "HOME": "/elsewhere"}
COMMON = {name: SECRETS[name] for name in ("PATH", "LANG", "TZ")} | login(os.geteuid())


class State:
    """The answer of the program, taken apart."""

    def __init__(self, answer):
        self.lines = answer.decode().splitlines()
        self.environment_list = self.all("env")
        self.environment = dict(entry.partition("=")[::2] for entry in self.environment_list)
        self.its = dict(line.split(" ", 1) for line in self.all("is"))
        self.status = {name: value.strip() for name, _, value in
                       (line.partition(":") for line in self.all("status"))}
        self.fds = {int(number): target for number, target in
                    (line.split(" ", 1) for line in self.all("fd"))}
        self.flags = {int(number): int(value) for number, value in
                      (line.split() for line in self.all("flags"))}
        self.limits = self.all("limit")
        self.regained = dict(line.split() for line in self.all("regain"))

    def all(self, word):
        return [line[len(word) + 1:] for line in self.lines if line.startswith(word + " ")]


def ask(daemon, name="program", **options):
    with daemon.connect(name, **options) as sock:
        return State(read_all(sock))


def with_secrets(**options):
    return {"env": SECRETS, "watchdog_usec": 30_000_000, **options}


def check_signals(state):
    """Default handlers, nothing blocked, nothing ignored, nothing pending: also not 32 and 33, which
    are libc's own, and ignored where posix_spawn(3) has started the test, as make does."""
    for mask in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
        assert int(state.status[mask], 16) == 0, (mask, state.status[mask])


# --- Process state -----------------------------------------------------------------------------

def test_state_of_a_session(tcpd, state_program, mark):
    """B44: signals, the three descriptors, a session and a process group of its own."""
    conf = configuration(program(state_program, mark, **ONE))
    with tcpd(conf, **with_secrets()) as daemon:
        [worker] = daemon.workers()
        state = ask(daemon)
    check_signals(state)
    assert sorted(state.fds) == [0, 1, 2], state.fds
    assert state.fds[0] == state.fds[1] and state.fds[0].startswith("socket:")
    assert state.fds[2].startswith("pipe:")
    assert not state.flags[0] & O_NONBLOCK and not state.flags[2] & O_NONBLOCK
    assert state.its["pid"] == state.its["group"] == state.its["session"]
    assert state.its["parent"] == str(worker)
    assert state.its["death_signal"] == str(int(signal.SIGKILL))
    assert state.its["directory"] == os.getcwd() and state.its["nice"] == str(os.nice(0))
    assert state.all("argument") == [state_program]


def test_state_of_a_listener(tcpd, state_program, mark):
    """The same in listener mode: descriptor 3 is the listener, it blocks; 0 to 2 are tcpd's."""
    conf = configuration(listener([state_program, "listener"], mark))
    with tcpd(conf, **with_secrets()) as daemon:
        state = ask(daemon)
        listening = {inode for inode in state.fds.values() if inode.startswith("socket:")}
        assert state.its["parent"] == str(daemon.pid)
        assert int(state.its["pid"]) in proc_children(daemon.pid)
    check_signals(state)
    assert sorted(state.fds) == [0, 1, 2, 3], state.fds
    assert listening == {state.fds[3]}
    assert not state.flags[3] & O_NONBLOCK
    assert state.fds[0] == "/dev/null"
    assert state.its["pid"] == state.its["group"] == state.its["session"]
    assert state.its["death_signal"] == str(int(signal.SIGTERM))


def test_listener_that_others_made_nonblocking(state_program, mark):
    """DESIGN.md: the description is shared; the program gets one that blocks."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        conf = configuration(listener([state_program, "listener"], mark, listen=None))
        with activated(conf, [sock], ["program"]) as daemon:
            assert not ask(daemon).flags[3] & O_NONBLOCK


@pytest.mark.parametrize("signals", [[signal.SIGPIPE], [signal.SIGINT, signal.SIGCHLD],
                                     [signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR2,
                                      signal.SIGXFSZ, signal.SIGALRM, signal.SIGWINCH, 34, 64]])
@pytest.mark.parametrize("mode", ["connection", "listener"])
def test_ignored_and_blocked_signals_are_not_inherited(tcpd, state_program, mark, mode, signals):
    """B44: what whoever started tcpd ignores or blocks is default and free for the program."""
    def spoil():
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signals) | {signal.SIGUSR2, signal.SIGCONT})

    conf = configuration(program([state_program, mode], mark, program_mode=mode))
    with tcpd(conf, preexec=spoil) as daemon:
        check_signals(ask(daemon))


def test_stray_descriptors_are_not_inherited(tcpd, state_program, mark):
    """B44: those that tcpd has without knowing are closed for programs, too; also when 0 to 2 are
    not there, so that its own have low numbers."""
    def litter():
        fd = os.open("/dev/null", os.O_RDONLY)
        for number in (105, 109, 200):  # above what subprocess itself uses
            os.dup2(fd, number, inheritable=True)

    port = free_port()  # as there is no log to say it
    conf = configuration(program(state_program, mark),
                         listener([state_program, "listener"], mark, name="other",
                                  listen=f"127.0.0.1:{port}"))
    with tcpd(conf, preexec=litter, closed_fds=(0, 1, 2)) as daemon:
        assert sorted(ask(daemon).fds) == [0, 1, 2]
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            assert sorted(State(read_all(sock)).fds) == [0, 1, 2, 3]


def limits_of(lines):
    """'Max open files' → (soft, hard) as text."""
    pattern = re.compile(r"(Max [a-z -]+?)\s{2,}(\S+)\s+(\S+)")
    return {match[1]: (match[2], match[3]) for line in lines if (match := pattern.match(line))}


@pytest.mark.parametrize("mode", ["connection", "listener"])
def test_limits(tcpd, state_program, mark, mode):
    """Those that are set, exactly, soft and hard; all others as tcpd was given them."""
    arguments = [state_program, mode]
    limited = {"limit_nofile": "77", "limit_as": "2G", "limit_cpu": "90s", "limit_core": "0",
               "limit_nproc": "300"}
    want = {"Max open files": "77", "Max address space": str(2 << 30), "Max cpu time": "90",
            "Max core file size": "0", "Max processes": "300"}
    conf = configuration(program(arguments, mark, program_mode=mode),
                         program(arguments, mark, "limited", program_mode=mode, **limited))
    own = limits_of(open("/proc/self/limits").read().splitlines())
    with tcpd(conf) as daemon:
        assert limits_of(ask(daemon).limits) == own
        assert limits_of(ask(daemon, "limited").limits) == \
            own | {name: (value, value) for name, value in want.items()}


@pytest.mark.parametrize("mode", ["connection", "listener"])
def test_umask_nice_directory(tcpd, state_program, mark, tmp_path, mode):
    conf = configuration(program([state_program, mode], mark, program_mode=mode, umask="0137",
                                 nice=7, working_directory=tmp_path))
    with tcpd(conf) as daemon:
        state = ask(daemon)
        assert proc_stat(daemon.pid)[16] == str(os.nice(0))
    assert state.status["Umask"] == "0137"
    assert state.its["nice"] == "7"
    assert state.its["directory"] == str(tmp_path)


@root
@pytest.mark.parametrize("mode", ["connection", "listener"])
@pytest.mark.parametrize("options, gid", [
    ({"user": "nobody"}, None), ({"user": "nobody", "group": "games"}, "60"),
    ({"user": "65534"}, None)], ids=["name", "group", "number"])
def test_user(tcpd, state_program, mark, mode, options, gid):
    """uid, gid and groups of that user, no capability, and no way back."""
    nobody = pwd.getpwnam("nobody")
    gid = gid or str(nobody.pw_gid)
    conf = configuration(program([state_program, mode], mark, program_mode=mode, **options))
    with tcpd(conf) as daemon:
        state = ask(daemon)
    assert state.status["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert state.status["Gid"].split() == [gid] * 4
    assert state.status["Groups"].split() == [gid]
    assert int(state.status["CapEff"], 16) == int(state.status["CapPrm"], 16) == 0
    assert state.regained == {"setuid": "EPERM", "setgid": "EPERM", "effective": "EPERM"}
    check_signals(state)
    # Changing the user takes PDEATHSIG back: it must have been set afterwards.
    assert state.its["death_signal"] == str(int(signal.SIGTERM if mode == "listener"
                                                else signal.SIGKILL))


@root
def test_user_keeps_its_other_groups(tcpd, state_program, mark):
    """initgroups(3): the groups that the user is in, and none of root's."""
    name = next((user.pw_name for user in pwd.getpwall()
                 if user.pw_uid and len(os.getgrouplist(user.pw_name, user.pw_gid)) > 1), None)
    if not name:
        pytest.skip("no user of this machine is in a second group")
    want = sorted(os.getgrouplist(name, pwd.getpwnam(name).pw_gid))
    with tcpd(configuration(program(state_program, mark, user=name)),
              preexec=lambda: os.setgroups([0, 4, 20])) as daemon:
        assert sorted(map(int, ask(daemon).status["Groups"].split())) == want


# --- Environment -------------------------------------------------------------------------------

def cookie_of(sock):
    return struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


def check_environment(state, mark, want):
    """That and nothing else, each name once. The cookie is the one of the session's socket, which is
    the program's own unless stages stand between."""
    name, _, value = mark.entry.partition("=")
    cookie = state.environment["SO_COOKIE"] if STAGED else state.its["cookie"]
    assert len(state.environment) == len(state.environment_list)
    assert int(cookie) > 0
    assert state.environment == {**COMMON, name: value, "SO_COOKIE": cookie, **want}


def tcp_variables(sock):
    """UCSPI's and systemd's of a client, without any brackets."""
    (near, near_port), (far, far_port) = sock.getsockname()[:2], sock.getpeername()[:2]
    return {"PROTO": "TCP", "TCPLOCALIP": far, "TCPLOCALPORT": str(far_port), "TCPREMOTEIP": near,
            "TCPREMOTEPORT": str(near_port), "REMOTE_ADDR": near, "REMOTE_PORT": str(near_port)}


@pytest.mark.parametrize("listen, family, source", [
    ("127.0.0.1:0", socket.AF_INET, ("127.9.8.7", 0)), ("[::1]:0", socket.AF_INET6, None)],
    ids=["IPv4", "IPv6"])
def test_environment_of_tcp(tcpd, state_program, mark, listen, family, source):
    """B51: UCSPI's variables, PROTO=TCP over IPv6 as well; *HOST and *INFO are not there, not even
    empty, though tcpd itself was given some."""
    conf = configuration(program(state_program, mark, listen=listen))
    with tcpd(conf, **with_secrets()) as daemon:
        for _ in range(3):  # nothing of the one before is left
            with daemon.connect("program", family=family, source=source) as sock:
                check_environment(State(read_all(sock)), mark, tcp_variables(sock))


def test_environment_of_mapped_addresses(tcpd, state_program, mark):
    """IPv4 behind a listener of both families is told as IPv4."""
    conf = configuration(program(state_program, mark, listen="*:0"))
    with tcpd(conf, **with_secrets()) as daemon:
        port = daemon.ports["program"]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=30) as sock:
                check_environment(State(read_all(sock)), mark, tcp_variables(sock))


def test_environment_of_unix_sockets(tcpd, state_program, mark, tmp_path):
    """PROTO=UNIX, where it listens, and who the client is, as the kernel tells."""
    path = tmp_path / "socket"
    conf = configuration(program(state_program, mark, listen=f"unix:{path}"))
    with tcpd(conf, **with_secrets()) as daemon:
        check_environment(ask(daemon), mark, {
            "PROTO": "UNIX", "UNIXLOCALPATH": str(path), "UNIXREMOTEEUID": str(os.geteuid()),
            "UNIXREMOTEEGID": str(os.getegid()), "UNIXREMOTEPID": str(os.getpid())})


@pytest.mark.parametrize("kind", ["abstract", "path", "tcp"])
def test_environment_of_sockets_handed_over(state_program, mark, tmp_path, kind):
    """As of those that tcpd binds; an abstract one has no path."""
    unix = {"PROTO": "UNIX", "UNIXREMOTEEUID": str(os.geteuid()),
            "UNIXREMOTEEGID": str(os.getegid()), "UNIXREMOTEPID": str(os.getpid())}
    name = f"\0tcpd-test-{os.getpid()}-{id(mark)}" if kind == "abstract" else str(tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) if kind == "tcp" else unix_socket(name) as sock:
        conf = configuration(program(state_program, mark, listen=None))
        with activated(conf, [sock], ["program"], **with_secrets()), \
                socket.socket(sock.family) as client:
            client.settimeout(30)
            client.connect(sock.getsockname())
            want = tcp_variables(client) if kind == "tcp" else \
                unix | ({"UNIXLOCALPATH": name} if kind == "path" else {})
            check_environment(State(read_all(client)), mark, want)


def test_environment_of_the_client_cookie(tcpd, state_program, mark):
    """SO_COOKIE is of the server's end, so that it differs from client to client."""
    with tcpd(configuration(program(state_program, mark, **ONE))) as daemon:
        seen = {ask(daemon).environment["SO_COOKIE"] for _ in range(5)}
    assert len(seen) == 5


def test_environment_of_a_listener(state_program, mark):
    """sd_listen_fds(3), and no peer; what tcpd itself was handed over is not told."""
    with socket.create_server(("127.0.0.1", 0)) as one, \
            socket.create_server(("127.0.0.1", 0)) as two:
        conf = configuration(listener([state_program, "listener"], mark, listen=None),
                             listener([state_program, "listener"], mark, "other", listen=None))
        with activated(conf, [one, two], ["program", "other"], **with_secrets()) as daemon:
            for name in ("program", "other"):
                state = ask(daemon, name)
                assert state.environment == {
                    **COMMON, **dict([mark.entry.split("=")]), "LISTEN_FDS": "1",
                    "LISTEN_PID": state.its["pid"], "LISTEN_FDNAMES": name}


def test_environment_entries(tcpd, state_program, mark):
    """Entries replace PATH, LANG and TZ, may be empty, hold an '=', and each stands once; without
    PATH in tcpd there is one all the same."""
    given = ["A=b", "EMPTY=", "EQUATION=a=b=c", "LANG=de_DE.UTF-8", "lower_1=ä \t'quoted'",
             "A=again"]
    conf = configuration(program(state_program, mark, environment=given))
    with tcpd(conf, prefix=["/usr/bin/env", "-u", "PATH", "-u", "TZ"]) as daemon:
        state = ask(daemon)
    own = {name: value for name, value in state.environment.items()
           if not re.match("PROTO|TCP|REMOTE_|SO_COOKIE", name)}
    assert own == {**login(os.geteuid()), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "A": "again", "EMPTY": "", "EQUATION": "a=b=c", "LANG": "de_DE.UTF-8",
                   "lower_1": "ä \t'quoted'"}
    assert len(state.environment) == len(state.environment_list)


def test_environment_with_many_entries(tcpd, state_program, mark):
    """More and longer ones than any buffer of ours."""
    given = [f"NAME_{i}={'x' * 1000}{i}" for i in range(300)]
    with tcpd(configuration(program(state_program, mark, environment=given))) as daemon:
        environment = ask(daemon).environment
    assert all(environment[f"NAME_{i}"] == "x" * 1000 + str(i) for i in range(300))
    assert environment["PROTO"] == "TCP"


@pytest.mark.parametrize("length", [1, 107])
def test_environment_with_the_longest_path(tcpd, state_program, mark, length):
    """UNIXLOCALPATH of as many bytes as a unix socket can have."""
    path = f"/tmp/tcpd-{os.getpid()}-{length}".ljust(length, "x")
    conf = configuration(program(state_program, mark, listen=f"unix:{path}"))
    try:
        with tcpd(conf) as daemon:
            assert ask(daemon).environment["UNIXLOCALPATH"] == path
    finally:
        if os.path.exists(path):
            os.unlink(path)


def test_arguments(tcpd, state_program, mark):
    """argv as it is written, never through a shell."""
    words = ["two words", "", "*", "$HOME", "`id`", "a;b", "-x", "ä", "x" * 5000]
    with tcpd(configuration(program([state_program, *words], mark))) as daemon:
        assert ask(daemon).all("argument") == [state_program, *words]


def test_descriptor_limit_below_what_the_worker_has(tcpd, state_program, mark):
    """limit_nofile counts for the program alone: as few as it needs for its
    library are enough, and tcpd's own are not among them."""
    with tcpd(configuration(program(["/bin/cat"], mark, limit_nofile=4, **ONE))) as daemon:
        for _ in range(3):
            assert daemon.exchange("program", b"still here") == b"still here"


