# SPDX-License-Identifier: MIT
"""A program's environment, compared with that of a unit of systemd: the variables of its user, and
files of variables."""

import pytest

from harness import quoted

pytestmark = pytest.mark.in_turn(first="bookworm")

LOGIN = ("HOME", "LOGNAME", "SHELL", "USER")
LIST = "env -0"  # a value may hold a newline
FILE = "/etc/variables"
# What both read: comments, quotes, backslashes, lines that go on.
TEXT = r"""# a comment
; another one
A=b
  B = c d   # no comment
C="e f \"g\" \$HOME \x \\"
D='h \i "j"'
E="k"'l' m
F=n\
o p\ 
G=it's "quoted"
H=
I="q
r"
J=s=t
K='u'  
"""


@pytest.fixture(scope="module")
def machine(shared_tcpd_machine):
    """A machine with some more users."""
    its = shared_tcpd_machine
    its.run("useradd -m -s /bin/bash ordinary && useradd -d / -s /usr/sbin/nologin homeless && "
            "useradd -u 4321 -M -d /no/such/home -s /bin/sh number")
    return its


def parse(text):
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if entry)


def of_systemd(machine, *properties):
    """What a unit with these properties has in its environment."""
    words = [word for setting in properties for word in ("-p", setting)]
    return parse(machine.run("systemd-run", "--pipe", "--quiet", "--wait", *words, "--",
                             *LIST.split()).stdout)


def of_tcpd(machine, *options):
    """What a program that tcpd runs has."""
    command = " ".join(quoted(word) for word in ("tcpd-run", "-l", "unix:/run/variables", *options,
                                                 *LIST.split()))
    # It says where it listens; that must not come between what the client prints.
    with_client = f"rm -f /run/said; {command} >/run/said & until [ -s /run/said ]; do :; done; " \
        "tcpc unix:/run/variables </dev/null; kill $!; wait $!"
    return parse(machine.run("bash", "-c", with_client).stdout)


@pytest.mark.parametrize("user", ["root", "nobody", "games", "ordinary", "homeless", "4321"])
def test_variables_of_a_user(machine, user):
    """Issue 13, 6: HOME, LOGNAME, SHELL and USER as systemd sets them."""
    want = of_systemd(machine, f"User={user}")
    got = of_tcpd(machine, "-o", f"user={user}", "-o", "environment=clean")
    if user == "nobody":  # systemd 252 does not ask the database for it
        want["HOME"] = machine.run("getent", "passwd", user).stdout.split(":")[5]
    assert {name: got.get(name) for name in LOGIN} == {name: want.get(name) for name in LOGIN}


def test_files(machine):
    """Issue 13, 6: a file is read as EnvironmentFile= reads it, and one with - may be missing."""
    machine.put(FILE, TEXT)
    want = of_systemd(machine, f"EnvironmentFile={FILE}", "EnvironmentFile=-/no/such")
    got = of_tcpd(machine, "-o", f"environment_file={FILE}", "-o", "environment_file=-/no/such",
                  "-o", "environment=clean")
    names = {name for name in want if len(name) == 1}
    assert len(names) == 11
    assert {name: got.get(name) for name in names} == {name: want[name] for name in names}
