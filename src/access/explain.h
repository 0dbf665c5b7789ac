// SPDX-License-Identifier: MIT
// What would happen to a client, in words: for tcpdctl and `tcpd -t --explain`. Asks the function
// that judges, so that it cannot say anything else. Pure.
#pragma once

#include <stdio.h>

#include "access/access.h"

#define EXPLAIN_PLACE_MAX 4200 // of FILE:LINE

// What one listener does with one address.
struct explanation {
    const char *service, *listener;
    bool is_served;
    const char *reason; // why it is not, "": it is
    const char *gets;   // what it gets then
    char address[PREFIX_TEXT_MAX];
    char rule[ACCESS_RULE_MAX]; // that has decided, "": none had to
    char place[EXPLAIN_PLACE_MAX];
    char near[ACCESS_RULE_MAX]; // that does not have it, but nearly, "": none
    char near_place[EXPLAIN_PLACE_MAX];
};

// The address of a client, which is written as a number. False: it is none.
bool explain_parse(const char *text, struct sockaddr_storage *ret);

// One listener of a service.
struct explain_listener {
    const char *service, *address;
    const struct access *access; // what the service says
    bool is_unix;                // for which there are no rules
    bool is_plain;               // whose clients understand a text
    bool is_datagram;            // whose clients get nothing
};

// through: the address of a proxy that would announce the client, NULL: it comes by itself. At a
// unix socket a client comes through whoever may open it. The texts of the listener must stay.
void explain_make(struct explanation *ret, const struct explain_listener *listener,
                  const struct sockaddr_storage *client, const struct sockaddr_storage *through);
// As people read it.
void explain_print(const struct explanation *explanation, FILE *stream);
