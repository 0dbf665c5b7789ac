// SPDX-License-Identifier: MIT
// The environment of a program: tcpd's own, or little of it, whom the program runs as, what the
// configuration says, and who the client is in the words of UCSPI (PROTO, TCPREMOTEIP ...) and of
// systemd (REMOTE_ADDR ...). systemd.exec(5). Only validated data (B51); a peer's own words are
// there as printable ASCII, under names of a fixed list. Logs nothing.
#pragma once

#include "program/program_options.h"
#include "session/session.h"

#define ENVIRONMENT_OF_SESSION 32 // entries that a session adds at most
#define ENVIRONMENT_TEXT       2048
#define ENVIRONMENT_FACTS      4096 // bytes of what stages know of the peer

struct environment {
    char **entries; // what all sessions have, then room for one's own, then NULL
    size_t n_common;
    char text[ENVIRONMENT_TEXT]; // of the session's entries
};

// The common part: tcpd's own, as far as the options let it in, the user's HOME and so on, then
// `environment`; what comes later replaces what was there. It points into the options. 0 or
// -ENOMEM.
int environment_open(struct environment *environment, const struct program_options *options);

// The whole for one session, valid until the next call. NULL: without a peer.
char *const *environment_for(struct environment *environment, const struct tcpd_session *session);

// The whole for a program that accepts by itself, from descriptor 3: sd_listen_fds(3). journal:
// the value of JOURNAL_STREAM, NULL: none.
char *const *environment_for_listener(struct environment *environment, const char *service,
                                      const char *journal);

// Whether tcpd alone sets that variable, and whether it tells of a peer.
bool environment_is_ours(const char *name, size_t length);
bool environment_is_of_peer(const char *name, size_t length);
