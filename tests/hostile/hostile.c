// SPDX-License-Identifier: MIT
// Finds the attack that a client has named, and tells how its steps went.

#include "hostile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HIGHEST_FD   256
#define LASTS_MSEC   1000
#define LONGEST_LINE 512

void tell(const struct target *target, const char *name, long result)
{
    char line[128];
    int length = snprintf(line, sizeof(line), "%s %s\n", name,
                          result < 0 ? strerrorname_np(errno) : "ok");

    target->say(target->to, line, (size_t)length);
}

int find_fd(int from, bool (*is_wanted)(int fd))
{
    for (int fd = from; fd < HIGHEST_FD; fd++)
        if (is_wanted(fd))
            return fd;
    errno = EBADF;
    return -1;
}

bool is_listener(int fd)
{
    int yes = 0;
    socklen_t size = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

bool is_time_left(long *begin)
{
    struct timespec now;
    long msec;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    msec = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (*begin == 0)
        *begin = msec;
    return msec - *begin < LASTS_MSEC;
}

static const struct attack *find(const char *name)
{
    static const struct attack *const tables[] = {attacks_on_memory, attacks_by_signals,
                                                  attacks_on_listener, attacks_by_words,
                                                  attacks_on_system};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct attack *attack = tables[i]; attack->name; attack++)
            if (strcmp(attack->name, name) == 0)
                return attack;
    return NULL;
}

// The next word of a line, "" behind the last.
static const char *next_word(char **rest)
{
    const char *word = strsep(rest, " ");

    return word ? word : "";
}

void hostile_run(const char *line, struct target *target)
{
    char words[LONGEST_LINE];
    char *rest = words;
    const struct attack *attack;

    (void)snprintf(words, sizeof(words), "%s", line);
    attack = find(next_word(&rest));
    target->master = (pid_t)strtol(next_word(&rest), NULL, 10);
    target->victim = (pid_t)strtol(next_word(&rest), NULL, 10);
    target->where = next_word(&rest);
    if (attack)
        attack->run(target, attack->what);
    errno = EINVAL;
    tell(target, "done", attack ? 0 : -1);
}
