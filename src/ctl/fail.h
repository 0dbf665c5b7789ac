// SPDX-License-Identifier: MIT
// What went wrong, as tcpdctl says it.
#pragma once

// Prints "tcpdctl: TEXT" as a line on standard error. Returns the status.
__attribute__((format(printf, 2, 3))) int fail(int status, const char *format, ...);
