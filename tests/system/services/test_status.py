# SPDX-License-Identifier: MIT
"""handler = "status": what it answers, to whom, while all else is busy, and that nothing which comes
by HTTP harms it."""

import contextlib
import html.parser
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, PATIENCE, SANITIZED, configuration, proc_state,
                     read_all, read_exactly, reset, run, service, system_call, wait_for)
from json_form import checked

TCPDCTL = BUILD / "tcpdctl"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
HOST = b"Host: localhost\r\n"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
          "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {
    "/": "text/html; charset=utf-8", "/part": "text/html; charset=utf-8",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8", "/json": "application/json",
    "/healthz": "text/plain; charset=utf-8", "/status.js": "text/javascript; charset=utf-8",
    "/status.css": "text/css; charset=utf-8", "/status.svg": "image/svg+xml"}


@pytest.fixture
def control(tmp_path):
    return tmp_path / "control"


def tcpdctl(control, *words):
    return subprocess.run([TCPDCTL, "-s", control, *words], capture_output=True, text=True,
                          timeout=PATIENCE)


class Answer:
    """Of HTTP, as strict as RFC 9112 would have it, and with what all of ours have."""

    def __init__(self, data, is_head=False):
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *fields = head.decode("ascii").split("\r\n")
        self.status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z -]+", first)[1])
        pairs = [field.split(": ", 1) for field in fields]
        self.fields = {name.lower(): value for name, value in pairs}
        assert len(self.fields) == len(pairs)
        assert is_head or int(self.fields["content-length"]) == len(self.body)
        assert self.fields["connection"] == "close"
        assert self.fields["content-security-policy"] == POLICY
        assert self.fields["x-content-type-options"] == "nosniff"
        assert self.fields["referrer-policy"] == "no-referrer"
        assert self.fields["cross-origin-resource-policy"] == "same-origin"
        assert self.fields["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in self.fields)

    @property
    def text(self):
        return self.body.decode("utf-8")


def send(daemon, request, name="status"):
    with daemon.connect(name) as sock:
        sock.sendall(request)
        return read_all(sock)


def ask(daemon, path, fields=b"", method="GET", name="status"):
    request = f"{method} {path} HTTP/1.1\r\n".encode() + HOST + fields + b"\r\n"
    return Answer(send(daemon, request, name), method == "HEAD")


def serving(control, *services, **options):
    return configuration(*services, service("status", **options), control=f"unix:{control}")


@pytest.mark.parametrize("path", TYPES)
def test_paths(tcpd, control, path):
    """Each has its type; HEAD is GET without a body."""
    with tcpd(serving(control, service("echo"))) as daemon:
        answer = ask(daemon, path)
        assert answer.status == 200 and answer.fields["content-type"] == TYPES[path]
        assert answer.body
        head = ask(daemon, path, method="HEAD")
        assert head.status == 200 and head.body == b""
        # Ages and numbers may have grown by a digit in between.
        assert abs(int(head.fields["content-length"]) - len(answer.body)) < 40


def test_metrics(tcpd, control):
    """What tcpdctl prints, in both formats; of some services, and without histograms."""
    with tcpd(serving(control, service("echo"), service("hello"))) as daemon:
        def names(text):
            return [line.rpartition(" ")[0] for line in text.splitlines()]

        assert names(ask(daemon, "/metrics").text) == names(tcpdctl(control, "metrics").stdout)
        accept = b"Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"
        answer = ask(daemon, "/metrics", accept)
        assert (answer.fields["content-type"] ==
                "application/openmetrics-text; version=1.0.0; charset=utf-8")
        assert names(answer.text) == names(tcpdctl(control, "--openmetrics", "metrics").stdout)
        assert answer.text.endswith("\n# EOF\n")
        some = ask(daemon, "/metrics?service=hello%2Cstatus&histograms=0").text
        assert set(re.findall(r'service="(\w+)"', some)) == {"hello", "status"}
        assert "tcpd_up 1\n" in some and "_bucket" not in some
        assert ask(daemon, "/metrics?service=hello,nobody").status == 404


def test_json(tcpd, control):
    with tcpd(serving(control, service("echo"))) as daemon:
        answer = checked("status", ask(daemon, "/json").text)
        said = json.loads(tcpdctl(control, "--json", "status").stdout)
        assert list(answer) == list(said) == ["schema", "daemon", "pools", "not_served", "certificates"]
        assert answer["daemon"]["pid"] == daemon.pid
        assert [pool["service"] for pool in answer["pools"]] == ["echo", "status"]


PATIENT = 2  # seconds, of a worker that asks the master
POLLS = (271, 7, 73)  # x86-64: ppoll and poll; aarch64: ppoll


def is_pending(pid, number):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^ShdPnd:\t(\w+)$", text, re.M)[1], 16) >> (number - 1) & 1


def is_readable(sock):
    return select.select([sock], [], [], 0)[0] != []


@pytest.mark.parametrize("path", ["/healthz", "/json", "/metrics", "/json/sessions"])
def test_drained_while_it_asks(tcpd, control, path):
    """A signal does not end the worker's wait for the master."""
    with tcpd(serving(control, service("echo"), **ONE)) as daemon:
        while True:
            worker, = daemon.wait_workers(1, name="status")
            with daemon.connect("status") as sock:
                daemon.signal(signal.SIGSTOP)
                wait_for(lambda: proc_state(daemon.pid) == "T", what="a frozen master")
                sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                asked = time.monotonic()
                wait_for(lambda: system_call(worker) in POLLS, what="a worker that waits for it")
                os.kill(worker, signal.SIGTERM)
                wait_for(lambda: is_pending(worker, signal.SIGTERM) or is_readable(sock),
                         what="the signal to wait, too")
                was_early = is_readable(sock)
                daemon.signal(signal.SIGCONT)
                status = Answer(read_all(sock)).status
            if status == 200 or was_early or time.monotonic() - asked < PATIENT:
                break  # else the machine was too slow, and proves nothing
        assert status == 200


def test_health(tcpd, control):
    """503 when all other services are drained, and while tcpd stops."""
    conf = serving(control, service("echo"), service("hello"), service("agent"))
    with tcpd("drain_delay = 30s\n" + conf) as daemon:
        assert ask(daemon, "/healthz").body == b"ok\n"
        assert tcpdctl(control, "drain", "echo").returncode == EX_OK
        assert ask(daemon, "/healthz").status == 200
        assert tcpdctl(control, "maint", "hello", "--reason", "a <new> disk").returncode == EX_OK
        assert ask(daemon, "/healthz").status == 503
        assert "a &lt;new&gt; disk" in ask(daemon, "/").text
        assert tcpdctl(control, "ready", "echo").returncode == EX_OK
        assert ask(daemon, "/healthz").status == 200
        assert tcpdctl(control, "ready").returncode == EX_OK
        # Without a name, of all but this service, which would not answer otherwise.
        assert tcpdctl(control, "pause").returncode == EX_OK
        answer = ask(daemon, "/healthz")
        assert answer.status == 503 and "paused or drained" in answer.text
        assert "paused" in ask(daemon, "/").text
        assert tcpdctl(control, "resume").returncode == EX_OK
        assert ask(daemon, "/healthz").status == 200
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: ask(daemon, "/healthz").status == 503, what="503 while it stops")
        daemon.stop_again()
        assert daemon.wait_exit() == EX_OK


class Page(html.parser.HTMLParser):
    """Elements in order, with what each holds as text; an end that ends nothing is an error."""

    VOID = {"meta", "link", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.ids, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names))
        assert "style" not in names and not any(name.startswith("on") for name in names)
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_page(tcpd, control):
    """A9: it is well-formed, names are shown as they are, and each picture has a name."""
    conf = serving(control, service("echo", **ONE))
    with tcpd(conf) as daemon:
        assert daemon.is_serving()
        wait_for(lambda: "\ntcpd_sessions_total{service=\"echo\",listener=\"127.0.0.1:%d\","
                         "result=\"ok\"} 1\n" % daemon.ports["echo"] in ask(daemon, "/metrics").text,
                 what="the session's end")
        answer = ask(daemon, "/")
        page = Page(answer.text)
        row = page.cells.index("echo")
        assert page.cells[row + 1] == f"127.0.0.1:{daemon.ports['echo']}"
        assert page.cells[row + 2:row + 8] == ["serving", "0", "1", "1", "0/4096", "1"]
        pictures = [of for tag, of in page.tags if tag == "svg"]
        assert pictures and all(of["role"] == "img" and set(of["aria-labelledby"].split()) <=
                                set(page.ids) for of in pictures)
        assert all(of.get("scope") for tag, of in page.tags if tag == "th")
        assert len(answer.body) < 60_000
        loaded = [of.get("src") or of.get("href") for tag, of in page.tags
                  if tag in ("script", "link", "img", "a")]
        assert loaded == ["status.css", "status.svg", "status.js", "metrics", "json", "json/sessions"]
        assert all(ask(daemon, f"/{path}").status == 200 for path in loaded)
        part = ask(daemon, "/part")
        assert Page(part.text).ids[0] == "findings" and part.text.startswith("<div id=")
        assert len(ask(daemon, "/status.js").body) < 4096 and len(ask(daemon, "/status.css").body) < 6144


@pytest.mark.parametrize("options, shown", [
    ({}, "127.0.0.0:0"), ({"status_addresses": "none"}, "-"), ({"status_addresses": "full"}, None)])
def test_sessions(tcpd, control, options, shown):
    """As tcpdctl has them, with addresses as they are to be shown; on the page, too."""
    with tcpd(serving(control, service("echo", **ONE), service("other", "echo", **ONE),
                      **options)) as daemon, daemon.connect("echo") as sock, \
            daemon.connect("other") as other:
        for each in sock, other:
            each.sendall(b"12345")
            assert read_exactly(each, 5) == b"12345"
        peer = "127.0.0.1:%d" % sock.getsockname()[1] if shown is None else shown
        rows = {row["service"]: row
                for row in checked("sessions", ask(daemon, "/json/sessions").text)["sessions"]}
        assert set(rows) == {"echo", "other", "status"}  # who asks is one, too
        row = rows["echo"]
        assert (row["peer"], row["bytes_in"], row["doing"]) == (peer, 5, "reading")
        said = json.loads(tcpdctl(control, "--json", "sessions", "echo").stdout)["sessions"]
        assert [each["id"] for each in said] == [row["id"]]
        some = checked("sessions", ask(daemon, "/json/sessions?service=other").text)["sessions"]
        assert [each["id"] for each in some] == [rows["other"]["id"]]
        assert ask(daemon, "/json/sessions?service=nobody").status == 404
        cells = Page(ask(daemon, "/").text).cells
        assert cells[cells.index(row["id"]):][1:5] == [
            "echo", f"127.0.0.1:{daemon.ports['echo']}", peer, "reading"]
        assert row["id"] not in ask(daemon, "/part?service=other").text


def test_rates(tcpd, control):
    """Those since the last look."""
    with tcpd(serving(control, service("echo", **ONE), max_workers=1)) as daemon:
        assert "rates come with the next look" in ask(daemon, "/").text
        began = time.monotonic()
        wait_for(lambda: "rates of the last" in ask(daemon, "/").text, what="rates")
        assert time.monotonic() - began > 0.3


def test_a_name_that_needs_escapes(tcpd, control, tmp_path):
    """7.3: in every output."""
    path = f'{tmp_path}/a"b\\c<d>&é'
    with tcpd(serving(control, service("echo", listen=f"unix:{path}"))) as daemon:
        address = f"unix:{path}"
        [shown] = [pool["listener"] for pool in checked("status", ask(daemon, "/json").text)["pools"]
                   if pool["service"] == "echo"]
        assert address in Page(ask(daemon, "/").text).cells or shown in Page(ask(daemon, "/").text).cells
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        assert f'listener="{escaped}"' in ask(daemon, "/metrics").text
        assert "<d>" not in ask(daemon, "/").text


@pytest.mark.parametrize("host, status", [
    ("localhost:7979", 200), ("[::1]:7979", 200), ("192.0.2.7", 200), ("status.example", 200),
    ("STATUS.example:443", 200), ("localhost.evil", 421), ("status.example.evil", 421),
    ("xstatus.example", 421), ("", 400), ("localhost evil", 400)])
def test_hosts(tcpd, control, host, status):
    """Only names that nobody else's page can have: DNS rebinding."""
    with tcpd(serving(control, status_hosts=["status.example"])) as daemon:
        request = f"GET /json HTTP/1.1\r\nHost: {host}\r\n\r\n"
        assert Answer(send(daemon, request.encode())).status == status


BAD = {
    "no end of line": (b"GET / HTTP/1.1", 400),
    "nothing": (b"", None),
    "NUL": (b"GET /\0 HTTP/1.1\r\n" + HOST, 400),
    "0x80": (b"GET /\x80 HTTP/1.1\r\n" + HOST, 400),
    "0xff": (b"\xff" * 100, 400),
    "a line of 9 KiB": (b"GET /" + b"a" * 9216 + b" HTTP/1.1\r\n", 414),
    "fields of 9 KiB": (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 9216 + b"\r\n", 431),
    "65 fields": (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 64 + b"\r\n", 431),
    "a folded field": (b"GET / HTTP/1.1\r\n" + HOST + b" more\r\n\r\n", 400),
    "LF alone": (b"GET / HTTP/1.1\n" + HOST + b"\n", 400),
    "CR alone": (b"GET / HTTP/1.1\r" + HOST + b"\r\n", 400),
    "pipelined": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "POST": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 405),
    "PUT": (b"PUT /metrics HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "OPTIONS": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "a body": (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 413),
    "chunked": (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
    "absolute-form": (b"GET http://localhost:80/healthz HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "absolute-form of 1.0": (b"GET HTTPS://localhost/healthz HTTP/1.0\r\n\r\n", 200),
    "absolute-form without a path": (b"HEAD http://localhost HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "absolute-form of another": (b"GET http://localhost.evil/ HTTP/1.1\r\n" + HOST + b"\r\n", 421),
    "absolute-form, another Host": (b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil\r\n\r\n", 200),
    "absolute-form with a user": (b"GET http://localhost@evil/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "absolute-form without a host": (b"GET http:///healthz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "absolute-form and no Host": (b"GET http://localhost/healthz HTTP/1.1\r\n\r\n", 400),
    "another scheme": (b"GET ftp://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a star": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two slashes": (b"GET // HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "up": (b"GET /../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "%00": (b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "HTTP/0.9": (b"GET /\r\n", 400),
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "another Host": (b"GET / HTTP/1.1\r\nHost: localhost.evil\r\n\r\n", 421),
    "an unknown key": (b"GET /metrics?x=y HTTP/1.1\r\n" + HOST + b"\r\n", 400),
}


@pytest.mark.parametrize("pieces", [1, 2])
def test_bad_requests(tcpd, control, pieces):
    """7.3. Each has its answer, however it comes; and the worker is the same afterwards."""
    with tcpd(serving(control, service("echo", **ONE), **ONE)) as daemon:
        [worker] = daemon.workers("status")
        for name, (request, status) in BAD.items():
            with daemon.connect("status") as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                half = len(request) // 2 if pieces == 2 else 0
                with contextlib.suppress(ConnectionError):
                    sock.sendall(request[:half])
                    sock.sendall(request[half:])
                    sock.shutdown(socket.SHUT_WR)
                said = read_all(sock)
            assert (Answer(said, request[:4] == b"HEAD").status if said else None) == status, name
        assert daemon.workers("status") == [worker] and daemon.is_serving()


def test_a_client_that_leaves(tcpd, control):
    """In the middle of its request, and of the answer."""
    with tcpd(serving(control, **ONE)) as daemon:
        [worker] = daemon.workers("status")
        for request in (b"GET / HT", b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"):
            for _ in range(20):
                sock = daemon.connect("status")
                sock.sendall(request)
                reset(sock)
        assert ask(daemon, "/healthz").status == 200 and daemon.workers("status") == [worker]


def test_a_byte_now_and_then(tcpd, control):
    """idle_timeout is for the whole request."""
    with tcpd(serving(control, idle_timeout="500ms", **ONE)) as daemon:
        with daemon.connect("status") as sock:
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: xxxxxxxxxxxx":
                    sock.sendall(bytes([byte]))
                    time.sleep(0.05)  # the slowness itself is meant
            assert sock.recv(100) == b""
        assert time.monotonic() - began < 20
        assert ask(daemon, "/healthz").status == 200


def test_many_who_say_nothing(tcpd, control):
    """Four workers at most, and the rest of tcpd does not notice."""
    with tcpd(serving(control, service("echo", **ONE), first_byte_timeout="300ms")) as daemon:
        silent = [daemon.connect("status") for _ in range(40)]
        assert daemon.is_serving()
        wait_for(lambda: len(daemon.workers("status")) == 4, what="four workers")
        assert daemon.is_serving()
        assert ask(daemon, "/healthz").status == 200  # when it is its turn
        assert len(daemon.workers("status")) <= 4
        for sock in silent:
            sock.close()


def test_all_others_are_busy(tcpd, control):
    """A7, R1: it answers at once while a service is at its maximum and its queue is full."""
    conf = serving(control, service("echo", backlog=4, **ONE))
    with tcpd(conf) as daemon, contextlib.ExitStack() as held:
        first = held.enter_context(daemon.connect("echo"))
        first.sendall(b"x")
        assert read_exactly(first, 1) == b"x"
        for _ in range(4):
            held.enter_context(daemon.connect("echo"))
        wait_for(lambda: "busy, and 4 clients wait" in ask(daemon, "/part").text,
                 what="what is found")
        times = []
        for path in ("/metrics", "/", "/json", "/json/sessions", "/healthz") * 3:
            began = time.monotonic()
            assert ask(daemon, path).status == 200
            times.append(time.monotonic() - began)
        assert sorted(times)[len(times) // 2] < (2 if SANITIZED else 0.25)


def test_without_a_control_socket(tcpd):
    """It says so, at the start and to whoever asks; files need none."""
    with tcpd(configuration(service("status"))) as daemon:
        daemon.wait_log('service "status" has nobody to ask: tcpd has no control socket; see control')
        for path in ("/", "/metrics", "/json", "/healthz"):
            answer = ask(daemon, path)
            assert answer.status == 503 and "no control socket" in answer.text
        daemon.wait_log("cannot ask the master: tcpd has no control socket")
        assert ask(daemon, "/status.css").status == 200


def test_a_master_that_does_not_answer(tcpd, control):
    """503 within two seconds, and again as before when it goes on."""
    with tcpd(serving(control, **ONE)) as daemon:
        assert ask(daemon, "/healthz").status == 200
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            answer = ask(daemon, "/metrics")
            assert answer.status == 503 and answer.text == "tcpd does not answer\n"
            assert 1 < time.monotonic() - began < 10
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert ask(daemon, "/healthz").status == 200


def test_a_unix_socket_and_reloads(tcpd, control, tmp_path):
    """Behind a proxy; what is asked survives reloads."""
    conf = serving(control, listen=f"unix:{tmp_path}/http", min_workers=1)
    with tcpd(conf) as daemon:
        assert ask(daemon, "/healthz").body == b"ok\n"
        daemon.reload()
        wait_for(lambda: checked("status", ask(daemon, "/json").text)["daemon"]["generation"] == 2,
                 what="the next generation")


def test_defaults():
    """Few workers, short deadlines; what is given counts."""
    conf = configuration(service("status"), service("more", "status", max_workers=9,
                                                    spare_workers=3, session_timeout="1min"))
    status, out, _ = run("-T", conf=conf)
    assert status == EX_OK
    first, more = out.split('service "more"')
    for line in ("min_workers = 1 ", "spare_workers = 1 ", "max_workers = 4 ",
                 "first_byte_timeout = 5s ", "idle_timeout = 5s ", "session_timeout = 15s "):
        assert f"    {line}" in first
    for line in ("min_workers = 1 ", "spare_workers = 3 ", "max_workers = 9 ",
                 "first_byte_timeout = 5s ", "session_timeout = 1min "):
        assert f"    {line}" in more


@pytest.mark.parametrize("options, wrong", [
    ({"listen": "udp:127.0.0.1:0"}, 'listen = "udp:127.0.0.1:0": status is asked over TCP, TLS'),
    ({"listen": "ws:127.0.0.1:0"}, 'listen = "ws:127.0.0.1:0": status is asked over TCP, TLS'),
    ({"listen": "unix-seqpacket:/tmp/x"}, "status is asked over TCP, TLS, or a unix stream socket"),
    ({"status_hosts": ["a:80"]}, 'status_hosts of service "status": "a:80" is not a name'),
    ({"status_hosts": ["127.0.0.1"]}, '"127.0.0.1" is not a name as "status.example.org"'),
    ({"status_hosts": ["*"]}, '"*" is not a name'),
    ({"status_addresses": "some"}, "status_addresses"),
    ({"min_workers": 5}, 'min_workers = 5 of service "status" is above max_workers = 4'),
])
def test_wrong_settings(options, wrong):
    """One error, with its line."""
    status, _, log = run("-t", conf=configuration(service("status", **options)))
    assert status == EX_CONFIG and wrong in log and re.search(r"tcpd\.conf:\d+: ", log)
