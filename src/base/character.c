// SPDX-License-Identifier: MIT
// Characters of Unicode that are easily taken for something else. The table has what Unicode 16
// calls white space (White_Space), what it says may be shown as nothing
// (Default_Ignorable_Code_Point), and a few more.

#include "base/character.h"

#include "base/base.h"

static const struct {
    uint32_t first, last;
    enum character_kind kind;
    const char *name; // NULL: none, or each has one of its own
} table[] = {
    {0x0000, 0x0007, CHARACTER_CONTROL, NULL},
    {0x0008, 0x0008, CHARACTER_CONTROL, "backspace"},
    {0x000b, 0x000b, CHARACTER_CONTROL, "vertical tab"},
    {0x000c, 0x000c, CHARACTER_CONTROL, "form feed"},
    {0x000d, 0x000d, CHARACTER_CONTROL, "carriage return"},
    {0x000e, 0x0019, CHARACTER_CONTROL, NULL},
    {0x001a, 0x001a, CHARACTER_CONTROL, "substitute"}, // ends a file of DOS
    {0x001b, 0x001b, CHARACTER_CONTROL, "escape"},
    {0x001c, 0x001f, CHARACTER_CONTROL, NULL},
    {0x007f, 0x007f, CHARACTER_CONTROL, "delete"},
    {0x0080, 0x0084, CHARACTER_CONTROL, NULL},
    {0x0085, 0x0085, CHARACTER_CONTROL, "next line"},
    {0x0086, 0x009f, CHARACTER_CONTROL, NULL},
    {0x00a0, 0x00a0, CHARACTER_SPACE, "no-break space"},
    {0x00ab, 0x00ab, CHARACTER_QUOTE, "left-pointing double angle quotation mark"},
    {0x00ad, 0x00ad, CHARACTER_INVISIBLE, "soft hyphen"},
    {0x00b4, 0x00b4, CHARACTER_QUOTE, "acute accent"},
    {0x00bb, 0x00bb, CHARACTER_QUOTE, "right-pointing double angle quotation mark"},
    {0x034f, 0x034f, CHARACTER_INVISIBLE, "combining grapheme joiner"},
    {0x061c, 0x061c, CHARACTER_INVISIBLE, "Arabic letter mark"},
    {0x115f, 0x115f, CHARACTER_SPACE, "Hangul choseong filler"},
    {0x1160, 0x1160, CHARACTER_SPACE, "Hangul jungseong filler"},
    {0x1680, 0x1680, CHARACTER_SPACE, "ogham space mark"},
    {0x17b4, 0x17b5, CHARACTER_INVISIBLE, "Khmer inherent vowel"},
    {0x180b, 0x180d, CHARACTER_INVISIBLE, "Mongolian variation selector"},
    {0x180e, 0x180e, CHARACTER_INVISIBLE, "Mongolian vowel separator"},
    {0x180f, 0x180f, CHARACTER_INVISIBLE, "Mongolian variation selector"},
    {0x2000, 0x2000, CHARACTER_SPACE, "en quad"},
    {0x2001, 0x2001, CHARACTER_SPACE, "em quad"},
    {0x2002, 0x2002, CHARACTER_SPACE, "en space"},
    {0x2003, 0x2003, CHARACTER_SPACE, "em space"},
    {0x2004, 0x2004, CHARACTER_SPACE, "three-per-em space"},
    {0x2005, 0x2005, CHARACTER_SPACE, "four-per-em space"},
    {0x2006, 0x2006, CHARACTER_SPACE, "six-per-em space"},
    {0x2007, 0x2007, CHARACTER_SPACE, "figure space"},
    {0x2008, 0x2008, CHARACTER_SPACE, "punctuation space"},
    {0x2009, 0x2009, CHARACTER_SPACE, "thin space"},
    {0x200a, 0x200a, CHARACTER_SPACE, "hair space"},
    {0x200b, 0x200b, CHARACTER_INVISIBLE, "zero width space"},
    {0x200c, 0x200c, CHARACTER_INVISIBLE, "zero width non-joiner"},
    {0x200d, 0x200d, CHARACTER_INVISIBLE, "zero width joiner"},
    {0x200e, 0x200e, CHARACTER_INVISIBLE, "left-to-right mark"},
    {0x200f, 0x200f, CHARACTER_INVISIBLE, "right-to-left mark"},
    {0x2018, 0x2018, CHARACTER_QUOTE, "left single quotation mark"},
    {0x2019, 0x2019, CHARACTER_QUOTE, "right single quotation mark"},
    {0x201a, 0x201a, CHARACTER_QUOTE, "single low-9 quotation mark"},
    {0x201b, 0x201b, CHARACTER_QUOTE, "single high-reversed-9 quotation mark"},
    {0x201c, 0x201c, CHARACTER_QUOTE, "left double quotation mark"},
    {0x201d, 0x201d, CHARACTER_QUOTE, "right double quotation mark"},
    {0x201e, 0x201e, CHARACTER_QUOTE, "double low-9 quotation mark"},
    {0x201f, 0x201f, CHARACTER_QUOTE, "double high-reversed-9 quotation mark"},
    {0x2028, 0x2028, CHARACTER_SPACE, "line separator"},
    {0x2029, 0x2029, CHARACTER_SPACE, "paragraph separator"},
    {0x202a, 0x202a, CHARACTER_INVISIBLE, "left-to-right embedding"},
    {0x202b, 0x202b, CHARACTER_INVISIBLE, "right-to-left embedding"},
    {0x202c, 0x202c, CHARACTER_INVISIBLE, "pop directional formatting"},
    {0x202d, 0x202d, CHARACTER_INVISIBLE, "left-to-right override"},
    {0x202e, 0x202e, CHARACTER_INVISIBLE, "right-to-left override"},
    {0x202f, 0x202f, CHARACTER_SPACE, "narrow no-break space"},
    {0x2032, 0x2032, CHARACTER_QUOTE, "prime"},
    {0x2033, 0x2033, CHARACTER_QUOTE, "double prime"},
    {0x2039, 0x2039, CHARACTER_QUOTE, "single left-pointing angle quotation mark"},
    {0x203a, 0x203a, CHARACTER_QUOTE, "single right-pointing angle quotation mark"},
    {0x205f, 0x205f, CHARACTER_SPACE, "medium mathematical space"},
    {0x2060, 0x2060, CHARACTER_INVISIBLE, "word joiner"},
    {0x2061, 0x2061, CHARACTER_INVISIBLE, "function application"},
    {0x2062, 0x2062, CHARACTER_INVISIBLE, "invisible times"},
    {0x2063, 0x2063, CHARACTER_INVISIBLE, "invisible separator"},
    {0x2064, 0x2064, CHARACTER_INVISIBLE, "invisible plus"},
    {0x2065, 0x2065, CHARACTER_INVISIBLE, NULL},
    {0x2066, 0x2066, CHARACTER_INVISIBLE, "left-to-right isolate"},
    {0x2067, 0x2067, CHARACTER_INVISIBLE, "right-to-left isolate"},
    {0x2068, 0x2068, CHARACTER_INVISIBLE, "first strong isolate"},
    {0x2069, 0x2069, CHARACTER_INVISIBLE, "pop directional isolate"},
    {0x206a, 0x206f, CHARACTER_INVISIBLE, NULL},
    {0x2800, 0x2800, CHARACTER_SPACE, "braille pattern blank"},
    {0x3000, 0x3000, CHARACTER_SPACE, "ideographic space"},
    {0x3164, 0x3164, CHARACTER_SPACE, "Hangul filler"},
    {0xfe00, 0xfe0f, CHARACTER_INVISIBLE, "variation selector"},
    {0xfeff, 0xfeff, CHARACTER_INVISIBLE, "byte order mark"},
    {0xff02, 0xff02, CHARACTER_QUOTE, "fullwidth quotation mark"},
    {0xff07, 0xff07, CHARACTER_QUOTE, "fullwidth apostrophe"},
    {0xffa0, 0xffa0, CHARACTER_SPACE, "halfwidth Hangul filler"},
    {0xfff0, 0xfffb, CHARACTER_INVISIBLE, NULL},
    {0x1bca0, 0x1bca3, CHARACTER_INVISIBLE, "shorthand format control"},
    {0x1d173, 0x1d17a, CHARACTER_INVISIBLE, "musical symbol"},
    {0xe0000, 0xe0fff, CHARACTER_INVISIBLE, NULL},
};

// What RFC 3629 allows behind each first byte of two and more.
static const struct {
    uint8_t first, last;       // bytes
    uint8_t length, low, high; // in all; of the second one
} forms[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

// The bytes behind the first one; 0: they are not UTF-8.
static size_t decode(const uint8_t *bytes, size_t length, size_t n, uint32_t *code)
{
    *code = bytes[0] & (0xffU >> (n + 1));
    if (n > length)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3fU);
    }
    return n;
}

// The length of the character; 0: the byte is not UTF-8.
static size_t read_character(const uint8_t *bytes, size_t length, uint32_t *code)
{
    for (size_t i = 0; i < ELEMENTS(forms); i++)
        if (bytes[0] >= forms[i].first && bytes[0] <= forms[i].last)
            return length > 1 && bytes[1] >= forms[i].low && bytes[1] <= forms[i].high
                       ? decode(bytes, length, forms[i].length, code)
                       : 0;
    *code = bytes[0];
    return bytes[0] < 0x80 ? 1 : 0;
}

struct character character_at(const void *text, size_t length)
{
    const uint8_t *bytes = text;
    struct character character = {.kind = CHARACTER_PLAIN};

    character.length = read_character(bytes, length, &character.code);
    if (character.length == 0)
        return (struct character){.kind = CHARACTER_BROKEN, .length = 1, .code = bytes[0]};
    if (character.code >= 0x20 && character.code < 0x7f)
        return character;
    for (size_t i = 0; i < ELEMENTS(table) && table[i].first <= character.code; i++)
        if (character.code <= table[i].last) {
            character.kind = table[i].kind;
            character.name = table[i].name;
        }
    return character;
}
