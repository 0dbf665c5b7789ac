# SPDX-License-Identifier: MIT
"""Fixtures of the tests of TLS: who signs, and a certificate for this machine; of each file its own."""

import pytest

from certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def www(authority):
    return authority.leaf("www")
