# SPDX-License-Identifier: MIT
"""The sessions of the documents that want a machine of their own, as somebody goes through them who
installs tcpd: each command prints what the document says. The documents in the package. See
documents.py."""

import contextlib
import os
import re
import shutil
import subprocess
import tarfile

import pytest

import documents
import machine as bed
from harness import BUILD, PATIENCE, Timeout, wait_for

pytestmark = pytest.mark.in_turn(first="trixie")

MACHINES = documents.machines()
HOME = "/root"
USER_HOME = "/home/you"
USER_RUN = "/run/user/1000"
# What pam_systemd would do; the machines do not have it.
USER_MANAGER = f"[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR={USER_RUN}\n"


def plain(text):
    """Also without the widths of columns, and with the merged /usr as it is."""
    return [re.sub(r" +", " ", line) for line in documents.plain(text.replace("/usr/lib/", "/lib/"))]


def fits(step, printed):
    """Lists of sockets may be in any order: systemd 252 has another one than 257."""
    if "list-sockets" not in step.command:
        return documents.fits(step.told, printed, plain)
    told, got = plain(step.told), plain(printed)
    return set(told) - {"..."} <= set(got) and ("..." in told or len(told) == len(got))


def roots(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def pack(folder, archive):
    with tarfile.open(archive, "w") as tar:
        for path in folder.iterdir():
            tar.add(path, path.name, filter=roots)


def install_from_source(machine, directory):
    """The command that stands for `make install`: it unpacks what that has made outside, from the
    build that is there, as the machine has no compiler."""
    root, archive = directory / "root", directory / "root.tar"
    # One at a time: units are made in the build's folder.
    make("install", f"DESTDIR={root}", f"BUILD={BUILD}", before=["flock", str(BUILD)])
    pack(root, archive)
    shutil.copy(archive, machine.inside(HOME))
    return "tar -x -C / --keep-directory-symlink -f root.tar && echo installed"


def uninstall(*variables):
    """The commands of `make uninstall`, for a machine without make."""
    return f"{{ {make('-n', 'uninstall', *variables)}\n}} && echo removed"


def users_variables(directory):
    """A build and an installation of the user's own. What is built already is not built again."""
    built = directory / "built"
    if not built.exists():
        shutil.copytree(BUILD, built, symlinks=True, ignore=lambda folder, names: [
            name for name in names
            if folder == str(BUILD) and name not in ("src", "pic", "page_data.c", "private")])
    return [f"PREFIX={USER_HOME}/.local", f"HOME={USER_HOME}", f"XDG_RUNTIME_DIR={USER_RUN}",
            "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", f"BUILD={built}"]


def install_for_user(machine, directory):
    """The same for `make install PREFIX=$HOME/.local`."""
    root, archive = directory / "root", directory / "root.tar"
    make("install", f"DESTDIR={root}", *users_variables(directory))
    assert [path.name for path in root.iterdir()] == ["home"], "nothing is outside the user's home"
    assert [path.name for path in (root / "home").iterdir()] == ["you"]
    pack(root / "home/you", archive)
    shutil.copy(archive, machine.inside(USER_HOME))
    return "tar -x -C ~ -f ~/root.tar && echo installed"


def make(*arguments, before=()):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run([*before, "make", "-s", *arguments], cwd=bed.TOP, env=kept, check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def become_user(machine):
    """Makes the user, with a manager; returns what runs a shell's command as that user does."""
    machine.run("useradd", "--create-home", "--uid=1000", "you")
    machine.put("/run/systemd/system/user@.service.d/manager.conf", USER_MANAGER)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "user@1000.service")
    return ["runuser", "-u", "you", "--", "env", f"HOME={USER_HOME}", f"XDG_RUNTIME_DIR={USER_RUN}",
            f"PATH={USER_HOME}/.local/bin:/usr/bin:/bin", "bash", "-c"]


ROOT = ["env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "bash", "-c"]


def follow(machine, document, chapter, directory, shell=ROOT, home=HOME):
    """Goes through a chapter; the steps that are not run."""
    files, steps = documents.chapter(document, chapter)
    if any("/usr/bin/python3" in text for text in files.values()):
        machine.install_aside("python3-minimal")
    stand_ins = {
        "make install": lambda: install_from_source(machine, directory),
        "make uninstall": uninstall,
        "make install PREFIX=$HOME/.local": lambda: install_for_user(machine, directory),
        "make uninstall PREFIX=$HOME/.local": lambda: uninstall(*users_variables(directory)),
    }
    for name, text in files.items():
        if name.startswith("/"):
            machine.put(name, text, mode=0o755 if text.startswith("#!") else 0o644)
    for step in steps:
        if step.reason:
            continue
        command = step.command.replace("sudo ", "")
        command = stand_ins.get(command, lambda same=command: same)()
        # Debian's own are put aside, as there is no network.
        command = re.sub(r"^apt install (?!\./)(\S+)$", rf"apt install {bed.ASIDE}/\1/*", command)
        command = re.sub(r"^apt ", "apt -y ", command)
        heard = [""]

        def run():
            line = f"cd {home}; {{ {command}; }} 2>&1"
            heard[0] = machine.run(*shell, line, check=False, timeout=2 * PATIENCE).stdout
            return fits(step, heard[0])

        if re.match(r"systemctl (--user )?(is-active|status|list-)|tcpdctl (.* )?status|journalctl",
                    command):
            with contextlib.suppress(Timeout):  # systemd or the journal may not have heard of it yet
                wait_for(run, deadline=5)
        assert run(), documents.difference(step, heard[0])
    return [step for step in steps if step.reason]


@pytest.mark.parametrize("document, chapters, how", MACHINES,
                         ids=[f"{document}-{chapters[0]}".replace(" ", "_")
                              for document, chapters, _ in MACHINES])
def test_sessions(machine, deb, tmp_path, document, chapters, how):
    target = f"{HOME}/build/deb/host"
    machine.run("mkdir", "-p", target)
    machine.inside(target).joinpath(deb.name).write_bytes(deb.read_bytes())
    shutil.copy(BUILD / "examples/modules/upper.so", machine.inside(HOME))
    if how == documents.INSTALLED:
        machine.install(deb)
    for chapter in chapters:
        follow(machine, document, chapter, tmp_path)


@pytest.mark.parametrize("document, chapter", [
    key for key, how in documents.HOW.items() if how == documents.USER],
    ids=lambda text: text.replace(" ", "_"))
def test_sessions_of_a_user(machine, tmp_path, document, chapter):
    """Nothing needs root, and nothing of it is left at the end but the configuration."""
    shell = become_user(machine)
    follow(machine, document, chapter, tmp_path, shell, USER_HOME)
    left = machine.run(*shell, "cd; find .local .config -type f -o -type l").stdout.split()
    assert left == [".config/tcpd/tcpd.conf"]


def test_documents_in_the_package(deb, tmp_path):
    """All are there, can be read as they are, and refer to each other."""
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path], check=True)
    folder = tmp_path / "usr/share/doc/tcpd-server"
    for name in [*documents.names(), "docs/bench.svg", "docs/browser.png",
                 "docs/status-light.png", "docs/status-dark.png", "docs/top.svg",
                 "docs/tcpdctl.schema.json"]:
        assert (folder / name).read_bytes() == (bed.TOP / name).read_bytes(), "another package?"
    assert documents.broken_links(folder) == []
