// SPDX-License-Identifier: MIT
// Who may say for whom a connection is: the proxies of a service. A sender is known by its address,
// before a byte of it is read. Pure.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "access/ranges.h"
#include "access/rules.h"

enum proxy_protocol { PROXY_OFF, PROXY_TRUSTED, PROXY_REQUIRED, PROXY_PROTOCOLS };

struct senders {
    int protocol; // enum proxy_protocol
    struct rule_list trusted;
    struct ranges *ranges; // of these
};

// Lays the list flat; and frees what that has made.
void senders_settle(struct senders *senders);
void senders_done(struct senders *senders);

// Whether the peer at the other end of a socket is one. Those of a unix socket are, if the list has
// "unix".
bool senders_have(const struct senders *senders, const struct sockaddr *peer);
