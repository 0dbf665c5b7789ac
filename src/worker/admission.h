// SPDX-License-Identifier: MIT
// Between accept() and serving: who may not connect goes at once, and has been nobody's session. A
// service without rules has no admission, and its workers make the same system calls as ever.
#pragma once

#include "board/scoreboard.h"
#include "session/session.h"
#include "worker/worker.h"

// Whether the session, whose peer is known and which was not begun, is served at fd. If not, it was
// counted, and its socket is closed, unless it is a datagram's.
bool admission_grants(const struct worker_setup *setup, struct score_page *page,
                      struct pool_hint *hint, struct tcpd_session *session, int fd);

// The same, once it was begun, of one that needs_header: reads it, and judges whom it announces.
bool admission_takes_header(const struct worker_setup *setup, struct score_page *page,
                            struct pool_hint *hint, struct tcpd_session *session);
