// SPDX-License-Identifier: MIT
// Which module serves, and how: what handler "module" reads from tcpd.conf.
#pragma once

#include <stdint.h>

#include "config/form.h"

struct module_options {
    char *file;
    int line;                 // where it is written
    struct text_list options; // NAME=VALUE
    int64_t limit_as;         // or INHERIT, RLIM_INFINITY
    uint64_t hang_usec;       // without a call of ours, 0: for ever
};
