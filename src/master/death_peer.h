// SPDX-License-Identifier: MIT
// Whom a worker was serving when it died, by its own word.
#pragma once

#include "board/scoreboard.h"
#include "config/config.h"

// "192.0.2.7:40000", "203.0.113.7:40000 through 10.0.0.5:51200", "nobody". Returns it, which may be
// in text.
const char *death_peer_describe(enum log_addresses addresses, const struct score *score, char *text,
                                size_t size);
