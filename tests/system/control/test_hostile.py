# SPDX-License-Identifier: MIT
"""What code in a worker, or another process of tcpd's user, does to the master through /proc."""

import errno
import os

import pytest

from harness import configuration, service


def shared(pid):
    """Paths of the memory that the process has open."""
    folder = f"/proc/{pid}/fd"
    return [f"{folder}/{name}" for name in os.listdir(folder)
            if os.readlink(f"{folder}/{name}").startswith("/memfd:")]


@pytest.mark.parametrize("size", [0, 4096, 1 << 32])
def test_memory_is_not_cut(tcpd, size):
    """Whoever read behind its end would die of SIGBUS: master, workers, all sessions."""
    with tcpd(configuration(service("echo", min_workers=2))) as daemon, \
            daemon.connect("echo") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        paths = shared(daemon.pid)
        assert paths
        for path in paths:
            with pytest.raises(PermissionError) as refused:
                fd = os.open(path, os.O_RDWR)
                try:
                    os.ftruncate(fd, size)
                finally:
                    os.close(fd)
            assert refused.value.errno == errno.EPERM
        client.sendall(b"y")
        assert client.recv(1) == b"y"
        assert daemon.is_serving()
