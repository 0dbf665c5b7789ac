// SPDX-License-Identifier: MIT
// form_print.c: what is printed of a value is read as the same value, of every form's defaults and
// of each kind; texts with whatever they hold.

#include <sys/resource.h>

#include "config/config.h"
#include "config/settings.h"
#include "config_wants.h"
#include "service.h"

struct all {
    uint64_t span;
    unsigned count, mode;
    int choice;
    char *text, *path;
    int64_t number, mask, limit;
    struct listen_list listen;
    struct text_list list, paths;
    struct rule_list prefixes;
    struct rate rate;
};

static const char *const choices[] = {"none", "iso8601"};

#define ALL(name, kind, field) FIELD(name, kind, struct all, field)

static const struct setting settings[] = {
    {ALL("span", SPAN, span)},
    {ALL("count", COUNT, count), .max = 10000},
    {ALL("mode", MODE, mode), .max = 0777},
    {ALL("choice", CHOICE, choice), CHOICES(choices)},
    {ALL("text", TEXT, text)},
    {ALL("path", TEXT, path), .is_path = true},
    {ALL("number", NUMBER, number), .max = 19},
    {ALL("mask", MASK, mask), .max = 0777},
    {ALL("limit", LIMIT, limit)},
    {ALL("listen", LISTEN, listen)},
    {ALL("list", LIST, list)},
    {ALL("paths", LIST, paths), .is_path = true},
    {ALL("prefixes", PREFIXES, prefixes)},
    {ALL("rate", RATE, rate)},
};
static const struct form form = FORM(struct all, settings);

// What is printed of it; owned, NULL: it has no value.
static char *print(const struct setting *setting, const void *values, const char *folder)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    bool has_value;

    assert_non_null(stream);
    has_value = setting_print(setting, values, folder, stream);
    assert_int_equal(fclose(stream), 0);
    if (has_value)
        return text;
    free(text);
    return NULL;
}

static const struct {
    const char *name, *given, *folder, *printed;
} rows[] = {
    {"span", "0", "", "0"},
    {"span", "60", "", "1min"},
    {"span", "90", "", "\"1min 30s\""},
    {"span", "1500ms", "", "\"1s 500ms\""},
    {"count", "0", "", "0"},
    {"count", "4096", "", "4096"},
    {"mode", "0640", "", "0640"},
    {"mode", "7", "", "0007"},
    {"choice", "iso8601", "", "iso8601"},
    {"text", "", "", "\"\""},
    {"text", "a b", "/etc", "\"a b\""},
    {"text", "\"\\", "", "\"\\\"\\\\\""},
    {"text", "\n\t\r\x7f", "", "\"\\n\\t\\x0d\\x7f\""},
    {"text", "${A} $B $", "", "\"\\${A} $B $\""},
    {"text", "\xc3\xb6\xff\xe2\x80\x8b", "", "\"\xc3\xb6\\xff\\xe2\\x80\\x8b\""},
    {"path", "a", "", "\"a\""},
    {"path", "a", "/etc/tcpd", "\"/etc/tcpd/a\""},
    {"path", "-a/b", "conf", "\"-conf/a/b\""},
    {"path", "/a", "/etc", "\"/a\""},
    {"path", "-/a", "/etc", "\"-/a\""},
    {"number", "inherit", "", "inherit"},
    {"number", "-20", "", "\"-20\""},
    {"number", "19", "", "19"},
    {"mask", "inherit", "", "inherit"},
    {"mask", "27", "", "0027"},
    {"limit", "inherit", "", "inherit"},
    {"limit", "infinity", "", "infinity"},
    {"limit", "0", "", "0"},
    {"limit", "1023", "", "1023"},
    {"limit", "1024K", "", "1M"},
    {"limit", "1536M", "", "1536M"},
    {"limit", "2048T", "", "2048T"},
    {"listen", "*:7", "", "{\"*:7\"}"},
    {"list", "a\"b", "/etc", "{\"a\\\"b\"}"},
    {"paths", "a", "/etc", "{\"/etc/a\"}"},
    {"prefixes", "10.0.0.0/8", "/etc", "{\"10.0.0.0/8\"}"},
    {"prefixes", "localhost", "/etc", "{\"localhost\"}"},
    {"prefixes", "file:/a", "/etc", "{\"file:/a\"}"},
    {"rate", "0", "", "0"},
    {"rate", "30/min", "", "\"30/min\""},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct all all = {0};
        const struct setting *setting = form_find(&form, rows[i].name);
        char *text;

        form_set(&form, &all, rows[i].name, rows[i].given);
        text = print(setting, &all, rows[i].folder);
        check_text(rows[i].given, text, rows[i].printed);
        free(text);
        form_done(&form, &all);
    }
}

static void test_several(void **state)
{
    struct all all = {0};
    char *text;

    (void)state;
    for (int i = 0; i < 2; i++) {
        form_set(&form, &all, "paths", i == 0 ? "a" : "-b");
        form_set(&form, &all, "listen", i == 0 ? "*:7" : "unix:/a b");
    }
    text = print(form_find(&form, "paths"), &all, "/etc");
    check_text("paths", text, "{\"/etc/a\", \"-/etc/b\"}");
    free(text);
    text = print(form_find(&form, "listen"), &all, "/etc");
    check_text("listen", text, "{\"*:7\", \"unix:/a b\"}");
    free(text);
    form_done(&form, &all);
}

static void test_without_value(void **state)
{
    static const char *const names[] = {"text", "path", "listen", "list", "paths", "prefixes"};
    struct all all = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++)
        check_text(names[i], print(form_find(&form, names[i]), &all, "/etc"), NULL);
}

// --- Through the reader
// ---------------------------------------------------------------------------

static char *print_config(const struct config *config)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    config_print(config, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static struct config *load(const char *name, const char *text)
{
    struct problems problems = {0};
    struct config *config;

    config_dir_write(name, text, strlen(text));
    config = config_load(config_dir_path(name), handlers, &problems);
    check_text(name, problems.n > 0 ? problems.texts[0] : NULL, NULL);
    problems_done(&problems);
    return config;
}

// Of every byte that a text may have.
static void test_all_bytes(void **state)
{
    char bytes[256] = "", *text, *all;
    struct config *config;
    struct service *service;

    (void)state;
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i;
    config = load("a.conf", "service a { handler = greeting\nmessage = x\n}\n");
    service = &config->services[0];
    form_set(service->handler->form, service->options, "message", bytes);
    all = print_config(config);
    (void)config_unref(config);
    config = load("b.conf", all);
    service = &config->services[0];
    text = print(form_find(service->handler->form, "message"), service->options, "");
    check_true("bytes", strstr(all, text) != NULL);
    (void)config_unref(config);
    free(text);
    free(all);
}

// Each setting with where its value comes from: the last of several files that have it counts.
static void test_places(void **state)
{
    static const struct {
        const char *setting, *file, *comment;
    } wanted[] = {
        {"log_sessions = all", "sub.conf", ":2"}, {"reload_timeout = 7s", "main.conf", ":3"},
        {"stop_timeout = 30s", NULL, "default"},  {"    backlog = 7", "main.conf", ":5"},
        {"    min_workers = 2", NULL, "default"}, {"    # socket_user =", NULL, "not given"},
    };
    static const char sub[] = "reload_timeout = 6s\nlog_sessions = all\n";
    struct config *config;
    char *text, line[512], place[300];

    (void)state;
    config_dir_write("sub.conf", sub, strlen(sub));
    config = load("main.conf", "log_sessions = none\ninclude(\"sub.conf\")\nreload_timeout = 7s\n"
                               "service \"a\" { handler = echo\nbacklog = 7\nmax_workers = 2\n}\n");
    text = print_config(config);
    for (size_t i = 0; i < ELEMENTS(wanted); i++) {
        const char *file = wanted[i].file;

        (void)snprintf(place, sizeof(place), "%s%s", file ? config_dir_path(file) : "",
                       wanted[i].comment);
        (void)snprintf(line, sizeof(line), "%-44s  # %s\n", wanted[i].setting, place);
        check_true(wanted[i].setting, strstr(text, line) != NULL);
    }
    free(text);
    (void)config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_without_value),
        cmocka_unit_test_setup_teardown(test_all_bytes, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_places, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
