// SPDX-License-Identifier: MIT
// A list as a program that the kernel runs before each system call. It is made once, in the master,
// by libseccomp; a worker puts its own numbers in and loads it.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include "sandbox/sandbox_list.h"

struct sandbox_filter {
    struct sock_filter *code; // owned; NULL: none
    size_t n;
};

// 0 or -errno. ret is the caller's, to be freed by sandbox_filter_done().
int sandbox_filter_make(const struct sandbox_list *list, struct sandbox_filter *ret);
void sandbox_filter_done(struct sandbox_filter *filter);

// In a worker: from now on the process is held by it, and all that it becomes. Without privilege
// that needs no_new_privs. listener: -1 is none. 0 or -errno.
int sandbox_filter_load(const struct sandbox_filter *filter, int listener);
