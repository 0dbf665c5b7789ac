# SPDX-License-Identifier: MIT
"""WebSocket from configuration to message: services and programs, python3-websockets as the client,
what tcpd.conf may say, and websocket.so, which plain instances never load."""

import asyncio
import re
import shutil
import socket
import struct
import time
from pathlib import Path

import pytest

from harness import (EX_CONFIG, PATIENCE, TCPD, Text, configuration, run, service)
from programs import ONE, listener, program, write_python, write_script
from ws_peer import BINARY, PING, PONG, TEXT, Frame, Peer, request_of

KILL_TIMEOUT = 5  # seconds that a program has to end, if nothing is set
NAMES = ["Michael", "Tracy", "Sarah"]
WS = "ws:127.0.0.1:0"


def opened(daemon, name="echo", **request):
    return Peer(daemon.connect(name), request_of(**request)).opened()


# --- Another's client --------------------------------------------------------------------------

@pytest.fixture
def talk(tcpd):
    """talk(conf, name, what, **options): runs what(socket) over python3-websockets."""
    websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")

    async def run_it(uri, what, options):
        async with websockets.connect(uri, max_size=None, **options) as ws:
            return await asyncio.wait_for(what(ws), PATIENCE)

    def start(conf, name, what, **options):
        with tcpd(conf) as daemon:
            uri = "ws://%s:%d/" % daemon.address(name)
            return asyncio.run(run_it(uri, what, options))

    return start


async def ended(ws):
    """The code and reason of the Close that comes."""
    try:
        while True:
            await ws.recv()
    except Exception as error:  # its class has moved from module to module
        assert "ConnectionClosed" in type(error).__name__, error
    return ws.close_code, ws.close_reason


async def send_and_receive(ws, *messages):
    for message in messages:
        await ws.send(message)
    return [await ws.recv() for _ in messages]


def conversation(*messages):
    return lambda ws: send_and_receive(ws, *messages)


def test_client_and_echo(talk):
    """Types and borders come back: text, binary, empty, 900 kB, fragments."""
    messages = ["text \N{GREEK SMALL LETTER ALPHA} \N{GRINNING FACE}", b"\0\xff", "", b"",
                b"x" * 900_000, "y" * 900_000, "\n"]
    assert talk(configuration(service("echo", listen=WS)), "echo",
                conversation(*messages)) == messages

    async def in_fragments(ws):
        await ws.send(["one", "two", "three"])
        return await ws.recv()

    assert talk(configuration(service("echo", listen=WS)), "echo", in_fragments) == "onetwothree"


def test_client_and_hello(talk):
    """W17, T6: three messages have three answers, however they come."""
    async def names(ws):
        for name in NAMES:
            await ws.send(name)
        return [await ws.recv() for _ in range(4)]

    assert talk(configuration(service("hello", listen=WS)), "hello", names) == \
        ["Welcome!", *(f"Hello, {name}!" for name in NAMES)]


def test_client_and_time(talk):
    """time is binary, daytime is text; both end the session well."""
    async def all_of(ws):
        return await ws.recv(), await ended(ws)

    data, end = talk(configuration(service("time", listen=WS)), "time", all_of)
    assert abs(struct.unpack("!I", data)[0] - 2208988800 - time.time()) < PATIENCE
    assert end == (1000, "")
    data, end = talk(configuration(service("daytime", listen=WS)), "daytime", all_of)
    assert isinstance(data, str) and end == (1000, "")


def test_client_pings_and_closes(talk):
    async def ping(ws):
        await asyncio.wait_for(await ws.ping(b"there?"), PATIENCE)
        await ws.close(4000, "done")
        return ws.close_code

    assert talk(configuration(service("echo", listen=WS)), "echo", ping) == 4000


def test_client_and_protocol(talk):
    """ws_protocols: the client's first that is listed."""
    conf = configuration(service("echo", listen=WS, ws_protocols=["chat", "mqtt"]))

    async def protocol(ws):
        return ws.subprotocol

    assert talk(conf, "echo", protocol, subprotocols=["stomp", "mqtt", "chat"]) == "mqtt"
    assert talk(conf, "echo", protocol, subprotocols=["stomp"]) is None
    assert talk(conf, "echo", protocol) is None


@pytest.mark.parametrize("mode", ["connection", "prestart"])
def test_client_and_program(talk, mark, tmp_path, mode):
    """A program reads and writes lines, each a message."""
    script = write_python(tmp_path / "greet", """\
        for line in iter(input, "exit"):
            print(f"Hello, {line}!", flush=True)
        print("bye", end="")
    """)
    conf = configuration(program([script], mark, listen=WS, program_mode=mode))

    async def names(ws):
        answers = await send_and_receive(ws, *NAMES)
        await ws.send("exit")
        return answers, await ws.recv(), await ended(ws)

    answers, last, end = talk(conf, "program", names)
    assert answers == [f"Hello, {name}!" for name in NAMES]
    assert (last, end) == ("bye", (1000, ""))


# --- Programs ----------------------------------------------------------------------------------

# ws_messages, what is sent, what `cat` gives back.
CAT = {
    "line": ("line", "t'one' t'two' b#c3a9", [Frame(TEXT, b"one"), Frame(TEXT, b"two"),
                                              Frame(TEXT, b"\xc3\xa9")]),
    "auto is line": ("auto", "t'one' t", [Frame(TEXT, b"one"), Frame(TEXT, b"")]),
    "newline of its own": ("line", "t#6f6e650a t#74776f0d0a", [Frame(TEXT, b"one"),
                                                             Frame(TEXT, b"two")]),
    "several lines": ("line", "t#610a62", [Frame(TEXT, b"a"), Frame(TEXT, b"b")]),
    "fragments": ("line", "t-'o' c-'n' c'e'", [Frame(TEXT, b"one")]),
    "text": ("text", "t#cebae1bdb9cf83", [Frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83")]),
    "binary": ("binary", "b#00ff0a", [Frame(BINARY, b"\0\xff\n")]),
    "binary of text": ("binary", "t'x'", [Frame(BINARY, b"x")]),
}


@pytest.mark.parametrize("mode", ["connection", "prestart"])
@pytest.mark.parametrize("messages, sent, wanted", CAT.values(), ids=CAT)
def test_cat(tcpd, mark, mode, messages, sent, wanted):
    """TRANSPORT.md, 4.3: what is a message for a program, and back."""
    conf = configuration(program(["/bin/cat"], mark, listen=WS, ws_messages=messages,
                                 program_mode=mode))
    with tcpd(conf) as daemon, opened(daemon, "program") as peer:
        peer.say(sent)
        assert [peer.message() for _ in wanted] == wanted
        peer.say("x1000")
        assert peer.rest() == [Frame(8, b"\x03\xe8")]


def test_large_message_and_a_program(tcpd, mark):
    """By pieces; the bytes are the same."""
    conf = configuration(program(["/bin/cat"], mark, listen=WS, ws_messages="binary"))
    data = bytes(range(256)) * 1000
    with tcpd(conf) as daemon, opened(daemon, "program") as peer:
        peer.say("b#" + data.hex())
        got = b""
        while len(got) < len(data):
            frame = peer.message()
            assert frame.opcode == BINARY
            got += frame.payload
        assert got == data


SAYS = {
    "no newline at the end": ("printf 'one\\ntwo'", [Frame(TEXT, b"one"), Frame(TEXT, b"two")],
                              b"\x03\xe8", None),
    "empty lines": ("printf '\\n\\r\\n'", [Frame(TEXT), Frame(TEXT)], b"\x03\xe8", None),
    "no UTF-8 at the end": ("printf 'x\\n\\377'; exit", [Frame(TEXT, b"x")], b"\x03\xf3",
                            "what it sends as text is not UTF-8; see ws_messages"),
    "64 KiB": ("printf '%065536d\\n' 0", [Frame(TEXT, b"0" * 65536)], b"\x03\xe8", None),
    "64 KiB and one": ("printf 'x\\n'; printf '%065537d\\n' 0", [Frame(TEXT, b"x")], b"\x03\xf3",
                       "a line is longer than 64 KiB; see ws_messages"),
    "no UTF-8": ("printf 'x\\n\\377\\n'", [Frame(TEXT, b"x")], b"\x03\xf3",
                 "what it sends as text is not UTF-8; see ws_messages"),
}


@pytest.mark.parametrize("mode", ["connection", "prestart"])
@pytest.mark.parametrize("script, wanted, code, why", SAYS.values(), ids=SAYS)
def test_output_by_line(tcpd, mark, tmp_path, mode, script, wanted, code, why):
    """Each line a text message; what cannot be one ends the session; the log says why."""
    path = write_script(tmp_path / "says", f"read go\n{script}\nread wait\n" if why
                        else f"read go\n{script}\n")
    conf = configuration(program([path], mark, listen=WS, program_mode=mode))
    with tcpd(conf) as daemon, opened(daemon, "program") as peer:
        peer.say("t'go'")
        began = time.monotonic()
        assert peer.rest() == [*wanted, Frame(8, code)]
        assert time.monotonic() - began < KILL_TIMEOUT
        if why:
            assert daemon.wait_log(Text.closed_why("failed"))["why"] == why


@pytest.mark.parametrize("mode", ["connection", "prestart"])
@pytest.mark.parametrize("end, code", [("exit 3", b"\x03\xf3"), ("kill -9 $$", b"\x03\xf3"),
                                       ("exit 0", b"\x03\xe8")])
def test_end_of_a_program(tcpd, mark, tmp_path, mode, end, code):
    """1011 where it has failed, behind all that it said, though what it has started lives on."""
    path = write_script(tmp_path / "ends", f"""\
        read go || exit 0
        printf 'so\\nfar'
        sleep 1000 </dev/null >&0 2>&0 &
        {end}
    """)
    conf = configuration(program([path], mark, listen=WS, program_mode=mode))
    with tcpd(conf) as daemon, opened(daemon, "program") as peer:
        peer.say("t'go'")
        assert peer.rest() == [Frame(TEXT, b"so"), Frame(TEXT, b"far"), Frame(8, code)]
        if end != "exit 0":
            daemon.wait_log("closed: program failed, .* program (exited with status 3|killed by)")


def test_program_that_closes_first(tcpd, mark, tmp_path):
    """One that ends its output and goes on: its client is told now, not how it ends."""
    path = write_script(tmp_path / "closes", """\
        read go || exit 0
        echo x
        exec </dev/null >&0
        exec sleep 1000
    """)
    conf = configuration(program([path], mark, listen=WS, program_mode="prestart"))
    with tcpd(conf) as daemon, opened(daemon, "program") as peer:
        peer.say("t'go'")
        assert peer.rest() == [Frame(TEXT, b"x"), Frame(8, b"\x03\xe8")]


def test_program_goes_on_behind_a_close(tcpd, mark, tmp_path):
    """The client's Close is the end of input: a program may finish, though nobody reads it."""
    path = write_script(tmp_path / "finishes",
                        f"while read line; do :; done; echo late; echo done >{tmp_path}/done\n")
    conf = configuration(program([path], mark, listen=WS))
    with tcpd(conf) as daemon:
        with opened(daemon, "program") as peer:
            peer.say("x1000")
            assert peer.rest() == [Frame(8, b"\x03\xe8")]
        mark.wait(0)
        assert (tmp_path / "done").read_text() == "done\n"


def test_unix_socket(tcpd, tmp_path):
    """ws:unix: behind a proxy that ends TLS: the page's scheme may be https."""
    path = tmp_path / "s"
    with tcpd(configuration(service("echo", listen=f"ws:unix:{path}"))) as daemon, \
            opened(daemon, Host="localhost", Origin="https://localhost") as peer:
        peer.say("t'x' p'y'")
        assert [peer.message(), peer.message()] == [Frame(TEXT, b"x"), Frame(PONG, b"y")]


def test_beside_a_plain_door(tcpd):
    """One service, two doors; each client is understood as what it is."""
    with tcpd(configuration(service("echo", listen=["127.0.0.1:0", WS]))) as daemon:
        port = int(daemon.addresses["echo"][1].rpartition(":")[2])
        assert daemon.is_serving()
        with Peer(socket.create_connection(("127.0.0.1", port), PATIENCE)) as peer:
            peer.opened().say("t'x'")
            assert peer.message() == Frame(TEXT, b"x")
        with daemon.connect("echo") as sock:
            sock.sendall(request_of())
            assert sock.recv(3) == b"GET"


# --- tcpd.conf ---------------------------------------------------------------------------------

WRONG = [
    ("ws_origins", ["www.example.org"], r'ws_origins of service "echo": "www.example.org" is no '
     r'origin; "same", "\*", or as a browser sends it, such as "https://www.example.org"'),
    ("ws_origins", ["same", "https://a.example/"], '"https://a.example/" is no origin'),
    ("ws_origins", ["https://A.example"], '"https://A.example" is no origin'),
    ("ws_origins", ["null"], '"null" is no origin'),
    ("ws_origins", ["http://a.example:80"], '"http://a.example:80" is no origin'),
    ("ws_origins", ["https://a.example:443"], '"https://a.example:443" is no origin'),
    ("ws_protocols", ["chat", "a b"], '"a b" is no name of a protocol'),
    ("ws_protocols", ["x" * 129], "is no name of a protocol"),
    ("ws_path", "chat", r"\"chat\" is no path: it begins with '/', or is \"\*\""),
    ("ws_path", "/chat?room=1", r"\"/chat\?room=1\" is no path: .*has no query"),
    ("ws_path", "/a b", r"\"/a b\" is no path"),
    ("ws_hosts", ["http://www.example.org"], r"\"http://www.example.org\" is no host"),
    ("ws_hosts", ["www.example.org:80a"], r"\"www.example.org:80a\" is no host"),
    ("ws_hosts", [""], r"\"\" is no host"),
    ("ws_message_max", "0", "ws_message_max .*must be between 1 and 1G"),
    ("ws_message_max", "2G", "ws_message_max .*must be between 1 and 1G"),
    ("ws_message_max", "many", "ws_message_max"),
    ("ws_messages", "packet", "ws_messages"),
    ("ws_page", "perhaps", "ws_page"),
    ("ws_ping", "soon", "ws_ping"),
    ("handshake_timeout", "-1", "handshake_timeout"),
]


@pytest.mark.parametrize("option, value, words", WRONG, ids=[f"{o} {v}"[:40] for o, v, _ in WRONG])
def test_wrong_setting(option, value, words):
    """FILE:LINE and what is allowed, of -t."""
    status, _, log = run("-t", conf=configuration(service("echo", listen=WS, **{option: value})))
    assert status == EX_CONFIG
    assert re.search(rf"tcpd\.conf:4: .*{words}", log), log


def test_page_that_cannot_connect():
    """It would get its own 404."""
    conf = configuration(service("echo", listen=WS, ws_path="/game", ws_page="yes"))
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG and "the page connects to /, which is not ws_path" in log, log


def test_program_that_accepts_by_itself(mark):
    """program_mode = listener has the socket, not the messages."""
    conf = configuration(listener(["/bin/cat"], mark, listen=WS, **ONE))
    status, _, log = run("-t", conf=conf)
    assert status == EX_CONFIG and re.search(r"tcpd\.conf:\d+: .*ws:127\.0\.0\.1:0", log), log


# --- websocket.so ------------------------------------------------------------------------------

def objects_of(pid):
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split()[-1]).name for line in lines if ".so" in line}


def test_object_is_loaded_when_needed(tcpd):
    """A plain instance has neither websocket.so nor libmd, in no process; a reload brings them."""
    def loaded(daemon):
        return [any(re.match(r"websocket\.so|libmd\.so", name) for name in objects_of(pid))
                for pid in (daemon.pid, *daemon.workers())]

    with tcpd(configuration(service("echo"))) as daemon:
        assert not any(loaded(daemon))
        daemon.reload(configuration(service("echo", listen=["127.0.0.1:0", WS])))
        assert daemon.is_serving()
        names = objects_of(daemon.pid)
        assert "websocket.so" in names and any(name.startswith("libmd.so") for name in names)


def test_object_is_missing(tcpd, tmp_path):
    """tcpd alone: one error with file and line, at a start and of -t; a reload is refused and what
    was goes on; without WebSocket nothing is amiss."""
    alone = shutil.copy(TCPD, tmp_path / "tcpd")
    plain = configuration(service("echo"))
    wanted = configuration(service("echo", listen=["127.0.0.1:0", WS]))
    for args in ([], ["-t"]):
        status, _, log = run(*args, conf=wanted, binary=alone)
        assert status == EX_CONFIG
        said = [line for line in log.splitlines() if "websocket.so" in line]
        assert len(said) == 1, log
        assert re.search(rf'tcpd\.conf:3: listen = "{WS}": .*websocket\.so', said[0]), log
    with tcpd(plain, binary=alone) as daemon:
        daemon.reload(wanted)
        daemon.wait_log(r"tcpd\.conf:3: listen = .*websocket\.so")
        daemon.wait_log(Text.reload_failed)
        assert daemon.is_serving()
