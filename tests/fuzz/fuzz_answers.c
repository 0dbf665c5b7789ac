// SPDX-License-Identifier: MIT
// The file with which a check hands over what it has read and asked: whatever is in it, whoever
// reads a configuration from it gets one or is told why not.

#include <unistd.h>

#include "given.h"

// A byte says whether the input is the whole file, or what lies behind the start of a right one.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int whole = -1, right = -1;
    static off_t start;
    struct problems problems = {0};
    struct config *config;
    int fd;

    if (size == 0)
        return 0;
    if (whole < 0) {
        whole = memfd_create("whole", MFD_CLOEXEC);
        right = memfd_create("right", MFD_CLOEXEC);
        answers_keep(-1);
        MUST(whole >= 0 && right >= 0 && answers_write(right) == 0);
        start = lseek(right, 0, SEEK_END);
    }
    fd = data[0] & 1 ? right : whole;
    answers_forget();
    MUST(ftruncate(fd, fd == right ? start : 0) == 0);
    MUST(pwrite(fd, data + 1, size - 1, fd == right ? start : 0) == (ssize_t)size - 1);
    if (answers_give(fd) == 0) {
        config = config_load(MAIN_FILE, given_handlers(), &problems);
        MUST(!config == (problems.n > 0));
        (void)config_unref(config);
        problems_done(&problems);
    }
    answers_forget();
    return 0;
}
