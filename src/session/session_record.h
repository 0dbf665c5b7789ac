// SPDX-License-Identifier: MIT
// A session that has ended as the numbers of board/recent.h, and these as a line of the log. The
// worker and the master write the same line of the same record.
#pragma once

#include <sys/types.h>

#include "board/recent.h"
#include "session/session.h"
#include "view/session_line.h"

// What the worker knows of its session, which has ended; the time of day is now.
void session_record_make(const struct tcpd_session *session, struct recent_record *ret);

// What a line has of its record; `number` is that of the session. Some texts are in `peer`. A
// record may be anybody's word: a result that is none is "unknown".
void session_record_line(const struct recent_record *record, enum log_addresses addresses,
                         char peer[ADDRESS_TEXT_MAX], struct session_line *ret);

// Whether a session of that duration is a slow one of that service.
static inline bool session_is_slow(const struct service *service, uint64_t duration_usec)
{
    return service->slow_usec > 0 && duration_usec >= service->slow_usec;
}
