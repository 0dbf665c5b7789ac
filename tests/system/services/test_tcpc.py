# SPDX-License-Identifier: MIT
"""tcpc, the client, against peers made here: its modes, its framings, and each exit status.

The peers are Python threads on loopback ports that the kernel chooses, so these tests need no daemon
and no privilege. Those that need a network or a hosts file of their own make a namespace with
unshare(1) and are skipped where that is not allowed. The ids in the docstrings are CONFORMANCE rows.
"""

import array
import contextlib
import errno
import fcntl
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pytest

TCPC = str(pathlib.Path(os.environ.get("TCPD_BUILD", "build")).resolve() / "tcpc")
LIMIT = 60  # seconds; nothing here takes one, but a loaded machine under a sanitizer may

DONE, SYSTEM, USAGE, UNKNOWN, REFUSED, TIMED_OUT, UNREACHABLE, RESET, CUT_SHORT = range(9)


# --- Peers and runs ----------------------------------------------------------------------------


class Peer:
    """Listens, accepts one connection and hands it to serve(connection) in a thread of its own."""

    def __init__(self, serve, path=None, receive_buffer=None, kind=socket.SOCK_STREAM):
        self.serve = serve
        self.failure = None
        self.client = None
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, kind)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        self.listener.listen()
        self.listener.settimeout(LIMIT)
        self.port = None if path else str(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            connection, self.client = self.listener.accept()
            connection.settimeout(LIMIT)
            with connection:
                self.serve(connection)
        except Exception as failure:  # told by the test's own thread
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.thread.join(LIMIT)
        self.listener.close()
        if kind is None:
            assert not self.thread.is_alive(), "the peer has not ended"
            if self.failure:
                raise self.failure


def run(*arguments, **settings):
    """Runs tcpc to its end; stdin is empty unless the settings say otherwise."""
    if "stdin" not in settings:
        settings.setdefault("input", b"")
    settings.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([TCPC, *arguments], stderr=subprocess.PIPE, timeout=LIMIT, **settings)


@contextlib.contextmanager
def started(*arguments):
    """tcpc with all three streams as pipes; killed if it is still there at the end."""
    with subprocess.Popen([TCPC, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def ends_well(process, stdout=b""):
    assert (process.returncode, process.stdout, process.stderr) == (DONE, stdout, b"")


def fails(process, status, words):
    """It has this status and tells so in exactly one line."""
    told = process.stderr.decode()
    assert process.returncode == status, told
    told = told.removesuffix("See tcpc --help.\n")  # below getopt's own line
    assert told.startswith("tcpc: ") and told.endswith("\n") and told.count("\n") == 1
    assert words in told


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, f"end after {len(data)} of {size} bytes"
        data += piece
    return data


def read_to_end(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def readable(stream):
    """How many bytes wait in a pipe or socket."""
    waiting = array.array("i", [0])
    fcntl.ioctl(stream, termios.FIONREAD, waiting)
    return waiting[0]


def read_exactly_of(stream, size):
    """Of a pipe, as soon as they are there."""
    data = b""
    while len(data) < size:
        piece = os.read(stream.fileno(), size - len(data))
        assert piece, f"end after {len(data)} of {size} bytes"
        data += piece
    return data


def wait_until_read(stream):
    """Until the other end of a pipe has taken all that is in it."""
    give_up = time.monotonic() + LIMIT
    while readable(stream) > 0:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def await_readable(stream, size):
    give_up = time.monotonic() + LIMIT
    while readable(stream) < size:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def send_bytewise(connection, data):
    """Each byte in a segment of its own."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(data)):
        connection.sendall(data[i:i + 1])


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def hello(connection):
    """The server of the notes."""
    connection.sendall(b"Welcome!")
    while (name := connection.recv(1024)) not in (b"", b"exit"):
        connection.sendall(b"Hello, " + name + b"!")


def framed(data):
    return struct.pack("!I", len(data)) + data


# --- Namespaces --------------------------------------------------------------------------------


def runs(*command):
    try:
        return subprocess.run(command, capture_output=True, timeout=LIMIT).returncode == 0
    except OSError:
        return False


needs_network = pytest.mark.skipif(not runs("unshare", "-rn", "ip", "link", "set", "lo", "up"),
                                   reason="cannot make a network namespace")
needs_mounts = pytest.mark.skipif(not runs("unshare", "-rm", "mount", "--bind", "/etc", "/etc"),
                                  reason="cannot make a mount namespace")
needs_strace = pytest.mark.skipif(not runs("strace", "-o", "/dev/null", "true"),
                                  reason="cannot trace")


def run_inside(namespace, setup, *command, **variables):
    """Runs command in a new namespace after the shell commands of setup."""
    return subprocess.run(["unshare", namespace, "sh", "-ec", setup + '\nexec "$@"', "sh", *command],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
                          env={**os.environ, **variables})


# --- Asking ------------------------------------------------------------------------------------


def test_hello_conversation():
    """W4, W2, W5: the notes' conversation, and the end instead of a reply to `exit`."""
    with Peer(hello) as peer:
        ends_well(run("-g", "-s", "Michael", "-s", "Tracy", "-s", "Sarah", "-s", "exit",
                      "127.0.0.1", peer.port),
                  b"Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n")


def test_options_after_operands():
    with Peer(hello) as peer:
        ends_well(run(f"127.0.0.1:{peer.port}", "--greeting", "--send", "exit"), b"Welcome!\n")


@pytest.mark.parametrize("framing, sent", [
    ("chunk", b"one two"), ("line", b"one two\n"), ("length", framed(b"one two"))])
def test_text_is_framed(framing, sent):
    """X8: spaces are part of a text. W13: what is echoed is what was sent, no byte more."""
    got = []

    def serve(connection):
        got.append(read_exactly(connection, len(sent)))
        connection.sendall(got[0])
        got.append(read_to_end(connection))

    with Peer(serve) as peer:
        ends_well(run("--framing", framing, "-s", "one two", "127.0.0.1", peer.port), b"one two\n")
    assert got == [sent, b""]


@pytest.mark.parametrize("framing, stream", [
    ("line", b"first\nsecond\r\n\nlast"),
    ("length", framed(b"first") + framed(b"second") + framed(b"") + framed(b"last"))])
def test_replies_in_any_segmentation(framing, stream):
    """W8, X14, P29, T6: messages are found whatever segments they arrive in."""
    def serve(connection):
        connection.recv(1024)
        send_bytewise(connection, stream)

    with Peer(serve) as peer:
        ends_well(run("--framing", framing, "-s", "x", "127.0.0.1", peer.port),
                  b"first\nsecond\n\nlast\n")


def test_burst_of_replies_is_told_apart():
    """T6, X9: in line framing replies that arrive together stay apart."""
    count = 50000

    def serve(connection):
        connection.recv(1024)
        connection.sendall(b"".join(b"%d\n" % i for i in range(count)))

    with Peer(serve) as peer:
        ends_well(run("--framing", "line", "-s", "x", "127.0.0.1", peer.port),
                  b"".join(b"%d\n" % i for i in range(count)))


def test_next_text_waits_for_the_reply():
    """T6: the peer never finds two texts in one read, however late it replies."""
    got = []

    def serve(connection):
        for _ in range(3):
            got.append(connection.recv(1024))
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1024)
            connection.settimeout(LIMIT)
            connection.sendall(b"ok")

    with Peer(serve) as peer:
        ends_well(run("-s", "a", "-s", "b", "-s", "c", "127.0.0.1", peer.port), b"ok\nok\nok\n")
    assert got == [b"a", b"b", b"c"]


def test_text_of_any_length():
    """X8: a text as long as a command line takes, with spaces, comes back whole."""
    text = ("long text " * 13000)[:130000]

    with Peer(echo) as peer:
        process = run("--framing", "chunk", "-s", text, "127.0.0.1", peer.port)
    assert process.returncode == DONE
    assert process.stdout.replace(b"\n", b"").decode() == text


def test_rest_after_the_last_reply():
    """T2: after the last reply the way to the peer is closed; what it still sends is printed."""
    def serve(connection):
        connection.recv(1024)
        connection.sendall(b"reply\n")
        assert connection.recv(1024) == b""
        connection.sendall(b"and more\nand the end")

    with Peer(serve) as peer:
        ends_well(run("--framing", "line", "-s", "x", "127.0.0.1", peer.port),
                  b"reply\nand more\nand the end\n")


def test_greeting_alone():
    with Peer(hello) as peer:
        ends_well(run("-g", "127.0.0.1", peer.port), b"Welcome!\n")


HOSTILE = b"\x1b[31mred\x07 a\\b \x00\x7f\r\x80\xff \xc2\x9b \xe2\x80\xae caf\xc3\xa9"
ESCAPED = (rb"\x1b[31mred\x07 a\x5cb \x00\x7f\x0d\x80\xff \xc2\x9b \xe2\x80\xae caf"
           b"\xc3\xa9")


@pytest.mark.parametrize("options, printed", [
    ([], ESCAPED), (["--raw"], HOSTILE), (["--prefix"], b"Message from server: " + ESCAPED)])
def test_hostile_bytes(options, printed):
    """X7, X10: bytes are printed by length, escaped; a NUL ends nothing; UTF-8 stays."""
    def serve(connection):
        connection.recv(1024)
        connection.sendall(framed(HOSTILE))

    with Peer(serve) as peer:
        ends_well(run("--framing", "length", "-s", "x", *options, "127.0.0.1", peer.port),
                  printed + b"\n")


# --- Receiving ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b"", b"\0", b"\r\n", b"\r\n\0"])
def test_prefix_mode(tail):
    """W10, W11, X7: one line, with or without the NUL of the notes' server; nothing is sent."""
    got = []

    def serve(connection):
        connection.sendall(b"http://c.biancheng.net/socket/" + tail)
        got.append(read_to_end(connection))

    with Peer(serve) as peer:
        ends_well(run("--prefix", "127.0.0.1", peer.port),
                  b"Message from server: http://c.biancheng.net/socket/\n")
    assert got == [b""]


def test_prefix_mode_in_any_segmentation():
    """W8: all segments make one line."""
    with Peer(lambda connection: send_bytewise(connection, b"one\ntwo\n" * 20)) as peer:
        ends_well(run("--prefix", "127.0.0.1", peer.port),
                  b"Message from server: " + rb"one\x0atwo\x0a" * 19
                  + rb"one\x0atwo" + b"\n")


@pytest.mark.parametrize("lead", range(4))
def test_prefix_mode_keeps_characters_whole(lead):
    """X10: a character that any buffer's end cuts is still one character; no length is too much."""
    text = b"x" * lead + "é€😀".encode() * 400000

    with Peer(lambda connection: connection.sendall(text)) as peer:
        ends_well(run("--prefix", "127.0.0.1", peer.port), b"Message from server: " + text + b"\n")


def test_prefix_before_each_reply():
    with Peer(hello) as peer:
        ends_well(run("--prefix", "-g", "-s", "you", "-s", "exit", "127.0.0.1", peer.port),
                  b"Message from server: Welcome!\nMessage from server: Hello, you!\n")


# --- Copying -----------------------------------------------------------------------------------


def test_half_close():
    """T2, B18: the end of stdin reaches the peer, its answer still arrives."""
    got = []

    def serve(connection):
        got.append(read_to_end(connection))
        connection.sendall(b"answer to %d bytes" % len(got[0]))

    with Peer(serve) as peer:
        ends_well(run("127.0.0.1", peer.port, input=b"q" * 3000), b"answer to 3000 bytes")
    assert got == [b"q" * 3000]


def test_ten_megabytes_both_ways():
    """P27: a peer that echoes while it is sent to; nothing is lost and nothing stops."""
    data = os.urandom(10 << 20)

    with Peer(echo) as peer:
        process = run("127.0.0.1", peer.port, input=data)
    assert (process.returncode, process.stderr) == (DONE, b"")
    assert process.stdout == data


def test_ten_megabytes_with_small_reads():
    """P27, P29: a slow peer with a small buffer, which reads and writes odd pieces."""
    data = os.urandom(10 << 20)

    def serve(connection):
        while piece := connection.recv(7919):
            connection.sendall(piece)

    with Peer(serve, receive_buffer=4096) as peer:
        process = run("127.0.0.1", peer.port, input=data)
    assert (process.returncode, process.stderr) == (DONE, b"")
    assert process.stdout == data


def test_output_that_is_not_read_does_not_stop_the_input():
    """P27: while nobody reads stdout, stdin is still carried to the peer.

    The single byte first leaves an odd rest of room in the pipe, in which a long write would block.
    """
    data = os.urandom(10 << 20)

    def serve(connection):
        connection.sendall(b"!")
        first = connection.recv(1)
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert first + read_to_end(connection) == data
        sender.join(LIMIT)

    with Peer(serve) as peer, started("127.0.0.1", peer.port) as process:
        await_readable(process.stdout, 1)
        process.stdin.write(data)  # returns only when tcpc has taken nearly all of it
        process.stdin.close()
        assert process.stdout.read() == b"!" + data
        assert process.wait(LIMIT) == DONE


def test_peer_ends_first_with_stdin_open():
    """T5: the peer's end is the end, even if stdin is open."""
    with Peer(lambda connection: connection.sendall(b"time is up")) as peer:
        with started("127.0.0.1", peer.port) as process:
            assert process.stdout.read() == b"time is up"
            assert process.wait(LIMIT) == DONE


def test_copy_in_any_segmentation():
    """W8, P29: copied bytes are the same whatever segments they arrive in; none is escaped."""
    data = bytes(range(256)) * 4

    with Peer(lambda connection: send_bytewise(connection, data)) as peer:
        ends_well(run("127.0.0.1", peer.port, stdin=subprocess.DEVNULL), data)


def test_copy_goes_on_after_signals():
    """P24: a stop and a continuation (EINTR) in the middle of a wait change nothing."""
    go_on = threading.Event()

    def serve(connection):
        connection.sendall(b"before ")
        assert go_on.wait(LIMIT)
        connection.sendall(b"after")

    with Peer(serve) as peer, started("127.0.0.1", peer.port) as process:
        assert process.stdout.read(7) == b"before "
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.send_signal(signal.SIGCONT)
        go_on.set()
        assert process.stdout.read() == b"after"
        assert process.wait(LIMIT) == DONE


def test_closed_standard_streams():
    """B60: the socket never becomes a standard stream; -v is not told to the peer."""
    got = []

    with Peer(lambda connection: got.append(read_to_end(connection))) as peer:
        command = 'exec "$@" <&- >&- 2>&-'
        process = subprocess.run(["sh", "-c", command, "sh", TCPC, "-v", "127.0.0.1", peer.port],
                                 timeout=LIMIT)
    assert (process.returncode, got) == (DONE, [b""])


def test_unix_socket(tmp_path):
    """P2: a unix socket by its path, in both modes."""
    for number, options in enumerate(([], ["-s", "text"])):
        path = tmp_path / str(number)
        with Peer(echo, path=path) as _:
            process = run(*options, f"unix:{path}", input=b"text")
        assert (process.returncode, process.stdout.strip(), process.stderr) == (DONE, b"text", b"")


# --- Messages ----------------------------------------------------------------------------------

def by_messages(tmp_path, serve):
    return Peer(serve, path=tmp_path / "s", kind=socket.SOCK_SEQPACKET)


def test_each_read_is_a_message(tmp_path):
    """TRANSPORT.md, 5.6: a read of standard input is a message, and its end the end; what comes is
    printed as it comes."""
    got, go_on = [], threading.Event()

    def serve(connection):
        connection.send(b"first,")
        go_on.wait(LIMIT)
        connection.send(b"second")
        got.extend(iter(lambda: connection.recv(1 << 20), b""))

    with by_messages(tmp_path, serve), started(f"unix-seqpacket:{tmp_path}/s") as process:
        assert read_exactly_of(process.stdout, 6) == b"first,"
        go_on.set()
        assert read_exactly_of(process.stdout, 6) == b"second"
        for piece in (b"one", b"two"):
            process.stdin.write(piece)
            process.stdin.flush()
            wait_until_read(process.stdin)
        process.stdin.close()
        assert process.wait(LIMIT) == DONE
    assert got == [b"one", b"two"]


def test_large_input_by_messages(tmp_path):
    """What is larger than a read is several messages of 64 KiB at most; the echo is all of it."""
    data = random.Random(14).randbytes(1 << 20)
    sizes = []

    def serve(connection):
        while message := connection.recv(1 << 20):
            sizes.append(len(message))
            connection.send(message)

    with by_messages(tmp_path, serve), tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        process = run(f"unix-seqpacket:{tmp_path}/s", stdin=file)
    ends_well(process, data)
    assert sizes == [65536] * 16


def test_each_text_is_a_message(tmp_path):
    """-s: a text is a message. Replies are told apart by their messages, also those that come at
    once; so is the greeting."""
    got = []

    def serve(connection):
        for text in (b"Welcome!", b"not asked for"):
            connection.send(text)
        while message := connection.recv(1 << 20):
            got.append(message)
            connection.send(b"re " + message)

    with by_messages(tmp_path, serve):
        process = run("-g", "-s", "one", "-s", "two\n", f"unix-seqpacket:{tmp_path}/s")
    ends_well(process, b"Welcome!\nnot asked for\nre one\nre two\\x0a\n")
    assert got == [b"one", b"two\n"]


def test_all_messages_on_one_line(tmp_path):
    """--prefix alone prints all that comes."""
    def serve(connection):
        for text in (b"one ", b"two"):
            connection.send(text)

    with by_messages(tmp_path, serve):
        process = run("--prefix", f"unix-seqpacket:{tmp_path}/s")
    ends_well(process, b"Message from server: one two\n")


def test_message_that_is_too_long(tmp_path):
    """Half a message is not printed: the failure is told."""
    with by_messages(tmp_path, lambda connection: connection.send(b"x" * 65537)):
        fails(run(f"unix-seqpacket:{tmp_path}/s"), SYSTEM, "longer than 65536 bytes")


def test_socket_of_another_type(tmp_path):
    """A stream where messages are served, and the other way round."""
    for kind, prefix in ((socket.SOCK_SEQPACKET, "unix:"), (socket.SOCK_STREAM, "unix-seqpacket:")):
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.bind(str(tmp_path / kind.name))
            sock.listen()
            fails(run(f"{prefix}{tmp_path}/{kind.name}"), SYSTEM, "of another type is there")


# --- Exit statuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, words", [
    ([], "name one peer"),
    (["one", "two", "three"], "name one peer"),
    (["127.0.0.1"], "port is missing"),
    (["", "7"], "host is missing"),
    (["127.0.0.1", "65536"], "0 to 65535"),
    (["::1:7"], "needs brackets"),
    (["*", "7"], "name one host"),
    (["h" * 300, "7"], "too long"),
    (["unix:relative"], "absolute path"),
    (["unix:/x", "7"], "no port"),
    (["-4", "unix:/x"], "for internet addresses"),
    (["unix-seqpacket:/x", "7"], "no port"),
    (["-4", "unix-seqpacket:/x"], "for internet addresses"),
    (["--framing", "line", "-s", "x", "unix-seqpacket:/x"], "has messages of its own"),
    (["ws:127.0.0.1:7"], "does not speak WebSocket"),
    (["udp:7"], "needs an address behind it"),
    (["--bogus", "h:7"], "--bogus"),
    (["-s"], "requires an argument"),
    (["-s", "", "h:7"], "empty text"),
    (["--framing", "word", "-s", "x", "h:7"], "chunk, line or length"),
    (["--framing", "line", "h:7"], "needs -s or -g"),
    (["--timeout", "soon", "h:7"], "--timeout soon"),
    (["--source", "unix:/x", "h:7"], "internet address"),
    (["--source", "[::1", "h:7"], "bracket")])
def test_status_usage(arguments, words):
    fails(run(*arguments), USAGE, words)


def test_help_and_version():
    process = run("--help")
    ends_well(process, process.stdout)
    for word in (b"HOST PORT", b"unix:/PATH", b"--framing", b"--prefix", b"Exit status", b"Examples"):
        assert word in process.stdout
    version = run("--version")
    ends_well(version, version.stdout)
    assert re.fullmatch(rb"tcpc [0-9]+(\.[0-9]+)+\n", version.stdout)


@pytest.mark.parametrize("options", [[], ["-s", "x"], ["--prefix"], ["--version"]])
def test_status_system(options):
    """A full standard output is told, in every mode."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(open("/dev/full", "wb"))
        port = "7"
        if options != ["--version"]:
            port = stack.enter_context(Peer(echo)).port
        fails(run(*options, "127.0.0.1", port, input=b"x", stdout=full), SYSTEM,
              "standard output: No space left")


def test_status_system_when_output_is_closed():
    """B16, X16: a reader that has gone is a failure with a status, not a death by SIGPIPE."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with Peer(echo) as peer:
        process = run("127.0.0.1", peer.port, input=b"x", stdout=write_end)
    os.close(write_end)
    fails(process, SYSTEM, "standard output: Broken pipe")


@pytest.mark.parametrize("arguments, words", [
    (["127.0.0.1", "no-such-service"], "/etc/services has no port of that name"),
    (["-6", "127.0.0.1:7"], "Address family"),
    (["unix:/no/such/socket"], "no such file")])
def test_status_unknown(arguments, words):
    """P21, P22: what cannot be found is told in words."""
    fails(run(*arguments), UNKNOWN, words)


@needs_network
@needs_mounts
@pytest.mark.parametrize("resolver, words, lookups", [
    ("", "Name or service not known", 1),
    ("nameserver 127.0.0.1", "Temporary failure", 3)])
def test_status_unknown_host(tmp_path, resolver, words, lookups):
    """P22: an unknown host is told with gai_strerror's text; EAI_AGAIN is asked again, twice."""
    (tmp_path / "resolv.conf").write_text(resolver)
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n" if resolver else "hosts: files\n")
    setup = (f"ip link set lo up; mount --bind {tmp_path}/resolv.conf /etc/resolv.conf;"
             f"mount --bind {tmp_path}/nsswitch.conf /etc/nsswitch.conf")
    process = run_inside("-rmn", setup, TCPC, "-v", "no-such-host.example", "7")
    told = process.stderr.decode()
    assert process.returncode == UNKNOWN
    assert told.count(words) == lookups and told.count("asking again") == lookups - 1
    assert re.search(rf"^tcpc: no-such-host.example, port 7: {words}", told, re.MULTILINE)


def bind_all(stack, addresses):
    """Sockets bound to one port on each address; None when the port is taken on one of them."""
    sockets, port = [], 0
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sockets.append(stack.enter_context(socket.socket(family)))
        try:
            sockets[-1].bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return None
        port = sockets[-1].getsockname()[1]
    return sockets


@contextlib.contextmanager
def closed_ports(*addresses):
    """Sockets bound to one port, not listening: connects to it are refused, nobody can take it."""
    with contextlib.ExitStack() as stack:
        while not (sockets := bind_all(stack, addresses)):
            pass  # the sockets of a failed round stay, so that the next round has another port
        yield sockets


def test_status_refused():
    """P16: ECONNREFUSED has its own status and words."""
    with closed_ports("127.0.0.1") as (bound,):
        port = bound.getsockname()[1]
        process = run(f"127.0.0.1:{port}")
    fails(process, REFUSED, f"tcpc: 127.0.0.1:{port}: connection refused\n")


def test_status_refused_unix(tmp_path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        fails(run(f"unix:{tmp_path}/socket"), REFUSED, "connection refused")


@needs_network
def test_status_refused_by_oneself():
    """A connect that meets its own end (same address and port) has found no listener."""
    process = run_inside("-rn", "ip link set lo up", TCPC, "--source", "127.0.0.1:4000",
                         "127.0.0.1", "4000")
    fails(process, REFUSED, "connection refused")


def test_status_timed_out_connecting():
    """P16: --timeout bounds the connect; a listener with a full queue drops its SYN."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        name = listener.getsockname()
        stack.enter_context(socket.create_connection(name, timeout=LIMIT))
        for _ in range(3):  # in case the queue holds one more
            more = stack.enter_context(socket.socket())
            more.setblocking(False)
            assert more.connect_ex(name) != 0
        start = time.monotonic()
        process = run("--timeout", "300ms", name[0], str(name[1]))
        assert 0.3 <= time.monotonic() - start < LIMIT
    fails(process, TIMED_OUT, f"127.0.0.1:{name[1]}: timed out")


def test_status_timed_out_connecting_unix(tmp_path):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "socket"))
        listener.listen(0)
        for _ in range(3):
            more = stack.enter_context(socket.socket(socket.AF_UNIX))
            more.setblocking(False)
            more.connect_ex(str(tmp_path / "socket"))
        fails(run("--timeout", "300ms", f"unix:{tmp_path}/socket"), TIMED_OUT, "timed out")


@pytest.mark.parametrize("options", [[], ["-s", "x"], ["-g"], ["--prefix"]])
def test_status_timed_out_waiting(options):
    """X12: a peer that takes all and says nothing is given up, in every mode."""
    done = threading.Event()

    with Peer(lambda connection: done.wait(LIMIT)) as peer:
        process = run("--timeout", "200ms", *options, "127.0.0.1", peer.port, input=b"x")
        done.set()
    fails(process, TIMED_OUT, f"127.0.0.1:{peer.port}: timed out")


def test_status_timed_out_sending():
    """X12: so is one that does not read."""
    done = threading.Event()

    with Peer(lambda connection: done.wait(LIMIT)) as peer, open("/dev/zero", "rb") as zero:
        process = run("--timeout", "300ms", "127.0.0.1", peer.port, stdin=zero)
        done.set()
    fails(process, TIMED_OUT, "timed out")


def test_timeout_is_not_for_an_idle_input():
    """While stdin is open and idle, it is not the peer that tcpc waits for."""
    def serve(connection):
        connection.sendall(b"still ")
        connection.settimeout(0.5)
        with pytest.raises(socket.timeout):  # tcpc neither sends nor leaves
            connection.recv(1)
        connection.sendall(b"here")

    with Peer(serve) as peer, started("--timeout", "100ms", "127.0.0.1", peer.port) as process:
        assert process.stdout.read() == b"still here"
        assert process.wait(LIMIT) == DONE


@needs_network
@pytest.mark.parametrize("setup, words", [
    ("ip link set lo up", "network unreachable"),
    ("ip link set lo up; ip route add unreachable 192.0.2.1", "host unreachable")])
def test_status_unreachable(setup, words):
    """P16: ENETUNREACH and EHOSTUNREACH."""
    fails(run_inside("-rn", setup, TCPC, "192.0.2.1", "7"), UNREACHABLE, f"192.0.2.1:7: {words}")


@pytest.mark.parametrize("options, printed", [
    ([], b"bye"), (["-s", "x"], b"bye\n"), (["-s", "x", "-s", "y"], b"bye\n"),
    (["--prefix"], b"Message from server: bye\n")])
def test_status_reset(options, printed):
    """P16, X13: a reset is told, and what came before it is printed."""
    def serve(connection):
        connection.recv(1)
        connection.sendall(b"bye")
        reset(connection)

    with Peer(serve) as peer:
        process = run(*options, "127.0.0.1", peer.port, input=b"x")
    fails(process, RESET, f"127.0.0.1:{peer.port}: connection reset by the peer")
    assert process.stdout == printed


def test_last_words_before_a_reset():
    """T7, X2: a peer that closes with input unread resets; its reply is copied out all the same."""
    def serve(connection):
        connection.sendall(b"too much")
        connection.recv(1)

    with Peer(serve) as peer, open("/dev/zero", "rb") as zero:
        process = run("127.0.0.1", peer.port, stdin=zero)
    assert process.returncode in (RESET, CUT_SHORT)  # cut short when its FIN is seen first
    assert process.stdout == b"too much"


@pytest.mark.parametrize("framing, data, words, printed", [
    ("length", b"\0\0\0\5abc", "inside a message", b""),
    ("length", framed(b"whole") + b"\0", "inside a message", b"whole\n"),
    ("length", b"", "1 of 2 texts sent", b""),
    ("line", b"", "1 of 2 texts sent", b""),
    ("chunk", b"", "1 of 2 texts sent", b"")])
def test_status_cut_short(framing, data, words, printed):
    """The peer ends inside a message, or before all texts were sent."""
    def serve(connection):
        connection.recv(1024)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)

    texts = ["-s", "a"] if data else ["-s", "a", "-s", "b"]
    with Peer(serve) as peer:
        process = run("--framing", framing, *texts, "127.0.0.1", peer.port)
    fails(process, CUT_SHORT, words)
    assert process.stdout == printed


def test_status_cut_short_without_a_greeting():
    with Peer(lambda connection: None) as peer:
        fails(run("-g", "-s", "a", "127.0.0.1", peer.port), CUT_SHORT, "without a greeting")


def test_status_cut_short_with_input_unsent():
    """The peer stops reading and ends: bytes of stdin that were read are known to be lost."""
    def serve(connection):
        last = 0
        while readable(connection) > last or last == 0:  # until its buffer is full for a while
            last = readable(connection)
            time.sleep(0.2)
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)

    with Peer(serve, receive_buffer=4096) as peer, open("/dev/zero", "rb") as zero:
        process = run("127.0.0.1", peer.port, stdin=zero)
    fails(process, CUT_SHORT, "bytes unsent")


def test_message_too_long():
    with Peer(lambda connection: connection.sendall(b"\xff\xff\xff\xff")) as peer:
        fails(run("--framing", "length", "-g", "127.0.0.1", peer.port), SYSTEM, "65536 bytes")


# --- Addresses ---------------------------------------------------------------------------------

NAMES = ("::1", "127.0.0.1", "127.0.0.2")


@pytest.fixture
def twofold(tmp_path):
    """Shell commands that give the name `twofold` all the addresses of NAMES."""
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address} twofold\n" for address in NAMES))
    return f"mount --bind {hosts} /etc/hosts"


def attempts_in(trace):
    """The addresses that -v says were tried, in order."""
    return re.findall(r"^\+[0-9]+\.[0-9]{6} trying \[?(.*?)\]?:[0-9]+$", trace, re.MULTILINE)


@needs_mounts
def test_each_address_is_tried(twofold):
    """P17: all dead, all told, the last one's status; the last alive, it is reached, in silence."""
    with closed_ports(*NAMES) as sockets:
        port = str(sockets[0].getsockname()[1])
        process = run_inside("-rm", twofold, TCPC, "-v", "twofold", port)
        told = process.stderr.decode()
        order = attempts_in(told)
        assert process.returncode == REFUSED
        assert sorted(order) == sorted(NAMES)
        assert len(re.findall("^tcpc: .*: connection refused$", told, re.MULTILINE)) == len(NAMES)

        sockets[NAMES.index(order[-1])].listen()
        process = run_inside("-rm", twofold, TCPC, "-v", "--timeout", "200ms", "twofold", port)
        assert attempts_in(process.stderr.decode()) == order
        assert "connected from " in process.stderr.decode()
        process = run_inside("-rm", twofold, TCPC, "--timeout", "200ms", "twofold", port)
        fails(process, TIMED_OUT, ": timed out")  # accepted by the queue alone, so silent


@needs_mounts
@needs_strace
def test_fresh_socket_for_each_address(twofold, tmp_path):
    """P17, W21: between two connects lie the close of the failed socket and a new socket."""
    with closed_ports(*NAMES) as sockets:
        process = run_inside("-rm", twofold, "strace", "-f", "-e", "trace=network,close", "-o",
                             str(tmp_path / "trace"), TCPC, "twofold",
                             str(sockets[0].getsockname()[1]),
                             ASAN_OPTIONS="detect_leaks=0")  # it cannot work when traced
    assert process.returncode == REFUSED
    trace = (tmp_path / "trace").read_text()
    trace = trace[re.search(r"socket\(AF_INET6?, SOCK_STREAM", trace).start():]  # after the lookup
    calls = re.findall(r"\b(socket|connect|close)\(", trace)
    assert "".join(call + " " for call in calls).startswith("socket connect close " * len(NAMES))


@needs_mounts
@pytest.mark.parametrize("option, tried", [("-4", {"127.0.0.1", "127.0.0.2"}), ("-6", {"::1"})])
def test_family(twofold, option, tried):
    """-4 and -6 leave out the other family's addresses."""
    with closed_ports(*NAMES) as sockets:
        process = run_inside("-rm", twofold, TCPC, option, "-v", "twofold",
                             str(sockets[0].getsockname()[1]))
    assert set(attempts_in(process.stderr.decode())) == tried


def test_source_address():
    """P4: by default the kernel chooses; --source binds before the connect."""
    with Peer(read_to_end) as peer:
        ends_well(run("127.0.0.1", peer.port))
    assert peer.client[0] == "127.0.0.1"
    with Peer(read_to_end) as peer:
        ends_well(run("--source", "127.0.0.3", "127.0.0.1", peer.port))
    assert peer.client[0] == "127.0.0.3"


@needs_network
@needs_strace
@pytest.mark.parametrize("source, target", [
    ("127.0.0.3:4001", "127.0.0.1"), ("*:4001", "127.0.0.1"), ("[::1]:4001", "::1")])
def test_source_port(source, target):
    """P4: a port of one's choice; nobody listens there, but the refusal shows that bind worked."""
    process = run_inside("-rn", "ip link set lo up", "strace", "-e", "trace=bind", TCPC,
                         "--source", source, target, "4000", ASAN_OPTIONS="detect_leaks=0")
    assert process.returncode == REFUSED
    assert re.search(r"^bind\(.*htons\(4001\).*= 0$", process.stderr.decode(), re.MULTILINE)


def test_source_that_is_not_ours():
    fails(run("--source", "192.0.2.77", "127.0.0.1", "9"), SYSTEM, "source address")


# --- The trace ---------------------------------------------------------------------------------


def test_verbose():
    """P19: -v tells the steps in order, both ends' addresses, the bytes, and the kernel's view."""
    with Peer(hello) as peer:
        process = run("-v", "-g", "-s", "you", "-s", "exit", f"127.0.0.1:{peer.port}")
    assert (process.returncode, process.stdout) == (DONE, b"Welcome!\nHello, you!\n")
    lines = process.stderr.decode().splitlines()
    client = f"127.0.0.1:{peer.client[1]}"
    assert all(re.match(r"\+[0-9]+\.[0-9]{6} ", line) for line in lines)
    steps = [line.split(" ", 1)[1] for line in lines]
    assert steps[:-1] == [
        f"resolving 127.0.0.1, port {peer.port}",
        f"trying 127.0.0.1:{peer.port}",
        f"connected from {client} to 127.0.0.1:{peer.port}",
        "received a message of 8 bytes",
        "sent 3 bytes",
        "received a message of 11 bytes",
        "sent 4 bytes",
        "peer closed",
        "end of output sent",
        "sent 7 bytes, received 19 bytes"]
    assert re.fullmatch(r"kernel: state [A-Z_0-9]+, RTT [0-9.]+ ms, RTO [0-9.]+ ms, MSS [0-9]+, "
                        r"retransmits [0-9]+", steps[-1])
