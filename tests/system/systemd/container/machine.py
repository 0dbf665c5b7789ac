# SPDX-License-Identifier: MIT
"""Machines under test: Debian releases that boot their own systemd in containers, see keeper.py.

A machine is a root file system that tools/rootfs made, below an overlay in memory: it boots in about
half a second, what happens in it changes nothing outside, and many run side by side. A layer is what
an earlier machine changed, kept in an archive: one with tcpd installed boots as fast as one without.

Commands run inside with run(), programs of the host in the machine's network with net(), code of the
test itself within `with machine.network():`. As in harness.py nothing sleeps blindly.
"""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from harness import PATIENCE, Timeout, process_tree, wait_for  # noqa: E402 (after the path)

import keeper  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
ROOTFS = TOP / "build/rootfs"
DEBS = TOP / "build/deb"
ASIDE = "/var/cache/tcpd-test"
RELEASES = {"bookworm": 252, "trixie": 257}  # and the version of systemd
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


@functools.cache
def obstacle(releases=tuple(RELEASES)):
    """Why machines of these releases cannot run here; None when they can."""
    if os.geteuid() != 0:
        return "containers need root"
    for program in ("systemd-nspawn", "unshare", "nsenter", "mount", "tar"):
        if not shutil.which(program):
            return f"{program} is not installed"
    script = "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && " \
        "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w o /mnt/r"
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return f"no namespaces or overlay mounts here: {result.stderr.strip()}"
    trees = keeper.cgroup_trees()
    if not trees:
        return f"no cgroups in {keeper.CGROUPS}"
    for tree in trees:
        probe = f"{tree}/tcpd-test-{secrets.token_hex(4)}"
        try:
            os.mkdir(probe)
            os.rmdir(probe)
        except OSError as error:
            return f"cannot make cgroups: {error}"
    for release in releases:
        if not (ROOTFS / f"{release}-run.stamp").exists():
            return f"no root file system of {release}: run tools/rootfs"
    return None


class Failed(AssertionError):
    """A command that did not end with status 0."""


class Machine:
    """A booted machine; a context manager. It ends at once when the context does.

    release: "bookworm" or "trixie". layer: an archive that save_layer() made. limits: units may limit
    memory and tasks; where the host has cgroups of version 1, so has the machine then, and systemd 252
    does not notice that the last process left a unit whose main process was gone. binds: pairs of a path
    outside and one inside. nspawn: more arguments of systemd-nspawn. degraded: units may have failed
    at boot."""

    alive = []  # for the fixture that reports

    def __init__(self, release, *, layer=None, limits=False, binds=(), nspawn=(), degraded=False):
        self.release = release
        self.layer = layer
        self.limits = limits
        self.degraded = degraded
        self.arguments = [*nspawn, *(f"--bind={outside}:{inside}" for outside, inside in binds)]
        self.name = f"tcpd-{os.getpid()}-{secrets.token_hex(4)}"
        self.work = Path(keeper.BASE) / self.name
        self.leader = self.process = self.netns = None
        self.boot_seconds = None
        self.children = []

    # Life

    def __enter__(self):
        begin = time.monotonic()
        options = {
            "name": self.name,
            "lower": str((ROOTFS / f"{self.release}-run").resolve()),
            "layer": str(self.layer) if self.layer else None,
            "controllers": ["pids", "memory"] if self.limits else [],
            "unified": not self.limits or self.has_one_tree(),
            "nspawn": self.arguments,
        }
        # Of its own session, so that Ctrl-C ends it through the test only.
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             sys.executable, "-I", "-S", keeper.__file__, json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        Machine.alive.append(self)
        try:
            self._wait_booted()
        except BaseException as error:
            error.add_note(self.describe())
            self.close()
            raise
        self.boot_seconds = time.monotonic() - begin
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    @staticmethod
    def has_one_tree():
        return keeper.cgroup_trees() == [keeper.CGROUPS]

    def _wait_booted(self):
        line = self._read_line()
        if line != "ready":
            raise AssertionError(f"{self.name} did not boot: {line or 'its keeper died'}")
        self.leader = self._find_leader()
        self.netns = os.open(f"/proc/{self.leader}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if self.limits and not self.has_one_tree():
            self.run("mount -o remount,bind,rw /sys/fs/cgroup/pids && "
                     "mount -o remount,bind,rw /sys/fs/cgroup/memory && systemctl daemon-reexec")
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state != "running" and not (self.degraded and state == "degraded"):
            raise AssertionError(f"{self.name} is {state} after booting")

    def _read_line(self, deadline=PATIENCE):
        """The keeper's next line; '' when it is gone."""
        with guard(self.process, deadline):
            return self.process.stdout.readline().strip()

    def _find_leader(self):
        """The container's process 1, by its number here: the innermost of its numbers is 1."""
        for pid in process_tree(self.process.pid):
            numbers = re.search(r"^NSpid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
            if len(numbers[1].split()) >= 3 and numbers[1].split()[-1] == "1":
                self.keeper = int(process_tree(self.process.pid)[1])
                return pid
        raise AssertionError(f"no process 1 of {self.name}")

    @property
    def is_alive(self):
        """True while the machine's process 1 lives."""
        return self.leader is not None and self._stat(self.leader) is not None

    @staticmethod
    def _stat(pid):
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return None if state in "ZX" else state
        return None

    def wait_end(self, deadline=PATIENCE):
        """Waits until the machine is off, however that came; systemd-nspawn's exit status. What it
        wrote can still be read: journal(), file()."""
        line = self._read_line(deadline)
        if not line.startswith("ended "):
            raise AssertionError(f"{self.name}: {line or 'its keeper died'}")
        return int(line.split()[1])

    def power_off(self, deadline=PATIENCE):
        """As an administrator does: all units are stopped in order."""
        os.kill(self.leader, signal.SIGRTMIN + 4)
        return self.wait_end(deadline)

    def kill(self):
        """Pulls the plug."""
        os.kill(self.leader, signal.SIGKILL)
        return self.wait_end()

    def close(self):
        """Ends the machine and removes all of it, whatever state it is in."""
        for child in self.children:
            with contextlib.suppress(OSError):
                child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        self.children = []
        if self.netns is not None:
            os.close(self.netns)
            self.netns = None
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
        if self in Machine.alive:
            Machine.alive.remove(self)

    # Commands

    def run(self, *command, check=True, input=None, timeout=PATIENCE, env=None):
        """Runs a command inside, as root, to its end: a string is for sh, several words are not.
        Returns a CompletedProcess: returncode, stdout, stderr (texts). Unless check is false a status
        other than 0 is an error that tells the output."""
        return self._finish(self._inside(command), check, input, timeout, env)

    def net(self, *command, check=True, input=None, timeout=PATIENCE, env=None):
        """The same with a program of the host in the machine's network."""
        return self._finish(self._in_network(command), check, input, timeout, env)

    def start(self, *command, where="inside", **options):
        """Starts a command as run() or, where="network", net() does; a Popen that speaks text and is
        killed with the machine."""
        line = self._inside(command) if where == "inside" else self._in_network(command)
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                   "text": True, "env": self._environment(None), **options}
        child = subprocess.Popen(line, pass_fds=(self.netns,), **options)
        self.children.append(child)
        return child

    def _inside(self, command):
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                "--", *self._words(command)]

    def _in_network(self, command):
        return ["nsenter", f"--net=/proc/self/fd/{self.netns}", "--", *self._words(command)]

    @staticmethod
    def _words(command):
        words = [str(word) for word in command]
        return ["sh", "-c", words[0]] if len(words) == 1 and " " in words[0] else words

    @staticmethod
    def _environment(env):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
                "SYSTEMD_PAGER": "", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}

    def _finish(self, line, check, input, timeout, env):
        if self.leader is None:
            raise AssertionError(f"{self.name} is not running")
        try:
            result = subprocess.run(
                line, input=input, stdin=None if input is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, text=True,
                errors="backslashreplace", env=self._environment(env), pass_fds=(self.netns,))
        except subprocess.TimeoutExpired as late:
            raise Timeout(f"{line}: not done within {timeout} s") from late
        if check and result.returncode:
            raise Failed(f"{line[line.index('--') + 1:]}: exit status {result.returncode}\n"
                         f"{result.stdout}{result.stderr}")
        return result

    # Files

    def put(self, path, text, mode=0o644):
        """Writes a file inside, at once; directories are made."""
        script = 'mkdir -p "${1%/*}" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
        self.run("sh", "-c", script, "sh", path, f"{mode:o}", input=text)

    def file(self, path):
        """The path by which the host sees a file of the machine, also when it is off. A symbolic link
        to an absolute path leads astray."""
        return Path(f"/proc/{self.keeper}/root{self.work}/fs/root{path}")

    def inside(self, path):
        """The path by which the host sees what only the running machine has, as in /run: unix
        sockets, pid files."""
        return Path(f"/proc/{self.leader}/root{path}")

    # Units and the journal

    def systemctl(self, *args, **options):
        return self.run("systemctl", *args, **options)

    def show(self, unit, *properties):
        """Properties of a unit: {"ActiveState": "active", ...}; all when none is named."""
        wanted = [f"--property={','.join(properties)}"] if properties else []
        output = self.systemctl("show", *wanted, unit).stdout
        return dict(line.partition("=")[::2] for line in output.splitlines() if "=" in line)

    def wait_unit(self, unit, deadline=PATIENCE, **properties):
        """Waits until properties of a unit have these values: wait_unit("x", ActiveState="failed").
        Returns them."""
        found = {}

        def look():
            found.update(self.show(unit, *properties))
            return all(found.get(name) == str(value) for name, value in properties.items())

        try:
            wait_for(look, deadline, f"{unit}: {properties}")
        except Timeout as late:
            raise Timeout(f"{late}, but {found}") from None
        return found

    def journal(self, *args, since=None):
        """The journal's records as dictionaries, oldest first; args are journalctl's, since is what
        cursor() returned. Read by the host's journalctl, so also when the machine is stuck or off."""
        # --after-cursor loses a record when others are filtered out.
        args = [*args, *([f"--cursor={since}"] if since else [])]
        output = subprocess.run(
            ["journalctl", "--quiet", "--no-pager", "--output=json", "--all",
             f"--directory={self.file('/var/log/journal')}", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE).stdout
        records = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
        return [record for record in records if record["__CURSOR"] != since]

    def wait_journal(self, pattern, *args, since=None, deadline=PATIENCE):
        """The first record whose MESSAGE the pattern is found in, waiting for it."""
        regex = re.compile(pattern)

        def look():
            for record in self.journal(*args, since=since):
                if isinstance(record.get("MESSAGE"), str) and regex.search(record["MESSAGE"]):
                    return record
            return None

        return wait_for(look, deadline, f"journal record /{pattern}/")

    def cursor(self):
        """Where the journal ends now, for journal(since=...)."""
        records = self.journal("--lines=1")
        return records[-1]["__CURSOR"] if records else ""

    def processes(self):
        """Pid inside to command line, of all processes of the machine, seen from outside."""
        found = {}
        with contextlib.suppress(OSError):
            own = os.readlink(f"/proc/{self.leader}/ns/pid")
            for pid in process_tree(self.leader):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/ns/pid") == own:
                        status = Path(f"/proc/{pid}/status").read_text()
                        number = re.search(r"^NSpid:.*\s(\d+)$", status, re.M)[1]
                        title = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                        found[int(number)] = title.decode(errors="replace").strip()
        return found

    def describe(self):
        """For a failure: what failed, and the journal."""
        parts = [f"machine {self.name}: {self.release}, booted in {self.boot_seconds or 0:.2f} s"]
        with contextlib.suppress(Exception):
            if self.is_alive:
                failed = self.run("systemctl", "--failed", "--no-legend", check=False, timeout=5)
                parts += ["--- failed units", failed.stdout.rstrip() or "none"]
        with contextlib.suppress(Exception):
            parts += ["--- journal"]
            for record in self.journal("--lines=200") if self.leader else ():
                clock = int(record["__REALTIME_TIMESTAMP"]) / 1e6
                name = record.get("SYSLOG_IDENTIFIER", record.get("_COMM", "?"))
                parts.append(f"{time.strftime('%T', time.localtime(clock))}.{clock % 1 * 1000:03.0f}"
                             f" {name}[{record.get('_PID', '')}]: {record.get('MESSAGE')}")
        with contextlib.suppress(OSError):
            parts += ["--- console", (self.work / "console").read_text(errors="replace")[-4000:]]
        return "\n".join(parts)

    # The network

    @contextlib.contextmanager
    def network(self):
        """The calling thread is in the machine's network meanwhile; sockets it makes stay there.
        Every thread enters for itself."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self.netns)
            try:
                yield
            finally:
                setns(before)
        finally:
            os.close(before)

    def connect(self, port, host="127.0.0.1", timeout=PATIENCE):
        """A connection to a port of the machine, or to the path of a unix socket."""
        if isinstance(port, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            try:
                sock.connect(str(self.inside(port)))
            except BaseException:
                sock.close()
                raise
            return sock
        with self.network():
            return socket.create_connection((host, port), timeout)

    def exchange(self, port, data=b"", host="127.0.0.1"):
        """Connects, sends data, ends sending, returns all that comes back."""
        with self.connect(port, host) as sock:
            if data:
                sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(1 << 20), b""))

    # Packages and layers

    def install(self, *debs):
        """dpkg -i of packages of the host."""
        for deb in debs:
            self.inside("/root").joinpath(Path(deb).name).write_bytes(Path(deb).read_bytes())
        names = [f"/root/{Path(deb).name}" for deb in debs]
        result = self.run("dpkg", "-i", *names, timeout=4 * PATIENCE)
        self.run("rm", *names)
        return result

    def install_aside(self, package):
        """A package of Debian's, and what it depends on; tools/rootfs has put them there."""
        self.run(f"apt-get install -qy {ASIDE}/{package}/*", timeout=4 * PATIENCE)

    def save_layer(self, path):
        """Powers off and keeps what the machine changed; the journal begins anew."""
        self.power_off()
        upper = self.file("").parent / "upper"
        new = Path(f"{path}.{os.getpid()}.new")
        try:
            subprocess.run(["tar", "-c", "--xattrs", "--xattrs-include=*", "--numeric-owner",
                            "--exclude=./var/log/journal/*/*", "-f", new, "-C", upper, "."],
                           check=True, stderr=subprocess.DEVNULL)
            new.rename(path)
        finally:
            new.unlink(missing_ok=True)


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextlib.contextmanager
def guard(process, deadline):
    """Kills a process that holds up what is done meanwhile for too long."""
    late = threading.Event()
    timer = threading.Timer(deadline, lambda: (late.set(), process.kill()))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        raise Timeout(f"not done within {deadline} s")


def make_layer(release, name, debs):
    """The layer of a machine in which packages were installed with dpkg; made once for the same
    packages on the same root file system, by whoever comes first."""
    digest = hashlib.sha256((ROOTFS / f"{release}-run.stamp").read_bytes())
    for deb in debs:
        digest.update(Path(deb).read_bytes())
    path = ROOTFS / f"{release}-{name}-{digest.hexdigest()[:16]}.tar"
    with open(ROOTFS / f"{release}-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in ROOTFS.glob(f"{release}-{name}-*.tar"):
                old.unlink()
            with Machine(release) as machine:
                machine.install(*debs)
                machine.save_layer(path)
    return path


def tcpd_debs(release):
    """The package of tcpd for a release, [] when there is none."""
    return sorted((DEBS / release).glob("tcpd-server_*.deb"), key=lambda deb: deb.stat().st_mtime)[-1:]


def repack(deb, version, directory):
    """A copy of a package that says it is of another version."""
    tree = Path(directory) / f"tree-{version}"
    new = Path(directory) / f"{Path(deb).name.partition('_')[0]}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, new], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return new
