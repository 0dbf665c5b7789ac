// SPDX-License-Identifier: MIT
// /proc/PID/stat, proc_pid_stat(5). The process names itself in there, with anything.

#include "base/parent.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

pid_t parent_of(pid_t pid)
{
    char path[32], line[512];
    const char *end;
    cleanup_close int fd = -1;
    int parent = 0;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
    if (n < 0)
        return 0;
    line[n] = '\0';
    end = strrchr(line, ')');
    return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}
