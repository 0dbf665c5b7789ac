# SPDX-License-Identifier: MIT
"""Certificates that cannot serve, and those that clients may refuse: which file, which line, why. At
a start other services are served; at a reload all stays as it was."""

import os
import re
import ssl

import pytest

from certificates import Authority, openssl
from harness import (EX_CONFIG, EX_OK, can_become_others, configuration, quoted, run, service)
from tls_peer import behind, serial_of

PLAIN = service("echo")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files by name."""
    folder = tmp_path_factory.mktemp("refused")
    authority = Authority(folder)
    middle = Authority(folder, "middle", authority)
    www, other = middle.leaf("www"), authority.leaf("other")
    files = {"ca": authority.path, "www": www.chain, "www.key": www.key, "other.key": other.key,
             "other": other.chain}
    for name, options in {"rsa1024": {"kind": "rsa:1024"}, "sha1": {"digest": "sha1"},
                          "old": {"days": -1}, "nameless": {"names": ()},
                          "client": {"usage": "clientAuth"}, "authority": {"authority": True},
                          "bitcoin": {"kind": "ec:secp256k1"}, "p521": {"kind": "ec:P-521"},
                          "ed25519": {"kind": "ed25519"}, "pss": {"kind": "rsa-pss"},
                          "rsa": {"kind": "rsa:2048"}, "short": {"days": 1}, "future": {"since": 5},
                          "soon": {"since": -80, "days": 5}}.items():
        leaf = middle.leaf(name, **options)
        files[name], files[f"{name}.key"] = leaf.chain, leaf.key

    def add(name, data, mode=0o640):
        files[name] = folder / f"made-{name}"
        files[name].write_bytes(data)
        files[name].chmod(mode)
    text = www.chain.read_bytes()
    first = text.index(b"-----END CERTIFICATE-----\n") + len(b"-----END CERTIFICATE-----\n")
    add("empty", b"")
    add("words", b"no certificate\n")
    add("der", openssl("x509", "-in", www.chain, "-outform", "der"))
    add("key.der", openssl("pkey", "-in", www.key, "-outform", "der"))
    add("p12", openssl("pkcs12", "-export", "-in", www.chain, "-inkey", www.key, "-passout",
                       "pass:x"))
    add("damaged", text.replace(b"M", b"!", 3))
    add("reversed", text[first:] + text[:first])
    add("encrypted", openssl("pkey", "-in", www.key, "-aes256", "-passout", "pass:x"))
    add("damaged.key", re.sub(rb"\n([A-Za-z0-9+/]{10})", rb"\nAAAAAAAAAA", www.key.read_bytes(), 1))
    add("certificate.key", text)
    add("open.key", www.key.read_bytes(), 0o644)
    add("huge", b"x" * ((1 << 20) + 1))
    add("both", text + www.key.read_bytes())
    add("encrypted as before", openssl("pkey", "-in", www.key, "-aes256", "-traditional",
                                       "-passout", "pass:x"))
    add("half", text[:-100])
    add("half.key", www.key.read_bytes()[:-40])
    weak = Authority(folder, "weak", authority, "sha1").leaf("under-sha1")
    files["under sha1"], files["under sha1.key"] = weak.chain, weak.key
    files["folder"], files["absent"], files["fifo"] = folder, folder / "absent", folder / "fifo"
    os.mkfifo(files["fifo"], 0o640)
    return files


# Files of chain and key; what is said, at which setting.
REFUSED = {
    "no file": ("absent", "www.key", "chain", "chain .*absent.: No such file or directory"),
    "no key's file": ("www", "absent", "key", "key .*absent.: No such file or directory"),
    "folder": ("folder", "www.key", "chain", "chain .*: Is a directory"),
    "FIFO": ("fifo", "www.key", "chain", "chain .*: not a regular file"),
    "FIFO for a key": ("www", "fifo", "key", "key .*: not a regular file"),
    "empty": ("empty", "www.key", "chain", "is empty"),
    "empty key": ("www", "empty", "key", "is empty"),
    "too long": ("huge", "www.key", "chain", "longer than 1 MiB"),
    "words": ("words", "www.key", "chain", "has no certificate in PEM"),
    "no key in it": ("www", "words", "key", "has no private key in PEM"),
    "key is a certificate": ("www", "certificate.key", "key", "has no private key in PEM"),
    "certificate is a key": ("www.key", "www.key", "chain", "has no certificate in PEM"),
    "DER": ("der", "www.key", "chain", "is in DER or PKCS#12, not in PEM"),
    "key in DER": ("www", "key.der", "key", "is in DER or PKCS#12, not in PEM"),
    "PKCS#12": ("p12", "www.key", "chain", "is in DER or PKCS#12, not in PEM"),
    "damaged": ("damaged", "www.key", "chain", "certificate 1 in .* is damaged: "),
    "damaged key": ("www", "damaged.key", "key", "the key in .* is damaged: "),
    "encrypted": ("www", "encrypted", "key", "is encrypted, and nobody can be asked"),
    "encrypted as before": ("www", "encrypted as before", "key", "is encrypted, and nobody"),
    "half": ("half", "www.key", "chain", "certificate 2 in .* is damaged: "),
    "half a key": ("www", "half.key", "key", "the key in .* is damaged: "),
    "other key": ("www", "other.key", "key", r"key .*other\.key. does not belong to .*www\.pem"),
    "not the first": ("reversed", "www.key", "chain",
                      "own certificate must be the first in .*, and is number 2"),
    "1024 bits": ("rsa1024", "rsa1024.key", "key", "has 1024 bits; at least 2048"),
    "unusual curve": ("bitcoin", "bitcoin.key", "key", r"clients do not know \(secp256k1\)"),
    "SHA-1": ("sha1", "sha1.key", "chain", "certificate 1 in .* is signed with SHA-1 or MD5"),
    "SHA-1 above": ("under sha1", "under sha1.key", "chain", "certificate 2 in .* is signed with"),
    "key for all": ("www", "open.key", "key", r"may be read by everybody \(mode 0644\)"),
}


def conf_of(made, chain, key, *services):
    return (f'certificate "www" {{\n    chain = {{{quoted(made[chain])}}}\n'
            f'    key = {{{quoted(made[key])}}}\n}}\n'
            + configuration(*(services or (behind("secure", "echo"),))))


@pytest.mark.parametrize("case", REFUSED)
def test_refused(made, case):
    """TL4: by -t, in the line of that setting."""
    chain, key, setting, words = REFUSED[case]
    line = {"chain": 2, "key": 3}[setting]
    status, _, said = run("-t", conf=conf_of(made, chain, key))
    assert status == EX_CONFIG
    assert re.search(rf'tcpd\.conf:{line}: certificate "www": .*{words}', said), said


WARNED = {
    "expired": ("old", "old.key", "has expired on 20"),
    "not yet valid": ("future", "future.key", "is not valid before 20"),
    "no names": ("nameless", "nameless.key", "has no subjectAltName; browsers refuse it"),
    "not for servers": ("client", "client.key", "is not for servers"),
    "authority": ("authority", "authority.key", "is that of an authority"),
    "no intermediate": ("other", "other.key", "intermediate authority missing"),
}


@pytest.mark.parametrize("case", WARNED)
def test_warned(made, case):
    """TL4: it can be served; once, however many services show it."""
    chain, key, words = WARNED[case]
    status, _, said = run("-t", conf=conf_of(made, chain, key, behind("a", "echo"),
                                             behind("b", "echo")))
    assert status == EX_OK
    assert len(re.findall(rf'tcpd\.conf:2: certificate "www": .*{words}', said)) == 1, said


def test_ends_soon(made):
    """Less than three weeks are left; of one that lives a day it is a quarter of that."""
    status, _, said = run("-t", conf=conf_of(made, "soon", "soon.key"))
    assert status == EX_OK
    assert re.search(r'tcpd\.conf:4: certificate "www" expires on 20.* UTC, in [45] days', said), said
    status, _, said = run("-t", conf=conf_of(made, "short", "short.key"))
    assert status == EX_OK and "expires" not in said, said


def test_warned_at_a_start_and_a_reload(tcpd, made):
    """It is served all the same."""
    with tcpd(conf_of(made, "old", "old.key")) as daemon:
        daemon.wait_log(r'tcpd\.conf:2: certificate "www": .* has expired on 20')
        trusting = ssl.create_default_context(cafile=str(made["ca"]))
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            serial_of(daemon, "secure", trusting)
        daemon.reload(conf_of(made, "soon", "soon.key"))
        daemon.wait_log(r'tcpd\.conf:4: certificate "www" expires on 20')
        assert serial_of(daemon, "secure", trusting) == serial_in(made["soon"])


def serial_in(path):
    return int(openssl("x509", "-in", path, "-noout", "-serial").decode().partition("=")[2], 16)


def test_two_of_one_kind(made):
    conf = ('certificate "www" {\n    chain = {"%s", "%s"}\n    key = {"%s", "%s"}\n}\n' % tuple(
        made[name] for name in ("www", "other", "www.key", "other.key")))
    status, _, said = run("-t", conf=conf + configuration(behind("echo")))
    assert status == EX_CONFIG
    assert re.search(r'tcpd\.conf:3: certificate "www": .*other\.key" is a second EC key', said), said


@pytest.mark.parametrize("kind", ["p521", "ed25519", "pss", "rsa"])
def test_kinds_of_keys(tcpd, made, kind):
    """All that clients take."""
    with tcpd(conf_of(made, kind, f"{kind}.key")) as daemon:
        trusting = ssl.create_default_context(cafile=str(made["ca"]))
        assert serial_of(daemon, "secure", trusting) == serial_in(made[kind])


def test_no_room(made):
    """The memory for keys is small, as it is locked, and each service has its own copy."""
    names = list(map(str, range(600)))
    conf = "".join(f'certificate "{name}" {{ chain = {{{quoted(made["rsa"])}}} '
                   f'key = {{{quoted(made["rsa.key"])}}} }}\n' for name in names)
    conf += configuration(behind("a", "echo", certificates=names),
                          behind("b", "echo", certificates=names))
    status, _, said = run("-t", conf=conf, timeout=110)  # over a minute with sanitizers, on a slow machine
    assert status == EX_CONFIG
    assert re.search(r'tcpd\.conf:\d+: certificate "\d+": no room for (the key in|its key)', said), said
    assert "damaged" not in said and "malloc" not in said


def test_paths_and_forms(made, tmp_path):
    """Relative paths begin at the configuration's folder; text around the PEM and other line ends do
    no harm, and an older form of a key is one, too."""
    text = openssl("x509", "-in", made["other"], "-text").replace(b"\n", b"\r\n")
    (tmp_path / "own.pem").write_bytes(b"# of us\n" + text)
    (tmp_path / "own.key").write_bytes(
        openssl("ecparam", "-name", "prime256v1") +
        openssl("pkey", "-in", made["other.key"], "-traditional").replace(b"\n", b"\r\n"))
    (tmp_path / "own.key").chmod(0o600)
    (tmp_path / "tcpd.conf").write_text(
        'certificate "www" { chain = {"own.pem"} key = {"own.key"} }\n' + configuration(behind("echo")))
    status, _, said = run("-t", "-c", str(tmp_path / "tcpd.conf"))
    assert status == EX_OK, said


def test_right(made):
    """Nothing is said of a good one; the key may be in the chain's file."""
    status, _, said = run("-t", conf=conf_of(made, "www", "www.key"))
    assert status == EX_OK and "certificate" not in said, said
    conf = f'certificate "www" {{ chain = {{{quoted(made["both"])}}} }}\n'
    status, _, said = run("-t", conf=conf + configuration(behind("echo")))
    assert status == EX_OK and "certificate" not in said, said


WRONG = {
    "no certificates": (service("a", "echo", "tls:127.0.0.1:0"),
                        'listen = "tls:127.0.0.1:0": service "a" has no certificates'),
    "unknown": (behind("a", "echo", certificates=["www", "other"]),
                'certificates of service "a": there is no certificate "other"'),
    "no authority": (behind("a", "echo", tls_client="require"), 'tls_client of service "a" needs '
                                                                "tls_client_ca"),
    "authority alone": (behind("a", "echo", tls_client_ca="x"), "has no effect without tls_client"),
    "list alone": (behind("a", "echo", tls_client_crl="x"), "has no effect without tls_client_ca"),
    "empty protocol": (behind("a", "echo", tls_alpn=[""]), "is no name of a protocol"),
    "long protocol": (behind("a", "echo", tls_alpn=["x" * 256]), "is no name of a protocol"),
    "listener": (behind("a", "program", program=["/bin/cat"], program_mode="listener"),
                 "it would meet what is encrypted"),
    "unix": (behind("a", "echo", listen="tls:unix:/run/x"), "tls:unix:/run/x"),
    "profile": (behind("a", "echo", tls_profile="old"), "tls_profile"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings(made, case):
    section, words = WRONG[case]
    status, _, said = run("-t", conf=conf_of(made, "www", "www.key", section))
    assert status == EX_CONFIG and words in said, said


@pytest.mark.parametrize("setting, file, words", [
    ("tls_client_ca", "words", "has no certificate in PEM"),
    ("tls_client_ca", "absent", "No such file"),
    ("tls_client_crl", "words", "has no list of revoked certificates"),
    ("tls_client_crl", "ca", "has no list of revoked certificates")])
def test_clients_files(made, setting, file, words):
    options = {"tls_client": "require", "tls_client_ca": made["ca"], setting: made[file]}
    status, _, said = run("-t", conf=conf_of(made, "www", "www.key", behind("a", "echo", **options)))
    assert status == EX_CONFIG and re.search(rf'service "a": .*{words}', said), said


def test_section(made):
    for text, words in ((r'certificate "a" { }', 'certificate "a" has no chain'),
                        ('certificate "a" { chain = {"x"} key = {"y", "z"} }', "in pairs"),
                        ('certificate "a" { chain = {"1", "2", "3", "4", "5"} }', "5 files"),
                        ('certificate "a" { chian = {"x"} }', "chain")):
        status, _, said = run("-t", conf=text + "\n" + configuration(PLAIN))
        assert status == EX_CONFIG and words in said, said


def test_unused(made):
    status, _, said = run("-t", conf=conf_of(made, "www", "www.key", PLAIN))
    assert status == EX_OK and 'certificate "www": no service shows it' in said
    status, _, said = run("-t", conf=conf_of(made, "www", "www.key",
                                             service("echo", certificates=["www"])))
    assert status == EX_OK and "have no effect without an entry of listen" in said


def test_a_start_serves_the_others(tcpd, made):
    """Each service with a bad certificate is left out, and it is said why; the others are served, one
    of them behind TLS."""
    conf, n, want = conf_of(made, "www", "www.key", behind("good", "echo"), PLAIN), 0, []
    for chain, key, setting, words in REFUSED.values():
        line = conf.count("\n") + {"chain": 2, "key": 3}[setting]
        want.append(rf'tcpd\.conf:{line}: certificate "c{n}": .*{words}')
        conf += conf_of(made, chain, key, behind(f"s{n}", "echo", certificates=["www", f"c{n}"])
                        ).replace('"www" {', f'"c{n}" {{')
        n += 1
    with tcpd(conf) as daemon:
        assert daemon.is_serving()
        trusting = ssl.create_default_context(cafile=str(made["ca"]))
        assert serial_of(daemon, "good", trusting) == serial_in(made["www"])
        for pattern in want:
            daemon.wait_log(pattern)
        assert set(daemon.addresses) == {"good", "echo"}
        assert f"{n} services left out" in daemon.status()


def test_a_reload_changes_nothing(tcpd, made):
    """R2: whatever is wrong, the serial stays, the file is named, and the next good one comes in."""
    with tcpd(conf_of(made, "www", "www.key")) as daemon:
        trusting = ssl.create_default_context(cafile=str(made["ca"]))
        before = serial_of(daemon, "secure", trusting)
        for chain, key, setting, words in REFUSED.values():
            since = len(daemon.log.items)
            daemon.reload(conf_of(made, chain, key))
            line = {"chain": 2, "key": 3}[setting]
            daemon.wait_log(rf'tcpd\.conf:{line}: certificate "www": .*{words}', since=since)
            daemon.wait_log("the old configuration stays in force", since=since)
            assert serial_of(daemon, "secure", trusting) == before
        daemon.reload(conf_of(made, "other", "other.key"))
        assert serial_of(daemon, "secure", trusting) == serial_in(made["other"]) != before


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_key_that_may_not_be_read(made):
    """As an ordinary user: the file's own error."""
    os.chmod(made["www.key"], 0o600)
    try:
        status, _, said = run("-t", conf=conf_of(made, "www", "www.key"),
                              prefix=("setpriv", "--reuid=65534", "--regid=65534",
                                      "--clear-groups"))
    finally:
        os.chmod(made["www.key"], 0o640)
    assert status == EX_CONFIG and "Permission denied" in said
