// SPDX-License-Identifier: MIT
// Nobody tells how many have a socket open, so all descriptors of all processes that may are looked
// at. That is for the few sessions whose program has left something behind.

#include "program/program_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

// Adds the pids that a file of /proc lists, as long as there is room. False: it cannot be read.
static bool add_children(struct left *left, const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[LEFT_MAX * 12];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    char *next = text;

    text[n > 0 ? n : 0] = '\0';
    for (pid_t pid; left->n < LEFT_MAX && (pid = (pid_t)strtol(next, &next, 10)) > 1;)
        if (*next != '\0') // a number may be cut off
            left->pids[left->n++] = pid;
    return fd >= 0 && n >= 0;
}

bool left_find(struct left *left, pid_t program, pid_t other)
{
    struct left all = {.n = 0};
    bool is_known = add_children(&all, "/proc/thread-self/children");

    left->n = 0;
    for (size_t i = 0; i < all.n; i++)
        if (all.pids[i] != program && all.pids[i] != other &&
            (other == 0 || getsid(all.pids[i]) != other))
            left->pids[left->n++] = all.pids[i];
    return is_known;
}

static bool is_gone(int error)
{
    return error == ENOENT || error == ESRCH;
}

// A zombie's descriptors cannot be looked at, and there are none.
static bool is_dead(pid_t pid)
{
    char path[32], target;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    return readlink(path, &target, 1) < 0 && is_gone(errno);
}

static bool has_open(pid_t pid, const char *wanted)
{
    char path[32], target[40];
    bool is_open = false;
    DIR *folder;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    folder = opendir(path);
    if (!folder)
        return !is_gone(errno) && !is_dead(pid);
    for (const struct dirent *entry; !is_open && (entry = readdir(folder));) {
        ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

        target[n > 0 ? n : 0] = '\0';
        is_open = strcmp(target, wanted) == 0;
    }
    (void)closedir(folder); // only read from
    return is_open;
}

bool left_holds(const struct left *left, ino_t socket)
{
    struct left all = *left;
    char wanted[40], path[48];

    (void)snprintf(wanted, sizeof(wanted), "socket:[%" PRIuMAX "]", (uintmax_t)socket);
    for (size_t i = 0; i < all.n; i++) {
        if (has_open(all.pids[i], wanted))
            return true;
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", all.pids[i], all.pids[i]);
        (void)add_children(&all, path);
    }
    return all.n == LEFT_MAX; // there may be more of them
}
