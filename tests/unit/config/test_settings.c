// SPDX-License-Identifier: MIT
// settings.c: the table agrees with itself, each kind takes its values whole or says what is
// allowed, and a refused value changes nothing.

#include <ctype.h>
#include <sys/resource.h>

#include "config/settings.h"
#include "handlers/handler.h"
#include "unit.h"

union target {
    struct config config;
    struct service service;
};

static void target_done(union target *target, bool global)
{
    if (!global)
        config_service_done(&target->service);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_n; i++) {
        const struct setting *setting = &settings[i];
        union target target = {0};
        char *wrong;

        check_number(setting->name, settings_find(setting->name, setting->global), i);
        check_number(setting->name, settings_find(setting->name, !setting->global), -1);
        check_true(setting->name, !setting->handler || handler_find(setting->handler));
        for (const char *p = setting->name; *p; p++)
            check_true(setting->name, islower((unsigned char)*p) || *p == '_');
        for (int k = 0; k < setting->n_names; k++)
            check_true(setting->name, setting->names[k] != NULL);
        if (!setting->initial)
            continue;
        wrong = settings_set(setting, &target, setting->initial);
        check_text(setting->name, wrong, NULL);
        target_done(&target, setting->global);
    }
    check_number("unknown", settings_find("no_such_option", false), -1);
    check_number("empty", settings_find("", true), -1);
    check_number("a beginning", settings_find("stop_time", true), -1);
}

#define COUNT     " is not allowed; a whole number from 1 to 30000"
#define MODE      " is not a file mode; an octal number from 0 to 0777"
#define TIME      " is not a time; write 500ms, 30s, 5min, 2h or 0 for off"
#define LONG_TIME " is too long; at most 36500d"
#define NICE      " is not allowed; a whole number from -20 to 19, or inherit"
#define MASK      MODE ", or inherit"
#define LIMIT(min)                               \
    " is not a limit; a whole number from " #min \
    " on, with K, M, G or T behind it or not, infinity or inherit"

// What a service's options take; NULL: it is taken, else what is said.
static const struct {
    const char *name, *option, *text, *want;
} rows[] = {
    {"lowest", "min_workers", "1", NULL},
    {"highest", "min_workers", "30000", NULL},
    {"zeros in front", "min_workers", "0000000012", NULL},
    {"below", "min_workers", "0", "\"0\"" COUNT},
    {"above", "min_workers", "30001", "\"30001\"" COUNT},
    {"2^32 + 4", "min_workers", "4294967300", "\"4294967300\"" COUNT},
    {"2^64 + 4", "min_workers", "18446744073709551620", "\"18446744073709551620\"" COUNT},
    {"minus", "min_workers", "-4", "\"-4\"" COUNT},
    {"plus", "min_workers", "+4", "\"+4\"" COUNT},
    {"a fraction", "min_workers", "4.0", "\"4.0\"" COUNT},
    {"hexadecimal", "min_workers", "0x4", "\"0x4\"" COUNT},
    {"a space", "min_workers", " 4", "\" 4\"" COUNT},
    {"a unit", "min_workers", "4k", "\"4k\"" COUNT},
    {"empty", "min_workers", "", "\"\"" COUNT},
    {"words", "min_workers", "many", "\"many\"" COUNT},
    {"zero where it may be", "spare_workers", "0", NULL},
    {"its highest", "max_sessions_per_worker", "1000000000", NULL},
    {"mode", "socket_mode", "0660", NULL},
    {"mode without zero", "socket_mode", "600", NULL},
    {"no rights", "socket_mode", "0", NULL},
    {"all rights", "socket_mode", "0777", NULL},
    {"set-uid", "socket_mode", "04755", "\"04755\"" MODE},
    {"not octal", "socket_mode", "0668", "\"0668\"" MODE},
    {"letters", "socket_mode", "rw", "\"rw\"" MODE},
    {"time", "idle_timeout", "1min 30s", NULL},
    {"off", "idle_timeout", "0", NULL},
    {"not a time", "idle_timeout", "soon", "\"soon\"" TIME},
    {"a time below 0", "idle_timeout", "-1s", "\"-1s\"" TIME},
    {"a time too long", "idle_timeout", "101years", "\"101years\"" TIME},
    {"a time of too many days", "idle_timeout", "36501d", "\"36501d\"" LONG_TIME},
    {"choice", "framing", "length", NULL},
    {"no choice", "framing", "lines", "\"lines\" is not allowed; one of: chunk, line, length"},
    {"a choice in capitals", "framing", "LINE",
     "\"LINE\" is not allowed; one of: chunk, line, length"},
    {"no choice, two", "format", "", "\"\" is not allowed; one of: rfc867, iso8601"},
    {"end", "end", "cr", "\"cr\" is not allowed; one of: none, crlf, nul"},
    {"handler", "handler", "hello", NULL},
    {"no handler", "handler", "http",
     "\"http\" is not a handler; one of: chargen, daytime, discard, echo, greeting, hello, "
     "module, program, time"},
    {"text", "message", "anything at all\n", NULL},
    {"empty text", "message", "", NULL},
    {"nice", "nice", "-20", NULL},
    {"nice, highest", "nice", "19", NULL},
    {"nice as it is", "nice", "inherit", NULL},
    {"too nice", "nice", "20", "\"20\"" NICE},
    {"not nice", "nice", "-21", "\"-21\"" NICE},
    {"nice empty", "nice", "", "\"\"" NICE},
    {"nice with more", "nice", "5x", "\"5x\"" NICE},
    {"mask", "umask", "027", NULL},
    {"mask as it is", "umask", "inherit", NULL},
    {"mask not octal", "umask", "089", "\"089\"" MASK},
    {"mask too long", "umask", "01000", "\"01000\"" MASK},
    {"mask below 0", "umask", "-1", "\"-1\"" MASK},
    {"limit", "limit_nofile", "64", NULL},
    {"limit in K", "limit_as", "512K", NULL},
    {"limit in T", "limit_core", "8T", NULL},
    {"no limit", "limit_nproc", "infinity", NULL},
    {"limit too low", "limit_nofile", "2", "\"2\"" LIMIT(3)},
    {"limit of an unknown unit", "limit_as", "5P", "\"5P\"" LIMIT(4096)},
    {"limit with two units", "limit_as", "5MM", "\"5MM\"" LIMIT(4096)},
    {"limit below 0", "limit_core", "-1", "\"-1\"" LIMIT(0)},
    {"limit above 2^63", "limit_as", "99999999T", "\"99999999T\"" LIMIT(4096)},
    {"program", "program", "/bin/true", NULL},
    {"mode of a program", "program_mode", "fork",
     "\"fork\" is not allowed; one of: connection, prestart, listener"},
    {"listen", "listen", "127.0.0.1:7", NULL},
    {"no address", "listen", "127.0.0.1", "\"127.0.0.1\": the port is missing: write ADDRESS:PORT"},
};

static void test_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int index = settings_find(rows[i].option, false);
        struct service service = {0};
        cleanup_free char *wrong = NULL;
        char row[96];

        (void)snprintf(row, sizeof(row), "%s = %s (%s)", rows[i].option, rows[i].text,
                       rows[i].name);
        check_true(row, index >= 0);
        wrong = settings_set(&settings[index], &service, rows[i].text);
        check_text(row, wrong, rows[i].want);
        if (rows[i].want) { // nothing was changed
            const struct service untouched = {0};

            check_bytes(row, &service, sizeof(service), &untouched, sizeof(untouched));
        }
        config_service_done(&service);
    }
}

static void set(struct service *service, const char *option, const char *text)
{
    char *wrong = settings_set(&settings[settings_find(option, false)], service, text);

    check_text(option, wrong, NULL);
}

static void test_values(void **state)
{
    struct service service = {0};

    (void)state;
    set(&service, "backlog", "100");
    check_number("backlog", service.backlog, 100);
    set(&service, "socket_mode", "0640");
    check_number("socket_mode", service.socket_mode, 0640);
    set(&service, "delay", "1min 1ms");
    check_number("delay", service.options.delay_usec, 60001000);
    set(&service, "framing", "line");
    check_number("framing", service.options.framing, FRAMING_LINE);
    set(&service, "nice", "-7");
    check_number("nice", service.options.program.nice, -7);
    set(&service, "umask", "inherit");
    check_number("umask", service.options.program.umask, INHERIT);
    set(&service, "limit_as", "3M");
    check_number("limit_as", service.options.program.limit_as, 3 << 20);
    set(&service, "limit_core", "infinity");
    check_number("limit_core", service.options.program.limit_core, (int64_t)RLIM_INFINITY);
    set(&service, "program", "/bin/sh");
    set(&service, "program", "-c");
    set(&service, "program", "");
    check_number("program", service.options.program.argv.n, 3);
    check_text("program", service.options.program.argv.items[1], "-c");
    check_text("program", service.options.program.argv.items[2], "");
    check_true("program", !service.options.program.argv.items[3]);
    set(&service, "end", "nul");
    check_number("end", service.options.end, END_NUL);
    set(&service, "format", "iso8601");
    check_number("format", service.options.format, FORMAT_ISO8601);
    set(&service, "handler", "time");
    check_true("handler", service.handler == &handler_time);
    set(&service, "message", "one");
    set(&service, "message", "two");
    check_text("message", service.options.message, "two");
    set(&service, "listen", "127.0.0.1:7");
    set(&service, "listen", "unix:/run/x");
    check_number("listen", service.n_listen, 2);
    check_text("listen", service.listen[0].text, "127.0.0.1:7");
    check_text("listen", service.listen[0].spec.port, "7");
    check_text("listen", service.listen[1].text, "unix:/run/x");
    check_number("listen", service.listen[1].spec.kind, ADDRESS_UNIX);
    config_service_done(&service);
}

static void test_defaults(void **state)
{
    struct config config = {0};
    struct service service = {0};

    (void)state;
    settings_init(&config, true);
    check_number("stop_timeout", config.stop_timeout_usec, 30 * USEC_PER_SEC);
    check_number("log_sessions", config.log_sessions, LOG_SESSIONS_ERRORS);
    check_number("log_addresses", config.log_addresses, LOG_ADDRESSES_FULL);
    settings_init(&service, false);
    check_true("handler", service.handler == NULL);
    check_number("listen", service.n_listen, 0);
    check_number("backlog", service.backlog, 4096);
    check_number("min_workers", service.min_workers, 4);
    check_number("max_workers", service.max_workers, 256);
    check_number("spare_workers", service.spare_workers, 4);
    check_number("max_sessions_per_worker", service.max_sessions_per_worker, 0);
    check_number("max_worker_age", service.max_worker_age_usec, 0);
    check_number("first_byte_timeout", service.deadlines.first_byte_usec, 30 * USEC_PER_SEC);
    check_number("idle_timeout", service.deadlines.idle_usec, 60 * USEC_PER_SEC);
    check_number("send_timeout", service.deadlines.send_usec, 30 * USEC_PER_SEC);
    check_number("session_timeout", service.deadlines.session_usec, 0);
    check_number("socket_mode", service.socket_mode, 0666);
    check_text("socket_user", service.socket_user, NULL);
    check_text("socket_group", service.socket_group, NULL);
    check_text("message", service.options.message, NULL);
    check_text("file", service.options.file, NULL);
    check_number("end", service.options.end, END_NONE);
    check_number("format", service.options.format, FORMAT_RFC867);
    check_number("framing", service.options.framing, FRAMING_CHUNK);
    check_number("delay", service.options.delay_usec, 0);
    check_number("program", service.options.program.argv.n, 0);
    check_number("program_mode", service.options.program.mode, PROGRAM_CONNECTION);
    check_number("umask", service.options.program.umask, INHERIT);
    check_number("nice", service.options.program.nice, INHERIT);
    check_number("limit_nofile", service.options.program.limit_nofile, INHERIT);
    check_number("program_timeout", service.options.program.timeout_usec, 0);
    check_number("kill_grace", service.options.program.kill_grace_usec, 5 * USEC_PER_SEC);
    check_number("hang_timeout", service.options.hang_usec, 60 * USEC_PER_SEC);
    config_service_done(&service);
}

static void test_handlers(void **state)
{
    static const char *const names[] = {"chargen", "daytime", "discard", "echo", "greeting",
                                        "hello",   "module",  "program", "time"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        const struct handler *handler = handler_find(names[i]);

        check_true(names[i], handler != NULL && handler->face.serve != NULL);
        check_text(names[i], handler->name, names[i]);
    }
    check_true("unknown", handler_find("http") == NULL);
    check_true("empty", handler_find("") == NULL);
    check_true("capitals", handler_find("Echo") == NULL);
    check_text("all", handler_names(),
               "chargen, daytime, discard, echo, greeting, hello, module, program, time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),    cmocka_unit_test(test_set),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_handlers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
