// SPDX-License-Identifier: MIT
// The test page of `ws_page`, and what belongs to it: constant bytes, in which nothing of a request
// is. Pure.
#pragma once

#include "transport/http_request.h"

// The answer to a path that the page has, head and body; false: it has none of that name.
bool page_find(struct http_text path, struct http_text ret[2]);
