// SPDX-License-Identifier: MIT
// Ends a session, while the screen goes on.
#pragma once

#include "ctl/top_link.h"

struct top_kicker {
    struct top_link link; // whose answers come here
    void (*kicked)(void *cookie, const char *what);
    void *cookie;
};

// Sets all of it. Its place must stay.
void top_kicker_init(struct top_kicker *kicker, const char *path, uint64_t timeout_usec,
                     sd_event *event);
// Asks the daemon to end a session with that id, and says later what became of it, unless a session
// is being ended already. kicked() may be called before this returns.
void top_kicker_kick(struct top_kicker *kicker, const char *id);
void top_kicker_stop(struct top_kicker *kicker);
