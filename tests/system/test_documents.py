# SPDX-License-Identifier: MIT
"""README.md, CONTRIBUTING.md and docs/: every session is run, every configuration is right, all code
is what its file has, and all links lead somewhere. See documents.py."""

import contextlib
import grp
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import documents
from certificates import Authority
from documents import HOME, TOP
from harness import BUILD, EX_OK, PATIENCE, TCPD, Timeout, free_port, wait_for

PORTS = ("1234", "1313", "1919", "3737", "7000", "7007", "7008", "7010", "7011", "7443", "7979",
         "8007", "9009", "9999")
PLAIN = [key for key, how in documents.HOW.items() if how == documents.PLAIN]


class Reader:
    """A folder that looks like a clone of the project to somebody who has the package, too."""

    def __init__(self):
        self.patience = PATIENCE
        self.directory = Path(tempfile.mkdtemp(prefix="doc-"))
        self.directory.chmod(0o755)
        self.ports = {port: str(free_port()) for port in PORTS}
        tools = self.directory / ".bin"
        tools.mkdir()
        for name, target in (("tcpd-run", TCPD), ("tcpc", BUILD / "tcpc"),
                             ("tcpdctl", BUILD / "tcpdctl")):
            (tools / name).symlink_to(target)
        for path in TOP.iterdir():
            if path.name not in ("build", "etc", ".git"):
                (self.directory / path.name).symlink_to(path)
        (self.directory / "build").symlink_to(BUILD)
        self.write("etc/tcpd.conf", (TOP / "etc/tcpd.conf").read_text())
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("MAKE", "MFLAGS", "LISTEN_"))}
        self.options = {"cwd": self.directory, "stdin": subprocess.DEVNULL, "env": {
            **kept, "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "TZ": "UTC",
            "PWD": str(self.directory)}}

    def inwards(self, text):
        """A document's text with the ports and paths of this reader."""
        text = text.replace("/usr/libexec/tcpd/tcpd", str(TCPD)).replace(HOME, str(self.directory))
        return re.sub(r"\b(" + "|".join(PORTS) + r")\b", lambda found: self.ports[found[1]], text)

    def outwards(self, text):
        """What was printed as the document has it."""
        back = {free: port for port, free in self.ports.items()}
        text = text.replace(str(self.directory), HOME)
        return re.sub(r"\b(" + "|".join(back) + r")\b", lambda found: back[found[1]], text)

    def write(self, name, text):
        path = Path(self.inwards(name)) if name.startswith("/") else self.directory / name
        assert path.is_relative_to(self.directory)
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.inwards(text))

    def command(self, step):
        # `make run` would build and install; this is its last line. What systemd-socket-activate
        # starts gets of our environment what is named.
        command = self.inwards(step.command).replace("make run", "tools/run build/tcpd etc/tcpd.conf control")
        return re.sub(r"^systemd-socket-activate\b", r"\g<0> -E TCPD_TEST_STAGES", command)

    def run(self, step):
        said = subprocess.run(["sh", "-c", self.command(step)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, **self.options)
        printed = self.outwards(said.stdout)
        assert documents.fits(step.told, printed), documents.difference(step, printed)

    @contextlib.contextmanager
    def serving(self, step):
        """Runs a command that serves; at the end it is stopped as with kill(1)."""
        output = self.directory / ".output"

        def printed():
            return self.outwards(output.read_text())

        def fits():
            served = re.sub(r"(?m)^tcpd: stopping(?:.*\n)*\Z", "", printed())
            return documents.fits(step.told, served)

        with open(output, "w", encoding="utf-8") as file:
            process = subprocess.Popen(["sh", "-c", f"exec {self.command(step)}"], stdout=file,
                                       stderr=subprocess.STDOUT, **self.options)
        try:
            wait_for(lambda: re.search(" ready: |^Listening on ", printed(), re.M)
                     or process.poll() is not None, what=step.command)
            assert process.returncode is None, documents.difference(step, printed())
            yield
            with contextlib.suppress(Timeout):  # it may not have said all
                wait_for(fits, self.patience)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == EX_OK
            assert fits(), documents.difference(step, printed())
        finally:
            process.kill()
            process.wait()

    def follow(self, document, chapter):
        """Goes through a chapter: what serves runs until the next one does, or to the end. The steps
        that are not run."""
        files, steps = documents.chapter(document, chapter)
        for name, text in files.items():
            self.write(name, text)
        with contextlib.ExitStack() as served:
            for step in steps:
                if step.reason:
                    continue
                if step.serves:
                    served.close()
                    served.enter_context(self.serving(step))
                else:
                    self.run(step)
        return [step for step in steps if step.reason]


@pytest.fixture
def reader():
    its = Reader()
    yield its
    shutil.rmtree(its.directory)


def missing(step):
    """What a command names that is not there; '' if nothing."""
    command = step.command.removeprefix("sudo ")
    words = command.split()
    if words[0] != "make":
        return "" if shutil.which(words[0]) else words[0]
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.M))
    selected = re.search(r"-k (\w+)", command)
    if words[1] not in targets:
        return f"target {words[1]}"
    if selected and not any(selected[1] in path.name or f"def test_{selected[1]}" in path.read_text()
                            for path in TOP.glob("tests/system/**/test_*.py")):
        return f"test {selected[1]}"
    return ""


@pytest.mark.at_once
@pytest.mark.parametrize("document, chapter", PLAIN,
                         ids=[f"{document}-{chapter}".replace(" ", "_") for document, chapter in PLAIN])
def test_sessions(reader, record_property, document, chapter):
    """Each command prints what the document says; those that no test runs exist at least."""
    for step in reader.follow(document, chapter):
        record_property("documents", f"not run: {step.command} ({step.place}): {step.reason}")
        assert missing(step) == "", step.place


@pytest.mark.at_once
def test_first_service_behind_tls(reader):
    """tcpd-tls(7): what stands there makes a certificate and serves with it, and each client prints
    what the page says."""
    page = "src/transport/tcpd-tls.7"
    text = (TOP / page).read_text().split(".Ss A first service\n")[1].split("\n.S")[0]
    said = re.search(r"(?s)each prints\n\.Ql (.*?)\\& :\n", text)[1]
    shown = re.findall(r"^\.Bd -literal.*\n(\$ (?:.*\n)*?)\.Ed$", text, re.M)
    steps = [documents.Step(step.command, "...\n", page) for block in shown for step in documents.steps(
        documents.Block(page, "", "console", block.replace("\\e", "\\"), 0, ""))]
    make, serve, *clients = steps
    assert serve.serves and len(clients) == 2
    reader.run(make)
    with reader.serving(serve):
        for client in clients:
            reader.run(documents.Step(client.command, f"...\n{said}\n...\n", page))


def test_make_run_is_what_sessions_run():
    recipe = re.search(r"^run:.*\n((?:\t.*\n)+)", (TOP / "Makefile").read_text(), re.M)[1]
    assert recipe.splitlines()[-1] == "\t@tools/run $(BUILD)/tcpd etc/tcpd.conf $(BUILD)/control"


def test_every_session_is_run():
    assert documents.faults(documents.read_all(), documents.HOW) == []


def test_sizes_and_links():
    assert len((TOP / "README.md").read_text().splitlines()) <= 250
    assert documents.broken_links(TOP) == []
    for document in documents.names():
        text = (TOP / document).read_text()
        assert max(map(len, text.split("\n"))) < 700, "a table's cell, not a paragraph"


@pytest.mark.parametrize("block", [b for b in documents.read_all() if b.language == "conf"],
                         ids=lambda block: block.place)
def test_configurations(tmp_path, block):
    """What is shown as configuration is accepted by tcpd -t."""
    (tmp_path / "kv").mkdir()
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = block.text.replace("/usr/lib/tcpd/", f"{BUILD}/examples/modules/")
    text = text.replace("/var/lib/kv", str(tmp_path / "kv"))
    text = re.sub(r'"(/usr/local|/home/you)/[^"]*/(\w+|\w+\.py)"', f'"{program}"', text)
    group = grp.getgrgid(os.getegid()).gr_name  # www-data and haproxy may not be there
    text = re.sub(r'socket_group = "[^"]*"', f'socket_group = "{group}"', text)
    if "/etc/tcpd/tls" in text:
        Authority(tmp_path).leaf("www")
    conf = tmp_path / "tcpd.conf"
    conf.write_text(text.replace("/etc/tcpd/tls", str(tmp_path)))
    said = subprocess.run([TCPD, "-c", conf, "-t"], capture_output=True, text=True)
    assert said.returncode == EX_OK, f"{block.place}: {said.stderr}"
    assert said.stdout.count("service ") == text.count("service "), said.stdout


@pytest.mark.parametrize("block", [b for b in documents.read_all() if b.language in ("c", "python")],
                         ids=lambda block: block.place)
def test_code(block):
    """Code that is shown is a file of the reader's, which a session runs, or stands in the sources."""
    sources = [*TOP.glob("examples/**/*.[cp]*"), *TOP.glob("src/**/*.c"),
               *TOP.glob("tests/system/**/test_*.py")]
    if block.file not in ("", "listener.py"):
        text = "".join(step.command for step in documents.chapter(block.document, block.chapter)[1])
        assert block.file in text
    else:
        assert any(block.text in path.read_text() for path in sources), block.place


# --- The tests of these tests ------------------------------------------------------------------


def test_what_fits():
    fits = documents.fits
    assert fits("a\nb\n", "a\nb\n") and not fits("a\nb\n", "a\n") and not fits("a\n", "a\nb\n")
    assert fits("a\n...\n", "a\n") and fits("a\n...\nd\n", "a\nb\nc\nd\n")
    assert not fits("a\n...\n", "b\na\n") and not fits("...\na\n", "a\nb\n")
    assert fits("from 127.0.0.1:48764 after 0.323 s\n", "from 127.0.0.1:12345 after 1.002 s\n")
    assert fits("a, ...\n", "a, b\n") and not fits("a, ...\n", "b, b\n")
    assert not fits("a.b\n", "axb\n")


def test_blocks_and_steps():
    blocks = documents.read("x.md", "## One\n\nThis is `a.conf`:\n\n```conf\nx\n```\n\n"
                            "## Two\n```console\n$ one \\\n  more\nsays\n$ two\n```\n")
    assert [(block.chapter, block.language, block.file, block.line) for block in blocks] == [
        ("One", "conf", "a.conf", 5), ("Two", "console", "", 10)]
    assert [(step.command, step.told) for step in documents.steps(blocks[1])] == [
        ("one \\\n  more", "says\n"), ("two", "")]


@pytest.mark.parametrize("text, fault", [
    ("## New\n```console\n$ true\n```\n", 'no test runs the sessions of "New"'),
    ("## Known\n```\n$ true\n```\n## Known\n```console\n$ true\n```\n", "fenced as console"),
    ("## Known\n```shell\n```\n## Known\n```console\n$ true\n```\n", "no such language: shell"),
    ("## Renamed\n", 'there is no session in "Known"'),
])
def test_faults_are_found(text, fault):
    faults = documents.faults(documents.read("x.md", text), {("x.md", "Known"): documents.PLAIN})
    assert any(fault in each for each in faults), faults


@pytest.mark.parametrize("told", ["wrong\n", "", "right\nmore\n", "...\nwrong\n"])
def test_a_wrong_session_is_found(reader, told):
    step = documents.Step("echo right", told, "x.md:1")
    with pytest.raises(AssertionError, match="x.md:1"):
        reader.run(step)
    reader.run(documents.Step("echo right", "right\n", "x.md:1"))


def test_a_wrong_service_is_found(reader):
    step = documents.Step("tcpd-run -l 7000 cat", "listening on 127.0.0.1:7001\n...\n", "x.md:1")
    reader.patience = 1
    with pytest.raises(AssertionError, match="x.md:1"), reader.serving(step):
        pass


@pytest.mark.parametrize("link", ["gone.md", "#gone", "docs/a.md#gone", "../README.md"])
def test_a_broken_link_is_found(tmp_path, link):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("# A\n## Is it for you?\n[back](../README.md#top-a)\n")
    page = tmp_path / "README.md"
    page.write_text("# Top, a\n[a](docs/a.md) [b](docs/a.md#is-it-for-you) [c](#top-a)\n")
    assert documents.broken_links(tmp_path) == []
    page.write_text(f"{page.read_text()}[x]({link})\n")
    assert documents.broken_links(tmp_path) == [f"README.md: {link}"]
