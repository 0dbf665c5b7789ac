# SPDX-License-Identifier: MIT
"""The scanners at the package of each release, with the OpenSSL that it has there."""

import functools

import pytest

from conftest import PORTS
from test_scanners import (PATIENCE, judge_sslscan, judge_testssl, needs, run_sslscan, run_testssl)


@pytest.fixture
def there(installed):
    """Runs a scanner in the machine's network."""
    return functools.partial(installed.net, check=False, timeout=PATIENCE, env={"TERM": "dumb"})


@needs("testssl")
@pytest.mark.parametrize("profile", PORTS)
def test_testssl(there, authority, tmp_path, profile):
    judge_testssl(run_testssl(PORTS[profile], tmp_path, "--add-ca", str(authority.path), run=there), profile)


@needs("sslscan")
@pytest.mark.parametrize("profile", PORTS)
def test_sslscan(there, profile):
    judge_sslscan(run_sslscan(PORTS[profile], run=there), profile)
