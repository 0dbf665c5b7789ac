# SPDX-License-Identifier: MIT
"""The configuration: what is refused, with file, line and what is allowed; -t, include, drop-ins."""

import re
from pathlib import Path

import pytest

from harness import EX_CONFIG, EX_OK, Tcpd, Text, configuration, run, service

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
    "duplicate service": (section() + section(), 5, ["echo", "configured twice", "tcpd.conf:1"]),
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
    "missing brace": (section()[:-2], 3, ["a } is missing", 'service "echo"', "line 1"]),
    "missing brace, then another section": (
        section()[:-2] + section(name="b"), 4, ["a } is missing", 'service "echo"', "line 1"]),
    "missing brace of a list": (section("backlog = 5").replace('0"}', '0"', 1), 3,
                                ["a } is missing", "listen", "line 3"]),
    "missing brace of a list at the end": (
        section().replace('0"}', '0"', 1)[:-2], 3, ["a } is missing", "listen", "line 3"]),
    "stray brace": (OK + "}\n", 2, ["closes nothing"]),
    "missing quote": ('service "x {\n', 1, ["quote", "is not closed"]),
    "missing quote, others behind it": (
        section('socket_user = "root', 'socket_group = "root"'), 4, ["quote", "is not closed"]),
    "no value": (section("backlog ="), 4, ["backlog has no value"]),
    "nginx": (section('backlog = "5";'), 4, ["no ; belongs here"]),
    "YAML": (section('backlog: 5'), 4, ["backlog = VALUE", "instead of the colon"]),
    "JSON": (section('socket_user = "root",'), 4, ["no comma belongs here"]),
    "brackets": (section().replace('{"127.0.0.1:0"}', '["127.0.0.1:0"]'), 3,
                 ["a list is written in braces", "listen = {"]),
    "missing comma": (section().replace('0"}', '0" "[::1]:0"}'), 3,
                      ["a comma is missing", '"[::1]:0"']),
    "missing sign": (section("backlog 5"), 4, ["backlog = 5"]),
    "two words": (section("idle_timeout = 5 minutes"), 4,
                  ["needs quotes", 'idle_timeout = "5 minutes"']),
    "missing title": ('service {\n handler = "echo"\n}\n', 1, ["needs a name", 'service "NAME" {']),
    "an address that is none": (section().replace("127.0.0.1:0", "127.0.0.300:0"), 3,
                                ["0 to 255"]),
    "no service": ("stop_timeout = 5s\n", None, ["service"]),
    "empty file": ("", None, ["service"]),
    "byte order mark": ("stop_timeout = 5s\n\ufeff" + OK, 2, ["U+FEFF (byte order mark)"]),
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
    """Issue 2, 2; P1, P30: exit 78, FILE:LINE, what is wrong and what is allowed, nothing started; but
    the first of two services is right."""
    text, line, words = WRONG[name]
    if not check and name in ("duplicate service", "duplicate address"):
        with Tcpd(text) as daemon:
            daemon.wait_log(": ready: ")
            log = daemon.log_text().replace("ready", "")
    else:
        status, _, log = run(*["-t"] * check, conf=text)
        assert status == EX_CONFIG, log
    found = problems(log)
    assert found, log
    hits = [told for at, told in found
            if line in (None, at) and all(word in told for word in words)]
    assert hits, log
    assert not any("__" in told or "token" in told for _, told in found), "internals"
    assert all(at is None or 1 <= at <= max(text.count("\n"), 1) for at, _ in found), log
    assert not re.search(r"\bready\b", log)


def test_all_errors_in_one_go():
    """Issue 2, 2: several errors at once, each with its line."""
    text = section("min_workers = 0", "idle_timeout = soon", "backlog = 0")
    status, _, log = run("-t", conf=text)
    assert status == EX_CONFIG
    assert [line for line, _ in problems(log)] == [4, 5, 6]


def test_syntax_is_told_once_and_in_order():
    """USER.md 17: each habit of another language once, the rest is read; by the line."""
    text = ('stop_timeout: 5s;\nservice "a" {\n  handler = "echo",\n  listen = ["127.0.0.1:0"];\n'
            "  backlog = 0\n  idle_timeout = 5 minutes\n\nservice b {\n  handler echo\n"
            '  min_workers = 0\n  listen = {"127.0.0.1:0" "x"}\n}\n')
    status, out, log = run("-t", conf=text)
    assert status == EX_CONFIG and out == ""
    found = problems(log)
    assert [line for line, _ in found] == [1, 1, 3, 4, 4, 5, 6, 8, 9, 10, 11, 11], log
    assert all(word in told for (_, told), word in zip(found, (
        "colon", ";", "comma", "braces", ";", "backlog", "quotes", 'service "a"', "handler = echo",
        "min_workers", "comma", '"x"'))), log


def test_byte_order_mark_is_skipped():
    """USER.md 17: an editor's mark at the start, in front of UTF-8."""
    status, out, log = run("-t", conf="\ufeff" + OK)
    assert status == EX_OK and log == "" and '"ok"' in out


def test_check_says_that_it_is_right(tmp_path):
    """USER.md 29: the last line of -t, with the number of services."""
    path = tmp_path / "a.conf"
    for number, words in ((1, "1 service"), (2, "2 services")):
        path.write_text(configuration(*(service(f"s{i}", "echo") for i in range(number))))
        status, out, log = run("-t", "-c", str(path))
        assert status == EX_OK and log == ""
        assert out.splitlines()[-1] == f"{path}: configuration is right: {words}"
    path.write_text(OK + "colour = red\n")
    assert "is right" not in run("-t", "-c", str(path))[1]


def test_check_of_what_only_systemd_can_start():
    """USER.md 18: a service without addresses is right where a socket is handed over; -t cannot know,
    and says so. The start by hand fails."""
    conf = configuration(service("echo", listen=None))
    status, out, log = run("-t", conf=conf)
    assert status == EX_OK and "on sockets that systemd hands over" in out
    assert "starts only where systemd hands over a socket of that name" in log
    status, _, log = run(conf=conf)
    assert status == EX_CONFIG and "no socket of that name was handed over" in log


def reads(path):
    """The prefix of a daemon whose standard input is that file."""
    return ("sh", "-c", 'exec "$@" <"$0"', str(path))


def test_standard_input(tcpd, tmp_path):
    """USER.md 33: -c - is standard input, whose lines are told; a reload has the same text."""
    path = tmp_path / "it"
    path.write_text(OK)
    status, out, log = run("-t", "-c", "-", prefix=reads(path))
    assert status == EX_OK and log == ""
    assert out.splitlines()[-1] == "standard input: configuration is right: 1 service"
    with tcpd(None, args=["-c", "-"], prefix=reads(path)) as daemon:
        path.write_text("nonsense")
        assert daemon.is_serving("ok")
        daemon.reload()
        assert daemon.is_serving("ok")
        assert not daemon.log_matches(Text.reload_failed)


@pytest.mark.parametrize("text, words", [
    ("\n" + section("colour = red"), "standard input:5: there is no option colour"),
    ("", "standard input:1: no service is configured"),
    ("a\0b", "standard input cannot be read: holds a NUL byte"),
    ("#" * (1 << 20 | 1), "standard input cannot be read: longer than 1 MiB")],
    ids=["mistake", "empty", "NUL", "long"])
def test_standard_input_is_refused(tmp_path, text, words):
    path = tmp_path / "it"
    path.write_text(text)
    status, out, log = run("-t", "-c", "-", prefix=reads(path))
    assert status == EX_CONFIG and out == "" and words in log


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
                       "discard": 9009, "chargen": 1919, "status": 7979}.items():
        assert re.search(rf"{name}.*127\.0\.0\.1:{port}", out), out
    addresses = re.findall(r"\S+:\d+", out)
    assert "ws:127.0.0.1:8007" in addresses
    assert all(address.removeprefix("ws:").startswith(("127.", "[::1]")) for address in addresses)
