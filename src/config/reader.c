// SPDX-License-Identifier: MIT
// Reading tcpd.conf through libconfuse. Every option is a string to the library; forms know what it
// means. Nothing that is wrong stops the reading, so that one run reports all of it: the library
// gets a text without errors of syntax (reader_grammar.h).
// Each file has a parser of its own: what one has read is forgotten before the next begins.

#include "config/reader.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "config/config_text.h"
#include "config/reader_grammar.h"
#include "config/reader_private.h"

#define DEPTH_MAX 10
#define FILES_MAX 1000
#define BYTES_MAX (4 * 1024 * 1024) // of all files

struct file *reader_reading;

static bool has_option(const cfg_opt_t *opts, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(opts[i].name, name) == 0)
            return true;
    return false;
}

// Adds what opts do not have yet; returns how many there are then.
static size_t add_form(const struct form *form, cfg_opt_t *opts, size_t n)
{
    for (size_t i = 0; i < form->n; i++) {
        const char *name = form->settings[i].name;

        if (has_option(opts, n, name))
            continue;
        if (setting_is_list(&form->settings[i]))
            opts[n] = (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
        else
            opts[n] = (cfg_opt_t)CFG_STR(name, NULL, CFGF_NODEFAULT);
        opts[n++].validcb = reader_on_value;
    }
    return n;
}

// The options of a kind, with room for `more` behind them; *ret_n: how many they are.
static cfg_opt_t *make_options(const struct section_kind *kind, size_t more, size_t *ret_n)
{
    static const cfg_opt_t end = CFG_END();
    size_t room = kind->form->n + more + 1, n = 0;
    cfg_opt_t *opts;

    for (size_t i = 0; i < kind->n_variants; i++)
        room += kind->variants[i].form->n;
    opts = base_checked(calloc(room, sizeof(*opts)));
    n = add_form(kind->form, opts, n);
    for (size_t i = 0; i < kind->n_variants; i++)
        n = add_form(kind->variants[i].form, opts, n);
    opts[n] = end;
    *ret_n = n;
    return opts;
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv);

// The grammar leaves nothing that the library finds wrong; should it do so, these are its words.
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list arguments)
{
    cleanup_free char *text = NULL;

    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    problems_add(reader_reading->reader->problems, cfg->filename, cfg->line, "%s", text);
}

// What a file may have, for the library.
static cfg_opt_t *make_file_options(const struct reader_language *language)
{
    static const cfg_opt_t end = CFG_END();
    size_t n, unused;
    cfg_opt_t *file = make_options(language->file, language->n_sections + 1, &n);

    file[n++] = (cfg_opt_t)CFG_FUNC("include", on_include);
    for (size_t i = 0; i < language->n_sections; i++) {
        const struct section_kind *kind = language->sections[i];

        file[n] = (cfg_opt_t)CFG_SEC(kind->name, make_options(kind, 0, &unused),
                                     CFGF_MULTI | CFGF_TITLE);
        file[n++].validcb = reader_on_section;
    }
    file[n] = end;
    return file;
}

static void free_file_options(cfg_opt_t *file)
{
    for (cfg_opt_t *option = file; option && option->name; option++)
        free(option->subopts);
    free(file);
}

static cfg_t *make_parser(struct reader *reader)
{
    cfg_t *cfg;

    if (!reader->options)
        reader->options = make_file_options(reader->language);
    cfg = base_checked(cfg_init(reader->options, CFGF_NONE)); // copies all
    (void)cfg_set_error_function(cfg, on_error);
    return cfg;
}

// Of an option or of a kind of section.
static bool is_name(const void *data, const char *word)
{
    const struct reader_language *language = data;

    for (size_t i = 0; i < language->n_sections; i++)
        if (strcmp(word, language->sections[i]->name) == 0)
            return true;
    return reader_knows(language->file, word) || reader_find_home(language, word) != NULL;
}

static void parse_text(struct file *file, char *text)
{
    FILE *stream = base_checked(fmemopen(text, strlen(text), "r"));

    (void)cfg_parse_fp(file->cfg, stream); // on_error() has told what is wrong
    (void)fclose(stream);
    reader_forget_open(file);
}

void reader_stop(struct reader *reader, const struct place *place, const char *more_than_what)
{
    problems_add(reader->problems, place->file, place->line, "more than %s; nothing more is read",
                 more_than_what);
    reader->bounded = true;
    for (struct file *file = reader_reading; file; file = file->includer)
        file->given_up = true;
}

static void free_parsers(struct reader *reader)
{
    while (reader->used) {
        struct parser *parser = reader->used;

        reader->used = parser->next;
        (void)cfg_free(parser->cfg);
        free(parser);
    }
}

// Keeps it, but not what was read with it, until no other one is at work.
static void put_aside(struct reader *reader, cfg_t *cfg)
{
    struct parser *parser = base_checked(calloc(1, sizeof(*parser)));

    *parser = (struct parser){.cfg = cfg, .next = reader->used};
    reader->used = parser;
    for (cfg_opt_t *option = cfg->opts; option->name; option++)
        (void)cfg_free_value(option);
    if (reader->depth == 0)
        free_parsers(reader);
}

static void parse_file(struct reader *reader, const char *path, struct config_text *text,
                       int includer_line)
{
    const struct reader_language *language = reader->language;
    struct file file = {
        .includer = reader_reading,
        .reader = reader,
        .path = path,
        .device = text->device,
        .inode = text->inode,
        .cfg = make_parser(reader),
        .own = section_new(language->file, language->file_values, reader->problems),
    };
    size_t n_problems = reader->problems->n;
    cleanup_free char *right = NULL;

    free(file.cfg->filename);
    file.cfg->filename = base_checked(strdup(path));
    reader_reading = &file;
    reader->depth++;
    config_text_clean(text, path, is_name, language, reader->problems);
    right = reader_grammar(language, text->text, path, reader->problems);
    parse_text(&file, right);
    section_free(file.own);
    problems_order(reader->problems, n_problems, includer_line);
    reader_reading = file.includer;
    reader->depth--;
    put_aside(reader, file.cfg);
}

// Whether the file is being read already: it includes itself, maybe through others.
static bool is_open(const struct config_text *text)
{
    for (const struct file *file = reader_reading; file; file = file->includer)
        if (file->device == text->device && file->inode == text->inode)
            return true;
    return false;
}

// Reads a file, which `includer` asks for at `line` (NULL: nobody).
static void read_file(struct reader *reader, const char *path, const char *includer, int line)
{
    const struct place place = {.file = includer ? includer : path, .line = line};
    struct config_text text = {0};
    const char *wrong = NULL;

    if (reader->bounded)
        return;
    if (++reader->n_read > FILES_MAX) {
        reader->bounded = true;
        problems_add(reader->problems, place.file, line,
                     "more than %d files are read; no further one is", FILES_MAX);
        return;
    }
    wrong = config_text_read(path, &text);
    reader->n_bytes += text.size;
    if (reader->n_bytes > BYTES_MAX) {
        reader_stop(reader, &place, "4 MiB in all files");
    } else if (!wrong && is_open(&text)) {
        reader->bounded = true; // one message for all that would follow
        problems_add(reader->problems, includer, line, "%s includes itself", path);
    } else if (wrong) {
        problems_add(reader->problems, place.file, line, "%s%scannot be read: %s",
                     includer ? path : "", includer ? " " : "", wrong);
    } else {
        parse_file(reader, path, &text, line);
    }
    free(text.text);
}

// include("PATH"). The library's own would read the file past config_text_clean().
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    struct reader *reader = reader_reading->reader;
    cleanup_free char *copy = base_checked(strdup(reader_reading->path));
    cleanup_free char *path = NULL;
    int line = cfg->line;

    (void)opt;
    (void)argc;
    if (reader->depth >= DEPTH_MAX) {
        problems_add(reader->problems, reader_reading->path, line, "includes nested too deeply");
        return 0;
    }
    if (asprintf(&path, "%s%s%s", argv[0][0] == '/' ? "" : dirname(copy),
                 argv[0][0] == '/' ? "" : "/", argv[0]) < 0)
        base_out_of_memory();
    read_file(reader, path, reader_reading->path, line);
    return reader_reading->given_up ? -1 : 0;
}

struct reader *reader_new(const struct reader_language *language, struct problems *problems)
{
    struct reader *reader = base_checked(calloc(1, sizeof(*reader)));

    *reader = (struct reader){.language = language, .problems = problems};
    return reader;
}

void reader_file(struct reader *reader, const char *path)
{
    read_file(reader, path, NULL, 0);
}

void reader_text(struct reader *reader, const char *name, const char *text)
{
    struct config_text copy = {.text = base_checked(strdup(text)), .size = strlen(text)};

    reader->n_read++;
    reader->n_bytes += copy.size;
    parse_file(reader, name, &copy, 0);
    free(copy.text);
}

struct reader *reader_free(struct reader *reader)
{
    while (reader->titles) {
        struct title *title = reader->titles;

        reader->titles = title->next;
        free(title->text);
        free(title->file);
        free(title);
    }
    free_file_options(reader->options);
    free(reader);
    return NULL;
}
