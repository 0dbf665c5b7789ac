# SPDX-License-Identifier: MIT
"""tcpd-import as tests call it, and a machine's programs for the corpus, whose texts name %SBIN%,
%RUN% and %HERE%, and %USER% with %GROUP%, who exist."""

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import BUILD, PATIENCE, TCPD

IMPORT = BUILD / "tcpd-import"
CORPUS = Path(__file__).parent / "corpus"
PROGRAMS = """tcpd in.ftpd in.telnetd in.talkd in.ntalkd leafnode popa3d poppassd in.fingerd ident2
    dictd in.tftpd bootpd rpc.rusersd rpc.rstatd rpc.rquotad amandad saned cups-lpd rsync date thing
    nrpe tangd clustercheck remctld sslh""".split()

ROOT = os.geteuid() == 0
SOMEBODY = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.geteuid())
USER, GROUP = SOMEBODY.pw_name, grp.getgrgid(SOMEBODY.pw_gid).gr_name


class Imported:
    def __init__(self, process):
        self.status = process.returncode
        self.text, self.said = process.stdout, process.stderr

    def lines(self, word):
        """What was said with that word, without it: "FILE:LINE: what"."""
        return [line.replace(f": {word}: ", ": ", 1) for line in self.said.splitlines()
                if f": {word}: " in line and not line.startswith("tcpd-import:")]


def run(*words, stdin=None, **options):
    """tcpd-import WORD...; its input as bytes, the output as text."""
    process = subprocess.run([IMPORT, *words], input=stdin or b"", stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=PATIENCE, check=False, **options)
    process.stdout = process.stdout.decode(errors="surrogateescape")
    process.stderr = process.stderr.decode()
    return Imported(process)


def check(text, directory):
    """`tcpd -t` of an output: (status, what it says)."""
    path = Path(directory) / "imported.conf"
    path.write_text(text, errors="surrogateescape")
    process = subprocess.run([TCPD, "-t", "-c", path], capture_output=True, text=True,
                             timeout=PATIENCE, check=False)
    return process.returncode, process.stdout + process.stderr


class Place:
    """A folder that everybody can read, with programs."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="import-"))
        self.path.chmod(0o755)
        self.sbin = self.path / "sbin"
        self.sbin.mkdir()
        for name in PROGRAMS:
            self.program(name, "exit 0")

    def program(self, name, script):
        path = self.sbin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def fill(self, text):
        for name, value in (("SBIN", self.sbin), ("RUN", self.path), ("HERE", self.path),
                            ("USER", USER), ("GROUP", GROUP)):
            text = text.replace(f"%{name}%", str(value))
        return text

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else self.fill(text).encode())
        return path

    def copy(self, name):
        """A file or a folder of the corpus, filled in; where it is now."""
        source = CORPUS / name
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file():
                self.write(path.relative_to(CORPUS), path.read_text())
        return self.path / name

    def remove(self):
        shutil.rmtree(self.path)
