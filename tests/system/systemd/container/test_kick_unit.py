# SPDX-License-Identifier: MIT
"""Sessions of the unit, from outside of its sandbox: seen by its group, ended by root alone."""

import json

from harness import EX_NOPERM, EX_OK, service, wait_for
from programs import ONE
from units import configure

AS_TCPD = ["setpriv", "--reuid=tcpd", "--regid=tcpd", "--clear-groups"]


def test_kick(shared_tcpd_machine):
    """With the kernel's view; a worker, which is the user tcpd as well, may look and end nobody."""
    machine = shared_tcpd_machine
    configure(machine, service("echo", listen=["127.0.0.1:7007"], **ONE))

    def sessions(*args, prefix=()):
        return json.loads(machine.run(*prefix, "tcpdctl", "--json", "sessions", *args).stdout)["sessions"]

    with machine.connect(7007) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
        row, = wait_for(sessions, what="a session")
        host, port = sock.getsockname()
        assert (row["peer"], row["bytes_in"]) == (f"{host}:{port}", 5)
        seen, = sessions("--kernel", prefix=AS_TCPD)
        assert seen["id"] == row["id"] and seen["kernel"]["bytes_received"] == 5
        refused = machine.run(*AS_TCPD, "tcpdctl", "kick", row["id"], check=False)
        assert refused.returncode == EX_NOPERM and "only root" in refused.stderr
        cursor = machine.cursor()
        done = machine.run("tcpdctl", "kick", row["id"])
        assert done.returncode == EX_OK and done.stdout.startswith(f"{row['id']}: ended (echo, ")
        assert sock.recv(1) == b""
        found = machine.wait_journal("closed: kicked", "TCPD_SERVICE=echo", since=cursor)
        assert found["TCPD_RESULT"] == "kicked" and found["_PID"] == str(row["pid"])
    assert sessions() == []
