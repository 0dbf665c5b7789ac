// SPDX-License-Identifier: MIT
// Between accept() and serving: who may not connect goes at once, and has been nobody's session. A
// service without rules and limits has no admission, and its workers make the same system calls as
// ever.
#pragma once

#include "access/source_settings.h"
#include "board/scoreboard.h"
#include "session/session.h"
#include "worker/worker.h"

struct admission {
    const struct worker_setup *setup;
    struct score_page *page;
    struct pool_hint *hint;
    struct source_table table; // without memory: sources are not counted
    struct source_limits limits;
    struct source_hold hold; // what the session in hand is counted as
};

void admission_open(struct admission *admission, const struct worker_setup *setup,
                    struct score_page *page, struct pool_hint *hint);

// Whether the session, whose peer is known and which was not begun, is served at fd. If not, it was
// counted, and its socket is closed, unless it is a datagram's.
bool admission_grants(struct admission *admission, struct tcpd_session *session, int fd);

// The session that was served has been closed: its source is counted out, and pays for what it did.
void admission_end(struct admission *admission, const struct tcpd_session *session);
