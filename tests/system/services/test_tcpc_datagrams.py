# SPDX-License-Identifier: MIT
"""tcpc with datagrams: -u and unix-dgram:. Some peers are the daemon's services, others are sockets of
the test. What is the same as over streams is in test_tcpc.py."""

import contextlib
import re
import socket
import threading
import time

import pytest

from harness import configuration, free_port, service
from test_datagrams import NAMES, UDP
from test_tcpc import (DONE, REFUSED, SYSTEM, TIMED_OUT, UNKNOWN, USAGE, ends_well, fails,
                       read_exactly_of, run, started)

SIZES = [0, 1, 512, 1472, 1473, 65507]


@contextlib.contextmanager
def peer(answer, path=None):
    """A socket whose every datagram is answered with what answer(message) gives, each of a list,
    none for None; what to call it by on tcpc's command line, and all that has come."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path) if path else ("127.0.0.1", 0))
        got = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    message, client = sock.recvfrom(1 << 17)
                    got.append((message, client))
                    if message == b"the test is over":
                        return
                    said = answer(message)
                    for each in said if isinstance(said, list) else [said]:
                        if each is not None:
                            sock.sendto(each, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield [f"unix-dgram:{path}"] if path else ["-u", "127.0.0.1", str(sock.getsockname()[1])], got
        with socket.socket(sock.family, socket.SOCK_DGRAM) as last:
            last.sendto(b"the test is over", sock.getsockname())
        thread.join(30)


def echo(message):
    return message


def addressed(address, options=()):
    """The operands for an address as harness.Tcpd.address() has it."""
    if isinstance(address, str):
        return [*options, f"unix-dgram:{address}"]
    return ["-u", *options, address[0], str(address[1])]


# --- Asking ------------------------------------------------------------------------------------

@pytest.mark.parametrize("listen", [UDP, "udp:[::1]:0", "unix-dgram:{tmp}/s"])
def test_services(tcpd, tmp_path, listen):
    """echo, hello and daytime by one datagram each; an empty one is answered, too."""
    listen = listen.format(tmp=tmp_path)
    names = ["echo", "hello", "daytime"]
    sections = [service(name, listen=f"{listen}{name}" if "unix" in listen else listen)
                for name in names]
    with tcpd(configuration(*sections)) as daemon:
        at = {name: addressed(daemon.address(name)) for name in names}
        ends_well(run("-s", "one", *at["echo"]), b"one\n")
        for size in SIZES:
            ends_well(run("-s", "x" * size, *at["echo"]), b"x" * size + b"\n")
        ends_well(run("-s", "a", "-s", "b", "--prefix", *at["echo"]),
                  b"Message from server: a\nMessage from server: b\n")
        ends_well(run(*(f"-s{name.decode()}" for name in NAMES), *at["hello"]),
                  b"".join(b"Hello, %s!\n" % name for name in NAMES))
        told = run("-s", "", "--raw", *at["daytime"])
        assert told.returncode == DONE and re.fullmatch(rb"[^\n]+\d\d:\d\d:\d\d[^\n]*\r\n\n", told.stdout)


def test_prefix_is_the_same_as_u():
    with peer(echo) as ((_, host, port), _):
        ends_well(run("-s", "x", f"udp:{host}:{port}"), b"x\n")
        ends_well(run("-s", "x", "-u", f"{host}:{port}"), b"x\n")
        ends_well(run("-s", "x", "--udp", host, port), b"x\n")


def test_each_text_after_the_answer(tmp_path):
    """One datagram a text, in this order, the next one when the one before is answered; the last one
    is waited for, and no more."""
    with peer(lambda message: message.upper(), tmp_path / "s") as (at, got):
        ends_well(run("-s", "a", "-s", "", "-s", "c", *at), b"A\n\nC\n")
        assert [message for message, _ in got] == [b"a", b"", b"c"]
        assert all(client.startswith(b"\0") for _, client in got), "a name of the kernel's choice"


def test_two_answers_to_one():
    """The second one is the answer to the next text: UDP does not say to what an answer belongs."""
    with peer(lambda message: [message, message + b"!"]) as (at, _):
        ends_well(run("-s", "a", "-s", "b", *at), b"a\na!\n")


def test_escaped():
    with peer(echo) as (at, _):
        ends_well(run("-s", "a\tb\\", *at), b"a\\x09b\\x5c\n")
        ends_well(run("--raw", "-s", "a\tb\\", *at), b"a\tb\\\n")


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    with peer(echo) as (at, _):
        ends_well(run("-s", "x" * size, *at), b"x" * size + b"\n")


def test_source():
    """--source binds; answers from elsewhere are none."""
    with peer(lambda _: None) as (at, got), socket.socket(type=socket.SOCK_DGRAM) as other:
        port = free_port()
        with started("-v", "--timeout", "1s", "--source", f"127.0.0.2:{port}", "-s", "x", *at) as tcpc:
            end = time.monotonic() + 30
            while not got and time.monotonic() < end:
                time.sleep(0.005)
            assert got == [(b"x", ("127.0.0.2", port))]
            other.sendto(b"forged", ("127.0.0.2", port))
            out, err = tcpc.communicate()
            assert (tcpc.returncode, out) == (TIMED_OUT, b"")
            assert f"connected from 127.0.0.2:{port} to udp:127.0.0.1:{at[2]}\n".encode() in err


def test_verbose():
    """The sizes of both ways, and the ends."""
    with peer(lambda message: message * 2) as (at, _):
        told = run("-v", "-s", "abc", *at)
        assert (told.returncode, told.stdout) == (DONE, b"abcabc\n")
        lines = [line.split(" ", 1)[1] for line in told.stderr.decode().splitlines()]
        assert lines[-3:] == ["sent a datagram of 3 bytes", "received a datagram of 6 bytes",
                              "sent 3 bytes, received 6 bytes"]
        assert re.fullmatch(rf"connected from 127\.0\.0\.1:\d+ to udp:127\.0\.0\.1:{at[2]}", lines[-4])


# --- Copying -----------------------------------------------------------------------------------

@pytest.mark.parametrize("size", SIZES[1:] + [200_000])
def test_copies(tmp_path, size):
    """A file, in as many datagrams as it takes."""
    with peer(echo) as (at, got):
        (tmp_path / "file").write_bytes(data := bytes(n % 251 for n in range(size)))
        with open(tmp_path / "file", "rb") as file:
            ends_well(run(*at, stdin=file), data)
        assert [len(message) for message, _ in got] == \
            [65507] * (size // 65507) + [size % 65507] * (size % 65507 > 0)


def test_nothing_to_copy():
    """No datagram, and no wait."""
    with peer(echo) as (at, got):
        ends_well(run(*at))
        assert not got


def test_each_read_is_one():
    """What is written by one call is read by one, and answered while the input goes on."""
    with peer(echo) as (at, got), started(*at) as tcpc:
        for word in (b"one\n", b"two\n"):
            tcpc.stdin.write(word)
            tcpc.stdin.flush()
            assert read_exactly_of(tcpc.stdout, 4) == word
        tcpc.stdin.close()
        assert tcpc.wait(30) == DONE
        assert [message for message, _ in got] == [b"one\n", b"two\n"]


@pytest.mark.parametrize("path", [False, True])
def test_lines(tmp_path, path):
    """--framing line: each line is one, without its end, an empty one, too; so is what has none."""
    with peer(lambda message: message.title(), tmp_path / "s" if path else None) as (at, got):
        ends_well(run("--framing", "line", *at, input=b"michael\n\ntracy\r\nsarah"),
                  b"Michael\n\nTracy\nSarah\n")
        assert [message for message, _ in got] == [b"michael", b"", b"tracy", b"sarah"]


def test_a_line_that_is_too_long():
    with peer(echo) as (at, got):
        fails(run("--framing", "line", *at, input=b"x" * 65536), SYSTEM, "a line is longer than 65536")
        fails(run("--framing", "line", *at, input=b"x" * 65510 + b"\n"), SYSTEM,
              "65510 bytes are too many for a datagram")
        assert not got


def test_a_peer_that_is_slow(tmp_path):
    """The queue of a unix socket takes ten or so, and then its senders wait."""
    begin = threading.Event()

    def answer(message):
        begin.wait(30)
        return message

    lines = b"".join(b"%d\n" % n for n in range(100))
    with peer(answer, tmp_path / "s") as (at, _), started("--framing", "line", *at) as tcpc:
        tcpc.stdin.write(lines)
        tcpc.stdin.close()
        begin.set()
        assert read_exactly_of(tcpc.stdout, len(lines)) == lines
        assert tcpc.wait(30) == DONE


# --- How it fails ------------------------------------------------------------------------------

@pytest.mark.parametrize("more", [["-s", "x"], []])
def test_refused(tmp_path, more):
    """Exit status 4 as of TCP, as soon as the kernel knows."""
    port = str(free_port())
    fails(run(*more, "-u", "127.0.0.1", port, input=b"x"), REFUSED,
          f"udp:127.0.0.1:{port}: connection refused")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
        gone.bind(str(tmp_path / "gone"))
    fails(run(*more, f"unix-dgram:{tmp_path}/gone", input=b"x"), REFUSED, "connection refused")
    fails(run(*more, f"unix-dgram:{tmp_path}/none", input=b"x"), UNKNOWN, "no such file")


def test_timed_out():
    """Nobody answers; for copying it says how many were."""
    with peer(lambda message: message if message == b"a" else None) as (at, _):
        began = time.monotonic()
        fails(run("--timeout", "300ms", "-s", "x", *at), TIMED_OUT, "timed out")
        assert 0.3 <= time.monotonic() - began < 3
        fails(run("--timeout", "300ms", "--framing", "line", *at, input=b"a\nb\n"), TIMED_OUT,
              "timed out: 1 of 2 datagrams were answered")


def test_time_by_default():
    """5 seconds, as datagrams may be lost; 0 is none."""
    with peer(lambda _: None) as (at, _):
        began = time.monotonic()
        with started("--timeout", "0", "-s", "x", *at) as patient:
            fails(run("-s", "x", *at), TIMED_OUT, "timed out")
            assert 5 <= time.monotonic() - began < 8
            assert patient.poll() is None


def test_too_long(tmp_path):
    """A text that no datagram takes; an answer that is longer than any of tcpd's."""
    with peer(lambda _: b"x" * 65537, tmp_path / "s") as (at, _):
        fails(run("-s", "y", *at), SYSTEM, "longer than 65536 bytes")
    with peer(echo) as (at, got):
        fails(run("-s", "x" * 65508, *at), SYSTEM, "65508 bytes are too many for a datagram")
        assert not got


def test_another_type_is_there(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        fails(run("-s", "x", f"unix-dgram:{tmp_path}/s"), SYSTEM, "a socket of another type")


def test_output_is_full():
    with peer(echo) as (at, _), open("/dev/full", "wb") as full:
        fails(run("-s", "x", *at, stdout=full), SYSTEM, "standard output: No space left")
        fails(run(*at, input=b"x", stdout=full), SYSTEM, "standard output: No space left")


@pytest.mark.parametrize("arguments, words", [
    (["-u", "-g", "127.0.0.1", "7"], "-g is for connections"),
    (["-u", "--prefix", "127.0.0.1", "7"], "--prefix without -s is for connections"),
    (["-u", "--framing", "length", "127.0.0.1", "7"], "--framing length is for streams"),
    (["-u", "--framing", "line", "-s", "x", "127.0.0.1", "7"], "each datagram is a message"),
    (["-u", "unix:/tmp/x"], "write unix-dgram:/PATH"),
    (["-u", "ws:127.0.0.1:7"], "does not speak WebSocket"),
    (["unix-dgram:/tmp/x", "7"], "a unix address has no port"),
    (["-4", "unix-dgram:/tmp/x"], "are for internet addresses"),
])
def test_usage(arguments, words):
    fails(run(*arguments), USAGE, words)
