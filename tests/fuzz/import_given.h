// SPDX-License-Identifier: MIT
// An import in a world of its own, whose files are in the input alone. Whatever it reads: each loss
// is one line, and tcpd reads what is written and finds as many services.
#pragma once

#include "given.h"
#include "import/import.h"
#include "program/program_options.h"

#define OUTPUT_MAX (1024 * 1024) // tcpd-import writes no more

static inline unsigned given_port(const char *name, int type)
{
    unsigned sum = (unsigned)type;

    for (; *name; name++)
        sum = sum * 31 + (unsigned char)*name;
    return sum % 5 == 0 ? 0 : sum % 65536;
}

static inline bool given_host(const char *host)
{
    return host[0] != 'n';
}

static inline char *given_user(const char *user, const char *group)
{
    return (user && user[0] == 'n') || (group && group[0] == 'n') ? text_make("nobody") : NULL;
}

static inline char *given_program(const char *path, const char *user, const char *group)
{
    (void)user;
    (void)group;
    return path[0] != '/' || path[1] == 'n' ? text_make("nothing") : NULL;
}

static inline bool given_limit(int resource, unsigned long long value)
{
    return resource >= 0 && value != 7;
}

static inline bool given_nice(int nice)
{
    return nice > -10;
}

static inline bool given_wrappers(void)
{
    return false;
}

static const struct world given_world = {.port = given_port,
                                         .has_host = given_host,
                                         .refuse_user = given_user,
                                         .refuse_program = given_program,
                                         .has_wrappers = given_wrappers,
                                         .can_limit = given_limit,
                                         .can_nice = given_nice};

static inline size_t count_text(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        n++;
    return n;
}

// A line for each loss, and nothing in it that a terminal would obey.
static inline void check_said(const struct import *import, const char *said)
{
    MUST(count_text(said, ": warning: ") >= import->n_losses);
    for (const char *p = said; *p; p++)
        MUST(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f));
}

// All that program_check.c would find without looking at the world, which is what lies between
// settings.
static inline void prepare_program(struct service *service, const struct section *section,
                                   struct problems *problems)
{
    static const char *const sessions[] = {"min_workers",  "max_workers",     "spare_workers",
                                           "send_timeout", "session_timeout", "allow",
                                           "deny",         "refusal_text"};
    const struct program_options *options = program_options(service);

    MUST(options->argv.n > 0 && options->argv.items[0][0] != '\0');
    if (options->mode != PROGRAM_WAIT)
        return;
    service->leaves_clients = true;
    for (size_t i = 0; i < ELEMENTS(sessions); i++)
        if (section_line(section, sessions[i]) != 0)
            problems_add(problems, service->file, service->line, "%s with wait", sessions[i]);
}

static inline const struct handler *const *import_handlers(void)
{
    static struct handler program;
    static const struct handler *table[32];
    const struct handler *const *given = given_handlers();

    for (size_t i = 0; given[i]; i++) {
        table[i] = given[i];
        if (strcmp(given[i]->name, "program") == 0) {
            program = *given[i];
            program.prepare = prepare_program;
            table[i] = &program;
        }
    }
    return table;
}

static inline void check_output(const struct import *import, const struct text *text)
{
    struct problems problems = {0};
    struct config *config;

    if (text->n > OUTPUT_MAX || import->n_served == 0)
        return;
    answers_forget();
    give_files((const uint8_t *)text->bytes, text->n);
    config = config_load(MAIN_FILE, import_handlers(), &problems);
    for (size_t i = 0; i < problems.n; i++)
        fprintf(stderr, "%s\n", problems.texts[i]);
    if (!config)
        fprintf(stderr, "%s", text->bytes);
    MUST(config && config->n_services == import->n_served);
    (void)config_unref(config);
    problems_done(&problems);
}

typedef void read_given(struct import *import, struct file_text *text);

// read frees what it was given.
static inline int import_given(const uint8_t *data, size_t size, read_given *read)
{
    struct file_text input;
    struct text output = {0};
    char *said = NULL;
    size_t said_size;
    struct import import = {.features = &features_known,
                            .world = &given_world,
                            .said = open_memstream(&said, &said_size)};

    give_files(data, size);
    MUST(import.said && file_read(MAIN_FILE, IMPORT_FILE_MAX, &input) == 0);
    if (strlen(input.bytes) == input.n) {
        read(&import, &input);
        import_write(&import, &output);
        MUST(fflush(import.said) == 0);
        check_said(&import, said);
        check_output(&import, &output);
    } else {
        free(input.bytes);
    }
    MUST(fclose(import.said) == 0);
    free(said);
    text_done(&output);
    import_done(&import);
    answers_forget();
    return 0;
}
