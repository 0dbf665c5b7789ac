// SPDX-License-Identifier: MIT
// utf8.c: all characters, all pairs and triples of bytes against a decoder that knows no state;
// the place of the first bad byte, in any cut; where a text may be cut.

#include "transport/websocket/utf8.h"
#include "unit.h"

static const struct {
    const char *name, *text;
    size_t length, n_good;
    bool is_whole;
} rows[] = {
    {"nothing", "", 0, 0, true},
    {"ASCII, longer than a word", "abcdefghijklm\x7f", 14, 14, true},
    {"NUL", "\0", 1, 1, true},
    {"a Greek word", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", 11, 11, true},
    {"cut in its last character", "\xce\xba\xe1\xbd", 4, 4, false},
    {"ASCII within a character",
     "abcdefgh\xe1\xbd"
     "abcdefgh",
     18, 10, false},
    {"a lone continuation", "ab\x80", 3, 2, false},
    {"overlong of two", "\xc0\xaf", 2, 0, false},
    {"overlong of two, the last", "\xc1\xbf", 2, 0, false},
    {"overlong of three", "\xe0\x9f\xbf", 3, 1, false},
    {"overlong of four", "\xf0\x8f\xbf\xbf", 4, 1, false},
    {"the first surrogate", "\xed\xa0\x80", 3, 1, false},
    {"the last surrogate", "\xed\xbf\xbf", 3, 1, false},
    {"before the surrogates", "\xed\x9f\xbf", 3, 3, true},
    {"a non-character", "\xef\xbf\xbe", 3, 3, true},
    {"the last character", "\xf4\x8f\xbf\xbf", 4, 4, true},
    {"beyond it", "\xf4\x90\x80\x80", 4, 1, false},
    {"five bytes", "\xf8\x88\x80\x80\x80", 5, 0, false},
    {"six bytes", "\xfc\x84\x80\x80\x80\x80", 6, 0, false},
    {"FE", "a\xfe", 2, 1, false},
    {"FF", "a\xff", 2, 1, false},
    {"bad in the third byte", "\xf0\x9f\x98\x20", 4, 3, false},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (size_t cut = 0; cut <= rows[i].length; cut++) {
            const uint8_t *text = (const uint8_t *)rows[i].text;
            struct utf8 utf8 = {0};
            size_t n = utf8_take(&utf8, text, cut);

            if (n == cut)
                n += utf8_take(&utf8, text + cut, rows[i].length - cut);
            check_number(rows[i].name, n, rows[i].n_good);
            check_number(rows[i].name, n == rows[i].length && utf8_is_whole(&utf8),
                         rows[i].is_whole);
        }
}

// Each character, by the definition; nothing else of up to four bytes is one, by its count.
static size_t encode(uint32_t code, uint8_t bytes[4])
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    bytes[0] = (uint8_t)(leads[n] | code);
    return n;
}

static bool is_one_character(const uint8_t *bytes, size_t n)
{
    struct utf8 utf8 = {0};

    for (size_t i = 0; i < n; i++)
        if ((i > 0 && utf8_is_whole(&utf8)) || utf8_take(&utf8, bytes + i, 1) != 1)
            return false;
    return utf8_is_whole(&utf8);
}

static void test_all(void **state)
{
    size_t n_found = 0, n_wanted = 0;

    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        bool wanted = code < 0x110000 && (code < 0xd800 || code > 0xdfff);
        uint8_t bytes[4];
        size_t n = encode(code, bytes);

        assert_int_equal(is_one_character(bytes, n), wanted);
        n_wanted += wanted && n < 4;
    }
    for (uint32_t number = 0; number < 1 << 24; number++) {
        uint8_t bytes[] = {(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

        n_found += is_one_character(bytes, 3);
        n_found += number < 1 << 16 && is_one_character(bytes + 1, 2);
        n_found += number < 1 << 8 && is_one_character(bytes + 2, 1);
    }
    assert_int_equal(n_found, n_wanted);
}

static void test_cut(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } cuts[] = {
        {"", 0},
        {"abc", 3},
        {"ab\xce", 2},
        {"ab\xce\xba", 4},
        {"\xe1\xbd", 0},
        {"a\xf0\x9f\x98", 1},
        {"a\xf0\x9f\x98\x80", 5},
        {"a\x80\x80\x80\x80", 5}, // no UTF-8: not for us to wait for
        {"a\xff", 2},
        {"a\xed\xa0", 3},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cuts); i++)
        check_number(cuts[i].text,
                     utf8_whole_length((const uint8_t *)cuts[i].text, strlen(cuts[i].text)),
                     cuts[i].length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
