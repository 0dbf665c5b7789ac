// SPDX-License-Identifier: MIT
// The handlers that tcpd has by itself; handlers.c has the table of them. Each serves through the
// interface that modules have, tcpd/handler.h, and no other way, so that it cannot rot; what only
// built-in ones have is a name and settings of their own. `program` and `module` run what is not
// built in, and know sessions from the inside.
#pragma once

#include "config/config.h"
#include "tcpd/handler.h"

// One entry of a greeting's file: where it lies in handler_options.file_text.
struct entry {
    size_t offset, length;
};

// What open() may ask about its process.
struct tcpd_worker {
    const struct service *service;
    const struct config *config;
    int listener;
};

struct handler {
    const char *name;
    struct tcpd_handler face;
    bool starts_processes; // which a dead worker may leave behind
    // Optional, in the master while the configuration is read: loads and checks what the service
    // needs, adds what is wrong to problems. lines: see config_line().
    void (*prepare)(struct service *service, const int *lines, struct problems *problems);
};

// The handler of that name, NULL when there is none.
const struct handler *handler_find(const char *name);

// All names, separated by ", ", for messages.
const char *handler_names(void);

// --- In a worker ---
// Opens the service's handler; worker must stay. < 0: the worker cannot serve, and it is logged.
int handler_open(const struct tcpd_worker *worker);
// From now on tcpd_log() is that worker's; handler_open() begins with it.
void handler_set_worker(const struct tcpd_worker *worker);
// A built-in handler's settings.
const struct handler_options *handler_options(const struct tcpd_worker *worker);

// program_mode = listener: there are no sessions, and no handler is opened.
bool program_is_listener(const struct service *service);

extern const struct handler handler_chargen, handler_daytime, handler_discard, handler_echo,
    handler_greeting, handler_hello, handler_module, handler_program, handler_time;
