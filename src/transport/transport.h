// SPDX-License-Identifier: MIT
// What the listeners of a configuration need besides plain sockets.
#pragma once

#include "base/problems.h"
#include "config/config.h"
#include "transport/stage.h"

// Loads what the entries of the configuration's listen need. Called in the master, so that workers
// have it, and before that in a child, which may die of it. Certificates are read from their files,
// or as answers (answers.h). What cannot be had goes to problems.
void transport_load(struct config *config, struct problems *problems, struct problems *warnings);

// In the master, every second or so: what changes with time.
void transport_tick(const struct config *config, uint64_t now_usec);

// A listener, as far as its connections' bytes go.
struct door {
    const struct service *service;
    enum address_speaks speaks;
    int fd;
};

// The stages of a listener's connections in this worker, the upper one, which stands on `socket`.
// NULL: none, the session reads and writes the socket itself. For the life of the process.
struct stage *transport_stack(const struct door *door, struct stage_end socket);

// The same of a plain listener; `type` is its socket's.
struct stage *transport_plain(int type, struct stage_end socket);

// In a worker that has no keys of its own: those of other services go out of its memory.
void transport_forget_keys(const struct door *door);
