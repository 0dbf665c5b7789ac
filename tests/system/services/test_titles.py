# SPDX-License-Identifier: MIT
"""What ps(1) shows of a worker: its listener, and the client that it serves, as log_addresses has it."""

import socket

import pytest

from harness import configuration, peer_name, proc_title, service, wait_for

MASKED = {socket.AF_INET: "127.0.0.0:0", socket.AF_INET6: "[::]:0"}
BARE = 'exec env -i NOTIFY_SOCKET="$NOTIFY_SOCKET" ' \
    '${TCPD_TEST_STAGES:+"TCPD_TEST_STAGES=$TCPD_TEST_STAGES"} "$@"'


def shows(daemon, title):
    wait_for(lambda: title in map(proc_title, daemon.workers()), what=title)


@pytest.mark.parametrize("family, listen", [(socket.AF_INET, "127.0.0.1:0"),
                                            (socket.AF_INET6, "[::1]:0")], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("addresses", ["full", "masked", "none"])
def test_client_in_the_title(tcpd, family, listen, addresses):
    """While it is served, and no longer; shorter and longer addresses one after the other."""
    text = configuration(service("echo", listen=[listen], min_workers=1, max_workers=1,
                                 spare_workers=0), log_addresses=addresses)
    with tcpd(text) as daemon:
        idle = f"tcpd: echo {daemon.addresses['echo'][0]} worker"
        for _ in range(3):
            shows(daemon, idle)
            with daemon.connect("echo", family=family) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                peer = {"full": f", serving {peer_name(client)}", "none": "",
                        "masked": f", serving {MASKED[family]}"}[addresses]
                assert [proc_title(pid) for pid in daemon.workers()] == [idle + peer]
        shows(daemon, idle)


def test_unix_client_in_the_title(tcpd, tmp_path):
    """One with a name that has control characters; they are shown as the log shows them."""
    with tcpd(configuration(service("echo", listen=[f"unix:{tmp_path}/echo"], min_workers=1,
                                    spare_workers=0))) as daemon:
        with daemon.connect("echo", source=b"\0a\x1b[1mb\n") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            title, = map(proc_title, daemon.workers())
            assert title == f"tcpd: echo unix:{tmp_path}/echo worker, serving unix:@a\\x1b[1mb\\x0a"
        shows(daemon, f"tcpd: echo unix:{tmp_path}/echo worker")


def test_long_title_is_cut(tcpd):
    """Where there is little room: not a byte more, and the worker serves."""
    with tcpd(configuration(service("a" * 60, "echo", min_workers=1, spare_workers=0)),
              prefix=["sh", "-c", BARE, "sh"]) as daemon:
        with daemon.connect("a" * 60) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            assert all(title.startswith("tcpd: aaaa") for title in map(proc_title, daemon.workers()))
