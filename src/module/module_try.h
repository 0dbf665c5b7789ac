// SPDX-License-Identifier: MIT
// Modules tried before they serve: `tcpd -t` loads each in a child and opens and closes it there.
#pragma once

#include "config/config.h"
#include "session/serving.h"

// Adds what is wrong to problems. A module that takes longer than 10 s is killed and is wrong.
// Forks; not for a master that serves.
void module_try_all(const struct config *config, struct problems *problems);

// --- handlers/module.c, in the process that is to have the module ---
// Loads the module of the worker's service and opens it. < 0: what is wrong is in ret_wrong.
int module_open(const struct tcpd_worker *worker, char *ret_wrong, size_t size);
void module_close(void);
