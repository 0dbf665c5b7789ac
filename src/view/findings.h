// SPDX-License-Identifier: MIT
// What is not as it should be, of all that GetStatus() says, with what to do about it.
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "view/sessions.h"

#define FINDING_TEXT 512

struct finding {
    const char *code;               // for programs: "at_maximum"
    const char *service, *listener; // the message's; "": it concerns the daemon
    char text[FINDING_TEXT];
    char advice[FINDING_TEXT]; // "": there is none
};

struct findings {
    struct finding *items; // owned
    size_t n;
};

// Reads the answer of GetStatus(), which must stay as long as what was found. 0 or -errno; then it
// is empty.
int findings_read(sd_bus_message *status, struct findings *ret);
// Adds what keeps the workers of full pools busy. 0 or -errno.
int findings_add_sessions(struct findings *findings, const struct sessions *sessions);
void findings_done(struct findings *findings);
