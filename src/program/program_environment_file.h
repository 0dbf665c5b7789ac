// SPDX-License-Identifier: MIT
// Files of variables, as systemd's EnvironmentFile= reads them; systemd.exec(5). Pure. Without
// memory the process ends.
#pragma once

#include "base/problems.h"
#include "config/form.h"

// Adds the variables of a text, NAME=VALUE each, to ret. why_not(NAME=VALUE, data) says why one
// cannot be, NULL: it can. What is wrong goes to problems, at its line of `path`.
void environment_file_parse(const char *text, const char *path,
                            const char *(*why_not)(const char *entry, const void *data),
                            const void *data, struct text_list *ret, struct problems *problems);
