// SPDX-License-Identifier: MIT
// What limits mean, in words, and how a configuration stands to them. Silent: the caller logs.

#include "config/system_limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "board/scoreboard.h"

#define WORKER_KIB      130 // a worker that serves, with what the kernel keeps for it
#define FILES_OF_OWN    160 // descriptors of the master besides its listeners
#define RESERVED_PIDS   300 // that the kernel does not give out a second time
#define USED_UP         16  // so near to a limit that a fork fails for it
#define MIB_OF_KIB(kib) ((kib) / 1024)

// Its name, and how to raise it.
static const struct {
    const char *name, *remedy;
} words[LIMIT_KINDS] = {
    [LIMIT_USER_TASKS] = {"RLIMIT_NPROC (ulimit -u)", "LimitNPROC= of the unit, or ulimit -u,"},
    [LIMIT_GROUP_TASKS] = {"pids.max of", "TasksMax= of the unit, or pids.max,"},
    [LIMIT_SYSTEM_TASKS] = {"kernel.threads-max", "it with sysctl"},
    [LIMIT_PIDS] = {"kernel.pid_max", "it with sysctl"},
    [LIMIT_FILES] = {"RLIMIT_NOFILE (ulimit -n)", "LimitNOFILE= of the unit, or ulimit -n,"},
    [LIMIT_FILE_SIZE] = {"RLIMIT_FSIZE (ulimit -f)", "LimitFSIZE= of the unit, or ulimit -f,"},
    [LIMIT_BACKLOG] = {"net.core.somaxconn", "it with sysctl"},
    [LIMIT_MEMORY] = {"MemAvailable", ""},
    [LIMIT_GROUP_MEMORY] = {"memory.max of", "MemoryMax= of the unit, or memory.max,"},
};

static bool is_of_tasks(const struct system_limit *limit)
{
    return limit->kind <= LIMIT_PIDS;
}

// "pids.max of /system.slice/tcpd.service"
static const char *name_of(const struct system_limit *limit, char *text, size_t size)
{
    (void)snprintf(text, size, "%s%s%s", words[limit->kind].name, limit->group[0] ? " " : "",
                   limit->group);
    return text;
}

static uint64_t room_of(const struct system_limit *limit)
{
    uint64_t used = limit->others + (limit->kind == LIMIT_PIDS ? RESERVED_PIDS : 0);

    return limit->value > used ? limit->value - used : 0;
}

static enum limit_verdict judge_tasks(const struct system_limit *limit,
                                      const struct system_need *need, char *text, size_t size)
{
    uint64_t room = room_of(limit); // of which the master takes one
    enum limit_verdict verdict = room < need->min + 1       ? LIMIT_SHORT_OF_MIN
                                 : room < need->max + 1     ? LIMIT_SHORT_OF_MAX
                                 : room < 2 * need->max + 1 ? LIMIT_SHORT_OF_RELOAD
                                                            : LIMIT_ENOUGH;
    bool is_min = verdict == LIMIT_SHORT_OF_MIN;
    char name[192], others[64] = "";

    if (limit->value > room)
        (void)snprintf(others, sizeof(others), ", of which %" PRIu64 " are in use",
                       limit->value - room);
    (void)snprintf(text, size,
                   "%s of all pools together needs %" PRIu64 " processes, and a reload up to "
                   "twice as many; %s is %" PRIu64 "%s: set %s to at least %" PRIu64,
                   is_min ? "min_workers" : "max_workers", is_min ? need->min : need->max,
                   name_of(limit, name, sizeof(name)), limit->value, others,
                   words[limit->kind].remedy, limit->value - room + 2 * need->max + 1);
    return verdict;
}

static enum limit_verdict judge_memory(const struct system_limit *limit,
                                       const struct system_need *need, char *text, size_t size)
{
    char name[192];

    (void)snprintf(text, size,
                   "max_workers of all pools together needs %" PRIu64
                   " processes, which take about %" PRIu64 " MiB of memory; %s is %" PRIu64 " MiB",
                   need->max, MIB_OF_KIB(need->max * WORKER_KIB),
                   name_of(limit, name, sizeof(name)), MIB_OF_KIB(limit->value));
    return need->max * WORKER_KIB > limit->value ? LIMIT_SHORT_OF_MAX : LIMIT_ENOUGH;
}

static enum limit_verdict judge_files(const struct system_limit *limit,
                                      const struct system_need *need, char *text, size_t size)
{
    uint64_t wanted = need->listeners + FILES_OF_OWN;

    (void)snprintf(text, size,
                   "listening sockets, %" PRIu64 ", and tcpd itself ask for %" PRIu64
                   " descriptors; %s is %" PRIu64 ": set %s to at least %" PRIu64,
                   need->listeners, wanted, words[LIMIT_FILES].name, limit->value,
                   words[LIMIT_FILES].remedy, wanted);
    return limit->value < wanted ? LIMIT_SHORT_OF_MAX : LIMIT_ENOUGH;
}

// Shared memory is a file to the kernel.
static enum limit_verdict judge_file_size(const struct system_limit *limit, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "the memory that workers and master share is a file of %" PRIu64
                   " bytes; %s is %" PRIu64 " bytes: set %s to at least %" PRIu64 " bytes",
                   SCOREBOARD_BYTES, words[LIMIT_FILE_SIZE].name, limit->value,
                   words[LIMIT_FILE_SIZE].remedy, SCOREBOARD_BYTES);
    return limit->value < SCOREBOARD_BYTES ? LIMIT_SHORT_OF_MIN : LIMIT_ENOUGH;
}

static enum limit_verdict judge_backlog(const struct system_limit *limit,
                                        const struct system_need *need, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "backlog = %" PRIu64 " is cut down by %s, which is %" PRIu64
                   ": set %s to at least %" PRIu64,
                   need->backlog, words[LIMIT_BACKLOG].name, limit->value,
                   words[LIMIT_BACKLOG].remedy, need->backlog);
    return limit->value < need->backlog ? LIMIT_SHORT_OF_MAX : LIMIT_ENOUGH;
}

enum limit_verdict system_limits_judge(const struct system_limit *limit,
                                       const struct system_need *need, char *text, size_t size)
{
    if (is_of_tasks(limit))
        return judge_tasks(limit, need, text, size);
    if (limit->kind == LIMIT_FILES)
        return judge_files(limit, need, text, size);
    if (limit->kind == LIMIT_FILE_SIZE)
        return judge_file_size(limit, text, size);
    if (limit->kind == LIMIT_BACKLOG)
        return judge_backlog(limit, need, text, size);
    return judge_memory(limit, need, text, size);
}

struct system_need system_limits_need(const struct config *config)
{
    struct system_need need = {0};

    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];
        uint64_t pools = service->listen.n > 0 ? service->listen.n : 1; // handed over: one at least

        need.min += pools * service->min_workers * (1 + service->n_idle_beside);
        need.max += pools * service->max_workers * (1 + service->n_busy_beside);
        need.listeners += pools;
        if (service->backlog > need.backlog)
            need.backlog = service->backlog;
    }
    return need;
}

void system_limits_check(const struct config *config, const char *path, unsigned n_own,
                         struct problems *errors, struct problems *warnings)
{
    struct system_need need = system_limits_need(config);
    struct system_limit list[SYSTEM_LIMITS_MAX];
    size_t n = system_limits_read(n_own, list);
    char text[512];

    for (size_t i = 0; i < n; i++) {
        enum limit_verdict verdict = system_limits_judge(&list[i], &need, text, sizeof(text));

        if (verdict != LIMIT_ENOUGH)
            problems_add(verdict == LIMIT_SHORT_OF_MIN ? errors : warnings, path, 0, "%s", text);
    }
}

const char *system_limits_explain(unsigned n_own, char *text, size_t size)
{
    struct system_limit list[SYSTEM_LIMITS_MAX];
    size_t n = system_limits_read(n_own, list);
    char name[192];

    (void)snprintf(text, size, "look at TasksMax=, pids.max and ulimit -u");
    for (size_t i = 0; i < n; i++)
        if (is_of_tasks(&list[i]) && room_of(&list[i]) <= (uint64_t)n_own + 1 + USED_UP) {
            (void)snprintf(text, size, "%s is %" PRIu64 " and exhausted",
                           name_of(&list[i], name, sizeof(name)), list[i].value);
            break;
        }
    return text;
}
