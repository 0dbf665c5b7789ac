// SPDX-License-Identifier: MIT
#include "ctl/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/fail.h"

int output_end(int status)
{
    static int told; // once is enough

    errno = 0;
    if (told == 0 && fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (told++ == 0)
        (void)fail(0, "cannot write to standard output%s%s", errno > 0 ? ": " : "",
                   errno > 0 ? strerror(errno) : ""); // it may have been lost since
    return EX_IOERR;
}
