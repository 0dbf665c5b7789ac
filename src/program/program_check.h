// SPDX-License-Identifier: MIT
// What is wrong with a service that runs a program: in the master, while the configuration is read.
// Looks at files and users, starts nothing, logs nothing.
#pragma once

#include "config/config.h"

// Adds what is wrong to problems, and fills in what follows from the settings: the user's numbers,
// and of `listener` the number of workers. lines: see config_line().
void program_check(struct service *service, const int *lines, struct problems *problems);

// Who `user` and `group` are. NULL, or what is wrong, in words. program_user.c
const char *program_find_user(struct identity *identity);
