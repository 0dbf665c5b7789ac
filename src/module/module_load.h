// SPDX-License-Identifier: MIT
// A module's file and what it exports. The file may be looked at anywhere; it is loaded in workers
// and in the child of `tcpd -t` only: never in the master, where its constructors would run.
#pragma once

#include "tcpd/handler.h"

// Looks at the file: NULL, or what is wrong with it, valid until the next call. Reads no contents.
const char *module_check_file(const char *path);

// Looks again, loads it, checks its interface. NULL with what is wrong in *ret_wrong, valid until
// the next call. Runs the module's constructors; it stays loaded.
const struct tcpd_handler *module_load(const char *path, const char **ret_wrong);
