// SPDX-License-Identifier: MIT
// answers.c: what one process keeps another finds, in any order; a file that is cut or changed is
// none; who may not ask is not answered.

#include "base/answers.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/mman.h>

#include "unit.h"

static const struct {
    const char *what, *about, *bytes;
    size_t size;
} asked[] = {
    {"the file", "/etc/x", "text\n", 5}, {"the file", "/etc/y", "", 0},
    {"the user", "/etc/x", "a\0b", 3},   {"the file", "", "nothing", 7},
    {"", "/etc/x", "neither", 7},
};

// The file of a process that has asked them all.
static int make_file(void)
{
    struct answer answer;
    int fd = memfd_create("answers", MFD_CLOEXEC);

    answers_keep(fd);
    for (size_t i = 0; i < ELEMENTS(asked); i++) {
        check_number("not known yet", answers_find(asked[i].what, asked[i].about, &answer), 0);
        answers_note(asked[i].what, asked[i].about, asked[i].bytes, asked[i].size);
    }
    answers_note_failure("the file", "/etc/none", ENOENT);
    check_number("kept", answers_find("the file", "/etc/none", &answer), -ENOENT);
    check_number("written", answers_write(fd), 0);
    answers_forget();
    return fd;
}

static void check_found(size_t i)
{
    struct answer answer = {0};

    check_number(asked[i].what, answers_find(asked[i].what, asked[i].about, &answer), 1);
    check_bytes(asked[i].what, answer.bytes, answer.size, asked[i].bytes, asked[i].size);
}

static void test_given(void **state)
{
    int fd = make_file();
    struct answer answer;

    (void)state;
    check_number("given", answers_give(fd), 0);
    check_true("given", answers_are_given());
    for (size_t i = 0; i < ELEMENTS(asked); i++)
        check_found(i);
    for (size_t i = ELEMENTS(asked); i > 0; i--)
        check_found(i - 1);
    check_number("failed", answers_find("the file", "/etc/none", &answer), -ENOENT);
    check_number("never asked", answers_find("the file", "/etc/z", &answer), -ESTALE);
    check_number("of another", answers_find("the group", "/etc/x", &answer), -ESTALE);
    answers_forget();
    check_true("forgotten", !answers_are_given());
    check_number("asking", answers_find("the file", "/etc/x", &answer), 0);
    (void)close(fd);
}

// A question that was asked before is answered from what was kept, so that all see the same.
static void test_kept(void **state)
{
    struct answer answer;

    (void)state;
    answers_keep(-1);
    check_number("first", answers_find("the file", "x", &answer), 0);
    answers_note("the file", "x", "1", 1);
    check_number("again", answers_find("the file", "x", &answer), 1);
    check_bytes("again", answer.bytes, answer.size, "1", 1);
    answers_forget();
    answers_note("the file", "x", "1", 1);
    check_number("not kept", answers_find("the file", "x", &answer), 0);
}

// Cut anywhere, or with any byte of its sizes changed, a file gives no answer beyond its end.
static void test_broken(void **state)
{
    int fd = make_file();
    off_t size = lseek(fd, 0, SEEK_END);
    char row[32];

    (void)state;
    for (off_t at = size - 1; at >= 0; at--) {
        (void)snprintf(row, sizeof(row), "cut to %jd", (intmax_t)at);
        check_number(row, ftruncate(fd, at), 0);
        if (answers_give(fd) >= 0) // cut between two answers, it is a shorter file
            check_true(row, at > 4096);
        answers_forget();
    }
    (void)close(fd);
    for (off_t at = 4096; at < size; at++) {
        struct answer answer;
        int changed = make_file();

        check_number("changed", pwrite(changed, "\xff", 1, at), 1);
        if (answers_give(changed) >= 0)
            for (size_t i = 0; i < ELEMENTS(asked); i++)
                (void)answers_find(asked[i].what, asked[i].about, &answer); // ASan looks on
        answers_forget();
        (void)close(changed);
    }
}

// Why there is no answer is an errno, or the file is none.
static void test_errors(void **state)
{
    static const struct {
        int64_t error;
        int want;
    } rows[] = {
        {0, 0},
        {1, 0},
        {ENOENT, 0},
        {4095, 0},
        {4096, -EBADMSG},
        {-1, -EBADMSG},
        {INT_MIN, -EBADMSG},
        {INT64_MIN, -EBADMSG},
        {INT64_C(1) << 32, -EBADMSG},
    };
    int fd = make_file();
    // The last answer is the failure: its error, then "the file" and "/etc/none".
    off_t at = lseek(fd, 0, SEEK_END) - (off_t)(sizeof("the file") + sizeof("/etc/none")) - 8;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char row[32];

        (void)snprintf(row, sizeof(row), "error %" PRId64, rows[i].error);
        check_number(row, pwrite(fd, &rows[i].error, 8, at), 8);
        check_number(row, answers_give(fd), rows[i].want);
        answers_forget();
    }
    (void)close(fd);
}

static void test_pending(void **state)
{
    int fd = memfd_create("answers", MFD_CLOEXEC);
    struct answer answer;
    char text[64];

    (void)state;
    check_text("nothing yet", answers_pending(fd, text, sizeof(text)), "");
    answers_keep(fd);
    (void)answers_find("the address of", "a\nb:1", &answer);
    check_text("asked", answers_pending(fd, text, sizeof(text)), "the address of a\\x0ab:1");
    answers_note("the address of", "a\nb:1", "", 0);
    check_text("answered", answers_pending(fd, text, sizeof(text)), "");
    answers_forget();
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),   cmocka_unit_test(test_kept),
        cmocka_unit_test(test_broken),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
