# SPDX-License-Identifier: MIT
"""Modules as an administrator installs them, and how the tests' own are talked to."""

import shutil
from pathlib import Path

from harness import BUILD, service

# A crash is to be one, whatever the daemon was built with.
NO_HANDLERS = {"ASAN_OPTIONS": "handle_segv=0:handle_abort=0"}


def place(directory, name, *, at=None, mode=0o755):
    """A module of the tests or the examples, as an administrator installs it: by a rename."""
    [built] = [path for part in ("tests", "examples") if
               (path := BUILD / part / "modules" / f"{name}.so").exists()]
    path = Path(directory) / f"{at or name}.so"
    new = path.with_suffix(".new")
    shutil.copyfile(built, new)
    new.chmod(mode)
    new.rename(path)
    return path


def module(directory, name, **options):
    """A service that has its module's name."""
    return service(name, "module", module=place(directory, name), **options)


def said(sock, line):
    """The answer to a line, without its newline."""
    sock.sendall(line.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            break
        answer += byte
    return answer.decode().rstrip("\n")
