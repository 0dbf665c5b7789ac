// SPDX-License-Identifier: MIT
// The process title. The kernel shows the bytes between argv[0] and the end of argv, and reads on
// into the environment when the last of them is not NUL; so both are one room to write in.

#include "process/title.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static struct {
    char *start;
    size_t size;
    size_t n_arguments; // bytes of argv alone
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

    room.n_arguments = (size_t)(end - argv[0]);
    for (; environ[n]; n++)
        bytes += strlen(environ[n]) + 1;
    room.environment = malloc((n + 1) * sizeof(char *) + bytes);
    if (!room.environment)
        base_out_of_memory();
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

// By hand, and no further than the kernel reads: a worker's first use of snprintf() or memset()
// would cost it several faults, and each page written a page of its own. What is behind the title
// was zero already, up to *end. Returns the end of the text.
static size_t put(size_t from, const char *text, size_t end)
{
    volatile char *to = room.start; // or the compiler would call memset()
    size_t n = from;

    if (room.size == 0)
        return 0;
    for (; n + 1 < room.size && text[n - from] != '\0'; n++)
        to[n] = text[n - from];
    for (size_t i = n; i < end || i == n; i++)
        to[i] = '\0';
    return n;
}

size_t title_set(const char *text)
{
    return put(0, text, room.n_arguments);
}

size_t title_add(size_t length, const char *text, size_t end)
{
    return put(length, text, end);
}
