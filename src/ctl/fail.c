// SPDX-License-Identifier: MIT
#include "ctl/fail.h"

#include <stdarg.h>
#include <stdio.h>

int fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("tcpdctl: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    return status;
}
