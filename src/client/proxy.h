// SPDX-License-Identifier: MIT
// The PROXY protocol of tcpc: the header that a proxy sends before all else, to try services that
// stand behind one.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/proxy_header.h"
#include "client/peer.h"
#include "client/status.h"

#define PROXY_TLVS_MAX 32

// What --proxy-protocol and its companions say. Texts are those of argv.
struct proxy_options {
    bool is_on;
    enum proxy_kind kind;
    struct address source, destination; // length 0: not given, the socket's own
    struct proxy_tlv tlvs[PROXY_TLVS_MAX];
    size_t n_tlvs;
    bool has_crc;
};

// Read arguments: "v2"; "192.0.2.1:40000", "[::1]:1" or "unix:/PATH"; "0x02=example.org". A failure
// was told. option: its name, for the message.
enum status proxy_set_kind(struct proxy_options *options, const char *text);
enum status proxy_set_end(struct address *end, const char *option, const char *text);
enum status proxy_add_tlv(struct proxy_options *options, const char *text);

// NULL, or what is wrong with the options for that peer.
const char *proxy_check(const struct proxy_options *options, const struct address_spec *target);

// Sends the header, all at once. Every failure is told.
enum status proxy_begin(const struct proxy_options *options, const struct peer *peer);
