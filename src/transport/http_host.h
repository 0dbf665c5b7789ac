// SPDX-License-Identifier: MIT
// A host and its port, as a Host field or an origin has them. Pure; whatever is not understood is
// none.
#pragma once

#include "transport/http_request.h"

struct http_place {
    struct http_text host; // of IPv6 with its brackets
    unsigned port;         // 0: not written
    bool is_number;        // an address
};

// Splits "host", "host:port", "1.2.3.4:port", "[::1]:port"; false: it is none of these.
bool http_place_parse(struct http_text text, struct http_place *ret);
