# SPDX-License-Identifier: MIT
"""Fixtures of the tests with a browser."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system"), str(TESTS / "browser")]
import harness  # noqa: E402 (after the path)
import webdriver  # noqa: E402


@pytest.fixture
def tcpd():
    """start(conf, **options) → a daemon that is ready."""
    return harness.start


@pytest.fixture(scope="session")
def browser():
    started = webdriver.Browser()
    yield started
    started.close()
