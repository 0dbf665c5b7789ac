// SPDX-License-Identifier: MIT
// A process may raise its score without a privilege, and the unit lowers the master's by as much:
// so its workers have what other services have.

#include "process/oom_score.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

#define STEP    100 // a tenth of the memory there is; OOMScoreAdjust= in systemd/sandbox.inc
#define HIGHEST 1000

void oom_score_raise(void)
{
    cleanup_close int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    char text[16] = "";
    long score;
    int n;

    if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return;
    score = strtol(text, NULL, 10) + STEP;
    n = snprintf(text, sizeof(text), "%ld", score < HIGHEST ? score : HIGHEST);
    (void)!pwrite(fd, text, (size_t)n, 0);
}
