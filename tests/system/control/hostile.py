# SPDX-License-Identifier: MIT
"""The attacks of tests/hostile, and how to see whom each has hurt.

What is looked for after each, as words: "master" (it is gone, stops or is stopped; then nothing else is
looked for), "session" (of another service), "others" and "own" (new clients of another service, of the
attacker's own, are not served), "reload" and "stop" (fail, or last), "log" (more than a megabyte),
"forged" (a line that tcpd has not written), "orphan" (a process that the session leaves), "control"
(root gets no answer), and the names of steps that must be refused and are not.
"""

import contextlib
import time
from dataclasses import dataclass, field

from harness import Timeout, wait_for

SERVED_WITHIN = 2.5  # a new client, each time
RIGHT_WITHIN = 8.0   # from the attack on, what is put right by the clock
FLOOD = 1 << 20      # bytes of log


@dataclass(frozen=True)
class Row:
    name: str
    refused: tuple = ()  # steps of which none may go well
    where: str = ""      # "control", "notify", "conf", "folder", "new", "port", or the word itself
    lasts: bool = False  # the attack goes on while its effect is looked for
    # What it does nevertheless, by the first that fits of kind and user ("module root"), kind, user,
    # "any"; why is in tcpd.service(8), SECURITY.
    harm: dict = field(default_factory=dict)

    def expected(self, kind, user):
        fits = (f"{kind} {user}", kind, user, "any")
        return next((self.harm[name] for name in fits if name in self.harm), set())


def steps(text):
    """Step to "ok" or an errno's name; "ok" of several."""
    found = {}
    for line in text.decode(errors="replace").splitlines():
        name, _, result = line.partition(" ")
        if found.get(name) != "ok":
            found[name] = result
    return found


def read_answer(sock, until, deadline=RIGHT_WITHIN):
    """What comes up to a text or the end of the connection."""
    data = b""
    sock.settimeout(deadline)
    with contextlib.suppress(OSError):
        while until not in data and (chunk := sock.recv(4096)):
            data += chunk
    return data


def is_served(connect, name):
    """A new client is answered, in time."""
    try:
        with connect(name, timeout=SERVED_WITHIN) as sock:
            sock.sendall(b"none\n")
            return read_answer(sock, b"\n", SERVED_WITHIN) in (b"none\n", b"done EINVAL\n")
    except OSError:
        return False


def is_whole(sock):
    try:
        sock.settimeout(RIGHT_WITHIN)
        sock.sendall(b"y")
        return sock.recv(1) == b"y"
    except OSError:
        return False


def happens(predicate, deadline=RIGHT_WITHIN):
    try:
        wait_for(predicate, deadline)
        return True
    except Timeout:
        return False


def hurt_clients(world, held):
    """Which of the words about clients are true now."""
    begin = time.monotonic()
    found = set() if is_whole(held) else {"session"}
    for word, name in (("others", "bystander"), ("own", "hostile")):
        left = max(SERVED_WITHIN, begin + RIGHT_WITHIN - time.monotonic())
        if not happens(lambda name=name: is_served(world.connect, name) or
                       not world.is_master_well(), left):
            found.add(word)
    return found


def attack(world, row):
    """Does it; the words that are true, and what the steps have answered."""
    with world.connect("bystander", timeout=RIGHT_WITHIN) as held:
        assert is_whole(held)
        master, victim = world.numbers(held)
        line = f"{row.name} {master} {victim} {world.places.get(row.where, row.where)}\n"
        with world.connect("hostile", timeout=RIGHT_WITHIN) as sock:
            sock.sendall(line.encode())
            said = read_answer(sock, b"\n" if row.lasts else b"done ok\n")
            found = hurt_clients(world, held)
            if row.lasts:
                said += read_answer(sock, b"done ok\n", 1.5)
                found |= hurt_clients(world, held)
            found |= world.look(row)
            if world.is_master_well() and not world.reload():
                found.add("reload")
            if world.is_master_well():
                found |= hurt_clients(world, held)
    if not happens(lambda: not world.orphans(), 2):
        found.add("orphan")
    if not world.is_master_well():
        found = {"master"}
    elif not world.stop():
        found.add("stop")
    answers = steps(said)
    assert answers.get("done") != "EINVAL", f"no attack of that name: {row.name}"
    return found | {step for step in row.refused if answers.get(step) == "ok"}, answers


def name_of(row):
    return f"{row.name}-{row.where}" if row.name == "leave" else row.name


def programs_may(*words):
    """No list of system calls for programs can forbid it."""
    return {"program": set(words)}


ROWS = [
    # The master's memory and descriptors
    Row("cut-memory", ("shrink", "grow", "seal")),
    Row("write-code", ("pwrite",)),
    Row("read-heap", ("process_vm_readv",)),
    Row("write-heap", ("process_vm_writev",)),
    Row("take-descriptors", ("pidfd_getfd",)),
    Row("read-files", ("mem", "environ", "maps", "fd", "oom_score_adj", "comm", "timerslack_ns"),
        harm={"module root": {"environ", "maps", "fd", "oom_score_adj", "timerslack_ns"}}),
    Row("trace-master", ("ptrace",)),
    Row("trace-victim", ("ptrace",)),
    Row("trace-me"),
    Row("limit-files", ("prlimit",), harm=programs_may("prlimit", "reload")),
    Row("limit-processes", ("prlimit",), harm=programs_may("prlimit", "reload")),
    Row("setpriority", ("setpriority",), harm=programs_may("setpriority")),
    Row("setscheduler", ("sched_setscheduler",), harm=programs_may("sched_setscheduler")),
    Row("setaffinity", ("sched_setaffinity",), harm=programs_may("sched_setaffinity")),
    # What all share
    Row("scribble"),
    Row("scribble-sources"),
    Row("punch"),
    Row("map-all", ("mremap",)),
    Row("lie-many", lasts=True),
    Row("lie-none", lasts=True),
    Row("wake-parked", lasts=True),
    Row("wake-often", lasts=True),
    Row("wake-emptied", lasts=True),
    # Signals
    *(Row(f"{name}-master") for name in ("term", "int", "hup", "kill", "stop", "abort", "tgkill",
                                         "pidfd", "forged", "sigio")),
    *(Row(f"{name}-often") for name in ("usr1", "ttin", "ttou", "chld")),
    *(Row(f"{name}-victim") for name in ("sigio", "kill", "stop", "term", "alrm")),
    Row("kill-group"),
    Row("kill-all"),
    # The own worker, until stop_timeout is over.
    Row("ignore-term", harm={"module": {"stop"}}),
    Row("stop-self", lasts=True, harm={"any": {"stop"}}),
    # The listener, and other descriptors
    *(Row(name) for name in ("shut-down", "shut-down-passed", "disconnect", "listen-0", "filter", "filter-locked")),
    *(Row(f"option-{name}") for name in
      ("linger", "sndbuf", "rcvbuf", "pace", "device", "ttl", "defer", "user-timeout", "window",
       "maxseg", "nodelay", "congestion")),
    # That of a program which accepts by itself is left as it is.
    *(Row(f"option-{name}", harm={"listener": {"own"}}) for name in ("minttl", "md5")),
    *(Row(name, harm={"listener": {"reload"}}) for name in
      ("option-timeout", "nonblocking", "nonblocking-ioctl")),
    *(Row(name) for name in ("owned-by-master", "dead-listens", "dead-connects", "replace-all",
                             "close-all")),
    Row("steal", lasts=True),
    # Words
    Row("forge-line"),
    Row("unblock-errors"),
    Row("silence"),
    Row("notify", where="notify"),
    Row("notify-as-master", where="notify"),
    Row("call-stop", where="control"),
    Row("call-reload", ("Reload",), where="control"),
    Row("crowd", where="control"),
    # In a folder of its user's; that of the unit is root's.
    Row("take-place", ("unlink", "bind"), where="control",
        harm={"program": {"unlink", "bind", "control"}, "unit": set(),
              "any": {"unlink", "control"}}),
    # The system
    Row("fork", ("fork",), harm=programs_may("fork")),
    Row("fork-many", ("fork",), harm=programs_may("fork")),
    Row("execute", ("execve",), harm=programs_may("execve")),
    # As much as the unit has, or for a program limit_as.
    Row("take-memory", ("mmap",), harm={"any": {"mmap"}}),
    Row("crash"),
    *(Row("leave", where=status) for status in ("0", "3", "10", "11", "12", "13", "14", "15", "16")),
    Row("spin", lasts=True),
    # What the user may, a module and a program may.
    Row("create-file", ("open",), where="new", harm={"any": {"open"}}),
    Row("write-file", ("open",), where="conf", harm={"root": {"open"}}),
    Row("lease", ("F_SETLEASE",), where="conf", harm={"root": {"F_SETLEASE", "reload"}}),
    Row("push-input", ("TIOCSTI",)),
    Row("open-port", ("listen",), harm=programs_may("listen")),
    # A database's client does; the unit has no network.
    Row("go-out", ("connect",), where="port", harm={"user": {"connect"}, "root": {"connect"}}),
    Row("setresuid", ("setresuid",), harm={"root": {"setresuid"}}),  # who is root already
    *(Row(name, (call,), where="folder") for name, call in (
        ("io_uring", "io_uring_setup"), ("userfaultfd", "userfaultfd"), ("add_key", "add_key"),
        ("unshare", "unshare"), ("mount", "mount"), ("setns", "setns"), ("chroot", "chroot"),
        ("personality", "personality"), ("bpf", "bpf"), ("perf", "perf_event_open"))),
    # Last, as the journal has much to do then
    Row("flood-errors"),
    Row("flood-log"),
]

ON_LISTENER = {"shut-down", "shut-down-passed", "disconnect", "listen-0", "filter", "filter-locked", "nonblocking",
               "nonblocking-ioctl", "owned-by-master", "steal", "close-all", "replace-all",
               *(row.name for row in ROWS if row.name.startswith("option-"))}
