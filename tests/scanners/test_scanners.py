# SPDX-License-Identifier: MIT
"""What testssl.sh and sslscan find at services behind TLS, which must be nothing: no version, suite or
group that a profile has not, and no weakness that they know of. And at a server that is weak they find
what it has, so that nothing found means something."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import xml.etree.ElementTree as Tree

import pytest

# testssl.sh's name of a finding, how its text begins, and why it is there all the same.
EXPECTED = [
    ("cipher_order", "NOT a cipher order configured",
     "all suites are good, so the client's order counts: a telephone's may differ from a server's"),
    ("cert_revocation", "Neither CRL nor OCSP URI provided",
     "of an authority made for a test, which publishes nothing; tcpd adds nothing to a certificate"),
    ("engine_problem", "No engine or GOST support", "of the openssl(1) that the scanner itself runs"),
]

# Versions, standard lists of suites, forward secrecy, the server's preferences and defaults,
# vulnerabilities, GREASE: all but what is of HTTP, and clients that are only imagined.
TESTSSL = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "min", "--ip", "127.0.0.1",
           "-p", "-s", "-f", "-P", "-S", "-U", "-g"]
VERSIONS = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"]
LOOKED_FOR = {"heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_client_renego", "CRIME_TLS",
              "POODLE_SSL", "fallback_SCSV", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4", "GREASE"}
GROUPS = {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"}
SUITES = {"TLSv1.2": 6, "TLSv1.3": 3}  # how many each version has
PATIENCE = 500


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not there")


def run_here(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, "TERM": "dumb"}, check=False)


def run_testssl(port, folder, *options, run=run_here):
    """All findings, as (id, severity, text). run: where it is run."""
    path = folder / "findings.json"
    done = run(*TESTSSL, *options, "--jsonfile", str(path), f"localhost:{port}")
    assert path.exists(), done.stdout + done.stderr
    return [(each["id"].partition(" ")[0], each["severity"], each["finding"])
            for each in json.loads(path.read_text())]


def bad(findings):
    """What is neither fine, nor told for information, nor expected."""
    return [(name, severity, text) for name, severity, text in findings
            if severity not in ("OK", "INFO", "DEBUG")
            and not any(name == its and begin in text for its, begin, _ in EXPECTED)]


def run_sslscan(port, run=run_here):
    done = run("sslscan", "--no-colour", "--xml=-", "--ipv4", f"localhost:{port}")
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = Tree.fromstring(done.stdout[done.stdout.index("<?xml"):].encode()).iter("ssltest")
    return found


def versions(found):
    return {f"{each.get('type').upper()}v{each.get('version')}" for each in found.iter("protocol")
            if each.get("enabled") == "1"}


def judge_testssl(findings, profile):
    assert bad(findings) == []
    said = {name: text for name, _, text in findings}
    offered = {name for name in VERSIONS if said[name].startswith("offered")}
    assert offered == ({"TLS1_3"} if profile == "modern" else {"TLS1_2", "TLS1_3"})
    assert said["cert_chain_of_trust"].startswith("passed")
    assert LOOKED_FOR <= set(said)  # else it has not tried


def judge_sslscan(found, profile):
    want = {"TLSv1.3"} if profile == "modern" else {"TLSv1.2", "TLSv1.3"}
    assert versions(found) == want
    for version in want:
        suites = [each for each in found.iter("cipher") if each.get("sslversion") == version]
        assert len(suites) == SUITES[version]
        assert {each.get("strength") for each in suites} <= {"strong", "acceptable"}
        groups = {each.get("name") for each in found.iter("group") if each.get("sslversion") == version}
        assert GROUPS <= groups and len(groups - GROUPS) <= 1, groups  # X25519MLKEM768, OpenSSL 3.5
    assert all(each.get("vulnerable") == "0" for each in found.iter("heartbleed"))
    assert found.find("renegotiation").get("supported") == "0"
    assert all(each.get("supported") == "0" for each in found.iter("compression"))


@needs("testssl")
@pytest.mark.parametrize("profile", ["intermediate", "modern"])
def test_testssl(daemon, authority, tmp_path, profile):
    judge_testssl(run_testssl(daemon.ports[profile], tmp_path, "--add-ca", str(authority.path)), profile)
    assert not daemon.log_matches(r": worker \d+ "), daemon.log_text()  # none has died of it


@needs("sslscan")
@pytest.mark.parametrize("profile", ["intermediate", "modern"])
def test_sslscan(daemon, profile):
    judge_sslscan(run_sslscan(daemon.ports[profile]), profile)


@contextlib.contextmanager
def weak_server(certificate):
    """TLS 1.0 alone, with what suites that has: its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):  # the end of the listener
                while True:
                    plain, _ = listener.accept()
                    with plain, contextlib.suppress(OSError):
                        plain.settimeout(5)
                        context.wrap_socket(plain, server_side=True).close()
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("scanner", [pytest.param("testssl", marks=needs("testssl")),
                                     pytest.param("sslscan", marks=needs("sslscan"))])
def test_a_weak_server_is_found_weak(pairs, tmp_path, scanner):
    with weak_server(pairs[1]) as port:
        if scanner == "sslscan":
            assert versions(run_sslscan(port)) == {"TLSv1.0"}
        else:
            found = bad(run_testssl(port, tmp_path, "-p"))
            assert "TLS1" in {name for name, _, _ in found}, found
