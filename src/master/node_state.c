// SPDX-License-Identifier: MIT
// The text comes back from the service manager, and whoever may write to its store could have
// written it: each line is checked as a stranger's.

#include "master/node_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const char head[] = "tcpd node-state 1\n";
static const char digits[] = "0123456789";
static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
static const char *const kind_names[NODE_ORDER_KINDS] = {
    [NODE_DRAIN] = "drain", [NODE_MAINTAIN] = "maint"};

#define LINE_MAX_SIZE 256
#define SINCE_MAX     UINT64_C(99999999999) // the year 5138

struct node_order *node_orders_find(const struct node_orders *orders, const char *service)
{
    for (size_t i = 0; i < orders->n; i++)
        if (strcmp(orders->items[i].service, service) == 0)
            return &orders->items[i];
    return NULL;
}

bool node_orders_set(struct node_orders *orders, const struct node_order *order)
{
    struct node_order *place = node_orders_find(orders, order->service);

    if (!place && orders->n == NODE_SLOTS)
        return false;
    if (!place)
        place = &orders->items[orders->n++];
    *place = *order;
    return true;
}

bool node_orders_drop(struct node_orders *orders, const char *service)
{
    struct node_order *place = node_orders_find(orders, service);

    if (!place)
        return false;
    *place = orders->items[--orders->n];
    return true;
}

bool node_reason_is_good(const char *reason)
{
    size_t n = strlen(reason);

    if (n == 0 || n > NODE_REASON_MAX || reason[0] == ' ' || reason[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (reason[i] < ' ' || reason[i] > '~')
            return false;
    return true;
}

const char *node_order_user(const struct node_order *order, char *text, size_t size)
{
    if (order->uid == 0)
        (void)snprintf(text, size, "root");
    else
        (void)snprintf(text, size, "user %" PRIu32, order->uid);
    return text;
}

size_t node_state_write(const struct node_orders *orders, char *text)
{
    size_t used = (size_t)snprintf(text, NODE_STATE_TEXT_MAX, "%s", head);

    for (size_t i = 0; i < orders->n; i++) {
        const struct node_order *order = &orders->items[i];

        used += (size_t)snprintf(text + used, NODE_STATE_TEXT_MAX - used,
                                 "%s %s %" PRIu32 " %" PRIu64 "%s%s\n", kind_names[order->kind],
                                 order->service, order->uid, order->since_sec,
                                 order->reason[0] ? " " : "", order->reason);
    }
    return used;
}

// Cuts the next word off, up to a single space; NULL: there is none.
static char *next_word(char **line)
{
    char *word = *line, *end = word ? strchr(word, ' ') : NULL;

    if (!word || *word == '\0' || end == word)
        return NULL;
    *line = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    return word;
}

static bool read_number(const char *word, uint64_t max, uint64_t *ret)
{
    size_t n = word ? strlen(word) : 0;

    if (n == 0 || n > 11 || strspn(word, digits) != n || (n > 1 && word[0] == '0'))
        return false;
    *ret = strtoull(word, NULL, 10);
    return *ret <= max;
}

static bool read_kind(const char *word, enum node_order_kind *ret)
{
    for (*ret = 0; word && *ret < NODE_ORDER_KINDS; (*ret)++)
        if (strcmp(word, kind_names[*ret]) == 0)
            return true;
    return false;
}

static bool read_line(char *line, struct node_order *ret)
{
    const char *service;
    uint64_t uid;
    bool has_reason;

    *ret = (struct node_order){0};
    if (!read_kind(next_word(&line), &ret->kind))
        return false;
    service = next_word(&line);
    if (!service || strlen(service) > NODE_NAME_MAX ||
        strspn(service, name_characters) != strlen(service))
        return false;
    if (!read_number(next_word(&line), UINT32_MAX - 1, &uid) ||
        !read_number(next_word(&line), SINCE_MAX, &ret->since_sec))
        return false;
    has_reason = line != NULL;
    if (has_reason != (ret->kind == NODE_MAINTAIN) || (has_reason && !node_reason_is_good(line)))
        return false;
    ret->uid = (uint32_t)uid;
    (void)snprintf(ret->service, sizeof(ret->service), "%s", service);
    (void)snprintf(ret->reason, sizeof(ret->reason), "%s", has_reason ? line : "");
    return true;
}

int node_state_read(const char *text, size_t n, struct node_orders *ret)
{
    size_t at = strlen(head);
    int n_wrong = 0;

    ret->n = 0;
    if (n < at || memcmp(text, head, at) != 0)
        return -1;
    while (at < n) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - (text + at)) : n - at;
        char line[LINE_MAX_SIZE];
        struct node_order order;
        bool is_right = end && length < sizeof(line) && !memchr(text + at, '\0', length);

        if (is_right) {
            memcpy(line, text + at, length);
            line[length] = '\0';
            is_right = read_line(line, &order) && !node_orders_find(ret, order.service) &&
                       node_orders_set(ret, &order);
        }
        n_wrong += !is_right;
        at += length + 1;
    }
    return n_wrong;
}
