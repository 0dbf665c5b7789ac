// SPDX-License-Identifier: MIT
// json.c: D-Bus values as JSON. Messages are made by sd-bus, on a connection that goes nowhere.

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "unit.h"
#include "view/json.h"

static sd_bus *bus;

static const struct {
    const char *name, *text, *want;
} strings[] = {
    {"empty", "", "\"\""},
    {"plain", "echo 127.0.0.1:7", "\"echo 127.0.0.1:7\""},
    {"quote", "say \"hi\"", "\"say \\\"hi\\\"\""},
    {"backslash", "a\\b", "\"a\\\\b\""},
    {"short forms", "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
    {"controls", "\x01\x1b\x1f\x7f", "\"\\u0001\\u001b\\u001f\\u007f\""},
    {"slash", "unix:/run/x", "\"unix:/run/x\""},
    {"UTF-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
};

static void test_string(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(strings); i++) {
        char *got = NULL;
        size_t size;
        FILE *stream = open_memstream(&got, &size);

        assert_non_null(stream);
        json_print_string(stream, strings[i].text);
        (void)fclose(stream);
        check_text(strings[i].name, got, strings[i].want);
        free(got);
    }
}

// Prints all values of the message, which is used up, with blanks between. The last result.
static int print_all(const char *row, sd_bus_message *message, char **ret_text)
{
    size_t size;
    FILE *stream = open_memstream(ret_text, &size);
    int r = sd_bus_message_seal(message, 1, 0);

    assert_non_null(stream);
    check_true(row, r >= 0 && sd_bus_message_rewind(message, 1) >= 0);
    for (int n = 0; (r = json_print_value(stream, message)) > 0; n++)
        (void)fputc(' ', stream);
    (void)fclose(stream);
    (void)sd_bus_message_unref(message);
    return r;
}

static sd_bus_message *new_message(void)
{
    sd_bus_message *message = NULL;

    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    return message;
}

#define append(...) assert_true(sd_bus_message_append(message, __VA_ARGS__) >= 0)

static void make_numbers(sd_bus_message *message)
{
    append("ynq", 255, INT16_MIN, UINT16_MAX);
    append("iu", INT32_MIN, UINT32_MAX);
    append("xt", INT64_MIN, UINT64_MAX);
}

static void make_others(sd_bus_message *message)
{
    append("bb", 1, 0);
    append("sog", "s", "/o", "ai");
    append("ddd", 0.5, -3.0, 1e300 * 1e300);
}

static void make_arrays(sd_bus_message *message)
{
    append("as", 0);
    append("as", 3, "a", "", "c\"");
    append("aai", 2, 1, 7, 0);
    append("(s(iu)as)", "x", -1, 2, 1, "y");
}

static void make_dictionaries(sd_bus_message *message)
{
    append("a{sv}", 0);
    append("a{sv}", 3, "a", "s", "x", "b", "t", UINT64_MAX, "c", "a{sv}", 1, "d", "b", 1);
    append("aa{sv}", 3, 1, "a", "u", 1, 0, 1, "b\"", "as", 1, "v");
    append("a{ss}", 2, "k", "1", "l", "2");
}

static void make_variants(sd_bus_message *message)
{
    append("v", "v", "v", "v", "s", "deep");
    append("av", 2, "i", 1, "s", "2");
}

static void make_status(sd_bus_message *message)
{
    append("a{sv}", 2, "version", "s", "0.1.0", "pid", "u", 7);
    append("aa{sv}", 1, 2, "service", "s", "echo", "sessions", "t", (uint64_t)1 << 40);
}

static void make_bad_key(sd_bus_message *message)
{
    append("a{is}", 1, 1, "x");
}

static void make_nothing(sd_bus_message *message)
{
    (void)message;
}

static const struct {
    const char *name;
    void (*make)(sd_bus_message *message);
    const char *want;
    int want_r;
} values[] = {
    {"numbers", make_numbers,
     "255 -32768 65535 -2147483648 4294967295 -9223372036854775808 18446744073709551615 ", 0},
    {"others", make_others, "true false \"s\" \"/o\" \"ai\" 0.5 -3 null ", 0},
    {"arrays", make_arrays, "[] [\"a\",\"\",\"c\\\"\"] [[7],[]] [\"x\",[-1,2],[\"y\"]] ", 0},
    {"dictionaries", make_dictionaries,
     "{} {\"a\":\"x\",\"b\":18446744073709551615,\"c\":{\"d\":true}} "
     "[{\"a\":1},{},{\"b\\\"\":[\"v\"]}] {\"k\":\"1\",\"l\":\"2\"} ",
     0},
    {"variants", make_variants, "\"deep\" [1,\"2\"] ", 0},
    {"a status", make_status,
     "{\"version\":\"0.1.0\",\"pid\":7} [{\"service\":\"echo\",\"sessions\":1099511627776}] ", 0},
    {"a key that is a number", make_bad_key, "", -EOPNOTSUPP},
    {"nothing", make_nothing, "", 0},
};

static void test_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        sd_bus_message *message = new_message();
        char *got = NULL;
        int r;

        values[i].make(message);
        r = print_all(values[i].name, message, &got);
        check_number(values[i].name, r, values[i].want_r);
        check_text(values[i].name, got, values[i].want);
        free(got);
    }
}

// A descriptor has no form in JSON.
static void test_unsupported(void **state)
{
    FILE *stream = fopen("/dev/null", "w");
    sd_bus_message *message = new_message();

    (void)state;
    assert_non_null(stream);
    if (sd_bus_message_append(message, "h", 0) >= 0) { // -EOPNOTSUPP without agreement on them
        assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
        assert_int_equal(json_print_value(stream, message), -EOPNOTSUPP);
    }
    (void)sd_bus_message_unref(message);
    (void)fclose(stream);
}

static int set_up(void **state)
{
    static int fds[2];

    (void)state;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fds[0], fds[0]) < 0)
        return -1;
    return sd_bus_start(bus) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    bus = sd_bus_close_unref(bus);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_unsupported),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
