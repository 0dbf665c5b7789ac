// SPDX-License-Identifier: MIT
// What would happen to a client, in words: for tcpdctl and `tcpd -t --explain`. Asks the function
// that judges, so that it cannot say anything else. Pure.
#pragma once

#include <stdio.h>

#include "access/access.h"
#include "access/source_settings.h"

#define EXPLAIN_PLACE_MAX  4200 // of FILE:LINE
#define EXPLAIN_SOURCE_MAX 160

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
    // Of its source, where there are limits; "": none.
    char source[EXPLAIN_SOURCE_MAX];      // "2001:db8:1:2::/64"
    char connections[EXPLAIN_SOURCE_MAX]; // "10 of 10"
    char rate[EXPLAIN_SOURCE_MAX];        // "2 of 10 left, 30/min"
    char penalty[EXPLAIN_SOURCE_MAX];     // "12s, in force from 15s"
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
    const struct source_settings *sources;
    const struct source_table *table; // where they are counted; NULL: nowhere yet
    uint64_t now_nsec;
};

// The texts of the listener must stay.
void explain_make(struct explanation *ret, const struct explain_listener *listener,
                  const struct sockaddr_storage *client);
// What limits of sources say of it, when rules have let it in; explain_make() asks this.
enum refusal explain_source(struct explanation *ret, const struct explain_listener *listener,
                            const struct sockaddr *client);
// As people read it.
void explain_print(const struct explanation *explanation, FILE *stream);
