// SPDX-License-Identifier: MIT
// escape.c: no byte of a peer reaches a log or terminal as a control (B50), nothing valid is
// spoilt, and a cut never falls within an escape or a character.

#include "base/escape.h"
#include "unit.h"

static const struct {
    const char *name, *data;
    size_t length;
    const char *want;
} rows[] = {
    {"nothing", "", 0, ""},
    {"text", "GET / HTTP/1.1", 14, "GET / HTTP/1.1"},
    {"all signs", " !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~", 32, " !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"},
    {"newline", "a\nb", 3, "a\\x0ab"},
    {"CRLF", "a\r\nb", 4, "a\\x0d\\x0ab"},
    {"tab", "a\tb", 3, "a\\x09b"},
    {"NUL", "a\0b", 3, "a\\x00b"},
    {"ESC", "\x1b[31m", 5, "\\x1b[31m"},
    {"DEL", "a\x7f", 2, "a\\x7f"},
    {"bell", "\x1b]0;x\a", 6, "\\x1b]0;x\\x07"},
    {"backslash", "\\", 1, "\\x5c"},
    {"a forged escape", "\\x0a", 4, "\\x5cx0a"},
    {"percent stays", "%s%n", 4, "%s%n"},
    {"two bytes", "\xc3\xa9", 2, "\xc3\xa9"},
    {"two bytes, first printing", "\xc2\xa0", 2, "\xc2\xa0"},
    {"three bytes", "\xe2\x82\xac", 3, "\xe2\x82\xac"},
    {"four bytes", "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
    {"the last code point", "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"},
    {"between text", "a\xc3\xa9z", 4, "a\xc3\xa9z"},
    {"C1, first", "\xc2\x80", 2, "\\xc2\\x80"},
    {"C1, CSI",
     "\xc2\x9b"
     "31m",
     5, "\\xc2\\x9b31m"},
    {"C1, last", "\xc2\x9f", 2, "\\xc2\\x9f"},
    {"C1 as bytes",
     "\x9b"
     "31m",
     4, "\\x9b31m"},
    {"a lone continuation", "\x80", 1, "\\x80"},
    {"a lone start", "\xc3", 1, "\\xc3"},
    {"a start and text",
     "\xc3"
     "a",
     2, "\\xc3a"},
    {"a start and a start", "\xc3\xc3\xa9", 3, "\\xc3\xc3\xa9"},
    {"three bytes cut", "\xe2\x82", 2, "\\xe2\\x82"},
    {"four bytes cut", "\xf0\x9f\x98", 3, "\\xf0\\x9f\\x98"},
    {"three bytes broken",
     "\xe2\x82"
     "a",
     3, "\\xe2\\x82a"},
    {"overlong slash", "\xc0\xaf", 2, "\\xc0\\xaf"},
    {"overlong NUL", "\xc0\x80", 2, "\\xc0\\x80"},
    {"overlong c1", "\xc1\xbf", 2, "\\xc1\\xbf"},
    {"overlong, three", "\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf"},
    {"overlong, three, highest", "\xe0\x9f\xbf", 3, "\\xe0\\x9f\\xbf"},
    {"overlong, four", "\xf0\x80\x80\xaf", 4, "\\xf0\\x80\\x80\\xaf"},
    {"overlong, four, highest", "\xf0\x8f\xbf\xbf", 4, "\\xf0\\x8f\\xbf\\xbf"},
    {"surrogate, first", "\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
    {"surrogate, last", "\xed\xbf\xbf", 3, "\\xed\\xbf\\xbf"},
    {"before the surrogates", "\xed\x9f\xbf", 3, "\xed\x9f\xbf"},
    {"behind the surrogates", "\xee\x80\x80", 3, "\xee\x80\x80"},
    {"beyond the last", "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"},
    {"f5", "\xf5\x80\x80\x80", 4, "\\xf5\\x80\\x80\\x80"},
    {"five bytes", "\xf8\x88\x80\x80\x80", 5, "\\xf8\\x88\\x80\\x80\\x80"},
    {"fe ff", "\xfe\xff", 2, "\\xfe\\xff"},
    {"line separator", "\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"},
    {"direction override", "\xe2\x80\xae", 3, "\\xe2\\x80\\xae"},
    {"direction isolate", "\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[64];

        check_number(rows[i].name, escape_bytes(rows[i].data, rows[i].length, text, sizeof(text)),
                     rows[i].length);
        check_text(rows[i].name, text, rows[i].want);
    }
}

// A line that a program has written: its backslashes stay, but for what would be read as an escape
// of ours.
static const struct {
    const char *name, *data;
    size_t length;
    const char *want;
} lines[] = {
    {"a backslash", "a\\b", 3, "a\\b"},
    {"at the end", "\\", 1, "\\"},
    {"of Python", "write(\"x\\n\")", 12, "write(\"x\\n\")"},
    {"of Windows", "C:\\xy\\x1", 8, "C:\\xy\\x1"},
    {"a forged escape", "\\x0a", 4, "\\x5cx0a"},
    {"a forged escape, in capitals", "\\x1B[2J", 7, "\\x5cx1B[2J"},
    {"a forged backslash", "\\x5cx0a", 7, "\\x5cx5cx0a"},
    {"two, and a forged escape", "\\\\x41", 5, "\\\\x5cx41"},
    {"a control character", "a\x1b[2J\tb", 7, "a\\x1b[2J\\x09b"},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        char text[64];

        check_number(lines[i].name, escape_line(lines[i].data, lines[i].length, text, sizeof(text)),
                     lines[i].length);
        check_text(lines[i].name, text, lines[i].want);
    }
}

// A decoder of its own, with the shape that RFC 3629 gives as a grammar.
static size_t grammar(const uint8_t *b, size_t n)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high;
        size_t length;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < ELEMENTS(forms); i++) {
        if (b[0] < forms[i].first_low || b[0] > forms[i].first_high || n < forms[i].length)
            continue;
        if (forms[i].length > 1 && (b[1] < forms[i].second_low || b[1] > forms[i].second_high))
            continue;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((b[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_plain(const uint8_t *b, size_t length)
{
    if (length == 1)
        return b[0] >= 0x20 && b[0] < 0x7f && b[0] != '\\';
    if (length == 2)
        return b[0] != 0xc2 || b[1] >= 0xa0;
    if (b[0] == 0xe2 && b[1] == 0x80)
        return b[2] < 0xa8 || b[2] > 0xae;
    return b[0] != 0xe2 || b[1] != 0x81 || b[2] < 0xa6 || b[2] > 0xa9;
}

static void reference(const uint8_t *data, size_t length, char *text)
{
    for (size_t done = 0; done < length;) {
        size_t n = grammar(data + done, length - done);

        if (n > 0 && is_plain(data + done, n)) {
            memcpy(text, data + done, n);
            text += n;
            done += n;
        } else {
            text += sprintf(text, "\\x%02x", data[done++]);
        }
    }
    *text = '\0';
}

static void check_reference(const uint8_t *data, size_t length)
{
    char text[64], want[64], row[32];

    (void)snprintf(row, sizeof(row), "%02x %02x %02x %02x", data[0], data[1], data[2], data[3]);
    reference(data, length, want);
    check_number(row, escape_bytes(data, length, text, sizeof(text)), length);
    check_text(row, text, want);
}

// All streams of two bytes, and all that begin a longer character, with edges behind them.
static void test_sweep(void **state)
{
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                    0xa8, 0xae, 0xaf, 0xbf, 0xc0, 0xff};

    (void)state;
    for (unsigned two = 0; two < 0x10000; two++) {
        uint8_t data[4] = {(uint8_t)(two >> 8), (uint8_t)two};

        check_reference(data, 2);
        if (data[0] < 0xc0)
            continue;
        for (size_t i = 0; i < ELEMENTS(edges); i++) {
            data[2] = edges[i];
            data[3] = 0;
            check_reference(data, 3);
            data[3] = edges[(i * 7 + two) % ELEMENTS(edges)];
            check_reference(data, 4);
        }
    }
}

static const char *const cuts[] = {
    "plain", "a\nb", "\n\n\n", "\xc3\xa9\xc3\xa9", "\xf0\x9f\x98\x80!", "\xe2\x82\xac\xff\\",
};

// Where the whole text may end: behind a plain character or a whole escape.
static size_t piece_length(const char *text)
{
    return text[0] == '\\' ? 4 : grammar((const uint8_t *)text, strlen(text));
}

static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cuts); i++) {
        char full[64];
        size_t n = strlen(cuts[i]);

        check_number(cuts[i], escape_bytes(cuts[i], n, full, sizeof(full)), n);
        for (size_t size = 1; size <= strlen(full) + 1; size++) {
            char text[64], again[64];
            size_t shown, want = 0;

            memset(text, '#', sizeof(text));
            shown = escape_bytes(cuts[i], n, text, size);
            check_true(cuts[i], text[size] == '#' && strnlen(text, size) < size);
            while (full[want] && want + piece_length(full + want) < size)
                want += piece_length(full + want); // as many whole pieces as fit
            check_bytes(cuts[i], text, strlen(text), full, want);
            (void)escape_bytes(cuts[i], shown, again, sizeof(again));
            check_text(cuts[i], again, text);
        }
    }
}

static void test_no_room(void **state)
{
    char text[2] = "#";

    (void)state;
    check_number("size 0", escape_bytes("abc", 3, text, 0), 0);
    check_number("size 0", text[0], '#');
    check_number("size 1", escape_bytes("abc", 3, text, 1), 0);
    check_number("size 1", text[0], '\0');
}

static const struct {
    const char *words, *want;
} texts[] = {
    {"", ""},
    {"\"a\\b\" is wrong", "\"a\\b\" is wrong"},
    {"\\x0a", "\\x0a"},
    {"a\nb\x1b\xff", "a\\x0ab\\x1b\\xff"},
    {"caf\xc3\xa9 \xe2\x80\x9c", "caf\xc3\xa9 \xe2\x80\x9c"},
    {"5s\xc2\xa0", "5s<U+00A0>"},
    {"\xef\xbb\xbfx\xe2\x80\x8b", "<U+FEFF>x<U+200B>"},
    {"\xe2\x80\xae\xf3\xa0\x80\xa0", "<U+202E><U+E0020>"},
};

static void test_copy(void **state)
{
    static const struct {
        const char *name, *text;
        size_t size;
        const char *want;
    } copies[] = {
        {"fits", "caf\xc3\xa9", 6, "caf\xc3\xa9"},
        {"cut in a character", "caf\xc3\xa9", 5, "caf"},
        {"cut before one", "caf\xc3\xa9", 4, "caf"},
        {"an escape stays", "a\\xff", 6, "a\\xff"},
        {"nothing but the end", "\xc3\xa9", 1, ""},
        {"cut before an escape", "a\\xff", 2, "a"},
        {"cut behind its backslash", "a\\xff", 3, "a"},
        {"cut behind its x", "a\\xff", 4, "a"},
        {"cut within its digits", "a\\xff", 5, "a"},
        {"cut behind it", "a\\xffb", 6, "a\\xff"},
        {"nothing but an escape", "\\xff", 3, ""},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(copies); i++) {
        char text[16];

        escape_copy(copies[i].text, text, copies[i].size);
        check_text(copies[i].name, text, copies[i].want);
    }
}

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        char text[64];

        escape_text(texts[i].words, text, sizeof(text));
        check_text(texts[i].want, text, texts[i].want);
        for (size_t size = 1; size < sizeof(text); size++) {
            memset(text, '#', sizeof(text));
            escape_text(texts[i].words, text, size);
            check_true(texts[i].want, text[size] == '#' && strnlen(text, size) < size);
            check_true(texts[i].want, strncmp(text, texts[i].want, strlen(text)) == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows), cmocka_unit_test(test_lines),   cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_cut),  cmocka_unit_test(test_no_room), cmocka_unit_test(test_text),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
