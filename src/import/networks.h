// SPDX-License-Identifier: MIT
// Addresses as xinetd and tcprules have them, to prefixes as tcpd.conf has them. No name is looked
// up. Without memory the process ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "import/text.h"

#define NETWORKS_MAX 65536 // that a list of tcpd.conf may have

struct network {
    uint8_t bytes[16]; // those behind the prefix are 0, of IPv4 all but four
    uint8_t bits;
    bool is_ipv6;
};

struct networks {
    struct network *items;
    size_t n;
};

// Each adds what a text means. NULL, or what is wrong with it, and nothing is added.
const char *networks_add_xinetd(struct networks *networks, const char *text);
const char *networks_add_tcprules(struct networks *networks, const char *text, size_t length);
void networks_add_all(struct networks *networks); // of both families
void networks_add(struct networks *networks, const struct network *network);

// One that has all of a prefix, or is the same; NULL: none.
const struct network *networks_around(const struct networks *networks,
                                      const struct network *network);
void networks_sort(struct networks *networks);     // each stays once
int network_compare(const void *a, const void *b); // for qsort()
void networks_remove(struct networks *networks, size_t i);

// "10.0.0.0/8". size: NETWORK_TEXT_MAX is enough. Returns text.
#define NETWORK_TEXT_MAX 64
const char *network_format(const struct network *network, char *text, size_t size);

// Adds the list as a setting has it.
void networks_write(const struct networks *networks, struct text *text);
void networks_done(struct networks *networks);
