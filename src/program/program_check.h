// SPDX-License-Identifier: MIT
// What is wrong with a service that runs a program: in the master, while the configuration is read.
// Looks at files and users, starts nothing, logs nothing.
#pragma once

#include "config/section.h"
#include "program/program_options.h"

// Adds what is wrong to problems, and fills in what follows from the settings: the user's numbers,
// how many processes each worker has, and of `listener` the number of workers.
void program_check(struct service *service, const struct section *section,
                   struct problems *problems);

// Who `user` and `group` are. NULL, or what is wrong, in words that hold until
// answers_forget(). program_user.c
const char *program_find_user(struct identity *identity);
