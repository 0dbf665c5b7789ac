# SPDX-License-Identifier: MIT
"""WebSocket with the client that most programs have: `ws` of Node.js, as Debian ships it. (The one of
Python is in test_websocket.py, a browser in tests/browser.)"""

import functools
import json
import os
import subprocess

import pytest

from harness import EX_OK, PATIENCE, configuration, service, wait_for
from programs import program, write_python

WS = "ws:127.0.0.1:0"
ENVIRONMENT = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}

# Runs the body of a function over a connection, and prints what it returns.
SCRIPT = """
const WebSocket = require("ws"), {{ once }} = require("events");
const ws = new WebSocket(process.argv[1], {options});
const arrived = [];
ws.on("message", (data, isBinary) => arrived.push(isBinary ? data : data.toString()));
ws.on("message", () => ws.emit("arrival"));
async function next() {{
    while (!arrived.length)
        await once(ws, "arrival");
    return arrived.shift();
}}
const ended = once(ws, "close").then(([code, reason]) => [code, reason.toString()]);
async function main() {{
    await once(ws, "open");
    {body}
}}
main().then(result => {{ console.log(JSON.stringify(result)); ws.terminate(); }});
"""


@functools.cache
def obstacle():
    try:
        done = subprocess.run(["node", "-e", "require('ws')"], env=ENVIRONMENT, capture_output=True,
                              timeout=PATIENCE)
    except FileNotFoundError:
        return "nodejs is not installed"
    return "node-ws is not installed" if done.returncode else ""


pytestmark = pytest.mark.skipif(bool(obstacle()), reason=obstacle())


def begin(daemon, name, body, **options):
    """Starts a client whose main function is this."""
    script = SCRIPT.format(body=body, options=json.dumps(options))
    return subprocess.Popen(["node", "-e", script, "ws://%s:%d/" % daemon.address(name)],
                            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(client):
    """What it has returned."""
    try:
        out, errors = client.communicate(timeout=PATIENCE)
    finally:
        client.kill()
    assert out, errors
    return json.loads(out)


def talk(daemon, name, body, **options):
    return result_of(begin(daemon, name, body, **options))


def test_echo(tcpd):
    """Types and borders come back, what is sent at once and what is empty, too."""
    with tcpd(configuration(service("echo", listen=WS))) as daemon:
        assert talk(daemon, "echo", """
            for (const data of ["text \\u03b1 \\u{1f600}", Buffer.from([0, 255]), "", Buffer.alloc(0), "\\n"])
                ws.send(data);
            return [await next(), [...await next()], await next(), (await next()).length, await next()];
        """) == ["text \N{GREEK SMALL LETTER ALPHA} \N{GRINNING FACE}", [0, 255], "", 0, "\n"]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 1 << 20])
def test_size(tcpd, size):
    """At the borders of the three kinds of length, and 1 MiB, binary and as text."""
    with tcpd(configuration(service("echo", listen=WS))) as daemon:
        assert talk(daemon, "echo", f"""
            const data = require("crypto").randomBytes({size}), text = "x".repeat({size});
            ws.send(data);
            ws.send(text);
            return [data.equals(await next()), await next() === text];
        """) == [True, True]


def test_fragments(tcpd):
    """A message in parts, with a ping between them, is one; the pong comes before its end."""
    with tcpd(configuration(service("echo", listen=WS))) as daemon:
        assert talk(daemon, "echo", """
            const pong = once(ws, "pong");
            ws.send("one ", { fin: false });
            ws.send("two ", { fin: false });
            ws.ping("there?");
            const [payload] = await pong;
            ws.send("three");
            return [payload.toString(), await next()];
        """) == ["there?", "one two three"]


def test_hello(tcpd):
    """W17, T6: three messages at once have three answers."""
    with tcpd(configuration(service("hello", listen=WS))) as daemon:
        assert talk(daemon, "hello", """
            for (const name of ["Michael", "Tracy", "Sarah"])
                ws.send(name);
            return [await next(), await next(), await next(), await next()];
        """) == ["Welcome!", "Hello, Michael!", "Hello, Tracy!", "Hello, Sarah!"]


@pytest.mark.parametrize("call, wanted", [("ws.close()", [1005, ""]), ("ws.close(1000)", [1000, ""]),
                                          ('ws.close(4321, "done \\u00e9")', [4321, ""])])
def test_close_of_the_client(tcpd, call, wanted):
    """It is answered with its code, and the session ended well."""
    conf = configuration(service("echo", listen=WS), log_sessions="all")
    with tcpd(conf) as daemon:
        assert talk(daemon, "echo", f"{call}; return await ended;") == wanted
        daemon.wait_log("closed: ok, ")


def test_close_of_the_service(tcpd):
    """What it says last comes before its code and reason."""
    with tcpd(configuration(service("daytime", listen=WS), service("echo", listen=WS),
                            stop_idle_timeout="100ms")) as daemon:
        text, end = talk(daemon, "daytime", "return [await next(), await ended];")
        assert text.endswith("\r\n") and end == [1000, ""]
        client = begin(daemon, "echo", """ws.send("x"); await next(); return await ended;""")
        wait_for(lambda: daemon.counts().get("busy") == 1, what="a session")
        assert daemon.stop() == EX_OK
        assert result_of(client) == [1001, "the service stops"]


def test_what_is_agreed_on(tcpd):
    """ws offers compression by itself, which is not taken; of protocols the first that is listed is.
    An upgrade that is refused has its status."""
    conf = configuration(service("echo", listen=WS, ws_protocols=["chat", "mqtt"]))
    body = "return [ws.extensions, ws.protocol];"
    with tcpd(conf) as daemon:
        assert talk(daemon, "echo", body) == ["", ""]
        assert talk(daemon, "echo", body, perMessageDeflate=True) == ["", ""]
        client = begin(daemon, "echo", body, origin="http://elsewhere.example")
        _, errors = client.communicate(timeout=PATIENCE)
        assert client.returncode != 0 and "Unexpected server response: 403" in errors


@pytest.mark.parametrize("mode", ["connection", "prestart"])
def test_program(tcpd, mark, tmp_path, mode):
    """Each line a message; the client's end is the program's, whose last words are lost to it."""
    script = write_python(tmp_path / "greet", """\
        for line in iter(input, "exit"):
            print(f"Hello, {line}!", flush=True)
        print("bye", end="")
    """)
    with tcpd(configuration(program([script], mark, listen=WS, program_mode=mode))) as daemon:
        assert talk(daemon, "program", """
            for (const name of ["Michael", "Tracy", "exit"])
                ws.send(name);
            return [await next(), await next(), await next(), await ended];
        """) == ["Hello, Michael!", "Hello, Tracy!", "bye", [1000, ""]]
