// SPDX-License-Identifier: MIT
// Reading the limits: getrlimit(2), /proc and control groups of both versions, each with the groups
// above it. A file that cannot be read is no limit. cgroups(7), proc(5).

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/base.h"
#include "config/system_limits.h"

#define CGROUPS          "/sys/fs/cgroup"
#define CAP_SYS_ADMIN    21
#define CAP_SYS_RESOURCE 24

struct list {
    struct system_limit *items;
    size_t n;
};

static bool read_text(const char *path, char *text, size_t size)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

bool system_limits_number(const char *text, uint64_t *ret_number)
{
    if (!isdigit((unsigned char)*text))
        return false;
    *ret_number = strtoull(text, NULL, 10);
    return true;
}

uint64_t system_limits_tasks(const char *loadavg)
{
    unsigned long long tasks; // "0.00 0.01 0.05 1/345 6789"

    return sscanf(loadavg, "%*s %*s %*s %*u/%llu", &tasks) == 1 ? tasks : 0;
}

bool system_limits_line(const char *text, const char *name, int base, uint64_t *ret_number)
{
    size_t length = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            *ret_number = strtoull(line + length + 1, NULL, base);
            return true;
        }
    }
    return false;
}

// Whether a name is in a list like "cpu,cpuacct".
static bool has_name(const char *names, size_t length, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = names; at + n <= names + length; at++)
        if (strncmp(at, name, n) == 0 && (at == names || at[-1] == ',') &&
            (at + n == names + length || at[n] == ','))
            return true;
    return false;
}

bool system_limits_group(const char *text, const char *controller, char *path, size_t size,
                         bool *ret_unified)
{
    bool found = false;

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        const char *names, *its;
        bool unified;

        line += *line == '\n';
        names = strchr(line, ':');
        its = names ? strchr(names + 1, ':') : NULL;
        if (!its)
            break;
        unified = its == names + 1;
        if (!unified && !has_name(names + 1, (size_t)(its - names) - 1, controller))
            continue;
        if (found && unified)
            continue; // the controller is in a tree of its own
        (void)snprintf(path, size, "%.*s", (int)strcspn(its + 1, "\n"), its + 1);
        *ret_unified = unified;
        found = true;
    }
    return found && path[0] == '/' && !strstr(path, "/..");
}

static struct system_limit *add(struct list *list, enum limit_kind kind, uint64_t value)
{
    struct system_limit *limit = &list->items[list->n];

    *limit = (struct system_limit){.kind = kind, .value = value};
    if (list->n < SYSTEM_LIMITS_MAX - 1)
        list->n++;
    return limit;
}

static uint64_t less(uint64_t number, uint64_t own)
{
    return number > own ? number - own : 0;
}

// A limit of one group and of those above it, the outermost last. `own`: of its usage.
static void add_groups(struct list *list, enum limit_kind kind, const char *controller,
                       const char *file_v1, const char *file_v2, uint64_t own)
{
    char text[4096], path[512], file[1024];
    bool unified;
    uint64_t value, used;

    if (!read_text("/proc/self/cgroup", text, sizeof(text)) ||
        !system_limits_group(text, controller, path, sizeof(path), &unified))
        return;
    for (;;) {
        const char *tree = !unified                                ? controller
                           : access(CGROUPS "/unified", F_OK) == 0 ? "unified"
                                                                   : "";
        int n = snprintf(file, sizeof(file), "%s/%s%s/", CGROUPS, tree, path);
        char *slash = strrchr(path, '/');

        (void)snprintf(file + n, sizeof(file) - (size_t)n, "%s", unified ? file_v2 : file_v1);
        if (read_text(file, text, sizeof(text)) && system_limits_number(text, &value)) {
            struct system_limit *limit = add(list, kind, value);

            (void)snprintf(limit->group, sizeof(limit->group), "%.*s",
                           (int)sizeof(limit->group) - 1, path[0] ? path : "/");
            (void)snprintf(file + n, sizeof(file) - (size_t)n, "%s.current", controller);
            if (kind == LIMIT_GROUP_MEMORY)
                limit->value /= 1024;
            else if (read_text(file, text, sizeof(text)) && system_limits_number(text, &used))
                limit->others = less(used, own);
        }
        if (path[0] == '\0' || slash == NULL || strcmp(path, "/") == 0)
            return;
        *slash = '\0';
    }
}

// The threads of this user that can be seen.
static uint64_t count_user_tasks(void)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    uint64_t n = 0, uid, threads;
    char path[64], text[4096];

    while (proc && (entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%.20s/status", entry->d_name);
        if (read_text(path, text, sizeof(text)) && system_limits_line(text, "Uid", 10, &uid) &&
            uid == getuid() && system_limits_line(text, "Threads", 10, &threads))
            n += threads;
    }
    if (proc)
        (void)closedir(proc);
    return n;
}

// The kernel does not hold root to RLIMIT_NPROC, nor who has one of two capabilities.
static bool is_exempt(void)
{
    uint64_t capabilities = 0;
    char text[4096];

    if (getuid() == 0)
        return true;
    if (read_text("/proc/self/status", text, sizeof(text)))
        (void)system_limits_line(text, "CapEff", 16, &capabilities);
    return (capabilities & (UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SYS_RESOURCE)) != 0;
}

static void add_rlimits(struct list *list, uint64_t own)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && !is_exempt())
        add(list, LIMIT_USER_TASKS, limit.rlim_cur)->others = less(count_user_tasks(), own);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        (void)add(list, LIMIT_FILES, limit.rlim_cur);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        (void)add(list, LIMIT_FILE_SIZE, limit.rlim_cur);
}

static void add_file(struct list *list, enum limit_kind kind, const char *path, uint64_t others)
{
    uint64_t value;
    char text[64];

    if (read_text(path, text, sizeof(text)) && system_limits_number(text, &value))
        add(list, kind, value)->others = others;
}

size_t system_limits_read(unsigned n_own, struct system_limit *list)
{
    struct list its = {.items = list};
    uint64_t own = (uint64_t)n_own + 1, tasks = 0, memory;
    char text[4096];

    if (read_text("/proc/loadavg", text, sizeof(text)))
        tasks = less(system_limits_tasks(text), own);
    add_rlimits(&its, own);
    add_groups(&its, LIMIT_GROUP_TASKS, "pids", "pids.max", "pids.max", own);
    add_file(&its, LIMIT_SYSTEM_TASKS, "/proc/sys/kernel/threads-max", tasks);
    add_file(&its, LIMIT_PIDS, "/proc/sys/kernel/pid_max", tasks);
    add_file(&its, LIMIT_BACKLOG, "/proc/sys/net/core/somaxconn", 0);
    if (read_text("/proc/meminfo", text, sizeof(text)) &&
        system_limits_line(text, "MemAvailable", 10, &memory))
        (void)add(&its, LIMIT_MEMORY, memory);
    add_groups(&its, LIMIT_GROUP_MEMORY, "memory", "memory.limit_in_bytes", "memory.max", own);
    return its.n;
}
