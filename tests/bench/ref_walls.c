// SPDX-License-Identifier: MIT
// The reference behind the walls that a worker of a built-in service has: what the list of system
// calls costs, which the kernel runs before each of them, is then in both figures.

#include <err.h>
#include <errno.h>
#include <sys/prctl.h>

#include "ref.h"
#include "sandbox/sandbox_filter.h"

static struct sandbox_filter filter;

void ref_walls_make(void)
{
    int r = sandbox_filter_make(sandbox_list_get(SANDBOX_STRICT), &filter);

    if (r < 0) {
        errno = -r;
        err(71, "walls");
    }
}

void ref_walls_enter(int listener)
{
    if (!filter.code)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_filter_load(&filter, listener) < 0)
        err(71, "walls");
}
