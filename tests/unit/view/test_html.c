// SPDX-License-Identifier: MIT
// html.c: what comes out, and that nothing which was given as a text can be markup.

#include "view/html.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static char *text;
static size_t size;

static struct html begin(void)
{
    struct html html = {.stream = open_memstream(&text, &size)};

    assert_non_null(html.stream);
    return html;
}

static void check_end(const char *row, struct html *html, const char *wanted)
{
    assert_int_equal(fclose(html->stream), 0);
    check_text(row, text, wanted);
    free(text);
    text = NULL;
}

static void test_tags(void **state)
{
    struct html html = begin();

    (void)state;
    html_open(&html, "p");
    html_attribute(&html, "id", "x");
    html_attribute_number(&html, "width", 7);
    html_flag(&html, "hidden");
    html_text(&html, "a");
    html_open(&html, "br");
    html_text(&html, "b");
    html_close(&html, "p");
    html_open(&html, "rect");
    html_attribute_number(&html, "x", UINT64_MAX);
    html_end(&html);
    html_open(&html, "td");
    html_close(&html, "td");
    html_element(&html, "i", "k", "t");
    html_element(&html, "i", NULL, "");
    html_link(&html, "a?b=c&d", "e");
    html_format(&html, "%d%s", 1, "<");
    check_end("tags", &html,
              "<p id=\"x\" width=\"7\" hidden>a<br>b</p><rect x=\"18446744073709551615\"/>"
              "<td></td><i class=\"k\">t</i><i></i><a href=\"a?b=c&amp;d\">e</a>1&lt;");
}

static const struct {
    const char *name, *text, *wanted;
} texts[] = {
    {"nothing", "", ""},
    {"plain", "echo *:7007", "echo *:7007"},
    {"markup", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {"quotes", "\" onload=\"x' y='", "&quot; onload=&quot;x&#39; y=&#39;"},
    {"a path", "unix:/tmp/a\"b\\c<d>&\xc3\xa9", "unix:/tmp/a&quot;b\\c&lt;d&gt;&amp;\xc3\xa9"},
    {"an entity", "&lt;", "&amp;lt;"},
    {"a comment", "--><!--", "--&gt;&lt;!--"},
    {"lines", "a\nb\tc", "a\nb\tc"},
    {"controls", "a\x01\x1b\r\x7f", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"bytes", "\x80\xff", "\x80\xff"},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        struct html html = begin();
        char wanted[256];

        html_open(&html, "a");
        html_attribute(&html, "b", texts[i].text);
        html_text(&html, texts[i].text);
        (void)snprintf(wanted, sizeof(wanted), "<a b=\"%s\">%s", texts[i].wanted, texts[i].wanted);
        check_end(texts[i].name, &html, wanted);
    }
}

// What is too long for its room is cut, and nothing else happens.
static void test_long(void **state)
{
    static char much[2000];
    struct html html = begin();

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    html_format(&html, "%s", much);
    assert_int_equal(fclose(html.stream), 0);
    assert_in_range(strlen(text), 500, 512);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tags), cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_long)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
