# SPDX-License-Identifier: MIT
"""Who may connect: only_from and no_access of xinetd, with the defaults before them, and rules of
tcprules, as allow and deny; and served, so that the daemon decides. What lets in more than before is
not served."""

import re
import socket

import pytest

from harness import EX_OK, PATIENCE, free_port, read_all
from import_count import Output
from importing import check, run

NOBODY = {"deny": ["0.0.0.0/0", "::/0"]}


def service(*lines, name="x"):
    return f"service {name}\n{{\ntype = UNLISTED\nport = 7100\nsocket_type = stream\nwait = no\n" \
        "user = %USER%\nserver = /bin/cat\n" + "".join(f"{line}\n" for line in lines) + "}\n"


def defaults(*lines):
    return "defaults\n{\n" + "".join(f"{line}\n" for line in lines) + "}\n"


def lists(section):
    return {name: section.values(name) for name in ("allow", "deny") if name in section.settings}


@pytest.fixture
def import_x(place, tmp_path):
    """import_x(text) → (the one service, what was said); tcpd takes it."""
    def call(text):
        imported = run("xinetd", place.write("xinetd.conf", text))
        section = next(iter(Output(imported.text, imported.said).sections.values()))
        if section.is_served:
            status, said = check(imported.text, tmp_path)
            assert status == EX_OK, said
        return section, imported
    return call


@pytest.mark.parametrize("text, want", [
    (service(), {}),
    (service("only_from = 10.0.0.0 192.0.2.7"), {"allow": ["10.0.0.0/8", "192.0.2.7"]}),
    (service("only_from = 10.0.0.0", "only_from += 192.0.2.7"), {"allow": ["10.0.0.0/8", "192.0.2.7"]}),
    (service("only_from = 10.0.0.0 192.0.2.7", "only_from -= 10.0.0.0"), {"allow": ["192.0.2.7"]}),
    (service("only_from = 10.0.0.0", "only_from = 192.0.2.7"), {"allow": ["192.0.2.7"]}),
    (service("only_from ="), NOBODY),
    (service("only_from = 10.0.0.0", "only_from -= 10.0.0.0"), NOBODY),
    (service("no_access = 10.0.0.0"), {"deny": ["10.0.0.0/8"]}),
    (service("no_access ="), {}),
    (service("only_from = 10.0.0.0", "no_access = 10.1.0.0"),
     {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}),
    (defaults("only_from = 10.0.0.0") + service(), {"allow": ["10.0.0.0/8"]}),
    (service() + defaults("only_from = 10.0.0.0"), {"allow": ["10.0.0.0/8"]}),
    (defaults("only_from = 10.0.0.0") + service("only_from = 192.0.2.7"), {"allow": ["192.0.2.7"]}),
    (defaults("only_from = 10.0.0.0") + service("only_from += 192.0.2.7"),
     {"allow": ["10.0.0.0/8", "192.0.2.7"]}),
    (defaults("only_from = 10.0.0.0", "only_from = 192.0.2.7") + service(),
     {"allow": ["10.0.0.0/8", "192.0.2.7"]}),
    (defaults("no_access = 10.0.0.0") + service("no_access -= 10.0.0.0"), {}),
    (service("only_from = 0.0.0.0/0 ::/0"), {}),
    (service("only_from = 0.0.0.0/0 ::/0", "no_access = 10.0.0.0"),
     {"allow": ["0.0.0.0/0", "::/0"], "deny": ["10.0.0.0/8"]}),
    (service("bind = ::1", "only_from = 0.0.0.0/0"), {"allow": ["0.0.0.0/0"]}),
    (service("only_from = ::ffff:192.0.2.7 192.0.2.7"), {"allow": ["192.0.2.7"]}),
], ids=lambda value: re.sub(r".*server = /bin/cat|\s+", " ", value, flags=re.S)[:40]
    if isinstance(value, str) else "")
def test_lists(import_x, text, want):
    section, imported = import_x(text)
    assert (section.is_served, lists(section), imported.lines("warning")) == (True, want, [])


def test_all_of_ipv4(import_x):
    """Everybody of IPv4 is a matter of where to listen."""
    section, imported = import_x(service("only_from = 0.0.0.0"))
    assert (lists(section), section.values("listen")) == ({}, ["0.0.0.0:7100"])
    assert imported.lines("warning") == []


@pytest.mark.parametrize("text, want, warned", [
    (service("only_from = 10.0.0.0 example.org"), {"allow": ["10.0.0.0/8"]},
     "only_from: example.org: names are not looked up"),
    (service("only_from = .example.org"), NOBODY, "only_from: .example.org: names are not looked up"),
    (defaults("only_from = example.org 10.0.0.0") + service(), {"allow": ["10.0.0.0/8"]},
     "only_from: example.org: names are not looked up"),
    (service("only_from = 10.1.0.0", "no_access = 10.0.0.0"), NOBODY,
     "only_from: 10.1.0.0/16 is left out, as no_access has 10.0.0.0/8"),
    (service("only_from = 10.0.0.0", "no_access = 10.0.0.0"), NOBODY,
     "only_from: 10.0.0.0/8 is left out, as no_access has 10.0.0.0/8"),
])
def test_stricter_than_before(import_x, text, want, warned):
    """What is lost of only_from keeps more out, and is said once."""
    section, imported = import_x(text)
    assert (section.is_served, lists(section)) == (True, want)
    assert [line.split(": ", 1)[1][:len(warned)] for line in imported.lines("warning")] == [warned]


@pytest.mark.parametrize("text, warned", [
    (service("no_access = example.org"), "no_access: example.org: names are not looked up"),
    (defaults("no_access = example.org") + service(),
     "no_access of defaults: example.org: names are not looked up"),
    (service("only_from = 10.0.0.0", "only_from -= 10.0.0.0/8"),
     "only_from: what -= takes away is not written so before"),
    (service("only_from = 10.0.0.0").replace("wait = no", "wait = yes"),
     "only_from: with wait the program accepts"),
    (service("access_times = 8:00-9:00"), "access_times: tcpd serves at all times"),
])
def test_weaker_than_before(import_x, text, warned):
    """What would let in more is a comment."""
    section, imported = import_x(text)
    assert not section.is_served
    assert [line.split(": ", 1)[1][:len(warned)] for line in imported.lines("warning")] == [warned]


def test_switched_on_and_off(place):
    """enabled has the only ones that are on, disabled those that are not, both by their ids."""
    services = [service(f"id = {name}") for name in ("a", "b", "c")]
    for line, on in (("enabled = a c", "ac"), ("disabled = a", "bc"), ("disabled += b c", "a"),
                     ("enabled = a b\ndisabled = a", "b")):
        text = defaults(line) + "".join(each.replace("7100", str(7100 + n))
                                        for n, each in enumerate(services))
        imported = run("xinetd", place.write("xinetd.conf", text))
        assert "".join(re.findall(r"^service \"(.)\"", imported.text, re.M)) == on, line
        assert imported.lines("warning") == []


# --- The daemon decides ------------------------------------------------------------------------


def ask(port, source):
    """What a client from that address gets, None: a reset."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as client:
            client.sendall(b"here")
            client.shutdown(socket.SHUT_WR)
            return read_all(client)
    except ConnectionResetError:
        return None


def test_xinetd_is_served(place, tcpd):
    port = free_port()
    text = place.write("refusal", "421 not you \"$x\"\r\n")
    conf = service("only_from = 127.0.0.1 127.1.0.0", "no_access = 127.1.2.0",
                   f"banner_fail = {text}").replace("7100", str(port))
    imported = run("xinetd", place.write("xinetd.conf", conf))
    assert imported.lines("warning") == []
    tcpd(imported.text)
    assert [ask(port, source) for source in ("127.0.0.1", "127.1.1.1")] == [b"here", b"here"]
    for source in ("127.0.0.2", "127.1.2.3"):
        assert ask(port, source) in (b"421 not you \"$x\"\r\n", None)


def test_tcprules_are_served(place, tcpd):
    """Put into the section of a program."""
    port = free_port()
    rules = "127.0.0.2-4:deny\n127.0.0.3:allow\n127.1.:deny\n127.1.7.:allow\n"
    imported = run("tcprules", place.write("rules", rules))
    assert imported.lines("warning") == [
        f"{place.path}/rules:2: line 1 has another rule for 127.0.0.3, and counts"]
    conf = imported.text.replace('handler = "discard"', 'handler = "echo"')
    tcpd(conf.replace("'127.0.0.1:0'", f"'127.0.0.1:{port}'"))
    said = {source: ask(port, source) for source in (
        "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.5", "127.1.1.1", "127.1.7.1")}
    assert [source for source, its in said.items() if its == b"here"] == [
        "127.0.0.1", "127.0.0.5", "127.1.7.1"]
