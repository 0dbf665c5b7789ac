// SPDX-License-Identifier: MIT
// module/module.c while the configuration is read, and what module_load.c does not load. Loading is
// for the system tests: it needs a program that exports the tcpd_*() functions.

#include <sys/stat.h>

#include "config_wants.h"
#include "module/module_file.h"
#include "module/module_load.h"
#include "module/module_options.h"

static const struct {
    const char *name, *options;
    struct want wants[WANTS_MAX];
} bad[] = {
    {"no module", "", {{"main.conf:4: ", "service \"m\" needs module = \"FILE\""}}},
    {"empty", "module = \"\"", {{"main.conf:4: ", "service \"m\" needs module = \"FILE\""}}},
    {"not there",
     "module = \"nothing.so\"",
     {{"main.conf:3: ", "/nothing.so\" of service \"m\": No such file"}}},
    {"a directory",
     "module = \"folder\"",
     {{"main.conf:3: ", "/folder\" of service \"m\": is not a regular file"}}},
    {"a device",
     "module = \"/dev/null\"",
     {{"main.conf:3: ", "module = \"/dev/null\" of service \"m\": is not a regular file"}}},
    {"below a file",
     "module = \"good.so/x\"",
     {{"main.conf:3: ", "/good.so/x\" of service \"m\": Not a directory"}}},
    {"group may write",
     "module = \"group.so\"",
     {{"main.conf:3: ", "has mode 0664; neither its group nor others"}}},
    {"others may write",
     "module = \"others.so\"",
     {{"main.conf:3: ", "has mode 0646; neither its group nor others"}}},
    {"a directory that others may write to",
     "module = \"open/good.so\"",
     {{"main.conf:3: ", "/open is writable by others (mode 0777)"}}},
    {"a name for the loader",
     "module = '$ORIGIN/good.so'",
     {{"main.conf:3: ", "has a '$' in its name"}}},
    {"option without a value",
     "module = \"good.so\"\nmodule_options = {\"a=b\", \"c\"}",
     {{"main.conf:4: ", "\"c\" is not NAME=VALUE"}}},
    {"option without a name",
     "module = \"good.so\" module_options = {\"=b\"}",
     {{"main.conf:3: ", "\"=b\" is not NAME=VALUE"}}},
    {"both",
     "module = \"nothing.so\"\nmodule_options = {\"\"}",
     {{"main.conf:3: ", "No such file"}, {"main.conf:4: ", "\"\" is not NAME=VALUE"}}},
};

static void write_config(const char *options)
{
    char text[1024];
    int n = snprintf(text, sizeof(text), "service m {\n handler = module\n%s\n}\n", options);

    config_dir_write("main.conf", text, (size_t)n);
}

static void make_files(void)
{
    static const struct {
        const char *name;
        mode_t mode;
    } files[] = {{"good.so", 0644}, {"group.so", 0664}, {"others.so", 0646}, {"own.so", 0700}};

    for (size_t i = 0; i < ELEMENTS(files); i++) {
        config_dir_write(files[i].name, "x", 1);
        assert_int_equal(chmod(config_dir_path(files[i].name), files[i].mode), 0);
    }
    config_dir_write("folder/x", "x", 1);
    config_dir_write("open/good.so", "x", 1);
    assert_int_equal(chmod(config_dir_path("open"), 0777), 0);
}

static void test_refused(void **state)
{
    bool good = true;

    (void)state;
    make_files();
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        write_config(bad[i].options);
        good = config_refused(bad[i].name, bad[i].wants) && good;
    }
    assert_true(good);
}

// Where a relative path leads, and what stays as it was written.
static void test_taken(void **state)
{
    static const struct {
        const char *options, *path, *first;
    } rows[] = {
        {"module = good.so", "good.so", NULL},
        {"module = own.so module_options = {\"a=\"}", "own.so", "a="},
        {"module = \"folder/../good.so\" module_options = {\"a=b=c d\", \"a=e\"}",
         "folder/../good.so", "a=b=c d"},
    };

    (void)state;
    make_files();
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct problems problems = {0};
        const struct module_options *options;
        struct config *config;

        write_config(rows[i].options);
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        check_true(rows[i].options,
                   config_wants(rows[i].options, &problems, (const struct want[WANTS_MAX]){{0}}));
        options = config->services[0].options;
        check_text(rows[i].options, options->file, config_dir_path(rows[i].path));
        check_number(rows[i].options, options->line, 3);
        check_text(rows[i].options, options->options.n > 0 ? options->options.items[0] : NULL,
                   rows[i].first);
        check_number(rows[i].options, options->hang_usec, 60 * USEC_PER_SEC);
        (void)config_unref(config);
    }
}

// What is not an object is refused by the loader, in words.
static void test_load(void **state)
{
    char wrong[MODULE_WRONG_SIZE], want[512];

    (void)state;
    make_files();
    assert_null(module_load(config_dir_path("good.so"), wrong, sizeof(wrong)));
    (void)snprintf(want, sizeof(want), "cannot be loaded: %s: file too short",
                   config_dir_path("good.so"));
    assert_string_equal(wrong, want); // by its own name
    assert_null(module_load(config_dir_path("others.so"), wrong, sizeof(wrong)));
    assert_non_null(strstr(wrong, "has mode 0646"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_taken, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_load, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
