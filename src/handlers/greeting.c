// SPDX-License-Identifier: MIT
// greeting: sends a text and closes. `message` is that text; `file` holds entries of which each
// session gets one at random, as the quote of the day (RFC 865) does: fortune's format, entries
// divided by lines of a single '%', each below 512 bytes. The file is read with the
// configuration; a relative path begins where the configuration file is.

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/file.h"
#include "handlers/handlers.h"
#include "session/serving.h"

enum message_end { END_NONE, END_CRLF, END_NUL, END_N };

// One entry of the file: where it lies in its text.
struct entry {
    size_t offset, length;
};

struct greeting {
    char *message;
    enum message_end end;
    char *file;            // entries to choose from
    char *text;            // the file's, owned
    struct entry *entries; // owned
    size_t n_entries;
};

static const char *const end_names[END_N] = {
    [END_NONE] = "none", [END_CRLF] = "crlf", [END_NUL] = "nul"};

static const struct setting settings[] = {
    {FIELD("message", TEXT, struct greeting, message)},
    {FIELD("end", CHOICE, struct greeting, end), .initial = "none", CHOICES(end_names)},
    {FIELD("file", TEXT, struct greeting, file), .is_path = true},
};

static const struct form form = FORM(struct greeting, settings);

static const struct greeting *options;

#define ENTRY_MAX   511
#define MESSAGE_MAX 4000
#define FILE_MAX    (16 * 1024 * 1024)

static const char *const ends[END_N] = {[END_NONE] = "", [END_CRLF] = "\r\n", [END_NUL] = ""};
static const size_t end_sizes[END_N] = {[END_NONE] = 0, [END_CRLF] = 2, [END_NUL] = 1};

static void serve(struct tcpd_session *session)
{
    const char *text = options->message;
    size_t end_size = end_sizes[options->end];
    char reply[MESSAGE_MAX + 2];
    size_t length;

    if (options->n_entries > 0) {
        const struct entry *entry =
            &options->entries[arc4random_uniform((uint32_t)options->n_entries)];

        text = options->text + entry->offset;
        length = entry->length;
    } else {
        length = strlen(text);
    }
    memcpy(reply, text, length); // prepare() has checked that it fits
    memcpy(reply + length, ends[options->end], end_size);
    (void)tcpd_write(session, reply, length + end_size); // the session keeps the result
}

// The path of `file`, which is relative to the configuration file it is named in; owned.
static char *make_path(const struct service *service)
{
    const struct greeting *given = service->options;
    const char *slash = strrchr(service->file, '/');
    int directory = given->file[0] != '/' && slash ? (int)(slash - service->file) + 1 : 0;
    char *path = NULL;

    if (asprintf(&path, "%.*s%s", directory, service->file, given->file) < 0)
        base_out_of_memory();
    return path;
}

// The file's text, NUL-terminated, or NULL after adding a problem.
static char *read_file(const struct service *service, struct problems *problems)
{
    const struct greeting *given = service->options;
    cleanup_free char *path = make_path(service);
    struct file_text text = {0};
    int r = file_read(path, FILE_MAX, &text);
    const char *wrong = NULL;

    if (r < 0)
        wrong = r == -EFBIG ? "longer than 16 MiB" : strerror(-r);
    else if (text.n == 0)
        wrong = "is empty";
    else if (strlen(text.bytes) < text.n)
        wrong = "holds a NUL byte";
    if (!wrong)
        return text.bytes;
    free(text.bytes);
    problems_add(problems, service->file, service->line, "file = \"%s\" of service \"%s\": %s",
                 given->file, service->name, wrong);
    return NULL;
}

static void add_entry(struct greeting *given, size_t offset, size_t length)
{
    given->entries = base_checked(
        reallocarray(given->entries, given->n_entries + 1, sizeof(given->entries[0])));
    given->entries[given->n_entries++] = (struct entry){.offset = offset, .length = length};
}

// Divides the text at its '%' lines; empty entries do not count.
static void split_entries(struct service *service, struct problems *problems)
{
    struct greeting *given = service->options;
    const char *text = given->text;
    size_t start = 0, line_number = 1;

    for (size_t at = 0;; line_number++) {
        size_t line = strcspn(text + at, "\n");
        bool last = text[at + line] == '\0';
        bool divider = line == 1 && text[at] == '%';
        size_t end = divider || !last ? at : at + line;

        if ((divider || last) && end > start) {
            if (end - start > ENTRY_MAX)
                problems_add(problems, given->file, (int)line_number,
                             "an entry of %zu bytes ends here; at most %d", end - start, ENTRY_MAX);
            add_entry(given, start, end - start);
        }
        if (divider)
            start = at + line + (last ? 0 : 1);
        if (last)
            return;
        at += line + 1;
    }
}

static int open_worker(const struct tcpd_worker *worker)
{
    options = serving_options(worker);
    return 0;
}

static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    struct greeting *given = service->options;

    (void)section;
    if (!given->message == !given->file) {
        problems_add(problems, service->file, service->line,
                     "service \"%s\" needs either message = \"TEXT\" or file = \"PATH\"",
                     service->name);
        return;
    }
    if (given->message) {
        if (strlen(given->message) > MESSAGE_MAX)
            problems_add(problems, service->file, service->line,
                         "message of service \"%s\" is too long; at most %d bytes", service->name,
                         MESSAGE_MAX);
        return;
    }
    given->text = read_file(service, problems);
    if (given->text)
        split_entries(service, problems);
    if (given->text && given->n_entries == 0)
        problems_add(problems, service->file, service->line,
                     "file = \"%s\" of service \"%s\" has no entry", given->file, service->name);
}

static void release(void *its_options)
{
    struct greeting *given = its_options;

    free(given->text);
    free(given->entries);
}

const struct handler handler_greeting = {.name = "greeting",
                                         .face = {.abi = TCPD_HANDLER_ABI,
                                                  .open = open_worker,
                                                  .serve = serve,
                                                  .kinds = HANDLER_ALL_KINDS},
                                         .form = &form,
                                         .prepare = prepare,
                                         .release = release};
