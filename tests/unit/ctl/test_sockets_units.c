// SPDX-License-Identifier: MIT
// sockets_units.c: what two texts of a unit have between them, and how that is told.

#include <netinet/in.h>

#include "ctl/sockets_units.h"
#include "unit.h"

#define HEAD "# Made by tcpd-generator\n[Unit]\nDescription=tcpd service a\n"

static void test_section(void **state)
{
    cleanup_free char *last = units_section(HEAD "\n[Socket]\nListenStream=7\nBacklog=3\n");
    cleanup_free char *middle = units_section(HEAD "\n[Socket]\nBacklog=3\n\n[Install]\nX=Y\n");
    cleanup_free char *none = units_section(HEAD "After=[Socket]\n");

    (void)state;
    assert_string_equal(last, "ListenStream=7\nBacklog=3\n");
    assert_string_equal(middle, "Backlog=3\n\n");
    assert_string_equal(none, "");
}

static const struct {
    const char *line, *text;
    int family, type;
} lines[] = {
    {"ListenStream=127.0.0.1:7", "127.0.0.1:7", AF_INET, SOCK_STREAM},
    {"ListenStream=[::1]:7", "[::1]:7", AF_INET6, SOCK_STREAM},
    {"ListenStream=7", "*:7", AF_INET6, SOCK_STREAM},
    {"ListenDatagram=7", "udp:*:7", AF_INET6, SOCK_DGRAM},
    {"ListenDatagram=127.0.0.1:7", "udp:127.0.0.1:7", AF_INET, SOCK_DGRAM},
    {"ListenStream=[fe80::1]:7%lo", "[fe80::1%lo]:7", AF_INET6, SOCK_STREAM},
    {"ListenStream=/run/a%%b", "unix:/run/a%b", AF_UNIX, SOCK_STREAM},
    {"ListenDatagram=/run/a", "unix-dgram:/run/a", AF_UNIX, SOCK_DGRAM},
    {"ListenSequentialPacket=/run/a", "unix-seqpacket:/run/a", AF_UNIX, SOCK_SEQPACKET},
    {"ListenStream=", "", AF_UNSPEC, 0},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        char section[256];
        size_t n;

        (void)snprintf(section, sizeof(section), "Service=x\n%s\nBacklog=3\n", lines[i].line);
        cleanup_free struct unit_address *list = units_addresses(section, &n);
        assert_int_equal(n, 1);
        if (lines[i].family != AF_UNSPEC)
            assert_string_equal(list[0].text, lines[i].text);
        assert_int_equal(list[0].address.any.sa_family, lines[i].family);
        assert_int_equal(list[0].address.type, lines[i].type);
    }
}

#define A "ListenStream=127.0.0.1:7\n"
#define B "ListenStream=127.0.0.1:7\nListenStream=127.0.0.1:8\n"
#define C "ListenStream=127.0.0.1:9\n"

static const struct {
    const char *name, *wanted, *loaded;
    bool is_active, is_foreign, is_held;
    enum socket_change change;
    const char *told, *planned;
} cases[] = {
    {"new", A, NULL, false, false, false, SOCKETS_OPENED, "opened 127.0.0.1:7 (a)\n",
     "would open 127.0.0.1:7 (a)\n"},
    {"failed or stopped", A, A, false, false, false, SOCKETS_OPENED, "opened 127.0.0.1:7 (a)\n",
     "would open 127.0.0.1:7 (a)\n"},
    {"without a file, and back", A, NULL, true, false, true, SOCKETS_OPENED,
     "opened 127.0.0.1:7 (a)\n", "would open 127.0.0.1:7 (a)\n"},
    {"the same", A, A, true, false, true, SOCKETS_UNCHANGED, "", ""},
    {"systemd has lost it", A, A, true, false, false, SOCKETS_OPENED, "opened 127.0.0.1:7 (a)\n",
     "would open 127.0.0.1:7 (a)\n"},
    {"another address", C, A, true, false, true, SOCKETS_CHANGED,
     "closed 127.0.0.1:7 (a)\nopened 127.0.0.1:9 (a)\n",
     "would close 127.0.0.1:7 (a)\nwould open 127.0.0.1:9 (a)\n"},
    {"one more", B, A, true, false, true, SOCKETS_CHANGED,
     "opened 127.0.0.1:8 (a)\nreopened 127.0.0.1:7 (a)\n",
     "would open 127.0.0.1:8 (a)\nwould reopen 127.0.0.1:7 (a)\n"},
    {"one less", A, B, true, false, true, SOCKETS_CHANGED,
     "closed 127.0.0.1:8 (a)\nreopened 127.0.0.1:7 (a)\n",
     "would close 127.0.0.1:8 (a)\nwould reopen 127.0.0.1:7 (a)\n"},
    {"another option", A "Backlog=3\n", A, true, false, true, SOCKETS_CHANGED,
     "reopened 127.0.0.1:7 (a)\n", "would reopen 127.0.0.1:7 (a)\n"},
    {"gone", NULL, A, true, false, true, SOCKETS_CLOSED, "closed 127.0.0.1:7 (a)\n",
     "would close 127.0.0.1:7 (a)\n"},
    {"gone, with its file", NULL, NULL, true, false, true, SOCKETS_CLOSED, "closed a\n",
     "would close a\n"},
    {"gone and closed", NULL, A, false, false, true, SOCKETS_IGNORED, "", ""},
    {"written by hand", A, NULL, true, true, false, SOCKETS_UNCHANGED, "", ""},
    {"somebody else's", NULL, NULL, true, true, true, SOCKETS_IGNORED, "", ""},
};

static void check_print(const struct socket_unit *unit, bool is_plan, const char *wanted,
                        const char *name)
{
    char text[512] = "";
    FILE *stream = fmemopen(text, sizeof(text), "w");

    units_print(unit, is_plan, stream);
    assert_int_equal(fclose(stream), 0);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", name, text, wanted);
}

static char *copy(const char *text)
{
    return text ? base_checked(strdup(text)) : NULL;
}

static void test_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct socket_units units = {0};
        struct socket_unit *unit = units_get(&units, "a");

        unit->wanted = copy(cases[i].wanted);
        unit->loaded = copy(cases[i].loaded);
        unit->is_active = cases[i].is_active;
        unit->is_foreign = cases[i].is_foreign;
        unit->change = units_decide(unit, cases[i].is_held);
        if (unit->change != cases[i].change)
            fail_msg("%s: %d", cases[i].name, (int)unit->change);
        check_print(unit, false, cases[i].told, cases[i].name);
        check_print(unit, true, cases[i].planned, cases[i].name);
        assert_ptr_equal(units_get(&units, "a"), unit);
        units_done(&units);
    }
}

static void test_order(void **state)
{
    static const char *const names[] = {"b", "a", "c"};
    struct socket_units units = {0};

    (void)state;
    units_sort(&units);
    for (size_t i = 0; i < ELEMENTS(names); i++)
        (void)units_get(&units, names[i]);
    units_sort(&units);
    for (size_t i = 0; i < ELEMENTS(names); i++)
        assert_int_equal(units.items[i].name[0], "abc"[i]);
    units_done(&units);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_section),
                                       cmocka_unit_test(test_addresses),
                                       cmocka_unit_test(test_decide), cmocka_unit_test(test_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
