// SPDX-License-Identifier: MIT
// Which sessions tcpdctl log is to show. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access/prefix.h"
#include "view/session_line.h"

struct log_filter {
    struct prefix peers[PREFIX_WORD_MAX];
    int n_peers;          // 0: all peers
    bool is_unix;         // those of unix sockets alone
    const char *result;   // as a line has it, or with spaces; NULL: all
    uint64_t longer_usec; // of that duration or longer
    uint64_t since_usec;  // ended then or later, since 1970; 0: whenever
};

// Takes "192.0.2.7", "192.0.2.0/24", "localhost", "unix". False: it is none of these, and why.
bool log_filter_set_peer(struct log_filter *filter, const char *text, char wrong[PREFIX_WRONG_MAX]);

// Takes a time: "1h" ago, "today", "yesterday", "@1764079402", "2026-11-25", "2026-11-25 14:03",
// "2026-11-25 14:03:22" here, "2026-11-25T14:03:22.118432Z" as lines have it. False: it is none.
bool log_filter_set_since(struct log_filter *filter, const char *text, uint64_t now_realtime_usec);

// Whether the session is to be shown.
bool log_filter_takes(const struct log_filter *filter, const struct session_line *line);
