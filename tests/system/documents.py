# SPDX-License-Identifier: MIT
"""The documents as tests read them: README.md, CONTRIBUTING.md, docs/*.md.

A block fenced as `console` is a session: a line that begins with "$ " is a command, which goes on in
the next line where it ends with a backslash; the other lines are what it prints. "..." as a line
stands for any lines, within a line for any text. HOW says where each chapter with sessions is run; a
chapter that it does not name is an error. Of a block in another language, the file that the
paragraph before it ends with, as in "This is `hello.conf`:", is written before the sessions of its
chapter. Readers work in /home/you/tcpd.
"""

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
HOME = "/home/you/tcpd"
LANGUAGES = ("", "c", "conf", "console", "ini", "python", "sh")

PLAIN = "in a directory with tcpd's files, by test_documents.py"
BARE = "in a machine of its own without tcpd, by test_installed_documents.py"
INSTALLED = "in a machine of its own with the package, by test_installed_documents.py"
USER = "in a machine of its own, as an ordinary user, by test_installed_documents.py"
CLUSTER = "in a cluster of network namespaces, by nodes/test_nodes.py"
SAME = "in the machine of the chapter before"

HOW = {
    ("README.md", "Try it"): PLAIN,
    ("README.md", "Five minutes with your own program"): PLAIN,
    ("README.md", "Install"): BARE,
    ("CONTRIBUTING.md", "Build"): PLAIN,
    ("CONTRIBUTING.md", "Test"): PLAIN,
    ("CONTRIBUTING.md", "Lint"): PLAIN,
    ("CONTRIBUTING.md", "Benchmarks"): PLAIN,
    ("docs/architecture.md", "Why no connection is lost"): PLAIN,
    ("docs/architecture.md", "Add a test"): PLAIN,
    ("docs/cluster.md", "A node"): CLUSTER,
    ("docs/cluster.md", "Take a node out"): CLUSTER,
    ("docs/install.md", "The package"): BARE,
    ("docs/install.md", "Change what it serves"): SAME,
    ("docs/install.md", "Start it with the first connection only"): SAME,
    ("docs/install.md", "Several instances"): SAME,
    ("docs/install.md", "Loosen the sandbox"): SAME,
    ("docs/install.md", "Upgrade, remove"): SAME,
    ("docs/install.md", "From source"): BARE,
    ("docs/install.md", "As an ordinary user"): USER,
    ("docs/install.md", "Without installing"): PLAIN,
    ("docs/modules.md", "A whole module"): PLAIN,
    ("docs/modules.md", "Options"): PLAIN,
    ("docs/modules.md", "Install it"): INSTALLED,
    ("docs/modules.md", "A new version"): SAME,
    ("docs/operations.md", "Check a configuration"): PLAIN,
    ("docs/operations.md", "The built-in services"): PLAIN,
    ("docs/operations.md", "Exchange what a service depends on"): PLAIN,
    ("docs/operations.md", "The status page and figures"): PLAIN,
    ("docs/operations.md", "In a container"): PLAIN,
    ("docs/performance.md", "How it is measured"): PLAIN,
    ("docs/programs.md", "One program per connection"): PLAIN,
    ("docs/programs.md", "Started before its client"): PLAIN,
    ("docs/programs.md", "As inetd's wait"): PLAIN,
    ("docs/programs.md", "Accepting by itself"): PLAIN,
    ("docs/programs.md", "In a browser"): PLAIN,
    ("docs/programs.md", "Behind TLS"): PLAIN,
    ("docs/programs.md", "In tcpd.conf"): PLAIN,
    ("docs/programs.md", "Under systemd"): INSTALLED,
    ("docs/programs.md", "What happens at the end"): PLAIN,
    ("docs/recipes.md", "Only some clients"): INSTALLED,
    ("docs/recipes.md", "Not too much for one client"): INSTALLED,
    ("docs/recipes.md", "One client's sessions"): SAME,
    ("docs/recipes.md", "A Python service with a unit of its own"): SAME,
    ("docs/recipes.md", "Behind HAProxy"): INSTALLED,
    ("docs/troubleshooting.md", "A service is not served"): INSTALLED,
    ("docs/troubleshooting.md", "An address is in use"): SAME,
}

# Commands that no test runs, and why.
NOT_RUN = (
    (r"git clone ", "needs an address, and a network"),
    (r"make all$", "what it builds is what the tests run"),
    (r"make check", "this test is a part of it, or it takes minutes itself"),
    (r"make deb$", "takes minutes; check-deb and check-systemd build packages"),
    (r"make (lint|format)$", "takes minutes, or writes to the sources; .ci/run has lint"),
    (r"loginctl enable-linger$", "needs a login"),
    (r"make (bench|soak)", "takes minutes and more, and wants a machine for itself"),
)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""
    document: str
    chapter: str
    language: str
    text: str
    line: int
    file: str  # the reader's file that it is, '' if none

    @property
    def place(self):
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Step:
    """A command, and what it prints."""
    command: str
    told: str
    place: str

    @property
    def reason(self):
        """Why it is not run; '' when it is."""
        return next((why for what, why in NOT_RUN
                     if re.match(what, self.command.removeprefix("sudo "))), "")

    @property
    def serves(self):
        """Whether it goes on until somebody stops it."""
        return (re.match(r"(tcpd-run|build/tcpd|systemd-socket-activate|make run)( |$)", self.command)
                and not re.search(r' (-t|--version)$|; echo "exit status', self.command))


def names():
    """The documents, by their paths."""
    return ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}"
                                              for path in sorted((TOP / "docs").glob("*.md")))]


def read(document, text=None):
    """All blocks of a document, in their order."""
    chapter, before, found, begun = "", "", [], None
    for number, line in enumerate((text or (TOP / document).read_text()).split("\n"), 1):
        if line.startswith("```") and begun is None:
            begun, language, lines = number, line[3:], []
        elif line == "```" and begun is not None:
            file = re.search(r"`([^` ]+)`:$", before) if language != "console" else None
            found.append(Block(document, chapter, language, "".join(f"{each}\n" for each in lines),
                               begun, file[1] if file else ""))
            begun, before = None, ""
        elif begun is not None:
            lines.append(line)
        elif line.startswith("## "):
            chapter = line[3:]
        elif line:
            before = line
    assert begun is None, f"{document}:{begun}: this block has no end"
    return found


def read_all():
    return [block for document in names() for block in read(document)]


def chapter(document, title):
    """(its files, its steps)"""
    blocks = [block for block in read(document) if block.chapter == title]
    return ({block.file: block.text for block in blocks if block.file},
            [step for block in blocks if block.language == "console" for step in steps(block)])


def steps(block):
    """The commands of a session, each with what it prints."""
    first, *parts = re.split(r"^\$ ", block.text, flags=re.M)
    assert not first, f"{block.place}: a session begins with a command"
    found = [re.fullmatch(r"((?:.*\\\n)*.*)\n((?:.*\n)*)", part) for part in parts]
    return [Step(step[1], step[2], block.place) for step in found]


def machines():
    """(document, chapters, how) of each machine that chapters are run in."""
    found = []
    for (document, title), how in HOW.items():
        if how in (BARE, INSTALLED):
            found.append((document, [title], how))
        elif how == SAME:
            found[-1][1].append(title)
    return found


def faults(blocks, how):
    """What is wrong with blocks, in words: sessions that nobody runs, or that look like none."""
    wrong = []
    for block in blocks:
        if block.language not in LANGUAGES:
            wrong.append(f"{block.place}: no such language: {block.language}")
        if block.language != "console" and re.search(r"^\$ ", block.text, re.M):
            wrong.append(f"{block.place}: a session is fenced as console")
        if block.language == "console" and (block.document, block.chapter) not in how:
            wrong.append(f"{block.place}: no test runs the sessions of \"{block.chapter}\"")
    sessions = {(block.document, block.chapter) for block in blocks if block.language == "console"}
    wrong += [f"{document}: there is no session in \"{title}\""
              for document, title in how if (document, title) not in sessions]
    return wrong


# --- Comparing ---------------------------------------------------------------------------------


def plain(text):
    """Its lines without what differs from run to run: times, the numbers of processes and of clients'
    ports."""
    text = re.sub(r"since .* ago|up for [^,]*", "TIME", text)
    text = re.sub(r"(process|PID:) \d+", r"\1 N", text)
    text = re.sub(r"\b[A-Z][a-z]+day, [A-Z][a-z]+ \d+, \d{4} [\d:]{8}", "DATE", text)
    text = re.sub(r"\b\d+\.\d+ s\b", "N s", text)
    return [re.sub(r"\b\d{5,}\b", "N", line).rstrip() for line in text.splitlines()]


def fits(told, printed, normal=plain):
    """Whether that was printed."""
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else
                      re.escape(line).replace(r"\.\.\.", ".*") + r"\n" for line in normal(told))
    return bool(re.fullmatch(pattern, "".join(f"{line}\n" for line in normal(printed))))


def difference(step, printed):
    return f"{step.place}:\n$ {step.command}\n{step.told}--- but it prints\n{printed}"


# --- Links -------------------------------------------------------------------------------------


def anchors(text):
    """What links to the headings of a document end in."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(top):
    """Links between the documents below a folder that lead nowhere."""
    wrong = []
    for path in [*top.glob("*.md"), *top.glob("docs/*.md")]:
        text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            file, _, anchor = target.partition("#")
            aim = path.parent / file if file else path
            if not aim.is_file() or (anchor and anchor not in anchors(aim.read_text())):
                wrong.append(f"{path.relative_to(top)}: {target}")
    return wrong
