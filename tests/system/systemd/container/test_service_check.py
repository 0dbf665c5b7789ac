# SPDX-License-Identifier: MIT
"""tcpdctl check where it matters: the daemon's sandbox, instances, and a daemon that does not run."""

import pytest

from harness import EX_CONFIG, EX_OK, configuration, service
from units import CONF, CONTROL, ECHO, configure, echoes, install, messages, states

DROP_IN = "/etc/systemd/system/tcpd.service.d"
EXAMPLES = "/usr/share/doc/tcpd-server/examples"
TCPD = "/usr/libexec/tcpd/tcpd"
HELLO = service("hello", "program", listen=["127.0.0.1:7006"], min_workers=1,
                program=["/home/me/hello"])
HIDDEN = "/home is hidden by ProtectHome= of the unit; see programs.conf"


def check(machine, *args):
    done = machine.run("tcpdctl", *args, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine whose tcpd may execute programs, and has one that its sandbox hides."""
    machine = shared_tcpd_machine
    machine.run(f"mkdir -p {DROP_IN} && cp {EXAMPLES}/programs.conf {DROP_IN}/; "
                "id me || useradd -m me; chmod 755 /home/me; "
                "printf '#!/bin/sh\\necho hello\\n' >/home/me/hello; chmod 755 /home/me/hello")
    yield machine
    machine.run(f"rm -rf {DROP_IN} /etc/tcpd/web.conf")
    machine.systemctl("daemon-reload")


def test_sandbox(tcpd):
    """What root can execute and the daemon cannot see: its check says so and ends with 78, the
    program's own -t finds it right; a service that is served is none of both's business."""
    configure(tcpd, ECHO)
    assert check(tcpd, "check") == (EX_OK, f"{CONF}: configuration is right: 1 service\n", "")
    tcpd.put(CONF, configuration(ECHO, HELLO))
    assert tcpd.run(TCPD, "-t").stdout.endswith(f"{CONF}: configuration is right: 2 services\n")
    cursor = tcpd.cursor()
    for args in (["check"], ["check", CONF]):
        code, out, err = check(tcpd, *args)
        assert (code, out) == (EX_CONFIG, ""), err
        assert f'{CONF}:' in err and f'of service "hello": {HIDDEN}\n' in err
        assert err.endswith("tcpdctl: the configuration is wrong; nothing has changed\n")
    assert not [text for text in messages(tcpd, "-u", "tcpd", since=cursor) if "hello" in text]
    assert echoes(tcpd) and "reload failed" not in tcpd.run("tcpdctl", "status").stdout
    # With a file that is not the daemon's nobody's sandbox is known.
    tcpd.put("/root/mine.conf", configuration(ECHO, HELLO))
    code, out, err = check(tcpd, "check", "/root/mine.conf")
    assert (code, err) == (EX_OK, "tcpdctl: no unit reads /root/mine.conf; it is checked here, outside "
                                  "of the daemon's sandbox\n")
    # What was left out at the start is told as well, and a reload has no need to say it again.
    tcpd.systemctl("restart", "tcpd.service")
    assert check(tcpd, "check")[0] == EX_CONFIG
    assert check(tcpd, "reload")[0] == EX_OK


def test_daemon_that_does_not_run(tcpd):
    """Its socket listens and would start it for whoever connects: the check does not do that."""
    install(tcpd, configuration(ECHO), start="tcpd.socket")
    assert states(tcpd, "tcpd.service", "tcpd.socket") == ["inactive", "active"]
    assert tcpd.run("test", "-S", CONTROL).returncode == 0
    tcpd.put(CONF, "nonsense = 1\n")
    code, out, err = check(tcpd, "check")
    assert (code, out) == (EX_CONFIG, "")
    assert err.startswith(f"tcpdctl: tcpd.service does not run, which reads {CONF}; it is checked here, "
                          "outside of the daemon's sandbox\n")
    assert f"{CONF}:1: " in err and states(tcpd, "tcpd.service") == ["inactive"]
    tcpd.put(CONF, configuration(ECHO))
    code, out, _ = check(tcpd, "check")
    assert (code, out.splitlines()[-1]) == (EX_OK, f"{CONF}: configuration is right: 1 service")
    assert states(tcpd, "tcpd.service") == ["inactive"]
    assert "backlog = 4096" in check(tcpd, "config")[1]


def test_instance(tcpd):
    """-i NAME, NAME and the file's path mean one instance, whichever command it is."""
    web, conf = ["-i", "web"], "/etc/tcpd/web.conf"
    configure(tcpd, ECHO)
    tcpd.put(conf, configuration(service("daytime", listen=["127.0.0.1:7013"], min_workers=1)))
    assert "Try: systemctl start tcpd@web.socket" in check(tcpd, *web, "status")[2]
    assert "tcpd@web.service does not run" in check(tcpd, *web, "check")[2]
    tcpd.systemctl("daemon-reload")
    tcpd.systemctl("start", "tcpd@web.service")
    right = (EX_OK, f"{conf}: configuration is right: 1 service\n", "")
    for args in ([*web, "check"], ["check", "web"], ["check", conf]):
        assert check(tcpd, *args) == right
    assert "daytime" in check(tcpd, *web, "status")[1]
    assert check(tcpd, *web, "reload")[0] == EX_OK
    assert 'listen = {"127.0.0.1:7013"}' in check(tcpd, *web, "config")[1]
    assert check(tcpd, *web, "stop")[0] == EX_OK
    assert echoes(tcpd)
    tcpd.systemctl("stop", "tcpd@web.service", "tcpd@web.socket")
