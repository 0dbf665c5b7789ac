// SPDX-License-Identifier: MIT
#include "view/sessions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

const char *const sessions_order_names[SESSIONS_ORDERS] = {
    [SESSIONS_BY_AGE] = "age", [SESSIONS_BY_IN] = "in", [SESSIONS_BY_OUT] = "out"};

static int keep(struct sessions *sessions, sd_bus_message *reply)
{
    struct sessions_page *pages = reallocarray(sessions->pages, sessions->n_pages + 1,
                                               sizeof(*pages));

    if (!pages)
        return -ENOMEM;
    sessions->pages = pages;
    pages[sessions->n_pages++].message = sd_bus_message_ref(reply);
    return 0;
}

// 1, 0 at the end of the array, or -errno.
static int read_row(sd_bus_message *reply, struct session_row *ret)
{
    int has_ended = 0;
    int r = sd_bus_message_read(reply, "(utsssstsbtttt)", &ret->pid, &ret->number, &ret->service,
                                &ret->listener, &ret->peer, &ret->through, &ret->since_usec,
                                &ret->doing, &has_ended, &ret->received, &ret->sent, &ret->age_usec,
                                &ret->turns);

    ret->peer_ended = has_ended != 0;
    return r;
}

int sessions_read(sd_bus_message *reply, struct sessions *sessions, uint64_t *ret_next)
{
    int r = keep(sessions, reply);

    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "(utsssstsbtttt)");
    while (r >= 0) {
        struct session_row row = {0}, *rows;

        r = read_row(reply, &row);
        if (r <= 0)
            break;
        rows = reallocarray(sessions->rows, sessions->n + 1, sizeof(*rows));
        if (!rows)
            return -ENOMEM;
        sessions->rows = rows;
        rows[sessions->n++] = row;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "t", ret_next);
    return r < 0 ? r : 0;
}

void sessions_done(struct sessions *sessions)
{
    for (size_t i = 0; i < sessions->n_pages; i++)
        (void)sd_bus_message_unref(sessions->pages[i].message);
    free(sessions->pages);
    free(sessions->rows);
    *sessions = (struct sessions){0};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

// What is the same there is in the order of its name, so that two lists can be compared.
static int compare_names(const struct session_row *a, const struct session_row *b)
{
    int r = compare_numbers(b->pid, a->pid);

    return r != 0 ? r : compare_numbers(b->number, a->number);
}

static int compare_ages(const void *a, const void *b)
{
    const struct session_row *left = a, *right = b;
    int r = compare_numbers(left->age_usec, right->age_usec);

    return r != 0 ? r : compare_names(left, right);
}

static int compare_received(const void *a, const void *b)
{
    const struct session_row *left = a, *right = b;
    int r = compare_numbers(left->received, right->received);

    return r != 0 ? r : compare_names(left, right);
}

static int compare_sent(const void *a, const void *b)
{
    const struct session_row *left = a, *right = b;
    int r = compare_numbers(left->sent, right->sent);

    return r != 0 ? r : compare_names(left, right);
}

void sessions_sort(struct sessions *sessions, enum sessions_order order)
{
    static int (*const compares[SESSIONS_ORDERS])(const void *a, const void *b) = {
        [SESSIONS_BY_AGE] = compare_ages,
        [SESSIONS_BY_IN] = compare_received,
        [SESSIONS_BY_OUT] = compare_sent,
    };

    if (sessions->n > 0)
        qsort(sessions->rows, sessions->n, sizeof(sessions->rows[0]), compares[order]);
}

const char *session_id_format(uint32_t pid, uint64_t number, char *text, size_t size)
{
    if (number > 0)
        (void)snprintf(text, size, "%" PRIu32 ".%" PRIu64, pid, number);
    else
        (void)snprintf(text, size, "-");
    return text;
}

// Digits alone, and not too many: strtoull(3) would take blanks and signs.
static bool parse_number(const char **text, uint64_t max, uint64_t *ret)
{
    const char *digit = *text;

    *ret = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t value = (uint64_t)(*digit - '0');

        if (*ret > (max - value) / 10)
            return false;
        *ret = 10 * *ret + value;
    }
    if (digit == *text || *ret == 0)
        return false;
    *text = digit;
    return true;
}

bool session_id_parse(const char *text, uint32_t *ret_pid, uint64_t *ret_number)
{
    uint64_t pid;

    if (!parse_number(&text, INT32_MAX, &pid) || *text++ != '.' ||
        !parse_number(&text, UINT64_MAX, ret_number) || *text != '\0')
        return false;
    *ret_pid = (uint32_t)pid;
    return true;
}
