// SPDX-License-Identifier: MIT
// The answers of ListRecent() as structs: sessions that have ended, of workers that run.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define RECENTS_UNKNOWN UINT64_MAX // of a time

// Texts are the messages'.
struct recent_row {
    uint32_t pid;
    uint64_t number;
    const char *service, *listener, *peer, *result;
    uint64_t end_usec; // since 1970
    uint64_t duration_usec, wait_usec, reply_usec, received, sent;
};

// A message, which has texts.
struct recents_page {
    sd_bus_message *message;
};

struct recents {
    struct recent_row *rows;
    size_t n;
    struct recents_page *pages; // owned, as the rows are
    size_t n_pages;
};

// As of view/sessions.h.
int recents_read(sd_bus_message *reply, struct recents *recents, uint64_t *ret_next);
void recents_done(struct recents *recents);
// The one that has ended last first.
void recents_sort(struct recents *recents);
