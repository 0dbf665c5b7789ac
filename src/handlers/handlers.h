// SPDX-License-Identifier: MIT
// The table of handlers: a line for each. A built-in one is a file beside this one; `program` and
// `module`, which run what is not built in and know sessions from the inside, and `status` are
// folders.
#pragma once

#include "config/handler.h"

#define HANDLERS(HANDLER) \
    HANDLER(agent)        \
    HANDLER(chargen)      \
    HANDLER(daytime)      \
    HANDLER(discard)      \
    HANDLER(echo)         \
    HANDLER(greeting)     \
    HANDLER(hello)        \
    HANDLER(module)       \
    HANDLER(program)      \
    HANDLER(status)       \
    HANDLER(time)

#define HANDLER_DECLARE(name) extern const struct handler handler_##name;
HANDLERS(HANDLER_DECLARE)

// All of them, then NULL: for whoever reads a configuration.
extern const struct handler *const handlers[];
