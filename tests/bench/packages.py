# SPDX-License-Identifier: MIT
"""Debian packages that are run without being installed: fetched and unpacked below a directory.

Installing a server starts it and has it start at every boot. So what is missing is downloaded with
apt, with the libraries that are missing, too, and unpacked into a tree of its own: nothing of the
machine changes. What is installed already is used as it is.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PATIENCE = 180


class Missing(Exception):
    """A package that cannot be had; the text says why."""


@functools.cache
def loader():
    """The dynamic loader of this machine's programs."""
    found = re.search(rb"/lib[\w/.-]*/ld-[\w.-]+", Path(sys.executable).read_bytes()[:4096])
    return found[0].decode() if found else None


def apt_get(*arguments, **options):
    done = subprocess.run(["apt-get", "--quiet=2", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE, env={**os.environ, "LC_ALL": "C"}, **options)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(lines[-1] if lines else f"apt-get: status {done.returncode}")
    return done.stdout


class Packages:
    """The tree below `directory`, and what finds programs and libraries in it."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.root = self.directory / "root"
        self.is_updated = False

    def need(self, package):
        """Has the package's files in place, from the machine or in the tree, or raises Missing."""
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Missing("this machine has no apt")
        stamp = self.directory / f"{package}.unpacked"
        if not stamp.exists():
            for name in self.lacking(package):
                self.unpack(name)
            stamp.touch()

    def lacking(self, package):
        """The package and what it depends on, as far as it is not installed."""
        simulate = ("install", "--simulate", "--no-install-recommends", package)
        try:
            plan = apt_get(*simulate)
        except Missing:
            if self.is_updated or os.geteuid() != 0:
                raise
            self.is_updated = True
            apt_get("update")
            plan = apt_get(*simulate)
        return re.findall(r"^Inst (\S+)", plan, re.M)

    def unpack(self, name):
        stamp = self.directory / f"{name}.files"
        if stamp.exists():
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            apt_get("download", name, "--option=APT::Sandbox::User=root", cwd=scratch)
            deb, = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", deb, self.root], check=True, timeout=PATIENCE)
        stamp.touch()

    def find(self, pattern):
        """The path of a file whose path below / matches, in the tree or on the machine."""
        for top in (self.root, Path("/")):
            for path in sorted(top.glob(pattern)):
                return path
        raise Missing(f"/{pattern} is not there")

    def folders(self, *patterns):
        found = (sorted(self.root.glob(pattern)) for pattern in patterns)
        return ":".join(str(path) for paths in found for path in paths)

    def command(self, pattern):
        """The beginning of the command line that runs a program.

        A program from the tree is run by the loader, told where the libraries are: an environment
        variable would be inherited by what it starts, and slow that down."""
        program = self.find(pattern)
        if not program.is_relative_to(self.root):
            return [str(program)]
        libraries = self.folders("usr/lib/*-linux-*", "lib/*-linux-*")
        if not libraries or not loader():
            return [str(program)]
        return [loader(), "--library-path", libraries, str(program)]

    def perl_environment(self):
        folders = self.folders("usr/share/perl5", "usr/lib/*/perl5/5.*")
        return {"PERL5LIB": folders} if folders else {}
