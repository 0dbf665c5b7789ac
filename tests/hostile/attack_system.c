// SPDX-License-Identifier: MIT
// Processes, memory, files, the network, and interfaces of the kernel that no service needs.

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY    (3UL << 30)
#define CHILD_SEC 20

static bool is_client(int fd)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);

    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET;
}

// Processes of its own, which would stay and accept clients.
static void leave_orphans(const struct target *target, int n)
{
    pid_t pid = 0;

    for (int i = 0; pid >= 0 && i < n; i++) {
        pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_NAME, "hostile-orphan");
            (void)prctl(PR_SET_PDEATHSIG, 0);
            (void)setsid();
            (void)signal(SIGALRM, SIG_DFL);
            (void)signal(SIGTERM, SIG_IGN);
            (void)alarm(CHILD_SEC);
            for (;;)
                (void)pause();
        }
    }
    tell(target, "fork", pid);
}

static void execute(const struct target *target, int what)
{
    (void)what;
    (void)dup2(find_fd(0, is_client), STDOUT_FILENO);
    (void)execl("/bin/echo", "echo", "execve ok", NULL);
    tell(target, "execve", -1);
}

static void take_memory(const struct target *target, int what)
{
    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)what;
    tell(target, "mmap", memory == MAP_FAILED ? -1 : 0);
    if (memory != MAP_FAILED)
        (void)munmap(memory, MEMORY);
}

static void crash(const struct target *target, int what)
{
    (void)target;
    (void)what;
    abort();
}

// With a status that has a meaning for the master, or none.
static void leave(const struct target *target, int what)
{
    (void)what;
    _exit(atoi(target->where));
}

static void spin(const struct target *target, int what)
{
    long begin = 0;

    (void)what;
    tell(target, "spins", 0);
    while (is_time_left(&begin))
        continue;
}

// --- Files ---

static void open_file(const struct target *target, int flags)
{
    tell(target, "open", open(target->where, flags | O_CLOEXEC, 0600));
}

// Who opens the file waits until its holder gives way.
static void lease(const struct target *target, int what)
{
    (void)what;
    (void)signal(SIGIO, SIG_IGN);
    tell(target, "F_SETLEASE",
         fcntl(open(target->where, O_RDONLY | O_CLOEXEC), F_SETLEASE, F_WRLCK));
}

static void push_input(const struct target *target, int what)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

    (void)what;
    for (int i = 0; fd < 0 && i < 3; i++)
        if (isatty(i))
            fd = i;
    tell(target, "TIOCSTI", ioctl(fd, TIOCSTI, "\n"));
}

// --- The network ---

static void open_port(const struct target *target, int what)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)what;
    tell(target, "socket", fd);
    tell(target, "bind", bind(fd, (const struct sockaddr *)&any, sizeof(any)));
    tell(target, "listen", listen(fd, 1));
}

static void go_out(const struct target *target, int what)
{
    const struct sockaddr_in there = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)atoi(target->where)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)what;
    tell(target, "socket", fd);
    tell(target, "connect", connect(fd, (const struct sockaddr *)&there, sizeof(there)));
}

// --- The kernel ---

static void call_kernel(const struct target *target, int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SYS_io_uring_setup, "io_uring_setup"},
                 {SYS_userfaultfd, "userfaultfd"},
                 {SYS_add_key, "add_key"},
                 {SYS_unshare, "unshare"},
                 {SYS_mount, "mount"},
                 {SYS_setns, "setns"},
                 {SYS_chroot, "chroot"},
                 {SYS_personality, "personality"},
                 {SYS_bpf, "bpf"},
                 {SYS_perf_event_open, "perf_event_open"},
                 {SYS_setresuid, "setresuid"}};
    static struct io_uring_params ring;
    static union bpf_attr map = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    static struct perf_event_attr counter = {.size = sizeof(counter)};
    const char *name = "";
    long a = 0, b = 0, c = 0, d = 0, e = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            name = names[i].name;
    if (number == SYS_io_uring_setup)
        a = 4, b = (long)&ring;
    else if (number == SYS_add_key)
        a = (long)"user", b = (long)"tcpd", c = (long)"x", d = 1, e = -3; // the session's keyring
    else if (number == SYS_unshare)
        a = CLONE_NEWUSER;
    else if (number == SYS_mount)
        a = (long)"none", b = (long)target->where, c = (long)"tmpfs";
    else if (number == SYS_setns)
        a = syscall(SYS_pidfd_open, target->master, 0), b = CLONE_NEWNET;
    else if (number == SYS_chroot)
        a = (long)target->where;
    else if (number == SYS_personality)
        a = ADDR_NO_RANDOMIZE;
    else if (number == SYS_bpf)
        b = (long)&map, c = sizeof(map);
    else if (number == SYS_perf_event_open)
        a = (long)&counter, b = target->master, c = -1, d = -1;
    tell(target, name, syscall(number, a, b, c, d, e, 0));
}

const struct attack attacks_on_system[] = {
    {"fork", leave_orphans, 1},
    {"fork-many", leave_orphans, 100},
    {"execute", execute, 0},
    {"take-memory", take_memory, 0},
    {"crash", crash, 0},
    {"leave", leave, 0},
    {"spin", spin, 0},
    {"create-file", open_file, O_WRONLY | O_CREAT | O_EXCL},
    {"write-file", open_file, O_WRONLY | O_APPEND},
    {"lease", lease, 0},
    {"push-input", push_input, 0},
    {"open-port", open_port, 0},
    {"go-out", go_out, 0},
    {"io_uring", call_kernel, SYS_io_uring_setup},
    {"userfaultfd", call_kernel, SYS_userfaultfd},
    {"add_key", call_kernel, SYS_add_key},
    {"unshare", call_kernel, SYS_unshare},
    {"mount", call_kernel, SYS_mount},
    {"setns", call_kernel, SYS_setns},
    {"chroot", call_kernel, SYS_chroot},
    {"personality", call_kernel, SYS_personality},
    {"bpf", call_kernel, SYS_bpf},
    {"perf", call_kernel, SYS_perf_event_open},
    {"setresuid", call_kernel, SYS_setresuid},
    {NULL, NULL, 0},
};
