# SPDX-License-Identifier: MIT
"""tcpc --proxy-protocol: the header that it sends, at listeners made here, which read it by hand."""

import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from certificates import Authority
from harness import BUILD, PATIENCE
from proxy_peer import read_one

TCPC = BUILD / "tcpc"
DONE, USAGE = 0, 2


class Server:
    """Takes one connection; serve(connection, peer) in a thread, and what that returns."""

    def __init__(self, serve, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.serve, self.got, self.failure = serve, None, None
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        self.name = self.listener.getsockname()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            connection, peer = self.listener.accept()
            connection.settimeout(PATIENCE)
            with connection:
                self.got = self.serve(connection, peer)
        except Exception as failure:  # told by the test's own thread
            self.failure = failure

    def result(self):
        self.thread.join(PATIENCE)
        self.listener.close()
        assert not self.thread.is_alive()
        if self.failure:
            raise self.failure
        return self.got


def tcpc(*arguments, data=b"", prefix=()):
    return subprocess.run([*prefix, TCPC, *map(str, arguments)], input=data, capture_output=True,
                          timeout=PATIENCE, check=False)


def echo_behind(connection, peer):
    """One header, then all that comes goes back."""
    header = read_one(connection)
    while data := connection.recv(65536):
        connection.sendall(data)
    return header, peer


def ask(server, *options, data=b"hello"):
    host, port = server.name[:2]
    process = tcpc(*options, host, port, data=data)
    assert (process.returncode, process.stdout, process.stderr) == (DONE, data, b"")
    return server.result()


@pytest.mark.parametrize("kind, family", [("v1", "TCP4"), ("v2", "0x11")])
def test_own_addresses(kind, family):
    """Without more it says what the socket says."""
    server = Server(echo_behind)
    header, peer = ask(server, "--proxy-protocol", kind)
    assert header == (f"{kind} {family}", peer, server.name, [])


@pytest.mark.parametrize("kind, family", [("v1", "TCP6"), ("v2", "0x21")])
def test_own_addresses_of_ipv6(kind, family):
    server = Server(echo_behind, socket.AF_INET6, ("::1", 0))
    header, peer = ask(server, "--proxy-protocol", kind)
    assert header == (f"{kind} {family}", peer[:2], server.name[:2], [])


@pytest.mark.parametrize("source, destination, v1, v2, ends", [
    ("192.0.2.1:40000", "198.51.100.2:443", "TCP4", "0x11",
     (("192.0.2.1", 40000), ("198.51.100.2", 443))),
    ("[2001:db8::1]:0", "[2001:db8::2]:65535", "TCP6", "0x21",
     (("2001:db8::1", 0), ("2001:db8::2", 65535))),
    ("192.0.2.1:1", "[2001:db8::2]:2", "TCP6", "0x21",  # haproxy#2963
     (("::ffff:192.0.2.1", 1), ("2001:db8::2", 2))),
])
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_given_addresses(kind, source, destination, v1, v2, ends):
    header, _ = ask(Server(echo_behind), "--proxy-protocol", kind, "--proxy-source", source,
                    "--proxy-destination", destination)
    said = (header[1][0].replace("::ffff:c000:201", "::ffff:192.0.2.1"), header[1][1])
    assert (header[0], said, header[2]) == (f"{kind} {v1 if kind == 'v1' else v2}", *ends)


def test_one_end_is_given():
    server = Server(echo_behind)
    header, _ = ask(server, "--proxy-protocol", "v2", "--proxy-source", "192.0.2.1:7")
    assert header == ("v2 0x11", ("192.0.2.1", 7), server.name, [])


@pytest.mark.parametrize("kind", ["local", "unknown"])
def test_without_a_client(kind):
    header, _ = ask(Server(echo_behind), "--proxy-protocol", kind)
    assert header == (kind, None, None, [])


@pytest.mark.parametrize("kind", ["v2", "local"])
def test_fields(kind):
    """The checksum comes first and is right: read_one() says if it is not."""
    header, _ = ask(Server(echo_behind), "--proxy-protocol", kind, "--proxy-tlv",
                    "0x02=example.org", "--proxy-crc", "--proxy-tlv", "0xEA=")
    crc, *others = header[3]
    assert crc[0] == 3 and len(crc[1]) == 4
    assert others == [(0x02, b"example.org"), (0xEA, b"")]


def test_unix(tmp_path):
    """A path has no port, and version 2 alone has paths."""
    path = str(tmp_path / "s")
    server = Server(echo_behind, socket.AF_UNIX, path)
    process = tcpc("--proxy-protocol", "v2", f"unix:{path}", data=b"x")
    assert (process.returncode, process.stdout, process.stderr) == (DONE, b"x", b"")
    assert server.result()[0] == ("v2 0x31", ("", 0), (path, 0), [])


def test_unix_socket_with_given_addresses(tmp_path):
    path = str(tmp_path / "s")
    server = Server(echo_behind, socket.AF_UNIX, path)
    process = tcpc("--proxy-protocol", "v1", "--proxy-source", "192.0.2.1:1", "--proxy-destination",
                   "192.0.2.2:2", f"unix:{path}")
    assert process.returncode == DONE, process.stderr
    assert server.result()[0] == ("v1 TCP4", ("192.0.2.1", 1), ("192.0.2.2", 2), [])


def test_before_tls(tmp_path):
    """The first bytes on the socket are the header's; behind it a handshake as ever."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("www")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.chain, leaf.key)

    def serve(connection, _):
        header = read_one(connection)
        with context.wrap_socket(connection, server_side=True) as sock:
            sock.sendall(sock.recv(100))
            sock.unwrap()
        return header

    server = Server(serve)
    process = tcpc("--proxy-protocol", "v2", "--proxy-crc", "--proxy-source", "192.0.2.1:1", "--tls",
                   "--cafile", authority.path, "-s", "hello", "localhost", server.name[1])
    assert (process.returncode, process.stdout, process.stderr) == (DONE, b"hello\n", b"")
    assert server.result()[:2] == ("v2 0x11", ("192.0.2.1", 1))


def test_verbose():
    server = Server(echo_behind)
    process = tcpc("-v", "--proxy-protocol", "v2", "--proxy-source", "192.0.2.1:1",
                   "--proxy-destination", "192.0.2.2:2", *server.name, data=b"abc")
    server.result()
    steps = [line.split(" ", 1)[1] for line in process.stderr.decode().splitlines()]
    at = steps.index("sent a PROXY header of 28 bytes: v2, from 192.0.2.1:1 to 192.0.2.2:2")
    assert steps[at - 1].startswith("connected from ")
    assert "sent 3 bytes, received 3 bytes" in steps[at:]  # the header is not counted


def test_verbose_of_local():
    server = Server(echo_behind)
    process = tcpc("-v", "--proxy-protocol", "local", *server.name)
    server.result()
    assert re.search(rb"^\+[0-9.]+ sent a PROXY header of 16 bytes: local$", process.stderr, re.M)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_one_send(tmp_path):
    """A receiver that reads once, as many do, has all of it: one call, before any other."""
    server = Server(echo_behind)
    trace = tmp_path / "trace"
    process = tcpc("--proxy-protocol", "v2", "--proxy-tlv", "0x04=" + "n" * 1500, *server.name,
                   data=b"abc", prefix=("env", "LSAN_OPTIONS=detect_leaks=0", "strace", "-o", trace, "-e",
                           "trace=sendto,write,sendmsg"))
    assert process.returncode == DONE, process.stderr
    server.result()
    sent = [line for line in trace.read_text().splitlines() if "sendto(" in line]
    assert sent[0].endswith(f" = {16 + 12 + 3 + 1500}")


ENDS = ("--proxy-source", "192.0.2.1:1")
WRONG = {
    "an unknown kind": (["--proxy-protocol", "v3"], "must be v1, v2, local or unknown"),
    "no kind": (["--proxy-protocol"], "requires an argument"),
    "a name": (["--proxy-protocol", "v1", "--proxy-source", "localhost:1"], "must be a number"),
    "a service": (["--proxy-protocol", "v1", "--proxy-source", "192.0.2.1:http"],
                  "the port must be a number"),
    "no port": (["--proxy-protocol", "v1", "--proxy-destination", "192.0.2.1"],
                "--proxy-destination 192.0.2.1: the port is missing"),
    "a prefix": (["--proxy-protocol", "v1", "--proxy-source", "tls:192.0.2.1:1"],
                 "must be ADDRESS:PORT or unix:/PATH"),
    "an end alone": ([*ENDS], "need --proxy-protocol"),
    "a field alone": (["--proxy-tlv", "0x02=a"], "need --proxy-protocol"),
    "a checksum alone": (["--proxy-crc"], "need --proxy-protocol"),
    "a field of v1": (["--proxy-protocol", "v1", "--proxy-tlv", "0x02=a"],
                      "are for --proxy-protocol v2 and local"),
    "a checksum of unknown": (["--proxy-protocol", "unknown", "--proxy-crc"],
                              "are for --proxy-protocol v2 and local"),
    "an end of local": (["--proxy-protocol", "local", *ENDS], "are for --proxy-protocol v1 and v2"),
    "a type": (["--proxy-protocol", "v2", "--proxy-tlv", "2=a"], "must be 0xTT=TEXT"),
    "half a type": (["--proxy-protocol", "v2", "--proxy-tlv", "0x2=a"], "must be 0xTT=TEXT"),
    "no text": (["--proxy-protocol", "v2", "--proxy-tlv", "0x02"], "must be 0xTT=TEXT"),
    "many fields": (["--proxy-protocol", "v2", *["--proxy-tlv", "0x04="] * 33],
                    "there are at most 32"),
    "a long field": (["--proxy-protocol", "v2", "--proxy-tlv", "0x04=" + "x" * 4000],
                     "longer than 4096 bytes"),
    "a path and none": (["--proxy-protocol", "v2", "--proxy-source", "unix:/a"],
                        "one is a path and the other is not"),
    "a path in v1": (["--proxy-protocol", "v1", "--proxy-source", "unix:/a"],
                     "v1 has no unix addresses"),
    "datagrams": (["-u", "--proxy-protocol", "v2"], "--proxy-protocol is for streams"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(name):
    """One line, before a socket is opened: nobody listens there, which would be another status."""
    options, words = WRONG[name]
    last = [] if options[-1] == "--proxy-protocol" else ["127.0.0.1", "9"]
    process = tcpc(*options, *last)
    told = process.stderr.decode().removesuffix("See tcpc --help.\n")
    assert process.returncode == USAGE, told
    assert told.count("\n") == 1 and told.startswith("tcpc: ") and words in told
