# SPDX-License-Identifier: MIT
"""Fixtures: daemons that are always cleaned up, whose log shows with a failure."""

import re
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import harness  # noqa: E402 (after the path)
for folder in ("load", "services", "control", "nodes"):  # modules/ and control/ use their tests, too
    sys.path.insert(0, str(Path(__file__).parent / folder))
import programs  # noqa: E402

# Under nohup(1), or as a job of a script, these are ignored, and daemons would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_configure(config):
    config.addinivalue_line("markers", "plain(why): not for a build with test stages")
    config.addinivalue_line("markers", "at_once: what is sent at once must be read at once")


@pytest.hookimpl(tryfirst=True)  # xdist asks for the groups next
def pytest_collection_modifyitems(items):
    # Those that load the machine come first, one after the other: beside each other they would leave no
    # processor to anybody else's deadlines.
    heavy = [item for item in items if "soak" in item.name or item.path.name == "test_nodes.py"]
    for item in heavy:
        item.add_marker(pytest.mark.xdist_group("load"))
    items.sort(key=lambda item: item not in heavy)
    for item in items if harness.STAGED else ():
        if mark := item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.skip(reason=f"stages: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def whole(request, monkeypatch):
    """Test stages cut nothing into pieces where a test says so."""
    if request.node.get_closest_marker("at_once"):
        monkeypatch.setenv("TCPD_TEST_STAGES", "whole")


@pytest.fixture
def tcpd():
    """start(conf, **options) → a daemon that is ready."""
    return harness.start


@pytest.fixture
def mark():
    """A mark for the environment of the test's programs; when it is over none of them may live."""
    its = harness.Tcpd.leftovers = programs.Mark()
    yield its
    harness.Tcpd.leftovers = None
    try:
        its.wait(0)
        assert not its.killed, f"they outlived the daemon: {its.killed}"
    finally:
        its()


@pytest.fixture(scope="session")
def state_program():
    """The program that tells what it was given, where every user finds it."""
    with tempfile.TemporaryDirectory(prefix="tcpd-state-") as directory:
        Path(directory).chmod(0o755)
        yield programs.build_c("program_state.c", f"{directory}/state")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for daemon in harness.Tcpd.alive:
            report.sections.append(("daemon", daemon.describe()))


@pytest.fixture(autouse=True)
def clean_up():
    """Ends all daemons of the test; a sanitizer's report in a log fails it."""
    yield
    reports = []
    for daemon in list(harness.Tcpd.alive):
        if daemon.process.poll() is None and harness.SANITIZED:
            daemon.signal(harness.signal.SIGQUIT)  # a clean end, so that leaks are looked for
            try:
                daemon.wait_exit(harness.PATIENCE)
            except harness.Timeout:
                pass
        daemon.cleanup()
        if re.search(harness.Text.sanitizer, daemon.log_text()):
            reports.append(daemon.log_text())
    assert not reports, "\n".join(reports)


def pytest_terminal_summary(terminalreporter):
    """What the soak tests have counted, and what of the documents no test runs."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name in ("soak", "documents") and report.when == "call":
                    terminalreporter.write_line(f"{name}: {text}")
