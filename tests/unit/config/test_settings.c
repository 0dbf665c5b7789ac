// SPDX-License-Identifier: MIT
// form.c, with settings.c and the handlers' forms: the tables agree with themselves, each kind
// takes its values whole or says what is allowed, and a refused value changes nothing.

#include <ctype.h>
#include <sys/resource.h>

#include "config/settings.h"
#include "module/module_options.h"
#include "program/program_options.h"
#include "service.h"

// The forms of a service: its own, and each handler's.
static const struct form *form_at(size_t i)
{
    static const struct form nothing;

    if (i == 0)
        return &settings_of_service;
    return handlers[i - 1]->form ? handlers[i - 1]->form : &nothing;
}

// The setting of any of them, whose form is *ret_form.
static const struct setting *find(const char *name, const struct form **ret_form)
{
    for (size_t i = 0; i == 0 || handlers[i - 1]; i++) {
        const struct setting *setting = form_find(form_at(i), name);

        *ret_form = form_at(i);
        if (setting)
            return setting;
    }
    return NULL;
}

static void check_form(const struct form *form)
{
    cleanup_free void *values = calloc(1, form->size + 1);
    cleanup_free char *wrong = form_init(form, values);

    check_text("defaults", wrong, NULL);
    for (size_t i = 0; i < form->n; i++) {
        const struct setting *setting = &form->settings[i];

        check_true(setting->name, form_find(form, setting->name) == setting); // there once
        check_true(setting->name, setting->offset < form->size || form->size == 0);
        for (const char *p = setting->name; *p; p++)
            check_true(setting->name, islower((unsigned char)*p) || *p == '_' ||
                                          (p > setting->name && isdigit((unsigned char)*p)));
        for (int k = 0; k < setting->n_names; k++)
            check_true(setting->name, setting->names[k] != NULL);
    }
    form_done(form, values);
}

static void test_forms(void **state)
{
    (void)state;
    check_form(&settings_of_file);
    for (size_t i = 0; i == 0 || handlers[i - 1]; i++)
        check_form(form_at(i));
    check_true("unknown", !form_find(&settings_of_service, "no_such_option"));
    check_true("empty", !form_find(&settings_of_file, ""));
    check_true("a beginning", !form_find(&settings_of_file, "stop_time"));
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
     "\"fork\" is not allowed; one of: connection, prestart, wait, listener"},
    {"listen", "listen", "127.0.0.1:7", NULL},
    {"no address", "listen", "127.0.0.1", "\"127.0.0.1\": the port is missing: write ADDRESS:PORT"},
};

static void test_set(void **state)
{
    static const struct place place = {.file = "test", .line = 1};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct form *form;
        const struct setting *setting = find(rows[i].option, &form);
        cleanup_free void *values = NULL, *untouched = NULL;
        cleanup_free char *wrong = NULL;
        char row[96];

        (void)snprintf(row, sizeof(row), "%s = %s (%s)", rows[i].option, rows[i].text,
                       rows[i].name);
        check_true(row, setting != NULL);
        values = calloc(1, form->size);
        untouched = calloc(1, form->size);
        wrong = setting_set(setting, values, rows[i].text, &place);
        check_text(row, wrong, rows[i].want);
        if (rows[i].want)
            check_bytes(row, values, form->size, untouched, form->size);
        form_done(form, values);
    }
}

static void test_values(void **state)
{
    struct service service = {0};
    struct program_options program = {0};

    (void)state;
    form_set(&settings_of_service, &service, "backlog", "100");
    check_number("backlog", service.backlog, 100);
    form_set(&settings_of_service, &service, "socket_mode", "0640");
    check_number("socket_mode", service.socket_mode, 0640);
    form_set(&settings_of_service, &service, "idle_timeout", "1min 1ms");
    check_number("idle_timeout", service.deadlines.idle_usec, 60001000);
    form_set(&settings_of_service, &service, "socket_user", "one");
    form_set(&settings_of_service, &service, "socket_user", "two");
    check_text("socket_user", service.socket_user, "two");
    form_set(&settings_of_service, &service, "listen", "127.0.0.1:7");
    form_set(&settings_of_service, &service, "listen", "unix:/run/x");
    check_number("listen", service.listen.n, 2);
    check_text("listen", service.listen.items[0].text, "127.0.0.1:7");
    check_text("listen", service.listen.items[0].spec.port, "7");
    check_text("listen", service.listen.items[1].text, "unix:/run/x");
    check_number("listen", service.listen.items[1].spec.kind, ADDRESS_UNIX);
    check_text("listen", service.listen.items[1].file, "test");
    check_number("listen", service.listen.items[1].line, 1);
    config_service_done(&service);

    form_set(&program_form, &program, "nice", "-7");
    check_number("nice", program.nice, -7);
    form_set(&program_form, &program, "umask", "inherit");
    check_number("umask", program.umask, INHERIT);
    form_set(&program_form, &program, "limit_as", "3M");
    check_number("limit_as", program.limit_as, 3 << 20);
    form_set(&program_form, &program, "limit_core", "infinity");
    check_number("limit_core", program.limit_core, (int64_t)RLIM_INFINITY);
    form_set(&program_form, &program, "program_mode", "prestart");
    check_number("program_mode", program.mode, PROGRAM_PRESTART);
    form_set(&program_form, &program, "program", "/bin/sh");
    form_set(&program_form, &program, "program", "-c");
    form_set(&program_form, &program, "program", "");
    check_number("program", program.argv.n, 3);
    check_text("program", program.argv.items[1], "-c");
    check_text("program", program.argv.items[2], "");
    check_true("program", !program.argv.items[3]);
    form_done(&program_form, &program);
    check_number("program, freed", program.argv.n, 0);
}

static void test_defaults(void **state)
{
    struct config config = {0};
    struct service service = {0};
    struct program_options program = {0};
    struct service module = service_make("module", NULL);

    (void)state;
    check_text("file", form_init(&settings_of_file, &config), NULL);
    check_number("stop_timeout", config.stop_timeout_usec, 30 * USEC_PER_SEC);
    check_number("log_sessions", config.log_sessions, LOG_SESSIONS_ERRORS);
    check_number("log_addresses", config.log_addresses, LOG_ADDRESSES_FULL);
    check_text("service", form_init(&settings_of_service, &service), NULL);
    check_true("handler", service.handler == NULL);
    check_number("listen", service.listen.n, 0);
    check_number("backlog", service.backlog, 4096);
    check_number("min_workers", service.min_workers, 4);
    check_number("max_workers", service.max_workers, 256);
    check_number("spare_workers", service.spare_workers, 4);
    check_number("max_sessions_per_worker", service.max_sessions_per_worker, 0);
    check_number("max_worker_age", service.max_worker_age_usec, 0);
    check_number("core_dumps", (unsigned)service.core_dumps, 0);
    check_number("new_privileges", (unsigned)service.new_privileges, 0);
    check_number("first_byte_timeout", service.deadlines.first_byte_usec, 30 * USEC_PER_SEC);
    check_number("idle_timeout", service.deadlines.idle_usec, 60 * USEC_PER_SEC);
    check_number("send_timeout", service.deadlines.send_usec, 30 * USEC_PER_SEC);
    check_number("session_timeout", service.deadlines.session_usec, 0);
    check_number("socket_mode", service.socket_mode, 0666);
    check_text("socket_user", service.socket_user, NULL);
    check_text("socket_group", service.socket_group, NULL);
    config_service_done(&service);

    check_text("program", form_init(&program_form, &program), NULL);
    check_number("program", program.argv.n, 0);
    check_number("program_mode", program.mode, PROGRAM_CONNECTION);
    check_number("umask", program.umask, INHERIT);
    check_number("nice", program.nice, INHERIT);
    check_number("limit_nofile", program.limit_nofile, INHERIT);
    check_number("program_timeout", program.timeout_usec, 0);
    check_number("kill_mode", program.kill_mode, KILL_GROUP);
    check_number("kill_grace", program.kill_grace_usec, 5 * USEC_PER_SEC);
    check_number("ready_time", program.ready_usec, USEC_PER_SEC);
    form_done(&program_form, &program);

    check_number("hang_timeout", ((const struct module_options *)module.options)->hang_usec,
                 60 * USEC_PER_SEC);
    check_number("limit_as", ((const struct module_options *)module.options)->limit_as, INHERIT);
    config_service_done(&module);
}

static void test_handlers(void **state)
{
    static const char *const names[] = {"agent",   "chargen",  "daytime", "discard",
                                        "echo",    "greeting", "hello",   "module",
                                        "program", "status",   "time"};
    size_t n = 0;

    (void)state;
    for (; handlers[n]; n++) {
        check_true("too many", n < ELEMENTS(names));
        check_text(names[n], handlers[n]->name, names[n]);
        check_true(names[n], handlers[n]->face.serve != NULL);
        check_true(names[n], handler_find(handlers, names[n]) == handlers[n]);
    }
    check_number("handlers", n, ELEMENTS(names));
    check_true("unknown", handler_find(handlers, "http") == NULL);
    check_true("empty", handler_find(handlers, "") == NULL);
    check_true("capitals", handler_find(handlers, "Echo") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),    cmocka_unit_test(test_set),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_handlers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
