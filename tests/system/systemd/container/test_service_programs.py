# SPDX-License-Identifier: MIT
"""Users' programs under systemd: what the sandbox allows, where their words go, what stays."""

import contextlib
import re
import shutil
import socket

import pytest

from harness import BUILD, PATIENCE, service, wait_for
from units import CONF, ECHO, configure, echoes, edit, messages, wait_active

pytestmark = pytest.mark.in_turn(first="bookworm")

DROP_IN = "/etc/systemd/system/tcpd.service.d"
EXAMPLES = "/usr/share/doc/tcpd-server/examples"
SAYS = 'echo "<4>watch out" >&2; echo hello; printf "no end" >&2; exit 3'
# Debian's smallest system has no other language than Perl.
ACCEPTS = (r'$SIG{TERM} = sub { exit 0 }; print STDERR "listening as $ENV{LISTEN_FDNAMES}\n"; '
           r'my @s = stat STDERR; print STDERR "as told\n" if $ENV{JOURNAL_STREAM} eq "$s[0]:$s[1]"; '
           r'open my $l, "+<&=", 3 or die; while (accept my $c, $l) { print $c "hi from perl\n" }')
PROGRAMS = [
    service("says", "program", listen=["127.0.0.1:7001"], program=["/bin/sh", "-c", SAYS],
            min_workers=2, spare_workers=1),
    service("stays", "program", listen=["127.0.0.1:7002"], kill_grace="1s", min_workers=2,
            spare_workers=1,
            program=["/bin/sh", "-c", "setsid sleep 4711 & setsid sh -c 'sleep 4712; :' & cat"]),
    service("accepts", "program", listen=["127.0.0.1:7003"], program_mode="listener",
            program=["/usr/bin/perl", "-e", ACCEPTS], min_workers=3),
]


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine whose tcpd may execute programs."""
    machine = shared_tcpd_machine
    machine.run(f"mkdir -p {DROP_IN} && cp {EXAMPLES}/programs.conf {DROP_IN}/")
    yield machine
    machine.run(f"rm -rf {DROP_IN}")
    machine.systemctl("daemon-reload")


def test_words_of_programs(tcpd):
    """Issue 5, 3: lines of standard error under tcpd/SERVICE with the session's fields and their
    priority; the session's record has how the program ended; a listener's own stream."""
    configure(tcpd, *PROGRAMS, log_sessions="all")
    cursor = tcpd.cursor()
    assert tcpd.exchange(7001) == b"hello\n"
    line = tcpd.wait_journal(r"^127\.0\.0\.1:\d+: watch out$", "SYSLOG_IDENTIFIER=tcpd/says",
                             since=cursor)
    rest = tcpd.wait_journal(": no end$", "SYSLOG_IDENTIFIER=tcpd/says", since=cursor)
    assert (line["PRIORITY"], rest["PRIORITY"]) == ("4", "6")
    closed = tcpd.wait_journal(" closed: program failed, ", "TCPD_SERVICE=says", since=cursor)
    assert (closed["TCPD_EXIT_CODE"], closed["TCPD_EXIT_STATUS"]) == ("exited", "3")
    assert closed["TCPD_BYTES_OUT"] == "6" and int(closed["TCPD_MEMORY_KIB"]) > 0
    assert int(closed["TCPD_CPU_USEC"]) >= 0 and closed["TCPD_PEER_PORT"] == line["TCPD_PEER_PORT"]
    assert line["TCPD_SERVICE"] == "says" and line["_SYSTEMD_UNIT"] == "tcpd.service"
    assert tcpd.exchange(7003) == b"hi from perl\n"
    wait_for(lambda: sorted(messages(tcpd, "SYSLOG_IDENTIFIER=tcpd/accepts", "-u", "tcpd")[-6:])
             == ["as told"] * 3 + ["listening as accepts"] * 3, what="three copies' words")


def sleepers(machine):
    return [title for title in machine.processes().values() if "sleep 471" in title]


def test_nothing_stays(tcpd):
    """Issue 5: what a program has left behind, daemons included, ends with its session; with a stop
    all of it, sessions in hand first."""
    configure(tcpd, *PROGRAMS, stop_timeout="2s")
    with tcpd.connect(7002) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        wait_for(lambda: len(sleepers(tcpd)) >= 2, what="what the program starts aside")
    wait_for(lambda: not sleepers(tcpd), what="the end of all")
    with tcpd.connect(7002) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        tcpd.systemctl("stop", "tcpd.service")  # which cuts the session off
        assert sock.recv(1) == b""
    assert not sleepers(tcpd)
    assert tcpd.show("tcpd.service", "Result")["Result"] == "success"


def running(machine, words):
    """The processes whose command line has these words."""
    return {pid for pid, title in machine.processes().items() if words in title}


def test_what_lives_on(tcpd):
    """With kill_mode = none it does, whatever becomes of its worker, until the unit stops: then
    systemd ends what is in its control group. A child that has the connection is seen from within
    the sandbox, and may finish."""
    code = "setsid sleep 4713 </dev/null >/dev/null 2>&1 & (sleep 0.3; echo late) & echo now"
    configure(tcpd, service("leaves", "program", listen=["127.0.0.1:7006"], kill_mode="none",
                            program=["/bin/sh", "-c", code], min_workers=1, spare_workers=0,
                            max_workers=1))
    for n in range(1, 4):
        assert tcpd.exchange(7006) == b"now\nlate\n"
        wait_for(lambda: len(running(tcpd, "sleep 4713")) == n, what="what lives on")
    tcpd.systemctl("stop", "tcpd.service")
    assert not running(tcpd, "sleep 4713")
    assert tcpd.show("tcpd.service", "Result")["Result"] == "success"


def test_listener_is_reloaded(tcpd):
    """Issue 5: a reload starts the program anew, and nobody is refused."""
    configure(tcpd, *PROGRAMS)
    # A worker is ready a moment before it has become the program.
    wait_for(lambda: len(running(tcpd, "/usr/bin/perl")) == 3, what="all copies of the program")
    before = running(tcpd, "/usr/bin/perl")
    tcpd.put(CONF, tcpd.inside(CONF).read_text().replace("from perl", "once more"))
    tcpd.systemctl("reload", "tcpd")
    wait_for(lambda: tcpd.exchange(7003) == b"hi once more\n", what="the new program")
    wait_for(lambda: len(running(tcpd, "once more")) == 3, what="all copies of the new program")
    assert not before & running(tcpd, "once more")


def test_module_in_the_sandbox(tcpd):
    """Issue 5, 5: a module below /usr/lib/tcpd is loaded by the unit as it is shipped; one that
    crashes is named in the journal with its signal and its peer; others do not notice."""
    tcpd.run(f"rm -rf {DROP_IN}")
    for name in ("examples/modules/upper.so", "tests/modules/faulty.so"):
        shutil.copy(BUILD / name, tcpd.inside("/usr/lib/tcpd"))
    tcpd.run("chown root:root /usr/lib/tcpd/*.so && chmod 644 /usr/lib/tcpd/*.so")
    configure(tcpd, service("upper", "module", listen=["127.0.0.1:7004"],
                            module="/usr/lib/tcpd/upper.so"),
              service("faulty", "module", listen=["127.0.0.1:7005"],
                      module="/usr/lib/tcpd/faulty.so"))
    cursor = tcpd.cursor()
    with tcpd.connect(7004) as other:
        other.sendall(b"hello\n")
        assert other.recv(6) == b"HELLO\n"
        with contextlib.suppress(ConnectionError):
            tcpd.exchange(7005, b"null\n")
        died = tcpd.wait_journal(r"by signal 11 \(SEGV\)", "TCPD_SERVICE=faulty", since=cursor)
        assert died["TCPD_MODULE"] == "/usr/lib/tcpd/faulty.so" and died["PRIORITY"] == "1"
        assert died["TCPD_PEER"].startswith("127.0.0.1:")
        told = tcpd.run("journalctl", "-x", "--no-pager", "-u", "tcpd",
                        f"MESSAGE_ID={died['MESSAGE_ID']}").stdout
        assert "Subject: A worker of service faulty has died, with module /usr/lib/tcpd/faulty.so" in told
        assert "most likely in /usr/lib/tcpd/faulty.so" in told and "update tcpd" not in told
        assert "@TCPD_" not in told
        other.sendall(b"again\n")
        assert other.recv(6) == b"AGAIN\n"


# --- The sandbox -------------------------------------------------------------------------------


def relax(machine, *names, more=""):
    """The drop-ins of that name, and one more text, take effect; tcpd stays as it is."""
    machine.run(f"rm -rf {DROP_IN} && mkdir -p {DROP_IN}")
    for name in names:
        machine.run("cp", f"{EXAMPLES}/{name}.conf", DROP_IN)
    if more:
        machine.put(f"{DROP_IN}/zz.conf", f"[Service]\n{more}\n")
    machine.systemctl("daemon-reload")


def lines_of(machine, example):
    """The settings that a drop-in has behind a #, each with the comment before it."""
    text = machine.inside(f"{EXAMPLES}/{example}.conf").read_text()
    return dict(line[1:].partition("=")[::2] for line in text.splitlines()
                if line.startswith("#") and line[1:2].isupper() and "=" in line)


def test_sandbox_says_no(tcpd):
    """Issue 13, 7: without programs.conf, services with programs are left out, with the directive
    at fault; the others are served."""
    relax(tcpd)
    cursor = tcpd.cursor()
    configure(tcpd, ECHO, *PROGRAMS)
    said = tcpd.wait_journal(
        rf'^{CONF}:\d+: program = "/bin/sh" of service "says": cannot be executed: NoExecPaths= of '
        r"the unit forbids it; see programs.conf; the service is left out$", "-u", "tcpd",
        since=cursor)
    assert said["PRIORITY"] == "3"
    assert echoes(tcpd)
    assert re.search("^says .*not served: .*NoExecPaths=", tcpd.run("tcpdctl", "status").stdout, re.M)
    relax(tcpd, "programs")
    tcpd.systemctl("restart", "tcpd.service")
    assert tcpd.exchange(7001) == b"hello\n" and echoes(tcpd)


def test_nothing_left_to_serve(tcpd):
    """Where all services would be left out it does not start, and does once it may."""
    relax(tcpd)
    cursor = tcpd.cursor()
    configure(tcpd, *PROGRAMS, start="tcpd.socket")
    tcpd.systemctl("start", "--no-block", "tcpd.service")
    tcpd.wait_journal(r'"says": cannot be executed: NoExecPaths=', "-u", "tcpd", since=cursor)
    tcpd.wait_journal("status=78", "-u", "tcpd", since=cursor)
    relax(tcpd, "programs")
    wait_active(tcpd)  # systemd tries again each second
    assert tcpd.exchange(7001) == b"hello\n"


# What the program needs: its settings, the part of the path that is hidden, the directive at fault,
# and how the line of programs.conf that names it would be written.
HIDDEN = {
    "a program in a home": ({"program": ["/home/me/hello"]}, "/home", "ProtectHome=", "read-only"),
    "a program of root": ({"program": ["/root/hello"]}, "/root", "ProtectHome=", "no"),
    "an interpreter's file": ({"program": ["/bin/sh", "/home/me/hello"]}, "/home", "ProtectHome=",
                              "read-only"),
    "a directory": ({"program": ["/bin/echo", "hello"], "working_directory": "/home/me"}, "/home",
                    "ProtectHome=", "tmpfs"),
    "variables": ({"program": ["/bin/echo", "hello"], "environment_file": ["/home/me/variables"]},
                  "/home", "ProtectHome=", "read-only"),
    "a program in /tmp": ({"program": ["/tmp/hello"]}, "/tmp", "PrivateTmp=", "no"),
    "a program in /var/tmp": ({"program": ["/var/tmp/hello"]}, "/var/tmp", "PrivateTmp=", "no"),
}


@pytest.fixture
def places(tcpd):
    """Files in places that the sandbox hides."""
    tcpd.run("useradd -m me; chmod 755 /home/me /root; echo A=b >/home/me/variables; "
             "for path in /home/me /root /tmp /var/tmp; do "
             "printf '#!/bin/sh\\necho hello\\n' >$path/hello; chmod 755 $path/hello; done")
    yield tcpd
    tcpd.run("chmod 700 /root; rm /root/hello /tmp/hello /var/tmp/hello")


@pytest.mark.parametrize("what", HIDDEN)
def test_hidden(places, what):
    """Issue 13, 7: what the sandbox hides is told with the directive at fault, which programs.conf
    has a line for; with that line the program serves."""
    tcpd, (needs, path, directive, value) = places, HIDDEN[what]
    relax(tcpd, "programs", more="ProtectHome=tmpfs" if what == "a directory" else "")
    hello = service("hello", "program", listen=["127.0.0.1:7006"], min_workers=1, **needs)
    cursor = tcpd.cursor()
    configure(tcpd, ECHO, hello)
    tcpd.wait_journal(rf'^{CONF}:\d+: .* of service "hello": (its argument \S+: )?{path} is hidden by '
                      rf"{directive} of the unit; see programs.conf; the service is left out$",
                      "-u", "tcpd", "PRIORITY=3", since=cursor)
    assert echoes(tcpd)
    assert directive[:-1] in lines_of(tcpd, "programs")
    if value == "tmpfs":
        return
    relax(tcpd, "programs", more=f"{directive}{value}")
    tcpd.systemctl("restart", "tcpd.service")
    assert tcpd.exchange(7006) == b"hello\n" and echoes(tcpd)


def test_proc(tcpd):
    """Issue 13, 7: /proc/loadavg, as for uptime, is there with programs.conf; without that line it
    is said that it is not."""
    uptime = service("load", "program", listen=["127.0.0.1:7006"], min_workers=1,
                     program=["/bin/cat", "/proc/loadavg"])
    configure(tcpd, ECHO, uptime)
    assert len(tcpd.exchange(7006).split()) == 5
    relax(tcpd, "programs", more="ProcSubset=pid")
    cursor = tcpd.cursor()
    tcpd.systemctl("restart", "tcpd.service")
    tcpd.wait_journal(r'"load": its argument /proc/loadavg: /proc is hidden by ProcSubset= ',
                      "-u", "tcpd", "PRIORITY=3", since=cursor)
    assert echoes(tcpd)


def test_left_out_at_a_reload(places):
    """A reload that asks for a program that cannot run is refused, and says why; what was left out
    before is no reason to refuse one. With a program that can, the reload serves it."""
    tcpd = places
    hello = service("hello", "program", listen=["127.0.0.1:7006"], min_workers=1,
                    program=["/home/me/hello"])
    configure(tcpd, ECHO, hello)
    edit(tcpd, "min_workers = \"2\"", "min_workers = \"3\"")
    tcpd.systemctl("reload", "tcpd.service")
    assert echoes(tcpd)
    assert re.search("^hello .*not served: .*ProtectHome=", tcpd.run("tcpdctl", "status").stdout, re.M)
    edit(tcpd, "/home/me/hello", "/bin/false")
    tcpd.systemctl("reload", "tcpd.service")
    assert tcpd.exchange(7006) == b""
    edit(tcpd, "/bin/false", "/home/me/hello")
    refused = tcpd.run("tcpdctl", "reload", check=False)
    assert refused.returncode == 1
    assert "/home is hidden by ProtectHome= of the unit; see programs.conf" in refused.stderr
    assert tcpd.exchange(7006) == b"" and echoes(tcpd)


CONNECTS = (r'use Socket; socket my $s, PF_INET, SOCK_STREAM, 0 or die "socket: $!"; '
            r'connect $s, sockaddr_in(7007, INADDR_LOOPBACK) or die "connect: $!"; '
            r'syswrite $s, "over there\n"; shutdown $s, 1; print while <$s>')


def test_network(tcpd):
    """Issue 13, 7: a program connects to another service with network.conf, and not without."""
    configure(tcpd, ECHO, service("proxy", "program", listen=["127.0.0.1:7006"], min_workers=1,
                                  program=["/usr/bin/perl", "-e", CONNECTS]))
    cursor = tcpd.cursor()
    assert tcpd.exchange(7006) == b""
    tcpd.wait_journal(r"^127\.0\.0\.1:\d+: socket: Address family not supported", since=cursor)
    relax(tcpd, "programs", "network")
    tcpd.systemctl("restart", "tcpd.service")
    assert tcpd.exchange(7006) == b"over there\n"


@contextlib.contextmanager
def asked(machine, name, host):
    """A TFTP client that has asked for a file, RFC 1350: its socket, the first block, and where that
    comes from, which is a port of its own. It asks again, as clients do: what Debian 13 has as
    in.tftpd is lost at its first request, by whomever it is started."""
    with machine.network():
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(0.5)

        def ask():
            sock.sendto(b"\0\1%s\0octet\0" % name.encode(), (host, 69))
            with contextlib.suppress(TimeoutError):
                return sock.recvfrom(1000)
            return None

        block, peer = wait_for(ask, what=f"an answer for {name}")
        sock.settimeout(PATIENCE)
        yield sock, block, peer


def go_on(sock, block, peer):
    """Confirms a block; the next one."""
    before = block[2:4]
    sock.sendto(b"\0\4" + before, peer)
    while block[2:4] == before:  # sent again
        block, peer = sock.recvfrom(1000)
    assert block[:4] == b"\0\3" + (int.from_bytes(before, "big") + 1).to_bytes(2, "big"), block
    return block


def fetch(machine, name, host="127.0.0.1"):
    with asked(machine, name, host) as (sock, block, peer):
        found = block[4:]
        while len(block) == 4 + 512:
            block = go_on(sock, block, peer)
            found += block[4:]
        sock.sendto(b"\0\4" + block[2:4], peer)
        return found


TFTP = service("tftp", "program", listen=["udp:*:tftp"], program_mode="wait", kill_mode="program",
               program=["/usr/sbin/in.tftpd", "--user", "tcpd", "/srv/tftp"])


@pytest.fixture
def tftp(tcpd):
    """A machine that has Debian's tftpd-hpa, and runs nothing of it."""
    tcpd.put("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    tcpd.install_aside("tftpd-hpa")
    for name, size in ("small", 3), ("exact", 1024), ("large", 100_000):
        tcpd.put(f"/srv/tftp/{name}", "x" * size)
    needs = {"network": ["SocketBindAllow=udp"],
             "programs": ["AmbientCapabilities=CAP_SETGID", "CapabilityBoundingSet=CAP_SETGID",
                          "SystemCallFilter=@setuid", "PrivateUsers=no"]}
    if tcpd.release != "bookworm":  # whose in.tftpd sets its groups, come what may
        del needs["programs"]
    for example, lines in needs.items():
        text = tcpd.inside(f"{EXAMPLES}/{example}.conf").read_text()
        assert all(f"\n#{line}\n" in text for line in lines), text
    relax(tcpd, "programs", "network", more="\n".join(sum(needs.values(), [])))
    yield tcpd
    tcpd.run("rm -rf /srv/tftp")


def test_tftp(tftp):
    """DG9: in.tftpd as inetd would run it, with the drop-ins as they are shipped and its line for
    ports of its own: one for all requests, of both families, by whom a stop and a reload are heard."""
    configure(tftp, TFTP, ECHO, start="tcpd.service")
    servers = set()
    for name, size in ("small", 3), ("exact", 1024), ("large", 100_000):
        for host in "127.0.0.1", "::1":
            assert fetch(tftp, f"/srv/tftp/{name}", host) == b"x" * size
            servers |= running(tftp, "in.tftpd")
    [server] = wait_for(lambda: (left := running(tftp, "in.tftpd")) and len(left) == 1 and left)
    tftp.systemctl("reload", "tcpd.service")
    assert fetch(tftp, "/srv/tftp/large") == b"x" * 100_000
    assert server in servers
    wait_for(lambda: server not in running(tftp, "in.tftpd"), what="the end of the server")
    tftp.systemctl("stop", "tcpd.service")
    assert not running(tftp, "in.tftpd")
    assert tftp.show("tcpd.service", "Result")["Result"] == "success"
    # The socket is systemd's: the next request starts tcpd, and that the program.
    assert fetch(tftp, "/srv/tftp/small") == b"xxx"


def test_tftp_transfer_outlives_its_server(tftp):
    """kill_mode = program: what the server of before has begun, a child of it ends."""
    configure(tftp, TFTP, start="tcpd.service")
    with asked(tftp, "/srv/tftp/exact", "127.0.0.1") as (sock, block, peer):
        wait_for(lambda: len(running(tftp, "in.tftpd")) == 2, what="the server and its child")
        tftp.systemctl("reload", "tcpd.service")
        wait_for(lambda: len(running(tftp, "in.tftpd")) == 1, what="the end of the server")
        for size in 512, 0:
            block = go_on(sock, block, peer)
            assert len(block) == 4 + size


@pytest.mark.parametrize("example", ["programs", "network"])
def test_lines_of_examples(tcpd, example):
    """Each line that is behind a # can be had: systemd takes it, and tcpd starts with all."""
    found = lines_of(tcpd, example)
    assert {"programs": "StateDirectory", "network": "SocketBindAllow"}[example] in found
    values = {"ReadWritePaths": "/srv", "User": "games", "Group": "games", "StateDirectory": "quiz"}
    configure(tcpd, ECHO)
    relax(tcpd, example, more="\n".join(f"{name}={values.get(name, value)}"
                                        for name, value in found.items()))
    cursor = tcpd.cursor()
    tcpd.systemctl("restart", "tcpd.service")
    assert echoes(tcpd)
    assert not [text for text in messages(tcpd, since=cursor) if "zz.conf" in text]
