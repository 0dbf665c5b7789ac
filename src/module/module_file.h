// SPDX-License-Identifier: MIT
// Opens a module's file so that what was judged is what is used. Whoever can put another file in
// its place can run code as tcpd's user: by writing to the file, by renaming it in a directory on
// the way, by turning a symbolic link. So all of these must be root's or that user's, and nobody
// else's to write. Logs nothing; the names of owners are looked up, and that may wait.
#pragma once

#include <stddef.h>

#define MODULE_WRONG_SIZE 1000 // of a text that says what is wrong with a module

// A descriptor of the file, for reading and the caller's to close. -1: what is wrong, and with
// which directory or link on the way, is in ret_wrong.
int module_file_open(const char *path, char *ret_wrong, size_t size);
