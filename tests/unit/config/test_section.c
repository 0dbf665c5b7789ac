// SPDX-License-Identifier: MIT
// section.c and reader.c with handlers and kinds of sections of the test's own: config/ knows none.

#include "config/config_sections.h"
#include "config_wants.h"
#include "service.h"

// --- A handler of three settings -----------------------------------------------------------------
struct demo {
    unsigned size;
    char *text;
    struct text_list words;
    unsigned checked; // prepare()'s
};

static const struct setting demo_settings[] = {
    {FIELD("size", COUNT, struct demo, size), .initial = "7", .min = 1, .max = 10},
    {FIELD("text", TEXT, struct demo, text), .initial = "as it is"},
    {FIELD("words", LIST, struct demo, words)},
};
static const struct form demo_form = FORM(struct demo, demo_settings);
static unsigned n_released;

static void prepare_demo(struct service *service, const struct section *section,
                         struct problems *problems)
{
    struct demo *demo = service->options;

    demo->checked = demo->size * 2;
    if (demo->words.n > 2)
        problems_add(problems, service->file, section_line(section, "words"), "too many words");
}

static void release_demo(void *options)
{
    n_released += ((const struct demo *)options)->checked > 0;
}

static const struct handler demo_handler = {.name = "demo",
                                            .face = {.abi = TCPD_HANDLER_ABI},
                                            .form = &demo_form,
                                            .prepare = prepare_demo,
                                            .release = release_demo};

// --- Another one, which has a setting of the same name with a range of its own, and a default that
// is not within it ---
struct wide {
    unsigned size, depth;
};

static const struct setting wide_settings[] = {
    {FIELD("size", COUNT, struct wide, size), .initial = "500", .min = 100, .max = 1000},
    {FIELD("depth", COUNT, struct wide, depth), .initial = "50", .min = 1, .max = 10},
};
static const struct form wide_form = FORM(struct wide, wide_settings);
static const struct handler wide_handler = {
    .name = "wide", .face = {.abi = TCPD_HANDLER_ABI}, .form = &wide_form};

static const struct handler *const one[] = {&demo_handler, NULL};
static const struct handler *const two[] = {&demo_handler, &wide_handler, NULL};

static struct config *load(const struct handler *const *table, const char *text,
                           struct problems *problems)
{
    config_dir_write("main.conf", text, strlen(text));
    return config_load(config_dir_path("main.conf"), table, problems);
}

static void test_values(void **state)
{
    static const char text[] = "service \"a\" { handler = demo }\n"
                               "service \"b\" {\n size = 3 words = {\"x\", \"y\"}\n"
                               " handler = \"demo\"\n text = \"\" }\n";
    struct problems problems = {0};
    struct config *config = load(one, text, &problems);
    const struct demo *demo;

    (void)state;
    check_number("problems", problems.n, 0);
    check_true("handler", config->services[0].handler == &demo_handler);
    demo = config->services[0].options;
    check_number("default", demo->size, 7);
    check_text("default", demo->text, "as it is");
    check_number("default", demo->words.n, 0);
    check_number("prepared", demo->checked, 14);
    demo = config->services[1].options;
    check_number("given", demo->size, 3);
    check_text("given", demo->text, "");
    check_number("given", demo->words.n, 2);
    check_text("given", demo->words.items[1], "y");
    n_released = 0;
    (void)config_unref(config);
    check_number("released", n_released, 2);
}

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    {"not within the range",
     "service \"a\" { handler = demo\n size = 11\n}\n",
     {{"main.conf:2: ", "size = \"11\" is not allowed; a whole number from 1 to 10"}}},
    {"of another handler's name",
     "service \"a\" {\n handler = echo }\n",
     {{"main.conf:2: ", "handler = \"echo\" is not a handler; one of: demo, wide"}}},
    {"what prepare() says",
     "service \"a\" { handler = demo\n words = {a, b,\n c} }\n",
     {{"main.conf:2: ", "too many words"}}},
    {"a default that is not within its own range",
     "service \"a\" {\n handler = wide\n}\n",
     {{"main.conf:3: ", "the default depth = \"50\" is not allowed; a whole number from 1 to 10"}}},
    {"given twice",
     "service \"a\" { handler = demo\n size = 2\n size = 3 }\n",
     {{"main.conf:3: ", "size is given twice"}}},
    {"of the other handler",
     "service \"a\" { handler = demo\n depth = 5 }\n",
     {{"main.conf:2: ",
       "depth belongs to handler \"wide\", and service \"a\" has handler \"demo\""}}},
    {"a wrong value of the other handler",
     "service \"a\" { handler = demo\n depth = 11 }\n",
     {{"main.conf:2: ", "depth belongs to handler \"wide\""}}},
    {"one name of two handlers, behind the handler",
     "service \"a\" { handler = demo\n size = 200 }\n",
     {{"main.conf:2: ", "size = \"200\" is not allowed; a whole number from 1 to 10"}}},
    {"one name of two handlers, before the handler",
     "service \"a\" {\n size = 200\n handler = demo }\n",
     {{"main.conf:2: ", "size = \"200\" is not allowed; a whole number from 1 to 10"}}},
    {"one name of two handlers, and none of them",
     "service \"a\" {\n size = 11\n handler = none }\n",
     {{"main.conf:2: ", "size = \"11\" is not allowed; a whole number from 1 to 10"},
      {"main.conf:3: ", "\"none\" is not a handler"}}},
    {"misspelt",
     "service \"a\" { handler = demo\n txet = x }\n",
     {{"main.conf:2: ", "there is no option txet; did you mean text?"}}},
};

static void test_errors(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct problems problems = {0};
        struct config *config = load(two, rows[i].text, &problems);

        if (!config_wants(rows[i].name, &problems, rows[i].wants))
            n_wrong++;
        check_true(rows[i].name, !config);
        problems_done(&problems);
    }
    check_number("rows that fail", n_wrong, 0);
}

// The range that counts is that of the section's own handler, wherever it is named.
static void test_shared_name(void **state)
{
    static const char text[] = "service \"a\" { size = 200 depth = 5 handler = wide }\n"
                               "service \"b\" { handler = wide depth = 5 size = 300 }\n"
                               "service \"c\" { size = 2 handler = demo }\n";
    struct problems problems = {0};
    const struct config *config;

    (void)state;
    config_dir_write("main.conf", text, strlen(text));
    config = config_read(config_dir_path("main.conf"), two, &problems);
    check_number("services", config->n_services, 3);
    check_number("a", ((const struct wide *)config->services[0].options)->size, 200);
    check_number("b", ((const struct wide *)config->services[1].options)->size, 300);
    check_number("c", ((const struct demo *)config->services[2].options)->size, 2);
    for (size_t i = 0; i < problems.n; i++) // of wide's own fault, and of nothing else
        check_true(problems.texts[i], strstr(problems.texts[i], "the default depth") != NULL);
    check_number("problems", problems.n, 2);
    problems_done(&problems);
    (void)config_unref((struct config *)(uintptr_t)config);
}

// --- Further kinds of sections -------------------------------------------------------------------
struct seal {
    char *file;
    uint64_t renew_usec;
};

static const struct setting certificate_settings[] = {
    {FIELD("chain", TEXT, struct seal, file)},
    {FIELD("renew", SPAN, struct seal, renew_usec), .initial = "30d"},
};
static const struct form certificate_form = FORM(struct seal, certificate_settings);

struct door {
    unsigned width;
};

static const struct setting door_settings[] = {
    {FIELD("width", COUNT, struct door, width), .initial = "1", .max = 9},
};
static const struct form door_form = FORM(struct door, door_settings);

struct file_options {
    unsigned level;
};

static const struct setting file_settings[] = {
    {FIELD("level", COUNT, struct file_options, level), .initial = "1", .max = 9},
};
static const struct form file_form = FORM(struct file_options, file_settings);

// What came to an end, in order: "KIND TITLE LINE VALUE; ".
static char ended[512];

static void end_section(struct section *section, void *data)
{
    size_t used = strlen(ended);
    const struct seal *certificate = section->parts[0].values;

    if (section->is_again)
        return;
    (void)snprintf(ended + used, sizeof(ended) - used, "%s %s %d %s; ", section->kind->name,
                   section->title, section->line,
                   data && certificate->file ? certificate->file : "-");
}

// Reads main.conf in a language of certificates and doors.
static unsigned read_kinds(const char *text, struct problems *problems)
{
    struct section_kind certificate = {
        .name = "certificate", .form = &certificate_form, .end = end_section, .data = ended};
    struct section_kind door = {.name = "door", .form = &door_form, .end = end_section};
    struct section_kind file = {.form = &file_form};
    const struct section_kind *const kinds[] = {&certificate, &door};
    struct file_options options = {0};
    struct reader_language language = {
        .file = &file, .file_values = &options, .sections = kinds, .n_sections = ELEMENTS(kinds)};
    struct reader *reader = reader_new(&language, problems);

    ended[0] = '\0';
    config_dir_write("main.conf", text, strlen(text));
    reader_file(reader, config_dir_path("main.conf"));
    reader = reader_free(reader);
    return options.level;
}

static const struct {
    const char *name, *text, *ended;
    unsigned level;
    struct want wants[WANTS_MAX];
} kinds[] = {
    {"both",
     "level = 3\ncertificate \"a\" { chain = x renew = 1d\n}\ndoor \"a\" { width = 2 }\n",
     "certificate a 3 x; door a 4 -; ",
     3,
     {{0}}},
    {"twice",
     "door \"a\" { }\ncertificate \"a\" { }\ncertificate \"a\" { }\ndoor \"b\" { }\n",
     "door a 1 -; certificate a 2 -; door b 4 -; ",
     0,
     {{"main.conf:3: ", "certificate \"a\" is configured twice"}}},
    {"twice, of one kind alone",
     "door \"a\" { }\ndoor \"a\" { }\ncertificate \"b\" { }\n",
     "door a 1 -; certificate b 3 -; ",
     0,
     {{"main.conf:2: ", "door \"a\" is configured twice"}}},
    {"what belongs elsewhere",
     "width = 2\ndoor \"a\" {\n chain = x\n level = 2 }\n",
     "door a 4 -; ",
     0,
     {{"main.conf:1: ", "width belongs in a door, not outside"},
      {"main.conf:3: ", "chain belongs in a certificate, not in a door"},
      {"main.conf:4: ", "level belongs before the doors, not in one"}}},
    {"an error of syntax, and what follows",
     "door \"a\" {\n = }\ncertificate \"b\" {\n renew = never }\n",
     "door a 2 -; certificate b 4 -; ",
     0,
     {{"main.conf:2: ", "there is no name in front of this ="},
      {"main.conf:4: ", "renew = \"never\" is not a time"}}},
    {"a brace that is missing",
     "certificate \"a\" {\n chain = x\n",
     "certificate a 2 x; ",
     0,
     {{"main.conf:2: ", "a } is missing at the end: certificate \"a\""}}},
};

static void test_kinds(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        struct problems problems = {0};
        unsigned level = read_kinds(kinds[i].text, &problems);

        if (!config_wants(kinds[i].name, &problems, kinds[i].wants))
            n_wrong++;
        check_text(kinds[i].name, ended, kinds[i].ended);
        check_number(kinds[i].name, level, kinds[i].level);
        problems_done(&problems);
    }
    check_number("rows that fail", n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_shared_name),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, config_dir_make, config_dir_remove);
}
