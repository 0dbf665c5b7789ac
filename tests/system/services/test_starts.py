# SPDX-License-Identifier: MIT
"""Starts with mistakes: what is wrong with one service costs that one, what is wrong with all costs
the start; a reload and -t take neither."""

import os
import re
import signal
import socket

import pytest

from harness import (BUILD, EX_CONFIG, Tcpd, configuration, free_port, has_tcp, run, service, start,
                     wait_for)

MODULES = BUILD / "tests" / "modules"
LEFT_OUT = "; the service is left out"


def section(*lines, handler="echo", listen=("127.0.0.1:0",)):
    return (
        'service "wrong" {\n    handler = "%s"\n' % handler
        + ("    listen = {%s}\n" % ", ".join(f'"{entry}"' for entry in listen) if listen else "")
        + "".join(f"    {line}\n" for line in lines) + "}\n")


# Of service "wrong", which begins in the first line: name, section, line and text of the mistake.
OWN = [
    ("value", section("max_workers = 0"), 4, 'max_workers = "0" is not allowed'),
    ("option", section("max_worker = 3"), 4, "there is no option max_worker; did you mean"),
    ("of the file", section("stop_timeout = 3s"), 4, "stop_timeout belongs before the services"),
    ("of another handler", section("message = hi"), 4, 'message belongs to handler "greeting"'),
    ("twice", section("backlog = 1", "backlog = 2"), 5, "backlog is given twice"),
    ("semicolon", section("backlog = 1;"), 4, "no ; belongs here"),
    ("colon", section("backlog: 1"), 4, "write backlog = VALUE"),
    ("two words", section("idle_timeout = 5 minutes"), 4, "quotes"),
    ("escape", section(handler="greeting", *['message = "\\d"']), 4, "is no escape"),
    ("no value", section("backlog ="), 4, "backlog has no value"),
    ("handler", section(handler="ehco"), 2, '"ehco" is not a handler'),
    ("no handler", 'service "wrong" {\n    listen = {"127.0.0.1:0"}\n}\n', 3, "has no handler"),
    ("name", section().replace('"wrong"', '"wr ong"'), 4, "is not a service name"),
    ("workers", section("min_workers = 9", "max_workers = 2"), 4, "is above max_workers"),
    ("address", section(listen=["127.0.0.1:99999"]), 3, "127.0.0.1:99999"),
    ("host", section(listen=["no.such.invalid:1"]), 3, "no.such.invalid"),
    ("TLS", section(listen=["tls:127.0.0.1:0"]), 3, "has no certificates"),
    ("owner", section('socket_user = "nobody-at-all"', listen=["unix:/tmp/never"]), 4,
     "there is no such name"),
    ("group", section('socket_group = "nobody-at-all"', listen=["unix:/tmp/never"]), 4,
     "there is no such name"),
    ("user", section('user = "nobody-at-all"', 'program = "/bin/cat"', handler="program"), 4,
     "there is no such user"),
    ("user's group", section('group = "nobody-at-all"', 'program = "/bin/cat"', handler="program"),
     4, "there is no such group"),
    ("rules", section('allow = "file:/nonexistent/rules"'), 4, "No such file or directory"),
    ("rules in no file", section('deny = "file:/usr"'), 4, "Is a directory"),
    ("program", section('program = "/nonexistent/program"', handler="program"), 4,
     "No such file or directory"),
    ("no program", section(handler="program"), 4, "needs program ="),
    ("module", section('module = "/nonexistent.so"', handler="module"), 4,
     "No such file or directory"),
    ("no symbol", section(f'module = "{MODULES}/no_symbol.so"', handler="module"), 4, "tcpd_handler"),
    ("ABI", section(f'module = "{MODULES}/wrong_abi.so"', handler="module"), 4, "wrong_abi.so"),
    ("of the same name", 'service "echo" {\n    handler = "discard"\n}\n', 1,
     'service "echo" is configured twice'),
]

# Behind two good services, from line 9 on.
ALL = [
    ("option", "nonsense = 1\n", 9, "there is no option nonsense"),
    ("value", "stop_timeout = soon\n", 9, 'stop_timeout = "soon"'),
    ("include", 'include("/nonexistent.conf")\n', 9, "/nonexistent.conf cannot be read"),
    ("include in a service", 'service "a" {\n include("/x")\n handler = "echo"\n'
     ' listen = {"127.0.0.1:0"}\n}\nlevel = 1\n', 14, "there is no option level"),
    ("no brace", 'service "a" {\n handler = "echo"\n listen = {"127.0.0.1:0"}\n', 11, "a } is missing"),
    ("no brace between", 'service "a" {\n handler = "echo"\nservice "b" { handler = "echo" }\n', 11,
     "a } is missing"),
    ("brace too many", "}\n", 9, "this } closes nothing"),
    ("quote", 'service "a" {\n handler = "echo\n listen = {"127.0.0.1:0"}\n}\n', 10,
     "the quote that opens here is not closed"),
    ("list", 'service "a" {\n handler = "echo"\n listen = {"127.0.0.1:0"\n backlog = 1\n}\n', 11,
     "a } is missing"),
    ("comment", 'service "a" {\n handler = "echo"\n /* \n}\n', 11, "has no end"),
    ("no name", 'service {\n handler = "echo"\n}\n', 9, "a service needs a name"),
]
GOOD = [service("echo"), service("hello")]


def ids(table):
    return [row[0].replace(" ", "-") for row in table]


def tells(daemon, line, text):
    return daemon.log_matches(rf"{re.escape(str(daemon.path))}:{line}: .*{re.escape(text)}")


@pytest.mark.parametrize("name, wrong, line, text", OWN, ids=ids(OWN))
def test_one_service(name, wrong, line, text):
    """The service is left out, with its file, line and cure; the others serve. The check refuses it,
    as does a reload; without it the reload is made."""
    before = service("echo") if name == "of the same name" else ""
    line += before.count("\n")
    conf = configuration(before, wrong, service("hello"))
    with start(conf) as daemon:
        daemon.wait_log(": ready: ")
        [match] = tells(daemon, line, text)
        [left_out] = daemon.log_matches(LEFT_OUT)
        assert match.string == left_out.string and match.string.endswith(LEFT_OUT)
        assert daemon.exchange("hello", b"x")
        assert set(daemon.addresses) == ({"echo", "hello"} if before else {"hello"})
        ready = daemon.wait_notify(lambda m: m.get("READY") == "1")
        assert re.search(r"^\d services?, .*; 1 service left out$", ready["STATUS"]), ready
        status, out, err = run("-t", conf=conf)
        assert status in (EX_CONFIG, 68) and text in err and not out, err
        since = len(daemon.log.items)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reload failed", since=since)
        assert tells(daemon, line, text)[-1].string not in daemon.log.items[:since]
        daemon.reload(configuration(before, service("hello"), service("right", "echo")))
        assert daemon.exchange("right", b"x") == b"x" and daemon.is_serving("right")
        wait_for(lambda: "left out" not in daemon.status(), what="nothing is left out")


@pytest.mark.parametrize("name, wrong, line, text", ALL, ids=ids(ALL))
def test_all_services(name, wrong, line, text):
    """What is wrong outside of sections, or may be wrong with more than one, ends the start."""
    daemon = Tcpd(configuration(*GOOD) + wrong)
    with daemon:
        assert daemon.wait_exit() == EX_CONFIG
        daemon.wait_log(rf"{re.escape(str(daemon.path))}:{line}: .*{re.escape(text)}")
        assert not daemon.log_matches("left out|ready")
        assert not any("READY" in message for message in daemon.notifications.items)


@pytest.mark.parametrize("wrong, status", [
    (section("max_workers = 0"), EX_CONFIG), (section(listen=["no.such.invalid:1"]), 68),
    (section('module = "/nonexistent.so"', handler="module"), EX_CONFIG)],
    ids=["value", "host", "module"])
def test_no_service_is_left(wrong, status):
    """Where nothing else can be served, the start fails with the status of the reason."""
    code, _, err = run(conf=configuration(wrong))
    assert code == status and "left out" not in err


def test_several():
    """Each is told; those that are right serve, also one behind them, from a file of its own."""
    conf = configuration(*(wrong for name, wrong, *_ in OWN if name == "value"), service("hello"),
                         section("foo = 1").replace("wrong", "other"))
    with start(conf) as daemon:
        daemon.wait_log(": ready: ")
        assert len(daemon.log_matches(LEFT_OUT)) == 2
        assert daemon.exchange("hello", b"x") and "2 services left out" in daemon.status()


def test_drop_in(tmp_path):
    """A mistake in a service of tcpd.conf.d names that file, and costs that service."""
    path = tmp_path / "tcpd.conf"
    path.write_text(service("echo"))
    (tmp_path / "tcpd.conf.d").mkdir()
    drop_in = tmp_path / "tcpd.conf.d" / "a.conf"
    drop_in.write_text(section("foo = 1"))
    with start(f'include("{path}")\ninclude("{drop_in}")\n') as daemon:
        assert daemon.is_serving()
        daemon.wait_log(rf"{drop_in}:4: there is no option foo.*{LEFT_OUT}")


def test_address_in_use():
    """An address that cannot be opened is not served, and said to be; the rest is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        conf = configuration(service("echo", listen=[f"127.0.0.1:{port}", "127.0.0.1:0"]),
                             service("hello"))
        with start(conf) as daemon:
            daemon.wait_log(rf'listen = "127.0.0.1:{port}": address already in use.*is served')
            assert daemon.is_serving() and daemon.exchange("hello", b"x")
            assert daemon.status().endswith("; 1 address not served")
            assert daemon.status().startswith("2 services, ")
            taken.close()
            daemon.reload()
            assert has_tcp("127.0.0.1", port) and "not served" not in daemon.status()


def test_all_addresses_in_use():
    """Status 69 where none can be opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run(conf=configuration(service("echo", listen=[f"127.0.0.1:{port}"])))
        assert status == 69 and "address already in use" in err and "served" not in err


def test_run_is_strict():
    """tcpd run has one service, which somebody waits for: all of its addresses, or none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run("run", "--handler", "echo", "-l", f"{port}", "-l", f"{free_port()}")
        assert status == 69 and f"{port}" in err


# --- The same mistake again --------------------------------------------------------------------

def fails(conf, folder, path):
    path.write_text(conf)
    status, _, err = run("-c", path, env={"RUNTIME_DIRECTORY": f"{folder}:/nonexistent"})
    assert status == EX_CONFIG
    return err.splitlines()


AGAIN = "the start fails for the same 2 problems as before, logged then: "


def test_said_once(tmp_path):
    """Under systemd a mistake is logged whole when it is new, and in a line when it stays."""
    path, folder = tmp_path / "tcpd.conf", tmp_path / "kept"
    folder.mkdir()
    first = fails("foo = 1\nbar = 2\n", folder, path)
    assert len(first) == 2
    again = [first[0].replace("tcpd: ", f"tcpd: {AGAIN}")]
    assert fails("foo = 1\nbar = 2\n", folder, path) == again
    assert len(fails("foo = 1\nbaz = 2\n", folder, path)) == 2
    path.write_text(service("echo"))
    with Tcpd(None, args=["-c", path], env={"RUNTIME_DIRECTORY": str(folder)}) as daemon:
        daemon.wait_ready()
        assert os.listdir(folder) == []
    assert fails("foo = 1\nbar = 2\n", folder, path) == first


def repeat(tmp_path, times):
    """A start that fails for the (times + 1)th time: it has said so, and waits for 30 s."""
    path = tmp_path / "tcpd.conf"
    first = fails("foo = 1\nbar = 2\n", tmp_path, path)
    (tmp_path / "mistakes").write_text(f"{times}\n" + "".join(
        line.replace("tcpd: ", "", 1) + "\n" for line in first))
    daemon = Tcpd(None, args=["-c", path], env={"RUNTIME_DIRECTORY": str(tmp_path)})
    daemon.wait_log(AGAIN)
    assert (tmp_path / "mistakes").read_text().startswith(f"{times + 1}\n")
    return daemon, path


def test_waits_longer(tmp_path):
    """The sixth failure of a kind waits, with its mistake in STATUS=; a change of the file ends it."""
    daemon, path = repeat(tmp_path, 6)
    with daemon:
        daemon.wait_notify(lambda m: "foo" in m.get("STATUS", "") and m.get("ERRNO"))
        assert daemon.process.poll() is None
        path.write_text("foo = 1\nbar = 2\n# another one\n")
        assert daemon.wait_exit() == EX_CONFIG


def test_a_drop_in_ends_the_wait(tmp_path):
    """Also one that comes, beside the file."""
    daemon, path = repeat(tmp_path, 6)
    with daemon:
        assert daemon.process.poll() is None
        (tmp_path / "tcpd.conf.d").mkdir()
        (tmp_path / "tcpd.conf.d" / "a.conf").write_text("# nothing\n")
        assert daemon.wait_exit() == EX_CONFIG


@pytest.mark.parametrize("number, status", [
    (signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, EX_CONFIG)])
def test_signals_end_the_wait(tmp_path, number, status):
    """A stop is one, and whoever starts it again sees the mistakes whole; HUP has it try again."""
    daemon, path = repeat(tmp_path, 6)
    with daemon:
        daemon.signal(number)
        assert daemon.wait_exit() == status
        assert (tmp_path / "mistakes").exists() == (status != 0)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.mkdir(),
                                  lambda path: path.symlink_to("/dev/zero")])
def test_said_though_it_cannot_be_kept(tmp_path, make):
    """What else may be there in the file's place delays nothing."""
    path = tmp_path / "tcpd.conf"
    make(tmp_path / "mistakes")
    assert len(fails("foo = 1\nbar = 2\n", tmp_path, path)) == 2
