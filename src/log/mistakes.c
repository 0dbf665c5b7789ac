// SPDX-License-Identifier: MIT
// The file has the number of starts, then the texts, a line each. What cannot be read or written is
// not known.

#include "log/mistakes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/file.h"

#define SIZE_MAX_KEPT (1024 * 1024)
#define COUNT_MAX     1000000

// The first of the directories: a drop-in's come behind the unit's own.
static bool find_file(char *path, size_t size)
{
    const char *folders = getenv("RUNTIME_DIRECTORY");
    size_t length = folders ? strcspn(folders, ":") : 0;

    return length > 0 && folders[0] == '/' &&
           snprintf(path, size, "%.*s/mistakes", (int)length, folders) < (int)size;
}

// A line each; owned.
static char *join(const struct problems *problems, size_t *ret_size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, ret_size);

    if (!stream)
        base_out_of_memory();
    for (size_t i = 0; i < problems->n; i++)
        (void)fprintf(stream, "%s\n", problems->texts[i]);
    if (fclose(stream) != 0)
        base_out_of_memory();
    return text;
}

// How many starts have failed for this text, as the file says; 0: it says so of another one.
static unsigned count(const char *path, const char *text, size_t size)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    struct file_text kept;
    struct stat status;
    unsigned long n;
    char *end;

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        file_read_open(fd, SIZE_MAX_KEPT, &kept) < 0)
        return 0;
    n = strtoul(kept.bytes, &end, 10);
    if (n > COUNT_MAX || *end != '\n' || kept.n - (size_t)(end + 1 - kept.bytes) != size ||
        memcmp(end + 1, text, size) != 0)
        n = 0;
    free(kept.bytes);
    return (unsigned)n;
}

// A new file, whatever was there.
static void keep(const char *path, unsigned n, const char *text, size_t size)
{
    char number[16];
    struct iovec parts[] = {
        {.iov_base = number, .iov_len = (size_t)snprintf(number, sizeof(number), "%u\n", n)},
        {.iov_base = (char *)(uintptr_t)text, .iov_len = size},
    };
    cleanup_close int fd = -1;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && writev(fd, parts, ELEMENTS(parts)) != (ssize_t)(parts[0].iov_len + size))
        (void)unlink(path); // a part of it would be the text of another mistake
}

unsigned mistakes_repeated(const struct problems *problems)
{
    cleanup_free char *text = NULL;
    char path[PATH_MAX];
    size_t size = 0;
    unsigned n;

    if (!find_file(path, sizeof(path)))
        return 0;
    text = join(problems, &size);
    n = count(path, text, size);
    keep(path, n < COUNT_MAX ? n + 1 : n, text, size);
    return n;
}

void mistakes_forget(void)
{
    char path[PATH_MAX];

    if (find_file(path, sizeof(path)))
        (void)unlink(path); // mostly there is none
}
