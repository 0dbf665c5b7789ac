// SPDX-License-Identifier: MIT
// The table of handlers as an array.

#include "handlers/handlers.h"

#include <stddef.h>

#define ADDRESS(name) &handler_##name,

const struct handler *const handlers[] = {HANDLERS(ADDRESS) NULL};
