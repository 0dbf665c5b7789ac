// SPDX-License-Identifier: MIT
#include "access/source_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define NSEC_PER_USEC UINT64_C(1000)

static bool has_penalties(const struct source_settings *settings)
{
    for (int i = 0; i < SOURCE_OFFENCES; i++)
        if (settings->penalties_usec[i] > 0)
            return true;
    return false;
}

bool source_settings_are_on(const struct source_settings *settings)
{
    return settings->connections > 0 || settings->rate.n > 0 || has_penalties(settings);
}

uint32_t source_settings_entries(const struct source_settings *settings, unsigned max_workers)
{
    return source_table_entries(settings->table, max_workers,
                                settings->rate.n > 0 || has_penalties(settings));
}

struct source_limits source_settings_limits(const struct source_settings *settings)
{
    unsigned a_second = settings->rate.seconds == 1 ? settings->rate.n : 1;

    return (struct source_limits){
        .connections = settings->connections,
        .interval_nsec = rate_interval_nsec(&settings->rate),
        .burst = settings->burst > 0 ? settings->burst : a_second,
        .penalty_min_nsec = settings->penalty_min_usec * NSEC_PER_USEC,
        .penalty_max_nsec = settings->penalty_max_usec * NSEC_PER_USEC,
        .overflow_refuses = settings->overflow == SOURCE_OVERFLOW_REFUSE,
    };
}

struct source_lengths source_settings_lengths(const struct source_settings *settings)
{
    return (struct source_lengths){(uint8_t)settings->prefix4, (uint8_t)settings->prefix6};
}

void source_settings_settle(struct source_settings *settings)
{
    const struct rule_list *exempt = &settings->exempt;
    cleanup_free struct prefix *prefixes = base_checked(calloc(exempt->n + 1, sizeof(*prefixes)));

    source_settings_done(settings);
    for (size_t i = 0; i < exempt->n; i++)
        prefixes[i] = exempt->rules[i].prefix;
    if (exempt->n > 0)
        settings->exempt_ranges = ranges_new(prefixes, exempt->n);
}

void source_settings_done(struct source_settings *settings)
{
    settings->exempt_ranges = ranges_free(settings->exempt_ranges);
}

bool source_settings_key(const struct source_settings *settings, const struct sockaddr *client,
                         uint32_t uid, struct source_key *ret)
{
    const struct source_lengths lengths = source_settings_lengths(settings);
    struct source_address address = {.family = AF_UNIX, .scope = uid};
    struct prefix prefix;

    if (client->sa_family == AF_UNIX && uid == UINT32_MAX)
        return false;
    if (prefix_of_address(client, &prefix)) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)client;

        if (settings->exempt_ranges && ranges_find(settings->exempt_ranges, &prefix) != RANGES_NONE)
            return false;
        address.family = prefix.is_v6 ? AF_INET6 : AF_INET;
        address.scope = prefix.is_v6 ? in6->sin6_scope_id : 0;
        memcpy(address.ip, prefix.ip, sizeof(address.ip));
    } else if (client->sa_family != AF_UNIX) {
        return false;
    }
    *ret = source_key_make(&address, &lengths);
    return true;
}

const char *source_format(const struct source_key *key, char *text, size_t size)
{
    const struct source_address address = source_key_address(key);
    struct prefix prefix = {.length = (uint8_t)key->length, .is_v6 = source_key_is_wide(key)};
    char written[PREFIX_TEXT_MAX];

    memcpy(prefix.ip, address.ip, sizeof(prefix.ip));
    if (key->kind == SOURCE_USER)
        (void)snprintf(text, size, "user %" PRIu32, address.scope);
    else if (key->kind == SOURCE_LINK)
        (void)snprintf(text, size, "%s on interface %" PRIu32,
                       prefix_format(&prefix, written, sizeof(written)), address.scope);
    else
        (void)snprintf(text, size, "%s", prefix_format(&prefix, written, sizeof(written)));
    return text;
}
