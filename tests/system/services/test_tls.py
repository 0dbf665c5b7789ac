# SPDX-License-Identifier: MIT
"""Services behind TLS: every handler, every peer, names, ends, tickets, what programs see."""

import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from certificates import Authority
from harness import (BUILD, EX_OK, SOAK, Text, configuration, injected, proc_fds, quoted, read_all,
                     service, wait_for)
from programs import ONE, write_script
from tls_peer import (behind, both_ways, context, dial, exchange, half_closed, s_client,
                      serial_of)
from tls_records import Client
from ws_peer import request_of

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MIB = bytes(range(256)) * 4096


def module_file():
    return next(Path(BUILD / "examples/modules").glob("*.so"))


# --- Peers ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("options", [{}, {"transfer": "splice"}], ids=["copy", "splice"])
def test_echo(tcpd, authority, www, version, options):
    """TL1: a MiB, by Python's ssl."""
    conf = www.section() + configuration(behind("echo", **options))
    with tcpd(conf) as daemon:
        with dial(daemon, "echo", context(authority, version=version)) as sock:
            assert sock.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
            got = both_ways(sock, MIB)
        assert got == MIB


@pytest.mark.parametrize("version", [V12, V13])
def test_half_close(tcpd, authority, www, version, tmp_path):
    """TL1: after the client's close_notify and end the rest of its answer comes, then ours."""
    script = write_script(tmp_path / "late", 'cat >"$0.in"; sleep 0.3; wc -c <"$0.in"')
    with tcpd(www.section() + configuration(behind("late", "program", program=[script]))) as daemon:
        assert int(half_closed(daemon, "late", context(authority, version=version), MIB)) == len(MIB)


@pytest.mark.parametrize("version", [V12, V13])
def test_its_end_is_said(tcpd, authority, www, version):
    """After the last byte comes close_notify: a cut connection can be told."""
    with tcpd(www.section() + configuration(behind("daytime"))) as daemon, \
            dial(daemon, "daytime", context(authority, version=version)) as sock:
        assert re.search(rb"\d\d:\d\d", read_all(sock))  # else SSLEOFError


@pytest.mark.plain("counts its sends")
@pytest.mark.parametrize("version, n_before", [(V12, 3), (V13, 2)])
@pytest.mark.parametrize("handler", ["greeting", "program"])
def test_its_end_is_said_when_there_is_room(tcpd, authority, www, version, n_before, handler):
    """close_notify is the last to be sent; the socket takes it at the second time only."""
    options = {"greeting": {"message": "hi", "sandbox": "off"},  # strace(1) makes a call that is none
               "program": {"program": ["/bin/echo", "-n", "hi"]}}
    conf = www.section() + configuration(behind("it", handler, tls_tickets="no", **options[handler]))
    fails = injected(f"sendto:error=EAGAIN:when={n_before + 1}", follow=True)
    with tcpd(conf, prefix=fails) as daemon, \
            dial(daemon, "it", context(authority, version=version)) as sock:
        assert read_all(sock).endswith(b"hi")  # else SSLEOFError


def test_handlers(tcpd, authority, www, tmp_path):
    """TL1: all that serves connections serves these."""
    (tmp_path / "words").write_text("words\n")
    conf = www.section() + configuration(
        behind("hello"), behind("discard"), behind("chargen"), behind("time"),
        behind("greeting", file=tmp_path / "words"), behind("module", module=module_file()),
        behind("each", "program", program=["/bin/cat"]),
        behind("ready", "program", program=["/bin/cat"], program_mode="prestart"),
        behind("status"), control=f"unix:{tmp_path}/control")
    its = context(authority)
    with tcpd(conf) as daemon:
        for name in ("each", "ready"):
            assert exchange(daemon, name, its, b"hello\n" * 20000) == b"hello\n" * 20000
        with dial(daemon, "greeting", its) as sock:
            assert read_all(sock) == b"words\n"
        with dial(daemon, "time", its) as sock:
            assert len(read_all(sock)) == 4
        with dial(daemon, "chargen", its) as sock:
            assert len(sock.recv(100)) > 0
        with dial(daemon, "hello", its) as sock:
            assert b"Welcome" in sock.recv(100)
        with dial(daemon, "discard", its) as sock:
            sock.sendall(MIB)
        with dial(daemon, "status", its) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_all(sock).endswith(b"\r\n\r\nok\n")


def test_curl(tcpd, authority, www, tmp_path):
    """TL1: https, of a program that answers."""
    script = write_script(tmp_path / "http", r"""
        while read -r line && [ "${#line}" -gt 1 ]; do :; done
        printf 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'
    """)
    with tcpd(www.section() + configuration(behind("http", "program", program=[script]))) as daemon:
        port = daemon.address("http")[1]
        done = subprocess.run(["curl", "-sS", "--cacert", authority.path,
                               f"https://localhost:{port}/"], capture_output=True, timeout=30,
                              check=False)
        assert (done.returncode, done.stdout) == (0, b"hello\n"), done.stderr


def test_plain_beside_it(tcpd, authority, www):
    """One service, both kinds of entries."""
    with tcpd(www.section() + configuration(
            behind("echo", listen=["127.0.0.1:0", "tls:127.0.0.1:0"]))) as daemon:
        assert daemon.is_serving()
        secure = [text for text in daemon.addresses["echo"] if text.startswith("tls:")]
        with socket.create_connection(("127.0.0.1", int(secure[0].rpartition(":")[2]))) as plain, \
                context(authority).wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"


# --- What is shown -------------------------------------------------------------------------------

@pytest.mark.parametrize("asked, serves", [
    ("one.example", "one"), ("ONE.Example", "one"), ("x.wild.example", "wild"),
    ("two.example", "two"), ("y.x.wild.example", "one"), ("wild.example", "one"),
    ("nobody.example", "one")])
def test_names(tcpd, authority, asked, serves):
    """TL3: exact, wildcard, upper case; the first serves others."""
    certificates = {name: authority.leaf(name, [f"DNS:{its}"]) for name, its in
                    (("one", "one.example"), ("two", "two.example"), ("wild", "*.wild.example"))}
    its = context(authority)
    its.check_hostname = False
    conf = "".join(each.section(name) for name, each in certificates.items())
    with tcpd(conf + configuration(behind("echo", certificates=["one", "two", "wild"]))) as daemon:
        assert serial_of(daemon, "echo", its, asked) == certificates[serves].serial
        assert serial_of(daemon, "echo", its, None) == certificates["one"].serial


def test_unknown_name_is_refused(tcpd, authority, www):
    with tcpd(www.section() + configuration(behind("echo", tls_unknown_name="refuse"))) as daemon:
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized name"):
            dial(daemon, "echo", context(authority), "other.example")
        assert "no certificate has the name" in daemon.wait_log(Text.closed_why("tls failed"))["why"]
        assert exchange(daemon, "echo", context(authority), b"x") == b"x"


def test_two_kinds_of_keys(tcpd, authority):
    """TL3: RSA and ECDSA for one name; each client gets what it can read."""
    kinds = {"ec": authority.leaf("both-ec"), "rsa": authority.leaf("both-rsa", kind="rsa:2048")}
    conf = 'certificate "www" { chain = {%s} key = {%s} }\n' % (
        ", ".join(quoted(each.chain) for each in kinds.values()),
        ", ".join(quoted(each.key) for each in kinds.values()))
    with tcpd(conf + configuration(behind("echo"))) as daemon:
        for kind, ciphers in (("ec", "ECDHE-ECDSA-AES128-GCM-SHA256"),
                              ("rsa", "ECDHE-RSA-AES128-GCM-SHA256")):
            its = context(authority, version=V12, ciphers=ciphers)
            assert serial_of(daemon, "echo", its) == kinds[kind].serial


@pytest.mark.parametrize("profile, options, is_served", [
    ("intermediate", ["-tls1_2"], True), ("intermediate", ["-tls1_3"], True),
    ("modern", ["-tls1_2"], False), ("modern", ["-tls1_3"], True),
    ("intermediate", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
    ("intermediate", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], False),
    ("intermediate", ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
    ("intermediate", ["-groups", "P-521"], False), ("intermediate", ["-groups", "P-384"], True)])
def test_profiles(tcpd, authority, www, profile, options, is_served):
    with tcpd(www.section() + configuration(behind("daytime", tls_profile=profile))) as daemon:
        status, out, said = s_client(daemon, "daytime", authority, *options)
        assert (b":" in out) == is_served, (status, out, said)
        if not is_served:
            daemon.wait_log(Text.closed_why("tls failed"))


def test_alpn(tcpd, authority, www):
    """RFC 7301: ours is preferred; nothing in common is an error; who asks for none is served."""
    with tcpd(www.section() + configuration(behind("echo", tls_alpn=["b", "a"]))) as daemon:
        with dial(daemon, "echo", context(authority, alpn=["a", "b"])) as sock:
            assert sock.selected_alpn_protocol() == "b"
        with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
            dial(daemon, "echo", context(authority, alpn=["c"]))
        with dial(daemon, "echo", context(authority)) as sock:
            assert sock.selected_alpn_protocol() is None


# --- Ends ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("end, is_whole", [("lenient", True), ("strict", False)])
def test_end_without_close_notify(tcpd, authority, www, end, is_whole, tmp_path):
    """R8: a client whose way ends by FIN alone."""
    script = write_script(tmp_path / "count", "wc -c")
    conf = www.section() + configuration(behind("count", "program", program=[script], tls_end=end))
    with tcpd(conf) as daemon, dial(daemon, "count", context(authority)) as sock:
        sock.sendall(b"hello")
        socket.socket.shutdown(sock, socket.SHUT_WR)  # the socket's, not ssl's
        if is_whole:
            assert int(sock.recv(100)) == 5
        else:
            daemon.wait_log(Text.closed_why("protocol error"))


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_handshake_timeout(tcpd, www, said):
    """The client is silent, or stops in the middle."""
    with tcpd(www.section() + configuration(behind("echo", handshake_timeout="300ms"))) as daemon, \
            daemon.connect("echo") as sock:
        sock.sendall(said)
        assert read_all(sock) == b""
        daemon.wait_log("closed: handshake timeout .handshake_timeout = 300ms.")


def test_looking_is_no_failure(tcpd, www):
    """A connection that ends at once is no record of a failure."""
    with tcpd(www.section() + configuration(behind("echo", **ONE), log_sessions="all")) as daemon:
        for _ in range(3):
            daemon.connect("echo").close()
        wait_for(lambda: len(daemon.log_matches("closed: ok")) == 3)
        assert not daemon.log_matches("tls failed")


# --- Tickets -------------------------------------------------------------------------------------

def session_of(daemon, name, its, session=None):
    """A session of TLS after an exchange, and whether it was resumed."""
    with daemon.connect(name) as plain, \
            its.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        return sock.session, sock.session_reused


@pytest.mark.parametrize("version", [V12, V13])
def test_tickets(tcpd, authority, www, version):
    """TL7: any worker takes them, after a reload, too; no other service does (CVE-2025-23419)."""
    its = context(authority, version=version)
    conf = www.section() + configuration(
        behind("echo", min_workers=4, max_sessions_per_worker=1), behind("other", "echo"))
    with tcpd(conf) as daemon:
        session, resumed = session_of(daemon, "echo", its)
        assert not resumed and session.has_ticket
        for _ in range(6):
            assert session_of(daemon, "echo", its, session)[1]
        daemon.reload()
        assert session_of(daemon, "echo", its, session)[1]
        assert not session_of(daemon, "other", its, session)[1]


def test_no_tickets(tcpd, authority, www):
    for version in (V12, V13):
        with tcpd(www.section() + configuration(behind("echo", tls_tickets="no"))) as daemon:
            session, _ = session_of(daemon, "echo", context(authority, version=version))
            assert not session_of(daemon, "echo", context(authority, version=version), session)[1] \
                if session and session.has_ticket else True


def test_soak_uploads_are_not_cut(tcpd, authority, www, tmp_path, record_property):
    """R7: a client that only sends 20 MiB, and then ends without reading, loses nothing to a ticket:
    ten of ten times, with TCPD_SOAK=full 100."""
    script = write_script(tmp_path / "count", 'n=$(wc -c); echo "got $n" >&2')
    conf = www.section() + configuration(behind("count", "program", program=[script]))
    its, n, whole = context(authority), 100 if SOAK else 10, 0
    with tcpd(conf) as daemon:
        for _ in range(n):
            since = len(daemon.log.items)
            with dial(daemon, "count", its) as sock:
                assert sock.version() == "TLSv1.3"
                sock.sendall(MIB * 20)
            found = daemon.wait_log(r": got (?P<n>\d+)$", since=since)
            whole += int(found["n"]) == 20 * len(MIB)
    record_property("soak", f"uploads of 20 MiB over TLS: {n}, {n - whole} cut")
    assert whole == n


# --- Clients' certificates -----------------------------------------------------------------------

@pytest.mark.parametrize("mode, shows, comes_in", [
    ("require", "right", True), ("require", None, False), ("require", "foreign", False),
    ("require", "old", False), ("require", "revoked", False), ("require", "server", False),
    ("request", "right", True), ("request", None, True), ("request", "foreign", False)])
def test_clients(tcpd, authority, www, tmp_path, mode, shows, comes_in):
    """TL6: none, another authority's, expired, revoked, not for clients, right."""
    people = Authority(tmp_path, "people")
    made = {"right": people.leaf("right", (), usage="clientAuth"),
            "foreign": Authority(tmp_path, "strangers").leaf("foreign", (), usage="clientAuth"),
            "old": people.leaf("old", (), usage="clientAuth", days=-1),
            "revoked": people.leaf("revoked", (), usage="clientAuth"),
            "server": people.leaf("server")}
    conf = www.section() + configuration(behind(
        "echo", tls_client=mode, tls_client_ca=people.path,
        tls_client_crl=people.revoked(made["revoked"])))
    with tcpd(conf) as daemon:
        its = context(authority, client=made[shows] if shows else None)
        if comes_in:
            assert exchange(daemon, "echo", its, b"x") == b"x"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                assert exchange(daemon, "echo", its, b"x") == b"x"
            daemon.wait_log(Text.closed_why("tls failed"))


def test_ticket_of_another_policy(tcpd, authority, www, tmp_path):
    """TL6: once other clients may come in, a ticket from before is worth nothing."""
    people = Authority(tmp_path, "people")
    other = Authority(tmp_path, "others")
    its = context(authority, client=people.leaf("alice", (), usage="clientAuth"))

    def conf(path):
        return www.section() + configuration(behind("echo", tls_client="require",
                                                    tls_client_ca=path))
    with tcpd(conf(people.path)) as daemon:
        session, _ = session_of(daemon, "echo", its)
        assert session_of(daemon, "echo", its, session)[1]
        both = tmp_path / "both.pem"
        both.write_text(people.path.read_text() + other.path.read_text())
        daemon.reload(conf(both))
        assert not session_of(daemon, "echo", its, session)[1]
        daemon.reload(conf(other.path))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            session_of(daemon, "echo", its, session)


# --- What programs see ---------------------------------------------------------------------------

def test_environment(tcpd, authority, www, tmp_path):
    """TL9."""
    people = Authority(tmp_path, "people")
    alice = people.leaf("alice", (), usage="clientAuth", subject="/O=A, B/CN=alïce")
    script = write_script(tmp_path / "show", "env | grep -E '^(SSL_|PROTO)' | sort")
    conf = www.section() + configuration(
        behind("show", "program", program=[script], tls_client="request",
               tls_client_ca=people.path),
        behind("open", "program", listen=["tls:127.0.0.1:0"], program=[script]),
        service("plain", "program", program=[script]))

    def shown(name, its):
        with dial(daemon, name, its) as sock:
            return dict(line.split("=", 1) for line in read_all(sock).decode().splitlines())
    with tcpd(conf) as daemon:
        found = shown("show", context(authority, client=alice))
        assert found.pop("SSL_PEER_CERT_HASH").startswith("SHA256:")
        assert int(found.pop("SSL_CLIENT_M_SERIAL"), 16) == alice.serial
        assert found == {"PROTO": "TCP", "SSL_PROTOCOL": "TLSv1.3", "SSL_CLIENT_VERIFY": "SUCCESS",
                         "SSL_CIPHER": "TLS_AES_256_GCM_SHA384",
                         "SSL_SESSION_RESUMED": "Initial",
                         "SSL_TLS_SNI_SERVERNAME": "localhost",
                         "SSL_CLIENT_S_DN": r"CN=al\C3\AFce,O=A\, B"}
        found = shown("show", context(authority))
        assert found["SSL_CLIENT_VERIFY"] == "NONE" and "SSL_CLIENT_S_DN" not in found
        assert "SSL_CLIENT_VERIFY" not in shown("open", context(authority))
        assert daemon.exchange("plain") == b"PROTO=TCP\n"


# --- Where keys are ------------------------------------------------------------------------------

def memory_has(pid, needle):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(part, 16) for part in place.split("-"))
            if "r" not in rights or "[v" in line or end - start > 1 << 30:  # a sanitizer's
                continue
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


def test_keys_are_in_their_workers_alone(tcpd, authority, www):
    """TL10: no worker of another listener has any; nor is the text of one anywhere."""
    text = subprocess.run(["openssl", "pkey", "-in", www.key, "-noout", "-text"],
                          capture_output=True, text=True, check=True).stdout
    number = bytes.fromhex(re.search(r"priv:\s*([0-9a-f:\s]+?)\s*pub", text)[1]
                           .replace(":", "").replace("\n", "").replace(" ", ""))[-32:]
    base64 = www.key.read_bytes().splitlines()[1][:40]
    needles = (number, number[::-1])
    conf = www.section() + configuration(
        behind("echo", **ONE), service("plain", "echo", **ONE),
        service("module", module=module_file(), **ONE))
    with tcpd(conf) as daemon:
        assert exchange(daemon, "echo", context(authority), b"x") == b"x"
        [secure], [plain], [other] = (daemon.workers(name) for name in ("echo", "plain", "module"))
        assert any(memory_has(secure, needle) for needle in needles), "it is looked for rightly"
        for pid in (plain, other):
            assert not any(memory_has(pid, needle) for needle in needles)
        for pid in (daemon.pid, secure, plain, other):
            assert not memory_has(pid, base64)


def test_plain_instances_have_no_library(tcpd):
    with tcpd(configuration(service("echo"))) as daemon:
        for pid in (daemon.pid, *daemon.workers()):
            assert "libssl" not in Path(f"/proc/{pid}/maps").read_text()


def test_randoms_differ(tcpd, www):
    """TL11: of the first handshakes of workers that were forked from one process; the keys, too."""
    seen, keys = set(), set()
    with tcpd(www.section() + configuration(
            behind("echo", min_workers=64, max_workers=64, spare_workers=0))) as daemon:
        socks = [daemon.connect("echo") for _ in range(64)]
        assert len({daemon.worker_serving(sock) for sock in socks}) == 64
        for sock in socks:
            client = Client(sock)
            client.hello()
            kind, data = client.record()
            seen.add(data[6:38])
            keys.add(data[-32:])  # the last extension, key_share, ends with it
            sock.close()
    assert len(seen) == len(keys) == 64


@pytest.mark.parametrize("listen", ["tls:127.0.0.1:0", "wss:127.0.0.1:0"])
@pytest.mark.parametrize("version", [V12, V13])
def test_the_first_word_is_not_late(tcpd, authority, www, listen, version):
    """A client that leaves its socket as it is waits with its first data until its last word of the
    handshake is acknowledged. That comes at once, and not after the kernel's 40 ms; of many sessions,
    resumed ones too, the quickest shows it on a slow machine as well."""
    its = context(authority, version=version)
    with tcpd(www.section() + configuration(behind("echo", listen=listen))) as daemon:
        session, took = None, {False: [], True: []}
        for _ in range(20):
            with daemon.connect("echo") as plain, its.wrap_socket(
                    plain, server_hostname="localhost", session=session) as sock:
                begin = time.monotonic()
                sock.sendall(b"x" if listen.startswith("tls") else request_of())
                assert sock.recv(1) in (b"x", b"H")
                took[sock.session_reused].append(time.monotonic() - begin)
                session = None if session else sock.session
        assert min(took[False]) < 0.03 and min(took[True]) < 0.03, took


def test_descriptors_stay(tcpd, authority, www):
    """A hundred sessions leave nothing open."""
    with tcpd(www.section() + configuration(behind("echo", **ONE))) as daemon:
        its = context(authority)
        assert exchange(daemon, "echo", its, b"x") == b"x"
        [worker] = daemon.workers()
        wait_for(lambda: daemon.counts()["idle"] == 1)
        before = len(proc_fds(worker))
        for _ in range(100):
            assert exchange(daemon, "echo", its, b"x") == b"x"
        wait_for(lambda: len(proc_fds(worker)) <= before)
        assert daemon.workers() == [worker]
        assert daemon.stop() == EX_OK
