// SPDX-License-Identifier: MIT
// handlers/greeting.c while the configuration is read: its text, and the entries of its file in
// fortune's format.

#include "config_wants.h"
#include "serve.h"

#define X10  "0123456789"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X511 X100 X100 X100 X100 X100 X10 "0"
#define MANY 8

// A text with its size, for those with NULs in it.
#define TEXT(text) text, sizeof(text) - 1

static void write_config(const char *options)
{
    char text[8192];
    int n = snprintf(text, sizeof(text), "service g {\n handler = greeting\n%s\n}\n", options);

    config_dir_write("main.conf", text, (size_t)n);
}

static void write_file_config(const char *name)
{
    char options[512];

    (void)snprintf(options, sizeof(options), "file = '%s' end = crlf", config_dir_path(name));
    write_config(options);
}

static const struct {
    const char *name, *text;
    size_t size;
    const char *entries[MANY];
} good[] = {
    {"one entry", TEXT("abc\n"), {"abc\n"}},
    {"one, without a newline", TEXT("abc"), {"abc"}},
    {"two", TEXT("one\n%\ntwo\n"), {"one\n", "two\n"}},
    {"a divider at the end", TEXT("one\n%\n"), {"one\n"}},
    {"a divider at the end, no newline", TEXT("one\n%"), {"one\n"}},
    {"a divider at the start", TEXT("%\none\n"), {"one\n"}},
    {"empty entries", TEXT("%\n%\none\n%\n%\n%\ntwo\n%\n%\n"), {"one\n", "two\n"}},
    {"several lines", TEXT("a\n\nb\n%\nc\n"), {"a\n\nb\n", "c\n"}},
    {"an empty line", TEXT("\n%\nc\n"), {"\n", "c\n"}},
    {"% within a line", TEXT("100 %\n%%\n% \n %\n%\nx\n"), {"100 %\n%%\n% \n %\n", "x\n"}},
    {"% at the very end of a line", TEXT("a%\n%\nb%"), {"a%\n", "b%"}},
    {"bytes above ASCII", TEXT("\xc3\xa9\xff\x01\n"), {"\xc3\xa9\xff\x01\n"}},
    {"the longest with a newline",
     TEXT(X100 X100 X100 X100 X100 X10 "\n%\nb\n"),
     {X100 X100 X100 X100 X100 X10 "\n", "b\n"}},
    {"the longest, last", TEXT("b\n%\n" X511), {"b\n", X511}},
};

// The entry that a session got, MANY: none of them.
static size_t get_entry(const char *row, const struct service *service, const char *const *entries)
{
    struct peer peer = {.half_close = true};
    struct tcpd_session session = serve_peer(PAIR_UNIX, service, &peer);
    size_t which = 0;

    while (which < MANY && (!entries[which] || strlen(entries[which]) + 2 != peer.n_got ||
                            memcmp(peer.got, entries[which], peer.n_got - 2) != 0))
        which++;
    if (which < MANY)
        check_bytes(row, peer.got + peer.n_got - 2, 2, "\r\n", 2);
    check_number(row, session.result, SESSION_OK);
    free(peer.got);
    return which;
}

// Each session gets one of the entries, and each of them comes at some time.
static void check_entries(const char *row, const struct service *service,
                          const char *const *entries)
{
    unsigned counts[MANY] = {0};

    for (int round = 0; round < 100; round++) {
        size_t which = get_entry(row, service, entries);

        check_true(row, which < MANY);
        counts[which]++;
    }
    for (size_t i = 0; i < MANY && entries[i]; i++) // not by chance: once in 10^30 runs
        check_true(row, counts[i] > 0);
}

static void test_entries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        struct problems problems = {0};
        struct config *config;

        config_dir_write("fortunes", good[i].text, good[i].size);
        write_file_config("fortunes");
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        check_true(good[i].name,
                   config_wants(good[i].name, &problems, (const struct want[WANTS_MAX]){{0}}));
        check_entries(good[i].name, &config->services[0], good[i].entries);
        (void)config_unref(config);
        problems_done(&problems);
    }
}

static const struct {
    const char *name, *text;
    size_t size;
    struct want wants[WANTS_MAX];
} bad[] = {
    {"empty", TEXT(""), {{"main.conf:4: ", "fortunes\" of service \"g\": is empty"}}},
    {"no entry", TEXT("%\n%\n"), {{"main.conf:4: ", "\" of service \"g\" has no entry"}}},
    {"no entry, one divider", TEXT("%"), {{"main.conf:4: ", "\" of service \"g\" has no entry"}}},
    {"too long",
     TEXT("a\n%\n" X511 "\n%\nb\n"),
     {{"fortunes:4: ", "an entry of 512 bytes ends here; at most 511"}}},
    {"too long, first", TEXT(X511 "\n%\nb\n"), {{"fortunes:2: ", "an entry of 512 bytes"}}},
    {"too long, last", TEXT("a\n%\n" X511 "x"), {{"fortunes:3: ", "an entry of 512 bytes"}}},
    {"two too long",
     TEXT(X511 "\n%\nb\n%\n" X511 X511 "\n%\n"),
     {{"fortunes:2: ", "512 bytes"}, {"fortunes:6: ", "1023 bytes"}}},
    {"too long in many lines",
     TEXT("a\n" X100 "\n" X100 "\n" X100 "\n" X100 "\n" X100 "\n\n\n\n\n"
          "\n\n\n\n\n%\n"),
     {{"fortunes:16: ", "bytes ends here; at most 511"}}},
    {"NUL", TEXT("a\0b\n%\nc\n"), {{"", "NUL"}}},
};

static void test_bad_entries(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    write_file_config("fortunes");
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        config_dir_write("fortunes", bad[i].text, bad[i].size);
        if (!config_refused(bad[i].name, bad[i].wants))
            n_wrong++;
    }
    check_number("rows that fail", n_wrong, 0);
}

static void test_bad_files(void **state)
{
    static const struct want missing[WANTS_MAX] = {
        {"main.conf:4: ", "nosuch\" of service \"g\": No such file or directory"}};
    static const struct want directory[WANTS_MAX] = {{"main.conf:4: ", "directory"}};
    static const struct want large[WANTS_MAX] = {{"main.conf:4: ", "longer than 16 MiB"}};

    (void)state;
    write_file_config("nosuch");
    check_true("missing", config_refused("missing", missing));
    write_file_config(".");
    check_true("directory", config_refused("directory", directory));
    config_dir_write("large", "a\n", 2);
    assert_int_equal(truncate(config_dir_path("large"), 16 * 1024 * 1024 + 1), 0);
    write_file_config("large");
    check_true("large", config_refused("large", large));
}

static const struct {
    const char *name, *options;
    struct want wants[WANTS_MAX];
} settings[] = {
    {"neither", "", {{"main.conf:4: ", "needs either message = \"TEXT\" or file = \"PATH\""}}},
    {"both", "message = a file = b", {{"main.conf:4: ", "needs either message"}}},
    {"bad end", "message = a end = lf", {{"main.conf:3: ", "one of: none, crlf, nul"}}},
};

static void test_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(settings); i++) {
        write_config(settings[i].options);
        check_true(settings[i].name, config_refused(settings[i].name, settings[i].wants));
    }
}

static const struct {
    size_t length;
    bool good;
} lengths[] = {{0, true}, {1, true}, {511, true}, {4000, true}, {4001, false}, {6000, false}};

static void check_message(const char *row, const struct service *service, size_t length)
{
    struct peer peer = {.half_close = true};
    struct tcpd_session session = serve_peer(PAIR_UNIX, service, &peer);

    check_number(row, session.result, SESSION_OK);
    check_number(row, peer.n_got, length);
    free(peer.got);
}

static void test_message_length(void **state)
{
    static const struct want wants[WANTS_MAX] = {
        {"main.conf:4: ", "message of service \"g\" is too long; at most 4000 bytes"}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(lengths); i++) {
        struct problems problems = {0};
        char options[7000] = "message = '", row[32];
        size_t n = strlen(options);

        (void)snprintf(row, sizeof(row), "%zu bytes", lengths[i].length);
        memset(options + n, 'x', lengths[i].length);
        memcpy(options + n + lengths[i].length, "'", 2);
        write_config(options);
        if (lengths[i].good) {
            struct config *config = config_load(config_dir_path("main.conf"), handlers, &problems);

            check_true(row, config != NULL);
            check_message(row, &config->services[0], lengths[i].length);
            (void)config_unref(config);
        } else {
            check_true(row, config_refused(row, wants));
        }
        problems_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_bad_files),      cmocka_unit_test(test_settings),
        cmocka_unit_test(test_message_length),
    };

    return cmocka_run_group_tests(tests, config_dir_make, config_dir_remove);
}
