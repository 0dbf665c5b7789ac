// SPDX-License-Identifier: MIT
// Certificates that end soon: a record a day for each, until there is another one. It is served all
// the same, as refusing it is for clients to decide.
#pragma once

#include "base/problems.h"
#include "config/config.h"

// Of a certificate that was loaded: whether it is time for a new one, at that second since 1970.
bool tls_expiry_is_near(const struct certificate *certificate, int64_t now_sec);

// When a configuration is read: the same as warnings.
void tls_expiry_warn(const struct config *config, struct problems *warnings);

// "certificate "www" expires on 2026-12-03 12:00 UTC, in 6 days", for STATUS=; "": none is near.
void tls_expiry_describe(const struct config *config, char *text, size_t size);

// In the master, every second or so. now_usec: monotonic.
void tls_expiry_tick(const struct config *config, uint64_t now_usec);
