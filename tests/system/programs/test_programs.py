# SPDX-License-Identifier: MIT
"""handler = "program", program_mode = connection: real programs, served over every kind of socket,
and the record of what they did."""

import contextlib
import os
import random
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from harness import (activated, configuration, peer_name, read_all, read_exactly, start, wait_for)
from programs import ONE, Cleanliness, ended, program, said, unix_socket, write_python, write_script

WRAPPER = Path("/usr/sbin/tcpd")  # tcp_wrappers' own
PLACES = ["IPv4", "IPv6", "unix", "IPv4 handed over", "unix handed over"]


@contextlib.contextmanager
def served(argv, mark, place, tmp_path, **options):
    """A daemon that serves argv there."""
    listen = {"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "unix": f"unix:{tmp_path}/s"}.get(place)
    conf = configuration(program(argv, mark, listen=listen, **options), log_sessions="all")
    if listen:
        with start(conf) as daemon:
            yield daemon
        return
    handed = unix_socket(tmp_path / "s") if place.startswith("unix") else \
        socket.create_server(("127.0.0.1", 0))
    with handed, activated(conf, [handed], ["program"]) as daemon:
        yield daemon


def send_in_background(sock, data):
    def send():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


# --- Programs that people have -----------------------------------------------------------------

@pytest.mark.parametrize("place", PLACES)
def test_cat_10_mb_slow_reader(mark, tmp_path, place):
    """W18 and T11 for programs: byte-exact, whatever the socket; small reads, a small buffer."""
    data, rng = random.Random(place).randbytes(10_000_000), random.Random(27)
    with served("/bin/cat", mark, place, tmp_path, **ONE) as daemon:
        clean = Cleanliness(daemon.workers()[0])
        with daemon.connect("program", rcvbuf=8192) as sock:
            sender = send_in_background(sock, data)
            back = bytearray()
            while chunk := sock.recv(rng.randint(1, 20_000)):
                back += chunk
            sender.join()
        assert back == data
        line = daemon.wait_log(r"closed: ok, (\d+) bytes? in, (\d+) bytes? out, .*, program exited "
                               "with status 0,")
        if not place.startswith("unix"):
            assert (line[1], line[2]) == ("10000000", "10000000")
        clean.wait()


@pytest.mark.parametrize("place", PLACES)
def test_shell_script(mark, tmp_path, place):
    """A dialogue by the line."""
    script = write_script(tmp_path / "dialogue", """\
        while read -r line; do echo "$line, you said"; done
        echo bye
    """)
    with served(script, mark, place, tmp_path) as daemon, daemon.connect("program") as sock:
        for word in (b"one", b"two words", b"three"):
            sock.sendall(word + b"\n")
            want = word + b", you said\n"
            assert read_exactly(sock, len(want)) == want
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"bye\n"


@pytest.mark.parametrize("place", PLACES)
def test_python(mark, tmp_path, place):
    """The socket is a socket: what sendfile(2), shutdown(2) and getpeername(2) want."""
    script = write_python(tmp_path / "upper", """\
        import os, socket
        sock = socket.socket(fileno=0)
        assert sock.getpeername() is not None
        while chunk := sock.recv(65536):
            sock.sendall(chunk.upper())
        sock.shutdown(socket.SHUT_WR)
    """)
    with served(script, mark, place, tmp_path) as daemon:
        for text in (b"michael", b"tracy" * 50_000, b""):
            with daemon.connect("program") as sock:
                sender = send_in_background(sock, text)
                assert read_all(sock) == text.upper()
                sender.join()


RESPONDER = r"""
    # One request, one answer, as RFC 9112 has it.
    read -r method path version
    while read -r header && [ "$header" != "$(printf '\r')" ]; do :; done
    body="$method $path for $TCPREMOTEIP"
    printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n' ${#body}
    printf 'Connection: close\r\n\r\n%s' "$body"
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_http_responder_answers_curl(tcpd, mark, tmp_path, host):
    """W18: a browser's request to a program, which answers a page."""
    script = write_script(tmp_path / "responder", RESPONDER)
    with tcpd(configuration(program(script, mark, listen=f"{host}:0"))) as daemon:
        url = f"http://{host}:{daemon.ports['program']}/page?q=1"
        for _ in range(3):
            done = subprocess.run(
                ["curl", "--silent", "--show-error", "--globoff", "--max-time", "30", "--noproxy",
                 "*", "--write-out", "\n%{http_code}", url], capture_output=True, text=True,
                timeout=60)
            assert (done.stdout, done.stderr, done.returncode) == \
                (f"GET /page?q=1 for {host.strip('[]')}\n200", "", 0)


@pytest.mark.skipif(not WRAPPER.exists(), reason="tcp_wrappers' tcpd is not installed")
@pytest.mark.parametrize("host", ["127.0.0.1:0", "[::1]:0"])
def test_tcp_wrapper(tcpd, mark, host):
    """Issue 5: the wrapper between us and the program: it asks the socket who the client is. What
    it runs is its own name, argv[0], as inetd gives it; as the file that it is it runs itself."""
    conf = configuration(program([f"@{WRAPPER}", "/bin/cat"], mark, listen=host),
                         log_sessions="all")
    with tcpd(conf) as daemon:
        assert daemon.exchange("program", b"through the wrapper") == b"through the wrapper"
        daemon.wait_log("closed: ok, 19 bytes in, 19 bytes out.*program exited with status 0,")


def test_name_of_its_own(tcpd, mark):
    """With an @ before the path the program's name, argv[0], is what comes next."""
    shell = ["@/bin/sh", "another name", "-c", "echo $0, $1", "zero", "one"]
    with tcpd(configuration(program(shell, mark))) as daemon:
        assert daemon.exchange("program", b"") == b"zero, one\n"
    with tcpd(configuration(program(["@/bin/cat", "a cat", "/proc/self/cmdline"], mark))) as daemon:
        assert daemon.exchange("program", b"") == b"a cat\0/proc/self/cmdline\0"


# --- Ends --------------------------------------------------------------------------------------

def test_client_ends_first(tcpd, mark):
    """T2: the client's end is the program's end of input; its answer comes after it."""
    with tcpd(configuration(program(["/usr/bin/wc", "-c"], mark))) as daemon:
        assert daemon.exchange("program", bytes(1_000_000)) == b"1000000\n"


def test_program_ends_first(tcpd, mark, tmp_path):
    """T5: the program shuts its direction down, and still gets all that the client sends."""
    script = write_python(tmp_path / "talker", """\
        import socket, sys
        sock = socket.socket(fileno=1)
        sock.sendall(b"bye")
        sock.shutdown(socket.SHUT_WR)
        n = 0
        while chunk := sock.recv(65536):
            n += len(chunk)
        print("got", n, file=sys.stderr)
    """)
    with tcpd(configuration(program(script, mark), log_sessions="all")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert read_all(sock) == b"bye"
            sock.sendall(bytes(1_000_000))
            sock.shutdown(socket.SHUT_WR)
            daemon.wait_log(said("got 1000000", re.escape(peer)))
            line = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
            assert (line["bytes_in"], line["bytes_out"]) == ("1000000", "3")


@pytest.mark.parametrize("place", PLACES)
def test_program_leaves_input_unread(mark, tmp_path, place):
    """B17: what it has written arrives, though what the client sent was never read."""
    with served(["/bin/echo", "x" * 100_000], mark, place, tmp_path) as daemon:
        for _ in range(5):
            with daemon.connect("program") as sock:
                sock.sendall(b"never read by anyone")
                assert read_exactly(sock, 100_001) == b"x" * 100_000 + b"\n"
                assert sock.recv(1) == b""


def test_end_comes_with_the_program(tcpd, mark):
    """The client has not ended; the session is over all the same, at once."""
    with tcpd(configuration(program(["/bin/echo", "done"], mark), log_sessions="all")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert read_all(sock) == b"done\n"
            assert float(daemon.wait_log(ended(peer, "exited with status 0", "ok"))["seconds"]) < 10


def test_sessions_at_once(tcpd, mark):
    """Each worker has a program of its own; more workers come as they are needed."""
    with tcpd(configuration(program("/bin/cat", mark, min_workers=2))) as daemon:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(daemon.connect("program")) for _ in range(12)]
            for i, sock in enumerate(socks):
                sock.sendall(b"%02d" % i)
            assert [read_exactly(sock, 2) for sock in socks] == [b"%02d" % i for i in range(12)]
            pids = mark.wait(12)
            assert len({os.getsid(pid) for pid in pids}) == 12
        mark.wait(0)


# --- Records -----------------------------------------------------------------------------------

@pytest.mark.parametrize("code, how, result", [
    ("exit 0", "exited with status 0", "ok"), ("exit 1", "exited with status 1", "program failed"),
    ("exit 255", "exited with status 255", "program failed"),
    ("kill -KILL $$", r"killed by signal 9 \(KILL\)", "program failed"),
    ("kill -SEGV $$", r"killed by signal 11 \(SEGV\)", "program failed"),
    ("kill -TERM $$", r"killed by signal 15 \(TERM\)", "program failed")])
def test_record_tells_how_it_ended(tcpd, mark, code, how, result):
    with tcpd(configuration(program(["/bin/sh", "-c", f"echo bye; {code}"], mark),
                            log_sessions="all")) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert read_all(sock) == b"bye\n"
        line = daemon.wait_log(ended(peer, how, result))
        assert line["bytes_out"] == "4"


def test_record_of_failures_alone(tcpd, mark):
    """log_sessions = errors, the default: only a program that failed has a record."""
    script = ["/bin/sh", "-c", "read -r n; exit $n"]
    with tcpd(configuration(program(script, mark))) as daemon:
        daemon.exchange("program", b"0\n")
        daemon.exchange("program", b"7\n")
        daemon.wait_log("closed: program failed, 2 bytes in.*exited with status 7,")
        assert not daemon.log_matches("exited with status 0")


def test_record_tells_processor_time_and_memory(tcpd, mark, tmp_path):
    """Of the program and of its children that it has waited for."""
    script = write_python(tmp_path / "burn", """\
        import os, time
        filled = bytearray(b"x" * 50_000_000)
        if os.fork():
            os.wait()
        while time.process_time() < 0.3:
            pass
    """)
    conf = configuration(program(script, mark, **ONE), log_sessions="all")
    with tcpd(conf) as daemon, daemon.connect("program") as sock:
        peer = peer_name(sock)
        read_all(sock)
        line = daemon.wait_log(ended(peer, "exited with status 0", "ok"))
        assert 0.55 <= float(line["cpu"]) <= float(line["seconds"]) * 2
        assert 50_000 <= int(line["memory"]) < 200_000
        sock.close()
        daemon.exchange("program")  # another one: the figures are not added up
        lines = wait_for(lambda: len(found := daemon.log_matches("closed: ok.*processor")) == 2
                         and found)
        assert float(re.search(r"([\d.]+) s of processor", lines[1].string)[1]) < 2


# --- Standard error ----------------------------------------------------------------------------

def talk(daemon, wait):
    """One session, and its peer, once its record is there."""
    with daemon.connect("program") as sock:
        peer = peer_name(sock)
        read_all(sock)
    daemon.wait_log(ended(peer, wait))
    return re.escape(peer)


def test_lines_of_standard_error(tcpd, mark):
    """"tcpd/SERVICE: PEER: line"; the last one without its end; none of it for the client."""
    code = "printf 'first\\n\\n  third \\nlast, partial' >&2; exit 3"
    with tcpd(configuration(program(["/bin/sh", "-c", code], mark))) as daemon:
        peer = talk(daemon, "exited with status 3")
        lines = [match[1] for match in daemon.log_matches(f"^tcpd/program: {peer}: (.*)$")]
        assert lines == ["first", "  third ", "last, partial"]
        assert daemon.exchange("program") == b""


def test_backslashes_of_standard_error(tcpd, mark):
    """USER.md 22: they stay, but for one that seems to begin a byte that was escaped; without
    addresses the line stands alone."""
    code = r"""printf '%s\n' 'a\n "\\" C:\xy' '\x1b[2J' >&2; printf 'b\033[2J' >&2"""
    conf = configuration(program(["/bin/sh", "-c", code], mark), log_sessions="all",
                         log_addresses="none")
    with tcpd(conf) as daemon:
        daemon.exchange("program")
        daemon.wait_log("exited with status 0")
        lines = [match[1] for match in daemon.log_matches("^tcpd/program: (.*)$")]
    assert lines == [r'a\n "\\" C:\xy', r"\x5cx1b[2J", r"b\x1b[2J"]


def test_lines_come_while_the_program_runs(tcpd, mark):
    """Not only at its end."""
    with tcpd(configuration(program(["/bin/sh", "-c", "echo now >&2; cat"], mark))) as daemon, \
            daemon.connect("program") as sock:
        daemon.wait_log(said("now", re.escape(peer_name(sock))))
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"


def test_very_long_line(tcpd, mark, tmp_path):
    """Cut into pieces, nothing lost, and the worker's memory stays its own."""
    script = write_python(tmp_path / "long", """\
        import os
        os.write(2, b"".join(b"%06d" % i for i in range(50_000)) + b"\\nshort\\n")
    """)
    with tcpd(configuration(program(script, mark), log_sessions="all")) as daemon:
        peer = talk(daemon, "exited with status 0")
        lines = [match[1] for match in daemon.log_matches(f"^tcpd/program: {peer}: (.*)$")]
        assert "".join(lines[:-1]) == "".join("%06d" % i for i in range(50_000))
        assert lines[-1] == "short" and max(map(len, lines)) <= 1024


def test_bytes_that_are_no_text(tcpd, mark, tmp_path):
    """B50: neither control sequences nor forged lines reach the log."""
    script = write_python(tmp_path / "bytes", r"""
        import os
        os.write(2, bytes(b for b in range(256) if b != 10) + b"\n")
        os.write(2, "Grüße\n".encode() + b"a\rtcpd: forged\n\x1b[2J\n")
    """)
    with tcpd(configuration(program(script, mark), log_sessions="all")) as daemon:
        peer = talk(daemon, "exited with status 0")
        lines = [match[1] for match in daemon.log_matches(f"^tcpd/program: {peer}: (.*)$")]
        assert len(lines) == 4 and lines[1] == "Grüße"
        assert lines[2] == r"a\x0dtcpd: forged" and lines[3] == r"\x1b[2J"
        assert r"\x00\x01" in lines[0] and r"\x7f\x80" in lines[0] and r"\xff" in lines[0]
        assert all(line.isprintable() for line in lines)
        assert not daemon.log_matches("^tcpd: forged")


def test_levels(tcpd, mark):
    """sd-daemon(3): "<3>" is the level of its line; others are information."""
    code = "echo '<3>bad' >&2; echo plain >&2; echo '<7>quiet' >&2; echo '<8>odd' >&2; " \
        "echo '<3' >&2; echo '<3>' >&2; printf '<0>' >&2"
    conf = configuration(program(["/bin/sh", "-c", code], mark), log_sessions="all")
    with tcpd(conf, args=["-l", "-v"]) as daemon:
        peer = talk(daemon, "exited with status 0")
        lines = [match[0] for match in daemon.log_matches("^<.>tcpd/program: .*")]
    own = re.compile(f"(<.>)tcpd/program: {peer}: (.*)")
    assert [own.fullmatch(line).groups() for line in lines] == [
        ("<3>", "bad"), ("<6>", "plain"), ("<7>", "quiet"), ("<6>", "<8>odd"), ("<6>", "<3")]


def test_flood_of_standard_error(tcpd, mark, tmp_path):
    """A program that writes nothing but log holds nobody up, and ends with its client."""
    script = write_script(tmp_path / "flood", "exec yes 'so it goes' >&2\n")
    with tcpd(configuration(program(script, mark, kill_grace="1s", **ONE))) as daemon:
        with daemon.connect("program") as sock:
            daemon.wait_log(said("so it goes"))
            daemon.wait_log(said(r"\d+ lines? left out"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        daemon.wait_log("closed: reset by peer.*program killed by signal 15")
        mark.wait(0)


def test_standard_error_handed_to_others(tcpd, mark, tmp_path):
    """One that closes it, and one that reopens it on the socket."""
    code = "exec 2>&-; echo quiet; echo lost >&2; exec 2>&1; echo loud >&2"
    with tcpd(configuration(program(["/bin/sh", "-c", code], mark))) as daemon:
        assert daemon.exchange("program") == b"quiet\nloud\n"
        assert not daemon.log_matches("tcpd/program.*l[ou][su]")

