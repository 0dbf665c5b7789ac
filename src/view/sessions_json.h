// SPDX-License-Identifier: MIT
// Sessions as JSON, for tcpdctl and the handler status: docs/tcpdctl.schema.json.
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "view/sessions.h"

// {"schema":1,"sessions":[...]} and a newline, of the first n.
void sessions_json_print(FILE *stream, const struct sessions *sessions, size_t n);
// An object without its end, so that members can follow.
void sessions_json_begin(FILE *stream, const struct session_row *row);
