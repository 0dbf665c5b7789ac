// SPDX-License-Identifier: MIT
// The memory, the descriptors and the limits of the master, and the memory that all share.

#include "hostile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE       4096
#define HINT_PAGES 1024 // they come first in the scoreboard
#define ALL_PAGES  (HINT_PAGES + 65536)

struct mapping {
    uintptr_t from, to, offset;
};

// The first mapping of a process whose line has both texts, behind `from`.
static bool find_mapping(pid_t pid, const char *one, const char *two, uintptr_t from,
                         struct mapping *ret)
{
    char line[512];
    FILE *maps;
    bool found = false;

    (void)snprintf(line, sizeof(line), "/proc/%d/maps", pid);
    maps = fopen(line, "re");
    while (maps && !found && fgets(line, sizeof(line), maps)) {
        char *end;

        ret->from = strtoul(line, &end, 16);
        ret->to = strtoul(end + 1, &end, 16);
        ret->offset = strtoul(end + 6, NULL, 16);
        found = ret->from >= from && strstr(line, one) && strstr(line, two);
    }
    if (maps)
        (void)fclose(maps);
    return found;
}

static int open_of(pid_t pid, const char *name, int flags)
{
    char path[288];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return open(path, flags | O_CLOEXEC);
}

// Memory files that the master has open, cut and grown.
static void cut_memory(const struct target *target, int what)
{
    char path[300], link[64];
    struct dirent *entry;
    DIR *folder;

    (void)what;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", target->master);
    folder = opendir(path);
    tell(target, "opendir", folder ? 0 : -1);
    while (folder && (entry = readdir(folder))) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link));
        int fd;

        if (length < 7 || memcmp(link, "/memfd:", 7) != 0)
            continue;
        fd = openat(dirfd(folder), entry->d_name, O_RDWR | O_CLOEXEC);
        tell(target, "open", fd);
        tell(target, "shrink", ftruncate(fd, 0));
        tell(target, "grow", ftruncate(fd, (off_t)1 << 40));
        tell(target, "seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    }
    if (folder)
        (void)closedir(folder);
}

// The master's code becomes illegal instructions.
static void write_code(const struct target *target, int what)
{
    static const char zeros[PAGE];
    struct mapping code = {0};
    int fd = open_of(target->master, "mem", O_RDWR);
    long written = fd;

    (void)what;
    tell(target, "open", fd);
    if (!find_mapping(target->master, "r-xp", "/tcpd", 0, &code))
        (void)find_mapping(getpid(), "r-xp", "/tcpd", 0, &code); // forked: at the same place
    for (uintptr_t at = code.from; fd >= 0 && written >= 0 && at < code.to; at += PAGE)
        written = pwrite(fd, zeros, PAGE, (off_t)at);
    tell(target, "pwrite", written);
}

// What the master has on its heap is read, and written over.
static void reach_heap(const struct target *target, int is_write)
{
    static char buffer[PAGE];
    struct mapping heap = {0};
    struct iovec here = {.iov_base = buffer, .iov_len = PAGE}, there = {.iov_len = PAGE};
    long done = 0;

    if (!find_mapping(target->master, "[heap]", "rw", 0, &heap))
        (void)find_mapping(getpid(), "[heap]", "rw", 0, &heap);
    for (uintptr_t at = heap.from; done >= 0 && at < heap.to; at += PAGE) {
        there.iov_base = (void *)at;
        done = is_write ? process_vm_writev(target->master, &here, 1, &there, 1, 0)
                        : process_vm_readv(target->master, &here, 1, &there, 1, 0);
    }
    tell(target, is_write ? "process_vm_writev" : "process_vm_readv", done);
}

// Listeners of other services are fetched from the master, and closed for good.
static void take_descriptors(const struct target *target, int what)
{
    int pidfd = (int)syscall(SYS_pidfd_open, target->master, 0);
    int own = find_fd(3, is_listener);

    (void)what;
    tell(target, "pidfd_open", pidfd);
    for (int fd = 0; fd < 64; fd++) {
        int taken = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

        if (taken < 0 && errno == EBADF)
            continue;
        tell(target, "pidfd_getfd", taken);
        if (taken < 0)
            return;
        if (fd != own && is_listener(taken))
            (void)shutdown(taken, SHUT_RDWR);
        (void)close(taken);
    }
}

static void read_files(const struct target *target, int what)
{
    static const char *const names[] = {"mem", "environ", "maps", "auxv", "fd", "fdinfo", "cwd"};
    static const char *const written[] = {"oom_score_adj", "coredump_filter", "comm",
                                          "timerslack_ns"};

    (void)what;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        tell(target, names[i], open_of(target->master, names[i], O_RDONLY));
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        int fd = open_of(target->master, written[i], O_WRONLY);

        tell(target, written[i], fd < 0 ? -1 : write(fd, "1000", 4));
    }
}

static void trace(const struct target *target, int is_master)
{
    tell(target, "ptrace",
         ptrace(PTRACE_ATTACH, is_master ? target->master : target->victim, NULL, NULL));
}

// The worker's own parent traces it: each of its signals stops it, for the parent to be told.
static void trace_me(const struct target *target, int what)
{
    (void)what;
    tell(target, "ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static void limit(const struct target *target, int what)
{
    const struct rlimit none = {0, 0};

    tell(target, "prlimit", prlimit(target->master, what, &none, NULL));
}

static void slow_down(const struct target *target, int what)
{
    const struct sched_param zero = {0};
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (what == SYS_setpriority)
        tell(target, "setpriority", setpriority(PRIO_PROCESS, (id_t)target->master, 19));
    else if (what == SYS_sched_setscheduler)
        tell(target, "sched_setscheduler", sched_setscheduler(target->master, SCHED_IDLE, &zero));
    else
        tell(target, "sched_setaffinity", sched_setaffinity(target->master, sizeof(one), &one));
}

// --- The scoreboard ---

// The pool's hints, or the worker's own page; NULL where the process has none.
static void *own_page(bool is_hint)
{
    struct mapping its = {0};

    while (find_mapping(getpid(), "memfd:scoreboard", "rw", its.to, &its))
        if ((its.offset < HINT_PAGES * (uintptr_t)PAGE) == is_hint)
            return (void *)its.from;
    return NULL;
}

static void scribble(const struct target *target, int what)
{
    char *page = own_page(false);

    (void)what;
    tell(target, "page", page ? 0 : -1);
    for (int i = 0; page && i < PAGE; i++)
        page[i] = (char)(i * 37 + 255);
}

// The table of its pool's sources, where there is one, becomes any bytes, over and over.
static void scribble_sources(const struct target *target, int what)
{
    struct mapping table = {0};
    bool is_there = find_mapping(getpid(), "rw-s", "/dev/zero", 0, &table);
    uint64_t bits = 88172645463325252U;
    long begin = 0;

    (void)what;
    tell(target, "table", is_there ? 0 : -1);
    while (is_there && is_time_left(&begin))
        for (uintptr_t at = table.from; at < table.to; at += sizeof(bits)) {
            bits ^= bits << 13; // xorshift64
            bits ^= bits >> 7;
            bits ^= bits << 17;
            *(volatile uint64_t *)at = bits;
        }
}

static void punch(const struct target *target, int what)
{
    char *page = own_page(false);

    (void)what;
    tell(target, "madvise", page ? madvise(page, PAGE, MADV_REMOVE) : -1);
}

// All workers of all pools serve 1.2.3.4, as their pages say.
static void map_all(const struct target *target, int what)
{
    void *hint = own_page(true);
    char *all = hint ? mremap(hint, PAGE, ALL_PAGES * (size_t)PAGE, MREMAP_MAYMOVE) : MAP_FAILED;

    (void)what;
    tell(target, "mremap", all == MAP_FAILED ? -1 : 0);
    for (int slot = 0; all != MAP_FAILED && slot < 64; slot++) {
        const uint8_t peer[] = {AF_INET, 0, 0x30, 0x39, 1, 2, 3, 4};
        char *page = all + (HINT_PAGES + slot) * (size_t)PAGE;
        const uint32_t sequence = 2, busy = 3;

        memcpy(page, &sequence, sizeof(sequence));
        memcpy(page + 4, &busy, sizeof(busy));
        memcpy(page + 24, peer, sizeof(peer));
    }
}

// The pool's counts, without end: waiting in accept(), parked, called; and its futex.
static void lie(const struct target *target, int waiting)
{
    volatile int32_t *hint = own_page(true);
    long begin = 0;

    tell(target, "hint", hint ? 0 : -1);
    while (hint && is_time_left(&begin)) {
        hint[0] = waiting;
        hint[1] = -waiting;
        hint[2] = 0;
    }
}

static void wake_parked(const struct target *target, int what)
{
    uint32_t *hint = own_page(true);
    long begin = 0, woken = 0;

    (void)what;
    tell(target, "hint", hint ? 0 : -1);
    while (hint && woken >= 0 && is_time_left(&begin)) {
        hint[3]++;
        woken = syscall(SYS_futex, &hint[3], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    }
    tell(target, "futex", woken);
}

static bool is_eventfd(int fd)
{
    char path[32], link[32] = "";

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, link, sizeof(link) - 1) > 0 && strstr(link, "eventfd");
}

// The eventfd that wakes the master: as often as can be, or read empty before it is looked at.
static void wake_master(const struct target *target, int is_emptied)
{
    int fd = find_fd(3, is_eventfd);
    long begin = 0;
    eventfd_t value;

    tell(target, "eventfd", fd);
    if (fd >= 0 && is_emptied)
        tell(target, "fcntl", fcntl(fd, F_SETFL, O_RDWR));
    while (fd >= 0 && is_time_left(&begin)) {
        (void)eventfd_write(fd, 1);
        if (is_emptied) {
            (void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK); // the master may have been first
            (void)eventfd_read(fd, &value);
            (void)fcntl(fd, F_SETFL, O_RDWR);
        }
    }
}

const struct attack attacks_on_memory[] = {
    {"cut-memory", cut_memory, 0},
    {"write-code", write_code, 0},
    {"read-heap", reach_heap, false},
    {"write-heap", reach_heap, true},
    {"take-descriptors", take_descriptors, 0},
    {"read-files", read_files, 0},
    {"trace-master", trace, true},
    {"trace-victim", trace, false},
    {"trace-me", trace_me, 0},
    {"limit-files", limit, RLIMIT_NOFILE},
    {"limit-processes", limit, RLIMIT_NPROC},
    {"setpriority", slow_down, SYS_setpriority},
    {"setscheduler", slow_down, SYS_sched_setscheduler},
    {"setaffinity", slow_down, SYS_sched_setaffinity},
    {"scribble", scribble, 0},
    {"scribble-sources", scribble_sources, 0},
    {"punch", punch, 0},
    {"map-all", map_all, 0},
    {"lie-many", lie, 1 << 20},
    {"lie-none", lie, -(1 << 20)},
    {"wake-parked", wake_parked, 0},
    {"wake-often", wake_master, false},
    {"wake-emptied", wake_master, true},
    {NULL, NULL, 0},
};
