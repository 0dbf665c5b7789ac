// SPDX-License-Identifier: MIT
// The answers of ListSessions() as structs, for whoever shows them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define SESSION_ID_MAX 32 // "48211.317"

// Texts are the messages'.
struct session_row {
    uint32_t pid;
    uint64_t number; // 0: it has not begun
    const char *service, *listener;
    const char *peer;    // "": there is no client
    const char *through; // the proxy at the other end of the socket, or ""
    const char *doing;
    bool peer_ended;
    uint64_t since_usec; // since 1970
    uint64_t received, sent, age_usec, turns;
};

// A message, which has texts.
struct sessions_page {
    sd_bus_message *message;
};

struct sessions {
    struct session_row *rows;
    size_t n;
    struct sessions_page *pages; // owned, as the rows are
    size_t n_pages;
};

// Adds an answer to what was read before, and says where the next one goes on, 0: nowhere. The
// message stays until sessions_done(). 0 or -errno.
int sessions_read(sd_bus_message *reply, struct sessions *sessions, uint64_t *ret_next);
void sessions_done(struct sessions *sessions);

enum sessions_order { SESSIONS_BY_AGE, SESSIONS_BY_IN, SESSIONS_BY_OUT, SESSIONS_ORDERS };
extern const char *const sessions_order_names[SESSIONS_ORDERS];
// The oldest, or those with most bytes, first.
void sessions_sort(struct sessions *sessions, enum sessions_order order);

// "48211.317", or "-" for one that has not begun. Returns text.
const char *session_id_format(uint32_t pid, uint64_t number, char *text, size_t size);
// False: that is none.
bool session_id_parse(const char *text, uint32_t *ret_pid, uint64_t *ret_number);
