// SPDX-License-Identifier: MIT
// The walk to a module's file: what is judged on the way, and that the way is the kernel's.

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "config_dir.h"
#include "module/module_file.h"

#define ACTIONS_MAX 4

// What is done to a fresh outer/inner/m.so, all of it ours alone to write to.
struct action {
    enum { NOTHING, MODE, OWNER, LINK, FIFO } what;
    const char *name, *target;
    unsigned number;
};

static const struct row {
    const char *name, *path; // below the directory of the test, NULL: outer/inner/m.so
    struct action actions[ACTIONS_MAX];
    const char *wrong[2]; // parts of the text; none: it is taken
} rows[] = {
    {"as it is", NULL, {{0}}, {NULL}},
    {"dots and slashes", "outer//./inner/../inner/.//m.so", {{0}}, {NULL}},
    {"a directory for the owner", NULL, {{MODE, "outer", NULL, 0700}}, {NULL}},
    {"written to by others",
     NULL,
     {{MODE, "outer", NULL, 0777}},
     {"the directory /tmp/", "/outer is writable by others (mode 0777)"}},
    {"written to by others alone",
     NULL,
     {{MODE, "outer/inner", NULL, 0757}},
     {"the directory /tmp/", "/outer/inner is writable by others (mode 0757)"}},
    {"written to by its group",
     NULL,
     {{MODE, "outer", NULL, 0775}},
     {"the directory /tmp/", "/outer is writable by its group (mode 0775)"}},
    {"the group's, with its bit",
     NULL,
     {{MODE, "outer", NULL, 02775}},
     {"the directory /tmp/", "/outer is writable by its group (mode 2775)"}},
    {"sticky", NULL, {{MODE, "outer", NULL, 01777}}, {NULL}},
    {"sticky, the last one", NULL, {{MODE, "outer/inner", NULL, 01777}}, {NULL}},
    {"left again",
     "outer/../nothing",
     {{MODE, "outer", NULL, 0777}},
     {"No such file or directory"}},
    {"left again and entered",
     "outer/../outer/inner/m.so",
     {{MODE, "outer", NULL, 0777}},
     {"the directory /tmp/", "/outer is writable by others"}},
    {"a directory of another user's",
     NULL,
     {{OWNER, "outer", NULL, 12345}},
     {"the directory /tmp/", "/outer belongs to user 12345; it must be root's"}},
    {"of a user with a name",
     NULL,
     {{OWNER, "outer/inner", NULL, 1}},
     {"the directory /tmp/", "/outer/inner belongs to user 1 (daemon); it must be root's"}},
    {"in a sticky one",
     NULL,
     {{MODE, "outer", NULL, 01777}, {OWNER, "outer/inner", NULL, 12345}},
     {"the directory /tmp/", "/outer/inner belongs to user 12345; "}},
    {"a file in a sticky one",
     NULL,
     {{MODE, "outer/inner", NULL, 01777}, {OWNER, "outer/inner/m.so", NULL, 12345}},
     {"belongs to user 12345; "}},
    {"a sticky one of another user's",
     NULL,
     {{MODE, "outer", NULL, 01777}, {OWNER, "outer", NULL, 12345}},
     {"the directory /tmp/", "/outer belongs to user 12345; "}},
    {"a file of the group's", NULL, {{MODE, "outer/inner/m.so", NULL, 0664}}, {"has mode 0664; "}},
    {"a file that is executed", NULL, {{MODE, "outer/inner/m.so", NULL, 0700}}, {NULL}},
    {"a link to a directory", "l/m.so", {{LINK, "l", "outer/inner", 0}}, {NULL}},
    {"a link with more slashes", "l//m.so", {{LINK, "l", "outer//inner/", 0}}, {NULL}},
    {"a link to the file", "l", {{LINK, "l", "outer/inner/m.so", 0}}, {NULL}},
    {"a link to a link",
     "outer/l",
     {{LINK, "outer/l", "../k", 0}, {LINK, "k", "outer/inner/m.so", 0}},
     {NULL}},
    {"an absolute link", "l/m.so", {{LINK, "l", "@/outer/inner", 0}}, {NULL}},
    {"a link's own directory",
     "l/m.so",
     {{LINK, "l", "outer/inner", 0}, {MODE, "outer", NULL, 0777}},
     {"the directory /tmp/", "/outer is writable by others"}},
    {"an absolute link's, too",
     "l",
     {{LINK, "l", "@/outer/inner/m.so", 0}, {MODE, "outer/inner", NULL, 0777}},
     {"the directory /tmp/", "/outer/inner is writable by others"}},
    {"a link of another user's",
     "l",
     {{LINK, "l", "outer/inner/m.so", 0}, {OWNER, "l", NULL, 12345}},
     {"the symbolic link /tmp/", "/l belongs to user 12345; "}},
    {"a file behind a link",
     "l",
     {{LINK, "l", "outer/inner/m.so", 0}, {MODE, "outer/inner/m.so", NULL, 0646}},
     {"the file /tmp/", "/outer/inner/m.so has mode 0646; "}},
    {"a link to nothing",
     "l",
     {{LINK, "l", "outer/nothing/m.so", 0}},
     {"/tmp/", "/outer/nothing: No such file or directory"}},
    {"a link to itself",
     "l",
     {{LINK, "l", "l", 0}},
     {"/tmp/", "/l: Too many levels of symbolic links"}},
    {"nothing", "outer/nothing", {{0}}, {"No such file or directory"}},
    {"a directory", "outer", {{0}}, {"is not a regular file"}},
    {"a directory with a slash", "outer/", {{0}}, {"is not a regular file"}},
    {"below a file", "outer/inner/m.so/x", {{0}}, {"Not a directory"}},
    {"a file with a slash", "outer/inner/m.so/", {{0}}, {"Not a directory"}},
    {"a FIFO", "fifo", {{FIFO, "fifo", NULL, 0}}, {"is not a regular file"}},
    {"for the loader", "outer/$LIB/m.so", {{0}}, {"has a '$' in its name"}},
};

// Whether it could be done; giving away is not everybody's.
static bool act(const struct action *action)
{
    const char *path = config_dir_path(action->name);
    char target[256];

    switch (action->what) {
    case NOTHING:
        return true;
    case MODE:
        return chmod(path, action->number) == 0;
    case OWNER:
        return lchown(path, action->number, (gid_t)-1) == 0;
    case LINK: // @ is the directory of the test
        (void)snprintf(target, sizeof(target), "%s%s", action->target[0] == '@' ? config_dir : "",
                       action->target + (action->target[0] == '@'));
        return symlink(target, path) == 0;
    case FIFO:
        return mkfifo(path, 0600) == 0;
    }
    return false;
}

static bool act_all(const struct row *row)
{
    for (size_t i = 0; i < ACTIONS_MAX && row->actions[i].what != NOTHING; i++)
        if (!act(&row->actions[i])) {
            check_true(row->name, row->actions[i].what == OWNER);
            return false;
        }
    return true;
}

static void make_tree(void)
{
    assert_int_equal(mkdir(config_dir_path("outer"), 0755), 0);
    config_dir_write("outer/inner/m.so", "x", 1);
    assert_int_equal(chmod(config_dir_path("outer/inner"), 0755), 0);
    assert_int_equal(chmod(config_dir_path("outer/inner/m.so"), 0644), 0);
}

static bool is_same_file(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

static void check_row(const struct row *row)
{
    const char *path = config_dir_path(row->path ? row->path : "outer/inner/m.so");
    char wrong[MODULE_WRONG_SIZE] = "";
    int fd = module_file_open(path, wrong, sizeof(wrong));

    if (!row->wrong[0]) {
        check_text(row->name, wrong, "");
        check_true(row->name, is_same_file(fd, path));
        check_true(row->name, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        check_number(row->name, fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        assert_int_equal(close(fd), 0);
        return;
    }
    check_number(row->name, fd, -1);
    if (strncmp(wrong, row->wrong[0], strlen(row->wrong[0])) != 0 ||
        (row->wrong[1] && !strstr(wrong, row->wrong[1])))
        fail_msg("%s: \"%s\"", row->name, wrong);
}

static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return fd;
}

static void test_rows(void **state)
{
    int fd = next_fd();

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(config_dir_make(state), 0);
        make_tree();
        if (act_all(&rows[i]))
            check_row(&rows[i]);
        assert_int_equal(config_dir_remove(state), 0);
    }
    assert_int_equal(next_fd(), fd); // nothing stays open
}

// As many links as the kernel follows, and not one more.
static void test_many_links(void **state)
{
    char name[16], target[16], wrong[MODULE_WRONG_SIZE];

    (void)state;
    make_tree();
    assert_int_equal(symlink("outer/inner/m.so", config_dir_path("l1")), 0);
    for (int i = 2; i <= 41; i++) {
        int fd, kernels;

        (void)snprintf(name, sizeof(name), "l%d", i);
        (void)snprintf(target, sizeof(target), "l%d", i - 1);
        assert_int_equal(symlink(target, config_dir_path(name)), 0);
        kernels = open(config_dir_path(name), O_RDONLY | O_CLOEXEC);
        fd = module_file_open(config_dir_path(name), wrong, sizeof(wrong));
        check_number(name, fd >= 0, kernels >= 0);
        check_number(name, fd >= 0, i <= 40);
        base_close_fd(&fd);
        base_close_fd(&kernels);
    }
}

// A path that begins where we are; one that is too long.
static void test_other_paths(void **state)
{
    char wrong[MODULE_WRONG_SIZE], here[4096], path[5000];
    int fd;

    (void)state;
    make_tree();
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(config_dir_path("outer")), 0);
    fd = module_file_open("inner/m.so", wrong, sizeof(wrong));
    assert_true(is_same_file(fd, "inner/m.so"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(".", 0777), 0);
    assert_int_equal(module_file_open("./inner/m.so", wrong, sizeof(wrong)), -1);
    assert_non_null(strstr(wrong, "/outer is writable by others"));
    assert_int_equal(chdir(here), 0);
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(module_file_open(path, wrong, sizeof(wrong)), -1);
    assert_string_equal(wrong, strerror(ENAMETOOLONG));
}

// Of a long path the end is shown, and what is wrong.
static void test_long_path(void **state)
{
    char wrong[MODULE_WRONG_SIZE], folder[1200], path[1210];
    size_t n;

    (void)state;
    n = (size_t)snprintf(folder, sizeof(folder), "%s", config_dir);
    for (int i = 0; i < 4; i++) {
        n += (size_t)snprintf(folder + n, sizeof(folder) - n, "/%0250d", i);
        assert_int_equal(mkdir(folder, 0755), 0);
    }
    assert_int_equal(chmod(folder, 0757), 0);
    (void)snprintf(path, sizeof(path), "%s/m.so", folder);
    assert_int_equal(module_file_open(path, wrong, sizeof(wrong)), -1);
    assert_non_null(strstr(wrong, "0003 is writable by others (mode 0757)"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test_setup_teardown(test_many_links, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_other_paths, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_long_path, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
