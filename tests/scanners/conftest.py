# SPDX-License-Identifier: MIT
"""Fixtures of the tests with scanners: certificates, and a daemon with a service of each kind."""

import sys
from pathlib import Path

import pytest

SYSTEM = Path(__file__).resolve().parents[1] / "system"
sys.path[:0] = [str(SYSTEM), str(SYSTEM / "systemd/container")]
import certificates  # noqa: E402 (after the path)
import harness  # noqa: E402
import machine as bed  # noqa: E402
import units  # noqa: E402
from tls_peer import behind  # noqa: E402


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("tls"), days=800)


@pytest.fixture(scope="session")
def pairs(authority):
    """For one name keys of both kinds."""
    return [authority.leaf(kind.partition(":")[0], kind=kind, days=365) for kind in ("ec", "rsa:2048")]


def section_of(chains, keys):
    chains, keys = (", ".join(f'"{path}"' for path in paths) for paths in (chains, keys))
    return f'certificate "www" {{ chain = {{{chains}}} key = {{{keys}}} }}\n'


@pytest.fixture(scope="session")
def daemon(pairs):
    """Its services have the names of the profiles."""
    section = section_of(*([getattr(pair, part) for pair in pairs] for part in ("chain", "key")))
    profiles = [behind(profile, "echo", tls_profile=profile) for profile in ("intermediate", "modern")]
    made = harness.start(section + harness.configuration(*profiles))
    yield made
    made.cleanup()


PORTS = {"intermediate": 7443, "modern": 7444}


@pytest.fixture(scope="session", params=list(bed.RELEASES))
def installed(request, pairs):
    """The same with the package and the OpenSSL of a release: a machine, whose services are at PORTS."""
    if bed.obstacle((request.param,)):
        pytest.skip(bed.obstacle((request.param,)))
    debs = bed.tcpd_debs(request.param)
    if not debs:
        pytest.skip(f"no package of {request.param}")
    paths = {"chain": [], "key": []}
    with bed.Machine(request.param, layer=bed.make_layer(request.param, "tcpd", debs)) as machine:
        machine.run("mkdir", "-p", "/etc/tcpd/tls")
        for number, pair in enumerate(pairs):
            for part in paths:
                paths[part].append(f"/etc/tcpd/tls/{number}.{part}")
                machine.put(paths[part][-1], getattr(pair, part).read_text(), 0o640)
                machine.run("chgrp", "tcpd", paths[part][-1])
        services = [harness.service(profile, "echo", listen=f"tls:127.0.0.1:{port}", certificates=["www"],
                                    tls_profile=profile) for profile, port in PORTS.items()]
        units.install(machine, section_of(*paths.values()) + harness.configuration(*services))
        units.wait_active(machine)
        yield machine
