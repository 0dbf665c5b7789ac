// SPDX-License-Identifier: MIT
// A source table in memory of the test, and workers who hold entries of it.
#pragma once

#include <stdatomic.h>
#include <sys/socket.h>

#include "access/source_audit.h"
#include "access/source_words.h"
#include "unit.h"

#define SEC UINT64_C(1000000000)
#define NOW (1000 * SEC)

static const struct siphash_secret secret = {{UINT64_C(0x0123456789abcdef), 42}};
static const struct source_lengths lengths = {32, 64};

// The nth of many sources, of IPv4 or IPv6.
static inline struct source_key key_of(uint32_t n, bool is_wide)
{
    struct source_address address = {.family = is_wide ? AF_INET6 : AF_INET, .ip = {32, 1, 13}};

    memcpy(address.ip + (is_wide ? 4 : 0), &n, sizeof(n));
    return source_key_make(&address, &lengths);
}

static inline unsigned count_of(const struct source_table *table, const struct source_key *key)
{
    return source_look(table, key).connections;
}

// All connections that the table has.
static inline unsigned count_all(const struct source_table *table)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < source_n_entries(table); i++)
        n += source_count(source_load(&source_set_of(table, i)->count[i % SOURCE_WAYS]));
    return n;
}
