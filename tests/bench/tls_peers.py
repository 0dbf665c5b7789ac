# SPDX-License-Identifier: MIT
"""Servers of others that end TLS: with two workers each where they can, in front of tcpd's plain
echo, whose processor time counts as theirs; and openssl's own test server. Without tickets where
they can be turned off."""

import contextlib
import os
import socket
import ssl
import subprocess
from pathlib import Path

from peers import BACKLOG, Peer
from servers import BenchError, Reference, Tcpd, process_tree, stat_fields

KINDS = {"P-256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "RSA-2048": ("rsa:2048",)}


class Certificate:
    """For localhost, signed by itself: .chain, .key, and both in .both."""

    def __init__(self, folder, kind):
        stem = str(Path(folder) / kind)
        self.chain, self.key, self.both = (Path(stem + end) for end in (".pem", ".key", ".both"))
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *KINDS[kind], "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext",
             "extendedKeyUsage=serverAuth", "-keyout", self.key, "-out", self.chain],
            capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"openssl: {done.stderr}")
        self.both.write_text(self.key.read_text() + self.chain.read_text())

    def load_options(self):
        return "--tls", str(self.chain)

    def section(self):
        return f'certificate "bench" {{ chain = {{"{self.chain}"}} key = {{"{self.key}"}} }}\n'


class ReferenceTls(Reference):
    """A prefork server of its own with OpenSSL and nothing else, see ref_tls.c."""

    name = "ref_tls"

    def __init__(self, build, certificate, is_resumed=False):
        super().__init__(build)
        self.certificate = certificate
        self.is_resumed = is_resumed
        self.load_options = (*certificate.load_options(), *(["--resume"] if is_resumed else []))

    def command(self):
        return [f"{self.program}_tls", self.certificate.chain, self.certificate.key,
                str(self.n_workers), *(["1"] if self.is_resumed else [])]


class TlsPeer(Peer):
    def __init__(self, certificate, packages):
        super().__init__(packages)
        self.certificate = certificate
        self.load_options = certificate.load_options()

    def echoes(self):
        context = ssl.create_default_context(cafile=self.certificate.chain)
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                with context.wrap_socket(sock, server_hostname="localhost") as secure:
                    secure.sendall(b"?\n")
                    return secure.recv(1) == b"?"
        return False


class Proxy(TlsPeer):
    """It cannot serve anything itself."""

    def __init__(self, build, certificate, packages):
        super().__init__(certificate, packages)
        self.behind = Tcpd(build)

    def start(self):
        self.behind.__enter__()
        super().start()

    def cpu(self):
        return {**super().cpu(), **self.behind.cpu()}

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.behind.__exit__(*arguments)


class Hitch(Proxy):
    name = package = "hitch"

    def command(self, home):
        (home / "conf").write_text(f"""\
frontend = "[127.0.0.1]:{self.port}"
backend = "[127.0.0.1]:{self.behind.port}"
pem-file = "{self.certificate.both}"
ocsp-dir = ""
workers = 2
backlog = {BACKLOG}
daemon = off
log-level = 0
user = "nobody"
group = "nogroup"
tls-protos = TLSv1.3
""")
        return [*self.packages.command("usr/sbin/hitch"), f"--config={home}/conf"]


class Nginx(Proxy):
    name = "nginx"
    package = "libnginx-mod-stream"

    def command(self, home):
        module = self.packages.find("usr/lib/nginx/modules/ngx_stream_module.so")
        (home / "conf").write_text(f"""\
load_module {module};
user nobody nogroup;
daemon off;
pid {home}/pid;
error_log stderr crit;
worker_processes 2;
events {{ worker_connections 4096; }}
stream {{
    server {{
        listen 127.0.0.1:{self.port} ssl backlog={BACKLOG};
        ssl_certificate {self.certificate.chain};
        ssl_certificate_key {self.certificate.key};
        ssl_protocols TLSv1.3;
        ssl_session_tickets off;
        ssl_session_cache off;
        proxy_pass 127.0.0.1:{self.behind.port};
    }}
}}
""")
        return [*self.packages.command("usr/sbin/nginx"), "-p", home, "-e", "stderr", "-c",
                home / "conf"]


class Threads(Proxy):
    """Of threads, and of those that have ended, the kernel tells in clock ticks alone."""

    def cpu(self):
        ticks = {}
        for pid in process_tree(self.root()):
            fields = stat_fields(pid)
            ticks[pid] = sum(map(int, fields[11:15])) if fields else 0
        tick_nsec = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return {**{pid: n * tick_nsec for pid, n in ticks.items()}, **self.behind.cpu()}


class Haproxy(Threads):
    """Its workers are threads."""

    name = "HAProxy"
    package = "haproxy"

    def command(self, home):
        (home / "conf").write_text(f"""\
global
    nbthread 2
    maxconn 4096
    user nobody
    group nogroup
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend tls
    bind 127.0.0.1:{self.port} ssl crt {self.certificate.both} backlog {BACKLOG}
    default_backend echo
backend echo
    server tcpd 127.0.0.1:{self.behind.port}
""")
        return [*self.packages.command("usr/sbin/haproxy"), "-db", "-q", "-f", home / "conf"]


class Stunnel(Threads):
    """It has a thread for each connection."""

    name = "stunnel"
    package = "stunnel4"

    def command(self, home):
        (home / "conf").write_text(f"""\
foreground = yes
pid =
debug = err
[tls]
accept = 127.0.0.1:{self.port}
connect = 127.0.0.1:{self.behind.port}
cert = {self.certificate.chain}
key = {self.certificate.key}
sslVersionMin = TLSv1.3
options = NO_TICKET
""")
        return [*self.packages.command("usr/bin/stunnel4"), home / "conf"]


class SServer(TlsPeer):
    """Says each line backwards; one connection at a time."""

    name = "openssl s_server"
    package = "openssl"

    def command(self, home):
        return [*self.packages.command("usr/bin/openssl"), "s_server", "-accept",
                f"127.0.0.1:{self.port}", "-cert", self.certificate.chain, "-key",
                self.certificate.key, "-num_tickets", "0", "-rev"]
