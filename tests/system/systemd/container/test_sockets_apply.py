# SPDX-License-Identifier: MIT
"""`tcpdctl sockets apply`: changed addresses come into force, and clients of the others lose
nothing."""

import re

import pytest

from harness import SOAK, configuration, service, wait_for
from load import Load
from units import (CONF, ECHO, GREETING, configure, echoes, is_refused, messages, states,
                   wait_active)

pytestmark = pytest.mark.in_turn(first="bookworm")

CHANGES = 102 if SOAK else 21
PIECE = "/etc/tcpd/tcpd.conf.d/seven.conf"
UNIT = "tcpd-seven.socket"


@pytest.fixture
def tcpd(tcpd_machine):
    """A machine whose tcpd serves echo at 7007 and greeting at 1234."""
    configure(tcpd_machine, ECHO, GREETING)
    wait_active(tcpd_machine)
    return tcpd_machine


def seven(*addresses, name="seven", **options):
    return service(name, "echo", listen=list(addresses), min_workers=2, spare_workers=1, **options)


def apply(machine, *arguments, options=(), check=True):
    """What was printed, line by line."""
    result = machine.run("tcpdctl", *options, "sockets", "apply", *arguments, check=False)
    assert not check or result.returncode == 0, result
    return result.stdout.splitlines() if check else result


def main_pid(machine):
    return int(machine.show("tcpd.service", "MainPID")["MainPID"])


def test_clients_of_other_addresses_lose_nothing(tcpd, record_property, release):
    """A service is added, moved and removed in turn; each is in force when the command returns."""
    with Load(tcpd, hosts=("127.0.0.1",)) as load:
        for number in range(CHANGES // 3):
            first, second = 7100 + number, 7500 + number
            tcpd.put(PIECE, seven(f"127.0.0.1:{first}"))
            assert apply(tcpd) == [f"opened 127.0.0.1:{first} ({UNIT})", "unchanged: 2 addresses"]
            assert echoes(tcpd, port=first)
            tcpd.put(PIECE, seven(f"127.0.0.1:{second}"))
            assert apply(tcpd) == [f"closed 127.0.0.1:{first} ({UNIT})",
                                   f"opened 127.0.0.1:{second} ({UNIT})", "unchanged: 2 addresses"]
            assert echoes(tcpd, port=second) and is_refused(tcpd, first)
            pid = main_pid(tcpd)
            tcpd.run("rm", PIECE)
            assert apply(tcpd) == [f"closed 127.0.0.1:{second} ({UNIT})", "unchanged: 2 addresses"]
            assert is_refused(tcpd, second) and main_pid(tcpd) == pid, "a reload is enough"
    record_property("figures", f"{release}: {CHANGES} changes of sockets: {load.describe()}")
    load.assert_lossless()
    assert tcpd.systemctl("--failed", "--no-legend").stdout == ""


def test_a_plan_changes_nothing(tcpd):
    cursor, pid = tcpd.cursor(), main_pid(tcpd)
    tcpd.put(CONF, configuration(ECHO.replace('"127.0.0.1:7007"', '"127.0.0.1:7007", "*:7008"'),
                                 seven("unix:/run/tcpd/seven", "udp:127.0.0.1:7100")))
    planned = apply(tcpd, "--dry-run")
    assert planned == ["would open *:7008 (tcpd-echo.socket)",
                       "would reopen 127.0.0.1:7007 (tcpd-echo.socket)",
                       "would close 127.0.0.1:1234 (tcpd-greeting.socket)",
                       f"would open unix:/run/tcpd/seven ({UNIT})",
                       f"would open udp:127.0.0.1:7100 ({UNIT})",
                       "unchanged: 0 addresses"]
    assert main_pid(tcpd) == pid and tcpd.exchange(1234) == b"hi" and is_refused(tcpd, 7008)
    assert not [text for text in messages(tcpd, "_PID=1", since=cursor) if "Reloading" in text]
    done = [line.replace("would open", "opened").replace("would close", "closed")
            .replace("would reopen", "reopened") for line in planned]
    assert apply(tcpd) == done
    assert echoes(tcpd) and echoes(tcpd, port=7008) and is_refused(tcpd, 1234)
    assert echoes(tcpd, port="/run/tcpd/seven")


def test_nothing_new_is_a_reload(tcpd):
    pid = main_pid(tcpd)
    tcpd.put(CONF, configuration(ECHO, GREETING.replace('"hi"', '"new"')))
    assert apply(tcpd) == ["unchanged: 2 addresses"]
    assert tcpd.exchange(1234) == b"new" and main_pid(tcpd) == pid


def test_mistakes_change_nothing(tcpd):
    pid = main_pid(tcpd)
    tcpd.put(PIECE, 'service "seven" { handler = "ecko"  listen = {"127.0.0.1:7100"} }\n')
    for arguments in ((), ("--dry-run",)):
        result = apply(tcpd, *arguments, check=False)
        assert result.returncode == 1 and result.stdout == ""
        assert f"{PIECE}:1: " in result.stderr and "nothing has changed" in result.stderr
    assert main_pid(tcpd) == pid and echoes(tcpd) and is_refused(tcpd, 7100)


def test_an_address_in_use_is_told(tcpd):
    """With who has it; the others are opened, and the next one that is free is, too."""
    other = tcpd.start("tcpd-run", "-l", "7100", "cat")
    assert other.stdout.readline() == "listening on 127.0.0.1:7100\n"
    tcpd.put(PIECE, seven("127.0.0.1:7100") + seven("127.0.0.1:7101", name="eight"))
    result = apply(tcpd, check=False)
    assert result.returncode == 1
    assert result.stdout.splitlines() == ["opened 127.0.0.1:7101 (tcpd-eight.socket)",
                                          "unchanged: 2 addresses"]
    told = re.fullmatch(rf"tcpdctl: 127\.0\.0\.1:7100 \({UNIT}\) cannot be opened: address already "
                        r"in use: another tcpd-run, process (\d+), listens there\n", result.stderr)
    assert told, result.stderr
    assert echoes(tcpd) and echoes(tcpd, port=7101)
    tcpd.run(f"kill {told[1]}")
    wait_for(lambda: is_refused(tcpd, 7100), what="the end of tcpd-run")
    assert apply(tcpd) == [f"opened 127.0.0.1:7100 ({UNIT})", "unchanged: 3 addresses"]
    assert echoes(tcpd, port=7100)


def test_many_at_once(tcpd):
    """Addresses change hands between services, one is renamed, one comes, one goes; a path that is
    no longer served goes, too."""
    tcpd.put(PIECE, seven("127.0.0.1:7100", "unix:/run/tcpd/seven")
             + seven("127.0.0.1:7101", name="eight") + seven("127.0.0.1:7102", name="nine"))
    apply(tcpd)
    tcpd.put(PIECE, seven("127.0.0.1:7101") + seven("127.0.0.1:7100", name="eight")
             + seven("127.0.0.1:7102", name="nine2") + seven("*:7103", name="ten"))
    lines = apply(tcpd)
    assert lines[-1] == "unchanged: 2 addresses" and len(lines) == 9, lines
    for port in range(7100, 7104):
        assert echoes(tcpd, port=port)
    assert not tcpd.inside("/run/tcpd/seven").exists()
    assert apply(tcpd) == ["unchanged: 6 addresses"]


def test_what_daemon_reload_has_left(tcpd):
    """systemd has forgotten the sockets of units that have changed or gone; they are found."""
    tcpd.put(PIECE, seven("127.0.0.1:7100") + seven("127.0.0.1:7101", name="eight"))
    apply(tcpd)
    tcpd.put(PIECE, seven("127.0.0.1:7102"))
    tcpd.systemctl("daemon-reload")
    assert apply(tcpd) == ["closed tcpd-eight.socket", f"opened 127.0.0.1:7102 ({UNIT})",
                           "unchanged: 2 addresses"]
    assert echoes(tcpd, port=7102) and is_refused(tcpd, 7100) and is_refused(tcpd, 7101)


def test_a_service_that_does_not_run_is_not_started(tcpd):
    tcpd.systemctl("stop", "tcpd.service")
    tcpd.put(PIECE, seven("127.0.0.1:7100"))
    assert apply(tcpd) == [f"opened 127.0.0.1:7100 ({UNIT})", "unchanged: 2 addresses"]
    assert states(tcpd, "tcpd.service", UNIT) == ["inactive", "active"]
    assert echoes(tcpd, port=7100)
    tcpd.systemctl("stop", "tcpd.socket", "tcpd.service")
    result = apply(tcpd, check=False)
    assert result.returncode == 69 and "systemctl start tcpd.socket" in result.stderr


def test_an_instance(tcpd):
    conf, options = "/etc/tcpd/two.conf", ("--socket", "/run/tcpd/two.control")
    tcpd.put(conf, configuration(service("a", "echo", listen=["127.0.0.1:7201"])))
    tcpd.systemctl("daemon-reload")
    tcpd.systemctl("start", "tcpd@two.service")
    pid = main_pid(tcpd)
    tcpd.put(conf, configuration(service("a", "echo", listen=["127.0.0.1:7201"]),
                                 service("b", "echo", listen=["127.0.0.1:7202"])))
    assert apply(tcpd, options=options) == ["opened 127.0.0.1:7202 (tcpd:two:b.socket)",
                                            "unchanged: 1 address"]
    assert echoes(tcpd, port=7201) and echoes(tcpd, port=7202) and main_pid(tcpd) == pid
    assert apply(tcpd) == ["unchanged: 2 addresses"]


def test_who_may(tcpd):
    nobody = tcpd.run("setpriv", "--reuid=nobody", "--clear-groups", "tcpdctl", "sockets", "apply",
                      check=False)
    assert nobody.returncode == 77 and nobody.stderr == \
        "tcpdctl: only root may change sockets of systemd\n"
    elsewhere = apply(tcpd, options=("-s", "/run/other"), check=False)
    assert elsewhere.returncode == 64 and "/run/tcpd/NAME.control" in elsewhere.stderr


def test_filter_of_a_unit(tcpd):
    """unit_filter: systemd has the list; one that has changed is the running tcpd's at once, with a
    word of what its unit still does, and the unit's after `sockets apply`."""
    def filters():
        found = tcpd.show(UNIT, "IPAddressAllow", "IPAddressDeny")
        return [set(found[name].split()) for name in ("IPAddressAllow", "IPAddressDeny")]

    def put(*allow):
        tcpd.put(PIECE, seven("127.0.0.1:7100", allow=["localhost", *allow], unit_filter="yes"))

    own, everybody = {"127.0.0.0/8", "::1/128"}, {"0.0.0.0/0", "::/0"}
    put("192.0.2.0/24")
    apply(tcpd)
    assert filters() == [own | {"192.0.2.0/24"}, everybody]
    assert echoes(tcpd, port=7100)
    cursor = tcpd.cursor()
    put("192.0.2.0/24", "2001:db8::7")
    tcpd.systemctl("reload", "tcpd")
    tcpd.wait_journal('seven: its socket unit filters clients as before, until "tcpdctl sockets '
                      'apply"', since=cursor)
    assert apply(tcpd) == [f"reopened 127.0.0.1:7100 ({UNIT})", "unchanged: 2 addresses"]
    assert filters() == [own | {"192.0.2.0/24", "2001:db8::7/128"}, everybody]
    assert echoes(tcpd, port=7100)
