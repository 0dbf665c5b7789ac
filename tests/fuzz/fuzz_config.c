// SPDX-License-Identifier: MIT
// A configuration of several files: what is wrong is said with its place; what is right, and is
// printed as `tcpd -T` does, means the same when it is read again.

#include "given.h"

// "FILE:LINE: ", or "FILE: " of what is wrong with a whole file; the last may be that there are
// more.
static bool names_its_place(const struct problems *problems, size_t i)
{
    const char *text = problems->texts[i];

    for (size_t file = 0; file < GIVEN_MAX; file++) {
        size_t n = strlen(given_names[file]);

        if (strncmp(text, given_names[file], n) == 0 && text[n] == ':')
            return text[n + 1] == ' ' || (text[n + 1] > '0' && text[n + 1] <= '9');
    }
    return i + 1 == PROBLEMS_MAX;
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static char *print(const struct config *config, size_t *ret_size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, ret_size);

    MUST(stream);
    config_print(config, stream);
    MUST(fclose(stream) == 0);
    return text;
}

static char *read_and_print(size_t *ret_size)
{
    struct problems problems = {0};
    struct config *config = config_load(MAIN_FILE, given_handlers(), &problems);
    char *text = config ? print(config, ret_size) : NULL;

    MUST(!config == (problems.n > 0) && problems.n <= PROBLEMS_MAX);
    for (size_t i = 0; i < problems.n; i++)
        if (!is_plain(problems.texts[i]) || !names_its_place(&problems, i)) {
            fprintf(stderr, "%s\n", problems.texts[i]);
            abort();
        }
    (void)config_unref(config);
    problems_done(&problems);
    return text;
}

// Without its comments, which say where each setting is written.
static void strip(char *text)
{
    char *to = text;

    for (char *line = text, *end; *line; line = end) {
        char *comment = NULL;

        end = line + strcspn(line, "\n");
        end += *end == '\n';
        for (char *at = line; at + 4 <= end; at++)
            if (memcmp(at, "  # ", 4) == 0)
                comment = at;
        if (comment) {
            memmove(to, line, (size_t)(comment - line));
            to += comment - line;
            *to++ = '\n';
        } else {
            memmove(to, line, (size_t)(end - line));
            to += end - line;
        }
    }
    *to = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text, *again;
    size_t n;

    give_files(data, size);
    text = read_and_print(&n);
    if (text) {
        give_files((const uint8_t *)text, n);
        again = read_and_print(&n);
        MUST(again);
        strip(text);
        strip(again);
        MUST(strcmp(text, again) == 0);
        free(again);
    }
    free(text);
    answers_forget();
    return 0;
}
