// SPDX-License-Identifier: MIT
#include "master/retry.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "base/file.h"

#define LONGEST_SEC 30

// FNV-1a.
static uint64_t mix(uint64_t mark, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        mark = (mark ^ (value >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3);
    return mark;
}

static uint64_t mark_file(uint64_t mark, const char *path)
{
    struct stat status = {0};

    (void)stat(path, &status); // one that is not there has all 0
    mark = mix(mark, status.st_ino);
    mark = mix(mark, (uint64_t)status.st_size);
    mark = mix(mark, (uint64_t)status.st_mtim.tv_sec);
    return mix(mark, (uint64_t)status.st_mtim.tv_nsec);
}

uint64_t retry_mark(const char *path)
{
    cleanup_free char *folder = NULL;
    char **names = NULL;
    uint64_t mark = mark_file(UINT64_C(0xcbf29ce484222325), path);

    if (asprintf(&folder, "%s.d", path) < 0)
        base_out_of_memory();
    (void)file_list(folder, ".conf", &names); // mostly there is none
    for (size_t i = 0; names && names[i]; i++) {
        cleanup_free char *file = NULL;

        if (asprintf(&file, "%s/%s", folder, names[i]) < 0)
            base_out_of_memory();
        mark = mark_file(mark, file);
    }
    file_list_free(names);
    return mark;
}

bool retry_wait(const char *path, uint64_t mark, unsigned n)
{
    const struct timespec second = {.tv_sec = 1};
    unsigned left = n <= 5 ? 1U << (n - 1) : LONGEST_SEC;
    int signal = -1;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGHUP);
    while (left-- > 0 && signal < 0 && retry_mark(path) == mark)
        signal = sigtimedwait(&set, NULL, &second);
    return signal > 0 && signal != SIGHUP;
}
