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
    char **environment; // the copy: pointers, then strings, in one block that stays
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
    size_t n = 0, bytes = 0;
    char *strings;

    for (; environ[n]; n++)
        bytes += strlen(environ[n]) + 1;
    room.environment = malloc((n + 1) * sizeof(char *) + bytes);
    if (!room.environment)
        abort();
    strings = (char *)(room.environment + n + 1);
    for (size_t i = 0; i < n; i++) {
        room.environment[i] = strings;
        strings = stpcpy(strings, environ[i]) + 1;
    }
    room.environment[n] = NULL;
    room.start = argv[0];
    room.size = (size_t)(extend(environ, end) - argv[0]);
    environ = room.environment;
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
