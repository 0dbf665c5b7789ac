# SPDX-License-Identifier: MIT
"""Clients of services behind TLS: Python's ssl and openssl-s_client(1)."""

import contextlib
import select
import socket
import ssl
import subprocess

from harness import PATIENCE, service

CERTIFICATES = {"certificates": ["www"]}


def behind(name, handler=None, listen="tls:127.0.0.1:0", **options):
    """A service with the certificate "www"."""
    return service(name, handler, listen, **{**CERTIFICATES, **options})


def context(authority, *, version=None, client=None, ciphers=None, alpn=None):
    """A client's context that believes this authority. version: the only one. client: what it
    shows, a Certificate."""
    made = ssl.create_default_context(cafile=str(authority.path))
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
    if version:
        made.minimum_version = made.maximum_version = version
    if client:
        made.load_cert_chain(client.chain, client.key)
    if ciphers:
        made.set_ciphers(ciphers)
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def dial(daemon, name, its_context, host="localhost", **options):
    """A connection to a service, after the handshake."""
    plain = daemon.connect(name, **options)
    try:
        return its_context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise


def exchange(daemon, name, its_context, data=b"", host="localhost"):
    """Sends data; as much of what comes back.

    Python's ssl cannot end one way alone: half_closed() does. So this one reads as many bytes as it
    has sent."""
    with dial(daemon, name, its_context, host) as sock:
        sock.sendall(data)
        got = b""
        while len(got) < len(data) and (chunk := sock.recv(65536)):
            got += chunk
        return got


def both_ways(sock, data):
    """Sends data and reads as much at once. By one thread: two at one SSL disturb each other."""
    got, n_sent = bytearray(), 0
    sock.setblocking(False)
    while len(got) < len(data):
        moved = False
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if n_sent < len(data):
                n_sent += sock.send(data[n_sent:n_sent + 65536])
                moved = True
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            chunk = sock.recv(65536)
            if not chunk:
                break
            got += chunk
            moved = True
        if not moved:
            select.select([sock], [sock] if n_sent < len(data) else [], [], PATIENCE)
    sock.settimeout(PATIENCE)
    return bytes(got)


def serial_of(daemon, name, its_context, host="localhost"):
    """Of the certificate that is shown."""
    with dial(daemon, name, its_context, host) as sock:
        return int(sock.getpeercert()["serialNumber"], 16)


def s_client(daemon, name, authority, *options, data=b"", host="localhost", deadline=PATIENCE):
    """openssl-s_client(1) as a pipe: its status, what it has received, what it says. It reads until
    the server ends."""
    port = daemon.address(name)[1]
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", host,
         "-CAfile", authority.path, "-verify_return_error", "-quiet", *options],
        input=data, capture_output=True, timeout=deadline, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def half_closed(daemon, name, its_context, data):
    """Sends data, close_notify and the end; then what comes back. ssl.SSLEOFError: it was cut."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    its = its_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with daemon.connect(name) as sock:

        def until_done(call, *arguments):
            while True:
                try:
                    return call(*arguments)
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        sock.sendall(outgoing.read())
                    chunk = sock.recv(65536)
                    incoming.write(chunk) if chunk else incoming.write_eof()
        until_done(its.do_handshake)
        its.write(data)
        try:
            its.unwrap()
        except ssl.SSLWantReadError:
            pass
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while chunk := until_done(its.read, 65536):
                got += chunk
        return got


def raw_hello(host="localhost"):
    """The first record that a client of Python's would send."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    its = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=host)
    try:
        its.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def loopback(port):
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.settimeout(PATIENCE)
    return sock
