// SPDX-License-Identifier: MIT
// SipHash-1-3: a hash that nobody can aim who does not know its secret. Of whole words of 64 bits,
// in the machine's order; on x86 and ARM that is what others compute of the same bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_secret {
    uint64_t word[2];
};

static inline uint64_t siphash_rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = siphash_rotate(v[1], 13) ^ v[0];
    v[0] = siphash_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = siphash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = siphash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = siphash_rotate(v[1], 17) ^ v[2];
    v[2] = siphash_rotate(v[2], 32);
}

static inline void siphash_take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    siphash_round(v);
    v[0] ^= word;
}

static inline uint64_t siphash13(const struct siphash_secret *secret, const uint64_t *words,
                                 size_t n_words)
{
    uint64_t v[4] = {
        secret->word[0] ^ UINT64_C(0x736f6d6570736575),
        secret->word[1] ^ UINT64_C(0x646f72616e646f6d),
        secret->word[0] ^ UINT64_C(0x6c7967656e657261),
        secret->word[1] ^ UINT64_C(0x7465646279746573),
    };

    for (size_t i = 0; i < n_words; i++)
        siphash_take(v, words[i]);
    siphash_take(v, (uint64_t)(n_words * sizeof(words[0])) << 56); // the length ends the text
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
