# SPDX-License-Identifier: MIT
"""Every service's exact bytes, and what the notes' programs did wrong."""

import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness import (BUILD, EX_OK, EX_USAGE, PATIENCE, SANITIZED, Text, configuration, peer_name, proc_fds,
                     read_all, read_exactly, reset, run, service, tcp_sockets, wait_for)

URL = "http://c.biancheng.net/socket/"
NAMES = [b"Michael", b"Tracy", b"Sarah"]


# --- hello -------------------------------------------------------------------------------------

# The notes' client (000) as it stands there.
NOTES_CLIENT = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
# 建立连接:
s.connect(('127.0.0.1', 9999))
# 接收欢迎消息:
print(s.recv(1024).decode('utf-8'))
for data in [b'Michael', b'Tracy', b'Sarah']:
    # 发送数据:
    s.send(data)
    print(s.recv(1024).decode('utf-8'))
s.send(b'exit')
s.close()
"""


@pytest.mark.at_once
def test_hello_serves_the_notes_client(tcpd):
    """W1, W4: the notes' client, unchanged, prints its four lines. The only user of port 9999."""
    with tcpd(configuration(service("hello", listen="127.0.0.1:9999"))):
        done = subprocess.run([sys.executable, "-c", NOTES_CLIENT], capture_output=True, timeout=60)
    assert done.stdout == b"Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n"


def test_hello_welcomes_before_it_reads(tcpd):
    """W2: eight bytes, no newline, nothing sent by the client."""
    with tcpd(configuration(service("hello"))) as daemon, daemon.connect("hello") as sock:
        assert read_exactly(sock, 8) == b"Welcome!"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


@pytest.mark.at_once
def test_hello_answers_a_chunk(tcpd):
    """W3: no terminator in either direction."""
    with tcpd(configuration(service("hello"))) as daemon, daemon.connect("hello") as sock:
        assert read_exactly(sock, 8) == b"Welcome!"
        for name in NAMES:
            sock.sendall(name)
            assert read_exactly(sock, 8 + len(name)) == b"Hello, " + name + b"!"


@pytest.mark.at_once
def test_hello_delay(tcpd):
    """W3: delay = 1s reproduces the notes."""
    with tcpd(configuration(service("hello", delay="1s"))) as daemon:
        with daemon.connect("hello") as sock:
            assert read_exactly(sock, 8) == b"Welcome!"
            begin = time.monotonic()
            sock.sendall(b"Michael")
            assert read_exactly(sock, 15) == b"Hello, Michael!"
            assert time.monotonic() - begin >= 0.99


@pytest.mark.at_once
@pytest.mark.parametrize("framing, bye", [
    ("chunk", b"exit"), ("line", b"exit\n"), ("line", b"exit\r\n"), ("length", b"\0\0\0\4exit")])
def test_hello_ends_at_exit(tcpd, framing, bye):
    """W5: no reply to exit, then the end, though the client has not ended sending."""
    welcome = {"chunk": b"Welcome!", "line": b"Welcome!\n", "length": b"\0\0\0\x08Welcome!"}
    with tcpd(configuration(service("hello", framing=framing))) as daemon:
        with daemon.connect("hello") as sock:
            assert read_exactly(sock, len(welcome[framing])) == welcome[framing]
            sock.sendall(bye)
            assert read_all(sock) == b""


@pytest.mark.at_once
def test_hello_burst_in_chunk_framing_is_one_message(tcpd):
    """T6, X9: what the notes do, documented: names in one segment are one chunk."""
    with tcpd(configuration(service("hello"))) as daemon, daemon.connect("hello") as sock:
        assert read_exactly(sock, 8) == b"Welcome!"
        sock.sendall(b"MichaelTracySarah")
        assert read_exactly(sock, 25) == b"Hello, MichaelTracySarah!"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_hello_lines_in_one_segment(tcpd, ending):
    """T6, X9: three names at once get three replies; `Sarah`, `exit` are recognised."""
    with tcpd(configuration(service("hello", framing="line"))) as daemon:
        with daemon.connect("hello") as sock:
            sock.sendall(b"".join(name + ending for name in [*NAMES, b"exit"]))
            assert read_all(sock) == b"Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n"


def test_hello_lines_byte_by_byte(tcpd):
    """T6: any segmentation; a last line without LF is a message."""
    with tcpd(configuration(service("hello", framing="line"))) as daemon:
        with daemon.connect("hello") as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"Michael\r\nTracy\n\nSarah":
                sock.sendall(bytes([byte]))
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == (b"Welcome!\nHello, Michael!\nHello, Tracy!\nHello, !\n"
                                      b"Hello, Sarah!\n")


def frame(data):
    return struct.pack("!I", len(data)) + data


def test_hello_lengths_in_one_segment(tcpd):
    """T6, P5: 32-bit length in network order before each message, of the replies too."""
    with tcpd(configuration(service("hello", framing="length"))) as daemon:
        with daemon.connect("hello") as sock:
            sock.sendall(b"".join(map(frame, [*NAMES, b"", b"exit"])))
            assert read_all(sock) == b"".join(map(frame, [
                b"Welcome!", b"Hello, Michael!", b"Hello, Tracy!", b"Hello, Sarah!", b"Hello, !"]))


def test_hello_length_split_everywhere(tcpd):
    """T6: a header or a message that is split at any byte."""
    with tcpd(configuration(service("hello", framing="length"))) as daemon:
        with daemon.connect("hello") as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert read_exactly(sock, 12) == frame(b"Welcome!")
            message = frame(b"Michael")
            for cut in range(1, len(message)):
                sock.sendall(message[:cut])
                sock.sendall(message[cut:])
                assert read_exactly(sock, 19) == frame(b"Hello, Michael!")


def test_hello_longest_message(tcpd):
    """X8: 64 KiB is taken, with every byte value in it."""
    big = bytes(range(256)) * 256
    with tcpd(configuration(service("hello", framing="length"))) as daemon:
        with daemon.connect("hello") as sock:
            assert read_exactly(sock, 12) == frame(b"Welcome!")
            sock.sendall(frame(big))
            assert read_exactly(sock, 12 + len(big)) == frame(b"Hello, " + big + b"!")


@pytest.mark.parametrize("framing, data", [
    ("length", struct.pack("!I", 65537)), ("length", b"\xff\xff\xff\xff" + b"x" * 100),
    ("line", b"x" * (65536 + 16))], ids=["65537", "4 GiB", "line"])
def test_hello_too_long_a_message_ends_the_session(tcpd, framing, data):
    """X8: bounded, and the reason stands in the log."""
    with tcpd(configuration(service("hello", framing=framing))) as daemon:
        workers = set(daemon.workers())
        with daemon.connect("hello") as sock:
            peer = peer_name(sock)
            sock.sendall(data)
            assert b"Hello" not in read_all(sock)
            daemon.wait_log(Text.closed("hello", peer, "protocol error"))
        assert workers <= set(daemon.workers())


def test_hello_cut_length_frame_is_an_error(tcpd):
    """W5: the end of input within a message."""
    with tcpd(configuration(service("hello", framing="length"))) as daemon:
        with daemon.connect("hello") as sock:
            peer = peer_name(sock)
            sock.sendall(frame(b"Michael")[:-1])
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == frame(b"Welcome!")
        daemon.wait_log(Text.closed("hello", peer, "protocol error"))


def test_hello_split_character(tcpd):
    """X10: 1023 ASCII characters and é: 1025 bytes, the character split at byte 1024."""
    name = ("x" * 1023 + "é").encode()
    with tcpd(configuration(service("hello"), log_sessions="all")) as daemon:
        with daemon.connect("hello") as sock:
            peer = peer_name(sock)
            assert read_exactly(sock, 8) == b"Welcome!"
            sock.sendall(name)
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)
        # By the read, so 1024 and 1, or however TCP cut it: nothing is lost, nothing decoded.
        parts = re.findall(rb"Hello, (.*?)!", answer, re.S)
        assert b"".join(parts) == name and answer == b"".join(b"Hello, " + p + b"!" for p in parts)
        assert all(len(part) <= 1024 for part in parts)
        daemon.wait_log(Text.closed("hello", peer, "ok"))


@pytest.mark.at_once
@pytest.mark.parametrize("framing", ["chunk", "line", "length"])
def test_hello_any_byte(tcpd, framing):
    """X10: every byte value comes back (LF ends a line, so it is left out there)."""
    data = bytes(b for b in range(256) if framing != "line" or b != 10)
    around = {"chunk": lambda d: d, "line": lambda d: d + b"\n", "length": frame}[framing]
    with tcpd(configuration(service("hello", framing=framing))) as daemon:
        with daemon.connect("hello") as sock:
            assert read_exactly(sock, len(around(b"Welcome!"))) == around(b"Welcome!")
            sock.sendall(around(data))
            want = around(b"Hello, " + data + b"!")
            assert read_exactly(sock, len(want)) == want


# --- echo and discard --------------------------------------------------------------------------

@pytest.mark.parametrize("transfer", ["copy", "splice"])
@pytest.mark.parametrize("size", [1, 3, 12, 64, 100, 150, 4096, 65535, 65536, 65537, 200_000])
def test_echo_exact_length(tcpd, transfer, size):
    """W13, W14, X1, X2: what came goes back, of that length, and nothing of the server's memory."""
    data = random.Random(size).randbytes(size)
    with tcpd(configuration(service("echo", transfer=transfer))) as daemon:
        assert daemon.exchange("echo", data) == data


def test_echo_serves_the_notes_clients(tcpd):
    """W13, W14, W16: 12 bytes with NUL; 100 out, 100 back on a new socket per request."""
    with tcpd(configuration(service("echo"))) as daemon:
        with daemon.connect("echo") as sock:
            sock.sendall(b"Linux China\0")
            assert read_exactly(sock, 12) == b"Linux China\0"
        for text in (b"C", b"C++", b"Python and more"):
            with daemon.connect("echo") as sock:
                sock.sendall(text.ljust(100, b"\0"))
                assert read_exactly(sock, 100).rstrip(b"\0") == text


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_echo_end_behind_data(tcpd, transfer):
    """T2, T4, B18: 3000 bytes and FIN: all 3000 come back, then the end."""
    data = random.Random(4).randbytes(3000)
    with tcpd(configuration(service("echo", transfer=transfer))) as daemon, daemon.connect("echo") as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == data


def test_echo_server_end_only_after_client_end(tcpd):
    """T5: echo never ends first while the client may still send."""
    conf = configuration(service("echo"))
    with tcpd(conf) as daemon, daemon.connect("echo", timeout=0.5) as sock:
        sock.sendall(b"a")
        assert read_exactly(sock, 1) == b"a"
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(30)
        sock.sendall(b"b")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"b"


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_echo_10_mb_random_segments_slow_reader(tcpd, transfer):
    """P27, X11, P29, T6, T11, B15: small writes of random sizes, a small receive buffer, small reads."""
    rng = random.Random(27)
    data = rng.randbytes(10_000_000)

    def send(sock):
        sizes, at = random.Random(28), 0
        while at < len(data):
            size = sizes.choice((1, 7, 100, 1460, 8192, 70_000))
            sock.sendall(data[at:at + size])
            at += size
        sock.shutdown(socket.SHUT_WR)

    with tcpd(configuration(service("echo", transfer=transfer))) as daemon:
        with daemon.connect("echo", rcvbuf=4096) as sock:
            sender = threading.Thread(target=send, args=(sock,))
            sender.start()
            back = bytearray()
            while chunk := sock.recv(rng.randint(1, 3000)):
                back += chunk
            sender.join()
    assert back == data


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_echo_read_byte_by_byte(tcpd, transfer):
    """P29: the unread rest waits for the next read."""
    data = random.Random(29).randbytes(50_000)
    with tcpd(configuration(service("echo", transfer=transfer))) as daemon, daemon.connect("echo") as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: sock.recv(1), b"")) == data


def test_echo_by_splice_sizes_that_change(tcpd):
    """Messages of all sizes through one pipe, without losing a byte; the record has all of them, and
    the worker has no pipe afterwards."""
    rng = random.Random(31)
    with tcpd(configuration(service("echo", transfer="splice"), log_sessions="all")) as daemon:
        with daemon.connect("echo") as sock:
            peer, total = peer_name(sock), 1
            worker = daemon.worker_serving(sock)
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"  # now there is a pipe
            n_fds = len(proc_fds(worker)) - 3  # without the connection and the pipe
            for size in (10, 20_000, 20_000, 10, 70_000, 20_000, 8192, 8191, 30_000, 1) * 5:
                data = rng.randbytes(size)
                sock.sendall(data)
                assert read_exactly(sock, size) == data
                total += size
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        closed = daemon.wait_log(Text.closed("echo", peer, "ok"))
        assert (closed["bytes_in"], closed["bytes_out"]) == (str(total), str(total))
        wait_for(lambda: len(proc_fds(worker)) == n_fds, what="the pipe is given back")


def private_kib(pid):
    """Memory of that process alone."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+)", rollup, re.M)[1])


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory drowns a worker's")
@pytest.mark.parametrize("handler", [["echo"], ["echo", "program"]], ids=["echo", "prestart"])
def test_memory_is_given_back_after_a_large_session(tcpd, handler):
    """Issue 4, 2: an idle worker is as small as before, but for a page or two."""
    how = {"program": ["/bin/cat"], "program_mode": "prestart"} if len(handler) > 1 else {}
    conf = configuration(service(*handler, min_workers=1, max_workers=1, spare_workers=0, **how))
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        daemon.exchange("echo", b"x")
        before = private_kib(worker)
        assert daemon.exchange("echo", bytes(3_000_000)) == bytes(3_000_000)
        wait_for(lambda: private_kib(worker) <= before + 16, what="the buffer's return")


def test_echo_without_room_for_a_pipe(tcpd):
    """No descriptor is left for a pipe: the session goes on through the buffer."""
    data = random.Random(32).randbytes(20_000)
    conf = configuration(service("echo", transfer="splice", min_workers=1, max_workers=1,
                                 spare_workers=0))
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        highest = max(map(int, proc_fds(worker)))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (highest + 2, highest + 2))
        with daemon.connect("echo") as sock:
            for _ in range(5):
                sock.sendall(data)
                assert read_exactly(sock, len(data)) == data


def test_discard(tcpd):
    """RFC 863: everything is taken, nothing comes."""
    with tcpd(configuration(service("discard"), log_sessions="all")) as daemon:
        with daemon.connect("discard") as sock:
            peer = peer_name(sock)
            sock.sendall(bytes(3_000_000))
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        closed = daemon.wait_log(Text.closed("discard", peer, "ok"))
        assert (closed["bytes_in"], closed["bytes_out"]) == ("3000000", "0")


# --- greeting, daytime, time -------------------------------------------------------------------

@pytest.mark.parametrize("end, want", [
    (None, URL.encode()), ("none", URL.encode()), ("crlf", URL.encode() + b"\r\n"),
    ("nul", URL.encode() + b"\0")])
def test_greeting_end(tcpd, end, want):
    """W10: 30 bytes, or the notes' 31 with end = "nul"; sent at once, then closed."""
    options = {"end": end} if end else {}
    with tcpd(configuration(service("greeting", message=URL, **options))) as daemon:
        with daemon.connect("greeting") as sock:
            assert read_all(sock) == want
    assert len(want) == {None: 30, "none": 30, "crlf": 32, "nul": 31}[end]


def test_greeting_serves_the_notes_client(tcpd):
    """W11, W12: read(≤39) into 40 bytes; the second to fifth client are served like the first. The
    only user of port 1234."""
    conf = configuration(service("greeting", listen="127.0.0.1:1234", message=URL, end="nul"))
    with tcpd(conf):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", 1234), timeout=30) as sock:
                text = read_all(sock)[:39].split(b"\0")[0].decode()
            assert f"Message from server: {text}" == f"Message from server: {URL}"


def test_greeting_survives_unread_input(tcpd):
    """B17, T7: 199 KB that nobody reads do not turn the end into a reset; 100 of 100 whole."""
    message = "x" * 3900
    with tcpd(configuration(service("greeting", message=message))) as daemon:
        for _ in range(100):
            with daemon.connect("greeting") as sock:
                sock.sendall(bytes(199_000))
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock) == message.encode()
        assert not daemon.log_matches("closed: (?!ok)")


def test_quote_of_the_day(tcpd, tmp_path):
    """RFC 865: one entry of a fortune file, whole; in time every one."""
    entries = ["first\n", "two\nlines\n", "last % one\n"]
    path = tmp_path / "fortunes"
    path.write_text("%\n".join(entries))
    conf = configuration(service("qotd", "greeting", file=path))
    seen = set()
    with tcpd(conf) as daemon:
        for _ in range(400):
            seen.add(daemon.exchange("qotd").decode())
            if len(seen) == 3:
                break
    assert {text.rstrip("\r\n") for text in seen} == {entry.rstrip("\n") for entry in entries}


DAYTIME = re.compile(
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December) \d\d, \d{4} \d\d:\d\d:\d\d-(\S+)\r\n")


@pytest.mark.parametrize("zone, name", [("UTC", "UTC"), ("CET-1", "CET")])
def test_daytime(tcpd, zone, name):
    """RFC 867: English whatever the locale, in the local zone."""
    env = {"TZ": zone, "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    with tcpd(configuration(service("daytime")), env=env) as daemon:
        text = daemon.exchange("daytime").decode("ascii")
    assert DAYTIME.fullmatch(text)[1] == name
    told = datetime.strptime(text.rpartition("-")[0], "%A, %B %d, %Y %H:%M:%S")
    hours = 1 if name == "CET" else 0
    now = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(hours=hours)
    assert abs((now - told).total_seconds()) < 10


@pytest.mark.parametrize("zone, offset", [("UTC", "+00:00"), ("ZZZ+3:30", "-03:30"),
                                          ("ZZZ-5:45", "+05:45")])
def test_daytime_iso8601(tcpd, zone, offset):
    conf = configuration(service("daytime", format="iso8601"))
    with tcpd(conf, env={"TZ": zone}) as daemon:
        text = daemon.exchange("daytime").decode("ascii")
    assert text.endswith(offset + "\r\n")
    told = datetime.fromisoformat(text.strip())
    assert abs((datetime.now(timezone.utc) - told).total_seconds()) < 10


def test_time(tcpd):
    """RFC 868, B53, P5: four bytes in network order, seconds since 1900 modulo 2^32."""
    with tcpd(configuration(service("time"))) as daemon:
        before = int(time.time())
        data = daemon.exchange("time")
        after = int(time.time())
    assert len(data) == 4
    [told] = struct.unpack("!I", data)
    assert (before + 2208988800) % 2**32 <= told <= (after + 2208988800) % 2**32


@pytest.mark.parametrize("name, options", [
    ("greeting", {"message": URL}), ("daytime", {}), ("time", {})])
def test_server_may_end_first(tcpd, name, options):
    """T5: these end without waiting for the client's end."""
    with tcpd(configuration(service(name, **options))) as daemon, daemon.connect(name) as sock:
        assert read_all(sock)


# --- chargen -----------------------------------------------------------------------------------

def chargen(size):
    """RFC 864, from its text: the 95 printing characters as a ring, 72 a line."""
    ring = bytes(range(32, 127))
    out, first = bytearray(), 0
    while len(out) < size:
        out += (ring * 2)[first:first + 72] + b"\r\n"
        first = (first + 1) % 95
    return bytes(out[:size])


def test_chargen_own_generator():
    assert chargen(74) == (b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           b"[\\]^_`abcdefg\r\n")
    assert chargen(74 * 96)[74 * 95:] == chargen(74)


@pytest.mark.parametrize("family", ["127.0.0.1:0", "[::1]:0"])
def test_chargen(tcpd, family):
    """RFC 864: 5 MB of the pattern, without a seam at any block's end; W9: over IPv6 too."""
    with tcpd(configuration(service("chargen", listen=family))) as daemon:
        with daemon.connect("chargen") as sock:
            assert read_exactly(sock, 5_000_000) == chargen(5_000_000)


def test_chargen_drops_input_and_ends_at_fin(tcpd):
    """RFC 864: input is read and dropped; the client's FIN ends the stream, at any byte of it."""
    with tcpd(configuration(service("chargen"))) as daemon, daemon.connect("chargen") as sock:
        sock.sendall(bytes(50_000))
        start = read_exactly(sock, 100_000)
        sock.shutdown(socket.SHUT_WR)
        rest = read_all(sock)
        assert start + rest == chargen(100_000 + len(rest))


def test_chargen_ends_at_reset(tcpd):
    """B16, B22: a reset while the server writes ends the session, never the worker."""
    with tcpd(configuration(service("chargen", min_workers=1, spare_workers=0))) as daemon:
        [worker] = daemon.workers()
        for _ in range(20):
            sock = daemon.connect("chargen")
            read_exactly(sock, 1000)
            reset(sock)
        with daemon.connect("chargen") as sock:
            assert read_exactly(sock, 1000) == chargen(1000)
        assert worker in daemon.workers()


# --- sessions ----------------------------------------------------------------------------------

def test_idle_client_delays_nobody(tcpd):
    """W7, W15: one idle client; another is answered in less than 50 ms, once the machine lets it."""
    with tcpd(configuration(service("hello"))) as daemon, daemon.connect("hello") as idle:
        read_exactly(idle, 8)

        def seconds():
            begin = time.monotonic()
            with daemon.connect("hello") as sock:
                assert read_exactly(sock, 8) == b"Welcome!"
            return time.monotonic() - begin

        wait_for(lambda: seconds() < 0.05, what="a quick answer")


def test_iterative_mode(tcpd):
    """W15, P13: with one worker the second client waits until the first has gone, then is served;
    its connect() returned at once, the kernel does the handshake."""
    conf = configuration(service("hello", min_workers=1, max_workers=1, spare_workers=0))
    with tcpd(conf) as daemon:
        first = daemon.connect("hello")
        assert read_exactly(first, 8) == b"Welcome!"
        with daemon.connect("hello", timeout=0.5) as second:
            with pytest.raises(TimeoutError):
                second.recv(1)
            first.close()
            second.settimeout(30)
            assert read_exactly(second, 8) == b"Welcome!"


def test_thousand_connections_in_a_row(tcpd):
    """W16, W12: each on a new socket, all answered."""
    with tcpd(configuration(service("echo"))) as daemon:
        for i in range(1000):
            assert daemon.exchange("echo", b"%d" % i) == b"%d" % i


def test_nothing_piles_up(tcpd):
    """P14, T4, W20: after 10,000 sessions the listener is the same, no worker holds a connection,
    nothing is left in CLOSE_WAIT."""
    def sockets(pid):
        return {target for target in proc_fds(pid).values() if target.startswith("socket:")}

    with tcpd(configuration(service("echo", max_workers=8))) as daemon:
        before = [sockets(pid) for pid in daemon.workers()]
        listeners = [s for s in tcp_sockets() if s["local"] == daemon.ports["echo"]
                     and s["state"] == "LISTEN"]
        for _ in range(10_000):
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        wait_for(lambda: not [s for s in tcp_sockets() if s["local"] == daemon.ports["echo"]
                              and s["state"] == "CLOSE_WAIT"], what="no CLOSE_WAIT")
        assert listeners == [s for s in tcp_sockets() if s["local"] == daemon.ports["echo"]
                             and s["state"] == "LISTEN"]
        for pid in daemon.workers():
            wait_for(lambda: sockets(pid) in before, what=f"descriptors of {pid} as before")


# --- what the log tells of sessions ------------------------------------------------------------

@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_two_lines_per_session(tcpd, host):
    """W6, P15, P19: address and port of the peer when it comes and when it goes; bytes; time."""
    conf = configuration(service("echo", listen=f"{host}:0"), log_sessions="all")
    with tcpd(conf) as daemon:
        with daemon.connect("echo") as sock:
            peer = peer_name(sock)
            sock.sendall(b"Linux China\0")
            sock.shutdown(socket.SHUT_WR)
            assert len(read_all(sock)) == 12
        closed = daemon.wait_log(Text.closed("echo", peer, "ok"))
        assert (closed["bytes_in"], closed["bytes_out"]) == ("12", "12")
        assert 0 <= float(closed["seconds"]) < 30
        assert len(daemon.log_matches(Text.opened("echo", peer))) == 1


def test_peer_addresses_of_alternating_families(tcpd):
    """P15, X6: a v4 client after a v6 one, in one worker, on a socket for both."""
    conf = configuration(
        service("echo", listen="*:0", min_workers=1, max_workers=1, spare_workers=0),
        log_sessions="all")
    with tcpd(conf) as daemon:
        port = daemon.ports["echo"]
        for host in ["127.0.0.1", "::1"] * 5:
            with socket.create_connection((host, port), timeout=30) as sock:
                peer = peer_name(sock)
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            daemon.wait_log(Text.closed("echo", peer, "ok"))


def test_reset_session_is_logged_too(tcpd):
    """X13, W6: a peer that resets gets both lines, and the result says so."""
    with tcpd(configuration(service("hello"), log_sessions="all")) as daemon:
        sock = daemon.connect("hello")
        peer = peer_name(sock)
        assert read_exactly(sock, 8) == b"Welcome!"
        daemon.wait_log(Text.opened("hello", peer))
        reset(sock)
        daemon.wait_log(Text.closed("hello", peer, "reset by peer"))


@pytest.mark.at_once
def test_log_sessions_errors(tcpd):
    """Issue 2, 8: by default one line for a session that did not end well, none for others."""
    with tcpd(configuration(service("hello"))) as daemon:
        good = daemon.connect("hello")
        bad = daemon.connect("hello")
        peers = peer_name(good), peer_name(bad)
        for sock in (good, bad):
            assert read_exactly(sock, 8) == b"Welcome!"
        good.sendall(b"exit")
        assert read_all(good) == b""
        good.close()
        reset(bad)
        daemon.wait_log(Text.closed("hello", peers[1], "reset by peer"))
        assert len(daemon.log_matches("connection from")) == 1


def test_log_sessions_none(tcpd):
    conf = configuration(service("hello"), log_sessions="none")
    with tcpd(conf) as daemon:
        sock = daemon.connect("hello")
        assert read_exactly(sock, 8) == b"Welcome!"
        reset(sock)
        daemon.exchange("hello")
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("connection from")


@pytest.mark.parametrize("how, text", [("masked", "127.0.0.0:0"), ("none", "-")])
def test_log_addresses(tcpd, how, text):
    """DESIGN.md, log_addresses: masked to the network, or left out."""
    conf = configuration(service("echo"), log_sessions="all", log_addresses=how)
    with tcpd(conf) as daemon:
        with daemon.connect("echo") as sock:
            port = sock.getsockname()[1]
        daemon.wait_log(r"connection from (\S+) closed")
        for match in daemon.log_matches(r"connection from (\S+)"):
            assert match[1] == text
        assert not daemon.log_matches(rf"\b{port}\b")


def test_peer_bytes_stay_out_of_the_log(tcpd):
    """B50: what a peer sends reaches neither log nor terminal."""
    conf = configuration(service("hello", framing="line"), log_sessions="all")
    with tcpd(conf) as daemon:
        daemon.exchange("hello", b"\x1b[31mtcpd: faked line\ntcpd: another\n\xff\x9b\n")
        daemon.wait_log("closed: ok")
        assert not daemon.log_matches("faked|another|\x1b")


@pytest.mark.parametrize("command", [["tcpd"], ["tcpd", "run"], ["tcpdctl"], ["tcpc"],
                                     ["tcpd-generator"]], ids=" ".join)
def test_version_and_help(command):
    """USER.md 27: -V and -h as --version and --help, in all programs, which --help says; what getopt
    refuses begins with the program's name, and ends with where help is."""
    name = " ".join(command)

    def said(*args):
        done = subprocess.run([BUILD / command[0], *command[1:], *args], capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    for option in ("-V", "--version"):
        status, out, err = said(option)
        assert (status, err) == (EX_OK, "") and re.fullmatch(rf"{command[0]} \d+\.\d+\.\d+\n", out)
    for option in ("-h", "--help"):
        status, out, err = said(option)
        assert (status, err) == (EX_OK, "") and out.startswith(f"usage: {name} ")
        assert re.search(r"^ +-V, --version ", out, re.M) and re.search(r"^ +-h, --help ", out, re.M)
    for option, words in (("-x", "invalid option"), ("--bogus", "unrecognized option")):
        status, out, err = said(option)
        assert status in (2, EX_USAGE) and out == ""
        assert re.fullmatch(rf"{name}: {words} .*\nSee {name} --help\.\n", err), err
