// SPDX-License-Identifier: MIT
// Files that somebody names in a configuration: read whole, and folders listed. What was read is
// kept and given as answers are (answers.h). A path that is no regular file is refused without
// waiting, as a FIFO would let us. Logs nothing; without memory the process ends.
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct file_text {
    char *bytes; // owned by the caller; a NUL is behind them
    size_t n;
    dev_t device;
    ino_t inode;
    mode_t mode; // as stat(2) has it
};

// Reads a file of at most max bytes. 0, or -errno with nothing to free: -EFBIG: it is longer;
// -EISDIR: a directory; -ENOTSUP: another thing than a file.
int file_read(const char *path, size_t max, struct file_text *ret);

// Reads what is open at fd to its end, at most max bytes, and waits for it. What was read is not
// kept. 0 or -errno as above.
int file_read_open(int fd, size_t max, struct file_text *ret);

// The names in a folder that end like that and do not begin with a dot, in the order of their
// bytes; an owned list whose texts are owned, too, NULL at its end. -ENOENT: there is no such
// folder; -errno.
int file_list(const char *folder, const char *ending, char ***ret_names);
void file_list_free(char **names);
