// SPDX-License-Identifier: MIT
// A shared object of tcpd's own, which is loaded only where it is needed. It lies beside the file
// of the program that loads it: in private/, as built, or as installed in ../lib/tcpd/private/ of
// /usr/bin or ../../lib/tcpd/private/ of /usr/libexec/tcpd.
#pragma once

#include <stddef.h>

// Loads NAME.so, for this process and those it forks. The face of that symbol, a struct whose first
// member is a text, the version of tcpd that it was built with. NULL: it cannot be loaded or is of
// another version, and `why` has the reason.
const void *own_object_load(const char *name, const char *symbol, char *why, size_t size);
