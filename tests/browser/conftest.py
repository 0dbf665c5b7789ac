# SPDX-License-Identifier: MIT
"""Fixtures of the tests with a browser."""

import base64
import hashlib
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system"), str(TESTS / "browser")]
import certificates  # noqa: E402 (after the path)
import harness  # noqa: E402
import webdriver  # noqa: E402


@pytest.fixture
def tcpd():
    """start(conf, **options) → a daemon that is ready."""
    return harness.start


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def www(authority):
    """The certificate that the browser trusts; the authority means nothing to it."""
    return authority.leaf("www")


@pytest.fixture(scope="session")
def browser(www):
    public = certificates.openssl("pkey", "-in", www.key, "-pubout", "-outform", "DER")
    started = webdriver.Browser([base64.b64encode(hashlib.sha256(public).digest()).decode()])
    yield started
    started.close()
