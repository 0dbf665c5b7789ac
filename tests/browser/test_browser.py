# SPDX-License-Identifier: MIT
"""A real browser at `ws:` services: the test page, messages, origins, ends. W17, T6."""

import http.server
import os
import signal
import threading

import pytest

from harness import EX_OK, configuration, free_port, service

# Opens a socket and keeps what it meets.
OPEN = """
    window.met = {messages: [], code: 0, reason: ""};
    window.ours = new WebSocket(arguments[0]);
    ours.binaryType = "arraybuffer";
    ours.onmessage = (event) => met.messages.push(event.data);
    ours.onclose = (event) => { met.code = event.code; met.reason = event.reason; };
"""
WS = ("ws:127.0.0.1:0",)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Somebody's page, which no policy keeps from anything."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>elsewhere</title><p>elsewhere")

    def log_message(self, *_):
        pass


@pytest.fixture
def origin(browser):
    """A page is open whose origin this is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{server.server_port}"
    browser.open(f"{where}/")
    yield where
    server.shutdown()
    server.server_close()


def door(daemon, name):
    return f"127.0.0.1:{daemon.ports[name]}"


def open_socket(browser, daemon, name):
    browser.run(OPEN, f"ws://{door(daemon, name)}/")
    browser.wait("ours.readyState === WebSocket.OPEN")


def test_page(tcpd, browser):
    """It connects to its own origin, shows what is sent and received, and no policy is in its way."""
    text = "Grüße, 世界 👋"
    with tcpd(configuration(service("echo", listen=WS, ws_page="yes"))) as daemon:
        browser.open(f"http://{door(daemon, 'echo')}/")
        browser.wait("document.getElementById('state').textContent.startsWith('open')")
        for button in ("as-text", "as-binary"):
            browser.run("document.getElementById('text').value = arguments[0];"
                        "document.getElementById(arguments[1]).click()", text, button)
        browser.wait("document.getElementById('received').textContent === '2'")
        lines = browser.run(
            "return [...document.querySelectorAll('#log li')].map(line => line.textContent)")
        assert lines.count(text) == 2
        assert sum(line.startswith(f"{len(text.encode())} bytes: 47 72") for line in lines) == 2
        if picture := os.environ.get("TCPD_PICTURE"):
            browser.picture(picture)
        browser.run("document.getElementById('close').click()")
        browser.wait("document.getElementById('state').textContent.startsWith('closed: 1000')")
        # The browser asks for an icon by itself, and complains of its own pages, too.
        own = f"http://{door(daemon, 'echo')}/"
        complaints = [line for line in browser.complaints() if line.startswith(own)]
        assert [line for line in complaints if "favicon" not in line] == []


def test_three_sends_are_three_answers(tcpd, browser, origin):
    """W17, T6: what merges in a stream stays apart here."""
    with tcpd(configuration(service("hello", listen=WS, ws_origins=(origin,)))) as daemon:
        open_socket(browser, daemon, "hello")
        browser.run("for (const name of ['Michael', 'Tracy', 'Sarah']) ours.send(name)")
        browser.wait("met.messages.length === 4")
        assert browser.run("return met.messages") == [
            "Welcome!", "Hello, Michael!", "Hello, Tracy!", "Hello, Sarah!"]


@pytest.mark.parametrize("size", [0, 1, 126, 65536, 1 << 20])
def test_bytes(tcpd, browser, origin, size):
    with tcpd(configuration(service("echo", listen=WS, ws_origins=(origin,)))) as daemon:
        open_socket(browser, daemon, "echo")
        browser.run("window.sent = new Uint8Array(arguments[0]).map((_, i) => i * 7 + (i >> 8));"
                    "ours.send(sent)", size)
        browser.wait("met.messages.length === 1")
        assert browser.run("const got = new Uint8Array(met.messages[0]);"
                           "return got.length === sent.length && got.every((b, i) => b === sent[i])")


def test_foreign_origin_is_refused(tcpd, browser, origin):
    """A page of another port does not come in by itself."""
    with tcpd(configuration(service("echo", listen=WS))) as daemon:
        browser.run(OPEN, f"ws://{door(daemon, 'echo')}/")
        browser.wait("met.code")
        assert browser.run("return [met.code, met.messages.length]") == [1006, 0]
        daemon.wait_log(r"request refused \(403, the page's origin is not one of ws_origins\)")
    assert any("403" in line for line in browser.complaints()), origin


def test_reload_and_stop(tcpd, browser, origin):
    """A reload lets the session go on; a stop ends it with 1001 as soon as it is idle."""
    listen = (f"ws:127.0.0.1:{free_port()}",)
    with tcpd(configuration(service("echo", listen=listen, ws_origins=(origin,)))) as daemon:
        open_socket(browser, daemon, "echo")
        daemon.reload()
        browser.run("ours.send('still here')")
        browser.wait("met.messages.length === 1")
        daemon.signal(signal.SIGTERM)
        browser.wait("met.code")
        assert browser.run("return [met.code, met.reason]") == [1001, "the service stops"]
        assert daemon.wait_exit() == EX_OK


def test_program(tcpd, browser, origin):
    """Lines of a program are messages."""
    script = "print('ready')\nwhile 1: print('got', input())"
    game = service("game", "program", program=("/usr/bin/python3", "-u", "-c", script),
                   program_mode="prestart", listen=WS, ws_origins=(origin,))
    with tcpd(configuration(game)) as daemon:
        open_socket(browser, daemon, "game")
        browser.run("ours.send('one'); ours.send('two')")
        browser.wait("met.messages.length === 3")
        assert browser.run("return met.messages") == ["ready", "got one", "got two"]
        browser.run("ours.close()")


def test_many_sockets(tcpd, browser, origin):
    """Fifty at once, each answered."""
    with tcpd(configuration(service("echo", listen=WS, ws_origins=(origin,)))) as daemon:
        browser.run("""
            window.nRight = 0;
            window.sockets = Array.from({length: 50}, (_, i) => {
                const socket = new WebSocket(arguments[0]);
                socket.onopen = () => socket.send(`number ${i}`);
                socket.onmessage = (event) => { nRight += event.data === `number ${i}`; };
                return socket;
            })""", f"ws://{door(daemon, 'echo')}/")
        browser.wait("nRight === 50")
        browser.run("sockets.forEach((socket) => socket.close())")
