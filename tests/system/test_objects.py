# SPDX-License-Identifier: MIT
"""Libraries that only some services need stay out of tcpd: they are linked into objects of their own,
which call nothing of the program that loads them. `make install` puts them where tcpd looks."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from certificates import Authority
from harness import EX_OK, configuration, service

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["TCPD_BUILD"])
OBJECTS = {"private/websocket.so": {"libmd.so.0"}, "private/tls.so": {"libssl.so.3", "libcrypto.so.3"}}
BY_OBJECTS = {"websocket.so": "ws:127.0.0.1:0", "tls.so": "tls:127.0.0.1:0"}


def read_elf(path, *what):
    return subprocess.check_output(["readelf", "-W", *what, path], text=True).splitlines()


def needed(path):
    """The libraries that an object names."""
    return {line.split("[")[1].rstrip("]") for line in read_elf(path, "-d") if "(NEEDED)" in line}


@pytest.mark.parametrize("program", ["tcpd", "tcpc", "tcpdctl", "tcpd-generator", "tcpd-import"])
def test_programs_are_plain(program):
    assert not needed(BUILD / program) & set.union(*OBJECTS.values())


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_have_their_libraries(name):
    assert OBJECTS[name] <= needed(BUILD / name)


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_need_no_program(name):
    names = subprocess.check_output(["nm", "-D", "--undefined-only", BUILD / name], text=True)
    assert not [name for name in names.split() if name.startswith("tcpd_")]


@pytest.mark.parametrize("name", ["tcpd", *OBJECTS])
def test_hardened(name):
    """Relocations are done at once and read-only then; the stack is not executable."""
    parts = {line.split()[0]: line.split()[-3:-1] for line in read_elf(BUILD / name, "-l")
             if line.split()[:1] in (["GNU_STACK"], ["GNU_RELRO"])}
    assert parts["GNU_STACK"][-1] == "RW" and "GNU_RELRO" in parts
    assert any("BIND_NOW" in line or "Flags: NOW" in line for line in read_elf(BUILD / name, "-d"))


@pytest.fixture
def make(tmp_path):
    """make(TARGET, VARIABLE=VALUE...) of what is built, into tmp_path/root."""
    built = tmp_path / "built"
    built.mkdir()
    for name in ("tcpd", "tcpc", "tcpdctl", "tcpd-generator", "tcpd-import", "private"):
        (built / name).symlink_to(BUILD / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def call(target, **variables):
        words = [f"{name}={value}" for name, value in variables.items()]
        subprocess.run(["make", "-C", TOP, "-o", "all", target, f"BUILD={built}",
                        f"DESTDIR={tmp_path}/root", *words], check=True, env=kept,
                       stdout=subprocess.DEVNULL)
        return tmp_path / "root"
    return call


@pytest.mark.parametrize("where", [
    {"PREFIX": "/usr"}, {"PREFIX": "/usr/local"},
    {"PREFIX": "/opt/tcpd", "LIBEXECDIR": "/opt/tcpd/lib/daemon", "MODULEDIR": "/srv/modules"}],
    ids=lambda where: where["PREFIX"])
def test_installed(make, tmp_path, where):
    """tcpd finds its objects wherever it is installed, and the unit lets it load them; make uninstall
    leaves the configuration alone."""
    prefix = where["PREFIX"]
    root = make("install", CONFDIR="/etc/tcpd", **where)
    folder = root / where.get("LIBEXECDIR", f"{prefix}/libexec/tcpd").lstrip("/")
    section = Authority(tmp_path).leaf("www").section()
    for name, address in BY_OBJECTS.items():
        installed = root / prefix.lstrip("/") / "lib/tcpd/private" / name
        assert installed.stat().st_mode & 0o777 == 0o644
        conf = tmp_path / "tcpd.conf"
        conf.write_text(section + configuration(service("echo", listen=address, certificates=["www"])))
        said = subprocess.run([folder / "tcpd", "-t", "-c", conf], capture_output=True, text=True)
        assert said.returncode == EX_OK, said.stderr
        installed.rename(tmp_path / "aside")
        said = subprocess.run([folder / "tcpd", "-t", "-c", conf], capture_output=True, text=True)
        assert said.returncode != EX_OK and name in said.stderr, "that is the one it loads"
        (tmp_path / "aside").rename(installed)
    units = {path.name: path.read_text() for path in root.rglob("systemd/system/tcpd*.service")}
    assert len(units) == 2
    for text in units.values():
        paths = next(line for line in text.splitlines() if line.startswith("ExecPaths="))
        assert f"{prefix}/lib/tcpd/private" in paths.removeprefix("ExecPaths=").split()
    make("uninstall", CONFDIR="/etc/tcpd", **where)
    left = [path for path in root.rglob("*") if not path.is_dir()]
    assert left == [root / "etc/tcpd/tcpd.conf"]


def test_installed_for_a_user(make, tmp_path):
    """Below a home folder: nothing is outside it, units are for the user's manager, and what names paths
    names those; make uninstall leaves the configuration alone."""
    where = {"PREFIX": "/home/you/.local", "HOME": "/home/you", "XDG_RUNTIME_DIR": "/run/user/1000",
             "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    root = make("install", **where)
    assert [path.relative_to(root).parts[:2] for path in root.glob("*/*")] == [("home", "you")]
    home = root / "home/you"
    conf = home / ".config/tcpd/tcpd.conf"
    assert "\nsocket_units = no\n" in conf.read_text()
    units = {path.name: path.read_text() for path in home.rglob("tcpd*.s*e*")
             if path.parent == home / ".local/share/systemd/user"}
    assert set(units) == {"tcpd.service", "tcpd@.service", "tcpd.socket", "tcpd@.socket"}
    assert "ListenStream=/run/user/1000/tcpd/control\n" in units["tcpd.socket"]
    for text in units.values():
        assert not re.search(r"@[A-Z]+@|/etc/tcpd|/run/tcpd|^(User|Protect\w+|SocketGroup)=", text, re.M)
    assert "ExecStart=/home/you/.local/libexec/tcpd/tcpd\n" in units["tcpd.service"]
    assert not list(home.rglob("*generator*")) and not list(home.rglob("sysusers.d"))
    texts = [*home.rglob("man?/*.?"), *home.rglob("completions/*"), conf]
    assert len(texts) > 10
    for path in texts:
        assert not re.search("/etc/tcpd|/run/tcpd|/usr/libexec/tcpd|/usr/lib/tcpd", path.read_text()), path
    make("uninstall", **where)
    assert [path for path in root.rglob("*") if not path.is_dir()] == [conf]
