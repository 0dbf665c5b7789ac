// SPDX-License-Identifier: MIT
// Reading tcpd.conf through libconfuse. Every option is a string to the library; forms know what it
// means. Wrong values do not stop the reading, so that one run reports all of them; a syntax error
// does, until the next section.
// Each file has a parser of its own: for an option that it does not know the library moves its
// table of options (CFGF_KEYSTRVAL), into which the parse of the file that includes it points.

#include "config/reader.h"

#include <confuse.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/spelling.h"
#include "config/config_text.h"

// Stands behind the last line of every file: libconfuse takes the end of the file for the missing
// brace of a section, and then meets this name inside it.
#define SENTINEL "__end_of_file"

#define DEPTH_MAX 10

// How far a list of values was read.
struct list {
    char *name;
    size_t n;   // values seen, right or wrong
    bool ended; // by its closing brace
    char *last; // the last of them
    struct list *next;
};

// A section that was read whole.
struct title {
    const struct section_kind *kind;
    char *text;
    struct title *next;
};

// A parser that has done its work. cfg_free() takes the lexer away from all others, so it waits for
// the reader's end.
struct parser {
    cfg_t *cfg;
    struct parser *next;
};

// A file that is being read.
struct file {
    struct file *includer;
    struct reader *reader;
    const char *path;
    cfg_t *cfg;
    struct section *own;   // what stands outside of all sections
    struct section *open;  // the section that is open, NULL: none
    struct list *lists;    // of the open section
    char unknown_name[64]; // the last one, with the quote the library puts behind it
    int n_lines;
    int error_line; // where the library last found something wrong
};

struct reader {
    const struct reader_language *language;
    struct problems *problems;
    struct title *titles;
    struct parser *used;
    int depth; // of files that include each other
};

// libconfuse hands callbacks no context of ours, hence the pointer.
static struct file *reading;

static const struct section_kind *kind_of(const cfg_t *cfg)
{
    const struct reader_language *language = reading->reader->language;

    for (size_t i = 0; i < language->n_sections; i++)
        if (strcmp(cfg->name, language->sections[i]->name) == 0)
            return language->sections[i];
    return language->file;
}

// The section that a value of cfg belongs to.
static struct section *section_of(const cfg_t *cfg)
{
    const struct section_kind *kind = kind_of(cfg);

    if (kind == reading->reader->language->file)
        return reading->own;
    if (!reading->open)
        reading->open = section_new(kind, NULL, reading->reader->problems);
    return reading->open;
}

static void forget_lists(struct file *file)
{
    while (file->lists) {
        struct list *list = file->lists;

        file->lists = list->next;
        free(list->name);
        free(list->last);
        free(list);
    }
}

static void forget_open(struct file *file)
{
    section_free(file->open);
    file->open = NULL;
    forget_lists(file);
}

static struct list *find_list(const char *name)
{
    struct list *list = reading->lists;

    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    if (list)
        return list;
    list = base_checked(calloc(1, sizeof(*list)));
    *list = (struct list){.name = base_checked(strdup(name)), .next = reading->lists};
    return reading->lists = list;
}

// The file's last line: the library has read on to the sentinel, or beyond it.
static int last_line(const cfg_t *cfg)
{
    return cfg->line < reading->n_lines ? cfg->line : reading->n_lines;
}

static bool is_known(const struct section_kind *kind, const char *name)
{
    bool known = form_find(kind->form, name) != NULL;

    for (size_t i = 0; !known && i < kind->n_variants; i++)
        known = form_find(kind->variants[i].form, name) != NULL;
    return known;
}

// The kind of section that has the setting, NULL: none has.
static const struct section_kind *find_home(const struct reader_language *language,
                                            const char *name)
{
    for (size_t i = 0; i < language->n_sections; i++)
        if (is_known(language->sections[i], name))
            return language->sections[i];
    return NULL;
}

// What it names already; the library does not say which of them is meant.
static const char *kind_of_title(const char *text)
{
    const struct reader_language *language = reading->reader->language;
    const char *name = language->n_sections == 1 ? language->sections[0]->name : NULL;

    if (name)
        return name;
    for (const struct title *title = reading->reader->titles; title; title = title->next) {
        if (strcmp(title->text, text) != 0)
            continue;
        if (name)
            return "section";
        name = title->kind->name;
    }
    return name ? name : "section";
}

const char *reader_hint(const struct reader_language *language, const struct section_kind *kind,
                        const char *name, char *text, size_t size)
{
    unsigned best = SPELLING_FAR;
    const char *closest = section_suggest(kind, name, &best);

    if (!closest)
        closest = section_suggest(language->file, name, &best);
    for (size_t i = 0; !closest && i < language->n_sections; i++)
        closest = section_suggest(language->sections[i], name, &best);
    if (closest)
        (void)snprintf(text, size, "did you mean %s?", closest);
    else
        (void)snprintf(text, size, "tcpd.conf(5) lists all");
    return text;
}

// Our words for an option the library does not know.
static void refuse_name(const cfg_t *cfg, const char *name)
{
    const struct reader_language *language = reading->reader->language;
    struct problems *problems = reading->reader->problems;
    const struct section_kind *kind = kind_of(cfg), *home = find_home(language, name);
    char hint[96];

    if (strcmp(name, SENTINEL) == 0)
        problems_add(problems, cfg->filename, last_line(cfg),
                     "the closing brace } of %s \"%s\" is missing", kind->name, cfg->title);
    else if (kind->name && is_known(language->file, name))
        problems_add(problems, cfg->filename, cfg->line, "%s belongs before the %ss, not in one",
                     name, kind->name);
    else if (home)
        problems_add(problems, cfg->filename, cfg->line, "%s belongs in a %s, not %s%s", name,
                     home->name, kind->name ? "in a " : "outside", kind->name ? kind->name : "");
    else
        problems_add(problems, cfg->filename, cfg->line, "there is no option %s; %s", name,
                     reader_hint(language, kind, name, hint, sizeof(hint)));
}

// Our words for what the library finds wrong; its own where they are clear.
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list arguments)
{
    static const char unknown[] = "no such option '", twice[] = "found duplicate title '",
                      section[] = "missing equal sign after option '";
    struct problems *problems = reading->reader->problems;
    cleanup_free char *text = NULL;
    size_t length;

    if (vasprintf(&text, format, arguments) < 0)
        abort();
    reading->error_line = last_line(cfg);
    length = strlen(text);
    if (strncmp(text, unknown, strlen(unknown)) == 0) {
        text[length - 1] = '\0';
        (void)snprintf(reading->unknown_name, sizeof(reading->unknown_name), "%s'",
                       text + strlen(unknown));
        refuse_name(cfg, text + strlen(unknown));
    } else if (strncmp(text, twice, strlen(twice)) == 0) {
        text[length - 1] = '\0';
        reading->error_line++; // it begins there, and would be found again
        problems_add(problems, cfg->filename, cfg->line, "%s \"%s\" is configured twice",
                     kind_of_title(text + strlen(twice)), text + strlen(twice));
    } else if (strncmp(text, section, strlen(section)) == 0 &&
               strcmp(reading->unknown_name, text + strlen(section)) == 0) {
        return; // an unknown word, which was refused as such
    } else if (strcmp(text, "premature end of file") == 0 || strstr(text, SENTINEL)) {
        problems_add(problems, cfg->filename, last_line(cfg),
                     "the file ends too early; a quote or a brace is left open");
    } else {
        problems_add(problems, cfg->filename, last_line(cfg), "%s", text);
    }
}

// The library calls after each value of a list and once more at its closing brace: true then.
static bool is_list_end(const struct list *list, size_t size, const char *value)
{
    return size == list->n && !list->ended && list->last && strcmp(value, list->last) == 0;
}

static void remember_listed(struct list *list, size_t size, const char *value)
{
    free(list->last);
    list->last = base_checked(strdup(value));
    list->n = size;
    list->ended = false;
}

// False: not a value, or one of a list that begins a second time (with `+=` it goes on instead).
static bool take_listed(const struct section *section, const char *name, size_t size,
                        const char *value, const struct place *place)
{
    struct list *list = find_list(name);
    bool repeated = section_line(section, name) != 0 && size <= list->n;

    if (size == 0)
        return false;
    if (is_list_end(list, size, value)) {
        list->ended = true;
        return false;
    }
    remember_listed(list, size, value);
    if (repeated)
        section_refuse_again(section, name, place);
    return !repeated;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    struct section *section = section_of(cfg);
    struct place place = {.file = cfg->filename, .line = cfg->line};
    size_t size = cfg_opt_size(opt);
    const char *value = size > 0 ? cfg_opt_getnstr(opt, (unsigned)size - 1) : "";

    if (strcmp(value, SENTINEL) == 0)
        return 0;
    if (!setting_is_list(section_find(section, opt->name)) ||
        take_listed(section, opt->name, size, value, &place))
        (void)section_set(section, opt->name, value, &place);
    return 0;
}

// A list that was begun anew at its end has lost what it had: it was given twice.
static void refuse_lost_lists(const cfg_t *cfg, const struct place *place)
{
    for (const struct list *list = reading->lists; list; list = list->next)
        if (cfg_size((cfg_t *)(uintptr_t)cfg, list->name) < list->n)
            section_refuse_again(reading->open, list->name, place);
}

static void remember_title(struct reader *reader, const struct section_kind *kind, const char *text)
{
    struct title *title = base_checked(calloc(1, sizeof(*title)));

    *title = (struct title){
        .kind = kind, .text = base_checked(strdup(text)), .next = reader->titles};
    reader->titles = title;
}

// At the closing brace of a section.
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    const cfg_t *cfg_section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    struct section *section = section_of(cfg_section);
    struct place place = {.file = cfg->filename, .line = last_line(cfg)};

    refuse_lost_lists(cfg_section, &place);
    remember_title(reading->reader, section->kind, cfg_section->title);
    reading->open = NULL;
    section_end(section, cfg_section->title, &place);
    forget_lists(reading);
    return 0;
}

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
        opts[n++].validcb = on_value;
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

static cfg_t *make_parser(const struct reader_language *language)
{
    static const cfg_opt_t end = CFG_END();
    size_t first, n, unused;
    cleanup_free cfg_opt_t *file = make_options(language->file, language->n_sections + 2, &n);
    cfg_t *cfg;

    file[n++] = (cfg_opt_t)CFG_FUNC("include", on_include);
    file[n++] = (cfg_opt_t)CFG_STR(SENTINEL, NULL, CFGF_NODEFAULT);
    first = n;
    for (size_t i = 0; i < language->n_sections; i++) {
        const struct section_kind *kind = language->sections[i];

        file[n] = (cfg_opt_t)CFG_SEC(kind->name, make_options(kind, 0, &unused),
                                     CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES |
                                         CFGF_KEYSTRVAL);
        file[n++].validcb = on_section;
    }
    file[n] = end;
    cfg = base_checked(cfg_init(file, CFGF_KEYSTRVAL)); // copies all
    for (size_t i = first; i < n; i++)
        free(file[i].subopts);
    (void)cfg_set_error_function(cfg, on_error);
    return cfg;
}

// Makes the titles known to the parser that were read since `until`, so that it refuses them where
// they are given once more.
static void tell_titles(cfg_t *cfg, const struct title *titles, const struct title *until)
{
    for (const struct title *title = titles; title != until; title = title->next)
        (void)cfg_addtsec(cfg, title->kind->name, title->text); // NULL: it has it
}

static enum config_text_option look_up(const void *data, const char *name)
{
    const struct reader_language *language = data;
    const struct section_kind *home = is_known(language->file, name) ? language->file
                                                                     : find_home(language, name);
    const struct setting *setting = home ? form_find(home->form, name) : NULL;

    for (size_t i = 0; home && !setting && i < home->n_variants; i++)
        setting = form_find(home->variants[i].form, name);
    if (!setting)
        return OPTION_UNKNOWN;
    return setting_is_list(setting) ? OPTION_LIST : OPTION_VALUE;
}

// Behind line: where the next section begins, 0: there is none.
static int skip(const struct reader_language *language, struct config_text *text, int line)
{
    cleanup_free const char **words = base_checked(
        calloc(language->n_sections + 1, sizeof(words[0])));

    for (size_t i = 0; i < language->n_sections; i++)
        words[i] = language->sections[i]->name;
    return config_text_skip(text, line, words, language->n_sections);
}

// After an error of syntax the next section is tried, so that one mistake does not hide others.
static void parse_text(struct file *file, struct config_text *text)
{
    struct problems *problems = file->reader->problems;
    int begin = 1;

    while (begin > 0) {
        FILE *stream = base_checked(fmemopen(text->text, strlen(text->text), "r"));
        size_t before = problems->n;
        bool good = cfg_parse_fp(file->cfg, stream) == CFG_SUCCESS;
        int line = file->error_line;

        (void)fclose(stream);
        forget_open(file);
        if (good)
            break;
        if (problems->n == before)
            problems_add(problems, file->path, line, "cannot be understood");
        begin = skip(file->reader->language, text, line > begin ? line : begin + 1);
    }
}

static void put_aside(struct reader *reader, cfg_t *cfg)
{
    struct parser *parser = base_checked(calloc(1, sizeof(*parser)));

    *parser = (struct parser){.cfg = cfg, .next = reader->used};
    reader->used = parser;
}

static void parse_file(struct reader *reader, const char *path, struct config_text *text)
{
    const struct reader_language *language = reader->language;
    struct file file = {
        .includer = reading,
        .reader = reader,
        .path = path,
        .cfg = make_parser(language),
        .own = section_new(language->file, language->file_values, reader->problems),
        .n_lines = text->n_lines,
    };

    free(file.cfg->filename);
    file.cfg->filename = base_checked(strdup(path));
    reading = &file;
    reader->depth++;
    tell_titles(file.cfg, reader->titles, NULL);
    config_text_clean(text, path, look_up, language, reader->problems);
    parse_text(&file, text);
    section_free(file.own);
    put_aside(reader, file.cfg);
    reading = file.includer;
    reader->depth--;
}

// Reads a file, which `includer` asks for at `line` (NULL: nobody).
static void read_file(struct reader *reader, const char *path, const char *includer, int line)
{
    struct config_text text = {0};
    const char *wrong = config_text_read(path, SENTINEL "=1\n", &text);

    if (wrong)
        problems_add(reader->problems, includer ? includer : path, line, "%s%scannot be read: %s",
                     includer ? path : "", includer ? " " : "", wrong);
    else
        parse_file(reader, path, &text);
    free(text.text);
}

// include("PATH"). The library's own would read the file past config_text_clean().
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    struct reader *reader = reading->reader;
    const struct title *known = reader->titles;
    cleanup_free char *copy = base_checked(strdup(reading->path));
    cleanup_free char *path = NULL;
    int line = cfg->line;

    (void)opt;
    if (argc != 1 || reader->depth >= DEPTH_MAX) {
        problems_add(reader->problems, reading->path, line,
                     argc != 1 ? "write include(\"FILE\")" : "includes nested too deeply");
        return 0;
    }
    if (asprintf(&path, "%s%s%s", argv[0][0] == '/' ? "" : dirname(copy),
                 argv[0][0] == '/' ? "" : "/", argv[0]) < 0)
        abort();
    read_file(reader, path, reading->path, line);
    tell_titles(cfg, reader->titles, known);
    return 0;
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

struct reader *reader_free(struct reader *reader)
{
    while (reader->used) {
        struct parser *parser = reader->used;

        reader->used = parser->next;
        (void)cfg_free(parser->cfg);
        free(parser);
    }
    while (reader->titles) {
        struct title *title = reader->titles;

        reader->titles = title->next;
        free(title->text);
        free(title);
    }
    free(reader);
    return NULL;
}
