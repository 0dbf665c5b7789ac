// SPDX-License-Identifier: MIT
// generator/socket_unit.c: which lines a unit has for which configuration, and what is refused.

#include "generator/socket_unit.h"
#include "handlers/handlers.h"

#include "config_dir.h"

static const struct unit_family family = {.base = "tcpd", .prefix = "tcpd-"};

#define SERVICE(options) "service \"s\" { handler = echo " options " }\n"

static const struct {
    const char *name, *config;
    const char *lines; // that stand in the unit, in one block
    size_t n;          // addresses
    const char *problem;
} rows[] = {
    {"IPv4 and IPv6", SERVICE("listen = {\"127.0.0.1:7\", \"[::1]:7\"}"),
     "ListenStream=127.0.0.1:7\nListenStream=[::1]:7\nBindIPv6Only=ipv6-only\nBacklog=4096\n", 2,
     NULL},
    {"names of unit and socket", SERVICE("listen = {\"1.2.3.4:5\"}"),
     "PartOf=tcpd.socket\nBefore=tcpd.socket\nStartLimitIntervalSec=0\n\n[Socket]\nService=tcpd."
     "service\n"
     "FileDescriptorName=s\n",
     1, NULL},
    {"all addresses", SERVICE("listen = {\"*:7\"}"), "ListenStream=7\nBindIPv6Only=both\n", 1,
     NULL},
    {"all IPv6 addresses", SERVICE("listen = {\"[::]:7\"}"),
     "ListenStream=[::]:7\nBindIPv6Only=ipv6-only\n", 1, NULL},
    {"both in one unit", SERVICE("listen = {\"*:7\", \"[::]:8\"}"),
     "ListenStream=0.0.0.0:7\nListenStream=[::]:7\nListenStream=[::]:8\n"
     "BindIPv6Only=ipv6-only\n",
     2, NULL},
    {"a name of a port", SERVICE("listen = {\"127.0.0.1:daytime\"}"), "ListenStream=127.0.0.1:13\n",
     1, NULL},
    {"a path", SERVICE("listen = {\"unix:/run/a b\"} socket_mode = 0640 socket_group = users"),
     "ListenStream=/run/a b\nBindIPv6Only=ipv6-only\nBacklog=4096\nFreeBind=yes\n"
     "TriggerLimitIntervalSec=0\nSocketMode=0640\nRemoveOnStop=yes\nSocketGroup=users\n",
     1, NULL},
    {"a specifier", SERVICE("listen = {\"unix:/run/%h\"}"), "ListenStream=/run/%%h\n", 1, NULL},
    {"backlog", SERVICE("listen = {\"1.2.3.4:5\"} backlog = 7"), "Backlog=7\n", 1, NULL},
    {"a backslash at the end", SERVICE("listen = {'unix:/run/x\\\\', \"1.2.3.4:5\"}"),
     "FileDescriptorName=s\nListenStream=1.2.3.4:5\n", 1, "cannot stand in a socket unit"},
    {"a newline in a path", SERVICE("listen = {\"unix:/run/x\\ny\", \"1.2.3.4:5\"}"),
     "FileDescriptorName=s\nListenStream=1.2.3.4:5\n", 1, "cannot stand in a socket unit"},
    {"a newline in a name",
     SERVICE("listen = {\"unix:/run/x\"} socket_user = \"a\\nExecStart=/bin/sh\""),
     "RemoveOnStop=yes\n", 1, "cannot be a SocketUser"},
    {"an interface", SERVICE("listen = {\"[fe80::1%lo]:7\"}"), "ListenStream=[fe80::1]:7%%lo\n", 1,
     NULL},
    {"no interface", SERVICE("listen = {\"[fe80::1]:7\", \"1.2.3.4:5\"}"),
     "FileDescriptorName=s\nListenStream=1.2.3.4:5\n", 1, "[fe80::1%eth0]:7"},
    {"a mapped address", SERVICE("listen = {\"[::ffff:1.2.3.4]:5\"}"), "ListenStream=1.2.3.4:5\n",
     1, NULL},
    {"a path that is no UTF-8", SERVICE("listen = {'unix:/run/\xff', \"1.2.3.4:5\"}"),
     "FileDescriptorName=s\nListenStream=1.2.3.4:5\n", 1, "cannot stand in a socket unit"},
    {"a name that begins with white space",
     SERVICE("listen = {\"unix:/run/x\"} socket_user = \" root\""), "RemoveOnStop=yes\n", 1,
     "cannot be a SocketUser"},
    {"messages", SERVICE("listen = {\"127.0.0.1:7\", \"unix-seqpacket:/run/x\"}"),
     "FileDescriptorName=s\nListenStream=127.0.0.1:7\nListenSequentialPacket=/run/x\n", 2, NULL},
    {"datagrams beside a stream", SERVICE("listen = {\"127.0.0.1:7\", \"udp:127.0.0.1:7\"}"),
     "FileDescriptorName=s\nListenStream=127.0.0.1:7\nListenDatagram=127.0.0.1:7\n", 2, NULL},
    {"datagrams at all addresses", SERVICE("listen = {\"udp:*:7\"}"),
     "FileDescriptorName=s\nListenDatagram=7\nBindIPv6Only=both\n", 1, NULL},
    {"what tcpd asks of datagrams", SERVICE("listen = {\"udp:*:7\"} receive_buffer = 1M"),
     "Backlog=4096\nFreeBind=yes\nTriggerLimitIntervalSec=0\nPassPacketInfo=yes\n"
     "ReceiveBuffer=1048576\n",
     1, NULL},
    {"datagrams at all addresses, and IPv6", SERVICE("listen = {\"udp:*:7\", \"[::]:7\"}"),
     "ListenDatagram=0.0.0.0:7\nListenDatagram=[::]:7\nListenStream=[::]:7\n", 2, NULL},
    {"datagrams at a path", SERVICE("listen = {\"unix-dgram:/run/x\"}"),
     "FileDescriptorName=s\nListenDatagram=/run/x\n", 1, NULL},
    {"TLS", SERVICE("listen = {\"tls:127.0.0.1:7\"}"),
     "FileDescriptorName=s\nListenStream=127.0.0.1:7\n", 1, "has no certificates"},
    {"WebSocket", SERVICE("listen = {\"ws:*:7\"}"), "FileDescriptorName=s\nListenStream=7\n", 1,
     NULL},
    {"WebSocket at a path", SERVICE("listen = {\"ws:unix:/run/x\"}"),
     "FileDescriptorName=s\nListenStream=/run/x\n", 1, NULL},
    {"any port", SERVICE("listen = {\"127.0.0.1:0\"}"), "", 0, "port 0"},
    {"a name that needs a network", SERVICE("listen = {\"nosuch.invalid:7\"}"), "", 0,
     "before there is a network"},
    {"no address", SERVICE(""), "", 0, NULL},
};

// The unit of the only service of a configuration; owned by the caller.
static char *make(const char *text, struct taken_addresses *taken, size_t *ret_n,
                  struct problems *problems)
{
    struct config *config;
    char *unit = NULL;
    size_t size;
    FILE *stream = open_memstream(&unit, &size);

    config_dir_write("main.conf", text, strlen(text));
    config = config_read(config_dir_path("main.conf"), handlers, problems);
    check_number("services", config->n_services, 1);
    *ret_n = socket_unit_write(stream, &family, &config->services[0], NULL, taken, problems);
    assert_int_equal(fclose(stream), 0);
    (void)config_unref(config);
    return unit;
}

static void test_rows(void **state)
{
    (void)state;
    names_files_only();
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct taken_addresses taken = {0};
        struct problems problems = {0};
        size_t n;
        char *unit = make(rows[i].config, &taken, &n, &problems);

        check_number(rows[i].name, n, rows[i].n);
        check_number(rows[i].name, problems.n, rows[i].problem != NULL);
        check_true(rows[i].name, !rows[i].problem || strstr(problems.texts[0], rows[i].problem));
        if (!strstr(unit, rows[i].lines))
            print_error("%s\n", unit);
        check_true(rows[i].name, strstr(unit, rows[i].lines) != NULL);
        free(unit);
        problems_done(&problems);
        taken_addresses_done(&taken);
    }
}

// systemd would refuse the second of two units with one address.
static void test_taken(void **state)
{
    struct taken_addresses taken = {0};
    struct problems problems = {0};
    size_t n;

    (void)state;
    free(make(SERVICE("listen = {\"127.0.0.1:7\"}"), &taken, &n, &problems));
    check_number("first", n, 1);
    free(make(SERVICE("listen = {\"127.0.0.1:7\", \"127.0.0.1:8\"}"), &taken, &n, &problems));
    check_number("second", n, 1);
    taken_addresses_done(&taken);
    problems_done(&problems);
}

static void test_names(void **state)
{
    static const struct service echo = {.name = (char *)(uintptr_t) "echo"};
    static const struct unit_family instance = {.base = "tcpd@web", .prefix = "tcpd:web:"};
    char name[64];

    (void)state;
    unit_name(&family, &echo, name, sizeof(name));
    check_text("tcpd", name, "tcpd-echo.socket");
    unit_name(&instance, &echo, name, sizeof(name));
    check_text("instance", name, "tcpd:web:echo.socket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_taken, config_dir_make, config_dir_remove),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
