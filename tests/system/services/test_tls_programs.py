# SPDX-License-Identifier: MIT
"""TL9: programs behind TLS. What they find in their environment, what they say on standard error,
much of both ways at once, and ends of theirs and of their clients."""

import re
import socket
import ssl

import pytest

from harness import configuration, peer_name, proc_state, read_all, reset, wait_for
from programs import ONE, Cleanliness, ended, said, write_python, write_script
from tls_peer import behind, both_ways, context, dial, half_closed
from tls_records import ALERT, CLOSE_NOTIFY, Client

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MUCH = bytes(range(256)) * (8 << 12)  # 8 MiB


@pytest.fixture
def behind_it(tcpd, www, tmp_path):
    """behind_it(script, **options): a daemon whose service "program" runs that."""
    def start(script, write=write_script, env=None, **options):
        path = write(tmp_path / "script", script)
        return tcpd(www.section() + configuration(
            behind("program", program=[path], **{**ONE, **options}), log_sessions="all"), env=env)
    return start


# --- Environment ---------------------------------------------------------------------------------

SHOW = "env | grep -E '^(SSL|TLS|HTTPS)' | sort"


def shown(sock):
    return dict(line.split("=", 1) for line in read_all(sock).decode().splitlines())


@pytest.mark.parametrize("version, protocol", [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "a-b.localhost.", None])
def test_environment(behind_it, authority, version, protocol, host):
    its = context(authority, version=version)
    its.check_hostname = False
    with behind_it(SHOW) as daemon, dial(daemon, "program", its, host) as sock:
        want = {"SSL_PROTOCOL": protocol, "SSL_CIPHER": sock.cipher()[0],
                "SSL_SESSION_RESUMED": "Initial"}
        assert shown(sock) == want | ({"SSL_TLS_SNI_SERVERNAME": host} if host else {})


@pytest.mark.parametrize("host", [b"a_b", b"a b", b"$(id)", b"a\nSSL_CLIENT_VERIFY=SUCCESS", b"../x",
                                  "ä".encode(), b"a=b"])
def test_names_that_are_none(behind_it, host):
    """A name that no host can have comes into no environment."""
    with behind_it(SHOW) as daemon, daemon.connect("program") as sock:
        client = Client(sock, host).begin()
        assert b"".join(iter(client.hear, b"")) == \
            b"SSL_CIPHER=TLS_CHACHA20_POLY1305_SHA256\nSSL_PROTOCOL=TLSv1.3\n" \
            b"SSL_SESSION_RESUMED=Initial\n"


def test_plain_entry_beside_it(tcpd, www, authority, tmp_path):
    """Nothing of the kind at the same service's plain entry, not even what the daemon itself has."""
    script = write_script(tmp_path / "show", SHOW)
    conf = www.section() + configuration(
        behind("program", program=[script], listen=["127.0.0.1:0", "tls:127.0.0.1:0"], **ONE))
    forged = {"SSL_PROTOCOL": "forged", "SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=root"}
    with tcpd(conf, env=forged) as daemon:
        addresses = {text.rpartition(":")[0]: int(text.rpartition(":")[2])
                     for text in daemon.addresses["program"]}
        assert set(addresses) == {"127.0.0.1", "tls:127.0.0.1"}
        for _ in range(2):  # the second after a session of the other kind
            with socket.create_connection(("127.0.0.1", addresses["127.0.0.1"])) as sock:
                assert shown(sock) == {}
            with socket.create_connection(("127.0.0.1", addresses["tls:127.0.0.1"])) as plain, \
                    context(authority).wrap_socket(plain, server_hostname="localhost") as sock:
                assert set(shown(sock)) == {"SSL_PROTOCOL", "SSL_CIPHER", "SSL_SESSION_RESUMED",
                                            "SSL_TLS_SNI_SERVERNAME"}


def test_prestart_has_none(behind_it, authority):
    """A program that is there before its client."""
    with behind_it("read -r go; " + SHOW, program_mode="prestart") as daemon, \
            dial(daemon, "program", context(authority)) as sock:
        sock.sendall(b"go\n")
        assert shown(sock) == {}


def test_descriptors_of_a_program(behind_it, authority):
    """It has no socket of the client's, and nothing else of its worker."""
    show = """
        import os, socket, sys
        fds = sorted(map(int, os.listdir("/proc/self/fd")))[:-1]
        name = socket.socket(fileno=os.dup(0)).getsockname()
        sys.stdout.write(f"{fds} {name!r}\\n")
    """
    with behind_it(show, write_python) as daemon, dial(daemon, "program", context(authority)) as sock:
        assert read_all(sock) == b"[0, 1, 2] ''\n"


# --- Bytes ---------------------------------------------------------------------------------------

def test_standard_error(behind_it, authority):
    """It goes to the log, under the client's name, and not into the connection."""
    with behind_it("echo what was wrong >&2; echo answer") as daemon, \
            dial(daemon, "program", context(authority)) as sock:
        assert read_all(sock) == b"answer\n"
        daemon.wait_log(said("what was wrong", re.escape(peer_name(sock))))


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("mode", ["connection", "prestart"])
def test_much_both_ways(behind_it, authority, version, mode):
    """8 MiB each way at once."""
    with behind_it("exec cat", program_mode=mode) as daemon, \
            dial(daemon, "program", context(authority, version=version)) as sock:
        got = both_ways(sock, MUCH)
        assert got == MUCH
        peer = peer_name(sock)
        sock.unwrap()
        sock.close()
        found = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
        assert f"{len(MUCH)} bytes in, {len(MUCH)} bytes out" in found.string


def test_a_program_that_reads_late(behind_it, authority):
    """What it does not take waits at the client's, not in the worker's memory."""
    with behind_it("sleep 0.5; wc -c") as daemon:
        assert int(half_closed(daemon, "program", context(authority), MUCH)) == len(MUCH)


def test_its_output_ends_first(behind_it):
    """close_notify for what it has said, while the client goes on to send."""
    script = """
        import os, socket, sys
        its = socket.socket(fileno=0)
        its.sendall(b"all of it\\n")
        its.shutdown(socket.SHUT_WR)
        n = 0
        while data := its.recv(65536):
            n += len(data)
        print(f"{n} more", file=sys.stderr)
    """
    with behind_it(script, write_python) as daemon, daemon.connect("program") as sock:
        client = Client(sock).begin()
        assert client.hear() == b"all of it\n"
        assert client.record() == (ALERT, CLOSE_NOTIFY)
        for _ in range(3):
            client.say(b"hello")
        client.send(ALERT, CLOSE_NOTIFY)
        sock.shutdown(socket.SHUT_WR)
        daemon.wait_log(said("15 more", re.escape(peer_name(sock))))


# --- Ends ----------------------------------------------------------------------------------------

def test_a_program_that_is_killed(behind_it, authority):
    """Whatever it had said comes; the log says how it ended, and the worker serves the next one."""
    with behind_it('echo half; read -r go; kill -9 $$') as daemon:
        for _ in range(3):
            with dial(daemon, "program", context(authority)) as sock:
                assert sock.recv(100) == b"half\n"
                sock.sendall(b"go\n")
                assert read_all(sock) == b""
                daemon.wait_log(ended(peer_name(sock), r"killed by signal 9 \(KILL\)",
                                      "program failed"))
        assert len(daemon.workers()) == 1


@pytest.mark.parametrize("how", ["reset", "broken", "alert"])
def test_a_client_that_is_gone(behind_it, how):
    """In the middle of an answer: its program is ended, and nothing of it stays."""
    with behind_it('echo "$$"; exec cat /dev/zero') as daemon:
        [worker] = daemon.workers()
        clean = Cleanliness(worker)
        with daemon.connect("program", rcvbuf=4096) as sock:
            client = Client(sock).begin()
            pid = int(client.hear().split(b"\n")[0])
            if how == "reset":
                reset(sock)
            elif how == "alert":
                client.send(ALERT, b"\x02\x50")  # internal_error
            else:
                client.raw(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            wait_for(lambda: proc_state(pid) in (None, "Z"))
        clean.wait()
        assert daemon.workers() == [worker]


def test_a_session_without_time(behind_it, authority):
    """The limits of a session are those of its plain bytes; its end is said."""
    with behind_it("exec cat", session_timeout="400ms") as daemon, \
            dial(daemon, "program", context(authority)) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert sock.recv(1) == b""  # else SSLEOFError
        daemon.wait_log("closed: session timeout .session_timeout = 400ms.")


def test_no_program_for_a_failed_handshake(behind_it, tmp_path):
    """Who does not come in starts nothing."""
    ran = tmp_path / "ran"
    with behind_it(f'echo >>{ran}; echo "$SSL_PROTOCOL"') as daemon:
        with daemon.connect("program") as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            daemon.wait_log(r"closed: tls failed \(http request\)")
        with daemon.connect("program") as sock:
            assert Client(sock).begin().hear() == b"TLSv1.3\n"
        assert ran.read_text() == "\n"
