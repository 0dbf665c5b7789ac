// SPDX-License-Identifier: MIT
// A process may raise its score without a privilege, and the unit lowers the master's by as much:
// so its workers have what other services have.

#include "process/oom_score.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"

#define STEP    100 // a tenth of the memory there is; OOMScoreAdjust= in systemd/sandbox.inc
#define HIGHEST 1000

// strtol(3) and snprintf(3) would be pages of the library, in each worker.
static int parse(const char *text)
{
    bool is_negative = *text == '-';
    int score = 0;

    for (text += is_negative; *text >= '0' && *text <= '9'; text++)
        score = score * 10 + (*text - '0');
    return is_negative ? -score : score;
}

// The text ends where `end` points; returns where it begins.
static char *format(char *end, int score)
{
    int rest = score < 0 ? -score : score;

    do
        *--end = (char)('0' + rest % 10);
    while (rest /= 10);
    if (score < 0)
        *--end = '-';
    return end;
}

void oom_score_raise(void)
{
    cleanup_close int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    char text[16] = "", *end = text + sizeof(text), *begin;
    int score;

    if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return;
    score = parse(text) + STEP;
    begin = format(end, score < HIGHEST ? score : HIGHEST);
    (void)!pwrite(fd, begin, (size_t)(end - begin), 0);
}
