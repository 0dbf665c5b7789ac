// SPDX-License-Identifier: MIT
// A module's code and what it exports. It is loaded in workers and in the processes that try it
// only: never in the master, where its constructors would run.
#pragma once

#include <stddef.h>

#include "tcpd/handler.h"

// Judges the file, loads that file, checks its interface. NULL with what is wrong in ret_wrong.
// Runs the module's constructors; it stays loaded. Logs nothing.
const struct tcpd_handler *module_load(const char *path, char *ret_wrong, size_t size);
