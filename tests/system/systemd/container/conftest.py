# SPDX-License-Identifier: MIT
"""Fixtures: machines that boot a real systemd, whose journal shows with a failure.

A test that needs any of them is run for each Debian release. Where machines cannot run the tests are
skipped, and say why; with CI set in the environment a skipped test has failed.
"""

import contextlib
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import machine as bed  # noqa: E402 (after the path)

CI = os.environ.get("CI", "") not in ("", "0")
BOOTED = {}  # release to the seconds that boots took


def pytest_configure(config):
    config.addinivalue_line("markers", "in_turn(name, first=RELEASE): with CI a test is run in one release "
                                       "alone, the first; the rows of a parameter in turn")


def is_others_turn(item):
    mark = item.get_closest_marker("in_turn")
    if not mark or not CI or not hasattr(item, "callspec"):
        return False
    releases, indices = list(bed.RELEASES), item.callspec.indices
    turn = releases.index(mark.kwargs["first"]) + sum(indices[name] for name in mark.args)
    return indices["release"] != turn % len(releases)


@pytest.hookimpl(tryfirst=True)  # xdist asks for the groups next
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not is_others_turn(item)]
    # Tests that share a machine run in one process.
    for item in items:
        if any(name.startswith("shared_") for name in item.fixturenames):
            release = item.callspec.params.get("release") if hasattr(item, "callspec") else ""
            item.add_marker(pytest.mark.xdist_group(f"{item.module.__name__}-{release}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for its in bed.Machine.alive:
            report.sections.append(("machine", its.describe()))
    if report.skipped and CI and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {call.excinfo.value}"
    if report.when == "teardown":
        report.user_properties += [("boot", (r, s)) for r, all_ in BOOTED.items() for s in all_]
        BOOTED.clear()


def pytest_terminal_summary(terminalreporter):
    """How long the machines took to boot, and what clients under load have seen."""
    if CI:
        terminalreporter.write_line("CI: the tests that are marked in_turn were run in one release each")
    boots = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                for name, value in report.user_properties:
                    if name == "boot":
                        boots.setdefault(value[0], []).append(value[1])
                    if name == "figures":
                        terminalreporter.write_line(value)
    for release, seconds in sorted(boots.items()):
        seconds.sort()
        terminalreporter.write_line(
            f"boot of {release}: {len(seconds)} times, median {seconds[len(seconds) // 2]:.2f} s, "
            f"worst {seconds[-1]:.2f} s")


@contextlib.contextmanager
def booted(release, **options):
    with bed.Machine(release, **options) as its:
        BOOTED.setdefault(release, []).append(its.boot_seconds)
        yield its


@pytest.fixture(scope="session", params=list(bed.RELEASES))
def release(request):
    """Each Debian release in turn."""
    if bed.obstacle():
        pytest.skip(bed.obstacle())
    return request.param


@pytest.fixture
def deb(release):
    """The package for the release."""
    found = bed.tcpd_debs(release)
    if not found:
        pytest.skip(f"no package in {bed.DEBS / release}")
    return found[0]


@pytest.fixture(scope="session")
def tcpd_layer(release):
    """The layer that has tcpd installed, from build/deb/RELEASE."""
    debs = bed.tcpd_debs(release)
    if not debs:
        pytest.skip(f"no package in {bed.DEBS / release}")
    return bed.make_layer(release, "tcpd", debs)


@pytest.fixture
def boot(release):
    """boot(**options) → a machine of the release; see Machine."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(booted(release, **options))


@pytest.fixture
def machine(release):
    """A machine for this test alone."""
    with booted(release) as its:
        yield its


@pytest.fixture(scope="module")
def shared_machine(release):
    """A machine for the tests of a file."""
    with booted(release) as its:
        yield its


@pytest.fixture
def tcpd_machine(release, tcpd_layer):
    """A machine for this test alone that has booted with tcpd installed."""
    with booted(release, layer=tcpd_layer) as its:
        yield its


@pytest.fixture(scope="module")
def shared_tcpd_machine(release, tcpd_layer):
    """The same for the tests of a file."""
    with booted(release, layer=tcpd_layer) as its:
        yield its
