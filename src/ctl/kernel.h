// SPDX-License-Identifier: MIT
// The kernel's view of the daemon's sessions, and of those who wait to be accepted, of whom the
// daemon knows nothing: found by addresses and ports.
#pragma once

#include "ctl/diag.h"
#include "view/sessions.h"

struct kernel_waiting {
    const char *service, *listener; // whose queue it is in
    const struct diag_socket *socket;
};

struct kernel {
    struct diag_sockets all;        // in the order of their far ends
    struct kernel_waiting *waiting; // who waits longest comes first; owned
    size_t n_waiting;
};

// Takes the sockets, which must have been read.
void kernel_open(struct kernel *kernel, const struct diag_sockets *all);
void kernel_close(struct kernel *kernel);

// The session's socket; NULL: the kernel has none of that address, or that cannot be known.
const struct diag_socket *kernel_find(const struct kernel *kernel, const struct session_row *row);

// Adds who waits in the queue of a listener, as "tls:*:7007". The texts must stay. 0 or -errno.
int kernel_add_waiting(struct kernel *kernel, const char *service, const char *listener);
void kernel_sort_waiting(struct kernel *kernel);

// "192.0.2.7:48764", as sessions have it. Returns text.
const char *kernel_format_end(const struct diag_end *end, char *text, size_t size);
