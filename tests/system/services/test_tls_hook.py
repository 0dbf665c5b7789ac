# SPDX-License-Identifier: MIT
"""What tcpd-tls(7) and etc/tcpd.conf show: examples/certbot-deploy-hook with commands that stand in
for those that need root, and the example of a certificate."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import Authority
from harness import EX_OK, configuration, run, wait_for
from tls_peer import behind, context, exchange, serial_of

TOP = Path(__file__).resolve().parents[3]
NAME = "www.example.org"
# They note their arguments; install(1) leaves the owner out, which is root's to give.
INSTALL = """#!/bin/sh
echo "install $*" >>{log}
[ "$1" != -g ] || shift 2
exec {install} "$@"
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>{log}
[ "$1" = {active} ] && exec {then}
exit {status}
"""


class Certbot:
    """Its folder with a certificate, which it renews as certbot does: links to files that only root
    may read."""

    def __init__(self, folder):
        self.folder, self.authority = folder, Authority(folder)
        self.middle = Authority(folder, "middle", self.authority)
        self.live, self.files, self.n = folder / "live" / NAME, folder / "tls", 0
        self.log = folder / "log"
        self.live.mkdir(parents=True)

    def renew(self):
        self.n += 1
        leaf = self.middle.leaf(f"{NAME}{self.n}", (f"DNS:{NAME}", "DNS:localhost"))
        leaf.key.chmod(0o600)
        for name, file in (("fullchain", leaf.chain), ("privkey", leaf.key)):
            link = self.live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(file)
        return leaf

    def section(self):
        return (f'certificate "www" {{ chain = {{"{self.files}/{NAME}.pem"}} '
                f'key = {{"{self.files}/{NAME}.key"}} }}\n')

    def deploy(self, reload="true", is_active=True):
        """Runs the hook; what it has called."""
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        self.log.write_text("")
        for name, text in (("install", INSTALL), ("systemctl", SYSTEMCTL)):
            (tools / name).write_text(text.format(
                log=self.log, install=shutil.which("install"), active="reload", then=reload,
                status=0 if is_active else 3))
            (tools / name).chmod(0o755)
        text = (TOP / "examples/certbot-deploy-hook").read_text()
        assert "/etc/tcpd/tls" in text
        hook = self.folder / "hook"
        hook.write_text(text.replace("/etc/tcpd/tls", str(self.files)))
        done = subprocess.run(["sh", hook], capture_output=True, text=True, check=False, env={
            "PATH": f"{tools}:/usr/bin:/bin", "RENEWED_LINEAGE": str(self.live)})
        return done, self.log.read_text().splitlines()


@pytest.fixture
def certbot(tmp_path):
    return Certbot(tmp_path)


def test_hook(tcpd, certbot):
    """A renewed certificate is shown after it, and the key is for the group tcpd alone."""
    first = certbot.renew()
    done, calls = certbot.deploy(is_active=False)
    assert (done.returncode, done.stderr) == (EX_OK, "")
    assert not [call for call in calls if call.startswith("systemctl reload")]
    with tcpd(certbot.section() + configuration(behind("echo"))) as daemon:
        its = context(certbot.authority)
        assert serial_of(daemon, "echo", its) == first.serial
        second = certbot.renew()
        done, calls = certbot.deploy(f"kill -HUP {daemon.pid}")
        assert (done.returncode, done.stderr) == (EX_OK, "")
        wait_for(lambda: serial_of(daemon, "echo", its) == second.serial)
        assert exchange(daemon, "echo", its, b"x", NAME) == b"x"
    assert calls[-1] == "systemctl reload tcpd"
    assert [call for call in calls if re.match(r"install -g tcpd -m 640 .*privkey\.pem ", call)]
    modes = {path.name: path.stat().st_mode & 0o777 for path in certbot.files.iterdir()}
    assert modes == {f"{NAME}.key": 0o640, f"{NAME}.pem": 0o644}


def test_hook_fails_with_the_reload(certbot):
    """certbot tells of a hook that fails; and of one that has nothing to copy."""
    certbot.renew()
    assert certbot.deploy("false")[0].returncode != 0
    (certbot.live / "privkey.pem").unlink()
    before = (certbot.files / f"{NAME}.key").read_bytes()
    done, calls = certbot.deploy()
    assert done.returncode != 0 and not [call for call in calls if call.startswith("systemctl")]
    assert (certbot.files / f"{NAME}.key").read_bytes() == before


def test_example_of_a_certificate(certbot):
    """What etc/tcpd.conf has as comments is right once they are taken off."""
    text = (TOP / "etc/tcpd.conf").read_text()
    example = re.search(r'^#certificate "www".*?^#}$', text, re.M | re.S)[0]
    leaf = certbot.middle.leaf("www")
    assert {"/etc/tcpd/tls/www.pem", "/etc/tcpd/tls/www.key"} == set(re.findall(r'"(/.*?)"', example))
    example = re.sub("^#", "", example.replace("/etc/tcpd/tls", str(leaf.key.parent)), flags=re.M)
    options = re.search(r'^service "echo".*?^}$', text, re.M | re.S)[0]
    options = re.findall(r"^    #((?:certificates|tls_\w+) = .*)$", options, re.M)
    assert len(options) == 9
    given = [each.replace("NAME", "www").replace("/PATH", str(certbot.authority.path))
             for each in options if not each.startswith("tls_client_c")]
    status, _, said = run("-t", conf=example + '\nservice "echo" {\n    handler = "echo"\n    listen = '
                          '{"tls:127.0.0.1:0"}\n    ' + "\n    ".join(given) + "\n}\n")
    assert (status, said) == (EX_OK, "")
