// SPDX-License-Identifier: MIT
// Behind a proxy: the header that it sends first says for whom a connection is. Taken from the
// socket before any stage and any handler has it; nothing is sent before it is whole.
#pragma once

#include "session/session.h"

// Waits for the header of a sender that may send one, within proxy_timeout. True: the session's
// peer, destination and sender are set. False: there is none, and nobody to serve.
bool session_take_header(struct tcpd_session *session);

// Why there is none, for the log: "not a PROXY header: 47 45 54 20"; of what has come nothing is in
// it but these numbers. The empty text: nothing worth a record, as of a check that connects and
// closes. Valid until the next header.
const char *session_header_wrong(void);

// What is known of the client beside its address, from stages and from the header, "NAME=value" in
// printable ASCII. NULL: there are no more.
const char *session_fact(const struct tcpd_session *session, size_t i);
