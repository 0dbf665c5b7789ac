# SPDX-License-Identifier: MIT
"""Services behind a proxy: every vector of tests/unit/proxy_vectors.h over real sockets, who may send
a header, what handlers, programs and the log know of the client, and what tcpd.conf may say."""

import contextlib
import platform
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from certificates import Authority
from harness import (EX_CONFIG, PATIENCE, STAGED, Text, can_trace, configuration, peer_name, read_all,
                     read_exactly, reset, run, service, wait_for)
from module_files import module
from programs import program
from proxy_peer import v1, v2, vectors
from tls_peer import behind, context
from ws_peer import TEXT, Peer, request_of

sys.path.append(str(Path(__file__).parents[1] / "control"))
from test_tcpdctl import Control  # noqa: E402 (after the path)

CLIENT, TARGET = ("192.0.2.1", 40000), ("198.51.100.2", 443)
V1, V2, LOCAL = v1(CLIENT, TARGET), v2(CLIENT, TARGET), v2(command=0)
HERE = {"proxy_protocol": "required", "proxy_trusted": ["127.0.0.1"]}
BOTH = {"proxy_protocol": "trusted", "proxy_trusted": ["127.0.0.1"]}
PAYLOAD = b"PROXY TCP4 9.9.9.9 9.9.9.9 1 2\r\n"  # V26: a second header is none
VECTORS = {name: rest for name, *rest in vectors()}
V9, V29 = VECTORS["V9"][0], VECTORS["V29"][0]  # of clients with IPv6


def say(sock, data):
    """Sends data and the end of it; all that comes back."""
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    return read_all(sock)


def is_reset(sock, data=b"", end=False):
    """Whether the daemon answers that with a reset, and not a byte."""
    try:
        if data:  # sending nothing would meet the reset as well
            sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        return sock.recv(1) is None
    except (BrokenPipeError, ConnectionResetError):
        return True


def is_refused(daemon, source, name="echo", data=b""):
    """The same of a client at that address, which may be reset before its connect() is over."""
    try:
        with daemon.connect(name, source=(source, 0)) as sock:
            return is_reset(sock, data)
    except ConnectionResetError:
        return True


def ends_of(sock):
    """The names of both ends; to be asked for before the far one resets it."""
    return peer_name(sock), "%s:%d" % sock.getpeername()


def whom(want, ends):
    """The line of tests/modules/whom.c for what is wanted of a vector."""
    kind, _, rest = want.partition(" ")
    own, far = ends
    if kind in ("local", "unknown"):
        return f"{own} {far} {own}"
    client, destination, *facts = rest.split(" ")
    names = {"authority": "SSL_TLS_SNI_SERVERNAME", "tls_version": "SSL_PROTOCOL",
             "tls_cipher": "SSL_CIPHER", "tls_name": "SSL_PEER_CERT_CN"}
    said = dict(fact.split("=") for fact in facts)
    facts = "".join(f" {names[name]}={said[name]}" for name in
                    ("tls_version", "tls_cipher", "authority", "tls_name") if name in said)
    return f"{client} {destination} {own}{facts}"


# --- The vectors -------------------------------------------------------------------------------

@pytest.fixture
def behind_proxy(tcpd, tmp_path):
    with tcpd(configuration(module(tmp_path, "whom", **HERE))) as daemon:
        yield daemon


def what_comes(daemon, data, want, length):
    """What the handler says, and what it should say, for one vector."""
    with daemon.connect("whom") as sock:
        if want.startswith("bad "):
            return (is_reset(sock, data), True)
        ends = ends_of(sock)
        said, _, rest = say(sock, data + PAYLOAD).partition(b"\n")
        return (said.decode(), rest), (whom(want, ends), data[length:] + PAYLOAD)


def test_vectors(behind_proxy):
    """R17, R19 to R22: what was announced, and every byte behind the header, to the handler; or a reset
    at once."""
    for name, vector in VECTORS.items():
        came, wanted = what_comes(behind_proxy, *vector)
        assert came == wanted, name


@pytest.mark.parametrize("name", ["V1", "V28", "V54"])
def test_a_byte_at_a_time(behind_proxy, name):
    """R17, V24, V62: each byte in a segment of its own."""
    data, want, _ = VECTORS[name]
    with behind_proxy.connect("whom") as sock:
        ends = ends_of(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.001)  # segments of their own are meant
        answer = say(sock, PAYLOAD).partition(b"\n")
        assert (answer[0].decode(), answer[2]) == (whom(want, ends), PAYLOAD)


def test_own_end(behind_proxy):
    """R19, V27: a sender that announces its own end speaks for itself."""
    with behind_proxy.connect("whom") as sock:
        ends = ends_of(sock)
        answer = say(sock, v1(sock.getsockname(), TARGET))
        assert answer.decode() == whom("local", ends) + "\n"


# --- Who may send one --------------------------------------------------------------------------

def test_second_header(tcpd):
    """R21: it is the client's, and payload: nobody behind a proxy gives himself another address."""
    first, second = (b"PROXY TCP4 192.0.2.%d 198.51.100.2 40000 443\r\n" % i for i in (1, 2))
    with tcpd(configuration(service("echo", **HERE), log_sessions="all")) as daemon:
        assert daemon.exchange("echo", first + second + b"abc") == second + b"abc"
        daemon.wait_log(r"connection from 192\.0\.2\.1:40000 through ")
        assert not daemon.log_matches(r"192\.0\.2\.2")


def test_required_and_not_trusted(tcpd):
    """R18, V64: reset, whatever it sends, and nothing read."""
    with tcpd(configuration(service("echo", **HERE))) as daemon:
        assert is_refused(daemon, "127.0.0.2")
        daemon.wait_log(r"echo: connection from 127\.0\.0\.2:\d+ refused: .*proxy_trusted")
        assert daemon.exchange("echo", V1 + b"abc") == b"abc"


def test_trusted_and_others(tcpd):
    """V64: of another one it is payload, and nobody waits for it."""
    with tcpd(configuration(service("echo", **BOTH))) as daemon:
        assert daemon.exchange("echo", V2 + b"abc", source=("127.0.0.2", 0)) == V2 + b"abc"
        assert daemon.exchange("echo", b"", source=("127.0.0.2", 0)) == b""
        assert daemon.exchange("echo", V2 + b"abc") == b"abc"
        with daemon.connect("echo") as sock:
            assert is_reset(sock, b"GET / HTTP/1.1\r\n")


def test_mapped(tcpd):
    """V65: a dual-stack socket sees ::ffff:127.0.0.1, and the list has 127.0.0.1."""
    with tcpd(configuration(service("echo", listen="*:0", **HERE))) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.ports["echo"]), PATIENCE) as sock:
            assert say(sock, V1 + b"abc") == b"abc"


@pytest.mark.parametrize("version, data, taken", [
    ("v1", V1, True), ("v1", V2, False), ("v2", V2, True), ("v2", V1, False), ("v1", LOCAL, False)])
def test_version(tcpd, version, data, taken):
    """V63."""
    with tcpd(configuration(service("echo", **HERE, proxy_version=version))) as daemon:
        if taken:
            assert daemon.exchange("echo", data + b"abc") == b"abc"
            return
        with daemon.connect("echo") as sock:
            assert is_reset(sock, data + b"abc")
        daemon.wait_log(r"connection from 127\.0\.0\.1:\d+ refused: a version that is not taken: ")


def test_unknown_refused(tcpd):
    """R20: which is accepted otherwise."""
    with tcpd(configuration(service("echo", **HERE, proxy_unknown="refuse"))) as daemon:
        with daemon.connect("echo") as sock:
            assert is_reset(sock, b"PROXY UNKNOWN\r\nabc")
        daemon.wait_log(r"127\.0\.0\.1:\d+ refused: a PROXY header that names no client")
        assert daemon.exchange("echo", LOCAL + b"abc") == b"abc"


# --- Rules -------------------------------------------------------------------------------------

def test_rules_are_about_the_client(tcpd):
    """Not about the sender; one that speaks for itself was judged by proxy_trusted."""
    conf = configuration(service("echo", **HERE, deny=["192.0.2.0/24", "127.0.0.0/8"]))
    with tcpd(conf) as daemon:
        with daemon.connect("echo") as sock:
            assert is_reset(sock, V2 + b"abc")
        daemon.wait_log(r"echo: connection from 192\.0\.2\.1:40000 through 127\.0\.0\.1:\d+ refused: "
                        r"deny 192\.0\.2\.0/24")
        other = v2(("203.0.113.7", 1), TARGET)
        assert daemon.exchange("echo", other + b"abc") == b"abc"
        assert daemon.exchange("echo", LOCAL + b"abc") == b"abc"
        assert daemon.exchange("echo", b"PROXY UNKNOWN\r\nabc") == b"abc"


def test_rules_of_those_who_send_none(tcpd):
    conf = configuration(service("echo", **BOTH, allow=["192.0.2.0/24"]))
    with tcpd(conf) as daemon:
        assert daemon.exchange("echo", V2 + b"abc") == b"abc"
        assert is_refused(daemon, "127.0.0.2")


# --- Time --------------------------------------------------------------------------------------

def test_nothing_comes(tcpd):
    """V23, R24: the log says what it most likely is."""
    with tcpd(configuration(service("echo", **HERE, proxy_timeout="3s"))) as daemon:
        start = time.monotonic()
        with daemon.connect("echo") as sock:
            assert is_reset(sock)
        assert 2.9 < time.monotonic() - start < 3 + PATIENCE / 2
        daemon.wait_log(r"echo: connection from 127\.0\.0\.1:\d+ refused: no PROXY header within 3s "
                        r"\(an AWS NLB .* on_first_ack\)")


def test_a_byte_now_and_then(tcpd):
    """R23, V23: bytes do not extend it."""
    with tcpd(configuration(service("echo", **HERE, proxy_timeout="3s"))) as daemon:
        start = time.monotonic()
        with daemon.connect("echo") as sock, contextlib.suppress(OSError):
            for byte in V1:
                sock.sendall(bytes([byte]))
                sock.settimeout(0.4)
                with contextlib.suppress(TimeoutError):
                    assert sock.recv(1) is None, "an answer"
        assert 2.9 < time.monotonic() - start < 3 + PATIENCE / 2
        daemon.wait_log("no PROXY header within 3s, only the beginning of one")


def test_first_byte_timeout_begins_behind_it(tcpd):
    with tcpd(configuration(service("echo", **HERE, first_byte_timeout="500ms"))) as daemon:
        with daemon.connect("echo") as sock:
            time.sleep(1)  # longer than it: the header has a time of its own
            sock.sendall(V1 + b"abc")
            assert read_exactly(sock, 3) == b"abc"


# --- What is said of it ------------------------------------------------------------------------

def test_log_names_both(tcpd):
    """R25."""
    with tcpd(configuration(service("echo", **HERE), log_sessions="all")) as daemon:
        with daemon.connect("echo") as sock:
            assert say(sock, V2 + b"abc") == b"abc"
            both = f"192.0.2.1:40000 through {peer_name(sock)}"
        daemon.wait_log(f"echo: connection from {re.escape(both)}$")
        closed = daemon.wait_log(Text.closed("echo", both))
        assert (closed["result"], closed["bytes_in"], closed["bytes_out"]) == ("ok", "3", "3")


@pytest.mark.parametrize("addresses, client, sender", [
    ("masked", "192.0.2.0:0", "127.0.0.0:0"), ("none", "-", None)])
def test_log_hides_both(tcpd, addresses, client, sender):
    conf = configuration(service("echo", **HERE), log_sessions="all", log_addresses=addresses)
    with tcpd(conf) as daemon:
        assert daemon.exchange("echo", V2 + b"abc") == b"abc"
        through = f" through {sender}" if sender else ""
        daemon.wait_log(f"echo: connection from {re.escape(client + through)} closed: ok")
        assert "192.0.2.1" not in daemon.log_text()


def test_what_is_no_header(tcpd):
    """In numbers, and of one sender once in a while."""
    with tcpd(configuration(service("echo", **HERE))) as daemon:
        for _ in range(20):
            with daemon.connect("echo") as sock:
                assert is_reset(sock, b"GET / HTTP/1.1\r\n\r\n")
        daemon.wait_log(r"echo: connection from 127\.0\.0\.1:\d+ refused: not a PROXY header: 47 45 54 20")
        assert daemon.exchange("echo", V1 + b"abc") == b"abc"
        assert len(daemon.log_matches("not a PROXY header")) == 1


def test_checks_are_not_said(tcpd):
    """V22, V66: a check that connects and closes or resets, and one that says so."""
    with tcpd(configuration(service("echo", **HERE))) as daemon:
        before = len(daemon.log.items)
        for i in range(100):
            sock = daemon.connect("echo")
            if i % 3 == 0:
                sock.sendall(LOCAL)
            if i % 2 == 0:
                reset(sock)
            else:
                sock.close()
        assert daemon.exchange("echo", V1 + b"abc") == b"abc"
        assert daemon.stop() == 0
        assert not [line for line in daemon.log.items[before:] if "refused" in line or "closed" in line]


def test_end_in_the_middle(tcpd):
    with tcpd(configuration(service("echo", **HERE))) as daemon:
        with daemon.connect("echo") as sock:
            assert is_reset(sock, b"PROXY TCP4 192", end=True)
        daemon.wait_log("refused: the sender has ended within its PROXY header")


@pytest.mark.skipif(STAGED, reason="the module takes a piece for a word")
def test_death_names_both(tcpd, tmp_path):
    with tcpd(configuration(module(tmp_path, "whom", **HERE))) as daemon:
        with daemon.connect("whom") as sock, contextlib.suppress(OSError):
            own = peer_name(sock)
            sock.sendall(V1)
            said = b""
            while not said.endswith(b"\n"):
                said += sock.recv(100)
            sock.sendall(b"crash\n")
            read_all(sock)
        daemon.wait_log(rf"serving 192\.0\.2\.1:40000 through {re.escape(own)}")


# --- Programs ----------------------------------------------------------------------------------

SAY = ("/bin/sh", "-c", 'env | grep -E "^(PROTO|TCP|REMOTE|UNIX|SSL)" | sort; exec cat')


def variables(answer):
    return dict(line.split("=", 1) for line in answer.decode().splitlines() if "=" in line)


def test_environment(tcpd):
    """As S6 has it, and through whom; V25: what came with the header is the program's."""
    conf = configuration(program(SAY, **HERE), log_sessions="all")
    tls = VECTORS["V56"][0]
    with tcpd(conf) as daemon:
        with daemon.connect("program") as sock:
            answer = say(sock, tls + b"payload\n")
            own = sock.getsockname()
            name = peer_name(sock)
        found = variables(answer)
        assert answer.endswith(b"payload\n")
        assert found == {
            "PROTO": "TCP", "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEPORT": "40000",
            "REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "40000", "TCPLOCALIP": "198.51.100.2",
            "TCPLOCALPORT": "443", "TCPPROXYIP": own[0], "TCPPROXYPORT": str(own[1]),
            "SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_256_GCM_SHA384",
            "SSL_PEER_CERT_CN": "example.com"}
        closed = daemon.wait_log(Text.closed("program", f"192.0.2.1:40000 through {name}"))
        assert (closed["bytes_in"], closed["bytes_out"]) == ("8", str(len(answer)))


def test_environment_of_local(tcpd):
    with tcpd(configuration(program(SAY, **HERE))) as daemon:
        with daemon.connect("program") as sock:
            found = variables(say(sock, LOCAL))
            own = sock.getsockname()
        assert (found["TCPREMOTEIP"], found["TCPREMOTEPORT"]) == (own[0], str(own[1]))
        assert (found["TCPPROXYIP"], found["TCPPROXYPORT"]) == (own[0], str(own[1]))


@pytest.mark.plain("a program has a socket of its own")
@pytest.mark.parametrize("end", [socket.socket.close, reset])
@pytest.mark.parametrize("data", [b"", b"abc"])
@pytest.mark.parametrize("header", [LOCAL, V1, V2], ids=["local", "v1", "v2"])
def test_bytes_of_a_program(header, data, end):
    """Neither the header nor the client's end or reset counts, in the log or in the totals."""
    conf = configuration(program(["/bin/sh", "-c", "echo; exec cat >/dev/null"], **HERE), log_sessions="all")
    with Control(conf) as control:
        sock = control.daemon.connect("program")
        sock.sendall(header)
        assert read_exactly(sock, 1) == b"\n"
        sock.sendall(data)
        end(sock)
        control.daemon.wait_log(rf"closed: .*\b{len(data)} bytes in, ")
        [line] = [line for line in control.run("metrics")[1].splitlines()
                  if line.startswith("tcpd_received_bytes_total")]
        assert line.endswith(f" {len(data)}")


def test_prestart(tcpd):
    """A program that runs before its client is there has the bytes behind the header."""
    conf = configuration(program(("/bin/cat",), program_mode="prestart", **HERE))
    with tcpd(conf) as daemon:
        assert daemon.exchange("program", V1 + PAYLOAD) == PAYLOAD


@pytest.mark.plain("a program has a socket of its own")
def test_a_program_inherits_no_time(tcpd):
    """The socket blocks for as long as ever behind a header that came late."""
    code = ("import socket, struct; s = socket.socket(fileno=0); "
            "print(struct.unpack('ll', s.getsockopt(1, socket.SO_RCVTIMEO, 16)), "
            "s.getsockopt(1, socket.SO_RCVLOWAT), flush=True)")
    with tcpd(configuration(program(("/usr/bin/python3", "-c", code), **HERE))) as daemon:
        with daemon.connect("program") as sock:
            sock.sendall(V1[:20])
            time.sleep(0.1)  # it has to wait for the rest
            assert say(sock, V1[20:]) == b"(0, 0) 1\n"


# --- Unix sockets (V67) ------------------------------------------------------------------------

UNIX = {"proxy_protocol": "required", "proxy_trusted": ["unix"]}


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_unix_echo(tcpd, tmp_path, transfer):
    data = bytes(range(256)) * 4096
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/s", transfer=transfer, **UNIX))
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        sock.sendall(V1)
        for at in range(0, len(data), 65536):
            sock.sendall(data[at:at + 65536])
            got = b""
            while len(got) < 65536:
                got += sock.recv(65536)
            assert got == data[at:at + 65536]


def test_unix_program(tcpd, tmp_path):
    conf = configuration(program(SAY, listen=f"unix:{tmp_path}/s", **UNIX), log_sessions="all")
    with tcpd(conf) as daemon:
        found = variables(daemon.exchange("program", V1 + b"x"))
        daemon.wait_log("program: connection from 192.0.2.1:40000 through unix: closed: ok")
    assert found["PROTO"] == "TCP" and found["TCPREMOTEIP"] == "192.0.2.1"
    assert found["TCPLOCALIP"] == "198.51.100.2" and "UNIXPROXYUID" in found
    assert "TCPPROXYIP" not in found and "UNIXREMOTEEUID" not in found


# A command whose processes have no IPv6: no socket of it, and no address.
NO_IPV6 = """
import ctypes, errno, os, socket, struct, sys
BPF_LD, BPF_JEQ, BPF_RET = 0x20, 0x15, 0x06  # linux/filter.h
NR, ARG0 = 0, 16  # struct seccomp_data
code = [(BPF_LD, 0, 0, NR), (BPF_JEQ, 0, 3, int(sys.argv[1])), (BPF_LD, 0, 0, ARG0),
        (BPF_JEQ, 0, 1, socket.AF_INET6), (BPF_RET, 0, 0, 0x50000 | errno.EAFNOSUPPORT),
        (BPF_RET, 0, 0, 0x7FFF0000)]
table = b"".join(struct.pack("=HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(table)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"""
NR_SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())


@pytest.mark.skipif(not NR_SOCKET, reason="the number of socket(2) is not known here")
@pytest.mark.parametrize("header, client", [(V29, "[2001:db8::1]:40000"), (V9, "[::1]:1")],
                         ids=["v2", "v1"])
def test_without_ipv6(tcpd, tmp_path, header, client):
    """V61: a proxy may announce a client of IPv6 where there is no IPv6."""
    prefix = [sys.executable, "-c", NO_IPV6, str(NR_SOCKET)]
    conf = configuration(program(SAY, listen=f"unix:{tmp_path}/s", **UNIX), log_sessions="all")
    probe = "import socket; socket.socket(socket.AF_INET6)"
    done = subprocess.run([*prefix, sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert "Address family not supported" in done.stderr
    with tcpd(conf, prefix=prefix) as daemon:
        found = variables(daemon.exchange("program", header + b"x"))
        daemon.wait_log(f"program: connection from {re.escape(client)} through unix: closed: ok")
    assert f"[{found['TCPREMOTEIP']}]:{found['TCPREMOTEPORT']}" == client


def test_unix_module(tcpd, tmp_path):
    path = tmp_path / "s"
    with tcpd(configuration(module(tmp_path, "whom", listen=f"unix:{path}", **UNIX))) as daemon:
        assert daemon.exchange("whom", V2 + b"abc") == \
            b"192.0.2.1:40000 198.51.100.2:443 unix:\nabc"
        assert daemon.exchange("whom", LOCAL + b"abc") == b"unix: unix: unix:\nabc"


# --- Below other protocols ---------------------------------------------------------------------

def test_below_tls(tcpd, tmp_path):
    """The header is the socket's first bytes; the handshake comes behind it."""
    authority = Authority(tmp_path)
    conf = authority.leaf("www").section() + configuration(behind("echo", **HERE),
                                                           log_sessions="all")
    with tcpd(conf) as daemon:
        for header in (V1, V2):
            with daemon.connect("echo") as plain:
                plain.sendall(header)
                with context(authority).wrap_socket(plain, server_hostname="localhost") as sock:
                    sock.sendall(b"abc")
                    assert read_exactly(sock, 3) == b"abc"
        daemon.wait_log("echo: connection from 192.0.2.1:40000 through 127.0.0.1")
        with daemon.connect("echo") as sock:  # a client that is no proxy
            assert is_reset(sock, b"\x16\x03\x01\x02\x00\x01")


def test_below_websocket(tcpd, tmp_path):
    conf = configuration(module(tmp_path, "whom", listen="ws:127.0.0.1:0", ws_messages="text", **HERE))
    with tcpd(conf) as daemon:
        sock = daemon.connect("whom")
        sock.sendall(V2)
        with Peer(sock, request_of()).opened() as peer:
            frame = peer.frame()
        assert frame.opcode == TEXT
        assert frame.payload.startswith(b"192.0.2.1:40000 198.51.100.2:443 127.0.0.1:")


# --- The cost ----------------------------------------------------------------------------------

@pytest.mark.plain("its calls are others")
@pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")
def test_two_calls(tcpd, tmp_path):
    """A header in one segment with the payload is two system calls: a look, and the taking."""
    one = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
    calls = {}
    for name, options, header in (("off", {}, b""), ("on", HERE, V2)):
        trace = tmp_path / name
        prefix = ["strace", "-e", "trace=!futex", "-D", "-ff", "-o", str(trace)]
        with tcpd(configuration(service("echo", **one, **options)), prefix=prefix,
                  env={"ASAN_OPTIONS": "detect_leaks=0"}) as daemon:
            worker = daemon.workers("echo")[0]
            for _ in range(2):
                with daemon.connect("echo") as first:  # so that all is there when it is accepted
                    first.sendall(header + b"x")
                    assert read_exactly(first, 1) == b"x"
                    sock = daemon.connect("echo")
                    sock.sendall(header + b"abc")
                with sock:
                    assert read_exactly(sock, 3) == b"abc"
                    sock.shutdown(socket.SHUT_WR)
                    assert sock.recv(1) == b""
            daemon.stop()
        lines = (tmp_path / f"{name}.{worker}").read_text().splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("accept4(")]
        calls[name] = [line.partition("(")[0] for line in lines[at[3]:at[4]]]
    assert sorted(calls["on"]) == sorted([*calls["off"], "recvfrom", "recvfrom"])


# --- tcpd.conf ---------------------------------------------------------------------------------

WRONG = {
    "no senders": ({"proxy_protocol": "required"}, "needs proxy_trusted"),
    "no protocol": ({"proxy_trusted": ["127.0.0.1"]}, "needs proxy_protocol"),
    "a timeout alone": ({"proxy_timeout": "5s"}, "needs proxy_protocol"),
    "short": ({**HERE, "proxy_timeout": "1s"}, "proxy_timeout.*between 3s and 60s"),
    "endless": ({**HERE, "proxy_timeout": "0"}, "proxy_timeout.*between 3s and 60s"),
    "long": ({**HERE, "proxy_timeout": "2min"}, "proxy_timeout.*between 3s and 60s"),
    "a version": ({**HERE, "proxy_version": "v3"}, "proxy_version.*any, v1"),
    "a name": ({"proxy_protocol": "required", "proxy_trusted": ["localhost.example"]},
               "proxy_trusted"),
    "bits": ({"proxy_protocol": "required", "proxy_trusted": ["10.0.0.1/8"]}, "10.0.0.0/8"),
    "datagrams": ({**HERE, "listen": "udp:127.0.0.1:0"}, "proxy_protocol.*streams"),
    "packets": ({**HERE, "listen": "unix-seqpacket:/tmp/nowhere"}, "proxy_protocol.*streams"),
    "unix among rules": ({"allow": ["unix"]}, "allow.*unix"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings(name):
    options, words = WRONG[name]
    status, _, said = run("-t", conf=configuration(service("echo", **options)))
    assert status == EX_CONFIG
    assert re.search(rf"tcpd\.conf:\d+: .*{words}", said), said
    assert said.count("\n") <= 1, said


def test_listener_mode():
    conf = configuration(program(("/bin/cat",), program_mode="listener", **HERE))
    status, _, said = run("-t", conf=conf)
    assert status == EX_CONFIG and re.search(r"proxy_protocol.*accepts its clients by itself", said)


def test_everybody_is_trusted():
    """A warning: anybody could say to be anybody."""
    options = {**HERE, "proxy_trusted": ["any"]}
    status, _, said = run("-t", conf=configuration(service("echo", **options)))
    assert status == 0 and re.search(r"proxy_trusted of service .* has any: whoever", said), said


# --- Reload ------------------------------------------------------------------------------------

def test_reload(tcpd):
    """New senders count from then on."""
    with tcpd(configuration(service("echo", **HERE))) as daemon:
        daemon.reload(configuration(service("echo", proxy_protocol="required",
                                            proxy_trusted=["127.0.0.2"])))
        assert is_refused(daemon, "127.0.0.1", data=V1)
        assert daemon.exchange("echo", V1 + b"abc", source=("127.0.0.2", 0)) == b"abc"


def test_stop_during_a_header(tcpd):
    """A sender that has said nothing does not hold the stop up for longer than proxy_timeout."""
    with tcpd(configuration(service("echo", **HERE, proxy_timeout="60s"),
                            stop_idle_timeout="1s")) as daemon:
        with daemon.connect("echo") as sock:
            daemon.worker_serving(sock)
            start = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - start < PATIENCE


def test_run(tcpd):
    """On a command line; once for each proxy."""
    args = ["run", "--proxy", "127.0.0.1", "--proxy", "127.0.0.3", "-l", "127.0.0.1:0", "--", "cat"]
    with tcpd(None, args=args) as daemon:
        for source in ("127.0.0.1", "127.0.0.3"):
            assert daemon.exchange("cat", V2 + b"abc", source=(source, 0)) == b"abc"
        assert is_refused(daemon, "127.0.0.2", "cat")


def test_counters():
    """Each refusal by its reason, and checks, which are none."""
    with Control(configuration(service("echo", **HERE, deny=["192.0.2.0/24"]))) as control:
        daemon = control.daemon
        for _ in range(3):
            assert daemon.exchange("echo", LOCAL) == b""
        with daemon.connect("echo") as sock:
            assert is_reset(sock, V1)
        for _ in range(2):
            with daemon.connect("echo") as sock:
                assert is_reset(sock, b"x")
        assert is_refused(daemon, "127.0.0.2")
        with daemon.connect("echo") as sock:  # a check of the connection alone
            sock.shutdown(socket.SHUT_WR)
            assert is_reset(sock)
        wants = {"refused_rule": 1, "refused_header": 2, "refused_sender": 1, "refused": 4,
                 "proxy_local": 3}
        wait_for(lambda: {name: control.pool()[name] for name in wants} == wants,
                 what=lambda: control.pool())
