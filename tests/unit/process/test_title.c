// SPDX-License-Identifier: MIT
// title.c: what the kernel shows of a process follows title_set(), of any length, and the
// environment stays readable. In children, so that this process keeps its own name.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "process/title.h"
#include "unit.h"

#define MARK    "TCPD_TEST_MARK"
#define PADDING "TCPD_TEST_PADDING"

static char **arguments;

// The first string of /proc/self/cmdline; -1 when it cannot be read.
static ssize_t read_cmdline(char *text, size_t size)
{
    cleanup_close int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
    return n;
}

// True where the kernel looks for the command line at argv: not under valgrind, which copies it.
static bool is_shown_from_argv(void)
{
    char text[4096], *field;
    cleanup_close int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    field = strrchr(text, ')');
    for (int i = 2; field && i < 48; i++) // arg_start is the 48th field of proc(5)
        field = strchr(field + 1, ' ');
    return field && strtoull(field, NULL, 10) == (uintptr_t)arguments[0];
}

// Runs body in a child after title_init(); its return value is the child's exit status.
static int in_child(int (*body)(void))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        title_init(arguments);
        _exit(body());
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

// The exit status says which title was not shown.
static int set_titles(void)
{
    static const char *const titles[] = {
        "tcpd: master", "tcpd: echo 127.0.0.1:7007 worker", "t", "%s %n", "tcpd: [::1]:7 worker",
    };

    for (size_t i = 0; i < ELEMENTS(titles); i++) {
        char shown[4096];

        (void)title_set(titles[i]);
        if (read_cmdline(shown, sizeof(shown)) < 0 || strcmp(shown, titles[i]) != 0)
            return (int)i + 1;
    }
    return 0;
}

static void test_set(void **state)
{
    (void)state;
    if (!is_shown_from_argv())
        skip();
    check_number("the title that is not shown", in_child(set_titles), 0);
}

// Grows over the arguments into the environment's room, and shrinks again, without a rest.
static int set_lengths(void)
{
    char title[256], shown[4096];

    for (int up = 1; up >= 0; up--)
        for (int i = 1; i < 200; i++) {
            int length = up ? i : 200 - i;

            memset(title, 'a' + length % 26, sizeof(title));
            title[length] = '\0';
            title_set(title);
            if (read_cmdline(shown, sizeof(shown)) < 0 || strcmp(shown, title) != 0)
                return length;
        }
    return 0;
}

static void test_lengths(void **state)
{
    (void)state;
    if (!is_shown_from_argv())
        skip();
    check_number("the length that is not shown", in_child(set_lengths), 0);
}

// Additions replace each other, and leave the title as it was; up to the end of the room.
static int add(void)
{
    static const char *const titles[] = {"t", "tcpd: quiz *:7000 worker",
                                         PADDING PADDING PADDING PADDING};
    char added[300], shown[4096], expected[4096];

    for (size_t i = 0; i < ELEMENTS(titles); i++) {
        size_t length = title_set(titles[i]), end = length;

        for (int n = 0; n < 300; n += 7) {
            memset(added, 'a' + n % 26, sizeof(added));
            added[n] = '\0';
            (void)snprintf(expected, sizeof(expected), "%s%s", titles[i], added);
            end = title_add(length, added, end);
            if (read_cmdline(shown, sizeof(shown)) < 0 || strcmp(shown, expected) != 0)
                return 1;
            if (n % 2 == 0)
                continue;
            end = title_add(length, "", end);
            if (read_cmdline(shown, sizeof(shown)) < 0 || strcmp(shown, titles[i]) != 0)
                return 2;
        }
    }
    return 0;
}

// What is behind the title, up to the end of the arguments, is no rest of an addition either.
static int add_and_look_behind(void)
{
    char shown[4096];
    size_t length;
    ssize_t n;

    length = title_set("tcpd");
    (void)title_add(length, "", title_add(length, ", serving 192.0.2.1:4242", length));
    n = read_cmdline(shown, sizeof(shown));
    for (ssize_t i = (ssize_t)strlen("tcpd"); i < n; i++)
        if (shown[i] != '\0')
            return 1;
    return n > 0 ? 0 : 2;
}

static void test_add(void **state)
{
    (void)state;
    if (!is_shown_from_argv())
        skip();
    check_number("additions", in_child(add), 0);
    check_number("behind the title", in_child(add_and_look_behind), 0);
}

static int set_too_long(void)
{
    static char title[1024 * 1024];
    static const void *volatile kept[2]; // what setenv() leaves behind is no leak then
    const char *mark;
    size_t length, end;

    memset(title, 'x', sizeof(title) - 1);
    title_set(title);
    mark = getenv(MARK);
    if (!mark || strcmp(mark, "stays") != 0 || !getenv(PADDING))
        return 1;
    kept[0] = mark - sizeof(MARK);
    kept[1] = environ;
    if (!kept[0] || !kept[1] || setenv(MARK, "changed", 1) < 0 ||
        strcmp(getenv(MARK), "changed") != 0)
        return 2;
    for (int i = 0; arguments[0][i]; i++)
        if (arguments[0][i] != 'x')
            return 3;
    length = title_set("short");
    end = title_add(length, title, length);
    if (!getenv(MARK) || strncmp(arguments[0], "shortxxx", 8) != 0)
        return 4;
    (void)title_add(length, "", end);
    return strcmp(arguments[0], "short") == 0 ? 0 : 5;
}

static void test_too_long(void **state)
{
    (void)state;
    check_number("child", in_child(set_too_long), 0);
}

static void test_not_initialised(void **state)
{
    char before[4096], after[4096];

    (void)state;
    (void)read_cmdline(before, sizeof(before));
    title_set("not this");
    check_number("an addition", title_add(0, "nor this", 0), 0);
    (void)read_cmdline(after, sizeof(after));
    check_text("without title_init", after, before);
}

// Runs this program again with an environment that is known, and is room to write in.
static int run_again(char **argv)
{
    char path[4096] = "", padding[512];

    if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
        return 1;
    memset(padding, 'p', sizeof(padding));
    padding[sizeof(padding) - 1] = '\0';
    if (setenv(MARK, "stays", 1) < 0 || setenv(PADDING, padding, 1) < 0)
        return 1;
    (void)execv(path, argv);
    return 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_not_initialised),
    };

    (void)argc;
    arguments = argv;
    return getenv(MARK) ? cmocka_run_group_tests(tests, NULL, NULL) : run_again(argv);
}
