// SPDX-License-Identifier: MIT
// What happens, for whoever watches the master: what an administrator would want to see at once.
// The log has all of it, too.
#pragma once

#include "master/master_state.h"

enum master_event_kind {
    MASTER_EVENT_READY,
    MASTER_EVENT_RELOADED,
    MASTER_EVENT_REFUSED, // a reload
    MASTER_EVENT_STOPPING,
    MASTER_EVENT_DIED, // a worker that was not to
    MASTER_EVENT_THROTTLED,
    MASTER_EVENT_FULL,
    MASTER_EVENT_RELIEVED, // not full any more
    MASTER_EVENT_LOST,     // records of sessions are, as the log says every ten seconds
    MASTER_EVENT_PAUSED,
    MASTER_EVENT_RESUMED,
    MASTER_EVENT_RESIZED,
    MASTER_EVENT_DRAINED, // one worker is
    MASTER_EVENT_KICKED,
    MASTER_EVENTS
};
extern const char *const master_event_names[MASTER_EVENTS]; // "ready"

struct master_event {
    enum master_event_kind kind;
    const struct pool *pool; // NULL: it concerns all
    pid_t worker;            // 0: none
    const char *text;
};

// Tells the watcher. Addresses in the text are as the log has them.
void master_tell(const struct master *master, enum master_event_kind kind, const struct pool *pool,
                 pid_t worker, const char *format, ...) __attribute__((format(printf, 5, 6)));
// Once a second: which pools have come to their maximum, are held back, or are so no more,
// and have lost records.
void master_tell_pools(const struct master *master, uint64_t now_usec);
