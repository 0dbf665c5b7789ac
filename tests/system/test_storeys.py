# SPDX-License-Identifier: MIT
"""tools/storeys: includes that go up, sideways or into another folder's own business are found, and
nothing else. What is planted goes into a copy of the tree's includes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

# Where an include is planted, what it includes, and what is said of it; None: nothing.
PLANTED = (
    ("pool/pool.c", "master/master_state.h", "master/ is above pool/"),
    ("base/base.h", "log/log.h", "log/ is above base/"),
    ("session/session.c", "worker/worker.h", "worker/ is above session/"),
    ("control/control.c", "main.c", "the include does not carry its folder"),
    ("handlers/echo.c", "program/program.h", "program/ stands beside handlers/"),
    ("module/module.c", "handlers/handlers.h", "handlers/ stands beside module/"),
    ("process/process.c", "listen/listener.h", "listen/ stands beside process/"),
    ("master/master.c", "pool/pool_private.h", "it is private to pool/"),
    ("run/run.c", "session/session_private.h", "it is private to session/"),
    ("master/master.c", "pool/slots.h", "it is not a face of pool/"),
    ("worker/worker.c", "session.h", "the include does not carry its folder"),
    ("client/tcpc.c", "log/log.h", "client/ may include base, transport alone"),
    ("generator/tcpd_generator.c", "session/session.h",
     "generator/ may include base, config, handlers alone"),
    ("import/inetd.c", "config/config.h", "import/ may include base alone"),
    ("worker/worker.c", "nowhere/x.h", "no storey has nowhere/"),
    ("main.c", "ctl/fail.h", "ctl/ is a program of its own"),
    ("pool/pool.c", "pool/pool_private.h", None),
    ("control/control.c", "base/base.h", None),
)


def check(top):
    result = subprocess.run([TOP / "tools/storeys", top], capture_output=True, text=True)
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


@pytest.fixture
def house(tmp_path):
    """A copy of src/ and of the table."""
    shutil.copytree(TOP / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.[1-8]"))
    (tmp_path / "docs").mkdir()
    shutil.copy(TOP / "docs/architecture.md", tmp_path / "docs")
    return tmp_path


def test_house_as_it_is():
    assert check(TOP) == (0, [])


@pytest.mark.parametrize("name, header, wrong", PLANTED, ids=lambda value: str(value)[:40])
def test_planted_include(house, name, header, wrong):
    path = house / "src" / name
    text = path.read_text() + f'#include "{header}"\n'
    path.write_text(text)
    place = f"src/{name}:{len(text.splitlines())}: {header}: "
    assert check(house) == ((1, [place + wrong]) if wrong else (0, []))


def test_folders_and_files(house):
    """What is in no storey, and a face that is not there."""
    (house / "src/attic").mkdir()
    (house / "src/stray.c").write_text("")
    table = house / "docs/architecture.md"
    table.write_text(re.sub(r"`pool\.h`", "`pool.h`, `pond.h`", table.read_text()))
    status, said = check(house)
    assert (status, sorted(said)) == (1, [
        "docs/architecture.md: there is no src/pool/pond.h",
        "src/attic/: not in the table of docs/architecture.md",
        "src/stray.c: belongs in a storey",
    ])


def test_no_table(house):
    (house / "docs/architecture.md").write_text("# Architecture\n")
    status, said = check(house)
    assert status == 1 and "docs/architecture.md: no table of storeys" in said
