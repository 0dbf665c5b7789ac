// SPDX-License-Identifier: MIT
// Other programs, run to their end. What they say on stderr goes to ours.
#pragma once

// Runs argv[0], which is looked up in PATH unless it is a path; waits for its end, however long
// that takes. Its output is lost, or with ret_output an owned text. Its exit status; 128 and more:
// a signal has ended it; -errno.
int command_run(const char *const *argv, char **ret_output);
