# SPDX-License-Identifier: MIT
"""A real browser at `ws:` and `wss:` services: the test page, messages, origins, ends. W17, T6. It
trusts the certificate of "www" here, and no other of ours."""

import http.server
import os
import signal
import threading

import pytest

from harness import EX_OK, configuration, free_port, service
from tls_peer import behind

# Opens a socket and keeps what it meets.
OPEN = """
    window.met = {messages: [], code: 0, reason: ""};
    window.ours = new WebSocket(arguments[0]);
    ours.binaryType = "arraybuffer";
    ours.onmessage = (event) => met.messages.push(event.data);
    ours.onclose = (event) => { met.code = event.code; met.reason = event.reason; };
"""


class Door:
    """Services in the clear ("ws") or behind TLS ("wss")."""

    def __init__(self, scheme, certificate):
        self.scheme, self.certificate = scheme, certificate
        self.page_scheme = {"ws": "http", "wss": "https"}[scheme]

    def configuration(self, *services):
        section = self.certificate.section() if self.scheme == "wss" else ""
        return section + configuration(*services, log_sessions="all")

    def service(self, name, handler=None, port=0, **options):
        make = behind if self.scheme == "wss" else service
        return make(name, handler, listen=(f"{self.scheme}:127.0.0.1:{port}",), **options)

    def url(self, daemon, name):
        return f"{self.scheme}://127.0.0.1:{daemon.ports[name]}/"

    def page(self, daemon, name):
        return f"{self.page_scheme}://127.0.0.1:{daemon.ports[name]}/"


@pytest.fixture(params=["ws", "wss"])
def door(request, www):
    return Door(request.param, www)


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


def open_socket(browser, url):
    browser.run(OPEN, url)
    browser.wait("ours.readyState === WebSocket.OPEN")


def test_page(tcpd, browser, door):
    """It connects to its own origin, shows what is sent and received, and no policy is in its way."""
    text = "Grüße, 世界 👋"
    with tcpd(door.configuration(door.service("echo", ws_page="yes"))) as daemon:
        browser.open(door.page(daemon, "echo"))
        browser.wait("document.getElementById('state').textContent.startsWith('open')")
        for button in ("as-text", "as-binary"):
            browser.run("document.getElementById('text').value = arguments[0];"
                        "document.getElementById(arguments[1]).click()", text, button)
        browser.wait("document.getElementById('received').textContent === '2'")
        lines = browser.run(
            "return [...document.querySelectorAll('#log li')].map(line => line.textContent)")
        assert lines.count(text) == 2
        assert sum(line.startswith(f"{len(text.encode())} bytes: 47 72") for line in lines) == 2
        if (picture := os.environ.get("TCPD_PICTURE")) and door.scheme == "ws":
            browser.picture(picture)
        browser.run("document.getElementById('close').click()")
        browser.wait("document.getElementById('state').textContent.startsWith('closed: 1000')")
        # The browser asks for an icon by itself, and complains of its own pages, too.
        complaints = [line for line in browser.complaints()
                      if line.startswith(door.page(daemon, "echo"))]
        assert [line for line in complaints if "favicon" not in line] == []


def test_three_sends_are_three_answers(tcpd, browser, door, origin):
    """W17, T6: what merges in a stream stays apart here."""
    with tcpd(door.configuration(door.service("hello", ws_origins=(origin,)))) as daemon:
        open_socket(browser, door.url(daemon, "hello"))
        browser.run("for (const name of ['Michael', 'Tracy', 'Sarah']) ours.send(name)")
        browser.wait("met.messages.length === 4")
        assert browser.run("return met.messages") == [
            "Welcome!", "Hello, Michael!", "Hello, Tracy!", "Hello, Sarah!"]


@pytest.mark.parametrize("size", [0, 1, 126, 65536, 1 << 20])
def test_bytes(tcpd, browser, door, origin, size):
    with tcpd(door.configuration(door.service("echo", ws_origins=(origin,)))) as daemon:
        open_socket(browser, door.url(daemon, "echo"))
        browser.run("window.sent = new Uint8Array(arguments[0]).map((_, i) => i * 7 + (i >> 8));"
                    "ours.send(sent)", size)
        browser.wait("met.messages.length === 1")
        assert browser.run("const got = new Uint8Array(met.messages[0]);"
                           "return got.length === sent.length && got.every((b, i) => b === sent[i])")


def test_foreign_origin_is_refused(tcpd, browser, door, origin):
    """A page of another port does not come in by itself."""
    with tcpd(door.configuration(door.service("echo"))) as daemon:
        browser.run(OPEN, door.url(daemon, "echo"))
        browser.wait("met.code")
        assert browser.run("return [met.code, met.messages.length]") == [1006, 0]
        daemon.wait_log(r"request refused \(403, the page's origin is not one of ws_origins\)")
    assert any("403" in line for line in browser.complaints()), origin


def test_reload_and_stop(tcpd, browser, door, origin):
    """A reload lets the session go on; a stop ends it with 1001 as soon as it is idle."""
    echo = door.service("echo", port=free_port(), ws_origins=(origin,))
    with tcpd(door.configuration(echo)) as daemon:
        open_socket(browser, door.url(daemon, "echo"))
        daemon.reload()
        browser.run("ours.send('still here')")
        browser.wait("met.messages.length === 1")
        daemon.signal(signal.SIGTERM)
        browser.wait("met.code")
        assert browser.run("return [met.code, met.reason]") == [1001, "the service stops"]
        assert daemon.wait_exit() == EX_OK


def test_program(tcpd, browser, door, origin):
    """Lines of a program are messages."""
    script = "print('ready')\nwhile 1: print('got', input())"
    game = door.service("game", "program", program=("/usr/bin/python3", "-u", "-c", script),
                        program_mode="prestart", ws_origins=(origin,))
    with tcpd(door.configuration(game)) as daemon:
        open_socket(browser, door.url(daemon, "game"))
        browser.run("ours.send('one'); ours.send('two')")
        browser.wait("met.messages.length === 3")
        assert browser.run("return met.messages") == ["ready", "got one", "got two"]
        browser.run("ours.close()")


def test_many_sockets(tcpd, browser, door, origin):
    """Fifty at once, each answered."""
    with tcpd(door.configuration(door.service("echo", ws_origins=(origin,)))) as daemon:
        browser.run("""
            window.nRight = 0;
            window.sockets = Array.from({length: 50}, (_, i) => {
                const socket = new WebSocket(arguments[0]);
                socket.onopen = () => socket.send(`number ${i}`);
                socket.onmessage = (event) => { nRight += event.data === `number ${i}`; };
                return socket;
            })""", door.url(daemon, "echo"))
        browser.wait("nRight === 50")
        browser.run("sockets.forEach((socket) => socket.close())")


# --- wss: alone ----------------------------------------------------------------------------------

def test_certificate_that_is_not_trusted(tcpd, browser, authority, origin):
    """The browser refuses it, says so, and so does the log; nobody was served."""
    stranger = Door("wss", authority.leaf("stranger", ["IP:127.0.0.1"]))
    with tcpd(stranger.configuration(stranger.service("echo", ws_origins=(origin,)))) as daemon:
        browser.run(OPEN, stranger.url(daemon, "echo"))
        browser.wait("met.code")
        assert browser.run("return [met.code, met.messages.length]") == [1006, 0]
        daemon.wait_log(r"closed: tls failed \(.*alert certificate unknown\)")
    assert any("ERR_CERT_AUTHORITY_INVALID" in line for line in browser.complaints()), origin


def test_tickets(tcpd, browser, www, origin):
    """The second connection needs no certificate: the ticket came with the first answer."""
    script = "import os; print(os.environ['SSL_PROTOCOL'], os.environ['SSL_SESSION_RESUMED']); input()"
    secure = Door("wss", www)
    how = secure.service("how", "program", program=("/usr/bin/python3", "-u", "-c", script),
                         ws_origins=(origin,))
    with tcpd(secure.configuration(how)) as daemon:
        for want in ("Initial", "Resumed"):
            open_socket(browser, secure.url(daemon, "how"))
            browser.wait("met.messages.length === 1")
            assert browser.run("return met.messages") == [f"TLSv1.3 {want}"]
            browser.run("ours.close()")
            browser.wait("met.code")
