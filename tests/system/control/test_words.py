# SPDX-License-Identifier: MIT
"""Exit statuses and messages of tcpdctl, verb by verb: the same mistake has the same status, and what
is wrong is named."""

import os
import re
import socket
import subprocess

import pytest

from harness import (BUILD, EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, can_become_others,
                     configuration, service)

TCPDCTL = BUILD / "tcpdctl"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def ctl(control, *args, prefix=(), **options):
    options = {"stdout": subprocess.PIPE, **options}
    done = subprocess.run([*prefix, TCPDCTL, "-s", control, *args], stderr=subprocess.PIPE, text=True,
                          timeout=PATIENCE, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="control")
def fixture_control(tmp_path):
    return tmp_path / "control"


def serving(control, **settings):
    return configuration(service("echo", **settings), control=f"unix:{control}")


# What a service that is not there is given to.
NAMING = {
    "sources": (["sources", "ech"], 1), "pardon": (["pardon", "all", "ech"], 1),
    "explain": (["explain", "::1", "ech"], 1), "sessions": (["sessions", "ech"], 1),
    "recent": (["sessions", "--recent", "ech"], 1), "top": (["top", "ech"], 1),
    "kick": (["kick", "--service", "ech", "--yes"], 1), "pause": (["pause", "ech"], 1),
    "resume": (["resume", "ech"], 1), "resize": (["resize", "ech", "max=2"], 1),
}


@pytest.mark.parametrize("row", NAMING)
def test_no_such_service(tcpd, control, row):
    """One status and one text for all verbs; drain, maint and ready: nodes/test_orders.py."""
    args, status = NAMING[row]
    with tcpd(serving(control)):
        assert ctl(control, *args) == (status, "", 'tcpdctl: there is no service "ech"\n')


# What is printed by each verb that prints anything.
PRINTING = [
    ["status"], ["--json", "status"], ["metrics"], ["explain"], ["explain", "::1"],
    ["--json", "explain", "::1"], ["sources"], ["--json", "sources"], ["sessions"],
    ["--json", "sessions"], ["sessions", "--recent"], ["top"], ["top", "-b"],
    ["events", "--no-wait"], ["resize", "echo", "max=3"], ["pause"], ["pardon", "all"],
    ["kick", "--service", "echo", "--yes"], ["--json", "kick", "1.1"], ["check"], ["--help"],
    ["--version"],
]


@pytest.mark.parametrize("args", PRINTING, ids=" ".join)
def test_output_lost(tcpd, control, args):
    """Nobody may take it for success: on a full disk, and where standard output is closed."""
    with tcpd(serving(control, source_connections=5)), open("/dev/full", "w") as full:
        assert ctl(control, "pause")[0] == ctl(control, "resume")[0] == EX_OK  # events to be told
        for options in {"stdout": full}, {"stdout": None, "preexec_fn": lambda: os.close(1)}:
            status, _, err = ctl(control, *args, **options)
            assert status == os.EX_IOERR, err
            assert err.count("tcpdctl: cannot write to standard output") == 1, err


@pytest.mark.parametrize("args", [["reload"], ["--no-wait", "stop"]], ids=" ".join)
def test_nothing_to_lose(tcpd, control, args):
    """What prints nothing has not failed."""
    with tcpd(serving(control)):
        assert ctl(control, *args, stdout=None, preexec_fn=lambda: os.close(1)) == (EX_OK, None, "")


# What is wrong, and is named with what would be right.
WRONG = {
    "sources": (["sources"], 1, "no service counts its sources; see source_connections"),
    "sources of one": (["sources", "echo"], 1, 'service "echo" does not count its sources; see '),
    "pardon": (["pardon", "x"], EX_USAGE, '"x" is no address; write it as a number: 192.0.2.7'),
    "explain": (["explain", "x"], EX_USAGE, '"x" is no address; write it as a number: 192.0.2.7'),
    "kinds": (["events", "--kinds", "pool_full,foo"], EX_USAGE,
              'there is no kind of event "foo"; there are ready, reload, '),
    "limit": (["sessions", "--limit", "99999999999"], EX_USAGE,
              "--limit takes a number from 1 to 999999999, not 99999999999"),
    "count": (["top", "-n", "99999999999"], EX_USAGE, "--count takes a number from 1 to 999999999"),
    "last": (["events", "--last", "65"], EX_USAGE, "--last takes a number from 0 to 64, not 65"),
    "resize": (["resize", "echo", "max=99999999999"], EX_USAGE,
               "each once, with N up to 30000, or reset alone, not max=99999999999"),
    "resize, a range": (["resize", "echo", "max=30001"], EX_USAGE, "is not allowed; 1 to 30000"),
    "worker": (["drain", "--worker", "77777777"], 1, "there is no worker 77777777"),
    "bits": (["sessions", "--peer", "127.0.0.1/8"], EX_USAGE,
             '--peer "127.0.0.1/8" has bits set behind its length; write 127.0.0.0/8, or 127.0.0.1 '),
    "bits of kick": (["kick", "--yes", "--peer", "127.0.0.1/8"], EX_USAGE,
                     '--peer "127.0.0.1/8" has bits set behind its length; write 127.0.0.0/8'),
    "no reason": (["maint", "--reason", ""], EX_USAGE, "--reason takes 1 to 80 printable ASCII"),
    "blanks": (["maint", "--reason", " x"], EX_USAGE, "with no space at either end"),
}


@pytest.mark.parametrize("row", WRONG)
def test_wrong(tcpd, control, row):
    args, status, words = WRONG[row]
    with tcpd(serving(control)):
        got, out, err = ctl(control, *args)
    assert (got, out) == (status, "") and words in err and err.count("\n") == 1, err


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_addresses_are_denied(tcpd, tmp_path):
    """Who may not see addresses may not ask for them; that is no mistake of writing."""
    tmp_path.chmod(0o755)
    control = tmp_path / "control"
    with tcpd("log_addresses = masked\n" + serving(control)):
        control.chmod(0o666)
        for folder in tmp_path.parents:
            if folder.stat().st_uid == os.getuid() and folder != folder.parent:
                folder.chmod(folder.stat().st_mode | 0o011)
        status, _, err = ctl(control, "sessions", "--peer", "any", prefix=NOBODY)
        assert status == EX_NOPERM and "only root may ask" in err


def test_other_places(tcpd, tmp_path, control):
    """What -s names, and is no control socket."""
    (tmp_path / "file").touch()
    conf = configuration(service("echo", listen=f"unix:{tmp_path}/echo"), control=f"unix:{control}")
    with tcpd(conf), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(f"{tmp_path}/datagrams")
        for name, words in {"file": "is not a socket", "": "is not a socket",
                            "datagrams": "is not a control socket of tcpd",
                            "echo": "is not a control socket of tcpd"}.items():
            assert ctl(tmp_path / name, "status") == (
                EX_UNAVAILABLE, "", f"tcpdctl: {tmp_path / name} {words}\n")
        status, _, err = ctl("", "status")
        assert status == EX_USAGE and "--socket takes the path of a socket, not an empty one" in err


# --- Names of listeners ------------------------------------------------------------------------

# Bytes of a path, and what is shown of them.
NAMES = {b"caf\xc3\xa9": "café", b"caf\xc3\xab": "cafë", b"caf\xff": "caf\\xff", b"caf\xfe": "caf\\xfe",
         b"caf\\xff": "caf\\x5cxff", b"\x1b[31m": "\\x1b[31m", b"\xc2\x9b31m": "\\xc2\\x9b31m"}


def test_names_of_paths(tcpd, tmp_path, control):
    """Each listener has a name of its own, the same everywhere, which is UTF-8 and moves no cursor."""
    listens = ", ".join('"unix:%s/%s"' % (tmp_path, os.fsdecode(name).replace("\\", "\\\\"))
                        for name in NAMES)
    conf = f'control = "unix:{control}"\nservice "echo" {{ handler = "echo" listen = {{{listens}}} }}\n'
    conf = conf.encode("utf-8", "surrogateescape")
    path = tmp_path / "tcpd.conf"
    path.write_bytes(conf)
    want = sorted(f"unix:{tmp_path}/{name}" for name in NAMES.values())
    with tcpd(f'include("{path}")\n'):
        for args, pattern in ((["metrics"], r'^tcpd_queue_connections\{service="echo",listener="(.*)"\}'),
                              (["--json", "status"], r'"listener":"([^"]*)"')):
            found = re.findall(pattern, ctl(control, *args)[1], re.MULTILINE)
            assert sorted(name.replace("\\\\", "\\") for name in found) == want
        out = ctl(control, "status")[1]
        assert all(name in out for name in want) and "\x1b" not in out and "\x9b" not in out
    done = subprocess.run([BUILD / "tcpd", "-c", path, "-t"], capture_output=True, timeout=PATIENCE)
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode == EX_OK and "\x1b" not in shown and "\\x1b[31m" in shown
