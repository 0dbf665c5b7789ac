# SPDX-License-Identifier: MIT
"""The frames of WebSocket over real sockets, to echo: TRANSPORT.md, 4.5. tests/unit/transport has
the same without any socket."""

import threading
import time

import pytest

from harness import configuration, service
from ws_peer import Frame, Peer, encode, frames_of, messages_of
from ws_vectors import BAD_TEXTS, CODES, GOOD_TEXTS, LARGE, VECTORS

FEW = 3000  # bytes that are sent one by one; of more, pieces of 997


def by_frame(frames):
    return frames


def by_octet(frames):
    data = b"".join(frames)
    size = 1 if len(data) <= FEW else 997
    return [data[at:at + size] for at in range(0, len(data), size)]


def whole(frames):
    return [b"".join(frames)]


CHOPS = [whole, by_frame, by_octet]


@pytest.fixture
def echo(tcpd):
    with tcpd(configuration(service("echo", listen="ws:127.0.0.1:0", min_workers=4))) as daemon:
        yield daemon


def exchange(daemon, pieces):
    """Sends them, however slowly the answers are read; all that comes."""
    def send():
        for piece in pieces:
            peer.send(piece)
        peer.sock.shutdown(1)  # behind a Close nothing is read any more, so this harms none

    with Peer(daemon.connect("echo")) as peer:
        peer.opened()
        thread = threading.Thread(target=send)
        thread.start()
        try:
            return peer.rest()
        finally:
            thread.join()


def failures(daemon, rows, chop):
    """What came where something else was wanted."""
    found = {}
    for name, sent, wanted in rows:
        got = exchange(daemon, chop(frames_of(sent)))
        if got != messages_of(wanted):
            found[name] = [(frame.opcode, frame.payload[:200]) for frame in got]
    return found


@pytest.mark.parametrize("chop", CHOPS)
@pytest.mark.parametrize("group", range(1, 8))
def test_vectors(echo, group, chop):
    """Groups 1 to 7, and what stands among them without a number."""
    numbers = [name.split(".")[0] for name, _, _ in VECTORS]
    its = numbers.index(str(group))
    end = len(numbers) if group == 7 else numbers.index(str(group + 1))
    assert end > its + 5
    assert failures(echo, VECTORS[its:end], chop) == {}


@pytest.mark.parametrize("chop", CHOPS)
def test_codes(echo, chop):
    """7.7: a code that may be sent comes back."""
    assert failures(echo, [(code, f"x{code}", f"x{code}") for code in CODES], chop) == {}


@pytest.mark.parametrize("chop", CHOPS)
def test_texts(echo, chop):
    """6.5 to 6.23."""
    good = [(text, f"t#{text} x1000", f"t#{text} x1000") for text in GOOD_TEXTS]
    bad = [(text, f"t#{text} x1000", "x1007") for text in BAD_TEXTS]
    assert failures(echo, good + bad, chop) == {}


@pytest.mark.parametrize("name, length, fragment, piece", LARGE, ids=[row[0] for row in LARGE])
def test_large(echo, name, length, fragment, piece):
    """9 and 10.1.1: the same message comes back."""
    fragments = [b"*" * min(fragment, length - at) for at in range(0, length, fragment)]
    data = b"".join(encode(0 if i else 2, part, last=i == len(fragments) - 1)
                    for i, part in enumerate(fragments)) + encode(8, b"\x03\xe8")
    got = exchange(echo, [data[at:at + piece] for at in range(0, len(data), piece)])
    assert [frame.opcode for frame in got] == [2, 8]
    assert got[0].payload == b"*" * length


def test_bad_text_is_refused_at_once(echo):
    """6.4.3, 6.4.4: at the octet that is wrong, before the message or the frame has ended."""
    for words in ("t-#cebae1bdb9cf83f490", "t-#cebae1 c-#eda0"):
        with Peer(echo.connect("echo")) as peer:
            peer.opened().say(words)
            assert peer.code() == (1007, "")
    frame = encode(1, b"good \xf4\x90\x80\x80 and more")
    with Peer(echo.connect("echo")) as peer:
        peer.opened().send(frame[:-10])
        assert peer.rest()[-1].payload == b"\x03\xef"


def test_pong_before_the_end_of_a_message(echo):
    """5.19, 5.20: a ping between fragments is answered while the message waits for its end."""
    with Peer(echo.connect("echo")) as peer:
        peer.opened().say("t-'frag' c-'men' p'here?'")
        while (frame := peer.frame()).opcode != 10:  # what is echoed of it already
            assert frame.opcode in (0, 1)
        assert frame == Frame(10, b"here?")
        peer.say("c't' x1000")
        assert peer.frame() is not None


def test_many_messages(echo):
    """9.7, 9.8: a thousand messages, one after the other."""
    began = time.monotonic()
    with Peer(echo.connect("echo")) as peer:
        peer.opened()
        for i in range(1000):
            peer.send(encode(2, b"%d" % i))
            assert peer.message() == Frame(2, b"%d" % i)
    assert time.monotonic() - began < 20
