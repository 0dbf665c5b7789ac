// SPDX-License-Identifier: MIT
// The answer of GetStatus(), for whoever shows it: as JSON, and what a page needs of it as structs.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

// The texts are the message's.
struct status_daemon {
    const char *version, *state;
    uint64_t uptime_usec, generation;
};

struct status_pool {
    const char *service, *listener;
    const char *node; // what an administrator has ordered: "drain"
    bool paused;
};

struct status {
    struct status_daemon daemon;
    struct status_pool *pools; // owned
    size_t n_pools;
};

// Reads the answer, which must stay as long as what was read. 0 or -errno; then it is empty.
int status_read(sd_bus_message *reply, struct status *ret);
void status_done(struct status *status);

// Whether clients should come here: tcpd serves, and some service is neither drained nor paused,
// without those that only tell of others.
bool status_is_healthy(const struct status *status,
                       bool (*tells)(const char *service, const void *data), const void *data);

// {"schema":1,"daemon":{...},"pools":[{...},...],...} and a newline. 0 or -errno.
int status_print_json(FILE *stream, sd_bus_message *reply);
