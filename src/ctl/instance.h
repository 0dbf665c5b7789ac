// SPDX-License-Identifier: MIT
// Which daemon is meant: its socket, its unit, and the configuration that it reads.
#pragma once

#include "ctl/options.h"

// word: an instance or a file that is to be checked or printed; instance: of --instance; each may
// be NULL. Fills in what was not given. False: an instance cannot have that name.
bool instance_choose(struct options *options, const char *word, const char *instance);
