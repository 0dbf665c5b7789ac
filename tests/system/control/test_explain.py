# SPDX-License-Identifier: MIT
"""R29: tcpdctl explain and `tcpd -t --explain` say what would happen to a client, and that is what
does happen."""

import random
import re
import socket

import pytest

from harness import EX_OK, EX_USAGE, configuration, run, service
from json_form import checked
from network import Namespace, needs_networks
from test_access import meet
from test_tcpdctl import NOBODY, OTHERS, Control

EX_REFUSED = 3
CONF = configuration(
    service("echo", deny=["192.0.2.0/24", "2001:db8::/32"], allow=["192.0.2.7", "::1"]),
    service("hello", deny=["any"], refusal_text="no\n"), service("time"))


def test_text():
    """The service, the listener, the rule with its place, what a refused client gets."""
    with Control(CONF) as control:
        place, port = control.daemon.path, control.daemon.ports
        code, out, err = control.run("explain", "192.0.2.7", "echo")
        assert (code, err) == (EX_OK, "")
        assert out == (f"echo on 127.0.0.1:{port['echo']}: served\n"
                       f"  rule     allow 192.0.2.7          {place}:5\n")
        code, out, err = control.run("explain", "::ffff:192.0.2.8")
        assert (code, err) == (EX_REFUSED, "")
        assert out == (f"echo on 127.0.0.1:{port['echo']}: REFUSED, rule\n"
                       f"  rule     deny 192.0.2.0/24        {place}:4\n"
                       f"  not      allow 192.0.2.7          {place}:5\n"
                       f"  it gets  a reset\n"
                       f"hello on 127.0.0.1:{port['hello']}: REFUSED, rule\n"
                       f"  rule     deny 0.0.0.0/0           {place}:10\n"
                       f"  it gets  refusal_text\n"
                       f"time on 127.0.0.1:{port['time']}: served\n"
                       f"  rule     none\n")
        code, out, err = control.run("explain", "198.51.100.1", "echo")
        assert code == EX_REFUSED and "  rule     not in allow\n" in out


def test_json():
    with Control(CONF) as control:
        code, out, err = control.run("--json", "explain", "2001:DB8::0:1", "echo")
        assert (code, err) == (EX_REFUSED, "")
        assert checked("explain", out) == [{
            "service": "echo", "listener": f"127.0.0.1:{control.daemon.ports['echo']}",
            "address": "2001:db8::1", "served": False, "reason": "rule",
            "rule": "deny 2001:db8::/32", "place": f"{control.daemon.path}:4",
            "near": "", "near_place": "", "source": "", "connections": "", "rate": "", "penalty": "",
            "gets": "a reset"}]


@pytest.mark.parametrize("args, want", [
    (["localhost"], '"localhost" is no address'), (["192.0.2.7/32"], '"192.0.2.7/32" is no address'),
    ([""], '"" is no address'), (["--through", "x", "::1"], '"x" is no address'),
    (["a\n\x1b[1mü"], '"a\\x0a\\x1b[1mü" is no address'), (["ü" * 99], f'"{"ü" * 31}" is no address'),
    (["--through", "\n", "::1"], '"\\x0a" is no address'),
    (["::1", "echo", "x"], "explain [ADDRESS [SERVICE]]")], ids=ascii)
def test_wrong_usage(args, want):
    with Control(CONF) as control:
        code, out, err = control.run("explain", *args)
        assert code == EX_USAGE and out == "" and want in err and err.count("\n") <= 2


def test_no_service():
    with Control(CONF) as control:
        assert control.run("explain", "::1", "a\n\x1b[1m") == (
            1, "", 'tcpdctl: there is no service "a\\x0a\\x1b[1m"\n')


@OTHERS
def test_everybody_may_ask():
    """As for status: it says no more than connecting does."""
    with Control(CONF) as control:
        assert control.run("explain", "::1", "echo", prefix=NOBODY)[0] == EX_OK


BEHIND = configuration(
    service("all", "echo", proxy_protocol="required", proxy_trusted=["10.0.0.5"], deny=["192.0.2.0/24"],
            refusal_text="no"),
    service("some", "echo", proxy_protocol="trusted", proxy_trusted=["10.0.0.5"],
            deny=["192.0.2.0/24", "10.0.0.6"]),
    service("none", "echo", deny=["192.0.2.0/24", "10.0.0.6"]))


@pytest.mark.parametrize("args, wants", [
    (["198.51.100.1"], [("sender", "not in proxy_trusted"), ("", "none"), ("", "none")]),
    (["10.0.0.5"], [("", "in proxy_trusted: it has to send a header")] * 2 + [("", "none")]),
    (["198.51.100.1", "--through", "10.0.0.5"], [("", "none")] * 3),
    (["192.0.2.7", "--through", "10.0.0.5"],
     [("rule", "deny 192.0.2.0/24")] * 2 + [("", "none")]),  # who reads no header serves the proxy
    (["198.51.100.1", "--through", "10.0.0.6"],
     [("sender", "not in proxy_trusted"), ("rule", "deny 10.0.0.6"), ("rule", "deny 10.0.0.6")]),
], ids=lambda value: " ".join(value) if isinstance(value[0], str) else "")
def test_through_a_proxy(args, wants):
    with Control(BEHIND) as control:
        code, out, err = control.run("--json", "explain", *args)
        found = [(one["reason"], one["rule"] or "none", one["gets"]) for one in checked("explain", out)]
        assert (code, err) == (EX_REFUSED if any(reason for reason, _ in wants) else EX_OK, "")
        assert [(reason, rule) for reason, rule, _ in found] == wants
        gets = {"": "", "sender": "a reset"}
        assert all(gets.get(reason, gets_) == gets_ for reason, _, gets_ in found)


def test_through_no_proxy():
    with Control(BEHIND) as control:
        code, out, err = control.run("explain", "::1", "--through", "lb.example.org")
        assert code == EX_USAGE and out == "" and "is no address; write it as a number" in err
        code, out, err = control.run("status", "--through", "::1")
        assert code == EX_USAGE and "--through is for explain ADDRESS only" in err


def test_by_the_files_alone():
    """`tcpd -t --explain`: without a daemon, with the same words."""
    status, out, log = run("-t", "--explain", "192.0.2.7", conf=CONF)
    assert status == EX_REFUSED and log == ""
    assert re.fullmatch(r"echo on 127\.0\.0\.1:0: served\n  rule     allow 192\.0\.2\.7          "
                        r"\S+/tcpd\.conf:5\nhello on 127\.0\.0\.1:0: REFUSED, rule\n"
                        r"  rule     deny 0\.0\.0\.0/0           \S+/tcpd\.conf:10\n"
                        r"  it gets  refusal_text\ntime on 127\.0\.0\.1:0: served\n  rule     none",
                        out)
    assert run("-t", "--explain", "::1", conf=configuration(service("echo")))[0] == EX_OK
    for args in (["--explain", "::1"], ["-T", "--explain", "::1"], ["-t", "--explain", "x"]):
        status, out, log = run(*args, conf=CONF)
        assert status == EX_USAGE and "--explain takes an address" in log
    for args in (["-t", "--through", "::1"], ["-t", "--explain", "::1", "--through", "lb"]):
        status, out, log = run(*args, conf=CONF)
        assert status == EX_USAGE and "--through takes the address of a proxy" in log


def test_by_the_files_alone_through_a_proxy(tmp_path):
    """The same words as a running daemon has for it, in every case of BEHIND."""
    with Control(BEHIND) as control:
        for proxy in ("127.0.0.1", "192.0.2.9", "::1", None):
            through = ["--through", proxy] if proxy else []
            code, out, err = control.run("explain", "192.0.2.7", *through)
            status, said, log = run("-t", "--explain", "192.0.2.7", *through, conf=BEHIND)
            own, its = (re.sub(r"\S+/tcpd\.conf|:\d+: ", "@", text) for text in (said, out))
            assert (status, own.split(), err, log) == (code, its.split(), "", "")


# --- Explain = reality -------------------------------------------------------------------------

def random_bits(dice, family):
    """An address of few clusters, so that rules and clients meet."""
    if family == socket.AF_INET:
        return bytes([127, dice.choice((0, 1, 128)), dice.randrange(4), dice.randrange(1, 5)])
    return bytes([0xfd, 0, *[0] * 5, dice.randrange(4), *[0] * 6, dice.choice((0, 0x80)),
                  dice.randrange(1, 5)])


def random_prefix(dice):
    family = dice.choice((socket.AF_INET, socket.AF_INET6))
    address = random_bits(dice, family)
    size = 8 * len(address)
    length = dice.choice((0, 8, 9, 16, 24, 30, 31, 32)) if size == 32 else \
        dice.choice((0, 8, 60, 62, 63, 64, 112, 113, 126, 128))
    number = int.from_bytes(address, "big") >> (size - length) << (size - length)
    return family, number.to_bytes(size // 8, "big"), length


def spell(prefix):
    family, address, length = prefix
    return f"{socket.inet_ntop(family, address)}/{length}"


def contains(prefix, family, address):
    size, length = 8 * len(prefix[1]), prefix[2]
    return prefix[0] == family and (int.from_bytes(prefix[1], "big") ^
                                    int.from_bytes(address, "big")) >> (size - length) == 0


def judge(rules, family, address):
    """(served, line): by the longest prefix, found the simple way."""
    found = [(prefix[2], line, is_allow) for prefix, is_allow, line in rules
             if contains(prefix, family, address)]
    if found:
        _, line, is_allow = max(found)
        return is_allow, line
    return not any(is_allow for _, is_allow, _ in rules), None


def write_rules(dice, n):
    """A configuration with random rules, one a line; and the rules."""
    prefixes = {random_prefix(dice): dice.random() < 0.5 for _ in range(n)}
    lines = ['service "echo" {', ' handler = echo', ' listen = {"*:0"}']
    rules = []
    for prefix, is_allow in prefixes.items():
        name = "allow" if is_allow else "deny"
        first = not any(other is is_allow for _, other, _ in rules)
        lines.append(f' {name} {"=" if first else "+="} {{"{spell(prefix)}"}}')
        rules.append((prefix, is_allow, len(lines)))
    return "\n".join([*lines, "}", ""]), rules


def is_served(namespace, port, family, address):
    """What a real client meets."""
    host = socket.inet_ntop(family, address)
    target = "127.0.0.1" if family == socket.AF_INET else "fd00::1"
    return namespace.call(meet, (target, port), host) == b"x"


@needs_networks
@pytest.mark.parametrize("seed", range(3))
def test_explain_is_reality(seed):
    """Random rules and clients: what explain says, what a client gets, and what the longest prefix
    says are the same, and the rule's line is the line in the file."""
    dice = random.Random(seed)
    conf, rules = write_rules(dice, 1)
    with Namespace() as namespace:
        namespace.run("ip", "-6", "route", "add", "local", "fd00::/8", "dev", "lo")
        namespace.run("ip", "-6", "address", "add", "fd00::1/128", "dev", "lo", "nodad")
        namespace.run("sysctl", "-qw", "net.ipv6.ip_nonlocal_bind=1")
        with namespace.call(Control, conf) as control:
            for n in (1, 3, 10, 40):
                conf, rules = write_rules(dice, n)
                control.daemon.reload(conf)
                assert control.run("reload")[0] == EX_OK  # answered once it is served
                port = control.daemon.ports["echo"]
                for _ in range(25):
                    family = dice.choice((socket.AF_INET, socket.AF_INET6))
                    address = random_bits(dice, family)
                    text = socket.inet_ntop(family, address)
                    served, line = judge(rules, family, address)
                    code, out, _ = control.run("--json", "explain", text)
                    said, = checked("explain", out)
                    assert said["served"] is served and code == (EX_OK if served else EX_REFUSED), \
                        (text, said, conf)
                    assert said["place"] == (f"{control.daemon.path}:{line}" if line else ""), \
                        (text, said, conf)
                    assert is_served(namespace, port, family, address) is served, (text, said, conf)
