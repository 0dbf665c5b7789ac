# SPDX-License-Identifier: MIT
"""Fixtures of the tests with scanners: certificates, and a daemon with a service of each kind."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
import certificates  # noqa: E402 (after the path)
import harness  # noqa: E402
from tls_peer import behind  # noqa: E402


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("tls"), days=800)


@pytest.fixture(scope="session")
def pairs(authority):
    """For one name keys of both kinds."""
    return [authority.leaf(kind.partition(":")[0], kind=kind, days=365) for kind in ("ec", "rsa:2048")]


@pytest.fixture(scope="session")
def daemon(pairs):
    """Its services have the names of the profiles."""
    chains, keys = (", ".join(f'"{getattr(pair, part)}"' for pair in pairs) for part in ("chain", "key"))
    section = f'certificate "www" {{ chain = {{{chains}}} key = {{{keys}}} }}\n'
    profiles = [behind(profile, "echo", tls_profile=profile) for profile in ("intermediate", "modern")]
    made = harness.start(section + harness.configuration(*profiles))
    yield made
    made.cleanup()
