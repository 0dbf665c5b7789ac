# SPDX-License-Identifier: MIT
"""Keys that systemd passes on: a path `credential:NAME` (systemd.exec(5), CREDENTIALS)."""

import pytest

from harness import EX_CONFIG, EX_OK, configuration, run
from tls_peer import behind, context, serial_of

SECTION = 'certificate "www" { chain = {"credential:www.pem"} key = {"credential:www.key"} }\n'
CONF = SECTION + configuration(behind("echo"))


@pytest.fixture
def credentials(authority, tmp_path):
    """A folder with those of a service; its path is what the environment has."""
    www = authority.leaf("www")
    for name, source in (("www.pem", www.chain), ("www.key", www.key)):
        (tmp_path / name).write_bytes(source.read_bytes())
        (tmp_path / name).chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(tmp_path)}, www.serial


def test_they_are_read(tcpd, credentials, authority):
    """The configuration's own folder has nothing to do with them."""
    environment, serial = credentials
    with tcpd(CONF, env=environment) as daemon:
        assert serial_of(daemon, "echo", context(authority)) == serial


def test_clients(tcpd, credentials, authority, tmp_path):
    """The authorities of clients may be one, too."""
    (tmp_path / "people").write_bytes(authority.path.read_bytes())
    alice = authority.leaf("alice", (), usage="clientAuth")
    conf = SECTION + configuration(behind("echo", tls_client="require",
                                          tls_client_ca="credential:people"))
    with tcpd(conf, env=credentials[0]) as daemon:
        assert serial_of(daemon, "echo", context(authority, client=alice)) == credentials[1]


@pytest.mark.parametrize("environment", [{}, {"CREDENTIALS_DIRECTORY": ""},
                                         {"CREDENTIALS_DIRECTORY": "relative"}])
def test_there_are_none(environment):
    status, _, said = run("-t", conf=CONF, env=environment)
    assert status == EX_CONFIG
    assert 'certificate "www": chain "credential:www.pem": no credentials were passed' in said
    assert "LoadCredential=" in said and "www.key" in said


def test_another_name(credentials, tmp_path):
    """The message has the path that was looked for."""
    (tmp_path / "www.key").unlink()
    status, _, said = run("-t", conf=CONF, env=credentials[0])
    assert status == EX_CONFIG
    assert f'key "{tmp_path}/www.key": No such file or directory' in said


def test_a_path_of_that_name(authority, tmp_path):
    """./ before it makes a path of it."""
    www = authority.leaf("beside")
    (tmp_path / "credential:www.pem").write_bytes(www.chain.read_bytes() + www.key.read_bytes())
    (tmp_path / "credential:www.pem").chmod(0o600)
    (tmp_path / "tcpd.conf").write_text(
        'certificate "www" { chain = {"./credential:www.pem"} }\n' + configuration(behind("echo")))
    status, _, said = run("-t", "-c", str(tmp_path / "tcpd.conf"))
    assert status == EX_OK, said
