// SPDX-License-Identifier: MIT
// file.c: what another process has kept of files and folders, whole or damaged.

#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/answers.h"
#include "unit.h"

static void give(const char *what, const char *bytes, size_t size)
{
    int fd = memfd_create("answers", MFD_CLOEXEC);

    answers_keep(-1);
    answers_note(what, "/c", bytes, size);
    check_number(what, answers_write(fd), 0);
    check_number(what, answers_give(fd), 0);
    (void)close(fd);
}

static const struct {
    const char *what, *bytes;
    size_t size;
    int r, n_names;
} folders[] = {
    {"two names", "a.conf\0b.conf", 14, 0, 2},
    {"none", "", 0, 0, 0},
    {"a name without its end", "a.conf\0b.con", 12, -EBADMSG, 0},
    {"no end at all", "a", 1, -EBADMSG, 0},
};

static void test_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(folders); i++) {
        char **names = NULL;
        int n = 0;

        give("the directory", folders[i].bytes, folders[i].size);
        check_number(folders[i].what, file_list("/c", ".conf", &names), folders[i].r);
        while (names && names[n])
            n++;
        check_number(folders[i].what, n, folders[i].n_names);
        file_list_free(names);
        answers_forget();
    }
}

struct head {
    dev_t device;
    ino_t inode;
    mode_t mode;
};

#define NUMBERS sizeof(struct head)

static const struct {
    const char *what;
    size_t size;
    int r;
} files[] = {
    {"not even its numbers", 0, -EBADMSG},
    {"cut in its numbers", NUMBERS - 1, -EBADMSG},
    {"empty", NUMBERS, 0},
    {"some bytes", NUMBERS + 5, 0},
};

static void test_files(void **state)
{
    static const char bytes[NUMBERS + 5] = "";

    (void)state;
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        struct file_text text = {0};

        give("the file", bytes, files[i].size);
        check_number(files[i].what, file_read("/c", 100, &text), files[i].r);
        if (files[i].r == 0)
            check_number(files[i].what, (long)text.n, (long)(files[i].size - NUMBERS));
        free(text.bytes);
        answers_forget();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
