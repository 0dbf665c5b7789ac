// SPDX-License-Identifier: MIT
// Characters outside of quotes that cannot be meant: what is not seen, as it came with a text that
// was copied from elsewhere, and what no text has. libconfuse takes them for letters of a name.

#include <stdio.h>
#include <string.h>

#include "base/character.h"
#include "config/config_text_private.h"

// Whether it is the first of its kind on that line; a line full of others has more than enough.
static bool is_first(struct refused *refused, int line, uint32_t code)
{
    if (refused->line != line)
        *refused = (struct refused){.line = line};
    for (size_t i = 0; i < refused->n; i++)
        if (refused->codes[i] == code)
            return false;
    if (refused->n == sizeof(refused->codes) / sizeof(refused->codes[0]))
        return false;
    refused->codes[refused->n++] = code;
    return true;
}

static void explain(const struct cleaning *cleaning, const struct character *character)
{
    static const struct {
        const char *before, *behind;
    } texts[] = {
        [CHARACTER_SPACE] = {"there is an invisible character here, ", "; write a space"},
        [CHARACTER_INVISIBLE] = {"there is an invisible character here, ", "; delete it"},
        [CHARACTER_CONTROL] = {"the control character ", " stands outside of quotes; delete it"},
        [CHARACTER_QUOTE] = {"there is a ", " here; quotes are written \" or '"},
        [CHARACTER_BROKEN] = {"the byte ",
                              ", which is not UTF-8, stands outside of quotes; delete it"},
    };
    char what[64];

    if (character->kind == CHARACTER_BROKEN)
        (void)snprintf(what, sizeof(what), "0x%02X", character->code);
    else
        (void)snprintf(what, sizeof(what), "U+%04X%s%s%s", character->code,
                       character->name ? " (" : "", character->name ? character->name : "",
                       character->name ? ")" : "");
    problems_add(cleaning->problems, cleaning->path, cleaning->cursor.line, "%s%s%s",
                 texts[character->kind].before, what, texts[character->kind].behind);
}

static bool is_gap(const struct character *character)
{
    return character->kind == CHARACTER_SPACE || character->kind == CHARACTER_QUOTE ||
           (character->kind == CHARACTER_CONTROL && strchr("\f\v\r", (int)character->code));
}

bool config_text_refuse(struct cleaning *cleaning, bool *in_word)
{
    char *at = cleaning->cursor.at;
    struct character character = character_at(at, strnlen(at, 4));

    if (character.kind == CHARACTER_PLAIN || (*at == '\r' && at[1] == '\n')) {
        cleaning->cursor.at += character.length - 1;
        return false;
    }
    if (is_first(&cleaning->refused, cleaning->cursor.line, character.code))
        explain(cleaning, &character);
    if (is_gap(&character))
        *in_word = false;
    memset(at, is_gap(&character) ? ' ' : '\0', character.length);
    cleaning->cursor.at += character.length;
    return true;
}
