# SPDX-License-Identifier: MIT
"""Datagrams that seem to come from a service, so that it would answer the answer, and so on for ever.
Both ends of a cable have a network of their own. DG6, VU#417980, CVE-2024-2169."""

import contextlib

import pytest

from harness import service, wait_for
from network import Namespace, forge, join, needs_networks
from test_datagrams import MODULES, ask, told

pytestmark = needs_networks

ADDRESSES = {4: ["192.0.2.1", "192.0.2.11", "192.0.2.2"],
             6: ["2001:db8::1", "2001:db8::11", "2001:db8::2"]}  # two here, one far away


@pytest.fixture
def cable():
    """Two machines at a cable, and what is to be undone."""
    with Namespace() as near, Namespace() as far, contextlib.ExitStack() as stack:
        join(near, far)
        near.run("ip", "address", "add", "192.0.2.11/24", "dev", "wire")
        for namespace, host in ((near, "2001:db8::1"), (near, "2001:db8::11"), (far, "2001:db8::2")):
            namespace.run("ip", "address", "add", f"{host}/64", "dev", "wire", "nodad")
        yield near, far, lambda where, *services: where.call(stack.enter_context, told(*services))


def judge(look, names, sessions, own):
    """So many were served, and no more; so many came from ports of ours, and were not."""
    def count():
        pools = [look(name) for name in names]
        return (sum(pool["sessions"] for pool in pools),
                sum(pool["unanswered"]["own_source"] for pool in pools))

    wait_for(lambda: count()[0] >= sessions and count()[1] >= own, what=count)
    assert count() == (sessions, own)


@pytest.mark.parametrize("ip", ADDRESSES)
def test_our_own_address_from_the_network(cable, ip):
    """A datagram that seems to come from another service of ours, at another address of ours, starts
    no loop; with IPv6 the kernel takes it from the network."""
    near, far, begin = cable
    _, look = begin(near, service("echo", listen="udp:*:7007"),
                    service("chargen", listen="udp:*:7019", amplification=0))
    one, other, _ = ADDRESSES[ip]
    assert far.call(ask, (one, 7007), b"x") == b"x"
    for source, address in [((other, 7019), (one, 7007)), ((other, 7007), (one, 7007)),
                            ((one, 7007), (one, 7007)), ((one, 7007), (other, 7019))]:
        far.call(forge, source, address)
    for port in (7007, 7019):  # each behind those that are forged
        far.call(ask, (one, port), b"x")
        far.call(ask, (other, port), b"x")
    judge(look, ["echo", "chargen"], sessions=5, own=4 if ip == 6 else 0)


@pytest.mark.parametrize("ip", ADDRESSES)
def test_two_machines(cable, ip):
    """Nor does one that joins two machines which have the same services."""
    near, far, begin = cable
    echo = service("echo", listen="udp:*:7007")
    one, _, other = ADDRESSES[ip]
    looks = [begin(machine, echo)[1] for machine in (near, far)]
    far.call(forge, (other, 7007), (one, 7007))
    near.call(forge, (one, 7007), (other, 7007))
    assert far.call(ask, (one, 7007), b"x") == near.call(ask, (other, 7007), b"x") == b"x"
    for look in looks:
        judge(look, ["echo"], sessions=1, own=1)


@pytest.mark.parametrize("ip", ADDRESSES)
def test_module_has_peers_at_its_own_port(cable, ip):
    """A protocol may want both ends to have one port; only this machine's may not be another end."""
    near, far, begin = cable
    _, look = begin(near, service("x", "module", "udp:*:7007", module=MODULES / "datagrams.so"))
    one, other, peer = ADDRESSES[ip]
    assert far.call(ask, (one, 7007), b"abc", source=(peer, 7007)).endswith(b"abc")
    near.call(forge, (one, 7007), (one, 7007))
    assert far.call(ask, (other, 7007), b"abc").endswith(b"abc")
    judge(look, ["x"], sessions=2, own=1)
