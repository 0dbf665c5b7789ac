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

MACHINES = documents.machines()
HOME = "/root"


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


def install_from_source(machine, directory):
    """The command that stands for `make install`: it unpacks what that has made outside, from the
    build that is there, as the machine has no compiler."""
    root, archive = directory / "root", directory / "root.tar"
    # One at a time: units are made in the build's folder.
    make("install", f"DESTDIR={root}", f"BUILD={BUILD}", before=["flock", str(BUILD)])
    with tarfile.open(archive, "w") as tar:
        for path in root.iterdir():
            tar.add(path, path.name, filter=roots)
    shutil.copy(archive, machine.inside(HOME))
    return "tar -x -C / --keep-directory-symlink -f root.tar && echo installed"


def uninstall():
    """The commands of `make uninstall`, for a machine without make."""
    return f"{{ {make('-n', 'uninstall')}\n}} && echo removed"


def make(*arguments, before=()):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run([*before, "make", "-s", *arguments], cwd=bed.TOP, env=kept, check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def follow(machine, document, chapter, directory):
    """Goes through a chapter; the steps that are not run."""
    files, steps = documents.chapter(document, chapter)
    if any("/usr/bin/python3" in text for text in files.values()):
        machine.install_aside("python3-minimal")
    for name, text in files.items():
        if name.startswith("/"):
            machine.put(name, text, mode=0o755 if text.startswith("#!") else 0o644)
    for step in steps:
        if step.reason:
            continue
        command = step.command.replace("sudo ", "")
        if command == "make install":
            command = install_from_source(machine, directory)
        elif command == "make uninstall":
            command = uninstall()
        # Debian's own are put aside, as there is no network.
        command = re.sub(r"^apt install (?!\./)(\S+)$", rf"apt install {bed.ASIDE}/\1/*", command)
        command = re.sub(r"^apt ", "apt -y ", command)
        heard = [""]

        def run():
            line = f"cd {HOME}; PATH=/usr/local/bin:$PATH; {{ {command}; }} 2>&1"
            heard[0] = machine.run("bash", "-c", line, check=False, timeout=2 * PATIENCE).stdout
            return fits(step, heard[0])

        if re.match(r"systemctl (is-active|status|list-)|tcpdctl (.* )?status|journalctl", command):
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


def test_documents_in_the_package(deb, tmp_path):
    """All are there, can be read as they are, and refer to each other."""
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path], check=True)
    folder = tmp_path / "usr/share/doc/tcpd-server"
    for name in [*documents.names(), "docs/bench.svg", "docs/browser.png"]:
        assert (folder / name).read_bytes() == (bed.TOP / name).read_bytes(), "another package?"
    assert documents.broken_links(folder) == []
