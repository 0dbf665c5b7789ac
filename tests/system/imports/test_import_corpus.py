# SPDX-License-Identifier: MIT
"""What packages of Debian and administrators write for inetd, xinetd and tcpserver: each entry is
served after the import, or its line has a warning; import_count.py counts, by itself, what is lost
without a word. And tcpd takes the output as it is."""

import re

import pytest

import import_count
from harness import EX_OK
from import_count import Output
from importing import CORPUS, check, run

INETD = ("debian.conf", "others.conf")


@pytest.fixture
def import_corpus(place):
    """import_corpus(name) → (what was imported, what is silently lost by an output)."""
    def call(name):
        if name == "xinetd.conf":
            for part in ("xinetd.d", "more"):
                place.copy(part)
            for odd in ("tftp.dpkg-dist", "tftp~"):  # which are passed over
                place.write(f"xinetd.d/{odd}", "service tftp\n{\n}\n")
            path = place.copy(name)
            return run("xinetd", path), lambda out, said: import_count.lost_xinetd(
                str(path), Output(out, said))
        path = place.copy(f"inetd/{name}")
        return run("inetd", path), lambda out, said: import_count.lost_inetd(
            str(path), path.read_text(), Output(out, said))
    return call


@pytest.mark.parametrize("name, entries, served", [
    ("debian.conf", 22, 20), ("others.conf", 26, 11), ("xinetd.conf", 15, 8)])
def test_nothing_is_lost_in_silence(import_corpus, tmp_path, name, entries, served):
    """R30."""
    imported, count = import_corpus(name)
    n, lost = count(imported.text, imported.said)
    assert imported.status == EX_OK
    assert (n, lost) == (entries, [])
    status, said = check(imported.text, tmp_path)
    assert (status, f"right: {served} services" in said) == (EX_OK, True), said


@pytest.mark.parametrize("name", [*INETD, "xinetd.conf"])
def test_counting_finds_what_is_planted(import_corpus, name):
    """Without any one of its warnings, or a setting, something is missed."""
    imported, count = import_corpus(name)
    places = {line.partition(" ")[0] for line in imported.lines("warning")}
    assert len(places) > 2
    for place in places:
        said = "".join(f"{line}\n" for line in imported.said.splitlines()
                       if not line.startswith(place))
        assert count(imported.text, said)[1], f"nothing is missed without {place}"
    for setting in ("program", "listen", "user"):
        text = re.sub(rf"^    {setting} = .*\n", "", imported.text, count=1, flags=re.M)
        assert text != imported.text and count(text, imported.said)[1], setting


@pytest.mark.parametrize("name", [*INETD, "xinetd.conf"])
def test_each_loss_is_said_twice(import_corpus, name):
    """In a line of its own, and as a comment at its place; but for what was off."""
    imported, _ = import_corpus(name)
    comments = re.findall(r"^#?\s*# NOT IMPORTED: (.*)$", imported.text, re.M)
    assert set(imported.lines("warning")) <= set(comments)
    text = "\n\n".join(block for block in imported.text.split("\n\n")
                       if "# It was off there." not in block)
    comments = re.findall(r"^#?\s*# NOT IMPORTED: (.*)$", text, re.M)
    assert sorted(comments) == sorted(imported.lines("warning"))


@pytest.mark.parametrize("name", ["debian.conf", "xinetd.conf"])
def test_what_was_off_can_be_switched_on(import_corpus, tmp_path, name):
    imported, _ = import_corpus(name)
    blocks = [re.sub(r"^#", "", block.partition("the # below.\n")[2], flags=re.M)
              for block in imported.text.split("\n\n") if "It was off there. To" in block]
    status, said = check("".join(blocks), tmp_path)
    assert (status, f"right: {len(blocks)} services" in said) == (EX_OK, True), said
    assert len(blocks) >= 2


@pytest.mark.parametrize("name, decides", [
    ("tcp.smtp", ("127.0.0.1", "192.0.2.9", "203.0.113.36", "203.0.113.37", "203.0.113.40",
                  "203.0.113.53", "203.0.113.54", "198.18.0.1", "198.19.255.255", "198.20.0.1")),
    ("closed", ("10.1.1.1", "10.1.2.1", "10.2.0.1", "172.16.0.1", "172.16.0.2", "8.8.8.8"))])
def test_rules_mean_the_same(place, name, decides):
    imported = run("tcprules", place.copy(f"tcprules/{name}"))
    section = next(iter(Output(imported.text, imported.said).sections.values()))
    rules = (CORPUS / "tcprules" / name).read_text()
    verdicts = {address: import_count.tcprules_allows(rules, address) for address in decides}
    assert set(verdicts.values()) == {True, False}
    assert verdicts == {address: import_count.tcpd_allows(section, address) for address in decides}
    assert not import_count.tcpd_allows(section, "2001:db8::1") or name != "closed"


def test_rules_by_name(place):
    """A refusal that is lost would let somebody in: nothing is served."""
    path = place.copy("tcprules/named")
    imported = run("tcprules", path)
    assert "\nservice" not in imported.text and "#service \"named\"" in imported.text
    assert [line.rpartition(":")[0].split(": ")[0] for line in imported.lines("warning")][:2] == [
        f"{path}:1", f"{path}:2"]
