// SPDX-License-Identifier: MIT
#include "process/hiding.h"

#include <sys/prctl.h>

void hiding_begin(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0); // known, so it cannot fail
}

void hiding_end(void)
{
    (void)prctl(PR_SET_DUMPABLE, 1);
}
