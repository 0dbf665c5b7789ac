# SPDX-License-Identifier: MIT
"""Servers of others that do what tcpd does, each as its friends would set it up.

All listen on 127.0.0.1 with a queue as long as tcpd's, have as many workers ready where they can,
and log no connections. Their programs come from packages.py. Each runs in a PID namespace of its
own where the benchmark may make one (as root): so nothing of it outlives the benchmark, and the
processor time of processes whose parent left them is known to the namespace's process 1.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from packages import Missing
from servers import PATIENCE, WORKERS, BenchError, Server, process_tree

HERE = Path(__file__).resolve().parent
BACKLOG = 4096
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Peer(Server):
    """An echo server out of a package."""

    package = ""
    prepare = ":"  # in the shell, before the server starts, where there is a namespace

    def __init__(self, packages, n_workers=0):
        super().__init__("echo", n_workers)
        packages.need(self.package)
        self.packages = packages
        self.home = None

    def start(self):
        self.home = tempfile.TemporaryDirectory(prefix="tcpd-bench-")
        os.chmod(self.home.name, 0o755)
        self.port = free_port()
        command = list(map(str, self.command(Path(self.home.name))))
        if os.geteuid() == 0:
            script = f'{self.prepare}\n"$@" &\nwait'
            command = [*NAMESPACE, "sh", "-c", script, "sh", *command]
        with open(f"{self.home.name}/output", "wb") as output:
            # Of its own session: Apache passes a SIGTERM on to its whole process group.
            self.spawn(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                       env={**os.environ, **self.environment()}, cwd=self.home.name,
                       start_new_session=True)
        self.wait_until_it_answers()

    def command(self, home):
        raise NotImplementedError

    def environment(self):
        return {}

    def wait_until_it_answers(self):
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise BenchError(f"{self.name} does not answer: {self.output()}")
            time.sleep(0.02)

    def answers(self):
        return self.echoes()

    def echoes(self):
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                sock.sendall(b"?\n")
                return sock.recv(1) == b"?"
        return False

    def greets(self):
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                return sock.recv(1) != b""
        return False

    def output(self):
        return Path(f"{self.home.name}/output").read_text(errors="replace").strip()[-500:]

    def root(self):
        return self.process.pid

    def server(self):
        """The server's first process: unshare and the shell are not its own."""
        tree = process_tree(self.process.pid)
        return tree[min(2, len(tree) - 1)] if os.geteuid() == 0 else tree[0]

    def workers(self):
        return process_tree(self.server())[1:]

    def __exit__(self, *_):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.server(), signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
            self.process.kill()
            self.process.wait()
        if self.home is not None:
            self.home.cleanup()


class Apache(Peer):
    """prefork, mod_echo. From `n_workers` it grows to `most`; without that the number is fixed."""

    name = "Apache mod_echo"
    package = "apache2-bin"

    def __init__(self, packages, n_workers=WORKERS, most=None):
        super().__init__(packages, n_workers)
        self.most = most or n_workers

    def command(self, home):
        modules = self.packages.find("usr/lib/apache2/modules/mod_echo.so").parent
        (home / "conf").write_text(f"""\
ServerRoot {home}
ServerName localhost
PidFile {home}/pid
ErrorLog {home}/log
LogLevel crit
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule echo_module {modules}/mod_echo.so
User nobody
Group nogroup
Listen 127.0.0.1:{self.port}
ListenBacklog {BACKLOG}
ProtocolEcho On
StartServers {self.n_workers}
MinSpareServers {self.n_workers}
MaxSpareServers {max(self.most, self.n_workers + 1)}
ServerLimit {self.most}
MaxRequestWorkers {self.most}
MaxConnectionsPerChild 0
""")
        return [*self.packages.command("usr/sbin/apache2"), "-f", home / "conf", "-DFOREGROUND"]


class NetServer(Peer):
    name = "Net::Server::PreFork"
    package = "libnet-server-perl"

    def __init__(self, packages, n_workers=WORKERS):
        super().__init__(packages, n_workers)

    def command(self, home):
        return ["perl", HERE / "netserver.pl", self.port, self.n_workers, BACKLOG]

    def environment(self):
        return self.packages.perl_environment()


class Xinetd(Peer):
    """It looks up the name of each client, wherever this machine's nsswitch.conf says. No stranger
    is asked in DNS: the answer there is a refusal, at once."""

    name = "xinetd, its own echo"
    package = "xinetd"
    prepare = "mount --bind resolv.conf /etc/resolv.conf || exit"
    service = "type = INTERNAL UNLISTED"

    def command(self, home):
        if os.geteuid() != 0:
            raise Missing("needs root")
        (home / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1\n")
        (home / "conf").write_text(f"""\
service echo
{{
    {self.service}
    id = bench
    socket_type = stream
    protocol = tcp
    user = root
    wait = no
    bind = 127.0.0.1
    port = {self.port}
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 1000000 1
    log_type = FILE /dev/null
    flags = NOLIBWRAP
}}
""")
        return [*self.packages.command("usr/sbin/xinetd"), "-dontfork", "-f", home / "conf",
                "-pidfile", home / "pid"]


class Inetd(Peer):
    """Its built-in services are found by name, so they have the port that /etc/services says: in
    its namespace that is another file."""

    name = "openbsd-inetd, its own echo"
    package = "openbsd-inetd"
    prepare = "mount --bind services /etc/services || exit"

    def command(self, home):
        if os.geteuid() != 0:
            raise Missing("needs root")
        (home / "services").write_text(f"echo {self.port}/tcp\n")
        (home / "conf").write_text("127.0.0.1:echo stream tcp nowait.1000000 root internal\n")
        return [*self.packages.command("usr/sbin/inetd"), "-i", "-q", BACKLOG, home / "conf"]


class Launcher(Peer):
    """Starts a program for each connection. Without one that is cat, so that it echoes; any other
    speaks first."""

    cat = shutil.which("cat") or "/bin/cat"

    def __init__(self, packages, program=()):
        super().__init__(packages)
        self.program = list(map(str, program)) or [self.cat]
        if program:
            self.name = f"{self.package} + {Path(self.program[0]).name}"

    def answers(self):
        return self.echoes() if self.program == [self.cat] else self.greets()


class Tcpserver(Launcher):
    name = "tcpserver + cat"
    package = "ucspi-tcp"

    def command(self, home):
        return [*self.packages.command("usr/bin/tcpserver"), "-c", "1000", "-b", BACKLOG,
                "-H", "-R", "-l0", "127.0.0.1", self.port, *self.program]


class Socat(Launcher):
    name = "socat fork EXEC:cat"
    package = "socat"

    def command(self, home):
        listen = f"TCP4-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork,backlog={BACKLOG}"
        return [*self.packages.command("usr/bin/socat"), listen, f"EXEC:{shlex.join(self.program)}"]


class Ncat(Launcher):
    name = "ncat -k -e cat"
    package = "ncat"

    def command(self, home):
        return [*self.packages.command("usr/bin/ncat"), "--listen", "127.0.0.1", self.port,
                "--keep-open", "--max-conns", "1000", "--nodns", "--exec",
                shlex.join(self.program)]


class XinetdLauncher(Launcher, Xinetd):
    name = "xinetd + cat"
    package = "xinetd"

    def __init__(self, packages, program=()):
        super().__init__(packages, program)
        self.service = f"type = UNLISTED\n    server = {self.program[0]}"
        if program[1:]:
            self.service += f"\n    server_args = {shlex.join(self.program[1:])}"


def describe(peer):
    """How a peer was started, for a report."""
    return shlex.join(map(str, peer.process.args))
