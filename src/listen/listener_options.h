// SPDX-License-Identifier: MIT
// The options of a listening socket, which belong to all who have a copy of it: a worker could make
// it take nobody, or pass on to every connection what cripples it. They are noted when the socket
// is opened, before there is a worker, and put right when they have changed.
#pragma once

#include <stdint.h>

#define LISTENER_OPTIONS_MAX 32

struct listener_options {
    uint8_t sizes[LISTENER_OPTIONS_MAX]; // 0: the socket has no such option
    uint64_t values[LISTENER_OPTIONS_MAX][2];
};

void listener_options_note(int fd, struct listener_options *ret);

// Puts right what has changed, and takes a filter off. The name of the first that was wrong,
// NULL: none was. -EPERM in *ret_error: it stays wrong, as the kernel refuses.
const char *listener_options_restore(int fd, const struct listener_options *options,
                                     int *ret_error);
