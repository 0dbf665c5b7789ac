# SPDX-License-Identifier: MIT
"""Broken configurations under valgrind: libconfuse, which reads them, is not compiled by us, so that
a sanitizer does not see it. Many files are read in one run, each of them twice: by itself, and inside
of another broken one."""

import re
import shutil
import subprocess

import pytest

from harness import BUILD, EX_CONFIG
from test_config import WRONG

GOOD = '''# a comment
stop_timeout = "1min"   /* another */
service "e" {
    handler = 'program'
    program = {"/bin/cat", '-u', "${HOME:-x}\\n"}
    listen = {"127.0.0.1:7", "[::1]:7"}   backlog = 5
    listen += {"unix:/run/x"}
}
service f { handler = echo }
'''

# What fuzzing and people have found, besides what test_config.py refuses.
FOUND = [
    'log_sessioservi"" +\nservice""{',
    "a1 = 1 a2 = 2 a3 = 3 a4 = 4 a5 = 5 a6 = 6 a7 = 7 a8 = 8\n",
    'service "e" { a1 = 1 a2 = {2} a3 += {3} a4 = {} a5 = 5 a6 = 6 a7 = 7\n',
    'service "e" { colour\n\n backlog = 1 }\nservice "e" { }\nservice {',
    'service "e" { listen = {"h:1"} listen = {"h:2", listen += {*:7} }\n',
    'include("nosuch") include() include("a", "b") include( include',
    'stop_timeout = "\\400 \\8 \\( \\x" log_sessions = "${A',
    'stop_timeout = ${A log_sessions = ${B}c "d" = \'e',
    "stop_timeout +\n= 5s + += {",
    '/* "a', '# "a', '"', "'", "\\", "$", "${", "=", "+=", "}", "{", "(", ")", ",", "\ufeff", "\x01",
]


def sanitizes():
    """Whether the daemon was built with a sanitizer, which has its own idea of memory."""
    return b"__asan_" in (BUILD / "tcpd").read_bytes()


def obstacle():
    if not shutil.which("valgrind"):
        return "valgrind is missing"
    if sanitizes():
        return "valgrind cannot run a program that was built with a sanitizer"
    return None


def renamed(text, name):
    """Each text has services of its own: one that is there already would not be read."""
    return re.sub(r'(service "?)(\w)', rf"\g<1>{name}\2", text)


def write_all(folder, texts):
    for i, text in enumerate(texts):
        (folder / f"{i}.conf").write_text(renamed(text, f"s{i}"))
        (folder / f"n{i}.conf").write_text(
            f'stop_timeout = x{i}\ninclude("{i}.conf")\n' + renamed(text, f"n{i}"))
    (folder / "main.conf").write_text(
        "".join(f'include("n{i}.conf")\n' for i in range(len(texts))) + GOOD)


@pytest.mark.parametrize("texts", [
    pytest.param([text for text, _, _ in WRONG.values()] + FOUND, id="found"),
    pytest.param([GOOD[:n] for n in range(0, len(GOOD), 3)], id="cut"),
])
def test_no_memory_is_misused(tmp_path, texts):
    if reason := obstacle():
        pytest.skip(reason)
    write_all(tmp_path, texts)
    result = subprocess.run(
        ["valgrind", "-q", "--leak-check=no", "--error-exitcode=99",
         f"--log-file={tmp_path}/valgrind.%p", BUILD / "tcpd", "-t", "-c", tmp_path / "main.conf"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    found = "".join(path.read_text() for path in tmp_path.glob("valgrind.*"))
    assert not found, found
    assert result.returncode == EX_CONFIG, result.stderr
    assert "more is wrong than is shown here" in result.stderr
    assert "cannot be checked" not in result.stderr, result.stderr
