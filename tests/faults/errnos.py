# SPDX-License-Identifier: MIT
"""Which errors a system call may give."""

# By call; behind "|" are errors that the kernel does not give for it, but a filter of system calls,
# a security module, a network file system or another kernel may.
ERRNOS = {
    "accept4": "EINTR ECONNABORTED EMFILE ENFILE ENOMEM ENOBUFS EPERM EPROTO ENETDOWN EAGAIN "
               "EINVAL | EBADF EIO",
    "access": "EACCES EIO ENOMEM",
    "bind": "EADDRINUSE EADDRNOTAVAIL EACCES ENOMEM",
    "brk": "",  # it never fails with an errno; see the cells of limit:as
    "capget": "EPERM | EINVAL",
    "capset": "EPERM | EINVAL",
    "chmod": "EPERM EROFS EIO",
    "chown": "EPERM EROFS EIO",
    "clone": "EAGAIN ENOMEM EPERM",
    "clone3": "EAGAIN ENOMEM ENOSYS",
    "close": "EINTR EIO ENOSPC",
    "close_range": "EMFILE ENOMEM ENOSYS",
    "connect": "EINTR EAGAIN ECONNREFUSED EACCES",
    "dup": "EMFILE",
    "dup2": "EBUSY EINTR EMFILE",
    "dup3": "EBUSY EINTR EMFILE",
    "epoll_create1": "EMFILE ENFILE ENOMEM",
    "epoll_ctl": "ENOMEM ENOSPC | EPERM",
    "epoll_pwait": "EINTR",
    "epoll_pwait2": "EINTR ENOSYS | ENOMEM",
    "epoll_wait": "EINTR | ENOMEM EBADF",
    "eventfd2": "EMFILE ENFILE ENOMEM",
    "execve": "ENOENT EACCES ENOMEM EAGAIN E2BIG ETXTBSY",
    "fallocate": "EINTR ENOSPC EOPNOTSUPP EPERM ENOMEM",
    "fchmodat": "EPERM EROFS EIO",
    "fcntl": "EMFILE EPERM EAGAIN",
    "flock": "EINTR ENOLCK",
    "fork": "EAGAIN ENOMEM EPERM",
    "fstat": "ENOMEM EIO",
    "ftruncate": "EINTR ENOSPC EPERM",
    "futex": "| EINTR EAGAIN ENOMEM ENOSYS",
    "getdents64": "EIO ENOMEM",
    "getpeername": "ENOTCONN ENOBUFS",
    "getrandom": "EINTR ENOSYS | EAGAIN",
    "getsockname": "ENOBUFS",
    "getsockopt": "ENOPROTOOPT EPERM | ENOMEM",
    "ioctl": "ENOTTY EIO",
    "kill": "EPERM ESRCH | EAGAIN",
    "landlock_create_ruleset": "ENOSYS EOPNOTSUPP",
    "listen": "EADDRINUSE EPERM",
    "lstat": "EIO",
    "madvise": "EAGAIN ENOMEM EINVAL",
    "memfd_create": "EMFILE ENFILE ENOMEM EPERM",
    "mmap": "ENOMEM EAGAIN EPERM",
    "mprotect": "ENOMEM EACCES",
    "mremap": "ENOMEM",
    "munmap": "ENOMEM",
    "nanosleep": "EINTR",
    "clock_nanosleep": "EINTR",
    "newfstatat": "ENOMEM EIO EACCES ENOENT",
    "open": "EMFILE ENFILE ENOMEM EACCES EIO EINTR",
    "openat": "EMFILE ENFILE ENOMEM EACCES EIO EINTR",
    "pipe2": "EMFILE ENFILE ENOMEM",
    "poll": "EINTR ENOMEM",
    "ppoll": "EINTR ENOMEM",
    "prctl": "EPERM EINVAL",
    "pread64": "EIO EINTR",
    "preadv2": "EOPNOTSUPP EAGAIN EINTR ENOSYS | EIO EPERM",
    "prlimit64": "EPERM",
    "pwritev2": "EAGAIN EINTR EOPNOTSUPP ENOSPC EIO EPIPE",
    "read": "EINTR EAGAIN | EIO",
    "readlink": "ENOENT EIO",
    "readlinkat": "ENOENT EIO",
    "recvfrom": "EINTR EAGAIN ECONNRESET ENOMEM ETIMEDOUT",
    "recvmsg": "EINTR EAGAIN ECONNRESET ENOMEM",
    "rt_sigaction": "| EINVAL",
    "rt_sigprocmask": "| EINVAL",
    "rt_sigtimedwait": "EINTR EAGAIN",
    "seccomp": "ENOMEM EINVAL EACCES",
    "sendmsg": "EINTR EAGAIN ENOBUFS ENOMEM ECONNREFUSED EPIPE EMSGSIZE",
    "sendto": "EINTR EAGAIN ENOBUFS ENOMEM EPIPE ECONNRESET",
    "setpriority": "EPERM EACCES",
    "setrlimit": "EPERM",
    "setsid": "EPERM",
    "setsockopt": "ENOMEM ENOBUFS EPERM ENOPROTOOPT",
    "shutdown": "| ENOTCONN ENOBUFS",
    "signalfd4": "EMFILE ENFILE ENOMEM",
    "socket": "EMFILE ENFILE ENOMEM EACCES EAFNOSUPPORT",
    "socketpair": "EMFILE ENFILE ENOMEM",
    "splice": "EINTR EAGAIN ENOMEM",
    "statx": "EIO ENOMEM",
    "timerfd_create": "EMFILE ENFILE ENOMEM",
    "timerfd_settime": "| ECANCELED ENOMEM",
    "unlink": "EACCES EROFS EIO",
    "unlinkat": "EACCES EROFS EIO",
    "vfork": "EAGAIN ENOMEM EPERM",
    "wait4": "| EINTR ECHILD",  # with WNOHANG
    "waitid": "| EINTR ECHILD",
    "write": "EINTR EAGAIN ENOSPC EIO EPIPE",
    "writev": "EINTR EAGAIN ENOSPC EIO EPIPE",
}
ANY = "ENOMEM EPERM EINTR"

# These wait: one that always says EINTR or EAGAIN would be a kernel that never lets them.
WAITS = frozenset("clock_nanosleep epoll_pwait epoll_pwait2 epoll_wait futex nanosleep ppoll "
                  "preadv2 read rt_sigtimedwait wait4 waitid".split())

# These cannot fail, or the process is no more.
NEVER = frozenset("alarm arch_prctl clock_gettime exit exit_group getegid geteuid getgid getitimer "
                  "getpgrp getpid getppid gettid getuid restart_syscall rseq rt_sigreturn "
                  "sched_yield set_robust_list set_tid_address setitimer umask".split())

# Cells that cannot hold, and why.
LEFT_OUT = (
    (r"^worker:prestart close=\w+ when=always$",
     "strace keeps close(2) from being made, while the kernel closes whatever it answers: the ends "
     "of a program's descriptors that stay open in the worker keep its client waiting"),
)


def errnos_of(call, is_quick, is_all):
    """The errors that it is to give; in the quick form two of them."""
    real, _, other = ERRNOS.get(call, ANY).partition("|")
    errors = real.split() + (other.split() if is_all else [])
    return errors[:2] if is_quick else errors
