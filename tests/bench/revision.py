# SPDX-License-Identifier: MIT
"""tcpd as of another commit: its sources are unpacked and built below a folder, and kept there.

All that is asked of the commit is a Makefile whose target `all` makes build/tcpd. Warnings are not
errors: a compiler newer than the commit may have new ones.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from servers import BenchError

TOP = Path(__file__).resolve().parents[2]


def git(*words, otherwise="git failed"):
    done = subprocess.run(["git", "-C", TOP, *words], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BenchError(f"git {words[0]}: {lines[-1]}" if lines else otherwise)
    return done.stdout.strip()


def find(name):
    """The short hash of the commit `name`; BenchError if there is none."""
    return git("rev-parse", "--short", "--verify", "--quiet", "--end-of-options",
               f"{name}^{{commit}}", otherwise=f"REV={name}: there is no such commit here")


def describe(commit):
    """Its hash and subject."""
    return git("log", "-1", "--format=%h %s", commit)


def today():
    """The commit that is checked out, and whether the tree differs from it."""
    changes = ", with uncommitted changes" if git("status", "--porcelain") else ""
    return describe("HEAD") + changes


def unpack(commit, tree):
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        git("archive", "--format=tar", f"--output={scratch}/tar", commit)
        (Path(scratch) / "tree").mkdir()
        subprocess.run(["tar", "-xf", f"{scratch}/tar", "-C", f"{scratch}/tree"], check=True)
        (Path(scratch) / "tree").rename(tree)


def make(tree, log):
    """Runs the commit's own make, with our compiler and flags but apart from the make above us."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-C", tree, f"-j{os.cpu_count()}", "all", "BUILD=build", "WERROR=", "CI="]
    with open(log, "w") as output:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=output).returncode


def build(commit, folder):
    """Builds the commit's tcpd below `folder`, but not again what is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    tree, log = folder / commit, folder / f"{commit}.log"
    if not tree.exists():
        print(f"unpacking and building {commit} in {tree}", flush=True)
        unpack(commit, tree)
    status = make(tree, log)
    if status or not (tree / "build/tcpd").exists():
        errors = re.findall(r"^.*(?:error:|\*\*\*).*$", log.read_text(errors="replace"), re.M)
        reason = errors[0] if errors else f"make: status {status}, and no build/tcpd"
        raise BenchError(f"{commit} does not build: {reason}; more in {log}")
