// SPDX-License-Identifier: MIT
// The process title. The kernel shows the bytes between argv[0] and the end of argv, and reads on
// into the environment when the last of them is not NUL; so both are one room to write in.

#include "title.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

static struct {
    char *start;
    size_t size;
} room;

// The end of the strings that lie one behind the other from *end on.
static char *extend(char **strings, char *end)
{
    for (; *strings && *strings == end; strings++)
        end += strlen(*strings) + 1;
    return end;
}

void title_init(char **argv)
{
    char *end = extend(argv, argv[0]);
    size_t n = 0;
    char **copy;

    while (environ[n])
        n++;
    copy = calloc(n + 1, sizeof(*copy));
    if (!copy)
        abort();
    for (size_t i = 0; i < n; i++) {
        copy[i] = strdup(environ[i]);
        if (!copy[i])
            abort();
    }
    room.start = argv[0];
    room.size = (size_t)(extend(environ, end) - argv[0]);
    environ = copy;
}

void title_set(const char *format, ...)
{
    va_list arguments;
    int n;

    if (room.size == 0)
        return;
    va_start(arguments, format);
    n = vsnprintf(room.start, room.size, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < room.size)
        memset(room.start + n, 0, room.size - (size_t)n);
}
