// SPDX-License-Identifier: MIT
#include "view/rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

const char *const rates_order_names[RATES_ORDERS] = {
    [RATES_AS_CONFIGURED] = "configured",
    [RATES_BY_BUSY] = "busy",
    [RATES_BY_RATE] = "rate",
    [RATES_BY_IN] = "in",
    [RATES_BY_OUT] = "out",
    [RATES_BY_QUEUE] = "queue",
    [RATES_BY_WAIT] = "wait",
    [RATES_BY_FAILED] = "failed",
};

// Totals never fall; one that does is garbage, and shows as if nothing had happened.
static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static double share(uint64_t part, uint64_t whole)
{
    if (whole == 0)
        return 0;
    return part < whole ? (double)part / (double)whole : 1;
}

static double per_second(uint64_t n, uint64_t usec)
{
    return usec > 0 ? (double)n * (double)USEC_PER_SEC / (double)usec : 0;
}

uint64_t rates_percentile(const struct histogram *now, const struct histogram *before,
                          unsigned per_cent)
{
    static const struct histogram nothing;
    uint64_t n = 0, sum = 0;
    double wanted;

    if (!before)
        before = &nothing;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += grown(now->counts[i], before->counts[i]);
    if (n == 0)
        return RATES_NONE;
    wanted = (double)n * per_cent / 100;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        sum += grown(now->counts[i], before->counts[i]);
        if (sum > 0 && (double)sum >= wanted)
            return histogram_bounds[i];
    }
    return RATES_BEYOND;
}

// All numbers of a list but those with one of two names.
static uint64_t sum_without(const struct counters_list *list, const char *name, const char *other)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->names[i], name) != 0 && strcmp(list->names[i], other) != 0)
            sum += list->numbers[i];
    return sum;
}

struct rates rates_make(const struct counters_pool *now, const struct counters_pool *before,
                        uint64_t usec)
{
    static const struct counters_pool nothing;
    const struct counters_pool *old = before ? before : &nothing;
    struct rates rates = {
        .pool = now,
        .sessions = per_second(grown(now->begun, old->begun), usec),
        .received = per_second(grown(now->received, old->received), usec),
        .sent = per_second(grown(now->sent, old->sent), usec),
        .failed = per_second(
            grown(sum_without(&now->results, "ok", ""), sum_without(&old->results, "ok", "")),
            usec),
        .refused = per_second(grown(sum_without(&now->refused, "dry_run", "uncounted"),
                                    sum_without(&old->refused, "dry_run", "uncounted")),
                              usec),
        .full = share(grown(now->full_usec, old->full_usec), usec),
        .duration_50 = rates_percentile(&now->duration, &old->duration, 50),
        .duration_99 = rates_percentile(&now->duration, &old->duration, 99),
        .wait_99 = rates_percentile(&now->wait, &old->wait, 99),
        .n_busy = counters_number(&now->workers, "busy"),
        .n_workers = sum_without(&now->workers, "draining", ""),
        .n_idle = counters_number(&now->workers, "idle"),
        .n_parked = counters_number(&now->workers, "parked"),
        .n_starting = counters_number(&now->workers, "starting"),
        .n_draining = counters_number(&now->workers, "draining"),
        .min = now->min,
        .spare = now->spare,
        .max = now->max,
        .queue = now->queue,
        .starts = now->starts,
        .deaths = counters_number(&now->exits, "crashed") + counters_number(&now->exits, "killed") +
                  counters_number(&now->exits, "forbidden") +
                  counters_number(&now->exits, "failed"),
    };

    rates.busy = now->accepts_itself ? 0 : share(rates.n_busy, now->max);
    return rates;
}

bool rates_is_same_daemon(const struct counters *before, const struct counters *now)
{
    return before->daemon.pid == now->daemon.pid &&
           before->daemon.started_usec == now->daemon.started_usec;
}

static bool is_chosen(const struct counters_pool *pool, const struct rates_choice *choice)
{
    if (choice->service[0] != '\0' && strcmp(choice->service, pool->service) != 0)
        return false;
    return strcasestr(pool->service, choice->words) || strcasestr(pool->listener, choice->words);
}

// The same pool in a look before; mostly it has the same place.
static const struct counters_pool *find(const struct counters *counters, size_t place,
                                        const struct counters_pool *pool)
{
    for (size_t i = 0; i < counters->n; i++) {
        const struct counters_pool *other = &counters->pools[(place + i) % counters->n];

        if (strcmp(other->service, pool->service) == 0 &&
            strcmp(other->listener, pool->listener) == 0)
            return other;
    }
    return NULL;
}

static void add(struct rates *sum, const struct rates *rates)
{
    sum->sessions += rates->sessions;
    sum->received += rates->received;
    sum->sent += rates->sent;
    sum->failed += rates->failed;
    sum->refused += rates->refused;
    sum->n_busy += rates->n_busy;
    sum->n_idle += rates->n_idle;
    sum->n_parked += rates->n_parked;
    sum->n_starting += rates->n_starting;
    sum->n_draining += rates->n_draining;
    sum->n_workers += rates->n_workers;
    sum->min += rates->min;
    sum->spare += rates->spare;
    sum->max += rates->max;
    sum->queue += rates->queue;
    sum->starts += rates->starts;
    sum->deaths += rates->deaths;
}

// What counts in an order: the greatest comes first.
static double weight(const struct rates *rates, enum rates_order order)
{
    switch (order) {
    case RATES_BY_BUSY:
        return rates->busy;
    case RATES_BY_RATE:
        return rates->sessions;
    case RATES_BY_IN:
        return rates->received;
    case RATES_BY_OUT:
        return rates->sent;
    case RATES_BY_QUEUE:
        return (double)rates->queue;
    case RATES_BY_WAIT:
        return rates->wait_99 == RATES_NONE ? -1 : (double)rates->wait_99;
    case RATES_BY_FAILED:
        return rates->failed;
    default:
        return 0;
    }
}

// Equals stay in the order of the configuration, which is that of the pools in memory.
static int compare(const void *left, const void *right, void *argument)
{
    const struct rates *a = left, *b = right;
    const struct rates_choice *choice = argument;
    double of_a = weight(a, choice->order), of_b = weight(b, choice->order);
    int sign = choice->is_reversed ? -1 : 1;

    if (of_a > of_b)
        return -sign;
    if (of_a < of_b)
        return sign;
    if (choice->order != RATES_AS_CONFIGURED)
        sign = 1;
    return a->pool < b->pool ? -sign : sign;
}

void rates_view_make(struct rates_view *ret, const struct counters *now,
                     const struct counters *before, uint64_t usec,
                     const struct rates_choice *choice)
{
    uint64_t n_busy = 0, max = 0;       // of those whose workers are known to serve
    struct rates_choice copy = *choice; // qsort_r() takes what can be changed

    *ret = (struct rates_view){.rates = base_checked(calloc(now->n + 1, sizeof(ret->rates[0])))};
    for (size_t i = 0; i < now->n; i++) {
        const struct counters_pool *pool = &now->pools[i];

        if (!is_chosen(pool, choice))
            continue;
        ret->rates[ret->n] = rates_make(pool, before ? find(before, i, pool) : NULL, usec);
        if (!pool->accepts_itself) {
            n_busy += ret->rates[ret->n].n_busy;
            max += pool->max;
        }
        add(&ret->sum, &ret->rates[ret->n++]);
    }
    ret->sum.busy = share(n_busy, max);
    qsort_r(ret->rates, ret->n, sizeof(ret->rates[0]), compare, &copy);
}

void rates_view_done(struct rates_view *view)
{
    free(view->rates);
    *view = (struct rates_view){0};
}
