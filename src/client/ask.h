// SPDX-License-Identifier: MIT
// The modes that print messages: -s sends texts and prints the reply to each, --prefix prints all
// that the peer sends as one line. Both block, tell a failure on stderr and return its exit status.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/framing.h"
#include "client/output.h"
#include "client/peer.h"
#include "client/status.h"

struct ask {
    char *const *texts; // not owned
    size_t n_texts;
    bool greeting; // wait for a message before the first text
    enum framing framing;
    struct output_style style;
};

// Prints the greeting if there is one, sends each text after the reply to the one before, then ends
// the output and prints what else comes until the peer ends.
enum status ask_run(const struct ask *ask, struct peer *peer);

// Sends nothing; prints all that comes until the peer ends, on one line.
enum status ask_receive(const struct output_style *style, struct peer *peer);
