# SPDX-License-Identifier: MIT
"""tcpc --tls: whom it trusts, and how it says that it does not; all its modes."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import Authority, openssl
from harness import BUILD, PATIENCE, can_become_others, configuration, proc_state, service, wait_for
from tls_peer import behind

TCPC = BUILD / "tcpc"
MIB = bytes(range(256)) * 4096
DONE, SYSTEM, USAGE, TIMED_OUT, RESET, CUT_SHORT, TLS = 0, 1, 2, 5, 7, 8, 9


def tcpc(*arguments, data=b"", timeout=PATIENCE, prefix=()):
    return subprocess.run([*prefix, TCPC, *map(str, arguments)], input=data, capture_output=True,
                          timeout=timeout, check=False)


def who_knows(host, folder):
    """The prefix of a program for which a name is this machine's."""
    if host in ("localhost", "127.0.0.1"):
        return []
    if not can_become_others():
        pytest.skip("for root: a file of hosts for one process")
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {host}\n")
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]


def answer(sock):
    sock.sendall(sock.recv(100))
    sock.unwrap()


class Server:
    """One connection of TLS after the other, which behave() serves, in a thread."""

    def __init__(self, certificate, behave=None, options=0, versions=None, ciphers=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.context.options |= options
        if ciphers:
            self.context.set_ciphers(ciphers)
        if versions:
            self.context.minimum_version, self.context.maximum_version = versions
        self.behave = behave or answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain, \
                    self.context.wrap_socket(plain, server_side=True) as sock:
                self.behave(sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)


def expired(authority):
    return authority.leaf("expired", days=-1)


UNTRUSTED = "the certificate is not trusted: "

# A leaf, the name that is asked for; status, what is said.
CASES = {
    "right": (lambda a: a.leaf("c"), "localhost", DONE, ""),
    "a number": (lambda a: a.leaf("c"), "127.0.0.1", DONE, ""),
    "wildcard": (lambda a: a.leaf("c", ["DNS:*.one.localhost"]), "x.one.localhost", DONE, ""),
    "with an intermediate": (lambda a: Authority(a.folder, "between", a).leaf("c"), "localhost",
                             DONE, ""),
    "RSA": (lambda a: a.leaf("c", kind="rsa:2048"), "localhost", DONE, ""),
    "expired": (expired, "localhost", TLS, UNTRUSTED + "certificate has expired"),
    "wrong host": (lambda a: a.leaf("c", ["DNS:www.example.org"]), "localhost", TLS,
                   "the certificate is for www.example.org, not localhost"),
    "wrong number": (lambda a: a.leaf("c", ["IP:192.0.2.1"]), "127.0.0.1", TLS,
                     "the certificate is for 192.0.2.1, not 127.0.0.1"),
    "name for a number": (lambda a: a.leaf("c", ["DNS:127.0.0.1"]), "127.0.0.1", TLS,
                          "the certificate is for the name 127.0.0.1, not 127.0.0.1"),
    "wildcard of two labels": (lambda a: a.leaf("c", ["DNS:*.one.localhost"]), "y.x.one.localhost", TLS,
                               "the certificate is for *.one.localhost, not y.x.one.localhost"),
    "half a wildcard": (lambda a: a.leaf("c", ["DNS:l*host.one.localhost"]), "lohost.one.localhost", TLS,
                        "the certificate is for l*host.one.localhost, not lohost.one.localhost"),
    "untrusted root": (lambda a: Authority(a.folder, "strangers").leaf("c"), "localhost", TLS,
                       UNTRUSTED + "unable to get local issuer certificate"),
    "no subjectAltName": (lambda a: a.leaf("c", (), subject="/CN=localhost"), "localhost", TLS,
                          "the certificate is for nobody, not localhost"),
    "for clients": (lambda a: a.leaf("c", usage="clientAuth"), "localhost", TLS,
                    UNTRUSTED + "unsuitable certificate purpose"),
    "signed by a leaf": (lambda a: leaf_of_leaf(a), "localhost", TLS, UNTRUSTED + "invalid CA certificate"),
}


def leaf_of_leaf(authority):
    """A chain in which the one that signs may not."""
    middle = Authority(authority.folder, "no authority", authority)
    no_authority = authority.leaf("plain-middle")
    middle.path, middle.key = no_authority.chain, no_authority.key
    return middle.leaf("c")


@pytest.mark.parametrize("case", CASES)
def test_trust(authority, tmp_path, case):
    """TL12."""
    make, host, status, words = CASES[case]
    with Server(make(authority)) as server:
        knows = who_knows(host, tmp_path)
        done = tcpc("--tls", "--cafile", authority.path, "-4", "-s", "hello", host, server.port,
                    prefix=knows)
        assert done.returncode == status, done
        assert done.stderr.decode() == (
            f"tcpc: 127.0.0.1:{server.port}: TLS failed: {words}\n" if words else "")
        assert (done.stdout == b"hello\n") == (status == DONE)
        done = tcpc("--tls", "--insecure", "-4", "-s", "hello", host, server.port, prefix=knows)
        assert (done.returncode, done.stdout) == (DONE, b"hello\n")
        assert b"--insecure: anybody may be the peer" in done.stderr


def test_self_signed(tmp_path):
    """Trusted only when it is named."""
    one = Authority(tmp_path, "itself")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
            one.key, "-out", one.path)

    class Shown:
        chain, key = one.path, one.key
    with Server(Shown) as server:
        assert tcpc("--tls", "-s", "x", "localhost", server.port).returncode == TLS
        done = tcpc("--tls", "--cafile", one.path, "-s", "x", "localhost", server.port)
        assert done.returncode == DONE, done


@pytest.mark.parametrize("versions, ciphers, words", [
    ((ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1), "ALL:@SECLEVEL=0", "protocol version"),
    ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "NULL:@SECLEVEL=0", "handshake failure")])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_what_is_too_old(authority, www, versions, ciphers, words):
    with Server(www, versions=versions, ciphers=ciphers) as server:
        done = tcpc("--tls", "--cafile", authority.path, "-s", "x", "localhost", server.port)
        assert done.returncode == TLS and words in done.stderr.decode(), done


def test_copies_both_ways(tcpd, authority, www):
    """A MiB, with our end before the answer's."""
    with tcpd(www.section() + configuration(
            behind("echo"), behind("count", "program", program=["/usr/bin/wc", "-c"]))) as daemon:
        for name, answer in (("echo", MIB), ("count", b"%d\n" % len(MIB))):
            done = tcpc("--cafile", authority.path, f"tls:localhost:{daemon.address(name)[1]}",
                        data=MIB)
            assert (done.returncode, done.stdout) == (DONE, answer), done.stderr


def test_asks(tcpd, authority, www):
    with tcpd(www.section() + configuration(behind("hello", framing="line"))) as daemon:
        done = tcpc("--tls", "--cafile", authority.path, "-g", "--framing", "line", "-s", "Michael",
                    "-s", "exit", "localhost", daemon.address("hello")[1])
        assert (done.returncode, done.stdout) == (DONE, b"Welcome!\nHello, Michael!\n"), done


def test_receives(tcpd, authority, www):
    with tcpd(www.section() + configuration(behind("greeting", message="hi"))) as daemon:
        done = tcpc("--tls", "--cafile", authority.path, "--prefix", "localhost",
                    daemon.address("greeting")[1])
        assert (done.returncode, done.stdout) == (DONE, b"Message from server: hi\n"), done


def test_shows_a_certificate(tcpd, authority, www, tmp_path):
    people = Authority(tmp_path, "people")
    alice = people.leaf("alice", (), usage="clientAuth")
    with tcpd(www.section() + configuration(behind("echo", tls_client="require",
                                                   tls_client_ca=people.path))) as daemon:
        common = ["--tls", "--cafile", authority.path, "-s", "x", "localhost",
                  daemon.address("echo")[1]]
        assert tcpc("--cert", alice.chain, "--key", alice.key, *common).stdout == b"x\n"
        # Its alert may be lost to the reset that our text brings: we have sent before we could read.
        for _ in range(5):
            done = tcpc(*common)
            assert done.returncode in (TLS, RESET), done
            assert done.returncode == RESET or b"certificate required" in done.stderr, done
        assert TLS in {tcpc(*common).returncode for _ in range(10)}


def test_key_with_a_passphrase(authority, www, tmp_path):
    """Nobody is asked for it."""
    key = tmp_path / "encrypted"
    key.write_bytes(openssl("pkey", "-in", www.key, "-aes256", "-passout", "pass:x"))
    with Server(www) as server:
        done = tcpc("--tls", "--cafile", authority.path, "--cert", www.chain, "--key", key,
                    "localhost", server.port)
        assert done.returncode == SYSTEM and b"it is encrypted" in done.stderr, done
        assert b"Enter" not in done.stderr


def test_cut_short(authority, www):
    """An end without close_notify: somebody may have cut it."""
    with Server(www, lambda sock: (sock.recv(100), sock.sendall(b"half of it"),
                                   socket.socket.shutdown(sock, socket.SHUT_RDWR))) as server:
        done = tcpc("--tls", "--cafile", authority.path, "localhost", server.port, data=b"x")
        assert (done.returncode, done.stdout) == (CUT_SHORT, b"half of it"), done
        assert b"without saying so" in done.stderr


def test_silent_peer(authority):
    """--timeout counts for the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begin = time.monotonic()
        done = tcpc("--tls", "--timeout", "300ms", "-s", "x", "localhost", listener.getsockname()[1])
        assert done.returncode == TIMED_OUT and time.monotonic() - begin < 10


def test_peer_that_speaks_something_else(tcpd):
    with tcpd(configuration(service("greeting", message="hello, who is there"))) as daemon:
        done = tcpc("--tls", "localhost", daemon.address("greeting")[1])
        assert done.returncode == TLS and b"TLS failed: wrong version number" in done.stderr, done


def test_says_what_it_sees(authority, www):
    with Server(www) as server:
        done = tcpc("-v", "--tls", "--cafile", authority.path, "-s", "x", "localhost", server.port)
        said = done.stderr.decode()
        for words in ("TLSv1.3, TLS_AES_", "certificate 1: /CN=www, for localhost, 127.0.0.1, by ",
                      "SHA-256 ", "verified: ok"):
            assert words in said, said


@pytest.mark.parametrize("arguments, words", [
    (["--key", "x", "--tls"], "--key needs --cert"), (["--insecure"], "need --tls"),
    (["--tls", "-u"], "--tls is for TCP"), (["--cafile", "x"], "need --tls")])
def test_usage(arguments, words):
    done = tcpc(*arguments, "localhost", "7")
    assert done.returncode == USAGE and words in done.stderr.decode()


def test_files_that_are_missing(www):
    with Server(www) as server:
        for option in ("--cafile", "--cert"):
            done = tcpc("--tls", option, "/no/such", "localhost", server.port)
            assert done.returncode == SYSTEM and b"/no/such: No such file" in done.stderr, done


def test_plain_has_no_library():
    """It costs nothing where it is not asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with subprocess.Popen([TCPC, "localhost", str(listener.getsockname()[1])],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            accepted, _ = listener.accept()
            accepted.sendall(b"x")
            assert client.stdout.read(1) == b"x"
            with open(f"/proc/{client.pid}/maps") as maps:
                assert "libssl" not in maps.read()
            accepted.close()
            client.stdin.close()
            wait_for(lambda: proc_state(client.pid) in (None, "Z"))
