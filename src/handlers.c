// SPDX-License-Identifier: MIT
// The table of handlers. A new built-in is a file in handlers/ and a line here.

#include "handler.h"

#include <string.h>

#include "base.h"

static const struct handler *const handlers[] = {
    &handler_chargen,  &handler_daytime, &handler_discard, &handler_echo,
    &handler_greeting, &handler_hello,   &handler_time,
};

const struct handler *handler_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(handlers); i++)
        if (strcmp(handlers[i]->name, name) == 0)
            return handlers[i];
    return NULL;
}

const char *handler_names(void)
{
    static char names[128];

    names[0] = '\0';
    for (size_t i = 0; i < ELEMENTS(handlers); i++) {
        if (i > 0)
            strncat(names, ", ", sizeof(names) - strlen(names) - 1);
        strncat(names, handlers[i]->name, sizeof(names) - strlen(names) - 1);
    }
    return names;
}
