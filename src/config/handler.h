// SPDX-License-Identifier: MIT
// The shape of a handler: what tcpd.conf's reader and a worker need to know of one. A handler that
// is built in is a file in handlers/, or a folder of its own, and a line in the table of
// handlers/handlers.c. It serves through the interface that modules have, tcpd/handler.h, and no
// other way, so that it cannot rot.
#pragma once

#include "config/config.h"
#include "config/form.h"
#include "config/section.h"
#include "tcpd/handler.h"

// What a face says that serves whatever comes.
#define HANDLER_ALL_KINDS (TCPD_STREAMS | TCPD_MESSAGES | TCPD_DATAGRAMS)

struct handler {
    const char *name;
    struct tcpd_handler face;
    // What it reads from the service's section, over a struct of its own: service->options. NULL:
    // nothing, and options is of no use.
    const struct form *form;

    // --- All optional; in the master, while a configuration is read or given up ---
    // Checks and completes the service, whose options are filled in; adds what is wrong to
    // problems. section tells where each setting is written.
    void (*prepare)(struct service *service, const struct section *section,
                    struct problems *problems);
    // Checks the service beside all others, once these are read.
    void (*check)(const struct service *service, const struct config *config,
                  struct problems *problems);
    // Frees what prepare() has put into the options beside the fields of the form.
    void (*release)(void *options);
    // The file that it executes or loads, for texts; owned by the service.
    const char *(*runs)(const struct service *service);

    // How long a session that is to end may still take. NULL: not at all.
    uint64_t (*grace)(const struct service *service);

    // --- Optional; in a worker ---
    // Takes the place of the accept loop where service->accepts_itself: becomes a program that
    // accepts. Returns on failure, which it has logged, and when the worker is to stop.
    void (*become)(const struct tcpd_worker *worker);

    bool starts_processes; // which a dead worker may leave behind
    bool loads_code;       // somebody's, which may do anything in the worker
    bool is_binary;        // what it sends is no text
    bool is_agent;         // it tells load balancers of the other services
    bool asks_master;      // over the control socket
};

// Whether it only tells of the other services, so that nobody comes for its own sake.
static inline bool handler_tells(const struct handler *handler)
{
    return handler->is_agent || handler->asks_master;
}

// A table of handlers ends with NULL. The one of that name; NULL: there is none.
const struct handler *handler_find(const struct handler *const *handlers, const char *name);
