// SPDX-License-Identifier: MIT
// What the tcpd of this tree knows of what other servers have: the one place to change when a
// setting comes. What is false here is not written, but reported; tests/system/import holds this
// against what `tcpd -t` takes.
#pragma once

#include <stdbool.h>

struct features {
    bool access;             // allow, deny
    bool refusal_text;       // refusal_text
    bool source_connections; // source_connections
};

static const struct features features_known = {
    .access = true,
    .refusal_text = true,
    .source_connections = true,
};
