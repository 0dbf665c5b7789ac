// SPDX-License-Identifier: MIT
// Ranges and kinds are the daemon's to know; what cannot be a number at all is refused here.

#include "ctl/steer_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define LAST_MAX   64 // that the daemon remembers
#define REASON_MAX 80

const char *const steer_limit_names[STEER_LIMITS] = {
    [STEER_MIN] = "min", [STEER_SPARE] = "spare", [STEER_MAX] = "max"};

static bool parse_number(const char *text, uint32_t *ret)
{
    size_t n = strspn(text, "0123456789");

    if (n == 0 || n > 9 || text[n] != '\0')
        return false;
    *ret = (uint32_t)strtoul(text, NULL, 10);
    return true;
}

// "a,b": the words, an owned list; NULL: one of them is empty.
static char **split(const char *value)
{
    char *text = base_checked(strdup(value)); // stays, as the words are in it
    char **words = base_checked(calloc(strlen(value) + 2, sizeof(*words)));
    size_t n = 0;

    for (char *word = text; word; n++) {
        words[n] = strsep(&word, ",");
        if (words[n][0] == '\0') {
            free(text);
            free(words);
            return NULL;
        }
    }
    return words;
}

const char *steer_options_take(struct steer_options *options, enum steer_option option,
                               const char *value)
{
    switch (option) {
    case STEER_WORKER:
        if (!parse_number(value, &options->worker) || options->worker == 0)
            return "--worker takes the process number of a worker, from 1 to 999999999, not ";
        break;
    case STEER_LAST:
        options->has_last = true;
        if (!parse_number(value, &options->last) || options->last > LAST_MAX)
            return "--last takes a number from 0 to 64, not ";
        break;
    default:
        options->kinds = split(value);
        if (!options->kinds)
            return "--kinds takes kinds of events with commas between them, not ";
    }
    return NULL;
}

const char *steer_options_check(const struct steer_options *options, bool is_events, bool is_drain,
                                char **services)
{
    if ((options->has_last || options->kinds) && !is_events)
        return "--last and --kinds are for events only";
    if (options->worker > 0 && !is_drain)
        return "--worker is for drain only";
    if (options->worker > 0 && services[0])
        return "drain takes services, or --worker, and not both";
    return NULL;
}

// "min=8". False: it is none.
static bool take_limit(struct steer_options *options, const char *word)
{
    for (int i = 0; i < STEER_LIMITS; i++) {
        size_t length = strlen(steer_limit_names[i]);

        if (strncmp(word, steer_limit_names[i], length) != 0 || word[length] != '=')
            continue;
        if (options->has_limit[i] || !parse_number(word + length + 1, &options->limits[i]))
            return false;
        options->has_limit[i] = true;
        return true;
    }
    return false;
}

const char *steer_options_take_limits(struct steer_options *options, char **words,
                                      const char **ret_word)
{
    if (strcmp(words[0], "reset") == 0 && !words[1])
        return NULL;
    for (; *words; words++)
        if (!take_limit(options, *words)) {
            *ret_word = *words;
            return "resize takes min=N, spare=N and max=N, each once, with N up to 30000, or reset "
                   "alone, not ";
        }
    return NULL;
}

bool steer_options_is_reason(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length > REASON_MAX || text[0] == ' ' || text[length - 1] == ' ')
        return false;
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}
