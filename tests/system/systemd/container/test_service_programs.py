# SPDX-License-Identifier: MIT
"""Users' programs under systemd: what the sandbox allows, where their words go, what stays."""

import contextlib
import shutil

import pytest

from harness import BUILD, service, wait_for
from units import CONF, configure, messages, wait_active

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
    line = tcpd.wait_journal("^watch out$", "SYSLOG_IDENTIFIER=tcpd/says", since=cursor)
    rest = tcpd.wait_journal("^no end$", "SYSLOG_IDENTIFIER=tcpd/says", since=cursor)
    assert (line["PRIORITY"], rest["PRIORITY"]) == ("4", "6")
    closed = tcpd.wait_journal(" closed: program failed, ", "TCPD_SERVICE=says", since=cursor)
    assert (closed["TCPD_EXIT_CODE"], closed["TCPD_EXIT_STATUS"]) == ("exited", "3")
    assert closed["TCPD_BYTES_OUT"] == "6" and int(closed["TCPD_MEMORY_KIB"]) > 0
    assert int(closed["TCPD_CPU_USEC"]) >= 0 and closed["TCPD_PEER_PORT"] == line["TCPD_PEER_PORT"]
    assert line["TCPD_SERVICE"] == "says" and line["_SYSTEMD_UNIT"] == "tcpd.service"
    assert tcpd.exchange(7003) == b"hi from perl\n"
    said = messages(tcpd, "SYSLOG_IDENTIFIER=tcpd/accepts", "-u", "tcpd")
    assert sorted(said[-6:]) == ["as told"] * 3 + ["listening as accepts"] * 3, said


def sleepers(machine):
    return [title for title in machine.processes().values() if "sleep 471" in title]


def test_nothing_stays(tcpd):
    """Issue 5: what a program has left behind, daemons included, ends with its session; with a stop
    all of it, sessions in hand first."""
    configure(tcpd, *PROGRAMS, stop_timeout="2s")
    with tcpd.connect(7002) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert len(sleepers(tcpd)) >= 2
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
        assert len(running(tcpd, "sleep 4713")) == n
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
        other.sendall(b"again\n")
        assert other.recv(6) == b"AGAIN\n"


def test_sandbox_says_no(tcpd):
    """Without programs.conf the start fails, and says which program may not be executed."""
    tcpd.run(f"rm -rf {DROP_IN}")
    cursor = tcpd.cursor()
    configure(tcpd, *PROGRAMS, start="tcpd.socket")
    tcpd.systemctl("start", "--no-block", "tcpd.service")
    tcpd.wait_journal(rf'^{CONF}:\d+: program = "/bin/sh" of service "says": cannot be executed',
                      "-u", "tcpd", since=cursor)
    tcpd.run(f"mkdir -p {DROP_IN} && cp {EXAMPLES}/programs.conf {DROP_IN}/")
    tcpd.systemctl("daemon-reload")
    wait_active(tcpd)  # systemd tries again each second
    assert tcpd.exchange(7001) == b"hello\n"
