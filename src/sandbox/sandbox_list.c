// SPDX-License-Identifier: MIT
// Who adds a call to a built-in handler's path finds it missing here by SIGSYS, and its name in the
// log. A name that the library or this machine does not know is passed over.

#include "sandbox/sandbox_list.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "base/base.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED
#endif

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC)

// clang-format off
#define ALLOW(name) {(name), SANDBOX_ALLOW, SANDBOX_ALWAYS, 0, 0}
#define KILL(name) {(name), SANDBOX_KILL, SANDBOX_ALWAYS, 0, 0}
#define REFUSE(name) {(name), SANDBOX_REFUSE, SANDBOX_ALWAYS, 0, 0}
#define ABSENT(name) {(name), SANDBOX_ABSENT, SANDBOX_ALWAYS, 0, 0}
#define ALLOW_IF(name, argument, when, value) \
    {(name), SANDBOX_ALLOW, SANDBOX_##when, (argument), (value)}
#define KILL_IF(name, argument, when, value) \
    {(name), SANDBOX_KILL, SANDBOX_##when, (argument), (value)}

// What a worker with a built-in handler does: serve, wait, log, exit, and read what the C library
// reads. The listener is for accept() and recvmsg() alone: its socket belongs to others, too.
static const struct sandbox_row strict[] = {
    // Sockets.
    ALLOW("accept"), ALLOW("accept4"), ALLOW("read"), ALLOW("readv"), ALLOW("recvfrom"),
    ALLOW("recv"), ALLOW("recvmsg"), ALLOW("recvmmsg"), ALLOW("write"), ALLOW("writev"),
    ALLOW("pwritev2"), ALLOW("send"), ALLOW("sendto"), ALLOW("sendmsg"), ALLOW("sendmmsg"),
    ALLOW("getsockopt"), ALLOW("getsockname"), ALLOW("getpeername"), ALLOW("poll"), ALLOW("ppoll"),
    ALLOW("close"), ALLOW("shutdown"), ALLOW("pipe2"), ALLOW("splice"),
    ALLOW("setsockopt"),
    ALLOW("fcntl"),
    ALLOW("ioctl"),
    ALLOW("dup3"), // TERM: the dead socket
    // Signals, timers, clocks.
    ALLOW("alarm"), ALLOW("setitimer"), ALLOW("getitimer"), ALLOW("timer_create"),
    ALLOW("timer_settime"), ALLOW("timer_gettime"), ALLOW("timer_delete"), ALLOW("nanosleep"),
    ALLOW("clock_nanosleep"), ALLOW("clock_gettime"), ALLOW("clock_getres"), ALLOW("gettimeofday"),
    ALLOW("time"), ALLOW("rt_sigaction"), ALLOW("rt_sigprocmask"),
    ALLOW("rt_sigreturn"), ALLOW("rt_sigtimedwait"), ALLOW("sigaltstack"), ALLOW("restart_syscall"),
    ALLOW("kill"), ALLOW("tgkill"),
    // The process and its memory. Without mremap(), realloc() copies.
    ALLOW("exit"), ALLOW("exit_group"), ALLOW("getpid"), ALLOW("getppid"), ALLOW("gettid"),
    ALLOW("getuid"), ALLOW("geteuid"), ALLOW("getgid"), ALLOW("getegid"), ALLOW("futex"),
    ALLOW("futex_time64"), ALLOW("getrandom"), ALLOW("brk"), ALLOW("mmap"), ALLOW("munmap"),
    ALLOW("mprotect"), ALLOW("madvise"), REFUSE("mremap"), ALLOW("rseq"), ALLOW("sched_yield"),
    ALLOW("set_robust_list"), ALLOW("uname"), ALLOW("sysinfo"), ALLOW("getrlimit"),
    // Files that are there: the time zone, libraries. And the journal, where a long record is a
    // memfd.
    ALLOW_IF("open", 1, HAS_NONE_OF, WRITES), ALLOW_IF("openat", 2, HAS_NONE_OF, WRITES),
    ALLOW("fstat"), ALLOW("stat"), ALLOW("lstat"), ALLOW("newfstatat"), ALLOW("statx"),
    ALLOW("lseek"), ALLOW("pread64"), ALLOW("access"), ALLOW("faccessat"), ALLOW("faccessat2"),
    ALLOW("readlink"), ALLOW("readlinkat"), ALLOW_IF("socket", 0, IS, 1 /* AF_UNIX */),
    ALLOW("connect"), ALLOW("memfd_create"),
#ifdef IS_SANITIZED
    ALLOW("personality"), ALLOW("prlimit64"), ALLOW("prctl"), ALLOW("sched_getaffinity"),
#endif
};

// No program has a use for it that is served: it serves to get at other processes and at the
// kernel, or to be another machine.
static const struct sandbox_row programs[] = {
    REFUSE("ptrace"), REFUSE("process_vm_readv"), REFUSE("process_vm_writev"),
    REFUSE("process_madvise"), REFUSE("pidfd_getfd"), REFUSE("kcmp"), REFUSE("bpf"),
    REFUSE("perf_event_open"), REFUSE("userfaultfd"), REFUSE("add_key"), REFUSE("keyctl"),
    REFUSE("request_key"), REFUSE("mount"), REFUSE("umount"), REFUSE("umount2"),
    REFUSE("pivot_root"), REFUSE("move_mount"), REFUSE("open_tree"), REFUSE("fsopen"),
    REFUSE("fsconfig"), REFUSE("fsmount"), REFUSE("fspick"), REFUSE("mount_setattr"),
    REFUSE("unshare"), REFUSE("setns"), REFUSE("init_module"), REFUSE("finit_module"),
    REFUSE("delete_module"), REFUSE("kexec_load"), REFUSE("kexec_file_load"), REFUSE("reboot"),
    REFUSE("swapon"), REFUSE("swapoff"), REFUSE("acct"), REFUSE("quotactl"), REFUSE("syslog"),
    REFUSE("settimeofday"), REFUSE("clock_settime"), REFUSE("adjtimex"), REFUSE("clock_adjtime"),
    REFUSE("sethostname"), REFUSE("setdomainname"), REFUSE("iopl"), REFUSE("ioperm"),
    REFUSE("open_by_handle_at"), REFUSE("fanotify_init"), REFUSE("vhangup"),
    ABSENT("io_uring_setup"), ABSENT("io_uring_enter"), ABSENT("io_uring_register"),
    // Asking is fine, and so is what setarch(8) sets for a program of this machine.
    {"personality", SANDBOX_REFUSE, SANDBOX_IS_NOT, 0, 0xffffffffU},
};

// The same, for code in the worker, which has the listener in its hands and one process to be.
static const struct sandbox_row modules[] = {
    KILL("ptrace"), KILL("process_vm_readv"), KILL("process_vm_writev"), KILL("process_madvise"),
    KILL("process_mrelease"), KILL("pidfd_open"), KILL("pidfd_getfd"), KILL("pidfd_send_signal"),
    KILL("kcmp"), KILL("bpf"), KILL("perf_event_open"), KILL("userfaultfd"), KILL("add_key"),
    KILL("keyctl"), KILL("request_key"), KILL("mount"), KILL("umount"), KILL("umount2"),
    KILL("pivot_root"), KILL("chroot"), KILL("move_mount"), KILL("open_tree"), KILL("fsopen"),
    KILL("fsconfig"), KILL("fsmount"), KILL("fspick"), KILL("mount_setattr"), KILL("unshare"),
    KILL("setns"), KILL("init_module"), KILL("finit_module"), KILL("delete_module"),
    KILL("kexec_load"), KILL("kexec_file_load"), KILL("reboot"), KILL("swapon"), KILL("swapoff"),
    KILL("open_by_handle_at"), KILL("remap_file_pages"), KILL("move_pages"), KILL("migrate_pages"),
    KILL_IF("personality", 0, IS_NOT, 0xffffffffU),
    // Rings of calls that no filter sees; libraries do without.
    ABSENT("io_uring_setup"), ABSENT("io_uring_enter"), ABSENT("io_uring_register"),
    // One process, with as many threads as it likes. clone3() has its flags where no filter looks.
    KILL("fork"), KILL("vfork"), KILL("execve"), KILL("execveat"), ABSENT("clone3"),
    KILL_IF("clone", 0, HAS_NONE_OF, CLONE_THREAD),
    KILL("tkill"), KILL_IF("prlimit64", 0, IS_NOT, 0),
    // Its own it may change, as 0.
    {"setpriority", SANDBOX_REFUSE, SANDBOX_IS_NOT, 1, 0},
    {"ioprio_set", SANDBOX_REFUSE, SANDBOX_IS_NOT, 1, 0},
    {"sched_setscheduler", SANDBOX_REFUSE, SANDBOX_IS_NOT, 0, 0},
    {"sched_setparam", SANDBOX_REFUSE, SANDBOX_IS_NOT, 0, 0},
    {"sched_setattr", SANDBOX_REFUSE, SANDBOX_IS_NOT, 0, 0},
    {"sched_setaffinity", SANDBOX_REFUSE, SANDBOX_IS_NOT, 0, 0},
    // It serves who comes to the listener, and listens nowhere else. libc binds to look names up.
    KILL("listen"), REFUSE("bind"),
    // A shared page can be made larger than the worker's own; realloc() copies.
    REFUSE("mremap"),
};

// What is of its own process, and of the listener, whose socket belongs to others, too: it is there
// to be accepted from. SIGSYS ends a worker, whose handler only takes note of why.
static const struct sandbox_row own[] = {
    KILL_IF("kill", 0, IS_NOT, SANDBOX_OWN_PID), KILL_IF("tgkill", 0, IS_NOT, SANDBOX_OWN_PID),
    KILL_IF("rt_sigqueueinfo", 0, IS_NOT, SANDBOX_OWN_PID),
    KILL_IF("rt_tgsigqueueinfo", 0, IS_NOT, SANDBOX_OWN_PID),
    KILL_IF("rt_sigaction", 0, IS, SIGSYS),
    // The kernel sends signals for whoever owns a descriptor, to whom that says.
    KILL_IF("fcntl", 1, IS, F_SETOWN), KILL_IF("fcntl", 1, IS, F_SETOWN_EX),
    KILL_IF("fcntl", 1, IS, F_SETSIG), KILL_IF("ioctl", 1, IS, FIOSETOWN),
    KILL_IF("ioctl", 1, IS, SIOCSPGRP),
    KILL_IF("shutdown", 0, IS, SANDBOX_LISTENER), KILL_IF("setsockopt", 0, IS, SANDBOX_LISTENER),
    KILL_IF("fcntl", 0, IS, SANDBOX_LISTENER), KILL_IF("ioctl", 0, IS, SANDBOX_LISTENER),
    KILL_IF("dup", 0, IS, SANDBOX_LISTENER), KILL_IF("dup2", 0, IS, SANDBOX_LISTENER),
    KILL_IF("dup3", 0, IS, SANDBOX_LISTENER),
};

// clang-format on

static const struct sandbox_list lists[SANDBOX_KINDS] = {
    [SANDBOX_STRICT] = {{{SANDBOX_KILL, false, strict, ELEMENTS(strict)},
                         {SANDBOX_ALLOW, false, own, ELEMENTS(own)}}},
    [SANDBOX_MODULES] = {{{SANDBOX_ALLOW, false, modules, ELEMENTS(modules)},
                          {SANDBOX_ALLOW, false, own, ELEMENTS(own)}}},
    [SANDBOX_PROGRAMS] = {{{SANDBOX_ALLOW, true, programs, ELEMENTS(programs)}}},
};

const struct sandbox_list *sandbox_list_get(enum sandbox_kind kind)
{
    return lists[kind].tables[0].n > 0 ? &lists[kind] : NULL;
}
