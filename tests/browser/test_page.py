# SPDX-License-Identifier: MIT
"""The page of handler = "status" in a real browser. A10: quiet, of one origin, renewed, readable in
light and dark, narrow, by keyboard, by a screen reader, without scripts, over a restart."""

import contextlib
import os
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import BUILD, configuration, free_port, read_exactly, service, wait_for
from terminal import Terminal
from terminal_picture import picture

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
TAB = "\ue004"
SESSIONS = "Number(document.querySelector('#services tbody tr').cells[7].textContent)"
NEWS = "document.getElementById('news').textContent"
LEFT_TO_ITSELF = 2.5  # seconds, in which it would have been renewed

# Each text and the least contrast of WCAG 2.2, 1.4.3, between it and what is behind it.
CONTRASTS = """
    const channels = (color) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => channels(color).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if (channels(color)[3] === 255)
                return color;
        }
        return "white";
    };
    const low = [];
    for (const element of document.querySelectorAll("body *")) {
        if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !element.checkVisibility())
            continue;
        const style = getComputedStyle(element);
        const a = luminance(element.closest("svg") ? style.fill : style.color), b = luminance(behind(element));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5)
            low.push(`${element.tagName} ${element.textContent}: ${ratio}`);
    }
    return low;
"""


@pytest.fixture
def control(tmp_path):
    return tmp_path / "control"


def serving(control, *services, port=0):
    return configuration(*services, service("status", listen=f"127.0.0.1:{port}"),
                         control=f"unix:{control}")


def page(daemon, query=""):
    return f"http://127.0.0.1:{daemon.ports['status']}/{query}"


@pytest.fixture(autouse=True)
def plain(browser):
    """As it was, for the next test."""
    yield
    browser.tell("Emulation.clearDeviceMetricsOverride")
    browser.tell("Emulation.setEmulatedMedia", features=[])
    browser.tell("Emulation.setScriptExecutionDisabled", value=False)
    browser.open("about:blank")


def renewed(browser):
    """Waits until the page has been asked for anew."""
    browser.run("window.seen = performance.getEntriesByType('resource').filter((e) => "
                "e.name.includes('/part')).length")
    browser.wait("performance.getEntriesByType('resource').filter((e) => e.name.includes('/part') && "
                 "e.responseEnd).length > seen")


def converse(daemon):
    with daemon.connect("echo") as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"


def test_it_is_quiet(tcpd, browser, control):
    """No message on the console, no report of a policy, nothing asked of anybody else."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.complaints(), browser.requests()
        browser.open(page(daemon))
        renewed(browser)
        renewed(browser)
        asked = [url for url in browser.requests() if not url.startswith(("about:", "data:"))]
        assert asked and {url.split("/")[2] for url in asked} == {f"127.0.0.1:{daemon.ports['status']}"}
        assert {"/", "/status.css", "/status.js", "/part"} <= {"/" + url.split("/", 3)[3] for url in asked}
        assert browser.complaints() == []


def test_a_session_shows(tcpd, browser, control):
    """Within 3 s; those of one service alone, if that is asked for."""
    with tcpd(serving(control, service("hello"), service("echo"))) as daemon:
        browser.open(page(daemon, "?service=echo"))
        browser.wait("document.getElementById('pause').hidden === false")
        assert browser.run("return [...document.querySelectorAll('#services tbody th')]"
                           ".map((each) => each.textContent)") == ["echo"]
        assert browser.run(f"return {SESSIONS}") == 0
        began = time.monotonic()
        converse(daemon)
        browser.wait(f"{SESSIONS} === 1")
        assert time.monotonic() - began < 3 + 1  # for the machine


def test_pause(tcpd, browser, control):
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.open(page(daemon))
        renewed(browser)
        browser.run("document.getElementById('pause').click()")
        assert browser.run("return document.getElementById('pause').ariaPressed") == "true"
        converse(daemon)
        browser.run("performance.clearResourceTimings()")
        time.sleep(LEFT_TO_ITSELF)
        assert browser.run(f"return {SESSIONS}") == 0
        assert browser.run("return performance.getEntriesByType('resource').length") == 0
        browser.run("document.getElementById('pause').click()")
        browser.wait(f"{SESSIONS} === 1")


def test_it_leaves_the_reader_alone(tcpd, browser, control):
    """What is opened stays open, what has the focus keeps it; a selection is not taken away."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.open(page(daemon))
        browser.run("const summary = document.querySelector('#duration-numbers > summary');"
                    "summary.click(); summary.focus()")
        converse(daemon)
        browser.wait(f"{SESSIONS} === 1")
        assert browser.run("return [document.getElementById('duration-numbers').open, "
                           "document.activeElement.parentElement.id]") == [True, "duration-numbers"]
        browser.run("getSelection().selectAllChildren(document.querySelector('#services caption'))")
        converse(daemon)
        renewed(browser)
        assert browser.run(f"return [{SESSIONS}, getSelection().isCollapsed]") == [1, False]
        browser.run("getSelection().removeAllRanges()")
        browser.wait(f"{SESSIONS} === 2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(tcpd, browser, control, scheme):
    with tcpd(serving(control, service("echo", **ONE))) as daemon, daemon.connect("echo") as first, (
            daemon.connect("echo")):
        first.sendall(b"x")
        assert read_exactly(first, 1) == b"x"
        browser.tell("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(page(daemon))
        browser.wait("document.querySelector('#findings li')")
        dark = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(255, 255, 255)") == (scheme == "light")
        assert browser.run(CONTRASTS) == []


def test_a_narrow_screen(tcpd, browser, control):
    """320 px: tables scroll by themselves, the page does not."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.tell("Emulation.setDeviceMetricsOverride", width=320, height=640,
                     deviceScaleFactor=1, mobile=False)
        browser.open(page(daemon))
        browser.wait("document.getElementById('pause').hidden === false")
        assert browser.run("const all = document.documentElement;"
                           "return [innerWidth, all.scrollWidth - all.clientWidth]") == [320, 0]
        assert browser.run("const wide = document.getElementById('services');"
                           "return wide.scrollWidth > wide.clientWidth")


def test_keyboard(tcpd, browser, control):
    """Tab comes to all that can be used, in the order of the page."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.open(page(daemon))
        browser.wait("document.getElementById('pause').hidden === false")
        met = []
        for _ in range(9):
            browser.press(TAB)
            met.append(browser.run("const at = document.activeElement;"
                                   "return at.id || at.getAttribute('href') || at.parentElement.id"))
        assert met == ["pause", "metrics", "json", "json/sessions", "services", "duration-numbers",
                       "reply-numbers", "wait-numbers", "sessions"]
        assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_names_for_a_screen_reader(tcpd, browser, control):
    """Each picture, button, table and heading of a table has a name."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.open(page(daemon))
        browser.wait("document.getElementById('pause').hidden === false")
        browser.run("document.getElementById('pause').click()")  # who looks is a session, too
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        n = browser.run("return document.querySelectorAll('#sessions tbody tr').length")
        found = {}
        for node in browser.tell("Accessibility.getFullAXTree")["nodes"]:
            if not node["ignored"]:
                name = node.get("name", {}).get("value", "")
                found.setdefault(node["role"]["value"], []).append(name)
        pictures = found.get("image", []) + found.get("img", [])
        assert len(pictures) == 4
        assert len(found["table"]) == 5 and len(found["columnheader"]) == 16 + 3 * 2 + 8
        assert len(found["rowheader"]) == 2 + 3 * 28 + n and n > 0
        for names in (pictures, *(found[role] for role in ("table", "columnheader", "rowheader", "button",
                                                           "link", "region", "heading"))):
            assert all(names)


def test_without_scripts(tcpd, browser, control):
    """It is whole, and is loaded anew every 10 s."""
    with tcpd(serving(control, service("echo"))) as daemon:
        browser.tell("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(page(daemon))
        address = f"127.0.0.1:{daemon.ports['echo']}"
        row = f'<td class="text">{address}</td><td class="text">serving</td>'
        assert row in browser.source() and " hidden" in browser.source()
        converse(daemon)
        wait_for(lambda: "<td>0/4096</td><td>1</td>" in browser.source(), what="the session")


def test_restart(tcpd, browser, control):
    """A line says since when there is no answer; it goes when there is one again."""
    port = free_port()
    with tcpd(serving(control, service("echo"), port=port)) as daemon:
        browser.open(page(daemon))
        renewed(browser)
        assert browser.run(f"return {NEWS}") == ""
        daemon.stop()
        browser.wait(f"{NEWS}.startsWith('not answered since ')")
    with tcpd(serving(control, service("echo"), port=port)) as daemon:
        browser.wait(f"{NEWS} === ''")
        converse(daemon)
        browser.wait(f"{SESSIONS} === 1")
    browser.complaints()  # of connections that were refused


@contextlib.contextmanager
def visited(daemon, name):
    """Short sessions meanwhile, one after the other."""
    over = threading.Event()

    def visit():
        while not over.wait(0.01):
            with daemon.connect(name) as sock:
                sock.sendall(b"x" * 1000)

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_screenshots(tcpd, browser, control, tmp_path):
    """For README.md, with TCPD_SCREENSHOTS=FOLDER kept there: a service at its maximum, one that is
    busy, one with short sessions; as `tcpdctl top` has it, too."""
    folder = Path(os.environ.get("TCPD_SCREENSHOTS") or tmp_path)
    conf = serving(control, service("echo", backlog=64, min_workers=4, max_workers=8, spare_workers=0),
                   service("quiz", "hello", min_workers=24, max_workers=32), service("web", "discard"))
    with tcpd(conf) as daemon, contextlib.ExitStack() as held:
        for _ in range(200):
            converse(daemon)
        for name, n in (("echo", 8), ("quiz", 19)):
            for _ in range(n):
                sock = held.enter_context(daemon.connect(name))
                sock.sendall(b"x")
                assert sock.recv(1)
        for _ in range(3):
            held.enter_context(daemon.connect("echo"))
        held.enter_context(visited(daemon, "web"))
        browser.tell("Emulation.setDeviceMetricsOverride", width=1280, height=960,
                     deviceScaleFactor=1, mobile=True)
        sizes = {}
        for scheme in ("light", "dark"):
            browser.tell("Emulation.setEmulatedMedia",
                         features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.open(page(daemon))
            browser.wait("document.querySelector('#findings li')")
            renewed(browser)
            browser.wait("document.querySelector('caption').textContent.includes('of the last')")
            path = folder / f"status-{scheme}.png"
            browser.picture(path)
            sizes[scheme] = path.stat().st_size
        assert min(sizes.values()) > 10_000 and sizes["light"] != sizes["dark"]
        with Terminal([BUILD / "tcpdctl", "-s", control, "-d", "1s", "top"], 18, 124) as terminal:
            terminal.wait(r"^web +\S+ +\d+ +256 +\d+% +[1-9]")  # the rate, with the second look
            text = picture(terminal.text(), "tcpdctl top")
            terminal.press("q")
        (folder / "top.svg").write_text(text)
        assert len(ElementTree.fromstring(text).findall('{*}text')) > 8 and "echo" in text
