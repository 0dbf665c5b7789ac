# SPDX-License-Identifier: MIT
"""tcpc --tls at servers that one should not talk to, as badssl.com has them, and at odd ones that are
fine: openssl-s_server(1) shows the certificates and speaks the versions and suites; what that does not
do any more is answered by a few bytes. Each refusal in its exact words. What test_tcpc_tls.py has is
not repeated. tcpc reads no list of revoked certificates, so there is no such case."""

import contextlib
import re
import socket
import subprocess
import threading

import pytest

from certificates import Authority, openssl
from harness import PATIENCE
from tls_records import HANDSHAKE, message, record
from test_tcpc_tls import DONE, TLS, tcpc, who_knows

UNTRUSTED = "the certificate is not trusted: "


@contextlib.contextmanager
def s_server(certificate, *options, above=True):
    """openssl-s_server(1), which answers each line backwards: its port. above: it shows what is above
    its certificate, too."""
    own, *rest = re.findall(r"-----BEGIN.*?END CERTIFICATE-----\n", certificate.chain.read_text(), re.S)
    own_path, rest_path = (certificate.key.with_suffix(f".{part}") for part in ("shown", "above"))
    own_path.write_text(own)
    rest_path.write_text("".join(rest))
    chain = ["-cert_chain", rest_path] if rest and above else []
    with subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", own_path, "-key",
             certificate.key, *chain, *("-cipher", "ALL:@SECLEVEL=0") * ("-cipher" not in options),
             *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as server:
        said = b""
        try:
            while not (found := re.search(rb"^ACCEPT .*:(\d+)$", said, re.M)):
                line = server.stdout.readline()
                assert line, said
                said += line
            threading.Thread(target=server.stdout.read, daemon=True).start()
            yield int(found[1])
        finally:
            server.kill()


def ask(authority, port, host="localhost", *options, prefix=()):
    done = tcpc("--tls", "--cafile", authority.path, "-4", *options, host, port, data=b"hello\n",
                prefix=prefix)
    return done.returncode, done.stdout, done.stderr.decode()


# --- Certificates --------------------------------------------------------------------------------

def below(authority, **options):
    """An intermediate."""
    return Authority(authority.folder, "between", authority, **options)


def restricted(authority, constraint, names=("DNS:localhost",)):
    return below(authority, more=[f"nameConstraints=critical,{constraint}"]).leaf("c", names)


def too_long(authority):
    """Two intermediates where one is allowed."""
    upper = below(authority, more=["basicConstraints=critical,CA:TRUE,pathlen:0"])
    return Authority(authority.folder, "lower", upper).leaf("c")


def many_names(authority, n):
    return authority.leaf("c", ["DNS:localhost", *(f"DNS:a{i}.example.org" for i in range(n))])


ONLY_SIGNS = "keyUsage=critical,keyCertSign,cRLSign"

# What is shown, the host that is asked for, what is said; None: all is well.
CERTIFICATES = {
    "not yet valid": (lambda a: a.leaf("c", since=1), "localhost",
                      UNTRUSTED + "certificate is not yet valid"),
    "expired authority": (lambda a: below(a, days=-1).leaf("c"), "localhost",
                          UNTRUSTED + "certificate has expired"),
    "SHA-1": (lambda a: a.leaf("c", digest="sha1"), "localhost",
              UNTRUSTED + "CA signature digest algorithm too weak"),
    "SHA-1 above": (lambda a: below(a, digest="sha1").leaf("c"), "localhost",
                    UNTRUSTED + "CA signature digest algorithm too weak"),
    "RSA with 1024 bits": (lambda a: a.leaf("c", kind="rsa:1024"), "localhost",
                           UNTRUSTED + "EE certificate key too weak"),
    "RSA with 1024 bits above": (lambda a: below(a, kind="rsa:1024").leaf("c"), "localhost",
                                 UNTRUSTED + "CA certificate key too weak"),
    "key that may only sign": (lambda a: a.leaf("c", more=[ONLY_SIGNS]), "localhost",
                               UNTRUSTED + "unsuitable certificate purpose"),
    "authority as a server": (lambda a: a.leaf("c", authority=True, more=[ONLY_SIGNS]), "localhost",
                              UNTRUSTED + "unsuitable certificate purpose"),
    "for code": (lambda a: a.leaf("c", usage="codeSigning"), "localhost",
                 UNTRUSTED + "unsuitable certificate purpose"),
    "name not permitted": (lambda a: restricted(a, "permitted;DNS:example.org"), "localhost",
                           UNTRUSTED + "permitted subtree violation"),
    "name excluded": (lambda a: restricted(a, "excluded;DNS:localhost"), "localhost",
                      UNTRUSTED + "excluded subtree violation"),
    "number not permitted": (
        lambda a: restricted(a, "permitted;IP:192.0.2.0/255.255.255.0", ["IP:127.0.0.1"]), "127.0.0.1",
        UNTRUSTED + "permitted subtree violation"),
    "name permitted": (lambda a: restricted(a, "permitted;DNS:localhost"), "localhost", None),
    "too many authorities": (too_long, "localhost", UNTRUSTED + "path length constraint exceeded"),
    "unknown and critical": (lambda a: a.leaf("c", more=["1.2.3.4=critical,DER:0500"]), "localhost",
                             UNTRUSTED + "unhandled critical extension"),
    "wildcard of all there is": (lambda a: a.leaf("c", ["DNS:*.localhost"]), "one.localhost",
                                 "the certificate is for *.localhost, not one.localhost"),
    "a star alone": (lambda a: a.leaf("c", ["DNS:*"]), "localhost",
                     "the certificate is for *, not localhost"),
    "a star within": (lambda a: a.leaf("c", ["DNS:a.*.localhost"]), "a.b.localhost",
                      "the certificate is for a.*.localhost, not a.b.localhost"),
    "number as a common name": (lambda a: a.leaf("c", (), subject="/CN=127.0.0.1"), "127.0.0.1",
                                "the certificate is for nobody, not 127.0.0.1"),
    "address of mail": (lambda a: a.leaf("c", ["email:localhost@example.org"]), "localhost",
                        "the certificate is for nobody, not localhost"),
    "10,000 names": (lambda a: many_names(a, 10000), "localhost", "excessive message size"),
    "1,000 names": (lambda a: many_names(a, 1000), "localhost", None),
    "no subject": (lambda a: a.leaf("c", subject="/"), "localhost", None),
    "P-384": (lambda a: a.leaf("c", kind="ec:P-384"), "localhost", None),
    "Ed25519": (lambda a: a.leaf("c", kind="ed25519"), "localhost", None),
    "capital letters": (lambda a: a.leaf("c", ["DNS:LocalHost"]), "LOCALHOST", None),
}


def check(answer, port, words):
    status, out, said = answer
    if words is None:
        assert (status, out, said) == (DONE, b"olleh\n", "")
    else:
        assert (status, out) == (TLS, b"")
        assert re.fullmatch(rf"tcpc: 127\.0\.0\.1:{port}: TLS failed: {words}\n", said), said


@pytest.mark.parametrize("case", CERTIFICATES)
def test_certificates(authority, tmp_path, case):
    """Trusted or not; with --insecure anybody is, but who cannot be understood."""
    make, host, words = CERTIFICATES[case]
    prefix = [] if host == "LOCALHOST" else who_knows(host, tmp_path)
    with s_server(make(authority)) as port:
        check(ask(authority, port, host, prefix=prefix), port, words and re.escape(words))
        status, out, _ = ask(authority, port, host, "--insecure", prefix=prefix)
        assert (status, out) == ((TLS, b"") if words == "excessive message size" else (DONE, b"olleh\n"))


def test_incomplete_chain(authority):
    """What stands between is neither shown nor known; named as an authority's file it is."""
    between = below(authority)
    leaf = between.leaf("c")
    with s_server(leaf, above=False) as port:
        check(ask(authority, port), port, UNTRUSTED + "unable to get local issuer certificate")
        both = authority.folder / "both.pem"
        both.write_text(authority.path.read_text() + between.path.read_text())
        authority_and_between = type("Both", (), {"path": both})
        check(ask(authority_and_between, port), port, None)


# --- Versions and suites -------------------------------------------------------------------------

# Of 1024 bits: RFC 2409, 6.2.
OAKLEY_2 = ("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
            "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")


def dh_parameters(folder):
    """A file of those. openssl-s_server(1) itself refuses less than 1024 bits."""
    path, text = folder / "dh.pem", folder / "dh.cnf"
    text.write_text(f"asn1=SEQUENCE:it\n[it]\np=INTEGER:0x{OAKLEY_2}\ng=INTEGER:2\n")
    openssl("asn1parse", "-genconf", text, "-noout", "-out", folder / "dh.der")
    openssl("dhparam", "-inform", "DER", "-in", folder / "dh.der", "-out", path)
    return path


REFUSED = r"(sslv3|ssl/tls) alert handshake failure"
WEAK = ":@SECLEVEL=0"
SPEAKS = {
    "TLS 1.0": (["-tls1"], r"tlsv1 alert protocol version"),
    "TLS 1.1": (["-tls1_1"], r"tlsv1 alert protocol version"),
    "nothing is encrypted": (["-tls1_2", "-cipher", "eNULL" + WEAK], REFUSED),
    "nobody shows who it is": (["-tls1_2", "-cipher", "aNULL" + WEAK], REFUSED),
    "SHA-1 in the handshake": (["-tls1_2", "-sigalgs", "RSA+SHA1"], REFUSED),
    "a small group": (["-tls1_3", "-groups", "secp224r1"], REFUSED),
    "TLS 1.2": (["-tls1_2"], None),
    "TLS 1.3": (["-tls1_3"], None),
    "asks for a certificate": (["-verify", "1"], None),
    "asks for one in TLS 1.2": (["-tls1_2", "-verify", "1"], None),
    "wants a certificate": (["-Verify", "1"], r"tlsv13 alert certificate required"),
    "wants one in TLS 1.2": (["-tls1_2", "-Verify", "1"], REFUSED),
}


@pytest.fixture(scope="module")
def rsa(authority):
    return authority.leaf("rsa", kind="rsa:2048")


@pytest.mark.parametrize("case", SPEAKS)
def test_speaks(authority, rsa, case):
    options, words = SPEAKS[case]
    with s_server(rsa, *options) as port:
        check(ask(authority, port), port, words)


def test_small_diffie_hellman(authority, rsa, tmp_path):
    with s_server(rsa, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256" + WEAK, "-dhparam",
                  dh_parameters(tmp_path)) as port:
        check(ask(authority, port), port, "dh key too small")


CHOOSES = {
    "RC4": (b"\x03\x03", b"\x00\x05", "unknown cipher returned"),
    "3DES": (b"\x03\x03", b"\x00\x0a", "unknown cipher returned"),
    "40 bits": (b"\x03\x03", b"\x00\x08", "unknown cipher returned"),
    "no encryption": (b"\x03\x03", b"\x00\x02", "wrong cipher returned"),
    "SSL 3.0": (b"\x03\x00", b"\x00\x2f", "unsupported protocol"),
}


@pytest.mark.parametrize("case", CHOOSES)
def test_chooses_what_was_not_offered(authority, case):
    """openssl(1) has most of it no more."""
    version, suite, words = CHOOSES[case]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            with listener.accept()[0] as sock, contextlib.suppress(OSError):
                sock.recv(4096)
                sock.sendall(record(HANDSHAKE, message(2, version + b"r" * 32 + b"\0" + suite + b"\0")))
                while sock.recv(4096):
                    pass
        server = threading.Thread(target=answer)
        server.start()
        port = listener.getsockname()[1]
        check(ask(authority, port), port, words)
        server.join(PATIENCE)
