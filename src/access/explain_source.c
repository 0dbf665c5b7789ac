// SPDX-License-Identifier: MIT
// What limits of sources say of a client: what source_enter() would, which is asked of a copy.

#include <inttypes.h>
#include <stdio.h>

#include "access/explain.h"
#include "base/base.h"
#include "base/timespan.h"

#define NSEC_PER_USEC UINT64_C(1000)

static const enum refusal refusals[SOURCE_VERDICTS] = {
    [SOURCE_PENALTY] = REFUSAL_PENALTY,
    [SOURCE_CONNECTIONS] = REFUSAL_CONNECTIONS,
    [SOURCE_RATE] = REFUSAL_RATE,
};

static void describe_rate(struct explanation *ret, const struct source_settings *settings,
                          const struct source_limits *limits, const struct source_entry *entry,
                          uint64_t now_nsec)
{
    uint64_t owes = entry->paid_nsec > now_nsec ? entry->paid_nsec - now_nsec : 0;
    uint64_t used = limits->interval_nsec > 0
                        ? (owes + limits->interval_nsec - 1) / limits->interval_nsec
                        : 0;
    char rate[RATE_TEXT_MAX];

    if (limits->interval_nsec == 0)
        return;
    if (used > limits->burst)
        used = entry->paid_nsec > now_nsec + limits->burst * limits->interval_nsec ? 0
                                                                                   : limits->burst;
    (void)snprintf(ret->rate, sizeof(ret->rate), "%" PRIu64 " of %u left, %s", limits->burst - used,
                   limits->burst, rate_format(&settings->rate, rate, sizeof(rate)));
}

static void describe_penalty(struct explanation *ret, const struct source_limits *limits,
                             const struct source_entry *entry, uint64_t now_nsec)
{
    uint64_t left = entry->ban_nsec > now_nsec ? entry->ban_nsec - now_nsec : 0;
    char outstanding[TIMESPAN_TEXT_MAX], from[TIMESPAN_TEXT_MAX];

    if (left == 0 || left > limits->penalty_max_nsec)
        return;
    (void)snprintf(ret->penalty, sizeof(ret->penalty), "%s, in force from %s",
                   timespan_format(left / NSEC_PER_USEC / USEC_PER_MSEC * USEC_PER_MSEC,
                                   outstanding, sizeof(outstanding)),
                   timespan_format(limits->penalty_min_nsec / NSEC_PER_USEC, from, sizeof(from)));
}

enum refusal explain_source(struct explanation *ret, const struct explain_listener *listener,
                            const struct sockaddr *client)
{
    const struct source_settings *settings = listener->sources;
    struct source_limits limits = source_settings_limits(settings);
    struct source_entry entry = {0};
    struct source_key key;
    enum refusal refusal;

    if (!source_settings_are_on(settings))
        return REFUSAL_NONE;
    if (!source_settings_key(settings, client, UINT32_MAX, &key)) {
        (void)snprintf(ret->source, sizeof(ret->source), "exempt, by source_exempt");
        return REFUSAL_NONE;
    }
    (void)source_format(&key, ret->source, sizeof(ret->source));
    if (listener->table)
        entry = source_look(listener->table, &key);
    if (limits.connections > 0)
        (void)snprintf(ret->connections, sizeof(ret->connections), "%u of %u connections",
                       entry.connections, limits.connections);
    else
        (void)snprintf(ret->connections, sizeof(ret->connections), "%u connection%s",
                       entry.connections, PLURAL(entry.connections));
    describe_rate(ret, settings, &limits, &entry, listener->now_nsec);
    describe_penalty(ret, &limits, &entry, listener->now_nsec);
    refusal = refusals[source_judge(&entry, &limits, listener->now_nsec)];
    return settings->dry_run ? REFUSAL_NONE : refusal;
}
