// SPDX-License-Identifier: MIT
// Both looks are sorted by worker and number, so that each session finds itself in the one before.

#include "view/session_rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

const char *const session_rates_order_names[SESSION_RATES_ORDERS] = {
    [SESSION_RATES_BY_AGE] = "age",
    [SESSION_RATES_BY_IN] = "in",
    [SESSION_RATES_BY_OUT] = "out",
    [SESSION_RATES_BY_RATE] = "rate",
};

static int compare_ids(const void *left, const void *right)
{
    const struct session_row *a = left, *b = right;

    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static double per_second(uint64_t now, uint64_t before, uint64_t usec)
{
    return now > before && usec > 0 ? (double)(now - before) * (double)USEC_PER_SEC / (double)usec
                                    : 0;
}

// One that was not there before has done all since it began.
static struct session_rates rates_of(const struct session_row *row, const struct session_row *old,
                                     uint64_t usec)
{
    if (!old && row->age_usec < usec)
        usec = row->age_usec;
    return (struct session_rates){
        .row = row,
        .received = per_second(row->received, old ? old->received : 0, usec),
        .sent = per_second(row->sent, old ? old->sent : 0, usec),
    };
}

static bool is_chosen(const struct session_row *row, const char *words)
{
    return strcasestr(row->service, words) || strcasestr(row->listener, words) ||
           strcasestr(row->peer, words) || strcasestr(row->through, words);
}

static double weight(const struct session_rates *rates, enum session_rates_order order)
{
    switch (order) {
    case SESSION_RATES_BY_IN:
        return (double)rates->row->received;
    case SESSION_RATES_BY_OUT:
        return (double)rates->row->sent;
    case SESSION_RATES_BY_RATE:
        return rates->received + rates->sent;
    default:
        return (double)rates->row->age_usec;
    }
}

static int compare(const void *left, const void *right, void *argument)
{
    const struct session_rates *a = left, *b = right;
    const struct session_rates_choice *choice = argument;
    double of_a = weight(a, choice->order), of_b = weight(b, choice->order);
    int sign = choice->is_reversed ? -1 : 1;

    if (of_a > of_b)
        return -sign;
    if (of_a < of_b)
        return sign;
    return compare_ids(a->row, b->row);
}

static void sort_ids(struct sessions *sessions)
{
    if (sessions->n > 0)
        qsort(sessions->rows, sessions->n, sizeof(sessions->rows[0]), compare_ids);
}

void session_rates_make(struct session_rates_view *ret, struct sessions *now,
                        struct sessions *before, uint64_t usec,
                        const struct session_rates_choice *choice)
{
    struct session_rates_choice copy = *choice; // qsort_r() takes what can be changed
    size_t place = 0, n_before = before ? before->n : 0;

    *ret = (struct session_rates_view){
        .rates = base_checked(calloc(now->n + 1, sizeof(ret->rates[0])))};
    sort_ids(now);
    if (before)
        sort_ids(before);
    for (size_t i = 0; i < now->n; i++) {
        const struct session_row *row = &now->rows[i], *old = NULL;

        while (place < n_before && compare_ids(&before->rows[place], row) < 0)
            place++;
        if (place < n_before && compare_ids(&before->rows[place], row) == 0)
            old = &before->rows[place];
        if (is_chosen(row, choice->words))
            ret->rates[ret->n++] = rates_of(row, old, before ? usec : row->age_usec);
    }
    qsort_r(ret->rates, ret->n, sizeof(ret->rates[0]), compare, &copy);
}

void session_rates_done(struct session_rates_view *view)
{
    free(view->rates);
    *view = (struct session_rates_view){0};
}
