# SPDX-License-Identifier: MIT
"""TB: what is not TLS, or not as it should be. Each is one record in the log; the worker lives, and
has no descriptor more than before."""

import contextlib
import socket
import ssl
import subprocess
import time

import pytest

from harness import Text, configuration, injected, proc_fds, read_all, reset, wait_for
from programs import ONE
from tls_peer import behind, context, dial, exchange, raw_hello
from tls_records import Client, extension, hello, name, record


@pytest.fixture
def daemon(tcpd, authority):
    with tcpd(authority.leaf("www").section() +
              configuration(behind("echo", handshake_timeout="1s", **ONE))) as made:
        yield made


HELLO = raw_hello()

# What is sent, then the end of the connection. None: whatever becomes of it, the worker must live.
BAD = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http request"),
    "a proxy's": (b"CONNECT x:80 HTTP/1.1\r\n\r\n", "https proxy request"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "."),
    "PROXY": (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + HELLO, "."),
    "one byte": (b"\x16", "the peer has ended in the middle of it"),
    "four bytes": (HELLO[:4], "the peer has ended in the middle of it"),
    "a header": (HELLO[:5], "the peer has ended in the middle of it"),
    "half a hello": (HELLO[:100], "the peer has ended in the middle of it"),
    "a hello": (HELLO, "the peer has ended in the middle of it"),
    "record of 0 bytes": (record(22, b""), "."),
    "record too long": (record(22, b"x" * 16641), "."),
    "record of 65535": (record(22, b"x" * 100, length=65535), "."),
    "SSLv2": (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01\x00\x80" * 7 + b"c" * 16, "."),
    "heartbeat": (record(24, b"\x01\xff\xff"), "."),
    "unknown type": (record(99, b"x"), "."),
    "data at once": (record(23, b"hello"), "."),
    "alerts": (record(21, b"\x01\x00") * 200, "."),
    "an alert in bytes": (b"".join(record(21, bytes([each])) for each in b"\x02\x28"), "."),
    "hello in bytes": (b"".join(record(22, HELLO[5 + i:6 + i]) for i in range(len(HELLO) - 5)), None),
    "empty records": (record(22, b"") * 100, "."),
    "extensions that lie": (hello(extension(0, b"x", length=9)), "."),
    "64 KiB of extensions": (hello(extension(0xfafa, b"x" * 16000))
                             + hello(extension(0xfafa, b"x" * 16000)) * 3, None),
    "name of 0 bytes": (hello(name(b"")), "."),
    "name of 255": (hello(name(b"a" * 255)), None),
    "name of 300": (hello(name(b"a" * 300)), "."),
    "name with NUL": (hello(name(b"a\0b")), "."),
    "name of dots": (hello(name(b"../../etc/passwd")), None),
    "name of UTF-8": (hello(name("ä".encode())), None),
    "name that is a number": (hello(name(b"127.0.0.1")), None),
    "name of another kind": (hello(name(b"x", kind=7)), None),
    "two names": (hello(name(b"a") + name(b"b")), "."),
    "name longer than it is": (hello(name(b"a", inner=60000)), "."),
    "no suites": (hello(suites=b""), "."),
    "odd suites": (hello(suites=b"\x13"), "."),
    "weak suites": (hello(suites=b"\x00\x01\x00\x02\x00\x2f\x00\x0a"), "no shared cipher"),
    "a fallback": (hello(suites=b"\xc0\x2b\x56\x00"), None),
    "session of 32": (hello(session=b"s" * 32), None),
    "ticket of rubbish": (hello(extension(35, b"t" * 16000)), None),
    "hello cut": (HELLO[:-1], "the peer has ended in the middle of it"),
    "rubbish": (bytes(range(256)) * 8, "."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad(daemon, authority, case):
    data, why = BAD[case]
    [worker] = daemon.workers()
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"
    before, since = len(proc_fds(worker)), len(daemon.log.items)
    with daemon.connect("echo") as sock, contextlib.suppress(ConnectionError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        read_all(sock)
    if why:
        found = daemon.wait_log(Text.closed_why("tls failed"), since=since)["why"]
        assert why == "." or found == why, found
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"
    assert daemon.workers() == [worker]
    wait_for(lambda: len(proc_fds(worker)) <= before)
    assert len(daemon.log_matches("closed: ")) <= 1


def test_a_hello_cut_anywhere(daemon, authority):
    """At each byte, by the end or a reset."""
    [worker] = daemon.workers()
    for n in range(0, len(HELLO), 7):
        with daemon.connect("echo") as sock:
            sock.sendall(HELLO[:n])
            reset(sock) if n % 2 else sock.shutdown(socket.SHUT_WR)
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"
    assert daemon.workers() == [worker]


def test_a_byte_now_and_then(daemon):
    """The handshake's time counts for all of it."""
    begin = time.monotonic()
    with daemon.connect("echo", timeout=0.1) as sock, contextlib.suppress(ConnectionError):
        for byte in HELLO:
            sock.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if sock.recv(1) == b"":
                    break
            assert time.monotonic() - begin < 5
    daemon.wait_log("closed: handshake timeout")


@pytest.mark.parametrize("change", [0, 5, 20, -1])
def test_records_that_were_changed(daemon, authority, change):
    """One bit of the first record after the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    its = context(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    since = len(daemon.log.items)
    with daemon.connect("echo") as sock:
        while True:
            try:
                its.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        its.write(b"hello, this is it")
        data = bytearray(outgoing.read())
        data[change] ^= 1
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            read_all(sock)
    daemon.wait_log(r"closed: protocol error \(", since=since)
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"


@pytest.mark.plain("counts its sends")
@pytest.mark.parametrize("handler", ["echo", "program"])
def test_no_room_for_the_alert(tcpd, authority, handler):
    """What breaks the protocol ends the session, whether the client hears of it or not."""
    options = {"echo": {"sandbox": "off"},  # strace(1) makes a call that is none
               "program": {"program": ["/bin/cat"]}}
    conf = authority.leaf("www").section() + configuration(
        behind("it", handler, **options[handler], **ONE))
    with tcpd(conf, prefix=injected("sendto:error=EAGAIN:when=2+", follow=True)) as daemon, \
            daemon.connect("it") as sock:
        client = Client(sock).begin()
        [worker] = daemon.workers()
        client.raw(record(23, b"x" * 32))
        daemon.wait_log(r"closed: protocol error \(.*bad record mac\)", deadline=10)
        wait_for(lambda: len(client.rest()) == 0)
        assert daemon.workers() == [worker]


def test_updates_of_keys_without_end(daemon, authority):
    """Each is valid; so many without a byte of data are not."""
    port = daemon.address("echo")[1]
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, bufsize=0) as client:
        client.stdout.read(1)
        end = time.monotonic() + 20
        while not daemon.log_matches("too many records without data"):
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(b"K\n")  # one each time that it reads
            assert time.monotonic() < end, daemon.log_text()
            time.sleep(0.01)  # it reads many at once else
        client.kill()
    assert exchange(daemon, "echo", context(authority), b"x") == b"x"


def test_many_half_handshakes(tcpd, authority):
    """300 of them at 64 workers, which are all that there may be: each is over after its
    handshake_timeout, and who comes last is served."""
    conf = authority.leaf("www").section() + configuration(
        behind("echo", handshake_timeout="500ms", min_workers=64, max_workers=64, spare_workers=0))
    with tcpd(conf) as made, contextlib.ExitStack() as stack:
        for i in range(300):
            stack.enter_context(made.connect("echo")).sendall(HELLO[:i])
        assert exchange(made, "echo", context(authority), b"x") == b"x"
        assert len(made.workers()) == 64


def test_silent_after_the_handshake(tcpd, authority):
    """The service's own deadlines hold, by plain bytes."""
    conf = authority.leaf("www").section() + configuration(
        behind("echo", first_byte_timeout="300ms", **ONE))
    with tcpd(conf) as made, dial(made, "echo", context(authority)) as sock:
        assert sock.recv(1) == b""  # close_notify
        made.wait_log("closed: first byte timeout")
