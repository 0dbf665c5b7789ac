# SPDX-License-Identifier: MIT
"""TL1: other libraries and programs as clients: openssl-s_client(1), gnutls-cli(1), curl(1) and
python3-websockets. Python's own ssl is in test_tls.py."""

import asyncio
import contextlib
import re
import shutil
import ssl
import subprocess
import threading

import pytest

from certificates import Authority
from harness import PATIENCE, Text, configuration
from programs import ONE, write_python, write_script
from tls_peer import behind, context, dial, loopback
from ws_peer import TEXT, Peer, request_of

MIB = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def middle(authority):
    """It signs for the one that clients know."""
    return Authority(authority.folder, "middle", authority)


@pytest.fixture(scope="module")
def www(middle):
    return middle.leaf("www")


@pytest.fixture(scope="module")
def rsa(middle):
    return middle.leaf("rsa", kind="rsa:2048")


@contextlib.contextmanager
def piped(*command):
    """A client that sends what it reads, and writes what it gets."""
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def echoed(process, data):
    """What of it comes back while it is being sent."""
    sender = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.flush()))
    sender.start()
    got = process.stdout.read(len(data))
    sender.join()
    return got


# --- openssl-s_client(1) -------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["www", "rsa"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client(tcpd, authority, request, version, kind):
    """A MiB there and back, by a chain of three; it says that all is well with it, and that it ends."""
    conf = request.getfixturevalue(kind).section() + configuration(
        behind("echo", **ONE), log_sessions="all")
    with tcpd(conf) as daemon:
        port = daemon.address("echo")[1]
        with piped("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
                   "-verify_hostname", "localhost", "-CAfile", authority.path, "-verify_return_error",
                   "-quiet", "-no_ign_eof", "-nocommands", version) as client:
            assert echoed(client, MIB) == MIB
            client.stdin.close()
            client.wait(PATIENCE)
            said = client.stderr.read()
        assert b"depth=2" in said and b"error" not in said, said
        daemon.wait_log(f"closed: ok, {len(MIB)} bytes in, {len(MIB)} bytes out")


@pytest.mark.parametrize("algorithms, kind", [
    ("ECDSA+SHA256", "ec"), ("RSA-PSS+SHA256", "rsa"), ("RSA-PSS+SHA256:ECDSA+SHA256", None),
    ("ed25519", None)])
def test_signature_algorithms(tcpd, middle, authority, rsa, algorithms, kind):
    """TL3: RSA and ECDSA for one name; in TLS 1.3 the client's algorithms choose."""
    ec = middle.leaf("ec")
    conf = (f'certificate "www" {{ chain = {{"{ec.chain}", "{rsa.chain}"}} '
            f'key = {{"{ec.key}", "{rsa.key}"}} }}\n') + configuration(behind("daytime"))
    with tcpd(conf) as daemon:
        port = daemon.address("daytime")[1]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-sigalgs", algorithms,
             "-CAfile", authority.path], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=PATIENCE, check=False)
        shown = re.search(rb"subject=CN = (\w+)", done.stdout)
        if algorithms == "ed25519":
            assert not shown
            daemon.wait_log(r"closed: tls failed \(no suitable signature algorithm\)")
        else:
            assert shown[1].decode() == kind or kind is None and shown, done.stdout
            assert b"Verify return code: 0 (ok)" in done.stdout


def test_who_does_not_believe(tcpd, www, tmp_path):
    """A client that knows another authority says so, and the log does."""
    stranger = Authority(tmp_path, "stranger")
    with tcpd(www.section() + configuration(behind("echo"))) as daemon:
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(daemon, "echo", context(stranger))
        assert "unknown ca" in daemon.wait_log(Text.closed_why("tls failed"))["why"]


# --- gnutls-cli(1) -------------------------------------------------------------------------------

@pytest.fixture
def gnutls(tcpd, authority):
    """gnutls(conf, name, data, priority): what comes back, to the server's end."""
    if not shutil.which("gnutls-cli"):
        pytest.skip("gnutls-cli is not installed (gnutls-bin)")

    def run(conf, name, data, priority):
        with tcpd(conf) as daemon:
            done = subprocess.run(
                ["gnutls-cli", "--x509cafile", authority.path, "--priority", priority, "--logfile",
                 "/dev/null", "-p", str(daemon.address(name)[1]), "localhost"],
                input=data, capture_output=True, timeout=PATIENCE, check=False)
            assert done.returncode == 0, done.stderr
            daemon.wait_log(f"{name}: .*closed: ok, {len(data)} bytes in, ")
            return done.stdout

    return run


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["www", "rsa"])
def test_gnutls(gnutls, request, version, kind):
    """A MiB there and back; it ends its way first, and reads on."""
    priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}"
    conf = request.getfixturevalue(kind).section() + configuration(
        behind("echo", **ONE), behind("count", "program", program=["/usr/bin/wc", "-c"], **ONE),
        log_sessions="all")
    assert gnutls(conf, "echo", MIB, priority) == MIB
    assert gnutls(conf, "count", MIB, priority) == b"%d\n" % len(MIB)


# --- curl(1) -------------------------------------------------------------------------------------

HTTP = r"""
    import sys
    source, out = sys.stdin.buffer, sys.stdout.buffer
    while request := source.readline():
        length = 0
        while (line := source.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"expect":
                out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                out.flush()
        body = source.read(length) if length else b"hello\n"
        out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        out.flush()
"""


@pytest.mark.parametrize("options", [[], ["--tls-max", "1.2"], ["--tlsv1.3"], ["--http2"]],
                         ids=["usual", "1.2", "1.3", "h2"])
def test_curl(tcpd, authority, www, tmp_path, options):
    """https of a program: three requests by one connection, the last with a body of a MiB. Who would
    speak HTTP/2, too, gets the version that both have."""
    (tmp_path / "body").write_bytes(MIB)
    conf = www.section() + configuration(behind(
        "http", "program", program=[write_python(tmp_path / "http", HTTP)], tls_alpn=["http/1.1"]),
        log_sessions="all")
    with tcpd(conf) as daemon:
        url = f"https://localhost:{daemon.address('http')[1]}/"
        done = subprocess.run(
            ["curl", "-sS", "--cacert", authority.path, *options, url, url, "--next", "-sS", "--cacert",
             authority.path, *options, "--data-binary", f"@{tmp_path}/body", url],
            capture_output=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stdout) == (0, b"hello\n" * 2 + MIB), done.stderr
        daemon.wait_log("http: .*closed: ok, ")


def test_curl_does_not_believe(tcpd, www, tmp_path):
    script = write_script(tmp_path / "never", f"echo ran >{tmp_path}/ran")
    with tcpd(www.section() + configuration(behind("http", "program", program=[script]))) as daemon:
        done = subprocess.run(["curl", "-sS", f"https://localhost:{daemon.address('http')[1]}/"],
                              capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == 60, done.stderr  # the server's certificate
        daemon.wait_log(r"closed: tls failed \(.*unknown ca\)")
        assert not (tmp_path / "ran").exists()


# --- wss: ----------------------------------------------------------------------------------------

WSS = "wss:127.0.0.1:0"


@pytest.mark.parametrize("scheme, is_same", [("https", True), ("http", False)])
def test_websockets(tcpd, authority, www, scheme, is_same):
    """python3-websockets by TLS: messages of every size; pages of the same place by https alone."""
    websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")

    async def talk(port):
        async with websockets.connect(f"wss://localhost:{port}/", ssl=context(authority),
                                      origin=f"{scheme}://localhost:{port}", max_size=None) as ws:
            for text in ("hello", "", "x" * 900_000, b"\0\xff", MIB):
                await ws.send(text)
                assert await asyncio.wait_for(ws.recv(), PATIENCE) == text

    conf = www.section() + configuration(behind("echo", listen=WSS, ws_message_max="2M"))
    with tcpd(conf) as daemon:
        talking = talk(daemon.address("echo")[1])
        if is_same:
            asyncio.run(talking)
        else:
            with pytest.raises(Exception, match="403"):
                asyncio.run(talking)


@pytest.mark.parametrize("listen, origin, is_same", [
    ("wss", "https://localhost:%d", True), ("wss", "http://localhost:%d", False),
    ("ws", "http://localhost:%d", True), ("ws", "https://localhost:%d", False)])
def test_origins(tcpd, authority, www, listen, origin, is_same):
    """The scheme of a page of the same place is that of its entry, of a service that has both."""
    conf = www.section() + configuration(behind("echo", listen=["ws:127.0.0.1:0", WSS], **ONE))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        port, = (int(text.rpartition(":")[2]) for text in daemon.addresses["echo"]
                 if text.startswith(f"{listen}:"))
        sock = stack.enter_context(loopback(port))
        if listen == "wss":
            sock = stack.enter_context(context(authority).wrap_socket(
                sock, server_hostname="localhost", suppress_ragged_eofs=False))
        peer = Peer(sock, request_of(Host=f"localhost:{port}", Origin=origin % port))
        if is_same:
            peer.opened().say("t'hello'")
            assert peer.message() == (TEXT, b"hello", True)
            peer.say("x1000")
            assert peer.code()[0] == 1000
            assert not peer.frame()  # else SSLEOFError
        else:
            assert peer.refused()[0] == 403


def test_alpn_of_wss(tcpd, authority, www):
    """http/1.1 by itself; who offers only another one is refused."""
    with tcpd(www.section() + configuration(behind("echo", listen=WSS))) as daemon:
        with dial(daemon, "echo", context(authority, alpn=["h2", "http/1.1"])) as sock:
            assert sock.selected_alpn_protocol() == "http/1.1"
        with dial(daemon, "echo", context(authority)) as sock:
            assert sock.selected_alpn_protocol() is None
        with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
            dial(daemon, "echo", context(authority, alpn=["h2"]))


@pytest.mark.parametrize("part", ["handshake", "request"])
def test_handshake_timeout_of_wss(tcpd, authority, www, part):
    """One time for both."""
    conf = www.section() + configuration(behind("echo", listen=WSS, handshake_timeout="500ms"))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        if part == "handshake":
            sock = stack.enter_context(daemon.connect("echo"))
        else:
            sock = stack.enter_context(dial(daemon, "echo", context(authority)))
            sock.sendall(request_of()[:20])
        daemon.wait_log("closed: handshake timeout .handshake_timeout = 500ms.")
        with contextlib.suppress(ConnectionError):
            while sock.recv(1000):
                pass


def test_plain_client_of_wss(tcpd, www):
    """A request in the clear is no request."""
    with tcpd(www.section() + configuration(behind("echo", listen=WSS))) as daemon, \
            daemon.connect("echo") as sock:
        Peer(sock)
        assert daemon.wait_log(Text.closed_why("tls failed"))["why"] == "http request"
