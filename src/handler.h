// SPDX-License-Identifier: MIT
// What serves a connection. A handler is a constant struct; handlers.c has the table of them. It
// knows sessions, not sockets: reading, writing and deadlines are session.h's.
#pragma once

#include "config.h"

struct session;

// One entry of a greeting's file: where it lies in handler_options.file_text.
struct entry {
    size_t offset, length;
};

struct handler {
    const char *name;
    // Serves one session from its first byte to its last; the caller closes. May block as long as
    // the session's deadlines let it. The return value is nothing to it: results are the session's.
    void (*serve)(struct session *session);
    // Optional, in the master while the configuration is read: loads what serve needs, adds what is
    // wrong to problems.
    void (*prepare)(struct service *service, struct problems *problems);
};

// The handler of that name, NULL when there is none.
const struct handler *handler_find(const char *name);

// All names, separated by ", ", for messages.
const char *handler_names(void);

extern const struct handler handler_chargen, handler_daytime, handler_discard, handler_echo,
    handler_greeting, handler_hello, handler_time;
