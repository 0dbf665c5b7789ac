// SPDX-License-Identifier: MIT
// What administrators have ordered load balancers to be told of services, and the text by which
// the service manager keeps that over a restart. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/node_page.h"

#define NODE_REASON_MAX     80
#define NODE_STATE_TEXT_MAX ((size_t)NODE_SLOTS * 256)

enum node_order_kind { NODE_DRAIN, NODE_MAINTAIN, NODE_ORDER_KINDS };

struct node_order {
    char service[NODE_NAME_MAX + 1];
    enum node_order_kind kind;
    uint32_t uid;       // whose it is
    uint64_t since_sec; // since 1970
    char reason[NODE_REASON_MAX + 1];
};

// One for a service at most. The room is the caller's, and NODE_SLOTS large.
struct node_orders {
    struct node_order *items;
    size_t n;
};

struct node_order *node_orders_find(const struct node_orders *orders, const char *service);
// In the place of the one that there is for the service. False: there is no room.
bool node_orders_set(struct node_orders *orders, const struct node_order *order);
// False: there was none.
bool node_orders_drop(struct node_orders *orders, const char *service);

// Whether it can stand in an agent's answer: 1 to 80 printable ASCII characters, with none of space
// at either end.
bool node_reason_is_good(const char *reason);

// Who has given it: "root", "user 1000". Returns text.
const char *node_order_user(const struct node_order *order, char *text, size_t size);

// Writes it to text, of NODE_STATE_TEXT_MAX bytes; how many.
size_t node_state_write(const struct node_orders *orders, char *text);
// Reads it. Lines that are wrong are passed over; how many, or -1: it is no such text at all.
int node_state_read(const char *text, size_t n, struct node_orders *ret);
