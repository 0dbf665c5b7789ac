# SPDX-License-Identifier: MIT
"""Bad input to a WebSocket service: what is refused, with which status, and that nothing is left of
it; frames that are refused, with their records."""

import socket
import time

import pytest

from harness import Text, configuration, proc_fds, service, wait_for
from programs import ONE
from ws_peer import KEY, Frame, Peer, encode, request_of

# A refusal's status, and why, as the log has it.
NOT_HTTP = "400, this is not a request of HTTP/1.1"
FOREIGN = "403, the page's origin is not one of ws_origins"
REBOUND = "403, the host is not one of ws_hosts"
NO_HOST = "400, the host is malformed"
NO_KEY = "400, Sec-WebSocket-Key is not 16 bytes in base64"
METHOD = "405, the method is not GET"
LINE = "414, the first line is too long"
FIELDS = "431, there are too many fields, or too long ones"
VERSION = "426, Sec-WebSocket-Version is not 13"
UPGRADE = "426, this service speaks WebSocket"

HELLO = bytes.fromhex("16030100c8010000c40303") + b"\x5a" * 194  # of TLS

REFUSED = {
    "foreign origin": (request_of(Origin="http://evil.example"), FOREIGN),
    "origin of another port": (request_of(Host="127.0.0.1:80", Origin="http://127.0.0.1:8080"),
                               FOREIGN),
    "null": (request_of(Origin="null"), FOREIGN),
    "an empty origin": (request_of(Origin=""), FOREIGN),
    "two origins": (request_of(Origin=["http://127.0.0.1"] * 2),
                    "400, there is more than one Origin"),
    "an origin that begins well": (
        request_of(Host="localhost", Origin="http://localhost.evil"), FOREIGN),
    "an origin with a user": (
        request_of(Origin="http://127.0.0.1:80@evil.example"), FOREIGN),
    "TLS's scheme": (request_of(Origin="https://127.0.0.1"), FOREIGN),
    "rebound name": (request_of(Host="evil.example", Origin="http://evil.example"), REBOUND),
    "host with a user": (request_of(Host="me@127.0.0.1"), NO_HOST),
    "host with a path": (request_of(Host="127.0.0.1/"), NO_HOST),
    "port 0": (request_of(Host="127.0.0.1:0"), NO_HOST),
    "port 70000": (request_of(Host="127.0.0.1:70000"), NO_HOST),
    "no host": (request_of(Host=None), NOT_HTTP),
    "two hosts": (request_of(Host=["127.0.0.1", "127.0.0.1"]), NOT_HTTP),
    "path": (request_of("/other"), "404, the path is not ws_path"),
    "fragment": (request_of("/?x#y"), NOT_HTTP),
    "whole address of another": (request_of("http://evil.example/"), REBOUND),
    "whole address with a user": (request_of("http://me@127.0.0.1/"), NO_HOST),
    "whole address of another, and the origin": (
        request_of("http://localhost/", Host="127.0.0.1", Origin="http://127.0.0.1"), FOREIGN),
    "whole address and no host": (request_of("http://127.0.0.1/", Host=None), NOT_HTTP),
    "another scheme": (request_of("ws://127.0.0.1/"), NOT_HTTP),
    "POST": (request_of(method="POST"), METHOD),
    "get": (request_of(method="get"), METHOD),
    "CONNECT": (request_of("127.0.0.1:80", method="CONNECT"), METHOD),
    "HTTP/1.0": (request_of(version="HTTP/1.0"), NOT_HTTP),
    "HTTP/0.9": (b"GET /\r\n\r\n", NOT_HTTP),
    "body": (request_of(Content_Length="5") + b"hello", NOT_HTTP),
    "chunks": (request_of(Transfer_Encoding="chunked") + b"0\r\n\r\n", NOT_HTTP),
    "smuggled": (request_of(Content_Length="0, 70") + request_of("/admin"), NOT_HTTP),
    "space before the colon": (request_of(extra=["Content-Length : 5"]), NOT_HTTP),
    "folded": (request_of(extra=["X: a", " b"]), NOT_HTTP),
    "NUL": (request_of(X="a\0b"), NOT_HTTP),
    "bare newlines": (request_of().replace(b"\r\n", b"\n"), NOT_HTTP),
    "key of 15 bytes": (request_of(Sec_WebSocket_Key="YWFhYWFhYWFhYWFhYWFh"), NO_KEY),
    "key of 17 bytes": (request_of(Sec_WebSocket_Key="YWFhYWFhYWFhYWFhYWFhYWE="), NO_KEY),
    "two keys": (request_of(Sec_WebSocket_Key=[KEY, KEY]), NO_KEY),
    "no key": (request_of(Sec_WebSocket_Key=None), NO_KEY),
    "version 8": (request_of(Sec_WebSocket_Version="8"), VERSION),
    "no upgrade": (request_of(Upgrade=None, Connection="close"), UPGRADE),
    "h2c": (request_of(Upgrade="h2c"), UPGRADE),
    "long line": (request_of("/" + "x" * 4096), LINE),
    "65 fields": (request_of(extra=["X: y"] * 60), FIELDS),
    "long field": (request_of(X="y" * 8192), FIELDS),
    "rubbish": (bytes(range(256)) * 4, NOT_HTTP),
    "TLS": (HELLO, NOT_HTTP),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NOT_HTTP),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", NOT_HTTP),
}


def conf(**options):
    return configuration(service("echo", listen="ws:127.0.0.1:0", **{**ONE, **options}))


def test_refused(tcpd):
    """TRANSPORT.md, 4.2 and WB: each has its status and its record, and the worker is as before."""
    wrong = {}
    with tcpd(conf()) as daemon:
        worker, = daemon.workers()
        before = proc_fds(worker)
        for name, (request, why) in REFUSED.items():
            since = len(daemon.log.items)
            with Peer(daemon.connect("echo"), request) as peer:
                status, body = peer.refused()
            said = daemon.wait_log(Text.closed_why("request refused"), since=since)["why"]
            if (said, f"{status}, {body.strip()}") != (why, why):
                wrong[name] = (said, status, body)
        assert wrong == {}
        wait_for(lambda: proc_fds(worker) == before)
        assert daemon.workers() == [worker]
        with Peer(daemon.connect("echo")) as peer:
            peer.opened().say("t'good'")
            assert peer.message() == Frame(1, b"good")


def test_refused_octet_by_octet(tcpd):
    """However the request is cut; what comes behind the fault is dropped, and nothing is reset."""
    names = ["foreign origin", "two hosts", "smuggled", "long line", "TLS"]
    with tcpd(conf(max_workers=4)) as daemon:
        for name in names:
            request, why = REFUSED[name]
            with Peer(daemon.connect("echo"), b"") as peer:
                for octet in request:
                    peer.send(bytes([octet]))
                status, body = peer.refused()
                assert f"{status}, {body.strip()}" == why


def test_damaged_request(tcpd):
    """WB: each octet of a good request removed, doubled, or another: an answer always, within the
    request's end, and the worker stays."""
    good = request_of(Origin="http://127.0.0.1", extra=["X: \ty"])
    with tcpd(conf()) as daemon:
        worker, = daemon.workers()
        for at in range(len(good)):
            for middle in (b"", good[at:at + 1] * 2, b"\0", b"\n", b"\r", b"\x80"):
                request = good[:at] + middle + good[at + 1:]
                with Peer(daemon.connect("echo"), request) as peer:
                    peer.sock.shutdown(socket.SHUT_WR)
                    answer = peer.answer()
                    assert answer[:12] in ("", "HTTP/1.1 101", "HTTP/1.1 400", "HTTP/1.1 403",
                                           "HTTP/1.1 404", "HTTP/1.1 405", "HTTP/1.1 426"), request
        assert daemon.workers() == [worker]


ALLOWED = {
    "no origin": ({}, {}),
    "same": ({}, {"Host": "localhost:8007", "Origin": "http://localhost:8007"}),
    "letters": ({}, {"Host": "LOCALHOST", "Origin": "http://localhost"}),
    "IPv6": ({}, {"Host": "[::1]:8007", "Origin": "http://[::1]:8007"}),
    "lists": ({}, {"Connection": "keep-alive, Upgrade", "Upgrade": "h2c, WebSocket"}),
    "listed origin": ({"ws_origins": ["https://www.example.org"]},
                      {"Origin": "https://www.example.org"}),
    "any origin": ({"ws_origins": ["*"]}, {"Origin": "null"}),
    "listed host": ({"ws_hosts": ["game.example"]},
                    {"Host": "game.example", "Origin": "http://game.example"}),
    "extension": ({}, {"Sec-WebSocket-Extensions": "permessage-deflate"}),
    "empty body": ({}, {"Content-Length": "0"}),
}


@pytest.mark.parametrize("options, fields", ALLOWED.values(), ids=ALLOWED)
def test_allowed(tcpd, options, fields):
    with tcpd(conf(**options)) as daemon, \
            Peer(daemon.connect("echo"), request_of(**fields)) as peer:
        answer = peer.answer()
        assert answer.startswith("HTTP/1.1 101 ") and "xtensions" not in answer
        peer.say("t'here'")
        assert peer.message() == Frame(1, b"here")


def test_path_and_query(tcpd):
    """ws_path is compared without the query; "*" is any."""
    with tcpd(conf(ws_path="/chat")) as daemon:
        with Peer(daemon.connect("echo"), request_of("/chat?room=1")) as peer:
            peer.opened()
        with Peer(daemon.connect("echo"), request_of("http://localhost/chat?room=1",
                                                     Origin="http://localhost")) as peer:
            peer.opened()
        with Peer(daemon.connect("echo"), request_of("/")) as peer:
            assert peer.refused()[0] == 404
    with tcpd(conf(ws_path="*")) as daemon:
        with Peer(daemon.connect("echo"), request_of("/any/where")) as peer:
            peer.opened()


def test_frames_behind_the_request(tcpd):
    """What comes in one piece with the request is not lost, however long it is."""
    frames = b"".join(encode(2, b"%d" % i * 10) for i in range(600))
    with tcpd(conf()) as daemon, Peer(daemon.connect("echo"), request_of() + frames) as peer:
        peer.opened()
        for i in range(600):
            assert peer.message() == Frame(2, b"%d" % i * 10)


BROKEN = {
    "bad UTF-8": (encode(1, b"\xff"), 1007, "1007, its text is not UTF-8"),
    "unmasked": (encode(1, b"x", mask=None), 1002, "1002, it breaks RFC 6455"),
    "too big": (encode(2, b"x" * 1025), 1009, "1009, its message is longer than ws_message_max"),
    "too big in pieces": (encode(2, b"x" * 1000, last=False) + encode(0, b"x" * 25), 1009,
                          "1009, its message is longer than ws_message_max"),
    "2^63-1": (encode(2, length=(1 << 63) - 1), 1009,
               "1009, its message is longer than ws_message_max"),
    "2^63": (encode(2, length=1 << 63), 1002, "1002, it breaks RFC 6455"),
    "empty fragments": (encode(1, last=False) + encode(0, last=False) * 100000, 1009,
                        "1009, its message is longer than ws_message_max"),
    "length not minimal": (b"\x81\xfe\0\x01" + b"\0\0\0\0" + b"x", 1002,
                           "1002, it breaks RFC 6455"),
}


@pytest.mark.parametrize("data, code, why", BROKEN.values(), ids=BROKEN)
def test_broken(tcpd, data, code, why):
    """TRANSPORT.md, 4.3: what breaks the protocol has its code, and its record says why."""
    with tcpd(conf(ws_message_max="1K")) as daemon, Peer(daemon.connect("echo")) as peer:
        worker, = daemon.workers()
        peer.opened().send(data)
        assert peer.rest()[-1] == Frame(8, code.to_bytes(2, "big"))
        assert daemon.wait_log(Text.closed_why("protocol error"))["why"] == why
        with Peer(daemon.connect("echo")) as after:
            after.opened().say("t'good'")
            assert after.message() == Frame(1, b"good")
        assert daemon.workers() == [worker]


def test_mask_of_zeros(tcpd):
    with tcpd(conf()) as daemon, Peer(daemon.connect("echo")) as peer:
        peer.opened().send(encode(1, b"plain", mask=b"\0\0\0\0"))
        assert peer.message() == Frame(1, b"plain")


def test_request_in_pieces(tcpd):
    """An octet every 50 ms is waited for, but not beyond handshake_timeout."""
    request = request_of()
    with tcpd(conf(handshake_timeout="2s")) as daemon:
        with Peer(daemon.connect("echo"), request[:-20]) as peer:
            for octet in request[-20:]:
                time.sleep(0.05)  # the pace itself is meant
                peer.send(bytes([octet]))
            peer.opened()
        began = time.monotonic()
        with Peer(daemon.connect("echo"), b"") as peer:
            peer.sock.settimeout(0.05)
            for octet in request * 2:
                peer.send(bytes([octet]))
                try:
                    if peer.sock.recv(1, socket.MSG_PEEK):
                        break
                except TimeoutError:
                    continue
            peer.sock.settimeout(10)
            assert peer.refused()[0] == 408
        assert 1.9 < time.monotonic() - began < 8
        daemon.wait_log(r"closed: handshake timeout \(handshake_timeout = 2s\)")
