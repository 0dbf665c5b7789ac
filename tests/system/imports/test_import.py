# SPDX-License-Identifier: MIT
"""tcpd-import(1): its command line, and texts at the edge of what inetd, xinetd and tcprules read."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import EX_CONFIG, EX_OK, EX_OSERR, EX_USAGE, TCPD
from importing import IMPORT, ROOT, SOMEBODY, check, run

EXIT_FAILURE = 1
ECHO = b"echo stream tcp nowait root internal\n"
INTERNAL = "type = INTERNAL\nsocket_type = stream\nwait = no\n"


def names(imported):
    """The services that are served."""
    return re.findall(r"^service \"(.*)\" \{$", imported.text, re.M)


def xservice(name, *lines, internal=True):
    return f"service {name}\n{{\n" + (INTERNAL if internal else "") + \
        "".join(f"{line}\n" for line in lines) + "}\n"


# --- The command line --------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    (), ("inetd",), ("--strict", "xinetd"), ("rlinetd", "/dev/null"), ("--loud", "inetd", "x"),
    ("--strict=1", "inetd", "x")], ids=" ".join)
def test_wrong_usage(words):
    imported = run(*words)
    assert (imported.status, imported.text) == (EX_USAGE, "")
    assert imported.said.startswith("tcpd-import: ") and "tcpd-import --help" in imported.said


def test_help():
    imported = run("--help")
    assert (imported.status, imported.said) == (EX_OK, "")
    assert imported.text.startswith("usage: tcpd-import [--strict] inetd | xinetd | tcprules FILE...\n")
    version = subprocess.run([TCPD, "--version"], capture_output=True, text=True, check=True).stdout
    assert run("-V").text.split() == ["tcpd-import", version.split()[1]]


def test_strict():
    """Exit status 1 where something is lost, and the same output."""
    lossy = b"echo stream tcp nowait.7 root internal\n"
    assert run("--strict", "inetd", "-", stdin=ECHO).status == EX_OK
    strict, plain = (run(*words, "inetd", "-", stdin=lossy) for words in (["--strict"], []))
    assert (strict.status, plain.status) == (EXIT_FAILURE, EX_OK)
    assert strict.text == plain.text and strict.said == plain.said
    assert plain.said.startswith("standard input:1: warning: nowait.7: ")


def test_what_is_off_is_not_lost():
    off = b"#<off># echo stream tcp nowait.7 root internal\n#<off># x/1 dgram rpc/udp wait root /x x\n"
    imported = run("--strict", "inetd", "-", stdin=off + ECHO)
    assert (imported.status, imported.said, names(imported)) == (EX_OK, "", ["echo-2"])
    assert imported.text.count("# It was off there.") == 2


def test_several_files(place, tmp_path):
    """One output; names are made unique, and of two services with one address the first has it."""
    first, second = place.write("a", ECHO), place.write("b", ECHO + b"time stream tcp nowait x internal")
    imported = run("inetd", first, second)
    assert names(imported) == ["echo-tcp", "time-tcp"]
    assert imported.lines("warning") == [
        f"{second}:1: its address is that of service \"echo-tcp\", {first}:1; keep one of them"]
    assert check(imported.text, tmp_path)[0] == EX_OK


def test_names_beside_the_shipped_ones(place, tmp_path):
    """The output may stand in tcpd.conf.d, beside what is installed."""
    shipped = (Path(__file__).parents[3] / "etc/tcpd.conf").read_text()
    taken = set(re.findall(r"^service \"(.*)\"", shipped, re.M))
    text = "".join(f"service {name}\n{{\ntype = UNLISTED\nport = {7100 + n}\nsocket_type = stream\n"
                   f"wait = no\nuser = %USER%\nserver = /bin/cat\n}}\n"
                   for n, name in enumerate(sorted(taken)))
    imported = run("xinetd", place.write("xinetd.conf", text))
    assert len(names(imported)) == len(taken) >= 7 and not taken & set(names(imported))
    status, said = check(shipped + imported.text, tmp_path)
    assert status == EX_OK, said


@pytest.mark.parametrize("kind, what", [
    ("nothing", "No such file or directory"), ("folder", "it is a directory; name the files in it"),
    ("fifo", "it is no regular file"), ("closed", "Permission denied"),
    ("nul", "it has a NUL byte here, so it is not a text"), ("huge", "it has more than 4 MiB")])
def test_unreadable(place, kind, what):
    """One line that names the file, and nothing on standard output, also of what can be read."""
    path = place.path / kind
    where = f"{path}:2" if kind == "nul" else str(path)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind != "nothing":
        text = ECHO + b"x\0" if kind == "nul" else ECHO * (4 << 20) if kind == "huge" else ECHO
        place.write(kind, text[:(4 << 20) + 1])
        path.chmod(0o000 if kind == "closed" else 0o644)
    user = {"user": SOMEBODY.pw_uid, "extra_groups": []} if ROOT and kind == "closed" else {}
    for format_ in ("inetd", "xinetd", "tcprules"):
        imported = run(format_, place.write("good", b""), path, **user)
        assert (imported.status, imported.text) == (EX_CONFIG, "")
        assert imported.said == f"{where}: {what}\n"


def test_cannot_write(place):
    path = place.write("inetd.conf", ECHO)
    with open("/dev/full", "wb") as full:
        process = subprocess.run([IMPORT, "inetd", path], stdout=full, stderr=subprocess.PIPE,
                                 text=True, check=False)
    assert (process.returncode, process.stderr) == (
        EX_OSERR, "tcpd-import: cannot write: No space left on device\n")


def test_closed_streams(place):
    """The file does not get the number of one that is missing."""
    path = place.write("inetd.conf", ECHO)
    process = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", IMPORT, "inetd", path],
                             stdin=subprocess.DEVNULL, check=False)
    assert process.returncode in (EX_OK, EX_OSERR) and path.read_bytes() == ECHO


def test_nothing_to_serve(place):
    imported = run("inetd", place.write("empty", b"# nothing\n"))
    assert imported.status == EX_OK and not names(imported)
    assert imported.said == "tcpd-import: note: nothing is left to serve; by itself this is no " \
                            "configuration\n"


# --- Texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    ECHO, ECHO[:-1], ECHO.replace(b"\n", b"\r\n"), b"\n\n# x\n" + ECHO, ECHO.replace(b" ", b"\t  "),
    b"   " + ECHO, ECHO.replace(b"stream", b"\n stream"), b"\xef\xbb\xbf# mark\n" + ECHO],
    ids=["plain", "no newline", "CRLF", "comments", "tabs", "indented", "continued", "byte order mark"])
def test_inetd_text(text):
    imported = run("inetd", "-", stdin=text)
    assert names(imported) == ["echo-tcp"] and "listen = {'*:7'}" in imported.text


@pytest.mark.parametrize("text", [
    xservice("echo"), xservice("echo")[:-1], xservice("echo").replace("\n", "\r\n"),
    "# x\n\n \t\n" + xservice("echo"), xservice("echo").replace("\n{", "\n\n# x\n  {  "),
    xservice("echo").replace("=", "=\t")], ids=[
        "plain", "no newline", "CRLF", "comments", "brace", "tabs"])
def test_xinetd_text(text):
    imported = run("xinetd", "-", stdin=text.encode())
    assert names(imported) == ["echo-tcp"] and "listen = {'*:7'}" in imported.text
    assert imported.said == ""


@pytest.mark.parametrize("text, line, what", [
    ("service echo {\n}\n", 1, "a { on a line of its own is missing"),
    ("service echo\n{\nwait= no\n}\n", 1, "line 3: a space is missing before the ="),
    ("service echo\n{\nwait\n}\n", 1, "line 3: it is not ATTRIBUTE = VALUE"),
    ("service echo\n{\nwait =\tno\n", 1, "line 5: it is not ATTRIBUTE = VALUE"),
    ("service\n{\n}\n", 1, "it begins neither with service NAME nor"),
    ("\nservices echo\n{\n}\n", 2, "it begins neither with service NAME nor"),
    ("service echo\n{\nid = x\n}\n", 1, "socket_type is missing"),
    (xservice("echo").replace("wait = no", "wait = 0"), 1, "wait is neither yes nor no"),
    (xservice("echo", "port = 70000"), 7, "port: 70000 is no port"),
    (xservice("nosuchname"), 1, "tcpd has no such internal service"),
    (xservice("echo", "type = RPC"), 1, "type RPC is not served"),
    (xservice("echo", "nice = 3"), 6, "nice: it is for programs, which a built-in"),
    (xservice("echo", "nice = 3 4"), 6, "nice: it has 2 values, not 1"),
    (xservice("echo", "port += 3"), 6, "port: it cannot have += or -="),
    (xservice("echo", "flags = NODELAI"), 6, "flags: NODELAI is no flag"),
    (xservice("echo", "instances = 0"), 6, "instances: 0 is no number of instances"),
    (xservice("echo", "disable = maybe"), 6, "disable: maybe is neither yes nor no"),
    ("defaults\n{\nport = 3\n}\n", 3, "port: it is not for defaults"),
    ("defaults\n{\n}\ndefaults\n{\n}\n", 4, "there are defaults already"),
    ("include /no/such/file\n", 1, "/no/such/file: No such file or directory"),
    ("includedir /no/such/folder\n", 1, "/no/such/folder: No such file or directory"),
], ids=lambda value: str(value)[:24] if isinstance(value, str) else str(value))
def test_xinetd_mistakes(text, line, what):
    """Each has its line, and what follows is served."""
    if "port = 70000" in text:
        line = 6
    imported = run("xinetd", "-", stdin=(text + "\n" + xservice("time")).encode())
    said = [each for each in imported.lines("warning") if what in each]
    assert len(said) == 1 and said[0].startswith(f"standard input:{line}: "), imported.said
    assert f"# NOT IMPORTED: {said[0]}" in imported.text
    assert ("time-tcp" in names(imported)) != ("line 5" in what or "{ on a line" in what)


def test_xinetd_section_without_end():
    imported = run("xinetd", "-", stdin=(xservice("time") + xservice("echo")[:-2]).encode())
    assert names(imported) == ["time-tcp"]
    assert "standard input:7: warning: line 11: a } on a line of its own is missing" in imported.said


def test_lines_of_a_megabyte(tmp_path):
    long = "x" * (1 << 20)
    inetd = f"7000 stream tcp nowait root /bin/cat {long}\n".encode() + ECHO
    imported = run("inetd", "-", stdin=inetd)
    assert names(imported) == ["echo-tcp"]
    assert imported.lines("warning") == ["standard input:1: it has a line of more than 65536 bytes; "
                                         "put the arguments into a script"]
    xinetd = xservice("long", f"server_args = {long}") + xservice("echo")
    imported = run("xinetd", "-", stdin=xinetd.encode())
    assert names(imported) == ["echo-tcp"] and len(imported.text) < 4000
    assert "line 6: it is longer than 65536 bytes" in imported.said
    imported = run("xinetd", "-", stdin=(f"# {long}\n{long}\n}}\n" + xservice("echo")).encode())
    assert names(imported) == ["echo-tcp"] and len(imported.text) < 4000
    imported = run("tcprules", "-", stdin=f"{long}\n:allow\n".encode())
    assert "standard input:1: " in imported.said and len(imported.text) < 4000
    assert check(run("inetd", "-", stdin=inetd).text, tmp_path)[0] == EX_OK


def test_includes(place):
    """In the order of their bytes; without names that have a dot, or end in ~; no circles."""
    services = [("echo", 7100), ("time", 7101), ("discard", 7102), ("chargen", 7103)]
    for name, (handler, port) in zip(("b", "a", "B", "10"), services):
        place.write(f"d/{name}", xservice(handler, "type = INTERNAL UNLISTED", f"port = {port}")
                    .replace("type = INTERNAL\n", ""))
    for name in ("a.rpmsave", ".hidden", "a~"):
        place.write(f"d/{name}", "junk\n")
    (place.path / "d/dangling").symlink_to("nowhere")
    main = place.write("main", f"include {place.path}/other\nincludedir {place.path}/d\n")
    place.write("other", f"include {place.path}/main\nincludedir {place.path}/d/b/x\n")
    imported = run("xinetd", main)
    assert names(imported) == ["chargen-tcp", "discard-tcp", "time-tcp", "echo-tcp"]
    assert imported.lines("warning") == [
        f"{place.path}/other:1: {place.path}/main includes itself",
        f"{place.path}/other:2: {place.path}/d/b/x: Not a directory",
        f"{main}:2: {place.path}/d/dangling: No such file or directory"]


def test_many_includes(place):
    """A file that two others include is read for each; without end it cannot go on."""
    place.write("a", f"include {place.path}/b\n" * 40)
    place.write("b", f"include {place.path}/c\n" * 40)
    place.write("c", "# nothing\n")
    imported = run("xinetd", place.path / "a")
    assert imported.status == EX_OK and "more than 1000 files are included" in imported.said


def test_control_characters(place):
    """What files and their names have in them cannot drive a terminal, nor end a comment."""
    odd = place.write("odd\n\x1b[2Jname", b"\x1b]0;x\x07 stream tcp nowait root /bin/\x1b[31m x\n" + ECHO)
    imported = run("inetd", odd)
    assert names(imported) == ["echo-tcp"]
    for text in (imported.said, re.sub(r"^#?    program = .*", "", imported.text, flags=re.M)):
        assert "\x1b" not in text and "\x07" not in text


def test_too_much(place):
    """A file of tcpd.conf has its limits, and so has an output."""
    many = b"".join(b"%d stream tcp nowait root /bin/cat %s\n" % (n, b"y" * 900) for n in range(1, 2000))
    imported = run("inetd", place.write("many", many))
    assert (imported.status, imported.text) == (EX_CONFIG, "")
    assert "more than 1 MiB" in imported.said.splitlines()[-1]
    imported = run("inetd", place.write("tiny", b"7 stream\n" * 20001))
    assert (imported.status, imported.text) == (EX_CONFIG, "")
    assert "more than 20000 entries" in imported.said.splitlines()[-1]


# --- What the world lacks ----------------------------------------------------------------------


@pytest.mark.parametrize("program, what", [
    ("/no/such", "there is no /no/such here"), ("thing", "thing is no absolute path"),
    ("/etc", "/etc is no file"), ("%SBIN%/plain", "may not execute"),
    ("%SBIN%/text", "does not begin with #!"), ("%SBIN%/crlf", "ends in CR LF"),
    ("%SBIN%/lost", "names an interpreter that cannot be executed")])
def test_programs_that_tcpd_refuses(place, program, what):
    """As comments, with the reason; without the # tcpd says the same."""
    for name, text, mode in (("plain", "#!/bin/sh\n", 0o644), ("text", "echo\n", 0o755),
                             ("crlf", "#!/bin/sh\r\n", 0o755), ("lost", "#!/no/such\n", 0o755)):
        path = place.write(f"sbin/{name}", text)
        path.chmod(mode)
    line = f"7100 stream tcp nowait %USER% {program} x\n"
    imported = run("inetd", place.write("inetd.conf", line))
    assert not names(imported) and what in imported.lines("warning")[0]
    status, _ = check(re.sub(r"^#(?! )", "", imported.text, flags=re.M), place.path)
    assert status == EX_CONFIG


def test_not_as_root(place, tmp_path):
    """Only root can run programs as others; one's own user is fine, and tcpd agrees."""
    path = place.write("inetd.conf", "7100 stream tcp nowait %USER% %SBIN%/thing x\n"
                                     "7101 stream tcp nowait root %SBIN%/thing x\n")
    user = {"user": SOMEBODY.pw_uid, "group": SOMEBODY.pw_gid, "extra_groups": []} if ROOT else {}
    imported = run("inetd", path, **user)
    assert names(imported) == ["7100"]
    assert "only a tcpd that runs as root can run a program as root" in imported.lines("warning")[0]
    conf = place.write("tcpd.conf", imported.text)
    process = subprocess.run([TCPD, "-t", "-c", conf], capture_output=True, text=True, check=False,
                             **user)
    assert process.returncode == EX_OK, process.stderr


@pytest.mark.skipif(not shutil.which("unshare") or not ROOT, reason="needs a mount namespace")
def test_wrappers(place):
    """xinetd of Debian asks TCP wrappers: where these have rules, nothing is served without them."""
    text = xservice("echo") + xservice("time", "flags = NOLIBWRAP")
    path = place.write("xinetd.conf", text)
    script = f"""
        cp -a /etc {place.path}/etc && cd {place.path}/etc && echo '# none' >hosts.allow &&
        printf '# rules\\n\\nALL: ALL\\n' >hosts.deny && mount --bind {place.path}/etc /etc &&
        exec {IMPORT} xinetd {path}"""
    process = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True,
                             text=True, check=False)
    assert re.findall(r"^service \"(.*)\"", process.stdout, re.M) == ["time-tcp"]
    assert "xinetd asks /etc/hosts.allow and hosts.deny" in process.stderr


# --- What this tcpd knows ----------------------------------------------------------------------


@pytest.mark.parametrize("feature, setting", [
    ("access", 'allow = {"192.0.2.1"}'), ("refusal_text", 'deny = {"192.0.2.1"} refusal_text = "no"'),
    ("source_connections", "source_connections = 3")])
def test_features(tmp_path, feature, setting):
    """src/import/features.h says what tcpd takes, no more and no less."""
    header = (Path(__file__).parents[3] / "src/import/features.h").read_text()
    known = re.search(rf"\.{feature} = (\w+),", header)[1] == "true"
    conf = f'service "x" {{ handler = "echo" listen = {{"127.0.0.1:7000"}} {setting} }}\n'
    assert (check(conf, tmp_path)[0] == EX_OK) == known
