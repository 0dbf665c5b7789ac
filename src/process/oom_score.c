// SPDX-License-Identifier: MIT
// A process may raise its score, and take that back, without a privilege, and the unit lowers the
// master's by as much: so its workers have what other services have. A child inherits it.

#include "process/oom_score.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"

#define STEP    100 // a tenth of the memory there is; OOMScoreAdjust= in systemd/sandbox.inc
#define HIGHEST 1000

static int own = -1; // the master's; -1: it cannot be changed

// strtol(3) and snprintf(3) would be pages of the library, and this is done for each worker.
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

void oom_score_open(void)
{
    own = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
}

void oom_score_raise(struct oom_score *ret_before)
{
    char text[16], *end = text + sizeof(text), *begin;
    ssize_t n = pread(own, ret_before->text, sizeof(ret_before->text) - 1, 0);
    int score;

    ret_before->size = n > 0 ? (size_t)n : 0;
    if (n <= 0)
        return;
    ret_before->text[n] = '\0';
    score = parse(ret_before->text) + STEP;
    begin = format(end, score < HIGHEST ? score : HIGHEST);
    (void)!pwrite(own, begin, (size_t)(end - begin), 0);
}

void oom_score_restore(const struct oom_score *before)
{
    if (before->size > 0)
        (void)!pwrite(own, before->text, before->size, 0); // it is not lower than it may be
}
