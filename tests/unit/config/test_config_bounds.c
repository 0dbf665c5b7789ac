// SPDX-License-Identifier: MIT
// reader.c: a configuration may have so much and no more; what is beyond is one error with its
// line, at once. What is no configuration at all takes neither time nor memory.

#include <sys/resource.h>

#include "config_wants.h"

#define MIB (1024 * 1024)

static char text[MIB + 1];
static size_t n_text;

static void begin(void)
{
    n_text = 0;
}

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    n_text += (size_t)vsnprintf(text + n_text, sizeof(text) - n_text, format, arguments);
    va_end(arguments);
    assert_true(n_text < sizeof(text));
}

static void write_text(const char *name)
{
    config_dir_write(name, text, n_text);
}

// The number of services and addresses that are taken, from files without a mistake.
static void check_taken(const char *row, size_t n_services, size_t n_addresses)
{
    static const struct want nothing[WANTS_MAX];
    struct problems problems = {0};
    struct config *config = config_load(config_dir_path("main.conf"), handlers, &problems);
    size_t n = 0;

    check_true(row, config_wants(row, &problems, nothing) && config);
    for (size_t i = 0; i < config->n_services; i++)
        n += config->services[i].listen.n;
    check_number(row, config->n_services, n_services);
    check_number(row, n, n_addresses);
    (void)config_unref(config);
    problems_done(&problems);
}

static void check_refused(const char *row, const char *where, const char *what)
{
    const struct want wants[WANTS_MAX] = {{where, what}};

    check_true(row, config_refused(row, wants));
}

static void add_sections(int from, int to)
{
    for (int i = from; i < to; i++)
        add("service s%d { handler = echo }\n", i);
}

static void test_sections(void **state)
{
    (void)state;
    begin();
    add_sections(0, 1024);
    write_text("main.conf");
    check_taken("1024", 1024, 0);
    add_sections(1024, 3000);
    add("stop_timeout = x\n");
    write_text("main.conf");
    check_refused("more", "main.conf:1025: ", "more than 1024 sections; nothing more is read");

    begin();
    add_sections(0, 1000);
    write_text("main.conf");
    begin();
    add_sections(1000, 1100);
    write_text("inc.conf");
    begin();
    add("include(\"../inc.conf\")\nstop_timeout = x\n");
    write_text("main.conf.d/a.conf");
    write_text("main.conf.d/b.conf");
    check_refused("included", "main.conf.d/../inc.conf:25: ", "more than 1024 sections");
}

static void test_addresses(void **state)
{
    (void)state;
    begin();
    add("service a { handler = echo\nlisten = {");
    for (int i = 0; i < 1000; i++)
        add("%s\"h:%d\"\n", i > 0 ? "," : "", 1 + i);
    add("} }\nservice b { handler = echo listen = {");
    for (int i = 0; i < 24; i++)
        add("\"g:%d\", ", 1 + i);
    add("} }\n");
    write_text("main.conf");
    check_taken("1024", 2, 1024);
    add("service c { handler = echo }\nservice d { handler = echo\nlisten = {\"f:1\", \"f:2\"} }\n"
        "stop_timeout = x\n");
    write_text("main.conf");
    check_refused("one more", "main.conf:1006: ",
                  "more than 1024 addresses to listen on; nothing more is read");

    begin();
    add("service a { handler = echo listen = {\n");
    for (int i = 0; i < 100000; i++)
        add("\"h:%d\",\n", i % 10000);
    add("} }\n");
    write_text("main.conf");
    check_refused("many more", "main.conf:1026: ", "more than 1024 addresses to listen on");
}

static void fill(size_t size)
{
    memset(text, '#', size);
    n_text = size;
}

static void test_bytes(void **state)
{
    size_t n_main;

    (void)state;
    fill(MIB);
    write_text("1.conf");
    begin();
    add("service a { handler = echo }\ninclude(\"1.conf\")\ninclude(\"1.conf\")\n"
        "include(\"1.conf\")\ninclude(\"2.conf\")\nstop_timeout = 1s\n");
    n_main = n_text;
    write_text("main.conf");
    fill(MIB - n_main);
    write_text("2.conf");
    check_taken("4 MiB", 1, 0);
    fill(MIB - n_main + 1);
    write_text("2.conf");
    check_refused("a byte more", "main.conf:5: ", "more than 4 MiB in all files");
    fill(MIB - n_main);
    write_text("2.conf");
    config_dir_write("main.conf.d/a.conf", "#", 1);
    check_refused("a file more", "main.conf.d/a.conf: ", "more than 4 MiB in all files");
}

static long memory_mib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss / 1024;
}

// What was read of a file is forgotten before the next one is.
static void test_many_files(void **state)
{
    uint64_t start = used_usec();
    long before = memory_mib();

    (void)state;
    begin();
    for (int i = 0; i < 499; i++)
        add("include(\"main.conf.d/%d.part\")\n", i);
    write_text("main.conf");
    for (int i = 0; i < 499; i++) {
        char name[64];

        begin();
        add("service s%d { handler = echo }\n", i);
        (void)snprintf(name, sizeof(name), "main.conf.d/%d.part", i);
        write_text(name);
        begin();
        add("service t%d { handler = echo }\n", i);
        (void)snprintf(name, sizeof(name), "main.conf.d/%d.conf", i);
        write_text(name);
    }
    check_taken("many files", 998, 0);
    check_true("at once", used_usec() - start < 20 * USEC_PER_SEC);
    check_true("without memory", memory_mib() - before < 400);
}

// Texts that are no configuration, of up to 1 MiB: lines with a number in the middle.
static const struct {
    const char *before, *behind;
} nonsense[] = {
    {"a", " = 1"},
    {"service { #", ""},
    {"service x { a", " = 1 }"},
    {"a* #", ""},
    {"\\\" #", ""},
    {"a", " = {"},
    {"\"${", "\\\""},
    {"service x", " { y = \"${a"},
    {"service x", " { listen = {a, {"},
};

static void test_nonsense(void **state)
{
    static const char good[] = "service good { handler = echo }\n";

    (void)state;
    config_dir_write("main.conf.d/good.conf", good, strlen(good));
    for (size_t i = 0; i < ELEMENTS(nonsense); i++) {
        struct problems problems = {0};
        struct config *config;
        uint64_t start = used_usec();

        begin();
        for (int n = 0; n_text < MIB - 100; n++)
            add("%s%d%s\n", nonsense[i].before, n, nonsense[i].behind);
        write_text("main.conf");
        config = config_read(config_dir_path("main.conf"), handlers, &problems);
        check_true(nonsense[i].before, problems.n >= 1);
        check_true(nonsense[i].before, config->n_services >= 1);
        check_text(nonsense[i].before, config->services[config->n_services - 1].name, "good");
        check_true(nonsense[i].before, used_usec() - start < 10 * USEC_PER_SEC);
        (void)config_unref(config);
        problems_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sections, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_addresses, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_bytes, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_many_files, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_nonsense, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
