// SPDX-License-Identifier: MIT
// character.c: every character has its length, its code and its kind; what is not UTF-8 is one
// byte.

#include "base/character.h"
#include "unit.h"

static const struct {
    const char *row, *text;
    struct character want;
} rows[] = {
    {"a letter", "ab", {CHARACTER_PLAIN, 1, 'a', NULL}},
    {"a space", " ", {CHARACTER_PLAIN, 1, ' ', NULL}},
    {"a tab", "\t", {CHARACTER_PLAIN, 1, '\t', NULL}},
    {"a newline", "\n", {CHARACTER_PLAIN, 1, '\n', NULL}},
    {"quotes of ASCII", "\"", {CHARACTER_PLAIN, 1, '"', NULL}},
    {"tilde", "~", {CHARACTER_PLAIN, 1, '~', NULL}},
    {"carriage return", "\r\n", {CHARACTER_CONTROL, 1, '\r', "carriage return"}},
    {"U+0001", "\x01", {CHARACTER_CONTROL, 1, 1, NULL}},
    {"ESC", "\x1b[", {CHARACTER_CONTROL, 1, 0x1b, "escape"}},
    {"the end of a file of DOS", "\x1a", {CHARACTER_CONTROL, 1, 0x1a, "substitute"}},
    {"DEL", "\x7f", {CHARACTER_CONTROL, 1, 0x7f, "delete"}},
    {"C1, first", "\xc2\x80", {CHARACTER_CONTROL, 2, 0x80, NULL}},
    {"C1, next line", "\xc2\x85", {CHARACTER_CONTROL, 2, 0x85, "next line"}},
    {"C1, last", "\xc2\x9f", {CHARACTER_CONTROL, 2, 0x9f, NULL}},
    {"no-break space", "\xc2\xa0x", {CHARACTER_SPACE, 2, 0xa0, "no-break space"}},
    {"inverted exclamation mark", "\xc2\xa1", {CHARACTER_PLAIN, 2, 0xa1, NULL}},
    {"soft hyphen", "\xc2\xad", {CHARACTER_INVISIBLE, 2, 0xad, "soft hyphen"}},
    {"two bytes", "\xc3\xa9", {CHARACTER_PLAIN, 2, 0xe9, NULL}},
    {"en quad", "\xe2\x80\x80", {CHARACTER_SPACE, 3, 0x2000, "en quad"}},
    {"hair space", "\xe2\x80\x8a", {CHARACTER_SPACE, 3, 0x200a, "hair space"}},
    {"zero width", "\xe2\x80\x8b", {CHARACTER_INVISIBLE, 3, 0x200b, "zero width space"}},
    {"a joiner", "\xe2\x80\x8d", {CHARACTER_INVISIBLE, 3, 0x200d, "zero width joiner"}},
    {"a hyphen", "\xe2\x80\x90", {CHARACTER_PLAIN, 3, 0x2010, NULL}},
    {"line separator", "\xe2\x80\xa8", {CHARACTER_SPACE, 3, 0x2028, "line separator"}},
    {"override", "\xe2\x80\xae", {CHARACTER_INVISIBLE, 3, 0x202e, "right-to-left override"}},
    {"isolate", "\xe2\x81\xa6", {CHARACTER_INVISIBLE, 3, 0x2066, "left-to-right isolate"}},
    {"no name", "\xe2\x81\xaa", {CHARACTER_INVISIBLE, 3, 0x206a, NULL}},
    {"curly", "\xe2\x80\x9c", {CHARACTER_QUOTE, 3, 0x201c, "left double quotation mark"}},
    {"apostrophe", "\xe2\x80\x99", {CHARACTER_QUOTE, 3, 0x2019, "right single quotation mark"}},
    {"ideographic space", "\xe3\x80\x80", {CHARACTER_SPACE, 3, 0x3000, "ideographic space"}},
    {"before the surrogates", "\xed\x9f\xbf", {CHARACTER_PLAIN, 3, 0xd7ff, NULL}},
    {"byte order mark", "\xef\xbb\xbfx", {CHARACTER_INVISIBLE, 3, 0xfeff, "byte order mark"}},
    {"four bytes", "\xf0\x9f\x98\x80", {CHARACTER_PLAIN, 4, 0x1f600, NULL}},
    {"a tag", "\xf3\xa0\x80\xa0", {CHARACTER_INVISIBLE, 4, 0xe0020, NULL}},
    {"the last one", "\xf4\x8f\xbf\xbf", {CHARACTER_PLAIN, 4, 0x10ffff, NULL}},
    {"beyond the last one", "\xf4\x90\x80\x80", {CHARACTER_BROKEN, 1, 0xf4, NULL}},
    {"a surrogate", "\xed\xa0\x80", {CHARACTER_BROKEN, 1, 0xed, NULL}},
    {"overlong", "\xc0\xaf", {CHARACTER_BROKEN, 1, 0xc0, NULL}},
    {"overlong, three bytes", "\xe0\x9f\xbf", {CHARACTER_BROKEN, 1, 0xe0, NULL}},
    {"overlong, four bytes", "\xf0\x8f\xbf\xbf", {CHARACTER_BROKEN, 1, 0xf0, NULL}},
    {"Latin-1", "\xa0x", {CHARACTER_BROKEN, 1, 0xa0, NULL}},
    {"a start alone", "\xe9", {CHARACTER_BROKEN, 1, 0xe9, NULL}},
    {"cut", "\xe2\x82", {CHARACTER_BROKEN, 1, 0xe2, NULL}},
    {"three bytes and text", "\xe2\x82x", {CHARACTER_BROKEN, 1, 0xe2, NULL}},
    {"UTF-16", "\xff\xfe", {CHARACTER_BROKEN, 1, 0xff, NULL}},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct character got = character_at(rows[i].text, strlen(rows[i].text));

        check_number(rows[i].row, got.kind, rows[i].want.kind);
        check_number(rows[i].row, got.length, rows[i].want.length);
        check_number(rows[i].row, got.code, rows[i].want.code);
        check_text(rows[i].row, got.name, rows[i].want.name);
    }
}

static void test_nul(void **state)
{
    struct character got = character_at("", 1);

    (void)state;
    check_number("NUL", got.kind, CHARACTER_CONTROL);
    check_number("NUL", got.length, 1);
}

// All code points: written and read again.
static void test_all(void **state)
{
    (void)state;
    for (uint32_t code = 0x80; code <= 0x10ffff; code++) {
        uint8_t bytes[4];
        size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        struct character got;

        for (size_t i = n; i-- > 1;)
            bytes[i] = (uint8_t)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3f));
        bytes[0] = (uint8_t)(0xf00 >> n | code >> (6 * (n - 1)));
        got = character_at(bytes, n);
        if (code >= 0xd800 && code <= 0xdfff) {
            check_number("a surrogate", got.kind, CHARACTER_BROKEN);
            continue;
        }
        check_number("length", got.length, n);
        check_number("code", got.code, code);
        check_number("cut", character_at(bytes, n - 1).kind, CHARACTER_BROKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
