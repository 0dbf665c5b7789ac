# SPDX-License-Identifier: MIT
"""The configuration: what is refused, with file, line and what is allowed; -t, include, drop-ins."""

import re
from pathlib import Path

import pytest

from harness import EX_CONFIG, EX_OK, configuration, run, service

OK = 'service "ok" { handler = "echo" listen = {"127.0.0.1:0"} }\n'


def section(*lines, name="echo"):
    """A section that begins at line 1; `lines` begin at line 4."""
    return (f'service "{name}" {{\n    handler = "echo"\n    listen = {{"127.0.0.1:0"}}\n'
            + "".join(f"    {line}\n" for line in lines) + "}\n")


def other(handler, *lines):
    """A section of another handler; the same lines."""
    return section(*lines, name="x").replace('"echo"', f'"{handler}"')


# name: text, line (None: any), words that must stand in the message
WRONG = {
    "unknown option": (section("colour = red"), 4, ["colour"]),
    "unknown global option": ("colour = red\n" + OK, 1, ["colour"]),
    "service option outside": ("min_workers = 4\n" + OK, 1, ["min_workers"]),
    "global option inside": (section("stop_timeout = 30s"), 4, ["stop_timeout"]),
    "unknown handler": ('service "x" {\n  handler = "ecko"\n  listen = {"127.0.0.1:0"}\n}\n', 2,
                        ["ecko", "echo", "hello", "greeting", "chargen"]),
    "missing handler": ('service "x" {\n  listen = {"127.0.0.1:0"}\n}\n', None, ["x", "handler"]),
    "wrong type: number": (section('min_workers = "four"'), 4, ["min_workers", "four", "1"]),
    "wrong type: negative": (section("min_workers = -1"), 4, ["min_workers", "-1"]),
    "wrong type: fraction": (section("min_workers = 1.5"), 4, ["min_workers", "1.5"]),
    "wrong type: unit": (section("max_workers = 10s"), 4, ["max_workers", "10s"]),
    "wrong type: hexadecimal": (section("max_workers = 0x10"), 4, ["max_workers"]),
    "empty number": (section('max_workers = ""'), 4, ["max_workers"]),
    "out of range: 0 workers": (section("min_workers = 0"), 4, ["min_workers", "1"]),
    "out of range: many": (section("max_workers = 30001"), 4, ["max_workers", "30000"]),
    "out of range: overflow": (section("max_workers = 4294967297"), 4, ["max_workers"]),
    "out of range: backlog": (section("backlog = 65536"), 4, ["backlog", "65535"]),
    "min above max": (section("min_workers = 9", "max_workers = 8"), None,
                      ["min_workers", "max_workers", "9", "8"]),
    "spare above max": (section("min_workers = 1", "spare_workers = 9", "max_workers = 8"), None,
                        ["spare_workers", "max_workers"]),
    "bad time": (section("idle_timeout = soon"), 4, ["idle_timeout", "soon", "30s"]),
    "negative time": (section("idle_timeout = -5s"), 4, ["idle_timeout", "-5s"]),
    "time of unknown unit": (section("idle_timeout = 5parsec"), 4, ["5parsec"]),
    "endless time": (section("idle_timeout = 99999999999999999999h"), 4, ["idle_timeout"]),
    "bad choice": ("log_sessions = some\n" + OK, 1, ["log_sessions", "none", "errors", "all"]),
    "bad choice 2": ("\n\nlog_addresses = half\n" + OK, 3,
                     ["log_addresses", "full", "masked", "none"]),
    "bad file mode": (section("socket_mode = 0999"), 4, ["socket_mode", "0999"]),
    "option of another handler": (section('message = "x"'), 4, ["message", "greeting", "echo"]),
    "greeting without text": (other("greeting"), None, ["x", "message", "file"]),
    "greeting with two texts": (
        other("greeting", 'message = "a"', 'file = "/b"'), None, ["message", "file"]),
    "greeting with a bad end": (
        other("greeting", 'message = "a"', 'end = "lf"'), 5, ["end", "none", "crlf", "nul"]),
    "unreadable quotes": (
        other("greeting", 'file = "/no/such"'), None, ["/no/such", "No such file"]),
    "bad framing": (
        other("hello", 'framing = "word"'), 4, ["framing", "chunk", "line", "length"]),
    "bad format": (other("daytime", 'format = "x"'), 4, ["format", "iso8601"]),
    "duplicate service": (section() + section(), None, ["echo"]),
    "duplicate option": (section("backlog = 5", "backlog = 6"), 5, ["backlog", "4"]),
    "duplicate address": (
        section('backlog = 5').replace(":0", ":7007") + section(name="b").replace(":0", ":7007"),
        8, ["127.0.0.1:7007"]),
    "duplicate address in one list": (
        'service "x" {\n handler = "echo"\n listen = {"127.0.0.1:7007",\n "127.0.0.1:7007"}\n}\n',
        4, ["127.0.0.1:7007"]),
    "address without port": (
        section().replace("127.0.0.1:0", "127.0.0.1"), 3, ["127.0.0.1", "PORT"]),
    "port too high": (section().replace(":0", ":65536"), 3, ["65535"]),
    "negative port": (section().replace(":0", ":-1"), 3, ["port"]),
    "IPv6 without brackets": (section().replace("127.0.0.1:0", "::1:7"), 3, ["bracket"]),
    "open bracket": (section().replace("127.0.0.1:0", "[::1:7"), 3, ["bracket"]),
    "relative unix path": (section().replace("127.0.0.1:0", "unix:x"), 3, ["unix", "absolute"]),
    "long unix path": (section().replace("127.0.0.1:0", "unix:/" + "x" * 108), 3, ["107"]),
    "bad service name": (section(name="a b"), None, ["a b"]),
    "missing brace": (section()[:-2], None, ["brace"]),
    "missing brace, then another section": (section()[:-2] + section(name="b"), None, []),
    "missing brace of a list": (section().replace('0"}', '0"', 1), None, []),
    "missing brace of a list at the end": (section().replace('0"}', '0"', 1)[:-2], None, []),
    "stray brace": (OK + "}\n", 2, []),
    "missing quote": ('service "x {\n', None, []),
    "no value": (section("backlog ="), None, []),
    "no service": ("stop_timeout = 5s\n", None, ["service"]),
    "empty file": ("", None, ["service"]),
    "byte order mark": ("\ufeffstop_timeout = 5s\n" + OK, 1, ["U+FEFF (byte order mark)"]),
    "no-break space": (section("backlog\u00a0= 5"), 4, ["U+00A0 (no-break space)"]),
    "curly quotes": (section("socket_user = \u201croot\u201d"), 4, ["U+201C", "quotes"]),
    "binary": ("\x01\x02\x03\n" + OK, None, []),
}


def problems(log):
    """(line, words) of each FILE:LINE: in the log; line None where the whole file is meant."""
    return [(m[1] and int(m[1]), m[2]) for m in re.finditer(r"tcpd\.conf:(?:(\d+):)? (.+)", log)]


@pytest.mark.parametrize("check", [False, True], ids=["start", "check"])
@pytest.mark.parametrize("name", WRONG)
def test_refused(name, check):
    """Issue 2, 2; P1, P30: exit 78, FILE:LINE, what is wrong and what is allowed, nothing started."""
    text, line, words = WRONG[name]
    status, _, log = run(*["-t"] * check, conf=text)
    assert status == EX_CONFIG, log
    found = problems(log)
    assert found, log
    hits = [told for at, told in found
            if line in (None, at) and all(word in told for word in words)]
    assert hits, log
    assert not any("__" in told for _, told in found), "internals"
    assert all(at is None or 1 <= at <= max(text.count("\n"), 1) for at, _ in found), log
    assert not re.search(r"\bready\b", log)


def test_all_errors_in_one_go():
    """Issue 2, 2: several errors at once, each with its line."""
    text = section("min_workers = 0", "idle_timeout = soon", "backlog = 0")
    status, _, log = run("-t", conf=text)
    assert status == EX_CONFIG
    assert [line for line, _ in problems(log)] == [4, 5, 6]


def test_no_file(tmp_path):
    status, _, log = run("-c", str(tmp_path / "absent.conf"))
    assert status == EX_CONFIG
    assert "absent.conf" in log and "No such file" in log


def test_directory_as_file(tmp_path):
    status, _, log = run("-c", str(tmp_path))
    assert status == EX_CONFIG and str(tmp_path) in log


def test_check_says_what_would_be_served():
    """-t: exit 0, each service with its handler and addresses; nothing is bound."""
    conf = configuration(service("echo", listen=["127.0.0.1:7007", "[::1]:7007"]),
                         service("moin", "greeting", listen="203.0.113.1:1", message="x"))
    status, out, log = run("-t", conf=conf)
    assert status == EX_OK and re.fullmatch(".*: listen = .203.0.113.1:1. .* no interface .*", log)
    lines = out.splitlines()
    for words in (("echo", "127.0.0.1:7007", "[::1]:7007"), ("moin", "greeting", "203.0.113.1:1")):
        assert any(all(word in line for word in words) for line in lines), out


@pytest.mark.parametrize("value", ["500ms", "30s", "5min", "2h", "1min 30s", "7", "0", "1d"])
def test_times_are_taken(value):
    """DESIGN.md: as systemd writes them; a bare number is seconds."""
    assert run("-t", conf=section(f'idle_timeout = "{value}"'))[0] == EX_OK


def test_forms_of_the_design_document():
    """The example of DESIGN.md, as it stands there but for the lines' layout."""
    text = """
    stop_timeout = 30s
    log_sessions = errors            # none | errors | all
    log_addresses = full             # full | masked | none
    service "echo" {
        handler = "echo"
        listen = {"127.0.0.1:7007", "[::1]:7007"}
        backlog = 4096
        min_workers = 4   max_workers = 256   spare_workers = 4
        max_sessions_per_worker = 0   max_worker_age = 0
        first_byte_timeout = 30s   idle_timeout = 60s   send_timeout = 30s   session_timeout = 0
    }
    service "greeting" { handler = "greeting"  listen = {"127.0.0.1:1234"}
                         message = "http://c.biancheng.net/socket/" }
    service "hello"    { handler = "hello"     listen = {"127.0.0.1:9999"}
                         framing = "chunk"  delay = 0s }
    """
    status, _, log = run("-t", conf=text)
    assert status == EX_OK, log


def test_comments_and_layout():
    text = ("# one\n// two\n/* three\n * lines */\n\nservice echo\n{\n\thandler=echo # after\n"
            "\tlisten = {\n\t\t\"127.0.0.1:0\",\n\t}\n}\n")
    status, _, log = run("-t", conf=text)
    assert status == EX_OK, log


def test_include(tcpd, tmp_path):
    """include(), by a path relative to the file or absolute."""
    (tmp_path / "more.conf").write_text(service("hello"))
    (tmp_path / "main.conf").write_text(
        'include("more.conf")\n' + f'include("{tmp_path}/third.conf")\n' + OK)
    (tmp_path / "third.conf").write_text(service("time"))
    status, out, log = run("-t", "-c", str(tmp_path / "main.conf"))
    assert status == EX_OK, log
    assert all(name in out for name in ("hello", "time", "ok"))


def test_error_in_an_included_file(tmp_path):
    """FILE:LINE is the included file's, and the includer's lines are right afterwards."""
    (tmp_path / "more.conf").write_text("\n\n" + section("colour = red"))
    (tmp_path / "main.conf").write_text('include("more.conf")\nsize = big\n' + OK)
    status, _, log = run("-t", "-c", str(tmp_path / "main.conf"))
    assert status == EX_CONFIG
    assert re.search(r"more\.conf:6: .*colour", log), log
    broken = (tmp_path / "main.conf")
    broken.write_text('include("good.conf")\nsize = big\n' + OK)
    (tmp_path / "good.conf").write_text(service("hello") + "\n" * 20)
    status, _, log = run("-t", "-c", str(broken))
    assert status == EX_CONFIG
    assert re.search(r"main\.conf:2: .*size", log), log


def test_include_that_is_missing_or_endless(tmp_path):
    path = tmp_path / "main.conf"
    path.write_text('include("absent.conf")\n' + OK)
    status, _, log = run("-t", "-c", str(path))
    assert status == EX_CONFIG and "main.conf:1" in log
    path.write_text('include("main.conf")\n' + OK)
    status, _, log = run("-t", "-c", str(path))
    assert status == EX_CONFIG and "main.conf:" in log


def test_drop_ins_in_order(tmp_path):
    """After FILE, FILE.d/*.conf in the order of their names; other names are left alone."""
    main = tmp_path / "main.conf"
    main.write_text(service("first", "echo"))
    directory = tmp_path / "main.conf.d"
    directory.mkdir()
    for name in ("20-c", "10-b", "30-d"):
        (directory / f"{name}.conf").write_text(service(name[-1] * 3, "echo"))
    (directory / "40-e.conf.dpkg-new").write_text("nonsense")
    (directory / "README").write_text("nonsense")
    status, out, log = run("-t", "-c", str(main))
    assert status == EX_OK, log
    assert re.findall(r'service "?(\w+)', out) == ["first", "bbb", "ccc", "ddd"]


def test_drop_ins_alone(tmp_path):
    """A main file without a service, as a package may ship it."""
    main = tmp_path / "main.conf"
    main.write_text("stop_timeout = 5s\n")
    (tmp_path / "main.conf.d").mkdir()
    (tmp_path / "main.conf.d" / "echo.conf").write_text(OK)
    status, out, log = run("-t", "-c", str(main))
    assert status == EX_OK, log
    assert "ok" in out


def test_errors_in_drop_ins(tmp_path):
    """Each file's own name and line; a duplicate across files too."""
    main = tmp_path / "main.conf"
    main.write_text(section())
    (tmp_path / "main.conf.d").mkdir()
    drop_in = tmp_path / "main.conf.d" / "a.conf"
    drop_in.write_text("\n" + section("colour = red", name="other"))
    status, _, log = run("-t", "-c", str(main))
    assert status == EX_CONFIG and re.search(r"a\.conf:5: .*colour", log), log
    drop_in.write_text(section())
    status, _, log = run("-t", "-c", str(main))
    assert status == EX_CONFIG and re.search(r"a\.conf:\d+: .*echo", log), log


def test_drop_in_serves(tcpd, tmp_path):
    """The whole way: a service of a drop-in answers."""
    directory = tmp_path / "main.conf.d"
    directory.mkdir()
    (tmp_path / "main.conf").write_text(OK)
    (directory / "x.conf").write_text(service("hello"))
    with tcpd(None, args=["-c", str(tmp_path / "main.conf")]) as daemon:
        assert daemon.exchange("hello") == b"Welcome!"
        assert daemon.is_serving("ok")


def test_shipped_configuration():
    """etc/tcpd.conf is taken as it is, and serves loopback only."""
    path = Path(__file__).parents[3] / "etc" / "tcpd.conf"
    status, out, log = run("-t", "-c", str(path))
    assert status == EX_OK, log
    for name, port in {"echo": 7007, "hello": 9999, "greeting": 1234, "daytime": 1313, "time": 3737,
                       "discard": 9009, "chargen": 1919}.items():
        assert re.search(rf"{name}.*127\.0\.0\.1:{port}", out), out
    addresses = re.findall(r"\S+:\d+", out)
    assert "ws:127.0.0.1:8007" in addresses
    assert all(address.removeprefix("ws:").startswith(("127.", "[::1]")) for address in addresses)
